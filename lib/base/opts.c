/*
 * opts.c - options structs that can grow: each starts with its size, so an old caller's
 * struct is read as far as it goes and a new caller's only when it asks for nothing new.
 */
#include <errno.h>
#include <string.h>

#include "base/base_internal.h"

int ipk__opts_copy(void *dst, size_t dst_bytes, const void *src)
{
	const unsigned char *bytes = src;
	size_t src_bytes;

	memset(dst, 0, dst_bytes);
	if (!src)
		return 0;
	memcpy(&src_bytes, src, sizeof src_bytes);
	if (src_bytes < sizeof src_bytes || src_bytes > 4096)
		return -EINVAL;
	for (size_t i = dst_bytes; i < src_bytes; i++) {
		if (bytes[i] != 0)
			return -EINVAL;
	}
	memcpy(dst, src, IPK__MIN(dst_bytes, src_bytes));
	return 0;
}
