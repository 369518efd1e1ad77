/*
 * test_unpack.c - lib/wire/unpack.c: every letter with values that fit and that do not, and nothing
 * is stored unless everything fits.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "unit/wire/wire_messages.h"

#define MESSAGE(bytes) "\xc1" bytes, sizeof("\xc1" bytes) - 1

/* What a letter stores into before it is told; an error must leave it. */
static const union cell {
	unsigned char bytes[8];
	bool b;
	int i;
	unsigned u;
	int64_t l;
	uint64_t ul;
	double d;
	void *p;
} before = {{0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a}};

#define ck_refuses(error, format, bytes)                                       \
	do {                                                                   \
		union cell c_ = before;                                        \
		ck_err(ipk_unpack(MESSAGE(bytes), format, &c_), error);        \
		ck_assert_msg(memcmp(&c_, &before, sizeof c_) == 0, "stored"); \
	} while (0)

static union cell unpack_cell(const char *format, const char *data, size_t len_bytes)
{
	union cell c = before;

	ck_ok(ipk_unpack(data, len_bytes, format, &c));
	return c;
}

#define cell(format, bytes) unpack_cell(format, MESSAGE(bytes))

START_TEST(integers)
{
	ck_assert_int_eq(cell("i", "\x2a").i, 42);
	ck_assert_int_eq(cell("i", "\xff").i, -1);
	ck_assert_int_eq(cell("i", "\xce\x7f\xff\xff\xff").i, INT_MAX);
	ck_assert_int_eq(cell("i", "\xd2\x80\x00\x00\x00").i, INT_MIN);
	ck_assert_int_eq(cell("i", "\xd3\xff\xff\xff\xff\xff\xff\xff\xfe").i, -2); /* a long form */
	ck_refuses(-ERANGE, "i", "\xce\x80\x00\x00\x00");
	ck_refuses(-ERANGE, "i", "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff");
	ck_refuses(-ERANGE, "i", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");

	ck_assert_uint_eq(cell("I", "\xce\xff\xff\xff\xff").u, UINT_MAX);
	ck_assert_uint_eq(cell("I", "\xd0\x05").u, 5); /* signed forms hold positive numbers too */
	ck_refuses(-ERANGE, "I", "\xff");
	ck_refuses(-ERANGE, "I", "\xcf\x00\x00\x00\x01\x00\x00\x00\x00");

	ck_assert(cell("l", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff").l == INT64_MAX);
	ck_assert(cell("l", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00").l == INT64_MIN);
	ck_refuses(-ERANGE, "l", "\xcf\x80\x00\x00\x00\x00\x00\x00\x00");

	ck_assert(cell("L", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff").ul == UINT64_MAX);
	ck_assert(cell("L", "\x07").ul == 7);
	ck_refuses(-ERANGE, "L", "\xff");
	ck_refuses(-ERANGE, "L", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
}
END_TEST

START_TEST(doubles)
{
	ck_assert(cell("d", "\xcb\x3f\xef\x0a\x3d\x70\xa3\xd7\x0a").d == 0.97);
	ck_assert(cell("d", "\xca\x3f\xc0\x00\x00").d == 1.5);
	ck_assert(isnan(cell("d", "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00").d));
	ck_assert(signbit(cell("d", "\xcb\x80\x00\x00\x00\x00\x00\x00\x00").d));
	/* Integers, when a double holds them exactly: 2^53, 2^53 + 2, 2^63, 2^64 - 2^11. */
	ck_assert(cell("d", "\x2a").d == 42);
	ck_assert(cell("d", "\xff").d == -1);
	ck_assert(cell("d", "\xcf\x00\x20\x00\x00\x00\x00\x00\x00").d == 9007199254740992.0);
	ck_assert(cell("d", "\xcf\x00\x20\x00\x00\x00\x00\x00\x02").d == 9007199254740994.0);
	ck_assert(cell("d", "\xcf\x80\x00\x00\x00\x00\x00\x00\x00").d == 9223372036854775808.0);
	ck_assert(cell("d", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00").d == -9223372036854775808.0);
	ck_assert(cell("d", "\xcf\xff\xff\xff\xff\xff\xff\xf8\x00").d == 18446744073709549568.0);
	ck_refuses(-ERANGE, "d", "\xcf\x00\x20\x00\x00\x00\x00\x00\x01");
	ck_refuses(-ERANGE, "d", "\xd3\xff\xdf\xff\xff\xff\xff\xff\xff");
	ck_refuses(-ERANGE, "d", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
	ck_refuses(-ERANGE, "d", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
	ck_refuses(-ERANGE, "d", "\xcf\xff\xff\xff\xff\xff\xff\xfc\x00");
}
END_TEST

START_TEST(booleans_and_nil)
{
	ck_assert(cell("b", "\xc3").b);
	ck_assert(!cell("b", "\xc2").b);
	ck_ok(ipk_unpack(MESSAGE("\xc0"), "n"));
	ck_err(ipk_unpack(MESSAGE("\x00"), "n"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\xc2"), "n"), -EPROTO);
}
END_TEST

/* One message of each type against each letter: only the like ones go together. */
START_TEST(types_do_not_mix)
{
	static const struct {
		const char *bytes;
		size_t len_bytes;
		const char *fits;
	} values[] = {
		{MESSAGE("\xc0"), "n"},     {MESSAGE("\xc3"), "b"},
		{MESSAGE("\x2a"), "iIlLd"}, {MESSAGE("\xcb\0\0\0\0\0\0\0\0"), "d"},
		{MESSAGE("\xa1x"), "sS"},   {MESSAGE("\xc4\x01x"), "y"},
		{MESSAGE("\x91\x01"), "["}, {MESSAGE("\x81\x01\x02"), "{"},
	};
	static const char *const formats[] = {"n", "b", "i", "I", "l",   "L",
					      "d", "s", "S", "y", "[*]", "{*:*}"};

	for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
		ck_ok(ipk_unpack(values[v].bytes, values[v].len_bytes, "*"));
		for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++)
			ck_err(ipk_unpack(values[v].bytes, values[v].len_bytes, formats[f], NULL,
					  NULL),
			       strchr(values[v].fits, formats[f][0]) ? 0 : -EPROTO);
	}
}
END_TEST

START_TEST(strings_and_bytes)
{
	static const char message[] = "\xc1\x93\xa5hello\xa3"
				      "a\0b\xc4\x02\x00\xff";
	const void *bytes;
	const char *text;
	size_t n_text, n_bytes;
	char *copy;

	ck_ok(ipk_unpack(message, sizeof message - 1, "[s S y]", &copy, &text, &n_text, &bytes,
			 &n_bytes));
	ck_assert_str_eq(copy, "hello");
	ck_assert_ptr_eq(text, message + 9);
	ck_assert_uint_eq(n_text, 3);
	ck_assert_ptr_eq(bytes, message + 14);
	ck_assert_uint_eq(n_bytes, 2);
	free(copy);

	ck_ok(ipk_unpack(MESSAGE("\xa0"), "s", &copy));
	ck_assert_str_eq(copy, "");
	free(copy);
	ck_refuses(-EPROTO, "s",
		   "\xa3"
		   "a\0b");
	ck_refuses(-EPROTO, "s", "\xa1\0");
	ck_err(ipk_unpack(MESSAGE("\xa1\0"), "s", NULL), -EPROTO);
}
END_TEST

START_TEST(what_is_not_wanted)
{
	static const char message[] =
		"\xc1\x98\xc3\x01\x02\x03\x04\xcb\0\0\0\0\0\0\0\0\xa1s\x92\xa1S"
		"\xc4\x01y";
	const char *text = NULL;
	size_t n = 0;

	ck_ok(ipk_unpack(message, sizeof message - 1, "[b i I l L d s [S y]]", NULL, NULL, NULL,
			 NULL, NULL, NULL, NULL, &text, NULL, NULL, &n));
	ck_assert(text && *text == 'S');
	ck_assert_uint_eq(n, 1);
	/* It still has to fit. */
	ck_err(ipk_unpack(MESSAGE("\xff"), "I", NULL), -ERANGE);
	ck_err(ipk_unpack(MESSAGE("\xff"), "s", NULL), -EPROTO);
}
END_TEST

START_TEST(anything_is_passed_over)
{
	static const char message[] =
		"\xc1\x94\x01\x82\xa1k\x91\x90\x02\x80\x92\x93\x01\x02\x03\x04\x07";
	int i = 0, j = 0;

	ck_ok(ipk_unpack(message, sizeof message - 1, "*"));
	ck_ok(ipk_unpack(message, sizeof message - 1, "[i * * i]", &i, &j));
	ck_assert_int_eq(i, 1);
	ck_assert_int_eq(j, 7);
	ck_ok(ipk_unpack(message, sizeof message - 1, "[* {s: *, *: *} [* i] *]", NULL, &i));
	ck_assert_int_eq(i, 4);
	ck_err(ipk_unpack(message, sizeof message - 1, "[* * *]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\xc1"), "*"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x92\x91\x01"), "[* *]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x01\x01"), "*"), -EPROTO);
}
END_TEST

START_TEST(shapes)
{
	ck_ok(ipk_unpack(MESSAGE("\x90"), "[]"));
	ck_ok(ipk_unpack(MESSAGE("\x80"), "{}"));
	ck_err(ipk_unpack(MESSAGE("\x90"), "{}"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x80"), "[]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x91\x01"), "[]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x90"), "[*]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x92\x01\x02"), "[*]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x91\x01"), "[* *]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x92\x91\x01\x02"), "[* [*]]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x92\x01\x02"), "{*:*}"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x81\x01\x02"), "[* *]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x81\x01\x02"), "{}"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x81\x01\x02"), "{**:**}"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\xdd\xff\xff\xff\xff"), "[*]"), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\xdf\x80\x00\x00\x01\x01\x02"), "{*:*}"), -EPROTO);
}
END_TEST

START_TEST(wrong_messages)
{
	ck_err(ipk_unpack(wrong[_i].bytes, wrong[_i].len_bytes, "*"), -EPROTO);
	ck_err(ipk_unpack(wrong[_i].bytes, wrong[_i].len_bytes, "[* *]"), -EPROTO);
	ck_err(ipk_unpack(wrong[_i].bytes, wrong[_i].len_bytes, "i", NULL), -EPROTO);
	ck_err(ipk_unpack(wrong[_i].bytes, wrong[_i].len_bytes, "s", NULL), -EPROTO);
	ck_err(ipk_unpack(NULL, 0, "*"), -EPROTO);
	ck_err(ipk_unpack("\xc1\x01", (size_t)IPK_PACK_BYTES_MAX + 1, "*"), -EPROTO);
}
END_TEST

/* Of a format that is wrong, nothing is stored even when the message fits it so far. */
START_TEST(wrong_formats)
{
	static const char *const formats[] = {"",    " ",    "[i",     "i]",     "[i}",
					      "{i]", "[i]]", "[i] i",  "{i}",    "[i x]",
					      "x",   "[[i]", "[i] []", "{*:*:*}"};

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		union cell c = before, d = before;

		ck_err(ipk_unpack(MESSAGE("\x91\x01"), formats[i], &c, &d), -EINVAL);
		ck_err(ipk_unpack(MESSAGE("\x81\x01\x02"), formats[i], &c, &d), -EINVAL);
		ck_err(ipk_unpack("plain", 5, formats[i], &c, &d), -EINVAL);
		ck_assert(memcmp(&c, &before, sizeof c) == 0);
		ck_assert(memcmp(&d, &before, sizeof d) == 0);
	}
	ck_err(ipk_unpack(MESSAGE("\x01"), NULL), -EINVAL);
}
END_TEST

/* The last value is the one that does not fit; the strings before it are not leaked (ASan). */
START_TEST(all_or_nothing)
{
	union cell c[4] = {before, before, before, before};
	char *one = NULL, *two = NULL;

	ck_err(ipk_unpack(MESSAGE("\x95\xa1"
				  "a\xa1"
				  "b\x01\xc3\xcc\xff"),
			  "[s s i b s]", &one, &two, &c[0], &c[1], &c[2]),
	       -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x93\xa1"
				  "a\xa1"
				  "b\xff"),
			  "[s s I]", &one, &two, &c[0]),
	       -ERANGE);
	ck_err(ipk_unpack(MESSAGE("\x92\xa1"
				  "a\xa2"
				  "b\0"),
			  "[s s]", &one, &two),
	       -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x91\xa1"
				  "a\x00"),
			  "[s]", &one),
	       -EPROTO);
	ck_assert_ptr_null(one);
	ck_assert_ptr_null(two);
	for (int i = 0; i < 4; i++)
		ck_assert(memcmp(&c[i], &before, sizeof before) == 0);
}
END_TEST

/* A number out of range is told only of a message that is sound otherwise. */
START_TEST(malformed_comes_first)
{
	union cell c = before, d = before;

	ck_err(ipk_unpack(MESSAGE("\x92\xff\x01"), "[I i]", &c, &d), -ERANGE);
	ck_err(ipk_unpack(MESSAGE("\x92\xff"), "[I i]", &c, &d), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x92\xff\xc1"), "[I i]", &c, &d), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x92\xff\x01\x01"), "[I i]", &c, &d), -EPROTO);
	ck_err(ipk_unpack(MESSAGE("\x92\xff\xc3"), "[I i]", &c, &d), -EPROTO);
}
END_TEST

START_TEST(every_cut)
{
	const char *text = NULL, *bytes = NULL;
	union cell c[5] = {before, before, before, before, before};
	size_t n, n_text = 0, n_bytes = 0;
	char *copy = NULL;
	void *d, *cut;

	ck_ok(ipk_pack(&d, &n, "[b i L d {s: S, n: y}]", true, -70000, UINT64_MAX, 0.5, "key",
		       "value", (size_t)5, "\0\1", (size_t)2));
	for (size_t len = 0; len <= n; len++) {
		cut = exact_copy(d, len);
		ck_err(ipk_unpack(cut, len, "[b i L d {s: S, n: y}]", &c[0], &c[1], &c[2], &c[3],
				  &copy, &text, &n_text, &bytes, &n_bytes),
		       len < n ? -EPROTO : 0);
		if (len < n)
			ck_assert(!copy && !text && !bytes && c[0].i == before.i);
		free(cut);
	}
	ck_assert_str_eq(copy, "key");
	ck_assert(c[0].b && c[1].i == -70000 && c[2].ul == UINT64_MAX && c[3].d == 0.5);
	ck_assert(n_text == 5 && n_bytes == 2);
	free(copy);
	free(d);
}
END_TEST

/* More values than slots on the stack, strings among them. */
START_TEST(many_values)
{
	static const char format[] = "[[iiiiiiiiii][iiiiiiiiii][iiiiiiiiii][iiiiiiiiii]"
				     "[iiiiiiiiii][iiiiiiiiii][iiiiiiiiii] s b]";
	int v[10];
	char *text = NULL;
	bool b = false;
	void *d;
	size_t n;

#define TEN 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
#define TEN_PLACES &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9]
	ck_ok(ipk_pack(&d, &n, format, TEN, TEN, TEN, TEN, TEN, TEN, TEN, "end", true));
	memset(v, 0xff, sizeof v);
	ck_ok(ipk_unpack(d, n, format, TEN_PLACES, TEN_PLACES, TEN_PLACES, TEN_PLACES, TEN_PLACES,
			 TEN_PLACES, TEN_PLACES, &text, &b));
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(v[i], i);
	ck_assert_str_eq(text, "end");
	ck_assert(b);
	free(text);
	text = NULL;

	((char *)d)[n - 1] = (char)0xc0;
	memset(v, 0xff, sizeof v);
	ck_err(ipk_unpack(d, n, format, TEN_PLACES, TEN_PLACES, TEN_PLACES, TEN_PLACES, TEN_PLACES,
			  TEN_PLACES, TEN_PLACES, &text, &b),
	       -EPROTO);
	ck_assert_int_eq(v[9], -1);
	ck_assert_ptr_null(text);
	free(d);
}
END_TEST

START_TEST(depth)
{
	unsigned char message[IPK_PACK_DEPTH_MAX + 3] = {IPK_PACK_MARK};
	char format[2 * IPK_PACK_DEPTH_MAX + 4] = {0};

	memset(message + 1, 0x91, IPK_PACK_DEPTH_MAX + 1);
	message[IPK_PACK_DEPTH_MAX + 1] = 0x07;
	memset(format, '[', IPK_PACK_DEPTH_MAX);
	format[IPK_PACK_DEPTH_MAX] = '*';
	memset(format + IPK_PACK_DEPTH_MAX + 1, ']', IPK_PACK_DEPTH_MAX);
	ck_ok(ipk_unpack(message, IPK_PACK_DEPTH_MAX + 2, format));
	ck_ok(ipk_unpack(message, IPK_PACK_DEPTH_MAX + 2, "*"));
	ck_ok(ipk_unpack(message, IPK_PACK_DEPTH_MAX + 2, "[[*]]"));
	/* One deeper, also when it is only passed over. */
	message[IPK_PACK_DEPTH_MAX + 1] = 0x90;
	ck_err(ipk_unpack(message, IPK_PACK_DEPTH_MAX + 2, format), -EPROTO);
	ck_err(ipk_unpack(message, IPK_PACK_DEPTH_MAX + 2, "*"), -EPROTO);
	ck_err(ipk_unpack(message, IPK_PACK_DEPTH_MAX + 2, "[[*]]"), -EPROTO);
	/* A format that is too deep is wrong itself. */
	memset(format, '[', IPK_PACK_DEPTH_MAX + 1);
	memset(format + IPK_PACK_DEPTH_MAX + 1, ']', IPK_PACK_DEPTH_MAX + 1);
	ck_err(ipk_unpack(message, IPK_PACK_DEPTH_MAX + 2, format), -EINVAL);
}
END_TEST

/* With '*', as strict as the reader. */
START_TEST(random_bytes)
{
	for (uint64_t seed = 1; seed <= repeats(100000); seed++) {
		uint64_t state = seed;
		char bytes[32] = {(char)IPK_PACK_MARK};
		size_t n = random_next(&state) % sizeof bytes, n_tokens;

		for (size_t i = 1; i < n; i++)
			bytes[i] = (char)(random_next(&state) % 4 ? 0x80 | random_next(&state)
								  : random_next(&state) % 4);
		ck_err(ipk_unpack(bytes, n, "*"), read_through(bytes, n, &n_tokens));
	}
}
END_TEST

static int unpack_by_list(const void *data, size_t len_bytes, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = ipk_vunpack(data, len_bytes, format, args);
	va_end(args);
	return r;
}

START_TEST(by_list)
{
	int v[8] = {0};

	ck_ok(unpack_by_list(MESSAGE("\x98\1\2\3\4\5\6\7\x08"), "[iiiiiiii]", &v[0], &v[1], &v[2],
			     &v[3], &v[4], &v[5], &v[6], &v[7]));
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(v[i], i + 1);
}
END_TEST

/* Whatever integer or double, the way there and back. */
START_TEST(random_round_trips)
{
	uint64_t state = 1;

	for (int k = 0; k < repeats(100000); k++) {
		uint64_t u = random_next(&state) >> random_next(&state) % 64, u2;
		int64_t l = random_next(&state) % 2 ? (int64_t)u : (int64_t)-u, l2;
		int i = (int)l, i2;
		unsigned w = (unsigned)u, w2;
		double d, d2;
		size_t n;
		void *m;

		memcpy(&d, &u, sizeof d);
		ck_ok(ipk_pack(&m, &n, "{i:l, I:[L d]}", i, l, w, u, d));
		ck_ok(ipk_unpack(m, n, "{i:l, I:[L d]}", &i2, &l2, &w2, &u2, &d2));
		ck_assert(i == i2 && l == l2 && w == w2 && u == u2);
		ck_assert(memcmp(&d, &d2, sizeof d) == 0);
		free(m);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("unpack");

	add_test(s, integers);
	add_test(s, doubles);
	add_test(s, booleans_and_nil);
	add_test(s, types_do_not_mix);
	add_test(s, strings_and_bytes);
	add_test(s, what_is_not_wanted);
	add_test(s, anything_is_passed_over);
	add_test(s, shapes);
	add_loop_test(s, wrong_messages, 0, N_WRONG);
	add_test(s, wrong_formats);
	add_test(s, all_or_nothing);
	add_test(s, malformed_comes_first);
	add_test(s, every_cut);
	add_test(s, many_values);
	add_test(s, depth);
	add_test(s, random_bytes);
	add_test(s, by_list);
	add_test(s, random_round_trips);
	return s;
}

IPK_TEST_MAIN(suite)
