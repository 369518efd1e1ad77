/*
 * listed.h - N_LISTED(ipk_lock_waiters, lock, tids, max): how many a list call has, or SIZE_MAX.
 */
#ifndef IPK_TESTS_LISTED_H
#define IPK_TESTS_LISTED_H

#include <stddef.h>
#include <stdint.h>

#define N_LISTED(list, object, buf, max)                                             \
	__extension__({                                                              \
		size_t n_listed_;                                                    \
		list((object), (buf), (max), &n_listed_) < 0 ? SIZE_MAX : n_listed_; \
	})

#endif
