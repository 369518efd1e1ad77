/* test_tasks.c - single tasks: each submitted task is done, failed or cancelled, exactly once. */
#include <pthread.h>

#include "unit/pool/pool_tasks.h"

START_TEST(a_task_is_done)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	IPK_AUTO(future, f);
	uint64_t x = 12, y = 0;
	size_t n = 0;

	ck_ok(ipk_pool_submit(pool, square, &x, sizeof x, NULL, &f));
	ck_ok(ipk_future_get(f, &y, sizeof y, ipk_in_ms(WAIT_MS), &n));
	ck_assert_uint_eq(y, 144);
	ck_assert_uint_eq(n, sizeof y);
	ck_ok(ipk_future_get(f, &y, sizeof y, ipk_now(), NULL));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_DONE);
	ck_err(ipk_future_cancel(f), -EALREADY);
}
END_TEST

static int refuse(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg;
	return arg_bytes == 0 ? 7 : ipk_task_fail(task, -EDOM, "no root of %d", -1);
}

START_TEST(a_task_gives_its_own_error)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO(future, f);
	IPK_AUTO(future, g);
	ipk_failure failure;

	ck_ok(ipk_pool_submit(pool, refuse, NULL, 0, NULL, &f));
	ck_ok(ipk_pool_submit(pool, refuse, "x", 1, NULL, &g));
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EREMOTEIO);
	failure = failure_of(f);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_TASK);
	ck_assert_int_eq(failure.code, 7);
	ck_assert_uint_eq(failure.n_attempts, 1);
	ck_assert_int_eq(failure.pid != 0, kinds[_i] == IPK_POOL_PROCESSES);
	failure = failure_of(g);
	ck_assert_int_eq(failure.code, -EDOM);
	ck_assert_str_eq(failure.text, "no root of -1");
	ck_assert_int_eq(ipk_future_state_of(g), IPK_FUTURE_FAILED);
}
END_TEST

static void ck_echo(ipk_pool *pool, size_t n_bytes)
{
	IPK_AUTO(future, f);
	char *data = malloc(n_bytes + 1);
	void *back = NULL;
	size_t n = n_bytes + 1;

	for (size_t i = 0; i < n_bytes; i++)
		data[i] = (char)(i * 7 + n_bytes);
	ck_ok(ipk_pool_submit(pool, echo, data, n_bytes, NULL, &f));
	ck_ok(ipk_future_get_alloc(f, ipk_in_ms(WAIT_MS), &back, &n));
	ck_assert_uint_eq(n, n_bytes);
	ck_assert_ptr_nonnull(back);
	ck_assert_mem_eq(back, data, n_bytes);
	free(back);
	free(data);
}

START_TEST(arguments_and_results_have_any_size)
{
	static const size_t sizes[] = {0,   1,   48,  49,  96,   97,    128,
				       129, 255, 256, 257, 4096, 65537, 1 << 20};
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));

	for (size_t i = 0; i < IPK__N_OF(sizes); i++)
		ck_echo(pool, sizes[i]);
}
END_TEST

/* While the only worker is busy and more tasks wait than there are slots. */
START_TEST(arguments_wait_in_the_backlog)
{
	static const size_t sizes[] = {0, 8, 48, 49, 96, 97, 5000};
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, first, submit_gate(pool, gate, NULL));
	ipk_future *fs[7 * 100];
	char data[5000], back[5000];
	size_t n;

	for (unsigned i = 0; i < IPK__POOL_SLOTS; i++)
		ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, NULL));
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		memset(data, (int)i, sizeof data);
		ck_ok(ipk_pool_submit(pool, echo, data, sizes[i % 7], NULL, &fs[i]));
		ck_assert_int_eq(ipk_future_state_of(fs[i]), IPK_FUTURE_PENDING);
	}
	atomic_store(&gate->is_open, 1);
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		memset(data, (int)i, sizeof data);
		ck_ok(ipk_future_get(fs[i], back, sizeof back, ipk_in_ms(WAIT_MS), &n));
		ck_assert_uint_eq(n, sizes[i % 7]);
		ck_assert_mem_eq(back, data, n);
		ipk_future_close(fs[i]);
	}
}
END_TEST

START_TEST(too_large_a_result_fails)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO(future, f);
	IPK_AUTO(future, g);
	const char data[200] = {0};
	ipk_failure failure;

	ck_ok(ipk_pool_submit(pool, echo, data, 101, IPK_TASK(.max_result_bytes = 100), &f));
	ck_ok(ipk_pool_submit(pool, echo, data, 100, IPK_TASK(.max_result_bytes = 100), &g));
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EFBIG);
	failure = failure_of(f);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_TOO_LARGE);
	ck_assert_str_eq(failure.text, "the result is larger than 100 bytes");
	ck_ok(ipk_future_get(g, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST

START_TEST(bad_input_is_refused)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	ipk_future *f = (ipk_future *)1;
	char byte;

	ck_err(ipk_pool_submit(NULL, nothing, NULL, 0, NULL, &f), -EBADF);
	ck_err(ipk_pool_submit(pool, NULL, NULL, 0, NULL, &f), -EINVAL);
	ck_err(ipk_pool_submit(pool, nothing, NULL, 1, NULL, &f), -EINVAL);
	ck_err(ipk_pool_submit(pool, nothing, &byte, ((size_t)1 << 30) + 1, NULL, &f), -EMSGSIZE);
	ck_err(ipk_pool_submit(pool, nothing, NULL, 0, IPK_TASK(.timeout_ns = -1), &f), -EINVAL);
	ck_err(ipk_pool_submit(pool, nothing, NULL, 0, IPK_TASK(.retry_delay_ns = -1), &f),
	       -EINVAL);
	ck_assert_ptr_eq(f, (ipk_future *)1);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

enum { MANY = 100000, SUBMITTERS = 4 };

static void *submit_many(void *arg)
{
	ipk_pool *pool = arg;
	uint64_t n = repeats(MANY) / SUBMITTERS, y;
	ipk_future **fs = calloc(n, sizeof(ipk_future *));

	for (uint64_t i = 0; i < n; i++)
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, &fs[i]));
	for (uint64_t i = 0; i < n; i++) {
		ck_ok(ipk_future_get(fs[i], &y, sizeof y, ipk_in_ms(WAIT_MS), NULL));
		ck_assert_uint_eq(y, i * i);
		ipk_future_close(fs[i]);
	}
	free(fs);
	return NULL;
}

START_TEST(many_tasks_of_several_threads)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	pthread_t threads[SUBMITTERS];
	ipk_progress progress;

	for (int i = 0; i < SUBMITTERS; i++)
		pthread_create(&threads[i], NULL, submit_many, pool);
	for (int i = 0; i < SUBMITTERS; i++)
		pthread_join(threads[i], NULL);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_submitted, repeats(MANY) / SUBMITTERS * SUBMITTERS);
	ck_assert_uint_eq(progress.n_done, progress.n_submitted);
	ck_assert_uint_eq(progress.n_queued, 0);
}
END_TEST

/* The supervisor alone moves the backlog on: nobody asks. */
START_TEST(nobody_needs_to_wait)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	unsigned n = IPK__POOL_SLOTS + 20000;
	ipk_progress progress;

	for (unsigned i = 0; i < n; i++)
		ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, NULL));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_done, n);
}
END_TEST

/* --- cancel ----------------------------------------------------------------------------------- */

START_TEST(a_queued_task_is_dropped)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, first, submit_gate(pool, gate, NULL));
	IPK_AUTO(future, f);
	ipk_failure failure;

	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	f = submit_gate(pool, gate, NULL);
	ck_assert_int_eq(ipk_future_state_of(first), IPK_FUTURE_RUNNING);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_PENDING);
	ck_ok(ipk_future_cancel(f));
	ck_ok(ipk_future_cancel(f));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_CANCELLED);
	ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -ECANCELED);
	failure = failure_of(f);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_CANCELLED);
	ck_assert_uint_eq(failure.n_attempts, 0);
	atomic_store(&gate->is_open, 1);
	ck_ok(ipk_future_get(first, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_uint_eq(atomic_load(&gate->n_waiting), 1);
}
END_TEST

START_TEST(a_running_task_is_stopped)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	IPK_AUTO(future, next);
	ipk_failure failure;

	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	ck_ok(ipk_future_cancel(f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -ECANCELED);
	failure = failure_of(f);
	ck_assert_uint_eq(failure.n_attempts, 1);
	/* The worker is free again, or another is there. */
	ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &next));
	ck_ok(ipk_future_get(next, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
	ck_assert(kinds[_i] == IPK_POOL_PROCESSES || atomic_load(&gate->n_told) == 1);
}
END_TEST

/* More of them than the ring of ready tasks has cells, while nobody takes any. */
START_TEST(cancelled_tasks_make_room)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, first, submit_gate(pool, gate, NULL));
	IPK_AUTO(future, last);

	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	for (unsigned i = 0; i < 3 * IPK__POOL_SLOTS; i++) {
		IPK_AUTO(future, f);

		ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
		if (i == 5)
			ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &last));
		ck_ok(ipk_future_cancel(f));
	}
	atomic_store(&gate->is_open, 1);
	ck_ok(ipk_future_get(last, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST

START_TEST(the_backlog_can_be_cancelled)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, first, submit_gate(pool, gate, NULL));
	ipk_future *fs[2 * IPK__POOL_SLOTS];
	ipk_progress progress;

	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	for (unsigned i = 0; i < IPK__N_OF(fs); i++)
		ck_ok(ipk_pool_submit(pool, square, &(uint64_t){i}, 8, NULL, &fs[i]));
	for (unsigned i = 1; i < IPK__N_OF(fs); i += 2)
		ck_ok(ipk_future_cancel(fs[i]));
	atomic_store(&gate->is_open, 1);
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		uint64_t y = 0;

		ck_err(ipk_future_get(fs[i], &y, sizeof y, ipk_in_ms(WAIT_MS), NULL),
		       i % 2 ? -ECANCELED : 0);
		ck_assert_uint_eq(y, i % 2 ? 0 : (uint64_t)i * i);
		ipk_future_close(fs[i]);
	}
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_cancelled, IPK__POOL_SLOTS);
}
END_TEST

/* --- time limits ------------------------------------------------------------------------------ */

START_TEST(a_soft_limit_is_told)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, IPK_TASK(.soft_timeout_ns = 20000000)));

	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EREMOTEIO);
	ck_assert_int_eq(failure_of(f).code, -EINTR);
	ck_assert_uint_eq(atomic_load(&gate->n_told), 1);
}
END_TEST

START_TEST(a_hard_limit_ends_the_task)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	int64_t begun_ns = ipk__os_now_ns();
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, IPK_TASK(.timeout_ns = 30000000)));
	IPK_AUTO_INIT(future, next, submit_gate(pool, gate, IPK_TASK(.timeout_ns = 30000000)));
	ipk_failure failure;

	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -ETIME);
	ck_assert_int_ge(ipk__os_now_ns() - begun_ns, 30000000);
	failure = failure_of(f);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_TIMEOUT);
	ck_assert_uint_eq(failure.n_attempts, 1);
	/* Its time begins when it does. */
	ck_err(ipk_future_get(next, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -ETIME);
	ck_assert_int_ge(ipk__os_now_ns() - begun_ns, 60000000);
}
END_TEST

START_TEST(quick_tasks_keep_their_limits)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	ipk_future *fs[5000];

	for (unsigned i = 0; i < IPK__N_OF(fs); i++)
		ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, IPK_TASK(.timeout_ns = 10000000000),
				      &fs[i]));
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		ck_ok(ipk_future_get(fs[i], NULL, 0, ipk_in_ms(WAIT_MS), NULL));
		ipk_future_close(fs[i]);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tasks");

	add_test_of_both(s, a_task_is_done);
	add_test_of_both(s, a_task_gives_its_own_error);
	add_test_of_both(s, arguments_and_results_have_any_size);
	add_test_of_both(s, arguments_wait_in_the_backlog);
	add_test_of_both(s, too_large_a_result_fails);
	add_test_of_both(s, bad_input_is_refused);
	add_test_of_both(s, many_tasks_of_several_threads);
	add_test_of_both(s, nobody_needs_to_wait);
	add_test_of_both(s, a_queued_task_is_dropped);
	add_test_of_both(s, a_running_task_is_stopped);
	add_test_of_both(s, cancelled_tasks_make_room);
	add_test_of_both(s, the_backlog_can_be_cancelled);
	add_test_of_both(s, a_soft_limit_is_told);
	add_test_of_both(s, a_hard_limit_ends_the_task);
	add_test_of_both(s, quick_tasks_keep_their_limits);
	return s;
}
IPK_TEST_MAIN(suite)
