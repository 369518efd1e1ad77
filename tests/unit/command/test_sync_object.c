/*
 * test_sync_object.c - lib/command/sync_object.c and cmd_sync_object.c: objects under their
 * names: made, made again, renamed, overwritten, gone; and the lists of who waits.
 */
#include "unit/server/server_in_place.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NO_KEY "-NOKEY no such key"

static const struct {
	const char *make, *type;
} kinds[] = {
	{"IPK.NEW LOCK k", "ipk.lock"},
	{"IPK.NEW RLOCK k", "ipk.rlock"},
	{"IPK.NEW SEMAPHORE k 3", "ipk.semaphore"},
	{"IPK.NEW BOUNDEDSEMAPHORE k 3", "ipk.boundedsemaphore"},
	{"IPK.NEW CONDITION k lock", "ipk.condition"},
	{"IPK.NEW EVENT k", "ipk.event"},
	{"IPK.NEW BARRIER k 3", "ipk.barrier"},
	{"IPK.NEW QUEUE k 3 FIFO", "ipk.queue"},
};

START_TEST(each_kind_is_made_once)
{
	server_begin();
	says(0, "IPK.NEW LOCK lock", ":1");
	says(0, kinds[_i].make, ":1");
	says(1, kinds[_i].make, ":0");
	says(0, "TYPE k", kinds[_i].type);
	for (int i = 0; i < (int)IPK__N_OF(kinds); i++)
		says(0, kinds[i].make, i == _i ? ":0" : "-EXISTS something else is there");
	says(0, "GET k", WRONG_TYPE);
	says(0, "DEL k", ":1");
	says(0, kinds[_i].make, ":1");
	server_end();
}
END_TEST

START_TEST(the_same_means_with_the_same_words)
{
	server_begin();
	says(0, "IPK.NEW SEMAPHORE s 3", ":1");
	says(0, "IPK.NEW SEMAPHORE s 4", "-EXISTS something else is there");
	says(0, "IPK.ACQUIRE s a 0", ":1");
	says(0, "IPK.NEW SEMAPHORE s 3", ":0"); /* as it was made, not as it is */
	says(0, "IPK.NEW QUEUE q 0 FIFO", ":1");
	says(0, "IPK.NEW QUEUE q 0 LIFO", "-EXISTS something else is there");
	says(0, "IPK.NEW QUEUE q 0 FIFO JOINABLE", "-EXISTS something else is there");
	says(0, "IPK.QSHUTDOWN q", "OK");
	says(0, "IPK.NEW QUEUE q 0 FIFO", ":0");
	says(0, "IPK.NEW LOCK l", ":1");
	says(0, "IPK.NEW LOCK m", ":1");
	says(0, "IPK.NEW CONDITION c l", ":1");
	says(0, "IPK.NEW CONDITION c m", "-EXISTS something else is there");
	says(0, "SET string x", "OK");
	says(0, "IPK.NEW EVENT string", "-EXISTS something else is there");
	server_end();
}
END_TEST

START_TEST(wrong_words)
{
	server_begin();
	says(0, "IPK.NEW MUTEX k", "-ERR syntax error");
	says(0, "IPK.NEW LOCK k 1", "-ERR wrong number of arguments for 'ipk.new' command");
	says(0, "IPK.NEW SEMAPHORE k", "-ERR wrong number of arguments for 'ipk.new' command");
	says(0, "IPK.NEW SEMAPHORE k -1", "-VALUE semaphore initial value must be >= 0");
	says(0, "IPK.NEW SEMAPHORE k x", "-ERR value is not an integer or out of range");
	says(0, "SET string x", "OK");
	says(0, "IPK.NEW CONDITION k string", WRONG_TYPE);
	says(0, "EXISTS k", ":0");
	server_end();
}
END_TEST

/* However the name loses it, who waits under it is told. */
START_TEST(waiters_of_what_goes)
{
	static const char *const ends[] = {"DEL k",          "SET k x",      "FLUSHALL",
					   "RENAME other k", "RENAME k new", "PEXPIRE k 0"};

	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "SET other x", "OK");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	waits(1, "IPK.ACQUIRE k b -1");
	waits(2, "IPK.ACQUIRE k c -1");
	ask(0, ends[_i]);
	ck_assert_int_ne(said(0)[0], '-');
	hears(1, NO_KEY);
	hears(2, NO_KEY);
	says(1, "IPK.NEW LOCK fresh", ":1"); /* they go on as ever */
	says(1, "IPK.ACQUIRE fresh b 0", ":1");
	server_end();
}
END_TEST

START_TEST(a_renamed_one_is_held_still)
{
	server_begin();
	says(0, "IPK.NEW RLOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	says(1, "RENAME k new", "OK");
	says(0, "IPK.HELD new a", ":1");
	says(1, "IPK.ACQUIRE new b 0", ":0");
	says(0, "IPK.HELD k a", NO_KEY);
	waits(1, "IPK.ACQUIRE new b -1");
	says(0, "IPK.RELEASE new a", "OK");
	hears(1, ":1");
	server_end();
}
END_TEST

START_TEST(one_made_anew_is_not_the_old_one)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1");
	says(1, "DEL k", ":1");
	says(1, "IPK.NEW LOCK k", ":1");
	says(1, "IPK.ACQUIRE k b 0", ":1");
	says(0, "IPK.RELEASE k a", "-NOTOWNER this owner does not hold it");
	peer_goes(0); /* what it held is long gone */
	says(1, "IPK.HELD k b", ":1");
	server_end();
}
END_TEST

static struct ipk__shm_sync_object *shm_of(const char *name)
{
	struct ipk__entry *key = ipk__key_find(server->db.store, ipk__slice_of_string(name));

	ck_assert_ptr_nonnull(key);
	return ipk__key_sync_object(server->db.store, key);
}

/* What inspection sees. */
START_TEST(waiters_are_counted)
{
	server_begin();
	says(0, "IPK.NEW LOCK k", ":1");
	says(0, "IPK.ACQUIRE k 7 0", ":1");
	ck_assert_uint_eq(shm_of("k")->holder, peers[0]->id);
	ck_assert_uint_eq(shm_of("k")->holder_tag, 7);
	waits(1, "IPK.ACQUIRE k b -1");
	waits(2, "IPK.ACQUIRE k c 1");
	ck_assert_uint_eq(shm_of("k")->n_waiters, 2);
	ck_assert_uint_eq(ipk__blocks_len(server), 2);
	time_passes();
	ck_assert_uint_eq(shm_of("k")->n_waiters, 1);
	peer_goes(1);
	ck_assert_uint_eq(shm_of("k")->n_waiters, 0);
	says(0, "IPK.RELEASE k 7", "OK");
	ck_assert_uint_eq(shm_of("k")->holder, 0);
	ck_assert_uint_eq(shm_of("k")->count, 0);
	server_end();
}
END_TEST

START_TEST(kinds_that_are_not_known)
{
	ck_assert_str_eq(ipk__sync_object_type_name(0), "ipk.unknown");
	ck_assert_str_eq(ipk__sync_object_type_name(1000), "ipk.unknown");
}
END_TEST

/* --- the log ---------------------------------------------------------------------------------- */

static void note(void *arg, size_t argc, const struct ipk__slice *argv)
{
	char *text = arg;

	for (size_t i = 0; i < argc; i++)
		sprintf(text + strlen(text), "%.*s%s", (int)argv[i].n_bytes, argv[i].bytes,
			i + 1 < argc ? " " : "; ");
}

static void is_described(const char *name, const char *expected)
{
	struct ipk__slice slice = ipk__slice_of_string(name);
	char text[256] = "";

	ipk__sync_object_describe(&server->db, slice, ipk__key_find(server->db.store, slice), note,
				  text);
	ck_assert_str_eq(text, expected);
}

START_TEST(described_for_the_log)
{
	server_begin();
	says(0, "IPK.NEW RLOCK k", ":1");
	says(0, "IPK.ACQUIRE k a 0", ":1"); /* which is the connection's alone */
	is_described("k", "IPK.NEW RLOCK k; ");
	says(0, "IPK.NEW CONDITION c k", ":1");
	is_described("c", "IPK.NEW RLOCK k; IPK.NEW CONDITION c k; ");
	says(0, "IPK.NEW SEMAPHORE s 3", ":1");
	says(0, "IPK.ACQUIRE s a 0", ":1");
	is_described("s", "IPK.NEW SEMAPHORE s 3; ");
	says(0, "IPK.NEW EVENT e", ":1");
	is_described("e", "IPK.NEW EVENT e; ");
	says(0, "IPK.ESET e", "OK");
	is_described("e", "IPK.NEW EVENT e; IPK.ESET e; ");
	says(0, "IPK.NEW BARRIER b 2", ":1");
	waits(1, "IPK.BWAIT b x -1");
	is_described("b", "IPK.NEW BARRIER b 2; ");
	says(0, "DEL k", ":1");
	is_described("c", ""); /* of no use without its lock */
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sync_object");

	add_loop_test(s, each_kind_is_made_once, 0, (int)IPK__N_OF(kinds));
	add_test(s, the_same_means_with_the_same_words);
	add_test(s, wrong_words);
	add_loop_test(s, waiters_of_what_goes, 0, 6);
	add_test(s, a_renamed_one_is_held_still);
	add_test(s, one_made_anew_is_not_the_old_one);
	add_test(s, waiters_are_counted);
	add_test(s, kinds_that_are_not_known);
	add_test(s, described_for_the_log);
	return s;
}
IPK_TEST_MAIN(suite)
