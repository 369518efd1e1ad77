/*
 * arena.h - small shared objects: many anonymous ones in one segment, a named one in a segment of
 * its own.
 *
 * An arena belongs to the process that created it: only that process allocates objects in it, with
 * its bookkeeping in private memory, so a death leaves nothing inconsistent. Others reach an object
 * over fork(), or get the arena's fd and the object's offset over a pipe; a fork child creates
 * arenas of its own. The kernel frees an arena with its last user.
 *
 * An object becomes visible when its kind is stored, its creator's last step, and its memory is
 * reused only if no other process can have a handle: it was never passed on, and its creator did
 * not fork between creating and closing it. Otherwise the memory stays allocated until all objects
 * of the arena are closed.
 */
#ifndef IPK_SHARED_ARENA_H
#define IPK_SHARED_ARENA_H

#include <stdalign.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "shared/segment.h"
#include "shared/wait.h"

enum {
	IPK__OBJECT_LOCK = 1,
	IPK__OBJECT_RWLOCK = 2,
	IPK__OBJECT_SEMAPHORE = 3,
	IPK__OBJECT_COND = 4,
	IPK__OBJECT_EVENT = 5,
	IPK__OBJECT_BARRIER = 6,
	IPK__OBJECT_ONCE = 7,
	IPK__OBJECT_VALUE = 8,
	IPK__OBJECT_ARRAY = 9,
};

#define IPK__OBJECT_ALIGN 64
#define IPK__OBJECT_LABEL_BYTES 36
#define IPK__ARENA_BYTES_MAX ((size_t)4 << 20) /* of objects, unless one alone is larger */
#define IPK__ARENA_TABLES_MAX 4u
/* Free blocks by size: 1 .. 16 units of IPK__OBJECT_ALIGN, then powers of two up to 2^14. */
#define IPK__FREE_LISTS 26

/* First in every object. All but the kind is written before it becomes visible. */
struct ipk__shm_object {
	_Atomic uint32_t kind; /* 0: not complete yet, or closed */
	uint32_t flags;        /* specific to the kind */
	uint64_t n_bytes;      /* of this and what follows; a multiple of IPK__OBJECT_ALIGN */
	int64_t created_boot_ns;
	uint32_t kind_made; /* the kind that it is created as; never cleared */
	char label[IPK__OBJECT_LABEL_BYTES];
};
_Static_assert(sizeof(struct ipk__shm_object) == 64, "layout");

/* First in every arena; the objects follow, one after the other, up to end_offset. */
struct ipk__shm_arena {
	struct ipk__shm_header header;
	uint64_t objects_offset;
	_Atomic uint64_t end_offset; /* of the last object ever created */
	uint32_t n_tables;
	uint32_t reserved;
	alignas(IPK__CACHE_LINE) struct ipk__waiters tables[];
};

static inline uint64_t ipk__arena_objects_offset(uint32_t n_tables)
{
	return ipk__round_up(sizeof(struct ipk__shm_arena) + n_tables * sizeof(struct ipk__waiters),
			     IPK__OBJECT_ALIGN);
}

/* A process's view of an arena, shared by all its handles. */
struct ipk__arena {
	struct ipk__segment segment;
	struct ipk__shm_arena *shared;
	struct ipk__arena *next;
	uint64_t device, inode; /* an arena received twice is mapped once */
	size_t n_refs;
	bool is_named;
	char name[IPK__NAME_MAX + 1]; /* of its object, "": none */
	uint32_t n_tables;            /* as validated, like all copies here */
	_Atomic pid_t checked_pid;    /* the process whose pid namespace was checked */
	/* The creator's bookkeeping: */
	pid_t maker;         /* 0: another process */
	uint64_t end_offset; /* unused space begins here */
	uint64_t free_offsets[IPK__FREE_LISTS];
};

/* The part of a handle that refers to the object. */
struct ipk__ref {
	struct ipk__arena *arena;
	struct ipk__shm_object *object;
	size_t n_bytes;   /* of the block, for the creator to free */
	uint32_t n_forks; /* of its creator, at creation */
	bool is_maker;
	_Atomic bool is_passed;
};

struct ipk__object_plan {
	uint32_t kind;
	uint32_t flags;
	size_t n_bytes;    /* with struct ipk__shm_object at the front */
	const char *name;  /* NULL: anonymous */
	const char *label; /* NULL: the name, or else the name of the kind */
};

/*
 * Memory for an object, zeroed, with its header; no other process sees it before
 * ipk__object_publish(). Closing it frees it. -EINVAL name or label; -ENOSPC; -ENOMEM; -EMFILE;
 * -ENFILE.
 */
int ipk__object_create(const struct ipk__object_plan *plan, struct ipk__ref *ret_ref);
int ipk__object_publish(const struct ipk__object_plan *plan, const struct ipk__ref *ref);
/* The object with that name, of kind @kind and @min_bytes or more: errors as for segments. */
int ipk__object_open(const char *name, uint32_t kind, size_t min_bytes, struct ipk__ref *ret_ref);
/* The object at @offset of the arena that @fd names; takes @fd over, also when it fails. */
int ipk__object_attach(int fd, uint64_t offset, uint32_t kind, size_t min_bytes,
		       struct ipk__ref *ret_ref);
void ipk__object_close(struct ipk__ref *ref); /* an empty one is fine; it is empty afterwards */
int ipk__object_unlink(const char *name);
/* For passing it on: its memory is not reused. The arena keeps the fd; -EOPNOTSUPP named. */
int ipk__object_pass(struct ipk__ref *ref, int *ret_fd, uint64_t *ret_offset);

/* NULL: anonymous. */
static inline const char *ipk__object_name(const struct ipk__ref *ref)
{
	return ref->arena->is_named ? ref->arena->name : NULL;
}

static inline uint64_t ipk__object_offset(const struct ipk__ref *ref)
{
	return (uint64_t)((char *)ref->object - (char *)ref->arena->shared);
}

/* Its declared length, read once, limited to the arena. */
static inline uint64_t ipk__object_bytes(const struct ipk__ref *ref)
{
	uint64_t n_bytes = *(volatile uint64_t *)&ref->object->n_bytes;

	return IPK__MIN(n_bytes, ref->arena->segment.mapped_bytes - ipk__object_offset(ref));
}

/* The table in which the calling thread registers when it waits for @ref. */
struct ipk__waiters *ipk__object_waiters(const struct ipk__ref *ref);
/* Waiters for @ref: up to @max tids into @ret_tids; returns how many in all. -EINVAL no room. */
int ipk__object_list_waiters(const struct ipk__ref *ref, uint32_t *ret_tids, size_t max,
			     size_t *ret_n);

/* Frees the slots of dead waiters of @ref; whether there were any. */
bool ipk__object_bury_waiters(const struct ipk__ref *ref);

int ipk__object_check_slowly(const struct ipk__ref *ref);
/*
 * Whether this process may interpret the tids and pids in @ref: that was checked when it got the
 * arena, but a fork may have led to another pid namespace. 0 or -EXDEV.
 */
static inline int ipk__object_check(const struct ipk__ref *ref)
{
	if (atomic_load_explicit(&ref->arena->checked_pid, memory_order_relaxed) == ipk__os_pid())
		return 0;
	return ipk__object_check_slowly(ref);
}

#endif
