/*
 * life.c - whether another process or thread is still the same one.
 *
 * The one place that decides whether a process or thread is alive. A number alone proves nothing,
 * since it is reused, so an incarnation number, which is the same for every reader, is stored
 * beside it in shared memory:
 *
 *   - the kernel's unique number of the pid, never reused (the inode of a pidfd, Linux 6.9). It
 *     needs no /proc and no clock;
 *   - else the start time, from /proc, less the offset of the reader's time namespace;
 *   - else 0, which matches every other: then only an exit is detected, not a successor.
 *
 * /proc is trusted only if it was mounted in our pid namespace: otherwise its numbers are those of
 * others. A check that concludes "dead" from it verifies that once more (the process may have
 * changed its namespaces or its root since), so a living process is never taken for dead; in doubt
 * it counts as alive. kill(pid, 0) and a pidfd need no /proc: they cannot detect a reused number,
 * and on old kernels not a zombie thread.
 *
 * A zombie holds nothing any more. A zombie with further threads, though, is a process whose main
 * thread called pthread_exit(): that process is alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define PIDFS_MAGIC_NUMBER 0x50494446  /* linux/magic.h of new kernels */
#define OF_A_THREAD O_EXCL             /* PIDFD_THREAD, as old as that */
#define ASK_PID_NAMESPACE _IO(0xFF, 5) /* PIDFD_GET_PID_NAMESPACE, Linux 6.11 */
#define KERNELS_NUMBER 0x80000000u     /* in an incarnation number: which kind the rest is */
#define REST (KERNELS_NUMBER - 1)
#define STEP_NS 10000000 /* start times are no more exact than this */
#define N_TRIES 100      /* a signal may come so often while we wait for nothing */

/* What was found out about this process's surroundings, once; the child of a fork asks again. */
enum { NOT_ASKED, NO, YES };
IPK__AT_FORK_DATA static _Atomic int has_pidfs;
IPK__AT_FORK_DATA static _Atomic int proc_is_ours;
IPK__AT_FORK_DATA static _Atomic int shift_is_known; /* of our clocks, against the machine's */
IPK__AT_FORK_DATA static _Atomic int64_t boot_shift_ns;
IPK__AT_FORK_DATA static _Atomic uint64_t shifted_by; /* the time namespace that adds it */

IPK__AT_FORK_CODE void ipk__os_forget_surroundings(void)
{
	/* Relaxed, here and below: a thread that finds it unset computes it again. */
	atomic_store_explicit(&proc_is_ours, NOT_ASKED, memory_order_relaxed);
	atomic_store_explicit(&shift_is_known, NOT_ASKED, memory_order_relaxed);
}

/* --- reading /proc ---------------------------------------------------------------------------- */

/* The text of a small file, cut to fit; false: there is none. */
static bool read_text(const char *path, char *buf, size_t buf_bytes)
{
	int fd = -1;
	ssize_t n = ipk__os_take_fd(open(path, O_RDONLY | O_CLOEXEC), &fd) < 0
			    ? -1
			    : read(fd, buf, buf_bytes - 1);

	ipk__os_close(fd);
	if (n > 0)
		buf[n] = '\0';
	return n > 0;
}

/*
 * Our ids in all pid namespaces from that of /proc down to our own: when there is but one,
 * they are the same. In a /proc of a namespace that we are not in, "self" leads nowhere.
 */
static bool ask_whose_proc(void)
{
	char text[2048];
	char *line, *end;

	if (!read_text("/proc/self/status", text, sizeof text))
		return false;
	line = strstr(text, "\nNSpid:");
	if (!line)
		return false;
	return strtol(line + strlen("\nNSpid:"), &end, 10) == getpid() && *end == '\n';
}

static bool ask_again_whose_proc(void)
{
	bool is_ours = ask_whose_proc();

	atomic_store_explicit(&proc_is_ours, is_ours ? YES : NO, memory_order_relaxed);
	return is_ours;
}

bool ipk__os_proc_is_ours(void)
{
	IPK__UNCANCELLED();
	int known = atomic_load_explicit(&proc_is_ours, memory_order_relaxed);

	return known == NOT_ASKED ? ask_again_whose_proc() : known == YES;
}

/*
 * The offset of our time namespace to the machine's clock. The file has that of our children: after
 * unshare(CLONE_NEWTIME) it differs. Without the file there are no such namespaces.
 */
static bool ask_shift(int64_t *ret_ns)
{
	struct stat own, childrens;
	char text[256];
	long long s, ns;
	char *line;

	*ret_ns = 0;
	if (stat("/proc/self/ns/time", &own) < 0)
		return access("/proc/self/ns/pid", F_OK) == 0;
	/* As in the process that forked this one. */
	if (own.st_ino == atomic_load_explicit(&shifted_by, memory_order_acquire)) {
		*ret_ns = atomic_load_explicit(&boot_shift_ns, memory_order_relaxed);
		return true;
	}
	if (stat("/proc/self/ns/time_for_children", &childrens) < 0 ||
	    own.st_ino != childrens.st_ino ||
	    !read_text("/proc/self/timens_offsets", text, sizeof text))
		return false;
	line = strstr(text, "boottime");
	if (!line || sscanf(line, "boottime %lld %lld", &s, &ns) != 2)
		return false;
	*ret_ns = (int64_t)s * 1000000000 + ns;
	atomic_store_explicit(&boot_shift_ns, *ret_ns, memory_order_relaxed);
	/* Pairs with the acquire load above: the number comes first. */
	atomic_store_explicit(&shifted_by, own.st_ino, memory_order_release);
	return true;
}

static bool ask_again_for_shift(void)
{
	int64_t ns;
	bool is_known = ask_shift(&ns);

	atomic_store_explicit(&boot_shift_ns, ns, memory_order_relaxed);
	/* Pairs with the acquire load in shift_is(): the number comes first. */
	atomic_store_explicit(&shift_is_known, is_known ? YES : NO, memory_order_release);
	return is_known;
}

static bool shift_is(int64_t *ret_ns)
{
	int known = atomic_load_explicit(&shift_is_known, memory_order_acquire);
	bool is_known = known == NOT_ASKED ? ask_again_for_shift() : known == YES;

	*ret_ns = atomic_load_explicit(&boot_shift_ns, memory_order_relaxed);
	return is_known;
}

int64_t ipk__os_boot_shift_ns(void)
{
	IPK__UNCANCELLED();
	int64_t ns;

	return shift_is(&ns) ? ns : 0;
}

struct stat_line {
	char state;
	long n_threads;
	unsigned long long start_ticks;
};

/* The text of /proc/PID/stat, proc(5). The name in it may itself have blanks and ')'. */
static bool parse_stat(const char *text, struct stat_line *ret)
{
	const char *after_name = strrchr(text, ')');

	/* Fields 3 (state), 20 (num_threads) and 22 (starttime). */
	return after_name &&
	       sscanf(after_name + 1,
		      " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld "
		      "%*s %llu",
		      &ret->state, &ret->n_threads, &ret->start_ticks) == 3;
}

static bool exists(pid_t id)
{
	return id > 0 && (kill(id, 0) == 0 || errno != ESRCH);
}

/* -ESRCH no process has that number; -ENODATA there may be one, but /proc does not tell. */
static int read_stat(pid_t id, struct stat_line *ret)
{
	char path[32], text[1024];

	if (!exists(id))
		return -ESRCH;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)id);
	if (ipk__os_proc_is_ours() && read_text(path, text, sizeof text) && parse_stat(text, ret))
		return 0;
	return exists(id) ? -ENODATA : -ESRCH;
}

static bool is_alive(const struct stat_line *line, bool is_process)
{
	if (line->state == 'Z')
		return is_process && line->n_threads > 1;
	return line->state != 'X' && line->state != 'x';
}

/* On the machine's clock, so that all readers see the same. */
static bool start_ns(const struct stat_line *line, int64_t *ret_ns)
{
	int64_t shift_ns;
	uint64_t start;

	if (!shift_is(&shift_ns))
		return false;
	/* A start before this clock's zero is printed as unsigned: the product wraps back. */
	start = (uint64_t)line->start_ticks * (uint64_t)(1000000000 / sysconf(_SC_CLK_TCK));
	*ret_ns = (int64_t)(start - (uint64_t)shift_ns);
	return true;
}

/* --- asking a pidfd --------------------------------------------------------------------------- */

/* A pidfd of a process, or of any thread where the kernel can; -ESRCH, or no answer. */
static int open_pidfd(pid_t id, bool is_process)
{
	int fd;
	int r = ipk__os_take_fd((int)syscall(SYS_pidfd_open, id, is_process ? 0 : OF_A_THREAD),
				&fd);

	if (r == 0)
		return fd;
	if (r == -EMFILE || r == -ENFILE)
		return r;
	return r == -ESRCH && !exists(id) ? -ESRCH : -ENODATA;
}

static bool ask_for_pidfs(void)
{
	struct statfs fs;
	int fd = open_pidfd(getpid(), true);
	bool has = fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PIDFS_MAGIC_NUMBER;

	/* A lack of fds now says nothing about later. */
	if (fd != -EMFILE && fd != -ENFILE)
		atomic_store_explicit(&has_pidfs, has ? YES : NO, memory_order_relaxed);
	ipk__os_close(fd);
	return has;
}

static bool there_is_pidfs(void)
{
	int known = atomic_load_explicit(&has_pidfs, memory_order_relaxed);

	return known == NOT_ASKED ? ask_for_pidfs() : known == YES;
}

static bool has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n = -1;

	for (int i = 0; n < 0 && i < N_TRIES; i++) {
		n = poll(&p, 1, 0);
		if (n < 0 && errno != EINTR)
			break;
	}
	return n > 0;
}

static uint32_t mark_of_pidfd(int pidfd)
{
	struct stat st;

	return there_is_pidfs() && fstat(pidfd, &st) == 0
		       ? KERNELS_NUMBER | ((uint32_t)st.st_ino & REST)
		       : 0;
}

/* 0 it runs; -ESRCH; or no answer. *ret_mark is 0 where the kernel has no numbers. */
static int ask_pidfd(pid_t id, bool is_process, uint32_t *ret_mark)
{
	int r, fd;

	*ret_mark = 0;
	fd = open_pidfd(id, is_process);
	if (fd < 0)
		return fd;
	*ret_mark = mark_of_pidfd(fd);
	r = has_ended(fd) ? -ESRCH : 0;
	close(fd);
	return r;
}

/* --- incarnation numbers ---------------------------------------------------------------------- */

static uint32_t mark_of_start(const struct stat_line *line)
{
	int64_t ns;
	uint32_t step;

	if (!start_ns(line, &ns))
		return 0;
	step = (uint32_t)(ns / STEP_NS) & REST;
	return step != 0 ? step : 1;
}

/* In another time namespace the last step is cut off elsewhere. */
static bool starts_agree(uint32_t a, uint32_t b)
{
	uint32_t apart = (a - b) & REST;

	return apart <= 1 || apart == REST;
}

static int ask_proc_once(pid_t id, bool is_process, uint32_t mark)
{
	struct stat_line line;
	uint32_t now;
	int r = read_stat(id, &line);

	if (r < 0)
		return r;
	if (!is_alive(&line, is_process))
		return -ESRCH;
	if (mark == 0 || (mark & KERNELS_NUMBER))
		return 0;
	now = mark_of_start(&line);
	return now == 0 || starts_agree(now, mark) ? 0 : -ESRCH;
}

static int ask_proc(pid_t id, bool is_process, uint32_t mark)
{
	int r = ask_proc_once(id, is_process, mark);

	if (r != -ESRCH || !exists(id))
		return r;
	/* Only what we believe of our surroundings makes it dead. */
	ask_again_whose_proc();
	ask_again_for_shift();
	return ask_proc_once(id, is_process, mark);
}

uint32_t ipk__os_incarnation(pid_t id)
{
	IPK__UNCANCELLED();
	struct stat_line line;
	uint32_t mark = 0;

	if (there_is_pidfs()) {
		(void)ask_pidfd(id, false, &mark);
		if (mark != 0)
			return mark;
	}
	return read_stat(id, &line) == 0 ? mark_of_start(&line) : 0;
}

bool ipk__os_is_dead(pid_t id, bool is_process, uint32_t incarnation)
{
	IPK__UNCANCELLED();
	uint32_t now = 0;
	int r = -ENODATA;

	if (there_is_pidfs() || (is_process && !ipk__os_proc_is_ours())) {
		r = ask_pidfd(id, is_process, &now);
		if (r == -ESRCH)
			return true;
		if ((incarnation & KERNELS_NUMBER) && (now & KERNELS_NUMBER))
			return incarnation != now;
	}
	/* Also when it runs: it may be another, of a later start. */
	if (r < 0 || (incarnation != 0 && !(incarnation & KERNELS_NUMBER)))
		r = ask_proc(id, is_process, incarnation);
	return r == -ESRCH;
}

/* --- what else there is to know --------------------------------------------------------------- */

int ipk__os_pid_exists(pid_t pid)
{
	IPK__UNCANCELLED();
	return !ipk__os_is_dead(pid, true, 0);
}

int ipk__os_is_stopped(pid_t pid)
{
	IPK__UNCANCELLED();
	struct stat_line line;
	int r = read_stat(pid, &line);

	return r < 0 ? r : line.state == 'T' || line.state == 't';
}

int ipk__os_start_time_ns(pid_t pid, int64_t *ret_boot_ns)
{
	IPK__UNCANCELLED();
	struct stat_line line;
	int64_t ns;
	int r = read_stat(pid, &line);

	if (r < 0)
		return r;
	if (!start_ns(&line, &ns))
		return -ENODATA;
	*ret_boot_ns = ns;
	return 0;
}

/* Without /proc a new kernel can still tell about ourselves. */
static uint64_t pid_namespace_by_pidfd(void)
{
	struct stat st = {0};
	int fd = open_pidfd(getpid(), true);
	int ns = -1;

	if (fd >= 0 && ipk__os_take_fd(ioctl(fd, ASK_PID_NAMESPACE, 0), &ns) == 0 &&
	    fstat(ns, &st) < 0)
		st.st_ino = 0;
	ipk__os_close(ns);
	ipk__os_close(fd);
	return st.st_ino;
}

uint64_t ipk__os_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : pid_namespace_by_pidfd();
}
