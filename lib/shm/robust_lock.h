/*
 * robust_lock.h - a mutex between processes that outlives its holder.
 *
 * The kernel gives the lock of a dead thread to the next one that asks, who is told; where it
 * cannot, whoever waits finds out. It must be released by the thread that took it.
 *
 * What a thread holds it knows from its own memory. Whatever another process writes into the
 * lock, no call crashes, and a lock whose words were overwritten is -ENOTRECOVERABLE at its
 * holder's release, then anybody's again.
 */
#ifndef IPK_SHM_ROBUST_LOCK_H
#define IPK_SHM_ROBUST_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/base_internal.h"
#include "shm/wait.h"

#pragma GCC visibility push(default) /* for libipk-manager */

/* An entry of the kernel's list, robust_list(7): only the kernel follows it. */
struct ipk__robust_entry {
	struct ipk__robust_entry *prev; /* where the C library keeps it; never read by us */
	struct ipk__robust_entry *_Atomic next;
};

/*
 * The kernel knows one distance from an entry to its word for all mutexes of a thread, the C
 * library's and ours: so this lies as the C library's does.
 */
struct ipk__lock {
	_Atomic uint64_t word; /* 0 free; who has it: see robust_lock.c */
	uint64_t reserved[2];
	struct ipk__robust_entry entry;
};
_Static_assert(offsetof(struct ipk__lock, entry.next) == 32, "layout");
_Static_assert(sizeof(struct ipk__lock) == 40, "layout");

int ipk__lock_init(struct ipk__lock *lock);
/*
 * A try-once call (ipk_now()) waits 10 ms for a holder's short critical section, so that it
 * does not take a busy object for an empty one.
 *
 * 0; -ETIMEDOUT; -ENOLCK this thread has too many; -ENOTRECOVERABLE when its memory was
 * overwritten. *ret_recovered is set when the last holder died holding it: what it guards may
 * be half done. @object is where it lies when several share a segment, otherwise 0.
 */
int ipk__lock_acquire(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
		      uint64_t object, ipk_deadline deadline, bool *ret_recovered);
/*
 * The two parts of it, for locks that others hold for as long as they like. Trying costs no
 * system call. Waiting looks for a moment, then sleeps, seen as waiting for @what of @object
 * in @waiters.
 */
int ipk__lock_try(struct ipk__lock *lock, bool *ret_recovered);
int ipk__lock_wait(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
		   uint64_t object, ipk_deadline deadline, bool *ret_recovered);
/* 0; -EPERM this thread does not hold it; -ENOTRECOVERABLE others wrote over it. Then, too,
 * this thread does not hold it any more. */
int ipk__lock_release(struct ipk__lock *lock);
/*
 * For those that wait for its holder in another way: when the holder is dead, and the kernel did
 * not find the lock, nobody has it now and the next is told. 0; -ENOTRECOVERABLE.
 */
int ipk__lock_free_dead(struct ipk__lock *lock);
/* The tid of the holder, 0 when free: one look, for inspection. */
uint32_t ipk__lock_owner(const struct ipk__lock *lock);

/* What a thread notes about a lock that it holds, in private memory. */
struct ipk__held {
	struct ipk__lock *lock;
	const void *handle; /* its user's: through which it was taken */
	uint32_t n_again;   /* its user's: how often it was taken again */
};
/* The calling thread's note on @lock until it takes or gives another; NULL: it has it not. */
struct ipk__held *ipk__lock_held(const struct ipk__lock *lock);
/* Whether another thread of this process has it, perhaps: then it must stay mapped. */
bool ipk__lock_is_a_siblings(const struct ipk__lock *lock);

#pragma GCC visibility pop

#endif
