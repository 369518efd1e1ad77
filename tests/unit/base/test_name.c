/* test_name.c - lib/base/name.c: which names are allowed. */
#include <string.h>

#include "base/base_internal.h"
#include "support/support.h"

START_TEST(every_byte_is_judged)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	for (int c = 1; c < 256; c++) {
		char name[4] = {'a', (char)c, 'b', '\0'};
		int want = strchr(allowed, c) != NULL ? 0 : -EINVAL;

		ck_err(ipk__name_check(name), want);
		ck_err(ipk__name_check(name + 1), want);
		name[2] = '\0';
		ck_err(ipk__name_check(name), want);
	}
}
END_TEST

START_TEST(length_is_bounded)
{
	char name[IPK__NAME_MAX + 2];

	ck_err(ipk__name_check(NULL), -EINVAL);
	ck_err(ipk__name_check(""), -EINVAL);
	for (size_t n = 1; n <= IPK__NAME_MAX + 1; n++) {
		memset(name, 'x', n);
		name[n] = '\0';
		ck_err(ipk__name_check(name), n <= IPK__NAME_MAX ? 0 : -EINVAL);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("name");

	add_test(s, every_byte_is_judged);
	add_test(s, length_is_bounded);
	return s;
}

IPK_TEST_MAIN(suite)
