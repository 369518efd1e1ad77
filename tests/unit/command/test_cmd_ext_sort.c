/*
 * test_cmd_ext_sort.c - lib/command/cmd_ext_sort.c: the three orders in both directions, equal
 * items, and items without a place in the order.
 */
#include "ipk/pack.h"
#include "unit/server/server_in_place.h"

START_TEST(as_bytes)
{
	server_begin();
	says(0, "RPUSH l b abc B \"\" ab 10 9", ":7");
	says(0, "IPK.LSORT l BYTES ASC", "OK");
	says(0, "LRANGE l 0 -1", "[ 10 9 B ab abc b]");
	says(0, "IPK.LSORT l bytes desc", "OK");
	says(0, "LRANGE l 0 -1", "[b abc ab B 9 10 ]");
	server_end();
}
END_TEST

START_TEST(as_numbers)
{
	server_begin();
	says(0, "RPUSH l 10 9 -1 1e2 0x10 -inf 0.5", ":7");
	says(0, "IPK.LSORT l NUMBER ASC", "OK");
	says(0, "LRANGE l 0 -1", "[-inf -1 0.5 9 10 0x10 1e2]");
	says(0, "IPK.LSORT l NUMBER DESC", "OK");
	says(0, "LRANGE l 0 -1", "[1e2 0x10 10 9 0.5 -1 -inf]");
	/* More bits than a double has. */
	says(0, "DEL l", ":1");
	says(0, "RPUSH l 9223372036854775807 9223372036854775806 9223372036854775805", ":3");
	says(0, "IPK.LSORT l NUMBER ASC", "OK");
	says(0, "LINDEX l 0", "9223372036854775805");
	says(0, "LINDEX l 2", "9223372036854775807");
	server_end();
}
END_TEST

/* As Python's sort(reverse=True): turned around, but equal ones not. */
START_TEST(equal_items_keep_their_order)
{
	server_begin();
	says(0, "RPUSH l 2 1.0 2.0 1 02 01", ":6");
	says(0, "IPK.LSORT l NUMBER ASC", "OK");
	says(0, "LRANGE l 0 -1", "[1.0 1 01 2 2.0 02]");
	says(0, "IPK.LSORT l NUMBER DESC", "OK");
	says(0, "LRANGE l 0 -1", "[2 2.0 02 1.0 1 01]");
	server_end();
}
END_TEST

START_TEST(an_item_without_a_place_moves_nothing)
{
	server_begin();
	says(0, "RPUSH l 3 2 x 1", ":4");
	says(0, "IPK.LSORT l NUMBER ASC", "-VALUE item 2 is not a number");
	says(0, "IPK.LSORT l TYPED ASC", "-VALUE item 0 is not typed");
	says(0, "LRANGE l 0 -1", "[3 2 x 1]");
	says(0, "LSET l 2 nan", "OK");
	says(0, "IPK.LSORT l NUMBER ASC", "-VALUE item 2 is not a number");
	says(0, "LRANGE l 0 -1", "[3 2 nan 1]");
	server_end();
}
END_TEST

START_TEST(words_and_types)
{
	server_begin();
	says(0, "IPK.LSORT none BYTES ASC", "OK");
	says(0, "EXISTS none", ":0");
	says(0, "IPK.LSORT none ALPHA ASC", "-ERR syntax error");
	says(0, "IPK.LSORT none BYTES UP", "-ERR syntax error");
	says(0, "SET k v", "OK");
	says(0, "IPK.LSORT k BYTES ASC",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value");
	server_end();
}
END_TEST

START_TEST(a_time_to_live_stays)
{
	server_begin();
	says(0, "RPUSH l b a", ":2");
	says(0, "PEXPIRE l 5000", ":1");
	says(0, "IPK.LSORT l BYTES ASC", "OK");
	says(0, "PTTL l", ":5000");
	server_end();
}
END_TEST

/* --- typed messages --------------------------------------------------------------------------- */

static struct ipk__slice items[16]; /* in memory of ipk_pack() */
static size_t n_items;

#define typed_item(...)                                    \
	do {                                               \
		void *data_;                               \
		size_t n_;                                 \
		ck_ok(ipk_pack(&data_, &n_, __VA_ARGS__)); \
		items[n_items++] = IPK__SLICE(data_, n_);  \
	} while (0)

static void push_in_order(const size_t *order)
{
	for (size_t i = 0; i < n_items; i++) {
		struct ipk__slice argv[3] = {IPK__SLICE_OF("RPUSH"), IPK__SLICE_OF("l"),
					     items[order[i]]};

		execute(0, argv, 3);
	}
	(void)said(0);
}

static void is_at(size_t i, struct ipk__slice item)
{
	char line[32];
	struct ipk__buffer *out = &peers[0]->out;
	struct ipk__resp_value v;
	size_t at = 0;

	snprintf(line, sizeof line, "LINDEX l %zu", i);
	ask(0, line);
	ck_ok(ipk__resp_next(IPK__SLICE(ipk__buffer_front(out), ipk__buffer_len(out)), &at, &v));
	ck_assert_msg(ipk__slice_equal(v.text, item), "item %zu", i);
	ipk__buffer_clear(out);
}

/* Numbers, then text, then arrays item by item; in the order in which they are made here. */
START_TEST(as_typed_messages)
{
	static const size_t shuffled[] = {7, 2, 9, 0, 5, 1, 8, 3, 6, 4};

	typed_item("l", INT64_MIN);
	typed_item("d", -0.5);
	typed_item("b", true);
	typed_item("d", 1.5);
	typed_item("l", INT64_MAX);
	typed_item("s", "");
	typed_item("s", "a");
	typed_item("s", "ab");
	typed_item("[l]", (int64_t)1);
	typed_item("[ll]", (int64_t)1, (int64_t)0);
	server_begin();
	push_in_order(shuffled);
	says(0, "IPK.LSORT l TYPED ASC", "OK");
	for (size_t i = 0; i < n_items; i++)
		is_at(i, items[i]);
	says(0, "IPK.LSORT l TYPED DESC", "OK");
	for (size_t i = 0; i < n_items; i++)
		is_at(i, items[n_items - 1 - i]);
	server_end();
	while (n_items > 0)
		free((char *)items[--n_items].bytes);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cmd_ext_sort");

	add_test(s, as_bytes);
	add_test(s, as_numbers);
	add_test(s, equal_items_keep_their_order);
	add_test(s, an_item_without_a_place_moves_nothing);
	add_test(s, words_and_types);
	add_test(s, a_time_to_live_stays);
	add_test(s, as_typed_messages);
	return s;
}
IPK_TEST_MAIN(suite)
