/*
 * map_shared.h - maps: one function over many items, as workers see it.
 *
 * A map is cut into chunks, each with a word that says whose it is: a worker claims a chunk
 * by compare-and-swap of that word, and nobody else writes it until the worker is done or
 * dead. Each worker begins in a region of its own and helps in others' when that is
 * exhausted, so that two workers are rarely after the same word or the same memory.
 *
 * A worker's place (pool_shared.h) names the chunk it is after, stored before it claims it, and
 * the item it is at, stored before the item is begun. When it dies, the items of its chunk
 * before that one are done, that one is the one that killed it, and the rest goes back: the
 * word becomes READY again, from there on. How many items are done is only counted now and
 * then, and not at all when a worker dies in between: after a death the words alone tell.
 *
 * A worker announces in its place that it looks at a map, then sees whether the map is open; the
 * creator closes it, then sees whether anybody has announced that. One of the two sees the other,
 * so a map's memory and its place in the table are used again only when nobody looks at it.
 * maps_active is but a hint: a worker that finds nothing left takes the bit out, and puts it back
 * when there were news meanwhile.
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
		4, /* the creator has seen to all its items; a worker may be at one yet */
	IPK__CHUNK_RESTING = 5, /* READY again before long */
};

/*
 * First item to do within the chunk (32 bits), how often that was begun (16, no more are
 * counted), worker (8), state (8).
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
	IPK__MAP_ARRAY = 1, /* fn is an ipk_slice_fn: an item is a stretch of the array */
};

enum {
	/* Items have a time limit: since_ns is stored for each, exactly, and chunks are of one
	   item. */
	IPK__MAP_IS_TIMED = 1u << 0,
	/* Items whose code is not 0 beforehand are not to be done. */
	IPK__MAP_HAS_SKIPS = 1u << 1,
};

struct ipk__map_region {
	alignas(64) _Atomic uint32_t next; /* a hint: chunks before it are claimed */
	_Atomic uint32_t last;             /* a hint for helpers, who come from the end */
	_Atomic uint32_t helper;           /* a hint who is there, as worker + 1: help elsewhere */
};

struct ipk__pool_map {
	alignas(IPK__CACHE_LINE) _Atomic uint64_t n_done; /* items, told by workers now and then */
	_Atomic uint64_t n_failed;
	alignas(IPK__CACHE_LINE) _Atomic uint32_t is_open; /* what follows is good */
	_Atomic uint32_t n_news; /* publications and chunks that went back, of all maps here ever */
	_Atomic uint32_t stop;   /* what ipk_task_should_stop() says to all its items */
	_Atomic uint32_t
		tells; /* n_done is not exact: whoever finds nothing left tells the creator */
	_Atomic uint32_t n_texts;
	uint32_t first_news; /* n_news at its publication */
	uint32_t kind;       /* IPK__MAP_ITEMS, IPK__MAP_ARRAY */
	uint32_t flags;
	_Atomic uint64_t sequence; /* the lowest is done first */
	uint64_t fn;
	uint64_t n_items;
	uint64_t chunk; /* items in each, but for the last */
	uint32_t n_chunks;
	uint32_t n_regions;
	int64_t soft_timeout_ns; /* 0: none */
	uint64_t words_offset;   /* of the chunks; offsets are in the pool's segment */
	uint64_t codes_offset;   /* int32_t each: what the function gave, zeroed before */
	uint64_t texts_offset;   /* IPK__MAP_TEXTS of struct ipk__map_text */
	/* IPK__MAP_ITEMS: */
	uint64_t items_offset;
	uint64_t results_offset;
	uint64_t item_bytes, result_bytes;
	/* IPK__MAP_ARRAY: */
	uint64_t arrays[2];        /* keys of the files they lie in: see worker_array.h; 0 none */
	uint64_t array_offsets[2]; /* in those; thread workers: addresses */
	uint64_t array_items;
	uint64_t stretch; /* how many of them make an item here */
	uint64_t array_item_bytes[2];
	struct ipk__map_region regions[IPK__MAP_REGIONS];
};

struct ipk__map_text {
	_Atomic uint64_t index; /* of the item, + 1; 0: not whole yet */
	char text[120];
};

/* The chunks of region @i are from this one on, up to that of the next. */
static inline uint32_t ipk__map_region_first(uint32_t i, uint32_t n_regions, uint32_t n_chunks)
{
	return (uint32_t)((uint64_t)n_chunks * i / n_regions);
}

#endif
