/*
 * look_kinds.c - what each kind of small object says about itself.
 *
 * Everything is read from a copy, and from the file what did not fit into that. A kind first
 * checks that its numbers can be right, and only then writes any of them down.
 */
#include <errno.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "lock/lock_internal.h"
#include "lock/states.h"
#include "shm/who.h"
#include "value/value_internal.h"

/* @n_bytes at @at of the object, from the copy when they are in it. */
static int read_at(const struct ipk__peek *p, uint64_t at, void *buf, size_t n_bytes)
{
	if (at > p->n_bytes || n_bytes > p->n_bytes - at)
		return -EBADMSG;
	if (at + n_bytes > p->n_copied)
		return ipk__os_pread(p->fd, buf, n_bytes, p->offset + at);
	memcpy(buf, p->copy + at, n_bytes);
	return 0;
}

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

/* --- conditions, events, barriers, onces --- */

static int look_at_cond(const struct ipk__peek *p, struct ipk__object *o)
{
	/* Who waits is all there is to it. */
	(void)p;
	(void)o;
	return 0;
}

static int look_at_event(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_flag *shm = (const struct ipk__shm_flag *)p->copy;

	o->pub.is_set = (atomic_load_explicit(&shm->word, memory_order_relaxed) & 1) != 0;
	return 0;
}

/* Who runs the action, while somebody does. */
static int note_runner(const struct ipk__peek *p, uint32_t party, struct ipk__object *o)
{
	uint64_t who;
	int r = read_at(p,
			sizeof(struct ipk__shm_barrier) + party * sizeof(struct ipk__shm_party) +
				offsetof(struct ipk__shm_party, who),
			&who, sizeof who);

	if (r == 0)
		r = ipk__make_holders(o, 1);
	if (r == 0 && who != 0)
		ipk__add_holder(o, ipk__who_tid(who), IPK_INSPECT_RUN,
				!o->pub.is_foreign && ipk__who_is_dead(who));
	return r;
}

static int look_at_barrier(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_barrier *shm = (const struct ipk__shm_barrier *)p->copy;
	uint64_t state = atomic_load_explicit(&shm->state, memory_order_relaxed);
	uint32_t last = ipk__barrier_last(state);

	if (shm->n_parties == 0 || shm->n_parties > IPK_BARRIER_PARTIES_MAX)
		return -EBADMSG;
	if (ipk__barrier_arrived(state) > shm->n_parties ||
	    (ipk__barrier_acts(state) && last >= shm->n_parties))
		return -ENOTRECOVERABLE;
	o->pub.n_parties = shm->n_parties;
	o->pub.n_arrived = ipk__barrier_arrived(state);
	o->pub.is_broken = ipk__barrier_broke(state);
	return ipk__barrier_acts(state) && !o->pub.is_broken ? note_runner(p, last, o) : 0;
}

static int look_at_once(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_once *shm = (const struct ipk__shm_once *)p->copy;
	int r = ipk__make_holders(o, 1);

	if (r < 0)
		return r;
	o->pub.is_set = atomic_load_explicit(&shm->is_done, memory_order_relaxed) != 0;
	ipk__note_holder(o, &shm->lock, IPK_INSPECT_RUN);
	return 0;
}

/* --- values and arrays --- */

static int note_type(const struct ipk__shm_object *object, uint64_t item_bytes,
		     struct ipk__object *o, const struct ipk__type **ret_type)
{
	int r = ipk__type_check(object->flags, item_bytes, ret_type);

	if (r < 0)
		return r;
	o->pub.typecode = *ret_type ? (*ret_type)->typecode : '\0';
	o->pub.item_bytes = item_bytes;
	o->pub.has_lock = (object->flags & IPK__FLAG_RAW) == 0;
	return 0;
}

/* The copy that counts, as long as the count of stores is the same before and after. */
static int read_struct(const struct ipk__peek *p, uint64_t item_bytes, struct ipk__head *ret_head)
{
	const struct ipk__shm_value *shm = (const struct ipk__shm_value *)p->copy;
	uint64_t before = atomic_load_explicit(&shm->word, memory_order_acquire);
	uint64_t copy_bytes = ipk__round_up(item_bytes, sizeof(uint64_t));
	uint64_t after;
	int r = read_at(p, sizeof(struct ipk__shm_pair) + (before & 1) * copy_bytes, ret_head,
			IPK__MIN(item_bytes, sizeof *ret_head));

	if (r == 0)
		r = ipk__os_pread(p->fd, &after, sizeof after,
				  p->offset + offsetof(struct ipk__shm_value, word));
	if (r == 0 && after != before)
		r = -EAGAIN;
	return r;
}

/* Stores may come faster than it can be read: then it is not shown, but it is not damaged. */
static int look_at_struct(const struct ipk__peek *p, struct ipk__object *o)
{
	struct ipk__peek again = *p;
	struct ipk__head head = {0};
	int r = o->pub.item_bytes > p->n_bytes / 2 ? -EBADMSG
						   : read_struct(p, o->pub.item_bytes, &head);

	for (int i = 1; r == -EAGAIN && i < IPK__LOOK_TRIES; i++) {
		r = ipk__os_pread(p->fd, again.copy, sizeof(struct ipk__shm_value), p->offset);
		again.n_copied = sizeof(struct ipk__shm_value);
		if (r == 0)
			r = read_struct(&again, o->pub.item_bytes, &head);
	}
	return r < 0 && r != -EAGAIN ? r : ipk__note_items(o, NULL, &head, r == 0);
}

static int look_at_value(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_value *shm = (const struct ipk__shm_value *)p->copy;
	const struct ipk__type *type;
	struct ipk__head head = {0};
	int r = note_type(&shm->object, shm->item_bytes, o, &type);

	if (r == 0 && o->pub.has_lock)
		r = note_guard(&shm->guard, o);
	if (r < 0)
		return r;
	o->pub.n_items = 1;
	if (!type)
		return look_at_struct(p, o);
	memcpy(head.bytes, &shm->word, sizeof shm->word);
	return ipk__note_items(o, type, &head, 1);
}

static int look_at_array(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_array *shm = (const struct ipk__shm_array *)p->copy;
	struct ipk__head heads[IPK__ITEMS_SHOWN] = {0};
	const struct ipk__type *type;
	uint64_t n_bytes;
	int r = note_type(&shm->object, shm->item_bytes, o, &type);

	if (r == 0 && (__builtin_mul_overflow(shm->n_items, shm->item_bytes, &n_bytes) ||
		       n_bytes > p->n_bytes - sizeof *shm))
		r = -EBADMSG;
	for (uint64_t i = 0; r == 0 && i < IPK__MIN(shm->n_items, IPK__ITEMS_SHOWN); i++)
		r = read_at(p, sizeof *shm + i * shm->item_bytes, &heads[i],
			    IPK__MIN(shm->item_bytes, sizeof heads[i]));
	if (r == 0 && o->pub.has_lock)
		r = note_guard(&shm->guard, o);
	if (r < 0)
		return r;
	o->pub.n_items = shm->n_items;
	return ipk__note_items(o, type, heads, IPK__MIN(shm->n_items, IPK__ITEMS_SHOWN));
}

/* --- all --- */

static const struct kind {
	ipk_inspect_kind kind; /* IPK_INSPECT_OTHER: not known */
	size_t n_bytes;        /* at least, and read before it is looked at */
	int (*look)(const struct ipk__peek *p, struct ipk__object *o);
} kinds[] = {
	[IPK__OBJECT_LOCK] = {IPK_INSPECT_LOCK, sizeof(struct ipk__shm_guard_object), look_at_lock},
	[IPK__OBJECT_COND] = {IPK_INSPECT_COND, sizeof(struct ipk__shm_cond), look_at_cond},
	[IPK__OBJECT_EVENT] = {IPK_INSPECT_EVENT, sizeof(struct ipk__shm_flag), look_at_event},
	[IPK__OBJECT_BARRIER] = {IPK_INSPECT_BARRIER, sizeof(struct ipk__shm_barrier),
				 look_at_barrier},
	[IPK__OBJECT_ONCE] = {IPK_INSPECT_ONCE, sizeof(struct ipk__shm_once), look_at_once},
	[IPK__OBJECT_VALUE] = {IPK_INSPECT_VALUE, sizeof(struct ipk__shm_value), look_at_value},
	[IPK__OBJECT_ARRAY] = {IPK_INSPECT_ARRAY, sizeof(struct ipk__shm_array), look_at_array},
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
