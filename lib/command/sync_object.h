/*
 * sync_object.h - managed objects on the side of their commands: the server's private data beside
 * the struct ipk__shm_sync_object in the store, which inspection reads.
 *
 * An object is identified by its serial number, which stays the same when its key is renamed.
 * Holds, waits and unfinished items are linked to the object and to the peer, so either may be
 * removed first.
 */
#ifndef IPK_COMMAND_SYNC_OBJECT_H
#define IPK_COMMAND_SYNC_OBJECT_H

#include "command/named.h"
#include "command/peer.h"

/* Redis's lists use the channels below these. */
enum {
	IPK__WAIT_CHANNEL_LOCK = 16,
	IPK__WAIT_CHANNEL_NOTIFIED,
	IPK__WAIT_CHANNEL_EVENT,
	IPK__WAIT_CHANNEL_BARRIER,
	IPK__WAIT_CHANNEL_GET,
	IPK__WAIT_CHANNEL_PUT,
	IPK__WAIT_CHANNEL_JOIN,
	IPK__WAIT_CHANNEL_END,
};

/* In ipk__shm_sync_object.flags. */
enum {
	IPK__SYNC_SET = 1u << 0,      /* an event */
	IPK__SYNC_BROKEN = 1u << 1,   /* a barrier */
	IPK__SYNC_LIFO = 1u << 2,     /* a queue; */
	IPK__SYNC_PRIORITY = 1u << 3, /* neither: FIFO */
	IPK__SYNC_JOINABLE = 1u << 4,
	IPK__SYNC_SHUT = 1u << 5, /* puts are refused */
	IPK__SYNC_SHUT_NOW = 1u << 6,
};

struct ipk__item_queue;
struct ipk__queue_item;
struct ipk__sync_ops;

struct ipk__sync_object {
	struct ipk__named by_serial; /* first */
	struct ipk__named by_name;   /* not in the map when it is gone */
	uint64_t serial;
	uint32_t kind;
	const struct ipk__sync_ops *ops;
	bool is_gone;              /* not under its name any more; perhaps under another */
	bool is_gone_long;         /* and something else has changed since */
	uint64_t companion_serial; /* of a condition: its lock */
	struct ipk__link gone_link;
	struct ipk__link holds;
	struct ipk__link waits;
	struct ipk__link takens;
	struct ipk__item_queue *queue;
	char *name;
};

/* Permits or a lock, held by one owner within one peer. */
struct ipk__hold {
	struct ipk__link of_object, of_peer;
	struct ipk__sync_object *object;
	struct ipk__peer *peer;
	uint64_t n;
	uint64_t granted_by; /* number of the request that acquired the last one; 0 none */
	struct ipk__slice owner;
	char bytes[];
};

/* A request that waits for an object; q->token of that request. */
struct ipk__blocked {
	struct ipk__link of_object, of_peer;
	struct ipk__sync_object *object; /* NULL: removed or renamed */
	struct ipk__peer *peer;
	uint32_t state;            /* specific to its command */
	uint64_t condition_serial; /* of IPK.CWAIT, also while it waits for the lock */
	uint64_t number;
};

/* An item of a joinable queue that a peer has and did not say to be done. */
struct ipk__taken {
	struct ipk__link of_object, of_peer;
	struct ipk__sync_object *object;
	struct ipk__queue_item *item;
};

/* What is done with an object, by its kind; each may be NULL: there is nothing to do. */
struct ipk__sync_ops {
	int (*init)(struct ipk__sync_object *object); /* -ENOMEM */
	void (*fini)(struct ipk__db *db, struct ipk__sync_object *object);
	/* Commands that make it anew, for a rewrite of the log. */
	void (*describe)(struct ipk__db *db, const struct ipk__sync_object *object,
			 const struct ipk__shm_sync_object *shm, struct ipk__slice name,
			 ipk__emit_fn *emit, void *arg);
	/* A peer is gone, which held it, or has an item of it. */
	void (*release)(struct ipk__db *db, struct ipk__hold *hold);
	void (*put_back)(struct ipk__db *db, struct ipk__taken *taken);
	/* A waiter is gone, or cancelled; of a condition, also one that waits for its lock again. */
	void (*waiter_left)(struct ipk__db *db, struct ipk__sync_object *object,
			    struct ipk__blocked *blocked, bool is_cancelled);
};

/* cmd_lock.c, cmd_event.c, cmd_barrier.c, cmd_queue.c */
extern const struct ipk__sync_ops ipk__lock_ops, ipk__semaphore_ops, ipk__condition_ops;
extern const struct ipk__sync_ops ipk__event_ops, ipk__barrier_ops, ipk__queue_ops;

/* --- sync_object.c ---------------------------------------------------------------------------- */

#define IPK__KIND(kind) (1u << (kind))
#define IPK__KINDS_LOCK (IPK__KIND(IPK__SYNC_LOCK) | IPK__KIND(IPK__SYNC_RLOCK))
#define IPK__KINDS_SEMAPHORE \
	(IPK__KIND(IPK__SYNC_SEMAPHORE) | IPK__KIND(IPK__SYNC_BOUNDED_SEMAPHORE))

/* The object @name of one of these @kinds. NULL: the reply is an error. */
struct ipk__sync_object *ipk__sync_object_find(struct ipk__request *q, struct ipk__slice name,
					       unsigned kinds);
/* Its part in the store; NULL: removed. Valid until the store changes. */
struct ipk__shm_sync_object *ipk__sync_object_shm(struct ipk__db *db,
						  const struct ipk__sync_object *object);
struct ipk__sync_object *ipk__sync_object_by_serial(struct ipk__db *db, uint64_t serial);
/* A new one; its name is free. NULL: the reply is an error. */
struct ipk__sync_object *ipk__sync_object_make(struct ipk__request *q, struct ipk__slice name,
					       uint32_t kind, const struct ipk__sync_ops *ops,
					       struct ipk__shm_sync_object **ret_shm);
void ipk__sync_object_signal(struct ipk__db *db, const struct ipk__sync_object *object,
			     uint32_t channel);
void ipk__reply_no_key(struct ipk__request *q);
/*
 * Whether there is a peer: for operations that need a connection. Otherwise the reply is an error.
 */
bool ipk__request_has_peer(struct ipk__request *q);
/* A timeout in milliseconds, -1 or more. */
bool ipk__arg_wait_ms(struct ipk__request *q, size_t i, int64_t *ret_ms);

/* NULL: none. */
struct ipk__hold *ipk__hold_find(const struct ipk__sync_object *object,
				 const struct ipk__peer *peer, struct ipk__slice owner);
/* @n more for this owner. -ENOMEM. */
int ipk__hold_add(struct ipk__sync_object *object, struct ipk__peer *peer, struct ipk__slice owner,
		  uint64_t n);
void ipk__hold_drop(struct ipk__hold *hold);
/* A number for inspection: the owner itself when it is a number. */
uint64_t ipk__owner_tag(struct ipk__slice owner);

/* The record of a request that is called again. NULL: it is new. */
static inline struct ipk__blocked *ipk__blocked_of(const struct ipk__request *q)
{
	return (struct ipk__blocked *)(uintptr_t)q->token; // NOLINT(performance-no-int-to-ptr)
}
/* It must reply now: it timed out, or it may not block. */
static inline bool ipk__must_answer(const struct ipk__request *q, int64_t timeout_ms)
{
	return q->timed_out || !q->may_block || (timeout_ms == 0 && !q->is_retry);
}
/*
 * Waits for @object: the first time with a new record, which is returned. NULL: out of memory. Then
 * fill it and call ipk__blocked_wait().
 */
struct ipk__blocked *ipk__blocked_begin(struct ipk__request *q, struct ipk__sync_object *object);
void ipk__blocked_move(struct ipk__db *db, struct ipk__blocked *blocked,
		       struct ipk__sync_object *object);
/* -ENOMEM: the record is freed */
int ipk__blocked_wait(struct ipk__request *q, uint32_t channel, struct ipk__slice owner,
		      int64_t timeout_ms);
/* Both, for a request that has nothing else to set; without memory the reply is an error. */
void ipk__blocked_enqueue(struct ipk__request *q, struct ipk__sync_object *object, uint32_t channel,
			  struct ipk__slice owner, int64_t timeout_ms);
void ipk__blocked_end(struct ipk__request *q); /* before the reply; fine if it never waited */
/* The first step of a request that is called again: true when its object is gone; replied. */
bool ipk__blocked_lost(struct ipk__request *q);

/* --- the log ---------------------------------------------------------------------------------- */

/* IPK.NEW of an object, with the words behind its name. */
void ipk__emit_new(uint32_t kind, struct ipk__slice name, const struct ipk__slice *more,
		   size_t n_more, ipk__emit_fn *emit, void *arg);
/* For struct ipk__sync_ops: IPK.NEW without words behind the name, and with its limit. */
void ipk__describe_plainly(struct ipk__db *db, const struct ipk__sync_object *object,
			   const struct ipk__shm_sync_object *shm, struct ipk__slice name,
			   ipk__emit_fn *emit, void *arg);
void ipk__describe_with_limit(struct ipk__db *db, const struct ipk__sync_object *object,
			      const struct ipk__shm_sync_object *shm, struct ipk__slice name,
			      ipk__emit_fn *emit, void *arg);

/* --- all of them ------------------------------------------------------------------------------ */

/* The managed-object state of one peer. */
struct ipk__peer_objects {
	struct ipk__link holds;
	struct ipk__link waits;
	struct ipk__link takens;
};
/* NULL: out of memory. */
struct ipk__peer_objects *ipk__peer_objects_of(struct ipk__peer *peer);

struct ipk__sync_objects {
	struct ipk__names by_serial;
	struct ipk__names by_name;
	struct ipk__link gone; /* removed or renamed: not known yet */
	uint64_t last_serial;
	uint64_t used_bytes; /* of items in queues */
};
struct ipk__sync_objects *ipk__sync_objects_of(struct ipk__db *db); /* NULL: no memory */
/* Called by notify.c: the value of @name changed as a whole; or all keys were removed. */
void ipk__sync_objects_changed(struct ipk__db *db, struct ipk__slice name);
void ipk__sync_objects_flushed(struct ipk__db *db);

/* The commands. */
ipk__command_fn ipk__cmd_new, ipk__cmd_acquire, ipk__cmd_release, ipk__cmd_held;
ipk__command_fn ipk__sync_object_owner;
ipk__command_fn ipk__cmd_leave, ipk__cmd_cwait, ipk__cmd_cnotify;
ipk__command_fn ipk__cmd_eset, ipk__cmd_eclear, ipk__cmd_eisset, ipk__cmd_ewait;
ipk__command_fn ipk__cmd_bwait, ipk__cmd_babort, ipk__cmd_breset, ipk__cmd_binfo;
ipk__command_fn ipk__cmd_qput, ipk__cmd_qget, ipk__cmd_qlen, ipk__cmd_qinfo;
ipk__command_fn ipk__cmd_qdone, ipk__cmd_qjoin, ipk__cmd_qshutdown;
ipk__command_fn ipk__cmd_qload, ipk__cmd_qdrop, ipk__cmd_qstate;

#endif
