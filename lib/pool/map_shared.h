/*
 * map_shared.h - maps: one function over many items, as workers see it.
 *
 * A map is cut into chunks, each with a word that says whose it is: a worker claims a chunk
 * by compare-and-swap of that word, and nobody else writes it until the worker is done or
 * dead. Each worker begins in a region of its own and helps in others' when that is
 * exhausted, so that two workers are rarely after the same word or the same memory.
 *
 * While it works on a chunk, a worker's item (pool_shared.h) is the item it is at; stored before
 * the item is begun. When it dies, the items of its chunk before that one are done, that
 * one is the one that killed it, and the rest goes back: the word becomes READY again, from
 * there on.
 *
 * A map's memory and its place in the table are used again only when no worker's map says
 * that it looks at it.
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

enum {
	IPK__CHUNK_READY = 1,
	IPK__CHUNK_TAKEN = 2,
	IPK__CHUNK_DONE = 3,
	IPK__CHUNK_CONDEMNED = 4,
};

/* First item to do within the chunk (40 bits), worker (16), state (8). */
static inline uint64_t ipk__chunk_word(uint64_t from, uint32_t worker, uint32_t state)
{
	return from << 24 | (uint64_t)(worker & 0xffff) << 8 | state;
}

enum {
	IPK__MAP_ITEMS = 0, /* fn is an ipk_map_fn: codes are per item */
	IPK__MAP_ARRAY = 1, /* fn is an ipk_slice_fn: codes are per chunk */
};

enum {
	IPK__MAP_IS_TIMED =
		1u << 0, /* items have a time limit: since_ns is stored for each, exactly */
};

struct ipk__map_region {
	alignas(64) _Atomic uint32_t next; /* a hint: chunks before it are claimed */
	_Atomic uint32_t last;             /* a hint for helpers, who come from the end */
};

struct ipk__pool_map {
	alignas(IPK__CACHE_LINE) _Atomic uint64_t n_done; /* items, told by workers now and then */
	_Atomic uint64_t n_failed;
	alignas(IPK__CACHE_LINE) uint32_t kind; /* IPK__MAP_ITEMS, IPK__MAP_ARRAY */
	uint32_t flags;
	uint64_t fn;
	uint64_t n_items;
	uint64_t chunk; /* items in each, but for the last */
	uint32_t n_chunks;
	uint32_t n_regions;
	uint64_t words_offset; /* of the chunks; offsets are in the pool's segment */
	uint64_t codes_offset; /* int32_t each: what the function gave */
	uint64_t texts_offset; /* IPK__MAP_TEXTS of struct ipk__map_text */
	uint64_t items_offset; /* IPK__MAP_ITEMS */
	uint64_t results_offset;
	uint64_t item_bytes, result_bytes;
	uint64_t arrays[2]; /* IPK__MAP_ARRAY: keys of the arrays, see map_array.c; 0 none */
	_Atomic uint32_t n_texts;
	_Atomic uint32_t n_back; /* chunks that went back: look again everywhere */
	_Atomic uint32_t stop;   /* what ipk_task_should_stop() says to all its items */
	struct ipk__map_region regions[IPK__MAP_REGIONS];
};

struct ipk__map_text {
	_Atomic uint64_t index; /* of the item, + 1; 0: not whole yet */
	char text[120];
};

#endif
