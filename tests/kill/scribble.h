/*
 * scribble.h - an object in some state, its memory overwritten, and every call made on it.
 *
 *   victim   make()       the object, and the memory that is overwritten
 *            take()       what the victim itself holds in this state
 *   peer     peer()       what another process holds, or waits for, while the words are written
 *   victim   calls[]      each of them, in any order, under a short deadline
 *            close()
 *
 * A noun has one row for each of its states and for each part of memory: the object's own, or the
 * arena's that it shares with others. Each trial of a row is a separate process.
 */
#ifndef IPK_KILL_SCRIBBLE_H
#define IPK_KILL_SCRIBBLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "ipk.h"
#include "shared/arena.h"
#include "scribble_words.h"
#include "support/listed.h"

enum state {
	EMPTY,  /* fresh, free, nothing inside */
	HALF,   /* some items, some tokens */
	FULL,   /* no room, no tokens */
	OWNED,  /* the victim has it: lock, share, token, lease */
	HELD,   /* the peer has it */
	WAITED, /* the peer waits for what the victim has, or for what does not come */
	SHUT,   /* closed by the peer, shut down, broken, done */
	OPENED, /* the peer opens it by name, after the words were written */
	N_STATES
};

enum scope { OBJECT, ARENA, N_SCOPES };

struct trial;

struct call {
	const char *name;
	int (*run)(struct trial *t, ipk_deadline deadline);
	bool is_timed; /* has a deadline; otherwise it is to return at once, */
	int own_ms;    /* or after so long, as its header says */
};

struct noun {
	const char *name;
	int variant;
	unsigned states; /* a bit for each */
	bool is_in_arena;
	bool is_whole;   /* what is written to is the neighbours' too */
	bool is_slow;    /* to be made and ended: a tenth of the trials */
	bool is_planned; /* known to fail, and not run unless it is named */
	const struct call *calls;
	size_t n_calls;
	int (*make)(struct trial *t);
	int (*take)(struct trial *t); /* may be NULL, like all below */
	int (*peer)(struct trial *t); /* up to where it has it; 0 or -errno */
	int (*peer_wait)(struct trial *t, ipk_deadline deadline); /* in WAITED: where it waits */
	int (*open)(struct trial *t);    /* in OPENED: another handle, by name, */
	int (*unlink)(const char *name); /* and the end of that */
	void (*smear)(struct trial *t);  /* writes in its own way, beside the memory */
	void (*check)(struct trial *t);  /* what must be so in the end, whatever was written */
	void (*close)(struct trial *t);  /* all handles of this process */
};

struct row {
	const struct noun *noun;
	enum state state;
	enum scope scope;
};

#define CALL(name_, run_, is_timed_)                                    \
	{                                                               \
		.name = (name_), .run = (run_), .is_timed = (is_timed_) \
	}
#define CALL_OF(name_, run_, ms_)                               \
	{                                                       \
		.name = (name_), .run = (run_), .own_ms = (ms_) \
	}
#define CALLS(list) .calls = (list), .n_calls = sizeof(list) / sizeof *(list)
#define IN(state) (1u << (state))

/* Every noun's file adds its rows. */
enum { NOUNS_MAX = 64 };
struct noun_list {
	struct noun nouns[NOUNS_MAX];
	size_t n_nouns;
};
void noun_add(struct noun_list *list, const struct noun *noun);
void nouns_lock(struct noun_list *list);
void nouns_meet(struct noun_list *list); /* cond, event, barrier, once */
void nouns_queue(struct noun_list *list);
void nouns_pipe(struct noun_list *list);
void nouns_value(struct noun_list *list);
void nouns_manager(struct noun_list *list);
void nouns_pool(struct noun_list *list);

/* --- what a process of a trial says, in a page that it shares with the harness ---------------- */

struct teller {
	_Atomic(const char *) call; /* the one that it is in; strings are the same in all */
	_Atomic uint32_t n_calls;
	_Atomic int64_t late_ns; /* the most of all calls */
	_Atomic(const char *) late_call;
	char harm[160]; /* the first complaint; "" */
};

enum stage { STARTED, READY, WAITING, FINISHED };

struct report {
	struct teller victim, peer;
	_Atomic uint32_t peer_stage; /* as above */
	_Atomic int32_t peer_tid;
	_Atomic uint32_t is_written; /* the words are */
	_Atomic uint32_t is_over;    /* the peer may go */
	_Atomic uint32_t has_closed; /* the peer has, all that it had of the object */
	pthread_mutex_t program;     /* robust, the host program's own; HELD: the peer has it */
};

struct neighbours;

struct trial {
	const struct row *row;
	struct report *report;
	struct teller *me;
	struct random random;
	struct paper before; /* memory that was there already */
	struct paper paper;
	const struct neighbours *far;
	struct neighbours *near;
	pid_t peer_pid;
	char name[64];      /* for OPENED */
	unsigned char *buf; /* of BUF_BYTES, exactly */
	/* The object, the other end of it, and what the victim took. */
	void *object, *other;
	ipk_lock *lock;
	ipk_lease *lease;
	int fds[2];
};

enum { BUF_BYTES = 300, DEADLINE_MS = 15000 };

static inline enum state state_of(const struct trial *t)
{
	return t->row->state;
}

static inline bool is_opened(const struct trial *t)
{
	return state_of(t) == OPENED;
}

/* The object's own room in its arena. */
void paper_of_ref(struct trial *t, const void *handle);

/* What was mapped so far is another's; make() calls it when it has made what is beside it. */
void paper_begin(struct trial *t);

/* One call with its deadline; says when it is late, or when it answers what no header says. */
int trial_call(struct trial *t, const struct call *call, ipk_deadline deadline);
void trial_harm(struct trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The body of a victim; does not return. */
void trial_run(struct trial *t) __attribute__((noreturn));

/* --- neighbours: one of each kind, with known contents ---------------------------------------- */

struct neighbours *neighbours_make(void); /* NULL */
void neighbours_close(struct neighbours *n);
/* Each works, and holds what it held. @is_strict: otherwise it may fail, but must return. */
void neighbours_check(struct trial *t, const struct neighbours *n, const char *which,
		      bool is_strict);
ipk_lock *neighbours_lock(const struct neighbours *n);

#endif
