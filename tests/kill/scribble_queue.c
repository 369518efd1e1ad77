/*
 * scribble_queue.c - queues of every kind, with items in the ring, in the item table, in pages of
 * their own and on lease.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scribble.h"

enum { FIFO, LIFO, PRIORITY };
/* What calls without a deadline wait for another's get or put (ipk/queue.h says so). */
#define LOCK_MS 1000
enum { ITEMS = 6, RING_BYTES = 4096, SMALL_BYTES = 40, LONG_BYTES = 3000 };

static char payload[LONG_BYTES];

static int queue_make(struct trial *t)
{
	int r = ipk_queue_create(IPK_QUEUE(.name = is_opened(t) ? t->name : NULL,
					   .kind = (ipk_queue_kind)t->row->noun->variant,
					   .max_items = ITEMS, .ring_bytes = RING_BYTES),
				 (ipk_queue **)&t->object);
	enum state state = state_of(t);
	int n = state == EMPTY || state == WAITED ? 0 : state == FULL ? ITEMS : 3;

	/* Every third one is too long for the ring. */
	for (int i = 0; i < n && r == 0; i++)
		r = ipk_queue_put_level(t->object, payload, i % 3 == 2 ? LONG_BYTES : SMALL_BYTES,
					t->row->noun->variant == PRIORITY ? (unsigned)i % 4 : 0,
					ipk_now());
	return r;
}

static int queue_open(struct trial *t)
{
	return ipk_queue_open(t->name, ipk_now(), (ipk_queue **)&t->object);
}

static int queue_put(struct trial *t, ipk_deadline d)
{
	return ipk_queue_put(t->object, payload, SMALL_BYTES, d);
}

static int queue_put_long(struct trial *t, ipk_deadline d)
{
	return ipk_queue_put(t->object, payload, LONG_BYTES, d);
}

static int queue_put_level(struct trial *t, ipk_deadline d)
{
	return ipk_queue_put_level(t->object, payload, SMALL_BYTES, random_below(&t->random, 64),
				   d);
}

static int queue_put_many(struct trial *t, ipk_deadline d)
{
	const ipk_bytes items[] = {{payload, SMALL_BYTES}, {payload, LONG_BYTES}, {payload, 1}};
	size_t n;

	return ipk_queue_put_many(t->object, items, 3, d, &n);
}

static int queue_get(struct trial *t, ipk_deadline d)
{
	size_t n = 0;
	int r = ipk_queue_get(t->object, t->buf, BUF_BYTES, d, &n);

	if (r == 0 && n > BUF_BYTES)
		trial_harm(t, "more than the buffer holds");
	return r;
}

static int queue_peek(struct trial *t, ipk_deadline d)
{
	size_t n;

	return ipk_queue_peek(t->object, t->buf, BUF_BYTES, d, &n);
}

static void read_all(const void *data, size_t n_bytes)
{
	const volatile unsigned char *bytes = data;
	unsigned sum = 0;

	for (size_t i = 0; i < n_bytes; i++)
		sum += bytes[i];
	(void)sum;
}

static int queue_get_alloc(struct trial *t, ipk_deadline d)
{
	void *data;
	size_t n;
	int r = ipk_queue_get_alloc(t->object, d, &data, &n);

	if (r == 0) {
		read_all(data, n);
		free(data);
	}
	return r;
}

static int queue_get_many(struct trial *t, ipk_deadline d)
{
	ipk_bytes items[4];
	size_t n = 0;
	int r = ipk_queue_get_many(t->object, t->buf, BUF_BYTES, 4, d, items, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		read_all(items[i].data, items[i].len_bytes);
	return r;
}

static int queue_getf(struct trial *t, ipk_deadline d)
{
	int i;

	return ipk_queue_getf(t->object, d, "i", &i);
}

static int queue_lease(struct trial *t, ipk_deadline d)
{
	const void *data;
	size_t n = 0;
	int r = t->lease ? -EBUSY : ipk_queue_lease(t->object, d, &t->lease);

	if (r < 0)
		return r;
	data = ipk_lease_data(t->lease, &n);
	read_all(data, n);
	ipk_lease_is_redelivered(t->lease);
	return 0;
}

static int queue_ack(struct trial *t, ipk_deadline d)
{
	(void)d;
	return t->lease ? ipk_lease_ack(t->lease) : 0;
}

static int queue_nack(struct trial *t, ipk_deadline d)
{
	(void)d;
	return t->lease ? ipk_lease_nack(t->lease) : 0;
}

static int queue_end_lease(struct trial *t, ipk_deadline d)
{
	(void)d;
	t->lease = ipk_lease_close(t->lease);
	return 0;
}

static int queue_task_done(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_queue_task_done(t->object);
}

static int queue_join(struct trial *t, ipk_deadline d)
{
	return ipk_queue_join(t->object, d);
}

static int queue_look(struct trial *t, ipk_deadline d)
{
	(void)d;
	ipk_queue_len(t->object);
	ipk_queue_is_empty(t->object);
	ipk_queue_is_full(t->object);
	return 0;
}

static int queue_fd(struct trial *t, ipk_deadline d)
{
	int fd;

	(void)d;
	return ipk_queue_fd(t->object, &fd);
}

static int queue_shutdown(struct trial *t, ipk_deadline d)
{
	(void)d;
	if (random_below(&t->random, 4))
		return 0; /* not too early */
	return ipk_queue_shutdown(t->object, random_below(&t->random, 2) ? IPK_DRAIN : IPK_DISCARD);
}

/* Through a pipe of its own, and attached once more. */
static int queue_send(struct trial *t, ipk_deadline d)
{
	ipk_pipe *a, *b;
	ipk_queue *q = NULL;
	int r = ipk_pipe_create(IPK_PIPE(.ring_bytes = RING_BYTES), &a, &b);

	if (r < 0)
		return r;
	r = ipk_queue_send(t->object, a, d);
	if (r == 0)
		r = ipk_queue_recv(b, d, &q);
	if (r == 0)
		r = ipk_queue_put(q, payload, SMALL_BYTES, d);
	ipk_queue_close(q);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	return r;
}

static int queue_take(struct trial *t)
{
	if (state_of(t) == SHUT)
		return ipk_queue_shutdown(t->object, IPK_DRAIN);
	return state_of(t) == OWNED ? ipk_queue_lease(t->object, ipk_now(), &t->lease) : 0;
}

static int queue_peer(struct trial *t)
{
	return state_of(t) == HELD ? ipk_queue_lease(t->object, ipk_now(), &t->lease) : 0;
}

static int queue_peer_wait(struct trial *t, ipk_deadline d)
{
	return random_below(&t->random, 2) ? queue_get(t, d) : queue_lease(t, d);
}

static void queue_close(struct trial *t)
{
	t->lease = ipk_lease_close(t->lease);
	t->object = ipk_queue_close(t->object);
}

static const struct call queue_calls[] = {
	CALL("ipk_queue_put", queue_put, true),
	CALL("ipk_queue_put, a long one", queue_put_long, true),
	CALL("ipk_queue_put_level", queue_put_level, true),
	CALL("ipk_queue_put_many", queue_put_many, true),
	CALL("ipk_queue_get", queue_get, true),
	CALL("ipk_queue_peek", queue_peek, true),
	CALL("ipk_queue_get_alloc", queue_get_alloc, true),
	CALL("ipk_queue_get_many", queue_get_many, true),
	CALL("ipk_queue_getf", queue_getf, true),
	CALL("ipk_queue_lease", queue_lease, true),
	CALL_OF("ipk_lease_ack", queue_ack, LOCK_MS),
	CALL_OF("ipk_lease_nack", queue_nack, LOCK_MS),
	CALL_OF("ipk_lease_close", queue_end_lease, LOCK_MS),
	CALL_OF("ipk_queue_task_done", queue_task_done, LOCK_MS),
	CALL("ipk_queue_join", queue_join, true),
	CALL("ipk_queue_len", queue_look, false),
	CALL("ipk_queue_fd", queue_fd, false),
	CALL_OF("ipk_queue_shutdown", queue_shutdown, LOCK_MS),
	CALL("ipk_queue_send", queue_send, true),
};

void nouns_queue(struct noun_list *list)
{
	static const char *const names[] = {"queue-fifo", "queue-lifo", "queue-priority"};
	struct noun queue = {.states = IN(EMPTY) | IN(HALF) | IN(FULL) | IN(OWNED) | IN(HELD) |
				       IN(WAITED) | IN(SHUT) | IN(OPENED),
			     CALLS(queue_calls),
			     .make = queue_make,
			     .take = queue_take,
			     .peer = queue_peer,
			     .peer_wait = queue_peer_wait,
			     .open = queue_open,
			     .unlink = ipk_queue_unlink,
			     .close = queue_close};

	for (int i = FIFO; i <= PRIORITY; i++) {
		queue.variant = i;
		queue.name = names[i];
		noun_add(list, &queue);
	}
}
