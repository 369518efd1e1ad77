/* fd.c - file descriptors: the checks on each new fd, epoll sets, tickers, poll. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#ifndef SYS_close_range /* glibc 2.31 has no name for it; the number is that of all processors */
#define SYS_close_range 436
#endif

#define FDS_TO_TRY 65536 /* one by one, if the open ones are not known */

void ipk__os_close(int fd)
{
	IPK__UNCANCELLED();
	if (fd >= 0)
		close(fd);
}

int ipk__os_dup(int fd, int *ret_fd)
{
	IPK__UNCANCELLED();
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (copy < 0 && errno == EINVAL)
		return -EMFILE; /* the limit is below that number */
	if (copy < 0)
		return ipk__call_error(IPK__CALL_DUP);
	*ret_fd = copy;
	return 0;
}

int ipk__os_take_fd(int made, int *ret_fd)
{
	IPK__UNCANCELLED();
	int r = 0;

	if (made < 0)
		return -errno;
	if (made <= STDERR_FILENO) {
		int low = made;

		r = ipk__os_dup(low, &made);
		close(low);
	}
	if (r == 0)
		*ret_fd = made;
	return r;
}

int ipk__os_take_fds(int *fds, size_t n)
{
	IPK__UNCANCELLED();
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		int e = ipk__os_take_fd(fds[i], &fds[i]);

		if (e < 0) {
			fds[i] = -1; /* the door has closed it */
			r = e;
		}
	}
	for (size_t i = 0; r < 0 && i < n; i++)
		ipk__os_close(fds[i]);
	return r;
}

DIR *ipk__os_opendir(int dir_fd, const char *path)
{
	IPK__UNCANCELLED();
	int fd = -1;
	int r = ipk__os_take_fd(
		openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK), &fd);
	DIR *dir = r == 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		/* musl says EBADF where the flags, for which it asks first, may not be asked for. */
		if (r == 0 && errno == EBADF)
			(void)fcntl(fd, F_GETFL);
		r = r < 0 ? r : ipk__call_error(IPK__CALL_FD_FLAGS);
		ipk__os_close(fd);
		errno = -r;
	}
	return dir;
}

FILE *ipk__os_fopen(const char *path)
{
	IPK__UNCANCELLED();
	int fd = -1;
	int r = ipk__os_take_fd(open(path, O_RDONLY | O_CLOEXEC), &fd);
	FILE *file = r == 0 ? fdopen(fd, "r") : NULL;

	if (!file) {
		r = r < 0 ? r : ipk__call_error(IPK__CALL_FD_FLAGS);
		ipk__os_close(fd);
		errno = -r;
	}
	return file;
}

int ipk__os_fd_check(int fd)
{
	IPK__UNCANCELLED();
	int r = fd < 0 ? -EBADF : fcntl(fd, F_GETFD);

	/* A filter may know only one of the two; neither asks the file itself. */
	if (r < 0 && fd >= 0 && errno != EBADF)
		r = dup2(fd, fd);
	return r < 0 && (fd < 0 || errno == EBADF) ? -EBADF : 0;
}

/* An exec keeps it. */
IPK__AT_FORK_CODE static int keep_fd(int fd)
{
	return fcntl(fd, F_SETFD, 0) < 0 && ioctl(fd, FIONCLEX) < 0 ? -errno : 0;
}

int ipk__os_put_fd(int fd, int as_fd)
{
	IPK__UNCANCELLED();
	if (fd == as_fd)
		return keep_fd(fd);
	if (dup2(fd, as_fd) >= 0)
		return 0;
	/* A filter may know only one of the two; musl's dup3() without flags is dup2(). */
	if ((errno == ENOSYS || errno == EPERM) && syscall(SYS_dup3, fd, as_fd, 0) >= 0)
		return 0;
	return -errno;
}

bool ipk__os_stdin_is_nowhere(void)
{
	struct stat st;

	/* The kernel's numbers for it: devices.txt. */
	return fstat(STDIN_FILENO, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/*
 * A file with nothing to read: /dev/null, or where that is missing (a bare root directory) a pipe
 * without a writer.
 */
IPK__AT_FORK_CODE int ipk__os_open_nowhere(void)
{
	IPK__AT_FORK_DATA static char null_path[] = "/dev/null"; /* not const: see the section */
	int fd = open(null_path, O_RDONLY);
	int ends[2];

	if (fd >= 0)
		return fd;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	close(ends[1]);
	(void)keep_fd(ends[0]);
	return ends[0];
}

IPK__AT_FORK_CODE int ipk__os_stdin_from_nowhere(void)
{
	int fd, r;

	/* The lowest free number is what open() gives: one call less than dup2(). */
	close(STDIN_FILENO);
	fd = ipk__os_open_nowhere();
	if (fd < 0)
		return fd;
	if (fd == STDIN_FILENO)
		return 0;
	r = ipk__os_put_fd(fd, STDIN_FILENO); /* another thread took it */
	close(fd);
	return r;
}

int ipk__os_open_again(int fd, bool writable, int *ret_fd)
{
	IPK__UNCANCELLED();
	char path[64];
	int r;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	r = ipk__os_take_fd(open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK),
			    ret_fd);
	if (r == -EAGAIN) /* a lease: see os/shm.c */
		r = -EBUSY;
	if (r == -ENOENT) /* the fd is not there, or /proc is not */
		r = ipk__os_fd_check(fd) < 0 ? -EBADF : ipk__refused(IPK__CALL_PROC);
	return r;
}

int ipk__os_lock_file(int fd, int how)
{
	static const int operations[] = {LOCK_UN, LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB};

	if (flock(fd, operations[how]) == 0)
		return 0;
	/* Some file systems have no locks. */
	return errno == EOPNOTSUPP || errno == ENOLCK ? ipk__refused(IPK__CALL_FLOCK)
						      : ipk__call_error(IPK__CALL_FLOCK);
}

int ipk__os_epoll(int *ret_fd)
{
	IPK__UNCANCELLED();
	struct epoll_event event;
	int fd = -1;
	int r = ipk__os_take_fd(epoll_create1(EPOLL_CLOEXEC), &fd);

	if (r < 0)
		return ipk__call_result(IPK__CALL_EPOLL, r);
	/* Tested now: a later waiter cannot report a refusal, and would never be woken. */
	if (epoll_wait(fd, &event, 1, 0) < 0 && errno != EINTR) {
		r = ipk__call_error(IPK__CALL_EPOLL);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_epoll_add(int epoll_fd, int fd, bool edge, bool hangup_only)
{
	struct epoll_event event = {
		.events = (edge ? (uint32_t)EPOLLET : 0) | (hangup_only ? 0 : (uint32_t)EPOLLIN),
		.data.fd = fd,
	};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? ipk__call_error(IPK__CALL_EPOLL)
								  : 0;
}

void ipk__os_epoll_drain(int epoll_fd)
{
	IPK__UNCANCELLED();
	struct epoll_event events[8];

	while (epoll_wait(epoll_fd, events, 8, 0) < 0 && errno == EINTR)
		;
}

int ipk__os_ticker(int64_t period_ns, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct timespec period = {period_ns / 1000000000, (long)(period_ns % 1000000000)};
	struct itimerspec timer = {period, period};
	int fd = -1;
	int r = ipk__os_take_fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), &fd);

	if (r < 0)
		return ipk__call_result(IPK__CALL_TIMERFD, r);
	if (timerfd_settime(fd, 0, &timer, NULL) < 0) {
		r = ipk__call_error(IPK__CALL_TIMERFD);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* --- waiting for fds where poll() refuses ----------------------------------------------------- */

#define LONG_BITS (8 * sizeof(unsigned long))
#define SELECT_FDS_MAX ((size_t)8192)
#define SELECT_NAP_NS 1000000

/* One bit for each fd below @n_bits; the C library's fd_set ends at 1024. */
struct bits {
	size_t n_bits;
	unsigned long in[SELECT_FDS_MAX / LONG_BITS];
	unsigned long out[SELECT_FDS_MAX / LONG_BITS];
};

static bool is_in(const unsigned long *bits, int fd)
{
	return bits[(size_t)fd / LONG_BITS] >> (size_t)fd % LONG_BITS & 1;
}

static void put_in(unsigned long *bits, int fd)
{
	bits[(size_t)fd / LONG_BITS] |= 1ul << (size_t)fd % LONG_BITS;
}

/* What can be read is the end. Where more is to be read first, that is not seen yet. */
static bool is_at_end(int fd)
{
	int n_bytes = 0;
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n >= 0 || errno != ENOTSOCK)
		return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	return ioctl(fd, FIONREAD, &n_bytes) == 0 && n_bytes == 0;
}

/* One may be asked by poll(), unless the limit is 0. */
static short events_of(const struct pollfd *p, const struct bits *b)
{
	const struct timespec now = {0};
	struct pollfd one = {.fd = p->fd, .events = p->events};
	bool has_in = is_in(b->in, p->fd);

	if (ppoll(&one, 1, &now, NULL) >= 0)
		return one.revents;
	return (short)((has_in ? p->events & POLLIN : 0) |
		       (has_in && is_at_end(p->fd) ? POLLHUP : 0) |
		       (is_in(b->out, p->fd) ? p->events & POLLOUT : 0));
}

static int select_once(struct pollfd *fds, size_t n, struct bits *b, int64_t left_ns)
{
	struct timespec ts = {left_ns / 1000000000, (long)(left_ns % 1000000000)};
	int n_ready = 0;

	memset(b->in, 0, b->n_bits / 8);
	memset(b->out, 0, b->n_bits / 8);
	for (size_t i = 0; i < n; i++) {
		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		if (fcntl(fds[i].fd, F_GETFD) < 0 && errno == EBADF) {
			fds[i].revents = POLLNVAL;
			n_ready++;
			continue;
		}
		if (!(fds[i].events & POLLOUT) || fds[i].events & POLLIN)
			put_in(b->in, fds[i].fd); /* the end, too, can be read */
		if (fds[i].events & POLLOUT)
			put_in(b->out, fds[i].fd);
	}
	if (n_ready > 0)
		return n_ready;
	if (syscall(SYS_pselect6, (int)b->n_bits, b->in, b->out, NULL,
		    left_ns == INT64_MAX ? NULL : &ts, NULL) < 0)
		return errno == EINTR || errno == EBADF ? 0 : -EMFILE;
	for (size_t i = 0; i < n; i++) {
		if (fds[i].fd >= 0)
			fds[i].revents = events_of(&fds[i], b);
		n_ready += fds[i].revents != 0;
	}
	return n_ready;
}

/*
 * A process that may open no more fds than it already has (RLIMIT_NOFILE, set by a sandbox) may not
 * poll() as many as it waits for either, or a filter refuses that call. select() has no such limit.
 */
static int poll_by_select(struct pollfd *fds, size_t n, ipk_deadline deadline)
{
	const struct timespec nap = {.tv_nsec = SELECT_NAP_NS};
	struct bits b = {.n_bits = LONG_BITS};

	for (size_t i = 0; i < n; i++) {
		while (fds[i].fd >= 0 && (size_t)fds[i].fd >= b.n_bits)
			b.n_bits *= 2;
	}
	if (b.n_bits > SELECT_FDS_MAX)
		return -EMFILE;
	for (;;) {
		int64_t left_ns = ipk_deadline_left_ns(deadline);
		int r = select_once(fds, n, &b, left_ns);

		if (r != 0)
			return r < 0 ? r : 0;
		if (left_ns == 0)
			return -ETIMEDOUT;
		/* There is something to be read where only the end was waited for. */
		if (ipk_deadline_left_ns(deadline) > 0)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
}

int ipk__os_poll(struct pollfd *fds, size_t n, ipk_deadline deadline)
{
	IPK__UNCANCELLED();
	int r;

	do {
		int64_t left_ns = ipk_deadline_left_ns(deadline);
		struct timespec ts = {left_ns / 1000000000, (long)(left_ns % 1000000000)};

		r = ppoll(fds, n, left_ns == INT64_MAX ? NULL : &ts, NULL);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EINVAL || errno == ENOSYS || errno == EPERM
			       ? poll_by_select(fds, n, deadline)
			       : -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

int ipk__os_poll1(int fd, int events, ipk_deadline deadline, int *ret_events)
{
	IPK__UNCANCELLED();
	struct pollfd p = {.fd = fd};
	int r;

	p.events = (short)(((events & IPK__OS_IN) ? POLLIN : 0) |
			   ((events & IPK__OS_OUT) ? POLLOUT : 0));
	r = ipk__os_poll(&p, 1, deadline);
	if (r < 0)
		return r;
	if (p.revents & POLLNVAL)
		return -EBADF;
	if (ret_events)
		*ret_events = ((p.revents & POLLIN) ? IPK__OS_IN : 0) |
			      ((p.revents & POLLOUT) ? IPK__OS_OUT : 0) |
			      ((p.revents & (POLLHUP | POLLERR)) ? IPK__OS_HUP : 0);
	return 0;
}

int ipk__os_is_hung_up(int fd)
{
	IPK__UNCANCELLED();
	int events;
	int r = ipk__os_poll1(fd, 0, ipk_now(), &events);

	if (r == -ETIMEDOUT)
		return 0;
	return r < 0 ? r : (events & IPK__OS_HUP) != 0;
}

void ipk__os_ticker_read(int fd)
{
	struct itimerspec timer;

	/*
	 * Asking an expired timer sets it going again, as a read would. It does no harm when
	 * the program has closed our fd and the number is now another file's.
	 */
	(void)timerfd_gettime(fd, &timer);
}

static bool is_kept(int fd, const int *keep, size_t n_keep)
{
	for (size_t i = 0; i < n_keep; i++) {
		if (keep[i] == fd)
			return true;
	}
	return false;
}

/* The next fd of @keep from @from on; INT_MAX: none. */
static int next_kept(int from, const int *keep, size_t n_keep)
{
	int next = INT_MAX;

	for (size_t i = 0; i < n_keep; i++) {
		if (keep[i] >= from && keep[i] < next)
			next = keep[i];
	}
	return next;
}

/* One by one, where close_range() is refused or not there yet (Linux 5.9). */
static void close_one_by_one(int first, int last)
{
	DIR *open_fds = ipk__os_opendir(AT_FDCWD, "/proc/self/fd");
	struct dirent *e;

	if (!open_fds) {
		last = IPK__MIN(last, IPK__MIN(ipk__os_fd_limit(), FDS_TO_TRY));
		for (int fd = first; fd <= last; fd++)
			close(fd);
		return;
	}
	while ((e = readdir(open_fds))) {
		int fd = e->d_name[0] == '.' ? -1 : (int)strtol(e->d_name, NULL, 10);

		if (fd >= first && fd <= last && fd != dirfd(open_fds))
			close(fd);
	}
	closedir(open_fds);
}

/* No wrapper: the C library may be older than the kernel, and musl has none. */
static void close_all(int first, int last)
{
	if (syscall(SYS_close_range, first, last == INT_MAX ? ~0u : (unsigned)last, 0) < 0)
		close_one_by_one(first, last);
}

void ipk__os_leave_fds(const int *keep, size_t n_keep, bool keep_stderr)
{
	IPK__UNCANCELLED();
	static const char null_path[] = "/dev/null";
	int null = open(null_path, O_RDWR | O_CLOEXEC);
	int from = 3;

	for (int fd = 0; fd < (keep_stderr ? 2 : 3); fd++) {
		if (is_kept(fd, keep, n_keep) || fd == null)
			continue;
		if (null >= 0)
			(void)ipk__os_put_fd(null, fd);
		else
			close(fd); /* the reader of its other end is not delayed */
	}
	for (;;) {
		int next = next_kept(from, keep, n_keep);

		if (next > from)
			close_all(from, next == INT_MAX ? next : next - 1);
		if (next == INT_MAX)
			return;
		from = next + 1;
	}
}
