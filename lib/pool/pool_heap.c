/*
 * pool_heap.c - the allocator of a pool's segment.
 *
 * Small pieces are at the low end, one after the other, and keep their pages; large ones are at the
 * high end and have pages only while they are allocated: so the gap in between is never populated.
 * Each size (a power of two) has a stack of free pieces. That stack is made large enough when a
 * piece is cut, so freeing cannot fail.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "pool/pool_heap.h"

#define PIECE_MIN ((uint64_t)64)
#define LARGE_BYTES ((uint64_t)256 << 10)
#define FILL_BYTES ((uint64_t)256 << 10) /* that small pieces get at a time */

struct stack {
	size_t n, n_max; /* n_max: as many as there are pieces of this size */
	size_t n_pieces;
	uint64_t offsets[];
};

void ipk__pool_heap_init(struct ipk__pool_heap *heap, int fd, void *base, uint64_t begin,
			 uint64_t end)
{
	uint64_t page = ipk__os_page_bytes();

	begin = ipk__round_up(begin, page);
	*heap = (struct ipk__pool_heap){
		.fd = fd,
		.base = base,
		.begin = begin,
		.end = end / page * page,
		.fresh = begin,
		.filled = begin,
	};
}

void ipk__pool_heap_close(struct ipk__pool_heap *heap)
{
	for (size_t i = 0; i < IPK__POOL_HEAP_CLASSES; i++) {
		free(heap->free[i]);
		heap->free[i] = NULL;
	}
}

static uint64_t piece_bytes(uint64_t n_bytes)
{
	return ipk__round_up_pow2(IPK__MAX(n_bytes, PIECE_MIN));
}

static struct stack **stack_of(struct ipk__pool_heap *heap, uint64_t piece)
{
	return (struct stack **)&heap->free[63 - __builtin_clzll(piece)];
}

/* So much of a large piece has memory. */
static uint64_t filled_bytes(uint64_t n_bytes)
{
	return ipk__round_up(n_bytes, ipk__os_page_bytes());
}

/* Make sure that one more piece of this size can be given back. */
static int reserve(struct ipk__pool_heap *heap, uint64_t piece)
{
	struct stack **at = stack_of(heap, piece), *s = *at;
	size_t n_max = s ? s->n_max * 2 : 8;

	if (s && s->n_pieces < s->n_max)
		return 0;
	s = ipk__os_realloc(s, sizeof *s + n_max * sizeof s->offsets[0]);
	if (!s)
		return -ENOMEM;
	if (!*at)
		s->n = s->n_pieces = 0;
	s->n_max = n_max;
	*at = s;
	return 0;
}

static int cut_small(struct ipk__pool_heap *heap, uint64_t piece, uint64_t *ret_offset)
{
	uint64_t end = heap->fresh + piece;
	int r = 0;

	if (end > heap->end)
		return -ENOSPC;
	if (end > heap->filled) {
		uint64_t fill = IPK__MIN(IPK__MAX(end - heap->filled, FILL_BYTES),
					 heap->end - heap->filled);

		r = ipk__os_allocate(heap->fd, heap->filled, fill);
		if (r == 0)
			heap->filled += fill;
	}
	if (r == 0) {
		*ret_offset = heap->fresh;
		heap->fresh = end;
	}
	return r;
}

static int fill_large(struct ipk__pool_heap *heap, uint64_t offset, uint64_t n_bytes)
{
	int r = ipk__os_allocate(heap->fd, offset, filled_bytes(n_bytes));

	if (r < 0)
		ipk__os_deallocate(heap->fd, offset, filled_bytes(n_bytes));
	return r;
}

static int cut_large(struct ipk__pool_heap *heap, uint64_t n_bytes, uint64_t piece,
		     uint64_t *ret_offset)
{
	uint64_t low = IPK__MAX(heap->fresh, heap->filled);
	int r = piece > heap->end - low ? -ENOSPC : 0;

	if (r == 0)
		r = fill_large(heap, heap->end - piece, n_bytes);
	if (r == 0) {
		heap->end -= piece;
		*ret_offset = heap->end;
	}
	return r;
}

static int take_given(struct ipk__pool_heap *heap, uint64_t n_bytes, uint64_t piece,
		      struct stack *s, uint64_t *ret_offset)
{
	uint64_t offset = s->offsets[s->n - 1];
	int r = piece >= LARGE_BYTES ? fill_large(heap, offset, n_bytes) : 0;

	if (r == 0) {
		s->n--;
		*ret_offset = offset;
	}
	return r;
}

int ipk__pool_heap_alloc(struct ipk__pool_heap *heap, uint64_t n_bytes, uint64_t *ret_offset)
{
	uint64_t piece;
	struct stack *s;
	int r;

	if (n_bytes > heap->end - heap->begin)
		return -ENOSPC;
	piece = piece_bytes(n_bytes);
	s = *stack_of(heap, piece);
	if (s && s->n > 0)
		return take_given(heap, n_bytes, piece, s, ret_offset);
	r = reserve(heap, piece);
	if (r == 0)
		r = piece >= LARGE_BYTES ? cut_large(heap, n_bytes, piece, ret_offset)
					 : cut_small(heap, piece, ret_offset);
	if (r == 0)
		(*stack_of(heap, piece))->n_pieces++;
	return r;
}

void ipk__pool_heap_free(struct ipk__pool_heap *heap, uint64_t offset, uint64_t n_bytes)
{
	uint64_t piece = piece_bytes(n_bytes);
	struct stack *s = *stack_of(heap, piece);

	if (piece >= LARGE_BYTES)
		ipk__os_deallocate(heap->fd, offset, filled_bytes(n_bytes));
	s->offsets[s->n++] = offset;
}
