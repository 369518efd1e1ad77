/*
 * probe_channels.c - the state of pipes and queues, from their memory.
 *
 * The copy is taken while others write. Of two related numbers the larger is read again after the
 * other: a ring's head and then its tail, so the pair is possible unless the ring wrapped between
 * the two reads; and the number put after the number done, so no queued item looks done. An
 * impossible pair is -ENOTRECOVERABLE: the caller retries.
 */
#include <errno.h>
#include <stdlib.h>

#include "inspect/inspect_internal.h"
#include "pipe/pipe_internal.h"
#include "queue/queue_internal.h"

/* --- channels --------------------------------------------------------------------------------- */

/* @copy is of memory at @offset of the file: the reader's line once more, then the writer's. */
static int read_ends_again(int fd, uint64_t offset, struct ipk__shm_ring *copy)
{
	const size_t at = offsetof(struct ipk__shm_ring, head);
	int r = ipk__os_pread(fd, (char *)copy + at, sizeof *copy - at, offset + at);

	return r < 0 ? r : ipk__os_pread(fd, copy, at, offset);
}

/*
 * Messages ever, from the count that lags or (read just after) leads: both by less than
 * half the range of the 32 bits that they have in common.
 */
static uint64_t total(const _Atomic uint64_t *n, uint64_t word)
{
	uint64_t before = atomic_load_explicit(n, memory_order_relaxed);

	return before + (uint64_t)(int64_t)(int32_t)(ipk__ring_count(word) - (uint32_t)before);
}

static int note_ring(const struct ipk__shm_ring *ring, uint64_t ring_bytes,
		     ipk_inspect_channel *channel)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t n_units = ipk__ring_pos(tail) - ipk__ring_pos(head);
	uint32_t n_items = ipk__ring_count(tail) - ipk__ring_count(head);

	if ((uint64_t)n_units * IPK__UNIT > ring_bytes || n_items > n_units)
		return -ENOTRECOVERABLE;
	*channel = (ipk_inspect_channel){
		.struct_size = sizeof *channel,
		.n_items = n_items,
		.message_bytes = IPK_INSPECT_UNKNOWN,
		.used_bytes = (uint64_t)n_units * IPK__UNIT,
		.room_bytes = ring_bytes,
		.n_put = total(&ring->n_written, tail),
		.n_got = total(&ring->n_read, head),
	};
	return 0;
}

/* --- pipes ------------------------------------------------------------------------------------ */

int ipk__probe_pipe(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	uint32_t n_channels = (h->flags & IPK_PIPE_ONE_WAY) ? 1 : 2;
	struct ipk__shm_pipe shm;
	int r;

	if (h->fixed_bytes < sizeof shm || h->n_rings != n_channels)
		return -EBADMSG;
	r = ipk__os_pread(fd, &shm, sizeof shm, 0);
	/* In a one-way pipe there is only channel 1. */
	for (uint32_t i = 0; r == 0 && i < n_channels; i++) {
		struct ipk__shm_ring *ring = &shm.channels[i + 2 - n_channels].ring;

		r = read_ends_again(fd, (uint64_t)((char *)ring - (char *)&shm), ring);
		if (r == 0)
			r = note_ring(ring, h->ring_bytes, &o->channels[i]);
	}
	if (r < 0)
		return r;
	o->pub.n_channels = n_channels;
	o->pub.max_message_bytes = shm.max_message_bytes;
	o->pub.n_unfinished = IPK_INSPECT_UNKNOWN;
	return ipk__note_waiters_in(o, &shm.waiters);
}

/* --- queues ----------------------------------------------------------------------------------- */

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static bool queue_is_possible(const struct ipk__shm_queue *shm, const struct ipk__shm_header *h)
{
	const struct ipk__shm_item_table *table = &shm->item_table;

	return shm->kind <= IPK_QUEUE_PRIORITY &&
	       h->n_rings == (shm->kind == IPK_QUEUE_FIFO ? 1 : 0) &&
	       atomic_load_explicit(&shm->shutdown, memory_order_relaxed) <= IPK_DISCARD &&
	       table->n_slots <= h->fixed_bytes / sizeof(struct ipk__slot) &&
	       table->n_blocks <= h->fixed_bytes / IPK__BLOCK_BYTES &&
	       table->n_free_blocks <= table->n_blocks &&
	       atomic_load_explicit(&table->n_live, memory_order_relaxed) <= table->n_slots &&
	       atomic_load_explicit(&table->n_leased, memory_order_relaxed) <= table->n_slots;
}

/* LIFO and priority: everything is in the item table. */
static void note_table(const struct ipk__shm_queue *shm, ipk_inspect_channel *channel)
{
	const struct ipk__shm_item_table *table = &shm->item_table;

	*channel = (ipk_inspect_channel){
		.struct_size = sizeof *channel,
		.used_bytes = (uint64_t)(table->n_blocks - table->n_free_blocks) * IPK__BLOCK_BYTES,
		.room_bytes = (uint64_t)table->n_blocks * IPK__BLOCK_BYTES,
		.n_put = atomic_load_explicit(&shm->n_put_in_table, memory_order_relaxed),
	};
}

static void note_queue(const struct ipk__shm_queue *shm, struct ipk__object *o)
{
	uint64_t n_done = atomic_load_explicit(&shm->n_done, memory_order_relaxed) +
			  atomic_load_explicit(&shm->n_acked, memory_order_relaxed);
	int64_t n_bytes = (int64_t)(atomic_load_explicit(&shm->bytes_put, memory_order_relaxed) -
				    atomic_load_explicit(&shm->bytes_got, memory_order_relaxed));
	ipk_inspect_channel *channel = &o->channels[0];

	o->pub.queue_kind = (ipk_queue_kind)shm->kind;
	o->pub.n_channels = 1;
	o->pub.max_items = shm->max_items;
	o->pub.max_bytes = shm->max_bytes;
	o->pub.max_message_bytes = shm->max_message_bytes;
	o->pub.n_leased = atomic_load_explicit(&shm->item_table.n_leased, memory_order_relaxed);
	o->pub.shutdown = atomic_load_explicit(&shm->shutdown, memory_order_relaxed);
	o->pub.needs_repair = atomic_load_explicit(&shm->needs_repair, memory_order_relaxed) != 0;
	/* Items on lease that came back lie in the item table: taken from the ring, not got. */
	channel->n_items += atomic_load_explicit(&shm->item_table.n_live, memory_order_relaxed);
	channel->n_got = minus(channel->n_put, channel->n_items + o->pub.n_leased);
	/* What was dropped is done. */
	if (o->pub.shutdown == IPK_DISCARD)
		n_done += channel->n_items;
	o->pub.n_unfinished = minus(channel->n_put, n_done);
	channel->message_bytes = n_bytes > 0 ? (uint64_t)n_bytes : 0;
}

static int probe_copy(const struct ipk__shm_queue *shm, const struct ipk__shm_header *h,
		      struct ipk__object *o)
{
	int r = 0;

	if (!queue_is_possible(shm, h))
		return -ENOTRECOVERABLE;
	if (shm->kind == IPK_QUEUE_FIFO)
		r = note_ring(&shm->channel.ring, h->ring_bytes, &o->channels[0]);
	else
		note_table(shm, &o->channels[0]);
	if (r < 0)
		return r;
	note_queue(shm, o);
	r = ipk__make_holders(o, 2);
	if (r < 0)
		return r;
	ipk__note_holder(o, &shm->put_lock, IPK_INSPECT_PUT_LOCK);
	ipk__note_holder(o, &shm->get_lock, IPK_INSPECT_GET_LOCK);
	return ipk__note_waiters_in(o, &shm->waiters);
}

int ipk__probe_queue(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	struct ipk__shm_queue *copy;
	int r;

	if (h->fixed_bytes < sizeof *copy)
		return -EBADMSG;
	copy = ipk__os_malloc(sizeof *copy);
	if (!copy)
		return -ENOMEM;
	r = ipk__os_pread(fd, copy, sizeof *copy, 0);
	if (r == 0)
		r = read_ends_again(fd, offsetof(struct ipk__shm_queue, channel.ring),
				    &copy->channel.ring);
	if (r == 0)
		r = ipk__os_pread(fd, &copy->n_put_in_table, sizeof copy->n_put_in_table,
				  offsetof(struct ipk__shm_queue, n_put_in_table));
	if (r == 0)
		r = probe_copy(copy, h, o);
	free(copy);
	return r;
}
