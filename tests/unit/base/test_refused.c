/* test_refused.c - lib/base/refused.c: the text of -ENOSYS; and sums of times. */
#include <string.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "support/support.h"

static const char *says(unsigned call)
{
	switch (call) {
	case IPK__CALL_PROC:
		return "/proc";
	case IPK__CALL_SHM:
		return "/dev/shm";
	case IPK__CALL_THREAD_HERE:
		return "CLONE_NEWPID";
	default:
		return "the kernel refuses ";
	}
}

START_TEST(the_text_names_the_last_one)
{
	ck_assert_int_eq(ipk__refused(IPK__CALL_PIDFD_OPEN), -ENOSYS);
	ck_assert_ptr_nonnull(strstr(ipk_strerror(-ENOSYS), "pidfd_open"));
	ck_assert_str_eq(ipk_errname(-ENOSYS), "ENOSYS");
	for (unsigned i = 0; i < IPK__N_CALLS + 2; i++) {
		ck_assert_int_eq(ipk__refused(i), -ENOSYS);
		ck_assert_msg(strstr(ipk_strerror(ENOSYS), says(i)), "%u: %s", i,
			      ipk_strerror(ENOSYS));
	}
	errno = EPERM;
	ck_assert_int_eq(ipk__call_error(IPK__CALL_STATX), -ENOSYS);
	errno = EMFILE;
	ck_assert_int_eq(ipk__call_error(IPK__CALL_MEMFD), -EMFILE);
	ck_assert_uint_eq(ipk__refused_last(), IPK__CALL_STATX);
}
END_TEST

START_TEST(times_do_not_wrap)
{
	ck_assert_int_eq(ipk__later_ns(5, 6), 11);
	ck_assert_int_eq(ipk__later_ns(5, -6), -1);
	ck_assert_int_eq(ipk__later_ns(5, INT64_MAX), INT64_MAX);
	ck_assert_int_eq(ipk__later_ns(INT64_MAX, INT64_MAX), INT64_MAX);
	ck_assert_int_eq(ipk__later_ns(INT64_MAX, 0), INT64_MAX);
	ck_assert_int_eq(ipk__later_ns(INT64_MIN, -1), INT64_MIN);
	ck_assert_int_eq(ipk__ms_to_ns(3), 3000000);
	ck_assert_int_eq(ipk__ms_to_ns(INT64_MAX), INT64_MAX);
	ck_assert_int_eq(ipk__ms_to_ns(INT64_MIN), INT64_MIN);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("refused");

	add_test(s, the_text_names_the_last_one);
	add_test(s, times_do_not_wrap);
	return s;
}
IPK_TEST_MAIN(suite)
