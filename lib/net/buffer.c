/*
 * buffer.c - buffers of connections.
 *
 * Capacity doubles, and the remaining bytes are moved to the front only when at least as many were
 * consumed before: each byte is moved a bounded number of times.
 */
#include <stdlib.h>

#include "base/base_internal.h"
#include "net/buffer.h"
#include "os/os.h"

#define ROOM_MIN_BYTES 512
#define ROOM_MAX_BYTES (SIZE_MAX / 4)

static void to_front(struct ipk__buffer *b)
{
	size_t len = ipk__buffer_len(b);

	if (b->from == 0)
		return;
	memmove(b->room, b->room + b->from, len);
	b->from = 0;
	b->to = len;
}

static int grow(struct ipk__buffer *b, size_t room_bytes)
{
	char *room = ipk__os_realloc(b->room, room_bytes);

	if (!room)
		return -1;
	b->room = room;
	b->room_bytes = room_bytes;
	return 0;
}

char *ipk__buffer_reserve_slowly(struct ipk__buffer *b, size_t n_bytes)
{
	size_t len = ipk__buffer_len(b);
	size_t needed = len + n_bytes;

	if (b->failed || n_bytes > ROOM_MAX_BYTES || len > ROOM_MAX_BYTES) {
		b->failed = true;
		return NULL;
	}
	if (b->from >= len || needed > b->room_bytes)
		to_front(b);
	if (b->room_bytes - b->to < n_bytes || !b->room) {
		size_t doubled = ipk__round_up_pow2(IPK__MAX(b->to + n_bytes, 2 * b->room_bytes));

		if (grow(b, IPK__MAX(doubled, ROOM_MIN_BYTES)) < 0 &&
		    grow(b, IPK__MAX(b->to + n_bytes, ROOM_MIN_BYTES)) < 0) {
			b->failed = true;
			return NULL;
		}
	}
	return b->room + b->to;
}

void ipk__buffer_shrink(struct ipk__buffer *b, size_t keep_bytes)
{
	size_t len = ipk__buffer_len(b);
	size_t wanted = IPK__MAX(IPK__MAX(len, keep_bytes), ROOM_MIN_BYTES);

	if (b->room_bytes / 4 < wanted)
		return;
	to_front(b);
	(void)grow(b, wanted); /* what is too much room is room still */
}

void ipk__buffer_free(struct ipk__buffer *b)
{
	free(b->room);
	*b = (struct ipk__buffer){0};
}
