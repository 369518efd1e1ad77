/*
 * test_cmd_glob.c - lib/command/cmd_glob.c: what each form of a pattern takes, and patterns made to
 * take long.
 */
#include "command/cmd_common.h"
#include "support/support.h"

/* As KEYS of a real Redis has it. */
static const struct {
	const char *pattern, *text;
	bool is_match;
} cases[] = {
	{"", "", true},
	{"", "a", false},
	{"abc", "abc", true},
	{"abc", "abcd", false},
	{"abcd", "abc", false},
	{"abc", "aBc", false},
	/* any one */
	{"?", "a", true},
	{"?", "", false},
	{"h?llo", "hallo", true},
	{"h?llo", "hllo", false},
	/* any many */
	{"*", "abc", true},
	{"a*", "a", true},
	{"*c", "abc", true},
	{"a*c", "abcbc", true},
	{"a*c", "abcb", false},
	{"a*b*c", "a-b-b-c", true},
	{"a**c", "ac", true},
	{"*a?", "aab", true},
	{"*ab*ab", "abcab", true},
	{"*ab*ab", "abc", false},
	{"*", "", false}, /* Redis looks at no star when there is nothing */
	/* sets */
	{"h[ae]llo", "hello", true},
	{"h[ae]llo", "hillo", false},
	{"h[^e]llo", "hallo", true},
	{"h[^e]llo", "hello", false},
	{"[^ae]", "e", false},
	{"[a^]", "^", true},
	{"[a-c]", "b", true},
	{"[a-c]", "a", true},
	{"[a-c]", "c", true},
	{"[a-c]", "d", false},
	{"[c-a]", "b", true}, /* turned around */
	{"[a-cx-z]", "y", true},
	{"[a-cx-z]", "m", false},
	{"[^a-c]", "b", false},
	{"[a-]", "-", false}, /* from "]" to "a", and then it does not end */
	{"[a-]", "_", true},
	{"[-a]", "-", true},
	{"[]", "a", false},
	{"[]a]", "a]", false},
	{"[]", "", false},
	{"[^]", "a", true},
	{"*[0-9]", "key7", true},
	{"*[0-9]", "key", false},
	/* one that does not end */
	{"[abc", "b", true},
	{"[abc", "d", false},
	{"[a-", "-", true},
	{"[", "[", false},
	/* a backslash */
	{"\\*", "*", true},
	{"\\*", "a", false},
	{"a\\?", "a?", true},
	{"a\\?", "ab", false},
	{"\\[a]", "[a]", true},
	{"\\\\", "\\", true},
	{"[\\]]", "]", true},
	{"[\\-]", "-", true},
	{"[\\^]", "^", true},
	{"[\\a-c]", "b", false}, /* an escaped one begins no range */
	{"\\a", "a", true},
	{"\\", "\\", true}, /* nothing behind it: itself */
	{"[\\", "\\", true},
};

START_TEST(forms)
{
	bool is_match = ipk__glob_match(ipk__slice_of_string(cases[_i].pattern),
					ipk__slice_of_string(cases[_i].text));

	ck_assert_msg(is_match == cases[_i].is_match, "'%s' against '%s' is %d", cases[_i].pattern,
		      cases[_i].text, is_match);
}
END_TEST

START_TEST(any_byte_counts_and_none_ends)
{
	static const char all[] = "a\0b\xff";
	struct ipk__slice text = IPK__SLICE(all, 4);

	ck_assert(ipk__glob_match(IPK__SLICE("a?b?", 4), text));
	ck_assert(ipk__glob_match(IPK__SLICE("a\0b*", 4), text));
	ck_assert(!ipk__glob_match(IPK__SLICE("a\0c*", 4), text));
	ck_assert(ipk__glob_match(IPK__SLICE("*[\x80-\xff]", 6), text)); /* bytes have no sign */
	ck_assert(!ipk__glob_match(IPK__SLICE("a", 1), text));
	ck_assert(ipk__glob_match(IPK__SLICE(NULL, 0), IPK__SLICE(NULL, 0)));
}
END_TEST

/* The pattern lies at the very end of its memory: a byte too far is seen by ASan and valgrind. */
START_TEST(nothing_behind_the_pattern_is_read)
{
	static const char whole[] = "[a-\\]*?[^";

	for (size_t n = 0; n < sizeof whole; n++) {
		char *pattern = malloc(n + (n == 0));

		memcpy(pattern, whole, n);
		for (size_t m = 0; m < sizeof whole; m++)
			(void)ipk__glob_match(IPK__SLICE(pattern, n), IPK__SLICE(whole, m));
		free(pattern);
	}
}
END_TEST

/* Tried in all ways, this would take longer than the world is old; so it is done in one. */
START_TEST(many_stars_end_soon)
{
	char pattern[402], text[4000];

	for (size_t i = 0; i < 400; i += 2)
		memcpy(pattern + i, "a*", 2);
	memcpy(pattern + 400, "b", 1);
	memset(text, 'a', sizeof text);
	ck_assert(!ipk__glob_match(IPK__SLICE(pattern, 401), IPK__SLICE(text, sizeof text)));
	text[sizeof text - 1] = 'b';
	ck_assert(ipk__glob_match(IPK__SLICE(pattern, 401), IPK__SLICE(text, sizeof text)));
}
END_TEST

START_TEST(words_are_alike_in_both_cases)
{
	char longer[66];

	ck_assert(ipk__glob_match_word(IPK__SLICE_OF("MAX*"), "maxmemory"));
	ck_assert(ipk__glob_match_word(IPK__SLICE_OF("max[M]emory"), "MaxMemory"));
	ck_assert(!ipk__glob_match_word(IPK__SLICE_OF("max"), "maxmemory"));
	memset(longer, '*', sizeof longer);
	ck_assert(ipk__glob_match_word(IPK__SLICE(longer, 64), "word"));
	ck_assert(!ipk__glob_match_word(IPK__SLICE(longer, 65), "word")); /* more than it holds */
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_glob");

	add_loop_test(s, forms, 0, (int)(sizeof cases / sizeof cases[0]));
	add_test(s, any_byte_counts_and_none_ends);
	add_test(s, nothing_behind_the_pattern_is_read);
	add_test(s, many_stars_end_soon);
	add_test(s, words_are_alike_in_both_cases);
	return s;
}
IPK_TEST_MAIN(suite)
