/*
 * rwlock.h - a lock that one thread may hold for writing, or many for reading.
 *
 * Readers hold shares. Shares and the write lock are owned by threads. The share of a reader that
 * dies is released. When a writer dies, the lock is released and the data that it guards may be
 * half changed: every thread that acquires the lock from then on is told (*ret_recovered), until a
 * writer has held and unlocked it. A child of fork() does not own the locks of its parent.
 *
 * No thread starves. Readers that arrive while a writer waits queue behind it; when it unlocks, all
 * of them get their shares before the next writer. There is no order among writers.
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
	const char *label;    /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	uint32_t max_readers; /* threads that read or queue behind a writer at a time, rounded up to
			       * 2^n; up to IPK_RWLOCK_READERS_MAX; 0: 64. Further ones wait
			       * for a free place */
	bool open_existing;   /* open one of that name if its options match */
} ipk_rwlock_opts;

#define IPK_RWLOCK(...) IPK_OPTS(rwlock, __VA_ARGS__)

/**
 * ipk_rwlock_create() - create a readers-writer lock
 * @opts:     NULL for an anonymous lock for 64 readers
 * @ret_lock: the lock, unlocked
 *
 * Blocks:  no.
 * Crash:   a named lock is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_rwlock_unlink().
 * Cost:    192 bytes and 16 per reader of memory shared by all anonymous objects; a named one uses
 *          pages and an fd of its own.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE one with other options
 * than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_create(const ipk_rwlock_opts *opts, ipk_rwlock **ret_lock);

/**
 * ipk_rwlock_open() - open a named lock that another process created
 * @name:     the name it was created with
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_lock: the lock
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_open(const char *name, ipk_deadline deadline,
					   ipk_rwlock **ret_lock);

/**
 * ipk_rwlock_close() - close the handle
 * @lock: NULL is fine; no thread of this process may be inside a call on it
 *
 * What the calling thread acquired through this handle is released, shares too. If another thread
 * of this process holds the write lock, the memory stays mapped until the process ends.
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
 * ipk_rwlock_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_unlink(const char *name);

/**
 * ipk_rwlock_read_lock() - acquire a share, for reading
 * @lock:          lock
 * @deadline:      when to stop waiting; ipk_now() to try once
 * @ret_recovered: set to true if a writer died while it held the lock and no writer has unlocked it
 *                 since, otherwise to false; may be NULL
 *
 * A thread that holds a share may acquire it again, even if a writer waits, and must release it as
 * often.
 *
 * Blocks:  while a writer holds the lock, or waits for it and arrived first; while max_readers
 *          others hold shares.
 * Callers: any thread of any process except the writer. Not a signal handler.
 * Crash:   a reader or writer killed at any instruction releases what it held; waiters notice
 *          within 0.1 s. If the first thread of a process holds a share and calls exec(), the
 *          process keeps that share until it ends; its other threads end at exec(), and their
 *          shares are released.
 * Cost:    one atomic instruction on a cache line that readers seldom share.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread holds the write lock; -EOVERFLOW this thread holds
 * 2^32 - 1 shares; -EXDEV this process is in another pid namespace than the creator;
 * -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_read_lock(ipk_rwlock *lock, ipk_deadline deadline,
						bool *ret_recovered);

/**
 * ipk_rwlock_read_unlock() - release a share
 * @lock: this thread holds a share of it
 *
 * Blocks:  no.
 * Cost:    a store; a system call only if a thread sleeps on it.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EPERM this thread holds no share (a fork child never does); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_read_unlock(ipk_rwlock *lock);

/**
 * ipk_rwlock_write_lock() - acquire the lock for writing
 * @lock:          lock
 * @deadline:      when to stop waiting; ipk_now() to try once
 * @ret_recovered: set to true if a writer died while it held the lock and no writer has unlocked it
 *                 since: the data may be half changed, and the caller must repair it; otherwise to
 *                 false; may be NULL
 *
 * Blocks:  while another writer holds the lock or readers hold shares. Readers that arrive
 *          meanwhile wait.
 * Callers: any thread of any process that holds neither the lock nor a share. Not a signal handler.
 * Crash:   if the holder is killed at any instruction, the next waiter gets the lock; a dead reader
 *          delays a writer by at most 20 ms.
 * Cost:    a scan of all readers' places: about 0.1 us for 64.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread holds the lock or a share; -ENOLCK this thread holds
 * IPK_LOCKS_HELD_MAX (lock.h) locks; -EXDEV this process is in another pid namespace than the
 * creator; -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_write_lock(ipk_rwlock *lock, ipk_deadline deadline,
						 bool *ret_recovered);

/**
 * ipk_rwlock_write_unlock() - release the write lock, to waiting readers first
 * @lock: this thread holds it for writing
 *
 * Blocks:  no.
 * Cost:    as ipk_rwlock_write_lock(); a system call only if a thread sleeps on it.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EPERM this thread does not hold it (a fork child never does); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_write_unlock(ipk_rwlock *lock);

/**
 * ipk_rwlock_owner() - which thread holds the lock for writing
 * @lock: lock
 *
 * Blocks:  no.
 * Callers: any thread, any time. The result is a snapshot.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: the thread's id (gettid(2)); 0 if there is none, or NULL.
 */
IPK_API uint32_t ipk_rwlock_owner(const ipk_rwlock *lock);

/**
 * ipk_rwlock_readers() - which threads hold shares
 * @lock:     lock
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of live threads that hold shares; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. A thread that is trying to acquire a share may be listed briefly.
 * Cost:    one read of /proc per reader.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_readers(const ipk_rwlock *lock, uint32_t *ret_tids,
					      size_t max, size_t *ret_n);

/**
 * ipk_rwlock_waiters() - which threads wait for the lock, to read or to write
 * @lock:     lock
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of waiting threads; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Threads that spin before they sleep are not listed, nor are
 *          waiters beyond the 64 that are recorded (256 with many objects).
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_waiters(const ipk_rwlock *lock, uint32_t *ret_tids,
					      size_t max, size_t *ret_n);

/**
 * ipk_rwlock_send() - send an anonymous lock to the other side of a pipe
 * @lock:     lock
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/rwlock.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead).
 */
IPK_API IPK_MUST_CHECK int ipk_rwlock_send(ipk_rwlock *lock, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_rwlock_recv() - receive a lock that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_lock: the lock
 *
 * Blocks:  until the other side has sent it.
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
