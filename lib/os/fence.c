/*
 * fence.c - an asymmetric memory fence: one side pays for both.
 *
 * A waker makes its change and then checks for sleepers; a sleeper announces that it sleeps and
 * then checks for a change. Each needs a full fence in between, or both may miss the other. The
 * waker's would stall, at every message, until the other processor releases the changed line.
 * membarrier(2) lets the sleeper run the fence for both: it interrupts every processor that runs a
 * registered process. It costs the sleeper up to some 15 us, once per sleep.
 *
 * A process that could not register (an old kernel, a seccomp filter) fences for itself as a waker.
 * A sleeper that may not call membarrier, among wakers that rely on it, can miss a wake-up in a
 * window of some 100 ns: then its slice ends the sleep.
 */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/os.h"

_Atomic bool ipk__os_fences_are_light;

/* Registration is the address space's: a fork child has it too, an exec ends it. */
void ipk__os_fence_start(void)
{
#ifndef __SANITIZE_THREAD__ /* it does not know of membarrier */
	static _Atomic bool is_asked;

	if (!atomic_exchange(&is_asked, true) &&
	    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0)
		atomic_store(&ipk__os_fences_are_light, true);
#endif
}

void ipk__os_fence_heavy(void)
{
	atomic_thread_fence(memory_order_seq_cst);
#ifndef __SANITIZE_THREAD__
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
#endif
}
