/*
 * reader.c - reads a typed message of any shape, one value at a time.
 *
 * Invariant: n_owed values are still expected, and at least as many bytes are left, since each
 * value takes one or more. It holds after every step, so a header that declares more than the
 * message can hold is refused when it is read, and nothing is ever allocated on the word of a
 * header.
 *
 * Why not msgpack-c's unpacker: it builds a tree of objects on the heap, which costs more than the
 * entire rest of a short message's path, and assumes that the bytes are private. Messages here may
 * be in memory that another process can write, so every byte is loaded once, through volatile, and
 * only the loaded value is checked and used. msgpack-c still does the writing (pack.c), and the
 * tests use it to parse what we read. Layout: github.com/msgpack/msgpack, spec.md.
 */
#include <string.h>

#include "wire/token.h"

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static int read_number(struct ipk__cursor *c, size_t n_bytes, uint64_t *ret_value)
{
	const volatile unsigned char *p = c->at;
	uint64_t value = 0;

	if (n_bytes > c->n_left_bytes)
		return -EPROTO;
	for (size_t i = 0; i < n_bytes; i++)
		value = value << 8 | p[i];
	c->at += n_bytes;
	c->n_left_bytes -= n_bytes;
	*ret_value = value;
	return 0;
}

/* The length, in n_bytes bytes, then that many. */
static int read_counted(struct ipk__cursor *c, ipk_token_kind kind, size_t n_bytes, ipk_token *t)
{
	uint64_t n;

	IPK_TRY(read_number(c, n_bytes, &n));
	return ipk__token_read_body(c, kind, n, t);
}

static int read_items(struct ipk__cursor *c, ipk_token_kind kind, size_t n_bytes, ipk_token *t)
{
	uint64_t n;

	IPK_TRY(read_number(c, n_bytes, &n));
	t->kind = kind;
	t->n_items = (uint32_t)n;
	return 0;
}

static int set_int(ipk_token *t, int64_t value)
{
	t->kind = IPK_TOKEN_INT;
	t->i = value;
	return 0;
}

static int set_bool(ipk_token *t, bool value)
{
	t->kind = IPK_TOKEN_BOOL;
	t->boolean = value;
	return 0;
}

static int read_unsigned(struct ipk__cursor *c, size_t n_bytes, ipk_token *t)
{
	uint64_t n;

	IPK_TRY(read_number(c, n_bytes, &n));
	if (n <= INT64_MAX)
		return set_int(t, (int64_t)n);
	t->kind = IPK_TOKEN_UINT;
	t->u = n;
	return 0;
}

static int read_signed(struct ipk__cursor *c, size_t n_bytes, ipk_token *t)
{
	uint64_t n, sign = (uint64_t)1 << (8 * n_bytes - 1);

	IPK_TRY(read_number(c, n_bytes, &n));
	return set_int(t, (int64_t)((n ^ sign) - sign));
}

static int read_float(struct ipk__cursor *c, ipk_token *t)
{
	uint64_t n;
	uint32_t bits;
	float value;

	IPK_TRY(read_number(c, sizeof bits, &n));
	bits = (uint32_t)n;
	memcpy(&value, &bits, sizeof value);
	t->kind = IPK_TOKEN_DOUBLE;
	t->d = (double)value;
	return 0;
}

static int read_double(struct ipk__cursor *c, ipk_token *t)
{
	uint64_t bits;

	IPK_TRY(read_number(c, sizeof bits, &bits));
	t->kind = IPK_TOKEN_DOUBLE;
	memcpy(&t->d, &bits, sizeof t->d);
	return 0;
}

int ipk__token_read_long(struct ipk__cursor *c, unsigned head, ipk_token *t)
{
	switch (head) {
	case 0xc2:
	case 0xc3:
		return set_bool(t, head == 0xc3);
	case 0xc4:
	case 0xc5:
	case 0xc6:
		return read_counted(c, IPK_TOKEN_BYTES, (size_t)1 << (head - 0xc4), t);
	case 0xca:
		return read_float(c, t);
	case 0xcb:
		return read_double(c, t);
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		return read_unsigned(c, (size_t)1 << (head - 0xcc), t);
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return read_signed(c, (size_t)1 << (head - 0xd0), t);
	case 0xd9:
	case 0xda:
	case 0xdb:
		return read_counted(c, IPK_TOKEN_STRING, (size_t)1 << (head - 0xd9), t);
	case 0xdc:
	case 0xdd:
		return read_items(c, IPK_TOKEN_ARRAY, (size_t)2 << (head - 0xdc), t);
	case 0xde:
	case 0xdf:
		return read_items(c, IPK_TOKEN_MAP, (size_t)2 << (head - 0xde), t);
	default:
		return -EPROTO; /* 0xc1 is never used; the rest are extension types */
	}
}

void ipk_reader_init(ipk_reader *r, const void *data, size_t len_bytes)
{
	bool is_typed = len_bytes <= IPK_PACK_BYTES_MAX && ipk_pack_is_typed(data, len_bytes);

	/* One value owed and no byte left: the first step reports what is no message. */
	r->at = is_typed ? (const unsigned char *)data + 1 : (const unsigned char *)"";
	r->end = is_typed ? (const unsigned char *)data + len_bytes : r->at;
	r->n_owed = 1;
	r->depth = 0;
}

int ipk_reader_next(ipk_reader *r, ipk_token *ret_token)
{
	ipk_token t = {.kind = IPK_TOKEN_END};

	if (r->n_owed > 0)
		IPK_TRY(ipk__reader_step(r, &t));
	else if (r->at != r->end)
		return -EPROTO;
	*ret_token = t;
	return 0;
}

bool ipk_pack_is_typed(const void *data, size_t len_bytes)
{
	return data && len_bytes > 0 && *(const volatile unsigned char *)data == IPK_PACK_MARK;
}
