/* test_socket.c - lib/os/socket.c: packets, the fds in them, and the peer's hangup. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

static int send_text(int fd, const char *text, const int *fds, size_t n_fds)
{
	struct iovec part = {(void *)text, strlen(text)};

	return ipk__os_send(fd, &part, 1, fds, n_fds);
}

static int recv_text(int fd, bool peek, char buf[16], size_t *n, int *fds, size_t *n_fds)
{
	struct iovec part = {buf, 8};

	memset(buf, 0, 16);
	return ipk__os_recv(fd, &part, 1, peek, n, fds, n_fds);
}

static bool is_same_file(int a, int b)
{
	struct stat one, two;

	return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_ino == two.st_ino &&
	       one.st_dev == two.st_dev;
}

START_TEST(packets_stay_whole)
{
	char buf[16];
	int s[2];
	size_t n;

	ck_ok(ipk__os_socketpair(s));
	ck_err(recv_text(s[0], false, buf, &n, NULL, NULL), -EAGAIN);
	ck_ok(send_text(s[1], "one", NULL, 0));
	ck_ok(send_text(s[1], "longer than eight", NULL, 0));
	ck_ok(recv_text(s[0], true, buf, &n, NULL, NULL));
	ck_assert(n == 3 && strcmp(buf, "one") == 0);
	ck_ok(recv_text(s[0], false, buf, &n, NULL, NULL));
	ck_assert(n == 3 && strcmp(buf, "one") == 0);
	ck_ok(recv_text(s[0], false, buf, &n, NULL, NULL));
	ck_assert(n == 17 && strcmp(buf, "longer t") == 0);
	ck_err(recv_text(s[0], false, buf, &n, NULL, NULL), -EAGAIN);
	ipk__os_close(s[1]);
	ck_err(recv_text(s[0], false, buf, &n, NULL, NULL), -EPIPE);
	ck_err(send_text(s[0], "x", NULL, 0), -EPIPE);
	ipk__os_close(s[0]);
}
END_TEST

START_TEST(full_socket_asks_to_come_again)
{
	char text[1001];
	int s[2], r;

	memset(text, 'x', 1000);
	text[1000] = '\0';
	ck_ok(ipk__os_socketpair(s));
	do
		r = send_text(s[0], text, NULL, 0);
	while (r == 0);
	ck_err(r, -EAGAIN);
	ipk__os_close(s[0]);
	ipk__os_close(s[1]);
}
END_TEST

/* The reset of a peer that left something unread comes ahead of what it had sent. */
START_TEST(reset_loses_nothing)
{
	char buf[16];
	int s[2];
	size_t n;

	ck_ok(ipk__os_socketpair(s));
	ck_ok(send_text(s[0], "unread", NULL, 0));
	ck_ok(send_text(s[1], "sent", NULL, 0));
	ipk__os_close(s[1]);
	ck_ok(recv_text(s[0], _i == 1, buf, &n, NULL, NULL));
	ck_assert(n == 4 && strcmp(buf, "sent") == 0);
	if (_i == 1)
		ck_ok(recv_text(s[0], false, buf, &n, NULL, NULL));
	ck_err(recv_text(s[0], false, buf, &n, NULL, NULL), -EPIPE);
	ck_err(recv_text(s[0], false, buf, &n, NULL, NULL), -EPIPE);
	ipk__os_close(s[0]);
}
END_TEST

START_TEST(fds_come_with_their_packet)
{
	int s[2], fds[IPK__OS_FDS_MAX], got[IPK__OS_FDS_MAX];
	char buf[16];
	size_t n, n_fds = 9;

	ck_ok(ipk__os_socketpair(s));
	for (int i = 0; i < IPK__OS_FDS_MAX; i++)
		ck_ok(ipk__os_memfd("ipk:test", &fds[i]));
	ck_err(send_text(s[1], "x", fds, IPK__OS_FDS_MAX + 1), -EINVAL);
	for (size_t count = 0; count <= IPK__OS_FDS_MAX; count++) {
		ck_ok(send_text(s[1], "x", fds, count));
		for (int peek = 1; peek >= 0; peek--) {
			ck_ok(recv_text(s[0], peek, buf, &n, got, &n_fds));
			ck_assert_uint_eq(n_fds, count);
			for (size_t i = 0; i < n_fds; i++) {
				ck_assert(is_same_file(got[i], fds[i]));
				ck_assert_int_eq(fcntl(got[i], F_GETFD), FD_CLOEXEC);
				ipk__os_close(got[i]);
			}
		}
	}
	for (int i = 0; i < IPK__OS_FDS_MAX; i++)
		ipk__os_close(fds[i]);
	ipk__os_close(s[0]);
	ipk__os_close(s[1]);
}
END_TEST

START_TEST(fds_that_nobody_wants_are_closed)
{
	int s[2], n_fds = count_fds();
	int fds[3] = {0, 1, 2};
	char buf[16];
	size_t n;

	ck_ok(ipk__os_socketpair(s));
	ck_ok(send_text(s[1], "x", fds, 3));
	ck_ok(recv_text(s[0], false, buf, &n, NULL, NULL));
	ck_assert_int_eq(count_fds(), n_fds + 2);
	ipk__os_close(s[0]);
	ipk__os_close(s[1]);
}
END_TEST

/* More than we pass: another program's doing. The packet is refused, no fd stays. */
START_TEST(too_many_fds_are_refused)
{
	enum { N = IPK__OS_FDS_MAX + 1 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * N)];
	} control = {0};
	struct iovec part = {"x", 1};
	struct msghdr msg = {.msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof control.bytes};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int s[2], got[IPK__OS_FDS_MAX], n_fds_before;
	char buf[16];
	size_t n, n_fds;

	ck_ok(ipk__os_socketpair(s));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * N);
	n_fds_before = count_fds();
	ck_assert_int_eq(sendmsg(s[1], &msg, 0), 1);
	ck_err(recv_text(s[0], false, buf, &n, got, &n_fds), -EPROTO);
	ck_assert_int_eq(count_fds(), n_fds_before);
	ck_err(recv_text(s[0], false, buf, &n, got, &n_fds), -EAGAIN);
	ipk__os_close(s[0]);
	ipk__os_close(s[1]);
}
END_TEST

/* With any number of free fds below what came: none stays, and a peeked packet does. */
START_TEST(no_room_for_fds)
{
	int s[2], fds[3] = {0, 1, 2}, got[IPK__OS_FDS_MAX], n_fds_before, r = 0;
	struct rlimit was, limit;
	char buf[16];
	size_t n, n_fds;

	ck_ok(ipk__os_socketpair(s));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	n_fds_before = count_fds();
	for (int n_free = 0; n_free < 3; n_free++) {
		ck_ok(send_text(s[1], "x", fds, 3));
		limit = was;
		limit.rlim_cur = (rlim_t)(dup(0) + n_free);
		close((int)limit.rlim_cur - n_free);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		r = recv_text(s[0], _i == 1, buf, &n, got, &n_fds);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
		ck_err(r, -EMFILE);
		ck_assert_int_eq(count_fds(), n_fds_before);
		ck_err(recv_text(s[0], false, buf, &n, NULL, NULL), _i == 1 ? 0 : -EAGAIN);
	}
	ipk__os_close(s[0]);
	ipk__os_close(s[1]);
}
END_TEST

START_TEST(peer_is_told_by_the_kernel)
{
	int s[2];
	pid_t pid;
	uid_t uid;

	ck_ok(ipk__os_socketpair(s));
	ck_ok(ipk__os_peer(s[0], &pid, &uid));
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_eq(uid, geteuid());
	ck_err(ipk__os_peer(-1, &pid, &uid), -EBADF);
	ck_ok(ipk__os_socket_buffer(s[0], 1 << 16));
	ipk__os_close(s[0]);
	ipk__os_close(s[1]);
}
END_TEST

START_TEST(places)
{
	char dir[] = "/tmp/ipk-test-XXXXXX", path[100];
	int fd, lock, second;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
	ck_ok(ipk__os_directory_is_private(dir));
	ck_err(ipk__os_is_socket(path), -ENOENT);
	ck_err(ipk__os_connect(path, &fd), -ENOENT);
	ck_ok(ipk__os_listen(path, &fd));
	ck_err(ipk__os_listen(path, &second), -EADDRINUSE);
	ck_assert_int_eq(ipk__os_is_socket(path), 1);
	ck_err(ipk__os_directory_is_private(path), -ENOTDIR);
	ck_err(ipk__os_accept(fd, &second), -EAGAIN);
	ipk__os_close(fd);
	ck_err(ipk__os_connect(path, &fd), -ECONNREFUSED);
	ck_ok(ipk__os_unlink(path));
	ck_err(ipk__os_unlink(path), -ENOENT);
	ck_ok(ipk__os_lock_directory(dir, &lock));
	ck_err(ipk__os_lock_directory(dir, &second), -EADDRINUSE);
	ipk__os_close(lock);
	ck_ok(ipk__os_lock_directory(dir, &lock));
	ipk__os_close(lock);
	ck_err(ipk__os_lock_directory(path, &lock), -ENOENT);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_err(ipk__os_directory_is_private(dir), -ENOENT);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("socket");

	add_test(s, packets_stay_whole);
	add_test(s, full_socket_asks_to_come_again);
	add_loop_test(s, reset_loses_nothing, 0, 2);
	add_test(s, fds_come_with_their_packet);
	add_test(s, fds_that_nobody_wants_are_closed);
	add_test(s, too_many_fds_are_refused);
	add_loop_test(s, no_room_for_fds, 0, 2);
	add_test(s, peer_is_told_by_the_kernel);
	add_test(s, places);
	return s;
}

IPK_TEST_MAIN(suite)
