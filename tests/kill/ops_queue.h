/* ops_queue.h - the queues that the rows of this folder use. */
#ifndef IPK_KILL_OPS_QUEUE_H
#define IPK_KILL_OPS_QUEUE_H

#include "fixture.h"

/* For the kind (the variant of the row); @by_lease: gets by lease and ack. */
const struct queueish *queueish_for(const struct op *op, bool by_lease);
/* A queue as in the row; named when @name is not NULL. */
int create_queue(const struct op *op, const char *name, ipk_queue **ret_q);
const char *kind_name(ipk_queue_kind kind);
/* "mq:/..." for that kind. */
const char *object_name(const struct fixture *s, char buf[96]);

#endif
