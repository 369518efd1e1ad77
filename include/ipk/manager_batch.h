/*
 * manager_batch.h - several calls in one round trip, transactions, and being told of changes.
 */
#ifndef IPK_MANAGER_BATCH_H
#define IPK_MANAGER_BATCH_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_batch ipk_batch;

/**
 * ipk_batch_create() - begin an empty batch
 * @m:         manager
 * @ret_batch: one thread at a time; closed before the manager is
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_create(ipk_manager *m, ipk_batch **ret_batch);

/**
 * ipk_batch_close() - free a batch; what was not run is forgotten
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
 * ipk_batch_command() - add any command that does not wait
 * @batch:   what is added is copied; the first call is number 0
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
 * @batch:       what is added is copied; the first call is number 0
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @data:        @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes:   0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: it is the call after the last; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_set(ipk_batch *batch, ipk_dict *d, const void *field,
					      size_t field_bytes, const void *data,
					      size_t len_bytes);

/**
 * ipk_batch_dict_get() - add ipk_dict_get()
 * @batch:       what is added is copied; the first call is number 0
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: it is the call after the last; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_get(ipk_batch *batch, ipk_dict *d, const void *field,
					      size_t field_bytes);

/**
 * ipk_batch_dict_delete() - add ipk_dict_delete()
 * @batch:       what is added is copied; the first call is number 0
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: it is the call after the last; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_delete(ipk_batch *batch, ipk_dict *d, const void *field,
						 size_t field_bytes);

/**
 * ipk_batch_dict_add() - add ipk_dict_add()
 * @batch:       what is added is copied; the first call is number 0
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @delta:       what to add
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: it is the call after the last; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_dict_add(ipk_batch *batch, ipk_dict *d, const void *field,
					      size_t field_bytes, int64_t delta);

/**
 * ipk_batch_list_append() - add ipk_list_append()
 * @batch:     what is added is copied; the first call is number 0
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: it is the call after the last; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_list_append(ipk_batch *batch, ipk_list *l, const void *data,
						 size_t len_bytes);

/**
 * ipk_batch_list_get() - add ipk_list_get()
 * @batch: what is added is copied; the first call is number 0
 * @l:     list
 * @index: negative ones count from the end
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: it is the call after the last; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_list_get(ipk_batch *batch, ipk_list *l, int64_t index);

/**
 * ipk_batch_list_set() - add ipk_list_set()
 * @batch:     what is added is copied; the first call is number 0
 * @l:         list
 * @index:     negative ones count from the end
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0: it is the call after the last; -EINVAL; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_list_set(ipk_batch *batch, ipk_list *l, int64_t index,
					      const void *data, size_t len_bytes);

/**
 * ipk_batch_len() - how many calls it has
 * @batch: batch
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: that number; 0 for NULL.
 */
IPK_API size_t ipk_batch_len(const ipk_batch *batch);

/**
 * ipk_batch_run() - do all calls, in order
 * @batch:    it is empty for new calls afterwards, the answers stay until the next one is
 *            added
 * @deadline: when to give up
 *
 * Not as one step: calls of others come in between. See ipk_manager_transact() for that.
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0 when all were answered: see each with ipk_batch_error(); -ETIMEDOUT;
 * -EINPROGRESS some may have been done; -EPIPE; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_run(ipk_batch *batch, ipk_deadline deadline);

/**
 * ipk_batch_error() - how a call went
 * @batch: that was run
 * @i:     number of the call
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0; the error that the call by itself would return; -ERANGE no such call, or not
 * run yet.
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
 * Return: 0; -ENOENT it read nothing; its error; -EPROTO its answer is not bytes.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_data(const ipk_batch *batch, size_t i, const void **ret_data,
					  size_t *ret_len_bytes);

/**
 * ipk_batch_int() - the number that a call gave
 * @batch:      that was run
 * @i:          number of the call
 * @ret_number: the number
 *
 * Blocks:  no.
 * Source:  lib/manager/batch.c       Since: 0.3
 *
 * Return: 0; -ENOENT; its error; -EPROTO its answer is no number.
 */
IPK_API IPK_MUST_CHECK int ipk_batch_int(const ipk_batch *batch, size_t i, int64_t *ret_number);

/*
 * What is to change, given to ipk_manager_transact(): reads with any handles, adds writes to the
 * batch. An error (< 0) gives it up, and that is what the whole returns.
 */
typedef int ipk_transaction_fn(ipk_batch *batch, void *arg);

/**
 * ipk_manager_transact() - read, think and write as one step
 * @m:        manager
 * @names:    the objects that @fn reads
 * @n_names:  0 or more
 * @fn:       what to do
 * @arg:      for @fn
 * @deadline: when to give up
 *
 * Calls @fn, and then does all calls of its batch as one step, unless one of @names has
 * changed since before @fn began: then it calls @fn again. @fn may be called any number of
 * times. One thread of a process at a time; others wait.
 *
 * Blocks:  until the server has answered; not while @fn thinks.
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
 * ipk_watch_open() - be told of changes of an object
 * @m:           manager
 * @name:        the key it has on the server: 1 .. 1024 bytes of text
 * @field:       of a dict; NULL: any
 * @field_bytes: its length
 * @deadline:    when to give up
 * @ret_watch:   with a connection of its own; not for children of a fork
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/watch.c       Since: 0.3
 *
 * Return: 0; -EOPNOTSUPP the server cannot (Redis without keyspace events); -ETIMEDOUT;
 * -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -EMFILE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_watch_open(ipk_manager *m, const char *name, const void *field,
					  size_t field_bytes, ipk_deadline deadline,
					  ipk_watch **ret_watch);

/**
 * ipk_watch_fd() - an fd that is readable when something may have changed
 * @w:      watch
 * @ret_fd: owned by @w, another one after a lost connection: ask after each change;
 *          read with ipk_watch_next() and ipk_now() until -ETIMEDOUT
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
 * @deadline:  when to give up
 * @ret_field: which field, valid until the next call; data NULL: all of it, or a list; may be
 *             NULL
 *
 * Changes that come faster than this is called are merged. After a lost connection it
 * reports a change once, for there may have been one.
 *
 * Blocks:  until something changes.
 * Source:  lib/manager/watch.c       Since: 0.3
 *
 * Return: 0 something changed since the last time; -ETIMEDOUT; -EPIPE; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_watch_next(ipk_watch *w, ipk_deadline deadline,
					  ipk_bytes *ret_field);

/**
 * ipk_watch_close() - end it
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
