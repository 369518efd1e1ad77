/* test_doorbell.c - lib/os/doorbell.c: rings are edges for all pollers, and never block. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* Also when it has been full for long: nobody needs to empty it. */
START_TEST(each_ring_is_an_edge_in_each_set)
{
	int doorbell, sets[2];

	ck_ok(ipk__os_doorbell_open(&doorbell));
	for (int i = 0; i < 2; i++) {
		ck_ok(ipk__os_epoll(&sets[i]));
		ck_ok(ipk__os_epoll_add(sets[i], doorbell, true, false));
	}
	for (int k = 0; k < 1000; k++) {
		ipk__os_doorbell(doorbell);
		for (int i = 0; i < 2; i++) {
			ck_assert(is_readable(sets[i]));
			ipk__os_epoll_drain(sets[i]);
			ck_assert(!is_readable(sets[i]));
		}
	}
	ipk__os_close(sets[0]);
	ipk__os_close(sets[1]);
	ipk__os_close(doorbell);
}
END_TEST

START_TEST(one_drain_empties_it)
{
	int doorbell;

	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_assert(!ipk__os_doorbell_drain(doorbell));
	while (send(doorbell, "", 1, MSG_DONTWAIT) == 1)
		;
	ck_assert(ipk__os_doorbell_drain(doorbell));
	ck_assert(!is_readable(doorbell));
	ck_assert(!ipk__os_doorbell_drain(doorbell));
	ipk__os_close(doorbell);
}
END_TEST

/* Copies share flags; an end of it is for all, and no signal. */
START_TEST(no_state_of_it_makes_a_call_wait)
{
	int doorbell;

	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_assert_int_eq(fcntl(doorbell, F_SETFL, 0), 0);
	ck_assert(!ipk__os_doorbell_drain(doorbell));
	while (send(doorbell, "", 1, MSG_DONTWAIT) == 1)
		;
	ipk__os_doorbell(doorbell);
	ck_assert_int_eq(shutdown(doorbell, SHUT_RDWR), 0);
	ipk__os_doorbell(doorbell);
	ipk__os_doorbell_drain(doorbell);
	ck_assert(!ipk__os_doorbell_drain(doorbell));
	ipk__os_close(doorbell);
}
END_TEST

START_TEST(strangers_cannot_ring)
{
	struct sockaddr_un address;
	socklen_t n_bytes = sizeof address;
	int doorbell, other, stranger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(stranger, 0);
	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_ok(ipk__os_doorbell_open(&other));
	ck_assert_int_eq(getsockname(doorbell, (struct sockaddr *)&address, &n_bytes), 0);
	ck_assert_int_lt(sendto(stranger, "x", 1, 0, (struct sockaddr *)&address, n_bytes), 0);
	ck_assert_int_eq(errno, EPERM);
	ck_ok(ipk__os_doorbell_check(doorbell));
	ck_assert_int_lt(connect(other, (struct sockaddr *)&address, n_bytes), 0);
	ck_err(ipk__os_doorbell_check(stranger), -EPROTO);
	ipk__os_close(stranger);
	ipk__os_close(other);
	ipk__os_close(doorbell);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("doorbell");

	add_test(s, each_ring_is_an_edge_in_each_set);
	add_test(s, one_drain_empties_it);
	add_test(s, no_state_of_it_makes_a_call_wait);
	add_test(s, strangers_cannot_ring);
	return s;
}
IPK_TEST_MAIN(suite)
