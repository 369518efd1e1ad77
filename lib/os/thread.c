/*
 * thread.c - threads that the library starts in its host, and forks that are safe despite them.
 *
 * A thread inherits the signal mask of its creator, so signals are blocked before it starts: there
 * is no moment at which one could be delivered to it.
 *
 * A fork copies one thread, and every lock that another one holds at that moment stays locked in
 * the child. A quiet thread holds none whenever a fork may happen: it waits without the guard, a
 * read-write lock, and holds the read side while it does anything else. The forking thread holds
 * the write side. What a host's callback does is unknown, so while a thread runs one it counts as
 * the host's.
 *
 * The thread sanitizer has threads of its own, which it handles at a fork. Under it, and only
 * there, a thread that has all signals blocked and is not ours is taken for one.
 *
 * Invariant: @n_quiet is the number of running threads that wait quietly or hold the read side, as
 * seen by the holder of the write side.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define NEVER_HAD_THREADS __libc_single_threaded
#else
#define NEVER_HAD_THREADS false
#endif

#include "base/base_internal.h"
#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define GUARD_NS 1000000000
#define ENDING_NS 50000000 /* a thread whose function has returned is usually gone in 0.1 ms */
#define IS_EXITING 0x4     /* PF_EXITING: it runs nothing any more */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_WATCHED true
#endif
#elif defined(__SANITIZE_THREAD__)
#define IS_WATCHED true
#endif
#ifndef IS_WATCHED
#define IS_WATCHED false
#endif

enum state { NOT_OURS, OURS, QUIET, BUSY, LOUD };

IPK__AT_FORK_DATA static pthread_rwlock_t guard = IPK__OS_RWLOCK_INIT;
IPK__AT_FORK_DATA static _Atomic int n_quiet;
IPK__AT_FORK_DATA static _Atomic int n_ours; /* quiet or not; matters to IS_WATCHED alone */
IPK__AT_FORK_DATA static _Atomic int64_t last_end_ns; /* when a function of our threads returned */
static _Thread_local enum state state;

IPK__AT_FORK_CODE static void forget_threads(void)
{
	guard = (pthread_rwlock_t)IPK__OS_RWLOCK_INIT;
	atomic_store_explicit(&n_quiet, 0, memory_order_relaxed);
	atomic_store_explicit(&n_ours, 0, memory_order_relaxed);
	state = NOT_OURS;
}

__attribute__((constructor(102))) static void watch_forks(void)
{
	/* Without it a child may find no thread of its own to be quiet: it takes care, then. */
	(void)pthread_atfork(NULL, NULL, forget_threads);
}

struct beginning {
	void *(*fn)(void *arg);
	void *arg;
	enum state state;
};

/* As a cleanup handler: what the host has called in it may end the thread. */
static void thread_ends(void *unused)
{
	(void)unused;
	atomic_store(&last_end_ns, ipk__os_now_ns());
	if (state != OURS)
		ipk__os_thread_loud(); /* the C library's exit path is not ours */
	if (state != NOT_OURS)         /* in a fork it may have made */
		atomic_fetch_sub(&n_ours, 1);
}

static void *thread_main(void *arg)
{
	struct beginning b = *(struct beginning *)arg;
	void *result;

	state = b.state;
	if (state == QUIET)
		ipk__os_thread_busy();
	free(arg);
	pthread_cleanup_push(thread_ends, NULL);
	result = b.fn(b.arg);
	pthread_cleanup_pop(1);
	return result;
}

static int start(void *(*fn)(void *arg), void *arg, enum state as, pthread_t *ret_thread)
{
	struct beginning *b = ipk__os_malloc(sizeof *b);
	pthread_t thread;
	sigset_t all, before;
	int r;

	if (!b)
		return -ENOMEM;
	*b = (struct beginning){.fn = fn, .arg = arg, .state = as};
	atomic_fetch_add(&n_ours, 1);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, thread_main, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0) {
		*ret_thread = thread;
	} else {
		atomic_fetch_sub(&n_ours, 1);
		free(b);
	}
	/* No attributes are asked for, so there is nothing that could be invalid or not allowed. */
	if (r == EINVAL)
		return ipk__refused(IPK__CALL_THREAD_HERE);
	return r == EPERM || r == ENOSYS ? ipk__refused(IPK__CALL_THREAD) : -r;
}

int ipk__os_thread_start(void *(*fn)(void *arg), void *arg, pthread_t *ret_thread)
{
	return start(fn, arg, OURS, ret_thread);
}

int ipk__os_thread_start_quiet(void *(*fn)(void *arg), void *arg, pthread_t *ret_thread)
{
	bool has_read_side = state == BUSY; /* once is enough, and twice may wait for itself */
	int r;

	if (!has_read_side)
		pthread_rwlock_rdlock(&guard);
	r = start(fn, arg, QUIET, ret_thread);
	if (r == 0)
		atomic_fetch_add(&n_quiet, 1);
	if (!has_read_side)
		pthread_rwlock_unlock(&guard);
	return r;
}

static void change(enum state to)
{
	if (state == NOT_OURS || state == OURS || state == to)
		return;
	if (state != BUSY)
		pthread_rwlock_rdlock(&guard);
	if (state == LOUD)
		atomic_fetch_add(&n_quiet, 1);
	if (to == LOUD)
		atomic_fetch_sub(&n_quiet, 1);
	if (to != BUSY)
		pthread_rwlock_unlock(&guard);
	state = to;
}

void ipk__os_thread_busy(void)
{
	change(BUSY);
}

void ipk__os_thread_quiet(void)
{
	change(QUIET);
}

void ipk__os_thread_loud(void)
{
	change(LOUD);
}

void ipk__os_thread_return(pid_t pid)
{
	ipk__os_thread_busy();
	if (pid != ipk__os_pid())
		pthread_exit(NULL);
}

/* The numbers of /proc/self/task/TID/stat behind the name, proc(5): flags and blocked signals. */
static bool parse_task(const char *text, unsigned *ret_flags, unsigned long *ret_blocked)
{
	const char *at = strrchr(text, ')');
	int field = 2;

	while (at && field < 32) {
		at = strchr(at + 1, ' ');
		field++;
		if (at && field == 9)
			*ret_flags = (unsigned)strtoul(at, NULL, 10);
		if (at && field == 32)
			*ret_blocked = strtoul(at, NULL, 10);
	}
	return at != NULL;
}

/* Whether a thread of this process may still run anything of the program's. */
static bool still_runs(const char *tid)
{
	const unsigned long usual = 1ul << (SIGINT - 1) | 1ul << (SIGTERM - 1) |
				    1ul << (SIGUSR1 - 1) | 1ul << (SIGUSR2 - 1);
	unsigned long blocked = 0;
	char path[64], text[1024];
	unsigned flags = 0;
	ssize_t n;
	int fd, r;

	snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", tid);
	r = ipk__os_take_fd(open(path, O_RDONLY | O_CLOEXEC), &fd);
	if (r < 0)
		return r != -ENOENT;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return false; /* -ESRCH: it went meanwhile */
	text[n] = '\0';
	if (!parse_task(text, &flags, &blocked))
		return true;
	/* A joined thread is in this list for a moment yet. */
	return !(flags & IS_EXITING) && !(IS_WATCHED && (blocked & usual) == usual);
}

/*
 * Without /proc: that asks for nothing that this thread does not have already, if it is alone;
 * otherwise it is refused, and so it is where the call is forbidden. One that was joined may be
 * there for a moment yet.
 */
static bool is_alone(void)
{
	const struct timespec moment = {.tv_nsec = 100000};

	for (int i = 0; i < 50; i++) {
		if (unshare(CLONE_THREAD) == 0)
			return true;
		if (errno != EINVAL)
			return false;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
	}
	return false;
}

/* All of them; 0 when unknown. */
static int count_threads(void)
{
	DIR *tasks;
	struct dirent *e;
	int n = IS_WATCHED ? atomic_load(&n_ours) : 0;

	if (NEVER_HAD_THREADS)
		return 1;
	tasks = ipk__os_opendir(AT_FDCWD, "/proc/self/task");
	if (!tasks)
		return atomic_load(&n_quiet) == 0 && is_alone();
	while ((e = readdir(tasks)))
		n += e->d_name[0] != '.' && still_runs(e->d_name);
	closedir(tasks);
	return n;
}

int ipk__os_n_threads(void)
{
	IPK__UNCANCELLED();
	int n;

	if (NEVER_HAD_THREADS)
		return 1;
	if (state != BUSY)
		pthread_rwlock_rdlock(&guard);
	n = count_threads();
	n = n == 0 ? 2 : n - atomic_load(&n_quiet); /* be careful */
	if (state != BUSY)
		pthread_rwlock_unlock(&guard);
	return n;
}

/* The number of threads is unknown. */
static int why_unknown(void)
{
	DIR *tasks = ipk__os_opendir(AT_FDCWD, "/proc/self/task");

	if (!tasks && errno == ENOSYS)
		return -ENOSYS; /* and it is known which call was refused */
	if (tasks)
		closedir(tasks);
	return ipk__refused(IPK__CALL_PROC);
}

IPK__AT_FORK_CODE static int fork_if_alone(pid_t *ret_pid)
{
	pid_t pid = -1;
	int r = -EDEADLK;
	int n;

	/* What a quiet thread does is short; if not, it is the same as with any other thread. */
	if (ipk__os_rwlock_write_lock_until(&guard, ipk__os_now_ns() + GUARD_NS) != 0)
		return -EDEADLK;
	n = count_threads();
	if (n == 0)
		r = why_unknown();
	else if (n - atomic_load(&n_quiet) == 1)
		r = ipk__os_fork_beside(false, &pid);
	if (pid == 0)
		forget_threads(); /* and with them that the parent has the guard */
	else
		pthread_rwlock_unlock(&guard);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

/* Whether one of our own threads may be on its way out: the host sees none and has to do nothing. */
static bool one_is_ending(void)
{
	return ipk__os_now_ns() - atomic_load(&last_end_ns) < ENDING_NS;
}

IPK__AT_FORK_CODE int ipk__os_fork_alone(pid_t *ret_pid)
{
	const struct timespec moment = {.tv_nsec = 100000};
	int64_t until_ns = ipk__os_now_ns() + ENDING_NS; /* though others may end meanwhile */
	int r;

	if (state != NOT_OURS)
		return -EDEADLK;
	while ((r = fork_if_alone(ret_pid)) == -EDEADLK && one_is_ending() &&
	       ipk__os_now_ns() < until_ns)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
	return r;
}

void ipk__os_thread_join(pthread_t thread)
{
	IPK__UNCANCELLED();
	pthread_join(thread, NULL);
}

void ipk__os_thread_forget(pthread_t thread)
{
	pthread_detach(thread);
}
