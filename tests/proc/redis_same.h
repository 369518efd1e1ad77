/*
 * redis_same.h - our server beside a real redis-server: the same long sequences of commands by
 * chance, right ones and wrong ones, and the same replies, byte for byte; then the same keys
 * with the same in them. Where Redis leaves an order open both are sorted.
 *
 * IPK_SEED=n gives other sequences. A failure shows what was asked, both replies, and what
 * was done to the same keys before. IPK_COUNTS=1 shows how often each command worked.
 */
#ifndef IPK_TESTS_REDIS_SAME_H
#define IPK_TESTS_REDIS_SAME_H

#include "proc/redis_pair.h"

/* In RESP2 or RESP3, from what is there on. */
void same_replies(struct pair *p, int resp, int n_commands, uint64_t seed);
/* The same sequences, but nothing is compared; how many were refused for want of memory. */
int same_words_alone(struct pair *p, int n_commands, uint64_t seed);
size_t same_keys(struct pair *p); /* all that is there on both sides; how many keys */
/* Each command has done something, and often, and each with each option that it takes. */
void same_counts(void);

#endif
