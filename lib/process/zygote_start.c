/* zygote_start.c - children by the process-wide zygote. */
#include <errno.h>

#include "process/process_internal.h"

int ipk__start_by_zygote(ipk_process *p, ipk_process_fn fn, void *arg, const ipk_process_opts *opts)
{
	(void)p;
	(void)fn;
	(void)arg;
	(void)opts;
	return -EOPNOTSUPP;
}
