/* test_event.c - lib/lock/event.c: a flag to wait for. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "ipk/event.h"
#include "lock/states.h"
#include "support/support.h"

static ipk_event *make(void)
{
	ipk_event *event = NULL;

	ck_ok(ipk_event_create(NULL, &event));
	return event;
}

START_TEST(set_clear_wait)
{
	ipk_event *event = make();

	ck_assert(!ipk_event_is_set(event));
	ck_err(ipk_event_wait(event, ipk_now()), -ETIMEDOUT);
	ck_err(ipk_event_wait(event, ipk_in_ms(1)), -ETIMEDOUT);
	ck_ok(ipk_event_set(event));
	ck_ok(ipk_event_set(event));
	ck_assert(ipk_event_is_set(event));
	ck_ok(ipk_event_wait(event, ipk_now()));
	ck_ok(ipk_event_wait(event, ipk_forever()));
	ck_ok(ipk_event_clear(event));
	ck_ok(ipk_event_clear(event));
	ck_assert(!ipk_event_is_set(event));
	ck_err(ipk_event_wait(event, ipk_now()), -ETIMEDOUT);
	ck_assert_ptr_null(ipk_event_close(event));
}
END_TEST

START_TEST(wrong_arguments)
{
	ipk_event_opts odd = {.struct_size = 1};
	IPK_AUTO(event, event);

	ck_err(ipk_event_create(NULL, NULL), -EINVAL);
	ck_err(ipk_event_create(&odd, &event), -EINVAL);
	ck_err(ipk_event_create(IPK_EVENT(.name = "a/b"), &event), -EINVAL);
	ck_err(ipk_event_open("t-nobody-made-it", ipk_now(), &event), -ENOENT);
	ck_err(ipk_event_open("t-nobody-made-it", ipk_now(), NULL), -EINVAL);
	ck_err(ipk_event_unlink("t-nobody-made-it"), -ENOENT);
	ck_assert_ptr_null(event);
	ck_err(ipk_event_set(NULL), -EBADF);
	ck_err(ipk_event_clear(NULL), -EBADF);
	ck_err(ipk_event_wait(NULL, ipk_now()), -EBADF);
	ck_assert(!ipk_event_is_set(NULL));
	ck_err(ipk_event_waiters(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_err(ipk_event_send(NULL, NULL, ipk_now()), -EBADF);
	ck_assert_ptr_null(ipk_event_close(NULL));
}
END_TEST

START_TEST(named_and_passed_on)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_event *event = NULL, *other = NULL, *third = NULL;
	ipk_pipe *a = NULL, *b = NULL;

	unique_name(name, "event");
	ck_ok(ipk_event_create(IPK_EVENT(.name = name, .is_set = true), &event));
	ck_err(ipk_event_create(IPK_EVENT(.name = name), &other), -EEXIST);
	ck_ok(ipk_event_open(name, ipk_now(), &other));
	ck_assert(ipk_event_is_set(other));
	ck_ok(ipk_event_clear(other));
	ck_assert(!ipk_event_is_set(event));
	ck_ok(ipk_event_unlink(name));
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_err(ipk_event_send(event, a, ipk_now()), -EOPNOTSUPP);
	ipk_event_close(event);
	ipk_event_close(other);
	event = make();
	ck_ok(ipk_event_send(event, a, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_event_recv(b, ipk_in_ms(WAIT_MS), NULL), -EINVAL);
	ck_ok(ipk_event_recv(b, ipk_in_ms(WAIT_MS), &third));
	ck_ok(ipk_event_set(third));
	ck_ok(ipk_event_wait(event, ipk_now()));
	ipk_event_close(event);
	ipk_event_close(third);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* --- waking ----------------------------------------------------------------------------------- */

static int wait_long(void *arg)
{
	return ipk_event_wait(arg, ipk_in_ms(WAIT_MS)) == 0 ? 0 : 1;
}

struct crowd {
	ipk_event *event;
	size_t n;
};

static bool all_wait(void *arg)
{
	struct crowd *c = arg;

	return N_LISTED(ipk_event_waiters, c->event, NULL, 0) == c->n;
}

static void ck_all_wait(ipk_event *event, size_t n)
{
	struct crowd c = {event, n};

	ck_assert(wait_until(all_wait, &c, WAIT_MS));
}

START_TEST(set_wakes_all_that_wait)
{
	ipk_event *event = make();
	pid_t pids[8];
	uint32_t tids[8];

	for (int i = 0; i < 8; i++)
		pids[i] = spawn(wait_long, event);
	ck_all_wait(event, 8);
	ck_assert_uint_eq(N_LISTED(ipk_event_waiters, event, tids, 8), 8);
	for (int i = 0; i < 8; i++)
		ck_wait_asleep(pids[i]);
	ck_ok(ipk_event_set(event));
	for (int i = 0; i < 8; i++)
		reap_ok(pids[i]);
	ck_assert_uint_eq(N_LISTED(ipk_event_waiters, event, NULL, 0), 0);
	ipk_event_close(event);
}
END_TEST

/* However soon it is cleared, whoever waited returns: stopped ones too. */
START_TEST(a_short_set_is_seen)
{
	ipk_event *event = make();

	for (int round = 0; round < repeats(40); round++) {
		pid_t pids[3];

		for (int i = 0; i < 3; i++)
			pids[i] = spawn(wait_long, event);
		ck_all_wait(event, 3);
		if (round % 8 == 0)
			ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
		ck_ok(ipk_event_set(event));
		ck_ok(ipk_event_clear(event));
		ck_assert_int_eq(kill(pids[0], SIGCONT), 0);
		for (int i = 0; i < 3; i++)
			reap_ok(pids[i]);
	}
	ck_assert(!ipk_event_is_set(event));
	ipk_event_close(event);
}
END_TEST

/* The count of sets wraps without being taken for no set at all, or for the flag. */
START_TEST(the_count_wraps)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_event *event = NULL;
	struct ipk__ref ref;
	pid_t pid;

	unique_name(name, "event");
	ck_ok(ipk_event_create(IPK_EVENT(.name = name), &event));
	ck_ok(ipk__object_open(name, IPK__OBJECT_EVENT, sizeof(struct ipk__shm_flag), &ref));
	atomic_store(&((struct ipk__shm_flag *)ref.object)->word, UINT32_MAX - 3);
	pid = spawn(wait_long, event);
	ck_all_wait(event, 1);
	ck_ok(ipk_event_set(event));
	ck_ok(ipk_event_clear(event));
	reap_ok(pid);
	ck_assert_uint_eq(atomic_load(&((struct ipk__shm_flag *)ref.object)->word), 0);
	ck_err(ipk_event_wait(event, ipk_now()), -ETIMEDOUT);
	ipk__object_close(&ref);
	ck_ok(ipk_event_unlink(name));
	ipk_event_close(event);
}
END_TEST

START_TEST(killed_waiters_are_in_nobodys_way)
{
	ipk_event *event = make();
	pid_t pids[6];

	for (int i = 0; i < 6; i++)
		pids[i] = spawn(wait_long, event);
	ck_all_wait(event, 6);
	for (int i = 0; i < 5; i++)
		kill_and_reap(pids[i]);
	ck_ok(ipk_event_set(event));
	reap_ok(pids[5]);
	ipk_event_close(event);
}
END_TEST

static int set_and_clear(void *arg)
{
	for (;;) {
		(void)!ipk_event_set(arg);
		(void)!ipk_event_clear(arg);
	}
	return 0;
}

START_TEST(killed_setters_leave_it_working)
{
	ipk_event *event = make();

	for (int round = 0; round < repeats(100); round++) {
		pid_t setter = spawn(set_and_clear, event);

		ck_ok(ipk_event_wait(event, ipk_in_ms(WAIT_MS)));
		kill_and_reap(setter);
		ck_ok(ipk_event_set(event));
		ck_ok(ipk_event_wait(event, ipk_now()));
		ck_ok(ipk_event_clear(event));
	}
	ipk_event_close(event);
}
END_TEST

/* Nobody is missed when setters and waiters meet at every step. */
struct ping {
	ipk_event *there, *back;
	int n;
};

static void *answer(void *arg)
{
	struct ping *p = arg;

	for (int i = 0; i < p->n; i++) {
		if (ipk_event_wait(p->there, ipk_in_ms(WAIT_MS)) < 0)
			return p;
		(void)!ipk_event_clear(p->there);
		(void)!ipk_event_set(p->back);
	}
	return NULL;
}

START_TEST(ping_and_pong)
{
	struct ping p = {make(), make(), repeats(20000)};
	pthread_t thread;
	void *r;

	ck_assert_int_eq(pthread_create(&thread, NULL, answer, &p), 0);
	for (int i = 0; i < p.n; i++) {
		ck_ok(ipk_event_set(p.there));
		ck_ok(ipk_event_wait(p.back, ipk_in_ms(WAIT_MS)));
		ck_ok(ipk_event_clear(p.back));
	}
	pthread_join(thread, &r);
	ck_assert_ptr_null(r);
	ipk_event_close(p.there);
	ipk_event_close(p.back);
}
END_TEST

/* --- signal handlers -------------------------------------------------------------------------- */

static ipk_event *handlers_event;
static volatile sig_atomic_t n_handled;

static void set_it(int sig)
{
	(void)sig;
	(void)!ipk_event_set(handlers_event);
	n_handled++;
}

START_TEST(a_signal_handler_sets_it)
{
	struct sigaction sa = {.sa_handler = set_it}, old;
	struct itimerval every_ms = {{0, 1000}, {0, 1000}}, off = {{0}};

	handlers_event = make();
	n_handled = 0;
	ck_assert_int_eq(sigaction(SIGALRM, &sa, &old), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &every_ms, NULL), 0);
	/* The handler interrupts the wait, the clearing and the setting of this very thread. */
	for (int i = 0; i < 500; i++) {
		ck_ok(ipk_event_wait(handlers_event, ipk_in_ms(WAIT_MS)));
		ck_ok(ipk_event_clear(handlers_event));
		if (i % 3 == 0)
			ck_ok(ipk_event_set(handlers_event));
	}
	ck_assert_int_eq(setitimer(ITIMER_REAL, &off, NULL), 0);
	ck_assert_int_eq(sigaction(SIGALRM, &old, NULL), 0);
	ck_assert_int_gt(n_handled, 100);
	ipk_event_close(handlers_event);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("event");

	add_test(s, set_clear_wait);
	add_test(s, wrong_arguments);
	add_test(s, named_and_passed_on);
	add_test(s, set_wakes_all_that_wait);
	add_test(s, a_short_set_is_seen);
	add_test(s, the_count_wraps);
	add_test(s, killed_waiters_are_in_nobodys_way);
	add_test(s, killed_setters_leave_it_working);
	add_test(s, ping_and_pong);
	add_test(s, a_signal_handler_sets_it);
	return s;
}
IPK_TEST_MAIN(suite)
