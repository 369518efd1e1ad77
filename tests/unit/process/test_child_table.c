/*
 * test_child_table.c - lib/process/child_table.c: which children exist, which call reaps them, and
 * what happens to them when their handle is closed or this process ends.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "process/process_internal.h"
#include "support/support.h"

static struct gate gate;

static int until_the_gate_opens(void *arg)
{
	(void)arg;
	gate_wait(&gate);
	return 0;
}

static int for_ever(void *arg)
{
	(void)arg;
	while (true)
		pause();
	return 0;
}

static ipk_process *start(const char *name, unsigned flags, ipk_process_fn fn)
{
	ipk_process *p;

	ck_ok(ipk_process_start(
		fn, NULL, IPK_PROCESS(.name = name, .flags = flags, .start_method = IPK_START_FORK),
		&p));
	return p;
}

static size_t n_active(void)
{
	size_t n = 77;

	ck_ok(ipk_active_children(NULL, 0, &n));
	return n;
}

START_TEST(the_list)
{
	ipk_process_info infos[3];
	ipk_process *a, *b;
	size_t n = 77;

	ck_assert(ipk__child_table_is_empty());
	ck_assert_uint_eq(n_active(), 0);
	gate_init(&gate);
	a = start("first", IPK_PROCESS_DIE_WITH_PARENT, until_the_gate_opens);
	b = start("second", 0, until_the_gate_opens);
	ck_assert(!ipk__child_table_is_empty());
	memset(infos, 'x', sizeof infos);
	ck_ok(ipk_active_children(infos, 3, &n));
	ck_assert_uint_eq(n, 2);
	for (int i = 0; i < 2; i++) {
		bool is_first = infos[i].pid == ipk_process_pid(a);

		ck_assert(is_first || infos[i].pid == ipk_process_pid(b));
		ck_assert_str_eq(infos[i].name, is_first ? "first" : "second");
		ck_assert_uint_eq(infos[i].flags, is_first ? IPK_PROCESS_DIE_WITH_PARENT : 0);
		ck_assert_int_eq(infos[i].start_method, IPK_START_FORK);
		ck_assert_int_ge(infos[i].running_ns, 0);
	}
	ck_assert_int_ne(infos[0].pid, infos[1].pid);
	/* How many there are, however many are asked for. */
	infos[1].pid = 77;
	ck_ok(ipk_active_children(infos, 1, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(infos[1].pid, 77);
	ck_err(ipk_active_children(NULL, 1, &n), -EINVAL);
	ck_err(ipk_active_children(infos, 1, NULL), -EINVAL);

	gate_open(&gate);
	ck_ok(ipk_process_join(a, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_process_join(b, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_uint_eq(n_active(), 0);
	ck_assert(!ipk__child_table_is_empty()); /* their handles are there yet */
	ipk_process_close(a);
	ipk_process_close(b);
	ck_assert(ipk__child_table_is_empty());
	gate_fini(&gate);
}
END_TEST

static bool is_none_active(void *arg)
{
	(void)arg;
	return n_active() == 0;
}

/* Whoever asks first reaps it; what is told afterwards is the same. */
START_TEST(reaped_once_and_told_to_all)
{
	ipk_process_status one, two;
	ipk_process *p;

	p = start("p", 0, for_ever);
	ck_ok(ipk_process_kill(p));
	ck_assert(wait_until(is_none_active, NULL, WAIT_MS)); /* this is who asked */
	ck_ok(ipk_process_join(p, ipk_now(), &one));
	ck_ok(ipk_process_join(p, ipk_now(), &two));
	ck_assert_int_eq(one.signal, SIGKILL);
	ck_assert(!one.is_oom); /* the handle's own signal */
	ck_assert_mem_eq(&one, &two, sizeof one);
	ipk_process_close(p);
}
END_TEST

static int look_in_child(void *arg)
{
	(void)arg;
	return ipk__child_table_is_empty() && n_active() == 0 ? 0 : 1;
}

START_TEST(a_fork_begins_with_none)
{
	ipk_process *p = start("p", 0, for_ever);

	reap_ok(spawn(look_in_child, NULL));
	ck_assert_uint_eq(n_active(), 1);
	ck_ok(ipk_process_kill(p));
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(p);
}
END_TEST

static bool is_empty(void *arg)
{
	(void)arg;
	(void)n_active();
	return ipk__child_table_is_empty();
}

/* Closed while it runs, it is kept in mind, for the end of this process; until it has ended. */
START_TEST(a_closed_daemon_is_kept_until_it_ends)
{
	ipk_process *daemon, *other;
	size_t n;
	ipk_process_info info;

	gate_init(&gate);
	daemon = start("daemon", IPK_PROCESS_DAEMON, until_the_gate_opens);
	ipk_process_close(daemon);
	ck_ok(ipk_active_children(&info, 1, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(info.name, "daemon");
	gate_open(&gate);
	ck_assert(wait_until(is_empty, NULL, WAIT_MS));
	gate_fini(&gate);

	gate_init(&gate);
	other = start("other", 0, until_the_gate_opens);
	n = (size_t)ipk_process_pid(other);
	ipk_process_close(other);
	ck_assert(ipk__child_table_is_empty());
	gate_open(&gate);
	reap_ok((pid_t)n); /* it is nobody's now */
	gate_fini(&gate);
}
END_TEST

static struct gate polite_is_ready, stubborn_is_ready;

/* Check would end the whole test. */
static int end_by_sigterm(void *arg)
{
	signal(SIGTERM, SIG_DFL);
	gate_open(&polite_is_ready);
	return for_ever(arg);
}

static int ignore_sigterm(void *arg)
{
	signal(SIGTERM, SIG_IGN);
	gate_open(&stubborn_is_ready);
	return for_ever(arg);
}

/* Daemons are told, then killed; the others are waited for; the detached ones are let be. */
START_TEST(the_end_of_this_process)
{
	ipk_process_status status;
	ipk_process *polite, *stubborn, *detached, *other;

	gate_init(&gate);
	gate_init(&polite_is_ready);
	gate_init(&stubborn_is_ready);
	polite = start("polite", IPK_PROCESS_DAEMON, end_by_sigterm);
	stubborn = start("stubborn", IPK_PROCESS_DAEMON, ignore_sigterm);
	detached = start("detached", IPK_PROCESS_DETACHED, for_ever);
	other = start("other", 0, until_the_gate_opens);
	gate_wait(&polite_is_ready);
	gate_wait(&stubborn_is_ready);

	ipk__child_table_end_daemons();
	ck_ok(ipk_process_join(polite, ipk_now(), &status));
	ck_assert_int_eq(status.signal, SIGTERM);
	ck_ok(ipk_process_join(stubborn, ipk_now(), &status));
	ck_assert_int_eq(status.signal, SIGKILL);
	ck_assert(ipk_process_is_alive(other));
	gate_open(&gate);
	ipk__child_table_join_all();
	ck_assert(!ipk_process_is_alive(other));
	ck_assert(ipk_process_is_alive(detached));

	ck_ok(ipk_process_kill(detached));
	ck_ok(ipk_process_join(detached, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(detached);
	ipk_process_close(other);
	ipk_process_close(stubborn);
	ipk_process_close(polite);
	gate_fini(&stubborn_is_ready);
	gate_fini(&polite_is_ready);
	gate_fini(&gate);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("child_table");

	add_test(s, the_list);
	add_test(s, reaped_once_and_told_to_all);
	add_test(s, a_fork_begins_with_none);
	add_test(s, a_closed_daemon_is_kept_until_it_ends);
	add_test(s, the_end_of_this_process);
	return s;
}
IPK_TEST_MAIN(suite)
