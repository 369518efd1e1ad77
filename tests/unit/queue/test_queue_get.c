/* test_queue_get.c - lib/queue/queue_get.c: the order of each kind, and what stays when. */
#include <stdalign.h>

#include "unit/queue/queue_bodies.h"

/* --- order ------------------------------------------------------------------------------------ */

START_TEST(each_kind_has_its_order)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = MQ_MAX_ITEMS));
	ipk_queue_kind kind = kind_of(_i);

	for (uint32_t k = 0; k < MQ_MAX_ITEMS; k++)
		ck_put_number(q, k);
	ck_get_number(q, kind == IPK_QUEUE_LIFO ? MQ_MAX_ITEMS - 1 : 0);
	ck_put_number(q, 100);
	ck_get_number(q, kind == IPK_QUEUE_LIFO ? 100 : 1);
	for (int k = 0; k < MQ_MAX_ITEMS - 2; k++)
		ck_get_number(q, (uint32_t)(kind == IPK_QUEUE_LIFO ? MQ_MAX_ITEMS - 2 - k : k + 2));
	ck_get_number(q, kind == IPK_QUEUE_LIFO ? 0 : 100);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(levels_come_in_order_and_first_in_first_out_within)
{
	enum { N_ITEMS = 4000 };
	ipk_queue *q = make_queue(IPK_QUEUE_PRIORITY + _i, IPK_QUEUE(.max_items = N_ITEMS));
	uint32_t last_level = 0, last_number = 0;

	srandom(2);
	for (uint32_t k = 0; k < N_ITEMS; k++) {
		uint32_t item[2] = {(uint32_t)random() % IPK_QUEUE_LEVELS, k};

		ck_ok(ipk_queue_put_level(q, item, sizeof item, item[0], ipk_now()));
	}
	for (int k = 0; k < N_ITEMS; k++) {
		uint32_t item[2];

		ck_ok(ipk_queue_get(q, item, sizeof item, ipk_now(), NULL));
		ck_assert_uint_ge(item[0], last_level);
		ck_assert(item[0] > last_level || k == 0 || item[1] > last_number);
		last_level = item[0];
		last_number = item[1];
	}
	ck_empty(q);
	drop_queue(q);
}
END_TEST

/* --- too small a buffer ----------------------------------------------------------------------- */

START_TEST(an_item_too_long_stays)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	char *buf = malloc(100000);
	size_t n = 99;

	/* In the ring, in blocks, and in pages of its own. */
	for (size_t size = 1; size <= 100000; size *= 10) {
		ck_ok(put_filled(q, size, 1, ipk_now()));
		ck_err(ipk_queue_get(q, buf, size - 1, ipk_now(), &n), -EMSGSIZE);
		ck_err(ipk_queue_get(q, NULL, 0, ipk_now(), &n), -EMSGSIZE);
		ck_assert_uint_eq(n, 99);
		ck_assert_uint_eq(ipk_queue_len(q), 1);
		ck_get_filled(q, size, 1);
	}
	ck_empty(q);
	free(buf);
	drop_queue(q);
}
END_TEST

START_TEST(mq_wants_a_buffer_of_its_message_size)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());
	char buf[MQ_MESSAGE_BYTES];
	size_t n = 99;

	ck_put_number(q, 5);
	ck_err(ipk_queue_get(q, buf, sizeof buf - 1, ipk_now(), &n), -EMSGSIZE);
	ck_assert_uint_eq(n, 99);
	ck_get_number(q, 5);
	drop_queue(q);
}
END_TEST

START_TEST(empty_items_are_items)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	char buf[MQ_MESSAGE_BYTES];
	size_t n = 99;
	void *data = NULL;

	ck_ok(ipk_queue_put(q, NULL, 0, ipk_now()));
	ck_ok(ipk_queue_put(q, buf, 0, ipk_now()));
	ck_assert_uint_eq(ipk_queue_len(q), 2);
	if (kind_of(_i) == IPK_QUEUE_MQ)
		ck_ok(ipk_queue_get(q, buf, sizeof buf, ipk_now(), &n));
	else
		ck_ok(ipk_queue_get(q, NULL, 0, ipk_now(), &n));
	ck_assert_uint_eq(n, 0);
	n = 99;
	ck_ok(ipk_queue_get_alloc(q, ipk_now(), &data, &n));
	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_nonnull(data);
	free(data);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

/* --- peek ------------------------------------------------------------------------------------- */

START_TEST(peek_leaves_and_cuts)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	static char buf[100000], whole[100000];
	size_t n;

	for (size_t size = 1; size <= sizeof buf; size *= 10) {
		fill(whole, size, 3);
		ck_ok(ipk_queue_put(q, whole, size, ipk_now()));
		for (size_t cut = 0; cut <= size; cut += size / 3 + 1) {
			memset(buf, 0, sizeof buf);
			ck_ok(ipk_queue_peek(q, cut ? buf : NULL, cut, ipk_now(), &n));
			ck_assert_uint_eq(n, size);
			ck_assert(memcmp(buf, whole, cut) == 0);
			ck_assert(cut == size || buf[cut] == 0);
		}
		ck_ok(ipk_queue_peek(q, buf, sizeof buf, ipk_now(), NULL));
		ck_assert(memcmp(buf, whole, size) == 0);
		ck_assert_uint_eq(ipk_queue_len(q), 1);
		ck_get_filled(q, size, 3);
	}
	ck_err(ipk_queue_peek(q, buf, sizeof buf, ipk_now(), &n), -ETIMEDOUT);
	drop_queue(q);
}
END_TEST

START_TEST(peek_shows_what_get_takes)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	uint32_t seen, got;

	for (uint32_t k = 0; k < 10; k++)
		ck_put_number(q, k);
	for (int k = 0; k < 10; k++) {
		ck_ok(ipk_queue_peek(q, &seen, sizeof seen, ipk_now(), NULL));
		ck_ok(get_number(q, ipk_now(), &got));
		ck_assert_uint_eq(seen, got);
	}
	drop_queue(q);
}
END_TEST

START_TEST(mq_cannot_peek)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());
	char c;

	ck_err(ipk_queue_peek(q, &c, 1, ipk_now(), NULL), -EOPNOTSUPP);
	drop_queue(q);
}
END_TEST

/* --- several at once -------------------------------------------------------------------------- */

START_TEST(get_many_takes_what_is_there)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = MQ_MAX_ITEMS));
	alignas(8) char buf[8192];
	ipk_bytes items[MQ_MAX_ITEMS + 1];
	size_t n = 99;

	ck_err(ipk_queue_get_many(q, buf, sizeof buf, 4, ipk_now(), items, &n), -ETIMEDOUT);
	ck_assert_uint_eq(n, 99);
	for (uint32_t k = 0; k < MQ_MAX_ITEMS; k++)
		ck_put_number(q, k);
	ck_ok(ipk_queue_get_many(q, buf, sizeof buf, 3, ipk_now(), items, &n));
	ck_assert_uint_eq(n, 3);
	for (int k = 0; k < 3; k++) {
		uint32_t number = (uint32_t)nth_out(kind_of(_i), k, MQ_MAX_ITEMS);

		ck_assert_uint_eq((uintptr_t)items[k].data % 8, 0);
		ck_assert_uint_eq(items[k].len_bytes, sizeof number);
		ck_assert(memcmp(items[k].data, &number, sizeof number) == 0);
	}
	ck_ok(ipk_queue_get_many(q, buf, sizeof buf, MQ_MAX_ITEMS + 1, ipk_now(), items, &n));
	ck_assert_uint_eq(n, MQ_MAX_ITEMS - 3);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(get_many_stops_where_the_buffer_ends)
{
	static const size_t sizes[] = {5, 0, 13, 30000, 7, 8, 30000, 30000, 1, 0};
	enum { N_ITEMS = sizeof sizes / sizeof sizes[0] };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	alignas(8) static char buf[200000];

	/* A buffer for exactly the first k, for every k. */
	for (size_t wanted = 1; wanted <= N_ITEMS; wanted++) {
		ipk_bytes items[N_ITEMS + 1];
		size_t n_bytes = 0, n;

		for (uint32_t k = 0; k < N_ITEMS; k++)
			ck_ok(put_filled(q, sizes[k], k, ipk_now()));
		for (size_t k = 0; k < wanted; k++)
			n_bytes = (n_bytes + 7) / 8 * 8 +
				  sizes[nth_out(kind_of(_i), (int)k, N_ITEMS)];
		ck_ok(ipk_queue_get_many(q, buf, n_bytes, N_ITEMS + 1, ipk_now(), items, &n));
		/* Empty items fit behind a full buffer. */
		ck_assert_uint_ge(n, wanted);
		for (size_t k = 0; k < n; k++) {
			uint32_t at = (uint32_t)nth_out(kind_of(_i), (int)k, N_ITEMS);

			ck_assert(k < wanted || sizes[at] == 0);
			ck_assert_uint_eq(items[k].len_bytes, sizes[at]);
			ck_assert((const char *)items[k].data >= buf);
			ck_assert((const char *)items[k].data + sizes[at] <= buf + n_bytes);
			ck_assert(is_filled(items[k].data, sizes[at], at));
		}
		for (size_t k = n; k < N_ITEMS; k++) {
			uint32_t at = (uint32_t)nth_out(kind_of(_i), (int)k, N_ITEMS);

			ck_get_filled(q, sizes[at], at);
		}
		ck_empty(q);
	}
	drop_queue(q);
}
END_TEST

START_TEST(get_many_with_no_room_for_the_first_takes_none)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	char buf[8];
	ipk_bytes items[2];
	size_t n = 99;

	for (size_t size = 9; size < 100000; size *= 11) {
		ck_ok(put_filled(q, size, 1, ipk_now()));
		ck_err(ipk_queue_get_many(q, buf, 8, 2, ipk_now(), items, &n), -EMSGSIZE);
		ck_err(ipk_queue_get_many(q, NULL, 0, 2, ipk_now(), items, &n), -EMSGSIZE);
		ck_assert_uint_eq(n, 99);
		ck_get_filled(q, size, 1);
	}
	drop_queue(q);
}
END_TEST

START_TEST(get_many_after_a_shutdown)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	char buf[64];
	ipk_bytes items[4];
	size_t n;

	ck_put_number(q, 1);
	ck_put_number(q, 2);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_ok(ipk_queue_get_many(q, buf, sizeof buf, 4, ipk_forever(), items, &n));
	ck_assert_uint_eq(n, 2);
	ck_err(ipk_queue_get_many(q, buf, sizeof buf, 4, ipk_forever(), items, &n), -ESHUTDOWN);
	drop_queue(q);
}
END_TEST

START_TEST(a_get_waits_out_its_deadline)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_deadline d = ipk_in_ms(30);
	uint32_t number;

	ck_err(get_number(q, d, &number), -ETIMEDOUT);
	ck_assert_int_eq(ipk_deadline_left_ns(d), 0);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_get");

	add_loop_test(s, each_kind_has_its_order, 0, N_MAKES_AND_MQ);
	add_test(s, levels_come_in_order_and_first_in_first_out_within);
	add_loop_test(s, an_item_too_long_stays, 0, N_MAKES);
	add_test(s, mq_wants_a_buffer_of_its_message_size);
	add_loop_test(s, empty_items_are_items, 0, N_MAKES_AND_MQ);
	add_loop_test(s, peek_leaves_and_cuts, 0, N_MAKES);
	add_loop_test(s, peek_shows_what_get_takes, 0, N_MAKES);
	add_test(s, mq_cannot_peek);
	add_loop_test(s, get_many_takes_what_is_there, 0, N_MAKES_AND_MQ);
	add_loop_test(s, get_many_stops_where_the_buffer_ends, 0, N_MAKES);
	add_loop_test(s, get_many_with_no_room_for_the_first_takes_none, 0, N_MAKES);
	add_loop_test(s, get_many_after_a_shutdown, 0, N_MAKES);
	add_loop_test(s, a_get_waits_out_its_deadline, 0, N_MAKES_AND_MQ);
	return s;
}
IPK_TEST_MAIN(suite)
