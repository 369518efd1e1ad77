/*
 * queue.h - a queue that many processes put into and get from (Python: multiprocessing.Queue,
 * JoinableQueue, SimpleQueue; queue.PriorityQueue and LifoQueue across processes).
 *
 * A queue is a one-way pipe with a robust put lock and a robust get lock. An item whose put
 * returned 0 is delivered to a plain get exactly once, whatever process is killed. The only
 * exception: a consumer that is killed inside the get call, after it took the item, loses it. A
 * consumer that must not lose items takes a lease: if the holder dies before the ack, the item is
 * redelivered and flagged.
 *
 * An anonymous queue is inherited over fork() or passed over a pipe; a named one is
 * opened by any process of the same user and pid namespace. Handles may be used by all
 * threads. There is no feeder thread: when put returns, the item is in the queue.
 */
#ifndef IPK_QUEUE_H
#define IPK_QUEUE_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_QUEUE_LEVELS 64u         /* priorities: 0 comes first, 63 last */
#define IPK_QUEUE_ITEMS_MAX 1000000u /* largest max_items */

typedef struct ipk_queue ipk_queue;

typedef enum ipk_queue_kind {
	IPK_QUEUE_FIFO = 0,
	IPK_QUEUE_LIFO = 1,     /* last in, first out */
	IPK_QUEUE_PRIORITY = 2, /* lowest level first, first in first out within a level */
	IPK_QUEUE_MQ = 3,       /* POSIX message queue: by name "mq:/NAME" only */
} ipk_queue_kind;

typedef struct ipk_queue_opts {
	size_t struct_size;       /* sizeof(ipk_queue_opts) */
	const char *name;         /* NULL: anonymous; [A-Za-z0-9._-]{1,200}, or "mq:/NAME" */
	const char *label;        /* shown by ipc-inspect for an anonymous one; "queue" */
	ipk_queue_kind kind;      /* FIFO */
	uint32_t max_items;       /* 0 .. IPK_QUEUE_ITEMS_MAX; 0: as many as fit in ring_bytes; in
				   * LIFO and priority queues ring_bytes / 128, of any length,
				   * so 4096 by default */
	size_t max_bytes;         /* total length of all queued messages; 0: no limit */
	size_t ring_bytes;        /* 4 KiB .. 1 GiB, rounded up to 2^n; 512 KiB. LIFO and priority
				   * queues keep their items in a store of this size. Messages
				   * that are longer or do not fit are stored in pages of
				   * their own. mq: the size of a message, default 8192 */
	size_t max_message_bytes; /* 1 .. IPK_MESSAGE_MAX_BYTES, the default */
	bool open_existing;       /* open one of that name if its options match */
} ipk_queue_opts;

#define IPK_QUEUE(...) IPK_OPTS(queue, __VA_ARGS__)

/**
 * ipk_queue_create() - create a queue
 * @opts:  NULL for an anonymous FIFO queue
 * @ret_q: the queue
 *
 * A named queue outlives its users, even after shutdown. A second run with open_existing then gets
 * the same queue, and -ESHUTDOWN from its first put, unless it was unlinked.
 *
 * Blocks:  no.
 * Crash:   a named queue is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_queue_unlink().
 * Cost:    its memory, prefaulted; 2 fds (3 after ipk_queue_fd()).
 * Source:  lib/queue/queue.c        Since: 0.1
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE one with other options
 * than @opts exists (open_existing); -ENOSPC; -EFBIG (RLIMIT_FSIZE); -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_create(const ipk_queue_opts *opts, ipk_queue **ret_q);

/**
 * ipk_queue_open() - open a named queue that another process created
 * @name:     the name it was created with, "mq:/NAME" too
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_q:    the queue
 *
 * The queue, or POSIX message queue, must belong to this user and be inaccessible to others.
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/queue/queue.c        Since: 0.1
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_open(const char *name, ipk_deadline deadline,
					  ipk_queue **ret_q);

/**
 * ipk_queue_close() - close the handle
 * @q: NULL is fine; no other thread may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/queue/queue.c        Since: 0.1
 *
 * Return: NULL.
 */
IPK_API ipk_queue *ipk_queue_close(ipk_queue *q);

static inline void ipk_queue_closep(ipk_queue **q)
{
	*q = ipk_queue_close(*q);
}

/**
 * ipk_queue_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/queue/queue.c        Since: 0.1
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_unlink(const char *name);

/**
 * ipk_queue_put() - put one item into the queue
 * @q:         queue
 * @data:      @len_bytes bytes, any alignment; copied before return; NULL only for 0 bytes
 * @len_bytes: 0 .. max_message_bytes
 * @deadline:  when to stop waiting for room
 *
 * Order:   FIFO in the order in which the puts returned, across all producers. Level 0 in a
 *          priority queue.
 * Blocks:  while the queue is full.
 * Callers: any thread of any process.
 * Crash:   a producer killed here has put the whole item or nothing.
 * Cost:    one lock, one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/queue/queue_put.c    Since: 0.1
 *
 * Return: 0; -ETIMEDOUT full; -ESHUTDOWN; -EMSGSIZE; -ENOSPC no memory for a long message; -EFBIG
 * it would exceed RLIMIT_FSIZE (there may be room again when no long message is left in the queue);
 * -EXDEV this process is in another pid namespace than the creator; -EBADF; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_put(ipk_queue *q, const void *data, size_t len_bytes,
					 ipk_deadline deadline);

/**
 * ipk_queue_put_level() - put one item with a priority
 * @q:         priority or mq queue
 * @data:      as in ipk_queue_put()
 * @len_bytes: as in ipk_queue_put()
 * @level:     0 (first) .. IPK_QUEUE_LEVELS - 1
 * @deadline:  when to stop waiting for room
 *
 * In a POSIX message queue, level L is message priority 63 - L.
 *
 * Order:   lower levels first, FIFO within a level.
 * Blocks:  while the queue is full.
 * Callers: any thread of any process.
 * Crash:   as ipk_queue_put().
 * Source:  lib/queue/queue_put.c    Since: 0.1
 *
 * Return: as ipk_queue_put(); -EINVAL level; -EOPNOTSUPP a FIFO or LIFO queue and @level
 * is not 0.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_put_level(ipk_queue *q, const void *data, size_t len_bytes,
					       unsigned level, ipk_deadline deadline);

/**
 * ipk_queue_get() - remove the next item and copy it into the caller's buffer
 * @q:             queue
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty items; mq: at least the queue's message size
 * @deadline:      when to stop waiting for an item
 * @ret_len_bytes: length of the item; may be NULL
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   a consumer killed before it takes the item leaves it first in the queue; one killed
 *          between that and return loses it (ipk_queue_lease() does not).
 * Cost:    one lock, one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/queue/queue_get.c    Since: 0.1
 *
 * Return: 0; -ETIMEDOUT empty; -ESHUTDOWN shut down and (IPK_DRAIN) empty; -EMSGSIZE the item is
 * longer than @buf_bytes and stays queued (ipk_queue_peek() tells its length); -EXDEV as
 * ipk_queue_put(); -EBADF; -EINVAL; -EPROTO or -ENOTRECOVERABLE another process damaged the queue.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_get(ipk_queue *q, void *buf, size_t buf_bytes,
					 ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_queue_get_alloc() - remove the next item and copy it into newly allocated memory
 * @q:             queue
 * @deadline:      when to stop waiting for an item
 * @ret_data:      the item, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   as ipk_queue_get().
 * Source:  lib/queue/queue_get.c    Since: 0.1
 *
 * Return: as ipk_queue_get(), without -EMSGSIZE; -ENOMEM, the item stays queued.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_get_alloc(ipk_queue *q, ipk_deadline deadline, void **ret_data,
					       size_t *ret_len_bytes);

/**
 * ipk_queue_peek() - copy the next item without removing it
 * @q:             queue
 * @buf:           @buf_bytes bytes
 * @buf_bytes:     a longer item is truncated to this length
 * @deadline:      when to stop waiting for an item
 * @ret_len_bytes: full length of the item, also if it was truncated
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   changes nothing.
 * Source:  lib/queue/queue_get.c    Since: 0.1
 *
 * Return: as ipk_queue_get(), without -EMSGSIZE; -EOPNOTSUPP mq.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_peek(ipk_queue *q, void *buf, size_t buf_bytes,
					  ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_queue_put_many() - put several items at once
 * @q:         queue
 * @items:     @n_items items, in order
 * @n_items:   0 .. any number
 * @deadline:  when to stop waiting for room
 * @ret_n_put: number of items put; NULL only if a short count is of no interest
 *
 * Puts as many items as fit under one lock, then waits for room for the rest.
 *
 * Order:   as ipk_queue_put(); if it had to wait, items of other producers may be in between.
 * Blocks:  while the queue is full and items are left.
 * Callers: any thread of any process.
 * Crash:   if a producer is killed here, the first k items are in the queue, for some k.
 * Source:  lib/queue/queue_put.c    Since: 0.1
 *
 * Return: 0 if at least one was put (or @n_items is 0): *@ret_n_put is less than @n_items if the
 * deadline passed or the queue was shut down during the call; otherwise as ipk_queue_put().
 */
IPK_API IPK_MUST_CHECK int ipk_queue_put_many(ipk_queue *q, const ipk_bytes *items, size_t n_items,
					      ipk_deadline deadline, size_t *ret_n_put);

/**
 * ipk_queue_get_many() - get several items at once
 * @q:           queue
 * @buf:         the items are stored here one after the other, each 8-byte aligned
 * @buf_bytes:   length of @buf
 * @max_items:   1 or more
 * @deadline:    when to stop waiting for the first item
 * @ret_items:   @max_items entries, filled with pointers into @buf
 * @ret_n_items: number of items taken
 *
 * Waits for one item, then takes all others that are queued and fit.
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   as ipk_queue_get(), for all of them.
 * Source:  lib/queue/queue_get.c    Since: 0.1
 *
 * Return: as ipk_queue_get(); -EMSGSIZE if the first item does not fit.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_get_many(ipk_queue *q, void *buf, size_t buf_bytes,
					      size_t max_items, ipk_deadline deadline,
					      ipk_bytes *ret_items, size_t *ret_n_items);

/**
 * ipk_queue_putf() - pack typed values and put them as one item
 * @q:        queue
 * @deadline: as in ipk_queue_put()
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  while the queue is full.
 * Source:  lib/queue/queue_typed.c  Since: 0.1
 *
 * Return: as ipk_queue_put() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_queue_putf(ipk_queue *q, ipk_deadline deadline, const char *format,
					  ...);

/**
 * ipk_queue_getf() - get the next item and unpack its typed values
 * @q:        queue
 * @deadline: as in ipk_queue_get()
 * @format:   as in ipk_unpack(), with s for strings; S and y are -EINVAL here, because they would
 *            point into the item (use ipk_queue_get() and ipk_unpack())
 *
 * An item that does not match the format stays in the queue (mq: it is lost).
 *
 * Blocks:  while the queue is empty.
 * Source:  lib/queue/queue_typed.c  Since: 0.1
 *
 * Return: as ipk_queue_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_queue_getf(ipk_queue *q, ipk_deadline deadline, const char *format,
					  ...);

/* A leased item: it returns to the queue unless it is acknowledged. */
typedef struct ipk_lease ipk_lease;

/**
 * ipk_queue_lease() - take a lease on the next item
 * @q:         queue
 * @deadline:  when to stop waiting for an item
 * @ret_lease: the lease
 *
 * The item returns to its place, flagged as redelivered, if the holder dies, closes the lease with
 * ipk_lease_close(), or rejects it with ipk_lease_nack(). The process holds the lease: a forked
 * child does not. At most 1024 leases exist at a time.
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   at every instant the item is either leased or queued.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: as ipk_queue_get(), without -EMSGSIZE; -ENOMEM; -ENOSPC 1024 leases exist, or no memory
 * for a long item; -EOPNOTSUPP mq.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_lease(ipk_queue *q, ipk_deadline deadline,
					   ipk_lease **ret_lease);

/**
 * ipk_lease_data() - the leased item
 * @l:             lease
 * @ret_len_bytes: its length; may be NULL
 *
 * Blocks:  no.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: its bytes, valid until the lease ends; NULL for NULL.
 */
IPK_API const void *ipk_lease_data(const ipk_lease *l, size_t *ret_len_bytes);

/**
 * ipk_lease_is_redelivered() - whether the item was leased before
 * @l: lease
 *
 * Blocks:  no.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: true if an earlier holder died, closed the lease or rejected it.
 */
IPK_API bool ipk_lease_is_redelivered(const ipk_lease *l);

/**
 * ipk_lease_ack() - acknowledge the item: remove it from the queue
 * @l: lease; after success only ipk_lease_close() may be called on it
 *
 * It also counts as ipk_queue_task_done().
 *
 * Blocks:  at most as long as a get by another process.
 * Crash:   one atomic store commits: if killed before it, the item is redelivered.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: 0; -EBADF; -EINVAL the lease has ended, or belongs to another process; -ETIMEDOUT a
 * process was stopped inside the queue for over 1 s.
 */
IPK_API IPK_MUST_CHECK int ipk_lease_ack(ipk_lease *l);

/**
 * ipk_lease_nack() - reject the item, for redelivery
 * @l: lease; after success only ipk_lease_close() may be called on it
 *
 * Blocks:  at most as long as a get by another process.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: 0; -EBADF; -EINVAL the lease has ended, or belongs to another process; -ETIMEDOUT a
 * process was stopped inside the queue for over 1 s.
 */
IPK_API IPK_MUST_CHECK int ipk_lease_nack(ipk_lease *l);

/**
 * ipk_lease_close() - free the lease; an active lease is rejected (nack)
 * @l: NULL is fine; close leases before their queue
 *
 * Blocks:  no.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: NULL.
 */
IPK_API ipk_lease *ipk_lease_close(ipk_lease *l);

static inline void ipk_lease_closep(ipk_lease **l)
{
	*l = ipk_lease_close(*l);
}

/**
 * ipk_queue_task_done() - mark one received item as processed
 * @q: queue
 *
 * Blocks:  no.
 * Crash:   one atomic add.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: 0; -EINVAL called more often than there were items; -EBADF; -EOPNOTSUPP mq.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_task_done(ipk_queue *q);

/**
 * ipk_queue_join() - wait until all items that were put have been processed
 * @q:        queue
 * @deadline: when to stop waiting
 *
 * An item is processed after ipk_queue_task_done() that follows its get, after ipk_lease_ack(), or
 * when IPK_DISCARD dropped it, in the queue or when its lease returned it. Items taken before
 * IPK_DISCARD are still waited for. A consumer that dies between a plain get and task_done leaves
 * its item unprocessed; one that dies with a lease does not.
 *
 * Blocks:  while unprocessed items exist.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EBADF; -EOPNOTSUPP mq.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_join(ipk_queue *q, ipk_deadline deadline);

/**
 * ipk_queue_shutdown() - shut the queue down for all processes
 * @q:    queue
 * @mode: IPK_DRAIN or IPK_DISCARD; IPK_DISCARD may follow IPK_DRAIN
 *
 * With IPK_DRAIN consumers continue to wait while items are leased, because these may return.
 *
 * Blocks:  at most as long as a get by another process.
 * Crash:   one atomic store commits.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: 0, also if already shut down that way; -EBADF; -EINVAL; -EOPNOTSUPP mq; -ETIMEDOUT a
 * process was stopped inside the queue for over 1 s.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_shutdown(ipk_queue *q, ipk_shutdown mode);

/**
 * ipk_queue_fd() - a doorbell fd for poll and epoll
 * @q:      queue
 * @ret_fd: readable (POLLIN) when an item may be available; owned by @q
 *
 * When it is readable, call get with ipk_now() until -ETIMEDOUT; only that rearms it. It may
 * become readable spuriously, at most twice a second. After fork() call this again in the child.
 *
 * Blocks:  no.
 * Crash:   a named queue keeps a FIFO next to its file for this; unlink removes both.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: 0; -EBADF; -EMFILE; -ENFILE; -ENOMEM; -ENOSPC; -ENOENT the name of a named queue was
 * removed; -EACCES the file in the doorbell's place is another user's, too, or has a second name;
 * -EPROTO it is no FIFO.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_fd(ipk_queue *q, int *ret_fd);

/**
 * ipk_queue_n_unfinished() - number of items that ipk_queue_join() waits for
 * @q: queue
 *
 * Blocks:  no.
 * Callers: any thread. The result is a snapshot.
 * Source:  lib/queue/queue_info.c   Since: 0.4
 *
 * Return: items put and not yet processed; 0 for NULL and mq.
 */
IPK_API size_t ipk_queue_n_unfinished(const ipk_queue *q);

/**
 * ipk_queue_is_shut_down() - whether it was shut down, in either mode
 * @q: queue
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/queue/queue_info.c   Since: 0.4
 *
 * Return: true after ipk_queue_shutdown(); false for NULL and mq.
 */
IPK_API bool ipk_queue_is_shut_down(const ipk_queue *q);

/**
 * ipk_queue_len() - number of items in the queue
 * @q: queue
 *
 * Exact at one instant during the call; leased items are not counted.
 *
 * Blocks:  no.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: the number, 0 for NULL.
 */
IPK_API size_t ipk_queue_len(const ipk_queue *q);

/**
 * ipk_queue_is_empty() - whether a get would block now
 * @q: queue
 *
 * Blocks:  no.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: true when there is no item.
 */
IPK_API bool ipk_queue_is_empty(const ipk_queue *q);

/**
 * ipk_queue_is_full() - whether a put of a 0-byte item would block now
 * @q: queue
 *
 * Blocks:  no.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: true if max_items or max_bytes is reached or the ring is full.
 */
IPK_API bool ipk_queue_is_full(const ipk_queue *q);

/**
 * ipk_queue_send() - send an anonymous queue to the other side of a pipe
 * @q:        queue, not mq
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/queue/queue_pass.c   Since: 0.1
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one or mq (send its name instead).
 */
IPK_API IPK_MUST_CHECK int ipk_queue_send(ipk_queue *q, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_queue_recv() - receive a queue that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_q:    the queue
 *
 * Order:   queues and fds passed over a pipe arrive in the order they were sent.
 * Blocks:  until the other side has sent it.
 * Source:  lib/queue/queue_pass.c   Since: 0.1
 *
 * Return: as ipk_pipe_recv_fd() and ipk_queue_open().
 */
IPK_API IPK_MUST_CHECK int ipk_queue_recv(ipk_pipe *via, ipk_deadline deadline, ipk_queue **ret_q);

#ifdef __cplusplus
}
#endif

#endif
