/* test_crc32c.c - lib/base/crc32c.c: known sums, and both ways to them agree. */
#include <string.h>

#include "base/crc32c.h"
#include "support/support.h"

START_TEST(known_values)
{
	char zeros[32] = {0};

	ck_assert_uint_eq(ipk__crc32c(0, "123456789", 9), 0xe3069283);
	ck_assert_uint_eq(ipk__crc32c(0, zeros, 32), 0x8a9136aa); /* RFC 3720 B.4 */
	ck_assert_uint_eq(ipk__crc32c(0, "", 0), 0);
}
END_TEST

START_TEST(both_ways_agree_and_go_on)
{
	unsigned char data[100];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof data; n++) {
		uint32_t whole = ipk__crc32c(7, data, n);

		ck_assert_uint_eq(whole, ipk__crc32c_slowly(7, data, n));
		ck_assert_uint_eq(
			whole, ipk__crc32c(ipk__crc32c(7, data, n / 3), data + n / 3, n - n / 3));
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("crc32c");

	add_test(s, known_values);
	add_test(s, both_ways_agree_and_go_on);
	return s;
}
IPK_TEST_MAIN(suite)
