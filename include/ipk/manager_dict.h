/*
 * manager_dict.h - a dict that a server holds (Python: manager.dict()).
 *
 * Fields and values are any bytes; with a format (ipk_pack()) they are typed. It is a Redis hash.
 */
#ifndef IPK_MANAGER_DICT_H
#define IPK_MANAGER_DICT_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipk_dict_open() - a handle of a dict; nothing is sent
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; closed before the manager is
 *
 * The dict is there once something is in it.
 *
 * Blocks:  no.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_open(ipk_manager *m, const char *name, ipk_dict **ret_handle);

/**
 * ipk_dict_close() - give up the handle
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
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @data:        @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes:   0 .. 512 MiB
 * @deadline:    when to give up
 *
 * Blocks:  until the server has answered.
 * Crash:   done or not done; with a log, what returned 0 survives.
 * Cost:    locally one message each way.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_set(ipk_dict *d, const void *field, size_t field_bytes,
					const void *data, size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_dict_get() - copy a field's value out
 * @d:             dict
 * @field:         @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes:   0 .. 512 MiB
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to give up
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Cost:    locally no system call and one copy.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT no such field; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get(ipk_dict *d, const void *field, size_t field_bytes,
					void *buf, size_t buf_bytes, ipk_deadline deadline,
					size_t *ret_len_bytes);

/**
 * ipk_dict_get_alloc() - a field's value in memory made for it
 * @d:             dict
 * @field:         @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes:   0 .. 512 MiB
 * @deadline:      when to give up
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get(), without -EMSGSIZE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get_alloc(ipk_dict *d, const void *field, size_t field_bytes,
					      ipk_deadline deadline, void **ret_data,
					      size_t *ret_len_bytes);

/**
 * ipk_dict_contains() - whether a field is there
 * @d:            dict
 * @field:        @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes:  0 .. 512 MiB
 * @deadline:     when to give up
 * @ret_contains: whether it is
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_contains(ipk_dict *d, const void *field, size_t field_bytes,
					     ipk_deadline deadline, bool *ret_contains);

/**
 * ipk_dict_len() - how many fields there are
 * @d:        dict
 * @deadline: when to give up
 * @ret_len:  how many; may be NULL
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_len(ipk_dict *d, ipk_deadline deadline, uint64_t *ret_len);

/**
 * ipk_dict_delete() - take a field out
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @deadline:    when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_delete(ipk_dict *d, const void *field, size_t field_bytes,
					   ipk_deadline deadline);

/**
 * ipk_dict_pop_alloc() - take a field out and have its value
 * @d:             dict
 * @field:         @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes:   0 .. 512 MiB
 * @deadline:      when to give up
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h; -ENOMEM (then it is lost).
 */
IPK_API IPK_MUST_CHECK int ipk_dict_pop_alloc(ipk_dict *d, const void *field, size_t field_bytes,
					      ipk_deadline deadline, void **ret_data,
					      size_t *ret_len_bytes);

/**
 * ipk_dict_popitem_alloc() - take any one field out, with its value
 * @d:               dict
 * @deadline:        when to give up
 * @ret_field:       for free()
 * @ret_field_bytes: its length
 * @ret_data:        the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes:   its length
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT it is empty; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_popitem_alloc(ipk_dict *d, ipk_deadline deadline,
						  void **ret_field, size_t *ret_field_bytes,
						  void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_dict_setdefault_alloc() - the value that is there, or else this one, set now
 * @d:             dict
 * @field:         @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes:   0 .. 512 MiB
 * @data:          @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes:     0 .. 512 MiB
 * @deadline:      when to give up
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_setdefault_alloc(ipk_dict *d, const void *field,
						     size_t field_bytes, const void *data,
						     size_t len_bytes, ipk_deadline deadline,
						     void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_dict_update() - set several fields in one step
 * @d:        dict
 * @pairs:    field, value, field, value, ...: 2 * @n_pairs items
 * @n_pairs:  0 or more
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_update(ipk_dict *d, const ipk_bytes *pairs, size_t n_pairs,
					   ipk_deadline deadline);

/**
 * ipk_dict_clear() - take everything out
 * @d:        dict
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_clear(ipk_dict *d, ipk_deadline deadline);

/**
 * ipk_dict_cas() - set a field if it still holds what is expected
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @expected:    NULL: that the field is not there
 * @desired:     NULL: take it out
 * @deadline:    when to give up
 * @ret_is_done: false: it holds something else
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_cas(ipk_dict *d, const void *field, size_t field_bytes,
					const ipk_bytes *expected, const ipk_bytes *desired,
					ipk_deadline deadline, bool *ret_is_done);

/**
 * ipk_dict_add() - add to a number in text, in one step
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @delta:       what to add; a field that is not there counts as 0
 * @deadline:    when to give up
 * @ret_new:     the sum; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ERANGE it is no number, or would pass its range; -ETIMEDOUT; -EINPROGRESS;
 * -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_add(ipk_dict *d, const void *field, size_t field_bytes,
					int64_t delta, ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_dict_keys() - all fields, as of one moment
 * @d:         dict
 * @deadline:  when to give up
 * @ret_reply: the answer, for ipk_reply_close()
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_keys(ipk_dict *d, ipk_deadline deadline, ipk_reply **ret_reply);

/**
 * ipk_dict_values() - all values, as of one moment
 * @d:         dict
 * @deadline:  when to give up
 * @ret_reply: the answer, for ipk_reply_close()
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_values(ipk_dict *d, ipk_deadline deadline,
					   ipk_reply **ret_reply);

/**
 * ipk_dict_items() - a copy: fields and values in turn, as of one moment
 * @d:         dict
 * @deadline:  when to give up
 * @ret_reply: the answer, for ipk_reply_close()
 *
 * It holds up the server for as long as it takes; large dicts are better gone over with
 * ipk_dict_iter_open().
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_items(ipk_dict *d, ipk_deadline deadline,
					  ipk_reply **ret_reply);

/**
 * ipk_dict_setf() - set a field to typed values
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @deadline:    when to give up
 * @format:      as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_set() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_dict_setf(ipk_dict *d, const void *field, size_t field_bytes,
					 ipk_deadline deadline, const char *format, ...);

/**
 * ipk_dict_getf() - read a field's typed values
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @deadline:    when to give up
 * @format:      as in ipk_unpack()
 *
 * What S and y yield lives until this thread's next ...getf() call.
 *
 * Blocks:  until the server has answered; not where its memory is read.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_dict_getf(ipk_dict *d, const void *field, size_t field_bytes,
					 ipk_deadline deadline, const char *format, ...);

/**
 * ipk_dict_set_ref() - set a field to another object
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @kind:        what it is
 * @name:        which one
 * @deadline:    when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_set().
 */
IPK_API IPK_MUST_CHECK int ipk_dict_set_ref(ipk_dict *d, const void *field, size_t field_bytes,
					    ipk_ref_kind kind, const char *name,
					    ipk_deadline deadline);

/**
 * ipk_dict_get_dict() - open the dict that a field refers to
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @deadline:    when to give up
 * @ret_dict:    a handle of its own
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get(); -EPROTO it refers to no dict; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get_dict(ipk_dict *d, const void *field, size_t field_bytes,
					     ipk_deadline deadline, ipk_dict **ret_dict);

/**
 * ipk_dict_get_list() - open the list that a field refers to
 * @d:           dict
 * @field:       @field_bytes bytes, as its key; IPK_TEXT("name") stands for both
 * @field_bytes: 0 .. 512 MiB
 * @deadline:    when to give up
 * @ret_list:    a handle of its own
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: as ipk_dict_get(); -EPROTO it refers to no list; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_get_list(ipk_dict *d, const void *field, size_t field_bytes,
					     ipk_deadline deadline, ipk_list **ret_list);

typedef struct ipk_dict_iter ipk_dict_iter;

/**
 * ipk_dict_iter_open() - go over all fields while others change the dict
 * @d:        dict
 * @ret_iter: to be read with ipk_dict_iter_next()
 *
 * What is there from beginning to end is given at least once, what comes or goes meanwhile
 * perhaps; when the dict grows or shrinks much, a field may come twice.
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
 * @deadline:  when to give up
 * @ret_field: valid until the next call
 * @ret_value: the same; may be NULL
 *
 * Blocks:  until the server has answered, when the fields at hand are used up.
 * Cost:    locally no system call; otherwise a round trip for about a hundred fields.
 * Source:  lib/manager/dict.c        Since: 0.3
 *
 * Return: 0; -ENOENT there are no more; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others
 * see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_dict_iter_next(ipk_dict_iter *iter, ipk_deadline deadline,
					      ipk_bytes *ret_field, ipk_bytes *ret_value);

/**
 * ipk_dict_iter_close() - end it
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
