/*
 * net_pipe.c - pipes between machines, and to Python.
 *
 * Connecting is a socket, a handshake (handshake.c) and then a pipe over that stream
 * (lib/pipe/pipe_stream.c). A listener drives the handshakes of all callers at once, each a few
 * hundred bytes of state, from one epoll set that also holds the listening socket: the application
 * can poll its fd.
 *
 * Invariant: callers[i] is in the epoll set with the word i, unless its handshake is done. A slow
 * caller delays no other until all slots are taken; then the oldest is evicted, but not before its
 * share of the time that a single caller would have had.
 */
#include <errno.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "ipk/net.h"
#include "net/address.h"
#include "net/handshake.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"

#define CALLERS_MAX 64
#define HANDSHAKE_NS ((int64_t)2000000000)
#define SHARE_NS (HANDSHAKE_NS / CALLERS_MAX)
#define RETRY_NS 1000000      /* to a socket at a path whose backlog is full */
#define LISTENING CALLERS_MAX /* the epoll word of the listening socket */
#define READY_MAX 16

/* Address and options, understood. */
struct config {
	struct ipk__address address;
	size_t max_message_bytes;
	bool allows_md5;
	size_t key_bytes; /* 0: none */
	unsigned char key[IPK__AUTH_KEY_MAX];
};

struct caller {
	int fd;
	int events; /* what the epoll set waits for */
	int64_t since_ns;
	struct ipk__handshake handshake;
};

struct ipk_net_listener {
	struct config config;
	int fd;
	int epoll_fd;
	bool is_listening; /* fd is in the epoll set */
	pid_t owner_pid;
	char path[IPK__OS_PATH_BYTES]; /* absolute, of a Unix socket */
	struct ipk__os_stat made;      /* what is there is removed only if it is this */
	uint64_t n_refused;
	size_t n_callers;
	struct caller *callers[CALLERS_MAX];
};

/* --- options ---------------------------------------------------------------------------------- */

static int take_key(const ipk_net_opts *o, struct config *c)
{
	size_t min = c->address.is_python ? 1 : IPK__AUTH_KEY_MIN;

	if (o->key_file)
		return o->key || o->key_bytes > 0
			       ? ipk__invalid("IPK_NET(.key_file): not with .key")
			       : ipk__auth_key_from_file(o->key_file, c->key, &c->key_bytes);
	if (!o->key)
		return o->key_bytes > 0 ? ipk__invalid("IPK_NET(.key_bytes): only with .key") : 0;
	if (o->key_bytes < min || o->key_bytes > IPK__AUTH_KEY_MAX)
		return ipk__invalid("IPK_NET(.key_bytes): see net.h");
	memcpy(c->key, o->key, o->key_bytes);
	c->key_bytes = o->key_bytes;
	return 0;
}

static int configure(const char *address, const ipk_net_opts *opts, struct config *c)
{
	ipk_net_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r == 0)
		r = ipk__address_parse(address, &c->address);
	if (r < 0)
		return r;
	IPK__REQUIRE(o.max_message_bytes <= IPK_MESSAGE_MAX_BYTES,
		     "IPK_NET(.max_message_bytes): IPK_MESSAGE_MAX_BYTES at most");
	IPK__REQUIRE(c->address.is_python || !o.python_md5,
		     "IPK_NET(.python_md5): only with python: addresses");
	c->max_message_bytes = o.max_message_bytes;
	c->allows_md5 = o.python_md5;
	c->key_bytes = 0;
	return take_key(&o, c);
}

static struct ipk__handshake_opts handshake_opts(const struct config *c, enum ipk__auth_role role)
{
	return (struct ipk__handshake_opts){
		.role = role,
		.is_python = c->address.is_python,
		.allows_md5 = c->allows_md5,
		.key = c->key_bytes > 0 ? c->key : NULL,
		.key_bytes = c->key_bytes,
	};
}

static int make_pipe(const struct config *c, int fd, ipk_pipe **ret_pipe)
{
	return ipk__pipe_from_stream(fd, IPK_PIPE(.max_message_bytes = c->max_message_bytes),
				     ret_pipe);
}

/* A socket at a path leads to processes of this user only. */
static int check_user(const struct config *c, int fd)
{
	pid_t pid;
	uid_t uid;
	gid_t gid;
	int r;

	if (c->address.kind != IPK__ADDRESS_UNIX)
		return 0;
	r = ipk__os_peer_ids(fd, &pid, &uid, &gid);
	if (r < 0)
		return r;
	return uid == ipk__os_uid() ? 0 : -EACCES;
}

/* --- moving a handshake on -------------------------------------------------------------------- */

static int send_some(int fd, struct ipk__handshake *h)
{
	struct iovec part = {h->out + h->out_from, h->out_to - h->out_from};
	size_t n = 0;
	int r = part.iov_len > 0 ? ipk__os_stream_write(fd, &part, 1, &n) : 0;

	if (r == 0)
		ipk__handshake_sent(h, n);
	return r;
}

static int receive_some(int fd, struct ipk__handshake *h)
{
	unsigned char *at;
	size_t n = ipk__handshake_wants(h, &at);
	int r = ipk__os_stream_read(fd, at, n, &n);

	if (r == 0)
		ipk__handshake_got(h, n);
	return r;
}

/* As far as possible without blocking: 1 done; 0 wait for *ret_events; or it has failed. */
static int advance(int fd, struct ipk__handshake *h, int *ret_events)
{
	for (;;) {
		bool is_to_send = h->out_from < h->out_to;
		int state = ipk__handshake_state(h);
		int r;

		if (state < 0)
			(void)send_some(fd, h); /* why; it may be too late for that */
		if (state != 0)
			return state;
		r = is_to_send ? send_some(fd, h) : receive_some(fd, h);
		if (r == -EAGAIN) {
			*ret_events = is_to_send ? IPK__OS_OUT : IPK__OS_IN;
			return 0;
		}
		if (r < 0)
			return r;
	}
}

/* --- listening -------------------------------------------------------------------------------- */

static int listen_at_address(ipk_net_listener *l)
{
	const struct config *c = &l->config;
	int r = 1;

	if (c->address.kind == IPK__ADDRESS_UNIX) {
		r = ipk__os_absolute(c->address.path, l->path, sizeof l->path);
		return r < 0 ? r
			     : ipk__pipe_listen_at(c->address.path, ipk__os_stream_listen, &l->fd,
						   &l->made);
	}
	if (c->key_bytes == 0)
		r = ipk__os_tcp_is_loopback(c->address.host);
	if (r <= 0)
		return r < 0 ? r : -EACCES;
	return ipk__os_tcp_listen(c->address.host, c->address.port, &l->fd);
}

static int start_listening(ipk_net_listener *l)
{
	int r = l->is_listening ? 0 : ipk__os_loop_add(l->epoll_fd, l->fd, IPK__OS_IN, LISTENING);

	if (r == 0)
		l->is_listening = true;
	return r;
}

static void stop_listening(ipk_net_listener *l)
{
	ipk__os_loop_remove(l->epoll_fd, l->fd);
	l->is_listening = false;
}

int ipk_net_listener_create(const char *address, const ipk_net_opts *opts,
			    ipk_net_listener **ret_listener)
{
	ipk_net_listener *l;
	int r;

	if (!address || !ret_listener)
		return ipk__invalid("address or ret_listener is NULL");
	l = ipk__os_calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	l->fd = l->epoll_fd = -1;
	r = configure(address, opts, &l->config);
	if (r == 0)
		r = listen_at_address(l);
	if (r == 0)
		l->owner_pid = ipk__os_pid(); /* from here on the path is ours to remove */
	if (r == 0)
		r = ipk__os_epoll(&l->epoll_fd);
	if (r == 0)
		r = start_listening(l);
	if (r < 0) {
		ipk_net_listener_close(l);
		return r;
	}
	*ret_listener = l;
	return 0;
}

int ipk_net_listener_fd(const ipk_net_listener *l, int *ret_fd)
{
	if (!l || !ret_fd)
		return l ? ipk__invalid("ret_fd is NULL") : -EBADF;
	*ret_fd = l->epoll_fd;
	return 0;
}

int ipk_net_listener_port(const ipk_net_listener *l, int *ret_port)
{
	if (!l || !ret_port)
		return l ? ipk__invalid("ret_port is NULL") : -EBADF;
	if (l->config.address.kind != IPK__ADDRESS_TCP)
		return -EOPNOTSUPP;
	return ipk__os_tcp_port(l->fd, ret_port);
}

int ipk_net_listener_refused(const ipk_net_listener *l, uint64_t *ret_n)
{
	if (!l || !ret_n)
		return l ? ipk__invalid("ret_n is NULL") : -EBADF;
	*ret_n = l->n_refused;
	return 0;
}

/* --- callers ---------------------------------------------------------------------------------- */

/* The slot is free again; its fd is the pipe's, or closed. */
static void forget_caller(ipk_net_listener *l, size_t i)
{
	ipk__handshake_wipe(&l->callers[i]->handshake);
	free(l->callers[i]);
	l->callers[i] = NULL;
	l->n_callers--;
}

static void refuse_caller(ipk_net_listener *l, size_t i)
{
	ipk__os_loop_remove(l->epoll_fd, l->callers[i]->fd);
	ipk__os_close(l->callers[i]->fd);
	forget_caller(l, i);
	l->n_refused++;
}

/* The slot of the oldest caller. */
static size_t oldest_caller(const ipk_net_listener *l)
{
	size_t oldest = CALLERS_MAX;

	for (size_t i = 0; i < CALLERS_MAX; i++) {
		if (l->callers[i] && (oldest == CALLERS_MAX ||
				      l->callers[i]->since_ns < l->callers[oldest]->since_ns))
			oldest = i;
	}
	return oldest;
}

/* Move on caller @i, if it is still there; one that is done leaves the epoll set. */
static void advance_caller(ipk_net_listener *l, size_t i)
{
	struct caller *c = i < CALLERS_MAX ? l->callers[i] : NULL;
	int events = 0;
	int r = c ? advance(c->fd, &c->handshake, &events) : 0;

	if (!c)
		return;
	if (r == 0 && events != c->events) {
		r = ipk__os_loop_change(l->epoll_fd, c->fd, events, i);
		c->events = events;
	}
	if (r < 0)
		refuse_caller(l, i);
	else if (r == 1)
		ipk__os_loop_remove(l->epoll_fd, c->fd);
}

/* Takes @fd over. */
static int add_caller(ipk_net_listener *l, int fd)
{
	struct ipk__handshake_opts opts = handshake_opts(&l->config, IPK__AUTH_SERVER);
	struct caller *c = ipk__os_calloc(1, sizeof *c);
	size_t i = 0;
	int r = c ? ipk__handshake_init(&c->handshake, &opts) : -ENOMEM;

	while (l->callers[i])
		i++;
	if (r == 0)
		r = ipk__os_loop_add(l->epoll_fd, fd, IPK__OS_IN, i);
	if (r < 0) {
		ipk__os_close(fd);
		free(c);
		return r;
	}
	c->fd = fd;
	c->events = IPK__OS_IN;
	c->since_ns = ipk__os_now_ns();
	l->callers[i] = c;
	l->n_callers++;
	advance_caller(l, i);
	return 0;
}

/* Whether there is a slot for one more, if necessary by evicting the oldest. */
static bool make_room(ipk_net_listener *l)
{
	size_t i;

	if (l->n_callers < CALLERS_MAX)
		return true;
	i = oldest_caller(l);
	if (ipk__handshake_state(&l->callers[i]->handshake) == 1 ||
	    ipk__os_now_ns() - l->callers[i]->since_ns < SHARE_NS) {
		stop_listening(l);
		return false;
	}
	refuse_caller(l, i);
	return true;
}

/* Everybody who is waiting in front. Only what is wrong on our side is an error. */
static int take_callers(ipk_net_listener *l)
{
	for (int i = 0; i < CALLERS_MAX && make_room(l); i++) {
		int fd;
		int r = ipk__os_stream_accept(l->fd, l->config.address.kind == IPK__ADDRESS_TCP,
					      &fd);

		if (r == -EAGAIN)
			return 0;
		if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS)
			return r;
		if (r == 0 && check_user(&l->config, fd) < 0) {
			ipk__os_close(fd);
			l->n_refused++;
		} else if (r == 0) {
			r = add_caller(l, fd);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/*
 * Hangs up on callers that take too long, and listens again when that frees a slot or the oldest
 * has had its share. *ret_wake_ns is when to check again.
 */
static int refuse_the_slow(ipk_net_listener *l, int64_t *ret_wake_ns)
{
	int64_t now_ns = ipk__os_now_ns();
	int64_t oldest_ns = now_ns;
	int r = 0;

	for (size_t i = 0; i < CALLERS_MAX; i++) {
		if (l->callers[i] && now_ns - l->callers[i]->since_ns >= HANDSHAKE_NS)
			refuse_caller(l, i);
	}
	if (l->n_callers > 0)
		oldest_ns = l->callers[oldest_caller(l)]->since_ns;
	if (l->n_callers < CALLERS_MAX || now_ns - oldest_ns >= SHARE_NS)
		r = start_listening(l);
	*ret_wake_ns = oldest_ns + (l->is_listening ? HANDSHAKE_NS : SHARE_NS);
	return r;
}

/* The oldest of those whose handshake is done. */
static int take_pipe(ipk_net_listener *l, ipk_pipe **ret_pipe)
{
	size_t found = CALLERS_MAX;
	int fd;

	for (size_t i = 0; i < CALLERS_MAX; i++) {
		const struct caller *c = l->callers[i];

		if (c && ipk__handshake_state(&c->handshake) == 1 &&
		    (found == CALLERS_MAX || c->since_ns < l->callers[found]->since_ns))
			found = i;
	}
	if (found == CALLERS_MAX)
		return -EAGAIN;
	fd = l->callers[found]->fd;
	forget_caller(l, found);
	return make_pipe(&l->config, fd, ret_pipe);
}

/* All who are ready get on, also when one of them finds no fd or no memory left here. */
static int wait_and_advance(ipk_net_listener *l, int64_t until_ns)
{
	struct ipk__os_ready ready[READY_MAX];
	int64_t left_ns = until_ns == INT64_MAX ? -1 : IPK__MAX(until_ns - ipk__os_now_ns(), 0);
	size_t n;
	int r = ipk__os_loop_wait(l->epoll_fd, ready, READY_MAX, left_ns, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (ready[i].word != LISTENING)
			advance_caller(l, ready[i].word);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (ready[i].word == LISTENING)
			r = take_callers(l);
	}
	return r;
}

static int wait_for_pipe(ipk_net_listener *l, ipk_deadline deadline, ipk_pipe **ret_pipe)
{
	int64_t wake_ns = 0; /* at first without waiting */

	for (;;) {
		int waited = wait_and_advance(l, IPK__MIN(wake_ns, deadline.at_ns));
		int r = take_pipe(l, ret_pipe);

		if (r != -EAGAIN || waited < 0)
			return r != -EAGAIN ? r : waited;
		r = refuse_the_slow(l, &wake_ns);
		if (r < 0)
			return r;
		if (ipk_deadline_left_ns(deadline) == 0)
			return -ETIMEDOUT;
	}
}

int ipk_net_listener_accept(ipk_net_listener *l, ipk_deadline deadline, ipk_pipe **ret_pipe)
{
	int r;

	if (!l || !ret_pipe)
		return l ? ipk__invalid("ret_pipe is NULL") : -EBADF;
	r = take_pipe(l, ret_pipe);
	if (r == -EAGAIN)
		r = wait_for_pipe(l, deadline, ret_pipe);
	/* So that its fd reports the next caller, whatever happens until the next call here. */
	(void)start_listening(l);
	return r;
}

ipk_net_listener *ipk_net_listener_close(ipk_net_listener *l)
{
	if (!l)
		return NULL;
	/* Not taken out of the epoll set one by one: a fork's parent may still use that. */
	ipk__os_close(l->epoll_fd);
	for (size_t i = 0; i < CALLERS_MAX; i++) {
		if (l->callers[i]) {
			ipk__os_close(l->callers[i]->fd);
			forget_caller(l, i);
		}
	}
	if (l->config.address.kind == IPK__ADDRESS_UNIX && l->owner_pid == ipk__os_pid())
		(void)ipk__os_unlink_if(l->path, &l->made);
	ipk__os_close(l->fd);
	sodium_memzero(&l->config, sizeof l->config);
	free(l);
	return NULL;
}

/* --- connecting ------------------------------------------------------------------------------- */

/* To a path; a listener whose backlog is full is asked again every millisecond. */
static int call_path(const char *path, ipk_deadline deadline, int *ret_fd)
{
	int r = ipk__os_stream_connect(path, ret_fd);

	while (r == -EAGAIN && ipk_deadline_left_ns(deadline) > 0) {
		ipk_deadline soon = {IPK__MIN(deadline.at_ns, ipk__os_now_ns() + RETRY_NS)};

		ipk__os_poll(NULL, 0, soon);
		r = ipk__os_stream_connect(path, ret_fd);
	}
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static int shake_hands(const struct config *c, int fd, ipk_deadline deadline)
{
	struct ipk__handshake_opts opts = handshake_opts(c, IPK__AUTH_CLIENT);
	struct ipk__handshake h;
	int events;
	int r = check_user(c, fd);

	if (r == 0)
		r = ipk__handshake_init(&h, &opts);
	if (r < 0)
		return r;
	do {
		r = advance(fd, &h, &events);
		if (r == 0)
			r = ipk__os_poll1(fd, events, deadline, NULL);
		else if (r == 1)
			break;
	} while (r == 0);
	ipk__handshake_wipe(&h);
	return r < 0 ? r : 0;
}

static int connect_with(const struct config *c, ipk_deadline deadline, ipk_pipe **ret_pipe)
{
	int fd = -1;
	int r = c->address.kind == IPK__ADDRESS_UNIX
			? call_path(c->address.path, deadline, &fd)
			: ipk__os_tcp_connect(c->address.host, c->address.port, deadline, &fd);

	if (r < 0)
		return r;
	r = shake_hands(c, fd, deadline);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	return make_pipe(c, fd, ret_pipe);
}

int ipk_net_connect(const char *address, const ipk_net_opts *opts, ipk_deadline deadline,
		    ipk_pipe **ret_pipe)
{
	struct config *c;
	int r;

	if (!address || !ret_pipe)
		return ipk__invalid("address or ret_pipe is NULL");
	c = ipk__os_calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	r = configure(address, opts, c);
	if (r == 0)
		r = connect_with(c, deadline, ret_pipe);
	sodium_memzero(c->key, sizeof c->key);
	free(c);
	return r;
}
