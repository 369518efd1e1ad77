/*
 * test_redis_cluster.c - lib/redis/redis_cluster.c: the slots of keys, and which node has one.
 * Asking nodes: proc.manager_redis, against real ones.
 */
#include <string.h>

#include "redis/redis.h"
#include "support/support.h"

/* Values as a real server's CLUSTER KEYSLOT gives them. */
START_TEST(slots)
{
	ck_assert_int_eq(ipk__redis_slot(IPK__SLICE_OF("123456789")), 12739);
	ck_assert_int_eq(ipk__redis_slot(IPK__SLICE_OF("")), 0);
	ck_assert_int_eq(ipk__redis_slot(IPK__SLICE_OF("foo")), 12182);
	ck_assert_int_eq(ipk__redis_slot(IPK__SLICE_OF("{foo}bar")), 12182);
	ck_assert_int_eq(ipk__redis_slot(IPK__SLICE_OF("x{foo}{bar}")), 12182);
	ck_assert_int_ne(ipk__redis_slot(IPK__SLICE_OF("foo{}{bar}")), 5061);
	ck_assert_int_eq(ipk__redis_slot(IPK__SLICE_OF("{{bar}}")),
			 ipk__redis_slot(IPK__SLICE_OF("{bar")));
}
END_TEST

/* Each bit of each byte: a sum over seven of them, or up to a NUL, is not it. */
START_TEST(all_bytes_count)
{
	for (int byte = 0; byte < 256; byte++) {
		char key[3] = {(char)byte, 'x', 'y'};
		int slot = ipk__redis_slot(IPK__SLICE(key, 3));

		if (byte == '{')
			continue;
		ck_assert_int_lt(slot, IPK__REDIS_SLOTS);
		key[0] = (char)(byte ^ 1);
		ck_assert_int_ne(ipk__redis_slot(IPK__SLICE(key, 3)), slot);
		key[0] = (char)byte;
		key[2] ^= (char)128;
		ck_assert_int_ne(ipk__redis_slot(IPK__SLICE(key, 3)), slot);
	}
	ck_assert_int_ne(ipk__redis_slot(IPK__SLICE("a\0", 2)),
			 ipk__redis_slot(IPK__SLICE("a", 1)));
}
END_TEST

static const struct {
	const char *key, *tag;
} tags[] = {
	{"", ""},           {"key", "key"},  {"{tag}", "tag"},
	{"a{tag}b", "tag"}, {"{a}{b}", "a"}, /* the first */
	{"{}{b}", "{}{b}"},                  /* the first is empty: the whole */
	{"{{a}}", "{a"},                     /* up to the first that closes */
	{"}{a}", "a"},                       /* one before it closes nothing */
	{"{a", "{a"},       {"a}", "a}"},    {"{", "{"},
};

START_TEST(tags_of_keys)
{
	struct ipk__slice tag = ipk__redis_tag(ipk__slice_of_string(tags[_i].key));

	ck_assert_msg(ipk__slice_equal(tag, ipk__slice_of_string(tags[_i].tag)), "%s: %.*s",
		      tags[_i].key, (int)tag.n_bytes, tag.bytes);
}
END_TEST

START_TEST(nodes_of_slots)
{
	static struct ipk__redis r = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	static uint16_t map[IPK__REDIS_SLOTS];

	/* A single server has all. */
	ck_assert_uint_eq(ipk__redis_node_of(&r, 12182), 0);
	ck_assert_uint_eq(ipk__redis_node_of(&r, -1), 0);
	r.slots = map;
	ck_assert_uint_eq(ipk__redis_node_of(&r, 12182), 0); /* not known: whoever was first */
	map[12182] = 3;
	ck_assert_uint_eq(ipk__redis_node_of(&r, 12182), 2);
	ck_assert_uint_eq(ipk__redis_node_of(&r, 12183), 0);
	map[512] = 5;
	ck_assert_uint_eq(ipk__redis_node_of(&r, -1), 4); /* any that has one */
	pthread_mutex_destroy(&r.mutex);
}
END_TEST

START_TEST(a_pause_ends_with_the_deadline)
{
	ck_ok(ipk__redis_pause(1, ipk_forever()));
	ck_ok(ipk__redis_pause(1, ipk_in_ms(WAIT_MS)));
	ck_err(ipk__redis_pause(WAIT_MS, ipk_now()), -ETIMEDOUT);
	ck_err(ipk__redis_pause(WAIT_MS, ipk_in_ms(1)), -ETIMEDOUT);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("redis_cluster");

	add_test(s, slots);
	add_test(s, all_bytes_count);
	add_loop_test(s, tags_of_keys, 0, (int)(sizeof tags / sizeof tags[0]));
	add_test(s, nodes_of_slots);
	add_test(s, a_pause_ends_with_the_deadline);
	return s;
}
IPK_TEST_MAIN(suite)
