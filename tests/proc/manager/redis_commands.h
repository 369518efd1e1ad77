/*
 * redis_commands.h - commands of Redis by chance, from a pattern each.
 *
 *   "SET s v ( {NX|XX|EX t} )*"
 *
 * Capitals stand for themselves, a small letter for something of a kind (see generate()),
 * braces for one of several, brackets for perhaps, "( )*" for as often as it comes, "( )+"
 * for once at least; ";" ends a command and begins the next, which follows at once.
 */
#ifndef IPK_TESTS_REDIS_WORDS_H
#define IPK_TESTS_REDIS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { WORDS_MAX = 300, WORDS_BYTES = 1 << 17, WORDS_COMMANDS = 4 };

struct chance {
	uint64_t state;
	uint32_t n_times; /* no time to live is used twice */
};
uint64_t chance(struct chance *c, uint64_t below);

/* The commands that one pattern gave. */
struct words {
	struct ipk__slice argv[WORDS_MAX];
	size_t argc[WORDS_COMMANDS]; /* of each, one behind the other in argv */
	size_t n_commands;
	size_t n_words;
	char bytes[WORDS_BYTES];
	size_t n_bytes;
};

/* How wild: words left out, added and, with IS_FREE, put in place of others. */
enum { WORDS_TAME = 0, WORDS_CUT = 1, WORDS_FREE = 2 };
void words_generate(struct chance *c, const char *pattern, int wildness, struct words *ret_words);

#endif
