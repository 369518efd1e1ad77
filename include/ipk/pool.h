/*
 * pool.h - tasks run by worker processes or threads (Python: multiprocessing.Pool and
 * ThreadPool, concurrent.futures).
 *
 *   IPK_AUTO(pool, pool);
 *   double xs[N], ys[N];
 *
 *   IPK_TRY(ipk_pool_create(NULL, &pool));
 *   IPK_TRY(ipk_pool_map(pool, square, xs, ys, N, ipk_forever()));
 *
 * Workers, and later their replacements, are forks of this process in the state in which the pool
 * is created: functions, globals and handles that exist then are available. Arguments and results
 * are bytes. If a worker dies, the one task it ran fails with the cause (or is retried, if
 * n_retries allows), the worker is replaced, and all other tasks continue.
 *
 * A pool belongs to the process that created it; other processes may only call ipk_pool_progress().
 * When the creator ends, its workers end too.
 */
#ifndef IPK_POOL_H
#define IPK_POOL_H

#include <stdarg.h>

#include "deadline.h"
#include "future.h"
#include "process.h"
#include "progress.h"
#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_pool ipk_pool;
typedef struct ipk_task ipk_task; /* in a worker: the running task */

#define IPK_POOL_WORKERS_MAX 256

/*
 * A task function. 0: success, the result is what ipk_task_return() set. Any other value is an
 * error of the task: the future fails with IPK_FAILURE_TASK. @arg is aligned for any type and valid
 * until the task returns.
 */
typedef int (*ipk_task_fn)(ipk_task *task, const void *arg, size_t arg_bytes);

typedef enum ipk_pool_kind {
	IPK_POOL_PROCESSES = 0,
	/*
	 * Threads of this process: for tasks that wait rather than compute, and that share memory.
	 * A task that crashes ends the process, and a thread cannot be killed: hard time limits and
	 * cancellation only discard the result.
	 */
	IPK_POOL_THREADS = 1,
} ipk_pool_kind;

typedef struct ipk_pool_opts {
	size_t struct_size; /* sizeof(ipk_pool_opts) */
	const char *label;  /* shown by ipc-inspect; "pool" by default; [A-Za-z0-9._-]{1,200} */
	ipk_pool_kind kind;
	unsigned n_workers; /* 1 .. IPK_POOL_WORKERS_MAX; 0: ipk_cpu_count() */
	/*
	 * Runs first in each worker; a result other than 0 is an error: of ipk_pool_create(), or of
	 * a replacement worker (which is retried with increasing delay). @initializer_arg is passed
	 * unchanged, so it must exist before the pool (see -EDEADLK there).
	 */
	int (*initializer)(void *arg);
	void *initializer_arg;
	/* A worker ends and is replaced after this many tasks (items of a map); 0: never. */
	uint64_t max_tasks_per_worker;
	/* Limit of the memory that a worker allocates beyond what it starts with (RLIMIT_DATA):
	 * further allocations fail in the task. 0: no limit. Not for threads (-EINVAL). */
	uint64_t worker_memory_bytes;
	/* Number of workers that the same function with the same argument may kill before it is
	 * quarantined; 0: 3. UINT_MAX: never. */
	unsigned quarantine_deaths;
	/* Called in the pool's thread every @progress_interval_ms (0: 200) while there is work, and
	 * once more when it has finished; ipk_progress_bar() can be used. */
	ipk_progress_fn on_progress;
	void *on_progress_arg;
	unsigned progress_interval_ms;
	/* Time limit of ipk_pool_create(), initializers included; 0: no limit. */
	int64_t timeout_ns;
	/*
	 * What worker processes are forked from. IPK_START_DEFAULT: this process while it has one
	 * thread, otherwise the zygote. IPK_START_FORK: this process, even if it has threads: locks
	 * that these hold at the fork (of other libraries, for example) stay locked in the workers.
	 * IPK_START_ZYGOTE: the zygote of ipk_zygote_start(), -EDEADLK without one. IPK_START_EXEC
	 * is -EINVAL: tasks are function pointers of this running program. Not for threads
	 * (-EINVAL).
	 */
	ipk_start_method start_method;
} ipk_pool_opts;

#define IPK_POOL(...) IPK_OPTS(pool, __VA_ARGS__)

/* Options of a task; NULL or zeros are the defaults. */
typedef struct ipk_task_opts {
	size_t struct_size; /* sizeof(ipk_task_opts) */
	/*
	 * Time limits, measured from its start in a worker; 0: no limit. After the soft one
	 * ipk_task_should_stop() returns true; after the hard one its worker is killed and it fails
	 * with IPK_FAILURE_TIMEOUT. Of a map: per item.
	 */
	int64_t soft_timeout_ns;
	int64_t timeout_ns;
	/* Retried up to this many times after its worker died: only for tasks that may run twice.
	 * Each retry is delayed by @retry_delay_ns (0: at once), doubled each time; in a map, the
	 * rest of the item's chunk is delayed with it. */
	unsigned n_retries;
	int64_t retry_delay_ns;
	/* A larger result fails the task; 0: 1 GiB. */
	uint64_t max_result_bytes;
	/* Of a map: items that a worker takes at a time; 0: chosen from @n and the number of
	 * workers. Each item remains a task of its own: chunks only reduce overhead. */
	size_t chunk;
} ipk_task_opts;

#define IPK_TASK(...) IPK_OPTS(task, __VA_ARGS__)

/* --- the pool --------------------------------------------------------------------------------- */

/**
 * ipk_pool_create() - create a pool and start its workers
 * @opts:     NULL for the defaults: one process per CPU that this process may use
 * @ret_pool: the pool
 *
 * Workers are forked by a process of the pool, which is forked here, so this process should not
 * have threads of its own yet (those of ipk's pools and timers do not count). If it has threads,
 * the zygote (ipk_zygote_start()) is used instead, if there is one (start_method changes this):
 * workers then have the memory of when the zygote was started, and @initializer_arg must be NULL.
 * If the process that forks the workers is killed, its standby takes over. If both are killed, the
 * pool ends and all tasks fail with IPK_FAILURE_DIED, unless the zygote had forked them: it forks
 * new ones.
 *
 * Blocks:  until every worker has run the initializer, or for timeout_ns.
 * Callers: any thread.
 * Crash:   if this process is killed, its workers end shortly after.
 * Cost:    two forks and one per worker; four fds per worker.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0; -EINVAL (also an initializer_arg with IPK_START_ZYGOTE); -EDEADLK this process has
 * threads and no zygote, or an initializer_arg, which the zygote does not have; -EREMOTEIO the
 * initializer failed in a worker, or ended it; -ETIMEDOUT; -EAGAIN too many processes; -ENOMEM;
 * -ENOSPC; -EFBIG (RLIMIT_FSIZE); -EMFILE; -ENFILE; -ENOSYS (seccomp); -EXDEV children of this
 * process are in another pid namespace: fork once after unshare(CLONE_NEWPID). After an error
 * nothing is left.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_create(const ipk_pool_opts *opts, ipk_pool **ret_pool);

/**
 * ipk_pool_close() - terminate the pool and close the handle
 * @pool: NULL is fine
 *
 * Calls ipk_pool_terminate() and frees the handle. Futures stay valid. In a fork child of its
 * creator only the child's copy is freed.
 *
 * Blocks:  until the workers have ended: processes are killed, a zygote that is stopped gets 2 s; a
 *          thread worker ends when its task returns; a running callback is waited for. To bound the
 *          wait, call ipk_pool_terminate() and ipk_pool_join() first.
 * Callers: one thread. In a callback of this pool it returns at once, and the pool's thread does the
 *          rest when the callback has returned.
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
 * ipk_pool_shutdown() - accept no more tasks (Python: Pool.close, Executor.shutdown)
 * @pool: pool
 * @mode: IPK_DRAIN: run all submitted tasks; IPK_DISCARD: cancel those that have not started
 *
 * Workers end when no task is left. IPK_DISCARD may follow IPK_DRAIN.
 *
 * Blocks:  no.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0, also if repeated; -EINVAL; -EBADF; -EPERM not its creator.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_shutdown(ipk_pool *pool, ipk_shutdown mode);

/**
 * ipk_pool_join() - wait until the workers have ended
 * @pool:     pool that was shut down or terminated
 * @deadline: when to stop waiting
 *
 * Blocks:  until all tasks have finished, all callbacks have returned and all workers have ended.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0; -ETIMEDOUT; -EBUSY it was not shut down; -EDEADLK in a callback of its futures;
 * -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_join(ipk_pool *pool, ipk_deadline deadline);

/**
 * ipk_pool_terminate() - cancel all tasks and kill the workers
 * @pool: pool
 *
 * Every unfinished task is cancelled; worker processes are killed.
 *
 * Blocks:  no.
 * Source:  lib/pool/pool.c          Since: 0.4
 *
 * Return: 0, also if repeated; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_terminate(ipk_pool *pool);

/**
 * ipk_pool_resize() - change the number of workers
 * @pool:      pool
 * @n_workers: 1 .. IPK_POOL_WORKERS_MAX; 0: ipk_cpu_count()
 *
 * New workers start at once; surplus ones end after their current task.
 *
 * Blocks:  no.
 * Source:  lib/pool/pool_workers.c          Since: 0.4
 *
 * Return: 0; -EINVAL; -ESHUTDOWN; -EBADF; -EPERM; as ipk_pool_create() if a start fails.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_resize(ipk_pool *pool, unsigned n_workers);

/**
 * ipk_pool_progress() - take a snapshot of the progress
 * @pool:         pool; also a copy of the handle in a fork child
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
	IPK_WORKER_ENDING = 3, /* surplus, or reached max_tasks_per_worker */
} ipk_worker_state;

typedef struct ipk_worker_info {
	unsigned number; /* as returned by ipk_task_worker() */
	pid_t pid;       /* 0: a thread */
	ipk_worker_state state;
	int64_t since_ns;     /* approximate time in this state, or at the current task or item */
	uint64_t n_done;      /* tasks and items that it ran, failed ones included */
	uint64_t reserved[8]; /* 0 */
} ipk_worker_info;

/**
 * ipk_pool_workers() - take a snapshot of the workers
 * @pool:        pool
 * @ret_workers: ordered by number; may be NULL when @max is 0
 * @max:         how many entries the array has room for
 * @ret_n:       number of workers; may exceed @max; lower than configured while dead workers are
 *               being replaced
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/pool/pool_workers.c          Since: 0.4
 *
 * Return: 0; -EINVAL; -EBADF; -EPERM not its creator.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_workers(ipk_pool *pool, ipk_worker_info *ret_workers,
					    size_t max, size_t *ret_n);

/**
 * ipk_pool_forgive() - release all tasks from quarantine
 * @pool: pool
 *
 * Blocks:  no.
 * Source:  lib/pool/quarantine.c    Since: 0.4
 *
 * Return: 0; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_forgive(ipk_pool *pool);

/* --- single tasks ----------------------------------------------------------------------------- */

/**
 * ipk_pool_submit() - submit a task (Python: apply_async, Executor.submit)
 * @pool:       pool
 * @fn:         of this program, or of a library loaded before the pool was created
 * @arg:        @arg_bytes bytes, copied before return
 * @arg_bytes:  0 .. 1 GiB
 * @opts:       NULL for the defaults
 * @ret_future: future of the result; NULL if it is not needed
 *
 * Order:   tasks start in the order in which they were submitted.
 * Blocks:  no; tasks that no worker can take yet are kept in memory.
 * Callers: any thread.
 * Crash:   a task is started once, and again only if its worker dies and n_retries allows it.
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
 * @ret_future: future of the result; may be NULL
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
 * @buf:           buffer for the result, as in ipk_future_get()
 * @buf_bytes:     its size
 * @deadline:      when to stop waiting; the task is cancelled then
 * @ret_len_bytes: length of the result; may be NULL
 *
 * Blocks:  until the task has finished.
 * Source:  lib/pool/group.c         Since: 0.4
 *
 * Return: as ipk_pool_submit() and ipk_future_get().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_apply(ipk_pool *pool, ipk_task_fn fn, const void *arg,
					  size_t arg_bytes, void *buf, size_t buf_bytes,
					  ipk_deadline deadline, size_t *ret_len_bytes);

/* --- maps over items of one size -------------------------------------------------------------- */

/* Computes the result of one item; a return value other than 0 fails the item. See
 * ipk_task_current(). */
typedef int (*ipk_map_fn)(const void *item, void *ret_result);

/*
 * ipk_pool_map(pool, square, xs, ys, n, deadline): ys[i] = square(xs[i]), on all CPUs. The types of
 * the pointers give the sizes of items and results; void pointers do not compile.
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
 * @items:        @n items of @item_bytes each; copied before the first one starts
 * @item_bytes:   1 or more
 * @results:      @n results of @result_bytes each, written when all items have finished; those of
 *                failed items are not changed. NULL with @result_bytes 0
 * @result_bytes: 0 or more
 * @n:            number of items; 0 returns at once
 * @opts:         NULL for the defaults
 * @deadline:     when to stop waiting; unfinished items are cancelled then
 *
 * Order:   results are in the order of the items.
 * Blocks:  until all items have finished or failed.
 * Crash:   if a worker is killed, the item it ran fails, or is retried (n_retries); the rest of
 *          its chunk goes to other workers.
 * Cost:    about 20 ns per item in chunks of one, less otherwise; items and results are copied.
 * Source:  lib/pool/map.c           Since: 0.4
 *
 * Return: 0 all succeeded; the error of the first failed item as in ipk_future_get() (see
 * ipk_pool_map_async() and ipk_future_failures() for all of them); -ETIMEDOUT; others as in
 * ipk_pool_submit().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_map_items(ipk_pool *pool, ipk_map_fn fn, const void *items,
					      size_t item_bytes, void *results, size_t result_bytes,
					      size_t n, const ipk_task_opts *opts,
					      ipk_deadline deadline);

/**
 * ipk_pool_map_async() - ipk_pool_map_items() without waiting
 * @pool:         as in ipk_pool_map_items()
 * @fn:           as there
 * @items:        as there
 * @item_bytes:   as there
 * @result_bytes: as there
 * @n:            as there
 * @opts:         as there
 * @ret_future:   ipk_future_get() returns the array of results; those of failed items are zeros
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
 * A slice of two shared arrays: @items and @results point to item @first; @n_items of them are to
 * be processed. A return value other than 0 fails the slice.
 */
typedef int (*ipk_slice_fn)(const void *items, void *results, size_t first, size_t n_items);

/**
 * ipk_pool_map_array() - process shared arrays in place
 * @pool:     pool
 * @fn:       gets one slice at a time
 * @items:    anonymous or named array; may be created after the pool
 * @results:  array of the same length, or @items itself; NULL: none
 * @opts:     chunk is the number of items per slice; 0: chosen
 * @deadline: when to stop waiting; unfinished slices are cancelled then
 *
 * Nothing is copied. If a worker is killed, its slice may be partly written; with n_retries it is
 * run again, so @fn must be repeatable if it works in place.
 *
 * Blocks:  until all slices have finished. With thread workers it also waits, past the deadline,
 *          until running slices have returned, because they use the arrays.
 * Source:  lib/pool/map_array.c     Since: 0.4
 *
 * Return: as ipk_pool_map_items(); -EINVAL lengths differ.
 */
IPK_API IPK_MUST_CHECK int ipk_pool_map_array(ipk_pool *pool, ipk_slice_fn fn, ipk_array *items,
					      ipk_array *results, const ipk_task_opts *opts,
					      ipk_deadline deadline);

/* --- maps over items of any size -------------------------------------------------------------- */

/**
 * ipk_pool_starmap() - submit a task for each argument (Python: starmap_async)
 * @pool:       pool
 * @fn:         gets each argument; reads typed ones (ipk_pack()) with ipk_task_argf()
 * @args:       @n arguments, copied before return
 * @n:          number of arguments
 * @opts:       NULL for the defaults
 * @ret_future: finishes with the last task; see ipk_future_item() and ipk_future_failures()
 *
 * Blocks:  no.
 * Source:  lib/pool/group.c         Since: 0.4
 *
 * Return: as ipk_pool_submit().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_starmap(ipk_pool *pool, ipk_task_fn fn, const ipk_bytes *args,
					    size_t n, const ipk_task_opts *opts,
					    ipk_future **ret_future);

/* 1: *ret_item is the next item, valid until the next call; 0: end of input; or -errno. */
typedef int (*ipk_next_fn)(void *arg, ipk_bytes *ret_item);

typedef struct ipk_imap ipk_imap;

typedef struct ipk_imap_opts {
	size_t struct_size; /* sizeof(ipk_imap_opts) */
	bool is_unordered;  /* return results as they finish, not in the order of the input */
	size_t window; /* limit of items in progress, not counting returned ones; 0: 16 a worker */
	size_t chunk;  /* items read from the input at a time; 0: 1 */
	const ipk_task_opts *task;
} ipk_imap_opts;

#define IPK_IMAP(...) IPK_OPTS(imap, __VA_ARGS__)

/**
 * ipk_pool_imap() - map over an input that is read only as fast as results are taken
 * @pool:     pool
 * @fn:       gets each item
 * @next:     returns the items; called by ipk_imap_next(), in its thread
 * @next_arg: passed to @next
 * @opts:     NULL for the defaults
 * @ret_imap: read it with ipk_imap_next()
 *
 * Python reads the whole input at once; here at most the window is read ahead.
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
 * @ret_future: a finished future, to be closed; ipk_future_index() tells the item
 *
 * Blocks:  until the next item has finished; and in @next.
 * Source:  lib/pool/imap.c          Since: 0.4
 *
 * An error of @next is returned after the results of all items before it, as in Python; the next
 * call continues with @next.
 *
 * Return: 0, also for a failed item; -ENOENT end of input; -ETIMEDOUT; the error of @next; others
 * as in ipk_pool_submit(). It may be called again after an error.
 */
IPK_API IPK_MUST_CHECK int ipk_imap_next(ipk_imap *imap, ipk_deadline deadline,
					 ipk_future **ret_future);

/**
 * ipk_imap_close() - abandon the remaining items
 * @imap: NULL is fine
 *
 * Items in progress are cancelled.
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

/* Combines two partial results and returns the result by ipk_task_return(). Runs in a worker. */
typedef int (*ipk_combine_fn)(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b);

/**
 * ipk_pool_map_reduce() - run a task for each argument and combine the results
 * @pool:          pool
 * @map:           gets each argument
 * @combine:       gets two results, in any order and grouping: it must be associative and
 *                 commutative
 * @args:          @n arguments
 * @n:             1 or more
 * @opts:          NULL for the defaults; for both functions
 * @deadline:      when to stop waiting; unfinished tasks are cancelled then
 * @ret_data:      the combined result, for free()
 * @ret_len_bytes: its length; may be NULL
 *
 * Combining starts with the first two results. The first failure of a task fails the call.
 *
 * Blocks:  until the combined result is available.
 * Source:  lib/pool/reduce.c        Since: 0.4
 *
 * Return: 0; as ipk_pool_map_items().
 */
IPK_API IPK_MUST_CHECK int ipk_pool_map_reduce(ipk_pool *pool, ipk_task_fn map,
					       ipk_combine_fn combine, const ipk_bytes *args,
					       size_t n, const ipk_task_opts *opts,
					       ipk_deadline deadline, void **ret_data,
					       size_t *ret_len_bytes);

/* --- in a task -------------------------------------------------------------------------------- */

/**
 * ipk_task_return() - set the task's result
 * @task:    the task
 * @data:    @n_bytes bytes, copied
 * @n_bytes: 0 .. max_result_bytes
 *
 * The last call counts, and only if the task returns 0. For tasks that get an ipk_task; an
 * ipk_map_fn writes to its result pointer instead.
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
 * ipk_task_fail() - set the error text: return ipk_task_fail(task, -EIO, "no %s", path)
 * @task:   the task
 * @code:   returned unchanged; should not be 0
 * @format: as in printf(); truncated to IPK_FAILURE_TEXT_BYTES
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: @code.
 */
IPK_API int ipk_task_fail(ipk_task *task, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * ipk_task_should_stop() - whether the soft time limit has passed or the task was cancelled
 * @task: the task
 *
 * Blocks:  no.
 * Cost:    a read of shared memory.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: true if the task should return soon.
 */
IPK_API bool ipk_task_should_stop(const ipk_task *task);

/**
 * ipk_task_attempt() - how often the task was started, this attempt included
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
 * Return: 0 .. IPK_POOL_WORKERS_MAX - 1; a replacement worker has the same number.
 */
IPK_API unsigned ipk_task_worker(const ipk_task *task);

/**
 * ipk_task_current() - the task that this thread runs
 *
 * Blocks:  no.
 * Source:  lib/pool/worker_task.c   Since: 0.4
 *
 * Return: the task, also in an ipk_map_fn and ipk_slice_fn; NULL outside of a task.
 */
IPK_API ipk_task *ipk_task_current(void);

#ifdef __cplusplus
}
#endif

#endif
