/* cmd_log.c - what clients may ask of the log: BGREWRITEAOF. */
#include <errno.h>

#include "server/server.h"

static void cmd_bgrewriteaof(struct ipk__request *q)
{
	int r;

	if (!q->server->log) {
		ipk__reply_error(q, "ERR there is no append only file");
		return;
	}
	r = ipk__log_rewrite(q->server->log);
	if (r == -EALREADY)
		ipk__reply_error(q,
				 "ERR Background append only file rewriting already in progress");
	else if (r < 0)
		ipk__reply_failed(q, r);
	else
		ipk__reply_simple(q, "Background append only file rewriting started");
}

const struct ipk__command ipk__commands_log[] = {
	{"BGREWRITEAOF", cmd_bgrewriteaof, 1, IPK__CMD_ADMIN | IPK__CMD_NO_MULTI, 0, 0, 0, "server",
	 "Writes the append only file anew, as short as it can be"},
	{0},
};
