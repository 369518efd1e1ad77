/* checksum.c - FNV-1a over 64 bits (Fowler, Noll, Vo: draft-eastlake-fnv). */
#include "base/base_internal.h"

uint64_t ipk__checksum(const void *data, size_t n_bytes)
{
	const unsigned char *p = data;
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n_bytes; i++)
		hash = (hash ^ p[i]) * 0x100000001b3u;
	return hash;
}
