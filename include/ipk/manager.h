/*
 * manager.h - dicts, lists and what else programs share, held by a server (Python:
 * multiprocessing.Manager; grown up: Redis and Valkey).
 *
 * One program, three kinds of address:
 *
 *   unix:PATH                         our server (ipk/manager_server.h, ipc-manager), this machine
 *   tcp:HOST:PORT                     our server, any machine; with a key, see the options
 *   redis://[user:pass@]host:port[/db]     a real Redis or Valkey; redis+unix:PATH the same, local
 *   redis-cluster://h:p,h:p           a cluster of them
 *
 * Objects have names and are made when they are first written (dicts, lists) or opened (the
 * others); they stay until somebody deletes them with ipk_manager_delete(). Handles are cheap,
 * may be used by all threads, and go on working in the children of a fork and after a restart
 * of the server. A process has one connection for each ipk_manager, shared by its threads; a
 * child makes its own with its first call. What a connection holds (locks, permits) is
 * released when its process ends, however it ends.
 *
 * Over unix: addresses of the same user, reads of dicts and lists make no system call: they
 * look into the server's memory. What this process has written is what it reads.
 *
 * A request is applied once: when the connection breaks before the answer came, it is sent again
 * with its number, and a server that has done it says what it said then (also after a restart
 * with --log). A lock that was held when the connection broke is lost: its release is
 * -EOWNERDEAD.
 *
 * With Redis (7.0 or later, Valkey) the same calls mean the same, and these are weaker:
 *
 *   - What a connection holds with us is a lease there: locks, permits, a barrier's places, items
 *     of a joinable queue that are not reported done. A thread renews it while it is held;
 *     lease_ms after the last time (10 s; "?lease_ms=N" in the address) it is undone. So a killed
 *     holder keeps a lock that long, and one that is stopped for longer loses it while it
 *     believes to have it: its release is -EOWNERDEAD. For writes that must not come late,
 *     send the lock's fence number along, which grows with each holder ("IPK.FENCE name", by
 *     ipk_manager_command()).
 *   - What was acknowledged is as safe as the server's settings make it: from a kill with
 *     appendonly, from a power cut with appendfsync always. A replica that takes over may lack
 *     the last writes, a lock among them: two may then believe to hold it.
 *   - A request sent again is known by its number for two minutes. Where doing it twice leaves
 *     the same behind (set, update) it is simply done twice, and a count of new fields may be 0
 *     then. Raw commands that the library does not know are never sent again.
 *   - In a cluster a transaction's keys must lie in one slot ("{tag}name", else -EXDEV); while a
 *     slot moves to another node, writes to its objects that need a script wait for that.
 *   - Helper keys lie beside an object ("{name}:ipk.*", lib/manager/redis_scripts.c); KEYS and SCAN
 *     through this library leave them out, DBSIZE counts them. Names with ":ipk." are taken.
 *   - Waiters are woken at once, but in no promised order; a lost wake-up costs up to 1 s.
 *   - Change notification needs keyspace events (turned on where CONFIG SET is allowed,
 *     -EOPNOTSUPP otherwise); changes that leave a field as it was are not told.
 *
 * Every call that asks the server waits for its answer until its deadline, which bounds the whole
 * call, also when the server stands still; and 50 ms at least: ipk_now() tries once.
 *
 * Errors beside those of error.h, for all calls here:
 *
 *   -ETIMEDOUT    the deadline passed, nothing happened
 *   -EINPROGRESS  the deadline passed while the server had the request: it may be done yet
 *   -EPIPE        the server is gone and did not come back within reconnect_ms
 *   -ENOENT       no such field, object or name
 *   -EPROTOTYPE   the name belongs to an object of another kind
 *   -ENOSPC       the server's memory limit is reached
 *   -EACCES       a wrong key, or this user may not
 *   -EOWNERDEAD   the connection broke while this lock was held: it is lost
 *   -EBADMSG      another refusal, or an answer that makes no sense: see ipk_manager_error()
 */
#ifndef IPK_MANAGER_H
#define IPK_MANAGER_H

#include <string.h>

#include "deadline.h"
#include "pack.h"
#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A string and its length, for two parameters. */
#define IPK_TEXT(string) (string), strlen(string)

#define IPK_OMIT INT64_MIN /* start or stop of a slice: not given */

typedef struct ipk_manager ipk_manager;
typedef struct ipk_dict ipk_dict;
typedef struct ipk_list ipk_list;

typedef struct ipk_manager_connect_opts {
	size_t struct_size;   /* sizeof(ipk_manager_connect_opts) */
	const void *key;      /* shared with the server; NULL: none */
	size_t key_bytes;     /* 0: @key is text */
	const char *key_file; /* or the file it is in, without the newline at its end */
	const char *label;    /* what ipc-inspect and CLIENT LIST call this client */
	int64_t reconnect_ms; /* how long to wait for a server that went away; 0: 5000; < 0: not */
	int64_t lease_ms;     /* Redis: how long locks outlive their holder; 0: 10000 */
	bool no_local;        /* never read the server's memory, nor talk over a ring */
} ipk_manager_connect_opts;

#define IPK_MANAGER_CONNECT(...) IPK_OPTS(manager_connect, __VA_ARGS__)

/**
 * ipk_manager_connect() - connect to a server
 * @address:  see above
 * @opts:     NULL for the defaults
 * @deadline: when to give up
 * @ret_m:    the manager
 *
 * A relative path is made absolute here: connecting again leads to the same server.
 *
 * Blocks:  until the server has answered.
 * Crash:   the server releases what this process held.
 * Cost:    2 fds; over unix: 6 more and the mapping of the store.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -EINVAL the address or an option; -ENAMETOOLONG the path, absolute, has more than
 * 107 bytes; -ENOENT, -ECONNREFUSED nobody listens there; -EHOSTUNREACH; -ETIMEDOUT; -EACCES
 * the key; -EPROTO it is no such server; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_connect(const char *address,
					       const ipk_manager_connect_opts *opts,
					       ipk_deadline deadline, ipk_manager **ret_m);

/**
 * ipk_manager_close() - end the connection
 * @m: NULL is fine; all its handles are closed, and no thread is inside a call
 *
 * Blocks:  no.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_manager *ipk_manager_close(ipk_manager *m);

static inline void ipk_manager_closep(ipk_manager **m)
{
	*m = ipk_manager_close(*m);
}

/**
 * ipk_manager_error() - what the server said when it last refused a call of this thread
 *
 * Blocks:  no.
 * Callers: any thread; each has its own text.
 * Source:  lib/manager/refusal.c     Since: 0.3
 *
 * Return: a text, empty when there was none; valid until the next refusal.
 */
IPK_API const char *ipk_manager_error(void);

/**
 * ipk_manager_ping() - ask whether the server answers
 * @m:        manager
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_ping(ipk_manager *m, ipk_deadline deadline);

/**
 * ipk_manager_is_local() - whether reads look into the server's memory just now
 * @m: manager
 *
 * Blocks:  no.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: true or false.
 */
IPK_API bool ipk_manager_is_local(ipk_manager *m);

/**
 * ipk_manager_delete() - delete an object of any kind
 * @m:        manager
 * @name:     the key it has on the server: 1 .. 1024 bytes of text
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_delete(ipk_manager *m, const char *name,
					      ipk_deadline deadline);

/**
 * ipk_manager_exists() - whether there is an object of that name
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @deadline:   when to give up
 * @ret_exists: an empty dict or list does not exist
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_exists(ipk_manager *m, const char *name,
					      ipk_deadline deadline, bool *ret_exists);

/**
 * ipk_manager_type() - of which kind an object is
 * @m:         manager
 * @name:      the key it has on the server: 1 .. 1024 bytes of text
 * @buf:       for "hash", "list", "string", "ipk.lock", ... and a NUL
 * @buf_bytes: 24 is enough
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ENOENT; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_type(ipk_manager *m, const char *name, char *buf,
					    size_t buf_bytes, ipk_deadline deadline);

/**
 * ipk_manager_expire() - let an object be deleted after some time
 * @m:        manager
 * @name:     the key it has on the server: 1 .. 1024 bytes of text
 * @ms:       from now on; < 0: never
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_expire(ipk_manager *m, const char *name, int64_t ms,
					      ipk_deadline deadline);

/**
 * ipk_manager_flush() - delete everything on the server
 * @m:        manager
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_flush(ipk_manager *m, ipk_deadline deadline);

/**
 * ipk_manager_len() - how many objects the server has
 * @m:        manager
 * @deadline: when to give up
 * @ret_len:  how many; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_len(ipk_manager *m, ipk_deadline deadline,
					   uint64_t *ret_len);

/* --- answers of any shape ------------------------------------------------------------------ */

typedef struct ipk_reply ipk_reply;

typedef enum ipk_reply_kind {
	IPK_REPLY_END = 0, /* everything was read */
	IPK_REPLY_NULL,
	IPK_REPLY_INT,    /* i; booleans too */
	IPK_REPLY_DOUBLE, /* d, and data as it came */
	IPK_REPLY_TEXT,   /* data, len_bytes: bytes of any kind */
	IPK_REPLY_ERROR,  /* data, len_bytes: why the server refused; error: the errno for it */
	IPK_REPLY_ARRAY,  /* n_items follow; of maps keys and values in turn */
} ipk_reply_kind;

typedef struct ipk_reply_value {
	ipk_reply_kind kind;
	int error;
	int64_t i;
	double d;
	const char *data; /* lives as long as the reply */
	size_t len_bytes;
	uint64_t n_items;
	uint64_t reserved[4]; /* 0 */
} ipk_reply_value;

/**
 * ipk_manager_command() - send any command that does not wait, and read its answer
 * @m:         manager
 * @words:     the command and its arguments
 * @n_words:   1 or more
 * @deadline:  when to give up
 * @ret_reply: the answer, for ipk_reply_close()
 *
 * Commands that change what the connection is (SELECT, MULTI, SUBSCRIBE, RESET, QUIT,
 * IPK.SESSION and the like) or that wait (BLPOP) are -EINVAL.
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0 also when the answer is a refusal: see IPK_REPLY_ERROR; -EINVAL; -ETIMEDOUT;
 * -EINPROGRESS; -EPIPE; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_command(ipk_manager *m, const ipk_bytes *words,
					       size_t n_words, ipk_deadline deadline,
					       ipk_reply **ret_reply);

/**
 * ipk_reply_next() - read the next value, flat: what is in an array follows it
 * @reply:     an answer
 * @ret_value: the value
 *
 * Blocks:  no.
 * Source:  lib/manager/reply.c       Since: 0.3
 *
 * Return: 0, with IPK_REPLY_END after the last one, however often; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_reply_next(ipk_reply *reply, ipk_reply_value *ret_value);

/**
 * ipk_reply_len() - how many items the answer has
 * @reply: an answer
 *
 * Blocks:  no.
 * Source:  lib/manager/reply.c       Since: 0.3
 *
 * Return: that number: of an array its items, otherwise 1, or 0 for null and NULL.
 */
IPK_API uint64_t ipk_reply_len(const ipk_reply *reply);

/**
 * ipk_reply_rewind() - read it from the beginning again
 * @reply: an answer
 *
 * Blocks:  no.
 * Source:  lib/manager/reply.c       Since: 0.3
 *
 * Return: nothing.
 */
IPK_API void ipk_reply_rewind(ipk_reply *reply);

/**
 * ipk_reply_close() - free an answer
 * @reply: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/manager/reply.c       Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_reply *ipk_reply_close(ipk_reply *reply);

static inline void ipk_reply_closep(ipk_reply **reply)
{
	*reply = ipk_reply_close(*reply);
}

/* --- names ---------------------------------------------------------------------------------- */

typedef struct ipk_keys ipk_keys;

/**
 * ipk_keys_open() - go over the names of all objects
 * @m:        manager
 * @pattern:  as of Redis: "job:*"; NULL: all
 * @ret_keys: to be read with ipk_keys_next()
 *
 * Blocks:  no.
 * Crash:   what is there from beginning to end is given at least once, whatever others do.
 * Source:  lib/manager/keys.c        Since: 0.3
 *
 * Return: 0; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_keys_open(ipk_manager *m, const char *pattern, ipk_keys **ret_keys);

/**
 * ipk_keys_next() - the next name
 * @keys:           from ipk_keys_open()
 * @deadline:       when to give up
 * @ret_name:       valid until the next call; no NUL at its end
 * @ret_name_bytes: its length
 *
 * Blocks:  until the server has answered, when the names at hand are used up.
 * Source:  lib/manager/keys.c        Since: 0.3
 *
 * Return: 0; -ENOENT there are no more; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_keys_next(ipk_keys *keys, ipk_deadline deadline,
					 const char **ret_name, size_t *ret_name_bytes);

/**
 * ipk_keys_close() - end it
 * @keys: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/manager/keys.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_keys *ipk_keys_close(ipk_keys *keys);

static inline void ipk_keys_closep(ipk_keys **keys)
{
	*keys = ipk_keys_close(*keys);
}

/* --- references: values that name other objects --------------------------------------------- */

/* What a value of a dict or list can refer to. */
typedef enum ipk_ref_kind {
	IPK_REF_DICT = 'd',
	IPK_REF_LIST = 'l',
	IPK_REF_NAMESPACE = 'n',
	IPK_REF_QUEUE = 'q',
	IPK_REF_LOCK = 'k',
	IPK_REF_SEMAPHORE = 's',
	IPK_REF_CONDITION = 'c',
	IPK_REF_EVENT = 'e',
	IPK_REF_BARRIER = 'b',
	IPK_REF_VALUE = 'v',
	IPK_REF_ARRAY = 'a',
} ipk_ref_kind;

/**
 * ipk_ref_pack() - a value that refers to an object
 * @kind:          what it is
 * @name:          which one
 * @buf:           for the value, to be stored as it is
 * @buf_bytes:     strlen(@name) + 8 is enough
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Nested containers: put it into a dict or list, and whoever reads it opens the same
 * object. It keeps nothing alive: what it names may be deleted meanwhile.
 *
 * Blocks:  no.
 * Source:  lib/manager/reference.c   Since: 0.3
 *
 * Return: 0; -EINVAL; -EMSGSIZE.
 */
IPK_API IPK_MUST_CHECK int ipk_ref_pack(ipk_ref_kind kind, const char *name, void *buf,
					size_t buf_bytes, size_t *ret_len_bytes);

/**
 * ipk_ref_unpack() - which object a value refers to
 * @data:      the value
 * @len_bytes: its length
 * @buf:       for the name and a NUL
 * @buf_bytes: 1025 is enough
 * @ret_kind:  what it is
 *
 * Blocks:  no.
 * Source:  lib/manager/reference.c   Since: 0.3
 *
 * Return: 0; -EPROTO it is no reference; -EMSGSIZE.
 */
IPK_API IPK_MUST_CHECK int ipk_ref_unpack(const void *data, size_t len_bytes, char *buf,
					  size_t buf_bytes, ipk_ref_kind *ret_kind);

#ifdef __cplusplus
}
#endif

#include "manager_batch.h"
#include "manager_dict.h"
#include "manager_list.h"
#include "manager_queue.h"
#include "manager_sync.h"
#include "manager_value.h"

#endif
