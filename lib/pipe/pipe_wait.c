/*
 * pipe_wait.c - waiting for any of several ends (Python: multiprocessing.connection.wait).
 *
 * Each end's own pollable fd does the work: arm, look once more, sleep in poll(). Slices
 * as in every other wait, so that no lost ring is for ever.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

#define ENDS_MAX 4096

/* How many ends have something, or an error of one. The end of file counts. */
static int look(ipk_pipe *const ends[], size_t n_ends, bool ready[], int *ret_n_ready)
{
	*ret_n_ready = 0;
	for (size_t i = 0; i < n_ends; i++) {
		int r = ends[i] ? ipk_pipe_poll(ends[i], ipk_now()) : -ETIMEDOUT;

		if (r < 0 && r != -EPIPE && r != -ETIMEDOUT)
			return r;
		ready[i] = r != -ETIMEDOUT;
		*ret_n_ready += ready[i];
	}
	return 0;
}

static int open_fds(ipk_pipe *const ends[], size_t n_ends, struct pollfd *fds, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < n_ends; i++) {
		int r = ends[i] ? ipk_pipe_fd(ends[i], &fds[n].fd) : 0;

		if (r < 0)
			return r;
		fds[n].events = POLLIN;
		n += ends[i] != NULL;
	}
	*ret_n = n;
	return n == 0 ? -EBADF : 0;
}

static int wait_any(ipk_pipe *const ends[], size_t n_ends, struct pollfd *fds, size_t n_fds,
		    ipk_deadline deadline, bool ret_ready[])
{
	int n_ready;
	int r;

	for (;;) {
		/* Looking and finding nothing arms each end's fd. */
		r = look(ends, n_ends, ret_ready, &n_ready);
		if (r < 0 || n_ready > 0)
			return r;
		if (ipk_deadline_left_ns(deadline) == 0)
			return -ETIMEDOUT;
		r = ipk__os_poll(fds, n_fds, (ipk_deadline){ipk__wait_slice_end_ns(deadline)});
		if (r < 0 && r != -ETIMEDOUT)
			return r;
	}
}

int ipk_pipe_wait(ipk_pipe *const ends[], size_t n_ends, ipk_deadline deadline, bool ret_ready[])
{
	struct pollfd *fds;
	size_t n_fds;
	bool *ready;
	int r;

	if (!ends || !ret_ready || n_ends == 0 || n_ends > ENDS_MAX)
		return -EINVAL;
	fds = ipk__os_calloc(n_ends, sizeof *fds);
	ready = ipk__os_calloc(n_ends, sizeof *ready);
	r = fds && ready ? open_fds(ends, n_ends, fds, &n_fds) : -ENOMEM;
	if (r == 0)
		r = wait_any(ends, n_ends, fds, n_fds, deadline, ready);
	for (size_t i = 0; r == 0 && i < n_ends; i++)
		ret_ready[i] = ready[i];
	free(ready);
	free(fds);
	return r;
}
