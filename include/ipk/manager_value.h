/*
 * manager_value.h - single values, fixed-length arrays and namespaces on a server (Python:
 * manager.Value(), manager.Array(), manager.Namespace()).
 *
 * Numbers are stored as text, so that redis-cli shows them and any client can add to them.
 */
#ifndef IPK_MANAGER_VALUE_H
#define IPK_MANAGER_VALUE_H

#include "manager.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_managed_value ipk_managed_value;

/**
 * ipk_managed_value_open() - create a handle of a value; sends nothing
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_open(ipk_manager *m, const char *name,
						  ipk_managed_value **ret_handle);

/**
 * ipk_managed_value_close() - close the handle
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
 * ipk_managed_value_set() - set the value
 * @v:         value
 * @data:      @len_bytes bytes; NULL only for 0 bytes
 * @len_bytes: 0 .. 512 MiB
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ENOSPC; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF; others see
 * manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_set(ipk_managed_value *v, const void *data,
						 size_t len_bytes, ipk_deadline deadline);

/**
 * ipk_managed_value_get() - copy the value
 * @v:             value
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to stop waiting
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ENOENT it was never set; -EMSGSIZE; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_get(ipk_managed_value *v, void *buf, size_t buf_bytes,
						 ipk_deadline deadline, size_t *ret_len_bytes);

/**
 * ipk_managed_value_get_alloc() - copy the value into newly allocated memory
 * @v:             value
 * @deadline:      when to stop waiting
 * @ret_data:      the bytes, for free(); never NULL, even for 0 bytes
 * @ret_len_bytes: its length
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_get(), without -EMSGSIZE; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_get_alloc(ipk_managed_value *v, ipk_deadline deadline,
						       void **ret_data, size_t *ret_len_bytes);

/**
 * ipk_managed_value_setf() - set the value to typed values
 * @v:        value
 * @deadline: when to stop waiting
 * @format:   as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_set() and ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_setf(ipk_managed_value *v, ipk_deadline deadline,
						  const char *format, ...);

/**
 * ipk_managed_value_getf() - read its typed values
 * @v:        value
 * @deadline: when to stop waiting
 * @format:   as in ipk_unpack()
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_get() and ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_getf(ipk_managed_value *v, ipk_deadline deadline,
						  const char *format, ...);

/**
 * ipk_managed_value_store() - set the value to a number
 * @v:        value
 * @number:   stored as text
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_managed_value_set().
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_store(ipk_managed_value *v, int64_t number,
						   ipk_deadline deadline);

/**
 * ipk_managed_value_load() - read a number
 * @v:          value
 * @deadline:   when to stop waiting
 * @ret_number: the number
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ENOENT; -ERANGE it is not an integer; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_load(ipk_managed_value *v, ipk_deadline deadline,
						  int64_t *ret_number);

/**
 * ipk_managed_value_add() - atomically add to an integer
 * @v:        value; a missing value counts as 0
 * @delta:    number to add
 * @deadline: when to stop waiting
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE it is not an integer, or would exceed its range; -ETIMEDOUT; -EINPROGRESS;
 * -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_add(ipk_managed_value *v, int64_t delta,
						 ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_managed_value_add_double() - atomically add to a floating-point number
 * @v:        value; a missing value counts as 0
 * @delta:    number to add
 * @deadline: when to stop waiting
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE it is not a number; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_value_add_double(ipk_managed_value *v, double delta,
							ipk_deadline deadline, double *ret_new);

typedef struct ipk_managed_array ipk_managed_array;

typedef struct ipk_managed_array_opts {
	size_t struct_size; /* sizeof(ipk_managed_array_opts) */
	uint64_t n_items;   /* 1 or more */
} ipk_managed_array_opts;

#define IPK_MANAGED_ARRAY(...) IPK_OPTS(managed_array, __VA_ARGS__)

/**
 * ipk_managed_array_open() - open an array; create it (all zero) if it does not exist
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @opts:       with n_items, which an existing one must match. NULL: an existing array of any
 *              length; none is created
 * @deadline:   when to stop waiting
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -EINVAL; -ENOENT with NULL: there is no array; -EPROTOTYPE it is an object of another
 * kind, or has another length; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EBADF; others see manager.h;
 * -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_open(ipk_manager *m, const char *name,
						  const ipk_managed_array_opts *opts,
						  ipk_deadline deadline,
						  ipk_managed_array **ret_handle);

/**
 * ipk_managed_array_close() - close the handle
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
 * ipk_managed_array_len() - number of items
 * @a: array
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: the number; 0 for NULL.
 */
IPK_API uint64_t ipk_managed_array_len(const ipk_managed_array *a);

/**
 * ipk_managed_array_load() - read an item
 * @a:        array
 * @index:    negative ones count from the end
 * @deadline: when to stop waiting
 * @ret_item: the number
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or not such a number; -ETIMEDOUT; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_load(ipk_managed_array *a, int64_t index,
						  ipk_deadline deadline, int64_t *ret_item);

/**
 * ipk_managed_array_store() - write an item
 * @a:        array
 * @index:    negative ones count from the end
 * @item:     stored as text
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
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
 * @deadline: when to stop waiting
 * @ret_item: the number
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or not such a number; -ETIMEDOUT; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_load_double(ipk_managed_array *a, int64_t index,
							 ipk_deadline deadline, double *ret_item);

/**
 * ipk_managed_array_store_double() - write an item
 * @a:        array
 * @index:    negative ones count from the end
 * @item:     stored as text
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index; -ETIMEDOUT; -EINPROGRESS; -EPIPE; -EPROTOTYPE; -EBADF;
 * others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_store_double(ipk_managed_array *a, int64_t index,
							  double item, ipk_deadline deadline);

/**
 * ipk_managed_array_add() - atomically add to an item
 * @a:        array
 * @index:    negative ones count from the end
 * @delta:    number to add
 * @deadline: when to stop waiting
 * @ret_new:  the sum; may be NULL
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE no such index, or not such a number; -ETIMEDOUT; -EINPROGRESS; -EPIPE;
 * -EPROTOTYPE; -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_add(ipk_managed_array *a, int64_t index, int64_t delta,
						 ipk_deadline deadline, int64_t *ret_new);

/**
 * ipk_managed_array_read() - read several items atomically
 * @a:         array
 * @first:     index of the first
 * @n_items:   0 or more
 * @deadline:  when to stop waiting
 * @ret_items: @n_items numbers; undefined after a failure
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -ERANGE beyond the end, or not integers; -ETIMEDOUT; -EPIPE; -EPROTOTYPE;
 * -EBADF; others see manager.h.
 */
IPK_API IPK_MUST_CHECK int ipk_managed_array_read(ipk_managed_array *a, uint64_t first,
						  size_t n_items, ipk_deadline deadline,
						  int64_t *ret_items);

/**
 * ipk_managed_array_write() - write several items atomically
 * @a:        array
 * @first:    index of the first
 * @items:    @n_items numbers
 * @n_items:  0 or more
 * @deadline: when to stop waiting
 *
 * Blocks:  until the server has replied.
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
 * ipk_namespace_open() - create a handle of a namespace; sends nothing
 * @m:          manager
 * @name:       key on the server: 1 .. 1024 bytes of text
 * @ret_handle: the handle; close it before the manager
 *
 * Blocks:  no.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: 0; -EINVAL @name; -EBADF; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_open(ipk_manager *m, const char *name,
					      ipk_namespace **ret_handle);

/**
 * ipk_namespace_close() - close the handle
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
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_set().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_set(ipk_namespace *ns, const char *attribute,
					     const void *data, size_t len_bytes,
					     ipk_deadline deadline);

/**
 * ipk_namespace_get() - copy the value of an attribute
 * @ns:            namespace
 * @attribute:     its name
 * @buf:           @buf_bytes bytes; its content is undefined after a failure
 * @buf_bytes:     0 is fine for empty values
 * @deadline:      when to stop waiting
 * @ret_len_bytes: its length; after -EMSGSIZE the length that is needed; may be NULL
 *
 * Blocks:  until the server has replied.
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
 * @deadline:  when to stop waiting
 * @format:    as in ipk_pack(), "[i n s]"
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_setf().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_setf(ipk_namespace *ns, const char *attribute,
					      ipk_deadline deadline, const char *format, ...);

/**
 * ipk_namespace_getf() - read the typed values of an attribute
 * @ns:        namespace
 * @attribute: its name
 * @deadline:  when to stop waiting
 * @format:    as in ipk_unpack()
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_getf().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_getf(ipk_namespace *ns, const char *attribute,
					      ipk_deadline deadline, const char *format, ...);

/**
 * ipk_namespace_delete() - delete an attribute
 * @ns:        namespace
 * @attribute: its name
 * @deadline:  when to stop waiting
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.3
 *
 * Return: as ipk_dict_delete().
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_delete(ipk_namespace *ns, const char *attribute,
						ipk_deadline deadline);

/**
 * ipk_namespace_attributes() - the names of all attributes, atomically
 * @ns:        namespace
 * @deadline:  when to stop waiting
 * @ret_reply: the reply; free it with ipk_reply_close(): as that of ipk_dict_keys(), an empty array
 *             if there are none
 *
 * Blocks:  until the server has replied.
 * Source:  lib/manager/managed_value.c  Since: 0.4
 *
 * Return: 0; -ETIMEDOUT; -EPIPE; -EPROTOTYPE; -EBADF; others see manager.h; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_namespace_attributes(ipk_namespace *ns, ipk_deadline deadline,
						    ipk_reply **ret_reply);

#ifdef __cplusplus
}
#endif

#endif
