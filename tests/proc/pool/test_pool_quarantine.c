/*
 * test_pool_quarantine.c - tasks that kill their workers: retried as often and as late as allowed,
 * then held in quarantine; other tasks are not affected. And all workers killed at once.
 */
#include <signal.h>
#include <string.h>

#include "os/os.h"
#include "support/shared_flags.h"
#include "support/support.h"

static ipk_pool *pool;

static void open_pool(const ipk_pool_opts *opts)
{
	shared_flags_open();
	ck_ok(ipk_pool_create(opts, &pool));
}

static void close_pool(void)
{
	pool = ipk_pool_close(pool);
	shared_flags_close();
}

static ipk_failure fail_of(ipk_future *f, int error)
{
	ipk_failure failure;

	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), error);
	ck_ok(ipk_future_failure(f, &failure));
	ipk_future_close(f);
	return failure;
}

static ipk_future *submit_crashing(int64_t dose, const ipk_task_opts *opts)
{
	ipk_future *f = NULL;

	ck_ok(ipk_pool_submit(pool, task_kill_self, &dose, sizeof dose, opts, &f));
	return f;
}

static ipk_progress progress_now(void)
{
	ipk_progress progress;

	ck_ok(ipk_pool_progress(pool, &progress));
	return progress;
}

START_TEST(a_death_costs_one_task)
{
	ipk_future *fs[200];
	ipk_failure failure;

	open_pool(IPK_POOL(.n_workers = 2));
	for (int64_t i = 0; i < 200; i++)
		fs[i] = i == 50 ? submit_crashing(0, NULL) : submit_int(pool, task_square, i);
	for (int64_t i = 0; i < 200; i++) {
		if (i == 50)
			continue;
		ck_assert_int_eq(get_int(fs[i]), i * i);
		ipk_future_close(fs[i]);
	}
	failure = fail_of(fs[50], -EOWNERDEAD);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
	ck_assert_uint_eq(failure.n_attempts, 1);
	ck_assert_int_gt(failure.pid, 0);
	ck_assert_int_eq(failure.status.signal, SIGKILL);
	ck_assert_ptr_nonnull(strstr(failure.text, "signal 9"));
	ck_assert_uint_eq(progress_now().n_died, 1);
	close_pool();
}
END_TEST

START_TEST(it_is_begun_again_so_often_and_so_late)
{
	int64_t begin = ipk__os_now_ns();
	ipk_failure failure;

	open_pool(IPK_POOL(.n_workers = 2, .quarantine_deaths = 100));
	failure = fail_of(submit_crashing(1, IPK_TASK(.n_retries = 3, .retry_delay_ns = 20000000)),
			  -EOWNERDEAD);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
	ck_assert_uint_eq(failure.n_attempts, 4);
	ck_assert_int_eq(shared_flags->n_begun, 4);
	ck_assert_uint_eq(progress_now().n_retried, 3);
	ck_assert_int_ge(ipk__os_now_ns() - begin, (20 + 40 + 80) * 1000000);
	close_pool();
}
END_TEST

START_TEST(too_often_is_quarantined)
{
	ipk_failure failure;

	open_pool(IPK_POOL(.n_workers = 2));
	failure = fail_of(submit_crashing(2, IPK_TASK(.n_retries = 10)), -EOWNERDEAD);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_QUARANTINED);
	ck_assert_uint_eq(failure.n_attempts, 3);
	ck_assert_int_eq(failure.status.signal, SIGKILL);
	ck_assert_ptr_nonnull(strstr(failure.text, "3 workers"));
	ck_assert_int_eq(shared_flags->n_begun, 3);
	/* It fails at once now, with nobody hurt. */
	failure = fail_of(submit_crashing(2, IPK_TASK(.n_retries = 10)), -EOWNERDEAD);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_QUARANTINED);
	ck_assert_uint_eq(failure.n_attempts, 0);
	ck_assert_int_eq(shared_flags->n_begun, 3);
	ck_assert_uint_eq(progress_now().n_quarantined, 2);
	ck_assert_uint_eq(progress_now().n_submitted, 2);
	/* Another argument is another task, and so is another function. */
	failure = fail_of(submit_crashing(3, NULL), -EOWNERDEAD);
	ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(run_int(pool, task_square, 2), 4);
	close_pool();
}
END_TEST

START_TEST(deaths_of_the_same_task_add_up)
{
	open_pool(IPK_POOL(.n_workers = 1, .quarantine_deaths = 2));
	ck_assert_int_eq(fail_of(submit_crashing(4, NULL), -EOWNERDEAD).cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(fail_of(submit_crashing(4, NULL), -EOWNERDEAD).cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(fail_of(submit_crashing(4, NULL), -EOWNERDEAD).cause,
			 IPK_FAILURE_QUARANTINED);
	ck_assert_int_eq(shared_flags->n_begun, 2);
	close_pool();
}
END_TEST

START_TEST(forgiven_it_may_try_again)
{
	open_pool(IPK_POOL(.n_workers = 1, .quarantine_deaths = 1));
	ck_err(ipk_pool_forgive(NULL), -EBADF);
	ck_assert_int_eq(fail_of(submit_crashing(5, NULL), -EOWNERDEAD).cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(fail_of(submit_crashing(5, NULL), -EOWNERDEAD).cause,
			 IPK_FAILURE_QUARANTINED);
	ck_ok(ipk_pool_forgive(pool));
	ck_assert_int_eq(fail_of(submit_crashing(5, NULL), -EOWNERDEAD).cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(shared_flags->n_begun, 2);
	close_pool();
}
END_TEST

/* What is made of tasks hears of it: a quarantined member is over while it is submitted. */
START_TEST(groups_bear_quarantined_members)
{
	int64_t doses[3] = {6, 6, 7};
	ipk_bytes args[3];
	ipk_failure failures[3];
	ipk_future *f;
	size_t n;

	open_pool(IPK_POOL(.n_workers = 1, .quarantine_deaths = 1));
	for (int i = 0; i < 3; i++)
		args[i] = (ipk_bytes){&doses[i], sizeof doses[i]};
	fail_of(submit_crashing(6, NULL), -EOWNERDEAD);
	ck_ok(ipk_pool_starmap(pool, task_kill_self, args, 3, NULL, &f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	ck_ok(ipk_future_failures(f, failures, 3, &n));
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(failures[0].cause, IPK_FAILURE_QUARANTINED);
	ck_assert_int_eq(failures[1].cause, IPK_FAILURE_QUARANTINED);
	ck_assert_int_eq(failures[2].cause, IPK_FAILURE_DIED);
	ck_assert_uint_eq(failures[2].index, 2);
	ipk_future_close(f);
	close_pool();
}
END_TEST

static int one_crashing(void *arg, ipk_bytes *ret_item)
{
	static const int64_t dose = 6;
	int *n_left = arg;

	*ret_item = (ipk_bytes){&dose, sizeof dose};
	return (*n_left)-- > 0;
}

START_TEST(imaps_bear_quarantined_items)
{
	for (int is_unordered = 0; is_unordered < 2; is_unordered++) {
		int n_left = 5;
		ipk_future *f;
		ipk_imap *m;

		open_pool(IPK_POOL(.n_workers = 1, .quarantine_deaths = 1));
		fail_of(submit_crashing(6, NULL), -EOWNERDEAD);
		ck_ok(ipk_pool_imap(pool, task_kill_self, one_crashing, &n_left,
				    IPK_IMAP(.is_unordered = is_unordered), &m));
		for (int i = 0; i < 5; i++) {
			ck_ok(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f));
			ck_assert_int_eq(fail_of(f, -EOWNERDEAD).cause, IPK_FAILURE_QUARANTINED);
		}
		ck_err(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f), -ENOENT);
		ipk_imap_close(m);
		close_pool();
	}
}
END_TEST

static int no_combine(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	(void)b;
	return ipk_task_return(task, a->data, a->len_bytes);
}

START_TEST(a_map_reduce_with_a_crashing_task_ends)
{
	int64_t doses[40] = {0};
	ipk_bytes args[40];
	void *data = NULL;

	open_pool(IPK_POOL(.n_workers = 2, .quarantine_deaths = 1));
	for (int i = 0; i < 40; i++)
		args[i] = (ipk_bytes){&doses[i], sizeof doses[i]};
	for (int i = 0; i < 2; i++)
		ck_err(ipk_pool_map_reduce(pool, task_kill_self, no_combine, args, 40, NULL,
					   ipk_in_ms(WAIT_MS), &data, NULL),
		       -EOWNERDEAD);
	ck_assert_ptr_null(data);
	ck_assert_int_eq(run_int(pool, task_square, 2), 4);
	close_pool();
}
END_TEST

enum { N_SHAKY = 300 };

/* Every 17th kills its worker when it is begun first. */
static int task_shaky(ipk_task *task, const void *arg, size_t arg_bytes)
{
	if (*(const int64_t *)arg % 17 == 3 && ipk_task_attempt(task) == 1)
		kill(ipk__os_pid(), SIGKILL);
	return task_square(task, arg, arg_bytes);
}

static int add_shaky(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	int64_t sum = *(const int64_t *)a->data + *(const int64_t *)b->data;

	if (sum % 13 == 1 && ipk_task_attempt(task) == 1)
		kill(ipk__os_pid(), SIGKILL);
	return ipk_task_return(task, &sum, sizeof sum);
}

static int64_t shaky[N_SHAKY];
static ipk_bytes shaky_args[N_SHAKY];

static int next_shaky(void *arg, ipk_bytes *ret_item)
{
	size_t *i = arg;

	if (*i == N_SHAKY)
		return 0;
	*ret_item = shaky_args[(*i)++];
	return 1;
}

static void open_shaky(void)
{
	open_pool(IPK_POOL(.n_workers = 3));
	for (int i = 0; i < N_SHAKY; i++) {
		shaky[i] = i;
		shaky_args[i] = (ipk_bytes){&shaky[i], sizeof shaky[i]};
	}
}

START_TEST(with_retries_a_starmap_is_exact)
{
	ipk_future *f;

	open_shaky();
	ck_ok(ipk_pool_starmap(pool, task_shaky, shaky_args, N_SHAKY, IPK_TASK(.n_retries = 1),
			       &f));
	ck_ok(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
	for (size_t i = 0; i < N_SHAKY; i++) {
		ipk_future *item;

		ck_ok(ipk_future_item(f, i, &item));
		ck_assert_int_eq(get_int(item), (int64_t)(i * i));
		ipk_future_close(item);
	}
	ck_assert_uint_eq(progress_now().n_retried, (N_SHAKY - 4) / 17 + 1);
	ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(without_retries_its_failures_are)
{
	ipk_failure failures[N_SHAKY];
	ipk_future *f;
	size_t n;

	open_shaky();
	ck_ok(ipk_pool_starmap(pool, task_shaky, shaky_args, N_SHAKY, NULL, &f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	ck_ok(ipk_future_failures(f, failures, N_SHAKY, &n));
	ck_assert_uint_eq(n, (N_SHAKY - 4) / 17 + 1);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(failures[i].index, i * 17 + 3);
		ck_assert_int_eq(failures[i].cause, IPK_FAILURE_DIED);
	}
	ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(with_retries_an_imap_is_exact)
{
	for (int is_unordered = 0; is_unordered < 2; is_unordered++) {
		bool given[N_SHAKY] = {false};
		ipk_future *f;
		ipk_imap *m;
		size_t i = 0;

		open_shaky();
		ck_ok(ipk_pool_imap(
			pool, task_shaky, next_shaky, &i,
			IPK_IMAP(.is_unordered = is_unordered, .task = IPK_TASK(.n_retries = 1)),
			&m));
		for (size_t n = 0; n < N_SHAKY; n++) {
			size_t index;

			ck_ok(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f));
			index = ipk_future_index(f);
			ck_assert(is_unordered || index == n);
			ck_assert(!given[index]);
			given[index] = true;
			ck_assert_int_eq(get_int(f), (int64_t)(index * index));
			ipk_future_close(f);
		}
		ck_err(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f), -ENOENT);
		ipk_imap_close(m);
		close_pool();
	}
}
END_TEST

START_TEST(with_retries_a_map_reduce_is_exact)
{
	int64_t *sum = NULL, n = N_SHAKY;

	open_shaky();
	ck_ok(ipk_pool_map_reduce(pool, task_shaky, add_shaky, shaky_args, N_SHAKY,
				  IPK_TASK(.n_retries = 1), ipk_in_ms(WAIT_MS), (void **)&sum,
				  NULL));
	ck_assert_int_eq(*sum, (n - 1) * n * (2 * n - 1) / 6);
	ck_assert_uint_ge(progress_now().n_retried, (N_SHAKY - 4) / 17 + 1);
	free(sum);
	close_pool();
}
END_TEST

enum { N_WAITING = 1000, N_WORKERS = 4 };

static pid_t pids[N_WORKERS];

static int task_pid_when_raised(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int64_t n = *(const int64_t *)arg;

	(void)arg_bytes;
	/* The first of each worker says who it is. */
	if (n < N_WORKERS)
		atomic_store(&shared_flags->flags[ipk_task_worker(task)], ipk__os_pid());
	return task_when_raised(task, &(int64_t){N_FLAGS - 1}, sizeof n);
}

/* All workers at once, while futures wait: each ends in one way, and nothing is lost. */
START_TEST(every_worker_killed)
{
	ipk_future **fs = calloc(N_WAITING, sizeof *fs);
	int n_done = 0, n_died = 0;
	ipk_failure failure;

	open_pool(IPK_POOL(.n_workers = N_WORKERS));
	for (int64_t i = 0; i < N_WAITING; i++)
		fs[i] = submit_int(pool, task_pid_when_raised, i);
	ck_begun(N_WORKERS);
	for (int i = 0; i < N_WORKERS; i++)
		pids[i] = atomic_load(&shared_flags->flags[i]);
	for (int i = 0; i < N_WORKERS; i++) {
		ck_assert_int_gt(pids[i], 0);
		ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
	}
	shared_flags_raise(N_FLAGS - 1);
	ck_ok(ipk_futures_wait(fs, N_WAITING, IPK_WAIT_ALL, ipk_in_ms(WAIT_MS)));
	for (int i = 0; i < N_WAITING; i++) {
		ck_ok(ipk_future_failure(fs[i], &failure));
		n_done += failure.cause == IPK_FAILURE_NONE;
		n_died += failure.cause == IPK_FAILURE_DIED;
		ipk_future_close(fs[i]);
	}
	ck_assert_int_eq(n_died, N_WORKERS);
	ck_assert_int_eq(n_done + n_died, N_WAITING);
	ck_assert_uint_eq(progress_now().n_died, N_WORKERS);
	close_pool();
	free(fs);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool_quarantine");

	add_test(s, a_death_costs_one_task);
	add_test(s, it_is_begun_again_so_often_and_so_late);
	add_test(s, too_often_is_quarantined);
	add_test(s, deaths_of_the_same_task_add_up);
	add_test(s, forgiven_it_may_try_again);
	add_test(s, groups_bear_quarantined_members);
	add_test(s, imaps_bear_quarantined_items);
	add_test(s, a_map_reduce_with_a_crashing_task_ends);
	add_test(s, with_retries_a_starmap_is_exact);
	add_test(s, without_retries_its_failures_are);
	add_test(s, with_retries_an_imap_is_exact);
	add_test(s, with_retries_a_map_reduce_is_exact);
	add_test(s, every_worker_killed);
	return s;
}
IPK_TEST_MAIN(suite)
