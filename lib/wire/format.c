/*
 * format.c - what the characters of a format string are, and which formats are sound.
 *
 * Invariant: a format that passes ipk__format_check() has known letters, brackets that
 * match, maps of pairs, a bounded depth and exactly one outermost value. Packing finds the
 * same faults on its way; unpacking asks only after a mismatch, to tell a wrong format
 * from a wrong message. So neither pays for a check beforehand.
 */
#include <errno.h>
#include <string.h>

#include "ipk/base.h"
#include "ipk/pack.h"
#include "wire/format.h"

/* clang-format off */
const unsigned char ipk__format_classes[256] = {
	[' '] = IPK__FORMAT_SPACE, [','] = IPK__FORMAT_SPACE, [':'] = IPK__FORMAT_SPACE,
	['n'] = IPK__FORMAT_VALUE, ['b'] = IPK__FORMAT_VALUE, ['d'] = IPK__FORMAT_VALUE,
	['i'] = IPK__FORMAT_VALUE, ['I'] = IPK__FORMAT_VALUE,
	['l'] = IPK__FORMAT_VALUE, ['L'] = IPK__FORMAT_VALUE,
	['s'] = IPK__FORMAT_VALUE, ['S'] = IPK__FORMAT_VALUE, ['y'] = IPK__FORMAT_VALUE,
	['*'] = IPK__FORMAT_VALUE,
	['['] = IPK__FORMAT_OPEN, ['{'] = IPK__FORMAT_OPEN,
	[']'] = IPK__FORMAT_CLOSE, ['}'] = IPK__FORMAT_CLOSE,
};
/* clang-format on */

static int check_close(char open, char close, size_t n_values)
{
	if (open == '{')
		return close == '}' && n_values % 2 == 0 ? 0 : -EINVAL;
	return close == ']' ? 0 : -EINVAL;
}

int ipk__format_count(const char *open, size_t *ret_n_values)
{
	size_t n = 0, depth = 0;
	const char *at = open;

	for (;;) {
		switch (ipk__format_class(*++at)) {
		case IPK__FORMAT_SPACE:
			break;
		case IPK__FORMAT_VALUE:
			n += depth == 0;
			break;
		case IPK__FORMAT_OPEN:
			n += depth == 0;
			depth++;
			break;
		case IPK__FORMAT_CLOSE:
			if (depth-- > 0)
				break;
			ipk_try(check_close(*open, *at, n));
			*ret_n_values = n;
			return 0;
		default:
			return -EINVAL;
		}
	}
}

int ipk__format_check(const char *format)
{
	size_t n_inside, n_outermost = 0, depth = 0;

	if (!format)
		return -EINVAL;
	for (const char *at = format; *at != '\0'; at++) {
		switch (ipk__format_class(*at)) {
		case IPK__FORMAT_SPACE:
			break;
		case IPK__FORMAT_VALUE:
			n_outermost += depth == 0;
			break;
		case IPK__FORMAT_OPEN:
			ipk_try(ipk__format_count(at, &n_inside));
			n_outermost += depth == 0;
			if (++depth > IPK_PACK_DEPTH_MAX)
				return -EINVAL;
			break;
		case IPK__FORMAT_CLOSE:
			if (depth-- > 0)
				break;
			return -EINVAL;
		default:
			return -EINVAL;
		}
	}
	return n_outermost == 1 ? 0 : -EINVAL;
}

bool ipk__format_borrows(const char *format)
{
	return strpbrk(format, "Sy") != NULL;
}
