/* lane.c - waiting at the two sides of a lane. */
#include "os/os.h"
#include "pipe/lane.h"

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

	ipk__lane_note_cpu(&lane->shared->ring.reader_cpu, (uint32_t)ipk__os_cpu());
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

	ipk__lane_note_cpu(&lane->shared->ring.writer_cpu, (uint32_t)ipk__os_cpu());
	return ipk__wait(&w, deadline);
}
