/*
 * test_redis_address.c - lib/redis/redis_address.c and the helper keys of redis_map.c: every form
 * of address, and keys that lie where their object lies.
 */
#include <string.h>

#include "base/base_internal.h"
#include "redis/redis.h"
#include "support/support.h"

START_TEST(single_servers)
{
	struct ipk__redis_address a;

	ck_ok(ipk__redis_address_parse("redis://localhost", &a));
	ck_assert_str_eq(a.endpoints[0].host, "localhost");
	ck_assert_str_eq(a.endpoints[0].port, "6379");
	ck_assert_int_eq(a.db, 0);
	ck_assert(!a.is_cluster);
	ck_ok(ipk__redis_address_parse("redis://bob:p%40ss:word@10.0.0.1:7000/3?lease_ms=500", &a));
	ck_assert_str_eq(a.user, "bob");
	ck_assert_str_eq(a.password, "p@ss:word");
	ck_assert_str_eq(a.endpoints[0].host, "10.0.0.1");
	ck_assert_str_eq(a.endpoints[0].port, "7000");
	ck_assert_int_eq(a.db, 3);
	ck_assert_int_eq(a.lease_ms, 500);
	ck_ok(ipk__redis_address_parse("redis://:secret@[::1]:7000", &a));
	ck_assert_str_eq(a.user, "");
	ck_assert_str_eq(a.password, "secret");
	ck_assert_str_eq(a.endpoints[0].host, "::1");
	ck_ok(ipk__redis_address_parse("redis+unix:/run/redis.sock?db=2", &a));
	ck_assert(a.endpoints[0].is_unix);
	ck_assert_str_eq(a.endpoints[0].host, "/run/redis.sock");
	ck_assert_int_eq(a.db, 2);
}
END_TEST

START_TEST(clusters)
{
	struct ipk__redis_address a;

	ck_ok(ipk__redis_address_parse("redis-cluster://u:p@one:7000,two,[::1]:7002/0", &a));
	ck_assert(a.is_cluster);
	ck_assert_uint_eq(a.n_endpoints, 3);
	ck_assert_str_eq(a.endpoints[1].host, "two");
	ck_assert_str_eq(a.endpoints[1].port, "6379");
	ck_assert_str_eq(a.endpoints[2].port, "7002");
}
END_TEST

START_TEST(refused_addresses)
{
	static const char *const bad[] = {
		"",
		"redis:",
		"redis://",
		"http://host",
		"redis://:6379",
		"redis://host:",
		"redis://host:port",
		"redis://host:123456789",
		"redis://host/x",
		"redis://host/1x",
		"redis://host?lease_ms=5",
		"redis://host?lease=500",
		"redis://host?",
		"redis://user@host",
		"redis://u:%4@host",
		"redis://u:%00@host",
		"redis://[::1",
		"redis-cluster://",
		"redis-cluster://a,",
		"redis-cluster://a/1",
		"redis-cluster://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
	};
	struct ipk__redis_address a;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ipk__note_detail(0, NULL);
		ck_assert_msg(ipk__redis_address_parse(bad[i], &a) == -EINVAL, "%s", bad[i]);
		ck_assert_msg(strncmp(ipk_error_detail(-EINVAL), "address: ", 9) == 0, "%s",
			      bad[i]);
	}
}
END_TEST

START_TEST(helpers_lie_beside)
{
	static const char *const names[] = {"",  "plain", "{tag}x", "x{tag}y", "a}b",
					    "{", "}{",    "{}x",    "{{}",     "{a",
					    "}", "{}{x}", "a{}b"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct ipk__slice key = ipk__slice_of_string(names[i]), helper;

		ck_ok(ipk__redis_helper_key(key, ":ipk.s", &helper));
		ck_assert_msg(ipk__redis_slot(helper) == ipk__redis_slot(key), "%s: %.*s", names[i],
			      (int)helper.n_bytes, helper.bytes);
		ck_assert(helper.n_bytes > key.n_bytes + 5);
		free((char *)helper.bytes);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("redis_address");

	add_test(s, single_servers);
	add_test(s, clusters);
	add_test(s, refused_addresses);
	add_test(s, helpers_lie_beside);
	return s;
}
IPK_TEST_MAIN(suite)
