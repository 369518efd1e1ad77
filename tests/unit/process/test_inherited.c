/*
 * test_inherited.c - lib/process/inherited.c: what may be inherited, both ways it is passed within
 * one process, and channels that are damaged or belong to another process.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipk/event.h"
#include "ipk/lock.h"
#include "ipk/queue.h"
#include "os/os.h"
#include "process/process_internal.h"
#include "support/support.h"

static bool is_open(int fd)
{
	return ipk__os_fd_check(fd) == 0;
}

START_TEST(what_may_be_given)
{
	int handle; /* not looked at */
	ipk_inherit many[IPK_INHERIT_MAX + 1];
	char names[IPK_INHERIT_MAX + 1][16];
	const struct {
		ipk_inherit e;
		int err;
	} cases[] = {
		{{"queue", "a", &handle, -1}, 0},        {{"fd", "a", NULL, 0}, 0},
		{{"queue", "a", NULL, -1}, -EBADF},      {{"fd", "a", NULL, -1}, -EBADF},
		{{"fd", "a", NULL, 1 << 20}, -EBADF},    {{"cake", "a", &handle, -1}, -EINVAL},
		{{NULL, "a", &handle, -1}, -EINVAL},     {{"lock", NULL, &handle, -1}, -EINVAL},
		{{"lock", "", &handle, -1}, -EINVAL},    {{"lock", "a b", &handle, -1}, -EINVAL},
		{{"lock", "a/b", &handle, -1}, -EINVAL},
	};

	for (size_t i = 0; i < IPK__N_OF(cases); i++)
		ck_err(ipk__inherit_check(&cases[i].e, 1), cases[i].err);
	for (int i = 0; i <= IPK_INHERIT_MAX; i++) {
		snprintf(names[i], sizeof names[i], "n%d", i);
		many[i] = (ipk_inherit){"lock", names[i], &handle, -1};
	}
	ck_ok(ipk__inherit_check(many, IPK_INHERIT_MAX));
	ck_err(ipk__inherit_check(many, IPK_INHERIT_MAX + 1), -EINVAL);
	many[5].name = "n40"; /* under one name only, whatever it is */
	many[5].noun = "queue";
	ck_err(ipk__inherit_check(many, IPK_INHERIT_MAX), -EINVAL);
	ck_err(ipk__inherit_check(NULL, 1), -EINVAL);
	ck_ok(ipk__inherit_check(NULL, 0));
}
END_TEST

/* As after a fork: the table is there. */
START_TEST(each_is_given_out_once)
{
	ipk_lock *lock = (ipk_lock *)(void *)&lock;
	ipk_event *event = (ipk_event *)(void *)&event;
	const ipk_inherit given[] = {IPK_INHERIT(lock, "a", lock), IPK_INHERIT(event, "b", event),
				     IPK_INHERIT_FD("c", 7)};
	int fd = -5;

	ipk__inherit_set(given, 3, -1);
	ck_assert_ptr_null(ipk_inherited(lock, "none"));
	ck_assert_ptr_null(ipk_inherited(event, "a")); /* of another noun: it stays */
	ck_assert_ptr_null(ipk_inherited_handle(NULL, "a"));
	ck_assert_ptr_null(ipk_inherited_handle("lock", NULL));
	ck_assert_ptr_eq(ipk_inherited(lock, "a"), lock);
	ck_assert_ptr_null(ipk_inherited(lock, "a"));
	ck_assert_ptr_eq(ipk_inherited(event, "b"), event);
	ck_err(ipk_inherited_fd("a", &fd), -ENOENT);
	ck_err(ipk_inherited_fd("c", NULL), -EINVAL);
	ck_assert_int_eq(fd, -5);
	ck_ok(ipk_inherited_fd("c", &fd));
	ck_assert_int_eq(fd, 7);
	ck_err(ipk_inherited_fd("c", &fd), -ENOENT);
	/* Those of the next table are new. */
	ipk__inherit_set(given, 3, -1);
	ck_assert_ptr_eq(ipk_inherited(lock, "a"), lock);
}
END_TEST

/* As for another program: into a socket, and out of it. */
START_TEST(packed_and_taken)
{
	int ends[2], inherit_fd, fd, n_before;
	char byte = 0;
	ipk_event *event, *same;
	ipk_queue *q, *copy;

	ck_assert_int_eq(pipe(ends), 0);
	ck_ok(ipk_event_create(NULL, &event));
	ck_ok(ipk_queue_create(NULL, &q));
	n_before = count_fds();
	{
		const ipk_inherit given[] = {IPK_INHERIT_FD("out", ends[1]),
					     IPK_INHERIT(event, "go", event),
					     IPK_INHERIT(queue, "jobs", q)};

		ck_ok(ipk__inherit_pack(given, 3, &inherit_fd));
	}
	ck_assert_int_ge(inherit_fd, 0);
	ck_ok(ipk__inherit_take(inherit_fd));
	ck_assert(!is_open(inherit_fd));

	ck_ok(ipk_inherited_fd("out", &fd));
	ck_assert_int_ne(fd, ends[1]);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	same = ipk_inherited(event, "go");
	ck_assert_ptr_nonnull(same);
	ck_ok(ipk_event_set(same));
	ck_ok(ipk_event_wait(event, ipk_now()));
	copy = ipk_inherited(queue, "jobs");
	ck_assert_ptr_nonnull(copy);
	ck_ok(ipk_queue_put(copy, "item", 4, ipk_now()));
	ck_assert_uint_eq(ipk_queue_len(q), 1);

	ipk_queue_close(copy);
	ipk_event_close(same);
	close(fd);
	ck_assert_int_eq(count_fds(), n_before);
	ipk_queue_close(q);
	ipk_event_close(event);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(nothing_needs_no_channel)
{
	int fd = 5;

	ck_ok(ipk__inherit_pack(NULL, 0, &fd));
	ck_assert_int_eq(fd, -1);
}
END_TEST

/* --- by name ---------------------------------------------------------------------------------- */

START_TEST(what_has_a_name_is_opened_by_it)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_event *event, *same;
	int inherit_fd;

	unique_name(name, "inherited");
	ck_ok(ipk_event_create(IPK_EVENT(.name = name), &event));
	{
		const ipk_inherit given[] = {IPK_INHERIT(event, "go", event)};

		ck_ok(ipk__inherit_pack(given, 1, &inherit_fd));
		ck_ok(ipk__inherit_take(inherit_fd));
		same = ipk_inherited(event, "go");
		ck_assert_ptr_nonnull(same);
		ck_ok(ipk_event_set(same));
		ck_ok(ipk_event_wait(event, ipk_now()));
		ipk_event_close(same);

		/* Gone on the way: not there, and no error. */
		ck_ok(ipk__inherit_pack(given, 1, &inherit_fd));
		ck_ok(ipk_event_unlink(name));
		ck_ok(ipk__inherit_take(inherit_fd));
		ck_assert_ptr_null(ipk_inherited(event, "go"));
		/* Gone before: a child would find nothing, or something else. */
		ck_err(ipk__inherit_pack(given, 1, &inherit_fd), -ESTALE);
	}
	ipk_event_close(event);
}
END_TEST

/* --- channels that are none ------------------------------------------------------------------- */

START_TEST(an_fd_that_is_somebody_elses)
{
	int ends[2], sides[2];
	char text[8];

	ck_err(ipk__inherit_take(-1), -EPROTO);
	ck_err(ipk__inherit_take(0), -EPROTO); /* stdin: never looked at */
	ck_err(ipk__inherit_take(1 << 20), -EPROTO);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "theirs", 6), 6);
	ck_err(ipk__inherit_take(ends[0]), -EPROTO);
	/* It is as it was: open, with all that is in it. */
	ck_assert_int_eq(read(ends[0], text, sizeof text), 6);
	close(ends[0]);
	close(ends[1]);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sides), 0);
	ck_assert_int_eq(write(sides[1], "0123456789abcdef", 16), 16);
	ck_err(ipk__inherit_take(sides[0]), -EPROTO);
	ck_assert(is_open(sides[0]));
	ck_assert_int_eq(recv(sides[0], text, sizeof text, MSG_DONTWAIT), sizeof text);
	close(sides[0]);
	close(sides[1]);
}
END_TEST

/* How many, and then noun and name of each: so they can be sent again, changed. */
static size_t packets_of(const ipk_inherit *given, size_t n, char packets[][512], size_t sizes[])
{
	size_t n_packets = 0;
	int inherit_fd;
	ssize_t got;

	ck_ok(ipk__inherit_pack(given, n, &inherit_fd));
	while ((got = recv(inherit_fd, packets[n_packets], 512, MSG_DONTWAIT)) > 0)
		sizes[n_packets++] = (size_t)got;
	close(inherit_fd);
	return n_packets;
}

/* For LeakSanitizer: what was inherited lasts as long as the process, which takes it but once. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:take_all";
}

static int take_packets(char packets[][512], const size_t sizes[], size_t n)
{
	int sides[2];
	int r;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sides), 0);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(write(sides[1], packets[i], sizes[i]), (ssize_t)sizes[i]);
	close(sides[1]);
	r = ipk__inherit_take(sides[0]);
	if (is_open(sides[0]))
		close(sides[0]);
	return r;
}

/* What begins like one of ours and goes on otherwise: refused, and nothing is given out. */
START_TEST(damaged_packets)
{
	enum { MAGIC_BYTES = 8, NOUN_AT = 8 };
	char packets[4][512], name[UNIQUE_NAME_BYTES];
	size_t sizes[4];
	ipk_event *event, *same;

	unique_name(name, "damaged");
	ck_ok(ipk_event_create(IPK_EVENT(.name = name), &event));
	{
		const ipk_inherit given[] = {IPK_INHERIT(event, "go", event)};

		ck_assert_uint_eq(packets_of(given, 1, packets, sizes), 2);
	}
	/* As it is, it is good. */
	ck_ok(take_packets(packets, sizes, 2));
	same = ipk_inherited(event, "go");
	ck_assert_ptr_nonnull(same);
	ipk_event_close(same);

	ck_assert_int_lt(take_packets(packets, sizes, 1), 0);
	for (size_t i = 0; i < MAGIC_BYTES + 3; i++) {
		packets[1][i] ^= 4;
		ck_err(take_packets(packets, sizes, 2), -EPROTO);
		ck_assert_ptr_null(ipk_inherited(event, "go"));
		packets[1][i] ^= 4;
	}
	/* An fd opens by no name. */
	strcpy(packets[1] + NOUN_AT, "fd");
	ck_err(take_packets(packets, sizes, 2), -EPROTO);
	strcpy(packets[1] + NOUN_AT, "event");
	sizes[1]--;
	ck_err(take_packets(packets, sizes, 2), -EPROTO);
	sizes[1]++;
	for (int i = 0; i < 3; i++) {
		uint64_t wrong = i == 0 ? 0 : i == 1 ? IPK_INHERIT_MAX + 1 : UINT64_MAX;

		memcpy(packets[0] + MAGIC_BYTES, &wrong, sizeof wrong);
		ck_err(take_packets(packets, sizes, 2), -EPROTO);
	}
	ck_ok(ipk_event_unlink(name));
	ipk_event_close(event);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("inherited");

	add_test(s, what_may_be_given);
	add_test(s, each_is_given_out_once);
	add_test(s, packed_and_taken);
	add_test(s, nothing_needs_no_channel);
	add_test(s, what_has_a_name_is_opened_by_it);
	add_test(s, an_fd_that_is_somebody_elses);
	add_test(s, damaged_packets);
	return s;
}
IPK_TEST_MAIN(suite)
