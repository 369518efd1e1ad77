/* test_clock.c - lib/os/clock.c: deadlines at the edges of the number range. */
#include "os/os.h"
#include "support/support.h"

START_TEST(now_and_forever)
{
	ck_assert(ipk_deadline_left_ns(ipk_now()) == 0);
	ck_assert(ipk_deadline_left_ns(ipk_forever()) == INT64_MAX);
	ck_assert(ipk_deadline_left_ns((ipk_deadline){-1}) == 0);
	ck_assert(ipk_deadline_left_ns((ipk_deadline){INT64_MIN}) == 0);
	ck_assert(ipk_deadline_left_ns((ipk_deadline){1}) == 0);
}
END_TEST

START_TEST(what_is_past_has_passed)
{
	ck_assert(ipk_in_ns(0).at_ns == 0);
	ck_assert(ipk_in_ns(-1).at_ns == 0);
	ck_assert(ipk_in_ns(INT64_MIN).at_ns == 0);
	ck_assert(ipk_in_ms(0).at_ns == 0);
	ck_assert(ipk_in_ms(-1).at_ns == 0);
	ck_assert(ipk_in_ms(INT64_MIN).at_ns == 0);
	ck_assert(ipk_in_ms(INT64_MIN / 1000000 - 1).at_ns == 0);
}
END_TEST

START_TEST(too_far_is_forever)
{
	ck_assert(ipk_in_ns(INT64_MAX).at_ns == INT64_MAX);
	ck_assert(ipk_in_ms(INT64_MAX).at_ns == INT64_MAX);
	ck_assert(ipk_in_ms(INT64_MAX / 1000000).at_ns == INT64_MAX);
}
END_TEST

START_TEST(deadline_lies_where_it_should)
{
	int64_t before_ns = ipk__os_now_ns();
	ipk_deadline in_ns = ipk_in_ns(5000000000), in_ms = ipk_in_ms(5000);
	int64_t after_ns = ipk__os_now_ns();

	ck_assert(in_ns.at_ns >= before_ns + 5000000000 && in_ns.at_ns <= after_ns + 5000000000);
	ck_assert(in_ms.at_ns >= in_ns.at_ns && in_ms.at_ns <= after_ns + 5000000000);
	ck_assert(ipk_deadline_left_ns(in_ms) <= 5000000000);
	ck_assert(ipk__os_boot_ns() >= before_ns);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("clock");

	add_test(s, now_and_forever);
	add_test(s, what_is_past_has_passed);
	add_test(s, too_far_is_forever);
	add_test(s, deadline_lies_where_it_should);
	return s;
}

IPK_TEST_MAIN(suite)
