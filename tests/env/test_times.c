/*
 * test_times.c - time limits at both ends: INT64_MAX is no limit in every call that takes one, and
 * calls that take none of their own end by the one in their options.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_dict.h"
#include "ipk/manager_server.h"
#include "process/zygote_internal.h"
#include "support/support.h"
#include "support/worlds.h"

/* --- no limit --------------------------------------------------------------------------------- */

static int slowly(const void *item, void *result)
{
	usleep(2000); /* so that the supervisor looks while it runs */
	*(int *)result = *(const int *)item;
	return 0;
}

static int slow_task(ipk_task *task, const void *arg, size_t arg_bytes)
{
	usleep(2000);
	return ipk_task_should_stop(task) ? 1 : ipk_task_return(task, arg, arg_bytes);
}

static const ipk_task_opts far_limits[] = {
	{.struct_size = sizeof(ipk_task_opts), .timeout_ns = INT64_MAX},
	{.struct_size = sizeof(ipk_task_opts), .soft_timeout_ns = INT64_MAX},
	{.struct_size = sizeof(ipk_task_opts),
	 .timeout_ns = INT64_MAX - 1,
	 .soft_timeout_ns = INT64_MAX,
	 .n_retries = 1,
	 .retry_delay_ns = INT64_MAX},
};
enum { N_FAR = sizeof far_limits / sizeof far_limits[0] };

START_TEST(no_limit_for_tasks_and_maps)
{
	IPK_AUTO(pool, pool);
	int xs[4] = {1, 2, 3, 4}, ys[4];

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .timeout_ns = INT64_MAX), &pool));
	for (int i = 0; i < N_FAR; i++) {
		const ipk_task_opts *opts = &far_limits[i];
		IPK_AUTO(future, f);
		char c;

		memset(ys, 0, sizeof ys);
		ck_ok(ipk_pool_map_items(pool, slowly, xs, sizeof *xs, ys, sizeof *ys, 4, opts,
					 ipk_in_ms(WAIT_MS)));
		ck_assert_mem_eq(xs, ys, sizeof xs);
		ck_ok(ipk_pool_submit(pool, slow_task, "x", 1, opts, &f));
		ck_ok(ipk_future_get(f, &c, 1, ipk_in_ns(INT64_MAX), NULL));
	}
}
END_TEST

static void nothing(void *arg)
{
	(void)arg;
}

static int return_0(void *arg)
{
	(void)arg;
	return 0;
}

START_TEST(no_limit_elsewhere)
{
	IPK_AUTO(timer, timer);
	IPK_AUTO(process, p);

	ck_assert_int_eq(ipk_in_ns(INT64_MAX).at_ns, INT64_MAX);
	ck_assert_int_eq(ipk_in_ms(INT64_MAX).at_ns, INT64_MAX);
	ck_assert_int_eq(ipk_in_ms(INT64_MIN).at_ns, 0);
	ck_ok(ipk_timer_start(INT64_MAX, nothing, NULL, &timer));
	ck_err(ipk_timer_wait(timer, ipk_in_ms(1)), -ETIMEDOUT);
	ck_ok(ipk_timer_cancel(timer));
	timer = ipk_timer_close(timer); /* waits for its thread, which the zygote must not copy */
	ck_ok(ipk_zygote_start(NULL));
	ck_ok(ipk_process_start(
		return_0, NULL,
		IPK_PROCESS(.start_method = IPK_START_ZYGOTE, .timeout_ns = INT64_MAX), &p));
	ck_ok(ipk_process_join(p, ipk_in_ns(INT64_MAX - 1), NULL));
	ipk_zygote_stop();
}
END_TEST

START_TEST(no_limit_for_managers)
{
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);

	ck_ok(ipk_manager_server_start(NULL, ipk_in_ns(INT64_MAX - 1), &server));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(server),
				  IPK_MANAGER_CONNECT(.reconnect_ms = INT64_MAX),
				  ipk_in_ms(INT64_MAX), &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_dict_set(d, ipk_text("a"), "b", 1, ipk_in_ns(INT64_MAX - 1)));
}
END_TEST

/* --- waits of calls without a deadline -------------------------------------------------------- */

static _Atomic int *n_runs; /* shared with children */

static int count_run(void *arg)
{
	(void)arg;
	atomic_fetch_add(n_runs, 1);
	return 0;
}

static int start_by_zygote(int64_t timeout_ns, ipk_process **ret_p)
{
	return ipk_process_start(
		count_run, NULL,
		IPK_PROCESS(.start_method = IPK_START_ZYGOTE, .timeout_ns = timeout_ns), ret_p);
}

/* What was given up does not run later either. */
START_TEST(a_stopped_zygote_is_not_waited_for)
{
	IPK_AUTO(process, p);
	pid_t pid, standby;

	n_runs = mmap(NULL, sizeof *n_runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	ck_assert_ptr_ne(n_runs, MAP_FAILED);
	ck_err(start_by_zygote(-1, &p), -EINVAL);
	ck_ok(ipk_zygote_start(NULL));
	ipk__zygote_pids(ipk__zygote_of_process(), &pid, &standby);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_err(start_by_zygote(50000000, &p), -ETIMEDOUT);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	ck_ok(start_by_zygote(INT64_MAX, &p));
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_zygote_stop();
	ck_assert_int_eq(atomic_load(n_runs), 1);
	munmap(n_runs, sizeof *n_runs);
}
END_TEST

static int never_ready(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

START_TEST(a_pool_is_made_in_time_or_not)
{
	ipk_pool *pool = NULL;

	ck_err(ipk_pool_create(IPK_POOL(.timeout_ns = -1), &pool), -EINVAL);
	ck_err(ipk_pool_create(
		       IPK_POOL(.n_workers = 2, .initializer = never_ready, .timeout_ns = 50000000),
		       &pool),
	       -ETIMEDOUT);
	ck_assert_ptr_null(pool);
}
END_TEST

/* --- clocks of a creator and its workers ------------------------------------------------------ */

static int take_50_ms(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg;
	(void)arg_bytes;
	usleep(50000);
	return ipk_task_should_stop(task) ? 1 : 0;
}

static int take_forever(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	for (;;)
		pause();
	return 0;
}

static int item_takes_50_ms(const void *item, void *ret_result)
{
	usleep(50000);
	return *(const int *)item == *(int *)ret_result;
}

/* Its workers are in a time namespace that it is not in itself. */
static int create_over_there(void *arg)
{
	const ipk_task_opts *far =
		IPK_TASK(.timeout_ns = 20000000000, .soft_timeout_ns = 20000000000);
	ipk_pool *pool = NULL;
	ipk_failure failure;
	ipk_future *f = NULL;
	int xs[] = {1, 1}, ys[] = {0, 0};
	int r = shift_childrens_clocks(*(int *)arg);

	if (r < 0) {
		fprintf(stderr, "skipped: no time namespace here (%s)\n", strerror(-r));
		return 0;
	}
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	ck_ok(ipk_pool_submit(pool, take_50_ms, NULL, 0, far, &f));
	ck_ok(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
	ipk_future_close(f);
	ck_ok(ipk_pool_map_items(pool, item_takes_50_ms, xs, sizeof *xs, ys, sizeof *ys, 2, far,
				 ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pool_submit(pool, take_forever, NULL, 0, IPK_TASK(.timeout_ns = 50000000), &f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_failure(f, &failure));
	ck_assert_int_eq(failure.cause, IPK_FAILURE_TIMEOUT);
	ipk_future_close(f);
	ipk_pool_close(pool);
	return 0;
}

START_TEST(a_limit_is_kept_across_time_namespaces)
{
	int worlds[] = {WORLD_LATE, WORLD_YOUNG};

	reap_ok(spawn(create_over_there, &worlds[_i]));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("times");

	add_test(s, no_limit_for_tasks_and_maps);
	add_test(s, no_limit_elsewhere);
	add_test(s, no_limit_for_managers);
	add_test(s, a_stopped_zygote_is_not_waited_for);
	add_test(s, a_pool_is_made_in_time_or_not);
	add_loop_test(s, a_limit_is_kept_across_time_namespaces, 0, 2);
	return s;
}
IPK_TEST_MAIN(suite)
