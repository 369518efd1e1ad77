/*
 * keyspace.c - the keyspace: the value of each name.
 *
 * It is the table of slot "keys": a string is an entry's value, a container's entry has its slot
 * number there. Strings are read under the keyspace's own sequence lock, containers under theirs. A
 * container gets a new id when it is removed or renamed, so what a reader has cached for a name is
 * either right or known to be stale.
 */
#include <errno.h>
#include <string.h>

#include "store/store_internal.h"

#define SLACK_MAX ((size_t)1 << 20)
/* A value from this on has room for a time to live: giving it one does not copy it. */
#define TTL_ROOM_FROM 4096
#define GARBAGE_AT_ONCE 64

/* --- asking ----------------------------------------------------------------------------------- */

static struct ipk__shm_link link_of(const struct ipk__entry *e)
{
	struct ipk__shm_link link;

	memcpy(&link, ipk__entry_value_at(e), sizeof link);
	return link;
}

static bool is_container(const struct ipk__entry *e)
{
	return (e->name & IPK__ENTRY_IS_CONTAINER) != 0;
}

static struct ipk__shm_slot *slot_of(const struct ipk__store *s, const struct ipk__entry *e)
{
	return ipk__heap_slot(&s->heap, link_of(e).slot);
}

uint64_t ipk__keys_len(const struct ipk__store *s)
{
	return s->keys->table.n_entries;
}

struct ipk__entry *ipk__key_find(struct ipk__store *s, struct ipk__slice name)
{
	struct ipk__position position;

	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, name, &position);
	return position.entry;
}

enum ipk__key_type ipk__key_type(const struct ipk__entry *key)
{
	return is_container(key) ? (enum ipk__key_type)link_of(key).type : IPK__TYPE_STRING;
}

struct ipk__table *ipk__key_table(struct ipk__store *s, const struct ipk__entry *key)
{
	return (struct ipk__table *)slot_of(s, key);
}

struct ipk__store_list *ipk__key_list(struct ipk__store *s, const struct ipk__entry *key)
{
	return (struct ipk__store_list *)slot_of(s, key);
}

struct ipk__shm_sync_object *ipk__key_sync_object(struct ipk__store *s,
						  const struct ipk__entry *key)
{
	return &slot_of(s, key)->object;
}

uint64_t ipk__key_object_id(struct ipk__store *s, const struct ipk__entry *key, uint32_t *ret_slot)
{
	if (!is_container(key))
		return 0;
	*ret_slot = link_of(key).slot;
	return atomic_load_explicit(&slot_of(s, key)->id, memory_order_relaxed);
}

int64_t ipk__key_expires_ms(const struct ipk__entry *key)
{
	return ipk__entry_expires_ms(key);
}

/*
 * Strings have no room for a version: they share some by their hash. That one changes for
 * another key's sake is seldom, and only makes a transaction be tried again.
 */
uint64_t ipk__key_version(struct ipk__store *s, const struct ipk__entry *key)
{
	if (!key)
		return 0;
	if (is_container(key) && link_of(key).type != IPK__TYPE_SYNC_OBJECT)
		return slot_of(s, key)->version;
	return s->versions[key->hash % IPK__VERSIONS];
}

static void touch(struct ipk__store *s, const struct ipk__entry *key)
{
	uint64_t version = ++s->last_version;

	s->versions[key->hash % IPK__VERSIONS] = version;
	if (is_container(key) && link_of(key).type != IPK__TYPE_SYNC_OBJECT)
		slot_of(s, key)->version = version;
}

/* --- changing --------------------------------------------------------------------------------- */

/* What was at @ref, and is linked nowhere any more. */
static void drop_entry(struct ipk__store *s, uint32_t ref)
{
	struct ipk__entry *e = ipk__entry_at(s, ref);

	if (ref == 0)
		return;
	ipk__times_remove(s, e);
	if (is_container(e))
		ipk__slot_drop(s, link_of(e).slot);
	ipk__heap_free(&s->heap, ref);
	ipk__garbage_step(s, GARBAGE_AT_ONCE);
}

/* @ref (0: nothing) takes the place of what is there, which goes. */
static void replace(struct ipk__store *s, const struct ipk__position *position, uint32_t ref)
{
	uint32_t old = position->entry ? *position->link : 0;

	touch(s, position->entry ? position->entry : ipk__entry_at(s, ref));
	ipk__slot_begin(s->keys);
	ipk__table_link(s, s->keys, position, ref);
	ipk__slot_end(s->keys);
	drop_entry(s, old);
	ipk__store_tick(s, s->keys);
}

static void set_bytes(char *at, struct ipk__slice bytes)
{
	if (bytes.n_bytes > 0)
		memcpy(at, bytes.bytes, bytes.n_bytes);
}

/*
 * An entry for @name with a value to be filled in; with the time to live of the one that is
 * there, when @keep_ttl: nothing may fail from then on.
 */
static int new_entry(struct ipk__store *s, struct ipk__position *position, struct ipk__slice name,
		     size_t value_bytes, size_t slack_bytes, bool keep_ttl, uint32_t *ret_ref)
{
	int64_t at_ms = keep_ttl && position->entry ? ipk__entry_expires_ms(position->entry) : 0;
	bool has_room = at_ms != 0 || value_bytes >= TTL_ROOM_FROM;
	int r = ipk__table_ready(s, s->keys, position);

	if (r == 0)
		r = ipk__entry_new(s, has_room ? IPK__ENTRY_HAS_TTL : 0, position, name,
				   value_bytes, slack_bytes, ret_ref);
	if (r < 0)
		return r;
	if (at_ms != 0)
		ipk__times_move(s, position->entry, *ret_ref);
	else if (has_room)
		ipk__times_add(s, *ret_ref, 0);
	return 0;
}

int ipk__key_set(struct ipk__store *s, struct ipk__slice name, struct ipk__slice value,
		 bool keep_ttl, struct ipk__entry **ret_key)
{
	struct ipk__position position;
	uint32_t ref = 0;
	int r;

	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, name, &position);
	if (position.entry && !is_container(position.entry) &&
	    ipk__entry_takes(s, position.entry, value.n_bytes)) {
		ref = ipk__ref_of(s, position.entry);
		touch(s, position.entry);
		ipk__slot_begin(s->keys);
		if (!keep_ttl && ipk__entry_expires_ms(position.entry) != 0)
			ipk__times_change(s, ref, 0);
		ipk__put(position.entry->value_bytes, (uint32_t)value.n_bytes);
		set_bytes(ipk__entry_value_at(position.entry), value);
		ipk__slot_end(s->keys);
	} else {
		r = new_entry(s, &position, name, value.n_bytes, 0, keep_ttl, &ref);
		if (r < 0)
			return r;
		set_bytes(ipk__entry_value_at(ipk__entry_at(s, ref)), value);
		replace(s, &position, ref);
	}
	if (ret_key)
		*ret_key = ipk__entry_at(s, ref);
	return 0;
}

/* Whether a string of @n_bytes goes where it is, and not far too much room is left over. */
static bool may_stay(const struct ipk__store *s, const struct ipk__entry *e, size_t n_bytes)
{
	size_t room = ipk__heap_room(&s->heap, ipk__ref_of(s, e));
	size_t whole = (size_t)(ipk__entry_value_at(e) - (const char *)e) + n_bytes;

	return whole <= room && (room <= 4 * whole || room <= 64);
}

/*
 * The entry of a string that can hold @n_bytes, with its old bytes: the one that is there,
 * or another one (*ret_moved), which is not linked yet.
 */
static int make_room(struct ipk__store *s, struct ipk__position *position, struct ipk__slice name,
		     size_t n_bytes, uint32_t *ret_ref, bool *ret_moved)
{
	struct ipk__slice old = {0};
	size_t slack = 0;
	int r;

	if (position->entry) {
		if (is_container(position->entry))
			return -EPROTOTYPE;
		if (n_bytes <= IPK__STORE_ITEM_MAX && may_stay(s, position->entry, n_bytes)) {
			*ret_ref = ipk__ref_of(s, position->entry);
			*ret_moved = false;
			return 0;
		}
		old = ipk__entry_value(position->entry);
		if (n_bytes > old.n_bytes)
			slack = IPK__MIN(n_bytes, SLACK_MAX);
	}
	r = new_entry(s, position, name, n_bytes, slack, true, ret_ref);
	if (r == -ENOSPC && slack != 0)
		r = new_entry(s, position, name, n_bytes, 0, true, ret_ref);
	if (r < 0)
		return r;
	old.n_bytes = IPK__MIN(old.n_bytes, n_bytes);
	set_bytes(ipk__entry_value_at(ipk__entry_at(s, *ret_ref)), old);
	*ret_moved = true;
	return 0;
}

int ipk__key_resize(struct ipk__store *s, struct ipk__slice name, size_t n_bytes, char **ret_bytes)
{
	struct ipk__position position;
	struct ipk__entry *e;
	size_t had;
	uint32_t ref = 0;
	bool moved;
	int r;

	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, name, &position);
	had = position.entry ? position.entry->value_bytes : 0;
	r = make_room(s, &position, name, n_bytes, &ref, &moved);
	if (r < 0)
		return r;
	e = ipk__entry_at(s, ref);
	if (n_bytes > had)
		memset(ipk__entry_value_at(e) + had, 0, n_bytes - had);
	if (moved)
		replace(s, &position, ref);
	else
		touch(s, e);
	ipk__slot_begin(s->keys);
	s->open = s->keys;
	ipk__put(e->value_bytes, (uint32_t)n_bytes);
	*ret_bytes = ipk__entry_value_at(e);
	return 0;
}

int ipk__key_write(struct ipk__store *s, struct ipk__slice name, size_t offset,
		   struct ipk__slice bytes)
{
	struct ipk__position position;
	struct ipk__entry *e;
	size_t had, end = offset + bytes.n_bytes;
	uint32_t ref = 0;
	bool moved;
	char *value;
	int r;

	if (end < offset || end > IPK__STORE_ITEM_MAX)
		return -EMSGSIZE;
	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, name, &position);
	had = position.entry ? position.entry->value_bytes : 0;
	end = IPK__MAX(end, had);
	r = make_room(s, &position, name, end, &ref, &moved);
	if (r < 0)
		return r;
	e = ipk__entry_at(s, ref);
	value = ipk__entry_value_at(e);
	/* Nobody looks beyond the end, nor into what is not linked. */
	if (offset > had)
		memset(value + had, 0, offset - had);
	if (moved || offset >= had) {
		set_bytes(value + offset, bytes);
		bytes.n_bytes = 0;
	}
	if (moved) {
		replace(s, &position, ref);
		return 0;
	}
	touch(s, e);
	ipk__slot_begin(s->keys);
	set_bytes(value + offset, bytes);
	ipk__put(e->value_bytes, (uint32_t)end);
	ipk__slot_end(s->keys);
	return 0;
}

int ipk__key_make(struct ipk__store *s, struct ipk__slice name, enum ipk__key_type type,
		  struct ipk__entry **ret_key)
{
	struct ipk__shm_link link = {.type = type};
	struct ipk__position position;
	uint32_t ref = 0;
	int r;

	IPK__REQUIRE(type == IPK__TYPE_HASH || type == IPK__TYPE_LIST ||
			     type == IPK__TYPE_SYNC_OBJECT,
		     "type: a hash, a list or a sync object");
	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, name, &position);
	if (position.entry)
		return -EEXIST;
	r = ipk__table_ready(s, s->keys, &position);
	if (r == 0)
		r = ipk__slot_make(s, type, &link.slot);
	if (r < 0)
		return r;
	r = ipk__entry_new(s, IPK__ENTRY_IS_CONTAINER, &position, name, sizeof link, 0, &ref);
	if (r < 0) {
		ipk__slot_drop(s, link.slot);
		return r;
	}
	memcpy(ipk__entry_value_at(ipk__entry_at(s, ref)), &link, sizeof link);
	replace(s, &position, ref);
	if (ret_key)
		*ret_key = ipk__entry_at(s, ref);
	return 0;
}

bool ipk__key_remove(struct ipk__store *s, struct ipk__slice name)
{
	struct ipk__position position;

	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, name, &position);
	if (!position.entry)
		return false;
	replace(s, &position, 0);
	return true;
}

/* A copy of @e under another name, with its time to live. */
static int copy_as(struct ipk__store *s, const struct ipk__entry *e,
		   const struct ipk__position *position, struct ipk__slice name, uint32_t *ret_ref)
{
	uint32_t flags = e->name & ~IPK__ENTRY_NAME_MASK;
	struct ipk__entry *copy;
	int r = ipk__entry_new(s, flags, position, name, e->value_bytes, 0, ret_ref);

	if (r < 0)
		return r;
	copy = ipk__entry_at(s, *ret_ref);
	if (flags & IPK__ENTRY_HAS_TTL)
		ipk__times_move(s, e, *ret_ref);
	set_bytes(ipk__entry_value_at(copy), ipk__entry_value(e));
	return 0;
}

static void set_slot_words(struct ipk__shm_slot *slot, uint64_t id, int64_t expires_ms)
{
	ipk__slot_begin(slot);
	atomic_store_explicit(&slot->id, id, memory_order_relaxed);
	ipk__put(slot->expires_ms, expires_ms);
	ipk__slot_end(slot);
}

int ipk__key_rename(struct ipk__store *s, struct ipk__slice from, struct ipk__slice to)
{
	struct ipk__position source, target;
	uint32_t ref = 0, old_from, old_to;
	int r;

	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, from, &source);
	ipk__table_lookup(s, s->keys, to, &target);
	if (!source.entry)
		return -ENOENT;
	if (source.entry == target.entry) {
		touch(s, source.entry);
		return 0;
	}
	r = copy_as(s, source.entry, &target, to, &ref);
	if (r < 0)
		return r;
	if (is_container(source.entry))
		set_slot_words(slot_of(s, source.entry), ++s->last_id,
			       slot_of(s, source.entry)->expires_ms);
	touch(s, source.entry);
	touch(s, target.entry ? target.entry : ipk__entry_at(s, ref));
	touch(s, ipk__entry_at(s, ref));
	old_to = target.entry ? *target.link : 0;
	ipk__slot_begin(s->keys);
	ipk__table_link(s, s->keys, &target, ref);
	/* What led to the old one may have been in what was just unlinked. */
	ipk__table_lookup(s, s->keys, from, &source);
	old_from = *source.link;
	ipk__table_link(s, s->keys, &source, 0);
	ipk__slot_end(s->keys);
	ipk__heap_free(&s->heap, old_from);
	drop_entry(s, old_to);
	ipk__store_tick(s, s->keys);
	return 0;
}

void ipk__keys_clear(struct ipk__store *s)
{
	struct ipk__shm_slot *grave;
	uint32_t number = s->spare_slot;

	ipk__store_settle(s);
	if (number == 0 && ipk__store_alloc_slot(s, &number) < 0)
		number = 0;
	s->spare_slot = 0;
	ipk__slot_begin(s->keys);
	if (number != 0) {
		grave = ipk__heap_slot(&s->heap, number);
		ipk__table_take(s, s->keys, grave);
		grave->type = IPK__TYPE_HASH;
	} else {
		s->keys->version = 0;
		while (ipk__table_free_some(s, s->keys, UINT16_MAX) != 0)
			;
		memset(&s->keys->table, 0, sizeof s->keys->table);
	}
	s->n_times = 0;
	/* All containers at once, however many they are. */
	atomic_store_explicit(&s->shared->first_id, s->last_id + 1, memory_order_relaxed);
	ipk__slot_end(s->keys);
	if (number != 0)
		ipk__slot_drop(s, number);
	if (ipk__heap_alloc_slot(&s->heap, &number) == 0)
		s->spare_slot = number;
}

/* --- time to live ----------------------------------------------------------------------------- */

/* A time in an entry that has room for one. */
static void change_time(struct ipk__store *s, struct ipk__entry *key, int64_t at_ms)
{
	ipk__slot_begin(s->keys);
	ipk__times_change(s, ipk__ref_of(s, key), at_ms);
	ipk__slot_end(s->keys);
	if (is_container(key)) {
		struct ipk__shm_slot *slot = slot_of(s, key);

		set_slot_words(slot, atomic_load_explicit(&slot->id, memory_order_relaxed), at_ms);
	}
}

int ipk__key_expire(struct ipk__store *s, struct ipk__slice name, int64_t at_ms)
{
	struct ipk__position position;
	struct ipk__entry *e;
	uint32_t ref = 0, old;
	int r = ipk__times_reserve(s);

	if (r < 0)
		return r;
	ipk__store_settle(s);
	ipk__table_lookup(s, s->keys, name, &position);
	e = position.entry;
	if (!e)
		return -ENOENT;
	if (at_ms == 0 && ipk__entry_expires_ms(e) == 0)
		return 0;
	if (!(e->name & IPK__ENTRY_HAS_TTL)) {
		r = ipk__entry_new(s, (e->name & IPK__ENTRY_IS_CONTAINER) | IPK__ENTRY_HAS_TTL,
				   &position, name, e->value_bytes, 0, &ref);
		if (r < 0)
			return r;
		set_bytes(ipk__entry_value_at(ipk__entry_at(s, ref)), ipk__entry_value(e));
		ipk__times_add(s, ref, 0);
		old = *position.link;
		ipk__slot_begin(s->keys);
		ipk__table_link(s, s->keys, &position, ref);
		ipk__slot_end(s->keys);
		ipk__heap_free(&s->heap, old);
		e = ipk__entry_at(s, ref);
	}
	change_time(s, e, at_ms);
	touch(s, e);
	return 0;
}
