/* test_decimal.c - lib/base/decimal.c: numbers as text and back. In other locales: env.locale. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "support/support.h"

START_TEST(prints)
{
	char buf[64];

	ck_assert_uint_eq(ipk__decimal(buf, sizeof buf, "%.17g", 0.5), 3);
	ck_assert_str_eq(buf, "0.5");
	ipk__decimal(buf, sizeof buf, "%.2f", -1234567.891);
	ck_assert_str_eq(buf, "-1234567.89");
	ipk__decimal(buf, sizeof buf, "%g", 1e300);
	ck_assert_str_eq(buf, "1e+300");
	ipk__decimal(buf, sizeof buf, "%g", -(double)INFINITY);
	ck_assert_str_eq(buf, "-inf");
	ck_assert_uint_eq(ipk__decimal(buf, 4, "%.3f", 1.5), 3);
	ck_assert_str_eq(buf, "1.5");
}
END_TEST

START_TEST(reads)
{
	char *end;

	ck_assert(ipk__read_double("0.5x", &end) == 0.5);
	ck_assert_str_eq(end, "x");
	ck_assert(ipk__read_double("0,5", &end) == 0);
	ck_assert_str_eq(end, ",5");
	ck_assert(ipk__read_float("1e3", NULL) == 1000);
	ck_assert(ipk__read_long_double("-0.25", NULL) == -0.25L);
	ck_assert(isinf(ipk__read_double("-inf", NULL)));
}
END_TEST

START_TEST(comes_back)
{
	static const double numbers[] = {0.1, -1.0 / 3, DBL_MAX, DBL_MIN, 5e-324, 123456789.25};
	char buf[64];

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		ipk__decimal(buf, sizeof buf, "%.17g", numbers[i]);
		ck_assert(ipk__read_double(buf, NULL) == numbers[i]);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("decimal");

	add_test(s, prints);
	add_test(s, reads);
	add_test(s, comes_back);
	return s;
}

IPK_TEST_MAIN(suite)
