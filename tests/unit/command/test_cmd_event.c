/*
 * test_cmd_event.c - lib/command/cmd_event.c: who waits when it is set goes on, whatever comes
 * then.
 */
#include "unit/server/server_in_place.h"

START_TEST(set_and_cleared)
{
	server_begin();
	says(0, "IPK.NEW EVENT e", ":1");
	says(0, "IPK.EISSET e", ":0");
	says(0, "IPK.EWAIT e 0", ":0");
	says(0, "IPK.ESET e", "OK");
	says(0, "IPK.ESET e", "OK");
	says(1, "IPK.EISSET e", ":1");
	says(1, "IPK.EWAIT e 0", ":1");
	says(1, "IPK.EWAIT e -1", ":1");
	says(0, "IPK.ECLEAR e", "OK");
	says(1, "IPK.EISSET e", ":0");
	says(0, "IPK.ESET none", "-NOKEY no such key");
	server_end();
}
END_TEST

START_TEST(all_who_wait_go_on)
{
	server_begin();
	says(0, "IPK.NEW EVENT e", ":1");
	for (int i = 1; i < N_PEERS; i++)
		waits(i, "IPK.EWAIT e -1");
	says(0, "IPK.ESET e", "OK");
	for (int i = 1; i < N_PEERS; i++)
		hears(i, ":1");
	server_end();
}
END_TEST

/* Set and cleared before anybody gets to look: they saw it all the same, as in Python. */
START_TEST(cleared_at_once)
{
	server_begin();
	says(0, "IPK.NEW EVENT e", ":1");
	waits(1, "IPK.EWAIT e -1");
	says(0, "MULTI", "OK");
	says(0, "IPK.ESET e", "QUEUED");
	says(0, "IPK.ECLEAR e", "QUEUED");
	says(0, "EXEC", "[OK OK]");
	hears(1, ":1");
	/* Who comes now does not. */
	waits(1, "IPK.EWAIT e 1");
	time_passes();
	hears(1, ":0");
	server_end();
}
END_TEST

START_TEST(the_key_goes)
{
	server_begin();
	says(0, "IPK.NEW EVENT e", ":1");
	waits(1, "IPK.EWAIT e -1");
	says(0, "DEL e", ":1");
	hears(1, "-NOKEY no such key");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_event");

	add_test(s, set_and_cleared);
	add_test(s, all_who_wait_go_on);
	add_test(s, cleared_at_once);
	add_test(s, the_key_goes);
	return s;
}
IPK_TEST_MAIN(suite)
