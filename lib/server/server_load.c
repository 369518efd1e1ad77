/*
 * server_load.c - what the log asks of its server when it is loaded or written anew, and the
 * client's command on it.
 */
#include <errno.h>

#include "server/server_core.h"

static bool apply(void *owner, const struct ipk__slice *argv, size_t argc, struct ipk__buffer *out)
{
	return ipk__execute_logged(owner, argv, argc, out);
}

static int restore_reply(void *owner, struct ipk__slice session, uint64_t number,
			 struct ipk__slice reply)
{
	return ipk__session_restore(owner, session, number, reply);
}

static void scan_replies(void *owner, uint64_t *cursor, ipk__log_reply_fn *each, void *to)
{
	ipk__sessions_scan(owner, cursor, each, to);
}

static void describe_object(void *owner, struct ipk__slice name, struct ipk__entry *key,
			    ipk__log_command_fn *each, void *to)
{
	ipk__sync_object_describe(owner, name, key, each, to);
}

static const struct ipk__log_source source = {
	.apply = apply,
	.restore_reply = restore_reply,
	.scan_replies = scan_replies,
	.describe_object = describe_object,
};

struct ipk__log_opts ipk__server_log_opts(struct ipk__server *server)
{
	const struct ipk__server_config *c = &server->config;

	return (struct ipk__log_opts){
		.path = c->log_path,
		.fsync = c->fsync,
		.store = server->db.store,
		.source = &source,
		.owner = server,
		.rewrite_percent = c->rewrite_percent,
		.rewrite_min_bytes = c->rewrite_min_bytes,
		.trouble = c->trouble,
		.trouble_bytes = c->trouble_bytes,
	};
}

/* --- the client's commands on it -------------------------------------------------------------- */

static void cmd_bgrewriteaof(struct ipk__request *q)
{
	int r;

	if (!ipk__server_of(q)->log) {
		ipk__reply_error(q, "ERR there is no append only file");
		return;
	}
	r = ipk__log_rewrite(ipk__server_of(q)->log);
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
