/*
 * test_cmd_lock.c - lib/command/cmd_lock.c: locks, semaphores and conditions: who has them, who is
 * next, and what becomes of them when a connection ends.
 */
#include "unit/server/server_in_place.h"

#define NOT_OWNER "-NOTOWNER this owner does not hold it"

START_TEST(a_lock_has_one_owner)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":0"); /* not once more */
	says(0, "IPK.ACQUIRE k b 0", ":0"); /* another owner of the same connection */
	says(1, "IPK.ACQUIRE k a 0", ":0"); /* the same word, from another connection */
	says(1, "IPK.RELEASE k a", NOT_OWNER);
	says(0, "IPK.RELEASE k b", NOT_OWNER);
	says(0, "IPK.HELD k a", ":1");
	says(1, "IPK.HELD k a", ":0");
	says(0, "IPK.RELEASE k a", "OK");
	says(0, "IPK.RELEASE k a", NOT_OWNER);
	says(1, "IPK.ACQUIRE k a 0", ":1");
	server_end();
}
END_TEST

START_TEST(an_rlock_counts)
{
	server_begin();
	says(0, "IPK.NEW RLOCK k", ":1");
	for (int i = 0; i < 3; i++)
		says(0, "IPK.ACQUIRE k a 0", ":1");
	says(0, "IPK.HELD k a", ":3");
	says(0, "IPK.ACQUIRE k b 0", ":0");
	waits(1, "IPK.ACQUIRE k a -1");
	says(0, "IPK.RELEASE k a 4", NOT_OWNER); /* more than it has: none */
	says(0, "IPK.RELEASE k a 2", "OK");
	hears(1, "");
	says(0, "IPK.RELEASE k a", "OK");
	hears(1, ":1");
	server_end();
}
END_TEST

START_TEST(the_first_to_wait_is_next)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	waits(1, "IPK.ACQUIRE k b -1");
	waits(2, "IPK.ACQUIRE k c -1");
	waits(3, "IPK.ACQUIRE k d -1");
	says(0, "IPK.RELEASE k a", "OK");
	hears(1, ":1");
	hears(2, "");
	says(1, "IPK.RELEASE k b", "OK");
	hears(2, ":1");
	hears(3, "");
	server_end();
}
END_TEST

START_TEST(an_owner_that_goes_leaves_it_to_the_next)
{
	server_begin();
	says(0, "IPK.NEW RLOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	waits(1, "IPK.ACQUIRE k b -1");
	waits(2, "IPK.ACQUIRE k c -1");
	peer_goes(1); /* it waits no more */
	peer_goes(0); /* deep as it was */
	hears(2, ":1");
	says(2, "IPK.HELD k c", ":1");
	server_end();
}
END_TEST

START_TEST(a_time_that_is_over)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	waits(1, "IPK.ACQUIRE k b 1");
	waits(2, "IPK.ACQUIRE k c -1");
	time_passes();
	hears(1, ":0");
	says(0, "IPK.RELEASE k a", "OK");
	hears(2, ":1");
	says(1, "IPK.HELD k b", ":0");
	server_end();
}
END_TEST

START_TEST(who_has_it)
{
	char wanted[200];

	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(1, "IPK.OWNER k", "nil");
	says(0, "CLIENT SETNAME me", "OK");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	snprintf(wanted, sizeof wanted, "[:%d :%d me %s a :1]", (int)peers[0]->id,
		 (int)ipk__os_pid(), peers[0]->address);
	says(1, "IPK.OWNER k", wanted);
	says(0, "IPK.NEW SEMAPHORE s 1", ":1");
	says(1, "IPK.OWNER s",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value");
	server_end();
}
END_TEST

START_TEST(permits)
{
	server_begin();
	says(0, "IPK.NEW SEMAPHORE s 2", ":1");
	says(0, "IPK.ACQUIRE s a 0", ":1");
	says(0, "IPK.ACQUIRE s a 0", ":1");
	says(0, "IPK.HELD s a", ":2");
	says(1, "IPK.ACQUIRE s b 0", ":0");
	waits(1, "IPK.ACQUIRE s b -1");
	waits(2, "IPK.ACQUIRE s c -1");
	/* By whoever likes, and more than were taken. */
	says(3, "IPK.RELEASE s x 3", "OK");
	hears(1, ":1");
	hears(2, ":1");
	says(3, "IPK.ACQUIRE s x 0", ":1");
	says(3, "IPK.ACQUIRE s x 0", ":0");
	server_end();
}
END_TEST

START_TEST(a_bounded_semaphore_has_a_bound)
{
	server_begin();
	says(0, "IPK.NEW BOUNDEDSEMAPHORE s 2", ":1");
	says(0, "IPK.RELEASE s a", "-VALUE semaphore released too many times");
	says(0, "IPK.ACQUIRE s a 0", ":1");
	says(0, "IPK.RELEASE s a 2", "-VALUE semaphore released too many times");
	says(0, "IPK.RELEASE s a 9223372036854775807", "-VALUE semaphore released too many times");
	says(0, "IPK.RELEASE s a 0", "-VALUE n must be one or more");
	says(0, "IPK.RELEASE s a", "OK");
	says(0, "IPK.HELD s a", ":0");
	server_end();
}
END_TEST

/* Back up to what it was made with, less what others hold: a signal is not sent twice. */
START_TEST(permits_of_one_that_goes)
{
	server_begin();
	says(0, "IPK.NEW SEMAPHORE s 3", ":1");
	says(0, "IPK.ACQUIRE s a 0", ":1");
	says(0, "IPK.ACQUIRE s b 0", ":1");
	says(1, "IPK.ACQUIRE s c 0", ":1");
	waits(2, "IPK.ACQUIRE s d -1");
	peer_goes(0);
	hears(2, ":1");
	says(2, "IPK.ACQUIRE s d 0", ":1");
	says(2, "IPK.ACQUIRE s d 0", ":0");
	/* One that signals others: made with none. */
	says(1, "IPK.NEW SEMAPHORE signal 0", ":1");
	says(1, "IPK.RELEASE signal x", "OK");
	says(2, "IPK.ACQUIRE signal y 0", ":1");
	peer_goes(2);
	says(1, "IPK.ACQUIRE signal x 0", ":0");
	/* Some of them were made good by others already: only the rest comes back. */
	says(1, "IPK.NEW SEMAPHORE some 3", ":1");
	for (int i = 0; i < 3; i++)
		says(3, "IPK.ACQUIRE some x 0", ":1");
	says(1, "IPK.RELEASE some x 2", "OK");
	peer_goes(3);
	for (int i = 0; i < 3; i++)
		says(1, "IPK.ACQUIRE some x 0", ":1");
	says(1, "IPK.ACQUIRE some x 0", ":0");
	server_end();
}
END_TEST

START_TEST(a_condition_needs_its_lock)
{
	server_begin();
	says(0, "IPK.NEW CONDITION c k", "-NOKEY no such key");
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.NEW CONDITION c k", ":1");
	says(0, "IPK.CWAIT c a -1", NOT_OWNER);
	says(0, "IPK.CNOTIFY c a 1", NOT_OWNER);
	says(0, "IPK.ACQUIRE c a 0", ":1"); /* its lock */
	says(1, "IPK.ACQUIRE k b 0", ":0");
	says(0, "IPK.CNOTIFY c a 1", ":0"); /* nobody waits */
	says(0, "IPK.CNOTIFY c a -2", "-VALUE n is -1 or more");
	says(0, "DEL k", ":1");
	says(0, "IPK.CNOTIFY c a 1", "-NOKEY no such key");
	server_end();
}
END_TEST

/* Told in the order they came, and on their way one after the other, each with the lock. */
START_TEST(notified)
{
	server_begin();
	says(0, "IPK.NEW RLOCK k", ":1");
	says(0, "IPK.NEW CONDITION c k", ":1");
	for (int i = 1; i <= 3; i++) {
		says(i, "IPK.ACQUIRE k w 0", ":1");
		if (i == 1)
			says(i, "IPK.ACQUIRE k w 0", ":1"); /* twice: all of it is given back */
		waits(i, "IPK.CWAIT c w -1");
	}
	says(0, "IPK.ACQUIRE k a 0", ":1");
	says(0, "IPK.CNOTIFY c a 2", ":2");
	hears(1, ""); /* the lock is not free yet */
	says(0, "IPK.RELEASE k a", "OK");
	hears(1, ":1");
	says(1, "IPK.HELD k w", ":2");
	hears(2, "");
	says(1, "IPK.RELEASE k w 2", "OK");
	hears(2, ":1");
	says(2, "IPK.RELEASE k w", "OK");
	hears(3, ""); /* that one was not told */
	says(0, "IPK.ACQUIRE k a 0", ":1");
	says(0, "IPK.CNOTIFY c a -1", ":1");
	says(0, "IPK.RELEASE k a", "OK");
	hears(3, ":1");
	server_end();
}
END_TEST

START_TEST(not_notified_in_time)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.NEW CONDITION c k", ":1");
	says(0, "IPK.ACQUIRE k w 0", ":1");
	waits(0, "IPK.CWAIT c w 1");
	says(1, "IPK.ACQUIRE k a 0", ":1");
	time_passes();
	hears(0, ""); /* the answer comes with the lock */
	says(1, "IPK.CNOTIFY c a 1", ":0");
	says(1, "IPK.RELEASE k a", "OK");
	hears(0, ":0");
	says(0, "IPK.HELD k w", ":1");
	server_end();
}
END_TEST

/* What a waiter was told, and took along, is told to another one. */
START_TEST(a_told_one_that_goes)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.NEW CONDITION c k", ":1");
	for (int i = 1; i <= 2; i++) {
		says(i, "IPK.ACQUIRE k w 0", ":1");
		waits(i, "IPK.CWAIT c w -1");
	}
	says(0, "IPK.ACQUIRE k a 0", ":1");
	says(0, "IPK.CNOTIFY c a 1", ":1");
	peer_goes(1);
	says(0, "IPK.RELEASE k a", "OK");
	hears(2, ":1");
	says(2, "IPK.HELD k w", ":1");
	server_end();
}
END_TEST

START_TEST(wrong_words)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.ACQUIRE k a -2", "-ERR timeout is -1 or more milliseconds");
	says(0, "IPK.ACQUIRE k a x", "-ERR value is not an integer or out of range");
	says(0, "IPK.ACQUIRE none a 0", "-NOKEY no such key");
	says(0, "IPK.RELEASE k a 1 2", "-ERR wrong number of arguments for 'ipk.release' command");
	says(0, "IPK.NEW EVENT e", ":1");
	says(0, "IPK.ACQUIRE e a 0",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_lock");

	add_test(s, a_lock_has_one_owner);
	add_test(s, an_rlock_counts);
	add_test(s, the_first_to_wait_is_next);
	add_test(s, an_owner_that_goes_leaves_it_to_the_next);
	add_test(s, a_time_that_is_over);
	add_test(s, who_has_it);
	add_test(s, permits);
	add_test(s, a_bounded_semaphore_has_a_bound);
	add_test(s, permits_of_one_that_goes);
	add_test(s, a_condition_needs_its_lock);
	add_test(s, notified);
	add_test(s, not_notified_in_time);
	add_test(s, a_told_one_that_goes);
	add_test(s, wrong_words);
	return s;
}
IPK_TEST_MAIN(suite)
