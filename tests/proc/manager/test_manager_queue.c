/*
 * test_manager_queue.c - managed queues: orders, limits, fairness, joining, deaths, and recovery
 * from the log.
 */
#include <stdio.h>
#include <string.h>

#include "manager_fixture.h"
#include "support/support.h"

static struct fixture s;
static struct client a, b, c, d;

static void open_clients(void)
{
	client_open(&s, &a);
	client_open(&s, &b);
	client_open(&s, &c);
	client_open(&s, &d);
}

static void open_all(bool with_log)
{
	fixture_begin(&s, with_log);
	open_clients();
}

static void close_clients(void)
{
	client_close(&a);
	client_close(&b);
	client_close(&c);
	client_close(&d);
}

static void close_all(void)
{
	close_clients();
	fixture_end(&s);
}

static void restart(void)
{
	close_clients();
	fixture_restart(&s);
	open_clients();
}

static void die(struct client *who)
{
	client_close(who);
	client_open(&s, who);
}

/* --- orders ----------------------------------------------------------------------------------- */

START_TEST(queue_in_each_order)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE f 0 FIFO", "1");
	ask(&a, "IPK.NEW QUEUE f 0 FIFO", "0");
	ask(&a, "IPK.NEW QUEUE f 0 LIFO", "-EXISTS");
	ask(&a, "IPK.NEW QUEUE f 0 FIFO JOINABLE", "-EXISTS");
	ask(&a, "IPK.NEW QUEUE l 0 LIFO", "1");
	ask(&a, "IPK.NEW QUEUE p 0 PRIORITY", "1");
	ask(&a, "IPK.QPUT f 0 9 a b c d", "4");
	ask(&a, "IPK.QPUT l 0 9 a b c d", "4");
	ask(&a, "IPK.QPUT p 0 5 five five2", "2");
	ask(&a, "IPK.QPUT p 0 -5 less", "1");
	ask(&a, "IPK.QPUT p 0 7 seven", "1");
	ask(&a, "IPK.QPUT p 0 5 five3", "1");
	ask(&b, "IPK.QLEN p", "5");
	ask(&b, "IPK.QGET f 0", "a");
	ask(&b, "IPK.QGET f 0 COUNT 2", "[b c]");
	ask(&b, "IPK.QGET f 0 COUNT 2", "[d]");
	ask(&b, "IPK.QGET f 0 COUNT 2", "nil");
	ask(&b, "IPK.QGET f 0", "nil");
	ask(&b, "IPK.QGET l 0 COUNT 9", "[d c b a]");
	ask(&b, "IPK.QGET p 0 COUNT 9", "[less five five2 five3 seven]");
	ask(&b, "IPK.QINFO p", "[0 0 0 0 PRIORITY 0]");
	ask(&b, "IPK.QGET f 0 COUNT 0", "-VALUE");
	ask(&b, "IPK.QGET f 0 MANY 2", "-ERR");
	ask(&b, "IPK.QPUT f 0 high x", "-ERR");
	ask(&b, "IPK.QPUT f 0 0", "-ERR");
	ask(&b, "IPK.QDONE f", "-VALUE");
	ask(&b, "IPK.QLOAD f 0 0 x", "-ERR");
	ask(&b, "IPK.QDROP f 0", "-ERR");
	ask(&b, "IPK.QSTATE f 0 0 0", "-ERR");
	ask(&b, "IPK.QLEN none", "-NOKEY");
	close_all();
}
END_TEST

static uint64_t random_state = 1;
static unsigned chance(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % n;
}

/* Many, with the ring growing, turning and shrinking. */
START_TEST(queue_of_many)
{
	unsigned n_put = 0, n_got = 0;
	char words[64], wanted[24];

	open_all(false);
	ask(&a, "IPK.NEW QUEUE f 0 FIFO", "1");
	for (int i = 0; i < repeats(4000); i++) {
		unsigned n = chance(i % 1000 < 500 ? 3 : 2);

		if (n > 0 || n_put == n_got) {
			snprintf(words, sizeof(words), "IPK.QPUT f 0 0 %u", n_put++);
			ask(&a, words, "1");
		} else {
			snprintf(wanted, sizeof(wanted), "%u", n_got++);
			ask(&b, "IPK.QGET f 0", wanted);
		}
	}
	while (n_got < n_put) {
		snprintf(wanted, sizeof(wanted), "%u", n_got++);
		ask(&b, "IPK.QGET f 0", wanted);
	}
	ask(&b, "IPK.QGET f 0", "nil");
	close_all();
}
END_TEST

/* --- waiting ---------------------------------------------------------------------------------- */

START_TEST(getters_are_served_in_order)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE q 0 FIFO", "1");
	ask(&a, "IPK.QGET q 20", "nil");
	begin(&b, "IPK.QGET q -1");
	waits(&s, 1);
	begin(&c, "IPK.QGET q 60000 COUNT 5");
	waits(&s, 2);
	begin(&d, "IPK.QGET q -1");
	waits(&s, 3);
	ask(&a, "IPK.QPUT q 0 0 1", "1");
	want(&b, "1");
	silent(&s, &c);
	die(&c); /* while it waits */
	waits(&s, 1);
	ask(&a, "IPK.QPUT q 0 0 2 3", "2");
	want(&d, "2");
	ask(&b, "IPK.QGET q 0", "3");
	close_all();
}
END_TEST

START_TEST(putters_wait_for_room)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE q 2 FIFO", "1");
	ask(&a, "IPK.QPUT q 0 0 1 2 3", "2");
	ask(&a, "IPK.QPUT q 0 0 3", "0");
	ask(&a, "IPK.QPUT q 20 0 3", "0");
	begin(&b, "IPK.QPUT q -1 0 3 4 5");
	waits(&s, 1);
	begin(&c, "IPK.QPUT q -1 0 6");
	waits(&s, 2);
	ask(&a, "IPK.QGET q 0", "1");
	ask(&a, "IPK.QGET q 0", "2");
	silent(&s, &b);
	ask(&a, "IPK.QLEN q", "2");
	ask(&a, "IPK.QGET q 0", "3");
	want(&b, "3");
	silent(&s, &c);
	ask(&a, "IPK.QGET q 0 COUNT 2", "[4 5]");
	want(&c, "1");
	ask(&a, "IPK.QGET q 0", "6");
	/* Some found room before the time was over. */
	begin(&b, "IPK.QPUT q 30 0 a b c");
	want(&b, "2");
	close_all();
}
END_TEST

START_TEST(shut_down)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE q 1 FIFO JOINABLE", "1");
	begin(&c, "IPK.QGET q -1");
	waits(&s, 1);
	ask(&a, "IPK.QSHUTDOWN q LATER", "-ERR");
	ask(&a, "IPK.QSHUTDOWN q", "OK");
	want(&c, "-SHUTDOWN");
	ask(&a, "IPK.QPUT q 0 0 x", "-SHUTDOWN");
	ask(&a, "DEL q", "1");

	ask(&a, "IPK.NEW QUEUE q 1 FIFO JOINABLE", "1");
	ask(&a, "IPK.QPUT q 0 0 x", "1");
	begin(&b, "IPK.QPUT q -1 0 y");
	waits(&s, 1);
	begin(&c, "IPK.QJOIN q -1");
	waits(&s, 2);
	ask(&a, "IPK.QSHUTDOWN q", "OK");
	want(&b, "-SHUTDOWN");
	ask(&a, "IPK.QINFO q", "[1 1 1 1 FIFO 1]");
	ask(&a, "IPK.QSHUTDOWN q NOW", "OK");
	want(&c, "1");
	ask(&a, "IPK.QINFO q", "[0 1 0 1 FIFO 1]");
	ask(&a, "IPK.QGET q -1", "-SHUTDOWN");
	close_all();
}
END_TEST

/* --- joining ---------------------------------------------------------------------------------- */

START_TEST(join_waits_for_what_was_taken)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE q 0 FIFO JOINABLE", "1");
	ask(&a, "IPK.QJOIN q 0", "1");
	ask(&a, "IPK.QPUT q 0 0 1 2 3", "3");
	ask(&a, "IPK.QJOIN q 0", "0");
	ask(&a, "IPK.QJOIN q 10", "0");
	begin(&d, "IPK.QJOIN q -1");
	waits(&s, 1);
	ask(&b, "IPK.QGET q 0 COUNT 2", "[1 2]");
	ask(&b, "IPK.QDONE q", "OK");
	ask(&c, "IPK.QGET q 0", "3");
	ask(&a, "IPK.QINFO q", "[0 0 2 0 FIFO 1]");
	silent(&s, &d);
	ask(&c, "IPK.QDONE q 2", "OK"); /* also for what another one has: Python only counts */
	want(&d, "1");
	ask(&b, "IPK.QDONE q", "-VALUE");
	die(&b);
	die(&c);
	waits(&s, 0);
	ask(&a, "IPK.QINFO q", "[0 0 0 0 FIFO 1]");
	ask(&a, "IPK.QPUT q 0 0 4", "1");
	ask(&a, "IPK.QDONE q", "OK"); /* before it is taken */
	ask(&a, "IPK.QDONE q", "-VALUE");
	ask(&a, "IPK.QGET q 0", "4");
	close_all();
}
END_TEST

/* Until the server has noticed who died. */
static void await_len(int n)
{
	char wanted[24];

	snprintf(wanted, sizeof(wanted), "%d", n);
	do
		begin(&a, "IPK.QLEN q");
	while (!want_is(&a, wanted));
}

START_TEST(items_of_the_dead_come_back)
{
	static const char *const orders[] = {"FIFO", "LIFO", "PRIORITY"};
	static const char *const all[] = {"[1 2 3 4]", "[4 3 2 1]", "[1 2 3 4]"};
	static const char *const back[] = {"[2 3 4]", "[3 2 1]", "[2 3 4]"};
	char words[64];

	open_all(false);
	snprintf(words, sizeof(words), "IPK.NEW QUEUE q 4 %s JOINABLE", orders[_i]);
	ask(&a, words, "1");
	ask(&a, "IPK.QPUT q 0 0 1 2 3 4", "4");
	ask(&b, "IPK.QGET q 0 COUNT 3", _i == 1 ? "[4 3 2]" : "[1 2 3]");
	begin(&c, "IPK.QGET q -1 COUNT 9");
	want(&c, _i == 1 ? "[1]" : "[4]");
	die(&c);
	begin(&c, "IPK.QGET q -1");
	want(&c, _i == 1 ? "1" : "4");
	begin(&d, "IPK.QGET q -1 COUNT 9");
	waits(&s, 1);
	die(&b);
	want(&d, _i == 1 ? "[4 3 2]" : "[1 2 3]");
	die(&c);
	await_len(1);
	die(&d);
	await_len(4);
	ask(&b, "IPK.QGET q 0 COUNT 9", all[_i]);
	ask(&b, "IPK.QDONE q", "OK");
	begin(&c, "IPK.QJOIN q -1");
	waits(&s, 1);
	die(&b);
	await_len(3);
	ask(&a, "IPK.QGET q 0 COUNT 9", back[_i]);
	ask(&a, "IPK.QDONE q 3", "OK");
	want(&c, "1");
	close_all();
}
END_TEST

START_TEST(queue_goes_while_others_wait)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE q 1 FIFO JOINABLE", "1");
	ask(&a, "IPK.QPUT q 0 0 1", "1");
	begin(&b, "IPK.QPUT q -1 0 2");
	begin(&c, "IPK.QJOIN q -1");
	waits(&s, 2);
	ask(&a, "IPK.QGET q 0", "1");
	want(&b, "1");
	ask(&a, "RENAME q other", "OK");
	want(&c, "-NOKEY");
	ask(&a, "IPK.QDONE other", "OK");
	ask(&a, "IPK.QINFO other", "[1 1 1 0 FIFO 1]");
	ask(&b, "IPK.QGET other 0", "2");
	begin(&d, "IPK.QGET other -1");
	waits(&s, 1);
	ask(&a, "DEL other", "1");
	want(&d, "-NOKEY");
	ask(&b, "IPK.QDONE other", "-NOKEY");
	die(&b); /* with an item of a queue that is no more */
	ask(&a, "IPK.NEW QUEUE other 0 FIFO", "1");
	ask(&a, "IPK.QLEN other", "0");
	close_all();
}
END_TEST

START_TEST(cancelled_puts_and_gets)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE q 2 FIFO", "1");
	begin(&b, "IPK.SESSION 0123456789abcdef 1");
	want_any(&b);
	ask(&b, "IPK.QGET q -1", "WAIT 1");
	ask(&b, "IPK.CANCEL 1", "1");
	ask(&a, "IPK.QPUT q 0 0 x", "1");
	ask(&b, "IPK.QPUT q -1 0 y z", "WAIT 2");
	begin(&b, "IPK.CANCEL 2"); /* one of them is in already: that is the reply */
	want(&b, "[ipk.done 2 1]");
	want(&b, "0");
	ask(&b, "IPK.QPUT q -1 0 z", "WAIT 3");
	ask(&b, "IPK.CANCEL 3", "1");
	ask(&a, "IPK.QGET q 0 COUNT 9", "[x y]");
	close_all();
}
END_TEST

/* --- sessions: each request once -------------------------------------------------------------- */

#define JOIN_SESSION "IPK.SESSION 0123456789abcdef 1"

static bool restarts;

/* The connection of b ends without a word, or the server: the session goes on from number 1. */
static void break_off(void)
{
	if (restarts) {
		restart();
	} else {
		die(&b);
		waits(&s, 0);
	}
	begin(&b, JOIN_SESSION);
	want_any(&b);
}

START_TEST(a_put_in_parts_is_done_once)
{
	open_all(true);
	restarts = _i == 1;
	ask(&a, "IPK.NEW QUEUE q 2 FIFO", "1");
	ask(&a, "IPK.QPUT q 0 0 x", "1");
	begin(&b, JOIN_SESSION);
	want_any(&b);
	ask(&b, "IPK.QPUT q -1 0 1 2 3", "WAIT 1"); /* 1 is inside */
	break_off();
	ask(&b, "IPK.QPUT q -1 0 1 2 3", "1");
	ask(&b, "IPK.QPUT q -1 0 2 3", "WAIT 1");
	ask(&a, "IPK.QGET q 0", "x"); /* 2 is inside */
	break_off();
	ask(&b, "IPK.QPUT q -1 0 1 2 3", "1");
	ask(&b, "IPK.QPUT q -1 0 2 3", "1");
	ask(&b, "IPK.QPUT q -1 0 3", "WAIT 1");
	ask(&a, "IPK.QGET q 0", "1");
	break_off();
	ask(&b, "IPK.QPUT q -1 0 1 2 3", "1");
	ask(&b, "IPK.QPUT q -1 0 2 3", "1");
	ask(&b, "IPK.QPUT q -1 0 3", "1"); /* the push was lost */
	ask(&a, "IPK.QGET q 0 COUNT 9", "[2 3]");
	close_all();
}
END_TEST

START_TEST(a_get_is_done_once)
{
	bool joinable = _i >= 2;

	open_all(true);
	restarts = _i % 2 == 1;
	ask(&a, joinable ? "IPK.NEW QUEUE q 0 FIFO JOINABLE" : "IPK.NEW QUEUE q 0 FIFO", "1");
	begin(&b, JOIN_SESSION);
	want_any(&b);
	ask(&b, "IPK.QGET q -1", "WAIT 1");
	begin(&b, "IPK.QGET q -1 COUNT 2");
	want(&b, "WAIT 2");
	ask(&a, "IPK.QPUT q 0 0 1 2 3 4", "4");
	ask(&a, "IPK.QLEN q", "1");
	break_off();
	/* Of a plain queue the same replies; what a joinable one had given away was back. */
	ask(&a, "IPK.QLEN q", joinable ? "4" : "1");
	ask(&b, "IPK.QGET q -1", "1");
	ask(&b, "IPK.QGET q -1 COUNT 2", "[2 3]");
	ask(&a, "IPK.QGET q 0 COUNT 9", "[4]");
	close_all();
}
END_TEST

START_TEST(a_session_that_is_taken_over)
{
	open_all(false);
	ask(&a, "IPK.NEW QUEUE q 0 FIFO JOINABLE", "1");
	ask(&a, "IPK.NEW QUEUE full 1 FIFO", "1");
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.QPUT full 0 0 x", "1");
	ask(&a, "IPK.QPUT q 0 0 1 2", "2");
	begin(&b, JOIN_SESSION);
	want_any(&b);
	ask(&b, "IPK.QGET q 0", "1");
	ask(&b, "IPK.QPUT full -1 0 y", "WAIT 1");
	ask(&b, "IPK.ACQUIRE k me 0", "1");
	begin(&c, JOIN_SESSION); /* while the old one is open: nothing waits there any more */
	begin(&c, "IPK.QGET q 0");
	begin(&c, "IPK.QPUT full -1 0 y");
	begin(&c, "IPK.ACQUIRE k me 0");
	want_any(&c);
	want(&c, "1");
	want(&c, "WAIT 1");
	want(&c, "1");
	waits(&s, 1);
	ask(&a, "IPK.QGET full 0 COUNT 9", "[x]");
	want(&c, "[ipk.done 1 1]");
	ask(&a, "IPK.QGET full 0 COUNT 9", "[y]");
	ask(&a, "IPK.QGET q 0 COUNT 9", "[2]");
	close_all();
}
END_TEST

/* --- the log ---------------------------------------------------------------------------------- */

static void rewrite(void)
{
	begin(&a, "BGREWRITEAOF");
	want_any(&a);
	while (true) {
		begin(&a, "INFO persistence");
		if (want_has(&a, "aof_rewrite_in_progress:0"))
			break;
	}
}

START_TEST(queues_after_a_crash)
{
	bool rewritten = _i == 1;
	char big[2100];

	open_all(true);
	ask(&a, "IPK.NEW LOCK k", "1");
	ask(&a, "IPK.NEW CONDITION cond k", "1");
	ask(&a, "IPK.NEW SEMAPHORE sem 3", "1");
	ask(&a, "IPK.ACQUIRE sem me 0", "1");
	ask(&a, "IPK.NEW EVENT e", "1");
	ask(&a, "IPK.NEW EVENT e2", "1");
	ask(&a, "IPK.ESET e", "OK");
	ask(&a, "IPK.ESET e2", "OK");
	ask(&a, "IPK.ECLEAR e2", "OK");
	ask(&a, "IPK.NEW BARRIER g 2", "1");
	ask(&a, "IPK.NEW QUEUE f 3 FIFO", "1");
	ask(&a, "IPK.QPUT f 0 0 1 2 3 4", "3");
	begin(&b, "IPK.QPUT f -1 0 4 5");
	waits(&s, 1);
	ask(&a, "IPK.QGET f 0", "1"); /* and 4 finds room */
	ask(&a, "IPK.NEW QUEUE p 0 PRIORITY JOINABLE", "1");
	ask(&a, "IPK.QPUT p 0 5 five five2", "2");
	ask(&a, "IPK.QPUT p 0 1 one two", "2");
	ask(&a, "IPK.QGET p 0 COUNT 3", "[one two five]");
	ask(&a, "IPK.QDONE p", "OK"); /* one */
	ask(&a, "IPK.NEW QUEUE l 0 LIFO JOINABLE", "1");
	ask(&a, "IPK.QPUT l 0 0 a b c", "3");
	ask(&a, "IPK.QGET l 0 COUNT 2", "[c b]");
	ask(&a, "IPK.NEW QUEUE shut 0 FIFO", "1");
	ask(&a, "IPK.QPUT shut 0 0 last", "1");
	ask(&a, "IPK.QSHUTDOWN shut", "OK");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	ask(&a, "IPK.NEW QUEUE big 0 FIFO", "1");
	memcpy(big, "IPK.QPUT big 0 0 ", 17);
	ask(&a, big, "1");
	ask(&a, "RENAME big large", "OK");
	if (rewritten)
		rewrite();
	ask(&a, "IPK.QDONE l", "OK"); /* c */
	ask(&a, "IPK.QDONE p", "OK"); /* two */
	restart();
	ask(&a, "IPK.QINFO f", "[3 3 0 0 FIFO 0]");
	ask(&a, "IPK.QGET f 0 COUNT 9", "[2 3 4]");
	ask(&a, "IPK.QINFO p", "[2 0 2 0 PRIORITY 1]");
	ask(&a, "IPK.QGET p 0 COUNT 9", "[five five2]");
	ask(&a, "IPK.QINFO l", "[2 0 2 0 LIFO 1]");
	ask(&a, "IPK.QGET l 0 COUNT 9", "[b a]");
	ask(&a, "IPK.QDONE l 2", "OK");
	ask(&a, "IPK.QJOIN l 0", "1");
	ask(&a, "IPK.QGET shut 0", "last");
	ask(&a, "IPK.QGET shut -1", "-SHUTDOWN");
	ask(&a, "IPK.QGET large 0", big + 17);
	ask(&a, "IPK.EISSET e", "1");
	ask(&a, "IPK.EISSET e2", "0");
	ask(&a, "IPK.BINFO g", "[2 0 0]");
	ask(&a, "IPK.ACQUIRE sem me 0", "1");
	ask(&a, "IPK.ACQUIRE sem me 0", "1");
	ask(&a, "IPK.ACQUIRE sem me 0", "1");
	ask(&a, "IPK.ACQUIRE cond me 0", "1");
	ask(&a, "IPK.HELD k me", "1");
	ask(&a, "IPK.NEW CONDITION cond k", "0");
	restart();
	ask(&a, "IPK.QLEN f", "0");
	ask(&a, "IPK.QGET p 0 COUNT 9", "[five five2]"); /* never done */
	ask(&a, "IPK.QLEN l", "0");
	ask(&a, "IPK.QLEN large", "0");
	close_all();
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("manager_queue");

	add_test(suite, queue_in_each_order);
	add_test(suite, queue_of_many);
	add_test(suite, getters_are_served_in_order);
	add_test(suite, putters_wait_for_room);
	add_test(suite, shut_down);
	add_test(suite, join_waits_for_what_was_taken);
	add_loop_test(suite, items_of_the_dead_come_back, 0, 3);
	add_test(suite, queue_goes_while_others_wait);
	add_test(suite, cancelled_puts_and_gets);
	add_loop_test(suite, a_put_in_parts_is_done_once, 0, 2);
	add_loop_test(suite, a_get_is_done_once, 0, 4);
	add_test(suite, a_session_that_is_taken_over);
	add_loop_test(suite, queues_after_a_crash, 0, 2);
	return suite;
}
IPK_TEST_MAIN(suite)
