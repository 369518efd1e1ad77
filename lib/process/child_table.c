/*
 * child_table.c - the children that this process has started and still has handles of.
 *
 * One list under one guard, which also covers each handle's knowledge of its child's exit: a child
 * is reaped at most once, by the first caller, and all callers get the same status. The guard is
 * held across a fork, and the child begins with an empty list: its parent's children are not its
 * own.
 *
 * The lifelines of children that must die with this process are held by no other process: a fork
 * closes them before anything else.
 *
 * The kernel does not say whether it killed a child for lack of memory. The control group counts
 * such kills; the count is recorded when a child starts (read at most once a second, so it may be
 * that much older) and compared when a SIGKILL that did not come from the handle terminates it.
 */
#include <errno.h>
#include <pthread.h> /* pthread_atfork */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "process/process_internal.h"

#define OOM_READ_AGAIN_NS 1000000000
#define DAEMON_TERM_NS 1000000000 /* from SIGTERM to SIGKILL */
#define DAEMON_KILL_NS 5000000000 /* a process that cannot die even then is left */

struct ipk__lifeline {
	int fd;
	bool is_kept; /* its handle is closed */
	struct ipk__lifeline *next;
};

IPK__AT_FORK_DATA static struct {
	struct ipk__os_guard guard;
	ipk_process *first;
	struct ipk__lifeline *lifelines;
	size_t n_closed; /* that are kept */
	uint64_t n_oom_kills;
	int64_t oom_read_ns; /* 0: never */
	bool knows_oom;
} child_table;

IPK__AT_FORK_CODE void ipk__child_table_lock(void)
{
	ipk__os_guard_lock(&child_table.guard);
}

IPK__AT_FORK_CODE void ipk__child_table_unlock(void)
{
	ipk__os_guard_unlock(&child_table.guard);
}

IPK__AT_FORK_CODE bool ipk__child_table_is_held_here(void)
{
	return ipk__os_guard_is_ours(&child_table.guard);
}

IPK__AT_FORK_CODE static void before_fork(void)
{
	ipk__os_guard_before_fork(&child_table.guard);
}

IPK__AT_FORK_CODE static void after_fork(void)
{
	ipk__os_guard_after_fork(&child_table.guard);
}

IPK__AT_FORK_CODE static void begin_anew_in_child(void)
{
	for (const struct ipk__lifeline *l = child_table.lifelines; l; l = l->next)
		ipk__os_close(l->fd);
	child_table.lifelines = NULL;
	child_table.first = NULL;
	child_table.n_closed = 0;
	ipk__registry_in_fork();
	ipk__os_guard_in_child(&child_table.guard);
}

__attribute__((constructor(102))) static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, begin_anew_in_child);
}

/* --- lifelines -------------------------------------------------------------------------------- */

static void drop_lifeline(struct ipk__lifeline **at)
{
	struct ipk__lifeline *lifeline = *at;

	*at = lifeline->next; /* first: a fork closes what it finds in the list */
	ipk__os_close(lifeline->fd);
	free(lifeline);
}

/* Those without children any more. */
static void drop_unused_lifelines(void)
{
	struct ipk__lifeline **at = &child_table.lifelines;

	while (*at) {
		if ((*at)->is_kept && ipk__os_is_hung_up((*at)->fd) == 1)
			drop_lifeline(at);
		else
			at = &(*at)->next;
	}
}

int ipk__child_table_lifeline(struct ipk__lifeline **ret_lifeline, int *ret_childs_fd)
{
	struct ipk__lifeline *lifeline = ipk__os_calloc(1, sizeof *lifeline);
	int r;

	if (!lifeline)
		return -ENOMEM;
	ipk__child_table_lock();
	drop_unused_lifelines();
	r = ipk__os_lifeline(ret_childs_fd, &lifeline->fd);
	if (r == 0) {
		lifeline->next = child_table.lifelines;
		child_table.lifelines = lifeline;
	}
	ipk__child_table_unlock();
	if (r < 0)
		free(lifeline);
	else
		*ret_lifeline = lifeline;
	return r;
}

static void give_up_lifeline(struct ipk__lifeline *lifeline, bool child_has_ended)
{
	struct ipk__lifeline **at = &child_table.lifelines;

	if (!lifeline)
		return;
	lifeline->is_kept = true;
	while (child_has_ended && *at) {
		if (*at == lifeline) {
			drop_lifeline(at);
			return;
		}
		at = &(*at)->next;
	}
}

void ipk__child_table_drop_lifeline(struct ipk__lifeline *lifeline)
{
	ipk__child_table_lock();
	give_up_lifeline(lifeline, true);
	ipk__child_table_unlock();
}

/* --- ends ------------------------------------------------------------------------------------- */

static void look_at_oom(int64_t max_age_ns)
{
	int64_t now_ns = ipk__os_now_ns();

	if (child_table.oom_read_ns != 0 && now_ns - child_table.oom_read_ns < max_age_ns)
		return;
	child_table.oom_read_ns = now_ns;
	child_table.knows_oom = ipk__os_oom_kills(&child_table.n_oom_kills) == 0;
}

static bool is_oom(const ipk_process *p)
{
	if (p->status.signal != SIGKILL || p->is_killed || !p->knows_oom)
		return false;
	look_at_oom(0);
	return child_table.knows_oom && child_table.n_oom_kills > p->n_oom_kills;
}

/* A zygote's child is reaped by the zygote, which reports its status. */
static int ask_zygote(const ipk_process *p, ipk_process_status *ret_status)
{
	const struct ipk__zygote_child child = {
		.pid = p->pid, .pidfd = p->fd, .status_fd = p->status_fd};
	int r = ipk__os_poll1(p->fd, IPK__OS_IN, ipk_now(), NULL);

	if (r == 0)
		r = ipk__zygote_child_status(&child, ipk_now(), ret_status);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

int ipk__child_table_reap(ipk_process *p)
{
	ipk_process_status status = {0};
	int r;

	if (p->is_over)
		return p->result;
	r = p->status_fd >= 0 ? ask_zygote(p, &status) : ipk__os_pidfd_reap(p->fd, &status);
	/* Anything else the kernel says (no memory, say) is no news of the child. */
	if (r != 0 && r != -ECHILD)
		return r;
	p->is_over = true;
	p->result = r;
	p->status = status;
	if (r == 0)
		p->status.is_oom = is_oom(p);
	ipk__registry_end(p, r != 0);
	return r;
}

/* --- the list --------------------------------------------------------------------------------- */

static void unlink_handle(ipk_process *p)
{
	for (ipk_process **at = &child_table.first; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			return;
		}
	}
}

static void free_handle(ipk_process *p)
{
	ipk__os_close(p->fd);
	ipk__os_close(p->status_fd);
	free(p);
}

/* Daemons whose handles are closed and that have ended by themselves. */
static void sweep(void)
{
	ipk_process **at = &child_table.first;

	while (*at && child_table.n_closed > 0) {
		ipk_process *p = *at;

		if (!p->is_closed || ipk__child_table_reap(p) == -EAGAIN) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		child_table.n_closed--;
		give_up_lifeline(p->lifeline, true);
		free_handle(p);
	}
}

void ipk__child_table_add(ipk_process *p, int64_t before_ns, int64_t after_ns)
{
	(void)ipk__at_exit_hook();
	ipk__child_table_lock();
	sweep();
	look_at_oom(OOM_READ_AGAIN_NS);
	p->knows_oom = child_table.knows_oom;
	p->n_oom_kills = child_table.n_oom_kills;
	p->next = child_table.first;
	child_table.first = p;
	ipk__registry_add(p, before_ns, after_ns);
	if (p->is_over)
		ipk__registry_end(p, true);
	ipk__child_table_unlock();
}

bool ipk__child_table_close(ipk_process *p)
{
	int r = ipk__child_table_reap(p);

	if ((p->flags & IPK_PROCESS_DAEMON) && r == -EAGAIN) {
		p->is_closed = true;
		child_table.n_closed++;
		return false;
	}
	if (!p->is_over)
		ipk__registry_end(p, true);
	give_up_lifeline(p->lifeline, p->is_over);
	unlink_handle(p);
	return true;
}

/* A zygote that is stopped, or a tracer, may hold back the status of one that has ended. */
static bool runs(ipk_process *p)
{
	return ipk__child_table_reap(p) == -EAGAIN &&
	       ipk__os_poll1(p->fd, IPK__OS_IN, ipk_now(), NULL) != 0;
}

int ipk_active_children(ipk_process_info *ret_infos, size_t max, size_t *ret_n)
{
	size_t n = 0;

	if (!ret_n || (!ret_infos && max > 0))
		return ipk__invalid("ret_n, or ret_infos with max over 0, is NULL");
	ipk__child_table_lock();
	sweep();
	for (ipk_process *p = child_table.first; p; p = p->next) {
		if (!runs(p))
			continue;
		if (n < max) {
			ret_infos[n] = (ipk_process_info){
				.pid = p->pid,
				.start_method = p->method,
				.flags = p->flags,
				.running_ns = ipk__os_boot_ns() - p->started_boot_ns,
			};
			strcpy(ret_infos[n].name, p->name);
		}
		n++;
	}
	ipk__child_table_unlock();
	*ret_n = n;
	return 0;
}

/* --- at the end of this process --------------------------------------------------------------- */

/* One of its children that runs yet; false: none. The fd is a copy, or -1. */
static bool find_running(bool is_daemon, int *ret_fd)
{
	bool is_found = false;

	ipk__child_table_lock();
	for (ipk_process *p = child_table.first; p && !is_found; p = p->next) {
		if (p->is_foreign || is_daemon != ((p->flags & IPK_PROCESS_DAEMON) != 0) ||
		    (!is_daemon && (p->flags & IPK_PROCESS_DETACHED)) || !runs(p))
			continue;
		is_found = true;
		if (ipk__os_dup(p->fd, ret_fd) < 0)
			*ret_fd = -1;
	}
	ipk__child_table_unlock();
	return is_found;
}

/* Until none of the daemons, or of the others, runs. */
static void wait_for_all(bool is_daemon, ipk_deadline deadline)
{
	int fd;

	while (find_running(is_daemon, &fd)) {
		int r = fd < 0 ? 0 : ipk__os_poll1(fd, IPK__OS_IN, deadline, NULL);

		/* There is no fd, or it is over and only to be found so. */
		if (r == 0)
			ipk__os_nap(100000);
		ipk__os_close(fd);
		if (r < 0 || ipk_deadline_left_ns(deadline) == 0)
			return;
	}
}

/*
 * One that may not be signalled (this process was root when it started it, say, and is not any
 * more) would be waited for in vain: it ends with its lifeline, or with this process.
 */
static void signal_daemons(int sig)
{
	ipk__child_table_lock();
	for (ipk_process *p = child_table.first; p; p = p->next) {
		if (!(p->flags & IPK_PROCESS_DAEMON) || !runs(p))
			continue;
		if (ipk__os_pidfd_signal(p->fd, sig) == -EPERM) {
			p->is_foreign = true;
			give_up_lifeline(p->lifeline, true);
			p->lifeline = NULL;
		}
	}
	ipk__child_table_unlock();
}

IPK__AT_FORK_CODE bool ipk__child_table_is_empty(void)
{
	bool is_empty;

	ipk__child_table_lock();
	is_empty = !child_table.first;
	ipk__child_table_unlock();
	return is_empty;
}

void ipk__child_table_end_daemons(void)
{
	signal_daemons(SIGTERM);
	wait_for_all(true, ipk_in_ns(DAEMON_TERM_NS));
	signal_daemons(SIGKILL);
	wait_for_all(true, ipk_in_ns(DAEMON_KILL_NS));
}

void ipk__child_table_join_all(void)
{
	wait_for_all(false, ipk_forever());
}
