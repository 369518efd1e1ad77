/*
 * pool_shared.h - shared by a pool and its workers: the layout of its segment.
 *
 * Only the creator schedules. Its bookkeeping (futures, free slots, the backlog) is in private
 * memory, so only a worker's death can leave anything inconsistent here, and then the creator
 * repairs it.
 *
 *   slot      one task that workers can see: function, argument, result. Its word holds state and
 *             owner: claiming a task and recording the claimer are the same compare-and-swap, so
 *             no death comes in between.
 *   ring      the order of the ready slots: each cell names a slot and its generation. Workers
 *             take no lock: one that finds the first cell's slot not ready (it was claimed or
 *             cancelled) advances the head, also on behalf of a worker that died before it could.
 *   done      a stack of done slots: pushed by workers, taken whole by the creator. A worker that
 *             dies before its push has left a slot that says DONE: found at its death.
 *   workers   which workers exist, what they do and since when: for the creator and inspection.
 *   maps      see map_shared.h.
 *   heap      the rest of the file, sparse: arguments that do not fit a slot, items and results
 *             of maps. Only the creator allocates and frees there (pool_heap.c).
 *
 * Life cycle of a slot, and who changes it (CAS where two could; W is the worker's number):
 *
 *   FREE --creator--> READY --worker, CAS--> TAKEN W --worker, CAS--> DONE W --creator--> FREE
 *                       |                      |
 *                       |                      |--creator, CAS--> CONDEMNED W: its worker stops by
 *                       |                      |      itself, or is killed; the creator frees it
 *                       |                      |
 *                       |                      `--creator, its worker is dead--> READY or FREE
 *                       |
 *                       `--creator, CAS--> FREE (cancelled)
 *
 * A slot that becomes READY or FREE gets a new generation, so the reference of a stopped worker
 * is recognized as stale.
 */
#ifndef IPK_POOL_SHARED_H
#define IPK_POOL_SHARED_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ipk/pool.h"
#include "pool/parking.h"
#include "pool/map_shared.h"
#include "shared/segment.h"
#include "shared/wait.h"

#define IPK__POOL_SLOTS 4096u /* a power of two: tasks that workers can see at a time */
#define IPK__POOL_ARG_INLINE 96u
#define IPK__POOL_RESULT_INLINE IPK_FAILURE_TEXT_BYTES
/* Of address space, less under RLIMIT_AS and RLIMIT_FSIZE; pages are allocated as needed. */
#define IPK__POOL_HEAP_BYTES ((uint64_t)64 << 30)
#define IPK__POOL_HEAP_MIN ((uint64_t)1 << 20)

enum ipk__slot_state {
	IPK__SLOT_FREE = 0,
	IPK__SLOT_READY = 1,
	IPK__SLOT_TAKEN = 2,
	IPK__SLOT_DONE = 3,
	IPK__SLOT_CONDEMNED = 4,
};

/* Generation (32 bits), worker (16), state (16). */
static inline uint64_t ipk__slot_word(uint32_t generation, uint32_t worker, uint32_t state)
{
	return (uint64_t)generation << 32 | (uint64_t)(worker & 0xffff) << 16 | state;
}

static inline uint32_t ipk__slot_generation(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static inline uint32_t ipk__slot_worker(uint64_t word)
{
	return (uint32_t)(word >> 16) & 0xffff;
}

static inline uint32_t ipk__slot_state(uint64_t word)
{
	return (uint32_t)word & 0xffff;
}

enum {
	IPK__SLOT_IS_TIMED = 1u << 0, /* has a time limit: since_ns is exact */
};

/* The kind of result; written by the worker. */
enum {
	IPK__RESULT_INLINE = 0,
	IPK__RESULT_SPILLED = 1, /* @result_offset of the worker's spill file: see worker.c */
	IPK__RESULT_HEAP = 2,    /* thread workers: the creator frees the pointer @result_offset */
	IPK__RESULT_TOO_LARGE = 3,
	IPK__RESULT_ERROR = 4, /* the function's error @code, with a text inline */
	IPK__RESULT_NO_MEMORY = 5,
};

struct ipk__pool_slot {
	alignas(64) _Atomic uint64_t word;
	_Atomic uint32_t next;   /* in the stack of done slots: a slot's number + 1 */
	_Atomic uint32_t wanted; /* a thread sleeps until it is done: wake it */
	uint64_t fn;             /* an ipk_task_fn: workers are forks, so it is the same in them */
	uint64_t arg_offset;     /* in the segment; 0: it is inline */
	uint64_t arg_bytes;
	uint64_t max_result_bytes;
	uint64_t index;
	uint32_t flags;        /* IPK__SLOT_IS_* */
	uint32_t attempt;      /* from 1 */
	_Atomic uint32_t stop; /* the result of ipk_task_should_stop() */
	uint32_t result_kind;  /* written by the worker from here on: IPK__RESULT_* */
	int32_t code;
	uint32_t reserved;
	uint64_t result_offset;
	uint64_t result_bytes;
	char arg[IPK__POOL_ARG_INLINE];
	char result[IPK__POOL_RESULT_INLINE];
};
_Static_assert(sizeof(struct ipk__pool_slot) == 320, "layout");

enum ipk__worker_phase {
	IPK__WORKER_NONE = 0,
	IPK__WORKER_STARTING = 1, /* runs the initializer */
	IPK__WORKER_FAILED = 2,   /* the initializer returned init_code */
	IPK__WORKER_IDLE = 3,
	IPK__WORKER_BUSY = 4,
	IPK__WORKER_RETIRED = 5, /* regular exit: an order, or max_tasks_per_worker */
};

enum ipk__worker_order {
	IPK__ORDER_WORK = 0,
	IPK__ORDER_RETIRE = 1, /* exit after the current task */
	IPK__ORDER_DRAIN = 2,  /* exit when nothing is left to do */
};

#define IPK__UNSAID_MOVES ((uint64_t)1 << 63) /* in n_unsaid: they are being added to n_done */

/* A worker's record. The worker writes it; order is written by the creator. */
struct ipk__pool_worker {
	/* shared/owner.h, of its process; 0: thread, none */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t owner;
	_Atomic uint32_t state;
	_Atomic uint32_t slot; /* the task it runs, as slot + 1 */
	_Atomic uint32_t map;  /* the map it accesses, as number + 1: its memory must stay */
	int32_t init_code;
	_Atomic uint64_t chunk;    /* of the map: the chunk, + 1; see map_shared.h */
	_Atomic uint64_t item;     /* of the map: the current item, + 1; 0: none yet */
	_Atomic uint64_t n_unsaid; /* of the map: completed items not yet counted in n_done */
	/* CLOCK_MONOTONIC, its own: start of its current activity, approximate */
	_Atomic int64_t since_ns;
	_Atomic uint64_t fn;     /* what it runs, for inspection */
	_Atomic uint64_t n_done; /* tasks and items completed by this worker, failed ones too */
	alignas(IPK__CACHE_LINE) _Atomic uint32_t order;
	_Atomic uint32_t n_started; /* how many workers this record has had */
	_Atomic int64_t started_boot_ns;
	_Atomic int64_t began_ns; /* CLOCK_MONOTONIC, its own; 0: since_ns is the creator's */
};
_Static_assert(sizeof(struct ipk__pool_worker) == 2 * IPK__CACHE_LINE, "layout");

/* Written by the creator, read by any process: see ipk_progress. */
struct ipk__pool_counts {
	_Atomic uint64_t n_submitted, n_done, n_failed, n_task_errors, n_died, n_timeouts,
		n_quarantined, n_too_large, n_cancelled, n_retried;
	_Atomic uint32_t n_workers, n_replaced;
	_Atomic uint32_t n_backlog; /* tasks that wait for a slot */
	_Atomic uint32_t is_shut;   /* an ipk_shutdown */
	_Atomic uint32_t seq;       /* odd while the items of a map are moved to these */
};

struct ipk__shm_pool {
	struct ipk__shm_header header;
	uint32_t kind; /* ipk_pool_kind */
	uint32_t reserved;
	uint64_t max_tasks_per_worker;
	uint64_t slots_offset, cells_offset, maps_offset, heap_offset;
	uint64_t creator; /* shared/owner.h */
	struct ipk__pool_counts counts;
	/* The ring of ready slots, IPK__POOL_SLOTS cells: generation << 32 | slot. */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t tail; /* written by the creator */
	_Atomic uint32_t maps_active;                   /* one bit for each map that has work */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t head; /* written by all workers */
	alignas(IPK__CACHE_LINE) _Atomic uint32_t done; /* the stack: slot + 1 */
	_Atomic uint32_t any_wanted;                    /* a thread sleeps until anything is done */
	struct ipk__parking work;                       /* workers sleep until there is work */
	struct ipk__wait_queue finished; /* the creator's threads sleep until something is done */
	struct ipk__waiters waiters;
	struct ipk__pool_worker workers[IPK_POOL_WORKERS_MAX];
};
_Static_assert(IPK_POOL_WORKERS_MAX <= 64 * IPK__PARKING_WORDS, "a bit for each");

/* Busy, and not just between two tasks. */
static inline bool ipk__worker_is_at_work(const struct ipk__pool_worker *record)
{
	return atomic_load_explicit(&record->state, memory_order_acquire) == IPK__WORKER_BUSY &&
	       (atomic_load_explicit(&record->slot, memory_order_relaxed) != 0 ||
		atomic_load_explicit(&record->map, memory_order_relaxed) != 0);
}

/* Whether there is work for a worker; @shared is a struct ipk__shm_pool. */
static inline bool ipk__shm_pool_has_work(void *shared)
{
	struct ipk__shm_pool *s = shared;

	return atomic_load_explicit(&s->tail, memory_order_acquire) !=
		       atomic_load_explicit(&s->head, memory_order_relaxed) ||
	       atomic_load_explicit(&s->maps_active, memory_order_acquire) != 0;
}

#endif
