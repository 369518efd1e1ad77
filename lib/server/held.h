/*
 * held.h - managed objects as their commands see them: what the server keeps beside the
 * struct ipk__shm_thing in the store, which inspection reads.
 *
 * A thing is known by its serial number, which stays the same when its key is renamed. Who
 * holds it, who waits for it and who has taken items from it hangs on the thing and on the
 * peer, so that either may go first.
 */
#ifndef IPK_SERVER_HELD_H
#define IPK_SERVER_HELD_H

#include "server/named.h"
#include "server/server.h"

/* Lists of Redis wait on lanes below these. */
enum {
	IPK__LANE_LOCK = 16,
	IPK__LANE_NOTIFIED,
	IPK__LANE_EVENT,
	IPK__LANE_BARRIER,
	IPK__LANE_GET,
	IPK__LANE_PUT,
	IPK__LANE_JOIN,
	IPK__LANE_END,
};

/* In ipk__shm_thing.flags. */
enum {
	IPK__THING_SET = 1u << 0,      /* an event */
	IPK__THING_BROKEN = 1u << 1,   /* a barrier */
	IPK__THING_LIFO = 1u << 2,     /* a queue; */
	IPK__THING_PRIORITY = 1u << 3, /* neither: first in, first out */
	IPK__THING_JOINABLE = 1u << 4,
	IPK__THING_SHUT = 1u << 5, /* nothing is put any more */
	IPK__THING_SHUT_NOW = 1u << 6,
};

struct ipk__item_queue;

struct ipk__thing {
	struct ipk__named by_serial; /* first */
	struct ipk__named by_name;   /* not in the map when it is gone */
	uint64_t serial;
	uint32_t kind;
	bool is_gone;              /* not under its name any more; perhaps under another */
	bool is_gone_long;         /* and something else changed since */
	uint64_t companion_serial; /* of a condition: its lock */
	struct ipk__link gone_link;
	struct ipk__link holds;
	struct ipk__link waits;
	struct ipk__link takens;
	struct ipk__item_queue *queue;
	char *name;
};

/* Permits or a lock, by one owner within one peer. */
struct ipk__hold {
	struct ipk__link of_thing, of_peer;
	struct ipk__thing *thing;
	struct ipk__peer *peer;
	uint64_t n;
	uint64_t granted_by; /* number of the session's request that got the last one; 0 none */
	struct ipk__slice owner;
	char bytes[];
};

/* A request that waits for a thing; q->token of that request. */
struct ipk__wait {
	struct ipk__link of_thing, of_peer;
	struct ipk__thing *thing; /* NULL: it is gone, or has another name */
	struct ipk__peer *peer;
	uint32_t state;            /* its command's own */
	uint64_t condition_serial; /* of IPK.CWAIT, also while it waits for the lock */
	uint64_t number;
};

/* --- things.c ----------------------------------------------------------------------------- */

#define IPK__KIND(kind) (1u << (kind))
#define IPK__KINDS_LOCK (IPK__KIND(IPK__THING_LOCK) | IPK__KIND(IPK__THING_RLOCK))
#define IPK__KINDS_SEMAPHORE \
	(IPK__KIND(IPK__THING_SEMAPHORE) | IPK__KIND(IPK__THING_BOUNDED_SEMAPHORE))

/* The thing @name of one of these @kinds. NULL: the reply says why not. */
struct ipk__thing *ipk__thing_find(struct ipk__request *q, struct ipk__slice name, unsigned kinds);
/* What the store has of it; NULL: nothing any more. Good until the store changes. */
struct ipk__shm_thing *ipk__thing_shm(struct ipk__server *server, const struct ipk__thing *thing);
struct ipk__thing *ipk__thing_by_serial(struct ipk__server *server, uint64_t serial);
/* A new one; its name is free. The reply says why not when it is NULL. */
struct ipk__thing *ipk__thing_make(struct ipk__request *q, struct ipk__slice name, uint32_t kind,
				   struct ipk__shm_thing **ret_shm);
void ipk__thing_signal(struct ipk__server *server, const struct ipk__thing *thing, uint32_t lane);
void ipk__reply_no_key(struct ipk__request *q);
/* Whether there is a peer: for what only a connection can have. Otherwise the reply says so. */
bool ipk__request_has_peer(struct ipk__request *q);
/* A timeout in milliseconds, -1 or more. */
bool ipk__arg_wait_ms(struct ipk__request *q, size_t i, int64_t *ret_ms);

/* NULL: none. */
struct ipk__hold *ipk__hold_find(const struct ipk__thing *thing, const struct ipk__peer *peer,
				 struct ipk__slice owner);
/* @n more for this owner. -ENOMEM. */
int ipk__hold_add(struct ipk__thing *thing, struct ipk__peer *peer, struct ipk__slice owner,
		  uint64_t n);
void ipk__hold_drop(struct ipk__hold *hold);
/* A number for inspection: the owner itself when it is a number. */
uint64_t ipk__owner_tag(struct ipk__slice owner);

/* The request waits already: for what. NULL: it is new. */
static inline struct ipk__wait *ipk__wait_of(const struct ipk__request *q)
{
	return (struct ipk__wait *)(uintptr_t)q->token; // NOLINT(performance-no-int-to-ptr)
}
/* It must answer now: its time is over, or it may not wait. */
static inline bool ipk__must_answer(const struct ipk__request *q, int64_t timeout_ms)
{
	return q->timed_out || !q->may_block || (timeout_ms == 0 && !q->is_retry);
}
/*
 * Wait for @thing: the first time with a new record, which is returned. NULL: there is no
 * memory. Then fill it and call ipk__wait_block().
 */
struct ipk__wait *ipk__wait_begin(struct ipk__request *q, struct ipk__thing *thing);
void ipk__wait_move(struct ipk__server *server, struct ipk__wait *wait, struct ipk__thing *thing);
/* -ENOMEM: the record is gone. */
int ipk__wait_block(struct ipk__request *q, uint32_t lane, struct ipk__slice owner,
		    int64_t timeout_ms);
/* Both, for a request that has no more to say; without memory the reply says so. */
void ipk__wait_for(struct ipk__request *q, struct ipk__thing *thing, uint32_t lane,
		   struct ipk__slice owner, int64_t timeout_ms);
void ipk__wait_end(struct ipk__request *q); /* before the reply; fine when it never waited */
/* The first step of a request that is called again: true when its thing is gone; replied. */
bool ipk__wait_lost(struct ipk__request *q);

/* --- what the files of commands do for things.c ------------------------------------------ */

/* cmd_lock.c: what a peer that went held is free for others. */
void ipk__lock_abandoned(struct ipk__server *server, struct ipk__hold *hold);
/* cmd_lock.c: one that waits for something is gone; what it was told is for another one. */
void ipk__condition_left(struct ipk__server *server, struct ipk__wait *wait);
/* cmd_barrier.c: one that waits there is gone, or (cancelled) does not want to any more. */
void ipk__barrier_left(struct ipk__server *server, struct ipk__wait *wait, bool cancelled);
/* cmd_queue.c */
int ipk__queue_create(struct ipk__thing *thing);
void ipk__queue_free(struct ipk__server *server, struct ipk__thing *thing);
void ipk__queue_abandoned(struct ipk__server *server, struct ipk__link *takens_of_peer);
void ipk__queue_describe(const struct ipk__thing *thing, const struct ipk__shm_thing *shm,
			 ipk__emit_fn *emit, void *arg);

/* What one peer has. */
struct ipk__peer_things {
	struct ipk__link holds;
	struct ipk__link waits;
	struct ipk__link takens;
};
/* NULL: no memory. */
struct ipk__peer_things *ipk__peer_things_of(struct ipk__peer *peer);

struct ipk__things {
	struct ipk__names by_serial;
	struct ipk__names by_name;
	struct ipk__link gone; /* removed or renamed: not known yet which */
	uint64_t last_serial;
	uint64_t used_bytes; /* of items in queues */
};
struct ipk__things *ipk__things_of(struct ipk__server *server); /* NULL: no memory */
/* Told by notify.c: what lies under @name changed as a whole; or all keys went. */
void ipk__things_changed(struct ipk__server *server, struct ipk__slice name);
void ipk__things_flushed(struct ipk__server *server);

/* The commands. */
ipk__command_fn ipk__thing_new, ipk__thing_acquire, ipk__thing_release, ipk__thing_held;
ipk__command_fn ipk__thing_leave, ipk__thing_cwait, ipk__thing_cnotify;
ipk__command_fn ipk__thing_eset, ipk__thing_eclear, ipk__thing_eisset, ipk__thing_ewait;
ipk__command_fn ipk__thing_bwait, ipk__thing_babort, ipk__thing_breset, ipk__thing_binfo;
ipk__command_fn ipk__thing_qput, ipk__thing_qget, ipk__thing_qlen, ipk__thing_qinfo;
ipk__command_fn ipk__thing_qdone, ipk__thing_qjoin, ipk__thing_qshutdown;
ipk__command_fn ipk__thing_qload, ipk__thing_qdrop, ipk__thing_qstate;

#endif
