/*
 * map_internal.h - the creator's side of maps: declarations shared by its files.
 *
 *   map.c            submitted, published, collected, completed
 *   map_recovery.c   deaths, time limits, cancellation
 *   map_failures.c   which items failed and why
 *   map_memory.c     memory of items and results
 *   map_array.c      over shared arrays
 *
 * All with the pool's mutex held, unless it says otherwise.
 */
#ifndef IPK_POOL_MAP_INTERNAL_H
#define IPK_POOL_MAP_INTERNAL_H

#include "pool/pool_internal.h"
#include "pool/worker_array.h"
#include "shared/arena.h"

#define IPK__MAP_BLOCKS 4u

/* --- map_memory.c ----------------------------------------------------------------------------- */

/* In the segment's heap: codes first, then words, texts, items and results. */
struct ipk__map_block {
	uint64_t offset, n_bytes; /* 0: none */
	uint64_t zero_bytes;      /* from its beginning: known to be zero */
};

/* --- map_failures.c --------------------------------------------------------------------------- */

/* Some items without a result, all for the same cause. */
struct ipk__map_loss {
	uint64_t first, n;
	int32_t code;
	uint16_t cause; /* ipk_failure_cause */
	uint16_t n_attempts;
	uint32_t detail; /* index of its details, + 1; 0: none */
};

struct ipk__map_losses {
	struct ipk__map_loss *list;
	size_t n, n_max;
	ipk_failure *details;
	size_t n_details, n_details_max;
	uint64_t n_items;
	/* If there is no memory for the list: */
	bool is_in_codes;              /* some have their -errno as their code instead */
	uint64_t n_unlisted;           /* at the end: number of failed functions not in the list */
	struct ipk__map_loss unlisted; /* the first of them */
};

/* --- map.c ------------------------------------------------------------------------------------ */

enum ipk__map_phase {
	IPK__MAP_WAITS = 0, /* for an entry in the table */
	IPK__MAP_RUNS = 1,
	IPK__MAP_LINGERS = 2, /* complete, but a worker may still access it */
};

struct ipk__map_rest {
	struct ipk__map_rest *next;
	uint32_t chunk;
	uint64_t word;
	int64_t until_ns; /* CLOCK_MONOTONIC */
};

struct ipk__map_job {
	_Atomic unsigned n_refs; /* the pool's while it is in the list, and the future's */
	struct ipk__map_job *next;
	enum ipk__map_phase phase;
	ipk_future *future; /* NULL once it is complete */
	uint32_t number;    /* in the table; not while it waits */
	struct ipk__shm_map *map;
	struct ipk__shm_map plan; /* what is published there; also used privately */
	ipk_task_opts opts;
	struct ipk__map_block block;
	_Atomic uint64_t *words;
	int32_t *codes;
	const struct ipk__arena *arenas[2]; /* of its arrays, kept by the caller */
	void *into;       /* the waiting caller's array; NULL: none, or the caller has left */
	char *result;     /* of the future */
	bool has_deaths;  /* n_done may be short: the words decide */
	bool has_codes;   /* codes may be nonzero */
	uint32_t scanned; /* chunks before it are complete */
	struct ipk__map_rest *resting;
	struct ipk__map_losses losses;
};

struct ipk__array_file {
	uint64_t generation, device, inode;
	uint64_t used_at; /* a sequence */
	bool was_sent[IPK_POOL_WORKERS_MAX];
};

struct ipk__map_state {
	struct ipk__map_job *first, **end; /* oldest first */
	struct ipk__map_job *by_number[IPK__POOL_MAPS];
	struct ipk__map_block kept[IPK__MAP_BLOCKS];
	uint64_t sequence;
	struct ipk__array_file files[IPK__ARRAY_SLOTS];
};

/* A request, validated. */
struct ipk__map_request {
	uint32_t kind;
	void *fn;
	const void *items;
	size_t n, item_bytes, result_bytes;
	size_t chunk; /* 0: chosen */
	const ipk_task_opts *opts;
	void *into;
	ipk_array *arrays[2];
	uint64_t stretch;
};

/* Without the mutex. */
int ipk__map_submit(ipk_pool *pool, const struct ipk__map_request *request, ipk_future **ret_f);
/*
 * Without the mutex: waits for it; what is not done by @deadline is cancelled. Returns as its
 * future.
 */
int ipk__map_wait(ipk_future *f, ipk_deadline deadline);
int ipk__map_check_opts(const ipk_task_opts *opts);
bool ipk__map_is_in_use(const ipk_pool *pool, const struct ipk__map_job *job);
void ipk__map_news(ipk_pool *pool, struct ipk__map_job *job); /* chunks were requeued */
void ipk__map_see(ipk_pool *pool, struct ipk__map_job *job);  /* completes it if it is done */
void ipk__map_end(ipk_pool *pool, struct ipk__map_job *job);  /* completes it */

/* A worker that is being spawned may be at a chunk before we know its pid. */
static inline bool ipk__map_has_worker(const ipk_pool *pool, unsigned worker)
{
	return pool->handles[worker].is_there || pool->handles[worker].is_starting;
}

static inline uint64_t ipk__map_chunk_end(const struct ipk__map_job *job, uint32_t c)
{
	return IPK__MIN((c + (uint64_t)1) * job->plan.chunk, job->plan.n_items);
}

/* --- map_memory.c ----------------------------------------------------------------------------- */

/* Allocates the memory of @job, whose plan has the numbers; fills in its offsets. */
int ipk__map_take_block(ipk_pool *pool, struct ipk__map_job *job);
void ipk__map_give_block(ipk_pool *pool, struct ipk__map_job *job);

/* --- map_recovery.c --------------------------------------------------------------------------- */

int ipk__map_cancel_job(ipk_pool *pool, struct ipk__map_job *job, bool running_too);

/* --- map_failures.c --------------------------------------------------------------------------- */

/* Items @first .. @first + @n - 1 will have no result. @failure: the reason for each. */
void ipk__map_lose(struct ipk__map_job *job, uint64_t first, uint64_t n, const ipk_failure *failure,
		   bool has_detail);
/* At its end: adds those whose function failed, sorted by index. */
void ipk__map_gather(ipk_pool *pool, struct ipk__map_job *job);
bool ipk__map_is_lost(const struct ipk__map_job *job, uint64_t index);
/* The one with the smallest index; there must be one. */
void ipk__map_first_failure(const struct ipk__map_job *job, ipk_failure *ret_failure);
void ipk__map_loss_failure(const struct ipk__map_job *job, const struct ipk__map_loss *loss,
			   uint64_t index, ipk_failure *ret_failure);

/* --- map_array.c ------------------------------------------------------------------------------ */

/* Puts the arrays of @request into the plan, and sends workers their files. */
int ipk__map_take_arrays(ipk_pool *pool, struct ipk__map_job *job,
			 const struct ipk__map_request *request);
void ipk__map_send_files(ipk_pool *pool, const struct ipk__map_job *job); /* if it needs any */

#endif
