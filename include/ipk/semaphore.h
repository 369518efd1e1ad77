/*
 * semaphore.h - counted tokens between processes (Python: multiprocessing.Semaphore,
 * BoundedSemaphore).
 *
 * A signal semaphore is a number: anybody adds to it, whoever wants to go on takes one off or
 * waits. A process that dies takes along what it had taken off.
 *
 * An owned semaphore has a fixed number of tokens, and knows which process has each: only that
 * process gives it back, any thread of it, and when it dies its tokens are free again. That
 * is what slots and licences want. A child of fork() has none of its parent's tokens.
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
	IPK_SEMAPHORE_OWNED = 1, /* tokens of the dead are free again */
} ipk_semaphore_kind;

typedef struct ipk_semaphore_opts {
	size_t struct_size;      /* sizeof(ipk_semaphore_opts) */
	const char *name;        /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;       /* what ipc-inspect calls an anonymous one, 35 bytes of it */
	ipk_semaphore_kind kind; /* SIGNAL */
	uint32_t value;          /* at the beginning: 0 is 0, somebody has to release first. Owned
				  * ones: how many tokens there are; 0: max, or 1 */
	uint32_t max;            /* what no release may pass; 0: IPK_SEMAPHORE_SIGNAL_MAX. Owned
				  * ones: 0, or the same as value */
	bool open_existing;      /* one of that name is opened instead, if it is like this */
} ipk_semaphore_opts;

#define IPK_SEMAPHORE(...) IPK_OPTS(semaphore, __VA_ARGS__)

/**
 * ipk_semaphore_create() - make a semaphore
 * @opts:  NULL for an anonymous signal semaphore, of value 1 (as Python's)
 * @ret_s: the semaphore
 *
 * Blocks:  no.
 * Crash:   a named semaphore appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_semaphore_unlink().
 * Cost:    128 bytes, and 8 a token, of memory that anonymous objects share; a named one has
 *          pages and an fd of its own.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE by one that is not like
 * @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_create(const ipk_semaphore_opts *opts,
						ipk_semaphore **ret_s);

/**
 * ipk_semaphore_open() - open a named semaphore that another process made
 * @name:     as it was made
 * @deadline: when to stop waiting for it to be made; ipk_now() to try once
 * @ret_s:    the semaphore
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_open(const char *name, ipk_deadline deadline,
					      ipk_semaphore **ret_s);

/**
 * ipk_semaphore_close() - give up the handle
 * @s: NULL is fine; no thread of this process inside a call on it
 *
 * When tokens of an owned one were taken through this handle, all that this process has are given
 * back.
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
 * ipk_semaphore_unlink() - remove the name; who has the semaphore open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_unlink(const char *name);

/**
 * ipk_semaphore_acquire() - take one: a token, or one off the value
 * @s:        semaphore
 * @deadline: when to stop waiting; ipk_now() to try once
 *
 * Blocks:  while there is none.
 * Callers: any thread of any process. Not a signal handler.
 * Crash:   owned: a process killed at any instruction gives its tokens back, and those who
 *          wait get them within 50 ms; one that calls exec() keeps them. Signal: who is
 *          killed has taken one off or has not.
 * Cost:    one atomic instruction when there is one; owned: and a look at each token that is
 *          in use.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EXDEV an owned one, and this process is in another pid namespace
 * than its maker; -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_acquire(ipk_semaphore *s, ipk_deadline deadline);

/**
 * ipk_semaphore_release() - give one back: a token, or one more to the value
 * @s: semaphore
 *
 * Blocks:  no.
 * Callers: any thread of any process; owned: of the one that has the token.
 * Cost:    one atomic instruction; a system call only when somebody sleeps for it.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EOVERFLOW the value is the maximum already; -EPERM owned: this process has no
 * token (a fork child has none); -ENOTRECOVERABLE not owned: another process writes to its memory
 * all the time; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_release(ipk_semaphore *s);

/**
 * ipk_semaphore_release_many() - give several back, all or none
 * @s: semaphore
 * @n: how many; 1 or more
 *
 * Blocks:  no.
 * Callers: as ipk_semaphore_release().
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EINVAL @n is 0; -EOVERFLOW the value would pass the maximum; -EPERM owned: this
 * process has fewer tokens, besides those its other threads are giving back; -ENOTRECOVERABLE as
 * ipk_semaphore_release(); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_release_many(ipk_semaphore *s, uint32_t n);

/**
 * ipk_semaphore_value() - how many can be taken
 * @s: semaphore
 *
 * Blocks:  no.
 * Callers: any thread, any time. The answer may be out of date when it arrives. Tokens of a
 *          dead process count when somebody has wanted one since.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: the value, or how many tokens are free, at most the maximum; 0 for NULL.
 */
IPK_API uint32_t ipk_semaphore_value(const ipk_semaphore *s);

/**
 * ipk_semaphore_holders() - which processes have tokens
 * @s:        semaphore
 * @ret_pids: up to @max process ids, one for each token, in no order; may be NULL when @max
 *            is 0
 * @max:      how many there is room for
 * @ret_n:    how many tokens living processes have, which may be more than @max;
 *            0 for signal semaphores, where nobody knows
 *
 * Blocks:  no.
 * Callers: any thread, any time.
 * Cost:    a look into /proc for each.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_holders(const ipk_semaphore *s, uint32_t *ret_pids,
						 size_t max, size_t *ret_n);

/**
 * ipk_semaphore_waiters() - which threads sleep for a token
 * @s:        semaphore
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many there is room for
 * @ret_n:    how many threads sleep for it, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Threads that look for a moment before they sleep, and those
 *          beyond the 64 (with many objects 256) that are written down, are not seen.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_waiters(const ipk_semaphore *s, uint32_t *ret_tids,
						 size_t max, size_t *ret_n);

/**
 * ipk_semaphore_send() - pass an anonymous semaphore to the other side of a pipe
 * @s:        semaphore
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/semaphore.c     Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name).
 */
IPK_API IPK_MUST_CHECK int ipk_semaphore_send(ipk_semaphore *s, ipk_pipe *via,
					      ipk_deadline deadline);

/**
 * ipk_semaphore_recv() - take a semaphore that the other side passed
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_s:    the semaphore
 *
 * Blocks:  until the other side has passed it.
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
