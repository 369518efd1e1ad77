/*
 * worker.h - the worker's side of a pool: what its files have in common.
 *
 * The same in a process and in a thread: a worker knows the segment, its place in it, and
 * its end of a socket to the creator (processes).
 */
#ifndef IPK_POOL_WORKER_H
#define IPK_POOL_WORKER_H

#include "ipk/pool.h"
#include "os/os.h"
#include "pool/pool_shared.h"

struct ipk_task {
	struct ipk__worker *worker;
	struct ipk__pool_slot *slot; /* NULL: an item of a map */
	struct ipk__pool_map *map;
	size_t index;
	unsigned attempt;
	const void *arg;
	size_t arg_bytes;
	/* What came of it so far. */
	uint32_t result_kind;
	void *result; /* malloc'ed when it does not fit the slot */
	size_t result_bytes;
	size_t max_result_bytes;
	char text[IPK_FAILURE_TEXT_BYTES];
};

struct ipk__worker {
	unsigned number;
	bool is_thread;
	pid_t pid; /* the process it is in: not that of a fork its task has made */
	struct ipk__shm_pool *shared;
	struct ipk__pool_slot *slots;
	_Atomic uint64_t *cells;
	struct ipk__pool_map *maps;
	struct ipk__pool_worker *place;
	struct ipk__waiters *waiters;
	struct ipk__patience patience;
	int control_fd; /* -1: a thread */
	int bell_fd;
	int spill_fd; /* -1: nothing had to be spilled yet */
	uint64_t spill_end;
	bool is_woken;   /* and has yet to find work, or to wake another for what it leaves */
	uint64_t n_left; /* tasks until it retires; UINT64_MAX: never */
	int (*initializer)(void *arg);
	void *initializer_arg;
	int64_t told_ns;      /* when it last saw to it that what is done gets counted */
	struct ipk_task task; /* the one it runs */
};

/* A birth (process/zygote.h): arg is a struct ipk__worker_birth, fds are segment, control, bell. */
struct ipk__worker_birth {
	unsigned number;
	uint64_t memory_bytes;
	int (*initializer)(void *arg);
	void *initializer_arg;
};
int ipk__worker_born(void *arg, size_t arg_bytes, const int *fds, size_t n_fds);
/* The loop, until it retires: the exit code. */
int ipk__worker_run(struct ipk__worker *w);
void ipk__worker_init(struct ipk__worker *w, struct ipk__shm_pool *shared, unsigned number);
/* Ring the creator's supervisor, if it wants to hear. */
void ipk__worker_tell(struct ipk__worker *w, bool is_wanted);
/* What the creator asked this worker to stop for kills it; a process waits here for that. */
void ipk__worker_condemned(struct ipk__worker *w);
void ipk__task_set_current(struct ipk_task *task);
/* Its function has returned @code: the slot says what came of it. A thread's long result stays
 * in task->result until the slot is DONE, and is the creator's then. */
void ipk__task_hand_over(struct ipk_task *task, int code);
/* Whether this process is not the worker but one that its task has forked. */
static inline bool ipk__worker_is_fork(const struct ipk__worker *w)
{
	return ipk__os_pid() != w->pid;
}

/* After a function of the user's returned @code: ends a fork of the worker that came back from it
 * instead of the worker. */
static inline void ipk__worker_end_fork(const struct ipk__worker *w, int code)
{
	if (ipk__worker_is_fork(w))
		ipk__os_exit(code >= 0 && code <= 255 ? code : 255);
}

/* worker_map.c: do what there is to do in maps, for a while; whether there was anything. */
bool ipk__worker_do_maps(struct ipk__worker *w);
bool ipk__map_should_stop(const struct ipk_task *task); /* of an item: ipk_task_should_stop() */

#endif
