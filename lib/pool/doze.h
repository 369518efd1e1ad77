/*
 * doze.h - workers that sleep until there is something to do, and who wakes how many of them.
 *
 * Waking costs a system call and a processor to run on, so that waking one worker for each
 * task would let a crowd of workers do little else. One wake-up is under way at a time: who is
 * woken says so (@waking_ns is 0 again) before it looks for work, and wakes the next one when
 * it leaves more than it takes. What is published while a wake-up is under way is its business.
 *
 *   waker:   publish; light fence; is anybody asleep, and no wake-up under way? note it, wake
 *   sleeper: set its bit; heavy fence; note the turn; look; sleep while the turn is the same;
 *            when woken: none is under way; look
 *
 * The kernel chooses among those that do sleep, so that the dead are in nobody's way; their bits
 * are the creator's to clear, and cost a system call in vain until then. A wake-up whose
 * worker was killed or stopped before it said so is taken for lost after IPK__DOZE_LOST_NS.
 */
#ifndef IPK_POOL_DOZE_H
#define IPK_POOL_DOZE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base_internal.h"
#include "os/os.h"

#define IPK__DOZE_WORDS 4
#define IPK__DOZE_LOST_NS 8000000
#define IPK__DOZE_AT_ONCE 4u /* are woken by one who published much; they wake the others */

struct ipk__doze {
	alignas(IPK__CACHE_LINE) _Atomic uint64_t asleep[IPK__DOZE_WORDS]; /* a bit a worker */
	_Atomic int64_t waking_ns; /* since when a wake-up is under way, 0 none is */
	_Atomic uint32_t turn;     /* the futex: changes with each wake-up */
};
_Static_assert(sizeof(struct ipk__doze) == IPK__CACHE_LINE, "layout");

static inline bool ipk__doze_has_sleepers(const struct ipk__doze *d)
{
	uint64_t any = 0;

	for (int i = 0; i < IPK__DOZE_WORDS; i++)
		any |= atomic_load_explicit(&d->asleep[i], memory_order_relaxed);
	return any != 0;
}

/* There is something for @n workers to do, which is_left(arg) says as long as it lies there. */
void ipk__doze_wake(struct ipk__doze *d, unsigned n, bool (*is_left)(void *arg), void *arg);
void ipk__doze_wake_all(struct ipk__doze *d); /* for news that are not work */
/*
 * From entering to leaving a worker counts as asleep, and sleeps in slices, each of which begins
 * with a look whether is_left(arg): only entering costs a heavy fence.
 */
void ipk__doze_enter(struct ipk__doze *d, unsigned worker);
/* 100 ms at most. -EINTR it was woken, and now has to see to what there is; 0 not. */
int ipk__doze_slice(struct ipk__doze *d, bool (*is_left)(void *arg), void *arg);
void ipk__doze_leave(struct ipk__doze *d, unsigned worker);
void ipk__doze_forget(struct ipk__doze *d, unsigned worker); /* it is dead */

#endif
