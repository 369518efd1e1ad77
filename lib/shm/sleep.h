/*
 * sleep.h - sleeping on a futex word of an object, in slices, and being seen doing so.
 *
 *   struct ipk__sleep s = IPK__SLEEP(&e->ref, IPK__WAIT_EVENT);
 *
 *   while (!is_set(seen = atomic_load(word)) && r == 0)
 *           r = ipk__sleep(&s, word, seen, deadline);
 *   ipk__sleep_end(&s);
 *
 * Unlike struct ipk__wait (wait.h) this leaves the choice of whom to wake to the kernel: a
 * sleeper that was killed is in nobody's way. Whoever changes the word wakes.
 */
#ifndef IPK_SHM_SLEEP_H
#define IPK_SHM_SLEEP_H

#include "shm/arena.h"

struct ipk__sleep {
	const struct ipk__ref *ref;
	uint32_t what; /* IPK__WAIT_* */
	int64_t slice_ns;
	struct ipk__waiters *waiters; /* NULL: not registered yet */
	int slot;
	uint32_t n_retries;
	bool is_woken; /* the last slice did not end by time: a wake, another value or a signal */
};

#define IPK__SLEEP(ref_, what_)                                                             \
	{                                                                                   \
		.ref = (ref_), .what = (what_), .slice_ns = IPK__SLICE_NS, .waiters = NULL, \
		.slot = -1                                                                  \
	}

/*
 * Sleep while *word is @value, a slice at most: 0 look again; -ETIMEDOUT the deadline has
 * passed already, or now.
 */
int ipk__sleep(struct ipk__sleep *s, _Atomic uint32_t *word, uint32_t value, ipk_deadline deadline);
/*
 * What to do next failed because another changed a word meanwhile: 0 try again without sleeping.
 * -ETIMEDOUT the deadline has passed, or it was too often for one who does not wait: no peer's
 * writing keeps a call in its loop.
 */
int ipk__sleep_retry(struct ipk__sleep *s, ipk_deadline deadline);
void ipk__sleep_end(struct ipk__sleep *s);

#endif
