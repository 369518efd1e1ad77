/* test_opts.c - lib/base/opts.c: options structs of older and newer callers. */
#include <string.h>

#include "base/base_internal.h"
#include "support/support.h"

struct opts {
	size_t struct_size;
	long a, b;
};

struct newer {
	struct opts opts;
	long c;
	char d;
};

START_TEST(null_is_all_default)
{
	struct opts got;

	memset(&got, 0xff, sizeof got);
	ck_ok(ipk__opts_copy(&got, sizeof got, NULL));
	ck_assert(got.struct_size == 0 && got.a == 0 && got.b == 0);
}
END_TEST

START_TEST(same_struct_is_copied)
{
	struct opts src = {sizeof src, 1, 2}, got;

	ck_ok(ipk__opts_copy(&got, sizeof got, &src));
	ck_assert(got.a == 1 && got.b == 2);
}
END_TEST

START_TEST(older_struct_is_read_as_far_as_it_goes)
{
	struct opts src = {offsetof(struct opts, b), 1, 2}, got;

	ck_ok(ipk__opts_copy(&got, sizeof got, &src));
	ck_assert(got.a == 1 && got.b == 0);
	src.struct_size = sizeof src.struct_size;
	ck_ok(ipk__opts_copy(&got, sizeof got, &src));
	ck_assert(got.a == 0 && got.b == 0);
}
END_TEST

START_TEST(newer_struct_may_not_ask_for_what_is_unknown)
{
	struct newer src;
	struct opts got;

	memset(&src, 0, sizeof src);
	src.opts = (struct opts){sizeof src, 1, 2};
	ck_ok(ipk__opts_copy(&got, sizeof got, &src));
	ck_assert(got.a == 1 && got.b == 2);
	src.d = 1;
	ck_err(ipk__opts_copy(&got, sizeof got, &src), -EINVAL);
}
END_TEST

START_TEST(size_must_be_one)
{
	struct opts src = {0}, got;

	for (src.struct_size = 0; src.struct_size < sizeof src.struct_size; src.struct_size++)
		ck_err(ipk__opts_copy(&got, sizeof got, &src), -EINVAL);
	src.struct_size = SIZE_MAX;
	ck_err(ipk__opts_copy(&got, sizeof got, &src), -EINVAL);
	src.struct_size = 4097;
	ck_err(ipk__opts_copy(&got, sizeof got, &src), -EINVAL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("opts");

	add_test(s, null_is_all_default);
	add_test(s, same_struct_is_copied);
	add_test(s, older_struct_is_read_as_far_as_it_goes);
	add_test(s, newer_struct_may_not_ask_for_what_is_unknown);
	add_test(s, size_must_be_one);
	return s;
}

IPK_TEST_MAIN(suite)
