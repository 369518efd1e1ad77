/*
 * manager_sync.h - locks and what else threads of several processes or machines wait for, held
 * by a server (Python: manager.Lock() and so on). Those of ipk/lock.h are far faster, on one
 * machine.
 *
 * They belong to the thread and the connection of its process: what a process held is given
 * back when it ends or is killed. Opening one makes it when it is not there yet; one of another
 * kind under that name is -EPROTOTYPE.
 */
#ifndef IPK_MANAGER_SYNC_H
#define IPK_MANAGER_SYNC_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_managed_lock ipk_managed_lock;

/**
 * ipk_managed_lock_open() - open a lock, and make it when there is none
 * @m:            manager
 * @name:         the key it has on the server: 1 .. 1024 bytes of text
 * @is_recursive: its holder may lock it again (RLock); otherwise -EDEADLK
 * @deadline:     when to give up
 * @ret_handle:   the handle; closed before the manager is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is something else; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_open(ipk_manager *m, const char *name,
						 bool is_recursive, ipk_deadline deadline,
						 ipk_managed_lock **ret_handle);

/**
 * ipk_managed_lock_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what is held through it
 *          stays held
 *
 * Blocks:  no.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_lock *ipk_managed_lock_close(ipk_managed_lock *handle);

static inline void ipk_managed_lock_closep(ipk_managed_lock **handle)
{
	*handle = ipk_managed_lock_close(*handle);
}

/**
 * ipk_managed_lock_lock() - take the lock
 * @lock:     lock
 * @deadline: when to give up
 *
 * Blocks:  while another thread holds it.
 * Crash:   a holder that dies gives it back.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread holds it, and it is not recursive; -EPIPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_lock(ipk_managed_lock *lock, ipk_deadline deadline);

/**
 * ipk_managed_lock_unlock() - give the lock back, or one level of a recursive one
 * @lock:     held by this thread
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EPERM this thread does not hold it; -EOWNERDEAD it did, but the connection
 * broke meanwhile: others may have had it; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_unlock(ipk_managed_lock *lock, ipk_deadline deadline);

/**
 * ipk_managed_lock_is_held() - whether this thread holds it
 * @lock:        lock
 * @deadline:    when to give up
 * @ret_is_held: whether it does
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_is_held(ipk_managed_lock *lock, ipk_deadline deadline,
						    bool *ret_is_held);

typedef struct ipk_managed_semaphore ipk_managed_semaphore;

/**
 * ipk_managed_semaphore_open() - open a semaphore, and make it when there is none
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @value:      permits of a new one
 * @is_bounded: never more permits than that (BoundedSemaphore)
 * @deadline:   when to give up
 * @ret_handle: the handle; closed before the manager is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is something else; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_semaphore_open(ipk_manager *m, const char *name,
						      uint64_t value, bool is_bounded,
						      ipk_deadline deadline,
						      ipk_managed_semaphore **ret_handle);

/**
 * ipk_managed_semaphore_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what is held through it
 *          stays held
 *
 * Blocks:  no.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_semaphore *ipk_managed_semaphore_close(ipk_managed_semaphore *handle);

static inline void ipk_managed_semaphore_closep(ipk_managed_semaphore **handle)
{
	*handle = ipk_managed_semaphore_close(*handle);
}

/**
 * ipk_managed_semaphore_acquire() - take a permit
 * @s:        semaphore
 * @deadline: when to give up
 *
 * Blocks:  while there is no permit.
 * Crash:   the permits of a process that dies are given back.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_semaphore_acquire(ipk_managed_semaphore *s,
							 ipk_deadline deadline);

/**
 * ipk_managed_semaphore_release() - give permits back
 * @s:        semaphore
 * @n:        how many; 1 or more
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EOVERFLOW a bounded one would have too many; -ETIMEDOUT; -EINPROGRESS;
 * -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_semaphore_release(ipk_managed_semaphore *s, uint32_t n,
							 ipk_deadline deadline);

typedef struct ipk_managed_cond ipk_managed_cond;

/**
 * ipk_managed_cond_open() - open a condition, and make it when there is none
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @lock_name:  its lock, which is there already
 * @deadline:   when to give up
 * @ret_handle: the handle; closed before the manager is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is something else; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_cond_open(ipk_manager *m, const char *name,
						 const char *lock_name, ipk_deadline deadline,
						 ipk_managed_cond **ret_handle);

/**
 * ipk_managed_cond_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what is held through it
 *          stays held
 *
 * Blocks:  no.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_cond *ipk_managed_cond_close(ipk_managed_cond *handle);

static inline void ipk_managed_cond_closep(ipk_managed_cond **handle)
{
	*handle = ipk_managed_cond_close(*handle);
}

/**
 * ipk_managed_cond_wait() - give the lock up, sleep until notified, take the lock again
 * @cond:     condition, whose lock this thread holds
 * @deadline: when to give up
 *
 * Blocks:  until it is notified, and then until the lock is free.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT, the lock is held again (also when that took longer); -EPERM this
 * thread does not hold the lock; -EOWNERDEAD the connection broke: the lock is not held;
 * -EPIPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_cond_wait(ipk_managed_cond *cond, ipk_deadline deadline);

/**
 * ipk_managed_cond_notify() - wake some of those that wait
 * @cond:     condition, whose lock this thread holds
 * @n:        how many; UINT32_MAX: all
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EPERM this thread does not hold the lock; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_cond_notify(ipk_managed_cond *cond, uint32_t n,
						   ipk_deadline deadline);

typedef struct ipk_managed_event ipk_managed_event;

/**
 * ipk_managed_event_open() - open an event, and make it, not set, when there is none
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @deadline:   when to give up
 * @ret_handle: the handle; closed before the manager is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is something else; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_open(ipk_manager *m, const char *name,
						  ipk_deadline deadline,
						  ipk_managed_event **ret_handle);

/**
 * ipk_managed_event_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what is held through it
 *          stays held
 *
 * Blocks:  no.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_event *ipk_managed_event_close(ipk_managed_event *handle);

static inline void ipk_managed_event_closep(ipk_managed_event **handle)
{
	*handle = ipk_managed_event_close(*handle);
}

/**
 * ipk_managed_event_set() - set it, and wake all that wait
 * @event:    event
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_set(ipk_managed_event *event, ipk_deadline deadline);

/**
 * ipk_managed_event_clear() - clear it
 * @event:    event
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_clear(ipk_managed_event *event, ipk_deadline deadline);

/**
 * ipk_managed_event_is_set() - whether it is set now
 * @event:      event
 * @deadline:   when to give up
 * @ret_is_set: whether it is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_is_set(ipk_managed_event *event, ipk_deadline deadline,
						    bool *ret_is_set);

/**
 * ipk_managed_event_wait() - wait until it is set
 * @event:    event
 * @deadline: when to give up
 *
 * Blocks:  while it is not set.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_wait(ipk_managed_event *event, ipk_deadline deadline);

typedef struct ipk_managed_barrier ipk_managed_barrier;

/**
 * ipk_managed_barrier_open() - open a barrier, and make it when there is none
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @n_parties:  of a new one: how many meet
 * @deadline:   when to give up
 * @ret_handle: the handle; closed before the manager is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is something else; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_open(ipk_manager *m, const char *name,
						    uint32_t n_parties, ipk_deadline deadline,
						    ipk_managed_barrier **ret_handle);

/**
 * ipk_managed_barrier_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what is held through it
 *          stays held
 *
 * Blocks:  no.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_barrier *ipk_managed_barrier_close(ipk_managed_barrier *handle);

static inline void ipk_managed_barrier_closep(ipk_managed_barrier **handle)
{
	*handle = ipk_managed_barrier_close(*handle);
}

/**
 * ipk_managed_barrier_wait() - arrive, and go on when all have
 * @barrier:   barrier
 * @deadline:  when to give up
 * @ret_index: 0 .. parties - 1, another one for each; may be NULL
 *
 * Blocks:  until all have arrived.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ECANCELED it is broken, or was reset, or the deadline passed (which breaks
 * it), or a party died; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_wait(ipk_managed_barrier *barrier,
						    ipk_deadline deadline, unsigned *ret_index);

/**
 * ipk_managed_barrier_abort() - break it, until it is reset
 * @barrier:  barrier
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_abort(ipk_managed_barrier *barrier,
						     ipk_deadline deadline);

/**
 * ipk_managed_barrier_reset() - begin anew: empty and not broken
 * @barrier:  barrier
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_reset(ipk_managed_barrier *barrier,
						     ipk_deadline deadline);

/**
 * ipk_managed_barrier_info() - how it stands
 * @barrier:       barrier
 * @deadline:      when to give up
 * @ret_n_parties: how many meet; may be NULL
 * @ret_n_waiting: how many have arrived; may be NULL
 * @ret_is_broken: may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_info(ipk_managed_barrier *barrier,
						    ipk_deadline deadline, uint32_t *ret_n_parties,
						    uint32_t *ret_n_waiting, bool *ret_is_broken);

#ifdef __cplusplus
}
#endif

#endif
