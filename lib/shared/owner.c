/* owner.c - creating and checking the words of owner.h. */
#include "os/os.h"
#include "shared/owner.h"

#define WORDS_PER_CLOCK_READ 16
#define CLOCK_SLACK_NS 20000000 /* start times come in steps of 10 ms */

uint64_t ipk__owner_of(pid_t id)
{
	return (uint64_t)id << 32 | ipk__os_incarnation(id);
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

struct ipk__walk ipk__walk_begin(_Atomic uint32_t *at, uint32_t n)
{
	return (struct ipk__walk){
		.at = at,
		.from = atomic_load_explicit(at, memory_order_relaxed),
		.n = n,
		.end_ns = ipk__os_now_ns() + IPK__WALK_NS,
	};
}

bool ipk__walk_next(struct ipk__walk *w, uint32_t *ret_i)
{
	uint32_t i;

	if (w->n_seen == w->n)
		return false;
	i = (w->from + w->n_seen) % w->n;
	if (w->n_seen % WORDS_PER_CLOCK_READ == WORDS_PER_CLOCK_READ - 1 &&
	    ipk__os_now_ns() >= w->end_ns) {
		atomic_store_explicit(w->at, i, memory_order_relaxed);
		return false;
	}
	w->n_seen++;
	*ret_i = i;
	return true;
}
