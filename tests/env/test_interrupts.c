/*
 * Signals and pthread_cancel() in the middle of calls: no call ends early or late because of a
 * signal, a handler may call everything documented as async-signal-safe, and no thread is cancelled
 * inside a call, so nothing stays locked.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_dict.h"
#include "ipk/manager_server.h"
#include "support/support.h"

enum { STORM_US = 200, CALL_MS = 200 };

/* --- a storm of signals whose handler calls the library --------------------------------------- */

static ipk_event *event;
static ipk_value *value;
static ipk_once *once;
static _Atomic unsigned n_signals;
static _Atomic bool was_wrong;

static void call_what_is_safe(int sig)
{
	int64_t n;
	bool ok;

	(void)sig;
	ok = ipk_event_set(event) == 0 && ipk_event_is_set(event) && ipk_event_clear(event) == 0;
	ok = ok && ipk_value_add(value, 1, &n) == 0 && n >= 0;
	ok = ok && !ipk_once_is_done(once) && ipk_deadline_left_ns(ipk_in_ms(1000)) > 0;
	ok = ok && ipk_errname(-EPIPE)[0] == 'E';
	if (!ok)
		atomic_store(&was_wrong, true);
	atomic_fetch_add(&n_signals, 1);
}

static void start_storm(void)
{
	struct sigaction action = {.sa_handler = call_what_is_safe}; /* no SA_RESTART: EINTR */
	struct itimerval often = {{0, STORM_US}, {0, STORM_US}};

	ck_ok(ipk_event_create(NULL, &event));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q'), &value));
	ck_ok(ipk_once_create(NULL, &once));
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void stop_storm(void)
{
	struct itimerval never = {{0, 0}, {0, 0}};

	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN);
	ck_assert(!atomic_load(&was_wrong));
	ck_assert_uint_gt(atomic_load(&n_signals), 0);
	ipk_event_close(event);
	ipk_value_close(value);
	ipk_once_close(once);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A call that waits in vain takes as long as it may, however often it is interrupted. */
#define ck_waits(call)                                                    \
	do {                                                              \
		int64_t start_ms = now_ms();                              \
		ck_err(call, -ETIMEDOUT);                                 \
		ck_assert_int_ge(now_ms() - start_ms, CALL_MS - 1);       \
		ck_assert_int_lt(now_ms() - start_ms, CALL_MS + WAIT_MS); \
	} while (0)

static int hold_lock(void *arg)
{
	ck_ok(ipk_lock_lock(arg, ipk_in_ms(WAIT_MS), NULL));
	pause();
	return 0;
}

START_TEST(waits_take_their_time_in_a_storm)
{
	ipk_semaphore *s;
	ipk_pipe *ends[2], *sockets[2];
	ipk_lock *l;
	ipk_queue *q;
	pid_t holder;
	char buf[8];
	size_t n;

	ck_ok(ipk_queue_create(NULL, &q));
	ck_ok(ipk_lock_create(NULL, &l));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 0), &s));
	ck_ok(ipk_pipe_create(NULL, &ends[0], &ends[1]));
	ck_ok(ipk_pipe_create(IPK_PIPE(.flags = IPK_PIPE_SOCKET), &sockets[0], &sockets[1]));
	holder = spawn(hold_lock, l);
	while (ipk_lock_lock(l, ipk_now(), NULL) == 0)
		(void)!ipk_lock_unlock(l);
	start_storm();
	ck_waits(ipk_queue_get(q, buf, sizeof buf, ipk_in_ms(CALL_MS), &n));
	ck_waits(ipk_lock_lock(l, ipk_in_ms(CALL_MS), NULL));
	ck_waits(ipk_semaphore_acquire(s, ipk_in_ms(CALL_MS)));
	ck_waits(ipk_pipe_recv(ends[0], buf, sizeof buf, ipk_in_ms(CALL_MS), &n));
	ck_waits(ipk_pipe_recv(sockets[0], buf, sizeof buf, ipk_in_ms(CALL_MS), &n));
	stop_storm();
	kill_and_reap(holder);
	ipk_queue_close(q);
	ipk_lock_close(l);
	ipk_semaphore_close(s);
	for (int i = 0; i < 2; i++) {
		ipk_pipe_close(ends[i]);
		ipk_pipe_close(sockets[i]);
	}
}
END_TEST

static int answer(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	return arg_bytes == 1 && *(const char *)arg == 'x' ? 0 : -EINVAL;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

START_TEST(work_gets_done_in_a_storm)
{
	ipk_manager_server *server;
	ipk_manager *m;
	ipk_dict *d;
	ipk_pool *pool;
	ipk_process *p;
	ipk_future *f;

	start_storm();
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	for (int i = 0; i < 20; i++) {
		ck_ok(ipk_pool_submit(pool, answer, "x", 1, NULL, &f));
		ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
		ipk_future_close(f);
	}
	ipk_pool_close(pool);
	ck_ok(ipk_process_start(nothing, NULL, NULL, &p));
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(p);
	ck_ok(ipk_manager_server_start(NULL, ipk_in_ms(WAIT_MS), &server));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(server), NULL, ipk_in_ms(WAIT_MS),
				  &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	for (int i = 0; i < 20; i++)
		ck_ok(ipk_dict_set(d, ipk_text("a"), "1", 1, ipk_in_ms(WAIT_MS)));
	ipk_dict_close(d);
	ipk_manager_close(m);
	ipk_manager_server_close(server);
	stop_storm();
}
END_TEST

/* --- cancelled threads ------------------------------------------------------------------------ */

/* Not by Check, which writes to a file at each assertion: a cancellation point. */
#define must(call, result)               \
	do {                             \
		if ((call) != (result))  \
			return __LINE__; \
	} while (0)

static int use_much(void)
{
	ipk_pipe *ends[2];
	ipk_lock *l;
	ipk_queue *q;
	char buf[8];
	size_t n;
	int fd;

	must(ipk_lock_create(NULL, &l), 0);
	must(ipk_lock_lock(l, ipk_in_ms(WAIT_MS), NULL), 0);
	must(ipk_lock_unlock(l), 0);
	ipk_lock_close(l);
	must(ipk_queue_create(NULL, &q), 0);
	must(ipk_queue_fd(q, &fd), 0);
	must(ipk_queue_put(q, "x", 1, ipk_in_ms(WAIT_MS)), 0);
	must(ipk_queue_get(q, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n), 0);
	must(ipk_queue_get(q, buf, sizeof buf, ipk_in_ms(1), &n), -ETIMEDOUT);
	ipk_queue_close(q);
	must(ipk_pipe_create(IPK_PIPE(.flags = IPK_PIPE_SOCKET), &ends[0], &ends[1]), 0);
	must(ipk_pipe_send(ends[0], "x", 1, ipk_in_ms(WAIT_MS)), 0);
	must(ipk_pipe_recv(ends[1], buf, sizeof buf, ipk_in_ms(WAIT_MS), &n), 0);
	must(ipk_pipe_recv(ends[1], buf, sizeof buf, ipk_in_ms(1), &n), -ETIMEDOUT);
	ipk_pipe_close(ends[0]);
	ipk_pipe_close(ends[1]);
	must(ipk_active_children(NULL, 0, &n), 0);
	return 0;
}

/* The line that failed, 0 none. */
static int use_and_start(void)
{
	ipk_process *p;

	must(use_much(), 0);
	must(ipk_process_start(nothing, NULL, IPK_PROCESS(.start_method = IPK_START_FORK), &p), 0);
	must(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL), 0);
	ipk_process_close(p);
	return 0;
}

static ipk_pool *the_pool;

static int use_pool(void)
{
	ipk_future *f;

	must(ipk_pool_submit(the_pool, answer, "x", 1, NULL, &f), 0);
	must(ipk_future_wait(f, ipk_in_ms(WAIT_MS)), 0);
	ipk_future_close(f);
	must(ipk_pool_shutdown(the_pool, IPK_DRAIN), 0);
	must(ipk_pool_join(the_pool, ipk_in_ms(WAIT_MS)), 0);
	return 0;
}

struct user {
	int (*use)(void);
	int line;
	bool is_through;
};

static void *use_cancelled(void *arg)
{
	struct user *u = arg;

	/* From here on every cancellation point would be the end. */
	pthread_cancel(pthread_self());
	u->line = u->use();
	u->is_through = true;
	pthread_testcancel();
	return NULL;
}

static void ck_is_not_cancelled(int (*use)(void))
{
	struct user u = {.use = use};
	pthread_t thread;
	void *end;

	pthread_create(&thread, NULL, use_cancelled, &u);
	pthread_join(thread, &end);
	ck_assert(u.is_through);
	ck_assert_int_eq(u.line, 0);
	ck_assert_ptr_eq(end, PTHREAD_CANCELED);
}

START_TEST(no_call_is_a_cancellation_point)
{
	ck_is_not_cancelled(use_and_start);
}
END_TEST

START_TEST(nor_are_those_of_pools)
{
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &the_pool));
	ck_is_not_cancelled(use_pool);
	ipk_pool_close(the_pool);
}
END_TEST

static void *use_until_cancelled(void *arg)
{
	while ((*(int *)arg = use_much()) == 0)
		pthread_testcancel();
	return NULL;
}

START_TEST(nothing_stays_locked)
{
	for (int i = 0; i < repeats(40); i++) {
		pthread_t thread;
		int line = 0;
		void *end;

		pthread_create(&thread, NULL, use_until_cancelled, &line);
		usleep((useconds_t)(100 * i));
		pthread_cancel(thread);
		pthread_join(thread, &end);
		ck_assert_ptr_eq(end, PTHREAD_CANCELED);
		ck_assert_int_eq(line, 0);
		ck_assert_int_eq(use_much(), 0);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("interrupts");

	add_test(s, waits_take_their_time_in_a_storm);
	add_test(s, work_gets_done_in_a_storm);
	add_test(s, no_call_is_a_cancellation_point);
	add_test(s, nor_are_those_of_pools);
	add_test(s, nothing_stays_locked);
	return s;
}

IPK_TEST_MAIN(suite)
