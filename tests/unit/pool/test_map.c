/*
 * test_map.c - lib/pool/map.c and its neighbours, on thread workers: order and exactness, failing
 * items, time limits, cancelling, many maps at a time.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ipk.h"
#include "os/os.h"
#include "support/support.h"

enum { N_WORKERS = 3 };

static ipk_pool *open_pool(void)
{
	ipk_pool *pool;

	ck_ok(ipk_pool_create(IPK_POOL(.kind = IPK_POOL_THREADS, .n_workers = N_WORKERS), &pool));
	return pool;
}

static int square(const void *item, void *ret_result)
{
	uint64_t x = *(const uint64_t *)item;

	*(uint64_t *)ret_result = x * x + 1;
	return 0;
}

static uint64_t *numbers(size_t n)
{
	uint64_t *xs = malloc((n + 1) * sizeof *xs);

	for (size_t i = 0; i < n; i++)
		xs[i] = i * 3 + 1;
	return xs;
}

static void ck_squares(const uint64_t *xs, const uint64_t *ys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ys[i] != xs[i] * xs[i] + 1)
			ck_abort_msg("result %zu of %zu is wrong", i, n);
}

static void map_squares(ipk_pool *pool, size_t n, size_t chunk)
{
	uint64_t *xs = numbers(n), *ys = calloc(n + 1, sizeof *ys);

	ys[n] = 77;
	ck_ok(ipk_pool_map_items(pool, square, xs, sizeof *xs, ys, sizeof *ys, n,
				 IPK_TASK(.chunk = chunk), ipk_in_ms(WAIT_MS)));
	ck_squares(xs, ys, n);
	ck_assert_uint_eq(ys[n], 77);
	free(xs);
	free(ys);
}

START_TEST(results_are_in_the_order_of_the_items)
{
	static const size_t sizes[] = {0, 1, 2, 3, 63, 64, 65, 1000, 100000};
	static const size_t chunks[] = {0, 1, 3, 64, 200000};
	ipk_pool *pool = open_pool();

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++)
			map_squares(pool, sizes[i], chunks[k]);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(many_small_maps)
{
	ipk_pool *pool = open_pool();

	for (int i = 0; i < repeats(3000); i++)
		map_squares(pool, (size_t)i % 100, (size_t)i % 7);
	ipk_pool_close(pool);
}
END_TEST

/* --- sizes ------------------------------------------------------------------------------------ */

struct wide {
	char bytes[1000];
};

static int flip(const void *item, void *ret_result)
{
	const struct wide *from = item;
	struct wide *to = ret_result;

	for (size_t i = 0; i < sizeof *to; i++)
		to->bytes[i] = (char)~from->bytes[i];
	return 0;
}

static int next_letter(const void *item, void *ret_result)
{
	*(char *)ret_result = (char)(*(const char *)item + 1);
	return 0;
}

static _Atomic uint64_t sum;

static int add_up(const void *item, void *ret_result)
{
	(void)ret_result;
	atomic_fetch_add(&sum, *(const uint64_t *)item);
	return 0;
}

START_TEST(items_of_any_size)
{
	enum { N = 1000 };
	static struct wide from[N], to[N];
	char letters[N], next[N];
	uint64_t *xs = numbers(N);
	ipk_pool *pool = open_pool();

	for (size_t i = 0; i < N; i++) {
		memset(from[i].bytes, (int)i, sizeof from[i].bytes);
		letters[i] = (char)i;
	}
	ck_ok(ipk_pool_map(pool, flip, from, to, N, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pool_map(pool, next_letter, letters, next, N, ipk_in_ms(WAIT_MS)));
	for (size_t i = 0; i < N; i++) {
		ck_assert_int_eq(to[i].bytes[i], (char)~(char)i);
		ck_assert_int_eq(next[i], (char)(i + 1));
	}
	ck_ok(ipk_pool_map_items(pool, add_up, xs, sizeof *xs, NULL, 0, N, NULL,
				 ipk_in_ms(WAIT_MS)));
	ck_assert_uint_eq(atomic_load(&sum), (uint64_t)N * (N - 1) / 2 * 3 + N);
	free(xs);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(what_is_no_map_is_refused)
{
	uint64_t x = 1, y = 5;
	ipk_future *f = NULL;
	size_t n;
	ipk_pool *pool = open_pool();

	ck_err(ipk_pool_map(NULL, square, &x, &y, 1, ipk_now()), -EBADF);
	ck_err(ipk_pool_map(pool, NULL, &x, &y, 1, ipk_now()), -EINVAL);
	ck_err(ipk_pool_map_items(pool, square, NULL, 8, &y, 8, 1, NULL, ipk_now()), -EINVAL);
	ck_err(ipk_pool_map_items(pool, square, &x, 0, &y, 8, 1, NULL, ipk_now()), -EINVAL);
	ck_err(ipk_pool_map_items(pool, square, &x, 8, NULL, 8, 1, NULL, ipk_now()), -EINVAL);
	ck_err(ipk_pool_map_items(pool, square, &x, 8, &y, 8, SIZE_MAX / 4, NULL, ipk_now()),
	       -EMSGSIZE);
	ck_err(ipk_pool_map_items(pool, square, &x, 8, &y, 8, 1, IPK_TASK(.timeout_ns = -1),
				  ipk_now()),
	       -EINVAL);
	ck_err(ipk_pool_map_async(pool, square, &x, 8, 8, 1, NULL, NULL), -EINVAL);
	ck_err(ipk_future_failures(NULL, NULL, 0, &n), -EBADF);
	ck_assert_uint_eq(y, 5);
	ck_ok(ipk_pool_map_async(pool, square, &x, 8, 8, 0, NULL, &f));
	ck_assert(ipk_future_is_done(f));
	ck_err(ipk_future_failures(f, NULL, 0, NULL), -EINVAL);
	ck_ok(ipk_future_failures(f, NULL, 0, &n));
	ck_assert_uint_eq(n, 0);
	ipk_future_close(f);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_err(ipk_pool_map(pool, square, &x, &y, 1, ipk_now()), -ESHUTDOWN);
	ipk_pool_close(pool);
}
END_TEST

/* --- failing items ---------------------------------------------------------------------------- */

static int fail_sevens(const void *item, void *ret_result)
{
	uint64_t x = *(const uint64_t *)item;

	if (x % 7 == 0)
		return ipk_task_fail(ipk_task_current(), (int)x + 1, "%d is no good", (int)x);
	*(uint64_t *)ret_result = x + 1;
	return 0;
}

static void ck_sevens(ipk_future *f, size_t n)
{
	size_t n_failed = 0, n_words = 0;
	ipk_failure *failures = calloc(n, sizeof *failures);

	ck_ok(ipk_future_failures(f, failures, n, &n_failed));
	ck_assert_uint_eq(n_failed, (n + 6) / 7);
	for (size_t i = 0; i < n_failed; i++) {
		char text[64];

		snprintf(text, sizeof text, "%zu is no good", i * 7);
		ck_assert_uint_eq(failures[i].index, i * 7);
		ck_assert_int_eq(failures[i].cause, IPK_FAILURE_TASK);
		ck_assert_int_eq(failures[i].code, (int)(i * 7) + 1);
		ck_assert_uint_eq(failures[i].n_attempts, 1);
		n_words += strcmp(failures[i].text, text) == 0;
	}
	ck_assert_uint_eq(n_words, n_failed < 64 ? n_failed : 64);
	free(failures);
}

START_TEST(failing_items_are_told_of)
{
	enum { N = 10000 };
	static uint64_t xs[N], ys[N];
	ipk_pool *pool = open_pool();
	ipk_failure first;
	ipk_future *f;

	for (size_t i = 0; i < N; i++)
		xs[i] = i;
	for (size_t n = 1; n <= N; n *= 10) {
		memset(ys, 0xee, sizeof ys);
		ck_err(ipk_pool_map(pool, fail_sevens, xs, ys, n, ipk_in_ms(WAIT_MS)), -EREMOTEIO);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(ys[i], i % 7 ? i + 1 : 0xeeeeeeeeeeeeeeee);
		ck_ok(ipk_pool_map_async(pool, fail_sevens, xs, 8, 8, n, NULL, &f));
		ck_err(ipk_future_get(f, ys, sizeof ys, ipk_in_ms(WAIT_MS), NULL), -EREMOTEIO);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(ys[i], i % 7 ? i + 1 : 0);
		ck_ok(ipk_future_failure(f, &first));
		ck_assert_uint_eq(first.index, 0);
		ck_sevens(f, n);
		ipk_future_close(f);
		/* The codes of the last map do not matter to the next. */
		map_squares(pool, n, 0);
	}
	ipk_pool_close(pool);
}
END_TEST

static int always_fail(const void *item, void *ret_result)
{
	(void)item;
	(void)ret_result;
	return -3;
}

START_TEST(all_items_fail)
{
	enum { N = 5000 };
	static char xs[N];
	static ipk_failure failures[N];
	ipk_progress progress;
	ipk_pool *pool = open_pool();
	ipk_future *f;
	size_t n;

	ck_ok(ipk_pool_map_async(pool, always_fail, xs, 1, 1, N, NULL, &f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_FAILED);
	ck_ok(ipk_future_failures(f, failures, N, &n));
	ck_assert_uint_eq(n, N);
	for (size_t i = 0; i < N; i++)
		ck_assert(failures[i].index == i && failures[i].code == -3);
	ipk_future_close(f);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_failed, N);
	ck_assert_uint_eq(progress.n_task_errors, N);
	ck_assert_uint_eq(progress.n_done, 0);
	ipk_pool_close(pool);
}
END_TEST

/* --- cancelling and time limits --------------------------------------------------------------- */

static struct gate gate;
static _Atomic unsigned n_begun;
static _Atomic unsigned n_begun_by[N_WORKERS];

static int wait_for_gate(const void *item, void *ret_result)
{
	atomic_fetch_add(&n_begun, 1);
	atomic_fetch_add(&n_begun_by[ipk_task_worker(ipk_task_current())], 1);
	gate_wait(&gate);
	*(char *)ret_result = *(const char *)item;
	return 0;
}

static bool all_workers_are_in(void *arg)
{
	(void)arg;
	return atomic_load(&n_begun) >= N_WORKERS;
}

static void begin_waiting(ipk_pool *pool, const char *xs, size_t n, size_t chunk,
			  ipk_future **ret_f)
{
	gate_init(&gate);
	ck_ok(ipk_pool_map_async(pool, wait_for_gate, xs, 1, 1, n, IPK_TASK(.chunk = chunk),
				 ret_f));
	ck_assert(wait_until(all_workers_are_in, NULL, WAIT_MS));
}

START_TEST(what_is_cancelled_is_not_begun)
{
	enum { N = 100 };
	static const char xs[N];
	static ipk_failure failures[N];
	ipk_pool *pool = open_pool();
	ipk_future *f;
	size_t n;

	begin_waiting(pool, xs, N, 1, &f);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_RUNNING);
	ck_err(ipk_future_failures(f, NULL, 0, &n), -EAGAIN);
	ck_ok(ipk_future_cancel(f));
	/* It is over although workers are at its items yet. */
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_CANCELLED);
	ck_ok(ipk_future_cancel(f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -ECANCELED);
	ck_ok(ipk_future_failures(f, failures, N, &n));
	ck_assert_uint_eq(n, N);
	for (size_t i = 0; i < N; i++)
		ck_assert(failures[i].index == i && failures[i].cause == IPK_FAILURE_CANCELLED);
	ipk_future_close(f);
	gate_open(&gate);
	map_squares(pool, 1000, 0);
	ck_assert_uint_eq(atomic_load(&n_begun), N_WORKERS);
	ipk_pool_close(pool);
	gate_fini(&gate);
}
END_TEST

START_TEST(what_runs_at_a_shutdown_is_done)
{
	enum { N = 100 };
	static const char xs[N];
	static ipk_failure failures[N];
	ipk_pool *pool = open_pool();
	ipk_future *f;
	size_t n;

	begin_waiting(pool, xs, N, 1, &f);
	ck_ok(ipk_pool_shutdown(pool, IPK_DISCARD));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_RUNNING);
	gate_open(&gate);
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_failures(f, failures, N, &n));
	ck_assert_uint_eq(n, N - N_WORKERS);
	ck_assert_uint_eq(atomic_load(&n_begun), N_WORKERS);
	ipk_pool_close(pool);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_CANCELLED);
	ipk_future_close(f);
	gate_fini(&gate);
}
END_TEST

/* They give back what is left of their chunks. */
START_TEST(retired_workers_end_after_an_item)
{
	enum { N = 300 };
	static const char xs[N];
	char ys[N];
	ipk_pool *pool = open_pool();
	ipk_future *f;

	begin_waiting(pool, xs, N, N / N_WORKERS, &f);
	ck_ok(ipk_pool_resize(pool, 1));
	gate_open(&gate);
	ck_ok(ipk_future_get(f, ys, N, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_uint_eq(atomic_load(&n_begun), N);
	for (int i = 1; i < N_WORKERS; i++)
		ck_assert_uint_eq(atomic_load(&n_begun_by[i]), 1);
	ipk_future_close(f);
	ipk_pool_close(pool);
	gate_fini(&gate);
}
END_TEST

static int until_told(const void *item, void *ret_result)
{
	if (*(const char *)item == 'x')
		while (!ipk_task_should_stop(ipk_task_current()))
			ipk__os_nap(100000);
	*(char *)ret_result = 'd';
	return 0;
}

START_TEST(time_limits)
{
	static const char xs[] = "aaxaaaaxaaaaaaaaaaaa";
	enum { N = sizeof xs - 1 };
	char ys[N];
	ipk_failure failures[N];
	ipk_pool *pool = open_pool();
	ipk_future *f;
	size_t n;

	/* Told, it comes to an end by itself. */
	ck_ok(ipk_pool_map_items(pool, until_told, xs, 1, ys, 1, N,
				 IPK_TASK(.soft_timeout_ns = 20000000), ipk_in_ms(WAIT_MS)));
	for (size_t i = 0; i < N; i++)
		ck_assert_int_eq(ys[i], 'd');
	ck_ok(ipk_pool_map_async(pool, until_told, xs, 1, 1, N, IPK_TASK(.timeout_ns = 20000000),
				 &f));
	ck_err(ipk_future_get(f, ys, N, ipk_in_ms(WAIT_MS), NULL), -ETIME);
	ck_ok(ipk_future_failures(f, failures, N, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert(failures[0].index == 2 && failures[0].cause == IPK_FAILURE_TIMEOUT);
	ck_assert(failures[1].index == 7 && failures[1].cause == IPK_FAILURE_TIMEOUT);
	for (size_t i = 0; i < N; i++)
		ck_assert_int_eq(ys[i], xs[i] == 'x' ? 0 : 'd');
	ipk_future_close(f);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(who_waits_too_long_cancels)
{
	static const char xs[] = "xxxxxxxxxxxxxxxxxxxxxxxxxx";
	enum { N = sizeof xs - 1 };
	char ys[N] = {0};
	ipk_pool *pool = open_pool();

	ck_err(ipk_pool_map(pool, until_told, xs, ys, N, ipk_in_ms(20)), -ETIMEDOUT);
	map_squares(pool, 1000, 1);
	ipk_pool_close(pool);
}
END_TEST

/* --- several ---------------------------------------------------------------------------------- */

START_TEST(more_maps_than_places)
{
	enum { N_MAPS = 40, N = 500 };
	uint64_t *xs = numbers(N), ys[N];
	ipk_future *futures[N_MAPS];
	ipk_pool *pool = open_pool();

	for (int i = 0; i < N_MAPS; i++)
		ck_ok(ipk_pool_map_async(pool, square, xs, 8, 8, N, NULL, &futures[i]));
	for (int i = N_MAPS - 1; i >= 0; i--) {
		ck_ok(ipk_future_get(futures[i], ys, sizeof ys, ipk_in_ms(WAIT_MS), NULL));
		ck_squares(xs, ys, N);
		ipk_future_close(futures[i]);
	}
	/* Nobody looks: they are done nevertheless. */
	for (int i = 0; i < N_MAPS; i++) {
		ck_ok(ipk_pool_map_async(pool, square, xs, 8, 8, N, NULL, &futures[i]));
		ipk_future_close(futures[i]);
	}
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	free(xs);
	ipk_pool_close(pool);
}
END_TEST

/* The last map is over while the supervisor decides whether to sleep, in some of the rounds. */
START_TEST(a_drain_ends_with_the_last_map)
{
	enum { N_ROUNDS = 60, N_MAPS = 20, N = 200 };
	uint64_t *xs = numbers(N);

	for (int round = 0; round < N_ROUNDS; round++) {
		ipk_pool *pool = open_pool();

		for (int i = 0; i < N_MAPS; i++) {
			ipk_future *f;

			ck_ok(ipk_pool_map_async(pool, square, xs, 8, 8, N, NULL, &f));
			ipk_future_close(f);
		}
		ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
		ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
		ipk_pool_close(pool);
	}
	free(xs);
}
END_TEST

static void *map_and_cancel(void *arg)
{
	enum { N = 2000 };
	ipk_pool *pool = arg;
	uint64_t *xs = numbers(N), *ys = calloc(N, sizeof *ys);
	uint64_t random = (uint64_t)(uintptr_t)&xs;

	for (int i = 0; i < repeats(300); i++) {
		size_t n = (random = random * 6364136223846793005u + 1) >> 33;
		ipk_future *f;
		int r;

		ck_ok(ipk_pool_map_async(pool, square, xs, 8, 8, n % N, IPK_TASK(.chunk = n % 5),
					 &f));
		if (n % 3 == 0)
			r = ipk_future_cancel(f);
		r = ipk_future_get(f, ys, N * sizeof *ys, ipk_in_ms(WAIT_MS), NULL);
		ck_assert(r == 0 || (n % 3 == 0 && r == -ECANCELED));
		if (r == 0)
			ck_squares(xs, ys, n % N);
		ipk_future_close(f);
	}
	free(xs);
	free(ys);
	return NULL;
}

START_TEST(maps_from_several_threads)
{
	ipk_pool *pool = open_pool();
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, map_and_cancel, pool);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ipk_pool_close(pool);
}
END_TEST

static int attempt_and_index(const void *item, void *ret_result)
{
	ipk_task *task = ipk_task_current();

	(void)item;
	if (ipk_task_attempt(task) != 1 || ipk_task_worker(task) >= N_WORKERS)
		return 1;
	if (ipk_task_return(task, "x", 1) != -EINVAL)
		return 2;
	*(uint64_t *)ret_result = ipk_task_index(task);
	return 0;
}

START_TEST(an_item_knows_itself)
{
	enum { N = 3000 };
	static uint64_t xs[N], ys[N];
	ipk_pool *pool = open_pool();

	ck_ok(ipk_pool_map(pool, attempt_and_index, xs, ys, N, ipk_in_ms(WAIT_MS)));
	for (size_t i = 0; i < N; i++)
		ck_assert_uint_eq(ys[i], i);
	ipk_pool_close(pool);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("map");

	add_test(s, results_are_in_the_order_of_the_items);
	add_test(s, many_small_maps);
	add_test(s, items_of_any_size);
	add_test(s, what_is_no_map_is_refused);
	add_test(s, failing_items_are_told_of);
	add_test(s, all_items_fail);
	add_test(s, what_is_cancelled_is_not_begun);
	add_test(s, what_runs_at_a_shutdown_is_done);
	add_test(s, retired_workers_end_after_an_item);
	add_test(s, time_limits);
	add_test(s, who_waits_too_long_cancels);
	add_test(s, more_maps_than_places);
	add_test(s, a_drain_ends_with_the_last_map);
	add_test(s, maps_from_several_threads);
	add_test(s, an_item_knows_itself);
	return s;
}
IPK_TEST_MAIN(suite)
