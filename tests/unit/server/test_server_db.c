/* test_server_db.c - lib/server/server_db.c: keys that nobody asks for any more expire in slices. */
#include "server_in_place.h"

static void set_many(int n, const char *value)
{
	char line[512];

	for (int i = 0; i < n; i++) {
		snprintf(line, sizeof line, "SET k%d %s PX 100", i, value);
		says(0, line, "OK");
	}
}

START_TEST(all_of_them_go_however_many)
{
	server_begin();
	set_many(2000, "v");
	ck_assert(!ipk__expire_some(server, 1000000000));
	says(0, "DBSIZE", ":2000");
	server->db.now_ms += 200;
	ck_assert(ipk__expire_some(server, 0)); /* some, and there are more */
	ck_assert_uint_gt(ipk__keys_expiring(server->db.store), 1900);
	while (ipk__expire_some(server, 100000))
		;
	says(0, "DBSIZE", ":0");
	server_end();
}
END_TEST

START_TEST(a_long_name_is_not_in_the_way)
{
	char line[400];

	server_begin();
	snprintf(line, sizeof line, "SET %0300d v PX 50", 0);
	says(0, line, "OK");
	set_many(50, "v");
	server->db.now_ms += 200;
	ck_assert(!ipk__expire_some(server, 1000000000));
	says(0, "DBSIZE", ":0");
	server_end();
}
END_TEST

/* Before a request is refused for want of memory, what is only there because nobody asked goes. */
START_TEST(what_has_expired_is_no_memory_in_use)
{
	char value[257], line[400];

	memset(value, 'x', 256);
	value[256] = '\0';
	server_begin();
	set_many(1000, value);
	server->config.max_memory_bytes = ipk__store_used_bytes(server->db.store);
	ipk__store_set_max_bytes(server->db.store, server->config.max_memory_bytes);
	snprintf(line, sizeof line, "SET other %s", value);
	says(0, line, "-OOM command not allowed when used memory > 'maxmemory'.");
	server->db.now_ms += 200;
	says(0, line, "OK");
	says(0, "EXISTS other", ":1");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("server_db");

	add_test(s, all_of_them_go_however_many);
	add_test(s, a_long_name_is_not_in_the_way);
	add_test(s, what_has_expired_is_no_memory_in_use);
	return s;
}
IPK_TEST_MAIN(suite)
