/*
 * once.h - run a function in exactly one of many processes, such as initialization of a table.
 *
 * The others wait until it has run. It counts as run for as long as the once exists.
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
	const char *label;  /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	bool open_existing; /* open one of that name if its options match */
} ipk_once_opts;

#define IPK_ONCE(...) IPK_OPTS(once, __VA_ARGS__)

/**
 * ipk_once_create() - create a once
 * @opts:     NULL for an anonymous once
 * @ret_once: the once; its function has not run
 *
 * Blocks:  no.
 * Crash:   a named one is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_once_unlink().
 * Cost:    128 bytes of memory shared by all anonymous objects; a named one uses a page and an fd.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE one with other options
 * than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_once_create(const ipk_once_opts *opts, ipk_once **ret_once);

/**
 * ipk_once_open() - open a named once that another process created
 * @name:     the name it was created with
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_once: the once
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_once_open(const char *name, ipk_deadline deadline,
					 ipk_once **ret_once);

/**
 * ipk_once_close() - close the handle
 * @once: NULL is fine; no thread of this process may be inside a call on it, except the function
 *        that it runs: that then counts as not run, and ipk_once_run() returns -ECANCELED
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
 * ipk_once_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_once_unlink(const char *name);

/**
 * ipk_once_run() - run a function unless it has already run
 * @once:          once
 * @fn:            function to run; returns 0 or a negative error, which counts as not run
 * @arg:           passed to it
 * @deadline:      when to stop waiting for another thread that runs it; @fn is not interrupted
 * @ret_recovered: set to true if the last thread that ran it was killed before the function
 *                 returned, otherwise to false; set before @fn is called, so that @fn can read it
 *                 through @arg; may be NULL
 *
 * Exactly one caller's @fn returns 0; its writes are visible to all callers that return 0.
 *
 * Blocks:  while another thread runs it, and while @fn runs.
 * Callers: any thread. Not a signal handler. Not @fn itself.
 * Crash:   if the thread that runs it is killed, the next caller runs it from the start.
 * Cost:    a load if it has run.
 * Source:  lib/lock/once.c         Since: 0.2
 *
 * Return: 0 it has run, here or elsewhere; the negative result of @fn; -ETIMEDOUT; -EDEADLK called
 * from @fn; -ECANCELED @fn closed the handle; -EINVAL no fn; -EXDEV another pid namespace;
 * -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_once_run(ipk_once *once, ipk_once_fn fn, void *arg,
					ipk_deadline deadline, bool *ret_recovered);

/**
 * ipk_once_is_done() - whether it has run
 * @once: once
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe. If true, the writes of @fn are visible.
 * Source:  lib/lock/once.c         Since: 0.2
 *
 * Return: true or false; false for NULL.
 */
IPK_API bool ipk_once_is_done(const ipk_once *once);

/**
 * ipk_once_waiters() - which threads wait for the thread that runs it
 * @once:     the once
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of waiting threads; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. At most 64 waiters are recorded (256 with many objects);
 *          further ones are not listed.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_once_waiters(const ipk_once *once, uint32_t *ret_tids, size_t max,
					    size_t *ret_n);

/**
 * ipk_once_send() - send an anonymous once to the other side of a pipe
 * @once:     the once
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_once_send(ipk_once *once, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_once_recv() - receive a once that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_once: the once
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/lock/once.c        Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_once_open().
 */
IPK_API IPK_MUST_CHECK int ipk_once_recv(ipk_pipe *via, ipk_deadline deadline, ipk_once **ret_once);

#ifdef __cplusplus
}
#endif

#endif
