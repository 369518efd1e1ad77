/*
 * states.h - how conditions, events, barriers and onces lie in shared memory.
 */
#ifndef IPK_LOCK_STATES_H
#define IPK_LOCK_STATES_H

#include "ipk/barrier.h"
#include "shm/arena.h"
#include "shm/robust_lock.h"

struct ipk__shm_cond {
	struct ipk__shm_object object;
	_Atomic uint32_t word;   /* notifications that went beyond the sleepers << 1 | waiting */
	_Atomic uint32_t n_owed; /* for which a sleeper was woken that has not come back yet */
};
_Static_assert(sizeof(struct ipk__shm_cond) == 72, "layout");

struct ipk__shm_flag {
	struct ipk__shm_object object;
	_Atomic uint32_t word; /* how often it was set << 2 | waiting << 1 | set */
};

/* One at the barrier, or on its way to it. */
struct ipk__shm_party {
	_Atomic uint64_t who;         /* see shm/owner.h; 0: free */
	_Atomic uint32_t arrived_gen; /* the last round it arrived in, once that is written down */
	uint32_t reserved;
};
_Static_assert(sizeof(struct ipk__shm_party) == 16, "layout");

struct ipk__shm_barrier {
	struct ipk__shm_object object;
	_Atomic uint64_t state; /* see barrier.c */
	_Atomic uint32_t bell;  /* moves after each change of the state that somebody waits for */
	uint32_t n_parties;
	_Atomic int64_t looked_ns; /* when somebody last looked for the dead; CLOCK_MONOTONIC */
	struct ipk__shm_party parties[];
};
_Static_assert(sizeof(struct ipk__shm_barrier) == 88, "layout");

/* What inspection reads of a barrier's state. */
static inline uint32_t ipk__barrier_arrived(uint64_t state)
{
	return (uint32_t)(state >> 14) & 2047;
}

/* The index of the party that arrived last. */
static inline uint32_t ipk__barrier_last(uint64_t state)
{
	return (uint32_t)(state >> 3) & 2047;
}

/* That one runs the action. */
static inline bool ipk__barrier_acts(uint64_t state)
{
	return (state & 2) != 0;
}

static inline bool ipk__barrier_broke(uint64_t state)
{
	return (state & 1) != 0;
}

struct ipk__shm_once {
	struct ipk__shm_object object;
	_Atomic uint32_t is_done;
	uint32_t reserved;
	struct ipk__lock lock; /* held by whoever runs it */
};

/* The handles. */
struct ipk_barrier {
	struct ipk__ref ref;
	struct ipk__shm_barrier *shared;
	uint32_t n_parties; /* checked */
};

#endif
