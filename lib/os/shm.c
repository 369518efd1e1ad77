/*
 * shm.c - names in /dev/shm (librt).
 *
 * A file is created nameless (O_TMPFILE), filled, and only then linked under its name: no process
 * sees a partial one, and a creator that is killed leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define SHM_DIR "/dev/shm"

static void shm_path(const char *name, char *path, size_t path_bytes)
{
	snprintf(path, path_bytes, SHM_DIR "/%s", name);
}

int ipk__os_shm_temp(int *ret_fd)
{
	IPK__UNCANCELLED();
	int fd;
	int r = ipk__os_take_fd(open(SHM_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), &fd);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EOPNOTSUPP
			       ? ipk__refused(IPK__CALL_SHM)
			       : ipk__call_result(IPK__CALL_TMPFILE, r);
	/* The umask may have taken from that. */
	if (fchmod(fd, 0600) < 0) {
		r = ipk__call_error(IPK__CALL_FCHMOD);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_shm_link(int fd, const char *name)
{
	char from[64];
	char to[300];

	snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	shm_path(name, to, sizeof to);
	if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return ipk__call_error(IPK__CALL_LINK);
	/* No /proc: newer kernels do it without for the process that opened it, older ones for
	 * root. */
	if (linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH) == 0)
		return 0;
	return errno == ENOENT ? ipk__refused(IPK__CALL_PROC) : -errno;
}

/*
 * Whether what has a name may be opened by it. A second name was made by a process that wanted
 * a file of ours to be taken for another one; a file without a name has just lost it.
 */
static int judge(const struct stat *st, mode_t type)
{
	if (st->st_uid != geteuid())
		return -EACCES;
	if ((st->st_mode & S_IFMT) != type)
		return -EPROTO;
	return st->st_nlink > 1 ? -EACCES : 0;
}

/* Why @name could not be opened, of what the kernel has many words for: links, sockets, ... */
static int what_is_there(const char *name, mode_t type, int error)
{
	char path[300];
	struct stat st;
	int r;

	if (error == -ENOENT || error == -EMFILE || error == -ENFILE || error == -ENOMEM)
		return error;
	shm_path(name, path, sizeof path);
	r = lstat(path, &st) < 0 ? -errno : judge(&st, type);
	if (r < 0)
		return r;
	/* Somebody has a lease on it (F_SETLEASE), for which we would have to wait. */
	return error == -EAGAIN ? -EBUSY : error;
}

static int open_name(const char *name, int flags, int *ret_fd)
{
	/* shm_open() adds O_CLOEXEC and O_NOFOLLOW. A FIFO in its place must not block us. */
	struct stat st;
	int fd;
	int r = ipk__os_take_fd(shm_open(name, flags | O_NONBLOCK, 0), &fd);

	if (r < 0)
		return what_is_there(name, S_IFREG, r);
	r = fstat(fd, &st) < 0 ? -errno : judge(&st, S_IFREG);
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

int ipk__os_shm_open(const char *name, int *ret_fd)
{
	IPK__UNCANCELLED();
	return open_name(name, O_RDWR, ret_fd);
}

int ipk__os_shm_open_to_read(const char *name, int *ret_fd)
{
	IPK__UNCANCELLED();
	return open_name(name, O_RDONLY, ret_fd);
}

int ipk__os_shm_rename(const char *name, const char *to)
{
	char from_path[300];
	char to_path[300];

	shm_path(name, from_path, sizeof from_path);
	shm_path(to, to_path, sizeof to_path);
	if (rename(from_path, to_path) == 0)
		return 0;
	/* EPERM is what it is where others' files are, too. */
	return errno == ENOSYS ? ipk__refused(IPK__CALL_RENAME) : -errno;
}

int ipk__os_shm_stat(const char *name, struct ipk__os_stat *ret_stat)
{
	char path[300];
	struct stat st;

	shm_path(name, path, sizeof path);
	if (lstat(path, &st) < 0)
		return -errno;
	ipk__os_fill_stat(&st, ret_stat);
	return 0;
}

int ipk__os_shm_unlink(const char *name)
{
	IPK__UNCANCELLED();
	char path[300];
	struct stat st;

	shm_path(name, path, sizeof path);
	if (lstat(path, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -EACCES;
	return S_ISDIR(st.st_mode) ? -EPROTO : shm_unlink(name) < 0 ? -errno : 0;
}

static int make_fifo(const char *path)
{
	if (mkfifo(path, 0600) < 0)
		return errno == EEXIST ? 0 : ipk__call_error(IPK__CALL_FIFO);
	return ipk__os_set_mode(path, S_IFIFO, 0600); /* whatever the umask */
}

int ipk__os_shm_fifo(const char *name, bool make, int *ret_fd)
{
	IPK__UNCANCELLED();
	char path[300];
	struct stat st;
	int fd, r;

	shm_path(name, path, sizeof path);
	r = make ? make_fifo(path) : 0;
	if (r < 0)
		return r;
	r = ipk__os_take_fd(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW), &fd);
	if (r < 0)
		return what_is_there(name, S_IFIFO, r);
	r = fstat(fd, &st) < 0 ? -errno : judge(&st, S_IFIFO);
	/* Another user who may read it takes the rings away. */
	if (r == 0 && (st.st_mode & 077) != 0)
		r = -EACCES;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}
