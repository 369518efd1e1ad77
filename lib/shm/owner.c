/* owner.c - making and judging the words of owner.h. */
#include <errno.h>

#include "os/os.h"
#include "shm/owner.h"

#define STEP_NS 10000000 /* start times are no more exact than this */

/* 0 stands for a start time that /proc does not tell, and agrees with all others. */
static uint32_t step_of(int64_t boot_ns)
{
	return (uint32_t)(boot_ns / STEP_NS);
}

uint64_t ipk__owner_of(pid_t id)
{
	int64_t started_ns = 0;

	if (ipk__os_start_time_ns(id, &started_ns) < 0)
		started_ns = 0;
	return (uint64_t)id << 32 | step_of(started_ns);
}

bool ipk__owner_is_dead(uint64_t owner, bool is_process)
{
	uint32_t step = (uint32_t)owner;
	int64_t started_ns;
	int r = ipk__os_alive_since_ns((pid_t)ipk__owner_id(owner), is_process, &started_ns);

	if (r < 0)
		return r == -ESRCH;
	return step != 0 && step_of(started_ns) != step;
}
