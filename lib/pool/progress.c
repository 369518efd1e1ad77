/*
 * progress.c - the progress of a pool, read from its shared memory.
 *
 * The creator counts completed work in shared memory, and workers publish there what they do, so
 * any process that has the segment mapped can compute the progress, without a lock or a request: a
 * fork child as well as the creator. The numbers are read one after the other while others write
 * them. So they are reconciled here: completed, running and queued always add up to exactly what
 * was submitted. Only the end of a map moves many at a time, from its own counts to those of the
 * pool: a read that coincides with it is repeated.
 */
#include <errno.h>

#include "base/base_internal.h"
#include "pool/pool_internal.h"

#define NS_PER_MS 1000000
#define INTERVAL_MS 200
#define MAP_MAX (UINT64_MAX / 8192) /* more is nonsense; so few that they never sum up to 2^64 */
#define TRIES_MAX 1000 /* looks, for one between two turns; its creator may have died in one */

static uint64_t load(const _Atomic uint64_t *n)
{
	/* Acquire: in the order of the program, so that what was submitted is read last. */
	return atomic_load_explicit(n, memory_order_acquire);
}

static void read_counts(const struct ipk__pool_counts *counts, ipk_progress *p)
{
	p->n_done = load(&counts->n_done);
	p->n_failed = load(&counts->n_failed);
	p->n_task_errors = load(&counts->n_task_errors);
	p->n_died = load(&counts->n_died);
	p->n_timeouts = load(&counts->n_timeouts);
	p->n_quarantined = load(&counts->n_quarantined);
	p->n_too_large = load(&counts->n_too_large);
	p->n_cancelled = load(&counts->n_cancelled);
	p->n_retried = load(&counts->n_retried);
	p->n_workers = atomic_load_explicit(&counts->n_workers, memory_order_relaxed);
	p->n_replaced = atomic_load_explicit(&counts->n_replaced, memory_order_relaxed);
}

/*
 * Items of a map that a worker has completed but not added yet; false: it is adding them right now.
 */
static bool count_unsaid(const struct ipk__shm_pool *shared, uint32_t map, uint64_t *ret_n)
{
	*ret_n = 0;
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		const struct ipk__pool_worker *record = &shared->workers[i];
		uint64_t n = load(&record->n_unsaid);

		if (atomic_load_explicit(&record->map, memory_order_relaxed) != map + 1)
			continue;
		if (n & IPK__UNSAID_MOVES)
			return false;
		*ret_n += IPK__MIN(n, MAP_MAX);
	}
	return true;
}

/* Items of running maps: the creator counts them when their map completes. Whether it is exact. */
static bool add_maps(const struct ipk__shm_pool *shared, const struct ipk__shm_map *maps,
		     ipk_progress *p)
{
	bool is_exact = true;

	for (unsigned i = 0; i < IPK__POOL_MAPS; i++) {
		uint64_t n_said, n_unsaid, n_over, n_failed;

		/* First: what a record has that is not open is of a map that is over. */
		if (!atomic_load_explicit(&maps[i].is_open, memory_order_acquire))
			continue;
		n_said = load(&maps[i].n_done);
		is_exact &= count_unsaid(shared, i, &n_unsaid);
		is_exact &= load(&maps[i].n_done) == n_said;
		n_over = IPK__MIN(n_said, MAP_MAX) + IPK__MIN(n_unsaid, MAP_MAX);
		n_failed = IPK__MIN(load(&maps[i].n_failed), n_over);
		p->n_done += n_over - n_failed;
		p->n_failed += n_failed;
		p->n_task_errors += n_failed;
	}
	return is_exact;
}

static void read_what_is_over(const struct ipk__shm_pool *shared, const struct ipk__shm_map *maps,
			      ipk_progress *p)
{
	const struct ipk__pool_counts *counts = &shared->counts;

	for (int n = 0; n < TRIES_MAX; n++) {
		uint32_t seq = atomic_load_explicit(&counts->seq, memory_order_acquire);
		bool is_exact;

		*p = (ipk_progress){0};
		read_counts(counts, p);
		is_exact = add_maps(shared, maps, p);
		/* Pairs with the fences of ipk__counts_seq_advance(). */
		atomic_thread_fence(memory_order_seq_cst);
		if (is_exact && seq % 2 == 0 &&
		    seq == atomic_load_explicit(&counts->seq, memory_order_relaxed))
			break;
		ipk__os_pause();
	}
}

static uint64_t count_busy(const struct ipk__shm_pool *shared)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		n += ipk__worker_is_at_work(&shared->workers[i]);
	return n;
}

/* At most as much as there is left, which becomes less by it. */
static void take(uint64_t *n, uint64_t *left)
{
	*n = IPK__MIN(*n, *left);
	*left -= *n;
}

void ipk__progress_read(const struct ipk__shm_pool *shared, const struct ipk__shm_map *maps,
			ipk_progress *ret_progress)
{
	ipk_progress p;
	uint64_t left;

	read_what_is_over(shared, maps, &p);
	p.n_running = count_busy(shared);
	p.n_submitted = load(&shared->counts.n_submitted);
	left = p.n_submitted;
	take(&p.n_failed, &left);
	take(&p.n_cancelled, &left);
	take(&p.n_done, &left);
	take(&p.n_running, &left);
	p.n_queued = left;
	p.since_boot_ns = shared->header.created_boot_ns;
	p.now_boot_ns = ipk__os_boot_ns();
	*ret_progress = p;
}

int ipk_pool_progress(const ipk_pool *pool, ipk_progress *ret_progress)
{
	if (!pool || !pool->shared)
		return -EBADF;
	if (!ret_progress)
		return ipk__invalid("ret_progress is NULL");
	ipk__progress_read(pool->shared, pool->maps, ret_progress);
	return 0;
}

/* --- on_progress ------------------------------------------------------------------------------ */

static int64_t interval_ns(const ipk_pool *pool)
{
	unsigned ms = pool->opts.progress_interval_ms;

	return (int64_t)(ms > 0 ? ms : INTERVAL_MS) * NS_PER_MS;
}

/*
 * Looked at also while there is nothing to do: no notification is needed when work comes, and work
 * that comes and goes between two looks is seen by what is over after it.
 */
int64_t ipk__progress_tick(ipk_pool *pool, int64_t now_ns)
{
	struct ipk__progress_clock *clock = &pool->progress_clock;
	uint64_t n_over;
	ipk_progress p;
	bool is_working, is_news;

	if (!pool->opts.on_progress || clock->due_ns == INT64_MAX)
		return INT64_MAX;
	if (now_ns < clock->due_ns)
		return clock->due_ns;
	if (ipk_pool_progress(pool, &p) < 0)
		return INT64_MAX;
	n_over = p.n_done + p.n_failed + p.n_cancelled;
	is_working = n_over < p.n_submitted;
	is_news = is_working || clock->was_working || n_over != clock->n_over;
	/* Before the call: it may end this thread. */
	clock->was_working = is_working;
	clock->n_over = n_over;
	clock->due_ns = now_ns == INT64_MAX ? now_ns : now_ns + interval_ns(pool);
	if (is_news) {
		/* What it does is not known, so it is no quiet thread meanwhile. */
		ipk__os_thread_loud();
		pool->opts.on_progress(&p, pool->opts.on_progress_arg);
		ipk__os_thread_return(pool->creator_pid);
	}
	return clock->due_ns;
}
