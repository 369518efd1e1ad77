/*
 * server_block.c - blocked requests.
 *
 * A waiter is a request with its words copied; it is queued at each name that it waits for, on one
 * channel. A signal only marks the queue; queues are served when the current request or transaction
 * is complete, so no command function ever runs inside another. Serving runs the waiters of the
 * channel from the front until one blocks there again.
 *
 * Called again, a request may wait for something else (a condition waits for the notification first
 * and for its lock then): it joins the new queues at the end and leaves its old ones; if there is
 * no memory for that, it keeps its old entries. While it waits for the same, it keeps its entry.
 *
 * A peer without a session blocks as a whole: its later requests are not read. The requests of a
 * session block individually, and their replies are sent as pushes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_ring.h"

#define BUCKETS 4096
#define CHANNELS 32u
#define FEW 1 /* as many names as most wait for */

struct wait_queue {
	struct wait_queue *next; /* in its bucket */
	struct wait_queue *due_next;
	bool is_due;
	uint32_t channels_due; /* a bit each */
	uint64_t n_entries;
	struct wait_entry *first, *last;
	size_t name_bytes;
	char name[];
};

struct wait_entry {
	struct ipk__blocked_request *waiter;
	struct wait_queue *queue;
	struct wait_entry *next, *prev;
};

struct ipk__blocked_request {
	struct ipk__conn *conn;
	struct ipk__blocked_request *next, *prev; /* the peer's, the oldest first */
	size_t heap_at;                           /* plus 1; 0: waits for ever */
	int64_t until_ms;                         /* on the monotonic clock */
	int64_t timeout_ms;                       /* as the request gave it last */
	uint32_t channel;
	uint32_t phase;
	uint64_t token;
	uint64_t ticket; /* of a session; 0 the peer waits as a whole */
	uint64_t number; /* the request's in that session */
	size_t index;    /* of its command */
	size_t argc;
	struct ipk__slice *argv;
	size_t n_entries;
	struct wait_entry *entries;
	struct wait_entry few[2][FEW]; /* to stand in new queues before the old ones are left */
	bool is_second_few;
	int64_t since_ms;   /* it waits for this; on the wall clock */
	uint64_t owner_tag; /* for inspection: within the peer */
	bool blocked_again;
};

struct ipk__blocks {
	struct wait_queue *buckets[BUCKETS];
	struct wait_queue *due, **due_end;
	bool is_serving;
	struct ipk__blocked_request **heap;
	size_t n_heap, heap_room;
	uint64_t n_waiters;
	struct ipk__blocked_request *running; /* the one that is called again */
};

/* --- queues ----------------------------------------------------------------------------------- */

static struct wait_queue **find_queue(struct ipk__blocks *b, struct ipk__slice name)
{
	uint32_t h = 2166136261u;
	struct wait_queue **at;

	for (size_t i = 0; i < name.n_bytes; i++)
		h = (h ^ (unsigned char)name.bytes[i]) * 16777619u;
	at = &b->buckets[h % BUCKETS];
	while (*at && !ipk__slice_equal(IPK__SLICE((*at)->name, (*at)->name_bytes), name))
		at = &(*at)->next;
	return at;
}

static struct wait_queue *get_queue(struct ipk__blocks *b, struct ipk__slice name)
{
	struct wait_queue **at = find_queue(b, name);
	struct wait_queue *queue = *at;

	if (queue)
		return queue;
	queue = ipk__os_calloc(1, sizeof *queue + name.n_bytes);
	if (!queue)
		return NULL;
	queue->name_bytes = name.n_bytes;
	if (name.n_bytes > 0)
		memcpy(queue->name, name.bytes, name.n_bytes);
	*at = queue;
	return queue;
}

/* One that no request waits in, and that is not about to be looked at, goes. */
static void put_queue(struct ipk__blocks *b, struct wait_queue *queue)
{
	struct wait_queue **at;

	if (queue->n_entries > 0 || queue->is_due)
		return;
	at = find_queue(b, IPK__SLICE(queue->name, queue->name_bytes));
	*at = queue->next;
	free(queue);
}

static void leave(struct ipk__blocks *b, struct wait_entry *entry)
{
	struct wait_queue *queue = entry->queue;

	if (!queue)
		return;
	*(entry->prev ? &entry->prev->next : &queue->first) = entry->next;
	*(entry->next ? &entry->next->prev : &queue->last) = entry->prev;
	queue->n_entries--;
	entry->queue = NULL;
	put_queue(b, queue);
}

static void join(struct wait_queue *queue, struct wait_entry *entry)
{
	entry->queue = queue;
	entry->next = NULL;
	entry->prev = queue->last;
	*(queue->last ? &queue->last->next : &queue->first) = entry;
	queue->last = entry;
	queue->n_entries++;
}

static void leave_all(struct ipk__blocks *b, struct ipk__blocked_request *w,
		      struct wait_entry *entries, size_t n_entries)
{
	for (size_t i = 0; i < n_entries; i++)
		leave(b, &entries[i]);
	if (entries != w->few[0] && entries != w->few[1])
		free(entries);
}

/* In the queues of @names; in no others any more. -ENOMEM: it stands where it stood. */
static int move_to(struct ipk__blocks *b, struct ipk__blocked_request *w,
		   const struct ipk__slice *names, size_t n_names)
{
	struct wait_entry *entries = w->few[!w->is_second_few];

	if (n_names > FEW)
		entries = ipk__os_calloc(n_names, sizeof *entries);
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < n_names; i++) {
		struct wait_queue *queue = get_queue(b, names[i]);

		if (!queue) {
			leave_all(b, w, entries, i);
			return -ENOMEM;
		}
		entries[i].waiter = w;
		join(queue, &entries[i]);
	}
	leave_all(b, w, w->entries, w->n_entries);
	w->entries = entries;
	w->n_entries = n_names;
	w->is_second_few = entries == w->few[1];
	return 0;
}

/* --- time: a heap, the next one to give up at its top ----------------------------------------- */

static void heap_put(struct ipk__blocks *b, size_t at, struct ipk__blocked_request *w)
{
	b->heap[at] = w;
	w->heap_at = at + 1;
}

static void heap_up(struct ipk__blocks *b, size_t at)
{
	struct ipk__blocked_request *w = b->heap[at];

	for (; at > 0 && b->heap[(at - 1) / 2]->until_ms > w->until_ms; at = (at - 1) / 2)
		heap_put(b, at, b->heap[(at - 1) / 2]);
	heap_put(b, at, w);
}

static void heap_down(struct ipk__blocks *b, size_t at)
{
	struct ipk__blocked_request *w = b->heap[at];

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

static void heap_remove(struct ipk__blocks *b, struct ipk__blocked_request *w)
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
	struct ipk__blocked_request **heap;

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
static void set_timeout(struct ipk__blocks *b, struct ipk__blocked_request *w, int64_t timeout_ms)
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

/* --- waiters ---------------------------------------------------------------------------------- */

static int copy_words(const struct ipk__request *q, struct ipk__blocked_request *w)
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

static void free_waiter(struct ipk__blocks *b, struct ipk__blocked_request *w)
{
	struct ipk__conn *conn = w->conn;

	leave_all(b, w, w->entries, w->n_entries);
	heap_remove(b, w);
	*(conn->waiters == w ? &conn->waiters : &w->prev->next) = w->next;
	*(w->next ? &w->next->prev : &conn->last_waiter) = w->prev;
	b->n_waiters--;
	free(w->argv);
	free(w);
}

static struct ipk__blocked_request *new_waiter(struct ipk__blocks *b, struct ipk__request *q)
{
	struct ipk__blocked_request *w = ipk__os_calloc(1, sizeof *w);

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

static bool waits_for(const struct ipk__blocked_request *w, const struct ipk__slice *names,
		      size_t n_names, uint32_t channel)
{
	if (w->n_entries != n_names || w->channel != channel)
		return false;
	for (size_t i = 0; i < n_names; i++) {
		const struct wait_queue *queue = w->entries[i].queue;

		if (!queue ||
		    !ipk__slice_equal(IPK__SLICE(queue->name, queue->name_bytes), names[i]))
			return false;
	}
	return true;
}

static int wait_for(struct ipk__request *q, struct ipk__blocked_request *w,
		    const struct ipk__slice *names, size_t n_names, uint32_t channel)
{
	if (waits_for(w, names, n_names, channel))
		return 0;
	IPK_TRY(move_to(ipk__server_of(q)->blocks, w, names, n_names));
	w->channel = channel;
	w->since_ms = ipk__server_of(q)->db.now_ms;
	return 0;
}

/* Inspection sees what the peer has waited for longest. */
static void show(struct ipk__server *server, struct ipk__conn *conn)
{
	const struct ipk__blocked_request *w = conn->waiters;
	const struct wait_queue *queue = w && w->n_entries > 0 ? w->entries[0].queue : NULL;

	if (queue)
		ipk__status_waits(server, &conn->peer, IPK__SLICE(queue->name, queue->name_bytes),
				  w->since_ms, w->owner_tag);
	else
		ipk__status_waits(server, &conn->peer, IPK__SLICE(NULL, 0), 0, 0);
}

/* The peer of a new waiter: stands still, or gets a ticket. */
static void announce(struct ipk__request *q, struct ipk__blocked_request *w)
{
	struct ipk__slice id;
	char text[24];
	size_t n;

	if (!(q->peer->flags & IPK__PEER_SESSION)) {
		q->peer->flags |= IPK__PEER_BLOCKED;
		return;
	}
	w->ticket = ++w->conn->last_ticket;
	w->number = ipk__session_number(ipk__conn_of(q->peer)->session, &id);
	n = ipk__int64_to_text((int64_t)w->ticket, text);
	ipk__buffer_append(q->out, "+WAIT ", 6);
	ipk__buffer_append(q->out, text, n);
	ipk__buffer_append(q->out, "\r\n", 2);
}

static int block(struct ipk__request *q, struct ipk__blocked_request *w,
		 const struct ipk__slice *names, size_t n_names, uint32_t channel,
		 int64_t timeout_ms)
{
	bool is_other_time = q->timed_out || timeout_ms != w->timeout_ms;

	if (is_other_time && timeout_ms >= 0)
		IPK_TRY(heap_room(ipk__server_of(q)->blocks));
	IPK_TRY(wait_for(q, w, names, n_names, channel));
	if (is_other_time)
		set_timeout(ipk__server_of(q)->blocks, w, timeout_ms);
	return 0;
}

int ipk__blocks_add(struct ipk__request *q, const struct ipk__slice *names, size_t n_names,
		    uint32_t channel, int64_t timeout_ms)
{
	struct ipk__blocks *b = ipk__server_of(q)->blocks;
	struct ipk__blocked_request *w = b->running;
	bool is_new = !w;
	int r = -ENOMEM;

	if (!w)
		w = new_waiter(b, q);
	if (w)
		r = block(q, w, names, n_names, channel, timeout_ms);
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
	show(ipk__server_of(q), w->conn);
	return 0;
}

/* --- going on --------------------------------------------------------------------------------- */

/* The reply of a session's request that had to wait, as a push. */
static void push_reply(struct ipk__blocked_request *w, struct ipk__buffer *reply)
{
	struct ipk__buffer *out = &w->conn->peer.out;

	ipk__resp_head(out, w->conn->peer.resp == 3 ? IPK__RESP_PUSH : IPK__RESP_ARRAY, 3);
	ipk__resp_bulk(out, IPK__SLICE_OF("ipk.done"));
	ipk__resp_integer(out, (int64_t)w->ticket);
	ipk__buffer_append(out, ipk__buffer_front(reply), ipk__buffer_len(reply));
	out->failed |= reply->failed;
}

/* It has its reply, or is given up. */
static void finish_blocked(struct ipk__server *server, struct ipk__blocked_request *w)
{
	struct ipk__conn *conn = w->conn;

	if (w->ticket == 0) {
		conn->peer.flags &= ~(unsigned)IPK__PEER_BLOCKED;
		if (ipk__buffer_len(&conn->in) > 0)
			ipk__conn_make_readable(server, conn);
		ipk__ring_wake(server, conn);
	}
	free_waiter(server->blocks, w);
	show(server, conn);
	ipk__peer_flush(server, &conn->peer);
}

static void begin_again(struct ipk__server *server, const struct ipk__blocked_request *w,
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
static void call(struct ipk__server *server, struct ipk__blocked_request *w,
		 const struct wait_queue *queue, struct ipk__buffer *out)
{
	struct ipk__request q;

	begin_again(server, w, &q);
	q.out = out;
	q.timed_out = !queue;
	if (queue)
		q.signalled = IPK__SLICE(queue->name, queue->name_bytes);
	w->blocked_again = false;
	server->blocks->running = w;
	ipk__request_call(&q, w->index);
	server->blocks->running = NULL;
	/* Should the push be lost, the request comes again with its number. */
	if (w->ticket != 0 && ipk__conn_of(q.peer)->session && q.n_changes + q.n_effects > 0)
		ipk__session_done(&q, IPK__SLICE(ipk__buffer_front(out), ipk__buffer_len(out)));
}

/* Its function once more. True: it still waits. */
static bool run(struct ipk__server *server, struct ipk__blocked_request *w,
		const struct wait_queue *queue)
{
	struct ipk__buffer reply = {0};
	struct ipk__peer *peer = &w->conn->peer;

	if (w->conn->is_closing)
		return true;
	call(server, w, queue, w->ticket != 0 ? &reply : &peer->out);
	if (w->blocked_again) {
		ipk__buffer_free(&reply);
		return true;
	}
	if (w->ticket != 0)
		push_reply(w, &reply);
	ipk__buffer_free(&reply);
	finish_blocked(server, w);
	return false;
}

static struct wait_entry *first_on(const struct wait_queue *queue, uint32_t channel)
{
	struct wait_entry *entry = queue->first;

	while (entry && (entry->waiter->channel != channel || entry->waiter->conn->is_closing))
		entry = entry->next;
	return entry;
}

static void serve_channel(struct ipk__server *server, struct wait_queue *queue, uint32_t channel)
{
	for (;;) {
		struct wait_entry *entry = first_on(queue, channel);
		struct ipk__blocked_request *w = entry ? entry->waiter : NULL;

		if (!w)
			return;
		if (run(server, w, queue) && first_on(queue, channel) == entry)
			return;
	}
}

static void make_due(struct ipk__blocks *b, struct wait_queue *queue)
{
	queue->is_due = true;
	queue->due_next = NULL;
	*b->due_end = queue;
	b->due_end = &queue->due_next;
}

static struct wait_queue *take_due(struct ipk__blocks *b)
{
	struct wait_queue *queue = b->due;

	if (!queue)
		return NULL;
	b->due = queue->due_next;
	if (!b->due)
		b->due_end = &b->due;
	return queue;
}

void ipk__blocks_serve(struct ipk__server *server)
{
	struct ipk__blocks *b = server->blocks;
	struct wait_queue *queue;

	if (!b->due || b->is_serving)
		return;
	b->is_serving = true;
	while ((queue = take_due(b))) {
		uint32_t channels = queue->channels_due;

		/* Still due while it is served, so that it stays; signalled again, it comes again.
		 */
		queue->channels_due = 0;
		for (uint32_t channel = 0; channel < CHANNELS; channel++) {
			if (channels >> channel & 1)
				serve_channel(server, queue, channel);
		}
		queue->is_due = false;
		if (queue->channels_due != 0)
			make_due(b, queue);
		put_queue(b, queue);
	}
	b->is_serving = false;
}

void ipk__blocks_signal(struct ipk__server *server, struct ipk__slice name, uint32_t channel)
{
	struct ipk__blocks *b = server->blocks;
	struct wait_queue *queue;

	if (b->n_waiters == 0)
		return;
	queue = *find_queue(b, name);
	if (!queue)
		return;
	queue->channels_due |= 1u << (channel % CHANNELS);
	if (!queue->is_due)
		make_due(b, queue);
}

uint64_t ipk__blocks_len(const struct ipk__server *server)
{
	return server->blocks->n_waiters;
}

/* --- giving up -------------------------------------------------------------------------------- */

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
		struct ipk__blocked_request *w = b->heap[0];

		/* Whatever comes of it, this time is over. */
		heap_remove(b, w);
		(void)run(server, w, NULL);
	}
}

void ipk__blocks_peer_gone(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__blocked_request *next;

	for (struct ipk__blocked_request *w = ipk__conn_of(peer)->waiters; w; w = next) {
		next = w->next;
		free_waiter(server->blocks, w);
	}
}

/* CLIENT UNBLOCK: as after its time, or with an error. */
bool ipk__blocks_unblock(struct ipk__server *server, struct ipk__peer *peer, const char *error)
{
	struct ipk__blocked_request *w = ipk__conn_of(peer)->waiters;
	struct ipk__request q;

	if (!w || w->ticket != 0)
		return false;
	begin_again(server, w, &q);
	if (!error || !ipk__sync_objects_cancel(&q)) {
		heap_remove(server->blocks, w);
		(void)run(server, w, NULL);
		return true;
	}
	ipk__request_begin(server, peer, w->argv, w->argc, &q);
	ipk__reply_error(&q, "%s", error);
	finish_blocked(server, w);
	return true;
}

static bool cancel(struct ipk__server *server, struct ipk__blocked_request *w)
{
	struct ipk__conn *conn = w->conn;
	struct ipk__request q;

	begin_again(server, w, &q);
	if (!ipk__sync_objects_cancel(&q)) {
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
	struct ipk__blocked_request *w = ipk__conn_of(peer)->waiters;

	while (w && w->ticket != ticket)
		w = w->next;
	return w && ticket != 0 && cancel(server, w);
}

/* IPK.LEAVE: the same by the request's number. */
bool ipk__blocks_leave(struct ipk__server *server, struct ipk__peer *peer, uint64_t number)
{
	struct ipk__blocked_request *w = ipk__conn_of(peer)->waiters;

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
			struct wait_queue *queue = b->buckets[i];

			b->buckets[i] = queue->next;
			free(queue);
		}
	}
	free(b->heap);
	free(b);
}
