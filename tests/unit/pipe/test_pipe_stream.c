/*
 * test_pipe_stream.c - messages over a stream socket: whole or not at all, in whatever pieces the
 * bytes arrive, and also when a deadline interrupts them.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipk/queue.h"
#include "pipe/pipe_internal.h"
#include "support/support.h"

enum { BIG = 16 << 20 };

static void open_both(ipk_pipe **a, ipk_pipe **b, size_t max_bytes)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_ok(ipk__pipe_from_stream(fds[0], IPK_PIPE(.max_message_bytes = max_bytes), a));
	ck_ok(ipk__pipe_from_stream(fds[1], IPK_PIPE(.max_message_bytes = max_bytes), b));
}

/* A pipe whose other side is bare. */
static ipk_pipe *open_one(int *ret_fd, size_t max_bytes)
{
	ipk_pipe *p;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_ok(ipk__pipe_from_stream(fds[0], IPK_PIPE(.max_message_bytes = max_bytes), &p));
	*ret_fd = fds[1];
	return p;
}

static char *pattern(size_t n)
{
	char *data = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 31 + i / 251);
	return data;
}

START_TEST(messages_in_order_both_ways)
{
	ipk_pipe *a, *b;
	char buf[100];
	size_t n;

	open_both(&a, &b, 0);
	ck_ok(ipk_pipe_send(a, "one", 3, ipk_now()));
	ck_ok(ipk_pipe_send(a, NULL, 0, ipk_now()));
	ck_ok(ipk_pipe_send(a, "three", 5, ipk_now()));
	ck_ok(ipk_pipe_send(b, "back", 4, ipk_now()));
	ck_ok(ipk_pipe_recv(b, buf, sizeof buf, ipk_now(), &n));
	ck_assert_uint_eq(n, 3);
	ck_ok(ipk_pipe_poll(b, ipk_now()));
	ck_ok(ipk_pipe_recv(b, NULL, 0, ipk_now(), &n));
	ck_assert_uint_eq(n, 0);
	ck_err(ipk_pipe_recv(b, buf, 4, ipk_now(), &n), -EMSGSIZE);
	ck_ok(ipk_pipe_recv(b, buf, 5, ipk_now(), &n));
	ck_assert_mem_eq(buf, "three", 5);
	ck_err(ipk_pipe_recv(b, buf, 5, ipk_now(), &n), -ETIMEDOUT);
	ck_ok(ipk_pipe_recv(a, buf, sizeof buf, ipk_now(), &n));
	ck_assert_mem_eq(buf, "back", 4);
	ipk_pipe_close(a);
	ck_err(ipk_pipe_recv(b, buf, 5, ipk_forever(), &n), -EPIPE);
	ck_err(ipk_pipe_send(b, buf, 5, ipk_now()), -EPIPE);
	ck_err(ipk_pipe_send(b, buf, 5, ipk_now()), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(what_was_sent_is_received_after_close)
{
	ipk_pipe *a, *b;
	void *data;
	size_t n;

	open_both(&a, &b, 0);
	for (int i = 0; i < 100; i++)
		ck_ok(ipk_pipe_send(a, &i, sizeof i, ipk_now()));
	ipk_pipe_close(a);
	for (int i = 0; i < 100; i++) {
		ck_ok(ipk_pipe_recv_alloc(b, ipk_now(), &data, &n));
		ck_assert_uint_eq(n, sizeof i);
		ck_assert_mem_eq(data, &i, sizeof i);
		free(data);
	}
	ck_err(ipk_pipe_recv_alloc(b, ipk_now(), &data, &n), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

/* Lengths around the buffer's, which decides where a message is put together. */
static const size_t lengths[] = {0, 1, 65531, 65532, 65533, 65536, 262144, 262145, 1000000, BIG};

START_TEST(lengths_come_whole)
{
	size_t n_bytes = lengths[_i], n_sent = 0;
	char *data = pattern(n_bytes);
	const void *shown;
	ipk_pipe *a, *b;
	void *got;
	size_t n;

	open_both(&a, &b, 0);
	/* ipk_now() sends any length: what the kernel does not take stays with the sender. */
	ck_ok(ipk_pipe_send(a, data, n_bytes, ipk_now()));
	n_sent++;
	while (ipk_pipe_peek(b, ipk_now(), &shown, &n) == -ETIMEDOUT)
		ck_err(ipk_pipe_recv(a, NULL, 0, ipk_now(), NULL), -ETIMEDOUT);
	ck_assert_uint_eq(n, n_bytes);
	ck_assert_mem_eq(shown, data, n_bytes);
	ck_ok(ipk_pipe_send(a, "after", 5, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pipe_recv_alloc(b, ipk_now(), &got, &n));
	ck_assert_uint_eq(n, n_bytes);
	ck_assert_mem_eq(got, data, n_bytes);
	free(got);
	ck_ok(ipk_pipe_recv_alloc(b, ipk_now(), &got, &n));
	ck_assert_mem_eq(got, "after", 5);
	free(got);
	free(data);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(sender_full_then_going_on)
{
	static char data[100000];
	size_t n_sent = 0, n_got = 0;
	char buf[sizeof data];
	ipk_pipe *a, *b;
	size_t n;

	open_both(&a, &b, 0);
	for (int round = 0; round < 20; round++) {
		int r;

		do {
			memset(data, (int)n_sent, sizeof data);
			r = ipk_pipe_send(a, data, sizeof data - n_sent % 7, ipk_now());
			n_sent += r == 0;
		} while (r == 0);
		ck_err(r, -ETIMEDOUT);
		ck_ok(ipk_pipe_recv(b, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n));
		ck_assert_uint_eq(n, sizeof data - n_got % 7);
		ck_assert_int_eq((unsigned char)buf[n - 1], (unsigned char)n_got);
		n_got++;
	}
	ck_err(ipk_pipe_poll(a, ipk_now()), -ETIMEDOUT);
	while (n_got < n_sent) {
		(void)!ipk_pipe_poll(a, ipk_now()); /* moves the rest on */
		if (ipk_pipe_recv(b, buf, sizeof buf, ipk_now(), &n) == 0)
			ck_assert_int_eq((unsigned char)buf[n - 1], (unsigned char)n_got++);
	}
	ipk_pipe_close(a);
	ck_err(ipk_pipe_poll(b, ipk_now()), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

/* --- one thread sends on an end and another receives ------------------------------------------ */

enum { N_ECHOED = 300 };

static size_t echoed_bytes(int i)
{
	return (size_t)i * 977 % 200000;
}

static void *send_all(void *arg)
{
	char *data = pattern(200000);

	for (int i = 0; i < repeats(N_ECHOED); i++) {
		int r;

		do {
			r = ipk_pipe_send(arg, data, echoed_bytes(i), ipk_in_ms(i % 3));
		} while (r == -ETIMEDOUT);
		if (r < 0)
			break;
	}
	free(data);
	return NULL;
}

static void *echo_all(void *arg)
{
	void *data;
	size_t n;

	while (ipk_pipe_recv_alloc(arg, ipk_in_ms(WAIT_MS), &data, &n) == 0) {
		int r = ipk_pipe_send(arg, data, n, ipk_in_ms(WAIT_MS));

		free(data);
		if (r < 0)
			break;
	}
	return NULL;
}

START_TEST(both_directions_at_once)
{
	char *wanted = pattern(200000);
	pthread_t sender, echo;
	ipk_pipe *a, *b;
	void *data;
	size_t n;

	open_both(&a, &b, 0);
	ck_assert_int_eq(pthread_create(&sender, NULL, send_all, a), 0);
	ck_assert_int_eq(pthread_create(&echo, NULL, echo_all, b), 0);
	for (int i = 0; i < repeats(N_ECHOED); i++) {
		ck_ok(ipk_pipe_recv_alloc(a, ipk_in_ms(WAIT_MS), &data, &n));
		ck_assert_uint_eq(n, echoed_bytes(i));
		ck_assert_int_eq(memcmp(data, wanted, n), 0);
		free(data);
	}
	pthread_join(sender, NULL);
	ipk_pipe_close(a);
	pthread_join(echo, NULL);
	ipk_pipe_close(b);
	free(wanted);
}
END_TEST

static int is_cut_off(void *arg)
{
	return ipk_pipe_send(arg, "x", 1, ipk_now()) == -EPIPE ? 0 : 1;
}

/* The rest of a message is sent by the process that began it, and by no copy of it. */
START_TEST(rest_is_not_the_forks_too)
{
	char *data = pattern(BIG);
	ipk_pipe *a, *b;
	void *got;
	size_t n;

	open_both(&a, &b, 0);
	ck_ok(ipk_pipe_send(a, data, BIG, ipk_now()));
	reap_ok(spawn(is_cut_off, a));
	while (ipk_pipe_recv_alloc(b, ipk_now(), &got, &n) == -ETIMEDOUT)
		(void)!ipk_pipe_poll(a, ipk_now());
	ck_assert_uint_eq(n, BIG);
	ck_assert_int_eq(memcmp(got, data, n), 0);
	free(got);
	free(data);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static _Atomic pid_t sender_tid;

static void *send_big(void *arg)
{
	char *data = pattern(BIG);

	sender_tid = gettid();
	(void)!ipk_pipe_send(arg, data, BIG, ipk_forever());
	free(data);
	return NULL;
}

static bool has_tid(void *arg)
{
	(void)arg;
	return sender_tid != 0;
}

/* Forked while another thread is sending: the child is told, and does not wait for it. */
START_TEST(fork_beside_a_sender)
{
	pthread_t sender;
	ipk_pipe *a, *b;
	void *got;
	size_t n;

	open_both(&a, &b, 0);
	ck_assert_int_eq(pthread_create(&sender, NULL, send_big, a), 0);
	ck_assert(wait_until(has_tid, NULL, WAIT_MS));
	ck_wait_asleep(sender_tid);
	reap_ok(spawn(is_cut_off, a));
	ck_ok(ipk_pipe_recv_alloc(b, ipk_in_ms(WAIT_MS), &got, &n));
	ck_assert_uint_eq(n, BIG);
	free(got);
	pthread_join(sender, NULL);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static void *drain(void *arg)
{
	void *data;
	size_t n;

	if (ipk_pipe_recv_alloc(arg, ipk_in_ms(WAIT_MS), &data, &n) < 0)
		return NULL;
	free(data);
	return arg;
}

START_TEST(close_sends_the_rest)
{
	char *data = pattern(BIG);
	pthread_t thread;
	ipk_pipe *a, *b;
	void *got;

	open_both(&a, &b, 0);
	ck_ok(ipk_pipe_send(a, data, BIG, ipk_now()));
	ck_assert_int_eq(pthread_create(&thread, NULL, drain, b), 0);
	ipk_pipe_close(a);
	pthread_join(thread, &got);
	ck_assert_ptr_eq(got, b);
	ipk_pipe_close(b);
	free(data);
}
END_TEST

/* --- what another side may send --------------------------------------------------------------- */

static void ck_write(int fd, const void *data, size_t n_bytes)
{
	ck_assert_int_eq(write(fd, data, n_bytes), (ssize_t)n_bytes);
}

START_TEST(byte_by_byte)
{
	static const char frames[] = "\0\0\0\3abc"
				     "\0\0\0\0"
				     "\xff\xff\xff\xff\0\0\0\0\0\0\0\2hi";
	static const struct {
		size_t at, n_bytes;
		const char *text;
	} wanted[] = {{7, 3, "abc"}, {11, 0, ""}, {25, 2, "hi"}};
	size_t n_got = 0, n;
	char buf[16];
	int fd;
	ipk_pipe *p = open_one(&fd, 0);

	for (size_t i = 0; i < sizeof frames - 1; i++) {
		ck_write(fd, frames + i, 1);
		if (i + 1 < wanted[n_got].at) {
			ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), &n), -ETIMEDOUT);
			continue;
		}
		ck_ok(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), &n));
		ck_assert_uint_eq(n, wanted[n_got].n_bytes);
		ck_assert_mem_eq(buf, wanted[n_got].text, n);
		n_got++;
	}
	ck_assert_uint_eq(n_got, 3);
	close(fd);
	ipk_pipe_close(p);
}
END_TEST

static const struct {
	const char *head;
	size_t n_bytes;
} giants[] = {
	{"\x00\x00\x00\x65", 4},
	{"\x7f\xff\xff\xff", 4},
	{"\x80\x00\x00\x00", 4},
	{"\xff\xff\xff\xfe", 4},
	{"\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x65", 12},
	{"\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x01", 12},
	{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12},
};

START_TEST(giant_lengths_are_refused)
{
	char buf[200];
	int fd;
	ipk_pipe *p = open_one(&fd, 100);

	ck_write(fd, "\0\0\0\1x", 5);
	ck_write(fd, giants[_i].head, giants[_i].n_bytes);
	ck_ok(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL));
	ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL), -EPROTO);
	ck_write(fd, "\0\0\0\1x", 5);
	ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL), -EPROTO);
	close(fd);
	ipk_pipe_close(p);
}
END_TEST

START_TEST(announced_memory_is_not_taken)
{
	char buf[10];
	int fd;
	ipk_pipe *p = open_one(&fd, 0);

	ck_write(fd, "\x40\0\0\0some", 8); /* 1 GiB */
	ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL), -ETIMEDOUT);
	ck_assert_uint_le(p->reassembly.room_bytes, 1 << 20);
	close(fd);
	ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL), -EPIPE);
	ipk_pipe_close(p);
}
END_TEST

START_TEST(a_cut_message_is_never_shown)
{
	static const char bytes[] = "\0\0\0\2ok\0\0\0\5hello";
	char buf[10];

	for (size_t n = 6; n < sizeof bytes - 1; n++) {
		int fd;
		ipk_pipe *p = open_one(&fd, 0);

		ck_write(fd, bytes, n);
		close(fd);
		ck_ok(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL));
		ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_forever(), NULL), -EPIPE);
		ipk_pipe_close(p);
	}
}
END_TEST

START_TEST(no_fds_over_a_stream)
{
	ipk_queue *queue = NULL;
	ipk_pipe *a, *b;
	int fd;

	open_both(&a, &b, 0);
	ck_err(ipk_pipe_send_fd(a, 0, ipk_now()), -EOPNOTSUPP);
	ck_err(ipk_pipe_recv_fd(a, ipk_now(), &fd), -EOPNOTSUPP);
	ck_ok(ipk_queue_create(NULL, &queue));
	ck_err(ipk_queue_send(queue, a, ipk_now()), -EOPNOTSUPP);
	ipk_queue_close(queue);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(wait_for_any)
{
	ipk_pipe *a, *b, *c, *d;
	size_t index;
	char x;

	open_both(&a, &b, 0);
	open_both(&c, &d, 0);
	ck_err(ipk_pipe_wait_any((ipk_pipe *[]){b, d}, 2, NULL, 0, ipk_now(), &index), -ETIMEDOUT);
	ck_ok(ipk_pipe_send(c, "1", 1, ipk_now()));
	ck_ok(ipk_pipe_send(c, "2", 1, ipk_now()));
	for (int i = 0; i < 2; i++) {
		ck_ok(ipk_pipe_wait_any((ipk_pipe *[]){b, d}, 2, NULL, 0, ipk_in_ms(WAIT_MS),
					&index));
		ck_assert_uint_eq(index, 1);
		ck_ok(ipk_pipe_recv(d, &x, 1, ipk_now(), NULL));
	}
	ipk_pipe_close(a);
	ck_ok(ipk_pipe_wait_any((ipk_pipe *[]){b, d}, 2, NULL, 0, ipk_in_ms(WAIT_MS), &index));
	ck_assert_uint_eq(index, 0);
	ipk_pipe_close(b);
	ipk_pipe_close(c);
	ipk_pipe_close(d);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_stream");

	add_test(s, messages_in_order_both_ways);
	add_test(s, what_was_sent_is_received_after_close);
	add_loop_test(s, lengths_come_whole, 0, (int)(sizeof lengths / sizeof lengths[0]));
	add_test(s, sender_full_then_going_on);
	add_test(s, both_directions_at_once);
	add_test(s, rest_is_not_the_forks_too);
	add_test(s, fork_beside_a_sender);
	add_test(s, close_sends_the_rest);
	add_test(s, byte_by_byte);
	add_loop_test(s, giant_lengths_are_refused, 0, (int)(sizeof giants / sizeof giants[0]));
	add_test(s, announced_memory_is_not_taken);
	add_test(s, a_cut_message_is_never_shown);
	add_test(s, no_fds_over_a_stream);
	add_test(s, wait_for_any);
	return s;
}

IPK_TEST_MAIN(suite)
