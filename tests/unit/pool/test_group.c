/* test_group.c - starmaps, and one task in one call. */
#include <pthread.h>
#include <string.h>

#include "support/shared_flags.h"
#include "support/support.h"

enum { N = 100 };

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

START_TEST(each_item_has_its_result)
{
	IPK_AUTO(future, f);
	ipk_failure failure;
	size_t len_bytes = 1, n_failed = 1;

	open_pool(_i);
	ck_ok(ipk_pool_starmap(pool, task_square, args, N, NULL, &f));
	ck_ok(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), &len_bytes));
	ck_assert_uint_eq(len_bytes, 0);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_DONE);
	for (size_t i = 0; i < N; i++) {
		IPK_AUTO(future, item);

		ck_ok(ipk_future_item(f, i, &item));
		ck_assert_uint_eq(ipk_future_index(item), i);
		ck_assert_int_eq(get_int(item), (int64_t)(i * i));
	}
	ck_ok(ipk_future_failures(f, NULL, 0, &n_failed));
	ck_assert_uint_eq(n_failed, 0);
	ck_ok(ipk_future_failure(f, &failure));
	ck_assert_int_eq(failure.cause, IPK_FAILURE_NONE);
	f = ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(the_first_failed_item_speaks)
{
	IPK_AUTO(future, f);
	ipk_failure failures[2];
	size_t n_failed;

	open_pool(_i);
	ints[70] = -7;
	ints[30] = -3;
	ints[90] = -9;
	ck_ok(ipk_pool_starmap(pool, task_positive, args, N, NULL, &f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EREMOTEIO);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_FAILED);
	ck_ok(ipk_future_failure(f, &failures[0]));
	ck_assert_uint_eq(failures[0].index, 30);
	ck_assert_int_eq(failures[0].code, -3);
	ck_ok(ipk_future_failures(f, failures, 2, &n_failed));
	ck_assert_uint_eq(n_failed, 3);
	ck_assert_uint_eq(failures[1].index, 70);
	ck_assert_int_eq(failures[1].code, -7);
	ck_assert_str_eq(failures[1].text, "negative: -7");
	/* All others were done all the same. */
	ck_assert_int_eq(shared_flags->n_ended, N - 3);
	f = ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(items_are_futures_of_their_own)
{
	ipk_future *f = NULL, *item = NULL, *single;
	size_t n_failed;

	open_pool(_i);
	shared_flags_raise(0);
	ck_ok(ipk_pool_starmap(pool, task_when_raised, args, 2, NULL, &f));
	ck_err(ipk_future_failures(f, NULL, 0, &n_failed), -EAGAIN);
	ck_err(ipk_future_item(f, 2, &item), -ERANGE);
	ck_err(ipk_future_item(f, 0, NULL), -EINVAL);
	ck_err(ipk_future_item(NULL, 0, &item), -EBADF);
	ck_ok(ipk_future_item(f, 0, &item));
	ck_assert_int_eq(get_int(item), 0);
	ck_assert(!ipk_future_is_done(f));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_RUNNING);
	ipk_future_close(item);
	ck_ok(ipk_future_item(f, 1, &item));
	ipk_future_close(f); /* the item lasts */
	shared_flags_raise(1);
	ck_assert_int_eq(get_int(item), 1);
	ck_err(ipk_future_item(item, 0, &f), -EOPNOTSUPP);
	ipk_future_close(item);
	single = submit_int(pool, task_square, 3);
	ck_err(ipk_future_item(single, 0, &item), -EOPNOTSUPP);
	ipk_future_close(single);
	close_pool();
}
END_TEST

START_TEST(cancelled_items_are_not_begun)
{
	IPK_AUTO(future, f);
	IPK_AUTO(future, first);
	size_t n_failed;

	open_pool(_i);
	shared_flags_raise(0);
	ck_ok(ipk_pool_starmap(pool, task_when_raised, args, N_FLAGS, NULL, &f));
	ck_ok(ipk_future_item(f, 0, &first));
	ck_ok(ipk_future_wait(first, ipk_in_ms(WAIT_MS)));
	ck_begun(3); /* two workers: the second and third run, or will run */
	ck_ok(ipk_future_cancel(f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_CANCELLED);
	ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -ECANCELED);
	ck_ok(ipk_future_cancel(f));
	ck_ok(ipk_future_failures(f, NULL, 0, &n_failed));
	ck_assert_uint_eq(n_failed, N_FLAGS - 1);
	ck_assert_int_eq(get_int(first), 0);
	/* The pool goes on. */
	shared_flags_raise(5);
	ck_ok(ipk_pool_apply(pool, task_when_raised, &(int64_t){5}, 8, NULL, 0, ipk_in_ms(WAIT_MS),
			     NULL));
	ck_assert_int_le(shared_flags->n_begun, 4);
	first = ipk_future_close(first);
	f = ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(done_is_not_cancelled)
{
	ipk_future *f;

	open_pool(_i);
	ck_ok(ipk_pool_starmap(pool, task_square, args, 3, NULL, &f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_future_cancel(f), -EALREADY);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_DONE);
	ipk_future_close(f);
	close_pool();
}
END_TEST

static void count_call(ipk_future *f, void *arg)
{
	if (ipk_future_is_done(f))
		atomic_fetch_add((_Atomic int *)arg, 1);
}

static bool is_one(void *arg)
{
	return atomic_load((_Atomic int *)arg) == 1;
}

START_TEST(a_group_is_a_future)
{
	_Atomic int n_calls = 0;
	ipk_future *f[2];
	size_t index;

	open_pool(_i);
	ck_ok(ipk_pool_starmap(pool, task_when_raised, args, 2, NULL, &f[0]));
	ck_ok(ipk_pool_starmap(pool, task_square, args, N, NULL, &f[1]));
	ck_ok(ipk_future_on_done(f[0], count_call, &n_calls));
	IPK_AUTO(as_completed, iter);
	ck_ok(ipk_as_completed_open(f, 2, &iter));
	shared_flags_raise(0);
	shared_flags_raise(1);
	for (int i = 0; i < 2; i++)
		ck_ok(ipk_as_completed_next(iter, ipk_in_ms(WAIT_MS), &index));
	ck_ok(ipk_futures_wait(f, 2, IPK_WAIT_ALL, ipk_now()));
	ck_assert(wait_until(is_one, &n_calls, WAIT_MS));
	iter = ipk_as_completed_close(iter);
	ipk_future_close(f[0]);
	ipk_future_close(f[1]);
	close_pool();
}
END_TEST

enum { N_ROUNDS = 10 };

static int next_arg(void *arg, ipk_bytes *ret_item)
{
	size_t *i = arg;

	if (*i == N)
		return 0;
	*ret_item = args[(*i)++];
	return 1;
}

static int sum_up(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	int64_t sum = *(const int64_t *)a->data + *(const int64_t *)b->data;

	return ipk_task_return(task, &sum, sizeof sum);
}

static int64_t sum_of_starmap(void)
{
	int64_t sum = 0, square = 0;
	ipk_future *f, *item;

	if (ipk_pool_starmap(pool, task_square, args, N, NULL, &f) < 0)
		return -1;
	for (size_t i = 0; i < N; i++) {
		if (ipk_future_item(f, i, &item) < 0 ||
		    ipk_future_get(item, &square, sizeof square, ipk_in_ms(WAIT_MS), NULL) < 0)
			return -1;
		sum += square;
		ipk_future_close(item);
	}
	ipk_future_close(f);
	return sum;
}

static int64_t sum_of_imap(bool is_unordered)
{
	int64_t sum = 0, square = 0;
	ipk_future *f;
	ipk_imap *m;
	size_t i = 0;

	if (ipk_pool_imap(pool, task_square, next_arg, &i, IPK_IMAP(.is_unordered = is_unordered),
			  &m) < 0)
		return -1;
	while (ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f) == 0) {
		if (ipk_future_get(f, &square, sizeof square, ipk_now(), NULL) < 0)
			return -1;
		sum += square;
		ipk_future_close(f);
	}
	ipk_imap_close(m);
	return sum;
}

static int64_t sum_of_map_reduce(void)
{
	int64_t *data, sum;

	if (ipk_pool_map_reduce(pool, task_square, sum_up, args, N, NULL, ipk_in_ms(WAIT_MS),
				(void **)&data, NULL) < 0)
		return -1;
	sum = *data;
	free(data);
	return sum;
}

/* Which sums were right, of all rounds. */
static void *sum_by_turns(void *arg)
{
	const int64_t right = (int64_t)(N - 1) * N * (2 * N - 1) / 6;
	long n_right = 0;

	for (long i = 0; i < N_ROUNDS; i++) {
		switch (((long)arg + i) % 4) {
		case 0:
			n_right += sum_of_starmap() == right;
			break;
		case 1:
			n_right += sum_of_map_reduce() == right;
			break;
		default:
			n_right += sum_of_imap(i % 2) == right;
			break;
		}
	}
	return (void *)n_right;
}

START_TEST(threads_share_a_pool)
{
	pthread_t threads[4];
	void *n_right;

	open_pool(_i);
	for (long i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, sum_by_turns, (void *)i), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &n_right), 0);
		ck_assert_int_eq((long)n_right, N_ROUNDS);
	}
	close_pool();
}
END_TEST

START_TEST(nothing_and_bad_calls)
{
	ipk_future *f = NULL;

	open_pool(_i);
	ck_ok(ipk_pool_starmap(pool, task_square, NULL, 0, NULL, &f));
	ck_ok(ipk_future_get(f, NULL, 0, ipk_now(), NULL));
	f = ipk_future_close(f);
	ck_err(ipk_pool_starmap(pool, NULL, args, 1, NULL, &f), -EINVAL);
	ck_err(ipk_pool_starmap(pool, task_square, NULL, 1, NULL, &f), -EINVAL);
	ck_err(ipk_pool_starmap(pool, task_square, args, 1, NULL, NULL), -EINVAL);
	ck_err(ipk_pool_starmap(NULL, task_square, args, 1, NULL, &f), -EBADF);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_err(ipk_pool_starmap(pool, task_square, args, 1, NULL, &f), -ESHUTDOWN);
	ck_assert_ptr_null(f);
	close_pool();
}
END_TEST

START_TEST(apply_waits)
{
	int64_t arg = 12, result = 0;
	size_t len_bytes = 0;

	open_pool(_i);
	ck_ok(ipk_pool_apply(pool, task_square, &arg, sizeof arg, &result, sizeof result,
			     ipk_in_ms(WAIT_MS), &len_bytes));
	ck_assert_int_eq(result, 144);
	ck_assert_uint_eq(len_bytes, sizeof result);
	ck_err(ipk_pool_apply(pool, task_square, &arg, sizeof arg, &result, 3, ipk_in_ms(WAIT_MS),
			      NULL),
	       -EMSGSIZE);
	arg = -2;
	ck_err(ipk_pool_apply(pool, task_positive, &arg, sizeof arg, NULL, 0, ipk_in_ms(WAIT_MS),
			      NULL),
	       -EREMOTEIO);
	/* After the deadline the task is stopped. */
	arg = 1;
	ck_err(ipk_pool_apply(pool, task_when_raised, &arg, sizeof arg, NULL, 0, ipk_in_ms(20),
			      NULL),
	       -ETIMEDOUT);
	arg = 3;
	for (int i = 0; i < 4; i++)
		ck_ok(ipk_pool_apply(pool, task_square, &arg, sizeof arg, NULL, 0,
				     ipk_in_ms(WAIT_MS), NULL));
	close_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("group");

	add_kinds_test(s, each_item_has_its_result);
	add_kinds_test(s, the_first_failed_item_speaks);
	add_kinds_test(s, items_are_futures_of_their_own);
	add_kinds_test(s, cancelled_items_are_not_begun);
	add_kinds_test(s, done_is_not_cancelled);
	add_kinds_test(s, a_group_is_a_future);
	add_kinds_test(s, threads_share_a_pool);
	add_kinds_test(s, nothing_and_bad_calls);
	add_kinds_test(s, apply_waits);
	return s;
}
IPK_TEST_MAIN(suite)
