/* test_held.c - lib/manager/held.h: what was got over which connection, and what of it is lost. */
#include "manager/held.h"
#include "support/support.h"

static void ck_take(struct ipk__held *h, uint64_t n, int r, uint32_t epoch)
{
	struct ipk__held_taken got = {99, 99};

	ck_assert_int_eq(ipk__held_take(h, n, &got), r);
	ck_assert_uint_eq(got.epoch, epoch);
}

START_TEST(what_it_has_goes_back_over_its_connection)
{
	struct ipk__held h = {0};

	ck_take(&h, 1, 0, 0); /* not from here: over any */
	ipk__held_add(&h, 3, 1);
	ipk__held_add(&h, 3, 4);
	ck_take(&h, 2, 0, 3);
	ck_take(&h, 9, 0, 3); /* more than it has */
	ck_take(&h, 1, 0, 0);
	ipk__held_add(&h, 0, 5); /* nobody knows over which */
	ck_take(&h, 1, 0, 0);
}
END_TEST

START_TEST(what_came_before_another_connection_is_lost)
{
	struct ipk__held h = {0};

	ipk__held_add(&h, 3, 2);
	ipk__held_add(&h, 4, 1);
	ck_take(&h, 1, 0, 4);
	ck_take(&h, 1, -EOWNERDEAD, 0);
	ipk__held_add(&h, 5, 1);
	ck_take(&h, 1, 0, 5);
	ck_take(&h, 1, -EOWNERDEAD, 0);
	ck_take(&h, 1, 0, 0);
}
END_TEST

/* As many as were taken, and not beside what came over another connection since. */
START_TEST(what_could_not_go_back_is_put_back)
{
	struct ipk__held h = {0};
	struct ipk__held_taken taken;

	ipk__held_add(&h, 3, 2);
	ck_ok(ipk__held_take(&h, 5, &taken));
	ck_assert_uint_eq(taken.n, 2);
	ipk__held_put_back(&h, &taken);
	ck_take(&h, 2, 0, 3);
	ck_take(&h, 1, 0, 0);

	ipk__held_add(&h, 3, 1);
	ck_ok(ipk__held_take(&h, 1, &taken));
	ipk__held_add(&h, 4, 1);
	ipk__held_put_back(&h, &taken);
	ck_take(&h, 1, 0, 4);
	ck_take(&h, 1, -EOWNERDEAD, 0);
	ck_take(&h, 1, 0, 0);
}
END_TEST

static int take_parents(void *arg)
{
	struct ipk__held_taken got = {99, 99};

	return ipk__held_take(arg, 1, &got) == 0 && got.epoch == 0 ? 0 : 1;
}

START_TEST(a_child_has_nothing)
{
	struct ipk__held h = {0};

	ipk__held_add(&h, 3, 2);
	ipk__held_add(&h, 4, 2);
	reap_ok(spawn(take_parents, &h));
	ck_take(&h, 2, 0, 4);
	ck_take(&h, 2, -EOWNERDEAD, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("held");

	add_test(s, what_it_has_goes_back_over_its_connection);
	add_test(s, what_came_before_another_connection_is_lost);
	add_test(s, what_could_not_go_back_is_put_back);
	add_test(s, a_child_has_nothing);
	return s;
}
IPK_TEST_MAIN(suite)
