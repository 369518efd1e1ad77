/*
 * fixture.h - one operation in one start state, and the trial that is repeated for it.
 *
 *   harness   make()                 the object in its start state, its items in the history
 *   victim    ready(), act()         act() is the call under test, and nothing else
 *             after()                if it returned: enter what it got in the history
 *   survivor  check()                use the object, each call within CALL_MS; judge
 *   harness   unmake()
 *
 * When the victim is only stopped, a survivor first runs meet() beside it, then the victim
 * continues to its end, then the survivor runs check().
 */
#ifndef IPK_KILL_FIXTURE_H
#define IPK_KILL_FIXTURE_H

#include <sys/types.h>

#include "ipk/lock.h"
#include "ipk/pipe.h"
#include "ipk/queue.h"
#include "ipk/shm.h"
#include "history.h"

/*
 * What a survivor's call may take: far beyond any load of the machine. The self-test, in which
 * some hang, is less patient. How soon things go on is what the tests of each kind measure.
 */
extern int call_ms;
#define CALL_MS call_ms

enum {
	MEET_MS = 30,  /* what a survivor waits for a stopped victim */
	BATCH = 3,     /* of put_many and get_many */
	MAX_ITEMS = 8, /* of a queue in its full state */
	BIG_BYTES = 1 << 20,
};

enum state {
	EMPTY,
	ONE,
	FULL,
	FREE,  /* nobody has it */
	TAKEN, /* somebody living has it, or waits for it */
	DEAD,  /* who had it was killed */
};

struct broken;

struct fixture {
	const struct op *op;
	struct history *history;
	int wait_ms;           /* what the victim waits for what does not come, */
	ipk_deadline deadline; /* and until when */
	ipk_queue *q;
	ipk_queue *q_opened;  /* by the victim */
	ipk_pipe *near, *far; /* the victim's end, the other one */
	ipk_lock *lock;
	void *object; /* of any kind, */
	void *opened; /* and the victim's own handle */
	ipk_shm *shm, *shm_opened;
	struct broken *broken;
	ipk_lease *lease;
	char name[64];
	size_t capacity;  /* puts that an empty queue takes */
	int64_t n_blocks; /* of its file, when empty */
	ipk_bytes batch[BATCH];
	uint32_t batch_seq; /* the first message of the victim's, */
	uint32_t n_batch;   /* and how many there are */
	uint32_t n_again;   /* items that came flagged as delivered again */
};

struct op {
	const char *name;
	const char *kind;
	enum state state;
	size_t len_bytes;
	int variant;                    /* the ops file's own */
	uint32_t max_points;            /* 0: as many as there are; otherwise sampled */
	bool is_stop;                   /* stop the victim instead of killing it */
	bool may_wait;                  /* in this state the call waits until its deadline */
	bool is_extra;                  /* only for the self-test */
	bool meet_keeps;                /* what meet() took: the victim may wait in vain for it */
	bool is_minor;                  /* much like another row: not in the quick run */
	bool is_stop_minor;             /* its stop_ twin is */
	bool has_threads;               /* or children: no breakpoints, they would hit those too */
	int (*make)(struct fixture *s); /* 0 or -errno */
	void (*ready)(struct fixture *s);
	int (*act)(struct fixture *s);
	void (*after)(struct fixture *s);
	void (*meet)(struct fixture *s);
	void (*check)(struct fixture *s);
	void (*let_go)(struct fixture *s); /* harness: what only the survivor may hold now */
	void (*unmake)(struct fixture *s);
};

/* Every ops file adds its rows here. */
enum { OPS_MAX = 1000 };
struct op_list {
	struct op ops[OPS_MAX];
	size_t n_ops;
};
void op_add(struct op_list *list, const struct op *op); /* and its stop_ twin, if it has meet() */
void ops_pipe(struct op_list *list);
void ops_queue(struct op_list *list);
void ops_name(struct op_list *list);
void ops_lock(struct op_list *list);
void ops_rwlock(struct op_list *list);
void ops_semaphore(struct op_list *list);
void ops_cond(struct op_list *list);
void ops_event(struct op_list *list);
void ops_barrier(struct op_list *list);
void ops_once(struct op_list *list);
void ops_value(struct op_list *list);
void ops_shm(struct op_list *list);
void ops_client(struct op_list *list);
void ops_manager(struct op_list *list);
void ops_pool(struct op_list *list);
void ops_creator(struct op_list *list);
void ops_object(struct op_list *list);
void ops_broken(struct op_list *list);
bool broken_is_caught(const struct op *op, const struct faults *f);

/* "queue_put/fifo/one/64" */
void op_title(const struct op *op, char *buf, size_t buf_bytes);
const char *state_name(enum state state);

/* Room for one message, the same in all processes; its own copy after a write. */
extern uint64_t message[BIG_BYTES / 8 + 8];

/* A survivor's call returned @r instead of @expected: count it. True when it did. */
bool expect(struct fixture *s, const char *what, int r, int expected);

/* What puts and gets, as the helpers below use it. */
struct queueish {
	int (*put)(struct fixture *s, const void *data, size_t len_bytes, uint32_t level,
		   ipk_deadline deadline);
	int (*get)(struct fixture *s, void *buf, size_t buf_bytes, ipk_deadline deadline,
		   size_t *ret_len_bytes, bool *ret_is_again);
	size_t (*len)(struct fixture *s);
	int (*compare)(const void *, const void *); /* items, in the order of delivery */
};
size_t measure_capacity(struct fixture *s, const struct queueish *qi);
int fill_to_state(struct fixture *s, const struct queueish *qi);
int put_item(struct fixture *s, const struct queueish *qi, ipk_deadline deadline, uint32_t level,
	     size_t len_bytes);
/* The victim's own messages, filled and in the history; the list is sorted. */
void prepare_batch(struct fixture *s, const struct queueish *qi, uint32_t n);

/* Beside a stopped victim: one put, one get. */
void meet(struct fixture *s, const struct queueish *qi);

/* After a death. The victim's items get their fates from its report. */
void settle_put(struct fixture *s);
void settle_get(struct fixture *s, size_t n_asked);
/* All that must come within CALL_MS each, then what else is there. */
void drain(struct fixture *s, const struct queueish *qi);
/* As much room as in the beginning. */
void check_capacity(struct fixture *s, const struct queueish *qi);

/* Of the file of the one ipk queue that this process has open; -1: there is none. */
int64_t queue_blocks(void);
int count_fds(void);
int count_names(const char *prefix); /* in /dev/shm */

#endif
