/* test_cmd_number.c - lib/command/cmd_number.c: text to numbers and back, and what counts. */
#include <float.h>
#include <math.h>

#include "command/cmd_common.h"
#include "unit/server/server_in_place.h"

START_TEST(text_to_float)
{
	static const struct {
		const char *text;
		long double d;
	} good[] = {
		{"0", 0},          {"-0", 0},
		{"1.5", 1.5L},     {"+2", 2},
		{".5", 0.5L},      {"5.", 5},
		{"1e3", 1000},     {"0x10", 16},
		{"0x.8p1", 1},     {"0e99999", 0},
		{"1e-3", 1e-3L},   {"-inf", -INFINITY},
		{"INF", INFINITY}, {"infinity", INFINITY},
		{"0.0e-99999", 0},
	};
	static const char *const bad[] = {"",        " 1",       "\t1", "1 ", "1x", "nan", "-nan",
					  "1e99999", "1e-99999", "--1", "0x", "e5", "1,5", "."};
	long double d = 7;

	for (size_t i = 0; i < IPK__N_OF(good); i++) {
		ck_assert_msg(ipk__text_to_float(ipk__slice_of_string(good[i].text), &d), "'%s'",
			      good[i].text);
		ck_assert_msg(d == good[i].d, "'%s' is %Lg", good[i].text, d);
	}
	d = 7;
	for (size_t i = 0; i < IPK__N_OF(bad); i++)
		ck_assert_msg(!ipk__text_to_float(ipk__slice_of_string(bad[i]), &d), "'%s'",
			      bad[i]);
	ck_assert(!ipk__text_to_float(IPK__SLICE("1\0", 2), &d));
	ck_assert(d == 7);
}
END_TEST

/* Longer than the room on the stack, and longer than any number that is written. */
START_TEST(long_texts)
{
	static char text[IPK__FLOAT_TEXT_BYTES + 1];
	long double d;

	memset(text, '0', sizeof text);
	text[199] = '4';
	ck_assert(ipk__text_to_float(IPK__SLICE(text, 200), &d));
	ck_assert(d == 4);
	ck_assert(ipk__text_to_float(IPK__SLICE(text, 127), &d));
	ck_assert(ipk__text_to_float(IPK__SLICE(text, 128), &d));
	ck_assert(ipk__text_to_float(IPK__SLICE(text + 200, IPK__FLOAT_TEXT_BYTES - 200), &d));
	text[199] = '0';
	ck_assert(ipk__text_to_float(IPK__SLICE(text, IPK__FLOAT_TEXT_BYTES - 1), &d));
	ck_assert(!ipk__text_to_float(IPK__SLICE(text, IPK__FLOAT_TEXT_BYTES), &d));
}
END_TEST

static void is_written(long double d, const char *expected)
{
	size_t n = 0;
	char *text = ipk__float_to_text(d, &n);

	ck_assert_ptr_nonnull(text);
	ck_assert_msg(n == strlen(expected) && memcmp(text, expected, n) == 0, "%.*s, not %s",
		      (int)n, text, expected);
	free(text);
}

START_TEST(float_to_text)
{
	size_t n;
	char *text;

	is_written(0, "0");
	is_written(-0.0L, "0");
	is_written(-1e-19L, "0"); /* rounded to nothing: without a sign */
	is_written(10, "10");
	is_written(1.5L, "1.5");
	is_written(-3.25L, "-3.25");
	is_written(1e20L, "100000000000000000000");
	text = ipk__float_to_text(LDBL_MAX, &n);
	ck_assert_uint_gt(n, 300);
	ck_assert_uint_lt(n, IPK__FLOAT_TEXT_BYTES);
	ck_assert_ptr_null(memchr(text, 'e', n));
	free(text);
}
END_TEST

START_TEST(unsigned_to_text)
{
	char buf[24];

	ck_assert_uint_eq(ipk__uint64_to_text(UINT64_MAX, buf), 20);
	ck_assert_str_eq(buf, "18446744073709551615");
	ck_assert_uint_eq(ipk__uint64_to_text(0, buf), 1);
}
END_TEST

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define TOO_FAR "-ERR increment or decrement would overflow"

START_TEST(integers)
{
	server_begin();
	says(0, "INCR n", ":1");
	says(0, "INCRBY n 41", ":42");
	says(0, "DECR n", ":41");
	says(0, "DECRBY n 50", ":-9");
	says(0, "DECRBY n -9", ":0");
	says(0, "SET n 9223372036854775806", "OK");
	says(0, "INCR n", ":9223372036854775807");
	says(0, "INCR n", TOO_FAR);
	says(0, "INCRBY n 1", TOO_FAR);
	says(0, "DECRBY n -1", TOO_FAR);
	says(0, "DECRBY n -9223372036854775808", "-ERR decrement would overflow");
	says(0, "GET n", "9223372036854775807");
	says(0, "SET n -9223372036854775808", "OK");
	says(0, "DECR n", TOO_FAR);
	says(0, "INCRBY n 1.5", NOT_INTEGER);
	says(0, "INCRBY n 9223372036854775808", NOT_INTEGER);
	says(0, "SET n 007", "OK");
	says(0, "INCR n", NOT_INTEGER);
	says(0, "GET n", "007");
	says(0, "RPUSH l x", ":1");
	says(0, "INCR l", "-WRONGTYPE Operation against a key holding the wrong kind of value");
	server_end();
}
END_TEST

START_TEST(floats)
{
	server_begin();
	says(0, "INCRBYFLOAT n 10.50", "10.5");
	says(0, "INCRBYFLOAT n 0.1", "10.6");
	says(0, "INCRBYFLOAT n -5e0", "5.6");
	says(0, "SET n 3.0e3", "OK");
	says(0, "INCRBYFLOAT n 200", "3200");
	says(0, "GET n", "3200");
	says(0, "INCRBYFLOAT n x", "-ERR value is not a valid float");
	says(0, "INCRBYFLOAT n inf", "-ERR increment would produce NaN or Infinity");
	says(0, "SET n abc", "OK");
	says(0, "INCRBYFLOAT n 1", "-ERR value is not a valid float");
	server_end();
}
END_TEST

START_TEST(counting_keeps_the_time_to_live)
{
	server_begin();
	says(0, "SET n 1 PX 5000", "OK");
	says(0, "INCR n", ":2");
	says(0, "INCRBYFLOAT n 0.5", "2.5");
	says(0, "PTTL n", ":5000");
	server_end();
}
END_TEST

START_TEST(fields)
{
	server_begin();
	says(0, "HINCRBY h f 5", ":5");
	says(0, "HINCRBY h f -7", ":-2");
	says(0, "HINCRBY h f 1.5", NOT_INTEGER);
	says(0, "HINCRBYFLOAT h f 0.25", "-1.75");
	says(0, "HINCRBY h f 1", "-ERR hash value is not an integer");
	says(0, "HSET h f 9223372036854775807", ":0");
	says(0, "HINCRBY h f 1", TOO_FAR);
	says(0, "HSET h f abc", ":0");
	says(0, "HINCRBYFLOAT h f 1", "-ERR hash value is not a float");
	says(0, "HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity");
	says(0, "HINCRBYFLOAT h f ''", "-ERR value is not a valid float");
	says(0, "HGETALL h", "[f abc]");
	/* What failed made no hash. */
	says(0, "HINCRBY none f x", NOT_INTEGER);
	says(0, "EXISTS none", ":0");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_number");

	add_test(s, text_to_float);
	add_test(s, long_texts);
	add_test(s, float_to_text);
	add_test(s, unsigned_to_text);
	add_test(s, integers);
	add_test(s, floats);
	add_test(s, counting_keeps_the_time_to_live);
	add_test(s, fields);
	return s;
}
IPK_TEST_MAIN(suite)
