/*
 * test_cmd_ext_slice.c - lib/command/cmd_ext_slice.c: Python's slices, beside a model that goes
 * over all indices as the language reference says it.
 */
#include "unit/server/server_in_place.h"

enum { LEN_MAX = 6, OMITTED = 1000 };

/* Which indices of a list of @len l[start:stop:step] has, in order; how many. */
static int indices_of(int len, int start, int stop, int step, int indices[LEN_MAX])
{
	int n = 0;

	/* "If i or j is negative, the index is relative to the end of the sequence"; clamped. */
	if (start != OMITTED && start < 0)
		start = start + len < 0 ? (step < 0 ? -1 : 0) : start + len;
	else if (start != OMITTED && start >= len)
		start = step < 0 ? len - 1 : len;
	if (stop != OMITTED && stop < 0)
		stop = stop + len < 0 ? (step < 0 ? -1 : 0) : stop + len;
	else if (stop != OMITTED && stop >= len)
		stop = step < 0 ? len - 1 : len;
	if (start == OMITTED)
		start = step < 0 ? len - 1 : 0;
	if (stop == OMITTED)
		stop = step < 0 ? -1 : len;
	for (int i = start; step < 0 ? i > stop : i < stop; i += step)
		indices[n++] = i;
	return n;
}

static const char *number(char buf[16], int n)
{
	if (n == OMITTED)
		return "-";
	snprintf(buf, 16, "%d", n);
	return buf;
}

static void fill(int len)
{
	char line[32] = "RPUSH l";

	ask(0, "DEL l");
	for (int i = 0; i < len; i++)
		snprintf(line + strlen(line), sizeof line - strlen(line), " %c", 'a' + i);
	if (len > 0)
		ask(0, line);
	(void)said(0);
}

/* "[a b]" of "ab". */
static const char *list_of(char buf[32], const char *letters)
{
	size_t to = 0;

	buf[to++] = '[';
	for (; *letters; letters++) {
		if (to > 1)
			buf[to++] = ' ';
		buf[to++] = *letters;
	}
	buf[to++] = ']';
	buf[to] = 0;
	return buf;
}

static void check_one(int len, int start, int stop, int step)
{
	char a[16], b[16], c[16], words[60], line[80], wanted[32];
	char left[LEN_MAX + 1], picked[LEN_MAX + 1] = "";
	int indices[LEN_MAX] = {0};
	int n = indices_of(len, start, stop, step, indices), n_left = 0;

	for (int i = 0; i < n; i++)
		picked[i] = (char)('a' + indices[i]);
	for (int i = 0; i < len; i++)
		if (!strchr(picked, 'a' + i))
			left[n_left++] = (char)('a' + i);
	left[n_left] = 0;

	snprintf(words, sizeof words, "l %s %s %s", number(a, start), number(b, stop),
		 number(c, step));
	snprintf(line, sizeof line, "IPK.LSLICE %s", words);
	says(0, line, list_of(wanted, picked));
	snprintf(line, sizeof line, "IPK.LDELSLICE %s", words);
	snprintf(wanted, sizeof wanted, ":%d", n);
	says(0, line, wanted);
	says(0, "LRANGE l 0 -1", list_of(wanted, left));
	if (n > 0)
		fill(len);
}

START_TEST(every_slice_of_short_lists)
{
	static const int ends[] = {OMITTED, -8, -6, -5, -3, -1, 0, 1, 2, 4, 5, 6, 9};
	static const int steps[] = {1, 2, 3, 7, -1, -2, -5, -9};
	int len = _i;

	server_begin();
	fill(len);
	for (size_t i = 0; i < IPK__N_OF(ends); i++)
		for (size_t j = 0; j < IPK__N_OF(ends); j++)
			for (size_t k = 0; k < IPK__N_OF(steps); k++)
				check_one(len, ends[i], ends[j], steps[k]);
	server_end();
}
END_TEST

START_TEST(numbers_at_the_edge_of_64_bits)
{
	server_begin();
	says(0, "RPUSH l a b c", ":3");
	says(0, "IPK.LSLICE l -9223372036854775808 9223372036854775807 1", "[a b c]");
	says(0, "IPK.LSLICE l 9223372036854775807 -9223372036854775808 -1", "[c b a]");
	says(0, "IPK.LSLICE l - - 9223372036854775807", "[a]");
	says(0, "IPK.LSLICE l - - -9223372036854775808", "[c]");
	says(0, "IPK.LDELSLICE l 1 - 9223372036854775807", ":1");
	says(0, "LRANGE l 0 -1", "[a c]");
	says(0, "IPK.LSLICE l 0 1 0", "-VALUE slice step cannot be zero");
	says(0, "IPK.LSLICE l x 1 1", "-ERR value is not an integer or out of range");
	says(0, "IPK.LSLICE l 0 1 9223372036854775808",
	     "-ERR value is not an integer or out of range");
	server_end();
}
END_TEST

START_TEST(assigning_to_a_plain_slice)
{
	static const struct {
		const char *line, *len, *then;
	} cases[] = {
		{"IPK.LSETSLICE l 1 3 1 X", ":4", "[a X d e]"},
		{"IPK.LSETSLICE l 1 1 - X Y", ":7", "[a X Y b c d e]"},
		{"IPK.LSETSLICE l 0 0 - X", ":6", "[X a b c d e]"},
		{"IPK.LSETSLICE l 5 - - X Y", ":7", "[a b c d e X Y]"},
		{"IPK.LSETSLICE l 99 - - X", ":6", "[a b c d e X]"},
		{"IPK.LSETSLICE l - - - X", ":1", "[X]"},
		{"IPK.LSETSLICE l - - -", ":0", "[]"},
		{"IPK.LSETSLICE l -2 - - X Y Z", ":6", "[a b c X Y Z]"},
		{"IPK.LSETSLICE l 3 1 - X", ":6", "[a b c X d e]"}, /* empty: before its start */
		{"IPK.LSETSLICE l 1 3 -", ":3", "[a d e]"},
		{"IPK.LSETSLICE l 2 2 -", ":5", "[a b c d e]"},
	};

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(cases); i++) {
		fill(5);
		says(0, cases[i].line, cases[i].len);
		says(0, "LRANGE l 0 -1", cases[i].then);
	}
	says(0, "DEL l", ":1");
	says(0, "IPK.LSETSLICE l 0 0 -", ":0");
	says(0, "EXISTS l", ":0");
	says(0, "IPK.LSETSLICE l 3 9 - a b", ":2");
	says(0, "LRANGE l 0 -1", "[a b]");
	server_end();
}
END_TEST

START_TEST(assigning_to_an_extended_slice)
{
	static const struct {
		const char *line, *then;
	} cases[] = {
		{"IPK.LSETSLICE l - - 2 X Y Z", "[X b Y d Z]"},
		{"IPK.LSETSLICE l 1 - 3 X Y", "[a X c d Y]"},
		{"IPK.LSETSLICE l - - -1 V W X Y Z", "[Z Y X W V]"},
		{"IPK.LSETSLICE l - 1 -2 X Y", "[a b Y d X]"},
	};

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(cases); i++) {
		fill(5);
		says(0, cases[i].line, ":5");
		says(0, "LRANGE l 0 -1", cases[i].then);
	}
	fill(5);
	says(0, "IPK.LSETSLICE l - - 2 X Y",
	     "-RANGE attempt to assign sequence of size 2 to extended slice of size 3");
	says(0, "LRANGE l 0 -1", "[a b c d e]");
	server_end();
}
END_TEST

/* More than are removed one by one: those that stay make a new list. */
START_TEST(many_at_once)
{
	char line[64];

	server_begin();
	for (int i = 0; i < 300; i++) {
		snprintf(line, sizeof line, "RPUSH l %d", i);
		ask(0, line);
	}
	(void)said(0);
	says(0, "IPK.LDELSLICE l - - -2", ":150"); /* 299, 297, ... */
	says(0, "LLEN l", ":150");
	says(0, "LINDEX l 149", "298");
	for (int i = 0; i < 150; i += 37) {
		char wanted[16];

		snprintf(line, sizeof line, "LINDEX l %d", i);
		snprintf(wanted, sizeof wanted, "%d", 2 * i);
		says(0, line, wanted);
	}
	/* Not to the end: what is behind the last one stays. */
	says(0, "IPK.LDELSLICE l 10 141 2", ":66");
	says(0, "LLEN l", ":84");
	says(0, "IPK.LSLICE l 9 13 1", "[18 22 26 30]");
	says(0, "IPK.LSLICE l 74 - 1", "[278 282 284 286 288 290 292 294 296 298]");
	says(0, "IPK.LDELSLICE l - - -1", ":84");
	says(0, "EXISTS l", ":0");
	server_end();
}
END_TEST

START_TEST(other_types_are_refused)
{
	server_begin();
	says(0, "SET k v", "OK");
	says(0, "IPK.LSLICE k - - -",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value");
	says(0, "IPK.LSETSLICE k - - - x",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value");
	says(0, "GET k", "v");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_ext_slice");

	add_loop_test(s, every_slice_of_short_lists, 0, LEN_MAX);
	add_test(s, numbers_at_the_edge_of_64_bits);
	add_test(s, assigning_to_a_plain_slice);
	add_test(s, assigning_to_an_extended_slice);
	add_test(s, many_at_once);
	add_test(s, other_types_are_refused);
	return s;
}
IPK_TEST_MAIN(suite)
