/*
 * child.c - what a child does before and after its function.
 *
 * Invariant: the function runs only in a child that is set up completely, or not at all: the exit
 * code is then 255.
 *
 * The kernel's parent-death signal follows the thread that started the child, not its process. So a
 * daemon relies on it only if the main thread started it; otherwise a thread of its own waits for
 * the parent's death.
 */
#include <errno.h>

#include "os/os.h"
#include "process/process_internal.h"

IPK__AT_FORK_CODE static int set_stdio(const struct ipk__child *child)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 3; i++) {
		if (child->stdio_fds[i] >= 0)
			r = ipk__os_put_fd(child->stdio_fds[i], i);
	}
	if (r == 0 && child->stdio_fds[0] < 0 && !child->stdin_is_nowhere &&
	    !(child->flags & IPK_PROCESS_KEEP_STDIN))
		r = ipk__os_stdin_from_nowhere();
	return r;
}

static void *die_with_parent(void *arg)
{
	int fd;
	int r = ipk_parent_fd(&fd);

	(void)arg;
	ipk__os_thread_quiet(); /* a zygote may be made all the same */
	if (r == 0)
		r = ipk__os_poll1(fd, IPK__OS_IN, ipk_forever(), NULL);
	if (r == 0)
		ipk__os_die();
	return NULL;
}

static int watch_parent(void)
{
	pthread_t thread;
	int fd;
	int r = ipk_parent_fd(&fd);

	if (r == 0)
		r = ipk__os_thread_start_quiet(die_with_parent, NULL, &thread);
	if (r == 0)
		ipk__os_thread_forget(thread);
	return r;
}

IPK__AT_FORK_CODE static int become(const struct ipk__child *child)
{
	int r = 0;

	ipk__self_set(child);
	if (child->flags & IPK_PROCESS_DIE_WITH_PARENT)
		r = ipk__os_die_with_parent(child->parent_pid, child->lifeline_fd);
	if (r == 0 && child->watches_parent)
		r = watch_parent();
	if (r == 0)
		r = set_stdio(child);
	if (r == 0 && child->inherit_fd >= 0)
		r = ipk__inherit_take(child->inherit_fd);
	if (child->name)
		ipk__os_set_thread_name(child->name);
	return r;
}

IPK__AT_FORK_CODE int ipk__child_run(const struct ipk__child *child, ipk_process_fn fn, void *arg)
{
	int r = become(child);

	if (r == 0) {
		r = fn(arg);
		ipk__at_exit_run();
	}
	return r >= 0 && r <= 255 ? r : 255;
}
