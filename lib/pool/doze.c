/*
 * doze.c - sleeping and waking of workers: see doze.h.
 *
 * Invariant: when something was published and nobody is awake who will look for it, then a
 * sleeper's wake-up is under way. A waker that finds one under way relies on it; if that one
 * turns out to have reached nobody, its own waker looks again after taking the note back.
 */
#include <errno.h>

#include "pool/doze.h"
#include "shm/wait.h"

#define TRIES 3 /* one more for each who relied on a wake-up that reached nobody */

static bool is_under_way(struct ipk__doze *d, int64_t now_ns)
{
	int64_t since_ns = atomic_load(&d->waking_ns);

	return since_ns > 0 && now_ns - since_ns < IPK__DOZE_LOST_NS &&
	       since_ns - now_ns < IPK__DOZE_LOST_NS; /* of other clocks, or no time */
}

void ipk__doze_wake(struct ipk__doze *d, unsigned n, bool (*is_left)(void *arg), void *arg)
{
	/* Pairs with the sleeper's heavy fence, between its bit and its look. */
	ipk__os_fence_light();
	for (int i = 0; i < TRIES && ipk__doze_has_sleepers(d) && is_left(arg); i++) {
		int64_t now_ns = ipk__os_coarse_ns();

		if (is_under_way(d, now_ns))
			return;
		atomic_store(&d->waking_ns, now_ns);
		atomic_fetch_add(&d->turn, 1);
		if (ipk__os_futex_wake(&d->turn, (int)IPK__MIN(n, IPK__DOZE_AT_ONCE)) > 0)
			return;
		/* They are dead; or on their way to sleep, and see that the turn is another, or
		 * what we published. But whoever relied on us may have come after their look. */
		atomic_store(&d->waking_ns, 0);
	}
}

void ipk__doze_wake_all(struct ipk__doze *d)
{
	ipk__os_fence_light();
	atomic_fetch_add(&d->turn, 1);
	if (ipk__doze_has_sleepers(d))
		ipk__os_futex_wake(&d->turn, INT32_MAX);
}

static _Atomic uint64_t *word_of(struct ipk__doze *d, unsigned worker)
{
	return &d->asleep[worker / 64 % IPK__DOZE_WORDS];
}

void ipk__doze_enter(struct ipk__doze *d, unsigned worker)
{
	/* Pairs with the waker's light fence between what it published and its look at the bits. */
	atomic_fetch_or(word_of(d, worker), (uint64_t)1 << worker % 64);
	ipk__os_fence_heavy();
}

void ipk__doze_leave(struct ipk__doze *d, unsigned worker)
{
	atomic_fetch_and(word_of(d, worker), ~((uint64_t)1 << worker % 64));
}

int ipk__doze_slice(struct ipk__doze *d, bool (*is_left)(void *arg), void *arg)
{
	/* Before the look: what the look misses is published before the turn changes again. */
	uint32_t turn = atomic_load(&d->turn);

	if (!is_left(arg) && ipk__os_futex_wait(&d->turn, turn, ipk_in_ns(IPK__SLICE_NS)) != 0)
		return 0;
	/* Before the caller's look: what is published until here is the caller's business. */
	atomic_store(&d->waking_ns, 0);
	return -EINTR;
}

void ipk__doze_forget(struct ipk__doze *d, unsigned worker)
{
	ipk__doze_leave(d, worker);
}
