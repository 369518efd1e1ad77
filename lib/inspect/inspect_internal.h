/*
 * inspect_internal.h - what the files of this room share.
 *
 * sightings.c  where objects are seen        object.c  one object, from its sightings
 * look.c       what its memory says          words.c   words and printable text
 * inspect.c    the public calls
 */
#ifndef IPK_INSPECT_INTERNAL_H
#define IPK_INSPECT_INTERNAL_H

#include "ipk/inspect.h"
#include "os/os.h"

struct ipk__object {
	ipk_inspect_object pub; /* first: the public getters take a pointer to it */
	char *name;
	ipk_inspect_user *users;
	ipk_inspect_lane lanes[2];
	ipk_inspect_thread holders[2];
	ipk_inspect_thread *waiters;
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
void ipk__object_free(struct ipk__object *o); /* NULL is fine */

/* --- look.c --- */

#define IPK__LABEL_BYTES 256

/*
 * Read @fd into @o: 0, or why it cannot be read, and then @o has no numbers. @label, of
 * IPK__LABEL_BYTES, gets the label it was made with; it is left alone on failure.
 */
int ipk__look_at_segment(int fd, struct ipk__object *o, char *label);
int ipk__look_at_mq(int fd, struct ipk__object *o);

/* --- words.c --- */

/* @text with every byte that is not printable ASCII (blanks too unless wanted) as \xNN. */
void ipk__printable(const char *text, bool keep_blanks, char *buf, size_t buf_bytes);

#endif
