/*
 * mq.c - POSIX message queues (librt). Waiting uses poll() with a monotonic deadline, since
 * mq_timedsend() and mq_timedreceive() follow the wall clock. They are called with a time in the
 * past: O_NONBLOCK is shared by all users of the fd, who may clear it.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/uncancelled.h"

#define DEFAULT_MAX_ITEMS 10
#define DEFAULT_MESSAGE_BYTES 8192

static const struct timespec long_ago;

/* The kernel says EINVAL for sizes over its limits and EMFILE over RLIMIT_MSGQUEUE. */
static int create_error(int err)
{
	int fd;

	if (err == EINVAL)
		return -ENOSPC;
	if (err == EMFILE && ipk__os_doorbell_open(&fd) == 0) {
		ipk__os_close(fd);
		return -ENOSPC;
	}
	return ipk__call_result(IPK__CALL_MQ, -err);
}

int ipk__os_mq_create(const char *name, uint32_t max_items, size_t message_bytes, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct mq_attr attr = {
		.mq_maxmsg = max_items ? (long)max_items : DEFAULT_MAX_ITEMS,
		.mq_msgsize = message_bytes ? (long)message_bytes : DEFAULT_MESSAGE_BYTES,
	};
	/* On Linux an mqd_t is an fd. */
	int fd;
	int r = ipk__os_take_fd(
		(int)mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &attr),
		&fd);

	if (r < 0)
		return create_error(-r);
	/* The umask may have taken from that. */
	if (fchmod(fd, 0600) < 0) {
		r = ipk__call_error(IPK__CALL_FCHMOD);
		mq_close((mqd_t)fd);
		mq_unlink(name);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_mq_open(const char *name, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct stat st;
	int fd;
	int r = ipk__os_take_fd((int)mq_open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC), &fd);

	if (r < 0)
		return ipk__call_result(IPK__CALL_MQ, r);
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		r = -EACCES;
	if (r < 0)
		mq_close((mqd_t)fd);
	else
		*ret_fd = fd;
	return r;
}

void ipk__os_mq_close(int fd)
{
	IPK__UNCANCELLED();
	if (fd >= 0)
		mq_close((mqd_t)fd);
}

/* Whether the queue is another user's; of one that may not be looked at the kernel decides. */
static bool is_foreign(const char *name)
{
	struct stat st = {.st_uid = geteuid()};
	int fd;

	if (ipk__os_take_fd((int)mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC), &fd) < 0)
		return false;
	if (fstat(fd, &st) < 0)
		st.st_uid = geteuid();
	mq_close((mqd_t)fd);
	return st.st_uid != geteuid();
}

int ipk__os_mq_unlink(const char *name)
{
	IPK__UNCANCELLED();
	if (is_foreign(name))
		return -EACCES;
	if (mq_unlink(name) == 0)
		return 0;
	return errno == EPERM ? -EACCES : -errno;
}

int ipk__os_mq_stat(int fd, size_t *ret_max_items, size_t *ret_message_bytes, size_t *ret_n_items)
{
	IPK__UNCANCELLED();
	struct mq_attr attr;

	if (mq_getattr((mqd_t)fd, &attr) < 0)
		return -errno;
	*ret_max_items = (size_t)attr.mq_maxmsg;
	*ret_message_bytes = (size_t)attr.mq_msgsize;
	*ret_n_items = (size_t)attr.mq_curmsgs;
	return 0;
}

static int transfer_error(void)
{
	return errno == ETIMEDOUT ? -EAGAIN : -errno;
}

int ipk__os_mq_send(int fd, const void *data, size_t len_bytes, unsigned priority)
{
	IPK__UNCANCELLED();
	int r;

	do {
		r = mq_timedsend((mqd_t)fd, data, len_bytes, priority, &long_ago) < 0
			    ? transfer_error()
			    : 0;
	} while (r == -EINTR);
	return r;
}

int ipk__os_mq_receive(int fd, void *buf, size_t buf_bytes, size_t *ret_len_bytes)
{
	IPK__UNCANCELLED();
	ssize_t n;

	do {
		n = mq_timedreceive((mqd_t)fd, buf, buf_bytes, NULL, &long_ago);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return transfer_error();
	*ret_len_bytes = (size_t)n;
	return 0;
}
