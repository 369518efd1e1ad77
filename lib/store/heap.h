/* heap.h - the allocator of the store's segment, used by its one writer. */
#ifndef IPK_STORE_HEAP_H
#define IPK_STORE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "store/layout.h"

#define IPK__HEAP_CLASSES 72 /* 16 .. 512 in steps of 16, then 8 per doubling up to 16 KiB */
#define IPK__HEAP_SMALL_MAX ((size_t)16 << 10)

struct ipk__chunk;
struct ipk__chunk_set;

struct ipk__heap {
	char *base;
	int fd;
	uint32_t n_chunks;     /* used ones, and free ones among them */
	uint32_t n_chunks_max; /* as many as are mapped */
	uint32_t n_fixed;      /* the first ones, not managed here */
	uint32_t n_filled;     /* chunks that have pages */
	uint32_t n_idle;       /* of these, free ones */
	uint64_t live_bytes;   /* allocated, after rounding up */
	uint64_t max_bytes;    /* limit of live_bytes */
	struct ipk__chunk *chunks;
	struct ipk__chunk_set *sets;
	_Atomic uint64_t *end_bytes; /* kept up to date for readers */
};

/* @base: the mapping of @mapped_bytes, whose first @fixed_bytes are filled and not managed here. */
int ipk__heap_init(struct ipk__heap *h, int fd, char *base, uint64_t mapped_bytes,
		   uint64_t fixed_bytes, _Atomic uint64_t *end_bytes);
void ipk__heap_fini(struct ipk__heap *h);

/* Any content. -ENOSPC; -ENOMEM no memory for the bookkeeping. */
int ipk__heap_alloc(struct ipk__heap *h, size_t n_bytes, uint32_t *ret_ref);
void ipk__heap_free(struct ipk__heap *h, uint32_t ref);
/* The real size of the piece at @ref; what @n_bytes would be rounded up to. */
size_t ipk__heap_room(const struct ipk__heap *h, uint32_t ref);
size_t ipk__heap_round(size_t n_bytes);
/* Slots: zeroed once, and unchanged when reused; numbers, not refs. */
int ipk__heap_alloc_slot(struct ipk__heap *h, uint32_t *ret_slot);
void ipk__heap_free_slot(struct ipk__heap *h, uint32_t slot);
/*
 * Whole chunks without pages or with any content: filled and zeroed in steps, one after the other,
 * by ipk__heap_fill_chunk(). Freed as everything else.
 */
int ipk__heap_alloc_chunks(struct ipk__heap *h, uint32_t n_chunks, uint32_t *ret_ref);
int ipk__heap_fill_chunk(struct ipk__heap *h, uint32_t ref, uint32_t i);
/* Returns a free chunk's pages to the system, when there are many. False: nothing to do. */
bool ipk__heap_trim(struct ipk__heap *h);
uint64_t ipk__heap_resident_bytes(const struct ipk__heap *h);

static inline void *ipk__heap_at(const struct ipk__heap *h, uint32_t ref)
{
	return h->base + (uint64_t)ref * IPK__REF_UNIT;
}

static inline uint32_t ipk__heap_ref(const struct ipk__heap *h, const void *p)
{
	return (uint32_t)((uint64_t)((const char *)p - h->base) / IPK__REF_UNIT);
}

static inline struct ipk__shm_slot *ipk__heap_slot(const struct ipk__heap *h, uint32_t slot)
{
	return (struct ipk__shm_slot *)(h->base + (uint64_t)slot * IPK__SLOT_BYTES);
}

static inline uint32_t ipk__heap_slot_number(const struct ipk__heap *h,
					     const struct ipk__shm_slot *slot)
{
	return (uint32_t)((uint64_t)((const char *)slot - h->base) / IPK__SLOT_BYTES);
}

#endif
