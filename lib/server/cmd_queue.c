/*
 * cmd_queue.c - Queue and JoinableQueue: FIFO, LIFO or by priority, with a limit.
 *
 * Items lie in the server's own memory (item_queue.c); the store has the numbers that
 * inspection shows. Invariant of the store's: n_items are to be had, and n_unfinished of a
 * joinable queue is what QJOIN waits for.
 *
 * The log has every item that is put, and that a plain queue's item was taken. An item of a
 * joinable queue is in the log until it is done: when the server or the connection that took
 * it ends, it is in the queue again. It is named by the number that it got when it was put.
 */
#include "server/held.h"

#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "server/item_queue.h"

#define KINDS IPK__KIND(IPK__THING_QUEUE)
#define HEAD_BYTES 32      /* of an item in a reply: its length, and the ends of lines */
#define DROPS_A_COMMAND 30 /* of one IPK.QDROP: a line of the log holds them */

/* An item of a joinable queue that a peer has and did not say to be done. */
struct taken {
	struct ipk__link of_thing, of_peer;
	struct ipk__thing *thing;
	struct ipk__queue_item *item;
};

static struct ipk__thing *find_queue(struct ipk__request *q, struct ipk__shm_thing **ret_shm)
{
	struct ipk__thing *thing = ipk__thing_find(q, q->argv[1], KINDS);

	if (thing)
		*ret_shm = ipk__thing_shm(q->server, thing);
	return thing;
}

int ipk__queue_create(struct ipk__thing *thing)
{
	thing->queue = ipk__os_calloc(1, sizeof(*thing->queue));
	return thing->queue ? 0 : -ENOMEM;
}

static void free_item(struct ipk__server *server, struct ipk__queue_item *item)
{
	server->things->used_bytes -= ipk__queue_item_used(item);
	free(item);
}

static void free_taken(struct ipk__server *server, struct taken *taken, bool with_item)
{
	ipk__link_remove(&taken->of_thing);
	ipk__link_remove(&taken->of_peer);
	if (with_item)
		free_item(server, taken->item);
	free(taken);
}

static void drop_inside(struct ipk__server *server, struct ipk__item_queue *queue)
{
	struct ipk__queue_item *item;

	while ((item = ipk__item_queue_take(queue)))
		free_item(server, item);
}

void ipk__queue_free(struct ipk__server *server, struct ipk__thing *thing)
{
	struct ipk__link *at = thing->takens.next;

	while (at->self) {
		struct taken *taken = at->self;

		at = at->next;
		free_taken(server, taken, true);
	}
	drop_inside(server, thing->queue);
	ipk__item_queue_fini(thing->queue);
	free(thing->queue);
	thing->queue = NULL;
}

static enum ipk__queue_order order_of(const struct ipk__shm_thing *shm)
{
	if (shm->flags & IPK__THING_LIFO)
		return IPK__ORDER_LIFO;
	return shm->flags & IPK__THING_PRIORITY ? IPK__ORDER_PRIORITY : IPK__ORDER_FIFO;
}

/* --- putting ------------------------------------------------------------------------------- */

static bool has_memory(const struct ipk__request *q, size_t n_bytes)
{
	uint64_t max_bytes = q->server->config.max_memory_bytes;
	uint64_t used_bytes = ipk__store_used_bytes(q->store) + ipk__things_used_bytes(q->server);

	return max_bytes == 0 || !q->peer || used_bytes + n_bytes <= max_bytes;
}

static int put_one(struct ipk__request *q, struct ipk__thing *thing, struct ipk__shm_thing *shm,
		   int64_t priority, uint64_t number, struct ipk__slice value)
{
	struct ipk__queue_item *item;

	thing->queue->order = order_of(shm);
	if (!has_memory(q, value.n_bytes))
		return -ENOSPC;
	IPK_TRY(ipk__queue_item_make(priority, number, value, &item));
	if (ipk__item_queue_put(thing->queue, item) < 0) {
		free(item);
		return -ENOMEM;
	}
	q->server->things->used_bytes += ipk__queue_item_used(item);
	shm->n_items++;
	return 0;
}

/* While the log is loaded, what was taken and is not done is inside: there is always room. */
static bool has_room(const struct ipk__request *q, const struct ipk__shm_thing *shm)
{
	return shm->limit == 0 || shm->n_items < shm->limit || !q->peer;
}

/* The values from @from to @to; nothing when the request itself says the same. */
static void effect_of_put(struct ipk__request *q, uint64_t from, uint64_t to)
{
	struct ipk__slice *argv;
	size_t n = (size_t)(to - from);

	if (n == q->argc - 4)
		return;
	argv = ipk__os_malloc((4 + n) * sizeof(*argv));
	if (!argv) {
		for (; from < to; from++)
			ipk__effectf(q, "sbsbb", "IPK.QPUT", q->argv[1], "0", q->argv[3],
				     q->argv[4 + from]);
		return;
	}
	argv[0] = q->argv[0];
	argv[1] = q->argv[1];
	argv[2] = IPK__SLICE_OF("0");
	argv[3] = q->argv[3];
	memcpy(argv + 4, q->argv + 4 + from, n * sizeof(*argv));
	ipk__effect(q, 4 + n, argv);
	free(argv);
}

/* As many as there is room for, from the *n_put-th on. */
static int put_some(struct ipk__request *q, struct ipk__thing *thing, struct ipk__shm_thing *shm,
		    int64_t priority, uint64_t *n_put)
{
	uint64_t before = *n_put, n_values = q->argc - 4;
	int r = 0;

	while (*n_put < n_values && has_room(q, shm)) {
		r = put_one(q, thing, shm, priority, shm->count, q->argv[4 + *n_put]);
		if (r < 0)
			break;
		shm->count++;
		if (shm->flags & IPK__THING_JOINABLE)
			shm->n_unfinished++;
		++*n_put;
	}
	if (*n_put > before) {
		ipk__changed(q, q->argv[1]);
		effect_of_put(q, before, *n_put);
		ipk__thing_signal(q->server, thing, IPK__LANE_GET);
	}
	return r;
}

static void reply_put(struct ipk__request *q, uint64_t n_put, int error)
{
	ipk__wait_end(q);
	if (n_put > 0 || error == 0)
		ipk__reply_integer(q, (int64_t)n_put);
	else if (error == -ESHUTDOWN)
		ipk__reply_error(q, "SHUTDOWN the queue is shut down");
	else
		ipk__reply_failed(q, error);
}

static void put(struct ipk__request *q, struct ipk__thing *thing, int64_t priority,
		int64_t timeout_ms)
{
	struct ipk__shm_thing *shm = ipk__thing_shm(q->server, thing);
	struct ipk__wait *wait = ipk__wait_of(q);
	uint64_t n_put = wait ? wait->number : 0;
	int r;

	if (shm->flags & IPK__THING_SHUT) {
		reply_put(q, n_put, -ESHUTDOWN);
		return;
	}
	r = put_some(q, thing, shm, priority, &n_put);
	if (r < 0 || n_put == q->argc - 4 || ipk__must_answer(q, timeout_ms)) {
		reply_put(q, n_put, r);
		return;
	}
	if (!wait)
		wait = ipk__wait_begin(q, thing);
	if (wait)
		wait->number = n_put;
	q->phase = n_put > 0; /* then it cannot be cancelled as if nothing had happened */
	if (!wait || ipk__wait_block(q, IPK__LANE_PUT, IPK__SLICE(NULL, 0), timeout_ms) < 0)
		reply_put(q, n_put, -ENOMEM);
	else
		q->n_so_far = n_put;
}

void ipk__thing_qput(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);
	int64_t timeout_ms, priority;
	struct ipk__thing *thing;
	struct ipk__shm_thing *shm;

	if (ipk__wait_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms) ||
	    !ipk__arg_integer(q, 3, &priority))
		return;
	thing = wait ? wait->thing : find_queue(q, &shm);
	if (thing)
		put(q, thing, priority, timeout_ms);
}

/* --- getting -------------------------------------------------------------------------------- */

/* The item stays the queue's until it is done. */
static int note_taken(struct ipk__request *q, struct ipk__thing *thing,
		      struct ipk__queue_item *item)
{
	struct ipk__peer_things *has = ipk__peer_things_of(q->peer);
	struct taken *taken = has ? ipk__os_malloc(sizeof(*taken)) : NULL;

	if (!taken)
		return -ENOMEM;
	taken->thing = thing;
	taken->item = item;
	ipk__link_last(&thing->takens, &taken->of_thing, taken);
	ipk__link_last(&has->takens, &taken->of_peer, taken);
	return 0;
}

/* Out of the queue, into the reply. False: no memory, or none left. */
static bool get_one(struct ipk__request *q, struct ipk__thing *thing, struct ipk__shm_thing *shm)
{
	struct ipk__queue_item *item = ipk__item_queue_take(thing->queue);

	if (!item)
		return false;
	if (!ipk__bytes_reserve(q->out, item->n_bytes + HEAD_BYTES) ||
	    ((shm->flags & IPK__THING_JOINABLE) && q->peer && note_taken(q, thing, item) < 0)) {
		/* Its place was its own a moment ago. */
		(void)ipk__item_queue_put_back(thing->queue, item);
		return false;
	}
	shm->n_items--;
	ipk__reply_bulk(q, IPK__SLICE(item->bytes, item->n_bytes));
	if (!(shm->flags & IPK__THING_JOINABLE) || !q->peer)
		free_item(q->server, item);
	return true;
}

/* @n at most, which is 1 or more; there is one. */
static void get_some(struct ipk__request *q, struct ipk__thing *thing, struct ipk__shm_thing *shm,
		     uint64_t n, bool as_array)
{
	uint64_t n_got = 0;

	if (n > shm->n_items)
		n = shm->n_items;
	if (as_array)
		ipk__reply_array(q, n);
	while (n_got < n && get_one(q, thing, shm))
		n_got++;
	if (n_got == 0 && !as_array) {
		ipk__reply_failed(q, -ENOMEM);
		return;
	}
	if (n_got < n) /* the reply is in pieces: this connection cannot go on */
		q->out->failed = true;
	if (n_got > 0 && !(shm->flags & IPK__THING_JOINABLE)) {
		ipk__changed(q, q->argv[1]);
		ipk__effectf(q, "sbssi", "IPK.QGET", q->argv[1], "0", "COUNT", (int64_t)n_got);
	}
	ipk__thing_signal(q->server, thing, IPK__LANE_PUT);
}

/* [COUNT n] from the @i-th word on. False: the reply says what is wrong. */
static bool read_count(struct ipk__request *q, size_t i, int64_t *ret_n)
{
	*ret_n = 1;
	if (q->argc == i)
		return true;
	if (q->argc != i + 2 || !ipk__slice_is_word(q->argv[i], "COUNT")) {
		ipk__reply_syntax(q);
		return false;
	}
	if (!ipk__arg_integer(q, i + 1, ret_n))
		return false;
	if (*ret_n < 1)
		ipk__reply_error(q, "VALUE COUNT is one or more");
	return *ret_n >= 1;
}

void ipk__thing_qget(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
	int64_t timeout_ms, n;

	if (ipk__wait_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms) || !read_count(q, 3, &n))
		return;
	thing = wait ? wait->thing : find_queue(q, &shm);
	if (!thing)
		return;
	shm = ipk__thing_shm(q->server, thing);
	if (shm->n_items > 0) {
		ipk__wait_end(q);
		get_some(q, thing, shm, (uint64_t)n, q->argc > 3);
	} else if (shm->flags & IPK__THING_SHUT) {
		ipk__wait_end(q);
		ipk__reply_error(q, "SHUTDOWN the queue is shut down");
	} else if (ipk__must_answer(q, timeout_ms)) {
		ipk__wait_end(q);
		ipk__reply_null(q);
	} else {
		ipk__wait_for(q, thing, IPK__LANE_GET, IPK__SLICE(NULL, 0), timeout_ms);
	}
}

/* --- what was taken ------------------------------------------------------------------------- */

static struct taken *first_taken_by(const struct ipk__thing *thing, const struct ipk__peer *peer)
{
	const struct ipk__peer_things *has = peer->things;

	for (struct ipk__link *at = has ? has->takens.next : NULL; at && at->self; at = at->next) {
		struct taken *taken = at->self;

		if (taken->thing == thing)
			return taken;
	}
	return ipk__links_first(&thing->takens); /* somebody else's: Python only counts */
}

static void effect_of_drops(struct ipk__request *q, const struct ipk__slice *numbers, size_t n)
{
	struct ipk__slice argv[2 + DROPS_A_COMMAND] = {IPK__SLICE_OF("IPK.QDROP"), q->argv[1]};

	if (n == 0)
		return;
	memcpy(argv + 2, numbers, n * sizeof(*numbers));
	ipk__effect(q, 2 + n, argv);
}

/* @n of them, as far as anything was taken; the rest of the count needs no item. */
static uint64_t drop_taken(struct ipk__request *q, struct ipk__thing *thing, uint64_t n)
{
	struct ipk__slice numbers[DROPS_A_COMMAND];
	char texts[DROPS_A_COMMAND][24];
	uint64_t n_dropped = 0;
	struct taken *taken;
	size_t n_bytes, i = 0;

	while (n_dropped < n && q->peer && (taken = first_taken_by(thing, q->peer))) {
		n_bytes = ipk__int64_to_text((int64_t)taken->item->number, texts[i]);
		numbers[i] = IPK__SLICE(texts[i], n_bytes);
		free_taken(q->server, taken, true);
		n_dropped++;
		if (++i == DROPS_A_COMMAND) {
			effect_of_drops(q, numbers, i);
			i = 0;
		}
	}
	effect_of_drops(q, numbers, i);
	return n_dropped;
}

void ipk__thing_qdone(struct ipk__request *q)
{
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
	uint64_t n_dropped;
	int64_t n = 1;

	if (q->argc > 3) {
		ipk__reply_wrong_arity(q);
		return;
	}
	if (q->argc == 3 && !ipk__arg_integer(q, 2, &n))
		return;
	thing = find_queue(q, &shm);
	if (!thing)
		return;
	if (n < 1 || (uint64_t)n > shm->n_unfinished) {
		ipk__reply_error(q, n < 1 ? "VALUE n must be one or more"
					  : "VALUE task_done() called too many times");
		return;
	}
	shm->n_unfinished -= (uint64_t)n;
	n_dropped = drop_taken(q, thing, (uint64_t)n);
	if (n_dropped > 0 && n_dropped < (uint64_t)n)
		ipk__effectf(q, "sbi", "IPK.QDONE", q->argv[1], n - (int64_t)n_dropped);
	ipk__changed(q, q->argv[1]);
	if (shm->n_unfinished == 0)
		ipk__thing_signal(q->server, thing, IPK__LANE_JOIN);
	ipk__reply_ok(q);
}

static void return_one(struct ipk__server *server, struct taken *taken)
{
	struct ipk__thing *thing = taken->thing;
	struct ipk__shm_thing *shm = ipk__thing_shm(server, thing);
	struct ipk__queue_item *item = taken->item;

	free_taken(server, taken, false);
	if (shm && !(shm->flags & IPK__THING_SHUT_NOW) &&
	    ipk__item_queue_put_back(thing->queue, item) == 0) {
		shm->n_items++;
		ipk__thing_signal(server, thing, IPK__LANE_GET);
		return;
	}
	free_item(server, item);
	if (shm && shm->n_unfinished > 0 && --shm->n_unfinished == 0)
		ipk__thing_signal(server, thing, IPK__LANE_JOIN);
}

/* The last one first, so that they lie as they lay. */
void ipk__queue_abandoned(struct ipk__server *server, struct ipk__link *takens_of_peer)
{
	struct ipk__link *last = takens_of_peer->prev;

	while (last->self) {
		struct taken *taken = last->self;

		last = last->prev;
		return_one(server, taken);
	}
}

void ipk__thing_qjoin(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
	int64_t timeout_ms;

	if (ipk__wait_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms))
		return;
	thing = wait ? wait->thing : find_queue(q, &shm);
	if (!thing)
		return;
	shm = ipk__thing_shm(q->server, thing);
	if (shm->n_unfinished == 0 || ipk__must_answer(q, timeout_ms)) {
		ipk__wait_end(q);
		ipk__reply_integer(q, shm->n_unfinished == 0);
	} else {
		ipk__wait_for(q, thing, IPK__LANE_JOIN, IPK__SLICE(NULL, 0), timeout_ms);
	}
}

/* --- the queue as a whole -------------------------------------------------------------------- */

void ipk__thing_qlen(struct ipk__request *q)
{
	struct ipk__shm_thing *shm;

	if (find_queue(q, &shm))
		ipk__reply_integer(q, (int64_t)shm->n_items);
}

void ipk__thing_qinfo(struct ipk__request *q)
{
	static const char *const words[] = {"FIFO", "LIFO", "PRIORITY"};
	struct ipk__shm_thing *shm;

	if (!find_queue(q, &shm))
		return;
	ipk__reply_array(q, 6);
	ipk__reply_integer(q, (int64_t)shm->n_items);
	ipk__reply_integer(q, (int64_t)shm->limit);
	ipk__reply_integer(q, (int64_t)shm->n_unfinished);
	ipk__reply_integer(q, (shm->flags & IPK__THING_SHUT) != 0);
	ipk__reply_bulk(q, ipk__slice_of_string(words[order_of(shm)]));
	ipk__reply_integer(q, (shm->flags & IPK__THING_JOINABLE) != 0);
}

/* What is inside is dropped, and does not count as unfinished any more. */
static void empty(struct ipk__request *q, struct ipk__thing *thing, struct ipk__shm_thing *shm)
{
	shm->n_unfinished -= shm->n_items < shm->n_unfinished ? shm->n_items : shm->n_unfinished;
	shm->n_items = 0;
	drop_inside(q->server, thing->queue);
	ipk__thing_signal(q->server, thing, IPK__LANE_JOIN);
}

void ipk__thing_qshutdown(struct ipk__request *q)
{
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
	bool now = q->argc == 3;

	if (q->argc > 3 || (now && !ipk__slice_is_word(q->argv[2], "NOW"))) {
		ipk__reply_syntax(q);
		return;
	}
	thing = find_queue(q, &shm);
	if (!thing)
		return;
	shm->flags |= IPK__THING_SHUT | (now ? IPK__THING_SHUT_NOW : 0);
	if (now)
		empty(q, thing, shm);
	ipk__thing_signal(q->server, thing, IPK__LANE_GET);
	ipk__thing_signal(q->server, thing, IPK__LANE_PUT);
	ipk__changed(q, q->argv[1]);
	ipk__reply_ok(q);
}

/* --- the log ---------------------------------------------------------------------------------- */

struct description {
	const struct ipk__thing *thing;
	ipk__emit_fn *emit;
	void *arg;
};

static void describe_item(void *arg, const struct ipk__queue_item *item)
{
	struct description *d = arg;
	char priority[24], number[24];
	struct ipk__slice argv[5] = {
		IPK__SLICE_OF("IPK.QLOAD"), d->thing->by_name.name,
		IPK__SLICE(priority, ipk__int64_to_text(item->priority, priority)),
		IPK__SLICE(number, ipk__int64_to_text((int64_t)item->number, number)),
		IPK__SLICE(item->bytes, item->n_bytes)};

	d->emit(d->arg, 5, argv);
}

/* What was taken and is not done comes first, as if it had been given back. */
void ipk__queue_describe(const struct ipk__thing *thing, const struct ipk__shm_thing *shm,
			 ipk__emit_fn *emit, void *arg)
{
	struct description d = {thing, emit, arg};
	char next[24], unfinished[24], flags[24];
	struct ipk__slice argv[5] = {
		IPK__SLICE_OF("IPK.QSTATE"), thing->by_name.name,
		IPK__SLICE(next, ipk__int64_to_text((int64_t)shm->count, next)),
		IPK__SLICE(unfinished, ipk__int64_to_text((int64_t)shm->n_unfinished, unfinished)),
		IPK__SLICE(flags, ipk__int64_to_text(shm->flags, flags))};

	if (thing->queue->order != IPK__ORDER_LIFO)
		for (struct ipk__link *at = thing->takens.next; at->self; at = at->next)
			describe_item(&d, ((struct taken *)at->self)->item);
	ipk__item_queue_each(thing->queue, describe_item, &d);
	if (thing->queue->order == IPK__ORDER_LIFO)
		for (struct ipk__link *at = thing->takens.prev; at->self; at = at->prev)
			describe_item(&d, ((struct taken *)at->self)->item);
	emit(arg, 5, argv);
}

static bool is_from_log(struct ipk__request *q)
{
	if (q->peer)
		ipk__reply_error(q, "ERR only a log has that");
	return !q->peer;
}

/* IPK.QLOAD key priority number value */
void ipk__thing_qload(struct ipk__request *q)
{
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
	int64_t priority, number;
	int r;

	if (!is_from_log(q) || !ipk__arg_integer(q, 2, &priority) ||
	    !ipk__arg_integer(q, 3, &number))
		return;
	thing = find_queue(q, &shm);
	if (!thing)
		return;
	r = put_one(q, thing, shm, priority, (uint64_t)number, q->argv[4]);
	if (r < 0)
		ipk__reply_failed(q, r);
	else
		ipk__reply_ok(q);
}

/* IPK.QDROP key number [number ...] */
void ipk__thing_qdrop(struct ipk__request *q)
{
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
	struct ipk__queue_item *item;
	int64_t number;

	if (!is_from_log(q))
		return;
	thing = find_queue(q, &shm);
	if (!thing)
		return;
	for (size_t i = 2; i < q->argc; i++) {
		if (!ipk__arg_integer(q, i, &number))
			return;
		item = ipk__item_queue_extract(thing->queue, (uint64_t)number);
		if (!item)
			continue; /* it was in a queue that was emptied since */
		free_item(q->server, item);
		shm->n_items--;
		shm->n_unfinished -= shm->n_unfinished > 0;
	}
	ipk__reply_ok(q);
}

/* IPK.QSTATE key next-number unfinished flags */
void ipk__thing_qstate(struct ipk__request *q)
{
	const uint32_t shut = IPK__THING_SHUT | IPK__THING_SHUT_NOW;
	int64_t next, unfinished, flags;
	struct ipk__shm_thing *shm;

	if (!is_from_log(q) || !ipk__arg_integer(q, 2, &next) ||
	    !ipk__arg_integer(q, 3, &unfinished) || !ipk__arg_integer(q, 4, &flags))
		return;
	if (!find_queue(q, &shm))
		return;
	shm->count = (uint64_t)next;
	shm->n_unfinished = (uint64_t)unfinished;
	shm->flags |= (uint32_t)flags & shut;
	ipk__reply_ok(q);
}
