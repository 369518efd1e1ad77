/*
 * event.h - a flag to wait for (Python: multiprocessing.Event).
 *
 * Any thread or signal handler may set it; all waiters wake up. It stays set until it is cleared.
 */
#ifndef IPK_EVENT_H
#define IPK_EVENT_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_event ipk_event;

typedef struct ipk_event_opts {
	size_t struct_size; /* sizeof(ipk_event_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	bool is_set;        /* initial state */
	bool open_existing; /* open one of that name if its options match */
} ipk_event_opts;

#define IPK_EVENT(...) IPK_OPTS(event, __VA_ARGS__)

/**
 * ipk_event_create() - create an event
 * @opts:      NULL for an anonymous event that is not set
 * @ret_event: the event
 *
 * Blocks:  no.
 * Crash:   a named one is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_event_unlink().
 * Cost:    128 bytes of memory shared by all anonymous objects; a named one uses a page and an fd.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE one with other options
 * than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_event_create(const ipk_event_opts *opts, ipk_event **ret_event);

/**
 * ipk_event_open() - open a named event that another process created
 * @name:      the name it was created with
 * @deadline:  when to stop waiting for its creation; ipk_now(): try once
 * @ret_event: the event
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_event_open(const char *name, ipk_deadline deadline,
					  ipk_event **ret_event);

/**
 * ipk_event_close() - close the handle
 * @event: NULL is fine; no thread of this process may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_event *ipk_event_close(ipk_event *event);

static inline void ipk_event_closep(ipk_event **event)
{
	*event = ipk_event_close(*event);
}

/**
 * ipk_event_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_event_unlink(const char *name);

/**
 * ipk_event_set() - set the event and wake all waiters
 * @event: event
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe: a CAS and, if there are waiters, futex(2).
 * Crash:   if it is killed before the wake-up, waiters notice the set event within 100 ms.
 * Cost:    a CAS, and a system call if there are waiters; one load if it is already set.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_set(ipk_event *event);

/**
 * ipk_event_clear() - clear the event
 * @event: event
 *
 * A thread that waited when the event was set returns, even if the event is cleared at once.
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_clear(ipk_event *event);

/**
 * ipk_event_is_set() - whether the event is set
 * @event: event
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe. Writes made before the set are visible.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: true or false; false for NULL.
 */
IPK_API bool ipk_event_is_set(const ipk_event *event);

/**
 * ipk_event_wait() - wait until the event is set
 * @event:    event
 * @deadline: when to stop waiting; ipk_now(): check once
 *
 * Blocks:  until it is set. It may have been cleared again when this returns.
 * Callers: any thread. Not a signal handler.
 * Crash:   a killed waiter does not affect others.
 * Cost:    a load if it is set, otherwise a sleep.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EXDEV another pid namespace; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_wait(ipk_event *event, ipk_deadline deadline);

/**
 * ipk_event_waiters() - which threads wait for the event
 * @event:    the event
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of waiting threads; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. At most 64 waiters are recorded (256 with many objects);
 *          further ones are not listed.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_event_waiters(const ipk_event *event, uint32_t *ret_tids, size_t max,
					     size_t *ret_n);

/**
 * ipk_event_send() - send an anonymous event to the other side of a pipe
 * @event:    the event
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_send(ipk_event *event, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_event_recv() - receive an event that the other side sent
 * @via:       any end
 * @deadline:  when to stop waiting
 * @ret_event: the event
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_event_open().
 */
IPK_API IPK_MUST_CHECK int ipk_event_recv(ipk_pipe *via, ipk_deadline deadline,
					  ipk_event **ret_event);

#ifdef __cplusplus
}
#endif

#endif
