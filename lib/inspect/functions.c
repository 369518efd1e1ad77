/*
 * functions.c - a name for what a worker runs.
 *
 * All that is shared is an address, which means something in the worker alone: the file that
 * lies there, and how far into it. Its symbols are not looked up, for that would mean reading a
 * file that may be on any file system; addr2line(1) does that for whoever wants it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "inspect/inspect_internal.h"

#define FILE_BYTES 256
/* A program that is not position independent is mapped below, at its own addresses. */
#define LOWEST_MOVED ((uint64_t)1 << 32)

void ipk__name_function(pid_t pid, uint64_t address, char *buf, size_t buf_bytes)
{
	char file[FILE_BYTES], name[FILE_BYTES / 4];
	uint64_t start;

	*buf = '\0';
	if (address == 0 || ipk__os_mapped_file(pid, address, file, sizeof file, &start) < 0)
		return;
	ipk__printable(file, false, name, sizeof name);
	snprintf(buf, buf_bytes, "%s+0x%" PRIx64, name,
		 start < LOWEST_MOVED ? address : address - start);
}
