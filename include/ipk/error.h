/*
 * error.h - error codes of all calls.
 *
 * A fallible function returns 0 or a negative errno value; it never returns a count and never sets
 * errno. After an error nothing has changed: nothing was acquired, outputs are untouched, nothing
 * needs to be undone. Exceptions:
 *
 *   Calls that fill a buffer with a message or item: the content of the buffer is undefined.
 *     Those of managed dicts, lists, values and namespaces also set *ret_len_bytes after -EMSGSIZE.
 *   ipk_lock_unlock(): after -ENOTRECOVERABLE the lock is not held.
 *   ipk_cond_wait(), ipk_cond_wait_for(): after -ETIMEDOUT the lock is held, and *ret_recovered is
 *     set, because it is reported once; after -ENOTRECOVERABLE the lock is not held.
 *   ipk_barrier_wait(): -ETIMEDOUT, or an error of its action, breaks the barrier for all parties.
 *   ipk_once_run(), and the preload or initializer of a zygote or pool: the function has run; the
 *     call returns its error.
 *   ipk_future_get() of a map: the results of the items that succeeded are in the buffer.
 *   ipk_pool_map_items(), ipk_pool_map_array(), ipk_pool_apply(): after -ETIMEDOUT, tasks that had
 *     started may have completed; so may the other items of a map when one item fails.
 *   ipk_pipe_recv_fd(), ipk_pipe_recv_pipe(), ipk_queue_recv() and the like: after -EMFILE what was
 *     received is lost; after -EPROTO too, unless it is of another kind.
 *   ipk_queue_getf() of mq, ipk_managed_queue_getf(): an item that does not match the format is
 *     lost. ipk_dict_pop_alloc(): after -ENOMEM the value is.
 *   ipk_managed_cond_wait(): after -ETIMEDOUT the lock is held, after -EOWNERDEAD it is not.
 *     ipk_managed_barrier_wait(): -ETIMEDOUT breaks the barrier.
 *   ipk_process_start(): -EMFILE, if another thread took the last fd during the call: the child was
 *     killed as it started.
 *   Calls of manager.h: after -EINPROGRESS the server may still execute the request; after -EPIPE
 *     it may have executed it.
 *
 * Three calls return 0 after partial success: ipk_queue_put_many(), ipk_queue_get_many() and
 * ipk_managed_queue_put_many(). Their count output tells how many items were transferred.
 *
 *   -ETIMEDOUT        the deadline passed (Python: Empty, Full, TimeoutError)
 *   -EINPROGRESS      the deadline passed after the request reached the server, which may still
 *                     execute it
 *   -EPIPE            the peer closed or died, and everything it sent was received
 *   -ESHUTDOWN        the queue or pool was shut down
 *   -EMSGSIZE         a message exceeds the buffer or the limit; it is not removed
 *   -EBADF            a NULL or closed handle
 *   -EINVAL           an argument (names included) is out of its documented range:
 *                     ipk_error_detail() tells which
 *   -ENOENT, -EEXIST  the name, key or program does not exist, or an iteration is at its end; the
 *                     name is taken
 *   -EAGAIN           the task has not finished; no more processes or threads can be created
 *   -ENOTUNIQ         the name is ambiguous: specify one
 *   -EPERM            this thread does not hold the lock; the pool or child belongs to another
 *                     process
 *   -EOWNERDEAD       the worker died while it ran the task; the connection broke while this
 *                     managed lock was held, so the lock is lost
 *   -EREMOTEIO        the task returned an error of its own: see ipk_future_failure()
 *   -ETIME            the task exceeded its time limit and was stopped
 *   -EFBIG            a file (shared memory included) would exceed RLIMIT_FSIZE; the result of the
 *                     task exceeds its limit
 *   -EDEADLK          this thread already holds it and would wait for itself; or a fork of a
 *                     multithreaded process could deadlock
 *   -ENOLCK           this thread holds IPK_LOCKS_HELD_MAX locks
 *   -EOVERFLOW        a count would exceed its limit, a result its type; nothing changed
 *   -ERANGE           an index beyond the end, a number that does not fit its type
 *   -ECANCELED        the task was cancelled; the barrier was broken or reset
 *   -EUSERS           the barrier already has all its parties
 *   -ESTALE           the name now refers to other memory
 *   -EHOSTUNREACH     the host does not exist or is unreachable
 *   -EBUSY            another process is replacing it or has a lease on its file (F_SETLEASE); the
 *                     pool was not shut down; a message of the pipe end is peeked or partly
 *                     received
 *   -EALREADY         too late to cancel: it has started
 *   -ENOTRECOVERABLE  shared contents were overwritten
 *   -EACCES           the object belongs to another user, is accessible to others, or has a second
 *                     hard link; or the key is wrong or missing
 *   -EPROTO           the bytes are not those of an ipk peer, object or typed message; a name
 *                     refers to a directory, link, socket or FIFO
 *   -EPROTOTYPE       an ipk object of another kind, or with other options
 *   -EPROTONOSUPPORT  the object or peer was created by another version or layout of ipk
 *   -ELIBBAD          the object was created with another C library
 *   -EXDEV            the object belongs to another pid namespace
 *   -ENODATA          the object's file is shorter than its header says
 *   -EBADMSG          the object's header is damaged
 *   -ENOSPC           no space left in shared memory (or in the kernel's message queues)
 *   -ENOSYS           the kernel rejects a system call (too old, or a seccomp filter):
 *                     ipk_strerror() names the last one that it rejected for this process
 *   -EOPNOTSUPP       this kind or transport does not support the operation
 *
 * Other errors of the system (-ENAMETOOLONG, -EROFS, -ENOSYS of an old kernel, ...) are returned
 * unchanged; ipk_errname() knows all names.
 */
#ifndef IPK_ERROR_H
#define IPK_ERROR_H

#include <stdio.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipk_strerror() - what an ipk error means and what to do about it
 * @err: an ipk return value; the sign does not matter
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/base/error.c         Since: 0.1
 *
 * Return: a static one-line text, never NULL. For -ENOSYS it names the last rejected call.
 */
IPK_API const char *ipk_strerror(int err);

/**
 * ipk_errname() - the symbolic name of an ipk error, as in "ETIMEDOUT"
 * @err: an ipk return value; the sign does not matter
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/base/error.c         Since: 0.1
 *
 * Return: a static text; "E?" for an unknown number.
 */
IPK_API const char *ipk_errname(int err);

/**
 * ipk_error_detail() - which option or argument caused an error
 * @err: what the call returned; the sign does not matter
 *
 * Example: "IPK_QUEUE(.max_items): 0 to IPK_QUEUE_ITEMS_MAX", the option and its range. ".name" and
 * ".label" without a macro refer to the options given to the call. Each thread keeps only the
 * detail of its last such error, so ask right after the call.
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe. A fork child inherits its parent's.
 * Source:  lib/base/detail.c        Since: 0.4
 *
 * Return: a static text, never NULL; "" if @err is not the last error that has a detail. -EINVAL,
 * -EMSGSIZE and -EPROTOTYPE have one, unless the kernel returned them; that of a manager's server
 * refers to ipk_manager_error().
 */
IPK_API const char *ipk_error_detail(int err);

/*
 * IPK_CHECK(call); for main() and for functions that a child runs: if @call fails, prints place,
 * error and detail to stderr and returns 1 from the enclosing function.
 */
#define IPK_CHECK(call)                                                                        \
	do {                                                                                   \
		int ipk_check_r_ = (call);                                                     \
		if (ipk_check_r_ < 0) {                                                        \
			const char *ipk_check_d_ = ipk_error_detail(ipk_check_r_);             \
			fprintf(stderr, "%s:%d: %s: %s (%s)%s%s\n", __FILE__, __LINE__, #call, \
				ipk_strerror(ipk_check_r_), ipk_errname(ipk_check_r_),         \
				*ipk_check_d_ ? ": " : "", ipk_check_d_);                      \
			return 1;                                                              \
		}                                                                              \
	} while (0)

#ifdef __cplusplus
}
#endif

#endif
