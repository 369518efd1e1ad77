/*
 * server_ring.c - local clients: requests and replies over rings in shared memory.
 *
 * A ring is active when something came over it lately: then the loop looks at it instead of
 * being woken, for as long as that pays and while the client runs on another processor. Before
 * it sleeps it arms the rings (the client then rings a bell, which is in the epoll set) and
 * looks at them once more; a ring that is not active is always armed, or its peer is held and
 * comes back when it is held no more.
 *
 * A message is copied out of the ring before it is parsed: the other side could change it under
 * us, and what was checked must be what is stored. Replies go out as far as there is room; what
 * does not fit is tried again at each turn, and never waited for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "ipk/error.h"
#include "pipe/pipe_internal.h"
#include "server/server_ring.h"

#define RING_BYTES ((size_t)128 << 10)
#define MESSAGES_A_TURN 64
#define TURNS_WITHOUT_SOCKETS 64
#define BUDGET_MAX_NS 50000
#define BUDGET_MIN_NS 1000
#define FULL_BUDGET_EVERY 8 /* whoever looked too briefly for a while finds out */
#define LOOKS_A_CLOCK 16
#define PAUSES_A_LOOK 2
#define YIELD_EVERY_NS 5000
#define YIELD_IS_BUSY_NS 3000 /* it ran somebody else */
#define LATELY_NS 1000000
#define HOLLOW_MAX 100   /* a bell that is full rings once more when it has been emptied */
#define STUCK_NS 1000000 /* how soon replies that did not fit are tried again */

struct ipk__rings {
	struct ipk__conn *active;
	int64_t budget_ns;
	unsigned n_looks;
	unsigned n_turns; /* since the sockets were asked */
};

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

/* --- which rings are looked at --- */

bool ipk__rings_are_active(const struct ipk__loop *loop)
{
	return loop->rings->active != NULL;
}

void ipk__ring_wake(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__rings *rings = server->loop->rings;

	if (conn->ring_is_listed || !conn->peer.ring)
		return;
	conn->ring_is_listed = true;
	conn->ring_active_ns = server->loop->clock_ns;
	conn->ring_next = rings->active;
	rings->active = conn;
}

void ipk__ring_rung(struct ipk__server *server, struct ipk__conn *conn)
{
	if (!conn->peer.ring)
		return;
	/* A client that has ended its bell's socket would keep us busy for ever. */
	if (ipk__os_bell_drain(conn->peer.ring->rx.bell_fd))
		conn->ring_n_hollow = 0;
	else if (++conn->ring_n_hollow == HOLLOW_MAX)
		ipk__conn_doom(server, conn);
	ipk__ring_wake(server, conn);
}

static bool has_news(const struct ipk__conn *conn)
{
	return !ipk__ring_is_empty(&conn->peer.ring->rx.ring) && !ipk__conn_is_held(conn);
}

static bool any_news(const struct ipk__rings *rings)
{
	for (const struct ipk__conn *c = rings->active; c; c = c->ring_next) {
		if (has_news(c))
			return true;
	}
	return false;
}

/* Those that were quiet since @since_ns ring their bell from now on. */
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
		atomic_fetch_add(&conn->peer.ring->rx.shared->data.armed, 1);
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

/* --- waiting --- */

/* Say where we run; whether one of those we wait for runs elsewhere. */
static bool is_worth_looking(const struct ipk__rings *rings)
{
	uint32_t cpu = (uint32_t)ipk__os_cpu() + 1;
	bool is_worth = false;

	for (const struct ipk__conn *c = rings->active; c; c = c->ring_next) {
		struct ipk_pipe *p = c->peer.ring;

		ipk__lane_note_cpu(&p->rx.shared->ring.reader_cpu);
		ipk__lane_note_cpu(&p->tx.shared->ring.writer_cpu);
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

static bool look(struct ipk__rings *rings)
{
	int64_t budget_ns = rings->budget_ns;
	int64_t start_ns;
	bool found;

	if (!is_worth_looking(rings)) {
		/* They are on this very processor: let them run. */
		ipk__os_yield();
		return any_news(rings);
	}
	if (++rings->n_looks % FULL_BUDGET_EVERY == 0)
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
	if (++rings->n_turns < TURNS_WITHOUT_SOCKETS)
		return 0;
	rings->n_turns = 0;
	arm_quiet(rings, server->loop->clock_ns - LATELY_NS);
	return ipk__os_loop_wait(server->epoll_fd, ret_ready, max, 0, ret_n);
}

int ipk__rings_wait(struct ipk__server *server, struct ipk__os_ready *ret_ready, size_t max,
		    int64_t timeout_ns, size_t *ret_n)
{
	struct ipk__rings *rings = server->loop->rings;

	if (rings->active && any_news(rings))
		return ask_sockets(server, ret_ready, max, ret_n);
	if (rings->active && timeout_ns != 0 && look(rings))
		return ask_sockets(server, ret_ready, max, ret_n);
	if (rings->active && timeout_ns != 0) {
		arm_quiet(rings, INT64_MAX);
		if (rings->active)
			timeout_ns = 0;
	}
	if (server->loop->dirty && (timeout_ns < 0 || timeout_ns > STUCK_NS))
		timeout_ns = STUCK_NS;
	rings->n_turns = 0;
	return ipk__os_loop_wait(server->epoll_fd, ret_ready, max, timeout_ns, ret_n);
}

/* --- requests --- */

static void release(struct ipk__server *server, struct ipk__conn *conn)
{
	if (ipk_pipe_release(conn->peer.ring) < 0)
		ipk__conn_doom(server, conn);
}

/* What came, behind what was left of what came before. */
static void run_message(struct ipk__server *server, struct ipk__conn *conn, const char *data,
			size_t n_bytes)
{
	struct ipk__bytes *in = &conn->peer.in;
	char *copy = server->loop->read_buffer;
	size_t used;

	if (ipk__bytes_len(in) == 0 && n_bytes <= IPK__READ_BYTES) {
		if (n_bytes > 0)
			memcpy(copy, data, n_bytes);
		release(server, conn);
		used = ipk__conn_run(server, conn, copy, n_bytes);
		ipk__bytes_append(in, copy + used, n_bytes - used);
	} else {
		ipk__bytes_append(in, data, n_bytes);
		release(server, conn);
		ipk__bytes_take(
			in, ipk__conn_run(server, conn, ipk__bytes_front(in), ipk__bytes_len(in)));
	}
	if (in->failed)
		ipk__conn_doom(server, conn);
}

static void take(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk_pipe *ring = conn->peer.ring;
	uint64_t before = conn->peer.n_commands;
	const void *data;
	size_t n_bytes;

	for (int i = 0; i < MESSAGES_A_TURN && !conn->is_hungry && has_news(conn); i++) {
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
	server->loop->n_local += conn->peer.n_commands - before;
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

/* --- replies --- */

void ipk__ring_send(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__bytes *out = &conn->peer.out;
	int r = 0;

	while (r == 0 && ipk__bytes_len(out) > 0) {
		/* What was begun as a message ends as that message, whatever came behind it. */
		if (!conn->ring_progress.is_begun)
			conn->ring_message_bytes = IPK__MIN(ipk__bytes_len(out), (size_t)1 << 30);
		r = ipk__pipe_send_some(conn->peer.ring, ipk__bytes_front(out),
					conn->ring_message_bytes, &conn->ring_progress);
		if (r == 0) {
			ipk__bytes_take(out, conn->ring_message_bytes);
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

/* --- coming and going --- */

void ipk__ring_forget(struct ipk__server *server, struct ipk__conn *conn)
{
	struct ipk__conn **at = &server->loop->rings->active;

	if (!conn->peer.ring)
		return;
	while (*at && *at != conn)
		at = &(*at)->ring_next;
	if (*at)
		*at = conn->ring_next;
	ipk__os_loop_remove(server->epoll_fd, conn->peer.ring->rx.bell_fd);
	conn->peer.ring = ipk_pipe_close(conn->peer.ring);
}

/* The peer's side, as fds; what is left of @parts and @side_fd is ours. */
static int send_fds(struct ipk__request *q, const struct ipk__pipe_parts *parts, int side_fd)
{
	static const char reply[] = "*1\r\n:1\r\n";
	int fds[5] = {-1, parts->segment_fd, parts->bell_fds[0], parts->bell_fds[1], side_fd};
	size_t n;
	int r = ipk__store_fd_to_read(q->store, &fds[0]);

	if (r == 0)
		r = ipk__os_stream_write_fds(q->peer->fd, reply, sizeof reply - 1, fds, 5, &n);
	ipk__os_close(fds[0]);
	return r;
}

static int make_ring(struct ipk__request *q, ipk_pipe **ret_ring)
{
	struct ipk__pipe_parts parts;
	ipk_pipe_opts opts;
	int side_fds[2] = {-1, -1};
	int r = ipk__pipe_opts(IPK_PIPE(.label = "manager-client", .ring_bytes = RING_BYTES),
			       &opts);

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
	r = ipk__os_loop_add(q->server->epoll_fd, ring->rx.bell_fd, IPK__OS_IN,
			     (uint64_t)(uintptr_t)conn | IPK__WORD_RING);
	if (r < 0) {
		ipk_pipe_close(ring);
		return -EPIPE; /* the reply is out already */
	}
	q->peer->ring = ring;
	q->peer->flags |= IPK__PEER_RING;
	ipk__ring_wake(q->server, conn);
	return 0;
}

void ipk__cmd_local(struct ipk__request *q)
{
	int r;

	if (q->server->loop->is_tcp || q->peer->ring) {
		ipk__reply_error(q, "DENIED this connection cannot be local");
		return;
	}
	/* The fds go with the reply, which has to be the next thing on the socket. */
	if (ipk__bytes_len(q->out) > 0) {
		ipk__reply_error(q, "ERR IPK.LOCAL is to be sent alone");
		return;
	}
	/* Where fds, memory or /proc are missing, the client goes on over the socket alone. */
	r = go_local(q);
	if (r == -EPIPE)
		ipk__conn_doom(q->server, ipk__conn_of(q->peer));
	else if (r < 0)
		ipk__reply_error(q, "DENIED %s", ipk_strerror(r));
}
