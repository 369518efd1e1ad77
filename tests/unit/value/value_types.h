/* value_types.h - every typecode with its C type, for tests that go through all of them. */
#ifndef VALUE_TYPES_H
#define VALUE_TYPES_H

#include <float.h>
#include <limits.h>
#include <string.h>

#include "ipk/value.h"
#include "support/support.h"

/* typecode, C type, a name, least, greatest */
#define INTEGER_TYPES(X)                                 \
	X('b', signed char, schar, SCHAR_MIN, SCHAR_MAX) \
	X('B', unsigned char, uchar, 0, UCHAR_MAX)       \
	X('h', short, short_, SHRT_MIN, SHRT_MAX)        \
	X('H', unsigned short, ushort_, 0, USHRT_MAX)    \
	X('i', int, int_, INT_MIN, INT_MAX)              \
	X('I', unsigned, uint_, 0, UINT_MAX)             \
	X('l', long, long_, LONG_MIN, LONG_MAX)          \
	X('L', unsigned long, ulong_, 0, ULONG_MAX)      \
	X('q', long long, llong, LLONG_MIN, LLONG_MAX)   \
	X('Q', unsigned long long, ullong, 0, ULLONG_MAX)
#define FLOAT_TYPES(X)                           \
	X('f', float, float_, -FLT_MAX, FLT_MAX) \
	X('d', double, double_, -DBL_MAX, DBL_MAX)
#define OTHER_TYPES(X)                          \
	X('c', char, char_, CHAR_MIN, CHAR_MAX) \
	X('?', bool, bool_, false, true)
#define ALL_TYPES(X) INTEGER_TYPES(X) FLOAT_TYPES(X) OTHER_TYPES(X)

static const char typecodes[] = "bBhHiIlLqQfdc?";
enum { N_TYPECODES = sizeof typecodes - 1 };

static inline size_t size_of(char typecode)
{
#define SIZE_OF(code, type, name, least, greatest) \
	case code:                                 \
		return sizeof(type);
	switch (typecode) {
		ALL_TYPES(SIZE_OF)
	default:
		return 0;
	}
#undef SIZE_OF
}

/* The same to the processor: 'l' is 'i' or 'q'. */
static inline bool are_same(char a, char b)
{
	const char *sets[] = {sizeof(long) == 8 ? "lq" : "li", sizeof(long) == 8 ? "LQ" : "LI"};

	for (int i = 0; i < 2; i++) {
		if (strchr(sets[i], a) && strchr(sets[i], b))
			return true;
	}
	return a == b;
}

static inline ipk_value *make_value(char typecode, bool is_raw)
{
	ipk_value *v = NULL;

	ck_ok(ipk_value_create(IPK_VALUE(.typecode = typecode, .is_raw = is_raw), &v));
	return v;
}

static inline ipk_array *make_array(char typecode, size_t n_items, bool is_raw)
{
	ipk_array *a = NULL;

	ck_ok(ipk_array_create(
		IPK_ARRAY(.typecode = typecode, .n_items = n_items, .is_raw = is_raw), &a));
	return a;
}

#endif
