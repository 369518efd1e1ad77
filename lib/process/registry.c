/*
 * registry.c - writes the registry of registry_shared.h, for inspection by other processes.
 *
 * Invariant: nothing depends on it. Without the memory the children run as well, but are not
 * visible. All calls are made under the lock of child_table.c.
 */
#include <string.h>

#include "os/os.h"
#include "process/process_internal.h"
#include "process/registry_shared.h"
#include "shared/owner.h"

#define OWNER_STEP_NS 10000000 /* as in shared/owner.c */

IPK__AT_FORK_DATA static struct {
	struct ipk__segment segment;
	bool is_parents;
	uint32_t next_slot;
} registry = {.segment = {.fd = -1}};

static struct ipk__shm_processes *shared(void)
{
	return (struct ipk__shm_processes *)registry.segment.header;
}

IPK__AT_FORK_CODE void ipk__registry_in_fork(void)
{
	registry.is_parents = true;
}

static bool make(void)
{
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_PROCESSES,
		.label = ipk__self_name(),
		.fixed_bytes = sizeof(struct ipk__shm_processes),
	};
	struct ipk__segment s;

	if (registry.segment.header && !registry.is_parents)
		return true;
	if (registry.segment.header)
		ipk__segment_detach(&registry.segment);
	if (ipk__segment_create(&plan, &s) < 0)
		return false;
	if (ipk__segment_publish(&s, NULL) < 0) {
		ipk__segment_detach(&s);
		return false;
	}
	registry.segment = s;
	registry.is_parents = false;
	registry.next_slot = 0;
	atomic_store(&shared()->owner, ipk__self_owner());
	strncpy(shared()->name, ipk__self_name(), sizeof shared()->name - 1);
	return true;
}

/*
 * The child's owner word. Asking the kernel costs as much as a start; but it began between
 * two looks at the clock, and these mostly agree as far as the word is exact. Otherwise it
 * has no start time, and agrees with any.
 */
static uint64_t owner_of(pid_t pid, int64_t before_ns, int64_t after_ns)
{
	bool is_known = before_ns / OWNER_STEP_NS == after_ns / OWNER_STEP_NS;

	return (uint64_t)pid << 32 | (is_known ? (uint32_t)(before_ns / OWNER_STEP_NS) : 0);
}

/* One that is free, otherwise the oldest of those that have ended; -1 all run. */
static int find_slot(void)
{
	for (uint32_t i = 0; i < IPK__CHILDREN_MAX; i++) {
		uint32_t slot = (registry.next_slot + i) % IPK__CHILDREN_MAX;

		if (atomic_load_explicit(&shared()->children[slot].state, memory_order_relaxed) !=
		    IPK__CHILD_RUNNING) {
			registry.next_slot = slot + 1;
			return (int)slot;
		}
	}
	return -1;
}

static void begin_change(struct ipk__shm_child *c)
{
	uint32_t n = atomic_load_explicit(&c->n_changes, memory_order_relaxed);

	atomic_store_explicit(&c->n_changes, n + 1, memory_order_relaxed);
	/* Pairs with the fence of a reader before it reads the count again. */
	atomic_thread_fence(memory_order_release);
}

static void end_change(struct ipk__shm_child *c)
{
	uint32_t n = atomic_load_explicit(&c->n_changes, memory_order_relaxed);

	atomic_store_explicit(&c->n_changes, n + 1, memory_order_release);
}

#define SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

void ipk__registry_add(ipk_process *p, int64_t before_ns, int64_t after_ns)
{
	struct ipk__shm_child *c;

	p->slot = -1;
	if (!make())
		return;
	SET(shared()->n_started, shared()->n_started + 1);
	p->slot = find_slot();
	if (p->slot < 0) {
		SET(shared()->n_unseen, shared()->n_unseen + 1);
		return;
	}
	c = &shared()->children[p->slot];
	begin_change(c);
	SET(c->owner, owner_of(p->pid, before_ns, after_ns));
	SET(c->started_boot_ns, before_ns);
	SET(c->ended_boot_ns, 0);
	SET(c->start_method, (uint32_t)p->method);
	SET(c->flags, p->flags);
	memcpy(c->name, p->name, strlen(p->name) + 1);
	SET(c->state, IPK__CHILD_RUNNING);
	end_change(c);
}

void ipk__registry_end(const ipk_process *p, bool is_lost)
{
	struct ipk__shm_child *c;

	if (!shared() || registry.is_parents)
		return;
	SET(shared()->n_ended, shared()->n_ended + 1);
	if (p->slot < 0)
		return;
	c = &shared()->children[p->slot];
	begin_change(c);
	SET(c->ended_boot_ns, ipk__os_boot_ns());
	SET(c->exit_code, p->status.exit_code);
	SET(c->signal, p->status.signal);
	SET(c->core, p->status.core);
	SET(c->is_oom, p->status.is_oom);
	SET(c->user_ns, p->status.user_ns);
	SET(c->system_ns, p->status.system_ns);
	SET(c->max_rss_bytes, p->status.max_rss_bytes);
	SET(c->state, is_lost ? IPK__CHILD_LOST : IPK__CHILD_ENDED);
	end_change(c);
}
