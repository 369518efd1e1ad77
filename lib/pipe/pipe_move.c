/*
 * pipe_move.c - moves an end of a pipe to another process, with all its fds in one packet.
 *
 * An end has one owner. The sender closes it afterwards, once the peer is certain to get it: until
 * then nothing is lost, since the fds are sent as copies.
 */
#include <errno.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

/* Which end @p is: open_channels() in pipe.c. */
static int which_end(const ipk_pipe *p)
{
	const struct ipk__shm_pipe *shm = (const struct ipk__shm_pipe *)p->segment.header;

	if (shm)
		return p->tx.shared == &shm->channels[1];
	return p->can_send && !p->can_recv;
}

int ipk__pipe_send_end(ipk_pipe *p, int socket_fd, ipk_deadline deadline)
{
	struct ipk__side_packet packet;
	int fds[4] = {p->side_fd, p->data_fd};
	int which = which_end(p);

	if (p->transport == &ipk__transport_stream)
		return -EOPNOTSUPP;
	/* What is in the handle alone would be lost. */
	if (p->is_peeked || p->reassembly.is_used)
		return -EBUSY;
	ipk__side_packet_init(&packet, IPK__SIDE_END);
	packet.flags = p->flags;
	packet.max_message_bytes = p->max_message_bytes;
	packet.offset = (uint64_t)which;
	if (p->flags & IPK_PIPE_SOCKET)
		return ipk__side_send(socket_fd, &packet, fds, 2, deadline);
	fds[1] = p->segment.fd;
	fds[2 + which] = p->tx.doorbell_fd;
	fds[2 + !which] = p->rx.doorbell_fd;
	return ipk__side_send(socket_fd, &packet, fds, 4, deadline);
}

int ipk__pipe_recv_end(int socket_fd, ipk_deadline deadline, ipk_pipe **ret_end)
{
	struct ipk__pipe_parts parts = IPK__PIPE_NO_PARTS;
	struct ipk__side_packet packet;
	int fds[IPK__OS_FDS_MAX];
	size_t n_fds;
	bool is_socket;
	int r = ipk__side_recv(socket_fd, IPK__SIDE_END, deadline, &packet, fds, &n_fds);

	if (r < 0)
		return r;
	is_socket = packet.flags & IPK_PIPE_SOCKET;
	if (n_fds != (is_socket ? 2 : 4) || packet.offset > 1 || packet.max_message_bytes == 0 ||
	    (packet.flags & ~(uint32_t)(IPK_PIPE_SOCKET | IPK_PIPE_ONE_WAY)) ||
	    packet.max_message_bytes > IPK_MESSAGE_MAX_BYTES) {
		while (n_fds > 0)
			ipk__os_close(fds[--n_fds]);
		return -EPROTO;
	}
	parts.flags = packet.flags;
	parts.max_message_bytes = packet.max_message_bytes;
	if (is_socket) {
		parts.data_fds[packet.offset] = fds[1];
	} else {
		parts.segment_fd = fds[1];
		parts.doorbell_fds[0] = fds[2];
		parts.doorbell_fds[1] = fds[3];
	}
	r = ipk__pipe_parts_check(&parts, fds[0]);
	if (r < 0) {
		ipk__pipe_parts_close(&parts);
		ipk__os_close(fds[0]);
		return r;
	}
	return ipk__pipe_end(&parts, (int)packet.offset, fds[0], ret_end);
}

/* --- over a pipe ------------------------------------------------------------------------------ */

int ipk_pipe_send_pipe(ipk_pipe *p, ipk_pipe **end, ipk_deadline deadline)
{
	int r;

	if (!p)
		return -EBADF;
	if (!end || *end == p)
		return ipk__invalid("end is NULL, or is p itself");
	if (!*end)
		return -EBADF;
	if (p->side_fd < 0)
		return -EOPNOTSUPP;
	r = ipk__pipe_send_end(*end, p->side_fd, deadline);
	if (r == 0)
		*end = ipk_pipe_close(*end);
	return r;
}

int ipk_pipe_recv_pipe(ipk_pipe *p, ipk_deadline deadline, ipk_pipe **ret_end)
{
	if (!p)
		return -EBADF;
	if (!ret_end)
		return ipk__invalid("ret_end is NULL");
	if (p->side_fd < 0)
		return -EOPNOTSUPP;
	return ipk__pipe_recv_end(p->side_fd, deadline, ret_end);
}
