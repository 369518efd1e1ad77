/*
 * children.c - for a process that only has children on behalf of another (a zygote): exits of
 * children as events on an fd, and the host's signal state, name and stdin saved for them.
 *
 * Such a process is a fork of its host and has the host's signal handlers, which must not run in
 * it: all signals stay blocked. So only SIGKILL and SIGSTOP reach it, not a Ctrl-C at the terminal,
 * which is for its host; it exits when the host does. Its children start with the host's signal
 * state.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/refused.h"
#include "ipk/process.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

int ipk__os_put_signals_aside(struct ipk__os_signals *ret_before, int *ret_fd)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t all, child;
	int fd, r;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	r = ipk__call_result(
		IPK__CALL_SIGNALFD,
		ipk__os_take_fd(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), &fd));
	if (r < 0)
		return r;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &ret_before->mask);
	/* If SIGCHLD is ignored the kernel reaps, and exits go unnoticed. */
	sigaction(SIGCHLD, &by_default, &ret_before->of_child);
	*ret_fd = fd;
	return 0;
}

void ipk__os_signals_as_before(const struct ipk__os_signals *before)
{
	if ((before->of_child.sa_flags & SA_SIGINFO) || before->of_child.sa_handler != SIG_DFL)
		sigaction(SIGCHLD, &before->of_child, NULL);
	pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
}

void ipk__os_thread_name(char ret_name[16])
{
	memset(ret_name, 0, 16);
	prctl(PR_GET_NAME, ret_name);
}

int ipk__os_put_stdin_aside(int *ret_fd)
{
	IPK__UNCANCELLED();
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
	int null =
		fd < 0 && errno != EBADF ? ipk__call_error(IPK__CALL_DUP) : ipk__os_open_nowhere();
	int r = null < 0 ? null : ipk__os_put_fd(null, 0);

	if (null != 0) /* it was open */
		ipk__os_close(null);
	if (r < 0)
		ipk__os_close(fd);
	else
		*ret_fd = fd;
	return r;
}

void ipk__os_stdin_as_before(int fd)
{
	IPK__UNCANCELLED();
	if (fd >= 0)
		(void)ipk__os_put_fd(fd, 0);
	else
		close(0);
}

int ipk__os_reap_any(pid_t *ret_pid, struct ipk_process_status *ret_status)
{
	return ipk__os_reap(P_ALL, 0, ret_pid, ret_status);
}

int ipk__os_reap_child(pid_t child)
{
	struct ipk_process_status status;
	pid_t pid;

	return ipk__os_reap(P_PID, child, &pid, &status);
}

void ipk__os_kill_child(pid_t child)
{
	kill(child, SIGKILL);
}

/* PIDFD_GET_INFO as of Linux 6.15, which older headers lack. */
struct pidfd_info_64 {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t ids[11];
	int32_t exit_code;
};
#define GET_INFO _IOWR(0xFF, 11, struct pidfd_info_64)
#define INFO_EXIT ((uint64_t)1 << 3)

int ipk__os_pidfd_epitaph(int pidfd, struct ipk_process_status *ret_status)
{
	struct pidfd_info_64 info = {.mask = INFO_EXIT};
	int status;

	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return -ECHILD;
	status = info.exit_code;
	*ret_status = (ipk_process_status){
		.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.core = WIFSIGNALED(status) && WCOREDUMP(status),
	};
	return 0;
}
