/*
 * barrier.h - a point at which n threads wait for each other, repeatedly (Python:
 * multiprocessing.Barrier).
 *
 * Parties are threads of any process. A thread becomes a party with its first wait, or when it
 * registers, and remains one until it unregisters. So the death of a party is detected and breaks
 * the barrier, where Python's would hang. The cost: a thread that no longer uses the barrier must
 * unregister before it ends, and at most n_parties threads can take part.
 */
#ifndef IPK_BARRIER_H
#define IPK_BARRIER_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_BARRIER_PARTIES_MAX 1024u

typedef struct ipk_barrier ipk_barrier;
typedef int (*ipk_barrier_action)(void *arg); /* 0, or a negative error */

typedef struct ipk_barrier_opts {
	size_t struct_size; /* sizeof(ipk_barrier_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	uint32_t n_parties; /* 1 .. IPK_BARRIER_PARTIES_MAX */
	bool open_existing; /* open one of that name if its options match */
} ipk_barrier_opts;

#define IPK_BARRIER(...) IPK_OPTS(barrier, __VA_ARGS__)

/**
 * ipk_barrier_create() - create a barrier
 * @opts:        name and n_parties
 * @ret_barrier: the barrier, without arrivals
 *
 * Blocks:  no.
 * Crash:   a named one is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_barrier_unlink().
 * Cost:    128 bytes and 16 per party of memory shared by all anonymous objects; a named one uses
 *          pages and an fd of its own.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -EINVAL name or n_parties; -EEXIST the name is taken; -EPROTOTYPE one with other
 * options than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_create(const ipk_barrier_opts *opts,
					      ipk_barrier **ret_barrier);

/**
 * ipk_barrier_open() - open a named barrier that another process created
 * @name:        the name it was created with
 * @deadline:    when to stop waiting for its creation; ipk_now(): try once
 * @ret_barrier: the barrier
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_open(const char *name, ipk_deadline deadline,
					    ipk_barrier **ret_barrier);

/**
 * ipk_barrier_close() - close the handle
 * @barrier: NULL is fine; no thread of this process may be inside a call on it. The calling thread
 *           is unregistered, as by ipk_barrier_unregister()
 *
 * Blocks:  no.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_barrier *ipk_barrier_close(ipk_barrier *barrier);

static inline void ipk_barrier_closep(ipk_barrier **barrier)
{
	*barrier = ipk_barrier_close(*barrier);
}

/**
 * ipk_barrier_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_unlink(const char *name);

/**
 * ipk_barrier_wait() - arrive, and wait until all parties have arrived
 * @barrier:   barrier
 * @action:    run by the last party to arrive, before any party is released; may be NULL. It
 *             returns 0 or a negative error, which breaks the barrier
 * @arg:       passed to it
 * @deadline:  when to stop waiting for the others; a time-out breaks the barrier for all. With
 *             ipk_now() the barrier breaks unless this thread is the last to arrive. The action is
 *             not interrupted
 * @ret_index: 0 .. n_parties - 1, unique in the round, in order of arrival: n_parties - 1 ran the
 *             action; may be NULL
 *
 * All parties of a round get the same outcome: completed or broken. Only the party that broke it
 * gets the cause.
 *
 * Blocks:  until all have arrived and the action has run.
 * Callers: any thread; it becomes a party (ipk_barrier_register()). Not a signal handler.
 * Crash:   a party that dies after it arrived counts as arrived. One that dies before that, or
 *          while it runs the action, breaks the barrier within 1 s. A stopped party is waited for.
 * Cost:    a CAS, and a sleep; the last party wakes all with one system call.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0; -ETIMEDOUT the deadline passed here; -ECANCELED it was broken by the deadline, death
 * or failed action of another party, by abort or by reset; what the action returned; -EUSERS
 * n_parties other threads are parties; -EDEADLK called from the action; -EXDEV another pid
 * namespace; -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_wait(ipk_barrier *barrier, ipk_barrier_action action,
					    void *arg, ipk_deadline deadline, unsigned *ret_index);

/**
 * ipk_barrier_register() - make the calling thread a party before it first waits
 * @barrier: barrier
 *
 * From then on its death breaks the barrier; the death of a thread that neither registered nor
 * waited cannot be detected. Registering twice has no effect. If a party that the round needs is
 * found dead, the barrier breaks as well.
 *
 * Blocks:  no.
 * Callers: any thread. A fork child does not inherit its parent's registration.
 * Cost:    reads /proc, once per thread.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0; -EUSERS n_parties other threads are parties; -EXDEV another pid namespace; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_register(ipk_barrier *barrier);

/**
 * ipk_barrier_unregister() - the calling thread is no longer a party
 * @barrier: barrier
 *
 * Another thread may take its place. A thread that ends without this call (or ipk_barrier_close())
 * counts as dead.
 *
 * Blocks:  no.
 * Callers: any thread, but not from an action.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0, also if it was not a party; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_unregister(ipk_barrier *barrier);

/**
 * ipk_barrier_abort() - break the barrier until it is reset
 * @barrier: barrier
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_abort(ipk_barrier *barrier);

/**
 * ipk_barrier_reset() - restart the barrier: no arrivals, not broken
 * @barrier: barrier
 *
 * Waiters get -ECANCELED. Live parties remain parties, dead ones are removed. A thread that arrives
 * during the reset, including a waiter that it released, joins the new round when the reset has
 * finished.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Crash:   if it is killed during the reset, the next caller completes it.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0; -EXDEV another pid namespace; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_reset(ipk_barrier *barrier);

/**
 * ipk_barrier_n_parties() - number of parties
 * @barrier: barrier
 *
 * Blocks:  no.
 * Callers: any thread, any time.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: as set at creation; 0 for NULL.
 */
IPK_API uint32_t ipk_barrier_n_parties(const ipk_barrier *barrier);

/**
 * ipk_barrier_n_waiting() - number of arrivals in this round
 * @barrier: barrier
 *
 * Blocks:  no.
 * Callers: any thread, any time.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: the number, including parties that died after they arrived; 0 if it is broken, or NULL.
 */
IPK_API uint32_t ipk_barrier_n_waiting(const ipk_barrier *barrier);

/**
 * ipk_barrier_is_broken() - whether it is broken
 * @barrier: barrier
 *
 * Blocks:  no.
 * Callers: any thread, any time.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: true until it is reset; false for NULL.
 */
IPK_API bool ipk_barrier_is_broken(const ipk_barrier *barrier);

/**
 * ipk_barrier_waiters() - which threads wait for the others
 * @barrier:  the barrier
 * @ret_tids: up to @max thread ids, in no order; may be NULL when @max is 0
 * @max:      how many entries the array has room for
 * @ret_n:    number of waiting threads; may exceed @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. At most 64 waiters are recorded (256 with many objects);
 *          further ones are not listed.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_waiters(const ipk_barrier *barrier, uint32_t *ret_tids,
					       size_t max, size_t *ret_n);

/**
 * ipk_barrier_send() - send an anonymous barrier to the other side of a pipe
 * @barrier:  the barrier
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_send(ipk_barrier *barrier, ipk_pipe *via,
					    ipk_deadline deadline);

/**
 * ipk_barrier_recv() - receive a barrier that the other side sent
 * @via:         any end
 * @deadline:    when to stop waiting
 * @ret_barrier: the barrier
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_barrier_open().
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_recv(ipk_pipe *via, ipk_deadline deadline,
					    ipk_barrier **ret_barrier);

#ifdef __cplusplus
}
#endif

#endif
