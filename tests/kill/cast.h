/*
 * cast.h - the other living processes of a scene: who holds what the victim wants, who
 * waits for what it has.
 *
 * They are started by make() and end by themselves, or with the scene. What they find is in
 * the ledger: the survivor asks cast_check_ended().
 */
#ifndef IPK_KILL_CAST_H
#define IPK_KILL_CAST_H

#include "scene.h"
#include "support/listed.h"

enum stage {
	STARTED,
	READY,   /* it has what it is to have */
	IN_CALL, /* about to call, or in the call */
	ENDED    /* member.result is there */
};

/* @n processes that run @body; on return each one has said that it is READY. */
int cast_start(struct scene *s, uint32_t n, int (*body)(struct scene *s, struct member *me));
void cast_end(struct scene *s); /* harness, in unmake() */

/* A member: what it has to say, and waiting for the others. */
void cast_say(struct member *me, enum stage stage);
void cast_await_victim(struct scene *s);        /* it is about to make its call, or dead */
void cast_await_victim_asleep(struct scene *s); /* for a while already, or dead */
bool victim_is_alive(const struct scene *s);
/* The victim, in ready(): all members sleep in their calls. */
void cast_await_asleep(struct scene *s);
void cast_await_member_asleep(const struct member *m);

/* The survivor: each member ended, with 0, within CALL_MS. */
bool cast_check_ended(struct scene *s);

/* How many have ended, as soon as there are @n, or after @ms. */
uint32_t cast_count_ended(struct scene *s, uint32_t n, int ms);

/* A process that runs @body and dies behind it, or in it by die_here(); on return it is gone. */
int let_die(struct scene *s, int (*body)(struct scene *s));
void die_here(void);
/*
 * One that is killed half way from its victim_start_here() to its end. For counting, @body
 * is run once to its end: then @renew() makes the object again.
 */
int let_die_midway(struct scene *s, void (*body)(void *arg), int (*renew)(struct scene *s));

/*
 * Between lock and unlock; @was_told: an owner died, so that somebody may be inside still.
 * Two living owners at once are a fault.
 */
void go_inside(struct scene *s, bool was_told);
void go_outside(struct scene *s);

/* In another process: what @try returns must be @expected. */
void expect_elsewhere(struct scene *s, const char *what, int (*attempt)(struct scene *s),
		      int expected);

#endif
