/*
 * imap.c - a map whose input is read only as fast as its results are taken.
 *
 * In flight are the items taken from the input and not returned yet: never more than the window.
 * Each has an entry in a ring as large as the window. In the order of the input the entry follows
 * from the item's number and holds the future from the beginning; in the order of the results it is
 * the next free entry, and is filled when the future completes. Either way the next one to return
 * is in the entry given by the number of returned ones.
 *
 * An error of the input, or of submitting, is held back until everything before it was returned. An
 * item that could not be submitted is kept (the input's memory is valid until it is asked again),
 * so nothing is lost when the caller continues.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "pool/group.h"

#define WINDOW_PER_WORKER 16u

struct ipk_imap {
	struct ipk__group group;
	ipk_task_fn fn;
	ipk_next_fn next;
	void *next_arg;
	ipk_imap_opts opts;
	ipk_task_opts task;
	ipk_bytes item; /* taken and not submitted */
	bool has_item, is_at_end;
	int error; /* to be returned when nothing is in flight any more */
	uint64_t n_taken, n_given, n_over;
	ipk_future *ring[];
};

static ipk_future **slot_of(ipk_imap *m, uint64_t i)
{
	return &m->ring[i % m->opts.window];
}

static void unordered_over(struct ipk__group *group, ipk_future *member)
{
	ipk_imap *m = (ipk_imap *)group;

	*slot_of(m, m->n_over++) = member;
}

static void imap_free(struct ipk__group *group)
{
	free(group);
}

static int read_opts(const ipk_pool *pool, const ipk_imap_opts *opts, ipk_imap_opts *ret_opts,
		     ipk_task_opts *ret_task)
{
	int r = ipk__opts_copy(ret_opts, sizeof *ret_opts, opts);

	if (r == 0)
		r = ipk__opts_copy(ret_task, sizeof *ret_task, ret_opts->task);
	if (r < 0)
		return r;
	ret_task->struct_size = sizeof *ret_task;
	if (ret_opts->window == 0)
		ret_opts->window = (size_t)WINDOW_PER_WORKER * pool->n_workers;
	if (ret_opts->window > SIZE_MAX / sizeof(ipk_future *) - sizeof(ipk_imap))
		return -ENOMEM;
	if (ret_opts->chunk == 0)
		ret_opts->chunk = 1;
	ret_opts->chunk = IPK__MIN(ret_opts->chunk, ret_opts->window);
	return 0;
}

int ipk_pool_imap(ipk_pool *pool, ipk_task_fn fn, ipk_next_fn next, void *next_arg,
		  const ipk_imap_opts *opts, ipk_imap **ret_imap)
{
	ipk_imap_opts known;
	ipk_task_opts task;
	ipk_imap *m;
	int r = ipk__pool_check(pool);

	if (r == 0 && (!fn || !next || !ret_imap))
		r = ipk__invalid("fn, next or ret_imap is NULL");
	if (r < 0)
		return r;
	ipk__pool_lock(pool);
	r = pool->phase == IPK__POOL_RUNS ? read_opts(pool, opts, &known, &task) : -ESHUTDOWN;
	ipk__pool_unlock(pool);
	if (r < 0)
		return r;
	m = ipk__os_calloc(1, sizeof *m + known.window * sizeof(ipk_future *));
	if (!m)
		return -ENOMEM;
	ipk__group_init(&m->group, pool, known.is_unordered ? unordered_over : NULL, imap_free);
	atomic_fetch_add(&pool->n_refs, 1);
	m->fn = fn;
	m->next = next;
	m->next_arg = next_arg;
	m->opts = known;
	m->task = task;
	*ret_imap = m;
	return 0;
}

/* 1: one more is in flight; 0: the input has ended. */
static int take_one(ipk_imap *m)
{
	ipk_future *f;
	int r = 1;

	if (!m->has_item)
		r = m->next(m->next_arg, &m->item);
	if (r < 0)
		return r;
	m->is_at_end = r == 0;
	m->has_item = r > 0;
	if (r == 0)
		return 0;
	r = ipk__group_submit(&m->group, m->fn, &m->item, &m->task, m->n_taken, &f);
	if (r < 0)
		return r;
	m->has_item = false;
	/* In the other order the handle just created is found again when the task completes. */
	if (!m->opts.is_unordered)
		*slot_of(m, m->n_taken) = f;
	m->n_taken++;
	return 1;
}

static void refill(ipk_imap *m)
{
	while (m->error == 0 && !m->is_at_end &&
	       m->n_taken - m->n_given + m->opts.chunk <= m->opts.window) {
		for (size_t i = 0; i < m->opts.chunk && m->error == 0 && !m->is_at_end; i++) {
			int r = take_one(m);

			m->error = r < 0 ? r : 0;
		}
	}
}

static bool has_one_over(void *arg)
{
	const ipk_imap *m = arg;

	return m->n_over > m->n_given;
}

int ipk_imap_next(ipk_imap *m, ipk_deadline deadline, ipk_future **ret_future)
{
	ipk_future **next;
	int r;

	if (!m)
		return -EBADF;
	if (!ret_future)
		return ipk__invalid("ret_future is NULL");
	r = ipk__pool_check(m->group.pool);
	if (r < 0)
		return r;
	refill(m);
	if (m->n_taken == m->n_given) {
		r = m->error ? m->error : -ENOENT;
		m->error = 0;
		return r;
	}
	next = slot_of(m, m->n_given);
	if (m->opts.is_unordered)
		r = ipk__pool_wait(m->group.pool, NULL, has_one_over, m, deadline);
	else
		r = ipk_future_wait(*next, deadline);
	if (r < 0)
		return r;
	*ret_future = *next;
	*next = NULL;
	m->n_given++;
	return 0;
}

/* The handles of tasks in flight: in the order of the results, of completed ones only. */
static void close_rest(ipk_imap *m)
{
	uint64_t end = m->opts.is_unordered ? m->n_over : m->n_taken;

	for (uint64_t i = m->n_given; i < end; i++)
		ipk__future_unref(*slot_of(m, i));
}

/* Incomplete tasks in flight have no handle any more: they are freed when they complete. */
static void forget(struct ipk__group *group, ipk_future *member)
{
	(void)group;
	ipk__future_unref(member);
}

ipk_imap *ipk_imap_close(ipk_imap *m)
{
	ipk_pool *pool;

	if (!m)
		return NULL;
	pool = m->group.pool;
	if (ipk__pool_check(pool) == 0) {
		ipk__pool_lock(pool);
		ipk__group_cancel_members(&m->group);
		m->group.over = m->opts.is_unordered ? forget : NULL;
		close_rest(m);
		ipk__pool_unlock(pool);
	}
	ipk__group_unref(&m->group);
	ipk__pool_unref(pool);
	return NULL;
}
