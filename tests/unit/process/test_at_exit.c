/*
 * test_at_exit.c - lib/process/at_exit.c: the order in which things end, what is registered
 * meanwhile, and that a fork does not end what belongs to its parent.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/process_internal.h"
#include "support/support.h"

static char order[64];

static void note(void *arg)
{
	strcat(order, arg);
}

static void add(const char *word, int priority)
{
	ck_ok(ipk_at_exit(note, (void *)word, priority));
}

START_TEST(by_priority_and_the_last_one_first)
{
	add("a", 0);
	add("b", 10);
	add("c", 0);
	add("d", -1);
	add("e", 10);
	add("f", -5);
	add("g", INT32_MIN);
	add("h", -1);
	add("i", INT32_MAX);
	ipk__at_exit_run();
	ck_assert_str_eq(order, "iebcahdfg");
	/* Each once. */
	ipk__at_exit_run();
	ck_assert_str_eq(order, "iebcahdfg");
}
END_TEST

static void register_more(void *arg)
{
	note(arg);
	add("y", 5); /* its turn is over, but it is the next all the same */
	add("z", -1);
}

START_TEST(registered_meanwhile)
{
	add("a", 0);
	ck_ok(ipk_at_exit(register_more, "x", 1));
	add("b", -2);
	ipk__at_exit_run();
	ck_assert_str_eq(order, "xyazb");
}
END_TEST

START_TEST(nothing_to_call)
{
	ck_err(ipk_at_exit(NULL, NULL, 0), -EINVAL);
	ipk__at_exit_run();
	ck_assert_str_eq(order, "");
}
END_TEST

static int run_in_child(void *arg)
{
	(void)arg;
	add("child", 0);
	ipk__at_exit_run();
	return strcmp(order, "child") == 0 ? 0 : 1;
}

START_TEST(a_fork_runs_its_own_only)
{
	add("parent", 0);
	reap_ok(spawn(run_in_child, NULL));
	ck_assert_str_eq(order, "");
	ipk__at_exit_run();
	ck_assert_str_eq(order, "parent");
}
END_TEST

static int out_fd;

static void write_it(void *arg)
{
	ck_assert_int_eq(write(out_fd, arg, 1), 1);
}

static int end_by_exit(void *arg)
{
	(void)arg;
	ck_ok(ipk_at_exit(write_it, "2", -1));
	ck_ok(ipk_at_exit(write_it, "1", 1));
	exit(0);
}

static int end_by_exit_now(void *arg)
{
	(void)arg;
	ck_ok(ipk_at_exit(write_it, "3", 0));
	_exit(0);
}

/* exit() runs them, _exit() does not. */
START_TEST(when_the_process_ends)
{
	char text[8] = "";
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	out_fd = ends[1];
	reap_ok(spawn(end_by_exit, NULL));
	reap_ok(spawn(end_by_exit_now, NULL));
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], text, sizeof text - 1), 2);
	ck_assert_str_eq(text, "12");
	close(ends[0]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("at_exit");

	add_test(s, by_priority_and_the_last_one_first);
	add_test(s, registered_meanwhile);
	add_test(s, nothing_to_call);
	add_test(s, a_fork_runs_its_own_only);
	add_test(s, when_the_process_ends);
	return s;
}
IPK_TEST_MAIN(suite)
