/* store_model.h - what the tests of the store have in common. */
#ifndef IPK_TESTS_STORE_MODEL_H
#define IPK_TESTS_STORE_MODEL_H

#include <stdio.h>
#include <string.h>

#include "store/store.h"
#include "support/support.h"

static inline struct ipk__store *open_store(void)
{
	struct ipk__store_opts opts = {.label = "test"};
	struct ipk__store *s = NULL;

	ck_ok(ipk__store_create(&opts, &s));
	return s;
}

static inline void settle_store(struct ipk__store *s)
{
	while (ipk__store_step(s, 1000000))
		;
}

/* The name with number @i; good until the eighth call after it. */
static inline struct ipk__slice name_of(unsigned i)
{
	static char names[8][24];
	static unsigned next;
	char *name = names[next++ % 8];

	snprintf(name, sizeof names[0], "name:%u", i);
	return ipk__slice_of_string(name);
}

/* The next of a row of numbers that look random, the same in each run. */
static inline uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

#define ck_slice(slice, text)                                                                   \
	do {                                                                                    \
		struct ipk__slice ck_s_ = (slice);                                              \
		ck_assert_msg(ipk__slice_equal(ck_s_, ipk__slice_of_string(text)),              \
			      "\"%.*s\" is not \"%s\"", (int)ck_s_.n_bytes, ck_s_.bytes, text); \
	} while (0)

#endif
