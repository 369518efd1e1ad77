/*
 * guard.c - a fork-safe lock between the threads of a process.
 *
 * The word names the holding thread. So a fork waits for other threads to release it, as
 * pthread_atfork() handlers do, but not for the forking thread itself: a signal handler may fork in
 * the middle of the code it interrupted. In the child the word is free, or names the only thread,
 * which continues with that code after the handler.
 *
 * Handlers of the host that were registered before ours (it has loaded this library later) run
 * while a fork holds the guard, in the thread that forks: that one may lock it again.
 *
 * A holder is not cancelled: pthread_cancel() takes effect after the release.
 */
#include <pthread.h>

#include "base/base_internal.h"
#include "os/os.h"

#define SOMEBODY_WAITS 0x80000000u

static void take_slowly(struct ipk__os_guard *g, uint32_t tid)
{
	uint32_t word = atomic_load_explicit(&g->word, memory_order_relaxed);

	for (;;) {
		/* Others may wait yet, for all we know. Pairs with the release in unlock(). */
		if (word == 0 && atomic_compare_exchange_strong_explicit(
					 &g->word, &word, tid | SOMEBODY_WAITS,
					 memory_order_acquire, memory_order_relaxed))
			return;
		if (word == 0)
			continue;
		if ((word & SOMEBODY_WAITS) || atomic_compare_exchange_strong_explicit(
						       &g->word, &word, word | SOMEBODY_WAITS,
						       memory_order_relaxed, memory_order_relaxed))
			(void)ipk__os_futex_wait(&g->word, word | SOMEBODY_WAITS, ipk_forever());
		word = atomic_load_explicit(&g->word, memory_order_relaxed);
	}
}

IPK__AT_FORK_CODE void ipk__os_guard_lock(struct ipk__os_guard *g)
{
	uint32_t tid = (uint32_t)ipk__os_tid();
	uint32_t nobody = 0;
	int cancel_state;

	if (ipk__os_guard_is_ours(g) && g->is_forking) {
		g->n_nested++;
		return;
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	/* Pairs with the release in unlock(). */
	if (!atomic_compare_exchange_strong_explicit(&g->word, &nobody, tid, memory_order_acquire,
						     memory_order_relaxed))
		take_slowly(g, tid);
	g->cancel_state = cancel_state;
}

IPK__AT_FORK_CODE void ipk__os_guard_unlock(struct ipk__os_guard *g)
{
	int cancel_state = g->cancel_state;

	if (g->n_nested > 0) {
		g->n_nested--;
		return;
	}
	/* Pairs with the acquires in lock(). */
	if (atomic_exchange_explicit(&g->word, 0, memory_order_release) & SOMEBODY_WAITS)
		(void)ipk__os_futex_wake(&g->word, 1);
	pthread_setcancelstate(cancel_state, &cancel_state);
}

IPK__AT_FORK_CODE bool ipk__os_guard_is_ours(const struct ipk__os_guard *g)
{
	/* Relaxed: only we write our own number. */
	return (atomic_load_explicit(&g->word, memory_order_relaxed) & ~SOMEBODY_WAITS) ==
	       (uint32_t)ipk__os_tid();
}

IPK__AT_FORK_CODE void ipk__os_guard_before_fork(struct ipk__os_guard *g)
{
	if (ipk__os_guard_is_ours(g)) {
		g->n_interrupted++;
		return;
	}
	ipk__os_guard_lock(g);
	g->is_forking = true;
}

IPK__AT_FORK_CODE void ipk__os_guard_after_fork(struct ipk__os_guard *g)
{
	if (g->n_interrupted > 0) {
		g->n_interrupted--;
		return;
	}
	g->is_forking = false;
	ipk__os_guard_unlock(g);
}

IPK__AT_FORK_CODE void ipk__os_guard_in_child(struct ipk__os_guard *g)
{
	uint32_t tid = g->n_interrupted > 0 ? (uint32_t)ipk__os_ask_tid() : 0;
	int cancel_state = g->cancel_state;

	/* Relaxed: there is one thread. */
	atomic_store_explicit(&g->word, tid, memory_order_relaxed);
	if (tid != 0) {
		g->n_interrupted--;
		return;
	}
	g->is_forking = false;
	g->n_nested = 0;
	pthread_setcancelstate(cancel_state, &cancel_state);
}
