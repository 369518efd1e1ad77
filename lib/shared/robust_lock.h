/*
 * robust_lock.h - a mutex between processes that survives the death of its holder.
 *
 * The kernel passes the lock of a dead thread to the next waiter, which is told; where it cannot,
 * waiters detect the death. It must be released by the thread that acquired it.
 *
 * A thread knows its held locks from its private memory. Whatever another process writes into the
 * lock, no call crashes, and a lock whose words were overwritten is -ENOTRECOVERABLE at its
 * holder's release, then free again.
 */
#ifndef IPK_SHARED_ROBUST_LOCK_H
#define IPK_SHARED_ROBUST_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/base_internal.h"
#include "shared/wait.h"

#pragma GCC visibility push(default) /* for libipk-manager */

/* An entry of the kernel's list, robust_list(7): only the kernel follows it. */
struct ipk__robust_entry {
	struct ipk__robust_entry *prev; /* used by the C library; never read by us */
	struct ipk__robust_entry *_Atomic next;
};

/*
 * The kernel knows one distance from an entry to its futex word for all mutexes of a thread, the C
 * library's and ours: so this layout matches the C library's.
 */
struct ipk__robust_lock {
	_Atomic uint64_t word; /* 0 free; otherwise the holder: see robust_lock.c */
	uint64_t reserved[2];
	struct ipk__robust_entry entry;
};
_Static_assert(offsetof(struct ipk__robust_lock, entry.next) == 32, "layout");
_Static_assert(sizeof(struct ipk__robust_lock) == 40, "layout");

int ipk__robust_lock_init(struct ipk__robust_lock *lock);
/*
 * A try-once call (ipk_now()) waits 10 ms for a holder's short critical section, so that it does
 * not report a busy object as an empty one.
 *
 * 0; -ETIMEDOUT; -ENOLCK this thread has too many; -ENOTRECOVERABLE if its memory was overwritten.
 * *ret_recovered is set when the last holder died holding it: what it guards may be inconsistent.
 * @object is its offset when several share a segment, otherwise 0.
 */
int ipk__robust_lock_acquire(struct ipk__robust_lock *lock, struct ipk__waiters *waiters,
			     uint32_t what, uint64_t object, ipk_deadline deadline,
			     bool *ret_recovered);
/*
 * Its two parts, for locks that may be held for any time. Trying costs no system call. Waiting
 * spins for a moment, then sleeps, shown as waiting for @what of @object in @waiters.
 */
int ipk__robust_lock_try(struct ipk__robust_lock *lock, bool *ret_recovered);
/* The record says @handle, if the lock was free and its last holder alive; NULL otherwise. */
int ipk__robust_lock_try_through(struct ipk__robust_lock *lock, const void *handle,
				 bool *ret_recovered);
int ipk__robust_lock_wait(struct ipk__robust_lock *lock, struct ipk__waiters *waiters,
			  uint32_t what, uint64_t object, ipk_deadline deadline,
			  bool *ret_recovered);
/*
 * 0; -EPERM this thread does not hold it; -ENOTRECOVERABLE it was overwritten: then, too, this
 * thread does not hold it any more.
 */
int ipk__robust_lock_release(struct ipk__robust_lock *lock);
/*
 * For waiters that wait for the holder in another way: if the holder is dead, and the kernel did
 * not release the lock, it is released and the next holder is told. 0; -ENOTRECOVERABLE.
 */
int ipk__robust_lock_free_dead(struct ipk__robust_lock *lock);
/* The tid of the holder, 0 when free: one read, for inspection. */
uint32_t ipk__robust_lock_owner(const struct ipk__robust_lock *lock);

/* A thread's private record of a lock that it holds. */
struct ipk__held_lock {
	struct ipk__robust_lock *lock;
	const void *handle; /* the user's: the handle through which it was acquired */
	uint32_t n_again;   /* the user's: how often it was reacquired */
};
/* The calling thread's record of @lock until its next acquire or release; NULL: not held. */
struct ipk__held_lock *ipk__robust_lock_held(const struct ipk__robust_lock *lock);
/* As ipk__robust_lock_release(), without looking for the record again. */
int ipk__robust_lock_release_held(struct ipk__held_lock *held);
/* Whether another thread of this process may hold it: then it must stay mapped. */
bool ipk__robust_lock_is_a_siblings(const struct ipk__robust_lock *lock);

#pragma GCC visibility pop

#endif
