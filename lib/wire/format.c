/*
 * format.c - the characters of a format string, and the number of values in a bracket.
 *
 * Invariant: code that walks a format to its '\0' with ipk__format_next() has seen known letters,
 * matching brackets, maps of pairs, a bounded depth and one outermost value. So no separate check
 * is needed beforehand: packing finds an error on its way and drops its output; unpacking stores
 * nothing before the end, and calls ipk__format_check() only when message and format differ, to
 * tell which of them is wrong.
 */
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

static int check_close(char open, char close, uint32_t n_values)
{
	if (open == '{')
		return close == '}' && n_values % 2 == 0 ? 0 : ipk__format_wrong();
	return close == ']' ? 0 : ipk__format_wrong();
}

static unsigned class_of(char c)
{
	return ipk__format_classes[(unsigned char)c];
}

/* From inside a bracket to its end; NULL when there is none. */
static const char *pass_bracket(const char *inside)
{
	size_t depth = 1;

	for (const char *at = inside;; at++) {
		if (class_of(*at) == IPK__FORMAT_WRONG)
			return NULL;
		if (class_of(*at) == IPK__FORMAT_OPEN)
			depth++;
		if (class_of(*at) == IPK__FORMAT_CLOSE && --depth == 0)
			return at;
	}
}

int ipk__format_count(const char *open, uint32_t *ret_n_values)
{
	const char *at = open;
	unsigned class;
	uint32_t n = 0;

	for (;;) {
		do {
			class = class_of(*++at);
			n += class & IPK__FORMAT_IS_VALUE;
		} while (class & IPK__FORMAT_IS_PLAIN);
		if (class != IPK__FORMAT_OPEN)
			break;
		n++;
		at = pass_bracket(at + 1);
		if (!at)
			return ipk__format_wrong();
	}
	IPK_TRY(check_close(*open, *at, n)); /* the terminating NUL closes nothing */
	*ret_n_values = n;
	return 0;
}

int ipk__format_check(const char *format)
{
	struct ipk__format_walk walk = {.at = format};
	char letter;

	do
		IPK_TRY(ipk__format_next(&walk, &letter));
	while (letter != '\0');
	return 0;
}
