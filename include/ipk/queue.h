/*
 * queue.h - a queue that many processes put into and get from (Python: multiprocessing.Queue,
 * JoinableQueue, SimpleQueue; queue.PriorityQueue and LifoQueue across processes).
 *
 * A queue is a one-way pipe, a robust put lock and a robust get lock. What a put has
 * acknowledged (returned 0) is delivered exactly once to a plain get, whoever is killed
 * when; only a getter killed inside the call, after it took the item, takes it along. A
 * consumer that must not lose items even then takes a lease: an item whose holder dies
 * before the ack is delivered again, flagged.
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
	const char *label;        /* what ipc-inspect calls an anonymous one; "queue" */
	ipk_queue_kind kind;      /* FIFO */
	uint32_t max_items;       /* 0 .. IPK_QUEUE_ITEMS_MAX; 0: as many as fit in ring_bytes */
	size_t max_bytes;         /* of all messages inside together; 0: no such limit */
	size_t ring_bytes;        /* 4 KiB .. 1 GiB, rounded up to 2^n; 512 KiB. LIFO and priority
				   * queues keep their items in a store of this size. Longer
				   * messages, and those there is no room for, go to pages of
				   * their own. mq: the size of a message, default 8192 */
	size_t max_message_bytes; /* 1 .. IPK_MESSAGE_MAX_BYTES, the default */
	bool open_existing;       /* one of that name is opened instead, if it is like this */
} ipk_queue_opts;

#define IPK_QUEUE(...) IPK_OPTS(queue, __VA_ARGS__)

/**
 * ipk_queue_create() - make a queue
 * @opts:  NULL for an anonymous FIFO queue
 * @ret_q: the queue
 *
 * A named one stays when its users have ended, also shut down: with open_existing a second run
 * gets it as it is, and -ESHUTDOWN from its first put, unless somebody has unlinked it.
 *
 * Blocks:  no.
 * Crash:   a named queue appears whole or not at all; an anonymous one leaves nothing.
 *          A named one stays until ipk_queue_unlink().
 * Cost:    the memory, touched in advance; 2 fds (3 once ipk_queue_fd() was called).
 * Source:  lib/queue/queue.c        Since: 0.1
 *
 * Return: 0; -EINVAL name or option; -EEXIST the name is taken; -EPROTOTYPE by one that is not like
 * @opts (open_existing); -ENOSPC; -EFBIG (RLIMIT_FSIZE); -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_create(const ipk_queue_opts *opts, ipk_queue **ret_q);

/**
 * ipk_queue_open() - open a named queue that another process made
 * @name:     as it was made, "mq:/NAME" too
 * @deadline: when to stop waiting for it to be made; ipk_now() to try once
 * @ret_q:    the queue
 *
 * It must be this user's and open to nobody else, also a POSIX message queue.
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/queue/queue.c        Since: 0.1
 *
 * Return: 0; -ENOENT nobody has made it by then; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_open(const char *name, ipk_deadline deadline,
					  ipk_queue **ret_q);

/**
 * ipk_queue_close() - give up the handle
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
 * ipk_queue_unlink() - remove the name; who has the queue open keeps it
 * @name: as it was made
 *
 * Blocks:  no.
 * Source:  lib/queue/queue.c        Since: 0.1
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_unlink(const char *name);

/**
 * ipk_queue_put() - put one item into the queue
 * @q:         queue
 * @data:      @len_bytes bytes, any alignment; copied before return; NULL only for 0 bytes
 * @len_bytes: 0 .. max_message_bytes
 * @deadline:  when to stop waiting for room
 *
 * Order:   FIFO as the puts returned, for all producers together. Level 0 in a priority
 *          queue.
 * Blocks:  while the queue is full.
 * Callers: any thread of any process.
 * Crash:   a producer killed here leaves the item whole or not at all.
 * Cost:    one lock, one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/queue/queue_put.c    Since: 0.1
 *
 * Return: 0; -ETIMEDOUT full; -ESHUTDOWN; -EMSGSIZE; -ENOSPC no memory for a long message;
 * -EFBIG it would lie beyond RLIMIT_FSIZE (once no long message is left in the queue there may be
 * room again); -EXDEV this process is in another pid namespace than the queue's maker; -EBADF;
 * -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_put(ipk_queue *q, const void *data, size_t len_bytes,
					 ipk_deadline deadline);

/**
 * ipk_queue_put_level() - put one item with a priority
 * @q:         priority or mq queue
 * @data:      as in ipk_queue_put()
 * @len_bytes: as in ipk_queue_put()
 * @level:     0 (comes first) .. IPK_QUEUE_LEVELS - 1
 * @deadline:  when to stop waiting for room
 *
 * A POSIX message queue carries level L as message priority 63 - L.
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
 * ipk_queue_get() - take the next item out into the caller's buffer
 * @q:             queue
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty items; mq: at least the queue's message size
 * @deadline:      when to stop waiting for an item
 * @ret_len_bytes: length of the item; may be NULL
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   a consumer killed before the item is taken leaves it first in line; one killed
 *          after that, before return, takes it along (ipk_queue_lease() does not).
 * Cost:    one lock, one copy; a system call only to sleep or to wake a sleeper.
 * Source:  lib/queue/queue_get.c    Since: 0.1
 *
 * Return: 0; -ETIMEDOUT empty; -ESHUTDOWN shut down and (IPK_DRAIN) empty; -EMSGSIZE the
 * item is longer than @buf_bytes and stays (ipk_queue_peek() tells its length); -EXDEV as
 * ipk_queue_put(); -EBADF; -EINVAL; -EPROTO or -ENOTRECOVERABLE damaged by a foreign writer.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_get(ipk_queue *q, void *buf, size_t buf_bytes,
					 ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_queue_get_alloc() - take the next item out into memory made for it
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
 * Return: as ipk_queue_get(), without -EMSGSIZE; -ENOMEM, the item stays.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_get_alloc(ipk_queue *q, ipk_deadline deadline, void **ret_data,
					       size_t *ret_len_bytes);

/**
 * ipk_queue_peek() - copy the next item out and leave it there
 * @q:             queue
 * @buf:           @buf_bytes bytes
 * @buf_bytes:     a longer item is cut to this
 * @deadline:      when to stop waiting for an item
 * @ret_len_bytes: full length of the item, also when it was cut
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
 * @ret_n_put: how many were put; may be NULL only when a short count is of no interest
 *
 * Puts as many as there is room for under one lock and waits for room for the rest.
 *
 * Order:   as ipk_queue_put(); other producers may come in between when it had to wait.
 * Blocks:  while the queue is full and items are left.
 * Callers: any thread of any process.
 * Crash:   of a producer killed here the first k items are in the queue, for some k.
 * Source:  lib/queue/queue_put.c    Since: 0.1
 *
 * Return: 0 when at least one was put (or @n_items is 0): *@ret_n_put is less than
 * @n_items when the deadline passed or the queue was shut down on the way; otherwise as
 * ipk_queue_put().
 */
IPK_API IPK_MUST_CHECK int ipk_queue_put_many(ipk_queue *q, const ipk_bytes *items, size_t n_items,
					      ipk_deadline deadline, size_t *ret_n_put);

/**
 * ipk_queue_get_many() - take several items out at once
 * @q:           queue
 * @buf:         the items' bytes go here, one after the other, each 8-aligned
 * @buf_bytes:   length of @buf
 * @max_items:   1 or more
 * @deadline:    when to stop waiting for the first item
 * @ret_items:   @max_items entries, filled with pointers into @buf
 * @ret_n_items: how many were taken
 *
 * Waits for one item, then takes what else is there and fits.
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   as ipk_queue_get(), for all of them.
 * Source:  lib/queue/queue_get.c    Since: 0.1
 *
 * Return: as ipk_queue_get(); -EMSGSIZE when not even the first fits.
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
 * ipk_queue_getf() - take the next item out and unpack its typed values
 * @q:        queue
 * @deadline: as in ipk_queue_get()
 * @format:   as in ipk_unpack(), with s for strings; S and y are -EINVAL here, since the
 *            item is gone when the call returns (use ipk_queue_get() and ipk_unpack())
 *
 * An item that does not fit the format stays in the queue (mq: it is lost).
 *
 * Blocks:  while the queue is empty.
 * Source:  lib/queue/queue_typed.c  Since: 0.1
 *
 * Return: as ipk_queue_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_queue_getf(ipk_queue *q, ipk_deadline deadline, const char *format,
					  ...);

/* An item on loan: it comes back to the queue unless it is acknowledged. */
typedef struct ipk_lease ipk_lease;

/**
 * ipk_queue_lease() - take the next item on loan
 * @q:         queue
 * @deadline:  when to stop waiting for an item
 * @ret_lease: the loan
 *
 * The item goes back to its place, flagged, when its holder dies, ends the loan with
 * ipk_lease_close(), or gives it back with ipk_lease_nack(). It belongs to the process:
 * a forked child does not hold it. At most 1024 loans are out at a time.
 *
 * Blocks:  while the queue is empty.
 * Callers: any thread of any process.
 * Crash:   the item is on loan or still in line, never neither.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: as ipk_queue_get(), without -EMSGSIZE; -ENOMEM; -ENOSPC 1024 loans are
 * out, or no memory for a long one; -EOPNOTSUPP mq.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_lease(ipk_queue *q, ipk_deadline deadline,
					   ipk_lease **ret_lease);

/**
 * ipk_lease_data() - the item on loan
 * @l:             loan
 * @ret_len_bytes: its length; may be NULL
 *
 * Blocks:  no.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: its bytes, valid until the loan ends; NULL for NULL.
 */
IPK_API const void *ipk_lease_data(const ipk_lease *l, size_t *ret_len_bytes);

/**
 * ipk_lease_is_redelivered() - whether the item was on loan before
 * @l: loan
 *
 * Blocks:  no.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: true when an earlier holder died or gave it back.
 */
IPK_API bool ipk_lease_is_redelivered(const ipk_lease *l);

/**
 * ipk_lease_ack() - the item is done: take it out for good
 * @l: loan; after success only ipk_lease_close() may be called on it
 *
 * Counts as ipk_queue_task_done() too.
 *
 * Blocks:  no longer than another's get.
 * Crash:   one store decides: before it, the item will be delivered again.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: 0; -EBADF; -EINVAL the loan has ended, or is another process's; -ETIMEDOUT
 * somebody stopped inside the queue for over a second.
 */
IPK_API IPK_MUST_CHECK int ipk_lease_ack(ipk_lease *l);

/**
 * ipk_lease_nack() - give the item back, to be delivered again
 * @l: loan; after success only ipk_lease_close() may be called on it
 *
 * Blocks:  no longer than another's get.
 * Source:  lib/queue/lease.c        Since: 0.1
 *
 * Return: 0; -EBADF; -EINVAL the loan has ended, or is another process's; -ETIMEDOUT
 * somebody stopped inside the queue for over a second.
 */
IPK_API IPK_MUST_CHECK int ipk_lease_nack(ipk_lease *l);

/**
 * ipk_lease_close() - free the loan; one that has not ended is given back
 * @l: NULL is fine; close loans before their queue
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
 * ipk_queue_task_done() - one item that was got is done
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
 * ipk_queue_join() - wait until every item that was ever put is done
 * @q:        queue
 * @deadline: when to stop waiting
 *
 * An item is done by ipk_queue_task_done() after a get, by ipk_lease_ack(), or when
 * IPK_DISCARD dropped it, inside or as it came back from a loan; what was got before that is
 * waited for. A consumer that dies between a plain get and task_done leaves its item undone;
 * one that dies with a loan does not.
 *
 * Blocks:  while items are not done.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: 0; -ETIMEDOUT; -EBADF; -EOPNOTSUPP mq.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_join(ipk_queue *q, ipk_deadline deadline);

/**
 * ipk_queue_shutdown() - end the queue for everybody
 * @q:    queue
 * @mode: IPK_DRAIN or IPK_DISCARD; IPK_DISCARD may follow IPK_DRAIN
 *
 * With IPK_DRAIN consumers wait on while items are out on loan, since those may come back.
 *
 * Blocks:  no longer than another's get.
 * Crash:   one store decides.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: 0, also when it was shut down so before; -EBADF; -EINVAL; -EOPNOTSUPP mq;
 * -ETIMEDOUT somebody stopped inside the queue for over a second.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_shutdown(ipk_queue *q, ipk_shutdown mode);

/**
 * ipk_queue_fd() - an fd for poll and epoll beside foreign fds
 * @q:      queue
 * @ret_fd: readable (POLLIN) when an item may be there; owned by @q
 *
 * When it is readable, get with ipk_now() until -ETIMEDOUT: only that arms it again. It
 * may become readable spuriously, twice a second at most. After fork() ask again in the
 * child.
 *
 * Blocks:  no.
 * Crash:   named queues keep a FIFO beside their file for this; unlink removes both.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: 0; -EBADF; -EMFILE; -ENFILE; -ENOMEM; -ENOSPC; -ENOENT a named queue whose name
 * is gone; -EACCES somebody else's file is in the bell's place.
 */
IPK_API IPK_MUST_CHECK int ipk_queue_fd(ipk_queue *q, int *ret_fd);

/**
 * ipk_queue_n_unfinished() - how many items ipk_queue_join() waits for
 * @q: queue
 *
 * Blocks:  no.
 * Callers: any thread. The answer may be out of date when it arrives.
 * Source:  lib/queue/queue_info.c   Since: 0.4
 *
 * Return: items put and not done; 0 for NULL and mq.
 */
IPK_API size_t ipk_queue_n_unfinished(const ipk_queue *q);

/**
 * ipk_queue_is_shut_down() - whether it was shut down, in either way
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
 * ipk_queue_len() - how many items are in the queue
 * @q: queue
 *
 * Exact at one instant during the call; items on loan do not count.
 *
 * Blocks:  no.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: the number, 0 for NULL.
 */
IPK_API size_t ipk_queue_len(ipk_queue *q);

/**
 * ipk_queue_is_empty() - whether a get would wait now
 * @q: queue
 *
 * Blocks:  no.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: true when there is no item.
 */
IPK_API bool ipk_queue_is_empty(ipk_queue *q);

/**
 * ipk_queue_is_full() - whether a put of a 0-byte item would wait now
 * @q: queue
 *
 * Blocks:  no.
 * Source:  lib/queue/queue_info.c   Since: 0.1
 *
 * Return: true when max_items or max_bytes is reached or the ring is full.
 */
IPK_API bool ipk_queue_is_full(ipk_queue *q);

/**
 * ipk_queue_send() - pass an anonymous queue to the other side of a pipe
 * @q:        queue, not mq
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/queue/queue_pass.c   Since: 0.1
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one or mq (pass the name).
 */
IPK_API IPK_MUST_CHECK int ipk_queue_send(ipk_queue *q, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_queue_recv() - take a queue that the other side passed
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_q:    the queue
 *
 * Order:   queues and fds passed over a pipe arrive in the order they were sent.
 * Blocks:  until the other side has passed it.
 * Source:  lib/queue/queue_pass.c   Since: 0.1
 *
 * Return: as ipk_pipe_recv_fd() and ipk_queue_open().
 */
IPK_API IPK_MUST_CHECK int ipk_queue_recv(ipk_pipe *via, ipk_deadline deadline, ipk_queue **ret_q);

#ifdef __cplusplus
}
#endif

#endif
