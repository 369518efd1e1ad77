/*
 * test_pack.c - lib/wire/pack.c: the exact bytes, in the shortest form of each value as
 * other MessagePack implementations write them (Python's msgpack 1.0.3).
 */
#include <limits.h>

#include "unit/wire/wire_messages.h"

static void ck_bytes(const void *data, size_t n, const char *want, size_t n_want)
{
	ck_assert_uint_eq(n, n_want);
	ck_assert_mem_eq(data, want, n_want);
}

/* The bytes that come of it, the mark left out. */
#define ck_packs(bytes, ...)                                              \
	do {                                                              \
		size_t n_;                                                \
		void *d_;                                                 \
		ck_ok(ipk_pack(&d_, &n_, __VA_ARGS__));                   \
		ck_bytes(d_, n_, "\xc1" bytes, sizeof("\xc1" bytes) - 1); \
		free(d_);                                                 \
	} while (0)

#define ck_packs_not(error, ...)                                \
	do {                                                    \
		void *d_ = &d_;                                 \
		size_t n_ = 77;                                 \
		ck_err(ipk_pack(&d_, &n_, __VA_ARGS__), error); \
		ck_assert_ptr_eq(d_, &d_);                      \
		ck_assert_uint_eq(n_, 77);                      \
	} while (0)

START_TEST(simple_values)
{
	ck_packs("\xc0", "n");
	ck_packs("\xc3", "b", true);
	ck_packs("\xc2", "b", false);
	ck_packs("\xcb\x3f\xef\x0a\x3d\x70\xa3\xd7\x0a", "d", 0.97);
	ck_packs("\xcb\x00\x00\x00\x00\x00\x00\x00\x00", "d", 0.0);
	ck_packs("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "d", 1.5); /* never 32 bits */
}
END_TEST

START_TEST(integers_take_the_shortest_form)
{
	ck_packs("\x00", "i", 0);
	ck_packs("\x7f", "i", 127);
	ck_packs("\xcc\x80", "i", 128);
	ck_packs("\xcd\x01\x00", "i", 256);
	ck_packs("\xce\x00\x01\x00\x00", "i", 65536);
	ck_packs("\xff", "i", -1);
	ck_packs("\xe0", "i", -32);
	ck_packs("\xd0\xdf", "i", -33);
	ck_packs("\xd1\xff\x7f", "i", -129);
	ck_packs("\xd2\xff\xff\x7f\xff", "i", -32769);
	ck_packs("\xd2\x80\x00\x00\x00", "i", INT_MIN);
	ck_packs("\xce\xff\xff\xff\xff", "I", UINT_MAX);
	ck_packs("\x05", "I", 5u);
	ck_packs("\x05", "l", (int64_t)5);
	ck_packs("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", "l", INT64_MAX);
	ck_packs("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "l", INT64_MIN);
	ck_packs("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "L", UINT64_MAX);
	ck_packs("\x05", "L", (uint64_t)5);
}
END_TEST

START_TEST(strings_and_bytes)
{
	ck_packs("\xa0", "s", "");
	ck_packs("\xa5hello", "s", "hello");
	ck_packs("\xd9\x20"
		 "01234567890123456789012345678901",
		 "s", "01234567890123456789012345678901");
	ck_packs("\xa3"
		 "a\0b",
		 "S", "a\0b", (size_t)3);
	ck_packs("\xc4\x03"
		 "a\0b",
		 "y", "a\0b", (size_t)3);
	ck_packs("\x92\xa0\xc4\x00", "[S y]", NULL, (size_t)0, NULL, (size_t)0);
}
END_TEST

/* Around each form of a header, and past each doubling of the memory. */
START_TEST(long_bodies)
{
	static const size_t lengths[] = {31, 32,  54,  55,    56,    57,    62,
					 63, 255, 256, 65535, 65536, 65537, 1 << 20};
	size_t len = lengths[_i % 14], n, n_read;
	char *body = malloc(len), *format = _i < 14 ? "[S i]" : "[y i]";
	const void *read;
	void *d;
	int i;

	memset(body, 'x', len);
	ck_ok(ipk_pack(&d, &n, format, body, len, 7));
	ck_ok(ipk_unpack(d, n, format, &read, &n_read, &i));
	ck_assert_uint_eq(n_read, len);
	ck_assert(memcmp(read, body, len) == 0);
	ck_assert_int_eq(i, 7);
	free(d);
	free(body);
}
END_TEST

START_TEST(arrays_and_maps)
{
	ck_packs("\x90", "[]");
	ck_packs("\x80", "{}");
	ck_packs("\x93\x2a\xc0\xa5hello", "[i n s]", 42, "hello");
	ck_packs("\x93\x2a\xc0\xa5hello", " [ i,n:s ] ", 42, "hello");
	ck_packs("\x81\xa5score\xcb\x3f\xef\x0a\x3d\x70\xa3\xd7\x0a", "{s:d}", "score", 0.97);
	ck_packs("\x82\x01\x92\xc3\xc2\x91\x02\x81\xa1k\xc4\x01v", "{i:[bb], [i]:{s:y}}", 1, true,
		 false, 2, "k", "v", (size_t)1);
	ck_packs("\x9f\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0",
		 "[nnnnnnnnnnnnnnn]");
	ck_packs("\xdc\x00\x10\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0",
		 "[nnnnnnnnnnnnnnnn]");
}
END_TEST

START_TEST(very_many_values)
{
	enum { N = 70000 };
	char *format = malloc(N + 3);
	size_t n, n_tokens;
	void *d;

	memset(format, 'n', N + 2);
	memcpy(format, "[", 1);
	memcpy(format + N + 1, "]", 2);
	ck_ok(ipk_pack(&d, &n, format));
	ck_assert_uint_eq(n, 1 + 5 + N);
	ck_ok(read_through(d, n, &n_tokens));
	ck_assert_uint_eq(n_tokens, 1 + N);
	ck_ok(ipk_unpack(d, n, format));
	free(d);
	free(format);
}
END_TEST

START_TEST(depth)
{
	char format[2 * IPK_PACK_DEPTH_MAX + 3] = {0};
	size_t n, n_tokens;
	void *d;

	memset(format, '[', IPK_PACK_DEPTH_MAX);
	memset(format + IPK_PACK_DEPTH_MAX, ']', IPK_PACK_DEPTH_MAX);
	ck_ok(ipk_pack(&d, &n, format));
	ck_ok(read_through(d, n, &n_tokens));
	ck_assert_uint_eq(n_tokens, IPK_PACK_DEPTH_MAX);
	free(d);
	memset(format, '[', IPK_PACK_DEPTH_MAX + 1);
	memset(format + IPK_PACK_DEPTH_MAX + 1, ']', IPK_PACK_DEPTH_MAX + 1);
	ck_packs_not(-EINVAL, format);
}
END_TEST

START_TEST(wrong_formats)
{
	static const char *const formats[] = {"",    " ",   "nn",  "[n",      "n]",  "[n}",
					      "{n}", "*",   "[*]", "[n] [n]", "x",   "[n x]",
					      "{",   "[[]", "[]]", "{nnn}",   "(n)", "[\xff]"};

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		ck_packs_not(-EINVAL, formats[i]);
	ck_packs_not(-EINVAL, NULL);
}
END_TEST

START_TEST(wrong_arguments)
{
	size_t n = 77;
	void *d = &n;

	ck_packs_not(-EINVAL, "s", (char *)NULL);
	ck_packs_not(-EINVAL, "[i S]", 1, NULL, (size_t)1);
	ck_packs_not(-EINVAL, "y", NULL, (size_t)1);
	ck_err(ipk_pack(NULL, &n, "n"), -EINVAL);
	ck_err(ipk_pack(&d, NULL, "n"), -EINVAL);
}
END_TEST

/* Refused before a byte of them is looked at. */
START_TEST(too_long)
{
	ck_packs_not(-EMSGSIZE, "y", "", (size_t)IPK_PACK_BYTES_MAX + 1);
	ck_packs_not(-EMSGSIZE, "S", "", (size_t)IPK_PACK_BYTES_MAX);
	ck_packs_not(-EMSGSIZE, "y", "", (size_t)IPK_PACK_BYTES_MAX - 5);
	ck_packs_not(-EMSGSIZE, "[s S]", "x", "", SIZE_MAX);
}
END_TEST

static int pack_by_list(void **ret_data, size_t *ret_len_bytes, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = ipk_vpack(ret_data, ret_len_bytes, format, args);
	va_end(args);
	return r;
}

/* More values than there are registers for, of both kinds. */
START_TEST(many_arguments_by_list)
{
	size_t n, len;
	char text[128];
	void *d;

	ck_ok(pack_by_list(&d, &n, "[i d i d i d s d i d l d i d L d d d b]", 1, 0.5, 2, 1.5, 3,
			   2.5, "four", 3.5, 5, 4.5, (int64_t)6, 5.5, 7, 6.5, (uint64_t)8, 7.5, 8.5,
			   9.5, true));
	ck_ok(ipk_pack_to_text(d, n, text, sizeof text, &len));
	ck_assert_str_eq(text, "[1, 0.5, 2, 1.5, 3, 2.5, \"four\", 3.5, 5, 4.5, 6, 5.5, 7, 6.5, 8, "
			       "7.5, 8.5, 9.5, true]");
	free(d);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pack");

	add_test(s, simple_values);
	add_test(s, integers_take_the_shortest_form);
	add_test(s, strings_and_bytes);
	add_loop_test(s, long_bodies, 0, 28);
	add_test(s, arrays_and_maps);
	add_test(s, very_many_values);
	add_test(s, depth);
	add_test(s, wrong_formats);
	add_test(s, wrong_arguments);
	add_test(s, too_long);
	add_test(s, many_arguments_by_list);
	return s;
}

IPK_TEST_MAIN(suite)
