/*
 * cond.h - condition variables (Python: multiprocessing.Condition).
 *
 *   ipk_lock_lock(lock, ipk_forever(), &recovered);
 *   r = ipk_cond_wait_for(cond, lock, has_work, queue, ipk_in_ms(1000), &recovered);
 *   ...
 *   ipk_lock_unlock(lock);
 *
 * Unlike in Python, a condition does not own a lock: each call names it. A notifier need not hold
 * the lock. Notifiers do not wait for acknowledgements, so a killed waiter blocks neither notifiers
 * nor other waiters.
 */
#ifndef IPK_COND_H
#define IPK_COND_H

#include "deadline.h"
#include "lock.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_cond ipk_cond;
typedef bool (*ipk_cond_predicate)(void *arg);

typedef struct ipk_cond_opts {
	size_t struct_size; /* sizeof(ipk_cond_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	bool open_existing; /* open one of that name if its options match */
} ipk_cond_opts;

#define IPK_COND(...) IPK_OPTS(cond, __VA_ARGS__)

/**
 * ipk_cond_create() - create a condition
 * @opts:     NULL for an anonymous condition
 * @ret_cond: the condition, without waiters
 *
 * Blocks:  no.
 * Crash:   a named one is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_cond_unlink().
 * Cost:    128 bytes of memory shared by all anonymous objects; a named one uses a page and an fd.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE one with other options
 * than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_create(const ipk_cond_opts *opts, ipk_cond **ret_cond);

/**
 * ipk_cond_open() - open a named cond that another process created
 * @name:     the name it was created with
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_cond: the cond
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_open(const char *name, ipk_deadline deadline,
					 ipk_cond **ret_cond);

/**
 * ipk_cond_close() - close the handle
 * @cond: NULL is fine; no thread of this process may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_cond *ipk_cond_close(ipk_cond *cond);

static inline void ipk_cond_closep(ipk_cond **cond)
{
	*cond = ipk_cond_close(*cond);
}

/**
 * ipk_cond_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_unlink(const char *name);

/**
 * ipk_cond_wait() - release the lock, sleep until notified, acquire the lock again
 * @cond:          condition
 * @lock:          held by this thread, recursive or not, at any depth; always the same lock
 * @deadline:      when to stop waiting for the notification
 * @ret_recovered: as in ipk_lock_lock(), for the reacquisition; also set with -ETIMEDOUT, because
 *                 it is reported once; may be NULL
 *
 * May wake up spuriously (return 0 without a notification), as in POSIX: when a signal handler ran,
 * or when threads were notified half a second ago and not all of them returned (one may have died),
 * or for other reasons. Call it in a loop that checks the state, or use ipk_cond_wait_for().
 *
 * Blocks:  until notified. The reacquisition of the lock is not bounded by the deadline, as in
 *          POSIX: the lock is held when this returns 0 or -ETIMEDOUT.
 * Callers: the holder of the lock. Not a signal handler.
 * Crash:   a waiter killed at any instruction does not block others. If notified waiters are
 *          killed, as many other waiters wake up within half a second.
 * Cost:    the lock, and a sleep.
 * Source:  lib/lock/cond.c         Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EPERM this thread does not hold the lock; -EXDEV another pid namespace;
 * -ENOTRECOVERABLE the lock's memory was overwritten, and it is not held; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_wait(ipk_cond *cond, ipk_lock *lock, ipk_deadline deadline,
					 bool *ret_recovered);

/**
 * ipk_cond_wait_for() - wait until a predicate is true
 * @cond:          condition
 * @lock:          held by this thread
 * @predicate:     called with the lock held; must not change the state. After the death of a holder
 *                 it sees the state that the dead holder left
 * @arg:           passed to it
 * @deadline:      when to stop waiting
 * @ret_recovered: set to true if a holder died during the wait, otherwise to false; also with
 *                 -ETIMEDOUT; may be NULL
 *
 * The predicate is evaluated first, after each notification, every 500 ms (so that a notifier
 * killed before it notified costs half a second), and once more at the deadline. With ipk_now() it
 * is evaluated once and the lock is not released.
 *
 * Blocks:  as ipk_cond_wait(); the lock is held when this returns 0 or -ETIMEDOUT.
 * Callers: the holder of the lock. Not a signal handler.
 * Crash:   as ipk_cond_wait().
 * Source:  lib/lock/cond.c         Since: 0.2
 *
 * Return: 0 the predicate is true; -ETIMEDOUT it is false; -EINVAL no predicate; otherwise as
 * ipk_cond_wait().
 */
IPK_API IPK_MUST_CHECK int ipk_cond_wait_for(ipk_cond *cond, ipk_lock *lock,
					     ipk_cond_predicate predicate, void *arg,
					     ipk_deadline deadline, bool *ret_recovered);

/**
 * ipk_cond_notify() - wake up to n waiters
 * @cond: condition
 * @n:    maximum number of waiters to wake; a notification without a waiter is not stored
 *
 * The notifier may hold the lock, or may have released it after it changed the state: all threads
 * that saw the old state are woken.
 *
 * Blocks:  no; it does not wait for the woken threads.
 * Callers: any thread. Not a signal handler, which cannot have changed the state under a lock.
 * Crash:   if it is killed during the call, fewer waiters may have been woken.
 * Cost:    one load without waiters, otherwise one or two system calls.
 * Source:  lib/lock/cond.c         Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_notify(ipk_cond *cond, uint32_t n);

/**
 * ipk_cond_notify_all() - wake all waiters
 * @cond: condition
 *
 * Blocks, Callers, Crash, Cost: as ipk_cond_notify().
 * Blocks:  no.
 * Source:  lib/lock/cond.c         Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_notify_all(ipk_cond *cond);

/**
 * ipk_cond_waiters() - which threads wait for a notification
 * @cond:     the cond
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of waiting threads; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. At most 64 waiters are recorded (256 with many objects);
 *          further ones are not listed.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_waiters(const ipk_cond *cond, uint32_t *ret_tids, size_t max,
					    size_t *ret_n);

/**
 * ipk_cond_send() - send an anonymous cond to the other side of a pipe
 * @cond:     the cond
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_send(ipk_cond *cond, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_cond_recv() - receive a cond that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_cond: the cond
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_cond_open().
 */
IPK_API IPK_MUST_CHECK int ipk_cond_recv(ipk_pipe *via, ipk_deadline deadline, ipk_cond **ret_cond);

#ifdef __cplusplus
}
#endif

#endif
