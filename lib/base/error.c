/*
 * error.c - names and advice for the error codes of ipk/error.h, from one list, and for other
 * errors of the system.
 */
#include <errno.h>
#include <limits.h>

#include "base/refused.h"
#include "ipk/error.h"

#define ERRORS(X)                                                                            \
	X(ETIMEDOUT, "the deadline passed: wait longer, or find the holder or the "          \
		     "cause with ipc-inspect")                                               \
	X(EINPROGRESS, "the deadline passed after the server had received the request: "     \
		       "it may still be executed; check the result")                         \
	X(EPIPE, "the peer closed or died: stop, or open a new pipe")                        \
	X(ESHUTDOWN, "the queue or pool was shut down: stop; if a named queue is left "      \
		     "from an earlier run, unlink it first")                                 \
	X(EMSGSIZE, "too long for the buffer or the limit: pass a larger buffer, use "       \
		    "the _alloc variant, or raise max_message_bytes")                        \
	X(EBADF, "not an open handle: NULL, or closed")                                      \
	X(EINVAL, "an argument is out of range: ipk_error_detail() says which "              \
		  "(names are [A-Za-z0-9._-]{1,200})")                                       \
	X(ERANGE, "a number does not fit the requested type, or an index is beyond "         \
		  "the end")                                                                 \
	X(ENOENT, "the name does not exist: create it first; a program: not found "          \
		  "there, or in PATH")                                                       \
	X(ENOTUNIQ, "the name is ambiguous: specify one")                                    \
	X(EEXIST, "the name is taken: open it, or unlink it first")                          \
	X(EADDRINUSE, "another listener is active there: choose another path or port")       \
	X(EADDRNOTAVAIL, "not an address of this machine: listen on one that is")            \
	X(ECONNREFUSED, "no listener: start the listener or server first")                   \
	X(EHOSTUNREACH, "the host does not exist or is unreachable: check the name and "     \
			"the network")                                                       \
	X(EACCES, "it belongs to another user or is accessible to others (use your "         \
		  "own, mode 0600, a directory 0700), the file has a second hard "           \
		  "link, or the key is wrong or missing")                                    \
	X(EPERM, "not the holder: only the thread that acquired it can release it, "         \
		 "never a fork child; pools, futures and children belong to their "          \
		 "creator; or tracing is not permitted")                                     \
	X(EOWNERDEAD, "the worker died while it ran the task: see ipk_future_failure(); "    \
		      "or the connection broke while this lock was held: acquire it "        \
		      "again")                                                               \
	X(EREMOTEIO, "the task returned an error of its own: see ipk_future_failure()")      \
	X(ETIME, "the task exceeded its time limit and was stopped: raise the "              \
		 "limit, or split the task")                                                 \
	X(EFBIG, "a file (shared memory included) would exceed RLIMIT_FSIZE: raise "         \
		 "it (ulimit -f); or the result of a task exceeds its limit: raise "         \
		 "max_result_bytes")                                                         \
	X(EDEADLK, "this thread already holds it and would wait for itself; at the "         \
		   "start of a process or pool: a fork of this process, which has "          \
		   "threads, could deadlock: call ipk_zygote_start() early, or see "         \
		   ".start_method")                                                          \
	X(ENOLCK, "this thread holds as many locks as the kernel can recover: "              \
		  "release some")                                                            \
	X(EOVERFLOW, "the number would exceed its limit: nothing was changed")               \
	X(EUSERS, "the barrier already has as many live threads as parties: "                \
		  "unregister one")                                                          \
	X(ESTALE, "the name now refers to other memory: open it again")                      \
	X(EBUSY, "in use: another process is replacing it, or has a lease on its "           \
		 "file (F_SETLEASE): try again; or the pool was not shut down")              \
	X(EALREADY, "too late: it has started or finished")                                  \
	X(EPROTO, "not ipk data: check what the peer is, or what the message "               \
		  "contains; a name: it refers to a directory, link, socket or FIFO")        \
	X(EPROTOTYPE, "an ipk object of another kind, or with other options: see "           \
		      "ipc-inspect ls")                                                      \
	X(EPROTONOSUPPORT, "created by another version of ipk: rebuild both sides with the " \
			   "same version")                                                   \
	X(ELIBBAD, "created with another C library: build both sides with the same one")     \
	X(EXDEV, "created in another pid namespace: open it from that namespace")            \
	X(ENODATA, "shorter than its header says (truncated): unlink it and create "         \
		   "it again")                                                               \
	X(EBADMSG, "its header is damaged: unlink it and create it again")                   \
	X(ENOTRECOVERABLE, "its contents are damaged: unlink it and create it again")        \
	X(EOPNOTSUPP, "this kind or direction does not support the operation: see the "      \
		      "header")                                                              \
	X(ENOSPC, "no space left in shared memory, or a kernel limit is reached: "           \
		  "free space in /dev/shm or raise the limit")                               \
	X(ENOMEM, "out of memory, or over RLIMIT_AS, RLIMIT_DATA or RLIMIT_MEMLOCK: "        \
		  "raise it")                                                                \
	X(EMFILE, "this process has too many open fds: close some or raise "                 \
		  "RLIMIT_NOFILE")                                                           \
	X(ENFILE, "the system has too many open files: raise fs.file-max")                   \
	X(ETOOMANYREFS, "too many fds are in transit: let the peer receive some")            \
	X(EAGAIN, "the task has not finished: wait for it; or no more processes or "         \
		  "threads: raise RLIMIT_NPROC, RLIMIT_DATA or the cgroup's pids.max")       \
	X(ECHILD, "not a child of this process, or already reaped elsewhere")                \
	X(ESRCH, "no such process")                                                          \
	X(ECANCELED, "cancelled: the task, or its pool; or the barrier was broken: "         \
		     "reset it")

/* Other errors of the system, which ipk returns unchanged. */
#define PASSED_ON(X)                                                                       \
	X(ENAMETOOLONG, "the absolute path is too long: shorten it, or move the file")     \
	X(ENOTDIR, "a component of the path is not a directory: check the path")           \
	X(EISDIR, "the path is a directory, not a file: choose another path")              \
	X(ELOOP, "the path is a symbolic link, which is not followed here: name "          \
		 "the file itself")                                                        \
	X(ENXIO, "the path is a socket or device, not a file: choose another path")        \
	X(ENODEV, "the device or file system does not support this: choose another path")  \
	X(EROFS, "the file system is mounted read-only: choose another path")              \
	X(EIO, "the disk or device failed: see the kernel log")                            \
	X(EDQUOT, "the disk quota is used up: free space, or have it raised")              \
	X(EMLINK, "the file has the maximum number of hard links")                         \
	X(ETXTBSY, "the program is being written to: wait until that has finished")        \
	X(ENOEXEC, "this machine cannot execute the program: check the file")              \
	X(E2BIG, "arguments and environment exceed the kernel's limit: pass less")         \
	X(EINTR, "a signal interrupted a system call: try again")                          \
	X(ENOBUFS, "no memory for a socket: close some, or wait")                          \
	X(ECONNRESET, "the peer reset the connection: connect again")                      \
	X(ECONNABORTED, "the connection was aborted: connect again")                       \
	X(ENETUNREACH, "the network is unreachable: check the address and the network")    \
	X(ENETDOWN, "the network is down: check it")                                       \
	X(EAFNOSUPPORT, "the kernel does not support this kind of socket: choose another " \
			"address")                                                         \
	X(EFAULT, "an invalid pointer: check the arguments")                               \
	X(ENOTTY, "not a terminal")                                                        \
	X(ENOTCONN, "not connected: connect first")

/* The remaining errors of Linux, with their names only. */
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
		return "an error of the operating system: see errno(3)";
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
