/*
 * lane.h - one direction of a pipe: a ring, and the two events that its sides wait for.
 *
 * A duplex pipe is two lanes; a queue is one lane with a lock at each side. Whoever uses a
 * lane sees to it that one thread at a time writes and one reads.
 */
#ifndef IPK_PIPE_LANE_H
#define IPK_PIPE_LANE_H

#include "os/os.h"
#include "shm/ring.h"
#include "shm/wait.h"

#pragma GCC visibility push(default) /* for libipk-manager */

struct ipk__shm_lane {
	struct ipk__shm_ring ring;
	struct ipk__event data;  /* something was published */
	struct ipk__event space; /* something was freed */
};

/* A process's view. */
struct ipk__lane {
	struct ipk__ring ring;
	struct ipk__shm_lane *shared;
	struct ipk__waiters *waiters;
	struct ipk__patience put_patience;
	struct ipk__patience get_patience;
	int bell_fd; /* rung for those who poll; -1: not open (yet) */
};

static inline void ipk__lane_init(struct ipk__lane *lane, struct ipk__shm_lane *shared,
				  struct ipk__waiters *waiters, char *ring_bytes, uint64_t n_bytes,
				  int bell_fd)
{
	ipk__ring_init(&lane->ring, &shared->ring, ring_bytes, n_bytes);
	lane->shared = shared;
	lane->waiters = waiters;
	ipk__patience_init(&lane->put_patience);
	ipk__patience_init(&lane->get_patience);
	lane->bell_fd = bell_fd;
	ipk__os_fence_start();
}

/* After publishing @n messages: wake who waits for them. */
static inline void ipk__lane_wake_readers(struct ipk__lane *lane, unsigned n)
{
	struct ipk__event *event = &lane->shared->data;

	/* Pairs with the heavy fence of a waiter before its last look at the ring. */
	ipk__os_fence_light();
	if (ipk__event_has_sleepers(event))
		ipk__event_wake(event, lane->waiters, n);
	if (ipk__event_is_armed(event) && lane->bell_fd >= 0)
		ipk__event_ring(event, lane->bell_fd);
}

/* After freeing room: wake who waits for it. */
static inline void ipk__lane_wake_writers(struct ipk__lane *lane, unsigned n)
{
	struct ipk__event *event = &lane->shared->space;

	/* Pairs with the heavy fence of a waiter before its last look at the ring. */
	ipk__os_fence_light();
	if (ipk__event_has_sleepers(event))
		ipk__event_wake(event, lane->waiters, n);
}

/*
 * Say on which processor this side runs, for the other side's decision to look or to
 * sleep. Said when we begin to wait: who waits is whom the other side will wait for next.
 */
void ipk__lane_note_cpu(_Atomic uint32_t *word);

/* Wait on the reader's side until @ready; see struct ipk__wait. */
int ipk__lane_wait_data(struct ipk__lane *lane, int (*ready)(void *, bool), void *arg,
			ipk_deadline deadline);
/* The same on the writer's side. */
int ipk__lane_wait_space(struct ipk__lane *lane, int (*ready)(void *, bool), void *arg,
			 ipk_deadline deadline);

/* Whether the writer would find @n_units free. */
static inline bool ipk__lane_has_room(const struct ipk__lane *lane, uint32_t n_units)
{
	const struct ipk__shm_ring *s = lane->ring.shared;
	uint32_t tail = ipk__ring_pos(ipk__ring_tail(&lane->ring));
	uint32_t head = ipk__ring_pos(atomic_load_explicit(&s->head, memory_order_acquire));

	return lane->ring.n_units - (tail - head) >= n_units;
}

#pragma GCC visibility pop

#endif
