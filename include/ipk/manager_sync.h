/*
 * manager_sync.h - locks and other synchronization between threads of several processes or
 * machines, held by a server (Python: manager.Lock() and so on). Within one machine those of
 * ipk/lock.h are far faster.
 *
 * They are owned by a thread and by the connection of its process: what a process holds is released
 * when it ends or is killed.
 *
 * Opening an object creates it if it does not exist. An existing one must match the options;
 * without options (NULL) any is accepted, so only its creator must know them. An object of another
 * kind, or with other options, is -EPROTOTYPE.
 */
#ifndef IPK_MANAGER_SYNC_H
#define IPK_MANAGER_SYNC_H

#include <sys/types.h>

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_managed_lock ipk_managed_lock;

typedef struct ipk_managed_lock_opts {
	size_t struct_size; /* sizeof(ipk_managed_lock_opts) */
	bool is_recursive;  /* the holder may lock it again (RLock); otherwise -EDEADLK */
} ipk_managed_lock_opts;

#define IPK_MANAGED_LOCK(...) IPK_OPTS(managed_lock, __VA_ARGS__)

/* The holder of a lock, as far as the server knows. */
typedef struct ipk_managed_owner {
	bool is_held;         /* false: it is free, and all other fields are 0 */
	uint32_t tid;         /* the thread's id (gettid(2)) on its machine; 0: unknown */
	pid_t pid;            /* its process there; 0: unknown, as over tcp: */
	uint64_t depth;       /* recursion depth: 1, of a recursive one perhaps more */
	uint64_t client_id;   /* of CLIENT LIST and ipc-inspect; with Redis 0: a session holds it */
	char client[64];      /* label of the client; with Redis the name of the session */
	char address[64];     /* of the client, as in CLIENT LIST; with Redis "" */
	uint64_t reserved[8]; /* 0 */
} ipk_managed_owner;

/**
 * ipk_managed_lock_open() - open a lock; create it if it does not exist
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @opts:       options of a new one. NULL: any existing lock, otherwise one that is not recursive
 * @deadline:   when to stop waiting
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is an object of another kind, or has other options; -ENOENT
 * with NULL: it was deleted during the call; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EBADF; others see
 * manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_open(ipk_manager *m, const char *name,
						 const ipk_managed_lock_opts *opts,
						 ipk_deadline deadline,
						 ipk_managed_lock **ret_handle);

/**
 * ipk_managed_lock_close() - close the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what was acquired
 *          through it stays held
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
 * ipk_managed_lock_lock() - acquire the lock
 * @lock:     lock
 * @deadline: when to stop waiting
 *
 * Blocks:  while another thread holds it.
 * Crash:   if the holder dies, the lock is released.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EDEADLK this thread holds it, and it is not recursive; -EPIPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_lock(ipk_managed_lock *lock, ipk_deadline deadline);

/**
 * ipk_managed_lock_unlock() - release the lock, or one level of a recursive one
 * @lock:     held by this thread
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EPERM this thread does not hold it; -EOWNERDEAD it did, but the connection broke
 * meanwhile: others may have held it; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_unlock(ipk_managed_lock *lock, ipk_deadline deadline);

/**
 * ipk_managed_lock_is_held() - whether this thread holds it
 * @lock:        lock
 * @deadline:    when to stop waiting
 * @ret_is_held: whether it does
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_is_held(ipk_managed_lock *lock, ipk_deadline deadline,
						    bool *ret_is_held);

/**
 * ipk_managed_lock_owner() - the holder of the lock, in any process
 * @lock:      lock
 * @deadline:  when to stop waiting
 * @ret_owner: the holder; .is_held false: none
 *
 * Our server identifies the client itself: over unix: its process as reported by the kernel, over
 * tcp: its address. With Redis the holder has recorded its own identity: a session with its pid.
 *
 * Blocks:  until the server has replied. The result is a snapshot.
 * Crash:   a dead holder is reported until the server detects its death; with Redis until its lease
 *          expires.
 * Source:  lib/manager/sync.c        Since: 0.4
 *
 * Return: 0; -ENOENT it was deleted; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_lock_owner(ipk_managed_lock *lock, ipk_deadline deadline,
						  ipk_managed_owner *ret_owner);

typedef struct ipk_managed_semaphore ipk_managed_semaphore;

typedef struct ipk_managed_semaphore_opts {
	size_t struct_size; /* sizeof(ipk_managed_semaphore_opts) */
	uint64_t value;     /* initial permits: 0 is 0, a release must come first */
	uint64_t max;       /* limit for releases: the same as value (BoundedSemaphore);
			     * 0: no limit */
} ipk_managed_semaphore_opts;

#define IPK_MANAGED_SEMAPHORE(...) IPK_OPTS(managed_semaphore, __VA_ARGS__)

/**
 * ipk_managed_semaphore_open() - open a semaphore; create it if it does not exist
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @opts:       options of a new one. NULL: any existing semaphore, otherwise one of value 1 (as in
 *              Python) without a limit
 * @deadline:   when to stop waiting
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is an object of another kind, or has other options; -ENOENT
 * with NULL: it was deleted during the call; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EBADF; others see
 * manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_semaphore_open(ipk_manager *m, const char *name,
						      const ipk_managed_semaphore_opts *opts,
						      ipk_deadline deadline,
						      ipk_managed_semaphore **ret_handle);

/**
 * ipk_managed_semaphore_close() - close the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what was acquired
 *          through it stays held
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
 * ipk_managed_semaphore_acquire() - acquire a permit
 * @s:        semaphore
 * @deadline: when to stop waiting
 *
 * Blocks:  while no permit is available.
 * Crash:   if the process dies, its permits are released.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_semaphore_acquire(ipk_managed_semaphore *s,
							 ipk_deadline deadline);

/**
 * ipk_managed_semaphore_release() - release permits
 * @s:        semaphore
 * @n:        how many; 1 or more
 * @deadline: when to stop waiting
 *
 * Permits that this handle has acquired are given back first; more are added to those there are.
 *
 * Blocks:  until the server has replied.
 * Crash:   permits are lost with the connection (on Redis, the lease) over which they were acquired:
 *          the server has them back already.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EOWNERDEAD they were lost, nothing was released; -EOVERFLOW a bounded one would
 * exceed its limit; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_semaphore_release(ipk_managed_semaphore *s, uint32_t n,
							 ipk_deadline deadline);

typedef struct ipk_managed_cond ipk_managed_cond;

typedef struct ipk_managed_cond_opts {
	size_t struct_size;    /* sizeof(ipk_managed_cond_opts) */
	const char *lock_name; /* its lock, which must exist */
} ipk_managed_cond_opts;

#define IPK_MANAGED_COND(...) IPK_OPTS(managed_cond, __VA_ARGS__)

/**
 * ipk_managed_cond_open() - open a condition; create it if it does not exist
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @opts:       with lock_name. NULL: an existing condition; none is created
 * @deadline:   when to stop waiting
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOENT the lock or (with NULL) the condition does not exist; -EPROTOTYPE it
 * is an object of another kind, or has another lock; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EBADF;
 * others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_cond_open(ipk_manager *m, const char *name,
						 const ipk_managed_cond_opts *opts,
						 ipk_deadline deadline,
						 ipk_managed_cond **ret_handle);

/**
 * ipk_managed_cond_close() - close the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what was acquired
 *          through it stays held
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
 * ipk_managed_cond_wait() - release the lock, sleep until notified, acquire the lock again
 * @cond:     condition, whose lock this thread holds
 * @deadline: when to stop waiting
 *
 * Blocks:  until it is notified, and then until the lock is acquired.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT, the lock is held again (even if that took longer); -EPERM this thread does
 * not hold the lock; -EOWNERDEAD the connection broke: the lock is not held; -EPIPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_cond_wait(ipk_managed_cond *cond, ipk_deadline deadline);

/**
 * ipk_managed_cond_notify() - wake up to n waiters
 * @cond:     condition, whose lock this thread holds
 * @n:        maximum number of waiters to wake; UINT32_MAX: all
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EPERM this thread does not hold the lock; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_cond_notify(ipk_managed_cond *cond, uint32_t n,
						   ipk_deadline deadline);

typedef struct ipk_managed_event ipk_managed_event;

/**
 * ipk_managed_event_open() - open an event; create it (not set) if it does not exist
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @deadline:   when to stop waiting
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is an object of another kind; -ETIMEDOUT; -EINPROGRESS;
 * -EPIPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_open(ipk_manager *m, const char *name,
						  ipk_deadline deadline,
						  ipk_managed_event **ret_handle);

/**
 * ipk_managed_event_close() - close the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what was acquired
 *          through it stays held
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
 * ipk_managed_event_set() - set the event and wake all waiters
 * @event:    event
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_set(ipk_managed_event *event, ipk_deadline deadline);

/**
 * ipk_managed_event_clear() - clear the event
 * @event:    event
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_clear(ipk_managed_event *event, ipk_deadline deadline);

/**
 * ipk_managed_event_is_set() - whether the event is set
 * @event:      event
 * @deadline:   when to stop waiting
 * @ret_is_set: whether it is
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_is_set(ipk_managed_event *event, ipk_deadline deadline,
						    bool *ret_is_set);

/**
 * ipk_managed_event_wait() - wait until the event is set
 * @event:    event
 * @deadline: when to stop waiting
 *
 * Blocks:  while it is not set.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_event_wait(ipk_managed_event *event, ipk_deadline deadline);

typedef struct ipk_managed_barrier ipk_managed_barrier;

typedef struct ipk_managed_barrier_opts {
	size_t struct_size; /* sizeof(ipk_managed_barrier_opts) */
	uint32_t n_parties; /* 1 or more */
} ipk_managed_barrier_opts;

#define IPK_MANAGED_BARRIER(...) IPK_OPTS(managed_barrier, __VA_ARGS__)

/**
 * ipk_managed_barrier_open() - open a barrier; create it if it does not exist
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @opts:       with n_parties. NULL: an existing barrier; none is created
 * @deadline:   when to stop waiting
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOENT with NULL: there is no barrier; -EPROTOTYPE it is an object of
 * another kind, or has another number of parties; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EBADF; others
 * see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_open(ipk_manager *m, const char *name,
						    const ipk_managed_barrier_opts *opts,
						    ipk_deadline deadline,
						    ipk_managed_barrier **ret_handle);

/**
 * ipk_managed_barrier_close() - close the handle
 * @handle: NULL is fine; no other thread may be inside a call on it; what was acquired
 *          through it stays held
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
 * ipk_managed_barrier_wait() - arrive, and wait until all parties have arrived
 * @barrier:   barrier
 * @deadline:  when to stop waiting
 * @ret_index: 0 .. parties - 1, unique in the round, the largest for the last to arrive; may be
 *             NULL
 *
 * Unlike ipk_barrier_wait() and Python's Barrier(action=...), it has no action: the server runs no
 * code and releases all parties at once. Use two waits instead: after the first, the party with
 * index 0 does the work, then all wait again. If the work fails, that party calls
 * ipk_managed_barrier_abort(); if it is killed, the second wait breaks at the deadline of the
 * others.
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
 * ipk_managed_barrier_abort() - break the barrier until it is reset
 * @barrier:  barrier
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_abort(ipk_managed_barrier *barrier,
						     ipk_deadline deadline);

/**
 * ipk_managed_barrier_reset() - restart the barrier: no arrivals, not broken
 * @barrier:  barrier
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/sync.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_barrier_reset(ipk_managed_barrier *barrier,
						     ipk_deadline deadline);

/**
 * ipk_managed_barrier_info() - the state of the barrier
 * @barrier:       barrier
 * @deadline:      when to stop waiting
 * @ret_n_parties: number of parties; may be NULL
 * @ret_n_waiting: number of arrivals; may be NULL
 * @ret_is_broken: may be NULL
 *
 * Blocks:  until the server has replied.
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
