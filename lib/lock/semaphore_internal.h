/* semaphore_internal.h - the layout of a semaphore in shared memory. */
#ifndef IPK_SEMAPHORE_INTERNAL_H
#define IPK_SEMAPHORE_INTERNAL_H

#include <stdalign.h>

#include "ipk/semaphore.h"
#include "shared/arena.h"
#include "shared/owner.h"

#define IPK__SEMAPHORE_SLEEPERS ((uint32_t)1 << 31)
#define IPK__TOKEN_LEAVES IPK__OWNER_MARK /* its holder is releasing several at once */

/* Its kind is in object.flags. */
struct ipk__shm_semaphore {
	struct ipk__shm_object object;
	/*
	 * The highest bit: there are sleepers. The others are the value; of an owned one, they
	 * count the wake-ups.
	 */
	alignas(IPK__OBJECT_ALIGN) _Atomic uint32_t word;
	uint32_t max;
	_Atomic int64_t reaped_ns; /* when dead holders were last searched for */
	_Atomic uint64_t tokens[]; /* the holder, see owner.h; 0: free; owned ones only */
};

#endif
