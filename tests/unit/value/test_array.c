/* test_array.c - lib/value/array.c: making arrays, and every typecode item by item. */
#include <math.h>
#include <pthread.h>

#include "unit/value/value_types.h"
#include "value/value_internal.h"

#define CK_ITEM(a, i, type, want)                   \
	do {                                        \
		type item_;                         \
		ck_ok(ipk_array_get(a, i, &item_)); \
		ck_assert(item_ == (type)(want));   \
	} while (0)

/* --- every type by every call ----------------------------------------------------------------- */

#define CHECK_CALLS(code, type, name, least, greatest)                             \
	static void check_calls_##name(bool is_raw)                                \
	{                                                                          \
		ipk_array *a = make_array(code, 5, is_raw);                        \
		const type low = (type)(least), high = (type)(greatest);           \
		const type want[5] = {0, low, high, low, 0};                       \
		type x = (type)1;                                                  \
                                                                                   \
		ck_assert_int_eq(ipk_array_typecode(a), code);                     \
		ck_assert_uint_eq(ipk_array_item_bytes(a), sizeof(type));          \
		ck_assert_uint_eq(ipk_array_len(a), 5);                            \
		ck_assert_uint_eq((uintptr_t)ipk_array_data(a) % 64, 0);           \
		for (size_t i = 0; i < 5; i++)                                     \
			CK_ITEM(a, i, type, 0);                                    \
		for (size_t i = 0; i < 5; i++)                                     \
			ck_ok(ipk_array_set(a, i, &want[i]));                      \
		for (size_t i = 0; i < 5; i++)                                     \
			CK_ITEM(a, i, type, want[i]);                              \
		ck_assert_mem_eq(ipk_array_data(a), want, sizeof want);            \
		ck_err(ipk_array_get(a, 5, &x), -ERANGE);                          \
		ck_err(ipk_array_set(a, 5, &high), -ERANGE);                       \
		ck_err(ipk_array_get(a, SIZE_MAX, &x), -ERANGE);                   \
		ck_err(ipk_array_set(a, SIZE_MAX, &high), -ERANGE);                \
		ck_err(ipk_array_set(a, SIZE_MAX / sizeof(type), &high), -ERANGE); \
		ck_assert(x == 1);                                                 \
		ck_assert_mem_eq(ipk_array_data(a), want, sizeof want);            \
		ipk_array_close(a);                                                \
	}
ALL_TYPES(CHECK_CALLS)

START_TEST(every_type_by_every_call)
{
#define RUN(code, type, name, least, greatest) check_calls_##name(_i == 1);
	ALL_TYPES(RUN)
#undef RUN
}
END_TEST

#define CHECK_ADD(code, type, name, least, greatest)                     \
	static void check_add_##name(void)                               \
	{                                                                \
		ipk_array *a = make_array(code, 3, true);                \
		type old = (type)7;                                      \
                                                                         \
		ck_ok(ipk_array_set(a, 1, &(type){(type)(greatest)}));   \
		ck_ok(ipk_array_add(a, 1, 1, &old));                     \
		ck_assert(old == (type)(greatest));                      \
		/* Around, and no carry to the neighbours. */            \
		CK_ITEM(a, 0, type, 0);                                  \
		CK_ITEM(a, 1, type, least);                              \
		CK_ITEM(a, 2, type, 0);                                  \
		ck_ok(ipk_array_add(a, 1, -1, NULL));                    \
		CK_ITEM(a, 1, type, greatest);                           \
		ck_ok(ipk_array_add_int(a, 2, 3, code, &old));           \
		ck_assert(old == 0);                                     \
		CK_ITEM(a, 2, type, 3);                                  \
		ck_err(ipk_array_add(a, 3, 1, &old), -ERANGE);           \
		ck_err(ipk_array_add(a, 3, 1, NULL), -ERANGE);           \
		ck_err(ipk_array_add(a, 1, 1.0, &old), -EINVAL);         \
		ck_err(ipk_array_add_double(a, 1, 1, 0, NULL), -EINVAL); \
		CK_ITEM(a, 1, type, greatest);                           \
		ipk_array_close(a);                                      \
	}
INTEGER_TYPES(CHECK_ADD)

#define CHECK_FLOAT(code, type, name, least, greatest)               \
	static void check_float_##name(void)                         \
	{                                                            \
		ipk_array *a = make_array(code, 3, true);            \
		type old = 7;                                        \
                                                                     \
		ck_ok(ipk_array_add(a, 1, 0.5, &old));               \
		ck_assert(old == 0);                                 \
		ck_ok(ipk_array_add(a, 1, 2, &old));                 \
		ck_assert(old == (type)0.5);                         \
		ck_ok(ipk_array_add_double(a, 1, 0.25, code, &old)); \
		ck_assert(old == (type)2.5);                         \
		CK_ITEM(a, 0, type, 0);                              \
		CK_ITEM(a, 1, type, 2.75);                           \
		CK_ITEM(a, 2, type, 0);                              \
		ck_err(ipk_array_add(a, 3, 0.5, NULL), -ERANGE);     \
		ipk_array_close(a);                                  \
	}
FLOAT_TYPES(CHECK_FLOAT)

START_TEST(items_are_added)
{
	ipk_array *text = make_array('c', 3, true);

#define RUN(code, type, name, least, greatest) check_add_##name();
	INTEGER_TYPES(RUN)
#undef RUN
#define RUN(code, type, name, least, greatest) check_float_##name();
	FLOAT_TYPES(RUN)
#undef RUN
	ck_err(ipk_array_add(text, 0, 1, NULL), -EINVAL);
	CK_ITEM(text, 0, char, 0);
	ipk_array_close(text);
}
END_TEST

START_TEST(not_a_number_is_kept_bit_by_bit)
{
	ipk_array *a = make_array('d', 2, false);
	const uint64_t signalling = 0xfff4dead0000beef;
	double x, got;

	memcpy(&x, &signalling, sizeof x);
	ck_ok(ipk_array_set(a, 1, &x));
	ck_ok(ipk_array_get(a, 1, &got));
	ck_assert_mem_eq(&got, &signalling, sizeof got);
	ipk_array_close(a);
}
END_TEST

/* --- refusals --------------------------------------------------------------------------------- */

START_TEST(another_type_is_refused)
{
	for (int i = 0; i <= N_TYPECODES; i++) {
		ipk_array *a = NULL;
		char x[16] = "seven77";
		const char zeros[16] = {0};

		ck_ok(ipk_array_create(IPK_ARRAY(.typecode = typecodes[i], .n_items = 2,
						 .item_bytes = typecodes[i] ? 0 : 8),
				       &a));
		for (int k = 0; k <= N_TYPECODES; k++) {
			char code = typecodes[k];

			if (code && are_same(typecodes[i], code))
				continue;
			ck_err(ipk_array_get_as(a, 0, code, x), -EINVAL);
			ck_err(ipk_array_set_as(a, 0, code, x), -EINVAL);
			ck_err(ipk_array_add_int(a, 0, 1, code, x), -EINVAL);
			ck_err(ipk_array_add_double(a, 0, 1, code, x), -EINVAL);
		}
		ck_assert_str_eq(x, "seven77");
		ck_assert_mem_eq(ipk_array_data(a), zeros, 2 * ipk_array_item_bytes(a));
		ipk_array_close(a);
	}
}
END_TEST

START_TEST(no_handle_and_no_output)
{
	ipk_array *none = NULL, *a = make_array('i', 2, false);
	int x = 3;

	ck_err(ipk_array_get(none, 0, &x), -EBADF);
	ck_err(ipk_array_set(none, 0, &x), -EBADF);
	ck_err(ipk_array_add(none, 0, 1, &x), -EBADF);
	ck_err(ipk_array_add(none, 0, 1.0, NULL), -EBADF);
	ck_err(ipk_array_send(none, NULL, ipk_now()), -EBADF);
	ck_assert_ptr_null(ipk_array_get_lock(none));
	ck_assert_ptr_null(ipk_array_data(none));
	ck_assert_uint_eq(ipk_array_len(none), 0);
	ck_assert_int_eq(ipk_array_typecode(none), 0);
	ck_assert_uint_eq(ipk_array_item_bytes(none), 0);
	ck_assert_ptr_null(ipk_array_close(none));
	ck_err(ipk_array_get_as(a, 0, 'i', NULL), -EINVAL);
	ck_err(ipk_array_set_as(a, 0, 'i', NULL), -EINVAL);
	ck_assert_int_eq(x, 3);
	ipk_array_close(a);
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

static int create(const ipk_array_opts *opts)
{
	ipk_array *a = NULL;
	int r = ipk_array_create(opts, &a);

	if (opts && r == 0)
		ck_assert_uint_eq(ipk_array_len(a), opts->n_items);
	else
		ck_assert_ptr_null(a);
	ipk_array_close(a);
	return r;
}

START_TEST(options_are_checked)
{
	ck_err(create(NULL), -EINVAL);
	ck_err(ipk_array_create(IPK_ARRAY(.typecode = 'i'), NULL), -EINVAL);
	ck_err(create(IPK_ARRAY(.n_items = 3)), -EINVAL);
	ck_err(create(IPK_ARRAY(.typecode = 'i', .name = "a/b")), -EINVAL);
	ck_err(create(IPK_ARRAY(.typecode = 'i', .label = "a b")), -EINVAL);
	ck_err(create(&(ipk_array_opts){.struct_size = 1, .typecode = 'i'}), -EINVAL);
	for (int code = CHAR_MIN; code <= CHAR_MAX; code++) {
		bool is_known = code != 0 && strchr(typecodes, code);

		if (code != 0)
			ck_err(create(IPK_ARRAY(.typecode = (char)code, .n_items = 3)),
			       is_known ? 0 : -EINVAL);
		for (size_t n = 1; n <= 9 && is_known; n++)
			ck_err(create(IPK_ARRAY(.typecode = (char)code, .item_bytes = n)),
			       n == size_of((char)code) ? 0 : -EINVAL);
	}
}
END_TEST

START_TEST(counts_and_sizes_are_checked)
{
	static const size_t counts[] = {0, 1, 2, 63, 64, 4096, 100000};

	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		ck_ok(create(IPK_ARRAY(.typecode = 'd', .n_items = counts[i])));
		ck_ok(create(IPK_ARRAY(.item_bytes = 12, .n_items = counts[i], .is_raw = true)));
	}
	ck_err(create(IPK_ARRAY(.typecode = 'd', .n_items = SIZE_MAX)), -EOVERFLOW);
	ck_err(create(IPK_ARRAY(.typecode = 'd', .n_items = SIZE_MAX / 8 + 1)), -EOVERFLOW);
	ck_err(create(IPK_ARRAY(.typecode = 'd', .n_items = SIZE_MAX / 8)), -EOVERFLOW);
	ck_err(create(IPK_ARRAY(.typecode = 'c', .n_items = SIZE_MAX)), -EOVERFLOW);
	ck_err(create(IPK_ARRAY(.item_bytes = SIZE_MAX, .n_items = 2)), -EOVERFLOW);
	ck_err(create(IPK_ARRAY(.item_bytes = (size_t)1 << 40, .n_items = (size_t)1 << 40)),
	       -EOVERFLOW);
	ck_err(create(IPK_ARRAY(.typecode = 'c', .n_items = (size_t)4 << 30)), -ENOSPC);
	ck_err(create(IPK_ARRAY(.typecode = 'd', .n_items = SIZE_MAX / 16)), -ENOSPC);
	ck_ok(create(IPK_ARRAY(.item_bytes = SIZE_MAX, .n_items = 0)));
}
END_TEST

START_TEST(it_holds_what_it_was_made_with)
{
	const short items[] = {3, -1, 4, -1, 5};
	ipk_array *a = NULL;

	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'h', .n_items = 5, .items = items), &a));
	for (size_t i = 0; i < 5; i++)
		CK_ITEM(a, i, short, items[i]);
	ipk_array_close(a);
	/* Room that was used before is zero again. */
	a = make_array('h', 5, false);
	for (size_t i = 0; i < 5; i++)
		CK_ITEM(a, i, short, 0);
	ipk_array_close(a);
}
END_TEST

/* --- names and pipes -------------------------------------------------------------------------- */

START_TEST(a_name_leads_to_the_same_array)
{
	ipk_array *a = NULL, *other = NULL, *third = NULL;
	ipk_value *value = NULL;
	char name[UNIQUE_NAME_BYTES];

	unique_name(name, "array");
	ck_err(ipk_array_open(name, ipk_now(), &other), -ENOENT);
	ck_ok(ipk_array_create(
		IPK_ARRAY(.name = name, .typecode = 'I', .n_items = 10, .is_raw = _i == 1), &a));
	ck_err(ipk_array_create(IPK_ARRAY(.name = name, .typecode = 'I'), &third), -EEXIST);
	ck_err(ipk_array_open(name, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_array_open("a/b", ipk_now(), &other), -EINVAL);
	ck_err(ipk_value_open(name, ipk_now(), &value), -EPROTOTYPE);
	ck_ok(ipk_array_open(name, ipk_now(), &other));
	ck_assert_int_eq(ipk_array_typecode(other), 'I');
	ck_assert_uint_eq(ipk_array_len(other), 10);
	ck_assert_int_eq(!ipk_array_get_lock(other), _i == 1);
	ck_ok(ipk_array_set(a, 9, &(unsigned){77}));
	CK_ITEM(other, 9, unsigned, 77);
	ck_ok(ipk_array_unlink(name));
	ck_err(ipk_array_unlink(name), -ENOENT);
	ipk_array_close(a);
	CK_ITEM(other, 9, unsigned, 77);
	ipk_array_close(other);
}
END_TEST

START_TEST(a_pipe_carries_an_array)
{
	ipk_array *a = make_array('d', _i ? 100000 : 4, false), *other = NULL, *named = NULL;
	char name[UNIQUE_NAME_BYTES];
	ipk_value *value = NULL;
	ipk_pipe *left, *right;

	unique_name(name, "array");
	ck_ok(ipk_pipe_create(NULL, &left, &right));
	ck_ok(ipk_array_send(a, left, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_array_recv(right, ipk_now(), NULL), -EINVAL);
	ck_ok(ipk_array_recv(right, ipk_in_ms(WAIT_MS), &other));
	ck_ok(ipk_array_add(other, 3, 0.5, NULL));
	CK_ITEM(a, 3, double, 0.5);
	ck_assert_uint_eq(ipk_array_len(other), ipk_array_len(a));
	ck_ok(ipk_array_send(a, left, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_value_recv(right, ipk_in_ms(WAIT_MS), &value), -EPROTOTYPE);
	ck_ok(ipk_array_create(IPK_ARRAY(.name = name, .typecode = 'q'), &named));
	ck_err(ipk_array_send(named, left, ipk_now()), -EOPNOTSUPP);
	ck_ok(ipk_array_unlink(name));
	ipk_array_close(named);
	ipk_array_close(a);
	CK_ITEM(other, 3, double, 0.5);
	ipk_array_close(other);
	ipk_pipe_close(left);
	ipk_pipe_close(right);
}
END_TEST

START_TEST(a_damaged_header_is_refused)
{
	const uint64_t lengths[] = {1u << 20, UINT64_MAX, UINT64_MAX / 4 + 2, (1ull << 62) - 32};
	ipk_array *a = NULL, *other = NULL;
	char name[UNIQUE_NAME_BYTES];
	struct ipk__shm_array *shm;

	unique_name(name, "array");
	ck_ok(ipk_array_create(IPK_ARRAY(.name = name, .typecode = 'i', .n_items = 10), &a));
	shm = (struct ipk__shm_array *)a->ref.object;
	for (size_t n = 0; n < 4; n++) {
		shm->n_items = lengths[n];
		ck_err(ipk_array_open(name, ipk_now(), &other), -EBADMSG);
	}
	/* Who has it open already does not mind. */
	ck_assert_uint_eq(ipk_array_len(a), 10);
	shm->n_items = 10;
	for (uint32_t n = 0; n < 4; n++) {
		shm->object.flags = (uint32_t[]){'q', 'x', 255, 'h'}[n];
		ck_err(ipk_array_open(name, ipk_now(), &other), -EBADMSG);
	}
	shm->object.flags = 0;
	shm->item_bytes = 0;
	ck_err(ipk_array_open(name, ipk_now(), &other), -EBADMSG);
	shm->item_bytes = 4;
	ck_ok(ipk_array_open(name, ipk_now(), &other));
	ipk_array_close(other);
	ck_ok(ipk_array_unlink(name));
	ipk_array_close(a);
}
END_TEST

START_TEST(scope_end_closes)
{
	IPK_AUTO_INIT(array, a, make_array('i', 3, false));

	ck_assert_ptr_nonnull(a);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("array");

	add_loop_test(s, every_type_by_every_call, 0, 2);
	add_test(s, items_are_added);
	add_test(s, not_a_number_is_kept_bit_by_bit);
	add_test(s, another_type_is_refused);
	add_test(s, no_handle_and_no_output);
	add_test(s, options_are_checked);
	add_test(s, counts_and_sizes_are_checked);
	add_test(s, it_holds_what_it_was_made_with);
	add_loop_test(s, a_name_leads_to_the_same_array, 0, 2);
	add_loop_test(s, a_pipe_carries_an_array, 0, 2);
	add_test(s, a_damaged_header_is_refused);
	add_test(s, scope_end_closes);
	return s;
}
IPK_TEST_MAIN(suite)
