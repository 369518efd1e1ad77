/* format.h - the walk through a format string of ipk/pack.h, inline for packing and unpacking. */
#ifndef IPK_WIRE_FORMAT_H
#define IPK_WIRE_FORMAT_H

#include <errno.h>
#include <stdint.h>

#include "base/base_internal.h"
#include "ipk/pack.h"

/* The class of a character of a format. */
enum ipk__format_class {
	IPK__FORMAT_WRONG = 0, /* the terminating NUL too */
	IPK__FORMAT_SPACE = 2, /* for readability */
	IPK__FORMAT_VALUE = 3,
	IPK__FORMAT_OPEN = 4,
	IPK__FORMAT_CLOSE = 8,

	IPK__FORMAT_IS_VALUE = 1, /* bits of the above */
	IPK__FORMAT_IS_PLAIN = 2, /* no bracket */
};
extern const unsigned char ipk__format_classes[256];

struct ipk__format_walk {
	const char *at;
	unsigned depth;
	unsigned n_outermost;
	uint32_t n_inside; /* of the opening bracket last met: keys and values count one each */
};

/* -EINVAL, and its ipk_error_detail(). */
static inline int ipk__format_wrong(void)
{
	return ipk__invalid("format: an unknown letter, an unmatched bracket, a key without "
			    "a value, or not exactly one top-level value");
}

/*
 * How many values are directly inside the bracket at @open. -EINVAL when its closing bracket is
 * missing or of another type, when a map has a key without a value, or a letter is unknown.
 */
int ipk__format_count(const char *open, uint32_t *ret_n_values);

/*
 * The next letter or opening bracket; '\0' after the last of a well-formed format, which
 * has matching brackets and one outermost value. -EINVAL when it is not well-formed.
 */
static inline int ipk__format_next(struct ipk__format_walk *w, char *ret_letter)
{
	uint32_t n_inside;
	unsigned class;
	char c;

	for (;;) {
		c = *w->at++;
		class = ipk__format_classes[(unsigned char)c];
		if (class & IPK__FORMAT_IS_VALUE)
			break;
		if (class == IPK__FORMAT_SPACE)
			continue;
		if (class != IPK__FORMAT_CLOSE)
			break;
		if (w->depth-- == 0)
			return ipk__format_wrong();
	}

	*ret_letter = c;
	if (class == IPK__FORMAT_WRONG)
		return c == '\0' && w->n_outermost == 1 ? 0 : ipk__format_wrong();
	if (w->depth == 0 && w->n_outermost++ > 0)
		return ipk__format_wrong();
	if (class & IPK__FORMAT_IS_VALUE)
		return 0;
	if (w->depth++ == IPK_PACK_DEPTH_MAX)
		return ipk__format_wrong();
	IPK_TRY(ipk__format_count(w->at - 1, &n_inside));
	w->n_inside = n_inside; /* not passed by pointer: the walk stays in registers */
	return 0;
}

/* 0 when @format is well-formed, otherwise -EINVAL. */
int ipk__format_check(const char *format);

#endif
