/*
 * pipe_stream.c - messages over a connected stream socket, also to another machine.
 *
 * Framed as Python's multiprocessing.connection does: a signed 32-bit big-endian length, then the
 * bytes; for longer messages -1 and an unsigned 64-bit length.
 *
 * Invariant, receiving: in[from .. to) begins with a frame. One that fits in there is returned in
 * place; a longer one is collected in the reassembly buffer, which grows with the bytes received,
 * not with the length announced. A frame that a dead sender left incomplete is never returned.
 *
 * Invariant, sending: the bytes of a frame are sent contiguously. If the deadline passes between
 * them, the message counts as sent: the handle keeps the rest, and every later call that waits or
 * sends, and finally the close, continues it before anything else. Otherwise ipk_now() could never
 * send a message longer than the kernel's buffer, and slowness would break a pipe. Only when there
 * is no memory for the rest is the sending side abandoned.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "shared/wait.h"

#define IN_BYTES ((size_t)64 << 10)
#define REASSEMBLY_FIRST_BYTES ((size_t)256 << 10)
/* Time limits for the rest of a message that counts as sent: without progress, and in total. */
#define CLOSE_NS ((int64_t)1000000000)
#define CLOSE_ALL_NS (10 * CLOSE_NS)
#define HEAD_BYTES 4
#define LONG_HEAD_BYTES 12

struct ipk__stream {
	/* The receiving thread's. */
	char *in; /* IN_BYTES, once something was received */
	size_t from;
	size_t to;
	int in_error; /* 0, or what receiving ends with */

	/* The sender's, and the receiver's if it is free. */
	_Atomic pid_t out_pid; /* of the process one of whose threads has it, 0 none */
	char *rest;            /* NULL: none */
	size_t rest_from;
	size_t rest_to;
	pid_t rest_pid; /* whose message it is: not that of a fork's child too */
	int out_error;
};

/* --- frames ----------------------------------------------------------------------------------- */

static uint64_t read_big_endian(const char *p, int n_bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < n_bytes; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

/* The frame at in[from]: 1 and its head's and body's lengths; 0 more must come; -EPROTO. */
static int read_head(const ipk_pipe *p, size_t *ret_head_bytes, size_t *ret_len_bytes)
{
	const struct ipk__stream *s = p->stream;
	size_t n_there = s->to - s->from;
	size_t head_bytes = HEAD_BYTES;
	uint64_t n;

	if (n_there < HEAD_BYTES)
		return 0;
	n = read_big_endian(s->in + s->from, HEAD_BYTES);
	if (n == UINT32_MAX) {
		head_bytes = LONG_HEAD_BYTES;
		if (n_there < LONG_HEAD_BYTES)
			return 0;
		n = read_big_endian(s->in + s->from + HEAD_BYTES, 8);
	}
	/* Negative ones are larger than any limit. */
	if (n > p->max_message_bytes)
		return -EPROTO;
	*ret_head_bytes = head_bytes;
	*ret_len_bytes = (size_t)n;
	return 1;
}

/* --- sending ---------------------------------------------------------------------------------- */

/*
 * Not a mutex: a thread may have the sending side when another one forks, and then the child
 * would wait for a thread that it does not have.
 */
static bool try_to_have_out(struct ipk__stream *s)
{
	pid_t own = ipk__os_pid();
	pid_t owner = 0;

	/* Pairs with the release in give_out_back(). */
	if (atomic_compare_exchange_strong_explicit(&s->out_pid, &owner, own, memory_order_acquire,
						    memory_order_relaxed))
		return true;
	if (owner == own ||
	    !atomic_compare_exchange_strong_explicit(&s->out_pid, &owner, own, memory_order_acquire,
						     memory_order_relaxed))
		return false;
	s->out_error = -EPIPE; /* our parent is in the middle of a message, for all we know */
	return true;
}

static void give_out_back(struct ipk__stream *s)
{
	atomic_store_explicit(&s->out_pid, 0, memory_order_release);
}

/* Half a message was sent and the other half is lost: shut down, so that the peer does not wait for
 * it. */
static int give_up_sending(ipk_pipe *p, int error)
{
	p->stream->out_error = -EPIPE;
	ipk__os_stream_end(p->data_fd);
	return error;
}

/* -EAGAIN: no more goes out now. */
static int write_rest(ipk_pipe *p)
{
	struct ipk__stream *s = p->stream;

	if (s->rest && s->rest_pid != ipk__os_pid())
		s->out_error = -EPIPE; /* in the middle of a message of our parent's */
	while (s->rest && s->out_error == 0) {
		struct iovec part = {s->rest + s->rest_from, s->rest_to - s->rest_from};
		size_t n = 0;
		int r = ipk__os_stream_write(p->data_fd, &part, 1, &n);

		if (r == -EAGAIN)
			return r;
		if (r < 0)
			return give_up_sending(p, r);
		s->rest_from += n;
		if (s->rest_from == s->rest_to) {
			char *done = s->rest;

			s->rest = NULL; /* before it is freed: a fork may come between */
			free(done);
		}
	}
	return s->out_error;
}

static int finish_rest(ipk_pipe *p, ipk_deadline deadline)
{
	int r = write_rest(p);

	while (r == -EAGAIN) {
		r = ipk__os_poll1(p->data_fd, IPK__OS_OUT, deadline, NULL);
		if (r == 0)
			r = write_rest(p);
	}
	return r;
}

/* For the receiver: whether it should wake to continue sending the rest. */
static bool has_rest_after_trying(ipk_pipe *p)
{
	bool has_rest;

	if (!try_to_have_out(p->stream))
		return false; /* the sender is at it itself */
	has_rest = p->stream->rest && write_rest(p) == -EAGAIN;
	give_out_back(p->stream);
	return has_rest;
}

static void go_on(struct iovec parts[2], size_t n_bytes)
{
	for (int i = 0; i < 2; i++) {
		size_t n = IPK__MIN(n_bytes, parts[i].iov_len);

		parts[i].iov_base = (char *)parts[i].iov_base + n;
		parts[i].iov_len -= n;
		n_bytes -= n;
	}
}

static int keep_rest(ipk_pipe *p, const struct iovec parts[2])
{
	struct ipk__stream *s = p->stream;
	size_t n_head = parts[0].iov_len;

	s->rest_to = n_head + parts[1].iov_len;
	s->rest = ipk__os_malloc(s->rest_to);
	if (!s->rest)
		return give_up_sending(p, -ENOMEM);
	memcpy(s->rest, parts[0].iov_base, n_head);
	memcpy(s->rest + n_head, parts[1].iov_base, parts[1].iov_len);
	s->rest_from = 0;
	s->rest_pid = ipk__os_pid();
	return 0;
}

static int send_parts(ipk_pipe *p, struct iovec parts[2], ipk_deadline deadline)
{
	bool has_begun = false;

	while (parts[0].iov_len + parts[1].iov_len > 0) {
		size_t n = 0;
		int r = ipk__os_stream_write(p->data_fd, parts, 2, &n);

		if (r == 0) {
			has_begun = true;
			go_on(parts, n);
			continue;
		}
		if (r != -EAGAIN)
			return has_begun ? give_up_sending(p, r) : r;
		r = ipk__os_poll1(p->data_fd, IPK__OS_OUT, deadline, NULL);
		if (r < 0)
			return has_begun ? keep_rest(p, parts) : r;
	}
	return 0;
}

static int stream_send(ipk_pipe *p, const void *data, size_t len_bytes, ipk_deadline deadline)
{
	unsigned char head[HEAD_BYTES];
	struct iovec parts[2] = {{head, sizeof head}, {(void *)data, len_bytes}};
	int r;

	_Static_assert(IPK_MESSAGE_MAX_BYTES <= INT32_MAX, "the short head is enough");
	for (int i = 0; i < HEAD_BYTES; i++)
		head[i] = (unsigned char)(len_bytes >> (8 * (HEAD_BYTES - 1 - i)));
	if (!data)
		parts[1].iov_base = head; /* of no bytes; memcpy() needs a valid pointer */
	while (!try_to_have_out(p->stream))
		ipk__os_yield(); /* the receiver is sending the rest, which never blocks */
	r = finish_rest(p, deadline);
	if (r == 0)
		r = send_parts(p, parts, deadline);
	give_out_back(p->stream);
	return r;
}

/* --- receiving -------------------------------------------------------------------------------- */

static int grow_reassembly(struct ipk__reassembly *reassembly)
{
	size_t n = IPK__MIN(reassembly->total_bytes,
			    IPK__MAX(2 * reassembly->got_bytes, REASSEMBLY_FIRST_BYTES));
	char *bytes;

	if (reassembly->bytes && reassembly->room_bytes > reassembly->got_bytes)
		return 0;
	bytes = ipk__os_realloc(reassembly->bytes, n);
	if (!bytes)
		return -ENOMEM;
	reassembly->bytes = bytes;
	reassembly->room_bytes = n;
	return 0;
}

/* A frame longer than the buffer: its received part moves to the reassembly buffer. */
static int begin_reassembly(ipk_pipe *p, size_t head_bytes, size_t len_bytes)
{
	struct ipk__stream *s = p->stream;
	size_t n = s->to - s->from - head_bytes;
	int r;

	ipk__reassembly_begin(&p->reassembly, len_bytes);
	r = grow_reassembly(&p->reassembly); /* to more than what the buffer holds */
	if (r < 0) {
		ipk__reassembly_end(&p->reassembly);
		return r;
	}
	memcpy(p->reassembly.bytes, s->in + s->from + head_bytes, n);
	p->reassembly.got_bytes = n;
	s->from = s->to = 0;
	return 0;
}

static int read_piece(ipk_pipe *p)
{
	struct ipk__reassembly *reassembly = &p->reassembly;
	size_t n = 0;
	int r = grow_reassembly(reassembly);

	if (r == 0)
		r = ipk__os_stream_read(p->data_fd, reassembly->bytes + reassembly->got_bytes,
					IPK__MIN(reassembly->room_bytes, reassembly->total_bytes) -
						reassembly->got_bytes,
					&n);
	reassembly->got_bytes += n;
	return r;
}

static int read_into_buffer(ipk_pipe *p)
{
	struct ipk__stream *s = p->stream;
	size_t n = 0;
	int r;

	if (!s->in)
		s->in = ipk__os_malloc(IN_BYTES);
	if (!s->in)
		return -ENOMEM;
	if (s->from > 0) {
		memmove(s->in, s->in + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
	}
	r = ipk__os_stream_read(p->data_fd, s->in + s->to, IN_BYTES - s->to, &n);
	s->to += n;
	return r;
}

/* The message in front: 1 it is whole; 0 more must come; -EPROTO; -ENOMEM. */
static int peek_frame(ipk_pipe *p, const void **ret_data, size_t *ret_len_bytes)
{
	struct ipk__stream *s = p->stream;
	size_t head_bytes, len_bytes;
	int r;

	if (!p->reassembly.is_used) {
		r = read_head(p, &head_bytes, &len_bytes);
		if (r <= 0)
			return r;
		if (head_bytes + len_bytes <= IN_BYTES) {
			*ret_data = s->in + s->from + head_bytes;
			*ret_len_bytes = len_bytes;
			return s->to - s->from >= head_bytes + len_bytes;
		}
		r = begin_reassembly(p, head_bytes, len_bytes);
		if (r < 0)
			return r;
	}
	*ret_data = p->reassembly.bytes;
	*ret_len_bytes = p->reassembly.total_bytes;
	return ipk__reassembly_is_whole(&p->reassembly);
}

static int wait_for_more(ipk_pipe *p, ipk_deadline deadline)
{
	int events = has_rest_after_trying(p) ? IPK__OS_IN | IPK__OS_OUT : IPK__OS_IN;
	int r;

	if (ipk_deadline_left_ns(deadline) == 0)
		return -ETIMEDOUT;
	/* In slices: the sender may leave a rest behind while we sleep. */
	r = ipk__os_poll1(p->data_fd, events, (ipk_deadline){ipk__wait_slice_end_ns(deadline)},
			  NULL);
	return r == -ETIMEDOUT ? 0 : r;
}

static int stream_next(ipk_pipe *p, ipk_deadline deadline, const void **ret_data,
		       size_t *ret_len_bytes)
{
	struct ipk__stream *s = p->stream;
	const void *data;
	size_t len_bytes;

	while (s->in_error == 0) {
		int r = peek_frame(p, &data, &len_bytes);

		if (r == 1) {
			*ret_data = data;
			*ret_len_bytes = len_bytes;
			return 0;
		}
		if (r == 0)
			r = p->reassembly.is_used ? read_piece(p) : read_into_buffer(p);
		if (r == -EAGAIN)
			r = wait_for_more(p, deadline);
		if (r == -ETIMEDOUT || r == -ENOMEM)
			return r;
		s->in_error = r;
	}
	return s->in_error;
}

static void stream_take(ipk_pipe *p)
{
	size_t head_bytes, len_bytes;

	if (p->reassembly.is_used)
		ipk__reassembly_end(&p->reassembly);
	else if (read_head(p, &head_bytes, &len_bytes) == 1)
		p->stream->from += head_bytes + len_bytes;
}

static int stream_recv(ipk_pipe *p, void *buf, size_t buf_bytes, ipk_deadline deadline,
		       size_t *ret_len_bytes)
{
	const void *data = NULL;
	size_t len_bytes = 0;
	int r = stream_next(p, deadline, &data, &len_bytes);

	if (r == 0 && len_bytes > buf_bytes)
		r = ipk__detail(-EMSGSIZE, IPK__OVER_BUF);
	if (r < 0)
		return r;
	if (len_bytes > 0)
		memcpy(buf, data, len_bytes);
	stream_take(p);
	if (ret_len_bytes)
		*ret_len_bytes = len_bytes;
	return 0;
}

static int stream_poll(ipk_pipe *p, ipk_deadline deadline)
{
	const void *data;
	size_t len_bytes;

	return stream_next(p, deadline, &data, &len_bytes);
}

static int stream_fd(ipk_pipe *p, int *ret_fd)
{
	*ret_fd = p->data_fd;
	return 0;
}

static void stream_arm(ipk_pipe *p)
{
	(void)p; /* the kernel's fd is always armed */
}

/* --- making and closing ----------------------------------------------------------------------- */

/* Who does not read by then, loses it. */
static void send_last_rest(ipk_pipe *p)
{
	ipk_deadline all = ipk_in_ns(CLOSE_ALL_NS);
	struct ipk__stream *s = p->stream;
	size_t from;
	int r;

	do {
		ipk_deadline quiet = ipk_in_ns(CLOSE_NS);

		from = s->rest_from;
		r = finish_rest(p, quiet.at_ns < all.at_ns ? quiet : all);
	} while (r == -ETIMEDOUT && s->rest_from > from);
}

static void stream_close(ipk_pipe *p)
{
	struct ipk__stream *s = p->stream;

	if (s->rest && s->out_error == 0 && s->rest_pid == ipk__os_pid())
		send_last_rest(p);
	free(s->rest);
	free(s->in);
	free(s);
}

const struct ipk__transport ipk__transport_stream = {
	.send = stream_send,
	.recv = stream_recv,
	.next = stream_next,
	.take = stream_take,
	.poll = stream_poll,
	.fd = stream_fd,
	.arm = stream_arm,
	.close = stream_close,
};

static int make(int fd, const ipk_pipe_opts *o, ipk_pipe **ret_pipe)
{
	ipk_pipe *p = ipk__os_calloc(1, sizeof *p);
	struct ipk__stream *s = ipk__os_calloc(1, sizeof *s);

	if (!p || !s) {
		free(p);
		free(s);
		return -ENOMEM;
	}
	p->transport = &ipk__transport_stream;
	p->stream = s;
	p->data_fd = fd;
	p->side_fd = p->segment.fd = p->rx.doorbell_fd = p->tx.doorbell_fd = -1;
	p->pollset = IPK__POLLSET_NONE;
	p->max_message_bytes = o->max_message_bytes;
	p->can_send = p->can_recv = true;
	*ret_pipe = p;
	return 0;
}

int ipk__pipe_from_stream(int fd, const ipk_pipe_opts *opts, ipk_pipe **ret_pipe)
{
	ipk_pipe_opts o;
	int r = ipk__pipe_resolve_opts(opts, &o);

	if (r == 0 && o.flags != 0)
		r = ipk__invalid("IPK_PIPE(.flags): must be 0 for a stream");
	if (r == 0)
		r = make(fd, &o, ret_pipe);
	if (r < 0)
		ipk__os_close(fd);
	return r;
}
