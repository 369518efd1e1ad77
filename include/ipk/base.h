/* base.h - words every ipk header uses: export marks, scope cleanup, version. */
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

/* IPK_AUTO(queue) *q = NULL; closes q when the scope is left, however it is left. */
#define IPK_AUTO(noun) __attribute__((cleanup(ipk_##noun##_closep))) ipk_##noun

/* Leave the enclosing int function with the error of @call, if it has one. */
#define ipk_try(call)                      \
	do {                               \
		int ipk_try_r_ = (call);   \
		if (ipk_try_r_ < 0)        \
			return ipk_try_r_; \
	} while (0)

/* How a queue or a pool comes to its end. */
typedef enum ipk_shutdown {
	IPK_DRAIN = 1, /* nothing more comes in; what is inside is dealt with */
	IPK_NOW = 2,   /* nothing more comes in; what is inside is dropped */
} ipk_shutdown;

/* Options literal: IPK_OPTS(queue, .max_items = 100). Zero means default. */
#define IPK_OPTS(noun, ...) (&(ipk_##noun##_opts){.size = sizeof(ipk_##noun##_opts), __VA_ARGS__})

#endif
