/*
 * store.h - the keyspace in a shared segment, on the side of its one writer, the server.
 *
 * A key is any bytes; its value is a string, a hash (a table of fields), a list, or a managed
 * object (a lock, a queue: see shared_objects.h). Others map the segment read-only and read hashes
 * and lists themselves (view.h).
 *
 * Pointers and slices returned by these calls refer to the segment: valid until the next call that
 * changes anything. Every change either happens as a whole or fails with -ENOSPC and changes
 * nothing.
 *
 * No call here takes long: tables grow in steps, and removed data is freed in steps, by
 * ipk__store_step(), which the server may call at any time, and by the changes themselves.
 */
#ifndef IPK_STORE_STORE_H
#define IPK_STORE_STORE_H

#include <stdint.h>

#include "base/slice.h"

struct ipk__store;
struct ipk__entry; /* a key with its value, or a field with its value */
struct ipk__table; /* fields, or all keys */
struct ipk__store_list;

enum ipk__key_type {
	IPK__TYPE_NONE = 0,
	IPK__TYPE_STRING = 1,
	IPK__TYPE_HASH = 2,
	IPK__TYPE_LIST = 3,
	IPK__TYPE_SYNC_OBJECT = 4,
};

#define IPK__STORE_ITEM_MAX ((size_t)512 << 20) /* bytes of a key, field, value or list item */

struct ipk__store_opts {
	const char *label;  /* for the memfd "ipk:manager:<label>" */
	uint64_t max_bytes; /* 0: no limit; a change beyond it is -ENOSPC */
};

/*
 * Readers take the end of the calling thread for the server's, so it should be the one that closes
 * the store. -EINVAL the label is not a valid name.
 */
int ipk__store_create(const struct ipk__store_opts *opts, struct ipk__store **ret_store);
/* NULL is fine. In a fork child it only releases the child's copy. */
void ipk__store_close(struct ipk__store *s);
/* A read-only fd of the segment for another process, to be closed by the caller. */
int ipk__store_fd_to_read(struct ipk__store *s, int *ret_fd);
uint64_t ipk__store_used_bytes(const struct ipk__store *s);     /* as Redis counts used_memory */
uint64_t ipk__store_resident_bytes(const struct ipk__store *s); /* pages, used or not */
void ipk__store_set_max_bytes(struct ipk__store *s, uint64_t max_bytes);
uint64_t ipk__store_max_bytes(const struct ipk__store *s); /* 0: no limit */
/* Some pending work, for @budget_ns at most. True when there is more to do. */
bool ipk__store_step(struct ipk__store *s, int64_t budget_ns);

/* --- keys ------------------------------------------------------------------------------------- */

uint64_t ipk__keys_len(const struct ipk__store *s);
/* Expired ones too: the caller checks ipk__key_expires_ms(). NULL: none. */
struct ipk__entry *ipk__key_find(struct ipk__store *s, struct ipk__slice name);
enum ipk__key_type ipk__key_type(const struct ipk__entry *key);
struct ipk__slice ipk__entry_name(const struct ipk__entry *entry); /* of a field too */
/* A string's bytes, or a field's value. */
struct ipk__slice ipk__entry_value(const struct ipk__entry *entry);
struct ipk__table *ipk__key_table(struct ipk__store *s, const struct ipk__entry *key);
struct ipk__store_list *ipk__key_list(struct ipk__store *s, const struct ipk__entry *key);
struct ipk__shm_sync_object *ipk__key_sync_object(struct ipk__store *s,
						  const struct ipk__entry *key);

/*
 * Makes @name a string of this value, replacing any value; its time to live is removed, unless
 * @keep_ttl. @ret_key may be NULL. @value must not be in the store.
 */
int ipk__key_set(struct ipk__store *s, struct ipk__slice name, struct ipk__slice value,
		 bool keep_ttl, struct ipk__entry **ret_key);
/*
 * Resizes a string to @n_bytes: new bytes are zeroed, excess bytes are cut. For APPEND and
 * SETRANGE; grows with slack, so appending often is cheap. -EPROTOTYPE.
 */
int ipk__key_resize(struct ipk__store *s, struct ipk__slice name, size_t n_bytes, char **ret_bytes);
/*
 * Writes @bytes at @offset of a string, which grows, with zeros in a gap. Atomic for readers,
 * unlike writing after ipk__key_resize(): then they wait until the next call of the store.
 */
int ipk__key_write(struct ipk__store *s, struct ipk__slice name, size_t offset,
		   struct ipk__slice bytes);
/* An empty hash, list or sync object under an unused name. */
int ipk__key_make(struct ipk__store *s, struct ipk__slice name, enum ipk__key_type type,
		  struct ipk__entry **ret_key);
bool ipk__key_remove(struct ipk__store *s, struct ipk__slice name); /* false: there was none */
/* Replaces @to; @from must exist. The time to live moves along. */
int ipk__key_rename(struct ipk__store *s, struct ipk__slice from, struct ipk__slice to);
void ipk__keys_clear(struct ipk__store *s);
int64_t ipk__key_expires_ms(const struct ipk__entry *key); /* wall clock; 0 never */
/* @at_ms 0: never. @name must exist. */
int ipk__key_expire(struct ipk__store *s, struct ipk__slice name, int64_t at_ms);
/* A key that expired before @now_ms, *ret_name in position; false: none is due. */
bool ipk__key_next_expired(struct ipk__store *s, int64_t now_ms, struct ipk__slice *ret_name);
uint64_t ipk__keys_expiring(const struct ipk__store *s); /* how many have a time to live */
/* A number that changes whenever the key's value may have: for WATCH. 0: no such key. */
uint64_t ipk__key_version(struct ipk__store *s, const struct ipk__entry *key);

/* --- tables: the fields of a hash, or all keys ------------------------------------------------ */

struct ipk__table *ipk__store_keys(struct ipk__store *s);
uint64_t ipk__table_len(const struct ipk__table *t);
struct ipk__entry *ipk__table_find(struct ipk__store *s, struct ipk__table *t,
				   struct ipk__slice name);
/* For hashes only. *ret_is_new may be NULL. @value must not be in the store. */
int ipk__table_put(struct ipk__store *s, struct ipk__table *t, struct ipk__slice name,
		   struct ipk__slice value, bool *ret_is_new);
bool ipk__table_remove(struct ipk__store *s, struct ipk__table *t, struct ipk__slice name);
/*
 * Some entries and the next cursor, 0 at the end. As Redis SCAN: entries that exist from beginning
 * to end are visited at least once, however the table grows meanwhile. @each must not change
 * anything.
 */
uint64_t ipk__table_scan(struct ipk__store *s, struct ipk__table *t, uint64_t cursor,
			 void (*each)(void *arg, struct ipk__entry *entry), void *arg);
/*
 * Whether ipk__table_scan() has visited a name, from the cursor it returned last: those whose
 * position is below the cursor's were visited. Holds however the table grows or shrinks, if the
 * highest position of any cursor is used.
 */
uint64_t ipk__scan_position(const struct ipk__store *s, struct ipk__slice name);
uint64_t ipk__scan_position_of_cursor(uint64_t cursor);
/* A random entry, all (nearly) equally likely; NULL when empty. @random: 64 random bits. */
struct ipk__entry *ipk__table_random(struct ipk__store *s, struct ipk__table *t, uint64_t random);
/* All entries, while nothing changes: *it starts as {0}; NULL at the end. */
struct ipk__table_iter {
	uint64_t at;
	const struct ipk__entry *last;
};
struct ipk__entry *ipk__table_next(struct ipk__store *s, struct ipk__table *t,
				   struct ipk__table_iter *it);

/* --- lists ------------------------------------------------------------------------------------ */

uint64_t ipk__store_list_len(const struct ipk__store_list *l);
/* Items must not be in the store. Indices count from 0; those passed here are in range. */
int ipk__store_list_push(struct ipk__store *s, struct ipk__store_list *l, bool front,
			 struct ipk__slice item);
int ipk__store_list_insert(
	struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
	struct ipk__slice item); /* before @index; the length is valid: at the end */
int ipk__store_list_set(struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
			struct ipk__slice item);
void ipk__store_list_remove(struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
			    uint64_t n);
struct ipk__slice ipk__store_list_at(struct ipk__store *s, struct ipk__store_list *l,
				     uint64_t index);
/* From @index on, forwards or backwards, while nothing changes. */
struct ipk__store_list_iter {
	struct ipk__store *store;
	struct ipk__store_list *list;
	uint64_t node;
	uint32_t position;
	bool backwards;
};
void ipk__store_list_begin(struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
			   bool backwards, struct ipk__store_list_iter *ret_it);
bool ipk__store_list_next(struct ipk__store_list_iter *it, struct ipk__slice *ret_item);

#endif
