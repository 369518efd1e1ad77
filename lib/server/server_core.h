/*
 * server_core.h - what the loop, the connections and the execution share, and no command
 * needs to know.
 *
 * A turn of the loop: wait; read and execute; drop who is doomed; serve who waits; write the
 * log; send the replies; free the dropped. So a peer is never freed while a request runs, and
 * no reply leaves before the log has what it tells of.
 */
#ifndef IPK_SERVER_CORE_H
#define IPK_SERVER_CORE_H

#include "base/base_internal.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "server/server.h"

#define IPK__READ_BYTES ((size_t)128 << 10)
#define IPK__COMMANDS_MAX 512
#define IPK__CONN_BUCKETS 1024
#define IPK__WORD_LISTEN 2u
#define IPK__WORD_RING 1u /* in the epoll set: the bell of this connection */

/* A peer, with what only the core knows of it. */
struct ipk__conn {
	struct ipk__peer peer; /* first: a peer is its connection */
	gid_t gid;
	struct ipk__conn *id_next;     /* in its bucket of loop->by_id */
	struct ipk__conn *hungry_next; /* has requests that were not looked at yet */
	struct ipk__conn *dirty_next;  /* has replies to be sent */
	struct ipk__conn *doomed_next; /* is to be dropped, or was and is to be freed */
	struct ipk__conn *unknown_next, *unknown_prev; /* oldest first */
	int64_t unknown_since_ms;
	int64_t sent_ms; /* when its socket last took something, or nothing was left to send */
	bool is_hungry;
	bool is_stuck; /* the socket took less than there was: it is asked for when it takes more */
	bool is_dirty;
	bool is_doomed;
	bool is_dropped;
	bool is_at_end; /* it will send no more */
	bool is_unknown;
	struct ipk__blocked *waiters, *last_waiter; /* server_block.c */
	uint64_t last_ticket;
	uint64_t n_noted;                      /* n_commands, as the board has it */
	const struct ipk__command *noted_last; /* the same */
	struct ipk__conn *ring_next;           /* server_ring.c */
	int64_t ring_active_ns;
	bool ring_is_listed;
	uint8_t ring_n_hollow;                   /* readable bells in a row that nobody rang */
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
	int reserve_fd; /* given up for a moment to turn a peer away when there is no fd left */
	bool is_tcp;
	bool is_accepting;
	int64_t accept_again_ms; /* 0: accepting, or waiting for a peer to go */
	int tcp_port;
	char address[160];
	char path[112];           /* of a Unix socket that is ours to remove, absolute; "" none */
	struct ipk__os_stat made; /* it is removed only if it is still this */
	uint64_t last_id;
	struct ipk__conn *by_id[IPK__CONN_BUCKETS];
	struct ipk__conn *hungry, **hungry_end;
	struct ipk__conn *dirty;
	struct ipk__conn *doomed;
	struct ipk__conn *dropped;
	struct ipk__conn *unknown, *unknown_last;
	unsigned n_unknown;
	unsigned n_monitors;
	char *read_buffer; /* of IPK__READ_BYTES: what comes is read here, most of it needs no other
			    */
	struct ipk__request *outer; /* a transaction under way */
	bool store_has_more;
	bool log_has_more;
	int64_t cron_ms;
	int64_t second_ms;
	int64_t started_ms;
	int64_t clock_ns; /* after the last request */
	int64_t clocks_ns;
	int64_t unix_minus_clock_ns; /* one clock tells the other, between two looks at both */
	uint64_t n_commands;
	uint64_t n_commands_noted;
	uint64_t n_local;
	uint64_t n_connections;
	uint64_t n_refused;
	uint64_t n_expired;
	uint64_t n_hits, n_misses;
	size_t n_ready; /* sockets that had something in the last turn */
	uint64_t n_in_bytes, n_out_bytes;
	uint64_t peak_bytes;
	uint64_t commands_per_second;
	struct ipk__command_stats stats[IPK__COMMANDS_MAX];
	struct ipk__rings *rings; /* server_ring.c */
};

static inline struct ipk__conn *ipk__conn_of(struct ipk__peer *peer)
{
	return (struct ipk__conn *)peer;
}

/* commands.c: where a command is in the list of all; -1 there is no such. */
int ipk__command_index(struct ipk__slice name);
size_t ipk__commands_len(void);

/* server_peer.c */
void ipk__peers_accept(struct ipk__server *server);
void ipk__peers_stop_accepting(struct ipk__server *server, int64_t again_ms);
void ipk__peers_start_accepting(struct ipk__server *server);
void ipk__conn_ready(struct ipk__server *server, struct ipk__conn *conn, int events);
void ipk__conn_make_hungry(struct ipk__server *server, struct ipk__conn *conn);
void ipk__conn_doom(struct ipk__server *server, struct ipk__conn *conn);
/* Authenticated: from now on it may send as much as anybody. */
void ipk__conn_is_known(struct ipk__server *server, struct ipk__conn *conn);
/* Requests in @data as far as they are whole and its turn lasts: how many bytes they took. */
size_t ipk__conn_run(struct ipk__server *server, struct ipk__conn *conn, const char *data,
		     size_t n_bytes);
bool ipk__conn_is_held(const struct ipk__conn *conn); /* nothing of it is executed for now */
void ipk__peers_feed(struct ipk__server *server);     /* the hungry ones, a turn each */
bool ipk__peers_drop(struct ipk__server *server);     /* the doomed ones; whether there were any */
void ipk__peers_send(struct ipk__server *server);     /* the dirty ones */
void ipk__peers_free(struct ipk__server *server);     /* the dropped ones */
void ipk__peers_check(struct ipk__server *server);    /* once a second: limits of time */
void ipk__peers_check_unknown(struct ipk__server *server);
void ipk__peers_close_all(struct ipk__server *server);

/* server_execute.c */
/* A request whose command was found and checked already: runs it and logs what it did. */
void ipk__request_call(struct ipk__request *q, size_t index);
void ipk__request_begin(struct ipk__server *server, struct ipk__peer *peer,
			const struct ipk__slice *argv, size_t argc, struct ipk__request *ret_q);
void ipk__expire_some(struct ipk__server *server);

/* server_block.c */
int ipk__blocks_create(struct ipk__server *server);
void ipk__blocks_free(struct ipk__server *server);
void ipk__blocks_serve(struct ipk__server *server);      /* what was signalled */
void ipk__blocks_timeout(struct ipk__server *server);    /* whose time is over */
int64_t ipk__blocks_next_ms(struct ipk__server *server); /* until the first timeout; -1 none */
void ipk__blocks_peer_gone(struct ipk__server *server, struct ipk__peer *peer);
bool ipk__blocks_unblock(struct ipk__server *server, struct ipk__peer *peer, const char *error);
bool ipk__blocks_cancel(struct ipk__server *server, struct ipk__peer *peer, uint64_t ticket);
uint64_t ipk__blocks_len(const struct ipk__server *server);

/* server_multi.c */
/* In a transaction: the request is noted, and the reply says so. */
bool ipk__multi_queues(struct ipk__request *q, size_t index);
void ipk__multi_fail(struct ipk__peer *peer); /* a request in it was refused */
void ipk__multi_forget(struct ipk__peer *peer);
bool ipk__multi_is_open(const struct ipk__peer *peer);

/* server_admin.c */
void ipk__monitors_tell(struct ipk__server *server, struct ipk__request *q);
bool ipk__admin_knows_key(const struct ipk__server *server, struct ipk__slice key);

/* server_board.c */
void ipk__board_create(struct ipk__server *server);
void ipk__board_peer_came(struct ipk__server *server, struct ipk__peer *peer);
void ipk__board_peer_went(struct ipk__server *server, struct ipk__peer *peer);
void ipk__board_peer_did(struct ipk__server *server, struct ipk__peer *peer); /* after its turn */
/* @name: NULL bytes when it waits for nothing. */
void ipk__board_waits(struct ipk__server *server, struct ipk__peer *peer, struct ipk__slice name,
		      int64_t since_ms, uint64_t owner_tag);
void ipk__board_slow(struct ipk__request *q, int64_t took_ns);
void ipk__board_second(struct ipk__server *server);

#endif
