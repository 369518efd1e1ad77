/*
 * heap.c - the store's memory: chunks of 64 KiB, each divided into pieces of one size or into whole
 * pages.
 *
 * The bookkeeping is in private memory: a crash of the writer ends its store anyway, and readers
 * only follow refs. Only the free lists are in the pieces themselves (in a slot that readers do not
 * read). The lowest address is allocated first, so the memory in use gathers at the low end, chunks
 * become empty, and their pages can be returned to the system; ipk__heap_trim() does that in steps,
 * so freeing is always quick.
 *
 * A chunk has pages (fallocate) before anything in it is allocated: running out of memory is an
 * error of the allocating call, never a SIGBUS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "store/heap.h"

#define CHUNK IPK__STORE_CHUNK_BYTES
#define PAGE_BYTES ((size_t)4096)
#define CHUNK_PAGES ((uint32_t)(CHUNK / PAGE_BYTES))
#define ALL_PAGES ((1u << CHUNK_PAGES) - 1)
#define CHUNK_REFS ((uint32_t)(CHUNK / IPK__REF_UNIT))
#define BATCH_CHUNKS 4u /* that get their pages at once, at the end */
#define IDLE_CHUNKS 32u /* that keep their pages */
#define RUN_TRIES 32

enum { FREE, SMALL, RUN, FIXED };

struct ipk__chunk {
	uint8_t kind;
	uint8_t class;
	bool is_filled;
	uint16_t n_used;
	uint16_t n_fresh; /* pieces from here on were never given out */
	uint16_t head;    /* of the free ones, counted from 1 */
	uint16_t pages;   /* RUN: those in use */
	uint32_t *runs;   /* RUN: how many pages begin at each page */
};

/* Which chunks; three levels of bits, so that the lowest is found in three steps. */
#define SET_WORDS 16384u
struct ipk__chunk_set {
	uint64_t top[4];
	uint64_t mid[SET_WORDS / 64];
	uint64_t low[SET_WORDS];
};
#define CHUNKS_MAX (SET_WORDS * 64)

enum {
	SLOTS = IPK__HEAP_CLASSES, /* the class of slots */
	SET_PAGES,                 /* RUN chunks with free pages */
	SET_FREE,
	SET_IDLE, /* free, with pages */
	N_SETS,
};
#define NONE UINT32_MAX

/* --- sets ------------------------------------------------------------------------------------- */

static void set_add(struct ipk__chunk_set *s, uint32_t i)
{
	s->low[i >> 6] |= (uint64_t)1 << (i & 63);
	s->mid[i >> 12] |= (uint64_t)1 << (i >> 6 & 63);
	s->top[i >> 18] |= (uint64_t)1 << (i >> 12 & 63);
}

static void set_remove(struct ipk__chunk_set *s, uint32_t i)
{
	s->low[i >> 6] &= ~((uint64_t)1 << (i & 63));
	if (s->low[i >> 6] == 0)
		s->mid[i >> 12] &= ~((uint64_t)1 << (i >> 6 & 63));
	if (s->mid[i >> 12] == 0)
		s->top[i >> 18] &= ~((uint64_t)1 << (i >> 12 & 63));
}

static bool set_has(const struct ipk__chunk_set *s, uint32_t i)
{
	return i < CHUNKS_MAX && (s->low[i >> 6] >> (i & 63) & 1) != 0;
}

static uint32_t set_first(const struct ipk__chunk_set *s)
{
	for (uint32_t t = 0; t < IPK__N_OF(s->top); t++) {
		if (s->top[t] != 0) {
			uint32_t m = t * 64 + (uint32_t)__builtin_ctzll(s->top[t]);
			uint32_t l = m * 64 + (uint32_t)__builtin_ctzll(s->mid[m]);

			return l * 64 + (uint32_t)__builtin_ctzll(s->low[l]);
		}
	}
	return NONE;
}

static uint32_t set_last(const struct ipk__chunk_set *s)
{
	for (uint32_t t = IPK__N_OF(s->top); t-- > 0;) {
		if (s->top[t] != 0) {
			uint32_t m = t * 64 + 63 - (uint32_t)__builtin_clzll(s->top[t]);
			uint32_t l = m * 64 + 63 - (uint32_t)__builtin_clzll(s->mid[m]);

			return l * 64 + 63 - (uint32_t)__builtin_clzll(s->low[l]);
		}
	}
	return NONE;
}

/* Bits of @word from @from on; 64 is past the end. */
static uint64_t bits_from(uint64_t word, uint32_t from)
{
	return from < 64 ? word & (~(uint64_t)0 << from) : 0;
}

/* The first one from @from on. */
static uint32_t set_from(const struct ipk__chunk_set *s, uint32_t from)
{
	uint32_t l = from >> 6, m, t;
	uint64_t bits;

	if (from >= CHUNKS_MAX)
		return NONE;
	bits = bits_from(s->low[l], from & 63);
	if (bits == 0) {
		m = l >> 6;
		bits = bits_from(s->mid[m], (l & 63) + 1);
		if (bits == 0) {
			t = m >> 6;
			bits = bits_from(s->top[t], (m & 63) + 1);
			while (bits == 0 && ++t < IPK__N_OF(s->top))
				bits = s->top[t];
			if (bits == 0)
				return NONE;
			m = t * 64 + (uint32_t)__builtin_ctzll(bits);
			bits = s->mid[m];
		}
		l = m * 64 + (uint32_t)__builtin_ctzll(bits);
		bits = s->low[l];
	}
	return l * 64 + (uint32_t)__builtin_ctzll(bits);
}

/* --- sizes ------------------------------------------------------------------------------------ */

static uint32_t class_of(size_t n_bytes)
{
	uint32_t e;

	if (n_bytes <= 512)
		return n_bytes == 0 ? 0 : (uint32_t)(n_bytes - 1) / 16;
	e = 63 - (uint32_t)__builtin_clzll(n_bytes - 1);
	return 32 + (e - 9) * 8 + (uint32_t)((n_bytes - 1) >> (e - 3)) - 8;
}

static size_t class_bytes(uint32_t class)
{
	uint32_t k = class - 32;

	if (class == SLOTS)
		return IPK__SLOT_BYTES;
	return class < 32 ? (class + 1) * (size_t)16 : (size_t)(9 + k % 8) << (6 + k / 8);
}

size_t ipk__heap_round(size_t n_bytes)
{
	return n_bytes <= IPK__HEAP_SMALL_MAX ? class_bytes(class_of(n_bytes))
					      : ipk__round_up(n_bytes, PAGE_BYTES);
}

uint64_t ipk__heap_resident_bytes(const struct ipk__heap *h)
{
	return h->n_filled * CHUNK;
}

/* --- chunks ----------------------------------------------------------------------------------- */

int ipk__heap_init(struct ipk__heap *h, int fd, char *base, uint64_t mapped_bytes,
		   uint64_t fixed_bytes, _Atomic uint64_t *end_bytes)
{
	uint32_t n_max = (uint32_t)IPK__MIN(mapped_bytes / CHUNK, (uint64_t)CHUNKS_MAX);
	uint32_t n_fixed = (uint32_t)(fixed_bytes / CHUNK);
	struct ipk__chunk *chunks = ipk__os_calloc(n_max, sizeof *chunks);
	struct ipk__chunk_set *sets = ipk__os_calloc(N_SETS, sizeof *sets);

	if (!chunks || !sets) {
		free(chunks);
		free(sets);
		return -ENOMEM;
	}
	for (uint32_t c = 0; c < n_fixed; c++)
		chunks[c] = (struct ipk__chunk){.kind = FIXED, .is_filled = true};
	*h = (struct ipk__heap){
		.base = base,
		.fd = fd,
		.n_chunks = n_fixed,
		.n_chunks_max = n_max,
		.n_fixed = n_fixed,
		.n_filled = n_fixed,
		.live_bytes = fixed_bytes,
		.max_bytes = UINT64_MAX,
		.chunks = chunks,
		.sets = sets,
		.end_bytes = end_bytes,
	};
	atomic_store_explicit(end_bytes, fixed_bytes, memory_order_relaxed);
	return 0;
}

void ipk__heap_fini(struct ipk__heap *h)
{
	for (uint32_t c = 0; c < h->n_chunks && h->chunks; c++)
		free(h->chunks[c].runs);
	free(h->chunks);
	free(h->sets);
	h->chunks = NULL;
	h->sets = NULL;
}

/* Free chunks [@c, @c + @n): whatever of it has no pages gets them. */
static int fill(struct ipk__heap *h, uint32_t c, uint32_t n)
{
	for (uint32_t i = c; i < c + n;) {
		uint32_t from = i;
		int r;

		while (i < c + n && !h->chunks[i].is_filled)
			i++;
		if (i == from) {
			i++;
			continue;
		}
		r = ipk__os_allocate(h->fd, from * CHUNK, (i - from) * CHUNK);
		if (r < 0) {
			ipk__os_deallocate(h->fd, from * CHUNK, (i - from) * CHUNK);
			return r == -ENOMEM ? -ENOMEM : -ENOSPC;
		}
		for (uint32_t k = from; k < i; k++) {
			h->chunks[k].is_filled = true;
			set_add(&h->sets[SET_IDLE], k);
		}
		h->n_filled += i - from;
		h->n_idle += i - from;
	}
	return 0;
}

/* @n more chunks at the end, free and without pages. */
static int extend(struct ipk__heap *h, uint32_t n)
{
	if (n > h->n_chunks_max - h->n_chunks)
		return -ENOSPC;
	for (uint32_t i = 0; i < n; i++) {
		h->chunks[h->n_chunks] = (struct ipk__chunk){.kind = FREE};
		set_add(&h->sets[SET_FREE], h->n_chunks++);
	}
	atomic_store_explicit(h->end_bytes, h->n_chunks * CHUNK, memory_order_relaxed);
	return 0;
}

/* Chunks in a row that are free, lowest first, or more at the end. */
static int find_free(struct ipk__heap *h, uint32_t n, uint32_t *ret_chunk)
{
	struct ipk__chunk_set *free_ones = &h->sets[SET_FREE];
	uint32_t c = set_first(free_ones), run = 0;
	int r;

	for (; c != NONE; c = set_from(free_ones, c + run)) {
		run = 1;
		while (run < n && set_has(free_ones, c + run))
			run++;
		if (run == n) {
			*ret_chunk = c;
			return 0;
		}
		if (c + run == h->n_chunks)
			break;
	}
	if (c == NONE) {
		c = h->n_chunks;
		run = 0;
	}
	r = extend(h, n - run);
	if (r == 0)
		*ret_chunk = c;
	return r;
}

static void take(struct ipk__heap *h, uint32_t c, uint32_t kind)
{
	if (h->chunks[c].is_filled) {
		set_remove(&h->sets[SET_IDLE], c);
		h->n_idle--;
	}
	set_remove(&h->sets[SET_FREE], c);
	h->chunks[c].kind = (uint8_t)kind;
}

static void give_back(struct ipk__heap *h, uint32_t c)
{
	bool is_filled = h->chunks[c].is_filled;

	free(h->chunks[c].runs);
	h->chunks[c] = (struct ipk__chunk){.kind = FREE, .is_filled = is_filled};
	set_add(&h->sets[SET_FREE], c);
	if (is_filled) {
		set_add(&h->sets[SET_IDLE], c);
		h->n_idle++;
	}
}

bool ipk__heap_trim(struct ipk__heap *h)
{
	uint32_t c = h->n_idle > IDLE_CHUNKS ? set_last(&h->sets[SET_IDLE]) : NONE;

	if (c == NONE || ipk__os_deallocate(h->fd, c * CHUNK, CHUNK) < 0)
		return false;
	h->chunks[c].is_filled = false;
	set_remove(&h->sets[SET_IDLE], c);
	h->n_idle--;
	h->n_filled--;
	return true;
}

/* --- small pieces ----------------------------------------------------------------------------- */

/* A chunk for pieces of @class. Pages come in batches where there were none yet. */
static int new_small(struct ipk__heap *h, uint32_t class, uint32_t *ret_chunk)
{
	uint32_t c = set_first(&h->sets[SET_FREE]);
	int r = 0;

	if (c == NONE) {
		c = h->n_chunks;
		r = extend(h, 1);
		if (r == 0 &&
		    extend(h, IPK__MIN(BATCH_CHUNKS - 1, h->n_chunks_max - h->n_chunks)) == 0)
			(void)fill(h, c, h->n_chunks - c);
	}
	if (r == 0)
		r = fill(h, c, 1);
	if (r < 0)
		return r;
	take(h, c, SMALL);
	h->chunks[c].class = (uint8_t) class;
	if (class == SLOTS)
		memset(h->base + c * CHUNK, 0, CHUNK);
	set_add(&h->sets[class], c);
	*ret_chunk = c;
	return 0;
}

/* Where a free piece has the number of the next one. */
static uint32_t *link_of(const struct ipk__heap *h, uint32_t c, uint32_t class, uint32_t piece)
{
	char *p = h->base + c * CHUNK + piece * class_bytes(class);

	return (uint32_t *)(class == SLOTS ? p + offsetof(struct ipk__shm_slot, next) : p);
}

/* *ret_at is where the piece begins, in bytes. */
static int alloc_small(struct ipk__heap *h, uint32_t class, uint64_t *ret_at)
{
	uint32_t c = set_first(&h->sets[class]), piece;
	size_t n_bytes = class_bytes(class);
	struct ipk__chunk *chunk;
	int r;

	if (c == NONE) {
		r = new_small(h, class, &c);
		if (r < 0)
			return r;
	}
	chunk = &h->chunks[c];
	if (chunk->head != 0) {
		piece = chunk->head - 1u;
		chunk->head = (uint16_t)*link_of(h, c, class, piece);
	} else {
		piece = chunk->n_fresh++;
	}
	chunk->n_used++;
	if (chunk->head == 0 && chunk->n_fresh == CHUNK / n_bytes)
		set_remove(&h->sets[class], c);
	h->live_bytes += n_bytes;
	*ret_at = c * CHUNK + piece * n_bytes;
	return 0;
}

static void free_small(struct ipk__heap *h, uint64_t at)
{
	uint32_t c = (uint32_t)(at / CHUNK);
	struct ipk__chunk *chunk = &h->chunks[c];
	uint32_t class = chunk->class;
	size_t n_bytes = class_bytes(class);
	uint32_t piece = (uint32_t)(at % CHUNK / n_bytes);

	h->live_bytes -= n_bytes;
	__atomic_store_n(link_of(h, c, class, piece), chunk->head, __ATOMIC_RELAXED);
	chunk->head = (uint16_t)(piece + 1);
	set_add(&h->sets[class], c);
	if (--chunk->n_used == 0 && class != SLOTS) {
		set_remove(&h->sets[class], c);
		give_back(h, c);
	}
}

/* --- pages ------------------------------------------------------------------------------------ */

/* A gap of @n pages in a chunk; -1 there is none. */
static int find_gap(uint16_t pages, uint32_t n)
{
	uint32_t mask = (1u << n) - 1;

	for (uint32_t i = 0; i + n <= CHUNK_PAGES; i++) {
		if ((pages & mask << i) == 0)
			return (int)i;
	}
	return -1;
}

static void use_pages(struct ipk__heap *h, uint32_t c, uint32_t first, uint32_t n)
{
	struct ipk__chunk *chunk = &h->chunks[c];

	chunk->pages |= (uint16_t)(((1u << n) - 1) << first);
	if (chunk->pages == ALL_PAGES)
		set_remove(&h->sets[SET_PAGES], c);
	else
		set_add(&h->sets[SET_PAGES], c);
}

/* A new chunk for runs; *ret_chunk is the first of as many as @n_pages need. */
static int new_runs(struct ipk__heap *h, uint32_t n_pages, bool filled, uint32_t *ret_chunk)
{
	uint32_t n = (n_pages + CHUNK_PAGES - 1) / CHUNK_PAGES, c = 0;
	uint32_t rest = n_pages % CHUNK_PAGES;
	uint32_t *first_runs = ipk__os_calloc(CHUNK_PAGES, sizeof *first_runs);
	/* The last one's other pages are for others. */
	uint32_t *last_runs =
		n > 1 && rest != 0 ? ipk__os_calloc(CHUNK_PAGES, sizeof *last_runs) : NULL;
	int r = !first_runs || (n > 1 && rest != 0 && !last_runs) ? -ENOMEM : 0;

	if (r == 0)
		r = find_free(h, n, &c);
	if (r == 0 && filled)
		r = fill(h, c, n);
	if (r < 0) {
		free(first_runs);
		free(last_runs);
		return r;
	}
	for (uint32_t i = 0; i < n; i++)
		take(h, c + i, RUN);
	h->chunks[c].runs = first_runs;
	if (n > 1)
		h->chunks[c + n - 1].runs = last_runs;
	*ret_chunk = c;
	return 0;
}

static int alloc_pages(struct ipk__heap *h, uint32_t n_pages, uint64_t *ret_at)
{
	uint32_t c = n_pages < CHUNK_PAGES ? set_first(&h->sets[SET_PAGES]) : NONE;
	int gap = -1;

	for (int i = 0; c != NONE && i < RUN_TRIES; i++) {
		gap = find_gap(h->chunks[c].pages, n_pages);
		if (gap >= 0)
			break;
		c = set_from(&h->sets[SET_PAGES], c + 1);
	}
	if (gap < 0) {
		int r = new_runs(h, n_pages, true, &c);

		if (r < 0)
			return r;
		gap = 0;
	}
	h->chunks[c].runs[gap] = n_pages;
	for (uint32_t i = c, left = n_pages; left > 0; i++) {
		uint32_t n = IPK__MIN(left, CHUNK_PAGES);

		use_pages(h, i, i == c ? (uint32_t)gap : 0, n);
		left -= n;
	}
	h->live_bytes += n_pages * PAGE_BYTES;
	*ret_at = c * CHUNK + (uint32_t)gap * PAGE_BYTES;
	return 0;
}

static void free_pages(struct ipk__heap *h, uint64_t at)
{
	uint32_t c = (uint32_t)(at / CHUNK);
	uint32_t page = (uint32_t)(at % CHUNK / PAGE_BYTES);
	uint32_t left = h->chunks[c].runs[page];

	h->live_bytes -= left * PAGE_BYTES;
	h->chunks[c].runs[page] = 0;
	for (; left > 0; c++, page = 0) {
		uint32_t n = IPK__MIN(left, CHUNK_PAGES - page);
		struct ipk__chunk *chunk = &h->chunks[c];

		chunk->pages &= (uint16_t) ~(((1u << n) - 1) << page);
		set_add(&h->sets[SET_PAGES], c);
		if (chunk->pages == 0) {
			set_remove(&h->sets[SET_PAGES], c);
			give_back(h, c);
		}
		left -= n;
	}
}

/* --- what others call ------------------------------------------------------------------------- */

static bool fits(const struct ipk__heap *h, uint64_t n_bytes)
{
	return n_bytes <= h->max_bytes && h->live_bytes <= h->max_bytes - n_bytes;
}

int ipk__heap_alloc(struct ipk__heap *h, size_t n_bytes, uint32_t *ret_ref)
{
	uint64_t at;
	int r;

	if (!fits(h, ipk__heap_round(n_bytes)))
		return -ENOSPC;
	if (n_bytes <= IPK__HEAP_SMALL_MAX)
		r = alloc_small(h, class_of(n_bytes), &at);
	else
		r = alloc_pages(h, (uint32_t)((n_bytes + PAGE_BYTES - 1) / PAGE_BYTES), &at);
	if (r == 0)
		*ret_ref = (uint32_t)(at / IPK__REF_UNIT);
	return r;
}

void ipk__heap_free(struct ipk__heap *h, uint32_t ref)
{
	uint64_t at = (uint64_t)ref * IPK__REF_UNIT;

	if (ref == 0)
		return;
	if (h->chunks[at / CHUNK].kind == SMALL)
		free_small(h, at);
	else
		free_pages(h, at);
}

size_t ipk__heap_room(const struct ipk__heap *h, uint32_t ref)
{
	const struct ipk__chunk *chunk = &h->chunks[ref / CHUNK_REFS];

	if (chunk->kind == SMALL)
		return class_bytes(chunk->class);
	return chunk->runs[ref % CHUNK_REFS * IPK__REF_UNIT / PAGE_BYTES] * PAGE_BYTES;
}

int ipk__heap_alloc_slot(struct ipk__heap *h, uint32_t *ret_slot)
{
	uint64_t at;
	int r = fits(h, IPK__SLOT_BYTES) ? alloc_small(h, SLOTS, &at) : -ENOSPC;

	if (r == 0)
		*ret_slot = (uint32_t)(at / IPK__SLOT_BYTES);
	return r;
}

void ipk__heap_free_slot(struct ipk__heap *h, uint32_t slot)
{
	free_small(h, (uint64_t)slot * IPK__SLOT_BYTES);
}

int ipk__heap_alloc_chunks(struct ipk__heap *h, uint32_t n_chunks, uint32_t *ret_ref)
{
	uint32_t c;
	int r = fits(h, n_chunks * CHUNK) ? new_runs(h, n_chunks * CHUNK_PAGES, false, &c)
					  : -ENOSPC;

	if (r < 0)
		return r;
	h->chunks[c].runs[0] = n_chunks * CHUNK_PAGES;
	for (uint32_t i = 0; i < n_chunks; i++)
		h->chunks[c + i].pages = ALL_PAGES;
	h->live_bytes += n_chunks * CHUNK;
	*ret_ref = c * CHUNK_REFS;
	return 0;
}

int ipk__heap_fill_chunk(struct ipk__heap *h, uint32_t ref, uint32_t i)
{
	uint32_t c = ref / CHUNK_REFS + i;
	int r;

	if (h->chunks[c].is_filled) {
		memset(h->base + c * CHUNK, 0, CHUNK);
		return 0;
	}
	r = ipk__os_allocate(h->fd, c * CHUNK, CHUNK);
	if (r < 0) {
		ipk__os_deallocate(h->fd, c * CHUNK, CHUNK);
		return r;
	}
	h->chunks[c].is_filled = true;
	h->n_filled++;
	return 0;
}
