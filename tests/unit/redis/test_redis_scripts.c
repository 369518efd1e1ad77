/*
 * test_redis_scripts.c - lib/redis/redis_scripts.c: the table as a whole. What the scripts do, a
 * real server shows: proc.manager_redis.
 */
#include <ctype.h>
#include <string.h>

#include "redis/redis.h"
#include "support/support.h"

/* All that the protocol has and Redis not, and what the client runs for itself. */
static const char *const names[] = {
	"ONCE",         "TYPE",         "DEL",           "IPK.LINSERT",
	"IPK.LPOPAT",   "IPK.LSLICE",   "IPK.LSETSLICE", "IPK.LDELSLICE",
	"IPK.LINDEXOF", "IPK.LCOUNT",   "IPK.LREVERSE",  "IPK.LSORT",
	"IPK.LREPEAT",  "IPK.LINCRBY",  "IPK.LMAKE",     "IPK.HSETDEFAULT",
	"IPK.HPOP",     "IPK.HPOPITEM", "IPK.HCAS",      "IPK.NEW",
	"IPK.ACQUIRE",  "IPK.RELEASE",  "IPK.HELD",      "IPK.OWNER",
	"IPK.FENCE",    "UNHOLD",       "COMPANION",     "IPK.CWAIT",
	"IPK.CNOTIFY",  "IPK.ESET",     "IPK.ECLEAR",    "IPK.EISSET",
	"IPK.EWAIT",    "IPK.BWAIT",    "IPK.BABORT",    "IPK.BRESET",
	"IPK.BINFO",    "IPK.QPUT",     "IPK.QGET",      "IPK.QLEN",
	"IPK.QINFO",    "IPK.QDONE",    "IPK.QJOIN",     "IPK.QSHUTDOWN",
	"RENEW",        "DROP",
};

static int find(const char *name)
{
	return ipk__redis_script(name, strlen(name));
}

static int n_scripts(void)
{
	int last = -1;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (find(names[i]) > last)
			last = find(names[i]);
	return last + 1;
}

START_TEST(each_name_has_a_script_of_its_own)
{
	bool is_seen[IPK__REDIS_SCRIPTS_MAX] = {false};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int script = find(names[i]);

		ck_assert_msg(script >= 0, "%s", names[i]);
		ck_assert_int_lt(script, IPK__REDIS_SCRIPTS_MAX);
		ck_assert_msg(!is_seen[script], "%s", names[i]);
		is_seen[script] = true;
	}
}
END_TEST

START_TEST(names_are_words)
{
	int script = find("IPK.QPUT");

	ck_assert_int_eq(find("ipk.qput"), script);
	ck_assert_int_eq(ipk__redis_script("IPK.QPUTS", 8), script);
	ck_assert_int_eq(find("IPK.QPUTS"), -1);
	ck_assert_int_eq(find("IPK.QPU"), -1);
	ck_assert_int_eq(find("GET"), -1);
	ck_assert_int_eq(find(""), -1);
}
END_TEST

START_TEST(texts_differ)
{
	int n = n_scripts();

	ck_assert_int_gt(n, 30);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < i; k++)
			ck_assert_msg(
				strcmp(ipk__redis_script_text(i), ipk__redis_script_text(k)) != 0,
				"%d and %d", i, k);
}
END_TEST

/* How often the word stands alone in the text, outside of quotes. */
static int count(const char *text, const char *word)
{
	size_t n = strlen(word);
	bool is_quoted = false;
	int found = 0;

	for (const char *at = text; *at; at++) {
		is_quoted ^= *at == '\'';
		if (!is_quoted && strncmp(at, word, n) == 0 && !isalnum((unsigned char)at[n]) &&
		    at[n] != '_' &&
		    (at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_')))
			found++;
	}
	return found;
}

static int count_char(const char *text, char c)
{
	int n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* A piece that is missing or there twice is seen without a server. */
START_TEST(blocks_are_closed)
{
	for (int i = 0; i < n_scripts(); i++) {
		const char *text = ipk__redis_script_text(i);
		/* "while ... do" and "for ... do" open one block, "elseif" none. */
		int n_open = count(text, "function") + count(text, "if") + count(text, "do");

		ck_assert_msg(n_open == count(text, "end"), "%d: %d opened, %d closed\n%s", i,
			      n_open, count(text, "end"), text);
		ck_assert_int_eq(count_char(text, '('), count_char(text, ')'));
		ck_assert_int_eq(count_char(text, '{'), count_char(text, '}'));
		ck_assert_int_eq(count_char(text, '['), count_char(text, ']'));
		ck_assert_int_eq(count_char(text, '\'') % 2, 0);
	}
}
END_TEST

/* Sent again, these would be done twice if they did not look for their number first. */
START_TEST(what_changes_something_does_it_once)
{
	static const char *const changes[] = {"IPK.NEW",     "IPK.ACQUIRE",   "IPK.RELEASE",
					      "IPK.QPUT",    "IPK.QGET",      "IPK.QDONE",
					      "IPK.LINSERT", "IPK.LPOPAT",    "IPK.LSETSLICE",
					      "IPK.HPOP",    "IPK.LDELSLICE", "IPK.CWAIT"};

	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
		ck_assert_msg(strstr(ipk__redis_script_text(find(changes[i])), "return once("),
			      "%s", changes[i]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("redis_scripts");

	add_test(s, each_name_has_a_script_of_its_own);
	add_test(s, names_are_words);
	add_test(s, texts_differ);
	add_test(s, blocks_are_closed);
	add_test(s, what_changes_something_does_it_once);
	return s;
}
IPK_TEST_MAIN(suite)
