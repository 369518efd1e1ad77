/*
 * who.c - thread id and start time as one word: id in the low 22 bits (the kernel has no
 * larger ones), above it the start time in the 10 ms steps in which /proc gives it, plus 1;
 * 0 there says that /proc did not tell, and then the id alone is believed.
 */
#include <errno.h>

#include "os/os.h"
#include "shm/who.h"

#define TID_BITS 22
#define STEP_NS 10000000

static uint64_t steps(int64_t started_boot_ns)
{
	return (uint64_t)(started_boot_ns / STEP_NS) + 1;
}

uint32_t ipk__who_tid(uint64_t who)
{
	return (uint32_t)who & (((uint32_t)1 << TID_BITS) - 1);
}

uint64_t ipk__who_am_i(void)
{
	/* A fork child's copy names its parent's thread: the id tells. */
	static _Thread_local uint64_t cached;
	uint32_t tid = (uint32_t)ipk__os_tid();
	int64_t started_ns;

	if (ipk__who_tid(cached) == tid)
		return cached;
	cached = tid;
	if (ipk__os_start_time_ns((pid_t)tid, &started_ns) == 0)
		cached |= steps(started_ns) << TID_BITS;
	return cached;
}

bool ipk__who_is_dead(uint64_t who)
{
	pid_t tid = (pid_t)ipk__who_tid(who);
	int64_t started_ns;
	int r = ipk__os_start_time_ns(tid, &started_ns);

	if (r == -ESRCH)
		return true;
	if (r == 0 && who >> TID_BITS != 0 && who >> TID_BITS != steps(started_ns))
		return true;
	return !ipk__os_pid_exists(tid);
}
