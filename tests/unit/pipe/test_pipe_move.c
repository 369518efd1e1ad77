/* test_pipe_move.c - lib/pipe/pipe_move.c: an end of a pipe is sent over another one. */
#include <unistd.h>

#include "unit/pipe/pipe_bodies.h"

struct two {
	ipk_pipe *a, *b; /* over this */
	ipk_pipe *c, *d; /* goes an end of this */
	int n_fds;       /* before */
};

static void make_two(struct two *t, int i)
{
	t->n_fds = count_fds();
	make_pipe(i, 0, 0, &t->a, &t->b);
	make_pipe(i / N_TRANSPORTS, 0, 0, &t->c, &t->d);
}

static void drop_two(struct two *t)
{
	ipk_pipe_close(t->a);
	ipk_pipe_close(t->b);
	ipk_pipe_close(t->c);
	ipk_pipe_close(t->d);
	ck_assert_int_eq(count_fds(), t->n_fds);
}

START_TEST(an_end_takes_along_what_it_has_not_received)
{
	ipk_pipe *e = NULL;
	struct two t;

	make_two(&t, _i);
	ck_send_text(t.d, "before");
	ck_send_text(t.c, "from the first owner");
	ck_ok(ipk_pipe_send_pipe(t.a, &t.c, ipk_now()));
	ck_assert_ptr_null(t.c);
	ck_send_text(t.d, "under way");
	ck_ok(ipk_pipe_recv_pipe(t.b, ipk_in_ms(WAIT_MS), &e));
	ck_recv_text(e, "before");
	ck_recv_text(e, "under way");
	ck_recv_text(t.d, "from the first owner");
	ck_send_text(e, "from the second");
	ck_recv_text(t.d, "from the second");
	ipk_pipe_close(e);
	ck_err(ipk_pipe_poll(t.d, ipk_in_ms(WAIT_MS)), -EPIPE);
	drop_two(&t);
}
END_TEST

/* Both ends, and over the pipe that came over a pipe. */
START_TEST(ends_go_on_and_on)
{
	ipk_pipe *e = NULL, *f = NULL;
	struct two t;

	make_two(&t, _i);
	for (int i = 0; i < 50; i++) {
		ipk_pipe *from = i % 2 ? t.b : t.a, *to = i % 2 ? t.a : t.b;

		ck_ok(ipk_pipe_send_pipe(from, &t.c, ipk_now()));
		ck_ok(ipk_pipe_send_pipe(from, &t.d, ipk_now()));
		ck_ok(ipk_pipe_recv_pipe(to, ipk_in_ms(WAIT_MS), &e));
		ck_ok(ipk_pipe_recv_pipe(to, ipk_in_ms(WAIT_MS), &f));
		ck_send_text(e, "there");
		ck_recv_text(f, "there");
		t.c = e;
		t.d = f;
	}
	ck_ok(ipk_pipe_send_pipe(t.c, &t.a, ipk_now()));
	ck_ok(ipk_pipe_recv_pipe(t.d, ipk_in_ms(WAIT_MS), &t.a));
	ck_send_text(t.a, "over the other");
	ck_recv_text(t.b, "over the other");
	drop_two(&t);
}
END_TEST

START_TEST(one_way_ends_stay_what_they_are)
{
	ipk_pipe *a, *b, *receives, *sends, *e = NULL;

	make_pipe(0, 0, 0, &a, &b);
	make_pipe(_i, 0, IPK_PIPE_ONE_WAY, &receives, &sends);
	ck_send_text(sends, "one way");
	ck_ok(ipk_pipe_send_pipe(a, &receives, ipk_now()));
	ck_ok(ipk_pipe_recv_pipe(b, ipk_in_ms(WAIT_MS), &e));
	ck_recv_text(e, "one way");
	ck_err(ipk_pipe_send(e, "", 0, ipk_now()), -EOPNOTSUPP);
	ck_ok(ipk_pipe_send_pipe(a, &sends, ipk_now()));
	ck_ok(ipk_pipe_recv_pipe(b, ipk_in_ms(WAIT_MS), &sends));
	ck_err(ipk_pipe_poll(sends, ipk_now()), -EOPNOTSUPP);
	ck_send_text(sends, "still");
	ck_recv_text(e, "still");
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	ipk_pipe_close(e);
	ipk_pipe_close(sends);
}
END_TEST

START_TEST(one_under_way_goes_with_the_pipe)
{
	struct two t;

	make_two(&t, _i);
	ck_ok(ipk_pipe_send_pipe(t.a, &t.c, ipk_now()));
	ck_err(ipk_pipe_poll(t.d, ipk_now()), -ETIMEDOUT);
	t.a = ipk_pipe_close(t.a);
	t.b = ipk_pipe_close(t.b);
	ck_err(ipk_pipe_poll(t.d, ipk_in_ms(WAIT_MS)), -EPIPE);
	drop_two(&t);
}
END_TEST

START_TEST(an_end_that_is_not_sent_stays)
{
	ipk_pipe *none = NULL, *c;
	struct two t;
	const void *data;
	size_t n;

	make_two(&t, _i);
	c = t.c;
	ck_send_text(t.d, "first");
	ck_ok(ipk_pipe_peek(t.c, ipk_in_ms(WAIT_MS), &data, &n));
	ck_err(ipk_pipe_send_pipe(t.a, &t.c, ipk_now()), -EBUSY);
	ck_ok(ipk_pipe_release(t.c));
	ck_err(ipk_pipe_send_pipe(t.a, &t.a, ipk_now()), -EINVAL);
	ck_err(ipk_pipe_send_pipe(t.a, NULL, ipk_now()), -EINVAL);
	ck_err(ipk_pipe_send_pipe(t.a, &none, ipk_now()), -EBADF);
	ck_err(ipk_pipe_send_pipe(NULL, &t.c, ipk_now()), -EBADF);
	t.b = ipk_pipe_close(t.b);
	ck_err(ipk_pipe_send_pipe(t.a, &t.c, ipk_now()), -EPIPE);
	ck_assert_ptr_eq(t.c, c);
	ck_send_text(t.d, "second");
	ck_recv_text(t.c, "second");
	drop_two(&t);
}
END_TEST

START_TEST(nothing_comes_but_ends)
{
	ipk_pipe *e = NULL;
	struct two t;
	int fd = -1;

	make_two(&t, _i);
	ck_err(ipk_pipe_recv_pipe(t.b, ipk_now(), &e), -ETIMEDOUT);
	ck_err(ipk_pipe_recv_pipe(t.b, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_pipe_recv_pipe(NULL, ipk_now(), &e), -EBADF);
	ck_ok(ipk_pipe_send_fd(t.a, 0, ipk_now()));
	ck_err(ipk_pipe_recv_pipe(t.b, ipk_in_ms(WAIT_MS), &e), -EPROTO);
	ck_ok(ipk_pipe_recv_fd(t.b, ipk_in_ms(WAIT_MS), &fd));
	close(fd);
	ck_ok(ipk_pipe_send_pipe(t.a, &t.c, ipk_now()));
	ck_err(ipk_pipe_recv_fd(t.b, ipk_in_ms(WAIT_MS), &fd), -EPROTO);
	ck_ok(ipk_pipe_recv_pipe(t.b, ipk_in_ms(WAIT_MS), &e));
	t.a = ipk_pipe_close(t.a);
	t.c = e;
	e = NULL;
	ck_err(ipk_pipe_recv_pipe(t.b, ipk_in_ms(WAIT_MS), &e), -EPIPE);
	ck_assert_ptr_null(e);
	drop_two(&t);
}
END_TEST

START_TEST(a_full_socket_blocks_until_the_deadline)
{
	struct two t;
	int r;

	make_two(&t, _i);
	do
		r = ipk_pipe_send_fd(t.a, 0, ipk_now());
	while (r == 0);
	ck_err(r, -ETIMEDOUT);
	ck_err(ipk_pipe_send_pipe(t.a, &t.c, ipk_in_ms(20)), -ETIMEDOUT);
	ck_send_text(t.c, "not gone");
	ck_recv_text(t.d, "not gone");
	drop_two(&t);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_move");

	/* over a ring or a socket, an end of a ring or a socket */
	add_loop_test(s, an_end_takes_along_what_it_has_not_received, 0, 4);
	add_loop_test(s, ends_go_on_and_on, 0, 4);
	add_loop_test(s, one_way_ends_stay_what_they_are, 0, 2);
	add_loop_test(s, one_under_way_goes_with_the_pipe, 0, 4);
	add_loop_test(s, an_end_that_is_not_sent_stays, 0, 4);
	add_loop_test(s, nothing_comes_but_ends, 0, 4);
	add_loop_test(s, a_full_socket_blocks_until_the_deadline, 0, 4);
	return s;
}
IPK_TEST_MAIN(suite)
