/* queue_pass.c - sends an anonymous queue's memory and doorbell over a pipe's side socket. */
#include <errno.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "queue/queue_internal.h"

int ipk_queue_send(ipk_queue *q, ipk_pipe *via, ipk_deadline deadline)
{
	int fds[2];

	if (!q)
		return -EBADF;
	if (q->kind == IPK_QUEUE_MQ || q->name)
		return -EOPNOTSUPP;
	fds[0] = q->segment.fd;
	fds[1] = q->channel.doorbell_fd;
	return ipk__pipe_pass(via, IPK__SIDE_QUEUE, fds, 2, deadline);
}

int ipk_queue_recv(ipk_pipe *via, ipk_deadline deadline, ipk_queue **ret_q)
{
	int fds[IPK__OS_FDS_MAX];
	size_t n_fds;
	int r;

	if (!ret_q)
		return ipk__invalid("ret_q is NULL");
	r = ipk__pipe_take(via, IPK__SIDE_QUEUE, deadline, fds, &n_fds);
	if (r < 0)
		return r;
	if (n_fds == 2 && ipk__os_doorbell_check(fds[1]) == 0)
		return ipk__queue_attach(fds[0], false, NULL, fds[1], ret_q);
	while (n_fds > 0)
		ipk__os_close(fds[--n_fds]);
	return -EPROTO;
}
