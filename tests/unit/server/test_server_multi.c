/*
 * test_server_multi.c - lib/server/server_multi.c: what is kept for EXEC, and what makes it fail.
 */
#include "server_in_place.h"

START_TEST(kept_until_exec)
{
	server_begin();
	says(0, "MULTI", "OK");
	says(0, "SET k 1", "QUEUED");
	says(0, "INCR k", "QUEUED");
	says(0, "GET k", "QUEUED");
	says(1, "GET k", "nil");
	says(0, "EXEC", "[OK :2 2]");
	says(1, "GET k", "2");
	says(0, "GET k", "2"); /* it is over */
	says(0, "MULTI", "OK");
	says(0, "EXEC", "[]");
	server_end();
}
END_TEST

START_TEST(discarded)
{
	server_begin();
	says(0, "MULTI", "OK");
	says(0, "SET k 1", "QUEUED");
	says(0, "DISCARD", "OK");
	says(0, "EXISTS k", ":0");
	says(0, "DISCARD", "-ERR DISCARD without MULTI");
	says(0, "EXEC", "-ERR EXEC without MULTI");
	server_end();
}
END_TEST

/* What is known to fail before it runs takes all with it; what fails when it runs does not. */
START_TEST(errors_before_and_in_exec)
{
	server_begin();
	says(0, "MULTI", "OK");
	says(0, "SET k 1", "QUEUED");
	says(0, "GET", "-ERR wrong number of arguments for 'get' command");
	says(0, "EXEC", "-EXECABORT Transaction discarded because of previous errors.");
	says(0, "EXISTS k", ":0");
	says(0, "MULTI", "OK");
	says(0, "NOSUCH x", "-ERR unknown command 'NOSUCH', with args beginning with: 'x' ");
	says(0, "EXEC", "-EXECABORT Transaction discarded because of previous errors.");
	says(0, "MULTI", "OK");
	says(0, "SET k v", "QUEUED");
	says(0, "INCR k", "QUEUED");
	says(0, "SET l w", "QUEUED");
	says(0, "EXEC", "[OK -ERR value is not an integer or out of range OK]");
	says(0, "GET l", "w");
	server_end();
}
END_TEST

static void limit_memory(uint64_t max_bytes)
{
	server->config.max_memory_bytes = max_bytes;
	ipk__store_set_max_bytes(server->db.store, max_bytes);
}

static void queue_two(void)
{
	says(0, "MULTI", "OK");
	says(0, "INCR n", "QUEUED");
	says(0, "RPUSH l aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "QUEUED");
}

/* Memory that runs out between the two would leave the first one done. */
START_TEST(all_or_nothing_under_a_limit_of_memory)
{
	static const char oom[] = "-EXECABORT Transaction discarded because of: OOM command not "
				  "allowed when used memory > 'maxmemory'.";
	uint64_t used;

	server_begin();
	says(0, "SET n 0", "OK");
	queue_two();
	limit_memory(1);
	says(0, "EXEC", oom);
	says(0, "GET n", "0");
	says(0, "EXEC", "-ERR EXEC without MULTI");
	limit_memory(0);
	used = ipk__store_used_bytes(server->db.store);
	for (uint64_t more = 0; more < 600; more += 4) {
		const char *said_now;

		queue_two();
		limit_memory(used + more);
		ask(0, "EXEC");
		said_now = said(0);
		if (strcmp(said_now, oom) == 0) {
			says(0, "GET n", "0");
			says(0, "EXISTS l", ":0");
		} else {
			ck_assert_str_eq(said_now, "[:1 :1]");
			ck_assert_uint_eq(ipk__store_max_bytes(server->db.store), used + more);
			limit_memory(0);
			says(0, "DEL l", ":1");
			says(0, "SET n 0", "OK");
		}
		limit_memory(0);
	}
	server_end();
}
END_TEST

START_TEST(no_nesting)
{
	server_begin();
	says(0, "MULTI", "OK");
	says(0, "MULTI", "-ERR MULTI calls can not be nested");
	says(0, "WATCH k", "-ERR WATCH inside MULTI is not allowed");
	says(0, "UNWATCH", "QUEUED");
	says(0, "IPK.LEAVE 1", "-ERR Command not allowed inside a transaction");
	says(0, "DISCARD", "OK");
	server_end();
}
END_TEST

START_TEST(a_watched_key_that_changed)
{
	static const char *const changes[] = {"SET k 2", "DEL k", "RENAME other k", "RPUSH new x",
					      "FLUSHALL"};

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(changes); i++) {
		says(0, "MSET k 1 other 1", "OK");
		says(0, "WATCH k new", "OK");
		ask(1, changes[i]);
		(void)said(1);
		says(0, "MULTI", "OK");
		says(0, "SET done yes", "QUEUED");
		says(0, "EXEC", "nil");
		says(0, "EXISTS done", ":0");
		/* That watch was for one. */
		says(0, "MULTI", "OK");
		says(0, "EXEC", "[]");
	}
	server_end();
}
END_TEST

START_TEST(a_watched_key_that_did_not)
{
	server_begin();
	says(0, "SET k 1", "OK");
	says(0, "WATCH k k", "OK");
	says(1, "GET k", "1");
	says(1, "SET other 1", "OK");
	says(1, "EXPIRE none 5", ":0");
	says(0, "MULTI", "OK");
	says(0, "GET k", "QUEUED");
	says(0, "EXEC", "[1]");
	says(0, "WATCH k", "OK");
	says(1, "SET k 2", "OK");
	says(0, "UNWATCH", "OK");
	says(0, "MULTI", "OK");
	says(0, "EXEC", "[]");
	server_end();
}
END_TEST

/* Nobody has met it yet, but its time has come. */
START_TEST(an_expired_key_is_not_there)
{
	server_begin();
	says(0, "SET k 1 PX 100", "OK");
	says(0, "WATCH k", "OK");
	server->db.now_ms += 100;
	says(0, "MULTI", "OK");
	says(0, "EXEC", "nil");
	says(0, "SET k 1 PX 100", "OK");
	server->db.now_ms += 100;
	says(0, "WATCH k", "OK"); /* it is gone already */
	says(1, "GET k", "nil");
	says(0, "MULTI", "OK");
	says(0, "EXEC", "[]");
	server_end();
}
END_TEST

START_TEST(nothing_waits_inside)
{
	server_begin();
	says(0, "MULTI", "OK");
	says(0, "BLPOP none 0", "QUEUED");
	says(0, "EXEC", "[nil]");
	says(0, "IPK.NEW LOCK lock", ":1");
	says(1, "IPK.ACQUIRE lock a 0", ":1");
	says(0, "MULTI", "OK");
	says(0, "IPK.ACQUIRE lock b -1", "QUEUED");
	says(0, "EXEC", "[:0]");
	server_end();
}
END_TEST

/* Those who wait are served when all of it is done, and see only the end. */
START_TEST(waiters_are_served_afterwards)
{
	server_begin();
	waits(1, "BLPOP l 0");
	says(0, "MULTI", "OK");
	says(0, "RPUSH l a", "QUEUED");
	says(0, "LPUSH l b", "QUEUED");
	says(0, "EXEC", "[:1 :2]");
	hears(1, "[l b]");
	server_end();
}
END_TEST

START_TEST(as_large_as_one_request_may_be)
{
	server_begin();
	server->config.max_request_bytes = 400;
	says(0, "MULTI", "OK");
	says(0, "SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "QUEUED");
	ask(0, "SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	ask(0, "SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	ask(0, "SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	ck_assert_ptr_nonnull(strstr(said(0), "-ERR the transaction does not fit into memory"));
	says(0, "EXEC", "-EXECABORT Transaction discarded because of previous errors.");
	says(0, "EXISTS k", ":0");
	server_end();
}
END_TEST

START_TEST(a_peer_that_goes_takes_it_along)
{
	server_begin();
	says(0, "WATCH k", "OK");
	says(0, "MULTI", "OK");
	says(0, "SET k 1", "QUEUED");
	peer_goes(0);
	says(1, "EXISTS k", ":0");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("server_multi");

	add_test(s, kept_until_exec);
	add_test(s, discarded);
	add_test(s, errors_before_and_in_exec);
	add_test(s, all_or_nothing_under_a_limit_of_memory);
	add_test(s, no_nesting);
	add_test(s, a_watched_key_that_changed);
	add_test(s, a_watched_key_that_did_not);
	add_test(s, an_expired_key_is_not_there);
	add_test(s, nothing_waits_inside);
	add_test(s, waiters_are_served_afterwards);
	add_test(s, as_large_as_one_request_may_be);
	add_test(s, a_peer_that_goes_takes_it_along);
	return s;
}
IPK_TEST_MAIN(suite)
