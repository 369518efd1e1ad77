/*
 * ring.h - records of any length in a ring of bytes: one writer and one reader at a time.
 *
 * Head and tail are single words: the low half counts 8-byte units, the high half counts messages,
 * so one store publishes (or frees) both the bytes and the message, and the number of queued
 * messages is exact at every instant. Both halves wrap around. A record is an 8-byte head (length,
 * type) and its bytes, padded to 8. The memory is mapped twice in a row, so every record is
 * contiguous.
 */
#ifndef IPK_SHARED_RING_H
#define IPK_SHARED_RING_H

#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/base_internal.h"
#include "os/os.h"

#define IPK__UNIT 8u
#define IPK__READ_AHEAD_UNITS 64u
#define IPK__PREFETCH_BYTES 64 /* what a processor fetches at a time */

struct ipk__shm_ring {
	/* Polled by a waiting reader. */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t tail;
	_Atomic uint32_t writer_cpu;
	/* The writer's own line, not contended by that polling. */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t tail_own; /* the same as tail */
	uint64_t head_seen;                                 /* head as last read by the writer */
	uint32_t writer_pid;                                /* for writers without a lock */
	_Atomic uint64_t n_written; /* messages in total, at the writer's last publish */
	/* The reader's line. */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t head;
	uint64_t tail_seen;
	_Atomic uint64_t n_read;
	_Atomic uint32_t reader_cpu;
};
_Static_assert(sizeof(struct ipk__shm_ring) == 3 * IPK__CACHE_LINE, "layout");

struct ipk__record {
	uint32_t len_bytes;
	uint32_t type; /* the user's; never 0 */
	unsigned char bytes[];
};

/* A process's view. */
struct ipk__ring {
	struct ipk__shm_ring *shared;
	char *bytes;
	uint32_t n_units; /* a power of two */
};

static inline void ipk__ring_init(struct ipk__ring *ring, struct ipk__shm_ring *shared, char *bytes,
				  uint64_t n_bytes)
{
	ring->shared = shared;
	ring->bytes = bytes;
	ring->n_units = (uint32_t)(n_bytes / IPK__UNIT);
}

static inline uint32_t ipk__ring_pos(uint64_t word)
{
	return (uint32_t)word;
}

static inline uint32_t ipk__ring_count(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static inline uint64_t ipk__ring_word(uint32_t count, uint32_t pos)
{
	return (uint64_t)count << 32 | pos;
}

static inline uint32_t ipk__record_units(uint32_t len_bytes)
{
	return 1 + (len_bytes + IPK__UNIT - 1) / IPK__UNIT;
}

static inline struct ipk__record *ipk__ring_at(const struct ipk__ring *ring, uint32_t pos)
{
	return (struct ipk__record *)(ring->bytes +
				      (size_t)(pos & (ring->n_units - 1)) * IPK__UNIT);
}

/* @total updated to the 32-bit @count with which it last agreed. */
static inline uint64_t ipk__ring_total(const _Atomic uint64_t *total, uint32_t count)
{
	uint64_t before = atomic_load_explicit(total, memory_order_relaxed);

	/* Signed: the total may have been read a moment after the count, and be ahead. */
	return before + (uint64_t)(int64_t)(int32_t)(count - (uint32_t)before);
}

/* Messages written and read, in total. */
static inline uint64_t ipk__ring_n_written(const struct ipk__shm_ring *s)
{
	return ipk__ring_total(&s->n_written, ipk__ring_count(atomic_load(&s->tail)));
}

static inline uint64_t ipk__ring_n_read(const struct ipk__shm_ring *s)
{
	return ipk__ring_total(&s->n_read, ipk__ring_count(atomic_load(&s->head)));
}

/* How many messages are queued. */
static inline uint32_t ipk__ring_len(const struct ipk__ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->shared->head, memory_order_acquire);
	uint64_t tail = atomic_load_explicit(&ring->shared->tail, memory_order_acquire);

	return ipk__ring_count(tail) - ipk__ring_count(head);
}

/* How many messages a reader will find, 1 for the pieces of one, INT_MAX at most. */
static inline int ipk__ring_ready(const struct ipk__ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->shared->tail, memory_order_acquire);
	uint64_t head = atomic_load_explicit(&ring->shared->head, memory_order_relaxed);
	uint32_t n = ipk__ring_count(tail) - ipk__ring_count(head);

	/* As in ipk__ring_front(), positions decide: in a damaged ring the counts may differ. */
	if (ipk__ring_pos(tail) == ipk__ring_pos(head))
		return 0;
	return (int)IPK__MIN(IPK__MAX(n, 1u), (uint32_t)INT_MAX);
}

static inline bool ipk__ring_is_empty(const struct ipk__ring *ring)
{
	/* Pairs with the writer's release store: a reader that sees the tail sees the records. */
	return ipk__ring_pos(atomic_load_explicit(&ring->shared->tail, memory_order_acquire)) ==
	       ipk__ring_pos(atomic_load_explicit(&ring->shared->head, memory_order_acquire));
}

/* --- writer ----------------------------------------------------------------------------------- */

/* Units free for the writer, at least @wanted if possible; -EPROTO: head is damaged. */
static inline int ipk__ring_room(const struct ipk__ring *ring, uint64_t tail, uint32_t wanted,
				 uint32_t *ret_free)
{
	struct ipk__shm_ring *s = ring->shared;
	uint32_t used = ipk__ring_pos(tail) - ipk__ring_pos(s->head_seen);

	if (used > ring->n_units || ring->n_units - used < wanted) {
		/* Pairs with the reader's release store: it has finished with what it frees. */
		s->head_seen = atomic_load_explicit(&s->head, memory_order_acquire);
		used = ipk__ring_pos(tail) - ipk__ring_pos(s->head_seen);
		if (used > ring->n_units)
			return -EPROTO;
	}
	*ret_free = ring->n_units - used;
	return 0;
}

static inline uint64_t ipk__ring_tail(const struct ipk__ring *ring)
{
	return atomic_load_explicit(&ring->shared->tail_own, memory_order_relaxed);
}

/* Makes everything before @tail visible: the commit point of a put. */
static inline void ipk__ring_publish(const struct ipk__ring *ring, uint64_t tail)
{
	const unsigned char *next;

	/*
	 * The writer's own words first. A death in between leaves a total that is ahead, which its
	 * readers correct, and a tail_own that is ahead, which the next writer corrects.
	 */
	atomic_store_explicit(&ring->shared->n_written,
			      ipk__ring_total(&ring->shared->n_written, ipk__ring_count(tail)),
			      memory_order_relaxed);
	atomic_store_explicit(&ring->shared->tail_own, tail, memory_order_relaxed);
	/* Pairs with the acquire loads of tail by readers. */
	atomic_store_explicit(&ring->shared->tail, tail, memory_order_release);
	/* Prefetch the next message's line: the reader has owned it since the last lap. */
	next = ipk__ring_at(ring, ipk__ring_pos(tail))->bytes;
	ipk__os_prefetch_write(next);
	ipk__os_prefetch_write(next + IPK__PREFETCH_BYTES);
}

/* After a writer's death, by the next writer: discards what was not published. */
static inline void ipk__ring_drop_unpublished(const struct ipk__ring *ring)
{
	struct ipk__shm_ring *s = ring->shared;

	atomic_store(&s->tail_own, atomic_load(&s->tail));
}

/* Without a lock that reports deaths: at the beginning of each message of process @pid. */
static inline void ipk__ring_begin_write(const struct ipk__ring *ring, uint32_t pid)
{
	if (ring->shared->writer_pid == pid)
		return;
	ipk__ring_drop_unpublished(ring);
	ring->shared->writer_pid = pid;
}

/* Writes a record at @tail and returns the tail after it; @n_messages is 0 or 1. */
static inline uint64_t ipk__ring_write(const struct ipk__ring *ring, uint64_t tail, uint32_t type,
				       const void *data, uint32_t len_bytes, uint32_t n_messages)
{
	struct ipk__record *record = ipk__ring_at(ring, ipk__ring_pos(tail));

	record->len_bytes = len_bytes;
	record->type = type;
	if (len_bytes > 0)
		memcpy(record->bytes, data, len_bytes);
	return ipk__ring_word(ipk__ring_count(tail) + n_messages,
			      ipk__ring_pos(tail) + ipk__record_units(len_bytes));
}

/* --- reader ----------------------------------------------------------------------------------- */

static inline uint64_t ipk__ring_head(const struct ipk__ring *ring)
{
	return atomic_load_explicit(&ring->shared->head, memory_order_relaxed);
}

/*
 * The record at @head and its length, read once: 1, 0 when there is none, or -EPROTO when
 * the ring is damaged.
 */
static inline int ipk__ring_front(const struct ipk__ring *ring, uint64_t head,
				  const struct ipk__record **ret_record, uint32_t *ret_len_bytes,
				  uint32_t *ret_type)
{
	struct ipk__shm_ring *s = ring->shared;
	uint32_t used = ipk__ring_pos(s->tail_seen) - ipk__ring_pos(head);
	const struct ipk__record *record;
	uint32_t len_bytes;

	if (used == 0 || used > ring->n_units) {
		/*
		 * Pairs with the writer's release store: a reader that sees the tail sees the
		 * records.
		 */
		s->tail_seen = atomic_load_explicit(&s->tail, memory_order_acquire);
		used = ipk__ring_pos(s->tail_seen) - ipk__ring_pos(head);
		if (used == 0)
			return 0;
		if (used > ring->n_units)
			return -EPROTO;
	}
	record = ipk__ring_at(ring, ipk__ring_pos(head));
	/* Prefetch what follows, unless the writer may be busy there. */
	if (used > 2 * IPK__READ_AHEAD_UNITS)
		__builtin_prefetch(&record->bytes[IPK__READ_AHEAD_UNITS * IPK__UNIT]);
	len_bytes = *(const volatile uint32_t *)&record->len_bytes;
	if (len_bytes > (uint64_t)used * IPK__UNIT || ipk__record_units(len_bytes) > used)
		return -EPROTO;
	*ret_record = record;
	*ret_len_bytes = len_bytes;
	*ret_type = *(const volatile uint32_t *)&record->type;
	return 1;
}

static inline uint64_t ipk__ring_behind(uint64_t head, uint32_t len_bytes, uint32_t n_messages)
{
	return ipk__ring_word(ipk__ring_count(head) + n_messages,
			      ipk__ring_pos(head) + ipk__record_units(len_bytes));
}

/* Frees everything before @head for the writer: the commit point of a get. */
static inline void ipk__ring_free(const struct ipk__ring *ring, uint64_t head)
{
	/* The total first: the head decides. */
	atomic_store_explicit(&ring->shared->n_read,
			      ipk__ring_total(&ring->shared->n_read, ipk__ring_count(head)),
			      memory_order_relaxed);
	/* Pairs with the writer's acquire load of head: our reads are done. */
	atomic_store_explicit(&ring->shared->head, head, memory_order_release);
}

#endif
