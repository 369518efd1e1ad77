/* test_checksum.c - lib/base/checksum.c, and the rounding beside it. */
#include <string.h>

#include "base/base_internal.h"
#include "support/support.h"

/* From the FNV reference page (Noll): fnv1a_64 test vectors. */
START_TEST(known_values)
{
	ck_assert(ipk__checksum("", 0) == 0xcbf29ce484222325u);
	ck_assert(ipk__checksum("a", 1) == 0xaf63dc4c8601ec8cu);
	ck_assert(ipk__checksum("foobar", 6) == 0x85944171f73967e8u);
}
END_TEST

START_TEST(every_bit_counts)
{
	unsigned char bytes[280] = {0};
	uint64_t sum = ipk__checksum(bytes, sizeof bytes);

	for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_assert(ipk__checksum(bytes, sizeof bytes) != sum);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}
END_TEST

START_TEST(rounding)
{
	ck_assert(ipk__round_up(0, 8) == 0);
	ck_assert(ipk__round_up(1, 8) == 8);
	ck_assert(ipk__round_up(8, 8) == 8);
	ck_assert(ipk__round_up(4097, 4096) == 8192);
	ck_assert(ipk__round_up_pow2(0) == 1);
	ck_assert(ipk__round_up_pow2(1) == 1);
	for (unsigned k = 2; k < 62; k++) {
		uint64_t p = (uint64_t)1 << k;

		ck_assert(ipk__round_up_pow2(p - 1) == p);
		ck_assert(ipk__round_up_pow2(p) == p);
		ck_assert(ipk__round_up_pow2(p + 1) == 2 * p);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("checksum");

	add_test(s, known_values);
	add_test(s, every_bit_counts);
	add_test(s, rounding);
	return s;
}

IPK_TEST_MAIN(suite)
