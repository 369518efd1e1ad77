/*
 * inspect_internal.h - declarations shared by lib/inspect.
 *
 * references.c   references to objects         object.c          objects, from a file's references
 * probe.c        an object's memory            probe_channels.c  of pipes and queues
 * probe_arena.c  of many small objects         probe_kinds.c     of each kind of those
 * probe_pool.c   of pools                      probe_processes.c of children
 * functions.c    names of functions            hints.c           diagnoses of pools and children
 * items.c        contents of values, arrays    threads.c         holders and waiters
 * labels.c       names and printable text      inspect.c         the public calls
 */
#ifndef IPK_INSPECT_INTERNAL_H
#define IPK_INSPECT_INTERNAL_H

#include "ipk/inspect.h"
#include "os/os.h"
#include "shared/arena.h"
#include "shared/robust_lock.h"
#include "shared/segment.h"

#define IPK__ITEMS_SHOWN 8

/* A value, or an item of an array, as text. */
struct ipk__item {
	char text[40];
};

/* A diagnosis, with what to do about it. */
#define IPK__HINTS_MAX 16
struct ipk__hint {
	char text[256];
};

struct ipk__object {
	ipk_inspect_object pub; /* first: the public getters convert pointers to it */
	char *name;
	ipk_inspect_user *users; /* of a part: shared with the whole */
	ipk_inspect_channel channels[2];
	ipk_inspect_thread *holders;
	ipk_inspect_thread *waiters;
	struct ipk__item *items;
	ipk_progress progress;
	ipk_inspect_worker *workers;
	ipk_inspect_child *children;
	struct ipk__hint *hints;
	/*
	 * The objects in an anonymous arena; then the whole is not one itself, unless it is
	 * damaged.
	 */
	struct ipk__object **parts;
	size_t n_parts;
	size_t parts_room;
	bool is_part;
};

/* --- references.c ----------------------------------------------------------------------------- */

struct ipk__references {
	struct ipk__os_reference *items; /* we own their names */
	size_t n;
	size_t room;
	size_t n_hidden; /* processes that were not accessible */
};

/* All references of possible ipk objects, grouped by file, its names first. */
int ipk__references_collect(struct ipk__references *ret_all);
void ipk__references_free(struct ipk__references *all);
bool ipk__references_same(const struct ipk__os_reference *a, const struct ipk__os_reference *b);

/* --- object.c --------------------------------------------------------------------------------- */

/* From all @n references of one file. -ENOENT: it is gone, or not an ipk object after all. */
int ipk__object_make(const struct ipk__os_reference *references, size_t n,
		     struct ipk__object **ret_object);
/*
 * Whether the object of @s, or one in it, can have that name, as far as known without opening it.
 */
bool ipk__object_may_be_called(const struct ipk__os_reference *s, const char *name);
void ipk__object_free(struct ipk__object *o); /* NULL is fine; its parts too */
/* Adds a part to @whole, with the whole's common fields. */
int ipk__object_add_part(struct ipk__object *whole, struct ipk__object **ret_part);
void ipk__object_drop_part(struct ipk__object *whole); /* the last one */
/* Printable: @scheme and @name. */
int ipk__object_set_name(struct ipk__object *o, const char *scheme, const char *name);
/* Clears the numbers of an object with an error. */
void ipk__object_forget(struct ipk__object *o);

/* --- probe.c ---------------------------------------------------------------------------------- */

#define IPK__LABEL_BYTES 256
#define IPK__PROBE_TRIES 32

/*
 * Reads @fd into @o: 0, or why it is unreadable, and then @o has no numbers. @label, of
 * IPK__LABEL_BYTES, gets the label from its creation; it is unchanged on failure.
 */
int ipk__probe_segment(int fd, struct ipk__object *o, char *label);
int ipk__probe_mq(int fd, struct ipk__object *o);

/* --- probe_channels.c: -ENOTRECOVERABLE when the numbers of this read are impossible ---------- */

int ipk__probe_pipe(int fd, const struct ipk__shm_header *h, struct ipk__object *o);
int ipk__probe_queue(int fd, const struct ipk__shm_header *h, struct ipk__object *o);

/* --- probe_arena.c ---------------------------------------------------------------------------- */

/* The objects in it become parts of @o, or @o itself when it is a named one. */
int ipk__probe_arena(int fd, const struct ipk__shm_header *h, struct ipk__object *o);

/* --- probe_kinds.c ---------------------------------------------------------------------------- */

#define IPK__PEEK_BYTES 1024 /* larger than the fixed part of any kind */

/* An object in an arena, with a copy of its beginning. */
struct ipk__peek {
	int fd;
	uint64_t offset; /* of the object */
	uint64_t n_bytes;
	size_t n_copied;
	alignas(IPK__CACHE_LINE) char copy[IPK__PEEK_BYTES];
};

/* IPK_INSPECT_OTHER for an unknown kind. */
ipk_inspect_kind ipk__kind_of_object(uint32_t object_kind);
/* -ENOTRECOVERABLE when the numbers of this read are impossible. */
int ipk__probe_kind(const struct ipk__peek *peek, uint32_t object_kind, struct ipk__object *o);

/* @n_bytes at @at of the object, from the copy if they are in it. */
int ipk__read_at(const struct ipk__peek *peek, uint64_t at, void *buf, size_t n_bytes);
struct ipk__shm_guard;
/* Its holder, and the recursion depth. */
int ipk__note_guard(const struct ipk__shm_guard *guard, struct ipk__object *o);

/* --- items.c: two of the kinds ---------------------------------------------------------------- */

#define IPK__HEAD_BYTES 16 /* shown of a struct; a number is not longer */

int ipk__probe_value(const struct ipk__peek *peek, struct ipk__object *o);
int ipk__probe_array(const struct ipk__peek *peek, struct ipk__object *o);

/* --- probe_pool.c, probe_processes.c: -ENOTRECOVERABLE as above ------------------------------- */

int ipk__probe_pool(int fd, const struct ipk__shm_header *h, struct ipk__object *o);
int ipk__probe_processes(int fd, const struct ipk__shm_header *h, struct ipk__object *o);

/* --- functions.c ------------------------------------------------------------------------------ */

/* PROGRAM+0xOFFSET for @address in process @pid; "" when unknown. */
void ipk__name_function(pid_t pid, uint64_t address, char *buf, size_t buf_bytes);

/* --- hints.c ---------------------------------------------------------------------------------- */

enum ipk__creator_state { IPK__CREATOR_ALIVE = 0, IPK__CREATOR_STOPPED = 1, IPK__CREATOR_GONE = 2 };
int ipk__hints_of_pool(struct ipk__object *o, enum ipk__creator_state creator);
int ipk__hints_of_processes(struct ipk__object *o, enum ipk__creator_state parent);

/* --- threads.c -------------------------------------------------------------------------------- */

int64_t ipk__since_ns(int64_t at_boot_ns); /* how long ago; -1: impossible */
int ipk__make_holders(struct ipk__object *o, size_t max);
/* ipk__make_holders() has allocated the space. @is_gone: according to the kernel. */
ipk_inspect_thread *ipk__add_holder(struct ipk__object *o, uint32_t tid, ipk_inspect_what what,
				    bool is_gone);
/* The holder of the lock, if any. */
void ipk__note_holder(struct ipk__object *o, const struct ipk__robust_lock *lock,
		      ipk_inspect_what what);
/* The waiter in the slot, unless it is free. */
bool ipk__read_waiter(const struct ipk__waiter *slot, bool is_foreign, ipk_inspect_thread *t);
/* All waiters of an object's own table. */
int ipk__note_waiters_in(struct ipk__object *o, const struct ipk__waiters *waiters);
/* Whether the process of @owner (shared/owner.h; 0 counts as alive) is alive. */
enum ipk__creator_state ipk__creator_state_of(uint64_t owner, bool is_foreign);

/* --- labels.c --------------------------------------------------------------------------------- */

/* @text with every byte that is not printable ASCII (blanks too unless wanted) as \xNN. */
void ipk__printable(const char *text, bool keep_blanks, char *buf, size_t buf_bytes);
__attribute__((visibility("default"))) /* for libipk-manager */
void ipk__printable_bytes(const char *text, size_t n_bytes, bool keep_blanks, char *buf,
			  size_t buf_bytes);

#endif
