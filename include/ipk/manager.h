/*
 * manager.h - dicts, lists, locks and queues that a server shares between programs (Python:
 * multiprocessing.Manager; also Redis and Valkey).
 *
 * One API for three kinds of server:
 *
 *   unix:PATH                         our server (ipk/manager_server.h, ipc-manager), local
 *   tcp:HOST:PORT                     our server on any machine; with a key, see the options
 *   redis://[user:pass@]host:port[/db]     a Redis or Valkey server; redis+unix:PATH: a local one
 *   redis-cluster://h:p,h:p           a Redis or Valkey cluster
 *
 * Objects have names. Dicts and lists are created by their first write, the others when they are
 * opened; they exist until ipk_manager_delete(). Handles are cheap, may be used by all threads, and
 * remain usable in fork children and after a restart of the server. A process has one connection
 * per ipk_manager, shared by its threads; a child opens its own with its first call. What a
 * connection holds (locks, permits) is released when its process ends or is killed.
 *
 * Over unix: addresses of the same user, reads of dicts and lists make no system call: they read
 * the server's memory. A process reads its own writes.
 *
 * A request is applied once: if the connection breaks before the reply, the request is resent with
 * its number, and a server that has executed it repeats the reply (after a restart too, with
 * --log). A lock held when the connection broke is lost: its release returns -EOWNERDEAD.
 *
 * With Redis (7.0 or later) or Valkey the calls have the same meaning, with these limits:
 *
 *   - What a connection holds is a lease: locks, permits, places in a barrier, items of a joinable
 *     queue not yet reported done. A thread renews it while it is held; lease_ms after the last
 *     renewal (10 s; "?lease_ms=N" in the address) it expires. So a killed holder keeps a lock that
 *     long, and a holder that is stopped for longer loses it unnoticed: its release returns
 *     -EOWNERDEAD. To reject late writes, send the fence number of the lock along, which grows with
 *     each holder ("IPK.FENCE name", by ipk_manager_command()).
 *   - An acknowledged write is as durable as the server's settings: it survives a kill with
 *     appendonly, a power failure with appendfsync always. A replica that takes over may lack the
 *     last writes, including a lock: two clients may then hold it.
 *   - The server remembers the number of a request for two minutes, to detect a resend. Idempotent
 *     requests (set, update) are simply repeated; their count of new fields may then be 0. Raw
 *     commands that the library does not know are never resent.
 *   - In a cluster the keys of a transaction must be in one slot ("{tag}name", otherwise -EXDEV);
 *     while a slot migrates to another node, writes to its objects that need a script wait.
 *   - Helper keys are stored next to an object ("{name}:ipk.*", lib/redis/redis_scripts.c); KEYS
 *     and SCAN through this library omit them, DBSIZE counts them. Names with ":ipk." are reserved.
 *   - Waiters are woken at once, in unspecified order; a lost wake-up costs up to 1 s.
 *   - Change notification needs keyspace events (enabled automatically if CONFIG SET is allowed,
 *     otherwise -EOPNOTSUPP); a write that does not change a field is not reported.
 *
 * Every call that asks the server waits for the reply until its deadline, which bounds the whole
 * call even if the server is stopped, but at least 50 ms: with ipk_now() it tries once.
 *
 * In addition to error.h, all calls here return:
 *
 *   -ETIMEDOUT    the deadline passed, nothing happened
 *   -EINPROGRESS  the deadline passed after the request was sent: the server may still execute it
 *   -EPIPE        the connection broke and could not be restored within reconnect_ms
 *   -ENOENT       no such field, object or name
 *   -EPROTOTYPE   the name belongs to an object of another kind
 *   -ENOSPC       the server's memory limit is reached
 *   -EACCES       a wrong key, or this user has no permission
 *   -EOWNERDEAD   the connection broke while this lock was held: the lock is lost
 *   -EBADMSG      another error of the server, or an invalid reply: see ipk_manager_error()
 */
#ifndef IPK_MANAGER_H
#define IPK_MANAGER_H

#include "deadline.h"
#include "pack.h"
#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_OMIT INT64_MIN /* start or stop of a slice: not given */

typedef struct ipk_manager ipk_manager;
typedef struct ipk_dict ipk_dict;
typedef struct ipk_list ipk_list;

typedef struct ipk_manager_connect_opts {
	size_t struct_size;   /* sizeof(ipk_manager_connect_opts) */
	const void *key;      /* shared with the server; NULL: none */
	size_t key_bytes;     /* 0: @key is text */
	const char *key_file; /* or a file with the key, without the newline at its end */
	const char *label;    /* name of this client in ipc-inspect and CLIENT LIST */
	int64_t reconnect_ms; /* how long to try to reconnect; 0: 5000; < 0: do not try */
	int64_t lease_ms;     /* Redis: how long locks outlive their holder; 0: 10000 */
	bool no_local;        /* neither read the server's memory nor use a ring */
} ipk_manager_connect_opts;

#define IPK_MANAGER_CONNECT(...) IPK_OPTS(manager_connect, __VA_ARGS__)

/**
 * ipk_manager_connect() - connect to a server
 * @address:  see above
 * @opts:     NULL for the defaults
 * @deadline: when to stop waiting
 * @ret_m:    the manager
 *
 * A relative path is made absolute here, so that a reconnect reaches the same server.
 *
 * Blocks:  until the server has replied.
 * Crash:   the server releases what this process held.
 * Cost:    2 fds; over unix: 6 more and the mapping of the store.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -EINVAL the address or an option; -ENAMETOOLONG the absolute path has more than 107
 * bytes; -ENOENT, -ECONNREFUSED no server is listening; -EHOSTUNREACH; -ETIMEDOUT; -EACCES the key;
 * -EPROTO it is not such a server; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_connect(const char *address,
					       const ipk_manager_connect_opts *opts,
					       ipk_deadline deadline, ipk_manager **ret_m);

/**
 * ipk_manager_close() - close the connection
 * @m: NULL is fine; close all its handles first; no thread may be inside a call
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
 * ipk_manager_error() - the server's last error message for a call of this thread
 *
 * Blocks:  no.
 * Callers: any thread; each has its own text.
 * Source:  lib/backend/refusal.c     Since: 0.3
 *
 * Return: a text, empty if there was no error; valid until the next error.
 */
IPK_API const char *ipk_manager_error(void);

/**
 * ipk_manager_ping() - check that the server replies
 * @m:        manager
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_ping(ipk_manager *m, ipk_deadline deadline);

/**
 * ipk_manager_is_local() - whether reads currently use the server's memory
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
 * @name:     key on the server: 1 .. 1024 bytes of text
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_delete(ipk_manager *m, const char *name,
					      ipk_deadline deadline);

/**
 * ipk_manager_exists() - whether an object of that name exists
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @deadline:   when to stop waiting
 * @ret_exists: false for an empty dict or list
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_exists(ipk_manager *m, const char *name,
					      ipk_deadline deadline, bool *ret_exists);

/**
 * ipk_manager_type() - the kind of an object
 * @m:         manager
 * @name:      key on the server: 1 .. 1024 bytes of text
 * @buf:       for "hash", "list", "string", "ipk.lock", ... and a NUL
 * @buf_bytes: 24 is enough
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ENOENT; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_type(ipk_manager *m, const char *name, char *buf,
					    size_t buf_bytes, ipk_deadline deadline);

/**
 * ipk_manager_expire() - set a time after which an object is deleted
 * @m:        manager
 * @name:     key on the server: 1 .. 1024 bytes of text
 * @ms:       milliseconds from now; < 0: never
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
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
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_flush(ipk_manager *m, ipk_deadline deadline);

/**
 * ipk_manager_len() - number of objects on the server
 * @m:        manager
 * @deadline: when to stop waiting
 * @ret_len:  how many; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_len(ipk_manager *m, ipk_deadline deadline,
					   uint64_t *ret_len);

/* --- replies of any structure ----------------------------------------------------------------- */

typedef struct ipk_reply ipk_reply;

typedef enum ipk_reply_kind {
	IPK_REPLY_END = 0, /* end of the reply */
	IPK_REPLY_NULL,
	IPK_REPLY_INT,    /* i; booleans too */
	IPK_REPLY_DOUBLE, /* d, and data as received */
	IPK_REPLY_TEXT,   /* data, len_bytes: bytes of any kind */
	IPK_REPLY_ERROR,  /* data, len_bytes: the server's message; error: its errno */
	IPK_REPLY_ARRAY,  /* n_items follow; maps: alternating keys and values */
} ipk_reply_kind;

typedef struct ipk_reply_value {
	ipk_reply_kind kind;
	int error;
	int64_t i;
	double d;
	const char *data; /* valid as long as the reply */
	size_t len_bytes;
	uint64_t n_items;
	uint64_t reserved[4]; /* 0 */
} ipk_reply_value;

/**
 * ipk_manager_command() - send any non-blocking command and read its reply
 * @m:         manager
 * @words:     the command and its arguments
 * @n_words:   1 or more
 * @deadline:  when to stop waiting
 * @ret_reply: the reply; free it with ipk_reply_close()
 *
 * Commands that change the connection (SELECT, MULTI, SUBSCRIBE, RESET, QUIT, IPK.SESSION and the
 * like) or block (BLPOP) are -EINVAL.
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/manager.c     Since: 0.3
 *
 * Return: 0, also if the reply is an error: see IPK_REPLY_ERROR; -EINVAL; -ETIMEDOUT; -EINPROGRESS;
 * -EPIPE; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_command(ipk_manager *m, const ipk_bytes *words,
					       size_t n_words, ipk_deadline deadline,
					       ipk_reply **ret_reply);

/**
 * ipk_reply_next() - read the next value; the items of an array follow it
 * @reply:     a reply
 * @ret_value: the value
 *
 * Blocks:  no.
 * Source:  lib/manager/reply.c       Since: 0.3
 *
 * Return: 0; after the last value always IPK_REPLY_END; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_reply_next(ipk_reply *reply, ipk_reply_value *ret_value);

/**
 * ipk_reply_len() - number of items of the reply
 * @reply: a reply
 *
 * Blocks:  no.
 * Source:  lib/manager/reply.c       Since: 0.3
 *
 * Return: the number of items of an array, otherwise 1; 0 for null and NULL.
 */
IPK_API uint64_t ipk_reply_len(const ipk_reply *reply);

/**
 * ipk_reply_rewind() - restart from the beginning
 * @reply: a reply
 *
 * Blocks:  no.
 * Source:  lib/manager/reply.c       Since: 0.3
 *
 * Return: nothing.
 */
IPK_API void ipk_reply_rewind(ipk_reply *reply);

/**
 * ipk_reply_close() - free a reply
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

/* --- names ------------------------------------------------------------------------------------ */

typedef struct ipk_keys ipk_keys;

/**
 * ipk_keys_open() - iterate over the names of all objects
 * @m:        manager
 * @pattern:  Redis glob pattern such as "job:*"; NULL: all
 * @ret_keys: read it with ipk_keys_next()
 *
 * Blocks:  no.
 * Crash:   objects that exist during the whole iteration are returned at least once.
 * Source:  lib/manager/keys.c        Since: 0.3
 *
 * Return: 0; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_keys_open(ipk_manager *m, const char *pattern, ipk_keys **ret_keys);

/**
 * ipk_keys_next() - the next name
 * @keys:           from ipk_keys_open()
 * @deadline:       when to stop waiting
 * @ret_name:       valid until the next call; not NUL-terminated
 * @ret_name_bytes: its length
 *
 * Blocks:  until the server has replied, when it needs more names.
 * Source:  lib/manager/keys.c        Since: 0.3
 *
 * Return: 0; -ENOENT end; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_keys_next(ipk_keys *keys, ipk_deadline deadline,
					 const char **ret_name, size_t *ret_name_bytes);

/**
 * ipk_keys_close() - close the iterator
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

/* --- references: values that name other objects ----------------------------------------------- */

/* Kinds of object that a value of a dict or list can refer to. */
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
 * ipk_ref_pack() - make a value that refers to an object
 * @kind:          kind of the object
 * @name:          name of the object
 * @buf:           receives the value, to be stored unchanged
 * @buf_bytes:     strlen(@name) + 8 is enough
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * For nested containers: store it in a dict or list, and each reader opens the same object. It does
 * not keep the object alive: the object may be deleted meanwhile.
 *
 * Blocks:  no.
 * Source:  lib/manager/reference.c   Since: 0.3
 *
 * Return: 0; -EINVAL; -EMSGSIZE.
 */
IPK_API IPK_MUST_CHECK int ipk_ref_pack(ipk_ref_kind kind, const char *name, void *buf,
					size_t buf_bytes, size_t *ret_len_bytes);

/**
 * ipk_ref_unpack() - the object that a value refers to
 * @data:      the value
 * @len_bytes: its length
 * @buf:       for the name and a NUL
 * @buf_bytes: 1025 is enough
 * @ret_kind:  kind of the object
 *
 * Blocks:  no.
 * Source:  lib/manager/reference.c   Since: 0.3
 *
 * Return: 0; -EPROTO it is not a reference; -EMSGSIZE.
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
