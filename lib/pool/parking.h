/*
 * parking.h - workers that sleep until there is work, and how many of them are woken by whom.
 *
 * Waking costs a system call and a processor to run on, so waking one worker for each task would
 * keep many workers from doing much else. One wake-up is in progress at a time: the woken worker
 * acknowledges it (@waking_ns is 0 again) before it looks for work, and wakes the next one if it
 * leaves more than it takes. What is published while a wake-up is in progress is left to it.
 *
 *   waker:   publish; light fence; sleepers, and no wake-up in progress? record one, wake
 *   sleeper: set its bit; heavy fence; read wake_seq; check; sleep while wake_seq is the same;
 *            when woken: none is in progress; check
 *
 * The kernel chooses among the threads that do sleep, so dead ones block no other; the creator
 * clears their bits, which cost a useless system call until then. A wake-up whose worker was killed
 * or stopped before it acknowledged is considered lost after IPK__PARKING_LOST_NS.
 */
#ifndef IPK_POOL_PARKING_H
#define IPK_POOL_PARKING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base_internal.h"
#include "os/os.h"

#define IPK__PARKING_WORDS 4
#define IPK__PARKING_LOST_NS 8000000
#define IPK__PARKING_WAKE_AT_ONCE 4u /* woken by one that published much; they wake the others */

struct ipk__parking {
	alignas(IPK__CACHE_LINE) _Atomic uint64_t asleep[IPK__PARKING_WORDS]; /* a bit per worker */
	_Atomic int64_t waking_ns; /* start of the wake-up in progress, 0: none */
	_Atomic uint32_t wake_seq; /* the futex: changes with each wake-up */
};
_Static_assert(sizeof(struct ipk__parking) == IPK__CACHE_LINE, "layout");

static inline bool ipk__parking_has_sleepers(const struct ipk__parking *p)
{
	uint64_t any = 0;

	for (int i = 0; i < IPK__PARKING_WORDS; i++)
		any |= atomic_load_explicit(&p->asleep[i], memory_order_relaxed);
	return any != 0;
}

/* There is work for @n workers; is_left(arg) tells whether it is still there. */
void ipk__parking_wake(struct ipk__parking *p, unsigned n, bool (*is_left)(void *arg), void *arg);
void ipk__parking_wake_all(struct ipk__parking *p); /* for news other than work */
/*
 * From enter to leave a worker counts as asleep; it sleeps in slices, each of which begins with a
 * check of is_left(arg): only entering costs a heavy fence.
 */
void ipk__parking_enter(struct ipk__parking *p, unsigned worker);
/* 100 ms at most. -EINTR it was woken, and must now handle the work; 0 not. */
int ipk__parking_slice(struct ipk__parking *p, bool (*is_left)(void *arg), void *arg);
void ipk__parking_leave(struct ipk__parking *p, unsigned worker);
void ipk__parking_forget(struct ipk__parking *p, unsigned worker); /* the worker is dead */

#endif
