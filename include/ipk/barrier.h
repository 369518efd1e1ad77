/*
 * barrier.h - so many threads wait for each other, again and again (Python:
 * multiprocessing.Barrier).
 *
 * Parties are threads of any process. A thread becomes one when it first waits, or registers,
 * and stays one until it unregisters; so the others need not wait for one that was killed:
 * the barrier breaks. Python's would hang. The price is that a thread which has no more to do
 * with the barrier says so before it ends, and that no more than n_parties threads take turns.
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
	const char *label;  /* what ipc-inspect calls an anonymous one, 35 bytes of it */
	uint32_t n_parties; /* how many meet, 1 .. IPK_BARRIER_PARTIES_MAX */
	bool open_existing; /* one of that name is opened instead, if it is like this */
} ipk_barrier_opts;

#define IPK_BARRIER(...) IPK_OPTS(barrier, __VA_ARGS__)

/**
 * ipk_barrier_create() - make a barrier
 * @opts:        name and n_parties
 * @ret_barrier: nobody has arrived
 *
 * Blocks:  no.
 * Crash:   a named one appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_barrier_unlink().
 * Cost:    128 bytes and 16 a party, of memory that anonymous objects share; a named one has
 *          pages and an fd of its own.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -EINVAL name or n_parties; -EEXIST the name is taken; -EPROTOTYPE by one that is not
 * like @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_create(const ipk_barrier_opts *opts,
					      ipk_barrier **ret_barrier);

/**
 * ipk_barrier_open() - open a named one that another process made
 * @name:        as it was made
 * @deadline:    when to stop waiting for it to be made; ipk_now() to try once
 * @ret_barrier: the barrier
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_open(const char *name, ipk_deadline deadline,
					    ipk_barrier **ret_barrier);

/**
 * ipk_barrier_close() - give up the handle
 * @barrier: NULL is fine; no thread of this process inside a call on it. The calling thread is no
 *           party any more, as by ipk_barrier_unregister()
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
 * ipk_barrier_unlink() - remove the name; who has it open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_unlink(const char *name);

/**
 * ipk_barrier_wait() - arrive, and go on when all have
 * @barrier:   barrier
 * @action:    run by whoever arrives last, before anybody goes on; may be NULL. It returns 0 or
 *             a negative error, which breaks the barrier
 * @arg:       passed to it
 * @deadline:  when to stop waiting for the others, which breaks the barrier for all; ipk_now()
 *             breaks it unless this thread is the last to arrive. The action is not cut short
 * @ret_index: 0 .. n_parties - 1, another for each thread of the round, in the order of
 *             arrival: the last one is who ran the action; may be NULL
 *
 * All of a round get the same outcome: it is complete, or it is broken; only the one that broke
 * it is told why.
 *
 * Blocks:  until all have arrived and the action has run.
 * Callers: any thread; it is a party from then on (ipk_barrier_register()). Not a signal handler.
 * Crash:   a party that dies after it arrived counts. One that dies before it arrived, or while
 *          it runs the action, breaks the barrier within a second. A stopped one is waited for.
 * Cost:    a CAS, and a sleep; the last one wakes all by one system call.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0; -ETIMEDOUT the deadline passed here; -ECANCELED it was broken, by another's deadline,
 * death or failing action, by abort or by reset; what the action returned; -EUSERS n_parties other
 * threads are parties; -EDEADLK called from the action; -EXDEV another pid namespace;
 * -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_wait(ipk_barrier *barrier, ipk_barrier_action action,
					    void *arg, ipk_deadline deadline, unsigned *ret_index);

/**
 * ipk_barrier_register() - make the calling thread a party before it first waits
 * @barrier: barrier
 *
 * From then on its death breaks the barrier; of a thread that never registered or waited nobody
 * can know. Again it changes nothing. A dead party found here that the round needs breaks the
 * barrier too.
 *
 * Blocks:  no.
 * Callers: any thread. A fork child is no party because its parent is.
 * Cost:    reads /proc, once a thread.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0; -EUSERS n_parties other threads are parties; -EXDEV another pid namespace; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_register(ipk_barrier *barrier);

/**
 * ipk_barrier_unregister() - the calling thread is no party any more
 * @barrier: barrier
 *
 * It leaves its place to another thread. Without this (or ipk_barrier_close()) a thread that
 * ends counts as one that died.
 *
 * Blocks:  no.
 * Callers: any thread, but not from an action.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0, also when it was none; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_unregister(ipk_barrier *barrier);

/**
 * ipk_barrier_abort() - break it, until it is reset
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
 * ipk_barrier_reset() - begin anew: empty and not broken
 * @barrier: barrier
 *
 * Who waits gets -ECANCELED. Parties stay parties, but for those that died. Who comes meanwhile,
 * also one that this sent away, waits until it is done and is in the new round.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Crash:   killed in between, the next one that comes finishes it.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: 0; -EXDEV another pid namespace; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_reset(ipk_barrier *barrier);

/**
 * ipk_barrier_n_parties() - how many meet
 * @barrier: barrier
 *
 * Blocks:  no.
 * Callers: any thread, any time.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: as it was made; 0 for NULL.
 */
IPK_API uint32_t ipk_barrier_n_parties(const ipk_barrier *barrier);

/**
 * ipk_barrier_n_waiting() - how many have arrived in this round
 * @barrier: barrier
 *
 * Blocks:  no.
 * Callers: any thread, any time.
 * Source:  lib/lock/barrier.c      Since: 0.2
 *
 * Return: how many, those too that died since; 0 when it is broken, or NULL.
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
 * @max:      how many there is room for
 * @ret_n:    how many threads wait for the others, which may be more than @max
 *
 * Blocks:  no.
 * Callers: any thread, any time. Those beyond the 64 (with many objects 256) that are written
 *          down are not seen.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_waiters(const ipk_barrier *barrier, uint32_t *ret_tids,
					       size_t max, size_t *ret_n);

/**
 * ipk_barrier_send() - pass an anonymous one to the other side of a pipe
 * @barrier:  the barrier
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/lock/barrier.c     Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_barrier_send(ipk_barrier *barrier, ipk_pipe *via,
					    ipk_deadline deadline);

/**
 * ipk_barrier_recv() - take one that the other side passed
 * @via:         any end
 * @deadline:    when to stop waiting
 * @ret_barrier: the barrier
 *
 * Blocks:  until the other side has passed it.
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
