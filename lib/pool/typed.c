/* typed.c - typed values as arguments and results of tasks. */
#include <errno.h>

#include "ipk/pack.h"
#include "pool/pool_internal.h"
#include "pool/worker.h"
#include "wire/typed.h"

int ipk_pool_submitf(ipk_pool *pool, ipk_task_fn fn, ipk_future **ret_future, const char *format,
		     ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_pool_submit(pool, fn, data, len_bytes, NULL, ret_future);
}

int ipk_future_getf(ipk_future *f, ipk_deadline deadline, const char *format, ...)
{
	va_list args;
	int r = ipk_future_get(f, NULL, 0, deadline, NULL);

	if (r < 0)
		return r;
	/* It is complete, so the result does not change any more: pointers into it stay valid. */
	va_start(args, format);
	r = ipk_vunpack(f->result, f->result_bytes, format, args);
	va_end(args);
	return r;
}

int ipk_task_returnf(ipk_task *task, const char *format, ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_task_return(task, data, len_bytes);
}

int ipk_task_argf(ipk_task *task, const char *format, ...)
{
	va_list args;
	int r;

	if (!task)
		return ipk__invalid("task is NULL");
	va_start(args, format);
	r = ipk_vunpack(task->arg, task->arg_bytes, format, args);
	va_end(args);
	return r;
}
