/*
 * test_queue_model.c - all of lib/queue: long random sequences of calls, beside a model that is
 * an array and a search. FIFO queues start just before their counters wrap around.
 */
#include <stdalign.h>

#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

enum { N_STEPS = 6000, MAX_ITEMS = 60, N_KEPT = 4 * MAX_ITEMS, SIZE_MAX_BYTES = 20000 };
enum state { GONE, INSIDE, LENT };

struct item {
	enum state state;
	uint32_t seq;
	uint32_t level;
	size_t n_bytes;
	bool was_lent;
	ipk_lease *lease;
};

struct model {
	ipk_queue *q;
	ipk_queue_kind kind;
	struct item items[N_KEPT];
	uint32_t n_put;
	size_t n_inside;
	size_t n_lent;
	uint32_t n_undone; /* put, and neither acknowledged nor reported done */
};

static alignas(8) char buf[4 * SIZE_MAX_BYTES];

static bool comes_before(ipk_queue_kind kind, const struct item *a, const struct item *b)
{
	if (kind == IPK_QUEUE_LIFO)
		return a->seq > b->seq;
	return a->level != b->level ? a->level < b->level : a->seq < b->seq;
}

static struct item *first(struct model *m, enum state state)
{
	struct item *best = NULL;

	for (struct item *i = m->items; i < m->items + N_KEPT; i++) {
		if (i->state == state && (!best || comes_before(m->kind, i, best)))
			best = i;
	}
	return best;
}

static size_t some_size(void)
{
	switch (random() % 8) {
	case 0:
		return 0;
	case 1:
		return (size_t)random() % SIZE_MAX_BYTES;
	default:
		return (size_t)random() % 200;
	}
}

static void note_put(struct model *m, uint32_t level, size_t n_bytes)
{
	struct item *i = m->items;

	while (i->state != GONE)
		i++;
	*i = (struct item){INSIDE, m->n_put++, level, n_bytes, false, NULL};
	m->n_inside++;
	m->n_undone++;
}

static void note_gone(struct model *m, struct item *i)
{
	i->state = GONE;
	m->n_inside--;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void step_put(struct model *m)
{
	uint32_t level = m->kind == IPK_QUEUE_PRIORITY ? (uint32_t)random() % IPK_QUEUE_LEVELS : 0;
	size_t n_bytes = some_size();

	fill(buf, n_bytes, m->n_put);
	if (m->n_inside >= MAX_ITEMS) {
		ck_err(ipk_queue_put_level(m->q, buf, n_bytes, level, ipk_now()), -ETIMEDOUT);
		return;
	}
	ck_ok(ipk_queue_put_level(m->q, buf, n_bytes, level, ipk_now()));
	note_put(m, level, n_bytes);
}

static void step_put_many(struct model *m)
{
	size_t n_wanted = (size_t)random() % 6 + 1, at = 0, n_room, n = 0;
	ipk_bytes items[6];

	n_room = m->n_inside >= MAX_ITEMS ? 0 : MAX_ITEMS - m->n_inside;
	for (size_t k = 0; k < n_wanted; k++) {
		items[k] = (ipk_bytes){buf + at, some_size() % (SIZE_MAX_BYTES / 2)};
		fill(buf + at, items[k].len_bytes, m->n_put + (uint32_t)k);
		at += items[k].len_bytes;
	}
	ck_err(ipk_queue_put_many(m->q, items, n_wanted, ipk_now(), &n), n_room ? 0 : -ETIMEDOUT);
	ck_assert_uint_eq(n, n_wanted < n_room ? n_wanted : n_room);
	for (size_t k = 0; k < n; k++)
		note_put(m, 0, items[k].len_bytes);
}

static void step_get(struct model *m)
{
	struct item *i = first(m, INSIDE);
	size_t n;

	if (!i) {
		ck_err(ipk_queue_get(m->q, buf, sizeof buf, ipk_now(), &n), -ETIMEDOUT);
		return;
	}
	if (i->n_bytes > 0)
		ck_err(ipk_queue_get(m->q, buf, i->n_bytes - 1, ipk_now(), &n), -EMSGSIZE);
	if (random() % 2) {
		ck_ok(ipk_queue_peek(m->q, buf, sizeof buf, ipk_now(), &n));
		ck_assert_uint_eq(n, i->n_bytes);
		ck_assert(is_filled(buf, n, i->seq));
	}
	ck_ok(ipk_queue_get(m->q, buf, i->n_bytes, ipk_now(), &n));
	ck_assert_uint_eq(n, i->n_bytes);
	ck_assert(is_filled(buf, n, i->seq));
	note_gone(m, i);
}

static void step_get_many(struct model *m)
{
	size_t max_items = (size_t)random() % 10 + 1, n = 0;
	ipk_bytes items[10];

	if (m->n_inside == 0)
		return;
	ck_ok(ipk_queue_get_many(m->q, buf, sizeof buf, max_items, ipk_now(), items, &n));
	for (size_t k = 0; k < n; k++) {
		struct item *i = first(m, INSIDE);

		ck_assert_ptr_nonnull(i);
		ck_assert_uint_eq((uintptr_t)items[k].data % 8, 0);
		ck_assert_uint_eq(items[k].len_bytes, i->n_bytes);
		ck_assert(is_filled(items[k].data, i->n_bytes, i->seq));
		note_gone(m, i);
	}
	/* Four of the longest always fit. */
	ck_assert(n == max_items || m->n_inside == 0 || n >= 3);
}

static void step_lease(struct model *m)
{
	struct item *i = first(m, INSIDE);
	const void *data;
	size_t n;

	if (!i || m->n_lent >= MAX_ITEMS)
		return;
	ck_ok(ipk_queue_lease(m->q, ipk_now(), &i->lease));
	data = ipk_lease_data(i->lease, &n);
	ck_assert_uint_eq(n, i->n_bytes);
	ck_assert(is_filled(data, n, i->seq));
	ck_assert_int_eq(ipk_lease_is_redelivered(i->lease), i->was_lent);
	i->state = LENT;
	i->was_lent = true;
	m->n_inside--;
	m->n_lent++;
}

static void step_end_loan(struct model *m)
{
	struct item *i = &m->items[random() % N_KEPT];

	if (i->state != LENT)
		return;
	if (random() % 2) {
		ck_ok(ipk_lease_ack(i->lease));
		i->state = GONE;
		m->n_undone--;
	} else {
		i->state = INSIDE;
		m->n_inside++;
	}
	i->lease = ipk_lease_close(i->lease);
	m->n_lent--;
}

static void step_task_done(struct model *m)
{
	if (m->n_undone == 0) {
		ck_err(ipk_queue_task_done(m->q), -EINVAL);
		ck_ok(ipk_queue_join(m->q, ipk_now()));
	} else if (m->n_undone > m->n_inside + m->n_lent) {
		ck_ok(ipk_queue_task_done(m->q));
		m->n_undone--;
	}
	ck_err(ipk_queue_join(m->q, ipk_now()), m->n_undone ? -ETIMEDOUT : 0);
}

/* What follows a death inside: it may change nothing that can be seen. */
static void step_repair(struct model *m)
{
	m->q->shared->needs_repair = 1;
	ck_ok(ipk__queue_lock_get(m->q, ipk_now()));
	ipk__item_table_rebuild(m->q);
	ipk__queue_unlock_get(m->q);
}

typedef void (*step_fn)(struct model *m);

static const step_fn steps[] = {
	step_put,   step_put,      step_put,      step_put_many,  step_get,    step_get_many,
	step_lease, step_end_loan, step_end_loan, step_task_done, step_repair,
};

static void start_before_the_wrap(ipk_queue *q)
{
	struct ipk__shm_ring *s = q->channel.ring.shared;

	s->n_written = s->n_read = q->shared->n_done = UINT32_MAX - 500;
	s->head_seen = s->tail_seen = ipk__ring_word(UINT32_MAX - 500, UINT32_MAX - 9999);
	s->head = s->tail = s->tail_own = s->head_seen;
}

START_TEST(does_what_the_model_does)
{
	static struct model m;

	srandom((unsigned)_i);
	m = (struct model){.kind = kind_of(_i)};
	m.q = make_queue(_i % N_MAKES, IPK_QUEUE(.ring_bytes = 8192, .max_items = MAX_ITEMS));
	if (m.kind == IPK_QUEUE_FIFO)
		start_before_the_wrap(m.q);
	for (int k = 0; k < N_STEPS; k++) {
		steps[(size_t)random() % (sizeof steps / sizeof steps[0])](&m);
		ck_assert_uint_eq(ipk_queue_len(m.q), m.n_inside);
		ck_assert_int_eq(ipk_queue_is_full(m.q), m.n_inside >= MAX_ITEMS);
	}
	for (struct item *i = m.items; i < m.items + N_KEPT; i++) {
		if (i->state == LENT)
			ipk_lease_close(i->lease);
	}
	drop_queue(m.q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_model");

	add_loop_test(s, does_what_the_model_does, 0, 4 * N_MAKES);
	return s;
}
IPK_TEST_MAIN(suite)
