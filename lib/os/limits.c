/*
 * limits.c - what this process may have of files and addresses, asked before it is taken.
 *
 * The kernel answers a file that would grow over RLIMIT_FSIZE with a signal, SIGXFSZ, which
 * ends a host that does not know of it; files in memory are files too. So every call that
 * makes one longer asks here first. A limit that another thread lowers in between is not seen.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "os/os.h"

static uint64_t limit_of(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

int ipk__os_may_write_to(uint64_t end_bytes)
{
	return end_bytes > limit_of(RLIMIT_FSIZE) ? -EFBIG : 0;
}

int ipk__os_may_grow_to(int fd, uint64_t end_bytes)
{
	struct stat st;

	if (ipk__os_may_write_to(end_bytes) == 0)
		return 0;
	/* Within its size it may be filled in: it was made before the limit was. */
	return fstat(fd, &st) == 0 && end_bytes <= (uint64_t)st.st_size ? 0 : -EFBIG;
}

uint64_t ipk__os_address_space(void)
{
	return limit_of(RLIMIT_AS);
}
