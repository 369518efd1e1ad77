/*
 * crc32c.c - CRC-32C (Castagnoli; RFC 3720 B.4).
 *
 * x86-64 processors since 2008 have an instruction for it, 8 bytes at a time; others use a table, a
 * byte at a time. Both give the same results.
 */
#include <string.h>

#include "base/crc32c.h"

/* Of each half byte, for the polynomial 0x82f63b78 (bits reversed). */
static uint32_t by_bits(uint32_t crc, unsigned char byte)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	crc ^= byte;
	crc = crc >> 4 ^ nibble[crc & 15];
	return crc >> 4 ^ nibble[crc & 15];
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const unsigned char *p, size_t n_bytes)
{
	uint64_t wide = crc;

	for (; n_bytes >= 8; p += 8, n_bytes -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; n_bytes > 0; p++, n_bytes--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}
#endif

uint32_t ipk__crc32c_slowly(uint32_t seed, const void *data, size_t n_bytes)
{
	const unsigned char *p = data;
	uint32_t crc = ~seed;

	for (size_t i = 0; i < n_bytes; i++)
		crc = by_bits(crc, p[i]);
	return ~crc;
}

uint32_t ipk__crc32c(uint32_t seed, const void *data, size_t n_bytes)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(~seed, data, n_bytes);
#endif
	return ipk__crc32c_slowly(seed, data, n_bytes);
}
