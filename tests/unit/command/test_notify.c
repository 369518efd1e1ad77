/*
 * test_notify.c - lib/command/notify.c: who is told of which change, and never more than one
 * push that was not read yet.
 */
#include "unit/server/server_in_place.h"

/* What was pushed is on its way: as the loop does when the socket took it. */
static void was_sent(int peer)
{
	peers[peer]->n_sent_bytes += 1000;
}

START_TEST(of_a_whole_key)
{
	static const char *const changes[] = {"SET k 1",   "APPEND k x",     "PEXPIRE k 5000",
					      "PERSIST k", "RENAME k other", "RENAME other k",
					      "DEL k"};

	server_begin();
	says(1, "IPK.WATCH k", "OK");
	for (size_t i = 0; i < IPK__N_OF(changes); i++) {
		ask(0, changes[i]);
		(void)said(0);
		hears(1, "[ipk.changed k nil]");
		was_sent(1);
	}
	says(0, "DEL k", ":0"); /* nothing changed */
	says(0, "GET k", "nil");
	says(0, "SET other 1", "OK");
	hears(1, "");
	server_end();
}
END_TEST

START_TEST(of_a_field)
{
	server_begin();
	says(1, "IPK.WATCH h f", "OK");
	says(2, "IPK.WATCH h", "OK");
	says(0, "HSET h g 1", ":1");
	hears(1, "");
	hears(2, "[ipk.changed h nil]");
	was_sent(2);
	says(0, "HSET h f 1", ":1");
	hears(1, "[ipk.changed h f]");
	hears(2, "[ipk.changed h nil]");
	was_sent(1);
	/* All of the key: each field of it too. */
	says(0, "DEL h", ":1");
	hears(1, "[ipk.changed h f]");
	server_end();
}
END_TEST

START_TEST(merged_until_they_are_read)
{
	server_begin();
	says(1, "IPK.WATCH k", "OK");
	says(0, "SET k 1", "OK");
	says(0, "SET k 2", "OK");
	hears(1, "[ipk.changed k nil]");
	says(0, "SET k 3", "OK"); /* taken here, but not by its socket */
	hears(1, "");
	was_sent(1);
	says(0, "SET k 4", "OK");
	hears(1, "[ipk.changed k nil]");
	server_end();
}
END_TEST

/* Once for a transaction, and after its reply for who made it. */
START_TEST(after_the_turn)
{
	server_begin();
	says(0, "IPK.WATCH k", "OK");
	says(1, "IPK.WATCH k", "OK");
	says(0, "MULTI", "OK");
	says(0, "SET k 1", "QUEUED");
	says(0, "SET k 2", "QUEUED");
	says(0, "EXEC", "[OK OK] [ipk.changed k nil]");
	hears(1, "[ipk.changed k nil]");
	server_end();
}
END_TEST

START_TEST(of_what_goes_by_itself)
{
	server_begin();
	says(1, "IPK.WATCH k", "OK");
	says(0, "SET k 1 PX 10", "OK");
	hears(1, "[ipk.changed k nil]");
	was_sent(1);
	server->db.now_ms += 10;
	says(0, "GET k", "nil");
	hears(1, "[ipk.changed k nil]");
	was_sent(1);
	says(0, "FLUSHALL", "OK");
	hears(1, "[ipk.changed k nil]");
	server_end();
}
END_TEST

START_TEST(no_more)
{
	server_begin();
	says(1, "IPK.WATCH k", "OK");
	says(1, "IPK.WATCH k", "OK"); /* once */
	says(1, "IPK.WATCH k f", "OK");
	says(1, "IPK.UNWATCH k", "OK");
	says(1, "IPK.UNWATCH none", "OK");
	says(0, "HSET k g 1", ":1");
	hears(1, "");
	says(0, "HSET k f 1", ":1");
	hears(1, "[ipk.changed k f]");
	says(1, "IPK.UNWATCH k f", "OK");
	says(0, "DEL k", ":1");
	hears(1, "");
	says(1, "IPK.WATCH k f g", "-ERR wrong number of arguments for 'ipk.watch' command");
	server_end();
}
END_TEST

START_TEST(one_that_goes_with_a_change_due)
{
	server_begin();
	says(1, "IPK.WATCH k", "OK");
	says(2, "IPK.WATCH k", "OK");
	ipk__notify_changed(&server->db, IPK__SLICE_OF("k"), IPK__SLICE(NULL, 0));
	peer_goes(1);
	hears(2, "[ipk.changed k nil]");
	peer_goes(2);
	says(0, "SET k 1", "OK");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("notify");

	add_test(s, of_a_whole_key);
	add_test(s, of_a_field);
	add_test(s, merged_until_they_are_read);
	add_test(s, after_the_turn);
	add_test(s, of_what_goes_by_itself);
	add_test(s, no_more);
	add_test(s, one_that_goes_with_a_change_due);
	return s;
}
IPK_TEST_MAIN(suite)
