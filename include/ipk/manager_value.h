/*
 * manager_value.h - single values, arrays of a fixed length and namespaces that a server holds
 * (Python: manager.Value(), manager.Array(), manager.Namespace()).
 *
 * Numbers are kept as text, so that redis-cli shows them and any client can add to them.
 */
#ifndef IPK_MANAGER_VALUE_H
#define IPK_MANAGER_VALUE_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_managed_value ipk_managed_value;

/**
 * ipk_managed_value_open() - a handle of a value; nothing is sent
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; closed before the manager is
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_open(ipk_manager *m, const char *name,
						  ipk_managed_value **ret_handle);

/**
 * ipk_managed_value_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_value *ipk_managed_value_close(ipk_managed_value *handle);

static inline void ipk_managed_value_closep(ipk_managed_value **handle)
{
	*handle = ipk_managed_value_close(*handle);
}

/**
 * ipk_managed_value_set() - set it
 * @v:         value
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_set(ipk_managed_value *v, const void *data,
						 size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_managed_value_get() - copy it out
 * @v:             value
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to give up
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ENOENT it was never set; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_get(ipk_managed_value *v, void *buf, size_t buf_bytes,
						 ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_managed_value_get_alloc() - a copy in memory made for it
 * @v:             value
 * @deadline:      when to give up
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_get(), without -EMSGSIZE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_get_alloc(ipk_managed_value *v, ipk_deadline deadline,
						       void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_managed_value_setf() - set it to typed values
 * @v:        value
 * @deadline: when to give up
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_set() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_setf(ipk_managed_value *v, ipk_deadline deadline,
						  const char *format, ...);

/**
 * ipk_managed_value_getf() - read its typed values
 * @v:        value
 * @deadline: when to give up
 * @format:   as in ipk_unpack()
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_getf(ipk_managed_value *v, ipk_deadline deadline,
						  const char *format, ...);

/**
 * ipk_managed_value_store() - set it to a number
 * @v:        value
 * @number:   kept as text
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_set().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_store(ipk_managed_value *v, int64_t number,
						   ipk_deadline deadline);

/**
 * ipk_managed_value_load() - read a number
 * @v:          value
 * @deadline:   when to give up
 * @ret_number: the number
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ENOENT; -ERANGE it is no integer; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_load(ipk_managed_value *v, ipk_deadline deadline,
						  int64_t *ret_number);

/**
 * ipk_managed_value_add() - add to a number, in one step
 * @v:        value; one that is not there counts as 0
 * @delta:    what to add
 * @deadline: when to give up
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE it is no integer, or would pass its range; -ETIMEDOUT; -EINPROGRESS;
 * -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_add(ipk_managed_value *v, int64_t delta,
						 ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_managed_value_add_double() - add to a number with a fraction, in one step
 * @v:        value; one that is not there counts as 0
 * @delta:    what to add
 * @deadline: when to give up
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE it is no number; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_add_double(ipk_managed_value *v, double delta,
							ipk_deadline deadline, double *ret_new);

typedef struct ipk_managed_array ipk_managed_array;

/**
 * ipk_managed_array_open() - open an array, and make it, all zero, when there is none
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @n_items:    1 or more
 * @deadline:   when to give up
 * @ret_handle: the handle; closed before the manager is
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -EPROTOTYPE it is something else; -ERANGE it has another length;
 * -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_open(ipk_manager *m, const char *name,
						  uint64_t n_items, ipk_deadline deadline,
						  ipk_managed_array **ret_handle);

/**
 * ipk_managed_array_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_managed_array *ipk_managed_array_close(ipk_managed_array *handle);

static inline void ipk_managed_array_closep(ipk_managed_array **handle)
{
	*handle = ipk_managed_array_close(*handle);
}

/**
 * ipk_managed_array_len() - how many items it has
 * @a: array
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: that number; 0 for NULL.
 */
IPK_API uint64_t ipk_managed_array_len(const ipk_managed_array *a);

/**
 * ipk_managed_array_load() - read an item
 * @a:        array
 * @index:    negative ones count from the end
 * @deadline: when to give up
 * @ret_item: the number
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or no such number; -ETIMEDOUT; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_load(ipk_managed_array *a, int64_t index,
						  ipk_deadline deadline, int64_t *ret_item);

/**
 * ipk_managed_array_store() - write an item
 * @a:        array
 * @index:    negative ones count from the end
 * @item:     kept as text
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_store(ipk_managed_array *a, int64_t index,
						   int64_t item, ipk_deadline deadline);

/**
 * ipk_managed_array_load_double() - read an item
 * @a:        array
 * @index:    negative ones count from the end
 * @deadline: when to give up
 * @ret_item: the number
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or no such number; -ETIMEDOUT; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_load_double(ipk_managed_array *a, int64_t index,
							 ipk_deadline deadline, double *ret_item);

/**
 * ipk_managed_array_store_double() - write an item
 * @a:        array
 * @index:    negative ones count from the end
 * @item:     kept as text
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_store_double(ipk_managed_array *a, int64_t index,
							  double item, ipk_deadline deadline);

/**
 * ipk_managed_array_add() - add to an item, in one step
 * @a:        array
 * @index:    negative ones count from the end
 * @delta:    what to add
 * @deadline: when to give up
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or no such number; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_add(ipk_managed_array *a, int64_t index, int64_t delta,
						 ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_managed_array_read() - read several items, as of one moment
 * @a:         array
 * @first:     index of the first
 * @n_items:   0 or more
 * @deadline:  when to give up
 * @ret_items: @n_items numbers; undefined after a failure
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE beyond the end, or no integers; -ETIMEDOUT; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_read(ipk_managed_array *a, uint64_t first,
						  size_t n_items, ipk_deadline deadline,
						  int64_t *ret_items);

/**
 * ipk_managed_array_write() - write several items in one step
 * @a:        array
 * @first:    index of the first
 * @items:    @n_items numbers
 * @n_items:  0 or more
 * @deadline: when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE beyond the end; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_write(ipk_managed_array *a, uint64_t first,
						   const int64_t *items, size_t n_items,
						   ipk_deadline deadline);

typedef struct ipk_namespace ipk_namespace;

/**
 * ipk_namespace_open() - a handle of a namespace; nothing is sent
 * @m:          manager
 * @name:       the key it has on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; closed before the manager is
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_open(ipk_manager *m, const char *name,
					      ipk_namespace **ret_handle);

/**
 * ipk_namespace_close() - give up the handle
 * @handle: NULL is fine; no other thread may be inside a call on it
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_namespace *ipk_namespace_close(ipk_namespace *handle);

static inline void ipk_namespace_closep(ipk_namespace **handle)
{
	*handle = ipk_namespace_close(*handle);
}

/**
 * ipk_namespace_set() - set an attribute
 * @ns:        namespace
 * @attribute: its name
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_set().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_set(ipk_namespace *ns, const char *attribute,
					     const void *data, size_t len_bytes,
					     ipk_deadline deadline);

/**
 * ipk_namespace_get() - copy an attribute out
 * @ns:            namespace
 * @attribute:     its name
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to give up
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_get().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_get(ipk_namespace *ns, const char *attribute, void *buf,
					     size_t buf_bytes, ipk_deadline deadline,
					     size_t *ret_len_bytes);

/**
 * ipk_namespace_setf() - set an attribute to typed values
 * @ns:        namespace
 * @attribute: its name
 * @deadline:  when to give up
 * @format:    as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_setf().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_setf(ipk_namespace *ns, const char *attribute,
					      ipk_deadline deadline, const char *format, ...);

/**
 * ipk_namespace_getf() - read an attribute's typed values
 * @ns:        namespace
 * @attribute: its name
 * @deadline:  when to give up
 * @format:    as in ipk_unpack()
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_getf().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_getf(ipk_namespace *ns, const char *attribute,
					      ipk_deadline deadline, const char *format, ...);

/**
 * ipk_namespace_delete() - take an attribute away
 * @ns:        namespace
 * @attribute: its name
 * @deadline:  when to give up
 *
 * Blocks:  until the server has answered.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_delete().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_delete(ipk_namespace *ns, const char *attribute,
						ipk_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
