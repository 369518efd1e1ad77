/* test_pipe.c - lib/pipe/pipe.c: the public calls, over both transports with the same bodies. */
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "unit/pipe/pipe_bodies.h"

enum { RING_BYTES = 64 << 10, WHOLE_MAX_BYTES = RING_BYTES / 4 - 8 };

static const size_t sizes[] = {
	0,
	1,
	7,
	8,
	9,
	63,
	64,
	65,
	4096,
	WHOLE_MAX_BYTES - 1,
	WHOLE_MAX_BYTES,
	WHOLE_MAX_BYTES + 1,
	RING_BYTES - 1,
	RING_BYTES,
	RING_BYTES + 1,
	1 << 20,
	8 << 20,
};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

/* --- a thread that sends or receives one message ---------------------------------------------- */

struct call {
	ipk_pipe *p;
	void *data;
	size_t n_bytes;
	ipk_deadline deadline;
	_Atomic pid_t tid;
	int r;
	pthread_t thread;
};

static void *run_send(void *arg)
{
	struct call *c = arg;

	c->tid = gettid();
	c->r = ipk_pipe_send(c->p, c->data, c->n_bytes, c->deadline);
	return NULL;
}

static void *run_recv(void *arg)
{
	struct call *c = arg;

	c->tid = gettid();
	c->r = ipk_pipe_recv(c->p, c->data, c->n_bytes, c->deadline, NULL);
	return NULL;
}

static void start(struct call *c, void *(*run)(void *))
{
	c->deadline = ipk_in_ms(WAIT_MS);
	ck_assert_int_eq(pthread_create(&c->thread, NULL, run, c), 0);
}

static int end(struct call *c)
{
	ck_assert_int_eq(pthread_join(c->thread, NULL), 0);
	return c->r;
}

static bool has_tid(void *arg)
{
	return ((struct call *)arg)->tid != 0;
}

static void wait_asleep(struct call *c)
{
	ck_assert(wait_until(has_tid, c, WAIT_MS));
	ck_wait_asleep(c->tid);
}

/* --- messages --------------------------------------------------------------------------------- */

START_TEST(every_size_arrives_whole)
{
	size_t n = sizes[_i / N_TRANSPORTS];
	char *out = malloc(n + 1), *in = malloc(n + 1);
	ipk_pipe *a, *b;

	make_pipe(_i, RING_BYTES, 0, &a, &b);
	fill(out, n, 7);
	for (int round = 0; round < 3; round++) {
		struct call sender = {.p = round == 1 ? b : a, .data = out, .n_bytes = n};
		size_t len = 1;

		in[n] = 'z';
		start(&sender, run_send);
		ck_ok(ipk_pipe_recv(round == 1 ? a : b, in, n, ipk_in_ms(WAIT_MS), &len));
		ck_ok(end(&sender));
		ck_assert_uint_eq(len, n);
		ck_assert(is_filled(in, n, 7));
		ck_assert(in[n] == 'z');
	}
	ck_empty(a);
	ck_empty(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	free(in);
	free(out);
}
END_TEST

START_TEST(recv_alloc_of_every_size)
{
	size_t n = sizes[_i / N_TRANSPORTS];
	char *out = malloc(n + 1);
	struct call sender = {.data = out, .n_bytes = n};
	ipk_pipe *a, *b;

	make_pipe(_i, RING_BYTES, 0, &a, &b);
	fill(out, n, 3);
	sender.p = a;
	for (int round = 0; round < 2; round++) {
		start(&sender, run_send);
		ck_recv_filled(b, n, 3);
		ck_ok(end(&sender));
	}
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	free(out);
}
END_TEST

START_TEST(peek_leaves_every_size)
{
	size_t n = sizes[_i / N_TRANSPORTS], len = 1;
	char *out = malloc(n + 1);
	struct call sender = {.data = out, .n_bytes = n};
	const void *first, *second;
	ipk_pipe *a, *b;

	make_pipe(_i, RING_BYTES, 0, &a, &b);
	fill(out, n, 5);
	sender.p = b;
	start(&sender, run_send);
	ck_ok(ipk_pipe_peek(a, ipk_in_ms(WAIT_MS), &first, &len));
	ck_ok(end(&sender));
	ck_assert_uint_eq(len, n);
	ck_assert(is_filled(first, n, 5));
	ck_ok(ipk_pipe_peek(a, ipk_now(), &second, &len));
	ck_assert_ptr_eq(first, second);
	ck_ok(ipk_pipe_poll(a, ipk_now()));
	ck_recv_filled(a, n, 5);
	ck_empty(a);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	free(out);
}
END_TEST

START_TEST(messages_stay_in_order)
{
	ipk_pipe *a, *b;
	int n_sent = 0, got;
	size_t len;

	make_pipe(_i, RING_BYTES, 0, &a, &b);
	while (ipk_pipe_send(a, &n_sent, sizeof n_sent, ipk_now()) == 0)
		n_sent++;
	ck_assert_int_gt(n_sent, 100);
	for (int i = 0; i < n_sent; i++) {
		ck_ok(ipk_pipe_recv(b, &got, sizeof got, ipk_now(), &len));
		ck_assert_int_eq(got, i);
	}
	ck_empty(b);
	ck_ok(ipk_pipe_send(a, &n_sent, sizeof n_sent, ipk_now()));
	ck_ok(ipk_pipe_recv(b, &got, sizeof got, ipk_now(), NULL));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(small_buffer_leaves_the_message)
{
	size_t n = sizes[_i / N_TRANSPORTS], len = 77;
	char *out = malloc(n + 1), *in = malloc(n + 1);
	struct call sender = {.data = out, .n_bytes = n};
	ipk_pipe *a, *b;

	make_pipe(_i, RING_BYTES, 0, &a, &b);
	fill(out, n, 9);
	sender.p = a;
	start(&sender, run_send);
	for (int i = 0; n > 0 && i < 2; i++)
		ck_err(ipk_pipe_recv(b, in, n - 1, ipk_in_ms(WAIT_MS), &len), -EMSGSIZE);
	ck_assert_uint_eq(len, 77);
	if (n > 0)
		ck_err(ipk_pipe_recv(b, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EMSGSIZE);
	ck_ok(end(&sender));
	ck_recv_filled(b, n, 9);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	free(in);
	free(out);
}
END_TEST

START_TEST(release_takes_what_was_peeked)
{
	const void *data;
	ipk_pipe *a, *b;
	size_t n;

	make_pipe(_i, 0, 0, &a, &b);
	ck_err(ipk_pipe_release(b), -EINVAL);
	ck_send_text(a, "one");
	ck_send_text(a, "two");
	ck_err(ipk_pipe_release(b), -EINVAL);
	ck_ok(ipk_pipe_peek(b, ipk_now(), &data, &n));
	ck_assert(n == 3 && memcmp(data, "one", 3) == 0);
	ck_ok(ipk_pipe_release(b));
	ck_err(ipk_pipe_release(b), -EINVAL);
	ck_ok(ipk_pipe_peek(b, ipk_now(), &data, &n));
	ck_assert(n == 3 && memcmp(data, "two", 3) == 0);
	ck_recv_text(b, "two");
	ck_err(ipk_pipe_release(b), -EINVAL);
	ck_err(ipk_pipe_peek(b, ipk_now(), &data, &n), -ETIMEDOUT);
	ck_err(ipk_pipe_release(b), -EINVAL);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(poll_tells_what_a_receive_would_do)
{
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	ck_err(ipk_pipe_poll(b, ipk_now()), -ETIMEDOUT);
	ck_err(ipk_pipe_poll(b, ipk_in_ms(5)), -ETIMEDOUT);
	ck_send_text(a, "x");
	ck_ok(ipk_pipe_poll(b, ipk_now()));
	ck_ok(ipk_pipe_poll(b, ipk_forever()));
	ck_err(ipk_pipe_poll(a, ipk_now()), -ETIMEDOUT);
	ipk_pipe_close(a);
	ck_ok(ipk_pipe_poll(b, ipk_now()));
	ck_recv_text(b, "x");
	ck_err(ipk_pipe_poll(b, ipk_now()), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

/* --- one way, ends, deaths -------------------------------------------------------------------- */

START_TEST(one_way_goes_one_way)
{
	const void *data;
	ipk_pipe *a, *b;
	void *copy;
	size_t n;
	int fd;

	make_pipe(_i, 0, IPK_PIPE_ONE_WAY, &a, &b);
	ck_err(ipk_pipe_send(a, "x", 1, ipk_now()), -EOPNOTSUPP);
	ck_err(ipk_pipe_recv(b, &n, sizeof n, ipk_now(), NULL), -EOPNOTSUPP);
	ck_err(ipk_pipe_recv_alloc(b, ipk_now(), &copy, &n), -EOPNOTSUPP);
	ck_err(ipk_pipe_peek(b, ipk_now(), &data, &n), -EOPNOTSUPP);
	ck_err(ipk_pipe_poll(b, ipk_now()), -EOPNOTSUPP);
	ck_err(ipk_pipe_fd(b, &fd), -EOPNOTSUPP);
	ck_send_text(b, "forth");
	ck_recv_text(a, "forth");
	ck_send_text(b, "last");
	ipk_pipe_close(b);
	ck_recv_text(a, "last");
	ck_ended(a);
	ipk_pipe_close(a);
}
END_TEST

START_TEST(end_of_file_comes_after_the_last_message)
{
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	for (int i = 0; i < 100; i++)
		ck_ok(ipk_pipe_send(a, &i, sizeof i, ipk_now()));
	ipk_pipe_close(a);
	for (int i = 0, got; i < 100; i++) {
		ck_ok(ipk_pipe_recv(b, &got, sizeof got, ipk_now(), NULL));
		ck_assert_int_eq(got, i);
	}
	ck_ended(b);
	ck_err(ipk_pipe_recv(b, NULL, 0, ipk_now(), NULL), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

/* The kernel tells of unread bytes at the closing side ahead of what that side had sent. */
START_TEST(end_with_unread_messages_loses_none)
{
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	ck_send_text(a, "never read");
	ck_send_text(b, "one");
	ck_send_text(b, "two");
	ipk_pipe_close(b);
	ck_ok(ipk_pipe_poll(a, ipk_now()));
	ck_recv_text(a, "one");
	ck_recv_text(a, "two");
	ck_ended(a);
	ipk_pipe_close(a);
}
END_TEST

START_TEST(send_to_a_closed_end_fails_in_the_end)
{
	ipk_pipe *a, *b;
	int r = 0;

	make_pipe(_i, 0, 0, &a, &b);
	ipk_pipe_close(b);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = ipk_pipe_send(a, "x", 1, ipk_in_ms(WAIT_MS));
	ck_err(r, -EPIPE);
	ck_err(ipk_pipe_send(a, "x", 1, ipk_now()) == -EPIPE ? -EPIPE : r, -EPIPE);
	ipk_pipe_close(a);
}
END_TEST

START_TEST(send_to_a_full_pipe_whose_reader_closes_fails)
{
	static char big[RING_BYTES * 8];
	struct call sender = {.data = big, .n_bytes = sizeof big};
	ipk_pipe *a, *b;

	make_pipe(_i, RING_BYTES, 0, &a, &b);
	while (ipk_pipe_send(a, big, 1000, ipk_now()) == 0)
		;
	sender.p = a;
	start(&sender, run_send);
	wait_asleep(&sender);
	ipk_pipe_close(b);
	ck_err(end(&sender), -EPIPE);
	ipk_pipe_close(a);
}
END_TEST

START_TEST(close_wakes_a_blocked_receiver)
{
	char byte;
	struct call receiver = {.data = &byte, .n_bytes = 1};
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	receiver.p = b;
	start(&receiver, run_recv);
	wait_asleep(&receiver);
	ipk_pipe_close(a);
	ck_err(end(&receiver), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(send_wakes_a_blocked_receiver)
{
	char byte = 0;
	struct call receiver = {.data = &byte, .n_bytes = 1};
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	receiver.p = b;
	for (int i = 0; i < 5; i++) {
		receiver.tid = 0;
		start(&receiver, run_recv);
		wait_asleep(&receiver);
		ck_ok(ipk_pipe_send(a, "x", 1, ipk_now()));
		ck_ok(end(&receiver));
		ck_assert(byte == 'x');
	}
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(receive_wakes_a_blocked_sender)
{
	char byte = 'y';
	struct call sender = {.data = &byte, .n_bytes = 1};
	ipk_pipe *a, *b;
	size_t n_sent = 0;
	char got;

	make_pipe(_i, 4096, 0, &a, &b);
	while (ipk_pipe_send(a, "x", 1, ipk_now()) == 0)
		n_sent++;
	sender.p = a;
	start(&sender, run_send);
	wait_asleep(&sender);
	for (size_t i = 0; i < n_sent; i++)
		ck_ok(ipk_pipe_recv(b, &got, 1, ipk_now(), NULL));
	ck_ok(end(&sender));
	ck_recv_text(b, "y");
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* --- arguments -------------------------------------------------------------------------------- */

START_TEST(longest_message_is_bounded)
{
	static char data[101];
	ipk_pipe *a, *b;

	ck_ok(ipk_pipe_create(IPK_PIPE(.max_message_bytes = 100, .flags = transport_of(_i)), &a,
			      &b));
	ck_err(ipk_pipe_send(a, data, 101, ipk_now()), -EMSGSIZE);
	ck_err(ipk_pipe_send(a, data, IPK_MESSAGE_MAX_BYTES + 1, ipk_now()), -EMSGSIZE);
	ck_empty(b);
	ck_ok(ipk_pipe_send(a, data, 100, ipk_now()));
	ck_ok(ipk_pipe_recv(b, data, 100, ipk_now(), NULL));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(null_is_refused_everywhere)
{
	const void *data;
	ipk_pipe *a, *b;
	void *copy;
	size_t n;
	int fd;

	ck_err(ipk_pipe_send(NULL, "x", 1, ipk_now()), -EBADF);
	ck_err(ipk_pipe_recv(NULL, &n, sizeof n, ipk_now(), NULL), -EBADF);
	ck_err(ipk_pipe_recv_alloc(NULL, ipk_now(), &copy, &n), -EBADF);
	ck_err(ipk_pipe_peek(NULL, ipk_now(), &data, &n), -EBADF);
	ck_err(ipk_pipe_release(NULL), -EBADF);
	ck_err(ipk_pipe_poll(NULL, ipk_now()), -EBADF);
	ck_err(ipk_pipe_fd(NULL, &fd), -EBADF);
	ck_err(ipk_pipe_send_fd(NULL, 0, ipk_now()), -EBADF);
	ck_err(ipk_pipe_recv_fd(NULL, ipk_now(), &fd), -EBADF);
	ck_assert_ptr_null(ipk_pipe_close(NULL));
	ck_err(ipk_pipe_create(NULL, NULL, &b), -EINVAL);
	ck_err(ipk_pipe_create(NULL, &a, NULL), -EINVAL);
	make_pipe(_i, 0, 0, &a, &b);
	ck_err(ipk_pipe_send(a, NULL, 1, ipk_now()), -EINVAL);
	ck_err(ipk_pipe_recv(a, NULL, 1, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_pipe_recv_alloc(a, ipk_now(), NULL, &n), -EINVAL);
	ck_err(ipk_pipe_recv_alloc(a, ipk_now(), &copy, NULL), -EINVAL);
	ck_err(ipk_pipe_peek(a, ipk_now(), NULL, &n), -EINVAL);
	ck_err(ipk_pipe_fd(a, NULL), -EINVAL);
	ck_ok(ipk_pipe_send(a, NULL, 0, ipk_now()));
	ck_ok(ipk_pipe_recv(b, NULL, 0, ipk_now(), NULL));
	ck_assert_ptr_null(ipk_pipe_close(a));
	ipk_pipe_close(b);
}
END_TEST

START_TEST(bad_options_are_refused)
{
	char too_long[202];
	ipk_pipe_opts bad[] = {
		{.ring_bytes = 4095},
		{.ring_bytes = ((size_t)1 << 30) + 1},
		{.ring_bytes = SIZE_MAX},
		{.max_message_bytes = IPK_MESSAGE_MAX_BYTES + 1},
		{.flags = 4},
		{.flags = 1u << 31},
		{.label = ""},
		{.label = "a/b"},
		{.label = "blank blank"},
		{.label = too_long},
	};
	ipk_pipe *a = (ipk_pipe *)1, *b = (ipk_pipe *)2;

	memset(too_long, 'a', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		bad[i].struct_size = sizeof bad[i];
		bad[i].flags |= transport_of(_i);
		ck_err(ipk_pipe_create(&bad[i], &a, &b), -EINVAL);
	}
	ck_err(ipk_pipe_create(&(ipk_pipe_opts){.struct_size = 0}, &a, &b), -EINVAL);
	ck_assert_ptr_eq(a, (ipk_pipe *)1);
	ck_assert_ptr_eq(b, (ipk_pipe *)2);
}
END_TEST

START_TEST(options_may_grow)
{
	struct {
		ipk_pipe_opts opts;
		size_t newer;
	} longer = {.opts = {.struct_size = sizeof longer, .flags = transport_of(_i)}};
	ipk_pipe *a, *b;

	ck_ok(ipk_pipe_create(&longer.opts, &a, &b));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	longer.newer = 1;
	ck_err(ipk_pipe_create(&longer.opts, &a, &b), -EINVAL);
}
END_TEST

START_TEST(ring_bytes_are_rounded_up)
{
	static char data[5000];
	ipk_pipe *a, *b;

	make_pipe(_i, 4097, 0, &a, &b);
	ck_ok(ipk_pipe_send(a, data, sizeof data, ipk_now()));
	ck_ok(ipk_pipe_recv(b, data, sizeof data, ipk_now(), NULL));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(time_out_touches_nothing)
{
	void *copy = (void *)1;
	const void *data = (void *)1;
	ipk_pipe *a, *b;
	size_t n = 77;
	char buf[8];

	make_pipe(_i, 0, 0, &a, &b);
	ck_err(ipk_pipe_recv(b, buf, sizeof buf, ipk_in_ms(10), &n), -ETIMEDOUT);
	ck_err(ipk_pipe_recv_alloc(b, ipk_now(), &copy, &n), -ETIMEDOUT);
	ck_err(ipk_pipe_peek(b, ipk_now(), &data, &n), -ETIMEDOUT);
	ck_assert_uint_eq(n, 77);
	ck_assert_ptr_eq(copy, (void *)1);
	ck_assert_ptr_eq(data, (void *)1);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* Whatever number of fds is free, creating works or says -EMFILE and leaves nothing. */
START_TEST(create_at_every_fd_limit)
{
	struct leaks before = leaks_now();
	struct rlimit was, limit;
	ipk_pipe *a, *b;
	int r, n_failed = -1;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	do {
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		r = ipk_pipe_create(IPK_PIPE(.flags = transport_of(_i)), &a, &b);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
		n_failed++;
		limit.rlim_cur++;
		if (r != 0) {
			ck_err(r, -EMFILE);
			ck_no_leaks(&before);
		}
	} while (r != 0);
	ck_assert_int_ge(n_failed, 4);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe");

	add_loop_test(s, every_size_arrives_whole, 0, N_SIZES * N_TRANSPORTS);
	add_loop_test(s, recv_alloc_of_every_size, 0, N_SIZES * N_TRANSPORTS);
	add_loop_test(s, peek_leaves_every_size, 0, N_SIZES * N_TRANSPORTS);
	add_loop_test(s, messages_stay_in_order, 0, N_TRANSPORTS);
	add_loop_test(s, small_buffer_leaves_the_message, 0, N_SIZES * N_TRANSPORTS);
	add_loop_test(s, release_takes_what_was_peeked, 0, N_TRANSPORTS);
	add_loop_test(s, poll_tells_what_a_receive_would_do, 0, N_TRANSPORTS);
	add_loop_test(s, one_way_goes_one_way, 0, N_TRANSPORTS);
	add_loop_test(s, end_of_file_comes_after_the_last_message, 0, N_TRANSPORTS);
	add_loop_test(s, end_with_unread_messages_loses_none, 0, N_TRANSPORTS);
	add_loop_test(s, send_to_a_closed_end_fails_in_the_end, 0, N_TRANSPORTS);
	add_loop_test(s, send_to_a_full_pipe_whose_reader_closes_fails, 0, N_TRANSPORTS);
	add_loop_test(s, close_wakes_a_blocked_receiver, 0, N_TRANSPORTS);
	add_loop_test(s, send_wakes_a_blocked_receiver, 0, N_TRANSPORTS);
	add_loop_test(s, receive_wakes_a_blocked_sender, 0, N_TRANSPORTS);
	add_loop_test(s, longest_message_is_bounded, 0, N_TRANSPORTS);
	add_loop_test(s, null_is_refused_everywhere, 0, N_TRANSPORTS);
	add_loop_test(s, bad_options_are_refused, 0, N_TRANSPORTS);
	add_loop_test(s, options_may_grow, 0, N_TRANSPORTS);
	add_loop_test(s, ring_bytes_are_rounded_up, 0, N_TRANSPORTS);
	add_loop_test(s, time_out_touches_nothing, 0, N_TRANSPORTS);
	add_loop_test(s, create_at_every_fd_limit, 0, N_TRANSPORTS);
	return s;
}

IPK_TEST_MAIN(suite)
