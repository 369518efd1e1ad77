/*
 * supervisor.c - the pool's own thread: work that must be done even if no caller waits.
 *
 * It detects worker exits and has workers replaced, enforces time limits, calls callbacks, and
 * moves the backlog to slots when no other thread collects. Otherwise it sleeps, a second at a
 * time. So that workers do not ring for each of a flood of tasks, it requests the doorbell only for
 * a reason, and checks less and less often while it always finds something.
 *
 * It is one of the library's quiet threads: it holds the guard (os/thread.c) while it does
 * anything, so a fork never finds it with a lock held.
 */
#include <errno.h>

#include "pool/pool_internal.h"

#define READY_MAX 32
#define QUICK_NS 200000  /* a check this soon after the last one is quick */
#define QUICK_IN_A_ROW 8 /* then it waits a while before the next, so that more gathers */
#define SLEEP_NS ((int64_t)1000000000) /* at most: see has_lost_fds() */
#define LOST_NS ((int64_t)20000000)    /* between two looks without fds */
#define BACKLOG_NS 1000000             /* workers have enough in their slots for so long */

static const uint64_t call_word = UINT64_MAX, doorbell_word = UINT64_MAX - 1;

/* --- requests to it --------------------------------------------------------------------------- */

void ipk__supervisor_call(ipk_pool *pool)
{
	/* Who still goes over futures of a pool that is being closed has nobody to call. */
	if (pool->is_called || pool->is_closed)
		return;
	pool->is_called = true;
	ipk__os_doorbell(pool->call_fd);
}

void ipk__supervisor_listen(ipk_pool *pool)
{
	ipk__supervisor_call(pool);
}

bool ipk__supervisor_is_me(const ipk_pool *pool)
{
	return pool->has_supervisor && pthread_equal(pool->supervisor, pthread_self());
}

/* --- one check -------------------------------------------------------------------------------- */

/* Shut down, with nothing left to do and no worker left to do it. */
static void wind_up(ipk_pool *pool)
{
	if (pool->phase == IPK__POOL_RUNS)
		return;
	if (pool->phase == IPK__POOL_ENDED || pool->called || ipk__pool_has_work(pool) ||
	    ipk__workers_n_alive(pool) > 0)
		return;
	pool->phase = IPK__POOL_ENDED;
	pthread_cond_broadcast(&pool->changed);
}

/* With the mutex. Returns when to check again. */
static int64_t run_due(ipk_pool *pool)
{
	int64_t now_ns = ipk__os_now_ns();
	int64_t next_ns;

	pool->is_called = false;
	ipk__tasks_collect(pool);
	ipk__maps_collect(pool);
	next_ns = ipk__tasks_tick(pool, now_ns);
	next_ns = ipk__sooner_ns(next_ns, ipk__maps_tick(pool, now_ns));
	next_ns = ipk__sooner_ns(next_ns, ipk__workers_maintain(pool, now_ns));
	wind_up(pool);
	return next_ns;
}

/* Until @until_ns or until something happens, SLEEP_NS at most: how many fds are ready. */
static size_t sleep_until(ipk_pool *pool, int64_t until_ns, struct ipk__os_ready *ret_ready)
{
	int64_t left_ns = until_ns == INT64_MAX ? SLEEP_NS : until_ns - ipk__os_now_ns();
	size_t n = 0;

	left_ns = IPK__MIN(IPK__MAX(left_ns, (int64_t)0), SLEEP_NS);
	ipk__os_thread_quiet();
	if (pool->epoll_fd < 0) {
		ipk__os_nap(IPK__MIN(left_ns, LOST_NS));
	} else if (ipk__os_loop_wait(pool->epoll_fd, ret_ready, READY_MAX, left_ns, &n) < 0) {
		ipk__os_nap(BACKLOG_NS);
		pool->fds_seen_ns = 0; /* check at once */
	}
	ipk__os_thread_busy();
	return n;
}

/*
 * With the mutex. Nothing wakes us when the host has closed our fds; so that is checked now and
 * then, and before a worker is believed to have exited.
 */
static bool has_lost_fds(ipk_pool *pool, const struct ipk__os_ready *ready, size_t n)
{
	int64_t now_ns = ipk__os_now_ns();
	bool is_due = now_ns - pool->fds_seen_ns >= SLEEP_NS;

	for (size_t i = 0; i < n; i++)
		is_due |= ready[i].word != call_word && ready[i].word != doorbell_word;
	if (is_due) {
		pool->fds_seen_ns = now_ns;
		(void)ipk__workers_have_lost_fds(pool);
	}
	return pool->call_fd < 0;
}

/* Sleep for a while, and see who has ended. */
static void attend(ipk_pool *pool, int64_t until_ns)
{
	struct ipk__os_ready ready[READY_MAX];
	size_t n = sleep_until(pool, until_ns, ready);

	ipk__pool_lock(pool);
	if (has_lost_fds(pool, ready, n)) {
		pool->epoll_fd = -1; /* here: no thread waits for it now */
		ipk__workers_check_ended(pool);
		n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (ready[i].word == call_word)
			ipk__os_doorbell_drain(pool->call_fd);
		else if (ready[i].word == doorbell_word)
			ipk__os_doorbell_drain(pool->doorbell_fd);
		else if (ready[i].word < IPK_POOL_WORKERS_MAX)
			ipk__workers_on_fd(pool, (unsigned)ready[i].word);
	}
	ipk__pool_unlock(pool);
}

void ipk__supervisor_run(ipk_pool *pool)
{
	attend(pool, 0);
	ipk__pool_lock(pool);
	run_due(pool);
	ipk__pool_unlock(pool);
}

/* --- the loop --------------------------------------------------------------------------------- */

struct rhythm {
	uint64_t n_collected; /* by any thread, at the last check */
	int64_t looked_ns;
	unsigned n_quick; /* quick looks in a row */
};

/*
 * With the mutex: whether to sleep now, until *next_ns at most; if not, there is work already. A
 * backlog for which another thread collects needs no doorbell.
 */
static bool may_sleep(ipk_pool *pool, struct rhythm *rhythm, int64_t *next_ns)
{
	bool others_collect = pool->n_collected != rhythm->n_collected;
	bool wants_doorbell = pool->n_heard > 0 || pool->phase == IPK__POOL_DRAINS ||
			      ipk__maps_have_waiting(pool);

	if (pool->backlog.n > 0 && others_collect)
		*next_ns = ipk__sooner_ns(*next_ns, ipk__os_now_ns() + BACKLOG_NS);
	else if (pool->backlog.n > 0)
		wants_doorbell = true;
	rhythm->n_collected = pool->n_collected;
	pool->next_look_ns = *next_ns;
	if (!wants_doorbell)
		return true;
	/* Again also when it is armed: a worker may have rung and not noted it yet. */
	ipk__wait_queue_arm(&pool->shared->finished);
	ipk__maps_collect(pool);
	return ipk__tasks_collect(pool) == 0 && !pool->called;
}

static void pace(struct rhythm *rhythm)
{
	int64_t now_ns = ipk__os_now_ns();

	if (now_ns - rhythm->looked_ns > QUICK_NS)
		rhythm->n_quick = 0;
	else if (++rhythm->n_quick > QUICK_IN_A_ROW) {
		ipk__os_thread_quiet();
		ipk__os_nap(QUICK_NS);
		ipk__os_thread_busy();
		now_ns = ipk__os_now_ns();
	}
	rhythm->looked_ns = now_ns;
}

/* What is the user's, and may take its time. When on_progress is due. */
static int64_t call_user(ipk_pool *pool, int64_t now_ns)
{
	ipk__pool_lock(pool);
	ipk__futures_call(pool);
	ipk__pool_unlock(pool);
	return ipk__progress_tick(pool, now_ns);
}

/* Only this thread sets ends_itself, and the phase is its own too, once it is over. */
static bool has_to_stop(const ipk_pool *pool)
{
	return atomic_load(&pool->supervisor_stops) ||
	       (pool->ends_itself && pool->phase == IPK__POOL_ENDED);
}

static void supervise_until_stopped(ipk_pool *pool)
{
	struct rhythm rhythm = {0};

	while (!has_to_stop(pool)) {
		int64_t progress_ns, next_ns;
		bool sleeps;

		pace(&rhythm);
		progress_ns = call_user(pool, ipk__os_now_ns());
		ipk__pool_lock(pool);
		next_ns = ipk__sooner_ns(run_due(pool), progress_ns);
		sleeps = may_sleep(pool, &rhythm, &next_ns);
		ipk__pool_unlock(pool);
		attend(pool, sleeps ? next_ns : 0);
	}
	call_user(pool, INT64_MAX);
	if (pool->ends_itself) {
		ipk__os_thread_forget(pthread_self());
		ipk__pool_end(pool);
	}
}

/*
 * As a cleanup handler: a callback has ended the thread, with pthread_exit(). The pool still needs
 * it, so it goes on from here; in a child that the callback forked there is nothing to go on with.
 */
static void supervise(void *arg)
{
	ipk_pool *pool = arg;

	if (pool->creator_pid != ipk__os_pid())
		return;
	ipk__os_thread_busy();
	pthread_cleanup_push(supervise, pool);
	supervise_until_stopped(pool);
	pthread_cleanup_pop(0);
}

static void *supervisor_main(void *arg)
{
	ipk__os_set_thread_name("ipk-pool");
	supervise(arg);
	return NULL;
}

int ipk__supervisor_start(ipk_pool *pool)
{
	int r = ipk__os_loop_add(pool->epoll_fd, pool->call_fd, IPK__OS_IN, call_word);

	if (r == 0)
		r = ipk__os_loop_add(pool->epoll_fd, pool->doorbell_fd, IPK__OS_IN, doorbell_word);
	if (r == 0)
		r = ipk__os_thread_start_quiet(supervisor_main, pool, &pool->supervisor);
	pool->has_supervisor = r == 0;
	return r;
}

void ipk__supervisor_stop(ipk_pool *pool)
{
	if (!pool->has_supervisor)
		return;
	atomic_store(&pool->supervisor_stops, true);
	ipk__os_doorbell(pool->call_fd);
	ipk__os_thread_join(pool->supervisor);
	pool->has_supervisor = false;
}
