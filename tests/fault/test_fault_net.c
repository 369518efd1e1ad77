/*
 * test_fault_net.c - pipes over streams and their listeners, with the k-th system call or
 * allocation failing, for every k.
 *
 * All in one process, in an order that does not depend on timing: a caller has sent its part before
 * it is accepted.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault/faults.h"
#include "ipk/net.h"
#include "pipe/pipe_internal.h"
#include "support/support.h"

#define KEY "0123456789abcdef"

enum { BIG = 3 << 20 };

static char dir[32], path[48], address[64];
static ipk_net_listener *listener;
static ipk_pipe *ends[2];
static int caller_fd = -1;

/* --- listeners -------------------------------------------------------------------------------- */

static int create_tcp(void)
{
	IPK_AUTO(net_listener, l);
	int port;

	IPK_TRY(ipk_net_listener_create("tcp:127.0.0.1:0", NULL, &l));
	return ipk_net_listener_port(l, &port);
}

static void make_directory(void)
{
	strcpy(dir, "/tmp/ipk-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(address, sizeof address, "unix:%s", path);
}

static int create_at_path(void)
{
	IPK_AUTO(net_listener, l);
	int r = ipk_net_listener_create(address, IPK_NET(.key = KEY, .key_bytes = 16), &l);

	/* A close that cannot remove the path leaves it to the next listener. */
	if (r == 0)
		fault_disarm();
	return r;
}

static void remove_directory(void)
{
	/* Where the listener was not made, its path was not either. */
	ck_assert_int_eq(rmdir(dir), 0);
}

/* --- callers ---------------------------------------------------------------------------------- */

/* Connected, and its hello of no key is sent. */
static void call(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	strcpy(to.sun_path, path);
	caller_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(caller_fd, (struct sockaddr *)&to, sizeof to), 0);
	ck_assert_int_eq(send(caller_fd, "\0\0\0\x9ipkpipe1o\0\0\0\2hi", 19, 0), 19);
}

static void listen_and_call(void)
{
	make_directory();
	ck_ok(ipk_net_listener_create(address, NULL, &listener));
	call();
}

static int accept_caller(void)
{
	char text[8];
	uint64_t n_refused;
	int r = ipk_net_listener_accept(listener, ipk_now(), &ends[0]);

	if (r == 0)
		r = ipk_pipe_recv(ends[0], text, sizeof text, ipk_now(), NULL);
	/* What fails while its handshake goes on is the caller's loss. */
	ck_ok(ipk_net_listener_refused(listener, &n_refused));
	return r == -ETIMEDOUT && n_refused == 1 ? 0 : r;
}

/* Whatever failed, the next caller is served. */
static void serve_another(void)
{
	char text[8];
	size_t n;

	ends[0] = ipk_pipe_close(ends[0]);
	close(caller_fd);
	call();
	do {
		ends[0] = ipk_pipe_close(ends[0]);
		ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &ends[0]));
		n = 0;
	} while (ipk_pipe_recv(ends[0], text, sizeof text, ipk_in_ms(WAIT_MS), &n) == -EPIPE);
	ck_assert_uint_eq(n, 2);
	ends[0] = ipk_pipe_close(ends[0]);
	close(caller_fd);
	caller_fd = -1;
	listener = ipk_net_listener_close(listener);
	remove_directory();
}

/* --- pipes ------------------------------------------------------------------------------------ */

static void close_ends(void)
{
	/* The receiver first, or the sender waits for it to take the rest. */
	ends[1] = ipk_pipe_close(ends[1]);
	ends[0] = ipk_pipe_close(ends[0]);
}

static int exchange(void)
{
	static char data[BIG];
	int fds[2];
	void *got;
	size_t n;
	int r;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	r = ipk__pipe_from_stream(fds[0], NULL, &ends[0]);
	if (r < 0) {
		close(fds[1]);
		return r;
	}
	IPK_TRY(ipk__pipe_from_stream(fds[1], NULL, &ends[1]));
	IPK_TRY(ipk_pipe_send(ends[0], "small", 5, ipk_now()));
	IPK_TRY(ipk_pipe_recv_alloc(ends[1], ipk_now(), &got, &n));
	free(got);
	/* More than fits: the sender keeps the rest, and the receiver's memory grows. */
	IPK_TRY(ipk_pipe_send(ends[0], data, sizeof data, ipk_now()));
	do {
		r = ipk_pipe_recv_alloc(ends[1], ipk_now(), &got, &n);
		if (r == -ETIMEDOUT)
			r = ipk_pipe_poll(ends[0], ipk_now()); /* moves the rest on */
	} while (r == -ETIMEDOUT);
	if (r == 0)
		free(got);
	/* A message whose rest was lost ends the stream. */
	return r == -EPIPE ? FAULT : r;
}

FAULT_TEST(listening_to_tcp, .run = create_tcp)
FAULT_TEST(listening_at_a_path, .run = create_at_path, .prepare = make_directory,
	   .check = remove_directory)
FAULT_TEST(accepting, .run = accept_caller, .prepare = listen_and_call, .check = serve_another)
FAULT_TEST(exchanging, .run = exchange, .check = close_ends)

static Suite *suite(void)
{
	Suite *s = suite_create("fault_net");

	add_test(s, listening_to_tcp);
	add_test(s, listening_at_a_path);
	add_test(s, accepting);
	add_test(s, exchanging);
	return s;
}

IPK_TEST_MAIN(suite)
