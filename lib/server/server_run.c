/* server_run.c - the requests that a connection sent: from bytes to words, as far as its turn goes. */
#include <errno.h>

#include "server/server_core.h"

#define REQUESTS_PER_ITERATION 512

static void protocol_error(struct ipk__server *server, struct ipk__conn *conn, int err)
{
	struct ipk__peer *peer = &conn->peer;
	struct ipk__request q;

	ipk__request_begin(server, peer, NULL, 0, &q);
	if (err == -EPROTO)
		ipk__reply_error(&q, "ERR Protocol error: %s", conn->reader.error);
	else
		ipk__reply_error(&q, "ERR out of memory");
	ipk__peer_close_later(server, peer);
}

size_t ipk__conn_run(struct ipk__server *server, struct ipk__conn *conn, const char *data,
		     size_t n_bytes)
{
	struct ipk__peer *peer = &conn->peer;
	size_t at = 0;
	int n;

	for (n = 0; n < REQUESTS_PER_ITERATION && at < n_bytes && !ipk__conn_is_held(conn); n++) {
		size_t used;
		size_t more;
		int r = ipk__resp_read_request(&conn->reader, data + at, n_bytes - at, &used,
					       &more);

		if (r < 0) {
			protocol_error(server, conn, r);
			at = n_bytes;
		}
		if (r <= 0)
			break;
		at += used;
		if (conn->reader.argc > 0)
			ipk__execute(server, peer, conn->reader.argv, conn->reader.argc);
	}
	if (n == REQUESTS_PER_ITERATION && at < n_bytes)
		ipk__conn_make_readable(server, conn);
	if (ipk__buffer_len(&peer->out) > 0)
		ipk__peer_flush(server, peer);
	ipk__status_peer_did(server, peer);
	return at;
}
