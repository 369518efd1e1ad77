/* test_value.c - lib/value/value.c and atomic_scalar.c: every typecode by every call, and refusals. */
#include <math.h>
#include <pthread.h>

#include "unit/value/value_types.h"
#include "value/value_internal.h"

/* --- every type by every call ----------------------------------------------------------------- */

#define CK_HOLDS(v, type, want)                    \
	do {                                       \
		type holds_;                       \
		ck_ok(ipk_value_load(v, &holds_)); \
		ck_assert(holds_ == (type)(want)); \
	} while (0)

#define CHECK_CALLS(code, type, name, least, greatest)                                  \
	static void check_calls_##name(bool is_raw)                                     \
	{                                                                               \
		ipk_value *v = make_value(code, is_raw);                                \
		const type one = (type)1;                                               \
		type low = (type)(least), high = (type)(greatest), x = (type)1;         \
		bool is_exchanged = false;                                              \
                                                                                        \
		ck_assert_int_eq(ipk_value_typecode(v), code);                          \
		ck_assert_uint_eq(ipk_value_item_bytes(v), sizeof(type));               \
		ck_assert_uint_eq((uintptr_t)ipk_value_data(v) % sizeof(type), 0);      \
		CK_HOLDS(v, type, 0);                                                   \
		ck_ok(ipk_value_store(v, &high));                                       \
		CK_HOLDS(v, type, high);                                                \
		ck_assert(*(type *)ipk_value_data(v) == high);                          \
		ck_ok(ipk_value_exchange(v, &low, &x));                                 \
		ck_assert(x == high);                                                   \
		CK_HOLDS(v, type, low);                                                 \
		/* It holds low, not high: x becomes that, and nothing else happens. */ \
		x = high;                                                               \
		ck_ok(ipk_value_compare_exchange(v, &x, &one, &is_exchanged));          \
		ck_assert(!is_exchanged);                                               \
		ck_assert(x == low);                                                    \
		CK_HOLDS(v, type, low);                                                 \
		ck_ok(ipk_value_compare_exchange(v, &x, &one, &is_exchanged));          \
		ck_assert(is_exchanged);                                                \
		ck_assert(x == low);                                                    \
		CK_HOLDS(v, type, 1);                                                   \
		/* Nothing beside it was touched. */                                    \
		for (size_t i = sizeof(type); i < 8; i++)                               \
			ck_assert_int_eq(((char *)ipk_value_data(v))[i], 0);            \
		ipk_value_close(v);                                                     \
	}
ALL_TYPES(CHECK_CALLS)

START_TEST(every_type_by_every_call)
{
#define RUN(code, type, name, least, greatest) check_calls_##name(_i == 1);
	ALL_TYPES(RUN)
#undef RUN
}
END_TEST

#define CHECK_ADD(code, type, name, least, greatest)                              \
	static void check_add_##name(void)                                        \
	{                                                                         \
		ipk_value *v = make_value(code, true);                            \
		type old = (type)7, high = (type)(greatest);                      \
                                                                                  \
		ck_ok(ipk_value_add(v, 5, &old));                                 \
		ck_assert(old == 0);                                              \
		ck_ok(ipk_value_add(v, -3, NULL));                                \
		CK_HOLDS(v, type, 2);                                             \
		ck_ok(ipk_value_add_int(v, 1, code, &old));                       \
		ck_assert(old == 2);                                              \
		ck_ok(ipk_value_add_int(v, 1, 0, NULL));                          \
		CK_HOLDS(v, type, 4);                                             \
		/* Around, and back. */                                           \
		ck_ok(ipk_value_store(v, &high));                                 \
		ck_ok(ipk_value_add(v, 1, &old));                                 \
		ck_assert(old == high);                                           \
		CK_HOLDS(v, type, least);                                         \
		ck_ok(ipk_value_add_int(v, -1, code, &old));                      \
		ck_assert(old == (type)(least));                                  \
		CK_HOLDS(v, type, greatest);                                      \
		ck_err(ipk_value_add(v, 0.5, &old), -EINVAL);                     \
		ck_err(ipk_value_add(v, 1e300, NULL), -EINVAL);                   \
		ck_err(ipk_value_add_double(v, 1, code, &old), -EINVAL);          \
		CK_HOLDS(v, type, greatest);                                      \
		ipk_value_close(v);                                               \
	}                                                                         \
                                                                                  \
	static void check_add_checked_##name(void)                                \
	{                                                                         \
		ipk_value *v = make_value(code, true);                            \
		type old = (type)7, low = (type)(least), high = (type)(greatest); \
                                                                                  \
		ck_ok(ipk_value_store(v, &high));                                 \
		ck_err(ipk_value_add_checked(v, 1, &old), -EOVERFLOW);            \
		ck_err(ipk_value_add_checked(v, INT64_MAX, &old), -EOVERFLOW);    \
		ck_assert(old == 7);                                              \
		CK_HOLDS(v, type, high);                                          \
		ck_ok(ipk_value_add_checked(v, 0, &old));                         \
		ck_assert(old == high);                                           \
		ck_ok(ipk_value_add_checked(v, -1, NULL));                        \
		CK_HOLDS(v, type, high - 1);                                      \
		ck_ok(ipk_value_add_checked(v, 1, &old));                         \
		ck_assert(old == (type)(high - 1));                               \
		ck_ok(ipk_value_store(v, &low));                                  \
		ck_err(ipk_value_add_checked(v, -1, &old), -EOVERFLOW);           \
		ck_err(ipk_value_add_checked(v, INT64_MIN, &old), -EOVERFLOW);    \
		CK_HOLDS(v, type, low);                                           \
		ck_ok(ipk_value_add_checked_as(v, 1, code, &old));                \
		ck_assert(old == low);                                            \
		CK_HOLDS(v, type, low + 1);                                       \
		ipk_value_close(v);                                               \
	}
INTEGER_TYPES(CHECK_ADD)

START_TEST(integers_are_added_and_wrap_around)
{
#define RUN(code, type, name, least, greatest) check_add_##name();
	INTEGER_TYPES(RUN)
#undef RUN
}
END_TEST

START_TEST(checked_sums_fit_or_nothing_happens)
{
#define RUN(code, type, name, least, greatest) check_add_checked_##name();
	INTEGER_TYPES(RUN)
#undef RUN
}
END_TEST

#define CHECK_FLOAT(code, type, name, least, greatest)              \
	static void check_float_##name(void)                        \
	{                                                           \
		ipk_value *v = make_value(code, true);              \
		type old = 7, high = greatest;                      \
                                                                    \
		ck_ok(ipk_value_add(v, 0.5, &old));                 \
		ck_assert(old == 0);                                \
		ck_ok(ipk_value_add(v, 0.25f, NULL));               \
		ck_ok(ipk_value_add(v, 2, &old));                   \
		ck_assert(old == (type)0.75);                       \
		ck_ok(ipk_value_add_double(v, -0.75, code, &old));  \
		ck_assert(old == (type)2.75);                       \
		CK_HOLDS(v, type, 2);                               \
		ck_err(ipk_value_add_checked(v, 1, &old), -EINVAL); \
		ck_ok(ipk_value_store(v, &high));                   \
		ck_ok(ipk_value_add(v, (double)high, NULL));        \
		ck_ok(ipk_value_load(v, &old));                     \
		ck_assert(isinf(old));                              \
		ipk_value_close(v);                                 \
	}
FLOAT_TYPES(CHECK_FLOAT)

START_TEST(floats_are_added)
{
#define RUN(code, type, name, least, greatest) check_float_##name();
	FLOAT_TYPES(RUN)
#undef RUN
}
END_TEST

START_TEST(char_and_bool_are_not_added)
{
	ipk_value *c = make_value('c', false), *b = make_value('?', false);
	char old = 'x';
	bool was = true;

	ck_err(ipk_value_add(c, 1, &old), -EINVAL);
	ck_err(ipk_value_add(c, 1, NULL), -EINVAL);
	ck_err(ipk_value_add(c, 1.0, NULL), -EINVAL);
	ck_err(ipk_value_add_checked(c, 1, &old), -EINVAL);
	ck_err(ipk_value_add(b, 1, &was), -EINVAL);
	ck_err(ipk_value_add_checked(b, 1, NULL), -EINVAL);
	ck_assert_int_eq(old, 'x');
	ck_assert(was);
	CK_HOLDS(c, char, 0);
	CK_HOLDS(b, bool, false);
	ipk_value_close(c);
	ipk_value_close(b);
}
END_TEST

/* Quiet, signalling, negative, with a payload; and the two zeros. */
static const uint64_t odd_doubles[] = {
	0x7ff8000000000000, 0x7ff0000000000001, 0xfff8dead0000beef,
	0x7ff4000000000001, 0x8000000000000000, 0x0000000000000000,
};
static const uint32_t odd_floats[] = {0x7fc00000, 0x7f800001, 0xffc0beef, 0x80000000, 0};

/* Compares and copies bits: a NaN must not pass through a register that changes it. */
#define CHECK_BITS(code, type, bits_type, odd)                                                 \
	do {                                                                                   \
		ipk_value *v = make_value(code, false);                                        \
		type x, got;                                                                   \
		bool is_exchanged;                                                             \
                                                                                               \
		for (size_t i = 0; i < sizeof(odd) / sizeof(odd)[0]; i++) {                    \
			memcpy(&x, &(odd)[i], sizeof x);                                       \
			ck_ok(ipk_value_store(v, &x));                                         \
			ck_ok(ipk_value_load(v, &got));                                        \
			ck_assert_mem_eq(&got, &x, sizeof x);                                  \
			ck_ok(ipk_value_exchange(v, &(type){1}, &got));                        \
			ck_assert_mem_eq(&got, &x, sizeof x);                                  \
			ck_ok(ipk_value_store(v, &x));                                         \
			for (size_t j = 0; j < sizeof(odd) / sizeof(odd)[0]; j++) {            \
				memcpy(&got, &(odd)[j], sizeof got);                           \
				ck_ok(ipk_value_compare_exchange(v, &got, &x, &is_exchanged)); \
				ck_assert_int_eq(is_exchanged, i == j);                        \
				ck_assert_mem_eq(&got, &x, sizeof x);                          \
			}                                                                      \
		}                                                                              \
		ipk_value_close(v);                                                            \
	} while (0)

START_TEST(not_a_number_is_kept_bit_by_bit)
{
	CHECK_BITS('d', double, uint64_t, odd_doubles);
	CHECK_BITS('f', float, uint32_t, odd_floats);
}
END_TEST

START_TEST(a_bool_is_true_or_false)
{
	ipk_value *v = make_value('?', true);
	unsigned char got = 7;

	*(unsigned char *)ipk_value_data(v) = 2;
	ck_ok(ipk_value_load_as(v, '?', &got));
	ck_assert_uint_eq(got, 1);
	ipk_value_close(v);
}
END_TEST

/* --- refusals --------------------------------------------------------------------------------- */

static void check_refused(ipk_value *v, char code)
{
	char before[8] = "seven77", x[8], y[8];
	bool is_exchanged = true;

	memcpy(x, before, sizeof x);
	memcpy(y, before, sizeof y);
	ck_err(ipk_value_load_as(v, code, x), -EINVAL);
	ck_err(ipk_value_store_as(v, code, x), -EINVAL);
	ck_err(ipk_value_exchange_as(v, code, x, y), -EINVAL);
	ck_err(ipk_value_compare_exchange_as(v, code, x, y, &is_exchanged), -EINVAL);
	ck_err(ipk_value_add_int(v, 1, code, x), -EINVAL);
	ck_err(ipk_value_add_double(v, 1, code, x), -EINVAL);
	ck_err(ipk_value_add_checked_as(v, 1, code, x), -EINVAL);
	ck_assert_mem_eq(x, before, sizeof x);
	ck_assert_mem_eq(y, before, sizeof y);
	ck_assert(is_exchanged);
}

START_TEST(another_type_is_refused)
{
	const uint64_t zero = 0;
	const char none[] = {0, 'x', 'u', 1, -1, 'B' + 1};

	for (int i = 0; i < N_TYPECODES; i++) {
		ipk_value *v = make_value(typecodes[i], false);
		uint64_t x = 1;

		for (int k = 0; k < N_TYPECODES; k++) {
			if (!are_same(typecodes[i], typecodes[k]))
				check_refused(v, typecodes[k]);
		}
		for (size_t k = 0; k < sizeof none; k++)
			check_refused(v, none[k]);
		ck_err(ipk_value_load_bytes(v, &x, size_of(typecodes[i])), -EINVAL);
		ck_err(ipk_value_store_bytes(v, &x, size_of(typecodes[i]), ipk_now()), -EINVAL);
		ck_assert_mem_eq(ipk_value_data(v), &zero, size_of(typecodes[i]));
		ipk_value_close(v);
	}
}
END_TEST

START_TEST(long_is_what_it_is_the_same_as)
{
	ipk_value *l = make_value('l', false), *ul = make_value('L', false);
	int64_t x = -5;
	uint64_t y = UINT64_MAX;
	long long old = 0;

	if (sizeof(long) == 4) {
		ck_ok(ipk_value_store_as(l, 'i', &(int){-5}));
		ck_ok(ipk_value_store_as(ul, 'I', &(unsigned){5}));
	} else {
		ck_ok(ipk_value_store_as(l, 'q', &x));
		ck_ok(ipk_value_store_as(ul, 'Q', &y));
		ck_ok(ipk_value_add(l, 1, &old));
		ck_assert_int_eq(old, -5);
		CK_HOLDS(l, long, -4);
		CK_HOLDS(ul, unsigned long, ULONG_MAX);
	}
	ipk_value_close(l);
	ipk_value_close(ul);
}
END_TEST

/* Mixed types in one call of a macro. */
START_TEST(two_pointers_are_of_one_type)
{
	ipk_value *v = make_value('i', false);
	int x = 1;
	unsigned y = 2;
	bool is_exchanged;

	ck_err(ipk_value_exchange(v, &x, &y), -EINVAL);
	ck_err(ipk_value_exchange(v, &y, &x), -EINVAL);
	ck_err(ipk_value_compare_exchange(v, &x, &y, &is_exchanged), -EINVAL);
	ck_err(ipk_value_add(v, 1, &y), -EINVAL);
	CK_HOLDS(v, int, 0);
	ipk_value_close(v);
}
END_TEST

START_TEST(no_handle_and_no_output)
{
	ipk_value *v = make_value('i', false), *none = NULL;
	int x = 3;
	bool is_exchanged;

	ck_err(ipk_value_load(none, &x), -EBADF);
	ck_err(ipk_value_store(none, &x), -EBADF);
	ck_err(ipk_value_exchange(none, &x, &x), -EBADF);
	ck_err(ipk_value_compare_exchange(none, &x, &x, &is_exchanged), -EBADF);
	ck_err(ipk_value_add(none, 1, &x), -EBADF);
	ck_err(ipk_value_add(none, 1, NULL), -EBADF);
	ck_err(ipk_value_add(none, 1.0, NULL), -EBADF);
	ck_err(ipk_value_add_checked(none, 1, NULL), -EBADF);
	ck_err(ipk_value_load_bytes(none, &x, 4), -EBADF);
	ck_err(ipk_value_store_bytes(none, &x, 4, ipk_now()), -EBADF);
	ck_err(ipk_value_send(none, NULL, ipk_now()), -EBADF);
	ck_assert_ptr_null(ipk_value_get_lock(none));
	ck_assert_ptr_null(ipk_value_data(none));
	ck_assert_int_eq(ipk_value_typecode(none), 0);
	ck_assert_uint_eq(ipk_value_item_bytes(none), 0);
	ck_assert_ptr_null(ipk_value_close(none));
	ck_err(ipk_value_load_as(v, 'i', NULL), -EINVAL);
	ck_err(ipk_value_store_as(v, 'i', NULL), -EINVAL);
	ck_err(ipk_value_exchange_as(v, 'i', &x, NULL), -EINVAL);
	ck_err(ipk_value_exchange_as(v, 'i', NULL, &x), -EINVAL);
	ck_err(ipk_value_compare_exchange_as(v, 'i', NULL, &x, &is_exchanged), -EINVAL);
	ck_err(ipk_value_compare_exchange_as(v, 'i', &x, NULL, &is_exchanged), -EINVAL);
	ck_err(ipk_value_compare_exchange_as(v, 'i', &x, &x, NULL), -EINVAL);
	ck_assert_int_eq(x, 3);
	ipk_value_close(v);
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

static int create(const ipk_value_opts *opts)
{
	ipk_value *v = NULL;
	int r = ipk_value_create(opts, &v);

	ck_assert(r == 0 || !v);
	ipk_value_close(v);
	return r;
}

START_TEST(options_are_checked)
{
	char name[UNIQUE_NAME_BYTES];

	unique_name(name, "opts");
	ck_err(create(NULL), -EINVAL);
	ck_err(ipk_value_create(IPK_VALUE(.typecode = 'i'), NULL), -EINVAL);
	ck_err(create(IPK_VALUE()), -EINVAL);
	ck_err(create(IPK_VALUE(.name = name)), -EINVAL);
	ck_err(create(IPK_VALUE(.typecode = 'i', .name = "a/b")), -EINVAL);
	ck_err(create(IPK_VALUE(.typecode = 'i', .name = "")), -EINVAL);
	ck_err(create(IPK_VALUE(.typecode = 'i', .label = "a b")), -EINVAL);
	ck_err(create(&(ipk_value_opts){.struct_size = 1, .typecode = 'i'}), -EINVAL);
	ck_err(create(IPK_VALUE(.item_bytes = IPK_VALUE_BYTES_MAX + 1)), -EINVAL);
	ck_err(create(IPK_VALUE(.item_bytes = SIZE_MAX)), -EINVAL);
	ck_ok(create(IPK_VALUE(.item_bytes = 1)));
	ck_ok(create(IPK_VALUE(.item_bytes = IPK_VALUE_BYTES_MAX)));
	for (int code = CHAR_MIN; code <= CHAR_MAX; code++) {
		bool is_known = code != 0 && strchr(typecodes, code);

		if (code != 0)
			ck_err(create(IPK_VALUE(.typecode = (char)code)), is_known ? 0 : -EINVAL);
		for (size_t n = 1; n <= 9 && is_known; n++)
			ck_err(create(IPK_VALUE(.typecode = (char)code, .item_bytes = n)),
			       n == size_of((char)code) ? 0 : -EINVAL);
	}
	ck_assert_int_eq(count_names(), 0);
}
END_TEST

START_TEST(it_holds_what_it_was_made_with)
{
	ipk_value *v = NULL;
	const double pi = 3.25;
	double got;

	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'd', .item = &pi), &v));
	ck_ok(ipk_value_load(v, &got));
	ck_assert_double_eq(got, pi);
	ipk_value_close(v);
	/* Room that was used before is zero again. */
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'd'), &v));
	CK_HOLDS(v, double, 0);
	ipk_value_close(v);
}
END_TEST

/* --- names and pipes -------------------------------------------------------------------------- */

START_TEST(a_name_leads_to_the_same_value)
{
	ipk_value *v = NULL, *other = NULL, *third = NULL;
	ipk_array *array = NULL;
	ipk_lock *lock = NULL;
	char name[UNIQUE_NAME_BYTES];

	unique_name(name, "value");
	ck_err(ipk_value_open(name, ipk_now(), &other), -ENOENT);
	ck_ok(ipk_value_create(IPK_VALUE(.name = name, .typecode = 'h', .is_raw = _i == 1), &v));
	ck_err(ipk_value_create(IPK_VALUE(.name = name, .typecode = 'h'), &third), -EEXIST);
	ck_err(ipk_value_open(name, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_value_open("a/b", ipk_now(), &other), -EINVAL);
	ck_err(ipk_array_open(name, ipk_now(), &array), -EPROTOTYPE);
	ck_err(ipk_lock_open(name, ipk_now(), &lock), -EPROTOTYPE);
	ck_ok(ipk_value_open(name, ipk_now(), &other));
	ck_assert_int_eq(ipk_value_typecode(other), 'h');
	ck_assert_int_eq(!ipk_value_get_lock(other), _i == 1);
	ck_ok(ipk_value_store(v, &(short){-7}));
	CK_HOLDS(other, short, -7);
	ck_ok(ipk_value_unlink(name));
	ck_err(ipk_value_unlink(name), -ENOENT);
	ipk_value_close(v);
	CK_HOLDS(other, short, -7);
	ipk_value_close(other);
}
END_TEST

START_TEST(a_pipe_carries_a_value)
{
	ipk_value *v = make_value('q', _i == 1), *other = NULL, *named = NULL;
	char name[UNIQUE_NAME_BYTES];
	ipk_array *array = NULL;
	ipk_pipe *a, *b;

	unique_name(name, "value");
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_ok(ipk_value_send(v, a, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_value_recv(b, ipk_now(), NULL), -EINVAL);
	ck_ok(ipk_value_recv(b, ipk_in_ms(WAIT_MS), &other));
	ck_ok(ipk_value_add(other, 42, NULL));
	CK_HOLDS(v, long long, 42);
	ck_assert_int_eq(!ipk_value_get_lock(other), _i == 1);
	ck_ok(ipk_value_send(v, a, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_array_recv(b, ipk_in_ms(WAIT_MS), &array), -EPROTOTYPE);
	ck_ok(ipk_value_create(IPK_VALUE(.name = name, .typecode = 'q'), &named));
	ck_err(ipk_value_send(named, a, ipk_now()), -EOPNOTSUPP);
	ck_ok(ipk_value_unlink(name));
	ipk_value_close(named);
	ipk_value_close(v);
	CK_HOLDS(other, long long, 42);
	ipk_value_close(other);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* What others wrote over the header is seen when it is opened, and leads nowhere. */
START_TEST(a_damaged_header_is_refused)
{
	ipk_value *v = NULL, *other = NULL;
	char name[UNIQUE_NAME_BYTES];
	struct ipk__shm_value *shm;

	unique_name(name, "value");
	ck_ok(ipk_value_create(IPK_VALUE(.name = name, .item_bytes = 24), &v));
	shm = (struct ipk__shm_value *)v->ref.object;
	for (uint64_t n = 0; n < 3; n++) {
		shm->item_bytes = (uint64_t[]){0, 1 << 16, UINT64_MAX}[n];
		ck_err(ipk_value_open(name, ipk_now(), &other), -EBADMSG);
	}
	shm->item_bytes = 24;
	for (uint32_t n = 0; n < 3; n++) {
		shm->object.flags = (uint32_t[]){'i', 'x', 255}[n];
		ck_err(ipk_value_open(name, ipk_now(), &other), -EBADMSG);
	}
	shm->object.flags = 0;
	ck_ok(ipk_value_open(name, ipk_now(), &other));
	ipk_value_close(other);
	ck_ok(ipk_value_unlink(name));
	ipk_value_close(v);
}
END_TEST

/* --- the lock --------------------------------------------------------------------------------- */

static void *try_lock(void *lock)
{
	int r = ipk_lock_lock(lock, ipk_now(), NULL);

	if (r == 0)
		(void)!ipk_lock_unlock(lock);
	return (void *)(intptr_t)r;
}

static int try_lock_elsewhere(ipk_lock *lock)
{
	pthread_t thread;
	void *r;

	ck_assert_int_eq(pthread_create(&thread, NULL, try_lock, lock), 0);
	pthread_join(thread, &r);
	return (int)(intptr_t)r;
}

START_TEST(the_lock_is_lent)
{
	ipk_value *v = make_value('i', false);
	ipk_lock *lock = ipk_value_get_lock(v);
	ipk_pipe *a, *b;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_assert_ptr_nonnull(lock);
	ck_assert_ptr_eq(lock, ipk_value_get_lock(v));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	ck_err(try_lock_elsewhere(lock), -ETIMEDOUT);
	/* Calls on numbers do not mind it. */
	ck_ok(ipk_value_add(v, 1, NULL));
	ipk_lock_close(lock);
	ck_err(ipk_lock_send(lock, a, ipk_now()), -EOPNOTSUPP);
	ck_ok(ipk_lock_unlock(lock));
	ck_err(try_lock_elsewhere(lock), -ETIMEDOUT);
	ck_ok(ipk_lock_unlock(lock));
	ck_ok(try_lock_elsewhere(lock));
	ipk_value_close(v);
	v = make_value('i', true);
	ck_assert_ptr_null(ipk_value_get_lock(v));
	ipk_value_close(v);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(scope_end_closes)
{
	IPK_AUTO_INIT(value, v, make_value('i', false));

	ck_assert_ptr_nonnull(v);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("value");

	add_loop_test(s, every_type_by_every_call, 0, 2);
	add_test(s, integers_are_added_and_wrap_around);
	add_test(s, checked_sums_fit_or_nothing_happens);
	add_test(s, floats_are_added);
	add_test(s, char_and_bool_are_not_added);
	add_test(s, not_a_number_is_kept_bit_by_bit);
	add_test(s, a_bool_is_true_or_false);
	add_test(s, another_type_is_refused);
	add_test(s, long_is_what_it_is_the_same_as);
	add_test(s, two_pointers_are_of_one_type);
	add_test(s, no_handle_and_no_output);
	add_test(s, options_are_checked);
	add_test(s, it_holds_what_it_was_made_with);
	add_loop_test(s, a_name_leads_to_the_same_value, 0, 2);
	add_loop_test(s, a_pipe_carries_a_value, 0, 2);
	add_test(s, a_damaged_header_is_refused);
	add_test(s, the_lock_is_lent);
	add_test(s, scope_end_closes);
	return s;
}
IPK_TEST_MAIN(suite)
