/*
 * net.h - pipes between machines, and to Python (multiprocessing.connection).
 *
 * A pipe made here is an ipk_pipe like any other: whole messages, deadlines, ipk_pipe_wait_any(),
 * ipk_pipe_fd(); only file descriptors cannot go through it (-EOPNOTSUPP). Addresses:
 *
 *   tcp:HOST:PORT            HOST a name, an IPv4 address or [IPv6]; empty: this machine
 *   unix:PATH                a socket of this machine, without shared memory
 *   python:PATH              a Listener or Client of Python's multiprocessing.connection,
 *   python:tcp:HOST:PORT     both ways: send_bytes() there is ipk_pipe_send() here
 *
 * Both sides have the same key, or neither. With one, each proves to the other that it knows
 * it, by HMAC-SHA256 over fresh random numbers, before the first message; the key itself is
 * never sent. Without one, TCP listens on the loopback device only; a socket at a path talks to
 * processes of this user only, with or without. Proof is for the moment of connecting: messages are
 * neither encrypted nor signed, so over a network that others can write to, use a tunnel.
 *
 * A message counts as sent when this side has taken it: the kernel, or the handle when the
 * deadline passed half-way. The handle moves such a rest on whenever a later call on the pipe
 * sends or waits, and ipk_pipe_close() gives it as long as it goes on, but no second in which
 * nothing does, and ten in all. Whoever is killed when, the other side sees whole messages and
 * then -EPIPE. A message longer than max_message_bytes is -EPROTO here, before any memory is
 * taken for it, and for good.
 *
 * A machine that vanishes without a word is noticed after some 16 minutes, by probes of the
 * kernel's; who must know earlier sends messages of its own now and then.
 *
 * Python's handshake before 3.12 is HMAC-MD5; it is spoken only when python_md5 is set.
 * Python's protocol does not say in a proof who made it: a server under that key can have a
 * client answer what it is asked elsewhere. Between C programs, tcp: is the better address.
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
	const char *key_file;     /* or where it is: a file that only its owner may read, without
				   * the newline at its end; 16 .. 4096 bytes */
	size_t max_message_bytes; /* 1 .. IPK_MESSAGE_MAX_BYTES, the default */
	bool python_md5;          /* also speak the handshake of Python before 3.12 */
} ipk_net_opts;

#define IPK_NET(...) IPK_OPTS(net, __VA_ARGS__)

typedef struct ipk_net_listener ipk_net_listener;

/**
 * ipk_net_listener_create() - wait for pipes from other machines, or from Python
 * @address:      see above; port 0 lets the kernel choose (ipk_net_listener_port())
 * @opts:         NULL for the defaults: no key
 * @ret_listener: the listener
 *
 * A path must lie in a directory of the caller's own with mode 0700; a socket there that
 * nobody listens at any more is replaced. A relative one means the same file when the working
 * directory changes.
 *
 * Blocks:  while the name of a host is looked up.
 * Crash:   a socket file stays and is replaced by the next listener.
 * Cost:    2 fds.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EINVAL address or option; -EACCES a TCP address that others can reach, and no
 * key, or a key file or directory that others can; -ENOENT; -EADDRINUSE; -EEXIST a file that
 * is no socket is there; -EHOSTUNREACH; -EADDRNOTAVAIL; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_create(const char *address, const ipk_net_opts *opts,
						   ipk_net_listener **ret_listener);

/**
 * ipk_net_listener_accept() - the next pipe whose other side has proven itself
 * @l:        listener
 * @deadline: when to stop waiting
 * @ret_pipe: this side's end
 *
 * Handshakes of up to 64 callers go on side by side, so none waits for another. Whoever has
 * no key, does not speak the protocol, or is not done 2 s after it came in, is
 * hung up on and counted (ipk_net_listener_refused()); when there are 64, the one that has
 * been here the longest makes room for the next after a 64th of that. Nothing that a
 * stranger does makes this call fail.
 *
 * Order:   as the handshakes end.
 * Blocks:  while nobody connects.
 * Callers: one thread at a time, of the process that made @l.
 * Crash:   the caller's side sees its connection end.
 * Cost:    up to 64 fds for handshakes under way.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EBADF; -EINVAL; -EMFILE; -ENFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_accept(ipk_net_listener *l, ipk_deadline deadline,
						   ipk_pipe **ret_pipe);

/**
 * ipk_net_listener_fd() - an fd that is readable when accepting would get on
 * @l:       listener
 * @ret_fd:  for poll and epoll; owned by @l. When it is readable, accept with ipk_now()
 *           until -ETIMEDOUT
 *
 * Blocks:  no.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_fd(ipk_net_listener *l, int *ret_fd);

/**
 * ipk_net_listener_port() - the TCP port that is listened at
 * @l:        listener
 * @ret_port: 1 .. 65535
 *
 * Blocks:  no.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EOPNOTSUPP it listens at a path; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_port(ipk_net_listener *l, int *ret_port);

/**
 * ipk_net_listener_refused() - how many callers were turned away
 * @l:     listener
 * @ret_n: since it was made: no or another key, another protocol, too slow, another user
 *
 * Blocks:  no.
 * Callers: the thread that accepts.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_net_listener_refused(ipk_net_listener *l, uint64_t *ret_n);

/**
 * ipk_net_listener_close() - stop listening
 * @l: NULL is fine
 *
 * Handshakes under way end. The process that made the listener also removes the socket file.
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
 * ipk_net_connect() - open a pipe to a listener, here or on another machine
 * @address:  as the listener's
 * @opts:     the same key as the listener's; NULL for none
 * @deadline: bounds the call, the handshake included
 * @ret_pipe: this side's end
 *
 * Order:   nothing is received before the listener has proven that it knows the key.
 * Blocks:  until the listener accepts; python: without a key, until the kernel connects. The
 *          look-up of a name is not bounded by @deadline.
 * Callers: any thread.
 * Crash:   a listener that dies under way makes it -EPIPE.
 * Cost:    an fd.
 * Source:  lib/net/net_pipe.c       Since: 0.3
 *
 * Return: 0; -ECONNREFUSED nobody listens there; -ENOENT nothing is at that path;
 * -EHOSTUNREACH; -ETIMEDOUT; -EACCES one side has no key, or another, or a path's listener is
 * another user's; -EPROTO what listens there speaks otherwise; -EPROTONOSUPPORT another
 * version; -EPIPE it hung up; -EINVAL address or option; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_net_connect(const char *address, const ipk_net_opts *opts,
					   ipk_deadline deadline, ipk_pipe **ret_pipe);

#ifdef __cplusplus
}
#endif

#endif
