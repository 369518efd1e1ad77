/* test_keyspace.c - lib/store/keyspace.c: strings and containers under names, and their lifetimes.
 */
#include "store/shared_objects.h"
#include "unit/store/store_model.h"

#define S(text) IPK__SLICE_OF(text)

static struct ipk__slice value_at(struct ipk__store *s, struct ipk__slice name)
{
	struct ipk__entry *e = ipk__key_find(s, name);

	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(ipk__key_type(e), IPK__TYPE_STRING);
	return ipk__entry_value(e);
}

START_TEST(set_then_find)
{
	struct ipk__store *s = open_store();
	struct ipk__entry *e;

	ck_assert_ptr_null(ipk__key_find(s, S("a")));
	ck_ok(ipk__key_set(s, S("a"), S("1"), false, &e));
	ck_slice(ipk__entry_name(e), "a");
	ck_slice(value_at(s, S("a")), "1");
	ck_ok(ipk__key_set(s, S("a"), S("another value, a longer one"), false, NULL));
	ck_slice(value_at(s, S("a")), "another value, a longer one");
	ck_ok(ipk__key_set(s, S(""), S(""), false, NULL));
	ck_slice(value_at(s, S("")), "");
	ck_assert_uint_eq(ipk__keys_len(s), 2);
	ck_assert(ipk__key_remove(s, S("a")));
	ck_assert(!ipk__key_remove(s, S("a")));
	ck_assert_ptr_null(ipk__key_find(s, S("a")));
	ck_assert_uint_eq(ipk__keys_len(s), 1);
	ipk__store_close(s);
}
END_TEST

/* Many names come and go; what is there is what a plain array says. */
START_TEST(many_names)
{
	enum { N = 5000, N_OPS = 200000 };
	struct ipk__store *s = open_store();
	uint32_t *want = calloc(N, sizeof *want); /* length and letter of the value, 0: none */
	uint64_t random = 1, before = ipk__store_used_bytes(s);
	static char text[3000];
	size_t n_there = 0;

	for (unsigned k = 0; k < repeats(N_OPS); k++) {
		uint32_t i = next_random(&random) % N, r = next_random(&random);
		uint32_t n = r % 100 == 0 ? r % sizeof text : r % 90;

		if (r % 3 == 0 || (k / 20000 % 3 == 2 && r % 8 != 0)) {
			ck_assert(ipk__key_remove(s, name_of(i)) == (want[i] != 0));
			n_there -= want[i] != 0;
			want[i] = 0;
			continue;
		}
		memset(text, (int)('a' + r % 26), n);
		ck_ok(ipk__key_set(s, name_of(i), IPK__SLICE(text, n), false, NULL));
		n_there += want[i] == 0;
		want[i] = (n << 8) + 'a' + r % 26;
		ck_assert_uint_eq(ipk__keys_len(s), n_there);
	}
	for (unsigned i = 0; i < N; i++) {
		struct ipk__entry *e = ipk__key_find(s, name_of(i));

		ck_assert((e != NULL) == (want[i] != 0));
		if (!e)
			continue;
		memset(text, (int)(want[i] & 255), want[i] >> 8);
		ck_assert(ipk__slice_equal(ipk__entry_value(e), IPK__SLICE(text, want[i] >> 8)));
		ck_assert(ipk__key_remove(s, name_of(i)));
	}
	settle_store(s);
	ck_assert_uint_eq(ipk__keys_len(s), 0);
	ck_assert_uint_le(ipk__store_used_bytes(s), before + 4096);
	free(want);
	ipk__store_close(s);
}
END_TEST

START_TEST(containers)
{
	struct ipk__store *s = open_store();
	struct ipk__entry *e;
	struct ipk__table *t;
	uint32_t slot = 0, slot2 = 0;
	uint64_t id;
	bool is_new;

	ck_ok(ipk__key_make(s, S("h"), IPK__TYPE_HASH, &e));
	ck_assert_int_eq(ipk__key_type(e), IPK__TYPE_HASH);
	ck_err(ipk__key_make(s, S("h"), IPK__TYPE_LIST, &e), -EEXIST);
	ck_err(ipk__key_make(s, S("x"), IPK__TYPE_STRING, &e), -EINVAL);
	t = ipk__key_table(s, e);
	ck_ok(ipk__table_put(s, t, S("f"), S("v"), &is_new));
	ck_assert(is_new);
	ck_ok(ipk__table_put(s, t, S("f"), S("w"), &is_new));
	ck_assert(!is_new);
	ck_slice(ipk__entry_value(ipk__table_find(s, t, S("f"))), "w");
	ck_assert_uint_eq(ipk__table_len(t), 1);
	id = ipk__key_object_id(s, ipk__key_find(s, S("h")), &slot);
	ck_ok(ipk__key_rename(s, S("h"), S("g")));
	ck_assert_ptr_null(ipk__key_find(s, S("h")));
	e = ipk__key_find(s, S("g"));
	ck_assert_uint_ne(ipk__key_object_id(s, e, &slot2), id);
	ck_assert_uint_eq(slot, slot2);
	ck_assert_ptr_eq(ipk__key_table(s, e), t);
	ck_ok(ipk__key_set(s, S("g"), S("now a string"), false, NULL));
	ck_slice(value_at(s, S("g")), "now a string");
	ck_ok(ipk__key_make(s, S("t"), IPK__TYPE_SYNC_OBJECT, &e));
	ipk__key_sync_object(s, e)->kind = IPK__SYNC_LOCK;
	ck_assert_int_eq(ipk__key_type(ipk__key_find(s, S("t"))), IPK__TYPE_SYNC_OBJECT);
	ck_assert(ipk__key_remove(s, S("t")));
	ipk__store_close(s);
}
END_TEST

START_TEST(rename_over)
{
	struct ipk__store *s = open_store();

	/* So few buckets that both are often in one chain, one before the other or behind it. */
	for (unsigned i = 0; i < 200; i++) {
		ck_ok(ipk__key_set(s, name_of(i), S("from"), false, NULL));
		ck_ok(ipk__key_set(s, name_of(i + 1000), S("to"), false, NULL));
		ck_ok(ipk__key_expire(s, name_of(i), 1000 + i));
		ck_ok(ipk__key_expire(s, name_of(i + 1000), 77));
		ck_ok(ipk__key_rename(s, name_of(i), name_of(i + 1000)));
		ck_assert_ptr_null(ipk__key_find(s, name_of(i)));
		ck_slice(value_at(s, name_of(i + 1000)), "from");
		ck_assert_int_eq(ipk__key_expires_ms(ipk__key_find(s, name_of(i + 1000))),
				 1000 + i);
		ck_assert_uint_eq(ipk__keys_expiring(s), 1);
		ck_assert_uint_eq(ipk__keys_len(s), 1);
		ck_assert(ipk__key_remove(s, name_of(i + 1000)));
	}
	ck_err(ipk__key_rename(s, S("none"), S("x")), -ENOENT);
	ck_ok(ipk__key_set(s, S("x"), S("y"), false, NULL));
	ck_ok(ipk__key_rename(s, S("x"), S("x")));
	ck_slice(value_at(s, S("x")), "y");
	ipk__store_close(s);
}
END_TEST

START_TEST(resize_and_write)
{
	struct ipk__store *s = open_store();
	char *bytes;

	ck_ok(ipk__key_resize(s, S("r"), 4, &bytes));
	ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
	memcpy(bytes, "abcd", 4);
	ck_slice(value_at(s, S("r")), "abcd");
	ck_ok(ipk__key_resize(s, S("r"), 100, &bytes));
	ck_assert_mem_eq(bytes, "abcd\0\0\0\0", 8);
	ck_ok(ipk__key_resize(s, S("r"), 2, &bytes));
	ck_slice(value_at(s, S("r")), "ab");
	ck_ok(ipk__key_resize(s, S("r"), 4, &bytes));
	ck_assert_mem_eq(bytes, "ab\0\0", 4);
	ck_ok(ipk__key_write(s, S("w"), 0, S("hello")));
	ck_ok(ipk__key_write(s, S("w"), 5, S(" world")));
	ck_slice(value_at(s, S("w")), "hello world");
	ck_ok(ipk__key_write(s, S("w"), 4, S("0W")));
	ck_slice(value_at(s, S("w")), "hell0Wworld");
	ck_ok(ipk__key_write(s, S("w"), 13, S("!")));
	ck_assert_mem_eq(value_at(s, S("w")).bytes, "hell0Wworld\0\0!", 14);
	ck_ok(ipk__key_make(s, S("h"), IPK__TYPE_HASH, NULL));
	ck_err(ipk__key_write(s, S("h"), 0, S("x")), -EPROTOTYPE);
	ck_err(ipk__key_resize(s, S("h"), 9, &bytes), -EPROTOTYPE);
	ck_err(ipk__key_write(s, S("w"), IPK__STORE_ITEM_MAX, S("x")), -EMSGSIZE);
	for (unsigned i = 0; i < 100000; i++)
		ck_ok(ipk__key_write(s, S("long"), i, S("x")));
	ck_assert_uint_eq(value_at(s, S("long")).n_bytes, 100000);
	ck_assert_ptr_null(memchr(value_at(s, S("long")).bytes, 0, 100000));
	ipk__store_close(s);
}
END_TEST

START_TEST(versions)
{
	struct ipk__store *s = open_store();
	struct ipk__table *t;
	uint64_t v, w;

	ck_assert_uint_eq(ipk__key_version(s, NULL), 0);
	ck_ok(ipk__key_set(s, S("a"), S("1"), false, NULL));
	v = ipk__key_version(s, ipk__key_find(s, S("a")));
	ck_assert_uint_ne(v, 0);
	ck_assert_uint_eq(ipk__key_version(s, ipk__key_find(s, S("a"))), v);
	ck_ok(ipk__key_set(s, S("a"), S("1"), false, NULL));
	w = ipk__key_version(s, ipk__key_find(s, S("a")));
	ck_assert_uint_ne(w, v);
	ck_ok(ipk__key_expire(s, S("a"), 5));
	ck_assert_uint_ne(ipk__key_version(s, ipk__key_find(s, S("a"))), w);
	ck_ok(ipk__key_make(s, S("h"), IPK__TYPE_HASH, NULL));
	v = ipk__key_version(s, ipk__key_find(s, S("h")));
	t = ipk__key_table(s, ipk__key_find(s, S("h")));
	ck_ok(ipk__table_put(s, t, S("f"), S("v"), NULL));
	w = ipk__key_version(s, ipk__key_find(s, S("h")));
	ck_assert_uint_ne(w, v);
	ck_assert(ipk__table_remove(s, t, S("f")));
	v = ipk__key_version(s, ipk__key_find(s, S("h")));
	ck_assert_uint_ne(w, v);
	ck_assert(ipk__key_remove(s, S("h")));
	ck_ok(ipk__key_make(s, S("h"), IPK__TYPE_HASH, NULL));
	ck_assert_uint_ne(ipk__key_version(s, ipk__key_find(s, S("h"))), v);
	ipk__store_close(s);
}
END_TEST

START_TEST(clear_frees)
{
	struct ipk__store *s = open_store();
	uint64_t before = ipk__store_used_bytes(s);

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2000; i++) {
			struct ipk__entry *e;

			ck_ok(ipk__key_set(s, name_of(i), S("v"), false, NULL));
			ck_ok(ipk__key_expire(s, name_of(i), 5));
			ck_ok(ipk__key_make(s, name_of(i + 10000), IPK__TYPE_HASH, &e));
			ck_ok(ipk__table_put(s, ipk__key_table(s, e), S("f"), S("v"), NULL));
		}
		ipk__keys_clear(s);
		ck_assert_uint_eq(ipk__keys_len(s), 0);
		ck_assert_uint_eq(ipk__keys_expiring(s), 0);
		ck_assert_ptr_null(ipk__key_find(s, name_of(1)));
	}
	settle_store(s);
	ck_assert_uint_le(ipk__store_used_bytes(s), before + 1024);
	ipk__store_close(s);
}
END_TEST

/* Beyond the limit a change is refused and leaves everything as it was. */
START_TEST(full)
{
	struct ipk__store *s = open_store();
	static char text[1000];
	unsigned n = 0;
	int r;

	ipk__store_set_max_bytes(s, ipk__store_used_bytes(s) + 100000);
	while ((r = ipk__key_set(s, name_of(n), IPK__SLICE(text, sizeof text), false, NULL)) == 0)
		n++;
	ck_err(r, -ENOSPC);
	ck_assert_uint_ge(n, 80);
	ck_assert_uint_eq(ipk__keys_len(s), n);
	ck_assert_ptr_null(ipk__key_find(s, name_of(n)));
	ck_err(ipk__key_set(s, name_of(0), IPK__SLICE(text, 5000), false, NULL), -ENOSPC);
	ck_assert_uint_eq(value_at(s, name_of(0)).n_bytes, sizeof text);
	ck_assert(ipk__key_remove(s, name_of(0)));
	ck_ok(ipk__key_set(s, name_of(n), IPK__SLICE(text, sizeof text), false, NULL));
	/* What was cleared makes room at once. */
	ipk__keys_clear(s);
	for (unsigned i = 0; i < n; i++)
		ck_ok(ipk__key_set(s, name_of(i), IPK__SLICE(text, sizeof text), false, NULL));
	ipk__store_close(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("keyspace");

	add_test(s, set_then_find);
	add_test(s, many_names);
	add_test(s, containers);
	add_test(s, rename_over);
	add_test(s, resize_and_write);
	add_test(s, versions);
	add_test(s, clear_frees);
	add_test(s, full);
	return s;
}

IPK_TEST_MAIN(suite)
