/*
 * event.h - a flag to wait for (Python: multiprocessing.Event).
 *
 * Set by anybody, signal handlers too; all that wait go on. It stays set until it is cleared.
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
	const char *label;  /* what ipc-inspect calls an anonymous one, 35 bytes of it */
	bool is_set;        /* from the start */
	bool open_existing; /* one of that name is opened instead, if it is like this */
} ipk_event_opts;

#define IPK_EVENT(...) IPK_OPTS(event, __VA_ARGS__)

/**
 * ipk_event_create() - make an event
 * @opts:      NULL for an anonymous one that is not set
 * @ret_event: the event
 *
 * Blocks:  no.
 * Crash:   a named one appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_event_unlink().
 * Cost:    128 bytes of memory that anonymous objects share; a named one has a page and an fd.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE by one that is not like
 * @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_event_create(const ipk_event_opts *opts, ipk_event **ret_event);

/**
 * ipk_event_open() - open a named one that another process made
 * @name:      as it was made
 * @deadline:  when to stop waiting for it to be made; ipk_now() to try once
 * @ret_event: the event
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_event_open(const char *name, ipk_deadline deadline,
					  ipk_event **ret_event);

/**
 * ipk_event_close() - give up the handle
 * @event: NULL is fine; no thread of this process inside a call on it
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
 * ipk_event_unlink() - remove the name; who has it open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_event_unlink(const char *name);

/**
 * ipk_event_set() - set it, and wake all that wait
 * @event: event
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe: a CAS and, when somebody waits, futex(2).
 * Crash:   killed before it woke anybody, the waiters find out within 100 ms.
 * Cost:    a CAS, and a system call when somebody waits; one load when it is set.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_set(ipk_event *event);

/**
 * ipk_event_clear() - clear it
 * @event: event
 *
 * Who waited when it was set returns all the same, however soon it is cleared.
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_clear(ipk_event *event);

/**
 * ipk_event_is_set() - whether it is set now
 * @event: event
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe. What was written before it was set is seen.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: true or false; false for NULL.
 */
IPK_API bool ipk_event_is_set(const ipk_event *event);

/**
 * ipk_event_wait() - wait until it is set
 * @event:    event
 * @deadline: when to stop waiting; ipk_now() to look once
 *
 * Blocks:  until it is set: it may be cleared again when this returns.
 * Callers: any thread. Not a signal handler.
 * Crash:   a killed waiter is in nobody's way.
 * Cost:    a load when it is set, otherwise a sleep.
 * Source:  lib/lock/event.c        Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EXDEV another pid namespace; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_wait(ipk_event *event, ipk_deadline deadline);

/**
 * ipk_event_waiters() - which threads wait for it
 * @event:    the event
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many there is room for
 * @ret_n:    how many threads wait for it, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Those beyond the 64 (with many objects 256) that are written
 *          down are not seen.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_event_waiters(const ipk_event *event, uint32_t *ret_tids, size_t max,
					     size_t *ret_n);

/**
 * ipk_event_send() - pass an anonymous one to the other side of a pipe
 * @event:    the event
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/event.c       Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_event_send(ipk_event *event, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_event_recv() - take one that the other side passed
 * @via:       any end
 * @deadline:  when to stop waiting
 * @ret_event: the event
 *
 * Blocks:  until the other side has passed it.
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
