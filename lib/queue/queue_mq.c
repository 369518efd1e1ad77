/*
 * queue_mq.c - POSIX message queues behind the queue calls ("mq:/NAME").
 *
 * The kernel keeps the messages, so any other program can take part with mq_send() and
 * mq_receive(). It delivers the highest priority first where ipk's lowest level comes
 * first: level L is message priority 63 - L.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "queue/queue_internal.h"

#define SCHEME "mq:"

bool ipk__mq_is_name(const char *name)
{
	return name && strncmp(name, SCHEME "/", sizeof SCHEME) == 0;
}

/* The kernel's name, "/NAME", or NULL. */
static const char *kernel_name(const char *name)
{
	const char *slash = name + sizeof SCHEME - 1;

	return ipk__name_check(slash + 1) == 0 ? slash : NULL;
}

/* A handle for @fd, which it takes over, also when it fails. */
static int new_handle(int fd, const char *name, ipk_queue **ret_q)
{
	ipk_queue *q = ipk__os_calloc(1, sizeof *q);
	size_t max_items;
	size_t n_items;
	int r = q && (q->name = strdup(name)) ? 0 : -ENOMEM;

	if (r == 0)
		r = ipk__os_mq_stat(fd, &max_items, &q->mq_message_bytes, &n_items);
	if (r < 0) {
		if (q)
			free(q->name);
		free(q);
		ipk__os_mq_close(fd);
		return r;
	}
	q->kind = IPK_QUEUE_MQ;
	q->mq_fd = fd;
	q->segment.fd = q->channel.doorbell_fd = -1;
	*ret_q = q;
	return 0;
}

#define NO_NAME "name: mq:/ and then " IPK__NAME_RULE

int ipk__mq_create(const ipk_queue_opts *opts, ipk_queue **ret_q)
{
	const char *name = kernel_name(opts->name);
	int fd;
	int r;

	if (!name)
		return ipk__invalid(NO_NAME);
	r = ipk__os_mq_create(name, opts->max_items, opts->ring_bytes, &fd);
	if (r < 0)
		return r;
	r = new_handle(fd, opts->name, ret_q);
	if (r < 0)
		ipk__os_mq_unlink(name);
	return r;
}

int ipk__mq_open(const char *name, ipk_queue **ret_q)
{
	const char *at = kernel_name(name);
	int fd;
	int r = at ? ipk__os_mq_open(at, &fd) : ipk__invalid(NO_NAME);

	return r < 0 ? r : new_handle(fd, name, ret_q);
}

int ipk__mq_unlink(const char *name)
{
	const char *at = kernel_name(name);

	return at ? ipk__os_mq_unlink(at) : ipk__invalid(NO_NAME);
}

static int put_one(ipk_queue *q, const ipk_bytes *item, unsigned level, ipk_deadline deadline)
{
	uint32_t n_rounds = 0;

	if (!item->data && item->len_bytes > 0)
		return ipk__invalid("data is NULL, and len_bytes is not 0");
	if (item->len_bytes > q->mq_message_bytes)
		return ipk__detail(-EMSGSIZE, "len_bytes: .ring_bytes of the queue at most");
	for (;;) {
		int r = ipk__os_mq_send(q->mq_fd, item->data ? item->data : "", item->len_bytes,
					IPK_QUEUE_LEVELS - 1 - level);

		if (r != -EAGAIN)
			return r;
		r = ipk__os_poll1(q->mq_fd, IPK__OS_OUT, deadline, NULL);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
}

int ipk__mq_put(ipk_queue *q, const ipk_bytes *items, size_t n_items, unsigned level,
		ipk_deadline deadline, size_t *ret_n_put)
{
	size_t n = 0;
	int r = 0;

	while (n < n_items) {
		r = put_one(q, &items[n], level, deadline);
		if (r < 0)
			break;
		n++;
	}
	if (n == 0 && r < 0)
		return r;
	*ret_n_put = n;
	return 0;
}

int ipk__mq_get(ipk_queue *q, void *buf, size_t buf_bytes, ipk_deadline deadline,
		size_t *ret_len_bytes)
{
	uint32_t n_rounds = 0;
	size_t len_bytes;

	/* The kernel's own rule; and a message taken out cannot be put back in its place. */
	if (buf_bytes < q->mq_message_bytes)
		return ipk__detail(-EMSGSIZE, "buf_bytes: .ring_bytes of the queue, or more");
	for (;;) {
		int r = ipk__os_mq_receive(q->mq_fd, buf, buf_bytes, &len_bytes);

		if (r == 0 && ret_len_bytes)
			*ret_len_bytes = len_bytes;
		if (r != -EAGAIN)
			return r;
		r = ipk__os_poll1(q->mq_fd, IPK__OS_IN, deadline, NULL);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
}

size_t ipk__mq_len(const ipk_queue *q)
{
	size_t max_items;
	size_t message_bytes;
	size_t n_items = 0;

	return ipk__os_mq_stat(q->mq_fd, &max_items, &message_bytes, &n_items) == 0 ? n_items : 0;
}

bool ipk__mq_is_full(const ipk_queue *q)
{
	size_t max_items;
	size_t message_bytes;
	size_t n_items;

	return ipk__os_mq_stat(q->mq_fd, &max_items, &message_bytes, &n_items) == 0 &&
	       n_items >= max_items;
}
