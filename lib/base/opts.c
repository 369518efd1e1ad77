/*
 * opts.c - options structs that can grow: each begins with its size. An older caller's struct is
 * read only up to its size; a newer caller's is accepted only if its unknown fields are zero.
 */
#include <errno.h>
#include <string.h>

#include "base/base_internal.h"

#define OPTS_MAX_BYTES 4096

int ipk__opts_copy(void *dst, size_t dst_bytes, const void *src)
{
	const unsigned char *bytes = src;
	size_t src_bytes;

	memset(dst, 0, dst_bytes);
	if (!src)
		return 0;
	memcpy(&src_bytes, src, sizeof src_bytes);
	IPK__REQUIRE(src_bytes >= sizeof src_bytes && src_bytes <= OPTS_MAX_BYTES,
		     ".struct_size: use the macro of these options");
	for (size_t i = dst_bytes; i < src_bytes; i++) {
		IPK__REQUIRE(bytes[i] == 0,
			     "options unknown to this version of the library are set");
	}
	memcpy(dst, src, IPK__MIN(dst_bytes, src_bytes));
	return 0;
}
