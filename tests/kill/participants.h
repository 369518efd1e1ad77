/*
 * participants.h - the other living processes of a fixture: those that hold what the victim wants,
 * and those that wait for what it holds.
 *
 * make() starts them; they end by themselves, or with the fixture. What they find is in the
 * history: the survivor calls participants_check_ended().
 */
#ifndef IPK_KILL_PARTICIPANTS_H
#define IPK_KILL_PARTICIPANTS_H

#include "fixture.h"
#include "support/listed.h"

enum stage {
	STARTED,
	READY,   /* it has what it is to have */
	IN_CALL, /* about to call, or in the call */
	ENDED    /* member.result is there */
};

/* @n processes that run @body; on return each one has said that it is READY. */
int participants_start(struct fixture *s, uint32_t n,
		       int (*body)(struct fixture *s, struct participant *me));
void participants_end(struct fixture *s); /* harness, in unmake() */

/* A participant: what it has to say, and waiting for the others. */
void participant_say(struct participant *me, enum stage stage);
void participants_await_victim(struct fixture *s); /* it is about to make its call, or dead */
void participants_await_victim_asleep(struct fixture *s); /* for a while already, or dead */
bool victim_is_alive(const struct fixture *s);
/* The victim, in ready(): all participants sleep in their calls. */
void participants_await_asleep(struct fixture *s);
void participant_await_asleep(const struct participant *m);

/* The survivor: each participant ended, with 0, within CALL_MS. */
bool participants_check_ended(struct fixture *s);

/* How many have ended, as soon as there are @n, or after @ms. */
uint32_t participants_count_ended(struct fixture *s, uint32_t n, int ms);

/* A process that runs @body and dies behind it, or in it by die_here(); on return it is gone. */
int let_die(struct fixture *s, int (*body)(struct fixture *s));
void die_here(void);
/*
 * One that is killed half way from its victim_start_here() to its end. For counting, @body
 * is run once to its end: then @renew() makes the object again.
 */
int let_die_midway(struct fixture *s, void (*body)(void *arg), int (*renew)(struct fixture *s));

/*
 * Between lock and unlock; @was_told: an owner died, so that somebody may be inside still.
 * Two living owners at once are a fault.
 */
void go_inside(struct fixture *s, bool was_told);
void go_outside(struct fixture *s);

/* In another process: what @try returns must be @expected. */
void expect_elsewhere(struct fixture *s, const char *what, int (*attempt)(struct fixture *s),
		      int expected);

#endif
