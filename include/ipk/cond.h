/*
 * cond.h - waiting for a change of what a lock guards (Python: multiprocessing.Condition).
 *
 *   ipk_lock_lock(lock, ipk_forever(), &recovered);
 *   r = ipk_cond_wait_for(cond, lock, has_work, queue, ipk_in_ms(1000), &recovered);
 *   ...
 *   ipk_lock_unlock(lock);
 *
 * Unlike Python's a condition has no lock of its own: each call is told which. Notifying
 * does not need the lock. Nobody waits for an acknowledgement, so a waiter that is killed
 * holds up neither notifiers nor other waiters.
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
	const char *label;  /* what ipc-inspect calls an anonymous one, 35 bytes of it */
	bool open_existing; /* one of that name is opened instead, if it is like this */
} ipk_cond_opts;

#define IPK_COND(...) IPK_OPTS(cond, __VA_ARGS__)

/**
 * ipk_cond_create() - make a condition
 * @opts:     NULL for an anonymous one
 * @ret_cond: nobody waits for it
 *
 * Blocks:  no.
 * Crash:   a named one appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_cond_unlink().
 * Cost:    128 bytes of memory that anonymous objects share; a named one has a page and an fd.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE by one that is not like
 * @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_create(const ipk_cond_opts *opts, ipk_cond **ret_cond);

/**
 * ipk_cond_open() - open a named one that another process made
 * @name:     as it was made
 * @deadline: when to stop waiting for it to be made; ipk_now() to try once
 * @ret_cond: the cond
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_open(const char *name, ipk_deadline deadline,
					 ipk_cond **ret_cond);

/**
 * ipk_cond_close() - give up the handle
 * @cond: NULL is fine; no thread of this process inside a call on it
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
 * ipk_cond_unlink() - remove the name; who has it open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_unlink(const char *name);

/**
 * ipk_cond_wait() - give the lock up, sleep until notified, take the lock again
 * @cond:          condition
 * @lock:          held by this thread, recursive or not, at any depth; always the same one
 * @deadline:      when to stop waiting for the notification
 * @ret_recovered: as of ipk_lock_lock(), for taking it again; set also with -ETIMEDOUT, because
 *                 it is told once; may be NULL
 *
 * May return 0 without a notification, as POSIX's: when a signal handler ran, when others
 * were notified half a second ago and did not all come back (one of them may have died), or by
 * chance. Call it in a loop that
 * looks at the state, or call ipk_cond_wait_for().
 *
 * Blocks:  until notified. Taking the lock again is not bounded by the deadline, as in POSIX:
 *          the lock is held when this returns 0 or -ETIMEDOUT.
 * Callers: the lock's holder. Not a signal handler.
 * Crash:   a waiter killed at any instruction is in nobody's way. When those that were to be
 *          woken are killed, as many others return within half a second.
 * Cost:    the lock, and a sleep.
 * Source:  lib/lock/cond.c         Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EPERM this thread does not hold the lock; -EXDEV another pid
 * namespace; -EBADF. -ENOTRECOVERABLE the lock's memory was overwritten: then it is not held.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_wait(ipk_cond *cond, ipk_lock *lock, ipk_deadline deadline,
					 bool *ret_recovered);

/**
 * ipk_cond_wait_for() - wait until a predicate holds
 * @cond:          condition
 * @lock:          held by this thread
 * @predicate:     called with the lock held; looks, and changes nothing. After a death it sees
 *                 the state as the dead holder left it
 * @arg:           passed to it
 * @deadline:      when to stop waiting
 * @ret_recovered: set to true when a holder died meanwhile, otherwise to false; also with
 *                 -ETIMEDOUT; may be NULL
 *
 * The predicate is called first, after each notification, twice a second (so that a notifier
 * killed before it notified costs half a second), and last when the deadline has passed.
 * With ipk_now() it is called once and the lock is not given up.
 *
 * Blocks:  as ipk_cond_wait(); the lock is held when this returns 0 or -ETIMEDOUT.
 * Callers: the lock's holder. Not a signal handler.
 * Crash:   as ipk_cond_wait().
 * Source:  lib/lock/cond.c         Since: 0.2
 *
 * Return: 0 the predicate holds; -ETIMEDOUT it does not; -EINVAL no predicate; otherwise as
 * ipk_cond_wait().
 */
IPK_API IPK_MUST_CHECK int ipk_cond_wait_for(ipk_cond *cond, ipk_lock *lock,
					     ipk_cond_predicate predicate, void *arg,
					     ipk_deadline deadline, bool *ret_recovered);

/**
 * ipk_cond_notify() - wake some of those that wait
 * @cond: condition
 * @n:    how many; when fewer wait, all of them, and nothing is kept for later ones
 *
 * Who changes the state under the lock may call this with the lock held or after it gave it
 * back: those that saw the old state are woken.
 *
 * Blocks:  no; it does not wait for those it wakes.
 * Callers: any thread. Not a signal handler, which cannot have changed the state under a lock.
 * Crash:   killed before the end it may have woken fewer.
 * Cost:    one load when nobody waits, otherwise a system call or two.
 * Source:  lib/lock/cond.c         Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_notify(ipk_cond *cond, uint32_t n);

/**
 * ipk_cond_notify_all() - wake all that wait
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
 * @max:      how many there is room for
 * @ret_n:    how many threads wait for a notification, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Those beyond the 64 (with many objects 256) that are written
 *          down are not seen.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_waiters(const ipk_cond *cond, uint32_t *ret_tids, size_t max,
					    size_t *ret_n);

/**
 * ipk_cond_send() - pass an anonymous one to the other side of a pipe
 * @cond:     the cond
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_cond_send(ipk_cond *cond, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_cond_recv() - take one that the other side passed
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_cond: the cond
 *
 * Blocks:  until the other side has passed it.
 * Source:  lib/lock/cond.c        Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_cond_open().
 */
IPK_API IPK_MUST_CHECK int ipk_cond_recv(ipk_pipe *via, ipk_deadline deadline, ipk_cond **ret_cond);

#ifdef __cplusplus
}
#endif

#endif
