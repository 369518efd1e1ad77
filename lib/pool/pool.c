/*
 * pool.c - a pool is created, shut down and destroyed.
 *
 * Created in this order, and destroyed in reverse: the private bookkeeping; the segment and the
 * fds; the workers (a zygote first, by a fork, so before the pool's own thread exists); that
 * thread. The struct outlives the handle as long as there are futures: they keep their results and
 * need its mutex, but nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/uncancelled.h"
#include "pool/pool_internal.h"
#include "shared/owner.h"

#define KICK_NS 50000 /* between two calls of those who still wait in a pool that goes */

int ipk__pool_check(const ipk_pool *pool)
{
	if (!pool)
		return -EBADF;
	return pool->creator_pid == ipk__os_pid() ? 0 : -EPERM;
}

/* --- what may be asked for -------------------------------------------------------------------- */

static int check_opts(const ipk_pool_opts *opts, ipk_pool_opts *ret_opts)
{
	ipk_pool_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	if (!o.label)
		o.label = "pool";
	if (o.n_workers == 0)
		o.n_workers = IPK__MIN(ipk_cpu_count(), (unsigned)IPK_POOL_WORKERS_MAX);
	IPK__REQUIRE((unsigned)o.kind <= IPK_POOL_THREADS, "IPK_POOL(.kind): an ipk_pool_kind");
	IPK__REQUIRE(o.n_workers <= IPK_POOL_WORKERS_MAX,
		     "IPK_POOL(.n_workers): 0 to IPK_POOL_WORKERS_MAX");
	IPK__REQUIRE(ipk__name_check(o.label) == 0, "IPK_POOL(.label): " IPK__NAME_RULE);
	IPK__REQUIRE(o.timeout_ns >= 0, "IPK_POOL(.timeout_ns): 0 or more");
	IPK__REQUIRE((unsigned)o.start_method < IPK_START_EXEC,
		     "IPK_POOL(.start_method): IPK_START_DEFAULT, IPK_START_FORK or "
		     "IPK_START_ZYGOTE");
	IPK__REQUIRE(o.kind == IPK_POOL_PROCESSES || o.start_method == IPK_START_DEFAULT,
		     "IPK_POOL(.start_method): not with IPK_POOL_THREADS");
	IPK__REQUIRE(o.start_method != IPK_START_ZYGOTE || !o.initializer_arg,
		     "IPK_POOL(.initializer_arg): must be NULL with IPK_START_ZYGOTE");
	IPK__REQUIRE(o.kind == IPK_POOL_PROCESSES || o.worker_memory_bytes == 0,
		     "IPK_POOL(.worker_memory_bytes): not with IPK_POOL_THREADS");
	*ret_opts = o;
	return 0;
}

/* --- the segment ------------------------------------------------------------------------------ */

struct places {
	uint64_t slots, cells, maps, heap;
};

static struct places lay_out(void)
{
	struct places at;

	at.slots = ipk__round_up(sizeof(struct ipk__shm_pool), IPK__CACHE_LINE);
	at.cells = at.slots + IPK__POOL_SLOTS * sizeof(struct ipk__pool_slot);
	at.maps = at.cells + IPK__POOL_SLOTS * sizeof(uint64_t);
	at.heap = ipk__round_up(at.maps + IPK__POOL_MAPS * sizeof(struct ipk__shm_map),
				ipk__os_page_bytes());
	return at;
}

static void fill(ipk_pool *pool, const struct places *at)
{
	struct ipk__shm_pool *s = pool->shared;
	char *base = (char *)s;

	s->kind = pool->opts.kind;
	s->max_tasks_per_worker = pool->opts.max_tasks_per_worker;
	s->slots_offset = at->slots;
	s->cells_offset = at->cells;
	s->maps_offset = at->maps;
	s->heap_offset = at->heap;
	s->creator = ipk__owner_of(ipk__os_pid());
	pool->slots = (struct ipk__pool_slot *)(base + at->slots);
	pool->cells = (_Atomic uint64_t *)(base + at->cells);
	pool->maps = (struct ipk__shm_map *)(base + at->maps);
}

static int make_segment(ipk_pool *pool)
{
	struct places at = lay_out();
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_POOL,
		.flags = pool->opts.kind,
		.label = pool->label,
		.fixed_bytes = at.heap + IPK__POOL_HEAP_BYTES,
		.least_bytes = at.heap + IPK__POOL_HEAP_MIN,
	};
	int r = ipk__segment_create_sparse(&plan, at.heap, &pool->segment);

	if (r < 0)
		return r;
	pool->shared = (struct ipk__shm_pool *)pool->segment.header;
	fill(pool, &at);
	ipk__pool_heap_init(&pool->heap, pool->segment.fd, pool->shared, at.heap,
			    pool->segment.mapped_bytes);
	return ipk__segment_publish(&pool->segment, NULL);
}

static int make_fds(ipk_pool *pool)
{
	struct ipk__os_stat call = {0};
	int r = ipk__os_epoll(&pool->epoll_fd);

	if (r == 0)
		r = ipk__os_doorbell_open(&pool->call_fd);
	if (r == 0)
		r = ipk__os_stat(pool->call_fd, &call);
	if (r == 0)
		r = ipk__os_doorbell_open(&pool->doorbell_fd);
	pool->call_inode = call.inode;
	return r;
}

/* --- the state -------------------------------------------------------------------------------- */

static int init_locks(ipk_pool *pool)
{
	pthread_mutexattr_t mutex_kind;
	pthread_condattr_t clock;

	/* Held for less time than a sleep and a wake take: spin first. */
	pthread_mutexattr_init(&mutex_kind);
	pthread_mutexattr_settype(&mutex_kind, IPK__OS_MUTEX_LOOKS);
	pthread_mutex_init(&pool->mutex, &mutex_kind);
	pthread_mutexattr_destroy(&mutex_kind);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->changed, &clock);
	pthread_condattr_destroy(&clock);
	return 0;
}

static ipk_pool *new_pool(const ipk_pool_opts *opts)
{
	ipk_pool *pool = ipk__os_calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->opts = *opts;
	strcpy(pool->label, opts->label);
	pool->opts.label = pool->label;
	pool->creator_pid = ipk__os_pid();
	pool->segment.fd = pool->epoll_fd = pool->call_fd = pool->doorbell_fd = -1;
	pool->called_end = &pool->called;
	atomic_store(&pool->n_refs, 1);
	ipk__spin_policy_init(&pool->spin);
	init_locks(pool);
	return pool;
}

void ipk__pool_unref(ipk_pool *pool)
{
	if (atomic_load_explicit(&pool->n_refs, memory_order_acquire) != 1 &&
	    atomic_fetch_sub_explicit(&pool->n_refs, 1, memory_order_acq_rel) != 1)
		return;
	ipk__futures_end(pool);
	if (pool->creator_pid == ipk__os_pid()) {
		pthread_cond_destroy(&pool->changed);
		pthread_mutex_destroy(&pool->mutex);
	}
	free(pool);
}

void ipk__pool_drop(ipk_pool *pool)
{
	ipk__maps_end(pool);
	if (pool->slots)
		ipk__tasks_end(pool);
	ipk__quarantine_end(pool);
	ipk__pool_heap_close(&pool->heap);
	if (pool->shared)
		ipk__segment_detach(&pool->segment);
	ipk__os_close(pool->epoll_fd);
	ipk__os_close(pool->call_fd);
	ipk__os_close(pool->doorbell_fd);
	ipk__pool_unref(pool);
}

/* --- create ----------------------------------------------------------------------------------- */

/* All but the workers and the thread. */
static int build(ipk_pool *pool)
{
	int r = make_segment(pool);

	if (r == 0)
		r = make_fds(pool);
	if (r == 0)
		r = ipk__tasks_init(pool);
	if (r == 0)
		r = ipk__maps_init(pool);
	if (r == 0)
		r = ipk__quarantine_init(pool);
	return r;
}

int ipk__pool_build(const ipk_pool_opts *opts, ipk_pool **ret_pool)
{
	ipk_pool_opts o;
	ipk_pool *pool;
	int r = ret_pool ? check_opts(opts, &o) : ipk__invalid("ret_pool is NULL");

	if (r < 0)
		return r;
	pool = new_pool(&o);
	if (!pool)
		return -ENOMEM;
	ipk__os_fence_start();
	r = build(pool);
	if (r < 0)
		ipk__pool_drop(pool);
	else
		*ret_pool = pool;
	return r;
}

static int staff(ipk_pool *pool)
{
	int64_t timeout_ns = pool->opts.timeout_ns;
	int r = ipk__workers_start(pool, pool->opts.n_workers,
				   timeout_ns ? ipk_in_ns(timeout_ns) : ipk_forever());

	if (r < 0)
		return r;
	r = ipk__supervisor_start(pool);
	if (r < 0)
		ipk__workers_end(pool);
	return r;
}

int ipk_pool_create(const ipk_pool_opts *opts, ipk_pool **ret_pool)
{
	ipk_pool *pool;
	int r = ret_pool ? ipk__pool_build(opts, &pool) : ipk__invalid("ret_pool is NULL");

	if (r < 0)
		return r;
	r = staff(pool);
	if (r < 0)
		ipk__pool_drop(pool);
	else
		*ret_pool = pool;
	return r;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void terminate(ipk_pool *pool)
{
	if (pool->phase >= IPK__POOL_TERMINATED)
		return;
	(void)ipk__workers_have_lost_fds(pool); /* before one is used to kill */
	pool->phase = IPK__POOL_TERMINATED;
	ipk__tasks_collect(pool);
	ipk__maps_collect(pool);
	ipk__tasks_cancel_all(pool);
	ipk__maps_cancel_all(pool, true);
	/* Processes exit at once, threads after their current task. */
	ipk__workers_order(pool, IPK__ORDER_RETIRE);
	ipk__workers_kill_all(pool);
	ipk__supervisor_call(pool);
}

int ipk_pool_terminate(ipk_pool *pool)
{
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	ipk__pool_lock(pool);
	terminate(pool);
	ipk__pool_unlock(pool);
	return 0;
}

int ipk_pool_shutdown(ipk_pool *pool, ipk_shutdown mode)
{
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	if (mode != IPK_DRAIN && mode != IPK_DISCARD)
		return ipk__invalid("mode: IPK_DRAIN or IPK_DISCARD");
	ipk__pool_lock(pool);
	if (pool->phase == IPK__POOL_RUNS)
		pool->phase = IPK__POOL_DRAINS;
	if (pool->phase == IPK__POOL_DRAINS && mode == IPK_DISCARD) {
		ipk__tasks_cancel_queued(pool);
		ipk__maps_cancel_all(pool, false);
	}
	(void)ipk__workers_have_lost_fds(pool);
	ipk__supervisor_call(pool);
	ipk__pool_unlock(pool);
	return 0;
}

/* With the mutex. */
static int wait_change(ipk_pool *pool, ipk_deadline deadline)
{
	IPK__UNCANCELLED(); /* the mutex would stay locked */
	struct timespec at = {.tv_sec = deadline.at_ns / 1000000000,
			      .tv_nsec = deadline.at_ns % 1000000000};

	if (deadline.at_ns == INT64_MAX)
		return -pthread_cond_wait(&pool->changed, &pool->mutex);
	return -pthread_cond_timedwait(&pool->changed, &pool->mutex, &at);
}

static int wait_ended(ipk_pool *pool, ipk_deadline deadline)
{
	int r = 0;

	while (r == 0 && (pool->phase != IPK__POOL_ENDED || pool->called || pool->is_calling))
		r = wait_change(pool, deadline);
	return r;
}

int ipk_pool_join(ipk_pool *pool, ipk_deadline deadline)
{
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	if (ipk__supervisor_is_me(pool))
		return -EDEADLK;
	ipk__pool_lock(pool);
	r = pool->phase == IPK__POOL_RUNS ? -EBUSY : wait_ended(pool, deadline);
	ipk__pool_unlock(pool);
	return r;
}

/* Their futures are over, so they go; but they still sleep in what is about to be unmapped. */
static void send_away(ipk_pool *pool)
{
	ipk__pool_lock(pool);
	pool->is_closed = true;
	while (pool->n_waiting > 0) {
		ipk__wait_queue_wake(&pool->shared->finished, &pool->shared->waiters,
				     IPK__WAITERS_MAX);
		ipk__pool_unlock(pool);
		ipk__os_nap(KICK_NS);
		ipk__pool_lock(pool);
	}
	ipk__pool_unlock(pool);
}

/*
 * In a fork child: none of the workers are this process's, and the locks may be held permanently.
 * The numbers of their files may be wrong, if the supervisor was changing them: those files are
 * then left open.
 */
static void forget(ipk_pool *pool)
{
	unsigned n = ipk__os_fds_came_along() ? IPK_POOL_WORKERS_MAX : 0;

	for (unsigned i = 0; i < n; i++) {
		struct ipk__worker_handle *m = &pool->handles[i];

		if (m->is_there && pool->opts.kind == IPK_POOL_PROCESSES) {
			ipk__zygote_child_close(&m->child);
			ipk__os_close(m->control_fd);
			ipk__os_close(m->spill_fd);
		} else if (m->is_there) {
			ipk__os_close(m->child.pidfd);
		}
	}
	ipk__zygote_close(pool->zygote);
	ipk__segment_detach(&pool->segment);
	ipk__os_close(pool->epoll_fd);
	ipk__os_close(pool->call_fd);
	ipk__os_close(pool->doorbell_fd);
	pool->is_closed = true;
	ipk__pool_unref(pool);
}

void ipk__pool_end(ipk_pool *pool)
{
	send_away(pool);
	ipk__workers_end(pool);
	ipk__pool_drop(pool);
}

ipk_pool *ipk_pool_close(ipk_pool *pool)
{
	if (!pool)
		return NULL;
	if (ipk__pool_check(pool) < 0) {
		forget(pool);
		return NULL;
	}
	ipk__pool_lock(pool);
	terminate(pool);
	if (ipk__supervisor_is_me(pool)) {
		pool->ends_itself = true;
		ipk__pool_unlock(pool);
		return NULL;
	}
	wait_ended(pool, ipk_forever());
	ipk__pool_unlock(pool);
	ipk__supervisor_stop(pool);
	ipk__pool_end(pool);
	return NULL;
}
