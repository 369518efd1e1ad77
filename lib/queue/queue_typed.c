/* queue_typed.c - typed values as items. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipk/pack.h"
#include "os/os.h"
#include "queue/queue_internal.h"

int ipk_queue_putf(ipk_queue *q, ipk_deadline deadline, const char *format, ...)
{
	size_t len_bytes;
	va_list args;
	void *data;
	int r;

	va_start(args, format);
	r = ipk_vpack(&data, &len_bytes, format, args);
	va_end(args);
	if (r < 0)
		return r;
	r = ipk_queue_put(q, data, len_bytes, deadline);
	free(data);
	return r;
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
		return -EINVAL;
	va_start(values.args, format);
	if (q->kind == IPK_QUEUE_MQ)
		r = mq_getf(q, deadline, &values);
	else
		r = ipk__queue_next(q, deadline, unpack_and_take, &values);
	va_end(values.args);
	if (r == 0 && q->kind != IPK_QUEUE_MQ)
		ipk__lane_wake_writers(&q->lane, 1);
	return r;
}
