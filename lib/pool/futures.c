/*
 * futures.c - waiting for several futures, of one pool or of several.
 *
 * A waiter sets a watch on each future; the thread that completes one writes down its number, in
 * the order in which they complete. So the cost per future does not depend on how many there are,
 * and nothing is searched. Futures of different pools complete under different mutexes: hence the
 * order is an array of entries, each claimed by adding to a counter and then filled.
 *
 * For one pool the waiter collects results itself, as it does for a single future. For several it
 * cannot sleep in all of them at once: it lets their supervisors collect, and sleeps on a futex of
 * its own.
 */
#include <errno.h>
#include <stdlib.h>

#include "pool/group.h"

#define LOOK_MS 5

struct watcher {
	struct ipk__future_watch watch; /* first: the watch is the watcher */
	struct ipk_as_completed *all;
	ipk_future *future;  /* a reference, until it was given */
	_Atomic size_t over; /* index of the n-th to complete, + 1; n is this entry's index */
};

struct ipk_as_completed {
	ipk_pool *pool; /* of the first one */
	bool has_several_pools;
	ipk_pool *own; /* the one whose thread waits here, in a callback; usually NULL */
	size_t n, n_given;
	_Atomic size_t n_over, n_failed;
	_Atomic uint32_t news; /* changes with each that completes: a futex */
	struct watcher watchers[];
};

static void one_over(struct ipk__future_watch *watch, ipk_future *f)
{
	struct watcher *w = (struct watcher *)watch;
	struct ipk_as_completed *all = w->all;
	size_t i;

	if (f->state == IPK_FUTURE_FAILED)
		atomic_fetch_add(&all->n_failed, 1);
	i = atomic_fetch_add(&all->n_over, 1);
	atomic_store_explicit(&all->watchers[i].over, (size_t)(w - all->watchers) + 1,
			      memory_order_release);
	atomic_fetch_add(&all->news, 1);
	if (all->has_several_pools)
		ipk__os_futex_wake(&all->news, 1);
}

void ipk__future_watches_notify(ipk_future *f)
{
	while (f->watches) {
		struct ipk__future_watch *watch = f->watches;

		f->watches = watch->next;
		if (watch->next)
			watch->next->link = &f->watches;
		watch->link = NULL;
		watch->over(watch, f);
	}
}

static void watch_set(struct ipk__future_watch *watch, ipk_future *f)
{
	ipk__pool_lock(f->pool);
	ipk__future_ref(f);
	watch->over = one_over;
	if (ipk__future_is_over(f)) {
		one_over(watch, f);
	} else {
		watch->next = f->watches;
		watch->link = &f->watches;
		if (watch->next)
			watch->next->link = &watch->next;
		f->watches = watch;
	}
	ipk__pool_unlock(f->pool);
}

static void watch_end(struct ipk__future_watch *watch, ipk_future *f)
{
	ipk__pool_lock(f->pool);
	if (watch->link) {
		*watch->link = watch->next;
		if (watch->next)
			watch->next->link = watch->link;
		watch->link = NULL;
	}
	ipk__pool_unlock(f->pool);
}

static void listen_to(ipk_pool *pool, bool is_on)
{
	ipk__pool_lock(pool);
	pool->n_heard += is_on ? 1 : -1u;
	ipk__supervisor_listen(pool);
	ipk__pool_unlock(pool);
}

/* --- as they are completed -------------------------------------------------------------------- */

static int check_futures(ipk_future *const *futures, size_t n, bool *ret_has_several_pools)
{
	*ret_has_several_pools = false;
	for (size_t i = 0; i < n; i++) {
		int r = futures[i] ? ipk__pool_check(futures[i]->pool)
				   : ipk__invalid("futures: an entry is NULL");

		if (r < 0)
			return r;
		if (futures[i]->pool != futures[0]->pool)
			*ret_has_several_pools = true;
	}
	return 0;
}

int ipk_as_completed_open(ipk_future *const *futures, size_t n, ipk_as_completed **ret_iter)
{
	ipk_as_completed *all;
	bool has_several_pools;
	int r;

	if (!ret_iter || (n && !futures))
		return ipk__invalid("futures or ret_iter is NULL");
	r = check_futures(futures, n, &has_several_pools);
	if (r < 0)
		return r;
	if (n > (SIZE_MAX - sizeof *all) / sizeof all->watchers[0])
		return -ENOMEM;
	all = ipk__os_calloc(1, sizeof *all + n * sizeof all->watchers[0]);
	if (!all)
		return -ENOMEM;
	all->n = n;
	all->pool = n ? futures[0]->pool : NULL;
	all->has_several_pools = has_several_pools;
	for (size_t i = 0; i < n; i++) {
		struct watcher *w = &all->watchers[i];

		w->all = all;
		w->future = futures[i];
		if (has_several_pools && ipk__supervisor_is_me(w->future->pool))
			all->own = w->future->pool;
		if (all->has_several_pools)
			listen_to(w->future->pool, true);
		watch_set(&w->watch, w->future);
	}
	*ret_iter = all;
	return 0;
}

static void let_go(ipk_as_completed *all, struct watcher *w)
{
	watch_end(&w->watch, w->future);
	if (all->has_several_pools)
		listen_to(w->future->pool, false);
	ipk__future_unref(w->future);
	w->future = NULL;
}

struct goal {
	ipk_as_completed *all;
	bool (*is_reached)(const ipk_as_completed *all);
};

static bool goal_is_reached(void *arg)
{
	const struct goal *goal = arg;

	return goal->is_reached(goal->all);
}

/* The collecting thread would be this one: so it has to check itself, between naps. */
static int wait_and_check(ipk_as_completed *all, uint32_t news, ipk_deadline deadline)
{
	ipk_deadline nap = ipk_in_ms(LOOK_MS);
	int r = ipk__os_futex_wait(&all->news, news, nap.at_ns < deadline.at_ns ? nap : deadline);

	ipk__supervisor_run(all->own);
	return r == -ETIMEDOUT && nap.at_ns < deadline.at_ns ? 0 : r;
}

static int wait_for_goal(ipk_as_completed *all, bool (*is_reached)(const ipk_as_completed *all),
			 ipk_deadline deadline)
{
	struct goal goal = {all, is_reached};
	int r = 0;

	if (!all->has_several_pools)
		return ipk__pool_wait(all->pool, NULL, goal_is_reached, &goal, deadline);
	while (r == 0) {
		uint32_t news = atomic_load(&all->news);

		if (is_reached(all))
			return 0;
		r = all->own ? wait_and_check(all, news, deadline)
			     : ipk__os_futex_wait(&all->news, news, deadline);
	}
	return is_reached(all) ? 0 : r;
}

static bool has_next(const ipk_as_completed *all)
{
	return atomic_load_explicit(&all->watchers[all->n_given].over, memory_order_acquire) != 0;
}

int ipk_as_completed_next(ipk_as_completed *all, ipk_deadline deadline, size_t *ret_index)
{
	size_t i;
	int r;

	if (!all || !ret_index)
		return all ? ipk__invalid("ret_index is NULL") : -EBADF;
	if (all->n_given == all->n)
		return -ENOENT;
	r = wait_for_goal(all, has_next, deadline);
	if (r < 0)
		return r;
	i = atomic_load_explicit(&all->watchers[all->n_given].over, memory_order_acquire) - 1;
	let_go(all, &all->watchers[i]);
	all->n_given++;
	*ret_index = i;
	return 0;
}

ipk_as_completed *ipk_as_completed_close(ipk_as_completed *all)
{
	if (!all)
		return NULL;
	for (size_t i = 0; i < all->n; i++) {
		struct watcher *w = &all->watchers[i];

		if (w->future && ipk__pool_check(w->future->pool) == 0)
			let_go(all, w);
	}
	free(all);
	return NULL;
}

/* --- until some of them are over -------------------------------------------------------------- */

static bool has_first(const ipk_as_completed *all)
{
	return atomic_load(&all->n_over) > 0;
}

static bool has_error_or_all(const ipk_as_completed *all)
{
	return atomic_load(&all->n_failed) > 0 || atomic_load(&all->n_over) == all->n;
}

/* One after the other: whatever their order, the last one to end is waited for. */
static int wait_for_all(ipk_future *const *futures, size_t n, ipk_deadline deadline)
{
	for (size_t i = 0; i < n; i++) {
		int r = futures[i] ? ipk_future_wait(futures[i], deadline) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether it is so already. *ret_n_open: the futures of which it depends, to @ret_open. */
static bool count_over(ipk_future *const *futures, size_t n, ipk_wait_for wait_for,
		       size_t *ret_n_open, ipk_future **ret_open)
{
	size_t n_open = 0;

	for (size_t i = 0; i < n; i++) {
		ipk_future_state state =
			futures[i] ? ipk_future_state_of(futures[i]) : IPK_FUTURE_DONE;

		if (state == IPK_FUTURE_FAILED ||
		    (state >= IPK_FUTURE_DONE && wait_for == IPK_WAIT_FIRST))
			return true;
		if (state < IPK_FUTURE_DONE)
			ret_open[n_open++] = futures[i];
	}
	*ret_n_open = n_open;
	return n_open == 0;
}

int ipk_futures_wait(ipk_future *const *futures, size_t n, ipk_wait_for wait_for,
		     ipk_deadline deadline)
{
	ipk_as_completed *all;
	ipk_future **open;
	size_t n_open;
	int r = 0;

	IPK__REQUIRE(futures || n == 0, "futures is NULL, and n is not 0");
	IPK__REQUIRE((unsigned)wait_for <= IPK_WAIT_FIRST_ERROR, "wait_for: one of ipk_wait_for");
	for (size_t i = 0; i < n && r == 0; i++)
		r = futures[i] ? ipk__pool_check(futures[i]->pool) : 0;
	if (r < 0 || n == 0)
		return r;
	if (wait_for == IPK_WAIT_ALL)
		return wait_for_all(futures, n, deadline);
	open = ipk__os_calloc(n, sizeof(ipk_future *));
	if (!open)
		return -ENOMEM;
	if (!count_over(futures, n, wait_for, &n_open, open)) {
		r = ipk_as_completed_open(open, n_open, &all);
		if (r == 0) {
			r = wait_for_goal(all,
					  wait_for == IPK_WAIT_FIRST ? has_first : has_error_or_all,
					  deadline);
			ipk_as_completed_close(all);
		}
	}
	free(open);
	return r;
}
