/*
 * future.h - the future result of a task (Python: AsyncResult, concurrent.futures.Future).
 *
 * Every future finishes in exactly one way: with a result, or with a failure and its cause
 * (ipk_failure). A future belongs to the process that submitted the task; any of its threads may
 * use it. It stays valid when its pool is closed.
 */
#ifndef IPK_FUTURE_H
#define IPK_FUTURE_H

#include "deadline.h"
#include "process.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_future ipk_future;

typedef enum ipk_future_state {
	IPK_FUTURE_PENDING = 0,   /* not started */
	IPK_FUTURE_RUNNING = 1,   /* started; of a map: at least one item */
	IPK_FUTURE_DONE = 2,      /* with a result */
	IPK_FUTURE_FAILED = 3,    /* with a failure */
	IPK_FUTURE_CANCELLED = 4, /* with the failure IPK_FAILURE_CANCELLED */
} ipk_future_state;

/* Why a task failed, and what ipk_future_get() returns for it. */
typedef enum ipk_failure_cause {
	IPK_FAILURE_NONE = 0,
	IPK_FAILURE_TASK = 1,        /* -EREMOTEIO: the function returned an error of its own */
	IPK_FAILURE_DIED = 2,        /* -EOWNERDEAD: the worker ended while it ran the task */
	IPK_FAILURE_TIMEOUT = 3,     /* -ETIME: it exceeded its time limit and was stopped */
	IPK_FAILURE_CANCELLED = 4,   /* -ECANCELED: by ipk_future_cancel() or with its pool */
	IPK_FAILURE_QUARANTINED = 5, /* -EOWNERDEAD: this task repeatedly killed its workers */
	IPK_FAILURE_TOO_LARGE = 6,   /* -EFBIG: its result exceeds max_result_bytes */
} ipk_failure_cause;

#define IPK_FAILURE_TEXT_BYTES 128

typedef struct ipk_failure {
	ipk_failure_cause cause;
	/* IPK_FAILURE_TASK: what the function returned, or -ENOMEM if there was no memory for its
	 * result; otherwise -errno as above. */
	int code;
	unsigned n_attempts;       /* number of starts */
	size_t index;              /* of a map: which item; otherwise 0 */
	pid_t pid;                 /* of the last worker that ran it; 0: none, or a thread */
	ipk_process_status status; /* IPK_FAILURE_DIED: how that worker ended */
	char text[IPK_FAILURE_TEXT_BYTES]; /* from ipk_task_fail(), or a description */
	uint64_t reserved[8];              /* 0 */
} ipk_failure;

/**
 * ipk_future_close() - close the handle
 * @f: NULL is fine
 *
 * The task continues, and its result is discarded; to stop the task, cancel it first.
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: NULL.
 */
IPK_API ipk_future *ipk_future_close(ipk_future *f);

static inline void ipk_future_closep(ipk_future **f)
{
	*f = ipk_future_close(*f);
}

/**
 * ipk_future_get() - wait for the result and copy it out
 * @f:             future
 * @buf:           @buf_bytes bytes
 * @buf_bytes:     0 if only the outcome is of interest: the result may then have any length
 * @deadline:      when to stop waiting; the task continues
 * @ret_len_bytes: length of the result; may be NULL
 *
 * The result of a map is the array of its results; it is copied even if some items failed, with
 * zeros for these. Further calls return the same.
 *
 * Blocks:  until the task has finished.
 * Callers: any thread of the process that submitted it.
 * Crash:   if the worker is killed, this is noticed at once: the task fails or is retried.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -ETIMEDOUT it has not finished; -EMSGSIZE @buf is too small, nothing was copied; for a
 * failure the error listed at ipk_failure_cause, for a map that of the first failed item; -EBADF;
 * -EINVAL; -ENOMEM; -EPERM in a process that did not submit it.
 */
IPK_API IPK_MUST_CHECK int ipk_future_get(ipk_future *f, void *buf, size_t buf_bytes,
					  ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_future_get_alloc() - wait for the result and copy it into newly allocated memory
 * @f:             future
 * @deadline:      when to stop waiting; the task continues
 * @ret_data:      the result, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length; may be NULL
 *
 * Blocks:  until the task has finished.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: as ipk_future_get(); -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_get_alloc(ipk_future *f, ipk_deadline deadline,
						void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_future_getf() - wait for the result and read typed values out of it
 * @f:        future
 * @deadline: when to stop waiting; the task continues
 * @format:   as in ipk_unpack(); what S and y return is valid until the future is closed
 *
 * Blocks:  until the task has finished.
 * Source:  lib/pool/typed.c         Since: 0.4
 *
 * Return: as ipk_future_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_future_getf(ipk_future *f, ipk_deadline deadline, const char *format,
					   ...);

/**
 * ipk_future_wait() - wait until the task has finished
 * @f:        future
 * @deadline: when to stop waiting
 *
 * Blocks:  until the task has finished.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0 it has finished, with or without a result; -ETIMEDOUT; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_wait(ipk_future *f, ipk_deadline deadline);

/**
 * ipk_future_state_of() - the state of the task
 * @f: future
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: its state; IPK_FUTURE_CANCELLED for NULL.
 */
IPK_API ipk_future_state ipk_future_state_of(ipk_future *f);

/* Whether it has finished, with or without a result. */
static inline bool ipk_future_is_done(ipk_future *f)
{
	return ipk_future_state_of(f) >= IPK_FUTURE_DONE;
}

/**
 * ipk_future_failure() - why the task failed
 * @f:           future that has finished
 * @ret_failure: of a map the failed item with the smallest index; IPK_FAILURE_NONE for a result
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -EAGAIN it has not finished; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_failure(ipk_future *f, ipk_failure *ret_failure);

/**
 * ipk_future_failures() - which items of a map failed, and why
 * @f:            future of a map or starmap that has finished
 * @ret_failures: the first @max of them, by index
 * @max:          0 to only count them
 * @ret_n:        number of failed items; may exceed @max
 *
 * The error texts of the first 64 failures of each map are kept.
 *
 * Blocks:  no.
 * Source:  lib/pool/map_failures.c  Since: 0.4
 *
 * Return: 0; -EAGAIN it has not finished; -EINVAL; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_failures(ipk_future *f, ipk_failure *ret_failures, size_t max,
					       size_t *ret_n);

/**
 * ipk_future_item() - the future of one item of a starmap
 * @f:        future of a starmap
 * @index:    which item
 * @ret_item: a separate future, to be closed
 *
 * Blocks:  no.
 * Source:  lib/pool/group.c         Since: 0.4
 *
 * Return: 0; -ERANGE; -EOPNOTSUPP not of a starmap; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_future_item(ipk_future *f, size_t index, ipk_future **ret_item);

/**
 * ipk_future_index() - the number of the item that the future belongs to
 * @f: from ipk_imap_next() or ipk_future_item()
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: its index in the input, from 0; 0 for other futures and NULL.
 */
IPK_API size_t ipk_future_index(const ipk_future *f);

/**
 * ipk_future_cancel() - cancel the task
 * @f: future
 *
 * A task that has not started is dropped. A running one is stopped: its worker process is killed
 * and replaced; with thread workers only the result is discarded, and ipk_task_should_stop()
 * returns true in the task. Finished items of a map keep their results.
 *
 * Blocks:  no.
 * Source:  lib/pool/tasks.c         Since: 0.4
 *
 * Return: 0 it is cancelled (also if it already was); -EALREADY it has finished; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_cancel(ipk_future *f);

typedef void (*ipk_future_fn)(ipk_future *f, void *arg);

/**
 * ipk_future_on_done() - register a callback for the end of the task
 * @f:   future
 * @fn:  called once, with the future: in the pool's thread, or at once in this thread if the task
 *       has already finished. It should return quickly, since other callbacks wait for it; it must
 *       not create a pool. In the pool's thread it may end with pthread_exit(): that ends only the
 *       callback.
 * @arg: passed to @fn
 *
 * The future is kept until @fn has returned, even if it is closed before. Several callbacks may be
 * registered.
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -EINVAL; -ENOMEM; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_on_done(ipk_future *f, ipk_future_fn fn, void *arg);

/**
 * ipk_future_fd() - an fd that is readable (POLLIN) once the task has finished
 * @f:      future
 * @ret_fd: owned by the future: do not read or close it
 *
 * Blocks:  no.
 * Cost:    an fd per future for which it is called.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -EMFILE; -ENFILE; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_fd(ipk_future *f, int *ret_fd);

typedef enum ipk_wait_for {
	IPK_WAIT_ALL = 0,         /* all have finished (Python: ALL_COMPLETED) */
	IPK_WAIT_FIRST = 1,       /* one has finished (FIRST_COMPLETED) */
	IPK_WAIT_FIRST_ERROR = 2, /* one has failed, or all have finished (FIRST_EXCEPTION) */
} ipk_wait_for;

/**
 * ipk_futures_wait() - wait for several futures
 * @futures:   @n futures, of any pools; NULLs count as finished; duplicates are allowed
 * @n:         number of futures; 0 returns at once
 * @wait_for:  IPK_WAIT_*
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the condition of @wait_for is met.
 * Source:  lib/pool/futures.c       Since: 0.4
 *
 * Return: 0; -ETIMEDOUT; -EINVAL; -EPERM; -ENOMEM. ipk_future_is_done() then tells which have
 * finished.
 */
IPK_API IPK_MUST_CHECK int ipk_futures_wait(ipk_future *const *futures, size_t n,
					    ipk_wait_for wait_for, ipk_deadline deadline);

typedef struct ipk_as_completed ipk_as_completed;

/**
 * ipk_as_completed_open() - iterate over futures in the order in which they finish
 * @futures:  @n futures, none NULL; the iterator keeps them until it has returned them, even if
 *            they are closed before
 * @n:        how many
 * @ret_iter: to be closed
 *
 * Blocks:  no.
 * Source:  lib/pool/futures.c       Since: 0.4
 *
 * Return: 0; -EINVAL; -ENOMEM; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_as_completed_open(ipk_future *const *futures, size_t n,
						 ipk_as_completed **ret_iter);

/**
 * ipk_as_completed_next() - the next future that has finished
 * @iter:      iterator
 * @deadline:  when to stop waiting
 * @ret_index: its index in @futures; each index is returned once, duplicates too
 *
 * Blocks:  until another one has finished.
 * Source:  lib/pool/futures.c       Since: 0.4
 *
 * Return: 0; -ENOENT all were returned; -ETIMEDOUT; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_as_completed_next(ipk_as_completed *iter, ipk_deadline deadline,
						 size_t *ret_index);

/**
 * ipk_as_completed_close() - close the iterator
 * @iter: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/pool/futures.c       Since: 0.4
 *
 * Return: NULL.
 */
IPK_API ipk_as_completed *ipk_as_completed_close(ipk_as_completed *iter);

static inline void ipk_as_completed_closep(ipk_as_completed **iter)
{
	*iter = ipk_as_completed_close(*iter);
}

#ifdef __cplusplus
}
#endif

#endif
