/* test_quarantine.c - tasks that kill their workers: counted, quarantined, forgotten, forgiven. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "pool/pool_internal.h"
#include "support/support.h"

static char fn_a, fn_b; /* any two addresses will do for functions */

/* No more of a pool than the quarantine uses. */
static ipk_pool *pool_new(unsigned deaths)
{
	ipk_pool *pool = calloc(1, sizeof *pool);

	ck_assert_ptr_nonnull(pool);
	pool->opts.quarantine_deaths = deaths;
	pthread_mutex_init(&pool->mutex, NULL);
	ck_ok(ipk__quarantine_init(pool));
	return pool;
}

static void pool_free(ipk_pool *pool)
{
	ipk__quarantine_end(pool);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

START_TEST(three_deaths_are_too_many)
{
	ipk_pool *pool = pool_new(0);

	ck_assert(ipk__quarantine_is_empty(pool));
	ck_assert(!ipk__quarantine_has(pool, &fn_a, "x", 1));
	ck_assert(!ipk__quarantine_note(pool, &fn_a, "x", 1));
	ck_assert(!ipk__quarantine_is_empty(pool));
	ck_assert(!ipk__quarantine_note(pool, &fn_a, "x", 1));
	ck_assert(!ipk__quarantine_has(pool, &fn_a, "x", 1));
	ck_assert(ipk__quarantine_note(pool, &fn_a, "x", 1));
	ck_assert(ipk__quarantine_has(pool, &fn_a, "x", 1));
	pool_free(pool);
}
END_TEST

START_TEST(function_and_argument_count)
{
	ipk_pool *pool = pool_new(1);

	ck_assert(ipk__quarantine_note(pool, &fn_a, "one", 3));
	ck_assert(ipk__quarantine_has(pool, &fn_a, "one", 3));
	ck_assert(!ipk__quarantine_has(pool, &fn_b, "one", 3));
	ck_assert(!ipk__quarantine_has(pool, &fn_a, "two", 3));
	ck_assert(!ipk__quarantine_has(pool, &fn_a, "one", 2));
	ck_assert(!ipk__quarantine_has(pool, &fn_a, NULL, 0));
	ck_assert(ipk__quarantine_note(pool, &fn_b, NULL, 0));
	ck_assert(ipk__quarantine_has(pool, &fn_b, NULL, 0));
	pool_free(pool);
}
END_TEST

START_TEST(never_is_never)
{
	ipk_pool *pool = pool_new(UINT_MAX);

	for (int i = 0; i < 100; i++)
		ck_assert(!ipk__quarantine_note(pool, &fn_a, "x", 1));
	ck_assert(!ipk__quarantine_has(pool, &fn_a, "x", 1));
	ck_assert(ipk__quarantine_is_empty(pool));
	pool_free(pool);
}
END_TEST

START_TEST(words_say_how_many)
{
	ipk_pool *pool = pool_new(2);
	char text[IPK_FAILURE_TEXT_BYTES];

	ck_assert(!ipk__quarantine_note(pool, &fn_a, "x", 1));
	ck_assert(ipk__quarantine_note(pool, &fn_a, "x", 1));
	ipk__quarantine_words(pool, &fn_a, "x", 1, text);
	ck_assert_ptr_nonnull(strstr(text, "2 workers"));
	ck_assert_ptr_nonnull(strstr(text, "ipk_pool_forgive()"));
	pool_free(pool);
}
END_TEST

/* The table is bounded: accidents of many other tasks do not push out what is held. */
START_TEST(the_harmless_are_forgotten_first)
{
	ipk_pool *pool = pool_new(2);

	ck_assert(!ipk__quarantine_note(pool, &fn_a, "bad", 3));
	ck_assert(ipk__quarantine_note(pool, &fn_a, "bad", 3));
	for (int i = 0; i < 5000; i++)
		ck_assert(!ipk__quarantine_note(pool, &fn_b, &i, sizeof i));
	ck_assert(ipk__quarantine_has(pool, &fn_a, "bad", 3));
	/* The last of the others is still known, the first is not. */
	ck_assert(ipk__quarantine_note(pool, &fn_b, &(int){4999}, sizeof(int)));
	ck_assert(!ipk__quarantine_note(pool, &fn_b, &(int){0}, sizeof(int)));
	pool_free(pool);
}
END_TEST

/* Whatever is held, the newest pest can be held too. */
START_TEST(the_longest_ago_is_forgotten)
{
	ipk_pool *pool = pool_new(1);
	int i;

	for (i = 0; i < 1000; i++)
		ck_assert(ipk__quarantine_note(pool, &fn_a, &i, sizeof i));
	ck_assert(ipk__quarantine_has(pool, &fn_a, &(int){999}, sizeof i));
	ck_assert(!ipk__quarantine_has(pool, &fn_a, &(int){0}, sizeof i));
	pool_free(pool);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("quarantine");

	add_test(s, three_deaths_are_too_many);
	add_test(s, function_and_argument_count);
	add_test(s, never_is_never);
	add_test(s, words_say_how_many);
	add_test(s, the_harmless_are_forgotten_first);
	add_test(s, the_longest_ago_is_forgotten);
	return s;
}
IPK_TEST_MAIN(suite)
