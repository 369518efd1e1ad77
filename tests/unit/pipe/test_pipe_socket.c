/*
 * test_pipe_socket.c - lib/pipe/pipe_socket.c from the inside: packets that no ipk sender
 * makes, and messages in files of their own when fds run out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "unit/pipe/pipe_bodies.h"

#define MAGIC 0x6b63617075u

enum { SOCKET = 1, LONG_BYTES = 200000 };

/* A packet as a sender would make it, or not. */
static void put(ipk_pipe *p, uint64_t magic, uint64_t len_bytes, size_t body_bytes, const int *fds,
		size_t n_fds)
{
	static char body[LONG_BYTES];
	struct {
		uint64_t magic, len_bytes;
	} head = {magic, len_bytes};
	struct iovec parts[2] = {{&head, sizeof head}, {body, body_bytes}};

	ck_ok(ipk__os_send(p->data_fd, parts, 2, fds, n_fds));
}

static void ck_broken(ipk_pipe *p)
{
	static char buf[LONG_BYTES];
	const void *data;
	void *copy;
	size_t n = 77;

	for (int i = 0; i < 2; i++) {
		ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), &n), -EPROTO);
		ck_err(ipk_pipe_peek(p, ipk_now(), &data, &n), -EPROTO);
		ck_err(ipk_pipe_recv_alloc(p, ipk_now(), &copy, &n), -EPROTO);
	}
	ck_assert_uint_eq(n, 77);
}

START_TEST(bad_heads_are_refused)
{
	ipk_pipe *a, *b;

	make_pipe(SOCKET, 0, 0, &a, &b);
	if (_i == 0)
		put(a, MAGIC + 1, 5, 5, NULL, 0);
	else if (_i == 1)
		put(a, MAGIC, IPK_MESSAGE_MAX_BYTES + 1, 0, NULL, 0);
	else if (_i == 2)
		put(a, MAGIC, UINT64_MAX, 0, NULL, 0);
	else
		ck_assert_int_eq(send(a->data_fd, "short", 5, 0), 5);
	ck_err(ipk_pipe_poll(b, ipk_now()), -EPROTO);
	ck_broken(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(body_of_another_length_is_refused)
{
	char buf[64];
	ipk_pipe *a, *b;

	make_pipe(SOCKET, 0, 0, &a, &b);
	put(a, MAGIC, 10, _i == 0 ? 9 : 11, NULL, 0);
	ck_err(ipk_pipe_recv(b, buf, sizeof buf, ipk_now(), NULL), -EPROTO);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* What a long message's fd may be instead of a file with the body. */
static int make_body(int kind)
{
	char path[64];
	int fds[2], fd;

	switch (kind) {
	case 0:
		ck_assert_int_eq(pipe(fds), 0);
		close(fds[1]);
		return fds[0];
	case 1:
		return eventfd(0, 0);
	case 2:
		return open("/dev/zero", O_RDONLY);
	case 3:
		return open("/", O_RDONLY | O_DIRECTORY);
	case 4:
	case 5:
		ck_ok(ipk__os_memfd("test", &fd));
		ck_assert_int_eq(ftruncate(fd, kind == 4 ? LONG_BYTES - 1 : LONG_BYTES + 1), 0);
		ck_ok(ipk__os_seal(fd, false));
		return fd;
	case 6: /* may yet shrink */
		ck_ok(ipk__os_memfd("test", &fd));
		ck_assert_int_eq(ftruncate(fd, LONG_BYTES), 0);
		return fd;
	case 7: /* of file systems that may keep a reader waiting for ever */
	case 8:
		snprintf(path, sizeof path, "%s/ipk-test-XXXXXX", kind == 7 ? "/tmp" : "/dev/shm");
		fd = mkstemp(path);
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(ftruncate(fd, LONG_BYTES), 0);
		return fd;
	default:
		fd = memfd_create("test", 0);
		close(fd);
		return open("/dev/null", O_WRONLY);
	}
}

START_TEST(long_body_must_be_sealed_memory_of_its_length)
{
	int fd = make_body(_i);
	ipk_pipe *a, *b;

	ck_assert_int_ge(fd, 0);
	make_pipe(SOCKET, 0, 0, &a, &b);
	put(a, MAGIC, LONG_BYTES, 0, &fd, 1);
	close(fd);
	ck_broken(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(long_body_comes_in_one_fd)
{
	int fds[2] = {make_body(4), make_body(4)};
	ipk_pipe *a, *b;

	make_pipe(SOCKET, 0, 0, &a, &b);
	put(a, MAGIC, LONG_BYTES, 0, fds, _i == 0 ? 0 : 2);
	close(fds[0]);
	close(fds[1]);
	ck_broken(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(fds_beside_a_short_body_are_closed)
{
	struct leaks before = leaks_now();
	int fds[8];
	ipk_pipe *a, *b;
	char buf[8];

	make_pipe(SOCKET, 0, 0, &a, &b);
	for (int i = 0; i < 8; i++)
		fds[i] = dup(0);
	put(a, MAGIC, 8, 8, fds, 8);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	ck_ok(ipk_pipe_recv(b, buf, sizeof buf, ipk_now(), NULL));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	ck_no_leaks(&before);
}
END_TEST

/* No fd is free for the body's file: the message stays, or is not sent. */
START_TEST(long_message_survives_a_lack_of_fds)
{
	static char data[LONG_BYTES];
	struct rlimit was, limit;
	ipk_pipe *a, *b;
	void *copy;
	size_t n;
	int r_recv, r_alloc, r_send;

	make_pipe(SOCKET, 0, 0, &a, &b);
	fill(data, sizeof data, 4);
	ck_ok(ipk_pipe_send(a, data, sizeof data, ipk_now()));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	r_recv = ipk_pipe_recv(b, data, sizeof data, ipk_now(), NULL);
	r_alloc = ipk_pipe_recv_alloc(b, ipk_now(), &copy, &n);
	r_send = ipk_pipe_send(b, data, sizeof data, ipk_now());
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_err(r_recv, -EMFILE);
	ck_err(r_alloc, -EMFILE);
	ck_err(r_send, -EMFILE);
	ck_recv_filled(b, sizeof data, 4);
	ck_empty(a);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(long_send_that_times_out_leaves_nothing)
{
	static char data[LONG_BYTES];
	struct leaks before;
	ipk_pipe *a, *b;
	int n = 0;

	make_pipe(SOCKET, 0, 0, &a, &b);
	while (ipk_pipe_send(a, &n, sizeof n, ipk_now()) == 0)
		n++;
	before = leaks_now();
	for (int i = 0; i < 3; i++)
		ck_err(ipk_pipe_send(a, data, sizeof data, ipk_in_ms(5)), -ETIMEDOUT);
	ck_no_leaks(&before);
	for (int i = 0, got; i < n; i++) {
		ck_ok(ipk_pipe_recv(b, &got, sizeof got, ipk_now(), NULL));
		ck_assert_int_eq(got, i);
	}
	ck_empty(b);
	ck_send_text(a, "next");
	ck_recv_text(b, "next");
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_socket");

	add_loop_test(s, bad_heads_are_refused, 0, 4);
	add_loop_test(s, body_of_another_length_is_refused, 0, 2);
	add_loop_test(s, long_body_must_be_sealed_memory_of_its_length, 0, 10);
	add_loop_test(s, long_body_comes_in_one_fd, 0, 2);
	add_test(s, fds_beside_a_short_body_are_closed);
	add_test(s, long_message_survives_a_lack_of_fds);
	add_test(s, long_send_that_times_out_leaves_nothing);
	return s;
}

IPK_TEST_MAIN(suite)
