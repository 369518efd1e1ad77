/* view_dict.c - tables on the reader's side. See table.c for their layout. */
#include <string.h>

#include "store/store_internal.h"
#include "store/view_internal.h"

#define SCAN_BUCKETS_MAX 1024 /* a call of ipk__view_dict_scan() */

struct buckets {
	uint32_t ref;
	uint64_t mask;
};

/* 0, -ENOENT there is no such array, -EBADMSG. */
static int get_buckets(const struct ipk__view_read *read, int i, struct buckets *ret_buckets)
{
	const struct ipk__shm_table *t = &read->slot->table;
	uint32_t bits = ipk__load(t->bits[i]), ref = ipk__load(t->buckets[i]);

	if (ref == 0)
		return -ENOENT;
	if (bits > IPK__BUCKET_BITS_MAX || !ipk__view_read_ref(read, ref, (uint64_t)4 << bits))
		return -EBADMSG;
	*ret_buckets = (struct buckets){ref, ((uint64_t)1 << bits) - 1};
	return 0;
}

static uint32_t load_bucket(const struct ipk__view_read *read, const struct buckets *b, uint64_t i)
{
	const char *base = (const char *)read->view->shared;

	return ipk__load(
		((const uint32_t *)(base + (uint64_t)b->ref * IPK__REF_UNIT))[i & b->mask]);
}

/* What lies at @e, its lengths checked once and used as they were then. */
static int see_entry(const struct ipk__view_read *read, const struct ipk__entry *e,
		     struct ipk__seen_entry *ret_entry)
{
	uint32_t name = ipk__load(e->name), value_bytes = ipk__load(e->value_bytes);
	uint32_t ttl_bytes = ipk__entry_ttl_bytes(name), name_bytes = ipk__entry_name_bytes(name);
	uint64_t offset = (uint64_t)((const char *)e - (const char *)read->view->shared);

	if (!ipk__view_read_at(read, offset,
			       sizeof *e + ttl_bytes + (uint64_t)name_bytes + value_bytes))
		return -EBADMSG;
	*ret_entry = (struct ipk__seen_entry){
		.entry = e,
		.name_bytes = name_bytes,
		.value_bytes = value_bytes,
		.flags = name & ~IPK__ENTRY_NAME_MASK,
		.name = e->bytes + ttl_bytes,
		.value = e->bytes + ttl_bytes + name_bytes,
	};
	if (ttl_bytes != 0)
		memcpy(&ret_entry->expires_ms, e->bytes, sizeof ret_entry->expires_ms);
	return 0;
}

int ipk__view_read_find(const struct ipk__view_read *read, uint32_t hash, struct ipk__slice name,
			struct ipk__seen_entry *ret_entry)
{
	const struct ipk__shm_table *t = &read->slot->table;
	struct buckets b;
	int r = get_buckets(read, 0, &b);
	uint32_t ref;

	if (r == 0 && ipk__load(t->phase) == IPK__PHASE_MOVE &&
	    (hash & b.mask) < ipk__load(t->moved))
		r = get_buckets(read, 1, &b);
	if (r < 0)
		return r;
	ref = load_bucket(read, &b, hash);
	for (int i = 0; i < IPK__VIEW_CHAIN_MAX && ref != 0; i++) {
		const struct ipk__entry *e = ipk__view_read_ref(read, ref, sizeof *e);

		if (!e)
			return -EBADMSG;
		if (ipk__load(e->hash) == hash &&
		    ipk__entry_name_bytes(ipk__load(e->name)) == name.n_bytes) {
			r = see_entry(read, e, ret_entry);
			if (r < 0 || ret_entry->name_bytes != name.n_bytes)
				return -EBADMSG;
			if (name.n_bytes == 0 ||
			    memcmp(ret_entry->name, name.bytes, name.n_bytes) == 0)
				return 0;
		}
		ref = ipk__load(e->next);
	}
	return ref != 0 ? -EBADMSG : -ENOENT;
}

static int give_chain(const struct ipk__view_read *read, uint32_t ref,
		      int (*each)(const struct ipk__view_read *read, void *arg,
				  const struct ipk__seen_entry *entry),
		      void *arg)
{
	struct ipk__seen_entry seen;
	int r;

	for (int i = 0; ref != 0; i++) {
		const struct ipk__entry *e = ipk__view_read_ref(read, ref, sizeof *e);

		if (!e || i == IPK__VIEW_CHAIN_MAX)
			return -EBADMSG;
		ref = ipk__load(e->next);
		r = see_entry(read, e, &seen);
		if (r == 0)
			r = each(read, arg, &seen);
		if (r < 0)
			return r;
	}
	return 0;
}

int ipk__view_read_scan(const struct ipk__view_read *read, uint64_t cursor,
			int (*each)(const struct ipk__view_read *read, void *arg,
				    const struct ipk__seen_entry *entry),
			void *arg, uint64_t *ret_next)
{
	struct buckets small, large;
	int r = get_buckets(read, 0, &small);

	*ret_next = 0;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	large = small;
	if (ipk__load(read->slot->table.phase) == IPK__PHASE_MOVE)
		r = get_buckets(read, 1, &large);
	if (r < 0)
		return -EBADMSG;
	if (large.mask < small.mask) {
		struct buckets swap = small;

		small = large;
		large = swap;
	}
	if (small.ref != large.ref)
		r = give_chain(read, load_bucket(read, &small, cursor), each, arg);
	if (large.mask >> IPK__SHRINK_BITS > small.mask)
		return -EBADMSG;
	do {
		if (r == 0)
			r = give_chain(read, load_bucket(read, &large, cursor), each, arg);
		cursor = ipk__scan_next(cursor, large.mask);
	} while (r == 0 && (cursor & (small.mask ^ large.mask)) != 0);
	*ret_next = cursor;
	return r;
}

/* --- one field -------------------------------------------------------------------------------- */

struct get {
	const struct ipk__spot *spot;
	struct ipk__slice field;
	uint32_t hash;
	char *buf;
	size_t buf_bytes;
	size_t n_bytes; /* of the value */
};

static int get_body(struct ipk__view_read *read, void *arg)
{
	struct get *get = arg;
	struct ipk__seen_entry seen;
	int r = ipk__view_read_check(read, get->spot, IPK__TYPE_HASH);

	if (r == 0)
		r = ipk__view_read_find(read, get->hash, get->field, &seen);
	if (r < 0)
		return r;
	get->n_bytes = seen.value_bytes;
	if (!get->buf)
		return 0;
	if (seen.value_bytes > get->buf_bytes)
		return ipk__detail(-EMSGSIZE, IPK__OVER_VALUE);
	memcpy(get->buf, seen.value, seen.value_bytes);
	return 0;
}

static int get_field(struct ipk__view *v, struct get *get)
{
	struct ipk__view_read read;
	int r;

	ipk__view_read_start(v, &read);
	r = ipk__view_read_spot(&read, get->spot);
	if (r < 0)
		return ipk__view_read_result(&read, r);
	get->hash = ipk__table_hash(v->hash_key, get->field);
	return ipk__view_read_retry(&read, get_body, get);
}

int ipk__view_dict_get(struct ipk__view *v, const struct ipk__spot *spot, struct ipk__slice field,
		       void *buf, size_t buf_bytes, size_t *ret_bytes)
{
	static char nothing[1];
	struct get get = {.spot = spot,
			  .field = field,
			  .buf = buf ? buf : nothing,
			  .buf_bytes = buf ? buf_bytes : 0};
	int r = get_field(v, &get);

	if (r == 0 || r == -EMSGSIZE)
		*ret_bytes = get.n_bytes;
	return r;
}

int ipk__view_dict_has(struct ipk__view *v, const struct ipk__spot *spot, struct ipk__slice field)
{
	struct get get = {.spot = spot, .field = field};

	return get_field(v, &get);
}

/* --- all of it -------------------------------------------------------------------------------- */

struct len {
	const struct ipk__spot *spot;
	uint64_t len;
};

static int len_body(struct ipk__view_read *read, void *arg)
{
	struct len *len = arg;

	len->len = ipk__load(read->slot->table.n_entries);
	return ipk__view_read_check(read, len->spot, IPK__TYPE_HASH);
}

int ipk__view_dict_len(struct ipk__view *v, const struct ipk__spot *spot, uint64_t *ret_len)
{
	struct len len = {.spot = spot};
	struct ipk__view_read read;
	int r;

	ipk__view_read_start(v, &read);
	r = ipk__view_read_spot(&read, spot);
	r = r < 0 ? ipk__view_read_result(&read, r) : ipk__view_read_retry(&read, len_body, &len);
	if (r == 0)
		*ret_len = len.len;
	return r;
}

struct scan {
	const struct ipk__spot *spot;
	uint64_t cursor;
	uint64_t next;
	char *buf;
	size_t room;
	size_t n_bytes; /* what the bucket takes, also when that is more than there is room */
};

static int add_pair(const struct ipk__view_read *read, void *arg,
		    const struct ipk__seen_entry *seen)
{
	struct scan *scan = arg;
	const uint32_t lengths[2] = {seen->name_bytes, seen->value_bytes};
	size_t n_bytes = sizeof lengths + (size_t)seen->name_bytes + seen->value_bytes;
	char *to = scan->buf + scan->n_bytes;

	(void)read;
	if (scan->n_bytes <= scan->room && n_bytes <= scan->room - scan->n_bytes) {
		memcpy(to, lengths, sizeof lengths);
		memcpy(to + sizeof lengths, seen->name, n_bytes - sizeof lengths);
	}
	scan->n_bytes += n_bytes;
	return 0;
}

static int scan_body(struct ipk__view_read *read, void *arg)
{
	struct scan *scan = arg;
	int r = ipk__view_read_check(read, scan->spot, IPK__TYPE_HASH);

	scan->n_bytes = 0;
	return r < 0 ? r : ipk__view_read_scan(read, scan->cursor, add_pair, scan, &scan->next);
}

int ipk__view_dict_scan(struct ipk__view *v, const struct ipk__spot *spot, uint64_t *cursor,
			void *buf, size_t buf_bytes, size_t *ret_bytes)
{
	struct scan scan = {.spot = spot, .cursor = *cursor, .buf = buf, .room = buf_bytes};
	struct ipk__view_read read;
	size_t n_bytes = 0;
	int r;

	ipk__view_read_start(v, &read);
	r = ipk__view_read_spot(&read, spot);
	if (r < 0)
		return ipk__view_read_result(&read, r);
	for (int i = 0; i < SCAN_BUCKETS_MAX; i++) {
		r = ipk__view_read_retry(&read, scan_body, &scan);
		if (r < 0)
			return r;
		if (scan.n_bytes > scan.room)
			break;
		scan.buf += scan.n_bytes;
		scan.room -= scan.n_bytes;
		n_bytes += scan.n_bytes;
		scan.cursor = scan.next;
		if (scan.cursor == 0)
			break;
		scan.n_bytes = 0;
		/* What grows meanwhile lies beyond what was the end. */
		read.end_bytes =
			IPK__MIN(atomic_load_explicit(&v->shared->end_bytes, memory_order_acquire),
				 v->mapped_bytes);
	}
	*ret_bytes = n_bytes;
	if (n_bytes == 0 && scan.n_bytes > scan.room) {
		*ret_bytes = scan.n_bytes;
		return -EMSGSIZE;
	}
	*cursor = scan.cursor;
	return 0;
}
