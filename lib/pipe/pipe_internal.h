/*
 * pipe_internal.h - what the files of this room share.
 *
 * pipe.c       the public calls, one set for both transports
 * pipe_ring.c  the ring transport      pipe_socket.c  the socket transport
 * pipe_stream.c  messages over a stream socket, which may lead to another machine
 * pipe_move.c  an end goes over to another process
 * pipe_side.c  the socket beside every pipe (-1 beside a stream): fds, and the end of file
 */
#ifndef IPK_PIPE_INTERNAL_H
#define IPK_PIPE_INTERNAL_H

#include "ipk/pipe.h"
#include "pipe/lane.h"
#include "shm/pollset.h"
#include "shm/segment.h"

#pragma GCC visibility push(default) /* for libipk-manager */

/* In shared memory, at the start of a pipe's segment. Lane 0 goes from end 0 to end 1. */
struct ipk__shm_pipe {
	struct ipk__shm_header header;
	uint64_t max_message_bytes;
	alignas(IPK__CACHE_LINE) struct ipk__shm_lane lanes[2];
	struct ipk__waiters waiters;
};

/* A message that is put together from pieces, in memory of the handle. */
struct ipk__stash {
	char *bytes;
	size_t room_bytes;
	size_t total_bytes;
	size_t got_bytes;
	bool is_used; /* total and got mean something */
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
	void (*close)(ipk_pipe *p); /* what is the transport's own; may be NULL */
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
	struct ipk__stash stash;

	/* ring transport */
	struct ipk__segment segment;
	struct ipk__lane tx;
	struct ipk__lane rx;
	size_t whole_max_bytes; /* longer messages go in pieces */
	struct ipk__pollset pollset;
	/*
	 * One that sleeps in a call while another thread closes the end is sent away first. The
	 * process whose thread has slept in the call that it is in; 0: none has.
	 */
	_Atomic bool is_closing;
	_Atomic uint32_t sender_pid;
	_Atomic uint32_t receiver_pid;

	/* socket and stream transports */
	int data_fd;
	struct ipk__stream *stream;
};

/* What both ends of a pipe are made from; each fd belongs to it until an end takes it. */
struct ipk__pipe_parts {
	unsigned flags;
	size_t max_message_bytes;
	int segment_fd;
	int bell_fds[2]; /* rung for the reader of lane 0, 1 */
	int data_fds[2];
};

#define IPK__PIPE_NO_PARTS \
	((struct ipk__pipe_parts){.segment_fd = -1, .bell_fds = {-1, -1}, .data_fds = {-1, -1}})

/* pipe.c */
int ipk__pipe_parts_make(const ipk_pipe_opts *opts, struct ipk__pipe_parts *ret_parts);
void ipk__pipe_parts_close(struct ipk__pipe_parts *parts);
/* Of parts that came from another process: whether each is what it should be, or -EPROTO. */
int ipk__pipe_parts_check(const struct ipk__pipe_parts *parts, int side_fd);
/* End @which (0 or 1) of a pipe. Takes the fds over, also when it fails. */
int ipk__pipe_end(struct ipk__pipe_parts *parts, int which, int side_fd, ipk_pipe **ret_end);
int ipk__pipe_opts(const ipk_pipe_opts *opts, ipk_pipe_opts *ret_opts);

/* pipe_stream.c: over the connected SOCK_STREAM @fd, which is taken over also on failure. */
int ipk__pipe_from_stream(int fd, const ipk_pipe_opts *opts, ipk_pipe **ret_pipe);

/*
 * listener.c: listen at @path with @listen (ipk__os_listen() or another), in a directory that
 * is this user's alone, in place of a socket nobody listens at any more. *ret_made is what
 * then is there.
 */
int ipk__pipe_listen_at(const char *path, int (*listen)(const char *path, int *ret_fd), int *ret_fd,
			struct ipk__os_stat *ret_made);

/* pipe_ring.c */
/*
 * A message of any length, without ever waiting: as much of it as there is room for. *progress
 * begins as {0} and is kept, with the same bytes (at perhaps another address), until it is 0:
 * all is in the ring. -EAGAIN: call again; -EPIPE. Ring transport only.
 */
struct ipk__send_progress {
	size_t n_bytes; /* in the ring */
	bool is_begun;
};
int ipk__pipe_send_some(ipk_pipe *p, const void *data, size_t len_bytes,
			struct ipk__send_progress *progress);

/* stash.c */
int ipk__stash_room(struct ipk__stash *stash, size_t n_bytes); /* -ENOMEM */
void ipk__stash_begin(struct ipk__stash *stash, size_t total_bytes);
void ipk__stash_end(struct ipk__stash *stash);
void ipk__stash_close(struct ipk__stash *stash);
static inline bool ipk__stash_is_whole(const struct ipk__stash *stash)
{
	return stash->is_used && stash->got_bytes == stash->total_bytes;
}

/* pipe_side.c */
enum {
	IPK__SIDE_FD = 1,
	IPK__SIDE_QUEUE = 2,
	IPK__SIDE_HELLO = 3,
	IPK__SIDE_WELCOME = 4,
	IPK__SIDE_OBJECT = 5, /* in an arena: its fd and the object's offset */
	IPK__SIDE_END = 6,    /* of a pipe: all it is made of; its offset is which */
};

struct ipk__side_packet {
	uint32_t magic;
	uint32_t type;
	uint32_t version;
	uint32_t flags;
	uint64_t max_message_bytes;
	uint64_t offset; /* with IPK__SIDE_OBJECT */
};

/* Whole packets over the side socket; a packet of another type stays and is -EPROTO. */
int ipk__side_send(int side_fd, const struct ipk__side_packet *packet, const int *fds, size_t n_fds,
		   ipk_deadline deadline);
int ipk__side_recv(int side_fd, uint32_t type, ipk_deadline deadline,
		   struct ipk__side_packet *ret_packet, int *ret_fds, size_t *ret_n_fds);
void ipk__side_packet_init(struct ipk__side_packet *packet, uint32_t type);
/* Pass @fds as @type over @p, or take such from it: for the rooms to the right. */
int ipk__pipe_pass(ipk_pipe *p, uint32_t type, const int *fds, size_t n_fds, ipk_deadline deadline);
int ipk__pipe_take(ipk_pipe *p, uint32_t type, ipk_deadline deadline, int *ret_fds,
		   size_t *ret_n_fds);
/* The same with one fd and where in it something lies. */
int ipk__pipe_pass_object(ipk_pipe *p, int fd, uint64_t offset, ipk_deadline deadline);
int ipk__pipe_take_object(ipk_pipe *p, ipk_deadline deadline, int *ret_fd, uint64_t *ret_offset);

/*
 * pipe_move.c: all that the end @p is made of, over a socket; @p stays as it is, to be closed
 * when the other side has it. -EBUSY a message of @p is begun or on loan; -EOPNOTSUPP.
 */
int ipk__pipe_send_end(ipk_pipe *p, int socket_fd, ipk_deadline deadline);
int ipk__pipe_recv_end(int socket_fd, ipk_deadline deadline, ipk_pipe **ret_end);

#pragma GCC visibility pop

#endif
