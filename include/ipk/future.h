/*
 * future.h - what will come of a task (Python: AsyncResult, concurrent.futures.Future).
 *
 * Every future ends, always in exactly one way: with a result, or with a failure that says
 * why (ipk_failure). A future belongs to the process that submitted the task; any of its
 * threads may use it. It stays good when its pool is closed.
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
	IPK_FUTURE_PENDING = 0,   /* no worker has begun with it */
	IPK_FUTURE_RUNNING = 1,   /* of a map: some worker has */
	IPK_FUTURE_DONE = 2,      /* with a result */
	IPK_FUTURE_FAILED = 3,    /* with a failure */
	IPK_FUTURE_CANCELLED = 4, /* with the failure IPK_FAILURE_CANCELLED */
} ipk_future_state;

/* Why there is no result, and what ipk_future_get() then returns. */
typedef enum ipk_failure_cause {
	IPK_FAILURE_NONE = 0,
	IPK_FAILURE_TASK = 1,        /* -EREMOTEIO: the function returned an error of its own */
	IPK_FAILURE_DIED = 2,        /* -EOWNERDEAD: the worker ended while it ran the task */
	IPK_FAILURE_TIMEOUT = 3,     /* -ETIME: it ran longer than it may, and was stopped */
	IPK_FAILURE_CANCELLED = 4,   /* -ECANCELED: by ipk_future_cancel() or with its pool */
	IPK_FAILURE_QUARANTINED = 5, /* -EOWNERDEAD: this task kept killing its workers */
	IPK_FAILURE_TOO_LARGE = 6,   /* -EFBIG: its result is over max_result_bytes */
} ipk_failure_cause;

#define IPK_FAILURE_TEXT_BYTES 128

typedef struct ipk_failure {
	ipk_failure_cause cause;
	/* IPK_FAILURE_TASK: what the function returned, or -ENOMEM when there was no memory for its
	 * result; otherwise -errno as above. */
	int code;
	unsigned n_attempts;       /* how often it was begun */
	size_t index;              /* of a map: which item; otherwise 0 */
	pid_t pid;                 /* of the worker that ran it last, 0 none did or a thread */
	ipk_process_status status; /* IPK_FAILURE_DIED: how that worker ended */
	char text[IPK_FAILURE_TEXT_BYTES]; /* in words: from ipk_task_fail(), or what happened */
	uint64_t reserved[8];              /* 0 */
} ipk_failure;

/**
 * ipk_future_close() - give up the handle
 * @f: NULL is fine
 *
 * The task goes on, and nobody learns what came of it; to stop it, cancel it first.
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
 * @buf_bytes:     0 when only the outcome is of interest: a result of any length is then fine
 * @deadline:      when to stop waiting; the task goes on
 * @ret_len_bytes: length of the result; may be NULL
 *
 * The result of a map is its array of results, which is copied also when some items failed: theirs
 * are zeros then. May be called again, and gives the same.
 *
 * Blocks:  until the task is over.
 * Callers: any thread of the process that submitted it.
 * Crash:   a killed worker is noticed at once and ends the task it ran, or begins it anew.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -ETIMEDOUT it is not over yet; -EMSGSIZE @buf is too small, nothing was copied;
 * for a failure one of those at ipk_failure_cause, of a map the first failed item's; -EBADF;
 * -EINVAL; -ENOMEM; -EPERM in another process than that which submitted it.
 */
IPK_API IPK_MUST_CHECK int ipk_future_get(ipk_future *f, void *buf, size_t buf_bytes,
					  ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_future_get_alloc() - wait for the result and copy it into memory made for it
 * @f:             future
 * @deadline:      when to stop waiting; the task goes on
 * @ret_data:      the result, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length; may be NULL
 *
 * Blocks:  until the task is over.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: as ipk_future_get(); -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_get_alloc(ipk_future *f, ipk_deadline deadline,
						void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_future_getf() - wait for the result and read typed values out of it
 * @f:        future
 * @deadline: when to stop waiting; the task goes on
 * @format:   as in ipk_unpack(); what S and y yield is good until the future is closed
 *
 * Blocks:  until the task is over.
 * Source:  lib/pool/typed.c         Since: 0.4
 *
 * Return: as ipk_future_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_future_getf(ipk_future *f, ipk_deadline deadline, const char *format,
					   ...);

/**
 * ipk_future_wait() - wait until the task is over
 * @f:        future
 * @deadline: when to stop waiting
 *
 * Blocks:  until the task is over.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0 it is over, with a result or not; -ETIMEDOUT; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_wait(ipk_future *f, ipk_deadline deadline);

/**
 * ipk_future_state_of() - how far the task is
 * @f: future
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: its state; IPK_FUTURE_CANCELLED for NULL.
 */
IPK_API ipk_future_state ipk_future_state_of(ipk_future *f);

/* Whether it is over, with a result or without. */
static inline bool ipk_future_is_done(ipk_future *f)
{
	return ipk_future_state_of(f) >= IPK_FUTURE_DONE;
}

/**
 * ipk_future_failure() - why there is no result
 * @f:           future that is over
 * @ret_failure: of a map the failed item with the smallest index; IPK_FAILURE_NONE for a result
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -EAGAIN it is not over yet; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_failure(ipk_future *f, ipk_failure *ret_failure);

/**
 * ipk_future_failures() - which items of a map failed, and why
 * @f:            future of a map or starmap that is over
 * @ret_failures: the first @max of them, by index
 * @max:          0 to only count them
 * @ret_n:        how many there are in all
 *
 * The words of the first 64 that failed in each map are kept.
 *
 * Blocks:  no.
 * Source:  lib/pool/map_failures.c  Since: 0.4
 *
 * Return: 0; -EAGAIN it is not over yet; -EINVAL; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_failures(ipk_future *f, ipk_failure *ret_failures, size_t max,
					       size_t *ret_n);

/**
 * ipk_future_item() - what came of one item of a starmap
 * @f:        future of a starmap
 * @index:    which
 * @ret_item: a future of its own, to be closed
 *
 * Blocks:  no.
 * Source:  lib/pool/group.c         Since: 0.4
 *
 * Return: 0; -ERANGE; -EOPNOTSUPP not of a starmap; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_future_item(ipk_future *f, size_t index, ipk_future **ret_item);

/**
 * ipk_future_index() - the number of the item that the future is of
 * @f: from ipk_imap_next() or ipk_future_item()
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: its place in the input, from 0; 0 for other futures and NULL.
 */
IPK_API size_t ipk_future_index(const ipk_future *f);

/**
 * ipk_future_cancel() - have the task not done
 * @f: future
 *
 * One that no worker has begun is dropped. A running one is stopped: its worker process is
 * killed and replaced; of a thread worker only the result is given up, and
 * ipk_task_should_stop() tells the task. Items of a map that are done stay done.
 *
 * Blocks:  no.
 * Source:  lib/pool/tasks.c         Since: 0.4
 *
 * Return: 0 it is cancelled, also when it was before; -EALREADY it is over; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_cancel(ipk_future *f);

typedef void (*ipk_future_fn)(ipk_future *f, void *arg);

/**
 * ipk_future_on_done() - be called when the task is over
 * @f:   future
 * @fn:  called once, with the future: in the pool's own thread, or at once here when the task
 *       is over already. It should be quick, since other callbacks wait for it; it must not
 *       create or close a pool.
 * @arg: passed to @fn
 *
 * The future is kept until @fn has returned, also when it is closed before. Several may be set.
 *
 * Blocks:  no.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -EINVAL; -ENOMEM; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_on_done(ipk_future *f, ipk_future_fn fn, void *arg);

/**
 * ipk_future_fd() - an fd that is readable (POLLIN) once the task is over
 * @f:      future
 * @ret_fd: owned by the future: not to be read or closed
 *
 * Blocks:  no.
 * Cost:    an fd for each future that is asked.
 * Source:  lib/pool/future.c        Since: 0.4
 *
 * Return: 0; -EMFILE; -ENFILE; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_future_fd(ipk_future *f, int *ret_fd);

typedef enum ipk_wait_for {
	IPK_WAIT_ALL = 0,         /* all are over (Python: ALL_COMPLETED) */
	IPK_WAIT_FIRST = 1,       /* one is over (FIRST_COMPLETED) */
	IPK_WAIT_FIRST_ERROR = 2, /* one has failed, or all are over (FIRST_EXCEPTION) */
} ipk_wait_for;

/**
 * ipk_futures_wait() - wait for several
 * @futures:   @n of them, of any pools; NULLs count as over, and the same may occur twice
 * @n:         how many; 0 is over at once
 * @wait_for:  IPK_WAIT_*
 * @deadline:  when to stop waiting
 *
 * Blocks:  until what is waited for has happened.
 * Source:  lib/pool/futures.c       Since: 0.4
 *
 * Return: 0; -ETIMEDOUT; -EINVAL; -EPERM; -ENOMEM. ipk_future_is_done() then tells which.
 */
IPK_API IPK_MUST_CHECK int ipk_futures_wait(ipk_future *const *futures, size_t n,
					    ipk_wait_for wait_for, ipk_deadline deadline);

typedef struct ipk_as_completed ipk_as_completed;

/**
 * ipk_as_completed_open() - go over futures in the order in which they end
 * @futures:  @n of them, none NULL; the iterator keeps them until it has given them, also when
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
 * ipk_as_completed_next() - the next one that is over
 * @iter:      iterator
 * @deadline:  when to stop waiting
 * @ret_index: its place in @futures; each is given once, duplicates too
 *
 * Blocks:  until one more is over.
 * Source:  lib/pool/futures.c       Since: 0.4
 *
 * Return: 0; -ENOENT all were given; -ETIMEDOUT; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_as_completed_next(ipk_as_completed *iter, ipk_deadline deadline,
						 size_t *ret_index);

/**
 * ipk_as_completed_close() - give up the iterator
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
