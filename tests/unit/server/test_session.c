/*
 * test_session.c - lib/server/session.c: which answers are remembered, for how long, and for how
 * many sessions.
 */
#include <stdio.h>
#include <string.h>

#include "server/server.h"
#include "support/support.h"

#define ID IPK__SLICE_OF("0123456789abcdef")

static struct ipk__server server;
static int n_told;
static uint64_t told_sum;
static bool is_four_late;

static void told(void *arg, struct ipk__slice id, uint64_t number, struct ipk__slice reply)
{
	(void)arg;
	ck_assert_uint_eq(id.n_bytes, 16);
	ck_assert_uint_gt(reply.n_bytes, 0);
	n_told++;
	told_sum += number;
	if (number == 4)
		is_four_late = ipk__slice_equal(reply, IPK__SLICE_OF(":44\r\n"));
}

static void scan(void)
{
	uint64_t cursor = 0;

	n_told = 0;
	told_sum = 0;
	do
		ipk__sessions_scan(&server, &cursor, told, NULL);
	while (cursor != 0);
}

static void restore(struct ipk__slice id, uint64_t number)
{
	char reply[32];
	int n = snprintf(reply, sizeof reply, ":%d\r\n", (int)number);

	ck_ok(ipk__session_restore(&server, id, number, IPK__SLICE(reply, (size_t)n)));
}

START_TEST(each_answer_once_in_any_order)
{
	restore(ID, 5);
	restore(ID, 3);
	restore(ID, 5);
	restore(ID, 9);
	restore(ID, 4);
	/* It waited, and this is what came of it. */
	ck_ok(ipk__session_restore(&server, ID, 4, IPK__SLICE_OF(":44\r\n")));
	scan();
	ck_assert(is_four_late);
	ck_assert_int_eq(n_told, 4);
	ck_assert_uint_eq(told_sum, 21);
	ipk__sessions_free(&server);
	scan();
	ck_assert_int_eq(n_told, 0);
}
END_TEST

START_TEST(as_many_answers_as_promised)
{
	for (uint64_t i = 1; i <= 300; i++)
		restore(ID, i);
	scan();
	ck_assert_int_eq(n_told, 129); /* and what is forgotten */
	ck_assert_uint_eq(told_sum, 129 * (172 + 300) / 2);
	restore(ID, 7); /* one that had waited long: its answer is the last one given */
	scan();
	ck_assert_int_eq(n_told, 129);
	ck_assert_uint_eq(told_sum, 128 * (173 + 300) / 2 + 7);
	ipk__sessions_free(&server);
}
END_TEST

START_TEST(long_replies_push_others_out)
{
	char *reply = calloc(1, (size_t)5 << 20);

	restore(ID, 1);
	for (uint64_t i = 2; i <= 4; i++)
		ck_ok(ipk__session_restore(&server, ID, i, IPK__SLICE(reply, (size_t)5 << 20)));
	scan();
	ck_assert_int_eq(n_told, 1);
	ck_assert_uint_eq(told_sum, 4);
	free(reply);
	reply = calloc(1, (size_t)9 << 20);
	ck_ok(ipk__session_restore(&server, ID, 5, IPK__SLICE(reply, (size_t)9 << 20)));
	scan();
	ck_assert_uint_ge(told_sum, 5); /* that it was done is known */
	free(reply);
	ipk__sessions_free(&server);
}
END_TEST

START_TEST(as_many_sessions_as_promised)
{
	for (int i = 0; i < 10050; i++) {
		char id[17];

		snprintf(id, sizeof id, "session-%08d", i);
		restore(IPK__SLICE(id, 16), 1);
	}
	scan();
	ck_assert_int_eq(n_told, 10000);
	server.steady_ms += 11 * 60 * 1000; /* all are over, once somebody asks for another */
	restore(ID, 1);
	scan();
	ck_assert_int_eq(n_told, 1);
	ipk__sessions_free(&server);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("session");

	add_test(s, each_answer_once_in_any_order);
	add_test(s, as_many_answers_as_promised);
	add_test(s, long_replies_push_others_out);
	add_test(s, as_many_sessions_as_promised);
	return s;
}
IPK_TEST_MAIN(suite)
