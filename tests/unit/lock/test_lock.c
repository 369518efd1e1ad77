/*
 * test_lock.c - lib/lock/lock.c and handle.c: Lock and RLock as specified by ipk/lock.h, and a lock
 * whose holder dies, is stopped, or forks.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/queue.h"
#include "lock/lock_internal.h"
#include "support/support.h"

#ifdef __SANITIZE_THREAD__
/* Its detector of deadlocks can follow 64 locks of a thread, and ends the program beyond. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "detect_deadlocks=0";
}
#endif

enum { SKIPPED = 77, N_KINDS = 2 };

/* 0 a Lock, 1 an RLock. */
static ipk_lock *make(int kind)
{
	ipk_lock *lock = NULL;

	ck_ok(ipk_lock_create(IPK_LOCK(.is_recursive = kind == 1), &lock));
	return lock;
}

static void ck_lock(ipk_lock *lock)
{
	bool recovered = true;

	ck_ok(ipk_lock_lock(lock, ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(!recovered);
}

static void ck_recovered(ipk_lock *lock)
{
	bool recovered = false;

	ck_ok(ipk_lock_lock(lock, ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(recovered);
}

/* In another thread: the result of trying once, given back when it was taken. */
static void *try_once(void *lock)
{
	int r = ipk_lock_lock(lock, ipk_now(), NULL);

	if (r == 0)
		r = ipk_lock_unlock(lock);
	return (void *)(intptr_t)r;
}

static void *unlock(void *lock)
{
	return (void *)(intptr_t)ipk_lock_unlock(lock);
}

static int in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;
	void *r;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
	pthread_join(thread, &r);
	return (int)(intptr_t)r;
}

/* --- taking and giving back ------------------------------------------------------------------- */

START_TEST(taken_and_given_back)
{
	ipk_lock *lock = make(_i);
	bool recovered = true;

	ck_assert_uint_eq(ipk_lock_owner(lock), 0);
	for (int i = 0; i < 3; i++) {
		ck_ok(ipk_lock_lock(lock, i == 0 ? ipk_now() : ipk_forever(), &recovered));
		ck_assert(!recovered);
		ck_assert_uint_eq(ipk_lock_owner(lock), (uint32_t)gettid());
		ck_err(in_thread(try_once, lock), -ETIMEDOUT);
		ck_err(in_thread(unlock, lock), -EPERM);
		ck_ok(ipk_lock_unlock(lock));
		ck_assert_uint_eq(ipk_lock_owner(lock), 0);
		ck_ok(in_thread(try_once, lock));
	}
	ck_err(ipk_lock_unlock(lock), -EPERM);
	ck_assert_ptr_null(ipk_lock_close(lock));
}
END_TEST

START_TEST(null_and_bad_options_are_told)
{
	struct {
		ipk_lock_opts known;
		int unknown;
	} future = {.known = {.struct_size = sizeof future}, .unknown = 1};
	ipk_lock *lock = NULL;
	ipk_pipe *a, *b;

	ck_err(ipk_lock_create(NULL, NULL), -EINVAL);
	ck_err(ipk_lock_create(&future.known, &lock), -EINVAL);
	ck_err(ipk_lock_create(IPK_LOCK(.name = "a/b"), &lock), -EINVAL);
	ck_err(ipk_lock_create(IPK_LOCK(.name = ""), &lock), -EINVAL);
	ck_err(ipk_lock_create(IPK_LOCK(.label = "a b"), &lock), -EINVAL);
	ck_err(ipk_lock_open(NULL, ipk_now(), &lock), -EINVAL);
	ck_err(ipk_lock_open("x", ipk_now(), NULL), -EINVAL);
	ck_err(ipk_lock_unlink(NULL), -EINVAL);
	ck_err(ipk_lock_lock(NULL, ipk_now(), NULL), -EBADF);
	ck_err(ipk_lock_unlock(NULL), -EBADF);
	ck_assert_uint_eq(ipk_lock_owner(NULL), 0);
	ck_err(ipk_lock_waiters(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_assert_ptr_null(ipk_lock_close(NULL));
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_err(ipk_lock_send(NULL, a, ipk_now()), -EBADF);
	ck_err(ipk_lock_recv(NULL, ipk_now(), &lock), -EBADF);
	ck_err(ipk_lock_recv(b, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_lock_recv(b, ipk_now(), &lock), -ETIMEDOUT);
	ck_assert_ptr_null(lock);
	/* NULL options are fine: not recursive. */
	ck_ok(ipk_lock_create(NULL, &lock));
	ck_err(ipk_lock_send(lock, NULL, ipk_now()), -EBADF);
	ck_lock(lock);
	ck_err(ipk_lock_lock(lock, ipk_now(), NULL), -EDEADLK);
	ck_ok(ipk_lock_unlock(lock));
	ipk_lock_closep(&lock);
	ck_assert_ptr_null(lock);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

struct counter {
	ipk_lock *lock;
	_Atomic int n_wrong;
	int n_inside;
	int count;
};

enum { N_COUNTERS = 4, N_COUNTS = 3000 };

static int count_up(void *arg)
{
	struct counter *c = arg;

	for (int i = 0; i < repeats(N_COUNTS); i++) {
		if (ipk_lock_lock(c->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
			return 1;
		c->n_wrong += c->n_inside++ != 0;
		c->count++;
		if (i % 64 == 0)
			sched_yield();
		c->n_inside--;
		(void)!ipk_lock_unlock(c->lock);
	}
	return 0;
}

START_TEST(one_process_at_a_time)
{
	struct counter *c =
		mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[N_COUNTERS];

	ck_assert_ptr_ne(c, MAP_FAILED);
	c->lock = make(_i);
	for (int i = 0; i < N_COUNTERS; i++)
		pids[i] = spawn(count_up, c);
	for (int i = 0; i < N_COUNTERS; i++)
		reap_ok(pids[i]);
	ck_assert_int_eq(c->n_wrong, 0);
	ck_assert_int_eq(c->count, N_COUNTERS * repeats(N_COUNTS));
	ipk_lock_close(c->lock);
	munmap(c, sizeof *c);
}
END_TEST

static void *count_in_thread(void *arg)
{
	return (void *)(intptr_t)count_up(arg);
}

START_TEST(one_thread_at_a_time)
{
	struct counter c = {.lock = make(_i)};
	pthread_t threads[N_COUNTERS];
	void *r;

	for (int i = 0; i < N_COUNTERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_in_thread, &c), 0);
	for (int i = 0; i < N_COUNTERS; i++) {
		pthread_join(threads[i], &r);
		ck_assert_ptr_null(r);
	}
	ck_assert_int_eq(c.n_wrong, 0);
	ck_assert_int_eq(c.count, N_COUNTERS * repeats(N_COUNTS));
	ipk_lock_close(c.lock);
}
END_TEST

/* --- recursion -------------------------------------------------------------------------------- */

START_TEST(lock_is_not_taken_twice)
{
	ipk_lock *lock = make(0);

	ck_lock(lock);
	ck_err(ipk_lock_lock(lock, ipk_now(), NULL), -EDEADLK);
	ck_err(ipk_lock_lock(lock, ipk_forever(), NULL), -EDEADLK);
	ck_ok(ipk_lock_unlock(lock));
	ck_err(ipk_lock_unlock(lock), -EPERM);
	ipk_lock_close(lock);
}
END_TEST

START_TEST(rlock_is_given_back_level_by_level)
{
	ipk_lock *lock = make(1);

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2000; i++)
			ck_lock(lock);
		for (int i = 0; i < 2000; i++) {
			ck_assert_uint_eq(ipk_lock_owner(lock), (uint32_t)gettid());
			if (i % 500 == 0)
				ck_err(in_thread(try_once, lock), -ETIMEDOUT);
			ck_ok(ipk_lock_unlock(lock));
		}
		ck_err(ipk_lock_unlock(lock), -EPERM);
		ck_ok(in_thread(try_once, lock));
	}
	ipk_lock_close(lock);
}
END_TEST

START_TEST(rlock_has_a_deepest_level)
{
	ipk_lock *lock = make(1);

	ck_lock(lock);
	ipk__robust_lock_held(&lock->guard->lock)->n_again = UINT32_MAX - 2;
	ck_lock(lock);
	ck_err(ipk_lock_lock(lock, ipk_forever(), NULL), -EOVERFLOW);
	ck_ok(ipk_lock_unlock(lock));
	ck_lock(lock);
	ipk__robust_lock_held(&lock->guard->lock)->n_again = 0;
	ck_ok(ipk_lock_unlock(lock));
	ck_assert_uint_eq(ipk_lock_owner(lock), 0);
	ipk_lock_close(lock);
}
END_TEST

START_TEST(all_levels_are_given_up_and_taken_again)
{
	ipk_lock *lock = make(1);
	bool recovered = true;
	uint32_t n_again = 77;

	ck_err(ipk__robust_lock_release_all(lock, &n_again), -EPERM);
	ck_assert_uint_eq(n_again, 77);
	for (int i = 0; i < 3; i++)
		ck_lock(lock);
	ck_ok(ipk__robust_lock_release_all(lock, &n_again));
	ck_assert_uint_eq(n_again, 2);
	ck_ok(in_thread(try_once, lock));
	ck_ok(ipk__robust_lock_take_again(lock, n_again, &recovered));
	ck_assert(!recovered);
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_lock_unlock(lock));
	ck_err(ipk_lock_unlock(lock), -EPERM);
	ipk_lock_close(lock);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

static ipk_lock *many[IPK_LOCKS_HELD_MAX + 1];

static void make_many(void)
{
	for (uint32_t i = 0; i < IPK__N_OF(many); i++)
		many[i] = make(i == 0);
}

static void close_many(void)
{
	for (uint32_t i = 0; i < IPK__N_OF(many); i++)
		ipk_lock_close(many[i]);
}

static int hold_many(void *arg)
{
	for (uint32_t i = 0; i < IPK_LOCKS_HELD_MAX; i++) {
		if (ipk_lock_lock(many[i], ipk_now(), NULL) != 0)
			return 1;
	}
	if (ipk_lock_lock(many[IPK_LOCKS_HELD_MAX], ipk_now(), NULL) != -ENOLCK)
		return 2;
	if (arg)
		gate_open(arg);
	while (arg)
		pause();
	return 0;
}

START_TEST(thread_holds_so_many_and_no_more)
{
	const uint32_t last = IPK_LOCKS_HELD_MAX;

	make_many();
	ck_assert_int_eq(hold_many(NULL), 0);
	ck_err(ipk_lock_lock(many[last], ipk_forever(), NULL), -ENOLCK);
	ck_assert_uint_eq(ipk_lock_owner(many[last]), 0);
	/* What it holds already is not one more; another thread has its own count. */
	ck_lock(many[0]);
	ck_ok(ipk_lock_unlock(many[0]));
	ck_err(ipk_lock_lock(many[1], ipk_now(), NULL), -EDEADLK);
	ck_err(ipk_lock_lock(many[last], ipk_now(), NULL), -ENOLCK);
	ck_ok(in_thread(try_once, many[last]));
	ck_ok(ipk_lock_unlock(many[1]));
	ck_lock(many[last]);
	ck_err(ipk_lock_lock(many[1], ipk_now(), NULL), -ENOLCK);
	ck_ok(ipk_lock_unlock(many[last]));
	ck_lock(many[1]);
	for (uint32_t i = 0; i < last; i++)
		ck_ok(ipk_lock_unlock(many[i]));
	close_many();
}
END_TEST

START_TEST(all_of_a_killed_holder_are_handed_on)
{
	struct gate gate;
	pid_t pid;

	gate_init(&gate);
	make_many();
	pid = spawn(hold_many, &gate);
	gate_wait(&gate);
	kill_and_reap(pid);
	for (uint32_t i = 0; i < IPK_LOCKS_HELD_MAX; i++) {
		ck_recovered(many[i]);
		ck_ok(ipk_lock_unlock(many[i]));
	}
	ck_lock(many[IPK_LOCKS_HELD_MAX]);
	ck_ok(ipk_lock_unlock(many[IPK_LOCKS_HELD_MAX]));
	close_many();
	gate_fini(&gate);
}
END_TEST

/* --- deaths and forks ------------------------------------------------------------------------- */

struct holder {
	ipk_lock *lock;
	struct gate gate;
	int n_times;
};

static int hold(void *arg)
{
	struct holder *h = arg;

	for (int i = 0; i < h->n_times; i++) {
		if (ipk_lock_lock(h->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
			return 1;
	}
	gate_open(&h->gate);
	for (;;)
		pause();
}

static pid_t start_holder(struct holder *h, int kind)
{
	pid_t pid;

	h->lock = make(kind);
	h->n_times = kind == 1 ? 3 : 1;
	gate_init(&h->gate);
	pid = spawn(hold, h);
	gate_wait(&h->gate);
	ck_assert_uint_eq(ipk_lock_owner(h->lock), (uint32_t)pid);
	return pid;
}

static void end_holder(struct holder *h)
{
	gate_fini(&h->gate);
	ipk_lock_close(h->lock);
}

START_TEST(lock_of_a_killed_holder_is_handed_on_once)
{
	struct holder h;
	pid_t pid = start_holder(&h, _i);

	ck_err(ipk_lock_lock(h.lock, ipk_now(), NULL), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_recovered(h.lock);
	ck_assert_uint_eq(ipk_lock_owner(h.lock), (uint32_t)gettid());
	/* However deep it was: the new holder begins at the top. */
	ck_ok(ipk_lock_unlock(h.lock));
	ck_err(ipk_lock_unlock(h.lock), -EPERM);
	ck_lock(h.lock);
	ck_ok(ipk_lock_unlock(h.lock));
	end_holder(&h);
}
END_TEST

struct waiter {
	ipk_lock *lock;
	_Atomic pid_t tid;
	bool recovered;
	int r;
	pthread_t thread;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->r = ipk_lock_lock(w->lock, ipk_in_ms(WAIT_MS), &w->recovered);
	if (w->r == 0)
		(void)!ipk_lock_unlock(w->lock);
	return NULL;
}

static bool has_waiter(void *lock)
{
	return N_LISTED(ipk_lock_waiters, lock, NULL, 0) == 1;
}

START_TEST(sleeper_gets_the_lock_of_a_killed_holder)
{
	struct holder h;
	pid_t pid = start_holder(&h, _i);
	struct waiter w = {.lock = h.lock};
	uint32_t tid = 0;

	ck_assert_int_eq(pthread_create(&w.thread, NULL, wait_for_it, &w), 0);
	ck_assert(wait_until(has_waiter, h.lock, WAIT_MS));
	ck_assert_uint_eq(N_LISTED(ipk_lock_waiters, h.lock, &tid, 1), 1);
	ck_assert_int_eq((pid_t)tid, w.tid);
	ck_wait_asleep(w.tid);
	kill_and_reap(pid);
	pthread_join(w.thread, NULL);
	ck_ok(w.r);
	ck_assert(w.recovered);
	ck_assert_uint_eq(N_LISTED(ipk_lock_waiters, h.lock, &tid, 1), 0);
	end_holder(&h);
}
END_TEST

START_TEST(sleeper_gets_the_lock_that_is_given_back)
{
	ipk_lock *lock = make(_i);
	struct waiter w = {.lock = lock, .recovered = true};

	ck_lock(lock);
	ck_assert_int_eq(pthread_create(&w.thread, NULL, wait_for_it, &w), 0);
	ck_assert(wait_until(has_waiter, lock, WAIT_MS));
	ck_ok(ipk_lock_unlock(lock));
	pthread_join(w.thread, NULL);
	ck_ok(w.r);
	ck_assert(!w.recovered);
	ipk_lock_close(lock);
}
END_TEST

START_TEST(stopped_holder_is_not_dead)
{
	struct holder h;
	pid_t pid = start_holder(&h, _i);
	ipk_deadline deadline = ipk_in_ms(250);
	bool recovered = true;

	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	ck_assert(is_stopped(pid));
	/* Longer than a slice; outputs stay as they were. */
	ck_err(ipk_lock_lock(h.lock, deadline, &recovered), -ETIMEDOUT);
	ck_assert_int_eq(ipk_deadline_left_ns(deadline), 0);
	ck_assert(recovered);
	ck_assert_uint_eq(ipk_lock_owner(h.lock), (uint32_t)pid);
	kill_and_reap(pid);
	ck_recovered(h.lock);
	ck_ok(ipk_lock_unlock(h.lock));
	end_holder(&h);
}
END_TEST

static void *lock_and_end(void *lock)
{
	return (void *)(intptr_t)ipk_lock_lock(lock, ipk_now(), NULL);
}

START_TEST(thread_that_ends_holding_it_is_dead)
{
	ipk_lock *lock = make(_i);

	ck_ok(in_thread(lock_and_end, lock));
	ck_recovered(lock);
	ck_ok(ipk_lock_unlock(lock));
	ipk_lock_close(lock);
}
END_TEST

static int use_as_child(void *arg)
{
	ipk_lock *lock = arg;

	if (ipk_lock_unlock(lock) != -EPERM)
		return 1;
	/* It has to wait like anybody else, not -EDEADLK and not one level deeper. */
	if (ipk_lock_lock(lock, ipk_now(), NULL) != -ETIMEDOUT)
		return 2;
	return ipk_lock_lock(lock, ipk_in_ms(1), NULL) == -ETIMEDOUT ? 0 : 3;
}

START_TEST(fork_child_never_owns)
{
	ipk_lock *lock = make(_i);

	ck_lock(lock);
	reap_ok(spawn(use_as_child, lock));
	ck_assert_uint_eq(ipk_lock_owner(lock), (uint32_t)gettid());
	ck_ok(ipk_lock_unlock(lock));
	ck_lock(lock);
	ck_ok(ipk_lock_unlock(lock));
	ipk_lock_close(lock);
}
END_TEST

static int hold_many_after_all(void *arg)
{
	(void)arg;
	/* The parent's are not counted as the child's. */
	for (uint32_t i = 0; i < 10; i++) {
		if (ipk_lock_lock(many[IPK_LOCKS_HELD_MAX], ipk_now(), NULL) != 0 ||
		    ipk_lock_unlock(many[IPK_LOCKS_HELD_MAX]) != 0)
			return 1;
	}
	return 0;
}

START_TEST(fork_child_begins_with_none_held)
{
	make_many();
	ck_assert_int_eq(hold_many(NULL), 0);
	reap_ok(spawn(hold_many_after_all, NULL));
	for (uint32_t i = 0; i < IPK_LOCKS_HELD_MAX; i++)
		ck_ok(ipk_lock_unlock(many[i]));
	close_many();
}
END_TEST

static int wait_as_process(void *lock)
{
	return -ipk_lock_lock(lock, ipk_in_ms(WAIT_MS), NULL);
}

START_TEST(killed_waiter_is_in_nobodys_way)
{
	ipk_lock *lock = make(_i);
	pid_t pid;

	ck_lock(lock);
	pid = spawn(wait_as_process, lock);
	ck_assert(wait_until(has_waiter, lock, WAIT_MS));
	ck_wait_asleep(pid);
	kill_and_reap(pid);
	ck_assert_uint_eq(N_LISTED(ipk_lock_waiters, lock, NULL, 0), 0);
	ck_ok(ipk_lock_unlock(lock));
	ck_lock(lock);
	ck_ok(ipk_lock_unlock(lock));
	ipk_lock_close(lock);
}
END_TEST

START_TEST(overwritten_memory_is_told)
{
	ipk_lock *lock = make(_i);

	memset(&lock->guard->lock, 0xff, sizeof lock->guard->lock);
	ck_err(ipk_lock_lock(lock, ipk_now(), NULL), -ENOTRECOVERABLE);
	ck_err(ipk_lock_lock(lock, ipk_in_ms(WAIT_MS), NULL), -ENOTRECOVERABLE);
	ck_err(ipk_lock_unlock(lock), -EPERM);
	ipk_lock_close(lock);
}
END_TEST

/* --- where it may be used --------------------------------------------------------------------- */

START_TEST(another_pid_namespace_may_not)
{
	ipk_lock *lock = make(_i);
	struct ipk__arena *arena = lock->ref.arena;

	ck_lock(lock);
	arena->segment.checked.pid_namespace++;
	arena->checked_pid = getpid() + 1;
	ck_err(ipk_lock_lock(lock, ipk_now(), NULL), -EXDEV);
	ck_ok(ipk_lock_unlock(lock));
	arena->segment.checked.pid_namespace--;
	ipk_lock_close(lock);
}
END_TEST

static char name[UNIQUE_NAME_BYTES];

static int use_in_namespace(void *arg)
{
	ipk_lock *lock = arg, *named = NULL;

	if (ipk_lock_lock(lock, ipk_now(), NULL) != -EXDEV)
		return 1;
	return ipk_lock_open(name, ipk_now(), &named) == -EXDEV ? 0 : 2;
}

static int fork_into_namespace(void *lock)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return SKIPPED;
	pid = fork();
	if (pid == 0)
		_exit(use_in_namespace(lock));
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 2;
}

START_TEST(nor_may_a_child_in_one)
{
	ipk_lock *lock = make(_i), *named = NULL;
	int status;
	pid_t pid;

	unique_name(name, "lock");
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name), &named));
	pid = spawn(fork_into_namespace, lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED);
	ck_ok(ipk_lock_unlink(name));
	ipk_lock_close(named);
	ipk_lock_close(lock);
}
END_TEST

/* --- names and pipes -------------------------------------------------------------------------- */

START_TEST(named_one_is_opened_by_its_name)
{
	ipk_lock *a = NULL, *b = NULL, *c = NULL;
	ipk_pipe *p, *q;

	unique_name(name, "lock");
	ck_err(ipk_lock_open(name, ipk_now(), &a), -ENOENT);
	ck_err(ipk_lock_unlink(name), -ENOENT);
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name, .is_recursive = _i == 1), &a));
	ck_err(ipk_lock_create(IPK_LOCK(.name = name), &c), -EEXIST);
	ck_ok(ipk_lock_open(name, ipk_now(), &b));
	ck_assert_str_eq(b->ref.object->label, name);
	ck_lock(a);
	ck_assert_uint_eq(ipk_lock_owner(b), (uint32_t)gettid());
	ck_err(ipk_lock_lock(b, ipk_now(), NULL), _i == 1 ? 0 : -EDEADLK);
	if (_i == 1)
		ck_ok(ipk_lock_unlock(b));
	ck_ok(ipk_lock_unlock(b));
	ck_ok(ipk_pipe_create(NULL, &p, &q));
	ck_err(ipk_lock_send(a, p, ipk_now()), -EOPNOTSUPP);
	ipk_pipe_close(p);
	ipk_pipe_close(q);
	/* Who has it keeps it. */
	ck_ok(ipk_lock_unlink(name));
	ck_err(ipk_lock_open(name, ipk_now(), &c), -ENOENT);
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name), &c));
	ck_lock(a);
	ck_assert_uint_eq(ipk_lock_owner(c), 0);
	ck_ok(ipk_lock_unlock(b));
	ck_ok(ipk_lock_unlink(name));
	ipk_lock_close(a);
	ipk_lock_close(b);
	ipk_lock_close(c);
}
END_TEST

static int open_and_hold(void *arg)
{
	struct gate *gate = arg;
	ipk_lock *lock = NULL;

	if (ipk_lock_open(name, ipk_now(), &lock) < 0 || ipk_lock_lock(lock, ipk_now(), NULL) < 0)
		return 1;
	gate_open(gate);
	for (;;)
		pause();
}

START_TEST(named_one_outlives_its_users)
{
	ipk_lock *lock = NULL;
	struct gate gate;
	pid_t pid;

	gate_init(&gate);
	unique_name(name, "lock");
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name), &lock));
	lock = ipk_lock_close(lock);
	pid = spawn(open_and_hold, &gate);
	gate_wait(&gate);
	kill_and_reap(pid);
	ck_ok(ipk_lock_open(name, ipk_now(), &lock));
	ck_recovered(lock);
	ck_ok(ipk_lock_unlock(lock));
	ck_ok(ipk_lock_unlink(name));
	ipk_lock_close(lock);
	gate_fini(&gate);
}
END_TEST

START_TEST(what_is_no_lock_is_refused)
{
	ipk_queue *queue = NULL;
	ipk_lock *lock = NULL;

	unique_name(name, "lock");
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &queue));
	ck_err(ipk_lock_open(name, ipk_now(), &lock), -EPROTOTYPE);
	ck_assert_ptr_null(lock);
	ck_ok(ipk_queue_unlink(name));
	ipk_queue_close(queue);
}
END_TEST

START_TEST(anonymous_one_is_passed_over_a_pipe)
{
	ipk_lock *lock = make(_i), *other = NULL;
	ipk_pipe *a, *b;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_ok(ipk_lock_send(lock, a, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_lock_recv(b, ipk_in_ms(WAIT_MS), &other));
	ck_lock(lock);
	ck_assert_uint_eq(ipk_lock_owner(other), (uint32_t)gettid());
	ck_ok(ipk_lock_unlock(other));
	ipk_lock_close(lock);
	ck_lock(other);
	ck_ok(ipk_lock_unlock(other));
	ipk_lock_close(other);
	ipk_pipe_close(a);
	ck_err(ipk_lock_recv(b, ipk_in_ms(WAIT_MS), &other), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

static int recv_and_hold(void *arg)
{
	ipk_lock *lock = NULL;

	if (ipk_lock_recv(arg, ipk_in_ms(WAIT_MS), &lock) < 0)
		return 1;
	return ipk_lock_lock(lock, ipk_now(), NULL) < 0 ? 2 : 0;
}

/* To a process that was there before the lock was. */
START_TEST(passed_one_is_the_same_in_another_process)
{
	ipk_lock *lock;
	ipk_pipe *a, *b;
	pid_t pid;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	pid = spawn(recv_and_hold, b);
	lock = make(_i);
	ck_ok(ipk_lock_send(lock, a, ipk_in_ms(WAIT_MS)));
	reap_ok(pid);
	ck_recovered(lock);
	ck_ok(ipk_lock_unlock(lock));
	ipk_lock_close(lock);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(lent_one_is_its_lenders)
{
	ipk_lock *lock = make(_i);
	ipk_pipe *a, *b;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	lock->is_lent = true;
	ck_err(ipk_lock_send(lock, a, ipk_now()), -EOPNOTSUPP);
	ck_assert_ptr_null(ipk_lock_close(lock));
	ck_lock(lock);
	ck_ok(ipk_lock_unlock(lock));
	lock->is_lent = false;
	ipk_lock_close(lock);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("lock");

	add_loop_test(s, taken_and_given_back, 0, N_KINDS);
	add_test(s, null_and_bad_options_are_told);
	add_loop_test(s, one_process_at_a_time, 0, N_KINDS);
	add_loop_test(s, one_thread_at_a_time, 0, N_KINDS);
	add_test(s, lock_is_not_taken_twice);
	add_test(s, rlock_is_given_back_level_by_level);
	add_test(s, rlock_has_a_deepest_level);
	add_test(s, all_levels_are_given_up_and_taken_again);
	add_test(s, thread_holds_so_many_and_no_more);
	add_test(s, all_of_a_killed_holder_are_handed_on);
	add_loop_test(s, lock_of_a_killed_holder_is_handed_on_once, 0, N_KINDS);
	add_loop_test(s, sleeper_gets_the_lock_of_a_killed_holder, 0, N_KINDS);
	add_loop_test(s, sleeper_gets_the_lock_that_is_given_back, 0, N_KINDS);
	add_loop_test(s, stopped_holder_is_not_dead, 0, N_KINDS);
	add_loop_test(s, thread_that_ends_holding_it_is_dead, 0, N_KINDS);
	add_loop_test(s, fork_child_never_owns, 0, N_KINDS);
	add_test(s, fork_child_begins_with_none_held);
	add_loop_test(s, killed_waiter_is_in_nobodys_way, 0, N_KINDS);
	add_loop_test(s, overwritten_memory_is_told, 0, N_KINDS);
	add_loop_test(s, another_pid_namespace_may_not, 0, N_KINDS);
	add_loop_test(s, nor_may_a_child_in_one, 0, N_KINDS);
	add_loop_test(s, named_one_is_opened_by_its_name, 0, N_KINDS);
	add_test(s, named_one_outlives_its_users);
	add_test(s, what_is_no_lock_is_refused);
	add_loop_test(s, anonymous_one_is_passed_over_a_pipe, 0, N_KINDS);
	add_loop_test(s, passed_one_is_the_same_in_another_process, 0, N_KINDS);
	add_loop_test(s, lent_one_is_its_lenders, 0, N_KINDS);
	return s;
}

IPK_TEST_MAIN(suite)
