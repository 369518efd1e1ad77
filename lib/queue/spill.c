/*
 * spill.c - messages that do not fit into the ring or the shelf.
 *
 * They lie behind the mapped part of the queue's own file, at offsets that are never used
 * again, and are written and read by pwrite and pread: no mapping, no page fault, no
 * SIGBUS, and a full memory is an error of the put. Nothing has a name of its own, so
 * nothing can be left behind: what a dead process wrote and did not publish, or took and
 * did not free, is given back by the next repair, and everything goes with the file.
 */
#include <errno.h>

#include "os/os.h"
#include "queue/queue_internal.h"

static uint64_t pages(uint64_t n_bytes)
{
	return ipk__round_up(n_bytes, ipk__os_page_bytes());
}

int ipk__spill_write(ipk_queue *q, const void *data, size_t len_bytes, uint64_t *ret_offset)
{
	/* Before the item is published: a death in between costs a gap, not an overlap. */
	uint64_t offset = atomic_fetch_add(&q->shared->spill_next, pages(len_bytes));
	int r = ipk__os_pwrite(q->segment.fd, data, len_bytes, offset);

	if (r < 0) {
		ipk__os_deallocate(q->segment.fd, offset, pages(len_bytes));
		return r == -EFBIG ? -ENOSPC : r;
	}
	*ret_offset = offset;
	return 0;
}

int ipk__spill_read(ipk_queue *q, uint64_t offset, void *buf, size_t len_bytes)
{
	int r = ipk__os_pread(q->segment.fd, buf, len_bytes, offset);

	return r == -ENODATA || r == -EINVAL ? -EPROTO : r;
}

void ipk__spill_free(ipk_queue *q, uint64_t offset, uint64_t len_bytes)
{
	ipk__os_deallocate(q->segment.fd, offset, pages(len_bytes));
}

/* --- after a death --- */

/* Narrow *best to the extent that begins first at or after @from. */
static void consider(uint64_t from, uint64_t offset, uint64_t len_bytes, struct ipk__extent *best)
{
	if (offset >= from && offset < best->offset)
		*best = (struct ipk__extent){offset, pages(len_bytes)};
}

static void consider_ring(ipk_queue *q, uint64_t from, struct ipk__extent *best)
{
	uint32_t pos = ipk__ring_pos(atomic_load(&q->lane.ring.shared->head));
	uint32_t end = ipk__ring_pos(atomic_load(&q->lane.ring.shared->tail));

	while (pos != end) {
		const struct ipk__record *record = ipk__ring_at(&q->lane.ring, pos);
		const struct ipk__extent *extent = (const struct ipk__extent *)record->bytes;
		uint32_t n_units = ipk__record_units(record->len_bytes);

		if (n_units > end - pos)
			return;
		if (record->type == IPK__RECORD_SPILLED)
			consider(from, extent->offset, extent->len_bytes, best);
		pos += n_units;
	}
}

static void consider_shelf(ipk_queue *q, uint64_t from, struct ipk__extent *best)
{
	for (uint32_t i = 0; i < q->shared->shelf.n_slots; i++) {
		struct ipk__slot *slot = &q->slots[i];

		if ((atomic_load(&slot->word) & SLOT_STATE) != SLOT_FREE && slot->spill_offset != 0)
			consider(from, slot->spill_offset, slot->len_bytes, best);
	}
}

void ipk__spill_free_gaps(ipk_queue *q)
{
	uint64_t at = q->shared->spill_base;
	struct ipk__os_stat st;

	if (ipk__os_stat(q->segment.fd, &st) < 0 || st.size_bytes <= at)
		return;
	for (;;) {
		struct ipk__extent next = {UINT64_MAX, 0};
		uint64_t end;

		if (ipk__queue_is_fifo(q))
			consider_ring(q, at, &next);
		consider_shelf(q, at, &next);
		end = IPK__MIN(next.offset, pages(st.size_bytes));
		if (end > at)
			ipk__os_deallocate(q->segment.fd, at, end - at);
		if (next.offset == UINT64_MAX)
			return;
		at = next.offset + next.len_bytes;
	}
}
