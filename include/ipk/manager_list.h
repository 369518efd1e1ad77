/*
 * manager_list.h - a list that a server holds (Python: manager.list()).
 *
 * Items are any bytes; with a format (ipk_pack()) they are typed. Indices and slices are
 * Python's. It is a Redis list.
 */
#ifndef IPK_MANAGER_LIST_H
#define IPK_MANAGER_LIST_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipk_list_open() - a handle of a list; nothing is sent
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; closed before the manager is
 *
 * The list is there once something is in it.
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_open(ipk_manager *m, const char *name, ipk_list **ret_handle);

/**
 * ipk_list_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_list *ipk_list_close(ipk_list *handle);

static inline void ipk_list_closep(ipk_list **handle)
{
	*handle = ipk_list_close(*handle);
}

/**
 * ipk_list_append() - add an item at the end
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_append(ipk_list *l, const void *data, size_t len_bytes,
					   ipk_deadline deadline);

/**
 * ipk_list_extend() - add several items at the end, in one step
 * @l:        list
 * @items:    @n_items items
 * @n_items:  0 or more
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_extend(ipk_list *l, const ipk_bytes *items, size_t n_items,
					   ipk_deadline deadline);

/**
 * ipk_list_insert() - put an item before that index
 * @l:         list
 * @index:     clamped, as list.insert
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_insert(ipk_list *l, int64_t index, const void *data,
					   size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_list_get() - copy an item out
 * @l:             list
 * @index:         negative ones count from the end
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to give up
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Cost:    locally no system call and one copy.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_get(ipk_list *l, int64_t index, void *buf, size_t buf_bytes,
					ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_list_get_alloc() - an item in memory made for it
 * @l:             list
 * @index:         negative ones count from the end
 * @deadline:      when to give up
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_get(), without -EMSGSIZE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_get_alloc(ipk_list *l, int64_t index, ipk_deadline deadline,
					      void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_list_set() - set an item
 * @l:         list
 * @index:     negative ones count from the end
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_set(ipk_list *l, int64_t index, const void *data,
					size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_list_pop_alloc() - take an item out
 * @l:             list
 * @index:         -1: the last one
 * @deadline:      when to give up
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or empty; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_pop_alloc(ipk_list *l, int64_t index, ipk_deadline deadline,
					      void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_list_remove() - take out the first item that is equal
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_remove(ipk_list *l, const void *data, size_t len_bytes,
					   ipk_deadline deadline);

/**
 * ipk_list_delete() - take an item out, without reading it
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_delete(ipk_list *l, int64_t index, ipk_deadline deadline);

/**
 * ipk_list_index() - where the first equal item is
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @start:     as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:      the first that is not meant; IPK_OMIT: to the end
 * @deadline:  when to give up
 * @ret_index: in the whole list
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_index(ipk_list *l, const void *data, size_t len_bytes,
					  int64_t start, int64_t stop, ipk_deadline deadline,
					  uint64_t *ret_index);

/**
 * ipk_list_count() - how many items are equal
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to give up
 * @ret_n:     that number
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_count(ipk_list *l, const void *data, size_t len_bytes,
					  ipk_deadline deadline, uint64_t *ret_n);

/**
 * ipk_list_contains() - whether an item is equal
 * @l:            list
 * @data:         @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes:    0 .. 512 MiB
 * @deadline:     when to give up
 * @ret_contains: whether one is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_contains(ipk_list *l, const void *data, size_t len_bytes,
					     ipk_deadline deadline, bool *ret_contains);

/**
 * ipk_list_len() - how many items there are
 * @l:        list
 * @deadline: when to give up
 * @ret_len:  how many; may be NULL
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_len(ipk_list *l, ipk_deadline deadline, uint64_t *ret_len);

/**
 * ipk_list_clear() - take everything out
 * @l:        list
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_clear(ipk_list *l, ipk_deadline deadline);

/**
 * ipk_list_slice() - copy a slice, as of one moment
 * @l:         list
 * @start:     as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:      the first that is not meant; IPK_OMIT: to the end
 * @step:      not 0; negative ones go backwards
 * @deadline:  when to give up
 * @ret_reply: the answer, for ipk_reply_close()
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @step; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h;
 * -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_slice(ipk_list *l, int64_t start, int64_t stop, int64_t step,
					  ipk_deadline deadline, ipk_reply **ret_reply);

/**
 * ipk_list_set_slice() - put other items in place of a slice
 * @l:        list
 * @start:    as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:     the first that is not meant; IPK_OMIT: to the end
 * @step:     not 0; negative ones go backwards
 * @items:    @n_items items
 * @n_items:  0 or more
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @step; -ERANGE a step other than 1 and another number of items;
 * -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_set_slice(ipk_list *l, int64_t start, int64_t stop,
					      int64_t step, const ipk_bytes *items, size_t n_items,
					      ipk_deadline deadline);

/**
 * ipk_list_delete_slice() - take a slice out
 * @l:        list
 * @start:    as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:     the first that is not meant; IPK_OMIT: to the end
 * @step:     not 0; negative ones go backwards
 * @deadline: when to give up
 * @ret_n:    how many it were; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @step; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_delete_slice(ipk_list *l, int64_t start, int64_t stop,
						 int64_t step, ipk_deadline deadline,
						 uint64_t *ret_n);

/**
 * ipk_list_reverse() - turn it round
 * @l:        list
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_reverse(ipk_list *l, ipk_deadline deadline);

typedef enum ipk_sort_by {
	IPK_SORT_BYTES = 0,  /* as memcmp() */
	IPK_SORT_NUMBER = 1, /* text of numbers */
	IPK_SORT_TYPED = 2,  /* typed values: numbers, then text and bytes, arrays item by item */
} ipk_sort_by;

/**
 * ipk_list_sort() - sort it where it is; equal items keep their order
 * @l:             list
 * @by:            how to compare
 * @is_descending: the largest first
 * @deadline:      when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL an item is no number, or not typed, and nothing was moved;
 * -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_sort(ipk_list *l, ipk_sort_by by, bool is_descending,
					 ipk_deadline deadline);

/**
 * ipk_list_repeat() - its items @n times over, as l *= n
 * @l:        list
 * @n:        0 empties it
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_repeat(ipk_list *l, uint64_t n, ipk_deadline deadline);

/**
 * ipk_list_add() - add to a number in text, in one step
 * @l:        list
 * @index:    negative ones count from the end
 * @delta:    what to add
 * @deadline: when to give up
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or no such number; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_add(ipk_list *l, int64_t index, int64_t delta,
					ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_list_appendf() - add typed values as one item at the end
 * @l:        list
 * @deadline: when to give up
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_append() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_list_appendf(ipk_list *l, ipk_deadline deadline, const char *format,
					    ...);

/**
 * ipk_list_setf() - set an item to typed values
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to give up
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_set() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_list_setf(ipk_list *l, int64_t index, ipk_deadline deadline,
					 const char *format, ...);

/**
 * ipk_list_getf() - read an item's typed values
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to give up
 * @format:   as in ipk_unpack()
 *
 * What S and y yield lives until this thread's next ...getf() call.
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_list_getf(ipk_list *l, int64_t index, ipk_deadline deadline,
					 const char *format, ...);

/**
 * ipk_list_append_ref() - add another object as an item
 * @l:        list
 * @kind:     what it is
 * @name:     which one
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_append().
 */
IPK_API IPK_MUST_CHECK int ipk_list_append_ref(ipk_list *l, ipk_ref_kind kind, const char *name,
					       ipk_deadline deadline);

/**
 * ipk_list_get_dict() - open the dict that an item refers to
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to give up
 * @ret_dict: a handle of its own
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_get(); -EPROTO it refers to no dict; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_get_dict(ipk_list *l, int64_t index, ipk_deadline deadline,
					     ipk_dict **ret_dict);

/**
 * ipk_list_get_list() - open the list that an item refers to
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to give up
 * @ret_list: a handle of its own
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_get(); -EPROTO it refers to no list; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_get_list(ipk_list *l, int64_t index, ipk_deadline deadline,
					     ipk_list **ret_list);

typedef struct ipk_list_iter ipk_list_iter;

/**
 * ipk_list_iter_open() - go over all items while others change the list
 * @l:        list
 * @ret_iter: to be read with ipk_list_iter_next()
 *
 * By index, as in Python: items are passed over or come twice when others are put in or
 * taken out before them.
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_iter_open(ipk_list *l, ipk_list_iter **ret_iter);

/**
 * ipk_list_iter_next() - the next item
 * @iter:     from ipk_list_iter_open(); one thread at a time
 * @deadline: when to give up
 * @ret_item: valid until the next call
 *
 * Blocks:  until the server has answered, when the items at hand are used up.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOENT there are no more; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_iter_next(ipk_list_iter *iter, ipk_deadline deadline,
					      ipk_bytes *ret_item);

/**
 * ipk_list_iter_close() - end it
 * @iter: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_list_iter *ipk_list_iter_close(ipk_list_iter *iter);

static inline void ipk_list_iter_closep(ipk_list_iter **iter)
{
	*iter = ipk_list_iter_close(*iter);
}

#ifdef __cplusplus
}
#endif

#endif
