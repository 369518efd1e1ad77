/*
 * test_pool_soak.c - a map of 100,000 tasks under 1,000 random faults: workers killed or stopped
 * for a while, and now and then the process that forks them.
 *
 * The truth is kept outside the pool, in memory that all workers share: how often each item was
 * started and finished. With retries every result is exact. Without, no item is started twice, the
 * failed ones are exactly the unfinished ones (one whose worker was killed after its end and before
 * anybody could know may be among them), and all other results are exact. At the end nothing is
 * leaked: no process, no fd, no name.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pool_fixture.h"

enum { N_ITEMS = 100000, N_WORKERS = 4, N_BLOWS = 1000, ZYGOTE_EVERY = 100 };
enum { LONGEST_MS = 4000 }; /* of a test, on a machine with much else to do: fewer blows then */

struct truth {
	_Atomic uint32_t n_begun[N_ITEMS];
	_Atomic uint32_t n_ended[N_ITEMS];
};

static struct truth *truth;
static uint64_t seed;

static uint64_t answer(uint32_t i)
{
	return (uint64_t)i * i + 7;
}

static uint64_t do_slowly(uint32_t i, int n_turns)
{
	uint64_t y;

	truth->n_begun[i]++;
	y = answer(i);
	for (int k = 0; k < n_turns; k++)
		__asm__ volatile("" : "+r"(y));
	return y;
}

static int do_item(const void *item, void *ret_result)
{
	uint32_t i = *(const uint32_t *)item;

	*(uint64_t *)ret_result = do_slowly(i, 10000);
	truth->n_ended[i]++;
	return 0;
}

static void setup(void)
{
	const char *text = getenv("IPK_SEED");

	seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
	printf("IPK_SEED=%#llx\n", (unsigned long long)seed);
	truth = mmap(NULL, sizeof *truth, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ck_assert_ptr_ne(truth, MAP_FAILED);
	setpgid(0, 0);
	ck_assert_int_eq(getpgrp(), getpid());
}

/* --- blows ------------------------------------------------------------------------------------ */

struct blows {
	unsigned n_killed; /* workers and fork servers */
	unsigned n_stopped;
	pid_t stopped; /* by us, and to be continued */
	unsigned stopped_number;
	pid_t killed[N_WORKERS]; /* last: it takes a while to be gone, and counts once */
	ipk_deadline end;
};

static bool goes_on(const struct blows *blows, unsigned n_blows)
{
	return blows->n_killed + blows->n_stopped < repeats(n_blows) &&
	       ipk_deadline_left_ns(blows->end) > 0;
}

static void strike(const ipk_pool *pool, struct blows *blows)
{
	unsigned number = next_random(&seed) % N_WORKERS;

	if (blows->stopped) {
		signal_worker(pool, blows->stopped_number, SIGCONT);
		blows->stopped = 0;
	} else if (next_random(&seed) % ZYGOTE_EVERY == 0) {
		blows->n_killed += signal_zygote(pool, SIGKILL) > 0;
	} else if (next_random(&seed) % 8 == 0) {
		blows->stopped = signal_worker(pool, number, SIGSTOP);
		blows->stopped_number = number;
		blows->n_stopped += blows->stopped > 0;
	} else {
		pid_t pid = signal_worker(pool, number, SIGKILL);

		blows->n_killed += pid > 0 && pid != blows->killed[number];
		blows->killed[number] = pid;
	}
}

/* Until the future is over. */
static void rain_blows(const ipk_pool *pool, ipk_future *f, struct blows *blows)
{
	ipk_deadline end = ipk_in_ms(WAIT_MS);

	while (ipk_future_wait(f, ipk_in_ns(next_random(&seed) % 2000000)) == -ETIMEDOUT) {
		ck_assert_msg(ipk_deadline_left_ns(end) > 0, "the map hangs");
		if (blows->n_killed + blows->n_stopped < N_BLOWS || blows->stopped)
			strike(pool, blows);
	}
}

/* --- a round: one map ------------------------------------------------------------------------- */

static void run_map(ipk_pool *pool, unsigned n_retries, struct blows *blows, uint64_t *results,
		    ipk_failure *failures, size_t *ret_n_failed)
{
	static uint32_t items[N_ITEMS];
	IPK_AUTO(future, f);

	memset(truth, 0, sizeof *truth);
	for (uint32_t i = 0; i < N_ITEMS; i++)
		items[i] = i;
	ck_ok(ipk_pool_map_async(pool, do_item, items, sizeof items[0], sizeof results[0], N_ITEMS,
				 IPK_TASK(.n_retries = n_retries), &f));
	rain_blows(pool, f, blows);
	ck_ok(ipk_future_failures(f, failures, N_ITEMS, ret_n_failed));
	if (*ret_n_failed == 0)
		ck_ok(ipk_future_get(f, results, N_ITEMS * sizeof results[0], ipk_now(), NULL));
	else
		ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -EOWNERDEAD);
}

static uint64_t results[N_ITEMS];
static ipk_failure failures[N_ITEMS];
static bool has_failed[N_ITEMS];

static void check_exact(void)
{
	for (uint32_t i = 0; i < N_ITEMS; i++)
		ck_assert_msg(results[i] == answer(i) && truth->n_ended[i] >= 1,
			      "item %u was begun %u times and gave %llu", i, truth->n_begun[i],
			      (unsigned long long)results[i]);
}

static void check_failures(size_t n_failed)
{
	memset(has_failed, 0, sizeof has_failed);
	for (size_t k = 0; k < n_failed; k++) {
		ck_assert_uint_lt(failures[k].index, N_ITEMS);
		ck_assert_msg(failures[k].cause == IPK_FAILURE_DIED, "item %zu: %s",
			      failures[k].index, failures[k].text);
		ck_assert_int_eq(failures[k].code, -EOWNERDEAD);
		ck_assert_msg(k == 0 || failures[k - 1].index < failures[k].index,
			      "item %zu is in the list twice or in the wrong place",
			      failures[k].index);
		has_failed[failures[k].index] = true;
	}
	for (uint32_t i = 0; i < N_ITEMS; i++) {
		ck_assert_msg(truth->n_begun[i] <= 1, "item %u was begun %u times", i,
			      truth->n_begun[i]);
		ck_assert_msg(has_failed[i] || truth->n_ended[i] == 1, "item %u is lost", i);
	}
}

/* --- the tests -------------------------------------------------------------------------------- */

static ipk_pool *create(void)
{
	ipk_pool *pool;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = N_WORKERS, .quarantine_deaths = UINT32_MAX),
			      &pool));
	return pool;
}

static void end(ipk_pool *pool)
{
	ipk_pool_close(pool);
	ck_assert_msg(is_deserted(getpid(), 1000), "processes are left");
	ck_assert_int_eq(crowd_of(getpid()).n_zombies, 0);
}

START_TEST(with_retries_exact)
{
	struct blows blows = {.end = ipk_in_ms(LONGEST_MS)};
	ipk_progress progress;
	ipk_pool *pool;
	size_t n_failed;

	setup();
	pool = create();
	do {
		run_map(pool, 1000, &blows, results, failures, &n_failed);
		ck_assert_uint_eq(n_failed, 0);
		check_exact();
	} while (goes_on(&blows, N_BLOWS));
	ck_ok(ipk_pool_progress(pool, &progress));
	printf("%u killed, %u stopped; %llu begun again, %u replaced\n", blows.n_killed,
	       blows.n_stopped, (unsigned long long)progress.n_retried, progress.n_replaced);
	ck_assert_uint_gt(progress.n_retried, 0);
	ck_assert_uint_eq(progress.n_failed, 0);
	end(pool);
}
END_TEST

START_TEST(without_retries_the_exact_list)
{
	struct blows blows = {.end = ipk_in_ms(LONGEST_MS)};
	ipk_progress progress;
	uint64_t n_all = 0;
	ipk_pool *pool;
	size_t n_failed;

	setup();
	pool = create();
	do {
		run_map(pool, 0, &blows, results, failures, &n_failed);
		check_failures(n_failed);
		n_all += n_failed;
	} while (goes_on(&blows, N_BLOWS));
	ck_ok(ipk_pool_progress(pool, &progress));
	printf("%u killed, %u stopped; %llu failed, %u replaced\n", blows.n_killed, blows.n_stopped,
	       (unsigned long long)n_all, progress.n_replaced);
	ck_assert_uint_gt(n_all, 0);
	ck_assert_uint_eq(progress.n_failed, n_all);
	ck_assert_uint_eq(progress.n_died, n_all);
	ck_assert_uint_eq(progress.n_retried, 0);
	end(pool);
}
END_TEST

/* --- single tasks ----------------------------------------------------------------------------- */

enum { N_TASKS = 10000, CANCEL_EVERY = 50 };

static ipk_future *futures[N_TASKS];
static unsigned n_called[N_TASKS];
static bool is_cancelled[N_TASKS];

static int do_task(ipk_task *task, const void *arg, size_t arg_bytes)
{
	uint32_t i = *(const uint32_t *)arg;
	uint64_t y = do_slowly(i, 100000);
	int r = ipk_task_return(task, &y, sizeof y);

	truth->n_ended[i]++;
	return arg_bytes == sizeof i ? r : -EINVAL;
}

static void was_done(ipk_future *f, void *arg)
{
	(void)f;
	++*(unsigned *)arg;
}

/* Those with odd numbers may be begun again. */
static void submit_all(ipk_pool *pool)
{
	memset(truth, 0, sizeof *truth);
	memset(is_cancelled, 0, sizeof is_cancelled);
	for (uint32_t i = 0; i < N_TASKS; i++) {
		ck_ok(ipk_pool_submit(pool, do_task, &i, sizeof i,
				      IPK_TASK(.n_retries = i % 2 ? 1000 : 0), &futures[i]));
		ck_ok(ipk_future_on_done(futures[i], was_done, &n_called[i]));
	}
}

static void rain_blows_and_cancel(const ipk_pool *pool, struct blows *blows)
{
	ipk_deadline end = ipk_in_ms(WAIT_MS);
	int64_t ns;

	while (ns = next_random(&seed) % 2000000,
	       ipk_futures_wait(futures, N_TASKS, IPK_WAIT_ALL, ipk_in_ns(ns)) == -ETIMEDOUT) {
		uint32_t i = next_random(&seed) % (N_TASKS / CANCEL_EVERY) * CANCEL_EVERY;

		ck_assert_msg(ipk_deadline_left_ns(end) > 0, "a task hangs");
		strike(pool, blows);
		is_cancelled[i] = ipk_future_cancel(futures[i]) == 0 || is_cancelled[i];
	}
	if (blows->stopped)
		strike(pool, blows);
}

static void check_task(uint32_t i)
{
	ipk_failure failure;
	uint64_t y = 0;
	int r = ipk_future_get(futures[i], &y, sizeof y, ipk_now(), NULL);

	ck_ok(ipk_future_failure(futures[i], &failure));
	if (r == 0)
		ck_assert(!is_cancelled[i] && y == answer(i) && truth->n_ended[i] >= 1);
	else if (r == -ECANCELED)
		ck_assert(is_cancelled[i] && failure.cause == IPK_FAILURE_CANCELLED);
	else
		ck_assert_msg(r == -EOWNERDEAD && failure.cause == IPK_FAILURE_DIED && i % 2 == 0,
			      "task %u ended with -%s: %s", i, ipk_errname(r), failure.text);
	ck_assert_msg(i % 2 || truth->n_begun[i] <= 1, "task %u was begun %u times", i,
		      truth->n_begun[i]);
	futures[i] = ipk_future_close(futures[i]);
}

START_TEST(each_task_ends_once)
{
	struct blows blows = {.end = ipk_in_ms(LONGEST_MS)};
	unsigned n_rounds = 0;
	ipk_pool *pool;

	setup();
	pool = create();
	do {
		n_rounds++;
		submit_all(pool);
		rain_blows_and_cancel(pool, &blows);
		for (uint32_t i = 0; i < N_TASKS; i++)
			check_task(i);
	} while (goes_on(&blows, N_BLOWS / 4));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	for (uint32_t i = 0; i < N_TASKS; i++)
		ck_assert_msg(n_called[i] == n_rounds, "task %u was reported %u times in %u rounds",
			      i, n_called[i], n_rounds);
	printf("%u killed, %u stopped\n", blows.n_killed, blows.n_stopped);
	end(pool);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool soak");

	add_test(s, with_retries_exact);
	add_test(s, without_retries_the_exact_list);
	add_test(s, each_task_ends_once);
	return s;
}
IPK_TEST_MAIN(suite)
