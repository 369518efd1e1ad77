/*
 * memory.c - memory shared by processes: memory files, their pages and mappings.
 *
 * Pages are allocated before they are mapped (posix_fallocate), so a full /dev/shm is an error of
 * the call that asked for memory and never a SIGBUS later.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/uncancelled.h"

#define TMPFS_MAGIC_NUMBER 0x01021994 /* linux/magic.h */
#ifndef F_SEAL_FUTURE_WRITE           /* Linux 5.1; older C libraries do not name it */
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define ALLOCATE_STEP_BYTES ((uint64_t)1 << 20)

void *ipk__os_malloc(size_t n_bytes)
{
	return malloc(n_bytes ? n_bytes : 1);
}

void *ipk__os_calloc(size_t n, size_t n_bytes)
{
	return calloc(n, n_bytes);
}

void *ipk__os_realloc(void *p, size_t n_bytes)
{
	return realloc(p, n_bytes ? n_bytes : 1);
}

/*
 * To a process that may have no memory files a nameless file in /dev/shm is as good, its own
 * or another's, though it cannot be sealed.
 */
static _Atomic bool memfds_are_refused;

int ipk__os_memfd(const char *name, int *ret_fd)
{
	IPK__UNCANCELLED();
	int fd;
	int r = ipk__os_take_fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), &fd);

	if (r == -ENOSYS || r == -EPERM) {
		atomic_store_explicit(&memfds_are_refused, true, memory_order_relaxed);
		r = ipk__os_shm_temp(ret_fd);
		return r == 0 || r == -EMFILE || r == -ENFILE ? r : ipk__refused(IPK__CALL_MEMFD);
	}
	if (r < 0)
		return r;
	/*
	 * Its initial mode is 0777: any process that got it, if only to read, could reopen it to
	 * write.
	 */
	if (fchmod(fd, 0600) < 0) {
		r = ipk__call_error(IPK__CALL_FCHMOD);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__os_make_read_only(int fd)
{
	return fchmod(fd, 0400) < 0 ? ipk__call_error(IPK__CALL_FCHMOD) : 0;
}

/*
 * A process that gets the file will check its seals, perhaps where this error would go unnoticed.
 */
static int others_can_tell(int fd)
{
	static _Atomic bool are_asked;
	int r;

	if (atomic_load_explicit(&are_asked, memory_order_relaxed))
		return 0;
	r = ipk__os_is_sealed(fd);
	atomic_store_explicit(&are_asked, r >= 0, memory_order_relaxed);
	return r < 0 ? r : 0;
}

int ipk__os_seal(int fd, bool may_grow)
{
	int seals = F_SEAL_SHRINK | F_SEAL_SEAL | (may_grow ? 0 : F_SEAL_GROW);
	int r;

	IPK__UNCANCELLED();
	if (fcntl(fd, F_ADD_SEALS, seals) == 0)
		return others_can_tell(fd);
	if (atomic_load_explicit(&memfds_are_refused, memory_order_relaxed))
		return 0;
	r = ipk__call_error(IPK__CALL_SEALS);
	/* By a fork of us, made in a signal handler in the middle of this. */
	return r == -ENOSYS && ipk__os_is_sealed(fd) == 1 ? 0 : r;
}

static bool is_nameless_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0 &&
	       (st.st_mode & 0777) == 0600;
}

/* Whether @fd has to do without a seal, here. */
static bool may_be_unsealed(int fd)
{
	int made = -1;

	if (!is_nameless_file(fd))
		return false;
	if (!atomic_load_explicit(&memfds_are_refused, memory_order_relaxed) &&
	    ipk__os_memfd("ipk", &made) == 0)
		ipk__os_close(made);
	return atomic_load_explicit(&memfds_are_refused, memory_order_relaxed);
}

/* With swap. What is more than that can never be had, but would be taken until it is not. */
static uint64_t machine_bytes(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return UINT64_MAX;
	return ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
}

/*
 * In steps: older kernels (6.1) take back what they have when a signal comes, and under a
 * timer a large allocation made in one call would never end.
 */
int ipk__os_allocate(int fd, uint64_t offset, uint64_t n_bytes)
{
	IPK__UNCANCELLED();
	int r = n_bytes > machine_bytes() ? -ENOSPC : ipk__os_may_grow_to(fd, offset + n_bytes);

	while (n_bytes > 0 && (r == 0 || r == -EINTR)) {
		uint64_t step = n_bytes < ALLOCATE_STEP_BYTES ? n_bytes : ALLOCATE_STEP_BYTES;

		r = fallocate(fd, 0, (off_t)offset, (off_t)step) < 0
			    ? ipk__call_error(IPK__CALL_FALLOCATE)
			    : 0;
		if (r == 0) {
			offset += step;
			n_bytes -= step;
		}
	}
	/* Ours are on a tmpfs, which can: names where none is mounted (ramfs). */
	return r == -EOPNOTSUPP ? ipk__refused(IPK__CALL_SHM) : r;
}

int ipk__os_deallocate(int fd, uint64_t offset, uint64_t n_bytes)
{
	IPK__UNCANCELLED();
	int r;

	do {
		r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			      (off_t)n_bytes) < 0
			    ? -errno
			    : 0;
	} while (r == -EINTR);
	return r;
}

/* Over RLIMIT_MEMLOCK, where the host locks all that it maps, it is -EAGAIN. */
static int map_error(void)
{
	return errno == EAGAIN ? -ENOMEM : -errno;
}

int ipk__os_map(int fd, size_t n_bytes, bool writable, void **ret_addr)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	void *addr = mmap(NULL, n_bytes, prot, MAP_SHARED | (writable ? MAP_POPULATE : 0), fd, 0);

	if (addr == MAP_FAILED)
		return map_error();
	*ret_addr = addr;
	return 0;
}

int ipk__os_map_sparse(int fd, size_t n_bytes, bool writable, void **ret_addr)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	void *addr = mmap(NULL, n_bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	int r = 0;

	if (addr == MAP_FAILED)
		return map_error();
	/*
	 * In a host that has called mlockall(MCL_FUTURE) all its holes would be filled at once:
	 * untouchable pages are not, and are unlocked before they may be touched.
	 */
	(void)munlock(addr, n_bytes); /* a filter may refuse it: hardly any program locks */
	if (mprotect(addr, n_bytes, prot) < 0)
		r = -errno;
	if (r < 0)
		munmap(addr, n_bytes);
	else
		*ret_addr = addr;
	return r;
}

int ipk__os_map_zeros_over(void *addr, size_t n_bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

	return mmap(addr, n_bytes, PROT_READ, flags, -1, 0) == MAP_FAILED ? -errno : 0;
}

int ipk__os_set_size(int fd, uint64_t n_bytes)
{
	int r = ipk__os_may_grow_to(fd, n_bytes);

	if (r < 0)
		return r;
	return ftruncate(fd, (off_t)n_bytes) < 0 ? ipk__call_error(IPK__CALL_FTRUNCATE) : 0;
}

static int map_over(void *addr, size_t n_bytes, int fd, uint64_t offset)
{
	void *got = mmap(addr, n_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, (off_t)offset);

	return got == MAP_FAILED ? map_error() : 0;
}

int ipk__os_map_mirrored(int fd, size_t fixed_bytes, size_t ring_bytes, int n_rings,
			 void **ret_addr)
{
	size_t whole = fixed_bytes + 2 * ring_bytes * (size_t)n_rings;
	char *addr =
		mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int r;

	if (addr == MAP_FAILED)
		return map_error();
	r = map_over(addr, fixed_bytes, fd, 0);
	for (int i = 0; r == 0 && i < 2 * n_rings; i++)
		r = map_over(addr + fixed_bytes + (size_t)i * ring_bytes, ring_bytes, fd,
			     fixed_bytes + (uint64_t)(i / 2) * ring_bytes);
	if (r < 0) {
		munmap(addr, whole);
		return r;
	}
	*ret_addr = addr;
	return 0;
}

void ipk__os_unmap(void *addr, size_t n_bytes)
{
	if (addr)
		munmap(addr, n_bytes);
}

int ipk__os_pwrite(int fd, const void *data, size_t n_bytes, uint64_t offset)
{
	IPK__UNCANCELLED();
	const char *p = data;
	int r = ipk__os_may_write_to(offset + n_bytes);

	if (r < 0)
		return r;
	while (n_bytes > 0) {
		ssize_t n = pwrite(fd, p, n_bytes, (off_t)offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			offset += (uint64_t)n;
			n_bytes -= (size_t)n;
		}
	}
	return 0;
}

int ipk__os_find_hole(int fd, uint64_t n_bytes, uint64_t *ret_offset)
{
	off_t hole = lseek(fd, 0, SEEK_HOLE);

	while (hole >= 0) {
		off_t data = lseek(fd, hole, SEEK_DATA);
		off_t end = data < 0 ? lseek(fd, 0, SEEK_END) : data;

		if (end >= hole && (uint64_t)(end - hole) >= n_bytes) {
			*ret_offset = (uint64_t)hole;
			return 0;
		}
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
	}
	return -ENOSPC;
}

int ipk__os_pread(int fd, void *buf, size_t n_bytes, uint64_t offset)
{
	IPK__UNCANCELLED();
	char *p = buf;

	while (n_bytes > 0) {
		ssize_t n = pread(fd, p, n_bytes, (off_t)offset);

		if (n == 0)
			return -ENODATA;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			offset += (uint64_t)n;
			n_bytes -= (size_t)n;
		}
	}
	return 0;
}

int ipk__os_stat(int fd, struct ipk__os_stat *ret_stat)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	ipk__os_fill_stat(&st, ret_stat);
	return 0;
}

void ipk__os_fill_stat(const struct stat *st, struct ipk__os_stat *ret_stat)
{
	*ret_stat = (struct ipk__os_stat){
		.size_bytes = (uint64_t)st->st_size,
		.used_bytes = (uint64_t)st->st_blocks * 512,
		.device = st->st_dev,
		.inode = st->st_ino,
		.uid = st->st_uid,
		.mode = st->st_mode,
		.n_links = (uint32_t)st->st_nlink,
	};
}

/*
 * Files of huge pages can be sealed, too. But any process that has one can give a page of it back
 * and use up all that there are: the next touch is SIGBUS then, which small pages are not short of.
 */
static int is_on_tmpfs(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return ipk__call_error(IPK__CALL_FSTATFS) == -ENOSYS ? -ENOSYS : 0;
	return fs.f_type == TMPFS_MAGIC_NUMBER;
}

int ipk__os_is_sealed(int fd)
{
	IPK__UNCANCELLED();
	int seals = fcntl(fd, F_GET_SEALS);
	int r;

	if (seals < 0) /* there are files that have none */
		return ipk__call_error(IPK__CALL_SEALS) == -ENOSYS ? -ENOSYS : 0;
	r = is_on_tmpfs(fd);
	return r == 1 ? (seals & F_SEAL_SHRINK) != 0 || may_be_unsealed(fd) : r;
}

bool ipk__os_is_writable(int fd)
{
	IPK__UNCANCELLED();
	int flags = fcntl(fd, F_GETFL);
	int seals = fcntl(fd, F_GET_SEALS);

	/* Where a filter does not let us ask, the file shows when it is mapped. */
	return (flags < 0 || ((flags & O_ACCMODE) == O_RDWR && !(flags & O_PATH))) &&
	       (seals < 0 || !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)));
}

bool ipk__os_mode_is_file(uint32_t mode)
{
	return S_ISREG(mode);
}

size_t ipk__os_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}
