/*
 * proc.c - processes: our own ids, fork and pidfds. Liveness of others: life.c.
 *
 * This process's ids are cached, because every blocking call and every lock stores them. Invariant:
 * a cached id is right or 0. The child of any fork() clears them in an atfork handler, which runs
 * in its only thread; if that handler could not be registered nothing is cached. (Children of
 * vfork() and bare clone() may not use ipk.)
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "ipk/process.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define BY_PIDFD 3 /* P_PIDFD, which older C libraries lack */

IPK__AT_FORK_DATA _Atomic pid_t ipk__os_cached_pid;
_Thread_local struct ipk__os_self ipk__os_self;
IPK__AT_FORK_DATA static bool may_cache;

IPK__AT_FORK_DATA static _Atomic uint32_t n_begun, n_ended; /* changes of fds */
IPK__AT_FORK_DATA static bool lost_count;                   /* of them, in a fork */

void ipk__os_fds_change(void)
{
	/* Pairs with the loads around a fork: counted before anything is opened or closed. */
	atomic_fetch_add(&n_begun, 1);
}

void ipk__os_fds_changed(void)
{
	atomic_fetch_add(&n_ended, 1);
}

bool ipk__os_fds_came_along(void)
{
	return !lost_count;
}

IPK__AT_FORK_CODE static void count_changes(void)
{
	uint32_t n = atomic_load(&n_ended);

	/* A fork in progress makes it a number that the child will not find. */
	ipk__os_self.n_changes = atomic_load(&n_begun) == n ? n : n - 1;
}

IPK__AT_FORK_CODE static void forget_ids(void)
{
	lost_count |= atomic_load(&n_begun) != ipk__os_self.n_changes;
	atomic_store(&n_ended, atomic_load(&n_begun));
	atomic_store_explicit(&ipk__os_cached_pid, 0, memory_order_relaxed);
	ipk__os_self = (struct ipk__os_self){0};
	ipk__os_forget_surroundings();
}

/*
 * First of all, so that other handlers in a child find it done: ours have 102, and the host's come
 * later still, unless it has loaded this library with dlopen().
 */
__attribute__((constructor(101))) static void watch_forks(void)
{
	may_cache = pthread_atfork(count_changes, NULL, forget_ids) == 0;
}

IPK__AT_FORK_CODE pid_t ipk__os_ask_pid(void)
{
	pid_t pid = getpid();

	/* Relaxed: all threads of a process would store the same. */
	if (may_cache)
		atomic_store_explicit(&ipk__os_cached_pid, pid, memory_order_relaxed);
	return pid;
}

pid_t ipk__os_ask_tid(void)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	if (may_cache)
		ipk__os_self.tid = tid;
	return tid;
}

void ipk__os_program(struct ipk__os_stat *ret_stat)
{
	struct stat st;

	*ret_stat = (struct ipk__os_stat){0};
	if (stat("/proc/self/exe", &st) == 0)
		ipk__os_fill_stat(&st, ret_stat);
}

bool ipk__os_is_our_thread(pid_t tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) == 0;
}

uid_t ipk__os_uid(void)
{
	return geteuid();
}

/* A fork beside other threads has copies of their streams' buffers, which are not its own. */
IPK__AT_FORK_DATA static bool leaves_streams;

/*
 * fflush(NULL) waits for every stream's lock, and another thread that sits in a read has one
 * for as long as nothing comes. Where there are others their streams are flushed by them.
 */
IPK__AT_FORK_CODE void ipk__os_flush_stdio(bool is_alone)
{
	IPK__UNCANCELLED();
	if (is_alone && !leaves_streams) {
		fflush(NULL);
		return;
	}
	fflush(stdout);
	fflush(stderr);
}

IPK__AT_FORK_CODE int ipk__os_fork_beside(bool others, pid_t *ret_pid)
{
	pid_t pid;

	ipk__os_flush_stdio(!others);
	pid = fork();
	if (pid < 0)
		return ipk__call_error(IPK__CALL_CLONE);
	if (pid == 0 && others)
		leaves_streams = true;
	*ret_pid = pid;
	return 0;
}

IPK__AT_FORK_CODE int ipk__os_fork(pid_t *ret_pid)
{
	return ipk__os_fork_beside(ipk__os_n_threads() > 1, ret_pid);
}

void ipk__os_unfork(pid_t child)
{
	IPK__UNCANCELLED();
	siginfo_t info;

	kill(child, SIGKILL);
	while (waitid(P_PID, (id_t)child, &info, WEXITED) < 0 && errno == EINTR)
		;
}

int ipk__os_pidfd_open(pid_t pid, int *ret_fd)
{
	int r = ipk__os_take_fd((int)syscall(SYS_pidfd_open, pid, 0), ret_fd);

	return ipk__call_result(IPK__CALL_PIDFD_OPEN, r);
}

int ipk__os_pidfd_signal(int pidfd, int sig)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) == 0 || errno == ESRCH)
		return 0;
	return -errno;
}

/* By this process's own, of which each of them fails in a way of its own. */
static int try_calls(int pidfd)
{
	siginfo_t info;

	if (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
		return ipk__refused(IPK__CALL_PIDFD_SEND_SIGNAL);
	if (syscall(SYS_waitid, BY_PIDFD, pidfd, &info, WEXITED | WNOHANG, NULL) < 0 &&
	    errno != ECHILD)
		return ipk__refused(IPK__CALL_WAITID);
	return 0;
}

int ipk__os_pidfd_check(void)
{
	IPK__UNCANCELLED();
	static _Atomic bool are_tried;
	int fd;
	int r = ipk__os_pidfd_open(getpid(), &fd);

	if (r < 0)
		return r;
	if (!atomic_load_explicit(&are_tried, memory_order_relaxed)) {
		r = try_calls(fd);
		atomic_store_explicit(&are_tried, r == 0, memory_order_relaxed);
	}
	close(fd);
	return r;
}

static int64_t ns_of(struct timeval time)
{
	return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000;
}

int ipk__os_reap(int by, int id, pid_t *ret_pid, struct ipk_process_status *ret_status)
{
	struct rusage usage = {0};
	siginfo_t info = {0};
	bool is_exit;

	/* The kernel's call also tells what the child took; the C library's does not. */
	while (syscall(SYS_waitid, by, id, &info, WEXITED | WNOHANG, &usage) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (info.si_pid == 0)
		return -EAGAIN;
	*ret_pid = info.si_pid;
	is_exit = info.si_code == CLD_EXITED;
	*ret_status = (ipk_process_status){
		.exit_code = is_exit ? info.si_status : -1,
		.signal = is_exit ? 0 : info.si_status,
		.core = info.si_code == CLD_DUMPED,
		.user_ns = ns_of(usage.ru_utime),
		.system_ns = ns_of(usage.ru_stime),
		.max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024,
	};
	return 0;
}

int ipk__os_pidfd_reap(int pidfd, struct ipk_process_status *ret_status)
{
	pid_t pid;

	return ipk__os_reap(BY_PIDFD, pidfd, &pid, ret_status);
}

bool ipk__os_is_parent(pid_t pid)
{
	pid_t parent = getppid();

	/* 0 is a parent in an outer pid namespace, which cannot be identified from here. */
	return parent == pid || parent == 0;
}

_Noreturn void ipk__os_die(void)
{
	kill(getpid(), SIGKILL);
	/* A filter refuses it, or this is the first process of a pid namespace. */
	_exit(128 + SIGKILL);
}

/* When its other end is closed, the kernel sends the signal that was asked for. */
static int be_told(int fd, pid_t pid, int sig, int flags)
{
	if (fcntl(fd, F_SETOWN, pid) < 0 || fcntl(fd, F_SETSIG, sig) < 0 ||
	    fcntl(fd, F_SETFL, flags) < 0)
		return ipk__call_error(IPK__CALL_SIGNAL_OF_FD);
	return 0;
}

static int attach_lifeline(int fd)
{
	return be_told(fd, getpid(), SIGKILL, O_RDONLY | O_ASYNC | O_NONBLOCK);
}

int ipk__os_lifeline(int *ret_childs_fd, int *ret_parents_fd)
{
	IPK__UNCANCELLED();
	int fds[2];
	int r = pipe2(fds, O_CLOEXEC) < 0 ? ipk__call_error(IPK__CALL_PIPE)
					  : ipk__os_take_fds(fds, 2);

	if (r < 0)
		return r;
	/* The calls that the child will make, so that it is known here that it may. */
	r = be_told(fds[0], 0, 0, O_RDONLY);
	if (r < 0) {
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	*ret_childs_fd = fds[0];
	*ret_parents_fd = fds[1];
	return 0;
}

int ipk__os_die_with_parent_check(void)
{
	int sig;

	/* A filter may allow the one and not the other: the same is set again. */
	return prctl(PR_GET_PDEATHSIG, &sig) < 0 || prctl(PR_SET_PDEATHSIG, sig) < 0
		       ? ipk__call_error(IPK__CALL_PRCTL)
		       : 0;
}

int ipk__os_die_with_parent(pid_t parent, int lifeline_fd)
{
	IPK__UNCANCELLED();
	int r = lifeline_fd >= 0 ? attach_lifeline(lifeline_fd) : 0;

	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = ipk__call_error(IPK__CALL_PRCTL);
	/* Only now: a parent that dies after this check sends the signal. */
	if (r == 0 && !ipk__os_is_parent(parent))
		r = -ESRCH;
	return r;
}

void ipk__os_set_thread_name(const char *name)
{
	prctl(PR_SET_NAME, name); /* the kernel keeps the first 15 bytes */
}

/* What RLIMIT_DATA counts, in bytes: see proc_pid_status(5). 0: /proc does not tell. */
static uint64_t data_bytes(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *file = ipk__os_fopen("/proc/self/status");

	if (!file)
		return 0;
	while (fgets(line, sizeof line, file) && sscanf(line, "VmData: %llu", &kib) != 1)
		;
	fclose(file);
	return kib * 1024;
}

void ipk__os_want_fds(uint64_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= n)
		return;
	limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int ipk__os_limit_memory(uint64_t more_bytes)
{
	IPK__UNCANCELLED();
	struct rlimit limit;
	uint64_t now_bytes = data_bytes();

	if (getrlimit(RLIMIT_DATA, &limit) < 0)
		return -errno;
	if (more_bytes > (uint64_t)RLIM_INFINITY - now_bytes - 1 ||
	    limit.rlim_cur <= now_bytes + more_bytes)
		return 0;
	limit.rlim_cur = now_bytes + more_bytes;
	return setrlimit(RLIMIT_DATA, &limit) < 0 ? -errno : 0;
}

IPK__AT_FORK_CODE void ipk__os_exit(int code)
{
	ipk__os_flush_stdio(true);
	_exit(code);
}
