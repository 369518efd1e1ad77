/*
 * base.h - definitions that all ipk headers use: export marks, scope cleanup, version.
 *
 * Rules for all calls:
 *
 *   const     A handle is const in calls that change neither it nor the object: counts, sizes,
 *             kinds, pids. Calls that lock, wait, clean up after dead peers or fetch results take a
 *             non-const handle.
 *   Signals   A signal neither ends a call early nor extends its deadline: the handler runs at
 *             once, then the call continues to wait. No call returns -EINTR. A handler may call the
 *             functions marked async-signal-safe (under Callers). It may also fork, whatever call
 *             it interrupted.
 *   Threads   No call is a cancellation point: pthread_cancel() takes effect after the call
 *             returns. (Not so with PTHREAD_CANCEL_ASYNCHRONOUS.)
 *   fork()    The child gets a copy of each handle. Closing or terminating in the child affects
 *             only this copy: the object, server, pool or child process remains the parent's.
 *   Growth    An options struct begins with struct_size, which its macro sets. A longer struct than
 *             this library knows is accepted if the extra bytes are 0, otherwise -EINVAL. A struct
 *             that the library copies out keeps its size: new fields use reserved space, which is 0
 *             until then. A struct that the library keeps and returns by pointer also begins with
 *             struct_size: a field beyond it does not exist.
 *   exec()    exec() ends the threads that hold locks, so the next holder is told that the owner
 *             died. Resources that belong to the process, not to a thread (a share of an rwlock, a
 *             token of a semaphore, a lease), stay held until the process ends, because the kernel
 *             sees the same process.
 */
#ifndef IPK_BASE_H
#define IPK_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IPK_VERSION_MAJOR 0
#define IPK_VERSION_MINOR 4
#define IPK_VERSION_PATCH 0

#define IPK_API __attribute__((visibility("default")))
#define IPK_MUST_CHECK __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipk_version() - the version of the libipk that is loaded
 *
 * IPK_VERSION_MAJOR, _MINOR and _PATCH are the version of the headers at compile time.
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/base/version.c       Since: 0.4
 *
 * Return: a static string such as "0.4.0".
 */
IPK_API const char *ipk_version(void);

#ifdef __cplusplus
}
#endif

/*
 * IPK_AUTO(queue, q); declares ipk_queue *q = NULL and closes it on every exit from the scope.
 * IPK_AUTO_INIT(queue, q, make_queue()); initializes it with the given expression instead.
 */
#define IPK_AUTO(noun, name) IPK_AUTO_INIT(noun, name, NULL)
#define IPK_AUTO_INIT(noun, name, ...) \
	__attribute__((cleanup(ipk_##noun##_closep), unused)) ipk_##noun *name = __VA_ARGS__

/*
 * IPK_TRY(call); returns a negative result of @call from the enclosing function, which must return
 * int. For main(), use IPK_CHECK() of error.h.
 */
#define IPK_TRY(call)                      \
	do {                               \
		int ipk_try_r_ = (call);   \
		if (ipk_try_r_ < 0)        \
			return ipk_try_r_; \
	} while (0)

/* Any bytes: a message, an item, a key. */
typedef struct ipk_bytes {
	const void *data;
	size_t len_bytes;
} ipk_bytes;

/**
 * ipk_text() - the bytes of a string, without the NUL: ipk_dict_get(d, ipk_text("name"), ...)
 * @string: not NULL; must outlive the returned value
 *
 * Blocks:  no.
 * Callers: any thread; async-signal-safe.
 * Source:  include/ipk/base.h       Since: 0.4
 *
 * Return: pointer and length; nothing is copied.
 */
static inline ipk_bytes ipk_text(const char *string)
{
	ipk_bytes bytes;

	bytes.data = string;
	bytes.len_bytes = strlen(string);
	return bytes;
}

/* How a queue or a pool is shut down. */
typedef enum ipk_shutdown {
	IPK_DRAIN = 1,   /* reject new items; process those that are queued */
	IPK_DISCARD = 2, /* reject new items; drop those that are queued */
} ipk_shutdown;

/*
 * Options literal: IPK_OPTS(queue, .max_items = 100). Zero means default. Its lifetime is the
 * enclosing block in C, the full expression of the call in C++. In C++ the fields must be named in
 * declaration order.
 */
#ifndef __cplusplus
#define IPK_OPTS(noun, ...) \
	(&(ipk_##noun##_opts){.struct_size = sizeof(ipk_##noun##_opts), __VA_ARGS__})
#else
extern "C++" {
template <class T> inline const T *ipk_opts_address_(const T &opts)
{
	return &opts;
}
}
/* Some fields are left out on purpose, and designated initializers are an extension before C++20:
 * g++ accepts both in macros of a system header after __extension__, clang++ needs a pragma. */
#pragma GCC system_header
#ifdef __clang__
#define IPK_OPTS(noun, ...)                                                                 \
	(ipk_opts_address_(                                                                 \
		_Pragma("clang diagnostic push")                                            \
			_Pragma("clang diagnostic ignored \"-Wc++20-designator\"")          \
				ipk_##noun##_opts{.struct_size = sizeof(ipk_##noun##_opts), \
						  __VA_ARGS__} _Pragma("clang diagnostic pop")))
#else
#define IPK_OPTS(noun, ...)                                 \
	(ipk_opts_address_(__extension__ ipk_##noun##_opts{ \
		.struct_size = sizeof(ipk_##noun##_opts), __VA_ARGS__}))
#endif
#endif

#endif
