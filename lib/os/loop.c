/* loop.c - an epoll set that returns a caller's word, and signals as an fd. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "os/os.h"
#include "os/uncancelled.h"

#define READY_MAX 256

static struct epoll_event wanted(int events, uint64_t word)
{
	return (struct epoll_event){
		.events = (events & IPK__OS_IN ? (uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP : 0) |
			  (events & IPK__OS_OUT ? (uint32_t)EPOLLOUT : 0),
		.data.u64 = word,
	};
}

int ipk__os_loop_add(int epoll_fd, int fd, int events, uint64_t word)
{
	struct epoll_event event = wanted(events, word);

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? ipk__call_error(IPK__CALL_EPOLL)
								  : 0;
}

int ipk__os_loop_change(int epoll_fd, int fd, int events, uint64_t word)
{
	struct epoll_event event = wanted(events, word);

	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 ? ipk__call_error(IPK__CALL_EPOLL)
								  : 0;
}

void ipk__os_loop_remove(int epoll_fd, int fd)
{
	struct epoll_event event = {0};

	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &event);
}

static int wait_ns(int epoll_fd, struct epoll_event *events, int max, int64_t timeout_ns)
{
	int64_t ms = timeout_ns < 0 ? -1 : ipk__later_ns(timeout_ns, 999999) / 1000000;
	int n = epoll_wait(epoll_fd, events, max, ms > 60000 ? 60000 : (int)ms);

	return n < 0 ? -errno : n;
}

int ipk__os_loop_wait(int epoll_fd, struct ipk__os_ready *ret_ready, size_t max, int64_t timeout_ns,
		      size_t *ret_n)
{
	IPK__UNCANCELLED();
	struct epoll_event events[READY_MAX];
	int n = wait_ns(epoll_fd, events, (int)IPK__MIN(max, (size_t)READY_MAX), timeout_ns);

	if (n < 0 && n != -EINTR)
		return n;
	*ret_n = n < 0 ? 0 : (size_t)n;
	for (size_t i = 0; i < *ret_n; i++) {
		uint32_t e = events[i].events;

		ret_ready[i].word = events[i].data.u64;
		ret_ready[i].events = (e & EPOLLIN ? IPK__OS_IN : 0) |
				      (e & EPOLLOUT ? IPK__OS_OUT : 0) |
				      (e & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) ? IPK__OS_HUP : 0);
	}
	return 0;
}

int ipk__os_signal_fd(const int *signals, size_t n, int *ret_fd)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return ipk__call_result(
		IPK__CALL_SIGNALFD,
		ipk__os_take_fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), ret_fd));
}

int ipk__os_signal_read(int fd)
{
	IPK__UNCANCELLED();
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}
