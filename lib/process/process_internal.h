/*
 * process_internal.h - what the files of this room share.
 *
 * process.c       the handle: join, signals, close
 * start.c         the starter's side of a start, by fork; start_exec.c by posix_spawn();
 *                 zygote_start.c by a zygote
 * child.c         the child's side, however it came to be
 * family.c        the children this process has started; registry.c shows them to others
 */
#ifndef IPK_PROCESS_INTERNAL_H
#define IPK_PROCESS_INTERNAL_H

#include <pthread.h>

#include "base/base_internal.h"
#include "ipk/process.h"
#include "process/zygote.h"

struct ipk_process {
	pid_t pid;
	pid_t starter_pid; /* only it may wait */
	int fd;            /* pidfd, or the stand-in when @is_lost */
	bool is_lost;      /* reaped by somebody else before it had a pidfd; set at start */
	unsigned flags;
	int method;    /* IPK_START_*, never the default */
	int status_fd; /* by a zygote: of its struct ipk__born; otherwise -1 */
	int64_t started_boot_ns;

	pthread_mutex_t mutex; /* guards the rest; never touched in a fork of the starter */
	bool is_over;
	int result; /* what join returns, once @is_over */
	ipk_process_status status;

	char name[IPK__NAME_MAX + 1];
};

/* What a child is told of itself when it is born. */
struct ipk__child {
	pid_t parent_pid;
	unsigned flags; /* IPK_PROCESS_* */
	const char *name;
	int stdio_fds[3]; /* -1: as it is, but see IPK_PROCESS_KEEP_STDIN */
};

/*
 * In the child: becomes what @child says, runs @fn, and returns the exit code for
 * ipk__os_exit(). A zygote's child has IPK_PROCESS_KEEP_STDIN set here when its stdin is
 * seen to already.
 */
int ipk__child_run(const struct ipk__child *child, ipk_process_fn fn, void *arg);

/*
 * zygote_start.c: @p->pid, ->fd and ->status_fd are set on success, the rest is the
 * caller's. @opts are checked. -EDEADLK: there is no process-wide zygote.
 */
int ipk__start_by_zygote(ipk_process *p, ipk_process_fn fn, void *arg,
			 const ipk_process_opts *opts);

#endif
