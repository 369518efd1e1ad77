/*
 * pool_heap.h - allocates memory in the heap of a pool's segment. Only the creator calls it.
 *
 * The bookkeeping is private: a worker's death cannot damage it. Sizes are rounded up to powers of
 * two (64 bytes and more); freed pieces are reused, and large ones return their pages to the kernel
 * at once.
 */
#ifndef IPK_POOL_HEAP_H
#define IPK_POOL_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define IPK__POOL_HEAP_CLASSES 40

struct ipk__pool_heap {
	int fd;
	char *base;          /* of the segment */
	uint64_t begin, end; /* offsets in it */
	uint64_t fresh;      /* never used from here on */
	uint64_t filled;     /* has pages up to here */
	void *free[IPK__POOL_HEAP_CLASSES];
};

void ipk__pool_heap_init(struct ipk__pool_heap *heap, int fd, void *base, uint64_t begin,
			 uint64_t end);
void ipk__pool_heap_close(struct ipk__pool_heap *heap); /* frees the bookkeeping */
/* @n_bytes at *ret_offset, a multiple of 64, not zeroed. -ENOSPC, -ENOMEM. */
int ipk__pool_heap_alloc(struct ipk__pool_heap *heap, uint64_t n_bytes, uint64_t *ret_offset);
void ipk__pool_heap_free(struct ipk__pool_heap *heap, uint64_t offset, uint64_t n_bytes);

#endif
