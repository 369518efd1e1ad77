/*
 * family.c - the children that this process has started and still has handles of.
 *
 * One list under one guard, also for what each handle knows of its child's end: a child is
 * reaped at most once, by whoever asks first, and everybody is told the same. The guard is held
 * across a fork, and the child begins with an empty list: its parent's children are not its own.
 *
 * The leashes of children that are to die with this process are held by nobody else: a fork
 * of it closes them, first of all.
 *
 * Whether the kernel ended a child because memory ran out it does not say. Its control
 * group counts such kills; the count is remembered when a child starts (read again once a
 * second at most, so it may be that much older) and compared when a SIGKILL that did not
 * come from the handle ends it.
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

struct ipk__leash {
	int fd;
	bool is_kept; /* its handle is closed */
	struct ipk__leash *next;
};

IPK__AT_FORK_DATA static struct {
	struct ipk__os_guard guard;
	ipk_process *first;
	struct ipk__leash *leashes;
	size_t n_closed; /* that are kept */
	uint64_t n_oom_kills;
	int64_t oom_read_ns; /* 0: never */
	bool knows_oom;
} family;

IPK__AT_FORK_CODE void ipk__family_lock(void)
{
	ipk__os_guard_lock(&family.guard);
}

IPK__AT_FORK_CODE void ipk__family_unlock(void)
{
	ipk__os_guard_unlock(&family.guard);
}

IPK__AT_FORK_CODE static void before_fork(void)
{
	ipk__os_guard_before_fork(&family.guard);
}

IPK__AT_FORK_CODE static void after_fork(void)
{
	ipk__os_guard_after_fork(&family.guard);
}

IPK__AT_FORK_CODE static void begin_anew_in_child(void)
{
	for (const struct ipk__leash *l = family.leashes; l; l = l->next)
		ipk__os_close(l->fd);
	family.leashes = NULL;
	family.first = NULL;
	family.n_closed = 0;
	ipk__registry_in_fork();
	ipk__os_guard_in_child(&family.guard);
}

__attribute__((constructor)) static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, begin_anew_in_child);
}

/* --- leashes --- */

static void drop_leash(struct ipk__leash **at)
{
	struct ipk__leash *leash = *at;

	*at = leash->next; /* first: a fork closes what it finds in the list */
	ipk__os_close(leash->fd);
	free(leash);
}

/* Those that nobody is on any more. */
static void drop_slack_leashes(void)
{
	struct ipk__leash **at = &family.leashes;

	while (*at) {
		if ((*at)->is_kept && ipk__os_is_hung_up((*at)->fd) == 1)
			drop_leash(at);
		else
			at = &(*at)->next;
	}
}

int ipk__family_leash(struct ipk__leash **ret_leash, int *ret_childs_fd)
{
	struct ipk__leash *leash = ipk__os_calloc(1, sizeof *leash);
	int r;

	if (!leash)
		return -ENOMEM;
	ipk__family_lock();
	drop_slack_leashes();
	r = ipk__os_leash(ret_childs_fd, &leash->fd);
	if (r == 0) {
		leash->next = family.leashes;
		family.leashes = leash;
	}
	ipk__family_unlock();
	if (r < 0)
		free(leash);
	else
		*ret_leash = leash;
	return r;
}

static void give_up_leash(struct ipk__leash *leash, bool child_has_ended)
{
	struct ipk__leash **at = &family.leashes;

	if (!leash)
		return;
	leash->is_kept = true;
	while (child_has_ended && *at) {
		if (*at == leash) {
			drop_leash(at);
			return;
		}
		at = &(*at)->next;
	}
}

void ipk__family_unleash(struct ipk__leash *leash)
{
	ipk__family_lock();
	give_up_leash(leash, true);
	ipk__family_unlock();
}

/* --- ends --- */

static void look_at_oom(int64_t max_age_ns)
{
	int64_t now_ns = ipk__os_now_ns();

	if (family.oom_read_ns != 0 && now_ns - family.oom_read_ns < max_age_ns)
		return;
	family.oom_read_ns = now_ns;
	family.knows_oom = ipk__os_oom_kills(&family.n_oom_kills) == 0;
}

static bool is_oom(const ipk_process *p)
{
	if (p->status.signal != SIGKILL || p->is_killed || !p->knows_oom)
		return false;
	look_at_oom(0);
	return family.knows_oom && family.n_oom_kills > p->n_oom_kills;
}

/* A zygote's child is the zygote's to reap; it tells how the child ended. */
static int ask_zygote(const ipk_process *p, ipk_process_status *ret_status)
{
	const struct ipk__born born = {.pid = p->pid, .pidfd = p->fd, .status_fd = p->status_fd};
	int r = ipk__os_poll1(p->fd, IPK__OS_IN, ipk_now(), NULL);

	if (r == 0)
		r = ipk__born_status(&born, ipk_now(), ret_status);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

int ipk__family_reap(ipk_process *p)
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

/* --- the list --- */

static void unlink_handle(ipk_process *p)
{
	for (ipk_process **at = &family.first; *at; at = &(*at)->next) {
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
	ipk_process **at = &family.first;

	while (*at && family.n_closed > 0) {
		ipk_process *p = *at;

		if (!p->is_closed || ipk__family_reap(p) == -EAGAIN) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		family.n_closed--;
		give_up_leash(p->leash, true);
		free_handle(p);
	}
}

void ipk__family_add(ipk_process *p, int64_t before_ns, int64_t after_ns)
{
	(void)ipk__at_exit_hook();
	ipk__family_lock();
	sweep();
	look_at_oom(OOM_READ_AGAIN_NS);
	p->knows_oom = family.knows_oom;
	p->n_oom_kills = family.n_oom_kills;
	p->next = family.first;
	family.first = p;
	ipk__registry_add(p, before_ns, after_ns);
	if (p->is_over)
		ipk__registry_end(p, true);
	ipk__family_unlock();
}

bool ipk__family_close(ipk_process *p)
{
	int r = ipk__family_reap(p);

	if ((p->flags & IPK_PROCESS_DAEMON) && r == -EAGAIN) {
		p->is_closed = true;
		family.n_closed++;
		return false;
	}
	if (!p->is_over)
		ipk__registry_end(p, true);
	give_up_leash(p->leash, p->is_over);
	unlink_handle(p);
	return true;
}

int ipk_active_children(ipk_process_info *ret_infos, size_t max, size_t *ret_n)
{
	size_t n = 0;

	if (!ret_n || (!ret_infos && max > 0))
		return -EINVAL;
	ipk__family_lock();
	sweep();
	for (ipk_process *p = family.first; p; p = p->next) {
		if (ipk__family_reap(p) != -EAGAIN)
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
	ipk__family_unlock();
	*ret_n = n;
	return 0;
}

/* --- at the end of this process --- */

/* One of its children that runs yet; false: none. The fd is a copy, or -1. */
static bool find_running(bool is_daemon, int *ret_fd)
{
	bool is_found = false;

	ipk__family_lock();
	for (ipk_process *p = family.first; p && !is_found; p = p->next) {
		if (is_daemon != ((p->flags & IPK_PROCESS_DAEMON) != 0) ||
		    (!is_daemon && (p->flags & IPK_PROCESS_DETACHED)) ||
		    ipk__family_reap(p) != -EAGAIN)
			continue;
		is_found = true;
		if (ipk__os_dup(p->fd, ret_fd) < 0)
			*ret_fd = -1;
	}
	ipk__family_unlock();
	return is_found;
}

/* Until none of the daemons, or of the others, runs. */
static void wait_for_all(bool is_daemon, ipk_deadline deadline)
{
	int fd;

	while (find_running(is_daemon, &fd)) {
		int r = fd < 0 ? 0 : ipk__os_poll1(fd, IPK__OS_IN, deadline, NULL);

		/* Over for its pidfd, but its tracer or zygote has the status yet; or no fd. */
		if (r == 0)
			ipk__os_nap(100000);
		ipk__os_close(fd);
		if (r < 0 || ipk_deadline_left_ns(deadline) == 0)
			return;
	}
}

static void signal_daemons(int sig)
{
	ipk__family_lock();
	for (ipk_process *p = family.first; p; p = p->next) {
		if ((p->flags & IPK_PROCESS_DAEMON) && ipk__family_reap(p) == -EAGAIN)
			(void)ipk__os_pidfd_signal(p->fd, sig);
	}
	ipk__family_unlock();
}

IPK__AT_FORK_CODE bool ipk__family_is_empty(void)
{
	bool is_empty;

	ipk__family_lock();
	is_empty = !family.first;
	ipk__family_unlock();
	return is_empty;
}

void ipk__family_end_daemons(void)
{
	signal_daemons(SIGTERM);
	wait_for_all(true, ipk_in_ns(DAEMON_TERM_NS));
	signal_daemons(SIGKILL);
	wait_for_all(true, ipk_in_ns(DAEMON_KILL_NS));
}

void ipk__family_join_all(void)
{
	wait_for_all(false, ipk_forever());
}
