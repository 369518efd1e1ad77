/*
 * manager_dict.h - a dict on a server (Python: manager.dict()).
 *
 * Fields and values are arbitrary bytes; with a format (ipk_pack()) they are typed. It is a Redis
 * hash.
 */
#ifndef IPK_MANAGER_DICT_H
#define IPK_MANAGER_DICT_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipk_dict_open() - create a handle of a dict; sends nothing
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; close it before the manager
 *
 * The dict exists once it is not empty.
 *
 * Blocks:  no.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_open(ipk_manager *m, const char *name, ipk_dict **ret_handle);

/**
 * ipk_dict_close() - close the handle
 * @handle: NULL is fine; no other thread may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_dict *ipk_dict_close(ipk_dict *handle);

static inline void ipk_dict_closep(ipk_dict **handle)
{
	*handle = ipk_dict_close(*handle);
}

/**
 * ipk_dict_set() - set a field
 * @d:         dict
 * @field:     its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Crash:   executed or not executed; with a log, a write that returned 0 survives.
 * Cost:    locally one message each way.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_set(ipk_dict *d, ipk_bytes field, const void *data,
					size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_dict_get() - copy the value of a field
 * @d:             dict
 * @field:         its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to stop waiting
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Cost:    locally no system call and one copy.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT no such field; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get(ipk_dict *d, ipk_bytes field, void *buf, size_t buf_bytes,
					ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_dict_get_alloc() - copy the value of a field into newly allocated memory
 * @d:             dict
 * @field:         its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline:      when to stop waiting
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get(), without -EMSGSIZE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get_alloc(ipk_dict *d, ipk_bytes field, ipk_deadline deadline,
					      void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_dict_contains() - whether a field exists
 * @d:            dict
 * @field:        its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline:     when to stop waiting
 * @ret_contains: whether it exists
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_contains(ipk_dict *d, ipk_bytes field, ipk_deadline deadline,
					     bool *ret_contains);

/**
 * ipk_dict_len() - number of fields
 * @d:        dict
 * @deadline: when to stop waiting
 * @ret_len:  how many; may be NULL
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_len(ipk_dict *d, ipk_deadline deadline, uint64_t *ret_len);

/**
 * ipk_dict_delete() - delete a field
 * @d:        dict
 * @field:    its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_delete(ipk_dict *d, ipk_bytes field, ipk_deadline deadline);

/**
 * ipk_dict_pop_alloc() - delete a field and return its value
 * @d:             dict
 * @field:         its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline:      when to stop waiting
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h; -ENOMEM (the value is lost then).
 */
IPK_API IPK_MUST_CHECK int ipk_dict_pop_alloc(ipk_dict *d, ipk_bytes field, ipk_deadline deadline,
					      void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_dict_popitem_alloc() - delete an arbitrary field and return it with its value
 * @d:               dict
 * @deadline:        when to stop waiting
 * @ret_field:       for free()
 * @ret_field_bytes: its length
 * @ret_data:        the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes:   its length
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT it is empty; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_popitem_alloc(ipk_dict *d, ipk_deadline deadline,
						  void **ret_field, size_t *ret_field_bytes,
						  void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_dict_setdefault_alloc() - return the value of a field, after setting it if it is missing
 * @d:             dict
 * @field:         its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @data:          @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes:     0 .. 512 MiB
 * @deadline:      when to stop waiting
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_setdefault_alloc(ipk_dict *d, ipk_bytes field, const void *data,
						     size_t len_bytes, ipk_deadline deadline,
						     void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_dict_update() - set several fields atomically
 * @d:        dict
 * @pairs:    field, value, field, value, ...: 2 * @n_pairs items
 * @n_pairs:  0 or more
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_update(ipk_dict *d, const ipk_bytes *pairs, size_t n_pairs,
					   ipk_deadline deadline);

/**
 * ipk_dict_clear() - delete all fields
 * @d:        dict
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_clear(ipk_dict *d, ipk_deadline deadline);

/**
 * ipk_dict_cas() - set a field if it has the expected value
 * @d:           dict
 * @field:       its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @expected:    NULL: the field must not exist
 * @desired:     NULL: delete the field
 * @deadline:    when to stop waiting
 * @ret_is_done: false: it has another value
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_cas(ipk_dict *d, ipk_bytes field, const ipk_bytes *expected,
					const ipk_bytes *desired, ipk_deadline deadline,
					bool *ret_is_done);

/**
 * ipk_dict_add() - atomically add to a number stored as text
 * @d:        dict
 * @field:    its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @delta:    number to add; a missing field counts as 0
 * @deadline: when to stop waiting
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ERANGE it is not a number, or would exceed its range; -ETIMEDOUT; -EINPROGRESS;
 * -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_add(ipk_dict *d, ipk_bytes field, int64_t delta,
					ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_dict_keys() - copy all fields, atomically
 * @d:         dict
 * @deadline:  when to stop waiting
 * @ret_reply: the reply; free it with ipk_reply_close()
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_keys(ipk_dict *d, ipk_deadline deadline, ipk_reply **ret_reply);

/**
 * ipk_dict_values() - copy all values, atomically
 * @d:         dict
 * @deadline:  when to stop waiting
 * @ret_reply: the reply; free it with ipk_reply_close()
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_values(ipk_dict *d, ipk_deadline deadline,
					   ipk_reply **ret_reply);

/**
 * ipk_dict_items() - copy all fields and values, alternating, atomically
 * @d:         dict
 * @deadline:  when to stop waiting
 * @ret_reply: the reply; free it with ipk_reply_close()
 *
 * It blocks the server while it runs; for large dicts use ipk_dict_iter_open().
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_items(ipk_dict *d, ipk_deadline deadline,
					  ipk_reply **ret_reply);

/**
 * ipk_dict_setf() - set a field to typed values
 * @d:        dict
 * @field:    its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline: when to stop waiting
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_set() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_dict_setf(ipk_dict *d, ipk_bytes field, ipk_deadline deadline,
					 const char *format, ...);

/**
 * ipk_dict_getf() - read the typed values of a field
 * @d:        dict
 * @field:    its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline: when to stop waiting
 * @format:   as in ipk_unpack()
 *
 * What S and y return is valid until this thread's next ...getf() call.
 *
 * Blocks:  until the server has replied, unless it reads the server's memory.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_dict_getf(ipk_dict *d, ipk_bytes field, ipk_deadline deadline,
					 const char *format, ...);

/**
 * ipk_dict_set_ref() - set a field to a reference to another object
 * @d:        dict
 * @field:    its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @kind:     kind of the object
 * @name:     name of the object
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_set().
 */
IPK_API IPK_MUST_CHECK int ipk_dict_set_ref(ipk_dict *d, ipk_bytes field, ipk_ref_kind kind,
					    const char *name, ipk_deadline deadline);

/**
 * ipk_dict_get_dict() - open the dict that a field refers to
 * @d:        dict
 * @field:    its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline: when to stop waiting
 * @ret_dict: a new handle
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get(); -EPROTO it does not refer to a dict; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get_dict(ipk_dict *d, ipk_bytes field, ipk_deadline deadline,
					     ipk_dict **ret_dict);

/**
 * ipk_dict_get_list() - open the list that a field refers to
 * @d:        dict
 * @field:    its key, 0 .. 512 MiB of any bytes; use ipk_text() for a string
 * @deadline: when to stop waiting
 * @ret_list: a new handle
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get(); -EPROTO it does not refer to a list; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get_list(ipk_dict *d, ipk_bytes field, ipk_deadline deadline,
					     ipk_list **ret_list);

typedef struct ipk_dict_iter ipk_dict_iter;

/**
 * ipk_dict_iter_open() - iterate over all fields while others change the dict
 * @d:        dict
 * @ret_iter: read it with ipk_dict_iter_next()
 *
 * Fields that exist during the whole iteration are returned at least once; fields added or deleted
 * meanwhile may be. If the dict grows or shrinks much, a field may be returned twice.
 *
 * Blocks:  no.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_iter_open(ipk_dict *d, ipk_dict_iter **ret_iter);

/**
 * ipk_dict_iter_next() - the next field
 * @iter:      from ipk_dict_iter_open(); one thread at a time
 * @deadline:  when to stop waiting
 * @ret_field: valid until the next call
 * @ret_value: the same; may be NULL
 *
 * Blocks:  until the server has replied, when it needs more fields.
 * Cost:    locally no system call; otherwise one round trip per about 100 fields.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT end; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_iter_next(ipk_dict_iter *iter, ipk_deadline deadline,
					      ipk_bytes *ret_field, ipk_bytes *ret_value);

/**
 * ipk_dict_iter_close() - close the iterator
 * @iter: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_dict_iter *ipk_dict_iter_close(ipk_dict_iter *iter);

static inline void ipk_dict_iter_closep(ipk_dict_iter **iter)
{
	*iter = ipk_dict_iter_close(*iter);
}

#ifdef __cplusplus
}
#endif

#endif
