/* test_parking.c - sleeping until there is work, and waking one at a time. */
#include <pthread.h>

#include "pool/parking.h"
#include "support/support.h"

static struct ipk__parking parking;
static _Atomic int n_left;
static _Atomic int n_taken;
static _Atomic bool is_over;

static bool is_left(void *arg)
{
	(void)arg;
	return atomic_load(&n_left) > 0;
}

static bool is_left_or_over(void *arg)
{
	return is_left(arg) || atomic_load(&is_over);
}

static bool take(void)
{
	int n = atomic_load(&n_left);

	while (n > 0) {
		if (atomic_compare_exchange_strong(&n_left, &n, n - 1)) {
			atomic_fetch_add(&n_taken, 1);
			return true;
		}
	}
	return false;
}

/* As a worker does, but that it may sleep between any two. */
static void *work(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	bool is_woken = false;

	while (!atomic_load(&is_over)) {
		bool took = take();

		if (is_woken)
			ipk__parking_wake(&parking, 1, is_left, NULL);
		is_woken = false;
		if (took)
			continue;
		ipk__parking_enter(&parking, number);
		is_woken = ipk__parking_slice(&parking, is_left_or_over, NULL) != 0;
		ipk__parking_leave(&parking, number);
	}
	return NULL;
}

static bool all_taken(void *n)
{
	return atomic_load(&n_taken) == *(int *)n;
}

static int n_asleep(void)
{
	int n = 0;

	for (int i = 0; i < IPK__PARKING_WORDS; i++)
		n += __builtin_popcountll(atomic_load(&parking.asleep[i]));
	return n;
}

static bool three_sleep(void *arg)
{
	(void)arg;
	return n_asleep() == 3;
}

START_TEST(with_something_left_it_does_not_sleep)
{
	atomic_store(&n_left, 1);
	ipk__parking_enter(&parking, 7);
	ck_assert_int_eq(n_asleep(), 1);
	ck_assert_int_ne(ipk__parking_slice(&parking, is_left, NULL), 0);
	ipk__parking_leave(&parking, 7);
	ck_assert_int_eq(n_asleep(), 0);
}
END_TEST

START_TEST(a_slice_ends_alone)
{
	ipk__parking_enter(&parking, 255);
	ck_assert_int_eq(ipk__parking_slice(&parking, is_left, NULL), 0);
	ipk__parking_leave(&parking, 255);
	ck_assert_int_eq(n_asleep(), 0);
}
END_TEST

START_TEST(the_dead_are_in_nobodys_way)
{
	atomic_store(&parking.asleep[1], UINT64_MAX);
	atomic_store(&n_left, 1);
	ipk__parking_wake(&parking, 1, is_left, NULL); /* ends, and leaves no wake-up under way */
	ck_assert_int_eq(atomic_load(&parking.waking_ns), 0);
	for (unsigned i = 64; i < 128; i++)
		ipk__parking_forget(&parking, i);
	ck_assert(!ipk__parking_has_sleepers(&parking));
}
END_TEST

START_TEST(what_is_published_is_taken)
{
	enum { WORKERS = 5 };
	pthread_t threads[WORKERS];
	int n = 0;

	for (uintptr_t i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(i * 50));
	for (int i = 0; i < repeats(2000); i++) {
		int more = i % 7 == 0 ? 5 : 1;

		atomic_fetch_add(&n_left, more);
		ipk__parking_wake(&parking, (unsigned)more, is_left, NULL);
		n += more;
		if (i % 3 == 0)
			ck_assert(wait_until(all_taken, &n, WAIT_MS));
	}
	ck_assert(wait_until(all_taken, &n, WAIT_MS));
	atomic_store(&is_over, true);
	ipk__parking_wake_all(&parking);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(n_asleep(), 0);
}
END_TEST

/* One takes its time before it says that it is awake: it is not waited for for ever. */
START_TEST(a_lost_wake_up_is_made_up_for)
{
	pthread_t threads[3];
	int n = 1;

	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	ck_assert(wait_until(three_sleep, NULL, WAIT_MS));
	atomic_store(&parking.waking_ns, ipk__os_coarse_ns()); /* of a worker that was killed */
	atomic_store(&n_left, 1);
	while (atomic_load(&n_taken) < n)
		ipk__parking_wake(&parking, 1, is_left, NULL);
	atomic_store(&is_over, true);
	ipk__parking_wake_all(&parking);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("parking");

	ipk__os_fence_start();
	add_test(s, with_something_left_it_does_not_sleep);
	add_test(s, a_slice_ends_alone);
	add_test(s, the_dead_are_in_nobodys_way);
	add_test(s, what_is_published_is_taken);
	add_test(s, a_lost_wake_up_is_made_up_for);
	return s;
}

IPK_TEST_MAIN(suite)
