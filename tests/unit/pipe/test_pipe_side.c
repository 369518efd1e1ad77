/* test_pipe_side.c - lib/pipe/pipe_side.c: file descriptors beside messages. */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "unit/pipe/pipe_bodies.h"

static int make_file(int number)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, &number, sizeof number, 0), (ssize_t)sizeof number);
	return fd;
}

static void ck_file(int fd, int number)
{
	int got = -1;

	ck_assert_int_eq(pread(fd, &got, sizeof got, 0), (ssize_t)sizeof got);
	ck_assert_int_eq(got, number);
}

static void send_file(ipk_pipe *p, int number)
{
	int fd = make_file(number);

	ck_ok(ipk_pipe_send_fd(p, fd, ipk_now()));
	close(fd);
}

static void ck_recv_file(ipk_pipe *p, int number)
{
	int fd = -1;

	ck_ok(ipk_pipe_recv_fd(p, ipk_in_ms(WAIT_MS), &fd));
	ck_file(fd, number);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

START_TEST(fds_arrive_in_order)
{
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	for (int i = 0; i < 100; i++)
		send_file(a, i);
	for (int i = 0; i < 100; i++) {
		send_file(b, -i);
		ck_recv_file(b, i);
		ck_recv_file(a, -i);
	}
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(fds_go_both_ways_on_a_one_way_pipe)
{
	ipk_pipe *a, *b;

	make_pipe(_i, 0, IPK_PIPE_ONE_WAY, &a, &b);
	send_file(a, 1);
	send_file(b, 2);
	ck_recv_file(b, 1);
	ck_recv_file(a, 2);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(fds_and_messages_do_not_mix)
{
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	for (int i = 0; i < 50; i++) {
		send_file(a, i);
		ck_ok(ipk_pipe_send(a, &i, sizeof i, ipk_now()));
	}
	for (int i = 0, got; i < 50; i++) {
		ck_ok(ipk_pipe_recv(b, &got, sizeof got, ipk_now(), NULL));
		ck_assert_int_eq(got, i);
	}
	ck_empty(b);
	for (int i = 0; i < 50; i++)
		ck_recv_file(b, i);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(bad_fd_sends_nothing)
{
	int fd = 77, gone = make_file(0);
	ipk_pipe *a, *b;

	close(gone);
	make_pipe(_i, 0, 0, &a, &b);
	ck_err(ipk_pipe_send_fd(a, -1, ipk_now()), -EBADF);
	ck_err(ipk_pipe_send_fd(a, 1 << 20, ipk_now()), -EBADF);
	ck_err(ipk_pipe_recv_fd(b, ipk_now(), &fd), -ETIMEDOUT);
	ck_err(ipk_pipe_recv_fd(b, ipk_in_ms(5), &fd), -ETIMEDOUT);
	ck_assert_int_eq(fd, 77);
	send_file(a, 5);
	/* It stays where it is when there is no place for it. */
	ck_err(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), NULL), -EINVAL);
	ck_recv_file(b, 5);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(fds_sent_before_the_end_are_received)
{
	ipk_pipe *a, *b;
	int fd = 77;

	make_pipe(_i, 0, 0, &a, &b);
	send_file(b, 0); /* stays unread: the kernel resets the connection then */
	send_file(a, 1);
	send_file(a, 2);
	ipk_pipe_close(a);
	ck_recv_file(b, 1);
	ck_recv_file(b, 2);
	ck_err(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd), -EPIPE);
	ck_err(ipk_pipe_send_fd(b, 0, ipk_in_ms(WAIT_MS)), -EPIPE);
	ck_assert_int_eq(fd, 77);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(fds_under_way_are_closed_with_the_pipe)
{
	struct pollfd p = {.events = POLLIN};
	ipk_pipe *a, *b;
	int fds[2];

	make_pipe(_i, 0, 0, &a, &b);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_ok(ipk_pipe_send_fd(a, fds[1], ipk_now()));
	close(fds[1]);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	/* The write end was under way only: the read end sees its end. */
	p.fd = fds[0];
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert(p.revents & POLLHUP);
	close(fds[0]);
}
END_TEST

/* Room for fds runs out: the sender waits, gives up in time, and goes on later. */
START_TEST(full_socket_blocks_until_the_deadline)
{
	int n_sent = 0, fd = make_file(0), r;
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	while (n_sent < 100000 && (r = ipk_pipe_send_fd(a, fd, ipk_now())) == 0)
		n_sent++;
	ck_assert(r == -ETIMEDOUT || r == -ETOOMANYREFS);
	r = ipk_pipe_send_fd(a, fd, ipk_in_ms(5));
	ck_assert(r == -ETIMEDOUT || r == -ETOOMANYREFS);
	for (int i = 0; i < n_sent; i++)
		ck_recv_file(b, 0);
	ck_ok(ipk_pipe_send_fd(a, fd, ipk_now()));
	ck_recv_file(b, 0);
	close(fd);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(no_fd_free_here)
{
	struct rlimit was, limit;
	ipk_pipe *a, *b;
	int fd = 77, r;

	make_pipe(_i, 0, 0, &a, &b);
	send_file(a, 1);
	send_file(a, 2);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	r = ipk_pipe_recv_fd(b, ipk_now(), &fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_err(r, -EMFILE);
	ck_assert_int_eq(fd, 77);
	/* Whether the first was lost or stays is the header's word; the second is there. */
	ck_ok(ipk_pipe_recv_fd(b, ipk_now(), &fd));
	close(fd);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* --- what does not belong there --------------------------------------------------------------- */

START_TEST(several_fds_at_once_are_refused)
{
	int fds[IPK__OS_FDS_MAX], fd = 77;
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	for (int i = 0; i < IPK__OS_FDS_MAX; i++)
		fds[i] = make_file(i);
	ck_ok(ipk__pipe_pass(a, IPK__SIDE_FD, fds, IPK__OS_FDS_MAX, ipk_now()));
	ck_ok(ipk__pipe_pass(a, IPK__SIDE_FD, NULL, 0, ipk_now()));
	for (int i = 0; i < IPK__OS_FDS_MAX; i++)
		close(fds[i]);
	send_file(a, 9);
	ck_err(ipk_pipe_recv_fd(b, ipk_now(), &fd), -EPROTO);
	ck_err(ipk_pipe_recv_fd(b, ipk_now(), &fd), -EPROTO);
	ck_assert_int_eq(fd, 77);
	ck_recv_file(b, 9);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(packet_of_another_type_stays)
{
	int fds[IPK__OS_FDS_MAX], fd = make_file(3);
	ipk_pipe *a, *b;
	size_t n_fds;

	make_pipe(_i, 0, 0, &a, &b);
	ck_ok(ipk__pipe_pass(a, IPK__SIDE_QUEUE, &fd, 1, ipk_now()));
	close(fd);
	ck_err(ipk_pipe_recv_fd(b, ipk_now(), &fd), -EPROTO);
	ck_err(ipk_pipe_recv_fd(b, ipk_now(), &fd), -EPROTO);
	ck_ok(ipk__pipe_take(b, IPK__SIDE_QUEUE, ipk_now(), fds, &n_fds));
	ck_assert_uint_eq(n_fds, 1);
	ck_file(fds[0], 3);
	close(fds[0]);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(junk_is_refused)
{
	struct ipk__side_packet packet;
	static const char junk[4096];
	ipk_pipe *a, *b;
	int fd;

	make_pipe(_i, 0, 0, &a, &b);
	ipk__side_packet_init(&packet, IPK__SIDE_FD);
	if (_i / N_TRANSPORTS == 0)
		ck_assert_int_eq(send(a->side_fd, junk, sizeof junk, 0), (ssize_t)sizeof junk);
	else if (_i / N_TRANSPORTS == 1)
		ck_assert_int_eq(send(a->side_fd, &packet, sizeof packet - 1, 0),
				 (ssize_t)sizeof packet - 1);
	else if (_i / N_TRANSPORTS == 2)
		ck_assert_int_eq(send(a->side_fd, junk, sizeof packet, 0), (ssize_t)sizeof packet);
	else
		ck_assert_int_eq(send(a->side_fd, "x", 1, 0), 1);
	ck_err(ipk_pipe_recv_fd(b, ipk_now(), &fd), -EPROTO);
	ck_send_text(a, "messages go on");
	ck_recv_text(b, "messages go on");
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_side");

	add_loop_test(s, fds_arrive_in_order, 0, N_TRANSPORTS);
	add_loop_test(s, fds_go_both_ways_on_a_one_way_pipe, 0, N_TRANSPORTS);
	add_loop_test(s, fds_and_messages_do_not_mix, 0, N_TRANSPORTS);
	add_loop_test(s, bad_fd_sends_nothing, 0, N_TRANSPORTS);
	add_loop_test(s, fds_sent_before_the_end_are_received, 0, N_TRANSPORTS);
	add_loop_test(s, fds_under_way_are_closed_with_the_pipe, 0, N_TRANSPORTS);
	add_loop_test(s, full_socket_blocks_until_the_deadline, 0, N_TRANSPORTS);
	add_loop_test(s, no_fd_free_here, 0, N_TRANSPORTS);
	add_loop_test(s, several_fds_at_once_are_refused, 0, N_TRANSPORTS);
	add_loop_test(s, packet_of_another_type_stays, 0, N_TRANSPORTS);
	add_loop_test(s, junk_is_refused, 0, 4 * N_TRANSPORTS);
	return s;
}

IPK_TEST_MAIN(suite)
