/*
 * item_queue.c - see item_queue.h. A ring of pointers that doubles; by priority the same array is a
 * binary heap, ordered by priority and then by number, so it is stable.
 */
#include "command/item_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "os/os.h"

#define FIRST_ROOM 16
#define MALLOC_BYTES 16 /* what an allocation costs beside its bytes */

int ipk__queue_item_make(int64_t priority, uint64_t number, struct ipk__slice value,
			 struct ipk__queue_item **ret_item)
{
	struct ipk__queue_item *item = ipk__os_malloc(sizeof(*item) + value.n_bytes);

	if (!item)
		return -ENOMEM;
	item->priority = priority;
	item->number = number;
	item->n_bytes = value.n_bytes;
	if (value.n_bytes > 0)
		memcpy(item->bytes, value.bytes, value.n_bytes);
	*ret_item = item;
	return 0;
}

uint64_t ipk__queue_item_used(const struct ipk__queue_item *item)
{
	return sizeof(*item) + item->n_bytes + MALLOC_BYTES + sizeof(void *);
}

/* The i-th from the front. */
static struct ipk__queue_item **at(const struct ipk__item_queue *queue, uint64_t i)
{
	return &queue->ring[(queue->head + i) & (queue->room - 1)];
}

static int resize(struct ipk__item_queue *queue, uint64_t room)
{
	struct ipk__queue_item **ring = ipk__os_malloc(room * sizeof(void *));

	if (!ring)
		return -ENOMEM;
	for (uint64_t i = 0; i < queue->n; i++)
		ring[i] = *at(queue, i);
	free(queue->ring);
	queue->ring = ring;
	queue->room = room;
	queue->head = 0;
	return 0;
}

static int make_room(struct ipk__item_queue *queue)
{
	if (queue->n < queue->room)
		return 0;
	return resize(queue, queue->room ? queue->room * 2 : FIRST_ROOM);
}

/* --- by priority ------------------------------------------------------------------------------ */

static bool is_before(const struct ipk__queue_item *a, const struct ipk__queue_item *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->number < b->number;
}

static void sift_up(struct ipk__item_queue *queue, uint64_t i)
{
	struct ipk__queue_item **heap = queue->ring, *item = heap[i];

	for (; i > 0 && is_before(item, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = item;
}

static void sift_down(struct ipk__item_queue *queue, uint64_t i)
{
	struct ipk__queue_item **heap = queue->ring, *item = heap[i];
	uint64_t child;

	while ((child = 2 * i + 1) < queue->n) {
		if (child + 1 < queue->n && is_before(heap[child + 1], heap[child]))
			child++;
		if (!is_before(heap[child], item))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = item;
}

static struct ipk__queue_item *heap_extract(struct ipk__item_queue *queue, uint64_t i)
{
	struct ipk__queue_item *item = queue->ring[i];

	queue->n--;
	if (i < queue->n) {
		queue->ring[i] = queue->ring[queue->n];
		sift_up(queue, i);
		sift_down(queue, i);
	}
	return item;
}

/* --- all orders ------------------------------------------------------------------------------- */

int ipk__item_queue_put(struct ipk__item_queue *queue, struct ipk__queue_item *item)
{
	IPK_TRY(make_room(queue));
	*at(queue, queue->n++) = item;
	if (queue->order == IPK__ORDER_PRIORITY)
		sift_up(queue, queue->n - 1);
	return 0;
}

int ipk__item_queue_put_back(struct ipk__item_queue *queue, struct ipk__queue_item *item)
{
	if (queue->order != IPK__ORDER_FIFO)
		return ipk__item_queue_put(queue, item);
	IPK_TRY(make_room(queue));
	queue->head--;
	queue->n++;
	*at(queue, 0) = item;
	return 0;
}

struct ipk__queue_item *ipk__item_queue_take(struct ipk__item_queue *queue)
{
	struct ipk__queue_item *item;

	if (queue->n == 0)
		return NULL;
	if (queue->order == IPK__ORDER_PRIORITY) {
		item = heap_extract(queue, 0);
	} else if (queue->order == IPK__ORDER_LIFO) {
		item = *at(queue, --queue->n);
	} else {
		item = *at(queue, 0);
		queue->head++;
		queue->n--;
	}
	if (queue->room > FIRST_ROOM && queue->n < queue->room / 8)
		(void)resize(queue, queue->room / 2); /* without memory it stays large */
	return item;
}

static struct ipk__queue_item *ring_extract(struct ipk__item_queue *queue, uint64_t i)
{
	struct ipk__queue_item *item = *at(queue, i);

	if (i < queue->n / 2) {
		for (; i > 0; i--)
			*at(queue, i) = *at(queue, i - 1);
		queue->head++;
	} else {
		for (; i + 1 < queue->n; i++)
			*at(queue, i) = *at(queue, i + 1);
	}
	queue->n--;
	return item;
}

struct ipk__queue_item *ipk__item_queue_extract(struct ipk__item_queue *queue, uint64_t number)
{
	for (uint64_t i = 0; i < queue->n; i++) {
		/* It is most likely one that would be taken soon. */
		uint64_t j = queue->order == IPK__ORDER_LIFO ? queue->n - 1 - i : i;

		if ((*at(queue, j))->number != number)
			continue;
		return queue->order == IPK__ORDER_PRIORITY ? heap_extract(queue, j)
							   : ring_extract(queue, j);
	}
	return NULL;
}

void ipk__item_queue_each(const struct ipk__item_queue *queue,
			  void (*each)(void *arg, const struct ipk__queue_item *item), void *arg)
{
	for (uint64_t i = 0; i < queue->n; i++)
		each(arg, *at(queue, i));
}

void ipk__item_queue_fini(struct ipk__item_queue *queue)
{
	free(queue->ring);
	*queue = (struct ipk__item_queue){0};
}
