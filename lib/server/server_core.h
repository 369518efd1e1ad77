/*
 * server_core.h - shared by the loop, the connections and the execution, hidden from commands.
 *
 * A turn of the loop: wait; read and execute; drop closing peers; serve blocked requests; write the
 * log; send the replies; free the dropped peers. So a peer is never freed while a request runs, and
 * no reply is sent before its effects are in the log.
 */
#ifndef IPK_SERVER_CORE_H
#define IPK_SERVER_CORE_H

#include "base/base_internal.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "server/server.h"

#define IPK__READ_BYTES ((size_t)128 << 10)
#define IPK__PAUSE_BYTES ((size_t)1 << 20) /* of unread replies: its requests wait */
#define IPK__CONN_BUCKETS 1024
#define IPK__EPOLL_LISTEN 2u
#define IPK__EPOLL_RING 1u /* in the epoll set: the doorbell of this connection */

/* A connection: what commands know of it, and the rest. */
struct ipk__conn {
	struct ipk__peer peer; /* first: a peer is its connection */
	struct ipk__conn *next, *prev;
	gid_t gid;
	int fd;
	struct ipk_pipe *ring; /* NULL: none */
	uint32_t loop_events;
	int64_t since_ms;  /* these are values of server->steady_ms: */
	int64_t active_ms; /* of its last request */
	uint64_t n_commands;
	const struct ipk__command *last;
	struct ipk__buffer in;
	struct ipk__resp_reader reader;
	size_t out_was_bytes;         /* of replies, after the last turn that sent some */
	size_t out_asked_bytes;       /* of those that it has asked for */
	int64_t out_over_soft_ms;     /* since when its replies exceed the soft limit; 0 not */
	struct ipk__multi *multi;     /* server_multi.c */
	struct ipk__session *session; /* session.c */
	void *auth;                   /* server_admin.c: a handshake in progress */
	struct ipk__shm_client *status;
	uint64_t log_mark;                    /* ipk__log_mark() of its last write */
	struct ipk__conn *id_next;            /* in its bucket of loop->by_id */
	struct ipk__conn *readable_next;      /* has requests not read yet */
	struct ipk__conn *write_pending_next; /* has replies to be sent */
	struct ipk__conn *closing_next;       /* to be dropped, or dropped and to be freed */
	struct ipk__conn *unauthenticated_next, *unauthenticated_prev; /* oldest first */
	int64_t unauthenticated_since_ms;
	int64_t sent_ms; /* when its socket last accepted bytes, or nothing was left to send */
	bool is_readable;
	bool is_stuck; /* the socket accepted only a part: EPOLLOUT is requested */
	bool is_write_pending;
	bool is_closing;
	bool is_dropped;
	bool is_at_end; /* it will send no more */
	bool is_unauthenticated;
	struct ipk__blocked_request *waiters, *last_waiter; /* server_block.c */
	uint64_t last_ticket;
	uint64_t n_noted;                      /* n_commands, as in the status */
	const struct ipk__command *noted_last; /* the same */
	struct ipk__conn *ring_next;           /* server_ring.c */
	int64_t ring_active_ns;
	bool ring_is_listed;
	uint8_t ring_n_hollow; /* consecutive readable events of the doorbell without a ring */
	struct ipk__send_progress ring_progress; /* of a message of ring_message_bytes */
	size_t ring_message_bytes;
};

struct ipk__command_stats {
	uint64_t n_calls;
	uint64_t n_failed;
	int64_t took_ns;
};

struct ipk__loop {
	int stop_fd;
	int reserve_fd; /* closed temporarily to reject a peer when no fd is left */
	bool is_tcp;
	bool is_accepting;
	int64_t accept_again_ms; /* 0: accepting, or waiting for a peer to go */
	int tcp_port;
	char address[160];
	char path[112];           /* of a Unix socket that we must remove, absolute; "" none */
	struct ipk__os_stat made; /* removed only if it is still this file */
	uint64_t last_id;
	struct ipk__conn *by_id[IPK__CONN_BUCKETS];
	struct ipk__conn *readable, **readable_end;
	struct ipk__conn *write_pending;
	struct ipk__conn *closing;
	struct ipk__conn *dropped;
	struct ipk__conn *unauthenticated, *unauthenticated_last;
	unsigned n_unauthenticated;
	unsigned n_monitors;
	char *read_buffer; /* of IPK__READ_BYTES: input is read here, most of it needs no other */
	struct ipk__request *outer; /* the transaction in progress */
	bool expiry_has_more;
	bool store_has_more;
	bool log_has_more;
	int64_t cron_ms;
	int64_t second_ms;
	int64_t started_ms;
	int64_t clock_ns; /* after the last request */
	int64_t clocks_ns;
	int64_t unix_minus_clock_ns; /* their difference, until both are read again */
	uint64_t n_commands;
	uint64_t n_commands_noted;
	uint64_t n_local;
	uint64_t n_connections;
	uint64_t n_refused;
	size_t n_ready; /* sockets that were readable in the last turn */
	uint64_t n_in_bytes, n_out_bytes;
	uint64_t peak_bytes;
	uint64_t commands_per_second;
	struct ipk__command_stats stats[IPK__COMMANDS_MAX];
	struct ipk__rings *rings; /* server_ring.c */
};

static inline struct ipk__server *ipk__server_of_db(struct ipk__db *db)
{
	return (struct ipk__server *)(void *)db;
}

static inline struct ipk__server *ipk__server_of(const struct ipk__request *q)
{
	return ipk__server_of_db(q->db);
}

static inline struct ipk__conn *ipk__conn_of(struct ipk__peer *peer)
{
	return (struct ipk__conn *)peer;
}

/* server.c */
void ipk__server_add_commands(void); /* once in a process; before any is looked up */

/* server_conn.c */
void ipk__conn_add(struct ipk__server *server, struct ipk__conn *conn);
void ipk__conn_remove(struct ipk__server *server, struct ipk__conn *conn);
/* A message may have arrived over its ring, or now it may be taken. */
void ipk__ring_wake(struct ipk__server *server, struct ipk__conn *conn);
void ipk__conn_make_readable(struct ipk__server *server, struct ipk__conn *conn);
void ipk__conn_doom(struct ipk__server *server, struct ipk__conn *conn);
bool ipk__conn_is_held(const struct ipk__conn *conn); /* nothing of it is executed for now */
/* Authenticated: from now on its normal limits apply. */
void ipk__conn_is_known(struct ipk__server *server, struct ipk__conn *conn);
void ipk__peers_check_unauthenticated(struct ipk__server *server);
/* The one that has been there longest without showing the key; false: there is none. */
bool ipk__peers_drop_a_stranger(struct ipk__server *server);

/* server_run.c */
/*
 * Executes requests in @data as far as they are complete and its turn lasts; returns the bytes
 * consumed.
 */
size_t ipk__conn_run(struct ipk__server *server, struct ipk__conn *conn, const char *data,
		     size_t n_bytes);

/* server_peer.c */
void ipk__peers_accept(struct ipk__server *server);
void ipk__peers_stop_accepting(struct ipk__server *server, int64_t again_ms);
void ipk__peers_start_accepting(struct ipk__server *server);
void ipk__conn_ready(struct ipk__server *server, struct ipk__conn *conn, int events);
void ipk__peers_feed(struct ipk__server *server);  /* the readable ones, a turn each */
bool ipk__peers_drop(struct ipk__server *server);  /* the closing ones; whether there were any */
void ipk__peers_send(struct ipk__server *server);  /* the write_pending ones */
void ipk__peers_free(struct ipk__server *server);  /* the dropped ones */
void ipk__peers_check(struct ipk__server *server); /* once a second: limits of time */
void ipk__peers_close_all(struct ipk__server *server);

/* server_call.c */
bool ipk__request_has_arity(const struct ipk__request *q);
/* A request whose command was found and checked already: runs it and logs what it did. */
void ipk__request_call(struct ipk__request *q, size_t index);
void ipk__request_begin(struct ipk__server *server, struct ipk__peer *peer,
			const struct ipk__slice *argv, size_t argc, struct ipk__request *ret_q);
/* For @budget_ns: what no client asks for any more. True: there is more. */
bool ipk__expire_some(struct ipk__server *server, int64_t budget_ns);

/* server_block.c */
int ipk__blocks_create(struct ipk__server *server);
void ipk__blocks_free(struct ipk__server *server);
void ipk__blocks_serve(struct ipk__server *server);      /* what was signalled */
void ipk__blocks_timeout(struct ipk__server *server);    /* those that timed out */
int64_t ipk__blocks_next_ms(struct ipk__server *server); /* until the first timeout; -1 none */
void ipk__blocks_peer_gone(struct ipk__server *server, struct ipk__peer *peer);
bool ipk__blocks_unblock(struct ipk__server *server, struct ipk__peer *peer, const char *error);
bool ipk__blocks_cancel(struct ipk__server *server, struct ipk__peer *peer, uint64_t ticket);
uint64_t ipk__blocks_len(const struct ipk__server *server);

/* server_db.c */
extern const struct ipk__db_host ipk__server_db_host;

/* server_load.c */
struct ipk__log_opts ipk__server_log_opts(struct ipk__server *server);

/* server_log.c; there is a log */
void ipk__request_log_before(struct ipk__request *q); /* it is about to change something */
void ipk__request_log_effect(struct ipk__request *q, size_t argc, const struct ipk__slice *argv);
void ipk__request_log(struct ipk__request *q); /* it did: itself, or its effects */

/* server_multi.c */
/* In a transaction: queues the request, and replies so. */
bool ipk__multi_queues(struct ipk__request *q, size_t index);
void ipk__multi_fail(struct ipk__peer *peer); /* a request in it was refused */
void ipk__multi_forget(struct ipk__peer *peer);
bool ipk__multi_is_open(const struct ipk__peer *peer);

/* server_monitor.c */
void ipk__monitors_tell(struct ipk__server *server, struct ipk__request *q);
bool ipk__admin_knows_key(const struct ipk__server *server, struct ipk__slice key);

/* server_status.c */
void ipk__status_create(struct ipk__server *server);
void ipk__status_peer_came(struct ipk__server *server, struct ipk__peer *peer);
void ipk__status_peer_went(struct ipk__server *server, struct ipk__peer *peer);
void ipk__status_peer_did(struct ipk__server *server, struct ipk__peer *peer); /* after its turn */
/* @name: NULL bytes when it waits for nothing. */
void ipk__status_waits(struct ipk__server *server, struct ipk__peer *peer, struct ipk__slice name,
		       int64_t since_ms, uint64_t owner_tag);
void ipk__status_slow(struct ipk__request *q, int64_t took_ns);
void ipk__status_second(struct ipk__server *server);

#endif
