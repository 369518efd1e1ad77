/*
 * queue_internal.h - declarations shared by lib/queue.
 *
 * queue.c       create, open, close         queue_put.c   the put side
 * queue_get.c   the get side                lease.c       leased items
 * item_table.c  items that are not in the ring (LIFO, priority, on lease)
 * spill.c       separate pages for long messages
 * repair.c      recovery after a death: rebuilds derived state
 * queue_mq.c    POSIX message queues        queue_info.c  counts, join, shutdown, fd
 *
 * Two locks guard everything. A FIFO queue's ring is written under the put lock and read under the
 * get lock. The item table is used under the get lock alone, so LIFO and priority queues put under
 * that too. Code that needs both acquires the put lock first.
 */
#ifndef IPK_QUEUE_INTERNAL_H
#define IPK_QUEUE_INTERNAL_H

#include "ipk/queue.h"
#include "pipe/channel.h"
#include "shared/robust_lock.h"
#include "shared/pollset.h"
#include "shared/segment.h"

#define IPK__NONE UINT32_MAX
#define IPK__BLOCK_BYTES 128u
#define IPK__LEASES_MAX 1024u /* a slot is reserved for each, besides those for max_items */

/* --- in shared memory ------------------------------------------------------------------------- */

enum { SLOT_FREE = 0, SLOT_LIVE = 1, SLOT_LEASED = 2 };
#define SLOT_STATE 0xffu
#define SLOT_REDELIVERED 0x100u
#define SLOT_PENDING 0x200u /* being taken from the ring: valid once head has moved on */

/* An item in the item table. Its word is the commit point of every operation on it. */
struct ipk__slot {
	_Atomic uint64_t word; /* state and flags; the holder's pid in the upper half */
	uint64_t seq;          /* order: of the put, or of the message in the ring */
	uint64_t len_bytes;
	uint64_t spill_offset; /* 0: in blocks */
	uint64_t holder;       /* see shared/owner.h; the same pid as in the word */
	uint32_t first_block;
	uint32_t level;
	uint32_t next; /* derived: links of the level's list, or of the free list */
	uint32_t prev;
	uint64_t lease_id;
};
_Static_assert(sizeof(struct ipk__slot) == 64, "layout");

struct ipk__shm_item_table {
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
	uint64_t levels; /* a bitmap of the levels that have items */
	uint32_t heads[IPK_QUEUE_LEVELS];
	uint32_t tails[IPK_QUEUE_LEVELS];
	/* An ack in progress: so it is counted exactly once. */
	uint64_t ack_count;
	uint32_t ack_slot; /* plus 1 */
	uint32_t reserved2;
	uint64_t next_lease_id;
	_Atomic int64_t reclaimed_ns; /* when leases of dead holders were last searched for */
};

struct ipk__shm_queue {
	struct ipk__shm_header header;
	uint32_t kind;
	uint32_t max_items;
	uint64_t max_bytes;
	uint64_t max_message_bytes;
	uint64_t spill_base;
	_Atomic uint64_t spill_next;
	_Atomic uint64_t spilled_bytes; /* written or being written; too high after a death */
	alignas(IPK__CACHE_LINE) _Atomic uint32_t shutdown; /* 0 or ipk_shutdown */
	_Atomic uint32_t needs_repair;                      /* repairs due after a death inside */
	alignas(IPK__CACHE_LINE) struct ipk__robust_lock put_lock;
	_Atomic uint64_t bytes_put;
	alignas(IPK__CACHE_LINE) struct ipk__robust_lock get_lock;
	_Atomic uint64_t bytes_got;
	_Atomic uint64_t n_put_in_table; /* LIFO, priority: items put in total */
	struct ipk__shm_channel channel;
	struct ipk__wait_queue done; /* unfinished dropped to 0 */
	alignas(IPK__CACHE_LINE) _Atomic uint64_t n_done;
	_Atomic uint64_t n_acked;
	struct ipk__waiters waiters;
	struct ipk__shm_item_table item_table;
};

/* --- a process's view ------------------------------------------------------------------------- */

struct ipk_queue {
	ipk_queue_kind kind;
	struct ipk__segment segment;
	struct ipk__shm_queue *shared;
	struct ipk__channel channel;
	struct ipk__spin_policy join_spin;
	_Atomic uint64_t pollset;  /* pid in the upper half, fd + 1 in the lower; 0: none */
	_Atomic pid_t checked_pid; /* the process whose pid namespace was checked */
	char *name;                /* NULL: anonymous */
	/*
	 * The table's address, and sizes as validated, independent of later changes to the shared
	 * ones.
	 */
	struct ipk__slot *slots;
	uint32_t *links; /* of blocks */
	char *blocks;
	uint32_t n_slots;
	uint32_t n_blocks;
	uint64_t spill_base;
	uint64_t gaps_freed_to; /* progress of a repair that continues there; under both locks */
	uint64_t max_bytes;
	uint64_t max_message_bytes;
	uint32_t max_items;
	/* mq */
	int mq_fd;
	size_t mq_message_bytes;
};

/* Adds to a count that is written under one lock and read without. */
static inline void ipk__count_add(_Atomic uint64_t *count, uint64_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* One word, so several threads may request the fd at the same time. */
static inline struct ipk__pollset ipk__queue_pollset(const ipk_queue *q)
{
	uint64_t word = atomic_load(&q->pollset);

	return (struct ipk__pollset){.fd = (int)(uint32_t)word - 1, .pid = (pid_t)(word >> 32)};
}

/* The doorbell's fd, -1: not open yet. Other threads may open it meanwhile. */
static inline int ipk__queue_doorbell(const ipk_queue *q)
{
	return __atomic_load_n(&q->channel.doorbell_fd, __ATOMIC_ACQUIRE);
}

/* Rings for processes that poll, if there are any. */
static inline void ipk__queue_ring(const ipk_queue *q)
{
	struct ipk__wait_queue *queue = &q->channel.shared->data;
	int fd = ipk__queue_doorbell(q);

	if (fd >= 0 && q->name)
		ipk__wait_queue_ring_fifo(queue, fd);
	else if (fd >= 0)
		ipk__wait_queue_ring(queue, fd);
}

static inline bool ipk__queue_is_fifo(const ipk_queue *q)
{
	return q->kind == IPK_QUEUE_FIFO;
}

/* --- queue.c ---------------------------------------------------------------------------------- */
int ipk__queue_attach(int fd, bool is_named, const char *name, int doorbell_fd, ipk_queue **ret_q);
void ipk__queue_wake_readers(ipk_queue *q, unsigned n);
void ipk__queue_keep_doorbell(ipk_queue *q, int fd); /* or closes it, if there is one already */
/* Acquires a side's lock; a death inside is recorded for repair. */
int ipk__queue_lock_put(ipk_queue *q, ipk_deadline deadline);
int ipk__queue_lock_get(ipk_queue *q, ipk_deadline deadline);
void ipk__queue_unlock_put(ipk_queue *q);
void ipk__queue_unlock_get(ipk_queue *q);
const char *ipk__queue_doorbell_name(const char *name, char *buf, size_t buf_bytes);
void ipk__queue_remove_orphan_doorbell(const char *name); /* of an unlinked queue */

/* --- repair.c --------------------------------------------------------------------------------- */
enum { IPK__REPAIR_COUNTS = 1, IPK__REPAIR_ITEM_TABLE = 2 /* its lists may be inconsistent */ };
void ipk__queue_repair(ipk_queue *q);
static inline void ipk__queue_repair_if_due(ipk_queue *q)
{
	if (atomic_load_explicit(&q->shared->needs_repair, memory_order_relaxed))
		ipk__queue_repair(q);
}

/* --- spill.c ---------------------------------------------------------------------------------- */
enum { IPK__RECORD_INLINE = 1, IPK__RECORD_SPILLED = 2 };
struct ipk__extent {
	uint64_t offset;
	uint64_t len_bytes;
};
int ipk__spill_write(ipk_queue *q, const void *data, size_t len_bytes, uint64_t *ret_offset);
int ipk__spill_read(ipk_queue *q, uint64_t offset, void *buf, size_t len_bytes);
void ipk__spill_free(ipk_queue *q, uint64_t offset, uint64_t len_bytes);
int ipk__spill_free_gaps(ipk_queue *q); /* under both locks; -ENOMEM, -EAGAIN: not complete yet */

/* --- item_table.c: all under the get lock ----------------------------------------------------- */
void ipk__item_table_lay_out(struct ipk__shm_item_table *table, uint64_t at, uint32_t n_slots,
			     uint32_t n_blocks);
uint64_t ipk__item_table_bytes(uint32_t n_slots, uint32_t n_blocks);
void ipk__item_table_open(ipk_queue *q, const struct ipk__shm_item_table *checked);
/* -ENOMEM: must be retried before the item table is used */
int ipk__item_table_rebuild(ipk_queue *q);
/* A slot with a copy of the bytes, not yet committed: -ENOSPC. Rolled back by item_table_free(). */
int ipk__item_table_store(ipk_queue *q, const void *data, size_t len_bytes, uint32_t *ret_slot);
int ipk__item_table_adopt(ipk_queue *q, const struct ipk__extent *extent, uint32_t *ret_slot);
void ipk__item_table_link(ipk_queue *q, uint32_t slot);   /* after it became LIVE */
void ipk__item_table_unlink(ipk_queue *q, uint32_t slot); /* after it was LIVE */
void ipk__item_table_free(ipk_queue *q, uint32_t slot);   /* its word is FREE: frees its blocks */
uint32_t ipk__item_table_first(const ipk_queue *q);       /* the next to get, or IPK__NONE */
int ipk__item_table_read(const ipk_queue *q, uint32_t slot, void *buf, size_t n_bytes);

/* --- queue_put.c ------------------------------------------------------------------------------ */
int ipk__queue_put_items(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
			 ipk_deadline deadline, size_t *ret_n_put);
bool ipk__queue_has_room(const ipk_queue *q, size_t len_bytes);

/* --- queue_get.c ------------------------------------------------------------------------------ */
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
/* Waits for an item and calls @use on it under the get lock; returns the result of @use. */
int ipk__queue_next(ipk_queue *q, ipk_deadline deadline,
		    int (*use)(ipk_queue *q, const struct ipk__found *f, void *arg), void *arg);
int ipk__queue_data_ready(void *arg, bool slowly);

/* --- lease.c ---------------------------------------------------------------------------------- */
void ipk__lease_reclaim(ipk_queue *q); /* under the get lock: returns leases of dead holders */
bool ipk__lease_reclaim_is_due(ipk_queue *q);
void ipk__lease_reclaim_if_due(ipk_queue *q); /* takes the lock, if it is free */

/* For calls without a deadline of their own: how long another thread's get or put may take. */
#define IPK__QUEUE_LOCK_MS 1000

/* --- queue_info.c ----------------------------------------------------------------------------- */
void ipk__queue_wake_all(ipk_queue *q);
void ipk__queue_wake_joiners(ipk_queue *q);

/* --- queue_mq.c ------------------------------------------------------------------------------- */
int ipk__mq_create(const ipk_queue_opts *opts, ipk_queue **ret_q);
int ipk__mq_open(const char *name, ipk_queue **ret_q);
int ipk__mq_unlink(const char *name);
bool ipk__mq_is_name(const char *name); /* whether it begins with mq:/ */
int ipk__mq_put(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
		ipk_deadline deadline, size_t *ret_n_put);
int ipk__mq_get(ipk_queue *q, void *buf, size_t buf_bytes, ipk_deadline deadline,
		size_t *ret_len_bytes);
size_t ipk__mq_len(const ipk_queue *q);
bool ipk__mq_is_full(const ipk_queue *q);

#endif
