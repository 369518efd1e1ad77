/*
 * test_pool_workers.c - the workers of a pool: started, lost, replaced, terminated.
 *
 * What the tests need to know of events in workers is in memory shared with them.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/pool.h"
#include "pool/pool_internal.h"
#include "pool_fixture.h"
#include "process/zygote_internal.h"
#include "support/memory_group.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool is_sanitized = true; /* which takes much memory itself */
#else
static const bool is_sanitized = false;
#endif

struct fixture {
	_Atomic int refuses; /* what the initializer gives */
	_Atomic int n_initialized;
	_Atomic int n_runs;
	_Atomic int may_end;
	_Atomic int is_running;
	_Atomic int n_by_pid[1 << 22]; /* tasks that a process ran */
};

static struct fixture *fixture;

static void set_up(void)
{
	fixture = mmap(NULL, sizeof *fixture, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(fixture, MAP_FAILED);
}

static void tear_down(void)
{
	munmap(fixture, sizeof *fixture);
}

static int initialize(void *arg)
{
	(void)arg;
	atomic_fetch_add(&fixture->n_initialized, 1);
	return atomic_load(&fixture->refuses);
}

static int initialize_badly(void *arg)
{
	int how = *(int *)arg;

	if (how == 0)
		return -EIO;
	if (how == 1)
		exit(0);
	if (how == 2)
		raise(SIGKILL);
	return 1;
}

static int square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int x;

	ck_assert_uint_eq(arg_bytes, sizeof x);
	memcpy(&x, arg, sizeof x);
	atomic_fetch_add(&fixture->n_runs, 1);
	atomic_fetch_add(&fixture->n_by_pid[getpid()], 1);
	x *= x;
	return ipk_task_return(task, &x, sizeof x);
}

static int end_by(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int how;

	(void)task;
	memcpy(&how, arg, arg_bytes);
	if (how == 0)
		exit(7);
	if (how == 1)
		_exit(8);
	raise(how);
	return 0;
}

static int wait_for_end(ipk_task *task, const void *arg, size_t arg_bytes)
{
	pid_t pid = getpid();

	(void)arg;
	(void)arg_bytes;
	atomic_store(&fixture->is_running, pid);
	while (!atomic_load(&fixture->may_end))
		usleep(1000);
	return ipk_task_return(task, &pid, sizeof pid);
}

static bool is_running(void *arg)
{
	(void)arg;
	return atomic_load(&fixture->is_running) != 0;
}

static bool all_are_idle(void *arg)
{
	ipk_pool *pool = arg;
	unsigned n = 0;

	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		n += atomic_load(&pool->shared->workers[i].state) == IPK__WORKER_IDLE;
	return n == pool->n_workers;
}

/* @n squares, all of them right, also when a worker that is being killed takes one. */
static void ck_squares(ipk_pool *pool, int n)
{
	ipk_future **futures = calloc((size_t)n, sizeof(ipk_future *));

	for (int i = 0; i < n; i++)
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, IPK_TASK(.n_retries = 5),
				      &futures[i]));
	for (int i = 0; i < n; i++) {
		int x = -1;

		ck_ok(ipk_future_get(futures[i], &x, sizeof x, ipk_in_ms(WAIT_MS), NULL));
		ck_assert_int_eq(x, i * i);
		ipk_future_close(futures[i]);
	}
	free(futures);
}

static ipk_failure failure_of(ipk_future *f)
{
	ipk_failure failure;

	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_failure(f, &failure));
	return failure;
}

/* --- beginning -------------------------------------------------------------------------------- */

START_TEST(an_initializer_that_fails_leaves_nothing)
{
	int hows[] = {0, 1, 2, 3};
	ipk_pool *pool = NULL;

	ck_err(ipk_pool_create(IPK_POOL(.n_workers = 3, .initializer = initialize_badly,
					.initializer_arg = &hows[_i]),
			       &pool),
	       -EREMOTEIO);
	ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(a_thread_whose_initializer_fails_leaves_nothing)
{
	int how = 0;
	ipk_pool *pool = NULL;

	ck_err(ipk_pool_create(IPK_POOL(.kind = IPK_POOL_THREADS, .n_workers = 3,
					.initializer = initialize_badly, .initializer_arg = &how),
			       &pool),
	       -EREMOTEIO);
	ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(each_worker_is_initialized_before_the_pool_is_there)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(pool, threads);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 5, .initializer = initialize), &pool));
	ck_assert_int_eq(atomic_load(&fixture->n_initialized), 5);
	ck_ok(ipk_pool_create(
		IPK_POOL(.kind = IPK_POOL_THREADS, .n_workers = 4, .initializer = initialize),
		&threads));
	ck_assert_int_eq(atomic_load(&fixture->n_initialized), 9);
	ck_squares(pool, 100);
	ck_squares(threads, 100);
}
END_TEST

static unsigned n_alive(ipk_pool *pool)
{
	unsigned n;

	ipk__pool_lock(pool);
	n = ipk__workers_n_alive(pool);
	ipk__pool_unlock(pool);
	return n;
}

static bool is_recovered(void *pool)
{
	return n_alive(pool) == 2 && all_are_idle(pool);
}

/* Four times beside the two that the pool began with. */
static bool was_tried_often(void *arg)
{
	(void)arg;
	return atomic_load(&fixture->n_initialized) >= 6;
}

START_TEST(an_initializer_that_fails_later_is_tried_ever_more_slowly)
{
	IPK_AUTO(pool, pool);
	int64_t begun_ns;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .initializer = initialize), &pool));
	atomic_store(&fixture->refuses, -EIO);
	begun_ns = ipk__os_now_ns();
	ck_assert_int_ne(signal_worker(pool, 0, SIGKILL), 0);
	ck_squares(pool, 2000); /* the other one does it */
	ck_assert(wait_until(was_tried_often, NULL, WAIT_MS));
	/* 10 + 20 + 40 ms lie between the first and the fourth. */
	ck_assert_int_ge(ipk__os_now_ns() - begun_ns, 70000000);
	atomic_store(&fixture->refuses, 0);
	ck_assert(wait_until(is_recovered, pool, WAIT_MS));
	ck_squares(pool, 100);
}
END_TEST

START_TEST(workers_have_names)
{
	IPK_AUTO(pool, pool);
	char path[64], name[32] = "";
	FILE *file;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .label = "a-rather-long-label"), &pool));
	snprintf(path, sizeof path, "/proc/%d/comm", (int)pool->handles[1].child.pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(name, sizeof name, file));
	fclose(file);
	ck_assert_str_eq(name, "a-rather-long-1\n");
}
END_TEST

/* --- deaths ----------------------------------------------------------------------------------- */

START_TEST(a_task_that_ends_its_worker_fails_alone)
{
	int hows[] = {0, 1, SIGKILL, SIGUSR1, SIGUSR2};
	int code[] = {7, 8, -1, -1, -1};
	IPK_AUTO(pool, pool);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	for (size_t i = 0; i < IPK__N_OF(hows); i++) {
		IPK_AUTO(future, f);
		ipk_failure failure;

		ck_ok(ipk_pool_submit(pool, end_by, &hows[i], sizeof hows[i], NULL, &f));
		failure = failure_of(f);
		ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
		ck_assert_int_gt(failure.pid, 0);
		ck_assert_int_eq(failure.status.exit_code, code[i]);
		ck_assert_int_eq(failure.status.signal, code[i] < 0 ? hows[i] : 0);
		ck_squares(pool, 50);
	}
}
END_TEST

static int leave_thread(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	pthread_exit(NULL);
}

START_TEST(a_task_that_ends_its_thread_fails_alone)
{
	IPK_AUTO(pool, pool);

	ck_ok(ipk_pool_create(
		IPK_POOL(.n_workers = 2, .kind = IPK_POOL_THREADS, .quarantine_deaths = UINT_MAX),
		&pool));
	for (int i = 0; i < 5; i++) {
		IPK_AUTO(future, f);

		ck_ok(ipk_pool_submit(pool, leave_thread, NULL, 0, NULL, &f));
		ck_assert_int_eq(failure_of(f).cause, IPK_FAILURE_DIED);
		ck_squares(pool, 50);
	}
}
END_TEST

static int give_much(ipk_task *task, const void *arg, size_t arg_bytes)
{
	size_t n_bytes = (size_t)1 << 20;
	char *data = malloc(n_bytes);
	int r;

	ck_assert_uint_eq(arg_bytes, 1);
	memset(data, *(const char *)arg, n_bytes);
	r = ipk_task_return(task, data, n_bytes);
	free(data);
	return r;
}

START_TEST(results_outlive_their_worker)
{
	IPK_AUTO(pool, pool);
	ipk_future *much[10];
	IPK_AUTO(future, death);
	int how = SIGKILL;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	for (int i = 0; i < 10; i++) {
		char c = (char)('a' + i);

		ck_ok(ipk_pool_submit(pool, give_much, &c, 1, NULL, &much[i]));
	}
	ck_ok(ipk_pool_submit(pool, end_by, &how, sizeof how, NULL, &death));
	ck_assert_int_eq(failure_of(death).cause, IPK_FAILURE_DIED);
	for (int i = 0; i < 10; i++) {
		size_t n_bytes;
		void *data;

		ck_ok(ipk_future_get_alloc(much[i], ipk_in_ms(WAIT_MS), &data, &n_bytes));
		ck_assert_uint_eq(n_bytes, (size_t)1 << 20);
		ck_assert_int_eq(((char *)data)[0], 'a' + i);
		ck_assert_int_eq(((char *)data)[n_bytes - 1], 'a' + i);
		free(data);
		ipk_future_close(much[i]);
	}
}
END_TEST

START_TEST(the_room_of_read_results_is_given_back)
{
	IPK_AUTO(pool, pool);
	struct ipk__os_stat st;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	for (int i = 0; i < 20; i++) {
		IPK_AUTO(future, f);

		ck_ok(ipk_pool_submit(pool, give_much, "x", 1, NULL, &f));
		ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	}
	ck_ok(ipk__os_stat(pool->handles[0].spill_fd, &st));
	ck_assert_uint_eq(st.size_bytes, (uint64_t)20 << 20);
	ck_assert_uint_eq(st.used_bytes, 0);
}
END_TEST

START_TEST(idle_workers_hold_nothing)
{
	IPK_AUTO(pool, pool);
	uint64_t seed = 1;
	int n_killed = 0;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 4), &pool));
	while (n_killed < repeats(100)) {
		n_killed += signal_worker(pool, next_random(&seed) % 4, SIGKILL) != 0;
		if (n_killed % 5 == 0)
			ck_squares(pool, 3);
	}
	ck_squares(pool, 1000);
}
END_TEST

START_TEST(a_stopped_worker_is_not_dead)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, f);
	pid_t pid, by;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_ok(ipk_pool_submit(pool, wait_for_end, NULL, 0, NULL, &f));
	ck_assert(wait_until(is_running, NULL, WAIT_MS));
	pid = atomic_load(&fixture->is_running);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	atomic_store(&fixture->may_end, 1);
	ck_squares(pool, 500);
	ck_err(ipk_future_wait(f, ipk_in_ms(200)), -ETIMEDOUT);
	ck_assert_int_eq(ipk_future_state_of(f), IPK_FUTURE_RUNNING);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	ck_ok(ipk_future_get(f, &by, sizeof by, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_int_eq(by, pid);
}
END_TEST

START_TEST(a_pool_may_end_while_a_worker_is_stopped)
{
	ipk_pool *pool;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_assert_int_ne(signal_worker(pool, 1, SIGSTOP), 0);
	ck_squares(pool, 100);
	ipk_pool_close(pool);
}
END_TEST

START_TEST(when_the_zygote_is_killed_its_standby_takes_over)
{
	IPK_AUTO(pool, pool);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	for (int i = 0; i < 5; i++) {
		ck_assert_int_ne(signal_zygote(pool, SIGKILL), 0);
		ck_squares(pool, 5);
		ck_assert(wait_until(is_recovered, pool, WAIT_MS));
	}
	ck_squares(pool, 500);
}
END_TEST

START_TEST(while_the_zygote_is_stopped_the_others_go_on)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, f);
	int how = SIGKILL;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_assert_int_ne(signal_zygote(pool, SIGSTOP), 0);
	ck_ok(ipk_pool_submit(pool, end_by, &how, sizeof how, NULL, &f));
	ck_squares(pool, 500);
	ck_assert_int_eq(failure_of(f).cause, IPK_FAILURE_DIED);
	ck_squares(pool, 500);
	ck_assert_int_ne(signal_zygote(pool, SIGCONT), 0);
	ck_assert(wait_until(is_recovered, pool, WAIT_MS));
	ck_squares(pool, 500);
}
END_TEST

/* Its workers are root's yet. */
static int give_up_root(void *arg)
{
	ipk_pool *pool = NULL;
	ipk_future *busy = NULL, *next = NULL;
	ipk_failure failure;

	if (ipk_pool_create(IPK_POOL(.n_workers = 1), &pool) != 0 ||
	    ipk_pool_submit(pool, wait_for_end, NULL, 0, NULL, &busy) != 0 ||
	    ipk_pool_submit(pool, square, &(int){1}, sizeof(int), NULL, &next) != 0 ||
	    !wait_until(is_running, NULL, WAIT_MS))
		return 1;
	if (*(bool *)arg && signal_zygote(pool, SIGSTOP) == 0)
		return 1;
	if (setuid(65534) != 0)
		return 1;
	if (ipk_future_cancel(busy) != 0 || ipk_future_wait(next, ipk_in_ms(WAIT_MS)) != 0 ||
	    ipk_future_failure(busy, &failure) != 0 || failure.cause != IPK_FAILURE_CANCELLED)
		return 2;
	atomic_store(&fixture->is_running, 0);
	if (ipk_pool_submit(pool, wait_for_end, NULL, 0, NULL, NULL) != 0 ||
	    !wait_until(is_running, NULL, WAIT_MS))
		return 3;
	ipk_pool_close(pool);
	ipk_future_close(busy);
	ipk_future_close(next);
	/* Nobody of them is left. */
	if (waitpid(-1, NULL, 0) != -1)
		return 4;
	return kill(atomic_load(&fixture->is_running), 0) == -1 && errno == ESRCH ? 0 : 5;
}

/* Its children are in another pid namespace, where the numbers in shared memory mean nothing. */
static int create_for_another_namespace(void *arg)
{
	ipk_pool *pool = NULL;

	(void)arg;
	if (unshare(CLONE_NEWPID) < 0) {
		fprintf(stderr, "skipped: no pid namespace may be made here\n");
		return 0;
	}
	return ipk_pool_create(IPK_POOL(.n_workers = 2), &pool) == -EXDEV && !pool ? 0 : 1;
}

START_TEST(workers_in_another_pid_namespace_are_refused)
{
	reap_ok(spawn(create_for_another_namespace, NULL));
}
END_TEST

START_TEST(a_creator_that_gave_up_root_can_end_it)
{
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root can give it up\n");
		return;
	}
	/* Also where the process that can still kill them is stopped. */
	reap_ok(spawn(give_up_root, &(bool){_i == 1}));
}
END_TEST

START_TEST(a_pool_may_end_while_its_zygote_is_stopped)
{
	ipk_pool *pool;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_assert_int_ne(signal_zygote(pool, SIGSTOP), 0);
	ck_assert_int_ne(signal_worker(pool, 0, SIGKILL), 0);
	ipk_pool_close(pool);
}
END_TEST

static pid_t killed_pid;

static void read_zygote(ipk_pool *pool, pid_t *ret_pid, pid_t *ret_standby)
{
	ipk__pool_lock(pool); /* it may be another one any moment */
	ipk__zygote_pids(pool->zygote, ret_pid, ret_standby);
	ipk__pool_unlock(pool);
}

static bool has_another_zygote(void *pool)
{
	pid_t pid, standby;

	read_zygote(pool, &pid, &standby);
	return pid > 0 && standby > 0 && pid != killed_pid;
}

static void kill_for_good(ipk_pool *pool)
{
	pid_t pid, standby;

	read_zygote(pool, &pid, &standby);
	killed_pid = pid;
	/* So that the first cannot make another second one. */
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	if (standby > 0)
		ck_assert_int_eq(kill(standby, SIGKILL), 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
}

START_TEST(with_nobody_left_to_start_workers_every_task_fails)
{
	IPK_AUTO(pool, pool);
	ipk_future *futures[50];

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	for (size_t i = 0; i < IPK__N_OF(futures); i++)
		ck_ok(ipk_pool_submit(pool, wait_for_end, NULL, 0, NULL, &futures[i]));
	ck_assert(wait_until(is_running, NULL, WAIT_MS));
	kill_for_good(pool);
	for (size_t i = 0; i < IPK__N_OF(futures); i++) {
		ipk_failure failure = failure_of(futures[i]);

		ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
		ck_assert_str_ne(failure.text, "");
		ipk_future_close(futures[i]);
	}
	ck_err(ipk_pool_submit(pool, square, &(int){1}, sizeof(int), NULL, NULL), -ESHUTDOWN);
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
}
END_TEST

static int wait_at_item(const void *item, void *ret_result)
{
	memcpy(ret_result, item, sizeof(int));
	if (*(const int *)item == 0)
		return 0;
	atomic_store(&fixture->is_running, getpid());
	while (!atomic_load(&fixture->may_end))
		usleep(1000);
	return 0;
}

START_TEST(with_nobody_left_to_start_workers_every_map_fails)
{
	enum { N = 1000 };
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, f);
	ipk_failure failures[N];
	int items[N];
	size_t n = 0;

	for (int i = 0; i < N; i++)
		items[i] = i;
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_ok(ipk_pool_map_async(pool, wait_at_item, items, sizeof(int), sizeof(int), N,
				 IPK_TASK(.chunk = 1), &f));
	ck_assert(wait_until(is_running, NULL, WAIT_MS));
	kill_for_good(pool);
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	ck_ok(ipk_future_failures(f, failures, N, &n));
	ck_assert_uint_ge(n, N - 1);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(failures[i].cause, IPK_FAILURE_DIED);
		ck_assert_uint_eq(failures[i].index, i + N - n);
	}
	ck_assert_ptr_nonnull(strstr(failures[n - 1].text, "what could start others"));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
}
END_TEST

static void *wait_for_leave(void *arg)
{
	(void)arg;
	while (!atomic_load(&fixture->may_end))
		usleep(1000);
	return NULL;
}

static bool takes_nothing_more(void *pool)
{
	return ipk_pool_submit(pool, square, &(int){1}, sizeof(int), NULL, NULL) == -ESHUTDOWN;
}

START_TEST(the_zygote_of_the_process_makes_another_one)
{
	IPK_AUTO(pool, pool);
	pthread_t thread;

	ck_ok(ipk_zygote_start(NULL));
	/* It is in the way of a fork of this process. */
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_leave, NULL), 0);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	for (int i = 0; i < 3; i++) {
		kill_for_good(pool);
		ck_squares(pool, 50);
		ck_assert(wait_until(has_another_zygote, pool, WAIT_MS));
		ck_assert(wait_until(is_recovered, pool, WAIT_MS));
	}
	atomic_store(&fixture->may_end, 1);
	pthread_join(thread, NULL);
	/* Without it there is an end to that. */
	ipk_zygote_stop();
	kill_for_good(pool);
	ck_assert(wait_until(takes_nothing_more, pool, WAIT_MS));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
}
END_TEST

static bool renewal_has_failed(void *arg)
{
	ipk_pool *pool = arg;
	bool has_failed;

	ipk__pool_lock(pool);
	has_failed = pool->zygote_renewal.n_failed > 0;
	ipk__pool_unlock(pool);
	return has_failed;
}

START_TEST(a_zygote_that_comes_late_is_waited_for)
{
	IPK_AUTO(pool, pool);
	pid_t pid, standby;
	pthread_t thread;

	ck_ok(ipk_zygote_start(NULL));
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_leave, NULL), 0);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ipk__zygote_pids(ipk__zygote_of_process(), &pid, &standby);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	kill_for_good(pool);
	ck_assert(wait_until(renewal_has_failed, pool, WAIT_MS));
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	ck_squares(pool, 50);
	atomic_store(&fixture->may_end, 1);
	pthread_join(thread, NULL);
	ipk_zygote_stop();
}
END_TEST

static int fork_and_go_on(ipk_task *task, const void *arg, size_t arg_bytes)
{
	pid_t child = fork();
	int status = 0;

	(void)arg;
	(void)arg_bytes;
	if (child == 0)
		return 3;
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -ECHILD;
	status = WEXITSTATUS(status);
	return ipk_task_return(task, &status, sizeof status);
}

START_TEST(a_fork_of_a_task_does_not_become_a_worker)
{
	IPK_AUTO(pool, pool);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1 + (unsigned)_i, .kind = (ipk_pool_kind)_i),
			      &pool));
	for (int i = 0; i < 20; i++) {
		int code = -1;

		ck_ok(ipk_pool_apply(pool, fork_and_go_on, NULL, 0, &code, sizeof code,
				     ipk_in_ms(WAIT_MS), NULL));
		ck_assert_int_eq(code, 3);
	}
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

static int use_memory(ipk_task *task, const void *arg, size_t arg_bytes)
{
	size_t n_bytes;
	char *volatile data; /* or it is neither taken nor given back */

	memcpy(&n_bytes, arg, arg_bytes);
	data = malloc(n_bytes);
	if (!data)
		return ipk_task_fail(task, -ENOMEM, "no memory for %zu bytes", n_bytes);
	memset(data, 1, n_bytes);
	free(data);
	return 0;
}

START_TEST(memory_beyond_the_limit_is_refused_to_the_task)
{
	IPK_AUTO(pool, pool);
	size_t little = 4 << 20, much = 64 << 20;
	void *before = malloc(much); /* this is not counted */

	memset(before, 1, much);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1, .worker_memory_bytes = 16 << 20), &pool));
	for (int i = 0; i < 3; i++) {
		IPK_AUTO(future, f);
		ipk_failure failure;

		ck_ok(ipk_pool_apply(pool, use_memory, &little, sizeof little, NULL, 0,
				     ipk_in_ms(WAIT_MS), NULL));
		ck_ok(ipk_pool_submit(pool, use_memory, &much, sizeof much, NULL, &f));
		failure = failure_of(f);
		ck_assert_int_eq(failure.cause, IPK_FAILURE_TASK);
		ck_assert_int_eq(failure.code, -ENOMEM);
	}
	free(before);
}
END_TEST

static int take_much(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg_bytes;
	memory_eat(*(const size_t *)arg);
	return 0;
}

static int kill_itself(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task, (void)arg, (void)arg_bytes;
	return raise(SIGKILL);
}

static void ck_died(ipk_pool *pool, ipk_task_fn fn, bool is_oom)
{
	const size_t much = 4 * MEMORY_GROUP_BYTES;
	IPK_AUTO(future, f);
	ipk_failure failure;

	ck_ok(ipk_pool_submit(pool, fn, &much, sizeof much, NULL, &f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EOWNERDEAD);
	ck_ok(ipk_future_failure(f, &failure));
	ck_assert_int_eq(failure.cause, IPK_FAILURE_DIED);
	ck_assert_int_eq(failure.status.signal, SIGKILL);
	ck_assert_int_eq(failure.status.is_oom, is_oom);
	ck_assert_int_eq(strstr(failure.text, "out of memory") != NULL, is_oom);
}

static int lose_workers(void *arg)
{
	IPK_AUTO(pool, pool);

	ck_assert(memory_group_enter(arg));
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	ck_died(pool, kill_itself, false);
	ck_died(pool, take_much, true);
	ck_died(pool, kill_itself, false);
	return 0;
}

/* Once the last process has left it. */
static bool is_removed(void *dir)
{
	return rmdir(dir) == 0;
}

START_TEST(a_death_for_want_of_memory_is_told)
{
	char dir[MEMORY_GROUP_DIR_BYTES];

	if (!memory_group_make(dir))
		return;
	reap_ok(spawn(lose_workers, dir));
	ck_assert(wait_until(is_removed, dir, WAIT_MS));
}
END_TEST

START_TEST(a_worker_ends_after_so_many_tasks)
{
	IPK_AUTO(pool, pool);
	int counts[100] = {0}, n_full = 0;
	ipk_progress progress;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .max_tasks_per_worker = 7), &pool));
	ck_squares(pool, 140);
	ck_assert_int_eq(atomic_load(&fixture->n_runs), 140);
	for (size_t pid = 0; pid < IPK__N_OF(fixture->n_by_pid); pid++)
		counts[atomic_load(&fixture->n_by_pid[pid]) % 100] += pid > 0;
	for (int n = 1; n < 100; n++) {
		ck_assert(n <= 7 || counts[n] == 0);
		n_full += n == 7 ? counts[n] : 0;
	}
	ck_assert_int_ge(n_full, 140 / 7 - 2);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_replaced, 0);
}
END_TEST

/* --- more and fewer --------------------------------------------------------------------------- */

static bool has_as_many_as_wanted(void *arg)
{
	ipk_pool *pool = arg;

	return atomic_load(&pool->shared->counts.n_workers) == pool->n_workers;
}

START_TEST(it_grows_and_shrinks_under_load)
{
	enum { N = 20000 };
	static ipk_future *futures[N];
	IPK_AUTO(pool, pool);
	uint64_t seed = 5;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .kind = (ipk_pool_kind)_i), &pool));
	for (int i = 0; i < N; i++) {
		ck_ok(ipk_pool_submit(pool, square, &i, sizeof i, NULL, &futures[i]));
		if (i % 500 == 0)
			ck_ok(ipk_pool_resize(pool, 1 + next_random(&seed) % 8));
	}
	for (int i = 0; i < N; i++) {
		int x = -1;

		ck_ok(ipk_future_get(futures[i], &x, sizeof x, ipk_in_ms(WAIT_MS), NULL));
		ck_assert_int_eq(x, (int)((unsigned)i * (unsigned)i));
		ipk_future_close(futures[i]);
	}
	ck_assert_int_eq(atomic_load(&fixture->n_runs), N);
	for (unsigned n = 1; n < 10; n += 4) {
		ck_ok(ipk_pool_resize(pool, n));
		ck_assert(wait_until(has_as_many_as_wanted, pool, WAIT_MS));
		ck_assert_uint_eq(n_alive(pool), n);
	}
	ck_err(ipk_pool_resize(pool, IPK_POOL_WORKERS_MAX + 1), -EINVAL);
	ck_err(ipk_pool_resize(NULL, 1), -EBADF);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_err(ipk_pool_resize(pool, 3), -ESHUTDOWN);
}
END_TEST

static int resize_in_a_fork(void *arg)
{
	return ipk_pool_resize(arg, 5) == -EPERM ? 0 : 1;
}

START_TEST(only_its_creator_may_resize_it)
{
	IPK_AUTO(pool, pool);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	reap_ok(spawn(resize_in_a_fork, pool));
}
END_TEST

START_TEST(one_that_was_sent_home_finishes_its_task)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, first);
	IPK_AUTO(future, second);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_ok(ipk_pool_submit(pool, wait_for_end, NULL, 0, NULL, &first));
	ck_ok(ipk_pool_submit(pool, wait_for_end, NULL, 0, NULL, &second));
	ck_assert(wait_until(is_running, NULL, WAIT_MS));
	ck_ok(ipk_pool_resize(pool, 1));
	atomic_store(&fixture->may_end, 1);
	ck_ok(ipk_future_get(first, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_future_get(second, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
	ck_assert(wait_until(has_as_many_as_wanted, pool, WAIT_MS));
	ck_squares(pool, 10);
}
END_TEST

static ipk_worker_info info_of(ipk_pool *pool, unsigned number)
{
	ipk_worker_info infos[4];
	size_t n = 0;

	ck_ok(ipk_pool_workers(pool, infos, 4, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(infos[0].number, 0);
	ck_assert_uint_eq(infos[1].number, 1);
	return infos[number];
}

static bool one_is_busy(void *arg)
{
	ipk_worker_info a = info_of(arg, 0), b = info_of(arg, 1);

	return (a.state == IPK_WORKER_BUSY) != (b.state == IPK_WORKER_BUSY);
}

START_TEST(workers_can_be_looked_at)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, f);
	bool are_threads = _i == IPK_POOL_THREADS;
	ipk_worker_info a, b;
	pid_t by = 0;
	size_t n;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .kind = (ipk_pool_kind)_i), &pool));
	ck_squares(pool, 100);
	ck_assert(wait_until(all_are_idle, pool, WAIT_MS));
	a = info_of(pool, 0);
	b = info_of(pool, 1);
	ck_assert_int_eq(a.state, IPK_WORKER_IDLE);
	ck_assert_uint_eq(a.n_done + b.n_done, 100);
	ck_assert_int_ge(a.since_ns, 0);
	ck_assert_int_eq(a.pid, are_threads ? 0 : pool->handles[0].child.pid);
	ck_ok(ipk_pool_submit(pool, wait_for_end, NULL, 0, NULL, &f));
	ck_assert(wait_until(one_is_busy, pool, WAIT_MS));
	usleep(20000); /* that it takes at least */
	a = info_of(pool, 0);
	b = info_of(pool, 1);
	if (b.state == IPK_WORKER_BUSY)
		a = b;
	ck_assert_int_eq(a.state, IPK_WORKER_BUSY);
	ck_assert_int_ge(a.since_ns, 10000000);
	ck_assert_int_lt(a.since_ns, WAIT_MS * 1000000LL);
	atomic_store(&fixture->may_end, 1);
	ck_ok(ipk_future_get(f, &by, sizeof by, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_int_eq(a.pid, are_threads ? 0 : by);
	ck_ok(ipk_pool_workers(pool, NULL, 0, &n));
	ck_assert_uint_eq(n, 2);
	ck_err(ipk_pool_workers(pool, NULL, 1, &n), -EINVAL);
	ck_err(ipk_pool_workers(pool, &a, 1, NULL), -EINVAL);
	ck_err(ipk_pool_workers(NULL, &a, 1, &n), -EBADF);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pool_workers(pool, &a, 1, &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

static long private_kib(pid_t pid)
{
	char path[64], line[128];
	long sum = 0, kib;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof line, file)) {
		if (sscanf(line, "Private_Clean: %ld", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %ld", &kib) == 1)
			sum += kib;
	}
	fclose(file);
	return sum;
}

START_TEST(sixty_four_workers_take_little_memory)
{
	IPK_AUTO(pool, pool);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 64), &pool));
	ck_squares(pool, 20000);
	ck_assert(wait_until(all_are_idle, pool, WAIT_MS));
	for (int i = 0; i < 64; i++)
		ck_assert_int_lt(private_kib(pool->handles[i].child.pid), 1536);
}
END_TEST

START_TEST(there_may_be_as_many_as_there_are_places)
{
	IPK_AUTO(pool, pool);

	ck_err(ipk_pool_create(IPK_POOL(.n_workers = IPK_POOL_WORKERS_MAX + 1), &pool), -EINVAL);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = IPK_POOL_WORKERS_MAX, .kind = IPK_POOL_THREADS),
			      &pool));
	ck_squares(pool, 5000);
}
END_TEST

START_TEST(idle_threads_are_not_in_the_way_of_a_fork)
{
	IPK_AUTO(pool, threads);
	IPK_AUTO(pool, pool);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 3, .kind = IPK_POOL_THREADS), &threads));
	ck_squares(threads, 100);
	while (ipk__os_n_threads() > 1) /* it ends within a look of theirs */
		ipk__os_yield();
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	ck_squares(pool, 100);
	ck_squares(threads, 100);
}
END_TEST

START_TEST(a_busy_thread_is_in_the_way_of_a_fork)
{
	IPK_AUTO(pool, threads);
	IPK_AUTO(future, f);
	ipk_pool *pool = NULL;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 3, .kind = IPK_POOL_THREADS), &threads));
	ck_ok(ipk_pool_submit(threads, wait_for_end, NULL, 0, NULL, &f));
	ck_assert(wait_until(is_running, NULL, WAIT_MS));
	ck_err(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool), -EDEADLK);
	atomic_store(&fixture->may_end, 1);
	ck_ok(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST

/* --- start methods ---------------------------------------------------------------------------- */

static int seen; /* each process has its own */

static int give_seen(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg;
	(void)arg_bytes;
	return ipk_task_return(task, &seen, sizeof seen);
}

static int seen_by(ipk_pool *pool)
{
	int got = -1;

	ck_ok(ipk_pool_apply(pool, give_seen, NULL, 0, &got, sizeof got, ipk_in_ms(WAIT_MS), NULL));
	return got;
}

START_TEST(by_fork_threads_are_in_nobodys_way)
{
	IPK_AUTO(pool, pool);
	pthread_t thread;

	seen = 1;
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_leave, NULL), 0);
	ck_err(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool), -EDEADLK);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .start_method = IPK_START_FORK), &pool));
	seen = 2;
	ck_squares(pool, 100);
	ck_assert_int_ne(signal_worker(pool, 0, SIGKILL), 0);
	ck_assert(wait_until(is_recovered, pool, WAIT_MS));
	ck_squares(pool, 100);
	/* The one that took its place too is as it was when the pool was made. */
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(seen_by(pool), 1);
	ck_ok(ipk_pool_resize(pool, 3));
	ck_squares(pool, 100);
	atomic_store(&fixture->may_end, 1);
	pthread_join(thread, NULL);
}
END_TEST

/* Beside pools, whose threads may be anywhere just then, workers can make processes again. */
START_TEST(by_fork_from_among_pools)
{
	IPK_AUTO(pool, threads);
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, f);

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 3, .kind = IPK_POOL_THREADS), &threads));
	ck_ok(ipk_pool_submit(threads, wait_for_end, NULL, 0, NULL, &f));
	ck_assert(wait_until(is_running, NULL, WAIT_MS));
	for (int i = 0; i < 10; i++) {
		ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2, .start_method = IPK_START_FORK),
				      &pool));
		ck_squares(pool, 50);
		pool = ipk_pool_close(pool);
	}
	atomic_store(&fixture->may_end, 1);
	ck_ok(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST

START_TEST(by_the_zygote_memory_is_as_it_was)
{
	IPK_AUTO(pool, pool);

	ck_err(ipk_pool_create(IPK_POOL(.n_workers = 2, .start_method = IPK_START_ZYGOTE), &pool),
	       -EDEADLK);
	seen = 1;
	ck_ok(ipk_zygote_start(NULL));
	seen = 2;
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1, .start_method = IPK_START_ZYGOTE), &pool));
	ck_assert_int_eq(seen_by(pool), 1);
	pool = ipk_pool_close(pool);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	ck_assert_int_eq(seen_by(pool), 2);
	pool = ipk_pool_close(pool);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1, .start_method = IPK_START_FORK), &pool));
	ck_assert_int_eq(seen_by(pool), 2);
	pool = ipk_pool_close(pool);
	ipk_zygote_stop();
}
END_TEST

START_TEST(what_a_pool_cannot_start_by)
{
	ipk_pool *pool = NULL;
	int arg = 0;

	ck_err(ipk_pool_create(IPK_POOL(.start_method = IPK_START_EXEC), &pool), -EINVAL);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EINVAL), ".start_method"));
	ck_err(ipk_pool_create(IPK_POOL(.start_method = (ipk_start_method)4), &pool), -EINVAL);
	ck_err(ipk_pool_create(IPK_POOL(.kind = IPK_POOL_THREADS, .start_method = IPK_START_FORK),
			       &pool),
	       -EINVAL);
	ck_err(ipk_pool_create(IPK_POOL(.start_method = IPK_START_ZYGOTE,
					.initializer = initialize_badly, .initializer_arg = &arg),
			       &pool),
	       -EINVAL);
	ck_assert_ptr_null(pool);
}
END_TEST

static TCase *fixture_case(Suite *s, const char *name)
{
	TCase *c = support_case(s, name, TEST_SECONDS, true);

	tcase_add_checked_fixture(c, set_up, tear_down);
	return c;
}

#define add(suite, test) tcase_add_test(fixture_case(suite, #test), test)
#define add_loop(suite, test, n) tcase_add_loop_test(fixture_case(suite, #test), test, 0, n)

static Suite *suite(void)
{
	Suite *s = suite_create("pool_workers");

	add_loop(s, an_initializer_that_fails_leaves_nothing, 4);
	add(s, a_thread_whose_initializer_fails_leaves_nothing);
	add(s, each_worker_is_initialized_before_the_pool_is_there);
	add(s, an_initializer_that_fails_later_is_tried_ever_more_slowly);
	add(s, workers_have_names);
	add(s, a_task_that_ends_its_worker_fails_alone);
	add(s, a_task_that_ends_its_thread_fails_alone);
	add(s, results_outlive_their_worker);
	add(s, the_room_of_read_results_is_given_back);
	add(s, idle_workers_hold_nothing);
	add(s, a_stopped_worker_is_not_dead);
	add(s, a_pool_may_end_while_a_worker_is_stopped);
	add(s, when_the_zygote_is_killed_its_standby_takes_over);
	add(s, while_the_zygote_is_stopped_the_others_go_on);
	add_loop(s, a_creator_that_gave_up_root_can_end_it, 2);
	add(s, workers_in_another_pid_namespace_are_refused);
	add(s, a_pool_may_end_while_its_zygote_is_stopped);
	add(s, with_nobody_left_to_start_workers_every_task_fails);
	add(s, with_nobody_left_to_start_workers_every_map_fails);
	add(s, the_zygote_of_the_process_makes_another_one);
	add(s, a_zygote_that_comes_late_is_waited_for);
	add_loop(s, a_fork_of_a_task_does_not_become_a_worker, 2);
	if (!is_sanitized) {
		add(s, memory_beyond_the_limit_is_refused_to_the_task);
		add(s, a_death_for_want_of_memory_is_told);
		add(s, sixty_four_workers_take_little_memory);
	}
	add(s, a_worker_ends_after_so_many_tasks);
	add_loop(s, it_grows_and_shrinks_under_load, 2);
	add(s, only_its_creator_may_resize_it);
	add_loop(s, workers_can_be_looked_at, 2);
	add(s, one_that_was_sent_home_finishes_its_task);
	add(s, idle_threads_are_not_in_the_way_of_a_fork);
	add(s, a_busy_thread_is_in_the_way_of_a_fork);
	add(s, there_may_be_as_many_as_there_are_places);
	add(s, by_fork_threads_are_in_nobodys_way);
	add(s, by_fork_from_among_pools);
	add(s, by_the_zygote_memory_is_as_it_was);
	add(s, what_a_pool_cannot_start_by);
	return s;
}

IPK_TEST_MAIN(suite)
