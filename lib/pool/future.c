/*
 * future.c - the result of a task: stored, waited for, reported.
 *
 * A future completes by one store of its state, made under the pool's mutex after everything else
 * is in place; a thread that has seen it reads the outcome without the mutex. So reading an
 * available result takes no lock, and the result outlives the pool. Futures are recycled, since a
 * hundred thousand may come and go in a moment: any thread pushes freed ones on a stack from which
 * only the pool takes, and only all at once.
 *
 * A waiter does the pending work itself: it collects for all, and wakes the others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/pool_internal.h"

#define KEPT_MAX 16384u /* futures for the next tasks */

/* --- making and giving back ------------------------------------------------------------------- */

static ipk_future *spare_one(ipk_pool *pool)
{
	ipk_future *f = pool->spare;

	if (!f)
		f = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
	if (!f)
		return NULL;
	pool->spare = f->next;
	atomic_fetch_sub_explicit(&pool->n_kept, 1, memory_order_relaxed);
	return f;
}

ipk_future *ipk__future_new(ipk_pool *pool, enum ipk__future_kind kind)
{
	ipk_future *f = spare_one(pool);

	if (!f)
		f = ipk__os_malloc(sizeof *f);
	if (!f)
		return NULL;
	*f = (ipk_future){.pool = pool, .n_refs = 2, .kind = kind, .slot = -1, .fd = -1};
	atomic_fetch_add_explicit(&pool->n_refs, 1, memory_order_relaxed);
	return f;
}

void ipk__future_ref(ipk_future *f)
{
	atomic_fetch_add_explicit(&f->n_refs, 1, memory_order_relaxed);
}

static void give_back(ipk_future *f)
{
	ipk_pool *pool = f->pool;
	ipk_future *top;

	if (atomic_load_explicit(&pool->n_kept, memory_order_relaxed) >= KEPT_MAX) {
		free(f);
		return;
	}
	atomic_fetch_add_explicit(&pool->n_kept, 1, memory_order_relaxed);
	top = atomic_load_explicit(&pool->returned, memory_order_relaxed);
	do
		f->next = top;
	while (!atomic_compare_exchange_weak_explicit(&pool->returned, &top, f,
						      memory_order_release, memory_order_relaxed));
}

static void free_callbacks(ipk_future *f)
{
	struct ipk__callback *c;

	while ((c = f->callbacks)) {
		f->callbacks = c->next;
		free(c);
	}
}

void ipk__future_unref(ipk_future *f)
{
	ipk_pool *pool = f->pool;

	/* The last holder needs no atomic change: no other thread can see it. */
	if (atomic_load_explicit(&f->n_refs, memory_order_acquire) != 1 &&
	    atomic_fetch_sub_explicit(&f->n_refs, 1, memory_order_acq_rel) != 1)
		return;
	if (f->kind == IPK__FUTURE_GROUP && f->group)
		ipk__group_free(f->group);
	if (f->kind == IPK__FUTURE_MAP && f->map)
		ipk__map_unref(f->map);
	free_callbacks(f);
	free(f->failure);
	if (f->result != f->small)
		free(f->result);
	if (f->fd >= 0)
		ipk__os_close(f->fd);
	give_back(f);
	ipk__pool_unref(pool);
}

void ipk__futures_end(ipk_pool *pool)
{
	ipk_future *f;

	while ((f = spare_one(pool)))
		free(f);
}

/* --- failures --------------------------------------------------------------------------------- */

static const char *const words[] = {
	[IPK_FAILURE_NONE] = "",
	[IPK_FAILURE_TASK] = "the task failed",
	[IPK_FAILURE_DIED] = "the worker ended while it ran the task",
	[IPK_FAILURE_TIMEOUT] = "the task exceeded its time limit",
	[IPK_FAILURE_CANCELLED] = "cancelled",
	[IPK_FAILURE_QUARANTINED] = "quarantined: the task kept ending its workers",
	[IPK_FAILURE_TOO_LARGE] = "the result is larger than it may be",
};

int ipk__failure_errno(ipk_failure_cause cause)
{
	switch (cause) {
	case IPK_FAILURE_NONE:
		return 0;
	case IPK_FAILURE_TASK:
		return -EREMOTEIO;
	case IPK_FAILURE_TIMEOUT:
		return -ETIME;
	case IPK_FAILURE_CANCELLED:
		return -ECANCELED;
	case IPK_FAILURE_TOO_LARGE:
		return -EFBIG;
	default:
		return -EOWNERDEAD;
	}
}

void ipk__failure_init(ipk_failure *failure, ipk_failure_cause cause, const ipk_future *f)
{
	*failure = (ipk_failure){.cause = cause, .code = ipk__failure_errno(cause)};
	if (f) {
		failure->n_attempts = f->n_begun;
		failure->index = f->index;
	}
	snprintf(failure->text, sizeof failure->text, "%s", words[cause]);
}

void ipk__future_copy_failure(const ipk_future *f, ipk_failure *ret_failure)
{
	if (f->failure) {
		*ret_failure = *f->failure;
		return;
	}
	ipk__failure_init(ret_failure, f->cause, f);
	ret_failure->code = f->code;
}

/* --- over ------------------------------------------------------------------------------------- */

static void call_later(ipk_future *f)
{
	ipk_pool *pool = f->pool;

	ipk__future_ref(f);
	f->next_called = NULL;
	*pool->called_end = f;
	pool->called_end = &f->next_called;
	ipk__supervisor_call(pool);
}

/* In any thread's pool_wait(); the thread that found it out is not among the sleepers. */
static void wake_who_waits(ipk_future *f)
{
	ipk_pool *pool = f->pool;

	if (f->n_waiters == 0 && pool->n_any_waiting == 0)
		return;
	ipk__os_fence_light();
	if (ipk__wait_queue_has_sleepers(&pool->shared->finished))
		ipk__wait_queue_wake(&pool->shared->finished, &pool->shared->waiters,
				     IPK__WAITERS_MAX);
}

static void end(ipk_future *f, ipk_future_state state)
{
	/* Pairs with the acquire loads of those who ask without the mutex. */
	atomic_store_explicit(&f->state, (int)state, memory_order_release);
	if (f->callbacks || f->fd >= 0)
		f->pool->n_heard--;
	if (f->fd >= 0)
		ipk__os_doorbell(f->fd);
	if (f->callbacks)
		call_later(f);
	if (f->watches)
		ipk__future_watches_notify(f);
	wake_who_waits(f);
	if (f->group && f->kind == IPK__FUTURE_TASK)
		ipk__group_member_over(f->group, f);
	ipk__future_unref(f);
}

void ipk__future_done(ipk_future *f)
{
	end(f, IPK_FUTURE_DONE);
}

void ipk__future_failed(ipk_future *f, const ipk_failure *failure)
{
	f->cause = failure->cause;
	f->code = failure->code;
	/* For one cancelled before it started there are no more details. */
	if (failure->cause != IPK_FAILURE_CANCELLED || failure->n_attempts > 0)
		f->failure = ipk__os_malloc(sizeof *f->failure);
	if (f->failure)
		*f->failure = *failure;
	end(f, failure->cause == IPK_FAILURE_CANCELLED ? IPK_FUTURE_CANCELLED : IPK_FUTURE_FAILED);
}

/* --- callbacks -------------------------------------------------------------------------------- */

/*
 * With the mutex, but not while it calls. One that ends this thread is not called again when the
 * supervisor goes on: what is left to do is in the pool, not on the stack.
 */
static void call_all(ipk_future *f)
{
	struct ipk__callback c;

	while (f->callbacks) {
		c = *f->callbacks;
		free(f->callbacks);
		f->callbacks = c.next;
		ipk__pool_unlock(f->pool);
		ipk__os_thread_loud();
		c.fn(f, c.arg);
		ipk__os_thread_return(f->pool->creator_pid);
		ipk__pool_lock(f->pool);
	}
}

void ipk__futures_call(ipk_pool *pool)
{
	ipk_future *f;

	pool->is_calling = true;
	while ((f = pool->called)) {
		call_all(f);
		pool->called = f->next_called;
		if (!pool->called)
			pool->called_end = &pool->called;
		ipk__pool_unlock(pool);
		ipk__future_unref(f);
		ipk__pool_lock(pool);
	}
	pool->is_calling = false;
	/* Found to be so while a callback waited. */
	if (pool->phase == IPK__POOL_ENDED)
		pthread_cond_broadcast(&pool->changed);
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct waiting {
	ipk_pool *pool;
	ipk_future *f; /* a task's: nothing else is waited for; NULL: anything */
	bool (*is_over)(void *arg);
	void *arg;
};

/* Without the mutex, a cheap check before the exact one. */
static bool is_quiet(const struct waiting *w)
{
	return w->f && atomic_load_explicit(&w->f->state, memory_order_relaxed) < IPK_FUTURE_DONE &&
	       atomic_load_explicit(&w->pool->shared->done, memory_order_relaxed) == 0;
}

/* How many tasks were done if it is complete, and 1 at least. */
static int is_future_over(void *arg, bool slowly)
{
	struct waiting *w = arg;
	int r = 0;
	unsigned n;

	if (!slowly && is_quiet(w))
		return 0;
	if (slowly && ipk__supervisor_is_me(w->pool))
		ipk__supervisor_run(w->pool);
	ipk__pool_lock(w->pool);
	n = ipk__tasks_collect(w->pool);
	if (!w->f)
		ipk__maps_collect(w->pool);
	else if (slowly)
		ipk__tasks_take_early(w->f);
	if (w->is_over(w->arg))
		r = n > 1 ? (int)n : 1;
	else if (w->pool->is_closed)
		r = -ESHUTDOWN;
	ipk__pool_unlock(w->pool);
	return r;
}

/* Say whose end is to wake this thread; @by is 1 or -1. */
static void want(const struct waiting *w, ipk_future *f, int by)
{
	ipk_pool *pool = w->pool;

	if (f)
		f->n_waiters += (unsigned)by;
	if (w->f) {
		ipk__tasks_want(w->f);
	} else {
		pool->n_any_waiting += (unsigned)by;
		atomic_store(&pool->shared->any_wanted, pool->n_any_waiting);
	}
}

static int wait_awake(struct waiting *w, ipk_deadline deadline)
{
	const struct ipk__wait wait = {
		.queue = &w->pool->shared->finished,
		.waiters = &w->pool->shared->waiters,
		.what = IPK__WAIT_RESULT,
		.spin = &w->pool->spin,
		.ready = is_future_over,
		.arg = w,
	};

	return ipk__wait(&wait, deadline);
}

int ipk__pool_wait(ipk_pool *pool, ipk_future *f, bool (*is_over)(void *arg), void *arg,
		   ipk_deadline deadline)
{
	struct waiting w = {pool, f && f->kind == IPK__FUTURE_TASK ? f : NULL, is_over, arg};
	int r;

	ipk__pool_lock(pool);
	if (pool->is_closed || is_over(arg)) {
		r = is_over(arg) ? 0 : -ESHUTDOWN;
		ipk__pool_unlock(pool);
		return r;
	}
	pool->n_waiting++;
	want(&w, f, 1);
	ipk__pool_unlock(pool);
	r = wait_awake(&w, deadline);
	ipk__pool_lock(pool);
	want(&w, f, -1);
	pool->n_waiting--;
	ipk__pool_unlock(pool);
	return r;
}

/* --- asking ----------------------------------------------------------------------------------- */

static int check_future(const ipk_future *f)
{
	if (!f)
		return -EBADF;
	return f->pool->creator_pid == ipk__os_pid() ? 0 : -EPERM;
}

static bool has_ended(const ipk_future *f)
{
	return atomic_load_explicit(&f->state, memory_order_acquire) >= IPK_FUTURE_DONE;
}

static bool future_has_ended(void *arg)
{
	return has_ended(arg);
}

int ipk_future_wait(ipk_future *f, ipk_deadline deadline)
{
	int r = check_future(f);

	if (r < 0 || has_ended(f))
		return r;
	return ipk__pool_wait(f->pool, f, future_has_ended, f, deadline);
}

static int wait_for_result(ipk_future *f, ipk_deadline deadline)
{
	int r = ipk_future_wait(f, deadline);

	return r < 0 ? r : ipk__failure_errno(f->cause);
}

int ipk_future_get(ipk_future *f, void *buf, size_t buf_bytes, ipk_deadline deadline,
		   size_t *ret_len_bytes)
{
	int r = buf_bytes > 0 && !buf ? ipk__invalid("buf is NULL, and buf_bytes is not 0")
				      : wait_for_result(f, deadline);

	/* A map of which some items failed has the results of the others. */
	if (r < 0 &&
	    !(f && f->kind == IPK__FUTURE_MAP && has_ended(f) && r == ipk__failure_errno(f->cause)))
		return r;
	if (buf_bytes > 0 && buf_bytes < f->result_bytes)
		return ipk__detail(-EMSGSIZE, IPK__OVER_BUF);
	if (buf_bytes > 0 && f->result_bytes > 0)
		memcpy(buf, f->result, f->result_bytes);
	if (ret_len_bytes)
		*ret_len_bytes = f->result_bytes;
	return r;
}

int ipk_future_get_alloc(ipk_future *f, ipk_deadline deadline, void **ret_data,
			 size_t *ret_len_bytes)
{
	int r = ret_data ? wait_for_result(f, deadline) : ipk__invalid("ret_data is NULL");
	void *data;

	if (r < 0)
		return r;
	data = ipk__os_malloc(f->result_bytes ? f->result_bytes : 1);
	if (!data)
		return -ENOMEM;
	if (f->result_bytes > 0)
		memcpy(data, f->result, f->result_bytes);
	*ret_data = data;
	if (ret_len_bytes)
		*ret_len_bytes = f->result_bytes;
	return 0;
}

ipk_future_state ipk_future_state_of(ipk_future *f)
{
	ipk_future_state state = IPK_FUTURE_CANCELLED;

	if (!f)
		return state;
	if (has_ended(f) || check_future(f) < 0)
		return (ipk_future_state)atomic_load_explicit(&f->state, memory_order_acquire);
	ipk__pool_lock(f->pool);
	if (!f->pool->is_closed) {
		ipk__tasks_collect(f->pool);
		if (f->kind == IPK__FUTURE_TASK)
			ipk__tasks_collect_one(f);
		else
			ipk__maps_collect(f->pool);
	}
	state = (ipk_future_state)atomic_load_explicit(&f->state, memory_order_relaxed);
	if (f->kind == IPK__FUTURE_GROUP && state < IPK_FUTURE_DONE)
		state = ipk__group_state(f);
	ipk__pool_unlock(f->pool);
	return state;
}

int ipk_future_failure(ipk_future *f, ipk_failure *ret_failure)
{
	int r = check_future(f);

	if (r < 0)
		return r;
	if (!ret_failure)
		return ipk__invalid("ret_failure is NULL");
	if (ipk_future_state_of(f) < IPK_FUTURE_DONE)
		return -EAGAIN;
	ipk__future_copy_failure(f, ret_failure);
	return 0;
}

size_t ipk_future_index(const ipk_future *f)
{
	return f ? f->index : 0;
}

ipk_future *ipk_future_close(ipk_future *f)
{
	if (f)
		ipk__future_unref(f);
	return NULL;
}

/* --- callbacks and fds ------------------------------------------------------------------------ */

/* With the mutex held, of one that is not over. */
static void hear_of(ipk_future *f)
{
	if (f->callbacks || f->fd >= 0)
		return;
	f->pool->n_heard++;
	ipk__supervisor_listen(f->pool);
}

int ipk_future_on_done(ipk_future *f, ipk_future_fn fn, void *arg)
{
	int r = check_future(f);
	struct ipk__callback *c, **end;

	if (r < 0)
		return r;
	if (!fn)
		return ipk__invalid("fn is NULL");
	c = ipk__os_malloc(sizeof *c);
	if (!c)
		return -ENOMEM;
	*c = (struct ipk__callback){.fn = fn, .arg = arg};
	ipk__pool_lock(f->pool);
	if (has_ended(f)) {
		ipk__pool_unlock(f->pool);
		free(c);
		fn(f, arg);
		return 0;
	}
	hear_of(f);
	for (end = &f->callbacks; *end; end = &(*end)->next)
		;
	*end = c;
	ipk__pool_unlock(f->pool);
	return 0;
}

int ipk_future_fd(ipk_future *f, int *ret_fd)
{
	int r = check_future(f);
	int fd;

	if (r < 0)
		return r;
	if (!ret_fd)
		return ipk__invalid("ret_fd is NULL");
	ipk__pool_lock(f->pool);
	if (f->fd < 0)
		r = ipk__os_doorbell_open(&fd);
	if (r == 0 && f->fd < 0) {
		if (has_ended(f))
			ipk__os_doorbell(fd);
		else
			hear_of(f);
		f->fd = fd;
	}
	if (r == 0)
		*ret_fd = f->fd;
	ipk__pool_unlock(f->pool);
	return r;
}
