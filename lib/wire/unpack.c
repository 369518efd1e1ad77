/*
 * unpack.c - reads typed messages whose shape the caller knows: a loop over the format's
 * letters, a reader behind it.
 *
 * Invariant: until the whole message has matched, values are kept in slots and nothing of
 * the caller's is written; the strings made so far are in the slots too, so giving up is
 * freeing them.
 *
 * Why slots and not a second pass over the message: it may lie in memory that another
 * process writes, and what was checked in a first pass need not be there in a second.
 * The number of slots is known from the format, never from the message.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "ipk/pack.h"
#include "os/os.h"
#include "wire/format.h"

enum { N_LOCAL_SLOTS = 32 };

struct slot {
	void *dst;
	size_t *dst_len;
	union {
		int64_t i;
		uint64_t u;
		double d;
		char *copy;
		const char *data;
	};
	size_t len_bytes;
	char letter;
};

struct unpacking {
	ipk_reader reader;
	va_list args;
	struct slot *slots;
	size_t n_slots;
	bool is_out_of_range; /* told only when the message is otherwise sound */
};

static struct slot *add_slot(struct unpacking *u, char letter, void *dst)
{
	struct slot *s = &u->slots[u->n_slots++];

	s->letter = letter;
	s->dst = dst;
	return s;
}

static int take_signed(struct unpacking *u, const ipk_token *t, char letter)
{
	int64_t min = letter == 'i' ? INT_MIN : INT64_MIN;
	int64_t max = letter == 'i' ? INT_MAX : INT64_MAX;

	add_slot(u, letter, va_arg(u->args, void *))->i = t->i;
	if (t->kind != IPK_TOKEN_INT && t->kind != IPK_TOKEN_UINT)
		return -EPROTO;
	if (t->kind == IPK_TOKEN_UINT || t->i < min || t->i > max)
		u->is_out_of_range = true;
	return 0;
}

static int take_unsigned(struct unpacking *u, const ipk_token *t, char letter)
{
	uint64_t max = letter == 'I' ? UINT_MAX : UINT64_MAX;

	add_slot(u, letter, va_arg(u->args, void *))->u = t->u;
	if (t->kind != IPK_TOKEN_INT && t->kind != IPK_TOKEN_UINT)
		return -EPROTO;
	if ((t->kind == IPK_TOKEN_INT && t->i < 0) || t->u > max)
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
	struct slot *s = add_slot(u, 'd', va_arg(u->args, double *));

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
	char **dst = va_arg(u->args, char **);
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
	struct slot *s = add_slot(u, letter, va_arg(u->args, void *));

	s->dst_len = va_arg(u->args, size_t *);
	s->data = t->data;
	s->len_bytes = t->len_bytes;
	return t->kind == wanted ? 0 : -EPROTO;
}

static int take_bool(struct unpacking *u, const ipk_token *t)
{
	add_slot(u, 'b', va_arg(u->args, bool *))->u = t->boolean;
	return t->kind == IPK_TOKEN_BOOL ? 0 : -EPROTO;
}

static int take_items(const ipk_token *t, const char *at)
{
	size_t n = ipk__format_count(at + 1);

	if (*at == '[')
		return t->kind == IPK_TOKEN_ARRAY && t->n_items == n ? 0 : -EPROTO;
	return t->kind == IPK_TOKEN_MAP && t->n_items == n / 2 ? 0 : -EPROTO;
}

/* What is inside a value of which the token has been read. */
static int pass_over(ipk_reader *r, const ipk_token *t)
{
	ipk_token inside;

	while (r->depth > t->depth)
		ipk_try(ipk_reader_next(r, &inside));
	return 0;
}

/* @at points to one character of the format. */
static int take_one(struct unpacking *u, const char *at)
{
	ipk_token t;

	if (*at == ' ' || *at == ',' || *at == ':' || *at == ']' || *at == '}')
		return 0;
	ipk_try(ipk_reader_next(&u->reader, &t));
	switch (*at) {
	case 'n':
		return t.kind == IPK_TOKEN_NIL ? 0 : -EPROTO;
	case 'b':
		return take_bool(u, &t);
	case 'i':
	case 'l':
		return take_signed(u, &t, *at);
	case 'I':
	case 'L':
		return take_unsigned(u, &t, *at);
	case 'd':
		return take_double(u, &t);
	case 's':
		return take_copy(u, &t);
	case 'S':
	case 'y':
		return take_counted(u, &t, *at);
	case '*':
		return pass_over(&u->reader, &t);
	default:
		return take_items(&t, at);
	}
}

static int take_all(struct unpacking *u, const char *format)
{
	int r;

	for (const char *at = format; *at != '\0'; at++) {
		r = take_one(u, at);
		if (r < 0)
			return r;
	}
	return u->is_out_of_range ? -ERANGE : 0;
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
		*(bool *)s->dst = s->u != 0;
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
	for (size_t i = 0; i < u->n_slots; i++) {
		const struct slot *s = &u->slots[i];

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
	for (size_t i = 0; i < u->n_slots; i++) {
		if (u->slots[i].letter == 's')
			free(u->slots[i].copy);
	}
}

static int unpack_into(struct slot *slots, const void *data, size_t len_bytes, const char *format,
		       va_list args)
{
	struct unpacking u;
	int r;

	u.slots = slots;
	u.n_slots = 0;
	u.is_out_of_range = false;
	ipk_reader_init(&u.reader, data, len_bytes);
	va_copy(u.args, args);
	r = take_all(&u, format);
	va_end(u.args);
	if (r < 0)
		free_copies(&u);
	else
		store_all(&u);
	return r;
}

int ipk_vunpack(const void *data, size_t len_bytes, const char *format, va_list args)
{
	struct slot local[N_LOCAL_SLOTS], *slots = local;
	size_t n_values;
	int r;

	ipk_try(ipk__format_check(format, true, &n_values));
	if (n_values > IPK__N_OF(local)) {
		slots = ipk__os_malloc(n_values * sizeof *slots);
		if (!slots)
			return -ENOMEM;
	}
	r = unpack_into(slots, data, len_bytes, format, args);
	if (slots != local)
		free(slots);
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
