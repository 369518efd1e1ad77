/* test_fd.c - lib/os/fd.c: doorbells, epoll sets, tickers and waits with a deadline. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

static bool is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

START_TEST(every_fd_closes_on_exec)
{
	int fds[6], n = 0;

	ck_ok(ipk__os_doorbell_open(&fds[n++]));
	ck_ok(ipk__os_dup(fds[0], &fds[n++]));
	ck_ok(ipk__os_epoll(&fds[n++]));
	ck_ok(ipk__os_ticker(1000000, &fds[n++]));
	ck_ok(ipk__os_socketpair(&fds[n]));
	n += 2;
	while (n-- > 0) {
		ck_assert_int_eq(fcntl(fds[n], F_GETFD), FD_CLOEXEC);
		ipk__os_close(fds[n]);
	}
	ipk__os_close(-1);
	ck_err(ipk__os_dup(-1, &fds[0]), -EBADF);
}
END_TEST

START_TEST(edge_reports_once_and_level_until_it_is_gone)
{
	int edge, level, doorbell, socks[2];

	ck_ok(ipk__os_epoll(&edge));
	ck_ok(ipk__os_epoll(&level));
	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_ok(ipk__os_socketpair(socks));
	ck_ok(ipk__os_epoll_add(edge, doorbell, true, false));
	ck_ok(ipk__os_epoll_add(level, socks[0], false, true));
	ck_err(ipk__os_epoll_add(edge, doorbell, true, false), -EEXIST);
	for (int i = 0; i < 3; i++) {
		ck_assert(!is_readable(edge, 0));
		ipk__os_doorbell(doorbell);
		ck_assert(is_readable(edge, 0));
		ipk__os_epoll_drain(edge);
	}
	ck_assert(!is_readable(level, 0));
	ipk__os_close(socks[1]);
	for (int i = 0; i < 3; i++) {
		ck_assert(is_readable(level, 0));
		ipk__os_epoll_drain(level);
	}
	ipk__os_close(socks[0]);
	ipk__os_close(edge);
	ipk__os_close(level);
	ipk__os_close(doorbell);
}
END_TEST

/* It ticks on only when it is asked to: one that nobody looks at costs nothing. */
START_TEST(ticker_ticks_on_after_each_read)
{
	int set, ticker, pipe_fds[2];
	char byte;

	ck_ok(ipk__os_epoll(&set));
	ck_ok(ipk__os_ticker(2000000, &ticker));
	ck_ok(ipk__os_epoll_add(set, ticker, true, false));
	for (int i = 0; i < 5; i++) {
		ck_assert(is_readable(set, WAIT_MS));
		ipk__os_epoll_drain(set);
		ipk__os_ticker_read(ticker);
	}
	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(write(pipe_fds[1], "12345678", 8), 8);
	ipk__os_ticker_read(pipe_fds[0]);
	ipk__os_ticker_read(-1);
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
	ck_assert(byte == '1');
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	ipk__os_close(ticker);
	ipk__os_close(set);
}
END_TEST

static void ignore(int sig)
{
	(void)sig;
}

START_TEST(poll_keeps_its_deadline_under_signals)
{
	struct sigaction action = {.sa_handler = ignore};
	struct itimerval storm = {{0, 1000}, {0, 1000}}, calm = {{0, 0}, {0, 0}};
	ipk_deadline deadline = ipk_in_ms(50);
	int fd;

	ck_ok(ipk__os_doorbell_open(&fd));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &storm, NULL);
	ck_err(ipk__os_poll1(fd, IPK__OS_IN, deadline, NULL), -ETIMEDOUT);
	ck_assert(ipk_deadline_left_ns(deadline) == 0);
	deadline = ipk_in_ms(50);
	ck_err(ipk__os_poll(NULL, 0, deadline), -ETIMEDOUT);
	ck_assert(ipk_deadline_left_ns(deadline) == 0);
	setitimer(ITIMER_REAL, &calm, NULL);
	ipk__os_close(fd);
}
END_TEST

START_TEST(poll_tells_what_happened)
{
	int socks[2], events = 0;

	ck_ok(ipk__os_socketpair(socks));
	ck_ok(ipk__os_poll1(socks[0], IPK__OS_IN | IPK__OS_OUT, ipk_now(), &events));
	ck_assert_int_eq(events, IPK__OS_OUT);
	ck_err(ipk__os_poll1(socks[0], IPK__OS_IN, ipk_now(), &events), -ETIMEDOUT);
	ck_assert_int_eq(events, IPK__OS_OUT);
	ck_assert_int_eq(ipk__os_is_hung_up(socks[0]), 0);
	ck_assert_int_eq(write(socks[1], "x", 1), 1);
	ck_ok(ipk__os_poll1(socks[0], IPK__OS_IN, ipk_forever(), &events));
	ck_assert_int_eq(events, IPK__OS_IN);
	ipk__os_close(socks[1]);
	ck_ok(ipk__os_poll1(socks[0], IPK__OS_IN, ipk_now(), &events));
	ck_assert_int_eq(events, IPK__OS_IN | IPK__OS_HUP);
	ck_assert_int_eq(ipk__os_is_hung_up(socks[0]), 1);
	ipk__os_close(socks[0]);
	ck_err(ipk__os_poll1(socks[0], IPK__OS_IN, ipk_now(), NULL), -EBADF);
	ck_assert_int_eq(ipk__os_is_hung_up(socks[0]), -EBADF);
}
END_TEST

static void ck_polls(int n_fds_allowed)
{
	struct rlimit before, limit;
	struct pollfd many[3];
	int a[2], b[2], events = 0;

	ck_ok(ipk__os_socketpair(a));
	ck_assert_int_eq(pipe(b), 0);
	many[0] = (struct pollfd){.fd = a[0], .events = POLLIN};
	many[1] = (struct pollfd){.fd = -1, .events = POLLIN};
	many[2] = (struct pollfd){.fd = b[0], .events = POLLIN};
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = (struct rlimit){(rlim_t)n_fds_allowed, before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_ok(ipk__os_poll1(a[0], IPK__OS_IN | IPK__OS_OUT, ipk_now(), &events));
	ck_assert_int_eq(events, IPK__OS_OUT);
	ck_err(ipk__os_poll1(a[0], IPK__OS_IN, ipk_in_ms(5), NULL), -ETIMEDOUT);
	ck_err(ipk__os_poll(many, 3, ipk_in_ms(5)), -ETIMEDOUT);
	ck_assert_int_eq(ipk__os_is_hung_up(a[0]), 0);
	ck_assert_int_eq(ipk__os_is_hung_up(b[0]), 0);
	ck_assert_int_eq(write(b[1], "x", 1), 1);
	ck_ok(ipk__os_poll(many, 3, ipk_forever()));
	ck_assert_int_eq(many[0].revents | many[1].revents, 0);
	ck_assert_int_eq(many[2].revents, POLLIN);
	ck_assert_int_eq(ipk__os_is_hung_up(b[0]), 0);
	ck_assert_int_eq(read(b[0], &events, 1), 1);
	ipk__os_close(b[1]);
	ipk__os_close(a[1]);
	ck_ok(ipk__os_poll(many, 3, ipk_forever()));
	ck_assert(many[0].revents & POLLHUP && many[2].revents & POLLHUP);
	ck_assert_int_eq(ipk__os_is_hung_up(a[0]), 1);
	ck_assert_int_eq(ipk__os_is_hung_up(b[0]), 1);
	ipk__os_close(a[0]);
	ck_err(ipk__os_poll1(a[0], IPK__OS_IN, ipk_now(), NULL), -EBADF);
	ck_assert_int_eq(ipk__os_is_hung_up(a[0]), -EBADF);
	ipk__os_close(b[0]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* A sandbox lowers RLIMIT_NOFILE: poll() refuses more fds than that, open as they are. */
START_TEST(polls_more_than_may_be_opened)
{
	ck_polls(0);
}
END_TEST

START_TEST(polls_more_than_may_be_opened_at_once)
{
	ck_polls(1);
}
END_TEST

static int hold_lock(void *arg)
{
	int *fds = arg;

	close(fds[1]);
	return ipk__os_lock_file(fds[0], IPK__OS_SHARED) == 0 ? pause() : 1;
}

START_TEST(lock_is_the_open_files_and_goes_with_its_last_copy)
{
	int fd, copy, again;

	ck_ok(ipk__os_memfd("test", &fd));
	ck_ok(ipk__os_dup(fd, &copy));
	ck_ok(ipk__os_open_again(fd, false, &again));
	ck_assert_int_eq(fcntl(again, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(again, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_ok(ipk__os_lock_file(fd, IPK__OS_SHARED));
	ck_ok(ipk__os_lock_file(again, IPK__OS_SHARED));
	ck_err(ipk__os_lock_file(again, IPK__OS_ALONE), -EAGAIN);
	/* What failed has let go of nothing of the other's. */
	ck_ok(ipk__os_lock_file(again, IPK__OS_UNLOCKED));
	ck_ok(ipk__os_lock_file(copy, IPK__OS_ALONE));
	ck_err(ipk__os_lock_file(again, IPK__OS_SHARED), -EAGAIN);
	ipk__os_close(fd);
	ck_err(ipk__os_lock_file(again, IPK__OS_SHARED), -EAGAIN);
	ipk__os_close(copy);
	ck_ok(ipk__os_lock_file(again, IPK__OS_ALONE));
	ipk__os_close(again);
	ck_err(ipk__os_open_again(again, true, &fd), -EBADF);
	ck_err(ipk__os_lock_file(again, IPK__OS_ALONE), -EBADF);
}
END_TEST

static bool is_shared(void *arg)
{
	if (ipk__os_lock_file(*(int *)arg, IPK__OS_ALONE) == -EAGAIN)
		return true;
	ipk__os_lock_file(*(int *)arg, IPK__OS_UNLOCKED);
	return false;
}

START_TEST(lock_of_a_killed_process_is_dropped)
{
	int fds[2];
	pid_t pid;

	ck_ok(ipk__os_memfd("test", &fds[0]));
	ck_ok(ipk__os_open_again(fds[0], true, &fds[1]));
	pid = spawn(hold_lock, fds);
	ipk__os_close(fds[0]);
	ck_assert(wait_until(is_shared, &fds[1], WAIT_MS));
	kill_and_reap(pid);
	ck_ok(ipk__os_lock_file(fds[1], IPK__OS_ALONE));
	ipk__os_close(fds[1]);
}
END_TEST

/* In a child without stdin: whatever is made or received there goes elsewhere, or is closed. */
static int takes_fds(void *arg)
{
	struct rlimit none = {3, 3};
	int fd = -1, low, pair[2];

	(void)arg;
	close(0);
	low = dup(1);
	ck_assert_int_eq(low, 0);
	ck_ok(ipk__os_take_fd(low, &fd));
	ck_assert_int_gt(fd, 2);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_err(ipk__os_fd_check(0), -EBADF);
	errno = ENFILE;
	ck_err(ipk__os_take_fd(-1, &fd), -ENFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	pair[0] = dup(1);
	pair[1] = fd;
	ck_assert_int_eq(pair[0], 0);
	ck_err(ipk__os_take_fds(pair, 2), -EMFILE);
	ck_err(ipk__os_fd_check(0), -EBADF);
	ck_err(ipk__os_fd_check(fd), -EBADF);
	ck_err(ipk__os_pidfd_check(), -EMFILE);
	ck_err(ipk__os_doorbell_open(&fd), -EMFILE);
	return 0;
}

START_TEST(the_door)
{
	reap_ok(spawn(takes_fds, NULL));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fd");

	add_test(s, every_fd_closes_on_exec);
	add_test(s, edge_reports_once_and_level_until_it_is_gone);
	add_test(s, ticker_ticks_on_after_each_read);
	add_test(s, poll_keeps_its_deadline_under_signals);
	add_test(s, poll_tells_what_happened);
	add_test(s, polls_more_than_may_be_opened);
	add_test(s, polls_more_than_may_be_opened_at_once);
	add_test(s, lock_is_the_open_files_and_goes_with_its_last_copy);
	add_test(s, lock_of_a_killed_process_is_dropped);
	add_test(s, the_door);
	return s;
}

IPK_TEST_MAIN(suite)
