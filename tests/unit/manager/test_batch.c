/*
 * test_batch.c - lib/manager/batch.c: what a batch says in words, what it refuses, and its
 * answers one by one.
 */
#include "manager/batch.h"
#include "manager_in_words.h"

static ipk_manager *m;
static ipk_batch *batch;
static ipk_dict *d;
static ipk_list *l;

static void begin(void)
{
	m = manager_in_words();
	ck_ok(ipk_batch_create(m, &batch));
	ck_ok(ipk_dict_open(m, "dict", &d));
	ck_ok(ipk_list_open(m, "list", &l));
}

static void end(void)
{
	ipk_list_close(l);
	ipk_dict_close(d);
	ipk_batch_close(batch);
	ipk_manager_close(m);
}

static const ipk_bytes f = {"f", 1};

START_TEST(calls_in_their_order)
{
	const void *data;
	size_t n;
	int64_t number;

	begin();
	ck_ok(ipk_batch_dict_set(batch, d, f, "value", 5));
	ck_ok(ipk_batch_dict_get(batch, d, f));
	ck_ok(ipk_batch_dict_add(batch, d, f, -3));
	ck_ok(ipk_batch_dict_delete(batch, d, f));
	ck_ok(ipk_batch_list_append(batch, l, "", 0));
	ck_ok(ipk_batch_list_get(batch, l, -1));
	ck_ok(ipk_batch_list_set(batch, l, 2, "x", 1));
	ck_assert_uint_eq(ipk_batch_len(batch), 7);
	ck_assert_str_eq(wire.words, ""); /* not before it is run */

	answers(":1\r\n");
	answers("$5\r\nvalue\r\n");
	answers(":-3\r\n");
	answers(":0\r\n");
	answers(":1\r\n");
	answers("_\r\n");
	answers("-ERR index out of range\r\n");
	ck_ok(ipk_batch_run(batch, ipk_now()));
	asked("HSET dict f value; HGET dict f; HINCRBY dict f -3; HDEL dict f; RPUSH list ; "
	      "LINDEX list -1; LSET list 2 x");

	ck_ok(ipk_batch_error(batch, 0));
	ck_ok(ipk_batch_data(batch, 1, &data, &n));
	ck_assert_uint_eq(n, 5);
	ck_assert_mem_eq(data, "value", 5);
	ck_ok(ipk_batch_int(batch, 2, &number));
	ck_assert_int_eq(number, -3);
	ck_err(ipk_batch_error(batch, 3), -ENOENT); /* nothing was deleted */
	ck_ok(ipk_batch_error(batch, 4));
	ck_err(ipk_batch_error(batch, 5), -ERANGE); /* null, of a list */
	ck_err(ipk_batch_data(batch, 5, &data, &n), -ERANGE);
	ck_err(ipk_batch_error(batch, 6), -ERANGE);
	ck_err(ipk_batch_error(batch, 7), -ERANGE); /* there are seven */
	ck_err(ipk_batch_data(batch, 0, &data, &n), -EPROTO);
	end();
}
END_TEST

START_TEST(null_of_a_dict_is_no_field)
{
	const void *data;
	size_t n;

	begin();
	ck_ok(ipk_batch_dict_get(batch, d, f));
	answers("_\r\n");
	ck_ok(ipk_batch_run(batch, ipk_now()));
	ck_err(ipk_batch_error(batch, 0), -ENOENT);
	ck_err(ipk_batch_data(batch, 0, &data, &n), -ENOENT);
	end();
}
END_TEST

/* More than there was room for at first, and each word where it belongs. */
START_TEST(many_calls)
{
	static char expected[4096];
	char value[16];

	begin();
	for (int i = 0; i < 30; i++) {
		snprintf(value, sizeof value, "value-%d", i);
		ck_ok(ipk_batch_list_append(batch, l, value, strlen(value)));
		sprintf(expected + strlen(expected), "%sRPUSH list %s", i > 0 ? "; " : "", value);
		answers(":1\r\n");
	}
	ck_ok(ipk_batch_run(batch, ipk_now()));
	asked(expected);
	end();
}
END_TEST

START_TEST(words_are_copied)
{
	char value[] = "before";

	begin();
	ck_ok(ipk_batch_list_append(batch, l, value, 6));
	memcpy(value, "after!", 6);
	answers(":1\r\n");
	ck_ok(ipk_batch_run(batch, ipk_now()));
	asked("RPUSH list before");
	end();
}
END_TEST

START_TEST(any_command)
{
	const ipk_bytes words[] = {{"ECHO", 4}, {"a", 1}};
	const ipk_bytes waits[] = {{"BLPOP", 5}, {"a", 1}, {"0", 1}};
	const ipk_bytes empty[] = {{"", 0}};

	begin();
	ck_ok(ipk_batch_command(batch, words, 2));
	ck_err(ipk_batch_command(batch, waits, 3), -EINVAL);
	ck_err(ipk_batch_command(batch, words, 0), -EINVAL);
	ck_err(ipk_batch_command(batch, NULL, 2), -EINVAL);
	ck_err(ipk_batch_command(batch, empty, 1), -EINVAL);
	ck_err(ipk_batch_command(NULL, words, 2), -EBADF);
	answers("$1\r\na\r\n");
	ck_ok(ipk_batch_run(batch, ipk_now()));
	asked("ECHO a");
	end();
}
END_TEST

START_TEST(wrong_arguments_add_nothing)
{
	ipk_manager *other = manager_in_words();
	ipk_dict *theirs;

	begin();
	ck_ok(ipk_dict_open(other, "dict", &theirs));
	ck_err(ipk_batch_create(NULL, &batch), -EBADF);
	ck_err(ipk_batch_dict_get(batch, NULL, f), -EBADF);
	ck_err(ipk_batch_dict_get(NULL, d, f), -EBADF);
	ck_err(ipk_batch_dict_get(batch, theirs, f), -EINVAL); /* of another connection */
	ck_err(ipk_batch_dict_get(batch, d, (ipk_bytes){NULL, 1}), -EINVAL);
	ck_err(ipk_batch_dict_set(batch, d, f, NULL, 1), -EINVAL);
	ck_err(ipk_batch_list_append(batch, l, "x", (size_t)1 << 40), -EINVAL);
	ck_err(ipk_batch_run(NULL, ipk_now()), -EBADF);
	ck_assert_uint_eq(ipk_batch_len(batch), 0);
	ck_assert_uint_eq(ipk_batch_len(NULL), 0);
	ck_ok(ipk_batch_run(batch, ipk_now())); /* an empty one asks nobody */
	asked("");
	ipk_dict_close(theirs);
	ipk_manager_close(other);
	end();
}
END_TEST

/* Answers before it ran, and after it ran in vain: none. Then it may be run again. */
START_TEST(one_that_failed_is_still_there)
{
	begin();
	ck_ok(ipk_batch_list_append(batch, l, "x", 1));
	ck_err(ipk_batch_error(batch, 0), -ERANGE);
	wire.fails = -EPIPE;
	ck_err(ipk_batch_run(batch, ipk_now()), -EPIPE);
	asked("RPUSH list x");
	ck_err(ipk_batch_error(batch, 0), -ERANGE);
	ck_assert_uint_eq(ipk_batch_len(batch), 1);
	wire.fails = 0;
	answers(":1\r\n");
	ck_ok(ipk_batch_run(batch, ipk_now()));
	asked("RPUSH list x");
	ck_ok(ipk_batch_error(batch, 0));
	/* One that ran begins anew with the next call. */
	ck_assert_uint_eq(ipk_batch_len(batch), 0);
	ck_ok(ipk_batch_list_append(batch, l, "y", 1));
	ck_assert_uint_eq(ipk_batch_len(batch), 1);
	answers(":2\r\n");
	ck_ok(ipk_batch_run(batch, ipk_now()));
	asked("RPUSH list y");
	end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("batch");

	add_test(s, calls_in_their_order);
	add_test(s, null_of_a_dict_is_no_field);
	add_test(s, many_calls);
	add_test(s, words_are_copied);
	add_test(s, any_command);
	add_test(s, wrong_arguments_add_nothing);
	add_test(s, one_that_failed_is_still_there);
	return s;
}
IPK_TEST_MAIN(suite)
