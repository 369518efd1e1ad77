/*
 * test_redis_open.c - what Redis leaves unspecified, so that it cannot be compared: random,
 * incremental and time-dependent commands keep their promises; and the descriptions of commands.
 */
#include <stdio.h>
#include <string.h>

#include "redis_pair.h"
#include "support/support.h"

enum { N_FIELDS = 3000 };

static struct pair pair;

/* One request to ours alone, so to say: what redis replies is not looked at. */
static struct ipk__slice ask(const char *words)
{
	pair_forget(&pair, 0);
	pair_askf(&pair, 0, words);
	pair_await(&pair, 0);
	return pair_reply(&pair, 0, OURS, 0);
}

static struct ipk__slice askf(const char *format, const char *word, int n)
{
	char words[200];

	/* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
	snprintf(words, sizeof(words), format, word, n);
	return ask(words);
}

static void ck_reply(struct ipk__slice reply, const char *text)
{
	ck_assert_msg(ipk__slice_equal(reply, ipk__slice_of_string(text)), "%s, not %s",
		      shown(reply), text);
}

/* The bulk strings of a reply, one after the other; false at its end. */
static bool next_bulk(struct ipk__slice reply, size_t *at, struct ipk__slice *ret_bulk)
{
	while (*at < reply.n_bytes) {
		const char *line = reply.bytes + *at;
		size_t head = (size_t)((char *)memchr(line, '\n', reply.n_bytes - *at) - line) + 1;

		*at += head;
		if (*line != '$')
			continue;
		*ret_bulk = IPK__SLICE(line + head, strtoul(line + 1, NULL, 10));
		*at += ret_bulk->n_bytes + 2;
		return true;
	}
	return false;
}

/* Names are a letter and a number. */
static int number_of(struct ipk__slice name)
{
	ck_assert_uint_ge(name.n_bytes, 2);
	return atoi(name.bytes + 1);
}

static void put_fields(char letter, int from, int to)
{
	char words[64];
	int i;

	for (i = from; i < to; i++) {
		snprintf(words, sizeof(words), "HSET hash %c%d %d", letter, i, i);
		pair_askf(&pair, 0, words);
		if (i % 1000 == 999 || i + 1 == to) {
			pair_await(&pair, 0);
			pair_forget(&pair, 0);
		}
	}
}

/* One round of HSCAN while fields come and go: what stays is given at least once. */
START_TEST(scan_gives_what_stays)
{
	static int seen[N_FIELDS];
	struct ipk__slice reply, bulk;
	char cursor[32] = "0";
	int n_rounds = 0, i;
	size_t at;

	pair_start(&pair, false);
	put_fields('s', 0, N_FIELDS);
	do {
		reply = askf("HSCAN hash %s COUNT %d", cursor, 7);
		at = 0;
		ck_assert(next_bulk(reply, &at, &bulk));
		snprintf(cursor, sizeof(cursor), "%.*s", (int)bulk.n_bytes, bulk.bytes);
		while (next_bulk(reply, &at, &bulk)) {
			if (bulk.bytes[0] == 's')
				seen[number_of(bulk)]++;
			ck_assert(next_bulk(reply, &at, &bulk));
		}
		if (n_rounds++ < 20)
			put_fields('t', n_rounds * 500, n_rounds * 500 + 500);
		else if (n_rounds < 200)
			askf("HDEL hash %s t%d", "t500", 500 + n_rounds * 50);
	} while (strcmp(cursor, "0") != 0);
	for (i = 0; i < N_FIELDS; i++)
		ck_assert_msg(seen[i] > 0, "s%d is not there", i);
	ck_assert_int_gt(n_rounds, 20);
	pair_stop(&pair);
}
END_TEST

/* Different ones for a positive count, few of many and many of few; with their values. */
START_TEST(random_fields_differ)
{
	static const int counts[] = {1, 5, 100, 740, 760, 2999, 3000, 9000};
	static int seen[N_FIELDS];
	struct ipk__slice reply, bulk, value;
	size_t i, at;
	int n, k;

	pair_start(&pair, false);
	put_fields('f', 0, N_FIELDS);
	for (i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		memset(seen, 0, sizeof(seen));
		reply = askf("HRANDFIELD %s %d WITHVALUES", "hash", counts[i]);
		for (at = 0, n = 0; next_bulk(reply, &at, &bulk); n++) {
			ck_assert(next_bulk(reply, &at, &value));
			ck_assert_int_eq(seen[number_of(bulk)]++, 0);
			ck_assert_int_eq(number_of(bulk), atoi(value.bytes));
		}
		ck_assert_int_eq(n, counts[i] < N_FIELDS ? counts[i] : N_FIELDS);
	}

	/* Often enough each of ten comes. */
	ask("DEL hash");
	put_fields('f', 0, 10);
	memset(seen, 0, sizeof(seen));
	reply = ask("HRANDFIELD hash -2000");
	for (at = 0, n = 0; next_bulk(reply, &at, &bulk); n++)
		seen[number_of(bulk)]++;
	ck_assert_int_eq(n, 2000);
	for (k = 0; k < 10; k++)
		ck_assert_int_gt(seen[k], 40);
	pair_stop(&pair);
}
END_TEST

START_TEST(keys_go_when_their_time_has_come)
{
	static const char *const makes[] = {"SET k v PX 1", "PSETEX k 1 v"};
	int i;

	pair_start(&pair, false);
	for (i = 0; i < 2; i++) {
		ask(makes[i]);
		while (ask("EXISTS k").bytes[1] != '0')
			;
		ck_reply(ask("GET k"), "$-1\r\n");
		ck_reply(ask("RPUSH k a"), ":1\r\n");
		ck_reply(ask("TTL k"), ":-1\r\n");
		ck_reply(ask("PEXPIRE k 1"), ":1\r\n");
		while (ask("LLEN k").bytes[1] != '0')
			;
		ck_reply(ask("DEL k"), ":0\r\n");
		ck_reply(ask("RANDOMKEY"), "$-1\r\n");
	}
	pair_stop(&pair);
}
END_TEST

/* A pattern with many stars takes no longer for it. */
START_TEST(patterns_are_quick)
{
	char words[300] = "SET ";
	int i;

	pair_start(&pair, false);
	pair_drop(&pair, 0);
	for (i = 0; i < 200; i++)
		strcat(words, "a");
	strcat(words, " v");
	pair_connect(&pair, 0, OURS, "ours.sock");
	pair_connect(&pair, 0, REDIS, "ours.sock");
	ck_reply(ask(words), "+OK\r\n");
	ck_reply(ask("KEYS a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"), "*0\r\n");
	pair_stop(&pair);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("redis_open");

	add_test(s, scan_gives_what_stays);
	add_test(s, random_fields_differ);
	add_test(s, keys_go_when_their_time_has_come);
	add_test(s, patterns_are_quick);
	return s;
}

PAIR_TEST_MAIN(suite)
