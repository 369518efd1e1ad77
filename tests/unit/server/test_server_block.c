/*
 * test_server_block.c - lib/server/server_block.c: the line at a name, the heap of timeouts, and a
 * session's requests, which wait each for itself.
 */
#include "server_in_place.h"

#define SESSION "IPK.SESSION 0123456789abcdef 1"

START_TEST(served_in_line)
{
	server_begin();
	waits(1, "BLPOP l 0");
	waits(2, "BRPOP l 0");
	waits(3, "BLPOP l 0");
	ck_assert_uint_eq(ipk__blocks_len(server), 3);
	says(0, "RPUSH l a b", ":2");
	hears(1, "[l a]");
	hears(2, "[l b]");
	hears(3, "");
	ck_assert_uint_eq(ipk__blocks_len(server), 1);
	says(0, "RPUSH l c", ":1");
	hears(3, "[l c]");
	server_end();
}
END_TEST

START_TEST(at_several_names)
{
	server_begin();
	waits(1, "BLPOP a b c 0");
	waits(2, "BLPOP c 0");
	says(0, "RPUSH b x", ":1");
	hears(1, "[b x]");
	/* It stands in the other lines no more. */
	says(0, "RPUSH c y", ":1");
	hears(2, "[c y]");
	says(0, "RPUSH a z", ":1");
	says(0, "LLEN a", ":1");
	server_end();
}
END_TEST

START_TEST(timeouts_in_their_order)
{
	server_begin();
	ck_assert_int_eq(ipk__blocks_next_ms(server), -1);
	waits(1, "BLPOP l 100");
	waits(2, "BLPOP l 0.001");
	waits(3, "BLPOP l 50");
	ck_assert_int_le(ipk__blocks_next_ms(server), 2);
	time_passes();
	hears(1, "");
	hears(2, "nil");
	hears(3, "");
	ck_assert_int_gt(ipk__blocks_next_ms(server), 10000);
	ck_assert_int_le(ipk__blocks_next_ms(server), 50001);
	peer_goes(3);
	ck_assert_int_gt(ipk__blocks_next_ms(server), 50001);
	/* Whose time is over stands in no line. */
	says(0, "RPUSH l a", ":1");
	hears(1, "[l a]");
	ck_assert_int_eq(ipk__blocks_next_ms(server), -1);
	server_end();
}
END_TEST

START_TEST(nobody_waits_for_what_is_there)
{
	server_begin();
	says(0, "RPUSH l a", ":1");
	says(1, "BLPOP none l 0", "[l a]");
	ck_assert_uint_eq(ipk__blocks_len(server), 0);
	says(1, "BLPOP l -1", "-ERR timeout is negative");
	server_end();
}
END_TEST

/* What one of them leaves behind serves the next. */
START_TEST(one_after_the_other)
{
	server_begin();
	waits(1, "BLMOVE a b LEFT RIGHT 0");
	waits(2, "BLPOP b 0");
	says(0, "RPUSH a x", ":1");
	hears(1, "x");
	hears(2, "[b x]");
	server_end();
}
END_TEST

START_TEST(unblocked_by_hand)
{
	char line[64];

	server_begin();
	waits(1, "BLPOP l 0");
	snprintf(line, sizeof line, "CLIENT UNBLOCK %d", (int)peers[1]->id);
	says(0, line, ":1");
	hears(1, "nil");
	says(0, line, ":0");
	waits(1, "BLPOP l 0");
	snprintf(line, sizeof line, "CLIENT UNBLOCK %d ERROR", (int)peers[1]->id);
	says(0, line, ":1");
	hears(1, "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
	server_end();
}
END_TEST

static void session_begins(int peer)
{
	ask(peer, SESSION);
	ck_assert_int_eq(said(peer)[0], '[');
}

START_TEST(a_session_goes_on)
{
	server_begin();
	session_begins(1);
	says(1, "BLPOP l 0", "WAIT 1");
	says(1, "BLPOP m 0", "WAIT 2");
	says(1, "PING", "PONG");
	says(0, "RPUSH m x", ":1");
	hears(1, "[ipk.done :2 [m x]]");
	says(0, "RPUSH l y", ":1");
	hears(1, "[ipk.done :1 [l y]]");
	server_end();
}
END_TEST

START_TEST(taken_back)
{
	server_begin();
	session_begins(1);
	says(1, "BLPOP l 0", "WAIT 1");
	says(1, "BLPOP l 0", "WAIT 2");
	says(1, "IPK.CANCEL 1", ":1");
	says(1, "IPK.CANCEL 1", ":0");
	says(1, "IPK.CANCEL 7", ":0");
	says(0, "RPUSH l x", ":1");
	hears(1, "[ipk.done :2 [l x]]");
	says(1, "IPK.CANCEL 2", ":0"); /* it was done */
	/* A party that leaves does not break the barrier. */
	says(0, "IPK.NEW BARRIER b 3", ":1");
	waits(2, "IPK.BWAIT b x -1");
	says(1, "IPK.BWAIT b x -1", "WAIT 3");
	says(1, "IPK.CANCEL 3", ":1");
	says(0, "IPK.BINFO b", "[:3 :1 :0]");
	server_end();
}
END_TEST

/* By its number: what it waits for, or what it got meanwhile. */
START_TEST(left)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	session_begins(1);
	says(1, "IPK.ACQUIRE k b -1", "WAIT 1"); /* number 1 */
	says(1, "IPK.LEAVE 1", ":1");
	says(0, "IPK.RELEASE k a", "OK");
	hears(1, "");
	says(1, "IPK.ACQUIRE k b -1", ":1"); /* number 3 */
	says(1, "IPK.LEAVE 3", ":0");
	says(0, "IPK.ACQUIRE k a 0", ":1"); /* it was given back */
	says(1, "IPK.LEAVE 0", "-ERR requests of a session count from 1");
	server_end();
}
END_TEST

START_TEST(a_session_that_goes)
{
	server_begin();
	session_begins(1);
	says(1, "BLPOP l 0", "WAIT 1");
	says(1, "BLPOP l 9", "WAIT 2");
	peer_goes(1);
	ck_assert_uint_eq(ipk__blocks_len(server), 0);
	ck_assert_int_eq(ipk__blocks_next_ms(server), -1);
	says(0, "RPUSH l x", ":1");
	says(0, "LLEN l", ":1");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("server_block");

	add_test(s, served_in_line);
	add_test(s, at_several_names);
	add_test(s, timeouts_in_their_order);
	add_test(s, nobody_waits_for_what_is_there);
	add_test(s, one_after_the_other);
	add_test(s, unblocked_by_hand);
	add_test(s, a_session_goes_on);
	add_test(s, taken_back);
	add_test(s, left);
	add_test(s, a_session_that_goes);
	return s;
}
IPK_TEST_MAIN(suite)
