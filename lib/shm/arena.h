/*
 * arena.h - small shared objects: many anonymous ones in a segment, a named one alone in its.
 *
 * An arena belongs to the process that made it: only that process puts objects into it, and
 * keeps the books about its room in private memory, so a death leaves nothing half done.
 * Others reach an object over fork(), or get the arena's fd and the object's offset over a
 * pipe; a fork child makes arenas of its own. The kernel frees an arena with its last user.
 *
 * An object appears when its kind is stored, the last thing its maker does, and its room
 * is used again only when nobody else can have a handle: it was never passed on, and its
 * maker did not fork between making and closing it. Otherwise the room stays taken until
 * all objects of the arena are closed.
 */
#ifndef IPK_SHM_ARENA_H
#define IPK_SHM_ARENA_H

#include <stdalign.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "shm/segment.h"
#include "shm/wait.h"

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
/* Free room by size: 1 .. 16 units of IPK__OBJECT_ALIGN, then powers of two up to 2^14. */
#define IPK__FREE_LISTS 26

/* First in every object. All but the kind is written before it can be seen. */
struct ipk__shm_object {
	_Atomic uint32_t kind; /* 0: not whole yet, or closed */
	uint32_t flags;        /* the kind's own */
	uint64_t n_bytes;      /* this and all behind it; a multiple of IPK__OBJECT_ALIGN */
	int64_t created_boot_ns;
	uint32_t kind_made; /* what it is going to be; never cleared */
	char label[IPK__OBJECT_LABEL_BYTES];
};
_Static_assert(sizeof(struct ipk__shm_object) == 64, "layout");

/* First in every arena; objects follow, one behind the other, up to end_offset. */
struct ipk__shm_arena {
	struct ipk__shm_header header;
	uint64_t objects_offset;
	_Atomic uint64_t end_offset; /* of the last object ever made */
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
	uint64_t device, inode; /* an arena that comes twice is mapped once */
	size_t n_refs;
	bool is_named;
	char name[IPK__NAME_MAX + 1]; /* of its object, "": none */
	uint32_t n_tables;         /* as it was when it was checked, like all that is kept here */
	_Atomic pid_t checked_pid; /* the process whose pid namespace was found to be right */
	/* The maker's books: */
	pid_t maker;         /* 0: another process */
	uint64_t end_offset; /* room that was never used begins here */
	uint64_t free_offsets[IPK__FREE_LISTS];
};

/* What a handle has. */
struct ipk__ref {
	struct ipk__arena *arena;
	struct ipk__shm_object *object;
	size_t n_bytes;   /* of the room, the maker's to give back */
	uint32_t n_forks; /* of its maker, when it was made */
	bool is_maker;
	_Atomic bool is_passed;
};

struct ipk__object_plan {
	uint32_t kind;
	uint32_t flags;
	size_t n_bytes;    /* with struct ipk__shm_object in front */
	const char *name;  /* NULL: anonymous */
	const char *label; /* NULL: the name, or else the kind's word */
};

/*
 * Room for an object, zeroed, with its header; nobody else can see it before
 * ipk__object_publish(). Closing it undoes it. -EINVAL name or label; -ENOSPC; -ENOMEM;
 * -EMFILE; -ENFILE.
 */
int ipk__object_create(const struct ipk__object_plan *plan, struct ipk__ref *ret_ref);
int ipk__object_publish(const struct ipk__object_plan *plan, const struct ipk__ref *ref);
/* The object of that name, of kind @kind and @min_bytes or more: errors as segments give. */
int ipk__object_open(const char *name, uint32_t kind, size_t min_bytes, struct ipk__ref *ret_ref);
/* The object at @offset of the arena that @fd names; takes @fd over, also when it fails. */
int ipk__object_attach(int fd, uint64_t offset, uint32_t kind, size_t min_bytes,
		       struct ipk__ref *ret_ref);
void ipk__object_close(struct ipk__ref *ref); /* an empty one is fine; it is empty afterwards */
int ipk__object_unlink(const char *name);
/* For passing it on: its room is not used again. The fd stays the arena's; -EOPNOTSUPP named. */
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

/* How long it says it is, read once, and no further than the arena. */
static inline uint64_t ipk__object_bytes(const struct ipk__ref *ref)
{
	uint64_t n_bytes = *(volatile uint64_t *)&ref->object->n_bytes;

	return IPK__MIN(n_bytes, ref->arena->segment.mapped_bytes - ipk__object_offset(ref));
}

/* The table in which the calling thread registers when it waits for @ref. */
struct ipk__waiters *ipk__object_waiters(const struct ipk__ref *ref);
/* Who waits for @ref: up to @max tids into @ret_tids; how many in all. -EINVAL no room. */
int ipk__object_list_waiters(const struct ipk__ref *ref, uint32_t *ret_tids, size_t max,
			     size_t *ret_n);

/* Frees the places of those that died waiting for @ref: whether there were any. */
bool ipk__object_bury_waiters(const struct ipk__ref *ref);

int ipk__object_check_slowly(const struct ipk__ref *ref);
/*
 * Whether this process may use what is kept by tid or pid in @ref: that was checked when
 * the arena came to it, but a fork may have led to another pid namespace. 0 or -EXDEV.
 */
static inline int ipk__object_check(const struct ipk__ref *ref)
{
	if (atomic_load_explicit(&ref->arena->checked_pid, memory_order_relaxed) == ipk__os_pid())
		return 0;
	return ipk__object_check_slowly(ref);
}

#endif
