/* test_cmd_expire.c - lib/command/cmd_expire.c: times in every unit, conditions, and what asks. */
#include "unit/server/server_in_place.h"

START_TEST(each_unit)
{
	server_begin();
	says(0, "SET k v", "OK");
	says(0, "TTL k", ":-1");
	says(0, "PTTL none", ":-2");
	says(0, "EXPIRETIME none", ":-2");
	says(0, "EXPIRE k 10", ":1");
	says(0, "PTTL k", ":10000");
	says(0, "PEXPIRETIME k", ":1700000010000");
	says(0, "EXPIRETIME k", ":1700000010");
	says(0, "PEXPIRE k 1499", ":1");
	says(0, "TTL k", ":1"); /* rounded */
	says(0, "PEXPIRE k 1500", ":1");
	says(0, "TTL k", ":2");
	says(0, "EXPIREAT k 1700000100", ":1");
	says(0, "TTL k", ":100");
	says(0, "PEXPIREAT k 1700000000007", ":1");
	says(0, "PTTL k", ":7");
	says(0, "EXPIRE none 10", ":0");
	server_end();
}
END_TEST

START_TEST(a_key_goes_in_its_millisecond)
{
	server_begin();
	says(0, "RPUSH l a b", ":2");
	says(0, "PEXPIRE l 100", ":1");
	server->db.now_ms += 99;
	says(0, "PTTL l", ":1");
	says(0, "LLEN l", ":2");
	server->db.now_ms += 1;
	says(0, "LLEN l", ":0");
	says(0, "EXISTS l", ":0");
	says(0, "DBSIZE", ":0");
	server_end();
}
END_TEST

START_TEST(a_time_that_is_over_deletes)
{
	static const char *const over[] = {"EXPIRE k 0", "EXPIRE k -5", "PEXPIRE k -1",
					   "EXPIREAT k 1", "PEXPIREAT k 1700000000000"};

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(over); i++) {
		says(0, "SET k v", "OK");
		says(0, over[i], ":1");
		says(0, "EXISTS k", ":0");
	}
	server_end();
}
END_TEST

START_TEST(persist)
{
	server_begin();
	says(0, "SET k v PX 50", "OK");
	says(0, "PERSIST k", ":1");
	says(0, "PERSIST k", ":0");
	says(0, "PERSIST none", ":0");
	server->db.now_ms += 1000;
	says(0, "GET k", "v");
	server_end();
}
END_TEST

/* No time to live counts as longer than any. */
START_TEST(conditions)
{
	server_begin();
	says(0, "SET k v", "OK");
	says(0, "EXPIRE k 10 XX", ":0");
	says(0, "EXPIRE k 10 GT", ":0");
	says(0, "EXPIRE k 10 NX", ":1");
	says(0, "EXPIRE k 20 NX", ":0");
	says(0, "EXPIRE k 10 GT", ":0"); /* not later, the same */
	says(0, "EXPIRE k 10 LT", ":0");
	says(0, "EXPIRE k 11 gt", ":1");
	says(0, "EXPIRE k 9 XX LT", ":1");
	says(0, "EXPIRE k 20 XX", ":1");
	says(0, "TTL k", ":20");
	says(0, "PERSIST k", ":1");
	says(0, "EXPIRE k 10 LT", ":1");
	says(0, "PERSIST k", ":1");
	says(0, "EXPIRE k 10 XX LT", ":0");
	says(0, "TTL k", ":-1");
	server_end();
}
END_TEST

START_TEST(refusals_change_nothing)
{
	server_begin();
	says(0, "SET k v", "OK");
	says(0, "EXPIRE k 10 NX XX",
	     "-ERR NX and XX, GT or LT options at the same time are not compatible");
	says(0, "EXPIRE k 10 GT NX",
	     "-ERR NX and XX, GT or LT options at the same time are not compatible");
	says(0, "EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible");
	says(0, "EXPIRE k 10 YY", "-ERR Unsupported option YY");
	says(0, "EXPIRE k ten", "-ERR value is not an integer or out of range");
	/* Beyond 64 bits of milliseconds: by the unit, and by the time it is now. */
	says(0, "EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command");
	says(0, "EXPIREAT k 9223372036854776", "-ERR invalid expire time in 'expireat' command");
	says(0, "PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command");
	says(0, "PEXPIREAT k 9223372036854775807", ":1");
	says(0, "PERSIST k", ":1");
	says(0, "TTL k", ":-1");
	server_end();
}
END_TEST

START_TEST(set_takes_times_later_than_zero)
{
	server_begin();
	says(0, "SET k v EX 2", "OK");
	says(0, "PTTL k", ":2000");
	says(0, "SET k v PX 7", "OK");
	says(0, "PTTL k", ":7");
	says(0, "SET k v EXAT 1700000003", "OK");
	says(0, "PTTL k", ":3000");
	says(0, "SET k v PXAT 1700000000004", "OK");
	says(0, "PTTL k", ":4");
	says(0, "SET k w EX 0", "-ERR invalid expire time in 'set' command");
	says(0, "SET k w PX -1", "-ERR invalid expire time in 'set' command");
	says(0, "SET k w EX 9223372036854776", "-ERR invalid expire time in 'set' command");
	says(0, "SET k w PX 9223372036854775807", "-ERR invalid expire time in 'set' command");
	says(0, "SET k w EX soon", "-ERR value is not an integer or out of range");
	says(0, "GET k", "v");
	says(0, "SET k w", "OK");
	says(0, "PTTL k", ":-1");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_expire");

	add_test(s, each_unit);
	add_test(s, a_key_goes_in_its_millisecond);
	add_test(s, a_time_that_is_over_deletes);
	add_test(s, persist);
	add_test(s, conditions);
	add_test(s, refusals_change_nothing);
	add_test(s, set_takes_times_later_than_zero);
	return s;
}
IPK_TEST_MAIN(suite)
