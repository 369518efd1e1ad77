/*
 * bytes.h - bytes that grow at the end and are taken from the front: buffers of connections.
 *
 * Running out of memory is remembered (failed), so that a reply of many pieces is written
 * without a check after each; who sends it checks once.
 */
#ifndef IPK_NET_BYTES_H
#define IPK_NET_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

struct ipk__bytes {
	char *room; /* NULL: none yet */
	size_t room_bytes;
	size_t from; /* what is there lies in room[from .. to) */
	size_t to;
	bool failed; /* something did not fit into memory; nothing is added any more */
};

/* At least @n_bytes to be written at the returned place; then ipk__bytes_added(). NULL: failed. */
char *ipk__bytes_reserve_slowly(struct ipk__bytes *b, size_t n_bytes);
static inline char *ipk__bytes_reserve(struct ipk__bytes *b, size_t n_bytes)
{
	if (b->room_bytes - b->to >= n_bytes && !b->failed)
		return b->room + b->to;
	return ipk__bytes_reserve_slowly(b, n_bytes);
}

static inline void ipk__bytes_added(struct ipk__bytes *b, size_t n_bytes)
{
	b->to += n_bytes;
}

static inline void ipk__bytes_append(struct ipk__bytes *b, const void *data, size_t n_bytes)
{
	char *p = n_bytes > 0 ? ipk__bytes_reserve(b, n_bytes) : NULL;

	if (p) {
		memcpy(p, data, n_bytes);
		b->to += n_bytes;
	}
}

static inline const char *ipk__bytes_front(const struct ipk__bytes *b)
{
	return b->room ? b->room + b->from : "";
}

static inline size_t ipk__bytes_len(const struct ipk__bytes *b)
{
	return b->to - b->from;
}

/* Take @n_bytes from the front. */
static inline void ipk__bytes_take(struct ipk__bytes *b, size_t n_bytes)
{
	b->from += n_bytes;
	if (b->from == b->to)
		b->from = b->to = 0;
}

static inline void ipk__bytes_clear(struct ipk__bytes *b)
{
	b->from = b->to = 0;
	b->failed = false;
}

/* Give memory back when little of much is used. */
void ipk__bytes_shrink(struct ipk__bytes *b, size_t keep_bytes);
void ipk__bytes_free(struct ipk__bytes *b); /* empty afterwards, as at the beginning */

#endif
