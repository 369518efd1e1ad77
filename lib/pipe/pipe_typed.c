/* pipe_typed.c - typed values as messages. */
#include <errno.h>
#include <string.h>

#include "ipk/pack.h"
#include "pipe/pipe_internal.h"
#include "wire/typed.h"

int ipk_pipe_sendf(ipk_pipe *p, ipk_deadline deadline, const char *format, ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_pipe_send(p, data, len_bytes, deadline);
}

/* Move what was peeked out of the ring: the sender may write there once it is released. */
static int keep(ipk_pipe *p, const void *data, size_t len_bytes)
{
	int r;

	if (data == p->reassembly.bytes)
		return 0;
	r = ipk__reassembly_reserve(&p->reassembly, len_bytes);
	if (r == 0)
		memcpy(p->reassembly.bytes, data, len_bytes);
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
	r = ipk_vunpack(p->reassembly.bytes, len_bytes, format, args);
	va_end(args);
	return r < 0 ? r : ipk_pipe_release(p);
}
