/*
 * server.h - declarations shared by lib/server.
 *
 *   server.c         create, run, stop: the event loop      server_start.c    in a process of its own
 *   server_conn.c    the table of connections               server_peer.c     accept, read, send, drop
 *   server_ring.c    local clients over shared rings        server_run.c      from bytes to words
 *   server_execute.c from words to a command                server_call.c     from it to the log
 *   server_block.c   blocked requests                       server_multi.c    MULTI, WATCH
 *   server_db.c      what commands ask of the server        server_status.c   data for inspection
 *   server_log.c     what goes into the log                 server_load.c     what comes back of it
 *   session.c        each request once                      server_session.c  IPK.SESSION
 *   server_admin*.c  CLIENT, CONFIG, INFO, ...              server_monitor.c  MONITOR
 *
 * One thread, one epoll loop. The path of a request: bytes (server_peer.c, server_ring.c) -> words
 * (server_run.c) -> a command (server_execute.c) -> its function, which changes the store and
 * writes its reply into peer->out (server_call.c, lib/command) -> the log -> out (server_peer.c).
 */
#ifndef IPK_SERVER_SERVER_H
#define IPK_SERVER_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "command/peer.h"
#include "log/log.h"
#include "net/resp.h"
#include "store/shared_objects.h"
#include "store/store.h"

struct ipk__conn;
struct ipk__server;
struct ipk__peer;
struct ipk__session;

/* --- commands beside those of lib/command ----------------------------------------------------- */

extern const struct ipk__command ipk__commands_admin[];
extern const struct ipk__command ipk__commands_multi[];
extern const struct ipk__command ipk__commands_session[]; /* IPK.SESSION */
extern const struct ipk__command ipk__commands_log[];     /* BGREWRITEAOF */

/* --- blocked requests (server_block.c) -------------------------------------------------------- */

int ipk__blocks_add(struct ipk__request *q, const struct ipk__slice *names, size_t n_names,
		    uint32_t channel, int64_t timeout_ms);
void ipk__blocks_signal(struct ipk__server *server, struct ipk__slice name, uint32_t channel);
/* IPK.LEAVE: cancels the request of that number in @peer's session. False: none is blocked. */
bool ipk__blocks_leave(struct ipk__server *server, struct ipk__peer *peer, uint64_t number);

/* --- connections (server_peer.c, server_ring.c) ----------------------------------------------- */

/* Sends peer->out now or when the socket is writable; closes the peer over the hard limit. */
void ipk__peer_flush(struct ipk__server *server, struct ipk__peer *peer);
void ipk__peer_close_later(struct ipk__server *server, struct ipk__peer *peer);
struct ipk__peer *ipk__peer_find(struct ipk__server *server, uint64_t id);

/* Executes one request of @peer whose words are @argv; the reply is in peer->out. */
void ipk__execute(struct ipk__server *server, struct ipk__peer *peer, const struct ipk__slice *argv,
		  size_t argc);
/* The same for the log: no peer, nothing is logged; the reply goes to @out. False: it failed. */
bool ipk__execute_logged(struct ipk__server *server, const struct ipk__slice *argv, size_t argc,
			 struct ipk__buffer *out);

/* --- the server ------------------------------------------------------------------------------- */

struct ipk__server_config {
	const char *address; /* "unix:PATH" or "tcp:HOST:PORT" */
	const char *label;
	const char *log_path;     /* NULL: no log */
	int fsync;                /* enum ipk__fsync */
	const unsigned char *key; /* NULL: none */
	size_t key_bytes;
	const uid_t *allowed_uids; /* besides the server's own */
	size_t n_allowed_uids;
	const gid_t *allowed_gids;
	size_t n_allowed_gids;
	uint64_t max_memory_bytes;  /* 0: no limit of its own */
	uint32_t max_clients;       /* 10000 */
	size_t max_request_bytes;   /* 512 MiB */
	size_t out_hard_bytes;      /* none: a peer with more unread replies is closed */
	size_t out_soft_bytes;      /* 64 MiB for out_soft_ms */
	int64_t out_soft_ms;        /* 60000 */
	int64_t idle_ms;            /* 0: idle peers stay */
	int64_t slow_ns;            /* slower commands are recorded: 10 ms */
	int rewrite_percent;        /* growth of the log that starts a rewrite: 100; 0 never */
	uint64_t rewrite_min_bytes; /* 64 MiB */
	/* Receives one line on why the log was refused or what was truncated; NULL: none. */
	char *trouble;
	size_t trouble_bytes;
};

struct ipk__server {
	struct ipk__db db; /* first: a request's db is its server's */
	struct ipk__server_config config;
	struct ipk__log *log; /* NULL: none */
	struct ipk__shm_status *status;
	int epoll_fd;
	int listen_fd;
	int64_t steady_ms; /* db.now_ms on CLOCK_MONOTONIC: for durations */
	uint64_t n_peers;
	struct ipk__conn *conns; /* the latest first */
	bool stop;               /* leave the loop */
	char run_id[41];
	/* private to one file each: */
	struct ipk__blocks *blocks;     /* server_block.c */
	struct ipk__sessions *sessions; /* session.c */
	struct ipk__loop *loop;         /* server.c, server_peer.c, server_ring.c */
};

/* Everything is created and the log loaded; then run until stop, or until @stop_fd is readable. */
int ipk__server_create(const struct ipk__server_config *config, struct ipk__server **ret_server);
int ipk__server_run(struct ipk__server *server, int stop_fd);
void ipk__server_close(struct ipk__server *server);
/* Its address: "unix:PATH", or "tcp:HOST:PORT" with the chosen port. */
const char *ipk__server_address(const struct ipk__server *server);

/* --- sessions (session.c) --------------------------------------------------------------------- */

/*
 * The next request of a session's peer: true when it was executed before, and its reply of then is
 * in peer->out.
 */
bool ipk__session_begin(struct ipk__server *server, struct ipk__peer *peer,
			const struct ipk__slice *argv, size_t argc);
/*
 * @q of a session changed something: @reply is what was just written for it, or, when it stays
 * blocked, q->n_so_far is its reply so far.
 */
void ipk__session_done(struct ipk__request *q, struct ipk__slice reply);
/* The session @id, which has no peer when it was not there. -ENOMEM, -EUSERS. */
int ipk__session_get(struct ipk__server *server, struct ipk__slice id,
		     struct ipk__session **ret_session);
bool ipk__session_is(const struct ipk__session *s, struct ipk__slice id);
uint64_t ipk__session_last(const struct ipk__session *s); /* that changed something */
uint64_t ipk__session_peer(const struct ipk__session *s); /* its id; 0 none */
void ipk__session_join(struct ipk__server *server, struct ipk__peer *peer, struct ipk__session *s);
void ipk__session_leave(struct ipk__server *server, struct ipk__peer *peer);
void ipk__session_continue(struct ipk__session *s, uint64_t number); /* with that request */
void ipk__sessions_free(struct ipk__server *server);
/* For the log: a reply that it records for a session. */
int ipk__session_restore(struct ipk__server *server, struct ipk__slice id, uint64_t number,
			 struct ipk__slice reply);
/* For the log: the number of the current request, or of the last one. 0: none. */
uint64_t ipk__session_number(const struct ipk__session *session, struct ipk__slice *ret_id);
/* For a rewrite: all that is remembered; *cursor starts as 0 and is 0 at the end. */
typedef void ipk__session_fn(void *arg, struct ipk__slice id, uint64_t number,
			     struct ipk__slice reply);
void ipk__sessions_scan(struct ipk__server *server, uint64_t *cursor, ipk__session_fn *each,
			void *arg);
#endif
