/*
 * reduce.c - map-reduce: the workers combine results pairwise, as they arrive.
 *
 * The number of tasks in flight is limited (the window), and combining takes precedence over
 * mapping; so combining begins with the first two results, and no more results are held than the
 * window is wide, however many arguments there are. Which two are combined depends on timing: the
 * shape of the tree is not defined.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "pool/group.h"

#define WINDOW_PER_WORKER 16u

/* What a combining task gets: this, the first result, and, at a multiple of 16, the second. */
struct pair {
	ipk_combine_fn combine;
	uint64_t a_bytes;
};

struct reduce {
	struct ipk__group group;
	ipk_task_fn map;
	ipk_combine_fn combine;
	const ipk_bytes *args;
	const ipk_task_opts *opts;
	size_t n, n_mapped; /* arguments, and how many of them were submitted */
	size_t window, n_running;
	size_t n_ready;
	ipk_future *failed;  /* the first one */
	ipk_future *ready[]; /* results that wait to be combined; at most the window */
};

static int combine_task(ipk_task *task, const void *arg, size_t arg_bytes)
{
	struct pair pair;
	ipk_bytes a, b;
	size_t b_offset;

	memcpy(&pair, arg, sizeof pair);
	b_offset = sizeof pair + ipk__round_up(pair.a_bytes, 16);
	a = (ipk_bytes){(const char *)arg + sizeof pair, pair.a_bytes};
	b = (ipk_bytes){(const char *)arg + b_offset, arg_bytes - b_offset};
	return pair.combine(task, &a, &b);
}

static void task_over(struct ipk__group *group, ipk_future *member)
{
	struct reduce *m = (struct reduce *)group;

	m->n_running--;
	if (member->cause == IPK_FAILURE_NONE)
		m->ready[m->n_ready++] = member;
	else if (!m->failed)
		m->failed = member;
	else
		ipk__future_unref(member);
}

/* Afterwards: no caller has kept the handle. */
static void forget(struct ipk__group *group, ipk_future *member)
{
	(void)group;
	ipk__future_unref(member);
}

static void reduce_free(struct ipk__group *group)
{
	free(group);
}

/* The count is raised before the task, which may complete at once; and lowered if there is none. */
static int submit(struct reduce *m, ipk_task_fn fn, const ipk_bytes *arg, size_t index)
{
	ipk_future *f; /* task_over() finds it again */
	int r;

	ipk__pool_lock(m->group.pool);
	m->n_running++;
	ipk__pool_unlock(m->group.pool);
	r = ipk__group_submit(&m->group, fn, arg, m->opts, index, &f);
	if (r < 0) {
		ipk__pool_lock(m->group.pool);
		m->n_running--;
		ipk__pool_unlock(m->group.pool);
	}
	return r;
}

static int combine_two(struct reduce *m, ipk_future *a, ipk_future *b)
{
	struct pair pair = {m->combine, a->result_bytes};
	size_t b_offset = sizeof pair + ipk__round_up(a->result_bytes, 16);
	ipk_bytes arg = {.len_bytes = b_offset + b->result_bytes};
	char *copy = ipk__os_calloc(1, arg.len_bytes);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, &pair, sizeof pair);
	if (a->result_bytes)
		memcpy(copy + sizeof pair, a->result, a->result_bytes);
	if (b->result_bytes)
		memcpy(copy + b_offset, b->result, b->result_bytes);
	arg.data = copy;
	r = submit(m, combine_task, &arg, 0);
	free(copy);
	return r;
}

/* Two that are ready, if there are. */
static bool take_two(struct reduce *m, ipk_future **ret_a, ipk_future **ret_b)
{
	bool are_there;

	ipk__pool_lock(m->group.pool);
	are_there = m->n_ready >= 2;
	if (are_there) {
		*ret_a = m->ready[--m->n_ready];
		*ret_b = m->ready[--m->n_ready];
	}
	ipk__pool_unlock(m->group.pool);
	return are_there;
}

static int combine_what_is_ready(struct reduce *m)
{
	ipk_future *a, *b;
	int r = 0;

	while (r == 0 && take_two(m, &a, &b)) {
		r = combine_two(m, a, b);
		ipk_future_close(a);
		ipk_future_close(b);
	}
	return r;
}

static bool has_room(const struct reduce *m)
{
	return m->n_mapped < m->n && m->n_running + m->n_ready < m->window;
}

/* Room for half a window is worth coming back for, less is not. */
static bool is_due(void *arg)
{
	const struct reduce *m = arg;

	return m->failed || m->n_ready >= 2 || m->n_running == 0 ||
	       (m->n_mapped < m->n && m->n_running + m->n_ready <= m->window / 2);
}

static bool may_map(struct reduce *m)
{
	bool may;

	ipk__pool_lock(m->group.pool);
	may = !m->failed && m->n_ready < 2 && has_room(m);
	ipk__pool_unlock(m->group.pool);
	return may;
}

static bool is_through(struct reduce *m)
{
	bool is;

	ipk__pool_lock(m->group.pool);
	is = m->failed || (m->n_mapped == m->n && m->n_running == 0 && m->n_ready == 1);
	ipk__pool_unlock(m->group.pool);
	return is;
}

static int run(struct reduce *m, ipk_deadline deadline)
{
	int r = 0;

	while (r == 0) {
		r = combine_what_is_ready(m);
		while (r == 0 && may_map(m)) {
			r = submit(m, m->map, &m->args[m->n_mapped], m->n_mapped);
			m->n_mapped++;
		}
		if (r < 0 || is_through(m))
			break;
		r = ipk__pool_wait(m->group.pool, NULL, is_due, m, deadline);
	}
	return r;
}

/* NULL: no memory. */
static struct reduce *reduce_new(ipk_pool *pool, size_t n)
{
	struct reduce *m;
	size_t window;

	ipk__pool_lock(pool);
	window = IPK__MIN((size_t)WINDOW_PER_WORKER * pool->n_workers, n + 1);
	ipk__pool_unlock(pool);
	window = IPK__MAX(window, 2u);
	m = ipk__os_calloc(1, sizeof *m + window * sizeof(ipk_future *));
	if (!m)
		return NULL;
	ipk__group_init(&m->group, pool, task_over, reduce_free);
	m->n = n;
	m->window = window;
	return m;
}

/* What is left is not wanted any more. */
static void end(struct reduce *m)
{
	ipk__pool_lock(m->group.pool);
	m->group.over = forget;
	ipk__group_cancel_members(&m->group);
	for (size_t i = 0; i < m->n_ready; i++)
		ipk__future_unref(m->ready[i]);
	if (m->failed)
		ipk__future_unref(m->failed);
	ipk__pool_unlock(m->group.pool);
	ipk__group_unref(&m->group);
}

int ipk_pool_map_reduce(ipk_pool *pool, ipk_task_fn map, ipk_combine_fn combine,
			const ipk_bytes *args, size_t n, const ipk_task_opts *opts,
			ipk_deadline deadline, void **ret_data, size_t *ret_len_bytes)
{
	struct reduce *m;
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	if (!map || !combine || !args || n == 0 || !ret_data)
		return ipk__invalid("map, combine, args or ret_data is NULL, or n is 0");
	m = reduce_new(pool, n);
	if (!m)
		return -ENOMEM;
	m->map = map;
	m->combine = combine;
	m->args = args;
	m->opts = opts;
	r = run(m, deadline);
	/* The result is that of the failed task, or of the last one. */
	if (r == 0)
		r = ipk_future_get_alloc(m->failed ? m->failed : m->ready[0], ipk_now(), ret_data,
					 ret_len_bytes);
	end(m);
	return r;
}
