/*
 * pipe_internal.h - declarations shared by lib/pipe.
 *
 * pipe.c         the public calls, one set for all transports
 * pipe_ring.c    the ring transport      pipe_socket.c  the socket transport
 * pipe_stream.c  messages over a stream socket, which may lead to another machine
 * pipe_move.c    moves an end to another process
 * pipe_side.c    the socket beside every pipe (-1 beside a stream): fds, and the end of file
 */
#ifndef IPK_PIPE_INTERNAL_H
#define IPK_PIPE_INTERNAL_H

#include "ipk/pipe.h"
#include "pipe/channel.h"
#include "shared/pollset.h"
#include "shared/segment.h"

#pragma GCC visibility push(default) /* for libipk-manager */

/* In shared memory, at the start of a pipe's segment. Channel 0 goes from end 0 to end 1. */
struct ipk__shm_pipe {
	struct ipk__shm_header header;
	uint64_t max_message_bytes;
	alignas(IPK__CACHE_LINE) struct ipk__shm_channel channels[2];
	struct ipk__waiters waiters;
};

/* A message being reassembled from pieces, in memory of the handle. */
struct ipk__reassembly {
	char *bytes;
	size_t room_bytes;
	size_t total_bytes;
	size_t got_bytes;
	bool is_used; /* total and got are valid */
};

struct ipk__transport {
	int (*send)(ipk_pipe *p, const void *data, size_t len_bytes, ipk_deadline deadline);
	int (*recv)(ipk_pipe *p, void *buf, size_t buf_bytes, ipk_deadline deadline,
		    size_t *ret_len_bytes);
	/* The next message in one piece, left in place; take() then removes it. */
	int (*next)(ipk_pipe *p, ipk_deadline deadline, const void **ret_data,
		    size_t *ret_len_bytes);
	void (*take)(ipk_pipe *p);
	int (*poll)(ipk_pipe *p, ipk_deadline deadline);
	int (*fd)(ipk_pipe *p, int *ret_fd);
	void (*arm)(ipk_pipe *p);   /* before sleeping on fd */
	void (*close)(ipk_pipe *p); /* the transport's own resources; may be NULL */
};

extern const struct ipk__transport ipk__transport_ring;
extern const struct ipk__transport ipk__transport_socket;
extern const struct ipk__transport ipk__transport_stream;

struct ipk_pipe {
	const struct ipk__transport *transport;
	unsigned flags;
	bool can_send;
	bool can_recv;
	bool is_peeked;
	size_t max_message_bytes;
	int side_fd;
	struct ipk__reassembly reassembly;

	/* ring transport */
	struct ipk__segment segment;
	struct ipk__channel tx;
	struct ipk__channel rx;
	size_t whole_max_bytes; /* longer messages are sent in pieces */
	struct ipk__pollset pollset;
	/*
	 * A thread that sleeps in a call while another thread closes the end is first made to
	 * return. The process whose thread slept in its current call; 0: none.
	 */
	_Atomic bool is_closing;
	_Atomic uint32_t sender_pid;
	_Atomic uint32_t receiver_pid;

	/* socket and stream transports */
	int data_fd;
	struct ipk__stream *stream;
};

/* The parts from which both ends of a pipe are created; it owns each fd until an end takes it. */
struct ipk__pipe_parts {
	unsigned flags;
	size_t max_message_bytes;
	int segment_fd;
	int doorbell_fds[2]; /* rung for the reader of channel 0, 1 */
	int data_fds[2];
};

#define IPK__PIPE_NO_PARTS \
	((struct ipk__pipe_parts){.segment_fd = -1, .doorbell_fds = {-1, -1}, .data_fds = {-1, -1}})

/* pipe.c */
int ipk__pipe_parts_make(const ipk_pipe_opts *opts, struct ipk__pipe_parts *ret_parts);
void ipk__pipe_parts_close(struct ipk__pipe_parts *parts);
/* Validates parts from another process: 0 or -EPROTO. */
int ipk__pipe_parts_check(const struct ipk__pipe_parts *parts, int side_fd);
/* Creates end @which (0 or 1) of a pipe. Takes the fds over, also when it fails. */
int ipk__pipe_end(struct ipk__pipe_parts *parts, int which, int side_fd, ipk_pipe **ret_end);
int ipk__pipe_resolve_opts(const ipk_pipe_opts *opts, ipk_pipe_opts *ret_opts);

/* pipe_stream.c: over the connected SOCK_STREAM @fd, taken over also on failure. */
int ipk__pipe_from_stream(int fd, const ipk_pipe_opts *opts, ipk_pipe **ret_pipe);

/*
 * listener.c: listens at @path with @listen (ipk__os_listen() or another), in a private directory
 * of this user, replacing a socket on which no process listens any more. *ret_made identifies the
 * new socket file.
 */
int ipk__pipe_listen_at(const char *path, int (*listen)(const char *path, int *ret_fd), int *ret_fd,
			struct ipk__os_stat *ret_made);

/* pipe_ring.c */
/*
 * Sends a message of any length without blocking: as much of it as there is room for. *progress
 * starts as {0} and is passed again, with the same bytes (perhaps at another address), until it
 * returns 0: all is in the ring. -EAGAIN: call again; -EPIPE. Ring transport only.
 */
struct ipk__send_progress {
	size_t n_bytes; /* in the ring */
	bool is_begun;
};
int ipk__pipe_send_some(ipk_pipe *p, const void *data, size_t len_bytes,
			struct ipk__send_progress *progress);

/* reassembly.c */
int ipk__reassembly_reserve(struct ipk__reassembly *reassembly, size_t n_bytes); /* -ENOMEM */
void ipk__reassembly_begin(struct ipk__reassembly *reassembly, size_t total_bytes);
void ipk__reassembly_end(struct ipk__reassembly *reassembly);
void ipk__reassembly_close(struct ipk__reassembly *reassembly);
static inline bool ipk__reassembly_is_whole(const struct ipk__reassembly *reassembly)
{
	return reassembly->is_used && reassembly->got_bytes == reassembly->total_bytes;
}

/* pipe_side.c */
enum {
	IPK__SIDE_FD = 1,
	IPK__SIDE_QUEUE = 2,
	IPK__SIDE_HELLO = 3,
	IPK__SIDE_WELCOME = 4,
	IPK__SIDE_OBJECT = 5, /* in an arena: its fd and the object's offset */
	IPK__SIDE_END = 6,    /* of a pipe: all its parts; its offset is which */
};

struct ipk__side_packet {
	uint32_t magic;
	uint32_t type;
	uint32_t version;
	uint32_t flags;
	uint64_t max_message_bytes;
	uint64_t offset; /* with IPK__SIDE_OBJECT */
};

/* Whole packets over the side socket; a packet of another type stays queued and is -EPROTO. */
int ipk__side_send(int side_fd, const struct ipk__side_packet *packet, const int *fds, size_t n_fds,
		   ipk_deadline deadline);
int ipk__side_recv(int side_fd, uint32_t type, ipk_deadline deadline,
		   struct ipk__side_packet *ret_packet, int *ret_fds, size_t *ret_n_fds);
void ipk__side_packet_init(struct ipk__side_packet *packet, uint32_t type);
/* Sends or receives @fds as @type over @p: for objects that travel over pipes. */
int ipk__pipe_pass(ipk_pipe *p, uint32_t type, const int *fds, size_t n_fds, ipk_deadline deadline);
int ipk__pipe_take(ipk_pipe *p, uint32_t type, ipk_deadline deadline, int *ret_fds,
		   size_t *ret_n_fds);
/* The same with one fd and an offset in it. */
int ipk__pipe_pass_object(ipk_pipe *p, int fd, uint64_t offset, ipk_deadline deadline);
int ipk__pipe_take_object(ipk_pipe *p, ipk_deadline deadline, int *ret_fd, uint64_t *ret_offset);

/*
 * pipe_move.c: sends all parts of the end @p over a socket; @p is unchanged, to be closed when the
 * peer has it. -EBUSY a message of @p is peeked or partly received; -EOPNOTSUPP.
 */
int ipk__pipe_send_end(ipk_pipe *p, int socket_fd, ipk_deadline deadline);
int ipk__pipe_recv_end(int socket_fd, ipk_deadline deadline, ipk_pipe **ret_end);

#pragma GCC visibility pop

#endif
