/*
 * test_store_list.c - lib/store/store_list.c: after any operation, a list equals an array after the
 * same operation.
 */
#include "store/store_internal.h"
#include "unit/store/store_model.h"

#define S(text) IPK__SLICE_OF(text)
enum { MODEL_MAX = 20000 };

/* An item is its number, written out and padded to a length that follows from it. */
struct model {
	struct ipk__store *s;
	struct ipk__store_list *l;
	uint32_t items[MODEL_MAX];
	uint32_t n;
	uint32_t large_every; /* one in so many is larger than a node */
	uint64_t random;
};

static struct ipk__slice item(const struct model *m, uint32_t number)
{
	static char text[8000];
	uint32_t n = 10 + number * 2654435761u % 41;

	if (m->large_every && number % m->large_every == 0)
		n = number * 2654435761u % (uint32_t)sizeof text;
	memset(text, (int)('a' + number % 26), sizeof text);
	snprintf(text, sizeof text, "%u", number);
	return IPK__SLICE(text, IPK__MAX(n, 10u));
}

static void open_model(struct model *m, uint32_t large_every)
{
	struct ipk__entry *e;

	*m = (struct model){.s = open_store(), .large_every = large_every, .random = 7};
	ck_ok(ipk__key_make(m->s, S("list"), IPK__TYPE_LIST, &e));
	m->l = ipk__key_list(m->s, e);
}

static void insert(struct model *m, uint32_t at, uint32_t number)
{
	memmove(m->items + at + 1, m->items + at, (m->n - at) * sizeof m->items[0]);
	m->items[at] = number;
	m->n++;
	if (at == 0 && number % 2 == 0)
		ck_ok(ipk__store_list_push(m->s, m->l, true, item(m, number)));
	else if (at == m->n - 1 && number % 2 == 0)
		ck_ok(ipk__store_list_push(m->s, m->l, false, item(m, number)));
	else
		ck_ok(ipk__store_list_insert(m->s, m->l, at, item(m, number)));
}

static void take_out(struct model *m, uint32_t at, uint32_t n)
{
	memmove(m->items + at, m->items + at + n, (m->n - at - n) * sizeof m->items[0]);
	m->n -= n;
	ipk__store_list_remove(m->s, m->l, at, n);
}

static void compare(struct model *m)
{
	struct ipk__store_list_iter it;
	struct ipk__slice got;

	ck_assert_uint_eq(ipk__store_list_len(m->l), m->n);
	ipk__store_list_begin(m->s, m->l, 0, false, &it);
	for (uint32_t i = 0; i < m->n; i++) {
		ck_assert(ipk__store_list_next(&it, &got));
		ck_assert(ipk__slice_equal(got, item(m, m->items[i])));
	}
	ck_assert(!ipk__store_list_next(&it, &got));
	ipk__store_list_begin(m->s, m->l, m->n - 1, true, &it);
	for (uint32_t i = m->n; i-- > 0;) {
		ck_assert(ipk__store_list_next(&it, &got));
		ck_assert(ipk__slice_equal(got, item(m, m->items[i])));
		got = ipk__store_list_at(m->s, m->l, i);
		ck_assert(ipk__slice_equal(got, item(m, m->items[i])));
	}
	ck_assert(!ipk__store_list_next(&it, &got));
}

static void close_model(struct model *m)
{
	uint64_t before;

	ck_assert(ipk__key_remove(m->s, S("list")));
	settle_store(m->s);
	before = ipk__store_used_bytes(m->s);
	ipk__keys_clear(m->s);
	settle_store(m->s);
	/* Nothing was left behind but the few buckets of the keyspace. */
	ck_assert_uint_le(before, ipk__store_used_bytes(m->s) + 64);
	ck_assert_uint_le(before, m->s->heap.n_fixed * IPK__STORE_CHUNK_BYTES + 512);
	ipk__store_close(m->s);
}

static void any_change(struct model *m, uint32_t k)
{
	uint32_t r = next_random(&m->random), at = m->n ? next_random(&m->random) % m->n : 0;
	bool grows = k / 3000 % 2 == 0;

	switch (r % 8) {
	case 0:
		insert(m, 0, k);
		break;
	case 1:
		insert(m, m->n, k);
		break;
	case 2:
	case 3:
		if (grows)
			insert(m, r / 8 % 4 ? at : m->n / 2, k);
		else if (m->n > 0)
			take_out(m, at, 1);
		break;
	case 4:
		if (m->n > 0)
			take_out(m, 0, 1);
		break;
	case 5:
		if (m->n > 0)
			take_out(m, m->n - 1, 1);
		break;
	case 6:
		if (m->n > 0) {
			m->items[at] = k;
			ck_ok(ipk__store_list_set(m->s, m->l, at, item(m, k)));
		}
		break;
	default:
		if (!grows && m->n > 0)
			take_out(m, at, IPK__MIN(m->n - at, r / 8 % (r % 64 == 7 ? 900 : 5)));
		else
			insert(m, m->n, k);
	}
}

START_TEST(anything)
{
	static const uint32_t larges[] = {0, 50, 3};
	static struct model m;

	open_model(&m, larges[_i]);
	for (uint32_t k = 1; k < repeats(24000); k++) {
		any_change(&m, k);
		if (k % 1000 == 0)
			compare(&m);
	}
	compare(&m);
	close_model(&m);
}
END_TEST

/* In at one end, out at the other, with a few in it, then many: it stays small. */
START_TEST(as_queue)
{
	static struct model m;
	uint64_t used = 0;

	open_model(&m, 0);
	for (uint32_t k = 0; k < repeats(40000); k++) {
		bool front = _i != 0;

		insert(&m, front ? 0 : m.n, k);
		if (m.n > (k < 20000 ? 5 : 1000))
			take_out(&m, front ? m.n - 1 : 0, 1);
		if (k == 5000)
			used = ipk__store_used_bytes(m.s);
		if (k > 5000 && k < 20000)
			ck_assert_uint_le(ipk__store_used_bytes(m.s), used + 4096);
		if (k % 5000 == 0)
			compare(&m);
	}
	compare(&m);
	close_model(&m);
}
END_TEST

START_TEST(large_ranges)
{
	static struct model m;

	open_model(&m, 0);
	for (uint32_t k = 0; k < MODEL_MAX; k++)
		insert(&m, m.n, k);
	take_out(&m, 5, MODEL_MAX - 2000); /* far more nodes than are freed at once */
	compare(&m);
	take_out(&m, 100, 1);
	take_out(&m, 0, m.n - 3);
	compare(&m);
	take_out(&m, 0, 3);
	compare(&m);
	insert(&m, 0, 1);
	compare(&m);
	close_model(&m);
}
END_TEST

START_TEST(empty_items)
{
	struct ipk__store *s = open_store();
	struct ipk__entry *e;
	struct ipk__store_list *l;

	ck_ok(ipk__key_make(s, S("list"), IPK__TYPE_LIST, &e));
	l = ipk__key_list(s, e);
	for (int i = 0; i < 1000; i++)
		ck_ok(ipk__store_list_push(s, l, i % 2, IPK__SLICE(NULL, 0)));
	ck_assert_uint_eq(ipk__store_list_at(s, l, 500).n_bytes, 0);
	ck_ok(ipk__store_list_set(s, l, 500, S("x")));
	ck_slice(ipk__store_list_at(s, l, 500), "x");
	ck_ok(ipk__store_list_set(s, l, 500, IPK__SLICE(NULL, 0)));
	ck_slice(ipk__store_list_at(s, l, 500), "");
	ck_assert_uint_eq(ipk__store_list_len(l), 1000);
	ck_err(ipk__store_list_push(s, l, true, IPK__SLICE("", IPK__STORE_ITEM_MAX + 1)),
	       -EMSGSIZE);
	ipk__store_close(s);
}
END_TEST

/* Refused for want of room: nothing changed, nothing leaked. */
START_TEST(full)
{
	static struct model m;
	uint32_t n_refused = 0;

	open_model(&m, 5);
	for (uint32_t k = 0; k < 500; k++)
		insert(&m, m.n, k);
	for (uint32_t k = 0; k < 2000; k++) {
		uint32_t at = next_random(&m.random) % m.n;
		uint64_t used = ipk__store_used_bytes(m.s);
		int r;

		ipk__store_set_max_bytes(m.s, used + k % 3000);
		r = k % 2 ? ipk__store_list_insert(m.s, m.l, at, item(&m, k))
			  : ipk__store_list_set(m.s, m.l, at, item(&m, k));
		ipk__store_set_max_bytes(m.s, 0);
		if (r < 0) {
			ck_err(r, -ENOSPC);
			n_refused++;
		} else if (k % 2) {
			memmove(m.items + at + 1, m.items + at, (m.n - at) * sizeof m.items[0]);
			m.items[at] = k;
			m.n++;
		} else {
			m.items[at] = k;
		}
		if (k % 100 == 0)
			compare(&m);
	}
	ck_assert_uint_gt(n_refused, 100);
	compare(&m);
	close_model(&m);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_list");

	add_loop_test(s, anything, 0, 3);
	add_loop_test(s, as_queue, 0, 2);
	add_test(s, large_ranges);
	add_test(s, empty_items);
	add_test(s, full);
	return s;
}

IPK_TEST_MAIN(suite)
