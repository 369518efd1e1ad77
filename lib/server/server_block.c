/*
 * server_block.c - requests that wait.
 *
 * A waiter is a request with its words copied; it stands in line at each name it waits for,
 * on one lane. A signal only notes the line; lines are served when the present request or
 * transaction is through, so no function of a command ever runs inside another. Serving runs
 * the waiters of the lane from the front until one blocks there again.
 *
 * Called again, a request may wait for something else (a condition waits for the notification
 * first and for its lock then): it joins the new lines at the end and leaves its old ones; when
 * there is no memory for that, it stands where it stood. While it waits for the same, it keeps
 * its place.
 *
 * A peer without a session waits as a whole: what it sent later is not looked at. A session's
 * requests wait each for itself, and their replies come as pushes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_ring.h"

#define BUCKETS 4096
#define LANES 32u
#define FEW 1 /* as many names as most wait for */

struct line {
	struct line *next; /* in its bucket */
	struct line *due_next;
	bool is_due;
	uint32_t lanes_due; /* a bit each */
	uint64_t n_places;
	struct place *first, *last;
	size_t name_bytes;
	char name[];
};

struct place {
	struct ipk__blocked *waiter;
	struct line *line;
	struct place *next, *prev;
};

struct ipk__blocked {
	struct ipk__conn *conn;
	struct ipk__blocked *next, *prev; /* the peer's, the oldest first */
	size_t heap_at;                   /* plus 1; 0: waits for ever */
	int64_t until_ms;                 /* on the monotonic clock */
	int64_t timeout_ms;               /* as the request gave it last */
	uint32_t lane;
	uint32_t phase;
	uint64_t token;
	uint64_t ticket; /* of a session; 0 the peer waits as a whole */
	uint64_t number; /* the request's in that session */
	size_t index;    /* of its command */
	size_t argc;
	struct ipk__slice *argv;
	size_t n_places;
	struct place *places;
	struct place few[2][FEW]; /* to stand in new lines before the old ones are left */
	bool is_second_few;
	int64_t since_ms;   /* it waits for this; on the wall clock */
	uint64_t owner_tag; /* for inspection: within the peer */
	bool blocked_again;
};

struct ipk__blocks {
	struct line *buckets[BUCKETS];
	struct line *due, **due_end;
	bool is_serving;
	struct ipk__blocked **heap;
	size_t n_heap, heap_room;
	uint64_t n_waiters;
	struct ipk__blocked *running; /* the one that is called again */
};

/* --- lines --- */

static struct line **find_line(struct ipk__blocks *b, struct ipk__slice name)
{
	uint32_t h = 2166136261u;
	struct line **at;

	for (size_t i = 0; i < name.n_bytes; i++)
		h = (h ^ (unsigned char)name.bytes[i]) * 16777619u;
	at = &b->buckets[h % BUCKETS];
	while (*at && !ipk__slice_equal(IPK__SLICE((*at)->name, (*at)->name_bytes), name))
		at = &(*at)->next;
	return at;
}

static struct line *get_line(struct ipk__blocks *b, struct ipk__slice name)
{
	struct line **at = find_line(b, name);
	struct line *line = *at;

	if (line)
		return line;
	line = ipk__os_calloc(1, sizeof *line + name.n_bytes);
	if (!line)
		return NULL;
	line->name_bytes = name.n_bytes;
	if (name.n_bytes > 0)
		memcpy(line->name, name.bytes, name.n_bytes);
	*at = line;
	return line;
}

/* One that nobody stands in, and that is not about to be looked at, goes. */
static void put_line(struct ipk__blocks *b, struct line *line)
{
	struct line **at;

	if (line->n_places > 0 || line->is_due)
		return;
	at = find_line(b, IPK__SLICE(line->name, line->name_bytes));
	*at = line->next;
	free(line);
}

static void leave(struct ipk__blocks *b, struct place *place)
{
	struct line *line = place->line;

	if (!line)
		return;
	*(place->prev ? &place->prev->next : &line->first) = place->next;
	*(place->next ? &place->next->prev : &line->last) = place->prev;
	line->n_places--;
	place->line = NULL;
	put_line(b, line);
}

static void join(struct line *line, struct place *place)
{
	place->line = line;
	place->next = NULL;
	place->prev = line->last;
	*(line->last ? &line->last->next : &line->first) = place;
	line->last = place;
	line->n_places++;
}

static void leave_all(struct ipk__blocks *b, struct ipk__blocked *w, struct place *places,
		      size_t n_places)
{
	for (size_t i = 0; i < n_places; i++)
		leave(b, &places[i]);
	if (places != w->few[0] && places != w->few[1])
		free(places);
}

/* In the lines of @names; in no others any more. -ENOMEM: it stands where it stood. */
static int move_to(struct ipk__blocks *b, struct ipk__blocked *w, const struct ipk__slice *names,
		   size_t n_names)
{
	struct place *places = w->few[!w->is_second_few];

	if (n_names > FEW)
		places = ipk__os_calloc(n_names, sizeof *places);
	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < n_names; i++) {
		struct line *line = get_line(b, names[i]);

		if (!line) {
			leave_all(b, w, places, i);
			return -ENOMEM;
		}
		places[i].waiter = w;
		join(line, &places[i]);
	}
	leave_all(b, w, w->places, w->n_places);
	w->places = places;
	w->n_places = n_names;
	w->is_second_few = places == w->few[1];
	return 0;
}

/* --- time: a heap, the next one to give up at its top --- */

static void heap_put(struct ipk__blocks *b, size_t at, struct ipk__blocked *w)
{
	b->heap[at] = w;
	w->heap_at = at + 1;
}

static void heap_up(struct ipk__blocks *b, size_t at)
{
	struct ipk__blocked *w = b->heap[at];

	for (; at > 0 && b->heap[(at - 1) / 2]->until_ms > w->until_ms; at = (at - 1) / 2)
		heap_put(b, at, b->heap[(at - 1) / 2]);
	heap_put(b, at, w);
}

static void heap_down(struct ipk__blocks *b, size_t at)
{
	struct ipk__blocked *w = b->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < b->n_heap &&
		    b->heap[child + 1]->until_ms < b->heap[child]->until_ms)
			child++;
		if (child >= b->n_heap || b->heap[child]->until_ms >= w->until_ms)
			break;
		heap_put(b, at, b->heap[child]);
		at = child;
	}
	heap_put(b, at, w);
}

static void heap_remove(struct ipk__blocks *b, struct ipk__blocked *w)
{
	size_t at = w->heap_at;

	if (at == 0)
		return;
	at--;
	w->heap_at = 0;
	b->n_heap--;
	if (at == b->n_heap)
		return;
	heap_put(b, at, b->heap[b->n_heap]);
	heap_up(b, at);
	heap_down(b, b->heap[at]->heap_at - 1);
}

static int heap_room(struct ipk__blocks *b)
{
	size_t room = b->heap_room ? 2 * b->heap_room : 64;
	struct ipk__blocked **heap;

	if (b->n_heap < b->heap_room)
		return 0;
	heap = ipk__os_malloc(room * sizeof(void *));
	if (!heap)
		return -ENOMEM;
	if (b->n_heap > 0)
		memcpy(heap, b->heap, b->n_heap * sizeof(void *));
	free(b->heap);
	b->heap = heap;
	b->heap_room = room;
	return 0;
}

static int64_t monotonic_ms(void)
{
	return ipk__os_now_ns() / 1000000;
}

/* There is room in the heap. */
static void set_timeout(struct ipk__blocks *b, struct ipk__blocked *w, int64_t timeout_ms)
{
	int64_t now_ms = monotonic_ms();

	heap_remove(b, w);
	w->timeout_ms = timeout_ms;
	if (timeout_ms < 0)
		return;
	w->until_ms = ipk__later_ns(now_ms, timeout_ms);
	b->heap[b->n_heap++] = w;
	heap_up(b, b->n_heap - 1);
}

/* --- waiters --- */

static int copy_words(const struct ipk__request *q, struct ipk__blocked *w)
{
	size_t n_bytes = 0;
	char *bytes;

	for (size_t i = 0; i < q->argc; i++)
		n_bytes += q->argv[i].n_bytes;
	w->argv = ipk__os_malloc(q->argc * sizeof *w->argv + n_bytes);
	if (!w->argv)
		return -ENOMEM;
	bytes = (char *)(w->argv + q->argc);
	for (w->argc = 0; w->argc < q->argc; w->argc++) {
		const struct ipk__slice *word = &q->argv[w->argc];

		if (word->n_bytes > 0)
			memcpy(bytes, word->bytes, word->n_bytes);
		w->argv[w->argc] = IPK__SLICE(bytes, word->n_bytes);
		bytes += word->n_bytes;
	}
	return 0;
}

static void free_waiter(struct ipk__blocks *b, struct ipk__blocked *w)
{
	struct ipk__conn *conn = w->conn;

	leave_all(b, w, w->places, w->n_places);
	heap_remove(b, w);
	*(conn->waiters == w ? &conn->waiters : &w->prev->next) = w->next;
	*(w->next ? &w->next->prev : &conn->last_waiter) = w->prev;
	b->n_waiters--;
	free(w->argv);
	free(w);
}

static struct ipk__blocked *new_waiter(struct ipk__blocks *b, struct ipk__request *q)
{
	struct ipk__blocked *w = ipk__os_calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->conn = ipk__conn_of(q->peer);
	w->timeout_ms = INT64_MIN;
	if (copy_words(q, w) < 0) {
		free(w);
		return NULL;
	}
	w->index = (size_t)ipk__command_index(q->argv[0]);
	w->prev = w->conn->last_waiter;
	*(w->prev ? &w->prev->next : &w->conn->waiters) = w;
	w->conn->last_waiter = w;
	b->n_waiters++;
	return w;
}

static bool waits_for(const struct ipk__blocked *w, const struct ipk__slice *names, size_t n_names,
		      uint32_t lane)
{
	if (w->n_places != n_names || w->lane != lane)
		return false;
	for (size_t i = 0; i < n_names; i++) {
		const struct line *line = w->places[i].line;

		if (!line || !ipk__slice_equal(IPK__SLICE(line->name, line->name_bytes), names[i]))
			return false;
	}
	return true;
}

static int wait_for(struct ipk__request *q, struct ipk__blocked *w, const struct ipk__slice *names,
		    size_t n_names, uint32_t lane)
{
	if (waits_for(w, names, n_names, lane))
		return 0;
	IPK_TRY(move_to(q->server->blocks, w, names, n_names));
	w->lane = lane;
	w->since_ms = q->server->now_ms;
	return 0;
}

/* Inspection sees what the peer has waited for longest. */
static void show(struct ipk__server *server, struct ipk__conn *conn)
{
	const struct ipk__blocked *w = conn->waiters;
	const struct line *line = w && w->n_places > 0 ? w->places[0].line : NULL;

	if (line)
		ipk__board_waits(server, &conn->peer, IPK__SLICE(line->name, line->name_bytes),
				 w->since_ms, w->owner_tag);
	else
		ipk__board_waits(server, &conn->peer, IPK__SLICE(NULL, 0), 0, 0);
}

/* The peer of a new waiter: stands still, or gets a ticket. */
static void announce(struct ipk__request *q, struct ipk__blocked *w)
{
	struct ipk__slice id;
	char text[24];
	size_t n;

	if (!(q->peer->flags & IPK__PEER_SESSION)) {
		q->peer->flags |= IPK__PEER_BLOCKED;
		return;
	}
	w->ticket = ++w->conn->last_ticket;
	w->number = ipk__session_number(q->peer->session, &id);
	n = ipk__int64_to_text((int64_t)w->ticket, text);
	ipk__bytes_append(q->out, "+WAIT ", 6);
	ipk__bytes_append(q->out, text, n);
	ipk__bytes_append(q->out, "\r\n", 2);
}

static int block(struct ipk__request *q, struct ipk__blocked *w, const struct ipk__slice *names,
		 size_t n_names, uint32_t lane, int64_t timeout_ms)
{
	bool is_other_time = q->timed_out || timeout_ms != w->timeout_ms;

	if (is_other_time && timeout_ms >= 0)
		IPK_TRY(heap_room(q->server->blocks));
	IPK_TRY(wait_for(q, w, names, n_names, lane));
	if (is_other_time)
		set_timeout(q->server->blocks, w, timeout_ms);
	return 0;
}

int ipk__block(struct ipk__request *q, const struct ipk__slice *names, size_t n_names,
	       uint32_t lane, int64_t timeout_ms)
{
	struct ipk__blocks *b = q->server->blocks;
	struct ipk__blocked *w = b->running;
	bool is_new = !w;
	int r = -ENOMEM;

	if (!w)
		w = new_waiter(b, q);
	if (w)
		r = block(q, w, names, n_names, lane, timeout_ms);
	if (r < 0) {
		if (w && is_new)
			free_waiter(b, w);
		return r;
	}
	w->phase = q->phase;
	w->token = q->token;
	w->owner_tag = q->owner_tag;
	w->blocked_again = true;
	if (is_new)
		announce(q, w);
	show(q->server, w->conn);
	return 0;
}

/* --- going on --- */

/* The reply of a session's request that had to wait, as a push. */
static void push_reply(struct ipk__blocked *w, struct ipk__bytes *reply)
{
	struct ipk__bytes *out = &w->conn->peer.out;

	ipk__resp_head(out, w->conn->peer.resp == 3 ? IPK__RESP_PUSH : IPK__RESP_ARRAY, 3);
	ipk__resp_bulk(out, IPK__SLICE_OF("ipk.done"));
	ipk__resp_integer(out, (int64_t)w->ticket);
	ipk__bytes_append(out, ipk__bytes_front(reply), ipk__bytes_len(reply));
	out->failed |= reply->failed;
}

/* It has its reply, or is given up. */
static void finish(struct ipk__server *server, struct ipk__blocked *w)
{
	struct ipk__conn *conn = w->conn;

	if (w->ticket == 0) {
		conn->peer.flags &= ~(unsigned)IPK__PEER_BLOCKED;
		if (ipk__bytes_len(&conn->peer.in) > 0)
			ipk__conn_make_hungry(server, conn);
		ipk__ring_wake(server, conn);
	}
	free_waiter(server->blocks, w);
	show(server, conn);
	ipk__peer_flush(server, &conn->peer);
}

static void begin_again(struct ipk__server *server, const struct ipk__blocked *w,
			struct ipk__request *ret_q)
{
	ipk__request_begin(server, &w->conn->peer, w->argv, w->argc, ret_q);
	ret_q->command = ipk__command_at(w->index);
	ret_q->is_retry = true;
	ret_q->phase = w->phase;
	ret_q->token = w->token;
	ret_q->number = w->number;
}

/* @line: the one that was signalled; NULL: its time is over. */
static void call(struct ipk__server *server, struct ipk__blocked *w, const struct line *line,
		 struct ipk__bytes *out)
{
	struct ipk__request q;

	begin_again(server, w, &q);
	q.out = out;
	q.timed_out = !line;
	if (line)
		q.signalled = IPK__SLICE(line->name, line->name_bytes);
	w->blocked_again = false;
	server->blocks->running = w;
	ipk__request_call(&q, w->index);
	server->blocks->running = NULL;
	/* Should the push be lost, the request comes again with its number. */
	if (w->ticket != 0 && q.peer->session && q.n_changes + q.n_effects > 0)
		ipk__session_done(&q, IPK__SLICE(ipk__bytes_front(out), ipk__bytes_len(out)));
}

/* Its function once more. True: it still waits. */
static bool run(struct ipk__server *server, struct ipk__blocked *w, const struct line *line)
{
	struct ipk__bytes reply = {0};
	struct ipk__peer *peer = &w->conn->peer;

	if (w->conn->is_doomed)
		return true;
	call(server, w, line, w->ticket != 0 ? &reply : &peer->out);
	if (w->blocked_again) {
		ipk__bytes_free(&reply);
		return true;
	}
	if (w->ticket != 0)
		push_reply(w, &reply);
	ipk__bytes_free(&reply);
	finish(server, w);
	return false;
}

static struct place *first_on(const struct line *line, uint32_t lane)
{
	struct place *place = line->first;

	while (place && (place->waiter->lane != lane || place->waiter->conn->is_doomed))
		place = place->next;
	return place;
}

static void serve_lane(struct ipk__server *server, struct line *line, uint32_t lane)
{
	for (;;) {
		struct place *place = first_on(line, lane);
		struct ipk__blocked *w = place ? place->waiter : NULL;

		if (!w)
			return;
		if (run(server, w, line) && first_on(line, lane) == place)
			return;
	}
}

static void make_due(struct ipk__blocks *b, struct line *line)
{
	line->is_due = true;
	line->due_next = NULL;
	*b->due_end = line;
	b->due_end = &line->due_next;
}

static struct line *take_due(struct ipk__blocks *b)
{
	struct line *line = b->due;

	if (!line)
		return NULL;
	b->due = line->due_next;
	if (!b->due)
		b->due_end = &b->due;
	return line;
}

void ipk__blocks_serve(struct ipk__server *server)
{
	struct ipk__blocks *b = server->blocks;
	struct line *line;

	if (!b->due || b->is_serving)
		return;
	b->is_serving = true;
	while ((line = take_due(b))) {
		uint32_t lanes = line->lanes_due;

		/* Still due while it is served, so that it stays; signalled again, it comes again.
		 */
		line->lanes_due = 0;
		for (uint32_t lane = 0; lane < LANES; lane++) {
			if (lanes >> lane & 1)
				serve_lane(server, line, lane);
		}
		line->is_due = false;
		if (line->lanes_due != 0)
			make_due(b, line);
		put_line(b, line);
	}
	b->is_serving = false;
}

void ipk__signal(struct ipk__server *server, struct ipk__slice name, uint32_t lane)
{
	struct ipk__blocks *b = server->blocks;
	struct line *line;

	if (b->n_waiters == 0)
		return;
	line = *find_line(b, name);
	if (!line)
		return;
	line->lanes_due |= 1u << (lane % LANES);
	if (!line->is_due)
		make_due(b, line);
}

uint64_t ipk__blocks_len(const struct ipk__server *server)
{
	return server->blocks->n_waiters;
}

/* --- giving up --- */

int64_t ipk__blocks_next_ms(struct ipk__server *server)
{
	struct ipk__blocks *b = server->blocks;
	int64_t left_ms = b->n_heap > 0 ? b->heap[0]->until_ms - monotonic_ms() + 1 : -1;

	return b->n_heap > 0 ? IPK__MAX(left_ms, 0) : -1;
}

void ipk__blocks_timeout(struct ipk__server *server)
{
	struct ipk__blocks *b = server->blocks;
	int64_t now_ms = b->n_heap > 0 ? monotonic_ms() : 0;

	while (b->n_heap > 0 && b->heap[0]->until_ms < now_ms) {
		struct ipk__blocked *w = b->heap[0];

		/* Whatever comes of it, this time is over. */
		heap_remove(b, w);
		(void)run(server, w, NULL);
	}
}

void ipk__blocks_peer_gone(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__blocked *next;

	for (struct ipk__blocked *w = ipk__conn_of(peer)->waiters; w; w = next) {
		next = w->next;
		free_waiter(server->blocks, w);
	}
}

/* CLIENT UNBLOCK: as after its time, or with an error. */
bool ipk__blocks_unblock(struct ipk__server *server, struct ipk__peer *peer, const char *error)
{
	struct ipk__blocked *w = ipk__conn_of(peer)->waiters;
	struct ipk__request q;

	if (!w || w->ticket != 0)
		return false;
	begin_again(server, w, &q);
	if (!error || !ipk__things_cancel(&q)) {
		heap_remove(server->blocks, w);
		(void)run(server, w, NULL);
		return true;
	}
	ipk__request_begin(server, peer, w->argv, w->argc, &q);
	ipk__reply_error(&q, "%s", error);
	finish(server, w);
	return true;
}

static bool cancel(struct ipk__server *server, struct ipk__blocked *w)
{
	struct ipk__conn *conn = w->conn;
	struct ipk__request q;

	begin_again(server, w, &q);
	if (!ipk__things_cancel(&q)) {
		heap_remove(server->blocks, w);
		(void)run(server, w, NULL);
		return false;
	}
	free_waiter(server->blocks, w);
	show(server, conn);
	return true;
}

/* IPK.CANCEL: the request with this ticket waits no more, and nothing came of it. */
bool ipk__blocks_cancel(struct ipk__server *server, struct ipk__peer *peer, uint64_t ticket)
{
	struct ipk__blocked *w = ipk__conn_of(peer)->waiters;

	while (w && w->ticket != ticket)
		w = w->next;
	return w && ticket != 0 && cancel(server, w);
}

/* IPK.LEAVE: the same by the request's number. */
bool ipk__blocks_leave(struct ipk__server *server, struct ipk__peer *peer, uint64_t number)
{
	struct ipk__blocked *w = ipk__conn_of(peer)->waiters;

	while (w && (w->ticket == 0 || w->number != number))
		w = w->next;
	return w && cancel(server, w);
}

int ipk__blocks_create(struct ipk__server *server)
{
	struct ipk__blocks *b = ipk__os_calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->due_end = &b->due;
	server->blocks = b;
	return 0;
}

void ipk__blocks_free(struct ipk__server *server)
{
	struct ipk__blocks *b = server->blocks;

	if (!b)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (b->buckets[i]) {
			struct line *line = b->buckets[i];

			b->buckets[i] = line->next;
			free(line);
		}
	}
	free(b->heap);
	free(b);
}
