/*
 * libc.c - see libc.h.
 *
 * musl's timed locks support CLOCK_REALTIME only. They compute a relative time before they sleep,
 * so setting that clock matters only between the two readings of it, here and there; all waits are
 * cut into slices, which check again.
 */
#include <time.h>

#include "os/libc.h"

static struct timespec spec(int64_t ns)
{
	return (struct timespec){ns / 1000000000, (long)(ns % 1000000000)};
}

#ifdef __GLIBC__

int ipk__os_rwlock_write_lock_until(pthread_rwlock_t *lock, int64_t at_ns)
{
	struct timespec at = spec(at_ns);

	return pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &at);
}

#else

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct timespec real_time(int64_t at_ns)
{
	int64_t left_ns = at_ns - now_ns(CLOCK_MONOTONIC);

	return spec(now_ns(CLOCK_REALTIME) + (left_ns > 0 ? left_ns : 0));
}

int ipk__os_rwlock_write_lock_until(pthread_rwlock_t *lock, int64_t at_ns)
{
	struct timespec at = real_time(at_ns);

	return pthread_rwlock_timedwrlock(lock, &at);
}

#endif
