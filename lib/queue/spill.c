/*
 * spill.c - messages that do not fit into the ring or the shelf.
 *
 * They lie behind the mapped part of the queue's own file, one behind the other, and are
 * written and read by pwrite and pread: no mapping, no page fault, no SIGBUS, and a full
 * memory is an error of the put. Offsets are used again once nothing is spilled at all, or
 * RLIMIT_FSIZE would end every queue some day. Nothing has a name of its own, so nothing
 * can be left behind: what a dead process wrote and did not publish, or took and did not
 * free, is given back by the next repair, and everything goes with the file.
 *
 * Invariant: spilled_bytes is never less than what is spilled, and who writes has added to
 * it before he has an offset.
 */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "queue/queue_internal.h"

static uint64_t pages(uint64_t n_bytes)
{
	return ipk__round_up(n_bytes, ipk__os_page_bytes());
}

/*
 * Writers are not alone: a put has another lock than a lease that copies an item. Whoever
 * finds nothing spilled begins anew, unless somebody has taken an offset since he read where
 * they are: then the exchange fails. Whoever comes later finds his bytes counted.
 */
static uint64_t take_offset(struct ipk__shm_queue *shm, uint64_t base, uint64_t n_bytes)
{
	uint64_t next = atomic_load(&shm->spill_next);

	if (atomic_fetch_add(&shm->spilled_bytes, n_bytes) == 0 &&
	    atomic_compare_exchange_strong(&shm->spill_next, &next, base + n_bytes))
		return base;
	return atomic_fetch_add(&shm->spill_next, n_bytes);
}

static void free_pages(ipk_queue *q, uint64_t offset, uint64_t n_bytes)
{
	/* In this order: nobody may have the offset again before its pages are gone. */
	ipk__os_deallocate(q->segment.fd, offset, n_bytes);
	atomic_fetch_sub(&q->shared->spilled_bytes, n_bytes);
}

int ipk__spill_write(ipk_queue *q, const void *data, size_t len_bytes, uint64_t *ret_offset)
{
	/* Before the item is published: a death in between costs a gap, not an overlap. */
	uint64_t offset = take_offset(q->shared, q->spill_base, pages(len_bytes));
	int r;

	if (offset < q->spill_base)
		return -EPROTO;
	r = ipk__os_pwrite(q->segment.fd, data, len_bytes, offset);
	if (r < 0) {
		free_pages(q, offset, pages(len_bytes));
		return r;
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
	/* What is mapped is never given back, whatever a damaged item says. */
	if (offset >= q->spill_base)
		free_pages(q, offset, pages(len_bytes));
}

/* --- after a death --- */

struct extents {
	struct ipk__extent *at; /* NULL: only count them */
	size_t n;
	size_t room;
};

static void add(struct extents *all, uint64_t offset, uint64_t len_bytes)
{
	/* What lies to be read may change under a hostile writer, between count and list. */
	if (all->at && all->n == all->room)
		return;
	if (all->at)
		all->at[all->n] = (struct ipk__extent){offset, pages(len_bytes)};
	all->n++;
}

static void add_ring(ipk_queue *q, struct extents *all)
{
	uint32_t pos = ipk__ring_pos(atomic_load(&q->lane.ring.shared->head));
	uint32_t end = ipk__ring_pos(atomic_load(&q->lane.ring.shared->tail));

	while (pos != end && end - pos <= q->lane.ring.n_units) {
		const struct ipk__record *record = ipk__ring_at(&q->lane.ring, pos);
		const struct ipk__extent *extent = (const struct ipk__extent *)record->bytes;
		uint32_t n_units = ipk__record_units(record->len_bytes);

		if (n_units > end - pos)
			return;
		if (record->type == IPK__RECORD_SPILLED)
			add(all, extent->offset, extent->len_bytes);
		pos += n_units;
	}
}

static void add_shelf(ipk_queue *q, struct extents *all)
{
	for (uint32_t i = 0; i < q->n_slots; i++) {
		struct ipk__slot *slot = &q->slots[i];

		if ((atomic_load(&slot->word) & SLOT_STATE) != SLOT_FREE && slot->spill_offset != 0)
			add(all, slot->spill_offset, slot->len_bytes);
	}
}

static size_t add_all(ipk_queue *q, struct ipk__extent *at, size_t room)
{
	struct extents all = {at, 0, room};

	if (ipk__queue_is_fifo(q))
		add_ring(q, &all);
	add_shelf(q, &all);
	return all.n;
}

static int by_offset(const void *a, const void *b)
{
	const struct ipk__extent *x = a;
	const struct ipk__extent *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

int ipk__spill_free_gaps(ipk_queue *q)
{
	uint64_t at = q->spill_base;
	struct ipk__extent *all;
	struct ipk__os_stat st;
	uint64_t n_bytes = 0;
	size_t n;

	if (ipk__os_stat(q->segment.fd, &st) < 0)
		return 0;
	if (st.size_bytes <= at) {
		atomic_store(&q->shared->spilled_bytes, 0);
		return 0;
	}
	n = add_all(q, NULL, 0);
	all = ipk__os_calloc(n + 1, sizeof *all);
	if (!all)
		return -ENOMEM;
	n = add_all(q, all, n);
	qsort(all, n, sizeof *all, by_offset);
	/* Behind the last one everything is a gap. */
	all[n].offset = pages(st.size_bytes);
	for (size_t i = 0; i <= n; i++) {
		if (all[i].offset > at)
			ipk__os_deallocate(q->segment.fd, at, all[i].offset - at);
		/* An item that is just being lent is listed twice. */
		if (i < n && all[i].offset >= at)
			n_bytes += all[i].len_bytes;
		at = IPK__MAX(at, all[i].offset + all[i].len_bytes);
	}
	atomic_store(&q->shared->spilled_bytes, n_bytes);
	free(all);
	return 0;
}
