/*
 * command.h - the commands: what they get, what they call, and what is called of them.
 *
 *   cmd_*.c        the commands of Redis, and ours        replies.c  replies and arguments
 *   sync_object.c  locks, queues, ...: holders, waiters   notify.c   IPK.WATCH
 *   request.c      keys, changes, effects                 commands.c lookup by name
 *
 * A command is executed by one function, which changes the store and writes its reply. Of the
 * server around it the commands know the connection (peer.h) and struct ipk__db_host.
 */
#ifndef IPK_COMMAND_COMMAND_H
#define IPK_COMMAND_COMMAND_H

#include <stdint.h>
#include <sys/types.h>

#include "net/resp.h"
#include "store/shared_objects.h"
#include "store/store.h"

struct ipk__command;
struct ipk__db;
struct ipk__peer;
struct ipk__request;

/* --- what commands work on -------------------------------------------------------------------- */

/* What a server does for them. */
struct ipk__db_host {
	/* ipk__effect(): it goes into the log. */
	void (*effect)(struct ipk__request *q, size_t argc, const struct ipk__slice *argv);
	/* The time of @name has come, seen by @q (NULL: by the server itself): before it is removed. */
	void (*expires)(struct ipk__db *db, struct ipk__request *q, struct ipk__slice name);
	int (*block)(struct ipk__request *q, const struct ipk__slice *names, size_t n_names,
		     uint32_t channel, int64_t timeout_ms);
	void (*signal)(struct ipk__db *db, struct ipk__slice name, uint32_t channel);
	/* IPK.LEAVE: cancels the request of that number in @peer's session. False: none is blocked. */
	bool (*leave)(struct ipk__db *db, struct ipk__peer *peer, uint64_t number);
	/* In its session; 0: there is none. */
	uint64_t (*number)(const struct ipk__request *q);
	void (*flush)(struct ipk__db *db, struct ipk__peer *peer); /* sends peer->out */
};

struct ipk__db {
	const struct ipk__db_host *host;
	struct ipk__store *store;
	int64_t now_ms;         /* wall clock, as of this turn of the loop: for expiry */
	size_t max_reply_bytes; /* a peer with more unread replies is closed */
	uint64_t n_hits, n_misses, n_expired;
	/* private to one file each: */
	struct ipk__sync_objects *objects; /* sync_object.c */
	struct ipk__notices *notices;      /* notify.c */
};

/* --- a request, as passed to a command's function --------------------------------------------- */

struct ipk__request {
	struct ipk__db *db;
	struct ipk__store *store; /* of @db */
	struct ipk__peer *peer;   /* NULL while loading the log */
	const struct ipk__command *command;
	const struct ipk__slice *argv; /* argv[0] is the command's name */
	size_t argc;
	struct ipk__buffer *out; /* destination of the reply */
	int resp;                /* 2 or 3 */
	int64_t now_ms;          /* wall clock, for the whole request (or transaction) */
	/* Blocking: */
	bool may_block; /* false inside MULTI and while loading the log: behaves as timed out */
	bool is_retry;  /* the function is called again: something may have changed */
	struct ipk__slice signalled; /* the signalled name, if is_retry and not timed out */
	bool timed_out;              /* the last call: give the reply of a timeout */
	uint32_t phase;              /* kept between the calls, 0 at the first */
	uint64_t token;              /* likewise */
	uint64_t owner_tag;          /* within the peer, for inspection: the waiting owner */
	uint64_t number; /* in its session, for one that was blocked; 0: the current one */
	/* Its effects: */
	uint64_t n_changes;
	uint64_t n_effects;
	/* It blocks after a partial effect: its reply if it ended here. */
	uint64_t n_so_far;
};

#define IPK__COMMANDS_MAX 512

enum {
	IPK__CMD_READ = 1u << 0,
	IPK__CMD_WRITE = 1u << 1,    /* may change the store: logged */
	IPK__CMD_DENY_OOM = 1u << 2, /* refused when max_bytes is reached */
	IPK__CMD_ADMIN = 1u << 3,
	IPK__CMD_NO_AUTH = 1u << 4,  /* allowed before authentication */
	IPK__CMD_NO_MULTI = 1u << 5, /* refused inside MULTI */
	IPK__CMD_BLOCKING = 1u << 6,
	IPK__CMD_FAST = 1u << 7, /* for COMMAND INFO */
	IPK__CMD_OWN = 1u << 8,  /* not a command of Redis: logged as annotation lines */
	IPK__CMD_MOVABLE_KEYS = 1u << 9,
};

typedef void ipk__command_fn(struct ipk__request *q);

struct ipk__command {
	const char *name; /* in upper case, "HSET", "CLIENT", "IPK.QPUT" */
	ipk__command_fn *fn;
	int arity; /* words with the name; negative: a minimum (as in COMMAND INFO) */
	unsigned flags;
	int first_key, last_key, key_step; /* as in COMMAND INFO; 0 none */
	const char *group;                 /* "string", "hash", ...: for COMMAND DOCS */
	const char *summary;
	/*
	 * Checked besides the arity, before the request is queued for EXEC: whether the subcommand
	 * exists, with that many words. False: the reply is an error. NULL: no check.
	 */
	bool (*is_good)(struct ipk__request *q);
};

/* Each cmd_*.c has one table, terminated by an entry without a name. */
extern const struct ipk__command ipk__commands_key[];
extern const struct ipk__command ipk__commands_string[];
extern const struct ipk__command ipk__commands_hash[];
extern const struct ipk__command ipk__commands_list[];
extern const struct ipk__command ipk__commands_ext[];         /* cmd_ext_*.c: IPK.L*, IPK.H* */
extern const struct ipk__command ipk__commands_sync_object[]; /* locks, queues, ... */
extern const struct ipk__command ipk__commands_notify[];      /* IPK.WATCH */

/*
 * commands.c: adds a table to the list of all, before anything is looked up and by one thread. An
 * index is a position in that list.
 */
void ipk__commands_add(const struct ipk__command *table);
int ipk__command_index(struct ipk__slice name); /* -1 unknown */
const struct ipk__command *ipk__command_find(struct ipk__slice name);
const struct ipk__command *ipk__command_at(size_t i); /* NULL after the last */
size_t ipk__commands_len(void);

/* --- calls for command functions -------------------------------------------------------------- */

/*
 * Replies. One for each request, unless it blocks. Errors begin with their code:
 * ipk__reply_error(q, "WRONGTYPE Operation against ..."); the frequent ones have functions.
 */
void ipk__reply_ok(struct ipk__request *q);
void ipk__reply_simple(struct ipk__request *q, const char *word);
void ipk__reply_error(struct ipk__request *q, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void ipk__reply_wrong_type(struct ipk__request *q);
void ipk__reply_syntax(struct ipk__request *q);
void ipk__reply_not_integer(struct ipk__request *q);
void ipk__reply_wrong_arity(struct ipk__request *q);
void ipk__reply_failed(struct ipk__request *q,
		       int err); /* -ENOSPC: "OOM command not allowed ..." */
static inline void ipk__reply_integer(struct ipk__request *q, int64_t n)
{
	ipk__resp_integer(q->out, n);
}
static inline void ipk__reply_bulk(struct ipk__request *q, struct ipk__slice s)
{
	ipk__resp_bulk(q->out, s);
}
static inline void ipk__reply_null(struct ipk__request *q)
{
	ipk__resp_null(q->out, q->resp);
}
static inline void ipk__reply_array(struct ipk__request *q, uint64_t n)
{
	ipk__resp_head(q->out, IPK__RESP_ARRAY, n);
}

/* Arguments. False: the reply is an error. */
bool ipk__arg_integer(struct ipk__request *q, size_t i, int64_t *ret_n);
bool ipk__arg_double(struct ipk__request *q, size_t i, long double *ret_d);
bool ipk__arg_timeout_ms(struct ipk__request *q, size_t i,
			 int64_t *ret_ms); /* seconds; 0 forever: -1 */

/*
 * The key argv[i]: an expired one is removed first (and that is logged). NULL when there is none.
 * With a type: false when it has another type, and the reply is an error.
 */
struct ipk__entry *ipk__request_key(struct ipk__request *q, struct ipk__slice name);
bool ipk__request_typed(struct ipk__request *q, struct ipk__slice name, enum ipk__key_type type,
			struct ipk__entry **ret_key);

/*
 * Reports a change under @name: transactions that watch it fail, watchers are notified, the request
 * is logged. Each write calls it for each key that it changed; a write that changed nothing does
 * not call it and is not logged. @field: NULL for the whole.
 */
void ipk__changed(struct ipk__request *q, struct ipk__slice name);
void ipk__changed_field(struct ipk__request *q, struct ipk__slice name, struct ipk__slice field);
/*
 * What goes into the log in place of the request: for requests that would have another effect when
 * repeated (times, randomness, floating point), or that Redis does not know. Several make one
 * transaction there. The strings are copied.
 */
void ipk__effect(struct ipk__request *q, size_t argc, const struct ipk__slice *argv);
/* The same with C strings and slices by name: ipk__effectf(q, "sbb", "HDEL", key, field). */
void ipk__effectf(struct ipk__request *q, const char *kinds,
		  ...); /* s char*, b slice by value, i int64_t */

/* --- waiting ---------------------------------------------------------------------------------- */

/*
 * Blocks the request until one of @names is signalled on @channel, or @timeout_ms (-1 forever) have
 * passed, or its peer is gone. Then its function is called again, with is_retry or timed_out; it
 * may block again, and keeps its position in the queue. Return at once after calling this, without
 * a reply. Only when may_block; else reply as after a timeout. -ENOMEM: it does not block; reply
 * that.
 *
 * A signal on a channel runs its waiters in order, up to the first that blocks again there. Signals
 * are served after the current request (or transaction) is complete.
 */
static inline int ipk__block(struct ipk__request *q, const struct ipk__slice *names, size_t n_names,
			     uint32_t channel, int64_t timeout_ms)
{
	return q->db->host->block(q, names, n_names, channel, timeout_ms);
}

static inline void ipk__signal(struct ipk__db *db, struct ipk__slice name, uint32_t channel)
{
	db->host->signal(db, name, channel);
}

/* --- for the server --------------------------------------------------------------------------- */

/* Removes @name, whose time has come: first that is told to the log. @q NULL: no request asks. */
void ipk__key_remove_expired(struct ipk__db *db, struct ipk__request *q, struct ipk__slice name);
/* Cleans up after a peer: called for each one that goes, before it is freed (sync_object.c). */
void ipk__sync_objects_peer_gone(struct ipk__db *db, struct ipk__peer *peer);
void ipk__notify_peer_gone(struct ipk__db *db, struct ipk__peer *peer);
/* Called for every change, after it was made (notify.c). @field: NULL bytes for the whole key. */
void ipk__notify_changed(struct ipk__db *db, struct ipk__slice name, struct ipk__slice field);
/* All keys were removed: FLUSHALL. Also wakes waiters for managed objects. */
void ipk__notify_flushed(struct ipk__db *db);
/* After each request (or transaction), when its reply is complete: writes the due pushes. */
void ipk__notify_deliver(struct ipk__db *db);
/*
 * Cancels a blocked request (IPK.CANCEL): called with the q that its function would be called with
 * again, before it is dropped. False: it cannot be cancelled now, it stays blocked.
 */
bool ipk__sync_objects_cancel(struct ipk__request *q);
/* When the server is closed, after all peers are gone. */
void ipk__sync_objects_close(struct ipk__db *db);
void ipk__notify_close(struct ipk__db *db);
const char *ipk__sync_object_type_name(uint32_t kind);           /* "ipk.lock": for TYPE */
uint64_t ipk__sync_objects_used_bytes(const struct ipk__db *db); /* besides the store's */

/*
 * Sync objects (sync_object.c): commands that recreate the object @name, passed to @emit one by
 * one, for a rewrite of the log. Nothing changes meanwhile. State that belongs to a connection (a
 * lock that is held) is not part of it.
 */
typedef void ipk__emit_fn(void *arg, size_t argc, const struct ipk__slice *argv);
void ipk__sync_object_describe(struct ipk__db *db, struct ipk__slice name, struct ipk__entry *key,
			       ipk__emit_fn *emit, void *arg);

#endif
