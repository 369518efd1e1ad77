/*
 * timed_mutex.h - a mutex whose lock() takes a deadline.
 *
 * A futex word: 0 free, 1 locked, 2 locked and perhaps with waiters. Initialized with zeros; the
 * child of a fork zeroes it, since the holder does not exist there.
 */
#ifndef IPK_BACKEND_TIMED_MUTEX_H
#define IPK_BACKEND_TIMED_MUTEX_H

#include <errno.h>
#include <stdatomic.h>

#include "os/os.h"

struct ipk__timed_mutex {
	_Atomic uint32_t state;
};

static inline bool ipk__timed_mutex_trylock(struct ipk__timed_mutex *mutex)
{
	uint32_t is_free = 0;

	return atomic_compare_exchange_strong_explicit(&mutex->state, &is_free, 1,
						       memory_order_acquire, memory_order_relaxed);
}

static inline int ipk__timed_mutex_lock(struct ipk__timed_mutex *mutex, ipk_deadline deadline)
{
	if (ipk__timed_mutex_trylock(mutex))
		return 0;
	while (atomic_exchange_explicit(&mutex->state, 2, memory_order_acquire) != 0)
		if (ipk__os_futex_wait(&mutex->state, 2, deadline) == -ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static inline void ipk__timed_mutex_unlock(struct ipk__timed_mutex *mutex)
{
	if (atomic_exchange_explicit(&mutex->state, 0, memory_order_release) == 2)
		(void)ipk__os_futex_wake(&mutex->state, 1);
}

#endif
