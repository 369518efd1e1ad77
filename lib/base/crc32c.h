/* crc32c.h - a checksum that detects every flipped bit and every burst of up to 32 of them. */
#ifndef IPK_BASE_CRC32C_H
#define IPK_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default) /* for libipk-manager */

/* CRC-32C of @data, continuing from @seed, the CRC of what precedes it (0: nothing). */
uint32_t ipk__crc32c(uint32_t seed, const void *data, size_t n_bytes);
uint32_t ipk__crc32c_slowly(uint32_t seed, const void *data, size_t n_bytes); /* by table */

#pragma GCC visibility pop

#endif
