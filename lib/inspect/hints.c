/*
 * hints.c - diagnoses of pools and children: one sentence each on what is wrong and what to do
 * about it; causes come before their consequences.
 *
 * A hint is based on one snapshot, so it claims only what one snapshot can show: slow is not
 * wrong, and stopped is not dead.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "inspect/inspect_internal.h"

#define LONG_NS ((int64_t)60 * 1000000000) /* a task or initializer that runs longer gets a hint */

__attribute__((format(printf, 2, 3))) static void add(struct ipk__object *o, const char *format,
						      ...)
{
	struct ipk__hint *hint = &o->hints[o->pub.n_hints];
	va_list args;

	if (o->pub.n_hints == IPK__HINTS_MAX)
		return;
	va_start(args, format);
	vsnprintf(hint->text, sizeof hint->text, format, args);
	va_end(args);
	o->pub.n_hints++;
}

static int make_room(struct ipk__object *o)
{
	o->hints = ipk__os_calloc(IPK__HINTS_MAX, sizeof *o->hints);
	return o->hints ? 0 : -ENOMEM;
}

/* --- pools ------------------------------------------------------------------------------------ */

static void hint_at_creator(struct ipk__object *o, enum ipk__creator_state creator)
{
	uint32_t pid = o->pub.creator_pid;

	if (creator == IPK__CREATOR_GONE)
		add(o,
		    "creator process %" PRIu32
		    " is dead: nobody waits for its tasks any more, and its workers exit",
		    pid);
	else if (creator == IPK__CREATOR_STOPPED)
		add(o,
		    "its creator is stopped: workers finish the ready tasks, dead workers are "
		    "not replaced; kill -CONT %" PRIu32 " resumes it",
		    pid);
}

static void hint_at_worker(struct ipk__object *o, const ipk_inspect_worker *w)
{
	if (w->is_gone)
		return;
	if (w->is_stopped)
		add(o,
		    "worker %" PRIu32 " is stopped: kill -CONT %" PRIu32
		    " resumes it, kill -KILL %" PRIu32 " loses only its task",
		    w->number, w->pid, w->pid);
	else if (w->state == IPK_INSPECT_FAILED)
		add(o,
		    "the initializer of worker %" PRIu32 " returned %d: it is retried with "
		    "growing delays",
		    w->number, w->code);
	else if (w->state == IPK_INSPECT_BUSY && w->since_ns >= LONG_NS && w->pid != 0)
		add(o,
		    "worker %" PRIu32 " has run its task for %" PRId64 " s: gdb -p %" PRIu32
		    " shows where; a timeout_ns would terminate it",
		    w->number, w->since_ns / 1000000000, w->pid);
	else if (w->state == IPK_INSPECT_BUSY && w->since_ns >= LONG_NS)
		add(o,
		    "worker %" PRIu32 " has run its task for %" PRId64
		    " s: it is a thread, so only the task itself can end it",
		    w->number, w->since_ns / 1000000000);
	else if (w->state == IPK_INSPECT_STARTING && w->since_ns >= LONG_NS)
		add(o, "the initializer of worker %" PRIu32 " has run for %" PRId64 " s", w->number,
		    w->since_ns / 1000000000);
}

static void hint_at_dead_workers(struct ipk__object *o, enum ipk__creator_state creator)
{
	size_t n = 0;

	if (creator != IPK__CREATOR_ALIVE || o->pub.shutdown != 0)
		return;
	for (size_t i = 0; i < o->pub.n_workers; i++)
		n += o->workers[i].is_gone;
	if (o->pub.n_alive == 0)
		add(o, "no worker is alive: tasks wait until one can be started");
	else if (n > 0)
		add(o, "%zu worker%s died and will be replaced", n, n == 1 ? "" : "s");
}

static void hint_at_work(struct ipk__object *o)
{
	const ipk_progress *p = &o->progress;

	if (o->pub.n_backlog > 0 && o->pub.n_busy > 0 && o->pub.n_busy == o->pub.n_alive)
		add(o,
		    "all %zu workers are busy and %" PRIu64 " tasks wait in the backlog: "
		    "submit more slowly (ipk_pool_imap() does), or ipk_pool_resize()",
		    o->pub.n_busy, o->pub.n_backlog);
	if (p->n_quarantined > 0)
		add(o,
		    "%" PRIu64 " task%s refused because such tasks kept killing workers: "
		    "ipk_pool_forgive() lifts the quarantine",
		    p->n_quarantined, p->n_quarantined == 1 ? " was" : "s were");
}

int ipk__hints_of_pool(struct ipk__object *o, enum ipk__creator_state creator)
{
	int r = make_room(o);

	if (r < 0)
		return r;
	hint_at_creator(o, creator);
	hint_at_dead_workers(o, creator);
	for (size_t i = 0; i < o->pub.n_workers; i++)
		hint_at_worker(o, &o->workers[i]);
	hint_at_work(o);
	return 0;
}

/* --- processes -------------------------------------------------------------------------------- */

static void hint_at_child(struct ipk__object *o, const ipk_inspect_child *c, bool has_parent)
{
	if (c->is_zombie && has_parent)
		add(o,
		    "%s, process %" PRIu32 ", is a zombie: its parent must reap it with "
		    "ipk_process_join() or ipk_process_close()",
		    c->name, c->pid);
	else if (c->is_stopped)
		add(o, "%s is stopped: kill -CONT %" PRIu32 " resumes it", c->name, c->pid);
	else if (c->is_known && c->status.is_oom)
		add(o, "%s was killed by the kernel: out of memory", c->name);
}

int ipk__hints_of_processes(struct ipk__object *o, enum ipk__creator_state parent)
{
	int r = make_room(o);

	if (r < 0)
		return r;
	if (parent == IPK__CREATOR_GONE && o->pub.n_alive > 0)
		add(o, "parent process %" PRIu32 " is dead; %zu keep%s running", o->pub.creator_pid,
		    o->pub.n_alive, o->pub.n_alive == 1 ? "s" : "");
	else if (parent == IPK__CREATOR_STOPPED)
		add(o, "their parent is stopped: kill -CONT %" PRIu32 " resumes it",
		    o->pub.creator_pid);
	for (size_t i = 0; i < o->pub.n_children; i++)
		hint_at_child(o, &o->children[i], parent != IPK__CREATOR_GONE);
	if (o->pub.n_unseen > 0)
		add(o, "%" PRIu64 " more are not shown: the table of children was full",
		    o->pub.n_unseen);
	return 0;
}
