/*
 * deadline.h - when a blocking call has to give up.
 *
 * A deadline is a point on CLOCK_MONOTONIC, passed by value. It bounds the whole call:
 * locks, copies, handshakes and retries. Clock steps do not move it.
 */
#ifndef IPK_DEADLINE_H
#define IPK_DEADLINE_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_deadline {
	int64_t at_ns; /* CLOCK_MONOTONIC; 0 has always passed, INT64_MAX never does */
} ipk_deadline;

/**
 * ipk_now() - the deadline that has passed: try once, never wait
 *
 * Blocks:  no.
 * Cost:    nothing, the clock is not read.
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
 * ipk_forever() - the deadline that never passes
 *
 * Blocks:  no.
 * Cost:    nothing, the clock is not read.
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
 * ipk_in_ns() - the deadline that passes in so many nanoseconds
 * @ns: nanoseconds from now; 0 or less has passed already, too far is forever
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
 * ipk_in_ms() - the deadline that passes in so many milliseconds
 * @ms: milliseconds from now; 0 or less has passed already, too far is forever
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
 * ipk_deadline_left_ns() - how long until a deadline passes
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
