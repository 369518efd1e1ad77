/* server_ring.h - local clients: requests and replies over rings in shared memory. */
#ifndef IPK_SERVER_RING_H
#define IPK_SERVER_RING_H

#include "server/server_core.h"

struct ipk__rings {
	struct ipk__conn *active; /* those that are looked at */
	int64_t budget_ns;
	unsigned n_checks;
	unsigned n_iterations; /* since the sockets were asked */
};

int ipk__rings_create(struct ipk__server *server);
void ipk__rings_free(struct ipk__server *server);
bool ipk__rings_are_active(const struct ipk__loop *loop); /* something came over one lately */
/* Polls the rings for a while, then sleeps: as ipk__os_loop_wait(). */
int ipk__rings_wait(struct ipk__server *server, struct ipk__os_ready *ret_ready, size_t max,
		    int64_t timeout_ns, size_t *ret_n);
/* Its doorbell rang. */
void ipk__ring_rung(struct ipk__server *server, struct ipk__conn *conn);
void ipk__rings_take(struct ipk__server *server); /* executes what arrived over them */
/* Sends the peer's out; what does not fit stays there. */
void ipk__ring_send(struct ipk__server *server, struct ipk__conn *conn);
void ipk__ring_forget(struct ipk__server *server, struct ipk__conn *conn); /* before a drop */
void ipk__cmd_local(struct ipk__request *q);                               /* IPK.LOCAL */

#endif
