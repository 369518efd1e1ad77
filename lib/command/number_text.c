/*
 * number_text.c - numbers as text, as Redis reads and writes them.
 *
 * Integers are those that fit 64 bits, in the canonical form that printing them gives. Others are
 * computed in long double and written without an exponent.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "command/cmd_common.h"
#include "os/os.h"

/* Digits that came out as infinity, or as nothing though one of them is something. */
static bool is_out_of_range(const char *text, long double d)
{
	if (isinf(d))
		return strpbrk(text, "0123456789") != NULL;
	return d == 0 && strcspn(text, "123456789") < strcspn(text, "eEpP");
}

static bool read_float(const char *text, size_t n_bytes, long double *ret_d)
{
	char *end;
	long double d = ipk__read_long_double(text, &end);

	if (end != text + n_bytes || isnan(d) || is_out_of_range(text, d))
		return false;
	*ret_d = d;
	return true;
}

bool ipk__text_to_float(struct ipk__slice text, long double *ret_d)
{
	char usual[128], *buf = usual;
	bool is_good;

	if (text.n_bytes == 0 || text.n_bytes >= IPK__FLOAT_TEXT_BYTES ||
	    strchr(IPK__BLANKS, text.bytes[0]))
		return false;
	if (text.n_bytes >= sizeof usual)
		buf = ipk__os_malloc(text.n_bytes + 1);
	if (!buf)
		return false;
	memcpy(buf, text.bytes, text.n_bytes);
	buf[text.n_bytes] = 0;
	is_good = read_float(buf, text.n_bytes, ret_d);
	if (buf != usual)
		free(buf);
	return is_good;
}

char *ipk__float_to_text(long double d, size_t *ret_bytes)
{
	char *buf = ipk__os_malloc(IPK__FLOAT_TEXT_BYTES);
	size_t n_bytes;

	if (!buf)
		return NULL;
	n_bytes = ipk__decimal(buf, IPK__FLOAT_TEXT_BYTES, "%.17Lf", d);
	while (n_bytes > 0 && buf[n_bytes - 1] == '0')
		n_bytes--;
	if (n_bytes > 0 && buf[n_bytes - 1] == '.')
		n_bytes--;
	if (n_bytes == 2 && buf[0] == '-' && buf[1] == '0') {
		buf[0] = '0';
		n_bytes = 1;
	}
	*ret_bytes = n_bytes;
	return buf;
}

size_t ipk__uint64_to_text(uint64_t n, char buf[24])
{
	return (size_t)snprintf(buf, 24, "%llu", (unsigned long long)n);
}
