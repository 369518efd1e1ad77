/* server_ring.c - local clients over rings in shared memory. */
#include <errno.h>

#include "server/server_ring.h"

int ipk__rings_create(struct ipk__server *server)
{
	(void)server;
	return 0;
}

void ipk__rings_free(struct ipk__server *server)
{
	(void)server;
}

int ipk__rings_wait(struct ipk__server *server, struct ipk__os_ready *ret_ready, size_t max,
		    int64_t timeout_ns, size_t *ret_n)
{
	return ipk__os_loop_wait(server->epoll_fd, ret_ready, max, timeout_ns, ret_n);
}

void ipk__rings_take(struct ipk__server *server)
{
	(void)server;
}

void ipk__ring_send(struct ipk__server *server, struct ipk__conn *conn)
{
	(void)server;
	(void)conn;
}

void ipk__ring_forget(struct ipk__server *server, struct ipk__conn *conn)
{
	(void)server;
	(void)conn;
}

void ipk__cmd_local(struct ipk__request *q)
{
	ipk__reply_error(q, "DENIED not yet");
}
