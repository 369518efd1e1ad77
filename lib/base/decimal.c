/*
 * decimal.c - see decimal.h.
 *
 * Parsing uses the locale "C" explicitly (a constant of the C library). Printing has no such call,
 * and a thread's locale belongs to the program: the locale's decimal separator, which may be
 * several characters long, is found and replaced.
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/decimal.h"

static void make_plain(char *text)
{
	static const char plain[] = "0123456789+-einfa";
	char *point = text + strspn(text, plain);
	size_t n = strcspn(point, plain);

	if (n == 0)
		return;
	*point = '.';
	memmove(point + 1, point + n, strlen(point + n) + 1);
}

size_t ipk__decimal(char *buf, size_t buf_bytes, const char *form, ...)
{
	va_list args;

	va_start(args, form);
	vsnprintf(buf, buf_bytes, form, args);
	va_end(args);
	make_plain(buf);
	return strlen(buf);
}

static locale_t plain_locale(void)
{
	return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

float ipk__read_float(const char *text, char **ret_end)
{
	return strtof_l(text, ret_end, plain_locale());
}

double ipk__read_double(const char *text, char **ret_end)
{
	return strtod_l(text, ret_end, plain_locale());
}

long double ipk__read_long_double(const char *text, char **ret_end)
{
	return strtold_l(text, ret_end, plain_locale());
}
