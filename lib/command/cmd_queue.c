/*
 * cmd_queue.c - Queue and JoinableQueue: FIFO, LIFO or by priority, with a limit.
 *
 * Items are in the server's private memory (item_queue.c); the store has the numbers that
 * inspection shows. Invariant of the store: n_items are available, and QJOIN waits for n_unfinished
 * of a joinable queue.
 *
 * The log has every item that is put, and each get of a plain queue's item. An item of a joinable
 * queue is in the log until it is done: when the server or the connection that got it ends, it is
 * in the queue again. It is identified by the number that it got when it was put.
 */
#include "command/sync_object.h"

#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "command/item_queue.h"

#define KINDS IPK__KIND(IPK__SYNC_QUEUE)
#define HEAD_BYTES 32      /* of an item in a reply: its length, and the ends of lines */
#define DROPS_A_COMMAND 30 /* of one IPK.QDROP: a line of the log holds them */

static struct ipk__sync_object *find_queue(struct ipk__request *q,
					   struct ipk__shm_sync_object **ret_shm)
{
	struct ipk__sync_object *object = ipk__sync_object_find(q, q->argv[1], KINDS);

	if (object)
		*ret_shm = ipk__sync_object_shm(q->db, object);
	return object;
}

static int init(struct ipk__sync_object *object)
{
	object->queue = ipk__os_calloc(1, sizeof(*object->queue));
	return object->queue ? 0 : -ENOMEM;
}

static void free_item(struct ipk__db *db, struct ipk__queue_item *item)
{
	db->objects->used_bytes -= ipk__queue_item_used(item);
	free(item);
}

static void free_taken(struct ipk__db *db, struct ipk__taken *taken, bool with_item)
{
	ipk__link_remove(&taken->of_object);
	ipk__link_remove(&taken->of_peer);
	if (with_item)
		free_item(db, taken->item);
	free(taken);
}

static void drop_inside(struct ipk__db *db, struct ipk__item_queue *queue)
{
	struct ipk__queue_item *item;

	while ((item = ipk__item_queue_take(queue)))
		free_item(db, item);
}

static void fini(struct ipk__db *db, struct ipk__sync_object *object)
{
	struct ipk__link *at = object->takens.next;

	while (at->self) {
		struct ipk__taken *taken = at->self;

		at = at->next;
		free_taken(db, taken, true);
	}
	drop_inside(db, object->queue);
	ipk__item_queue_fini(object->queue);
	free(object->queue);
	object->queue = NULL;
}

static enum ipk__queue_order order_of(const struct ipk__shm_sync_object *shm)
{
	if (shm->flags & IPK__SYNC_LIFO)
		return IPK__ORDER_LIFO;
	return shm->flags & IPK__SYNC_PRIORITY ? IPK__ORDER_PRIORITY : IPK__ORDER_FIFO;
}

/* --- putting ---------------------------------------------------------------------------------- */

static bool has_memory(const struct ipk__request *q, size_t n_bytes)
{
	uint64_t max_bytes = ipk__store_max_bytes(q->store);
	uint64_t used_bytes = ipk__store_used_bytes(q->store) + ipk__sync_objects_used_bytes(q->db);

	return max_bytes == 0 || !q->peer || used_bytes + n_bytes <= max_bytes;
}

static int put_one(struct ipk__request *q, struct ipk__sync_object *object,
		   struct ipk__shm_sync_object *shm, int64_t priority, uint64_t number,
		   struct ipk__slice value)
{
	struct ipk__queue_item *item;

	object->queue->order = order_of(shm);
	if (!has_memory(q, value.n_bytes))
		return -ENOSPC;
	IPK_TRY(ipk__queue_item_make(priority, number, value, &item));
	if (ipk__item_queue_put(object->queue, item) < 0) {
		free(item);
		return -ENOMEM;
	}
	q->db->objects->used_bytes += ipk__queue_item_used(item);
	shm->n_items++;
	return 0;
}

/* While the log is loaded, what was taken and is not done is inside: there is always room. */
static bool has_room(const struct ipk__request *q, const struct ipk__shm_sync_object *shm)
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
static int put_some(struct ipk__request *q, struct ipk__sync_object *object,
		    struct ipk__shm_sync_object *shm, int64_t priority, uint64_t *n_put)
{
	uint64_t before = *n_put, n_values = q->argc - 4;
	int r = 0;

	while (*n_put < n_values && has_room(q, shm)) {
		r = put_one(q, object, shm, priority, shm->count, q->argv[4 + *n_put]);
		if (r < 0)
			break;
		shm->count++;
		if (shm->flags & IPK__SYNC_JOINABLE)
			shm->n_unfinished++;
		++*n_put;
	}
	if (*n_put > before) {
		ipk__changed(q, q->argv[1]);
		effect_of_put(q, before, *n_put);
		ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_GET);
	}
	return r;
}

static void reply_put(struct ipk__request *q, uint64_t n_put, int error)
{
	ipk__blocked_end(q);
	if (n_put > 0 || error == 0)
		ipk__reply_integer(q, (int64_t)n_put);
	else if (error == -ESHUTDOWN)
		ipk__reply_error(q, "SHUTDOWN the queue is shut down");
	else
		ipk__reply_failed(q, error);
}

static void put(struct ipk__request *q, struct ipk__sync_object *object, int64_t priority,
		int64_t timeout_ms)
{
	struct ipk__shm_sync_object *shm = ipk__sync_object_shm(q->db, object);
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	uint64_t n_put = blocked ? blocked->number : 0;
	int r;

	if (shm->flags & IPK__SYNC_SHUT) {
		reply_put(q, n_put, -ESHUTDOWN);
		return;
	}
	r = put_some(q, object, shm, priority, &n_put);
	if (r < 0 || n_put == q->argc - 4 || ipk__must_answer(q, timeout_ms)) {
		reply_put(q, n_put, r);
		return;
	}
	if (!blocked)
		blocked = ipk__blocked_begin(q, object);
	if (blocked)
		blocked->number = n_put;
	q->phase = n_put > 0; /* then it cannot be cancelled as if nothing had happened */
	if (!blocked ||
	    ipk__blocked_wait(q, IPK__WAIT_CHANNEL_PUT, IPK__SLICE(NULL, 0), timeout_ms) < 0)
		reply_put(q, n_put, -ENOMEM);
	else
		q->n_so_far = n_put;
}

void ipk__cmd_qput(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	int64_t timeout_ms, priority;
	struct ipk__sync_object *object;
	struct ipk__shm_sync_object *shm;

	if (ipk__blocked_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms) ||
	    !ipk__arg_integer(q, 3, &priority))
		return;
	object = blocked ? blocked->object : find_queue(q, &shm);
	if (object)
		put(q, object, priority, timeout_ms);
}

/* --- getting ---------------------------------------------------------------------------------- */

/* The item stays the queue's until it is done. */
static int note_taken(struct ipk__request *q, struct ipk__sync_object *object,
		      struct ipk__queue_item *item)
{
	struct ipk__peer_objects *has = ipk__peer_objects_of(q->peer);
	struct ipk__taken *taken = has ? ipk__os_malloc(sizeof(*taken)) : NULL;

	if (!taken)
		return -ENOMEM;
	taken->object = object;
	taken->item = item;
	ipk__link_last(&object->takens, &taken->of_object, taken);
	ipk__link_last(&has->takens, &taken->of_peer, taken);
	return 0;
}

/* Out of the queue, into the reply. False: no memory, or none left. */
static bool get_one(struct ipk__request *q, struct ipk__sync_object *object,
		    struct ipk__shm_sync_object *shm)
{
	struct ipk__queue_item *item = ipk__item_queue_take(object->queue);

	if (!item)
		return false;
	if (!ipk__buffer_reserve(q->out, item->n_bytes + HEAD_BYTES) ||
	    ((shm->flags & IPK__SYNC_JOINABLE) && q->peer && note_taken(q, object, item) < 0)) {
		/* Its place was its own a moment ago. */
		(void)ipk__item_queue_put_back(object->queue, item);
		return false;
	}
	shm->n_items--;
	ipk__reply_bulk(q, IPK__SLICE(item->bytes, item->n_bytes));
	if (!(shm->flags & IPK__SYNC_JOINABLE) || !q->peer)
		free_item(q->db, item);
	return true;
}

/* @n at most, which is 1 or more; there is one. */
static void get_some(struct ipk__request *q, struct ipk__sync_object *object,
		     struct ipk__shm_sync_object *shm, uint64_t n, bool as_array)
{
	uint64_t n_got = 0;

	if (n > shm->n_items)
		n = shm->n_items;
	if (as_array)
		ipk__reply_array(q, n);
	while (n_got < n && get_one(q, object, shm))
		n_got++;
	if (n_got == 0 && !as_array) {
		ipk__reply_failed(q, -ENOMEM);
		return;
	}
	if (n_got < n) /* the reply is in pieces: this connection cannot go on */
		q->out->failed = true;
	if (n_got > 0 && !(shm->flags & IPK__SYNC_JOINABLE)) {
		ipk__changed(q, q->argv[1]);
		ipk__effectf(q, "sbssi", "IPK.QGET", q->argv[1], "0", "COUNT", (int64_t)n_got);
	}
	ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_PUT);
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

void ipk__cmd_qget(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	int64_t timeout_ms, n;

	if (ipk__blocked_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms) || !read_count(q, 3, &n))
		return;
	object = blocked ? blocked->object : find_queue(q, &shm);
	if (!object)
		return;
	shm = ipk__sync_object_shm(q->db, object);
	if (shm->n_items > 0) {
		ipk__blocked_end(q);
		get_some(q, object, shm, (uint64_t)n, q->argc > 3);
	} else if (shm->flags & IPK__SYNC_SHUT) {
		ipk__blocked_end(q);
		ipk__reply_error(q, "SHUTDOWN the queue is shut down");
	} else if (ipk__must_answer(q, timeout_ms)) {
		ipk__blocked_end(q);
		ipk__reply_null(q);
	} else {
		ipk__blocked_enqueue(q, object, IPK__WAIT_CHANNEL_GET, IPK__SLICE(NULL, 0),
				     timeout_ms);
	}
}

/* --- what was taken --------------------------------------------------------------------------- */

static struct ipk__taken *first_taken_by(const struct ipk__sync_object *object,
					 const struct ipk__peer *peer)
{
	const struct ipk__peer_objects *has = peer->objects;

	for (struct ipk__link *at = has ? has->takens.next : NULL; at && at->self; at = at->next) {
		struct ipk__taken *taken = at->self;

		if (taken->object == object)
			return taken;
	}
	return ipk__links_first(&object->takens); /* another client's: Python only counts */
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
static uint64_t drop_taken(struct ipk__request *q, struct ipk__sync_object *object, uint64_t n)
{
	struct ipk__slice numbers[DROPS_A_COMMAND];
	char texts[DROPS_A_COMMAND][24];
	uint64_t n_dropped = 0;
	struct ipk__taken *taken;
	size_t n_bytes, i = 0;

	while (n_dropped < n && q->peer && (taken = first_taken_by(object, q->peer))) {
		n_bytes = ipk__int64_to_text((int64_t)taken->item->number, texts[i]);
		numbers[i] = IPK__SLICE(texts[i], n_bytes);
		free_taken(q->db, taken, true);
		n_dropped++;
		if (++i == DROPS_A_COMMAND) {
			effect_of_drops(q, numbers, i);
			i = 0;
		}
	}
	effect_of_drops(q, numbers, i);
	return n_dropped;
}

void ipk__cmd_qdone(struct ipk__request *q)
{
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	uint64_t n_dropped;
	int64_t n = 1;

	if (q->argc > 3) {
		ipk__reply_wrong_arity(q);
		return;
	}
	if (q->argc == 3 && !ipk__arg_integer(q, 2, &n))
		return;
	object = find_queue(q, &shm);
	if (!object)
		return;
	if (n < 1 || (uint64_t)n > shm->n_unfinished) {
		ipk__reply_error(q, n < 1 ? "VALUE n must be one or more"
					  : "VALUE task_done() called too many times");
		return;
	}
	shm->n_unfinished -= (uint64_t)n;
	n_dropped = drop_taken(q, object, (uint64_t)n);
	if (n_dropped > 0 && n_dropped < (uint64_t)n)
		ipk__effectf(q, "sbi", "IPK.QDONE", q->argv[1], n - (int64_t)n_dropped);
	ipk__changed(q, q->argv[1]);
	if (shm->n_unfinished == 0)
		ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_JOIN);
	ipk__reply_ok(q);
}

static void put_back(struct ipk__db *db, struct ipk__taken *taken)
{
	struct ipk__sync_object *object = taken->object;
	struct ipk__shm_sync_object *shm = ipk__sync_object_shm(db, object);
	struct ipk__queue_item *item = taken->item;

	free_taken(db, taken, false);
	if (shm && !(shm->flags & IPK__SYNC_SHUT_NOW) &&
	    ipk__item_queue_put_back(object->queue, item) == 0) {
		shm->n_items++;
		ipk__sync_object_signal(db, object, IPK__WAIT_CHANNEL_GET);
		return;
	}
	free_item(db, item);
	if (shm && shm->n_unfinished > 0 && --shm->n_unfinished == 0)
		ipk__sync_object_signal(db, object, IPK__WAIT_CHANNEL_JOIN);
}

void ipk__cmd_qjoin(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	int64_t timeout_ms;

	if (ipk__blocked_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms))
		return;
	object = blocked ? blocked->object : find_queue(q, &shm);
	if (!object)
		return;
	shm = ipk__sync_object_shm(q->db, object);
	if (shm->n_unfinished == 0 || ipk__must_answer(q, timeout_ms)) {
		ipk__blocked_end(q);
		ipk__reply_integer(q, shm->n_unfinished == 0);
	} else {
		ipk__blocked_enqueue(q, object, IPK__WAIT_CHANNEL_JOIN, IPK__SLICE(NULL, 0),
				     timeout_ms);
	}
}

/* --- the queue as a whole --------------------------------------------------------------------- */

void ipk__cmd_qlen(struct ipk__request *q)
{
	struct ipk__shm_sync_object *shm;

	if (find_queue(q, &shm))
		ipk__reply_integer(q, (int64_t)shm->n_items);
}

void ipk__cmd_qinfo(struct ipk__request *q)
{
	static const char *const words[] = {"FIFO", "LIFO", "PRIORITY"};
	struct ipk__shm_sync_object *shm;

	if (!find_queue(q, &shm))
		return;
	ipk__reply_array(q, 6);
	ipk__reply_integer(q, (int64_t)shm->n_items);
	ipk__reply_integer(q, (int64_t)shm->limit);
	ipk__reply_integer(q, (int64_t)shm->n_unfinished);
	ipk__reply_integer(q, (shm->flags & IPK__SYNC_SHUT) != 0);
	ipk__reply_bulk(q, ipk__slice_of_string(words[order_of(shm)]));
	ipk__reply_integer(q, (shm->flags & IPK__SYNC_JOINABLE) != 0);
}

/* What is inside is dropped, and does not count as unfinished any more. */
static void empty(struct ipk__request *q, struct ipk__sync_object *object,
		  struct ipk__shm_sync_object *shm)
{
	shm->n_unfinished -= shm->n_items < shm->n_unfinished ? shm->n_items : shm->n_unfinished;
	shm->n_items = 0;
	drop_inside(q->db, object->queue);
	ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_JOIN);
}

void ipk__cmd_qshutdown(struct ipk__request *q)
{
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	bool now = q->argc == 3;

	if (q->argc > 3 || (now && !ipk__slice_is_word(q->argv[2], "NOW"))) {
		ipk__reply_syntax(q);
		return;
	}
	object = find_queue(q, &shm);
	if (!object)
		return;
	shm->flags |= IPK__SYNC_SHUT | (now ? IPK__SYNC_SHUT_NOW : 0);
	if (now)
		empty(q, object, shm);
	ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_GET);
	ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_PUT);
	ipk__changed(q, q->argv[1]);
	ipk__reply_ok(q);
}

/* --- the log ---------------------------------------------------------------------------------- */

struct description {
	const struct ipk__sync_object *object;
	ipk__emit_fn *emit;
	void *arg;
};

static void describe_item(void *arg, const struct ipk__queue_item *item)
{
	struct description *d = arg;
	char priority[24], number[24];
	struct ipk__slice argv[5] = {
		IPK__SLICE_OF("IPK.QLOAD"), d->object->by_name.name,
		IPK__SLICE(priority, ipk__int64_to_text(item->priority, priority)),
		IPK__SLICE(number, ipk__int64_to_text((int64_t)item->number, number)),
		IPK__SLICE(item->bytes, item->n_bytes)};

	d->emit(d->arg, 5, argv);
}

/* What was taken and is not done comes first, as if it had been given back. */
static void describe_items(const struct ipk__sync_object *object,
			   const struct ipk__shm_sync_object *shm, ipk__emit_fn *emit, void *arg)
{
	struct description d = {object, emit, arg};
	char next[24], unfinished[24], flags[24];
	struct ipk__slice argv[5] = {
		IPK__SLICE_OF("IPK.QSTATE"), object->by_name.name,
		IPK__SLICE(next, ipk__int64_to_text((int64_t)shm->count, next)),
		IPK__SLICE(unfinished, ipk__int64_to_text((int64_t)shm->n_unfinished, unfinished)),
		IPK__SLICE(flags, ipk__int64_to_text(shm->flags, flags))};

	if (object->queue->order != IPK__ORDER_LIFO)
		for (struct ipk__link *at = object->takens.next; at->self; at = at->next)
			describe_item(&d, ((struct ipk__taken *)at->self)->item);
	ipk__item_queue_each(object->queue, describe_item, &d);
	if (object->queue->order == IPK__ORDER_LIFO)
		for (struct ipk__link *at = object->takens.prev; at->self; at = at->prev)
			describe_item(&d, ((struct ipk__taken *)at->self)->item);
	emit(arg, 5, argv);
}

static struct ipk__slice order_word(uint32_t flags)
{
	if (flags & IPK__SYNC_LIFO)
		return IPK__SLICE_OF("LIFO");
	return flags & IPK__SYNC_PRIORITY ? IPK__SLICE_OF("PRIORITY") : IPK__SLICE_OF("FIFO");
}

static void describe(struct ipk__db *db, const struct ipk__sync_object *object,
		     const struct ipk__shm_sync_object *shm, struct ipk__slice name,
		     ipk__emit_fn *emit, void *arg)
{
	char limit[24];
	struct ipk__slice more[3] = {
		IPK__SLICE(limit, ipk__int64_to_text((int64_t)shm->limit, limit)),
		order_word(shm->flags), IPK__SLICE_OF("JOINABLE")};

	(void)db;
	ipk__emit_new(shm->kind, name, more, shm->flags & IPK__SYNC_JOINABLE ? 3 : 2, emit, arg);
	describe_items(object, shm, emit, arg);
}

const struct ipk__sync_ops ipk__queue_ops = {
	.init = init,
	.fini = fini,
	.put_back = put_back,
	.describe = describe,
};

static bool is_from_log(struct ipk__request *q)
{
	if (q->peer)
		ipk__reply_error(q, "ERR only a log has that");
	return !q->peer;
}

/* IPK.QLOAD key priority number value */
void ipk__cmd_qload(struct ipk__request *q)
{
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	int64_t priority, number;
	int r;

	if (!is_from_log(q) || !ipk__arg_integer(q, 2, &priority) ||
	    !ipk__arg_integer(q, 3, &number))
		return;
	object = find_queue(q, &shm);
	if (!object)
		return;
	r = put_one(q, object, shm, priority, (uint64_t)number, q->argv[4]);
	if (r < 0)
		ipk__reply_failed(q, r);
	else
		ipk__reply_ok(q);
}

/* IPK.QDROP key number [number ...] */
void ipk__cmd_qdrop(struct ipk__request *q)
{
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	struct ipk__queue_item *item;
	int64_t number;

	if (!is_from_log(q))
		return;
	object = find_queue(q, &shm);
	if (!object)
		return;
	for (size_t i = 2; i < q->argc; i++) {
		if (!ipk__arg_integer(q, i, &number))
			return;
		item = ipk__item_queue_extract(object->queue, (uint64_t)number);
		if (!item)
			continue; /* it was in a queue that was emptied since */
		free_item(q->db, item);
		shm->n_items--;
		shm->n_unfinished -= shm->n_unfinished > 0;
	}
	ipk__reply_ok(q);
}

/* IPK.QSTATE key next-number unfinished flags */
void ipk__cmd_qstate(struct ipk__request *q)
{
	const uint32_t shut = IPK__SYNC_SHUT | IPK__SYNC_SHUT_NOW;
	int64_t next, unfinished, flags;
	struct ipk__shm_sync_object *shm;

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
