/*
 * server_ring.c - local clients: requests and replies over rings in shared memory.
 *
 * A ring is active if something came over it lately: then the loop polls it instead of being woken,
 * for as long as that pays and while the client runs on another processor. Before it sleeps it arms
 * the rings (the client then rings a doorbell, which is in the epoll set) and checks them once
 * more; a ring that is not active is always armed, or its peer is held and is served when the hold
 * ends.
 *
 * A message is copied out of the ring before it is parsed: the peer could change it afterwards, and
 * the bytes checked must be the bytes stored. Replies are written as far as there is room; the rest
 * is retried at each turn, and never waited for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "ipk/error.h"
#include "pipe/pipe_internal.h"
#include "server/server_ring.h"

#define RING_BYTES ((size_t)128 << 10)
#define MESSAGES_PER_ITERATION 64
#define ITERATIONS_WITHOUT_SOCKETS 64
#define BUDGET_MAX_NS 50000
#define BUDGET_MIN_NS 1000
#define FULL_BUDGET_EVERY 8 /* so that a server that looked too briefly finds out */
#define LOOKS_A_CLOCK 16
#define PAUSES_A_LOOK 2
#define YIELD_EVERY_NS 5000
#define YIELD_IS_BUSY_NS 3000 /* it ran another thread */
#define LATELY_NS 1000000
#define HOLLOW_MAX 100   /* a doorbell that is full rings once more when it has been emptied */
#define STUCK_NS 1000000 /* how soon replies that did not fit are tried again */

int ipk__rings_create(struct ipk__server *server)
{
	server->loop->rings = ipk__os_calloc(1, sizeof *server->loop->rings);
	if (!server->loop->rings)
		return -ENOMEM;
	server->loop->rings->budget_ns = BUDGET_MAX_NS;
	return 0;
}

void ipk__rings_free(struct ipk__server *server)
{
	if (server->loop)
		free(server->loop->rings);
}

/* --- which rings are looked at ---------------------------------------------------------------- */

bool ipk__rings_are_active(const struct ipk__loop *loop)
{
	return loop->rings->active != NULL;
}

void ipk__ring_rung(struct ipk__server *server, struct ipk__conn *conn)
{
	if (!conn->ring)
		return;
	/* A client that has ended its doorbell's socket would keep us busy for ever. */
	if (ipk__os_doorbell_drain(conn->ring->rx.doorbell_fd))
		conn->ring_n_hollow = 0;
	else if (++conn->ring_n_hollow == HOLLOW_MAX)
		ipk__conn_doom(server, conn);
	ipk__ring_wake(server, conn);
}

static bool has_news(const struct ipk__conn *conn)
{
	return !ipk__ring_is_empty(&conn->ring->rx.ring) && !ipk__conn_is_held(conn);
}

static bool any_news(const struct ipk__rings *rings)
{
	for (const struct ipk__conn *c = rings->active; c; c = c->ring_next) {
		if (has_news(c))
			return true;
	}
	return false;
}

/* Those that were quiet since @since_ns ring their doorbell from now on. */
static void arm_quiet(struct ipk__rings *rings, int64_t since_ns)
{
	struct ipk__conn *quiet = NULL;
	struct ipk__conn **at = &rings->active;

	while (*at) {
		struct ipk__conn *conn = *at;

		if (conn->ring_active_ns > since_ns || has_news(conn)) {
			at = &conn->ring_next;
			continue;
		}
		*at = conn->ring_next;
		conn->ring_next = quiet;
		quiet = conn;
		atomic_fetch_add(&conn->ring->rx.shared->data.armed, 1);
	}
	if (!quiet)
		return;
	/* Pairs with the writer's light fence: what is not seen now rings. */
	ipk__os_fence_heavy();
	while (quiet) {
		struct ipk__conn *conn = quiet;

		quiet = conn->ring_next;
		conn->ring_is_listed = has_news(conn);
		if (conn->ring_is_listed) {
			conn->ring_next = rings->active;
			rings->active = conn;
		}
	}
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Say where we run; whether one of those we wait for runs elsewhere. */
static bool is_worth_looking(const struct ipk__rings *rings)
{
	uint32_t cpu = (uint32_t)ipk__os_cpu() + 1;
	bool is_worth = false;

	for (const struct ipk__conn *c = rings->active; c; c = c->ring_next) {
		struct ipk_pipe *p = c->ring;

		ipk__channel_note_cpu(&p->rx.shared->ring.reader_cpu);
		ipk__channel_note_cpu(&p->tx.shared->ring.writer_cpu);
		is_worth |= atomic_load_explicit(&p->rx.shared->ring.writer_cpu,
						 memory_order_relaxed) != cpu;
	}
	return is_worth && ipk__os_cpu_online() > 1;
}

static bool look_until(const struct ipk__rings *rings, int64_t start_ns, int64_t until_ns)
{
	int64_t yield_ns = start_ns + YIELD_EVERY_NS;
	int64_t now_ns;

	do {
		for (int i = 0; i < LOOKS_A_CLOCK; i++) {
			if (any_news(rings))
				return true;
			for (int k = 0; k < PAUSES_A_LOOK; k++)
				ipk__os_pause();
		}
		now_ns = ipk__os_now_ns();
		if (now_ns >= yield_ns) {
			ipk__os_yield();
			yield_ns = ipk__os_now_ns();
			if (yield_ns - now_ns > YIELD_IS_BUSY_NS)
				return any_news(rings);
			yield_ns += YIELD_EVERY_NS;
		}
	} while (now_ns < until_ns);
	return false;
}

static bool poll_rings(struct ipk__rings *rings)
{
	int64_t budget_ns = rings->budget_ns;
	int64_t start_ns;
	bool found;

	if (!is_worth_looking(rings)) {
		/* They are on this very processor: let them run. */
		ipk__os_yield();
		return any_news(rings);
	}
	if (++rings->n_checks % FULL_BUDGET_EVERY == 0)
		budget_ns = BUDGET_MAX_NS;
	start_ns = ipk__os_now_ns();
	found = look_until(rings, start_ns, start_ns + budget_ns);
	rings->budget_ns = found ? IPK__MIN(BUDGET_MAX_NS, budget_ns * 2)
				 : IPK__MAX(BUDGET_MIN_NS, rings->budget_ns / 2);
	return found;
}

/* The sockets too, at times: they are not forgotten while the rings are busy. */
static int ask_sockets(struct ipk__server *server, struct ipk__os_ready *ret_ready, size_t max,
		       size_t *ret_n)
{
	struct ipk__rings *rings = server->loop->rings;

	*ret_n = 0;
	if (++rings->n_iterations < ITERATIONS_WITHOUT_SOCKETS)
		return 0;
	rings->n_iterations = 0;
	arm_quiet(rings, server->loop->clock_ns - LATELY_NS);
	return ipk__os_loop_wait(server->epoll_fd, ret_ready, max, 0, ret_n);
}

int ipk__rings_wait(struct ipk__server *server, struct ipk__os_ready *ret_ready, size_t max,
		    int64_t timeout_ns, size_t *ret_n)
{
	struct ipk__rings *rings = server->loop->rings;

	if (rings->active && any_news(rings))
		return ask_sockets(server, ret_ready, max, ret_n);
	if (rings->active && timeout_ns != 0 && poll_rings(rings))
		return ask_sockets(server, ret_ready, max, ret_n);
	if (rings->active && timeout_ns != 0) {
		arm_quiet(rings, INT64_MAX);
		if (rings->active)
			timeout_ns = 0;
	}
	if (server->loop->write_pending && (timeout_ns < 0 || timeout_ns > STUCK_NS))
		timeout_ns = STUCK_NS;
	rings->n_iterations = 0;
	return ipk__os_loop_wait(server->epoll_fd, ret_ready, max, timeout_ns, ret_n);
}

/* --- requests --------------------------------------------------------------------------------- */

static void release(struct ipk__server *server, struct ipk__conn *conn)
{
	if (ipk_pipe_release(conn->ring) < 0)
		ipk__conn_doom(server, conn);
}

/* What came, behind what was left of what came before. */
static void run_message(struct ipk__server *server, struct ipk__conn *conn, const char *data,
			size_t n_bytes)
{
	struct ipk__buffer *in = &conn->in;
	char *copy = server->loop->read_buffer;
	size_t used;

	if (ipk__buffer_len(in) == 0 && n_bytes <= IPK__READ_BYTES) {
		if (n_bytes > 0)
			memcpy(copy, data, n_bytes);
		release(server, conn);
		used = ipk__conn_run(server, conn, copy, n_bytes);
		ipk__buffer_append(in, copy + used, n_bytes - used);
	} else {
		ipk__buffer_append(in, data, n_bytes);
		release(server, conn);
		ipk__buffer_take(in, ipk__conn_run(server, conn, ipk__buffer_front(in),
						   ipk__buffer_len(in)));
	}
	if (in->failed)
		ipk__conn_doom(server, conn);
}

static void take(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk_pipe *ring = conn->ring;
	uint64_t before = conn->n_commands;
	const void *data;
	size_t n_bytes;

	for (int i = 0; i < MESSAGES_PER_ITERATION && !conn->is_readable && has_news(conn); i++) {
		int r = ipk_pipe_peek(ring, ipk_now(), &data, &n_bytes);

		if (r == -ETIMEDOUT)
			break; /* the rest of a long one is under way */
		if (r < 0) {
			ipk__conn_doom(server, conn);
			return;
		}
		run_message(server, conn, data, n_bytes);
	}
	conn->ring_active_ns = server->loop->clock_ns;
	server->loop->n_local += conn->n_commands - before;
}

void ipk__rings_take(struct ipk__server *server)
{
	struct ipk__conn *next;

	for (struct ipk__conn *conn = server->loop->rings->active; conn; conn = next) {
		next = conn->ring_next;
		if (has_news(conn))
			take(server, conn);
	}
}

/* --- replies ---------------------------------------------------------------------------------- */

void ipk__ring_send(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__buffer *out = &conn->peer.out;
	int r = 0;

	while (r == 0 && ipk__buffer_len(out) > 0) {
		/* What was started as a message ends as that message, whatever came behind it. */
		if (!conn->ring_progress.is_begun)
			conn->ring_message_bytes = IPK__MIN(ipk__buffer_len(out), (size_t)1 << 30);
		r = ipk__pipe_send_some(conn->ring, ipk__buffer_front(out),
					conn->ring_message_bytes, &conn->ring_progress);
		if (r == 0) {
			ipk__buffer_take(out, conn->ring_message_bytes);
			server->loop->n_out_bytes += conn->ring_message_bytes;
			conn->peer.n_sent_bytes += conn->ring_message_bytes;
			conn->sent_ms = server->steady_ms;
			conn->ring_progress = (struct ipk__send_progress){0};
		}
	}
	if (r == -EAGAIN)
		ipk__peer_flush(server, &conn->peer);
	else if (r < 0)
		ipk__conn_doom(server, conn);
}

/* --- coming and going ------------------------------------------------------------------------- */

void ipk__ring_forget(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__conn **at = &server->loop->rings->active;

	if (!conn->ring)
		return;
	while (*at && *at != conn)
		at = &(*at)->ring_next;
	if (*at)
		*at = conn->ring_next;
	ipk__os_loop_remove(server->epoll_fd, conn->ring->rx.doorbell_fd);
	conn->ring = ipk_pipe_close(conn->ring);
}

/* The peer's side, as fds; what is left of @parts and @side_fd is ours. */
static int send_fds(struct ipk__request *q, const struct ipk__pipe_parts *parts, int side_fd)
{
	static const char reply[] = "*1\r\n:1\r\n";
	int fds[5] = {-1, parts->segment_fd, parts->doorbell_fds[0], parts->doorbell_fds[1],
		      side_fd};
	size_t n;
	int r = ipk__store_fd_to_read(q->store, &fds[0]);

	if (r == 0)
		r = ipk__os_stream_write_fds(ipk__conn_of(q->peer)->fd, reply, sizeof reply - 1,
					     fds, 5, &n);
	ipk__os_close(fds[0]);
	return r;
}

static int make_ring(struct ipk__request *q, ipk_pipe **ret_ring)
{
	struct ipk__pipe_parts parts;
	ipk_pipe_opts opts;
	int side_fds[2] = {-1, -1};
	int r = ipk__pipe_resolve_opts(
		IPK_PIPE(.label = "manager-client", .ring_bytes = RING_BYTES), &opts);

	if (r == 0)
		r = ipk__pipe_parts_make(&opts, &parts);
	if (r < 0)
		return r;
	r = ipk__os_socketpair(side_fds);
	if (r == 0)
		r = send_fds(q, &parts, side_fds[1]);
	ipk__os_close(side_fds[1]);
	if (r < 0) {
		ipk__os_close(side_fds[0]);
		ipk__pipe_parts_close(&parts);
		return r;
	}
	r = ipk__pipe_end(&parts, 0, side_fds[0], ret_ring);
	return r < 0 ? -EPIPE : 0; /* the reply is out already */
}

static int go_local(struct ipk__request *q)
{
	struct ipk__conn *conn = ipk__conn_of(q->peer);
	ipk_pipe *ring;
	int r = make_ring(q, &ring);

	if (r < 0)
		return r;
	r = ipk__os_loop_add(ipk__server_of(q)->epoll_fd, ring->rx.doorbell_fd, IPK__OS_IN,
			     (uint64_t)(uintptr_t)conn | IPK__EPOLL_RING);
	if (r < 0) {
		ipk_pipe_close(ring);
		return -EPIPE; /* the reply is out already */
	}
	conn->ring = ring;
	q->peer->flags |= IPK__PEER_RING;
	ipk__ring_wake(ipk__server_of(q), conn);
	return 0;
}

void ipk__cmd_local(struct ipk__request *q)
{
	int r;

	if (ipk__server_of(q)->loop->is_tcp || ipk__conn_of(q->peer)->ring) {
		ipk__reply_error(q, "DENIED this connection cannot be local");
		return;
	}
	/* The fds go with the reply, which has to be the next thing on the socket. */
	if (ipk__buffer_len(q->out) > 0) {
		ipk__reply_error(q, "ERR IPK.LOCAL is to be sent alone");
		return;
	}
	/* Where fds, memory or /proc are missing, the client goes on over the socket alone. */
	r = go_local(q);
	if (r == -EPIPE)
		ipk__conn_doom(ipk__server_of(q), ipk__conn_of(q->peer));
	else if (r < 0)
		ipk__reply_error(q, "DENIED %s", ipk_strerror(r));
}
