/*
 * test_item_queue.c - lib/command/item_queue.c: each order beside a plain array that is searched
 * from end to end.
 */
#include <stdio.h>

#include "command/item_queue.h"
#include "support/support.h"

enum { N_ORDERS = 3, MODEL_MAX = 4096 };

static struct ipk__item_queue queue;

/* In the order in which they would be taken. */
static struct ipk__queue_item *model[MODEL_MAX];
static size_t n_model;
static uint64_t last_number;

static struct ipk__queue_item *make(int64_t priority)
{
	char value[24];
	int n = snprintf(value, sizeof value, "%llu", (unsigned long long)last_number);
	struct ipk__queue_item *item;

	ck_ok(ipk__queue_item_make(priority, last_number++, IPK__SLICE(value, (size_t)n), &item));
	return item;
}

static size_t place_of(const struct ipk__queue_item *item)
{
	size_t i = 0;

	if (queue.order == IPK__ORDER_FIFO)
		return n_model;
	if (queue.order == IPK__ORDER_LIFO)
		return 0;
	while (i < n_model &&
	       (model[i]->priority < item->priority ||
		(model[i]->priority == item->priority && model[i]->number < item->number)))
		i++;
	return i;
}

static void insert(size_t at, struct ipk__queue_item *item)
{
	ck_assert_uint_lt(n_model, MODEL_MAX);
	memmove(&model[at + 1], &model[at], (n_model - at) * sizeof(void *));
	model[at] = item;
	n_model++;
}

static struct ipk__queue_item *cut_out(size_t at)
{
	struct ipk__queue_item *item = model[at];

	n_model--;
	memmove(&model[at], &model[at + 1], (n_model - at) * sizeof(void *));
	return item;
}

static void put(int64_t priority)
{
	struct ipk__queue_item *item = make(priority);

	ck_ok(ipk__item_queue_put(&queue, item));
	insert(place_of(item), item);
}

static struct ipk__queue_item *take(void)
{
	struct ipk__queue_item *item = ipk__item_queue_take(&queue);

	ck_assert_ptr_eq(item, n_model > 0 ? cut_out(0) : NULL);
	return item;
}

static void put_back(struct ipk__queue_item *item)
{
	ck_ok(ipk__item_queue_put_back(&queue, item));
	insert(queue.order == IPK__ORDER_FIFO ? 0 : place_of(item), item);
}

static void extract(size_t at)
{
	struct ipk__queue_item *item = cut_out(at);
	uint64_t number = item->number;

	ck_assert_ptr_eq(ipk__item_queue_extract(&queue, number), item);
	ck_assert_ptr_null(ipk__item_queue_extract(&queue, number));
	free(item);
}

static void empty(void)
{
	while (n_model > 0)
		free(take());
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(queue.n, 0);
	ipk__item_queue_fini(&queue);
}

START_TEST(what_is_put_is_taken_in_order)
{
	static const int64_t priorities[] = {5, -1, 5, INT64_MAX, INT64_MIN, 0, 5, -1};

	queue.order = (enum ipk__queue_order)_i;
	for (int round = 0; round < 50; round++)
		put(priorities[round % 8]);
	ck_assert_uint_eq(queue.n, 50);
	empty();
}
END_TEST

START_TEST(equal_priorities_keep_their_order)
{
	queue.order = IPK__ORDER_PRIORITY;
	for (int i = 0; i < 100; i++)
		put(7);
	for (uint64_t number = 0; number < 100; number++) {
		struct ipk__queue_item *item = take();

		ck_assert_uint_eq(item->number, number);
		free(item);
	}
	empty();
}
END_TEST

START_TEST(what_is_put_back_is_next)
{
	struct ipk__queue_item *first, *second;

	queue.order = (enum ipk__queue_order)_i;
	for (int i = 0; i < 20; i++)
		put(3);
	first = take();
	second = take();
	put(3);
	put_back(second);
	put_back(first);
	/* By priority its own number says where; last in first out: on top. */
	ck_assert_ptr_eq(model[0], first);
	ck_assert_ptr_eq(model[1], second);
	empty();
}
END_TEST

START_TEST(one_is_found_by_its_number)
{
	queue.order = (enum ipk__queue_order)_i;
	for (int i = 0; i < 40; i++)
		put(i * 7 % 11);
	extract(0);
	extract(n_model - 1);
	extract(n_model / 4); /* nearer to the front, and nearer to the end */
	extract(3 * n_model / 4);
	ck_assert_ptr_null(ipk__item_queue_extract(&queue, 1000000));
	empty();
}
END_TEST

/* All of it by chance, over all sizes of the ring and with its front anywhere in it. */
START_TEST(long_lives)
{
	unsigned random = 12345;

	queue.order = (enum ipk__queue_order)_i;
	for (int i = 0; i < repeats(20000); i++) {
		unsigned grows = i / 1000 % 2 ? 6 : 3; /* of 10 steps */

		random = random * 1103515245 + 12345;
		if (random >> 16 & 64 && n_model > 0 && random >> 24 > 200)
			extract((random >> 8) % n_model);
		else if (random >> 16 & 128 && n_model > 0 && random >> 24 < 50)
			put_back(take());
		else if ((random >> 16) % 10 < grows && n_model < MODEL_MAX - 1)
			put((int64_t)(random >> 20) % 16 - 8);
		else
			free(take());
	}
	empty();
}
END_TEST

START_TEST(memory_is_given_back)
{
	for (int i = 0; i < 3000; i++)
		put(0);
	ck_assert_uint_ge(queue.room, 3000);
	while (n_model > 10)
		free(take());
	ck_assert_uint_lt(queue.room, 256);
	empty();
	ck_assert_ptr_null(queue.ring);
}
END_TEST

static struct ipk__item_queue copy;

static void put_copy(void *arg, const struct ipk__queue_item *item)
{
	struct ipk__queue_item *other;

	++*(int *)arg;
	ck_ok(ipk__queue_item_make(item->priority, item->number,
				   IPK__SLICE(item->bytes, item->n_bytes), &other));
	ck_ok(ipk__item_queue_put(&copy, other));
}

START_TEST(put_again_one_by_one_it_is_the_same)
{
	int n = 0;

	copy.order = queue.order = (enum ipk__queue_order)_i;
	for (int i = 0; i < 70; i++)
		put(i * 13 % 17);
	for (int i = 0; i < 25; i++)
		free(take());
	ipk__item_queue_each(&queue, put_copy, &n);
	ck_assert_int_eq(n, 45);
	for (int i = 0; i < 45; i++) {
		struct ipk__queue_item *a = take(), *b = ipk__item_queue_take(&copy);

		ck_assert_uint_eq(a->number, b->number);
		ck_assert(ipk__slice_equal(IPK__SLICE(a->bytes, a->n_bytes),
					   IPK__SLICE(b->bytes, b->n_bytes)));
		free(a);
		free(b);
	}
	ipk__item_queue_fini(&copy);
	empty();
}
END_TEST

START_TEST(items_count_for_their_bytes)
{
	struct ipk__queue_item *small, *large;

	ck_ok(ipk__queue_item_make(0, 0, IPK__SLICE(NULL, 0), &small));
	ck_ok(ipk__queue_item_make(0, 1, IPK__SLICE_OF("12345678"), &large));
	ck_assert_uint_eq(small->n_bytes, 0);
	ck_assert_uint_ge(ipk__queue_item_used(small), sizeof *small);
	ck_assert_uint_eq(ipk__queue_item_used(large), ipk__queue_item_used(small) + 8);
	free(small);
	free(large);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("item_queue");

	add_loop_test(s, what_is_put_is_taken_in_order, 0, N_ORDERS);
	add_test(s, equal_priorities_keep_their_order);
	add_loop_test(s, what_is_put_back_is_next, 0, N_ORDERS);
	add_loop_test(s, one_is_found_by_its_number, 0, N_ORDERS);
	add_loop_test(s, long_lives, 0, N_ORDERS);
	add_test(s, memory_is_given_back);
	add_loop_test(s, put_again_one_by_one_it_is_the_same, 0, N_ORDERS);
	add_test(s, items_count_for_their_bytes);
	return s;
}
IPK_TEST_MAIN(suite)
