/*
 * scribble_words.c - see scribble_words.h.
 *
 * The first check rejects pure noise. Most words are therefore nearly correct: another word of the
 * same object, an index, a length, a pid, a flipped bit.
 */
#include <string.h>

#include "scribble_words.h"

#define LINE_BYTES 64u
#define LINES_MAX 8u
#define WORDS_MAX 6u

/* --- chance ----------------------------------------------------------------------------------- */

uint64_t random_next(struct random *r)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint32_t random_below(struct random *r, uint32_t n)
{
	return (uint32_t)((random_next(r) >> 32) * n >> 32);
}

uint64_t random_hash(uint64_t seed, const char *text, uint64_t number)
{
	struct random r = {seed};

	for (; *text; text++)
		r.state = random_next(&r) ^ (unsigned char)*text;
	r.state = random_next(&r) ^ number;
	return random_next(&r);
}

/* --- places ----------------------------------------------------------------------------------- */

void paper_add(struct paper *p, volatile void *bytes, size_t n_bytes)
{
	if (p->n_regions < REGIONS_MAX && n_bytes >= LINE_BYTES)
		p->regions[p->n_regions++] = (struct region){bytes, n_bytes};
}

/* A place for @n_bytes, on a multiple of them: mostly in the beginning, where the state is. */
static volatile unsigned char *place(struct random *r, const struct paper *p, size_t n_bytes)
{
	const struct region *region = &p->regions[random_below(r, (uint32_t)p->n_regions)];
	size_t room = region->n_bytes;

	if (room > REGION_HEAD_BYTES && random_below(r, 4) != 0)
		room = REGION_HEAD_BYTES;
	return region->bytes + random_next(r) % (room / n_bytes) * n_bytes;
}

static uint64_t load(const volatile unsigned char *at, size_t n_bytes)
{
	switch (n_bytes) {
	case 1:
		return __atomic_load_n(at, __ATOMIC_RELAXED);
	case 2:
		return __atomic_load_n((const volatile uint16_t *)at, __ATOMIC_RELAXED);
	case 4:
		return __atomic_load_n((const volatile uint32_t *)at, __ATOMIC_RELAXED);
	default:
		return __atomic_load_n((const volatile uint64_t *)at, __ATOMIC_RELAXED);
	}
}

static void store(volatile unsigned char *at, size_t n_bytes, uint64_t word)
{
	switch (n_bytes) {
	case 1:
		__atomic_store_n(at, (unsigned char)word, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n((volatile uint16_t *)at, (uint16_t)word, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n((volatile uint32_t *)at, (uint32_t)word, __ATOMIC_RELAXED);
		break;
	default:
		__atomic_store_n((volatile uint64_t *)at, word, __ATOMIC_RELAXED);
	}
}

/* --- words ------------------------------------------------------------------------------------ */

/* Who has it, as a futex or a word of our own would say. */
static uint64_t owner_word(struct random *r, const struct paper *p)
{
	uint64_t id = p->ids[random_below(r, 4)];

	switch (random_below(r, 4)) {
	case 0:
		return id | 0x80000000u; /* FUTEX_WAITERS */
	case 1:
		return id | 0x40000000u; /* FUTEX_OWNER_DIED */
	case 2:
		return id << 32 | random_below(r, 4);
	default:
		return id;
	}
}

static uint64_t measure(struct random *r, const struct paper *p)
{
	const struct region *region = &p->regions[random_below(r, (uint32_t)p->n_regions)];

	switch (random_below(r, 4)) {
	case 0:
		return region->n_bytes - random_below(r, 128);
	case 1:
		return region->n_bytes + random_below(r, 128);
	case 2: /* a pointer that would do */
		return (uint64_t)(uintptr_t)place(r, p, 8);
	default:
		return (uint64_t)1 << random_below(r, 64);
	}
}

static uint64_t word(struct random *r, const struct paper *p, uint64_t old)
{
	switch (random_below(r, 12)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return random_below(r, 16);
	case 3:
		return random_below(r, 5000); /* an index, a count, a length */
	case 4:
		return random_below(r, 2) ? 0x8000000080000000u : 0x7fffffff7fffffffu;
	case 5:
		return old ^ (uint64_t)1 << random_below(r, 64);
	case 6:
		return old + random_below(r, 9) - 4;
	case 7:
		return load(place(r, p, 8), 8);
	case 8:
		return load(place(r, p, 4), 4);
	case 9:
		return owner_word(r, p);
	case 10:
		return measure(r, p);
	default:
		return random_next(r);
	}
}

static void write_word(struct random *r, const struct paper *p)
{
	static const uint8_t sizes[] = {8, 8, 8, 4, 4, 4, 4, 4, 2, 1};
	size_t n_bytes = sizes[random_below(r, sizeof sizes)];
	volatile unsigned char *at = place(r, p, n_bytes);

	store(at, n_bytes, word(r, p, load(at, n_bytes)));
}

/* --- more than a word ------------------------------------------------------------------------- */

static void fill(struct random *r, const struct paper *p, volatile unsigned char *at,
		 size_t n_bytes)
{
	uint32_t how = random_below(r, 3);
	uint64_t same = word(r, p, 0);
	volatile unsigned char *from = place(r, p, LINE_BYTES);

	for (size_t i = 0; i + 8 <= n_bytes; i += 8) {
		if (how == 0)
			store(at + i, 8, same);
		else if (how == 1)
			store(at + i, 8, word(r, p, load(at + i, 8)));
		else
			store(at + i, 8, load(from + i % LINE_BYTES, 8));
	}
}

static void fill_all(struct random *r, const struct paper *p)
{
	for (size_t i = 0; i < p->n_regions; i++) {
		size_t n_bytes = p->regions[i].n_bytes;

		if (n_bytes > 4 * REGION_HEAD_BYTES)
			n_bytes = 4 * REGION_HEAD_BYTES;
		fill(r, p, p->regions[i].bytes, n_bytes);
	}
}

void scribble_little(struct random *r, const struct paper *p)
{
	uint32_t n = random_below(r, 3) ? 1 : 1 + random_below(r, WORDS_MAX);

	if (random_below(r, 8) == 0) {
		fill(r, p, place(r, p, LINE_BYTES), LINE_BYTES);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		write_word(r, p);
}

void scribble(struct random *r, const struct paper *p)
{
	uint32_t what = random_below(r, 8);
	uint32_t n = 1 + random_below(r, LINES_MAX);

	if (what == 0) {
		fill_all(r, p);
	} else if (what == 1) {
		for (uint32_t i = 0; i < n; i++)
			fill(r, p, place(r, p, LINE_BYTES), LINE_BYTES);
	} else {
		scribble_little(r, p);
	}
}

void scribble_back_and_forth(struct random *r, const struct paper *p, uint32_t n)
{
	size_t n_bytes = random_below(r, 2) ? 8 : 4;
	volatile unsigned char *at = place(r, p, n_bytes);
	uint64_t old = load(at, n_bytes);
	uint64_t other = word(r, p, old);

	for (uint32_t i = 0; i < n; i++) {
		store(at, n_bytes, other);
		store(at, n_bytes, old);
	}
}
