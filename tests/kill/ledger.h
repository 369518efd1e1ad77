/*
 * ledger.h - who promised what, and what came out: one page shared by harness, victim and
 * survivor.
 *
 * Every message that anybody ever tried to put has an item here with its fate: MUST come
 * out, MAY come out, GONE. Every message that came out is entered with ledger_got().
 * ledger_close() compares the two. Items are listed in the order they should come out in.
 */
#ifndef IPK_KILL_LEDGER_H
#define IPK_KILL_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ITEMS_MAX = 2048, CAST_MAX = 8, N_NOTES = 8 };

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

/* Another process of the scene (cast.h). */
struct member {
	_Atomic uint32_t pid;
	_Atomic uint32_t stage; /* as cast.h lists them */
	int result;
	int outcome; /* the ops file's own */
};

struct ledger {
	/* The victim's report. */
	_Atomic uint32_t victim_pid;
	_Atomic uint32_t is_done; /* the call returned */
	int result;
	bool was_told;         /* it said that an owner had died */
	uint32_t found_inside; /* who was in the lock when the call returned */
	size_t n_moved;        /* items put or got by the call */
	uint32_t leased_seq;   /* the item that it has on loan */

	/* The survivor's. */
	_Atomic uint32_t progress;
	_Atomic uint32_t has_checked;
	struct faults faults;
	char why[160]; /* the first complaint */

	/* Of those who are in a lock, and of the cast. */
	_Atomic uint32_t inside; /* pid of who is, as those say themselves */
	_Atomic uint32_t n_told; /* how often an owner's death was told, the victim apart */
	_Atomic uint32_t is_victim_ready;
	uint32_t n_cast;
	struct member cast[CAST_MAX];
	struct member elsewhere;         /* for one call */
	_Atomic uint64_t notes[N_NOTES]; /* the ops file's own */

	enum cut cut;
	uint32_t n_items;
	uint32_t last_position;
	uint32_t next_seq;
	struct item items[ITEMS_MAX];
};

struct ledger *ledger_new(void); /* shared with all children; NULL */
void ledger_free(struct ledger *l);
void ledger_reset(struct ledger *l);

/* Count a fault, keep the words of the first. */
void ledger_fault(struct ledger *l, uint32_t *count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
uint32_t faults_total(const struct faults *f);
void faults_add(struct faults *sum, const struct faults *f);

/* A new item at the end of the list; its bytes are pattern(seq). */
struct item *ledger_add(struct ledger *l, size_t len_bytes, uint32_t level, enum fate fate);
struct item *ledger_find(struct ledger *l, uint32_t seq);
void ledger_sort(struct ledger *l, int (*compare)(const void *, const void *));
size_t ledger_count(const struct ledger *l, enum fate fate);

/* A message came out. @is_again: it may, out of turn. */
void ledger_got(struct ledger *l, const void *data, size_t len_bytes, bool is_again);
void ledger_close(struct ledger *l);

void pattern_fill(void *buf, size_t len_bytes, uint32_t seq);

#endif
