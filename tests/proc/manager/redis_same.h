/*
 * redis_same.h - our server beside a real redis-server: the same long random sequences of commands,
 * valid and invalid, must give the same replies, byte for byte, and then the same content of the
 * same keys. Where Redis leaves an order open both are sorted.
 *
 * IPK_SEED=n gives other sequences. A failure prints the request, both replies, and the earlier
 * requests on the same keys. IPK_COUNTS=1 prints how often each command succeeded.
 */
#ifndef IPK_TESTS_REDIS_SAME_H
#define IPK_TESTS_REDIS_SAME_H

#include "redis_pair.h"

/* In RESP2 or RESP3, from what is there on. */
void same_replies(struct pair *p, int resp, int n_commands, uint64_t seed);
/* The same sequences, but nothing is compared; how many were refused for want of memory. */
int same_words_alone(struct pair *p, int n_commands, uint64_t seed);
size_t same_keys(struct pair *p); /* all that is there on both sides; how many keys */
/* Each command has done something, and often, and each with each option that it takes. */
void same_counts(void);

#endif
