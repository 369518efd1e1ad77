/*
 * ops_queue.c - put, get, put_many, get_many, lease and ack, in all kinds of queues.
 *
 * After each death the queue must contain what was acknowledged, in order and once, report a
 * correct length, accept as many items as when it was new, and have freed the pages of removed
 * items; join() must count every finished item as done.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops_queue.h"

#define RING_BYTES 4096
#define SPILL_RING_BYTES 65536
#define SPILL_ITEMS 3

/* --- the kinds -------------------------------------------------------------------------------- */

const char *kind_name(ipk_queue_kind kind)
{
	static const char *const names[] = {"fifo", "lifo", "priority", "mq"};

	return names[kind];
}

static bool is_posix(const struct fixture *s)
{
	return s->op->variant == IPK_QUEUE_MQ;
}

static bool has_levels(const struct fixture *s)
{
	return s->op->variant == IPK_QUEUE_PRIORITY || is_posix(s);
}

static int put(struct fixture *s, const void *data, size_t len_bytes, uint32_t level,
	       ipk_deadline deadline)
{
	if (has_levels(s))
		return ipk_queue_put_level(s->q, data, len_bytes, level, deadline);
	return ipk_queue_put(s->q, data, len_bytes, deadline);
}

static int get(struct fixture *s, void *buf, size_t buf_bytes, ipk_deadline deadline,
	       size_t *ret_len_bytes, bool *ret_is_again)
{
	int r = ipk_queue_get(s->q, buf, buf_bytes, deadline, ret_len_bytes);

	(void)ret_is_again;
	if (r == 0 && !is_posix(s))
		r = ipk_queue_task_done(s->q);
	return r;
}

static int get_by_lease(struct fixture *s, void *buf, size_t buf_bytes, ipk_deadline deadline,
			size_t *ret_len_bytes, bool *ret_is_again)
{
	IPK_AUTO(lease, lease);
	const void *data;
	int r = ipk_queue_lease(s->q, deadline, &lease);

	if (r < 0)
		return r;
	data = ipk_lease_data(lease, ret_len_bytes);
	if (!data || *ret_len_bytes > buf_bytes)
		return -EPROTO;
	memcpy(buf, data, *ret_len_bytes);
	*ret_is_again = ipk_lease_is_redelivered(lease);
	return ipk_lease_ack(lease);
}

static size_t len(struct fixture *s)
{
	return ipk_queue_len(s->q);
}

static int by_seq(const void *a, const void *b)
{
	const struct item *x = a;
	const struct item *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_seq_down(const void *a, const void *b)
{
	return by_seq(b, a);
}

static int by_level(const void *a, const void *b)
{
	const struct item *x = a;
	const struct item *y = b;

	return x->level != y->level ? (int)x->level - (int)y->level : by_seq(a, b);
}

const struct queueish *queueish_for(const struct op *op, bool by_lease)
{
	static const struct queueish all[2][4] = {
		{{put, get, len, by_seq},
		 {put, get, len, by_seq_down},
		 {put, get, len, by_level},
		 {put, get, len, by_level}},
		{{put, get_by_lease, len, by_seq},
		 {put, get_by_lease, len, by_seq_down},
		 {put, get_by_lease, len, by_level}},
	};

	return &all[by_lease][op->variant];
}

/* --- the fixture ------------------------------------------------------------------------------ */

const char *object_name(const struct fixture *s, char buf[96])
{
	snprintf(buf, 96, "%s%s", is_posix(s) ? "mq:/" : "", s->name);
	return buf;
}

int create_queue(const struct op *op, const char *name, ipk_queue **ret_q)
{
	bool is_spilled = op->len_bytes > RING_BYTES;
	uint32_t max_items = is_spilled ? SPILL_ITEMS : MAX_ITEMS;
	bool is_mq = op->variant == IPK_QUEUE_MQ;
	size_t ring_bytes = is_mq ? op->len_bytes : is_spilled ? SPILL_RING_BYTES : RING_BYTES;

	/* Both limits at the same number of items: whichever count is wrong shows. */
	return ipk_queue_create(IPK_QUEUE(.name = name, .kind = (ipk_queue_kind)op->variant,
					  .max_items = max_items,
					  .max_bytes = is_mq ? 0 : max_items * op->len_bytes,
					  .ring_bytes = ring_bytes),
				ret_q);
}

static int make(struct fixture *s)
{
	const struct queueish *qi = queueish_for(s->op, false);
	char name[96];
	int r;

	s->n_again = 0;
	r = create_queue(s->op, is_posix(s) ? object_name(s, name) : NULL, &s->q);
	if (r < 0)
		return r;
	s->n_blocks = queue_blocks();
	s->capacity = measure_capacity(s, qi);
	return fill_to_state(s, qi);
}

static int make_put(struct fixture *s)
{
	int r = make(s);

	if (r == 0)
		prepare_batch(s, queueish_for(s->op, false), 1);
	return r;
}

static int make_put_many(struct fixture *s)
{
	int r = make(s);

	if (r == 0)
		prepare_batch(s, queueish_for(s->op, false), BATCH);
	return r;
}

/* One more than the state says: that one will be on lease. */
static int make_ack(struct fixture *s)
{
	int r = make(s);

	if (r == 0 && s->op->state != FULL)
		r = put_item(s, queueish_for(s->op, false), ipk_now(), 3, s->op->len_bytes);
	return r;
}

static void unmake(struct fixture *s)
{
	char name[96];

	s->q = ipk_queue_close(s->q);
	if (is_posix(s) && ipk_queue_unlink(object_name(s, name)) < 0)
		history_fault(s->history, &s->history->faults.wrong, "the name is gone");
}

/* --- the victim ------------------------------------------------------------------------------- */

static struct {
	ipk_bytes items[BATCH];
	size_t len_bytes;
	uint64_t room[BATCH][128];
} got; /* by the victim */

static int act_put(struct fixture *s)
{
	s->history->n_moved = 1;
	return put(s, s->batch[0].data, s->batch[0].len_bytes, 3, s->deadline);
}

static int act_put_many(struct fixture *s)
{
	return ipk_queue_put_many(s->q, s->batch, BATCH, s->deadline, &s->history->n_moved);
}

static int act_get(struct fixture *s)
{
	s->history->n_moved = 1;
	return ipk_queue_get(s->q, message, sizeof message, s->deadline, &got.len_bytes);
}

static int act_get_many(struct fixture *s)
{
	return ipk_queue_get_many(s->q, got.room, sizeof got.room, BATCH, s->deadline, got.items,
				  &s->history->n_moved);
}

static int act_lease(struct fixture *s)
{
	return ipk_queue_lease(s->q, s->deadline, &s->lease);
}

static int act_ack(struct fixture *s)
{
	return ipk_lease_ack(s->lease);
}

/* Take the lease that act_ack() will end; in the full state put until it is full again. */
static void ready_ack(struct fixture *s)
{
	const struct queueish *qi = queueish_for(s->op, false);
	uint64_t seq;
	int r = 0;

	if (ipk_queue_lease(s->q, ipk_now(), &s->lease) < 0)
		_Exit(1);
	memcpy(&seq, ipk_lease_data(s->lease, &got.len_bytes), sizeof seq);
	memcpy(got.room, ipk_lease_data(s->lease, NULL), got.len_bytes);
	s->history->leased_seq = (uint32_t)seq;
	while (s->op->state == FULL && r == 0)
		r = put_item(s, qi, ipk_now(), 3, s->op->len_bytes);
}

static void note_got(struct fixture *s, const void *data, size_t len_bytes)
{
	history_got(s->history, data, len_bytes, true);
	if (!is_posix(s))
		expect(s, "task_done", ipk_queue_task_done(s->q), 0);
}

static void after_get(struct fixture *s)
{
	if (s->history->result == 0)
		note_got(s, message, got.len_bytes);
}

static void after_get_many(struct fixture *s)
{
	for (size_t i = 0; s->history->result == 0 && i < s->history->n_moved; i++)
		note_got(s, got.items[i].data, got.items[i].len_bytes);
}

static void after_lease(struct fixture *s)
{
	size_t len_bytes;
	const void *data;

	if (s->history->result < 0)
		return;
	data = ipk_lease_data(s->lease, &len_bytes);
	history_got(s->history, data, len_bytes, true);
	expect(s, "ack", ipk_lease_ack(s->lease), 0);
	s->lease = ipk_lease_close(s->lease);
}

static void after_ack(struct fixture *s)
{
	if (expect(s, "ack", s->history->result, 0))
		history_got(s->history, got.room, got.len_bytes, true);
}

/* --- the survivor ----------------------------------------------------------------------------- */

static void meet_queue(struct fixture *s)
{
	meet(s, queueish_for(s->op, false));
}

/* @n_on_loan of what must come may not be counted now. */
static void check_len(struct fixture *s, size_t n_on_loan)
{
	struct history *l = s->history;
	size_t n_must = 0, n_may = history_count(l, MAY);
	size_t n = ipk_queue_len(s->q);

	for (uint32_t i = 0; i < l->n_items; i++)
		n_must += l->items[i].fate == MUST && l->items[i].n_got == 0;
	if (n + n_on_loan < n_must || n > n_must + n_may)
		history_fault(l, &l->faults.wrong, "len is %zu, not %zu to %zu", n,
			      n_must - n_on_loan, n_must + n_may);
	expect(s, "is_empty", ipk_queue_is_empty(s->q), n == 0);
}

/* @all_done: no item was taken along undone. */
static void check_rest(struct fixture *s, const struct queueish *qi, bool all_done)
{
	struct history *l = s->history;
	int64_t n_blocks;

	drain(s, qi);
	history_close(l);
	if (l->faults.hang > 0)
		return;
	expect(s, "len when empty", (int)ipk_queue_len(s->q), 0);
	check_capacity(s, qi);
	if (all_done && !is_posix(s))
		expect(s, "join", ipk_queue_join(s->q, ipk_in_ms(CALL_MS)), 0);
	n_blocks = queue_blocks();
	if (n_blocks != s->n_blocks)
		history_fault(l, &l->faults.leaked, "%lld blocks, %lld before", (long long)n_blocks,
			      (long long)s->n_blocks);
}

static void check_put(struct fixture *s)
{
	settle_put(s);
	check_len(s, 0);
	check_rest(s, queueish_for(s->op, false), true);
}

static void check_got(struct fixture *s, size_t n_asked)
{
	if (!s->op->is_stop)
		settle_get(s, n_asked);
	check_len(s, 0);
	check_rest(s, queueish_for(s->op, false), s->op->is_stop);
}

static void check_get(struct fixture *s)
{
	check_got(s, 1);
}

static void check_get_many(struct fixture *s)
{
	check_got(s, BATCH);
}

/* What was on lease comes again, and says so. */
static void check_lease(struct fixture *s)
{
	struct history *l = s->history;
	bool is_leased = atomic_load(&l->is_done) && l->result == 0 && !s->op->is_stop;

	check_len(s, !s->op->is_stop);
	check_rest(s, queueish_for(s->op, true), true);
	if (s->op->is_stop ? s->n_again != 0 : s->n_again < is_leased || s->n_again > 1)
		history_fault(l, &l->faults.wrong, "%u items came flagged", s->n_again);
}

static void check_ack(struct fixture *s)
{
	struct history *l = s->history;
	struct item *item;
	bool is_done = atomic_load(&l->is_done);

	history_sort(l, queueish_for(s->op, true)->compare);
	item = history_find(l, l->leased_seq);
	if (item && !s->op->is_stop)
		item->fate = is_done ? GONE : MAY;
	check_len(s, 0);
	drain(s, queueish_for(s->op, true));
	if (s->n_again > !is_done || (item && !s->op->is_stop && item->n_got != s->n_again))
		history_fault(l, &l->faults.wrong, "%u items came flagged", s->n_again);
	check_rest(s, queueish_for(s->op, true), true);
}

/* --- the rows --------------------------------------------------------------------------------- */

static const struct op ops[] = {
	{.name = "queue_put", .make = make_put, .act = act_put, .check = check_put},
	{.name = "queue_get", .make = make, .act = act_get, .after = after_get, .check = check_get},
	{.name = "queue_put_many", .make = make_put_many, .act = act_put_many, .check = check_put},
	{.name = "queue_get_many",
	 .make = make,
	 .act = act_get_many,
	 .after = after_get_many,
	 .check = check_get_many},
	{.name = "queue_lease",
	 .make = make,
	 .act = act_lease,
	 .after = after_lease,
	 .check = check_lease},
	{.name = "queue_ack",
	 .make = make_ack,
	 .ready = ready_ack,
	 .act = act_ack,
	 .after = after_ack,
	 .check = check_ack},
};

enum { N_OPS = sizeof ops / sizeof ops[0], N_OPS_MQ = 2, N_OPS_SPILL = 2 };

static void add_rows(struct op_list *list, ipk_queue_kind kind, size_t len_bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (int state = EMPTY; state <= FULL; state++) {
			struct op op = ops[i];

			op.kind = kind_name(kind);
			op.variant = (int)kind;
			op.state = (enum state)state;
			op.len_bytes = len_bytes;
			op.meet = meet_queue;
			op.unmake = unmake;
			op.is_minor = len_bytes != 64 && kind != IPK_QUEUE_FIFO;
			op.is_stop_minor = kind == IPK_QUEUE_LIFO;
			op.may_wait = state == (strstr(op.name, "put") ? FULL : EMPTY);
			op_add(list, &op);
		}
	}
}

void ops_queue(struct op_list *list)
{
	for (int kind = IPK_QUEUE_FIFO; kind <= IPK_QUEUE_PRIORITY; kind++)
		add_rows(list, (ipk_queue_kind)kind, 64, N_OPS);
	add_rows(list, IPK_QUEUE_MQ, 64, N_OPS_MQ);
	for (int kind = IPK_QUEUE_FIFO; kind <= IPK_QUEUE_PRIORITY; kind++)
		add_rows(list, (ipk_queue_kind)kind, BIG_BYTES, N_OPS_SPILL);
}
