/*
 * pool_internal.h - the creator's side of a pool: declarations shared by its files.
 *
 *   pool.c        create, close, shutdown, join, terminate
 *   pool_workers.c  the workers: start, monitor, replace, retire; worker_handle.c one of them
 *   tasks.c       slots: submit, collect, cancel, recover after a death
 *   future.c      results of tasks; waiting for them
 *   supervisor.c  the pool's own thread: deaths, time limits, callbacks, the backlog
 *   map.c         maps over items, from begin to end; map_array.c over shared arrays
 *     map_recovery.c  deaths, time limits, cancellation; map_failures.c what failed and why
 *     map_memory.c  blocks of maps, reused; pool_heap.c memory for what does not fit a slot
 *   group.c, imap.c, reduce.c, futures.c, typed.c    built on the above
 *   quarantine.c  tasks that kill their workers
 *   progress.c    the counts; progress_bar.c draws them
 *   worker.c, worker_task.c, worker_map.c, worker_array.c    in the workers: they do not use
 *                 this file (see worker.h)
 *   parking.c     how workers sleep and are woken: for both sides
 *
 * One mutex guards all of a pool's private state; functions here are called with it held unless
 * they say otherwise. User callbacks are never called with it held.
 */
#ifndef IPK_POOL_INTERNAL_H
#define IPK_POOL_INTERNAL_H

#include <pthread.h>

#include "ipk/pool.h"
#include "os/os.h"
#include "pool/pool_shared.h"
#include "pool/pool_heap.h"
#include "process/zygote.h"
#include "shared/segment.h"

struct ipk__map_job;   /* private to map.c */
struct ipk__map_state; /* private to map.c */
struct ipk__group;     /* private to group.c */

/* --- futures (future.c) ----------------------------------------------------------------------- */

enum ipk__future_kind { IPK__FUTURE_TASK = 0, IPK__FUTURE_MAP = 1, IPK__FUTURE_GROUP = 2 };

struct ipk__callback {
	struct ipk__callback *next;
	ipk_future_fn fn;
	void *arg;
};

struct ipk__future_list {
	ipk_future *first, *last;
	size_t n;
};

/*
 * A watch is notified at once when a future completes, in the thread that finds it complete: used
 * to wait for several futures. @over is called with the mutex held, once; it must not call back.
 */
struct ipk__future_watch {
	struct ipk__future_watch *next, **link; /* link NULL: not set, or already notified */
	void (*over)(struct ipk__future_watch *watch, ipk_future *f);
};

struct ipk_future {
	ipk_pool *pool;          /* holds a reference of it */
	_Atomic unsigned n_refs; /* handles, and one of the pool's own until it completes */
	enum ipk__future_kind kind;
	_Atomic int state;  /* ipk_future_state; after one of the last three the rest may be read */
	unsigned n_waiters; /* threads that wait for this one */
	size_t index;

	/* a task's: */
	int32_t slot;                  /* -1: none: in the backlog, or complete */
	struct ipk__future_list *list; /* that it is in; NULL: none */
	ipk_future *next, *prev;       /* there */
	ipk_task_fn fn;
	uint64_t arg_offset; /* in the segment's heap; 0: in small, or in the slot */
	size_t arg_bytes;
	ipk_task_opts opts;
	unsigned n_begun;      /* number of attempts, including those that died */
	int64_t not_before_ns; /* retry: CLOCK_MONOTONIC */
	int64_t taken_ns;      /* timed: since when a worker is known to have it; 0: unknown */

	/* the outcome: */
	ipk_failure_cause cause; /* IPK_FAILURE_NONE: a result */
	int code;
	ipk_failure *failure; /* with all details; NULL also if there was no memory for it */
	char *result;         /* small, or for free(); NULL with result_bytes 0 */
	size_t result_bytes;
	char small[48]; /* a small argument until it is in a slot, then a small result */

	struct ipk__map_job *map;
	struct ipk__group *group; /* the group it is a member of, or its own */
	struct ipk__future_watch *watches;
	struct ipk__callback *callbacks;
	ipk_future *next_called; /* in the list of due callbacks */
	int fd;                  /* a doorbell, -1: not requested */
};

ipk_future *ipk__future_new(ipk_pool *pool,
			    enum ipk__future_kind kind); /* 1 handle + 1 pool's; NULL */
void ipk__future_ref(ipk_future *f);
void ipk__future_unref(ipk_future *f); /* without the mutex or with it */
/*
 * It is complete: wakes waiters, schedules its callbacks, notifies its watches (futures.c) and its
 * group. Drops the pool's reference.
 */
void ipk__future_done(ipk_future *f); /* the result is in place */
void ipk__future_failed(ipk_future *f, const ipk_failure *failure);
void ipk__futures_call(ipk_pool *pool); /* due callbacks; unlocks meanwhile */
void ipk__futures_end(ipk_pool *pool);  /* frees the recycled ones */
/* Why there is no result: for a complete one, also without the mutex. */
void ipk__future_copy_failure(const ipk_future *f, ipk_failure *ret_failure);
int ipk__failure_errno(ipk_failure_cause cause); /* what ipk_future_get() returns for it */
/* A failure of @cause with its text; the caller fills in the rest. */
void ipk__failure_init(ipk_failure *failure, ipk_failure_cause cause, const ipk_future *f);
/*
 * Waits, without the mutex held, until @is_over(arg) is true, which is checked with the mutex held,
 * whenever anything was collected. @f: the only future that matters, NULL: any. -ESHUTDOWN: the
 * pool is closed, so nothing more will happen in it.
 */
int ipk__pool_wait(ipk_pool *pool, ipk_future *f, bool (*is_over)(void *arg), void *arg,
		   ipk_deadline deadline);

/* --- workers (pool_workers.c) ----------------------------------------------------------------- */

/* Of something that is tried again, later after each failure. */
struct ipk__backoff {
	unsigned n_failed;     /* in a row */
	int64_t not_before_ns; /* of the next attempt: CLOCK_MONOTONIC */
};

struct ipk__worker_handle {
	bool is_there;    /* a process or thread was started and its exit not yet handled */
	bool is_starting; /* being spawned, without the mutex; not there yet */
	bool is_ready;    /* its initializer has finished */
	bool is_wanted;   /* to be replaced when it exits */
	bool is_killed;   /* by us */
	bool has_died;    /* the previous one did not exit on an order */
	/* For a thread, child.pidfd is a doorbell that it rings at its end. */
	struct ipk__zygote_child child;
	int control_fd; /* our end of a socket pair: arrays go out, spill files come in */
	int spill_fd;   /* its results that do not fit a slot; -1: none sent yet */
	pthread_t thread;
	_Atomic bool has_ended; /* set by a thread: it accesses nothing of ours any more */
	struct ipk__backoff start;
	int64_t spawned_ns;     /* CLOCK_MONOTONIC, when it was about to be */
	int64_t clock_shift_ns; /* its clock's, against ours: another time namespace */
	bool knows_shift;
};

/*
 * worker_clock.c, with the mutex. note() soon after it has begun; since_ns() is its record's, by our
 * clock: not before its spawn, nor later than now.
 */
void ipk__worker_clock_note(ipk_pool *pool, unsigned worker);
int64_t ipk__worker_clock_since_ns(ipk_pool *pool, unsigned worker);

/* How a worker exited: for the tasks it ran. */
struct ipk__death {
	unsigned worker;
	pid_t pid;
	ipk_process_status status;
	bool is_known; /* false: unknown, since its zygote is dead too */
	uint64_t item; /* of the map, as in its record */
};

/*
 * Without the mutex; opens the zygote, and waits for the initializers. The pool's epoll_fd and
 * doorbell_fd exist already: each worker's child.pidfd is in the set with the worker's number as
 * its word, from its start until ipk__workers_on_fd(). On failure nothing is left.
 */
int ipk__workers_start(ipk_pool *pool, unsigned n_workers, ipk_deadline deadline);
/* By the supervisor: pidfd of @worker is readable. Collects first, then handles what it ran. */
void ipk__workers_on_fd(ipk_pool *pool, unsigned worker);
/*
 * By the supervisor: starts missing workers. Returns when to call again, INT64_MAX: not before an
 * event.
 */
int64_t ipk__workers_maintain(ipk_pool *pool, int64_t now_ns);
void ipk__workers_kill(ipk_pool *pool, unsigned worker); /* SIGKILL; nothing for threads */
void ipk__workers_kill_all(ipk_pool *pool);
/* To all. ipk__workers_maintain() gives IPK__ORDER_DRAIN once nothing is unfinished. */
void ipk__workers_order(ipk_pool *pool, uint32_t order);
/* without the mutex: all have exited and are reaped, fds closed */
void ipk__workers_end(ipk_pool *pool);
unsigned ipk__workers_n_alive(const ipk_pool *pool);
/*
 * Whether the host has closed all fds, including ours, so that the numbers may be other files by
 * now. Then none of them is used or closed any more, no worker is started, and the supervisor
 * checks each worker for its exit (ipk__workers_check_ended()).
 */
bool ipk__workers_have_lost_fds(ipk_pool *pool);
void ipk__workers_check_ended(ipk_pool *pool);
/*
 * The result of a completed task that was too long for its slot (IPK__RESULT_SPILLED,
 * IPK__RESULT_HEAP), for free(). Its space in the spill file is freed, also on failure: -ENOMEM,
 * -EBADMSG the worker did not leave what it announced. Call before the end of ipk__workers_on_fd().
 */
int ipk__workers_take_result(ipk_pool *pool, const struct ipk__pool_slot *slot, char **ret_result);
void ipk__workers_drop_result(ipk_pool *pool, const struct ipk__pool_slot *slot); /* discards it */

/* --- tasks (tasks.c) -------------------------------------------------------------------------- */

int ipk__tasks_init(ipk_pool *pool);
void ipk__tasks_end(ipk_pool *pool);
/* As ipk_pool_submit(); the mutex is not held. @index and @group as in the future. */
int ipk__tasks_submit(ipk_pool *pool, ipk_task_fn fn, const ipk_bytes *arg,
		      const ipk_task_opts *opts, size_t index, struct ipk__group *group,
		      ipk_future **ret_future);
/*
 * Collects completed tasks, completes their futures, and moves the backlog to free slots. Returns
 * how many completed.
 */
unsigned ipk__tasks_collect(ipk_pool *pool);
/* After the exit of a worker: its tasks fail or are retried. */
void ipk__tasks_orphaned(ipk_pool *pool, const struct ipk__death *death);
int ipk__tasks_cancel(ipk_future *f);
void ipk__tasks_want(ipk_future *f); /* its worker wakes waiters, if there are any */
/* It may be done while its worker stopped before reporting it. */
void ipk__tasks_take_early(ipk_future *f);
void ipk__tasks_collect_one(ipk_future *f); /* updates its state */
/* There will be no more workers: every incomplete task fails as DIED, with @text. */
void ipk__tasks_fail_all(ipk_pool *pool, const char *text);
void ipk__tasks_cancel_queued(ipk_pool *pool); /* those not started */
/* running ones too: their workers are dead */
void ipk__tasks_cancel_all(ipk_pool *pool);
/* Handles due time limits and retries; returns when the next is due, INT64_MAX none. */
int64_t ipk__tasks_tick(ipk_pool *pool, int64_t now_ns);

/* --- maps (map.c) ----------------------------------------------------------------------------- */

int ipk__maps_init(ipk_pool *pool);
void ipk__maps_end(ipk_pool *pool);
void ipk__maps_collect(ipk_pool *pool); /* completes finished ones, starts waiting ones */
void ipk__maps_orphaned(ipk_pool *pool, const struct ipk__death *death);
int ipk__maps_cancel(ipk_future *f);
void ipk__maps_cancel_all(ipk_pool *pool, bool running_too);
/* There will be no more workers: what is not done fails as DIED, with @text. */
void ipk__maps_fail_all(ipk_pool *pool, const char *text);
int64_t ipk__maps_tick(ipk_pool *pool, int64_t now_ns);
bool ipk__maps_are_over(const ipk_pool *pool);
bool ipk__maps_have_waiting(const ipk_pool *pool); /* maps that wait for an entry in the table */
/* Sends a newly started worker what it needs of the running maps (arrays). */
void ipk__maps_greet(ipk_pool *pool, unsigned worker);
void ipk__map_unref(struct ipk__map_job *job); /* its future is freed; with the mutex or not */

/* --- quarantine.c: by function and argument --------------------------------------------------- */

struct ipk__quarantine;
int ipk__quarantine_init(ipk_pool *pool);
void ipk__quarantine_end(ipk_pool *pool);
/* A worker died of it; true when the limit is reached. */
bool ipk__quarantine_note(ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes);
bool ipk__quarantine_has(const ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes);
/* Cheap: no death was ever recorded. */
bool ipk__quarantine_is_empty(const ipk_pool *pool);

/* Text for a failure: how many workers it killed, and what can be done. */
void ipk__quarantine_words(const ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes,
			   char ret_text[IPK_FAILURE_TEXT_BYTES]);

/* --- groups (group.c): several tasks under one future ----------------------------------------- */

/*
 * @member completed. This may happen within ipk__tasks_submit() (a quarantined task), before that
 * has returned the future.
 */
void ipk__group_member_over(struct ipk__group *group, ipk_future *member);
/* For a future of the kind IPK__FUTURE_GROUP: a starmap's. */
int ipk__group_cancel(ipk_future *f);
ipk_future_state ipk__group_state(ipk_future *f);
int ipk__group_failures(ipk_future *f, ipk_failure *ret_failures, size_t max, size_t *ret_n);
void ipk__group_free(struct ipk__group *group); /* its future is being freed */

/* --- waits for several (futures.c) ------------------------------------------------------------ */

void ipk__future_watches_notify(ipk_future *f); /* it completed */

/* --- the supervisor (supervisor.c) ------------------------------------------------------------ */

int ipk__supervisor_start(ipk_pool *pool);
void ipk__supervisor_stop(ipk_pool *pool); /* without the mutex; it is joined */
/* Makes it check soon: a callback, a time limit, a retry or a worker to start became due. */
void ipk__supervisor_call(ipk_pool *pool);
/*
 * Recomputes whether completions must be reported although no thread waits: n_heard and the like
 * changed.
 */
void ipk__supervisor_listen(ipk_pool *pool);
/* Whether the caller is the pool's own thread: in a callback. */
bool ipk__supervisor_is_me(const ipk_pool *pool);
/* One check of everything, by the pool's thread while it waits in a callback: no callbacks then. */
void ipk__supervisor_run(ipk_pool *pool);

/* --- progress (progress.c) -------------------------------------------------------------------- */

/* State of on_progress; the supervisor's own. */
struct ipk__progress_clock {
	int64_t due_ns; /* CLOCK_MONOTONIC */
	uint64_t n_over;
	bool was_working;
};

/* Computes ipk_pool_progress() from memory that may be a copy, or corrupted. */
void ipk__progress_read(const struct ipk__shm_pool *shared, const struct ipk__shm_map *maps,
			ipk_progress *ret_progress);

/*
 * By the supervisor, without the mutex: calls on_progress when that is due. Returns when to call
 * again, INT64_MAX: no callback. With @now_ns INT64_MAX, before the supervisor exits: the last
 * call, if anything changed.
 */
int64_t ipk__progress_tick(ipk_pool *pool, int64_t now_ns);

enum ipk__pool_phase {
	IPK__POOL_RUNS = 0,
	IPK__POOL_DRAINS = 1, /* shut down: workers exit when nothing is left */
	IPK__POOL_TERMINATED = 2,
	IPK__POOL_ENDED = 3, /* all workers have exited */
};

struct ipk_pool {
	_Atomic unsigned n_refs; /* the handle, and each future */
	pid_t creator_pid;
	pthread_mutex_t mutex;
	ipk_pool_opts opts;
	char label[IPK__NAME_MAX + 1];
	enum ipk__pool_phase phase;

	struct ipk__segment segment;
	struct ipk__shm_pool *shared;
	struct ipk__pool_slot *slots;
	_Atomic uint64_t *cells;
	struct ipk__shm_map *maps;
	struct ipk__spin_policy spin; /* of threads that wait for results */
	unsigned n_waiting;           /* threads in ipk__pool_wait() */
	unsigned n_any_waiting;       /* those of them that wait for any completion */
	bool is_closed;               /* the segment is unmapped or about to be */
	/* incomplete futures that have callbacks or an fd, or are waited for with others' */
	unsigned n_heard;
	pthread_cond_t changed; /* the phase, or that callbacks run; CLOCK_MONOTONIC */

	struct ipk__zygote *zygote; /* NULL: threads; replaced only with resizing held, too */
	bool zygote_is_of_process;  /* it is a child of the process-wide one */
	struct ipk__worker_handle handles[IPK_POOL_WORKERS_MAX];
	unsigned n_workers;       /* target number */
	uint64_t n_oom_kills;     /* in our control group, accounted for */
	bool knows_oom_kills;     /* the kernel reports them */
	pthread_mutex_t resizing; /* locked before the mutex */
	bool is_barren;           /* the zygote is lost: exited workers are not replaced */
	struct ipk__backoff zygote_renewal;

	ipk_future *by_slot[IPK__POOL_SLOTS];
	uint32_t free_slots[IPK__POOL_SLOTS];
	unsigned n_free_slots;
	struct ipk__future_list backlog; /* tasks that wait for a slot */
	struct ipk__future_list resting; /* tasks that wait for their retry */
	size_t n_unfinished;             /* incomplete tasks */
	unsigned n_timed;                /* of those, with time limits */
	int64_t shortest_ns;             /* none of their limits is shorter */
	int64_t swept_ns;                /* when all slots were last checked for limits */
	uint64_t n_collected;            /* in total */
	ipk_future *spare;               /* free futures, for the next tasks */
	_Atomic(ipk_future *) returned;  /* more free futures, pushed by any thread */
	_Atomic unsigned n_kept;         /* of both */

	struct ipk__pool_heap heap; /* the segment's heap */
	struct ipk__map_state *map_state;
	struct ipk__quarantine *quarantine;

	pthread_t supervisor;
	_Atomic bool has_supervisor; /* asked by threads that still wait while it is closed */
	_Atomic bool supervisor_stops;
	int epoll_fd;
	int call_fd;                      /* a doorbell: ipk__supervisor_call(); -1: fds are lost */
	uint64_t call_inode;              /* the inode of call_fd */
	int doorbell_fd;                  /* a doorbell that workers ring */
	int64_t fds_seen_ns;              /* when they were last checked to be ours */
	int64_t next_look_ns;             /* when it will check by itself; INT64_MAX: when called */
	bool is_called;                   /* it was called and has not checked yet */
	ipk_future *called, **called_end; /* futures with due callbacks */
	bool is_calling;                  /* callbacks run now */
	bool ends_itself;                 /* closed in a callback: the supervisor does the rest */
	struct ipk__progress_clock progress_clock;
};

/* The earlier of two times; unlike IPK__MIN, evaluates calls once. */
static inline int64_t ipk__sooner_ns(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* Whether workers that exit are replaced: false once there will be no more work. */
static inline bool ipk__pool_has_work(const ipk_pool *pool)
{
	return pool->n_unfinished > 0 || !ipk__maps_are_over(pool);
}

static inline bool ipk__pool_wants_workers(const ipk_pool *pool)
{
	return pool->phase == IPK__POOL_RUNS ||
	       (pool->phase == IPK__POOL_DRAINS && ipk__pool_has_work(pool));
}

/* In every public call: 0, -EBADF, -EPERM not the creator. */
int ipk__pool_check(const ipk_pool *pool);
void ipk__pool_unref(ipk_pool *pool);
/*
 * A pool complete except for its workers and its thread; and its destruction once it has none any
 * more.
 */
int ipk__pool_build(const ipk_pool_opts *opts, ipk_pool **ret_pool);
void ipk__pool_drop(ipk_pool *pool);
/* The rest of a close, once its supervisor does nothing any more. */
void ipk__pool_end(ipk_pool *pool);

static inline void ipk__pool_lock(ipk_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
}

static inline void ipk__pool_unlock(ipk_pool *pool)
{
	pthread_mutex_unlock(&pool->mutex);
}

/* Work for @n workers was published: wakes sleepers, as far as that helps (parking.h). */
static inline void ipk__pool_wake_workers(ipk_pool *pool, unsigned n)
{
	ipk__parking_wake(&pool->shared->work, n, ipk__shm_pool_has_work, pool->shared);
}

/* Adds to a counter that only the creator writes, under the mutex. */
static inline void ipk__count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Around moving the items of a map to the pool's counts: readers see them exactly once. */
static inline void ipk__counts_seq_advance(ipk_pool *pool)
{
	/* Pairs with the fence of a reader of progress before it checks again. */
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&pool->shared->counts.seq, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

#endif
