/*
 * test_redis_same.c - what our server replies is what redis-server replies; and what it wrote
 * into its log is, to itself and to redis-server, what was there.
 */
#include <stdio.h>
#include <string.h>

#include "proc/redis_same.h"
#include "support/support.h"

enum { N_COMMANDS = 60000, N_LOGGED = 40000 };

START_TEST(replies_are_the_same)
{
	struct pair p;

	pair_start(&p, false);
	same_replies(&p, 2, N_COMMANDS, 11);
	same_replies(&p, 3, N_COMMANDS, 12);
	same_counts();
	pair_stop(&p);
}
END_TEST

/* The log of the sequence, loaded by our server and by redis-server. */
START_TEST(log_says_the_same)
{
	struct pair p;

	pair_start(&p, true);
	same_replies(&p, 2, N_LOGGED, 13);
	ours_stop(&p);
	ours_start(&p);
	pair_connect(&p, 0, OURS, "ours.sock");
	ck_assert_uint_gt(same_keys(&p), 5);

	ours_stop(&p);
	redis_loads(&p);
	ck_assert_uint_gt(same_keys(&p), 5);
	pair_stop(&p);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("redis_same");

	add_test(s, replies_are_the_same);
	add_test(s, log_says_the_same);
	return s;
}

IPK_TEST_MAIN(suite)
