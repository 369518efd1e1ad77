/* test_timer.c - lib/lock/timer.c: a deferred call, in a thread of its own. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "ipk/timer.h"
#include "support/support.h"

#define FAR_NS ((int64_t)3600 * 1000000000)

struct call {
	ipk_timer *timer;
	atomic_int n_begun;
	atomic_int n_over;
	atomic_bool may_go;
	atomic_bool signals_are_blocked;
	atomic_int r;
};

static void count(void *arg)
{
	struct call *c = arg;

	c->n_begun++;
	c->n_over++;
}

static bool may_go(void *arg)
{
	return ((struct call *)arg)->may_go;
}

static bool has_begun(void *arg)
{
	return ((struct call *)arg)->n_begun > 0;
}

static bool is_over(void *arg)
{
	return ((struct call *)arg)->n_over > 0;
}

static void count_slowly(void *arg)
{
	struct call *c = arg;

	c->n_begun++;
	wait_until(may_go, c, WAIT_MS);
	c->n_over++;
}

static void start(struct call *c, int64_t delay_ns, void (*fn)(void *arg))
{
	ck_ok(ipk_timer_start(delay_ns, fn, c, &c->timer));
}

START_TEST(calls_once_and_not_too_early)
{
	struct call c = {0};
	ipk_deadline until = ipk_in_ms(20);

	start(&c, 20000000, count);
	ck_ok(ipk_timer_wait(c.timer, ipk_in_ms(WAIT_MS)));
	ck_assert(ipk_deadline_left_ns(until) == 0);
	ck_assert(ipk_timer_is_done(c.timer));
	ck_assert_int_eq(c.n_over, 1);
	ck_err(ipk_timer_cancel(c.timer), -EALREADY);
	ck_assert_ptr_null(ipk_timer_close(c.timer));
	ck_assert_int_eq(c.n_begun, 1);
}
END_TEST

START_TEST(at_once)
{
	struct call c = {0};

	start(&c, -5, count);
	ck_ok(ipk_timer_wait(c.timer, ipk_forever()));
	ck_assert_int_eq(c.n_over, 1);
	ipk_timer_close(c.timer);
}
END_TEST

START_TEST(wrong_arguments)
{
	IPK_AUTO(timer, timer);

	ck_err(ipk_timer_start(0, NULL, NULL, &timer), -EINVAL);
	ck_err(ipk_timer_start(0, count, NULL, NULL), -EINVAL);
	ck_err(ipk_timer_cancel(NULL), -EBADF);
	ck_err(ipk_timer_wait(NULL, ipk_now()), -EBADF);
	ck_assert(ipk_timer_is_done(NULL));
	ck_assert_ptr_null(ipk_timer_close(NULL));
	ck_assert_ptr_null(timer);
}
END_TEST

START_TEST(cancelled_it_is_not_called)
{
	struct call c = {0};

	start(&c, INT64_MAX, count);
	ck_assert(!ipk_timer_is_done(c.timer));
	ck_err(ipk_timer_wait(c.timer, ipk_now()), -ETIMEDOUT);
	ck_err(ipk_timer_wait(c.timer, ipk_in_ms(1)), -ETIMEDOUT);
	ck_ok(ipk_timer_cancel(c.timer));
	ck_ok(ipk_timer_cancel(c.timer));
	ck_assert(ipk_timer_is_done(c.timer));
	ck_ok(ipk_timer_wait(c.timer, ipk_now()));
	ipk_timer_close(c.timer);
	ck_assert_int_eq(c.n_begun, 0);
}
END_TEST

/* Exactly one of the two: it is called, or cancelled. */
START_TEST(cancel_and_call_race)
{
	int n_cancelled = 0, n_called = 0;

	for (int i = 0; i < repeats(1000); i++) {
		struct call c = {0};
		bool is_cancelled;

		start(&c, i % 200 * 1000, count);
		is_cancelled = ipk_timer_cancel(c.timer) == 0;
		ck_ok(ipk_timer_wait(c.timer, ipk_in_ms(WAIT_MS)));
		ipk_timer_close(c.timer);
		ck_assert_int_eq(c.n_over, is_cancelled ? 0 : 1);
		n_cancelled += is_cancelled;
		n_called += !is_cancelled;
	}
	ck_assert_int_eq(n_cancelled + n_called, repeats(1000));
	ck_assert_int_gt(n_cancelled, 0);
}
END_TEST

START_TEST(close_waits_for_the_call)
{
	struct call c = {0};

	start(&c, 0, count_slowly);
	ck_assert(wait_until(has_begun, &c, WAIT_MS));
	ck_err(ipk_timer_cancel(c.timer), -EALREADY);
	ck_assert(!ipk_timer_is_done(c.timer));
	ck_err(ipk_timer_wait(c.timer, ipk_in_ms(1)), -ETIMEDOUT);
	c.may_go = true;
	ipk_timer_close(c.timer);
	ck_assert_int_eq(c.n_over, 1);
}
END_TEST

START_TEST(close_cancels)
{
	struct call c = {0};

	start(&c, FAR_NS, count);
	ipk_timer_close(c.timer);
	ck_assert_int_eq(c.n_begun, 0);
}
END_TEST

static void close_it(void *arg)
{
	struct call *c = arg;

	if (!wait_until(may_go, c, WAIT_MS))
		return;
	c->r = ipk_timer_wait(c->timer, ipk_forever());
	(void)!ipk_timer_cancel(c->timer);
	ipk_timer_close(c->timer);
	c->n_over++;
}

START_TEST(closed_from_the_call)
{
	for (int i = 0; i < repeats(100); i++) {
		struct call c = {0};

		start(&c, 0, close_it);
		c.may_go = true;
		ck_assert(wait_until(is_over, &c, WAIT_MS));
		ck_assert_int_eq(c.r, -EDEADLK);
	}
}
END_TEST

static void end_thread(void *arg)
{
	((struct call *)arg)->n_over++;
	pthread_exit(NULL);
}

static void close_and_end_thread(void *arg)
{
	close_it(arg);
	pthread_exit(NULL);
}

START_TEST(a_call_may_end_its_thread)
{
	struct call c = {0};

	start(&c, 0, end_thread);
	ck_ok(ipk_timer_wait(c.timer, ipk_in_ms(WAIT_MS)));
	ck_assert_int_eq(c.n_over, 1);
	ck_assert(ipk_timer_is_done(c.timer));
	ipk_timer_close(c.timer);
	c = (struct call){0};
	start(&c, 0, close_and_end_thread);
	c.may_go = true;
	ck_assert(wait_until(is_over, &c, WAIT_MS));
}
END_TEST

static void look_at_mask(void *arg)
{
	struct call *c = arg;
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	c->signals_are_blocked = sigismember(&mask, SIGINT) == 1 &&
				 sigismember(&mask, SIGUSR1) == 1 &&
				 sigismember(&mask, SIGRTMAX) == 1;
	c->n_over++;
}

START_TEST(its_thread_gets_no_signals)
{
	struct call c = {0};
	sigset_t before, after;

	pthread_sigmask(SIG_BLOCK, NULL, &before);
	start(&c, 0, look_at_mask);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	ck_assert_int_eq(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
	ck_ok(ipk_timer_wait(c.timer, ipk_in_ms(WAIT_MS)));
	ck_assert(c.signals_are_blocked);
	ipk_timer_close(c.timer);
}
END_TEST

static int use_parents(void *arg)
{
	struct call *c = arg;

	if (!ipk_timer_is_done(c->timer) || ipk_timer_wait(c->timer, ipk_forever()) != 0 ||
	    ipk_timer_cancel(c->timer) != 0)
		return 1;
	ipk_timer_close(c->timer);
	return c->n_over;
}

START_TEST(a_fork_childs_copy_is_inert)
{
	struct call c = {0};

	start(&c, FAR_NS, count);
	reap_ok(spawn(use_parents, &c));
	ck_assert(!ipk_timer_is_done(c.timer));
	ck_ok(ipk_timer_cancel(c.timer));
	ipk_timer_close(c.timer);
	/* And when it was running. */
	c = (struct call){0};
	start(&c, 0, count_slowly);
	ck_assert(wait_until(has_begun, &c, WAIT_MS));
	reap_ok(spawn(use_parents, &c));
	c.may_go = true;
	ck_ok(ipk_timer_wait(c.timer, ipk_in_ms(WAIT_MS)));
	ck_assert_int_eq(c.n_over, 1);
	ipk_timer_close(c.timer);
}
END_TEST

static void *wait_in_thread(void *arg)
{
	return ipk_timer_wait(((struct call *)arg)->timer, ipk_in_ms(WAIT_MS)) == 0 ? NULL : arg;
}

START_TEST(many_wait_for_it)
{
	struct call c = {0};
	pthread_t threads[4];
	void *r;

	start(&c, 0, count_slowly);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_in_thread, &c), 0);
	c.may_go = true;
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &r);
		ck_assert_ptr_null(r);
	}
	ipk_timer_close(c.timer);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("timer");

	add_test(s, calls_once_and_not_too_early);
	add_test(s, at_once);
	add_test(s, wrong_arguments);
	add_test(s, cancelled_it_is_not_called);
	add_test(s, cancel_and_call_race);
	add_test(s, close_waits_for_the_call);
	add_test(s, close_cancels);
	add_test(s, closed_from_the_call);
	add_test(s, a_call_may_end_its_thread);
	add_test(s, its_thread_gets_no_signals);
	add_test(s, a_fork_childs_copy_is_inert);
	add_test(s, many_wait_for_it);
	return s;
}
IPK_TEST_MAIN(suite)
