/* test_timed_mutex.c - lib/manager/timed_mutex.h: one thread inside, deadlines, forks. */
#include <pthread.h>

#include "backend/timed_mutex.h"
#include "support/support.h"

static struct ipk__timed_mutex mutex;
static uint64_t counted; /* plain: the mutex alone guards it */

static void unlock(void)
{
	ipk__timed_mutex_unlock(&mutex);
}

START_TEST(taken_once)
{
	ck_assert(ipk__timed_mutex_trylock(&mutex));
	ck_assert(!ipk__timed_mutex_trylock(&mutex));
	ck_err(ipk__timed_mutex_lock(&mutex, ipk_now()), -ETIMEDOUT);
	unlock();
	ck_ok(ipk__timed_mutex_lock(&mutex, ipk_now()));
	unlock();
	ck_assert_uint_eq(mutex.state, 0);
}
END_TEST

START_TEST(a_deadline_is_kept)
{
	int64_t before_ns = ipk__os_now_ns();

	ck_ok(ipk__timed_mutex_lock(&mutex, ipk_forever()));
	ck_err(ipk__timed_mutex_lock(&mutex, ipk_in_ms(20)), -ETIMEDOUT);
	ck_assert_int_ge(ipk__os_now_ns() - before_ns, 20000000);
	/* Whoever gave up has left it in order. */
	unlock();
	ck_ok(ipk__timed_mutex_lock(&mutex, ipk_now()));
	unlock();
}
END_TEST

enum { N_THREADS = 4, N_ROUNDS = 20000 };

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < repeats(N_ROUNDS); i++) {
		ck_ok(ipk__timed_mutex_lock(&mutex, ipk_in_ms(WAIT_MS)));
		counted++;
		unlock();
	}
	return NULL;
}

START_TEST(one_at_a_time)
{
	pthread_t threads[N_THREADS];

	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(counted, (uint64_t)N_THREADS * repeats(N_ROUNDS));
	ck_assert_uint_eq(mutex.state, 0);
}
END_TEST

static _Atomic int waiter_tid;

static void *wait_for_it(void *arg)
{
	waiter_tid = ipk__os_tid();
	*(int *)arg = ipk__timed_mutex_lock(&mutex, ipk_in_ms(WAIT_MS));
	unlock();
	return NULL;
}

static bool is_waiting(void *arg)
{
	(void)arg;
	return waiter_tid != 0 && is_asleep(waiter_tid);
}

/* It sleeps, and unlocking wakes it long before its deadline. */
START_TEST(a_waiter_is_woken)
{
	pthread_t thread;
	int result = 1;

	ck_ok(ipk__timed_mutex_lock(&mutex, ipk_now()));
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_it, &result), 0);
	ck_assert(wait_until(is_waiting, NULL, WAIT_MS));
	unlock();
	pthread_join(thread, NULL);
	ck_ok(result);
	ck_assert_uint_eq(mutex.state, 0);
}
END_TEST

/* Whoever had it did not come along: set to zero, it is free, and the parent's is its own. */
static int in_child(void *arg)
{
	(void)arg;
	if (ipk__timed_mutex_lock(&mutex, ipk_now()) != -ETIMEDOUT)
		return 1;
	mutex.state = 0;
	return ipk__timed_mutex_lock(&mutex, ipk_now()) == 0 ? 0 : 2;
}

START_TEST(after_a_fork)
{
	ck_ok(ipk__timed_mutex_lock(&mutex, ipk_now()));
	reap_ok(spawn(in_child, NULL));
	ck_assert(!ipk__timed_mutex_trylock(&mutex));
	unlock();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("timed_mutex");

	add_test(s, taken_once);
	add_test(s, a_deadline_is_kept);
	add_test(s, one_at_a_time);
	add_test(s, a_waiter_is_woken);
	add_test(s, after_a_fork);
	return s;
}
IPK_TEST_MAIN(suite)
