/*
 * zygote_start.c - the process-wide zygote, which ipk_process_start() uses to start children.
 *
 * Invariant: the remembered zygote was created by the process that remembers it, or it is ignored.
 * So a fork of its requester begins without one and may create its own.
 */
#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "process/process_internal.h"
#include "process/zygote_internal.h"

#define RENEW_MS 1000 /* for another zygote, in a thread that has more to do */

static _Atomic(struct ipk__zygote *) of_process;
/* It is not ended while a thread of the library's own has it spawn something. */
static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER;

struct ipk__zygote *ipk__zygote_of_process(void)
{
	struct ipk__zygote *z = atomic_load(&of_process);

	return z && ipk__zygote_is_own(z) ? z : NULL;
}

int ipk__zygote_open_by_process(const char *name, struct ipk__zygote **ret_zygote)
{
	struct ipk__zygote *z;
	int r;

	pthread_mutex_lock(&in_use);
	z = ipk__zygote_of_process();
	r = z ? ipk__zygote_make_by(z, name, ipk_in_ms(RENEW_MS), ret_zygote) : -ENODEV;
	pthread_mutex_unlock(&in_use);
	return r;
}

/* In a fork of its requester the mutex may be locked forever, and there is nothing to terminate. */
static void close_one(struct ipk__zygote *z)
{
	bool is_own = z && ipk__zygote_is_own(z);

	if (is_own)
		pthread_mutex_lock(&in_use);
	(void)ipk__zygote_close(z);
	if (is_own)
		pthread_mutex_unlock(&in_use);
}

/* One that is of no use: both of its processes were killed, or it is another process's. */
static void forget_lost(void)
{
	struct ipk__zygote *z = atomic_load(&of_process);
	pid_t pid = 0, standby_pid;

	if (!z)
		return;
	if (ipk__zygote_is_own(z))
		ipk__zygote_pids(z, &pid, &standby_pid);
	if (pid == 0 && atomic_compare_exchange_strong(&of_process, &z, NULL))
		close_one(z);
}

int ipk_zygote_start(const ipk_zygote_opts *opts)
{
	struct ipk__zygote *z, *none = NULL;
	ipk_zygote_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	if (o.name && ipk__name_check(o.name) < 0)
		return ipk__invalid("IPK_ZYGOTE(.name): " IPK__NAME_RULE);
	forget_lost();
	if (atomic_load(&of_process))
		return -EALREADY;
	r = ipk__zygote_make(o.name, o.preload, o.preload_arg, &z);
	if (r < 0)
		return r;
	if (atomic_compare_exchange_strong(&of_process, &none, z))
		return 0;
	(void)ipk__zygote_close(z);
	return -EALREADY;
}

void ipk_zygote_stop(void)
{
	close_one(atomic_exchange(&of_process, NULL));
}

/* --- ipk_process_start() ---------------------------------------------------------------------- */

/* What goes to the child; fds are there by their place among those of the spawn, or -1. */
struct order {
	ipk_process_fn fn;
	struct ipk__child child;
	char name[IPK__NAME_MAX + 1];
	uint64_t arg_bytes;
	alignas(16) unsigned char arg[];
};

static int run_order(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	struct order *o = arg;

	(void)arg_bytes;
	for (int i = 0; i < 3; i++) {
		int place = o->child.stdio_fds[i];

		o->child.stdio_fds[i] = place >= 0 && (size_t)place < n_fds ? fds[place] : -1;
	}
	if (o->child.inherit_fd >= 0)
		o->child.inherit_fd = fds[o->child.inherit_fd];
	o->child.name = o->name[0] ? o->name : NULL;
	return ipk__child_run(&o->child, o->fn, o->arg_bytes > 0 ? o->arg : NULL);
}

/* Its place among the fds of a spawn; -1 none. */
static int add_fd(int *fds, size_t *n_fds, int fd)
{
	if (fd < 0)
		return -1;
	fds[*n_fds] = fd;
	return (int)(*n_fds)++;
}

static int spawn(struct ipk__zygote *z, struct order *o, const ipk_process_opts *opts,
		 struct ipk__zygote_child *ret_child)
{
	int fds[IPK__SPAWN_FDS_MAX];
	struct ipk__spawn_request request = {
		.fn = run_order,
		.arg = o,
		.arg_bytes = sizeof *o + opts->arg_bytes,
		.fds = fds,
		.flags = (opts->flags & (IPK_PROCESS_DIE_WITH_PARENT | IPK_PROCESS_DAEMON)
				  ? IPK__SPAWN_DIES_ALONG
				  : 0) |
			 (opts->flags & IPK_PROCESS_KEEP_STDIN ? IPK__SPAWN_KEEP_STDIN : 0),
		.name = opts->name,
	};
	int inherit_fd;
	int r;

	r = ipk__inherit_pack(opts->inherit, opts->n_inherit, &inherit_fd);
	if (r < 0)
		return r;
	o->child.inherit_fd = add_fd(fds, &request.n_fds, inherit_fd);
	o->child.stdio_fds[0] = add_fd(fds, &request.n_fds, ipk__fd_or_none(opts->stdin_fd));
	o->child.stdio_fds[1] = add_fd(fds, &request.n_fds, ipk__fd_or_none(opts->stdout_fd));
	o->child.stdio_fds[2] = add_fd(fds, &request.n_fds, ipk__fd_or_none(opts->stderr_fd));
	r = ipk__zygote_spawn(
		z, &request, ipk_in_ns(opts->timeout_ns ? opts->timeout_ns : IPK__ZYGOTE_ANSWER_NS),
		ret_child);
	ipk__os_close(inherit_fd);
	return r;
}

int ipk__start_by_zygote(ipk_process *p, ipk_process_fn fn, void *arg, const ipk_process_opts *opts)
{
	struct ipk__zygote *z = ipk__zygote_of_process();
	struct ipk__zygote_child child;
	struct order *o;
	int r;

	if (!z)
		return -EDEADLK;
	if (arg && opts->arg_bytes == 0)
		return ipk__invalid(
			"IPK_PROCESS(.arg_bytes): a zygote cannot pass a bare pointer arg");
	o = ipk__os_calloc(1, sizeof *o + opts->arg_bytes);
	if (!o)
		return -ENOMEM;
	o->fn = fn;
	o->child = IPK__NO_CHILD;
	o->child.parent_pid = ipk__os_pid();
	o->child.parent_owner = ipk__self_owner();
	/* The zygote has seen to these two: it is the parent, to the kernel. */
	o->child.flags =
		(opts->flags & ~(unsigned)IPK_PROCESS_DIE_WITH_PARENT) | IPK_PROCESS_KEEP_STDIN;
	if (opts->name)
		memcpy(o->name, opts->name, strlen(opts->name) + 1);
	o->arg_bytes = opts->arg_bytes;
	if (arg && opts->arg_bytes > 0)
		memcpy(o->arg, arg, opts->arg_bytes);
	r = spawn(z, o, opts, &child);
	free(o);
	if (r < 0)
		return r;
	p->pid = child.pid;
	p->fd = child.pidfd;
	p->status_fd = child.status_fd;
	return 0;
}
