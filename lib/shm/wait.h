/*
 * wait.h - sleeping until something in shared memory changes, and being seen doing so.
 *
 * An event is what one waits for ("an item came"). A waiter is a thread that sleeps: it
 * has a slot in the segment's table, with its tid, what it waits for and since when, and
 * its own futex word. The event holds a set of slots that sleep on it.
 *
 *   waiter:  enter a slot; set its bit in event->sleepers; heavy fence; look again; sleep
 *   waker:   make the change; light fence; if sleepers: take a bit out, wake that slot
 *
 * The bit is set before the last look and the change is made before the set is read, with
 * the two halves of a fence in between (os/fence.c), so one of the two sees the other. A bit of a
 * dead waiter costs one vain wake-up, then the next one is woken. A lost wake-up (the waker was
 * killed in between) costs the rest of a slice: no sleep is longer than IPK__SLICE_NS.
 *
 * Sleepers in a foreign poll or epoll cannot be woken by futex: they arm the event
 * (armed != rung) and the waker rings a bell fd, then notes which arming it served. It
 * rings before it notes, so a waker killed in between leaves the event armed.
 */
#ifndef IPK_SHM_WAIT_H
#define IPK_SHM_WAIT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/base_internal.h"
#include "ipk/deadline.h"

#pragma GCC visibility push(default) /* for libipk-manager */

#define IPK__WAITERS_MAX 64
#define IPK__SLICE_NS 100000000

/* What a waiter waits for: shown by inspection. */
enum {
	IPK__WAIT_NOTHING = 0,
	IPK__WAIT_DATA = 1,
	IPK__WAIT_SPACE = 2,
	IPK__WAIT_DONE = 3,
	IPK__WAIT_PUT_LOCK = 4,
	IPK__WAIT_GET_LOCK = 5,
	IPK__WAIT_LOCK = 6,
	IPK__WAIT_READ_LOCK = 7,
	IPK__WAIT_WRITE_LOCK = 8,
	IPK__WAIT_SEMAPHORE = 9,
	IPK__WAIT_COND = 10,
	IPK__WAIT_EVENT = 11,
	IPK__WAIT_BARRIER = 12,
	IPK__WAIT_ONCE = 13,
	IPK__WAIT_WORK = 14,
	IPK__WAIT_RESULT = 15,
};

struct ipk__waiter {
	_Atomic uint32_t tid; /* claims the slot; 0 is free */
	_Atomic uint32_t word;
	_Atomic uint32_t pid;
	_Atomic uint32_t what;
	_Atomic int64_t since_boot_ns;
	_Atomic uint64_t object; /* its offset, where several share a segment */
};
_Static_assert(sizeof(struct ipk__waiter) == 32, "layout");

struct ipk__waiters {
	alignas(IPK__CACHE_LINE) struct ipk__waiter slots[IPK__WAITERS_MAX];
};

struct ipk__event {
	alignas(IPK__CACHE_LINE) _Atomic uint64_t sleepers; /* a bit a slot */
	_Atomic uint32_t armed;                             /* counts armings */
	_Atomic uint32_t rung;                              /* the last arming served */
	_Atomic uint32_t turn;                              /* where the next search begins */
};
_Static_assert(sizeof(struct ipk__event) == IPK__CACHE_LINE, "layout");

/*
 * How a handle waits, learned as it goes: how long to look before it sleeps, and whether
 * messages come in a stream. Each look takes the line with the news away from whoever
 * writes it, so in a stream it pays to look rarely and find several. Private memory.
 */
struct ipk__patience {
	_Atomic int64_t budget_ns;
	_Atomic uint32_t n_waits;
	_Atomic bool is_stream;
};

#define IPK__PATIENCE_START_NS 50000

static inline void ipk__patience_init(struct ipk__patience *patience)
{
	atomic_store(&patience->budget_ns, IPK__PATIENCE_START_NS);
	atomic_store(&patience->n_waits, 0);
	atomic_store(&patience->is_stream, false);
}

struct ipk__wait {
	struct ipk__event *event;
	struct ipk__waiters *waiters;
	uint32_t what;
	struct ipk__patience *patience;
	const _Atomic uint32_t *peer_cpu; /* where the other side last ran, plus 1; may be NULL */
	/*
	 * How many operations can go on, 0 wait, or an error. @slowly is set when a sleep brought
	 * nothing, or when a try-once call would give up: system calls to find out about deaths are
	 * due.
	 */
	int (*ready)(void *arg, bool slowly);
	void *arg;
	/* Sleeps in its own way, until ready() says more than 0 or an error, and returns that. Then
	 * @event and @waiters are of no use, and there can be no deadline. Mostly NULL. */
	int (*sleep)(void *arg);
};

/* 0 when ready, -ETIMEDOUT, or the error that ready() gave. */
int ipk__wait(const struct ipk__wait *w, ipk_deadline deadline);

/* Wake up to @n sleepers. Call after the change and a light fence. */
void ipk__event_wake(struct ipk__event *event, struct ipk__waiters *waiters, unsigned n);

static inline bool ipk__event_has_sleepers(const struct ipk__event *event)
{
	return atomic_load_explicit(&event->sleepers, memory_order_relaxed) != 0;
}

static inline bool ipk__event_is_armed(const struct ipk__event *event)
{
	return atomic_load_explicit(&event->armed, memory_order_relaxed) !=
	       atomic_load_explicit(&event->rung, memory_order_relaxed);
}

void ipk__event_arm(struct ipk__event *event);
void ipk__event_ring(struct ipk__event *event, int bell_fd);
void ipk__event_ring_fifo(struct ipk__event *event, int fifo_fd); /* see ipk__os_bell_fifo() */

/* A slot of the table for a thread that is about to sleep, -1 when all are taken. */
int ipk__waiter_enter(struct ipk__waiters *waiters, uint32_t what, uint64_t object);
void ipk__waiter_leave(struct ipk__waiters *waiters, int slot); /* -1 is fine */

/*
 * Whether what is done every @every_ns is to be done again. @last_ns is read from shared memory:
 * one that is still to come was written by somebody in another time namespace, or by no friend.
 */
bool ipk__is_due(int64_t last_ns, int64_t every_ns);

/*
 * Loops that go round because shared memory says so end too when it says so for ever: each
 * round asks here first, with a count that began as 0. In vain: there was to be something, and
 * there was not; the first of such rounds are free, for another may have been faster, then it
 * takes naps. Of work: each round did something, and the next may be one too many. 0 or
 * -ETIMEDOUT, at ipk_now() after some rounds.
 */
int ipk__round_in_vain(uint32_t *n_rounds, ipk_deadline deadline);
int ipk__round_of_work(uint32_t *n_rounds, ipk_deadline deadline);

/* When the slice that begins now ends: the deadline, or IPK__SLICE_NS from now. */
int64_t ipk__wait_slice_end_ns(ipk_deadline deadline);

#pragma GCC visibility pop

#endif
