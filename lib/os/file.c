/* file.c - files on disk: the log of a manager. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/uncancelled.h"

/* A file that was just made has what the umask left of its mode, which may be too little. */
static int give_mode(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > 0 || st.st_uid != geteuid() || (st.st_mode & 0600) == 0600)
		return 0;
	return fchmod(fd, (st.st_mode & 07777) | 0600) < 0 ? ipk__call_error(IPK__CALL_FCHMOD) : 0;
}

int ipk__os_file_open(const char *path, int flags, int *ret_fd)
{
	IPK__UNCANCELLED();
	int how = O_RDWR | O_NOFOLLOW | (flags & IPK__OS_CREATE ? O_CREAT : 0) |
		  (flags & IPK__OS_EXCLUSIVE ? O_EXCL : 0) |
		  (flags & IPK__OS_APPEND ? O_APPEND : 0) |
		  (flags & IPK__OS_TRUNCATE ? O_TRUNC : 0);

	int fd = -1;
	int r = ipk__os_take_fd(open(path, how | O_CLOEXEC, 0600), &fd);

	if (r == 0 && (flags & IPK__OS_CREATE))
		r = give_mode(fd);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_file_open_to_read(const char *path, int *ret_fd)
{
	IPK__UNCANCELLED();
	return ipk__os_take_fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), ret_fd);
}

static int may_append(int fd, size_t n_bytes)
{
	struct stat st;

	if (ipk__os_may_write_to(n_bytes) == 0 && fstat(fd, &st) == 0)
		return ipk__os_may_write_to((uint64_t)st.st_size + n_bytes);
	return ipk__os_may_write_to(n_bytes);
}

int ipk__os_file_write(int fd, const void *data, size_t n_bytes, size_t *ret_bytes)
{
	IPK__UNCANCELLED();
	const char *p = data;
	int r = may_append(fd, n_bytes);

	*ret_bytes = 0;
	if (r < 0)
		return r;
	while (*ret_bytes < n_bytes) {
		ssize_t n = write(fd, p + *ret_bytes, n_bytes - *ret_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		*ret_bytes += (size_t)n;
	}
	return 0;
}

int ipk__os_file_truncate(int fd, uint64_t n_bytes)
{
	int r = ipk__os_may_grow_to(fd, n_bytes);

	if (r < 0)
		return r;
	return ftruncate(fd, (off_t)n_bytes) < 0 ? ipk__call_error(IPK__CALL_FTRUNCATE) : 0;
}

int ipk__os_file_reserve(int fd, uint64_t n_bytes)
{
	IPK__UNCANCELLED();
	struct stat st;
	int r = ipk__os_may_write_to(n_bytes);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (n_bytes <= (uint64_t)st.st_size)
		return 0;
	while (fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size, (off_t)n_bytes - st.st_size) < 0) {
		if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EPERM)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int ipk__os_file_sync(int fd)
{
	IPK__UNCANCELLED();
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* So that the new name is on disk too. */
static int sync_directory_of(const char *path)
{
	char *copy = strdup(path);
	int fd;
	int r = copy ? ipk__os_take_fd(open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), &fd)
		     : -ENOMEM;

	free(copy);
	if (r < 0)
		return r;
	r = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
	close(fd);
	return r;
}

int ipk__os_file_rename(const char *from, const char *to)
{
	IPK__UNCANCELLED();
	if (rename(from, to) < 0)
		return errno == ENOSYS ? ipk__refused(IPK__CALL_RENAME) : -errno;
	return sync_directory_of(to);
}

int64_t ipk__os_unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Where getrandom() is refused. */
static int read_urandom(void *buf, size_t n_bytes)
{
	size_t n_done = 0;
	int fd;
	int r = ipk__os_file_open_to_read("/dev/urandom", &fd);

	if (r < 0)
		return r;
	while (r == 0 && n_done < n_bytes) {
		ssize_t n = read(fd, (char *)buf + n_done, n_bytes - n_done);

		if (n > 0)
			n_done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			r = n < 0 ? -errno : -EIO;
	}
	ipk__os_close(fd);
	return r;
}

int ipk__os_random(void *buf, size_t n_bytes)
{
	char *p = buf;

	while (n_bytes > 0) {
		ssize_t n = getrandom(p, n_bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSYS || errno == EPERM))
			return read_urandom(p, n_bytes);
		if (n < 0)
			return -errno;
		p += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

int64_t ipk__os_cpu_time_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

int ipk__os_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)limit.rlim_cur;
}
