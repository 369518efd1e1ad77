/*
 * queue_internal.h - what the files of this room share.
 *
 * queue.c       make, open, close          queue_put.c   the way in
 * queue_get.c   the way out                lease.c       items on loan
 * shelf.c       items that are not in the ring (LIFO, priority, on loan)
 * spill.c       pages of their own for long messages
 * repair.c      after a death: what is derived is derived again
 * queue_mq.c    POSIX message queues       queue_info.c  counts, join, shutdown, fd
 *
 * Two locks guard everything. A FIFO queue's ring is written under the put lock and read
 * under the get lock. The shelf is used under the get lock alone, so LIFO and priority
 * queues put under that too. Whoever needs both takes the put lock first.
 */
#ifndef IPK_QUEUE_INTERNAL_H
#define IPK_QUEUE_INTERNAL_H

#include "ipk/queue.h"
#include "pipe/lane.h"
#include "shm/robust_lock.h"
#include "shm/pollset.h"
#include "shm/segment.h"

#define IPK__NONE UINT32_MAX
#define IPK__BLOCK_BYTES 128u
#define IPK__LOANS_MAX 1024u /* there is a slot for each, besides those for max_items */

/* --- in shared memory --- */

enum { SLOT_FREE = 0, SLOT_LIVE = 1, SLOT_LEASED = 2 };
#define SLOT_STATE 0xffu
#define SLOT_REDELIVERED 0x100u
#define SLOT_PENDING 0x200u /* being taken from the ring: counts once head has moved on */

/* An item on the shelf. Its word is the commit point of everything done to it. */
struct ipk__slot {
	_Atomic uint64_t word; /* state and flags; the holder's pid in the upper half */
	uint64_t seq;          /* order: of the put, or of the message in the ring */
	uint64_t len_bytes;
	uint64_t spill_offset; /* 0: in blocks */
	uint64_t holder;       /* see shm/owner.h; the same pid as in the word */
	uint32_t first_block;
	uint32_t level;
	uint32_t next; /* derived: neighbours in the level's list, or the free list */
	uint32_t prev;
	uint64_t lease_id;
};
_Static_assert(sizeof(struct ipk__slot) == 64, "layout");

struct ipk__shm_shelf {
	uint32_t n_slots;
	uint32_t n_blocks;
	uint64_t slots_offset;
	uint64_t links_offset;
	uint64_t blocks_offset;
	/* Derived from the slots after a death: */
	_Atomic uint32_t n_live;
	_Atomic uint32_t n_leased;
	uint32_t free_slot;
	uint32_t free_block;
	uint32_t n_free_blocks;
	uint32_t reserved;
	uint64_t levels; /* a bit for each level that has items */
	uint32_t heads[IPK_QUEUE_LEVELS];
	uint32_t tails[IPK_QUEUE_LEVELS];
	/* An ack under way: so that it is counted exactly once. */
	uint64_t ack_count;
	uint32_t ack_slot; /* plus 1 */
	uint32_t reserved2;
	uint64_t next_lease_id;
	_Atomic int64_t reclaimed_ns; /* when somebody last looked for the dead */
};

struct ipk__shm_queue {
	struct ipk__shm_header header;
	uint32_t kind;
	uint32_t max_items;
	uint64_t max_bytes;
	uint64_t max_message_bytes;
	uint64_t spill_base;
	_Atomic uint64_t spill_next;
	_Atomic uint64_t spilled_bytes; /* written or being written; more after a death */
	alignas(IPK__CACHE_LINE) _Atomic uint32_t shutdown; /* 0 or ipk_shutdown */
	_Atomic uint32_t needs_repair;                      /* somebody died inside: what is due */
	alignas(IPK__CACHE_LINE) struct ipk__lock put_lock;
	_Atomic uint64_t bytes_put;
	alignas(IPK__CACHE_LINE) struct ipk__lock get_lock;
	_Atomic uint64_t bytes_got;
	_Atomic uint64_t n_shelved; /* LIFO, priority: items ever put */
	struct ipk__shm_lane lane;
	struct ipk__event done; /* unfinished fell to 0 */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t n_done;
	_Atomic uint64_t n_acked;
	struct ipk__waiters waiters;
	struct ipk__shm_shelf shelf;
};

/* --- a process's view --- */

struct ipk_queue {
	ipk_queue_kind kind;
	struct ipk__segment segment;
	struct ipk__shm_queue *shared;
	struct ipk__lane lane;
	struct ipk__patience join_patience;
	_Atomic uint64_t pollset;  /* pid in the upper half, fd + 1 in the lower; 0: none */
	_Atomic pid_t checked_pid; /* the process whose pid namespace was found to be right */
	char *name;                /* NULL: anonymous */
	/* the shelf, addressed; and sizes as they were checked, whatever becomes of the shared ones
	 */
	struct ipk__slot *slots;
	uint32_t *links; /* of blocks */
	char *blocks;
	uint32_t n_slots;
	uint32_t n_blocks;
	uint64_t spill_base;
	uint64_t gaps_freed_to; /* by a repair that is to go on there; under both locks */
	uint64_t max_bytes;
	uint64_t max_message_bytes;
	uint32_t max_items;
	/* mq */
	int mq_fd;
	size_t mq_message_bytes;
};

/* Add to a count that is written under one lock and read without. */
static inline void ipk__count_add(_Atomic uint64_t *count, uint64_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* One word, so that threads may ask for the fd at the same time. */
static inline struct ipk__pollset ipk__queue_pollset(const ipk_queue *q)
{
	uint64_t word = atomic_load(&q->pollset);

	return (struct ipk__pollset){.fd = (int)(uint32_t)word - 1, .pid = (pid_t)(word >> 32)};
}

/* The bell's fd, -1: not open yet. Other threads may open it meanwhile. */
static inline int ipk__queue_bell(const ipk_queue *q)
{
	return __atomic_load_n(&q->lane.bell_fd, __ATOMIC_ACQUIRE);
}

/* For who polls, if anybody is. */
static inline void ipk__queue_ring(const ipk_queue *q)
{
	struct ipk__event *event = &q->lane.shared->data;
	int fd = ipk__queue_bell(q);

	if (fd >= 0 && q->name)
		ipk__event_ring_fifo(event, fd);
	else if (fd >= 0)
		ipk__event_ring(event, fd);
}

static inline bool ipk__queue_is_fifo(const ipk_queue *q)
{
	return q->kind == IPK_QUEUE_FIFO;
}

/* --- queue.c --- */
int ipk__queue_attach(int fd, bool is_named, const char *name, int bell_fd, ipk_queue **ret_q);
void ipk__queue_wake_readers(ipk_queue *q, unsigned n);
void ipk__queue_keep_bell(ipk_queue *q, int fd); /* or close it, when there is one */
/* Take a side's lock; a death inside is noted for repair. */
int ipk__queue_lock_put(ipk_queue *q, ipk_deadline deadline);
int ipk__queue_lock_get(ipk_queue *q, ipk_deadline deadline);
void ipk__queue_unlock_put(ipk_queue *q);
void ipk__queue_unlock_get(ipk_queue *q);
const char *ipk__queue_bell_name(const char *name, char *buf, size_t buf_bytes);
void ipk__queue_remove_lone_bell(const char *name); /* of a queue that was unlinked */

/* --- repair.c --- */
enum { IPK__REPAIR_COUNTS = 1, IPK__REPAIR_SHELF = 2 /* its lists may be torn */ };
void ipk__queue_repair(ipk_queue *q);
static inline void ipk__queue_repair_if_due(ipk_queue *q)
{
	if (atomic_load_explicit(&q->shared->needs_repair, memory_order_relaxed))
		ipk__queue_repair(q);
}

/* --- spill.c --- */
enum { IPK__RECORD_INLINE = 1, IPK__RECORD_SPILLED = 2 };
struct ipk__extent {
	uint64_t offset;
	uint64_t len_bytes;
};
int ipk__spill_write(ipk_queue *q, const void *data, size_t len_bytes, uint64_t *ret_offset);
int ipk__spill_read(ipk_queue *q, uint64_t offset, void *buf, size_t len_bytes);
void ipk__spill_free(ipk_queue *q, uint64_t offset, uint64_t len_bytes);
int ipk__spill_free_gaps(ipk_queue *q); /* under both locks; -ENOMEM, -EAGAIN: not all yet */

/* --- shelf.c: all under the get lock --- */
void ipk__shelf_lay_out(struct ipk__shm_shelf *shelf, uint64_t at, uint32_t n_slots,
			uint32_t n_blocks);
uint64_t ipk__shelf_bytes(uint32_t n_slots, uint32_t n_blocks);
void ipk__shelf_open(ipk_queue *q, const struct ipk__shm_shelf *checked);
int ipk__shelf_rebuild(ipk_queue *q); /* -ENOMEM: to be tried again before the shelf is used */
/* A slot with a copy of the bytes, not yet committed: -ENOSPC. Undone by shelf_free(). */
int ipk__shelf_store(ipk_queue *q, const void *data, size_t len_bytes, uint32_t *ret_slot);
int ipk__shelf_adopt(ipk_queue *q, const struct ipk__extent *extent, uint32_t *ret_slot);
void ipk__shelf_link(ipk_queue *q, uint32_t slot);   /* after it became LIVE */
void ipk__shelf_unlink(ipk_queue *q, uint32_t slot); /* after it was LIVE */
void ipk__shelf_free(ipk_queue *q, uint32_t slot);   /* its word is FREE: its room too */
uint32_t ipk__shelf_first(const ipk_queue *q);       /* the next to go out, or IPK__NONE */
int ipk__shelf_read(const ipk_queue *q, uint32_t slot, void *buf, size_t n_bytes);

/* --- queue_put.c --- */
int ipk__queue_put_items(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
			 ipk_deadline deadline, size_t *ret_n_put);
bool ipk__queue_has_room(const ipk_queue *q, size_t len_bytes);

/* --- queue_get.c --- */
/* The next item, found under the get lock. */
struct ipk__found {
	uint32_t slot; /* IPK__NONE: in the ring */
	uint64_t head;
	uint32_t record_bytes;
	const void *bytes;
	struct ipk__extent extent; /* offset 0: at bytes */
	size_t len_bytes;
};
/* 0; -EAGAIN none; -ESHUTDOWN; -EPROTO. */
int ipk__queue_find(ipk_queue *q, struct ipk__found *ret_found);
int ipk__found_read(ipk_queue *q, const struct ipk__found *f, void *buf, size_t n_bytes);
void ipk__found_take(ipk_queue *q, const struct ipk__found *f); /* the commit of a get */
/* Wait for an item and call @use on it under the get lock; its result is the result. */
int ipk__queue_next(ipk_queue *q, ipk_deadline deadline,
		    int (*use)(ipk_queue *q, const struct ipk__found *f, void *arg), void *arg);
int ipk__queue_data_ready(void *arg, bool slowly);

/* --- lease.c --- */
void ipk__lease_reclaim(ipk_queue *q); /* under the get lock: loans of the dead come back */
bool ipk__lease_reclaim_is_due(ipk_queue *q);
void ipk__lease_reclaim_if_due(ipk_queue *q); /* takes the lock, if it is free */

/* For calls without a deadline of their own: how long another's get or put may take. */
#define IPK__QUEUE_LOCK_MS 1000

/* --- queue_info.c --- */
void ipk__queue_wake_all(ipk_queue *q);
void ipk__queue_wake_joiners(ipk_queue *q);

/* --- queue_mq.c --- */
int ipk__mq_create(const ipk_queue_opts *opts, ipk_queue **ret_q);
int ipk__mq_open(const char *name, ipk_queue **ret_q);
int ipk__mq_unlink(const char *name);
bool ipk__mq_is_name(const char *name); /* whether it begins with mq:/ */
int ipk__mq_put(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
		ipk_deadline deadline, size_t *ret_n_put);
int ipk__mq_get(ipk_queue *q, void *buf, size_t buf_bytes, ipk_deadline deadline,
		size_t *ret_len_bytes);
size_t ipk__mq_len(ipk_queue *q);
bool ipk__mq_is_full(ipk_queue *q);

#endif
