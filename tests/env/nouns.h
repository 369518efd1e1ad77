/*
 * nouns.h - one short use of every kind of object: created, used, closed. For tests of what the
 * machine or the host refuses.
 */
#ifndef IPK_TESTS_NOUNS_H
#define IPK_TESTS_NOUNS_H

#include <stddef.h>
#include <sys/types.h>

struct noun {
	const char *name;
	int (*use)(void); /* 0, or the first error; what was made is closed either way */
};
/* In the process that uses them, before any limit is set. */
void nouns_begin(void);
extern const struct noun nouns[];
extern const size_t n_nouns;

/* Objects that are there already are used: 0, or the first error. */
struct made;
struct made *nouns_make(void);
int nouns_use_made(struct made *made);
void nouns_drop(struct made *made);

/* --- each of them, and what was made before, in a process of its own -------------------------- */

struct noun_run {
	const void *setting;
	const struct noun *noun; /* NULL: what was made before */
};
/* @body gets a struct noun_run, in the child. */
void nouns_run_each(const void *setting, int (*body)(void *run),
		    void (*judge)(const struct noun_run *run, pid_t pid));

/* Forks that ran @fn of a process although its start had failed, since the last call. */
int nouns_n_ran_unasked(void);

#endif
