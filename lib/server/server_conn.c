/*
 * server_conn.c - the table of connections, and the lists of those with something to do.
 *
 * Whatever handles a connection only marks it: to be read, to be sent to, to be closed. The loop
 * does it, once in each turn (server_peer.c).
 */
#include "server/server_core.h"
#include "server/server_ring.h"

#define UNAUTHENTICATED_MS 2000
#define UNAUTHENTICATED_ARGS 10
#define UNAUTHENTICATED_BYTES ((size_t)16 << 10)
#define REQUEST_ARGS ((size_t)1 << 20)
#define INLINE_BYTES ((size_t)64 << 10)

static struct ipk__conn **bucket_of(struct ipk__loop *loop, uint64_t id)
{
	return &loop->by_id[id % IPK__CONN_BUCKETS];
}

struct ipk__peer *ipk__peer_find(struct ipk__server *server, uint64_t id)
{
	struct ipk__conn *conn = *bucket_of(server->loop, id);

	while (conn && conn->peer.id != id)
		conn = conn->id_next;
	return conn ? &conn->peer : NULL;
}

/* --- lists of those with something to do ------------------------------------------------------ */

void ipk__conn_make_readable(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__loop *loop = server->loop;

	if (conn->is_readable || conn->is_closing)
		return;
	conn->is_readable = true;
	conn->readable_next = NULL;
	*loop->readable_end = conn;
	loop->readable_end = &conn->readable_next;
}

void ipk__peer_flush(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__conn *conn = ipk__conn_of(peer);

	if (conn->is_write_pending || conn->is_closing)
		return;
	conn->is_write_pending = true;
	conn->write_pending_next = server->loop->write_pending;
	server->loop->write_pending = conn;
}

void ipk__conn_doom(struct ipk__server *server, struct ipk__conn *conn)
{
	if (conn->is_closing)
		return;
	conn->is_closing = true;
	conn->closing_next = server->loop->closing;
	server->loop->closing = conn;
}

void ipk__peer_close_later(struct ipk__server *server, struct ipk__peer *peer)
{
	peer->flags |= IPK__PEER_CLOSING;
	ipk__peer_flush(server, peer);
}

bool ipk__conn_is_held(const struct ipk__conn *conn)
{
	return (conn->peer.flags & (IPK__PEER_BLOCKED | IPK__PEER_CLOSING)) || conn->is_closing ||
	       ipk__buffer_len(&conn->peer.out) > IPK__PAUSE_BYTES;
}

void ipk__ring_wake(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__rings *rings = server->loop->rings;

	if (conn->ring_is_listed || !conn->ring)
		return;
	conn->ring_is_listed = true;
	conn->ring_active_ns = server->loop->clock_ns;
	conn->ring_next = rings->active;
	rings->active = conn;
}

/* --- those that have not shown yet who they are ----------------------------------------------- */

static void limit(struct ipk__conn *conn, size_t args_max, size_t bytes_max, size_t total_max)
{
	conn->reader.limits = (struct ipk__resp_limits){
		.args_max = args_max,
		.bulk_max = bytes_max,
		.inline_max = IPK__MIN(bytes_max, INLINE_BYTES),
		.total_max = total_max,
	};
}

static void add_unauthenticated(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__loop *loop = server->loop;

	conn->is_unauthenticated = true;
	conn->unauthenticated_since_ms = server->steady_ms;
	conn->unauthenticated_prev = loop->unauthenticated_last;
	*(loop->unauthenticated_last ? &loop->unauthenticated_last->unauthenticated_next
				     : &loop->unauthenticated) = conn;
	loop->unauthenticated_last = conn;
	loop->n_unauthenticated++;
	limit(conn, UNAUTHENTICATED_ARGS, UNAUTHENTICATED_BYTES, UNAUTHENTICATED_BYTES);
}

static void remove_unauthenticated(struct ipk__loop *loop, struct ipk__conn *conn)
{
	if (!conn->is_unauthenticated)
		return;
	conn->is_unauthenticated = false;
	*(conn->unauthenticated_prev ? &conn->unauthenticated_prev->unauthenticated_next
				     : &loop->unauthenticated) = conn->unauthenticated_next;
	*(conn->unauthenticated_next ? &conn->unauthenticated_next->unauthenticated_prev
				     : &loop->unauthenticated_last) = conn->unauthenticated_prev;
	loop->n_unauthenticated--;
}

void ipk__conn_is_known(struct ipk__server *server, struct ipk__conn *conn)
{
	size_t max = server->config.max_request_bytes;

	conn->peer.flags |= IPK__PEER_KNOWN;
	remove_unauthenticated(server->loop, conn);
	limit(conn, REQUEST_ARGS, max, max + INLINE_BYTES);
}

void ipk__peers_check_unauthenticated(struct ipk__server *server)
{
	struct ipk__conn *conn = server->loop->unauthenticated;

	for (; conn && server->steady_ms - conn->unauthenticated_since_ms >= UNAUTHENTICATED_MS;
	     conn = conn->unauthenticated_next)
		ipk__conn_doom(server, conn);
}

bool ipk__peers_drop_a_stranger(struct ipk__server *server)
{
	struct ipk__conn *conn = server->loop->unauthenticated;

	while (conn && conn->is_closing)
		conn = conn->unauthenticated_next;
	if (conn)
		ipk__conn_doom(server, conn);
	return conn != NULL;
}

/* --- coming and going ------------------------------------------------------------------------- */

void ipk__conn_add(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__conn **bucket = bucket_of(server->loop, conn->peer.id);

	conn->id_next = *bucket;
	*bucket = conn;
	conn->next = server->conns;
	if (conn->next)
		conn->next->prev = conn;
	server->conns = conn;
	server->n_peers++;
	if (server->config.key_bytes > 0)
		add_unauthenticated(server, conn);
	else
		ipk__conn_is_known(server, conn);
}

void ipk__conn_remove(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__conn **at = bucket_of(server->loop, conn->peer.id);

	while (*at != conn)
		at = &(*at)->id_next;
	*at = conn->id_next;
	*(conn->prev ? &conn->prev->next : &server->conns) = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	server->n_peers--;
	remove_unauthenticated(server->loop, conn);
}
