/*
 * test_pool_heap.c - lib/pool/pool_heap.c: allocations never overlap, are reused, and large ones
 * return their memory.
 */
#include <stdint.h>
#include <string.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "pool/pool_heap.h"
#include "support/support.h"

enum { BEGIN = 3 * 4096, N_PIECES = 300 };
#define MAPPED ((uint64_t)1 << 30)

struct bench {
	struct ipk__pool_heap heap;
	char *base;
	int fd;
};

static void open_heap(struct bench *b, uint64_t mapped_bytes)
{
	void *base;

	ck_ok(ipk__os_memfd("ipk:test", &b->fd));
	ck_ok(ipk__os_set_size(b->fd, mapped_bytes));
	ck_ok(ipk__os_map_sparse(b->fd, mapped_bytes, true, &base));
	b->base = base;
	ipk__pool_heap_init(&b->heap, b->fd, base, BEGIN - 100, mapped_bytes);
}

static void close_heap(struct bench *b, uint64_t mapped_bytes)
{
	ipk__pool_heap_close(&b->heap);
	ipk__os_unmap(b->base, mapped_bytes);
	ipk__os_close(b->fd);
}

static uint64_t used_bytes(const struct bench *b)
{
	struct ipk__os_stat st;

	ck_ok(ipk__os_stat(b->fd, &st));
	return st.used_bytes;
}

static uint32_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*random >> 33);
}

struct piece {
	uint64_t offset, n_bytes;
	unsigned char mark;
};

static void mark(const struct bench *b, struct piece *p, unsigned char with)
{
	p->mark = with;
	memset(b->base + p->offset, with, p->n_bytes);
}

static void ck_marked(const struct bench *b, const struct piece *p)
{
	const char *at = b->base + p->offset;

	for (uint64_t i = 0; i < p->n_bytes; i++)
		if ((unsigned char)at[i] != p->mark)
			ck_abort_msg("byte %ju of %ju was overwritten", (uintmax_t)i,
				     (uintmax_t)p->n_bytes);
}

static uint64_t any_size(uint64_t *random)
{
	uint32_t bits = next_random(random) % 20;

	return 1 + next_random(random) % (1u << bits);
}

START_TEST(pieces_never_overlap)
{
	struct bench b;
	struct piece pieces[N_PIECES] = {0};
	uint64_t random = 7;

	open_heap(&b, MAPPED);
	for (int i = 0; i < repeats(6000); i++) {
		struct piece *p = &pieces[next_random(&random) % N_PIECES];

		if (p->n_bytes > 0) {
			ck_marked(&b, p);
			ipk__pool_heap_free(&b.heap, p->offset, p->n_bytes);
			p->n_bytes = 0;
			continue;
		}
		p->n_bytes = any_size(&random);
		ck_ok(ipk__pool_heap_alloc(&b.heap, p->n_bytes, &p->offset));
		ck_assert_uint_eq(p->offset % 64, 0);
		ck_assert_uint_ge(p->offset, BEGIN);
		ck_assert_uint_le(p->offset + p->n_bytes, MAPPED);
		mark(&b, p, (unsigned char)i);
	}
	for (int i = 0; i < N_PIECES; i++)
		ck_marked(&b, &pieces[i]);
	close_heap(&b, MAPPED);
}
END_TEST

START_TEST(small_pieces_are_used_again)
{
	struct bench b;
	uint64_t first, second, again;

	open_heap(&b, MAPPED);
	ck_ok(ipk__pool_heap_alloc(&b.heap, 100, &first));
	ck_ok(ipk__pool_heap_alloc(&b.heap, 128, &second));
	ck_assert_uint_ne(first, second);
	ipk__pool_heap_free(&b.heap, first, 100);
	ck_ok(ipk__pool_heap_alloc(&b.heap, 65, &again));
	ck_assert_uint_eq(again, first);
	ipk__pool_heap_free(&b.heap, second, 128);
	ipk__pool_heap_free(&b.heap, again, 65);
	for (int i = 0; i < 100000; i++) {
		ck_ok(ipk__pool_heap_alloc(&b.heap, 1000, &again));
		ipk__pool_heap_free(&b.heap, again, 1000);
	}
	ck_assert_uint_le(used_bytes(&b), 1 << 20);
	close_heap(&b, MAPPED);
}
END_TEST

START_TEST(large_pieces_give_their_memory_back)
{
	enum { LARGE = 5 << 20 };
	struct bench b;
	uint64_t offset, again;

	open_heap(&b, MAPPED);
	ck_ok(ipk__pool_heap_alloc(&b.heap, LARGE, &offset));
	memset(b.base + offset, 'x', LARGE);
	/* No more than was asked for, although the piece is 8 MiB. */
	ck_assert_uint_ge(used_bytes(&b), LARGE);
	ck_assert_uint_lt(used_bytes(&b), LARGE + (1 << 20));
	ipk__pool_heap_free(&b.heap, offset, LARGE);
	ck_assert_uint_eq(used_bytes(&b), 0);
	ck_ok(ipk__pool_heap_alloc(&b.heap, LARGE + 1, &again));
	ck_assert_uint_eq(again, offset);
	ck_assert_int_eq(b.base[again], 0);
	b.base[again + LARGE] = 'y';
	close_heap(&b, MAPPED);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
	enum { SMALL_HEAP = 4 << 20 };
	struct bench b;
	uint64_t offset, last = 0, n = 0;

	open_heap(&b, SMALL_HEAP);
	ck_err(ipk__pool_heap_alloc(&b.heap, SMALL_HEAP + 1, &offset), -ENOSPC);
	ck_err(ipk__pool_heap_alloc(&b.heap, UINT64_MAX, &offset), -ENOSPC);
	ck_ok(ipk__pool_heap_alloc(&b.heap, 1 << 20, &offset));
	while (ipk__pool_heap_alloc(&b.heap, 64 << 10, &last) == 0) {
		ck_assert_uint_le(last + (64 << 10), offset);
		n++;
	}
	ck_assert_uint_ge(n, 40);
	ck_err(ipk__pool_heap_alloc(&b.heap, 64 << 10, &last), -ENOSPC);
	ck_err(ipk__pool_heap_alloc(&b.heap, 1 << 20, &last), -ENOSPC);
	ipk__pool_heap_free(&b.heap, offset, 1 << 20);
	ck_ok(ipk__pool_heap_alloc(&b.heap, 1 << 20, &last));
	ck_assert_uint_eq(last, offset);
	close_heap(&b, SMALL_HEAP);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("room");

	add_test(s, pieces_never_overlap);
	add_test(s, small_pieces_are_used_again);
	add_test(s, large_pieces_give_their_memory_back);
	add_test(s, what_does_not_fit_is_refused);
	return s;
}
IPK_TEST_MAIN(suite)
