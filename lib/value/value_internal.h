/*
 * value_internal.h - declarations shared by lib/value.
 *
 * typecode.c  the meaning of typecodes     atomic_scalar.c  atomic operations on one number
 * value.c     values: numbers              pair.c           values that are structs
 * array.c     arrays, item by item         array_bulk.c     many items at a time
 */
#ifndef IPK_VALUE_INTERNAL_H
#define IPK_VALUE_INTERNAL_H

#include "ipk/value.h"
#include "lock/lock_internal.h"

enum ipk__type_kind {
	IPK__TYPE_CHAR,
	IPK__TYPE_BOOL,
	IPK__TYPE_SIGNED,
	IPK__TYPE_UNSIGNED,
	IPK__TYPE_FLOAT,
};

struct ipk__type {
	char typecode;
	uint8_t n_bytes;
	enum ipk__type_kind kind;
};

/* --- layout in shared memory ------------------------------------------------------------------ */

/* In an object's flags: the typecode, and whether there is a lock. */
#define IPK__FLAG_TYPECODE 0xffu
#define IPK__FLAG_RAW 0x100u

struct ipk__shm_value {
	struct ipk__shm_object object;
	_Atomic uint64_t word; /* a number in its first bytes, or the count of stores of a struct */
	uint64_t item_bytes;
	struct ipk__shm_guard guard; /* unused when raw */
};
_Static_assert(offsetof(struct ipk__shm_value, word) == 64, "layout");
_Static_assert(offsetof(struct ipk__shm_value, guard) == 80, "layout");

/* A struct: see pair.c. */
struct ipk__shm_pair {
	struct ipk__shm_value value;
	struct ipk__robust_lock store_lock;
	_Atomic uint64_t words[]; /* copy 0, then copy 1, each in whole words */
};
_Static_assert(offsetof(struct ipk__shm_pair, words) % 8 == 0, "layout");

struct ipk__shm_array {
	struct ipk__shm_object object;
	uint64_t n_items;
	uint64_t item_bytes;
	struct ipk__shm_guard guard; /* unused when raw */
	alignas(64) char data[];
};
_Static_assert(offsetof(struct ipk__shm_array, n_items) == 64, "layout");
_Static_assert(offsetof(struct ipk__shm_array, guard) == 80, "layout");
_Static_assert(offsetof(struct ipk__shm_array, data) % 64 == 0, "layout");

/* --- handles: everything was validated at creation -------------------------------------------- */

struct ipk_value {
	union {
		struct ipk__ref ref;
		struct ipk_value_face face;
	};
	const struct ipk__type *type; /* NULL: a struct */
	size_t item_bytes;
	struct ipk_lock lock; /* guard is NULL when raw */
};
_Static_assert(sizeof(struct ipk__ref) <= offsetof(struct ipk_value_face, word), "face");

struct ipk_array {
	struct ipk__ref ref;
	char *data;
	const struct ipk__type *type; /* NULL: structs */
	size_t n_items;
	size_t item_bytes;
	struct ipk_lock lock; /* guard is NULL when raw */
};

/* --- typecode.c ------------------------------------------------------------------------------- */

const struct ipk__type *ipk__type_find(char typecode); /* NULL: unknown */
bool ipk__type_is(const struct ipk__type *type, char typecode);
#define IPK__NO_ITEM "the pointer to the item is NULL"
#define IPK__OTHER_TYPE "the call's type, or typecode: another than the items have"

/* The size of an item, from options: 0 or -EINVAL. */
int ipk__type_size(char typecode, size_t item_bytes, size_t *ret_item_bytes);
/* Validates the description of an object's items in shared memory: 0 or -EBADMSG. */
int ipk__type_check(uint32_t flags, uint64_t item_bytes, const struct ipk__type **ret_type);
/* The lock in @guard, owned by the handle that has @ref. */
struct ipk_lock ipk__lent_lock(const struct ipk__ref *ref, struct ipk__shm_guard *guard,
			       uint32_t flags);

/* --- atomic_scalar.c: @word is of @type, and aligned; bits are those of an item --------------- */

uint64_t ipk__bits_of(const struct ipk__type *type, const void *item);
void ipk__bits_to(const struct ipk__type *type, uint64_t bits, void *ret_item);
uint64_t ipk__scalar_load(const struct ipk__type *type, const void *word);
void ipk__scalar_store(const struct ipk__type *type, void *word, uint64_t bits);
uint64_t ipk__scalar_exchange(const struct ipk__type *type, void *word, uint64_t bits);
/* True if it held *expected; otherwise *expected is set to what it holds. */
bool ipk__scalar_swap(const struct ipk__type *type, void *word, uint64_t *expected, uint64_t bits);

/* Adds. 0; -EINVAL not supported by the type; -EOVERFLOW when @checked. */
int ipk__scalar_add_int(const struct ipk__type *type, void *word, int64_t delta, bool checked,
			uint64_t *ret_old);
int ipk__scalar_add_double(const struct ipk__type *type, void *word, double delta,
			   uint64_t *ret_old);

/* --- pair.c ----------------------------------------------------------------------------------- */

size_t ipk__pair_bytes(size_t item_bytes); /* of a struct ipk__shm_pair */
int ipk__pair_init(struct ipk__shm_pair *pair, const void *item, size_t item_bytes);

#endif
