/* test_buffer.c - buffers appended at the end and consumed from the front. */
#include <string.h>

#include "net/buffer.h"
#include "support/support.h"

START_TEST(empty_at_first_and_after_free)
{
	struct ipk__buffer b = {0};

	ck_assert_uint_eq(ipk__buffer_len(&b), 0);
	ck_assert_ptr_nonnull(ipk__buffer_front(&b));
	ipk__buffer_append(&b, "abc", 3);
	ck_assert_mem_eq(ipk__buffer_front(&b), "abc", 3);
	ipk__buffer_free(&b);
	ck_assert_uint_eq(ipk__buffer_len(&b), 0);
	ck_assert_ptr_null(b.room);
}
END_TEST

START_TEST(keeps_order_while_taken)
{
	struct ipk__buffer b = {0};
	unsigned put = 0, taken = 0;

	for (int round = 0; round < 2000; round++) {
		for (int i = 0; i < round % 37; i++) {
			unsigned char c = (unsigned char)(put++ * 7);

			ipk__buffer_append(&b, &c, 1);
		}
		for (int i = 0; i < round % 31 && ipk__buffer_len(&b) > 0; i++) {
			ck_assert_uint_eq((unsigned char)*ipk__buffer_front(&b),
					  (unsigned char)(taken++ * 7));
			ipk__buffer_take(&b, 1);
		}
	}
	ck_assert_uint_eq(ipk__buffer_len(&b), put - taken);
	ck_assert_uint_lt(b.room_bytes, 64 * 1024);
	ipk__buffer_free(&b);
}
END_TEST

/* A stream through a buffer must not make it grow: what was taken is room again. */
START_TEST(room_is_used_again)
{
	struct ipk__buffer b = {0};
	char block[400] = {0};

	for (int i = 0; i < 10000; i++) {
		ipk__buffer_append(&b, block, sizeof block);
		if (i > 0)
			ipk__buffer_take(&b, sizeof block);
	}
	ck_assert_uint_eq(ipk__buffer_len(&b), sizeof block);
	ck_assert_uint_le(b.room_bytes, 4096);
	ipk__buffer_free(&b);
}
END_TEST

START_TEST(no_memory_is_remembered)
{
	struct ipk__buffer b = {0};

	ipk__buffer_append(&b, "x", 1);
	ck_assert_ptr_null(ipk__buffer_reserve(&b, SIZE_MAX / 2));
	ck_assert(b.failed);
	ipk__buffer_append(&b, "y", 1);
	ck_assert_uint_eq(ipk__buffer_len(&b), 1);
	ipk__buffer_clear(&b);
	ipk__buffer_append(&b, "z", 1);
	ck_assert_mem_eq(ipk__buffer_front(&b), "z", 1);
	ipk__buffer_free(&b);
}
END_TEST

START_TEST(shrinks_when_little_is_used)
{
	struct ipk__buffer b = {0};

	ck_assert_ptr_nonnull(ipk__buffer_reserve(&b, 1 << 20));
	ipk__buffer_added(&b, 1 << 20);
	ipk__buffer_take(&b, (1 << 20) - 3);
	memcpy(b.room + b.from, "end", 3);
	ipk__buffer_shrink(&b, 4096);
	ck_assert_uint_le(b.room_bytes, 4096);
	ck_assert_mem_eq(ipk__buffer_front(&b), "end", 3);
	ipk__buffer_shrink(&b, 4096); /* nothing left to give back */
	ck_assert_uint_eq(ipk__buffer_len(&b), 3);
	ipk__buffer_free(&b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("bytes");

	add_test(s, empty_at_first_and_after_free);
	add_test(s, keeps_order_while_taken);
	add_test(s, room_is_used_again);
	add_test(s, no_memory_is_remembered);
	add_test(s, shrinks_when_little_is_used);
	return s;
}

IPK_TEST_MAIN(suite)
