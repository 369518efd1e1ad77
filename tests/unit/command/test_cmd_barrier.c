/* test_cmd_barrier.c - lib/command/cmd_barrier.c: all parties go on, or all learn that it broke. */
#include "unit/server/server_in_place.h"

#define BROKEN "-BROKEN the barrier is broken"

START_TEST(the_last_to_come_lets_all_go)
{
	server_begin();
	says(0, "IPK.NEW BARRIER b 3", ":1");
	for (int round = 0; round < 2; round++) {
		waits(0, "IPK.BWAIT b x -1");
		waits(1, "IPK.BWAIT b x -1");
		says(3, "IPK.BINFO b", "[:3 :2 :0]");
		says(2, "IPK.BWAIT b x -1", ":2");
		hears(0, ":0");
		hears(1, ":1");
		says(3, "IPK.BINFO b", "[:3 :0 :0]");
	}
	server_end();
}
END_TEST

START_TEST(one_party_never_waits)
{
	server_begin();
	says(0, "IPK.NEW BARRIER b 1", ":1");
	says(0, "IPK.BWAIT b x 0", ":0");
	says(0, "IPK.NEW BARRIER none 0", "-VALUE parties must be > 0");
	server_end();
}
END_TEST

START_TEST(aborted)
{
	server_begin();
	says(0, "IPK.NEW BARRIER b 3", ":1");
	waits(1, "IPK.BWAIT b x -1");
	waits(2, "IPK.BWAIT b x -1");
	says(0, "IPK.BABORT b", "OK");
	hears(1, BROKEN);
	hears(2, BROKEN);
	says(0, "IPK.BINFO b", "[:3 :0 :1]");
	says(1, "IPK.BWAIT b x -1", BROKEN);
	says(0, "IPK.BRESET b", "OK");
	says(0, "IPK.BINFO b", "[:3 :0 :0]");
	waits(1, "IPK.BWAIT b x -1");
	server_end();
}
END_TEST

/* Those who wait learn of it; the barrier itself is as new. */
START_TEST(reset_while_some_wait)
{
	server_begin();
	says(0, "IPK.NEW BARRIER b 2", ":1");
	waits(1, "IPK.BWAIT b x -1");
	says(0, "IPK.BRESET b", "OK");
	hears(1, BROKEN);
	waits(1, "IPK.BWAIT b x -1");
	says(2, "IPK.BWAIT b x -1", ":1");
	hears(1, ":0");
	server_end();
}
END_TEST

START_TEST(a_party_without_time_breaks_it)
{
	server_begin();
	says(0, "IPK.NEW BARRIER b 3", ":1");
	waits(1, "IPK.BWAIT b x -1");
	says(0, "IPK.BWAIT b x 0", BROKEN);
	hears(1, BROKEN);
	says(0, "IPK.BRESET b", "OK");
	waits(1, "IPK.BWAIT b x -1");
	waits(2, "IPK.BWAIT b x 1");
	time_passes();
	hears(1, BROKEN);
	hears(2, BROKEN);
	says(0, "IPK.BINFO b", "[:3 :0 :1]");
	server_end();
}
END_TEST

START_TEST(a_party_that_goes_breaks_it)
{
	server_begin();
	says(0, "IPK.NEW BARRIER b 3", ":1");
	waits(1, "IPK.BWAIT b x -1");
	waits(2, "IPK.BWAIT b x -1");
	peer_goes(1);
	hears(2, BROKEN);
	says(0, "IPK.BINFO b", "[:3 :0 :1]");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_barrier");

	add_test(s, the_last_to_come_lets_all_go);
	add_test(s, one_party_never_waits);
	add_test(s, aborted);
	add_test(s, reset_while_some_wait);
	add_test(s, a_party_without_time_breaks_it);
	add_test(s, a_party_that_goes_breaks_it);
	return s;
}
IPK_TEST_MAIN(suite)
