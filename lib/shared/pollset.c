/* pollset.c - see pollset.h; one ticker serves the whole process, while any set is open. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "os/os.h"
#include "shared/pollset.h"

#define TICK_NS 500000000

/*
 * The ticker and how many sets use it, in one word: users in the upper half, fd in the
 * lower. The last to leave closes it. No lock, so a fork may come at any moment. Its child
 * begins without one: the kernel copies the fds before the memory, so a ticker that another
 * thread made in between is in the child's memory but not among its fds.
 */
static _Atomic uint64_t ticker;

static void begin_anew_in_child(void)
{
	uint64_t word = atomic_exchange(&ticker, 0);

	/* Otherwise the number may be that of a file that was open before. */
	if (word != 0 && ipk__os_fds_came_along())
		ipk__os_close((int)(uint32_t)word);
}

__attribute__((constructor(102))) static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, begin_anew_in_child);
}

static uint64_t n_users(uint64_t word)
{
	return word >> 32;
}

static int fd_of(uint64_t word)
{
	return (int)(uint32_t)word;
}

static int join_ticker(int *ret_fd)
{
	uint64_t word = atomic_load(&ticker);
	uint64_t first;
	bool is_first;
	int fd = -1;
	int r;

	while (n_users(word) > 0) {
		if (atomic_compare_exchange_weak(&ticker, &word, word + ((uint64_t)1 << 32))) {
			*ret_fd = fd_of(word);
			return 0;
		}
	}
	ipk__os_fds_change();
	r = ipk__os_ticker(TICK_NS, &fd);
	first = (uint64_t)1 << 32 | (uint32_t)fd;
	is_first = r == 0 && atomic_compare_exchange_strong(&ticker, &word, first);
	if (r == 0 && !is_first)
		ipk__os_close(fd);
	ipk__os_fds_changed();
	if (is_first)
		*ret_fd = fd;
	return r < 0 || is_first ? r : join_ticker(ret_fd);
}

static void leave_ticker(void)
{
	uint64_t word = atomic_load(&ticker);
	uint64_t less;

	ipk__os_fds_change();
	/* In a fork made by a signal handler in the middle of this it was left already. */
	do {
		less = n_users(word) > 1 ? word - ((uint64_t)1 << 32) : 0;
	} while (!atomic_compare_exchange_weak(&ticker, &word, less));
	if (n_users(word) == 1)
		ipk__os_close(fd_of(word));
	ipk__os_fds_changed();
}

/* -EEXIST: a fork made by a signal handler in between shares the set, and has come first. */
static int add(int set_fd, int fd, bool edge, bool hangup_only)
{
	int r = ipk__os_epoll_add(set_fd, fd, edge, hangup_only);

	return r == -EEXIST ? 0 : r;
}

static int fill(int set_fd, int tick_fd, int doorbell_fd, int hangup_fd)
{
	int r = add(set_fd, doorbell_fd, true, false);

	if (r == 0)
		r = add(set_fd, tick_fd, true, false);
	if (r == 0 && hangup_fd >= 0)
		r = add(set_fd, hangup_fd, false, true);
	return r;
}

static int open_set(int doorbell_fd, int hangup_fd, int *ret_fd)
{
	bool is_lost = false;
	int tick_fd;
	int fd;
	int r = ipk__os_epoll(&fd);

	if (r < 0)
		return r;
	do {
		r = join_ticker(&tick_fd);
		if (r < 0)
			break;
		r = fill(fd, tick_fd, doorbell_fd, hangup_fd);
		/* A fork made by a signal handler in between begins without a ticker. */
		is_lost = r == -EBADF && n_users(atomic_load(&ticker)) == 0;
		if (r < 0)
			leave_ticker();
	} while (is_lost);
	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int ipk__pollset_fd(struct ipk__pollset *set, int doorbell_fd, int hangup_fd, int *ret_fd)
{
	int fd;
	int r;

	/* One inherited over fork would share its edges with the parent. */
	if (set->fd >= 0 && set->pid != ipk__os_pid())
		ipk__pollset_close(set);
	if (set->fd < 0) {
		r = open_set(doorbell_fd, hangup_fd, &fd);
		if (r < 0)
			return r;
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
	/* A ticker that is not read does not tick again. */
	ipk__os_ticker_read(fd_of(atomic_load(&ticker)));
}

void ipk__pollset_close(struct ipk__pollset *set)
{
	/*
	 * One inherited over fork is only forgotten, and ends with this process. A set that another
	 * thread made while the fork was under way did not come along, and its number is by now
	 * that of a file of ours.
	 */
	if (set->fd >= 0 && set->pid == ipk__os_pid()) {
		ipk__os_close(set->fd);
		leave_ticker();
	}
	set->fd = -1;
}
