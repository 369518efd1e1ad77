/*
 * test_item_table.c - lib/queue/item_table.c: the slots' words are the whole state; what is derived
 * from them is rebuilt from any damage.
 */
#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

enum { N_ITEMS = 500 };

/* Whatever a death in the middle can leave, and more. */
static void wreck(ipk_queue *q)
{
	struct ipk__shm_item_table *table = &q->shared->item_table;

	table->n_live = 77;
	table->n_leased = 99;
	table->free_slot = 3;
	table->free_block = 5;
	table->n_free_blocks = 1;
	table->levels = 0x8000000000000011u;
	for (uint32_t i = 0; i < IPK_QUEUE_LEVELS; i++) {
		table->heads[i] = i;
		table->tails[i] = (uint32_t)random();
	}
	for (uint32_t i = 0; i < table->n_slots; i++) {
		q->slots[i].next = (uint32_t)random();
		q->slots[i].prev = (uint32_t)random();
	}
}

START_TEST(everything_derived_is_built_again)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 16384, .max_items = N_ITEMS));
	uint32_t n_free_blocks = q->shared->item_table.n_free_blocks;
	ipk_lease *l[4];
	size_t n_bytes = 60;

	srandom((unsigned)_i);
	for (uint32_t k = 0; k < N_ITEMS; k++)
		ck_ok(put_filled(q, n_bytes + k % 7, k, ipk_now()));
	for (int k = 0; k < 4; k++)
		ck_ok(ipk_queue_lease(q, ipk_now(), &l[k]));
	ipk_lease_close(l[2]);
	ck_ok(ipk_lease_ack(l[1]));
	ipk_lease_close(l[1]);
	wreck(q);
	ipk__item_table_rebuild(q);
	ck_assert_uint_eq(q->shared->item_table.n_leased, 2);
	ck_assert_uint_eq(ipk_queue_len(q), N_ITEMS - 3);
	ipk_lease_close(l[0]);
	ipk_lease_close(l[3]);
	for (int k = 0; k < N_ITEMS; k++) {
		uint32_t at = (uint32_t)nth_out(kind_of(_i), k, N_ITEMS);

		if (k != 1)
			ck_get_filled(q, n_bytes + at % 7, at);
	}
	ck_empty(q);
	ck_assert_uint_eq(q->shared->item_table.n_free_blocks, n_free_blocks);
	drop_queue(q);
}
END_TEST

START_TEST(levels_keep_their_order)
{
	ipk_queue *q = make_queue(IPK_QUEUE_PRIORITY, IPK_QUEUE(.max_items = N_ITEMS));
	uint32_t last = 0;

	srandom(3);
	for (uint32_t k = 0; k < N_ITEMS; k++) {
		uint32_t level = (uint32_t)random() % IPK_QUEUE_LEVELS;
		uint32_t number = level << 16 | k;

		ck_ok(ipk_queue_put_level(q, &number, sizeof number, level, ipk_now()));
	}
	wreck(q);
	ipk__item_table_rebuild(q);
	for (uint32_t k = 0; k < N_ITEMS; k++) {
		uint32_t number = 0;

		ck_ok(get_number(q, ipk_now(), &number));
		ck_assert(k == 0 || number > last);
		last = number;
	}
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(a_loan_half_taken_from_the_ring)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.max_items = 4));
	ipk_lease *l;
	uint32_t at = 0;

	/* The ring has let go of it: it is lent. */
	ck_put_number(q, 1);
	ck_put_number(q, 2);
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	while ((q->slots[at].word & SLOT_STATE) != SLOT_LEASED)
		at++;
	q->slots[at].word |= SLOT_PENDING;
	ipk__item_table_rebuild(q);
	ck_assert_uint_eq(q->shared->item_table.n_leased, 1);
	ck_ok(ipk_lease_nack(l));
	ipk_lease_close(l);
	ck_get_number(q, 1);
	/* The ring still has it: it is not. */
	q->slots[at].seq = ipk__ring_n_read(q->channel.ring.shared);
	q->slots[at].word = SLOT_LEASED | SLOT_PENDING;
	ipk__item_table_rebuild(q);
	ck_assert_uint_eq(q->shared->item_table.n_leased, 0);
	ck_assert_uint_eq(ipk_queue_len(q), 1);
	ck_get_number(q, 2);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(a_put_that_was_committed_is_counted)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));

	ck_put_number(q, 1);
	ck_put_number(q, 2);
	q->shared->n_put_in_table--;
	ipk__item_table_rebuild(q);
	ck_assert_uint_eq(q->shared->n_put_in_table, 2);
	ck_put_number(q, 3);
	for (int k = 0; k < 3; k++)
		ck_get_number(q, (uint32_t)nth_out(kind_of(_i), k, 3) + 1);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("item table");

	add_loop_test(s, everything_derived_is_built_again, 0, N_MAKES);
	add_test(s, levels_keep_their_order);
	add_test(s, a_loan_half_taken_from_the_ring);
	add_loop_test(s, a_put_that_was_committed_is_counted, IPK_QUEUE_LIFO, N_KINDS);
	return s;
}
IPK_TEST_MAIN(suite)
