/*
 * uncancelled.h - calls of ipk are no cancellation points.
 *
 * A thread cancelled by pthread_cancel() in the middle of a call would leave behind what that call
 * holds: locks of this process, memory, fds, half a message. So every function that uses a
 * cancellation point of the C library begins with IPK__UNCANCELLED().
 */
#ifndef IPK_OS_UNCANCELLED_H
#define IPK_OS_UNCANCELLED_H

#include <pthread.h>

static inline int ipk__os_cancel_later(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void ipk__os_cancel_as_before(const int *before)
{
	int now;

	pthread_setcancelstate(*before, &now);
}

/* First in a function: pthread_cancel() takes effect after it, if it was allowed before. */
#define IPK__UNCANCELLED()                                                                       \
	__attribute__((cleanup(ipk__os_cancel_as_before), unused)) const int ipk__cancel_state = \
		ipk__os_cancel_later()

#endif
