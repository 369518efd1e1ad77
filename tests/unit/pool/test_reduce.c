/* test_reduce.c - map-reduce: sums, texts of any length, failures, deadlines. */
#include <string.h>

#include "support/shared_flags.h"
#include "support/support.h"

enum { N = 5000 };

static ipk_pool *pool;
static int64_t ints[N];
static ipk_bytes args[N];

static void open_pool(int kind)
{
	shared_flags_open();
	pool = pool_of((ipk_pool_kind)kind, 2);
	for (int i = 0; i < N; i++) {
		ints[i] = i;
		args[i] = (ipk_bytes){&ints[i], sizeof ints[i]};
	}
}

static void close_pool(void)
{
	pool = ipk_pool_close(pool);
	shared_flags_close();
}

/* Flag 0: how many tasks had been begun when the first two were combined. Flag 1: combinings. */
static int add(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	int64_t sum;
	int none = 0;

	if (a->len_bytes != sizeof sum || b->len_bytes != sizeof sum)
		return -EINVAL;
	sum = *(const int64_t *)a->data + *(const int64_t *)b->data;
	atomic_compare_exchange_strong(&shared_flags->flags[0], &none, shared_flags->n_begun);
	atomic_fetch_add(&shared_flags->flags[1], 1);
	return ipk_task_return(task, &sum, sizeof sum);
}

static int64_t sum_of(size_t n, int *ret_r)
{
	int64_t *sum = NULL, result = -1;
	size_t len_bytes = 0;

	*ret_r = ipk_pool_map_reduce(pool, task_positive, add, args, n, NULL, ipk_in_ms(WAIT_MS),
				     (void **)&sum, &len_bytes);
	if (*ret_r == 0) {
		ck_assert_uint_eq(len_bytes, sizeof *sum);
		result = *sum;
	}
	free(sum);
	return result;
}

START_TEST(sums_are_exact)
{
	static const size_t ns[] = {1, 2, 3, 4, 7, 8, 31, 32, 33, 34, 100, 1001, N};

	open_pool(_i);
	for (size_t k = 0; k < sizeof ns / sizeof *ns; k++) {
		int64_t n = (int64_t)ns[k];
		int r;

		shared_flags->flags[1] = 0;
		ck_assert_int_eq(sum_of(ns[k], &r), (n - 1) * n * (2 * n - 1) / 6);
		ck_ok(r);
		ck_assert_int_eq(shared_flags->flags[1], n - 1);
	}
	close_pool();
}
END_TEST

START_TEST(combining_begins_early)
{
	int r;

	open_pool(_i);
	sum_of(N, &r);
	ck_ok(r);
	ck_assert_int_gt(shared_flags->flags[0], 1);
	ck_assert_int_lt(shared_flags->flags[0], N / 10);
	close_pool();
}
END_TEST

/* So many letters as the argument says. */
static int letters(ipk_task *task, const void *arg, size_t arg_bytes)
{
	size_t n = (size_t) * (const int64_t *)arg;
	char *text = malloc(n + 1);
	int r;

	(void)arg_bytes;
	if (!text)
		return -ENOMEM;
	memset(text, 'x', n);
	r = ipk_task_return(task, text, n);
	free(text);
	return r;
}

static int join(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	char *text = malloc(a->len_bytes + b->len_bytes + 1);
	int r;

	if (!text)
		return -ENOMEM;
	memcpy(text, a->data, a->len_bytes);
	memcpy(text + a->len_bytes, b->data, b->len_bytes);
	r = ipk_task_return(task, text, a->len_bytes + b->len_bytes);
	free(text);
	return r;
}

START_TEST(results_of_any_length)
{
	size_t len_bytes = 0;
	char *text = NULL;

	open_pool(_i);
	ck_ok(ipk_pool_map_reduce(pool, letters, join, args, 700, NULL, ipk_in_ms(WAIT_MS),
				  (void **)&text, &len_bytes));
	ck_assert_uint_eq(len_bytes, 699 * 700 / 2);
	for (size_t i = 0; i < len_bytes; i++)
		ck_assert_int_eq(text[i], 'x');
	free(text);
	text = NULL;
	/* Empty ones, too. */
	ck_ok(ipk_pool_map_reduce(pool, letters, join, (ipk_bytes[]){args[0], args[0], args[0]}, 3,
				  NULL, ipk_in_ms(WAIT_MS), (void **)&text, &len_bytes));
	ck_assert_uint_eq(len_bytes, 0);
	ck_assert_ptr_nonnull(text);
	free(text);
	close_pool();
}
END_TEST

START_TEST(a_failure_ends_it_all)
{
	ipk_progress progress;
	int r;

	open_pool(_i);
	ints[10] = -1;
	sum_of(N, &r);
	ck_err(r, -EREMOTEIO);
	ck_assert_int_lt(shared_flags->n_begun, N / 10);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_done + progress.n_failed + progress.n_cancelled,
			  progress.n_submitted);
	ints[10] = 10;
	sum_of(100, &r);
	ck_ok(r);
	close_pool();
}
END_TEST

static int fail_to_combine(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	(void)a;
	(void)b;
	return ipk_task_fail(task, -EDOM, "no");
}

START_TEST(a_combining_that_fails)
{
	void *data = NULL;

	open_pool(_i);
	ck_err(ipk_pool_map_reduce(pool, task_square, fail_to_combine, args, N, NULL,
				   ipk_in_ms(WAIT_MS), &data, NULL),
	       -EREMOTEIO);
	ck_assert_ptr_null(data);
	close_pool();
}
END_TEST

START_TEST(the_deadline_cancels)
{
	void *data = NULL;
	int r;

	open_pool(_i);
	shared_flags_raise(0);
	ck_err(ipk_pool_map_reduce(pool, task_when_raised, add, args, 10, NULL, ipk_in_ms(30),
				   &data, NULL),
	       -ETIMEDOUT);
	ck_assert_ptr_null(data);
	sum_of(100, &r);
	ck_ok(r);
	close_pool();
}
END_TEST

START_TEST(bad_calls)
{
	void *data = NULL;

	open_pool(_i);
	ck_err(ipk_pool_map_reduce(NULL, task_square, add, args, 1, NULL, ipk_now(), &data, NULL),
	       -EBADF);
	ck_err(ipk_pool_map_reduce(pool, NULL, add, args, 1, NULL, ipk_now(), &data, NULL),
	       -EINVAL);
	ck_err(ipk_pool_map_reduce(pool, task_square, NULL, args, 1, NULL, ipk_now(), &data, NULL),
	       -EINVAL);
	ck_err(ipk_pool_map_reduce(pool, task_square, add, NULL, 1, NULL, ipk_now(), &data, NULL),
	       -EINVAL);
	ck_err(ipk_pool_map_reduce(pool, task_square, add, args, 0, NULL, ipk_now(), &data, NULL),
	       -EINVAL);
	ck_err(ipk_pool_map_reduce(pool, task_square, add, args, 1, NULL, ipk_now(), NULL, NULL),
	       -EINVAL);
	ck_ok(ipk_pool_terminate(pool));
	ck_err(ipk_pool_map_reduce(pool, task_square, add, args, 1, NULL, ipk_now(), &data, NULL),
	       -ESHUTDOWN);
	close_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("reduce");

	add_kinds_test(s, sums_are_exact);
	add_kinds_test(s, combining_begins_early);
	add_kinds_test(s, results_of_any_length);
	add_kinds_test(s, a_failure_ends_it_all);
	add_kinds_test(s, a_combining_that_fails);
	add_kinds_test(s, the_deadline_cancels);
	add_kinds_test(s, bad_calls);
	return s;
}
IPK_TEST_MAIN(suite)
