/*
 * lock.h - mutual exclusion between processes and threads (Python: multiprocessing.Lock,
 * RLock).
 *
 * A lock belongs to the thread that took it. When that thread, or its process, dies holding
 * it, the kernel gives it to the next one that asks, who is told once (*ret_recovered): what
 * the lock guards may be half changed, and the new holder repairs it. The lock itself goes
 * on working. Where the kernel cannot, because another process wrote over a lock that was held
 * with it, those that wait find out within a tenth of a second. A child of fork() never owns what
 * its parent holds.
 *
 * Anonymous locks are inherited over fork() or passed over a pipe; named ones are opened by
 * any process of the same user and pid namespace. Handles may be used by all threads.
 */
#ifndef IPK_LOCK_H
#define IPK_LOCK_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_LOCKS_HELD_MAX 1024u /* locks that one thread may hold at a time */

typedef struct ipk_lock ipk_lock;

typedef struct ipk_lock_opts {
	size_t struct_size; /* sizeof(ipk_lock_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* what ipc-inspect calls an anonymous one, 35 bytes of it */
	bool is_recursive;  /* its holder may lock it again (RLock); otherwise -EDEADLK */
	bool open_existing; /* one of that name is opened instead, if it is like this */
} ipk_lock_opts;

#define IPK_LOCK(...) IPK_OPTS(lock, __VA_ARGS__)

/**
 * ipk_lock_create() - make a lock
 * @opts:     NULL for an anonymous one that is not recursive
 * @ret_lock: the lock, free
 *
 * Blocks:  no.
 * Crash:   a named lock appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_lock_unlink().
 * Cost:    128 bytes of memory that anonymous objects share; a named one has a page and an fd.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE by one that is not like
 * @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_create(const ipk_lock_opts *opts, ipk_lock **ret_lock);

/**
 * ipk_lock_open() - open a named lock that another process made
 * @name:     as it was made
 * @deadline: when to stop waiting for it to be made; ipk_now() to try once
 * @ret_lock: the lock
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_open(const char *name, ipk_deadline deadline,
					 ipk_lock **ret_lock);

/**
 * ipk_lock_close() - give up the handle
 * @lock: NULL is fine; no thread of this process inside a call on it
 *
 * What the calling thread took through this handle is given back, all levels of it. While
 * another thread of this process holds the lock, its memory stays until the process ends.
 *
 * Blocks:  no.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_lock *ipk_lock_close(ipk_lock *lock);

static inline void ipk_lock_closep(ipk_lock **lock)
{
	*lock = ipk_lock_close(*lock);
}

/**
 * ipk_lock_unlink() - remove the name; who has the lock open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_unlink(const char *name);

/**
 * ipk_lock_lock() - take the lock
 * @lock:          lock
 * @deadline:      when to stop waiting; ipk_now() to try once
 * @ret_recovered: set to true when the last holder died holding it and nobody has been told
 *                 yet, otherwise to false; may be NULL
 *
 * Blocks:  while another thread holds it.
 * Callers: any thread of any process that did not take it already, or a recursive one's
 *          holder. Not a signal handler.
 * Crash:   a holder killed at any instruction gives the lock to the next one.
 * Cost:    as a robust pthread mutex: about 15 ns when it is free.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread holds it and it is not recursive; -EOVERFLOW a
 * recursive one 2^32 - 1 times deep; -ENOLCK this thread holds IPK_LOCKS_HELD_MAX locks;
 * -EXDEV this process is in another pid namespace than the lock's maker;
 * -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_lock(ipk_lock *lock, ipk_deadline deadline,
					 bool *ret_recovered);

/**
 * ipk_lock_unlock() - give the lock back, or one level of a recursive one
 * @lock: held by this thread
 *
 * Blocks:  no.
 * Cost:    a system call only when somebody sleeps for it.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -EPERM this thread does not hold it (a fork child never does); -ENOTRECOVERABLE its
 * memory was overwritten while it was held, which it is no more; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_unlock(ipk_lock *lock);

/**
 * ipk_lock_owner() - who holds the lock
 * @lock: lock
 *
 * Blocks:  no.
 * Callers: any thread, any time. The answer may be out of date when it arrives.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: the thread's id (gettid(2)); 0 nobody, or NULL. A dead thread's id can be seen for
 * the moment until the kernel has taken the lock from it.
 */
IPK_API uint32_t ipk_lock_owner(const ipk_lock *lock);

/**
 * ipk_lock_waiters() - which threads sleep for the lock
 * @lock:     lock
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many there is room for
 * @ret_n:    how many threads sleep for it, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Threads that look for a moment before they sleep, and those
 *          beyond the 64 (with many objects 256) that are written down, are not seen.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_waiters(const ipk_lock *lock, uint32_t *ret_tids, size_t max,
					    size_t *ret_n);

/**
 * ipk_lock_send() - pass an anonymous lock to the other side of a pipe
 * @lock:     lock, not one that a value or an array lent
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name) or a lent one.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_send(ipk_lock *lock, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_lock_recv() - take a lock that the other side passed
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_lock: the lock
 *
 * Blocks:  until the other side has passed it.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_lock_open().
 */
IPK_API IPK_MUST_CHECK int ipk_lock_recv(ipk_pipe *via, ipk_deadline deadline, ipk_lock **ret_lock);

#ifdef __cplusplus
}
#endif

#endif
