/* test_spill.c - lib/queue/spill.c: long messages through a small ring leave nothing behind. */
#include <sys/stat.h>

#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

static blkcnt_t blocks_of(const ipk_queue *q)
{
	struct stat st;

	ck_assert_int_eq(fstat(q->segment.fd, &st), 0);
	return st.st_blocks;
}

START_TEST(long_messages_through_a_small_ring)
{
	static const size_t sizes[] = {
		8192, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 10000001, 64 << 20,
	};
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	blkcnt_t before = blocks_of(q);

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		ck_ok(put_filled(q, sizes[i], (uint32_t)i, ipk_now()));
		ck_assert_uint_eq(ipk_queue_len(q), 1);
		ck_get_filled(q, sizes[i], (uint32_t)i);
		ck_assert_int_eq(blocks_of(q), before);
	}
	drop_queue(q);
}
END_TEST

START_TEST(many_at_once_give_their_pages_back)
{
	enum { N_ITEMS = 60 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	blkcnt_t before = blocks_of(q);

	for (uint32_t k = 0; k < N_ITEMS; k++)
		ck_ok(put_filled(q, k * 9000, k, ipk_now()));
	ck_assert_int_gt(blocks_of(q), before);
	for (int k = 0; k < N_ITEMS; k++) {
		uint32_t at = (uint32_t)nth_out(kind_of(_i), k, N_ITEMS);

		ck_get_filled(q, at * 9000, at);
	}
	ck_assert_int_eq(blocks_of(q), before);
	drop_queue(q);
}
END_TEST

START_TEST(every_way_out_gives_the_pages_back)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	blkcnt_t before = blocks_of(q);
	static char buf[200000];
	ipk_bytes items[2];
	ipk_lease *l;
	size_t n;

	ck_ok(put_filled(q, 100000, 1, ipk_now()));
	ck_ok(ipk_queue_get(q, buf, sizeof buf, ipk_now(), &n));
	ck_assert_int_eq(blocks_of(q), before);

	ck_ok(put_filled(q, 100000, 1, ipk_now()));
	ck_ok(put_filled(q, 99000, 1, ipk_now()));
	ck_ok(ipk_queue_get_many(q, buf, sizeof buf, 2, ipk_now(), items, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(blocks_of(q), before);

	ck_ok(put_filled(q, 100000, 1, ipk_now()));
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	ck_assert_int_gt(blocks_of(q), before);
	ipk_lease_close(l);
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
	ck_assert_int_eq(blocks_of(q), before);
	drop_queue(q);
}
END_TEST

START_TEST(a_refused_put_leaves_no_pages)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536, .max_items = 1));
	blkcnt_t before = blocks_of(q);

	ck_ok(put_filled(q, 1, 1, ipk_now()));
	ck_err(put_filled(q, 1 << 20, 2, ipk_now()), -ETIMEDOUT);
	ck_assert_int_eq(blocks_of(q), before);
	drop_queue(q);
}
END_TEST

static off_t size_of(const ipk_queue *q)
{
	struct stat st;

	ck_assert_int_eq(fstat(q->segment.fd, &st), 0);
	return st.st_size;
}

/* As soon as nothing is spilled, by whichever way the last one went; after a death too. */
START_TEST(offsets_are_used_again)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	uint64_t lost;
	ipk_lease *l;
	off_t size;

	ck_ok(put_filled(q, 200000, 1, ipk_now()));
	size = size_of(q);
	ck_get_filled(q, 200000, 1);
	ck_ok(put_filled(q, 200000, 2, ipk_now()));
	ck_assert_int_eq(size_of(q), size);
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	ck_ok(put_filled(q, 200000, 3, ipk_now()));
	ck_assert_int_gt(size_of(q), size);
	ck_get_filled(q, 200000, 3);
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
	ck_assert_uint_eq(atomic_load(&q->shared->spilled_bytes), 0);
	/* What a dead producer wrote and did not publish. */
	ck_ok(ipk__spill_write(q, "x", 1, &lost));
	ck_assert_uint_eq(lost, q->spill_base);
	q->shared->needs_repair = 1;
	ck_ok(put_filled(q, 200000, 4, ipk_now()));
	ck_get_filled(q, 200000, 4);
	ck_assert_uint_eq(atomic_load(&q->shared->spilled_bytes), 0);
	drop_queue(q);
}
END_TEST

/* As calls do it: a repair that takes long on a busy machine leaves the rest to the next. */
static void repair(ipk_queue *q)
{
	ipk_deadline deadline = ipk_in_ms(10000);

	q->shared->needs_repair = 1;
	while (atomic_load(&q->shared->needs_repair) != 0 && ipk_deadline_left_ns(deadline) > 0)
		ipk__queue_repair(q);
	ck_assert_uint_eq(q->shared->needs_repair, 0);
}

/* After a death: pages of no item go, those of items stay. */
START_TEST(gaps_are_found)
{
	enum { N_ITEMS = 12 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536, .max_items = 20));
	blkcnt_t before = blocks_of(q), with_items;
	static char buf[50000];
	const void *data;
	uint64_t offset;
	ipk_lease *l;
	size_t n;

	for (uint32_t k = 0; k < N_ITEMS; k++) {
		ck_ok(ipk__spill_write(q, buf, 5000 * (k % 3), &offset));
		ck_ok(put_filled(q, 20000 + k, k, ipk_now()));
	}
	ck_ok(ipk__spill_write(q, buf, sizeof buf, &offset));
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	with_items = blocks_of(q);
	repair(q);
	ck_assert_int_lt(blocks_of(q), with_items);
	with_items = blocks_of(q);
	repair(q);
	ck_assert_int_eq(blocks_of(q), with_items);
	for (int k = 1; k < N_ITEMS; k++) {
		uint32_t at = (uint32_t)nth_out(kind_of(_i), k, N_ITEMS);

		ck_get_filled(q, 20000 + at, at);
	}
	data = ipk_lease_data(l, &n);
	ck_assert(is_filled(data, n, (uint32_t)nth_out(kind_of(_i), 0, N_ITEMS)));
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
	ck_assert_int_eq(blocks_of(q), before);
	drop_queue(q);
}
END_TEST

/* Repair holds both locks, so it may not take much longer when there is much inside. */
START_TEST(repair_with_much_inside)
{
	enum { N_ITEMS = IS_SANITIZED ? 10000 : 20000 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 4096, .max_items = N_ITEMS));
	static char item[1000];
	uint32_t n = 0;

	while (ipk_queue_put(q, item, sizeof item, ipk_now()) == 0)
		n++;
	ck_assert_uint_eq(n, N_ITEMS);
	repair(q);
	for (n = 0; ipk_queue_get(q, item, sizeof item, ipk_now(), NULL) == 0;)
		n++;
	ck_assert_uint_eq(n, N_ITEMS);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("spill");

	add_loop_test(s, long_messages_through_a_small_ring, 0, N_MAKES);
	add_loop_test(s, many_at_once_give_their_pages_back, 0, N_MAKES);
	add_loop_test(s, every_way_out_gives_the_pages_back, 0, N_MAKES);
	add_loop_test(s, a_refused_put_leaves_no_pages, 0, N_MAKES);
	add_loop_test(s, offsets_are_used_again, 0, N_MAKES);
	add_loop_test(s, gaps_are_found, 0, N_MAKES);
	add_loop_test(s, repair_with_much_inside, 0, N_KINDS);
	return s;
}
IPK_TEST_MAIN(suite)
