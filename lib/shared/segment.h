/*
 * segment.h - a piece of memory that processes share, with a header that identifies it.
 *
 * File layout: [header and fixed part][ring 0][ring 1]... In memory each ring is mapped twice in a
 * row, so data that wraps around its end is still contiguous. Behind the mapped part a file may
 * have more pages, accessed only by read and write calls.
 */
#ifndef IPK_SHARED_SEGMENT_H
#define IPK_SHARED_SEGMENT_H

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
#define IPK__SEGMENT_VERSION 2u                /* incremented with every change of the layout */
#define IPK__SEGMENT_RING_MAX ((uint64_t)1 << 30)
#define IPK__SEGMENT_FIXED_MAX (IPK__SEGMENT_RING_MAX * 4)
#define IPK__SEGMENT_SHM_MAX ((uint64_t)1 << 46) /* the fixed part, if the user chooses it */
#define IPK__SEGMENT_RING_MIN ((uint64_t)4096)

/* First in every segment. Written once, before it becomes visible. */
struct ipk__shm_header {
	uint64_t magic;
	uint32_t version;
	uint32_t fingerprint; /* sizes and byte order of its creator */
	uint32_t libc;
	uint32_t kind;
	uint64_t fixed_bytes;
	uint64_t ring_bytes; /* of each ring */
	uint32_t n_rings;
	uint32_t uid;
	uint64_t pid_namespace;
	uint32_t creator_pid;
	uint32_t flags; /* specific to the kind */
	int64_t created_boot_ns;
	char label[IPK__NAME_MAX + 8];
	uint64_t checksum; /* of all before it */
};
_Static_assert(offsetof(struct ipk__shm_header, fixed_bytes) == 24, "layout");
_Static_assert(offsetof(struct ipk__shm_header, label) == 72, "layout");
_Static_assert(offsetof(struct ipk__shm_header, checksum) == 280, "layout");
_Static_assert(sizeof(struct ipk__shm_header) == 288, "layout");

/*
 * @checked is a private copy of the header as validated. Afterwards nothing that determines a
 * memory layout is read from @header, which others may overwrite: it is an address, and the way to
 * the kind's own fields (tests/api/checked.sh).
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
	size_t least_bytes; /* of a sparse one, if limits of the process apply; 0: @fixed_bytes */
	size_t ring_bytes;
	uint32_t n_rings;
};

/* Creates a segment, zeroed, with its header; it is not visible yet. */
int ipk__segment_create(const struct ipk__segment_plan *plan, struct ipk__segment *ret_segment);
/*
 * A sparse one: @plan->fixed_bytes in size, of which the first @filled_bytes have pages; allocate
 * more with ipk__os_allocate() before use. No rings, no name. If the process may not have so long a
 * file (RLIMIT_FSIZE) or so much address space (RLIMIT_AS, of which it takes a quarter at most) it
 * is smaller: @mapped_bytes. -EFBIG, -ENOMEM.
 */
int ipk__segment_create_sparse(const struct ipk__segment_plan *plan, size_t filled_bytes,
			       struct ipk__segment *ret_segment);
/* Publishes it: under @file_name in /dev/shm, or sealed when that is NULL. */
int ipk__segment_publish(struct ipk__segment *segment, const char *file_name);
/* Validates the file @fd, and reads its header; @fd stays the caller's. */
int ipk__segment_read(int fd, uint32_t kind, bool is_named, struct ipk__shm_header *ret_header);
/* Validates and maps the file @fd; on success the segment owns @fd. */
int ipk__segment_attach(int fd, uint32_t kind, bool is_named, struct ipk__segment *ret_segment);
/* The same for a sparse one. */
int ipk__segment_attach_sparse(int fd, uint32_t kind, bool writable,
			       struct ipk__segment *ret_segment);
/* Safe for NULL and for a partly created one; closes the fd too. */
void ipk__segment_detach(struct ipk__segment *segment);

/* Whether this process may use @header as @kind (0: any); @file_bytes is the file's size. */
int ipk__segment_check(const struct ipk__shm_header *header, uint32_t kind, uint64_t file_bytes);

static inline char *ipk__segment_ring(const struct ipk__segment *s, uint32_t i)
{
	return (char *)s->header + s->checked.fixed_bytes + 2 * s->checked.ring_bytes * i;
}

/*
 * After -ENOENT, for callers that wait until a name is created: sleeps, longer each time (*nap_ns
 * is 0 at first). False: @deadline has passed.
 */
bool ipk__name_nap(ipk_deadline deadline, int64_t *nap_ns);
/*
 * After a name that was taken (-EEXIST) was opened with *r: whether to create and open once more,
 * since it was removed in between (-ENOENT). *n_tries begins as 0; if others create and remove the
 * name all the time, *r becomes -EBUSY.
 */
bool ipk__name_retry(int *r, int *n_tries);

#pragma GCC visibility pop

#endif
