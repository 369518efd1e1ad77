/*
 * lock_internal.h - what the files of this room share, and what values and arrays embed.
 *
 * lock.c       Lock and RLock              rwlock.c     one writer or many readers
 * semaphore.c  counted tokens              cond.c       waiting for a change under a lock
 * event.c      a flag to wait for          barrier.c    waiting for each other
 * once.c       exactly one runs it         timer.c      a call later, in a thread
 * place.c      making, opening and passing, the same for all
 */
#ifndef IPK_LOCK_INTERNAL_H
#define IPK_LOCK_INTERNAL_H

#include "ipk/lock.h"
#include "shm/arena.h"
#include "shm/robust_lock.h"

/* A lock as it lies in shared memory, alone or inside another object. */
struct ipk__shm_guard {
	struct ipk__lock lock;
	_Atomic uint32_t n_again; /* how often its holder took it again: for inspection alone */
	uint32_t is_recursive;    /* read when a handle is made */
};

struct ipk__shm_guard_object {
	struct ipk__shm_object object;
	struct ipk__shm_guard guard;
};

struct ipk_lock {
	struct ipk__ref ref;
	struct ipk__shm_guard *guard;
	bool is_recursive;
	bool is_lent; /* by a value or an array: its ref is theirs */
};

/* --- lock.c --- */
int ipk__guard_init(struct ipk__shm_guard *guard, bool is_recursive);
/* For conditions: give up all levels, of which *ret_n_again tells; -EPERM not the holder. */
int ipk__lock_release_all(ipk_lock *lock, uint32_t *ret_n_again);
/* Take it again as it was. Waits for as long as it takes. */
int ipk__lock_take_again(ipk_lock *lock, uint32_t n, bool *ret_recovered);

/*
 * Close @handle with @lock in it, which may have no guard: what the calling thread took through
 * it is given back. While another thread of this process has the lock its memory stays.
 */
void ipk__place_close_locked(void *handle, ipk_lock *lock);

/* --- place.c --- */
/* Everything there is to an object of this room but its state. */
struct ipk__place {
	uint32_t kind;
	size_t n_bytes;
	const char *name;
	const char *label;
	uint32_t flags;
	int (*init)(struct ipk__shm_object *object, const void *opts); /* zeroed before */
	const void *opts;
};
/* A handle of @handle_bytes, which begins with a struct ipk__ref, zeroed otherwise. */
int ipk__place_create(const struct ipk__place *place, size_t handle_bytes, void **ret_handle);
int ipk__place_open(const char *name, uint32_t kind, size_t n_bytes, size_t handle_bytes,
		    void **ret_handle);
void ipk__place_close(void *handle); /* NULL is fine */
void ipk__place_leave(void *handle); /* without giving up what it leads to */
int ipk__place_send(void *handle, ipk_pipe *via, ipk_deadline deadline); /* -EBADF for NULL */
int ipk__place_recv(ipk_pipe *via, ipk_deadline deadline, uint32_t kind, size_t n_bytes,
		    size_t handle_bytes, void **ret_handle);

#endif
