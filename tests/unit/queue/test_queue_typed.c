/* test_queue_typed.c - lib/queue/queue_typed.c: typed values through a queue. */
#include "ipk/pack.h"
#include "unit/queue/queue_bodies.h"

START_TEST(values_come_out_as_they_went_in)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	char *text = NULL;
	int number = 0;

	/* Python's [42, None, 'hello'] */
	ck_ok(ipk_queue_putf(q, ipk_now(), "[i n s]", 42, "hello"));
	ck_ok(ipk_queue_getf(q, ipk_now(), "[i n s]", &number, &text));
	ck_assert_int_eq(number, 42);
	ck_assert_str_eq(text, "hello");
	free(text);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(items_are_plain_packed_messages)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	char buf[MQ_MESSAGE_BYTES];
	const char *text;
	size_t n, len_bytes;
	double d = 0;

	ck_ok(ipk_queue_putf(q, ipk_now(), "{s: d, s: s}", "x", 0.25, "y", "z"));
	ck_ok(ipk_queue_get(q, buf, sizeof buf, ipk_now(), &n));
	ck_assert(ipk_pack_is_typed(buf, n));
	ck_ok(ipk_unpack(buf, n, "{* d * S}", &d, &text, &len_bytes));
	ck_assert(d == 0.25);
	ck_assert_uint_eq(len_bytes, 1);
	drop_queue(q);
}
END_TEST

START_TEST(what_does_not_fit_the_format_stays)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	char *text = (char *)"untouched";
	int number = 7;

	ck_ok(ipk_queue_putf(q, ipk_now(), "[i s]", 42, "hello"));
	ck_err(ipk_queue_getf(q, ipk_now(), "[i]", &number), -EPROTO);
	ck_err(ipk_queue_getf(q, ipk_now(), "[s i]", &text, &number), -EPROTO);
	ck_err(ipk_queue_getf(q, ipk_now(), "[s s]", &text, &text), -EPROTO);
	ck_err(ipk_queue_getf(q, ipk_now(), "[i s", &number, &text), -EINVAL);
	ck_assert_int_eq(number, 7);
	ck_assert_str_eq(text, "untouched");
	ck_assert_uint_eq(ipk_queue_len(q), 1);
	ck_ok(ipk_queue_getf(q, ipk_now(), "[i s]", &number, &text));
	ck_assert_int_eq(number, 42);
	free(text);
	ck_ok(ipk_queue_put(q, "plain", 5, ipk_now()));
	ck_err(ipk_queue_getf(q, ipk_now(), "s", &text), -EPROTO);
	ck_assert_uint_eq(ipk_queue_len(q), 1);
	drop_queue(q);
}
END_TEST

START_TEST(a_number_too_large_stays)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	int64_t large = 0;
	int number = 7;

	ck_ok(ipk_queue_putf(q, ipk_now(), "l", (int64_t)1 << 40));
	ck_err(ipk_queue_getf(q, ipk_now(), "i", &number), -ERANGE);
	ck_ok(ipk_queue_getf(q, ipk_now(), "l", &large));
	ck_assert_int_eq(large, (int64_t)1 << 40);
	drop_queue(q);
}
END_TEST

START_TEST(long_values_work)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 65536));
	char *text = malloc(1 << 20), *got = NULL;

	memset(text, 'x', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	ck_ok(ipk_queue_putf(q, ipk_now(), "s", text));
	ck_ok(ipk_queue_getf(q, ipk_now(), "s", &got));
	ck_assert_str_eq(got, text);
	free(got);
	free(text);
	drop_queue(q);
}
END_TEST

START_TEST(bad_formats_are_told)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	const char *text;
	size_t n;

	ck_err(ipk_queue_putf(q, ipk_now(), "[i", 1), -EINVAL);
	ck_err(ipk_queue_putf(q, ipk_now(), "*"), -EINVAL);
	ck_err(ipk_queue_putf(q, ipk_now(), NULL), -EINVAL);
	ck_empty(q);
	ck_ok(ipk_queue_putf(q, ipk_now(), "s", "x"));
	ck_err(ipk_queue_getf(q, ipk_now(), "S", &text, &n), -EINVAL);
	ck_err(ipk_queue_getf(q, ipk_now(), "y", &text, &n), -EINVAL);
	ck_assert_uint_eq(ipk_queue_len(q), 1);
	drop_queue(q);
}
END_TEST

START_TEST(waiting_and_ends_are_those_of_put_and_get)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 1, .max_message_bytes = 20));
	int number;

	ck_err(ipk_queue_getf(q, ipk_now(), "i", &number), -ETIMEDOUT);
	ck_err(ipk_queue_putf(q, ipk_now(), "s", "longer than twenty bytes"), -EMSGSIZE);
	ck_ok(ipk_queue_putf(q, ipk_now(), "i", 1));
	ck_err(ipk_queue_putf(q, ipk_in_ms(1), "i", 2), -ETIMEDOUT);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_err(ipk_queue_putf(q, ipk_now(), "i", 2), -ESHUTDOWN);
	ck_ok(ipk_queue_getf(q, ipk_now(), "i", &number));
	ck_err(ipk_queue_getf(q, ipk_forever(), "i", &number), -ESHUTDOWN);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_typed");

	add_loop_test(s, values_come_out_as_they_went_in, 0, N_MAKES_AND_MQ);
	add_loop_test(s, items_are_plain_packed_messages, 0, N_MAKES_AND_MQ);
	add_loop_test(s, what_does_not_fit_the_format_stays, 0, N_MAKES);
	add_loop_test(s, a_number_too_large_stays, 0, N_MAKES);
	add_loop_test(s, long_values_work, 0, N_MAKES);
	add_loop_test(s, bad_formats_are_told, 0, N_MAKES_AND_MQ);
	add_loop_test(s, waiting_and_ends_are_those_of_put_and_get, 0, N_MAKES);
	return s;
}
IPK_TEST_MAIN(suite)
