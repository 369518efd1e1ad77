/*
 * layout.h - the layout of the store's segment, for its writer and its readers.
 *
 *   [struct ipk__shm_store: header, keyspace, status][chunks of 64 KiB: slots, entries, ...]
 *
 * A ref is a position in units of 16 bytes from the segment's start; 0 is none. Each container (a
 * table, a list, an object) has a slot: 128 bytes that are only ever reused as a slot, so a reader
 * with an old position finds a sequence word and an id there.
 *
 * The writer makes a slot's sequence odd, changes what belongs to the slot, and makes it even. What
 * a reader has read is valid only if the sequence was even and is the same afterwards. Memory that
 * was freed and reused meanwhile is thus harmless: it was unlinked under an odd sequence, and the
 * writer's release fence precedes everything it did then.
 */
#ifndef IPK_STORE_LAYOUT_H
#define IPK_STORE_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_internal.h"
#include "shared/robust_lock.h"
#include "shared/segment.h"
#include "store/store.h"
#include "store/shared_objects.h"

#define IPK__STORE_CHUNK_BYTES ((uint64_t)64 << 10)
#define IPK__REF_UNIT 16u
#define IPK__SLOT_BYTES 128u
#define IPK__BUCKET_BITS_MAX 31u
/* A limit: a step of SCAN visits all buckets that merge into one. */
#define IPK__SHRINK_BITS 3
#define IPK__STORE_ID_KEYS 1u /* of the keyspace; those of containers are larger */

/* Chained; while it is being rehashed, [0] is the old array and [1] the new one. */
struct ipk__shm_table {
	uint64_t version;
	uint64_t n_bytes;
	uint64_t n_entries;
	/* Buckets of [0] below it are empty: their entries are in [1]. */
	uint64_t moved;
	uint32_t buckets[2]; /* refs of arrays of refs; 0 none */
	uint8_t bits[2];     /* log2 of how many buckets */
	uint8_t phase;       /* private to the writer, like all that follows */
	uint8_t is_busy;
	uint32_t filled_chunks;
	uint32_t next_busy;
	uint32_t prev_busy;
};

/* In a list's spine: one for each node, with the absolute number of its first item. */
struct ipk__shm_vertebra {
	int64_t start;
	uint32_t node;
	uint32_t n_items;
};

struct ipk__shm_list {
	uint64_t version;
	uint64_t n_bytes;
	uint64_t n_items;
	uint32_t spine; /* ref of an array of spine entries, in use from head to head + n_nodes */
	uint32_t spine_room;
	uint32_t head;
	uint32_t n_nodes;
};

struct ipk__shm_slot {
	_Atomic uint64_t seq; /* odd: being changed */
	_Atomic uint64_t id;  /* 0: free; a new one when removed, renamed or replaced */
	uint32_t type;        /* enum ipk__key_type */
	uint32_t next;        /* private to the writer: link of the free list or the garbage list */
	int64_t expires_ms;
	union {
		struct {
			uint64_t version;
			uint64_t n_bytes;
		};
		struct ipk__shm_table table;
		struct ipk__shm_list list;
		struct ipk__shm_sync_object object;
		char room[96];
	};
};
_Static_assert(sizeof(struct ipk__shm_slot) == IPK__SLOT_BYTES, "layout");
_Static_assert(offsetof(struct ipk__shm_slot, next) == 20, "layout");
_Static_assert(offsetof(struct ipk__shm_slot, table) == 32, "layout");

/* Followed by struct ipk__shm_ttl if it has one, the name, the value. */
struct ipk__entry {
	uint32_t next;
	uint32_t hash;
	uint32_t name; /* length in bytes, and flags */
	uint32_t value_bytes;
	char bytes[];
};
_Static_assert(sizeof(struct ipk__entry) == 16, "layout");

#define IPK__ENTRY_HAS_TTL (1u << 31)
#define IPK__ENTRY_IS_CONTAINER (1u << 30) /* its value is struct ipk__shm_link */
#define IPK__ENTRY_NAME_MASK (IPK__ENTRY_IS_CONTAINER - 1)
_Static_assert(IPK__STORE_ITEM_MAX <= IPK__ENTRY_NAME_MASK, "a name's length fits");

/* Not aligned: at most to 4. */
struct ipk__shm_ttl {
	uint32_t at_ms[2];
	uint32_t position; /* private to the writer: index in its heap of times */
};
struct ipk__shm_link {
	uint32_t slot;
	uint32_t type;
};

/*
 * A node of a list: the items' entries grow from its beginning, their bytes from its end down. An
 * item too large for that is alone in its node.
 */
struct ipk__shm_item {
	uint16_t offset;
	uint16_t n_bytes;
};
struct ipk__shm_node {
	uint32_t room_bytes; /* total size of the node */
	uint16_t n_items;
	uint16_t low; /* offset of the items' bytes; 0: one large item */
	union {
		struct ipk__shm_item items[1]; /* n_items of them */
		struct {
			uint32_t n_bytes;
			char bytes[1];
		} large;
	};
};
#define IPK__NODE_HEAD_BYTES 8u
#define IPK__NODE_LARGE_BYTES 12u
_Static_assert(offsetof(struct ipk__shm_node, items) == IPK__NODE_HEAD_BYTES, "layout");
_Static_assert(offsetof(struct ipk__shm_node, large.bytes) == IPK__NODE_LARGE_BYTES, "layout");

/* At the beginning of the segment. */
struct ipk__shm_store {
	struct ipk__shm_header header;
	/* held by the server while it is alive */
	alignas(IPK__CACHE_LINE) struct ipk__robust_lock owner;
	_Atomic uint32_t is_closed; /* by a thread that could not release it */
	unsigned char hash_key[16];
	_Atomic uint64_t end_bytes; /* everything is below; only grows */
	_Atomic uint64_t first_id;  /* containers with smaller ids are gone */
	alignas(IPK__CACHE_LINE) struct ipk__shm_slot keys;
	struct ipk__shm_status status;
};
_Static_assert(offsetof(struct ipk__shm_store, keys) % IPK__SLOT_BYTES == 0, "is a slot");
#define IPK__STORE_KEYS_SLOT ((uint32_t)(offsetof(struct ipk__shm_store, keys) / IPK__SLOT_BYTES))

static inline uint32_t ipk__entry_name_bytes(uint32_t name)
{
	return name & IPK__ENTRY_NAME_MASK;
}

static inline uint32_t ipk__entry_ttl_bytes(uint32_t name)
{
	return name & IPK__ENTRY_HAS_TTL ? (uint32_t)sizeof(struct ipk__shm_ttl) : 0;
}

/*
 * The order in which SCAN visits buckets: counting with the bits reversed, so that what was
 * visited stays visited when the table doubles or halves (Redis's dictScan, by P. Noordhuis).
 */
static inline uint64_t ipk__reverse64(uint64_t v)
{
	v = (v >> 1 & 0x5555555555555555u) | (v & 0x5555555555555555u) << 1;
	v = (v >> 2 & 0x3333333333333333u) | (v & 0x3333333333333333u) << 2;
	v = (v >> 4 & 0x0f0f0f0f0f0f0f0fu) | (v & 0x0f0f0f0f0f0f0f0fu) << 4;
	return __builtin_bswap64(v);
}

static inline uint64_t ipk__scan_next(uint64_t cursor, uint64_t mask)
{
	return ipk__reverse64(ipk__reverse64(cursor | ~mask) + 1);
}

#endif
