/*
 * pipe_socket.c - messages through the kernel (IPK_PIPE_SOCKET).
 *
 * One packet per message, so the kernel keeps messages whole. A body longer than a packet is sent
 * as a memory file whose fd the packet carries: if a process dies, the kernel drops packet and file
 * together. Waiting is poll(), so the end of file is reported at once.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

#define PACKET_MAGIC 0x6b63617075u
#define INLINE_MAX_BYTES ((size_t)64 << 10) /* within the default socket buffer */

struct packet {
	uint64_t magic;
	uint64_t len_bytes;
};

static int send_packet(ipk_pipe *p, const struct iovec *parts, size_t n_parts, const int *fds,
		       size_t n_fds, ipk_deadline deadline)
{
	uint32_t n_rounds = 0;

	for (;;) {
		int r = ipk__os_send(p->data_fd, parts, n_parts, fds, n_fds);

		if (r != -EAGAIN)
			return r;
		r = ipk__os_poll1(p->data_fd, IPK__OS_OUT, deadline, NULL);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
}

static int body_in_file(const void *data, size_t len_bytes, int *ret_fd)
{
	int fd;
	int r = ipk__os_memfd("ipk:message", &fd);

	if (r < 0)
		return r;
	r = ipk__os_pwrite(fd, data, len_bytes, 0);
	if (r == 0)
		r = ipk__os_seal(fd, false);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int socket_send(ipk_pipe *p, const void *data, size_t len_bytes, ipk_deadline deadline)
{
	struct packet head = {PACKET_MAGIC, len_bytes};
	struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, len_bytes}};
	int fd;
	int r;

	if (len_bytes <= INLINE_MAX_BYTES)
		return send_packet(p, parts, 2, NULL, 0, deadline);
	r = body_in_file(data, len_bytes, &fd);
	if (r < 0)
		return r;
	r = send_packet(p, parts, 1, &fd, 1, deadline);
	ipk__os_close(fd);
	return r;
}

/* The head of the next packet, left where it is. */
static int peek_packet(ipk_pipe *p, ipk_deadline deadline, struct packet *head)
{
	struct iovec part = {head, sizeof *head};
	uint32_t n_rounds = 0;
	size_t n_bytes;

	for (;;) {
		int r = ipk__os_recv(p->data_fd, &part, 1, true, &n_bytes, NULL, NULL);

		if (r == 0)
			return n_bytes < sizeof *head || head->magic != PACKET_MAGIC ||
					       head->len_bytes > p->max_message_bytes
				       ? -EPROTO
				       : 0;
		if (r != -EAGAIN)
			return r;
		r = ipk__os_poll1(p->data_fd, IPK__OS_IN, deadline, NULL);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
}

/*
 * Another process chose @fd. Only memory is read: a file of any other file system, one in user
 * space say, could keep us waiting for ever, even when it is only asked for its size.
 */
static int read_body(int fd, void *buf, size_t len_bytes)
{
	struct ipk__os_stat st;
	int r = ipk__os_is_sealed(fd);

	if (r <= 0)
		return r < 0 ? r : -EPROTO;
	r = ipk__os_stat(fd, &st);
	if (r < 0)
		return r;
	if (!ipk__os_mode_is_file(st.mode) || st.size_bytes != len_bytes)
		return -EPROTO;
	r = ipk__os_pread(fd, buf, len_bytes, 0);
	return r == -ENODATA ? -EPROTO : r;
}

/* The body of the packet in front, from a copy of its fd: if that fails, the packet stays. */
static int peek_body(ipk_pipe *p, void *buf, size_t len_bytes)
{
	struct packet head;
	struct iovec part = {&head, sizeof head};
	int fds[IPK__OS_FDS_MAX];
	size_t n_bytes;
	size_t n_fds;
	int r = ipk__os_recv(p->data_fd, &part, 1, true, &n_bytes, fds, &n_fds);

	if (r < 0)
		return r;
	r = n_fds == 1 ? read_body(fds[0], buf, len_bytes) : -EPROTO;
	while (n_fds > 0)
		ipk__os_close(fds[--n_fds]);
	return r;
}

/* Take the packet that peek_packet() saw; its body goes to @buf, which has room for it. */
static int take_packet(ipk_pipe *p, void *buf, size_t len_bytes)
{
	struct packet head;
	struct iovec parts[2] = {{&head, sizeof head}, {buf, len_bytes}};
	bool is_inline = len_bytes <= INLINE_MAX_BYTES;
	size_t n_bytes = 0;
	int r = is_inline ? 0 : peek_body(p, buf, len_bytes);

	if (r == 0)
		r = ipk__os_recv(p->data_fd, parts, is_inline ? 2 : 1, false, &n_bytes, NULL, NULL);
	if (r < 0)
		return r == -EAGAIN ? -EPROTO : r;
	return n_bytes == sizeof head + (is_inline ? len_bytes : 0) ? 0 : -EPROTO;
}

static int socket_next(ipk_pipe *p, ipk_deadline deadline, const void **ret_data,
		       size_t *ret_len_bytes)
{
	struct packet head;
	int r;

	if (!p->reassembly.is_used) {
		r = peek_packet(p, deadline, &head);
		if (r == 0)
			r = ipk__reassembly_reserve(&p->reassembly, head.len_bytes);
		if (r == 0)
			r = take_packet(p, p->reassembly.bytes, head.len_bytes);
		if (r < 0)
			return r;
		ipk__reassembly_begin(&p->reassembly, head.len_bytes);
		p->reassembly.got_bytes = head.len_bytes;
	}
	*ret_data = p->reassembly.bytes;
	*ret_len_bytes = p->reassembly.total_bytes;
	return 0;
}

static void socket_take(ipk_pipe *p)
{
	ipk__reassembly_end(&p->reassembly);
}

static int socket_recv(ipk_pipe *p, void *buf, size_t buf_bytes, ipk_deadline deadline,
		       size_t *ret_len_bytes)
{
	struct packet head = {0, p->reassembly.total_bytes};
	int r = 0;

	if (!p->reassembly.is_used)
		r = peek_packet(p, deadline, &head);
	if (r == 0 && head.len_bytes > buf_bytes)
		r = ipk__detail(-EMSGSIZE, IPK__OVER_BUF);
	if (r == 0 && p->reassembly.is_used) {
		if (head.len_bytes > 0)
			memcpy(buf, p->reassembly.bytes, head.len_bytes);
		ipk__reassembly_end(&p->reassembly);
	} else if (r == 0) {
		r = take_packet(p, buf, head.len_bytes);
	}
	if (r == 0 && ret_len_bytes)
		*ret_len_bytes = head.len_bytes;
	return r;
}

static int socket_poll(ipk_pipe *p, ipk_deadline deadline)
{
	struct packet head;

	return p->reassembly.is_used ? 0 : peek_packet(p, deadline, &head);
}

static int socket_fd(ipk_pipe *p, int *ret_fd)
{
	*ret_fd = p->data_fd;
	return 0;
}

static void socket_arm(ipk_pipe *p)
{
	(void)p; /* the kernel's fd is always armed */
}

const struct ipk__transport ipk__transport_socket = {
	.send = socket_send,
	.recv = socket_recv,
	.next = socket_next,
	.take = socket_take,
	.poll = socket_poll,
	.fd = socket_fd,
	.arm = socket_arm,
};
