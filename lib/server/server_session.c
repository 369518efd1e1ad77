/* server_session.c - IPK.SESSION: a connection continues a session, and ends the one before it. */
#include <errno.h>

#include "log/log_record.h"
#include "server/server_core.h"

static void join(struct ipk__server *server, struct ipk__peer *peer, struct ipk__session *s)
{
	uint64_t id = ipk__session_peer(s);
	struct ipk__peer *old = id != 0 ? ipk__peer_find(server, id) : NULL;

	/* At once: what it still waited for is asked for again, and what it held is free. */
	if (old) {
		ipk__session_leave(server, old);
		ipk__blocks_peer_gone(server, old);
		ipk__sync_objects_peer_gone(&server->db, old);
		ipk__conn_doom(server, ipk__conn_of(old));
	}
	ipk__session_join(server, peer, s);
}

static void cmd_session(struct ipk__request *q)
{
	struct ipk__conn *conn = ipk__conn_of(q->peer);
	struct ipk__slice id = q->argv[1];
	struct ipk__session *s;
	int64_t number;
	int r;

	if (!q->peer || id.n_bytes < IPK__SESSION_ID_MIN || id.n_bytes > IPK__SESSION_ID_MAX) {
		ipk__reply_error(q, "ERR a session's id has 16 to 64 bytes");
		return;
	}
	if (!ipk__arg_integer(q, 2, &number))
		return;
	if (number < 1) {
		ipk__reply_error(q, "ERR requests of a session count from 1");
		return;
	}
	if (conn->session && !ipk__session_is(conn->session, id))
		ipk__session_leave(ipk__server_of(q), q->peer);
	r = ipk__session_get(ipk__server_of(q), id, &s);
	if (r == -EUSERS) {
		ipk__reply_error(q, "ERR there are too many sessions");
		return;
	}
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	if (conn->session != s)
		join(ipk__server_of(q), q->peer, s);
	ipk__session_continue(s, (uint64_t)number);
	ipk__reply_array(q, 2);
	ipk__reply_bulk(q, ipk__slice_of_string(ipk__server_of(q)->run_id));
	ipk__reply_integer(q, (int64_t)ipk__session_last(s));
}

const struct ipk__command ipk__commands_session[] = {
	{"IPK.SESSION", cmd_session, 3, IPK__CMD_NO_MULTI | IPK__CMD_OWN | IPK__CMD_FAST, 0, 0, 0,
	 "connection", "Makes this connection part of a session, whose requests are done once"},
	{0},
};
