/*
 * manager_queue.h - a queue on a server (Python: manager.Queue(), manager.JoinableQueue()). Within
 * one machine the queue of ipk/queue.h is far faster.
 *
 * When a put returns, the item is in the server, and in its log if it has one. If a process dies,
 * the items of a joinable queue that it took and did not report as done return to the front.
 */
#ifndef IPK_MANAGER_QUEUE_H
#define IPK_MANAGER_QUEUE_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_managed_queue ipk_managed_queue;

typedef struct ipk_managed_queue_opts {
	size_t struct_size;  /* sizeof(ipk_managed_queue_opts) */
	ipk_queue_kind kind; /* IPK_QUEUE_FIFO, _LIFO or _PRIORITY */
	uint64_t max_items;  /* 0: no limit */
	bool is_joinable;
} ipk_managed_queue_opts;

#define IPK_MANAGED_QUEUE(...) IPK_OPTS(managed_queue, __VA_ARGS__)

typedef struct ipk_managed_queue_state {
	uint64_t n_items;
	uint64_t max_items;
	uint64_t n_unfinished; /* put and not reported done, of a joinable one */
	bool is_shut_down;
	bool is_joinable;
	ipk_queue_kind kind;
	uint64_t reserved[8]; /* 0 */
} ipk_managed_queue_state;

/**
 * ipk_managed_queue_open() - open a queue; create it if it does not exist
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @opts:       options of a new one, NULL: FIFO without limit. An existing one must have the same
 *              options; NULL accepts any
 * @deadline:   when to stop waiting
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is an object of another kind, or has other options;
 * -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_open(ipk_manager *m, const char *name,
						  const ipk_managed_queue_opts *opts,
						  ipk_deadline deadline,
						  ipk_managed_queue **ret_handle);

/**
 * ipk_managed_queue_close() - close the handle
 * @handle: NULL is fine; no other thread may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_queue *ipk_managed_queue_close(ipk_managed_queue *handle);

static inline void ipk_managed_queue_closep(ipk_managed_queue **handle)
{
	*handle = ipk_managed_queue_close(*handle);
}

/**
 * ipk_managed_queue_put() - put one item into the queue
 * @q:         queue
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to stop waiting
 *
 * Blocks:  while the queue is full.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -ESHUTDOWN; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_put(ipk_managed_queue *q, const void *data,
						 size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_managed_queue_put_priority() - put one item with a priority
 * @q:         queue; one that is not IPK_QUEUE_PRIORITY ignores the priority
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @priority:  smallest first, equal ones in order
 * @deadline:  when to stop waiting
 *
 * Blocks:  while the queue is full, and until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: as ipk_managed_queue_put().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_put_priority(ipk_managed_queue *q, const void *data,
							  size_t len_bytes, int64_t priority,
							  ipk_deadline deadline);

/**
 * ipk_managed_queue_put_many() - put several items
 * @q:         queue
 * @items:     @n_items items, in order
 * @n_items:   1 or more
 * @deadline:  when to stop waiting
 * @ret_n_put: less than @n_items if the deadline passed; may be NULL
 *
 * Blocks:  while the queue is full and items are left.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0 if at least one was put; otherwise as ipk_managed_queue_put().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_put_many(ipk_managed_queue *q, const ipk_bytes *items,
						      size_t n_items, ipk_deadline deadline,
						      size_t *ret_n_put);

/**
 * ipk_managed_queue_get_alloc() - remove the next item and return it
 * @q:             queue
 * @deadline:      when to stop waiting
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  while the queue is empty.
 * Crash:   the item returns to a joinable queue if this process dies before it reports it as done.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -ESHUTDOWN shut down, and empty; -ETIMEDOUT; -EPIPE; -EBADF; -ENOMEM; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_get_alloc(ipk_managed_queue *q, ipk_deadline deadline,
						       void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_managed_queue_putf() - put typed values as one item
 * @q:        queue
 * @deadline: when to stop waiting
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  while the queue is full, and until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: as ipk_managed_queue_put() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_putf(ipk_managed_queue *q, ipk_deadline deadline,
						  const char *format, ...);

/**
 * ipk_managed_queue_getf() - get the next item and read its typed values
 * @q:        queue
 * @deadline: when to stop waiting
 * @format:   as in ipk_unpack()
 *
 * What S and y return is valid until this thread's next ...getf() call.
 *
 * Blocks:  while the queue is empty, and until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: as ipk_managed_queue_get_alloc() and ipk_unpack(): an item that does not match the format
 * is removed and lost.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_getf(ipk_managed_queue *q, ipk_deadline deadline,
						  const char *format, ...);

/**
 * ipk_managed_queue_len() - number of items in the queue
 * @q:        queue
 * @deadline: when to stop waiting
 * @ret_len:  how many; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_len(ipk_managed_queue *q, ipk_deadline deadline,
						 uint64_t *ret_len);

/**
 * ipk_managed_queue_state_get() - the state of the queue
 * @q:         queue
 * @deadline:  when to stop waiting
 * @ret_state: a consistent snapshot
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_state_get(ipk_managed_queue *q, ipk_deadline deadline,
						       ipk_managed_queue_state *ret_state);

/**
 * ipk_managed_queue_task_done() - report received items as done
 * @q:        joinable queue
 * @n:        how many; 1 or more
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -EOWNERDEAD they are back in the queue, since the connection (on Redis, the lease) over
 * which they were received was lost; -EINVAL more than were taken; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_task_done(ipk_managed_queue *q, uint64_t n,
						       ipk_deadline deadline);

/**
 * ipk_managed_queue_join() - wait until all items that were put have been processed
 * @q:        joinable queue
 * @deadline: when to stop waiting
 *
 * Blocks:  while unprocessed items exist.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_join(ipk_managed_queue *q, ipk_deadline deadline);

/**
 * ipk_managed_queue_shutdown() - shut the queue down for all clients
 * @q:        queue
 * @mode:     IPK_DRAIN, or IPK_DISCARD: queued items are dropped
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_queue.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_queue_shutdown(ipk_managed_queue *q, ipk_shutdown mode,
						      ipk_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
