/*
 * view.c - attaching to a store, lookups by name, and iterating over all of it.
 *
 * Nothing here blocks: a read is retried some hundreds of times, for as long as a change by the
 * writer may take, and then the caller asks the server instead. Inspection takes what it reads,
 * even in the middle of a change, because its server may be stopped or dead: then it is true as of
 * that moment, or a number is off.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"
#include "store/view_internal.h"

#define SCAN_BUCKETS_MAX 65536 /* a call of ipk__view_keys_scan() */
#define NAME_BYTES_MAX 256     /* of a key, for inspection */

/* --- attaching -------------------------------------------------------------------------------- */

int ipk__view_attach(int fd, struct ipk__view **ret_view)
{
	struct ipk__view *v = ipk__os_calloc(1, sizeof *v);
	int r = -ENOMEM;

	if (v) {
		v->segment.fd = -1;
		r = ipk__segment_attach_sparse(fd, IPK__KIND_MANAGER, false, &v->segment);
	}
	if (r < 0) {
		ipk__os_close(fd);
		free(v);
		return r;
	}
	v->shared = (const struct ipk__shm_store *)v->segment.header;
	v->mapped_bytes = v->segment.mapped_bytes;
	if (v->mapped_bytes < sizeof *v->shared) {
		ipk__view_close(v);
		return -EBADMSG;
	}
	memcpy(v->hash_key, v->shared->hash_key, sizeof v->hash_key);
	*ret_view = v;
	return 0;
}

void ipk__view_close(struct ipk__view *v)
{
	if (!v)
		return;
	ipk__segment_detach(&v->segment);
	free(v);
}

void ipk__view_blind(struct ipk__view *v)
{
	/* Without room for that the store stays, until the view is closed. */
	if (ipk__os_map_zeros_over(v->segment.header, v->segment.mapped_bytes) < 0)
		return;
	ipk__os_close(v->segment.fd);
	v->segment.fd = -1;
}

bool ipk__view_is_live(const struct ipk__view *v)
{
	return ipk__view_owner_lives(v);
}

const struct ipk__shm_status *ipk__view_status(const struct ipk__view *v)
{
	return &v->shared->status;
}

/* --- one key ---------------------------------------------------------------------------------- */

struct find {
	struct ipk__slice name;
	uint32_t hash;
	uint32_t type;
	struct ipk__spot spot;
	char *buf; /* NULL: no string is wanted */
	size_t buf_bytes;
	size_t n_bytes;
};

/* Where a container is, by its entry. */
static int see_spot(const struct ipk__view_read *read, const struct ipk__seen_entry *seen,
		    struct ipk__shm_link *ret_link, struct ipk__spot *ret_spot)
{
	struct ipk__view_read there = *read;

	if (seen->value_bytes != sizeof *ret_link)
		return -EBADMSG;
	memcpy(ret_link, seen->value, sizeof *ret_link);
	ret_spot->slot = ret_link->slot;
	if (ipk__view_read_spot(&there, ret_spot) < 0)
		return -EBADMSG;
	ret_spot->id = atomic_load_explicit(&there.slot->id, memory_order_relaxed);
	return ret_spot->id == 0 ? -ENOENT : 0;
}

static int find_body(struct ipk__view_read *read, void *arg)
{
	struct find *find = arg;
	struct ipk__seen_entry seen;
	struct ipk__shm_link link;
	int r = ipk__view_read_find(read, find->hash, find->name, &seen);

	if (r < 0)
		return r;
	if (ipk__is_over(seen.expires_ms))
		return -ENOENT;
	if (seen.flags & IPK__ENTRY_IS_CONTAINER) {
		r = see_spot(read, &seen, &link, &find->spot);
		if (r < 0)
			return r;
		return link.type == find->type ? 0 : ipk__detail(-EPROTOTYPE, IPK__OTHER_KIND);
	}
	if (find->type != IPK__TYPE_STRING)
		return ipk__detail(-EPROTOTYPE, IPK__OTHER_KIND);
	find->n_bytes = seen.value_bytes;
	if (!find->buf)
		return 0;
	if (seen.value_bytes > find->buf_bytes)
		return ipk__detail(-EMSGSIZE, IPK__OVER_VALUE);
	memcpy(find->buf, seen.value, seen.value_bytes);
	return 0;
}

static int find_key(struct ipk__view *v, struct find *find)
{
	struct ipk__view_read read;

	ipk__view_read_start(v, &read);
	read.slot = &v->shared->keys;
	find->hash = ipk__table_hash(v->hash_key, find->name);
	return ipk__view_read_retry(&read, find_body, find);
}

int ipk__view_find(struct ipk__view *v, struct ipk__slice name, enum ipk__key_type type,
		   struct ipk__spot *ret_spot)
{
	struct find find = {.name = name, .type = type};
	int r = find_key(v, &find);

	if (r == 0)
		*ret_spot = find.spot;
	return r;
}

int ipk__view_string_get(struct ipk__view *v, struct ipk__slice name, void *buf, size_t buf_bytes,
			 size_t *ret_bytes)
{
	static char nothing[1];
	struct find find = {.name = name,
			    .type = IPK__TYPE_STRING,
			    .buf = buf ? buf : nothing,
			    .buf_bytes = buf ? buf_bytes : 0};
	int r = find_key(v, &find);

	if (r == 0 || r == -EMSGSIZE)
		*ret_bytes = find.n_bytes;
	return r;
}

/* --- inspection ------------------------------------------------------------------------------- */

/* As ipk__view_read_retry(), but the last time what there is will do. */
static int read_anyway(struct ipk__view_read *read, ipk__view_read_body *body, void *arg)
{
	int n = ipk__view_owner_lives(read->view) ? IPK__VIEW_TRIES : 0;

	for (int i = 0; i < n; i++) {
		if (ipk__view_read_begin(read)) {
			int r = body(read, arg);

			if (ipk__view_read_end(read))
				return r;
		}
		ipk__os_pause();
	}
	return body(read, arg);
}

struct keys_scan {
	uint64_t cursor;
	uint64_t next;
	char *buf;
	size_t buf_bytes;
	struct ipk__view_key *keys;
	size_t max;
	size_t used_before, n_before; /* without this bucket */
	size_t used, n;
};

static void see_container(const struct ipk__view_read *read, const struct ipk__seen_entry *seen,
			  struct ipk__view_key *key)
{
	const struct ipk__shm_slot *slot;
	struct ipk__shm_link link = {0};

	if (see_spot(read, seen, &link, &key->spot) < 0)
		return;
	slot = ipk__view_read_at(read, (uint64_t)link.slot * IPK__SLOT_BYTES, sizeof *slot);
	key->type = (enum ipk__key_type)link.type;
	key->n_bytes += sizeof *slot;
	if (link.type == IPK__TYPE_SYNC_OBJECT) {
		key->len = ipk__load(slot->object.n_items);
		return;
	}
	key->len = link.type == IPK__TYPE_LIST ? ipk__load(slot->list.n_items)
					       : ipk__load(slot->table.n_entries);
	key->n_bytes += ipk__load(slot->n_bytes);
}

static int add_key(const struct ipk__view_read *read, void *arg, const struct ipk__seen_entry *seen)
{
	struct keys_scan *scan = arg;
	size_t n =
		IPK__MIN(IPK__MIN(seen->name_bytes, NAME_BYTES_MAX), scan->buf_bytes - scan->used);
	struct ipk__view_key *key;

	if (scan->n == scan->max)
		return -EMSGSIZE;
	key = &scan->keys[scan->n++];
	*key = (struct ipk__view_key){
		.type = IPK__TYPE_STRING,
		.name = IPK__SLICE(scan->buf + scan->used, n),
		.len = seen->value_bytes,
		.n_bytes = sizeof *seen->entry + (uint64_t)seen->name_bytes + seen->value_bytes,
		.expires_ms = seen->expires_ms,
	};
	if (n > 0)
		memcpy(scan->buf + scan->used, seen->name, n);
	scan->used += n;
	if (seen->flags & IPK__ENTRY_IS_CONTAINER) {
		key->type = IPK__TYPE_NONE;
		see_container(read, seen, key);
	}
	return 0;
}

static int keys_body(struct ipk__view_read *read, void *arg)
{
	struct keys_scan *scan = arg;

	scan->used = scan->used_before;
	scan->n = scan->n_before;
	return ipk__view_read_scan(read, scan->cursor, add_key, scan, &scan->next);
}

int ipk__view_keys_scan(struct ipk__view *v, uint64_t *cursor, void *buf, size_t buf_bytes,
			struct ipk__view_key *ret_keys, size_t max, size_t *ret_n)
{
	struct keys_scan scan = {
		.cursor = *cursor,
		.buf = buf,
		.buf_bytes = buf_bytes,
		.keys = ret_keys,
		.max = max,
	};
	struct ipk__view_read read;
	int r = 0;

	ipk__view_read_start(v, &read);
	read.slot = &v->shared->keys;
	for (int i = 0; i < SCAN_BUCKETS_MAX && scan.n_before < max; i++) {
		r = read_anyway(&read, keys_body, &scan);
		/* When one bucket has more keys than that, the others are not shown. */
		if (r < 0 && (r != -EMSGSIZE || scan.n_before > 0))
			break;
		scan.n_before = scan.n;
		scan.used_before = scan.used;
		scan.cursor = scan.next;
		if (scan.cursor == 0)
			break;
	}
	if (r < 0 && r != -EMSGSIZE)
		return r == -EBADMSG ? -EAGAIN : r;
	*cursor = scan.cursor;
	*ret_n = scan.n_before;
	return 0;
}

struct sync_object {
	const struct ipk__spot *spot;
	struct ipk__shm_sync_object copy;
};

static int object_body(struct ipk__view_read *read, void *arg)
{
	struct sync_object *object = arg;

	memcpy(&object->copy, &read->slot->object, sizeof object->copy);
	return ipk__view_read_check(read, object->spot, IPK__TYPE_SYNC_OBJECT);
}

int ipk__view_sync_object(struct ipk__view *v, const struct ipk__spot *spot,
			  struct ipk__shm_sync_object *ret_copy)
{
	struct sync_object object = {.spot = spot};
	struct ipk__view_read read;
	int r;

	ipk__view_read_start(v, &read);
	r = ipk__view_read_spot(&read, spot);
	if (r == 0)
		r = read_anyway(&read, object_body, &object);
	if (r == 0)
		*ret_copy = object.copy;
	return r;
}
