/*
 * test_pool_map.c - maps on worker processes that are killed, stopped, replaced, too slow: each
 * item is done once or fails once, and failures are reported exactly.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipk.h"
#include "os/os.h"
#include "pool/pool_internal.h"
#include "support/support.h"

enum { N_WORKERS = 2 };

static ipk_pool *open_pool_with(ipk_pool_opts *opts)
{
	ipk_pool *pool;

	opts->struct_size = sizeof *opts;
	if (opts->n_workers == 0)
		opts->n_workers = N_WORKERS;
	ck_ok(ipk_pool_create(opts, &pool));
	return pool;
}

static ipk_pool *open_pool(void)
{
	return open_pool_with(&(ipk_pool_opts){0});
}

static int square(const void *item, void *ret_result)
{
	uint64_t x = *(const uint64_t *)item;

	*(uint64_t *)ret_result = x * x + 1;
	return 0;
}

static void map_squares(ipk_pool *pool, size_t n, size_t chunk)
{
	uint64_t *xs = calloc(n + 1, sizeof *xs), *ys = calloc(n + 1, sizeof *ys);

	for (size_t i = 0; i < n; i++)
		xs[i] = i * 3;
	ck_ok(ipk_pool_map_items(pool, square, xs, 8, ys, 8, n, IPK_TASK(.chunk = chunk),
				 ipk_in_ms(WAIT_MS)));
	for (size_t i = 0; i < n; i++)
		if (ys[i] != i * i * 9 + 1)
			ck_abort_msg("result %zu of %zu is wrong", i, n);
	free(xs);
	free(ys);
}

START_TEST(results_are_in_the_order_of_the_items)
{
	static const size_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, 100000};
	static const size_t chunks[] = {0, 1, 3, 200000};
	ipk_pool *pool = open_pool();

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++)
			map_squares(pool, sizes[i], chunks[k]);
	ipk_pool_close(pool);
}
END_TEST

/* --- random kills ----------------------------------------------------------------------------- */

struct killer {
	ipk_pool *pool;
	pthread_t thread;
	_Atomic bool ends;
	unsigned n_kills;
	uint64_t random;
};

static uint32_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*random >> 33);
}

/* One that runs its tasks: others would be started in vain. */
static void kill_one(struct killer *k)
{
	unsigned i = next_random(&k->random) % N_WORKERS;
	struct ipk__worker_handle *m = &k->pool->handles[i];

	ipk__pool_lock(k->pool);
	if (m->is_there && m->is_ready && ipk__os_pidfd_signal(m->child.pidfd, SIGKILL) == 0)
		k->n_kills++;
	ipk__pool_unlock(k->pool);
}

static void *kill_workers(void *arg)
{
	struct killer *k = arg;

	while (!atomic_load(&k->ends)) {
		ipk__os_nap(next_random(&k->random) % 2000000);
		kill_one(k);
	}
	return NULL;
}

static void begin_kills(struct killer *k, ipk_pool *pool)
{
	*k = (struct killer){.pool = pool, .random = (uint64_t)ipk__os_now_ns()};
	pthread_create(&k->thread, NULL, kill_workers, k);
}

static void end_kills(struct killer *k)
{
	atomic_store(&k->ends, true);
	pthread_join(k->thread, NULL);
	ck_assert_uint_gt(k->n_kills, 0);
}

static int square_slowly(const void *item, void *ret_result)
{
	int64_t end_ns = ipk__os_now_ns() + 4000;

	while (ipk__os_now_ns() < end_ns)
		;
	return square(item, ret_result);
}

enum { N_KILLED = 40000 };
static uint64_t xs_killed[N_KILLED], ys_killed[N_KILLED];

static void ck_killed(size_t i)
{
	if (ys_killed[i] != xs_killed[i] * xs_killed[i] + 1)
		ck_abort_msg("result %zu is wrong", i);
}

static size_t make_killed(void)
{
	size_t n = repeats(N_KILLED);

	for (size_t i = 0; i < n; i++)
		xs_killed[i] = i + 5;
	memset(ys_killed, 0xee, sizeof ys_killed);
	return n;
}

/* _i: the chunk, 0 is chosen. */
START_TEST(killed_with_retries)
{
	ipk_pool *pool = open_pool_with(&(ipk_pool_opts){.quarantine_deaths = UINT32_MAX});
	size_t n = make_killed();
	struct killer k;

	begin_kills(&k, pool);
	ck_ok(ipk_pool_map_items(pool, square_slowly, xs_killed, 8, ys_killed, 8, n,
				 IPK_TASK(.n_retries = 1000, .chunk = (size_t)_i),
				 ipk_in_ms(WAIT_MS)));
	end_kills(&k);
	for (size_t i = 0; i < n; i++)
		ck_killed(i);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(killed_without_retries)
{
	ipk_pool *pool = open_pool();
	size_t n = make_killed(), n_failed, at = 0;
	ipk_failure *failures;
	ipk_progress progress;
	ipk_future *f;
	struct killer k;

	begin_kills(&k, pool);
	ck_ok(ipk_pool_map_async(pool, square_slowly, xs_killed, 8, 8, n,
				 IPK_TASK(.chunk = (size_t)_i), &f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	end_kills(&k);
	(void)!ipk_future_get(f, ys_killed, n * 8, ipk_now(), NULL);
	ck_ok(ipk_future_failures(f, NULL, 0, &n_failed));
	ck_assert_uint_le(n_failed, k.n_kills);
	failures = calloc(n_failed + 1, sizeof *failures);
	ck_ok(ipk_future_failures(f, failures, n_failed, &n_failed));
	for (size_t i = 0; i < n; i++) {
		if (at == n_failed || i != failures[at].index) {
			ck_killed(i);
			continue;
		}
		ck_assert_uint_eq(ys_killed[i], 0);
		ck_assert_int_eq(failures[at].cause, IPK_FAILURE_DIED);
		ck_assert_int_eq(failures[at].status.signal, SIGKILL);
		ck_assert_uint_eq(failures[at].n_attempts, 1);
		at++;
	}
	ck_assert_uint_eq(at, n_failed);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_done, n - n_failed);
	ck_assert_uint_eq(progress.n_died, n_failed);
	ck_assert_uint_eq(progress.n_queued, 0);
	free(failures);
	ipk_future_close(f);
	ipk_pool_close(pool);
}
END_TEST

/* --- items that end their worker -------------------------------------------------------------- */

static int by_letter(const void *item, void *ret_result)
{
	unsigned attempt = ipk_task_attempt(ipk_task_current());
	char letter = *(const char *)item;

	if (letter == 'k' || (letter == 't' && attempt < 3))
		raise(SIGKILL);
	if (letter == 'e')
		_exit(7);
	if (letter == 'f')
		return ipk_task_fail(ipk_task_current(), 9, "f is no good");
	if (letter == 's')
		raise(SIGSTOP);
	if (letter == 'l')
		for (;;)
			ipk__os_nap(900000000);
	*(char *)ret_result = (char)('0' + attempt);
	return 0;
}

static const char letters[] = "aakaeaaafaakkaaa";
enum { N_LETTERS = sizeof letters - 1 };

/* _i: the chunk. */
START_TEST(each_death_costs_one_item)
{
	ipk_failure failures[N_LETTERS];
	char ys[N_LETTERS + 1] = {0};
	ipk_pool *pool = open_pool_with(&(ipk_pool_opts){.quarantine_deaths = UINT32_MAX});
	ipk_future *f;
	size_t n;

	ck_ok(ipk_pool_map_async(pool, by_letter, letters, 1, 1, N_LETTERS,
				 IPK_TASK(.chunk = (size_t)_i), &f));
	ck_err(ipk_future_get(f, ys, N_LETTERS, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	for (size_t i = 0; i < N_LETTERS; i++)
		ck_assert_int_eq(ys[i], letters[i] == 'a' ? '1' : 0);
	ck_ok(ipk_future_failures(f, failures, N_LETTERS, &n));
	ck_assert_uint_eq(n, 5);
	ck_assert(failures[0].index == 2 && failures[0].status.signal == SIGKILL);
	ck_assert_ptr_nonnull(strstr(failures[0].text, "killed by signal 9"));
	ck_assert(failures[1].index == 4 && failures[1].status.exit_code == 7);
	ck_assert(failures[2].index == 8 && failures[2].cause == IPK_FAILURE_TASK);
	ck_assert_str_eq(failures[2].text, "f is no good");
	ck_assert(failures[3].index == 11 && failures[3].cause == IPK_FAILURE_DIED);
	ck_assert(failures[4].index == 12 && failures[4].pid != failures[3].pid);
	ipk_future_close(f);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(retries_are_counted)
{
	static const char items[] = "aataaatk";
	char ys[sizeof items] = {0};
	ipk_failure failure;
	ipk_progress progress;
	ipk_pool *pool = open_pool_with(&(ipk_pool_opts){.quarantine_deaths = 100});
	ipk_future *f;
	size_t n;

	ck_ok(ipk_pool_map_async(
		pool, by_letter, items, 1, 1, 8,
		IPK_TASK(.chunk = (size_t)_i, .n_retries = 2, .retry_delay_ns = 5000000), &f));
	ck_err(ipk_future_get(f, ys, 8, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	ck_assert_str_eq(ys, "1131113");
	ck_ok(ipk_future_failures(f, &failure, 1, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(failure.index, 7);
	ck_assert_uint_eq(failure.n_attempts, 3);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_retried, 6);
	ipk_future_close(f);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(crashing_task_is_quarantined)
{
	char ys[4] = {0};
	ipk_failure failure;
	ipk_progress progress;
	ipk_pool *pool = open_pool_with(&(ipk_pool_opts){.quarantine_deaths = 2});
	ipk_future *f;

	for (int i = 0; i < 2; i++) {
		ck_ok(ipk_pool_map_async(pool, by_letter, "aka", 1, 1, 3,
					 IPK_TASK(.chunk = 3, .n_retries = 10), &f));
		ck_err(ipk_future_get(f, ys, 3, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
		ck_assert(ys[0] == '1' && ys[1] == 0 && ys[2] == '1');
		ck_ok(ipk_future_failure(f, &failure));
		ck_assert_int_eq(failure.cause, IPK_FAILURE_QUARANTINED);
		ck_assert_uint_eq(failure.index, 1);
		ck_assert_uint_eq(failure.n_attempts, i == 0 ? 2 : 0);
		ipk_future_close(f);
	}
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_quarantined, 2);
	ipk_pool_close(pool);
}
END_TEST

/* --- slow ones -------------------------------------------------------------------------------- */

START_TEST(too_slow_items_are_stopped)
{
	static const char items[] = "aalaaaaalaaaa";
	enum { N = sizeof items - 1 };
	char ys[N];
	ipk_failure failures[N];
	ipk_pool *pool = open_pool();
	ipk_future *f;
	size_t n;

	ck_ok(ipk_pool_map_async(pool, by_letter, items, 1, 1, N, IPK_TASK(.timeout_ns = 30000000),
				 &f));
	ck_err(ipk_future_get(f, ys, N, ipk_in_ms(WAIT_MS), NULL), -ETIME);
	for (size_t i = 0; i < N; i++)
		ck_assert_int_eq(ys[i], items[i] == 'a' ? '1' : 0);
	ck_ok(ipk_future_failures(f, failures, N, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert(failures[0].index == 2 && failures[0].cause == IPK_FAILURE_TIMEOUT);
	ck_assert(failures[1].index == 8 && failures[1].pid != 0);
	ipk_future_close(f);
	map_squares(pool, 1000, 1);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(cancelled_workers_are_replaced)
{
	static const char items[] = "llllllllll";
	ipk_pool *pool = open_pool();
	ipk_future *f;
	char ys[10];

	for (int i = 0; i < 5; i++) {
		ck_ok(ipk_pool_map_async(pool, by_letter, items, 1, 1, 10, NULL, &f));
		ck_ok(ipk_future_cancel(f));
		ck_err(ipk_future_get(f, ys, 10, ipk_now(), NULL), -ECANCELED);
		ipk_future_close(f);
		map_squares(pool, 1000, 0);
	}
	ck_err(ipk_pool_map(pool, by_letter, items, ys, 10, ipk_in_ms(10)), -ETIMEDOUT);
	map_squares(pool, 1000, 0);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(cancelled_at_random)
{
	uint64_t random = (uint64_t)ipk__os_now_ns();
	ipk_pool *pool = open_pool();
	size_t n = make_killed();

	for (int i = 0; i < repeats(60); i++) {
		ipk_future *f;
		int r;

		ck_ok(ipk_pool_map_async(pool, square_slowly, xs_killed, 8, 8, n / 100,
					 IPK_TASK(.chunk = next_random(&random) % 4), &f));
		ipk__os_nap(next_random(&random) % 4000000);
		r = ipk_future_cancel(f);
		ck_assert(r == 0 || r == -EALREADY);
		r = ipk_future_get(f, ys_killed, n * 8, ipk_in_ms(WAIT_MS), NULL);
		ck_assert(r == 0 || r == -ECANCELED);
		/* What was done stays done. */
		for (size_t k = 0; k < n / 100; k++)
			if (r == 0 || ys_killed[k] != 0)
				ck_killed(k);
		ipk_future_close(f);
	}
	map_squares(pool, 1000, 0);
	ipk_pool_close(pool);
}
END_TEST

/* A worker that is stopped is not dead: its item is waited for, and others go on. */
static bool all_but_one_are_done(void *arg)
{
	ipk_progress progress;

	ck_ok(ipk_pool_progress(arg, &progress));
	return progress.n_done == 9;
}

static bool some_worker_is_stopped(void *arg)
{
	ipk_pool *pool = arg;

	for (unsigned i = 0; i < N_WORKERS; i++)
		if (pool->handles[i].is_there && is_stopped(pool->handles[i].child.pid))
			return true;
	return false;
}

START_TEST(stopped_is_not_dead)
{
	char ys[11] = {0};
	ipk_pool *pool = open_pool();
	ipk_future *f;

	ck_ok(ipk_pool_map_async(pool, by_letter, "aaasaaaaaa", 1, 1, 10, IPK_TASK(.chunk = 1),
				 &f));
	ck_assert(wait_until(some_worker_is_stopped, pool, WAIT_MS));
	ck_assert(wait_until(all_but_one_are_done, pool, WAIT_MS));
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_RUNNING);
	map_squares(pool, 1000, 1);
	for (unsigned i = 0; i < N_WORKERS; i++)
		kill(pool->handles[i].child.pid, SIGCONT);
	ck_ok(ipk_future_get(f, ys, 10, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_str_eq(ys, "1111111111");
	ipk_future_close(f);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(a_stopped_one_can_be_cancelled)
{
	ipk_pool *pool = open_pool();
	ipk_future *f;

	ck_ok(ipk_pool_map_async(pool, by_letter, "aaasaaaaaa", 1, 1, 10, NULL, &f));
	ck_assert(wait_until(some_worker_is_stopped, pool, WAIT_MS));
	ck_ok(ipk_future_cancel(f));
	ipk_future_close(f);
	for (int i = 0; i < 20; i++)
		map_squares(pool, 1000, 1);
	ipk_pool_close(pool);
}
END_TEST

/* --- workers that do no more than so much ----------------------------------------------------- */

static int pid_of(const void *item, void *ret_result)
{
	(void)item;
	*(pid_t *)ret_result = getpid();
	return 0;
}

START_TEST(items_count_as_tasks)
{
	enum { N = 300, N_MAX = 25 };
	static char items[N];
	pid_t pids[N];
	ipk_pool *pool = open_pool_with(&(ipk_pool_opts){.max_tasks_per_worker = N_MAX});

	ck_ok(ipk_pool_map_items(pool, pid_of, items, 1, pids, sizeof *pids, N,
				 IPK_TASK(.chunk = (size_t)_i), ipk_in_ms(WAIT_MS)));
	for (int i = 0; i < N; i++) {
		int n = 0;

		for (int k = 0; k < N; k++)
			n += pids[k] == pids[i];
		ck_assert_int_le(n, N_MAX);
	}
	ipk_pool_close(pool);
}
END_TEST

/* --- shared arrays ---------------------------------------------------------------------------- */

enum { N_ARRAY = 20000 };

/* One function for each typecode: y = x + 1, and that at the right place. */
#define ADD_ONE(name, type)                                                                 \
	static int add_one_##name(const void *items, void *results, size_t first, size_t n) \
	{                                                                                   \
		const type *xs = items;                                                     \
		type *ys = results;                                                         \
                                                                                            \
		if (n == 0 || first + n > N_ARRAY)                                          \
			return 1;                                                           \
		for (size_t i = 0; i < n; i++)                                              \
			ys[i] = (type)(xs[i] + 1);                                          \
		return 0;                                                                   \
	}
ADD_ONE(char, char)
ADD_ONE(schar, signed char)
ADD_ONE(uchar, unsigned char)
ADD_ONE(short, short)
ADD_ONE(ushort, unsigned short)
ADD_ONE(int, int)
ADD_ONE(uint, unsigned)
ADD_ONE(long, long)
ADD_ONE(ulong, unsigned long)
ADD_ONE(llong, long long)
ADD_ONE(ullong, unsigned long long)
ADD_ONE(float, float)
ADD_ONE(double, double)

static const struct {
	char typecode;
	ipk_slice_fn add_one;
} types[] = {
	{'c', add_one_char},   {'b', add_one_schar}, {'B', add_one_uchar},  {'h', add_one_short},
	{'H', add_one_ushort}, {'i', add_one_int},   {'I', add_one_uint},   {'l', add_one_long},
	{'L', add_one_ulong},  {'q', add_one_llong}, {'Q', add_one_ullong}, {'f', add_one_float},
	{'d', add_one_double},
};
enum { N_TYPES = sizeof types / sizeof *types };

static ipk_array *new_array(char typecode, size_t n)
{
	ipk_array *a;

	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = typecode, .n_items = n), &a));
	return a;
}

static void ck_all_items_are(ipk_array *a, const void *item)
{
	const char *data = ipk_array_data(a);
	size_t n_bytes = ipk_array_item_bytes(a);

	for (size_t i = 0; i < ipk_array_len(a); i++)
		if (memcmp(data + i * n_bytes, item, n_bytes) != 0)
			ck_abort_msg("item %zu of '%c' is wrong", i, ipk_array_typecode(a));
}

/* In place, three times, and then into another. */
static void add_ones(ipk_pool *pool, ipk_slice_fn add_one, ipk_array *a, size_t chunk)
{
	ipk_array *b = new_array(ipk_array_typecode(a), N_ARRAY);
	uint64_t want[4] = {0};

	for (int i = 0; i < 4; i++) {
		ck_ok(ipk_pool_map_array(pool, add_one, a, i < 3 ? a : b, IPK_TASK(.chunk = chunk),
					 ipk_in_ms(WAIT_MS)));
		ck_ok(add_one(&want[i > 0 ? i - 1 : 3], &want[i], 0, 1));
	}
	ck_all_items_are(a, &want[2]);
	ck_all_items_are(b, &want[3]);
	ipk_array_close(b);
}

/* _i: 0 arrays from before the pool, 1 from after it, 2 threads. */
START_TEST(arrays_of_every_type)
{
	ipk_array *arrays[N_TYPES];
	ipk_pool *pool = NULL;

	for (int i = 0; i < N_TYPES; i++) {
		if (i == 0 && _i > 0)
			pool = open_pool_with(&(ipk_pool_opts){
				.kind = _i == 2 ? IPK_POOL_THREADS : IPK_POOL_PROCESSES});
		arrays[i] = new_array(types[i].typecode, N_ARRAY);
	}
	if (_i == 0)
		pool = open_pool();
	for (int i = 0; i < N_TYPES; i++) {
		add_ones(pool, types[i].add_one, arrays[i], (size_t)i * 100);
		ipk_array_close(arrays[i]);
	}
	ipk_pool_close(pool);
}
END_TEST

static int halve(const void *items, void *results, size_t first, size_t n)
{
	const double *xs = items;
	float *ys = results;

	for (size_t i = 0; i < n; i++) {
		if (xs[i] != (double)(first + i))
			return 1;
		ys[i] = (float)(xs[i] / 2);
	}
	return 0;
}

static void halve_one(ipk_pool *pool, ipk_array *xs, ipk_array *ys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((double *)ipk_array_data(xs))[i] = (double)i;
	ck_ok(ipk_pool_map_array(pool, halve, xs, ys, NULL, ipk_in_ms(WAIT_MS)));
	for (size_t i = 0; i < n; i++)
		ck_assert(((float *)ipk_array_data(ys))[i] == (float)i / 2);
}

/* More than workers can have at a time, of any length, some by name. */
START_TEST(many_arrays)
{
	ipk_pool *pool = open_pool();

	for (size_t i = 0; i < 100; i++) {
		char name[UNIQUE_NAME_BYTES];
		size_t n = i < 3 ? i : i * 997;
		ipk_array *xs, *ys = new_array('f', n);

		unique_name(name, "xs");
		ck_ok(ipk_array_create(
			IPK_ARRAY(.typecode = 'd', .n_items = n, .name = i % 3 ? NULL : name),
			&xs));
		halve_one(pool, xs, ys, n);
		if (i % 3 == 0)
			ck_ok(ipk_array_unlink(name));
		ipk_array_close(xs);
		ipk_array_close(ys);
	}
	ipk_pool_close(pool);
}
END_TEST

static int read_only_sum(const void *items, void *results, size_t first, size_t n)
{
	const uint64_t *xs = items;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += xs[i];
	return results == NULL && sum == n * 3 ? 0 : (int)first + 1;
}

START_TEST(arrays_that_cannot_be_mapped)
{
	ipk_array *xs = new_array('Q', 1000), *ys = new_array('d', 999);
	uint64_t three = 3;
	ipk_pool *pool = open_pool();

	ck_ok(ipk_array_fill(xs, 0, 1000, &three, 8, ipk_in_ms(WAIT_MS), NULL));
	ck_err(ipk_pool_map_array(NULL, halve, xs, NULL, NULL, ipk_now()), -EBADF);
	ck_err(ipk_pool_map_array(pool, halve, NULL, NULL, NULL, ipk_now()), -EBADF);
	ck_err(ipk_pool_map_array(pool, NULL, xs, NULL, NULL, ipk_now()), -EINVAL);
	ck_err(ipk_pool_map_array(pool, halve, xs, ys, NULL, ipk_now()), -EINVAL);
	ck_ok(ipk_pool_map_array(pool, read_only_sum, xs, NULL, NULL, ipk_in_ms(WAIT_MS)));
	((uint64_t *)ipk_array_data(xs))[500] = 4;
	ck_err(ipk_pool_map_array(pool, read_only_sum, xs, NULL, NULL, ipk_in_ms(WAIT_MS)),
	       -EREMOTEIO);
	ipk_pool_close(pool);
	ipk_array_close(xs);
	ipk_array_close(ys);
}
END_TEST

static int count_slowly(const void *items, void *results, size_t first, size_t n)
{
	int64_t end_ns = ipk__os_now_ns() + 200000;

	while (ipk__os_now_ns() < end_ns)
		;
	return halve(items, results, first, n);
}

/* Workers that were killed are replaced by others that have not heard of the arrays. */
START_TEST(array_maps_survive_kills)
{
	ipk_pool *pool = open_pool();
	ipk_array *xs = new_array('d', N_ARRAY), *ys = new_array('f', N_ARRAY);
	struct killer k;

	for (size_t i = 0; i < N_ARRAY; i++)
		((double *)ipk_array_data(xs))[i] = (double)i;
	begin_kills(&k, pool);
	ck_ok(ipk_pool_map_array(pool, count_slowly, xs, ys,
				 IPK_TASK(.chunk = 20, .n_retries = 1000), ipk_in_ms(WAIT_MS)));
	end_kills(&k);
	for (size_t i = 0; i < N_ARRAY; i++)
		ck_assert(((float *)ipk_array_data(ys))[i] == (float)i / 2);
	ipk_pool_close(pool);
	ipk_array_close(xs);
	ipk_array_close(ys);
}
END_TEST

static int wait_until_told(const void *items, void *results, size_t first, size_t n)
{
	(void)first;
	while (!ipk_task_should_stop(ipk_task_current()))
		ipk__os_nap(1000000);
	memset(results, *(const char *)items, n);
	return 0;
}

/* _i: processes, threads. After it nobody is at the array any more. */
START_TEST(array_maps_end_in_time)
{
	ipk_pool *pool = open_pool_with(&(ipk_pool_opts){.kind = (ipk_pool_kind)_i});
	ipk_array *xs = new_array('b', N_ARRAY);

	ck_err(ipk_pool_map_array(pool, wait_until_told, xs, xs, NULL, ipk_in_ms(20)), -ETIMEDOUT);
	ipk_array_close(xs);
	map_squares(pool, 1000, 1);
	ipk_pool_close(pool);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool_map");

	add_test(s, results_are_in_the_order_of_the_items);
	add_loop_test(s, killed_with_retries, 0, 2);
	add_loop_test(s, killed_without_retries, 0, 2);
	add_loop_test(s, each_death_costs_one_item, 0, 6);
	add_loop_test(s, retries_are_counted, 1, 5);
	add_test(s, crashing_task_is_quarantined);
	add_test(s, too_slow_items_are_stopped);
	add_test(s, cancelled_workers_are_replaced);
	add_test(s, cancelled_at_random);
	add_test(s, stopped_is_not_dead);
	add_test(s, a_stopped_one_can_be_cancelled);
	add_loop_test(s, items_count_as_tasks, 1, 4);
	add_loop_test(s, arrays_of_every_type, 0, 3);
	add_test(s, many_arrays);
	add_test(s, arrays_that_cannot_be_mapped);
	add_test(s, array_maps_survive_kills);
	add_loop_test(s, array_maps_end_in_time, 0, 2);
	return s;
}
IPK_TEST_MAIN(suite)
