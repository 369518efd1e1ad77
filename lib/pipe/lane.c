/* lane.c - waiting at the two sides of a lane. */
#include "os/os.h"
#include "pipe/lane.h"

void ipk__lane_note_cpu(_Atomic uint32_t *word)
{
	uint32_t cpu = (uint32_t)ipk__os_cpu() + 1;

	if (atomic_load_explicit(word, memory_order_relaxed) != cpu)
		atomic_store_explicit(word, cpu, memory_order_relaxed);
}

int ipk__lane_wait_data(struct ipk__lane *lane, int (*ready)(void *, bool), void *arg,
			ipk_deadline deadline)
{
	struct ipk__wait w = {
		.event = &lane->shared->data,
		.waiters = lane->waiters,
		.what = IPK__WAIT_DATA,
		.patience = &lane->get_patience,
		.peer_cpu = &lane->shared->ring.writer_cpu,
		.ready = ready,
		.arg = arg,
	};

	ipk__lane_note_cpu(&lane->shared->ring.reader_cpu);
	return ipk__wait(&w, deadline);
}

int ipk__lane_wait_space(struct ipk__lane *lane, int (*ready)(void *, bool), void *arg,
			 ipk_deadline deadline)
{
	struct ipk__wait w = {
		.event = &lane->shared->space,
		.waiters = lane->waiters,
		.what = IPK__WAIT_SPACE,
		.patience = &lane->put_patience,
		.peer_cpu = &lane->shared->ring.reader_cpu,
		.ready = ready,
		.arg = arg,
	};

	ipk__lane_note_cpu(&lane->shared->ring.writer_cpu);
	return ipk__wait(&w, deadline);
}
