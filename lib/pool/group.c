/*
 * group.c - several tasks under one future, and one task in one call.
 *
 * The members of a starmap are ordinary tasks, each with its own future; the group's future
 * completes with the last of them. Its count starts one too high, for the submission itself, so it
 * cannot complete before all are submitted. It reports the failure of the failed member with the
 * smallest index.
 */
#include <errno.h>
#include <stdlib.h>

#include "pool/group.h"

/* --- any group -------------------------------------------------------------------------------- */

void ipk__group_init(struct ipk__group *group, ipk_pool *pool,
		     void (*over)(struct ipk__group *group, ipk_future *member),
		     void (*free)(struct ipk__group *group))
{
	*group = (struct ipk__group){.pool = pool, .over = over, .free = free};
	atomic_init(&group->n_refs, 1);
}

void ipk__group_unref(struct ipk__group *group)
{
	if (atomic_fetch_sub_explicit(&group->n_refs, 1, memory_order_acq_rel) == 1)
		group->free(group);
}

int ipk__group_submit(struct ipk__group *group, ipk_task_fn fn, const ipk_bytes *arg,
		      const ipk_task_opts *opts, size_t index, ipk_future **ret_future)
{
	int r;

	atomic_fetch_add_explicit(&group->n_refs, 1, memory_order_relaxed);
	r = ipk__tasks_submit(group->pool, fn, arg, opts, index, group, ret_future);
	if (r < 0)
		ipk__group_unref(group);
	return r;
}

void ipk__group_member_over(struct ipk__group *group, ipk_future *member)
{
	member->group = NULL;
	if (group->over)
		group->over(group, member);
	ipk__group_unref(group);
}

static size_t cancel_listed(struct ipk__group *group, ipk_future *list)
{
	size_t n = 0;

	for (ipk_future *f = list, *next; f; f = next) {
		next = f->next;
		if (f->group == group && ipk__tasks_cancel(f) == 0)
			n++;
	}
	return n;
}

static size_t cancel_in_slots(struct ipk__group *group, bool only_ready)
{
	ipk_pool *pool = group->pool;
	size_t n = 0;

	for (uint32_t i = 0; i < IPK__POOL_SLOTS; i++) {
		ipk_future *f = pool->by_slot[i];

		if (!f || f->group != group ||
		    (only_ready && ipk__slot_state(pool->slots[i].word) != IPK__SLOT_READY))
			continue;
		if (ipk__tasks_cancel(f) == 0)
			n++;
	}
	return n;
}

/* A task that would replace others goes before them: in slots, and in workers. */
size_t ipk__group_cancel_members(struct ipk__group *group)
{
	ipk_pool *pool = group->pool;
	size_t n;

	if (atomic_load_explicit(&group->n_refs, memory_order_relaxed) <= 1)
		return 0; /* all are over */
	n = cancel_listed(group, pool->backlog.first);
	n += cancel_listed(group, pool->resting.first);
	n += cancel_in_slots(group, true);
	return n + cancel_in_slots(group, false);
}

/* --- starmap ---------------------------------------------------------------------------------- */

struct starmap {
	struct ipk__group group;
	ipk_future *future; /* which owns this */
	ipk_future **members;
	size_t n, n_left;
	bool is_cancelled;
};

static void finish_starmap(struct starmap *s)
{
	ipk_failure failure;

	if (s->is_cancelled) {
		ipk__failure_init(&failure, IPK_FAILURE_CANCELLED, s->future);
		ipk__future_failed(s->future, &failure);
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		if (s->members[i]->cause != IPK_FAILURE_NONE) {
			ipk__future_copy_failure(s->members[i], &failure);
			ipk__future_failed(s->future, &failure);
			return;
		}
	}
	ipk__future_done(s->future);
}

static void one_less(struct starmap *s)
{
	if (--s->n_left == 0)
		finish_starmap(s);
}

static void starmap_over(struct ipk__group *group, ipk_future *member)
{
	(void)member;
	one_less((struct starmap *)group);
}

static void starmap_free(struct ipk__group *group)
{
	struct starmap *s = (struct starmap *)group;

	for (size_t i = 0; i < s->n; i++)
		ipk__future_unref(s->members[i]);
	free(s->members);
	free(s);
}

/* Nothing is in flight yet. NULL: out of memory. */
static struct starmap *starmap_new(ipk_pool *pool, size_t n)
{
	struct starmap *s = ipk__os_calloc(1, sizeof *s);
	ipk_future *f = NULL;

	if (s)
		s->members = ipk__os_calloc(n ? n : 1, sizeof(ipk_future *));
	if (s && s->members) {
		ipk__pool_lock(pool);
		f = ipk__future_new(pool, IPK__FUTURE_GROUP);
		ipk__pool_unlock(pool);
	}
	if (!f) {
		free(s ? s->members : NULL);
		free(s);
		return NULL;
	}
	ipk__group_init(&s->group, pool, starmap_over, starmap_free);
	s->n_left = n + 1;
	s->future = f;
	f->group = &s->group;
	return s;
}

int ipk_pool_starmap(ipk_pool *pool, ipk_task_fn fn, const ipk_bytes *args, size_t n,
		     const ipk_task_opts *opts, ipk_future **ret_future)
{
	ipk_future *f;
	struct starmap *s;
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	if (!fn || !ret_future || (n && !args))
		return ipk__invalid("fn, args or ret_future is NULL");
	s = starmap_new(pool, n);
	if (!s)
		return -ENOMEM;
	f = s->future;
	while (r == 0 && s->n < n) {
		r = ipk__group_submit(&s->group, fn, &args[s->n], opts, s->n, &s->members[s->n]);
		if (r == 0)
			s->n++;
	}
	ipk__pool_lock(pool);
	if (r < 0) {
		s->n_left -= n - s->n;
		s->is_cancelled = true;
		ipk__group_cancel_members(&s->group);
	}
	one_less(s);
	ipk__pool_unlock(pool);
	if (r < 0)
		ipk_future_close(f);
	else
		*ret_future = f;
	return r;
}

void ipk__group_free(struct ipk__group *group)
{
	ipk__group_unref(group);
}

int ipk__group_cancel(ipk_future *f)
{
	struct starmap *s = (struct starmap *)f->group;

	if (ipk__future_is_over(f))
		return f->state == IPK_FUTURE_CANCELLED ? 0 : -EALREADY;
	s->n_left++; /* it ends below, once it is known whether anything was left to cancel */
	if (ipk__group_cancel_members(&s->group) > 0)
		s->is_cancelled = true;
	one_less(s);
	return s->is_cancelled ? 0 : -EALREADY;
}

static bool was_begun(const ipk_future *member)
{
	if (member->slot < 0)
		return member->n_begun > 0;
	return ipk__slot_state(member->pool->slots[member->slot].word) != IPK__SLOT_READY;
}

ipk_future_state ipk__group_state(ipk_future *f)
{
	struct starmap *s = (struct starmap *)f->group;

	if (ipk__future_is_over(f))
		return f->state;
	for (size_t i = 0; i < s->n; i++) {
		if (ipk__future_is_over(s->members[i]) || was_begun(s->members[i]))
			return IPK_FUTURE_RUNNING;
	}
	return IPK_FUTURE_PENDING;
}

int ipk__group_failures(ipk_future *f, ipk_failure *ret_failures, size_t max, size_t *ret_n)
{
	struct starmap *s = (struct starmap *)f->group;
	size_t n_failed = 0;

	if (!ipk__future_is_over(f))
		return -EAGAIN;
	for (size_t i = 0; i < s->n; i++) {
		if (s->members[i]->cause == IPK_FAILURE_NONE)
			continue;
		if (n_failed < max)
			ipk__future_copy_failure(s->members[i], &ret_failures[n_failed]);
		n_failed++;
	}
	*ret_n = n_failed;
	return 0;
}

int ipk_future_item(ipk_future *f, size_t index, ipk_future **ret_item)
{
	struct starmap *s;
	int r;

	if (!f)
		return -EBADF;
	r = ipk__pool_check(f->pool);
	if (r < 0)
		return r;
	if (f->kind != IPK__FUTURE_GROUP)
		return -EOPNOTSUPP;
	s = (struct starmap *)f->group;
	if (!ret_item)
		return ipk__invalid("ret_item is NULL");
	if (index >= s->n)
		return -ERANGE;
	ipk__pool_lock(f->pool);
	ipk__future_ref(s->members[index]);
	ipk__pool_unlock(f->pool);
	*ret_item = s->members[index];
	return 0;
}

/* --- one task, in one call -------------------------------------------------------------------- */

int ipk_pool_apply(ipk_pool *pool, ipk_task_fn fn, const void *arg, size_t arg_bytes, void *buf,
		   size_t buf_bytes, ipk_deadline deadline, size_t *ret_len_bytes)
{
	ipk_future *f;
	int r = ipk_pool_submit(pool, fn, arg, arg_bytes, NULL, &f);

	if (r < 0)
		return r;
	r = ipk_future_get(f, buf, buf_bytes, deadline, ret_len_bytes);
	if (r == -ETIMEDOUT && ipk_future_cancel(f) == -EALREADY)
		r = ipk_future_get(f, buf, buf_bytes, ipk_now(), ret_len_bytes);
	ipk_future_close(f);
	return r;
}
