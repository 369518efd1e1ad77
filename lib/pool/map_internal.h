/*
 * map_internal.h - the creator's side of maps: what its files have in common.
 *
 *   map.c            asked for, begun, collected, ended
 *   map_trouble.c    deaths, time limits, cancelling
 *   map_failures.c   which items failed and why
 *   map_memory.c     where items and results lie
 *   map_array.c      over shared arrays
 *
 * All with the pool's mutex held, unless it says otherwise.
 */
#ifndef IPK_POOL_MAP_INTERNAL_H
#define IPK_POOL_MAP_INTERNAL_H

#include "pool/pool_internal.h"
#include "pool/worker_array.h"
#include "shm/arena.h"

#define IPK__MAP_BLOCKS 4u

/* --- map_memory.c --- */

/* Of the segment's heap: codes first, then words, texts, items and results. */
struct ipk__map_block {
	uint64_t offset, n_bytes; /* 0: none */
	uint64_t zero_bytes;      /* from its beginning: surely zeros */
};

/* --- map_failures.c --- */

/* Some items that did not become results, all for the same cause. */
struct ipk__map_loss {
	uint64_t first, n;
	int32_t code;
	uint16_t cause; /* ipk_failure_cause */
	uint16_t n_attempts;
	uint32_t detail; /* of the list of those, + 1; 0: there is no more to say */
};

struct ipk__map_losses {
	struct ipk__map_loss *list;
	size_t n, n_max;
	ipk_failure *details;
	size_t n_details, n_details_max;
	uint64_t n_items;
	/* When there is no memory for the list: */
	bool is_in_codes;    /* some have their -errno as their code instead */
	uint64_t n_unlisted; /* at the end: so many are failed functions not in the list */
	struct ipk__map_loss unlisted; /* the first of them */
};

/* --- map.c --- */

enum ipk__map_phase {
	IPK__MAP_WAITS = 0, /* for a place in the table */
	IPK__MAP_RUNS = 1,
	IPK__MAP_LINGERS = 2, /* it is over, but a worker may be looking at it */
};

struct ipk__map_rest {
	struct ipk__map_rest *next;
	uint32_t chunk;
	uint64_t word;
	int64_t until_ns; /* CLOCK_MONOTONIC */
};

struct ipk__pool_map_job {
	_Atomic unsigned n_refs; /* the pool's while it is in the list, and the future's */
	struct ipk__pool_map_job *next;
	enum ipk__map_phase phase;
	ipk_future *future; /* NULL once it is over */
	uint32_t number;    /* in the table; not while it waits */
	struct ipk__pool_map *map;
	struct ipk__pool_map plan; /* what goes there; good for itself, too */
	ipk_task_opts opts;
	struct ipk__map_block block;
	_Atomic uint64_t *words;
	int32_t *codes;
	const struct ipk__arena *arenas[2]; /* of its arrays, which their caller keeps */
	void *into;       /* the caller waits: his array; NULL: there is none, or he has gone */
	char *result;     /* of the future */
	bool has_deaths;  /* n_done may be short: the words count */
	bool is_dirty;    /* codes may not be zeros */
	uint32_t scanned; /* chunks before it are over */
	struct ipk__map_rest *resting;
	struct ipk__map_losses losses;
};

struct ipk__array_file {
	uint64_t generation, device, inode;
	uint64_t used_at; /* a sequence */
	bool was_sent[IPK_POOL_WORKERS_MAX];
};

struct ipk__map_books {
	struct ipk__pool_map_job *first, **end; /* by age */
	struct ipk__pool_map_job *by_number[IPK__POOL_MAPS];
	struct ipk__map_block kept[IPK__MAP_BLOCKS];
	uint64_t sequence;
	struct ipk__array_file files[IPK__ARRAY_PLACES];
};

/* What is asked for, checked. */
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
/* Without the mutex: wait for it; what is not done by @deadline is cancelled. As its future. */
int ipk__map_wait(ipk_future *f, ipk_deadline deadline);
int ipk__map_check_opts(const ipk_task_opts *opts);
bool ipk__map_is_looked_at(const ipk_pool *pool, const struct ipk__pool_map_job *job);
void ipk__map_news(ipk_pool *pool, struct ipk__pool_map_job *job); /* chunks went back */
void ipk__map_see(ipk_pool *pool, struct ipk__pool_map_job *job);  /* ends it if it is over */
void ipk__map_end(ipk_pool *pool, struct ipk__pool_map_job *job);  /* it is over */

/* One that is being born may be at a chunk before we know its pid. */
static inline bool ipk__map_has_worker(const ipk_pool *pool, unsigned worker)
{
	return pool->members[worker].is_there || pool->members[worker].is_starting;
}

static inline uint64_t ipk__map_chunk_end(const struct ipk__pool_map_job *job, uint32_t c)
{
	return IPK__MIN((c + (uint64_t)1) * job->plan.chunk, job->plan.n_items);
}

/* --- map_memory.c --- */

/* Room for @job, whose plan says how many of what; its offsets are filled in. */
int ipk__map_take_block(ipk_pool *pool, struct ipk__pool_map_job *job);
void ipk__map_give_block(ipk_pool *pool, struct ipk__pool_map_job *job);

/* --- map_trouble.c --- */

int ipk__map_cancel_job(ipk_pool *pool, struct ipk__pool_map_job *job, bool running_too);

/* --- map_failures.c --- */

/* Items @first .. @first + @n - 1 will not become results. @failure: what to say of each. */
void ipk__map_lose(struct ipk__pool_map_job *job, uint64_t first, uint64_t n,
		   const ipk_failure *failure, bool has_detail);
/* At its end: those whose function failed too, all by index. */
void ipk__map_gather(ipk_pool *pool, struct ipk__pool_map_job *job);
bool ipk__map_is_lost(const struct ipk__pool_map_job *job, uint64_t index);
/* The one with the smallest index, of a map that has any. */
void ipk__map_first_failure(const struct ipk__pool_map_job *job, ipk_failure *ret_failure);
void ipk__map_loss_failure(const struct ipk__pool_map_job *job, const struct ipk__map_loss *loss,
			   uint64_t index, ipk_failure *ret_failure);

/* --- map_array.c --- */

/* The arrays of @request, in the plan; and workers get their files. */
int ipk__map_take_arrays(ipk_pool *pool, struct ipk__pool_map_job *job,
			 const struct ipk__map_request *request);
void ipk__map_send_files(ipk_pool *pool, const struct ipk__pool_map_job *job); /* if it needs any */

#endif
