/*
 * test_manager_watch.c - change notification of a manager: who is notified of what, and how often.
 */
#include <stdio.h>
#include <string.h>

#include "manager_fixture.h"
#include "support/support.h"

static struct fixture s;
static struct client a, b;

static void open_all(void)
{
	fixture_begin(&s, false);
	client_open(&s, &a);
	client_open(&s, &b);
	begin(&b, "HELLO 3");
	want_any(&b);
}

static void close_all(void)
{
	client_close(&a);
	client_close(&b);
	fixture_end(&s);
}

START_TEST(watch_a_key)
{
	open_all();
	ask(&b, "IPK.WATCH k", "OK");
	ask(&b, "IPK.WATCH k", "OK"); /* once is enough */
	ask(&a, "SET other x", "OK");
	silent(&s, &b);
	ask(&a, "SET k x", "OK");
	want(&b, ">[ipk.changed k nil]");
	silent(&s, &b);
	ask(&a, "SETNX k y", "0"); /* changes nothing */
	silent(&s, &b);
	ask(&a, "DEL k", "1");
	want(&b, ">[ipk.changed k nil]");
	ask(&a, "IPK.LINSERT k 0 x", "1");
	want(&b, ">[ipk.changed k nil]");
	ask(&a, "RPUSH k y", "2");
	want(&b, ">[ipk.changed k nil]");
	ask(&a, "IPK.UNWATCH none", "OK");
	ask(&b, "IPK.UNWATCH k field", "OK");
	ask(&b, "IPK.UNWATCH k", "OK");
	ask(&a, "RPUSH k y", "3");
	silent(&s, &b);
	close_all();
}
END_TEST

START_TEST(watch_a_field)
{
	open_all();
	ask(&b, "IPK.WATCH h f", "OK");
	ask(&a, "HSET h g 1", "1");
	silent(&s, &b);
	ask(&a, "HSET h f 1", "1");
	want(&b, ">[ipk.changed h f]");
	ask(&a, "IPK.HCAS h f IS 1 SET 2", "1");
	want(&b, ">[ipk.changed h f]");
	ask(&a, "IPK.HCAS h f IS 1 SET 2", "0");
	silent(&s, &b);
	ask(&a, "HINCRBY h f 1", "3");
	want(&b, ">[ipk.changed h f]");
	ask(&a, "HDEL h f", "1");
	want(&b, ">[ipk.changed h f]");
	ask(&b, "IPK.WATCH h", "OK");
	ask(&a, "IPK.HUPDATE h f 1 g 2", "1");
	want(&b, ">[ipk.changed h f]");
	want(&b, ">[ipk.changed h nil]");
	silent(&s, &b);
	close_all();
}
END_TEST

START_TEST(however_the_key_goes)
{
	static const char *const ways[] = {"DEL h",    "RENAME h other", "RENAME text h", "SET h x",
					   "FLUSHALL", "PEXPIRE h 1",    "PEXPIRE h -1"};

	open_all();
	ask(&a, "SET text x", "OK");
	ask(&a, "HSET h f 1", "1");
	ask(&b, "IPK.WATCH h f", "OK");
	begin(&a, ways[_i]);
	want(&b, ">[ipk.changed h f]");
	want_any(&a);
	/* The time to live is one change, its end another. */
	if (strcmp(ways[_i], "PEXPIRE h 1") == 0)
		want(&b, ">[ipk.changed h f]");
	silent(&s, &b);
	close_all();
}
END_TEST

START_TEST(own_changes_come_between_replies)
{
	open_all();
	ask(&b, "IPK.WATCH k", "OK");
	ask(&b, "MULTI", "OK");
	ask(&b, "RPUSH k 1 2 3", "QUEUED");
	ask(&b, "LRANGE k 0 -1", "QUEUED");
	ask(&b, "RPUSH k 4", "QUEUED");
	ask(&b, "EXEC", "[3 [1 2 3] 4]");
	want(&b, ">[ipk.changed k nil]");
	silent(&s, &b);
	close_all();
}
END_TEST

START_TEST(plain_arrays_in_resp2)
{
	open_all();
	ask(&a, "IPK.WATCH h f", "OK");
	ask(&b, "HSET h f 1", "1");
	want(&a, "[ipk.changed h f]");
	close_all();
}
END_TEST

START_TEST(watcher_that_waits_and_dies)
{
	open_all();
	ask(&a, "IPK.NEW EVENT e", "1");
	ask(&b, "IPK.WATCH k", "OK");
	begin(&b, "IPK.EWAIT e -1");
	waits(&s, 1);
	ask(&a, "SET k 1", "OK");
	want(&b, ">[ipk.changed k nil]");
	ask(&a, "IPK.ESET e", "OK");
	want(&b, "1");
	client_close(&b);
	for (int i = 0; i < 100; i++)
		ask(&a, "SET k 1", "OK");
	client_open(&s, &b);
	close_all();
}
END_TEST

/*
 * A watcher that does not read: what its socket does not take is one push for each field, not
 * one for each change; and after the last change there is a push.
 */
START_TEST(merged_while_not_read)
{
	enum { FIELDS = 4, BATCH = 500, BATCHES = 40 };
	char watch[1200], set[1200];
	int n_pushes = 0;

	open_all();
	/* Long names fill the socket soon. */
	memset(watch, 'x', sizeof(watch) - 1);
	memset(set, 'x', sizeof(set) - 1);
	memcpy(watch, "IPK.WATCH ", 10);
	memcpy(set, "HSET ", 5);
	for (int i = 0; i < FIELDS; i++) {
		snprintf(watch + 1000, 100, " %d", i);
		ask(&b, watch, "OK");
	}
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < BATCH; i++) {
			snprintf(set + 995, 100, " %d %d", i % FIELDS, i);
			begin(&a, set);
		}
		for (int i = 0; i < BATCH; i++)
			want_any(&a);
	}
	snprintf(set + 995, 100, " 0 end");
	ask(&a, set, "0");
	begin(&b, "PING");
	while (!want_is(&b, "PONG"))
		n_pushes++;
	ck_assert_int_ge(n_pushes, FIELDS);
	ck_assert_int_lt(n_pushes, BATCH * BATCHES / 4);
	close_all();
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("manager_watch");

	add_test(suite, watch_a_key);
	add_test(suite, watch_a_field);
	add_loop_test(suite, however_the_key_goes, 0, 7);
	add_test(suite, own_changes_come_between_replies);
	add_test(suite, plain_arrays_in_resp2);
	add_test(suite, watcher_that_waits_and_dies);
	add_test(suite, merged_while_not_read);
	return suite;
}
IPK_TEST_MAIN(suite)
