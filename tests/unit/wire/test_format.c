/* test_format.c - lib/wire/format.c: which format strings are well-formed. */
#include <string.h>

#include "support/support.h"
#include "wire/format.h"

static const char *const good[] = {
	"n",
	"b",
	"i",
	"I",
	"l",
	"L",
	"d",
	"s",
	"S",
	"y",
	"*",
	"[]",
	"{}",
	" i ",
	"[i n s]",
	"[ins]",
	"{s:d}",
	"{s: d, s: d}",
	"{[i]: {}, {}: []}",
	"[[[]]]",
	"{**}",
	",:[i]:,",
};

static const char *const bad[] = {
	"",     " ",     ",",       "ii",      "i i",    "[]i", "i[]",   "[][]",  "[",
	"]",    "{",     "}",       "[i",      "i]",     "[i}", "{i:i]", "[{]}",  "[[i]",
	"[i]]", "{s}",   "{s:i,s}", "{[i i]}", "[{i}]",  "x",   "[x]",   "[i x]", "[[x]]",
	"%d",   "[i\n]", "\x80",    "\xff",    "[\xff]", "(i)",
};

START_TEST(good_formats)
{
	ck_ok(ipk__format_check(good[_i]));
}
END_TEST

START_TEST(bad_formats)
{
	ck_err(ipk__format_check(bad[_i]), -EINVAL);
}
END_TEST

START_TEST(counts)
{
	uint32_t n = 77;

	ck_ok(ipk__format_count("[]", &n));
	ck_assert_uint_eq(n, 0);
	ck_ok(ipk__format_count("[i n s] and more", &n));
	ck_assert_uint_eq(n, 3);
	ck_ok(ipk__format_count("[[i i i] {i: [n]} n]", &n));
	ck_assert_uint_eq(n, 3);
	ck_ok(ipk__format_count("{s: [i i i], s: {}}", &n));
	ck_assert_uint_eq(n, 4);
	ck_err(ipk__format_count("[i i", &n), -EINVAL);
	ck_err(ipk__format_count("[[i i]", &n), -EINVAL);
	ck_err(ipk__format_count("{i i i}", &n), -EINVAL);
	ck_assert_uint_eq(n, 4);
}
END_TEST

/* Strings of 1 to 6 of these characters, against a check that is written plainly. */
static bool is_value(const char **at);

static bool is_list(const char **at, char close)
{
	size_t n = 0;

	for (; **at != close; n++) {
		if (!is_value(at))
			return false;
	}
	++*at;
	return close == ']' || n % 2 == 0;
}

static bool is_value(const char **at)
{
	switch (*(*at)++) {
	case 'i':
		return true;
	case '[':
		return is_list(at, ']');
	case '{':
		return is_list(at, '}');
	default:
		--*at;
		return false;
	}
}

START_TEST(every_short_format)
{
	static const char letters[] = "i[]{}";
	enum { N = 6, N_FORMATS = 15625 };

	for (int k = 0; k < N_FORMATS; k++) {
		char format[N + 1] = {0};
		const char *at = format;
		bool is_good;

		for (int i = 0, rest = k; i < N; i++, rest /= 5)
			format[i] = letters[rest % 5];
		format[k % N + 1] = '\0';
		is_good = is_value(&at) && *at == '\0';
		ck_assert_msg((ipk__format_check(format) == 0) == is_good, "%s", format);
	}
}
END_TEST

START_TEST(depth)
{
	char format[2 * IPK_PACK_DEPTH_MAX + 3] = {0};

	memset(format, '[', IPK_PACK_DEPTH_MAX);
	memset(format + IPK_PACK_DEPTH_MAX, ']', IPK_PACK_DEPTH_MAX);
	ck_ok(ipk__format_check(format));
	memset(format, '[', IPK_PACK_DEPTH_MAX + 1);
	memset(format + IPK_PACK_DEPTH_MAX + 1, ']', IPK_PACK_DEPTH_MAX + 1);
	ck_err(ipk__format_check(format), -EINVAL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("format");

	add_loop_test(s, good_formats, 0, (int)(sizeof good / sizeof good[0]));
	add_loop_test(s, bad_formats, 0, (int)(sizeof bad / sizeof bad[0]));
	add_test(s, counts);
	add_test(s, every_short_format);
	add_test(s, depth);
	return s;
}

IPK_TEST_MAIN(suite)
