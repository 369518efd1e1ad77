/*
 * group.h - groups of tasks, as their creators use them: starmaps (group.c), imaps (imap.c),
 * map-reduces (reduce.c).
 *
 * A group is part of its owner's memory, which must last until the last member completes, even when
 * the owner is no longer interested. So it is reference-counted: one for the owner, one for each
 * incomplete member.
 */
#ifndef IPK_POOL_GROUP_H
#define IPK_POOL_GROUP_H

#include "pool/pool_internal.h"

struct ipk__group {
	ipk_pool *pool; /* kept alive by the owner while it uses the group */
	_Atomic unsigned n_refs;
	/* A member completed; with the mutex held. NULL: not needed. */
	void (*over)(struct ipk__group *group, ipk_future *member);
	/* the last reference is dropped; with the mutex or without */
	void (*free)(struct ipk__group *group);
};

/* With the owner's reference. */
void ipk__group_init(struct ipk__group *group, ipk_pool *pool,
		     void (*over)(struct ipk__group *group, ipk_future *member),
		     void (*free)(struct ipk__group *group));
void ipk__group_unref(struct ipk__group *group);
/* ipk__tasks_submit() of a member. */
int ipk__group_submit(struct ipk__group *group, ipk_task_fn fn, const ipk_bytes *arg,
		      const ipk_task_opts *opts, size_t index, ipk_future **ret_future);
/* Cancels incomplete members; with the mutex held. Returns how many. */
size_t ipk__group_cancel_members(struct ipk__group *group);

static inline bool ipk__future_is_over(ipk_future *f)
{
	return atomic_load_explicit(&f->state, memory_order_acquire) >= IPK_FUTURE_DONE;
}

#endif
