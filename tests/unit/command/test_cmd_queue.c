/*
 * test_cmd_queue.c - lib/command/cmd_queue.c: orders, limits, who waits, items that were taken
 * and not done, and what the log is told.
 */
#include "unit/server/server_in_place.h"

START_TEST(orders)
{
	server_begin();
	says(0, "IPK.NEW QUEUE f 0 FIFO", ":1");
	says(0, "IPK.NEW QUEUE l 0 LIFO", ":1");
	says(0, "IPK.NEW QUEUE p 0 PRIORITY", ":1");
	says(0, "IPK.QPUT f 0 9 a b c", ":3");
	says(0, "IPK.QPUT l 0 9 a b c", ":3");
	says(0, "IPK.QPUT p 0 9 a b", ":2");
	says(0, "IPK.QPUT p 0 -1 c", ":1");
	says(0, "IPK.QGET f 0 COUNT 9", "[a b c]");
	says(0, "IPK.QGET l 0 COUNT 9", "[c b a]");
	says(0, "IPK.QGET p 0 COUNT 9", "[c a b]");
	says(0, "IPK.QGET p 0", "nil");
	says(0, "IPK.QPUT f 0 0 \"\"", ":1");
	says(0, "IPK.QLEN f", ":1");
	says(0, "IPK.QGET f 0", "");
	server_end();
}
END_TEST

START_TEST(a_limit)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q 2 FIFO", ":1");
	says(0, "IPK.QPUT q 0 0 a b c", ":2"); /* those that found room */
	says(0, "IPK.QPUT q 0 0 d", ":0");
	waits(1, "IPK.QPUT q -1 0 e f g");
	waits(2, "IPK.QPUT q -1 0 h");
	says(0, "IPK.QGET q 0", "a");
	says(0, "IPK.QLEN q", ":2"); /* e came in at once */
	says(0, "IPK.QGET q 0 COUNT 2", "[b e]");
	hears(1, ":3");
	hears(2, "");
	says(0, "IPK.QGET q 0 COUNT 9", "[f g]");
	hears(2, ":1");
	says(0, "IPK.QGET q 0", "h");
	/* Part of it inside when the time is over. */
	waits(1, "IPK.QPUT q 1 0 i j k");
	time_passes();
	hears(1, ":2");
	server_end();
}
END_TEST

START_TEST(the_first_to_wait_gets_the_first)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q 0 FIFO", ":1");
	waits(1, "IPK.QGET q -1");
	waits(2, "IPK.QGET q -1 COUNT 2");
	waits(3, "IPK.QGET q 1");
	time_passes();
	hears(3, "nil");
	says(0, "IPK.QPUT q 0 0 a b c d", ":4");
	hears(1, "a");
	hears(2, "[b c]");
	says(0, "IPK.QLEN q", ":1");
	server_end();
}
END_TEST

START_TEST(shut)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q 1 FIFO", ":1");
	says(0, "IPK.QPUT q 0 0 a", ":1");
	waits(1, "IPK.QPUT q -1 0 b");
	says(0, "IPK.QSHUTDOWN q", "OK");
	hears(1, "-SHUTDOWN the queue is shut down");
	says(0, "IPK.QPUT q 0 0 c", "-SHUTDOWN the queue is shut down");
	says(0, "IPK.QGET q 0", "a"); /* what is inside can be had */
	says(0, "IPK.QGET q 0", "-SHUTDOWN the queue is shut down");
	says(0, "IPK.QINFO q", "[:0 :1 :0 :1 FIFO :0]");
	server_end();
}
END_TEST

START_TEST(shut_now)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q 0 LIFO JOINABLE", ":1");
	says(0, "IPK.QPUT q 0 0 a b c", ":3");
	says(0, "IPK.QGET q 0", "c");
	waits(1, "IPK.QJOIN q -1");
	says(2, "IPK.QSHUTDOWN q SOON", "-ERR syntax error");
	says(2, "IPK.QSHUTDOWN q NOW", "OK");
	says(2, "IPK.QINFO q", "[:0 :0 :1 :1 LIFO :1]");
	hears(1, "");
	says(0, "IPK.QDONE q", "OK");
	hears(1, ":1");
	server_end();
}
END_TEST

START_TEST(joining)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q 0 FIFO JOINABLE", ":1");
	says(0, "IPK.QJOIN q 0", ":1");
	says(0, "IPK.QPUT q 0 0 a b", ":2");
	says(0, "IPK.QJOIN q 0", ":0");
	waits(1, "IPK.QJOIN q -1");
	waits(2, "IPK.QJOIN q 1");
	time_passes();
	hears(2, ":0");
	says(0, "IPK.QGET q 0 COUNT 2", "[a b]");
	says(0, "IPK.QDONE q 3", "-VALUE task_done() called too many times");
	says(0, "IPK.QDONE q 0", "-VALUE n must be one or more");
	says(0, "IPK.QDONE q", "OK");
	hears(1, "");
	says(3, "IPK.QDONE q", "OK"); /* Python only counts: by anybody */
	hears(1, ":1");
	says(0, "IPK.QDONE q", "-VALUE task_done() called too many times");
	server_end();
}
END_TEST

/* Back at the front, in their order, to who waits for them; done ones do not come back. */
START_TEST(one_that_goes_gives_back)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q 0 FIFO JOINABLE", ":1");
	says(0, "IPK.QPUT q 0 0 a b c d", ":4");
	says(1, "IPK.QGET q 0 COUNT 3", "[a b c]");
	says(1, "IPK.QDONE q", "OK"); /* a */
	peer_goes(1);
	says(0, "IPK.QINFO q", "[:3 :0 :3 :0 FIFO :1]");
	says(0, "IPK.QGET q 0 COUNT 3", "[b c d]");
	waits(2, "IPK.QGET q -1");
	peer_goes(0);
	hears(2, "b");
	/* A plain queue's item is gone with who took it. */
	says(2, "IPK.NEW QUEUE plain 0 FIFO", ":1");
	says(2, "IPK.QPUT plain 0 0 a", ":1");
	says(2, "IPK.QGET plain 0", "a");
	peer_goes(2);
	says(3, "IPK.QLEN plain", ":0");
	server_end();
}
END_TEST

START_TEST(wrong_words)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q -1 FIFO", "-VALUE maxsize must be >= 0");
	says(0, "IPK.NEW QUEUE q 0 SORTED", "-ERR syntax error");
	says(0, "IPK.NEW QUEUE q 0 FIFO JOINED", "-ERR syntax error");
	says(0, "IPK.NEW QUEUE q 0 FIFO", ":1");
	says(0, "IPK.QPUT q 0 high a", "-ERR value is not an integer or out of range");
	says(0, "IPK.QGET q 0 COUNT", "-ERR syntax error");
	says(0, "IPK.QGET q 0 COUNT 0", "-VALUE COUNT is one or more");
	says(0, "IPK.QGET none 0", "-NOKEY no such key");
	says(0, "IPK.QLOAD q 0 0 a", "-ERR only a log has that");
	says(0, "IPK.QDROP q 0", "-ERR only a log has that");
	says(0, "IPK.QSTATE q 0 0 0", "-ERR only a log has that");
	server_end();
}
END_TEST

/* --- the log ---------------------------------------------------------------------------------- */

static struct ipk__buffer replies;

/* A command of the log, for an object under another name. */
static void load(void *arg, size_t argc, const struct ipk__slice *argv)
{
	struct ipk__slice copy[WORDS_MAX];

	ck_assert_uint_lt(argc, WORDS_MAX);
	memcpy(copy, argv, argc * sizeof *argv);
	for (size_t i = 0; i < argc; i++)
		if (ipk__slice_equal(argv[i], IPK__SLICE_OF("q")))
			copy[i] = ipk__slice_of_string(arg);
	ck_assert(ipk__execute_logged(server, copy, argc, &replies));
}

/* What was taken and is not done is inside again, as if it had been given back. */
START_TEST(described_it_is_made_anew)
{
	static const char *const words[] = {"FIFO", "LIFO", "PRIORITY"};
	static const char *const items[] = {"[a b c d]", "[d c b a]", "[a b c d]"};
	char line[64], wanted[64];
	struct ipk__slice name = IPK__SLICE_OF("q");

	server_begin();
	snprintf(line, sizeof line, "IPK.NEW QUEUE q 9 %s JOINABLE", words[_i]);
	says(0, line, ":1");
	says(0, "IPK.QPUT q 0 5 a b c d", ":4");
	ask(1, "IPK.QGET q 0 COUNT 2");
	(void)said(1);
	ipk__sync_object_describe(&server->db, name, ipk__key_find(server->db.store, name), load,
				  "copy");
	snprintf(wanted, sizeof wanted, "[:4 :9 :4 :0 %s :1]", words[_i]);
	says(0, "IPK.QINFO copy", wanted);
	says(0, "IPK.QGET copy 0 COUNT 9", items[_i]);
	ipk__buffer_free(&replies);
	server_end();
}
END_TEST

START_TEST(dropped_by_their_numbers)
{
	static const struct ipk__slice drop[] = {IPK__SLICE_OF("IPK.QDROP"), IPK__SLICE_OF("q"),
						 IPK__SLICE_OF("1"), IPK__SLICE_OF("77"),
						 IPK__SLICE_OF("2")};

	server_begin();
	says(0, "IPK.NEW QUEUE q 0 FIFO JOINABLE", ":1");
	says(0, "IPK.QPUT q 0 0 a b c d", ":4");
	ck_assert(ipk__execute_logged(server, drop, 5, &replies));
	says(0, "IPK.QINFO q", "[:2 :0 :2 :0 FIFO :1]");
	says(0, "IPK.QGET q 0 COUNT 9", "[a d]");
	ipk__buffer_free(&replies);
	server_end();
}
END_TEST

START_TEST(items_count_for_the_memory_limit)
{
	server_begin();
	says(0, "IPK.NEW QUEUE q 0 FIFO", ":1");
	ck_assert_uint_eq(ipk__sync_objects_used_bytes(&server->db), 0);
	says(0, "IPK.QPUT q 0 0 aaaa bbbb", ":2");
	ck_assert_uint_gt(ipk__sync_objects_used_bytes(&server->db), 8);
	says(0, "DEL q", ":1");
	says(0, "SET x y", "OK"); /* it may have been renamed until then */
	says(0, "SET x z", "OK");
	ck_assert_uint_eq(ipk__sync_objects_used_bytes(&server->db), 0);
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_queue");

	add_test(s, orders);
	add_test(s, a_limit);
	add_test(s, the_first_to_wait_gets_the_first);
	add_test(s, shut);
	add_test(s, shut_now);
	add_test(s, joining);
	add_test(s, one_that_goes_gives_back);
	add_test(s, wrong_words);
	add_loop_test(s, described_it_is_made_anew, 0, 3);
	add_test(s, dropped_by_their_numbers);
	add_test(s, items_count_for_the_memory_limit);
	return s;
}
IPK_TEST_MAIN(suite)
