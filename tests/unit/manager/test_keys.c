/* test_keys.c - lib/manager/keys.c: going on from cursor to cursor, and answers that are no scan. */
#include "manager_in_words.h"

static ipk_manager *m;
static ipk_keys *keys;

static void begin(const char *pattern)
{
	m = manager_in_words();
	ck_ok(ipk_keys_open(m, pattern, &keys));
}

static void end(void)
{
	ipk_keys_close(keys);
	ipk_manager_close(m);
}

static void next_is(const char *expected)
{
	const char *name;
	size_t n;

	ck_ok(ipk_keys_next(keys, ipk_now(), &name, &n));
	ck_assert_uint_eq(n, strlen(expected));
	ck_assert_mem_eq(name, expected, n);
}

static int next(void)
{
	const char *name;
	size_t n;

	return ipk_keys_next(keys, ipk_now(), &name, &n);
}

START_TEST(from_cursor_to_cursor)
{
	begin("job:*");
	answers("*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
	answers("*2\r\n$20\r\n18446744073709551615\r\n*0\r\n"); /* none, but there is more */
	answers("*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n");
	next_is("a");
	asked("SCAN 0 COUNT 100 MATCH job:*");
	next_is("b");
	asked("");
	next_is("c");
	asked("SCAN 17 COUNT 100 MATCH job:*; SCAN 18446744073709551615 COUNT 100 MATCH job:*");
	ck_err(next(), -ENOENT);
	ck_err(next(), -ENOENT);
	asked("");
	end();
}
END_TEST

START_TEST(without_a_pattern)
{
	begin(NULL);
	answers("*2\r\n$1\r\n0\r\n*0\r\n");
	ck_err(next(), -ENOENT);
	asked("SCAN 0 COUNT 100");
	end();
}
END_TEST

/* A failed question is asked again, from where it was. */
START_TEST(an_error_in_between)
{
	begin(NULL);
	answers("*2\r\n$1\r\n5\r\n*1\r\n$1\r\na\r\n");
	answers("-LOADING not yet\r\n");
	answers("*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");
	next_is("a");
	asked("SCAN 0 COUNT 100");
	wire.fails = -EPIPE;
	ck_err(next(), -EPIPE);
	wire.fails = 0;
	asked("SCAN 5 COUNT 100");
	ck_err(next(), -EBADMSG);
	ck_assert_str_eq(ipk_manager_error(), "LOADING not yet");
	end();
}
END_TEST

static const char *const no_scans[] = {
	"+OK\r\n",
	":5\r\n",
	"*0\r\n",
	"*1\r\n$1\r\n0\r\n",
	"*3\r\n$1\r\n0\r\n*0\r\n*0\r\n",
	/* a cursor of 32 digits */
	"*2\r\n$32\r\n00000000000000000000000000000000\r\n*0\r\n",
};

START_TEST(answers_that_are_no_scan)
{
	begin(NULL);
	answers(no_scans[_i]);
	ck_err(next(), -EBADMSG);
	ck_assert_str_eq(ipk_manager_error(), "an answer that is no scan");
	end();
}
END_TEST

START_TEST(wrong_arguments)
{
	const char *name;
	size_t n;

	ck_err(ipk_keys_open(NULL, NULL, &keys), -EBADF);
	ck_err(ipk_keys_next(NULL, ipk_now(), &name, &n), -EBADF);
	ck_assert_ptr_null(ipk_keys_close(NULL));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("keys");

	add_test(s, from_cursor_to_cursor);
	add_test(s, without_a_pattern);
	add_test(s, an_error_in_between);
	add_loop_test(s, answers_that_are_no_scan, 0, (int)(sizeof no_scans / sizeof no_scans[0]));
	add_test(s, wrong_arguments);
	return s;
}
IPK_TEST_MAIN(suite)
