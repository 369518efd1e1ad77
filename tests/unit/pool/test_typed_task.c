/* test_typed_task.c - typed values as arguments and results of tasks. */
#include <stdio.h>
#include <string.h>

#include "ipk/pack.h"
#include "support/shared_flags.h"
#include "support/support.h"

static ipk_pool *pool;

static void open_pool(int kind)
{
	shared_flags_open();
	pool = pool_of((ipk_pool_kind)kind, 1);
}

static void close_pool(void)
{
	pool = ipk_pool_close(pool);
	shared_flags_close();
}

/* "[s i]" to "[S i d]": the words, so many times. */
static int repeat(ipk_task *task, const void *arg, size_t arg_bytes)
{
	char text[4000];
	const char *word;
	size_t len, at = 0;
	int n, r;

	(void)arg;
	(void)arg_bytes;
	r = ipk_task_argf(task, "[S i]", &word, &len, &n);
	if (r < 0)
		return r;
	for (int i = 0; i < n; i++) {
		memcpy(text + at, word, len);
		at += len;
	}
	return ipk_task_returnf(task, "[S i d]", text, at, n, n / 2.0);
}

START_TEST(there_and_back)
{
	for (int n = 0; n <= 900; n += 300) { /* short ones, and beyond what a slot holds */
		ipk_future *f = NULL;
		const char *text;
		size_t len;
		double half;
		int same;

		open_pool(_i);
		ck_ok(ipk_pool_submitf(pool, repeat, &f, "[s i]", "abc", n));
		ck_ok(ipk_future_getf(f, ipk_in_ms(WAIT_MS), "[S i d]", &text, &len, &same, &half));
		ck_assert_uint_eq(len, (size_t)n * 3);
		ck_assert(len == 0 || memcmp(text + len - 3, "abc", 3) == 0);
		ck_assert_int_eq(same, n);
		ck_assert_double_eq(half, n / 2.0);
		/* Again, and not as something else. */
		ck_ok(ipk_future_getf(f, ipk_now(), "[* i *]", &same));
		ck_err(ipk_future_getf(f, ipk_now(), "i", &same), -EPROTO);
		ipk_future_close(f);
		close_pool();
	}
}
END_TEST

START_TEST(what_does_not_fit_fails_the_task)
{
	ipk_failure failure;
	ipk_future *f;
	int n = 5;

	open_pool(_i);
	ck_ok(ipk_pool_submitf(pool, repeat, &f, "i", 7));
	ck_err(ipk_future_getf(f, ipk_in_ms(WAIT_MS), "i", &n), -EREMOTEIO);
	ck_ok(ipk_future_failure(f, &failure));
	ck_assert_int_eq(failure.code, -EPROTO);
	ck_assert_int_eq(n, 5);
	ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(typed_arguments_of_a_starmap)
{
	ipk_bytes args[5];
	ipk_future *f;

	open_pool(_i);
	for (int i = 0; i < 5; i++) {
		void *data;

		ck_ok(ipk_pack(&data, &args[i].len_bytes, "[s i]", "z", i));
		args[i].data = data;
	}
	ck_ok(ipk_pool_starmap(pool, repeat, args, 5, NULL, &f));
	for (int i = 0; i < 5; i++) {
		ipk_future *item;
		int n = -1;

		ck_ok(ipk_future_item(f, (size_t)i, &item));
		ck_ok(ipk_future_getf(item, ipk_in_ms(WAIT_MS), "[* i *]", &n));
		ck_assert_int_eq(n, i);
		ipk_future_close(item);
		free((void *)args[i].data);
	}
	ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(bad_calls)
{
	ipk_future *f = NULL;
	int n;

	open_pool(_i);
	ck_err(ipk_pool_submitf(pool, repeat, &f, "[i", 1), -EINVAL);
	ck_err(ipk_pool_submitf(NULL, repeat, &f, "i", 1), -EBADF);
	ck_err(ipk_pool_submitf(pool, NULL, &f, "i", 1), -EINVAL);
	ck_assert_ptr_null(f);
	ck_err(ipk_future_getf(NULL, ipk_now(), "i", &n), -EBADF);
	ck_err(ipk_task_argf(NULL, "i", &n), -EINVAL);
	ck_err(ipk_task_returnf(NULL, "i", 1), -EINVAL);
	/* Nobody has to want the result. */
	ck_ok(ipk_pool_submitf(pool, repeat, NULL, "[s i]", "a", 1));
	close_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("typed_task");

	add_kinds_test(s, there_and_back);
	add_kinds_test(s, what_does_not_fit_fails_the_task);
	add_kinds_test(s, typed_arguments_of_a_starmap);
	add_kinds_test(s, bad_calls);
	return s;
}
IPK_TEST_MAIN(suite)
