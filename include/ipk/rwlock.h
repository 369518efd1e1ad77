/*
 * rwlock.h - a lock that one thread may hold for writing, or many for reading.
 *
 * Shares and the write lock belong to threads. A reader that dies gives its share back. A
 * writer that dies gives the lock back, and what it guards may be half changed: everybody
 * who gets the lock from then on is told (*ret_recovered), until a writer has had it and
 * unlocked it. A child of fork() never owns what its parent holds.
 *
 * Nobody starves. Readers that come while a writer waits stand behind it, and when it unlocks
 * all that stand there get their shares, before the next writer. Among themselves, writers
 * have no order.
 *
 * Anonymous locks are inherited over fork() or passed over a pipe; named ones are opened by
 * any process of the same user and pid namespace. Handles may be used by all threads.
 */
#ifndef IPK_RWLOCK_H
#define IPK_RWLOCK_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_RWLOCK_READERS_MAX 4096u /* largest max_readers */

typedef struct ipk_rwlock ipk_rwlock;

typedef struct ipk_rwlock_opts {
	size_t struct_size;   /* sizeof(ipk_rwlock_opts) */
	const char *name;     /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;    /* what ipc-inspect calls an anonymous one, 35 bytes of it */
	uint32_t max_readers; /* threads that read or stand behind a writer at a time, rounded up to
			       * 2^n; up to IPK_RWLOCK_READERS_MAX; 0: 64. Further ones wait
			       * until one of them leaves */
	bool open_existing;   /* one of that name is opened instead, if it is like this */
} ipk_rwlock_opts;

#define IPK_RWLOCK(...) IPK_OPTS(rwlock, __VA_ARGS__)

/**
 * ipk_rwlock_create() - make a readers-writer lock
 * @opts:     NULL for an anonymous one for 64 readers
 * @ret_lock: the lock, free
 *
 * Blocks:  no.
 * Crash:   a named lock appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_rwlock_unlink().
 * Cost:    16 bytes a reader and 192 more, of memory that anonymous objects share; a named one
 *          has pages and an fd of its own.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE by one that is not like
 * @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_create(const ipk_rwlock_opts *opts, ipk_rwlock **ret_lock);

/**
 * ipk_rwlock_open() - open a named lock that another process made
 * @name:     as it was made
 * @deadline: when to stop waiting for it to be made; ipk_now() to try once
 * @ret_lock: the lock
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_open(const char *name, ipk_deadline deadline,
					   ipk_rwlock **ret_lock);

/**
 * ipk_rwlock_close() - give up the handle
 * @lock: NULL is fine; no thread of this process inside a call on it
 *
 * What the calling thread took through this handle is given back, shares as well. While another
 * thread of this process writes, its memory stays until the process ends.
 *
 * Blocks:  no.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_rwlock *ipk_rwlock_close(ipk_rwlock *lock);

static inline void ipk_rwlock_closep(ipk_rwlock **lock)
{
	*lock = ipk_rwlock_close(*lock);
}

/**
 * ipk_rwlock_unlink() - remove the name; who has the lock open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_unlink(const char *name);

/**
 * ipk_rwlock_read_lock() - take a share, for reading
 * @lock:          lock
 * @deadline:      when to stop waiting; ipk_now() to try once
 * @ret_recovered: set to true when a writer died holding the lock and no writer has unlocked
 *                 it since, otherwise to false; may be NULL
 *
 * A thread that has a share may take it again, also when a writer waits, and gives it back as
 * often.
 *
 * Blocks:  while a writer has the lock, or waits for it and was there first; while max_readers
 *          others have shares.
 * Callers: any thread of any process but the writer. Not a signal handler.
 * Crash:   a reader killed at any instruction gives its share back, a writer the lock: who
 *          waits finds out within 0.1 s. One whose first thread reads when it calls exec()
 *          keeps that share until it ends; the other threads end then, and their shares.
 * Cost:    one atomic instruction on a line that readers seldom have in common.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread has the write lock; -EOVERFLOW 2^32 - 1 times
 * taken again; -EXDEV this process is in another pid namespace than the lock's maker;
 * -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_read_lock(ipk_rwlock *lock, ipk_deadline deadline,
						bool *ret_recovered);

/**
 * ipk_rwlock_read_unlock() - give a share back
 * @lock: of which this thread has a share
 *
 * Blocks:  no.
 * Cost:    a store; a system call only when somebody sleeps for it.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EPERM this thread has no share (a fork child never does); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_read_unlock(ipk_rwlock *lock);

/**
 * ipk_rwlock_write_lock() - take the lock for writing
 * @lock:          lock
 * @deadline:      when to stop waiting; ipk_now() to try once
 * @ret_recovered: set to true when a writer died holding the lock and no writer has unlocked
 *                 it since: what it guards may be half changed, and the caller is to repair
 *                 it; otherwise to false; may be NULL
 *
 * Blocks:  while another writer has the lock, or readers have shares. Readers that come
 *          meanwhile wait.
 * Callers: any thread of any process that does not hold the lock in any way. Not a signal
 *          handler.
 * Crash:   a holder killed at any instruction gives the lock to the next one; readers found
 *          dead are waited for no longer than 20 ms each.
 * Cost:    a look at every reader's place: about 0.1 us for 64.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread has the lock or a share already; -ENOLCK this
 * thread holds IPK_LOCKS_HELD_MAX (lock.h) locks; -EXDEV this process is in another pid namespace
 * than the lock's maker; -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_write_lock(ipk_rwlock *lock, ipk_deadline deadline,
						 bool *ret_recovered);

/**
 * ipk_rwlock_write_unlock() - give the write lock back, to the readers that wait first
 * @lock: that this thread has for writing
 *
 * Blocks:  no.
 * Cost:    as ipk_rwlock_write_lock(); a system call only when somebody sleeps for it.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EPERM this thread does not have it (a fork child never does); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_write_unlock(ipk_rwlock *lock);

/**
 * ipk_rwlock_owner() - who has the lock for writing
 * @lock: lock
 *
 * Blocks:  no.
 * Callers: any thread, any time. The answer may be out of date when it arrives.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: the thread's id (gettid(2)); 0 nobody, or NULL.
 */
IPK_API uint32_t ipk_rwlock_owner(const ipk_rwlock *lock);

/**
 * ipk_rwlock_readers() - which threads have shares
 * @lock:     lock
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many there is room for
 * @ret_n:    how many living threads have shares, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. One that tries to get a share may be seen for a moment.
 * Cost:    a look into /proc for each.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_readers(const ipk_rwlock *lock, uint32_t *ret_tids,
					      size_t max, size_t *ret_n);

/**
 * ipk_rwlock_waiters() - which threads sleep for the lock, to read or to write
 * @lock:     lock
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many there is room for
 * @ret_n:    how many threads sleep for it, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Threads that look for a moment before they sleep, and those
 *          beyond the 64 (with many objects 256) that are written down, are not seen.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_waiters(const ipk_rwlock *lock, uint32_t *ret_tids,
					      size_t max, size_t *ret_n);

/**
 * ipk_rwlock_send() - pass an anonymous lock to the other side of a pipe
 * @lock:     lock
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name).
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_send(ipk_rwlock *lock, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_rwlock_recv() - take a lock that the other side passed
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_lock: the lock
 *
 * Blocks:  until the other side has passed it.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_rwlock_open().
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_recv(ipk_pipe *via, ipk_deadline deadline,
					   ipk_rwlock **ret_lock);

#ifdef __cplusplus
}
#endif

#endif
