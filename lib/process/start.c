/*
 * start.c - how a child comes to be, as its starter sees it.
 *
 * A start that has failed must not have run anything, but the pidfd can only be made after
 * the fork. So with no fd free nothing is forked. (The alternative that gives both at once,
 * clone3 with CLONE_PIDFD, goes around the C library, whose locks and thread ids would be
 * stale in the child.) A child may be gone before it could be named, where the host ignores
 * SIGCHLD or waits for just any child: an eventfd then stands in for its pidfd.
 *
 * Pages cost more than system calls here: each page that the child writes to, or whose code
 * it runs first, and each that the parent writes to while the child shares it, is a fault.
 * So the handle is filled in after the fork, and the child leaves its copy of it alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "process/process_internal.h"

/* --- by fork --- */

/* An fd for a child that nobody can name any more: it is over, and somebody else knows how. */
static int stand_in(ipk_process *p)
{
	int r = ipk__os_eventfd(&p->fd);

	if (r < 0)
		return r;
	ipk__os_bell(p->fd);
	p->is_lost = p->is_over = true;
	p->result = -ECHILD;
	return 0;
}

static int fd_or_none(int fd)
{
	return fd > 0 ? fd : -1;
}

static int start_by_fork(ipk_process *p, ipk_process_fn fn, void *arg, const ipk_process_opts *opts)
{
	const struct ipk__child child = {
		.parent_pid = ipk__os_pid(),
		.flags = opts->flags,
		.name = opts->name,
		.stdio_fds = {fd_or_none(opts->stdin_fd), fd_or_none(opts->stdout_fd),
			      fd_or_none(opts->stderr_fd)},
	};
	pid_t pid;
	int r;

	r = ipk__os_fd_is_free();
	if (r < 0)
		return r;
	r = ipk__os_fork(&pid);
	if (r < 0)
		return r;
	if (pid == 0)
		ipk__os_exit(ipk__child_run(&child, fn, arg));
	p->pid = pid;
	r = ipk__os_pidfd_open(pid, &p->fd);
	if (r == -ESRCH)
		return stand_in(p);
	/* Only when another thread took the last fd meanwhile, or the kernel is out of memory. */
	if (r < 0)
		ipk__os_unfork(pid);
	return r;
}

/* --- by any method --- */

/* A fork of a process with threads may find the locks of the C library taken for good. */
static int start_by_default(ipk_process *p, ipk_process_fn fn, void *arg,
			    const ipk_process_opts *opts)
{
	int r = ipk__os_n_threads() > 1 ? ipk__start_by_zygote(p, fn, arg, opts) : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		return start_by_fork(p, fn, arg, opts);
	p->method = IPK_START_ZYGOTE;
	return r;
}

static int start(ipk_process *p, ipk_process_fn fn, void *arg, const ipk_process_opts *opts)
{
	p->method = opts->start_method;
	switch (opts->start_method) {
	case IPK_START_DEFAULT:
		p->method = IPK_START_FORK;
		return start_by_default(p, fn, arg, opts);
	case IPK_START_FORK:
		return start_by_fork(p, fn, arg, opts);
	case IPK_START_ZYGOTE:
		return ipk__start_by_zygote(p, fn, arg, opts);
	default:
		return -EOPNOTSUPP;
	}
}

/* --- what may be asked for --- */

#define KNOWN_FLAGS (IPK_PROCESS_DIE_WITH_PARENT | IPK_PROCESS_DAEMON | IPK_PROCESS_KEEP_STDIN)

static int check_stdio(const ipk_process_opts *o)
{
	const int fds[] = {o->stdin_fd, o->stdout_fd, o->stderr_fd};
	int r = 0;

	for (size_t i = 0; r == 0 && i < IPK__N_OF(fds); i++) {
		if (fds[i] != 0)
			r = ipk__os_fd_check(fds[i]);
	}
	return r;
}

static int check(ipk_process_fn fn, const void *arg, const ipk_process_opts *o)
{
	bool is_exec = o->start_method == IPK_START_EXEC;

	if ((o->flags & ~(unsigned)KNOWN_FLAGS) || o->start_method < 0 ||
	    o->start_method > IPK_START_EXEC || (o->arg_bytes > 0 && !arg))
		return -EINVAL;
	if (is_exec ? fn || arg : !fn || o->program || o->argv || o->env)
		return -EINVAL;
	if (o->name && ipk__name_check(o->name) < 0)
		return -EINVAL;
	return check_stdio(o);
}

int ipk_process_start(ipk_process_fn fn, void *arg, const ipk_process_opts *opts,
		      ipk_process **ret_proc)
{
	ipk_process_opts o;
	ipk_process *p;
	int r;

	r = ret_proc ? ipk__opts_copy(&o, sizeof o, opts) : -EINVAL;
	if (r == 0)
		r = check(fn, arg, &o);
	if (r < 0)
		return r;
	p = ipk__os_calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->status_fd = -1;
	r = start(p, fn, arg, &o);
	if (r < 0) {
		free(p);
		return r;
	}
	p->starter_pid = ipk__os_pid();
	p->flags = o.flags;
	pthread_mutex_init(&p->mutex, NULL);
	if (o.name)
		memcpy(p->name, o.name, strlen(o.name) + 1);
	else
		snprintf(p->name, sizeof p->name, "ipk-%d", (int)p->pid);
	*ret_proc = p;
	return 0;
}
