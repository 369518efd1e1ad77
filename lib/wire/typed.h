/*
 * typed.h - packs the values behind a format for the call that sends them: every ..f() that
 * takes values begins with IPK__PACK_ARGS().
 */
#ifndef IPK_WIRE_TYPED_H
#define IPK_WIRE_TYPED_H

#include <stdarg.h>
#include <stdlib.h>

#include "ipk/pack.h"

static inline void ipk__packed_free(void *data)
{
	free(*(void **)data);
}

/*
 * In a function whose last parameters are @format and "...": declares @data and @len_bytes, the
 * packed values, which are freed when the function returns. Returns from the function with the
 * error of ipk_vpack() if there is one.
 */
#define IPK__PACK_ARGS(format, data, len_bytes)                       \
	__attribute__((cleanup(ipk__packed_free))) void *data = NULL; \
	size_t len_bytes;                                             \
	do {                                                          \
		va_list args_;                                        \
		int r_;                                               \
                                                                      \
		va_start(args_, format);                              \
		r_ = ipk_vpack(&(data), &(len_bytes), format, args_); \
		va_end(args_);                                        \
		if (r_ < 0)                                           \
			return r_;                                    \
	} while (0)

#endif
