/* semaphore_internal.h - a semaphore as it lies in shared memory. */
#ifndef IPK_SEMAPHORE_INTERNAL_H
#define IPK_SEMAPHORE_INTERNAL_H

#include <stdalign.h>

#include "ipk/semaphore.h"
#include "shm/arena.h"
#include "shm/owner.h"

#define IPK__SEMAPHORE_SLEEPERS ((uint32_t)1 << 31)
#define IPK__TOKEN_LEAVES IPK__OWNER_MARK /* its holder is giving back several at once */

/* Its kind is in object.flags. */
struct ipk__shm_semaphore {
	struct ipk__shm_object object;
	/*
	 * The highest bit: somebody sleeps on it. The others are the value; of an owned one, they
	 * count the wake-ups.
	 */
	alignas(IPK__OBJECT_ALIGN) _Atomic uint32_t word;
	uint32_t max;
	_Atomic int64_t reaped_ns; /* when somebody last looked for dead holders */
	_Atomic uint64_t tokens[]; /* who has it, see owner.h; 0: free; of owned ones only */
};

#endif
