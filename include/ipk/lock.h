/*
 * lock.h - mutual exclusion between processes and threads (Python: multiprocessing.Lock,
 * RLock).
 *
 * A lock is robust: it is owned by the thread that locked it, and when that thread or its process
 * dies, the kernel gives the lock to the next thread that asks. That thread is told once
 * (*ret_recovered): the data that the lock guards may be half changed, and the new holder must
 * repair it. The lock itself stays usable. If the kernel cannot do this, because another process
 * overwrote a second lock that the dead thread held, waiters detect the death within 0.1 s. A child
 * of fork() does not own the locks of its parent.
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
	const char *label;  /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	bool is_recursive;  /* the holder may lock it again (RLock); otherwise -EDEADLK */
	bool open_existing; /* open one of that name if its options match */
} ipk_lock_opts;

#define IPK_LOCK(...) IPK_OPTS(lock, __VA_ARGS__)

/**
 * ipk_lock_create() - create a lock
 * @opts:     NULL for an anonymous lock that is not recursive
 * @ret_lock: the lock, unlocked
 *
 * Blocks:  no.
 * Crash:   a named lock is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_lock_unlink().
 * Cost:    128 bytes of memory shared by all anonymous objects; a named one uses a page and an fd.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE one with other options
 * than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_create(const ipk_lock_opts *opts, ipk_lock **ret_lock);

/**
 * ipk_lock_open() - open a named lock that another process created
 * @name:     the name it was created with
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_lock: the lock
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_open(const char *name, ipk_deadline deadline,
					 ipk_lock **ret_lock);

/**
 * ipk_lock_close() - close the handle
 * @lock: NULL is fine; no thread of this process may be inside a call on it
 *
 * If the calling thread locked it through this handle, it is unlocked at all levels. If another
 * thread of this process holds it, its memory stays mapped until the process ends.
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
 * ipk_lock_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_unlink(const char *name);

/**
 * ipk_lock_lock() - acquire the lock
 * @lock:          lock
 * @deadline:      when to stop waiting; ipk_now() to try once
 * @ret_recovered: set to true if the previous holder died and no thread has been told yet,
 *                 otherwise to false; may be NULL
 *
 * Blocks:  while another thread holds it.
 * Callers: any thread of any process that does not hold it; of a recursive lock the holder too. Not
 *          a signal handler.
 * Crash:   if the holder is killed at any instruction, the next thread gets the lock.
 * Cost:    as a robust pthread mutex: about 15 ns if uncontended.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread holds it and it is not recursive; -EOVERFLOW a
 * recursive one is held 2^32 - 1 times; -ENOLCK this thread holds IPK_LOCKS_HELD_MAX locks; -EXDEV
 * this process is in another pid namespace than the creator; -ENOTRECOVERABLE its memory was
 * overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_lock(ipk_lock *lock, ipk_deadline deadline,
					 bool *ret_recovered);

/**
 * ipk_lock_unlock() - release the lock, or one level of a recursive one
 * @lock: held by this thread
 *
 * Blocks:  no.
 * Cost:    a system call only if a thread sleeps on it.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -EPERM this thread does not hold it (a fork child never does); -ENOTRECOVERABLE its
 * memory was overwritten while it was held; it is no longer held; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_unlock(ipk_lock *lock);

/**
 * ipk_lock_owner() - which thread holds the lock
 * @lock: lock
 *
 * Blocks:  no.
 * Callers: any thread, any time. The result is a snapshot.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: the thread's id (gettid(2)); 0 if unlocked, or NULL. The id of a dead thread can be
 * returned until the kernel has released the lock.
 */
IPK_API uint32_t ipk_lock_owner(const ipk_lock *lock);

/**
 * ipk_lock_waiters() - which threads wait for the lock
 * @lock:     lock
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of waiting threads; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Threads that spin before they sleep are not listed, nor are
 *          waiters beyond the 64 that are recorded (256 with many objects).
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_waiters(const ipk_lock *lock, uint32_t *ret_tids, size_t max,
					    size_t *ret_n);

/**
 * ipk_lock_send() - send an anonymous lock to the other side of a pipe
 * @lock:     lock, not one borrowed from a value or an array
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead) or a borrowed one.
 */
IPK_API IPK_MUST_CHECK int ipk_lock_send(ipk_lock *lock, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_lock_recv() - receive a lock that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_lock: the lock
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/lock/lock.c          Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_lock_open().
 */
IPK_API IPK_MUST_CHECK int ipk_lock_recv(ipk_pipe *via, ipk_deadline deadline, ipk_lock **ret_lock);

#ifdef __cplusplus
}
#endif

#endif
