/*
 * history.h - what was put with which promise, and what came out: one page shared by harness,
 * victim and survivor.
 *
 * Every message that any process ever tried to put has an item here with its fate: MUST come out,
 * MAY come out, GONE. Every message that came out is entered with history_got(). history_close()
 * compares the two. Items are listed in the order in which they should come out.
 */
#ifndef IPK_KILL_HISTORY_H
#define IPK_KILL_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ITEMS_MAX = 2048, PARTICIPANTS_MAX = 8, N_NOTES = 8 };

enum fate { MUST, MAY, GONE };

/* How the MAY items hang together: a batch may be cut only at one of its ends. */
enum cut {
	CUT_NONE,
	CUT_BACK, /* put: if one is there, all put before it are */
	CUT_FRONT /* got: if one is missing, all delivered before it are */
};

struct item {
	uint32_t seq;
	uint32_t len_bytes;
	uint32_t level;
	enum fate fate;
	uint32_t n_got;
};

struct faults {
	uint32_t hang;   /* a survivor waited in vain */
	uint32_t lost;   /* acknowledged and never delivered */
	uint32_t torn;   /* a piece, or with bytes of another */
	uint32_t dup;    /* delivered twice, or after it was taken */
	uint32_t order;  /* delivered before one that comes first */
	uint32_t leaked; /* an fd, a name, a page, room for an item */
	uint32_t wrong;  /* an answer that the header does not allow, or a crash */
};

/* Another process of the fixture (participants.h). */
struct participant {
	_Atomic uint32_t pid;
	_Atomic uint32_t stage; /* as participants.h lists them */
	int result;
	int outcome; /* the ops file's own */
};

struct history {
	/* The victim's report. */
	_Atomic uint32_t victim_pid;
	_Atomic uint32_t is_done; /* the call returned */
	int result;
	bool was_told;         /* it said that an owner had died */
	uint32_t found_inside; /* who was in the lock when the call returned */
	size_t n_moved;        /* items put or got by the call */
	uint32_t leased_seq;   /* the item that it has on lease */

	/* The survivor's. */
	_Atomic uint32_t progress;
	_Atomic uint32_t has_checked;
	struct faults faults;
	char why[160]; /* the first complaint */

	/* Of those who are in a lock, and of the participants. */
	_Atomic uint32_t inside; /* pid of who is, as those say themselves */
	_Atomic uint32_t n_told; /* how often an owner's death was told, the victim apart */
	_Atomic uint32_t is_victim_ready;
	uint32_t n_participants;
	struct participant participants[PARTICIPANTS_MAX];
	struct participant elsewhere;    /* for one call */
	_Atomic uint64_t notes[N_NOTES]; /* the ops file's own */

	enum cut cut;
	uint32_t n_items;
	uint32_t last_position;
	uint32_t next_seq;
	struct item items[ITEMS_MAX];
};

struct history *history_new(void); /* shared with all children; NULL */
void history_free(struct history *l);
void history_reset(struct history *l);

/* Count a fault, keep the words of the first. */
void history_fault(struct history *l, uint32_t *count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
uint32_t faults_total(const struct faults *f);
void faults_add(struct faults *sum, const struct faults *f);

/* A new item at the end of the list; its bytes are pattern(seq). */
struct item *history_add(struct history *l, size_t len_bytes, uint32_t level, enum fate fate);
struct item *history_find(struct history *l, uint32_t seq);
void history_sort(struct history *l, int (*compare)(const void *, const void *));
size_t history_count(const struct history *l, enum fate fate);

/* A message came out. @is_again: it may, out of turn. */
void history_got(struct history *l, const void *data, size_t len_bytes, bool is_again);
void history_close(struct history *l);

void pattern_fill(void *buf, size_t len_bytes, uint32_t seq);

#endif
