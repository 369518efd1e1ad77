/* test_resp_write.c - the bytes of every kind of reply, and numbers in text. */
#include <math.h>
#include <string.h>

#include "net/resp.h"
#include "support/support.h"

static void ck_bytes(struct ipk__buffer *b, const char *want, size_t n)
{
	ck_assert(!b->failed);
	ck_assert_uint_eq(ipk__buffer_len(b), n);
	ck_assert_mem_eq(ipk__buffer_front(b), want, n);
	ipk__buffer_free(b);
}

#define ck_writes(call, want)                               \
	do {                                                \
		struct ipk__buffer b = {0};                 \
		call;                                       \
		ck_bytes(&b, want "", sizeof(want "") - 1); \
	} while (0)

START_TEST(words_and_errors)
{
	ck_writes(ipk__resp_simple(&b, "OK"), "+OK\r\n");
	ck_writes(ipk__resp_error(&b, IPK__SLICE_OF("ERR no")), "-ERR no\r\n");
	ck_writes(ipk__resp_error(&b, IPK__SLICE_OF("ERR 'a\r\nb'")), "-ERR 'a  b'\r\n");
	ck_writes(ipk__resp_error(&b, IPK__SLICE(NULL, 0)), "-\r\n");
}
END_TEST

START_TEST(bulks)
{
	ck_writes(ipk__resp_bulk(&b, IPK__SLICE(NULL, 0)), "$0\r\n\r\n");
	ck_writes(ipk__resp_bulk(&b, IPK__SLICE_OF("a\0\r\n")), "$4\r\na\0\r\n\r\n");
	ck_writes(ipk__resp_bulk(&b, IPK__SLICE_OF("0123456789")), "$10\r\n0123456789\r\n");
}
END_TEST

START_TEST(numbers)
{
	ck_writes(ipk__resp_integer(&b, 0), ":0\r\n");
	ck_writes(ipk__resp_integer(&b, 9), ":9\r\n");
	ck_writes(ipk__resp_integer(&b, 10), ":10\r\n");
	ck_writes(ipk__resp_integer(&b, -1), ":-1\r\n");
	ck_writes(ipk__resp_integer(&b, INT64_MAX), ":9223372036854775807\r\n");
	ck_writes(ipk__resp_integer(&b, INT64_MIN), ":-9223372036854775808\r\n");
	ck_writes(ipk__resp_double(&b, 1.5, 3), ",1.5\r\n");
	ck_writes(ipk__resp_double(&b, 1.5, 2), "$3\r\n1.5\r\n");
	ck_writes(ipk__resp_double(&b, 0.1, 3), ",0.10000000000000001\r\n");
	ck_writes(ipk__resp_double(&b, INFINITY, 2), "$3\r\ninf\r\n");
	ck_writes(ipk__resp_double(&b, -INFINITY, 3), ",-inf\r\n");
	ck_writes(ipk__resp_double(&b, NAN, 3), ",nan\r\n");
	ck_writes(ipk__resp_boolean(&b, true, 3), "#t\r\n");
	ck_writes(ipk__resp_boolean(&b, false, 3), "#f\r\n");
	ck_writes(ipk__resp_boolean(&b, true, 2), ":1\r\n");
}
END_TEST

START_TEST(heads_and_nulls)
{
	ck_writes(ipk__resp_head(&b, IPK__RESP_ARRAY, 3), "*3\r\n");
	ck_writes(ipk__resp_head(&b, IPK__RESP_PUSH, 12345), ">12345\r\n");
	ck_writes(ipk__resp_map(&b, 2, 3), "%2\r\n");
	ck_writes(ipk__resp_map(&b, 2, 2), "*4\r\n");
	ck_writes(ipk__resp_null(&b, 2), "$-1\r\n");
	ck_writes(ipk__resp_null(&b, 3), "_\r\n");
	ck_writes(ipk__resp_null_array(&b, 2), "*-1\r\n");
	ck_writes(ipk__resp_null_array(&b, 3), "_\r\n");
}
END_TEST

START_TEST(a_request)
{
	struct ipk__slice argv[] = {IPK__SLICE_OF("SET"), IPK__SLICE_OF("k"), IPK__SLICE(NULL, 0)};

	ck_writes(ipk__resp_request(&b, argv, 3), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}
END_TEST

/* A reply of many pieces that meets the end of memory says so once, at the end. */
START_TEST(no_memory_is_remembered)
{
	struct ipk__buffer b = {0};

	ipk__resp_integer(&b, 1);
	ck_assert_ptr_null(ipk__buffer_reserve(&b, SIZE_MAX / 2));
	ipk__resp_simple(&b, "OK");
	ipk__resp_bulk(&b, IPK__SLICE_OF("x"));
	ipk__resp_error(&b, IPK__SLICE_OF("x"));
	ipk__resp_null(&b, 2);
	ck_assert(b.failed);
	ck_assert_uint_eq(ipk__buffer_len(&b), 4);
	ipk__buffer_free(&b);
}
END_TEST

static const int64_t numbers_there_and_back[] = {
	0,
	1,
	-1,
	9,
	10,
	-10,
	99,
	100,
	INT8_MIN,
	INT16_MAX,
	INT32_MIN,
	INT32_MAX,
	INT64_MAX,
	INT64_MIN,
	INT64_MAX - 1,
	INT64_MIN + 1,
};

START_TEST(text_there_and_back)
{
	for (size_t i = 0; i < sizeof numbers_there_and_back / sizeof(int64_t); i++) {
		char text[24];
		size_t n = ipk__int64_to_text(numbers_there_and_back[i], text);
		int64_t got = 0;

		ck_assert_uint_le(n, 20);
		ck_assert(ipk__text_to_int64(IPK__SLICE(text, n), &got));
		ck_assert_int_eq(got, numbers_there_and_back[i]);
	}
}
END_TEST

START_TEST(only_the_canonical_form)
{
	static const char *const wrong[] = {
		"",
		"-",
		"+1",
		"01",
		"-0",
		"-01",
		"1 ",
		" 1",
		"1.0",
		"1e3",
		"0x1",
		"--1",
		"9223372036854775808",
		"-9223372036854775809",
		"18446744073709551616",
		"99999999999999999999",
		"100000000000000000000",
		"1\n",
	};
	int64_t n = 777;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(!ipk__text_to_int64(ipk__slice_of_string(wrong[i]), &n), "\"%s\"",
			      wrong[i]);
	ck_assert(!ipk__text_to_int64(IPK__SLICE_OF("1\0"), &n));
	ck_assert_int_eq(n, 777);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("resp_write");

	add_test(s, words_and_errors);
	add_test(s, bulks);
	add_test(s, numbers);
	add_test(s, heads_and_nulls);
	add_test(s, a_request);
	add_test(s, no_memory_is_remembered);
	add_test(s, text_there_and_back);
	add_test(s, only_the_canonical_form);
	return s;
}

IPK_TEST_MAIN(suite)
