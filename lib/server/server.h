/*
 * server.h - what the files of this room share.
 *
 *   server.c         create, run, stop: the one loop       server_peer.c     connections, limits
 *   server_ring.c    local clients over shared rings       server_execute.c  from words to a reply
 *   server_block.c   requests that wait                     server_multi.c    MULTI, WATCH
 *   server_admin.c   CLIENT, CONFIG, INFO, ...              server_board.c    what inspection sees
 *   cmd_*.c          the commands                           notify.c          change notification
 *   log*.c           the append-only file                   session.c         each request once
 *
 * One thread, one epoll loop. A request goes: bytes -> words (net/resp.h) -> the command's
 * function, which changes the store and writes its reply into peer->out -> the log -> out.
 */
#ifndef IPK_SERVER_SERVER_H
#define IPK_SERVER_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "net/resp.h"
#include "store/store.h"
#include "store/things.h"

struct ipk__server;
struct ipk__peer;
struct ipk__log;
struct ipk__session;

/* --- a request, as a command's function gets it --------------------------------------------- */

struct ipk__request {
	struct ipk__server *server;
	struct ipk__store *store;
	struct ipk__peer *peer; /* NULL while the log is loaded */
	const struct ipk__command *command;
	const struct ipk__slice *argv; /* argv[0] is the command's name */
	size_t argc;
	struct ipk__bytes *out; /* where the reply goes */
	int resp;               /* 2 or 3 */
	int64_t now_ms;         /* wall clock, of the whole request (or transaction) */
	/* Waiting (server_block.c): */
	bool may_block; /* false inside MULTI and while the log is loaded: as if timed out */
	bool is_retry;  /* the function is called again: something may have changed */
	struct ipk__slice signalled; /* which name, when is_retry and its time is not over */
	bool timed_out;              /* for the last time: give the reply of a timeout */
	uint32_t phase;              /* kept for it between the calls, 0 at the first */
	uint64_t token;              /* the same */
	uint64_t owner_tag;          /* within the peer, for inspection: who waits */
	uint64_t number;             /* in its session, of one that waited; 0: the present one */
	/* What it did: */
	uint64_t n_changes;
	uint64_t n_effects;
	/* It waits, but a part is done: what its reply would be when no more came of it. */
	uint64_t n_so_far;
};

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
	const char *name; /* in capitals, "HSET", "CLIENT", "IPK.QPUT" */
	ipk__command_fn *fn;
	int arity; /* words with the name; negative: at least so many (as in COMMAND INFO) */
	unsigned flags;
	int first_key, last_key, key_step; /* as in COMMAND INFO; 0 none */
	const char *group;                 /* "string", "hash", ...: for COMMAND DOCS */
	const char *summary;
	/*
	 * Beside the arity, before the request is kept for EXEC: whether there is such a
	 * subcommand, with so many words. False: the reply says so. NULL: whatever comes.
	 */
	bool (*is_good)(struct ipk__request *q);
};

/* Each cmd_*.c has one table, which ends with an entry without a name; commands.c lists them. */
extern const struct ipk__command ipk__commands_key[];
extern const struct ipk__command ipk__commands_string[];
extern const struct ipk__command ipk__commands_hash[];
extern const struct ipk__command ipk__commands_list[];
extern const struct ipk__command ipk__commands_more[];   /* cmd_more_*.c: IPK.L*, IPK.H* */
extern const struct ipk__command ipk__commands_thing[];  /* locks, queues, ... */
extern const struct ipk__command ipk__commands_notify[]; /* IPK.WATCH */
extern const struct ipk__command ipk__commands_admin[];
extern const struct ipk__command ipk__commands_multi[];
extern const struct ipk__command ipk__commands_session[]; /* IPK.SESSION */
extern const struct ipk__command ipk__commands_log[];     /* BGREWRITEAOF */

const struct ipk__command *ipk__command_find(struct ipk__slice name);
const struct ipk__command *ipk__command_at(size_t i); /* NULL behind the last */

/* --- what functions of commands do ----------------------------------------------------------- */

/*
 * Replies. One for each request, unless it blocks. Errors come with their word:
 * ipk__reply_error(q, "WRONGTYPE Operation against ..."); the frequent ones have names.
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

/* Arguments. False: the reply (of an error) is written. */
bool ipk__arg_integer(struct ipk__request *q, size_t i, int64_t *ret_n);
bool ipk__arg_double(struct ipk__request *q, size_t i, long double *ret_d);
bool ipk__arg_timeout_ms(struct ipk__request *q, size_t i,
			 int64_t *ret_ms); /* seconds; 0 forever: -1 */

/*
 * The key argv[i]: one whose time has come is removed first (and that is logged). NULL when
 * there is none. With a type: false when it is of another one, and the reply says so.
 */
struct ipk__entry *ipk__request_key(struct ipk__request *q, struct ipk__slice name);
bool ipk__request_typed(struct ipk__request *q, struct ipk__slice name, enum ipk__type type,
			struct ipk__entry **ret_key);

/*
 * Something under @name changed: transactions that watch it fail, watchers are told, the
 * request is logged. Each write says so for each key that it changed; a write that changed
 * nothing says nothing and is not logged. @field: NULL for the whole.
 */
void ipk__changed(struct ipk__request *q, struct ipk__slice name);
void ipk__changed_field(struct ipk__request *q, struct ipk__slice name, struct ipk__slice field);
/*
 * What goes into the log in place of the request: for those that would do something else
 * when done again (times, chance, floating point), or that Redis does not know. Several make
 * one transaction there. The strings are copied.
 */
void ipk__effect(struct ipk__request *q, size_t argc, const struct ipk__slice *argv);
/* The same with C strings and slices by name: ipk__effectf(q, "sbb", "HDEL", key, field). */
void ipk__effectf(struct ipk__request *q, const char *kinds,
		  ...); /* s char*, b slice by value, i int64_t */

/* --- waiting (server_block.c) ------------------------------------------------------------ */

/*
 * The request cannot go on: wait until one of @names is signalled on @lane, or @timeout_ms
 * (-1 forever) have passed, or its peer is gone. Then its function is called again, with
 * is_retry or timed_out; it may block again, and keeps its place in line. Return at once
 * after calling this, without a reply. Only when may_block; else reply as after a timeout.
 * -ENOMEM: it does not wait; reply that.
 *
 * A signal on a lane runs its waiters in order, up to the first that blocks again there.
 * Signals are served after the present request (or transaction) is done.
 */
int ipk__block(struct ipk__request *q, const struct ipk__slice *names, size_t n_names,
	       uint32_t lane, int64_t timeout_ms);
void ipk__signal(struct ipk__server *server, struct ipk__slice name, uint32_t lane);

/* What a peer's death undoes: called for each peer that goes, before it is freed (things.c). */
void ipk__things_peer_gone(struct ipk__server *server, struct ipk__peer *peer);
void ipk__notify_peer_gone(struct ipk__server *server, struct ipk__peer *peer);
/* Told of every change, when it was made (notify.c). @field: NULL bytes for the whole key. */
void ipk__notify_changed(struct ipk__server *server, struct ipk__slice name,
			 struct ipk__slice field);
/* All keys are gone: FLUSHALL. Also wakes those who wait for managed objects. */
void ipk__notify_flushed(struct ipk__server *server);
/* After each request (or transaction), when its reply is whole: the pushes that are due. */
void ipk__notify_deliver(struct ipk__server *server);
/*
 * A request that waits is given up (IPK.CANCEL): called with the q that its function would be
 * called with again, before it is dropped. False: it cannot be taken back now, let it wait.
 */
bool ipk__things_cancel(struct ipk__request *q);
/* IPK.LEAVE: the same for the request of that number in @peer's session. False: none waits. */
bool ipk__blocks_leave(struct ipk__server *server, struct ipk__peer *peer, uint64_t number);
/* When the server is closed, after all peers went. */
void ipk__things_close(struct ipk__server *server);
void ipk__notify_close(struct ipk__server *server);
const char *ipk__thing_type_name(uint32_t kind);                   /* "ipk.lock": for TYPE */
uint64_t ipk__things_used_bytes(const struct ipk__server *server); /* beside the store's */

/* --- connections (server_peer.c, server_ring.c) ------------------------------------------ */

enum {
	IPK__PEER_TCP = 1u << 0,
	IPK__PEER_RING = 1u << 1,    /* requests come over a ring; the socket is its doorbell */
	IPK__PEER_KNOWN = 1u << 2,   /* authenticated, or no need to */
	IPK__PEER_CLOSING = 1u << 3, /* close once the replies are out */
	IPK__PEER_BLOCKED = 1u << 4, /* waits; what it sent later has to wait too */
	IPK__PEER_MONITOR = 1u << 5,
	IPK__PEER_SESSION = 1u << 6, /* blocked requests do not hold up later ones: see session.c */
	IPK__PEER_WATCHES = 1u << 7, /* IPK.WATCH */
};

struct ipk_pipe;

struct ipk__peer {
	uint64_t id; /* never used again */
	int fd;
	struct ipk_pipe *ring; /* NULL: none */
	unsigned flags;
	int resp;
	pid_t pid; /* 0 over TCP */
	uid_t uid;
	char address[48];
	char name[64];
	int64_t since_ms;  /* these are of server->steady_ms: */
	int64_t active_ms; /* of its last request */
	uint64_t n_commands;
	const struct ipk__command *last;
	struct ipk__bytes in;
	struct ipk__bytes out;
	struct ipk__resp_reader reader;
	int64_t out_over_soft_ms;     /* since when its replies are over the soft limit; 0 not */
	struct ipk__multi *multi;     /* server_multi.c */
	struct ipk__session *session; /* session.c */
	void *auth;                   /* server_auth.c: a handshake under way */
	struct ipk__shm_client *board;
	uint64_t n_things;     /* managed objects it holds: things.c keeps them */
	void *things;          /* things.c: what it holds and waits for */
	void *watches;         /* notify.c */
	uint64_t n_sent_bytes; /* ever taken out of @out by its socket or ring */
	struct ipk__peer *next, *prev;
	uint32_t loop_events;
	uint64_t log_mark; /* log.c: of its last write */
};

/* Send what is in peer->out now or when the socket takes it; closes over the hard limit. */
void ipk__peer_flush(struct ipk__server *server, struct ipk__peer *peer);
void ipk__peer_close_later(struct ipk__server *server, struct ipk__peer *peer);
struct ipk__peer *ipk__peer_find(struct ipk__server *server, uint64_t id);

/* Do one request of @peer whose words are @argv; its reply is in peer->out. */
void ipk__execute(struct ipk__server *server, struct ipk__peer *peer, const struct ipk__slice *argv,
		  size_t argc);
/* The same for the log: no peer, nothing is logged; the reply goes to @out. False: it failed. */
bool ipk__execute_logged(struct ipk__server *server, const struct ipk__slice *argv, size_t argc,
			 struct ipk__bytes *out);

/* --- the server -------------------------------------------------------------------------- */

struct ipk__server_config {
	const char *address; /* "unix:PATH" or "tcp:HOST:PORT" */
	const char *label;
	const char *log_path;     /* NULL: no log */
	int fsync;                /* enum ipk__fsync */
	const unsigned char *key; /* NULL: none */
	size_t key_bytes;
	const uid_t *allowed_uids; /* beside the server's own */
	size_t n_allowed_uids;
	const gid_t *allowed_gids;
	size_t n_allowed_gids;
	uint64_t max_memory_bytes;  /* 0: no limit of its own */
	uint32_t max_clients;       /* 10000 */
	size_t max_request_bytes;   /* 512 MiB */
	size_t out_hard_bytes;      /* 256 MiB: a peer with more unread replies is closed */
	size_t out_soft_bytes;      /* 64 MiB for out_soft_ms */
	int64_t out_soft_ms;        /* 60000 */
	int64_t idle_ms;            /* 0: idle peers stay */
	int64_t slow_ns;            /* commands that took longer are noted: 10 ms */
	int rewrite_percent;        /* growth of the log that begins a rewrite: 100; 0 never */
	uint64_t rewrite_min_bytes; /* 64 MiB */
	/* Where to say, in a line, why the log was refused or what was cut off it; NULL nowhere. */
	char *trouble;
	size_t trouble_bytes;
};

enum ipk__fsync { IPK__FSYNC_EVERYSEC = 0, IPK__FSYNC_ALWAYS = 1, IPK__FSYNC_NO = 2 };

struct ipk__server {
	struct ipk__server_config config;
	struct ipk__store *store;
	struct ipk__log *log; /* NULL: none */
	struct ipk__shm_board *board;
	int epoll_fd;
	int listen_fd;
	int64_t now_ms;    /* wall clock, as of this turn of the loop: for what expires by it */
	int64_t steady_ms; /* the same on CLOCK_MONOTONIC: for how long anything lasts */
	uint64_t n_peers;
	struct ipk__peer *peers;
	bool stop; /* leave the loop */
	char run_id[41];
	/* what only one file knows: */
	struct ipk__blocks *blocks;     /* server_block.c */
	struct ipk__things *things;     /* things.c */
	struct ipk__notices *notices;   /* notify.c */
	struct ipk__sessions *sessions; /* session.c */
	struct ipk__loop *loop;         /* server.c, server_peer.c, server_ring.c */
};

/* Everything made and the log loaded; then run until stop, or until @stop_fd is readable. */
int ipk__server_create(const struct ipk__server_config *config, struct ipk__server **ret_server);
int ipk__server_run(struct ipk__server *server, int stop_fd);
void ipk__server_close(struct ipk__server *server);
/* Where it listens: "unix:PATH", or "tcp:HOST:PORT" with the port that was chosen. */
const char *ipk__server_address(const struct ipk__server *server);

/* --- the log (log.c), called by server.c and server_execute.c
 * -------------------------------------- */

/* Opens, loads what is there into the store, goes on behind it. */
int ipk__log_open(struct ipk__server *server, const char *path, int fsync,
		  struct ipk__log **ret_log);
void ipk__log_close(struct ipk__log *log);
/* From now on; what is not on disk yet comes there first. An error: nothing has changed. */
int ipk__log_set_fsync(struct ipk__log *log, int fsync);
/*
 * The request @q did something: its effects, or itself, to be written. Called once for each
 * request or transaction with changes, after its function.
 */
void ipk__log_append(struct ipk__log *log, struct ipk__request *q);
/* An effect of @q, as ipk__effect() got it. */
void ipk__log_effect(struct ipk__log *log, struct ipk__request *q, size_t argc,
		     const struct ipk__slice *argv);
/*
 * Before the replies of this turn of the loop go out: what was appended is in the file then
 * (and on disk, with fsync always). An error: writes are refused from now on until one works.
 */
int ipk__log_flush(struct ipk__log *log);
bool ipk__log_refuses_writes(const struct ipk__log *log); /* the reply: "MISCONF ..." */
/*
 * Before a request with CMD_WRITE of @n_bytes (all its words) is executed: 0 when there is
 * room for it on disk, or why not: -ENOSPC, -EDQUOT, -EFBIG, -EIO. The reply: "MISCONF Errors
 * writing to the AOF file: <strerror>".
 */
int ipk__log_room(struct ipk__log *log, size_t n_bytes);
/*
 * True: what @peer wrote could not be put into the file, in spite of that. Its replies stay
 * where they are until a later ipk__log_flush() works.
 */
bool ipk__log_holds(const struct ipk__log *log, const struct ipk__peer *peer);
bool ipk__log_step(struct ipk__log *log, int64_t budget_ns); /* rewrite; fsync. True: more to do */
/* Before @q changes anything, while a rewrite is under way: see log_rewrite.c. */
void ipk__log_before(struct ipk__log *log, struct ipk__request *q);
int ipk__log_rewrite(struct ipk__log *log); /* begin; -EALREADY */
/*
 * Things (things.c): commands that make anew what lies under @name, given to @emit one by one,
 * for a rewrite of the log. Nothing changes meanwhile. What belongs to a connection (a lock
 * that is held) is not part of it.
 */
typedef void ipk__emit_fn(void *arg, size_t argc, const struct ipk__slice *argv);
void ipk__thing_describe(struct ipk__server *server, struct ipk__slice name, struct ipk__entry *key,
			 ipk__emit_fn *emit, void *arg);
struct ipk__log_status {
	uint64_t n_bytes, base_bytes, n_records;
	uint64_t cut_bytes; /* of a torn end, at the start */
	bool is_rewriting;
	int last_error; /* 0, or why writes are refused */
};
void ipk__log_status(const struct ipk__log *log, struct ipk__log_status *ret_status);

/* --- sessions (session.c)
 * -------------------------------------------------------------------------- */

/*
 * The next request of a session's peer: true when it was done before, and its reply of then
 * is in peer->out.
 */
bool ipk__session_begin(struct ipk__server *server, struct ipk__peer *peer,
			const struct ipk__slice *argv, size_t argc);
/*
 * @q of a session changed something: @reply is what was just written for it, or else, when it
 * goes on waiting, q->n_so_far is what to say of it.
 */
void ipk__session_done(struct ipk__request *q, struct ipk__slice reply);
void ipk__session_peer_gone(struct ipk__server *server, struct ipk__peer *peer);
void ipk__sessions_free(struct ipk__server *server);
/* For the log: what it says that a session was answered. */
int ipk__session_restore(struct ipk__server *server, struct ipk__slice id, uint64_t number,
			 struct ipk__slice reply);
/* For the log: the number of the request under way, or of the last one. 0: none. */
uint64_t ipk__session_number(const struct ipk__session *session, struct ipk__slice *ret_id);
/* For a rewrite: all that is remembered; *cursor begins as 0 and is 0 at the end. */
typedef void ipk__session_fn(void *arg, struct ipk__slice id, uint64_t number,
			     struct ipk__slice reply);
void ipk__sessions_scan(struct ipk__server *server, uint64_t *cursor, ipk__session_fn *each,
			void *arg);
/* For session.c: @session's request, which was appended just now, was answered so. */
void ipk__log_answered(struct ipk__log *log, const struct ipk__session *session,
		       struct ipk__slice reply);

#endif
