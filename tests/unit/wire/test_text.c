/* test_text.c - lib/wire/text.c: a message as text for people, and where it is cut. */
#include <locale.h>

#include "unit/wire/wire_messages.h"

/* The text of what is packed. */
#define ck_shows(text, ...)                                                \
	do {                                                               \
		char buf_[256];                                            \
		size_t n_, len_;                                           \
		void *d_;                                                  \
		ck_ok(ipk_pack(&d_, &n_, __VA_ARGS__));                    \
		ck_ok(ipk_pack_to_text(d_, n_, buf_, sizeof buf_, &len_)); \
		ck_assert_str_eq(buf_, text);                              \
		ck_assert_uint_eq(len_, strlen(text));                     \
		free(d_);                                                  \
	} while (0)

START_TEST(known_messages)
{
	const struct known *k = &known[_i];
	char buf[128];
	size_t len;

	ck_ok(ipk_pack_to_text(k->bytes, k->len_bytes, buf, sizeof buf, &len));
	ck_assert_str_eq(buf, k->text);
	ck_assert_uint_eq(len, strlen(k->text));
	ck_ok(ipk_pack_to_text(k->bytes, k->len_bytes, buf, sizeof buf, NULL));
}
END_TEST

START_TEST(wrong_messages)
{
	char buf[128] = "untouched";
	size_t len = 77;

	ck_err(ipk_pack_to_text(wrong[_i].bytes, wrong[_i].len_bytes, buf, sizeof buf, &len),
	       -EPROTO);
	ck_assert_str_eq(buf, "untouched");
	ck_assert_uint_eq(len, 77);
}
END_TEST

START_TEST(wrong_sizes)
{
	char buf[4] = "abc";

	for (size_t size = 0; size < 4; size++)
		ck_err(ipk_pack_to_text("\xc1\x01", 2, buf, size, NULL), -EINVAL);
	ck_err(ipk_pack_to_text("\xc1\x01", 2, NULL, 100, NULL), -EINVAL);
	ck_assert_str_eq(buf, "abc");
	ck_ok(ipk_pack_to_text("\xc1\x01", 2, buf, 4, NULL));
	ck_assert_str_eq(buf, "1");
}
END_TEST

START_TEST(escapes)
{
	ck_shows("\"a\\\"b\\\\c/d'e\"", "s", "a\"b\\c/d'e");
	ck_shows("\"\\n\\r\\t\\u001b[31m\\u0007\\u007f\"", "s", "\n\r\t\x1b[31m\a\x7f");
	ck_shows("\"a\\u0000b\"", "S", "a\0b", (size_t)3);
	ck_shows("b\"a\\x00\\\"\\\\\\x0a\\x7f\\xe9~\"", "y", "a\0\"\\\n\x7f\xe9~", (size_t)8);
}
END_TEST

START_TEST(utf8)
{
	ck_shows("\"\u00e9\u20ac\U0001f600\"", "s", "\u00e9\u20ac\U0001f600");
	/* A C1 control (CSI), right-to-left override, zero width, line separator, BOM, tag. */
	ck_shows("\"\\u009b\\u202e\\u200b\\u2028\\ufeff\\U000e0041\"", "s",
		 "\xc2\x9b\u202e\u200b\u2028\ufeff\U000e0041");
	/* Cut off, a lone second byte, too long, a surrogate, beyond the last one. */
	ck_shows("\"\\xe2\\x82\"", "s", "\xe2\x82");
	ck_shows("\"\\x80a\"", "s",
		 "\x80"
		 "a");
	ck_shows("\"\\xc0\\x8a\"", "s", "\xc0\x8a");
	ck_shows("\"\\xe0\\x81\\x81\"", "s", "\xe0\x81\x81");
	ck_shows("\"\\xed\\xa0\\x80\"", "s", "\xed\xa0\x80");
	ck_shows("\"\\xf4\\x90\\x80\\x80\"", "s", "\xf4\x90\x80\x80");
	ck_shows("\"\\xff\\xfe\"", "s", "\xff\xfe");
	ck_shows("\"\\xe2(\"", "s", "\xe2(");
	ck_shows("\"\\xe2\\x82(\"", "s", "\xe2\x82(");
}
END_TEST

START_TEST(numbers)
{
	ck_shows("[1.0, 100000000000000.0, 1e+15, 1e-07, -0.0]", "[ddddd]", 1.0, 1e14, 1e15, 1e-7,
		 -0.0);
	ck_shows("[1.7976931348623157e+308, 4.94065645841247e-324]", "[dd]", 1.7976931348623157e308,
		 4.9406564584124654e-324);
	ck_shows("[-2147483648, 4294967295]", "[iI]", INT32_MIN, UINT32_MAX);
}
END_TEST

/* A decimal comma of the locale's does not get through. */
START_TEST(locale_does_not_matter)
{
	if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
		return;
	ck_shows("[0.97, 1.0, 1.5e+300]", "[ddd]", 0.97, 1.0, 1.5e300);
}
END_TEST

START_TEST(every_size_cuts_it_well)
{
	static const char whole[] = "{\"k\u00e9y\": [1, b\"\\x00\", \"\u20ac\\n\"]}";
	char buf[sizeof whole + 8];
	size_t n, len;
	void *d;

	ck_ok(ipk_pack(&d, &n, "{s: [i y s]}", "k\u00e9y", 1, "", (size_t)1, "\u20ac\n"));
	for (size_t size = 4; size < sizeof buf; size++) {
		ck_ok(ipk_pack_to_text(d, n, buf, size, &len));
		ck_assert_uint_eq(len, strlen(buf));
		ck_assert_uint_lt(len, size);
		if (size >= sizeof whole) {
			ck_assert_str_eq(buf, whole);
			continue;
		}
		ck_assert_str_eq(buf + len - 3, "...");
		ck_assert_mem_eq(buf, whole, len - 3);
		ck_assert_uint_ge(len + 3, size - 1); /* up to 3 bytes of a character are left */
		ck_assert((whole[len - 3] & 0xc0) != 0x80);
	}
	free(d);
}
END_TEST

/* A message is not read further than what fits. */
START_TEST(what_follows_the_cut_is_not_looked_at)
{
	char buf[8];

	ck_ok(ipk_pack_to_text("\xc1\x93\x01\xa8"
			       "abcdefgh\xc1",
			       13, buf, sizeof buf, NULL));
	ck_assert_str_eq(buf, "[1, ...");
}
END_TEST

START_TEST(random_messages)
{
	for (uint64_t seed = 1; seed <= repeats(1000); seed++) {
		uint64_t state = seed;
		msgpack_sbuffer message;
		size_t size, len;
		char buf[300];

		make_random(&message, seed);
		size = 4 + random_next(&state) % (sizeof buf - 4);
		ck_ok(ipk_pack_to_text(message.data, message.size, buf, size, &len));
		ck_assert_uint_lt(len, size);
		ck_assert_uint_eq(strlen(buf), len);
		for (size_t i = 0; i < len; i++)
			ck_assert((unsigned char)buf[i] >= ' ' && buf[i] != 0x7f);
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("text");

	add_loop_test(s, known_messages, 0, N_KNOWN);
	add_loop_test(s, wrong_messages, 0, N_WRONG);
	add_test(s, wrong_sizes);
	add_test(s, escapes);
	add_test(s, utf8);
	add_test(s, numbers);
	add_test(s, locale_does_not_matter);
	add_test(s, every_size_cuts_it_well);
	add_test(s, what_follows_the_cut_is_not_looked_at);
	add_test(s, random_messages);
	return s;
}

IPK_TEST_MAIN(suite)
