/* owner.c - making and judging the words of owner.h. */
#include "os/os.h"
#include "shm/owner.h"

#define CLOCK_SLACK_NS 20000000 /* start times come in steps of 10 ms */

uint64_t ipk__owner_of(pid_t id)
{
	return (uint64_t)id << 32 | ipk__os_birth(id);
}

bool ipk__owner_is_dead(uint64_t owner, bool is_process)
{
	return ipk__os_is_dead((pid_t)ipk__owner_id(owner), is_process, (uint32_t)owner);
}

bool ipk__is_dead_since(uint32_t id, bool is_process, int64_t since_boot_ns)
{
	int64_t started_ns;

	if (ipk__os_is_dead((pid_t)id, is_process, 0))
		return true;
	/* The last for those who have taken a number and are yet to say since when. */
	return since_boot_ns > 0 && since_boot_ns < INT64_MAX - CLOCK_SLACK_NS &&
	       ipk__os_start_time_ns((pid_t)id, &started_ns) == 0 &&
	       started_ns > since_boot_ns + CLOCK_SLACK_NS;
}
