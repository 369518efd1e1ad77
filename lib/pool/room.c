/*
 * room.c - room in the heap of a pool's segment.
 *
 * Small pieces lie at the low end, one behind the other, and keep their memory for good;
 * large ones lie at the high end and have memory only while they are taken: so what comes
 * in between is never filled. Each size (a power of two) has a stack of the pieces given
 * back. That stack is made large enough when a piece is cut, so that giving back cannot fail.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "pool/room.h"

#define PIECE_MIN ((uint64_t)64)
#define LARGE_BYTES ((uint64_t)256 << 10)
#define FILL_BYTES ((uint64_t)256 << 10) /* that small pieces get at a time */

struct stack {
	size_t n, n_max; /* n_max: as many as there are pieces of this size */
	size_t n_pieces;
	uint64_t offsets[];
};

void ipk__room_init(struct ipk__room *room, int fd, void *base, uint64_t begin, uint64_t end)
{
	uint64_t page = ipk__os_page_bytes();

	begin = ipk__round_up(begin, page);
	*room = (struct ipk__room){
		.fd = fd,
		.base = base,
		.begin = begin,
		.end = end / page * page,
		.fresh = begin,
		.filled = begin,
	};
}

void ipk__room_end(struct ipk__room *room)
{
	for (size_t i = 0; i < IPK__ROOM_CLASSES; i++) {
		free(room->free[i]);
		room->free[i] = NULL;
	}
}

static uint64_t piece_bytes(uint64_t n_bytes)
{
	return ipk__round_up_pow2(IPK__MAX(n_bytes, PIECE_MIN));
}

static struct stack **stack_of(struct ipk__room *room, uint64_t piece)
{
	return (struct stack **)&room->free[63 - __builtin_clzll(piece)];
}

/* So much of a large piece has memory. */
static uint64_t filled_bytes(uint64_t n_bytes)
{
	return ipk__round_up(n_bytes, ipk__os_page_bytes());
}

/* Make sure that one more piece of this size can be given back. */
static int reserve(struct ipk__room *room, uint64_t piece)
{
	struct stack **at = stack_of(room, piece), *s = *at;
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

static int cut_small(struct ipk__room *room, uint64_t piece, uint64_t *ret_offset)
{
	uint64_t end = room->fresh + piece;
	int r = 0;

	if (end > room->end)
		return -ENOSPC;
	if (end > room->filled) {
		uint64_t fill = IPK__MIN(IPK__MAX(end - room->filled, FILL_BYTES),
					 room->end - room->filled);

		r = ipk__os_allocate(room->fd, room->filled, fill);
		if (r == 0)
			room->filled += fill;
	}
	if (r == 0) {
		*ret_offset = room->fresh;
		room->fresh = end;
	}
	return r;
}

static int fill_large(struct ipk__room *room, uint64_t offset, uint64_t n_bytes)
{
	int r = ipk__os_allocate(room->fd, offset, filled_bytes(n_bytes));

	if (r < 0)
		ipk__os_deallocate(room->fd, offset, filled_bytes(n_bytes));
	return r;
}

static int cut_large(struct ipk__room *room, uint64_t n_bytes, uint64_t piece, uint64_t *ret_offset)
{
	uint64_t low = IPK__MAX(room->fresh, room->filled);
	int r = piece > room->end - low ? -ENOSPC : 0;

	if (r == 0)
		r = fill_large(room, room->end - piece, n_bytes);
	if (r == 0) {
		room->end -= piece;
		*ret_offset = room->end;
	}
	return r;
}

static int take_given(struct ipk__room *room, uint64_t n_bytes, uint64_t piece, struct stack *s,
		      uint64_t *ret_offset)
{
	uint64_t offset = s->offsets[s->n - 1];
	int r = piece >= LARGE_BYTES ? fill_large(room, offset, n_bytes) : 0;

	if (r == 0) {
		s->n--;
		*ret_offset = offset;
	}
	return r;
}

int ipk__room_take(struct ipk__room *room, uint64_t n_bytes, uint64_t *ret_offset)
{
	uint64_t piece;
	struct stack *s;
	int r;

	if (n_bytes > room->end - room->begin)
		return -ENOSPC;
	piece = piece_bytes(n_bytes);
	s = *stack_of(room, piece);
	if (s && s->n > 0)
		return take_given(room, n_bytes, piece, s, ret_offset);
	r = reserve(room, piece);
	if (r == 0)
		r = piece >= LARGE_BYTES ? cut_large(room, n_bytes, piece, ret_offset)
					 : cut_small(room, piece, ret_offset);
	if (r == 0)
		(*stack_of(room, piece))->n_pieces++;
	return r;
}

void ipk__room_give(struct ipk__room *room, uint64_t offset, uint64_t n_bytes)
{
	uint64_t piece = piece_bytes(n_bytes);
	struct stack *s = *stack_of(room, piece);

	if (piece >= LARGE_BYTES)
		ipk__os_deallocate(room->fd, offset, filled_bytes(n_bytes));
	s->offsets[s->n++] = offset;
}
