/*
 * lock.h - a mutex between processes that outlives its holder.
 *
 * Robust and process-shared pthread mutex: when the holder dies the kernel hands it on,
 * and the next holder is told. It must be released by the thread that took it.
 */
#ifndef IPK_SHM_LOCK_H
#define IPK_SHM_LOCK_H

#include <pthread.h>
#include <stdalign.h>

#include "base/base_internal.h"
#include "shm/wait.h"

struct ipk__lock {
	alignas(IPK__CACHE_LINE) pthread_mutex_t mutex;
};

int ipk__lock_init(struct ipk__lock *lock);
/*
 * A try-once call (ipk_now()) waits 10 ms for a holder's short critical section, so that it
 * does not take a busy object for an empty one.
 *
 * 0, -ETIMEDOUT, or -ENOTRECOVERABLE when its memory was overwritten. *ret_recovered is
 * set when the last holder died holding it: what it guards may be half done.
 */
int ipk__lock_acquire(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
		      ipk_deadline deadline, bool *ret_recovered);
void ipk__lock_release(struct ipk__lock *lock);
/* The tid of the holder, 0 when free: one look, for inspection. */
uint32_t ipk__lock_owner(const struct ipk__lock *lock);

#endif
