/* worlds.c - see worlds.h. */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/worlds.h"
#include "support/support.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum { NOBODY = 65534 };

struct world {
	int kind;
	int (*fn)(void *arg);
	void *arg;
	int news_fd; /* the pid of the one inside, or -errno */
};

static int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -errno : 0;
}

/* Somebody who is not root is one in a user namespace, under the same number. */
static int become_able(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0)
		return 0;
	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	put_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%d %d 1", (int)gid, (int)gid);
	put_text("/proc/self/gid_map", map);
	snprintf(map, sizeof map, "%d %d 1", (int)uid, (int)uid);
	return put_text("/proc/self/uid_map", map);
}

static int64_t clock_s(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec;
}

static int shift_clocks(int kind)
{
	bool is_late = kind & WORLD_LATE;
	char text[128];

	if (unshare(CLONE_NEWTIME) < 0)
		return -errno;
	snprintf(text, sizeof text, "monotonic %lld 0\nboottime %lld 0\n",
		 is_late ? 1000000 : 1 - (long long)clock_s(CLOCK_MONOTONIC),
		 is_late ? 1000000 : 1 - (long long)clock_s(CLOCK_BOOTTIME));
	return put_text("/proc/self/timens_offsets", text);
}

static int refuse_pidfd_open(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	return 0;
}

static int leave_proc(int kind)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    umount2("/proc", MNT_DETACH) < 0)
		return -errno;
	if ((kind & WORLD_HIDDEN) && mount("proc", "/proc", "proc", 0, "hidepid=invisible") < 0)
		return -errno;
	return 0;
}

/* As all that were of another user: who is not root sees neither its siblings nor their ends. */
static int lose_sight(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}

static int make_world(int kind)
{
	int r = kind & ~WORLD_NO_PIDFD ? become_able() : 0;

	if (r == 0 && (kind & (WORLD_LATE | WORLD_YOUNG)))
		r = shift_clocks(kind);
	if (r == 0 && (kind & WORLD_FOREIGN_PROC) && unshare(CLONE_NEWPID) < 0)
		r = -errno;
	if (r == 0 && (kind & (WORLD_NO_PROC | WORLD_HIDDEN)))
		r = leave_proc(kind);
	if (r == 0 && (kind & WORLD_HIDDEN))
		r = lose_sight();
	if (r == 0 && (kind & WORLD_NO_PIDFD))
		r = refuse_pidfd_open();
	return r;
}

/* The one outside, which only waits: namespaces of pids and time are those of its children. */
static int stand_outside(void *arg)
{
	const struct world *w = arg;
	int code = make_world(w->kind);
	pid_t pid = -1;

	if (write(w->news_fd, &code, sizeof code) != (ssize_t)sizeof code || code < 0)
		return 0;
	close(w->news_fd);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(w->fn(w->arg));
	}
	while (waitpid(pid, &code, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
}

int shift_childrens_clocks(int kind)
{
	int r = become_able();

	return r < 0 ? r : shift_clocks(kind);
}

pid_t spawn_in_world(int kind, int (*fn)(void *arg), void *arg)
{
	struct world w = {.kind = kind, .fn = fn, .arg = arg};
	int fds[2], r = -EIO;
	pid_t pid;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	w.news_fd = fds[1];
	pid = spawn(stand_outside, &w);
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &r, sizeof r), sizeof r);
	close(fds[0]);
	if (r == 0)
		return pid;
	reap_ok(pid);
	fprintf(stderr, "skipped: no such world here (%s)\n", strerror(-r));
	return -1;
}

pid_t spawn_as_pid(pid_t as, int (*fn)(void *arg), void *arg)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
			set_tid, set_tid_size;
	} how = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&as,
		.set_tid_size = 1,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof how);

	/* It only uses what does not need to know of the fork. */
	if (pid == 0)
		_exit(fn(arg));
	return pid;
}
