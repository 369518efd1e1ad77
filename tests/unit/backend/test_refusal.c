/* test_refusal.c - lib/backend/refusal.c: words to errors, and the text that each thread keeps. */
#include <pthread.h>
#include <string.h>

#include "manager/manager_internal.h"
#include "support/support.h"

static const struct {
	const char *words;
	int err;
} cases[] = {
	{"WRONGTYPE Operation against a key holding the wrong kind of value", -EPROTOTYPE},
	{"EXISTS something else is there", -EPROTOTYPE},
	{"NOTOWNER this owner does not hold it", -EPERM},
	{"BROKEN the barrier is broken", -ECANCELED},
	{"SHUTDOWN the queue is shut down", -ESHUTDOWN},
	{"NOKEY no such key", -ENOENT},
	{"RANGE index out of range", -ERANGE},
	{"VALUE parties must be > 0", -EINVAL},
	{"OOM command not allowed when used memory > 'maxmemory'.", -ENOSPC},
	{"MISCONF Errors writing to the AOF file: ENOSPC", -ENOSPC},
	{"NOAUTH Authentication required.", -EACCES},
	{"WRONGPASS invalid username-password pair", -EACCES},
	{"NOPERM this user has no permissions", -EACCES},
	{"DENIED this user may not use this manager", -EACCES},
	{"DEADLK x", -EDEADLK},
	{"SESSION the reply is not known any more", -EINPROGRESS},
	{"the reply of this request is not kept", -EINPROGRESS},
	{"OWNERDEAD x", -EOWNERDEAD},
	{"CROSSSLOT Keys in request don't hash to the same slot", -EXDEV},
	{"UNSUPPORTED x", -EOPNOTSUPP},
	{"ERR no such key", -ENOENT},
	{"ERR index out of range", -ERANGE},
	{"ERR hash value is not an integer", -ERANGE},
	{"ERR hash value is not a float", -ERANGE},
	{"ERR value is not an integer or out of range", -ERANGE},
	{"ERR value is out of range, must be positive", -ERANGE},
	{"ERR increment or decrement would overflow", -ERANGE},
	{"ERR string exceeds maximum allowed size", -EMSGSIZE},
	{"ERR syntax error", -EINVAL},
	{"ERR wrong number of arguments for 'get' command", -EINVAL},
	{"ERR invalid password", -EACCES},
	/* what nobody has thought of */
	{"ERR unknown command 'X'", -EBADMSG},
	{"LOADING Redis is loading the dataset in memory", -EBADMSG},
	{"wrongtype in small letters", -EBADMSG},
	{" WRONGTYPE not at the beginning", -EBADMSG},
	{"", -EBADMSG},
};

START_TEST(words_have_their_error)
{
	ck_err(ipk__refusal(ipk__slice_of_string(cases[_i].words)), cases[_i].err);
	ck_assert_str_eq(ipk_manager_error(), cases[_i].words);
	if (cases[_i].err == -EINVAL || cases[_i].err == -EMSGSIZE || cases[_i].err == -EPROTOTYPE)
		ck_assert_ptr_nonnull(strstr(ipk_error_detail(cases[_i].err), "ipk_manager_error"));
}
END_TEST

START_TEST(long_words_are_cut)
{
	char words[1000];

	memset(words, 'x', sizeof words);
	memcpy(words, "NOKEY ", 6);
	ck_err(ipk__refusal(IPK__SLICE(words, sizeof words)), -ENOENT);
	ck_assert_uint_eq(strlen(ipk_manager_error()), 255);
	ck_err(ipk__refusal(IPK__SLICE(words, 255)), -ENOENT);
	ck_assert_uint_eq(strlen(ipk_manager_error()), 255);
	ck_err(ipk__refusal(IPK__SLICE(words, 254)), -ENOENT);
	ck_assert_uint_eq(strlen(ipk_manager_error()), 254);
	words[sizeof words - 1] = '\0';
	ck_err(ipk__manager_fail(-EIO, "%s", words), -EIO);
	ck_assert_uint_eq(strlen(ipk_manager_error()), 255);
	/* Cut within what it is known by: not known. */
	ck_err(ipk__refusal(IPK__SLICE(words, 4)), -EBADMSG);
	ck_err(ipk__refusal(IPK__SLICE(NULL, 0)), -EBADMSG);
	ck_assert_str_eq(ipk_manager_error(), "");
}
END_TEST

static int refusal_of(const char *whole)
{
	struct ipk__response r;
	int refusal;

	ipk__response_init(&r);
	ck_ok(ipk__response_put(&r, ipk__slice_of_string(whole)));
	refusal = ipk__response_refusal(&r);
	ipk__response_fini(&r);
	return refusal;
}

START_TEST(only_errors_are_refusals)
{
	struct ipk__response none;

	ck_err(refusal_of("-NOKEY no\r\n"), -ENOENT);
	ck_err(refusal_of("!8\r\nNOKEY no\r\n"), -ENOENT);
	ck_ok(refusal_of("+NOKEY no\r\n"));
	ck_ok(refusal_of("$8\r\nNOKEY no\r\n"));
	ck_ok(refusal_of("*1\r\n-NOKEY no\r\n")); /* inside something that is none */
	ck_ok(refusal_of("_\r\n"));
	ipk__response_init(&none);
	ck_err(ipk__response_refusal(&none), -EBADMSG);
	ck_assert_str_eq(ipk_manager_error(), "no answer");
}
END_TEST

static void *read_refusal(void *arg)
{
	(void)arg;
	ck_assert_str_eq(ipk_manager_error(), "");
	ck_err(ipk__manager_fail(-EPIPE, "%d of %s", 2, "mine"), -EPIPE);
	ck_assert_str_eq(ipk_manager_error(), "2 of mine");
	return NULL;
}

START_TEST(each_thread_has_its_text)
{
	pthread_t thread;

	ck_err(ipk__manager_fail(-EIO, "of the first"), -EIO);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_refusal, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_str_eq(ipk_manager_error(), "of the first");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("refusal");

	add_loop_test(s, words_have_their_error, 0, (int)(sizeof cases / sizeof cases[0]));
	add_test(s, long_words_are_cut);
	add_test(s, only_errors_are_refusals);
	add_test(s, each_thread_has_its_text);
	return s;
}
IPK_TEST_MAIN(suite)
