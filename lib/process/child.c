/*
 * child.c - what happens in a child around its function.
 *
 * Invariant: the function runs only in a child that has become all that was asked for, or
 * not at all: the exit code is then 255.
 */
#include "os/os.h"
#include "process/process_internal.h"

static int set_stdio(const struct ipk__child *child)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 3; i++) {
		if (child->stdio_fds[i] >= 0)
			r = ipk__os_put_fd(child->stdio_fds[i], i);
	}
	if (r == 0 && child->stdio_fds[0] < 0 && !(child->flags & IPK_PROCESS_KEEP_STDIN))
		r = ipk__os_stdin_from_nowhere();
	return r;
}

int ipk__child_run(const struct ipk__child *child, ipk_process_fn fn, void *arg)
{
	int r = 0;

	if (child->flags & IPK_PROCESS_DIE_WITH_PARENT)
		r = ipk__os_die_with_parent(child->parent_pid);
	if (r == 0)
		r = set_stdio(child);
	if (child->name)
		ipk__os_set_thread_name(child->name);
	if (r == 0)
		r = fn(arg);
	return r >= 0 && r <= 255 ? r : 255;
}
