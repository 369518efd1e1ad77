/*
 * worker_array.h - shared arrays in workers: addresses of those of a map.
 *
 * Threads use the creator's pointers. A process gets the file that holds an array from the creator,
 * over its control socket, once: as a key, which is its slot in a small table and the generation of
 * that slot. The creator decides what is in the table.
 */
#ifndef IPK_POOL_WORKER_ARRAY_H
#define IPK_POOL_WORKER_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/pool_shared.h"

#define IPK__ARRAY_SLOTS 32u

struct ipk__worker;

/* A key is generation * IPK__ARRAY_SLOTS + slot; generations start at 1. */
struct ipk__array_message {
	uint64_t key;
	uint64_t mapped_bytes; /* of the file sent along */
};

struct ipk__array_view {
	char *data; /* of item 0; NULL: no such array */
};

/* The arrays of @map; false: some have not arrived yet, or the creator is dead. */
bool ipk__worker_views(struct ipk__worker *w, const struct ipk__shm_map *map,
		       struct ipk__array_view ret_views[2]);

#endif
