/* rwlock_internal.h - the layout of a readers-writer lock in shared memory. */
#ifndef IPK_RWLOCK_INTERNAL_H
#define IPK_RWLOCK_INTERNAL_H

#include <stdalign.h>

#include "ipk/rwlock.h"
#include "shared/arena.h"
#include "shared/robust_lock.h"
#include "shared/owner.h"

#define IPK__CELL_WAITS IPK__OWNER_MARK /* no share yet: it waits behind a writer */

/* A reader's cell. */
struct ipk__shm_cell {
	_Atomic uint64_t word; /* the thread, see owner.h; 0: free */
	uint32_t n_again;      /* recursion depth of its share; written by its reader only */
	uint32_t reserved;
};

/* The lowest bit of the three futex words: there are sleepers; the other bits count. */
struct ipk__shm_rwlock {
	struct ipk__shm_object object;
	struct ipk__robust_lock writers; /* held by the writer, or the next one */
	_Atomic uint32_t left;           /* a reader left: for the writer */
	_Atomic uint32_t ended;          /* a writer finished: for readers behind it */
	uint32_t n_cells;                /* a power of two */
	_Atomic uint32_t has_behind;     /* a hint: some cells may be waiting */
	/* Read by each reader, never written by one that only reads: */
	alignas(IPK__OBJECT_ALIGN) _Atomic uint32_t is_wanted; /* by the holder of writers */
	_Atomic uint32_t writer; /* the holder, or one that died as writer; 0: consistent */
	_Atomic uint32_t room;   /* a cell became free: for readers without one */
	alignas(IPK__OBJECT_ALIGN) struct ipk__shm_cell cells[];
};

static inline bool ipk__cell_holds(uint64_t word)
{
	return word != 0 && !(word & IPK__CELL_WAITS);
}

#endif
