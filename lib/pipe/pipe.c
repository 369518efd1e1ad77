/*
 * pipe.c - creating and closing pipes, and the public calls in front of both transports.
 *
 * A pipe is built from parts (fds), and each end from its own copies of them: the same code serves
 * both ends in one process, and two processes that met at a listener.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

#define RING_DEFAULT_BYTES ((size_t)512 << 10)
#define LEAVE_NS ((int64_t)1000000000)
#define LEAVE_NAP_NS 100000
#define WHOLE_MAX_SHARE 4 /* a message up to this share of the ring is one record */

/* --- options and parts ------------------------------------------------------------------------ */

int ipk__pipe_resolve_opts(const ipk_pipe_opts *opts, ipk_pipe_opts *ret_opts)
{
	ipk_pipe_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	if (!o.label)
		o.label = "pipe";
	if (o.ring_bytes == 0)
		o.ring_bytes = RING_DEFAULT_BYTES;
	if (o.max_message_bytes == 0)
		o.max_message_bytes = IPK_MESSAGE_MAX_BYTES;
	IPK__REQUIRE(ipk__name_check(o.label) == 0, "IPK_PIPE(.label): " IPK__NAME_RULE);
	IPK__REQUIRE(!(o.flags & ~(unsigned)(IPK_PIPE_SOCKET | IPK_PIPE_ONE_WAY)),
		     "IPK_PIPE(.flags): IPK_PIPE_SOCKET and IPK_PIPE_ONE_WAY, or-ed");
	IPK__REQUIRE(o.ring_bytes >= IPK__SEGMENT_RING_MIN && o.ring_bytes <= IPK__SEGMENT_RING_MAX,
		     "IPK_PIPE(.ring_bytes): 4 KiB to 1 GiB");
	IPK__REQUIRE(o.max_message_bytes <= IPK_MESSAGE_MAX_BYTES,
		     "IPK_PIPE(.max_message_bytes): IPK_MESSAGE_MAX_BYTES at most");
	o.ring_bytes = ipk__round_up_pow2(IPK__MAX(o.ring_bytes, ipk__os_page_bytes()));
	*ret_opts = o;
	return 0;
}

void ipk__pipe_parts_close(struct ipk__pipe_parts *parts)
{
	ipk__os_close(parts->segment_fd);
	for (int i = 0; i < 2; i++) {
		ipk__os_close(parts->doorbell_fds[i]);
		ipk__os_close(parts->data_fds[i]);
	}
	*parts = IPK__PIPE_NO_PARTS;
}

static int make_segment(const ipk_pipe_opts *o, int *ret_fd)
{
	struct ipk__segment_plan plan = {
		.kind = IPK__KIND_PIPE,
		.flags = o->flags,
		.label = o->label,
		.fixed_bytes = sizeof(struct ipk__shm_pipe),
		.ring_bytes = o->ring_bytes,
		.n_rings = (o->flags & IPK_PIPE_ONE_WAY) ? 1 : 2,
	};
	struct ipk__segment s;
	int r = ipk__segment_create(&plan, &s);

	if (r < 0)
		return r;
	((struct ipk__shm_pipe *)s.header)->max_message_bytes = o->max_message_bytes;
	r = ipk__segment_publish(&s, NULL);
	if (r == 0)
		r = ipk__os_dup(s.fd, ret_fd);
	ipk__segment_detach(&s);
	return r;
}

static int fill_parts(const ipk_pipe_opts *o, struct ipk__pipe_parts *parts)
{
	int r;

	if (o->flags & IPK_PIPE_SOCKET)
		return ipk__os_socketpair(parts->data_fds);
	r = make_segment(o, &parts->segment_fd);
	if (r == 0)
		r = ipk__os_doorbell_open(&parts->doorbell_fds[0]);
	if (r == 0)
		r = ipk__os_doorbell_open(&parts->doorbell_fds[1]);
	return r;
}

int ipk__pipe_parts_make(const ipk_pipe_opts *o, struct ipk__pipe_parts *ret_parts)
{
	struct ipk__pipe_parts parts = IPK__PIPE_NO_PARTS;
	int r;

	parts.flags = o->flags;
	parts.max_message_bytes = o->max_message_bytes;
	r = fill_parts(o, &parts);
	if (r < 0) {
		ipk__pipe_parts_close(&parts);
		return r;
	}
	*ret_parts = parts;
	return 0;
}

int ipk__pipe_parts_check(const struct ipk__pipe_parts *parts, int side_fd)
{
	int r = ipk__os_check_packet_socket(side_fd);

	for (int i = 0; r == 0 && i < 2; i++) {
		if (parts->doorbell_fds[i] >= 0)
			r = ipk__os_doorbell_check(parts->doorbell_fds[i]);
		if (r == 0 && parts->data_fds[i] >= 0)
			r = ipk__os_check_packet_socket(parts->data_fds[i]);
	}
	return r;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* Each end reads one channel and writes the other; in a one-way pipe there is only channel 1. */
static void open_channels(ipk_pipe *p, struct ipk__pipe_parts *parts, int which)
{
	struct ipk__shm_pipe *shm = (struct ipk__shm_pipe *)p->segment.header;
	uint64_t ring_bytes = p->segment.checked.ring_bytes;
	uint32_t last = p->segment.checked.n_rings - 1;
	char *rx_bytes = ipk__segment_ring(&p->segment, which == 0 ? last : 0);
	char *tx_bytes = ipk__segment_ring(&p->segment, which == 0 ? 0 : last);

	ipk__channel_init(&p->rx, &shm->channels[!which], &shm->waiters, rx_bytes, ring_bytes,
			  parts->doorbell_fds[!which]);
	ipk__channel_init(&p->tx, &shm->channels[which], &shm->waiters, tx_bytes, ring_bytes,
			  parts->doorbell_fds[which]);
	parts->doorbell_fds[0] = parts->doorbell_fds[1] = -1;
	p->whole_max_bytes = ring_bytes / WHOLE_MAX_SHARE - sizeof(struct ipk__record);
}

/* Another process may have made the segment: its numbers must suit a pipe. */
static bool is_pipe(const struct ipk__shm_header *h)
{
	uint32_t n_rings = (h->flags & IPK_PIPE_ONE_WAY) ? 1 : 2;

	return h->fixed_bytes >= sizeof(struct ipk__shm_pipe) && h->n_rings == n_rings &&
	       (h->flags & ~(uint32_t)IPK_PIPE_ONE_WAY) == 0;
}

static int open_transport(ipk_pipe *p, struct ipk__pipe_parts *parts, int which)
{
	int r;

	if (p->flags & IPK_PIPE_SOCKET) {
		p->transport = &ipk__transport_socket;
		p->data_fd = parts->data_fds[which];
		parts->data_fds[which] = -1;
		return 0;
	}
	r = ipk__segment_attach(parts->segment_fd, IPK__KIND_PIPE, false, &p->segment);
	if (r < 0)
		return r;
	parts->segment_fd = -1;
	if (!is_pipe(&p->segment.checked))
		return -EBADMSG;
	p->flags = p->segment.checked.flags;
	p->transport = &ipk__transport_ring;
	open_channels(p, parts, which);
	return 0;
}

int ipk__pipe_end(struct ipk__pipe_parts *parts, int which, int side_fd, ipk_pipe **ret_end)
{
	ipk_pipe *p = ipk__os_calloc(1, sizeof *p);
	int r = -ENOMEM;

	if (!p) {
		ipk__os_close(side_fd);
	} else {
		p->side_fd = side_fd;
		p->data_fd = -1;
		p->segment.fd = p->rx.doorbell_fd = p->tx.doorbell_fd = -1;
		p->pollset = IPK__POLLSET_NONE;
		p->flags = parts->flags;
		p->max_message_bytes = parts->max_message_bytes;
		r = open_transport(p, parts, which);
		p->can_recv = r == 0 && (which == 0 || !(p->flags & IPK_PIPE_ONE_WAY));
		p->can_send = r == 0 && (which == 1 || !(p->flags & IPK_PIPE_ONE_WAY));
	}
	ipk__pipe_parts_close(parts);
	if (r < 0) {
		ipk_pipe_close(p);
		return r;
	}
	*ret_end = p;
	return 0;
}

static int copy_fd(int fd, int *ret_fd)
{
	return fd < 0 ? 0 : ipk__os_dup(fd, ret_fd);
}

/* The second end's own fds; the socket transport's are apart already. */
static int copy_parts(struct ipk__pipe_parts *from, struct ipk__pipe_parts *to)
{
	int r;

	*to = *from;
	to->segment_fd = to->doorbell_fds[0] = to->doorbell_fds[1] = -1;
	to->data_fds[0] = -1;
	from->data_fds[1] = -1;
	r = copy_fd(from->segment_fd, &to->segment_fd);
	for (int i = 0; r == 0 && i < 2; i++)
		r = copy_fd(from->doorbell_fds[i], &to->doorbell_fds[i]);
	return r;
}

static int make_ends(struct ipk__pipe_parts *parts, ipk_pipe **ret_a, ipk_pipe **ret_b)
{
	struct ipk__pipe_parts second = IPK__PIPE_NO_PARTS;
	int side_fds[2] = {-1, -1};
	ipk_pipe *a = NULL;
	int r = copy_parts(parts, &second);

	if (r == 0)
		r = ipk__os_socketpair(side_fds);
	if (r == 0) {
		r = ipk__pipe_end(parts, 0, side_fds[0], &a);
		if (r == 0)
			r = ipk__pipe_end(&second, 1, side_fds[1], ret_b);
		else
			ipk__os_close(side_fds[1]);
	}
	ipk__pipe_parts_close(parts);
	ipk__pipe_parts_close(&second);
	if (r < 0) {
		ipk_pipe_close(a);
		return r;
	}
	*ret_a = a;
	return 0;
}

int ipk_pipe_create(const ipk_pipe_opts *opts, ipk_pipe **ret_a, ipk_pipe **ret_b)
{
	struct ipk__pipe_parts parts;
	ipk_pipe_opts o;
	int r;

	if (!ret_a || !ret_b)
		return ipk__invalid("ret_a or ret_b is NULL");
	r = ipk__pipe_resolve_opts(opts, &o);
	if (r == 0)
		r = ipk__pipe_parts_make(&o, &parts);
	return r < 0 ? r : make_ends(&parts, ret_a, ret_b);
}

static bool is_slept_in(const ipk_pipe *p)
{
	uint32_t pid = (uint32_t)ipk__os_pid();

	/* What a fork's parent was doing does not concern its child. */
	return atomic_load(&p->sender_pid) == pid || atomic_load(&p->receiver_pid) == pid;
}

/* Other threads that sleep in a call on @p come back with an error; whether all are out. */
static bool send_away(ipk_pipe *p)
{
	ipk_deadline deadline;

	atomic_store(&p->is_closing, true);
	if (!is_slept_in(p))
		return true;
	deadline = ipk_in_ns(LEAVE_NS);
	while (is_slept_in(p) && ipk_deadline_left_ns(deadline) > 0) {
		ipk__channel_wake_readers(&p->rx, IPK__WAITERS_MAX);
		ipk__channel_wake_writers(&p->tx, IPK__WAITERS_MAX);
		ipk__os_nap(LEAVE_NAP_NS);
	}
	return !is_slept_in(p);
}

/* At the end of a call: its last access to the end. */
static int leave(_Atomic uint32_t *slept_pid, int r)
{
	/* Pairs with the loads of who closes: all we did comes before. */
	if (atomic_load_explicit(slept_pid, memory_order_relaxed) != 0)
		atomic_store_explicit(slept_pid, 0, memory_order_release);
	return r;
}

ipk_pipe *ipk_pipe_close(ipk_pipe *p)
{
	/* A thread in it that does not return, stopped by a debugger say, keeps it. */
	if (!p || (p->segment.header && !send_away(p)))
		return NULL;
	if (p->transport && p->transport->close)
		p->transport->close(p);
	/* Hang up first, so that the threads that we wake then see the end. */
	ipk__os_close(p->side_fd);
	ipk__os_close(p->data_fd);
	if (p->segment.header) {
		if (p->can_send)
			ipk__channel_wake_readers(&p->tx, IPK__WAITERS_MAX);
		if (p->can_recv)
			ipk__channel_wake_writers(&p->rx, IPK__WAITERS_MAX);
	}
	ipk__os_close(p->rx.doorbell_fd);
	ipk__os_close(p->tx.doorbell_fd);
	ipk__pollset_close(&p->pollset);
	ipk__segment_detach(&p->segment);
	ipk__reassembly_close(&p->reassembly);
	free(p);
	return NULL;
}

/* --- the calls -------------------------------------------------------------------------------- */

static int check_send(const ipk_pipe *p, const void *data, size_t len_bytes)
{
	if (!p)
		return -EBADF;
	if (!p->can_send)
		return -EOPNOTSUPP;
	if (!data && len_bytes > 0)
		return ipk__invalid("data is NULL, and len_bytes is not 0");
	return len_bytes > p->max_message_bytes
		       ? ipk__detail(-EMSGSIZE, "len_bytes: max_message_bytes of the pipe at most")
		       : 0;
}

static int check_recv(ipk_pipe *p)
{
	if (!p)
		return -EBADF;
	p->is_peeked = false;
	return p->can_recv ? 0 : -EOPNOTSUPP;
}

int ipk_pipe_send(ipk_pipe *p, const void *data, size_t len_bytes, ipk_deadline deadline)
{
	int r = check_send(p, data, len_bytes);

	if (r == 0)
		r = leave(&p->sender_pid, p->transport->send(p, data, len_bytes, deadline));
	return r;
}

int ipk_pipe_recv(ipk_pipe *p, void *buf, size_t buf_bytes, ipk_deadline deadline,
		  size_t *ret_len_bytes)
{
	int r = check_recv(p);

	if (r == 0 && !buf && buf_bytes > 0)
		r = ipk__invalid("buf is NULL, and buf_bytes is not 0");
	if (r == 0)
		r = leave(&p->receiver_pid,
			  p->transport->recv(p, buf, buf_bytes, deadline, ret_len_bytes));
	return r;
}

int ipk_pipe_recv_alloc(ipk_pipe *p, ipk_deadline deadline, void **ret_data, size_t *ret_len_bytes)
{
	const void *data;
	size_t len_bytes;
	void *copy;
	int r = check_recv(p);

	if (r == 0 && (!ret_data || !ret_len_bytes))
		r = ipk__invalid("ret_data or ret_len_bytes is NULL");
	if (r == 0)
		r = leave(&p->receiver_pid, p->transport->next(p, deadline, &data, &len_bytes));
	if (r < 0)
		return r;
	if (data == p->reassembly.bytes) {
		/* Put together in memory of its own already: give that away. */
		copy = p->reassembly.bytes;
		p->reassembly.bytes = NULL;
		p->reassembly.room_bytes = 0;
	} else {
		copy = ipk__os_malloc(len_bytes);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, data, len_bytes);
	}
	p->transport->take(p);
	*ret_data = copy;
	*ret_len_bytes = len_bytes;
	return 0;
}

int ipk_pipe_peek(ipk_pipe *p, ipk_deadline deadline, const void **ret_data, size_t *ret_len_bytes)
{
	int r = check_recv(p);

	if (r == 0 && (!ret_data || !ret_len_bytes))
		r = ipk__invalid("ret_data or ret_len_bytes is NULL");
	if (r == 0)
		r = leave(&p->receiver_pid,
			  p->transport->next(p, deadline, ret_data, ret_len_bytes));
	if (r == 0)
		p->is_peeked = true;
	return r;
}

int ipk_pipe_release(ipk_pipe *p)
{
	if (!p)
		return -EBADF;
	if (!p->is_peeked)
		return ipk__invalid("no message was peeked");
	p->is_peeked = false;
	p->transport->take(p);
	return 0;
}

int ipk_pipe_poll(ipk_pipe *p, ipk_deadline deadline)
{
	int r = check_recv(p);

	return r < 0 ? r : leave(&p->receiver_pid, p->transport->poll(p, deadline));
}

int ipk_pipe_fd(ipk_pipe *p, int *ret_fd)
{
	if (!p)
		return -EBADF;
	if (!ret_fd)
		return ipk__invalid("ret_fd is NULL");
	return p->can_recv ? p->transport->fd(p, ret_fd) : -EOPNOTSUPP;
}
