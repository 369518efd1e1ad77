/*
 * lock_internal.h - what the files of this room share, and what values and arrays embed.
 *
 * lock.c       Lock and RLock              rwlock.c     one writer or many readers
 * semaphore.c  counted tokens              cond.c       waiting for a change under a lock
 * event.c      a flag to wait for          barrier.c    waiting for each other
 * once.c       exactly one runs it         timer.c      a call later, in a thread
 * handle.c     making, opening and passing, the same for all
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
void ipk__handle_close_locked(void *handle, ipk_lock *lock);

/* --- handle.c --- */

/* What all objects of a kind have in common. Their handles begin with a struct ipk__ref. */
struct ipk__object_class {
	uint32_t kind;
	size_t n_bytes;      /* an object has so many, or more */
	size_t handle_bytes; /* zeroed, but for the ref */
	/* The state of a new one, zeroed before; @opts are the spec's. NULL: zeros are right. */
	int (*init)(struct ipk__shm_object *object, const void *opts);
	/* The rest of the handle: what is read in the object is checked, and kept in private. */
	int (*bind)(void *handle);
	/* Whether one that was there is what @opts ask for; the flags are. NULL: it is. */
	bool (*is_like)(const void *handle, const void *opts);
};

/* One of them that is to be made. */
struct ipk__object_spec {
	const char *name;
	const char *label;
	const void *opts;
	size_t n_bytes; /* 0: those of its class */
	uint32_t flags;
	bool open_existing; /* -EPROTOTYPE: it is not like this */
};

/* @ret_handle: NULL (-EINVAL), or a pointer to a pointer to the handle's type. */
int ipk__handle_create(const struct ipk__object_class *class, const struct ipk__object_spec *spec,
		       void *ret_handle);
/* -ENOENT: nobody had made it by @deadline. */
int ipk__handle_open(const struct ipk__object_class *class, const char *name, ipk_deadline deadline,
		     void *ret_handle);
void ipk__handle_close(void *handle);   /* NULL is fine */
void ipk__handle_abandon(void *handle); /* without giving up what it leads to */
int ipk__handle_send(void *handle, ipk_pipe *via, ipk_deadline deadline); /* -EBADF for NULL */
int ipk__handle_recv(const struct ipk__object_class *class, ipk_pipe *via, ipk_deadline deadline,
		     void *ret_handle);

#endif
