/*
 * pipe_side.c - the side socket of every pipe.
 *
 * It carries file descriptors (and through them, whole queues), the handshake of a listener, and
 * the end of file: it hangs up when the last copy of the other end is closed, the kernel's proof
 * that the peer is gone.
 */
#include <errno.h>
#include <sys/uio.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

#define SIDE_MAGIC 0x65646973u /* "side" */

void ipk__side_packet_init(struct ipk__side_packet *packet, uint32_t type)
{
	*packet = (struct ipk__side_packet){
		.magic = SIDE_MAGIC,
		.type = type,
		.version = IPK__SEGMENT_VERSION,
	};
}

int ipk__side_send(int side_fd, const struct ipk__side_packet *packet, const int *fds, size_t n_fds,
		   ipk_deadline deadline)
{
	struct iovec part = {(void *)packet, sizeof *packet};
	uint32_t n_rounds = 0;

	for (;;) {
		int r = ipk__os_send(side_fd, &part, 1, fds, n_fds);

		if (r != -EAGAIN)
			return r;
		r = ipk__os_poll1(side_fd, IPK__OS_OUT, deadline, NULL);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
}

/* What the next packet is, without taking it. */
static int look_at_packet(int side_fd, struct ipk__side_packet *packet)
{
	struct iovec part = {packet, sizeof *packet};
	size_t n_bytes;
	int r = ipk__os_recv(side_fd, &part, 1, true, &n_bytes, NULL, NULL);

	if (r < 0)
		return r;
	return n_bytes != sizeof *packet || packet->magic != SIDE_MAGIC ? -EPROTO : 0;
}

/* What is not a packet of ours is in the way of those that are. */
static int discard_packet(int side_fd)
{
	struct ipk__side_packet packet;
	struct iovec part = {&packet, sizeof packet};
	size_t n_bytes;

	/* Without room for fds the kernel closes them. */
	(void)ipk__os_recv(side_fd, &part, 1, false, &n_bytes, NULL, NULL);
	return -EPROTO;
}

int ipk__side_recv(int side_fd, uint32_t type, ipk_deadline deadline,
		   struct ipk__side_packet *ret_packet, int *ret_fds, size_t *ret_n_fds)
{
	struct ipk__side_packet packet;
	struct iovec part = {&packet, sizeof packet};
	uint32_t n_rounds = 0;
	size_t n_bytes;
	int r;

	for (;;) {
		r = look_at_packet(side_fd, &packet);
		if (r == -EPROTO)
			return discard_packet(side_fd);
		if (r == 0 && packet.type != type)
			return -EPROTO;
		if (r == 0)
			r = ipk__os_recv(side_fd, &part, 1, false, &n_bytes, ret_fds, ret_n_fds);
		if (r != -EAGAIN)
			break;
		r = ipk__os_poll1(side_fd, IPK__OS_IN, deadline, NULL);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
	if (r == 0 && ret_packet)
		*ret_packet = packet;
	return r;
}

int ipk__pipe_pass(ipk_pipe *p, uint32_t type, const int *fds, size_t n_fds, ipk_deadline deadline)
{
	struct ipk__side_packet packet;

	if (!p)
		return -EBADF;
	if (p->side_fd < 0)
		return -EOPNOTSUPP;
	ipk__side_packet_init(&packet, type);
	return ipk__side_send(p->side_fd, &packet, fds, n_fds, deadline);
}

int ipk__pipe_take(ipk_pipe *p, uint32_t type, ipk_deadline deadline, int *ret_fds,
		   size_t *ret_n_fds)
{
	if (!p)
		return -EBADF;
	if (p->side_fd < 0)
		return -EOPNOTSUPP;
	return ipk__side_recv(p->side_fd, type, deadline, NULL, ret_fds, ret_n_fds);
}

int ipk_pipe_send_fd(ipk_pipe *p, int fd, ipk_deadline deadline)
{
	return ipk__pipe_pass(p, IPK__SIDE_FD, &fd, 1, deadline);
}

int ipk__pipe_pass_object(ipk_pipe *p, int fd, uint64_t offset, ipk_deadline deadline)
{
	struct ipk__side_packet packet;

	if (!p)
		return -EBADF;
	if (p->side_fd < 0)
		return -EOPNOTSUPP;
	ipk__side_packet_init(&packet, IPK__SIDE_OBJECT);
	packet.offset = offset;
	return ipk__side_send(p->side_fd, &packet, &fd, 1, deadline);
}

static int take_one_fd(ipk_pipe *p, uint32_t type, ipk_deadline deadline,
		       struct ipk__side_packet *ret_packet, int *ret_fd)
{
	int fds[IPK__OS_FDS_MAX];
	size_t n_fds;
	int r;

	if (!p)
		return -EBADF;
	if (p->side_fd < 0)
		return -EOPNOTSUPP;
	r = ipk__side_recv(p->side_fd, type, deadline, ret_packet, fds, &n_fds);
	if (r < 0)
		return r;
	if (n_fds != 1) {
		while (n_fds > 0)
			ipk__os_close(fds[--n_fds]);
		return -EPROTO;
	}
	*ret_fd = fds[0];
	return 0;
}

int ipk__pipe_take_object(ipk_pipe *p, ipk_deadline deadline, int *ret_fd, uint64_t *ret_offset)
{
	struct ipk__side_packet packet;
	int r = take_one_fd(p, IPK__SIDE_OBJECT, deadline, &packet, ret_fd);

	if (r == 0)
		*ret_offset = packet.offset;
	return r;
}

int ipk_pipe_recv_fd(ipk_pipe *p, ipk_deadline deadline, int *ret_fd)
{
	if (!p)
		return -EBADF;
	IPK__REQUIRE(ret_fd, "ret_fd is NULL");
	return take_one_fd(p, IPK__SIDE_FD, deadline, NULL, ret_fd);
}
