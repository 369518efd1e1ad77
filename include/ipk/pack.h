/*
 * pack.h - typed values in a message: MessagePack behind a mark byte.
 *
 * A packed message is the byte 0xC1, which MessagePack never uses, then one MessagePack
 * value. Format strings build and read them, in the manner of Py_BuildValue:
 *
 *   n       nil                                (no argument)
 *   b       bool                               bool             bool *
 *   i       int                                int              int *
 *   I       unsigned                           unsigned         unsigned *
 *   l       64-bit integer                     int64_t          int64_t *
 *   L       64-bit unsigned integer            uint64_t         uint64_t *
 *   d       double                             double           double *
 *   s       string, NUL-terminated (UTF-8)     const char *     char **, for free()
 *   S       string with length                 const char *, size_t   const char **, size_t *
 *   y       bytes                              const void *, size_t   const void **, size_t *
 *   [ ... ] array of exactly these values
 *   { ... } map: key, value, key, value, ...; ':' and ',' are for the eye, as is ' '
 *   *       (unpack only) any one value, passed over
 *
 * Unpacking is strict: the type must be the one asked for, and the value must fit the C
 * type (-ERANGE). A 'd' also takes an integer that a double holds exactly.
 */
#ifndef IPK_PACK_H
#define IPK_PACK_H

#include <stdarg.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_PACK_MARK 0xC1u
#define IPK_PACK_DEPTH_MAX 64 /* arrays and maps inside each other */

/**
 * ipk_pack() - pack typed values into memory made for them
 * @ret_data:      the message, for free()
 * @ret_len_bytes: its length, the mark included
 * @format:        see above; the values follow; one value (wrap several in [ ])
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/wire/pack.c          Since: 0.1
 *
 * Return: 0; -EINVAL the format is wrong; -EMSGSIZE over 1 GiB; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_pack(void **ret_data, size_t *ret_len_bytes, const char *format,
				    ...);

/**
 * ipk_vpack() - ipk_pack() with a va_list
 * @ret_data:      as there
 * @ret_len_bytes: as there
 * @format:        as there
 * @args:          the values
 *
 * Source:  lib/wire/pack.c          Since: 0.1
 *
 * Return: as ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_vpack(void **ret_data, size_t *ret_len_bytes, const char *format,
				     va_list args);

/**
 * ipk_unpack() - read typed values out of a message
 * @data:      the message, the mark included; what S and y yield points into it
 * @len_bytes: its length
 * @format:    see above; pointers follow, NULL for a value that is not wanted
 *
 * Nothing is stored unless the whole message fits the format. What s yields is a copy
 * of its own with a terminating NUL; a string with a NUL inside is -EPROTO for it.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/wire/unpack.c        Since: 0.1
 *
 * Return: 0; -EPROTO malformed, truncated, trailing bytes, or not the types asked for;
 * -ERANGE a number does not fit its C type; -EINVAL the format is wrong; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_unpack(const void *data, size_t len_bytes, const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
