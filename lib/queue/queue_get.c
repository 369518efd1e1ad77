/*
 * queue_get.c - the get side.
 *
 * Under the get lock the next item is found (in the item table, where items returned from a lease
 * have precedence, else at the head of the ring), its bytes are copied out, and one store removes
 * it. Nobody blocks while holding the lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "queue/queue_internal.h"

/* --- finding ---------------------------------------------------------------------------------- */

static int find_in_ring(ipk_queue *q, struct ipk__found *f)
{
	const struct ipk__record *record;
	uint32_t len_bytes;
	uint32_t type;
	int r;

	f->slot = IPK__NONE;
	f->head = ipk__ring_head(&q->channel.ring);
	r = ipk__ring_front(&q->channel.ring, f->head, &record, &len_bytes, &type);
	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	f->record_bytes = len_bytes;
	f->bytes = record->bytes;
	f->len_bytes = len_bytes;
	f->extent = (struct ipk__extent){0, len_bytes};
	if (type == IPK__RECORD_INLINE)
		return 0;
	if (type != IPK__RECORD_SPILLED || len_bytes != sizeof f->extent)
		return -EPROTO;
	memcpy(&f->extent, record->bytes, sizeof f->extent);
	f->len_bytes = f->extent.len_bytes;
	return f->extent.offset < q->spill_base || f->len_bytes > q->max_message_bytes ? -EPROTO
										       : 0;
}

static int find_in_table(ipk_queue *q, struct ipk__found *f)
{
	uint32_t at = ipk__item_table_first(q);

	/* Somebody wrote over the count or the lists: under the lock they agree. */
	if (at == IPK__NONE)
		return -EPROTO;
	*f = (struct ipk__found){.slot = at, .len_bytes = IPK__READ_ONCE(q->slots[at].len_bytes)};
	return f->len_bytes > q->max_message_bytes ? -EPROTO : 0;
}

int ipk__queue_find(ipk_queue *q, struct ipk__found *ret_found)
{
	struct ipk__shm_queue *shm = q->shared;
	uint32_t shutdown = atomic_load_explicit(&shm->shutdown, memory_order_acquire);
	int r = -EAGAIN;

	if (shutdown == IPK_DISCARD)
		return -ESHUTDOWN;
	if (atomic_load_explicit(&shm->item_table.n_live, memory_order_relaxed) > 0)
		r = find_in_table(q, ret_found);
	if (r == -EAGAIN && ipk__queue_is_fifo(q))
		r = find_in_ring(q, ret_found);
	/* What is out on lease may come back. */
	if (r == -EAGAIN && shutdown == IPK_DRAIN &&
	    atomic_load_explicit(&shm->item_table.n_leased, memory_order_relaxed) == 0)
		return -ESHUTDOWN;
	return r;
}

int ipk__found_read(ipk_queue *q, const struct ipk__found *f, void *buf, size_t n_bytes)
{
	if (f->slot != IPK__NONE)
		return ipk__item_table_read(q, f->slot, buf, n_bytes);
	if (f->extent.offset != 0)
		return ipk__spill_read(q, f->extent.offset, buf, n_bytes);
	if (n_bytes > 0)
		memcpy(buf, f->bytes, n_bytes);
	return 0;
}

void ipk__found_take(ipk_queue *q, const struct ipk__found *f)
{
	ipk__count_add(&q->shared->bytes_got, f->len_bytes);
	if (f->slot != IPK__NONE) {
		atomic_store_explicit(&q->slots[f->slot].word, SLOT_FREE, memory_order_release);
		ipk__item_table_unlink(q, f->slot);
		ipk__item_table_free(q, f->slot);
		return;
	}
	ipk__ring_free(&q->channel.ring, ipk__ring_behind(f->head, f->record_bytes, 1));
	if (f->extent.offset != 0)
		ipk__spill_free(q, f->extent.offset, f->extent.len_bytes);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static bool looks_ready(const ipk_queue *q)
{
	const struct ipk__shm_queue *shm = q->shared;
	uint32_t shutdown = atomic_load_explicit(&shm->shutdown, memory_order_acquire);

	if (ipk__queue_is_fifo(q) && !ipk__ring_is_empty(&q->channel.ring))
		return true;
	if (atomic_load_explicit(&shm->item_table.n_live, memory_order_acquire) > 0)
		return true;
	return shutdown == IPK_DISCARD ||
	       (shutdown == IPK_DRAIN &&
		atomic_load_explicit(&shm->item_table.n_leased, memory_order_acquire) == 0);
}

int ipk__queue_data_ready(void *arg, bool slowly)
{
	ipk_queue *q = arg;
	int n = ipk__queue_is_fifo(q) ? ipk__ring_ready(&q->channel.ring) : 0;

	if (n > 0 || looks_ready(q))
		return IPK__MAX(n, 1);
	if (!slowly)
		return 0;
	ipk__lease_reclaim_if_due(q);
	return looks_ready(q);
}

static int wait_data(ipk_queue *q, ipk_deadline deadline)
{
	int r = ipk__channel_wait_data(&q->channel, ipk__queue_data_ready, q, deadline);
	struct ipk__pollset set = ipk__queue_pollset(q);

	if (r != -ETIMEDOUT || set.fd < 0)
		return r;
	/* Pollers may sleep now: arm, and check once more. */
	ipk__pollset_drain(&set);
	ipk__wait_queue_arm(&q->channel.shared->data);
	return ipk__queue_data_ready(q, true) ? 0 : -ETIMEDOUT;
}

static int use_next(ipk_queue *q, ipk_deadline deadline,
		    int (*use)(ipk_queue *q, const struct ipk__found *f, void *arg), void *arg)
{
	struct ipk__found found;
	int r = ipk__queue_lock_get(q, deadline);

	if (r < 0)
		return r;
	if (ipk__lease_reclaim_is_due(q))
		ipk__lease_reclaim(q);
	r = ipk__queue_find(q, &found);
	if (r == 0)
		r = use(q, &found, arg);
	ipk__queue_unlock_get(q);
	return r;
}

int ipk__queue_next(ipk_queue *q, ipk_deadline deadline,
		    int (*use)(ipk_queue *q, const struct ipk__found *f, void *arg), void *arg)
{
	uint32_t n_rounds = 0;
	int r;

	ipk__queue_repair_if_due(q);
	for (;;) {
		r = use_next(q, deadline, use, arg);
		if (r != -EAGAIN)
			return r;
		r = wait_data(q, deadline);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
}

/* --- the calls -------------------------------------------------------------------------------- */

struct into {
	void *buf;
	size_t buf_bytes;
	size_t len_bytes;
};

static int copy_and_take(ipk_queue *q, const struct ipk__found *f, void *arg)
{
	struct into *into = arg;
	int r;

	if (f->len_bytes > into->buf_bytes)
		return ipk__detail(-EMSGSIZE, IPK__OVER_BUF);
	r = ipk__found_read(q, f, into->buf, f->len_bytes);
	if (r < 0)
		return r;
	into->len_bytes = f->len_bytes;
	ipk__found_take(q, f);
	return 0;
}

int ipk_queue_get(ipk_queue *q, void *buf, size_t buf_bytes, ipk_deadline deadline,
		  size_t *ret_len_bytes)
{
	struct into into = {buf, buf_bytes, 0};
	int r;

	if (!q)
		return -EBADF;
	if (!buf && buf_bytes > 0)
		return ipk__invalid("buf is NULL, and buf_bytes is not 0");
	if (q->kind == IPK_QUEUE_MQ)
		return ipk__mq_get(q, buf, buf_bytes, deadline, ret_len_bytes);
	r = ipk__queue_next(q, deadline, copy_and_take, &into);
	if (r < 0)
		return r;
	ipk__channel_wake_writers(&q->channel, 1);
	if (ret_len_bytes)
		*ret_len_bytes = into.len_bytes;
	return 0;
}

static int alloc_and_take(ipk_queue *q, const struct ipk__found *f, void *arg)
{
	struct into *into = arg;
	int r;

	into->buf = ipk__os_malloc(f->len_bytes);
	if (!into->buf)
		return -ENOMEM;
	into->buf_bytes = f->len_bytes;
	r = copy_and_take(q, f, into);
	if (r < 0)
		free(into->buf);
	return r;
}

static int mq_get_alloc(ipk_queue *q, ipk_deadline deadline, struct into *into)
{
	int r;

	into->buf = ipk__os_malloc(q->mq_message_bytes);
	if (!into->buf)
		return -ENOMEM;
	r = ipk__mq_get(q, into->buf, q->mq_message_bytes, deadline, &into->len_bytes);
	if (r < 0)
		free(into->buf);
	return r;
}

int ipk_queue_get_alloc(ipk_queue *q, ipk_deadline deadline, void **ret_data, size_t *ret_len_bytes)
{
	struct into into = {0};
	int r;

	if (!q)
		return -EBADF;
	if (!ret_data || !ret_len_bytes)
		return ipk__invalid("ret_data or ret_len_bytes is NULL");
	if (q->kind == IPK_QUEUE_MQ) {
		r = mq_get_alloc(q, deadline, &into);
	} else {
		r = ipk__queue_next(q, deadline, alloc_and_take, &into);
		if (r == 0)
			ipk__channel_wake_writers(&q->channel, 1);
	}
	if (r < 0)
		return r;
	*ret_data = into.buf;
	*ret_len_bytes = into.len_bytes;
	return 0;
}

static int copy_and_leave(ipk_queue *q, const struct ipk__found *f, void *arg)
{
	struct into *into = arg;

	into->len_bytes = f->len_bytes;
	return ipk__found_read(q, f, into->buf, IPK__MIN(f->len_bytes, into->buf_bytes));
}

int ipk_queue_peek(ipk_queue *q, void *buf, size_t buf_bytes, ipk_deadline deadline,
		   size_t *ret_len_bytes)
{
	struct into into = {buf, buf_bytes, 0};
	int r;

	if (!q)
		return -EBADF;
	if (q->kind == IPK_QUEUE_MQ)
		return -EOPNOTSUPP;
	if (!buf && buf_bytes > 0)
		return ipk__invalid("buf is NULL, and buf_bytes is not 0");
	r = ipk__queue_next(q, deadline, copy_and_leave, &into);
	if (r == 0 && ret_len_bytes)
		*ret_len_bytes = into.len_bytes;
	return r;
}

/* --- several at once -------------------------------------------------------------------------- */

struct batch {
	char *buf;
	size_t buf_bytes;
	size_t used_bytes;
	ipk_bytes *items;
	size_t max_items;
	size_t n_items;
};

/* Copy the found item behind the others: 1, or 0 when it does not fit, or an error. */
static int add_to_batch(ipk_queue *q, const struct ipk__found *f, struct batch *b)
{
	size_t at = IPK__MIN(ipk__round_up(b->used_bytes, 8), b->buf_bytes);
	int r;

	if (f->len_bytes > b->buf_bytes - at)
		return 0;
	r = ipk__found_read(q, f, b->buf + at, f->len_bytes);
	if (r < 0)
		return r;
	b->items[b->n_items++] = (ipk_bytes){b->buf + at, f->len_bytes};
	b->used_bytes = at + f->len_bytes;
	return 1;
}

/*
 * In the ring: collect, then take all with one store. Items whose bytes lie in the ring
 * only; others are taken one by one.
 */
static int take_run(ipk_queue *q, struct ipk__found *f, struct batch *b)
{
	const struct ipk__ring *ring = &q->channel.ring;
	const struct ipk__record *record;
	uint64_t head = f->head;
	uint64_t n_bytes = 0;
	uint32_t type;
	int r;

	do {
		r = add_to_batch(q, f, b);
		if (r <= 0)
			break;
		head = ipk__ring_behind(head, f->record_bytes, 1);
		n_bytes += f->len_bytes;
		if (b->n_items == b->max_items)
			break;
		r = ipk__ring_front(ring, head, &record, &f->record_bytes, &type);
		f->bytes = r > 0 ? record->bytes : NULL;
		f->len_bytes = f->record_bytes;
	} while (r > 0 && type == IPK__RECORD_INLINE);
	ipk__count_add(&q->shared->bytes_got, n_bytes);
	ipk__ring_free(ring, head);
	return IPK__MIN(r, 0);
}

static int take_many(ipk_queue *q, const struct ipk__found *first, void *arg)
{
	struct ipk__found f = *first;
	struct batch *b = arg;
	int r = 0;

	while (r == 0 && b->n_items < b->max_items) {
		size_t n_before = b->n_items;

		if (f.slot == IPK__NONE && f.extent.offset == 0) {
			r = take_run(q, &f, b);
		} else {
			r = add_to_batch(q, &f, b);
			if (r == 1)
				ipk__found_take(q, &f);
		}
		if (r < 0 || b->n_items == n_before)
			break;
		r = ipk__queue_find(q, &f);
	}
	if (b->n_items > 0)
		return 0;
	return r < 0 ? r : ipk__detail(-EMSGSIZE, IPK__OVER_BUF);
}

static int mq_get_many(ipk_queue *q, ipk_deadline deadline, struct batch *b)
{
	int r = 0;

	while (r == 0 && b->n_items < b->max_items) {
		size_t at = IPK__MIN(ipk__round_up(b->used_bytes, 8), b->buf_bytes);
		size_t len_bytes;

		r = ipk__mq_get(q, b->buf + at, b->buf_bytes - at,
				b->n_items == 0 ? deadline : ipk_now(), &len_bytes);
		if (r == 0) {
			b->items[b->n_items++] = (ipk_bytes){b->buf + at, len_bytes};
			b->used_bytes = at + len_bytes;
		}
	}
	return b->n_items > 0 ? 0 : r;
}

int ipk_queue_get_many(ipk_queue *q, void *buf, size_t buf_bytes, size_t max_items,
		       ipk_deadline deadline, ipk_bytes *ret_items, size_t *ret_n_items)
{
	struct batch b = {buf, buf_bytes, 0, ret_items, max_items, 0};
	int r;

	if (!q)
		return -EBADF;
	IPK__REQUIRE(buf || buf_bytes == 0, "buf is NULL, and buf_bytes is not 0");
	IPK__REQUIRE(max_items > 0, "max_items: 1 or more");
	IPK__REQUIRE(ret_items && ret_n_items, "ret_items or ret_n_items is NULL");
	if (q->kind == IPK_QUEUE_MQ) {
		r = mq_get_many(q, deadline, &b);
	} else {
		r = ipk__queue_next(q, deadline, take_many, &b);
		if (r == 0)
			ipk__channel_wake_writers(&q->channel,
						  (unsigned)IPK__MIN(b.n_items, IPK__WAITERS_MAX));
	}
	if (r == 0)
		*ret_n_items = b.n_items;
	return r;
}
