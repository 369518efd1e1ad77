/*
 * value.h - numbers, structs and arrays of them that processes share (Python:
 * multiprocessing.Value, Array, RawValue, RawArray).
 *
 * A typecode gives the type, as in Python's array module, and each call checks it:
 *
 *   'c' char      'b' signed char   'h' short            'i' int        'l' long
 *   '?' bool      'B' unsigned char 'H' unsigned short   'I' unsigned   'L' unsigned long
 *   'f' float     'd' double        'q' long long        'Q' unsigned long long
 *
 * and 0 a struct: bytes of any kind. The macros derive the typecode from the type of the pointer:
 * ipk_value_load(v, &x) is ipk_value_load_as(v, 'i', &x) for an int x. A pointer to any other type
 * does not compile; a pointer to a type other than the value's is -EINVAL, unless both have the
 * same representation ('l' and 'q' where both have 64 bits). 'c' is text: char only, not signed or
 * unsigned char, which are the numbers 'b' and 'B'.
 *
 * Single numbers are read and changed by one atomic instruction, with or without the lock; they
 * need no lock unless several must be consistent. A struct value is stored twice: a store writes
 * the copy that is not being read and then switches to it, so no reader sees a partial store,
 * whatever process is killed.
 *
 * Each value and array has a recursive lock of its own, unless it is raw, for read-modify-write
 * sequences: ipk_value_get_lock(), ipk_array_get_lock(). Calls on single numbers do not acquire it.
 * Calls on several items of an array hold it during the call.
 *
 * Anonymous ones are inherited over fork() or passed over a pipe; named ones are opened by
 * any process of the same user and pid namespace. Handles may be used by all threads.
 */
#ifndef IPK_VALUE_H
#define IPK_VALUE_H

#include "deadline.h"
#include "lock.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_VALUE_BYTES_MAX (1u << 20) /* of a struct that is a value */

typedef struct ipk_value ipk_value;
typedef struct ipk_array ipk_array;

typedef struct ipk_value_opts {
	size_t struct_size; /* sizeof(ipk_value_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	const void *item;   /* initial contents; NULL: all bytes zero */
	size_t item_bytes;  /* 1 .. IPK_VALUE_BYTES_MAX without a typecode; otherwise 0, or its size
			     */
	char typecode;      /* 0: a struct of item_bytes */
	bool is_raw;        /* without a lock of its own */
	bool open_existing; /* open one of that name if its options match */
} ipk_value_opts;

typedef struct ipk_array_opts {
	size_t struct_size; /* sizeof(ipk_array_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* shown by ipc-inspect for an anonymous one; 35 bytes are kept */
	const void *items;  /* n_items of initial contents; NULL: all bytes zero */
	size_t n_items;     /* 0 is fine; all items together up to 4 GiB - 2 MiB */
	size_t item_bytes;  /* 1 or more without a typecode; otherwise 0, or its size */
	char typecode;      /* 0: structs of item_bytes */
	bool is_raw;        /* without a lock of its own */
	bool open_existing; /* open one of that name if its options match */
} ipk_array_opts;

#define IPK_VALUE(...) IPK_OPTS(value, __VA_ARGS__)
#define IPK_ARRAY(...) IPK_OPTS(array, __VA_ARGS__)

/* The typecode of the type that @p points to; a type without one does not compile. */
#ifdef __cplusplus
#define IPK_TYPECODE(p) (static_cast<char>(sizeof(ipk__typecode_of(p))))
#define IPK_TYPECODE_OR_NULL(p) IPK_TYPECODE(p) /* nullptr, not NULL */
#define IPK_IS_FLOATING(x) (static_cast<decltype((x) + 0)>(0.5) > 0)
#else
#define IPK_TYPECODE(p) \
	((char)_Generic((p),          \
	char *: 'c',                  \
	const char *: 'c',            \
	signed char *: 'b',           \
	const signed char *: 'b',     \
	unsigned char *: 'B',         \
	const unsigned char *: 'B',   \
	bool *: '?',                  \
	const bool *: '?',            \
	short *: 'h',                 \
	const short *: 'h',           \
	unsigned short *: 'H',        \
	const unsigned short *: 'H',  \
	int *: 'i',                   \
	const int *: 'i',             \
	unsigned *: 'I',              \
	const unsigned *: 'I',        \
	long *: 'l',                  \
	const long *: 'l',            \
	unsigned long *: 'L',         \
	const unsigned long *: 'L',   \
	long long *: 'q',             \
	const long long *: 'q',       \
	unsigned long long *: 'Q',    \
	const unsigned long long *: 'Q', \
	float *: 'f',                 \
	const float *: 'f',           \
	double *: 'd',                \
	const double *: 'd'))
#define IPK_TYPECODE_OR_NULL(p) \
	((char)_Generic((p), void *: 0,                                                    \
			 default: IPK_TYPECODE(_Generic((p), void *: (char *)0, default: (p)))))
#define IPK_IS_FLOATING(x) _Generic((x), float : 1, double : 1, long double : 1, default : 0)
#endif
/* The typecode of both; 0, which is not a number's, if they differ. */
#define IPK_TYPECODE_BOTH(p, q) (IPK_TYPECODE(p) == IPK_TYPECODE(q) ? IPK_TYPECODE(p) : (char)0)

/* --- values ----------------------------------------------------------------------------------- */

#define ipk_value_load(v, ret_item) ipk_value_load_as((v), IPK_TYPECODE(ret_item), (ret_item))
#define ipk_value_store(v, item) ipk_value_store_as((v), IPK_TYPECODE(item), (item))
#define ipk_value_exchange(v, item, ret_old) \
	ipk_value_exchange_as((v), IPK_TYPECODE_BOTH(item, ret_old), (item), (ret_old))
#define ipk_value_compare_exchange(v, expected, desired, ret_is_exchanged)                   \
	ipk_value_compare_exchange_as((v), IPK_TYPECODE_BOTH(expected, desired), (expected), \
				      (desired), (ret_is_exchanged))
/* @delta is a number; @ret_old points to the value's type or is NULL. */
#define ipk_value_add(v, delta, ret_old)                                                         \
	(IPK_IS_FLOATING(delta) ? ipk_value_add_double((v), (double)(delta),                     \
						       IPK_TYPECODE_OR_NULL(ret_old), (ret_old)) \
				: ipk__value_add_here((v), (int64_t)(delta),                     \
						      IPK_TYPECODE_OR_NULL(ret_old), (ret_old)))
#define ipk_value_add_checked(v, delta, ret_old) \
	ipk_value_add_checked_as((v), (delta), IPK_TYPECODE_OR_NULL(ret_old), (ret_old))

/**
 * ipk_value_create() - create a value
 * @opts:  typecode, or item_bytes; the rest may be zero
 * @ret_v: the value
 *
 * ipk_value_create(IPK_VALUE(.typecode = 'i'), &v) creates an int of value 0.
 *
 * Blocks:  no.
 * Crash:   a named value is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_value_unlink().
 * Cost:    128 bytes and twice the size of a struct, of memory shared by all anonymous objects; a
 *          named one uses a page and an fd. About 200 ns.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option, an unknown typecode, a size that does not match the typecode;
 * -EEXIST the name is taken; -EPROTOTYPE one with other options than @opts exists (open_existing);
 * -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_value_create(const ipk_value_opts *opts, ipk_value **ret_v);

/**
 * ipk_value_open() - open a named value that another process created
 * @name:     the name it was created with
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_v:    the value
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_value_open(const char *name, ipk_deadline deadline,
					  ipk_value **ret_v);

/**
 * ipk_value_close() - close the handle
 * @v: NULL is fine; no thread of this process may be inside a call on it. Its lock is released as
 *     by ipk_lock_close(); the results of ipk_value_get_lock() and ipk_value_data() become invalid
 *
 * Blocks:  no.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_value *ipk_value_close(ipk_value *v);

static inline void ipk_value_closep(ipk_value **v)
{
	*v = ipk_value_close(*v);
}

/**
 * ipk_value_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_value_unlink(const char *name);

/**
 * ipk_value_send() - send an anonymous value to the other side of a pipe
 * @v:        value
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead).
 */
IPK_API IPK_MUST_CHECK int ipk_value_send(ipk_value *v, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_value_recv() - receive a value that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_v:    the value
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_value_open().
 */
IPK_API IPK_MUST_CHECK int ipk_value_recv(ipk_pipe *via, ipk_deadline deadline, ipk_value **ret_v);

/**
 * ipk_value_load_as() - read a number; call it as ipk_value_load(v, &x)
 * @v:        value
 * @typecode: of *ret_item
 * @ret_item: what the value holds, bit by bit (NaN too)
 *
 * Order:   everything written before the store that it reads is visible after it.
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -EINVAL another type than the value's, or a struct; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_load_as(const ipk_value *v, char typecode, void *ret_item);

/**
 * ipk_value_store_as() - write a number; call it as ipk_value_store(v, &x)
 * @v:        value
 * @typecode: of *item
 * @item:     new contents of the value
 *
 * Order:   a reader of the new value sees all earlier writes.
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -EINVAL another type than the value's, or a struct; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_store_as(ipk_value *v, char typecode, const void *item);

/**
 * ipk_value_exchange_as() - atomically write a number and read the old one; call it as
 * ipk_value_exchange(v, &x, &old)
 * @v:        value
 * @typecode: of both
 * @item:     new contents of the value
 * @ret_old:  old contents
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -EINVAL another type than the value's, or a struct; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_exchange_as(ipk_value *v, char typecode, const void *item,
						 void *ret_old);

/**
 * ipk_value_compare_exchange_as() - atomically write a number if the value still holds the expected
 * one; call it as ipk_value_compare_exchange(v, &expected, &desired, &is_exchanged)
 * @v:                value
 * @typecode:         of both
 * @expected:         compared bit by bit (0.0 is not -0.0, a NaN equals itself); if the value
 *                    differs, its contents are stored here
 * @desired:          new contents of the value
 * @ret_is_exchanged: whether it was written
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0 exchanged or not; -EINVAL another type than the value's, or a struct; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_compare_exchange_as(ipk_value *v, char typecode,
							 void *expected, const void *desired,
							 bool *ret_is_exchanged);

/**
 * ipk_value_add_int() - atomically add to a number; call it as ipk_value_add(v, delta, &old)
 * @v:        any number but '?' and 'c'
 * @delta:    number to add, also to a float
 * @typecode: of *ret_old
 * @ret_old:  old contents; may be NULL
 *
 * Integers wrap around. The macro adds 32 and 64 bit integers inline, without a call, and passes a
 * floating-point @delta to ipk_value_add_double().
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Cost:    of the macro, one atomic addition.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -EINVAL not a number, or *ret_old has another type; -ENOTRECOVERABLE of a float:
 * another process keeps changing it; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_add_int(ipk_value *v, int64_t delta, char typecode,
					     void *ret_old);

/**
 * ipk_value_add_double() - atomically add to a floating-point number; call it as
 * ipk_value_add(v, 0.5, &old)
 * @v:        'f' or 'd'
 * @delta:    number to add; the sum is computed as a double
 * @typecode: of *ret_old
 * @ret_old:  old contents; may be NULL
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -EINVAL an integer, or *ret_old has another type; -ENOTRECOVERABLE another process
 * keeps changing it; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_add_double(ipk_value *v, double delta, char typecode,
						void *ret_old);

/**
 * ipk_value_add_checked_as() - atomically add to an integer unless the sum overflows its type; call
 * it as ipk_value_add_checked(v, delta, &old)
 * @v:        any integer
 * @delta:    number to add
 * @typecode: of *ret_old
 * @ret_old:  old contents; may be NULL
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: 0; -EOVERFLOW it would overflow; -EINVAL not an integer, or *ret_old has another type;
 * -ENOTRECOVERABLE another process keeps changing it; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_add_checked_as(ipk_value *v, int64_t delta, char typecode,
						    void *ret_old);

/**
 * ipk_value_load_bytes() - read a struct
 * @v:       value without a typecode
 * @buf:     buffer for all of it; receives what one store wrote, never parts of two
 * @n_bytes: exactly the size of the value
 *
 * Order:   everything written before the store that it reads is visible after it.
 * Blocks:  no; if stores arrive faster than it can read, it blocks them once.
 * Callers: any thread. Not a signal handler.
 * Source:  lib/value/pair.c         Since: 0.2
 *
 * Return: 0; -EINVAL another size, or a number; -EXDEV, -ENOTRECOVERABLE as
 * ipk_value_store_bytes(), if stores arrive too fast; the content of @buf is then undefined;
 * -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_load_bytes(const ipk_value *v, void *buf, size_t n_bytes);

/**
 * ipk_value_store_bytes() - write a struct
 * @v:        value without a typecode
 * @data:     all of it
 * @n_bytes:  exactly the size of the value
 * @deadline: when to stop waiting for another store; ipk_now() waits about 10 ms
 *
 * Order:   a reader of the new value sees all earlier writes.
 * Blocks:  while another process stores, which takes long only if that process was stopped.
 * Callers: any thread. Not a signal handler.
 * Crash:   a writer killed at any instruction has stored all of it or nothing.
 * Source:  lib/value/pair.c         Since: 0.2
 *
 * Return: 0; -ETIMEDOUT; -EINVAL another size, or a number; -EXDEV this process is in another pid
 * namespace than the creator; -ENOTRECOVERABLE its memory was overwritten; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_value_store_bytes(ipk_value *v, const void *data, size_t n_bytes,
						 ipk_deadline deadline);

/**
 * ipk_value_get_lock() - the value's own lock
 * @v: value
 *
 * Blocks:  no.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: a recursive lock, borrowed until the value is closed (closing the lock does nothing);
 * NULL for a raw value, or NULL.
 */
IPK_API ipk_lock *ipk_value_get_lock(ipk_value *v);

/**
 * ipk_value_data() - address of the number
 * @v: value
 *
 * For code that uses its own atomic operations, or holds a lock that all other users hold too.
 *
 * Blocks:  no.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: its address in this process, until the value is closed; NULL for a struct, which has no
 * fixed address, or for NULL.
 */
IPK_API void *ipk_value_data(ipk_value *v);

/**
 * ipk_value_typecode() - the type of the value
 * @v: value
 *
 * Blocks:  no.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: the typecode, as set at creation; 0 a struct, or NULL.
 */
IPK_API char ipk_value_typecode(const ipk_value *v);

/**
 * ipk_value_item_bytes() - the size of the value
 * @v: value
 *
 * Blocks:  no.
 * Source:  lib/value/value.c        Since: 0.2
 *
 * Return: bytes; 0 for NULL.
 */
IPK_API size_t ipk_value_item_bytes(const ipk_value *v);

/* --- arrays ----------------------------------------------------------------------------------- */

#define ipk_array_get(a, i, ret_item) ipk_array_get_as((a), (i), IPK_TYPECODE(ret_item), (ret_item))
#define ipk_array_set(a, i, item) ipk_array_set_as((a), (i), IPK_TYPECODE(item), (item))
/* @delta is a number; @ret_old points to the items' type or is NULL. */
#define ipk_array_add(a, i, delta, ret_old)                                                      \
	(IPK_IS_FLOATING(delta) ? ipk_array_add_double((a), (i), (double)(delta),                \
						       IPK_TYPECODE_OR_NULL(ret_old), (ret_old)) \
				: ipk_array_add_int((a), (i), (int64_t)(delta),                  \
						    IPK_TYPECODE_OR_NULL(ret_old), (ret_old)))

/**
 * ipk_array_create() - create an array
 * @opts:  typecode, or item_bytes, and n_items; the rest may be zero
 * @ret_a: the array
 *
 * The items are contiguous and the first one is at a multiple of 64 bytes, so structs are aligned
 * as in a C array.
 *
 * Blocks:  no.
 * Crash:   a named array is created atomically; an anonymous one leaves nothing.
 *          A named one exists until ipk_array_unlink().
 * Cost:    128 bytes and the items, of memory shared by all anonymous objects; a named one uses an
 *          fd, and so may a large one. The memory is allocated at once, so access never fails
 *          later.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: 0; -EINVAL name or option, an unknown typecode, a size that does not match the typecode;
 * -EOVERFLOW more bytes than a size_t can count; -EEXIST the name is taken; -EPROTOTYPE one with
 * other options than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_array_create(const ipk_array_opts *opts, ipk_array **ret_a);

/**
 * ipk_array_open() - open a named array that another process created
 * @name:     the name it was created with
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_a:    the array
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline; -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE,
 * -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA, -EBADMSG see error.h; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_array_open(const char *name, ipk_deadline deadline,
					  ipk_array **ret_a);

/**
 * ipk_array_close() - close the handle
 * @a: NULL is fine; no thread of this process may be inside a call on it. Its lock is released as
 *     by ipk_lock_close(); the results of ipk_array_get_lock() and ipk_array_data() become invalid
 *
 * Blocks:  no.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_array *ipk_array_close(ipk_array *a);

static inline void ipk_array_closep(ipk_array **a)
{
	*a = ipk_array_close(*a);
}

/**
 * ipk_array_unlink() - remove the name; open handles stay valid
 * @name: the name it was created with
 *
 * Blocks:  no.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_array_unlink(const char *name);

/**
 * ipk_array_send() - send an anonymous array to the other side of a pipe
 * @a:        array
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead).
 */
IPK_API IPK_MUST_CHECK int ipk_array_send(ipk_array *a, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_array_recv() - receive an array that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_a:    the array
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_array_open().
 */
IPK_API IPK_MUST_CHECK int ipk_array_recv(ipk_pipe *via, ipk_deadline deadline, ipk_array **ret_a);

/**
 * ipk_array_get_as() - read one number; call it as ipk_array_get(a, i, &x)
 * @a:        array
 * @i:        0 .. len - 1
 * @typecode: of *ret_item
 * @ret_item: contents of the item, bit by bit
 *
 * Order:   everything written before the set that it reads is visible after it.
 * Blocks:  no; it does not acquire the lock.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: 0; -ERANGE no such item; -EINVAL another type than the items', or structs; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_array_get_as(const ipk_array *a, size_t i, char typecode,
					    void *ret_item);

/**
 * ipk_array_set_as() - write one number; call it as ipk_array_set(a, i, &x)
 * @a:        array
 * @i:        0 .. len - 1
 * @typecode: of *item
 * @item:     new contents of the item
 *
 * Order:   a reader of the new value sees all earlier writes.
 * Blocks:  no; it does not acquire the lock.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: 0; -ERANGE no such item; -EINVAL another type than the items', or structs; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_array_set_as(ipk_array *a, size_t i, char typecode,
					    const void *item);

/**
 * ipk_array_add_int() - atomically add to one number; call it as
 * ipk_array_add(a, i, delta, &old)
 * @a:        array of any numbers but '?' and 'c'
 * @i:        0 .. len - 1
 * @delta:    number to add, also to a float; integers wrap around
 * @typecode: of *ret_old
 * @ret_old:  old contents; may be NULL
 *
 * Blocks:  no; it does not acquire the lock.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: 0; -ERANGE no such item; -EINVAL not a number, or *ret_old has another type;
 * -ENOTRECOVERABLE of a float: another process keeps changing it; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_array_add_int(ipk_array *a, size_t i, int64_t delta, char typecode,
					     void *ret_old);

/**
 * ipk_array_add_double() - atomically add to one floating-point number; call it as
 * ipk_array_add(a, i, 0.5, &old)
 * @a:        array of 'f' or 'd'
 * @i:        0 .. len - 1
 * @delta:    number to add; the sum is computed as a double
 * @typecode: of *ret_old
 * @ret_old:  old contents; may be NULL
 *
 * Blocks:  no; it does not acquire the lock.
 * Callers: any thread; async-signal-safe.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: 0; -ERANGE no such item; -EINVAL integers, or *ret_old has another type;
 * -ENOTRECOVERABLE another process keeps changing it; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_array_add_double(ipk_array *a, size_t i, double delta, char typecode,
						void *ret_old);

/**
 * ipk_array_read() - copy items out
 * @a:             array
 * @first:         index of the first item
 * @n_items:       number of items; first + n_items must not exceed len
 * @buf:           destination, not in the array itself; NULL only for 0 items
 * @buf_bytes:     exactly n_items times the size of an item
 * @deadline:      when to stop waiting for the lock; a raw array has none
 * @ret_recovered: as ipk_lock_lock(): the array may be half changed; may be NULL
 *
 * Writers that do not hold the lock (of a raw array, or by ipk_array_set()) may write during the
 * copy: then some items are old and some new, and an item may be a mixture.
 *
 * Blocks:  while another thread holds the lock; its holder may call it.
 * Cost:    as memcpy().
 * Source:  lib/value/array_bulk.c   Since: 0.2
 *
 * Return: 0; -ERANGE the range exceeds the array; -EINVAL wrong @buf_bytes; as ipk_lock_lock();
 * -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_array_read(ipk_array *a, size_t first, size_t n_items, void *buf,
					  size_t buf_bytes, ipk_deadline deadline,
					  bool *ret_recovered);

/**
 * ipk_array_write() - copy items in
 * @a:             array
 * @first:         index of the first item
 * @n_items:       number of items; first + n_items must not exceed len
 * @items:         new contents, not in the array itself; NULL only for 0 items
 * @items_bytes:   exactly n_items times the size of an item
 * @deadline:      when to stop waiting for the lock; a raw array has none
 * @ret_recovered: as ipk_lock_lock(): the array may be half changed; may be NULL
 *
 * Blocks:  while another thread holds the lock; its holder may call it.
 * Crash:   if it is killed meanwhile, some items are written and others not: the next thread that
 *          acquires the lock is told. Of a raw array no one is told.
 * Cost:    as memcpy().
 * Source:  lib/value/array_bulk.c   Since: 0.2
 *
 * Return: 0; -ERANGE the range exceeds the array; -EINVAL wrong @items_bytes; as ipk_lock_lock();
 * -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_array_write(ipk_array *a, size_t first, size_t n_items,
					   const void *items, size_t items_bytes,
					   ipk_deadline deadline, bool *ret_recovered);

/**
 * ipk_array_read_slice() - copy every nth item out
 * @a:             array
 * @first:         index of the first item
 * @step:          distance from one item to the next, negative for backwards; not 0
 * @n_items:       number of items
 * @buf:           destination, not in the array itself; NULL only for 0 items
 * @buf_bytes:     exactly n_items times the size of an item
 * @deadline:      when to stop waiting for the lock; a raw array has none
 * @ret_recovered: as ipk_lock_lock(): the array may be half changed; may be NULL
 *
 * Blocks:  while another thread holds the lock; its holder may call it.
 * Source:  lib/value/array_bulk.c   Since: 0.2
 *
 * Return: as ipk_array_read(); -EINVAL step is 0.
 */
IPK_API IPK_MUST_CHECK int ipk_array_read_slice(ipk_array *a, size_t first, int64_t step,
						size_t n_items, void *buf, size_t buf_bytes,
						ipk_deadline deadline, bool *ret_recovered);

/**
 * ipk_array_write_slice() - copy items in, to every nth place
 * @a:             array
 * @first:         index of the first item
 * @step:          distance from one item to the next, negative for backwards; not 0
 * @n_items:       number of items
 * @items:         new contents, not in the array itself; NULL only for 0 items
 * @items_bytes:   exactly n_items times the size of an item
 * @deadline:      when to stop waiting for the lock; a raw array has none
 * @ret_recovered: as ipk_lock_lock(): the array may be half changed; may be NULL
 *
 * Blocks:  while another thread holds the lock; its holder may call it.
 * Crash:   as ipk_array_write().
 * Source:  lib/value/array_bulk.c   Since: 0.2
 *
 * Return: as ipk_array_write(); -EINVAL step is 0.
 */
IPK_API IPK_MUST_CHECK int ipk_array_write_slice(ipk_array *a, size_t first, int64_t step,
						 size_t n_items, const void *items,
						 size_t items_bytes, ipk_deadline deadline,
						 bool *ret_recovered);

/**
 * ipk_array_fill() - write the same contents to several items
 * @a:             array
 * @first:         index of the first item
 * @n_items:       number of items; first + n_items must not exceed len
 * @item:          new contents of each
 * @item_bytes:    exactly the size of an item
 * @deadline:      when to stop waiting for the lock; a raw array has none
 * @ret_recovered: as ipk_lock_lock(): the array may be half changed; may be NULL
 *
 * Blocks:  while another thread holds the lock; its holder may call it.
 * Crash:   as ipk_array_write().
 * Source:  lib/value/array_bulk.c   Since: 0.2
 *
 * Return: as ipk_array_write().
 */
IPK_API IPK_MUST_CHECK int ipk_array_fill(ipk_array *a, size_t first, size_t n_items,
					  const void *item, size_t item_bytes,
					  ipk_deadline deadline, bool *ret_recovered);

/**
 * ipk_array_get_lock() - the array's own lock
 * @a: array
 *
 * Blocks:  no.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: a recursive lock, borrowed until the array is closed (closing the lock does nothing);
 * NULL for a raw array, or NULL.
 */
IPK_API ipk_lock *ipk_array_get_lock(ipk_array *a);

/**
 * ipk_array_data() - address of the items
 * @a: array
 *
 * For code that holds the lock, or needs none: a plain C array of all items.
 *
 * Blocks:  no.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: their address in this process, a multiple of 64, until the array is closed; NULL
 * for NULL.
 */
IPK_API void *ipk_array_data(ipk_array *a);

/**
 * ipk_array_len() - number of items
 * @a: array
 *
 * Blocks:  no.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: number of items, as set at creation; 0 for NULL.
 */
IPK_API size_t ipk_array_len(const ipk_array *a);

/**
 * ipk_array_typecode() - the type of the items
 * @a: array
 *
 * Blocks:  no.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: the typecode, as set at creation; 0 structs, or NULL.
 */
IPK_API char ipk_array_typecode(const ipk_array *a);

/**
 * ipk_array_item_bytes() - the size of an item
 * @a: array
 *
 * Blocks:  no.
 * Source:  lib/value/array.c        Since: 0.2
 *
 * Return: bytes; 0 for NULL.
 */
IPK_API size_t ipk_array_item_bytes(const ipk_array *a);

/* --- in place --------------------------------------------------------------------------------- */

/* The first members of a value, the same in all versions. */
struct ipk_value_face {
	void *own[4];  /* private to the library */
	void *word;    /* the number; not a struct */
	uint32_t type; /* its typecode, 'l' and 'L' as their equivalents; 0 a struct */
};

typedef uint32_t __attribute__((__may_alias__)) ipk__word32;
typedef uint64_t __attribute__((__may_alias__)) ipk__word64;

/* Types with the same representation have one typecode here. */
static inline uint32_t ipk__typecode_plain(char typecode)
{
	if (typecode == 'l')
		return sizeof(long) == sizeof(long long) ? 'q' : 'i';
	if (typecode == 'L')
		return sizeof(long) == sizeof(long long) ? 'Q' : 'I';
	return (uint32_t)typecode;
}

static inline size_t ipk__typecode_bytes(char typecode)
{
	switch (ipk__typecode_plain(typecode)) {
	case 'c':
	case '?':
	case 'b':
	case 'B':
		return 1;
	case 'h':
	case 'H':
		return 2;
	case 'i':
	case 'I':
	case 'f':
		return 4;
	default:
		return 8;
	}
}

/* Through separate memory, so that the caller's variable may stay in a register. */
static inline int ipk__value_add_there(ipk_value *v, int64_t delta, char typecode, void *ret_old)
{
	uint64_t old = 0;
	int r = ipk_value_add_int(v, delta, typecode, ret_old ? &old : NULL);

	if (r == 0 && ret_old)
		__builtin_memcpy(ret_old, &old, ipk__typecode_bytes(typecode));
	return r;
}

/* With a constant @typecode, a few comparisons and the addition. */
static inline int ipk__value_add_here(ipk_value *v, int64_t delta, char typecode, void *ret_old)
{
	const struct ipk_value_face *face = (const struct ipk_value_face *)v;
	uint32_t type = face ? face->type : 0;

	if (ret_old && type != ipk__typecode_plain(typecode))
		type = 0;
	if (type == 'q' || type == 'Q') {
		uint64_t old = __atomic_fetch_add((ipk__word64 *)face->word, (uint64_t)delta,
						  __ATOMIC_SEQ_CST);

		if (ret_old)
			__builtin_memcpy(ret_old, &old, sizeof old);
		return 0;
	}
	if (type == 'i' || type == 'I') {
		uint32_t old = __atomic_fetch_add((ipk__word32 *)face->word, (uint32_t)delta,
						  __ATOMIC_SEQ_CST);

		if (ret_old)
			__builtin_memcpy(ret_old, &old, sizeof old);
		return 0;
	}
	return ipk__value_add_there(v, delta, typecode, ret_old);
}

#ifdef __cplusplus
}

/* Never defined: the size of the returned type is the typecode. */
char (&ipk__typecode_of(const char *))['c'];
char (&ipk__typecode_of(const signed char *))['b'];
char (&ipk__typecode_of(const unsigned char *))['B'];
char (&ipk__typecode_of(const bool *))['?'];
char (&ipk__typecode_of(const short *))['h'];
char (&ipk__typecode_of(const unsigned short *))['H'];
char (&ipk__typecode_of(const int *))['i'];
char (&ipk__typecode_of(const unsigned *))['I'];
char (&ipk__typecode_of(const long *))['l'];
char (&ipk__typecode_of(const unsigned long *))['L'];
char (&ipk__typecode_of(const long long *))['q'];
char (&ipk__typecode_of(const unsigned long long *))['Q'];
char (&ipk__typecode_of(const float *))['f'];
char (&ipk__typecode_of(const double *))['d'];
char (&ipk__typecode_of(decltype(nullptr)))[1];
#endif

#endif
