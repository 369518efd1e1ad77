/*
 * test_table.c - lib/store/table.c: a table that grows and shrinks by orders of magnitude, a little
 * with each change; and one that cannot grow.
 */
#include <time.h>

#include "store/store_internal.h"
#include "unit/store/store_model.h"

#define S(text) IPK__SLICE_OF(text)
/* Far beyond any scheduling: only a rehash in one go would take so long. */
#define LONG_NS 200000000

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static struct ipk__table *make_hash(struct ipk__store *s)
{
	struct ipk__entry *e;

	ck_ok(ipk__key_make(s, S("h"), IPK__TYPE_HASH, &e));
	return ipk__key_table(s, e);
}

static unsigned bits_of(struct ipk__table *t)
{
	return ipk__slot_of_table(t)->table.bits[0];
}

START_TEST(grows_and_shrinks)
{
	enum { N = 200000 };
	struct ipk__store *s = open_store();
	struct ipk__table *t = make_hash(s);
	int64_t longest_ns = 0, from_ns;
	unsigned bits;
	bool is_new;

	for (unsigned i = 0; i < repeats(N); i++) {
		from_ns = cpu_ns();
		ck_ok(ipk__table_put(s, t, name_of(i), S("value"), &is_new));
		longest_ns = IPK__MAX(longest_ns, cpu_ns() - from_ns);
		ck_assert(is_new);
		if (i % 1000 == 0)
			ck_assert_ptr_nonnull(ipk__table_find(s, t, name_of(i / 2)));
	}
	bits = bits_of(t);
	/* Without any step in between it has kept up. */
	ck_assert_uint_ge((size_t)1 << (bits + 1), (size_t)repeats(N));
	for (unsigned i = 0; i < repeats(N); i++)
		ck_assert_ptr_nonnull(ipk__table_find(s, t, name_of(i)));
	for (unsigned i = 0; i < repeats(N) - 10; i++) {
		from_ns = cpu_ns();
		ck_assert(ipk__table_remove(s, t, name_of(i)));
		longest_ns = IPK__MAX(longest_ns, cpu_ns() - from_ns);
	}
	settle_store(s);
	ck_assert_uint_lt(bits_of(t), bits);
	ck_assert_uint_le(bits_of(t), 7);
	for (unsigned i = repeats(N) - 10; i < repeats(N); i++)
		ck_assert_ptr_nonnull(ipk__table_find(s, t, name_of(i)));
	ck_assert_int_lt(longest_ns, LONG_NS);
	printf("longest change of %u: %.0f us\n", (unsigned)repeats(N), (double)longest_ns / 1e3);
	ipk__store_close(s);
}
END_TEST

START_TEST(removed_while_it_is_rehashed)
{
	struct ipk__store *s = open_store();
	uint64_t before = 0;

	/* At whatever point of its growth, and several that wait at once. */
	for (unsigned n = 1; n < 3000; n += n < 100 ? 1 : 37) {
		struct ipk__table *t = make_hash(s);

		for (unsigned i = 0; i < n; i++)
			ck_ok(ipk__table_put(s, t, name_of(i), S("value"), NULL));
		ck_assert(ipk__key_remove(s, S("h")));
		if (n == 10) {
			settle_store(s);
			before = ipk__store_used_bytes(s);
		}
	}
	for (unsigned n = 20000; n < 70000; n += 3000) {
		struct ipk__table *t = make_hash(s);

		for (unsigned i = 0; i < n; i++)
			ck_ok(ipk__table_put(s, t, name_of(i), S("value"), NULL));
		ck_assert(ipk__key_remove(s, S("h")));
	}
	settle_store(s);
	ck_assert_uint_eq(ipk__store_used_bytes(s), before);
	ipk__store_close(s);
}
END_TEST

/* Without room for more buckets chains are longer, and that is all. */
START_TEST(cannot_grow)
{
	struct ipk__store *s = open_store();
	struct ipk__table *t = make_hash(s);
	unsigned n = 0;
	uint32_t ref;

	while (n < 4000)
		ck_ok(ipk__table_put(s, t, name_of(n++), S("value"), NULL));
	settle_store(s);
	while (n < 40000) {
		/* Just enough for one more entry, each time. */
		ipk__store_set_max_bytes(s, ipk__store_used_bytes(s) + 48);
		ck_ok(ipk__table_put(s, t, name_of(n++), S("value"), NULL));
	}
	ck_assert_uint_le(bits_of(t), 13);
	for (unsigned i = 0; i < n; i++)
		ck_assert_ptr_nonnull(ipk__table_find(s, t, name_of(i)));
	ipk__store_set_max_bytes(s, 0);
	ck_ok(ipk__heap_alloc(&s->heap, 100, &ref));
	while (bits_of(t) < 15) {
		ck_ok(ipk__table_put(s, t, name_of(n++), S("value"), NULL));
		ck_assert_uint_lt(n, 100000);
	}
	for (unsigned i = 0; i < n; i++)
		ck_assert_ptr_nonnull(ipk__table_find(s, t, name_of(i)));
	ipk__store_close(s);
}
END_TEST

/* A value is written over where it is, as long as it is of about the same size. */
START_TEST(in_place)
{
	struct ipk__store *s = open_store();
	struct ipk__table *t = make_hash(s);
	const struct ipk__entry *e;
	uint64_t used;

	ck_ok(ipk__table_put(s, t, S("f"), S("1234567"), NULL));
	e = ipk__table_find(s, t, S("f"));
	used = ipk__store_used_bytes(s);
	ck_ok(ipk__table_put(s, t, S("f"), S("12345678"), NULL));
	ck_assert_ptr_eq(ipk__table_find(s, t, S("f")), e);
	ck_slice(ipk__entry_value(e), "12345678");
	ck_assert_uint_eq(ipk__store_used_bytes(s), used);
	ck_ok(ipk__table_put(s, t, S("f"), S("far more than fits in the room that there was"),
			     NULL));
	ck_assert_ptr_ne(ipk__table_find(s, t, S("f")), e);
	ck_assert_uint_eq(ipk__table_len(t), 1);
	ipk__store_close(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("table");

	add_test(s, grows_and_shrinks);
	add_test(s, removed_while_it_is_rehashed);
	add_test(s, cannot_grow);
	add_test(s, in_place);
	return s;
}

IPK_TEST_MAIN(suite)
