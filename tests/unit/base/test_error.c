/* test_error.c - lib/base/error.c: every error has a name and an advice. */
#include <limits.h>
#include <string.h>

#include "support/support.h"

static const struct {
	int code;
	const char *name;
} vocabulary[] = {
	{ETIMEDOUT, "ETIMEDOUT"},   {EPIPE, "EPIPE"},
	{ESHUTDOWN, "ESHUTDOWN"},   {EMSGSIZE, "EMSGSIZE"},
	{EBADF, "EBADF"},           {EINVAL, "EINVAL"},
	{ENOENT, "ENOENT"},         {EEXIST, "EEXIST"},
	{EACCES, "EACCES"},         {EPROTO, "EPROTO"},
	{EPROTOTYPE, "EPROTOTYPE"}, {EPROTONOSUPPORT, "EPROTONOSUPPORT"},
	{ELIBBAD, "ELIBBAD"},       {EXDEV, "EXDEV"},
	{ENODATA, "ENODATA"},       {EBADMSG, "EBADMSG"},
	{ENOSPC, "ENOSPC"},         {EOPNOTSUPP, "EOPNOTSUPP"},
	{ENOMEM, "ENOMEM"},         {EMFILE, "EMFILE"},
	{EPERM, "EPERM"},           {EDEADLK, "EDEADLK"},
	{ENOLCK, "ENOLCK"},         {EOVERFLOW, "EOVERFLOW"},
	{ERANGE, "ERANGE"},         {ECANCELED, "ECANCELED"},
	{EALREADY, "EALREADY"},     {ENOTRECOVERABLE, "ENOTRECOVERABLE"},
};
enum { N_CODES = sizeof vocabulary / sizeof vocabulary[0] };

START_TEST(both_signs_mean_the_same)
{
	int code = vocabulary[_i].code;

	ck_assert_str_eq(ipk_errname(code), vocabulary[_i].name);
	ck_assert_str_eq(ipk_errname(-code), vocabulary[_i].name);
	ck_assert_ptr_eq(ipk_strerror(code), ipk_strerror(-code));
	ck_assert_ptr_ne(ipk_strerror(code), ipk_strerror(12345));
}
END_TEST

/* Also what only the system says: a call that the kernel lacks, a path that is too long. */
START_TEST(each_error_of_the_system_has_its_name)
{
	for (int code = 1; code <= 133; code++) {
		if (code == 41 || code == 58) /* there are none */
			continue;
		ck_assert_str_ne(ipk_errname(-code), "E?");
	}
	ck_assert_str_eq(ipk_errname(-ENOSYS), "ENOSYS");
	ck_assert_str_eq(ipk_errname(-EHWPOISON), "EHWPOISON");
	ck_assert_ptr_nonnull(strstr(ipk_strerror(-ENOSYS), "kernel"));
	ck_assert_str_ne(ipk_strerror(-ENAMETOOLONG), ipk_strerror(12345));
	ck_assert_str_ne(ipk_strerror(-EISDIR), ipk_strerror(12345));
}
END_TEST

START_TEST(texts_are_one_line_each)
{
	for (int code = -200; code <= 200; code++) {
		const char *text = ipk_strerror(code);

		ck_assert_ptr_nonnull(text);
		ck_assert_uint_gt(strlen(text), 0);
		ck_assert_ptr_null(strchr(text, '\n'));
	}
}
END_TEST

START_TEST(success_and_strangers)
{
	ck_assert_str_eq(ipk_errname(0), "0");
	ck_assert_str_eq(ipk_strerror(0), "success");
	ck_assert_str_eq(ipk_errname(12345), "E?");
	ck_assert_str_eq(ipk_errname(INT_MAX), "E?");
	ck_assert_str_eq(ipk_errname(INT_MIN), "E?");
	ck_assert_ptr_nonnull(ipk_strerror(INT_MIN));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("error");

	add_loop_test(s, both_signs_mean_the_same, 0, N_CODES);
	add_test(s, each_error_of_the_system_has_its_name);
	add_test(s, texts_are_one_line_each);
	add_test(s, success_and_strangers);
	return s;
}

IPK_TEST_MAIN(suite)
