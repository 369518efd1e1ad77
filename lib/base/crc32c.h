/* crc32c.h - a checksum that finds every flipped bit and every burst of up to 32 of them. */
#ifndef IPK_BASE_CRC32C_H
#define IPK_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default) /* for libipk-manager */

/* CRC-32C of what @seed is the CRC of (0: nothing) and of @data behind it. */
uint32_t ipk__crc32c(uint32_t seed, const void *data, size_t n_bytes);
uint32_t ipk__crc32c_slowly(uint32_t seed, const void *data, size_t n_bytes); /* by table */

#pragma GCC visibility pop

#endif
