/* test_sleep.c - lib/shared/sleep.c: slices that end, sleepers that are seen, words that changed. */
#include <pthread.h>
#include <unistd.h>

#include "os/os.h"
#include "shared/sleep.h"
#include "support/support.h"

static struct ipk__object_plan plan = {.kind = IPK__OBJECT_EVENT, .n_bytes = 128};

static struct ipk__ref make(void)
{
	struct ipk__ref ref;

	ck_ok(ipk__object_create(&plan, &ref));
	ck_ok(ipk__object_publish(&plan, &ref));
	return ref;
}

static _Atomic uint32_t *word_of(const struct ipk__ref *ref)
{
	return (_Atomic uint32_t *)(ref->object + 1);
}

START_TEST(passed_deadline_does_not_sleep)
{
	struct ipk__ref ref = make();
	struct ipk__sleep s = IPK__SLEEP(&ref, IPK__WAIT_EVENT);

	ck_err(ipk__sleep(&s, word_of(&ref), 0, ipk_now()), -ETIMEDOUT);
	ck_err(ipk__sleep(&s, word_of(&ref), 0, (ipk_deadline){-5}), -ETIMEDOUT);
	ck_err(ipk__sleep(&s, word_of(&ref), 0, (ipk_deadline){1}), -ETIMEDOUT);
	/* Nor does it write itself down. */
	ck_assert_ptr_null(s.waiters);
	ipk__sleep_end(&s);
	ipk__sleep_end(&s);
	ipk__object_close(&ref);
}
END_TEST

START_TEST(slice_ends_by_itself)
{
	struct ipk__ref ref = make();
	struct ipk__sleep s = IPK__SLEEP(&ref, IPK__WAIT_EVENT);
	int64_t from_ns = ipk__os_now_ns();
	uint32_t tid = 0;

	ck_ok(ipk__sleep(&s, word_of(&ref), 0, ipk_forever()));
	ck_assert_int_ge(ipk__os_now_ns() - from_ns, IPK__SLICE_NS);
	/* Between two slices it is still seen. */
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, &tid, 1), 1);
	ck_assert_uint_eq(tid, (uint32_t)gettid());
	ipk__sleep_end(&s);
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, NULL, 0), 0);
	ipk__object_close(&ref);
}
END_TEST

START_TEST(deadline_is_shorter_than_a_slice)
{
	struct ipk__ref ref = make();
	struct ipk__sleep s = IPK__SLEEP(&ref, IPK__WAIT_EVENT);
	ipk_deadline deadline = ipk_in_ms(5);
	int n = 0, r = 0;

	while (r == 0) {
		r = ipk__sleep(&s, word_of(&ref), 0, deadline);
		n++;
	}
	ck_err(r, -ETIMEDOUT);
	ck_assert_int_ge(n, 2);
	ck_assert_int_eq(ipk_deadline_left_ns(deadline), 0);
	ipk__sleep_end(&s);
	ipk__object_close(&ref);
}
END_TEST

START_TEST(word_that_changed_is_not_slept_on)
{
	struct ipk__ref ref = make();
	struct ipk__sleep s = IPK__SLEEP(&ref, IPK__WAIT_EVENT);

	s.slice_ns = (int64_t)WAIT_MS * 1000000;
	*word_of(&ref) = 7;
	/* Slept on, it would take longer than this test may. */
	for (uint32_t i = 0; i < 7; i++)
		ck_ok(ipk__sleep(&s, word_of(&ref), i, ipk_forever()));
	ipk__sleep_end(&s);
	ipk__object_close(&ref);
}
END_TEST

static int sleep_until_changed(void *arg)
{
	struct ipk__ref *ref = arg;
	struct ipk__sleep s = IPK__SLEEP(ref, IPK__WAIT_EVENT);
	ipk_deadline deadline = ipk_in_ms(WAIT_MS);
	int r = 0;

	s.slice_ns = INT64_MAX / 2;
	while (r == 0 && atomic_load(word_of(ref)) == 0)
		r = ipk__sleep(&s, word_of(ref), 0, deadline);
	ipk__sleep_end(&s);
	return -r;
}

static bool is_listed(void *arg)
{
	return N_LISTED(ipk__object_list_waiters, arg, NULL, 0) == 1;
}

START_TEST(another_process_wakes_it)
{
	struct ipk__ref ref = make();
	pid_t pid = spawn(sleep_until_changed, &ref);
	uint32_t tid = 0;

	ck_assert(wait_until(is_listed, &ref, WAIT_MS));
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, &tid, 1), 1);
	ck_assert_uint_eq(tid, (uint32_t)pid);
	ck_wait_asleep(pid);
	atomic_store(word_of(&ref), 1);
	ipk__os_futex_wake(word_of(&ref), 1);
	reap_ok(pid);
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, NULL, 0), 0);
	ipk__object_close(&ref);
}
END_TEST

START_TEST(killed_sleeper_is_in_nobodys_way)
{
	struct ipk__ref ref = make();
	pid_t pid = spawn(sleep_until_changed, &ref), next;

	ck_assert(wait_until(is_listed, &ref, WAIT_MS));
	ck_wait_asleep(pid);
	kill_and_reap(pid);
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, NULL, 0), 0);
	next = spawn(sleep_until_changed, &ref);
	ck_assert(wait_until(is_listed, &ref, WAIT_MS));
	ck_wait_asleep(next);
	atomic_store(word_of(&ref), 1);
	ck_assert_int_eq(ipk__os_futex_wake(word_of(&ref), 1), 1);
	reap_ok(next);
	ipk__object_close(&ref);
}
END_TEST

/* All slots taken by live threads: it sleeps unseen. */
START_TEST(without_a_slot_it_sleeps_all_the_same)
{
	struct ipk__ref ref = make();
	struct ipk__sleep s = IPK__SLEEP(&ref, IPK__WAIT_EVENT);
	struct ipk__waiters *waiters = ipk__object_waiters(&ref);

	for (int i = 0; i < IPK__WAITERS_MAX; i++)
		ck_assert_int_ge(ipk__waiter_enter(waiters, IPK__WAIT_LOCK, 1), 0);
	ck_ok(ipk__sleep(&s, word_of(&ref), 0, ipk_in_ms(1)));
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, NULL, 0), 0);
	ipk__sleep_end(&s);
	ipk__object_close(&ref);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sleep");

	add_test(s, passed_deadline_does_not_sleep);
	add_test(s, slice_ends_by_itself);
	add_test(s, deadline_is_shorter_than_a_slice);
	add_test(s, word_that_changed_is_not_slept_on);
	add_test(s, another_process_wakes_it);
	add_test(s, killed_sleeper_is_in_nobodys_way);
	add_test(s, without_a_slot_it_sleeps_all_the_same);
	return s;
}

IPK_TEST_MAIN(suite)
