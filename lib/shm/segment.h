/*
 * segment.h - a piece of memory that processes share, with a header that tells what it is.
 *
 * File layout: [header and fixed part][ring 0][ring 1]... In memory each ring is mapped
 * twice in a row, so that what wraps around its end still lies in one piece. Behind the
 * mapped part a file may have more pages, reached only by read and write calls.
 */
#ifndef IPK_SHM_SEGMENT_H
#define IPK_SHM_SEGMENT_H

#include "ipk/deadline.h"
#include <stddef.h>
#include <stdint.h>

#include "base/base_internal.h"

#pragma GCC visibility push(default) /* for libipk-manager */

enum {
	IPK__KIND_PIPE = 1,
	IPK__KIND_QUEUE = 2,
	IPK__KIND_ARENA = 3, /* see arena.h */
	IPK__KIND_SHM = 4,
	IPK__KIND_MANAGER = 5,   /* sparse: see ipk__segment_create_sparse() */
	IPK__KIND_PROCESSES = 6, /* see process/registry_shared.h */
	IPK__KIND_POOL = 7,      /* sparse */
};

#define IPK__SEGMENT_MAGIC 0x31676573006b7069u /* "ipk\0seg1" */
#define IPK__SEGMENT_VERSION 2u /* goes up whenever something in shared memory lies elsewhere */
#define IPK__SEGMENT_RING_MAX ((uint64_t)1 << 30)
#define IPK__SEGMENT_FIXED_MAX (IPK__SEGMENT_RING_MAX * 4)
#define IPK__SEGMENT_SHM_MAX ((uint64_t)1 << 46) /* the fixed part, where it is the user's */
#define IPK__SEGMENT_RING_MIN ((uint64_t)4096)

/* First in every segment. Written once, before anybody else can see it. */
struct ipk__shm_header {
	uint64_t magic;
	uint32_t version;
	uint32_t fingerprint; /* sizes and byte order of whoever made it */
	uint32_t libc;
	uint32_t kind;
	uint64_t fixed_bytes;
	uint64_t ring_bytes; /* of each ring */
	uint32_t n_rings;
	uint32_t uid;
	uint64_t pid_namespace;
	uint32_t creator_pid;
	uint32_t flags; /* the kind's own */
	int64_t created_boot_ns;
	char label[IPK__NAME_MAX + 8];
	uint64_t checksum; /* of all before it */
};
_Static_assert(offsetof(struct ipk__shm_header, fixed_bytes) == 24, "layout");
_Static_assert(offsetof(struct ipk__shm_header, label) == 72, "layout");
_Static_assert(offsetof(struct ipk__shm_header, checksum) == 280, "layout");
_Static_assert(sizeof(struct ipk__shm_header) == 288, "layout");

/*
 * @checked is the header as it was when it was checked, in private memory. After that nothing
 * that decides where memory lies is read from @header, which others may write over: it is an
 * address, and the way to the kind's own fields (tests/api/checked.sh).
 */
struct ipk__segment {
	int fd;
	struct ipk__shm_header *header;
	struct ipk__shm_header checked;
	size_t mapped_bytes;
};

struct ipk__segment_plan {
	uint32_t kind;
	uint32_t flags;
	const char *label;
	bool is_named;
	size_t fixed_bytes;
	size_t least_bytes; /* of a sparse one, under limits of the process; 0: @fixed_bytes */
	size_t ring_bytes;
	uint32_t n_rings;
};

/* Make a segment, zeroed, with its header; nobody else can see it yet. */
int ipk__segment_create(const struct ipk__segment_plan *plan, struct ipk__segment *ret_segment);
/*
 * One that is mostly holes: @plan->fixed_bytes in size, of which the first @filled_bytes have
 * pages; whoever uses more fills it with ipk__os_allocate() before. No rings, no name. Where
 * the process may not have so long a file (RLIMIT_FSIZE) or so many addresses (RLIMIT_AS, of
 * which it takes a quarter at most) it is smaller: @mapped_bytes. -EFBIG, -ENOMEM.
 */
int ipk__segment_create_sparse(const struct ipk__segment_plan *plan, size_t filled_bytes,
			       struct ipk__segment *ret_segment);
/* Let others see it: under @file_name in /dev/shm, or sealed when that is NULL. */
int ipk__segment_publish(struct ipk__segment *segment, const char *file_name);
/* Check what @fd names, and read its header; @fd stays the caller's. */
int ipk__segment_read(int fd, uint32_t kind, bool is_named, struct ipk__shm_header *ret_header);
/* Check and map what @fd names; on success the segment owns @fd. */
int ipk__segment_attach(int fd, uint32_t kind, bool is_named, struct ipk__segment *ret_segment);
/* The same of a sparse one. */
int ipk__segment_attach_sparse(int fd, uint32_t kind, bool writable,
			       struct ipk__segment *ret_segment);
/* NULL-safe, half-built-safe; fd is closed too. */
void ipk__segment_detach(struct ipk__segment *segment);

/* Whether @header may be used as @kind (0: any) by this process; @file_bytes is the file's size. */
int ipk__segment_check(const struct ipk__shm_header *header, uint32_t kind, uint64_t file_bytes);

static inline char *ipk__segment_ring(const struct ipk__segment *s, uint32_t i)
{
	return (char *)s->header + s->checked.fixed_bytes + 2 * s->checked.ring_bytes * i;
}

/*
 * After -ENOENT, for who waits until somebody makes a name: naps, longer each time (*nap_ns is 0
 * at first). False: @deadline has passed.
 */
bool ipk__name_nap(ipk_deadline deadline, int64_t *nap_ns);

#pragma GCC visibility pop

#endif
