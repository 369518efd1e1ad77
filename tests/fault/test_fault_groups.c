/*
 * test_fault_groups.c - groups of tasks, with the k-th allocation in this process failing, for
 * every k: either an error is returned and nothing has happened, or the call succeeds; nothing is
 * leaked, and the pool works.
 *
 * Futures are recycled, and the pool's thread allocates too: so the number of allocations differs
 * between runs, and k grows until several runs had no k-th.
 */
#include <string.h>

#include "fault/faults.h"
#include "support/shared_flags.h"
#include "support/support.h"

enum { N = 6, MISSES_MAX = 3, K_MAX = 500 };

static ipk_pool *pool;
static int64_t ints[N] = {1, 2, 3, -4, 5, 6};
static ipk_bytes args[N];

static bool is_expected(int r)
{
	return r == 0 || r == -ENOMEM;
}

static void for_each_fault(void (*run)(void))
{
	int n_misses = 0, n_hits = 0;

	for (int i = 0; i < N; i++)
		args[i] = (ipk_bytes){&ints[i], sizeof ints[i]};
	for (long k = 1; k < K_MAX && n_misses < MISSES_MAX; k++) {
		struct leaks before = leaks_now();

		shared_flags_open();
		pool = pool_of(IPK_POOL_PROCESSES, 1);
		fault_only_memory(true);
		fault_arm(k);
		run();
		fault_disarm();
		n_misses = fault_hit() ? 0 : n_misses + 1;
		n_hits += fault_hit() != NULL;
		ck_assert_int_eq(run_int(pool, task_square, 9), 81);
		pool = ipk_pool_close(pool);
		shared_flags_close();
		ck_no_leaks(&before);
	}
	ck_assert_int_eq(n_misses, MISSES_MAX);
	ck_assert_int_gt(n_hits, 0);
}

/* One task less is lost than ended: every future is over in the end. */
static void ck_ended(ipk_future *f)
{
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ipk_future_close(f);
}

static void starmap(void)
{
	ipk_future *f = NULL, *item = NULL;
	size_t n_failed;
	int r = ipk_pool_starmap(pool, task_positive, args, N, NULL, &f);

	ck_assert(is_expected(r));
	ck_assert((r == 0) == (f != NULL));
	if (!f)
		return;
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_failures(f, NULL, 0, &n_failed));
	ck_assert_uint_eq(n_failed, 1);
	ck_ok(ipk_future_item(f, 5, &item));
	ck_assert_int_eq(get_int(item), 36);
	ipk_future_close(item);
	ipk_future_close(f);
}

START_TEST(starmap_or_nothing)
{
	for_each_fault(starmap);
}
END_TEST

static int next_int(void *arg, ipk_bytes *ret_item)
{
	size_t *i = arg;

	if (*i == N)
		return 0;
	*ret_item = args[(*i)++];
	return 1;
}

/* After an error it goes on: each item comes, all the same. */
static void imap_of(bool is_unordered)
{
	bool given[N] = {false};
	int n_given = 0, r;
	ipk_imap *m = NULL;
	ipk_future *f;
	size_t i = 0;

	r = ipk_pool_imap(pool, task_positive, next_int, &i,
			  IPK_IMAP(.is_unordered = is_unordered, .window = 3), &m);
	ck_assert(is_expected(r));
	ck_assert((r == 0) == (m != NULL));
	while (m && (r = ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f)) != -ENOENT) {
		ck_assert(is_expected(r));
		if (r < 0)
			continue;
		ck_assert(!given[ipk_future_index(f)]);
		given[ipk_future_index(f)] = true;
		n_given++;
		ipk_future_close(f);
	}
	ck_assert_int_eq(n_given, m ? N : 0);
	ipk_imap_close(m);
}

static void imap_ordered(void)
{
	imap_of(false);
}

static void imap_unordered(void)
{
	imap_of(true);
}

START_TEST(imap_loses_nothing)
{
	for_each_fault(imap_ordered);
	for_each_fault(imap_unordered);
}
END_TEST

static int add(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	int64_t sum = *(const int64_t *)a->data + *(const int64_t *)b->data;

	return ipk_task_return(task, &sum, sizeof sum);
}

static void map_reduce(void)
{
	int64_t *sum = NULL;
	int r = ipk_pool_map_reduce(pool, task_square, add, args, N, NULL, ipk_in_ms(WAIT_MS),
				    (void **)&sum, NULL);

	ck_assert(is_expected(r));
	ck_assert((r == 0) == (sum != NULL));
	if (sum)
		ck_assert_int_eq(*sum, 1 + 4 + 9 + 16 + 25 + 36);
	free(sum);
}

START_TEST(map_reduce_or_nothing)
{
	for_each_fault(map_reduce);
}
END_TEST

static void several(void)
{
	ipk_future *fs[N] = {NULL};
	ipk_as_completed *iter = NULL;
	int r = 0, n_given = 0;
	size_t index, n = 0;

	while (n < N && r == 0) {
		r = ipk_pool_submit(pool, task_square, &ints[n], sizeof ints[n], NULL, &fs[n]);
		n += r == 0;
	}
	ck_assert(is_expected(r));
	ck_assert(is_expected(ipk_futures_wait(fs, n, IPK_WAIT_FIRST, ipk_in_ms(WAIT_MS))));
	ck_assert(is_expected(ipk_futures_wait(fs, n, IPK_WAIT_FIRST_ERROR, ipk_in_ms(WAIT_MS))));
	r = ipk_as_completed_open(fs, n, &iter);
	ck_assert(is_expected(r));
	ck_assert((r == 0) == (iter != NULL));
	while (iter && ipk_as_completed_next(iter, ipk_in_ms(WAIT_MS), &index) == 0)
		n_given++;
	ck_assert_int_eq(n_given, iter ? (int)n : 0);
	ipk_as_completed_close(iter);
	for (size_t i = 0; i < n; i++)
		ck_ended(fs[i]);
}

START_TEST(waits_for_several)
{
	for_each_fault(several);
}
END_TEST

static int repeat(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int n;

	(void)arg;
	(void)arg_bytes;
	return ipk_task_argf(task, "[* i]", &n) < 0 ? -EPROTO : ipk_task_returnf(task, "i", n);
}

static void typed(void)
{
	char word[200];
	ipk_future *f = NULL;
	int n = 0, r;

	memset(word, 'x', sizeof word);
	r = ipk_pool_submitf(pool, repeat, &f, "[S i]", word, sizeof word, 7);
	ck_assert(is_expected(r));
	ck_assert((r == 0) == (f != NULL));
	if (!f)
		return;
	r = ipk_future_getf(f, ipk_in_ms(WAIT_MS), "i", &n);
	ck_assert(is_expected(r));
	ck_assert_int_eq(n, r == 0 ? 7 : 0);
	ipk_future_close(f);
}

START_TEST(typed_or_nothing)
{
	for_each_fault(typed);
}
END_TEST

/* Deaths that cannot be noted, failures that cannot be kept: the task has failed all the same. */
static void crashing(void)
{
	ipk_failure failure;
	ipk_future *f;

	for (int i = 0; i < 4; i++) {
		int r = ipk_pool_submit(pool, task_kill_self, NULL, 0, NULL, &f);

		ck_assert(is_expected(r));
		if (r < 0)
			continue;
		ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
		ck_ok(ipk_future_failure(f, &failure));
		ck_assert(failure.cause == IPK_FAILURE_DIED ||
			  failure.cause == IPK_FAILURE_QUARANTINED);
		ipk_future_close(f);
	}
}

START_TEST(crashing_without_memory)
{
	for_each_fault(crashing);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fault_groups");

	add_test(s, starmap_or_nothing);
	add_test(s, imap_loses_nothing);
	add_test(s, map_reduce_or_nothing);
	add_test(s, waits_for_several);
	add_test(s, typed_or_nothing);
	add_test(s, crashing_without_memory);
	return s;
}
IPK_TEST_MAIN(suite)
