/*
 * look_lanes.c - what the memory of pipes and queues says.
 *
 * The copy is taken while others write. Some numbers must go together, and what is the larger of
 * two is read again after the other: a ring's head and then its tail, which makes the pair possible
 * unless the ring went round between the two reads; and what was put after what was done, so that
 * no item is inside that looks done. An impossible pair is -ENOTRECOVERABLE: the caller looks
 * again.
 */
#include <errno.h>
#include <stdlib.h>

#include "inspect/inspect_internal.h"
#include "pipe/pipe_internal.h"
#include "queue/queue_internal.h"

/* --- lanes --- */

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

static int note_ring(const struct ipk__shm_ring *ring, uint64_t ring_bytes, ipk_inspect_lane *lane)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t n_units = ipk__ring_pos(tail) - ipk__ring_pos(head);
	uint32_t n_items = ipk__ring_count(tail) - ipk__ring_count(head);

	if ((uint64_t)n_units * IPK__UNIT > ring_bytes || n_items > n_units)
		return -ENOTRECOVERABLE;
	*lane = (ipk_inspect_lane){
		.struct_size = sizeof *lane,
		.n_items = n_items,
		.message_bytes = IPK_INSPECT_UNKNOWN,
		.used_bytes = (uint64_t)n_units * IPK__UNIT,
		.room_bytes = ring_bytes,
		.n_put = total(&ring->n_written, tail),
		.n_got = total(&ring->n_read, head),
	};
	return 0;
}

/* --- pipes --- */

int ipk__look_at_pipe(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	uint32_t n_lanes = (h->flags & IPK_PIPE_ONE_WAY) ? 1 : 2;
	struct ipk__shm_pipe shm;
	int r;

	if (h->fixed_bytes < sizeof shm || h->n_rings != n_lanes)
		return -EBADMSG;
	r = ipk__os_pread(fd, &shm, sizeof shm, 0);
	/* In a one-way pipe there is only lane 1. */
	for (uint32_t i = 0; r == 0 && i < n_lanes; i++) {
		struct ipk__shm_ring *ring = &shm.lanes[i + 2 - n_lanes].ring;

		r = read_ends_again(fd, (uint64_t)((char *)ring - (char *)&shm), ring);
		if (r == 0)
			r = note_ring(ring, h->ring_bytes, &o->lanes[i]);
	}
	if (r < 0)
		return r;
	o->pub.n_lanes = n_lanes;
	o->pub.max_message_bytes = shm.max_message_bytes;
	o->pub.n_unfinished = IPK_INSPECT_UNKNOWN;
	return ipk__note_waiters_in(o, &shm.waiters);
}

/* --- queues --- */

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static bool queue_is_possible(const struct ipk__shm_queue *shm, const struct ipk__shm_header *h)
{
	const struct ipk__shm_shelf *shelf = &shm->shelf;

	return shm->kind <= IPK_QUEUE_PRIORITY &&
	       h->n_rings == (shm->kind == IPK_QUEUE_FIFO ? 1 : 0) &&
	       atomic_load_explicit(&shm->shutdown, memory_order_relaxed) <= IPK_DISCARD &&
	       shelf->n_slots <= h->fixed_bytes / sizeof(struct ipk__slot) &&
	       shelf->n_blocks <= h->fixed_bytes / IPK__BLOCK_BYTES &&
	       shelf->n_free_blocks <= shelf->n_blocks &&
	       atomic_load_explicit(&shelf->n_live, memory_order_relaxed) <= shelf->n_slots &&
	       atomic_load_explicit(&shelf->n_leased, memory_order_relaxed) <= shelf->n_slots;
}

/* LIFO and priority: everything is on the shelf. */
static void note_shelf(const struct ipk__shm_queue *shm, ipk_inspect_lane *lane)
{
	const struct ipk__shm_shelf *shelf = &shm->shelf;

	*lane = (ipk_inspect_lane){
		.struct_size = sizeof *lane,
		.used_bytes = (uint64_t)(shelf->n_blocks - shelf->n_free_blocks) * IPK__BLOCK_BYTES,
		.room_bytes = (uint64_t)shelf->n_blocks * IPK__BLOCK_BYTES,
		.n_put = atomic_load_explicit(&shm->n_shelved, memory_order_relaxed),
	};
}

static void note_queue(const struct ipk__shm_queue *shm, struct ipk__object *o)
{
	uint64_t n_done = atomic_load_explicit(&shm->n_done, memory_order_relaxed) +
			  atomic_load_explicit(&shm->n_acked, memory_order_relaxed);
	int64_t n_bytes = (int64_t)(atomic_load_explicit(&shm->bytes_put, memory_order_relaxed) -
				    atomic_load_explicit(&shm->bytes_got, memory_order_relaxed));
	ipk_inspect_lane *lane = &o->lanes[0];

	o->pub.queue_kind = (ipk_queue_kind)shm->kind;
	o->pub.n_lanes = 1;
	o->pub.max_items = shm->max_items;
	o->pub.max_bytes = shm->max_bytes;
	o->pub.max_message_bytes = shm->max_message_bytes;
	o->pub.n_leased = atomic_load_explicit(&shm->shelf.n_leased, memory_order_relaxed);
	o->pub.shutdown = atomic_load_explicit(&shm->shutdown, memory_order_relaxed);
	o->pub.needs_repair = atomic_load_explicit(&shm->needs_repair, memory_order_relaxed) != 0;
	/* Items on loan that came back lie on the shelf: taken from the ring, not got. */
	lane->n_items += atomic_load_explicit(&shm->shelf.n_live, memory_order_relaxed);
	lane->n_got = minus(lane->n_put, lane->n_items + o->pub.n_leased);
	/* What was dropped is done. */
	if (o->pub.shutdown == IPK_DISCARD)
		n_done += lane->n_items;
	o->pub.n_unfinished = minus(lane->n_put, n_done);
	lane->message_bytes = n_bytes > 0 ? (uint64_t)n_bytes : 0;
}

static int look_at_copy(const struct ipk__shm_queue *shm, const struct ipk__shm_header *h,
			struct ipk__object *o)
{
	int r = 0;

	if (!queue_is_possible(shm, h))
		return -ENOTRECOVERABLE;
	if (shm->kind == IPK_QUEUE_FIFO)
		r = note_ring(&shm->lane.ring, h->ring_bytes, &o->lanes[0]);
	else
		note_shelf(shm, &o->lanes[0]);
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

int ipk__look_at_queue(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
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
		r = read_ends_again(fd, offsetof(struct ipk__shm_queue, lane.ring),
				    &copy->lane.ring);
	if (r == 0)
		r = ipk__os_pread(fd, &copy->n_shelved, sizeof copy->n_shelved,
				  offsetof(struct ipk__shm_queue, n_shelved));
	if (r == 0)
		r = look_at_copy(copy, h, o);
	free(copy);
	return r;
}
