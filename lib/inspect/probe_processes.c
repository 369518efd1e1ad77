/*
 * probe_processes.c - which children a process has started, and what became of them.
 *
 * Only the parent writes there, and it never waits: a slot is valid if its change count was
 * the same before and after the read, and no change was in progress. A running child may have
 * exited before its parent noticed: the kernel is asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "process/registry_shared.h"
#include "shared/owner.h"

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

static int read_n_changes(int fd, uint64_t slot_offset, uint32_t *ret_n)
{
	uint64_t offset = slot_offset + offsetof(struct ipk__shm_child, n_changes);

	return ipk__os_pread(fd, ret_n, sizeof *ret_n, offset);
}

static int read_slot(int fd, size_t i, struct ipk__shm_child *ret)
{
	uint64_t offset = offsetof(struct ipk__shm_processes, children) + i * sizeof *ret;
	uint32_t before = 1, after = 0;
	int r = 0;

	for (int n = 0; r == 0 && n < IPK__PROBE_TRIES; n++) {
		r = read_n_changes(fd, offset, &before);
		if (r == 0)
			r = ipk__os_pread(fd, ret, sizeof *ret, offset);
		if (r == 0)
			r = read_n_changes(fd, offset, &after);
		if (r == 0 && before == after && before % 2 == 0)
			return 0;
	}
	return r < 0 ? r : -ENOTRECOVERABLE;
}

static void note_end(const struct ipk__shm_child *c, ipk_inspect_child *child)
{
	child->is_known = LOAD(c->state) == IPK__CHILD_ENDED;
	child->ended_ns = ipk__since_ns(LOAD(c->ended_boot_ns));
	if (!child->is_known)
		return;
	child->status = (ipk_process_status){
		.exit_code = LOAD(c->exit_code),
		.signal = LOAD(c->signal),
		.core = LOAD(c->core) != 0,
		.is_oom = LOAD(c->is_oom) != 0,
		.user_ns = LOAD(c->user_ns),
		.system_ns = LOAD(c->system_ns),
		.max_rss_bytes = LOAD(c->max_rss_bytes),
	};
}

static void note_child(const struct ipk__shm_child *c, struct ipk__object *o)
{
	ipk_inspect_child *child = &o->children[o->pub.n_children++];
	uint64_t owner = LOAD(c->owner);
	char name[sizeof c->name];

	*child = (ipk_inspect_child){
		.struct_size = sizeof *child,
		.pid = ipk__owner_id(owner),
		.start_method = (ipk_start_method)LOAD(c->start_method),
		.flags = LOAD(c->flags),
		.is_running = LOAD(c->state) == IPK__CHILD_RUNNING,
		.age_ns = LOAD(c->started_boot_ns), /* until all are in their order */
		.ended_ns = -1,
	};
	memcpy(name, c->name, sizeof name);
	name[sizeof name - 1] = '\0';
	ipk__printable(name, false, child->name, sizeof child->name);
	if (child->is_running) {
		enum ipk__creator_state process = ipk__creator_state_of(owner, o->pub.is_foreign);

		child->is_zombie = process == IPK__CREATOR_GONE;
		child->is_stopped = process == IPK__CREATOR_STOPPED;
		o->pub.n_alive += !child->is_zombie;
	} else {
		note_end(c, child);
	}
}

/* Sorted by start: ages are computed at different times. */
static int compare(const void *left, const void *right)
{
	const ipk_inspect_child *a = left;
	const ipk_inspect_child *b = right;

	return a->age_ns < b->age_ns ? -1 : a->age_ns > b->age_ns;
}

static int note_children(int fd, struct ipk__object *o)
{
	struct ipk__shm_child c;
	int r = 0;

	o->children = ipk__os_calloc(IPK__CHILDREN_MAX, sizeof *o->children);
	if (!o->children)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < IPK__CHILDREN_MAX; i++) {
		r = read_slot(fd, i, &c);
		if (r == 0 && LOAD(c.state) != IPK__CHILD_NONE && LOAD(c.state) <= IPK__CHILD_LOST)
			note_child(&c, o);
		/* One that is being changed for so long is its parent's, stopped or killed in it.
		 */
		if (r == -ENOTRECOVERABLE)
			r = 0;
	}
	qsort(o->children, o->pub.n_children, sizeof *o->children, compare);
	for (size_t i = 0; i < o->pub.n_children; i++)
		o->children[i].age_ns = ipk__since_ns(o->children[i].age_ns);
	return r;
}

int ipk__probe_processes(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	size_t n_fixed = offsetof(struct ipk__shm_processes, children);
	struct ipk__shm_processes *shm;
	uint64_t owner = 0;
	int r;

	if (h->fixed_bytes < sizeof *shm)
		return -EBADMSG;
	shm = ipk__os_malloc(sizeof *shm);
	if (!shm)
		return -ENOMEM;
	r = ipk__os_pread(fd, shm, n_fixed, 0);
	if (r == 0) {
		o->pub.n_started = LOAD(shm->n_started);
		o->pub.n_unseen = LOAD(shm->n_unseen);
		owner = LOAD(shm->owner);
		r = note_children(fd, o);
	}
	free(shm);
	return r < 0 ? r
		     : ipk__hints_of_processes(o, ipk__creator_state_of(owner, o->pub.is_foreign));
}
