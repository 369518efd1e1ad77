/*
 * redis.h - the parts of the backend for real Redis and Valkey servers.
 *
 *   redis.c          the backend's functions; connecting, fork
 *   redis_address.c  parses "redis://user:password@host:port/db?lease_ms=..."
 *   redis_link.c     one connection: bytes out, replies in, with deadlines
 *   redis_cluster.c  finds the node of a key; retries until there is a reply
 *   redis_map.c      each command: unchanged, as a script, split, or refused
 *   redis_scripts.c  the scripts, and which keys an object has
 *   redis_lock.c     blocking calls, and leases
 *   redis_watch.c    change notification, transactions
 */
#ifndef IPK_REDIS_REDIS_H
#define IPK_REDIS_REDIS_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "net/buffer.h"
#include "net/resp.h"

#define IPK__REDIS_SCRIPTS_MAX 64
#define IPK__REDIS_SLOTS 16384
#define IPK__REDIS_NODES_MAX 1024
#define IPK__REDIS_BATCH_MAX 64 /* requests of one batch that a sequence numbers */

/* --- redis_address.c -------------------------------------------------------------------------- */

struct ipk__redis_endpoint {
	bool is_unix;
	char host[256]; /* or the socket's path */
	char port[8];
};

struct ipk__redis_address {
	bool is_cluster;
	int db;
	int64_t lease_ms;
	char user[128];
	char password[512];
	size_t n_endpoints;
	struct ipk__redis_endpoint endpoints[16];
};

int ipk__redis_address_parse(const char *text, struct ipk__redis_address *ret_address);

/* --- redis_link.c ----------------------------------------------------------------------------- */

enum { IPK__REDIS_READ_BYTES = 64 * 1024 };

struct ipk__redis_link {
	struct ipk__redis_link *next; /* in a node's list of idle ones */
	int fd;
	struct redisReader *reader;
	struct ipk__buffer reply;       /* the last one read, or part of the next */
	bool stale;                     /* it held an unanswered request: unusable */
	char in[IPK__REDIS_READ_BYTES]; /* last bytes read; too large for a stack */
};

int ipk__redis_link_open(const struct ipk__redis_endpoint *endpoint,
			 const struct ipk__redis_address *address, ipk_deadline deadline,
			 struct ipk__redis_link **ret_link);
void ipk__redis_link_close(struct ipk__redis_link *link);
int ipk__redis_link_write(struct ipk__redis_link *link, struct ipk__buffer *out,
			  ipk_deadline deadline);
/* The next whole reply, stored in the link until the next is read. -EPIPE; -ETIMEDOUT. */
int ipk__redis_link_read(struct ipk__redis_link *link, ipk_deadline deadline,
			 struct ipk__slice *ret_reply);
/* One request and its reply. */
int ipk__redis_link_call(struct ipk__redis_link *link, const struct ipk__slice *argv, size_t argc,
			 ipk_deadline deadline, struct ipk__slice *ret_reply);
bool ipk__redis_link_is_gone(struct ipk__redis_link *link); /* closed by the peer, while idle */

/* --- the backend ------------------------------------------------------------------------------ */

struct ipk__redis_node {
	struct ipk__redis_endpoint endpoint;
	struct ipk__redis_link *idle;
};

/* A stream of numbered requests; used by one call at a time. */
struct ipk__redis_sequence {
	struct ipk__redis_sequence *next;
	char name[24];
	uint64_t number;
};

struct ipk__redis_hold; /* redis_lock.c */
struct ipk__redis_late;

struct ipk__redis {
	struct ipk__backend base;
	struct ipk__redis_address address;
	_Atomic pid_t pid;     /* the connections' process; -1: being recreated */
	pthread_mutex_t mutex; /* guards all that follows; never held while sending */
	struct ipk__redis_node *nodes[IPK__REDIS_NODES_MAX];
	size_t n_nodes;
	uint16_t *slots; /* of a cluster: number of the node plus 1, 0 unknown */
	struct ipk__redis_sequence *sequences;
	char me[48]; /* the session that owns leases: random, and "-pid" */
	uint64_t next_id;
	int64_t retry_ms; /* limit of retrying while no node accepts a connection */
	_Atomic uint32_t epoch;
	char hashes[IPK__REDIS_SCRIPTS_MAX][41];
	struct ipk__redis_hold *held;
	struct ipk__redis_late *late;
	bool has_renewer;
	pthread_t renewer;
	_Atomic uint32_t renewer_word;  /* 1: exit */
	struct ipk__redis_link *pinned; /* from watch_keys() to exec(); not under the mutex */
	size_t pinned_node;
};

int ipk__redis_tokens(struct ipk__redis *r); /* a new session */
int ipk__redis_here(struct ipk__redis *r);   /* detects a fork */

/* --- redis_cluster.c -------------------------------------------------------------------------- */

/* A request, in the form for one node. */
struct ipk__redis_ask {
	const struct ipk__slice *argv;
	size_t argc;
	const char *script; /* its text, when argv is EVALSHA */
	int slot;           /* -1: any node */
	int on_node;        /* -1: the one that has the slot */
	bool may_repeat;    /* harmless to send again */
	bool reads;         /* changes nothing */
	struct ipk__response *reply;
	/* of redis_cluster.c: */
	bool is_done;
	bool is_sent;
	bool is_asking;
	bool use_text;
	size_t node;
};

int ipk__redis_slot(struct ipk__slice key);
/* Which bytes of the key decide its slot. */
struct ipk__slice ipk__redis_tag(struct ipk__slice key);
/* 0: each reply is there. */
int ipk__redis_ask(struct ipk__redis *r, struct ipk__redis_ask *asks, size_t n,
		   ipk_deadline deadline);
int ipk__redis_refresh(struct ipk__redis *r, ipk_deadline deadline);
int ipk__redis_take_link(struct ipk__redis *r, size_t node, ipk_deadline deadline,
			 struct ipk__redis_link **ret_link);
void ipk__redis_give_link(struct ipk__redis *r, size_t node, struct ipk__redis_link *link);
size_t ipk__redis_node_of(struct ipk__redis *r, int slot);
int ipk__redis_pause(int64_t ms, ipk_deadline deadline); /* -ETIMEDOUT */
void ipk__redis_encode(struct ipk__buffer *out, const struct ipk__redis_ask *ask);
int ipk__redis_keep(const struct ipk__redis_ask *ask, struct ipk__slice reply); /* into its reply */

/* --- redis_scripts.c -------------------------------------------------------------------------- */

int ipk__redis_script(const char *name, size_t n_bytes); /* -1: unknown */
const char *ipk__redis_script_text(int script);

/* --- redis_map.c ------------------------------------------------------------------------------ */

/* The words of a script call. */
struct ipk__redis_argv {
	struct ipk__slice small[24];
	struct ipk__slice *argv; /* small, or malloc()ed */
	size_t argc;
	char hash[41];
	char number[24];
	char lease[24];
	char *helpers; /* key of ipk.once, and the beginning of the others */
	char *never;
	const char *text;
	int slot;
};

/* A call, as one request for one node. */
struct ipk__redis_translated {
	struct ipk__redis_ask ask;
	struct ipk__redis_argv words;
	struct ipk__slice *args;       /* malloc()ed */
	struct ipk__slice renamed[24]; /* last: not cleared */
};

int ipk__redis_translate(struct ipk__redis *r, const struct ipk__call *call,
			 struct ipk__redis_sequence *sequence, ipk_deadline deadline,
			 struct ipk__redis_translated *t);
void ipk__redis_translated_fini(struct ipk__redis_translated *t);
int ipk__redis_argv(struct ipk__redis *r, int script, struct ipk__slice key,
		    const struct ipk__slice *args, size_t n_args,
		    const struct ipk__redis_sequence *sequence, uint64_t number,
		    ipk_deadline deadline, struct ipk__redis_argv *ret_argv);
void ipk__redis_argv_fini(struct ipk__redis_argv *w);
int ipk__redis_take_sequence(struct ipk__redis *r, struct ipk__redis_sequence **ret_sequence);
void ipk__redis_give_sequence(struct ipk__redis *r, struct ipk__redis_sequence *sequence);
/* A helper key's name, "{name}:ipk.<what>"; free() it. */
int ipk__redis_helper_key(struct ipk__slice key, const char *what, struct ipk__slice *ret_key);
/* Runs one script. */
int ipk__redis_run(struct ipk__redis *r, const char *script, struct ipk__slice key,
		   const struct ipk__slice *args, size_t n_args, ipk_deadline deadline,
		   struct ipk__response *reply);
/* The same as the next request of @sequence. */
int ipk__redis_run_on(struct ipk__redis *r, const char *script, struct ipk__slice key,
		      const struct ipk__slice *args, size_t n_args,
		      struct ipk__redis_sequence *sequence, ipk_deadline deadline,
		      struct ipk__response *reply);
int ipk__redis_call(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline);
int ipk__redis_call_many(struct ipk__redis *r, const struct ipk__call *calls, size_t n,
			 ipk_deadline deadline);
int ipk__redis_reply_integer(struct ipk__response *reply, int64_t n);
int ipk__redis_reply_error(struct ipk__response *reply, const char *text);
int ipk__redis_reply_null(struct ipk__response *reply);
bool ipk__redis_is_error(const struct ipk__response *reply);

/* --- redis_lock.c ----------------------------------------------------------------------------- */

bool ipk__redis_is_wait(const struct ipk__call *call); /* handled here */
/* 1: not handled here. */
int ipk__redis_wait_call(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline);
void ipk__redis_release_all(struct ipk__redis *r); /* and stops the renewing thread */
void ipk__redis_forget_held(struct ipk__redis *r); /* in the child of a fork */

/* --- redis_watch.c ---------------------------------------------------------------------------- */

int ipk__redis_watch_keys(struct ipk__backend *b, const struct ipk__slice *keys, size_t n_keys,
			  ipk_deadline deadline);
int ipk__redis_exec(struct ipk__backend *b, const struct ipk__call *calls, size_t n,
		    ipk_deadline deadline);
void ipk__redis_unwatch(struct ipk__backend *b);
int ipk__redis_watch_open(struct ipk__backend *b, struct ipk__slice key, struct ipk__slice field,
			  ipk_deadline deadline, struct ipk__backend_watch **ret_watch);
int ipk__redis_watch_fd(struct ipk__backend_watch *w);
int ipk__redis_watch_next(struct ipk__backend_watch *w, ipk_deadline deadline,
			  struct ipk__response *ret_field);
void ipk__redis_watch_close(struct ipk__backend_watch *w);

#endif
