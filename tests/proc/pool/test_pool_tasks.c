/*
 * test_pool_tasks.c - tasks whose workers die, are stopped or never finish: each future completes,
 * with the right cause.
 */
#include <limits.h>
#include <pthread.h>
#include <sys/wait.h>

#include "unit/pool/pool_tasks.h"

static ipk_future *submit(ipk_pool *pool, ipk_task_fn fn, const ipk_task_opts *opts)
{
	ipk_future *f = NULL;

	ck_ok(ipk_pool_submit(pool, fn, NULL, 0, opts, &f));
	return f;
}

static int exit_3(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	_exit(3);
}

/* --- deaths ----------------------------------------------------------------------------------- */

START_TEST(a_death_costs_one_task)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 2));
	IPK_AUTO(future, dies);
	ipk_future *fs[200];
	ipk_failure failure;
	ipk_progress progress;

	for (uint64_t i = 0; i < IPK__N_OF(fs); i++) {
		if (i == 100)
			dies = submit(pool, die, NULL);
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, &fs[i]));
	}
	for (uint64_t i = 0; i < IPK__N_OF(fs); i++) {
		uint64_t y = 0;

		ck_ok(ipk_future_get(fs[i], &y, sizeof y, ipk_in_ms(WAIT_MS), NULL));
		ck_assert_uint_eq(y, i * i);
		ipk_future_close(fs[i]);
	}
	ck_err(ipk_future_get(dies, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	failure = failure_of(dies);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(failure.status.signal, SIGKILL);
	ck_assert_int_gt(failure.pid, 0);
	ck_assert_uint_eq(failure.n_attempts, 1);
	ck_assert_ptr_nonnull(strstr(failure.text, "was killed by signal 9"));
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_died, 1);
	ck_assert_uint_eq(progress.n_failed, 1);
	ck_assert_uint_eq(progress.n_done, IPK__N_OF(fs));
}
END_TEST

START_TEST(an_exit_is_a_death)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 1));
	IPK_AUTO_INIT(future, f, submit(pool, exit_3, NULL));
	ipk_failure failure = failure_of(f);

	ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(failure.status.exit_code, 3);
	ck_assert_ptr_nonnull(strstr(failure.text, "exited with code 3"));
}
END_TEST

/* Dies at the first attempts, as its argument says. */
static int die_at_first(ipk_task *task, const void *arg, size_t arg_bytes)
{
	unsigned n;

	ck_assert_uint_ge(arg_bytes, sizeof n);
	memcpy(&n, arg, sizeof n);
	if (ipk_task_attempt(task) <= n)
		raise(SIGKILL);
	n = ipk_task_attempt(task);
	return ipk_task_return(task, arg, arg_bytes) | ((n - 1) << 8);
}

/* Also with arguments that lie in the slot, in the future, or in the heap. */
START_TEST(what_may_be_done_twice_is)
{
	static const size_t sizes[] = {sizeof(unsigned), 48, 90, 96, 97, 100000};
	IPK_AUTO(pool, pool);
	char *arg = calloc(1, 100000), *back = malloc(100000);
	ipk_progress progress;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .quarantine_deaths = UINT_MAX), &pool));
	for (size_t i = 0; i < IPK__N_OF(sizes); i++) {
		IPK_AUTO(future, f);
		unsigned n = 2;

		memset(arg, (int)i + 1, sizes[i]);
		memcpy(arg, &n, sizeof n);
		ck_ok(ipk_pool_submit(pool, die_at_first, arg, sizes[i],
				      IPK_TASK(.n_retries = 2, .retry_delay_ns = i % 2 * 1000000),
				      &f));
		/* It returned 2 << 8: how often it had been begun before. */
		ck_err(ipk_future_get(f, back, 100000, ipk_in_ms(WAIT_MS), NULL), -EREMOTEIO);
		ck_assert_int_eq(failure_of(f).code, 2 << 8);
		ck_assert_uint_eq(failure_of(f).n_attempts, 3);
	}
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_retried, 2 * IPK__N_OF(sizes));
	free(arg);
	free(back);
}
END_TEST

START_TEST(retries_come_to_an_end)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, f);
	int64_t begun_ns = ipk__os_now_ns();
	ipk_failure failure;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1, .quarantine_deaths = UINT_MAX), &pool));
	f = submit(pool, die, IPK_TASK(.n_retries = 3, .retry_delay_ns = 10000000));
	failure = failure_of(f);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
	ck_assert_uint_eq(failure.n_attempts, 4);
	/* 10, 20 and 40 ms. */
	ck_assert_int_ge(ipk__os_now_ns() - begun_ns, 70000000);
}
END_TEST

static bool was_retried(void *arg)
{
	ipk_progress progress;

	ck_ok(ipk_pool_progress(arg, &progress));
	return progress.n_retried > 0;
}

START_TEST(a_retry_that_waits_can_be_cancelled)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 1));
	IPK_AUTO_INIT(future, f,
		      submit(pool, die, IPK_TASK(.n_retries = 1, .retry_delay_ns = 3600000000000)));

	ck_assert(wait_until(was_retried, pool, WAIT_MS));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_PENDING);
	ck_ok(ipk_future_cancel(f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -ECANCELED);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
}
END_TEST

START_TEST(who_kills_again_and_again_is_quarantined)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 2));
	IPK_AUTO_INIT(future, f, submit(pool, die, IPK_TASK(.n_retries = 100)));
	IPK_AUTO(future, again);
	IPK_AUTO(future, other);

	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	ck_assert_int_eq(failure_of(f).cause, IPK_FAILURE_QUARANTINED);
	ck_assert_uint_eq(failure_of(f).n_attempts, 3);
	again = submit(pool, die, NULL);
	ck_assert_int_eq(ipk_future_state_of(again), IPK_FUTURE_FAILED);
	ck_assert_int_eq(failure_of(again).cause, IPK_FAILURE_QUARANTINED);
	ck_assert_uint_eq(failure_of(again).n_attempts, 0);
	other = submit(pool, nothing, NULL);
	ck_ok(ipk_future_get(other, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST

/* --- workers that stand still ----------------------------------------------------------------- */

static int stop(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	raise(SIGSTOP);
	return 0;
}

START_TEST(a_stopped_worker_is_within_its_limits)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 1));
	IPK_AUTO_INIT(future, f, submit(pool, stop, IPK_TASK(.timeout_ns = 50000000)));
	IPK_AUTO_INIT(future, next, submit(pool, nothing, NULL));

	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -ETIME);
	ck_ok(ipk_future_get(next, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST

START_TEST(a_stopped_task_can_be_cancelled)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 1));
	IPK_AUTO_INIT(future, f, submit(pool, stop, NULL));
	IPK_AUTO_INIT(future, next, submit(pool, nothing, NULL));

	ck_err(ipk_future_wait(f, ipk_in_ms(20)), -ETIMEDOUT);
	ck_ok(ipk_future_cancel(f));
	ck_ok(ipk_future_get(next, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST

START_TEST(a_pool_with_stopped_workers_ends)
{
	ipk_pool *pool = pool_of(IPK_POOL_PROCESSES, 2);
	IPK_AUTO_INIT(future, f, submit(pool, stop, NULL));
	IPK_AUTO_INIT(future, g, submit(pool, stop, NULL));

	ck_err(ipk_future_wait(f, ipk_in_ms(20)), -ETIMEDOUT);
	ipk_pool_close(pool);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_CANCELLED);
	ck_assert_int_eq(ipk_future_state_of(g), IPK_FUTURE_CANCELLED);
}
END_TEST

/* --- all at once ------------------------------------------------------------------------------ */

static pid_t worker_pid(ipk_pool *pool, unsigned worker)
{
	return pool->handles[worker].child.pid;
}

/* Every task ends, and those whose worker lived are right. */
START_TEST(workers_killed_from_outside)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 2));
	uint64_t n = (uint64_t)repeats(20000), n_died = 0;
	ipk_future **fs = calloc(n, sizeof(ipk_future *));

	for (uint64_t i = 0; i < n; i++) {
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, &fs[i]));
		if (i % (n / 20) == n / 40) {
			ipk__pool_lock(pool);
			if (pool->handles[i % 2].is_there)
				kill(worker_pid(pool, i % 2), SIGKILL);
			ipk__pool_unlock(pool);
		}
	}
	for (uint64_t i = 0; i < n; i++) {
		uint64_t y = 0;
		int r = ipk_future_get(fs[i], &y, sizeof y, ipk_in_ms(WAIT_MS), NULL);

		if (r == -EOWNERDEAD)
			n_died++;
		else
			ck_ok(r);
		ck_assert(r != 0 || y == i * i);
		ipk_future_close(fs[i]);
	}
	ck_assert_uint_le(n_died, 20);
	free(fs);
}
END_TEST

enum { CANCELLERS = 3 };

static void *cancel_some(void *arg)
{
	ipk_pool *pool = arg;

	for (uint64_t i = 0; i < (uint64_t)repeats(300); i++) {
		IPK_AUTO(future, f);
		uint64_t y = 0;
		int r = 0, cancelled;

		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, &f));
		if (i % 3 == 0)
			r = ipk_future_wait(f, ipk_in_ns((int64_t)(i % 50) * 1000));
		ck_assert(r == 0 || r == -ETIMEDOUT);
		cancelled = ipk_future_cancel(f);
		r = ipk_future_get(f, &y, sizeof y, ipk_now(), NULL);
		ck_err(r, cancelled == 0 ? -ECANCELED : 0);
		ck_assert(r < 0 || y == i * i);
	}
	return NULL;
}

START_TEST(cancelled_at_any_moment)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 2));
	pthread_t threads[CANCELLERS];
	ipk_progress progress;

	for (unsigned i = 0; i < CANCELLERS; i++)
		pthread_create(&threads[i], NULL, cancel_some, pool);
	for (unsigned i = 0; i < CANCELLERS; i++)
		pthread_join(threads[i], NULL);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_done + progress.n_cancelled, progress.n_submitted);
	ck_assert_uint_eq(progress.n_failed, 0);
}
END_TEST

/* Long results of a worker that dies right after them are there. */
START_TEST(results_of_the_dead_count)
{
	IPK_AUTO_INIT(pool, pool, pool_of(IPK_POOL_PROCESSES, 1));
	ipk_future *fs[50];
	char *data = malloc(10000), *back = malloc(10000);
	IPK_AUTO(future, dies);

	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		memset(data, (int)i, 10000);
		ck_ok(ipk_pool_submit(pool, echo, data, 10000, NULL, &fs[i]));
	}
	dies = submit(pool, die, NULL);
	ck_assert_int_eq(failure_of(dies).cause, IPK_FAILURE_DIED);
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		memset(data, (int)i, 10000);
		ck_ok(ipk_future_get(fs[i], back, 10000, ipk_in_ms(WAIT_MS), NULL));
		ck_assert_mem_eq(back, data, 10000);
		ipk_future_close(fs[i]);
	}
	free(data);
	free(back);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool tasks");

	add_test(s, a_death_costs_one_task);
	add_test(s, an_exit_is_a_death);
	add_test(s, what_may_be_done_twice_is);
	add_test(s, retries_come_to_an_end);
	add_test(s, a_retry_that_waits_can_be_cancelled);
	add_test(s, who_kills_again_and_again_is_quarantined);
	add_test(s, a_stopped_worker_is_within_its_limits);
	add_test(s, a_stopped_task_can_be_cancelled);
	add_test(s, a_pool_with_stopped_workers_ends);
	add_test(s, workers_killed_from_outside);
	add_test(s, cancelled_at_any_moment);
	add_test(s, results_of_the_dead_count);
	return s;
}
IPK_TEST_MAIN(suite)
