/*
 * probe_kinds.c - the state of each kind of small object.
 *
 * Everything is read from a copy, and from the file what did not fit into the copy. Each kind
 * validates its numbers before it stores any of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "lock/lock_internal.h"
#include "lock/rwlock_internal.h"
#include "lock/semaphore_internal.h"
#include "lock/states.h"
#include "shared/owner.h"
#include "value/value_internal.h"

int ipk__read_at(const struct ipk__peek *p, uint64_t at, void *buf, size_t n_bytes)
{
	if (at > p->n_bytes || n_bytes > p->n_bytes - at)
		return -EBADMSG;
	if (at + n_bytes > p->n_copied)
		return ipk__os_pread(p->fd, buf, n_bytes, p->offset + at);
	memcpy(buf, p->copy + at, n_bytes);
	return 0;
}

/* --- Lock and RLock --------------------------------------------------------------------------- */

int ipk__note_guard(const struct ipk__shm_guard *guard, struct ipk__object *o)
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

static int probe_lock(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_guard_object *shm = (const struct ipk__shm_guard_object *)p->copy;

	o->pub.is_recursive = shm->guard.is_recursive != 0;
	return ipk__note_guard(&shm->guard, o);
}

/* --- RWLock ----------------------------------------------------------------------------------- */

/* What is in @n_cells of @cells, which is freed. */
static int note_readers(struct ipk__object *o, struct ipk__shm_cell *cells, uint32_t n_cells)
{
	size_t n = 1; /* room for a writer, too */
	int r;

	for (uint32_t i = 0; i < n_cells; i++)
		n += ipk__cell_holds(cells[i].word);
	r = ipk__make_holders(o, n);
	for (uint32_t i = 0; r == 0 && i < n_cells; i++) {
		uint64_t owner = cells[i].word;
		ipk_inspect_thread *t;

		if (!ipk__cell_holds(owner))
			continue;
		t = ipk__add_holder(o, ipk__owner_id(owner), IPK_INSPECT_READ_LOCK,
				    !o->pub.is_foreign && ipk__owner_is_dead(owner, false));
		t->n_times += cells[i].n_again;
	}
	free(cells);
	return r;
}

static int probe_rwlock(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_rwlock *shm = (const struct ipk__shm_rwlock *)p->copy;
	uint32_t writer = atomic_load_explicit(&shm->writer, memory_order_relaxed);
	bool is_alive = writer != 0 && writer == ipk__robust_lock_owner(&shm->writers);
	struct ipk__shm_cell *cells;
	int r;

	if (shm->n_cells > IPK_RWLOCK_READERS_MAX)
		return -EBADMSG;
	cells = ipk__os_malloc(shm->n_cells * sizeof *cells);
	if (!cells)
		return -ENOMEM;
	r = ipk__read_at(p, offsetof(struct ipk__shm_rwlock, cells), cells,
			 shm->n_cells * sizeof *cells);
	if (r < 0) {
		free(cells);
		return r;
	}
	r = note_readers(o, cells, shm->n_cells);
	if (r == 0 && is_alive)
		ipk__add_holder(o, writer, IPK_INSPECT_WRITE_LOCK, false);
	/* A writer died having it: until one has written the data may be half changed. */
	o->pub.needs_repair = writer != 0 && !is_alive;
	return r;
}

/* --- semaphores ------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* Each holder once, with how many it has. @tokens are sorted: the free ones come first. */
static int note_tokens(struct ipk__object *o, const uint64_t *tokens, uint32_t n)
{
	ipk_inspect_thread *t = NULL;
	int r = ipk__make_holders(o, n);

	o->pub.n_tokens = 0;
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		if (tokens[i] == 0)
			o->pub.n_tokens++;
		else if (t && tokens[i] == tokens[i - 1])
			t->n_times++;
		else
			t = ipk__add_holder(o, ipk__owner_id(tokens[i]), IPK_INSPECT_TOKEN,
					    !o->pub.is_foreign &&
						    ipk__owner_is_dead(tokens[i], true));
	}
	return r;
}

static int probe_tokens(const struct ipk__peek *p, struct ipk__object *o, uint32_t n)
{
	uint64_t *tokens = ipk__os_malloc(IPK__MAX(n, 1u) * sizeof *tokens);
	int r = tokens ? ipk__read_at(p, offsetof(struct ipk__shm_semaphore, tokens), tokens,
				      n * sizeof *tokens)
		       : -ENOMEM;

	/* A mark: its holder is releasing it. */
	for (uint32_t i = 0; r == 0 && i < n; i++)
		tokens[i] &= ~IPK__TOKEN_LEAVES;
	if (r == 0) {
		qsort(tokens, n, sizeof *tokens, compare);
		r = note_tokens(o, tokens, n);
	}
	free(tokens);
	return r;
}

static int probe_semaphore(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_semaphore *shm = (const struct ipk__shm_semaphore *)p->copy;
	uint32_t word = atomic_load_explicit(&shm->word, memory_order_relaxed);

	o->pub.is_owned = shm->object.flags == IPK_SEMAPHORE_OWNED;
	if (shm->object.flags > IPK_SEMAPHORE_OWNED || shm->max == 0 ||
	    shm->max > (o->pub.is_owned ? IPK_SEMAPHORE_TOKENS_MAX : IPK_SEMAPHORE_SIGNAL_MAX))
		return -EBADMSG;
	o->pub.max_tokens = shm->max == IPK_SEMAPHORE_SIGNAL_MAX ? 0 : shm->max;
	if (o->pub.is_owned)
		return probe_tokens(p, o, shm->max);
	o->pub.n_tokens = word & ~IPK__SEMAPHORE_SLEEPERS;
	return o->pub.n_tokens > shm->max ? -ENOTRECOVERABLE : 0;
}

/* --- conditions, events, barriers, onces ------------------------------------------------------ */

static int probe_cond(const struct ipk__peek *p, struct ipk__object *o)
{
	/* Who waits is all there is to it. */
	(void)p;
	(void)o;
	return 0;
}

static int probe_event(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_flag *shm = (const struct ipk__shm_flag *)p->copy;

	o->pub.is_set = (atomic_load_explicit(&shm->word, memory_order_relaxed) & 1) != 0;
	return 0;
}

/* The runner of the action, if any. */
static int note_runner(const struct ipk__peek *p, uint32_t party, struct ipk__object *o)
{
	uint64_t who;
	int r = ipk__read_at(p,
			     sizeof(struct ipk__shm_barrier) +
				     party * sizeof(struct ipk__shm_party) +
				     offsetof(struct ipk__shm_party, who),
			     &who, sizeof who);

	if (r == 0)
		r = ipk__make_holders(o, 1);
	if (r == 0 && who != 0)
		ipk__add_holder(o, ipk__owner_id(who), IPK_INSPECT_RUN,
				!o->pub.is_foreign && ipk__owner_is_dead(who, false));
	return r;
}

static int probe_barrier(const struct ipk__peek *p, struct ipk__object *o)
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

static int probe_once(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_once *shm = (const struct ipk__shm_once *)p->copy;
	int r = ipk__make_holders(o, 1);

	if (r < 0)
		return r;
	o->pub.is_set = atomic_load_explicit(&shm->is_done, memory_order_relaxed) != 0;
	ipk__note_holder(o, &shm->lock, IPK_INSPECT_RUN);
	return 0;
}

/* --- all -------------------------------------------------------------------------------------- */

static const struct kind {
	ipk_inspect_kind kind; /* IPK_INSPECT_OTHER: not known */
	size_t n_bytes;        /* at least, and read before it is looked at */
	int (*look)(const struct ipk__peek *p, struct ipk__object *o);
} kinds[] = {
	[IPK__OBJECT_LOCK] = {IPK_INSPECT_LOCK, sizeof(struct ipk__shm_guard_object), probe_lock},
	[IPK__OBJECT_RWLOCK] = {IPK_INSPECT_RWLOCK, sizeof(struct ipk__shm_rwlock), probe_rwlock},
	[IPK__OBJECT_SEMAPHORE] = {IPK_INSPECT_SEMAPHORE, sizeof(struct ipk__shm_semaphore),
				   probe_semaphore},
	[IPK__OBJECT_COND] = {IPK_INSPECT_COND, sizeof(struct ipk__shm_cond), probe_cond},
	[IPK__OBJECT_EVENT] = {IPK_INSPECT_EVENT, sizeof(struct ipk__shm_flag), probe_event},
	[IPK__OBJECT_BARRIER] = {IPK_INSPECT_BARRIER, sizeof(struct ipk__shm_barrier),
				 probe_barrier},
	[IPK__OBJECT_ONCE] = {IPK_INSPECT_ONCE, sizeof(struct ipk__shm_once), probe_once},
	[IPK__OBJECT_VALUE] = {IPK_INSPECT_VALUE, sizeof(struct ipk__shm_value), ipk__probe_value},
	[IPK__OBJECT_ARRAY] = {IPK_INSPECT_ARRAY, sizeof(struct ipk__shm_array), ipk__probe_array},
};

static const struct kind *find(uint32_t object_kind)
{
	return &kinds[object_kind < IPK__N_OF(kinds) ? object_kind : 0];
}

ipk_inspect_kind ipk__kind_of_object(uint32_t object_kind)
{
	return find(object_kind)->kind;
}

int ipk__probe_kind(const struct ipk__peek *p, uint32_t object_kind, struct ipk__object *o)
{
	const struct kind *kind = find(object_kind);

	if (!kind->look)
		return -EPROTONOSUPPORT;
	return p->n_bytes < kind->n_bytes ? -EBADMSG : kind->look(p, o);
}
