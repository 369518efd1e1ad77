/*
 * mq.c - POSIX message queues (librt). Opened non-blocking: waiting is done by poll() with
 * a monotonic deadline, since mq_timedsend() and mq_timedreceive() follow the wall clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>

#include "os/os.h"

#define DEFAULT_MAX_ITEMS 10
#define DEFAULT_MESSAGE_BYTES 8192

/* The kernel says EINVAL for sizes over its limits and EMFILE over RLIMIT_MSGQUEUE. */
static int create_error(int err)
{
	int fd;

	if (err == EINVAL)
		return -ENOSPC;
	if (err == EMFILE && ipk__os_eventfd(&fd) == 0) {
		ipk__os_close(fd);
		return -ENOSPC;
	}
	return -err;
}

int ipk__os_mq_create(const char *name, uint32_t max_items, size_t message_bytes, int *ret_fd)
{
	struct mq_attr attr = {
		.mq_maxmsg = max_items ? (long)max_items : DEFAULT_MAX_ITEMS,
		.mq_msgsize = message_bytes ? (long)message_bytes : DEFAULT_MESSAGE_BYTES,
	};
	mqd_t mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &attr);

	if (mq == (mqd_t)-1)
		return create_error(errno);
	*ret_fd = (int)mq;
	return 0;
}

int ipk__os_mq_open(const char *name, int *ret_fd)
{
	mqd_t mq = mq_open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (mq == (mqd_t)-1)
		return -errno;
	*ret_fd = (int)mq;
	return 0;
}

void ipk__os_mq_close(int fd)
{
	if (fd >= 0)
		mq_close((mqd_t)fd);
}

int ipk__os_mq_unlink(const char *name)
{
	return mq_unlink(name) < 0 ? -errno : 0;
}

int ipk__os_mq_stat(int fd, size_t *ret_max_items, size_t *ret_message_bytes, size_t *ret_n_items)
{
	struct mq_attr attr;

	if (mq_getattr((mqd_t)fd, &attr) < 0)
		return -errno;
	*ret_max_items = (size_t)attr.mq_maxmsg;
	*ret_message_bytes = (size_t)attr.mq_msgsize;
	*ret_n_items = (size_t)attr.mq_curmsgs;
	return 0;
}

int ipk__os_mq_send(int fd, const void *data, size_t len_bytes, unsigned priority)
{
	int r;

	do {
		r = mq_send((mqd_t)fd, data, len_bytes, priority) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r;
}

int ipk__os_mq_receive(int fd, void *buf, size_t buf_bytes, size_t *ret_len_bytes)
{
	ssize_t n;

	do {
		n = mq_receive((mqd_t)fd, buf, buf_bytes, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_len_bytes = (size_t)n;
	return 0;
}
