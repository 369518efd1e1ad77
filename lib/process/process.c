/*
 * process.c - the handle of a child process, which is named by a pidfd.
 *
 * Invariant: a child is reaped at most once, under the handle's mutex, and what came of it
 * is remembered; everybody who joins is told the same. Once started, the pid is only ever
 * shown: the pidfd is the child, so no signal and no wait can hit a stranger that got the
 * pid later.
 *
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "os/os.h"
#include "process/process_internal.h"

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
