/*
 * test_process_forks.c - plain forks of a process whose threads use everything: the child
 * has a copy of all handles, whatever the threads were doing, and can use them at once.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/event.h"
#include "ipk/lock.h"
#include "ipk/once.h"
#include "ipk/pipe.h"
#include "ipk/process.h"
#include "ipk/queue.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "ipk/shm.h"
#include "ipk/timer.h"
#include "ipk/value.h"
#include "process_roles.h"
#include "support/support.h"

enum { N_ROUNDS = 5, N_FORKS = 20, N_ITEMS = 100 };

const struct role roles[] = {{0}};

/* Everything there is, used by threads and by the forks alike. */
static struct {
	ipk_lock *lock, *recursive;
	ipk_rwlock *rwlock;
	ipk_semaphore *semaphore;
	ipk_event *event;
	ipk_cond *cond;
	ipk_value *value;
	ipk_array *array;
	ipk_shm *shm;
	ipk_queue *queues[4];
	_Atomic bool is_over;
} all;

static void make_all(void)
{
	static const ipk_queue_kind kinds[] = {IPK_QUEUE_FIFO, IPK_QUEUE_LIFO, IPK_QUEUE_PRIORITY};

	ck_ok(ipk_lock_create(NULL, &all.lock));
	ck_ok(ipk_lock_create(IPK_LOCK(.is_recursive = true), &all.recursive));
	ck_ok(ipk_rwlock_create(NULL, &all.rwlock));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 2), &all.semaphore));
	ck_ok(ipk_event_create(NULL, &all.event));
	ck_ok(ipk_cond_create(NULL, &all.cond));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q'), &all.value));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'q', .n_items = N_ITEMS), &all.array));
	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = 100), &all.shm));
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_queue_create(IPK_QUEUE(.kind = kinds[i], .max_items = 64),
				       &all.queues[i]));
}

static void close_all(void)
{
	ipk_lock_close(all.lock);
	ipk_lock_close(all.recursive);
	ipk_rwlock_close(all.rwlock);
	ipk_semaphore_close(all.semaphore);
	ipk_event_close(all.event);
	ipk_cond_close(all.cond);
	ipk_value_close(all.value);
	ipk_array_close(all.array);
	ipk_shm_close(all.shm);
	for (int i = 0; i < 3; i++)
		ipk_queue_close(all.queues[i]);
}

/* --- one use of each; also by a fork, which waits for the parent's threads at most ------------ */

static int use_locks(void)
{
	ipk_deadline soon = ipk_in_ms(WAIT_MS);

	role_check(ipk_lock_lock(all.lock, soon, NULL) == 0);
	role_check(ipk_lock_unlock(all.lock) == 0);
	role_check(ipk_lock_lock(all.recursive, soon, NULL) == 0);
	role_check(ipk_lock_lock(all.recursive, soon, NULL) == 0);
	role_check(ipk_lock_unlock(all.recursive) == 0);
	role_check(ipk_lock_unlock(all.recursive) == 0);
	role_check(ipk_rwlock_read_lock(all.rwlock, soon, NULL) == 0);
	role_check(ipk_rwlock_read_unlock(all.rwlock) == 0);
	role_check(ipk_rwlock_write_lock(all.rwlock, soon, NULL) == 0);
	role_check(ipk_rwlock_write_unlock(all.rwlock) == 0);
	role_check(ipk_semaphore_acquire(all.semaphore, soon) == 0);
	role_check(ipk_semaphore_release(all.semaphore) == 0);
	return 0;
}

static int use_events(void)
{
	int r;

	role_check(ipk_event_set(all.event) == 0);
	r = ipk_event_wait(all.event, ipk_now());
	role_check(r == 0 || r == -ETIMEDOUT);
	role_check(ipk_event_clear(all.event) == 0);
	role_check(ipk_lock_lock(all.lock, ipk_in_ms(WAIT_MS), NULL) == 0);
	r = ipk_cond_wait(all.cond, all.lock, ipk_now(), NULL);
	role_check(r == 0 || r == -ETIMEDOUT);
	role_check(ipk_cond_notify(all.cond, 1) == 0);
	role_check(ipk_lock_unlock(all.lock) == 0);
	return 0;
}

static int use_memory(void)
{
	int64_t n = 0;

	role_check(ipk_value_add(all.value, 1, &n) == 0);
	role_check(ipk_array_set(all.array, 5, &n) == 0);
	role_check(ipk_array_get(all.array, 6, &n) == 0);
	memcpy((char *)ipk_shm_data(all.shm) + 8, &n, sizeof n);
	return 0;
}

static int use_queues(bool poll_too)
{
	char text[64];
	int fd, r;

	for (int i = 0; i < 3; i++) {
		r = ipk_queue_put(all.queues[i], "item", 5, ipk_now());
		role_check(r == 0 || r == -ETIMEDOUT);
		r = ipk_queue_get(all.queues[i], text, sizeof text, ipk_now(), NULL);
		role_check(r == 0 || r == -ETIMEDOUT);
		if (poll_too) {
			r = ipk_queue_fd(all.queues[i], &fd);
			if (r != 0)
				fprintf(stderr, "queue %d: %s\n", i, ipk_errname(r));
			role_check(r == 0);
			role_check(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) >= 0);
		}
	}
	return 0;
}

static int make_and_close(void)
{
	ipk_lock *lock = NULL;
	ipk_queue *q = NULL;
	ipk_pipe *a = NULL, *b = NULL;
	char text[8];

	role_check(ipk_lock_create(NULL, &lock) == 0);
	ipk_lock_close(lock);
	role_check(ipk_queue_create(NULL, &q) == 0);
	role_check(ipk_queue_put(q, "x", 2, ipk_now()) == 0);
	ipk_queue_close(q);
	role_check(ipk_pipe_create(NULL, &a, &b) == 0);
	role_check(ipk_pipe_send(a, "x", 2, ipk_now()) == 0);
	role_check(ipk_pipe_recv(b, text, sizeof text, ipk_now(), NULL) == 0);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	return 0;
}

static int nothing(void *arg)
{
	(void)arg;
	return 6;
}

static int start_one(void)
{
	ipk_process_status status;
	ipk_process *p = NULL;
	size_t n;

	role_check(ipk_process_start(nothing, NULL, IPK_PROCESS(.start_method = IPK_START_FORK),
				     &p) == 0);
	role_check(ipk_active_children(NULL, 0, &n) == 0);
	role_check(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) == 0);
	role_check(status.exit_code == 6);
	ipk_process_close(p);
	return 0;
}

static void ring(void *arg)
{
	atomic_fetch_add((_Atomic int *)arg, 1);
}

static int use_timer(void)
{
	_Atomic int n = 0;
	ipk_timer *timer = NULL;

	role_check(ipk_timer_start(0, ring, &n, &timer) == 0);
	role_check(ipk_timer_wait(timer, ipk_in_ms(WAIT_MS)) == 0);
	ipk_timer_close(timer);
	role_check(n == 1);
	return 0;
}

static int use_all(void)
{
	int r = use_locks();

	if (r == 0)
		r = use_events();
	if (r == 0)
		r = use_memory();
	if (r == 0)
		r = use_queues(true);
	if (r == 0)
		r = make_and_close();
	if (r == 0)
		r = use_timer();
	return r == 0 ? start_one() : r;
}

/* --- threads ---------------------------------------------------------------------------------- */

static void *hammer_locks(void *arg)
{
	intptr_t r = 0;

	(void)arg;
	while (!atomic_load(&all.is_over) && r == 0) {
		r = use_locks();
		if (r == 0)
			r = use_events();
	}
	return (void *)r;
}

static void *hammer_queues(void *arg)
{
	intptr_t r = 0;

	(void)arg;
	while (!atomic_load(&all.is_over) && r == 0) {
		r = use_memory();
		if (r == 0)
			r = use_queues(true);
	}
	return (void *)r;
}

static void *hammer_making(void *arg)
{
	intptr_t r = 0;

	(void)arg;
	while (!atomic_load(&all.is_over) && r == 0) {
		r = make_and_close();
		if (r == 0)
			r = use_timer();
		if (r == 0)
			r = start_one();
	}
	return (void *)r;
}

static void fork_and_use(void)
{
	pid_t pid = fork();

	if (pid != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(WAIT_MS / 1000);
		_exit(use_all());
	}
	reap_ok(pid);
}

START_TEST(forks_of_a_busy_process)
{
	void *(*const fns[])(void *) = {hammer_locks, hammer_queues, hammer_making};
	pthread_t threads[3];

	make_all();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fns[i], NULL), 0);
	for (int i = 0; i < repeats(N_FORKS); i++)
		fork_and_use();
	atomic_store(&all.is_over, true);
	for (int i = 0; i < 3; i++) {
		void *r;

		pthread_join(threads[i], &r);
		ck_assert_ptr_null(r);
	}
	close_all();
}
END_TEST

/* --- beside a thread that reads --------------------------------------------------------------- */

static int end_at_once(void *arg)
{
	(void)arg;
	return 0;
}

static void *read_line(void *stream)
{
	char line[16];

	return fgets(line, sizeof line, stream) ? stream : NULL;
}

/* It has the lock of the stream it reads: nobody waits for it, and nothing comes twice. */
START_TEST(streams_of_other_threads)
{
	char path[] = "/tmp/ipk-streams-XXXXXX", text[64];
	int fds[2], fd = mkstemp(path);
	FILE *in, *out = fdopen(fd, "w+");
	ipk_process *p;
	pthread_t thread;

	unlink(path);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(pipe(fds), 0);
	if (_i == 0)
		dup2(fds[0], 0);
	in = _i == 0 ? stdin : fdopen(fds[0], "r");
	pthread_create(&thread, NULL, read_line, in);
	usleep(100000);
	fprintf(out, "a line\n");
	ck_ok(ipk_process_start(end_at_once, NULL, IPK_PROCESS(.start_method = IPK_START_FORK),
				&p));
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(p);
	ck_assert_int_eq(write(fds[1], "\n", 1), 1);
	pthread_join(thread, NULL);
	rewind(out);
	ck_assert_uint_eq(fread(text, 1, sizeof text, out), strlen("a line\n"));
	fclose(out);
	if (_i != 0)
		fclose(in);
	else
		close(fds[0]);
	close(fds[1]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("process_forks");

#ifndef __SANITIZE_ADDRESS__
	/* A time limit each. With AddressSanitizer a child hangs now and then: its allocator is not
	 * made for forks of a process with threads. */
	add_loop_test(s, forks_of_a_busy_process, 0, N_ROUNDS);
	add_loop_test(s, streams_of_other_threads, 0, 2);
#else
	(void)forks_of_a_busy_process;
#endif
	return s;
}

ROLE_MAIN(suite)
