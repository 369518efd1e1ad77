/*
 * pipe.h - a duplex message pipe between two processes (Python: multiprocessing.Pipe).
 *
 * A pipe has two ends. A message of 0 bytes to 1 GiB goes in at one end and comes out
 * whole at the other, or not at all: never a piece of one, whoever is killed when.
 * One thread at a time may send on an end and one may receive on it (both at once is
 * fine); for many senders or receivers take a queue.
 *
 * Inherit an end over fork(), then close in each process the end that the other uses:
 * as with pipe(2), the end of file comes when the last copy of the other end is gone.
 * When the other side is killed, what it had sent is still received; then comes -EPIPE,
 * at most 100 ms after the death.
 *
 * The ring transport (default) makes no system call while both sides are busy. The
 * socket transport (IPK_PIPE_SOCKET) puts every message through the kernel: slower,
 * and it works where shared memory is not wanted.
 */
#ifndef IPK_PIPE_H
#define IPK_PIPE_H

#include "deadline.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_MESSAGE_MAX_BYTES ((size_t)1 << 30)

typedef struct ipk_pipe ipk_pipe; /* one end */

enum {
	IPK_PIPE_SOCKET = 1u << 0,  /* all messages through a kernel socket */
	IPK_PIPE_ONE_WAY = 1u << 1, /* the first end only receives, the second only sends */
};

typedef struct ipk_pipe_opts {
	size_t struct_size;       /* sizeof(ipk_pipe_opts) */
	const char *label;        /* what ipc-inspect calls it; [A-Za-z0-9._-]{1,200}; "pipe" */
	size_t ring_bytes;        /* each direction; 4 KiB .. 1 GiB, rounded up to 2^n; 512 KiB */
	size_t max_message_bytes; /* 1 .. IPK_MESSAGE_MAX_BYTES, the default */
	unsigned flags;           /* IPK_PIPE_* */
} ipk_pipe_opts;

#define IPK_PIPE(...) IPK_OPTS(pipe, __VA_ARGS__)

/**
 * ipk_pipe_create() - make a pipe
 * @opts:  NULL for the defaults
 * @ret_a: first end
 * @ret_b: second end
 *
 * Blocks:  no.
 * Callers: any thread. Ends are inherited over fork().
 * Crash:   leaves nothing: the memory is anonymous and goes with its last user.
 * Cost:    a segment of twice ring_bytes, touched in advance; 4 fds an end.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -EINVAL bad option; -EMFILE; -ENFILE; -ENOMEM; -ENOSPC; -EFBIG
 * (RLIMIT_FSIZE).
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_create(const ipk_pipe_opts *opts, ipk_pipe **ret_a,
					   ipk_pipe **ret_b);

/**
 * ipk_pipe_close() - close one end
 * @p: NULL is fine; no other thread may be inside a call on it, but one that sleeps in a call
 *     on an end of a ring is sent away with -EBADF first
 *
 * Order:   what was sent before is still received at the other end.
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
 * Crash:   a sender killed here leaves no part of the message.
 * Cost:    one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -ETIMEDOUT, nothing was sent; -EPIPE nobody is left to receive (a send just
 * after the other side died may still succeed); -EMSGSIZE over max_message_bytes; -EBADF;
 * -EINVAL; -EOPNOTSUPP this end only receives; -ENOSPC, -EMFILE, -EFBIG over
 * RLIMIT_FSIZE (socket transport).
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_send(ipk_pipe *p, const void *data, size_t len_bytes,
					 ipk_deadline deadline);

/**
 * ipk_pipe_recv() - receive one message into the caller's buffer
 * @p:             end that may receive
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty messages
 * @deadline:      when to stop waiting for a message, and for the rest of a large one
 * @ret_len_bytes: length of the message; may be NULL
 *
 * Order:   as sent.
 * Blocks:  while there is no message.
 * Callers: one thread at a time for each end.
 * Crash:   a receiver killed before return may have taken the message with it.
 * Cost:    one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EPIPE the other side is gone and all was received; -EMSGSIZE
 * the message is longer than @buf_bytes and stays (ipk_pipe_peek() tells its length);
 * -EPROTO the other side broke the format; -EBADF; -EINVAL; -ENOMEM; -EMFILE (socket
 * transport, the message stays); -EOPNOTSUPP.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_recv(ipk_pipe *p, void *buf, size_t buf_bytes,
					 ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_pipe_recv_alloc() - receive one message into memory made for it
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
 * ipk_pipe_peek() - look at the next message where it lies
 * @p:             end that may receive
 * @deadline:      as in ipk_pipe_recv()
 * @ret_data:      the message, valid until the next call on this end other than peek
 * @ret_len_bytes: its length
 *
 * The message stays first in line until ipk_pipe_release() or a receive. Nothing is
 * copied when it lies whole in the ring (up to a quarter of ring_bytes); a longer one
 * is put together in memory of the handle.
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
 * ipk_pipe_release() - take the message that ipk_pipe_peek() showed out of the pipe
 * @p: end that peeked
 *
 * Blocks:  no.
 * Callers: the thread that peeked.
 * Crash:   one store takes the message: before it, the message is still there.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0; -EINVAL nothing was peeked; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_release(ipk_pipe *p);

/**
 * ipk_pipe_poll() - wait until a receive would not wait
 * @p:        end that may receive
 * @deadline: ipk_now() only asks
 *
 * Blocks:  while there is no message.
 * Callers: one thread at a time for each end.
 * Crash:   takes no message.
 * Source:  lib/pipe/pipe.c          Since: 0.1
 *
 * Return: 0 a message is there, whole; -ETIMEDOUT; -EPIPE; -EPROTO; -ENOMEM; -EBADF;
 * -EOPNOTSUPP.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_poll(ipk_pipe *p, ipk_deadline deadline);

/**
 * ipk_pipe_fd() - an fd for poll and epoll beside foreign fds
 * @p:      end that may receive
 * @ret_fd: readable (POLLIN) when a message or the end of file may be there; owned by @p
 *
 * When it is readable, receive with ipk_now() until -ETIMEDOUT: only that arms it again.
 * It may become readable spuriously, twice a second at most. After fork() ask again in the
 * child.
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
 * ipk_pipe_wait_any() - wait until one of several ends, or of other fds, has something
 * @ends:      @n_ends ends that may receive; NULL entries are skipped
 * @n_ends:    0 or more
 * @fds:       @n_fds fds of any kind; -1 entries are skipped
 * @n_fds:     0 or more; all together 1 .. 4096
 * @deadline:  when to stop waiting
 * @ret_index: which one, the first in order of several: of @ends, or @n_ends + that of @fds. At
 *             the end of file too; an fd also when it is hung up or has an error
 *
 * Blocks:  while there is nothing in any of them.
 * Callers: one thread at a time for each end.
 * Source:  lib/pipe/pipe_wait.c     Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EINVAL; -EBADF all are skipped, or an fd is none; -EMFILE; -ENOMEM;
 * -EOPNOTSUPP an end that only sends.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_wait_any(ipk_pipe *const ends[], size_t n_ends, const int fds[],
					     size_t n_fds, ipk_deadline deadline,
					     size_t *ret_index);

/**
 * ipk_pipe_send_fd() - give the other side a file descriptor
 * @p:        any end, one-way ones too
 * @fd:       stays open here; the other side gets its own
 * @deadline: when to stop waiting for room
 *
 * Order:   fds arrive in the order they were sent, independent of messages.
 * Blocks:  while the kernel's socket buffer is full.
 * Callers: one thread at a time for each end.
 * Crash:   an fd under way is closed by the kernel when both sides are gone.
 * Source:  lib/pipe/pipe_side.c     Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EBADF @p or @fd; -ETOOMANYREFS too many under way;
 * -EOPNOTSUPP a pipe of net.h.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_send_fd(ipk_pipe *p, int fd, ipk_deadline deadline);

/**
 * ipk_pipe_recv_fd() - receive a file descriptor, close-on-exec
 * @p:        any end
 * @deadline: when to stop waiting
 * @ret_fd:   the caller's to close
 *
 * Order:   as sent.
 * Blocks:  while no fd has come.
 * Callers: one thread at a time for each end.
 * Source:  lib/pipe/pipe_side.c     Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTO what came is not a single fd; -EMFILE no fd is
 * free here, the one that came is lost; -EBADF; -EOPNOTSUPP a pipe of net.h.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_recv_fd(ipk_pipe *p, ipk_deadline deadline, int *ret_fd);

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
 * @format:   as in ipk_unpack(); strings and bytes it yields live until the next receive
 *            on this end
 *
 * A message that does not fit the format stays in the pipe.
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
 * ipk_listener_create() - wait for unrelated local processes at a socket path
 * @path:         1 .. 107 bytes; its directory must be the caller's own with mode 0700;
 *                a socket that nobody listens at any more is replaced. A relative path
 *                means the same file when the working directory changes
 * @opts:         for the pipes accepted here; NULL for the defaults
 * @ret_listener: the listener
 *
 * Blocks:  no.
 * Crash:   the socket file stays and is replaced by the next listener. Closing removes it if
 *          it is still the one that was made.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -EINVAL path or option; -EACCES the directory is open to others; -ENOENT no
 * such directory; -ENOTDIR; -EADDRINUSE somebody listens there; -EEXIST a file that is no socket is
 * there; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_listener_create(const char *path, const ipk_pipe_opts *opts,
					       ipk_listener **ret_listener);

/**
 * ipk_listener_accept() - the next pipe that a process opened with ipk_pipe_connect()
 * @l:        listener
 * @deadline: bounds the wait and the handshake
 * @ret_pipe: this side's end
 *
 * Callers of another user, other programs and other versions are turned away with an
 * error here and there, one that says nothing for a second is passed over; the listener
 * goes on.
 *
 * Blocks:  while nobody connects.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EACCES a process of another user called; -EPROTO what called
 * does not speak ipk; -EPROTONOSUPPORT another version; -EXDEV another pid namespace;
 * -EPIPE it hung up; -EBADF; -EMFILE; -ENOMEM; -ENOSPC.
 */
IPK_API IPK_MUST_CHECK int ipk_listener_accept(ipk_listener *l, ipk_deadline deadline,
					       ipk_pipe **ret_pipe);

/**
 * ipk_listener_fd() - an fd that is readable when somebody connects
 * @l:      listener
 * @ret_fd: owned by @l
 *
 * Blocks:  no.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_listener_fd(ipk_listener *l, int *ret_fd);

/**
 * ipk_listener_close() - stop listening
 * @l: NULL is fine
 *
 * The process that made the listener also removes the socket file.
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
 * @path:     where the listener is
 * @deadline: bounds the call, the listener's accept included
 * @ret_pipe: this side's end
 *
 * Blocks:  until the listener accepts.
 * Source:  lib/pipe/listener.c      Since: 0.1
 *
 * Return: 0; -ENOENT nothing is at @path; -ECONNREFUSED nobody listens there; -ETIMEDOUT;
 * -EACCES the listener is another user's; -EPROTO it is no ipk listener; -EPROTONOSUPPORT
 * another version; -EXDEV another pid namespace; -EPIPE it hung up; -EINVAL; -EMFILE;
 * -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_pipe_connect(const char *path, ipk_deadline deadline,
					    ipk_pipe **ret_pipe);

#ifdef __cplusplus
}
#endif

#endif
