/*
 * inspect.c - snapshots, and their getters.
 *
 * One call takes a whole snapshot, which never changes: the getters only return pointers into it.
 * Objects that vanish meanwhile are left out; nothing that other processes do makes it fail. The
 * returned structs begin with their size and are accessed only through pointers from the library,
 * so later versions can append fields.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"

struct list {
	struct ipk__object **items;
	size_t n;
	size_t room;
};

struct ipk_inspect {
	struct list objects; /* a candidate */
	struct list owned;   /* what is freed: parts go with their wholes */
	size_t n_hidden;
};

#define ROOM_START 64

/* --- taking it -------------------------------------------------------------------------------- */

static int push(struct list *list, struct ipk__object *o)
{
	size_t room = list->room ? 2 * list->room : ROOM_START;
	struct ipk__object **items = NULL;

	if (list->n == list->room) {
		items = ipk__os_calloc(room, sizeof(struct ipk__object *));
		if (!items)
			return -ENOMEM;
		if (list->n > 0)
			memcpy(items, list->items, list->n * sizeof(struct ipk__object *));
		free(list->items);
		list->items = items;
		list->room = room;
	}
	list->items[list->n++] = o;
	return 0;
}

/* Pools and children belong to one process, by which they are found too. */
static bool has_number(const struct ipk__object *o, uint64_t n)
{
	bool is_of_process =
		o->pub.kind == IPK_INSPECT_POOL || o->pub.kind == IPK_INSPECT_PROCESSES;

	return n == o->pub.id || (is_of_process && n == o->pub.creator_pid);
}

static bool is_number(const char *match)
{
	return *match >= '0' && *match <= '9';
}

static bool is_wanted(const struct ipk__object *o, const char *match)
{
	uint64_t n;
	char *end;

	if (!match)
		return true;
	if (strcmp(match, o->name) == 0)
		return true;
	if (!is_number(match))
		return false;
	n = strtoull(match, &end, 10);
	return !*end && has_number(o, n);
}

/* An anonymous arena is shown for itself only when it is damaged. */
static bool is_shown(const struct ipk__object *o)
{
	return o->pub.kind != IPK_INSPECT_ARENA || o->pub.error != 0;
}

static int push_wanted(ipk_inspect *snap, struct ipk__object *o, const char *match)
{
	int r = 0;

	if (is_shown(o) && is_wanted(o, match))
		r = push(&snap->objects, o);
	for (size_t i = 0; r == 0 && i < o->n_parts; i++)
		r = push_wanted(snap, o->parts[i], match);
	return r;
}

static int add_file(ipk_inspect *snap, const struct ipk__os_reference *references, size_t n,
		    const char *match)
{
	size_t n_before = snap->objects.n;
	struct ipk__object *o;
	int r;

	if (match && !is_number(match) && !ipk__object_may_be_called(references, match))
		return 0;
	r = ipk__object_make(references, n, &o);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = push_wanted(snap, o, match);
	if (r == 0 && snap->objects.n > n_before)
		r = push(&snap->owned, o);
	if (r < 0 || snap->objects.n == n_before)
		ipk__object_free(o);
	return r;
}

static int add_files(ipk_inspect *snap, const struct ipk__references *all, const char *match)
{
	size_t end;
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->n; i = end) {
		for (end = i + 1; end < all->n; end++) {
			if (!ipk__references_same(&all->items[i], &all->items[end]))
				break;
		}
		r = add_file(snap, &all->items[i], end - i, match);
	}
	return r;
}

static int compare(const void *left, const void *right)
{
	const struct ipk__object *a = *(struct ipk__object *const *)left;
	const struct ipk__object *b = *(struct ipk__object *const *)right;
	int r = strcmp(a->name, b->name);

	return r != 0 ? r : a->pub.id < b->pub.id ? -1 : a->pub.id > b->pub.id;
}

static int take(ipk_inspect *snap, const char *match)
{
	struct ipk__references all;
	int r = ipk__references_collect(&all);

	if (r < 0)
		return r;
	snap->n_hidden = all.n_hidden;
	r = add_files(snap, &all, match);
	ipk__references_free(&all);
	if (snap->objects.n > 0)
		qsort(snap->objects.items, snap->objects.n, sizeof(struct ipk__object *), compare);
	return r;
}

int ipk_inspect_scan(const ipk_inspect_opts *opts, ipk_inspect **ret_snap)
{
	ipk_inspect_opts o;
	ipk_inspect *snap;
	int r;

	if (!ret_snap)
		return ipk__invalid("ret_snap is NULL");
	r = ipk__opts_copy(&o, sizeof o, opts);
	if (r < 0)
		return r;
	snap = ipk__os_calloc(1, sizeof *snap);
	if (!snap)
		return -ENOMEM;
	r = take(snap, o.match);
	if (r < 0) {
		ipk_inspect_close(snap);
		return r;
	}
	*ret_snap = snap;
	return 0;
}

ipk_inspect *ipk_inspect_close(ipk_inspect *snap)
{
	if (!snap)
		return NULL;
	for (size_t i = 0; i < snap->owned.n; i++)
		ipk__object_free(snap->owned.items[i]);
	free(snap->owned.items);
	free(snap->objects.items);
	free(snap);
	return NULL;
}

/* --- looking at it ---------------------------------------------------------------------------- */

static const struct ipk__object *inside(const ipk_inspect_object *object)
{
	return (const struct ipk__object *)object;
}

size_t ipk_inspect_len(const ipk_inspect *snap)
{
	return snap ? snap->objects.n : 0;
}

size_t ipk_inspect_n_hidden(const ipk_inspect *snap)
{
	return snap ? snap->n_hidden : 0;
}

const ipk_inspect_object *ipk_inspect_object_at(const ipk_inspect *snap, size_t i)
{
	return snap && i < snap->objects.n ? &snap->objects.items[i]->pub : NULL;
}

const ipk_inspect_user *ipk_inspect_user_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_users ? &inside(object)->users[i] : NULL;
}

const ipk_inspect_channel *ipk_inspect_channel_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_channels ? &inside(object)->channels[i] : NULL;
}

const ipk_inspect_thread *ipk_inspect_holder_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_holders ? &inside(object)->holders[i] : NULL;
}

const ipk_inspect_thread *ipk_inspect_waiter_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_waiters ? &inside(object)->waiters[i] : NULL;
}

const char *ipk_inspect_item_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_shown ? inside(object)->items[i].text : NULL;
}

const ipk_progress *ipk_inspect_progress_of(const ipk_inspect_object *object)
{
	bool has_one = object && object->kind == IPK_INSPECT_POOL && object->error == 0;

	return has_one ? &inside(object)->progress : NULL;
}

const ipk_inspect_worker *ipk_inspect_worker_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_workers ? &inside(object)->workers[i] : NULL;
}

const ipk_inspect_child *ipk_inspect_child_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_children ? &inside(object)->children[i] : NULL;
}

const char *ipk_inspect_hint_at(const ipk_inspect_object *object, size_t i)
{
	return object && i < object->n_hints ? inside(object)->hints[i].text : NULL;
}
