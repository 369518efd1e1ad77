/*
 * lock_internal.h - declarations shared by lib/lock, and locks embedded in values and arrays.
 *
 * lock.c       Lock and RLock              rwlock.c     one writer or many readers
 * semaphore.c  counted tokens              cond.c       waiting for a change under a lock
 * event.c      a flag to wait for          barrier.c    waiting for each other
 * once.c       run exactly once            timer.c      a deferred call, in a thread
 * handle.c     creating, opening and passing, common to all
 */
#ifndef IPK_LOCK_INTERNAL_H
#define IPK_LOCK_INTERNAL_H

#include "ipk/lock.h"
#include "shared/arena.h"
#include "shared/robust_lock.h"

/* A lock's layout in shared memory, alone or inside another object. */
struct ipk__shm_guard {
	struct ipk__robust_lock lock;
	_Atomic uint32_t n_again; /* the holder's recursion depth, for inspection only */
	uint32_t is_recursive;    /* read when a handle is created */
};

struct ipk__shm_guard_object {
	struct ipk__shm_object object;
	struct ipk__shm_guard guard;
};

struct ipk_lock {
	struct ipk__ref ref;
	struct ipk__shm_guard *guard;
	bool is_recursive;
	bool is_lent; /* part of a value or an array, which owns its ref */
};

/* --- lock.c ----------------------------------------------------------------------------------- */
int ipk__guard_init(struct ipk__shm_guard *guard, bool is_recursive);
/* For conditions: releases all levels, their number in *ret_n_again; -EPERM not the holder. */
int ipk__robust_lock_release_all(ipk_lock *lock, uint32_t *ret_n_again);
/* Reacquires it with the same depth. No deadline. */
int ipk__robust_lock_take_again(ipk_lock *lock, uint32_t n, bool *ret_recovered);

/*
 * Closes @handle with @lock in it, which may have no guard: releases what the calling thread
 * acquired through it. While another thread of this process holds the lock its memory stays mapped.
 */
void ipk__handle_close_locked(void *handle, ipk_lock *lock);

/* --- handle.c --------------------------------------------------------------------------------- */

/* Common to all objects of a class. Their handles begin with a struct ipk__ref. */
struct ipk__object_class {
	uint32_t kind;
	size_t n_bytes;      /* minimal size of an object */
	size_t handle_bytes; /* zeroed, but for the ref */
	/* Initializes a new one, zeroed before; @opts are the spec's. NULL: zeros are right. */
	int (*init)(struct ipk__shm_object *object, const void *opts);
	/* The rest of the handle: what is read from the object is validated, and kept privately. */
	int (*bind)(void *handle);
	/* Whether an existing one matches @opts; the flags do. NULL: it does. */
	bool (*is_like)(const void *handle, const void *opts);
};

/* A request to create one. */
struct ipk__object_spec {
	const char *name;
	const char *label;
	const void *opts;
	size_t n_bytes; /* 0: those of its class */
	uint32_t flags;
	bool open_existing; /* -EPROTOTYPE: it does not match */
};

/* @ret_handle: NULL (-EINVAL), or a pointer to a pointer to the handle's type. */
int ipk__handle_create(const struct ipk__object_class *class, const struct ipk__object_spec *spec,
		       void *ret_handle);
/* -ENOENT: it was not created by @deadline. */
int ipk__handle_open(const struct ipk__object_class *class, const char *name, ipk_deadline deadline,
		     void *ret_handle);
void ipk__handle_close(void *handle);   /* NULL is fine */
void ipk__handle_abandon(void *handle); /* without releasing what it refers to */
int ipk__handle_send(void *handle, ipk_pipe *via, ipk_deadline deadline); /* -EBADF for NULL */
int ipk__handle_recv(const struct ipk__object_class *class, ipk_pipe *via, ipk_deadline deadline,
		     void *ret_handle);

#endif
