/*
 * pipe.h - a duplex message pipe between two processes (Python: multiprocessing.Pipe).
 *
 * A pipe has two ends. A message of 0 bytes to 1 GiB is received whole or not at all, never in
 * part, whatever process is killed. On each end one thread at a time may send and one may receive
 * (both at once is fine); for several senders or receivers use a queue.
 *
 * Inherit an end over fork(), then close in each process the end that the other uses: as with
 * pipe(2), end of file comes when the last copy of the other end is closed. If the peer is killed,
 * the messages it had sent are still received; then comes -EPIPE, at most 100 ms after its death.
 *
 * The ring transport (default) makes no system call while both sides are busy. The socket transport
 * (IPK_PIPE_SOCKET) sends every message through the kernel: slower, but without shared memory.
 */
#ifndef IPK_PIPE_H
#define IPK_PIPE_H

#include "deadline.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_MESSAGE_MAX_BYTES ((size_t)1 << 30)

typedef struct ipk_pipe ipk_pipe; /* one end */

typedef enum ipk_pipe_flags {
	IPK_PIPE_SOCKET = 1u << 0,  /* all messages through a kernel socket */
	IPK_PIPE_ONE_WAY = 1u << 1, /* the first end only receives, the second only sends */
} ipk_pipe_flags;

typedef struct ipk_pipe_opts {
	size_t struct_size;       /* sizeof(ipk_pipe_opts) */
	const char *label;        /* shown by ipc-inspect; [A-Za-z0-9._-]{1,200}; "pipe" */
	size_t ring_bytes;        /* each direction; 4 KiB .. 1 GiB, rounded up to 2^n; 512 KiB */
	size_t max_message_bytes; /* 1 .. IPK_MESSAGE_MAX_BYTES, the default */
	unsigned flags;           /* ipk_pipe_flags, or-ed */
} ipk_pipe_opts;

#define IPK_PIPE(...) IPK_OPTS(pipe, __VA_ARGS__)

/**
 * ipk_pipe_create() - create a pipe
 * @opts:  NULL for the defaults
 * @ret_a: first end
 * @ret_b: second end
 *
 * Blocks:  no.
 * Callers: any thread. Ends are inherited over fork().
 * Crash:   leaves nothing: the memory is anonymous and freed with its last user.
 * Cost:    a segment of twice ring_bytes, prefaulted; 4 fds per end.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -EINVAL bad option; -EMFILE; -ENFILE; -ENOMEM; -ENOSPC; -EFBIG
 * (RLIMIT_FSIZE).
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_create(const ipk_pipe_opts *opts, ipk_pipe **ret_a,
					   ipk_pipe **ret_b);

/**
 * ipk_pipe_close() - close one end
 * @p: NULL is fine; no other thread may be inside a call on it, except that a thread that sleeps in
 *     a call on an end of a ring is woken with -EBADF first
 *
 * Order:   messages sent before are still received at the other end.
 * Blocks:  no.
 * Crash:   a process that dies closes its ends.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: NULL.
 */
IPK_API ipk_pipe *ipk_pipe_close(ipk_pipe *p);

static inline void ipk_pipe_closep(ipk_pipe **p)
{
	*p = ipk_pipe_close(*p);
}

/**
 * ipk_pipe_send() - send one message
 * @p:         end that may send
 * @data:      @len_bytes bytes, any alignment; copied before return; NULL only for 0 bytes
 * @len_bytes: 0 .. max_message_bytes
 * @deadline:  when to stop waiting for room
 *
 * Order:   messages arrive in the order they were sent.
 * Blocks:  while the ring is full.
 * Callers: one thread at a time for each end.
 * Crash:   a sender killed here has sent the whole message or nothing.
 * Cost:    one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -ETIMEDOUT, nothing was sent; -EPIPE no receiver is left (a send just after the death
 * of the peer may still succeed); -EMSGSIZE over max_message_bytes; -EBADF; -EINVAL; -EOPNOTSUPP
 * this end only receives; -ENOSPC, -EMFILE, -EFBIG over RLIMIT_FSIZE (socket transport).
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_send(ipk_pipe *p, const void *data, size_t len_bytes,
					 ipk_deadline deadline);

/**
 * ipk_pipe_recv() - receive one message into the caller's buffer
 * @p:             end that may receive
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty messages
 * @deadline:      when to stop waiting for a message, and for the rest of a long one
 * @ret_len_bytes: length of the message; may be NULL
 *
 * Order:   as sent.
 * Blocks:  while there is no message.
 * Callers: one thread at a time for each end.
 * Crash:   a receiver killed before return may have removed the message.
 * Cost:    one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EPIPE the peer closed or died and everything was received; -EMSGSIZE the
 * message is longer than @buf_bytes and stays in the pipe (ipk_pipe_peek() tells its length);
 * -EPROTO the peer violated the format; -EBADF; -EINVAL; -ENOMEM; -EMFILE (socket transport, the
 * message stays); -EOPNOTSUPP.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_recv(ipk_pipe *p, void *buf, size_t buf_bytes,
					 ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_pipe_recv_alloc() - receive one message into newly allocated memory
 * @p:             end that may receive
 * @deadline:      as in ipk_pipe_recv()
 * @ret_data:      the message, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Order:   as sent.
 * Blocks:  while there is no message.
 * Callers: one thread at a time for each end.
 * Crash:   as ipk_pipe_recv().
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -ENOMEM, the message stays; otherwise as ipk_pipe_recv().
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_recv_alloc(ipk_pipe *p, ipk_deadline deadline, void **ret_data,
					       size_t *ret_len_bytes);

/**
 * ipk_pipe_peek() - read the next message in place
 * @p:             end that may receive
 * @deadline:      as in ipk_pipe_recv()
 * @ret_data:      the message, valid until the next call on this end other than peek
 * @ret_len_bytes: its length
 *
 * The message stays first in the pipe until ipk_pipe_release() or a receive. Nothing is copied if
 * it is contiguous in the ring (up to a quarter of ring_bytes); a longer one is assembled in memory
 * of the handle.
 *
 * Order:   as sent.
 * Blocks:  while there is no message.
 * Callers: one thread at a time for each end.
 * Crash:   a process killed between peek and release has not taken the message.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: as ipk_pipe_recv(), without -EMSGSIZE.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_peek(ipk_pipe *p, ipk_deadline deadline, const void **ret_data,
					 size_t *ret_len_bytes);

/**
 * ipk_pipe_release() - remove the message that ipk_pipe_peek() returned
 * @p: end that peeked
 *
 * Blocks:  no.
 * Callers: the thread that peeked.
 * Crash:   one atomic store removes the message: before it, the message is still in the pipe.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -EINVAL nothing was peeked; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_release(ipk_pipe *p);

/**
 * ipk_pipe_poll() - wait until a receive would not block
 * @p:        end that may receive
 * @deadline: ipk_now(): check once
 *
 * Blocks:  while there is no message.
 * Callers: one thread at a time for each end.
 * Crash:   removes no message.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0 a whole message is available; -ETIMEDOUT; -EPIPE; -EPROTO; -ENOMEM; -EBADF;
 * -EOPNOTSUPP.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_poll(ipk_pipe *p, ipk_deadline deadline);

/**
 * ipk_pipe_fd() - a doorbell fd for poll and epoll
 * @p:      end that may receive
 * @ret_fd: readable (POLLIN) when a message or end of file may be available; owned by @p
 *
 * When it is readable, receive with ipk_now() until -ETIMEDOUT; only that rearms it. It may become
 * readable spuriously, at most twice a second. After fork() call this again in the child.
 *
 * Blocks:  no.
 * Callers: one thread at a time for each end.
 * Cost:    the first call adds an fd to the end and one to the process.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -EBADF; -EMFILE; -ENFILE; -ENOMEM; -EOPNOTSUPP.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_fd(ipk_pipe *p, int *ret_fd);

/**
 * ipk_pipe_wait_any() - wait until one of several ends, or of other fds, is ready
 * @ends:      @n_ends ends that may receive; NULL entries are skipped
 * @n_ends:    0 or more
 * @fds:       @n_fds fds of any kind; -1 entries are skipped
 * @n_fds:     0 or more; all together 1 .. 4096
 * @deadline:  when to stop waiting
 * @ret_index: the first ready one: an index into @ends, or @n_ends + an index into @fds. End of
 *             file counts as ready; for an fd, hang-up and error too
 *
 * Blocks:  while none is ready.
 * Callers: one thread at a time for each end.
 * Source:  lib/pipe/pipe_wait.c     Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EINVAL; -EBADF all are skipped, or an fd is not open; -EMFILE; -ENOMEM;
 * -EOPNOTSUPP an end that only sends.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_wait_any(ipk_pipe *const ends[], size_t n_ends, const int fds[],
					     size_t n_fds, ipk_deadline deadline,
					     size_t *ret_index);

/**
 * ipk_pipe_send_fd() - send a file descriptor to the other side
 * @p:        any end, one-way ones too
 * @fd:       stays open here; the other side gets a duplicate
 * @deadline: when to stop waiting for room
 *
 * Order:   fds arrive in the order they were sent, independent of messages.
 * Blocks:  while the kernel's socket buffer is full.
 * Callers: one thread at a time for each end.
 * Crash:   an fd in transit is closed by the kernel when both sides are closed.
 * Source:  lib/pipe/pipe_side.c     Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EBADF @p or @fd; -ETOOMANYREFS too many in transit; -EOPNOTSUPP a
 * pipe of net.h.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_send_fd(ipk_pipe *p, int fd, ipk_deadline deadline);

/**
 * ipk_pipe_recv_fd() - receive a file descriptor, close-on-exec
 * @p:        any end
 * @deadline: when to stop waiting
 * @ret_fd:   to be closed by the caller
 *
 * Order:   as sent.
 * Blocks:  until an fd arrives.
 * Callers: one thread at a time for each end.
 * Source:  lib/pipe/pipe_side.c     Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTO what arrived is not a single fd; -EMFILE no fd is free
 * here, the one that arrived is lost; -EBADF; -EOPNOTSUPP a pipe of net.h.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_recv_fd(ipk_pipe *p, ipk_deadline deadline, int *ret_fd);

/**
 * ipk_pipe_send_pipe() - send an end of another pipe to the other side
 * @p:        any end, one-way ones too
 * @end:      end to send; on success it is closed here, and *@end is NULL
 * @deadline: when to stop waiting for room
 *
 * An end has one owner, so it moves to the receiver, with all messages sent to it and not yet
 * received. (In Python the sender must close its Connection.) Copies in forked processes stay open.
 *
 * Order:   fds arrive in the order they were sent, independent of messages.
 * Blocks:  while the kernel's socket buffer is full.
 * Callers: one thread at a time for each end; no thread may be inside a call on *@end.
 * Crash:   if the sender is killed during the call, the end was moved or it was not. An end in
 *          transit is closed by the kernel when both sides are closed; its peer then gets -EPIPE.
 * Cost:    2 fds in transit for a socket, 4 for a ring; nothing is copied.
 * Source:  lib/pipe/pipe_move.c     Since: 0.4
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EBADF @p or *@end; -EINVAL @end is NULL, or is @p; -EBUSY a
 * message of *@end was peeked, or partly received; -ETOOMANYREFS too many fds in transit;
 * -EOPNOTSUPP one of them is of net.h.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_send_pipe(ipk_pipe *p, ipk_pipe **end, ipk_deadline deadline);

/**
 * ipk_pipe_recv_pipe() - receive an end of another pipe
 * @p:        any end
 * @deadline: when to stop waiting
 * @ret_end:  the received end
 *
 * Blocks:  until an end arrives.
 * Callers: one thread at a time for each end.
 * Crash:   if killed here, the end was not received or is closed with this process: its peer gets
 *          -EPIPE.
 * Source:  lib/pipe/pipe_move.c     Since: 0.4
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTO the next object is not an end of a pipe and stays, or its
 * parts are invalid; -EINVAL; -EBADF; -EMFILE no fd is free here, the end that arrived is lost;
 * -ENOMEM; -EACCES, -EPROTOTYPE, -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see
 * error.h; -EOPNOTSUPP a pipe of net.h.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_recv_pipe(ipk_pipe *p, ipk_deadline deadline,
					      ipk_pipe **ret_end);

/**
 * ipk_pipe_sendf() - pack typed values and send them as one message
 * @p:        end that may send
 * @deadline: as in ipk_pipe_send()
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  as ipk_pipe_send().
 * Source:  lib/pipe/pipe_typed.c    Since: 0.1
 *
 * Return: as ipk_pipe_send() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_sendf(ipk_pipe *p, ipk_deadline deadline, const char *format,
					  ...);

/**
 * ipk_pipe_recvf() - receive one message and unpack its typed values
 * @p:        end that may receive
 * @deadline: as in ipk_pipe_recv()
 * @format:   as in ipk_unpack(); strings and bytes it returns are valid until the next receive on
 *            this end
 *
 * A message that does not match the format stays in the pipe.
 *
 * Blocks:  as ipk_pipe_recv().
 * Source:  lib/pipe/pipe_typed.c    Since: 0.1
 *
 * Return: as ipk_pipe_peek() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_recvf(ipk_pipe *p, ipk_deadline deadline, const char *format,
					  ...);

typedef struct ipk_listener ipk_listener;

/**
 * ipk_listener_create() - listen for unrelated local processes at a socket path
 * @path:         1 .. 107 bytes; its directory must belong to the caller with mode 0700; a socket
 *                without a listener is replaced. A relative path keeps its meaning if the working
 *                directory changes
 * @opts:         for the pipes accepted here; NULL for the defaults
 * @ret_listener: the listener
 *
 * Blocks:  no.
 * Crash:   the socket file remains and is replaced by the next listener. Close removes it if it is
 *          still the file that was created.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -EINVAL path or option; -EACCES the directory is accessible to others; -ENOENT no such
 * directory; -ENOTDIR; -EADDRINUSE another listener is active there; -EEXIST a file that is not a
 * socket is there; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_listener_create(const char *path, const ipk_pipe_opts *opts,
					       ipk_listener **ret_listener);

/**
 * ipk_listener_accept() - accept the next pipe opened with ipk_pipe_connect()
 * @l:        listener
 * @deadline: bounds the wait and the handshake
 * @ret_pipe: this side's end
 *
 * A connection of another user, program or version is rejected with an error on both sides; one
 * that is silent for 1 s is dropped. The listener continues.
 *
 * Blocks:  until a process connects.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EACCES a process of another user connected; -EPROTO the peer does not
 * speak the ipk protocol; -EPROTONOSUPPORT another version; -EXDEV another pid namespace; -EPIPE
 * the peer hung up; -EBADF; -EMFILE; -ENOMEM; -ENOSPC.
 */
IPK_API IPK_MUST_CHECK int ipk_listener_accept(ipk_listener *l, ipk_deadline deadline,
					       ipk_pipe **ret_pipe);

/**
 * ipk_listener_fd() - an fd that is readable when a process connects
 * @l:      listener
 * @ret_fd: owned by @l
 *
 * Blocks:  no.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_listener_fd(const ipk_listener *l, int *ret_fd);

/**
 * ipk_listener_close() - stop listening
 * @l: NULL is fine
 *
 * The process that created the listener also removes the socket file.
 *
 * Blocks:  no.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: NULL.
 */
IPK_API ipk_listener *ipk_listener_close(ipk_listener *l);

static inline void ipk_listener_closep(ipk_listener **l)
{
	*l = ipk_listener_close(*l);
}

/**
 * ipk_pipe_connect() - open a pipe to a listener
 * @path:     path of the listener
 * @deadline: bounds the call, the listener's accept included
 * @ret_pipe: this side's end
 *
 * Blocks:  until the listener accepts.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -ENOENT nothing is at @path; -ECONNREFUSED no listener; -ETIMEDOUT; -EACCES the
 * listener belongs to another user; -EPROTO it is not an ipk listener; -EPROTONOSUPPORT another
 * version; -EXDEV another pid namespace; -EPIPE the peer hung up; -EINVAL; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_connect(const char *path, ipk_deadline deadline,
					    ipk_pipe **ret_pipe);

#ifdef __cplusplus
}
#endif

#endif
