/*
 * functions.c - a name for the function that a worker runs.
 *
 * Shared memory holds only an address, valid in the worker alone; it is translated to the file
 * mapped there and the offset in it. Symbols are not resolved, since that would read a file on an
 * arbitrary file system; addr2line(1) can do it.
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
