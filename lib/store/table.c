/*
 * table.c - hash tables: the fields of a hash, and all keys.
 *
 * Chains of entries, each with its name and its value in one piece of memory. A table is rehashed
 * in steps, as changes and ipk__store_step() come: first the new array of buckets is allocated,
 * then bucket after bucket is moved. The progress tells which array a name is in: whether its old
 * bucket was moved already. So there is always exactly one chain to search, for readers too.
 *
 * Everything is prepared before the slot's sequence becomes odd, and freed after it is even again;
 * in between there are only a few stores, and the copy of a small value.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "os/os.h"
#include "store/store_internal.h"

#define BITS_MIN 3
/* Bucket arrays up to a chunk are made in one go. */
#define AT_ONCE_BITS 14u
#define IN_PLACE_BYTES 1024 /* a larger value is rather written beside than under readers' eyes */
#define MOVES_A_CHANGE 4
#define EMPTY_A_MOVE 8 /* empty buckets that cost as much as one that is not */
#define MOVES_AN_ODD 8 /* buckets that are moved while readers wait */
#define FILL_EVERY 512 /* a chunk of the new array for so many changes */
#define RANDOM_TRIES 4096
#define RANDOM_CHAIN 8

uint32_t ipk__table_hash(const unsigned char key[16], struct ipk__slice name)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint32_t hash;

	crypto_shorthash(out, (const unsigned char *)name.bytes, name.n_bytes, key);
	memcpy(&hash, out, sizeof hash);
	return hash;
}

static uint64_t mask_of(const struct ipk__shm_table *t, int i)
{
	return ((uint64_t)1 << t->bits[i]) - 1;
}

static uint32_t *buckets_of(const struct ipk__store *s, const struct ipk__shm_table *t, int i)
{
	return ipk__heap_at(&s->heap, t->buckets[i]);
}

static uint32_t *bucket_for(const struct ipk__store *s, const struct ipk__shm_table *t,
			    uint32_t hash)
{
	uint64_t at = hash & mask_of(t, 0);

	if (t->buckets[0] == 0)
		return NULL;
	if (t->phase == IPK__PHASE_MOVE && at < t->moved)
		return buckets_of(s, t, 1) + (hash & mask_of(t, 1));
	return buckets_of(s, t, 0) + at;
}

static bool has_name(const struct ipk__entry *e, uint32_t hash, struct ipk__slice name)
{
	return e->hash == hash && ipk__entry_name_bytes(e->name) == name.n_bytes &&
	       memcmp(e->bytes + ipk__entry_ttl_bytes(e->name), name.bytes, name.n_bytes) == 0;
}

void ipk__table_lookup(struct ipk__store *s, struct ipk__shm_slot *slot, struct ipk__slice name,
		       struct ipk__position *ret_position)
{
	uint32_t hash = ipk__table_hash(s->shared->hash_key, name);
	uint32_t *bucket = bucket_for(s, &slot->table, hash);
	uint32_t *link = bucket;

	*ret_position = (struct ipk__position){.hash = hash, .link = bucket};
	if (name.n_bytes == 0)
		name.bytes = "";
	for (; link && *link != 0;) {
		struct ipk__entry *e = ipk__entry_at(s, *link);

		if (has_name(e, hash, name)) {
			ret_position->link = link;
			ret_position->entry = e;
			return;
		}
		link = &e->next;
	}
}

int ipk__table_ready(struct ipk__store *s, struct ipk__shm_slot *slot,
		     struct ipk__position *position)
{
	struct ipk__shm_table *t = &slot->table;
	uint32_t ref;
	int r;

	if (position->link)
		return 0;
	r = ipk__store_alloc(s, sizeof(uint32_t) << BITS_MIN, &ref);
	if (r < 0)
		return r;
	memset(ipk__heap_at(&s->heap, ref), 0, sizeof(uint32_t) << BITS_MIN);
	ipk__slot_begin(slot);
	ipk__put(t->bits[0], BITS_MIN);
	ipk__put(t->buckets[0], ref);
	t->n_bytes += ipk__heap_room(&s->heap, ref);
	ipk__slot_end(slot);
	position->link = bucket_for(s, t, position->hash);
	return 0;
}

/* --- entries ---------------------------------------------------------------------------------- */

struct ipk__slice ipk__entry_name(const struct ipk__entry *e)
{
	return IPK__SLICE(e->bytes + ipk__entry_ttl_bytes(e->name), ipk__entry_name_bytes(e->name));
}

struct ipk__slice ipk__entry_value(const struct ipk__entry *e)
{
	return IPK__SLICE(ipk__entry_value_at(e), e->value_bytes);
}

static size_t entry_bytes(uint32_t name, size_t value_bytes)
{
	return sizeof(struct ipk__entry) + ipk__entry_ttl_bytes(name) +
	       ipk__entry_name_bytes(name) + value_bytes;
}

int ipk__entry_new(struct ipk__store *s, uint32_t flags, const struct ipk__position *position,
		   struct ipk__slice name, size_t value_bytes, size_t slack_bytes,
		   uint32_t *ret_ref)
{
	struct ipk__entry *e;
	uint32_t ref;
	int r;

	if (name.n_bytes > IPK__STORE_ITEM_MAX || value_bytes > IPK__STORE_ITEM_MAX)
		return -EMSGSIZE;
	flags |= (uint32_t)name.n_bytes;
	r = ipk__store_alloc(s, entry_bytes(flags, value_bytes) + slack_bytes, &ref);
	if (r < 0)
		return r;
	e = ipk__heap_at(&s->heap, ref);
	e->hash = position->hash;
	e->name = flags;
	e->value_bytes = (uint32_t)value_bytes;
	if (name.n_bytes > 0)
		memcpy(e->bytes + ipk__entry_ttl_bytes(flags), name.bytes, name.n_bytes);
	*ret_ref = ref;
	return 0;
}

void ipk__table_link(struct ipk__store *s, struct ipk__shm_slot *slot,
		     const struct ipk__position *position, uint32_t ref)
{
	struct ipk__shm_table *t = &slot->table;
	uint32_t next = *position->link;

	if (position->entry) {
		next = position->entry->next;
		t->n_bytes -= ipk__heap_room(&s->heap, *position->link);
		t->n_entries--;
	}
	if (ref != 0) {
		/* It was never seen before; what it leads to was. */
		ipk__put(ipk__entry_at(s, ref)->next, next);
		t->n_bytes += ipk__heap_room(&s->heap, ref);
		t->n_entries++;
	}
	__atomic_store_n(position->link, ref != 0 ? ref : next, __ATOMIC_RELEASE);
}

bool ipk__entry_takes(const struct ipk__store *s, const struct ipk__entry *e, size_t value_bytes)
{
	size_t n_bytes = entry_bytes(e->name, value_bytes);

	return value_bytes <= IN_PLACE_BYTES &&
	       ipk__heap_round(n_bytes) == ipk__heap_room(&s->heap, ipk__ref_of(s, e));
}

/* --- rehashing -------------------------------------------------------------------------------- */

static void enlist(struct ipk__store *s, struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;
	uint32_t number = ipk__heap_slot_number(&s->heap, slot);

	if (t->is_busy)
		return;
	t->is_busy = true;
	t->prev_busy = 0;
	t->next_busy = s->busy;
	if (s->busy != 0)
		ipk__heap_slot(&s->heap, s->busy)->table.prev_busy = number;
	s->busy = number;
}

static void delist(struct ipk__store *s, struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;

	if (!t->is_busy)
		return;
	t->is_busy = false;
	if (t->next_busy != 0)
		ipk__heap_slot(&s->heap, t->next_busy)->table.prev_busy = t->prev_busy;
	if (t->prev_busy != 0)
		ipk__heap_slot(&s->heap, t->prev_busy)->table.next_busy = t->next_busy;
	else
		s->busy = t->next_busy;
}

static int alloc_buckets(struct ipk__store *s, unsigned bits, uint32_t *ret_ref)
{
	size_t n_bytes = sizeof(uint32_t) << bits;
	int r;

	if (bits > AT_ONCE_BITS)
		return ipk__heap_alloc_chunks(
			&s->heap, (uint32_t)(n_bytes / IPK__STORE_CHUNK_BYTES), ret_ref);
	r = ipk__heap_alloc(&s->heap, n_bytes, ret_ref);
	if (r == 0)
		memset(ipk__heap_at(&s->heap, *ret_ref), 0, n_bytes);
	return r;
}

/* The array [1] is there and zeroed: from now on names are in one or the other. */
static void begin_moving(struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;

	ipk__slot_begin(slot);
	ipk__put(t->moved, 0);
	ipk__put(t->phase, IPK__PHASE_MOVE);
	ipk__slot_end(slot);
}

static unsigned bits_wanted(const struct ipk__shm_table *t)
{
	uint64_t n = t->n_entries;
	unsigned bits = t->bits[0];

	if (2 * n > (uint64_t)1 << bits)
		return bits < IPK__BUCKET_BITS_MAX ? bits + 1 : bits;
	if (n < (uint64_t)1 << bits >> 3) {
		for (int i = 0; i < IPK__SHRINK_BITS && bits > BITS_MIN; i++)
			bits -= n < (uint64_t)1 << bits >> 2;
	}
	return bits;
}

void ipk__table_resize(struct ipk__store *s, struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;
	unsigned bits = bits_wanted(t);
	uint32_t ref;

	/* Without memory for it chains become longer: no reason to refuse a change. */
	if (t->phase != IPK__PHASE_NONE || t->buckets[0] == 0 || bits == t->bits[0] ||
	    alloc_buckets(s, bits, &ref) < 0)
		return;
	ipk__put(t->bits[1], (uint8_t)bits);
	ipk__put(t->buckets[1], ref);
	t->n_bytes += sizeof(uint32_t) << bits;
	t->filled_chunks = 0;
	t->phase = IPK__PHASE_FILL;
	enlist(s, slot);
	if (bits <= AT_ONCE_BITS)
		begin_moving(slot);
}

static void end_rehash(struct ipk__store *s, struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;
	uint32_t old = t->buckets[0];

	ipk__slot_begin(slot);
	ipk__put(t->buckets[0], t->buckets[1]);
	ipk__put(t->bits[0], t->bits[1]);
	ipk__put(t->buckets[1], 0);
	ipk__put(t->bits[1], 0);
	ipk__put(t->moved, 0);
	ipk__put(t->phase, IPK__PHASE_NONE);
	t->n_bytes -= ipk__heap_room(&s->heap, old);
	ipk__slot_end(slot);
	ipk__heap_free(&s->heap, old);
	delist(s, slot);
	ipk__table_resize(s, slot);
}

void ipk__table_take(struct ipk__store *s, struct ipk__shm_slot *from, struct ipk__shm_slot *to)
{
	delist(s, from);
	to->table = from->table;
	memset(&from->table, 0, sizeof from->table);
}

/* No pages for the new array: as if it had not been started. */
static void cancel_rehash(struct ipk__store *s, struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;
	uint32_t ref = t->buckets[1];

	ipk__slot_begin(slot);
	ipk__put(t->buckets[1], 0);
	ipk__put(t->bits[1], 0);
	t->phase = IPK__PHASE_NONE;
	t->n_bytes -= ipk__heap_room(&s->heap, ref);
	ipk__slot_end(slot);
	ipk__heap_free(&s->heap, ref);
	delist(s, slot);
}

static void fill_some(struct ipk__store *s, struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;
	uint64_t n_bytes = sizeof(uint32_t) << t->bits[1];

	if (ipk__heap_fill_chunk(&s->heap, t->buckets[1], t->filled_chunks) < 0)
		cancel_rehash(s, slot);
	else if (++t->filled_chunks == n_bytes / IPK__STORE_CHUNK_BYTES)
		begin_moving(slot);
}

/* One bucket's entries to the new array, in the slot's odd time. */
static void move_bucket(struct ipk__store *s, struct ipk__shm_table *t, uint32_t *from)
{
	uint32_t *to = buckets_of(s, t, 1);
	uint64_t mask = mask_of(t, 1);
	uint32_t ref = *from;

	ipk__put(*from, 0);
	while (ref != 0) {
		struct ipk__entry *e = ipk__entry_at(s, ref);
		uint32_t next = e->next, *bucket = to + (e->hash & mask);

		ipk__put(e->next, *bucket);
		ipk__put(*bucket, ref);
		ref = next;
	}
}

/* Up to @n buckets, empty ones at a discount. */
static void move_some(struct ipk__store *s, struct ipk__shm_slot *slot, uint32_t n)
{
	struct ipk__shm_table *t = &slot->table;
	uint64_t n_buckets = (uint64_t)1 << t->bits[0];
	uint32_t *from = buckets_of(s, t, 0), left = n * EMPTY_A_MOVE;
	uint64_t at = t->moved;

	/* They are far apart in memory: have them ready when readers wait. */
	for (uint64_t i = at; i < at + n && i < n_buckets; i++) {
		if (from[i] != 0)
			__builtin_prefetch(ipk__entry_at(s, from[i]), 1);
	}
	ipk__slot_begin(slot);
	while (at < n_buckets && left > 0) {
		uint32_t cost = from[at] != 0 ? EMPTY_A_MOVE : 1;

		if (from[at] != 0)
			move_bucket(s, t, from + at);
		left -= IPK__MIN(left, cost);
		at++;
	}
	ipk__put(t->moved, at);
	ipk__slot_end(slot);
}

bool ipk__rehash_step(struct ipk__store *s, struct ipk__shm_slot *slot, uint32_t n_buckets)
{
	struct ipk__shm_table *t = &slot->table;

	if (t->phase == IPK__PHASE_FILL)
		fill_some(s, slot);
	while (t->phase == IPK__PHASE_MOVE && n_buckets > 0) {
		uint32_t n = IPK__MIN(n_buckets, MOVES_AN_ODD);

		move_some(s, slot, n);
		n_buckets -= n;
		if (t->moved == (uint64_t)1 << t->bits[0])
			end_rehash(s, slot);
	}
	return t->phase != IPK__PHASE_NONE;
}

void ipk__store_tick(struct ipk__store *s, struct ipk__shm_slot *slot)
{
	struct ipk__shm_table *t = &slot->table;

	if (t->phase == IPK__PHASE_NONE)
		ipk__table_resize(s, slot);
	else if (t->phase == IPK__PHASE_MOVE || t->n_entries % FILL_EVERY == 0)
		ipk__rehash_step(s, slot, MOVES_A_CHANGE);
	if (s->garbage != 0)
		ipk__garbage_step(s, 2);
}

/* --- fields of a hash ------------------------------------------------------------------------- */

uint64_t ipk__table_len(const struct ipk__table *t)
{
	return ((const struct ipk__shm_slot *)t)->table.n_entries;
}

struct ipk__entry *ipk__table_find(struct ipk__store *s, struct ipk__table *t,
				   struct ipk__slice name)
{
	struct ipk__position position;

	ipk__table_lookup(s, ipk__slot_of_table(t), name, &position);
	return position.entry;
}

int ipk__table_put(struct ipk__store *s, struct ipk__table *table, struct ipk__slice name,
		   struct ipk__slice value, bool *ret_is_new)
{
	struct ipk__shm_slot *slot = ipk__slot_of_table(table);
	struct ipk__position position;
	uint32_t ref = 0, old = 0;
	int r;

	ipk__store_settle(s);
	ipk__table_lookup(s, slot, name, &position);
	if (!position.entry || !ipk__entry_takes(s, position.entry, value.n_bytes)) {
		r = ipk__table_ready(s, slot, &position);
		if (r == 0)
			r = ipk__entry_new(s, 0, &position, name, value.n_bytes, 0, &ref);
		if (r < 0)
			return r;
		if (value.n_bytes > 0)
			memcpy(ipk__entry_value_at(ipk__entry_at(s, ref)), value.bytes,
			       value.n_bytes);
		old = position.entry ? *position.link : 0;
	}
	ipk__slot_begin(slot);
	if (ref != 0) {
		ipk__table_link(s, slot, &position, ref);
	} else {
		ipk__put(position.entry->value_bytes, (uint32_t)value.n_bytes);
		if (value.n_bytes > 0)
			memcpy(ipk__entry_value_at(position.entry), value.bytes, value.n_bytes);
	}
	ipk__slot_end(slot);
	ipk__heap_free(&s->heap, old);
	slot->version = ++s->last_version;
	if (ret_is_new)
		*ret_is_new = position.entry == NULL;
	ipk__store_tick(s, slot);
	return 0;
}

bool ipk__table_remove(struct ipk__store *s, struct ipk__table *table, struct ipk__slice name)
{
	struct ipk__shm_slot *slot = ipk__slot_of_table(table);
	struct ipk__position position;
	uint32_t old;

	ipk__store_settle(s);
	ipk__table_lookup(s, slot, name, &position);
	if (!position.entry)
		return false;
	old = *position.link;
	ipk__slot_begin(slot);
	ipk__table_link(s, slot, &position, 0);
	ipk__slot_end(slot);
	ipk__heap_free(&s->heap, old);
	slot->version = ++s->last_version;
	ipk__store_tick(s, slot);
	return true;
}

/* --- going over it ---------------------------------------------------------------------------- */

static void give_chain(struct ipk__store *s, uint32_t ref,
		       void (*each)(void *arg, struct ipk__entry *entry), void *arg)
{
	while (ref != 0) {
		struct ipk__entry *e = ipk__entry_at(s, ref);

		ref = e->next;
		each(arg, e);
	}
}

uint64_t ipk__table_scan(struct ipk__store *s, struct ipk__table *table, uint64_t cursor,
			 void (*each)(void *arg, struct ipk__entry *entry), void *arg)
{
	struct ipk__shm_table *t = &ipk__slot_of_table(table)->table;
	int small = 0;
	uint64_t mask;

	if (t->buckets[0] == 0)
		return 0;
	if (t->phase != IPK__PHASE_MOVE) {
		give_chain(s, buckets_of(s, t, 0)[cursor & mask_of(t, 0)], each, arg);
		return ipk__scan_next(cursor, mask_of(t, 0));
	}
	if (t->bits[1] < t->bits[0])
		small = 1;
	mask = mask_of(t, small);
	give_chain(s, buckets_of(s, t, small)[cursor & mask], each, arg);
	/* And what that bucket becomes, or was, in the larger one. */
	do {
		uint64_t large_mask = mask_of(t, 1 - small);

		give_chain(s, buckets_of(s, t, 1 - small)[cursor & large_mask], each, arg);
		cursor = ipk__scan_next(cursor, large_mask);
	} while ((cursor & (mask ^ mask_of(t, 1 - small))) != 0);
	return cursor;
}

uint64_t ipk__scan_position(const struct ipk__store *s, struct ipk__slice name)
{
	return ipk__reverse64(ipk__table_hash(s->shared->hash_key, name));
}

uint64_t ipk__scan_position_of_cursor(uint64_t cursor)
{
	return ipk__reverse64(cursor);
}

/* Bucket @at of the old array and then of the new one. */
static uint32_t chain_at(const struct ipk__store *s, const struct ipk__shm_table *t, uint64_t at)
{
	uint64_t n_old = mask_of(t, 0) + 1;

	return at < n_old ? buckets_of(s, t, 0)[at] : buckets_of(s, t, 1)[at - n_old];
}

static uint64_t all_buckets(const struct ipk__shm_table *t)
{
	return mask_of(t, 0) + 1 + (t->phase == IPK__PHASE_MOVE ? mask_of(t, 1) + 1 : 0);
}

struct ipk__entry *ipk__table_next(struct ipk__store *s, struct ipk__table *table,
				   struct ipk__table_iter *it)
{
	struct ipk__shm_table *t = &ipk__slot_of_table(table)->table;
	uint32_t ref = it->last ? it->last->next : 0;

	if (t->buckets[0] == 0)
		return NULL;
	while (ref == 0 && it->at < all_buckets(t))
		ref = chain_at(s, t, it->at++);
	it->last = ipk__entry_at(s, ref);
	return (struct ipk__entry *)it->last;
}

/* The next 64 bits that have nothing to do with these (splitmix64, S. Vigna). */
static uint64_t mixed(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

struct ipk__entry *ipk__table_random(struct ipk__store *s, struct ipk__table *table,
				     uint64_t random)
{
	struct ipk__shm_table *t = &ipk__slot_of_table(table)->table;
	uint64_t old_moved = t->phase == IPK__PHASE_MOVE ? t->moved : 0;
	struct ipk__table_iter it = {0};

	if (t->n_entries == 0)
		return NULL;
	/* A place in a bucket as if all had eight; again when it is empty: all alike likely. */
	for (int i = 0; i < RANDOM_TRIES; i++) {
		uint64_t bits = mixed(&random);
		uint64_t at = old_moved + bits % (all_buckets(t) - old_moved);
		uint32_t ref = chain_at(s, t, at), n = (uint32_t)(bits >> 61);

		_Static_assert(RANDOM_CHAIN == 8, "the three highest bits");
		while (ref != 0 && n-- > 0)
			ref = ipk__entry_at(s, ref)->next;
		if (ref != 0)
			return ipk__entry_at(s, ref);
	}
	return ipk__table_next(s, table, &it);
}

/* --- the end of one --------------------------------------------------------------------------- */

/* What an entry of the keyspace stands for goes with it. */
static void free_entry(struct ipk__store *s, uint32_t ref)
{
	struct ipk__entry *e = ipk__entry_at(s, ref);
	struct ipk__shm_link link;

	if (e->name & IPK__ENTRY_IS_CONTAINER) {
		memcpy(&link, ipk__entry_value_at(e), sizeof link);
		ipk__slot_drop(s, link.slot);
	}
	ipk__heap_free(&s->heap, ref);
}

uint32_t ipk__table_free_some(struct ipk__store *s, struct ipk__shm_slot *slot, uint32_t n)
{
	struct ipk__shm_table *t = &slot->table;
	uint32_t n_done = 0, left = n * EMPTY_A_MOVE;

	delist(s, slot);
	for (int i = 0; i < 2; i++) {
		if (t->buckets[i] == 0 || (i == 1 && t->phase != IPK__PHASE_MOVE))
			continue;
		/* version is of no use to it any more: which bucket is next. */
		for (; left > 0 && t->version <= mask_of(t, i); left--) {
			uint32_t *bucket = buckets_of(s, t, i) + t->version;
			uint32_t ref = *bucket;

			n_done++;
			if (ref == 0) {
				t->version++;
				continue;
			}
			*bucket = ipk__entry_at(s, ref)->next;
			free_entry(s, ref);
			left -= IPK__MIN(left - 1, EMPTY_A_MOVE - 1);
		}
		if (left == 0)
			return n_done;
		ipk__heap_free(&s->heap, t->buckets[i]);
		t->buckets[i] = 0;
		t->version = 0;
	}
	ipk__heap_free(&s->heap, t->buckets[1]); /* it had no entries yet */
	t->buckets[1] = 0;
	return 0;
}
