/* test_array_bulk.c - lib/value/array_bulk.c: many items at a time, compared with a model. */
#include <pthread.h>

#include "unit/value/value_types.h"

enum { N_ITEMS = 37, ITEM_BYTES_MAX = 1500 };
/* Sizes with a copy loop of their own, sizes without, and one larger than a filling piece. */
static const size_t sizes[] = {1, 2, 4, 8, 3, 12, 100, ITEM_BYTES_MAX};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static void number_items(char *items, size_t n_bytes, unsigned seed)
{
	for (size_t i = 0; i < n_bytes; i++)
		items[i] = (char)((i * 31 + seed * 17) ^ (i >> 8));
}

static ipk_array *make(size_t item_bytes, const void *items, bool is_raw)
{
	ipk_array *a = NULL;

	ck_ok(ipk_array_create(IPK_ARRAY(.item_bytes = item_bytes, .n_items = N_ITEMS,
					 .items = items, .is_raw = is_raw),
			       &a));
	return a;
}

/* --- against a model -------------------------------------------------------------------------- */

struct case_ {
	ipk_array *a;
	size_t n; /* bytes of an item */
	char model[N_ITEMS * ITEM_BYTES_MAX];
	char items[N_ITEMS * ITEM_BYTES_MAX];
	char want[N_ITEMS * ITEM_BYTES_MAX];
	char got[N_ITEMS * ITEM_BYTES_MAX];
};

static struct case_ *start(int i)
{
	struct case_ *c = calloc(1, sizeof *c);

	ck_assert_ptr_nonnull(c);
	c->n = sizes[i / 2];
	number_items(c->model, N_ITEMS * c->n, 1);
	c->a = make(c->n, c->model, i % 2);
	return c;
}

static void close_case(struct case_ *c)
{
	ipk_array_close(c->a);
	free(c);
}

static void ck_model(struct case_ *c)
{
	ck_assert_mem_eq(ipk_array_data(c->a), c->model, N_ITEMS * c->n);
}

START_TEST(ranges_are_read_and_written)
{
	struct case_ *c = start(_i);
	unsigned seed = 2;
	bool recovered = true;

	for (size_t first = 0; first <= N_ITEMS; first += 4) {
		for (size_t n = 0; first + n <= N_ITEMS; n += 5) {
			number_items(c->items, n * c->n, seed++);
			ck_ok(ipk_array_write(c->a, first, n, c->items, n * c->n, ipk_now(),
					      &recovered));
			ck_assert(!recovered);
			memcpy(c->model + first * c->n, c->items, n * c->n);
			ck_model(c);
			memset(c->got, 'x', sizeof c->got);
			recovered = true;
			ck_ok(ipk_array_read(c->a, first, n, c->got, n * c->n, ipk_now(),
					     &recovered));
			ck_assert(!recovered);
			ck_assert_mem_eq(c->got, c->items, n * c->n);
			ck_assert_int_eq(c->got[n * c->n], 'x');
		}
	}
	close_case(c);
}
END_TEST

static void check_slice(struct case_ *c, size_t first, int64_t step, size_t n, unsigned seed)
{
	bool recovered = true;

	number_items(c->items, n * c->n, seed);
	for (size_t k = 0; k < n; k++) {
		char *at = c->model + ((int64_t)first + (int64_t)k * step) * (int64_t)c->n;

		memcpy(c->want + k * c->n, at, c->n);
		memcpy(at, c->items + k * c->n, c->n);
	}
	memset(c->got, 'x', sizeof c->got);
	ck_ok(ipk_array_read_slice(c->a, first, step, n, c->got, n * c->n, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_assert_mem_eq(c->got, c->want, n * c->n);
	ck_ok(ipk_array_write_slice(c->a, first, step, n, c->items, n * c->n, ipk_now(), NULL));
	ck_model(c);
}

START_TEST(slices_are_read_and_written)
{
	static const int64_t steps[] = {1, 2, 3, 5, 36, -1, -2, -7, -36, INT64_MAX, INT64_MIN};
	struct case_ *c = start(_i);
	unsigned seed = 3;

	for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
		for (size_t first = 0; first < N_ITEMS; first += 6) {
			uint64_t stride = steps[k] < 0 ? -(uint64_t)steps[k] : (uint64_t)steps[k];
			size_t room = steps[k] < 0 ? first : N_ITEMS - 1 - first;
			size_t n_most = 1 + room / stride;

			for (size_t n = 0; n <= n_most; n += n + 4 <= n_most ? 4 : 1)
				check_slice(c, first, steps[k], n, seed++);
			memset(c->got, 'x', 8);
			ck_err(ipk_array_read_slice(c->a, first, steps[k], n_most + 1, c->got,
						    (n_most + 1) * c->n, ipk_now(), NULL),
			       -ERANGE);
			ck_err(ipk_array_write_slice(c->a, first, steps[k], n_most + 1, c->items,
						     (n_most + 1) * c->n, ipk_now(), NULL),
			       -ERANGE);
			ck_assert_int_eq(c->got[0], 'x');
			ck_model(c);
		}
	}
	close_case(c);
}
END_TEST

START_TEST(ranges_are_filled)
{
	struct case_ *c = start(_i);
	bool recovered = true;
	unsigned seed = 5;

	for (size_t first = 0; first <= N_ITEMS; first += 9) {
		for (size_t n = 0; first + n <= N_ITEMS; n++) {
			number_items(c->items, c->n, seed++);
			ck_ok(ipk_array_fill(c->a, first, n, c->items, c->n, ipk_now(),
					     &recovered));
			ck_assert(!recovered);
			for (size_t k = 0; k < n; k++)
				memcpy(c->model + (first + k) * c->n, c->items, c->n);
			ck_model(c);
		}
	}
	close_case(c);
}
END_TEST

START_TEST(long_ranges_are_filled)
{
	ipk_array *a = make_array('i', 100003, true);
	const int *items = ipk_array_data(a);
	int n_wrong = 0;

	ck_ok(ipk_array_fill(a, 1, 100001, &(int){-77}, sizeof(int), ipk_now(), NULL));
	for (int i = 1; i < 100002; i++)
		n_wrong += items[i] != -77;
	ck_assert_int_eq(n_wrong, 0);
	ck_assert_int_eq(items[0], 0);
	ck_assert_int_eq(items[100002], 0);
	ipk_array_close(a);
}
END_TEST

/* --- refusals --------------------------------------------------------------------------------- */

START_TEST(what_is_not_there_is_refused)
{
	const int zeros[4] = {0};
	ipk_array *a = make_array('i', 4, _i), *none = make_array('i', 0, _i);
	int x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	static const size_t spans[][2] = {
		{0, 5}, {1, 4}, {4, 1}, {5, 0}, {SIZE_MAX, 1}, {1, SIZE_MAX}, {SIZE_MAX, SIZE_MAX},
	};

	for (size_t k = 0; k < sizeof spans / sizeof spans[0]; k++) {
		size_t first = spans[k][0], n = spans[k][1];

		ck_err(ipk_array_read(a, first, n, x, n * 4, ipk_now(), NULL), -ERANGE);
		ck_err(ipk_array_write(a, first, n, x, n * 4, ipk_now(), NULL), -ERANGE);
		ck_err(ipk_array_fill(a, first, n, x, 4, ipk_now(), NULL), -ERANGE);
	}
	ck_err(ipk_array_read_slice(a, 3, -1, 5, x, 20, ipk_now(), NULL), -ERANGE);
	ck_err(ipk_array_read_slice(a, 3, INT64_MAX, 3, x, 12, ipk_now(), NULL), -ERANGE);
	ck_err(ipk_array_read_slice(a, 3, INT64_MAX, 2, x, 8, ipk_now(), NULL), -ERANGE);
	ck_err(ipk_array_write_slice(a, 3, INT64_MIN, 2, x, 8, ipk_now(), NULL), -ERANGE);
	ck_err(ipk_array_read(none, 0, 1, x, 4, ipk_now(), NULL), -ERANGE);
	ck_err(ipk_array_get(none, 0, x), -ERANGE);
	ck_ok(ipk_array_read(none, 0, 0, NULL, 0, ipk_now(), NULL));
	ck_ok(ipk_array_write(a, 4, 0, NULL, 0, ipk_now(), NULL));
	ck_ok(ipk_array_fill(none, 0, 0, x, 4, ipk_now(), NULL));
	ck_assert_mem_eq(ipk_array_data(a), zeros, sizeof zeros);
	ck_assert_int_eq(x[0], 1);
	ipk_array_close(a);
	ipk_array_close(none);
}
END_TEST

START_TEST(wrong_sizes_and_steps_are_refused)
{
	const int zeros[4] = {0};
	ipk_array *a = make_array('i', 4, _i), *none = NULL;
	int x[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	for (size_t n = 0; n <= sizeof x; n++) {
		if (n != 12) {
			ck_err(ipk_array_read(a, 0, 3, x, n, ipk_now(), NULL), -EINVAL);
			ck_err(ipk_array_write(a, 0, 3, x, n, ipk_now(), NULL), -EINVAL);
			ck_err(ipk_array_read_slice(a, 2, -1, 3, x, n, ipk_now(), NULL), -EINVAL);
			ck_err(ipk_array_write_slice(a, 0, 1, 3, x, n, ipk_now(), NULL), -EINVAL);
		}
		if (n != 4)
			ck_err(ipk_array_fill(a, 0, 3, x, n, ipk_now(), NULL), -EINVAL);
	}
	ck_err(ipk_array_read_slice(a, 0, 0, 1, x, 4, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_array_write_slice(a, 0, 0, 0, x, 0, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_array_read(a, 0, 1, NULL, 4, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_array_write(a, 0, 1, NULL, 4, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_array_fill(a, 0, 1, NULL, 4, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_array_read(none, 0, 1, x, 4, ipk_now(), NULL), -EBADF);
	ck_err(ipk_array_write(none, 0, 1, x, 4, ipk_now(), NULL), -EBADF);
	ck_err(ipk_array_read_slice(none, 0, 1, 1, x, 4, ipk_now(), NULL), -EBADF);
	ck_err(ipk_array_write_slice(none, 0, 1, 1, x, 4, ipk_now(), NULL), -EBADF);
	ck_err(ipk_array_fill(none, 0, 1, x, 4, ipk_now(), NULL), -EBADF);
	ck_assert_mem_eq(ipk_array_data(a), zeros, sizeof zeros);
	ck_assert_int_eq(x[0], 1);
	ipk_array_close(a);
}
END_TEST

/* --- the lock --------------------------------------------------------------------------------- */

struct attempt {
	ipk_array *a;
	int want;
};

static void *try_all(void *arg)
{
	struct attempt *t = arg;
	int x[2] = {1, 1};
	bool recovered = true;

	ck_err(ipk_array_read(t->a, 0, 2, x, 8, ipk_in_ms(5), &recovered), t->want);
	ck_err(ipk_array_write(t->a, 0, 2, x, 8, ipk_now(), &recovered), t->want);
	ck_err(ipk_array_read_slice(t->a, 1, -1, 2, x, 8, ipk_now(), &recovered), t->want);
	ck_err(ipk_array_write_slice(t->a, 1, -1, 2, x, 8, ipk_now(), &recovered), t->want);
	ck_err(ipk_array_fill(t->a, 0, 2, x, 4, ipk_now(), &recovered), t->want);
	/* One item, and none, need no lock. */
	ck_ok(ipk_array_get(t->a, 0, &x[0]));
	ck_ok(ipk_array_set(t->a, 1, &x[0]));
	ck_ok(ipk_array_read(t->a, 0, 0, NULL, 0, ipk_now(), &recovered));
	return NULL;
}

static void try_elsewhere(ipk_array *a, int want)
{
	struct attempt t = {a, want};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, try_all, &t), 0);
	pthread_join(thread, NULL);
}

START_TEST(bulk_calls_take_the_lock)
{
	ipk_array *a = make_array('i', 2, false), *raw = make_array('i', 2, true);
	ipk_lock *lock = ipk_array_get_lock(a);
	struct attempt t = {a, 0};

	ck_assert_ptr_nonnull(lock);
	ck_assert_ptr_null(ipk_array_get_lock(raw));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	try_elsewhere(a, -ETIMEDOUT);
	/* Its holder may. */
	try_all(&t);
	try_elsewhere(a, -ETIMEDOUT);
	ck_ok(ipk_lock_unlock(lock));
	ck_assert_uint_eq(ipk_lock_owner(lock), 0);
	try_elsewhere(a, 0);
	ck_assert_uint_eq(ipk_lock_owner(lock), 0);
	try_elsewhere(raw, 0);
	ipk_array_close(a);
	ipk_array_close(raw);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("array_bulk");

	add_loop_test(s, ranges_are_read_and_written, 0, 2 * N_SIZES);
	add_loop_test(s, slices_are_read_and_written, 0, 2 * N_SIZES);
	add_loop_test(s, ranges_are_filled, 0, 2 * N_SIZES);
	add_test(s, long_ranges_are_filled);
	add_loop_test(s, what_is_not_there_is_refused, 0, 2);
	add_loop_test(s, wrong_sizes_and_steps_are_refused, 0, 2);
	add_test(s, bulk_calls_take_the_lock);
	return s;
}
IPK_TEST_MAIN(suite)
