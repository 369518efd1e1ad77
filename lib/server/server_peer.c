/*
 * server_peer.c - connections: which are accepted, and limits on what they send and on replies they
 * do not read.
 *
 * Input is read into one buffer of the loop and executed in place; only an incomplete request is
 * kept with the peer. A peer with many pending requests gets a bounded turn and then waits for the
 * others' (readable). A peer that does not read its replies is not read from either, so a client
 * that only sends costs what fits into IPK__PAUSE_BYTES and one reply; if it still reads nothing for a
 * minute, or unsolicited pushes exceed the hard limit, it is disconnected.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "server/server_core.h"
#include "server/server_ring.h"

#define ACCEPTS_PER_ITERATION 64
#define READ_AHEAD_MAX ((size_t)4 << 20)
#define HELD_BYTES ((size_t)64 << 10) /* read from one whose requests have to wait */
#define SEND_BYTES ((size_t)1 << 20)  /* to one peer in a turn */
#define KEEP_BYTES ((size_t)16 << 10)
/*
 * At most so many have not shown the key yet: one more takes the place of the first of them. So
 * strangers, however many, keep nobody out who has it, which takes a few milliseconds.
 */
#define UNAUTHENTICATED_MAX 1024
#define ACCEPT_AGAIN_MS 100

static struct ipk__conn *take_readable(struct ipk__loop *loop)
{
	struct ipk__conn *conn = loop->readable;

	loop->readable = conn->readable_next;
	if (!loop->readable)
		loop->readable_end = &loop->readable;
	conn->is_readable = false;
	return conn;
}

/* --- coming ----------------------------------------------------------------------------------- */

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
	conn->since_ms = conn->active_ms = conn->sent_ms = server->steady_ms;
	ipk__os_stream_peer_name(conn->fd, peer->address, sizeof peer->address);
	ipk__resp_reader_init(&conn->reader, &(struct ipk__resp_limits){0});
	if (server->loop->is_tcp) {
		peer->flags |= IPK__PEER_TCP;
		return 0;
	}
	return ipk__os_peer_ids(conn->fd, &peer->pid, &peer->uid, &conn->gid);
}

static void add(struct ipk__server *server, struct ipk__conn *conn)
{
	ipk__conn_add(server, conn);
	ipk__status_peer_came(server, &conn->peer);
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
	conn->fd = fd;
	conn->loop_events = IPK__OS_IN;
	if (introduce(server, conn) < 0 || !is_welcome(server, conn)) {
		turn_away(server, fd, "-DENIED this user may not use this manager\r\n");
		ipk__resp_reader_free(&conn->reader);
		free(conn);
		return;
	}
	if (ipk__os_loop_add(server->epoll_fd, fd, IPK__OS_IN, (uint64_t)(uintptr_t)conn) < 0) {
		turn_away(server, fd, "-ERR out of memory\r\n");
		ipk__resp_reader_free(&conn->reader);
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
	if (loop->reserve_fd < 0 && ipk__os_doorbell_open(&loop->reserve_fd) < 0)
		loop->reserve_fd = -1;
	if (!loop->is_accepting)
		loop->is_accepting = ipk__os_loop_add(server->epoll_fd, server->listen_fd,
						      IPK__OS_IN, IPK__EPOLL_LISTEN) == 0;
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
	if (ipk__os_doorbell_open(&loop->reserve_fd) < 0) {
		loop->reserve_fd = -1;
		ipk__peers_stop_accepting(server, server->steady_ms + ACCEPT_AGAIN_MS);
	}
}

void ipk__peers_accept(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	bool is_full;
	int fd;
	int r;

	for (int i = 0; i < ACCEPTS_PER_ITERATION; i++) {
		r = ipk__os_stream_accept(server->listen_fd, loop->is_tcp, &fd);
		if ((r == -EMFILE || r == -ENFILE) && ipk__peers_drop_a_stranger(server))
			return; /* in the next turn */
		if (r == -EMFILE || r == -ENFILE)
			turn_away_without_fds(server);
		else if (r == -ENOMEM || r == -ENOBUFS)
			ipk__peers_stop_accepting(server, server->steady_ms + ACCEPT_AGAIN_MS);
		if (r < 0)
			return;
		is_full = server->n_peers >= server->config.max_clients;
		if (is_full || loop->n_unauthenticated >= UNAUTHENTICATED_MAX)
			is_full = !ipk__peers_drop_a_stranger(server) && is_full;
		if (is_full)
			turn_away(server, fd, "-ERR max number of clients reached\r\n");
		else
			welcome(server, fd);
	}
}

/* --- reading and executing -------------------------------------------------------------------- */

/* What had been read before. */
static void run_kept(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__buffer *in = &conn->in;

	if (ipk__buffer_len(in) > 0)
		ipk__buffer_take(in, ipk__conn_run(server, conn, ipk__buffer_front(in),
						   ipk__buffer_len(in)));
	if (ipk__buffer_len(in) == 0 && in->room_bytes > KEEP_BYTES)
		ipk__buffer_shrink(in, 0);
}

/* How much to read of one whose request is not whole yet. */
static size_t wanted_bytes(const struct ipk__conn *conn)
{
	size_t there = ipk__buffer_len(&conn->in);

	/* Twice what is there: few reads for large requests, and memory for what has come only. */
	return IPK__MIN(IPK__MAX(there, IPK__READ_BYTES), READ_AHEAD_MAX);
}

static int read_behind(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__buffer *in = &conn->in;
	size_t wanted = wanted_bytes(conn);
	size_t n;
	char *p = ipk__buffer_reserve(in, wanted);
	int r = p ? ipk__os_stream_read(conn->fd, p, wanted, &n) : -ENOMEM;

	if (r < 0)
		return r;
	ipk__buffer_added(in, n);
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
	int r = ipk__os_stream_read(conn->fd, data, IPK__READ_BYTES, &n);

	if (r < 0)
		return r;
	if (conn->ring)
		return -EPROTO; /* it talks over the ring */
	server->loop->n_in_bytes += n;
	server->loop->clock_ns = ipk__os_now_ns();
	used = ipk__conn_run(server, conn, data, n);
	ipk__buffer_append(&conn->in, data + used, n - used);
	return conn->in.failed ? -ENOMEM : 0;
}

static void set_events(struct ipk__server *server, struct ipk__conn *conn)
{
	bool reads = !conn->is_at_end && !(conn->peer.flags & IPK__PEER_CLOSING) &&
		     (!(ipk__conn_is_held(conn) || conn->is_readable) ||
		      ipk__buffer_len(&conn->in) < HELD_BYTES);
	uint32_t events =
		(reads ? IPK__OS_IN : 0) | (!conn->ring && conn->is_stuck ? IPK__OS_OUT : 0);

	if (events == conn->loop_events || conn->is_closing)
		return;
	if (ipk__os_loop_change(server->epoll_fd, conn->fd, (int)events,
				(uint64_t)(uintptr_t)conn) < 0)
		ipk__conn_doom(server, conn);
	conn->loop_events = events;
}

/* It sends no more. What it sent is executed, unless that waits for something. */
static void at_end(struct ipk__server *server, struct ipk__conn *conn)
{
	conn->is_at_end = true;
	if ((conn->peer.flags & (IPK__PEER_BLOCKED | IPK__PEER_RING)) || conn->in.failed)
		ipk__conn_doom(server, conn);
	else if (!conn->is_readable && !ipk__conn_is_held(conn))
		ipk__peer_close_later(server, &conn->peer);
}

void ipk__conn_ready(struct ipk__server *server, struct ipk__conn *conn, int events)
{
	int r = 0;

	if (conn->is_closing)
		return;
	if (events & IPK__OS_OUT)
		ipk__peer_flush(server, &conn->peer);
	if (conn->loop_events & IPK__OS_IN && events & (IPK__OS_IN | IPK__OS_HUP)) {
		r = ipk__buffer_len(&conn->in) > 0 && !conn->ring ? read_behind(server, conn)
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

	for (conn = loop->readable; conn; conn = conn->readable_next)
		last = conn;
	/* Those that become readable again come after the last of these. */
	for (conn = NULL; loop->readable && conn != last;) {
		conn = take_readable(loop);
		if (conn->is_closing)
			continue;
		run_kept(server, conn);
		if (conn->is_at_end)
			at_end(server, conn);
		set_events(server, conn);
	}
}

/* --- sending ---------------------------------------------------------------------------------- */

/*
 * A peer with unread replies has no request executed, so what is beyond that is one reply, which may
 * take long: whatever can be stored can be read. The soft limit is for what comes unasked, and for
 * who does not read at all.
 */
static void over_limit(struct ipk__server *server, struct ipk__conn *conn)
{
	const struct ipk__server_config *c = &server->config;
	struct ipk__peer *peer = &conn->peer;
	size_t n = ipk__buffer_len(&peer->out);

	if (conn->out_was_bytes <= IPK__PAUSE_BYTES)
		conn->out_asked_bytes = n;
	conn->out_was_bytes = n;
	if (n > c->out_hard_bytes)
		ipk__conn_doom(server, conn);
	if (n <= IPK__MIN(c->out_soft_bytes, IPK__PAUSE_BYTES))
		conn->out_over_soft_ms = 0;
	else if (conn->out_over_soft_ms == 0)
		conn->out_over_soft_ms = server->steady_ms;
}

static void send_to_socket(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__buffer *out = &conn->peer.out;
	struct iovec part = {(void *)ipk__buffer_front(out),
			     IPK__MIN(ipk__buffer_len(out), SEND_BYTES)};
	size_t n = 0;
	int r = part.iov_len > 0 ? ipk__os_stream_write(conn->fd, &part, 1, &n) : 0;

	if (r < 0 && r != -EAGAIN) {
		ipk__conn_doom(server, conn);
		return;
	}
	if (n > 0) {
		conn->sent_ms = server->steady_ms;
		server->loop->n_out_bytes += n;
		conn->peer.n_sent_bytes += n;
		ipk__buffer_take(out, n);
	}
	/* Replies that this turn has still to send are no reason to ask: that costs two calls. */
	conn->is_stuck = ipk__buffer_len(out) > 0;
}

static void send_one(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__buffer *out = &conn->peer.out;
	bool was_held = ipk__conn_is_held(conn);

	/* Not before what they tell of is in the file. */
	if (server->log && conn->log_mark != 0 && !ipk__log_has(server->log, conn->log_mark)) {
		ipk__peer_flush(server, &conn->peer);
		return;
	}
	if (conn->ring)
		ipk__ring_send(server, conn);
	else
		send_to_socket(server, conn);
	if (out->failed)
		ipk__conn_doom(server, conn);
	over_limit(server, conn);
	if (ipk__buffer_len(out) == 0 && out->room_bytes > KEEP_BYTES)
		ipk__buffer_shrink(out, KEEP_BYTES);
	if (ipk__buffer_len(out) == 0 && conn->peer.flags & IPK__PEER_CLOSING)
		ipk__conn_doom(server, conn);
	if (was_held && !ipk__conn_is_held(conn) &&
	    (ipk__buffer_len(&conn->in) > 0 || conn->is_at_end))
		ipk__conn_make_readable(server, conn);
	if (was_held)
		ipk__ring_wake(server, conn);
	set_events(server, conn);
}

void ipk__peers_send(struct ipk__server *server)
{
	struct ipk__conn *conn = server->loop->write_pending;

	server->loop->write_pending = NULL;
	while (conn) {
		struct ipk__conn *next = conn->write_pending_next;

		conn->is_write_pending = false;
		if (!conn->is_closing)
			send_one(server, conn);
		conn = next;
	}
}

/* --- going ------------------------------------------------------------------------------------ */

static void drop(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__peer *peer = &conn->peer;

	conn->is_dropped = true;
	ipk__blocks_peer_gone(server, peer);
	ipk__sync_objects_peer_gone(&server->db, peer);
	ipk__notify_peer_gone(&server->db, peer);
	if (conn->session)
		ipk__session_leave(server, peer);
	ipk__multi_forget(peer);
	ipk__ring_forget(server, conn);
	ipk__status_peer_went(server, peer);
	if (peer->flags & IPK__PEER_MONITOR)
		server->loop->n_monitors--;
	ipk__conn_remove(server, conn);
	ipk__os_loop_remove(server->epoll_fd, conn->fd);
	ipk__os_close(conn->fd);
	if (server->loop->accept_again_ms != 0 || server->loop->reserve_fd < 0)
		ipk__peers_start_accepting(server);
}

bool ipk__peers_drop(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	bool any = loop->closing != NULL;

	while (loop->closing) {
		struct ipk__conn *conn = loop->closing;

		loop->closing = conn->closing_next;
		drop(server, conn);
		conn->closing_next = loop->dropped;
		loop->dropped = conn;
	}
	return any;
}

static void free_conn(struct ipk__conn *conn)
{
	ipk__buffer_free(&conn->in);
	ipk__buffer_free(&conn->peer.out);
	ipk__resp_reader_free(&conn->reader);
	free(conn->auth);
	free(conn);
}

/* The readable are gone over at the next turn: the dropped ones are taken out of them now. */
static void forget_readable(struct ipk__loop *loop)
{
	struct ipk__conn **at = &loop->readable;

	while (*at) {
		if ((*at)->is_dropped)
			*at = (*at)->readable_next;
		else
			at = &(*at)->readable_next;
	}
	loop->readable_end = at;
}

void ipk__peers_free(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;

	if (!loop->dropped)
		return;
	forget_readable(loop);
	while (loop->dropped) {
		struct ipk__conn *conn = loop->dropped;

		loop->dropped = conn->closing_next;
		free_conn(conn);
	}
}

void ipk__peers_check(struct ipk__server *server)
{
	const struct ipk__server_config *c = &server->config;

	for (struct ipk__conn *conn = server->conns; conn; conn = conn->next) {
		bool is_idle = c->idle_ms > 0 && server->steady_ms - conn->active_ms > c->idle_ms &&
			       !(conn->peer.flags & (IPK__PEER_BLOCKED | IPK__PEER_MONITOR |
						     IPK__PEER_WATCHES | IPK__PEER_RING));
		bool has_limit = c->out_soft_bytes != SIZE_MAX;
		bool is_stuck = has_limit && conn->out_over_soft_ms != 0 &&
				server->steady_ms - conn->out_over_soft_ms > c->out_soft_ms &&
				server->steady_ms - conn->sent_ms > c->out_soft_ms;
		bool is_soft = has_limit && conn->out_over_soft_ms != 0 &&
			       ipk__buffer_len(&conn->peer.out) >
				       IPK__MAX(c->out_soft_bytes, conn->out_asked_bytes) &&
			       server->steady_ms - conn->out_over_soft_ms > c->out_soft_ms;

		if (is_idle || is_stuck || is_soft)
			ipk__conn_doom(server, conn);
	}
}

void ipk__peers_close_all(struct ipk__server *server)
{
	ipk__peers_send(server);
	for (struct ipk__conn *conn = server->conns; conn; conn = conn->next)
		ipk__conn_doom(server, conn);
	while (ipk__peers_drop(server))
		;
	ipk__peers_free(server);
}
