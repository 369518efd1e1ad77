/*
 * worker.h - the worker's side of a pool: declarations shared by its files.
 *
 * The same in a process and in a thread: a worker has the segment, its record in it, and its end of
 * a socket to the creator (processes).
 */
#ifndef IPK_POOL_WORKER_H
#define IPK_POOL_WORKER_H

#include "ipk/pool.h"
#include "os/os.h"
#include "pool/pool_shared.h"

struct ipk_task {
	struct ipk__worker *worker;
	struct ipk__pool_slot *slot; /* NULL: an item of a map */
	struct ipk__shm_map *map;
	size_t index;
	unsigned attempt;
	const void *arg;
	size_t arg_bytes;
	/* Its result so far. */
	uint32_t result_kind;
	void *result; /* malloc'ed when it does not fit the slot */
	size_t result_bytes;
	size_t max_result_bytes;
	char text[IPK_FAILURE_TEXT_BYTES];
};

struct ipk__worker {
	unsigned number;
	bool is_thread;
	pid_t pid; /* of the worker process: not that of a fork made by its task */
	struct ipk__shm_pool *shared;
	struct ipk__pool_slot *slots;
	_Atomic uint64_t *cells;
	struct ipk__shm_map *maps;
	struct ipk__pool_worker *record;
	struct ipk__waiters *waiters;
	struct ipk__spin_policy spin;
	int control_fd; /* -1: a thread */
	int doorbell_fd;
	int spill_fd; /* -1: nothing spilled yet */
	uint64_t spill_end;
	bool is_woken;   /* it was woken and has yet to find work, or to wake another */
	uint64_t n_left; /* tasks until it retires; UINT64_MAX: never */
	int (*initializer)(void *arg);
	void *initializer_arg;
	int64_t told_ns;      /* when it last had completed work counted */
	struct ipk_task task; /* the current task */
};

/* A spawn (process/zygote.h): arg is a struct ipk__worker_start_arg, fds are segment, control,
 * doorbell. */
struct ipk__worker_start_arg {
	unsigned number;
	uint64_t memory_bytes;
	int (*initializer)(void *arg);
	void *initializer_arg;
};
int ipk__worker_main(void *arg, size_t arg_bytes, const int *fds, size_t n_fds);
/* The main loop, until it retires; returns the exit code. */
int ipk__worker_run(struct ipk__worker *w);
void ipk__worker_init(struct ipk__worker *w, struct ipk__shm_pool *shared, unsigned number);
/* Rings the creator's supervisor, if it has requested that. */
void ipk__worker_tell(struct ipk__worker *w, bool is_wanted);
/* A process that the creator asked to stop will be killed; it waits here for that. */
void ipk__worker_condemned(struct ipk__worker *w);
void ipk__task_set_current(struct ipk_task *task);
/*
 * Its function has returned @code: stores the outcome in the slot. A thread's long result stays in
 * task->result until the slot is DONE, and is the creator's then.
 */
void ipk__task_hand_over(struct ipk_task *task, int code);
/* Whether this process is not the worker but a fork made by its task. */
static inline bool ipk__worker_is_fork(const struct ipk__worker *w)
{
	return ipk__os_pid() != w->pid;
}

/*
 * After a user function returned @code: terminates a fork of the worker that returned from it
 * instead of the worker.
 */
static inline void ipk__worker_end_fork(const struct ipk__worker *w, int code)
{
	if (ipk__worker_is_fork(w))
		ipk__os_exit(code >= 0 && code <= 255 ? code : 255);
}

/* worker_map.c: processes maps, for a while; whether there was any work. */
bool ipk__worker_do_maps(struct ipk__worker *w);
bool ipk__map_should_stop(const struct ipk_task *task); /* of an item: ipk_task_should_stop() */

#endif
