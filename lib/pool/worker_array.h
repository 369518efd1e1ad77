/*
 * worker_array.h - shared arrays in workers: where those of a map lie.
 *
 * Threads use the creator's pointers. A process gets the file that an array lies in from the
 * creator, over its control socket, once: as a key, which is its place in a small table and
 * how often that place was given to another file. The creator decides what is in the table.
 */
#ifndef IPK_POOL_WORKER_ARRAY_H
#define IPK_POOL_WORKER_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/pool_shared.h"

#define IPK__ARRAY_PLACES 32u

struct ipk__worker;

/* A key is generation * IPK__ARRAY_PLACES + place; the generation is from 1. */
struct ipk__array_message {
	uint64_t key;
	uint64_t mapped_bytes; /* of the file that comes along */
};

struct ipk__array_view {
	char *data; /* of the item 0; NULL: there is no such array */
};

/* The arrays of @map; false: they have not all come yet, or the creator is gone. */
bool ipk__worker_views(struct ipk__worker *w, const struct ipk__pool_map *map,
		       struct ipk__array_view ret_views[2]);

#endif
