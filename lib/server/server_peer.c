/*
 * server_peer.c - connections: who may come, how much they may send, and how much waits for
 * those that do not read.
 *
 * What comes is read into one buffer of the loop and executed where it lies; only what is not
 * whole yet is kept with the peer. A peer with many requests at hand gets a bounded turn and
 * then waits for the others' (hungry). One whose replies are not taken is not read from
 * either, so that a client which sends without end and reads nothing costs what fits into
 * PAUSE_BYTES and one reply; if it still takes nothing for a minute, or replies that come
 * without being asked for go over the hard limit, it is dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "server/server_core.h"
#include "server/server_ring.h"

#define ACCEPTS_A_TURN 64
#define REQUESTS_A_TURN 512
#define READ_AHEAD_MAX ((size_t)4 << 20)
#define HELD_BYTES ((size_t)64 << 10) /* read from one whose requests have to wait */
#define PAUSE_BYTES ((size_t)1 << 20)
#define SEND_BYTES ((size_t)1 << 20) /* to one peer in a turn */
#define KEEP_BYTES ((size_t)16 << 10)
#define UNKNOWN_MAX 64
#define UNKNOWN_MS 2000
#define UNKNOWN_ARGS 10
#define UNKNOWN_BYTES ((size_t)16 << 10)
#define REQUEST_ARGS ((size_t)1 << 20)
#define INLINE_BYTES ((size_t)64 << 10)
#define ACCEPT_AGAIN_MS 100

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

/* --- lists of those with something to do --- */

void ipk__conn_make_hungry(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__loop *loop = server->loop;

	if (conn->is_hungry || conn->is_doomed)
		return;
	conn->is_hungry = true;
	conn->hungry_next = NULL;
	*loop->hungry_end = conn;
	loop->hungry_end = &conn->hungry_next;
}

static struct ipk__conn *take_hungry(struct ipk__loop *loop)
{
	struct ipk__conn *conn = loop->hungry;

	loop->hungry = conn->hungry_next;
	if (!loop->hungry)
		loop->hungry_end = &loop->hungry;
	conn->is_hungry = false;
	return conn;
}

void ipk__peer_flush(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__conn *conn = ipk__conn_of(peer);

	if (conn->is_dirty || conn->is_doomed)
		return;
	conn->is_dirty = true;
	conn->dirty_next = server->loop->dirty;
	server->loop->dirty = conn;
}

void ipk__conn_doom(struct ipk__server *server, struct ipk__conn *conn)
{
	if (conn->is_doomed)
		return;
	conn->is_doomed = true;
	conn->doomed_next = server->loop->doomed;
	server->loop->doomed = conn;
}

void ipk__peer_close_later(struct ipk__server *server, struct ipk__peer *peer)
{
	peer->flags |= IPK__PEER_CLOSING;
	ipk__peer_flush(server, peer);
}

/* --- those that have not shown yet who they are --- */

static void limit(struct ipk__conn *conn, size_t args_max, size_t bytes_max, size_t total_max)
{
	conn->peer.reader.limits = (struct ipk__resp_limits){
		.args_max = args_max,
		.bulk_max = bytes_max,
		.inline_max = IPK__MIN(bytes_max, INLINE_BYTES),
		.total_max = total_max,
	};
}

static void add_unknown(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__loop *loop = server->loop;

	conn->is_unknown = true;
	conn->unknown_since_ms = server->steady_ms;
	conn->unknown_prev = loop->unknown_last;
	*(loop->unknown_last ? &loop->unknown_last->unknown_next : &loop->unknown) = conn;
	loop->unknown_last = conn;
	loop->n_unknown++;
	limit(conn, UNKNOWN_ARGS, UNKNOWN_BYTES, UNKNOWN_BYTES);
}

static void remove_unknown(struct ipk__loop *loop, struct ipk__conn *conn)
{
	if (!conn->is_unknown)
		return;
	conn->is_unknown = false;
	*(conn->unknown_prev ? &conn->unknown_prev->unknown_next : &loop->unknown) =
		conn->unknown_next;
	*(conn->unknown_next ? &conn->unknown_next->unknown_prev : &loop->unknown_last) =
		conn->unknown_prev;
	loop->n_unknown--;
}

void ipk__conn_is_known(struct ipk__server *server, struct ipk__conn *conn)
{
	size_t max = server->config.max_request_bytes;

	conn->peer.flags |= IPK__PEER_KNOWN;
	remove_unknown(server->loop, conn);
	limit(conn, REQUEST_ARGS, max, max + INLINE_BYTES);
}

void ipk__peers_check_unknown(struct ipk__server *server)
{
	struct ipk__conn *conn = server->loop->unknown;

	for (; conn && server->steady_ms - conn->unknown_since_ms >= UNKNOWN_MS;
	     conn = conn->unknown_next)
		ipk__conn_doom(server, conn);
}

/* --- coming --- */

static bool is_one_of(uint32_t id, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

static bool is_welcome(const struct ipk__server *server, const struct ipk__conn *conn)
{
	const struct ipk__server_config *c = &server->config;

	if (server->loop->is_tcp)
		return true;
	return conn->peer.uid == ipk__os_uid() ||
	       is_one_of(conn->peer.uid, c->allowed_uids, c->n_allowed_uids) ||
	       is_one_of(conn->gid, c->allowed_gids, c->n_allowed_gids);
}

static int introduce(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__peer *peer = &conn->peer;

	peer->id = ++server->loop->last_id;
	peer->resp = 2;
	peer->since_ms = peer->active_ms = conn->sent_ms = server->steady_ms;
	ipk__os_stream_peer_name(peer->fd, peer->address, sizeof peer->address);
	ipk__resp_reader_init(&peer->reader, &(struct ipk__resp_limits){0});
	if (server->loop->is_tcp) {
		peer->flags |= IPK__PEER_TCP;
		return 0;
	}
	return ipk__os_peer_ids(peer->fd, &peer->pid, &peer->uid, &conn->gid);
}

static void add(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__peer *peer = &conn->peer;
	struct ipk__conn **bucket = bucket_of(server->loop, peer->id);

	conn->id_next = *bucket;
	*bucket = conn;
	peer->next = server->peers;
	if (peer->next)
		peer->next->prev = peer;
	server->peers = peer;
	server->n_peers++;
	if (server->config.key_bytes > 0)
		add_unknown(server, conn);
	else
		ipk__conn_is_known(server, conn);
	ipk__board_peer_came(server, peer);
}

static void turn_away(struct ipk__server *server, int fd, const char *why)
{
	struct iovec part = {(void *)why, strlen(why)};
	size_t n;

	(void)ipk__os_stream_write(fd, &part, 1, &n);
	ipk__os_close(fd);
	server->loop->n_refused++;
}

static void welcome(struct ipk__server *server, int fd)
{
	struct ipk__conn *conn = ipk__os_calloc(1, sizeof *conn);

	if (!conn) {
		turn_away(server, fd, "-ERR out of memory\r\n");
		return;
	}
	conn->peer.fd = fd;
	conn->peer.loop_events = IPK__OS_IN;
	if (introduce(server, conn) < 0 || !is_welcome(server, conn)) {
		turn_away(server, fd, "-DENIED this user may not use this manager\r\n");
		ipk__resp_reader_free(&conn->peer.reader);
		free(conn);
		return;
	}
	if (ipk__os_loop_add(server->epoll_fd, fd, IPK__OS_IN, (uint64_t)(uintptr_t)conn) < 0) {
		turn_away(server, fd, "-ERR out of memory\r\n");
		ipk__resp_reader_free(&conn->peer.reader);
		free(conn);
		return;
	}
	server->loop->n_connections++;
	add(server, conn);
}

void ipk__peers_stop_accepting(struct ipk__server *server, int64_t again_ms)
{
	struct ipk__loop *loop = server->loop;

	if (loop->is_accepting)
		ipk__os_loop_remove(server->epoll_fd, server->listen_fd);
	loop->is_accepting = false;
	loop->accept_again_ms = again_ms;
}

void ipk__peers_start_accepting(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;

	loop->accept_again_ms = 0;
	if (loop->reserve_fd < 0 && ipk__os_bell_open(&loop->reserve_fd) < 0)
		loop->reserve_fd = -1;
	if (!loop->is_accepting)
		loop->is_accepting = ipk__os_loop_add(server->epoll_fd, server->listen_fd,
						      IPK__OS_IN, IPK__WORD_LISTEN) == 0;
	if (!loop->is_accepting)
		loop->accept_again_ms = server->steady_ms + ACCEPT_AGAIN_MS;
}

/* No fd is left: with the one in reserve, tell one client so. */
static void turn_away_without_fds(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	int fd;

	ipk__os_close(loop->reserve_fd);
	loop->reserve_fd = -1;
	if (ipk__os_stream_accept(server->listen_fd, loop->is_tcp, &fd) == 0)
		turn_away(server, fd, "-ERR max number of clients reached\r\n");
	if (ipk__os_bell_open(&loop->reserve_fd) < 0) {
		loop->reserve_fd = -1;
		ipk__peers_stop_accepting(server, server->steady_ms + ACCEPT_AGAIN_MS);
	}
}

void ipk__peers_accept(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	int fd;
	int r;

	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		r = ipk__os_stream_accept(server->listen_fd, loop->is_tcp, &fd);
		if (r == -EMFILE || r == -ENFILE)
			turn_away_without_fds(server);
		else if (r == -ENOMEM || r == -ENOBUFS)
			ipk__peers_stop_accepting(server, server->steady_ms + ACCEPT_AGAIN_MS);
		if (r < 0)
			return;
		if (server->n_peers >= server->config.max_clients)
			turn_away(server, fd, "-ERR max number of clients reached\r\n");
		else if (loop->n_unknown >= UNKNOWN_MAX)
			turn_away(server, fd, "-ERR too many clients without authentication\r\n");
		else
			welcome(server, fd);
	}
}

/* --- reading and executing --- */

bool ipk__conn_is_held(const struct ipk__conn *conn)
{
	return (conn->peer.flags & (IPK__PEER_BLOCKED | IPK__PEER_CLOSING)) || conn->is_doomed ||
	       ipk__bytes_len(&conn->peer.out) > PAUSE_BYTES;
}

static void protocol_error(struct ipk__server *server, struct ipk__conn *conn, int err)
{
	struct ipk__peer *peer = &conn->peer;
	struct ipk__request q;

	ipk__request_begin(server, peer, NULL, 0, &q);
	if (err == -EPROTO)
		ipk__reply_error(&q, "ERR Protocol error: %s", peer->reader.error);
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

	for (n = 0; n < REQUESTS_A_TURN && at < n_bytes && !ipk__conn_is_held(conn); n++) {
		size_t used;
		size_t more;
		int r = ipk__resp_read_request(&peer->reader, data + at, n_bytes - at, &used,
					       &more);

		if (r < 0) {
			protocol_error(server, conn, r);
			at = n_bytes;
		}
		if (r <= 0)
			break;
		at += used;
		if (peer->reader.argc > 0)
			ipk__execute(server, peer, peer->reader.argv, peer->reader.argc);
	}
	if (n == REQUESTS_A_TURN && at < n_bytes)
		ipk__conn_make_hungry(server, conn);
	if (ipk__bytes_len(&peer->out) > 0)
		ipk__peer_flush(server, peer);
	ipk__board_peer_did(server, peer);
	return at;
}

/* What had been read before. */
static void run_kept(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__bytes *in = &conn->peer.in;

	if (ipk__bytes_len(in) > 0)
		ipk__bytes_take(
			in, ipk__conn_run(server, conn, ipk__bytes_front(in), ipk__bytes_len(in)));
	if (ipk__bytes_len(in) == 0 && in->room_bytes > KEEP_BYTES)
		ipk__bytes_shrink(in, 0);
}

/* How much to read of one whose request is not whole yet. */
static size_t wanted_bytes(const struct ipk__conn *conn)
{
	size_t there = ipk__bytes_len(&conn->peer.in);

	/* Twice what is there: few reads for large requests, and memory for what has come only. */
	return IPK__MIN(IPK__MAX(there, IPK__READ_BYTES), READ_AHEAD_MAX);
}

static int read_behind(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__bytes *in = &conn->peer.in;
	size_t wanted = wanted_bytes(conn);
	size_t n;
	char *p = ipk__bytes_reserve(in, wanted);
	int r = p ? ipk__os_stream_read(conn->peer.fd, p, wanted, &n) : -ENOMEM;

	if (r < 0)
		return r;
	ipk__bytes_added(in, n);
	server->loop->n_in_bytes += n;
	server->loop->clock_ns = ipk__os_now_ns();
	run_kept(server, conn);
	return 0;
}

static int read_fresh(struct ipk__server *server, struct ipk__conn *conn)
{
	char *data = server->loop->read_buffer;
	size_t used;
	size_t n;
	int r = ipk__os_stream_read(conn->peer.fd, data, IPK__READ_BYTES, &n);

	if (r < 0)
		return r;
	if (conn->peer.ring)
		return -EPROTO; /* it talks over the ring */
	server->loop->n_in_bytes += n;
	server->loop->clock_ns = ipk__os_now_ns();
	used = ipk__conn_run(server, conn, data, n);
	ipk__bytes_append(&conn->peer.in, data + used, n - used);
	return conn->peer.in.failed ? -ENOMEM : 0;
}

static void set_events(struct ipk__server *server, struct ipk__conn *conn)
{
	bool reads = !conn->is_at_end && !(conn->peer.flags & IPK__PEER_CLOSING) &&
		     (!(ipk__conn_is_held(conn) || conn->is_hungry) ||
		      ipk__bytes_len(&conn->peer.in) < HELD_BYTES);
	uint32_t events =
		(reads ? IPK__OS_IN : 0) | (!conn->peer.ring && conn->is_stuck ? IPK__OS_OUT : 0);

	if (events == conn->peer.loop_events || conn->is_doomed)
		return;
	if (ipk__os_loop_change(server->epoll_fd, conn->peer.fd, (int)events,
				(uint64_t)(uintptr_t)conn) < 0)
		ipk__conn_doom(server, conn);
	conn->peer.loop_events = events;
}

/* It sends no more. What it sent is executed, unless that waits for something. */
static void at_end(struct ipk__server *server, struct ipk__conn *conn)
{
	conn->is_at_end = true;
	if ((conn->peer.flags & (IPK__PEER_BLOCKED | IPK__PEER_RING)) || conn->peer.in.failed)
		ipk__conn_doom(server, conn);
	else if (!conn->is_hungry && !ipk__conn_is_held(conn))
		ipk__peer_close_later(server, &conn->peer);
}

void ipk__conn_ready(struct ipk__server *server, struct ipk__conn *conn, int events)
{
	int r = 0;

	if (conn->is_doomed)
		return;
	if (events & IPK__OS_OUT)
		ipk__peer_flush(server, &conn->peer);
	if (conn->peer.loop_events & IPK__OS_IN && events & (IPK__OS_IN | IPK__OS_HUP)) {
		r = ipk__bytes_len(&conn->peer.in) > 0 && !conn->peer.ring
			    ? read_behind(server, conn)
			    : read_fresh(server, conn);
		if (r < 0 && r != -EAGAIN)
			at_end(server, conn);
	} else if (events & IPK__OS_HUP) {
		ipk__conn_doom(server, conn);
	}
	set_events(server, conn);
}

void ipk__peers_feed(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	struct ipk__conn *last = NULL;
	struct ipk__conn *conn;

	for (conn = loop->hungry; conn; conn = conn->hungry_next)
		last = conn;
	/* Those that become hungry again come after the last of these. */
	for (conn = NULL; loop->hungry && conn != last;) {
		conn = take_hungry(loop);
		if (conn->is_doomed)
			continue;
		run_kept(server, conn);
		if (conn->is_at_end)
			at_end(server, conn);
		set_events(server, conn);
	}
}

/* --- sending --- */

static void over_limit(struct ipk__server *server, struct ipk__conn *conn)
{
	const struct ipk__server_config *c = &server->config;
	struct ipk__peer *peer = &conn->peer;
	size_t n = ipk__bytes_len(&peer->out);

	if (n > c->out_hard_bytes)
		ipk__conn_doom(server, conn);
	if (n <= IPK__MIN(c->out_soft_bytes, PAUSE_BYTES))
		peer->out_over_soft_ms = 0;
	else if (peer->out_over_soft_ms == 0)
		peer->out_over_soft_ms = server->steady_ms;
}

static void send_to_socket(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__bytes *out = &conn->peer.out;
	struct iovec part = {(void *)ipk__bytes_front(out),
			     IPK__MIN(ipk__bytes_len(out), SEND_BYTES)};
	size_t n = 0;
	int r = part.iov_len > 0 ? ipk__os_stream_write(conn->peer.fd, &part, 1, &n) : 0;

	if (r < 0 && r != -EAGAIN) {
		ipk__conn_doom(server, conn);
		return;
	}
	if (n > 0) {
		conn->sent_ms = server->steady_ms;
		server->loop->n_out_bytes += n;
		conn->peer.n_sent_bytes += n;
		ipk__bytes_take(out, n);
	}
	/* Replies that this turn has still to send are no reason to ask: that costs two calls. */
	conn->is_stuck = ipk__bytes_len(out) > 0;
}

static void send_one(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__bytes *out = &conn->peer.out;
	bool was_held = ipk__conn_is_held(conn);

	/* Not before what they tell of is in the file. */
	if (server->log && conn->peer.log_mark != 0 && ipk__log_holds(server->log, &conn->peer)) {
		ipk__peer_flush(server, &conn->peer);
		return;
	}
	if (conn->peer.ring)
		ipk__ring_send(server, conn);
	else
		send_to_socket(server, conn);
	if (out->failed)
		ipk__conn_doom(server, conn);
	over_limit(server, conn);
	if (ipk__bytes_len(out) == 0 && out->room_bytes > KEEP_BYTES)
		ipk__bytes_shrink(out, KEEP_BYTES);
	if (ipk__bytes_len(out) == 0 && conn->peer.flags & IPK__PEER_CLOSING)
		ipk__conn_doom(server, conn);
	if (was_held && !ipk__conn_is_held(conn) &&
	    (ipk__bytes_len(&conn->peer.in) > 0 || conn->is_at_end))
		ipk__conn_make_hungry(server, conn);
	if (was_held)
		ipk__ring_wake(server, conn);
	set_events(server, conn);
}

void ipk__peers_send(struct ipk__server *server)
{
	struct ipk__conn *conn = server->loop->dirty;

	server->loop->dirty = NULL;
	while (conn) {
		struct ipk__conn *next = conn->dirty_next;

		conn->is_dirty = false;
		if (!conn->is_doomed)
			send_one(server, conn);
		conn = next;
	}
}

/* --- going --- */

static void unlink_peer(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__peer *peer = &conn->peer;
	struct ipk__conn **at = bucket_of(server->loop, peer->id);

	while (*at != conn)
		at = &(*at)->id_next;
	*at = conn->id_next;
	*(peer->prev ? &peer->prev->next : &server->peers) = peer->next;
	if (peer->next)
		peer->next->prev = peer->prev;
	server->n_peers--;
	remove_unknown(server->loop, conn);
}

static void drop(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__peer *peer = &conn->peer;

	conn->is_dropped = true;
	ipk__blocks_peer_gone(server, peer);
	ipk__things_peer_gone(server, peer);
	ipk__notify_peer_gone(server, peer);
	if (peer->session)
		ipk__session_peer_gone(server, peer);
	ipk__multi_forget(peer);
	ipk__ring_forget(server, conn);
	ipk__board_peer_went(server, peer);
	if (peer->flags & IPK__PEER_MONITOR)
		server->loop->n_monitors--;
	unlink_peer(server, conn);
	ipk__os_loop_remove(server->epoll_fd, peer->fd);
	ipk__os_close(peer->fd);
	if (server->loop->accept_again_ms != 0 || server->loop->reserve_fd < 0)
		ipk__peers_start_accepting(server);
}

bool ipk__peers_drop(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	bool any = loop->doomed != NULL;

	while (loop->doomed) {
		struct ipk__conn *conn = loop->doomed;

		loop->doomed = conn->doomed_next;
		drop(server, conn);
		conn->doomed_next = loop->dropped;
		loop->dropped = conn;
	}
	return any;
}

static void free_conn(struct ipk__conn *conn)
{
	ipk__bytes_free(&conn->peer.in);
	ipk__bytes_free(&conn->peer.out);
	ipk__resp_reader_free(&conn->peer.reader);
	free(conn->peer.auth);
	free(conn);
}

/* The hungry are gone over at the next turn: the dropped ones are taken out of them now. */
static void forget_hungry(struct ipk__loop *loop)
{
	struct ipk__conn **at = &loop->hungry;

	while (*at) {
		if ((*at)->is_dropped)
			*at = (*at)->hungry_next;
		else
			at = &(*at)->hungry_next;
	}
	loop->hungry_end = at;
}

void ipk__peers_free(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;

	if (!loop->dropped)
		return;
	forget_hungry(loop);
	while (loop->dropped) {
		struct ipk__conn *conn = loop->dropped;

		loop->dropped = conn->doomed_next;
		free_conn(conn);
	}
}

void ipk__peers_check(struct ipk__server *server)
{
	const struct ipk__server_config *c = &server->config;

	for (struct ipk__peer *peer = server->peers; peer; peer = peer->next) {
		struct ipk__conn *conn = ipk__conn_of(peer);
		bool is_idle = c->idle_ms > 0 && server->steady_ms - peer->active_ms > c->idle_ms &&
			       !(peer->flags & (IPK__PEER_BLOCKED | IPK__PEER_MONITOR |
						IPK__PEER_WATCHES | IPK__PEER_RING));
		bool is_stuck = peer->out_over_soft_ms != 0 &&
				server->steady_ms - peer->out_over_soft_ms > c->out_soft_ms &&
				server->steady_ms - conn->sent_ms > c->out_soft_ms;
		bool is_soft = peer->out_over_soft_ms != 0 &&
			       ipk__bytes_len(&peer->out) > c->out_soft_bytes &&
			       server->steady_ms - peer->out_over_soft_ms > c->out_soft_ms;

		if (is_idle || is_stuck || is_soft)
			ipk__conn_doom(server, conn);
	}
}

void ipk__peers_close_all(struct ipk__server *server)
{
	ipk__peers_send(server);
	for (struct ipk__peer *peer = server->peers; peer; peer = peer->next)
		ipk__conn_doom(server, ipk__conn_of(peer));
	while (ipk__peers_drop(server))
		;
	ipk__peers_free(server);
}
