/*
 * sleep.h - sleeping on a futex word of an object, in slices, visible to inspection.
 *
 *   struct ipk__sleep s = IPK__SLEEP(&e->ref, IPK__WAIT_EVENT);
 *
 *   while (!is_set(seen = atomic_load(word)) && r == 0)
 *           r = ipk__sleep(&s, word, seen, deadline);
 *   ipk__sleep_end(&s);
 *
 * Unlike struct ipk__wait (wait.h) this lets the kernel choose which sleeper to wake: a killed
 * sleeper blocks no other. The thread that changes the word wakes.
 */
#ifndef IPK_SHARED_SLEEP_H
#define IPK_SHARED_SLEEP_H

#include "shared/arena.h"

struct ipk__sleep {
	const struct ipk__ref *ref;
	uint32_t what; /* IPK__WAIT_* */
	int64_t slice_ns;
	struct ipk__waiters *waiters; /* NULL: not registered yet */
	int slot;
	uint32_t n_retries;
	bool is_woken; /* the last slice did not time out: a wake, another value or a signal */
};

#define IPK__SLEEP(ref_, what_)                                                             \
	{                                                                                   \
		.ref = (ref_), .what = (what_), .slice_ns = IPK__SLICE_NS, .waiters = NULL, \
		.slot = -1                                                                  \
	}

/*
 * Sleeps while *word is @value, one slice at most: 0 check again; -ETIMEDOUT the deadline has
 * passed.
 */
int ipk__sleep(struct ipk__sleep *s, _Atomic uint32_t *word, uint32_t value, ipk_deadline deadline);
/*
 * After a compare-and-swap failed because another thread changed the word: 0 retry without
 * sleeping. -ETIMEDOUT the deadline has passed, or a caller that does not wait has retried too
 * often: a peer's writes cannot keep a call in its loop.
 */
int ipk__sleep_retry(struct ipk__sleep *s, ipk_deadline deadline);
void ipk__sleep_end(struct ipk__sleep *s);

#endif
