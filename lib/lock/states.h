/* states.h - the layout of conditions, events, barriers and onces in shared memory. */
#ifndef IPK_LOCK_STATES_H
#define IPK_LOCK_STATES_H

#include "ipk/barrier.h"
#include "shared/arena.h"
#include "shared/robust_lock.h"

struct ipk__shm_cond {
	struct ipk__shm_object object;
	_Atomic uint32_t word;   /* notifications beyond the sleepers << 1 | waiting */
	_Atomic uint32_t n_owed; /* sleepers woken by a notification that have not returned yet */
};
_Static_assert(sizeof(struct ipk__shm_cond) == 72, "layout");

struct ipk__shm_flag {
	struct ipk__shm_object object;
	_Atomic uint32_t word; /* how often it was set << 2 | waiting << 1 | set */
};

/* A party at the barrier, or about to arrive. */
struct ipk__shm_party {
	_Atomic uint64_t who;         /* see shared/owner.h; 0: free */
	_Atomic uint32_t arrived_gen; /* the last round it arrived in, once recorded */
	uint32_t reserved;
};
_Static_assert(sizeof(struct ipk__shm_party) == 16, "layout");

struct ipk__shm_barrier {
	struct ipk__shm_object object;
	_Atomic uint64_t state; /* see barrier.c */
	/* changes with each state change that has waiters */
	_Atomic uint32_t doorbell;
	uint32_t n_parties;
	_Atomic int64_t looked_ns; /* when dead parties were last searched for; CLOCK_MONOTONIC */
	struct ipk__shm_party parties[];
};
_Static_assert(sizeof(struct ipk__shm_barrier) == 88, "layout");

/* The part of a barrier's state that inspection reads. */
static inline uint32_t ipk__barrier_arrived(uint64_t state)
{
	return (uint32_t)(state >> 14) & 2047;
}

/* The index of the party that arrived last. */
static inline uint32_t ipk__barrier_last(uint64_t state)
{
	return (uint32_t)(state >> 3) & 2047;
}

/* Whether that party runs the action. */
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
	struct ipk__robust_lock lock; /* held by the runner */
};

/* The handles. */
struct ipk_barrier {
	struct ipk__ref ref;
	struct ipk__shm_barrier *shared;
	uint32_t n_parties; /* validated */
};

#endif
