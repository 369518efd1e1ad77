/*
 * pool.h - tasks done by worker processes or threads (Python: multiprocessing.Pool and
 * ThreadPool, concurrent.futures).
 *
 *   IPK_AUTO(pool, pool);
 *   double xs[N], ys[N];
 *
 *   IPK_TRY(ipk_pool_create(NULL, &pool));
 *   IPK_TRY(ipk_pool_map(pool, square, xs, ys, N, ipk_forever()));
 *
 * Workers are forks of this process as it is when the pool is created, later replacements
 * too: functions, globals and handles made before are there. What a task gets besides is
 * bytes, and what it gives is bytes. A worker that dies costs the one task it ran: that task
 * fails with the cause (or is retried, if n_retries allows), the worker is replaced, and
 * everything else goes on.
 *
 * A pool belongs to the process that created it; other processes may only look
 * (ipk_pool_progress()). When that process ends, however, so do its workers.
 */
#ifndef IPK_POOL_H
#define IPK_POOL_H

#include <stdarg.h>

#include "deadline.h"
#include "future.h"
#include "progress.h"
#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_pool ipk_pool;
typedef struct ipk_task ipk_task; /* in a worker: the task it runs */

#define IPK_POOL_WORKERS_MAX 256

/*
 * A task. 0: done, with what ipk_task_return() was given as its result. Anything else is the
 * task's own error code: the future fails with IPK_FAILURE_TASK. @arg is aligned for any type, and
 * good until the task returns.
 */
typedef int (*ipk_task_fn)(ipk_task *task, const void *arg, size_t arg_bytes);

typedef enum ipk_pool_kind {
	IPK_POOL_PROCESSES = 0,
	/*
	 * Threads of this process: for tasks that wait rather than compute, and that share
	 * memory. A task that crashes takes the process along, and none can be killed: hard
	 * time limits and cancelling only give up the result.
	 */
	IPK_POOL_THREADS = 1,
} ipk_pool_kind;

typedef struct ipk_pool_opts {
	size_t struct_size; /* sizeof(ipk_pool_opts) */
	const char *label;  /* shown by ipc-inspect; "pool" by default; [A-Za-z0-9._-]{1,200} */
	ipk_pool_kind kind;
	unsigned n_workers; /* 1 .. IPK_POOL_WORKERS_MAX; 0: ipk_cpu_count() */
	/*
	 * Runs first in each worker; anything but 0 is an error: of ipk_pool_create(), or of the
	 * worker that was to replace another (it is tried again, ever more slowly).
	 * @initializer_arg is used as it is, so it must be from before the pool (see -EDEADLK
	 * there).
	 */
	int (*initializer)(void *arg);
	void *initializer_arg;
	/* A worker ends after so many tasks (items of a map) and is replaced; 0: never. */
	uint64_t max_tasks_per_worker;
	/* How much memory of its own a worker may have beyond what it begins with (RLIMIT_DATA):
	 * allocations beyond fail in the task. 0: no limit. Not for threads (-EINVAL). */
	uint64_t worker_memory_bytes;
	/* Workers that the same function with the same argument may kill before it is quarantined;
	 * 0: 3. UINT_MAX: never. */
	unsigned quarantine_deaths;
	/* Called in the pool's own thread every @progress_interval_ms (0: 200) while there is work,
	 * and once more after it; ipk_progress_bar() is a ready one. */
	ipk_progress_fn on_progress;
	void *on_progress_arg;
	unsigned progress_interval_ms;
	/* How long ipk_pool_create() may take, initializers included; 0: for ever. */
	int64_t timeout_ns;
} ipk_pool_opts;

#define IPK_POOL(...) IPK_OPTS(pool, __VA_ARGS__)

/* How a task is to be treated; NULL or zeros are the defaults. */
typedef struct ipk_task_opts {
	size_t struct_size; /* sizeof(ipk_task_opts) */
	/*
	 * How long it may run, from its beginning in a worker; 0: for ever. After the soft one
	 * ipk_task_should_stop() is true; after the hard one its worker is killed and it fails with
	 * IPK_FAILURE_TIMEOUT. Of a map: each item.
	 */
	int64_t soft_timeout_ns;
	int64_t timeout_ns;
	/* How often it is retried after its worker died: only for tasks that may be done
	 * twice. Waits @retry_delay_ns (0: at once) before, twice as long each time;
	 * of a map, what is left of the item's chunk waits along. */
	unsigned n_retries;
	int64_t retry_delay_ns;
	/* Results over this fail the task; 0: 1 GiB. */
	uint64_t max_result_bytes;
	/* Of a map: how many items a worker takes at a time; 0: chosen from @n and the workers.
	 * Each item stays a task of its own: chunks only save time. */
	size_t chunk;
} ipk_task_opts;

#define IPK_TASK(...) IPK_OPTS(task, __VA_ARGS__)

/* --- the pool ---------------------------------------------------------------------------- */

/**
 * ipk_pool_create() - make a pool and start its workers
 * @opts:     NULL for the defaults: a process for each processor this one may use
 * @ret_pool: the pool
 *
 * Workers are forked by a process of the pool's own, which is forked here; so this process
 * should have no threads of its own yet (those of ipk's pools and timers do not count).
 * With threads, the zygote (ipk_zygote_start()) is used instead, when there is one: workers
 * then have the memory as it was when that was started, and @initializer_arg must be NULL.
 * Whoever kills that process has its standby take over; whoever kills both ends the pool, all
 * tasks failing with IPK_FAILURE_DIED, unless it was the zygote that forked them: it does again.
 *
 * Blocks:  until every worker has run the initializer, or timeout_ns is over.
 * Callers: any thread.
 * Crash:   when this process is killed, its workers end within a moment.
 * Cost:    two forks and one for each worker; four fds for each worker.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0; -EINVAL; -EDEADLK this process has threads and no zygote; -EREMOTEIO the
 * initializer failed in a worker, or ended it; -ETIMEDOUT; -EAGAIN too many processes; -ENOMEM;
 * -ENOSPC; -EFBIG (RLIMIT_FSIZE); -EMFILE; -ENFILE; -ENOSYS (seccomp). Nothing is left behind then.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_create(const ipk_pool_opts *opts, ipk_pool **ret_pool);

/**
 * ipk_pool_close() - end the pool at once
 * @pool: NULL is fine
 *
 * ipk_pool_terminate(), and the handle is given up. Futures stay good. In a fork child of its
 * creator only the child's copy goes.
 *
 * Blocks:  until the workers have ended: processes are killed, a zygote that is stopped is
 *          given two seconds; a thread worker until its task returns, and for a callback that
 *          runs. Who may not wait for those calls ipk_pool_terminate() and ipk_pool_join() before.
 * Callers: one thread; no task's callback.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: NULL.
 */
IPK_API ipk_pool *ipk_pool_close(ipk_pool *pool);

static inline void ipk_pool_closep(ipk_pool **pool)
{
	*pool = ipk_pool_close(*pool);
}

/**
 * ipk_pool_shutdown() - take no more tasks (Python: Pool.close, Executor.shutdown)
 * @pool: pool
 * @mode: IPK_DRAIN: what was submitted is done; IPK_DISCARD: what no worker has begun is cancelled
 *
 * Workers end when there is nothing left to do. IPK_DISCARD may follow IPK_DRAIN.
 *
 * Blocks:  no.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0, also again; -EINVAL; -EBADF; -EPERM not its creator.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_shutdown(ipk_pool *pool, ipk_shutdown mode);

/**
 * ipk_pool_join() - wait until the workers have ended
 * @pool:     pool that was shut down or terminated
 * @deadline: when to stop waiting
 *
 * Blocks:  until all tasks are over, all callbacks have returned and all workers have ended.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0; -ETIMEDOUT; -EBUSY it was not shut down; -EDEADLK in a callback of its futures;
 * -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_join(ipk_pool *pool, ipk_deadline deadline);

/**
 * ipk_pool_terminate() - stop everything
 * @pool: pool
 *
 * Every task that is not over is cancelled, worker processes are killed.
 *
 * Blocks:  no.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0, also again; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_terminate(ipk_pool *pool);

/**
 * ipk_pool_resize() - have more or fewer workers
 * @pool:      pool
 * @n_workers: 1 .. IPK_POOL_WORKERS_MAX; 0: ipk_cpu_count()
 *
 * New ones start at once; those too many end after their present task.
 *
 * Blocks:  no.
 * Source:  lib/pool/crew.c          Since: 0.4
 *
 * Return: 0; -EINVAL; -ESHUTDOWN; -EBADF; -EPERM; as ipk_pool_create() when starting fails.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_resize(ipk_pool *pool, unsigned n_workers);

/**
 * ipk_pool_progress() - how far the work is: one look
 * @pool:         pool; a copy of the handle in a fork child will do
 * @ret_progress: counters
 *
 * Blocks:  no; reads shared memory.
 * Source:  lib/pool/progress.c      Since: 0.4
 *
 * Return: 0; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_progress(const ipk_pool *pool, ipk_progress *ret_progress);

typedef enum ipk_worker_state {
	IPK_WORKER_STARTING = 0, /* runs the initializer */
	IPK_WORKER_IDLE = 1,
	IPK_WORKER_BUSY = 2,   /* runs a task, or items of a map */
	IPK_WORKER_ENDING = 3, /* was one too many, or has done max_tasks_per_worker */
} ipk_worker_state;

typedef struct ipk_worker_info {
	unsigned number; /* as ipk_task_worker() has it */
	pid_t pid;       /* 0: a thread */
	ipk_worker_state state;
	int64_t since_ns;     /* how long it has been idle, or at its task or item, about */
	uint64_t n_done;      /* tasks and items it did, failed ones too */
	uint64_t reserved[8]; /* 0 */
} ipk_worker_info;

/**
 * ipk_pool_workers() - who is there, and what they do: one look
 * @pool:        pool
 * @ret_workers: by number; may be NULL when @max is 0
 * @max:         for how many there is room
 * @ret_n:       how many there are, which may be more than @max; fewer than there are to be
 *               while some that died are replaced
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/pool/crew.c          Since: 0.4
 *
 * Return: 0; -EINVAL; -EBADF; -EPERM not its creator.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_workers(ipk_pool *pool, ipk_worker_info *ret_workers,
					    size_t max, size_t *ret_n);

/**
 * ipk_pool_forgive() - let quarantined tasks be tried again
 * @pool: pool
 *
 * Blocks:  no.
 * Source:  lib/pool/quarantine.c    Since: 0.4
 *
 * Return: 0; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_forgive(ipk_pool *pool);

/* --- single tasks -------------------------------------------------------------------------- */

/**
 * ipk_pool_submit() - submit a task (Python: apply_async, Executor.submit)
 * @pool:       pool
 * @fn:         from this program, or a library loaded before the pool was created
 * @arg:        @arg_bytes bytes, copied before return
 * @arg_bytes:  0 .. 1 GiB
 * @opts:       NULL for the defaults
 * @ret_future: what will come of it; NULL when nobody wants to know
 *
 * Order:   tasks begin in the order in which they were submitted.
 * Blocks:  no; what no worker can take yet waits in memory.
 * Callers: any thread.
 * Crash:   a task is begun once, or again after its worker's death when n_retries says so.
 * Cost:    about 0.2 us and no system call while workers are awake.
 * Source:  lib/pool/tasks.c         Since: 0.4
 *
 * Return: 0; -ESHUTDOWN; -EMSGSIZE; -EINVAL; -EBADF; -EPERM; -ENOMEM; -ENOSPC no shared memory.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_submit(ipk_pool *pool, ipk_task_fn fn, const void *arg,
					   size_t arg_bytes, const ipk_task_opts *opts,
					   ipk_future **ret_future);

/**
 * ipk_pool_submitf() - ipk_pool_submit() with typed values as its argument
 * @pool:       pool
 * @fn:         reads them with ipk_task_argf()
 * @ret_future: what will come of it; may be NULL
 * @format:     as in ipk_pack()
 *
 * Blocks:  no.
 * Source:  lib/pool/typed.c         Since: 0.4
 *
 * Return: as ipk_pool_submit() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_submitf(ipk_pool *pool, ipk_task_fn fn, ipk_future **ret_future,
					    const char *format, ...);

/**
 * ipk_pool_apply() - submit a task and wait for its result (Python: Pool.apply)
 * @pool:          pool
 * @fn:            as in ipk_pool_submit()
 * @arg:           as there
 * @arg_bytes:     as there
 * @buf:           room for the result, as in ipk_future_get()
 * @buf_bytes:     its size
 * @deadline:      when to stop waiting; the task is then cancelled
 * @ret_len_bytes: length of the result; may be NULL
 *
 * Blocks:  until the task is over.
 * Source:  lib/pool/group.c         Since: 0.4
 *
 * Return: as ipk_pool_submit() and ipk_future_get().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_apply(ipk_pool *pool, ipk_task_fn fn, const void *arg,
					  size_t arg_bytes, void *buf, size_t buf_bytes,
					  ipk_deadline deadline, size_t *ret_len_bytes);

/* --- maps over items of one size ------------------------------------------------------------- */

/* From one item to its result; anything but 0 fails the item. See ipk_task_current(). */
typedef int (*ipk_map_fn)(const void *item, void *ret_result);

/*
 * ipk_pool_map(pool, square, xs, ys, n, deadline): ys[i] = square(xs[i]), on every core. The
 * pointers say how large items and results are; a void pointer, which does not, does not compile.
 */
#define ipk_pool_map(pool, fn, items, results, n, deadline)                            \
	ipk_pool_map_items((pool), (fn), (items), IPK_SIZE_OF_EACH_(items), (results), \
			   IPK_SIZE_OF_EACH_(results), (n), NULL, (deadline))
#ifdef __cplusplus
#define IPK_SIZE_OF_EACH_(p) ipk_size_of_each_(p)
extern "C++" {
template <class T> constexpr size_t ipk_size_of_each_(const T *)
{
	return sizeof(T); /* void has none */
}
}
#else
#define IPK_SIZE_OF_EACH_(p)                                             \
	(sizeof *(p) * sizeof(struct {                                   \
		 char void_has_no_size_call_ipk_pool_map_items         \
			 [_Generic((p), void *: -1, const void *: -1, default: 1)]; \
	 }))
#endif

/**
 * ipk_pool_map_items() - apply a function to each item; call it as ipk_pool_map()
 * @pool:         pool
 * @fn:           gets each item and writes its result
 * @items:        @n items of @item_bytes each; copied before any is begun
 * @item_bytes:   1 or more
 * @results:      @n results of @result_bytes each, written when all are over; those of failed items
 *                stay as they are. NULL with @result_bytes 0
 * @result_bytes: 0 or more
 * @n:            how many; 0 is done at once
 * @opts:         NULL for the defaults
 * @deadline:     when to stop waiting; what is not done by then is cancelled
 *
 * Order:   results are in the order of the items, whoever did them when.
 * Blocks:  until all items are over, failed ones too.
 * Crash:   a killed worker costs the item it was at; the rest of its chunk goes to others.
 * Cost:    about 20 ns an item in chunks of one, less otherwise; items and results are copied.
 * Source:  lib/pool/map.c           Since: 0.4
 *
 * Return: 0 all are done; the first failed item's error as in ipk_future_get() (see
 * ipk_pool_map_async() and ipk_future_failures() for all of them); -ETIMEDOUT; others as in
 * ipk_pool_submit().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_map_items(ipk_pool *pool, ipk_map_fn fn, const void *items,
					      size_t item_bytes, void *results, size_t result_bytes,
					      size_t n, const ipk_task_opts *opts,
					      ipk_deadline deadline);

/**
 * ipk_pool_map_async() - the same, without waiting
 * @pool:         as in ipk_pool_map_items()
 * @fn:           as there
 * @items:        as there
 * @item_bytes:   as there
 * @result_bytes: as there
 * @n:            as there
 * @opts:         as there
 * @ret_future:   ipk_future_get() gives the array of results; those of failed items are zeros
 *
 * Blocks:  no.
 * Source:  lib/pool/map.c           Since: 0.4
 *
 * Return: as ipk_pool_submit().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_map_async(ipk_pool *pool, ipk_map_fn fn, const void *items,
					      size_t item_bytes, size_t result_bytes, size_t n,
					      const ipk_task_opts *opts, ipk_future **ret_future);

/*
 * A stretch of two shared arrays: @items and @results point to the item @first, @n_items of
 * them are to be done. Anything but 0 fails the stretch.
 */
typedef int (*ipk_slice_fn)(const void *items, void *results, size_t first, size_t n_items);

/**
 * ipk_pool_map_array() - work on shared arrays where they lie
 * @pool:     pool
 * @fn:       gets a stretch at a time
 * @items:    anonymous or named array; also one made after the pool
 * @results:  array of the same length, or @items itself; NULL: there are none
 * @opts:     chunk is how many items a stretch has; 0: chosen
 * @deadline: when to stop waiting; what is not done by then is cancelled
 *
 * Nothing is copied. A stretch whose worker was killed is partly written; with n_retries it is
 * done again, so @fn must bear that when it works in place.
 *
 * Blocks:  until all stretches are over; with thread workers, after the deadline too, until
 *          those that are at a stretch have returned, for the arrays are theirs as long.
 * Source:  lib/pool/map_array.c     Since: 0.4
 *
 * Return: as ipk_pool_map_items(); -EINVAL lengths differ.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_map_array(ipk_pool *pool, ipk_slice_fn fn, ipk_array *items,
					      ipk_array *results, const ipk_task_opts *opts,
					      ipk_deadline deadline);

/* --- maps over items of any size ----------------------------------------------------------- */

/**
 * ipk_pool_starmap() - a task for each argument, without waiting (Python: starmap_async)
 * @pool:       pool
 * @fn:         gets each argument; typed ones (ipk_pack()) it reads with ipk_task_argf()
 * @args:       @n arguments, copied before return
 * @n:          how many
 * @opts:       NULL for the defaults
 * @ret_future: over when all are; see ipk_future_item() and ipk_future_failures()
 *
 * Blocks:  until all are over.
 * Source:  lib/pool/group.c         Since: 0.4
 *
 * Return: as ipk_pool_submit().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_starmap(ipk_pool *pool, ipk_task_fn fn, const ipk_bytes *args,
					    size_t n, const ipk_task_opts *opts,
					    ipk_future **ret_future);

/* 1: *ret_item is the next one, good until the next call; 0: there are no more; or -errno. */
typedef int (*ipk_next_fn)(void *arg, ipk_bytes *ret_item);

typedef struct ipk_imap ipk_imap;

typedef struct ipk_imap_opts {
	size_t struct_size; /* sizeof(ipk_imap_opts) */
	bool is_unordered;  /* give results as they come, not in the order of the input */
	size_t window; /* how many items may be under way, given ones not counted; 0: 16 a worker */
	size_t chunk;  /* how many are taken from the input at a time; 0: 1 */
	const ipk_task_opts *task;
} ipk_imap_opts;

#define IPK_IMAP(...) IPK_OPTS(imap, __VA_ARGS__)

/**
 * ipk_pool_imap() - map over an input that is read only as fast as results are taken
 * @pool:     pool
 * @fn:       gets each item
 * @next:     gives the items; called by ipk_imap_next(), in its thread
 * @next_arg: passed to @next
 * @opts:     NULL for the defaults
 * @ret_imap: to be read with ipk_imap_next()
 *
 * Python reads the whole input at once; here no more than the window is ahead.
 *
 * Blocks:  no.
 * Source:  lib/pool/imap.c          Since: 0.4
 *
 * Return: 0; -EINVAL; -EBADF; -ESHUTDOWN; -EPERM; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_imap(ipk_pool *pool, ipk_task_fn fn, ipk_next_fn next,
					 void *next_arg, const ipk_imap_opts *opts,
					 ipk_imap **ret_imap);

/**
 * ipk_imap_next() - the next result
 * @imap:       from ipk_pool_imap(); one thread at a time
 * @deadline:   when to stop waiting
 * @ret_future: a future that is over, to be closed; ipk_future_index() tells which item's
 *
 * Blocks:  until the next one is over; and in @next.
 * Source:  lib/pool/imap.c          Since: 0.4
 *
 * Return: 0, also for a failed item; -ENOENT there are no more; -ETIMEDOUT; what @next gave;
 * others as in ipk_pool_submit(). After an error it may be called again.
 */
IPK_API IPK_MUST_CHECK int ipk_imap_next(ipk_imap *imap, ipk_deadline deadline,
					 ipk_future **ret_future);

/**
 * ipk_imap_close() - give up the rest
 * @imap: NULL is fine
 *
 * What is under way is cancelled.
 *
 * Blocks:  no.
 * Source:  lib/pool/imap.c          Since: 0.4
 *
 * Return: NULL.
 */
IPK_API ipk_imap *ipk_imap_close(ipk_imap *imap);

static inline void ipk_imap_closep(ipk_imap **imap)
{
	*imap = ipk_imap_close(*imap);
}

/* Two partial results into one, which it gives by ipk_task_return(). Runs in a worker. */
typedef int (*ipk_combine_fn)(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b);

/**
 * ipk_pool_map_reduce() - a task for each argument, and their results combined into one
 * @pool:          pool
 * @map:           gets each argument
 * @combine:       gets two results, in any order and grouping: it must be associative and
 *                 commutative
 * @args:          @n arguments
 * @n:             1 or more
 * @opts:          NULL for the defaults; for both functions
 * @deadline:      when to stop waiting; what is not done by then is cancelled
 * @ret_data:      the combined result, for free()
 * @ret_len_bytes: its length; may be NULL
 *
 * Combining begins with the first two results. The first failure of a task ends it all.
 *
 * Blocks:  until the result is there.
 * Source:  lib/pool/reduce.c        Since: 0.4
 *
 * Return: 0; as ipk_pool_map_items().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_map_reduce(ipk_pool *pool, ipk_task_fn map,
					       ipk_combine_fn combine, const ipk_bytes *args,
					       size_t n, const ipk_task_opts *opts,
					       ipk_deadline deadline, void **ret_data,
					       size_t *ret_len_bytes);

/* --- in a task ----------------------------------------------------------------------------- */

/**
 * ipk_task_return() - set the task's result
 * @task:    the task
 * @data:    @n_bytes bytes, copied
 * @n_bytes: 0 .. max_result_bytes
 *
 * The last call counts, and only when the task then returns 0. For tasks that get an
 * ipk_task; an ipk_map_fn writes its result where it is told.
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: 0; -EFBIG, and the task will fail with IPK_FAILURE_TOO_LARGE; -ENOMEM; -EINVAL; -EPERM in
 * a process that the task has forked.
 */
IPK_API IPK_MUST_CHECK int ipk_task_return(ipk_task *task, const void *data, size_t n_bytes);

/**
 * ipk_task_returnf() - set the task's result to typed values
 * @task:   the task
 * @format: as in ipk_pack()
 *
 * Blocks:  no.
 * Source:  lib/pool/typed.c         Since: 0.4
 *
 * Return: as ipk_task_return() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_task_returnf(ipk_task *task, const char *format, ...);

/**
 * ipk_task_argf() - read the typed values of the task's argument
 * @task:   the task
 * @format: as in ipk_unpack()
 *
 * Blocks:  no.
 * Source:  lib/pool/typed.c         Since: 0.4
 *
 * Return: as ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_task_argf(ipk_task *task, const char *format, ...);

/**
 * ipk_task_fail() - say why the task fails: return ipk_task_fail(task, -EIO, "no %s", path)
 * @task:   the task
 * @code:   given back as it is; it should not be 0
 * @format: as in printf(); cut to IPK_FAILURE_TEXT_BYTES
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: @code.
 */
IPK_API int ipk_task_fail(ipk_task *task, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * ipk_task_should_stop() - whether the task's soft time is over, or it was cancelled
 * @task: the task
 *
 * Blocks:  no.
 * Cost:    a look at shared memory.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: true when it should come to an end.
 */
IPK_API bool ipk_task_should_stop(const ipk_task *task);

/**
 * ipk_task_attempt() - how often the task was begun, this time included
 * @task: the task
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: 1 or more.
 */
IPK_API unsigned ipk_task_attempt(const ipk_task *task);

/**
 * ipk_task_index() - which item of a map or starmap this is
 * @task: the task
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: its number, from 0; 0 for a single task.
 */
IPK_API size_t ipk_task_index(const ipk_task *task);

/**
 * ipk_task_worker() - which worker runs the task
 * @task: the task
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: 0 .. IPK_POOL_WORKERS_MAX - 1; its replacement will have the same number.
 */
IPK_API unsigned ipk_task_worker(const ipk_task *task);

/**
 * ipk_task_current() - the task that this thread runs
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: the task, also in an ipk_map_fn and ipk_slice_fn; NULL outside of tasks.
 */
IPK_API ipk_task *ipk_task_current(void);

#ifdef __cplusplus
}
#endif

#endif
