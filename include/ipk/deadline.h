/*
 * deadline.h - absolute time limits of blocking calls.
 *
 * A deadline is a point in time on CLOCK_MONOTONIC, passed by value. It bounds the whole call:
 * locks, copies, handshakes and retries. Clock steps do not change it.
 */
#ifndef IPK_DEADLINE_H
#define IPK_DEADLINE_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_deadline {
	int64_t at_ns; /* CLOCK_MONOTONIC; 0: already passed, INT64_MAX: never passes */
} ipk_deadline;

/**
 * ipk_now() - a deadline that has already passed: try once, do not wait
 *
 * Blocks:  no.
 * Cost:    none, the clock is not read.
 * Source:  include/ipk/deadline.h   Since: 0.1
 *
 * Return: the deadline.
 */
IPK_API inline ipk_deadline ipk_now(void)
{
	ipk_deadline d;

	d.at_ns = 0;
	return d;
}

/**
 * ipk_forever() - a deadline that never passes
 *
 * Blocks:  no.
 * Cost:    none, the clock is not read.
 * Source:  include/ipk/deadline.h   Since: 0.1
 *
 * Return: the deadline.
 */
IPK_API inline ipk_deadline ipk_forever(void)
{
	ipk_deadline d;

	d.at_ns = INT64_MAX;
	return d;
}

/**
 * ipk_in_ns() - a deadline a number of nanoseconds from now
 * @ns: nanoseconds from now; 0 or less: already passed; on overflow: never passes
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Cost:    one clock read, about 20 ns.
 * Source:  lib/os/clock.c           Since: 0.1
 *
 * Return: the deadline.
 */
IPK_API ipk_deadline ipk_in_ns(int64_t ns);

/**
 * ipk_in_ms() - a deadline a number of milliseconds from now
 * @ms: milliseconds from now; 0 or less: already passed; on overflow: never passes
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Cost:    one clock read, about 20 ns.
 * Source:  lib/os/clock.c           Since: 0.1
 *
 * Return: the deadline.
 */
IPK_API ipk_deadline ipk_in_ms(int64_t ms);

/**
 * ipk_deadline_left_ns() - time left until a deadline
 * @deadline: any deadline
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/os/clock.c           Since: 0.1
 *
 * Return: nanoseconds left, 0 when it has passed, INT64_MAX for ipk_forever().
 */
IPK_API int64_t ipk_deadline_left_ns(ipk_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
