/* test_queue_pass.c - lib/queue/queue_pass.c: queues that travel over pipes. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/queue/queue_bodies.h"

static void make_pipe(int i, ipk_pipe **ret_a, ipk_pipe **ret_b)
{
	ck_ok(ipk_pipe_create(IPK_PIPE(.flags = i % 2 ? IPK_PIPE_SOCKET : 0), ret_a, ret_b));
}

START_TEST(both_sides_have_the_same_queue)
{
	ipk_queue *q = make_queue(_i / 2, IPK_QUEUE(.max_items = 4)), *other = NULL;
	ipk_pipe *a, *b;
	int fd;

	make_pipe(_i, &a, &b);
	ck_put_number(q, 1);
	ck_ok(ipk_queue_send(q, a, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_queue_recv(b, ipk_in_ms(WAIT_MS), &other));
	ck_put_number(other, 2);
	ck_assert_uint_eq(ipk_queue_len(q), 2);
	ck_get_number(other, (uint32_t)nth_out(kind_of(_i / 2), 0, 2) + 1);
	ck_get_number(q, (uint32_t)nth_out(kind_of(_i / 2), 1, 2) + 1);
	/* What is put here is told there. */
	ck_ok(ipk_queue_fd(other, &fd));
	ck_empty(other);
	ck_put_number(q, 3);
	ck_get_number(other, 3);
	/* It lives as long as one side has it. */
	ipk_queue_close(q);
	ck_put_number(other, 4);
	ck_get_number(other, 4);
	ipk_queue_close(other);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(a_queue_may_be_sent_again)
{
	ipk_queue *q = make_queue(_i / 2, IPK_QUEUE(.max_items = 4)), *b_q = NULL, *c_q = NULL;
	ipk_pipe *a, *b;

	make_pipe(_i, &a, &b);
	ck_ok(ipk_queue_send(q, a, ipk_now()));
	ck_ok(ipk_queue_recv(b, ipk_in_ms(WAIT_MS), &b_q));
	ck_ok(ipk_queue_send(b_q, b, ipk_now()));
	ck_ok(ipk_queue_recv(a, ipk_in_ms(WAIT_MS), &c_q));
	ck_put_number(c_q, 5);
	ck_get_number(q, 5);
	ipk_queue_close(q);
	ipk_queue_close(b_q);
	ipk_queue_close(c_q);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(named_ones_and_mq_are_not_passed)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_pipe *a, *b;

	make_pipe(0, &a, &b);
	ck_err(ipk_queue_send(q, a, ipk_now()), -EOPNOTSUPP);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	drop_queue(q);
}
END_TEST

START_TEST(what_is_no_queue_is_refused)
{
	ipk_queue *q = NULL;
	ipk_pipe *a, *b;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int got = -1;

	make_pipe(_i, &a, &b);
	ck_err(ipk_queue_recv(b, ipk_now(), &q), -ETIMEDOUT);
	ck_err(ipk_queue_recv(b, ipk_now(), NULL), -EINVAL);
	ck_ok(ipk_pipe_send_fd(a, fd, ipk_now()));
	ck_err(ipk_queue_recv(b, ipk_in_ms(WAIT_MS), &q), -EPROTO);
	/* It is still there for who asks for it. */
	ck_ok(ipk_pipe_recv_fd(b, ipk_now(), &got));
	close(got);
	close(fd);
	ipk_pipe_close(a);
	ck_err(ipk_queue_recv(b, ipk_in_ms(WAIT_MS), &q), -EPIPE);
	ck_assert_ptr_null(q);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(null_and_dead_pipes_are_told)
{
	ipk_queue *q = make_queue(0, IPK_QUEUE(.max_items = 4));
	ipk_pipe *a, *b;

	ck_err(ipk_queue_send(q, NULL, ipk_now()), -EBADF);
	ck_err(ipk_queue_recv(NULL, ipk_now(), &q), -EBADF);
	make_pipe(_i, &a, &b);
	ipk_pipe_close(b);
	ck_err(ipk_queue_send(q, a, ipk_now()), -EPIPE);
	ipk_pipe_close(a);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_pass");

	add_loop_test(s, both_sides_have_the_same_queue, 0, 2 * N_KINDS);
	add_loop_test(s, a_queue_may_be_sent_again, 0, 2 * N_KINDS);
	add_loop_test(s, named_ones_and_mq_are_not_passed, N_KINDS, N_MAKES_AND_MQ);
	add_loop_test(s, what_is_no_queue_is_refused, 0, 2);
	add_loop_test(s, null_and_dead_pipes_are_told, 0, 2);
	return s;
}
IPK_TEST_MAIN(suite)
