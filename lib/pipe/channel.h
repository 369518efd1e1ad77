/*
 * channel.h - one direction of a pipe: a ring, and the two events that its sides wait for.
 *
 * A duplex pipe is two channels; a queue is one channel with a lock at each side. The user of a
 * channel ensures that one thread at a time writes and one reads.
 */
#ifndef IPK_PIPE_CHANNEL_H
#define IPK_PIPE_CHANNEL_H

#include "os/os.h"
#include "shared/ring.h"
#include "shared/wait.h"

#pragma GCC visibility push(default) /* for libipk-manager */

struct ipk__shm_channel {
	struct ipk__shm_ring ring;
	struct ipk__wait_queue data;  /* something was published */
	struct ipk__wait_queue space; /* something was freed */
};

/* A process's view. */
struct ipk__channel {
	struct ipk__ring ring;
	struct ipk__shm_channel *shared;
	struct ipk__waiters *waiters;
	struct ipk__spin_policy put_spin;
	struct ipk__spin_policy get_spin;
	int doorbell_fd; /* rung for pollers; -1: not open (yet) */
};

static inline void ipk__channel_init(struct ipk__channel *channel, struct ipk__shm_channel *shared,
				     struct ipk__waiters *waiters, char *ring_bytes,
				     uint64_t n_bytes, int doorbell_fd)
{
	ipk__ring_init(&channel->ring, &shared->ring, ring_bytes, n_bytes);
	channel->shared = shared;
	channel->waiters = waiters;
	ipk__spin_policy_init(&channel->put_spin);
	ipk__spin_policy_init(&channel->get_spin);
	channel->doorbell_fd = doorbell_fd;
	ipk__os_fence_start();
}

/* After publishing @n messages: wakes waiters. */
static inline void ipk__channel_wake_readers(struct ipk__channel *channel, unsigned n)
{
	struct ipk__wait_queue *queue = &channel->shared->data;

	/* Pairs with the heavy fence of a waiter before its last check of the ring. */
	ipk__os_fence_light();
	if (ipk__wait_queue_has_sleepers(queue))
		ipk__wait_queue_wake(queue, channel->waiters, n);
	if (ipk__wait_queue_is_armed(queue) && channel->doorbell_fd >= 0)
		ipk__wait_queue_ring(queue, channel->doorbell_fd);
}

/* After freeing space: wakes waiters. */
static inline void ipk__channel_wake_writers(struct ipk__channel *channel, unsigned n)
{
	struct ipk__wait_queue *queue = &channel->shared->space;

	/* Pairs with the heavy fence of a waiter before its last check of the ring. */
	ipk__os_fence_light();
	if (ipk__wait_queue_has_sleepers(queue))
		ipk__wait_queue_wake(queue, channel->waiters, n);
}

/*
 * Publishes the processor of this side, for the other side's decision to spin or to sleep. Done
 * when a wait begins: the other side is the next to wait for this one.
 */
void ipk__channel_note_cpu(_Atomic uint32_t *word);

/* Waits on the reader's side until @ready; see struct ipk__wait. */
int ipk__channel_wait_data(struct ipk__channel *channel, int (*ready)(void *, bool), void *arg,
			   ipk_deadline deadline);
/* The same on the writer's side. */
int ipk__channel_wait_space(struct ipk__channel *channel, int (*ready)(void *, bool), void *arg,
			    ipk_deadline deadline);

/* Whether the writer would find @n_units free. */
static inline bool ipk__channel_has_room(const struct ipk__channel *channel, uint32_t n_units)
{
	const struct ipk__shm_ring *s = channel->ring.shared;
	uint32_t tail = ipk__ring_pos(ipk__ring_tail(&channel->ring));
	uint32_t head = ipk__ring_pos(atomic_load_explicit(&s->head, memory_order_acquire));

	return channel->ring.n_units - (tail - head) >= n_units;
}

#pragma GCC visibility pop

#endif
