/* test_robust_lock.c - lib/shared/robust_lock.c: a lock that survives the death of its holder. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/os.h"
#include "shared/robust_lock.h"
#include "support/support.h"

struct shared {
	struct ipk__waiters waiters;
	struct ipk__robust_lock lock;
	struct gate gate;
	long counter; /* guarded by the lock */
	int n_turns;
	_Atomic int n_recovered;
};

static struct shared *make_shared(void)
{
	struct shared *s =
		mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	ck_ok(ipk__robust_lock_init(&s->lock));
	gate_init(&s->gate);
	return s;
}

static void drop_shared(struct shared *s)
{
	gate_fini(&s->gate);
	munmap(s, sizeof *s);
}

static int acquire(struct shared *s, ipk_deadline deadline, bool *ret_recovered)
{
	*ret_recovered = false;
	return ipk__robust_lock_acquire(&s->lock, &s->waiters, IPK__WAIT_PUT_LOCK, 0, deadline,
					ret_recovered);
}

START_TEST(taken_and_given_back)
{
	struct shared *s = make_shared();
	bool recovered;

	ck_assert_uint_eq(ipk__robust_lock_owner(&s->lock), 0);
	for (int i = 0; i < 3; i++) {
		ck_ok(acquire(s, i == 0 ? ipk_now() : ipk_forever(), &recovered));
		ck_assert(!recovered);
		ck_assert_uint_eq(ipk__robust_lock_owner(&s->lock), (uint32_t)gettid());
		ipk__robust_lock_release(&s->lock);
		ck_assert_uint_eq(ipk__robust_lock_owner(&s->lock), 0);
	}
	drop_shared(s);
}
END_TEST

enum { MANY = 20 };

static void *end_with_many(void *arg)
{
	struct ipk__robust_lock *locks = arg;
	struct shared *s = make_shared();
	bool recovered;

	for (int i = 0; i < MANY; i++) {
		if (ipk__robust_lock_acquire(&locks[i], &s->waiters, IPK__WAIT_PUT_LOCK, 0,
					     ipk_in_ms(WAIT_MS), &recovered) != 0)
			return (void *)1;
	}
	drop_shared(s);
	return NULL;
}

static long heap_pages(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%*d %*d %*d %*d %*d %ld", &pages), 1);
	fclose(file);
	return pages;
}

/* What a thread remembers of the locks it holds goes with it. */
START_TEST(threads_that_end_with_many_leave_no_memory)
{
	struct ipk__robust_lock *locks = mmap(NULL, MANY * sizeof *locks, PROT_READ | PROT_WRITE,
					      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long before = 0;

	ck_assert_ptr_ne(locks, MAP_FAILED);
	for (int i = 0; i < 400; i++) {
		pthread_t thread;
		void *result;

		ck_assert_int_eq(pthread_create(&thread, NULL, end_with_many, locks), 0);
		ck_assert_int_eq(pthread_join(thread, &result), 0);
		ck_assert_ptr_null(result);
		if (i == 20)
			before = heap_pages();
	}
	/* 380 times 16 to 25 kB would be more. */
	ck_assert_int_lt((heap_pages() - before) * sysconf(_SC_PAGESIZE), 4 << 20);
	munmap(locks, MANY * sizeof *locks);
}
END_TEST

static void *try_while_held(void *arg)
{
	ipk_deadline deadline = ipk_in_ms(150);
	bool recovered;
	intptr_t r;

	if (acquire(arg, ipk_now(), &recovered) != -ETIMEDOUT || recovered)
		return (void *)1;
	r = acquire(arg, deadline, &recovered);
	return (void *)(intptr_t)(r == -ETIMEDOUT && !recovered &&
						  ipk_deadline_left_ns(deadline) == 0
					  ? 0
					  : 2);
}

START_TEST(held_by_another_thread)
{
	struct shared *s = make_shared();
	pthread_t thread;
	bool recovered;
	void *result;

	ck_ok(acquire(s, ipk_now(), &recovered));
	ck_assert_int_eq(pthread_create(&thread, NULL, try_while_held, s), 0);
	pthread_join(thread, &result);
	ck_assert_ptr_null(result);
	for (int i = 0; i < IPK__WAITERS_MAX; i++)
		ck_assert_uint_eq(s->waiters.slots[i].tid, 0);
	ipk__robust_lock_release(&s->lock);
	drop_shared(s);
}
END_TEST

static int hold(void *arg)
{
	struct shared *s = arg;
	bool recovered;

	if (acquire(s, ipk_forever(), &recovered) < 0)
		return 1;
	gate_open(&s->gate);
	for (;;)
		pause();
}

START_TEST(lock_of_a_killed_holder_is_handed_on_once)
{
	struct shared *s = make_shared();
	pid_t pid = spawn(hold, s);
	bool recovered;

	gate_wait(&s->gate);
	ck_assert_uint_eq(ipk__robust_lock_owner(&s->lock), (uint32_t)pid);
	ck_err(acquire(s, ipk_now(), &recovered), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_ok(acquire(s, _i == 0 ? ipk_now() : ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(recovered);
	ipk__robust_lock_release(&s->lock);
	ck_ok(acquire(s, ipk_now(), &recovered));
	ck_assert(!recovered);
	ipk__robust_lock_release(&s->lock);
	drop_shared(s);
}
END_TEST

static void *wait_for_it(void *arg)
{
	struct shared *s = arg;
	bool recovered;

	if (acquire(s, ipk_in_ms(WAIT_MS), &recovered) < 0)
		return (void *)1;
	s->n_recovered += recovered;
	s->n_turns++;
	ipk__robust_lock_release(&s->lock);
	return NULL;
}

static bool all_slots_taken(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < IPK__WAITERS_MAX; i++) {
		if (s->waiters.slots[i].tid == 0 || s->waiters.slots[i].what != IPK__WAIT_PUT_LOCK)
			return false;
	}
	return true;
}

enum { N_WAITERS = 80 };

/* More of them than the table has slots; exactly one is told of the death. */
START_TEST(many_waiters_of_a_killed_holder)
{
	struct shared *s = make_shared();
	pthread_t threads[N_WAITERS];
	pid_t pid = spawn(hold, s);

	gate_wait(&s->gate);
	for (int i = 0; i < N_WAITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_for_it, s), 0);
	ck_assert(wait_until(all_slots_taken, s, WAIT_MS));
	kill_and_reap(pid);
	for (int i = 0; i < N_WAITERS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		ck_assert_ptr_null(result);
	}
	ck_assert_int_eq(s->n_turns, N_WAITERS);
	ck_assert_int_eq(s->n_recovered, 1);
	drop_shared(s);
}
END_TEST

static bool stopped(void *arg)
{
	return is_stopped(*(pid_t *)arg);
}

START_TEST(stopped_holder_keeps_the_lock)
{
	struct shared *s = make_shared();
	pid_t pid = spawn(hold, s);
	bool recovered;

	gate_wait(&s->gate);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert(wait_until(stopped, &pid, WAIT_MS));
	for (int i = 0; i < 3; i++)
		ck_err(acquire(s, ipk_in_ms(120), &recovered), -ETIMEDOUT);
	ck_assert(!recovered);
	ck_assert_uint_eq(ipk__robust_lock_owner(&s->lock), (uint32_t)pid);
	kill_and_reap(pid);
	ck_ok(acquire(s, ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(recovered);
	ipk__robust_lock_release(&s->lock);
	drop_shared(s);
}
END_TEST

static int count_up(void *arg)
{
	struct shared *s = arg;
	bool recovered;

	for (int i = 0; i < 5000; i++) {
		if (acquire(s, ipk_in_ms(WAIT_MS), &recovered) < 0 || recovered)
			return 1;
		s->counter++;
		ipk__robust_lock_release(&s->lock);
	}
	return 0;
}

START_TEST(processes_exclude_each_other)
{
	struct shared *s = make_shared();
	pid_t pids[4];

	for (int i = 0; i < 4; i++)
		pids[i] = spawn(count_up, s);
	for (int i = 0; i < 4; i++)
		reap_ok(pids[i]);
	ck_assert_int_eq(s->counter, 20000);
	drop_shared(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("robust_lock");

	add_test(s, taken_and_given_back);
	/* Their heaps only grow; and an emulator of Arm has no robust lists: 8,000 waits. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__aarch64__)
	add_test(s, threads_that_end_with_many_leave_no_memory);
#endif
	add_test(s, held_by_another_thread);
	add_loop_test(s, lock_of_a_killed_holder_is_handed_on_once, 0, 2);
	add_test(s, many_waiters_of_a_killed_holder);
	add_test(s, stopped_holder_keeps_the_lock);
	add_test(s, processes_exclude_each_other);
	return s;
}

IPK_TEST_MAIN(suite)
