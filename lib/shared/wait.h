/*
 * wait.h - sleeping until something in shared memory changes, visible to inspection.
 *
 * A wait queue is what one waits on ("an item was put"). A waiter is a thread that sleeps: it has a
 * slot in the segment's table, with its tid, what it waits for and since when, and its own futex
 * word. The queue holds a set of slots that sleep on it.
 *
 *   waiter:  claim a slot; set its bit in queue->sleepers; heavy fence; check again; sleep
 *   waker:   make the change; light fence; if sleepers: clear a bit, wake that slot
 *
 * The bit is set before the last check and the change is made before the set is read, with the two
 * halves of a fence in between (os/fence.c), so one of the two sees the other. A bit of a dead
 * waiter costs one useless wake-up, then the next one is woken. A lost wake-up (the waker was
 * killed in between) costs the rest of a slice: no sleep is longer than IPK__SLICE_NS.
 *
 * Sleepers in a foreign poll or epoll cannot be woken by futex: they arm the queue (armed != rung)
 * and the waker rings a doorbell fd, then records which arming it served. It rings before it
 * records, so a waker killed in between leaves the queue armed.
 */
#ifndef IPK_SHARED_WAIT_H
#define IPK_SHARED_WAIT_H

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

struct ipk__wait_queue {
	alignas(IPK__CACHE_LINE) _Atomic uint64_t sleepers; /* one bit per slot */
	_Atomic uint32_t armed;                             /* counts armings */
	_Atomic uint32_t rung;                              /* the last served arming */
	_Atomic uint32_t turn;                              /* where the next search begins */
};
_Static_assert(sizeof(struct ipk__wait_queue) == IPK__CACHE_LINE, "layout");

/*
 * How a handle waits, adapted as it goes: how long to spin before it sleeps, and whether messages
 * come in a stream. Each check takes the cache line with the change away from its writer, so in a
 * stream it pays to check rarely and find several. Private memory.
 */
struct ipk__spin_policy {
	_Atomic int64_t budget_ns;
	_Atomic uint32_t n_waits;
	_Atomic bool is_stream;
};

#define IPK__SPIN_START_NS 50000

static inline void ipk__spin_policy_init(struct ipk__spin_policy *spin)
{
	atomic_store(&spin->budget_ns, IPK__SPIN_START_NS);
	atomic_store(&spin->n_waits, 0);
	atomic_store(&spin->is_stream, false);
}

struct ipk__wait {
	struct ipk__wait_queue *queue;
	struct ipk__waiters *waiters;
	uint32_t what;
	struct ipk__spin_policy *spin;
	const _Atomic uint32_t *peer_cpu; /* where the other side last ran, plus 1; may be NULL */
	/*
	 * How many operations can proceed, 0 wait, or an error. @slowly is set when a sleep brought
	 * nothing, or when a try-once call would fail: then system calls that detect deaths are
	 * due.
	 */
	int (*ready)(void *arg, bool slowly);
	void *arg;
	/*
	 * Sleeps in its own way, until ready() returns more than 0 or an error, and returns that.
	 * Then @queue and @waiters are unused, and there can be no deadline. Usually NULL.
	 */
	int (*sleep)(void *arg);
};

/* 0 when ready, -ETIMEDOUT, or the error from ready(). */
int ipk__wait(const struct ipk__wait *w, ipk_deadline deadline);

/* Wakes up to @n sleepers. Call after the change and a light fence. */
void ipk__wait_queue_wake(struct ipk__wait_queue *queue, struct ipk__waiters *waiters, unsigned n);

static inline bool ipk__wait_queue_has_sleepers(const struct ipk__wait_queue *queue)
{
	return atomic_load_explicit(&queue->sleepers, memory_order_relaxed) != 0;
}

static inline bool ipk__wait_queue_is_armed(const struct ipk__wait_queue *queue)
{
	return atomic_load_explicit(&queue->armed, memory_order_relaxed) !=
	       atomic_load_explicit(&queue->rung, memory_order_relaxed);
}

void ipk__wait_queue_arm(struct ipk__wait_queue *queue);
void ipk__wait_queue_ring(struct ipk__wait_queue *queue, int doorbell_fd);
void ipk__wait_queue_ring_fifo(struct ipk__wait_queue *queue,
			       int fifo_fd); /* see ipk__os_doorbell_fifo() */

/* A slot of the table for a thread about to sleep, -1 when all are taken. */
int ipk__waiter_enter(struct ipk__waiters *waiters, uint32_t what, uint64_t object);
void ipk__waiter_leave(struct ipk__waiters *waiters, int slot); /* -1 is fine */

/*
 * Whether an action that is due every @every_ns is due again. @last_ns is read from shared memory:
 * one in the future was written in another time namespace, or by a hostile process.
 */
bool ipk__is_due(int64_t last_ns, int64_t every_ns);

/*
 * Bounds loops whose end depends on shared memory, even if it never allows it: each iteration calls
 * one of these first, with a count that started as 0. In vain: an iteration found nothing although
 * there should be something; the first ones are free, since another thread may have been faster,
 * then it sleeps briefly. Of work: each iteration did something, and the next may be too many. 0 or
 * -ETIMEDOUT, at ipk_now() after some iterations.
 */
int ipk__round_in_vain(uint32_t *n_rounds, ipk_deadline deadline);
int ipk__round_of_work(uint32_t *n_rounds, ipk_deadline deadline);

/* The end of the slice that begins now: the deadline, or IPK__SLICE_NS from now. */
int64_t ipk__wait_slice_end_ns(ipk_deadline deadline);

#pragma GCC visibility pop

#endif
