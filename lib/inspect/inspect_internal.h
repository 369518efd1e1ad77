/*
 * inspect_internal.h - what the files of this room share.
 *
 * sightings.c   where objects are seen        object.c      objects, from the sightings of a file
 * look.c        what its memory says          look_lanes.c  of pipes and queues
 * look_arena.c  of many small objects         look_kinds.c  of each kind of those
 * look_pool.c   of pools                      look_processes.c of children
 * functions.c   what a worker runs            hints.c       what is wrong, and what to do
 * items.c       what is in values and arrays  threads.c     who holds, who waits
 * words.c       words and printable text
 * inspect.c     the public calls
 */
#ifndef IPK_INSPECT_INTERNAL_H
#define IPK_INSPECT_INTERNAL_H

#include "ipk/inspect.h"
#include "os/os.h"
#include "shm/arena.h"
#include "shm/robust_lock.h"
#include "shm/segment.h"

#define IPK__ITEMS_SHOWN 8

/* A value, or an item of an array, as text. */
struct ipk__item {
	char text[40];
};

/* What is wrong, and what to do about it. */
#define IPK__HINTS_MAX 16
struct ipk__hint {
	char text[256];
};

struct ipk__object {
	ipk_inspect_object pub; /* first: the public getters take a pointer to it */
	char *name;
	ipk_inspect_user *users; /* of a part: they are the whole's */
	ipk_inspect_lane lanes[2];
	ipk_inspect_thread *holders;
	ipk_inspect_thread *waiters;
	struct ipk__item *items;
	ipk_progress progress;
	ipk_inspect_worker *workers;
	ipk_inspect_child *children;
	struct ipk__hint *hints;
	/* The objects in an anonymous arena; then the whole is none, unless it is damaged. */
	struct ipk__object **parts;
	size_t n_parts;
	size_t parts_room;
	bool is_part;
};

/* --- sightings.c --- */

struct ipk__sightings {
	struct ipk__os_sighting *items; /* their names are ours */
	size_t n;
	size_t room;
	size_t n_hidden; /* processes that could not be looked into */
};

/* All sightings of what may be ipk objects, those of one file in a row, by its names first. */
int ipk__sightings_collect(struct ipk__sightings *ret_all);
void ipk__sightings_free(struct ipk__sightings *all);
bool ipk__sightings_same(const struct ipk__os_sighting *a, const struct ipk__os_sighting *b);

/* --- object.c --- */

/* From all @n sightings of one file. -ENOENT: it is gone, or no ipk object after all. */
int ipk__object_make(const struct ipk__os_sighting *sightings, size_t n,
		     struct ipk__object **ret_object);
/* Whether the object of @s, or one in it, can have that name: so far as is told without opening it.
 */
bool ipk__object_may_be_called(const struct ipk__os_sighting *s, const char *name);
void ipk__object_free(struct ipk__object *o); /* NULL is fine; its parts too */
/* One more part of @whole, that knows of itself what the whole knows. */
int ipk__object_add_part(struct ipk__object *whole, struct ipk__object **ret_part);
void ipk__object_drop_part(struct ipk__object *whole); /* the last one */
/* Printable: @scheme and @name. */
int ipk__object_set_name(struct ipk__object *o, const char *scheme, const char *name);
/* The numbers that an object with an error does not have: they become 0. */
void ipk__object_forget(struct ipk__object *o);

/* --- look.c --- */

#define IPK__LABEL_BYTES 256
#define IPK__LOOK_TRIES 32

/*
 * Read @fd into @o: 0, or why it cannot be read, and then @o has no numbers. @label, of
 * IPK__LABEL_BYTES, gets the label it was made with; it is left alone on failure.
 */
int ipk__look_at_segment(int fd, struct ipk__object *o, char *label);
int ipk__look_at_mq(int fd, struct ipk__object *o);

/* --- look_lanes.c: -ENOTRECOVERABLE when the numbers cannot be right, this time --- */

int ipk__look_at_pipe(int fd, const struct ipk__shm_header *h, struct ipk__object *o);
int ipk__look_at_queue(int fd, const struct ipk__shm_header *h, struct ipk__object *o);

/* --- look_arena.c --- */

/* The objects in it become @o's parts, or @o itself when it is a named one. */
int ipk__look_at_arena(int fd, const struct ipk__shm_header *h, struct ipk__object *o);

/* --- look_kinds.c --- */

#define IPK__PEEK_BYTES 1024 /* the fixed part of every kind is shorter */

/* An object in an arena, with a copy of how it begins. */
struct ipk__peek {
	int fd;
	uint64_t offset; /* of the object */
	uint64_t n_bytes;
	size_t n_copied;
	alignas(IPK__CACHE_LINE) char copy[IPK__PEEK_BYTES];
};

/* IPK_INSPECT_OTHER for a kind that is not known. */
ipk_inspect_kind ipk__kind_of_object(uint32_t object_kind);
/* -ENOTRECOVERABLE when the numbers cannot be right, this time. */
int ipk__look_at_kind(const struct ipk__peek *peek, uint32_t object_kind, struct ipk__object *o);

/* @n_bytes at @at of the object, from the copy when they are in it. */
int ipk__read_at(const struct ipk__peek *peek, uint64_t at, void *buf, size_t n_bytes);
struct ipk__shm_guard;
/* Who holds it, and how often. */
int ipk__note_guard(const struct ipk__shm_guard *guard, struct ipk__object *o);

/* --- items.c: two of the kinds --- */

#define IPK__HEAD_BYTES 16 /* shown of a struct; a number has no more */

int ipk__look_at_value(const struct ipk__peek *peek, struct ipk__object *o);
int ipk__look_at_array(const struct ipk__peek *peek, struct ipk__object *o);

/* --- look_pool.c, look_processes.c: -ENOTRECOVERABLE as above --- */

int ipk__look_at_pool(int fd, const struct ipk__shm_header *h, struct ipk__object *o);
int ipk__look_at_processes(int fd, const struct ipk__shm_header *h, struct ipk__object *o);

/* --- functions.c --- */

/* PROGRAM+0xOFFSET of what lies at @address in process @pid; "" when it does not tell. */
void ipk__name_function(pid_t pid, uint64_t address, char *buf, size_t buf_bytes);

/* --- hints.c --- */

enum ipk__maker { IPK__MAKER_LIVES = 0, IPK__MAKER_IS_STOPPED = 1, IPK__MAKER_IS_GONE = 2 };
int ipk__hints_of_pool(struct ipk__object *o, enum ipk__maker creator);
int ipk__hints_of_processes(struct ipk__object *o, enum ipk__maker parent);

/* --- threads.c --- */

int64_t ipk__since_ns(int64_t at_boot_ns); /* how long ago; -1: it cannot be */
int ipk__make_holders(struct ipk__object *o, size_t max);
/* There is room by ipk__make_holders(). @is_gone: the kernel said so. */
ipk_inspect_thread *ipk__add_holder(struct ipk__object *o, uint32_t tid, ipk_inspect_what what,
				    bool is_gone);
/* Who holds the lock, if anybody. */
void ipk__note_holder(struct ipk__object *o, const struct ipk__lock *lock, ipk_inspect_what what);
/* Who is in the slot, unless it is free. */
bool ipk__read_waiter(const struct ipk__waiter *slot, bool is_foreign, ipk_inspect_thread *t);
/* All in a table of one's own. */
int ipk__note_waiters_in(struct ipk__object *o, const struct ipk__waiters *waiters);
/* Whether the process of @owner (shm/owner.h; 0 counts as alive) goes on. */
enum ipk__maker ipk__maker_of(uint64_t owner, bool is_foreign);

/* --- words.c --- */

/* @text with every byte that is not printable ASCII (blanks too unless wanted) as \xNN. */
void ipk__printable(const char *text, bool keep_blanks, char *buf, size_t buf_bytes);
__attribute__((visibility("default"))) /* for libipk-manager */
void ipk__printable_bytes(const char *text, size_t n_bytes, bool keep_blanks, char *buf,
			  size_t buf_bytes);

#endif
