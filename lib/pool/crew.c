/*
 * crew.c - the workers of a pool: all of them started, watched, replaced and sent home.
 *
 * Invariant: whoever was in a place is known to be dead, and what it left has been seen to,
 * before another is started there. So a slot or chunk that says "worker 3" is of the worker
 * that is in place 3 now.
 *
 * What is wrong with starting (an initializer that fails, no process to be had) is an error
 * only for those who create or resize the pool. Later it delays the next try, ever longer up
 * to DELAY_MAX_NS, and the tasks wait for the workers that are left.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "ipk/process.h"
#include "pool/crew_internal.h"

#define DELAY_MIN_NS 10000000LL
#define DELAY_MAX_NS 5000000000LL
#define LOOK_NS 20000000 /* between two looks at who has no fd any more */
#define BEAR_MS 2000     /* a zygote that was stopped holds the pool up no longer than this */

static struct ipk__pool_worker *place_of(ipk_pool *pool, unsigned worker)
{
	return &pool->shared->workers[worker];
}

static uint32_t state_of(ipk_pool *pool, unsigned worker)
{
	/* Pairs with the worker's release store. */
	return atomic_load_explicit(&place_of(pool, worker)->state, memory_order_acquire);
}

unsigned ipk__crew_n_alive(const ipk_pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		n += pool->members[i].is_there || pool->members[i].is_starting;
	return n;
}

/* --- orders --- */

static void give_order(ipk_pool *pool, unsigned worker, uint32_t order)
{
	/* Pairs with the worker's acquire load: it sees all that was published before. */
	atomic_store_explicit(&place_of(pool, worker)->order, order, memory_order_release);
}

void ipk__crew_order(ipk_pool *pool, uint32_t order)
{
	if (order == IPK__ORDER_DRAIN && ipk__pool_has_work(pool))
		return;
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->members[i].is_there || pool->members[i].is_starting)
			give_order(pool, i, order);
	}
	ipk__doze_wake_all(&pool->shared->work);
}

void ipk__crew_kill(ipk_pool *pool, unsigned worker)
{
	struct ipk__member *m = &pool->members[worker];

	if ((!m->is_there && !m->is_starting) || pool->opts.kind == IPK_POOL_THREADS)
		return;
	m->is_killed = true;
	/* One that is being born may be at a task already: it is killed once its pid is known. */
	if (m->is_there && m->born.pidfd >= 0)
		ipk__os_pidfd_signal(m->born.pidfd, SIGKILL);
	else if (m->is_there && !ipk__member_has_ended(pool, worker))
		ipk__os_kill_child(m->born.pid);
}

void ipk__crew_kill_all(ipk_pool *pool)
{
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		ipk__crew_kill(pool, i);
}

/* --- the first ones --- */

static int open_zygote(ipk_pool *pool)
{
	bool is_now;
	int r = ipk__zygote_open(pool->label, &pool->zygote, &is_now);

	pool->zygote_is_of_process = r == 0 && !is_now;
	if (r == 0 && !is_now && pool->opts.initializer_arg)
		r = -EDEADLK;
	return r;
}

/* 1 all of them are ready, 0 not yet, -EREMOTEIO one never will be. */
static int are_ready(ipk_pool *pool, unsigned n_workers, const struct pollfd *ends)
{
	int ready = 1;

	for (unsigned i = 0; i < n_workers; i++) {
		bool has_ended = ends[i].revents != 0;
		uint32_t state = state_of(pool, i);

		pool->members[i].is_ready = state >= IPK__WORKER_IDLE;
		if (state == IPK__WORKER_FAILED || (has_ended && state == IPK__WORKER_STARTING))
			return -EREMOTEIO;
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
		fds[i] = (struct pollfd){.fd = pool->members[i].born.pidfd, .events = POLLIN};
	fds[n_workers] = (struct pollfd){.fd = pool->bell_fd, .events = POLLIN};
	while ((ready = are_ready(pool, n_workers, fds)) == 0 && r == 0) {
		r = ipk__os_poll(fds, n_workers + 1, deadline);
		ipk__os_bell_drain(pool->bell_fd);
	}
	return ready < 0 ? ready : r;
}

int ipk__crew_start(ipk_pool *pool, unsigned n_workers, ipk_deadline deadline)
{
	int r = 0;

	pthread_mutex_init(&pool->resizing, NULL);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		ipk__member_init(&pool->members[i]);
	pool->knows_oom_kills = ipk__os_oom_kills(&pool->n_oom_kills) == 0;
	if (pool->opts.kind == IPK_POOL_PROCESSES)
		r = open_zygote(pool);
	for (unsigned i = 0; r == 0 && i < n_workers; i++) {
		r = ipk__member_start(pool, i, false, deadline);
		pool->members[i].is_wanted = r == 0;
	}
	if (r == 0)
		r = wait_ready(pool, n_workers, deadline);
	if (r < 0) {
		ipk__crew_end(pool);
		return r == -EPIPE ? -EAGAIN : r;
	}
	pool->n_workers = n_workers;
	return 0;
}

/* --- deaths and replacements --- */

static void delay_start(struct ipk__member *m)
{
	unsigned n = IPK__MIN(m->n_failed_starts, 16u);

	m->n_failed_starts++;
	m->not_before_ns = ipk__os_now_ns() + IPK__MIN(DELAY_MIN_NS << n, DELAY_MAX_NS);
}

void ipk__crew_ended(ipk_pool *pool, unsigned worker)
{
	struct ipk__member *m = &pool->members[worker];
	struct ipk__death death;
	uint32_t state;

	if (!m->is_there)
		return;
	/* How it ended is the zygote's to tell, in its own time: meanwhile everything goes on. */
	ipk__doze_wake_all(&pool->shared->work);
	ipk__pool_unlock(pool);
	ipk__member_read_end(pool, worker, &death);
	ipk__pool_lock(pool);
	state = state_of(pool, worker);
	ipk__tasks_collect(pool);
	ipk__tasks_orphaned(pool, &death);
	ipk__maps_orphaned(pool, &death);
	ipk__member_clear(pool, worker);
	/* It may have been woken for something that it did not take. */
	ipk__doze_wake_all(&pool->shared->work);
	m->has_died = state == IPK__WORKER_IDLE || state == IPK__WORKER_BUSY;
	if (state == IPK__WORKER_STARTING || state == IPK__WORKER_FAILED)
		delay_start(m);
}

static void count_replaced(ipk_pool *pool, struct ipk__member *m)
{
	if (m->has_died)
		atomic_fetch_add_explicit(&pool->shared->counts.n_replaced, 1,
					  memory_order_relaxed);
	m->has_died = false;
}

/* One that is there: has it got through its initializer? */
static void note_ready(ipk_pool *pool, unsigned worker)
{
	struct ipk__member *m = &pool->members[worker];

	if (m->is_ready || state_of(pool, worker) < IPK__WORKER_IDLE)
		return;
	m->is_ready = true;
	m->n_failed_starts = 0;
}

/* One that is missing. When to try again, INT64_MAX never. */
static int64_t replace(ipk_pool *pool, unsigned worker, int64_t now_ns)
{
	struct ipk__member *m = &pool->members[worker];
	int r;

	if (m->not_before_ns > now_ns)
		return m->not_before_ns;
	r = ipk__member_start(pool, worker, true, ipk_in_ms(BEAR_MS));
	pool->is_barren = r == -EPIPE;
	if (r < 0) {
		delay_start(m);
		return m->not_before_ns;
	}
	count_replaced(pool, m);
	ipk__maps_greet(pool, worker);
	if (pool->phase == IPK__POOL_RUNS)
		return INT64_MAX;
	/* Shut down meanwhile: it may have missed what was done to the others. */
	if (!ipk__pool_wants_workers(pool))
		ipk__crew_kill(pool, worker);
	return now_ns;
}

/*
 * Zygote and standby are dead: another of the process-wide one's, if that is where they came
 * from (only then it has the same memory as they had).
 */
static bool renew_zygote(ipk_pool *pool)
{
	struct ipk__zygote *lost = NULL, *z;
	int r;

	if (!pool->zygote_is_of_process)
		return false;
	ipk__pool_unlock(pool);
	/* Who resizes may be at it, without the mutex. */
	pthread_mutex_lock(&pool->resizing);
	r = ipk__zygote_open_by_process(pool->label, &z);
	ipk__pool_lock(pool);
	if (r == 0) {
		lost = pool->zygote;
		pool->zygote = z;
		pool->is_barren = false;
	}
	pthread_mutex_unlock(&pool->resizing);
	(void)ipk__zygote_close(lost);
	return r == 0;
}

/* Nobody is left to do anything, and nobody can be made. */
static void give_up(ipk_pool *pool)
{
	const char *why = "the pool's workers are dead, and so is what could start others";

	pool->phase = IPK__POOL_TERMINATED;
	ipk__tasks_fail_all(pool, why);
	ipk__maps_fail_all(pool, why);
}

static bool is_missing(const ipk_pool *pool, unsigned worker)
{
	const struct ipk__member *m = &pool->members[worker];

	return m->is_wanted && !m->is_there && !m->is_starting && !pool->is_barren &&
	       ipk__pool_wants_workers(pool);
}

int64_t ipk__crew_tend(ipk_pool *pool, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;

	if (pool->phase == IPK__POOL_DRAINS)
		ipk__crew_order(pool, IPK__ORDER_DRAIN);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->members[i].is_there) {
			note_ready(pool, i);
		} else if (is_missing(pool, i)) {
			int64_t again_ns = replace(pool, i, now_ns);

			next_ns = IPK__MIN(next_ns, again_ns);
		}
	}
	if (!pool->is_barren || !ipk__pool_wants_workers(pool))
		return next_ns;
	if (renew_zygote(pool))
		return now_ns;
	if (ipk__pool_wants_workers(pool) && ipk__crew_n_alive(pool) == 0)
		give_up(pool);
	return next_ns;
}

/* --- fds that are gone --- */

static bool call_fd_is_ours(const ipk_pool *pool)
{
	struct ipk__os_stat st;
	int r = ipk__os_bell_check(pool->call_fd); /* asking a socket does not wait for anybody */

	if (r == 0)
		r = ipk__os_stat(pool->call_fd, &st);
	return r == 0 ? st.inode == pool->call_inode : r != -EPROTO && r != -EBADF;
}

bool ipk__crew_has_lost_fds(ipk_pool *pool)
{
	if (pool->call_fd < 0)
		return true;
	if (call_fd_is_ours(pool))
		return false;
	ipk__os_fds_change();
	pool->call_fd = pool->bell_fd = pool->segment.fd = pool->room.fd = -1;
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->members[i].is_there)
			ipk__member_forget_fds(&pool->members[i]);
	}
	ipk__os_fds_changed();
	pool->is_barren = true;
	pool->zygote_is_of_process = false; /* that one's fds are gone, too */
	return true;
}

void ipk__crew_look_for_ends(ipk_pool *pool)
{
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (pool->members[i].is_there && ipk__member_has_ended(pool, i))
			ipk__crew_ended(pool, i);
	}
}

/* --- more and fewer --- */

static void retire(ipk_pool *pool, unsigned worker)
{
	pool->members[worker].is_wanted = false;
	give_order(pool, worker, IPK__ORDER_RETIRE);
}

/* It may have been retired and not have ended yet: then it goes on, or is replaced. */
static int engage(ipk_pool *pool, unsigned worker)
{
	int r = 0;

	if (pool->members[worker].is_there || pool->members[worker].is_starting) {
		give_order(pool, worker, IPK__ORDER_WORK);
	} else {
		r = ipk__member_start(pool, worker, true, ipk_in_ms(BEAR_MS));
		if (r == 0)
			ipk__maps_greet(pool, worker);
	}
	pool->members[worker].is_wanted = r == 0;
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
	ipk__doze_wake_all(&pool->shared->work);
	return r == -EPIPE ? -EAGAIN : r;
}

int ipk_pool_resize(ipk_pool *pool, unsigned n_workers)
{
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	if (n_workers > IPK_POOL_WORKERS_MAX)
		return -EINVAL;
	if (n_workers == 0)
		n_workers = IPK__MIN(ipk_cpu_count(), (unsigned)IPK_POOL_WORKERS_MAX);
	/* One at a time: the pool's mutex is given up while a worker is started. */
	pthread_mutex_lock(&pool->resizing);
	ipk__pool_lock(pool);
	r = pool->phase == IPK__POOL_RUNS ? resize(pool, n_workers) : -ESHUTDOWN;
	ipk__supervisor_call(pool);
	ipk__pool_unlock(pool);
	pthread_mutex_unlock(&pool->resizing);
	return r;
}

/* --- looking --- */

static ipk_worker_state public_state(const struct ipk__pool_worker *place)
{
	switch (atomic_load_explicit(&place->state, memory_order_acquire)) {
	case IPK__WORKER_IDLE:
		return IPK_WORKER_IDLE;
	case IPK__WORKER_BUSY:
		return ipk__worker_is_at_work(place) ? IPK_WORKER_BUSY : IPK_WORKER_IDLE;
	case IPK__WORKER_RETIRED:
		return IPK_WORKER_ENDING;
	default:
		return IPK_WORKER_STARTING;
	}
}

static ipk_worker_info look_at(ipk_pool *pool, unsigned worker)
{
	const struct ipk__pool_worker *place = place_of(pool, worker);
	int64_t since_ns = atomic_load_explicit(&place->since_ns, memory_order_relaxed);

	return (ipk_worker_info){
		.number = worker,
		.pid = pool->opts.kind == IPK_POOL_THREADS ? 0 : pool->members[worker].born.pid,
		.state = public_state(place),
		.since_ns = IPK__MAX(ipk__os_now_ns() - since_ns, (int64_t)0),
		.n_done = atomic_load_explicit(&place->n_done, memory_order_relaxed),
	};
}

int ipk_pool_workers(ipk_pool *pool, ipk_worker_info *ret_workers, size_t max, size_t *ret_n)
{
	int r = ipk__pool_check(pool);
	size_t n = 0;

	if (r < 0)
		return r;
	if (!ret_n || (max > 0 && !ret_workers))
		return -EINVAL;
	ipk__pool_lock(pool);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (!pool->members[i].is_there)
			continue;
		if (n < max)
			ret_workers[n] = look_at(pool, i);
		n++;
	}
	ipk__pool_unlock(pool);
	*ret_n = n;
	return 0;
}

/* --- the end --- */

static void await_end(ipk_pool *pool, unsigned worker)
{
	int pidfd = pool->members[worker].born.pidfd;

	if (pidfd >= 0)
		(void)ipk__os_poll1(pidfd, IPK__OS_IN, ipk_forever(), NULL);
	while (pidfd < 0 && !ipk__member_has_ended(pool, worker))
		ipk__os_nap(LOOK_NS);
}

void ipk__crew_end(ipk_pool *pool)
{
	bool has_fds = !ipk__crew_has_lost_fds(pool);

	if (!has_fds)
		pool->epoll_fd = -1;
	ipk__crew_order(pool, IPK__ORDER_RETIRE);
	ipk__crew_kill_all(pool);
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		struct ipk__death death;

		if (!pool->members[i].is_there)
			continue;
		await_end(pool, i);
		ipk__member_read_end(pool, i, &death);
		ipk__member_clear(pool, i);
	}
	pool->zygote =
		has_fds ? ipk__zygote_close(pool->zygote) : ipk__zygote_abandon(pool->zygote);
}
