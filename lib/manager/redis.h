/*
 * redis.h - the parts of the backend that talks to real Redis and Valkey servers.
 *
 *   redis.c          the backend's functions; connecting, fork
 *   redis_address.c  "redis://user:password@host:port/db?lease_ms=..." taken apart
 *   redis_link.c     one connection: bytes out, replies in, with deadlines
 *   redis_cluster.c  which node has a key; sending until an answer is there
 *   redis_map.c      each command: as it is, as a script, split, or refused
 *   redis_scripts.c  the scripts, and which keys an object has
 *   redis_lock.c     what waits, and leases
 *   redis_watch.c    change notification, transactions
 */
#ifndef IPK_MANAGER_REDIS_H
#define IPK_MANAGER_REDIS_H

#include <pthread.h>
#include <stdatomic.h>

#include "manager/backend.h"
#include "net/bytes.h"
#include "net/resp.h"

#define IPK__REDIS_SCRIPTS_MAX 64
#define IPK__REDIS_SLOTS 16384
#define IPK__REDIS_NODES_MAX 1024
#define IPK__REDIS_BATCH_MAX 64 /* requests of one batch that a lane numbers */

/* --- redis_address.c -------------------------------------------------------------------- */

struct ipk__redis_place {
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
	size_t n_places;
	struct ipk__redis_place places[16];
};

int ipk__redis_address_parse(const char *text, struct ipk__redis_address *ret_address);

/* --- redis_link.c --------------------------------------------------------------------------- */

enum { IPK__REDIS_READ_BYTES = 64 * 1024 };

struct ipk__redis_link {
	struct ipk__redis_link *next; /* of a node's idle ones */
	int fd;
	struct redisReader *reader;
	struct ipk__bytes reply; /* the one that was read last, or part of the next */
	bool stale;              /* something stood in it that was not answered: not to be used */
	char in[IPK__REDIS_READ_BYTES]; /* what was read last; too much for a stack */
};

int ipk__redis_link_open(const struct ipk__redis_place *place,
			 const struct ipk__redis_address *address, ipk_deadline deadline,
			 struct ipk__redis_link **ret_link);
void ipk__redis_link_close(struct ipk__redis_link *link);
int ipk__redis_link_write(struct ipk__redis_link *link, struct ipk__bytes *out,
			  ipk_deadline deadline);
/* The next reply, whole; it lies in the link until the next is read. -EPIPE; -ETIMEDOUT. */
int ipk__redis_link_read(struct ipk__redis_link *link, ipk_deadline deadline,
			 struct ipk__slice *ret_reply);
/* One request and its reply. */
int ipk__redis_link_call(struct ipk__redis_link *link, const struct ipk__slice *argv, size_t argc,
			 ipk_deadline deadline, struct ipk__slice *ret_reply);
bool ipk__redis_link_is_gone(struct ipk__redis_link *link); /* closed by the other side, idle */

/* --- the backend ------------------------------------------------------------------------------ */

struct ipk__redis_node {
	struct ipk__redis_place place;
	struct ipk__redis_link *idle;
};

/* A stream of numbered requests; taken by one call at a time. */
struct ipk__redis_lane {
	struct ipk__redis_lane *next;
	char name[24];
	uint64_t number;
};

struct ipk__redis_held; /* redis_lock.c */
struct ipk__redis_late;

struct ipk__redis {
	struct ipk__backend base;
	struct ipk__redis_address address;
	_Atomic pid_t pid;     /* whose connections these are; -1: being made anew */
	pthread_mutex_t mutex; /* of all that follows; never held while something is sent */
	struct ipk__redis_node *nodes[IPK__REDIS_NODES_MAX];
	size_t n_nodes;
	uint16_t *slots; /* of a cluster: number of the node plus 1, 0 unknown */
	struct ipk__redis_lane *lanes;
	char me[24]; /* the session: whom leases belong to */
	uint64_t next_id;
	int64_t patience_ms; /* how long without any node that takes a connection */
	_Atomic uint64_t epoch;
	char hashes[IPK__REDIS_SCRIPTS_MAX][41];
	struct ipk__redis_held *held;
	struct ipk__redis_late *late;
	bool has_renewer;
	pthread_t renewer;
	_Atomic uint32_t renewer_word;  /* 1: end */
	struct ipk__redis_link *pinned; /* from watch_keys() to exec(); not under the mutex */
	size_t pinned_node;
};

int ipk__redis_tokens(struct ipk__redis *r); /* a new session */
int ipk__redis_here(struct ipk__redis *r);   /* notice a fork */

/* --- redis_cluster.c -------------------------------------------------------------------------- */

/* A request, as one node understands it. */
struct ipk__redis_ask {
	const struct ipk__slice *argv;
	size_t argc;
	const char *script; /* its text, when argv is EVALSHA */
	int slot;           /* -1: any node */
	int on_node;        /* -1: the one that has the slot */
	bool may_repeat;    /* harmless to send again */
	bool reads;         /* changes nothing */
	struct ipk__reply *reply;
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
void ipk__redis_encode(struct ipk__bytes *out, const struct ipk__redis_ask *ask);
int ipk__redis_keep(const struct ipk__redis_ask *ask, struct ipk__slice reply); /* into its reply */

/* --- redis_scripts.c -------------------------------------------------------------------------- */

int ipk__redis_script(const char *name, size_t n_bytes); /* -1: there is none */
const char *ipk__redis_script_text(int script);

/* --- redis_map.c ------------------------------------------------------------------------------ */

/* A script's words. */
struct ipk__redis_words {
	struct ipk__slice small[24];
	struct ipk__slice *argv; /* small, or of malloc */
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
	struct ipk__redis_words words;
	struct ipk__slice *args;       /* of malloc */
	struct ipk__slice renamed[24]; /* last: not cleared */
};

int ipk__redis_translate(struct ipk__redis *r, const struct ipk__call *call,
			 struct ipk__redis_lane *lane, ipk_deadline deadline,
			 struct ipk__redis_translated *t);
void ipk__redis_translated_fini(struct ipk__redis_translated *t);
int ipk__redis_words(struct ipk__redis *r, int script, struct ipk__slice key,
		     const struct ipk__slice *args, size_t n_args,
		     const struct ipk__redis_lane *lane, uint64_t number, ipk_deadline deadline,
		     struct ipk__redis_words *ret_words);
void ipk__redis_words_fini(struct ipk__redis_words *w);
int ipk__redis_take_lane(struct ipk__redis *r, struct ipk__redis_lane **ret_lane);
void ipk__redis_give_lane(struct ipk__redis *r, struct ipk__redis_lane *lane);
/* A helper key's name, "{name}:ipk.<what>"; free() it. */
int ipk__redis_helper_key(struct ipk__slice key, const char *what, struct ipk__slice *ret_key);
/* Run one script. */
int ipk__redis_run(struct ipk__redis *r, const char *script, struct ipk__slice key,
		   const struct ipk__slice *args, size_t n_args, ipk_deadline deadline,
		   struct ipk__reply *reply);
/* The same as the next request of @lane. */
int ipk__redis_run_on(struct ipk__redis *r, const char *script, struct ipk__slice key,
		      const struct ipk__slice *args, size_t n_args, struct ipk__redis_lane *lane,
		      ipk_deadline deadline, struct ipk__reply *reply);
int ipk__redis_call(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline);
int ipk__redis_call_many(struct ipk__redis *r, const struct ipk__call *calls, size_t n,
			 ipk_deadline deadline);
int ipk__redis_reply_integer(struct ipk__reply *reply, int64_t n);
int ipk__redis_reply_error(struct ipk__reply *reply, const char *text);
int ipk__redis_reply_null(struct ipk__reply *reply);
bool ipk__redis_is_error(const struct ipk__reply *reply);

/* --- redis_lock.c ----------------------------------------------------------------------------- */

bool ipk__redis_is_wait(const struct ipk__call *call); /* done here */
/* 1: not one of these. */
int ipk__redis_wait_call(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline);
void ipk__redis_release_all(struct ipk__redis *r); /* and end the thread that renews */
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
			  struct ipk__reply *ret_field);
void ipk__redis_watch_close(struct ipk__backend_watch *w);

#endif
