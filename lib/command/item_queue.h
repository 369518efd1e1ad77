/*
 * item_queue.h - the items of a managed queue, in the server's private memory: FIFO, LIFO, or
 * smallest priority first. Independent of waiters and the log.
 */
#ifndef IPK_COMMAND_ITEM_QUEUE_H
#define IPK_COMMAND_ITEM_QUEUE_H

#include <stdint.h>

#include "base/slice.h"

enum ipk__queue_order { IPK__ORDER_FIFO = 0, IPK__ORDER_LIFO = 1, IPK__ORDER_PRIORITY = 2 };

struct ipk__queue_item {
	int64_t priority;
	uint64_t number; /* in put order: equal priorities keep that order */
	size_t n_bytes;
	char bytes[];
};

/* Zeroed: an empty one; the order is set before the first item. */
struct ipk__item_queue {
	enum ipk__queue_order order;
	struct ipk__queue_item **ring; /* by priority: a heap from ring[0] */
	uint64_t room;                 /* 0 or a power of 2 */
	uint64_t head;
	uint64_t n;
};

int ipk__queue_item_make(int64_t priority, uint64_t number, struct ipk__slice value,
			 struct ipk__queue_item **ret_item);
uint64_t ipk__queue_item_used(const struct ipk__queue_item *item); /* bytes of memory, about */

/* -ENOMEM: nothing changed. */
int ipk__item_queue_put(struct ipk__item_queue *queue, struct ipk__queue_item *item);
/* To the front; by priority: before equal ones that were put later. */
int ipk__item_queue_put_back(struct ipk__item_queue *queue, struct ipk__queue_item *item);
struct ipk__queue_item *ipk__item_queue_take(struct ipk__item_queue *queue); /* NULL: empty */
/* The one with this number, at any position; NULL: none. */
struct ipk__queue_item *ipk__item_queue_extract(struct ipk__item_queue *queue, uint64_t number);
/* In an order such that putting them again, one by one, recreates the same queue. */
void ipk__item_queue_each(const struct ipk__item_queue *queue,
			  void (*each)(void *arg, const struct ipk__queue_item *item), void *arg);
void ipk__item_queue_fini(struct ipk__item_queue *queue); /* must be empty */

#endif
