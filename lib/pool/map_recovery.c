/*
 * map_recovery.c - maps and dead workers, time limits, cancellation.
 *
 * A chunk is taken from a worker by a compare-and-swap of the chunk's word, after all its items
 * have been dealt with: those done, the one the worker was at, and the rest, which is requeued or
 * lost. The worker finds out when it finishes the chunk. So a worker that is killed for an item is
 * at that item, or past it and about to be killed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"
#include "pool/map_internal.h"

/* --- chunks ----------------------------------------------------------------------------------- */

/* From now on n_done is unreliable, and workers notify when they find nothing left. */
static void count_by_words(struct ipk__map_job *job)
{
	job->has_deaths = true;
	atomic_store(&job->map->tells, 1);
}

static void put_back(ipk_pool *pool, struct ipk__map_job *job, uint32_t c, uint64_t word)
{
	atomic_store(&job->words[c], word);
	ipk__map_news(pool, job);
}

/* Later. */
static bool rest(ipk_pool *pool, struct ipk__map_job *job, uint32_t c, uint64_t word,
		 int64_t delay_ns)
{
	struct ipk__map_rest *r = ipk__os_malloc(sizeof *r);

	if (!r)
		return false;
	*r = (struct ipk__map_rest){
		.next = job->resting,
		.chunk = c,
		.word = word,
		.until_ns = ipk__later_ns(ipk__os_now_ns(), delay_ns),
	};
	job->resting = r;
	atomic_store(&job->words[c], ipk__chunk_in_state(word, 0, IPK__CHUNK_RESTING));
	ipk__supervisor_call(pool);
	return true;
}

/* Twice as long each time; @n_begun is 1 or more. */
static int64_t delay_ns(const struct ipk__map_job *job, uint32_t n_begun)
{
	int64_t ns;

	if (__builtin_mul_overflow(job->opts.retry_delay_ns,
				   (int64_t)1 << IPK__MIN(n_begun - 1, 40u), &ns))
		return INT64_MAX;
	return ns;
}

/* --- deaths ----------------------------------------------------------------------------------- */

static void say_how(const struct ipk__death *death, char *text, size_t n)
{
	const ipk_process_status *status = &death->status;

	if (!death->is_known)
		snprintf(text, n, "worker %d ended", (int)death->pid);
	else if (status->signal != 0)
		snprintf(text, n, "worker %d was killed by signal %d%s", (int)death->pid,
			 status->signal, status->is_oom ? " (out of memory)" : "");
	else
		snprintf(text, n, "worker %d exited with code %d", (int)death->pid,
			 status->exit_code);
}

static bool is_quarantined(ipk_pool *pool, const struct ipk__map_job *job, uint64_t i)
{
	const struct ipk__shm_map *plan = &job->plan;
	const char *items = (char *)pool->shared + plan->items_offset;

	if (plan->kind != IPK__MAP_ITEMS)
		return false;
	return ipk__quarantine_note(pool, (void *)(uintptr_t)plan->fn, items + i * plan->item_bytes,
				    plan->item_bytes);
}

/* Item @i killed its worker, and is not to be done again. */
static void lose_item(ipk_pool *pool, struct ipk__map_job *job, uint64_t i, uint32_t n_begun,
		      bool quarantine, const struct ipk__death *death)
{
	const struct ipk__shm_map *plan = &job->plan;
	const char *items = (char *)pool->shared + plan->items_offset;
	ipk_failure failure;

	ipk__failure_init(&failure, quarantine ? IPK_FAILURE_QUARANTINED : IPK_FAILURE_DIED, NULL);
	failure.n_attempts = n_begun;
	failure.pid = death->pid;
	failure.status = death->status;
	if (quarantine)
		ipk__quarantine_words(pool, (void *)(uintptr_t)plan->fn,
				      items + i * plan->item_bytes, plan->item_bytes, failure.text);
	else
		say_how(death, failure.text, sizeof failure.text);
	ipk__map_lose(job, i, 1, &failure, true);
}

/* The fate of item @i, at which the worker died; true: it is retried. */
static bool try_again(ipk_pool *pool, struct ipk__map_job *job, uint64_t i, uint32_t n_begun,
		      const struct ipk__death *death)
{
	bool quarantine = is_quarantined(pool, job, i);

	if (!quarantine && n_begun <= job->opts.n_retries && n_begun < 0xffff) {
		ipk__count(&pool->shared->counts.n_retried, 1);
		return true;
	}
	lose_item(pool, job, i, n_begun, quarantine, death);
	return false;
}

/* Chunk @c, in which the dead worker had started item @i. */
static void orphan_chunk(ipk_pool *pool, struct ipk__map_job *job, uint32_t c, uint64_t word,
			 uint64_t i, const struct ipk__death *death)
{
	uint64_t base = c * job->plan.chunk;
	uint32_t n_begun = (i == base + ipk__chunk_from(word) ? ipk__chunk_n_begun(word) : 0) + 1;

	/* A code is set: it was done, or to be skipped. */
	if (job->codes[i] != 0 || !try_again(pool, job, i, n_begun, death)) {
		i++;
		n_begun = 0;
	}
	word = ipk__chunk_word(i - base, n_begun, 0, IPK__CHUNK_READY);
	if (i == ipk__map_chunk_end(job, c))
		atomic_store(&job->words[c], ipk__chunk_word(0, 0, 0, IPK__CHUNK_DONE));
	else if (n_begun == 0 || job->opts.retry_delay_ns == 0 ||
		 !rest(pool, job, c, word, delay_ns(job, n_begun)))
		put_back(pool, job, c, word);
}

static void orphan(ipk_pool *pool, struct ipk__map_job *job, const struct ipk__pool_worker *record,
		   const struct ipk__death *death)
{
	uint64_t c = atomic_load(&record->chunk) - 1, i = atomic_load(&record->item) - 1, word;

	count_by_words(job);
	if (c >= job->plan.n_chunks)
		return;
	word = atomic_load(&job->words[c]);
	if (ipk__chunk_state(word) != IPK__CHUNK_TAKEN ||
	    ipk__chunk_worker(word) != (death->worker & 0xff))
		return;
	if (i != UINT64_MAX && i >= c * job->plan.chunk + ipk__chunk_from(word) &&
	    i < ipk__map_chunk_end(job, (uint32_t)c))
		orphan_chunk(pool, job, (uint32_t)c, word, i, death);
	else
		put_back(pool, job, (uint32_t)c, ipk__chunk_in_state(word, 0, IPK__CHUNK_READY));
}

void ipk__maps_orphaned(ipk_pool *pool, const struct ipk__death *death)
{
	struct ipk__pool_worker *record = &pool->shared->workers[death->worker];
	uint32_t number = atomic_load(&record->map) - 1;
	struct ipk__map_job *job =
		number < IPK__POOL_MAPS ? pool->map_state->by_number[number] : NULL;

	if (job && job->phase == IPK__MAP_RUNS) {
		orphan(pool, job, record, death);
		/* It may have taken the bit out and then seen that there were news. */
		if (!atomic_load(&job->map->stop))
			ipk__map_news(pool, job);
	}
	atomic_store(&record->chunk, 0);
	atomic_store(&record->item, 0);
	atomic_store(&record->map, 0);
	ipk__maps_collect(pool);
}

/* --- time ------------------------------------------------------------------------------------- */

/* When the item that @worker is at may be no longer done; INT64_MAX: never. */
static int64_t due_ns(ipk_pool *pool, const struct ipk__map_job *job, unsigned worker,
		      uint32_t *ret_chunk, uint64_t *ret_word)
{
	const struct ipk__pool_worker *record = &pool->shared->workers[worker];
	uint64_t c = atomic_load(&record->chunk) - 1, word;

	if (atomic_load(&record->map) != job->number + 1 || c >= job->plan.n_chunks)
		return INT64_MAX;
	/* Pairs with the claim: since_ns is then this item's or a later one's. */
	word = atomic_load(&job->words[c]);
	if (ipk__chunk_state(word) != IPK__CHUNK_TAKEN || ipk__chunk_worker(word) != worker)
		return INT64_MAX;
	*ret_chunk = (uint32_t)c;
	*ret_word = word;
	return ipk__later_ns(ipk__worker_clock_since_ns(pool, worker), job->opts.timeout_ns);
}

/* The item of chunk @c has run too long; true when it was still at it. */
static bool time_out(ipk_pool *pool, struct ipk__map_job *job, unsigned worker, uint32_t c,
		     uint64_t word)
{
	uint64_t condemned = ipk__chunk_in_state(word, worker, IPK__CHUNK_CONDEMNED);
	ipk_failure failure;
	char seconds[48];

	if (!atomic_compare_exchange_strong(&job->words[c], &word, condemned))
		return false;
	count_by_words(job);
	job->has_codes = true;
	ipk__failure_init(&failure, IPK_FAILURE_TIMEOUT, NULL);
	failure.n_attempts = ipk__chunk_n_begun(word) + 1;
	failure.pid = pool->zygote ? pool->handles[worker].child.pid : 0;
	ipk__decimal(seconds, sizeof seconds, "%.3f", (double)job->opts.timeout_ns / 1e9);
	snprintf(failure.text, sizeof failure.text, "ran longer than %s s", seconds);
	ipk__map_lose(job, c * job->plan.chunk, ipk__map_chunk_end(job, c) - c * job->plan.chunk,
		      &failure, true);
	ipk__workers_kill(pool, worker);
	return true;
}

static int64_t tick_limits(ipk_pool *pool, struct ipk__map_job *job, int64_t now_ns)
{
	/* What has not started yet cannot be due before. */
	int64_t next_ns = ipk__later_ns(now_ns, job->opts.timeout_ns);

	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		uint32_t c = 0;
		uint64_t word = 0;
		int64_t at_ns;

		if (!ipk__map_has_worker(pool, i))
			continue;
		at_ns = due_ns(pool, job, i, &c, &word);
		if (at_ns <= now_ns)
			time_out(pool, job, i, c, word);
		else
			next_ns = IPK__MIN(next_ns, at_ns);
	}
	return next_ns;
}

static int64_t tick_resting(ipk_pool *pool, struct ipk__map_job *job, int64_t now_ns)
{
	struct ipk__map_rest **at = &job->resting, *r;
	int64_t next_ns = INT64_MAX;

	while ((r = *at)) {
		if (r->until_ns > now_ns) {
			next_ns = IPK__MIN(next_ns, r->until_ns);
			at = &r->next;
			continue;
		}
		*at = r->next;
		put_back(pool, job, r->chunk, r->word);
		free(r);
	}
	return next_ns;
}

int64_t ipk__maps_tick(ipk_pool *pool, int64_t now_ns)
{
	struct ipk__map_job *job = pool->map_state->first;
	int64_t next_ns = INT64_MAX;

	for (; job; job = job->next) {
		if (job->phase != IPK__MAP_RUNS)
			continue;
		if (job->opts.timeout_ns > 0)
			next_ns = IPK__MIN(next_ns, tick_limits(pool, job, now_ns));
		if (job->resting)
			next_ns = IPK__MIN(next_ns, tick_resting(pool, job, now_ns));
	}
	ipk__maps_collect(pool);
	return next_ns;
}

/* --- abandoning items: cancelled, or no worker is left ---------------------------------------- */

/* The reason for items that are abandoned; as in ipk__map_lose(). */
struct reason {
	ipk_failure failure;
	bool has_detail;
};

static struct reason cancelled(void)
{
	struct reason why = {.has_detail = false};

	ipk__failure_init(&why.failure, IPK_FAILURE_CANCELLED, NULL);
	return why;
}

static void lose_for(struct ipk__map_job *job, uint64_t first, uint64_t end,
		     const struct reason *why)
{
	bool has_skips = job->plan.flags & IPK__MAP_HAS_SKIPS;

	if (!has_skips)
		ipk__map_lose(job, first, end - first, &why->failure, why->has_detail);
	for (uint64_t i = first; has_skips && i < end; i++)
		if (job->codes[i] == 0)
			ipk__map_lose(job, i, 1, &why->failure, why->has_detail);
}

/* A chunk that a worker has: what it has done of it stays done. */
static void stop_taken(ipk_pool *pool, struct ipk__map_job *job, uint32_t c, uint64_t word,
		       const struct reason *why)
{
	unsigned worker = ipk__chunk_worker(word);
	uint64_t i = atomic_load(&pool->shared->workers[worker].item) - 1;
	uint64_t first = c * job->plan.chunk + ipk__chunk_from(word);
	uint64_t end = ipk__map_chunk_end(job, c);

	if (i < first || i >= end)
		i = first;
	/* Of one whose function has failed already, its code is told. */
	lose_for(job, i, end, why);
	ipk__workers_kill(pool, worker);
}

static void stop_chunk(ipk_pool *pool, struct ipk__map_job *job, uint32_t c, bool running_too,
		       const struct reason *why)
{
	uint64_t word = atomic_load(&job->words[c]);
	uint64_t first;
	uint32_t state;

	do {
		state = ipk__chunk_state(word);
		if (state == IPK__CHUNK_DONE || state == IPK__CHUNK_CONDEMNED ||
		    (state == IPK__CHUNK_TAKEN && !running_too))
			return;
	} while (!atomic_compare_exchange_strong(
		&job->words[c], &word,
		ipk__chunk_in_state(word, ipk__chunk_worker(word), IPK__CHUNK_CONDEMNED)));
	first = c * job->plan.chunk + ipk__chunk_from(word);
	if (state == IPK__CHUNK_TAKEN)
		stop_taken(pool, job, c, word, why);
	else
		lose_for(job, first, ipk__map_chunk_end(job, c), why);
}

static int stop_job(ipk_pool *pool, struct ipk__map_job *job, bool running_too,
		    const struct reason *why)
{
	if (job->phase == IPK__MAP_LINGERS)
		return -EALREADY;
	if (job->phase == IPK__MAP_WAITS) {
		lose_for(job, 0, job->plan.n_items, why);
		ipk__map_end(pool, job);
		return 0;
	}
	count_by_words(job);
	job->has_codes = true;
	if (running_too)
		atomic_store(&job->map->stop, 1);
	for (uint32_t c = job->scanned; c < job->plan.n_chunks; c++)
		stop_chunk(pool, job, c, running_too, why);
	ipk__map_see(pool, job);
	return 0;
}

int ipk__map_cancel_job(ipk_pool *pool, struct ipk__map_job *job, bool running_too)
{
	const struct reason why = cancelled();

	return stop_job(pool, job, running_too, &why);
}

int ipk__maps_cancel(ipk_future *f)
{
	int r;

	ipk__maps_collect(f->pool);
	if (atomic_load(&f->state) == IPK_FUTURE_CANCELLED)
		return 0;
	r = ipk__map_cancel_job(f->pool, f->map, true);
	ipk__maps_collect(f->pool);
	return r;
}

static void stop_all(ipk_pool *pool, bool running_too, const struct reason *why)
{
	struct ipk__map_job *job = pool->map_state->first;

	for (; job; job = job->next)
		if (job->phase != IPK__MAP_LINGERS)
			stop_job(pool, job, running_too, why);
	ipk__maps_collect(pool);
}

void ipk__maps_cancel_all(ipk_pool *pool, bool running_too)
{
	const struct reason why = cancelled();

	stop_all(pool, running_too, &why);
}

void ipk__maps_fail_all(ipk_pool *pool, const char *text)
{
	struct reason why = {.has_detail = true};

	ipk__failure_init(&why.failure, IPK_FAILURE_DIED, NULL);
	snprintf(why.failure.text, sizeof why.failure.text, "%s", text);
	stop_all(pool, true, &why);
}
