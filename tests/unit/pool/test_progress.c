/*
 * test_progress.c - counters that were set by hand: the progress computed from them, also when they
 * are inconsistent, and when on_progress is called.
 */
#include <string.h>
#include <unistd.h>

#include "pool/pool_internal.h"
#include "support/support.h"

static struct ipk_pool pool;
static struct ipk__shm_map maps[IPK__POOL_MAPS];
static int n_calls;
static ipk_progress last;

static void make_pool(void)
{
	pool.shared = aligned_alloc(IPK__CACHE_LINE, sizeof *pool.shared);
	ck_assert_ptr_nonnull(pool.shared);
	memset(pool.shared, 0, sizeof *pool.shared);
	pool.shared->header.created_boot_ns = 17;
	pool.creator_pid = getpid();
	pool.maps = maps;
}

static void free_pool(void)
{
	free(pool.shared);
}

static ipk_progress progress_now(void)
{
	ipk_progress p;

	ck_ok(ipk_pool_progress(&pool, &p));
	ck_assert_uint_eq(p.n_done + p.n_failed + p.n_cancelled + p.n_running + p.n_queued,
			  p.n_submitted);
	return p;
}

static void set_busy(unsigned n)
{
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		struct ipk__pool_worker *w = &pool.shared->workers[i];

		atomic_store(&w->state, i < n + 1 ? IPK__WORKER_BUSY : IPK__WORKER_IDLE);
		/* The last one is between two tasks. */
		atomic_store(&w->slot, i % 2 == 0 && i < n ? 5 : 0);
		atomic_store(&w->map, i % 2 == 1 && i < n ? 1 : 0);
	}
}

START_TEST(counters_are_told)
{
	struct ipk__pool_counts *c;
	ipk_progress p;

	make_pool();
	c = &pool.shared->counts;
	c->n_submitted = 1000;
	c->n_done = 500;
	c->n_failed = 21;
	c->n_task_errors = 1;
	c->n_died = 2;
	c->n_timeouts = 3;
	c->n_quarantined = 7;
	c->n_too_large = 8;
	c->n_cancelled = 40;
	c->n_retried = 9;
	c->n_workers = 4;
	c->n_replaced = 5;
	set_busy(3);
	p = progress_now();
	ck_assert_uint_eq(p.n_submitted, 1000);
	ck_assert_uint_eq(p.n_done, 500);
	ck_assert_uint_eq(p.n_failed, 21);
	ck_assert_uint_eq(p.n_task_errors, 1);
	ck_assert_uint_eq(p.n_died, 2);
	ck_assert_uint_eq(p.n_timeouts, 3);
	ck_assert_uint_eq(p.n_quarantined, 7);
	ck_assert_uint_eq(p.n_too_large, 8);
	ck_assert_uint_eq(p.n_cancelled, 40);
	ck_assert_uint_eq(p.n_retried, 9);
	ck_assert_uint_eq(p.n_running, 3);
	ck_assert_uint_eq(p.n_queued, 1000 - 500 - 21 - 40 - 3);
	ck_assert_uint_eq(p.n_workers, 4);
	ck_assert_uint_eq(p.n_replaced, 5);
	ck_assert_int_eq(p.since_boot_ns, 17);
	ck_assert_int_gt(p.now_boot_ns, 0);
	free_pool();
}
END_TEST

/* A worker that says busy of a task that is counted already; a map that is counted twice. */
START_TEST(numbers_that_disagree_are_made_to_agree)
{
	make_pool();
	pool.shared->counts.n_submitted = 10;
	pool.shared->counts.n_done = 8;
	set_busy(5);
	ck_assert_uint_eq(progress_now().n_running, 2);
	ck_assert_uint_eq(progress_now().n_queued, 0);
	pool.shared->counts.n_done = 12;
	ck_assert_uint_eq(progress_now().n_done, 10);
	ck_assert_uint_eq(progress_now().n_running, 0);
	pool.shared->counts.n_done = pool.shared->counts.n_failed = UINT64_MAX;
	ck_assert_uint_eq(progress_now().n_failed, 10);
	free_pool();
}
END_TEST

START_TEST(items_of_running_maps_count)
{
	make_pool();
	pool.shared->counts.n_submitted = 100;
	maps[2].n_items = 60;
	atomic_store(&maps[2].n_done, 25);
	atomic_store(&maps[2].n_failed, 5);
	ck_assert_uint_eq(progress_now().n_done, 0);
	atomic_store(&maps[2].is_open, 1);
	ck_assert_uint_eq(progress_now().n_done, 20);
	ck_assert_uint_eq(progress_now().n_failed, 5);
	ck_assert_uint_eq(progress_now().n_queued, 75);
	/* Scribbled over: no more than was submitted. */
	atomic_store(&maps[2].n_done, UINT64_MAX);
	ck_assert_uint_eq(progress_now().n_done, 95);
	progress_now();
	free_pool();
}
END_TEST

/* As the creator ends a map, again and again: nobody may see its items twice, or not at all. */
static void *end_maps(void *is_over)
{
	for (int i = 0; i < repeats(20000); i++) {
		atomic_store(&maps[0].n_done, 50);
		ipk__counts_seq_advance(&pool);
		atomic_fetch_add(&pool.shared->counts.n_done, 50);
		atomic_store(&maps[0].is_open, 0);
		ipk__counts_seq_advance(&pool);
		atomic_store(&maps[0].n_done, 0);
		atomic_store(&maps[0].is_open, 1);
	}
	atomic_store((_Atomic bool *)is_over, true);
	return NULL;
}

START_TEST(items_are_seen_once_at_the_end_of_a_map)
{
	_Atomic bool is_over = false;
	uint64_t before = 0, now;
	pthread_t thread;

	make_pool();
	pool.shared->counts.n_submitted = UINT64_MAX / 2;
	maps[0].n_items = 50;
	maps[0].is_open = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, end_maps, &is_over), 0);
	while (!atomic_load(&is_over)) {
		now = progress_now().n_done;
		ck_assert_uint_eq(now % 50, 0);
		ck_assert_uint_ge(now, before);
		before = now;
	}
	pthread_join(thread, NULL);
	/* A creator that was killed in between holds nobody up. */
	ipk__counts_seq_advance(&pool);
	progress_now();
	free_pool();
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	ipk_progress p;

	make_pool();
	ck_err(ipk_pool_progress(NULL, &p), -EBADF);
	ck_err(ipk_pool_progress(&pool, NULL), -EINVAL);
	free_pool();
}
END_TEST

/* --- on_progress ------------------------------------------------------------------------------ */

static void note(const ipk_progress *p, void *arg)
{
	ck_assert_ptr_eq(arg, &n_calls);
	n_calls++;
	last = *p;
}

START_TEST(nobody_is_called_who_did_not_ask)
{
	make_pool();
	pool.shared->counts.n_submitted = 1;
	ck_assert_int_eq(ipk__progress_tick(&pool, 5), INT64_MAX);
	free_pool();
}
END_TEST

START_TEST(called_while_there_is_work_and_once_after)
{
	const int64_t ms = 1000000;

	make_pool();
	pool.opts.on_progress = note;
	pool.opts.on_progress_arg = &n_calls;
	ck_assert_int_eq(ipk__progress_tick(&pool, ms), 201 * ms);
	ck_assert_int_eq(n_calls, 0);
	pool.opts.progress_interval_ms = 10;
	pool.shared->counts.n_submitted = 2;
	ck_assert_int_eq(ipk__progress_tick(&pool, 200 * ms), 201 * ms);
	ck_assert_int_eq(n_calls, 0);
	ck_assert_int_eq(ipk__progress_tick(&pool, 201 * ms), 211 * ms);
	ck_assert_int_eq(n_calls, 1);
	ck_assert_int_eq(ipk__progress_tick(&pool, 205 * ms), 211 * ms);
	ck_assert_int_eq(n_calls, 1);
	ck_assert_int_eq(ipk__progress_tick(&pool, 211 * ms), 221 * ms);
	ck_assert_int_eq(n_calls, 2);
	pool.shared->counts.n_done = 2;
	ipk__progress_tick(&pool, 221 * ms);
	ck_assert_int_eq(n_calls, 3);
	ck_assert_uint_eq(last.n_done, 2);
	ipk__progress_tick(&pool, 231 * ms);
	ck_assert_int_eq(n_calls, 3);
	free_pool();
}
END_TEST

START_TEST(work_between_two_looks_is_told_too)
{
	make_pool();
	pool.opts.on_progress = note;
	pool.opts.on_progress_arg = &n_calls;
	ipk__progress_tick(&pool, 1);
	pool.shared->counts.n_submitted = 5;
	pool.shared->counts.n_failed = 5;
	ck_assert_int_eq(ipk__progress_tick(&pool, INT64_MAX), INT64_MAX);
	ck_assert_int_eq(n_calls, 1);
	ck_assert_uint_eq(last.n_failed, 5);
	ipk__progress_tick(&pool, INT64_MAX);
	ck_assert_int_eq(n_calls, 1);
	free_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("progress");

	add_test(s, counters_are_told);
	add_test(s, numbers_that_disagree_are_made_to_agree);
	add_test(s, items_of_running_maps_count);
	add_test(s, items_are_seen_once_at_the_end_of_a_map);
	add_test(s, bad_arguments_are_refused);
	add_test(s, nobody_is_called_who_did_not_ask);
	add_test(s, called_while_there_is_work_and_once_after);
	add_test(s, work_between_two_looks_is_told_too);
	return s;
}
IPK_TEST_MAIN(suite)
