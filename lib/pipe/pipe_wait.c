/*
 * pipe_wait.c - waiting for any of several ends and foreign fds (Python:
 * multiprocessing.connection.wait).
 *
 * It uses each end's pollable fd: arm, check once more, sleep in poll(). Slices as in every other
 * wait, so a lost doorbell delays but never blocks.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

#define N_MAX 4096

/* What is waited for: the ends' fds, then the foreign ones. An entry of fd -1 is skipped. */
struct set {
	ipk_pipe *const *ends;
	size_t n_ends;
	size_t n_fds; /* with the ends' */
	struct pollfd *fds;
};

/* The first end that has something, the end of file too: 1, 0 none has, or an error of one. */
static int look_at_ends(const struct set *s, size_t *ret_index)
{
	for (size_t i = 0; i < s->n_ends; i++) {
		int r = s->ends[i] ? ipk_pipe_poll(s->ends[i], ipk_now()) : -ETIMEDOUT;

		if (r == -ETIMEDOUT)
			continue;
		if (r < 0 && r != -EPIPE)
			return r;
		*ret_index = i;
		return 1;
	}
	return 0;
}

/* The same of the foreign fds, by what poll() has said. */
static int look_at_fds(const struct set *s, size_t *ret_index)
{
	for (size_t i = s->n_ends; i < s->n_fds; i++) {
		if (s->fds[i].fd < 0 || s->fds[i].revents == 0)
			continue;
		if (s->fds[i].revents & POLLNVAL)
			return -EBADF;
		*ret_index = i;
		return 1;
	}
	return 0;
}

static int open_set(struct set *s, const int fds[])
{
	bool is_empty = true;

	for (size_t i = 0; i < s->n_fds; i++) {
		struct pollfd *p = &s->fds[i];
		bool is_end = i < s->n_ends;
		int r = 0;

		*p = (struct pollfd){.fd = -1, .events = POLLIN};
		if (is_end && s->ends[i])
			r = ipk_pipe_fd(s->ends[i], &p->fd);
		else if (!is_end)
			p->fd = fds[i - s->n_ends];
		if (r < 0)
			return r;
		is_empty &= p->fd < 0;
	}
	return is_empty ? -EBADF : 0;
}

static int wait_any(struct set *s, ipk_deadline deadline, size_t *ret_index)
{
	for (;;) {
		bool is_last = ipk_deadline_left_ns(deadline) == 0;
		int64_t until_ns = is_last ? 0 : ipk__wait_slice_end_ns(deadline);
		/* Looking and finding nothing arms each end's fd. */
		int r = look_at_ends(s, ret_index);

		if (r != 0)
			return IPK__MIN(r, 0);
		r = ipk__os_poll(s->fds, s->n_fds, (ipk_deadline){until_ns});
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		r = r == 0 ? look_at_fds(s, ret_index) : 0;
		if (r != 0)
			return IPK__MIN(r, 0);
		if (is_last)
			return -ETIMEDOUT;
	}
}

int ipk_pipe_wait_any(ipk_pipe *const ends[], size_t n_ends, const int fds[], size_t n_fds,
		      ipk_deadline deadline, size_t *ret_index)
{
	struct set s = {.ends = ends, .n_ends = n_ends, .n_fds = n_ends + n_fds};
	int r;

	if ((n_ends > 0 && !ends) || (n_fds > 0 && !fds) || !ret_index)
		return ipk__invalid("ends, fds or ret_index is NULL");
	if (n_ends > N_MAX || n_fds > N_MAX || s.n_fds == 0 || s.n_fds > N_MAX)
		return ipk__invalid("n_ends and n_fds: 1 to 4096 together");
	s.fds = ipk__os_calloc(s.n_fds, sizeof *s.fds);
	r = s.fds ? open_set(&s, fds) : -ENOMEM;
	if (r == 0)
		r = wait_any(&s, deadline, ret_index);
	free(s.fds);
	return r;
}
