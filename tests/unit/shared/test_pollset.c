/* test_pollset.c - lib/shared/pollset.c: one doorbell wakes every process's own set. */
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/os.h"
#include "shared/pollset.h"
#include "support/support.h"

/* The process-wide ticker stays open once made: make it before leaks are counted. */
static void make_ticker(void)
{
	struct ipk__pollset set = IPK__POLLSET_NONE;
	int doorbell, fd;

	if (ipk__os_doorbell_open(&doorbell) < 0 || ipk__pollset_fd(&set, doorbell, -1, &fd) < 0)
		abort();
	ipk__pollset_close(&set);
	ipk__os_close(doorbell);
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* The ticker may make it readable for nothing, but not ten times in a row. */
static bool becomes_quiet(const struct ipk__pollset *set)
{
	for (int i = 0; i < 10; i++) {
		ipk__pollset_drain(set);
		if (!is_readable(set->fd, 0))
			return true;
	}
	return false;
}

START_TEST(rings_are_heard_in_every_set)
{
	struct ipk__pollset one = IPK__POLLSET_NONE, two = IPK__POLLSET_NONE;
	int doorbell, fd, again;

	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_ok(ipk__pollset_fd(&one, doorbell, -1, &fd));
	ck_ok(ipk__pollset_fd(&one, doorbell, -1, &again));
	ck_assert_int_eq(fd, again);
	ck_ok(ipk__pollset_fd(&two, doorbell, -1, &again));
	ck_assert_int_ne(fd, again);
	ck_assert(becomes_quiet(&one) && becomes_quiet(&two));
	for (int i = 0; i < 100; i++) {
		ipk__os_doorbell(doorbell);
		ck_assert(is_readable(one.fd, 0) && is_readable(two.fd, 0));
		ipk__pollset_drain(&one);
		ck_assert(is_readable(two.fd, 0));
		ipk__pollset_drain(&two);
	}
	ck_assert(becomes_quiet(&one) && becomes_quiet(&two));
	ipk__pollset_close(&one);
	ipk__pollset_close(&one);
	ipk__pollset_close(&two);
	ipk__os_close(doorbell);
}
END_TEST

/* A FIFO that nobody reads is full one day: it still rings. */
START_TEST(doorbell_that_is_full_still_rings)
{
	struct ipk__pollset set = IPK__POLLSET_NONE;
	char name[UNIQUE_NAME_BYTES], file[UNIQUE_NAME_BYTES + 8];
	int doorbell, fd;

	unique_name(name, "doorbell");
	strcpy(file, "ipk.");
	strcat(file, name);
	if (_i == 0)
		ck_ok(ipk__os_shm_fifo(file, true, &doorbell));
	else
		ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_ok(ipk__pollset_fd(&set, doorbell, -1, &fd));
	for (int i = 0; i < 20000; i++) {
		if (_i == 0)
			ipk__os_doorbell_fifo(doorbell);
		else
			ipk__os_doorbell(doorbell);
		ck_assert(is_readable(fd, 0));
		ipk__pollset_drain(&set);
	}
	ipk__pollset_close(&set);
	ipk__os_close(doorbell);
	if (_i == 0)
		ck_ok(ipk__os_shm_unlink(file));
}
END_TEST

START_TEST(ticker_ticks_on)
{
	struct ipk__pollset set = IPK__POLLSET_NONE;
	int doorbell, fd;

	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_ok(ipk__pollset_fd(&set, doorbell, -1, &fd));
	for (int i = 0; i < 3; i++) {
		ck_assert(becomes_quiet(&set));
		ck_assert(is_readable(fd, WAIT_MS));
	}
	ipk__pollset_close(&set);
	ipk__os_close(doorbell);
}
END_TEST

START_TEST(hang_up_stays_readable)
{
	struct ipk__pollset set = IPK__POLLSET_NONE;
	int doorbell, fd, side[2];

	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_ok(ipk__os_socketpair(side));
	ck_ok(ipk__pollset_fd(&set, doorbell, side[0], &fd));
	ck_assert(becomes_quiet(&set));
	ck_assert_int_eq(write(side[1], "x", 1), 1);
	ck_assert(becomes_quiet(&set));
	ipk__os_close(side[1]);
	for (int i = 0; i < 20; i++) {
		ck_assert(is_readable(fd, 0));
		ipk__pollset_drain(&set);
	}
	ipk__pollset_close(&set);
	ipk__os_close(side[0]);
	ipk__os_close(doorbell);
}
END_TEST

struct relatives {
	struct ipk__pollset set;
	int doorbell;
};

static int use_own_set(void *arg)
{
	struct relatives *f = arg;
	int parents = f->set.fd, fd;

	ipk__pollset_drain(&f->set);
	if (!is_readable(parents, 0))
		return 1;
	if (ipk__pollset_fd(&f->set, f->doorbell, -1, &fd) < 0)
		return 2;
	ipk__os_doorbell(f->doorbell);
	if (!is_readable(fd, 0))
		return 3;
	ipk__pollset_drain(&f->set);
	ipk__pollset_close(&f->set);
	return 0;
}

START_TEST(child_leaves_the_parents_set_alone)
{
	struct relatives f = {.set = IPK__POLLSET_NONE};
	int fd;

	ck_ok(ipk__os_doorbell_open(&f.doorbell));
	ck_ok(ipk__pollset_fd(&f.set, f.doorbell, -1, &fd));
	ck_assert(becomes_quiet(&f.set));
	ipk__os_doorbell(f.doorbell);
	reap_ok(spawn(use_own_set, &f));
	ck_assert(is_readable(fd, 0));
	ck_assert(becomes_quiet(&f.set));
	ipk__pollset_close(&f.set);
	ipk__os_close(f.doorbell);
}
END_TEST

START_TEST(no_fd_free)
{
	struct ipk__pollset set = IPK__POLLSET_NONE;
	struct rlimit was, limit;
	int doorbell, fd, r;

	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	r = ipk__pollset_fd(&set, doorbell, -1, &fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_err(r, -EMFILE);
	ck_assert_int_eq(set.fd, -1);
	ck_err(ipk__pollset_fd(&set, -1, -1, &fd), -EBADF);
	ck_assert_int_eq(set.fd, -1);
	ipk__pollset_drain(&set);
	ipk__os_close(doorbell);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pollset");

	make_ticker();
	add_test(s, rings_are_heard_in_every_set);
	add_loop_test(s, doorbell_that_is_full_still_rings, 0, 2);
	add_test(s, ticker_ticks_on);
	add_test(s, hang_up_stays_readable);
	add_test(s, child_leaves_the_parents_set_alone);
	add_test(s, no_fd_free);
	return s;
}

IPK_TEST_MAIN(suite)
