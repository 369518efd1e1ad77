/*
 * parking.c - sleeping and waking of workers: see parking.h.
 *
 * Invariant: when work was published and no awake worker will look for it, the wake-up of a sleeper
 * is in progress. A waker that finds one in progress relies on it; if that one turns out to have
 * reached no worker, its own waker checks again after withdrawing the note.
 */
#include <errno.h>

#include "pool/parking.h"
#include "shared/wait.h"

#define TRIES 3 /* one more for each waker that relied on a wake-up that reached no worker */

static bool is_under_way(struct ipk__parking *p, int64_t now_ns)
{
	int64_t since_ns = atomic_load(&p->waking_ns);

	return since_ns > 0 && now_ns - since_ns < IPK__PARKING_LOST_NS &&
	       since_ns - now_ns < IPK__PARKING_LOST_NS; /* of other clocks, or no time */
}

void ipk__parking_wake(struct ipk__parking *p, unsigned n, bool (*is_left)(void *arg), void *arg)
{
	/* Pairs with the sleeper's heavy fence, between its bit and its check. */
	ipk__os_fence_light();
	for (int i = 0; i < TRIES && ipk__parking_has_sleepers(p) && is_left(arg); i++) {
		int64_t now_ns = ipk__os_coarse_ns();

		if (is_under_way(p, now_ns))
			return;
		atomic_store(&p->waking_ns, now_ns);
		atomic_fetch_add(&p->wake_seq, 1);
		if (ipk__os_futex_wake(&p->wake_seq, (int)IPK__MIN(n, IPK__PARKING_WAKE_AT_ONCE)) >
		    0)
			return;
		/*
		 * They are dead; or on their way to sleep, and see that the wake_seq has changed,
		 * or what we published. But a waker that relied on us may have come after their
		 * check.
		 */
		atomic_store(&p->waking_ns, 0);
	}
}

void ipk__parking_wake_all(struct ipk__parking *p)
{
	ipk__os_fence_light();
	atomic_fetch_add(&p->wake_seq, 1);
	if (ipk__parking_has_sleepers(p))
		ipk__os_futex_wake(&p->wake_seq, INT32_MAX);
}

static _Atomic uint64_t *word_of(struct ipk__parking *p, unsigned worker)
{
	return &p->asleep[worker / 64 % IPK__PARKING_WORDS];
}

void ipk__parking_enter(struct ipk__parking *p, unsigned worker)
{
	/* Pairs with the waker's light fence between its publishing and its check of the bits. */
	atomic_fetch_or(word_of(p, worker), (uint64_t)1 << worker % 64);
	ipk__os_fence_heavy();
}

void ipk__parking_leave(struct ipk__parking *p, unsigned worker)
{
	atomic_fetch_and(word_of(p, worker), ~((uint64_t)1 << worker % 64));
}

int ipk__parking_slice(struct ipk__parking *p, bool (*is_left)(void *arg), void *arg)
{
	/* Before the check: what the check misses is published before the wake_seq changes again. */
	uint32_t wake_seq = atomic_load(&p->wake_seq);

	if (!is_left(arg) &&
	    ipk__os_futex_wait(&p->wake_seq, wake_seq, ipk_in_ns(IPK__SLICE_NS)) != 0)
		return 0;
	/*
	 * Before the caller's check: what is published until here is the caller's responsibility.
	 */
	atomic_store(&p->waking_ns, 0);
	return -EINTR;
}

void ipk__parking_forget(struct ipk__parking *p, unsigned worker)
{
	ipk__parking_leave(p, worker);
}
