/* test_thread.c - the library's own threads, and forks while only quiet ones run. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

enum stage { WAIT, WORK, CALL_OUT, END };

/* A thread that is told what to do, and says when it does. */
struct worker {
	pthread_t thread;
	_Atomic uint32_t wanted;
	_Atomic uint32_t is;
};

static void obey(struct worker *w, uint32_t stage)
{
	if (stage == WAIT)
		ipk__os_thread_quiet();
	else if (stage == CALL_OUT)
		ipk__os_thread_loud();
	else
		ipk__os_thread_busy();
	atomic_store(&w->is, stage);
	while (atomic_load(&w->wanted) == stage)
		ipk__os_futex_wait(&w->wanted, stage, ipk_forever());
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t stage;

	while ((stage = atomic_load(&w->wanted)) != END)
		obey(w, stage);
	return NULL;
}

static bool has_obeyed(void *arg)
{
	struct worker *w = arg;

	return atomic_load(&w->is) == atomic_load(&w->wanted);
}

static void tell(struct worker *w, uint32_t stage)
{
	atomic_store(&w->wanted, stage);
	ipk__os_futex_wake(&w->wanted, 1);
	if (stage != END)
		ck_assert(wait_until(has_obeyed, w, WAIT_MS));
	else
		ipk__os_thread_join(w->thread);
}

static void start(struct worker *w)
{
	*w = (struct worker){.wanted = WAIT, .is = END};
	ck_ok(ipk__os_thread_start_quiet(work, w, &w->thread));
	ck_assert(wait_until(has_obeyed, w, WAIT_MS));
}

/* The thread sanitizer ends forks of processes with threads that start threads. */
#ifdef __SANITIZE_THREAD__
#define FORKS_HAVE_THREADS false
#else
#define FORKS_HAVE_THREADS true
#endif

static bool has_a_thread(void)
{
	struct worker w = {.wanted = END};

	if (ipk__os_thread_start_quiet(work, &w, &w.thread) != 0)
		return false;
	ipk__os_thread_join(w.thread);
	return true;
}

static void ck_can_fork(void)
{
	pid_t pid = -1;

	ck_ok(ipk__os_fork_alone(&pid));
	if (pid == 0) {
		pid_t again;

		/* Alone, and able to have quiet threads and children of its own. */
		if (ipk__os_n_threads() != 1 || (FORKS_HAVE_THREADS && !has_a_thread()))
			_exit(1);
		if (ipk__os_fork_alone(&again) != 0)
			_exit(2);
		if (again == 0)
			_exit(3);
		_exit(waitpid(again, NULL, 0) == again ? 0 : 4);
	}
	reap_ok(pid);
}

static void ck_cannot_fork(void)
{
	pid_t pid = 12345;

	ck_err(ipk__os_fork_alone(&pid), -EDEADLK);
	ck_assert_int_eq(pid, 12345);
}

START_TEST(alone_without_threads)
{
	ck_assert_int_eq(ipk__os_n_threads(), 1);
	ck_can_fork();
}
END_TEST

START_TEST(quiet_threads_do_not_count)
{
	struct worker w[3];

	for (int i = 0; i < 3; i++)
		start(&w[i]);
	ck_assert_int_eq(ipk__os_n_threads(), 1);
	ck_can_fork();
	for (int i = 0; i < 3; i++)
		tell(&w[i], END);
	ck_assert_int_eq(ipk__os_n_threads(), 1);
	ck_can_fork();
}
END_TEST

START_TEST(loud_threads_count)
{
	struct worker w;

	start(&w);
	tell(&w, CALL_OUT);
	ck_assert_int_eq(ipk__os_n_threads(), 2);
	ck_cannot_fork();
	tell(&w, WAIT);
	ck_assert_int_eq(ipk__os_n_threads(), 1);
	ck_can_fork();
	tell(&w, CALL_OUT);
	tell(&w, WORK);
	tell(&w, END);
	ck_can_fork();
}
END_TEST

START_TEST(busy_threads_make_forks_wait)
{
	struct worker w;

	start(&w);
	tell(&w, WORK);
	ck_assert_int_eq(ipk__os_n_threads(), 1);
	ck_cannot_fork(); /* after a second */
	tell(&w, WAIT);
	ck_can_fork();
	tell(&w, END);
}
END_TEST

static void *obey_loudly(void *arg)
{
	struct worker *w = arg;

	obey(w, WAIT); /* which says nothing in such a thread */
	return NULL;
}

START_TEST(other_threads_count)
{
	struct worker host = {.is = END}, own = {.is = END};

	ck_assert_int_eq(pthread_create(&host.thread, NULL, obey_loudly, &host), 0);
	ck_assert_int_eq(ipk__os_n_threads(), 2);
	ck_cannot_fork();
	ck_ok(ipk__os_thread_start(obey_loudly, &own, &own.thread));
	ck_assert_int_eq(ipk__os_n_threads(), 3);
	ck_cannot_fork();
	tell(&host, END);
	ck_cannot_fork();
	tell(&own, END);
	/* However shortly ago they were joined. */
	ck_assert_int_eq(ipk__os_n_threads(), 1);
	ck_can_fork();
}
END_TEST

static void *fork_in_it(void *arg)
{
	pid_t pid;

	*(int *)arg = ipk__os_fork_alone(&pid);
	return NULL;
}

START_TEST(own_threads_do_not_fork)
{
	pthread_t thread;
	int r = 0;

	ck_ok(ipk__os_thread_start_quiet(fork_in_it, &r, &thread));
	ipk__os_thread_join(thread);
	ck_err(r, -EDEADLK);
	r = 0;
	ck_ok(ipk__os_thread_start(fork_in_it, &r, &thread));
	ipk__os_thread_join(thread);
	ck_err(r, -EDEADLK);
}
END_TEST

static void *no_work(void *arg)
{
	return arg;
}

START_TEST(joined_threads_are_gone_at_once)
{
	for (int i = 0; i < repeats(200); i++) {
		pthread_t thread;

		ck_assert_int_eq(pthread_create(&thread, NULL, no_work, NULL), 0);
		pthread_join(thread, NULL);
		ck_assert_int_eq(ipk__os_n_threads(), 1);
	}
}
END_TEST

static void end_slowly(void *arg)
{
	const struct timespec moment = {.tv_nsec = 2000000};

	(void)arg;
	nanosleep(&moment, NULL);
}

struct ending {
	pthread_key_t key; /* the C library calls its destructor when the function has returned */
	_Atomic bool has_begun;
};

static void *end_now(void *arg)
{
	struct ending *e = arg;

	pthread_setspecific(e->key, e);
	ipk__os_thread_forget(pthread_self());
	atomic_store(&e->has_begun, true);
	return NULL;
}

static bool has_begun(void *arg)
{
	return atomic_load(&((struct ending *)arg)->has_begun);
}

/* What the C library does behind a thread's function is no reason to refuse a fork. */
START_TEST(forks_after_a_forgotten_thread_ended)
{
	struct ending e = {.has_begun = false};

	ck_assert_int_eq(pthread_key_create(&e.key, end_slowly), 0);
	for (int i = 0; i < 5; i++) {
		pthread_t thread;

		atomic_store(&e.has_begun, false);
		ck_ok(ipk__os_thread_start_quiet(end_now, &e, &thread));
		ck_assert(wait_until(has_begun, &e, WAIT_MS));
		ck_can_fork();
	}
	pthread_key_delete(e.key);
}
END_TEST

static void *flicker(void *arg)
{
	struct worker *w = arg;

	while (atomic_load(&w->wanted) != END) {
		ipk__os_thread_busy();
		free(malloc(100));
		ipk__os_thread_quiet();
		atomic_store(&w->is, WAIT);
	}
	return NULL;
}

START_TEST(forks_while_a_thread_works)
{
	struct worker w = {.wanted = WAIT, .is = END};

	ck_ok(ipk__os_thread_start_quiet(flicker, &w, &w.thread));
	/* AddressSanitizer's memory is not for forks, and a thread that begins takes some. */
	ck_assert(wait_until(has_obeyed, &w, WAIT_MS));
	for (int i = 0; i < repeats(50); i++)
		ck_can_fork();
	tell(&w, END);
}
END_TEST

START_TEST(signals_are_blocked)
{
	struct worker w;
	siginfo_t info;
	sigset_t user;

	start(&w);
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &user, NULL);
	kill(getpid(), SIGUSR1);
	ck_assert_int_eq(sigwaitinfo(&user, &info), SIGUSR1);
	tell(&w, END);
}
END_TEST

/* ThreadSanitizer watches with a thread of its own; musl says EAGAIN, whatever the kernel said. */
#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
#define IS_TOLD_WHY
static int begin_unshared(void *arg)
{
	struct worker w = {.wanted = END};
	int r;

	(void)arg;
	if (unshare(CLONE_NEWPID) < 0)
		_exit(77);
	r = ipk__os_thread_start(work, &w, &w.thread);
	_exit(r == -ENOSYS && strstr(ipk_strerror(r), "CLONE_NEWPID") ? 0 : 1);
}

START_TEST(none_begins_after_unshare_and_it_says_why)
{
	int status;
	pid_t pid = spawn(begin_unshared, NULL);

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}
END_TEST
#endif

static Suite *suite(void)
{
	Suite *s = suite_create("thread");

	add_test(s, alone_without_threads);
	add_test(s, quiet_threads_do_not_count);
	add_test(s, loud_threads_count);
	add_test(s, busy_threads_make_forks_wait);
	add_test(s, other_threads_count);
	add_test(s, own_threads_do_not_fork);
	add_test(s, joined_threads_are_gone_at_once);
	add_test(s, forks_after_a_forgotten_thread_ended);
	add_test(s, forks_while_a_thread_works);
	add_test(s, signals_are_blocked);
#ifdef IS_TOLD_WHY
	add_test(s, none_begins_after_unshare_and_it_says_why);
#endif
	return s;
}

IPK_TEST_MAIN(suite)
