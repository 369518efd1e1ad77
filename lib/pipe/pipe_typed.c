/* pipe_typed.c - typed values as messages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipk/pack.h"
#include "pipe/pipe_internal.h"

int ipk_pipe_sendf(ipk_pipe *p, ipk_deadline deadline, const char *format, ...)
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
	r = ipk_pipe_send(p, data, len_bytes, deadline);
	free(data);
	return r;
}

/* Move what was peeked out of the ring: the sender may write there once it is released. */
static int keep(ipk_pipe *p, const void *data, size_t len_bytes)
{
	int r;

	if (data == p->stash.bytes)
		return 0;
	r = ipk__stash_room(&p->stash, len_bytes);
	if (r == 0)
		memcpy(p->stash.bytes, data, len_bytes);
	return r;
}

int ipk_pipe_recvf(ipk_pipe *p, ipk_deadline deadline, const char *format, ...)
{
	const void *data;
	size_t len_bytes;
	va_list args;
	int r = ipk_pipe_peek(p, deadline, &data, &len_bytes);

	if (r == 0)
		r = keep(p, data, len_bytes);
	if (r < 0)
		return r;
	va_start(args, format);
	r = ipk_vunpack(p->stash.bytes, len_bytes, format, args);
	va_end(args);
	return r < 0 ? r : ipk_pipe_release(p);
}
