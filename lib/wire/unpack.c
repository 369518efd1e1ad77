/*
 * unpack.c - reads typed messages whose shape the caller knows: a loop over the format's letters
 * and the message's bytes in parallel.
 *
 * Invariant: until the whole message has matched, values are kept in slots and nothing of the
 * caller's is written; the strings allocated so far are in the slots too, so aborting means freeing
 * them.
 *
 * Why slots and not a second pass over the message: it may be in memory that another process
 * writes, and what a first pass checked may have changed in a second. The number of slots follows
 * from the format, never from the message.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "ipk/pack.h"
#include "os/os.h"
#include "wire/format.h"
#include "wire/token.h"

enum { N_LOCAL_SLOTS = 32 };

struct slot {
	void *dst;
	size_t *dst_len;
	union {
		bool boolean;
		int64_t i;
		uint64_t u;
		double d;
		char *copy;
		const char *data;
	};
	size_t len_bytes;
	char letter;
};

/* va_list may be an array type, which a function cannot take by pointer portably. */
struct args {
	va_list list;
};

struct unpacking {
	struct args *args;
	bool is_out_of_range; /* told only when the message is otherwise sound */
	struct slot *slots;
	struct slot *next;
	struct slot *end;
	struct slot local[N_LOCAL_SLOTS];
};

static struct slot *add_slot(struct unpacking *u, char letter, void *dst)
{
	struct slot *s = u->next++;

	s->letter = letter;
	s->dst = dst;
	return s;
}

static int make_room(struct unpacking *u)
{
	size_t n = (size_t)(u->next - u->slots);
	struct slot *slots = ipk__os_malloc(n * 2 * sizeof *slots);

	if (!slots)
		return -ENOMEM;
	memcpy(slots, u->slots, n * sizeof *slots);
	if (u->slots != u->local)
		free(u->slots);
	u->slots = slots;
	u->next = slots + n;
	u->end = slots + n * 2;
	return 0;
}

static int take_signed(struct unpacking *u, const ipk_token *t, char letter)
{
	if (t->kind != IPK_TOKEN_INT && t->kind != IPK_TOKEN_UINT)
		return -EPROTO;
	add_slot(u, letter, va_arg(u->args->list, void *))->i = t->i;
	if (t->kind == IPK_TOKEN_UINT || (letter == 'i' && t->i != (int)t->i))
		u->is_out_of_range = true;
	return 0;
}

static int take_unsigned(struct unpacking *u, const ipk_token *t, char letter)
{
	if (t->kind != IPK_TOKEN_INT && t->kind != IPK_TOKEN_UINT)
		return -EPROTO;
	add_slot(u, letter, va_arg(u->args->list, void *))->u = t->u;
	if ((t->kind == IPK_TOKEN_INT && t->i < 0) || (letter == 'I' && t->u > UINT_MAX))
		u->is_out_of_range = true;
	return 0;
}

/* A double holds 53 bits in a row, wherever they are. */
static bool is_exact(const ipk_token *t)
{
	uint64_t magnitude = t->kind == IPK_TOKEN_INT && t->i < 0 ? -t->u : t->u;

	return magnitude == 0 || magnitude >> __builtin_ctzll(magnitude) < (uint64_t)1 << 53;
}

static int take_double(struct unpacking *u, const ipk_token *t)
{
	struct slot *s = add_slot(u, 'd', va_arg(u->args->list, double *));

	switch (t->kind) {
	case IPK_TOKEN_DOUBLE:
		s->d = t->d;
		return 0;
	case IPK_TOKEN_INT:
		s->d = (double)t->i;
		break;
	case IPK_TOKEN_UINT:
		s->d = (double)t->u;
		break;
	default:
		return -EPROTO;
	}
	if (!is_exact(t))
		u->is_out_of_range = true;
	return 0;
}

/* Copied first and looked through then: only the copy is sure to stay as it is. */
static int take_copy(struct unpacking *u, const ipk_token *t)
{
	char **dst = va_arg(u->args->list, char **);
	char *copy;

	if (t->kind != IPK_TOKEN_STRING)
		return -EPROTO;
	if (!dst)
		return memchr(t->data, '\0', t->len_bytes) ? -EPROTO : 0;
	copy = ipk__os_malloc(t->len_bytes + 1);
	if (!copy)
		return -ENOMEM;
	add_slot(u, 's', dst)->copy = copy;
	memcpy(copy, t->data, t->len_bytes);
	copy[t->len_bytes] = '\0';
	return memchr(copy, '\0', t->len_bytes) ? -EPROTO : 0;
}

static int take_counted(struct unpacking *u, const ipk_token *t, char letter)
{
	ipk_token_kind wanted = letter == 'S' ? IPK_TOKEN_STRING : IPK_TOKEN_BYTES;
	struct slot *s;

	if (t->kind != wanted)
		return -EPROTO;
	s = add_slot(u, letter, va_arg(u->args->list, void *));
	s->dst_len = va_arg(u->args->list, size_t *);
	s->data = t->data;
	s->len_bytes = t->len_bytes;
	return 0;
}

static int take_bool(struct unpacking *u, const ipk_token *t)
{
	if (t->kind != IPK_TOKEN_BOOL)
		return -EPROTO;
	add_slot(u, 'b', va_arg(u->args->list, bool *))->boolean = t->boolean;
	return 0;
}

/* Any one value, which is @depth brackets deep. */
static int pass_over(struct ipk__cursor *c, unsigned depth)
{
	ipk_reader r = {.at = c->at, .end = c->at + c->n_left_bytes, .n_owed = 1, .depth = depth};
	ipk_token t;

	if (depth > 0)
		r.n_left[depth - 1] = 2; /* so that it ends before the bracket around it does */
	while (r.n_owed > 0)
		IPK_TRY(ipk__reader_step(&r, &t));
	c->n_left_bytes = (size_t)(r.end - r.at);
	c->at = r.at;
	return 0;
}

static int take_value(struct unpacking *u, const ipk_token *t, char letter)
{
	if (u->next == u->end)
		IPK_TRY(make_room(u));
	switch (letter) {
	case 'n':
		return t->kind == IPK_TOKEN_NIL ? 0 : -EPROTO;
	case 'b':
		return take_bool(u, t);
	case 'i':
	case 'l':
		return take_signed(u, t, letter);
	case 'I':
	case 'L':
		return take_unsigned(u, t, letter);
	case 'd':
		return take_double(u, t);
	case 's':
		return take_copy(u, t);
	default:
		return take_counted(u, t, letter);
	}
}

static int take_open(const ipk_token *t, char bracket, uint32_t n_values)
{
	if (bracket == '[')
		return t->kind == IPK_TOKEN_ARRAY && t->n_items == n_values ? 0 : -EPROTO;
	return t->kind == IPK_TOKEN_MAP && t->n_items == n_values / 2 ? 0 : -EPROTO;
}

/* In a variable of its own, so that the cursor may stay in registers otherwise. */
static int take_any(struct ipk__cursor *c, unsigned depth)
{
	struct ipk__cursor cursor = *c;

	IPK_TRY(pass_over(&cursor, depth));
	*c = cursor;
	return 0;
}

static int take_all(struct unpacking *u, struct ipk__cursor c, const char *format)
{
	struct ipk__format_walk walk = {.at = format};
	ipk_token t = {.kind = IPK_TOKEN_END};
	char letter;

	for (;;) {
		IPK_TRY(ipk__format_next(&walk, &letter));
		if (letter == '\0')
			return c.n_left_bytes == 0 ? 0 : -EPROTO;
		if (letter == '*') {
			IPK_TRY(take_any(&c, walk.depth));
			continue;
		}
		IPK_TRY(ipk__token_read(&c, &t));
		if (letter == '[' || letter == '{')
			IPK_TRY(take_open(&t, letter, walk.n_inside));
		else
			IPK_TRY(take_value(u, &t, letter));
	}
}

static void store_counted(const struct slot *s)
{
	if (s->dst && s->letter == 'S')
		*(const char **)s->dst = s->data;
	if (s->dst && s->letter == 'y')
		*(const void **)s->dst = s->data;
	if (s->dst_len)
		*s->dst_len = s->len_bytes;
}

static void store_number(const struct slot *s)
{
	switch (s->letter) {
	case 'b':
		*(bool *)s->dst = s->boolean;
		break;
	case 'i':
		*(int *)s->dst = (int)s->i;
		break;
	case 'I':
		*(unsigned *)s->dst = (unsigned)s->u;
		break;
	case 'l':
		*(int64_t *)s->dst = s->i;
		break;
	case 'L':
		*(uint64_t *)s->dst = s->u;
		break;
	default:
		*(double *)s->dst = s->d;
	}
}

static void store_all(const struct unpacking *u)
{
	for (const struct slot *s = u->slots; s < u->next; s++) {
		if (s->letter == 's')
			*(char **)s->dst = s->copy;
		else if (s->letter == 'S' || s->letter == 'y')
			store_counted(s);
		else if (s->dst)
			store_number(s);
	}
}

static void free_copies(const struct unpacking *u)
{
	for (const struct slot *s = u->slots; s < u->next; s++) {
		if (s->letter == 's')
			free(s->copy);
	}
}

static int unpack(const void *data, size_t len_bytes, const char *format, struct args *args)
{
	struct unpacking u;
	int r;

	if (!format)
		return ipk__invalid("format is NULL");
	if (!ipk_pack_is_typed(data, len_bytes) || len_bytes > IPK_PACK_BYTES_MAX)
		return ipk__format_check(format) < 0 ? ipk__format_wrong() : -EPROTO;

	u.args = args;
	u.is_out_of_range = false;
	u.slots = u.local;
	u.next = u.local;
	u.end = u.local + N_LOCAL_SLOTS;
	r = take_all(&u, (struct ipk__cursor){(const unsigned char *)data + 1, len_bytes - 1},
		     format);
	if (r == 0 && u.is_out_of_range)
		r = -ERANGE;
	if (r == 0)
		store_all(&u);
	else
		free_copies(&u);
	if (u.slots != u.local)
		free(u.slots);
	return r == -EPROTO && ipk__format_check(format) < 0 ? ipk__format_wrong() : r;
}

int ipk_vunpack(const void *data, size_t len_bytes, const char *format, va_list args)
{
	struct args copy;
	int r;

	va_copy(copy.list, args);
	r = unpack(data, len_bytes, format, &copy);
	va_end(copy.list);
	return r;
}

int ipk_unpack(const void *data, size_t len_bytes, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = ipk_vunpack(data, len_bytes, format, args);
	va_end(args);
	return r;
}
