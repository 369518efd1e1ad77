/*
 * buffer.h - byte buffers of connections: appended at the end, consumed from the front.
 *
 * An allocation failure is remembered (failed), so a reply of many pieces is written without a
 * check after each; the sender checks once.
 */
#ifndef IPK_NET_BUFFER_H
#define IPK_NET_BUFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

struct ipk__buffer {
	char *room; /* NULL: none yet */
	size_t room_bytes;
	size_t from; /* the content is room[from .. to) */
	size_t to;
	bool failed; /* an allocation failed; nothing is added any more */
};

/* Space for at least @n_bytes; then call ipk__buffer_added(). NULL: failed. */
char *ipk__buffer_reserve_slowly(struct ipk__buffer *b, size_t n_bytes);
static inline char *ipk__buffer_reserve(struct ipk__buffer *b, size_t n_bytes)
{
	if (b->room_bytes - b->to >= n_bytes && !b->failed)
		return b->room + b->to;
	return ipk__buffer_reserve_slowly(b, n_bytes);
}

static inline void ipk__buffer_added(struct ipk__buffer *b, size_t n_bytes)
{
	b->to += n_bytes;
}

static inline void ipk__buffer_append(struct ipk__buffer *b, const void *data, size_t n_bytes)
{
	char *p = n_bytes > 0 ? ipk__buffer_reserve(b, n_bytes) : NULL;

	if (p) {
		memcpy(p, data, n_bytes);
		b->to += n_bytes;
	}
}

static inline const char *ipk__buffer_front(const struct ipk__buffer *b)
{
	return b->room ? b->room + b->from : "";
}

static inline size_t ipk__buffer_len(const struct ipk__buffer *b)
{
	return b->to - b->from;
}

/* Consumes @n_bytes from the front. */
static inline void ipk__buffer_take(struct ipk__buffer *b, size_t n_bytes)
{
	b->from += n_bytes;
	if (b->from == b->to)
		b->from = b->to = 0;
}

static inline void ipk__buffer_clear(struct ipk__buffer *b)
{
	b->from = b->to = 0;
	b->failed = false;
}

/* Frees memory when little of much is used. */
void ipk__buffer_shrink(struct ipk__buffer *b, size_t keep_bytes);
void ipk__buffer_free(struct ipk__buffer *b); /* empty afterwards, as initialized */

#endif
