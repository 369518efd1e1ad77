/*
 * at_exit.c - the calls and terminations at a regular exit of a process.
 *
 * The order is Python's: calls of priority 0 and above, daemons, the other children, the remaining
 * calls. It runs in exit() of a program and after the function of a child of ours. A fork has its
 * parent's entries in its memory: each entry knows its process, and runs only there.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "os/os.h"
#include "process/process_internal.h"

struct entry {
	struct entry *next; /* from the last one registered to the first */
	ipk_exit_fn fn;
	void *arg;
	int priority;
	pid_t pid;
};

/* Guarded by ipk__child_table_lock(). */
IPK__AT_FORK_DATA static struct entry *entries;
IPK__AT_FORK_DATA static bool is_hooked; /* in forks too */

int ipk__at_exit_hook(void)
{
	int r = 0;

	ipk__child_table_lock();
	if (!is_hooked) {
		r = ipk__os_at_exit(ipk__at_exit_run);
		is_hooked = r == 0;
	}
	ipk__child_table_unlock();
	return r;
}

int ipk_at_exit(ipk_exit_fn fn, void *arg, int priority)
{
	struct entry *e;
	int r = fn ? ipk__at_exit_hook() : ipk__invalid("fn is NULL");

	if (r < 0)
		return r;
	e = ipk__os_malloc(sizeof *e);
	if (!e)
		return -ENOMEM;
	*e = (struct entry){.fn = fn, .arg = arg, .priority = priority, .pid = ipk__os_pid()};
	ipk__child_table_lock();
	e->next = entries;
	entries = e;
	ipk__child_table_unlock();
	return 0;
}

/* Removes the next one to run: the highest, of several the last one registered. */
IPK__AT_FORK_CODE static struct entry *take(int at_least)
{
	struct entry **best = NULL;
	struct entry *e = NULL;

	ipk__child_table_lock();
	for (struct entry **at = &entries; *at; at = &(*at)->next) {
		if ((*at)->pid == ipk__os_pid() && (*at)->priority >= at_least &&
		    (!best || (*at)->priority > (*best)->priority))
			best = at;
	}
	if (best) {
		e = *best;
		*best = e->next;
	}
	ipk__child_table_unlock();
	return e;
}

/* They may register more. */
IPK__AT_FORK_CODE static void run(int at_least)
{
	struct entry *e;

	while ((e = take(at_least)) != NULL) {
		e->fn(e->arg);
		free(e);
	}
}

IPK__AT_FORK_CODE void ipk__at_exit_run(void)
{
	/* A signal handler has called exit() in the middle of one of our calls: it ends as it is. */
	if (ipk__child_table_is_held_here())
		return;
	run(0);
	if (!ipk__child_table_is_empty()) {
		ipk__child_table_end_daemons();
		ipk__child_table_join_all();
	}
	run(INT_MIN);
}
