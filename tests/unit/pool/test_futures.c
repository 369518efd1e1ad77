/* test_futures.c - waiting for several futures, of one pool and of two. */
#include <pthread.h>

#include "support/shared_flags.h"
#include "support/support.h"

static ipk_pool *pools[2];
static ipk_future *fs[N_FLAGS];

static void open_pools(int kind)
{
	shared_flags_open();
	pools[0] = pool_of((ipk_pool_kind)kind, 4);
	pools[1] = pool_of((ipk_pool_kind)kind, 4);
}

static void close_all(void)
{
	for (int i = 0; i < N_FLAGS; i++) {
		shared_flags_raise(i);
		fs[i] = ipk_future_close(fs[i]);
	}
	pools[0] = ipk_pool_close(pools[0]);
	pools[1] = ipk_pool_close(pools[1]);
	shared_flags_close();
}

/* Tasks 0 .. n - 1 wait for their flags, in one pool or by turns in both. */
static void submit_waiting(int n, int n_pools)
{
	for (int i = 0; i < n; i++)
		fs[i] = submit_int(pools[i % n_pools], task_when_raised, i);
}

START_TEST(first_is_enough)
{
	for (int n_pools = 1; n_pools <= 2; n_pools++) {
		open_pools(_i);
		submit_waiting(3, n_pools);
		ck_err(ipk_futures_wait(fs, 3, IPK_WAIT_FIRST, ipk_in_ms(10)), -ETIMEDOUT);
		shared_flags_raise(1);
		ck_ok(ipk_futures_wait(fs, 3, IPK_WAIT_FIRST, ipk_in_ms(WAIT_MS)));
		ck_assert(ipk_future_is_done(fs[1]));
		ck_assert(!ipk_future_is_done(fs[0]));
		ck_assert(!ipk_future_is_done(fs[2]));
		/* It is over already: nothing to wait for. */
		ck_ok(ipk_futures_wait(fs, 3, IPK_WAIT_FIRST, ipk_now()));
		close_all();
	}
}
END_TEST

START_TEST(all_are_all)
{
	for (int n_pools = 1; n_pools <= 2; n_pools++) {
		open_pools(_i);
		submit_waiting(3, n_pools);
		shared_flags_raise(0);
		shared_flags_raise(2);
		ck_err(ipk_futures_wait(fs, 3, IPK_WAIT_ALL, ipk_in_ms(10)), -ETIMEDOUT);
		shared_flags_raise(1);
		ck_ok(ipk_futures_wait(fs, 3, IPK_WAIT_ALL, ipk_in_ms(WAIT_MS)));
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(get_int(fs[i]), i * i);
		close_all();
	}
}
END_TEST

START_TEST(first_error_ends_the_wait)
{
	for (int n_pools = 1; n_pools <= 2; n_pools++) {
		open_pools(_i);
		submit_waiting(3, n_pools);
		shared_flags_raise(0);
		ck_err(ipk_futures_wait(fs, 3, IPK_WAIT_FIRST_ERROR, ipk_in_ms(10)), -ETIMEDOUT);
		fs[3] = submit_int(pools[n_pools - 1], task_positive, -5);
		ck_ok(ipk_futures_wait(fs, 4, IPK_WAIT_FIRST_ERROR, ipk_in_ms(WAIT_MS)));
		ck_assert_int_eq(ipk_future_state_of(fs[3]), IPK_FUTURE_FAILED);
		ck_assert(!ipk_future_is_done(fs[1]));
		close_all();
	}
}
END_TEST

START_TEST(without_an_error_all_are_waited_for)
{
	open_pools(_i);
	submit_waiting(3, 2);
	ck_begun(3);
	ck_ok(ipk_future_cancel(fs[1])); /* which is no failure */
	shared_flags_raise(0);
	ck_err(ipk_futures_wait(fs, 3, IPK_WAIT_FIRST_ERROR, ipk_in_ms(10)), -ETIMEDOUT);
	shared_flags_raise(2);
	ck_ok(ipk_futures_wait(fs, 3, IPK_WAIT_FIRST_ERROR, ipk_in_ms(WAIT_MS)));
	for (int i = 0; i < 3; i++)
		ck_assert(ipk_future_is_done(fs[i]));
	close_all();
}
END_TEST

START_TEST(nothing_and_the_same_twice)
{
	ipk_future *twice[4];

	open_pools(_i);
	ck_ok(ipk_futures_wait(NULL, 0, IPK_WAIT_ALL, ipk_now()));
	ck_ok(ipk_futures_wait(NULL, 0, IPK_WAIT_FIRST, ipk_now()));
	ck_err(ipk_futures_wait(NULL, 1, IPK_WAIT_ALL, ipk_now()), -EINVAL);
	ck_err(ipk_futures_wait(twice, 0, (ipk_wait_for)7, ipk_now()), -EINVAL);
	submit_waiting(2, 1);
	twice[0] = twice[2] = fs[0];
	twice[1] = twice[3] = fs[1];
	ck_err(ipk_futures_wait(twice, 4, IPK_WAIT_FIRST, ipk_in_ms(10)), -ETIMEDOUT);
	shared_flags_raise(0);
	shared_flags_raise(1);
	ck_ok(ipk_futures_wait(twice, 4, IPK_WAIT_FIRST_ERROR, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_futures_wait(twice, 4, IPK_WAIT_ALL, ipk_in_ms(WAIT_MS)));
	twice[1] = NULL;
	ck_ok(ipk_futures_wait(twice, 2, IPK_WAIT_ALL, ipk_now()));
	close_all();
}
END_TEST

START_TEST(completed_in_the_order_of_their_ends)
{
	static const int order[4] = {2, 0, 3, 1};

	for (int n_pools = 1; n_pools <= 2; n_pools++) {
		IPK_AUTO(as_completed, iter);
		size_t index;

		open_pools(_i);
		submit_waiting(4, n_pools);
		ck_ok(ipk_as_completed_open(fs, 4, &iter));
		ck_err(ipk_as_completed_next(iter, ipk_in_ms(10), &index), -ETIMEDOUT);
		for (int i = 0; i < 4; i++) {
			shared_flags_raise(order[i]);
			ck_ok(ipk_as_completed_next(iter, ipk_in_ms(WAIT_MS), &index));
			ck_assert_uint_eq(index, (size_t)order[i]);
			fs[index] = ipk_future_close(fs[index]);
		}
		ck_err(ipk_as_completed_next(iter, ipk_now(), &index), -ENOENT);
		iter = ipk_as_completed_close(iter);
		close_all();
	}
}
END_TEST

START_TEST(completed_before_and_given_up)
{
	for (int n_pools = 1; n_pools <= 2; n_pools++) {
		IPK_AUTO(as_completed, iter);
		ipk_future *some[4];
		bool given[4] = {false};
		size_t index;

		open_pools(_i);
		submit_waiting(3, n_pools);
		shared_flags_raise(0);
		ck_ok(ipk_future_wait(fs[0], ipk_in_ms(WAIT_MS)));
		some[0] = some[3] = fs[0];
		some[1] = fs[1];
		some[2] = fs[2];
		ck_ok(ipk_as_completed_open(some, 4, &iter));
		for (int i = 0; i < 2; i++) {
			ck_ok(ipk_as_completed_next(iter, ipk_now(), &index));
			given[index] = true;
		}
		ck_assert(given[0] && given[3]);
		ck_err(ipk_as_completed_next(iter, ipk_now(), &index), -ETIMEDOUT);
		fs[1] = ipk_future_close(fs[1]); /* the iterator keeps it */
		shared_flags_raise(1);
		ck_ok(ipk_as_completed_next(iter, ipk_in_ms(WAIT_MS), &index));
		ck_assert_uint_eq(index, 1);
		iter = ipk_as_completed_close(iter); /* one is still to come */
		shared_flags_raise(2);
		ck_assert_int_eq(get_int(fs[2]), 4);
		close_all();
	}
}
END_TEST

START_TEST(each_of_many_once)
{
	enum { N = 20000 };
	ipk_future **many = calloc(N, sizeof(ipk_future *));
	bool *given = calloc(N, sizeof *given);
	IPK_AUTO(as_completed, iter);
	size_t index;

	open_pools(_i);
	for (int64_t i = 0; i < N; i++)
		many[i] = submit_int(pools[i % (1 + i % 2)], task_square, i);
	ck_ok(ipk_as_completed_open(many, N, &iter));
	for (int i = 0; i < N; i++) {
		ck_ok(ipk_as_completed_next(iter, ipk_in_ms(WAIT_MS), &index));
		ck_assert(!given[index]);
		given[index] = true;
		ck_assert_int_eq(get_int(many[index]), (int64_t)(index * index));
		ipk_future_close(many[index]);
	}
	ck_err(ipk_as_completed_next(iter, ipk_now(), &index), -ENOENT);
	iter = ipk_as_completed_close(iter);
	close_all();
	free(many);
	free(given);
}
END_TEST

struct told {
	_Atomic int r;
	_Atomic bool is_there;
};

static void wait_for_both(ipk_future *f, void *arg)
{
	struct told *told = arg;

	(void)f;
	told->r = ipk_futures_wait(fs, 2, IPK_WAIT_FIRST_ERROR, ipk_in_ms(WAIT_MS));
	told->is_there = true;
}

static bool was_told(void *arg)
{
	return ((struct told *)arg)->is_there;
}

/* The pool's own thread waits for what it would have to collect itself. */
START_TEST(in_a_callback_too)
{
	struct told told = {.is_there = false};

	open_pools(_i);
	submit_waiting(3, 2);
	ck_ok(ipk_future_on_done(fs[2], wait_for_both, &told));
	shared_flags_raise(2);
	ck_ok(ipk_future_wait(fs[2], ipk_in_ms(WAIT_MS)));
	shared_flags_raise(0);
	shared_flags_raise(1);
	ck_assert(wait_until(was_told, &told, WAIT_MS));
	ck_ok(told.r);
	close_all();
}
END_TEST

enum { N_CROWD = 400 };

static void *go_over_all(void *arg)
{
	ipk_as_completed *iter = NULL;
	bool given[N_CROWD] = {false};
	long n_given = 0;
	size_t index;

	if (ipk_as_completed_open(arg, N_CROWD, &iter) < 0)
		return (void *)-1;
	while (ipk_as_completed_next(iter, ipk_in_ms(WAIT_MS), &index) == 0 && !given[index]) {
		given[index] = true;
		n_given++;
	}
	ipk_as_completed_close(iter);
	return (void *)n_given;
}

static void *wait_for_error(void *arg)
{
	return (void *)(long)ipk_futures_wait(arg, N_CROWD, IPK_WAIT_FIRST_ERROR,
					      ipk_in_ms(WAIT_MS));
}

/* Threads wait for the same futures, which end, are cancelled, and go with their pools. */
START_TEST(a_crowd_waits)
{
	ipk_future *many[N_CROWD];
	pthread_t threads[4];
	void *result;

	open_pools(_i);
	for (int i = 0; i < N_CROWD; i++) {
		bool waits = i % 10 == 9;

		many[i] = submit_int(pools[i % 2], waits ? task_when_raised : task_square,
				     waits ? 1 + i % 2 : i);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, go_over_all, many), 0);
	ck_assert_int_eq(pthread_create(&threads[3], NULL, wait_for_error, many), 0);
	for (int i = 3; i < N_CROWD; i += 7) {
		int r = ipk_future_cancel(many[i]);

		ck_assert(r == 0 || r == -EALREADY);
	}
	shared_flags_raise(1);
	pools[0] = ipk_pool_close(pools[0]);
	shared_flags_raise(2);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &result), 0);
		ck_assert_int_eq((long)result, i < 3 ? N_CROWD : 0);
	}
	for (int i = 0; i < N_CROWD; i++)
		ipk_future_close(many[i]);
	close_all();
}
END_TEST

START_TEST(bad_calls)
{
	ipk_as_completed *iter = NULL;
	ipk_future *none = NULL;
	size_t index;

	ck_err(ipk_as_completed_open(&none, 1, &iter), -EINVAL);
	ck_err(ipk_as_completed_open(NULL, 1, &iter), -EINVAL);
	ck_err(ipk_as_completed_open(NULL, 0, NULL), -EINVAL);
	ck_err(ipk_as_completed_next(NULL, ipk_now(), &index), -EBADF);
	ck_assert_ptr_null(ipk_as_completed_close(NULL));
	ck_ok(ipk_as_completed_open(NULL, 0, &iter));
	ck_err(ipk_as_completed_next(iter, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_as_completed_next(iter, ipk_now(), &index), -ENOENT);
	ck_assert_ptr_null(ipk_as_completed_close(iter));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("futures");

	add_kinds_test(s, first_is_enough);
	add_kinds_test(s, all_are_all);
	add_kinds_test(s, first_error_ends_the_wait);
	add_kinds_test(s, without_an_error_all_are_waited_for);
	add_kinds_test(s, nothing_and_the_same_twice);
	add_kinds_test(s, completed_in_the_order_of_their_ends);
	add_kinds_test(s, completed_before_and_given_up);
	add_kinds_test(s, each_of_many_once);
	add_kinds_test(s, in_a_callback_too);
	add_kinds_test(s, a_crowd_waits);
	add_test(s, bad_calls);
	return s;
}
IPK_TEST_MAIN(suite)
