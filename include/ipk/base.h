/*
 * base.h - words every ipk header uses: export marks, scope cleanup, version.
 *
 * What holds for every call:
 *
 *   Signals   never end a call early nor lengthen its deadline. A handler may call what is
 *             said to be async-signal-safe (under Callers), and it may fork, whatever it
 *             interrupted.
 *   Threads   are not cancelled inside: no call is a cancellation point, so pthread_cancel()
 *             takes effect after it. (Not so with PTHREAD_CANCEL_ASYNCHRONOUS.)
 *   fork()    gives the child a copy of each handle. What it closes or ends is its copy: the
 *             object, server, pool or child process stays its parent's.
 *   Growth    structs of options begin with struct_size, which their macro sets: zeros beyond
 *             what this library knows are fine, anything else there is -EINVAL. Structs that
 *             the library copies out keep their size: new fields take room that is reserved,
 *             and is 0 until then. Structs that it keeps and points to begin with struct_size
 *             too: a field that lies beyond it is not there.
 *   exec()    ends the threads that hold locks, so the next holder is told that they died.
 *             What a process has, not a thread, it has until it ends: an rwlock's share, a
 *             semaphore's token, an item on loan, for to the kernel it is the same process.
 */
#ifndef IPK_BASE_H
#define IPK_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPK_VERSION_MAJOR 0
#define IPK_VERSION_MINOR 4
#define IPK_VERSION_PATCH 0

#define IPK_API __attribute__((visibility("default")))
#define IPK_MUST_CHECK __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ipk_version() - which libipk this program runs with
 *
 * IPK_VERSION_MAJOR, _MINOR and _PATCH are those of the headers it was compiled with.
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/base/version.c       Since: 0.4
 *
 * Return: a static text, as in "0.4.0".
 */
IPK_API const char *ipk_version(void);

#ifdef __cplusplus
}
#endif

/*
 * IPK_AUTO(queue, q); declares ipk_queue *q = NULL and closes it when the scope is left,
 * however it is left. IPK_AUTO_INIT(queue, q, make_queue()); begins with that instead.
 */
#define IPK_AUTO(noun, name) IPK_AUTO_INIT(noun, name, NULL)
#define IPK_AUTO_INIT(noun, name, ...) \
	__attribute__((cleanup(ipk_##noun##_closep), unused)) ipk_##noun *name = __VA_ARGS__

/*
 * IPK_TRY(call); returns the error of @call, if it has one, from the function around it, which
 * returns int. For main(), which nobody asks for an errno, there is IPK_CHECK() in error.h.
 */
#define IPK_TRY(call)                      \
	do {                               \
		int ipk_try_r_ = (call);   \
		if (ipk_try_r_ < 0)        \
			return ipk_try_r_; \
	} while (0)

/* Bytes anywhere: a message, an item, a key. */
typedef struct ipk_bytes {
	const void *data;
	size_t len_bytes;
} ipk_bytes;

/* How a queue or a pool comes to its end. */
typedef enum ipk_shutdown {
	IPK_DRAIN = 1,   /* nothing more comes in; what is inside is dealt with */
	IPK_DISCARD = 2, /* nothing more comes in; what is inside is dropped */
} ipk_shutdown;

/*
 * Options literal: IPK_OPTS(queue, .max_items = 100). Zero means default. In C it lives as long
 * as the block around it; in C++ until the call it is given to returns, and its fields are
 * named in the order in which they are declared.
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
/* Fields that are not named are meant, and names are an extension before C++20: g++ takes both
 * from the macros of a system header after __extension__, clang++ wants a pragma. */
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
