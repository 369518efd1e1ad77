/* test_pipe_wait.c - lib/pipe/pipe_wait.c and ipk_pipe_fd(): ends in poll loops. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/pipe/pipe_bodies.h"

enum { N_ENDS = 64 };

/* The process-wide ticker stays open once made: make it before leaks are counted. */
static void make_ticker(void)
{
	ipk_pipe *a, *b;
	int fd;

	if (ipk_pipe_create(NULL, &a, &b) < 0 || ipk_pipe_fd(a, &fd) < 0)
		abort();
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}

static int fd_of(ipk_pipe *p)
{
	int fd = -1;

	ck_ok(ipk_pipe_fd(p, &fd));
	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

/* The ticker may make it readable for nothing, twice a second: not ten times in a row. */
static bool becomes_quiet(ipk_pipe *p, int fd)
{
	for (int i = 0; i < 10; i++) {
		ck_empty(p);
		if (!is_readable(fd, 0))
			return true;
	}
	return false;
}

/* --- one fd ----------------------------------------------------------------------------------- */

START_TEST(fd_is_readable_when_a_message_is_there)
{
	ipk_pipe *a, *b;
	int fd;

	make_pipe(_i, 0, 0, &a, &b);
	fd = fd_of(b);
	ck_assert_int_eq(fd_of(b), fd);
	ck_assert(becomes_quiet(b, fd));
	for (int i = 0; i < 100; i++) {
		ck_send_text(a, "one");
		ck_assert(is_readable(fd, 0));
		ck_send_text(a, "two");
		ck_recv_text(b, "one");
		ck_recv_text(b, "two");
		ck_empty(b);
	}
	ck_assert(becomes_quiet(b, fd));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(fd_tells_what_came_before_it_was_asked_for)
{
	ipk_pipe *a, *b;

	make_pipe(_i, 0, 0, &a, &b);
	ck_send_text(a, "early");
	ck_assert(is_readable(fd_of(b), 0));
	ck_recv_text(b, "early");
	ck_assert(becomes_quiet(b, fd_of(b)));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(fd_is_readable_at_the_end_of_file)
{
	ipk_pipe *a, *b;
	int fd;

	make_pipe(_i, 0, 0, &a, &b);
	fd = fd_of(b);
	ck_assert(becomes_quiet(b, fd));
	ipk_pipe_close(a);
	for (int i = 0; i < 3; i++) {
		ck_assert(is_readable(fd, WAIT_MS));
		ck_ended(b);
	}
	ipk_pipe_close(b);
}
END_TEST

static void *send_many(void *arg)
{
	intptr_t n_ok = 0;

	for (int i = 0; i < 10000; i++)
		n_ok += ipk_pipe_send(arg, &i, sizeof i, ipk_in_ms(WAIT_MS)) == 0;
	return (void *)n_ok;
}

/* A poll loop beside a foreign fd loses nothing and needs no ticker to go on. */
START_TEST(epoll_loop_gets_every_message)
{
	int foreign = eventfd(0, EFD_CLOEXEC), set = epoll_create1(EPOLL_CLOEXEC), got = 0, r = 0;
	struct epoll_event event = {.events = EPOLLIN};
	ipk_pipe *a, *b;
	pthread_t thread;
	void *n_ok;

	make_pipe(_i, 4096, 0, &a, &b);
	event.data.fd = fd_of(b);
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd_of(b), &event), 0);
	event.data.fd = foreign;
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, foreign, &event), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_many, a), 0);
	while (got < 10000) {
		ck_assert_int_eq(epoll_wait(set, &event, 1, WAIT_MS), 1);
		ck_assert_int_ne(event.data.fd, foreign);
		for (int i; (r = ipk_pipe_recv(b, &i, sizeof i, ipk_now(), NULL)) == 0; got++)
			ck_assert_int_eq(i, got);
		ck_err(r, -ETIMEDOUT);
	}
	ck_assert_int_eq(pthread_join(thread, &n_ok), 0);
	ck_assert_int_eq((intptr_t)n_ok, 10000);
	ck_assert_int_eq(eventfd_write(foreign, 1), 0);
	do
		ck_assert_int_eq(epoll_wait(set, &event, 1, WAIT_MS), 1);
	while (event.data.fd != foreign);
	close(set);
	close(foreign);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static int drain_inherited(void *arg)
{
	ipk_pipe *p = arg;
	char buf[8];

	return ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL) == -ETIMEDOUT ? 0 : 1;
}

/* A child that receives on an inherited end takes no readiness away from the parent's fd. */
START_TEST(child_does_not_drain_the_parents_fd)
{
	ipk_pipe *a, *b;
	int fd;

	make_pipe(0, 0, 0, &a, &b);
	fd = fd_of(b);
	ck_assert(becomes_quiet(b, fd));
	ck_send_text(a, "x");
	ck_recv_text(b, "x");
	reap_ok(spawn(drain_inherited, b));
	ck_assert(is_readable(fd, 0));
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static int poll_own_fd(void *arg)
{
	ipk_pipe **ends = arg;
	char buf[8];
	int fd;

	if (ipk_pipe_fd(ends[1], &fd) < 0)
		return 1;
	ipk_pipe_close(ends[0]);
	if (!is_readable(fd, WAIT_MS))
		return 2;
	while (ipk_pipe_recv(ends[1], buf, sizeof buf, ipk_now(), NULL) == -ETIMEDOUT) {
		if (!is_readable(fd, WAIT_MS))
			return 3;
	}
	return buf[0] == 'c' ? 0 : 4;
}

START_TEST(child_asks_for_an_fd_of_its_own)
{
	ipk_pipe *ends[2];
	pid_t pid;

	make_pipe(_i, 0, 0, &ends[0], &ends[1]);
	ck_assert(becomes_quiet(ends[1], fd_of(ends[1])));
	pid = spawn(poll_own_fd, ends);
	ck_send_text(ends[0], "c");
	reap_ok(pid);
	ipk_pipe_close(ends[0]);
	ipk_pipe_close(ends[1]);
}
END_TEST

/* Where the program has closed all fds, ours has become another file: leave that alone. */
START_TEST(a_foreign_file_under_the_tickers_number_is_not_read)
{
	int fds[2], n_closed = 0;
	char path[64], target[64] = "", byte;
	ipk_pipe *a, *b;

	make_pipe(0, 0, 0, &a, &b);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "12345678", 8), 8);
	fd_of(b);
	for (int fd = 3; fd < 64; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof target - 1) > 0 &&
		    strstr(target, "timerfd") != NULL) {
			ck_assert_int_eq(dup2(fds[0], fd), fd);
			n_closed++;
		}
		memset(target, 0, sizeof target);
	}
	ck_assert_int_eq(n_closed, 1);
	ck_empty(b);
	ck_empty(b);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	ck_assert(byte == '1');
	close(fds[0]);
	close(fds[1]);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* --- many ends -------------------------------------------------------------------------------- */

/* Both transports in one call. */
static void make_ends(ipk_pipe *from[N_ENDS], ipk_pipe *to[N_ENDS])
{
	for (int i = 0; i < N_ENDS; i++)
		make_pipe(i, 4096, 0, &from[i], &to[i]);
}

static void close_ends(ipk_pipe *ends[N_ENDS])
{
	for (int i = 0; i < N_ENDS; i++)
		ends[i] = ipk_pipe_close(ends[i]);
}

static int wait_any(ipk_pipe *const ends[], size_t n_ends, ipk_deadline deadline, size_t *ret_index)
{
	return ipk_pipe_wait_any(ends, n_ends, NULL, 0, deadline, ret_index);
}

START_TEST(wait_names_an_end_that_is_ready)
{
	ipk_pipe *from[N_ENDS], *to[N_ENDS];
	size_t index = 12345;

	make_ends(from, to);
	ck_err(wait_any(to, N_ENDS, ipk_now(), &index), -ETIMEDOUT);
	ck_err(wait_any(to, N_ENDS, ipk_in_ms(5), &index), -ETIMEDOUT);
	ck_assert_uint_eq(index, 12345);
	for (int i = 0; i < N_ENDS; i++) {
		int other = (i * 7 + 3) % N_ENDS;

		ck_send_text(from[i], "x");
		ck_send_text(from[other], "y");
		ck_ok(wait_any(to, N_ENDS, ipk_in_ms(WAIT_MS), &index));
		ck_assert_uint_eq(index, (size_t)(i < other ? i : other));
		ck_recv_text(to[i], "x");
		ck_ok(wait_any(to, N_ENDS, ipk_in_ms(WAIT_MS), &index));
		ck_assert_uint_eq(index, (size_t)other);
		ck_recv_text(to[other], "y");
	}
	ck_err(wait_any(to, N_ENDS, ipk_now(), &index), -ETIMEDOUT);
	for (int i = N_ENDS - 1; i >= 0; i--) {
		from[i] = ipk_pipe_close(from[i]);
		ck_ok(wait_any(to, N_ENDS, ipk_in_ms(WAIT_MS), &index));
		ck_assert_uint_eq(index, (size_t)i);
	}
	close_ends(to);
}
END_TEST

START_TEST(wait_skips_what_is_not_there)
{
	ipk_pipe *ends[3] = {NULL, NULL, NULL}, *a;
	int fds[2] = {-1, -1};
	size_t index;

	ck_err(wait_any(ends, 3, ipk_now(), &index), -EBADF);
	ck_err(ipk_pipe_wait_any(ends, 3, fds, 2, ipk_now(), &index), -EBADF);
	make_pipe(_i, 0, 0, &a, &ends[1]);
	ck_err(ipk_pipe_wait_any(ends, 3, fds, 2, ipk_now(), &index), -ETIMEDOUT);
	ck_send_text(a, "x");
	ck_ok(ipk_pipe_wait_any(ends, 3, fds, 2, ipk_in_ms(WAIT_MS), &index));
	ck_assert_uint_eq(index, 1);
	ck_recv_text(ends[1], "x");
	ipk_pipe_close(a);
	ipk_pipe_close(ends[1]);
}
END_TEST

/* Together with ends, or without. */
START_TEST(wait_takes_foreign_fds)
{
	int fds[2] = {-1, -1}, closed;
	ipk_pipe *a, *b;
	size_t index;
	char byte;

	make_pipe(_i, 0, 0, &a, &b);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_err(ipk_pipe_wait_any(&b, 1, fds, 1, ipk_now(), &index), -ETIMEDOUT);
	ck_err(ipk_pipe_wait_any(NULL, 0, fds, 1, ipk_in_ms(5), &index), -ETIMEDOUT);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_ok(ipk_pipe_wait_any(&b, 1, fds, 1, ipk_in_ms(WAIT_MS), &index));
	ck_assert_uint_eq(index, 1);
	ck_ok(ipk_pipe_wait_any(NULL, 0, fds, 1, ipk_now(), &index));
	ck_assert_uint_eq(index, 0);
	ck_send_text(a, "y");
	ck_ok(ipk_pipe_wait_any(&b, 1, fds, 1, ipk_in_ms(WAIT_MS), &index));
	ck_assert_uint_eq(index, 0);
	ck_recv_text(b, "y");
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	ck_err(ipk_pipe_wait_any(&b, 1, fds, 1, ipk_now(), &index), -ETIMEDOUT);
	close(fds[1]);
	ck_ok(ipk_pipe_wait_any(&b, 1, fds, 1, ipk_in_ms(WAIT_MS), &index));
	ck_assert_uint_eq(index, 1);
	closed = fds[0];
	close(closed);
	ck_err(ipk_pipe_wait_any(&b, 1, &closed, 1, ipk_now(), &index), -EBADF);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(wait_refuses_bad_arguments)
{
	ipk_pipe *a, *b;
	size_t index;

	make_pipe(_i, 0, IPK_PIPE_ONE_WAY, &a, &b);
	ck_err(wait_any(NULL, 1, ipk_now(), &index), -EINVAL);
	ck_err(wait_any(&a, 1, ipk_now(), NULL), -EINVAL);
	ck_err(wait_any(&a, 0, ipk_now(), &index), -EINVAL);
	ck_err(wait_any(&a, 4097, ipk_now(), &index), -EINVAL);
	ck_err(ipk_pipe_wait_any(&a, 1, NULL, 1, ipk_now(), &index), -EINVAL);
	ck_err(wait_any(&b, 1, ipk_now(), &index), -EOPNOTSUPP);
	ck_err(wait_any(&a, 1, ipk_now(), &index), -ETIMEDOUT);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

struct waiter {
	ipk_pipe **ends;
	_Atomic pid_t tid;
	int r;
	size_t index;
};

static void *run_wait(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->r = wait_any(w->ends, N_ENDS, ipk_in_ms(WAIT_MS), &w->index);
	return NULL;
}

static bool has_tid(void *arg)
{
	return ((struct waiter *)arg)->tid != 0;
}

START_TEST(wait_wakes_up)
{
	ipk_pipe *from[N_ENDS], *to[N_ENDS];
	struct waiter w = {.ends = to};
	pthread_t thread;

	make_ends(from, to);
	ck_assert_int_eq(pthread_create(&thread, NULL, run_wait, &w), 0);
	ck_assert(wait_until(has_tid, &w, WAIT_MS));
	ck_wait_asleep(w.tid);
	if (_i == 0)
		from[17] = ipk_pipe_close(from[17]);
	else
		ck_send_text(from[17 + _i], "x");
	pthread_join(thread, NULL);
	ck_ok(w.r);
	ck_assert_uint_eq(w.index, (size_t)(17 + _i));
	close_ends(from);
	close_ends(to);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_wait");

	make_ticker();
	add_loop_test(s, fd_is_readable_when_a_message_is_there, 0, N_TRANSPORTS);
	add_loop_test(s, fd_tells_what_came_before_it_was_asked_for, 0, N_TRANSPORTS);
	add_loop_test(s, fd_is_readable_at_the_end_of_file, 0, N_TRANSPORTS);
	add_loop_test(s, epoll_loop_gets_every_message, 0, N_TRANSPORTS);
	add_test(s, child_does_not_drain_the_parents_fd);
	add_loop_test(s, child_asks_for_an_fd_of_its_own, 0, N_TRANSPORTS);
	tcase_add_test(test_case_without_leak_check(s, "foreign_file"),
		       a_foreign_file_under_the_tickers_number_is_not_read);
	add_test(s, wait_names_an_end_that_is_ready);
	add_loop_test(s, wait_skips_what_is_not_there, 0, N_TRANSPORTS);
	add_loop_test(s, wait_takes_foreign_fds, 0, N_TRANSPORTS);
	add_loop_test(s, wait_refuses_bad_arguments, 0, N_TRANSPORTS);
	add_loop_test(s, wait_wakes_up, 0, 3);
	return s;
}

IPK_TEST_MAIN(suite)
