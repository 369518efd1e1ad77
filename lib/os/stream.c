/*
 * stream.c - stream sockets, Unix and TCP.
 *
 * All are non-blocking. No abstract names: those have no permissions.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define BACKLOG 511
#define KEEPALIVE_IDLE_S 300

static int new_socket(int family, int *ret_fd)
{
	return ipk__call_result(
		IPK__CALL_SOCKET,
		ipk__os_take_fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
				ret_fd));
}

int ipk__os_stream_listen(const char *path, int *ret_fd)
{
	int fd = -1;
	int r = new_socket(AF_UNIX, &fd);

	if (r == 0)
		r = ipk__os_listen_at(fd, path, BACKLOG);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_stream_connect(const char *path, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct sockaddr_un addr;
	int fd = -1;
	int r = ipk__os_unix_address(path, &addr);

	if (r == 0)
		r = new_socket(AF_UNIX, &fd);
	if (r == 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		r = errno == EPROTOTYPE ? -EPROTO : ipk__call_error(IPK__CALL_CONNECT);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* --- TCP -------------------------------------------------------------------------------------- */

static int look_up(const char *host, const char *port, int flags, struct addrinfo **ret_list)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = flags | AI_NUMERICSERV};
	int r = getaddrinfo(host && host[0] ? host : "127.0.0.1", port, &hints, ret_list);

	if (r == 0)
		return 0;
	if (r == EAI_SYSTEM)
		return -errno;
	return r == EAI_MEMORY    ? -ENOMEM
	       : r == EAI_SERVICE ? ipk__invalid("address: no such port")
				  : -EHOSTUNREACH;
}

static void tune(int fd)
{
	int on = 1;
	int idle_s = KEEPALIVE_IDLE_S;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
}

static int listen_at(const struct addrinfo *ai, int *ret_fd)
{
	int on = 1;
	int fd = -1;
	int r = new_socket(ai->ai_family, &fd);

	if (r < 0)
		return r;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	r = bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ? ipk__call_error(IPK__CALL_BIND)
						      : ipk__os_start_listening(fd, BACKLOG);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_tcp_listen(const char *host, const char *port, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct addrinfo *list;
	int r = look_up(host, port, AI_PASSIVE, &list);

	if (r < 0)
		return r;
	r = listen_at(list, ret_fd);
	freeaddrinfo(list);
	return r;
}

static int connect_to(const struct addrinfo *ai, ipk_deadline deadline, int *ret_fd)
{
	int error = 0;
	socklen_t n = sizeof error;
	int fd = -1;
	int r = new_socket(ai->ai_family, &fd);

	if (r < 0)
		return r;
	r = connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 ? -errno : 0;
	if (r == -EINPROGRESS) {
		r = ipk__os_poll1(fd, IPK__OS_OUT, deadline, NULL);
		if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0)
			r = -error;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	tune(fd);
	*ret_fd = fd;
	return 0;
}

int ipk__os_tcp_connect(const char *host, const char *port, ipk_deadline deadline, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct addrinfo *list;
	int r = look_up(host, port, 0, &list);

	if (r < 0)
		return r;
	r = -EHOSTUNREACH;
	for (struct addrinfo *ai = list; ai && r < 0 && r != -ETIMEDOUT; ai = ai->ai_next)
		r = connect_to(ai, deadline, ret_fd);
	freeaddrinfo(list);
	return r;
}

int ipk__os_tcp_port(int fd, int *ret_port)
{
	struct sockaddr_storage addr = {0};
	socklen_t n = sizeof addr;

	if (getsockname(fd, (struct sockaddr *)&addr, &n) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_NAME);
	if (addr.ss_family == AF_INET)
		*ret_port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
	else if (addr.ss_family == AF_INET6)
		*ret_port = ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
	else
		return -EINVAL;
	return 0;
}

static bool is_loopback(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr) >> 24 == 127;
	return addr->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

int ipk__os_tcp_is_loopback(const char *host)
{
	IPK__UNCANCELLED();
	struct addrinfo *list;
	int r = look_up(host, "0", 0, &list);

	if (r < 0)
		return r;
	r = 1;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
		r = r && is_loopback(ai->ai_addr);
	freeaddrinfo(list);
	return r;
}

int ipk__os_stream_accept(int fd, bool is_tcp, int *ret_fd)
{
	int peer;
	int r = ipk__os_accept(fd, &peer);

	if (r < 0)
		return r;
	if (is_tcp)
		tune(peer);
	*ret_fd = peer;
	return 0;
}

void ipk__os_stream_peer_name(int fd, char *buf, size_t buf_bytes)
{
	struct sockaddr_storage addr = {0};
	socklen_t n = sizeof addr;
	char host[INET6_ADDRSTRLEN] = "?";
	pid_t pid = 0;
	uid_t uid;

	if (getpeername(fd, (struct sockaddr *)&addr, &n) < 0)
		addr.ss_family = AF_UNSPEC;
	if (addr.ss_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&addr;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(buf, buf_bytes, "%s:%u", host, ntohs(in->sin_port));
	} else if (addr.ss_family == AF_INET6) {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)&addr;

		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
		snprintf(buf, buf_bytes, "[%s]:%u", host, ntohs(in->sin6_port));
	} else if (addr.ss_family == AF_UNIX && ipk__os_peer(fd, &pid, &uid) == 0) {
		snprintf(buf, buf_bytes, "unix:%d", (int)pid);
	} else {
		snprintf(buf, buf_bytes, "?");
	}
}

/* --- bytes and fds ---------------------------------------------------------------------------- */

static int gone_or(int error)
{
	return error == ECONNRESET || error == ENOTCONN || error == ETIMEDOUT ? -EPIPE : -error;
}

int ipk__os_stream_read(int fd, void *buf, size_t n_bytes, size_t *ret_bytes)
{
	IPK__UNCANCELLED();
	ssize_t n;

	do {
		n = recv(fd, buf, n_bytes, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? -EPIPE : gone_or(errno);
	*ret_bytes = (size_t)n;
	return 0;
}

static ssize_t send_one(int fd, const struct iovec *part)
{
	return send(fd, part->iov_base, part->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int ipk__os_stream_write(int fd, const struct iovec *parts, size_t n_parts, size_t *ret_bytes)
{
	IPK__UNCANCELLED();
	struct msghdr msg = {.msg_iov = (struct iovec *)parts, .msg_iovlen = n_parts};
	ssize_t n;

	do {
		n = n_parts == 1 ? send_one(fd, parts)
				 : sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	/* Where only sendmsg() is refused: a part of it, which the caller continues. */
	if (n < 0 && n_parts > 1 && (errno == ENOSYS || errno == EPERM))
		n = send_one(fd, parts);
	if (n < 0)
		return gone_or(errno);
	*ret_bytes = (size_t)n;
	return 0;
}

void ipk__os_stream_end(int fd)
{
	shutdown(fd, SHUT_WR);
}

int ipk__os_stream_read_fds(int fd, void *buf, size_t n_bytes, size_t *ret_bytes, int *ret_fds,
			    size_t *ret_n_fds)
{
	struct iovec part = {buf, n_bytes};

	return ipk__os_recv(fd, &part, 1, false, ret_bytes, ret_fds, ret_n_fds);
}

int ipk__os_stream_write_fds(int fd, const void *data, size_t n_bytes, const int *fds, size_t n_fds,
			     size_t *ret_bytes)
{
	struct iovec part = {(void *)data, n_bytes};
	int r = ipk__os_send(fd, &part, 1, fds, n_fds);

	/* A stream takes the first bytes with the fds at once, if any; short packets fit. */
	if (r == 0)
		*ret_bytes = n_bytes;
	return r;
}

int ipk__os_peer_ids(int fd, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return ipk__call_error(IPK__CALL_SOCKET_OPTION);
	*ret_pid = cred.pid;
	*ret_uid = cred.uid;
	*ret_gid = cred.gid;
	return 0;
}

int ipk__os_temp_directory(char *buf, size_t buf_bytes)
{
	const char *base = secure_getenv("XDG_RUNTIME_DIR");

	/* The whole path of a socket in it must fit into a socket's address. */
	if (!base || base[0] != '/' || strlen(base) > 60 || access(base, W_OK) < 0)
		base = "/tmp";
	if ((size_t)snprintf(buf, buf_bytes, "%s/ipk-XXXXXX", base) >= buf_bytes)
		return -EINVAL;
	return mkdtemp(buf) ? ipk__os_set_mode(buf, S_IFDIR, 0700) : -errno;
}

void ipk__os_rmdir(const char *path)
{
	rmdir(path);
}
