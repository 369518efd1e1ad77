/*
 * semaphore.h - counted tokens between processes (Python: multiprocessing.Semaphore,
 * BoundedSemaphore).
 *
 * A signal semaphore is a counter: any thread may release it, and acquire decrements it or waits.
 * If a process dies, what it has acquired is not returned.
 *
 * An owned semaphore has a fixed number of tokens and records which process holds each token. Only
 * that process may release it, from any of its threads; when the process dies, its tokens become
 * free. Use it for slots and licences. A child of fork() does not hold the tokens of its parent.
 *
 * Anonymous semaphores are inherited over fork() or passed over a pipe; named ones are opened
 * by any process of the same user and pid namespace. Handles may be used by all threads.
 */
#ifndef IPK_SEMAPHORE_H
#define IPK_SEMAPHORE_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_SEMAPHORE_SIGNAL_MAX 2147483647u /* largest value of a signal semaphore */
#define IPK_SEMAPHORE_TOKENS_MAX 4096u       /* most tokens of an owned one */

typedef struct ipk_semaphore ipk_semaphore;

typedef enum ipk_semaphore_kind {
	IPK_SEMAPHORE_SIGNAL = 0,
	IPK_SEMAPHORE_OWNED = 1, /* tokens of dead processes become free */
} ipk_semaphore_kind;

typedef struct ipk_semaphore_opts {
	size_t struct_size;      /* sizeof(ipk_semaphore_opts) */
	const char *name;        /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;       /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	ipk_semaphore_kind kind; /* SIGNAL */
	uint32_t value;          /* signal: initial value; 0 is 0, even with a max: a release
				  * must come first (Python's BoundedSemaphore(n) sets both
				  * to n). Owned: number of tokens; 0: max, or 1 */
	uint32_t max;            /* signal: largest value; 0: IPK_SEMAPHORE_SIGNAL_MAX. Owned: 0,
				  * or the same as value */
	bool open_existing;      /* open one of that name if its options match */
} ipk_semaphore_opts;

#define IPK_SEMAPHORE(...) IPK_OPTS(semaphore, __VA_ARGS__)

/**
 * ipk_semaphore_create() - create a semaphore
 * @opts:  NULL for an anonymous signal semaphore, of value 1 (as Python's)
 * @ret_s: the semaphore
 *
 * Blocks:  no.
 * Crash:   a named semaphore is created atomically; an anonymous one leaves nothing. A named one
 *          exists until ipk_semaphore_unlink().
 * Cost:    128 bytes and 8 per token of memory shared by all anonymous objects; a named one uses
 *          pages and an fd of its own.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE one with other options
 * than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_create(const ipk_semaphore_opts *opts,
						ipk_semaphore **ret_s);

/**
 * ipk_semaphore_open() - open a named semaphore that another process created
 * @name:     the name it was created with
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_s:    the semaphore
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_open(const char *name, ipk_deadline deadline,
					      ipk_semaphore **ret_s);

/**
 * ipk_semaphore_close() - close the handle
 * @s: NULL is fine; no thread of this process may be inside a call on it
 *
 * If tokens of an owned semaphore were acquired through this handle, all tokens of this process are
 * released.
 *
 * Blocks:  no.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_semaphore *ipk_semaphore_close(ipk_semaphore *s);

static inline void ipk_semaphore_closep(ipk_semaphore **s)
{
	*s = ipk_semaphore_close(*s);
}

/**
 * ipk_semaphore_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_unlink(const char *name);

/**
 * ipk_semaphore_acquire() - acquire a token, or decrement the value
 * @s:        semaphore
 * @deadline: when to stop waiting; ipk_now() to try once
 *
 * Blocks:  while no token is free, or the value is 0.
 * Callers: any thread of any process. Not a signal handler.
 * Crash:   owned: if the process is killed at any instruction, its tokens become free, and waiters
 *          get them within 50 ms; after exec() the process still holds them. Signal: a killed
 *          process has decremented the value or has not.
 * Cost:    one atomic instruction if one is available; owned: also a scan of the tokens in use.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EXDEV an owned one, and this process is in another pid namespace than the
 * creator; -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_acquire(ipk_semaphore *s, ipk_deadline deadline);

/**
 * ipk_semaphore_release() - release a token, or increment the value
 * @s: semaphore
 *
 * Blocks:  no.
 * Callers: any thread of any process; owned: of the process that holds the token.
 * Cost:    one atomic instruction; a system call only if a thread sleeps on it.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EOVERFLOW the value is already the maximum; -EPERM owned: this process holds no token
 * (a fork child has none); -ENOTRECOVERABLE not owned: another process keeps overwriting its
 * memory; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_release(ipk_semaphore *s);

/**
 * ipk_semaphore_release_many() - release several, all or none
 * @s: semaphore
 * @n: how many; 1 or more
 *
 * Blocks:  no.
 * Callers: as ipk_semaphore_release().
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EINVAL @n is 0; -EOVERFLOW the value would exceed the maximum; -EPERM owned: this
 * process holds fewer tokens, not counting those that other threads are releasing; -ENOTRECOVERABLE
 * as ipk_semaphore_release(); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_release_many(ipk_semaphore *s, uint32_t n);

/**
 * ipk_semaphore_value() - how many can be acquired
 * @s: semaphore
 *
 * Blocks:  no.
 * Callers: any thread, any time. The result is a snapshot. Tokens of a dead process are counted as
 *          free once another thread has tried to acquire one.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: the value, or the number of free tokens, at most the maximum; 0 for NULL.
 */
IPK_API uint32_t ipk_semaphore_value(const ipk_semaphore *s);

/**
 * ipk_semaphore_holders() - which processes hold tokens
 * @s:        semaphore
 * @ret_pids: up to @max process ids, one for each token, in no order; may be NULL when @max
 *            is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of tokens held by live processes; may exceed @max; 0 for a signal semaphore,
 *            which does not record holders
 *
 * Blocks:  no.
 * Callers: any thread, any time.
 * Cost:    one read of /proc per token.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_holders(const ipk_semaphore *s, uint32_t *ret_pids,
						 size_t max, size_t *ret_n);

/**
 * ipk_semaphore_waiters() - which threads wait for a token
 * @s:        semaphore
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of waiting threads; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Threads that spin before they sleep are not listed, nor are
 *          waiters beyond the 64 that are recorded (256 with many objects).
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_waiters(const ipk_semaphore *s, uint32_t *ret_tids,
						 size_t max, size_t *ret_n);

/**
 * ipk_semaphore_send() - send an anonymous semaphore to the other side of a pipe
 * @s:        semaphore
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead).
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_send(ipk_semaphore *s, ipk_pipe *via,
					      ipk_deadline deadline);

/**
 * ipk_semaphore_recv() - receive a semaphore that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_s:    the semaphore
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_semaphore_open().
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_recv(ipk_pipe *via, ipk_deadline deadline,
					      ipk_semaphore **ret_s);

#ifdef __cplusplus
}
#endif

#endif
