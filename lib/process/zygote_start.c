/*
 * zygote_start.c - the process-wide zygote, by which ipk_process_start() starts children.
 *
 * Invariant: the zygote that is remembered was made by the process that remembers it, or it
 * counts as none. So a fork of its requester begins without one and may make its own.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "process/zygote_internal.h"

static _Atomic(struct ipk__zygote *) of_process;

struct ipk__zygote *ipk__zygote_of_process(void)
{
	struct ipk__zygote *z = atomic_load(&of_process);

	return z && ipk__zygote_is_own(z) ? z : NULL;
}

/* One that is of no use: both of its processes were killed, or it is another process's. */
static void forget_lost(void)
{
	struct ipk__zygote *z = atomic_load(&of_process);
	pid_t pid = 0, standby_pid;

	if (!z)
		return;
	if (ipk__zygote_is_own(z))
		ipk__zygote_pids(z, &pid, &standby_pid);
	if (pid == 0 && atomic_compare_exchange_strong(&of_process, &z, NULL))
		(void)ipk__zygote_close(z);
}

int ipk_zygote_start(const ipk_zygote_opts *opts)
{
	struct ipk__zygote *z, *none = NULL;
	ipk_zygote_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	if (o.name && ipk__name_check(o.name) < 0)
		return -EINVAL;
	forget_lost();
	if (atomic_load(&of_process))
		return -EALREADY;
	r = ipk__zygote_make(o.name, NULL, o.preload, o.preload_arg, &z);
	if (r < 0)
		return r;
	if (atomic_compare_exchange_strong(&of_process, &none, z))
		return 0;
	(void)ipk__zygote_close(z);
	return -EALREADY;
}

void ipk_zygote_stop(void)
{
	(void)ipk__zygote_close(atomic_exchange(&of_process, NULL));
}
