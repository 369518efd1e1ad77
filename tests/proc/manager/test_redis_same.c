/*
 * test_redis_same.c - our server's replies equal those of redis-server; and its log, loaded by
 * itself and by redis-server, restores the same content.
 */
#include <stdio.h>
#include <string.h>

#include "redis_same.h"
#include "support/support.h"

enum { N_COMMANDS = 50000, N_LOGGED = 25000, FEW_BYTES = 5000 };

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

/* So much beside what a server without keys uses. */
static void leave_room(struct pair *p, unsigned long n_bytes)
{
	const char *used;
	char words[64];

	pair_askf(p, 0, "INFO memory");
	pair_await(p, 0);
	used = strstr(pair_reply(p, 0, OURS, 0).bytes, "used_memory:");
	ck_assert_ptr_nonnull(used);
	n_bytes += strtoul(strchr(used, ':') + 1, NULL, 10);
	snprintf(words, sizeof(words), "CONFIG SET maxmemory %lu", n_bytes);
	pair_askf(p, 0, words);
	pair_await(p, 0);
	ck_assert_int_eq(pair_reply(p, 0, OURS, 1).bytes[0], '+');
	pair_forget(p, 0);
}

/* With little memory, so that much is refused, some of it half way: the log knows of that. */
START_TEST(log_says_what_found_room)
{
	struct pair p;
	int n_refused;

	pair_start(&p, true);
	leave_room(&p, FEW_BYTES);
	n_refused = same_words_alone(&p, N_LOGGED, 14);
	ck_assert_int_gt(n_refused, repeats(N_LOGGED) / 200);
	ck_assert_int_lt(n_refused, repeats(N_LOGGED) / 2);
	ours_loads(&p);
	ck_assert_uint_gt(same_keys(&p), 2);
	pair_stop(&p);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("redis_same");

	add_test(s, replies_are_the_same);
	add_test(s, log_says_the_same);
	add_test(s, log_says_what_found_room);
	return s;
}

PAIR_TEST_MAIN(suite)
