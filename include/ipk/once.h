/*
 * once.h - something that exactly one of many processes does, such as filling a table.
 *
 * The others wait until it is done. It stays done for as long as the once exists.
 */
#ifndef IPK_ONCE_H
#define IPK_ONCE_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_once ipk_once;
typedef int (*ipk_once_fn)(void *arg); /* 0, or a negative error */

typedef struct ipk_once_opts {
	size_t struct_size; /* sizeof(ipk_once_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* what ipc-inspect calls an anonymous one, 35 bytes of it */
	bool open_existing; /* one of that name is opened instead, if it is like this */
} ipk_once_opts;

#define IPK_ONCE(...) IPK_OPTS(once, __VA_ARGS__)

/**
 * ipk_once_create() - make a once
 * @opts:     NULL for an anonymous one
 * @ret_once: it has not run
 *
 * Blocks:  no.
 * Crash:   a named one appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_once_unlink().
 * Cost:    128 bytes of memory that anonymous objects share; a named one has a page and an fd.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE by one that is not like
 * @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_once_create(const ipk_once_opts *opts, ipk_once **ret_once);

/**
 * ipk_once_open() - open a named one that another process made
 * @name:     as it was made
 * @deadline: when to stop waiting for it to be made; ipk_now() to try once
 * @ret_once: the once
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_once_open(const char *name, ipk_deadline deadline,
					 ipk_once **ret_once);

/**
 * ipk_once_close() - give up the handle
 * @once: NULL is fine; no thread of this process inside a call on it, but for the function that it
 *        runs: then that counts as not run, and ipk_once_run() is -ECANCELED
 *
 * Blocks:  no.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_once *ipk_once_close(ipk_once *once);

static inline void ipk_once_closep(ipk_once **once)
{
	*once = ipk_once_close(*once);
}

/**
 * ipk_once_unlink() - remove the name; who has it open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_once_unlink(const char *name);

/**
 * ipk_once_run() - run it, unless it has been run
 * @once:          once
 * @fn:            what to run; returns 0 or a negative error, and then it has not been run
 * @arg:           passed to it
 * @deadline:      when to stop waiting for another that runs it; @fn is not cut short
 * @ret_recovered: set to true when the one that ran it last was killed in the middle, otherwise
 *                 to false; set before @fn is called, so that it can find out through @arg; may
 *                 be NULL
 *
 * Exactly one caller's @fn runs to its end with 0; what it wrote is seen by all that return 0.
 *
 * Blocks:  while another runs it, and while @fn runs.
 * Callers: any thread. Not a signal handler. Not @fn itself.
 * Crash:   when the one that runs it is killed, the next one runs it from the start.
 * Cost:    a load when it has been run.
 * Source:  lib/lock/once.c         Since: 0.2
 *
 * Return: 0 it has been run, here or elsewhere; what @fn returned when that is negative;
 * -ETIMEDOUT; -EDEADLK called from @fn; -ECANCELED @fn closed the handle; -EINVAL no fn; -EXDEV
 * another pid namespace; -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_once_run(ipk_once *once, ipk_once_fn fn, void *arg,
					ipk_deadline deadline, bool *ret_recovered);

/**
 * ipk_once_is_done() - whether it has been run
 * @once: once
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe. When true, what it wrote is seen.
 * Source:  lib/lock/once.c         Since: 0.2
 *
 * Return: true or false; false for NULL.
 */
IPK_API bool ipk_once_is_done(const ipk_once *once);

/**
 * ipk_once_waiters() - which threads wait for the one that runs it
 * @once:     the once
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many there is room for
 * @ret_n:    how many threads wait for the one that runs it, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Those beyond the 64 (with many objects 256) that are written
 *          down are not seen.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_once_waiters(const ipk_once *once, uint32_t *ret_tids, size_t max,
					    size_t *ret_n);

/**
 * ipk_once_send() - pass an anonymous one to the other side of a pipe
 * @once:     the once
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_once_send(ipk_once *once, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_once_recv() - take one that the other side passed
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_once: the once
 *
 * Blocks:  until the other side has passed it.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_once_open().
 */
IPK_API IPK_MUST_CHECK int ipk_once_recv(ipk_pipe *via, ipk_deadline deadline, ipk_once **ret_once);

#ifdef __cplusplus
}
#endif

#endif
