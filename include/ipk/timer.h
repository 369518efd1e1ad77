/*
 * timer.h - a call later, in a thread of its own (Python: threading.Timer).
 *
 * Of this process alone: nothing of it is shared, and after fork() the child's copy counts as
 * cancelled.
 */
#ifndef IPK_TIMER_H
#define IPK_TIMER_H

#include "deadline.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_timer ipk_timer;
typedef void (*ipk_timer_fn)(void *arg);

/**
 * ipk_timer_start() - call a function later
 * @delay_ns:  nanoseconds from now; 0 or less is at once, too far is never
 * @fn:        called once, in a thread of its own, with all signals blocked
 * @arg:       passed to it
 * @ret_timer: the timer, to be closed
 *
 * Blocks:  no.
 * Callers: any thread.
 * Cost:    a thread, from now until it has run or is cancelled.
 * Source:  lib/lock/timer.c        Since: 0.2
 *
 * Return: 0; -EINVAL no fn; -EAGAIN no more threads; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_timer_start(int64_t delay_ns, ipk_timer_fn fn, void *arg,
					   ipk_timer **ret_timer);

/**
 * ipk_timer_cancel() - keep it from being called
 * @timer: timer
 *
 * Blocks:  no.
 * Callers: any thread, fn too.
 * Source:  lib/lock/timer.c        Since: 0.2
 *
 * Return: 0 it will not be called, also again; -EALREADY it has begun, or is over; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_timer_cancel(ipk_timer *timer);

/**
 * ipk_timer_is_done() - whether it is over
 * @timer: timer
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/lock/timer.c        Since: 0.2
 *
 * Return: true when fn has returned, or will not be called; true for NULL.
 */
IPK_API bool ipk_timer_is_done(const ipk_timer *timer);

/**
 * ipk_timer_wait() - wait until it is over
 * @timer:    timer
 * @deadline: when to stop waiting
 *
 * Blocks:  until fn has returned, or the timer is cancelled.
 * Callers: any thread but fn's.
 * Source:  lib/lock/timer.c        Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK called from fn; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_timer_wait(ipk_timer *timer, ipk_deadline deadline);

/**
 * ipk_timer_close() - cancel it, wait for fn when that runs, and free it
 * @timer: NULL is fine; no other thread inside a call on it
 *
 * From fn itself it does not wait: the rest is freed when fn returns.
 *
 * Blocks:  while fn runs.
 * Callers: any thread, fn too. In a fork child it only frees its copy.
 * Source:  lib/lock/timer.c        Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_timer *ipk_timer_close(ipk_timer *timer);

static inline void ipk_timer_closep(ipk_timer **timer)
{
	*timer = ipk_timer_close(*timer);
}

#ifdef __cplusplus
}
#endif

#endif
