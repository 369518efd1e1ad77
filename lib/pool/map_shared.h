/*
 * map_shared.h - maps: one function over many items, as workers see it.
 *
 * A map is cut into chunks, each with a word that names its owner: a worker claims a chunk by
 * compare-and-swap of that word, and no other process writes it until the worker is done or dead.
 * Each worker begins in a region of its own and helps in others' when that is exhausted, so two
 * workers rarely compete for the same word or the same memory.
 *
 * A worker's record (pool_shared.h) names the chunk, stored before it is claimed, and the current
 * item, stored before the item is started. When the worker dies, the items of its chunk before that
 * one are done, that one killed it, and the rest is requeued: the word becomes READY again, from
 * there on. The number of done items is only updated now and then, and not if a worker dies in
 * between: after a death only the words are reliable.
 *
 * A worker announces in its record that it accesses a map, then checks whether the map is open; the
 * creator closes it, then checks for announcements. One of the two sees the other, so a map's
 * memory and its entry in the table are reused only when no worker accesses it. maps_active is only
 * a hint: a worker that finds nothing left clears the bit, and sets it again if there were news
 * meanwhile.
 */
#ifndef IPK_POOL_MAP_SHARED_H
#define IPK_POOL_MAP_SHARED_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/base_internal.h"

#define IPK__POOL_MAPS 8u
#define IPK__MAP_REGIONS 64u
#define IPK__MAP_TEXTS 64u
#define IPK__MAP_CHUNK_MAX ((uint64_t)1 << 31)

enum {
	IPK__CHUNK_READY = 1,
	IPK__CHUNK_TAKEN = 2,
	IPK__CHUNK_DONE = 3,
	IPK__CHUNK_CONDEMNED =
		4, /* the creator has dealt with its items; a worker may still be at one */
	IPK__CHUNK_RESTING = 5, /* will be READY again soon */
};

/*
 * First item to process within the chunk (32 bits), number of attempts at it (16, saturating),
 * worker (8), state (8).
 */
static inline uint64_t ipk__chunk_word(uint64_t from, uint32_t n_begun, uint32_t worker,
				       uint32_t state)
{
	return from << 32 | (uint64_t)IPK__MIN(n_begun, 0xffffu) << 16 | (worker & 0xff) << 8 |
	       state;
}

static inline uint64_t ipk__chunk_from(uint64_t word)
{
	return word >> 32;
}

static inline uint32_t ipk__chunk_n_begun(uint64_t word)
{
	return (uint32_t)(word >> 16) & 0xffff;
}

static inline uint32_t ipk__chunk_worker(uint64_t word)
{
	return (uint32_t)(word >> 8) & 0xff;
}

static inline uint32_t ipk__chunk_state(uint64_t word)
{
	return (uint32_t)word & 0xff;
}

static inline uint64_t ipk__chunk_in_state(uint64_t word, uint32_t worker, uint32_t state)
{
	return (word & ~(uint64_t)0xffff) | (worker & 0xff) << 8 | state;
}

enum {
	IPK__MAP_ITEMS = 0, /* fn is an ipk_map_fn */
	IPK__MAP_ARRAY = 1, /* fn is an ipk_slice_fn: an item is a range of the array */
};

enum {
	/* Items have a time limit: since_ns is exact for each, and a chunk is one item. */
	IPK__MAP_IS_TIMED = 1u << 0,
	/* Items with a nonzero code are skipped. */
	IPK__MAP_HAS_SKIPS = 1u << 1,
};

struct ipk__map_region {
	alignas(64) _Atomic uint32_t next; /* a hint: chunks before it are claimed */
	_Atomic uint32_t last;             /* a hint for helpers, which come from the end */
	_Atomic uint32_t helper;           /* a hint: the helper here, as worker + 1 */
};

struct ipk__shm_map {
	alignas(IPK__CACHE_LINE) _Atomic uint64_t n_done; /* items, added by workers now and then */
	_Atomic uint64_t n_failed;
	alignas(IPK__CACHE_LINE) _Atomic uint32_t is_open; /* what follows is valid */
	_Atomic uint32_t n_news; /* publications and requeued chunks of this entry, in total */
	_Atomic uint32_t stop;   /* the result of ipk_task_should_stop() for its items */
	/* n_done is not exact: a worker that finds nothing left notifies the creator */
	_Atomic uint32_t tells;
	_Atomic uint32_t n_texts;
	uint32_t first_news; /* n_news at its publication */
	uint32_t kind;       /* IPK__MAP_ITEMS, IPK__MAP_ARRAY */
	uint32_t flags;
	_Atomic uint64_t sequence; /* the lowest is processed first */
	uint64_t fn;
	uint64_t n_items;
	uint64_t chunk; /* items in each, except the last */
	uint32_t n_chunks;
	uint32_t n_regions;
	int64_t soft_timeout_ns; /* 0: none */
	uint64_t words_offset;   /* of the chunks; offsets are in the pool's segment */
	uint64_t codes_offset;   /* int32_t each: the function's return value, zeroed before */
	uint64_t texts_offset;   /* IPK__MAP_TEXTS of struct ipk__map_text */
	/* IPK__MAP_ITEMS: */
	uint64_t items_offset;
	uint64_t results_offset;
	uint64_t item_bytes, result_bytes;
	/* IPK__MAP_ARRAY: */
	uint64_t arrays[2];        /* keys of their files: see worker_array.h; 0 none */
	uint64_t array_offsets[2]; /* in those; thread workers: addresses */
	uint64_t array_items;
	uint64_t stretch; /* how many of them make an item here */
	uint64_t array_item_bytes[2];
	struct ipk__map_region regions[IPK__MAP_REGIONS];
};

struct ipk__map_text {
	_Atomic uint64_t index; /* of the item, + 1; 0: not complete yet */
	char text[120];
};

/* First chunk of region @i; it extends to that of the next. */
static inline uint32_t ipk__map_region_first(uint32_t i, uint32_t n_regions, uint32_t n_chunks)
{
	return (uint32_t)((uint64_t)n_chunks * i / n_regions);
}

#endif
