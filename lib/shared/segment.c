/*
 * segment.c - creating, validating and mapping shared segments.
 *
 * Invariant: a segment that another process can reach is complete, and its header never changes
 * again. So attaching needs no lock and no waiting for the creator: a segment that fails a check is
 * refused, with a separate error for each cause. The header is first copied to private memory and
 * checked there, and only the checked numbers are used afterwards. Pages are allocated before they
 * are mapped and files are never shrunk (sealed where the kernel can), so accessing a segment
 * cannot raise SIGBUS.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "shared/segment.h"

enum { LIBC_OTHER = 0, LIBC_GLIBC = 1 };

static uint32_t own_libc(void)
{
#ifdef __GLIBC__
	return LIBC_GLIBC;
#else
	return LIBC_OTHER;
#endif
}

/* Two builds that lay shared memory out differently must not meet in it. */
static uint32_t own_fingerprint(void)
{
	const uint16_t order = 1;
	const uint32_t parts[] = {
		sizeof(pthread_mutex_t),
		sizeof(void *),
		sizeof(long),
		*(const unsigned char *)&order,
		sizeof(struct ipk__shm_header),
		_Alignof(max_align_t),
	};

	return (uint32_t)ipk__checksum(parts, sizeof parts);
}

static uint64_t header_checksum(const struct ipk__shm_header *h)
{
	return ipk__checksum(h, offsetof(struct ipk__shm_header, checksum));
}

static uint64_t allocated_bytes(const struct ipk__shm_header *h)
{
	return h->fixed_bytes + h->ring_bytes * h->n_rings;
}

static bool sizes_are_sane(const struct ipk__shm_header *h)
{
	size_t page = ipk__os_page_bytes();
	bool is_large = h->kind == IPK__KIND_SHM || h->kind == IPK__KIND_MANAGER ||
			h->kind == IPK__KIND_POOL;
	uint64_t max = is_large ? IPK__SEGMENT_SHM_MAX : IPK__SEGMENT_FIXED_MAX;

	return h->fixed_bytes >= sizeof *h && h->fixed_bytes <= max && h->fixed_bytes % page == 0 &&
	       h->n_rings <= 2 &&
	       (h->n_rings == 0 ||
		(h->ring_bytes >= IPK__SEGMENT_RING_MIN && h->ring_bytes <= IPK__SEGMENT_RING_MAX &&
		 h->ring_bytes % page == 0 && (h->ring_bytes & (h->ring_bytes - 1)) == 0));
}

int ipk__segment_check(const struct ipk__shm_header *h, uint32_t kind, uint64_t file_bytes)
{
	if (h->magic != IPK__SEGMENT_MAGIC)
		return -EPROTO;
	if (h->version != IPK__SEGMENT_VERSION)
		return -EPROTONOSUPPORT;
	if (h->checksum != header_checksum(h))
		return -EBADMSG;
	if (h->libc != own_libc())
		return -ELIBBAD;
	if (h->fingerprint != own_fingerprint())
		return -EPROTONOSUPPORT;
	if (h->pid_namespace != ipk__os_pid_namespace())
		return -EXDEV;
	if (h->uid != ipk__os_uid())
		return -EACCES;
	if (kind != 0 && h->kind != kind)
		return ipk__detail(-EPROTOTYPE, "the opened or received object is of another kind");
	if (!sizes_are_sane(h) || h->label[sizeof h->label - 1] != '\0')
		return -EBADMSG;
	return file_bytes < allocated_bytes(h) ? -ENODATA : 0;
}

static void fill_header(struct ipk__shm_header *h, const struct ipk__segment_plan *plan)
{
	h->magic = IPK__SEGMENT_MAGIC;
	h->version = IPK__SEGMENT_VERSION;
	h->fingerprint = own_fingerprint();
	h->libc = own_libc();
	h->kind = plan->kind;
	h->flags = plan->flags;
	h->fixed_bytes = plan->fixed_bytes;
	h->ring_bytes = plan->ring_bytes;
	h->n_rings = plan->n_rings;
	h->uid = ipk__os_uid();
	h->pid_namespace = ipk__os_pid_namespace();
	h->creator_pid = (uint32_t)ipk__os_pid();
	h->created_boot_ns = ipk__os_boot_ns();
	strncpy(h->label, plan->label, sizeof h->label - 1);
	h->checksum = header_checksum(h);
}

static const char *const kind_labels[] = {
	[IPK__KIND_PIPE] = "pipe:",       [IPK__KIND_QUEUE] = "queue:",
	[IPK__KIND_ARENA] = "arena:",     [IPK__KIND_SHM] = "shm:",
	[IPK__KIND_MANAGER] = "manager:", [IPK__KIND_PROCESSES] = "processes:",
	[IPK__KIND_POOL] = "pool:",
};

static int make_file(const struct ipk__segment_plan *plan, int *ret_fd)
{
	char name[IPK__NAME_MAX + 32] = "ipk:";
	size_t n;

	if (plan->is_named)
		return ipk__os_shm_temp(ret_fd);
	strcat(name, kind_labels[plan->kind]);
	n = strlen(name);
	strncpy(name + n, plan->label, sizeof name - n - 1);
	return ipk__os_memfd(name, ret_fd);
}

static int map(struct ipk__segment *s, const struct ipk__shm_header *h)
{
	void *addr;
	int r = ipk__os_map_mirrored(s->fd, h->fixed_bytes, h->ring_bytes, (int)h->n_rings, &addr);

	if (r < 0)
		return r;
	s->header = addr;
	s->mapped_bytes = h->fixed_bytes + 2 * h->ring_bytes * h->n_rings;
	return 0;
}

int ipk__segment_create(const struct ipk__segment_plan *plan, struct ipk__segment *ret_segment)
{
	struct ipk__segment s = {.fd = -1};
	struct ipk__shm_header sizes = {0};
	struct ipk__segment_plan whole = *plan;
	int r;

	whole.fixed_bytes = ipk__round_up(plan->fixed_bytes, ipk__os_page_bytes());
	sizes.fixed_bytes = whole.fixed_bytes;
	sizes.ring_bytes = whole.ring_bytes;
	sizes.n_rings = whole.n_rings;
	r = make_file(plan, &s.fd);
	if (r == 0)
		r = ipk__os_allocate(s.fd, 0, allocated_bytes(&sizes));
	if (r == 0)
		r = map(&s, &sizes);
	if (r < 0) {
		ipk__segment_detach(&s);
		return r;
	}
	fill_header(s.header, &whole);
	s.checked = *s.header; /* no other process can see it yet */
	*ret_segment = s;
	return 0;
}

static int map_sparse(struct ipk__segment *s, uint64_t n_bytes, bool writable)
{
	void *addr;
	int r = ipk__os_map_sparse(s->fd, n_bytes, writable, &addr);

	if (r < 0)
		return r;
	s->header = addr;
	s->mapped_bytes = n_bytes;
	return 0;
}

static int create_sparse(const struct ipk__segment_plan *plan, size_t filled_bytes,
			 struct ipk__segment *ret_segment)
{
	struct ipk__segment s = {.fd = -1};
	int r = make_file(plan, &s.fd);

	if (r == 0)
		r = ipk__os_set_size(s.fd, plan->fixed_bytes);
	if (r == 0)
		r = ipk__os_allocate(s.fd, 0, filled_bytes);
	if (r == 0)
		r = map_sparse(&s, plan->fixed_bytes, true);
	if (r < 0) {
		ipk__segment_detach(&s);
		return r;
	}
	fill_header(s.header, plan);
	s.checked = *s.header;
	*ret_segment = s;
	return 0;
}

/* A child maps it beside what it has of its parent's, and there may be others. */
#define CREATE_TRIES 100 /* while others create and remove the name */
#define ADDRESSES_SHARE 4

int ipk__segment_create_sparse(const struct ipk__segment_plan *plan, size_t filled_bytes,
			       struct ipk__segment *ret_segment)
{
	uint64_t least = plan->least_bytes ? plan->least_bytes : plan->fixed_bytes;
	uint64_t addresses = ipk__os_address_space();
	struct ipk__segment_plan smaller = *plan;
	int r;

	while (addresses != UINT64_MAX && smaller.fixed_bytes > addresses / ADDRESSES_SHARE &&
	       smaller.fixed_bytes / 2 >= least)
		smaller.fixed_bytes /= 2;
	for (;;) {
		smaller.fixed_bytes = ipk__round_up(smaller.fixed_bytes, ipk__os_page_bytes());
		r = create_sparse(&smaller, filled_bytes, ret_segment);
		if ((r != -ENOMEM && r != -EFBIG) || smaller.fixed_bytes / 2 < least)
			return r;
		smaller.fixed_bytes /= 2;
	}
}

int ipk__segment_publish(struct ipk__segment *segment, const char *file_name)
{
	if (file_name)
		return ipk__os_shm_link(segment->fd, file_name);
	/* Queues put long messages behind their end. */
	return ipk__os_seal(segment->fd, segment->checked.kind == IPK__KIND_QUEUE);
}

/* Of a file too short for one, whether it begins like ours: -ENODATA, otherwise -EPROTO. */
static int read_header(int fd, uint64_t file_bytes, struct ipk__shm_header *h)
{
	size_t n = file_bytes < sizeof *h ? sizeof h->magic : sizeof *h;
	int r = ipk__os_pread(fd, h, n, 0);

	if (r == -ENODATA || (r == 0 && h->magic != IPK__SEGMENT_MAGIC))
		return -EPROTO;
	if (r < 0)
		return r;
	return n < sizeof *h ? -ENODATA : 0;
}

/* One that came from a peer, and is no memory, could keep us waiting. */
static int check_memory(int fd)
{
	int r = ipk__os_is_sealed(fd);

	if (r == 0)
		return ipk__os_fd_check(fd) < 0 ? -EBADF : -EPROTO;
	return r < 0 ? r : 0;
}

int ipk__segment_read(int fd, uint32_t kind, bool is_named, struct ipk__shm_header *ret_header)
{
	struct ipk__shm_header h;
	struct ipk__os_stat st;
	int r = is_named ? 0 : check_memory(fd);

	if (r == 0)
		r = ipk__os_stat(fd, &st);
	if (r < 0)
		return r;
	if (!ipk__os_mode_is_file(st.mode))
		return -EPROTO;
	if (st.uid != ipk__os_uid() || (is_named && (st.mode & 077) != 0))
		return -EACCES;
	r = read_header(fd, st.size_bytes, &h);
	if (r == 0)
		r = ipk__segment_check(&h, kind, st.size_bytes);
	if (r < 0)
		return r;
	*ret_header = h;
	return 0;
}

int ipk__segment_attach(int fd, uint32_t kind, bool is_named, struct ipk__segment *ret_segment)
{
	struct ipk__segment s = {.fd = fd};
	struct ipk__shm_header h;
	int r = ipk__segment_read(fd, kind, is_named, &h);

	if (r == 0 && !ipk__os_is_writable(fd))
		return -EPROTO;
	/* Whoever made it may have left holes, which could not be filled when they are touched. */
	if (r == 0)
		r = ipk__os_allocate(fd, 0, allocated_bytes(&h));
	if (r == 0)
		r = map(&s, &h);
	if (r < 0)
		return r;
	s.checked = h;
	*ret_segment = s;
	return 0;
}

int ipk__segment_attach_sparse(int fd, uint32_t kind, bool writable,
			       struct ipk__segment *ret_segment)
{
	struct ipk__segment s = {.fd = fd};
	struct ipk__shm_header h;
	int r = ipk__segment_read(fd, kind, false, &h);

	if (r == 0)
		r = map_sparse(&s, h.fixed_bytes, writable);
	if (r < 0)
		return r;
	s.checked = h;
	*ret_segment = s;
	return 0;
}

void ipk__segment_detach(struct ipk__segment *segment)
{
	ipk__os_unmap(segment->header, segment->mapped_bytes);
	ipk__os_close(segment->fd);
	segment->header = NULL;
	segment->fd = -1;
}

/* --- names that are not there yet ------------------------------------------------------------- */

#define NAP_MIN_NS 500000
#define NAP_MAX_NS 20000000

bool ipk__name_nap(ipk_deadline deadline, int64_t *nap_ns)
{
	int64_t left_ns = ipk_deadline_left_ns(deadline);

	if (left_ns == 0)
		return false;
	*nap_ns = IPK__MIN(IPK__MAX(2 * *nap_ns, NAP_MIN_NS), NAP_MAX_NS);
	ipk__os_nap(IPK__MIN(*nap_ns, left_ns));
	return true;
}

bool ipk__name_retry(int *r, int *n_tries)
{
	if (*r != -ENOENT)
		return false;
	if (++*n_tries < CREATE_TRIES)
		return true;
	*r = -EBUSY;
	return false;
}
