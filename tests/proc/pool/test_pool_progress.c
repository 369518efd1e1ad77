/*
 * test_pool_progress.c - the progress of a pool, as seen by its creator, a fork child and a
 * callback while processes or threads work.
 */
#include <ipk/event.h>
#include <ipk/pool.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

static ipk_pool *pool;
static ipk_event *go;

static int wait_for_go(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	return ipk_event_wait(go, ipk_in_ms(WAIT_MS));
}

static int square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int n;

	ck_assert_uint_eq(arg_bytes, sizeof n);
	memcpy(&n, arg, sizeof n);
	if (n % 10 == 3)
		return ipk_task_fail(task, -1, "three");
	n *= n;
	return ipk_task_return(task, &n, sizeof n);
}

static ipk_progress progress(void)
{
	ipk_progress p;

	ck_ok(ipk_pool_progress(pool, &p));
	ck_assert_uint_eq(p.n_done + p.n_failed + p.n_cancelled + p.n_running + p.n_queued,
			  p.n_submitted);
	return p;
}

static bool two_run(void *arg)
{
	(void)arg;
	return progress().n_running == 2;
}

static bool all_over(void *n)
{
	ipk_progress p = progress();

	return p.n_done + p.n_failed == *(uint64_t *)n;
}

/* In a fork: the handle is a copy, the numbers are those of now. */
static int look_from_elsewhere(void *arg)
{
	uint64_t n = 7;

	ck_assert_uint_eq(progress().n_submitted, 5);
	ck_assert_uint_eq(progress().n_running, 2);
	ck_assert_uint_eq(progress().n_queued, 3);
	ck_assert_uint_eq(progress().n_workers, 2);
	gate_open(arg);
	ck_assert(wait_until(all_over, &n, WAIT_MS));
	return 0;
}

START_TEST(creator_and_others_see_it_live)
{
	struct gate looked;
	ipk_future *f = NULL;
	pid_t child;

	gate_init(&looked);
	ck_ok(ipk_event_create(NULL, &go));
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .kind = (ipk_pool_kind)_i), &pool));
	ck_assert_uint_eq(progress().n_submitted, 0);
	ck_assert_int_gt(progress().since_boot_ns, 0);
	for (int i = 0; i < 5; i++)
		ck_ok(ipk_pool_submit(pool, wait_for_go, NULL, 0, NULL, NULL));
	ck_assert(wait_until(two_run, NULL, WAIT_MS));
	child = spawn(look_from_elsewhere, &looked);
	gate_wait(&looked);
	ck_ok(ipk_event_set(go));
	for (int i = 2; i < 4; i++) {
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, &f));
		ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
		f = ipk_future_close(f);
	}
	ck_assert(wait_until(all_over, &(uint64_t){7}, WAIT_MS));
	ck_assert_uint_eq(progress().n_failed, 1);
	ck_assert_uint_eq(progress().n_task_errors, 1);
	reap_ok(child);
	pool = ipk_pool_close(pool);
	ipk_event_close(go);
	gate_fini(&looked);
}
END_TEST

/* --- maps ------------------------------------------------------------------------------------- */

#define N_ITEMS 2000
#define N_MAPS 50

static int negate(const void *item, void *ret_result)
{
	int n;

	memcpy(&n, item, sizeof n);
	n = -n;
	memcpy(ret_result, &n, sizeof n);
	return n == -7;
}

/* Its items are counted in the map while it runs, in the pool when it is over: never twice. */
static int watch_maps(void *arg)
{
	uint64_t n_over = 0, n_failed = 0;

	gate_open(arg);
	while (n_over < (uint64_t)N_MAPS * N_ITEMS) {
		ipk_progress p = progress();

		ck_assert_uint_ge(p.n_done + p.n_failed, n_over);
		ck_assert_uint_ge(p.n_failed, n_failed);
		ck_assert_uint_le(p.n_failed, N_MAPS);
		n_over = p.n_done + p.n_failed;
		n_failed = p.n_failed;
	}
	ck_assert_uint_eq(n_failed, N_MAPS);
	return 0;
}

START_TEST(items_of_maps_never_go_back)
{
	int items[N_ITEMS], results[N_ITEMS];
	struct gate watching;
	pid_t child;

	for (int i = 0; i < N_ITEMS; i++)
		items[i] = i;
	gate_init(&watching);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .kind = (ipk_pool_kind)_i), &pool));
	child = spawn(watch_maps, &watching);
	gate_wait(&watching);
	for (int i = 0; i < N_MAPS; i++)
		ck_err(ipk_pool_map(pool, negate, items, results, N_ITEMS, ipk_in_ms(WAIT_MS)),
		       -EREMOTEIO);
	reap_ok(child);
	ck_assert_uint_eq(progress().n_task_errors, N_MAPS);
	pool = ipk_pool_close(pool);
	gate_fini(&watching);
}
END_TEST

/* --- on_progress ------------------------------------------------------------------------------ */

static int n_calls;
static ipk_progress last;

static void note(const ipk_progress *p, void *arg)
{
	ck_assert_ptr_eq(arg, &n_calls);
	ck_assert_uint_ge(p->n_done + p->n_failed, last.n_done + last.n_failed);
	ck_assert_uint_ge(p->n_submitted, last.n_submitted);
	last = *p;
	n_calls++;
}

START_TEST(callback_hears_of_the_end)
{
	uint64_t n = 200;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .kind = (ipk_pool_kind)_i,
				       .on_progress = note, .on_progress_arg = &n_calls,
				       .progress_interval_ms = 10),
			      &pool));
	for (int i = 0; i < (int)n; i++)
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, NULL));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	pool = ipk_pool_close(pool);
	ck_assert_int_ge(n_calls, 1);
	ck_assert_uint_eq(last.n_submitted, n);
	ck_assert_uint_eq(last.n_done, n - n / 10);
	ck_assert_uint_eq(last.n_failed, n / 10);
}
END_TEST

static void note_and_end_thread(const ipk_progress *p, void *arg)
{
	note(p, arg);
	pthread_exit(NULL);
}

START_TEST(callback_may_end_its_thread)
{
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .kind = (ipk_pool_kind)_i,
				       .on_progress = note_and_end_thread,
				       .on_progress_arg = &n_calls, .progress_interval_ms = 1),
			      &pool));
	for (int i = 0; i < 20; i++)
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, NULL));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	pool = ipk_pool_close(pool);
	ck_assert_int_ge(n_calls, 1);
	ck_assert_uint_eq(last.n_done + last.n_failed, 20);
}
END_TEST

START_TEST(bar_of_a_pool_ends_with_all)
{
	FILE *out = tmpfile();
	char text[8192] = "";

	ck_assert_ptr_nonnull(out);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .on_progress = ipk_progress_bar,
				       .on_progress_arg = out, .progress_interval_ms = 10),
			      &pool));
	for (int i = 0; i < 30; i++)
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, NULL));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	pool = ipk_pool_close(pool);
	rewind(out);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, out), 0);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, "100%  30/30  "));
	ck_assert_ptr_nonnull(strstr(text, "  3 failed\n"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool_progress");

	add_loop_test(s, creator_and_others_see_it_live, IPK_POOL_PROCESSES, IPK_POOL_THREADS + 1);
	add_loop_test(s, items_of_maps_never_go_back, IPK_POOL_PROCESSES, IPK_POOL_THREADS + 1);
	add_loop_test(s, callback_hears_of_the_end, IPK_POOL_PROCESSES, IPK_POOL_THREADS + 1);
	add_loop_test(s, callback_may_end_its_thread, IPK_POOL_PROCESSES, IPK_POOL_THREADS + 1);
	add_test(s, bar_of_a_pool_ends_with_all);
	return s;
}
IPK_TEST_MAIN(suite)
