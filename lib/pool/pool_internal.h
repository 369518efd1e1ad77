/*
 * pool_internal.h - the creator's side of a pool: what its files have in common.
 *
 *   pool.c        create, close, shutdown, join, terminate
 *   crew.c        the workers: started, watched, replaced, retired; crew_member.c one of them
 *   tasks.c       slots: submit, collect what is done, cancel, what a death leaves
 *   future.c      what came of tasks; waiting for it
 *   supervisor.c  the pool's own thread: deaths, time limits, callbacks, the backlog
 *   map.c         maps over items, from begin to end; map_array.c over shared arrays
 *     map_trouble.c   deaths, time limits, cancelling; map_failures.c what failed and why
 *     map_memory.c    blocks for maps, used again; room.c memory for all that fits no slot
 *   group.c, imap.c, reduce.c, futures.c, typed.c    made of the above
 *   quarantine.c  tasks that kill their workers
 *   progress.c    how far it all is; progress_bar.c draws that
 *   worker.c, worker_task.c, worker_map.c, worker_array.c    in the workers: they know nothing of
 *                                                            this file (see worker.h)
 *   doze.c        how workers sleep and are woken: for both sides
 *
 * One mutex guards all of a pool's private state; functions here are called with it held
 * unless they say otherwise. No callback of the user's is called with it held.
 */
#ifndef IPK_POOL_INTERNAL_H
#define IPK_POOL_INTERNAL_H

#include <pthread.h>

#include "ipk/pool.h"
#include "os/os.h"
#include "pool/pool_shared.h"
#include "pool/room.h"
#include "process/zygote.h"
#include "shm/segment.h"

struct ipk__pool_map_job; /* map.c's own */
struct ipk__map_books;    /* and this */
struct ipk__group;        /* group.c's own */

/* --- futures (future.c) --- */

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
 * Who wants to know at once that a future is over, in whatever thread that is found: waits for
 * several futures. @over is called with the mutex held, once; it must not call back.
 */
struct ipk__watch {
	struct ipk__watch *next, **link; /* link NULL: it is not set, or was told */
	void (*over)(struct ipk__watch *watch, ipk_future *f);
};

struct ipk_future {
	ipk_pool *pool;          /* holds a reference of it */
	_Atomic unsigned n_refs; /* handles, and one of the pool's own until it is over */
	enum ipk__future_kind kind;
	_Atomic int state;  /* ipk_future_state; who sees one of the last three may read the rest */
	unsigned n_waiters; /* threads that wait for this one */
	size_t index;

	/* a task's: */
	int32_t slot;                  /* -1: none: in the backlog, or over */
	struct ipk__future_list *list; /* it is in; NULL: in none */
	ipk_future *next, *prev;       /* there */
	ipk_task_fn fn;
	uint64_t arg_offset; /* in the segment's heap; 0: it is in small, or in the slot */
	size_t arg_bytes;
	ipk_task_opts opts;
	unsigned n_begun;      /* how often, the deaths included */
	int64_t not_before_ns; /* retry: CLOCK_MONOTONIC */
	int64_t taken_ns;      /* timed: since when a worker has it for sure; 0: none was seen to */

	/* the outcome: */
	ipk_failure_cause cause; /* IPK_FAILURE_NONE: a result */
	int code;
	ipk_failure *failure; /* the whole of it; NULL also when there was no memory for it */
	char *result;         /* small, or for free(); NULL with result_bytes 0 */
	size_t result_bytes;
	char small[48]; /* a small argument lies here before it is in a slot, then a small result */

	struct ipk__pool_map_job *map;
	struct ipk__group *group; /* the group it is a member of, or its own */
	struct ipk__watch *watches;
	struct ipk__callback *callbacks;
	ipk_future *next_called; /* in the list of those whose callbacks are due */
	int fd;                  /* a bell, -1: nobody asked */
};

ipk_future *ipk__future_new(ipk_pool *pool,
			    enum ipk__future_kind kind); /* 1 handle + 1 pool's; NULL */
void ipk__future_ref(ipk_future *f);
void ipk__future_unref(ipk_future *f); /* without the mutex or with it */
/* It is over: wakes who waits, has its callbacks called, tells its watches (futures.c) and the
 * group it is a member of. Drops the pool's reference. */
void ipk__future_done(ipk_future *f); /* the result is in place */
void ipk__future_failed(ipk_future *f, const ipk_failure *failure);
void ipk__futures_call(ipk_pool *pool); /* callbacks that are due; unlocks meanwhile */
void ipk__futures_end(ipk_pool *pool);  /* frees what was kept for the next ones */
/* Why there is no result: of one that is over, also without the mutex. */
void ipk__future_failure(const ipk_future *f, ipk_failure *ret_failure);
int ipk__failure_errno(ipk_failure_cause cause); /* what ipk_future_get() gives for it */
/* A failure of @cause in words, to be filled in further. */
void ipk__failure_init(ipk_failure *failure, ipk_failure_cause cause, const ipk_future *f);
/*
 * Wait, without the mutex held, until @is_over(arg) says so, which is asked with the mutex held,
 * whenever anything was collected. @f: the only future that matters, NULL: any.
 * -ESHUTDOWN: the pool is closed, so nothing more will happen in it.
 */
int ipk__pool_wait(ipk_pool *pool, ipk_future *f, bool (*is_over)(void *arg), void *arg,
		   ipk_deadline deadline);

/* --- workers (crew.c) --- */

struct ipk__member {
	bool is_there; /* a process or thread of this place was started and not yet seen to end */
	bool is_starting; /* being born, without the mutex; not there yet */
	bool is_ready;    /* its initializer is through */
	bool is_wanted;   /* it is to be replaced when it ends */
	bool is_killed;   /* by us */
	bool has_died;    /* the one before: it did not end by an order */
	/* Of a thread, born.pidfd is a bell that it makes readable at its end. */
	struct ipk__born born;
	int control_fd; /* our end of a socket pair: arrays go out, spill files come in */
	int spill_fd;   /* its results that do not fit a slot; -1: it has sent none yet */
	pthread_t thread;
	_Atomic bool has_ended;   /* a thread says so: it touches nothing of ours any more */
	unsigned n_failed_starts; /* in a row */
	int64_t not_before_ns;    /* of the next start: CLOCK_MONOTONIC */
};

/* How a worker ended: for those whose tasks it ran. */
struct ipk__death {
	unsigned worker;
	pid_t pid;
	ipk_process_status status;
	bool is_known; /* false: nobody can tell how, since its zygote is gone too */
	uint64_t item; /* of the map, as in its place */
};

/*
 * Without the mutex; opens the zygote, and waits for the initializers. The pool's epoll_fd and
 * bell_fd are there already: each worker's born.pidfd is in the set with the worker's number as
 * its word, from its start until ipk__crew_ended(). On failure nothing is left.
 */
int ipk__crew_start(ipk_pool *pool, unsigned n_workers, ipk_deadline deadline);
/* By the supervisor: pidfd of @worker is readable. Collects first, then sees to what it ran. */
void ipk__crew_ended(ipk_pool *pool, unsigned worker);
/* By the supervisor: start whom we miss. When to come again, INT64_MAX: not before something
 * happens. */
int64_t ipk__crew_tend(ipk_pool *pool, int64_t now_ns);
void ipk__crew_kill(ipk_pool *pool, unsigned worker); /* SIGKILL; nothing for threads */
void ipk__crew_kill_all(ipk_pool *pool);
/* To all. IPK__ORDER_DRAIN is given by ipk__crew_tend() once nothing is unfinished. */
void ipk__crew_order(ipk_pool *pool, uint32_t order);
void ipk__crew_end(
	ipk_pool *pool); /* without the mutex: all have ended and are reaped, fds closed */
unsigned ipk__crew_n_alive(const ipk_pool *pool);
/*
 * The host may have closed all fds, ours too, and the numbers may be other files' by now: whether
 * that is so. Then none of them is used or closed any more, nobody is started, and it is asked
 * of each worker whether it has ended (ipk__crew_look_for_ends(), by the supervisor).
 */
bool ipk__crew_has_lost_fds(ipk_pool *pool);
void ipk__crew_look_for_ends(ipk_pool *pool);
/*
 * The result of a task that is done and was too long for its slot (IPK__RESULT_SPILLED,
 * IPK__RESULT_HEAP), for free(). Its room in the spill file is given back, also on failure:
 * -ENOMEM, -EBADMSG the worker did not leave what it said. Before ipk__crew_ended() is through.
 */
int ipk__crew_take_result(ipk_pool *pool, const struct ipk__pool_slot *slot, char **ret_result);
void ipk__crew_drop_result(ipk_pool *pool, const struct ipk__pool_slot *slot); /* nobody wants it */

/* --- tasks (tasks.c) --- */

int ipk__tasks_init(ipk_pool *pool);
void ipk__tasks_end(ipk_pool *pool);
/* As ipk_pool_submit(); the mutex is not held. @index and @group as in the future. */
int ipk__tasks_submit(ipk_pool *pool, ipk_task_fn fn, const ipk_bytes *arg,
		      const ipk_task_opts *opts, size_t index, struct ipk__group *group,
		      ipk_future **ret_future);
/* Take what is done, end its futures, and give free slots to the backlog. How many were done. */
unsigned ipk__tasks_collect(ipk_pool *pool);
/* Of a worker that has ended: its tasks fail or are begun again. */
void ipk__tasks_orphaned(ipk_pool *pool, const struct ipk__death *death);
int ipk__tasks_cancel(ipk_future *f);
void ipk__tasks_want(ipk_future *f);       /* its worker wakes who waits, if anybody does */
void ipk__tasks_take_early(ipk_future *f); /* it may be done while its worker stopped before
					     saying so */
void ipk__tasks_look_at(ipk_future *f);    /* its state is up to date then */
/* No worker will ever come again: everything that is not over fails as DIED, with @text. */
void ipk__tasks_fail_all(ipk_pool *pool, const char *text);
void ipk__tasks_cancel_queued(ipk_pool *pool); /* what no worker has begun */
void ipk__tasks_cancel_all(
	ipk_pool *pool); /* running ones are given up too: their workers are dead */
/* Time limits and retries that are due; when the next is, INT64_MAX none. */
int64_t ipk__tasks_tick(ipk_pool *pool, int64_t now_ns);

/* --- maps (map.c) --- */

int ipk__maps_init(ipk_pool *pool);
void ipk__maps_end(ipk_pool *pool);
void ipk__maps_collect(ipk_pool *pool); /* ends those that are through, begins those that wait */
void ipk__maps_orphaned(ipk_pool *pool, const struct ipk__death *death);
int ipk__maps_cancel(ipk_future *f);
void ipk__maps_cancel_all(ipk_pool *pool, bool running_too);
/* No worker will ever come again: what is not done fails as DIED, with @text. */
void ipk__maps_fail_all(ipk_pool *pool, const char *text);
int64_t ipk__maps_tick(ipk_pool *pool, int64_t now_ns);
bool ipk__maps_are_over(const ipk_pool *pool);
bool ipk__maps_have_waiting(const ipk_pool *pool); /* for others to be over */
/* What a worker that was started meanwhile needs of the maps that run (arrays). */
void ipk__maps_greet(ipk_pool *pool, unsigned worker);
void ipk__map_unref(struct ipk__pool_map_job *job); /* its future is freed; with the mutex or not */

/* --- quarantine.c: by function and argument --- */

struct ipk__quarantine;
int ipk__quarantine_init(ipk_pool *pool);
void ipk__quarantine_end(ipk_pool *pool);
/* A worker died of it; true when that was once too often. */
bool ipk__quarantine_note(ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes);
bool ipk__quarantine_has(const ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes);
/* Cheap: nothing was ever noted. */
bool ipk__quarantine_is_empty(const ipk_pool *pool);

/* In words, for a failure: how many workers it killed, and what may be done. */
void ipk__quarantine_words(const ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes,
			   char ret_text[IPK_FAILURE_TEXT_BYTES]);

/* --- groups (group.c): what is made of several tasks --- */

/*
 * @member is over. This may happen within ipk__tasks_submit() (a quarantined task), before that
 * has given the future.
 */
void ipk__group_member_over(struct ipk__group *group, ipk_future *member);
/* These are of a future of the kind IPK__FUTURE_GROUP: a starmap's. */
int ipk__group_cancel(ipk_future *f);
ipk_future_state ipk__group_state(ipk_future *f);
int ipk__group_failures(ipk_future *f, ipk_failure *ret_failures, size_t max, size_t *ret_n);
void ipk__group_free(struct ipk__group *group); /* its future is being freed */

/* --- waits for several (futures.c) --- */

void ipk__watches_tell(ipk_future *f); /* it is over */

/* --- the supervisor (supervisor.c) --- */

int ipk__supervisor_start(ipk_pool *pool);
void ipk__supervisor_stop(ipk_pool *pool); /* without the mutex; it is joined */
/* Have it look again soon: a callback, a time limit, a retry or a worker to start came up. */
void ipk__supervisor_call(ipk_pool *pool);
/* It wants to hear of what is done although nobody waits: n_heard and the like changed. */
void ipk__supervisor_listen(ipk_pool *pool);
/* Whether the caller is the pool's own thread: in a callback. */
bool ipk__supervisor_is_me(const ipk_pool *pool);
/* One look at all, by the pool's thread while it waits in a callback: no callbacks then. */
void ipk__supervisor_look(ipk_pool *pool);

/* --- progress (progress.c) --- */

/* Of on_progress; the supervisor's own. */
struct ipk__progress_clock {
	int64_t due_ns; /* CLOCK_MONOTONIC */
	uint64_t n_over;
	bool was_working;
};

/* What ipk_pool_progress() says, from memory that may be a copy, or scribbled over. */
void ipk__progress_read(const struct ipk__shm_pool *shared, const struct ipk__pool_map *maps,
			ipk_progress *ret_progress);

/*
 * By the supervisor, without the mutex: calls on_progress when that is due. When to come
 * again, INT64_MAX: nobody wants to hear. With @now_ns INT64_MAX, before the supervisor ends:
 * the last call, if there is anything new to tell.
 */
int64_t ipk__progress_tick(ipk_pool *pool, int64_t now_ns);

enum ipk__pool_phase {
	IPK__POOL_RUNS = 0,
	IPK__POOL_DRAINS = 1, /* shut down: workers end when there is nothing left */
	IPK__POOL_TERMINATED = 2,
	IPK__POOL_ENDED = 3, /* all workers are gone */
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
	struct ipk__pool_map *maps;
	struct ipk__patience patience; /* of those who wait for results */
	unsigned n_waiting;            /* threads in ipk__pool_wait() */
	unsigned n_any_waiting;        /* those of them that wait for just anything */
	bool is_closed;                /* the segment is gone or about to go */
	unsigned n_heard;              /* futures not over that have callbacks or an fd, and
					* those that are waited for with others' (futures.c) */
	pthread_cond_t changed;        /* the phase, or that callbacks run; CLOCK_MONOTONIC */

	struct ipk__zygote *zygote; /* NULL: threads; another one only under resizing, too */
	bool zygote_is_of_process;  /* it is a child of the process-wide one */
	struct ipk__member members[IPK_POOL_WORKERS_MAX];
	unsigned n_workers;       /* how many there are to be */
	uint64_t n_oom_kills;     /* in our control group that are accounted for */
	bool knows_oom_kills;     /* the kernel tells */
	pthread_mutex_t resizing; /* taken before the mutex */
	bool is_barren;           /* the zygote is gone for good: whoever ends is not replaced */

	ipk_future *by_slot[IPK__POOL_SLOTS];
	uint32_t free_slots[IPK__POOL_SLOTS];
	unsigned n_free_slots;
	struct ipk__future_list backlog; /* tasks that wait for a slot */
	struct ipk__future_list resting; /* tasks that wait to be begun again */
	size_t n_unfinished;             /* tasks that are not over */
	unsigned n_timed;                /* of those, with time limits */
	int64_t shortest_ns;             /* no limit of theirs is shorter */
	int64_t swept_ns;                /* when all slots were last looked at for limits */
	uint64_t n_collected;            /* ever */
	ipk_future *spare;               /* for the next tasks */
	_Atomic(ipk_future *) returned;  /* more of them, in any thread's hands just before */
	_Atomic unsigned n_kept;         /* of both */

	struct ipk__room room; /* the segment's heap */
	struct ipk__map_books *map_books;
	struct ipk__quarantine *quarantine;

	pthread_t supervisor;
	bool has_supervisor;
	_Atomic bool supervisor_stops;
	int epoll_fd;
	int call_fd;                      /* a bell: ipk__supervisor_call(); -1: fds are lost */
	uint64_t call_inode;              /* its file */
	int bell_fd;                      /* a bell that workers ring */
	int64_t fds_seen_ns;              /* when it was last looked whether they are ours */
	int64_t next_look_ns;             /* when it will look by itself; INT64_MAX: when called */
	bool is_called;                   /* it was called and has not looked yet */
	ipk_future *called, **called_end; /* futures whose callbacks are due */
	bool is_calling;                  /* callbacks run now */
	struct ipk__progress_clock progress_clock;
};

/* The earlier of two times; unlike IPK__MIN, of calls too. */
static inline int64_t ipk__sooner_ns(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* Whether workers that end are to be replaced: false once there will be nothing to do. */
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
/* A pool whole but for its workers and its thread; and the end of one that has none any more. */
int ipk__pool_build(const ipk_pool_opts *opts, ipk_pool **ret_pool);
void ipk__pool_drop(ipk_pool *pool);

static inline void ipk__pool_lock(ipk_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
}

static inline void ipk__pool_unlock(ipk_pool *pool)
{
	pthread_mutex_unlock(&pool->mutex);
}

/* Something for @n workers was published: wake who sleeps, as far as that helps (doze.h). */
static inline void ipk__pool_wake_workers(ipk_pool *pool, unsigned n)
{
	ipk__doze_wake(&pool->shared->work, n, ipk__shm_pool_has_work, pool->shared);
}

/* Add to a counter that only the creator writes, under the mutex. */
static inline void ipk__count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Before and after the items of a map go over to the counts: nobody sees them twice, or not. */
static inline void ipk__counts_turn(ipk_pool *pool)
{
	/* Pairs with the fence of a reader of progress before it looks again. */
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&pool->shared->counts.n_turns, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

#endif
