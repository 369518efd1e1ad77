/*
 * doorbell.c - doorbells: an fd that processes share, poll, and make readable for each other.
 *
 * A doorbell is a datagram socket connected to itself. Any process with a copy may clear its flags,
 * fill it, or shut it down, and must neither block nor kill us that way: so each call is
 * non-blocking by itself (MSG_DONTWAIT; O_NONBLOCK is shared by all copies of the socket) and
 * raises no signal (MSG_NOSIGNAL), and fails at once on an fd that is no socket. An eventfd has no
 * such calls.
 *
 * Connected to itself it accepts nothing from others. The kernel chooses the address that this
 * needs, and it gives no access.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define BUFFER_BYTES 4096 /* doubled by the kernel: two dozen rings */
#define DRAIN_AT_ONCE 32  /* more than fit */
#define FIFO_BYTES 65536  /* its capacity, unless others made it larger */

static int connect_to_itself(int fd)
{
	struct sockaddr_un self = {.sun_family = AF_UNIX};
	socklen_t n_bytes = sizeof self;
	int buffer_bytes = BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_OPTION);
	/* Without a name it gets one from the kernel. */
	if (bind(fd, (struct sockaddr *)&self, offsetof(struct sockaddr_un, sun_path)) < 0)
		return ipk__call_error(IPK__CALL_BIND);
	if (getsockname(fd, (struct sockaddr *)&self, &n_bytes) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_NAME);
	if (connect(fd, (struct sockaddr *)&self, n_bytes) < 0)
		return ipk__call_error(IPK__CALL_CONNECT);
	return 0;
}

int ipk__os_doorbell_open(int *ret_fd)
{
	IPK__UNCANCELLED();
	int fd;
	int r = ipk__os_take_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), &fd);

	if (r < 0)
		return ipk__call_result(IPK__CALL_SOCKET, r);
	r = connect_to_itself(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_doorbell_check(int fd)
{
	struct sockaddr_un self;
	struct sockaddr_un peer;
	socklen_t self_bytes = sizeof self;
	socklen_t peer_bytes = sizeof peer;
	int r = ipk__os_check_option(fd, SO_DOMAIN, AF_UNIX);

	if (r == 0)
		r = ipk__os_check_option(fd, SO_TYPE, SOCK_DGRAM);
	if (r < 0)
		return r;
	if (getsockname(fd, (struct sockaddr *)&self, &self_bytes) < 0 ||
	    getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_NAME) == -ENOSYS ? -ENOSYS : -EPROTO;
	return self_bytes > offsetof(struct sockaddr_un, sun_path) && self_bytes == peer_bytes &&
			       memcmp(&self, &peer, self_bytes) == 0
		       ? 0
		       : -EPROTO;
}

static int ring(int fd)
{
	ssize_t n;

	do {
		n = send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

void ipk__os_doorbell(int fd)
{
	IPK__UNCANCELLED();
	/* One that is never drained is full: make room, so that there is an edge again. */
	if (ring(fd) == -EAGAIN) {
		ipk__os_doorbell_drain(fd);
		(void)ring(fd);
	}
}

/* Where recvmmsg() is refused. */
static int drain_one_by_one(int fd)
{
	int n = 0;
	char byte;

	while (n < DRAIN_AT_ONCE && recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
		n++;
	return n;
}

bool ipk__os_doorbell_drain(int fd)
{
	IPK__UNCANCELLED();
	struct mmsghdr rings[DRAIN_AT_ONCE];
	int n;

	/* Their bytes do not matter, and fds have no room to come in. */
	memset(rings, 0, sizeof rings);
	n = recvmmsg(fd, rings, DRAIN_AT_ONCE, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
	if (n < 0 && (errno == ENOSYS || errno == EPERM))
		n = drain_one_by_one(fd);
	return n > 0;
}

/*
 * A FIFO's O_NONBLOCK belongs to all who share the open file, too. vmsplice() and splice() say for
 * themselves that they do not wait; where they are refused there is only write().
 */
static int ring_fifo(int fd)
{
	static const char byte;
	struct iovec part = {(void *)&byte, 1};
	ssize_t n = vmsplice(fd, &part, 1, SPLICE_F_NONBLOCK);

	if (n < 0 && (errno == ENOSYS || errno == EPERM))
		n = write(fd, &byte, 1);
	return n < 0 ? -errno : 0;
}

static void make_room(int fd)
{
	int away[2];

	if (pipe2(away, O_CLOEXEC | O_NONBLOCK) < 0 || ipk__os_take_fds(away, 2) < 0)
		return;
	(void)!splice(fd, NULL, away[1], NULL, FIFO_BYTES, SPLICE_F_NONBLOCK);
	close(away[0]);
	close(away[1]);
}

void ipk__os_doorbell_fifo(int fd)
{
	IPK__UNCANCELLED();
	if (ring_fifo(fd) == -EAGAIN) {
		make_room(fd);
		(void)ring_fifo(fd);
	}
}
