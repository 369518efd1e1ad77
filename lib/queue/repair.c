/*
 * repair.c - recovery after a process died inside a queue.
 *
 * Items need no repair: one store decides whether each exists. Derived state is recomputed, with
 * both locks held so that nothing changes: the count of queued bytes, and the pages that belong to
 * no item. The repair is idempotent, and may itself be interrupted by a death.
 */
#include "os/os.h"
#include "queue/queue_internal.h"

#define LOCK_WAIT_MS 10

static uint64_t bytes_in_ring(ipk_queue *q)
{
	uint32_t pos = ipk__ring_pos(atomic_load(&q->channel.ring.shared->head));
	uint32_t end = ipk__ring_pos(atomic_load(&q->channel.ring.shared->tail));
	uint64_t n_bytes = 0;

	while (pos != end && end - pos <= q->channel.ring.n_units) {
		const struct ipk__record *record = ipk__ring_at(&q->channel.ring, pos);
		uint32_t n_units = ipk__record_units(record->len_bytes);

		if (n_units > end - pos)
			break;
		n_bytes += record->type == IPK__RECORD_SPILLED
				   ? ((const struct ipk__extent *)record->bytes)->len_bytes
				   : record->len_bytes;
		pos += n_units;
	}
	return n_bytes;
}

static uint64_t bytes_in_table(ipk_queue *q)
{
	uint64_t n_bytes = 0;

	for (uint32_t i = 0; i < q->n_slots; i++) {
		if ((atomic_load(&q->slots[i].word) & SLOT_STATE) == SLOT_LIVE)
			n_bytes += q->slots[i].len_bytes;
	}
	return n_bytes;
}

static void repair_locked(ipk_queue *q)
{
	uint64_t n_bytes = bytes_in_table(q);

	if (ipk__queue_is_fifo(q))
		n_bytes += bytes_in_ring(q);
	atomic_store(&q->shared->bytes_put, atomic_load(&q->shared->bytes_got) + n_bytes);
	/* Without memory for it now, or with more to do, the next call tries again. */
	if (ipk__spill_free_gaps(q) == 0)
		atomic_fetch_and(&q->shared->needs_repair, ~(uint32_t)IPK__REPAIR_COUNTS);
}

void ipk__queue_repair(ipk_queue *q)
{
	ipk_deadline soon = ipk_in_ms(LOCK_WAIT_MS);

	/* When a lock cannot be had the next call will try again. */
	if (ipk__queue_is_fifo(q) && ipk__queue_lock_put(q, soon) < 0)
		return;
	if (ipk__queue_lock_get(q, soon) == 0) {
		repair_locked(q);
		ipk__queue_unlock_get(q);
	}
	if (ipk__queue_is_fifo(q))
		ipk__queue_unlock_put(q);
}
