/*
 * limits.c - resource limits on files and address space, checked before the resource is taken.
 *
 * The kernel answers growth of a file over RLIMIT_FSIZE with SIGXFSZ, which kills a host that does
 * not handle it; memory files count too. So every call that extends a file checks here first. A
 * limit that another thread lowers in between is not noticed.
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
	/* Within its size it may be filled: that was set before the limit. */
	return fstat(fd, &st) == 0 && end_bytes <= (uint64_t)st.st_size ? 0 : -EFBIG;
}

uint64_t ipk__os_address_space(void)
{
	return limit_of(RLIMIT_AS);
}
