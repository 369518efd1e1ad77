/*
 * process.c - the handle of a child process, identified by a pidfd.
 *
 * Invariant: a child is reaped at most once, under the handle's mutex, and its status is
 * remembered; every join returns the same. Once started, the pid is only displayed: the pidfd is
 * the child, so no signal and no wait can reach another process that got the pid later.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "os/os.h"
#include "process/process_internal.h"

static int reap(ipk_process *p, ipk_process_status *ret_status)
{
	int r;

	ipk__child_table_lock();
	r = ipk__child_table_reap(p);
	if (r == 0 && ret_status)
		*ret_status = p->status;
	ipk__child_table_unlock();
	return r;
}

static bool is_known(const ipk_process *p)
{
	bool is_known;

	ipk__child_table_lock();
	is_known = p->is_over;
	ipk__child_table_unlock();
	return is_known;
}

ipk_process *ipk_process_close(ipk_process *p)
{
	bool may_free = true;

	if (!p)
		return NULL;
	if (p->starter_pid == ipk__os_pid()) {
		ipk__child_table_lock();
		may_free = ipk__child_table_close(p);
		ipk__child_table_unlock();
	}
	if (may_free) {
		ipk__os_close(p->fd);
		ipk__os_close(p->status_fd);
		free(p);
	}
	return NULL;
}

/*
 * A traced child (a debugger, strace) has exited for its pidfd before it can be reaped: its tracer
 * goes first, and nothing reports when. So check again periodically.
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
	if (is_known(p))
		return reap(p, ret_status);
	/* A zygote reports a child's status a moment after its exit, unless it is dead. */
	r = p->status_fd < 0 ? 0 : ipk__os_poll1(p->status_fd, IPK__OS_IN, deadline, NULL);
	if (r == 0)
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

bool ipk_process_is_alive(const ipk_process *p)
{
	/* Only the kernel's word counts as death, so any other trouble is not one. */
	return p && ipk__os_poll1(p->fd, IPK__OS_IN, ipk_now(), NULL) != 0;
}

/* A fork of its starter has a copy of the handle, for which the child is a sibling. */
static int check_own(const ipk_process *p)
{
	if (!p)
		return -EBADF;
	return p->starter_pid == ipk__os_pid() ? 0 : -EPERM;
}

static int send_signal(const ipk_process *p, int sig)
{
	int r = check_own(p);

	if (r < 0)
		return r;
	return p->is_lost ? 0 : ipk__os_pidfd_signal(p->fd, sig);
}

int ipk_process_interrupt(ipk_process *p)
{
	return send_signal(p, SIGINT);
}

int ipk_process_terminate(ipk_process *p)
{
	return send_signal(p, SIGTERM);
}

int ipk_process_kill(ipk_process *p)
{
	if (check_own(p) == 0) {
		/* First, so that who learns of the death knows whose doing it was. */
		ipk__child_table_lock();
		p->is_killed = true;
		ipk__child_table_unlock();
	}
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
	IPK__REQUIRE(ret_fd, "ret_fd is NULL");
	*ret_fd = p->fd;
	return 0;
}

/* --- several ---------------------------------------------------------------------------------- */

/* The handles that are there, as what poll() takes; -1 entries are skipped by it. */
static int fill_polls(ipk_process *const procs[], size_t n, struct pollfd *polls)
{
	size_t n_there = 0;

	for (size_t i = 0; i < n; i++) {
		polls[i] = (struct pollfd){.fd = -1, .events = POLLIN};
		if (!procs[i])
			continue;
		if (procs[i]->starter_pid != ipk__os_pid())
			return -ECHILD;
		polls[i].fd = procs[i]->fd;
		n_there++;
	}
	return n_there > 0 ? 0 : -ECHILD;
}

int ipk_process_wait_any(ipk_process *const procs[], size_t n, ipk_deadline deadline,
			 size_t *ret_index)
{
	struct pollfd few[16];
	struct pollfd *polls = few;
	int r;

	if (!ret_index || (!procs && n > 0))
		return ipk__invalid("procs or ret_index is NULL");
	if (n > IPK__N_OF(few))
		polls = ipk__os_malloc(n * sizeof *polls);
	if (!polls)
		return -ENOMEM;
	r = fill_polls(procs, n, polls);
	if (r == 0)
		r = ipk__os_poll(polls, n, deadline);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (polls[i].fd >= 0 && polls[i].revents != 0) {
			*ret_index = i;
			break;
		}
	}
	if (polls != few)
		free(polls);
	return r;
}
