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
 * The number of slots follows from the format, never from the message.
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

struct unpacking {
	ipk_reader reader;
	va_list args;
	unsigned depth;       /* brackets open in the format */
	uint64_t is_map;      /* one bit for each of them, the innermost is bit 0 */
	bool is_out_of_range; /* told only when the message is otherwise sound */
	size_t n_slots;
	size_t n_room;
	struct slot *slots;
	struct slot local[N_LOCAL_SLOTS];
};

static void init(struct unpacking *u, const void *data, size_t len_bytes)
{
	ipk_reader_init(&u->reader, data, len_bytes);
	u->depth = 0;
	u->is_map = 0;
	u->is_out_of_range = false;
	u->n_slots = 0;
	u->n_room = N_LOCAL_SLOTS;
	u->slots = u->local;
}

static struct slot *add_slot(struct unpacking *u, char letter, void *dst)
{
	struct slot *s = &u->slots[u->n_slots++];

	s->letter = letter;
	s->dst = dst;
	return s;
}

static int make_room(struct unpacking *u)
{
	struct slot *slots = ipk__os_malloc(u->n_room * 2 * sizeof *slots);

	if (!slots)
		return -ENOMEM;
	memcpy(slots, u->slots, u->n_slots * sizeof *slots);
	if (u->slots != u->local)
		free(u->slots);
	u->slots = slots;
	u->n_room *= 2;
	return 0;
}

static int take_signed(struct unpacking *u, const ipk_token *t, char letter)
{
	int64_t min = letter == 'i' ? INT_MIN : INT64_MIN;
	int64_t max = letter == 'i' ? INT_MAX : INT64_MAX;

	if (t->kind != IPK_TOKEN_INT && t->kind != IPK_TOKEN_UINT)
		return -EPROTO;
	add_slot(u, letter, va_arg(u->args, void *))->i = t->i;
	if (t->kind == IPK_TOKEN_UINT || t->i < min || t->i > max)
		u->is_out_of_range = true;
	return 0;
}

static int take_unsigned(struct unpacking *u, const ipk_token *t, char letter)
{
	uint64_t max = letter == 'I' ? UINT_MAX : UINT64_MAX;

	if (t->kind != IPK_TOKEN_INT && t->kind != IPK_TOKEN_UINT)
		return -EPROTO;
	add_slot(u, letter, va_arg(u->args, void *))->u = t->u;
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
	struct slot *s;

	if (t->kind != wanted)
		return -EPROTO;
	s = add_slot(u, letter, va_arg(u->args, void *));
	s->dst_len = va_arg(u->args, size_t *);
	s->data = t->data;
	s->len_bytes = t->len_bytes;
	return 0;
}

static int take_bool(struct unpacking *u, const ipk_token *t)
{
	if (t->kind != IPK_TOKEN_BOOL)
		return -EPROTO;
	add_slot(u, 'b', va_arg(u->args, bool *))->boolean = t->boolean;
	return 0;
}

/* What is inside a value of which the token has been read. */
static int pass_over(ipk_reader *r, const ipk_token *t)
{
	ipk_token inside;

	while (r->depth > t->depth)
		ipk_try(ipk__reader_step(r, &inside));
	return 0;
}

static int take_value(struct unpacking *u, const ipk_token *t, char letter)
{
	if (u->n_slots == u->n_room)
		ipk_try(make_room(u));
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
	case 'S':
	case 'y':
		return take_counted(u, t, letter);
	default:
		return pass_over(&u->reader, t);
	}
}

static int take_open(struct unpacking *u, const ipk_token *t, char bracket)
{
	bool is_map = bracket == '{';

	u->depth++;
	u->is_map = u->is_map << 1 | is_map;
	return t->kind == (is_map ? IPK_TOKEN_MAP : IPK_TOKEN_ARRAY) ? 0 : -EPROTO;
}

/* The reader leaves a bracket with its last value: it has to be out when the format is. */
static int take_close(struct unpacking *u, char bracket)
{
	bool is_map = u->is_map & 1;

	if (u->depth <= u->reader.depth || is_map != (bracket == '}'))
		return -EPROTO;
	u->depth--;
	u->is_map >>= 1;
	return 0;
}

/* The next value, which has to be as deep in the message as the format is now. */
static int take_token(struct unpacking *u, ipk_token *t)
{
	if (u->reader.n_owed == 0 || u->reader.depth != u->depth)
		return -EPROTO;
	return ipk__reader_step(&u->reader, t);
}

__attribute__((flatten)) static int take_all(struct unpacking *u, const char *format)
{
	ipk_token t = {.kind = IPK_TOKEN_END};

	for (const char *at = format; *at != '\0'; at++) {
		switch (ipk__format_class(*at)) {
		case IPK__FORMAT_SPACE:
			break;
		case IPK__FORMAT_VALUE:
			ipk_try(take_token(u, &t));
			ipk_try(take_value(u, &t, *at));
			break;
		case IPK__FORMAT_OPEN:
			ipk_try(take_token(u, &t));
			ipk_try(take_open(u, &t, *at));
			break;
		case IPK__FORMAT_CLOSE:
			ipk_try(take_close(u, *at));
			break;
		default:
			return -EINVAL;
		}
	}
	return u->reader.n_owed == 0 && u->depth == 0 ? 0 : -EPROTO;
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

int ipk_vunpack(const void *data, size_t len_bytes, const char *format, va_list args)
{
	struct unpacking u;
	int r;

	if (!format)
		return -EINVAL;
	init(&u, data, len_bytes);
	va_copy(u.args, args);
	r = take_all(&u, format);
	va_end(u.args);
	if (r == 0 && u.is_out_of_range)
		r = -ERANGE;
	if (r == 0)
		store_all(&u);
	else
		free_copies(&u);
	if (u.slots != u.local)
		free(u.slots);
	return r == -EPROTO && ipk__format_check(format) < 0 ? -EINVAL : r;
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
