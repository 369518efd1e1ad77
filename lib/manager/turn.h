/*
 * turn.h - one thread at a time, and who waits for its turn has a deadline.
 *
 * A word and a futex: 0 free, 1 taken, 2 taken and perhaps waited for. All zero at the
 * beginning; the child of a fork sets it to zero again, for whoever had it did not come along.
 */
#ifndef IPK_MANAGER_TURN_H
#define IPK_MANAGER_TURN_H

#include <errno.h>
#include <stdatomic.h>

#include "os/os.h"

struct ipk__turn {
	_Atomic uint32_t state;
};

static inline bool ipk__turn_try(struct ipk__turn *t)
{
	uint32_t is_free = 0;

	return atomic_compare_exchange_strong_explicit(&t->state, &is_free, 1, memory_order_acquire,
						       memory_order_relaxed);
}

static inline int ipk__turn_take(struct ipk__turn *t, ipk_deadline deadline)
{
	if (ipk__turn_try(t))
		return 0;
	while (atomic_exchange_explicit(&t->state, 2, memory_order_acquire) != 0)
		if (ipk__os_futex_wait(&t->state, 2, deadline) == -ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static inline void ipk__turn_give(struct ipk__turn *t)
{
	if (atomic_exchange_explicit(&t->state, 0, memory_order_release) == 2)
		(void)ipk__os_futex_wake(&t->state, 1);
}

#endif
