/*
 * map.c - maps over items of one size: submitted, published, collected, completed.
 *
 * A map is a job here, from its submission until no thread can access its memory any more. At most
 * IPK__POOL_MAPS are in the table that workers see, the others wait, oldest first. A map is
 * complete when the workers' counts say so; once one of them has died the counts may stay short,
 * and then the words of the chunks are scanned instead, from where the last scan met an incomplete
 * chunk.
 *
 * Items are copied in, and results out, without the pool's mutex where possible.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/map_internal.h"

#define CHUNKS_PER_WORKER 32u
#define CHUNKS_MAX ((uint64_t)1 << 31)

/* --- the state -------------------------------------------------------------------------------- */

int ipk__maps_init(ipk_pool *pool)
{
	struct ipk__map_state *state = ipk__os_calloc(1, sizeof *state);

	if (!state)
		return -ENOMEM;
	state->end = &state->first;
	pool->map_state = state;
	return 0;
}

static void unlink_job(struct ipk__map_state *state, struct ipk__map_job *job)
{
	struct ipk__map_job **at = &state->first;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	if (!*at)
		state->end = at;
}

void ipk__maps_end(ipk_pool *pool)
{
	struct ipk__map_state *state = pool->map_state;
	struct ipk__map_job *job;

	if (!state)
		return;
	while ((job = state->first)) {
		unlink_job(state, job);
		ipk__map_unref(job);
	}
	free(state);
	pool->map_state = NULL;
}

static void free_resting(struct ipk__map_job *job)
{
	struct ipk__map_rest *rest;

	while ((rest = job->resting)) {
		job->resting = rest->next;
		free(rest);
	}
}

void ipk__map_unref(struct ipk__map_job *job)
{
	if (atomic_fetch_sub(&job->n_refs, 1) != 1)
		return;
	free_resting(job);
	free(job->losses.list);
	free(job->losses.details);
	free(job->result);
	free(job);
}

/* --- beginning -------------------------------------------------------------------------------- */

static uint64_t choose_chunk(const ipk_pool *pool, const struct ipk__map_request *request)
{
	uint64_t chunk = request->chunk;

	if (request->opts->timeout_ns > 0 || request->opts->soft_timeout_ns > 0)
		chunk = 1; /* so that the word of a chunk is that of an item */
	else if (chunk == 0)
		chunk = request->n / (CHUNKS_PER_WORKER * IPK__MAX(pool->n_workers, 1u));
	chunk = IPK__MAX(chunk, request->n / CHUNKS_MAX + 1);
	return IPK__MIN(chunk, IPK__MAP_CHUNK_MAX);
}

static void make_plan(const ipk_pool *pool, const struct ipk__map_request *request,
		      struct ipk__shm_map *plan)
{
	bool is_timed = request->opts->timeout_ns > 0 || request->opts->soft_timeout_ns > 0;
	unsigned n_regions = IPK__MIN(IPK__MAX(pool->n_workers, 1u), IPK__MAP_REGIONS);

	plan->kind = request->kind;
	plan->flags = is_timed ? IPK__MAP_IS_TIMED : 0;
	plan->fn = (uint64_t)(uintptr_t)request->fn;
	plan->n_items = request->n;
	plan->chunk = choose_chunk(pool, request);
	plan->n_chunks = (uint32_t)((request->n + plan->chunk - 1) / plan->chunk);
	plan->n_regions = IPK__MAX(IPK__MIN(n_regions, plan->n_chunks), 1u);
	plan->soft_timeout_ns = request->opts->soft_timeout_ns;
	plan->item_bytes = request->item_bytes;
	plan->result_bytes = request->result_bytes;
	plan->stretch = request->stretch;
}

static struct ipk__map_job *new_job(const ipk_pool *pool, const struct ipk__map_request *request)
{
	struct ipk__map_job *job = ipk__os_calloc(1, sizeof *job);
	size_t result_bytes = request->n * request->result_bytes;

	if (!job)
		return NULL;
	job->n_refs = 1;
	job->opts = *request->opts;
	job->into = request->into;
	make_plan(pool, request, &job->plan);
	if (request->kind == IPK__MAP_ITEMS && !job->into && result_bytes > 0) {
		job->result = ipk__os_malloc(result_bytes);
		if (!job->result) {
			free(job);
			return NULL;
		}
	}
	return job;
}

/* Its memory as workers are to find it; without the mutex, for it takes time. */
static void fill_block(const ipk_pool *pool, struct ipk__map_job *job,
		       const struct ipk__map_request *request)
{
	char *base = (char *)pool->shared;
	uint64_t codes_bytes = job->plan.n_items * sizeof(int32_t);
	uint64_t zero_bytes = IPK__MIN(job->block.zero_bytes, codes_bytes);

	memset((char *)job->codes + zero_bytes, 0, codes_bytes - zero_bytes);
	memset(base + job->plan.texts_offset, 0, IPK__MAP_TEXTS * sizeof(struct ipk__map_text));
	for (uint32_t c = 0; c < job->plan.n_chunks; c++)
		atomic_init(&job->words[c], ipk__chunk_word(0, 0, 0, IPK__CHUNK_READY));
	if (request->kind == IPK__MAP_ITEMS)
		memcpy(base + job->plan.items_offset, request->items,
		       request->n * request->item_bytes);
}

/* Items that are known to kill their workers are not started. */
static void skip_quarantined(ipk_pool *pool, struct ipk__map_job *job)
{
	const struct ipk__shm_map *plan = &job->plan;
	const char *items = (char *)pool->shared + plan->items_offset;
	ipk_failure failure;

	if (plan->kind != IPK__MAP_ITEMS || ipk__quarantine_is_empty(pool))
		return;
	for (uint64_t i = 0; i < plan->n_items; i++) {
		const char *item = items + i * plan->item_bytes;

		if (!ipk__quarantine_has(pool, (void *)(uintptr_t)plan->fn, item, plan->item_bytes))
			continue;
		ipk__failure_init(&failure, IPK_FAILURE_QUARANTINED, NULL);
		ipk__quarantine_words(pool, (void *)(uintptr_t)plan->fn, item, plan->item_bytes,
				      failure.text);
		ipk__map_lose(job, i, 1, &failure, true);
		job->codes[i] = 1;
		job->plan.flags |= IPK__MAP_HAS_SKIPS;
		job->has_codes = true;
	}
}

static void wake_workers(ipk_pool *pool, uint32_t n)
{
	ipk__pool_wake_workers(pool, IPK__MIN(n, IPK__WAITERS_MAX));
}

void ipk__map_news(ipk_pool *pool, struct ipk__map_job *job)
{
	/* Pairs with a worker that finds nothing left: it takes the bit out, then looks for news.
	 */
	atomic_fetch_add(&job->map->n_news, 1);
	atomic_fetch_or(&pool->shared->maps_active, (uint32_t)1 << job->number);
	wake_workers(pool, 1);
}

static void publish(struct ipk__shm_map *map, const struct ipk__shm_map *plan)
{
	uint32_t news = atomic_load(&map->n_news) + 1;
	size_t from = offsetof(struct ipk__shm_map, kind);
	size_t to = offsetof(struct ipk__shm_map, regions);

	atomic_store(&map->n_done, 0);
	atomic_store(&map->n_failed, 0);
	atomic_store(&map->stop, 0);
	atomic_store(&map->tells, 0);
	atomic_store(&map->n_texts, 0);
	map->first_news = news;
	memcpy((char *)map + from, (const char *)plan + from, to - from);
	for (uint32_t i = 0; i < plan->n_regions; i++) {
		uint32_t first = ipk__map_region_first(i, plan->n_regions, plan->n_chunks);
		uint32_t last = ipk__map_region_first(i + 1, plan->n_regions, plan->n_chunks);

		atomic_store_explicit(&map->regions[i].next, first, memory_order_relaxed);
		atomic_store_explicit(&map->regions[i].last, last, memory_order_relaxed);
		atomic_store_explicit(&map->regions[i].helper, 0, memory_order_relaxed);
	}
	atomic_store(&map->n_news, news);
	/* Pairs with the load of a worker that has announced that it looks at it. */
	atomic_store(&map->is_open, 1);
}

static void begin_map(ipk_pool *pool, struct ipk__map_job *job, uint32_t number)
{
	struct ipk__map_state *state = pool->map_state;

	state->by_number[number] = job;
	job->number = number;
	job->map = &pool->maps[number];
	job->phase = IPK__MAP_RUNS;
	publish(job->map, &job->plan);
	atomic_fetch_or(&pool->shared->maps_active, (uint32_t)1 << number);
	wake_workers(pool, job->plan.n_chunks);
	atomic_store_explicit(&job->future->state, IPK_FUTURE_RUNNING, memory_order_relaxed);
	if (job->opts.timeout_ns > 0)
		ipk__supervisor_call(pool);
}

static void begin_waiting(ipk_pool *pool)
{
	struct ipk__map_state *state = pool->map_state;
	struct ipk__map_job *job = state->first;

	for (uint32_t number = 0; number < IPK__POOL_MAPS; number++) {
		if (state->by_number[number])
			continue;
		while (job && job->phase != IPK__MAP_WAITS)
			job = job->next;
		if (!job)
			return;
		begin_map(pool, job, number);
	}
}

/* --- ending ----------------------------------------------------------------------------------- */

bool ipk__map_is_in_use(const ipk_pool *pool, const struct ipk__map_job *job)
{
	if (!job->map || pool->map_state->by_number[job->number] != job)
		return false;
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		if (ipk__map_has_worker(pool, i) &&
		    atomic_load(&pool->shared->workers[i].map) == job->number + 1)
			return true;
	return false;
}

/* Frees its memory and entry, when no worker can be accessing it. */
static void release(ipk_pool *pool, struct ipk__map_job *job)
{
	struct ipk__map_state *state = pool->map_state;

	if (ipk__map_is_in_use(pool, job))
		return;
	if (job->map)
		state->by_number[job->number] = NULL;
	ipk__map_give_block(pool, job);
	unlink_job(state, job);
	ipk__map_unref(job);
}

static void release_lingering(ipk_pool *pool)
{
	struct ipk__map_job *job = pool->map_state->first, *next;

	for (; job; job = next) {
		next = job->next;
		if (job->phase == IPK__MAP_LINGERS)
			release(pool, job);
	}
}

static void close_map(ipk_pool *pool, struct ipk__map_job *job)
{
	atomic_store(&job->map->is_open, 0);
	atomic_fetch_and(&pool->shared->maps_active, ~((uint32_t)1 << job->number));
	atomic_thread_fence(memory_order_seq_cst); /* pairs with a worker's announcement */
}

/* Results [@from, @to) to where they are wanted. */
static void copy_results(const ipk_pool *pool, struct ipk__map_job *job, uint64_t from, uint64_t to)
{
	const char *results = (char *)pool->shared + job->plan.results_offset;
	size_t n = job->plan.result_bytes;
	char *at = job->into ? job->into : job->result;

	if (at && to > from)
		memcpy(at + from * n, results + from * n, (to - from) * n);
}

/* There was no memory to list those that failed. */
static void give_results_one_by_one(const ipk_pool *pool, struct ipk__map_job *job)
{
	size_t n = job->plan.result_bytes;

	for (uint64_t i = 0; i < job->plan.n_items; i++) {
		if (!ipk__map_is_lost(job, i))
			copy_results(pool, job, i, i + 1);
		else if (job->result)
			memset(job->result + i * n, 0, n);
	}
}

static void give_results(const ipk_pool *pool, struct ipk__map_job *job)
{
	size_t n = job->plan.result_bytes;
	uint64_t at = 0;

	if (job->plan.kind != IPK__MAP_ITEMS)
		return;
	if (job->losses.n_unlisted > 0) {
		give_results_one_by_one(pool, job);
		return;
	}
	for (size_t i = 0; i < job->losses.n; i++) {
		const struct ipk__map_loss *loss = &job->losses.list[i];

		copy_results(pool, job, at, loss->first);
		at = loss->first + loss->n;
		if (job->result)
			memset(job->result + loss->first * n, 0, loss->n * n);
	}
	copy_results(pool, job, at, job->plan.n_items);
}

static void count(const ipk_pool *pool, const struct ipk__map_job *job)
{
	struct ipk__pool_counts *counts = &pool->shared->counts;
	_Atomic uint64_t *const by_cause[] = {
		[IPK_FAILURE_TASK] = &counts->n_task_errors,
		[IPK_FAILURE_DIED] = &counts->n_died,
		[IPK_FAILURE_TIMEOUT] = &counts->n_timeouts,
		[IPK_FAILURE_CANCELLED] = &counts->n_cancelled,
		[IPK_FAILURE_QUARANTINED] = &counts->n_quarantined,
	};
	const struct ipk__map_losses *losses = &job->losses;

	ipk__count(&counts->n_task_errors, losses->n_unlisted);
	ipk__count(&counts->n_failed, losses->n_unlisted);
	ipk__count(&counts->n_done, job->plan.n_items - losses->n_items);
	for (size_t i = 0; i < losses->n; i++) {
		ipk__count(by_cause[losses->list[i].cause], losses->list[i].n);
		if (losses->list[i].cause != IPK_FAILURE_CANCELLED)
			ipk__count(&counts->n_failed, losses->list[i].n);
	}
}

static void tell_future(struct ipk__map_job *job)
{
	ipk_future *f = job->future;
	ipk_failure failure;

	job->future = NULL;
	if (job->result) {
		f->result = job->result; /* the future's to free */
		f->result_bytes = job->plan.n_items * job->plan.result_bytes;
		job->result = NULL;
	}
	if (job->losses.n_items == 0) {
		ipk__future_done(f);
		return;
	}
	ipk__map_first_failure(job, &failure);
	ipk__future_failed(f, &failure);
}

void ipk__map_end(ipk_pool *pool, struct ipk__map_job *job)
{
	ipk__map_gather(pool, job);
	give_results(pool, job);
	ipk__counts_seq_advance(pool);
	count(pool, job);
	if (job->map)
		close_map(pool, job);
	ipk__counts_seq_advance(pool);
	free_resting(job);
	job->phase = IPK__MAP_LINGERS;
	tell_future(job);
	/* As with the last task: who found it need not be the one who sends the workers home. */
	if (pool->phase == IPK__POOL_DRAINS && !ipk__pool_has_work(pool))
		ipk__supervisor_call(pool);
}

/* --- collecting ------------------------------------------------------------------------------- */

static bool words_are_over(struct ipk__map_job *job)
{
	while (job->scanned < job->plan.n_chunks) {
		/* Pairs with the worker's swap: results and codes before it. */
		uint64_t word = atomic_load(&job->words[job->scanned]);

		if (ipk__chunk_state(word) != IPK__CHUNK_DONE &&
		    ipk__chunk_state(word) != IPK__CHUNK_CONDEMNED)
			return false;
		job->scanned++;
	}
	return true;
}

static bool is_over(struct ipk__map_job *job)
{
	if (job->has_deaths)
		return words_are_over(job);
	return atomic_load_explicit(&job->map->n_done, memory_order_acquire) >= job->plan.n_items;
}

void ipk__map_see(ipk_pool *pool, struct ipk__map_job *job)
{
	if (job->phase == IPK__MAP_RUNS && is_over(job))
		ipk__map_end(pool, job);
}

void ipk__maps_collect(ipk_pool *pool)
{
	struct ipk__map_job *job = pool->map_state->first;

	if (!job)
		return;
	for (; job; job = job->next) {
		ipk__map_see(pool, job);
		if (job->phase != IPK__MAP_LINGERS)
			ipk__map_send_files(pool, job);
	}
	release_lingering(pool);
	begin_waiting(pool);
}

bool ipk__maps_have_waiting(const ipk_pool *pool)
{
	const struct ipk__map_job *job = pool->map_state->first;

	while (job && job->phase != IPK__MAP_WAITS)
		job = job->next;
	return job != NULL;
}

bool ipk__maps_are_over(const ipk_pool *pool)
{
	const struct ipk__map_job *job = pool->map_state ? pool->map_state->first : NULL;

	for (; job; job = job->next)
		if (job->phase != IPK__MAP_LINGERS)
			return false;
	return true;
}

/* --- asking for one --------------------------------------------------------------------------- */

static int join(ipk_pool *pool, struct ipk__map_job *job, ipk_future **ret_f)
{
	struct ipk__map_state *state = pool->map_state;
	ipk_future *f =
		pool->phase == IPK__POOL_RUNS ? ipk__future_new(pool, IPK__FUTURE_MAP) : NULL;

	if (!f)
		return pool->phase == IPK__POOL_RUNS ? -ENOMEM : -ESHUTDOWN;
	skip_quarantined(pool, job);
	job->n_refs = 2;
	f->map = job;
	job->future = f;
	atomic_store(&job->plan.sequence, ++state->sequence);
	*state->end = job;
	state->end = &job->next;
	ipk__count(&pool->shared->counts.n_submitted, job->plan.n_items);
	if (job->plan.n_items == 0)
		ipk__map_end(pool, job);
	begin_waiting(pool);
	*ret_f = f;
	return 0;
}

int ipk__map_submit(ipk_pool *pool, const struct ipk__map_request *request, ipk_future **ret_f)
{
	struct ipk__map_job *job = new_job(pool, request);
	int r = job ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	ipk__pool_lock(pool);
	release_lingering(pool);
	if (pool->phase != IPK__POOL_RUNS)
		r = -ESHUTDOWN;
	if (r == 0 && request->kind == IPK__MAP_ARRAY)
		r = ipk__map_take_arrays(pool, job, request);
	if (r == 0 && request->n > 0)
		r = ipk__map_take_block(pool, job);
	ipk__pool_unlock(pool);
	if (r == 0 && request->n > 0)
		fill_block(pool, job, request);
	ipk__pool_lock(pool);
	if (r == 0)
		r = join(pool, job, ret_f);
	if (r < 0)
		ipk__map_give_block(pool, job);
	ipk__pool_unlock(pool);
	if (r < 0)
		ipk__map_unref(job);
	return r;
}

/* The caller has stopped waiting: results must not be stored in its array any more. */
static int give_up(ipk_pool *pool, ipk_future *f, int why)
{
	ipk__pool_lock(pool);
	if (atomic_load(&f->state) < IPK_FUTURE_DONE) {
		f->map->into = NULL;
		ipk__map_cancel_job(pool, f->map, true);
	} else {
		why = ipk__failure_errno(f->cause);
	}
	ipk__pool_unlock(pool);
	return why;
}

int ipk__map_wait(ipk_future *f, ipk_deadline deadline)
{
	int r = ipk_future_wait(f, deadline);

	return r < 0 ? give_up(f->pool, f, r) : ipk__failure_errno(f->cause);
}

int ipk__map_check_opts(const ipk_task_opts *opts)
{
	IPK__REQUIRE(opts->timeout_ns >= 0, "IPK_TASK(.timeout_ns): 0 or more");
	IPK__REQUIRE(opts->soft_timeout_ns >= 0, "IPK_TASK(.soft_timeout_ns): 0 or more");
	IPK__REQUIRE(opts->retry_delay_ns >= 0, "IPK_TASK(.retry_delay_ns): 0 or more");
	return 0;
}

static int check_request(const ipk_pool *pool, const struct ipk__map_request *request)
{
	int r = ipk__pool_check(pool);
	uint64_t n_bytes;

	if (r < 0)
		return r;
	IPK__REQUIRE(request->fn, "fn is NULL");
	IPK__REQUIRE(request->item_bytes > 0, "item_bytes: 1 or more");
	IPK__REQUIRE(request->items || request->n == 0, "items is NULL, and n is not 0");
	if (__builtin_add_overflow(request->item_bytes, request->result_bytes, &n_bytes) ||
	    __builtin_mul_overflow(n_bytes, request->n, &n_bytes) ||
	    n_bytes > IPK__POOL_HEAP_BYTES || request->n > IPK__POOL_HEAP_BYTES)
		return ipk__detail(-EMSGSIZE, "n: exceeds the capacity of a pool");
	return ipk__map_check_opts(request->opts);
}

int ipk_pool_map_async(ipk_pool *pool, ipk_map_fn fn, const void *items, size_t item_bytes,
		       size_t result_bytes, size_t n, const ipk_task_opts *opts,
		       ipk_future **ret_future)
{
	ipk_task_opts copy = {0};
	struct ipk__map_request request = {IPK__MAP_ITEMS, (void *)(uintptr_t)fn, items, n,
					   item_bytes,     result_bytes};
	int r = opts ? ipk__opts_copy(&copy, sizeof copy, opts) : 0;

	request.opts = &copy;
	request.chunk = copy.chunk;
	if (r == 0)
		r = ret_future ? check_request(pool, &request) : ipk__invalid("ret_future is NULL");
	return r < 0 ? r : ipk__map_submit(pool, &request, ret_future);
}

int ipk_pool_map_items(ipk_pool *pool, ipk_map_fn fn, const void *items, size_t item_bytes,
		       void *results, size_t result_bytes, size_t n, const ipk_task_opts *opts,
		       ipk_deadline deadline)
{
	ipk_task_opts copy = {0};
	struct ipk__map_request request = {IPK__MAP_ITEMS, (void *)(uintptr_t)fn, items, n,
					   item_bytes,     result_bytes};
	ipk_future *f = NULL;
	int r = opts ? ipk__opts_copy(&copy, sizeof copy, opts) : 0;

	request.opts = &copy;
	request.chunk = copy.chunk;
	request.into = results;
	if (r == 0)
		r = check_request(pool, &request);
	if (r == 0 && !results && result_bytes > 0 && n > 0)
		r = ipk__invalid("results is NULL, and result_bytes is not 0");
	if (r == 0)
		r = ipk__map_submit(pool, &request, &f);
	if (!f)
		return r;
	r = ipk__map_wait(f, deadline);
	ipk_future_close(f);
	return r;
}
