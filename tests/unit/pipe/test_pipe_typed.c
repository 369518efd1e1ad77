/* test_pipe_typed.c - lib/pipe/pipe_typed.c: typed values as messages. */
#include "ipk/pack.h"
#include "unit/pipe/pipe_bodies.h"

START_TEST(values_arrive)
{
	ipk_pipe *a, *b;
	char *text = NULL;
	double d = 0;
	int i = 0;

	make_pipe(_i, 0, 0, &a, &b);
	ck_ok(ipk_pipe_sendf(a, ipk_now(), "[i n s d]", 42, "hello", 0.5));
	ck_ok(ipk_pipe_recvf(b, ipk_now(), "[i n s d]", &i, &text, &d));
	ck_assert_int_eq(i, 42);
	ck_assert_str_eq(text, "hello");
	ck_assert(d == 0.5);
	free(text);
	ck_err(ipk_pipe_recvf(b, ipk_now(), "i", &i), -ETIMEDOUT);
	ipk_pipe_close(a);
	ck_err(ipk_pipe_recvf(b, ipk_now(), "i", &i), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(message_that_does_not_fit_stays)
{
	ipk_pipe *a, *b;
	char *text;
	int i = 7;

	make_pipe(_i, 0, 0, &a, &b);
	ck_ok(ipk_pipe_sendf(a, ipk_now(), "i", 300));
	ck_err(ipk_pipe_recvf(b, ipk_now(), "s", &text), -EPROTO);
	ck_err(ipk_pipe_recvf(b, ipk_now(), "[i]", &i), -EPROTO);
	ck_assert_int_eq(i, 7);
	ck_ok(ipk_pipe_recvf(b, ipk_now(), "i", &i));
	ck_assert_int_eq(i, 300);
	ck_send_text(a, "no typed message");
	ck_err(ipk_pipe_recvf(b, ipk_now(), "s", &text), -EPROTO);
	ck_recv_text(b, "no typed message");
	ck_err(ipk_pipe_sendf(a, ipk_now(), "[i", 1), -EINVAL);
	ck_empty(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* Once it was received, the sender may write where the message lay: the bytes live on. */
START_TEST(bytes_live_until_the_next_receive)
{
	static char body[700], other[1000];
	const void *bytes = NULL;
	ipk_pipe *a, *b;
	size_t n = 0;

	make_pipe(_i, 4096, 0, &a, &b);
	fill(body, sizeof body, 1);
	memset(other, 0xee, sizeof other);
	for (int round = 0; round < 10; round++) {
		ck_ok(ipk_pipe_sendf(a, ipk_now(), "y", body, sizeof body));
		ck_ok(ipk_pipe_recvf(b, ipk_now(), "y", &bytes, &n));
		while (ipk_pipe_send(a, other, sizeof other, ipk_now()) == 0)
			;
		ck_assert_uint_eq(n, sizeof body);
		ck_assert(is_filled(bytes, n, 1));
		while (ipk_pipe_recv(b, other, sizeof other, ipk_now(), NULL) == 0)
			;
	}
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(long_values_arrive)
{
	static char body[300 << 10];
	const void *bytes;
	ipk_pipe *a, *b;
	size_t n;

	make_pipe(_i, 0, 0, &a, &b);
	fill(body, sizeof body, 6);
	for (int round = 0; round < 3; round++) {
		ck_ok(ipk_pipe_sendf(a, ipk_now(), "[y i]", body, sizeof body, round));
		ck_ok(ipk_pipe_recvf(b, ipk_now(), "[y *]", &bytes, &n));
		ck_assert_uint_eq(n, sizeof body);
		ck_assert(is_filled(bytes, n, 6));
	}
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(null_is_refused)
{
	ipk_pipe *a, *b;
	int i;

	ck_err(ipk_pipe_sendf(NULL, ipk_now(), "i", 1), -EBADF);
	ck_err(ipk_pipe_recvf(NULL, ipk_now(), "i", &i), -EBADF);
	make_pipe(_i, 0, IPK_PIPE_ONE_WAY, &a, &b);
	ck_err(ipk_pipe_sendf(a, ipk_now(), "i", 1), -EOPNOTSUPP);
	ck_err(ipk_pipe_recvf(b, ipk_now(), "i", &i), -EOPNOTSUPP);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_typed");

	add_loop_test(s, values_arrive, 0, N_TRANSPORTS);
	add_loop_test(s, message_that_does_not_fit_stays, 0, N_TRANSPORTS);
	add_loop_test(s, bytes_live_until_the_next_receive, 0, N_TRANSPORTS);
	add_loop_test(s, long_values_arrive, 0, N_TRANSPORTS);
	add_loop_test(s, null_is_refused, 0, N_TRANSPORTS);
	return s;
}

IPK_TEST_MAIN(suite)
