/*
 * manager_list.h - a list on a server (Python: manager.list()).
 *
 * Items are arbitrary bytes; with a format (ipk_pack()) they are typed. Indices and slices work as
 * in Python. It is a Redis list.
 *
 * Items are equal (ipk_list_remove(), ipk_list_index(), ipk_list_count(), ipk_list_contains()) if
 * their bytes are equal, whatever they mean: "1" is not "1.0", and of typed ones 1 is not 1.0,
 * though in Python it is. Neither our server nor Redis interprets items, so all clients and
 * languages agree, and 0.0 and -0.0, or two NaNs, need no special rule. Typed values written with
 * the same format are equal: ipk_pack() has one encoding for each.
 */
#ifndef IPK_MANAGER_LIST_H
#define IPK_MANAGER_LIST_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipk_list_open() - create a handle of a list; sends nothing
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; close it before the manager
 *
 * The list exists once it is not empty.
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_open(ipk_manager *m, const char *name, ipk_list **ret_handle);

/**
 * ipk_list_close() - close the handle
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
 * ipk_list_append() - append an item
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_append(ipk_list *l, const void *data, size_t len_bytes,
					   ipk_deadline deadline);

/**
 * ipk_list_extend() - append several items atomically
 * @l:        list
 * @items:    @n_items items
 * @n_items:  0 or more
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_extend(ipk_list *l, const ipk_bytes *items, size_t n_items,
					   ipk_deadline deadline);

/**
 * ipk_list_insert() - insert an item before an index
 * @l:         list
 * @index:     clamped as by list.insert
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_insert(ipk_list *l, int64_t index, const void *data,
					   size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_list_get() - copy an item
 * @l:             list
 * @index:         negative ones count from the end
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to stop waiting
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Cost:    locally no system call and one copy.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_get(ipk_list *l, int64_t index, void *buf, size_t buf_bytes,
					ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_list_get_alloc() - copy an item into newly allocated memory
 * @l:             list
 * @index:         negative ones count from the end
 * @deadline:      when to stop waiting
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
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
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_set(ipk_list *l, int64_t index, const void *data,
					size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_list_pop_alloc() - remove an item and return it
 * @l:             list
 * @index:         -1: the last one
 * @deadline:      when to stop waiting
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or empty; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_pop_alloc(ipk_list *l, int64_t index, ipk_deadline deadline,
					      void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_list_remove() - remove the first item with equal bytes
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_remove(ipk_list *l, const void *data, size_t len_bytes,
					   ipk_deadline deadline);

/**
 * ipk_list_delete() - remove an item without reading it
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_delete(ipk_list *l, int64_t index, ipk_deadline deadline);

/**
 * ipk_list_index() - the index of the first item with equal bytes
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @start:     as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:      index after the last; IPK_OMIT: to the end
 * @deadline:  when to stop waiting
 * @ret_index: index in the whole list
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_index(ipk_list *l, const void *data, size_t len_bytes,
					  int64_t start, int64_t stop, ipk_deadline deadline,
					  uint64_t *ret_index);

/**
 * ipk_list_count() - number of items with equal bytes
 * @l:         list
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to stop waiting
 * @ret_n:     the number
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_count(ipk_list *l, const void *data, size_t len_bytes,
					  ipk_deadline deadline, uint64_t *ret_n);

/**
 * ipk_list_contains() - whether an item has equal bytes
 * @l:            list
 * @data:         @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes:    0 .. 512 MiB
 * @deadline:     when to stop waiting
 * @ret_contains: whether one has
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_contains(ipk_list *l, const void *data, size_t len_bytes,
					     ipk_deadline deadline, bool *ret_contains);

/**
 * ipk_list_len() - number of items
 * @l:        list
 * @deadline: when to stop waiting
 * @ret_len:  how many; may be NULL
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_len(ipk_list *l, ipk_deadline deadline, uint64_t *ret_len);

/**
 * ipk_list_clear() - remove all items
 * @l:        list
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_clear(ipk_list *l, ipk_deadline deadline);

/**
 * ipk_list_slice() - copy a slice, atomically
 * @l:         list
 * @start:     as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:      index after the last; IPK_OMIT: to the end
 * @step:      not 0; negative ones go backwards
 * @deadline:  when to stop waiting
 * @ret_reply: the reply; free it with ipk_reply_close()
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @step; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h;
 * -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_slice(ipk_list *l, int64_t start, int64_t stop, int64_t step,
					  ipk_deadline deadline, ipk_reply **ret_reply);

/**
 * ipk_list_set_slice() - replace a slice by other items
 * @l:        list
 * @start:    as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:     index after the last; IPK_OMIT: to the end
 * @step:     not 0; negative ones go backwards
 * @items:    @n_items items
 * @n_items:  0 or more
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @step; -ERANGE a step other than 1 with another number of items;
 * -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_set_slice(ipk_list *l, int64_t start, int64_t stop,
					      int64_t step, const ipk_bytes *items, size_t n_items,
					      ipk_deadline deadline);

/**
 * ipk_list_delete_slice() - remove a slice
 * @l:        list
 * @start:    as in a slice of Python; IPK_OMIT: from the beginning
 * @stop:     index after the last; IPK_OMIT: to the end
 * @step:     not 0; negative ones go backwards
 * @deadline: when to stop waiting
 * @ret_n:    number of removed items; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL @step; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_delete_slice(ipk_list *l, int64_t start, int64_t stop,
						 int64_t step, ipk_deadline deadline,
						 uint64_t *ret_n);

/**
 * ipk_list_reverse() - reverse the list in place
 * @l:        list
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_reverse(ipk_list *l, ipk_deadline deadline);

typedef enum ipk_sort_by {
	IPK_SORT_BYTES = 0,  /* as memcmp() */
	IPK_SORT_NUMBER = 1, /* text of numbers */
	IPK_SORT_TYPED = 2,  /* typed values: numbers, then text and bytes; arrays item by item */
} ipk_sort_by;

/**
 * ipk_list_sort() - sort the list in place; the sort is stable
 * @l:             list
 * @by:            how to compare
 * @is_descending: the largest first
 * @deadline:      when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -EINVAL an item is not a number, or not typed, and nothing was moved;
 * -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_sort(ipk_list *l, ipk_sort_by by, bool is_descending,
					 ipk_deadline deadline);

/**
 * ipk_list_repeat() - repeat its items @n times, as l *= n
 * @l:        list
 * @n:        0 removes all items
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_repeat(ipk_list *l, uint64_t n, ipk_deadline deadline);

/**
 * ipk_list_add() - atomically add to a number stored as text
 * @l:        list
 * @index:    negative ones count from the end
 * @delta:    number to add
 * @deadline: when to stop waiting
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or not such a number; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_add(ipk_list *l, int64_t index, int64_t delta,
					ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_list_appendf() - append typed values as one item
 * @l:        list
 * @deadline: when to stop waiting
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has replied.
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
 * @deadline: when to stop waiting
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_set() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_list_setf(ipk_list *l, int64_t index, ipk_deadline deadline,
					 const char *format, ...);

/**
 * ipk_list_getf() - read the typed values of an item
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to stop waiting
 * @format:   as in ipk_unpack()
 *
 * What S and y return is valid until this thread's next ...getf() call.
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_list_getf(ipk_list *l, int64_t index, ipk_deadline deadline,
					 const char *format, ...);

/**
 * ipk_list_append_ref() - append a reference to another object
 * @l:        list
 * @kind:     kind of the object
 * @name:     name of the object
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
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
 * @deadline: when to stop waiting
 * @ret_dict: a new handle
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_get(); -EPROTO it does not refer to a dict; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_get_dict(ipk_list *l, int64_t index, ipk_deadline deadline,
					     ipk_dict **ret_dict);

/**
 * ipk_list_get_list() - open the list that an item refers to
 * @l:        list
 * @index:    negative ones count from the end
 * @deadline: when to stop waiting
 * @ret_list: a new handle
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: as ipk_list_get(); -EPROTO it does not refer to a list; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_list_get_list(ipk_list *l, int64_t index, ipk_deadline deadline,
					     ipk_list **ret_list);

typedef struct ipk_list_iter ipk_list_iter;

/**
 * ipk_list_iter_open() - iterate over all items while others change the list
 * @l:        list
 * @ret_iter: read it with ipk_list_iter_next()
 *
 * The iteration is by index, as in Python: if items are inserted or removed before the current
 * index, items are skipped or returned twice.
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
 * @deadline: when to stop waiting
 * @ret_item: valid until the next call
 *
 * Blocks:  until the server has replied, when it needs more items.
 * Source:  lib/manager/managed_list.c  Since: 0.3
 *
 * Return: 0; -ENOENT end; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_list_iter_next(ipk_list_iter *iter, ipk_deadline deadline,
					      ipk_bytes *ret_item);

/**
 * ipk_list_iter_close() - close the iterator
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
