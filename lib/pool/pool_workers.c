/*
 * pool_workers.c - the workers of a pool: started, monitored, replaced and terminated.
 *
 * Invariant: the previous worker of a record is known to be dead, and what it left has been
 * recovered, before another is started there. So a slot or chunk that says "worker 3" belongs to
 * the current worker of record 3.
 *
 * A failed start (an initializer that fails, no process available) is an error only for callers
 * that create or resize the pool. Later it delays the next attempt, with a backoff up to
 * DELAY_MAX_NS, and the tasks wait for the remaining workers.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "ipk/process.h"
#include "pool/worker_handle.h"

#define DELAY_MIN_NS 10000000LL
#define DELAY_MAX_NS 5000000000LL
#define LOOK_NS 20000000 /* between two checks of workers without an fd */
#define SPAWN_MS 2000    /* a zygote that was stopped holds the pool up no longer than this */

static struct ipk__pool_worker *record_of(ipk_pool *pool, unsigned worker)
{
	return &pool->shared->workers[worker];
}

static uint32_t state_of(ipk_pool *pool, unsigned worker)
{
	/* Pairs with the worker's release store. */
	return atomic_load_explicit(&record_of(pool, worker)->state, memory_order_acquire);
}

unsigned ipk__workers_n_alive(const ipk_pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		n += pool->handles[i].is_there || pool->handles[i].is_starting;
	return n;
}

/* --- orders ----------------------------------------------------------------------------------- */

static void give_order(ipk_pool *pool, unsigned worker, uint32_t order)
{
	/* Pairs with the worker's acquire load: it sees all that was published before. */
	atomic_store_explicit(&record_of(pool, worker)->order, order, memory_order_release);
}

void ipk__workers_order(ipk_pool *pool, uint32_t order)
{
	if (order == IPK__ORDER_DRAIN && ipk__pool_has_work(pool))
		return;
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->handles[i].is_there || pool->handles[i].is_starting)
			give_order(pool, i, order);
	}
	ipk__parking_wake_all(&pool->shared->work);
}

void ipk__workers_kill(ipk_pool *pool, unsigned worker)
{
	struct ipk__worker_handle *m = &pool->handles[worker];

	if ((m->is_there || m->is_starting) && pool->opts.kind != IPK_POOL_THREADS)
		ipk__worker_handle_kill(pool, worker);
}

void ipk__workers_kill_all(ipk_pool *pool)
{
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		ipk__workers_kill(pool, i);
}

/* --- the first ones --------------------------------------------------------------------------- */

static int open_zygote(ipk_pool *pool)
{
	bool is_now;
	int r = ipk__zygote_open(pool->label, pool->opts.start_method, &pool->zygote, &is_now);

	pool->zygote_is_of_process = r == 0 && !is_now;
	if (r == 0 && !is_now && pool->opts.initializer_arg)
		r = -EDEADLK;
	return r;
}

/* Why a worker ended before it was ready: its initializer, or what it lacked to come so far. */
static int why_not_ready(ipk_pool *pool, unsigned worker)
{
	struct ipk__death death;

	if (pool->opts.kind == IPK_POOL_THREADS || state_of(pool, worker) == IPK__WORKER_FAILED ||
	    atomic_load(&record_of(pool, worker)->owner) != 0)
		return -EREMOTEIO;
	ipk__worker_handle_read_end(pool, worker, &death);
	ipk__worker_handle_clear(pool, worker); /* the status comes once */
	if (!death.is_known || death.status.exit_code <= 0 || death.status.exit_code == 255)
		return -EREMOTEIO;
	return -death.status.exit_code;
}

/* 1 all of them are ready, 0 not yet; otherwise one never will be: -EREMOTEIO, -ENOMEM, ... */
static int are_ready(ipk_pool *pool, unsigned n_workers, const struct pollfd *ends)
{
	int ready = 1;

	for (unsigned i = 0; i < n_workers; i++) {
		bool has_ended = ends[i].revents != 0;
		uint32_t state = state_of(pool, i);

		pool->handles[i].is_ready = state >= IPK__WORKER_IDLE;
		ipk__worker_clock_note(pool, i);
		if (state == IPK__WORKER_FAILED || (has_ended && state == IPK__WORKER_STARTING))
			return why_not_ready(pool, i);
		if (state == IPK__WORKER_STARTING)
			ready = 0;
	}
	return ready;
}

static int wait_ready(ipk_pool *pool, unsigned n_workers, ipk_deadline deadline)
{
	struct pollfd fds[IPK_POOL_WORKERS_MAX + 1];
	int ready, r = 0;

	for (unsigned i = 0; i < n_workers; i++)
		fds[i] = (struct pollfd){.fd = pool->handles[i].child.pidfd, .events = POLLIN};
	fds[n_workers] = (struct pollfd){.fd = pool->doorbell_fd, .events = POLLIN};
	while ((ready = are_ready(pool, n_workers, fds)) == 0 && r == 0) {
		r = ipk__os_poll(fds, n_workers + 1, deadline);
		ipk__os_doorbell_drain(pool->doorbell_fd);
	}
	return ready < 0 ? ready : r;
}

int ipk__workers_start(ipk_pool *pool, unsigned n_workers, ipk_deadline deadline)
{
	int r = 0;

	pthread_mutex_init(&pool->resizing, NULL);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		ipk__worker_handle_init(&pool->handles[i]);
	pool->knows_oom_kills = ipk__os_oom_kills(&pool->n_oom_kills) == 0;
	if (pool->opts.kind == IPK_POOL_PROCESSES)
		r = open_zygote(pool);
	for (unsigned i = 0; r == 0 && i < n_workers; i++) {
		r = ipk__worker_handle_start(pool, i, false, deadline);
		pool->handles[i].is_wanted = r == 0;
	}
	if (r == 0)
		r = wait_ready(pool, n_workers, deadline);
	if (r < 0) {
		ipk__workers_end(pool);
		return r == -EPIPE ? -EAGAIN : r;
	}
	pool->n_workers = n_workers;
	return 0;
}

/* --- deaths and replacements ------------------------------------------------------------------ */

static void back_off(struct ipk__backoff *b)
{
	unsigned n = IPK__MIN(b->n_failed, 16u);

	b->n_failed++;
	b->not_before_ns = ipk__os_now_ns() + IPK__MIN(DELAY_MIN_NS << n, DELAY_MAX_NS);
}

void ipk__workers_on_fd(ipk_pool *pool, unsigned worker)
{
	struct ipk__worker_handle *m = &pool->handles[worker];
	struct ipk__death death;
	uint32_t state;

	if (!m->is_there)
		return;
	/* The zygote reports its status, asynchronously: meanwhile everything continues. */
	ipk__parking_wake_all(&pool->shared->work);
	ipk__pool_unlock(pool);
	ipk__worker_handle_read_end(pool, worker, &death);
	ipk__pool_lock(pool);
	state = state_of(pool, worker);
	ipk__tasks_collect(pool);
	ipk__tasks_orphaned(pool, &death);
	ipk__maps_orphaned(pool, &death);
	ipk__worker_handle_clear(pool, worker);
	/* It may have been woken for something that it did not take. */
	ipk__parking_wake_all(&pool->shared->work);
	m->has_died = state == IPK__WORKER_IDLE || state == IPK__WORKER_BUSY;
	if (state == IPK__WORKER_STARTING || state == IPK__WORKER_FAILED)
		back_off(&m->start);
}

static void count_replaced(ipk_pool *pool, struct ipk__worker_handle *m)
{
	if (m->has_died)
		atomic_fetch_add_explicit(&pool->shared->counts.n_replaced, 1,
					  memory_order_relaxed);
	m->has_died = false;
}

/* One that is there: has it got through its initializer? */
static void note_ready(ipk_pool *pool, unsigned worker)
{
	struct ipk__worker_handle *m = &pool->handles[worker];

	ipk__worker_clock_note(pool, worker);
	if (m->is_ready || state_of(pool, worker) < IPK__WORKER_IDLE)
		return;
	m->is_ready = true;
	m->start.n_failed = 0;
}

/* One that is missing. When to try again, INT64_MAX never. */
static int64_t replace(ipk_pool *pool, unsigned worker, int64_t now_ns)
{
	struct ipk__worker_handle *m = &pool->handles[worker];
	int r;

	if (m->start.not_before_ns > now_ns)
		return m->start.not_before_ns;
	r = ipk__worker_handle_start(pool, worker, true, ipk_in_ms(SPAWN_MS));
	pool->is_barren = r == -EPIPE;
	if (r < 0) {
		back_off(&m->start);
		return m->start.not_before_ns;
	}
	count_replaced(pool, m);
	ipk__maps_greet(pool, worker);
	if (pool->phase == IPK__POOL_RUNS)
		return INT64_MAX;
	/* Shut down meanwhile: it may have missed what was done to the others. */
	if (!ipk__pool_wants_workers(pool))
		ipk__workers_kill(pool, worker);
	return now_ns;
}

/*
 * Zygote and standby are dead: another of the process-wide one's, if that is where they came
 * from (only then it has the same memory as they had). -EPIPE, -ENODEV there never will be one;
 * otherwise the process lacks something, and it is tried again.
 */
static int renew_zygote(ipk_pool *pool)
{
	struct ipk__zygote *lost = NULL, *z;
	int r;

	if (!pool->zygote_is_of_process)
		return -ENODEV;
	ipk__pool_unlock(pool);
	/* Who resizes may be at it, without the mutex. */
	pthread_mutex_lock(&pool->resizing);
	r = ipk__zygote_open_by_process(pool->label, &z);
	ipk__pool_lock(pool);
	if (r == 0) {
		lost = pool->zygote;
		pool->zygote = z;
		pool->is_barren = false;
		pool->zygote_renewal.n_failed = 0;
	}
	pthread_mutex_unlock(&pool->resizing);
	(void)ipk__zygote_close(lost);
	return r;
}

/* No worker is left, and none can be started. */
static void give_up(ipk_pool *pool)
{
	const char *why = "the pool's workers are dead, and so is what could start others";

	pool->phase = IPK__POOL_TERMINATED;
	ipk__tasks_fail_all(pool, why);
	ipk__maps_fail_all(pool, why);
}

/* Nothing is there that starts workers. When to try again, INT64_MAX never. */
static int64_t overcome_loss(ipk_pool *pool, int64_t now_ns)
{
	int r;

	if (pool->zygote_renewal.not_before_ns > now_ns)
		return pool->zygote_renewal.not_before_ns;
	r = renew_zygote(pool);
	if (r == 0)
		return now_ns;
	if (r != -EPIPE && r != -ENODEV) {
		back_off(&pool->zygote_renewal);
		return pool->zygote_renewal.not_before_ns;
	}
	if (ipk__pool_wants_workers(pool) && ipk__workers_n_alive(pool) == 0)
		give_up(pool);
	return INT64_MAX;
}

static bool is_missing(const ipk_pool *pool, unsigned worker)
{
	const struct ipk__worker_handle *m = &pool->handles[worker];

	return m->is_wanted && !m->is_there && !m->is_starting && !pool->is_barren &&
	       ipk__pool_wants_workers(pool);
}

int64_t ipk__workers_maintain(ipk_pool *pool, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;

	if (pool->phase == IPK__POOL_DRAINS)
		ipk__workers_order(pool, IPK__ORDER_DRAIN);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->handles[i].is_there) {
			note_ready(pool, i);
		} else if (is_missing(pool, i)) {
			int64_t again_ns = replace(pool, i, now_ns);

			next_ns = IPK__MIN(next_ns, again_ns);
		}
	}
	if (pool->is_barren && ipk__pool_wants_workers(pool))
		next_ns = ipk__sooner_ns(next_ns, overcome_loss(pool, now_ns));
	return next_ns;
}

/* --- lost fds --------------------------------------------------------------------------------- */

static bool call_fd_is_ours(const ipk_pool *pool)
{
	struct ipk__os_stat st;
	int r = ipk__os_doorbell_check(pool->call_fd); /* asking a socket never waits */

	if (r == 0)
		r = ipk__os_stat(pool->call_fd, &st);
	return r == 0 ? st.inode == pool->call_inode : r != -EPROTO && r != -EBADF;
}

bool ipk__workers_have_lost_fds(ipk_pool *pool)
{
	if (pool->call_fd < 0)
		return true;
	if (call_fd_is_ours(pool))
		return false;
	ipk__os_fds_change();
	pool->call_fd = pool->doorbell_fd = pool->segment.fd = pool->heap.fd = -1;
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->handles[i].is_there)
			ipk__worker_handle_forget_fds(&pool->handles[i]);
	}
	ipk__os_fds_changed();
	pool->is_barren = true;
	pool->zygote_is_of_process = false; /* its fds are lost, too */
	return true;
}

void ipk__workers_check_ended(ipk_pool *pool)
{
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->handles[i].is_there && ipk__worker_handle_has_ended(pool, i))
			ipk__workers_on_fd(pool, i);
	}
}

/* --- more and fewer --------------------------------------------------------------------------- */

static void retire(ipk_pool *pool, unsigned worker)
{
	pool->handles[worker].is_wanted = false;
	give_order(pool, worker, IPK__ORDER_RETIRE);
}

/* It may have been retired and not have exited yet: then it continues, or is replaced. */
static int engage(ipk_pool *pool, unsigned worker)
{
	int r = 0;

	if (pool->handles[worker].is_there || pool->handles[worker].is_starting) {
		give_order(pool, worker, IPK__ORDER_WORK);
	} else {
		r = ipk__worker_handle_start(pool, worker, true, ipk_in_ms(SPAWN_MS));
		if (r == 0)
			ipk__maps_greet(pool, worker);
	}
	pool->handles[worker].is_wanted = r == 0;
	return r;
}

static int resize(ipk_pool *pool, unsigned n_workers)
{
	unsigned n = pool->n_workers;
	int r = 0;

	while (n < n_workers && r == 0) {
		r = engage(pool, n);
		n += r == 0;
		if (r == 0 && pool->phase != IPK__POOL_RUNS)
			r = -ESHUTDOWN; /* meanwhile */
	}
	if (r < 0)
		n_workers = pool->n_workers;
	while (n > n_workers)
		retire(pool, --n);
	pool->n_workers = n_workers;
	ipk__parking_wake_all(&pool->shared->work);
	return r == -EPIPE ? -EAGAIN : r;
}

int ipk_pool_resize(ipk_pool *pool, unsigned n_workers)
{
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	if (n_workers > IPK_POOL_WORKERS_MAX)
		return ipk__invalid("n_workers: 0 to IPK_POOL_WORKERS_MAX");
	if (n_workers == 0)
		n_workers = IPK__MIN(ipk_cpu_count(), (unsigned)IPK_POOL_WORKERS_MAX);
	/* One at a time: the pool's mutex is released while a worker is started. */
	pthread_mutex_lock(&pool->resizing);
	ipk__pool_lock(pool);
	r = pool->phase == IPK__POOL_RUNS ? resize(pool, n_workers) : -ESHUTDOWN;
	ipk__supervisor_call(pool);
	ipk__pool_unlock(pool);
	pthread_mutex_unlock(&pool->resizing);
	return r;
}

/* --- looking ---------------------------------------------------------------------------------- */

static ipk_worker_state public_state(const struct ipk__pool_worker *record)
{
	switch (atomic_load_explicit(&record->state, memory_order_acquire)) {
	case IPK__WORKER_IDLE:
		return IPK_WORKER_IDLE;
	case IPK__WORKER_BUSY:
		return ipk__worker_is_at_work(record) ? IPK_WORKER_BUSY : IPK_WORKER_IDLE;
	case IPK__WORKER_RETIRED:
		return IPK_WORKER_ENDING;
	default:
		return IPK_WORKER_STARTING;
	}
}

static ipk_worker_info look_at(ipk_pool *pool, unsigned worker)
{
	const struct ipk__pool_worker *record = record_of(pool, worker);
	int64_t since_ns = ipk__worker_clock_since_ns(pool, worker);

	return (ipk_worker_info){
		.number = worker,
		.pid = pool->opts.kind == IPK_POOL_THREADS ? 0 : pool->handles[worker].child.pid,
		.state = public_state(record),
		.since_ns = IPK__MAX(ipk__os_now_ns() - since_ns, (int64_t)0),
		.n_done = atomic_load_explicit(&record->n_done, memory_order_relaxed),
	};
}

int ipk_pool_workers(ipk_pool *pool, ipk_worker_info *ret_workers, size_t max, size_t *ret_n)
{
	int r = ipk__pool_check(pool);
	size_t n = 0;

	if (r < 0)
		return r;
	if (!ret_n || (max > 0 && !ret_workers))
		return ipk__invalid("ret_n, or ret_workers with max over 0, is NULL");
	ipk__pool_lock(pool);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (!pool->handles[i].is_there)
			continue;
		if (n < max)
			ret_workers[n] = look_at(pool, i);
		n++;
	}
	ipk__pool_unlock(pool);
	*ret_n = n;
	return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void await_end(ipk_pool *pool, unsigned worker)
{
	int pidfd = pool->handles[worker].child.pidfd;

	if (pidfd >= 0)
		(void)ipk__os_poll1(pidfd, IPK__OS_IN, ipk_forever(), NULL);
	while (pidfd < 0 && !ipk__worker_handle_has_ended(pool, worker))
		ipk__os_nap(LOOK_NS);
}

void ipk__workers_end(ipk_pool *pool)
{
	bool has_fds = !ipk__workers_have_lost_fds(pool);

	if (!has_fds)
		pool->epoll_fd = -1;
	ipk__workers_order(pool, IPK__ORDER_RETIRE);
	ipk__workers_kill_all(pool);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		struct ipk__death death;

		if (!pool->handles[i].is_there)
			continue;
		await_end(pool, i);
		ipk__worker_handle_read_end(pool, i, &death);
		ipk__worker_handle_clear(pool, i);
	}
	pool->zygote =
		has_fds ? ipk__zygote_close(pool->zygote) : ipk__zygote_abandon(pool->zygote);
}
