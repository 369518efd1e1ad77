/*
 * timer.h - call a function later, in a thread of its own (Python: threading.Timer).
 *
 * A timer is local to this process: nothing is shared, and after fork() the child's copy counts as
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
 * @delay_ns:  nanoseconds from now; 0 or less: at once; on overflow: never
 * @fn:        called once, in a thread of its own, with all signals blocked
 * @arg:       passed to it
 * @ret_timer: the timer; the caller must close it
 *
 * Blocks:  no.
 * Callers: any thread.
 * Cost:    a thread, until fn has returned or the timer is cancelled.
 * Source:  lib/lock/timer.c        Since: 0.2
 *
 * Return: 0; -EINVAL no fn; -EAGAIN no more threads; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_timer_start(int64_t delay_ns, ipk_timer_fn fn, void *arg,
					   ipk_timer **ret_timer);

/**
 * ipk_timer_cancel() - cancel the call
 * @timer: timer
 *
 * Blocks:  no.
 * Callers: any thread, fn too.
 * Source:  lib/lock/timer.c        Since: 0.2
 *
 * Return: 0 it will not be called (also if already cancelled); -EALREADY fn has started or
 * returned; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_timer_cancel(ipk_timer *timer);

/**
 * ipk_timer_is_done() - whether the timer has finished
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
 * ipk_timer_wait() - wait until the timer has finished
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
 * ipk_timer_close() - cancel the timer, wait for fn if it is running, and free it
 * @timer: NULL is fine; no other thread may be inside a call on it
 *
 * If fn itself calls it, it does not wait: the rest is freed when fn returns.
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
