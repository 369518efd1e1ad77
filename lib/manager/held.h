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

/* Some that were to be given back, for ipk__held_put_back() where that fails. */
struct ipk__held_taken {
	uint32_t epoch; /* the connection that it makes sense over; 0 any: they are not from here */
	uint64_t n;
};

/* Before @n are given back. -EOWNERDEAD: they were lost. */
static inline int ipk__held_take(struct ipk__held *h, uint64_t n, struct ipk__held_taken *ret_taken)
{
	uint64_t word, lost, k;

	ipk__held_begin(h);
	word = atomic_load(&h->word);
	while ((uint32_t)word > 0) {
		k = IPK__MIN(n, (uint32_t)word);
		if (!atomic_compare_exchange_weak(&h->word, &word, word - k))
			continue;
		*ret_taken = (struct ipk__held_taken){(uint32_t)(word >> 32), k};
		return 0;
	}
	*ret_taken = (struct ipk__held_taken){0};
	lost = atomic_load(&h->n_lost);
	while (lost > 0) {
		if (atomic_compare_exchange_weak(&h->n_lost, &lost, lost - IPK__MIN(n, lost)))
			return -EOWNERDEAD;
	}
	return 0;
}

/* They were not given back. If another connection has come meanwhile, they are lost. */
static inline void ipk__held_put_back(struct ipk__held *h, const struct ipk__held_taken *taken)
{
	uint64_t word = atomic_load(&h->word);

	while (word >> 32 == taken->epoch && taken->n > 0) {
		if (atomic_compare_exchange_weak(&h->word, &word, word + taken->n))
			return;
	}
	atomic_fetch_add(&h->n_lost, taken->n);
}

#endif
