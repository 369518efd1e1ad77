/*
 * test_fault_map.c - maps with the k-th system call or allocation of their creator failing, for
 * every k: either an error is returned and nothing has happened, or the map completes, and its
 * report on each item is correct.
 */
#include <signal.h>
#include <string.h>

#include "fault/faults.h"
#include "ipk.h"
#include "pool/map_internal.h"
#include "pool/worker.h"
#include "support/support.h"

enum { N = 40, MISSES_MAX = 2, K_MAX = 500 };

static int half(const void *item, void *ret_result)
{
	unsigned x = *(const unsigned *)item;

	*(unsigned *)ret_result = x / 2;
	return x == 10 ? ipk_task_fail(ipk_task_current(), 5, "ten") : 0;
}

static ipk_pool *build(void)
{
	ipk_pool_opts opts = {.struct_size = sizeof opts, .n_workers = 2, .label = "played"};
	ipk_pool *pool;

	ck_ok(ipk__pool_build(&opts, &pool));
	pool->n_workers = 2;
	return pool;
}

/* Worker 1, in this thread, and time. */
static void do_all(ipk_pool *pool)
{
	struct ipk__worker w;

	ipk__worker_init(&w, pool->shared, 1);
	w.is_thread = true;
	while (ipk__worker_do_maps(&w))
		;
	ipk__pool_lock(pool);
	ipk__maps_tick(pool, INT64_MAX / 2);
	ipk__pool_unlock(pool);
	while (ipk__worker_do_maps(&w))
		;
}

/* Worker 0 claims the first chunk and dies at its third item. */
static void die_once(ipk_pool *pool)
{
	const struct ipk__death death = {
		.pid = 4711, .is_known = true, .status = {.signal = SIGKILL}};
	struct ipk__map_job *job = pool->map_state->first;
	struct ipk__pool_worker *record = &pool->shared->workers[0];
	unsigned *results = (unsigned *)((char *)pool->shared + job->plan.results_offset);

	atomic_store(&record->map, job->number + 1);
	atomic_store(&record->chunk, 1);
	atomic_store(&job->words[0], ipk__chunk_word(0, 0, 0, IPK__CHUNK_TAKEN));
	results[0] = 0;
	results[1] = 0;
	atomic_store(&record->item, 3);
	ipk__pool_lock(pool);
	ipk__maps_orphaned(pool, &death);
	ipk__pool_unlock(pool);
}

static void ck_outcome(ipk_future *f, unsigned n_retries)
{
	unsigned results[N];
	ipk_failure failures[N];
	size_t n;
	int r = ipk_future_get(f, results, sizeof results, ipk_now(), NULL);

	/* Where there was no memory to note it, a death is told as an error of the function. */
	ck_assert_msg(r == -EREMOTEIO || (n_retries == 0 && r == -EOWNERDEAD), "-%s after %s",
		      ipk_errname(r), fault_hit());
	for (unsigned i = 0; i < N; i++)
		ck_assert_uint_eq(results[i], (i == 10 || (i == 2 && n_retries == 0)) ? 0 : i / 2);
	ck_ok(ipk_future_failures(f, NULL, 0, &n));
	ck_assert_uint_eq(n, n_retries == 0 ? 2 : 1);
	r = ipk_future_failures(f, failures, N, &n);
	ck_assert(r == 0 || r == -ENOMEM);
	if (r == 0)
		ck_assert(failures[n - 1].index == 10 && failures[n - 1].code == 5);
}

/* _i: how many retries. */
START_TEST(a_map_with_a_death)
{
	int n_misses = 0, n_refused = 0;
	unsigned items[N];

	for (unsigned i = 0; i < N; i++)
		items[i] = i;
	for (long k = 1; k < K_MAX && n_misses < MISSES_MAX; k++) {
		ipk_pool *pool = build();
		ipk_future *f = NULL;
		int r;

		fault_arm(k);
		r = ipk_pool_map_async(
			pool, half, items, 4, 4, N,
			IPK_TASK(.chunk = 7, .n_retries = (unsigned)_i, .retry_delay_ns = 1000),
			&f);
		if (r == 0) {
			die_once(pool);
			do_all(pool);
			ck_assert(ipk_future_is_done(f));
			ck_outcome(f, (unsigned)_i);
		} else {
			ck_assert(r == -ENOMEM || r == FAULT);
			ck_assert(!f && ipk__maps_are_over(pool));
			n_refused++;
		}
		fault_disarm();
		n_misses = fault_hit() ? 0 : n_misses + 1;
		ipk_future_close(f);
		ipk__pool_drop(pool);
	}
	ck_assert_int_eq(n_misses, MISSES_MAX);
	ck_assert_int_gt(n_refused, 2);
}
END_TEST

static int increase(const void *items, void *results, size_t first, size_t n)
{
	const int *xs = items;
	int *ys = results;

	(void)first;
	for (size_t i = 0; i < n; i++)
		ys[i] = xs[i] + 1;
	return 0;
}

START_TEST(array_maps)
{
	int n_misses = 0, n_done = 0;
	ipk_array *a;
	ipk_pool *pool;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'i', .n_items = 1000), &a));
	for (long k = 1; k < K_MAX && n_misses < MISSES_MAX; k++) {
		int r;

		fault_arm(k);
		r = ipk_pool_map_array(pool, increase, a, a, NULL, ipk_in_ms(WAIT_MS));
		fault_disarm();
		n_misses = fault_hit() ? 0 : n_misses + 1;
		ck_assert_msg(r == 0 || fault_hit(), "%s", ipk_errname(r));
		n_done += r == 0;
		for (int i = 0; i < 1000; i++)
			ck_assert_int_eq(((int *)ipk_array_data(a))[i], n_done);
	}
	ck_assert_int_eq(n_misses, MISSES_MAX);
	ipk_pool_close(pool);
	ipk_array_close(a);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fault_map");

	add_loop_test(s, a_map_with_a_death, 0, 2);
	add_test(s, array_maps);
	return s;
}
IPK_TEST_MAIN(suite)
