/*
 * test_manager_lists.c - the manager's own list and dict commands, as far as python_same.py does
 * not cover them: errors, typed items, and clients that block on items.
 */
#include "manager_fixture.h"
#include "support/support.h"

static struct fixture s;
static struct client a, b;

static void open_all(void)
{
	fixture_begin(&s, false);
	client_open(&s, &a);
	client_open(&s, &b);
}

static void close_all(void)
{
	client_close(&a);
	client_close(&b);
	fixture_end(&s);
}

START_TEST(typed_items_are_sorted)
{
	open_all();
	/* "b", 5, -1, [1, 2], 1.5, [1], "a", bytes "aa", [1, "x"] */
	ask(&a,
	    "RPUSH l \xc1\xa1"
	    "b \xc1\x05 \xc1\xff \xc1\x92\x01\x02 \xc1\xca\x3f\xc0\x01\x01 \xc1\x91\x01 \xc1\xa1"
	    "a \xc1\xc4\x02"
	    "aa \xc1\x92\x01\xa1x",
	    "9");
	ask(&a, "IPK.LSORT l TYPED ASC", "OK");
	ask(&a, "LRANGE l 0 -1",
	    "[\xc1\xff \xc1\xca\x3f\xc0\x01\x01 \xc1\x05 \xc1\xa1"
	    "a \xc1\xc4\x02"
	    "aa \xc1\xa1"
	    "b \xc1\x91\x01 \xc1\x92\x01\x02 \xc1\x92\x01\xa1x]");
	ask(&a, "IPK.LSORT l typed desc", "OK");
	ask(&a, "IPK.LSLICE l 0 3 1", "[\xc1\x92\x01\xa1x \xc1\x92\x01\x02 \xc1\x91\x01]");
	ask(&a, "RPUSH l plain", "10");
	ask(&a, "IPK.LSORT l TYPED ASC", "-VALUE");
	ask(&a, "LINDEX l -1", "plain");
	ask(&a, "LSET l -1 \xc1\x81\x01\x02", "OK"); /* a map has no order */
	ask(&a, "IPK.LSORT l TYPED ASC", "-VALUE");
	ask(&a, "LSET l -1 \xc1\x92\x01", "OK"); /* not whole */
	ask(&a, "IPK.LSORT l TYPED ASC", "-VALUE");
	ask(&a, "IPK.LSLICE l 0 2 1", "[\xc1\x92\x01\xa1x \xc1\x92\x01\x02]");
	close_all();
}
END_TEST

START_TEST(errors_change_nothing)
{
	open_all();
	ask(&a, "RPUSH l 1 2 x", "3");
	ask(&a, "HSET h f v", "1");
	ask(&a, "IPK.LSORT l NUMBER ASC", "-VALUE");
	ask(&a, "IPK.LSORT l LENGTH ASC", "-ERR");
	ask(&a, "IPK.LSORT l BYTES UP", "-ERR");
	ask(&a, "IPK.LSLICE l 0 1 0", "-VALUE");
	ask(&a, "IPK.LSLICE l one 1 1", "-ERR");
	ask(&a, "IPK.LSETSLICE l - - 2 1", "-RANGE");
	ask(&a, "IPK.LINCRBY l 2 1", "-VALUE");
	ask(&a, "IPK.LINCRBY l 3 1", "-RANGE");
	ask(&a, "IPK.LINCRBY l 0 much", "-ERR");
	ask(&a, "IPK.LINCRBY l 0 9223372036854775807", "-ERR");
	ask(&a, "IPK.LINCRBY l -3 0.5", "1.5");
	ask(&a, "IPK.LREPEAT l 9223372036854775807", "-RANGE");
	ask(&a, "IPK.LMAKE n 9223372036854775807 x", "-RANGE");
	ask(&a, "IPK.LMAKE n -1 x", "-RANGE");
	ask(&a, "EXISTS n", "0");
	ask(&a, "LRANGE l 0 -1", "[1.5 2 x]");
	ask(&a, "IPK.LINSERT h 0 x", "-WRONGTYPE");
	ask(&a, "IPK.HPOP l f", "-WRONGTYPE");
	ask(&a, "IPK.HCAS h f IS v", "-ERR");
	ask(&a, "IPK.HCAS h f IS v SET", "-ERR");
	ask(&a, "IPK.HCAS h f ABSENT DEL 1", "-ERR");
	ask(&a, "IPK.HCAS h f MAYBE v SET 1", "-ERR");
	ask(&a, "IPK.HUPDATE h f", "-ERR");
	ask(&a, "IPK.HUPDATE h f 1 g", "-ERR");
	ask(&a, "IPK.HSCAN h x", "-ERR");
	ask(&a, "IPK.HSCAN h 0 COUNT 0", "-ERR");
	ask(&a, "HGETALL h", "[f v]");
	close_all();
}
END_TEST

START_TEST(empty_ones_are_no_keys)
{
	open_all();
	ask(&a, "IPK.LMAKE l 3 x", "1");
	ask(&a, "IPK.LMAKE l 3 y", "0");
	ask(&a, "IPK.LDELSLICE l - - -1", "3");
	ask(&a, "EXISTS l", "0");
	ask(&a, "RPUSH l 1", "1");
	ask(&a, "IPK.LPOPAT l -1", "1");
	ask(&a, "RPUSH l 1", "1");
	ask(&a, "IPK.LREPEAT l -4", "0");
	ask(&a, "RPUSH l 1", "1");
	ask(&a, "IPK.LSETSLICE l - - -", "0");
	ask(&a, "EXISTS l", "0");
	ask(&a, "IPK.HSETDEFAULT h f v", "v");
	ask(&a, "IPK.HPOP h f", "v");
	ask(&a, "IPK.HCAS h f ABSENT SET v", "1");
	ask(&a, "IPK.HCAS h f IS v DEL", "1");
	ask(&a, "IPK.HCAS h f ABSENT DEL", "1");
	ask(&a, "IPK.HSETDEFAULT h f v", "v");
	ask(&a, "IPK.HPOPITEM h", "[f v]");
	ask(&a, "DBSIZE", "0");
	close_all();
}
END_TEST

START_TEST(items_for_those_who_wait)
{
	static const char *const ways[] = {"IPK.LINSERT l 0 x", "IPK.LSETSLICE l - - - x",
					   "IPK.LMAKE l 1 x"};

	open_all();
	begin(&b, "BLPOP l 0");
	waits(&s, 1);
	ask(&a, ways[_i], "1");
	want(&b, "[l x]");
	ask(&a, "EXISTS l", "0");
	close_all();
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("manager_lists");

	add_test(suite, typed_items_are_sorted);
	add_test(suite, errors_change_nothing);
	add_test(suite, empty_ones_are_no_keys);
	add_loop_test(suite, items_for_those_who_wait, 0, 3);
	return suite;
}
IPK_TEST_MAIN(suite)
