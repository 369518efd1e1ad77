/*
 * error.h - the one error vocabulary.
 *
 * Every fallible function returns 0 or a negative errno value, by value; never a count,
 * never through errno. A negative return means that nothing happened: nothing was
 * acquired, outputs are untouched, there is nothing to undo.
 *
 *   -ETIMEDOUT        the deadline passed (Python's Empty, Full and TimeoutError alike)
 *   -EINPROGRESS      the deadline passed while a server had the request: it may be done yet
 *   -EPIPE            the other side closed or died, and everything it sent was received
 *   -ESHUTDOWN        the queue or pool was shut down
 *   -EMSGSIZE         a message is larger than the buffer or the limit; it stays where it is
 *   -EBADF            a NULL or closed handle
 *   -EINVAL           an argument is out of its documented range (names too)
 *   -ENOENT, -EEXIST  a name that nobody made (or no such program), or that is taken
 *   -ENOTUNIQ         the name is ambiguous: specify one
 *   -EPERM            this thread does not hold the lock; the pool or child is another process's
 *   -EOWNERDEAD       the worker died while it ran the task; the connection broke while this managed
 *                     lock was held: it is lost
 *   -EREMOTEIO        the task returned an error of its own: see ipk_future_failure()
 *   -ETIME            the task ran longer than it may, and was stopped
 *   -EFBIG            a file, which shared memory is too, would pass RLIMIT_FSIZE; the task's
 *                     result is over its limit
 *   -EDEADLK          this thread holds it already and would wait for itself; or a fork of a
 *                     process with threads might hang
 *   -ENOLCK           this thread holds IPK_LOCKS_HELD_MAX locks
 *   -EOVERFLOW        a count would pass its limit, a result its type; nothing changed
 *   -ERANGE           an index beyond the end, a number that does not fit its type
 *   -ECANCELED        the task was cancelled; the barrier was broken or reset
 *   -EUSERS           the barrier has all its parties already
 *   -ESTALE           the name leads to other memory by now
 *   -EHOSTUNREACH     there is no such host, or no way to it
 *   -EBUSY            another process is just replacing it, or has a lease on its file
 *                     (F_SETLEASE); the pool was not shut down
 *   -EALREADY         too late to cancel: it has begun
 *   -ENOTRECOVERABLE  shared contents were overwritten
 *   -EACCES           the object belongs to another user, is open to others, or has a second
 *                     name (a hard link); or the key is wrong or missing
 *   -EPROTO           the bytes are not what an ipk peer, object or typed message has; a name
 *                     leads to a directory, link, socket or FIFO
 *   -EPROTOTYPE       an ipk object, but of another kind, or made with other options
 *   -EPROTONOSUPPORT  the object or peer was made by another version or layout of ipk
 *   -ELIBBAD          the object was made under another C library
 *   -EXDEV            the object belongs to another pid namespace
 *   -ENODATA          the object's file is shorter than its header says
 *   -EBADMSG          the object's header is damaged
 *   -ENOSPC           no room left in shared memory (or in the kernel's message queues)
 *   -ENOSYS           the kernel refuses a call (too old, or a seccomp filter): ipk_strerror()
 *                     names the last one that it refused to this process
 *   -EOPNOTSUPP       this kind or transport cannot do that
 *
 * What else the system says (-ENAMETOOLONG, -EROFS, -ENOSYS of an old kernel, ...) is passed on
 * as it is; ipk_errname() knows the names of all.
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
 * Return: a static one-line text, never NULL. Of -ENOSYS the one of the last refused call.
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
 * Return: a static text, "E?" for a number that is none.
 */
IPK_API const char *ipk_errname(int err);

/*
 * IPK_CHECK(call); for main() and functions that a child runs: when @call has an error, says on
 * stderr where and what, and returns 1 from the function around it.
 */
#define IPK_CHECK(call)                                                                    \
	do {                                                                               \
		int ipk_check_r_ = (call);                                                 \
		if (ipk_check_r_ < 0) {                                                    \
			fprintf(stderr, "%s:%d: %s: %s (%s)\n", __FILE__, __LINE__, #call, \
				ipk_strerror(ipk_check_r_), ipk_errname(ipk_check_r_));    \
			return 1;                                                          \
		}                                                                          \
	} while (0)

#ifdef __cplusplus
}
#endif

#endif
