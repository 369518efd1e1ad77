/*
 * refused.h - calls that the kernel does not have, or that a filter (seccomp) refuses.
 *
 * Both are -ENOSYS here, whichever errno a filter chose, and ipk_strerror() then names the call:
 * the last one refused to this process.
 */
#ifndef IPK_BASE_REFUSED_H
#define IPK_BASE_REFUSED_H

#include <errno.h>

#pragma GCC visibility push(default) /* for libipk-manager */

enum ipk__system_call {
	IPK__CALL_NONE = 0,
	IPK__CALL_PROC, /* not a call: information in /proc */
	IPK__CALL_SHM,  /* not a call: names in /dev/shm */
	IPK__CALL_MEMFD,
	IPK__CALL_SEALS,
	IPK__CALL_TMPFILE,
	IPK__CALL_DUP,
	IPK__CALL_FD_FLAGS,
	IPK__CALL_SETFL,
	IPK__CALL_SIGNAL_OF_FD,
	IPK__CALL_LINK,
	IPK__CALL_FIFO,
	IPK__CALL_PIPE,
	IPK__CALL_FALLOCATE,
	IPK__CALL_FTRUNCATE,
	IPK__CALL_FCHMOD,
	IPK__CALL_RENAME,
	IPK__CALL_CLONE,
	IPK__CALL_THREAD,
	IPK__CALL_THREAD_HERE, /* not a call: the environment of its creator */
	IPK__CALL_PIDFD_OPEN,
	IPK__CALL_PIDFD_SEND_SIGNAL,
	IPK__CALL_WAITID,
	IPK__CALL_EPOLL,
	IPK__CALL_TIMERFD,
	IPK__CALL_SIGNALFD,
	IPK__CALL_SOCKET,
	IPK__CALL_SOCKET_OPTION,
	IPK__CALL_MESSAGE,
	IPK__CALL_SOCKET_NAME,
	IPK__CALL_BIND,
	IPK__CALL_CONNECT,
	IPK__CALL_LISTEN,
	IPK__CALL_ACCEPT,
	IPK__CALL_PRCTL,
	IPK__CALL_STATX,
	IPK__CALL_FSTATFS,
	IPK__CALL_FLOCK,
	IPK__CALL_MQ,
	IPK__N_CALLS,
};

/* @call: an enum ipk__system_call, or anything that a peer said. -ENOSYS */
int ipk__refused(unsigned call);
unsigned ipk__refused_last(void);
const char *ipk__refused_text(void);

/* From errno after @call, which never fails with EPERM by itself. */
static inline int ipk__call_error(enum ipk__system_call call)
{
	return errno == ENOSYS || errno == EPERM ? ipk__refused(call) : -errno;
}

/* The same of what a wrapper of it returned. */
static inline int ipk__call_result(enum ipk__system_call call, int r)
{
	return r == -ENOSYS || r == -EPERM ? ipk__refused(call) : r;
}

#pragma GCC visibility pop

#endif
