/*
 * thread.c - threads that the library starts in its host.
 *
 * A thread inherits the mask of its maker, so signals are blocked before it begins to run:
 * there is no moment at which one could be delivered to it.
 */
#include <pthread.h>
#include <signal.h>

#include "os/os.h"

int ipk__os_thread_start(void *(*fn)(void *arg), void *arg, pthread_t *ret_thread)
{
	pthread_t thread;
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		*ret_thread = thread;
	return -r;
}

void ipk__os_thread_join(pthread_t thread)
{
	pthread_join(thread, NULL);
}

void ipk__os_thread_forget(pthread_t thread)
{
	pthread_detach(thread);
}
