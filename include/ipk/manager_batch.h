/*
 * manager_batch.h - several calls in one round trip, transactions, and change notification.
 */
#ifndef IPK_MANAGER_BATCH_H
#define IPK_MANAGER_BATCH_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_batch ipk_batch;

/**
 * ipk_batch_create() - create an empty batch
 * @m:         manager
 * @ret_batch: for one thread at a time; close it before the manager
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_create(ipk_manager *m, ipk_batch **ret_batch);

/**
 * ipk_batch_close() - free a batch; calls that were not run are discarded
 * @batch: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_batch *ipk_batch_close(ipk_batch *batch);

static inline void ipk_batch_closep(ipk_batch **batch)
{
	*batch = ipk_batch_close(*batch);
}

/**
 * ipk_batch_command() - add any non-blocking command
 * @batch:   the arguments are copied; the first call is number 0
 * @words:   the command and its arguments
 * @n_words: 1 or more
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: as the others; see ipk_manager_command().
 */
IPK_API IPK_MUST_CHECK int ipk_batch_command(ipk_batch *batch, const ipk_bytes *words,
					     size_t n_words);

/**
 * ipk_batch_dict_set() - add ipk_dict_set()
 * @batch:     the arguments are copied; the first call is number 0
 * @d:         dict
 * @field:     its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: added at the end; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_set(ipk_batch *batch, ipk_dict *d, ipk_bytes field,
					      const void *data, size_t len_bytes);

/**
 * ipk_batch_dict_get() - add ipk_dict_get()
 * @batch: the arguments are copied; the first call is number 0
 * @d:     dict
 * @field: its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: added at the end; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_get(ipk_batch *batch, ipk_dict *d, ipk_bytes field);

/**
 * ipk_batch_dict_delete() - add ipk_dict_delete()
 * @batch: the arguments are copied; the first call is number 0
 * @d:     dict
 * @field: its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: added at the end; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_delete(ipk_batch *batch, ipk_dict *d, ipk_bytes field);

/**
 * ipk_batch_dict_add() - add ipk_dict_add()
 * @batch: the arguments are copied; the first call is number 0
 * @d:     dict
 * @field: its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @delta: number to add
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: added at the end; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_add(ipk_batch *batch, ipk_dict *d, ipk_bytes field,
					      int64_t delta);

/**
 * ipk_batch_list_append() - add ipk_list_append()
 * @batch:     the arguments are copied; the first call is number 0
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: added at the end; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_list_append(ipk_batch *batch, ipk_list *l, const void *data,
						 size_t len_bytes);

/**
 * ipk_batch_list_get() - add ipk_list_get()
 * @batch: the arguments are copied; the first call is number 0
 * @l:     list
 * @index: negative ones count from the end
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: added at the end; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_list_get(ipk_batch *batch, ipk_list *l, int64_t index);

/**
 * ipk_batch_list_set() - add ipk_list_set()
 * @batch:     the arguments are copied; the first call is number 0
 * @l:         list
 * @index:     negative ones count from the end
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: added at the end; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_list_set(ipk_batch *batch, ipk_list *l, int64_t index,
					      const void *data, size_t len_bytes);

/**
 * ipk_batch_len() - number of calls
 * @batch: batch
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: the number; 0 for NULL.
 */
IPK_API size_t ipk_batch_len(const ipk_batch *batch);

/**
 * ipk_batch_run() - run all calls, in order
 * @batch:    empty for new calls afterwards; the replies are kept until the next call is added
 * @deadline: when to stop waiting
 *
 * Not atomic: calls of other clients may be in between. See ipk_manager_transact() for that.
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0 all were answered: see each with ipk_batch_error(); -ETIMEDOUT; -EINPROGRESS some may
 * have been executed; -EPIPE; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_run(ipk_batch *batch, ipk_deadline deadline);

/**
 * ipk_batch_error() - the result of a call
 * @batch: that was run
 * @i:     number of the call
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0; the error that the single call would return; -ERANGE no such call, or not run yet.
 */
IPK_API int ipk_batch_error(const ipk_batch *batch, size_t i);

/**
 * ipk_batch_data() - the bytes that a call read
 * @batch:         that was run
 * @i:             number of the call
 * @ret_data:      valid until the next call is added
 * @ret_len_bytes: how many
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0; -ENOENT it read nothing; its error; -EPROTO its reply is not bytes.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_data(const ipk_batch *batch, size_t i, const void **ret_data,
					  size_t *ret_len_bytes);

/**
 * ipk_batch_int() - the number that a call returned
 * @batch:      that was run
 * @i:          number of the call
 * @ret_number: the number
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0; -ENOENT; its error; -EPROTO its reply is not a number.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_int(const ipk_batch *batch, size_t i, int64_t *ret_number);

/*
 * A transaction for ipk_manager_transact(): it reads with any handles and adds writes to the batch.
 * An error (< 0) abandons the transaction and is returned.
 */
typedef int ipk_transaction_fn(ipk_batch *batch, void *arg);

/**
 * ipk_manager_transact() - read, compute and write atomically
 * @m:        manager
 * @names:    the objects that @fn reads
 * @n_names:  0 or more
 * @fn:       the transaction
 * @arg:      passed to @fn
 * @deadline: when to stop waiting
 *
 * Calls @fn, then runs all calls of its batch atomically, unless one of @names has changed since
 * @fn was called: then it calls @fn again. @fn may be called any number of times. One thread of a
 * process at a time; others wait.
 *
 * Blocks:  until the server has replied; the time in @fn is not bounded.
 * Source:  lib/manager/transaction.c  Since: 0.3
 *
 * Return: 0; what @fn returned; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_transact(ipk_manager *m, const char *const *names,
						size_t n_names, ipk_transaction_fn *fn, void *arg,
						ipk_deadline deadline);

typedef struct ipk_watch ipk_watch;

/**
 * ipk_watch_open() - watch an object for changes
 * @m:         manager
 * @name:      key on the server: 1 .. 1024 bytes of text
 * @field:     of a dict; data NULL: any
 * @deadline:  when to stop waiting
 * @ret_watch: with a connection of its own; not usable in fork children
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/watch.c       Since: 0.3
 *
 * Return: 0; -EOPNOTSUPP the server does not support it (Redis without keyspace events);
 * -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_watch_open(ipk_manager *m, const char *name, ipk_bytes field,
					  ipk_deadline deadline, ipk_watch **ret_watch);

/**
 * ipk_watch_fd() - an fd that is readable when something may have changed
 * @w:      watch
 * @ret_fd: owned by @w, and different after a lost connection: ask again after each change; read
 *          with ipk_watch_next() and ipk_now() until -ETIMEDOUT
 *
 * Blocks:  no.
 * Source:  lib/manager/watch.c       Since: 0.3
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_watch_fd(ipk_watch *w, int *ret_fd);

/**
 * ipk_watch_next() - wait for the next change
 * @w:         watch
 * @deadline:  when to stop waiting
 * @ret_field: the field, valid until the next call; data NULL: the whole object, or a list; may be
 *             NULL
 *
 * Changes that arrive faster than this is called are merged. After a lost connection it reports one
 * change, because changes may have been missed.
 *
 * Blocks:  until something changes.
 * Source:  lib/manager/watch.c       Since: 0.3
 *
 * Return: 0 something has changed since the last call; -ETIMEDOUT; -EPIPE; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_watch_next(ipk_watch *w, ipk_deadline deadline,
					  ipk_bytes *ret_field);

/**
 * ipk_watch_close() - stop watching
 * @w: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/manager/watch.c       Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_watch *ipk_watch_close(ipk_watch *w);

static inline void ipk_watch_closep(ipk_watch **w)
{
	*w = ipk_watch_close(*w);
}

#ifdef __cplusplus
}
#endif

#endif
