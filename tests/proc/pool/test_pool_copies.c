/*
 * test_pool_copies.c - what a fork child of a pool's creator may do with its copies of groups,
 * imaps and iterators: only close them, without effect on the creator.
 */
#include "support/shared_flags.h"
#include "support/support.h"

static ipk_pool *pool;
static ipk_future *single, *group;
static ipk_imap *imap, *imap_unordered;
static ipk_as_completed *iter;

static int next_two(void *arg, ipk_bytes *ret_item)
{
	static const int64_t two = 2;
	int *n_left = arg;

	*ret_item = (ipk_bytes){&two, sizeof two};
	return (*n_left)-- > 0;
}

static int misuse(void *arg)
{
	int64_t two = 2;
	ipk_bytes args = {&two, sizeof two};
	void *data = NULL;
	ipk_future *f = NULL;
	size_t index;

	(void)arg;
	ck_err(ipk_pool_apply(pool, task_square, &two, sizeof two, NULL, 0, ipk_now(), NULL),
	       -EPERM);
	ck_err(ipk_pool_submitf(pool, task_square, &f, "i", 1), -EPERM);
	ck_err(ipk_pool_starmap(pool, task_square, &args, 1, NULL, &f), -EPERM);
	ck_err(ipk_pool_map_reduce(pool, task_square, NULL, &args, 1, NULL, ipk_now(), &data, NULL),
	       -EPERM);
	ck_err(ipk_pool_imap(pool, task_square, next_two, NULL, NULL, &imap), -EPERM);
	ck_err(ipk_pool_forgive(pool), -EPERM);
	ck_err(ipk_future_item(group, 0, &f), -EPERM);
	ck_err(ipk_future_failures(group, NULL, 0, &index), -EPERM);
	ck_err(ipk_future_cancel(group), -EPERM);
	ck_err(ipk_future_getf(single, ipk_now(), "i", &index), -EPERM);
	ck_err(ipk_imap_next(imap, ipk_now(), &f), -EPERM);
	ck_err(ipk_futures_wait(&single, 1, IPK_WAIT_ALL, ipk_now()), -EPERM);
	ck_err(ipk_futures_wait(&single, 1, IPK_WAIT_FIRST, ipk_now()), -EPERM);
	ck_err(ipk_as_completed_open(&single, 1, &iter), -EPERM);
	ck_assert_ptr_null(ipk_imap_close(imap));
	ck_assert_ptr_null(ipk_imap_close(imap_unordered));
	ck_assert_ptr_null(ipk_as_completed_close(iter));
	ipk_future_close(group);
	ipk_future_close(single);
	ipk_pool_close(pool);
	return 0;
}

START_TEST(a_child_gives_up_its_copies)
{
	int64_t ints[2] = {1, 2};
	ipk_bytes args[2] = {{&ints[0], 8}, {&ints[1], 8}};
	int n_left[2] = {3, 3};
	ipk_future *f;
	size_t index;

	shared_flags_open();
	pool = pool_of(IPK_POOL_PROCESSES, 2);
	ck_ok(ipk_pool_starmap(pool, task_when_raised, args, 2, NULL, &group));
	single = submit_int(pool, task_when_raised, 3);
	ck_ok(ipk_as_completed_open(&single, 1, &iter));
	ck_ok(ipk_pool_imap(pool, task_when_raised, next_two, &n_left[0], NULL, &imap));
	ck_ok(ipk_pool_imap(pool, task_when_raised, next_two, &n_left[1],
			    IPK_IMAP(.is_unordered = true), &imap_unordered));
	ck_err(ipk_imap_next(imap, ipk_now(), &f), -ETIMEDOUT);
	ck_err(ipk_imap_next(imap_unordered, ipk_now(), &f), -ETIMEDOUT);
	reap_ok(spawn(misuse, NULL));
	for (int i = 0; i < 4; i++)
		shared_flags_raise(i);
	ck_ok(ipk_future_wait(group, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_as_completed_next(iter, ipk_in_ms(WAIT_MS), &index));
	ck_assert_int_eq(get_int(single), 9);
	for (int i = 0; i < 3; i++) {
		ck_ok(ipk_imap_next(imap, ipk_in_ms(WAIT_MS), &f));
		ck_assert_int_eq(get_int(f), 4);
		ipk_future_close(f);
		ck_ok(ipk_imap_next(imap_unordered, ipk_in_ms(WAIT_MS), &f));
		ck_assert_int_eq(get_int(f), 4);
		ipk_future_close(f);
	}
	ipk_imap_close(imap);
	ipk_imap_close(imap_unordered);
	ipk_as_completed_close(iter);
	ipk_future_close(group);
	ipk_future_close(single);
	ipk_pool_close(pool);
	shared_flags_close();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool_copies");

	add_test(s, a_child_gives_up_its_copies);
	return s;
}
IPK_TEST_MAIN(suite)
