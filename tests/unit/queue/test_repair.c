/*
 * test_repair.c - lib/queue/repair.c: the state that a death between two stores leaves, constructed
 * by hand, is repaired, also for threads that wait meanwhile.
 */
#include <pthread.h>
#include <unistd.h>

#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

START_TEST(bytes_inside_are_counted_again)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_bytes = 1000));
	ipk_lease *l;

	ck_ok(put_filled(q, 300, 1, ipk_now()));
	ck_ok(put_filled(q, 300, 2, ipk_now()));
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	for (int i = 0; i < 4; i++) {
		/* Killed between counting and putting, or between counting and taking. */
		if (i % 2 == 0)
			q->shared->bytes_put += 700;
		else
			q->shared->bytes_got += 700;
		q->shared->needs_repair = 1;
		ck_ok(put_filled(q, 700, 3, ipk_now()));
		ck_err(put_filled(q, 1, 3, ipk_now()), -ETIMEDOUT);
		if (kind_of(_i) != IPK_QUEUE_LIFO)
			ck_get_filled(q, 300, 2);
		ck_get_filled(q, 700, 3);
		if (kind_of(_i) != IPK_QUEUE_LIFO)
			ck_ok(put_filled(q, 300, 2, ipk_now()));
	}
	ipk_lease_close(l);
	drop_queue(q);
}
END_TEST

static void *put_700(void *arg)
{
	static const char bytes[700];

	return (void *)(intptr_t)ipk_queue_put(arg, bytes, sizeof bytes, ipk_in_ms(WAIT_MS));
}

static void *get_one(void *arg)
{
	static char bytes[1000];

	return (void *)(intptr_t)ipk_queue_get(arg, bytes, sizeof bytes, ipk_in_ms(WAIT_MS), NULL);
}

/*
 * A producer that is killed after it counted its bytes, before it put them, leaves a queue
 * that is empty and seems full. The next one learns of the death as it takes the lock, and
 * may not wait for somebody else to put it right: all others may be waiting too.
 */
START_TEST(who_waits_repairs)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_bytes = 1000));
	pthread_t getter, putter;
	void *r;

	q->shared->bytes_put += 700;
	pthread_create(&getter, NULL, get_one, q);
	pthread_create(&putter, NULL, put_700, q);
	q->shared->needs_repair = 1;
	pthread_join(putter, &r);
	ck_assert_int_eq((int)(intptr_t)r, 0);
	pthread_join(getter, &r);
	ck_assert_int_eq((int)(intptr_t)r, 0);
	drop_queue(q);
}
END_TEST

static int die_with_the_lock(void *arg)
{
	ipk_queue *q = arg;

	ck_ok(ipk__queue_lock_put(q, ipk_now()));
	q->shared->bytes_put += 700;
	return 0;
}

START_TEST(who_finds_the_death_repairs)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_bytes = 1000));
	pthread_t getter;
	void *r;

	reap_ok(spawn(die_with_the_lock, q));
	pthread_create(&getter, NULL, get_one, q);
	ck_ok(put_filled(q, 700, 1, ipk_in_ms(WAIT_MS)));
	pthread_join(getter, &r);
	ck_assert_int_eq((int)(intptr_t)r, 0);
	drop_queue(q);
}
END_TEST

START_TEST(a_dead_holder_of_the_get_lock_is_followed)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	ipk_lease *l;
	uint32_t number;

	for (uint32_t k = 0; k < 4; k++)
		ck_put_number(q, k);
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	ipk_lease_close(l);
	reap_ok(spawn(die_with_the_lock, q));
	ck_ok(get_number(q, ipk_now(), &number));
	ck_put_number(q, number);
	ck_assert_uint_eq(ipk_queue_len(q), 4);
	drop_queue(q);
}
END_TEST

/* A lender from the ring that is killed between the ring's store and the count of leases. */
static int die_as_lender(void *arg)
{
	ipk_queue *q = arg;
	struct ipk__found found;
	uint32_t at;

	ck_ok(ipk__queue_lock_get(q, ipk_now()));
	ck_ok(ipk__queue_find(q, &found));
	ck_ok(ipk__item_table_store(q, found.bytes, found.len_bytes, &at));
	q->slots[at].seq = ipk__ring_count(found.head);
	q->slots[at].word = (uint64_t)getpid() << 32 | SLOT_LEASED | SLOT_PENDING;
	q->shared->item_table.n_leased++;
	ipk__ring_free(&q->channel.ring, ipk__ring_behind(found.head, found.record_bytes, 1));
	return 0;
}

START_TEST(a_loan_half_made_comes_back_to_who_waits)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.max_items = 10));
	ipk_lease *l;

	ck_put_number(q, 7);
	reap_ok(spawn(die_as_lender, q));
	ck_ok(ipk_queue_lease(q, ipk_in_ms(WAIT_MS), &l));
	ck_assert(ipk_lease_is_redelivered(l));
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

/* A consumer that is killed in its ack, between the store that decides and the count. */
static int die_in_ack(void *arg)
{
	ipk_queue *q = arg;
	struct ipk__shm_item_table *table = &q->shared->item_table;
	ipk_lease *l;
	uint32_t at = 0;

	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	ck_ok(ipk__queue_lock_get(q, ipk_now()));
	while ((q->slots[at].word & SLOT_STATE) != SLOT_LEASED)
		at++;
	table->ack_count = q->shared->n_acked + 1;
	table->ack_slot = at + 1;
	q->slots[at].word = SLOT_FREE;
	return 0;
}

START_TEST(an_ack_cut_short_counts_for_who_joins)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));

	ck_put_number(q, 7);
	reap_ok(spawn(die_in_ack, q));
	ck_ok(ipk_queue_join(q, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_queue_task_done(q), -EINVAL);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("repair");

	add_loop_test(s, bytes_inside_are_counted_again, 0, N_MAKES);
	add_loop_test(s, who_waits_repairs, 0, N_MAKES);
	add_loop_test(s, who_finds_the_death_repairs, 0, N_MAKES);
	add_loop_test(s, a_dead_holder_of_the_get_lock_is_followed, 0, N_MAKES);
	add_test(s, a_loan_half_made_comes_back_to_who_waits);
	add_loop_test(s, an_ack_cut_short_counts_for_who_joins, 0, N_MAKES);
	return s;
}
IPK_TEST_MAIN(suite)
