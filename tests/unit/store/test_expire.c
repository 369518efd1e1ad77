/* test_expire.c - lib/store/expire.c: keys are returned in the order of their expiry times. */
#include "store/store_internal.h"
#include "unit/store/store_model.h"

#define S(text) IPK__SLICE_OF(text)
enum { N = 500 };

static int64_t expires(struct ipk__store *s, struct ipk__slice name)
{
	struct ipk__entry *e = ipk__key_find(s, name);

	ck_assert_ptr_nonnull(e);
	return ipk__key_expires_ms(e);
}

START_TEST(one_key)
{
	struct ipk__store *s = open_store();
	struct ipk__slice name;

	ck_err(ipk__key_expire(s, S("a"), 10), -ENOENT);
	ck_ok(ipk__key_set(s, S("a"), S("v"), false, NULL));
	ck_assert_int_eq(expires(s, S("a")), 0);
	ck_ok(ipk__key_expire(s, S("a"), 10));
	ck_assert_int_eq(expires(s, S("a")), 10);
	ck_slice(ipk__entry_value(ipk__key_find(s, S("a"))), "v");
	ck_assert(!ipk__key_next_expired(s, 9, &name));
	ck_assert(ipk__key_next_expired(s, 10, &name));
	ck_slice(name, "a");
	ck_ok(ipk__key_set(s, S("a"), S("w"), true, NULL));
	ck_assert_int_eq(expires(s, S("a")), 10);
	ck_ok(ipk__key_set(s, S("a"), S("a far longer value than before"), true, NULL));
	ck_assert_int_eq(expires(s, S("a")), 10);
	ck_ok(ipk__key_write(s, S("a"), 100, S("x")));
	ck_assert_int_eq(expires(s, S("a")), 10);
	ck_assert_uint_eq(ipk__keys_expiring(s), 1);
	ck_ok(ipk__key_expire(s, S("a"), 0));
	ck_assert_int_eq(expires(s, S("a")), 0);
	ck_assert_uint_eq(ipk__keys_expiring(s), 0);
	ck_ok(ipk__key_expire(s, S("a"), 20));
	ck_ok(ipk__key_set(s, S("a"), S("v"), false, NULL));
	ck_assert_int_eq(expires(s, S("a")), 0);
	ck_ok(ipk__key_expire(s, S("a"), 30));
	ck_ok(ipk__key_set(s, S("a"), S("w"), false, NULL)); /* in place */
	ck_assert_int_eq(expires(s, S("a")), 0);
	ck_assert(!ipk__key_next_expired(s, INT64_MAX, &name));
	ck_ok(ipk__key_make(s, S("h"), IPK__TYPE_HASH, NULL));
	ck_ok(ipk__key_expire(s, S("h"), 40));
	ck_assert_int_eq(ipk__key_type(ipk__key_find(s, S("h"))), IPK__TYPE_HASH);
	ck_assert(ipk__key_remove(s, S("h")));
	ck_assert_uint_eq(ipk__keys_expiring(s), 0);
	ipk__store_close(s);
}
END_TEST

/* A large value is not copied to get a time, and may still have one. */
START_TEST(large_value)
{
	struct ipk__store *s = open_store();
	static char text[100000];
	const struct ipk__entry *e;

	ck_ok(ipk__key_set(s, S("a"), IPK__SLICE(text, sizeof text), false, NULL));
	e = ipk__key_find(s, S("a"));
	ck_assert_int_eq(ipk__key_expires_ms(e), 0);
	ck_ok(ipk__key_expire(s, S("a"), 10));
	ck_assert_ptr_eq(ipk__key_find(s, S("a")), e);
	ck_assert_int_eq(ipk__key_expires_ms(e), 10);
	ck_ok(ipk__key_rename(s, S("a"), S("b")));
	ck_assert_int_eq(expires(s, S("b")), 10);
	ck_ok(ipk__key_expire(s, S("b"), 0));
	ck_ok(ipk__key_rename(s, S("b"), S("c")));
	ck_assert_int_eq(expires(s, S("c")), 0);
	ck_assert(ipk__key_remove(s, S("c")));
	ipk__store_close(s);
}
END_TEST

/* Times are given, changed and taken back; what is due is always the earliest. */
START_TEST(in_order)
{
	struct ipk__store *s = open_store();
	static int64_t want[N]; /* -1: no such key */
	uint64_t random = 4;

	memset(want, -1, sizeof want);
	for (unsigned k = 0; k < repeats(40000); k++) {
		unsigned i = next_random(&random) % N, r = next_random(&random), j;
		struct ipk__slice name;
		int64_t least = INT64_MAX;
		bool any;

		if (want[i] < 0) {
			ck_ok(ipk__key_set(s, name_of(i), S("value"), false, NULL));
			want[i] = 0;
		}
		switch (r % 8) {
		case 0:
			ck_ok(ipk__key_expire(s, name_of(i), 0));
			want[i] = 0;
			break;
		case 1:
			ck_assert(ipk__key_remove(s, name_of(i)));
			want[i] = -1;
			break;
		case 2:
			ck_ok(ipk__key_set(s, name_of(i), S("another value"), true, NULL));
			break;
		case 3:
			j = (i + 1) % N;
			ck_ok(ipk__key_rename(s, name_of(i), name_of(j)));
			want[j] = want[i];
			want[i] = -1;
			break;
		default:
			want[i] = 1 + r / 8 % 100000;
			ck_ok(ipk__key_expire(s, name_of(i), want[i]));
		}
		if (k % 10 != 0)
			continue;
		for (unsigned n = 0; n < N; n++)
			least = want[n] > 0 && want[n] < least ? want[n] : least;
		any = ipk__key_next_expired(s, INT64_MAX, &name);
		ck_assert(any == (least != INT64_MAX));
		if (any) {
			ck_assert_int_eq(expires(s, name), least);
			ck_assert(!ipk__key_next_expired(s, least - 1, &name));
		}
	}
	for (unsigned i = 0; i < N; i++) {
		if (want[i] >= 0)
			ck_assert_int_eq(expires(s, name_of(i)), want[i]);
		else
			ck_assert_ptr_null(ipk__key_find(s, name_of(i)));
	}
	ipk__store_close(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("expire");

	add_test(s, one_key);
	add_test(s, large_value);
	add_test(s, in_order);
	return s;
}

IPK_TEST_MAIN(suite)
