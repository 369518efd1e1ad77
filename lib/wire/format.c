/*
 * format.c - checks format strings before the first argument is taken.
 *
 * Invariant: after ipk__format_check() a format has matching brackets, known letters, even
 * maps and exactly one outermost value, so packing and unpacking are flat loops over its
 * letters that need no stack and no checks of their own. The stack here is two 64-bit
 * registers, one bit for each open bracket.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "ipk/pack.h"
#include "wire/format.h"

_Static_assert(IPK_PACK_DEPTH_MAX <= 64, "one bit of a register for each open bracket");

struct brackets {
	uint64_t is_map; /* the innermost open bracket is bit 0 */
	uint64_t is_odd; /* an odd number of values so far */
	unsigned depth;
	size_t n_outermost;
};

static void add_value(struct brackets *b)
{
	if (b->depth == 0)
		b->n_outermost++;
	else
		b->is_odd ^= 1;
}

static int open_bracket(struct brackets *b, bool is_map)
{
	add_value(b);
	if (b->depth == IPK_PACK_DEPTH_MAX)
		return -EINVAL;
	b->is_map = b->is_map << 1 | is_map;
	b->is_odd <<= 1;
	b->depth++;
	return 0;
}

static int close_bracket(struct brackets *b, bool is_map)
{
	if (b->depth == 0 || (b->is_map & 1) != is_map)
		return -EINVAL;
	if (is_map && (b->is_odd & 1))
		return -EINVAL;
	b->is_map >>= 1;
	b->is_odd >>= 1;
	b->depth--;
	return 0;
}

static int check_bracket(struct brackets *b, char c)
{
	switch (c) {
	case '[':
	case '{':
		return open_bracket(b, c == '{');
	case ']':
	case '}':
		return close_bracket(b, c == '}');
	default:
		return -EINVAL;
	}
}

int ipk__format_check(const char *format, bool is_for_reading, size_t *ret_n_values)
{
	struct brackets b = {0};
	size_t n_values = 0;
	int r;

	if (!format)
		return -EINVAL;
	for (const char *p = format; *p != '\0'; p++) {
		switch (*p) {
		case ' ':
		case ',':
		case ':':
			break;
		case '*':
			if (!is_for_reading)
				return -EINVAL;
			/* fall through */
		case 'n':
		case 'b':
		case 'i':
		case 'I':
		case 'l':
		case 'L':
		case 'd':
		case 's':
		case 'S':
		case 'y':
			add_value(&b);
			n_values++;
			break;
		default:
			r = check_bracket(&b, *p);
			if (r < 0)
				return r;
		}
	}
	if (b.depth != 0 || b.n_outermost != 1)
		return -EINVAL;
	*ret_n_values = n_values;
	return 0;
}

size_t ipk__format_count(const char *inside)
{
	size_t n = 0, depth = 0;

	for (const char *p = inside;; p++) {
		switch (*p) {
		case ' ':
		case ',':
		case ':':
			break;
		case ']':
		case '}':
			if (depth == 0)
				return n;
			depth--;
			break;
		case '[':
		case '{':
			n += depth == 0;
			depth++;
			break;
		default:
			n += depth == 0;
		}
	}
}

bool ipk__format_borrows(const char *format)
{
	return strpbrk(format, "Sy") != NULL;
}
