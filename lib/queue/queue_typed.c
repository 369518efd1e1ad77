/* queue_typed.c - typed values as items. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipk/pack.h"
#include "os/os.h"
#include "queue/queue_internal.h"
#include "wire/typed.h"

int ipk_queue_putf(ipk_queue *q, ipk_deadline deadline, const char *format, ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_queue_put(q, data, len_bytes, deadline);
}

struct values {
	const char *format;
	va_list args;
};

static int unpack_and_take(ipk_queue *q, const struct ipk__found *f, void *arg)
{
	struct values *values = arg;
	void *copy = ipk__os_malloc(f->len_bytes);
	int r = copy ? ipk__found_read(q, f, copy, f->len_bytes) : -ENOMEM;

	if (r == 0)
		r = ipk_vunpack(copy, f->len_bytes, values->format, values->args);
	if (r == 0)
		ipk__found_take(q, f);
	free(copy);
	return r;
}

static int mq_getf(ipk_queue *q, ipk_deadline deadline, struct values *values)
{
	size_t len_bytes;
	void *data;
	int r = ipk_queue_get_alloc(q, deadline, &data, &len_bytes);

	if (r < 0)
		return r;
	r = ipk_vunpack(data, len_bytes, values->format, values->args);
	free(data);
	return r;
}

int ipk_queue_getf(ipk_queue *q, ipk_deadline deadline, const char *format, ...)
{
	struct values values = {.format = format};
	int r;

	if (!q)
		return -EBADF;
	/* What these yield points into a message that is gone when the call returns. */
	if (!format || strpbrk(format, "Sy"))
		return ipk__invalid("format is NULL, or has S or y: use s, or ipk_queue_get() and "
				    "ipk_unpack()");
	va_start(values.args, format);
	if (q->kind == IPK_QUEUE_MQ)
		r = mq_getf(q, deadline, &values);
	else
		r = ipk__queue_next(q, deadline, unpack_and_take, &values);
	va_end(values.args);
	if (r == 0 && q->kind != IPK_QUEUE_MQ)
		ipk__channel_wake_writers(&q->channel, 1);
	return r;
}
