/* test_futex.c - lib/os/futex.c: futex wait and wake. */
#include <pthread.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

START_TEST(changed_word_is_no_wait)
{
	_Atomic uint32_t word = 5;

	ck_ok(ipk__os_futex_wait(&word, 4, ipk_forever()));
	ck_assert_int_eq(ipk__os_futex_wake(&word, 10), 0);
}
END_TEST

START_TEST(deadline_is_absolute)
{
	ipk_deadline deadline = ipk_in_ms(20);
	_Atomic uint32_t word = 5;

	ck_err(ipk__os_futex_wait(&word, 5, ipk_now()), -ETIMEDOUT);
	ck_err(ipk__os_futex_wait(&word, 5, deadline), -ETIMEDOUT);
	ck_assert(ipk_deadline_left_ns(deadline) == 0);
	ck_err(ipk__os_futex_wait(&word, 5, deadline), -ETIMEDOUT);
}
END_TEST

struct sleeper {
	_Atomic uint32_t word;
	int r;
};

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;

	s->r = ipk__os_futex_wait(&s->word, 0, ipk_in_ms(WAIT_MS));
	return NULL;
}

static bool wakes_one(void *arg)
{
	return ipk__os_futex_wake(arg, 1) == 1;
}

START_TEST(wake_tells_how_many)
{
	struct sleeper s = {0};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, sleep_on, &s), 0);
	ck_assert(wait_until(wakes_one, &s.word, WAIT_MS));
	pthread_join(thread, NULL);
	ck_ok(s.r);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("futex");

	add_test(s, changed_word_is_no_wait);
	add_test(s, deadline_is_absolute);
	add_test(s, wake_tells_how_many);
	return s;
}

IPK_TEST_MAIN(suite)
