/*
 * test_future.c - futures: polled, waited for by several threads, called back, outliving their
 * pool.
 */
#include <poll.h>
#include <pthread.h>

#include "unit/pool/pool_tasks.h"

START_TEST(a_result_is_copied_whole_or_not)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO(future, f);
	char buf[8] = "unharmed";
	size_t n = 99;

	ck_ok(ipk_pool_submit(pool, echo, "hello", 5, NULL, &f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_future_get(f, buf, 4, ipk_now(), &n), -EMSGSIZE);
	ck_assert_mem_eq(buf, "unharmed", 8);
	ck_assert_uint_eq(n, 99);
	ck_ok(ipk_future_get(f, NULL, 0, ipk_now(), &n));
	ck_assert_uint_eq(n, 5);
	ck_err(ipk_future_get(f, NULL, 5, ipk_now(), &n), -EINVAL);
	ck_err(ipk_future_get_alloc(f, ipk_now(), NULL, &n), -EINVAL);
	ck_ok(ipk_future_get(f, buf, sizeof buf, ipk_now(), NULL));
	ck_assert_mem_eq(buf, "hellomed", 8);
}
END_TEST

START_TEST(what_is_not_over_says_so)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	ipk_failure failure;

	ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -ETIMEDOUT);
	ck_err(ipk_future_wait(f, ipk_in_ms(5)), -ETIMEDOUT);
	ck_err(ipk_future_failure(f, &failure), -EAGAIN);
	ck_assert(!ipk_future_is_done(f));
	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_RUNNING);
	atomic_store(&gate->is_open, 1);
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_failure(f, &failure));
	ck_assert_int_eq(failure.cause, IPK_FAILURE_NONE);
}
END_TEST

START_TEST(no_future_is_no_crash)
{
	ipk_failure failure;
	int fd;

	ck_err(ipk_future_get(NULL, NULL, 0, ipk_now(), NULL), -EBADF);
	ck_err(ipk_future_wait(NULL, ipk_now()), -EBADF);
	ck_err(ipk_future_failure(NULL, &failure), -EBADF);
	ck_err(ipk_future_cancel(NULL), -EBADF);
	ck_err(ipk_future_fd(NULL, &fd), -EBADF);
	ck_err(ipk_future_on_done(NULL, NULL, NULL), -EBADF);
	ck_assert_int_eq(ipk_future_state_of(NULL), IPK_FUTURE_CANCELLED);
	ck_assert_uint_eq(ipk_future_index(NULL), 0);
	ck_assert_ptr_null(ipk_future_close(NULL));
}
END_TEST

/* is_done() alone finds out, without a wait and without a callback. */
START_TEST(asking_is_enough)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO(future, f);
	ipk_deadline deadline = ipk_in_ms(WAIT_MS);

	ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
	while (!ipk_future_is_done(f))
		ck_assert_int_gt(ipk_deadline_left_ns(deadline), 0);
}
END_TEST

START_TEST(a_future_outlives_its_pool)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	ipk_pool *pool = pool_of(kinds[_i], 1);
	IPK_AUTO(future, done);
	IPK_AUTO(future, queued);
	char buf[5];
	int fd;

	ck_ok(ipk_pool_submit(pool, echo, "hello", 5, NULL, &done));
	ck_ok(ipk_future_wait(done, ipk_in_ms(WAIT_MS)));
	atomic_store(&gate->is_open, kinds[_i] == IPK_POOL_THREADS);
	queued = submit_gate(pool, gate, NULL);
	pool = ipk_pool_close(pool);
	ck_ok(ipk_future_get(done, buf, sizeof buf, ipk_now(), NULL));
	ck_assert_mem_eq(buf, "hello", 5);
	ck_err(ipk_future_cancel(done), -EALREADY);
	ck_assert_int_ge(ipk_future_state_of(queued), IPK_FUTURE_DONE);
	ck_ok(ipk_future_fd(done, &fd));
	ck_ok(ipk__os_poll1(fd, IPK__OS_IN, ipk_now(), NULL));
}
END_TEST

/* --- several threads -------------------------------------------------------------------------- */

enum { THREADS = 8, EACH = 200 };

struct asker {
	pthread_t thread;
	ipk_pool *pool;
	uint64_t seed;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	for (uint64_t i = 0; i < (uint64_t)repeats(EACH); i++) {
		IPK_AUTO(future, f);
		uint64_t x = a->seed + i, y;

		ck_ok(ipk_pool_submit(a->pool, square, &x, sizeof x, NULL, &f));
		ck_ok(ipk_future_get(f, &y, sizeof y, ipk_in_ms(WAIT_MS), NULL));
		ck_assert_uint_eq(y, x * x);
	}
	return NULL;
}

START_TEST(each_thread_gets_its_own)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	struct asker askers[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){.pool = pool, .seed = (uint64_t)i * EACH};
		pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(askers[i].thread, NULL);
}
END_TEST

static void *wait_for_it(void *arg)
{
	ck_ok(ipk_future_wait(arg, ipk_in_ms(WAIT_MS)));
	return NULL;
}

START_TEST(several_wait_for_one)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, wait_for_it, f);
	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	atomic_store(&gate->is_open, 1);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

/* The pool goes while threads wait in it. */
START_TEST(who_waits_learns_of_the_end)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	ipk_pool *pool = pool_of(kinds[_i], 1);
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, wait_for_it, f);
	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	ipk_pool_close(pool);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_CANCELLED);
}
END_TEST

/* --- callbacks -------------------------------------------------------------------------------- */

struct calls {
	_Atomic unsigned n;
	_Atomic unsigned order; /* decimal digits */
	pthread_t thread;
	_Atomic int state;
};

static void count(ipk_future *f, void *arg)
{
	struct calls *calls = arg;

	calls->thread = pthread_self();
	atomic_store(&calls->state, (int)ipk_future_state_of(f));
	atomic_fetch_add(&calls->n, 1);
}

static void digit_1(ipk_future *f, void *arg)
{
	struct calls *calls = arg;

	(void)f;
	atomic_store(&calls->order, atomic_load(&calls->order) * 10 + 1);
}

static void digit_2(ipk_future *f, void *arg)
{
	struct calls *calls = arg;

	(void)f;
	atomic_store(&calls->order, atomic_load(&calls->order) * 10 + 2);
	atomic_fetch_add(&calls->n, 1);
}

static bool was_called(void *arg)
{
	return atomic_load(&((struct calls *)arg)->n) > 0;
}

START_TEST(a_callback_is_called_though_nobody_waits)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	ipk_future *f = submit_gate(pool, gate, NULL);
	struct calls calls = {0};

	ck_ok(ipk_future_on_done(f, digit_1, &calls));
	ck_ok(ipk_future_on_done(f, count, &calls));
	ck_err(ipk_future_on_done(f, NULL, &calls), -EINVAL);
	/* It is kept until it was told. */
	f = ipk_future_close(f);
	atomic_store(&gate->is_open, 1);
	ck_assert(wait_until(was_called, &calls, WAIT_MS));
	ck_assert_uint_eq(atomic_load(&calls.order), 1);
	ck_assert_int_eq(atomic_load(&calls.state), IPK_FUTURE_DONE);
	ck_assert(!pthread_equal(calls.thread, pthread_self()));
}
END_TEST

START_TEST(callbacks_come_in_order)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	struct calls calls = {0};

	ck_ok(ipk_future_on_done(f, digit_1, &calls));
	ck_ok(ipk_future_on_done(f, digit_1, &calls));
	ck_ok(ipk_future_on_done(f, digit_2, &calls));
	atomic_store(&gate->is_open, 1);
	ck_assert(wait_until(was_called, &calls, WAIT_MS));
	ck_assert_uint_eq(atomic_load(&calls.order), 112);
}
END_TEST

START_TEST(a_late_callback_is_called_here)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO(future, f);
	struct calls calls = {0};

	ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_on_done(f, count, &calls));
	ck_assert_uint_eq(atomic_load(&calls.n), 1);
	ck_assert(pthread_equal(calls.thread, pthread_self()));
}
END_TEST

START_TEST(the_end_of_the_pool_is_told_too)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	ipk_pool *pool = pool_of(kinds[_i], 1);
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	IPK_AUTO_INIT(future, g, submit_gate(pool, gate, NULL));
	struct calls calls = {0};

	ck_ok(ipk_future_on_done(f, count, &calls));
	ck_ok(ipk_future_on_done(g, count, &calls));
	ipk_pool_close(pool);
	ck_assert_uint_eq(atomic_load(&calls.n), 2);
	ck_assert_int_eq(atomic_load(&calls.state), IPK_FUTURE_CANCELLED);
}
END_TEST

/* --- an fd ------------------------------------------------------------------------------------ */

START_TEST(an_fd_becomes_readable)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	int fd, again;

	ck_err(ipk_future_fd(f, NULL), -EINVAL);
	ck_ok(ipk_future_fd(f, &fd));
	ck_ok(ipk_future_fd(f, &again));
	ck_assert_int_eq(fd, again);
	ck_err(ipk__os_poll1(fd, IPK__OS_IN, ipk_now(), NULL), -ETIMEDOUT);
	atomic_store(&gate->is_open, 1);
	ck_ok(ipk__os_poll1(fd, IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_future_get(f, NULL, 0, ipk_now(), NULL));
	ck_ok(ipk__os_poll1(fd, IPK__OS_IN, ipk_now(), NULL));
}
END_TEST

/* --- another process -------------------------------------------------------------------------- */

static int use_future(void *arg)
{
	ipk_future *f = arg;
	ipk_failure failure;
	char byte;
	int fd;

	ck_err(ipk_future_get(f, &byte, 1, ipk_forever(), NULL), -EPERM);
	ck_err(ipk_future_wait(f, ipk_forever()), -EPERM);
	ck_err(ipk_future_failure(f, &failure), -EPERM);
	ck_err(ipk_future_cancel(f), -EPERM);
	ck_err(ipk_future_fd(f, &fd), -EPERM);
	ck_err(ipk_future_on_done(f, count, NULL), -EPERM);
	ck_assert_ptr_null(ipk_future_close(f));
	return 0;
}

START_TEST(a_child_may_only_drop_it)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO(future, f);

	ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
	reap_ok(spawn(use_future, f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	reap_ok(spawn(use_future, f));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("future");

	add_test_of_both(s, a_result_is_copied_whole_or_not);
	add_test_of_both(s, what_is_not_over_says_so);
	add_test(s, no_future_is_no_crash);
	add_test_of_both(s, asking_is_enough);
	add_test_of_both(s, a_future_outlives_its_pool);
	add_test_of_both(s, each_thread_gets_its_own);
	add_test_of_both(s, several_wait_for_one);
	add_test_of_both(s, who_waits_learns_of_the_end);
	add_test_of_both(s, a_callback_is_called_though_nobody_waits);
	add_test_of_both(s, callbacks_come_in_order);
	add_test_of_both(s, a_late_callback_is_called_here);
	add_test_of_both(s, the_end_of_the_pool_is_told_too);
	add_test_of_both(s, an_fd_becomes_readable);
	add_test_of_both(s, a_child_may_only_drop_it);
	return s;
}
IPK_TEST_MAIN(suite)
