/*
 * test_heap.c - lib/store/heap.c: allocations never overlap, whatever their sizes, and freed memory
 * is reused and returned.
 */
#include "os/os.h"
#include "store/heap.h"
#include "unit/store/store_model.h"

enum { FIXED = 2 * IPK__STORE_CHUNK_BYTES, N_PIECES = 3000 };
#define MAPPED ((uint64_t)256 << 20)

struct bench {
	struct ipk__heap h;
	char *base;
	int fd;
	_Atomic uint64_t end_bytes;
};

static void open_heap(struct bench *b, uint64_t mapped_bytes)
{
	void *base;

	ck_ok(ipk__os_memfd("ipk:test", &b->fd));
	ck_ok(ipk__os_set_size(b->fd, mapped_bytes));
	ck_ok(ipk__os_allocate(b->fd, 0, FIXED));
	ck_ok(ipk__os_map_sparse(b->fd, mapped_bytes, true, &base));
	b->base = base;
	ck_ok(ipk__heap_init(&b->h, b->fd, base, mapped_bytes, FIXED, &b->end_bytes));
}

static void close_heap(struct bench *b, uint64_t mapped_bytes)
{
	ipk__heap_fini(&b->h);
	ipk__os_unmap(b->base, mapped_bytes);
	ipk__os_close(b->fd);
}

START_TEST(rounding)
{
	size_t last = 16;

	for (size_t n = 0; n <= 40000; n++) {
		size_t rounded = ipk__heap_round(n);

		ck_assert_uint_ge(rounded, n);
		ck_assert_uint_ge(rounded, last);
		ck_assert_uint_eq(rounded % 16, 0);
		ck_assert_uint_eq(ipk__heap_round(rounded), rounded);
		if (n > 16)
			ck_assert_uint_le(rounded, n <= 512     ? n + 15
						   : n <= 16384 ? n + n / 8 + 16
								: n + 4095);
		last = rounded;
	}
}
END_TEST

static size_t any_size(uint64_t *random)
{
	uint32_t r = next_random(random);

	switch (r % 64) {
	case 0:
		return r / 64 % 1000000;
	case 1:
		return r / 64 % 70000;
	default:
		return r % 64 < 10 ? r / 64 % 17000 : r / 64 % 600;
	}
}

/* A piece is filled with its number, and found so when it is freed. */
START_TEST(pieces_are_apart)
{
	struct bench b;
	static uint32_t refs[N_PIECES];
	static size_t sizes[N_PIECES];
	uint64_t random = 2, live = 0;
	unsigned n_there = 0;

	open_heap(&b, MAPPED);
	for (unsigned k = 0; k < repeats(12000); k++) {
		unsigned i = next_random(&random) % (k / 2000 % 2 ? N_PIECES / 10 : N_PIECES);
		unsigned char *p = ipk__heap_at(&b.h, refs[i]);

		if (refs[i] == 0) {
			sizes[i] = any_size(&random);
			ck_ok(ipk__heap_alloc(&b.h, sizes[i], &refs[i]));
			p = ipk__heap_at(&b.h, refs[i]);
			ck_assert_uint_ge((uint64_t)((char *)p - b.base), FIXED);
			ck_assert_uint_le((uint64_t)((char *)p - b.base) + sizes[i], b.end_bytes);
			ck_assert_uint_eq(ipk__heap_room(&b.h, refs[i]), ipk__heap_round(sizes[i]));
			memset(p, (int)i, sizes[i]);
			live += ipk__heap_round(sizes[i]);
			n_there++;
		} else {
			for (size_t at = 0; at < sizes[i]; at += sizes[i] < 600 ? 1 : 97)
				ck_assert_uint_eq(p[at], (unsigned char)i);
			live -= ipk__heap_round(sizes[i]);
			ipk__heap_free(&b.h, refs[i]);
			refs[i] = 0;
			n_there--;
		}
		ck_assert_uint_eq(b.h.live_bytes, FIXED + live);
		if (k % 16 == 0)
			ipk__heap_trim(&b.h);
	}
	for (unsigned i = 0; i < N_PIECES; i++)
		ipk__heap_free(&b.h, refs[i]);
	while (ipk__heap_trim(&b.h))
		;
	ck_assert_uint_eq(b.h.live_bytes, FIXED);
	/* Fixed chunks, and a few that are kept for the next. */
	ck_assert_uint_le(ipk__heap_resident_bytes(&b.h), FIXED + 40 * IPK__STORE_CHUNK_BYTES);
	close_heap(&b, MAPPED);
}
END_TEST

START_TEST(slots_stay_slots)
{
	enum { N = 2000 };
	struct bench b;
	static uint32_t slots[N];
	uint32_t ref;

	open_heap(&b, MAPPED);
	for (unsigned i = 0; i < N; i++) {
		ck_ok(ipk__heap_alloc_slot(&b.h, &slots[i]));
		ck_assert_uint_eq(ipk__heap_slot(&b.h, slots[i])->seq, 0);
		ipk__heap_slot(&b.h, slots[i])->seq = 2 * i + 2;
	}
	for (unsigned i = 0; i < N; i++)
		ipk__heap_free_slot(&b.h, slots[i]);
	/* Other memory is never where a slot was, and a slot keeps its sequence. */
	for (unsigned i = 0; i < 4 * N; i++) {
		ck_ok(ipk__heap_alloc(&b.h, 128, &ref));
		memset(ipk__heap_at(&b.h, ref), 255, 128);
	}
	for (unsigned i = 0; i < N; i++) {
		struct ipk__shm_slot *slot = ipk__heap_slot(&b.h, slots[i]);

		ck_assert_uint_eq(slot->seq, 2 * i + 2);
		ck_ok(ipk__heap_alloc_slot(&b.h, &ref));
		ck_assert_uint_le(ipk__heap_slot(&b.h, ref)->seq, 2 * N);
	}
	close_heap(&b, MAPPED);
}
END_TEST

START_TEST(full)
{
	struct bench b;
	uint32_t ref = 77, n = 0, first = 0;
	uint64_t mapped = FIXED + 10 * IPK__STORE_CHUNK_BYTES;
	int r;

	open_heap(&b, mapped);
	while ((r = ipk__heap_alloc(&b.h, 20000, &ref)) == 0)
		first = n++ == 0 ? ref : first;
	ck_err(r, -ENOSPC);
	ck_assert_uint_eq(n, 30); /* three of five pages each in a chunk of sixteen */
	ck_err(ipk__heap_alloc(&b.h, 700000, &ref), -ENOSPC);
	ck_err(ipk__heap_alloc_chunks(&b.h, 1, &ref), -ENOSPC);
	ipk__heap_free(&b.h, first);
	ck_ok(ipk__heap_alloc(&b.h, 20000, &ref));
	ck_assert_uint_eq(ref, first);
	b.h.max_bytes = b.h.live_bytes + 4096;
	ipk__heap_free(&b.h, first);
	ck_ok(ipk__heap_alloc(&b.h, 20000, &ref));
	ck_err(ipk__heap_alloc(&b.h, 20000, &ref), -ENOSPC);
	close_heap(&b, mapped);
}
END_TEST

/* Whole chunks come with pages one by one, zeroed, also where something else was before. */
START_TEST(chunks_in_steps)
{
	struct bench b;
	uint32_t ref, other;

	open_heap(&b, MAPPED);
	ck_ok(ipk__heap_alloc(&b.h, 3 * IPK__STORE_CHUNK_BYTES, &other));
	memset(ipk__heap_at(&b.h, other), 255, 3 * IPK__STORE_CHUNK_BYTES);
	ipk__heap_free(&b.h, other);
	ck_ok(ipk__heap_alloc_chunks(&b.h, 8, &ref));
	ck_assert_uint_eq(ref, other);
	for (uint32_t i = 0; i < 8; i++) {
		const char *p = (char *)ipk__heap_at(&b.h, ref) + i * IPK__STORE_CHUNK_BYTES;

		ck_ok(ipk__heap_fill_chunk(&b.h, ref, i));
		for (size_t at = 0; at < IPK__STORE_CHUNK_BYTES; at++)
			ck_assert_int_eq(p[at], 0);
	}
	ck_assert_uint_eq(ipk__heap_room(&b.h, ref), 8 * IPK__STORE_CHUNK_BYTES);
	ipk__heap_free(&b.h, ref);
	/* Freed before all of it had pages. */
	ck_ok(ipk__heap_alloc_chunks(&b.h, 100, &ref));
	ck_ok(ipk__heap_fill_chunk(&b.h, ref, 0));
	ipk__heap_free(&b.h, ref);
	ck_ok(ipk__heap_alloc(&b.h, 100 * IPK__STORE_CHUNK_BYTES, &ref));
	memset(ipk__heap_at(&b.h, ref), 1, 100 * IPK__STORE_CHUNK_BYTES);
	ipk__heap_free(&b.h, ref);
	ck_assert_uint_eq(b.h.live_bytes, FIXED);
	close_heap(&b, MAPPED);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("heap");

	add_test(s, rounding);
	add_test(s, pieces_are_apart);
	add_test(s, slots_stay_slots);
	add_test(s, full);
	add_test(s, chunks_in_steps);
	return s;
}

IPK_TEST_MAIN(suite)
