/*
 * probe_arena.c - the small objects in an arena, one after the other.
 *
 * Blocks never move, split or merge, so they can be walked by their sizes from first to last at any
 * time, and the index of a block is fixed for the arena's lifetime: object ids are derived from it.
 * One pass reads each object once; the waiters, taken from the tables beforehand and sorted by
 * object, are merged in along the way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"

#define TABLES_MAX IPK__ARENA_TABLES_MAX
#define SLOTS_MAX (TABLES_MAX * IPK__WAITERS_MAX)
/* One alone may be larger; then there is room for more on the rest of its last page. */
#define ROOMS_MAX ((IPK__ARENA_BYTES_MAX + ((size_t)64 << 10)) / IPK__OBJECT_ALIGN)
#define ROOM_BITS 20
#define WINDOW_BYTES ((size_t)64 << 10) /* read at once */
_Static_assert(ROOMS_MAX < (size_t)1 << ROOM_BITS, "ids are unique");

struct sleeper {
	uint64_t object;
	ipk_inspect_thread thread;
};

struct walk {
	int fd;
	uint64_t at;
	uint64_t end;
	uint64_t n_rooms; /* so far */
	struct sleeper *sleepers;
	size_t n_sleepers;
	size_t next_sleeper;
	char *window; /* what was last read of the arena */
	uint64_t window_at;
	size_t window_bytes;
};

/* --- waiters ---------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
	const struct sleeper *a = left;
	const struct sleeper *b = right;

	return a->object < b->object ? -1 : a->object > b->object;
}

static int read_sleepers(struct walk *w, uint32_t n_tables, bool is_foreign)
{
	struct ipk__waiters table;

	w->sleepers = ipk__os_calloc((size_t)n_tables * IPK__WAITERS_MAX, sizeof *w->sleepers);
	if (!w->sleepers)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_tables * IPK__WAITERS_MAX; i++) {
		const struct ipk__waiter *slot = &table.slots[i % IPK__WAITERS_MAX];
		struct sleeper *s = &w->sleepers[w->n_sleepers];
		int r = 0;

		if (i % IPK__WAITERS_MAX == 0)
			r = ipk__os_pread(w->fd, &table, sizeof table,
					  sizeof(struct ipk__shm_arena) +
						  i / IPK__WAITERS_MAX * sizeof table);
		if (r < 0)
			return r;
		s->object = atomic_load_explicit(&slot->object, memory_order_relaxed);
		w->n_sleepers += ipk__read_waiter(slot, is_foreign, &s->thread);
	}
	if (w->n_sleepers > 0)
		qsort(w->sleepers, w->n_sleepers, sizeof *w->sleepers, compare);
	return 0;
}

/* Objects are asked about in the order of their offsets. */
static int note_sleepers(struct walk *w, struct ipk__object *o)
{
	const struct sleeper *first;
	size_t n = 0;

	while (w->next_sleeper < w->n_sleepers && w->sleepers[w->next_sleeper].object < w->at)
		w->next_sleeper++;
	first = &w->sleepers[w->next_sleeper];
	while (w->next_sleeper < w->n_sleepers && w->sleepers[w->next_sleeper].object == w->at) {
		w->next_sleeper++;
		n++;
	}
	if (n == 0)
		return 0;
	o->waiters = ipk__os_malloc(n * sizeof *o->waiters);
	if (!o->waiters)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		o->waiters[i] = first[i].thread;
	o->pub.n_waiters = n;
	return 0;
}

/* --- one object ------------------------------------------------------------------------------- */

static int move_window(struct walk *w)
{
	size_t n = IPK__MIN(w->end - w->at, WINDOW_BYTES);
	int r = ipk__os_pread(w->fd, w->window, n, w->at);

	w->window_at = w->at;
	w->window_bytes = r < 0 ? 0 : n;
	return r;
}

static bool is_in_window(const struct walk *w, size_t n_bytes)
{
	return w->at >= w->window_at && w->at + n_bytes <= w->window_at + w->window_bytes;
}

/* How the object here begins; its size is one that can be followed. */
static int peek(struct walk *w, struct ipk__peek *p)
{
	const struct ipk__shm_object *object = (const struct ipk__shm_object *)p->copy;
	uint64_t left = w->end - w->at;
	int r = 0;

	p->fd = w->fd;
	p->offset = w->at;
	p->n_copied = IPK__MIN(left, sizeof p->copy);
	if (!is_in_window(w, p->n_copied))
		r = move_window(w);
	if (r < 0)
		return r;
	memcpy(p->copy, w->window + (w->at - w->window_at), p->n_copied);
	p->n_bytes = object->n_bytes;
	if (p->n_bytes < sizeof *object || p->n_bytes > left || p->n_bytes % IPK__OBJECT_ALIGN != 0)
		return -EBADMSG;
	return 0;
}

static uint32_t kind_in(const struct ipk__peek *p)
{
	const struct ipk__shm_object *object = (const struct ipk__shm_object *)p->copy;

	/* Stored last by its creator; what came before is in the copy, or read again. */
	return atomic_load_explicit(&object->kind, memory_order_acquire);
}

/* Of a part: its label, or else the word for what it is. */
static int name_part(const struct ipk__shm_object *object, struct ipk__object *o)
{
	char label[IPK__OBJECT_LABEL_BYTES + 1] = "";

	memcpy(label, object->label, sizeof object->label);
	return ipk__object_set_name(o, "", *label ? label : ipk_inspect_kind_name(&o->pub));
}

/* -ENOENT: it was closed meanwhile. */
static int fill(struct walk *w, struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_object *object = (const struct ipk__shm_object *)p->copy;
	int r = ipk__probe_kind(p, kind_in(p), o);

	for (int i = 1; r == -ENOTRECOVERABLE && i < IPK__PROBE_TRIES; i++) {
		w->window_bytes = 0; /* read again */
		r = peek(w, p);
		if (r == 0)
			r = kind_in(p) == 0 ? -ENOENT : ipk__probe_kind(p, kind_in(p), o);
	}
	if (r < 0)
		return r;
	o->pub.age_ns = ipk__since_ns(object->created_boot_ns);
	return note_sleepers(w, o);
}

static int add_part(struct walk *w, struct ipk__peek *p, struct ipk__object *whole)
{
	struct ipk__object *o;
	int r = ipk__object_add_part(whole, &o);

	if (r < 0)
		return r;
	o->pub.kind = ipk__kind_of_object(kind_in(p));
	o->pub.id = whole->pub.id << ROOM_BITS | w->n_rooms;
	o->pub.memory_bytes = p->n_bytes;
	r = fill(w, p, o);
	if (r == -ENOENT)
		ipk__object_drop_part(whole);
	if (r == -ENOENT || r == -ENOMEM)
		return r == -ENOENT ? 0 : r;
	o->pub.error = r;
	if (r < 0)
		ipk__object_forget(o);
	return name_part((const struct ipk__shm_object *)p->copy, o);
}

/* --- all of them ------------------------------------------------------------------------------ */

static int add_parts(struct walk *w, struct ipk__object *whole)
{
	struct ipk__peek p;

	for (; w->at < w->end; w->at += p.n_bytes) {
		int r = ++w->n_rooms > ROOMS_MAX ? -EBADMSG : peek(w, &p);

		if (r == 0 && kind_in(&p) != 0)
			r = add_part(w, &p, whole);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A named one has just one object, which is whole before others can find it. */
static int fill_whole(struct walk *w, struct ipk__object *whole)
{
	struct ipk__peek p;
	int r = w->at < w->end ? peek(w, &p) : -EBADMSG;

	if (r < 0)
		return r;
	whole->pub.kind = ipk__kind_of_object(kind_in(&p));
	r = kind_in(&p) == 0 ? -EBADMSG : fill(w, &p, whole);
	return r == -ENOENT ? -EBADMSG : r;
}

/* -ENODATA: its creator has not got that far. */
static int begin_walk(struct walk *w, const struct ipk__shm_arena *a)
{
	w->at = a->objects_offset;
	w->end = atomic_load_explicit(&a->end_offset, memory_order_acquire);
	if (w->end == 0)
		return -ENODATA;
	if (a->n_tables == 0 || a->n_tables > TABLES_MAX ||
	    w->at != ipk__arena_objects_offset(a->n_tables) || w->end < w->at ||
	    w->end > a->header.fixed_bytes || w->end % IPK__OBJECT_ALIGN != 0)
		return -EBADMSG;
	return 0;
}

int ipk__probe_arena(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	struct ipk__shm_arena a;
	struct walk w = {.fd = fd};
	int r = h->fixed_bytes < sizeof a ? -EBADMSG : ipk__os_pread(fd, &a, sizeof a, 0);

	if (r == 0)
		r = begin_walk(&w, &a);
	if (r < 0)
		return r == -ENODATA && !o->pub.is_named ? 0 : r;
	w.window = ipk__os_malloc(IPK__MIN(w.end - w.at, WINDOW_BYTES));
	r = w.window ? read_sleepers(&w, a.n_tables, o->pub.is_foreign) : -ENOMEM;
	if (r == 0)
		r = o->pub.is_named ? fill_whole(&w, o) : add_parts(&w, o);
	free(w.sleepers);
	free(w.window);
	return r;
}
