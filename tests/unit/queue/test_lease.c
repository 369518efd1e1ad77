/* test_lease.c - lib/queue/lease.c: an item on lease returns unless it is acknowledged. */
#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

enum { N_LOANS_MAX = 1024 };

static ipk_lease *lease_number(ipk_queue *q, uint32_t number)
{
	ipk_lease *l = NULL;
	size_t n = 0;

	ck_ok(ipk_queue_lease(q, ipk_in_ms(WAIT_MS), &l));
	ck_assert(memcmp(ipk_lease_data(l, &n), &number, sizeof number) == 0);
	ck_assert_uint_eq(n, sizeof number);
	ck_assert_ptr_nonnull(ipk_lease_data(l, NULL));
	return l;
}

START_TEST(an_acknowledged_item_is_gone)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *l;

	ck_put_number(q, 1);
	l = lease_number(q, 1);
	ck_assert(!ipk_lease_is_redelivered(l));
	ck_empty(q);
	ck_ok(ipk_lease_ack(l));
	ck_assert_ptr_null(ipk_lease_close(l));
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(an_item_given_back_is_flagged)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *l;

	ck_put_number(q, 1);
	l = lease_number(q, 1);
	ck_ok(ipk_lease_nack(l));
	ipk_lease_close(l);
	for (int i = 0; i < 3; i++) {
		l = lease_number(q, 1);
		ck_assert(ipk_lease_is_redelivered(l));
		ipk_lease_close(l);
	}
	/* A plain get takes it as any other. */
	ck_get_number(q, 1);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(a_loan_ends_once)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *l;

	for (int first = 0; first < 2; first++) {
		ck_put_number(q, 1);
		l = lease_number(q, 1);
		ck_ok(first == 0 ? ipk_lease_ack(l) : ipk_lease_nack(l));
		ck_err(ipk_lease_ack(l), -EINVAL);
		ck_err(ipk_lease_nack(l), -EINVAL);
		ipk_lease_close(l);
		ck_assert_uint_eq(ipk_queue_len(q), (size_t)first);
	}
	drop_queue(q);
}
END_TEST

START_TEST(items_come_back_to_their_place)
{
	enum { N_ITEMS = 6 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 20));
	ipk_lease *l[N_ITEMS];

	for (uint32_t k = 0; k < N_ITEMS; k++)
		ck_put_number(q, k);
	for (int k = 0; k < N_ITEMS; k++)
		l[k] = lease_number(q, (uint32_t)nth_out(kind_of(_i), k, N_ITEMS));
	/* Given back in no order, out again in theirs. */
	for (int k = 0; k < N_ITEMS; k++)
		ipk_lease_close(l[(k * 5 + 2) % N_ITEMS]);
	for (int k = 0; k < N_ITEMS; k++)
		ck_get_number(q, (uint32_t)nth_out(kind_of(_i), k, N_ITEMS));
	drop_queue(q);
}
END_TEST

START_TEST(items_that_come_back_go_before_later_ones)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 20));
	ipk_lease *l;

	if (kind_of(_i) != IPK_QUEUE_LIFO) {
		for (uint32_t k = 0; k < 3; k++)
			ck_put_number(q, k);
		l = lease_number(q, 0);
		ck_put_number(q, 3);
		ipk_lease_close(l);
		for (uint32_t k = 0; k < 4; k++)
			ck_get_number(q, k);
	}
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(long_items_may_be_lent)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	ipk_lease *l;
	size_t n;

	for (size_t size = 0; size < (4 << 20); size = size * 7 + 1) {
		ck_ok(put_filled(q, size, 1, ipk_now()));
		for (int i = 0; i < 2; i++) {
			ck_ok(ipk_queue_lease(q, ipk_now(), &l));
			ck_assert(is_filled(ipk_lease_data(l, &n), size, 1));
			ck_assert_uint_eq(n, size);
			ipk_lease_close(l);
		}
		ck_ok(ipk_queue_lease(q, ipk_now(), &l));
		ck_assert(ipk_lease_is_redelivered(l));
		ck_assert(is_filled(ipk_lease_data(l, &n), size, 1));
		ck_ok(ipk_lease_ack(l));
		ipk_lease_close(l);
		ck_empty(q);
	}
	drop_queue(q);
}
END_TEST

/* Loans of all sizes at once: more than there are blocks for. */
START_TEST(many_loans_of_all_sizes)
{
	enum { N_ITEMS = 900 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = N_ITEMS));
	static ipk_lease *l[N_ITEMS];
	size_t n;

	for (uint32_t k = 0; k < N_ITEMS; k++)
		ck_ok(put_filled(q, k * 3, k, ipk_now()));
	for (int k = 0; k < N_ITEMS; k++)
		ck_ok(ipk_queue_lease(q, ipk_now(), &l[k]));
	for (int k = 0; k < N_ITEMS; k++) {
		uint32_t at = (uint32_t)nth_out(kind_of(_i), k, N_ITEMS);

		ck_assert(is_filled(ipk_lease_data(l[k], &n), at * 3, at));
		ck_assert_uint_eq(n, at * 3);
		if (k % 2)
			ck_ok(ipk_lease_ack(l[k]));
		ipk_lease_close(l[k]);
	}
	for (int k = 0; k < N_ITEMS; k += 2) {
		uint32_t at = (uint32_t)nth_out(kind_of(_i), k, N_ITEMS);

		ck_get_filled(q, at * 3, at);
	}
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(no_more_than_1024_loans)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 2000));
	static ipk_lease *l[N_LOANS_MAX];
	ipk_lease *more = NULL;
	uint32_t number;

	for (uint32_t k = 0; k < N_LOANS_MAX + 10; k++)
		ck_put_number(q, k);
	for (int k = 0; k < N_LOANS_MAX; k++)
		ck_ok(ipk_queue_lease(q, ipk_now(), &l[k]));
	ck_err(ipk_queue_lease(q, ipk_now(), &more), -ENOSPC);
	ck_err(ipk_queue_lease(q, ipk_in_ms(WAIT_MS), &more), -ENOSPC);
	ck_assert_ptr_null(more);
	ck_assert_uint_eq(ipk_queue_len(q), 10);
	/* Plain gets and puts go on. */
	ck_ok(get_number(q, ipk_now(), &number));
	ck_ok(put_number(q, number));
	ck_ok(ipk_lease_ack(l[17]));
	ck_ok(ipk_queue_lease(q, ipk_now(), &more));
	ipk_lease_close(more);
	for (int k = 0; k < N_LOANS_MAX; k++)
		ipk_lease_close(l[k]);
	ck_assert_uint_eq(ipk_queue_len(q), N_LOANS_MAX + 10 - 1);
	drop_queue(q);
}
END_TEST

/* Loans do not take the room of those that are put meanwhile. */
START_TEST(a_small_queue_with_many_loans)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 2));
	static ipk_lease *l[N_LOANS_MAX];

	for (uint32_t k = 0; k < N_LOANS_MAX; k++) {
		ck_put_number(q, k);
		l[k] = lease_number(q, k);
	}
	ck_put_number(q, N_LOANS_MAX);
	ck_put_number(q, N_LOANS_MAX + 1);
	ck_err(put_number(q, 0), -ETIMEDOUT);
	for (int k = 0; k < N_LOANS_MAX; k++)
		ipk_lease_close(l[k]);
	ck_assert_uint_eq(ipk_queue_len(q), N_LOANS_MAX + 2);
	ck_assert(ipk_queue_is_full(q));
	for (int k = 0; k < N_LOANS_MAX + 2; k++)
		ck_get_number(q, (uint32_t)nth_out(kind_of(_i), k, N_LOANS_MAX + 2));
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(the_end_of_a_drained_queue_waits_for_loans)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *l, *none = NULL;
	uint32_t number;

	ck_put_number(q, 1);
	l = lease_number(q, 1);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_err(get_number(q, ipk_now(), &number), -ETIMEDOUT);
	ck_err(ipk_queue_lease(q, ipk_in_ms(5), &none), -ETIMEDOUT);
	ipk_lease_close(l);
	l = lease_number(q, 1);
	ck_assert(ipk_lease_is_redelivered(l));
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
	ck_err(get_number(q, ipk_forever(), &number), -ESHUTDOWN);
	ck_err(ipk_queue_lease(q, ipk_forever(), &none), -ESHUTDOWN);
	drop_queue(q);
}
END_TEST

START_TEST(loans_may_end_after_shutdown_now)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *a, *b, *none = NULL;

	ck_put_number(q, 1);
	ck_put_number(q, 2);
	ck_ok(ipk_queue_lease(q, ipk_now(), &a));
	ck_ok(ipk_queue_lease(q, ipk_now(), &b));
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	ck_ok(ipk_lease_ack(a));
	ck_ok(ipk_lease_nack(b));
	ipk_lease_close(a);
	ipk_lease_close(b);
	ck_err(ipk_queue_lease(q, ipk_forever(), &none), -ESHUTDOWN);
	drop_queue(q);
}
END_TEST

START_TEST(acks_count_for_join)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *l;

	ck_put_number(q, 1);
	l = lease_number(q, 1);
	ck_err(ipk_queue_join(q, ipk_now()), -ETIMEDOUT);
	ipk_lease_close(l);
	ck_err(ipk_queue_join(q, ipk_now()), -ETIMEDOUT);
	l = lease_number(q, 1);
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
	ck_ok(ipk_queue_join(q, ipk_now()));
	ck_err(ipk_queue_task_done(q), -EINVAL);
	drop_queue(q);
}
END_TEST

START_TEST(bad_arguments_and_kinds)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *l = NULL;

	if (kind_of(_i) == IPK_QUEUE_MQ)
		ck_err(ipk_queue_lease(q, ipk_now(), &l), -EOPNOTSUPP);
	else
		ck_err(ipk_queue_lease(q, ipk_now(), &l), -ETIMEDOUT);
	ck_err(ipk_queue_lease(q, ipk_now(), NULL), -EINVAL);
	ck_assert_ptr_null(l);
	drop_queue(q);
}
END_TEST

/* The ring's count of messages wraps around; what came back keeps its order across that. */
START_TEST(order_survives_the_wrap_of_counters)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.max_items = 20));
	struct ipk__shm_ring *s = q->channel.ring.shared;
	ipk_lease *l[6];

	s->n_written = s->n_read = UINT32_MAX - 2;
	s->head_seen = s->tail_seen = ipk__ring_word(UINT32_MAX - 2, UINT32_MAX - 5);
	s->head = s->tail = s->tail_own = s->head_seen;
	for (uint32_t k = 0; k < 6; k++)
		ck_put_number(q, k);
	for (uint32_t k = 0; k < 6; k++)
		l[k] = lease_number(q, k);
	for (int k = 0; k < 6; k++)
		ipk_lease_close(l[(k * 5 + 1) % 6]);
	for (uint32_t k = 0; k < 6; k++)
		ck_get_number(q, k);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("lease");

	add_loop_test(s, an_acknowledged_item_is_gone, 0, N_MAKES);
	add_loop_test(s, an_item_given_back_is_flagged, 0, N_MAKES);
	add_loop_test(s, a_loan_ends_once, 0, N_MAKES);
	add_loop_test(s, items_come_back_to_their_place, 0, N_MAKES);
	add_loop_test(s, items_that_come_back_go_before_later_ones, 0, N_MAKES);
	add_loop_test(s, long_items_may_be_lent, 0, N_MAKES);
	add_loop_test(s, many_loans_of_all_sizes, 0, N_MAKES);
	add_loop_test(s, no_more_than_1024_loans, 0, N_MAKES);
	add_loop_test(s, a_small_queue_with_many_loans, 0, N_MAKES);
	add_loop_test(s, the_end_of_a_drained_queue_waits_for_loans, 0, N_MAKES);
	add_loop_test(s, loans_may_end_after_shutdown_now, 0, N_MAKES);
	add_loop_test(s, acks_count_for_join, 0, N_MAKES);
	add_loop_test(s, bad_arguments_and_kinds, 0, N_MAKES_AND_MQ);
	add_test(s, order_survives_the_wrap_of_counters);
	return s;
}
IPK_TEST_MAIN(suite)
