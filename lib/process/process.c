/*
 * process.c - child processes: a fork named by a pidfd.
 *
 * Invariant: a child is reaped at most once, under the handle's mutex, and what came of it
 * is remembered; everybody who joins is told the same. Once started, the pid is only ever
 * shown: the pidfd is the child, so no signal and no wait can hit a stranger that got the
 * pid later.
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
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "ipk/process.h"
#include "os/os.h"

struct ipk_process {
	pid_t pid;
	pid_t starter_pid; /* only it may wait */
	int fd;            /* pidfd, or the stand-in when @is_lost */
	bool is_lost;      /* reaped by somebody else before it had a pidfd; set at start */

	pthread_mutex_t mutex; /* guards the rest; never touched in a fork of the starter */
	bool is_over;
	int result; /* what join returns, once @is_over */
	ipk_process_status status;

	char name[IPK__NAME_MAX + 1];
};

static _Noreturn void run_child(pid_t parent, const ipk_process_opts *opts, ipk_process_fn fn,
				void *arg)
{
	int r = 0;

	if (opts->flags & IPK_PROCESS_DIE_WITH_PARENT)
		r = ipk__os_die_with_parent(parent);
	if (opts->name)
		ipk__os_set_thread_name(opts->name);
	if (r == 0)
		r = fn(arg);
	ipk__os_exit(r >= 0 && r <= 255 ? r : 255);
}

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

static int start(ipk_process *p, ipk_process_fn fn, void *arg, const ipk_process_opts *opts)
{
	pid_t parent = ipk__os_pid();
	pid_t pid;
	int r;

	r = ipk__os_fd_is_free();
	if (r < 0)
		return r;
	r = ipk__os_fork(&pid);
	if (r < 0)
		return r;
	if (pid == 0)
		run_child(parent, opts, fn, arg);
	p->pid = pid;
	p->starter_pid = parent;
	r = ipk__os_pidfd_open(pid, &p->fd);
	if (r == -ESRCH)
		return stand_in(p);
	/* Only when another thread took the last fd meanwhile, or the kernel is out of memory. */
	if (r < 0)
		ipk__os_unfork(pid);
	return r;
}

int ipk_process_start(ipk_process_fn fn, void *arg, const ipk_process_opts *opts,
		      ipk_process **ret_proc)
{
	ipk_process_opts o;
	ipk_process *p;
	int r;

	r = ipk__opts_copy(&o, sizeof o, opts);
	if (r < 0)
		return r;
	if (!fn || !ret_proc || (o.flags & ~(unsigned)IPK_PROCESS_DIE_WITH_PARENT))
		return -EINVAL;
	if (o.name && ipk__name_check(o.name) < 0)
		return -EINVAL;
	p = ipk__os_calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	r = start(p, fn, arg, &o);
	if (r < 0) {
		free(p);
		return r;
	}
	pthread_mutex_init(&p->mutex, NULL);
	if (o.name)
		memcpy(p->name, o.name, strlen(o.name) + 1);
	else
		snprintf(p->name, sizeof p->name, "ipk-%d", (int)p->pid);
	*ret_proc = p;
	return 0;
}

/* Reaps the child if it has ended. -EAGAIN not yet, otherwise what join returns. */
static int reap(ipk_process *p, ipk_process_status *ret_status)
{
	int r;

	pthread_mutex_lock(&p->mutex);
	r = p->is_over ? p->result : ipk__os_pidfd_reap(p->fd, &p->status);
	/* Anything else the kernel says (no memory, say) is no news of the child. */
	if (r == 0 || r == -ECHILD) {
		p->is_over = true;
		p->result = r;
	}
	if (r == 0 && ret_status)
		*ret_status = p->status;
	pthread_mutex_unlock(&p->mutex);
	return r;
}

ipk_process *ipk_process_close(ipk_process *p)
{
	if (!p)
		return NULL;
	if (p->starter_pid == ipk__os_pid()) {
		(void)reap(p, NULL);
		pthread_mutex_destroy(&p->mutex);
	}
	ipk__os_close(p->fd);
	free(p);
	return NULL;
}

/*
 * A child that is traced (a debugger, strace) has ended for its pidfd before it can be
 * reaped: its tracer goes first, and nothing tells when. So look again every so often.
 */
static int wait_for_tracer(ipk_deadline deadline)
{
	_Atomic uint32_t nothing = 0;
	int64_t left_ns = ipk_deadline_left_ns(deadline);

	if (left_ns == 0)
		return -ETIMEDOUT;
	(void)ipk__os_futex_wait(&nothing, 0, ipk_in_ns(IPK__MIN(left_ns, 1000000)));
	return 0;
}

int ipk_process_join(ipk_process *p, ipk_deadline deadline, ipk_process_status *ret_status)
{
	int r;

	if (!p)
		return -EBADF;
	if (p->starter_pid != ipk__os_pid())
		return -ECHILD;
	r = ipk__os_poll1(p->fd, IPK__OS_IN, deadline, NULL);
	if (r < 0)
		return r;
	while ((r = reap(p, ret_status)) == -EAGAIN) {
		r = wait_for_tracer(deadline);
		if (r < 0)
			return r;
	}
	return r;
}

bool ipk_process_is_alive(ipk_process *p)
{
	/* Only the kernel's word counts as death, so any other trouble is not one. */
	return p && ipk__os_poll1(p->fd, IPK__OS_IN, ipk_now(), NULL) != 0;
}

static int send_signal(const ipk_process *p, int sig)
{
	if (!p)
		return -EBADF;
	return p->is_lost ? 0 : ipk__os_pidfd_signal(p->fd, sig);
}

int ipk_process_terminate(ipk_process *p)
{
	return send_signal(p, SIGTERM);
}

int ipk_process_kill(ipk_process *p)
{
	return send_signal(p, SIGKILL);
}

pid_t ipk_process_pid(const ipk_process *p)
{
	return p ? p->pid : -1;
}

const char *ipk_process_name(const ipk_process *p)
{
	return p ? p->name : "";
}

int ipk_process_fd(const ipk_process *p, int *ret_fd)
{
	if (!p)
		return -EBADF;
	*ret_fd = p->fd;
	return 0;
}
