/*
 * test_hostile_pipe.c - the peer of a pipe sends what no ipk sender sends, connects and sends
 * nothing, or passes the wrong fds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "support/support.h"

enum { FIRST = 2, MORE = 3 }; /* types of records in pipe_ring.c */

struct flood {
	ipk_pipe *p;
	uint32_t type;
};

/* Records of one type without end: a message that begins again and again, or pieces of none. */
static int send_without_end(void *arg)
{
	const struct flood *flood = arg;
	const struct ipk__ring *ring = &flood->p->tx.ring;
	const uint64_t total = 1 << 20;

	for (;;) {
		uint64_t tail = ipk__ring_tail(ring);

		if (!ipk__channel_has_room(&flood->p->tx, 2))
			continue;
		tail = ipk__ring_write(ring, tail, flood->type, &total, sizeof total, 0);
		ipk__ring_publish(ring, tail);
	}
	return 0;
}

static void receive_within_the_deadline(uint32_t type, ipk_deadline deadline)
{
	ipk_pipe *a, *b;
	struct flood flood = {.type = type};
	char bytes[64];
	pid_t pid;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	flood.p = b;
	pid = spawn(send_without_end, &flood);
	ck_err(ipk_pipe_recv(a, bytes, sizeof bytes, deadline, NULL), -ETIMEDOUT);
	kill_and_reap(pid);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}

START_TEST(pieces_without_end_end_at_the_deadline)
{
	receive_within_the_deadline(_i ? FIRST : MORE, ipk_in_ms(200));
	receive_within_the_deadline(_i ? FIRST : MORE, ipk_now());
}
END_TEST

/* --- callers ---------------------------------------------------------------------------------- */

enum { N_MUTE = 60, DEADLINE_MS = 2000 }; /* a moment for each would be too long */

static int call(void *arg)
{
	ipk_pipe *p;

	if (ipk_pipe_connect(arg, ipk_in_ms(WAIT_MS), &p) < 0)
		return 1;
	ipk_pipe_close(p);
	return 0;
}

START_TEST(mute_callers_are_in_nobodys_way)
{
	char dir[] = "/tmp/ipk-test-XXXXXX";
	ipk_listener *l;
	int mute[N_MUTE];
	char path[64];
	ipk_pipe *p;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
	ck_ok(ipk_listener_create(path, NULL, &l));
	for (int i = 0; i < N_MUTE; i++)
		ck_ok(ipk__os_connect(path, &mute[i]));
	pid = spawn(call, path);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(DEADLINE_MS), &p));
	reap_ok(pid);
	ipk_pipe_close(p);
	for (int i = 0; i < N_MUTE; i++)
		ipk__os_close(mute[i]);
	ipk_listener_close(l);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* Whoever shares its fd, as a fork child does, may clear the flags. */
START_TEST(a_listener_does_not_wait_by_itself)
{
	char dir[] = "/tmp/ipk-test-XXXXXX";
	ipk_listener *l;
	char path[64];
	ipk_pipe *p;
	pid_t pid;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
	ck_ok(ipk_listener_create(path, NULL, &l));
	ck_ok(ipk_listener_fd(l, &fd));
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	ck_err(ipk_listener_accept(l, ipk_in_ms(20), &p), -ETIMEDOUT);
	ck_err(ipk_listener_accept(l, ipk_now(), &p), -ETIMEDOUT);
	pid = spawn(call, path);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	reap_ok(pid);
	ipk_pipe_close(p);
	ipk_listener_close(l);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* A message with about as many fds as can be sent (musl takes less of them than the kernel). */
START_TEST(too_many_fds_are_a_fault_of_their_sender)
{
	enum { N_FDS = 200 };
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * N_FDS)];
	} control = {{0}};
	struct ipk__side_packet packet;
	struct iovec part = {&packet, sizeof packet};
	struct msghdr msg = {.msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof control};
	ipk_pipe *a, *b;
	int fd = -1;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ipk__side_packet_init(&packet, IPK__SIDE_FD);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int) * N_FDS);
	memset(CMSG_DATA(&control.head), 0, sizeof(int) * N_FDS); /* our stdin, many times */
	ck_assert_int_gt(sendmsg(a->side_fd, &msg, 0), 0);
	ck_err(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd), -EPROTO);
	ck_ok(ipk_pipe_send_fd(a, 0, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd));
	ipk__os_close(fd);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* --- what an end is made of ------------------------------------------------------------------- */

START_TEST(parts_are_checked_for_what_they_are)
{
	struct ipk__pipe_parts parts = IPK__PIPE_NO_PARTS;
	int side_fds[2];
	int foreign = eventfd(0, EFD_CLOEXEC);

	ck_ok(ipk__os_socketpair(side_fds));
	ck_ok(ipk__os_doorbell_open(&parts.doorbell_fds[0]));
	ck_ok(ipk__pipe_parts_check(&parts, side_fds[0]));
	ck_err(ipk__pipe_parts_check(&parts, foreign), -EPROTO);
	ck_err(ipk__pipe_parts_check(&parts, parts.doorbell_fds[0]), -EPROTO);
	ck_ok(ipk__os_dup(foreign, &parts.doorbell_fds[1]));
	ck_err(ipk__pipe_parts_check(&parts, side_fds[0]), -EPROTO);
	parts.data_fds[0] = parts.doorbell_fds[1];
	parts.doorbell_fds[1] = -1;
	ck_err(ipk__pipe_parts_check(&parts, side_fds[0]), -EPROTO);
	ipk__pipe_parts_close(&parts);
	ipk__os_close(foreign);
	ipk__os_close(side_fds[0]);
	ipk__os_close(side_fds[1]);
}
END_TEST

/* What says that it is an end, but is made of something else. */
START_TEST(an_end_is_checked_for_what_it_is)
{
	enum { N_WRONG = 9 };
	const int good_n = 4;
	ipk_pipe *a, *b, *c, *d, *end = NULL;
	int n_fds, foreign = eventfd(0, EFD_CLOEXEC);

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_ok(ipk_pipe_create(NULL, &c, &d));
	n_fds = count_fds();
	for (int wrong = 0; wrong < N_WRONG; wrong++) {
		int fds[4] = {c->side_fd, c->segment.fd, c->tx.doorbell_fd, c->rx.doorbell_fd};
		struct ipk__side_packet packet;
		int n = good_n, r;

		ipk__side_packet_init(&packet, IPK__SIDE_END);
		packet.max_message_bytes = IPK_MESSAGE_MAX_BYTES;
		if (wrong < good_n)
			fds[wrong] = foreign;
		else if (wrong == 4)
			packet.offset = 2;
		else if (wrong == 5)
			packet.flags = 1u << 20;
		else if (wrong == 6)
			packet.max_message_bytes = (uint64_t)IPK_MESSAGE_MAX_BYTES + 1;
		else if (wrong == 7)
			packet.flags = IPK_PIPE_SOCKET;
		else
			n = 1;
		ck_ok(ipk__side_send(a->side_fd, &packet, fds, (size_t)n, ipk_in_ms(WAIT_MS)));
		r = ipk_pipe_recv_pipe(b, ipk_in_ms(WAIT_MS), &end);
		ck_assert_msg(r < 0, "wrong thing %d was taken", wrong);
		ck_assert_ptr_null(end);
		ck_assert_int_eq(count_fds(), n_fds);
	}
	/* And the next one is fine. */
	ck_ok(ipk_pipe_send_pipe(a, &c, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pipe_recv_pipe(b, ipk_in_ms(WAIT_MS), &end));
	ck_ok(ipk_pipe_send(end, "x", 1, ipk_now()));
	ck_ok(ipk_pipe_recv(d, &(char){0}, 1, ipk_in_ms(WAIT_MS), NULL));
	ipk__os_close(foreign);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	ipk_pipe_close(d);
	ipk_pipe_close(end);
}
END_TEST

/* The ends are told apart from the end of file, and do not stay in the way. */
START_TEST(packets_of_no_use_are_taken_out_of_the_way)
{
	ipk_pipe *a, *b;
	int fd = -1;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_assert_int_eq(send(a->side_fd, "", 0, 0), 0);
	ck_assert_int_eq(send(a->side_fd, "x", 1, 0), 1);
	ck_ok(ipk_pipe_send_fd(a, 0, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd), -EPROTO);
	ck_err(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd), -EPROTO);
	ck_ok(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd));
	ipk__os_close(fd);
	/* One that is of another kind stays, for the call that takes it. */
	ck_ok(ipk_pipe_send_fd(a, 0, ipk_in_ms(WAIT_MS)));
	ck_err(ipk__pipe_take_object(b, ipk_in_ms(WAIT_MS), &fd, &(uint64_t){0}), -EPROTO);
	ck_ok(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd));
	ipk__os_close(fd);
	ipk_pipe_close(a);
	ck_err(ipk_pipe_recv_fd(b, ipk_in_ms(WAIT_MS), &fd), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(an_empty_packet_is_no_end_of_file)
{
	ipk_pipe *a, *b;
	char buf[8];
	size_t n;

	ck_ok(ipk_pipe_create(IPK_PIPE(.flags = IPK_PIPE_SOCKET), &a, &b));
	ck_assert_int_eq(send(a->data_fd, "", 0, 0), 0);
	ck_err(ipk_pipe_recv(b, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n), -EPROTO);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("hostile_pipe");

	add_loop_test(s, pieces_without_end_end_at_the_deadline, 0, 2);
	add_test(s, mute_callers_are_in_nobodys_way);
	add_test(s, a_listener_does_not_wait_by_itself);
	add_test(s, too_many_fds_are_a_fault_of_their_sender);
	add_test(s, packets_of_no_use_are_taken_out_of_the_way);
	add_test(s, an_empty_packet_is_no_end_of_file);
	add_test(s, parts_are_checked_for_what_they_are);
	add_test(s, an_end_is_checked_for_what_it_is);
	return s;
}
IPK_TEST_MAIN(suite)
