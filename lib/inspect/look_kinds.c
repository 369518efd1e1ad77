/*
 * look_kinds.c - what each kind of small object says about itself.
 *
 * Everything is read from a copy, and from the file what did not fit into that. A kind first
 * checks that its numbers can be right, and only then writes any of them down.
 */
#include <errno.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "lock/lock_internal.h"

/* --- Lock and RLock --- */

/* How often its holder has it goes along with the holder. */
static int note_guard(const struct ipk__shm_guard *guard, struct ipk__object *o)
{
	int r;

	if (guard->is_recursive > 1)
		return -ENOTRECOVERABLE;
	r = ipk__make_holders(o, 1);
	if (r < 0)
		return r;
	ipk__note_holder(o, &guard->lock, IPK_INSPECT_PLAIN_LOCK);
	if (o->pub.n_holders > 0)
		o->holders[0].n_times += guard->n_again;
	return 0;
}

static int look_at_lock(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_guard_object *shm = (const struct ipk__shm_guard_object *)p->copy;

	o->pub.is_recursive = shm->guard.is_recursive != 0;
	return note_guard(&shm->guard, o);
}

/* --- all --- */

static const struct kind {
	ipk_inspect_kind kind; /* IPK_INSPECT_OTHER: not known */
	size_t n_bytes;        /* at least, and read before it is looked at */
	int (*look)(const struct ipk__peek *p, struct ipk__object *o);
} kinds[] = {
	[IPK__OBJECT_LOCK] = {IPK_INSPECT_LOCK, sizeof(struct ipk__shm_guard_object), look_at_lock},
};

static const struct kind *find(uint32_t object_kind)
{
	return &kinds[object_kind < IPK__N_OF(kinds) ? object_kind : 0];
}

ipk_inspect_kind ipk__kind_of_object(uint32_t object_kind)
{
	return find(object_kind)->kind;
}

int ipk__look_at_kind(const struct ipk__peek *p, uint32_t object_kind, struct ipk__object *o)
{
	const struct kind *kind = find(object_kind);

	if (!kind->look)
		return -EPROTONOSUPPORT;
	return p->n_bytes < kind->n_bytes ? -EBADMSG : kind->look(p, o);
}
