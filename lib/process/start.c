/*
 * start.c - the start of a child, on the parent's side.
 *
 * A start that failed must not have run anything, but the pidfd can only be made after the fork. So
 * if no fd is free, or the calls for pidfds are refused, nothing is forked. (The alternative that
 * does both at once, clone3 with CLONE_PIDFD, bypasses the C library, whose locks and thread ids
 * would be stale in the child.) A child may be reaped before its pidfd could be made, if the host
 * ignores SIGCHLD or waits for any child: a doorbell then stands in for its pidfd.
 *
 * Page faults cost more than system calls here: each page that the child writes to, or whose code
 * it runs first, and each that the parent writes to while the child shares it, is a fault. So the
 * handle is filled in after the fork, and the child does not touch its copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "process/process_internal.h"

/* An fd for a child that cannot be named any more: it has been reaped elsewhere. */
static int stand_in(ipk_process *p)
{
	int r = ipk__os_doorbell_open(&p->fd);

	if (r < 0)
		return r;
	ipk__os_doorbell(p->fd);
	p->is_lost = p->is_over = true;
	p->result = -ECHILD;
	return 0;
}

/* The child @p->pid is there: name it by an fd. */
static int name_child(ipk_process *p)
{
	int r = ipk__os_pidfd_open(p->pid, &p->fd);

	if (r == -ESRCH)
		r = stand_in(p);
	/* Only when another thread took the last fd meanwhile, or the kernel is out of memory. */
	if (r < 0)
		ipk__os_unfork(p->pid);
	return r;
}

/* There is no such child, or one of another method is tried. */
static void drop_lifeline(ipk_process *p)
{
	ipk__child_table_drop_lifeline(p->lifeline);
	p->lifeline = NULL;
}

/* --- by fork ---------------------------------------------------------------------------------- */

static struct ipk__child describe(const ipk_process_opts *o)
{
	struct ipk__child child = IPK__NO_CHILD;
	bool is_main_thread = ipk__os_tid() == ipk__os_pid();

	child.parent_pid = ipk__os_pid();
	child.flags = o->flags;
	child.name = o->name;
	child.stdio_fds[0] = ipk__fd_or_none(o->stdin_fd);
	child.stdio_fds[1] = ipk__fd_or_none(o->stdout_fd);
	child.stdio_fds[2] = ipk__fd_or_none(o->stderr_fd);
	/* Asked here, where the code for it is in place: see above. */
	child.stdin_is_nowhere = ipk__os_stdin_is_nowhere();
	child.inherit = o->inherit;
	child.n_inherit = o->n_inherit;
	if ((o->flags & IPK_PROCESS_DAEMON) && is_main_thread)
		child.flags |= IPK_PROCESS_DIE_WITH_PARENT;
	else if (o->flags & IPK_PROCESS_DAEMON)
		child.watches_parent = true;
	return child;
}

/* What would only fail in the child. */
static int check_calls(unsigned flags)
{
	int r = ipk__os_pidfd_check();

	return r == 0 && (flags & IPK_PROCESS_DIE_WITH_PARENT) ? ipk__os_die_with_parent_check()
							       : r;
}

IPK__AT_FORK_CODE static int start_by_fork(ipk_process *p, ipk_process_fn fn, void *arg,
					   const ipk_process_opts *opts,
					   int (*do_fork)(pid_t *ret_pid))
{
	struct ipk__child child = describe(opts);
	pid_t pid;
	int r;

	r = check_calls(child.flags);
	if (r == 0 && (child.flags & IPK_PROCESS_DIE_WITH_PARENT))
		r = ipk__child_table_lifeline(&p->lifeline, &child.lifeline_fd);
	if (r < 0)
		return r;
	r = do_fork(&pid);
	if (r == 0 && pid == 0)
		ipk__os_exit(ipk__child_run(&child, fn, arg));
	ipk__os_close(child.lifeline_fd);
	p->pid = pid;
	if (r == 0)
		r = name_child(p);
	if (r < 0)
		drop_lifeline(p);
	return r;
}

static int start_by_exec(ipk_process *p, const ipk_process_opts *opts)
{
	bool is_daemon = opts->flags & IPK_PROCESS_DAEMON;
	int r = check_calls(opts->flags | (is_daemon ? IPK_PROCESS_DIE_WITH_PARENT : 0));

	if (r == 0)
		r = ipk__self_may_execute();
	if (r == 0)
		r = ipk__start_by_exec(p, opts);
	if (r == 0)
		r = name_child(p);
	if (r < 0)
		drop_lifeline(p);
	return r;
}

/* --- by any method ---------------------------------------------------------------------------- */

/* A fork of a process with threads may find the C library's locks held forever. */
static int start_by_default(ipk_process *p, ipk_process_fn fn, void *arg,
			    const ipk_process_opts *opts)
{
	int by_zygote, r;

	p->method = IPK_START_FORK;
	r = start_by_fork(p, fn, arg, opts, ipk__os_fork_alone);
	if (r != -EDEADLK && r != -ENOSYS)
		return r;
	p->method = IPK_START_ZYGOTE;
	by_zygote = ipk__start_by_zygote(p, fn, arg, opts);
	return by_zygote == -EDEADLK ? r : by_zygote;
}

static int start(ipk_process *p, ipk_process_fn fn, void *arg, const ipk_process_opts *opts)
{
	p->method = opts->start_method;
	switch (opts->start_method) {
	case IPK_START_DEFAULT:
		return start_by_default(p, fn, arg, opts);
	case IPK_START_FORK:
		return start_by_fork(p, fn, arg, opts, ipk__os_fork);
	case IPK_START_ZYGOTE:
		return ipk__start_by_zygote(p, fn, arg, opts);
	default:
		return start_by_exec(p, opts);
	}
}

/* --- what may be asked for -------------------------------------------------------------------- */

#define KNOWN_FLAGS                                                                  \
	(IPK_PROCESS_DIE_WITH_PARENT | IPK_PROCESS_DAEMON | IPK_PROCESS_KEEP_STDIN | \
	 IPK_PROCESS_DETACHED)

static int check_stdio(const ipk_process_opts *o)
{
	const int *const fds[] = {o->stdin_fd, o->stdout_fd, o->stderr_fd};
	int r = 0;

	for (size_t i = 0; r == 0 && i < IPK__N_OF(fds); i++) {
		if (fds[i])
			r = ipk__os_fd_check(*fds[i]);
	}
	return r;
}

static int check_start(ipk_process_fn fn, const void *arg, const ipk_process_opts *o)
{
	bool is_exec = o->start_method == IPK_START_EXEC;
	int r;

	IPK__REQUIRE(!(o->flags & ~(unsigned)KNOWN_FLAGS),
		     "IPK_PROCESS(.flags): IPK_PROCESS_*, or-ed");
	IPK__REQUIRE((unsigned)o->start_method <= IPK_START_EXEC,
		     "IPK_PROCESS(.start_method): an ipk_start_method");
	IPK__REQUIRE(arg || o->arg_bytes == 0, "IPK_PROCESS(.arg_bytes): not 0, and arg is NULL");
	IPK__REQUIRE(o->arg_bytes <= PTRDIFF_MAX / 2,
		     "IPK_PROCESS(.arg_bytes): nothing is so large");
	IPK__REQUIRE(!is_exec || !(fn || arg), "fn and arg: must be NULL with IPK_START_EXEC");
	IPK__REQUIRE(is_exec || fn, "fn: NULL only with IPK_START_EXEC");
	IPK__REQUIRE(is_exec || !o->program, "IPK_PROCESS(.program): only with IPK_START_EXEC");
	IPK__REQUIRE(is_exec || !o->argv, "IPK_PROCESS(.argv): only with IPK_START_EXEC");
	IPK__REQUIRE(is_exec || !o->env, "IPK_PROCESS(.env): only with IPK_START_EXEC");
	IPK__REQUIRE(!o->name || ipk__name_check(o->name) == 0,
		     "IPK_PROCESS(.name): " IPK__NAME_RULE);
	IPK__REQUIRE(o->timeout_ns >= 0, "IPK_PROCESS(.timeout_ns): 0 or more");
	r = ipk__inherit_check(o->inherit, o->n_inherit);
	if (r == 0)
		r = check_stdio(o);
	return r == 0 && ipk__self_is_daemon() ? -EPERM : r;
}

/* The numbers 0 to 2 may change their meaning while stdio is put in place: copies do not. */
struct copies {
	int fds[3];
};

static void close_copies(struct copies *copies)
{
	for (int i = 0; i < 3; i++)
		ipk__os_close(copies->fds[i]);
}

static int copy_stdio(ipk_process_opts *o, struct copies *copies)
{
	const int **fds[] = {&o->stdin_fd, &o->stdout_fd, &o->stderr_fd};
	int r = 0;

	*copies = (struct copies){{-1, -1, -1}};
	for (int i = 0; r == 0 && i < 3; i++) {
		if (!*fds[i] || **fds[i] > 2 || **fds[i] == i)
			continue;
		r = ipk__os_dup(**fds[i], &copies->fds[i]);
		if (r == 0)
			*fds[i] = &copies->fds[i];
	}
	if (r < 0)
		close_copies(copies);
	return r;
}

static int start_with_copies(ipk_process *p, ipk_process_fn fn, void *arg,
			     const ipk_process_opts *opts)
{
	ipk_process_opts o = *opts;
	struct copies copies;
	int r = copy_stdio(&o, &copies);

	if (r < 0)
		return r;
	r = start(p, fn, arg, &o);
	close_copies(&copies);
	return r;
}

/* "ipk-PID"; snprintf() would take longer than the rest. */
static void name_by_pid(ipk_process *p)
{
	char digits[16];
	size_t n = 0;
	char *at = p->name;

	for (unsigned pid = (unsigned)p->pid; pid > 0; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	memcpy(at, "ipk-", 4);
	at += 4;
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
}

int ipk_process_start(ipk_process_fn fn, void *arg, const ipk_process_opts *opts,
		      ipk_process **ret_proc)
{
	ipk_process_opts o;
	int64_t before_ns;
	ipk_process *p;
	int r;

	r = ret_proc ? ipk__opts_copy(&o, sizeof o, opts) : ipk__invalid("ret_proc is NULL");
	if (r == 0)
		r = check_start(fn, arg, &o);
	if (r < 0)
		return r;
	p = ipk__os_calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->status_fd = -1;
	before_ns = ipk__os_boot_ns();
	r = start_with_copies(p, fn, arg, &o);
	if (r < 0) {
		free(p);
		return r;
	}
	p->starter_pid = ipk__os_pid();
	p->started_boot_ns = before_ns;
	p->flags = o.flags;
	if (o.name)
		memcpy(p->name, o.name, strlen(o.name) + 1);
	else
		name_by_pid(p);
	ipk__child_table_add(p, before_ns, ipk__os_boot_ns());
	ipk__inherit_done(o.inherit, o.n_inherit);
	*ret_proc = p;
	return 0;
}
