/* test_pair.c - lib/value/pair.c: values that are structs, never read half written. */
#include <pthread.h>
#include <stdatomic.h>

#include "unit/value/value_types.h"
#include "value/value_internal.h"

static const size_t sizes[] = {1,  2,  3,   7,    8,    9,     12,    16,
			       17, 63, 257, 4096, 4099, 65536, 65541, IPK_VALUE_BYTES_MAX};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static ipk_value *make(size_t item_bytes, const void *item, bool is_raw)
{
	ipk_value *v = NULL;

	ck_ok(ipk_value_create(IPK_VALUE(.item_bytes = item_bytes, .item = item, .is_raw = is_raw),
			       &v));
	return v;
}

static void *bytes(size_t n, int seed)
{
	unsigned char *p = malloc(n);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 7 + i / 251 + (size_t)seed);
	return p;
}

static void ck_bytes(const ipk_value *v, const void *want, size_t n)
{
	char *got = malloc(n + 1);

	got[n] = 'x';
	ck_ok(ipk_value_load_bytes(v, got, n));
	ck_assert_mem_eq(got, want, n);
	/* Not one byte too many. */
	ck_assert_int_eq(got[n], 'x');
	free(got);
}

START_TEST(what_was_stored_is_loaded)
{
	size_t n = sizes[_i / 2];
	void *first = bytes(n, 1), *zeros = calloc(1, n);
	ipk_value *v = make(n, first, _i % 2), *empty = make(n, NULL, _i % 2);

	ck_assert_uint_eq(ipk_value_item_bytes(v), n);
	ck_assert_int_eq(ipk_value_typecode(v), 0);
	ck_assert_ptr_null(ipk_value_data(v));
	ck_assert_int_eq(!ipk_value_get_lock(v), _i % 2);
	ck_bytes(v, first, n);
	ck_bytes(empty, zeros, n);
	for (int k = 2; k < 7; k++) {
		void *next = bytes(n, k);

		ck_ok(ipk_value_store_bytes(v, next, n, ipk_now()));
		ck_bytes(v, next, n);
		ck_bytes(v, next, n);
		free(next);
	}
	ck_bytes(empty, zeros, n);
	free(first);
	free(zeros);
	ipk_value_close(v);
	ipk_value_close(empty);
}
END_TEST

START_TEST(only_all_of_it_is_moved)
{
	ipk_value *v = make(12, "twelve bytes", false);
	char buf[16] = "untouched";
	bool is_exchanged;

	for (size_t n = 0; n <= 16; n++) {
		if (n == 12)
			continue;
		ck_err(ipk_value_load_bytes(v, buf, n), -EINVAL);
		ck_err(ipk_value_store_bytes(v, buf, n, ipk_now()), -EINVAL);
	}
	ck_err(ipk_value_load_bytes(v, NULL, 12), -EINVAL);
	ck_err(ipk_value_store_bytes(v, NULL, 12, ipk_now()), -EINVAL);
	for (int i = 0; i <= N_TYPECODES; i++) {
		char code = typecodes[i];

		ck_err(ipk_value_load_as(v, code, buf), -EINVAL);
		ck_err(ipk_value_store_as(v, code, buf), -EINVAL);
		ck_err(ipk_value_exchange_as(v, code, buf, buf + 8), -EINVAL);
		ck_err(ipk_value_compare_exchange_as(v, code, buf, buf + 8, &is_exchanged),
		       -EINVAL);
		ck_err(ipk_value_add_int(v, 1, code, buf), -EINVAL);
		ck_err(ipk_value_add_double(v, 1, code, buf), -EINVAL);
		ck_err(ipk_value_add_checked_as(v, 1, code, buf), -EINVAL);
	}
	ck_err(ipk_value_add(v, 1, NULL), -EINVAL);
	ck_err(ipk_value_add(v, 1.0, NULL), -EINVAL);
	ck_err(ipk_value_add_checked(v, 1, NULL), -EINVAL);
	ck_assert_str_eq(buf, "untouched");
	ck_bytes(v, "twelve bytes", 12);
	ipk_value_close(v);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

struct race {
	ipk_value *v;
	size_t n_bytes;
	atomic_bool is_over;
	atomic_int n_wrong;
};

static void *store_patterns(void *arg)
{
	struct race *race = arg;
	char *p = malloc(race->n_bytes);

	for (int k = 0; !race->is_over; k++) {
		memset(p, k, race->n_bytes);
		if (ipk_value_store_bytes(race->v, p, race->n_bytes, ipk_in_ms(WAIT_MS)) < 0)
			race->n_wrong++;
	}
	free(p);
	return NULL;
}

/* All bytes are the same in each pattern. */
static int load_pattern(ipk_value *v, char *buf, size_t n)
{
	int r = ipk_value_load_bytes(v, buf, n);

	return r < 0 ? r : memcmp(buf, buf + 1, n - 1) == 0 ? 0 : -EPROTO;
}

/* Also when the stores come faster than it can read: then it keeps them out. */
START_TEST(no_load_is_a_mixture)
{
	struct race race = {.n_bytes = (size_t[]){17, 1024, 65536}[_i]};
	char *buf = malloc(race.n_bytes);
	pthread_t threads[2];

	race.v = make(race.n_bytes, NULL, true);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, store_patterns, &race), 0);
	for (int i = 0; i < repeats(300000) / (_i == 2 ? 200 : _i == 1 ? 4 : 1); i++)
		race.n_wrong += load_pattern(race.v, buf, race.n_bytes) < 0;
	race.is_over = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(race.n_wrong, 0);
	free(buf);
	ipk_value_close(race.v);
}
END_TEST

/* --- half done -------------------------------------------------------------------------------- */

/* A store that stopped before its commit point, seen from others: nothing has happened. */
START_TEST(a_store_begun_is_not_seen)
{
	ipk_value *v = make(24, "twenty-four bytes there", false);
	struct ipk__shm_pair *pair = (struct ipk__shm_pair *)v->ref.object;
	bool recovered;

	ck_ok(ipk__robust_lock_try(&pair->store_lock, &recovered));
	memset((void *)&pair->words[3], 'x', 10);
	ck_bytes(v, "twenty-four bytes there", 24);
	ipk__robust_lock_release(&pair->store_lock);
	ck_bytes(v, "twenty-four bytes there", 24);
	ck_ok(ipk_value_store_bytes(v, "and this is what follows", 24, ipk_now()));
	ck_bytes(v, "and this is what follows", 24);
	ipk_value_close(v);
}
END_TEST

static void *store_once(void *arg)
{
	return (void *)(intptr_t)ipk_value_store_bytes(arg, "abc", 4, ipk_in_ms(30));
}

START_TEST(a_store_gives_up_at_its_deadline)
{
	ipk_value *v = make(4, "old", false);
	struct ipk__shm_pair *pair = (struct ipk__shm_pair *)v->ref.object;
	pthread_t thread;
	bool recovered;
	void *r;

	ck_ok(ipk__robust_lock_try(&pair->store_lock, &recovered));
	ck_assert_int_eq(pthread_create(&thread, NULL, store_once, v), 0);
	pthread_join(thread, &r);
	ck_err((int)(intptr_t)r, -ETIMEDOUT);
	ipk__robust_lock_release(&pair->store_lock);
	ck_bytes(v, "old", 4);
	/* The value's own lock is another one. */
	ck_ok(ipk_lock_lock(ipk_value_get_lock(v), ipk_now(), NULL));
	ck_assert_int_eq(pthread_create(&thread, NULL, store_once, v), 0);
	pthread_join(thread, &r);
	ck_ok((int)(intptr_t)r);
	ck_bytes(v, "abc", 4);
	ck_ok(ipk_lock_unlock(ipk_value_get_lock(v)));
	ipk_value_close(v);
}
END_TEST

static void *store_patiently(void *arg)
{
	return (void *)(intptr_t)ipk_value_store_bytes(arg, "abc", 4, ipk_in_ms(WAIT_MS));
}

static bool one_waits(void *arg)
{
	return N_LISTED(ipk__object_list_waiters, &((ipk_value *)arg)->ref, NULL, 0) == 1;
}

/* Written down as waiting for this value, not just for something in its arena. */
START_TEST(a_waiting_store_is_seen)
{
	ipk_value *v = make(4, "old", false), *other = make(4, "old", false);
	struct ipk__shm_pair *pair = (struct ipk__shm_pair *)v->ref.object;
	pthread_t thread;
	bool recovered;
	void *r;

	ck_ok(ipk__robust_lock_try(&pair->store_lock, &recovered));
	ck_assert_int_eq(pthread_create(&thread, NULL, store_patiently, v), 0);
	ck_assert(wait_until(one_waits, v, WAIT_MS));
	ck_assert(!one_waits(other));
	ipk__robust_lock_release(&pair->store_lock);
	pthread_join(thread, &r);
	ck_ok((int)(intptr_t)r);
	ck_assert(!one_waits(v));
	ipk_value_close(other);
	ipk_value_close(v);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pair");

	add_loop_test(s, what_was_stored_is_loaded, 0, 2 * N_SIZES);
	add_test(s, only_all_of_it_is_moved);
	add_loop_test(s, no_load_is_a_mixture, 0, 3);
	add_test(s, a_store_begun_is_not_seen);
	add_test(s, a_store_gives_up_at_its_deadline);
	add_test(s, a_waiting_store_is_seen);
	return s;
}
IPK_TEST_MAIN(suite)
