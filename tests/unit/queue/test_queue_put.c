/* test_queue_put.c - lib/queue/queue_put.c: limits are exact, nothing is lost or duplicated. */
#include <pthread.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "unit/queue/queue_bodies.h"

/* --- max_items -------------------------------------------------------------------------------- */

struct count {
	uint32_t max_items;
	size_t n_bytes;
};

static const struct count counts[] = {
	{1, 0},    {1, 64},      {1, 10240},
	{2, 64},   {2, 10240},   {100, 0},
	{100, 64}, {100, 10240}, {IS_SANITIZED ? 10000 : 30000, 64},
};
enum { N_COUNTS = sizeof counts / sizeof counts[0] };

/* Asserting each of 30000 steps takes longer than the steps: these two count. */
static uint32_t put_until_full(ipk_queue *q, char *data, size_t n_bytes)
{
	uint32_t n = 0;

	for (;; n++) {
		bool was_full = ipk_queue_is_full(q);

		fill(data, n_bytes, n);
		if ((ipk_queue_put(q, data, n_bytes, ipk_now()) != 0) != was_full)
			return UINT32_MAX;
		if (was_full)
			return n;
	}
}

static uint32_t get_until_empty(ipk_queue *q, char *buf, size_t n_bytes, uint32_t n_inside)
{
	uint32_t n = 0;
	size_t len_bytes;

	while (ipk_queue_get(q, buf, n_bytes, ipk_now(), &len_bytes) == 0) {
		bool is_lifo = n_inside > 0;

		if (len_bytes != n_bytes || !is_filled(buf, n_bytes, is_lifo ? --n_inside : n))
			return UINT32_MAX;
		n++;
	}
	return n;
}

/* Fill up, look, empty, and once more, so that the ring's end is passed. */
static void fill_and_empty(int i, uint32_t max_items, size_t n_bytes, int n_rounds)
{
	ipk_queue *q = make_queue(i, IPK_QUEUE(.max_items = max_items));
	char *data = malloc(n_bytes + 1);
	uint32_t n_lifo = kind_of(i) == IPK_QUEUE_LIFO ? max_items : 0;

	while (n_rounds-- > 0) {
		ck_assert_uint_eq(put_until_full(q, data, n_bytes), max_items);
		ck_assert_uint_eq(ipk_queue_len(q), max_items);
		ck_err(ipk_queue_put(q, data, n_bytes, ipk_now()), -ETIMEDOUT);
		ck_err(ipk_queue_put(q, data, 0, ipk_in_ms(1)), -ETIMEDOUT);
		ck_assert_uint_eq(get_until_empty(q, data, n_bytes, n_lifo), max_items);
		ck_empty(q);
	}
	free(data);
	drop_queue(q);
}

START_TEST(max_items_is_exact)
{
	const struct count *c = &counts[_i / N_MAKES];

	fill_and_empty(_i % N_MAKES, c->max_items, c->n_bytes, 2);
}
END_TEST

START_TEST(max_items_is_exact_for_many_long_ones)
{
	struct sysinfo info;
	bool is_roomy = sysinfo(&info) == 0 && info.freeram * info.mem_unit > (uint64_t)6 << 30;

	fill_and_empty(_i, is_roomy && _i == 0 && !IS_SANITIZED ? 100000 : 10000, 10240, 1);
}
END_TEST

START_TEST(max_items_is_exact_for_any_mixture)
{
	enum { MAX_ITEMS = 300 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = MAX_ITEMS, .ring_bytes = 16384));
	size_t sizes[MAX_ITEMS];

	srandom(1);
	for (int round = 0; round < 20; round++) {
		for (uint32_t k = 0; k < MAX_ITEMS; k++) {
			sizes[k] = (size_t)random() % (random() % 2 ? 20 : 3000);
			ck_ok(put_filled(q, sizes[k], k, ipk_now()));
		}
		ck_err(put_filled(q, 0, 0, ipk_now()), -ETIMEDOUT);
		for (int k = 0; k < MAX_ITEMS; k++) {
			int at = nth_out(kind_of(_i), k, MAX_ITEMS);

			ck_get_filled(q, sizes[at], (uint32_t)at);
		}
	}
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(without_max_items_the_ring_is_the_limit)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 4096));
	uint32_t n = 0;

	while (put_number(q, n) == 0)
		n++;
	ck_assert_uint_ge(n, kind_of(_i) == IPK_QUEUE_FIFO ? 256 : 32);
	ck_assert(ipk_queue_is_full(q));
	ck_assert_uint_eq(ipk_queue_len(q), n);
	for (uint32_t k = 0; k < n; k++)
		ck_get_number(q, (uint32_t)nth_out(kind_of(_i), (int)k, (int)n));
	ck_empty(q);
	drop_queue(q);
}
END_TEST

/* Items that came back from a lease must not use up the room promised to later ones. */
START_TEST(returned_items_leave_room_for_max_items)
{
	enum { MAX_ITEMS = 100, N_LENT = 50 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = MAX_ITEMS, .ring_bytes = 4096));
	ipk_lease *leases[N_LENT];

	for (uint32_t k = 0; k < N_LENT; k++)
		ck_put_number(q, k);
	for (int k = 0; k < N_LENT; k++)
		ck_ok(ipk_queue_lease(q, ipk_now(), &leases[k]));
	for (int k = 0; k < N_LENT; k++)
		leases[k] = ipk_lease_close(leases[k]);
	for (uint32_t k = 0; k < MAX_ITEMS - N_LENT; k++)
		ck_ok(put_filled(q, 256, k, ipk_now()));
	ck_assert(ipk_queue_is_full(q));
	ck_err(put_number(q, 0), -ETIMEDOUT);
	for (int k = 0; k < N_LENT; k++)
		ck_ok(ipk_queue_get(q, (char[256]){0}, 256, ipk_now(), NULL));
	for (uint32_t k = 0; k < N_LENT; k++)
		ck_ok(put_filled(q, 256, k, ipk_now()));
	ck_assert_uint_eq(ipk_queue_len(q), MAX_ITEMS);
	ck_err(put_number(q, 0), -ETIMEDOUT);
	drop_queue(q);
}
END_TEST

/* --- max_bytes -------------------------------------------------------------------------------- */

START_TEST(max_bytes_is_exact)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_bytes = 1000));

	ck_err(put_filled(q, 1001, 0, ipk_now()), -EMSGSIZE);
	for (uint32_t round = 0; round < 50; round++) {
		ck_ok(put_filled(q, 600, 0, ipk_now()));
		ck_err(put_filled(q, 401, 1, ipk_now()), -ETIMEDOUT);
		ck_assert(!ipk_queue_is_full(q));
		ck_ok(put_filled(q, 400, 1, ipk_now()));
		ck_err(put_filled(q, 1, 2, ipk_now()), -ETIMEDOUT);
		ck_ok(put_filled(q, 0, 2, ipk_now()));
		ck_assert_uint_eq(ipk_queue_len(q), 3);
		for (int k = 0; k < 3; k++) {
			int at = nth_out(kind_of(_i), k, 3);

			ck_get_filled(q, (size_t[]){600, 400, 0}[at], (uint32_t)at);
		}
	}
	ck_ok(put_filled(q, 1000, 3, ipk_now()));
	ck_get_filled(q, 1000, 3);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(items_on_loan_do_not_count_for_max_bytes)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_bytes = 1000));
	ipk_lease *l = NULL;

	ck_ok(put_filled(q, 1000, 1, ipk_now()));
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	ck_ok(put_filled(q, 900, 2, ipk_now()));
	ck_ok(ipk_lease_nack(l));
	ipk_lease_close(l);
	ck_assert_uint_eq(ipk_queue_len(q), 2);
	ck_err(put_filled(q, 1, 3, ipk_now()), -ETIMEDOUT);
	ck_get_filled(q, kind_of(_i) == IPK_QUEUE_LIFO ? 900 : 1000,
		      kind_of(_i) == IPK_QUEUE_LIFO ? 2 : 1);
	ck_ok(ipk_queue_get(q, (char[1000]){0}, 1000, ipk_now(), NULL));
	ck_ok(put_filled(q, 1000, 3, ipk_now()));
	drop_queue(q);
}
END_TEST

START_TEST(max_message_bytes_is_exact)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_message_bytes = 100, .max_items = 4));
	size_t max_bytes = kind_of(_i) == IPK_QUEUE_MQ ? MQ_MESSAGE_BYTES : 100;

	ck_ok(put_filled(q, max_bytes, 1, ipk_now()));
	ck_err(put_filled(q, max_bytes + 1, 2, ipk_now()), -EMSGSIZE);
	ck_assert_uint_eq(ipk_queue_len(q), 1);
	ck_get_filled(q, max_bytes, 1);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

/* --- levels ----------------------------------------------------------------------------------- */

START_TEST(levels_are_for_priority_queues)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	bool has_levels = kind_of(_i) == IPK_QUEUE_PRIORITY || kind_of(_i) == IPK_QUEUE_MQ;

	ck_ok(ipk_queue_put_level(q, "a", 1, 0, ipk_now()));
	ck_err(ipk_queue_put_level(q, "a", 1, IPK_QUEUE_LEVELS, ipk_now()), -EINVAL);
	ck_err(ipk_queue_put_level(q, "a", 1, ~0u, ipk_now()), -EINVAL);
	ck_err(ipk_queue_put_level(q, "b", 1, IPK_QUEUE_LEVELS - 1, ipk_now()),
	       has_levels ? 0 : -EOPNOTSUPP);
	ck_assert_uint_eq(ipk_queue_len(q), has_levels ? 2 : 1);
	drop_queue(q);
}
END_TEST

/* --- several at once -------------------------------------------------------------------------- */

START_TEST(put_many_puts_what_there_is_room_for)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = MQ_MAX_ITEMS));
	uint32_t numbers[MQ_MAX_ITEMS + 3];
	ipk_bytes items[MQ_MAX_ITEMS + 3];
	size_t n = 99;

	for (uint32_t k = 0; k < MQ_MAX_ITEMS + 3; k++) {
		numbers[k] = k;
		items[k] = (ipk_bytes){&numbers[k], sizeof numbers[k]};
	}
	ck_ok(ipk_queue_put_many(q, items, 3, ipk_now(), &n));
	ck_assert_uint_eq(n, 3);
	ck_ok(ipk_queue_put_many(q, items + 3, MQ_MAX_ITEMS, ipk_now(), &n));
	ck_assert_uint_eq(n, MQ_MAX_ITEMS - 3);
	n = 99;
	ck_err(ipk_queue_put_many(q, items, 1, ipk_now(), &n), -ETIMEDOUT);
	ck_assert_uint_eq(n, 99);
	for (int k = 0; k < MQ_MAX_ITEMS; k++)
		ck_get_number(q, (uint32_t)nth_out(kind_of(_i), k, MQ_MAX_ITEMS));
	ck_ok(ipk_queue_put_many(q, items, 2, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_uint_eq(ipk_queue_len(q), 2);
	drop_queue(q);
}
END_TEST

START_TEST(put_many_refuses_all_when_one_is_bad)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_message_bytes = 10));
	ipk_bytes items[] = {{"a", 1}, {"0123456789a", 11}, {"b", 1}};
	size_t n = 99;

	ck_err(ipk_queue_put_many(q, items, 3, ipk_now(), &n), -EMSGSIZE);
	items[1] = (ipk_bytes){NULL, 1};
	ck_err(ipk_queue_put_many(q, items, 3, ipk_now(), &n), -EINVAL);
	ck_assert_uint_eq(n, 99);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(put_many_mixes_short_and_long_ones)
{
	enum { N_ITEMS = 40 };
	static char bytes[N_ITEMS][20000];
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536, .max_items = N_ITEMS));
	ipk_bytes items[N_ITEMS];
	size_t n;

	for (uint32_t k = 0; k < N_ITEMS; k++) {
		items[k] = (ipk_bytes){bytes[k], k % 3 == 1 ? sizeof bytes[k] : k * 11};
		fill(bytes[k], items[k].len_bytes, k);
	}
	for (int round = 0; round < 3; round++) {
		ck_ok(ipk_queue_put_many(q, items, N_ITEMS, ipk_now(), &n));
		ck_assert_uint_eq(n, N_ITEMS);
		ck_assert(ipk_queue_is_full(q));
		for (int k = 0; k < N_ITEMS; k++) {
			int at = nth_out(kind_of(_i), k, N_ITEMS);

			ck_get_filled(q, items[at].len_bytes, (uint32_t)at);
		}
	}
	ck_empty(q);
	drop_queue(q);
}
END_TEST

/* --- waiting ---------------------------------------------------------------------------------- */

struct call {
	ipk_queue *q;
	size_t n_items;
	ipk_deadline deadline;
	size_t n_put;
	int r;
	_Atomic pid_t tid;
	pthread_t thread;
};

static void *run_put_many(void *arg)
{
	struct call *c = arg;
	uint32_t numbers[100];
	ipk_bytes items[100];

	for (uint32_t k = 0; k < c->n_items; k++) {
		numbers[k] = k;
		items[k] = (ipk_bytes){&numbers[k], sizeof numbers[k]};
	}
	c->tid = gettid();
	c->r = ipk_queue_put_many(c->q, items, c->n_items, c->deadline, &c->n_put);
	return NULL;
}

static bool has_tid(void *arg)
{
	return ((struct call *)arg)->tid != 0;
}

static void start(struct call *c)
{
	ck_assert_int_eq(pthread_create(&c->thread, NULL, run_put_many, c), 0);
	ck_assert(wait_until(has_tid, c, WAIT_MS));
}

START_TEST(put_many_waits_for_room_for_the_rest)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = MQ_MAX_ITEMS));
	struct call c = {.q = q, .n_items = 100, .deadline = ipk_in_ms(WAIT_MS)};
	uint32_t seen[100] = {0}, number;

	start(&c);
	for (int k = 0; k < 100; k++) {
		ck_ok(get_number(q, ipk_in_ms(WAIT_MS), &number));
		ck_assert_uint_lt(number, 100);
		ck_assert_uint_eq(seen[number]++, 0);
		if (kind_of(_i) != IPK_QUEUE_LIFO)
			ck_assert_uint_eq(number, (uint32_t)k);
	}
	pthread_join(c.thread, NULL);
	ck_assert_int_eq(c.r, 0);
	ck_assert_uint_eq(c.n_put, 100);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(put_many_cut_short_by_the_deadline_or_shutdown)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	struct call c = {.q = q, .n_items = 6, .deadline = ipk_in_ms(5)};

	start(&c);
	pthread_join(c.thread, NULL);
	ck_assert_int_eq(c.r, 0);
	ck_assert_uint_eq(c.n_put, 4);
	for (int k = 0; k < 3; k++)
		ck_ok(get_number(q, ipk_now(), &(uint32_t){0}));
	c = (struct call){.q = q, .n_items = 6, .deadline = ipk_in_ms(WAIT_MS)};
	start(&c);
	ck_wait_asleep(c.tid);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	pthread_join(c.thread, NULL);
	ck_assert_int_eq(c.r, 0);
	ck_assert_uint_eq(c.n_put, 3);
	c.n_put = 99;
	c.tid = 0;
	start(&c);
	pthread_join(c.thread, NULL);
	ck_assert_int_eq(c.r, -ESHUTDOWN);
	ck_assert_uint_eq(c.n_put, 99);
	drop_queue(q);
}
END_TEST

START_TEST(a_put_waits_out_its_deadline)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = MQ_MAX_ITEMS));
	ipk_deadline d = ipk_in_ms(30);

	for (uint32_t k = 0; k < MQ_MAX_ITEMS; k++)
		ck_put_number(q, k);
	ck_err(ipk_queue_put(q, "x", 1, d), -ETIMEDOUT);
	ck_assert_int_eq(ipk_deadline_left_ns(d), 0);
	ck_assert_uint_eq(ipk_queue_len(q), MQ_MAX_ITEMS);
	drop_queue(q);
}
END_TEST

/* --- without max_items ------------------------------------------------------------------------ */

/* Of any length: those that do not fit the store go to pages of their own. */
START_TEST(a_store_holds_an_item_for_each_128_bytes)
{
	static const size_t lengths[] = {0, 64, 128, 400};
	static char data[400];

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		IPK_AUTO(queue, q);
		unsigned n = 0;

		ck_ok(ipk_queue_create(IPK_QUEUE(.kind = _i ? IPK_QUEUE_PRIORITY : IPK_QUEUE_LIFO,
						 .ring_bytes = 65536),
				       &q));
		while (ipk_queue_put(q, data, lengths[i], ipk_now()) == 0)
			n++;
		ck_assert_uint_eq(n, 65536 / 128);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_put");

	add_loop_test(s, max_items_is_exact, 0, N_COUNTS * N_MAKES);
	add_loop_test(s, max_items_is_exact_for_many_long_ones, 0, N_KINDS);
	add_loop_test(s, max_items_is_exact_for_any_mixture, 0, N_MAKES);
	add_loop_test(s, without_max_items_the_ring_is_the_limit, 0, N_MAKES);
	add_loop_test(s, returned_items_leave_room_for_max_items, 0, N_MAKES);
	add_loop_test(s, max_bytes_is_exact, 0, N_MAKES);
	add_loop_test(s, items_on_loan_do_not_count_for_max_bytes, 0, N_MAKES);
	add_loop_test(s, max_message_bytes_is_exact, 0, N_MAKES_AND_MQ);
	add_loop_test(s, levels_are_for_priority_queues, 0, N_MAKES_AND_MQ);
	add_loop_test(s, put_many_puts_what_there_is_room_for, 0, N_MAKES_AND_MQ);
	add_loop_test(s, put_many_refuses_all_when_one_is_bad, 0, N_MAKES);
	add_loop_test(s, put_many_mixes_short_and_long_ones, 0, N_MAKES);
	add_loop_test(s, put_many_waits_for_room_for_the_rest, 0, N_MAKES_AND_MQ);
	add_loop_test(s, put_many_cut_short_by_the_deadline_or_shutdown, 0, N_MAKES);
	add_loop_test(s, a_put_waits_out_its_deadline, 0, N_MAKES_AND_MQ);
	add_loop_test(s, a_store_holds_an_item_for_each_128_bytes, 0, 2);
	return s;
}
IPK_TEST_MAIN(suite)
