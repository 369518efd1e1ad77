/*
 * robust_lock.h - a mutex between processes that outlives its holder.
 *
 * Robust and process-shared pthread mutex: when the holder dies the kernel hands it on,
 * and the next holder is told. It must be released by the thread that took it.
 */
#ifndef IPK_SHM_ROBUST_LOCK_H
#define IPK_SHM_ROBUST_LOCK_H

#include <pthread.h>

#include "base/base_internal.h"
#include "shm/wait.h"

#pragma GCC visibility push(default) /* for libipk-manager */

struct ipk__lock {
	pthread_mutex_t mutex;
};

int ipk__lock_init(struct ipk__lock *lock);
/*
 * A try-once call (ipk_now()) waits 10 ms for a holder's short critical section, so that it
 * does not take a busy object for an empty one.
 *
 * 0, -ETIMEDOUT, or -ENOTRECOVERABLE when its memory was overwritten. *ret_recovered is
 * set when the last holder died holding it: what it guards may be half done. @object is
 * where it lies when several share a segment, otherwise 0.
 */
int ipk__lock_acquire(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
		      uint64_t object, ipk_deadline deadline, bool *ret_recovered);
/*
 * The two parts of it, for locks that others hold for as long as they like. Trying costs no
 * system call: 0, -ETIMEDOUT or -ENOTRECOVERABLE. Waiting looks for a moment, then sleeps,
 * seen as waiting for @what of @object in @waiters.
 */
int ipk__lock_try(struct ipk__lock *lock, bool *ret_recovered);
int ipk__lock_wait(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
		   uint64_t object, ipk_deadline deadline, bool *ret_recovered);
void ipk__lock_release(struct ipk__lock *lock);
/* The tid of the holder, 0 when free: one look, for inspection. */
uint32_t ipk__lock_owner(const struct ipk__lock *lock);

#pragma GCC visibility pop

#endif
