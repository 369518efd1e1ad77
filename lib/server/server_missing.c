/* server_missing.c - stand-ins for parts that have yet to come; each goes with its part's coming.
 */
#include <errno.h>

#include "server/server_core.h"

#define MISSING __attribute__((weak))
#define NO_COMMANDS(table) \
	MISSING const struct ipk__command ipk__commands_##table[] = {{.name = NULL}}

#if !__has_include("server/cmd_key.c")
NO_COMMANDS(key);
#endif
#if !__has_include("server/cmd_string.c")
NO_COMMANDS(string);
#endif
#if !__has_include("server/cmd_hash.c")
NO_COMMANDS(hash);
#endif
#if !__has_include("server/cmd_list.c")
NO_COMMANDS(list);
#endif
#if !__has_include("server/cmd_more_dict.c") && !__has_include("server/cmd_more_list.c")
NO_COMMANDS(more);
#endif
#if !__has_include("server/things.c")
NO_COMMANDS(thing);
MISSING bool ipk__things_cancel(struct ipk__request *q)
{
	(void)q;
	return true;
}
MISSING void ipk__things_close(struct ipk__server *server)
{
	(void)server;
}
MISSING void ipk__thing_describe(struct ipk__server *server, struct ipk__slice name,
				 struct ipk__entry *key, ipk__emit_fn *emit, void *arg)
{
	(void)server;
	(void)name;
	(void)key;
	(void)emit;
	(void)arg;
}
MISSING const char *ipk__thing_type_name(uint32_t kind)
{
	(void)kind;
	return "ipk.thing";
}
MISSING uint64_t ipk__things_used_bytes(const struct ipk__server *server)
{
	(void)server;
	return 0;
}
MISSING void ipk__thing_dump(struct ipk__server *server, struct ipk__slice name,
			     void (*emit)(void *arg, size_t argc, const struct ipk__slice *argv),
			     void *arg)
{
	(void)server;
	(void)name;
	(void)emit;
	(void)arg;
}
MISSING void ipk__things_peer_gone(struct ipk__server *server, struct ipk__peer *peer)
{
	(void)server;
	(void)peer;
}
#endif
#if !__has_include("server/notify.c")
NO_COMMANDS(notify);
MISSING void ipk__notify_flushed(struct ipk__server *server)
{
	(void)server;
}
MISSING void ipk__notify_deliver(struct ipk__server *server)
{
	(void)server;
}
MISSING void ipk__notify_close(struct ipk__server *server)
{
	(void)server;
}
MISSING void ipk__notify_peer_gone(struct ipk__server *server, struct ipk__peer *peer)
{
	(void)server;
	(void)peer;
}
MISSING void ipk__notify_changed(struct ipk__server *server, struct ipk__slice name,
				 struct ipk__slice field)
{
	(void)server;
	(void)name;
	(void)field;
}
#endif
#if !__has_include("server/session.c")
NO_COMMANDS(session);
MISSING void ipk__sessions_free(struct ipk__server *server)
{
	(void)server;
}
MISSING int ipk__session_restore(struct ipk__server *server, struct ipk__slice id, uint64_t number,
				 struct ipk__slice reply)
{
	(void)server;
	(void)id;
	(void)number;
	(void)reply;
	return 0;
}
MISSING uint64_t ipk__session_number(const struct ipk__session *session, struct ipk__slice *ret_id)
{
	(void)session;
	(void)ret_id;
	return 0;
}
MISSING void ipk__sessions_scan(struct ipk__server *server, uint64_t *cursor, ipk__session_fn *each,
				void *arg)
{
	(void)server;
	(void)cursor;
	(void)each;
	(void)arg;
}
MISSING bool ipk__session_begin(struct ipk__server *server, struct ipk__peer *peer,
				const struct ipk__slice *argv, size_t argc)
{
	(void)server;
	(void)peer;
	(void)argv;
	(void)argc;
	return false;
}
MISSING void ipk__session_end(struct ipk__server *server, struct ipk__peer *peer, bool changed,
			      struct ipk__slice reply)
{
	(void)server;
	(void)peer;
	(void)changed;
	(void)reply;
}
MISSING void ipk__session_peer_gone(struct ipk__server *server, struct ipk__peer *peer)
{
	(void)server;
	(void)peer;
}
#endif
#if !__has_include("server/log.c")
NO_COMMANDS(log);
MISSING int ipk__log_room(struct ipk__log *log, size_t n_bytes)
{
	(void)log;
	(void)n_bytes;
	return 0;
}
MISSING bool ipk__log_holds(const struct ipk__log *log, const struct ipk__peer *peer)
{
	(void)log;
	(void)peer;
	return false;
}
MISSING void ipk__log_answered(struct ipk__log *log, const struct ipk__session *session,
			       struct ipk__slice reply)
{
	(void)log;
	(void)session;
	(void)reply;
}
MISSING int ipk__log_open(struct ipk__server *server, const char *path, int fsync,
			  struct ipk__log **ret_log)
{
	(void)server;
	(void)path;
	(void)fsync;
	(void)ret_log;
	return -EOPNOTSUPP;
}
MISSING void ipk__log_close(struct ipk__log *log)
{
	(void)log;
}
MISSING void ipk__log_append(struct ipk__log *log, struct ipk__request *q)
{
	(void)log;
	(void)q;
}
MISSING void ipk__log_effect(struct ipk__log *log, struct ipk__request *q, size_t argc,
			     const struct ipk__slice *argv)
{
	(void)log;
	(void)q;
	(void)argc;
	(void)argv;
}
MISSING int ipk__log_flush(struct ipk__log *log)
{
	(void)log;
	return 0;
}
MISSING bool ipk__log_refuses_writes(const struct ipk__log *log)
{
	(void)log;
	return false;
}
MISSING bool ipk__log_step(struct ipk__log *log, int64_t budget_ns)
{
	(void)log;
	(void)budget_ns;
	return false;
}
MISSING void ipk__log_before(struct ipk__log *log, struct ipk__request *q)
{
	(void)log;
	(void)q;
}
MISSING void ipk__log_status(const struct ipk__log *log, struct ipk__log_status *ret_status)
{
	(void)log;
	*ret_status = (struct ipk__log_status){0};
}
#endif
