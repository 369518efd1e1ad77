/* rwlock_internal.h - a readers-writer lock as it lies in shared memory. */
#ifndef IPK_RWLOCK_INTERNAL_H
#define IPK_RWLOCK_INTERNAL_H

#include <stdalign.h>

#include "ipk/rwlock.h"
#include "shm/arena.h"
#include "shm/robust_lock.h"
#include "shm/owner.h"

#define IPK__CELL_WAITS IPK__OWNER_MARK /* it has no share yet: it stands behind a writer */

/* A reader's place. */
struct ipk__shm_cell {
	_Atomic uint64_t word; /* the thread, see owner.h; 0: free */
	uint32_t n_again;      /* how often it took its share again; its own alone */
	uint32_t reserved;
};

/* The lowest bit of the three words one sleeps on: somebody does; the others count. */
struct ipk__shm_rwlock {
	struct ipk__shm_object object;
	struct ipk__lock writers;    /* held by the one that writes, or is the next to */
	_Atomic uint32_t left;       /* a reader left: for the writer */
	_Atomic uint32_t ended;      /* a writer ended: for readers behind it */
	uint32_t n_cells;            /* a power of two */
	_Atomic uint32_t has_behind; /* perhaps some cells wait; a hint */
	/* What each reader looks at, and who only reads does not change: */
	alignas(IPK__OBJECT_ALIGN) _Atomic uint32_t is_wanted; /* by the one that has writers */
	_Atomic uint32_t writer; /* who has the lock, or died having it; 0: all is well */
	_Atomic uint32_t room;   /* a cell is free: for readers without one */
	alignas(IPK__OBJECT_ALIGN) struct ipk__shm_cell cells[];
};

static inline bool ipk__cell_holds(uint64_t word)
{
	return word != 0 && !(word & IPK__CELL_WAITS);
}

#endif
