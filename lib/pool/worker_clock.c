/*
 * worker_clock.c - since when a worker does what it does, by its creator's clock.
 *
 * A creator may have made a time namespace for its children, which it is not in itself. A worker
 * that began between its spawn and now has our clock. Another is taken to have begun now, which is a
 * moment late, so no time limit ends early.
 */
#include "pool/pool_internal.h"

void ipk__worker_clock_note(ipk_pool *pool, unsigned worker)
{
	struct ipk__worker_handle *m = &pool->handles[worker];
	int64_t began_ns = atomic_load(&pool->shared->workers[worker].began_ns);
	int64_t now_ns = ipk__os_now_ns();

	if (m->knows_shift || began_ns == 0)
		return;
	m->knows_shift = true;
	if (began_ns < m->spawned_ns || began_ns > now_ns)
		m->clock_shift_ns = (int64_t)((uint64_t)began_ns - (uint64_t)now_ns);
}

int64_t ipk__worker_clock_since_ns(ipk_pool *pool, unsigned worker)
{
	const struct ipk__worker_handle *m = &pool->handles[worker];
	uint64_t since_ns = (uint64_t)atomic_load(&pool->shared->workers[worker].since_ns);
	int64_t ours_ns;

	ipk__worker_clock_note(pool, worker);
	ours_ns = (int64_t)(since_ns - (uint64_t)m->clock_shift_ns);
	/* Whatever it wrote. */
	return ipk__sooner_ns(IPK__MAX(ours_ns, m->spawned_ns), ipk__os_now_ns());
}
