/* test_ring.c - lib/shared/ring.h: records in a mirrored ring, its counters and its checks. */
#include "os/os.h"
#include "shared/ring.h"
#include "support/support.h"

enum { RING_BYTES = 4096, N_UNITS = RING_BYTES / 8, MESSAGE = 1 };

struct fixture {
	struct ipk__shm_ring shared;
	struct ipk__ring ring;
	char *addr;
};

static void set_up(struct fixture *f, uint64_t word)
{
	size_t page = ipk__os_page_bytes();
	int fd;

	ck_ok(ipk__os_memfd("ipk:ring", &fd));
	ck_ok(ipk__os_allocate(fd, 0, page + RING_BYTES));
	ck_ok(ipk__os_map_mirrored(fd, page, RING_BYTES, 1, (void **)&f->addr));
	ipk__os_close(fd);
	memset(&f->shared, 0, sizeof f->shared);
	f->shared.tail = f->shared.tail_own = f->shared.head = f->shared.head_seen =
		f->shared.tail_seen = word;
	ipk__ring_init(&f->ring, &f->shared, f->addr + page, RING_BYTES);
}

static void tear_down(struct fixture *f)
{
	ipk__os_unmap(f->addr, ipk__os_page_bytes() + 2 * RING_BYTES);
}

static bool put(struct fixture *f, const void *data, uint32_t n_bytes)
{
	uint64_t tail = ipk__ring_tail(&f->ring);
	uint32_t n_free = 0;

	ck_ok(ipk__ring_room(&f->ring, tail, ipk__record_units(n_bytes), &n_free));
	if (n_free < ipk__record_units(n_bytes))
		return false;
	ipk__ring_publish(&f->ring, ipk__ring_write(&f->ring, tail, MESSAGE, data, n_bytes, 1));
	return true;
}

static int ring_front(struct fixture *f, const struct ipk__record **ret_record, uint32_t *ret_len)
{
	uint32_t type;

	return ipk__ring_front(&f->ring, ipk__ring_head(&f->ring), ret_record, ret_len, &type);
}

static void get(struct fixture *f, const void *data, uint32_t n_bytes)
{
	const struct ipk__record *record;
	uint32_t len;

	ck_assert_int_eq(ring_front(f, &record, &len), 1);
	ck_assert_uint_eq(len, n_bytes);
	ck_assert(memcmp(record->bytes, data, len) == 0);
	ipk__ring_free(&f->ring, ipk__ring_behind(ipk__ring_head(&f->ring), len, 1));
}

static const uint64_t starts[] = {
	0, 0x00000000ffffffffu, 0xffffffff00000000u, 0xffffffffffffffffu, 0xfffffffffffffe01u,
};
enum { N_STARTS = sizeof starts / sizeof starts[0] };

START_TEST(records_of_every_length_wrap_around)
{
	static unsigned char data[RING_BYTES];
	struct fixture f;

	set_up(&f, starts[_i]);
	for (uint32_t n = 0; n <= RING_BYTES - 8; n += n < 200 || n > RING_BYTES - 100 ? 1 : 19) {
		for (uint32_t i = 0; i < n; i++)
			data[i] = (unsigned char)(i * 7 + n);
		ck_assert(ipk__ring_is_empty(&f.ring));
		ck_assert(put(&f, data, n));
		ck_assert_uint_eq(ipk__ring_len(&f.ring), 1);
		ck_assert(!ipk__ring_is_empty(&f.ring));
		get(&f, data, n);
		ck_assert_uint_eq(ipk__ring_len(&f.ring), 0);
	}
	tear_down(&f);
}
END_TEST

START_TEST(ring_is_filled_to_the_last_unit)
{
	const struct ipk__record *record;
	struct fixture f;
	uint32_t len;

	set_up(&f, starts[_i]);
	ck_assert_int_eq(ring_front(&f, &record, &len), 0);
	for (uint32_t i = 0; i < N_UNITS / 2; i++)
		ck_assert(put(&f, &i, sizeof i));
	ck_assert(!put(&f, "", 0));
	ck_assert_uint_eq(ipk__ring_len(&f.ring), N_UNITS / 2);
	for (uint32_t i = 0; i < N_UNITS / 2; i++)
		get(&f, &i, sizeof i);
	for (uint32_t i = 0; i < N_UNITS; i++)
		ck_assert(put(&f, "", 0));
	ck_assert(!put(&f, "", 0));
	for (uint32_t i = 0; i < N_UNITS; i++)
		get(&f, "", 0);
	ck_assert_int_eq(ring_front(&f, &record, &len), 0);
	tear_down(&f);
}
END_TEST

START_TEST(units_of_a_record)
{
	ck_assert_uint_eq(ipk__record_units(0), 1);
	ck_assert_uint_eq(ipk__record_units(1), 2);
	ck_assert_uint_eq(ipk__record_units(8), 2);
	ck_assert_uint_eq(ipk__record_units(9), 3);
	ck_assert_uint_eq(ipk__record_units(1u << 30), (1u << 27) + 1);
}
END_TEST

START_TEST(impossible_counters_are_refused)
{
	const struct ipk__record *record;
	uint32_t len, n_free;
	struct fixture f;

	set_up(&f, 0);
	f.shared.tail = N_UNITS + 1;
	ck_assert_int_eq(ring_front(&f, &record, &len), -EPROTO);
	f.shared.tail = 0xffffffff;
	ck_assert_int_eq(ring_front(&f, &record, &len), -EPROTO);
	f.shared.tail = 0;
	f.shared.head = f.shared.head_seen = 1;
	ck_err(ipk__ring_room(&f.ring, 0, 1, &n_free), -EPROTO);
	tear_down(&f);
}
END_TEST

/* A writer died between its own tail and the one that readers see. */
START_TEST(heir_drops_what_was_not_published)
{
	const struct ipk__record *record;
	struct fixture f;
	uint32_t len;

	set_up(&f, 0);
	ipk__ring_begin_write(&f.ring, 100);
	ck_assert(put(&f, "first", 5));
	f.shared.tail_own =
		ipk__ring_write(&f.ring, ipk__ring_tail(&f.ring), MESSAGE, "lost", 4, 1);
	ipk__ring_begin_write(&f.ring, 100); /* its own next message: nothing changes */
	ck_assert_uint_ne(ipk__ring_tail(&f.ring), f.shared.tail);
	ipk__ring_begin_write(&f.ring, 101);
	ck_assert_uint_eq(ipk__ring_tail(&f.ring), f.shared.tail);
	ck_assert(put(&f, "second", 6));
	get(&f, "first", 5);
	get(&f, "second", 6);
	ck_assert_int_eq(ring_front(&f, &record, &len), 0);
	tear_down(&f);
}
END_TEST

/* What a waiter is told: how many there are, and pieces alone are one. */
START_TEST(ready_counts_messages)
{
	struct fixture f;

	set_up(&f, ipk__ring_word(UINT32_MAX - 1, 0));
	ck_assert_int_eq(ipk__ring_ready(&f.ring), 0);
	for (int i = 1; i <= 4; i++) {
		ck_assert(put(&f, "x", 1));
		ck_assert_int_eq(ipk__ring_ready(&f.ring), i);
	}
	f.shared.head = f.shared.tail;
	ipk__ring_publish(
		&f.ring, ipk__ring_write(&f.ring, ipk__ring_tail(&f.ring), MESSAGE, "piece", 5, 0));
	ck_assert_int_eq(ipk__ring_ready(&f.ring), 1);
	/* Damaged: the counts differ where nothing is. */
	f.shared.head = f.shared.tail - ((uint64_t)7 << 32);
	ck_assert_int_eq(ipk__ring_ready(&f.ring), 0);
	tear_down(&f);
}
END_TEST

START_TEST(record_longer_than_what_is_there_is_refused)
{
	static const uint32_t lengths[] = {9, 16, 17, 4096, 0x7fffffff, 0xfffffff8, 0xffffffff};
	const struct ipk__record *record;
	struct fixture f;
	uint32_t len;

	set_up(&f, 0);
	ck_assert(put(&f, "12345678", 8));
	for (size_t i = 0; i < IPK__N_OF(lengths); i++) {
		ipk__ring_at(&f.ring, 0)->len_bytes = lengths[i];
		ck_assert_int_eq(ring_front(&f, &record, &len), -EPROTO);
	}
	ipk__ring_at(&f.ring, 0)->len_bytes = 8;
	ck_assert_int_eq(ring_front(&f, &record, &len), 1);
	tear_down(&f);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ring");

	add_loop_test(s, records_of_every_length_wrap_around, 0, N_STARTS);
	add_loop_test(s, ring_is_filled_to_the_last_unit, 0, N_STARTS);
	add_test(s, units_of_a_record);
	add_test(s, impossible_counters_are_refused);
	add_test(s, heir_drops_what_was_not_published);
	add_test(s, ready_counts_messages);
	add_test(s, record_longer_than_what_is_there_is_refused);
	return s;
}

IPK_TEST_MAIN(suite)
