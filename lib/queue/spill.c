/*
 * spill.c - messages that do not fit into the ring or the table.
 *
 * They are appended behind the mapped part of the queue's own file, and written and read by pwrite
 * and pread: no mapping, no page fault, no SIGBUS, and exhausted memory is an error of the put.
 * Offsets are reused once nothing is spilled at all, or RLIMIT_FSIZE would eventually break every
 * queue. Nothing has a name of its own, so nothing can be left behind: what a dead process wrote
 * and did not publish, or took and did not free, is freed by the next repair, and everything is
 * freed with the file.
 *
 * Invariant: spilled_bytes is never less than what is spilled, and a writer adds to it before it
 * gets an offset.
 */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "queue/queue_internal.h"

#define GAPS_NS 20000000
#define GAPS_PER_CLOCK_READ 16

static uint64_t pages(uint64_t n_bytes)
{
	return ipk__round_up(n_bytes, ipk__os_page_bytes());
}

/*
 * Writers are not alone: a put has another lock than a lease that copies an item. A writer that
 * finds nothing spilled restarts at the beginning, unless another has taken an offset since it read
 * the position: then the exchange fails. A later one finds its bytes counted.
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
	/* In this order: the offset must not be reused before its pages are freed. */
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
		return r == -EINVAL ? -EPROTO : r; /* no file has such an offset */
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
	/* Mapped pages are never freed, whatever a damaged item says. */
	if (offset >= q->spill_base)
		free_pages(q, offset, pages(len_bytes));
}

/* --- after a death ---------------------------------------------------------------------------- */

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
	uint32_t pos = ipk__ring_pos(atomic_load(&q->channel.ring.shared->head));
	uint32_t end = ipk__ring_pos(atomic_load(&q->channel.ring.shared->tail));

	while (pos != end && end - pos <= q->channel.ring.n_units) {
		const struct ipk__record *record = ipk__ring_at(&q->channel.ring, pos);
		const struct ipk__extent *extent = (const struct ipk__extent *)record->bytes;
		uint32_t n_units = ipk__record_units(record->len_bytes);

		if (n_units > end - pos)
			return;
		if (record->type == IPK__RECORD_SPILLED)
			add(all, extent->offset, extent->len_bytes);
		pos += n_units;
	}
}

static void add_table(ipk_queue *q, struct extents *all)
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
	add_table(q, &all);
	return all.n;
}

static int by_offset(const void *a, const void *b)
{
	const struct ipk__extent *x = a;
	const struct ipk__extent *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/*
 * Frees what is between the @n extents and after them. There may be very many gaps, or appear to
 * be, and all others wait for the locks: so it stops after a while, with -EAGAIN, and continues
 * there.
 */
static int free_between(ipk_queue *q, const struct ipk__extent *all, size_t n, uint64_t end)
{
	int64_t until_ns = ipk__os_now_ns() + GAPS_NS;
	uint64_t at = q->spill_base;

	for (size_t i = 0; i <= n; i++) {
		uint64_t to = i < n ? all[i].offset : end;
		uint64_t from = IPK__MAX(at, q->gaps_freed_to);

		if (to > from)
			ipk__os_deallocate(q->segment.fd, from, to - from);
		if (i < n)
			at = IPK__MAX(at, to + all[i].len_bytes);
		if (i < n && i % GAPS_PER_CLOCK_READ == 0 && ipk__os_now_ns() >= until_ns) {
			q->gaps_freed_to = IPK__MAX(from, to);
			return -EAGAIN;
		}
	}
	q->gaps_freed_to = 0;
	return 0;
}

/* Of what was spilled; an item that is just being lent is listed twice. */
static uint64_t bytes_in(const struct ipk__extent *all, size_t n, uint64_t base)
{
	uint64_t n_bytes = 0;
	uint64_t at = base;

	for (size_t i = 0; i < n; i++) {
		if (all[i].offset >= at)
			n_bytes += all[i].len_bytes;
		at = IPK__MAX(at, all[i].offset + all[i].len_bytes);
	}
	return n_bytes;
}

int ipk__spill_free_gaps(ipk_queue *q)
{
	struct ipk__extent *all;
	struct ipk__os_stat st;
	size_t n;
	int r;

	if (ipk__os_stat(q->segment.fd, &st) < 0)
		return 0;
	if (st.size_bytes <= q->spill_base) {
		atomic_store(&q->shared->spilled_bytes, 0);
		return 0;
	}
	n = add_all(q, NULL, 0);
	all = ipk__os_calloc(n + 1, sizeof *all); /* never of 0 bytes */
	if (!all)
		return -ENOMEM;
	n = add_all(q, all, n);
	qsort(all, n, sizeof *all, by_offset);
	r = free_between(q, all, n, pages(st.size_bytes));
	atomic_store(&q->shared->spilled_bytes, bytes_in(all, n, q->spill_base));
	free(all);
	return r;
}
