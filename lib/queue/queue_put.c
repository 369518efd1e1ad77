/*
 * queue_put.c - the put side.
 *
 * Under the put lock a put stages as many items as there is room for behind the tail (or in the
 * item table), commits them with one store, and releases the lock; only then does it wake
 * consumers, or wait for room without holding anything.
 */
#include <errno.h>

#include "os/os.h"
#include "queue/queue_internal.h"

#define INLINE_SHARE 8 /* a message up to this share of the ring lies in it */
#define SPILLED_UNITS (1u + (uint32_t)(sizeof(struct ipk__extent) / IPK__UNIT))

/* --- limits ----------------------------------------------------------------------------------- */

static uint64_t bytes_inside(const ipk_queue *q)
{
	uint64_t got = atomic_load_explicit(&q->shared->bytes_got, memory_order_relaxed);

	return atomic_load_explicit(&q->shared->bytes_put, memory_order_relaxed) - got;
}

/*
 * Whether @len_bytes fit beside what is inside and @staged_bytes. Without a limit the count
 * of the other side is not read: its line belongs to them.
 */
static bool fits_bytes(const ipk_queue *q, uint64_t staged_bytes, size_t len_bytes)
{
	return q->max_bytes == 0 || bytes_inside(q) + staged_bytes + len_bytes <= q->max_bytes;
}

/* What is in the ring, seen by the side that puts: never less than there is. */
static uint32_t count_in_ring(const ipk_queue *q, uint64_t tail)
{
	uint64_t head = atomic_load_explicit(&q->channel.ring.shared->head, memory_order_acquire);

	return ipk__ring_count(tail) - ipk__ring_count(head);
}

static uint32_t n_in_table(const ipk_queue *q)
{
	return atomic_load_explicit(&q->shared->item_table.n_live, memory_order_relaxed);
}

/*
 * Whether an item may lie in the ring itself: short enough, and so that all the items
 * that max_items still allows find room behind it, if need be spilled.
 */
static bool is_inline(const ipk_queue *q, size_t len_bytes, uint32_t n_free, uint32_t n_in_ring)
{
	uint64_t max_bytes = (uint64_t)q->channel.ring.n_units * IPK__UNIT / INLINE_SHARE;
	uint64_t behind;

	if (len_bytes > max_bytes)
		return false;
	if (q->max_items == 0)
		return true;
	/* Items in the table take no ring space, and may be taken before these are. */
	behind = (uint64_t)(q->max_items - n_in_ring - 1) * SPILLED_UNITS;
	return ipk__record_units((uint32_t)len_bytes) + behind <= n_free;
}

bool ipk__queue_has_room(const ipk_queue *q, size_t len_bytes)
{
	uint32_t n_units = SPILLED_UNITS;
	uint32_t n_in_ring;

	if (!fits_bytes(q, 0, len_bytes))
		return false;
	if (!ipk__queue_is_fifo(q))
		return n_in_table(q) < q->max_items;
	/* The ring first: what leaves it for the item table meanwhile counts twice, never not at
	 * all. */
	n_in_ring = count_in_ring(q, ipk__ring_tail(&q->channel.ring));
	if (q->max_items > 0)
		return n_in_ring + n_in_table(q) < q->max_items;
	if (is_inline(q, len_bytes, 0, 0))
		n_units = ipk__record_units((uint32_t)len_bytes);
	return ipk__channel_has_room(&q->channel, n_units);
}

/* --- the ring --------------------------------------------------------------------------------- */

/* Write one item behind *tail: 0, -EAGAIN full, or an error. */
static int stage(ipk_queue *q, const ipk_bytes *item, uint64_t *tail, uint32_t n_in_ring)
{
	const struct ipk__ring *ring = &q->channel.ring;
	struct ipk__extent extent = {0, item->len_bytes};
	uint32_t wanted = q->max_items ? ring->n_units : 0;
	uint32_t n_units = SPILLED_UNITS;
	uint32_t n_free;
	bool is_short;
	int r;

	if (item->len_bytes <= (uint64_t)ring->n_units * IPK__UNIT / INLINE_SHARE)
		n_units = ipk__record_units((uint32_t)item->len_bytes);
	/* With max_items room is shared out, so it must be known exactly. */
	r = ipk__ring_room(ring, *tail, IPK__MAX(n_units, wanted), &n_free);
	if (r < 0)
		return r;
	is_short = is_inline(q, item->len_bytes, n_free, n_in_ring);
	if (n_free < (is_short ? n_units : SPILLED_UNITS))
		return -EAGAIN;
	if (is_short) {
		*tail = ipk__ring_write(ring, *tail, IPK__RECORD_INLINE, item->data,
					(uint32_t)item->len_bytes, 1);
		return 0;
	}
	r = ipk__spill_write(q, item->data, item->len_bytes, &extent.offset);
	if (r == 0)
		*tail = ipk__ring_write(ring, *tail, IPK__RECORD_SPILLED, &extent, sizeof extent,
					1);
	return r;
}

static int put_in_ring(ipk_queue *q, const ipk_bytes *items, size_t n_items, size_t *ret_n)
{
	uint64_t tail = ipk__ring_tail(&q->channel.ring);
	uint64_t n_bytes = 0;
	uint32_t n_in_ring = 0;
	size_t n = 0;
	int r = 0;

	for (; n < n_items; n++) {
		if (q->max_items > 0) {
			n_in_ring = count_in_ring(q, tail);
			if (n_in_ring + n_in_table(q) >= q->max_items)
				break;
		}
		if (!fits_bytes(q, n_bytes, items[n].len_bytes))
			break;
		r = stage(q, &items[n], &tail, n_in_ring);
		if (r < 0)
			break;
		n_bytes += items[n].len_bytes;
	}
	*ret_n = n;
	if (n == 0)
		return r < 0 ? r : -EAGAIN;
	ipk__count_add(&q->shared->bytes_put, n_bytes);
	ipk__ring_publish(&q->channel.ring, tail);
	return 0;
}

/* --- the item table --------------------------------------------------------------------------- */

static int put_in_table(ipk_queue *q, const ipk_bytes *item, unsigned level)
{
	uint64_t seq = atomic_load_explicit(&q->shared->n_put_in_table, memory_order_relaxed);
	uint32_t at;
	int r;

	if (n_in_table(q) >= q->max_items || !fits_bytes(q, 0, item->len_bytes))
		return -EAGAIN;
	r = ipk__item_table_store(q, item->data, item->len_bytes, &at);
	if (r < 0)
		return r;
	q->slots[at].seq = seq;
	q->slots[at].level = level;
	/* The commit. Pairs with the reading of words after a death. */
	atomic_store_explicit(&q->slots[at].word, SLOT_LIVE, memory_order_release);
	/* First: a reader of both finds no more inside than were put. */
	atomic_store_explicit(&q->shared->n_put_in_table, seq + 1, memory_order_relaxed);
	ipk__item_table_link(q, at);
	ipk__count_add(&q->shared->bytes_put, item->len_bytes);
	return 0;
}

static int put_all_in_table(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
			    size_t *ret_n)
{
	int r = 0;

	for (*ret_n = 0; *ret_n < n_items; ++*ret_n) {
		r = put_in_table(q, &items[*ret_n], level);
		if (r < 0)
			break;
	}
	return *ret_n > 0 ? 0 : r;
}

/* --- the call --------------------------------------------------------------------------------- */

struct wanted {
	ipk_queue *q;
	size_t len_bytes;
};

static int is_room(void *arg, bool slowly)
{
	const struct wanted *w = arg;

	/* Leftovers of a death may look full, and all others may be waiting like us. */
	if (slowly)
		ipk__queue_repair_if_due(w->q);
	return atomic_load(&w->q->shared->shutdown) != 0 || ipk__queue_has_room(w->q, w->len_bytes);
}

static int wait_room(ipk_queue *q, size_t len_bytes, ipk_deadline deadline, uint32_t *n_rounds)
{
	struct wanted wanted = {q, len_bytes};
	int r = ipk__channel_wait_space(&q->channel, is_room, &wanted, deadline);

	/* In a damaged queue there may seem to be room that never is. */
	return r == 0 ? ipk__round_in_vain(n_rounds, deadline) : r;
}

/* One go under the lock: 0 with *ret_n > 0, -EAGAIN full, or an error. */
static int put_some(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
		    ipk_deadline deadline, size_t *ret_n)
{
	int r = ipk__queue_lock_put(q, deadline);

	*ret_n = 0;
	if (r < 0)
		return r;
	if (atomic_load_explicit(&q->shared->shutdown, memory_order_relaxed) != 0)
		r = -ESHUTDOWN;
	else if (ipk__queue_is_fifo(q))
		r = put_in_ring(q, items, n_items, ret_n);
	else
		r = put_all_in_table(q, items, n_items, level, ret_n);
	ipk__queue_unlock_put(q);
	if (*ret_n > 0)
		ipk__queue_wake_readers(q, (unsigned)IPK__MIN(*ret_n, IPK__WAITERS_MAX));
	return r;
}

static int check_items(const ipk_queue *q, const ipk_bytes *items, size_t n_items)
{
	for (size_t i = 0; i < n_items; i++) {
		if (!items[i].data && items[i].len_bytes > 0)
			return ipk__invalid("data is NULL, and len_bytes is not 0");
		if (items[i].len_bytes > q->max_message_bytes)
			return ipk__detail(-EMSGSIZE,
					   "len_bytes: max_message_bytes of the queue at most");
	}
	return 0;
}

int ipk__queue_put_items(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
			 ipk_deadline deadline, size_t *ret_n_put)
{
	uint32_t n_rounds = 0;
	size_t n_put = 0;
	int r;

	if (!q)
		return -EBADF;
	IPK__REQUIRE(level < IPK_QUEUE_LEVELS, "level: 0 to IPK_QUEUE_LEVELS - 1");
	IPK__REQUIRE(items || n_items == 0, "items is NULL, and n_items is not 0");
	if (q->kind == IPK_QUEUE_MQ)
		return ipk__mq_put(q, items, n_items, level, deadline, ret_n_put);
	if (level > 0 && q->kind != IPK_QUEUE_PRIORITY)
		return -EOPNOTSUPP;
	r = check_items(q, items, n_items);
	ipk__queue_repair_if_due(q);
	while (r == 0 && n_put < n_items) {
		size_t n;

		r = put_some(q, items + n_put, n_items - n_put, level, deadline, &n);
		n_put += n;
		if (n > 0)
			n_rounds = 0;
		if (r == -EAGAIN)
			r = wait_room(q, items[n_put].len_bytes, deadline, &n_rounds);
	}
	if (n_put == 0 && r < 0)
		return r;
	*ret_n_put = n_put;
	return 0;
}

int ipk_queue_put(ipk_queue *q, const void *data, size_t len_bytes, ipk_deadline deadline)
{
	ipk_bytes item = {data, len_bytes};
	size_t n;

	return ipk__queue_put_items(q, &item, 1, 0, deadline, &n);
}

int ipk_queue_put_level(ipk_queue *q, const void *data, size_t len_bytes, unsigned level,
			ipk_deadline deadline)
{
	ipk_bytes item = {data, len_bytes};
	size_t n;

	return ipk__queue_put_items(q, &item, 1, level, deadline, &n);
}

int ipk_queue_put_many(ipk_queue *q, const ipk_bytes *items, size_t n_items, ipk_deadline deadline,
		       size_t *ret_n_put)
{
	size_t n;
	int r = ipk__queue_put_items(q, items, n_items, 0, deadline, &n);

	if (r == 0 && ret_n_put)
		*ret_n_put = n;
	return r;
}
