/*
 * test_guard.c - lib/os/guard.c: one thread at a time holds it, and a fork never deadlocks on it.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

enum { N_THREADS = 4, N_ROUNDS = 20000 };

static struct ipk__os_guard guard;
static unsigned long n_inside;

static void *count(void *arg)
{
	for (int i = 0; i < repeats(N_ROUNDS); i++) {
		ipk__os_guard_lock(&guard);
		n_inside++; /* not atomic: that is what is tried */
		ipk__os_guard_unlock(&guard);
	}
	return arg;
}

START_TEST(one_thread_at_a_time)
{
	pthread_t threads[N_THREADS];

	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, count, NULL);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(n_inside, (unsigned long)N_THREADS * repeats(N_ROUNDS));
	ck_assert(!ipk__os_guard_is_ours(&guard));
}
END_TEST

/* As pthread_atfork() would: the child has it as free as its parent found it. */
START_TEST(a_fork_leaves_it_free)
{
	pid_t pid;

	ipk__os_guard_before_fork(&guard);
	pid = fork();
	if (pid == 0) {
		ipk__os_guard_in_child(&guard);
		ipk__os_guard_lock(&guard);
		ipk__os_guard_unlock(&guard);
		_exit(0);
	}
	ipk__os_guard_after_fork(&guard);
	reap_ok(pid);
	ipk__os_guard_lock(&guard);
	ipk__os_guard_unlock(&guard);
}
END_TEST

/* Its holder forks, as a signal handler may: both go on inside, and come out. */
START_TEST(its_holder_may_fork)
{
	pid_t pid;

	ipk__os_guard_lock(&guard);
	ipk__os_guard_before_fork(&guard);
	pid = fork();
	if (pid == 0) {
		ipk__os_guard_in_child(&guard);
		if (!ipk__os_guard_is_ours(&guard))
			_exit(1);
		ipk__os_guard_unlock(&guard);
		ipk__os_guard_lock(&guard);
		ipk__os_guard_unlock(&guard);
		_exit(0);
	}
	ipk__os_guard_after_fork(&guard);
	ck_assert(ipk__os_guard_is_ours(&guard));
	ipk__os_guard_unlock(&guard);
	ck_assert(!ipk__os_guard_is_ours(&guard));
	reap_ok(pid);
}
END_TEST

/* As a handler of the host does that was registered before the guard's. */
START_TEST(the_forking_thread_may_lock_it_again)
{
	pid_t pid;

	ipk__os_guard_before_fork(&guard);
	ipk__os_guard_lock(&guard);
	ipk__os_guard_lock(&guard);
	ipk__os_guard_unlock(&guard);
	ipk__os_guard_unlock(&guard);
	ck_assert(ipk__os_guard_is_ours(&guard));
	pid = fork();
	if (pid == 0) {
		ipk__os_guard_in_child(&guard);
		ipk__os_guard_lock(&guard);
		ipk__os_guard_unlock(&guard);
		_exit(ipk__os_guard_is_ours(&guard));
	}
	ipk__os_guard_lock(&guard);
	ipk__os_guard_unlock(&guard);
	ck_assert(ipk__os_guard_is_ours(&guard));
	ipk__os_guard_after_fork(&guard);
	ck_assert(!ipk__os_guard_is_ours(&guard));
	reap_ok(pid);
}
END_TEST

/* Another thread's fork waits until it is out. */
static void *fork_in_thread(void *arg)
{
	pid_t pid;

	ipk__os_guard_before_fork(&guard);
	*(bool *)arg = true;
	pid = fork();
	if (pid == 0)
		_exit(0);
	ipk__os_guard_after_fork(&guard);
	waitpid(pid, NULL, 0);
	return NULL;
}

START_TEST(other_threads_forks_wait)
{
	_Atomic bool has_begun = false;
	pthread_t thread;

	ipk__os_guard_lock(&guard);
	pthread_create(&thread, NULL, fork_in_thread, (void *)&has_begun);
	usleep(20000);
	ck_assert(!has_begun);
	ipk__os_guard_unlock(&guard);
	pthread_join(thread, NULL);
	ck_assert(has_begun);
}
END_TEST

static void *be_cancelled(void *arg)
{
	ipk__os_guard_lock(&guard);
	pthread_cancel(pthread_self());
	pthread_testcancel();
	*(bool *)arg = true;
	ipk__os_guard_unlock(&guard);
	pthread_testcancel();
	return NULL;
}

START_TEST(its_holder_is_not_cancelled)
{
	bool came_out = false;
	pthread_t thread;
	void *end;

	pthread_create(&thread, NULL, be_cancelled, &came_out);
	pthread_join(thread, &end);
	ck_assert(came_out);
	ck_assert_ptr_eq(end, PTHREAD_CANCELED);
	ipk__os_guard_lock(&guard);
	ipk__os_guard_unlock(&guard);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("guard");

	add_test(s, one_thread_at_a_time);
	add_test(s, a_fork_leaves_it_free);
	add_test(s, its_holder_may_fork);
	add_test(s, the_forking_thread_may_lock_it_again);
	add_test(s, other_threads_forks_wait);
	add_test(s, its_holder_is_not_cancelled);
	return s;
}

IPK_TEST_MAIN(suite)
