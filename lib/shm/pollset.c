/* pollset.c - see pollset.h; the ticker is one for the whole process, made when first needed. */
#include <stdatomic.h>

#include "os/os.h"
#include "shm/pollset.h"

#define TICK_NS 500000000

/* Inherited over fork and harmless there: it holds no state of ours. */
static _Atomic int ticker_fd = -1;

static int get_ticker(int *ret_fd)
{
	int have = atomic_load(&ticker_fd);
	int fd;
	int r;

	if (have >= 0) {
		*ret_fd = have;
		return 0;
	}
	r = ipk__os_ticker(TICK_NS, &fd);
	if (r < 0)
		return r;
	if (!atomic_compare_exchange_strong(&ticker_fd, &have, fd)) {
		ipk__os_close(fd);
		fd = have;
	}
	*ret_fd = fd;
	return 0;
}

static int fill(int set_fd, int bell_fd, int hangup_fd)
{
	int tick_fd;
	int r = get_ticker(&tick_fd);

	if (r == 0)
		r = ipk__os_epoll_add(set_fd, bell_fd, true, false);
	if (r == 0)
		r = ipk__os_epoll_add(set_fd, tick_fd, true, false);
	if (r == 0 && hangup_fd >= 0)
		r = ipk__os_epoll_add(set_fd, hangup_fd, false, true);
	return r;
}

int ipk__pollset_fd(struct ipk__pollset *set, int bell_fd, int hangup_fd, int *ret_fd)
{
	int fd;
	int r;

	/* One inherited over fork would share its edges with the parent. */
	if (set->fd >= 0 && set->pid != ipk__os_pid())
		ipk__pollset_close(set);
	if (set->fd < 0) {
		r = ipk__os_epoll(&fd);
		if (r < 0)
			return r;
		r = fill(fd, bell_fd, hangup_fd);
		if (r < 0) {
			ipk__os_close(fd);
			return r;
		}
		set->fd = fd;
		set->pid = ipk__os_pid();
	}
	*ret_fd = set->fd;
	return 0;
}

void ipk__pollset_drain(const struct ipk__pollset *set)
{
	/* One inherited over fork is the parent's: what it has to see stays in it. */
	if (set->fd < 0 || set->pid != ipk__os_pid())
		return;
	ipk__os_epoll_drain(set->fd);
	/* A ticker that nobody reads does not tick again. */
	ipk__os_ticker_read(atomic_load(&ticker_fd));
}

void ipk__pollset_close(struct ipk__pollset *set)
{
	ipk__os_close(set->fd);
	set->fd = -1;
}
