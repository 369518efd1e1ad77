/* channel.c - blocking at the two sides of a channel. */
#include "os/os.h"
#include "pipe/channel.h"

void ipk__channel_note_cpu(_Atomic uint32_t *word)
{
	uint32_t cpu = (uint32_t)ipk__os_cpu() + 1;

	if (atomic_load_explicit(word, memory_order_relaxed) != cpu)
		atomic_store_explicit(word, cpu, memory_order_relaxed);
}

int ipk__channel_wait_data(struct ipk__channel *channel, int (*ready)(void *, bool), void *arg,
			   ipk_deadline deadline)
{
	struct ipk__wait w = {
		.queue = &channel->shared->data,
		.waiters = channel->waiters,
		.what = IPK__WAIT_DATA,
		.spin = &channel->get_spin,
		.peer_cpu = &channel->shared->ring.writer_cpu,
		.ready = ready,
		.arg = arg,
	};

	ipk__channel_note_cpu(&channel->shared->ring.reader_cpu);
	return ipk__wait(&w, deadline);
}

int ipk__channel_wait_space(struct ipk__channel *channel, int (*ready)(void *, bool), void *arg,
			    ipk_deadline deadline)
{
	struct ipk__wait w = {
		.queue = &channel->shared->space,
		.waiters = channel->waiters,
		.what = IPK__WAIT_SPACE,
		.spin = &channel->put_spin,
		.peer_cpu = &channel->shared->ring.reader_cpu,
		.ready = ready,
		.arg = arg,
	};

	ipk__channel_note_cpu(&channel->shared->ring.writer_cpu);
	return ipk__wait(&w, deadline);
}
