/*
 * scribble_pipe.c - pipes: the rings of one transport are overwritten; into the socket of the other
 * go datagrams that ipk never sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "scribble.h"

enum { RING, SOCKET };
enum { RING_BYTES = 4096, SMALL_BYTES = 40, LONG_BYTES = 9000, FULL_MAX = 100 };

static char payload[LONG_BYTES];

static int pipe_make(struct trial *t)
{
	unsigned flags = t->row->noun->variant == SOCKET ? IPK_PIPE_SOCKET : 0;
	int r = ipk_pipe_create(IPK_PIPE(.ring_bytes = RING_BYTES, .flags = flags),
				(ipk_pipe **)&t->object, (ipk_pipe **)&t->other);
	int n = state_of(t) == FULL ? FULL_MAX : state_of(t) == HALF ? 3 : 0;

	for (int i = 0; i < n && r == 0; i++) {
		if (ipk_pipe_send(t->object, payload, SMALL_BYTES, ipk_now()) < 0)
			break;
		if (ipk_pipe_send(t->other, payload, SMALL_BYTES, ipk_now()) < 0)
			break;
	}
	if (r == 0 && state_of(t) == HALF)
		r = ipk_pipe_send_fd(t->other, STDERR_FILENO, ipk_now());
	return r;
}

static int pipe_send(struct trial *t, ipk_deadline d)
{
	return ipk_pipe_send(t->object, payload, 1 + random_below(&t->random, SMALL_BYTES), d);
}

static int pipe_send_long(struct trial *t, ipk_deadline d)
{
	return ipk_pipe_send(t->object, payload, LONG_BYTES, d);
}

static int pipe_sendf(struct trial *t, ipk_deadline d)
{
	return ipk_pipe_sendf(t->object, d, "[i s]", 7, "seven");
}

static int pipe_recv(struct trial *t, ipk_deadline d)
{
	size_t n;

	return ipk_pipe_recv(t->object, t->buf, BUF_BYTES, d, &n);
}

static int pipe_recv_alloc(struct trial *t, ipk_deadline d)
{
	void *data;
	size_t n;
	int r = ipk_pipe_recv_alloc(t->object, d, &data, &n);

	if (r == 0)
		free(data);
	return r;
}

static int pipe_recvf(struct trial *t, ipk_deadline d)
{
	int i;

	return ipk_pipe_recvf(t->object, d, "i", &i);
}

/* What a peek gives lies in shared memory: all of it can be read. */
static int pipe_peek(struct trial *t, ipk_deadline d)
{
	const void *data;
	size_t n;
	int r = ipk_pipe_peek(t->object, d, &data, &n);
	const volatile unsigned char *bytes = data;
	unsigned sum = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		sum += bytes[i];
	(void)sum;
	return r < 0 ? r : ipk_pipe_release(t->object);
}

static int pipe_release(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_pipe_release(t->object);
}

static int pipe_poll(struct trial *t, ipk_deadline d)
{
	return ipk_pipe_poll(t->object, d);
}

static int pipe_fd(struct trial *t, ipk_deadline d)
{
	int fd;

	(void)d;
	return ipk_pipe_fd(t->object, &fd);
}

static int pipe_wait(struct trial *t, ipk_deadline d)
{
	ipk_pipe *const ends[] = {t->object};
	size_t index;

	return ipk_pipe_wait_any(ends, 1, NULL, 0, d, &index);
}

static int pipe_send_fd(struct trial *t, ipk_deadline d)
{
	return ipk_pipe_send_fd(t->object, STDERR_FILENO, d);
}

static int pipe_recv_fd(struct trial *t, ipk_deadline d)
{
	int fd = -1;
	int r = ipk_pipe_recv_fd(t->object, d, &fd);

	if (r == 0)
		close(fd);
	return r;
}

/* An object that the other end says it sends. */
static int pipe_recv_lock(struct trial *t, ipk_deadline d)
{
	ipk_lock *l = NULL;
	int r = ipk_lock_recv(t->object, d, &l);

	ipk_lock_close(l);
	return r;
}

static int pipe_recv_queue(struct trial *t, ipk_deadline d)
{
	ipk_queue *q = NULL;
	int r = ipk_queue_recv(t->object, d, &q);

	ipk_queue_close(q);
	return r;
}

/* The far end. */
static void change_ends(struct trial *t)
{
	void *end = t->object;

	t->object = t->other;
	t->other = end;
}

static int pipe_take(struct trial *t)
{
	if (state_of(t) == SHUT)
		t->other = ipk_pipe_close(t->other);
	return 0;
}

static int pipe_peer_wait(struct trial *t, ipk_deadline d)
{
	change_ends(t);
	return pipe_recv(t, d);
}

static void pipe_close(struct trial *t)
{
	t->object = ipk_pipe_close(t->object);
	t->other = ipk_pipe_close(t->other);
}

/* --- the socket: nonsense --------------------------------------------------------------------- */

static int some_fd(struct random *r)
{
	int fds[2];
	int fd;

	switch (random_below(r, 6)) {
	case 0:
		return eventfd(random_below(r, 3), 0);
	case 1:
		fd = memfd_create("ipk:pipe:x", MFD_ALLOW_SEALING);
		if (fd >= 0 && ftruncate(fd, random_below(r, 20000)) < 0)
			break;
		return fd;
	case 2:
		return open("/", O_RDONLY | O_DIRECTORY);
	case 3:
		return open("/dev/null", O_RDONLY);
	case 4:
		if (pipe(fds) < 0)
			return -1;
		close(fds[1]);
		return fds[0];
	default:
		return memfd_create("ipk:lock:x", 0);
	}
	return fd;
}

static void send_nonsense(struct random *r, int socket)
{
	uint64_t words[64];
	struct iovec iov = {words, random_below(r, 3) ? 8 * random_below(r, 6)
						      : random_below(r, sizeof words)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd = random_below(r, 2) ? some_fd(r) : -1;

	for (size_t i = 0; i < 64; i++)
		words[i] = random_below(r, 2) ? random_next(r) : random_below(r, 20);
	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof control.bytes;
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	}
	sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
}

static void pipe_smear(struct trial *t)
{
	const ipk_pipe *far = t->other;
	uint32_t n = 1 + random_below(&t->random, 12);

	for (uint32_t i = 0; far && i < n; i++)
		send_nonsense(&t->random, random_below(&t->random, 2) && far->data_fd >= 0
						  ? far->data_fd
						  : far->side_fd);
}

static const struct call pipe_calls[] = {
	CALL("ipk_pipe_send", pipe_send, true),
	CALL("ipk_pipe_send, a long one", pipe_send_long, true),
	CALL("ipk_pipe_sendf", pipe_sendf, true),
	CALL("ipk_pipe_recv", pipe_recv, true),
	CALL("ipk_pipe_recv_alloc", pipe_recv_alloc, true),
	CALL("ipk_pipe_recvf", pipe_recvf, true),
	CALL("ipk_pipe_peek", pipe_peek, true),
	CALL("ipk_pipe_release", pipe_release, false),
	CALL("ipk_pipe_poll", pipe_poll, true),
	CALL("ipk_pipe_fd", pipe_fd, false),
	CALL("ipk_pipe_wait_any", pipe_wait, true),
	CALL("ipk_pipe_send_fd", pipe_send_fd, true),
	CALL("ipk_pipe_recv_fd", pipe_recv_fd, true),
	CALL("ipk_lock_recv", pipe_recv_lock, true),
	CALL("ipk_queue_recv", pipe_recv_queue, true),
};

void nouns_pipe(struct noun_list *list)
{
	static const char *const names[] = {"pipe", "pipe-socket"};
	struct noun noun = {.states = IN(EMPTY) | IN(HALF) | IN(FULL) | IN(WAITED) | IN(SHUT),
			    CALLS(pipe_calls),
			    .make = pipe_make,
			    .take = pipe_take,
			    .peer_wait = pipe_peer_wait,
			    .close = pipe_close};

	for (int i = RING; i <= SOCKET; i++) {
		noun.variant = i;
		noun.name = names[i];
		noun.smear = pipe_smear;
		noun_add(list, &noun);
	}
}
