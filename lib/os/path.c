/*
 * path.c - file names that outlive the call that passed them.
 *
 * A program may change its working directory, and another file may be put under a name: so names
 * are made absolute when they are passed, and a file that we may remove is identified by device and
 * inode. The name can still change between the check and the removal; but a user with the right to
 * do that in the directory may remove anything there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

int ipk__os_absolute(const char *path, char *buf, size_t buf_bytes)
{
	size_t n_path = strlen(path);
	size_t n = 0;

	if (path[0] != '/') {
		if (!getcwd(buf, buf_bytes))
			return errno == ERANGE ? -ENAMETOOLONG : -errno;
		n = strlen(buf);
		if (buf[n - 1] != '/' && n + 1 < buf_bytes)
			buf[n++] = '/';
	}
	if (n_path >= buf_bytes - n)
		return -ENAMETOOLONG;
	memcpy(buf + n, path, n_path + 1);
	return 0;
}

int ipk__os_path_stat(const char *path, struct ipk__os_stat *ret_stat)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	ipk__os_fill_stat(&st, ret_stat);
	return 0;
}

int ipk__os_set_mode(const char *path, unsigned type, unsigned mode)
{
	IPK__UNCANCELLED();
	char handle[64];
	struct stat st;
	int fd;
	int r;

	if (lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && (st.st_mode & 0777) == mode)
		return 0;
	/* By a handle: the file that was looked at is the one that is changed. */
	r = ipk__os_take_fd(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), &fd);
	if (r < 0)
		return r;
	snprintf(handle, sizeof handle, "/proc/self/fd/%d", fd);
	r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid()))
		r = -EACCES;
	if (r == 0 && chmod(handle, mode) < 0)
		r = ipk__call_error(IPK__CALL_FCHMOD);
	close(fd);
	return r;
}

static bool is_same(const struct ipk__os_stat *a, const struct ipk__os_stat *b)
{
	return a->device == b->device && a->inode == b->inode && a->uid == b->uid &&
	       (a->mode & S_IFMT) == (b->mode & S_IFMT);
}

int ipk__os_unlink_if(const char *path, const struct ipk__os_stat *made)
{
	struct ipk__os_stat now = {0};
	int r = ipk__os_path_stat(path, &now);

	if (r == 0 && !is_same(&now, made))
		r = -ESTALE;
	return r < 0 ? r : ipk__os_unlink(path);
}
