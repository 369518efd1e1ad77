/*
 * futex.c - sleeping on a word of shared memory.
 *
 * FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time, so a wait that is made again
 * after a signal does not grow longer.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

int ipk__os_futex_wait(_Atomic uint32_t *word, uint32_t value, ipk_deadline deadline)
{
	struct timespec at = {deadline.at_ns / 1000000000, (long)(deadline.at_ns % 1000000000)};
	struct timespec *until = deadline.at_ns == INT64_MAX ? NULL : &at;
	long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, until, NULL,
			 FUTEX_BITSET_MATCH_ANY);

	return r < 0 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

int ipk__os_futex_wake(_Atomic uint32_t *word, int n)
{
	long r = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);

	return r < 0 ? 0 : (int)r;
}
