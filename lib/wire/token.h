/* token.h - one step of a reader, inline for unpacking. See reader.c for the invariant. */
#ifndef IPK_WIRE_TOKEN_H
#define IPK_WIRE_TOKEN_H

#include <errno.h>

#include "ipk/pack.h"

struct ipk__cursor {
	const unsigned char *at;
	size_t n_left_bytes;
};

/* Heads 0xc1 .. 0xdf: booleans, and those followed by lengths and numbers. */
int ipk__token_read_long(struct ipk__cursor *c, unsigned head, ipk_token *ret_token);

static inline int ipk__token_read_body(struct ipk__cursor *c, ipk_token_kind kind, uint64_t n_bytes,
				       ipk_token *t)
{
	if (n_bytes > c->n_left_bytes)
		return -EPROTO;
	t->kind = kind;
	t->data = (const char *)c->at;
	t->len_bytes = (size_t)n_bytes;
	c->at += n_bytes;
	c->n_left_bytes -= (size_t)n_bytes;
	return 0;
}

/* In variables of its own, so that the caller's may stay in registers. */
static inline int ipk__token_read_other(struct ipk__cursor *c, unsigned head, ipk_token *t)
{
	struct ipk__cursor cursor = *c;
	ipk_token token;

	IPK_TRY(ipk__token_read_long(&cursor, head, &token));
	*c = cursor;
	*t = token;
	return 0;
}

static inline int ipk__token_read(struct ipk__cursor *c, ipk_token *t)
{
	unsigned head;

	if (c->n_left_bytes == 0)
		return -EPROTO;
	head = *(const volatile unsigned char *)c->at++;
	c->n_left_bytes--;
	if (head < 0x80 || head >= 0xe0) {
		t->kind = IPK_TOKEN_INT;
		t->i = head < 0x80 ? (int64_t)head : (int64_t)head - 0x100;
		return 0;
	}
	if (head == 0xc0) {
		t->kind = IPK_TOKEN_NIL;
		return 0;
	}
	if (head > 0xc0)
		return ipk__token_read_other(c, head, t);
	if (head >= 0xa0)
		return ipk__token_read_body(c, IPK_TOKEN_STRING, head & 0x1f, t);
	t->kind = head >= 0x90 ? IPK_TOKEN_ARRAY : IPK_TOKEN_MAP;
	t->n_items = head & 0x0f;
	return 0;
}

static inline uint64_t ipk__token_n_inside(const ipk_token *t)
{
	if (t->kind < IPK_TOKEN_ARRAY)
		return 0;
	return (uint64_t)t->n_items << (t->kind == IPK_TOKEN_MAP);
}

/* One value was read: enter it, or leave those that it completed. */
static inline void ipk__reader_move(ipk_reader *r, uint64_t n_inside)
{
	if (r->depth > 0)
		r->n_left[r->depth - 1]--;
	if (n_inside > 0)
		r->n_left[r->depth++] = (uint32_t)n_inside;
	while (r->depth > 0 && r->n_left[r->depth - 1] == 0)
		r->depth--;
}

/* The next of the owed values; there must be one. *t is written on failure too. */
static inline int ipk__reader_step(ipk_reader *r, ipk_token *t)
{
	struct ipk__cursor c = {r->at, (size_t)(r->end - r->at)};
	uint64_t n_inside, n_owed;

	IPK_TRY(ipk__token_read(&c, t));
	n_inside = ipk__token_n_inside(t);
	n_owed = r->n_owed - 1 + n_inside;
	if (n_owed > c.n_left_bytes)
		return -EPROTO;
	if (r->depth == IPK_PACK_DEPTH_MAX && t->kind >= IPK_TOKEN_ARRAY)
		return -EPROTO;

	t->depth = r->depth;
	r->at = c.at;
	r->n_owed = (size_t)n_owed;
	ipk__reader_move(r, n_inside);
	return 0;
}

#endif
