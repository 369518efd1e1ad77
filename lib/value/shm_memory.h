/* shm_memory.h - the file layout of named shared memory, for shm_memory.c and its tests. */
#ifndef IPK_VALUE_SHM_MEMORY_H
#define IPK_VALUE_SHM_MEMORY_H

#include "ipk/shm.h"
#include "os/os.h"
#include "shared/segment.h"

#define IPK__SHM_UNLINK_LAST 1u /* in the header's flags */

/* The first page; the data begin with the second one. A raw one is data only. */
struct ipk__shm_memory {
	struct ipk__shm_header header;
	uint64_t size_bytes; /* as requested; the file is rounded up to pages */
};

struct ipk_shm {
	int fd;
	void *base;
	size_t mapped_bytes;
	char *data;
	size_t size_bytes;
	char *file; /* in /dev/shm; NULL: anonymous */
	bool is_raw;
	bool is_read_only;
	bool unlink_last;
};

#endif
