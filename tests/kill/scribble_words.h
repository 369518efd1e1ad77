/*
 * scribble_words.h - what a broken or hostile peer writes into memory that it shares.
 *
 * All follows from a seed: the same seed writes the same words at the same places.
 */
#ifndef IPK_KILL_SCRIBBLE_WORDS_H
#define IPK_KILL_SCRIBBLE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

uint64_t random_next(struct random *r);
uint32_t random_below(struct random *r, uint32_t n); /* n > 0 */
uint64_t random_hash(uint64_t seed, const char *text, uint64_t number);

/* Memory that may be written over. */
struct region {
	volatile unsigned char *bytes;
	size_t n_bytes;
};

enum { REGIONS_MAX = 64, REGION_HEAD_BYTES = 12 << 10 };

struct paper {
	struct region regions[REGIONS_MAX];
	size_t n_regions;
	uint32_t ids[4]; /* pids that mean something in it */
};

void paper_add(struct paper *p, volatile void *bytes, size_t n_bytes);

/* One to a few words, a cache line or some, or everything. */
void scribble(struct random *r, const struct paper *p);
/* The same, but never more than a line: for writing on and on. */
void scribble_little(struct random *r, const struct paper *p);
/* A word back and forth between what it was and something else, @n times. */
void scribble_back_and_forth(struct random *r, const struct paper *p, uint32_t n);

#endif
