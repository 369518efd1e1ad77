/*
 * net.h - pipes between machines, and to Python (multiprocessing.connection).
 *
 * A pipe of this header is an ipk_pipe like any other: whole messages, deadlines,
 * ipk_pipe_wait_any(), ipk_pipe_fd(). It cannot send file descriptors (-EOPNOTSUPP). Addresses:
 *
 *   tcp:HOST:PORT            HOST is a name, an IPv4 address or [IPv6]; empty: this machine
 *   unix:PATH                a local socket, without shared memory
 *   python:PATH              a Listener or Client of Python's multiprocessing.connection,
 *   python:tcp:HOST:PORT     in either role: its send_bytes() is ipk_pipe_send() here
 *
 * Both sides have the same key, or neither has one. With a key, each side proves to the other that
 * it knows the key, by HMAC-SHA256 over fresh random numbers, before the first message; the key is
 * never sent. Without a key, TCP listens on the loopback device only. A socket at a path accepts
 * only processes of this user, with or without a key. Only the connection set-up is authenticated:
 * messages are neither encrypted nor signed, so use a tunnel over a network that others can write
 * to.
 *
 * A message counts as sent when the kernel has taken it, or the handle, if the deadline passed
 * half-way. The handle sends such a remainder during any later call on the pipe that sends or
 * waits. ipk_pipe_close() continues to send it as long as there is progress in each second, for at
 * most 10 s. Whatever process is killed, the peer receives whole messages and then -EPIPE. A
 * message longer than max_message_bytes is -EPROTO at the receiver, before memory is allocated for
 * it; the error is permanent.
 *
 * A machine that vanishes silently is detected after about 16 minutes by kernel keep-alive probes.
 * To detect it earlier, send messages periodically.
 *
 * Python before 3.12 uses an HMAC-MD5 handshake; it is accepted only if python_md5 is set. A proof
 * in Python's protocol does not identify its sender: a server with that key can relay a challenge
 * from elsewhere to a client and use the answer. Between C programs, use tcp:.
 */
#ifndef IPK_NET_H
#define IPK_NET_H

#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_net_opts {
	size_t struct_size;       /* sizeof(ipk_net_opts) */
	const void *key;          /* key_bytes bytes, copied; NULL: none, or in key_file */
	size_t key_bytes;         /* 16 .. 4096; with python: addresses 1 .. 4096 */
	const char *key_file;     /* or a file with the key that only its owner may read, without
				   * the newline at its end; 16 .. 4096 bytes */
	size_t max_message_bytes; /* 1 .. IPK_MESSAGE_MAX_BYTES, the default */
	bool python_md5;          /* also speak the handshake of Python before 3.12 */
} ipk_net_opts;

#define IPK_NET(...) IPK_OPTS(net, __VA_ARGS__)

typedef struct ipk_net_listener ipk_net_listener;

/**
 * ipk_net_listener_create() - listen for pipes from other machines, or from Python
 * @address:      see above; port 0 lets the kernel choose (ipk_net_listener_port())
 * @opts:         NULL for the defaults: no key
 * @ret_listener: the listener
 *
 * A path must be in a directory that belongs to the caller with mode 0700; a socket there without a
 * listener is replaced. A relative path keeps its meaning if the working directory changes.
 *
 * Blocks:  while a host name is resolved.
 * Crash:   a socket file remains and is replaced by the next listener.
 * Cost:    2 fds.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EINVAL address or option; -EACCES a TCP address that others can reach without a key,
 * or a key file or directory that others can access; -ENOENT; -EADDRINUSE; -EEXIST a file that is
 * not a socket is there; -EHOSTUNREACH; -EADDRNOTAVAIL; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_create(const char *address, const ipk_net_opts *opts,
						   ipk_net_listener **ret_listener);

/**
 * ipk_net_listener_accept() - accept the next authenticated pipe
 * @l:        listener
 * @deadline: when to stop waiting
 * @ret_pipe: this side's end
 *
 * Up to 64 handshakes run concurrently, so no peer waits for another. A peer that has no key, does
 * not speak the protocol, or has not finished 2 s after it connected is disconnected and counted
 * (ipk_net_listener_refused()). When 64 handshakes are active, the oldest is dropped for the next
 * peer once it has been connected for 1/64 of that time. No behaviour of a stranger makes this call
 * fail.
 *
 * Order:   in the order in which the handshakes finish.
 * Blocks:  until a peer connects.
 * Callers: one thread at a time, of the process that created @l.
 * Crash:   the peer sees its connection end.
 * Cost:    up to 64 fds for active handshakes.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EBADF; -EINVAL; -EMFILE; -ENFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_accept(ipk_net_listener *l, ipk_deadline deadline,
						   ipk_pipe **ret_pipe);

/**
 * ipk_net_listener_fd() - an fd that is readable when accept would make progress
 * @l:       listener
 * @ret_fd:  for poll and epoll; owned by @l. When it is readable, accept with ipk_now() until
 *           -ETIMEDOUT
 *
 * Blocks:  no.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_fd(const ipk_net_listener *l, int *ret_fd);

/**
 * ipk_net_listener_port() - the TCP port of the listener
 * @l:        listener
 * @ret_port: 1 .. 65535
 *
 * Blocks:  no.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EOPNOTSUPP it listens at a path; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_port(const ipk_net_listener *l, int *ret_port);

/**
 * ipk_net_listener_refused() - number of rejected connections
 * @l:     listener
 * @ret_n: since creation: no key or another key, another protocol, too slow, another user
 *
 * Blocks:  no.
 * Callers: the thread that accepts.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_refused(const ipk_net_listener *l, uint64_t *ret_n);

/**
 * ipk_net_listener_close() - stop listening
 * @l: NULL is fine
 *
 * Active handshakes are dropped. The process that created the listener also removes the socket
 * file.
 *
 * Blocks:  no.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_net_listener *ipk_net_listener_close(ipk_net_listener *l);

static inline void ipk_net_listener_closep(ipk_net_listener **l)
{
	*l = ipk_net_listener_close(*l);
}

/**
 * ipk_net_connect() - open a pipe to a listener, local or on another machine
 * @address:  as the listener's
 * @opts:     the same key as the listener's; NULL for none
 * @deadline: bounds the call, the handshake included
 * @ret_pipe: this side's end
 *
 * Order:   nothing is received before the listener has proven that it knows the key.
 * Blocks:  until the listener accepts; python: without a key, until the kernel connects. Name
 *          resolution is not bounded by @deadline.
 * Callers: any thread.
 * Crash:   -EPIPE if the listener dies meanwhile.
 * Cost:    an fd.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -ECONNREFUSED no listener; -ENOENT nothing is at that path; -EHOSTUNREACH; -ETIMEDOUT;
 * -EACCES one side has no key, or another, or the listener at a path belongs to another user;
 * -EPROTO the listener speaks another protocol; -EPROTONOSUPPORT another version; -EPIPE the peer
 * hung up; -EINVAL address or option; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_net_connect(const char *address, const ipk_net_opts *opts,
					   ipk_deadline deadline, ipk_pipe **ret_pipe);

#ifdef __cplusplus
}
#endif

#endif
