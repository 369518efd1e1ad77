/*
 * test_manager_locks.c - locks, semaphores, conditions, events and barriers of a manager, over real
 * connections.
 */
#include <stdio.h>
#include <unistd.h>

#include "manager_fixture.h"
#include "support/support.h"

enum { CROWD = 100 };

static struct fixture s;
static struct client a, b, c, d;

static void open_all(void)
{
	fixture_begin(&s, false);
	client_open(&s, &a);
	client_open(&s, &b);
	client_open(&s, &c);
	client_open(&s, &d);
}

static void close_all(void)
{
	client_close(&a);
	client_close(&b);
	client_close(&c);
	client_close(&d);
	fixture_end(&s);
}

/* As a process that is killed, and another one in its place. */
static void die(struct client *who)
{
	client_close(who);
	client_open(&s, who);
}

/* --- making ----------------------------------------------------------------------------------- */

START_TEST(new_is_the_same_or_refused)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&b, "IPK.NEW LOCK k", "0");
	ask(&a, "IPK.NEW RLOCK k", "-EXISTS");
	ask(&a, "TYPE k", "ipk.lock");
	ask(&a, "SET text x", "OK");
	ask(&a, "IPK.NEW EVENT text", "-EXISTS");
	ask(&a, "IPK.ACQUIRE text me 0", "-WRONGTYPE");
	ask(&a, "GET k", "-WRONGTYPE");
	ask(&a, "IPK.ESET k", "-WRONGTYPE");
	ask(&a, "IPK.NEW SEMAPHORE s 2", "1");
	ask(&a, "IPK.NEW SEMAPHORE s 2", "0");
	ask(&a, "IPK.NEW SEMAPHORE s 3", "-EXISTS");
	ask(&a, "IPK.NEW BOUNDEDSEMAPHORE s 2", "-EXISTS");
	ask(&a, "IPK.NEW SEMAPHORE t -1", "-VALUE");
	ask(&a, "IPK.NEW BARRIER t 0", "-VALUE");
	ask(&a, "IPK.NEW QUEUE t -1 FIFO", "-VALUE");
	ask(&a, "IPK.NEW CONDITION t none", "-NOKEY");
	ask(&a, "IPK.NEW CONDITION t s", "-WRONGTYPE");
	ask(&a, "IPK.NEW CONDITION t k", "1");
	ask(&a, "IPK.NEW CONDITION t k", "0");
	ask(&a, "IPK.NEW RLOCK k2", "1");
	ask(&a, "IPK.NEW CONDITION t k2", "-EXISTS");
	ask(&a, "IPK.NEW LOCK", "-ERR");
	ask(&a, "IPK.NEW LOCK k 1", "-ERR");
	ask(&a, "IPK.NEW THING k", "-ERR");
	ask(&a, "IPK.ACQUIRE none me 0", "-NOKEY");
	ask(&a, "IPK.ACQUIRE k me -2", "-ERR");
	ask(&a, "IPK.ACQUIRE k me soon", "-ERR");
	ask(&a, "DEL k s t k2", "4");
	close_all();
}
END_TEST

/* --- locks ------------------------------------------------------------------------------------ */

START_TEST(lock_is_held_by_one)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.RELEASE k me", "-NOTOWNER");
	ask(&a, "IPK.ACQUIRE k me -1", "1");
	ask(&a, "IPK.HELD k me", "1");
	ask(&a, "IPK.HELD k you", "0");
	ask(&b, "IPK.HELD k me", "0");
	ask(&a, "IPK.ACQUIRE k me 0", "0"); /* a Lock is not an RLock */
	ask(&b, "IPK.ACQUIRE k me 0", "0");
	ask(&b, "IPK.ACQUIRE k me 20", "0");
	ask(&b, "IPK.RELEASE k me", "-NOTOWNER");
	ask(&a, "IPK.RELEASE k you", "-NOTOWNER");
	ask(&a, "IPK.RELEASE k me 2", "-NOTOWNER");
	ask(&a, "IPK.RELEASE k me 0", "-VALUE");
	ask(&a, "IPK.RELEASE k me", "OK");
	ask(&b, "IPK.ACQUIRE k me 0", "1");
	close_all();
}
END_TEST

START_TEST(owner_is_told)
{
	char part[80];

	open_all();
	ask(&a, "IPK.NEW RLOCK k", "1");
	ask(&a, "IPK.OWNER k", "nil");
	ask(&a, "CLIENT SETNAME ann", "OK");
	ask(&a, "IPK.ACQUIRE k me 0", "1");
	ask(&a, "IPK.ACQUIRE k me 0", "1");
	begin(&b, "IPK.OWNER k");
	snprintf(part, sizeof part, " %d ann unix:%d me 2]", (int)getpid(), (int)getpid());
	ck_assert(want_has(&b, part));
	ask(&a, "IPK.RELEASE k me 2", "OK");
	ask(&b, "IPK.OWNER k", "nil");
	ask(&b, "IPK.NEW SEMAPHORE s 1", "1");
	ask(&b, "IPK.OWNER s", "-WRONGTYPE");
	ask(&b, "IPK.OWNER none", "-NOKEY");
	ask(&b, "IPK.OWNER k me", "-ERR");
	close_all();
}
END_TEST

START_TEST(lock_goes_to_who_came_first)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	begin(&b, "IPK.ACQUIRE k b -1");
	waits(&s, 1);
	begin(&c, "IPK.ACQUIRE k c -1");
	waits(&s, 2);
	begin(&d, "IPK.ACQUIRE k d 60000");
	waits(&s, 3);
	ask(&a, "IPK.RELEASE k a", "OK");
	want(&b, "1");
	ask(&a, "IPK.ACQUIRE k a 0", "0");
	silent(&s, &c);
	die(&c); /* in the middle of the line */
	waits(&s, 1);
	begin(&a, "IPK.ACQUIRE k a -1");
	waits(&s, 2);
	ask(&b, "IPK.RELEASE k b", "OK");
	want(&d, "1");
	silent(&s, &a);
	die(&d); /* and holds it */
	want(&a, "1");
	close_all();
}
END_TEST

START_TEST(lock_waits_no_longer_than_told)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	begin(&b, "IPK.ACQUIRE k b 30");
	begin(&c, "IPK.ACQUIRE k c -1");
	want(&b, "0");
	ask(&a, "IPK.RELEASE k a", "OK");
	want(&c, "1");
	ask(&b, "PING", "PONG");
	close_all();
}
END_TEST

START_TEST(rlock_is_held_as_deep_as_taken)
{
	open_all();
	ask(&a, "IPK.NEW RLOCK k", "1");
	ask(&a, "IPK.ACQUIRE k me -1", "1");
	ask(&a, "IPK.ACQUIRE k me -1", "1");
	ask(&a, "IPK.ACQUIRE k me 0", "1");
	ask(&a, "IPK.HELD k me", "3");
	ask(&a, "IPK.ACQUIRE k you 0", "0");
	begin(&b, "IPK.ACQUIRE k me -1");
	waits(&s, 1);
	ask(&a, "IPK.RELEASE k me 2", "OK");
	ask(&a, "IPK.RELEASE k me 2", "-NOTOWNER");
	silent(&s, &b);
	ask(&a, "IPK.RELEASE k me", "OK");
	want(&b, "1");
	ask(&b, "IPK.ACQUIRE k me -1", "1");
	die(&b);
	ask(&a, "IPK.ACQUIRE k me -1", "1");
	ask(&a, "IPK.HELD k me", "1");
	close_all();
}
END_TEST

START_TEST(lock_in_a_transaction_is_tried)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	ask(&b, "MULTI", "OK");
	ask(&b, "IPK.ACQUIRE k b -1", "QUEUED");
	ask(&b, "EXEC", "[0]");
	ask(&a, "MULTI", "OK");
	ask(&a, "IPK.RELEASE k a", "QUEUED");
	ask(&a, "IPK.ACQUIRE k a2 -1", "QUEUED");
	ask(&a, "EXEC", "[OK 1]");
	close_all();
}
END_TEST

START_TEST(crowd_of_waiters)
{
	static struct client crowd[CROWD];

	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.NEW EVENT e", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	for (unsigned i = 0; i < CROWD; i++) {
		client_open(&s, &crowd[i]);
		begin(&crowd[i], "IPK.ACQUIRE k me -1");
		waits(&s, i + 1);
	}
	die(&a);
	for (unsigned i = 0; i < CROWD; i++) {
		want(&crowd[i], "1");
		if (i + 1 < CROWD)
			silent(&s, &crowd[i + 1]);
		if (i % 2 == 0)
			ask(&crowd[i], "IPK.RELEASE k me", "OK");
		else
			die(&crowd[i]);
		begin(&crowd[i], "IPK.EWAIT e -1");
	}
	waits(&s, CROWD);
	ask(&a, "IPK.ESET e", "OK");
	for (unsigned i = 0; i < CROWD; i++) {
		want(&crowd[i], "1");
		client_close(&crowd[i]);
	}
	waits(&s, 0);
	close_all();
}
END_TEST

/* --- semaphores ------------------------------------------------------------------------------- */

START_TEST(semaphore_has_permits)
{
	open_all();
	ask(&a, "IPK.NEW BOUNDEDSEMAPHORE k 2", "1");
	ask(&a, "IPK.RELEASE k me", "-VALUE");
	ask(&a, "IPK.ACQUIRE k me -1", "1");
	ask(&a, "IPK.ACQUIRE k me -1", "1");
	ask(&a, "IPK.HELD k me", "2");
	ask(&b, "IPK.ACQUIRE k me 0", "0");
	begin(&b, "IPK.ACQUIRE k me -1");
	waits(&s, 1);
	begin(&c, "IPK.ACQUIRE k me -1");
	waits(&s, 2);
	ask(&a, "IPK.RELEASE k me 3", "-VALUE");
	ask(&a, "IPK.RELEASE k me", "OK");
	want(&b, "1");
	silent(&s, &c);
	die(&a);
	want(&c, "1");
	die(&b);
	die(&c);
	ask(&a, "IPK.ACQUIRE k me 1000", "1");
	ask(&a, "IPK.ACQUIRE k me 1000", "1");
	ask(&a, "IPK.ACQUIRE k me 0", "0");
	close_all();
}
END_TEST

START_TEST(semaphore_that_signals)
{
	open_all();
	ask(&a, "IPK.NEW SEMAPHORE k 0", "1");
	begin(&a, "IPK.ACQUIRE k me -1");
	waits(&s, 1);
	ask(&b, "IPK.RELEASE k me 3", "OK");
	want(&a, "1");
	die(&a); /* what it consumed is consumed */
	ask(&c, "IPK.ACQUIRE k me 0", "1");
	ask(&c, "IPK.ACQUIRE k me 0", "1");
	ask(&c, "IPK.ACQUIRE k me 0", "0");
	close_all();
}
END_TEST

START_TEST(permit_given_back_by_another)
{
	open_all();
	ask(&a, "IPK.NEW SEMAPHORE k 2", "1");
	ask(&a, "IPK.ACQUIRE k me 0", "1");
	ask(&a, "IPK.ACQUIRE k me 0", "1");
	ask(&b, "IPK.RELEASE k me", "OK");
	die(&a); /* one of the two was given back already */
	waits(&s, 0);
	ask(&b, "IPK.ACQUIRE k me 5000", "1");
	ask(&b, "IPK.ACQUIRE k me 5000", "1");
	ask(&b, "IPK.ACQUIRE k me 0", "0");
	close_all();
}
END_TEST

/* --- conditions ------------------------------------------------------------------------------- */

/* @who takes the lock and waits; @n wait then. */
static void wait_for_condition(struct client *who, const char *owner, unsigned n)
{
	char words[80];

	snprintf(words, sizeof(words), "IPK.ACQUIRE k %s -1", owner);
	ask(who, words, "1");
	snprintf(words, sizeof(words), "IPK.CWAIT cond %s -1", owner);
	begin(who, words);
	waits(&s, n);
}

static void new_condition(const char *kind)
{
	char words[40];

	open_all();
	snprintf(words, sizeof(words), "IPK.NEW %s k", kind);
	ask(&a, words, "1");
	ask(&a, "IPK.NEW CONDITION cond k", "1");
}

START_TEST(condition_wakes_in_order)
{
	new_condition("LOCK");
	ask(&a, "IPK.CWAIT cond a -1", "-NOTOWNER");
	ask(&a, "IPK.CNOTIFY cond a 1", "-NOTOWNER");
	wait_for_condition(&b, "b", 1);
	wait_for_condition(&c, "c", 2);
	wait_for_condition(&d, "d", 3);
	ask(&a, "IPK.ACQUIRE cond a -1", "1"); /* a condition's lock, by the condition's name */
	ask(&a, "IPK.CNOTIFY cond a 0", "0");
	ask(&a, "IPK.CNOTIFY cond a -2", "-VALUE");
	ask(&a, "IPK.CNOTIFY cond a 2", "2");
	silent(&s, &b);
	ask(&a, "IPK.CNOTIFY cond a -1", "1");
	ask(&a, "IPK.CNOTIFY cond a -1", "0");
	ask(&a, "IPK.RELEASE cond a", "OK");
	want(&b, "1");
	silent(&s, &c);
	ask(&b, "IPK.HELD k b", "1");
	ask(&b, "IPK.RELEASE k b", "OK");
	want(&c, "1");
	die(&c);
	want(&d, "1");
	close_all();
}
END_TEST

START_TEST(condition_gives_up_with_the_lock)
{
	new_condition("RLOCK");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	ask(&a, "IPK.CWAIT cond a 0", "0");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	ask(&a, "IPK.CWAIT cond a 20", "0");
	ask(&a, "IPK.HELD k a", "2");
	begin(&a, "IPK.CWAIT cond a 20");
	ask(&b, "IPK.ACQUIRE k b -1", "1");
	/* Its time ends while another one has the lock: it waits on for that. */
	ask(&b, "IPK.NEW EVENT e", "1");
	ask(&b, "IPK.EWAIT e 60", "0");
	silent(&s, &a);
	ask(&b, "IPK.RELEASE k b", "OK");
	want(&a, "0");
	ask(&a, "IPK.HELD k a", "2");
	/* Trying lets others have their turn. */
	begin(&b, "IPK.ACQUIRE k b -1");
	waits(&s, 1);
	begin(&a, "IPK.CWAIT cond a 0");
	want(&b, "1");
	silent(&s, &a);
	die(&b);
	want(&a, "0");
	ask(&a, "IPK.HELD k a", "2");
	close_all();
}
END_TEST

START_TEST(condition_waiters_die)
{
	new_condition("LOCK");
	wait_for_condition(&b, "b", 1);
	wait_for_condition(&c, "c", 2);
	wait_for_condition(&d, "d", 3);
	die(&b); /* while it waits */
	waits(&s, 2);
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	ask(&a, "IPK.CNOTIFY cond a 2", "2");
	die(&c); /* told, and waiting for the lock */
	waits(&s, 1);
	ask(&a, "IPK.RELEASE k a", "OK");
	want(&d, "1");
	die(&d);
	ask(&a, "IPK.ACQUIRE k a 5000", "1");
	close_all();
}
END_TEST

START_TEST(condition_tells_another_one)
{
	new_condition("LOCK");
	wait_for_condition(&b, "b", 1);
	wait_for_condition(&c, "c", 2);
	wait_for_condition(&d, "d", 3);
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	ask(&a, "IPK.CNOTIFY cond a 1", "1");
	die(&b); /* before it had the lock again: nobody did what it was told for */
	waits(&s, 2);
	ask(&a, "IPK.RELEASE k a", "OK");
	want(&c, "1");
	ask(&c, "IPK.RELEASE k c", "OK");
	silent(&s, &d);
	close_all();
}
END_TEST

START_TEST(condition_without_its_lock)
{
	new_condition("LOCK");
	wait_for_condition(&b, "b", 1);
	ask(&a, "DEL k", "1");
	ask(&a, "IPK.CNOTIFY cond a 1", "-NOKEY");
	ask(&a, "IPK.ACQUIRE cond a 0", "-NOKEY");
	ask(&a, "DEL cond", "1");
	want(&b, "-NOKEY");
	close_all();
}
END_TEST

/* --- events ----------------------------------------------------------------------------------- */

START_TEST(event_lets_all_go_on)
{
	open_all();
	ask(&a, "IPK.NEW EVENT e", "1");
	ask(&a, "IPK.EISSET e", "0");
	ask(&a, "IPK.EWAIT e 0", "0");
	ask(&a, "IPK.EWAIT e 10", "0");
	begin(&b, "IPK.EWAIT e -1");
	begin(&c, "IPK.EWAIT e 60000");
	waits(&s, 2);
	/* Set and cleared at once: they go on nevertheless, as in Python. */
	ask(&a, "MULTI", "OK");
	ask(&a, "IPK.ESET e", "QUEUED");
	ask(&a, "IPK.ECLEAR e", "QUEUED");
	ask(&a, "EXEC", "[OK OK]");
	want(&b, "1");
	want(&c, "1");
	ask(&a, "IPK.EISSET e", "0");
	begin(&b, "IPK.EWAIT e -1");
	waits(&s, 1);
	die(&b);
	waits(&s, 0);
	ask(&a, "IPK.ESET e", "OK");
	ask(&a, "IPK.ESET e", "OK");
	ask(&b, "IPK.EWAIT e 0", "1");
	ask(&b, "IPK.EISSET e", "1");
	ask(&a, "IPK.ECLEAR e", "OK");
	ask(&b, "IPK.EWAIT e 0", "0");
	close_all();
}
END_TEST

/* --- barriers --------------------------------------------------------------------------------- */

START_TEST(barrier_counts_parties)
{
	open_all();
	ask(&a, "IPK.NEW BARRIER g 3", "1");
	for (int round = 0; round < 3; round++) {
		begin(&a, "IPK.BWAIT g me -1");
		waits(&s, 1);
		begin(&b, "IPK.BWAIT g me -1");
		waits(&s, 2);
		ask(&d, "IPK.BINFO g", "[3 2 0]");
		ask(&c, "IPK.BWAIT g me -1", "2");
		want(&a, "0");
		want(&b, "1");
		ask(&d, "IPK.BINFO g", "[3 0 0]");
	}
	ask(&a, "IPK.NEW BARRIER alone 1", "1");
	ask(&a, "IPK.BWAIT alone me 0", "0");
	close_all();
}
END_TEST

START_TEST(barrier_breaks)
{
	open_all();
	ask(&a, "IPK.NEW BARRIER g 3", "1");
	begin(&a, "IPK.BWAIT g me -1");
	waits(&s, 1);
	begin(&b, "IPK.BWAIT g me -1");
	waits(&s, 2);
	die(&a); /* one of the parties */
	want(&b, "-BROKEN");
	ask(&c, "IPK.BWAIT g me -1", "-BROKEN");
	ask(&c, "IPK.BINFO g", "[3 0 1]");
	ask(&c, "IPK.BRESET g", "OK");
	begin(&a, "IPK.BWAIT g me -1");
	begin(&b, "IPK.BWAIT g me 20"); /* its time ends */
	want(&b, "-BROKEN");
	want(&a, "-BROKEN");
	ask(&c, "IPK.BRESET g", "OK");
	begin(&a, "IPK.BWAIT g me -1");
	waits(&s, 1);
	ask(&c, "IPK.BRESET g", "OK");
	want(&a, "-BROKEN");
	ask(&c, "IPK.BINFO g", "[3 0 0]");
	begin(&a, "IPK.BWAIT g me -1");
	waits(&s, 1);
	ask(&c, "IPK.BABORT g", "OK");
	want(&a, "-BROKEN");
	ask(&c, "IPK.BWAIT g me 0", "-BROKEN");
	close_all();
}
END_TEST

/* --- the key goes ----------------------------------------------------------------------------- */

START_TEST(waiters_learn_that_the_key_is_gone)
{
	static const char *const ways[] = {"DEL k",   "UNLINK k", "RENAME k other", "RENAME text k",
					   "SET k x", "FLUSHALL", "PEXPIRE k 1",    "PEXPIRE k -1"};

	open_all();
	ask(&a, "SET text x", "OK");
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	begin(&b, "IPK.ACQUIRE k b -1");
	waits(&s, 1);
	begin(&c, "IPK.ACQUIRE k b 60000");
	waits(&s, 2);
	begin(&a, ways[_i]);
	want(&b, "-NOKEY");
	want(&c, "-NOKEY");
	waits(&s, 0);
	die(&a);
	ask(&b, "PING", "PONG");
	close_all();
}
END_TEST

START_TEST(renamed_lock_is_held_still)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.NEW CONDITION cond k", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	ask(&b, "RENAME k other", "OK");
	ask(&b, "IPK.NEW LOCK k", "1"); /* another one */
	ask(&b, "IPK.ACQUIRE k b 0", "1");
	ask(&a, "IPK.HELD other a", "1");
	ask(&a, "IPK.HELD cond a", "1");
	begin(&b, "IPK.ACQUIRE other b -1");
	waits(&s, 1);
	die(&a);
	want(&b, "1");
	ask(&b, "RENAME k other", "OK"); /* over it */
	ask(&b, "IPK.HELD other b", "1");
	ask(&b, "IPK.RELEASE other b", "OK");
	ask(&b, "IPK.HELD cond b", "-NOKEY");
	close_all();
}
END_TEST

START_TEST(new_one_under_an_old_name)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	begin(&b, "IPK.ACQUIRE k b -1");
	waits(&s, 1);
	ask(&a, "MULTI", "OK");
	ask(&a, "DEL k", "QUEUED");
	ask(&a, "IPK.NEW LOCK k", "QUEUED");
	ask(&a, "EXEC", "[1 1]");
	want(&b, "-NOKEY");
	ask(&b, "IPK.ACQUIRE k b 0", "1");
	ask(&a, "IPK.RELEASE k a", "-NOTOWNER");
	close_all();
}
END_TEST

/* --- sessions --------------------------------------------------------------------------------- */

static void open_session(struct client *who, const char *id)
{
	char words[80];

	snprintf(words, sizeof(words), "IPK.SESSION %s-0123456789abcdef 1", id);
	begin(who, words);
	want_any(who);
}

START_TEST(session_goes_on_while_it_waits)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.ACQUIRE k a -1", "1");
	ask(&b, "SET x 1", "OK");
	open_session(&b, "b");
	ask(&b, "IPK.ACQUIRE k 1 -1", "WAIT 1");
	ask(&b, "IPK.ACQUIRE k 2 -1", "WAIT 2");
	ask(&b, "GET x", "1");
	ask(&b, "IPK.CANCEL 1", "1");
	ask(&b, "IPK.CANCEL 1", "0");
	ask(&b, "IPK.CANCEL 77", "0");
	ask(&a, "IPK.RELEASE k a", "OK");
	want(&b, "[ipk.done 2 1]");
	ask(&b, "IPK.HELD k 1", "0");
	ask(&b, "IPK.HELD k 2", "1");
	ask(&b, "IPK.RELEASE k 2", "OK");
	waits(&s, 0);
	close_all();
}
END_TEST

START_TEST(cancelled_at_a_barrier)
{
	open_all();
	ask(&a, "IPK.NEW BARRIER g 3", "1");
	open_session(&b, "b");
	ask(&b, "IPK.BWAIT g 1 -1", "WAIT 1");
	ask(&b, "IPK.BWAIT g 2 -1", "WAIT 2");
	ask(&b, "IPK.CANCEL 1", "1");
	ask(&b, "IPK.BINFO g", "[3 1 0]");
	ask(&b, "IPK.BWAIT g 3 -1", "WAIT 3");
	ask(&a, "IPK.BWAIT g me -1", "2");
	want(&b, "[ipk.done 2 0]");
	want(&b, "[ipk.done 3 1]");
	close_all();
}
END_TEST

START_TEST(cancelled_while_the_lock_is_given_back)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.NEW CONDITION cond k", "1");
	open_session(&b, "b");
	ask(&b, "IPK.ACQUIRE k 1 -1", "1");
	ask(&b, "IPK.CWAIT cond 1 -1", "WAIT 1");
	begin(&b, "IPK.CANCEL 1"); /* as when its time is over: with the lock */
	want(&b, "[ipk.done 1 0]");
	want(&b, "0");
	ask(&b, "IPK.HELD k 1", "1");
	die(&b);
	ask(&a, "IPK.ACQUIRE k a 5000", "1");
	close_all();
}
END_TEST

START_TEST(unblocked_by_an_administrator)
{
	open_all();
	ask(&a, "IPK.NEW EVENT e", "1");
	ask(&a, "IPK.NEW BARRIER g 2", "1");
	begin(&b, "CLIENT ID");
	want(&b, "2");
	begin(&b, "IPK.EWAIT e -1");
	waits(&s, 1);
	ask(&a, "CLIENT UNBLOCK 2 ERROR", "1");
	want(&b, "-UNBLOCKED");
	begin(&b, "IPK.BWAIT g me -1");
	waits(&s, 1);
	ask(&a, "CLIENT UNBLOCK 2", "1");
	want(&b, "-BROKEN");
	close_all();
}
END_TEST

/* Whoever asked for it has left: it is nobody's, whether it was got by then or not. */
START_TEST(locks_of_those_who_left)
{
	open_all();
	ask(&a, "IPK.NEW RLOCK k", "1");
	ask(&a, "IPK.NEW SEMAPHORE sem 2", "1");
	begin(&b, "IPK.SESSION 0123456789abcdef 1");
	want_any(&b);
	ask(&b, "IPK.ACQUIRE k me 0", "1");
	ask(&b, "IPK.ACQUIRE k me 0", "1");
	ask(&b, "IPK.LEAVE 2", "0");
	ask(&b, "IPK.HELD k me", "1");
	ask(&b, "IPK.LEAVE 2", "0"); /* once */
	ask(&b, "IPK.HELD k me", "1");
	ask(&b, "IPK.LEAVE 1", "0"); /* the last one that was granted is what can be left */
	ask(&b, "IPK.HELD k me", "1");
	ask(&a, "IPK.ACQUIRE sem you 0", "1"); /* number 0, without a session */
	ask(&b, "IPK.ACQUIRE sem me 0", "1");  /* 9 */
	begin(&b, "IPK.ACQUIRE sem me -1");    /* 10 */
	want(&b, "WAIT 1");
	ask(&b, "IPK.LEAVE 10", "1");
	ask(&b, "IPK.LEAVE 9", "0");
	ask(&b, "IPK.HELD sem me", "0");
	ask(&a, "IPK.ACQUIRE sem you 0", "1");
	ask(&a, "IPK.ACQUIRE sem you 0", "0");
	ask(&a, "IPK.LEAVE 0", "-ERR");
	ask(&a, "IPK.LEAVE 1", "0");
	ask(&a, "IPK.HELD sem you", "2");
	begin(&a, "IPK.ACQUIRE k you -1");
	waits(&s, 1);
	ask(&b, "IPK.RELEASE k me", "OK");
	want(&a, "1");
	close_all();
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("manager_locks");

	add_test(suite, locks_of_those_who_left);
	add_test(suite, new_is_the_same_or_refused);
	add_test(suite, lock_is_held_by_one);
	add_test(suite, owner_is_told);
	add_test(suite, lock_goes_to_who_came_first);
	add_test(suite, lock_waits_no_longer_than_told);
	add_test(suite, rlock_is_held_as_deep_as_taken);
	add_test(suite, lock_in_a_transaction_is_tried);
	add_test(suite, crowd_of_waiters);
	add_test(suite, semaphore_has_permits);
	add_test(suite, semaphore_that_signals);
	add_test(suite, permit_given_back_by_another);
	add_test(suite, condition_wakes_in_order);
	add_test(suite, condition_gives_up_with_the_lock);
	add_test(suite, condition_waiters_die);
	add_test(suite, condition_tells_another_one);
	add_test(suite, condition_without_its_lock);
	add_test(suite, event_lets_all_go_on);
	add_test(suite, barrier_counts_parties);
	add_test(suite, barrier_breaks);
	add_loop_test(suite, waiters_learn_that_the_key_is_gone, 0, 8);
	add_test(suite, renamed_lock_is_held_still);
	add_test(suite, new_one_under_an_old_name);
	add_test(suite, session_goes_on_while_it_waits);
	add_test(suite, cancelled_at_a_barrier);
	add_test(suite, cancelled_while_the_lock_is_given_back);
	add_test(suite, unblocked_by_an_administrator);
	return suite;
}
IPK_TEST_MAIN(suite)
