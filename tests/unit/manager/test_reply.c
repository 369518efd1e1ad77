/* test_reply.c - replies as users read them, and error replies as errors. */
#include <string.h>

#include "manager/manager_internal.h"
#include "support/support.h"

static ipk_reply *reply_of(const char *text)
{
	struct ipk__response r;
	ipk_reply *public;

	ipk__response_init(&r);
	ck_ok(ipk__response_put(&r, ipk__slice_of_string(text)));
	public = ipk__response_public(&r);
	ck_assert_ptr_nonnull(public);
	return public;
}

START_TEST(every_kind_is_read)
{
	IPK_AUTO_INIT(reply, r,
		      reply_of("*6\r\n:5\r\n$2\r\nab\r\n_\r\n,1.5\r\n#t\r\n-WRONGTYPE no\r\n"));
	static const ipk_reply_kind kinds[] = {
		IPK_REPLY_ARRAY, IPK_REPLY_INT,   IPK_REPLY_TEXT, IPK_REPLY_NULL, IPK_REPLY_DOUBLE,
		IPK_REPLY_INT,   IPK_REPLY_ERROR, IPK_REPLY_END,  IPK_REPLY_END,
	};
	ipk_reply_value v;

	ck_assert_uint_eq(ipk_reply_len(r), 6);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		ck_ok(ipk_reply_next(r, &v));
		ck_assert_int_eq(v.kind, kinds[i]);
		if (v.kind == IPK_REPLY_DOUBLE)
			ck_assert_double_eq(v.d, 1.5);
		if (v.kind == IPK_REPLY_ERROR)
			ck_assert_int_eq(v.error, -EPROTOTYPE);
	}
	ipk_reply_rewind(r);
	ck_ok(ipk_reply_next(r, &v));
	ck_assert_uint_eq(v.n_items, 6);
}
END_TEST

START_TEST(long_ones_are_kept_in_memory_of_their_own)
{
	char text[2048];
	IPK_AUTO(reply, r);
	ipk_reply_value v;

	memset(text, 'x', sizeof text);
	memcpy(text, "$2000\r\n", 7);
	memcpy(text + 2007, "\r\n", 3);
	r = reply_of(text);
	ck_ok(ipk_reply_next(r, &v));
	ck_assert_uint_eq(v.len_bytes, 2000);
	ck_assert_int_eq(v.data[1999], 'x');
}
END_TEST

START_TEST(null_has_no_items)
{
	IPK_AUTO_INIT(reply, r, reply_of("$-1\r\n"));
	IPK_AUTO_INIT(reply, one, reply_of("+OK\r\n"));
	ipk_reply_value v;

	ck_assert_uint_eq(ipk_reply_len(r), 0);
	ck_assert_uint_eq(ipk_reply_len(one), 1);
	ck_assert_uint_eq(ipk_reply_len(NULL), 0);
	ck_err(ipk_reply_next(NULL, &v), -EBADF);
}
END_TEST

START_TEST(refusals_have_their_errors)
{
	static const struct {
		const char *words;
		int err;
	} cases[] = {
		{"WRONGTYPE Operation against a key", -EPROTOTYPE},
		{"NOTOWNER x", -EPERM},
		{"BROKEN x", -ECANCELED},
		{"SHUTDOWN x", -ESHUTDOWN},
		{"NOKEY no such key", -ENOENT},
		{"RANGE index out of range", -ERANGE},
		{"VALUE item 1 is not a number", -EINVAL},
		{"OOM command not allowed", -ENOSPC},
		{"NOAUTH Authentication required.", -EACCES},
		{"DENIED x", -EACCES},
		{"ERR hash value is not an integer", -ERANGE},
		{"ERR something new", -EBADMSG},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_err(ipk__refusal(ipk__slice_of_string(cases[i].words)), cases[i].err);
		ck_assert_str_eq(ipk_manager_error(), cases[i].words);
	}
}
END_TEST

START_TEST(numbers_and_texts)
{
	struct ipk__response r;
	struct ipk__slice text;
	int64_t n;
	double d;

	ipk__response_init(&r);
	ck_err(ipk__response_refusal(&r), -EBADMSG);
	ck_ok(ipk__response_put(&r, IPK__SLICE_OF("$2\r\n42\r\n")));
	ck_ok(ipk__response_int(&r, &n));
	ck_assert_int_eq(n, 42);
	ck_ok(ipk__response_put(&r, IPK__SLICE_OF("$1\r\nx\r\n")));
	ck_err(ipk__response_int(&r, &n), -EBADMSG);
	ck_ok(ipk__response_text(&r, &text));
	ck_assert_uint_eq(text.n_bytes, 1);
	ck_ok(ipk__response_put(&r, IPK__SLICE_OF("_\r\n")));
	ck_err(ipk__response_text(&r, &text), -ENOENT);
	ck_ok(ipk__response_put(&r, IPK__SLICE_OF("*0\r\n")));
	ck_err(ipk__response_text(&r, &text), -EBADMSG);
	ck_ok(ipk__text_to_double(IPK__SLICE_OF("-1.5e3"), &d));
	ck_assert_double_eq(d, -1500);
	ck_err(ipk__text_to_double(IPK__SLICE_OF("1x"), &d), -ERANGE);
	ck_err(ipk__text_to_double(IPK__SLICE_OF(""), &d), -ERANGE);
}
END_TEST

START_TEST(timeouts_are_never_shorter_than_the_deadline)
{
	int64_t ms;

	ck_assert_int_eq(ipk__timeout_ms(ipk_forever()), -1);
	ck_assert_int_eq(ipk__timeout_ms(ipk_now()), 0);
	ms = ipk__timeout_ms(ipk_in_ms(5000));
	ck_assert_int_gt(ms, 0);
	ck_assert_int_le(ms, 5000);
	ck_assert_int_eq(ipk__timeout_ms(ipk_in_ns(500000)), 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("reply");

	add_test(s, every_kind_is_read);
	add_test(s, long_ones_are_kept_in_memory_of_their_own);
	add_test(s, null_has_no_items);
	add_test(s, refusals_have_their_errors);
	add_test(s, numbers_and_texts);
	add_test(s, timeouts_are_never_shorter_than_the_deadline);
	return s;
}
IPK_TEST_MAIN(suite)
