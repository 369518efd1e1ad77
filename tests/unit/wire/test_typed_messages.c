/*
 * test_typed_messages.c - packing, unpacking and reading: golden bytes, round trips, and no
 * malformed message is accepted or stores anything.
 */
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ipk/pack.h"
#include "support/support.h"

#define MESSAGE(...) ((const unsigned char[]){0xC1, __VA_ARGS__})

static void ck_packs(const unsigned char *want, size_t n_want, const char *format, ...)
{
	va_list args;
	void *data;
	size_t n;

	va_start(args, format);
	ck_ok(ipk_vpack(&data, &n, format, args));
	va_end(args);
	ck_assert_uint_eq(n, n_want);
	ck_assert_mem_eq(data, want, n);
	free(data);
}

#define ck_golden(bytes, ...) ck_packs(bytes, sizeof bytes, __VA_ARGS__)

START_TEST(golden_bytes)
{
	ck_golden(MESSAGE(0xC0), "n");
	ck_golden(MESSAGE(0xC3), "b", true);
	ck_golden(MESSAGE(0xC2), "b", false);
	ck_golden(MESSAGE(0x2A), "i", 42);
	ck_golden(MESSAGE(0xFF), "i", -1);
	ck_golden(MESSAGE(0xCD, 0x01, 0x00), "I", 256u);
	ck_golden(MESSAGE(0xCF, 255, 255, 255, 255, 255, 255, 255, 255), "L", UINT64_MAX);
	ck_golden(MESSAGE(0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0), "l", INT64_MIN);
	ck_golden(MESSAGE(0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0), "d", 1.5);
	ck_golden(MESSAGE(0xA2, 'h', 'i'), "s", "hi");
	ck_golden(MESSAGE(0xC4, 2, 0, 1), "y", "\0\1", (size_t)2);
	ck_golden(MESSAGE(0x93, 0x2A, 0xC0, 0xA5, 'h', 'e', 'l', 'l', 'o'), "[i n s]", 42, "hello");
	ck_golden(MESSAGE(0x81, 0xA1, 'a', 0x90), "{s: []}", "a");
}
END_TEST

START_TEST(round_trip)
{
	const char *text;
	const void *bytes;
	uint64_t u = 0;
	int64_t l = 0;
	double d = 0, exact = 0;
	unsigned n_unsigned = 0;
	size_t n, n_text, n_bytes;
	void *data;
	char *copy = NULL;
	bool b = false;
	int i = 0;

	ck_ok(ipk_pack(&data, &n, "[b i I l L d i {s:S, s:y}]", true, INT_MIN, UINT_MAX, INT64_MAX,
		       UINT64_MAX, -0.0, 7, "text", "a\0b", (size_t)3, "bytes", "\xff\0",
		       (size_t)2));
	ck_assert(ipk_pack_is_typed(data, n));
	ck_ok(ipk_unpack(data, n, "[b i I l L d d {s:S, *:y}]", &b, &i, &n_unsigned, &l, &u, &d,
			 &exact, &copy, &text, &n_text, &bytes, &n_bytes));
	ck_assert(b && i == INT_MIN && n_unsigned == UINT_MAX && l == INT64_MAX &&
		  u == UINT64_MAX && d == 0 && signbit(d) && exact == 7.0);
	ck_assert_str_eq(copy, "text");
	ck_assert(n_text == 3 && memcmp(text, "a\0b", 3) == 0);
	ck_assert(n_bytes == 2 && memcmp(bytes, "\xff\0", 2) == 0);
	free(copy);
	free(data);
}
END_TEST

START_TEST(nan_keeps_its_bits)
{
	uint64_t bits = 0x7ff8dead0000beef, back;
	double nan_in, nan_out = 0;
	void *data;
	size_t n;

	memcpy(&nan_in, &bits, sizeof bits);
	ck_ok(ipk_pack(&data, &n, "d", nan_in));
	ck_ok(ipk_unpack(data, n, "d", &nan_out));
	memcpy(&back, &nan_out, sizeof back);
	ck_assert_uint_eq(back, bits);
	free(data);
}
END_TEST

START_TEST(numbers_must_fit)
{
	void *data;
	size_t n;
	int i = 5;
	unsigned u = 5;
	double d = 5;

	ck_ok(ipk_pack(&data, &n, "l", (int64_t)INT_MAX + 1));
	ck_err(ipk_unpack(data, n, "i", &i), -ERANGE);
	ck_assert_int_eq(i, 5);
	free(data);
	ck_ok(ipk_pack(&data, &n, "i", -1));
	ck_err(ipk_unpack(data, n, "I", &u), -ERANGE);
	free(data);
	ck_ok(ipk_pack(&data, &n, "l", ((int64_t)1 << 53) + 1));
	ck_err(ipk_unpack(data, n, "d", &d), -ERANGE);
	ck_assert(u == 5 && d == 5);
	free(data);
}
END_TEST

START_TEST(types_must_match)
{
	void *data;
	size_t n;
	int i = 5;
	char *s = NULL;

	ck_ok(ipk_pack(&data, &n, "[i s]", 1, "x"));
	ck_err(ipk_unpack(data, n, "[s i]", &s, &i), -EPROTO);
	ck_err(ipk_unpack(data, n, "[i]", &i), -EPROTO);
	ck_err(ipk_unpack(data, n, "[i s i]", &i, &s, &i), -EPROTO);
	ck_err(ipk_unpack(data, n, "{i:s}", &i, &s), -EPROTO);
	ck_err(ipk_unpack(data, n, "[i n]", &i), -EPROTO);
	ck_assert(i == 5 && !s);
	free(data);
	ck_ok(ipk_pack(&data, &n, "S", "a\0b", (size_t)3));
	ck_err(ipk_unpack(data, n, "s", &s), -EPROTO);
	free(data);
}
END_TEST

START_TEST(formats_must_be_right)
{
	static const char *const wrong[] = {"",    "[", "]",   "[i",  "i]",
					    "{s}", "q", "i i", "[i}", "*"};
	void *data = NULL;
	size_t n = 0;

	for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
		ck_err(ipk_pack(&data, &n, wrong[k], 1, 2), -EINVAL);
	ck_err(ipk_pack(&data, &n, "s", (char *)NULL), -EINVAL);
	ck_err(ipk_pack(&data, &n, NULL), -EINVAL);
	ck_assert(!data && n == 0);
}
END_TEST

/* Read all of it: the reader's verdict. */
static int read_all(const unsigned char *data, size_t n, size_t *ret_n_tokens)
{
	ipk_token token = {0};
	ipk_reader r;

	ipk_reader_init(&r, data, n);
	for (*ret_n_tokens = 0;; ++*ret_n_tokens) {
		int result = ipk_reader_next(&r, &token);

		if (result < 0 || token.kind == IPK_TOKEN_END)
			return result;
	}
}

START_TEST(every_truncation_is_refused)
{
	size_t n, n_tokens;
	void *data;
	int i = 5;

	ck_ok(ipk_pack(&data, &n, "[i l d s y {s:[n b]} L]", 1000, (int64_t)-70000, 0.5, "a text",
		       "bytes", (size_t)5, "key", true, UINT64_MAX));
	ck_ok(read_all(data, n, &n_tokens));
	ck_assert_uint_eq(n_tokens, 12);
	for (size_t k = 0; k < n; k++) {
		/* In memory of its own, so that a read behind it is seen by the sanitizers. */
		unsigned char *cut = malloc(k + 1);

		memcpy(cut, data, k);
		ck_err(read_all(cut, k, &n_tokens), -EPROTO);
		ck_err(ipk_unpack(cut, k, "[i * * * * * *]", &i), -EPROTO);
		free(cut);
	}
	ck_assert_int_eq(i, 5);
	free(data);
}
END_TEST

START_TEST(malformed_is_refused)
{
	static const unsigned char huge_array[] = {0xC1, 0xDD, 255, 255, 255, 255};
	static const unsigned char huge_map[] = {0xC1, 0xDF, 255, 255, 255, 255};
	static const unsigned char huge_string[] = {0xC1, 0xDB, 255, 255, 255, 255, 'x'};
	static const unsigned char inner_mark[] = {0xC1, 0x91, 0xC1};
	static const unsigned char extension[] = {0xC1, 0xD4, 1, 2};
	static const unsigned char trailing[] = {0xC1, 0xC0, 0xC0};
	static const unsigned char no_mark[] = {0xC0};
	unsigned char deep[2 + IPK_PACK_DEPTH_MAX + 1];
	size_t n;

	ck_err(read_all(huge_array, sizeof huge_array, &n), -EPROTO);
	ck_err(read_all(huge_map, sizeof huge_map, &n), -EPROTO);
	ck_err(read_all(huge_string, sizeof huge_string, &n), -EPROTO);
	ck_err(read_all(inner_mark, sizeof inner_mark, &n), -EPROTO);
	ck_err(read_all(extension, sizeof extension, &n), -EPROTO);
	ck_err(read_all(trailing, sizeof trailing, &n), -EPROTO);
	ck_err(read_all(no_mark, sizeof no_mark, &n), -EPROTO);
	memset(deep, 0x91, sizeof deep);
	deep[0] = 0xC1;
	deep[IPK_PACK_DEPTH_MAX + 1] = 0xC0;
	ck_ok(read_all(deep, IPK_PACK_DEPTH_MAX + 2, &n));
	deep[IPK_PACK_DEPTH_MAX + 1] = 0x91;
	deep[IPK_PACK_DEPTH_MAX + 2] = 0xC0;
	ck_err(read_all(deep, sizeof deep, &n), -EPROTO);
}
END_TEST

START_TEST(random_bytes_end)
{
	unsigned long long state = 88172645463325252u;
	char text[40];

	for (int k = 0; k < repeats(100000); k++) {
		unsigned char bytes[24];
		size_t n_tokens, n_text;
		int r;

		for (size_t i = 0; i < sizeof bytes; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			bytes[i] = (unsigned char)state;
		}
		bytes[0] = 0xC1;
		r = read_all(bytes, sizeof bytes, &n_tokens);
		ck_assert(r == 0 || r == -EPROTO);
		r = ipk_pack_to_text(bytes, sizeof bytes, text, sizeof text, &n_text);
		ck_assert(r == -EPROTO || (r == 0 && strlen(text) == n_text));
	}
}
END_TEST

START_TEST(text_is_safe_and_cut)
{
	char text[64];
	size_t n, n_text;
	void *data;

	ck_ok(ipk_pack(&data, &n, "[i n s b {s:d}]", 42, "he\x1b[m\n", true, "k", 0.5));
	ck_ok(ipk_pack_to_text(data, n, text, sizeof text, &n_text));
	ck_assert_str_eq(text, "[42, null, \"he\\u001b[m\\n\", true, {\"k\": 0.5}]");
	ck_assert_uint_eq(n_text, strlen(text));
	ck_ok(ipk_pack_to_text(data, n, text, 12, &n_text));
	ck_assert_str_eq(text + strlen(text) - 3, "...");
	ck_assert_uint_le(strlen(text), 11);
	free(data);
}
END_TEST

static int unpack_v(const void *data, size_t n, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = ipk_vunpack(data, n, format, args);
	va_end(args);
	return r;
}

START_TEST(unwanted_values_are_passed_over)
{
	int i = 0;
	void *data;
	size_t n;

	ck_ok(ipk_pack(&data, &n, "[i s [i i] y i]", 1, "x", 2, 3, "b", (size_t)1, 4));
	ck_ok(unpack_v(data, n, "[i s * y i]", NULL, NULL, NULL, NULL, &i));
	ck_assert_int_eq(i, 4);
	free(data);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("typed_messages");

	add_test(s, golden_bytes);
	add_test(s, round_trip);
	add_test(s, nan_keeps_its_bits);
	add_test(s, numbers_must_fit);
	add_test(s, types_must_match);
	add_test(s, formats_must_be_right);
	add_test(s, every_truncation_is_refused);
	add_test(s, malformed_is_refused);
	add_test(s, random_bytes_end);
	add_test(s, text_is_safe_and_cut);
	add_test(s, unwanted_values_are_passed_over);
	return s;
}
IPK_TEST_MAIN(suite)
