/* refused.c - see refused.h. */
#include <stdatomic.h>

#include "base/refused.h"

#define TEXT(call, since) \
	"the kernel refuses " call " (a seccomp filter, or older than Linux " since "): allow it"

static const char *const texts[IPK__N_CALLS] = {
	[IPK__CALL_NONE] =
		"the kernel refuses a call (a seccomp filter, or too old), or /proc is not mounted",
	[IPK__CALL_PROC] = "/proc is not mounted, and this needs it: mount it",
	[IPK__CALL_SHM] = "/dev/shm is no tmpfs, and names need one: mount a tmpfs there",
	[IPK__CALL_MEMFD] = TEXT("memfd_create", "3.17"),
	[IPK__CALL_SEALS] = TEXT("fcntl with F_ADD_SEALS or F_GET_SEALS", "3.17"),
	[IPK__CALL_TMPFILE] = TEXT("open with O_TMPFILE", "3.11"),
	[IPK__CALL_DUP] = TEXT("fcntl with F_DUPFD_CLOEXEC", "2.6.24"),
	[IPK__CALL_FD_FLAGS] = TEXT("fcntl with F_GETFL or F_SETFD", "2.0"),
	[IPK__CALL_SETFL] = TEXT("fcntl with F_SETFL", "2.0"),
	[IPK__CALL_SIGNAL_OF_FD] = TEXT("fcntl with F_SETOWN, F_SETSIG or F_SETFL", "2.2"),
	[IPK__CALL_LINK] = TEXT("linkat", "2.6.16"),
	[IPK__CALL_FIFO] = TEXT("mknodat", "2.6.16"),
	[IPK__CALL_PIPE] = TEXT("pipe2", "2.6.27"),
	[IPK__CALL_FALLOCATE] = TEXT("fallocate", "3.5"),
	[IPK__CALL_FTRUNCATE] = TEXT("ftruncate", "2.0"),
	[IPK__CALL_FCHMOD] = TEXT("fchmod or chmod", "2.0"),
	[IPK__CALL_RENAME] = TEXT("rename", "2.0"),
	[IPK__CALL_CLONE] = TEXT("clone", "2.6"),
	[IPK__CALL_THREAD] = TEXT("clone3 or clone", "2.6"),
	[IPK__CALL_THREAD_HERE] =
		"no thread can be started here: after unshare(CLONE_NEWPID) fork, and "
		"continue in the child; if RLIMIT_STACK is tiny, raise it",
	[IPK__CALL_PIDFD_OPEN] = TEXT("pidfd_open", "5.3"),
	[IPK__CALL_PIDFD_SEND_SIGNAL] = TEXT("pidfd_send_signal", "5.1"),
	[IPK__CALL_WAITID] = TEXT("waitid with P_PIDFD", "5.4"),
	[IPK__CALL_EPOLL] = TEXT("epoll_create1, epoll_ctl or epoll_wait", "2.6.27"),
	[IPK__CALL_TIMERFD] = TEXT("timerfd_create or timerfd_settime", "2.6.25"),
	[IPK__CALL_SIGNALFD] = TEXT("signalfd4", "2.6.27"),
	[IPK__CALL_SOCKET] = TEXT("socket or socketpair", "2.6.27"),
	[IPK__CALL_SOCKET_OPTION] = TEXT("getsockopt or setsockopt", "2.0"),
	[IPK__CALL_MESSAGE] = TEXT("sendmsg or recvmsg", "2.0"),
	[IPK__CALL_SOCKET_NAME] = TEXT("getsockname or getpeername", "2.0"),
	[IPK__CALL_BIND] = TEXT("bind", "2.0"),
	[IPK__CALL_CONNECT] = TEXT("connect", "2.0"),
	[IPK__CALL_LISTEN] = TEXT("listen", "2.0"),
	[IPK__CALL_ACCEPT] = TEXT("accept4", "2.6.28"),
	[IPK__CALL_PRCTL] = TEXT("prctl", "2.6"),
	[IPK__CALL_STATX] = TEXT("statx", "4.11"),
	[IPK__CALL_FSTATFS] = TEXT("fstatfs", "2.0"),
	[IPK__CALL_MQ] = TEXT("mq_open", "2.6.6, with CONFIG_POSIX_MQUEUE"),
	[IPK__CALL_FLOCK] = TEXT("flock", "2.0, or the file system does not support it"),
};

static _Atomic unsigned last;

int ipk__refused(unsigned call)
{
	/* Relaxed: a text for people; whichever was the last. */
	atomic_store_explicit(&last, call < IPK__N_CALLS ? call : IPK__CALL_NONE,
			      memory_order_relaxed);
	return -ENOSYS;
}

unsigned ipk__refused_last(void)
{
	return atomic_load_explicit(&last, memory_order_relaxed);
}

const char *ipk__refused_text(void)
{
	return texts[ipk__refused_last()];
}
