/*
 * test_cmd_ext_list.c - lib/command/cmd_ext_list.c: Python's indices, clamped or refused, and the
 * methods of lists that Redis has no command for.
 */
#include "unit/server/server_in_place.h"

#define NOT_INTEGER "-ERR value is not an integer or out of range"

static void fill(void)
{
	ask(0, "DEL l");
	ask(0, "RPUSH l a b c d e");
	(void)said(0);
}

START_TEST(insert_is_clamped)
{
	static const struct {
		const char *index, *then;
	} cases[] = {
		{"0", "[X a b c d e]"},
		{"2", "[a b X c d e]"},
		{"5", "[a b c d e X]"},
		{"6", "[a b c d e X]"},
		{"9223372036854775807", "[a b c d e X]"},
		{"-1", "[a b c d X e]"},
		{"-5", "[X a b c d e]"},
		{"-6", "[X a b c d e]"},
		{"-9223372036854775808", "[X a b c d e]"},
	};
	char line[64];

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(cases); i++) {
		fill();
		snprintf(line, sizeof line, "IPK.LINSERT l %s X", cases[i].index);
		says(0, line, ":6");
		says(0, "LRANGE l 0 -1", cases[i].then);
	}
	says(0, "IPK.LINSERT l one X", NOT_INTEGER);
	says(0, "IPK.LINSERT new -3 X", ":1");
	says(0, "LRANGE new 0 -1", "[X]");
	server_end();
}
END_TEST

START_TEST(pop_needs_an_index_that_is_there)
{
	static const struct {
		const char *index, *item, *then;
	} cases[] = {
		{"0", "a", "[b c d e]"},
		{"3", "d", "[a b c e]"},
		{"4", "e", "[a b c d]"},
		{"5", "nil", "[a b c d e]"},
		{"-1", "e", "[a b c d]"},
		{"-4", "b", "[a c d e]"},
		{"-5", "a", "[b c d e]"},
		{"-6", "nil", "[a b c d e]"},
		{"-9223372036854775808", "nil", "[a b c d e]"},
		{"9223372036854775807", "nil", "[a b c d e]"},
	};
	char line[64];

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(cases); i++) {
		fill();
		snprintf(line, sizeof line, "IPK.LPOPAT l %s", cases[i].index);
		says(0, line, cases[i].item);
		says(0, "LRANGE l 0 -1", cases[i].then);
	}
	says(0, "IPK.LPOPAT none 0", "nil");
	says(0, "RPUSH one x", ":1");
	says(0, "IPK.LPOPAT one -1", "x");
	says(0, "EXISTS one", ":0");
	server_end();
}
END_TEST

START_TEST(where_and_how_often)
{
	server_begin();
	says(0, "RPUSH l a b a \"\" b a", ":6");
	says(0, "IPK.LINDEXOF l a - -", ":0");
	says(0, "IPK.LINDEXOF l a 1 -", ":2");
	says(0, "IPK.LINDEXOF l a 3 5", "nil");
	says(0, "IPK.LINDEXOF l a -1 99", ":5");
	says(0, "IPK.LINDEXOF l a -99 -5", ":0");
	says(0, "IPK.LINDEXOF l a 4 2", "nil");
	says(0, "IPK.LINDEXOF l \"\" - -", ":3");
	says(0, "IPK.LINDEXOF l x - -", "nil");
	says(0, "IPK.LINDEXOF none x - -", "nil");
	says(0, "IPK.LINDEXOF l a x -", NOT_INTEGER);
	says(0, "IPK.LCOUNT l a", ":3");
	says(0, "IPK.LCOUNT l \"\"", ":1");
	says(0, "IPK.LCOUNT l aa", ":0");
	says(0, "IPK.LCOUNT none a", ":0");
	server_end();
}
END_TEST

START_TEST(turned_around)
{
	server_begin();
	fill();
	says(0, "IPK.LREVERSE l", "OK");
	says(0, "LRANGE l 0 -1", "[e d c b a]");
	says(0, "RPUSH l z", ":6");
	says(0, "IPK.LREVERSE l", "OK");
	says(0, "LRANGE l 0 -1", "[z a b c d e]");
	says(0, "IPK.LREVERSE none", "OK");
	says(0, "EXISTS none", ":0");
	server_end();
}
END_TEST

START_TEST(several_times_over)
{
	server_begin();
	says(0, "RPUSH l a b", ":2");
	says(0, "IPK.LREPEAT l 1", ":2");
	says(0, "IPK.LREPEAT l 3", ":6");
	says(0, "LRANGE l 0 -1", "[a b a b a b]");
	says(0, "IPK.LREPEAT l 715827883", "-RANGE the list would become too long");
	says(0, "IPK.LREPEAT l 9223372036854775807", "-RANGE the list would become too long");
	says(0, "LLEN l", ":6");
	says(0, "IPK.LREPEAT l -1", ":0");
	says(0, "EXISTS l", ":0");
	says(0, "IPK.LREPEAT none 9223372036854775807", ":0");
	server_end();
}
END_TEST

START_TEST(made_of_equal_items)
{
	server_begin();
	says(0, "IPK.LMAKE l 3 0", ":1");
	says(0, "LRANGE l 0 -1", "[0 0 0]");
	says(0, "IPK.LMAKE l 5 1", ":0");
	says(0, "LRANGE l 0 -1", "[0 0 0]");
	says(0, "IPK.LMAKE new -1 0", "-RANGE a list has 0 to 4294967295 items");
	says(0, "IPK.LMAKE new 4294967296 0", "-RANGE a list has 0 to 4294967295 items");
	says(0, "IPK.LMAKE new 0 0", ":1");
	says(0, "EXISTS new", ":0");
	server_end();
}
END_TEST

START_TEST(items_that_count)
{
	server_begin();
	says(0, "RPUSH l 1 2.5 x 9223372036854775807", ":4");
	says(0, "IPK.LINCRBY l 0 41", "42");
	says(0, "IPK.LINCRBY l 0 0.5", "42.5");
	says(0, "IPK.LINCRBY l -3 -0.5", "2");
	says(0, "IPK.LINCRBY l 2 1", "-VALUE the item is not a number");
	says(0, "IPK.LINCRBY l 0 x", "-ERR value is not a valid float");
	says(0, "IPK.LINCRBY l 0 inf", "-ERR increment would produce NaN or Infinity");
	says(0, "IPK.LINCRBY l 3 1", "-ERR increment or decrement would overflow");
	says(0, "IPK.LINCRBY l 4 1", "-RANGE index out of range");
	says(0, "IPK.LINCRBY l -5 1", "-RANGE index out of range");
	says(0, "IPK.LINCRBY none 0 1", "-RANGE index out of range");
	says(0, "LRANGE l 0 -1", "[42.5 2 x 9223372036854775807]");
	server_end();
}
END_TEST

/* As after a push. */
START_TEST(those_who_wait_for_items)
{
	server_begin();
	waits(1, "BLPOP l 0");
	says(0, "IPK.LINSERT l 0 x", ":1");
	hears(1, "[l x]");
	waits(1, "BLPOP l 0");
	says(0, "IPK.LMAKE l 2 y", ":1");
	hears(1, "[l y]");
	says(0, "LLEN l", ":1");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_ext_list");

	add_test(s, insert_is_clamped);
	add_test(s, pop_needs_an_index_that_is_there);
	add_test(s, where_and_how_often);
	add_test(s, turned_around);
	add_test(s, several_times_over);
	add_test(s, made_of_equal_items);
	add_test(s, items_that_count);
	add_test(s, those_who_wait_for_items);
	return s;
}
IPK_TEST_MAIN(suite)
