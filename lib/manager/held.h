/*
 * held.h - what a handle has got from the server and has to give back: permits, items to be done.
 *
 * It belongs to the connection that it came over: when that breaks, the server takes it back, and
 * giving it back over another one would give it back twice. Counted for the process that got it; the
 * child of a fork has nothing.
 */
#ifndef IPK_MANAGER_HELD_H
#define IPK_MANAGER_HELD_H

#include <errno.h>

#include "base/base_internal.h"
#include "os/os.h"

/* Zeroed: nothing. */
struct ipk__held {
	_Atomic uint64_t word; /* epoch and number, 32 bits each */
	_Atomic uint64_t n_lost;
	_Atomic pid_t pid;
};

static inline void ipk__held_begin(struct ipk__held *h)
{
	if (h->pid == ipk__os_pid())
		return;
	atomic_store(&h->word, 0);
	atomic_store(&h->n_lost, 0);
	h->pid = ipk__os_pid();
}

/* @n more, over connection @epoch; what came over an earlier one is lost. 0: unknown, not counted. */
static inline void ipk__held_add(struct ipk__held *h, uint32_t epoch, uint64_t n)
{
	uint64_t word, next;

	if (epoch == 0)
		return;
	ipk__held_begin(h);
	word = atomic_load(&h->word);
	do
		next = (uint64_t)epoch << 32 |
		       IPK__MIN((word >> 32 == epoch ? (uint32_t)word : 0) + n, UINT32_MAX);
	while (!atomic_compare_exchange_weak(&h->word, &word, next));
	if (word >> 32 != epoch)
		atomic_fetch_add(&h->n_lost, (uint32_t)word);
}

/*
 * Before @n are given back: *ret_epoch is the connection that this makes sense over, 0 any (they are
 * not from here). -EOWNERDEAD: they were lost.
 */
static inline int ipk__held_take(struct ipk__held *h, uint64_t n, uint32_t *ret_epoch)
{
	uint64_t word, lost;

	ipk__held_begin(h);
	word = atomic_load(&h->word);
	while ((uint32_t)word > 0) {
		if (!atomic_compare_exchange_weak(&h->word, &word,
						  word - IPK__MIN(n, (uint32_t)word)))
			continue;
		*ret_epoch = (uint32_t)(word >> 32);
		return 0;
	}
	*ret_epoch = 0;
	lost = atomic_load(&h->n_lost);
	while (lost > 0) {
		if (atomic_compare_exchange_weak(&h->n_lost, &lost, lost - IPK__MIN(n, lost)))
			return -EOWNERDEAD;
	}
	return 0;
}

#endif
