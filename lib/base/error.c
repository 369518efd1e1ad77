/*
 * error.c - names and advice for the error vocabulary of ipk/error.h, from one list, and for
 * what the system says besides.
 */
#include <errno.h>
#include <limits.h>

#include "base/refused.h"
#include "ipk/error.h"

#define ERRORS(X)                                                                                  \
	X(ETIMEDOUT,                                                                               \
	  "the deadline passed: wait longer, or see who holds things up with ipc-inspect")         \
	X(EINPROGRESS,                                                                             \
	  "the deadline passed while the server had the request: it may be done yet; look")        \
	X(EPIPE, "the other side closed or died: stop, or open a new pipe")                        \
	X(ESHUTDOWN,                                                                               \
	  "the queue or pool was shut down: stop; a named queue that an earlier run left "         \
	  "so: unlink it first")                                                                   \
	X(EMSGSIZE, "too long for the buffer or the limit: pass a larger buffer, use the _alloc "  \
		    "variant, or raise max_message_bytes")                                         \
	X(EBADF, "not an open handle: was it NULL, or closed?")                                    \
	X(EINVAL, "an argument is out of range: see the header (names are [A-Za-z0-9._-]{1,200})") \
	X(ERANGE, "a number does not fit the type asked for, or an index is beyond the end")       \
	X(ENOENT,                                                                                  \
	  "nobody made that name: create it first; of a program: there is none there, or in PATH") \
	X(ENOTUNIQ, "ambiguous: specify one")                                                      \
	X(EEXIST, "the name is taken: open it, or unlink it first")                                \
	X(EADDRINUSE, "somebody listens there already: take another path or port")                 \
	X(EADDRNOTAVAIL, "not an address of this machine: listen at one that is")                  \
	X(ECONNREFUSED, "nobody listens there: start the listener or server first")                \
	X(EHOSTUNREACH, "no such host, or no way to it: check the name and the network")           \
	X(EACCES,                                                                                  \
	  "another user's, or open to others (use your own, mode 0600, a directory 0700), a "      \
	  "file with a second name (a hard link), or the wrong key (or none, where one is "        \
	  "needed)")                                                                               \
	X(EPERM,                                                                                   \
	  "not the holder: only the thread that took it may give it back, a fork child "           \
	  "never; pools, futures and children are their creator's; tracing may be forbidden too")  \
	X(EOWNERDEAD, "the worker died while it ran the task: see ipk_future_failure(); or the "   \
		      "connection broke while this lock was held: take it again")                  \
	X(EREMOTEIO, "the task returned an error of its own: ipk_future_failure() tells which")    \
	X(ETIME,                                                                                   \
	  "the task ran longer than it may and was stopped: give it more time, or less to do")     \
	X(EFBIG, "a file, of memory too, would pass RLIMIT_FSIZE: raise it (ulimit -f); a task's " \
		 "result is over its limit: raise max_result_bytes")                               \
	X(EDEADLK, "this thread holds it already and would wait for itself; of a process to be "   \
		   "started: a fork of this one, which has threads, might hang: call "             \
		   "ipk_zygote_start() early, or say IPK_START_FORK or IPK_START_EXEC")            \
	X(ENOLCK, "this thread holds as many locks as the kernel can hand on: give some back")     \
	X(EOVERFLOW, "the number would pass its limit: nothing was changed")                       \
	X(EUSERS,                                                                                  \
	  "as many live threads as the barrier has parties use it already: unregister one")        \
	X(ESTALE, "the name leads to other memory by now: open it again")                          \
	X(EBUSY, "in use just now: another process is replacing it, or has a lease on its file "   \
		 "(F_SETLEASE): try again; or a pool was not shut down")                           \
	X(EALREADY, "too late: it has begun or is done")                                           \
	X(EPROTO,                                                                                  \
	  "not ipk bytes: check what is at the other side, or what the message holds; of a name: " \
	  "a directory, link, socket or FIFO is there")                                            \
	X(EPROTOTYPE,                                                                              \
	  "an ipk object of another kind, or made with other options: see ipc-inspect ls")         \
	X(EPROTONOSUPPORT, "made by another version of ipk: rebuild both sides with the same")     \
	X(ELIBBAD, "made under another C library: build both sides with the same one")             \
	X(EXDEV, "made in another pid namespace: open it from the one it was made in")             \
	X(ENODATA, "shorter than its header says: it was truncated; unlink it and make it anew")   \
	X(EBADMSG, "its header is damaged: unlink it and make it anew")                            \
	X(ENOTRECOVERABLE, "its contents are damaged: unlink it and make it anew")                 \
	X(EOPNOTSUPP, "this kind or direction cannot do that: see the header")                     \
	X(ENOSPC, "no room in shared memory or the kernel's limits: make room in /dev/shm or "     \
		  "raise the limit")                                                               \
	X(ENOMEM, "no memory, or none within RLIMIT_AS, RLIMIT_DATA or RLIMIT_MEMLOCK: raise it")  \
	X(EMFILE, "this process has too many fds open: close some or raise RLIMIT_NOFILE")         \
	X(ENFILE, "the system has too many files open: raise fs.file-max")                         \
	X(ETOOMANYREFS, "too many fds are under way: let the other side receive some")             \
	X(EAGAIN, "no more processes or threads: raise RLIMIT_NPROC, RLIMIT_DATA or the cgroup's " \
		  "pids.max")                                                                      \
	X(ECHILD, "not a child of this process, or somebody else has waited for it")               \
	X(ESRCH, "no such process")                                                                \
	X(ECANCELED,                                                                               \
	  "cancelled: the task, with its pool or alone; or somebody broke the barrier: reset it")

/* What the system says and ipk passes on. */
#define PASSED_ON(X)                                                                            \
	X(ENAMETOOLONG, "a path is too long, absolute: move what it leads to, or shorten it")   \
	X(ENOTDIR, "a part of the path is no directory: check the path")                        \
	X(EISDIR, "a directory is in the place of a file: take another path")                   \
	X(ELOOP, "a symbolic link is in the place of a file, where none is followed: name the " \
		 "file itself")                                                                 \
	X(ENXIO, "a socket or device is in the place of a file: take another path")             \
	X(ENODEV, "the device or file system cannot do that: take another path")                \
	X(EROFS, "the file system is mounted read-only: take another path")                     \
	X(EIO, "the disk or device failed: see the kernel log")                                 \
	X(EDQUOT, "the disk quota is used up: make room, or have it raised")                    \
	X(EMLINK, "the file has as many names as there may be")                                 \
	X(ETXTBSY, "the program is being written to: wait until that is over")                  \
	X(ENOEXEC, "no program that this machine can run: check the file")                      \
	X(E2BIG, "arguments and environment are longer than the kernel takes: pass less")       \
	X(EINTR, "a signal cut a call of the system short: do it again")                        \
	X(ENOBUFS, "no memory for a socket: close some, or wait")                               \
	X(ECONNRESET, "the other side broke the connection: connect again")                     \
	X(ECONNABORTED, "the connection was given up: connect again")                           \
	X(ENETUNREACH, "no way to that network: check the address and the network")             \
	X(ENETDOWN, "the network is down: check it")                                            \
	X(EAFNOSUPPORT, "this kernel has no such kind of socket: take another address")         \
	X(EFAULT, "a pointer leads to no memory of this process: check the arguments")          \
	X(ENOTTY, "no terminal")                                                                \
	X(ENOTCONN, "not connected: connect first")

/* All others that Linux has, of which ipk knows the name alone. */
#define NAMES(X)           \
	X(ENOTBLK)         \
	X(ESPIPE)          \
	X(EDOM)            \
	X(ENOTEMPTY)       \
	X(ENOMSG)          \
	X(EIDRM)           \
	X(ECHRNG)          \
	X(EL2NSYNC)        \
	X(EL3HLT)          \
	X(EL3RST)          \
	X(ELNRNG)          \
	X(EUNATCH)         \
	X(ENOCSI)          \
	X(EL2HLT)          \
	X(EBADE)           \
	X(EBADR)           \
	X(EXFULL)          \
	X(ENOANO)          \
	X(EBADRQC)         \
	X(EBADSLT)         \
	X(EBFONT)          \
	X(ENOSTR)          \
	X(ENOSR)           \
	X(ENONET)          \
	X(ENOPKG)          \
	X(EREMOTE)         \
	X(ENOLINK)         \
	X(EADV)            \
	X(ESRMNT)          \
	X(ECOMM)           \
	X(EMULTIHOP)       \
	X(EDOTDOT)         \
	X(EBADFD)          \
	X(EREMCHG)         \
	X(ELIBACC)         \
	X(ELIBSCN)         \
	X(ELIBMAX)         \
	X(ELIBEXEC)        \
	X(EILSEQ)          \
	X(ERESTART)        \
	X(ESTRPIPE)        \
	X(ENOTSOCK)        \
	X(EDESTADDRREQ)    \
	X(ENOPROTOOPT)     \
	X(ESOCKTNOSUPPORT) \
	X(EPFNOSUPPORT)    \
	X(ENETRESET)       \
	X(EISCONN)         \
	X(EHOSTDOWN)       \
	X(EUCLEAN)         \
	X(ENOTNAM)         \
	X(ENAVAIL)         \
	X(EISNAM)          \
	X(ENOMEDIUM)       \
	X(EMEDIUMTYPE)     \
	X(ENOKEY)          \
	X(EKEYEXPIRED)     \
	X(EKEYREVOKED)     \
	X(EKEYREJECTED)    \
	X(ERFKILL)         \
	X(EHWPOISON)

#define AS_NAME(code, text) \
	case code:          \
		return #code;
#define AS_TEXT(code, text) \
	case code:          \
		return text;

#define ONLY_NAME(code) \
	case code:      \
		return #code;

static int magnitude(int err)
{
	return err < 0 && err != INT_MIN ? -err : err;
}

const char *ipk_strerror(int err)
{
	switch (magnitude(err)) {
	case 0:
		return "success";
	case ENOSYS:
		return ipk__refused_text();
		ERRORS(AS_TEXT)
		PASSED_ON(AS_TEXT)
	default:
		return "an error of the system that ipk passes on: see errno(3)";
	}
}

const char *ipk_errname(int err)
{
	switch (magnitude(err)) {
	case 0:
		return "0";
	case ENOSYS:
		return "ENOSYS";
		ERRORS(AS_NAME)
		PASSED_ON(AS_NAME)
		NAMES(ONLY_NAME)
	default:
		return "E?";
	}
}
