/*
 * tasks.c - single tasks, on the creator's side: published to workers, collected, cancelled,
 * retried.
 *
 * Invariant: an incomplete task is in exactly one place: the backlog, the list of tasks waiting for
 * their retry, or a slot (f->slot, by_slot). It completes when it leaves that place; only this file
 * decides that, always under the pool's mutex.
 *
 * A task can be taken from its worker in one step (condemn()), so it ends at that moment and not
 * when its worker is found dead. The slot stays out of use until then. A DONE slot is reused only
 * after it was found in the stack of done slots, because its worker, if it was stopped in between,
 * would push it once more; so if it is known to be done earlier, its result is taken early, and the
 * slot alone waits.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/map_internal.h"
#include "pool/pool_internal.h"

#define ARG_MAX_BYTES ((size_t)1 << 30)
#define RESULT_MAX_BYTES ((uint64_t)1 << 30)
#define COLLECT_EVERY 64u   /* tasks that join the backlog */
#define SWEEP_NS 250000000  /* between two checks of all slots for time limits */
#define TICK_MIN_NS 1000000 /* a time limit is kept to about this */
#define DELAY_MAX_NS ((int64_t)3600 * 1000000000)

/* --- lists ------------------------------------------------------------------------------------ */

static void list_put(struct ipk__future_list *list, ipk_future *f, bool at_front)
{
	ipk_future *next = at_front ? list->first : NULL;
	ipk_future *prev = at_front ? NULL : list->last;

	f->list = list;
	f->next = next;
	f->prev = prev;
	*(next ? &next->prev : &list->last) = f;
	*(prev ? &prev->next : &list->first) = f;
	list->n++;
}

static void list_take(ipk_future *f)
{
	struct ipk__future_list *list = f->list;

	if (!list)
		return;
	*(f->next ? &f->next->prev : &list->last) = f->prev;
	*(f->prev ? &f->prev->next : &list->first) = f->next;
	list->n--;
	f->list = NULL;
}

static void count_backlog(ipk_pool *pool)
{
	atomic_store_explicit(&pool->shared->counts.n_backlog, (uint32_t)pool->backlog.n,
			      memory_order_relaxed);
}

/* --- slots ------------------------------------------------------------------------------------ */

static uint64_t word_of(const struct ipk__pool_slot *slot)
{
	/* Pairs with the worker's release: its stores to the result are visible. */
	return atomic_load_explicit(&slot->word, memory_order_acquire);
}

static bool change_word(struct ipk__pool_slot *slot, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong(&slot->word, &from, to);
}

static uint64_t next_word(uint64_t word, uint32_t state)
{
	return ipk__slot_word(ipk__slot_generation(word) + 1, 0, state);
}

static void free_slot(ipk_pool *pool, uint32_t i)
{
	struct ipk__pool_slot *slot = &pool->slots[i];

	if (slot->arg_offset != 0)
		ipk__pool_heap_free(&pool->heap, slot->arg_offset, slot->arg_bytes);
	slot->arg_offset = 0;
	atomic_store_explicit(
		&slot->word,
		next_word(atomic_load_explicit(&slot->word, memory_order_relaxed), IPK__SLOT_FREE),
		memory_order_relaxed);
	pool->by_slot[i] = NULL;
	pool->free_slots[pool->n_free_slots++] = i;
}

/* As any worker does, of what is no more ready: so that there is room behind. */
static void pass_stale(ipk_pool *pool)
{
	struct ipk__shm_pool *s = pool->shared;
	uint64_t head = atomic_load(&s->head);

	while (head != atomic_load_explicit(&s->tail, memory_order_relaxed)) {
		uint64_t cell = atomic_load_explicit(&pool->cells[head % IPK__POOL_SLOTS],
						     memory_order_relaxed);
		const struct ipk__pool_slot *slot = &pool->slots[(uint32_t)cell % IPK__POOL_SLOTS];

		if (word_of(slot) == ipk__slot_word((uint32_t)(cell >> 32), 0, IPK__SLOT_READY))
			return;
		if (atomic_compare_exchange_strong(&s->head, &head, head + 1))
			head++;
	}
}

static bool has_room(ipk_pool *pool)
{
	struct ipk__shm_pool *s = pool->shared;
	uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	if (pool->n_free_slots == 0)
		return false;
	if (tail - atomic_load_explicit(&s->head, memory_order_relaxed) < IPK__POOL_SLOTS)
		return true;
	pass_stale(pool);
	return tail - atomic_load(&s->head) < IPK__POOL_SLOTS;
}

/* @arg: what is not in the heap. */
static void publish(ipk_pool *pool, ipk_future *f, const void *arg)
{
	uint32_t i = pool->free_slots[--pool->n_free_slots];
	struct ipk__pool_slot *slot = &pool->slots[i];
	struct ipk__shm_pool *s = pool->shared;
	uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
	uint64_t word =
		next_word(atomic_load_explicit(&slot->word, memory_order_relaxed), IPK__SLOT_READY);

	slot->fn = (uint64_t)(uintptr_t)f->fn;
	slot->arg_offset = f->arg_offset;
	slot->arg_bytes = f->arg_bytes;
	slot->max_result_bytes = f->opts.max_result_bytes;
	slot->index = f->index;
	slot->flags = f->opts.timeout_ns | f->opts.soft_timeout_ns ? IPK__SLOT_IS_TIMED : 0;
	slot->attempt = f->n_begun + 1;
	atomic_store_explicit(&slot->stop, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->wanted, f->n_waiters > 0, memory_order_relaxed);
	if (f->arg_offset == 0 && f->arg_bytes > 0)
		memcpy(slot->arg, arg, f->arg_bytes);
	f->arg_offset = 0; /* the slot's now */
	f->slot = (int32_t)i;
	f->taken_ns = 0;
	pool->by_slot[i] = f;
	/* Pairs with the claim of a worker, whichever way it came upon this cell. */
	atomic_store_explicit(&slot->word, word, memory_order_release);
	atomic_store_explicit(&pool->cells[tail % IPK__POOL_SLOTS],
			      (uint64_t)ipk__slot_generation(word) << 32 | i, memory_order_relaxed);
	atomic_store_explicit(&s->tail, tail + 1, memory_order_release);
}

static void feed(ipk_pool *pool)
{
	unsigned n = 0;
	ipk_future *f;

	while ((f = pool->backlog.first) && has_room(pool)) {
		list_take(f);
		publish(pool, f, f->small);
		n++;
	}
	if (n == 0)
		return;
	count_backlog(pool);
	ipk__pool_wake_workers(pool, n);
}

/* --- over ------------------------------------------------------------------------------------- */

static bool is_timed(const ipk_future *f)
{
	return f->opts.timeout_ns > 0 || f->opts.soft_timeout_ns > 0;
}

static _Atomic uint64_t *counter_of(struct ipk__pool_counts *counts, ipk_failure_cause cause)
{
	switch (cause) {
	case IPK_FAILURE_DIED:
		return &counts->n_died;
	case IPK_FAILURE_TIMEOUT:
		return &counts->n_timeouts;
	case IPK_FAILURE_QUARANTINED:
		return &counts->n_quarantined;
	case IPK_FAILURE_TOO_LARGE:
		return &counts->n_too_large;
	default:
		return &counts->n_task_errors;
	}
}

static void count_over(ipk_pool *pool, const ipk_failure *failure)
{
	struct ipk__pool_counts *counts = &pool->shared->counts;

	if (!failure) {
		ipk__count(&counts->n_done, 1);
	} else if (failure->cause == IPK_FAILURE_CANCELLED) {
		ipk__count(&counts->n_cancelled, 1);
	} else {
		ipk__count(&counts->n_failed, 1);
		ipk__count(counter_of(counts, failure->cause), 1);
	}
}

/* It leaves its slot or list. @failure NULL: the result is in the future. */
static void task_over(ipk_future *f, const ipk_failure *failure)
{
	ipk_pool *pool = f->pool;

	list_take(f);
	if (f->slot >= 0)
		pool->by_slot[f->slot] = NULL;
	f->slot = -1;
	if (f->arg_offset != 0)
		ipk__pool_heap_free(&pool->heap, f->arg_offset, f->arg_bytes);
	f->arg_offset = 0;
	pool->n_unfinished--;
	if (is_timed(f) && --pool->n_timed == 0)
		pool->shortest_ns = INT64_MAX;
	count_over(pool, failure);
	if (failure)
		ipk__future_failed(f, failure);
	else
		ipk__future_done(f);
}

static void fail(ipk_future *f, ipk_failure_cause cause, const char *text)
{
	ipk_failure failure;

	ipk__failure_init(&failure, cause, f);
	if (text)
		snprintf(failure.text, sizeof failure.text, "%s", text);
	task_over(f, &failure);
}

static pid_t pid_of(const ipk_pool *pool, unsigned worker)
{
	return pool->opts.kind == IPK_POOL_THREADS || worker >= IPK_POOL_WORKERS_MAX
		       ? 0
		       : pool->handles[worker].child.pid;
}

/* --- what is done ----------------------------------------------------------------------------- */

static int copy_inline(ipk_future *f, const struct ipk__pool_slot *slot)
{
	size_t n = IPK__MIN(slot->result_bytes, IPK__POOL_RESULT_INLINE);

	f->result = n == 0 ? NULL : n <= sizeof f->small ? f->small : ipk__os_malloc(n);
	if (n > 0 && !f->result)
		return -ENOMEM;
	if (n > 0)
		memcpy(f->result, slot->result, n);
	f->result_bytes = n;
	return 0;
}

static int copy_result(ipk_future *f, const struct ipk__pool_slot *slot)
{
	int r;

	switch (slot->result_kind) {
	case IPK__RESULT_INLINE:
		return copy_inline(f, slot);
	case IPK__RESULT_SPILLED:
	case IPK__RESULT_HEAP:
		r = ipk__workers_take_result(f->pool, slot, &f->result);
		if (r == 0)
			f->result_bytes = slot->result_bytes;
		return r;
	case IPK__RESULT_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
}

static void fail_as_told(ipk_future *f, const struct ipk__pool_slot *slot, unsigned worker)
{
	ipk_failure failure;
	size_t n = IPK__MIN(slot->result_bytes, sizeof failure.text - 1);

	ipk__failure_init(&failure, IPK_FAILURE_TASK, f);
	failure.pid = pid_of(f->pool, worker);
	if (slot->result_kind == IPK__RESULT_TOO_LARGE) {
		failure.cause = IPK_FAILURE_TOO_LARGE;
		failure.code = ipk__failure_errno(failure.cause);
		snprintf(failure.text, sizeof failure.text, "the result is larger than %llu bytes",
			 (unsigned long long)slot->max_result_bytes);
	} else {
		failure.code = slot->code;
		memcpy(failure.text, slot->result, n);
		failure.text[n] = '\0';
		if (n == 0)
			snprintf(failure.text, sizeof failure.text, "the task returned %d",
				 slot->code);
	}
	task_over(f, &failure);
}

static void fail_for_want_of(ipk_future *f, int error, unsigned worker)
{
	ipk_failure failure;

	ipk__failure_init(&failure, IPK_FAILURE_TASK, f);
	failure.pid = pid_of(f->pool, worker);
	failure.code = error;
	snprintf(failure.text, sizeof failure.text,
		 error == -ENOMEM ? "no memory for the result" : "the result cannot be read");
	task_over(f, &failure);
}

/* A slot that is DONE: its task is complete. */
static void deliver(struct ipk__pool_slot *slot, ipk_future *f)
{
	unsigned worker = ipk__slot_worker(word_of(slot));
	int r;

	f->n_begun++;
	if (slot->result_kind == IPK__RESULT_ERROR || slot->result_kind == IPK__RESULT_TOO_LARGE) {
		fail_as_told(f, slot, worker);
		return;
	}
	r = copy_result(f, slot);
	/* Taken, should the slot be met again: see ipk__tasks_take_early(). */
	slot->result_kind = IPK__RESULT_INLINE;
	if (r == 0)
		task_over(f, NULL);
	else
		fail_for_want_of(f, r, worker);
}

/* Its worker has pushed it, or will never do so. */
static void collect_result(ipk_pool *pool, uint32_t i)
{
	struct ipk__pool_slot *slot = &pool->slots[i];
	uint32_t state = ipk__slot_state(word_of(slot));

	if (state == IPK__SLOT_DONE && pool->by_slot[i])
		deliver(slot, pool->by_slot[i]);
	else if (state != IPK__SLOT_DONE && state != IPK__SLOT_CONDEMNED)
		return;
	free_slot(pool, i);
}

/* The stack upside down: the oldest first. */
static uint32_t take_done(ipk_pool *pool, unsigned *ret_n)
{
	uint32_t at = atomic_exchange_explicit(&pool->shared->done, 0, memory_order_acquire);
	uint32_t first = 0;
	unsigned n = 0;

	/* No more than there are: a task may have scribbled over it. */
	for (; at != 0 && at <= IPK__POOL_SLOTS && n < IPK__POOL_SLOTS; n++) {
		struct ipk__pool_slot *slot = &pool->slots[at - 1];
		uint32_t next = atomic_load_explicit(&slot->next, memory_order_relaxed);

		atomic_store_explicit(&slot->next, first, memory_order_relaxed);
		first = at;
		at = next;
	}
	*ret_n = n;
	return first;
}

unsigned ipk__tasks_collect(ipk_pool *pool)
{
	uint32_t at;
	unsigned n;

	if (atomic_load_explicit(&pool->shared->done, memory_order_relaxed) == 0)
		return 0;
	at = take_done(pool, &n);
	for (unsigned i = 0; i < n; i++) {
		uint32_t next =
			atomic_load_explicit(&pool->slots[at - 1].next, memory_order_relaxed);

		collect_result(pool, at - 1);
		at = next;
	}
	pool->n_collected += n;
	feed(pool);
	if (pool->phase == IPK__POOL_DRAINS && pool->n_unfinished == 0)
		ipk__supervisor_call(pool);
	return n;
}

void ipk__tasks_take_early(ipk_future *f)
{
	ipk_pool *pool = f->pool;
	struct ipk__pool_slot *slot;

	if (f->slot < 0)
		return;
	slot = &pool->slots[f->slot];
	if (ipk__slot_state(word_of(slot)) == IPK__SLOT_DONE)
		deliver(slot, f);
}

void ipk__tasks_collect_one(ipk_future *f)
{
	uint32_t state;

	ipk__tasks_take_early(f);
	if (f->list)
		atomic_store_explicit(&f->state, IPK_FUTURE_PENDING, memory_order_relaxed);
	if (f->slot < 0)
		return;
	state = ipk__slot_state(word_of(&f->pool->slots[f->slot]));
	atomic_store_explicit(&f->state,
			      state == IPK__SLOT_READY ? IPK_FUTURE_PENDING : IPK_FUTURE_RUNNING,
			      memory_order_relaxed);
}

void ipk__tasks_want(ipk_future *f)
{
	if (f->slot >= 0)
		atomic_store(&f->pool->slots[f->slot].wanted, f->n_waiters > 0);
}

/* --- submitting ------------------------------------------------------------------------------- */

static int check_task(ipk_task_fn fn, const ipk_bytes *arg, const ipk_task_opts *opts,
		      ipk_task_opts *ret_opts)
{
	int r = 0;

	if (opts)
		r = ipk__opts_copy(ret_opts, sizeof *ret_opts, opts);
	else
		*ret_opts = (ipk_task_opts){.struct_size = sizeof *ret_opts};
	if (r < 0)
		return r;
	if (ret_opts->max_result_bytes == 0)
		ret_opts->max_result_bytes = RESULT_MAX_BYTES;
	IPK__REQUIRE(fn, "fn is NULL");
	IPK__REQUIRE(arg->data || arg->len_bytes == 0, "arg is NULL, and arg_bytes is not 0");
	IPK__REQUIRE(ret_opts->max_result_bytes <= RESULT_MAX_BYTES,
		     "IPK_TASK(.max_result_bytes): 1 GiB at most");
	if (arg->len_bytes > ARG_MAX_BYTES)
		return ipk__detail(-EMSGSIZE, "arg_bytes: 1 GiB at most");
	return ipk__map_check_opts(ret_opts);
}

/* Without the mutex before and after: a long argument is copied while others go on. */
static int copy_long_arg(ipk_pool *pool, const ipk_bytes *arg, uint64_t *ret_offset)
{
	int r;

	ipk__pool_lock(pool);
	r = pool->phase == IPK__POOL_RUNS
		    ? ipk__pool_heap_alloc(&pool->heap, arg->len_bytes, ret_offset)
		    : -ESHUTDOWN;
	ipk__pool_unlock(pool);
	if (r == 0)
		memcpy((char *)pool->shared + *ret_offset, arg->data, arg->len_bytes);
	return r;
}

/* Of a middling length: a slot would have held it. */
static int keep_arg(ipk_pool *pool, ipk_future *f, const void *arg)
{
	int r = 0;

	if (f->arg_offset == 0 && f->arg_bytes > sizeof f->small) {
		r = ipk__pool_heap_alloc(&pool->heap, f->arg_bytes, &f->arg_offset);
		if (r == 0)
			memcpy((char *)pool->shared + f->arg_offset, arg, f->arg_bytes);
	} else if (f->arg_offset == 0 && f->arg_bytes > 0) {
		memcpy(f->small, arg, f->arg_bytes);
	}
	return r;
}

static void watch_limits(ipk_pool *pool, const ipk_future *f)
{
	int64_t limit_ns = f->opts.timeout_ns;
	int64_t soft_ns = f->opts.soft_timeout_ns;

	if (!is_timed(f))
		return;
	if (limit_ns == 0 || (soft_ns > 0 && soft_ns < limit_ns))
		limit_ns = soft_ns;
	pool->n_timed++;
	pool->shortest_ns = IPK__MIN(pool->shortest_ns, IPK__MAX(limit_ns, TICK_MIN_NS));
	/* No task that starts from now on exceeds its limit before then. */
	if (pool->next_look_ns == INT64_MAX ||
	    pool->next_look_ns - ipk__os_now_ns() > pool->shortest_ns)
		ipk__supervisor_call(pool);
}

/* *ret_is_published: it went into a slot, and a worker may have to be woken. */
static int enter(ipk_pool *pool, ipk_future *f, const void *arg, bool *ret_is_published)
{
	bool waits;
	int r = 0;

	if (pool->n_free_slots == 0 && pool->backlog.n % COLLECT_EVERY == 0)
		ipk__tasks_collect(pool);
	waits = pool->backlog.n > 0 || !has_room(pool);
	if (waits)
		r = keep_arg(pool, f, arg);
	if (r < 0)
		return r;
	pool->n_unfinished++;
	ipk__count(&pool->shared->counts.n_submitted, 1);
	watch_limits(pool, f);
	if (waits) {
		list_put(&pool->backlog, f, false);
		count_backlog(pool);
		if (pool->backlog.n == 1)
			ipk__supervisor_listen(pool);
	} else {
		publish(pool, f, arg);
	}
	*ret_is_published = !waits;
	return 0;
}

/* It completes before it has started. */
static void refuse(ipk_pool *pool, ipk_future *f, const ipk_bytes *arg)
{
	ipk_failure failure;

	ipk__failure_init(&failure, IPK_FAILURE_QUARANTINED, f);
	ipk__quarantine_words(pool, (const void *)(uintptr_t)f->fn, arg->data, arg->len_bytes,
			      failure.text);
	pool->n_unfinished++;
	pool->n_timed += is_timed(f);
	ipk__count(&pool->shared->counts.n_submitted, 1);
	task_over(f, &failure);
}

static bool is_quarantined(const ipk_pool *pool, const ipk_future *f, const ipk_bytes *arg)
{
	return !ipk__quarantine_is_empty(pool) &&
	       ipk__quarantine_has(pool, (const void *)(uintptr_t)f->fn, arg->data, arg->len_bytes);
}

/* With the mutex. */
static int submit(ipk_pool *pool, ipk_future *like, const ipk_bytes *arg, ipk_future **ret_future,
		  bool *ret_is_published)
{
	ipk_future *f =
		pool->phase == IPK__POOL_RUNS ? ipk__future_new(pool, IPK__FUTURE_TASK) : NULL;
	int r = 0;

	if (!f)
		return pool->phase == IPK__POOL_RUNS ? -ENOMEM : -ESHUTDOWN;
	f->fn = like->fn;
	f->arg_bytes = arg->len_bytes;
	f->arg_offset = like->arg_offset;
	f->index = like->index;
	f->group = like->group;
	f->opts = like->opts;
	if (is_quarantined(pool, f, arg))
		refuse(pool, f, arg);
	else
		r = enter(pool, f, arg->data, ret_is_published);
	if (r < 0) {
		f->group = NULL;
		ipk__future_unref(f);
		ipk__future_unref(f);
		return r;
	}
	if (ret_future)
		*ret_future = f;
	else
		ipk__future_unref(f);
	return 0;
}

int ipk__tasks_submit(ipk_pool *pool, ipk_task_fn fn, const ipk_bytes *arg,
		      const ipk_task_opts *opts, size_t index, struct ipk__group *group,
		      ipk_future **ret_future)
{
	ipk_future like;
	bool is_published = false;
	int r = check_task(fn, arg, opts, &like.opts);

	if (r < 0)
		return r;
	like.fn = fn;
	like.index = index;
	like.group = group;
	like.arg_offset = 0;
	if (arg->len_bytes > IPK__POOL_ARG_INLINE)
		r = copy_long_arg(pool, arg, &like.arg_offset);
	if (r < 0)
		return r;
	ipk__pool_lock(pool);
	r = submit(pool, &like, arg, ret_future, &is_published);
	if (r < 0 && like.arg_offset != 0)
		ipk__pool_heap_free(&pool->heap, like.arg_offset, arg->len_bytes);
	ipk__pool_unlock(pool);
	if (is_published)
		ipk__pool_wake_workers(pool, 1);
	return r;
}

int ipk_pool_submit(ipk_pool *pool, ipk_task_fn fn, const void *arg, size_t arg_bytes,
		    const ipk_task_opts *opts, ipk_future **ret_future)
{
	const ipk_bytes bytes = {arg, arg_bytes};
	int r = ipk__pool_check(pool);

	return r < 0 ? r : ipk__tasks_submit(pool, fn, &bytes, opts, 0, NULL, ret_future);
}

/* --- taking back ------------------------------------------------------------------------------ */

/* No worker has started it, and now none will. */
static bool take_ready(ipk_pool *pool, uint32_t i)
{
	struct ipk__pool_slot *slot = &pool->slots[i];
	uint64_t word = word_of(slot);

	if (ipk__slot_state(word) != IPK__SLOT_READY ||
	    !change_word(slot, word, next_word(word, IPK__SLOT_FREE)))
		return false;
	return true;
}

/*
 * A task that its worker has in hand ends now, with @cause, whatever the worker does. That
 * finds out when it is through, and goes no further; nothing else can be hit.
 */
static bool condemn(ipk_pool *pool, uint32_t i, uint64_t word, ipk_failure_cause cause,
		    const char *text)
{
	struct ipk__pool_slot *slot = &pool->slots[i];
	unsigned worker = ipk__slot_worker(word);
	ipk_future *f = pool->by_slot[i];
	ipk_failure failure;

	if (!change_word(slot, word,
			 ipk__slot_word(ipk__slot_generation(word), worker, IPK__SLOT_CONDEMNED)))
		return false;
	atomic_store(&slot->stop, 1);
	f->n_begun++;
	ipk__failure_init(&failure, cause, f);
	failure.pid = pid_of(pool, worker);
	if (text)
		snprintf(failure.text, sizeof failure.text, "%s", text);
	ipk__workers_kill(pool, worker);
	task_over(f, &failure);
	return true;
}

/* A task in a slot ends with @cause, unless it is done: then it ends so. */
static void stop_in_slot(ipk_pool *pool, uint32_t i, ipk_failure_cause cause, const char *text)
{
	struct ipk__pool_slot *slot = &pool->slots[i];

	while (pool->by_slot[i]) {
		uint64_t word = word_of(slot);
		ipk_future *f = pool->by_slot[i];

		if (ipk__slot_state(word) == IPK__SLOT_DONE) {
			deliver(slot, f);
		} else if (ipk__slot_state(word) == IPK__SLOT_TAKEN) {
			condemn(pool, i, word, cause, text);
		} else if (take_ready(pool, i)) {
			f->slot = -1;
			free_slot(pool, i);
			fail(f, cause, text);
		}
	}
}

int ipk__tasks_cancel(ipk_future *f)
{
	ipk_pool *pool = f->pool;
	bool was_over = f->cause == IPK_FAILURE_CANCELLED;

	if (f->list) {
		fail(f, IPK_FAILURE_CANCELLED, NULL);
		count_backlog(pool);
		return 0;
	}
	if (f->slot >= 0) {
		/* So that it can be asked afterwards. */
		ipk__future_ref(f);
		stop_in_slot(pool, (uint32_t)f->slot, IPK_FAILURE_CANCELLED, NULL);
		was_over = f->cause == IPK_FAILURE_CANCELLED;
		ipk__future_unref(f);
		feed(pool);
	}
	if (pool->phase == IPK__POOL_DRAINS)
		ipk__supervisor_call(pool);
	return was_over ? 0 : -EALREADY;
}

int ipk_future_cancel(ipk_future *f)
{
	int r;

	if (!f)
		return -EBADF;
	r = ipk__pool_check(f->pool);
	if (r < 0)
		return r;
	ipk__pool_lock(f->pool);
	if (atomic_load(&f->state) >= IPK_FUTURE_DONE)
		r = f->cause == IPK_FAILURE_CANCELLED ? 0 : -EALREADY;
	else if (f->kind == IPK__FUTURE_MAP)
		r = ipk__maps_cancel(f);
	else
		r = f->kind == IPK__FUTURE_GROUP ? ipk__group_cancel(f) : ipk__tasks_cancel(f);
	ipk__pool_unlock(f->pool);
	return r;
}

static void stop_waiting(ipk_pool *pool, ipk_failure_cause cause, const char *text)
{
	ipk_future *f;

	while ((f = pool->backlog.first))
		fail(f, cause, text);
	while ((f = pool->resting.first))
		fail(f, cause, text);
	count_backlog(pool);
}

void ipk__tasks_cancel_queued(ipk_pool *pool)
{
	stop_waiting(pool, IPK_FAILURE_CANCELLED, NULL);
	for (uint32_t i = 0; i < IPK__POOL_SLOTS; i++) {
		ipk_future *f = pool->by_slot[i];

		if (!f || !take_ready(pool, i))
			continue;
		f->slot = -1;
		free_slot(pool, i);
		fail(f, IPK_FAILURE_CANCELLED, NULL);
	}
}

static void stop_all(ipk_pool *pool, ipk_failure_cause cause, const char *text)
{
	stop_waiting(pool, cause, text);
	for (uint32_t i = 0; i < IPK__POOL_SLOTS; i++) {
		if (pool->by_slot[i])
			stop_in_slot(pool, i, cause, text);
	}
}

void ipk__tasks_cancel_all(ipk_pool *pool)
{
	stop_all(pool, IPK_FAILURE_CANCELLED, NULL);
}

void ipk__tasks_fail_all(ipk_pool *pool, const char *text)
{
	stop_all(pool, IPK_FAILURE_DIED, text);
}

/* --- a worker's death ------------------------------------------------------------------------- */

static void describe(const struct ipk__death *death, ipk_failure *failure)
{
	const ipk_process_status *status = &death->status;
	char *text = failure->text;
	size_t n = sizeof failure->text;

	failure->pid = death->pid;
	failure->status = *status;
	if (!death->is_known)
		snprintf(text, n, "worker %d ended, and nobody can tell how", (int)death->pid);
	else if (status->signal != 0)
		snprintf(text, n, "worker %d was killed by signal %d%s", (int)death->pid,
			 status->signal, status->is_oom ? " (out of memory)" : "");
	else
		snprintf(text, n, "worker %d exited with code %d while it ran the task",
			 (int)death->pid, status->exit_code);
}

static const void *arg_of(const ipk_pool *pool, const struct ipk__pool_slot *slot)
{
	return slot->arg_offset != 0 ? (const char *)pool->shared + slot->arg_offset : slot->arg;
}

/* Its argument leaves the slot along with it. */
static int take_out(ipk_pool *pool, ipk_future *f)
{
	struct ipk__pool_slot *slot = &pool->slots[f->slot];
	int r = 0;

	f->arg_offset = slot->arg_offset;
	if (f->arg_offset == 0)
		r = keep_arg(pool, f, slot->arg);
	if (r < 0)
		return r;
	slot->arg_offset = 0;
	pool->by_slot[f->slot] = NULL;
	f->slot = -1;
	return 0;
}

static int64_t delay_of(const ipk_future *f)
{
	int64_t delay_ns = IPK__MIN(f->opts.retry_delay_ns, DELAY_MAX_NS);

	for (unsigned i = 1; i < f->n_begun && delay_ns < DELAY_MAX_NS; i++)
		delay_ns *= 2;
	return IPK__MIN(delay_ns, DELAY_MAX_NS);
}

/* It is retried. */
static void rest(ipk_pool *pool, ipk_future *f)
{
	ipk__count(&pool->shared->counts.n_retried, 1);
	f->not_before_ns = ipk__later_ns(ipk__os_now_ns(), delay_of(f));
	if (f->opts.retry_delay_ns == 0)
		list_put(&pool->backlog, f, true);
	else
		list_put(&pool->resting, f, false);
	ipk__supervisor_call(pool);
}

static void died(ipk_pool *pool, ipk_future *f, const struct ipk__death *death)
{
	struct ipk__pool_slot *slot = &pool->slots[f->slot];
	const void *fn = (const void *)(uintptr_t)f->fn;
	const void *arg = arg_of(pool, slot);
	bool too_often = ipk__quarantine_note(pool, fn, arg, f->arg_bytes);
	ipk_failure failure;

	f->n_begun++;
	if (f->n_begun <= f->opts.n_retries && !too_often && take_out(pool, f) == 0) {
		rest(pool, f);
		return;
	}
	ipk__failure_init(&failure, IPK_FAILURE_DIED, f);
	describe(death, &failure);
	if (f->n_begun <= f->opts.n_retries && too_often) {
		failure.cause = IPK_FAILURE_QUARANTINED;
		ipk__quarantine_words(pool, fn, arg, f->arg_bytes, failure.text);
	}
	task_over(f, &failure);
}

void ipk__tasks_orphaned(ipk_pool *pool, const struct ipk__death *death)
{
	for (uint32_t i = 0; i < IPK__POOL_SLOTS; i++) {
		uint64_t word = word_of(&pool->slots[i]);
		uint32_t state = ipk__slot_state(word);

		if (state < IPK__SLOT_TAKEN || ipk__slot_worker(word) != death->worker)
			continue;
		if (state == IPK__SLOT_TAKEN) {
			if (pool->by_slot[i])
				died(pool, pool->by_slot[i], death);
			free_slot(pool, i);
		} else {
			collect_result(pool, i);
		}
	}
	feed(pool);
	if (pool->phase == IPK__POOL_DRAINS)
		ipk__supervisor_call(pool);
}

/* --- time ------------------------------------------------------------------------------------- */

/*
 * The nearest limit of a task started at @since_ns, which is asked to stop or killed when it is
 * due.
 */
static int64_t keep_limits(ipk_pool *pool, uint32_t i, uint64_t word, int64_t since_ns,
			   int64_t now_ns)
{
	ipk_future *f = pool->by_slot[i];
	struct ipk__pool_slot *slot = &pool->slots[i];
	int64_t soft_ns = f->opts.soft_timeout_ns, hard_ns = f->opts.timeout_ns;
	int64_t next_ns = INT64_MAX;

	if (hard_ns > 0 && now_ns - since_ns >= hard_ns) {
		condemn(pool, i, word, IPK_FAILURE_TIMEOUT, NULL);
		return INT64_MAX;
	}
	if (hard_ns > 0)
		next_ns = ipk__later_ns(since_ns, hard_ns);
	if (soft_ns > 0 && now_ns - since_ns >= soft_ns)
		atomic_store_explicit(&slot->stop, 1, memory_order_relaxed);
	else if (soft_ns > 0)
		next_ns = ipk__sooner_ns(next_ns, ipk__later_ns(since_ns, soft_ns));
	return next_ns;
}

/* What a worker claims to run, and since when: a consistent pair, or nothing. */
static bool read_record(ipk_pool *pool, unsigned worker, uint32_t *ret_slot, uint64_t *ret_word,
			int64_t *ret_since_ns)
{
	const struct ipk__pool_worker *record = &pool->shared->workers[worker];
	/* Pairs with the worker's release: since_ns is of this task, or of a later one. */
	uint32_t slot = atomic_load_explicit(&record->slot, memory_order_acquire);

	if (slot == 0 || slot > IPK__POOL_SLOTS || !pool->by_slot[slot - 1])
		return false;
	*ret_slot = slot - 1;
	*ret_word = word_of(&pool->slots[slot - 1]);
	*ret_since_ns = ipk__worker_clock_since_ns(pool, worker);
	return ipk__slot_state(*ret_word) == IPK__SLOT_TAKEN &&
	       ipk__slot_worker(*ret_word) == worker &&
	       word_of(&pool->slots[slot - 1]) == *ret_word &&
	       atomic_load_explicit(&record->slot, memory_order_acquire) == slot;
}

static int64_t keep_limits_of_workers(ipk_pool *pool, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;
	uint32_t i;
	uint64_t word;
	int64_t since_ns;

	for (unsigned worker = 0; worker < IPK_POOL_WORKERS_MAX; worker++) {
		if (pool->handles[worker].is_there &&
		    read_record(pool, worker, &i, &word, &since_ns) && is_timed(pool->by_slot[i]))
			next_ns = ipk__sooner_ns(next_ns,
						 keep_limits(pool, i, word, since_ns, now_ns));
	}
	return next_ns;
}

/* Also for a worker that was stopped before it could publish what it took. */
static void keep_limits_of_slots(ipk_pool *pool, int64_t now_ns)
{
	if (now_ns - pool->swept_ns < SWEEP_NS)
		return;
	pool->swept_ns = now_ns;
	for (uint32_t i = 0; i < IPK__POOL_SLOTS; i++) {
		ipk_future *f = pool->by_slot[i];
		uint64_t word = f && is_timed(f) ? word_of(&pool->slots[i]) : 0;

		if (ipk__slot_state(word) != IPK__SLOT_TAKEN)
			continue;
		if (f->taken_ns == 0)
			f->taken_ns = now_ns;
		keep_limits(pool, i, word, f->taken_ns, now_ns);
	}
}

static int64_t wake_rested(ipk_pool *pool, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;
	ipk_future *next;

	for (ipk_future *f = pool->resting.first; f; f = next) {
		next = f->next;
		if (f->not_before_ns <= now_ns) {
			list_take(f);
			list_put(&pool->backlog, f, false);
		} else {
			next_ns = ipk__sooner_ns(next_ns, f->not_before_ns);
		}
	}
	return next_ns;
}

int64_t ipk__tasks_tick(ipk_pool *pool, int64_t now_ns)
{
	int64_t next_ns = wake_rested(pool, now_ns);

	if (pool->n_timed > 0) {
		next_ns = ipk__sooner_ns(next_ns, keep_limits_of_workers(pool, now_ns));
		keep_limits_of_slots(pool, now_ns);
	}
	/* What starts after this check is not due before then. */
	if (pool->n_timed > 0)
		next_ns = ipk__sooner_ns(next_ns, now_ns + IPK__MIN(pool->shortest_ns, SWEEP_NS));
	feed(pool);
	return next_ns;
}

/* --- beginning and end ------------------------------------------------------------------------ */

int ipk__tasks_init(ipk_pool *pool)
{
	for (uint32_t i = 0; i < IPK__POOL_SLOTS; i++)
		pool->free_slots[i] = IPK__POOL_SLOTS - 1 - i;
	pool->n_free_slots = IPK__POOL_SLOTS;
	pool->shortest_ns = INT64_MAX;
	pool->next_look_ns = INT64_MAX;
	return 0;
}

void ipk__tasks_end(ipk_pool *pool)
{
	/* Its tasks are complete; an uncollected result of a thread is freed here. */
	for (uint32_t i = 0; i < IPK__POOL_SLOTS; i++) {
		struct ipk__pool_slot *slot = &pool->slots[i];

		if (ipk__slot_state(word_of(slot)) == IPK__SLOT_DONE &&
		    slot->result_kind == IPK__RESULT_HEAP)
			ipk__workers_drop_result(pool, slot);
	}
}
