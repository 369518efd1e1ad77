/* server_admin.h - commands about the server, in files of their own. */
#ifndef IPK_SERVER_ADMIN_H
#define IPK_SERVER_ADMIN_H

#include "server/server_core.h"

#define IPK__REDIS_VERSION "7.0.15" /* the version whose commands are implemented */

void ipk__cmd_client(struct ipk__request *q);  /* server_admin_client.c */
void ipk__cmd_command(struct ipk__request *q); /* server_admin_command.c */
void ipk__cmd_info(struct ipk__request *q);    /* server_admin_info.c */
void ipk__cmd_config(struct ipk__request *q);  /* server_admin_config.c */
bool ipk__admin_set_name(struct ipk__request *q, struct ipk__slice name);
void ipk__reply_unknown_subcommand(struct ipk__request *q);

#endif
