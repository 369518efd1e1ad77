/*
 * listener.c - pipes between unrelated processes.
 *
 * They meet at a Unix socket in a directory that only their user can enter; the kernel gives each
 * the other's credentials. The caller sends a hello, the listener creates the pipe's parts and
 * sends the caller's share with its welcome; the connection itself becomes the side socket of the
 * pipe. Everything is validated before use, and a peer that violates the protocol is rejected.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

/* A caller sends its hello at once; one that does not is stopped, or not an ipk caller. */
#define HELLO_NS ((int64_t)1000000000)
/*
 * How long one caller is read before the next is accepted: hellos may be a moment late. The more
 * callers are silent the shorter, so that many silent ones take little time of those behind them;
 * each has been read for about as long when it is evicted.
 */
#define GRACE_NS ((int64_t)50000000)
/* Listeners that are just starting in the same directory are done within microseconds. */
#define LOCK_TRIES 100
#define LOCK_RETRY_NS 1000000
#define CALLERS_MAX 16
#define CALLS_AGAIN 3

struct ipk_listener {
	int fd;
	pid_t owner_pid;
	ipk_pipe_opts opts;
	char label[IPK__NAME_MAX + 1];
	char path[IPK__OS_PATH_BYTES]; /* absolute */
	struct ipk__os_stat made;      /* what is there is removed only if it is this */
};

/* --- listening -------------------------------------------------------------------------------- */

static int directory_of(const char *path, char *dir, size_t dir_bytes)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (strlen(path) >= dir_bytes)
		return ipk__invalid("path: 1 to 107 bytes");
	if (!slash) {
		memcpy(dir, ".", 2);
	} else {
		memcpy(dir, path, n + (n == 0));
		dir[n + (n == 0)] = '\0';
	}
	return 0;
}

/* Nobody may be listening at what is there, and it must be a socket: then remove it. */
static int remove_stale(const char *path)
{
	struct ipk__os_stat there;
	int fd;
	int r = ipk__os_is_socket(path);

	if (r == 1)
		r = ipk__os_path_stat(path, &there);
	else if (r == 0)
		r = -EEXIST;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = ipk__os_connect(path, &fd);
	if (r == 0)
		ipk__os_close(fd);
	return r == -ECONNREFUSED ? ipk__os_unlink_if(path, &there) : -EADDRINUSE;
}

static int lock_directory(const char *dir, int *ret_fd)
{
	int r = ipk__os_lock_directory(dir, ret_fd);

	for (int i = 0; r == -EADDRINUSE && i < LOCK_TRIES; i++) {
		ipk__os_poll(NULL, 0, ipk_in_ns(LOCK_RETRY_NS));
		r = ipk__os_lock_directory(dir, ret_fd);
	}
	return r;
}

int ipk__pipe_listen_at(const char *path, int (*listen)(const char *path, int *ret_fd), int *ret_fd,
			struct ipk__os_stat *ret_made)
{
	char dir[108];
	int lock_fd = -1;
	int fd;
	int r = directory_of(path, dir, sizeof dir);

	if (r == 0)
		r = ipk__os_directory_is_private(dir);
	if (r == 0)
		r = lock_directory(dir, &lock_fd);
	if (r < 0)
		return r;
	r = remove_stale(path);
	if (r == 0)
		r = listen(path, &fd);
	if (r == 0) {
		r = ipk__os_path_stat(path, ret_made);
		if (r < 0)
			ipk__os_close(fd);
		else
			*ret_fd = fd;
	}
	ipk__os_close(lock_fd);
	return r;
}

int ipk_listener_create(const char *path, const ipk_pipe_opts *opts, ipk_listener **ret_listener)
{
	ipk_pipe_opts o;
	ipk_listener *l;
	int r = path && path[0] && ret_listener
			? 0
			: ipk__invalid("path or ret_listener is NULL, or path empty");

	if (r == 0)
		r = ipk__pipe_resolve_opts(opts, &o);
	if (r < 0)
		return r;
	l = ipk__os_calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	r = ipk__os_absolute(path, l->path, sizeof l->path);
	if (r == 0)
		r = ipk__pipe_listen_at(path, ipk__os_listen, &l->fd, &l->made);
	if (r < 0) {
		free(l);
		return r;
	}
	l->opts = o;
	strcpy(l->label, o.label);
	l->opts.label = l->label;
	l->owner_pid = ipk__os_pid();
	*ret_listener = l;
	return 0;
}

int ipk_listener_fd(const ipk_listener *l, int *ret_fd)
{
	if (!l || !ret_fd)
		return l ? ipk__invalid("ret_fd is NULL") : -EBADF;
	*ret_fd = l->fd;
	return 0;
}

ipk_listener *ipk_listener_close(ipk_listener *l)
{
	if (!l)
		return NULL;
	ipk__os_close(l->fd);
	if (l->owner_pid == ipk__os_pid())
		(void)ipk__os_unlink_if(l->path, &l->made);
	free(l);
	return NULL;
}

/* --- meeting ---------------------------------------------------------------------------------- */

static int check_peer(int fd)
{
	pid_t pid;
	uid_t uid;
	int r = ipk__os_peer(fd, &pid, &uid);

	if (r < 0)
		return r;
	return uid == ipk__os_uid() ? 0 : -EACCES;
}

static int recv_packet(int fd, uint32_t type, ipk_deadline deadline,
		       struct ipk__side_packet *packet, int *fds, size_t *n_fds)
{
	int r = ipk__side_recv(fd, type, deadline, packet, fds, n_fds);

	if (r == 0 && packet->version != IPK__SEGMENT_VERSION)
		r = -EPROTONOSUPPORT;
	return r;
}

static void close_all(int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++)
		ipk__os_close(fds[i]);
}

static int recv_hello(int fd, ipk_deadline deadline)
{
	struct ipk__side_packet hello;
	int fds[IPK__OS_FDS_MAX];
	size_t n_fds = 0;
	int r = recv_packet(fd, IPK__SIDE_HELLO, deadline, &hello, fds, &n_fds);

	close_all(fds, n_fds);
	return r == 0 && n_fds > 0 ? -EPROTO : r;
}

/* The fds that end 1 needs, in the order open_parts() takes them. */
static int send_welcome(int fd, const struct ipk__pipe_parts *parts, ipk_deadline deadline)
{
	int ring_fds[3] = {parts->segment_fd, parts->doorbell_fds[0], parts->doorbell_fds[1]};
	bool is_socket = parts->flags & IPK_PIPE_SOCKET;
	struct ipk__side_packet welcome;

	ipk__side_packet_init(&welcome, IPK__SIDE_WELCOME);
	welcome.flags = parts->flags;
	welcome.max_message_bytes = parts->max_message_bytes;
	return ipk__side_send(fd, &welcome, is_socket ? &parts->data_fds[1] : ring_fds,
			      is_socket ? 1 : 3, deadline);
}

static int open_parts(const struct ipk__side_packet *welcome, const int *fds, size_t n_fds,
		      struct ipk__pipe_parts *parts)
{
	bool is_socket = welcome->flags & IPK_PIPE_SOCKET;

	if (n_fds != (is_socket ? 1 : 3) || welcome->max_message_bytes == 0 ||
	    welcome->max_message_bytes > IPK_MESSAGE_MAX_BYTES)
		return -EPROTO;
	*parts = IPK__PIPE_NO_PARTS;
	parts->flags = welcome->flags;
	parts->max_message_bytes = welcome->max_message_bytes;
	if (is_socket) {
		parts->data_fds[1] = fds[0];
	} else {
		parts->segment_fd = fds[0];
		parts->doorbell_fds[0] = fds[1];
		parts->doorbell_fds[1] = fds[2];
	}
	return 0;
}

/* Turn the connection @fd, whose hello is there, into end 0 of a new pipe. Takes @fd over. */
static int welcome_caller(ipk_listener *l, int fd, ipk_deadline deadline, ipk_pipe **ret_pipe)
{
	struct ipk__pipe_parts parts = IPK__PIPE_NO_PARTS;
	int r = ipk__pipe_parts_make(&l->opts, &parts);

	if (r == 0)
		r = send_welcome(fd, &parts, deadline);
	if (r == 0)
		return ipk__pipe_end(&parts, 0, fd, ret_pipe);
	ipk__pipe_parts_close(&parts);
	ipk__os_close(fd);
	return r;
}

/*
 * Callers accepted during one accept that have yet to send their hello, the oldest first. They wait
 * side by side, so that silent ones delay no other.
 */
struct callers {
	size_t n;
	int fds[CALLERS_MAX];
	int64_t until_ns[CALLERS_MAX];
};

/* Out of the list; the fd is the caller's now. */
static int take_out(struct callers *c, size_t at)
{
	int fd = c->fds[at];

	c->n--;
	for (size_t i = at; i < c->n; i++) {
		c->fds[i] = c->fds[i + 1];
		c->until_ns[i] = c->until_ns[i + 1];
	}
	return fd;
}

static void add_caller(struct callers *c, int fd)
{
	/* When all slots are taken the oldest is evicted; it may call again. */
	if (c->n == CALLERS_MAX)
		ipk__os_close(take_out(c, 0));
	c->fds[c->n] = fd;
	c->until_ns[c->n++] = ipk__os_now_ns() + HELLO_NS;
}

/* The first caller with a hello becomes a pipe: 0, or -EAGAIN when there is none, or an error. */
static int hear_callers(ipk_listener *l, struct callers *c, ipk_deadline deadline,
			ipk_pipe **ret_pipe)
{
	for (size_t i = 0; i < c->n;) {
		int r = check_peer(c->fds[i]);

		if (r == 0)
			r = recv_hello(c->fds[i], ipk_now());
		if (r == -ETIMEDOUT && ipk__os_now_ns() < c->until_ns[i]) {
			i++;
			continue;
		}
		if (r == 0)
			return welcome_caller(l, take_out(c, i), deadline, ret_pipe);
		ipk__os_close(take_out(c, i));
		/* It only probed the socket, or is silent: on to the next. */
		if (r != -EPIPE && r != -ETIMEDOUT)
			return r;
	}
	return -EAGAIN;
}

/* Until when no other is accepted; in the past, or 0, when it is time to. */
static int64_t grace_until_ns(const struct callers *c)
{
	return c->n > 0 ? c->until_ns[c->n - 1] - HELLO_NS + GRACE_NS / (int64_t)c->n : 0;
}

/* Sleeps until there is a caller, or a hello, or one has been silent for too long. */
static int wait_for_callers(ipk_listener *l, const struct callers *c, ipk_deadline deadline)
{
	bool in_grace = grace_until_ns(c) > ipk__os_now_ns();
	struct pollfd fds[CALLERS_MAX + 1];
	ipk_deadline until = deadline;
	int r;

	for (size_t i = 0; i < c->n; i++) {
		fds[i] = (struct pollfd){.fd = c->fds[i], .events = POLLIN};
		until.at_ns = IPK__MIN(until.at_ns, c->until_ns[i]);
	}
	fds[c->n] = (struct pollfd){.fd = in_grace ? -1 : l->fd, .events = POLLIN};
	if (in_grace)
		until.at_ns = IPK__MIN(until.at_ns, grace_until_ns(c));
	r = ipk__os_poll(fds, c->n + 1, until);
	return r == -ETIMEDOUT && ipk_deadline_left_ns(deadline) > 0 ? 0 : r;
}

static int accept_one(ipk_listener *l, struct callers *c, ipk_deadline deadline,
		      ipk_pipe **ret_pipe)
{
	uint32_t n_rounds = 0;
	int fd;
	int r;

	for (;;) {
		r = hear_callers(l, c, deadline, ret_pipe);
		if (r != -EAGAIN && r != -EPIPE)
			return r;
		r = grace_until_ns(c) > ipk__os_now_ns() ? -EAGAIN : ipk__os_accept(l->fd, &fd);
		if (r == 0)
			add_caller(c, fd);
		else if (r == -EAGAIN)
			r = wait_for_callers(l, c, deadline);
		if (r == 0)
			r = ipk__round_of_work(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
}

int ipk_listener_accept(ipk_listener *l, ipk_deadline deadline, ipk_pipe **ret_pipe)
{
	struct callers callers = {.n = 0};
	int r;

	if (!l || !ret_pipe)
		return l ? ipk__invalid("ret_pipe is NULL") : -EBADF;
	r = accept_one(l, &callers, deadline, ret_pipe);
	/* They see the hangup, and call again. */
	close_all(callers.fds, callers.n);
	return r;
}

/* --- calling ---------------------------------------------------------------------------------- */

/* Connect; a listener whose backlog is full is asked again every millisecond. */
static int call(const char *path, ipk_deadline deadline, int *ret_fd)
{
	int r = ipk__os_connect(path, ret_fd);

	while (r == -EAGAIN && ipk_deadline_left_ns(deadline) > 0) {
		ipk_deadline soon = {IPK__MIN(deadline.at_ns, ipk__os_now_ns() + 1000000)};

		ipk__os_poll(NULL, 0, soon);
		r = ipk__os_connect(path, ret_fd);
	}
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static int meet(int fd, ipk_deadline deadline, struct ipk__pipe_parts *parts)
{
	struct ipk__side_packet packet;
	int fds[IPK__OS_FDS_MAX];
	size_t n_fds = 0;
	int r = check_peer(fd);

	if (r == 0) {
		ipk__side_packet_init(&packet, IPK__SIDE_HELLO);
		r = ipk__side_send(fd, &packet, NULL, 0, deadline);
	}
	if (r == 0)
		r = recv_packet(fd, IPK__SIDE_WELCOME, deadline, &packet, fds, &n_fds);
	if (r == 0)
		r = open_parts(&packet, fds, n_fds, parts);
	if (r == 0)
		r = ipk__pipe_parts_check(parts, fd);
	if (r < 0)
		close_all(fds, n_fds);
	return r;
}

static int call_once(const char *path, ipk_deadline deadline, ipk_pipe **ret_pipe)
{
	struct ipk__pipe_parts parts;
	int fd;
	int r = call(path, deadline, &fd);

	if (r < 0)
		return r;
	r = meet(fd, deadline, &parts);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	return ipk__pipe_end(&parts, 1, fd, ret_pipe);
}

int ipk_pipe_connect(const char *path, ipk_deadline deadline, ipk_pipe **ret_pipe)
{
	int r;

	if (!path || !ret_pipe)
		return ipk__invalid("path or ret_pipe is NULL");
	r = call_once(path, deadline, ret_pipe);
	/* A listener that has another caller, or may not wait, hangs up when our hello is late. */
	for (int i = 0; r == -EPIPE && i < CALLS_AGAIN; i++)
		r = call_once(path, deadline, ret_pipe);
	return r;
}
