/*
 * threads.c - holders and waiters: tids from shared memory, and what the kernel knows about them.
 *
 * A tid in memory is only a number. It names a thread if a thread with that number is alive and
 * started before the tid was written; otherwise the thread died, and is shown as dead. Threads of
 * another pid namespace cannot be queried at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_internal.h"
#include "shared/owner.h"

int64_t ipk__since_ns(int64_t at_boot_ns)
{
	int64_t now_ns = ipk__os_boot_ns();

	if (at_boot_ns < 0 || at_boot_ns > now_ns)
		return -1;
	return now_ns - at_boot_ns;
}

static void name_thread(ipk_inspect_thread *t, bool is_foreign)
{
	struct ipk__os_thread thread;
	int r;

	t->struct_size = sizeof *t;
	if (is_foreign || t->is_gone)
		return;
	r = ipk__os_thread((pid_t)t->tid, &thread);
	t->is_gone = r == -ESRCH;
	if (r < 0)
		return;
	t->pid = (uint32_t)thread.pid;
	ipk__printable(thread.comm, true, t->comm, sizeof t->comm);
}

/* --- holders ---------------------------------------------------------------------------------- */

int ipk__make_holders(struct ipk__object *o, size_t max)
{
	o->holders = max > 0 ? ipk__os_calloc(max, sizeof *o->holders) : NULL;
	return max > 0 && !o->holders ? -ENOMEM : 0;
}

ipk_inspect_thread *ipk__add_holder(struct ipk__object *o, uint32_t tid, ipk_inspect_what what,
				    bool is_gone)
{
	ipk_inspect_thread *t = &o->holders[o->pub.n_holders++];

	*t = (ipk_inspect_thread){
		.tid = tid,
		.what = what,
		.is_gone = is_gone,
		.since_ns = -1,
		.n_times = 1,
	};
	name_thread(t, o->pub.is_foreign);
	return t;
}

void ipk__note_holder(struct ipk__object *o, const struct ipk__robust_lock *lock,
		      ipk_inspect_what what)
{
	uint32_t tid = ipk__robust_lock_owner(lock);

	if (tid != 0)
		ipk__add_holder(o, tid, what, false);
}

/* --- waiters ---------------------------------------------------------------------------------- */

_Static_assert(IPK__WAIT_DATA == (int)IPK_INSPECT_DATA, "same numbers");
_Static_assert(IPK__WAIT_SPACE == (int)IPK_INSPECT_SPACE, "same numbers");
_Static_assert(IPK__WAIT_DONE == (int)IPK_INSPECT_DONE, "same numbers");
_Static_assert(IPK__WAIT_PUT_LOCK == (int)IPK_INSPECT_PUT_LOCK, "same numbers");
_Static_assert(IPK__WAIT_GET_LOCK == (int)IPK_INSPECT_GET_LOCK, "same numbers");
_Static_assert(IPK__WAIT_LOCK == (int)IPK_INSPECT_PLAIN_LOCK, "same numbers");
_Static_assert(IPK__WAIT_READ_LOCK == (int)IPK_INSPECT_READ_LOCK, "same numbers");
_Static_assert(IPK__WAIT_WRITE_LOCK == (int)IPK_INSPECT_WRITE_LOCK, "same numbers");
_Static_assert(IPK__WAIT_SEMAPHORE == (int)IPK_INSPECT_TOKEN, "same numbers");
_Static_assert(IPK__WAIT_COND == (int)IPK_INSPECT_NOTICE, "same numbers");
_Static_assert(IPK__WAIT_EVENT == (int)IPK_INSPECT_SET, "same numbers");
_Static_assert(IPK__WAIT_BARRIER == (int)IPK_INSPECT_PARTIES, "same numbers");
_Static_assert(IPK__WAIT_ONCE == (int)IPK_INSPECT_RUN, "same numbers");
_Static_assert(IPK__WAIT_WORK == (int)IPK_INSPECT_WORK, "same numbers");
_Static_assert(IPK__WAIT_RESULT == (int)IPK_INSPECT_RESULT, "same numbers");

bool ipk__read_waiter(const struct ipk__waiter *slot, bool is_foreign, ipk_inspect_thread *t)
{
	uint32_t tid = atomic_load_explicit(&slot->tid, memory_order_relaxed);
	uint32_t what = atomic_load_explicit(&slot->what, memory_order_relaxed);
	int64_t at_boot_ns = atomic_load_explicit(&slot->since_boot_ns, memory_order_relaxed);

	/* Nothing yet: it is just entering, and wait.h's fields are not all set. */
	if (tid == 0 || what == IPK__WAIT_NOTHING)
		return false;
	*t = (ipk_inspect_thread){
		.tid = tid,
		.pid = atomic_load_explicit(&slot->pid, memory_order_relaxed),
		.what = (ipk_inspect_what)what,
		.since_ns = ipk__since_ns(at_boot_ns),
		.is_gone = !is_foreign && ipk__is_dead_since(tid, false, at_boot_ns),
		.n_times = 1,
	};
	name_thread(t, is_foreign);
	return true;
}

int ipk__note_waiters_in(struct ipk__object *o, const struct ipk__waiters *waiters)
{
	ipk_inspect_thread *found = ipk__os_malloc(IPK__WAITERS_MAX * sizeof *found);
	size_t n = 0;

	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < IPK__WAITERS_MAX; i++)
		n += ipk__read_waiter(&waiters->slots[i], o->pub.is_foreign, &found[n]);
	if (n == 0) {
		free(found);
		return 0;
	}
	o->waiters = found;
	o->pub.n_waiters = n;
	return 0;
}

/* --- processes -------------------------------------------------------------------------------- */

enum ipk__creator_state ipk__creator_state_of(uint64_t owner, bool is_foreign)
{
	if (is_foreign || owner == 0)
		return IPK__CREATOR_ALIVE;
	if (ipk__owner_is_dead(owner, true))
		return IPK__CREATOR_GONE;
	return ipk__os_is_stopped((pid_t)ipk__owner_id(owner)) == 1 ? IPK__CREATOR_STOPPED
								    : IPK__CREATOR_ALIVE;
}
