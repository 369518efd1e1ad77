/*
 * socket.c - Unix SOCK_SEQPACKET sockets: they keep packet boundaries, carry fds, and report the
 * hangup of the peer.
 *
 * Nothing here blocks; waiting is done by ipk__os_poll1(). No abstract names: those have no
 * permissions. The buffer for received fds is always sized for the maximum, and any fds beyond it
 * are closed by the kernel or here, never leaked.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define BACKLOG 64

int ipk__os_socketpair(int ret_fds[2])
{
	int fds[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return ipk__call_error(IPK__CALL_SOCKET);
	r = ipk__os_take_fds(fds, 2);
	if (r < 0)
		return r;
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

int ipk__os_check_option(int fd, int option, int wanted)
{
	int got;
	socklen_t n_bytes = sizeof got;

	/* What it is not is one thing; that it cannot be asked is another. */
	if (getsockopt(fd, SOL_SOCKET, option, &got, &n_bytes) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_OPTION) == -ENOSYS ? -ENOSYS : -EPROTO;
	return got == wanted ? 0 : -EPROTO;
}

int ipk__os_check_packet_socket(int fd)
{
	int r = ipk__os_check_option(fd, SO_DOMAIN, AF_UNIX);

	return r == 0 ? ipk__os_check_option(fd, SO_TYPE, SOCK_SEQPACKET) : r;
}

int ipk__os_socket_buffer(int fd, int n_bytes)
{
	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n_bytes, sizeof n_bytes) < 0
		       ? ipk__call_error(IPK__CALL_SOCKET_OPTION)
		       : 0;
}

void ipk__os_stop_receiving(int fd)
{
	shutdown(fd, SHUT_RD);
}

void ipk__os_hang_up(int fd)
{
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
}

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * IPK__OS_FDS_MAX)];
};

int ipk__os_send(int fd, const struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds)
{
	IPK__UNCANCELLED();
	union control control;
	struct msghdr msg = {.msg_iov = (struct iovec *)parts, .msg_iovlen = n_parts};
	ssize_t n;

	if (n_fds > IPK__OS_FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof control);
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	/* Where only that is refused: it is needed for fds. */
	if (n < 0 && (errno == ENOSYS || errno == EPERM) && n_fds == 0 && n_parts == 1)
		n = send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == ECONNRESET || errno == ENOTCONN
			       ? -EPIPE
			       : ipk__call_error(IPK__CALL_MESSAGE);
	return 0;
}

/* The fds in @msg; those there is no room for are closed. */
static size_t find_fds(struct msghdr *msg, int *ret_fds, size_t max)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (n < max)
				ret_fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

/* Nothing was received: the end of file, or a packet without a byte, which ipk never sends. */
static int why_nothing(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 0 ? -EPROTO : -EPIPE;
}

int ipk__os_recv(int fd, const struct iovec *parts, size_t n_parts, bool peek, size_t *ret_bytes,
		 int *ret_fds, size_t *ret_n_fds)
{
	IPK__UNCANCELLED();
	union control control;
	/* Without room for fds the kernel closes those that come; a peek gets copies. */
	struct msghdr msg = {.msg_iov = (struct iovec *)parts,
			     .msg_iovlen = n_parts,
			     .msg_control = ret_fds ? control.bytes : NULL,
			     .msg_controllen = ret_fds ? sizeof control.bytes : 0};
	int flags = MSG_DONTWAIT | MSG_TRUNC | (peek ? MSG_PEEK : 0);
	size_t n_fds;
	ssize_t n;
	int r;

	/*
	 * A peer that closes before it has read everything resets the connection: that is
	 * told once, ahead of what it sent and of the end of file. Those come with a retry.
	 */
	do {
		n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == ENOTCONN ? -EPIPE : ipk__call_error(IPK__CALL_MESSAGE);
	if (n == 0)
		return why_nothing(fd);
	n_fds = ret_fds ? find_fds(&msg, ret_fds, IPK__OS_FDS_MAX) : 0;
	r = ipk__os_take_fds(ret_fds, n_fds);
	if (r < 0)
		return r;
	if (ret_fds && (msg.msg_flags & MSG_CTRUNC)) {
		for (size_t i = 0; i < n_fds; i++)
			close(ret_fds[i]);
		/* More than ipk sends, or more than there are numbers for. */
		return n_fds == IPK__OS_FDS_MAX ? -EPROTO : -EMFILE;
	}
	*ret_bytes = (size_t)n;
	if (ret_n_fds)
		*ret_n_fds = n_fds;
	return 0;
}

int ipk__os_unix_address(const char *path, struct sockaddr_un *ret_address)
{
	size_t n = path ? strlen(path) : 0;

	if (n == 0 || n >= sizeof ret_address->sun_path)
		return ipk__invalid("path: 1 to 107 bytes");
	memset(ret_address, 0, sizeof *ret_address);
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path, path, n);
	return 0;
}

static int new_socket(int *ret_fd)
{
	return ipk__call_result(
		IPK__CALL_SOCKET,
		ipk__os_take_fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
				ret_fd));
}

/*
 * A socket's file gets the mode of the socket, less the umask; so no other user can connect
 * between bind() and a chmod() that would come too late. A umask that takes from the user
 * itself is set right after it.
 */
static int bind_privately(int fd, const struct sockaddr_un *address)
{
	int r = fchmod(fd, 0600) < 0 ? ipk__call_error(IPK__CALL_FCHMOD) : 0;

	if (r == 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		r = ipk__call_error(IPK__CALL_BIND);
	if (r < 0)
		return r;
	r = ipk__os_set_mode(address->sun_path, S_IFSOCK, 0600);
	if (r < 0)
		unlink(address->sun_path);
	return r;
}

/* Before the first client: whether the kernel lets us accept and ask who it is. */
static int try_what_follows(int fd)
{
	struct ucred cred;
	socklen_t n_bytes = sizeof cred;
	int peer;

	if (ipk__os_take_fd(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), &peer) == 0)
		close(peer);
	else if (ipk__call_error(IPK__CALL_ACCEPT) == -ENOSYS)
		return -ENOSYS;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n_bytes) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_OPTION);
	return 0;
}

int ipk__os_start_listening(int fd, int backlog)
{
	int r = try_what_follows(fd);

	return r == 0 && listen(fd, backlog) < 0 ? ipk__call_error(IPK__CALL_LISTEN) : r;
}

int ipk__os_listen_at(int fd, const char *path, int backlog)
{
	struct sockaddr_un addr;
	int r = ipk__os_unix_address(path, &addr);

	if (r == 0)
		r = bind_privately(fd, &addr);
	if (r < 0)
		return r;
	r = ipk__os_start_listening(fd, backlog);
	if (r < 0)
		unlink(path);
	return r;
}

int ipk__os_listen(const char *path, int *ret_fd)
{
	int fd = -1;
	int r = new_socket(&fd);

	if (r == 0)
		r = ipk__os_listen_at(fd, path, BACKLOG);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * O_NONBLOCK belongs to all who share the listener, and one of them may have cleared it. There is
 * no accept that says for itself that it does not wait.
 */
int ipk__os_accept(int fd, int *ret_fd)
{
	IPK__UNCANCELLED();
	int r;

	if (ipk__os_poll1(fd, IPK__OS_IN, ipk_now(), NULL) == -ETIMEDOUT)
		return -EAGAIN;
	/* Another may be faster. */
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 && ioctl(fd, FIONBIO, &(int){1}) < 0)
		return ipk__call_error(IPK__CALL_SETFL);
	do {
		r = ipk__os_take_fd(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), ret_fd);
	} while (r == -EINTR || r == -ECONNABORTED);
	return r;
}

int ipk__os_connect(const char *path, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct sockaddr_un addr;
	int fd = -1;
	int r = ipk__os_unix_address(path, &addr);

	if (r == 0)
		r = new_socket(&fd);
	if (r == 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		r = errno == EPROTOTYPE ? -EPROTO : ipk__call_error(IPK__CALL_CONNECT);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_peer(int fd, pid_t *ret_pid, uid_t *ret_uid)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_OPTION);
	*ret_pid = cred.pid;
	*ret_uid = cred.uid;
	return 0;
}

int ipk__os_directory_is_private(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() && (st.st_mode & 0077) == 0 ? 0 : -EACCES;
}

int ipk__os_is_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	return S_ISSOCK(st.st_mode) ? 1 : 0;
}

int ipk__os_unlink(const char *path)
{
	return unlink(path) < 0 ? -errno : 0;
}

int ipk__os_lock_directory(const char *path, int *ret_fd)
{
	IPK__UNCANCELLED();
	int fd;
	int r = ipk__os_take_fd(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &fd);

	if (r < 0)
		return r;
	r = ipk__os_lock_file(fd, IPK__OS_ALONE);
	if (r < 0) {
		close(fd);
		return r == -EAGAIN ? -EADDRINUSE : r;
	}
	*ret_fd = fd;
	return 0;
}
