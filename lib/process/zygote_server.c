/*
 * zygote_server.c - the zygote itself: one thread that forks, reaps and reports.
 *
 * Invariant: for each child that was forked and is not reaped there is one entry with the socket
 * to which a note of its exit goes; an entry without a child never outlives a step of the loop. The
 * zygote has no other fds but those it was spawned with, so its children close those they know of:
 * the loop's and the other children's note sockets.
 *
 * A child reports its spawn itself, so the zygote waits for no child: see zygote_wire.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "os/os.h"
#include "process/zygote_wire.h"

struct child {
	pid_t pid;
	int note_fd;
	int lifeline; /* our end of it, or -1: see ipk__os_lifeline() */
	uint32_t flags;
};

struct server {
	struct ipk__zygote_seat seat;
	pid_t pid;
	int signal_fd;
	int stdin_fd; /* the host's; our own is /dev/null */
	struct ipk__os_signals signals;
	char host_name[IPK__ZYGOTE_NAME_BYTES];

	struct child *children;
	size_t n_children;
	size_t n_room;

	/* The request at hand; the child finds its argument here. */
	int lifeline;       /* its end of it */
	int lifeline_other; /* ours, which it has to close */
	size_t packet_bytes;
	size_t n_fds;
	int fds[IPK__OS_FDS_MAX];
	alignas(16) unsigned char packet[IPK__ZYGOTE_PACKET_BYTES];
};

static struct server the_server; /* a process has one, if any */

int ipk__zygote_send_note(int socket, const struct ipk__zygote_note *note, int pidfd)
{
	struct iovec part = {(void *)note, sizeof *note};

	return ipk__os_send(socket, &part, 1, &pidfd, pidfd >= 0);
}

/* --- in the child ----------------------------------------------------------------------------- */

static void leave_zygote(const struct server *s)
{
	ipk__os_close(s->seat.socket);
	ipk__os_close(s->seat.requester_fd);
	ipk__os_close(s->signal_fd);
	ipk__os_close(s->lifeline_other);
	for (size_t i = 0; i < s->n_children; i++) {
		ipk__os_close(s->children[i].note_fd);
		ipk__os_close(s->children[i].lifeline);
	}
}

static int run_spawned(const struct server *s, const struct ipk__zygote_request *request,
		       int note_fd)
{
	struct ipk__zygote_note note = {.kind = IPK__ZYGOTE_SPAWNED, .pid = ipk__os_pid()};
	int pidfd = -1;
	int r = 0;

	if (request->flags & IPK__SPAWN_DIES_ALONG)
		r = ipk__os_die_with_parent(s->pid, s->lifeline);
	if (r == 0)
		r = ipk__os_pidfd_open(note.pid, &pidfd);
	if (r < 0)
		return r;
	r = ipk__zygote_send_note(note_fd, &note, pidfd);
	ipk__os_close(pidfd);
	return r;
}

static int map_arg(const struct ipk__zygote_request *request, int file, void **ret_arg)
{
	int r;

	if (!(request->flags & IPK__SPAWN_ARG_IN_FILE)) {
		*ret_arg = (void *)request->arg;
		return 0;
	}
	r = ipk__os_map(file, request->arg_bytes, true, ret_arg);
	ipk__os_close(file);
	return r;
}

static _Noreturn void run_child(const struct server *s)
{
	const struct ipk__zygote_request *request = (const void *)s->packet;
	int note_fd = s->fds[0];
	const int *fds = s->fds + s->n_fds - request->n_fds;
	void *arg;
	int r = map_arg(request, s->fds[1], &arg);

	if (r == 0)
		r = run_spawned(s, request, note_fd);
	if (r < 0) {
		struct ipk__zygote_note note = {
			.kind = IPK__ZYGOTE_FAILED, .error = r, .refused = ipk__refused_last()};

		(void)ipk__zygote_send_note(note_fd, &note, -1);
		ipk__os_exit(255);
	}
	leave_zygote(s);
	ipk__os_close(note_fd);
	if (request->flags & IPK__SPAWN_KEEP_STDIN)
		ipk__os_stdin_as_before(s->stdin_fd);
	ipk__os_close(s->stdin_fd);
	ipk__os_set_thread_name(request->name[0] ? request->name : s->host_name);
	ipk__os_signals_as_before(&s->signals);
	r = request->fn(arg, request->arg_bytes, fds, request->n_fds);
	ipk__os_exit(r >= 0 && r <= 255 ? r : 255);
}

/* --- spawns ----------------------------------------------------------------------------------- */

static int make_room(struct server *s)
{
	size_t n = s->n_room ? 2 * s->n_room : 16;
	struct child *more;

	if (s->n_children < s->n_room)
		return 0;
	more = ipk__os_realloc(s->children, n * sizeof *more);
	if (!more)
		return -ENOMEM;
	s->children = more;
	s->n_room = n;
	return 0;
}

static bool is_whole(const struct server *s)
{
	const struct ipk__zygote_request *request = (const void *)s->packet;
	bool has_file;

	if (s->packet_bytes < sizeof *request || s->packet_bytes > sizeof s->packet)
		return false;
	has_file = request->flags & IPK__SPAWN_ARG_IN_FILE;
	return s->n_fds == 1u + has_file + request->n_fds &&
	       (has_file || s->packet_bytes == sizeof *request + request->arg_bytes);
}

static int spawn(struct server *s)
{
	const struct ipk__zygote_request *request = (const void *)s->packet;
	pid_t pid = -1;
	int r;

	if (!is_whole(s))
		return -EPROTO;
	s->lifeline = s->lifeline_other = -1;
	r = make_room(s);
	if (r == 0 && (request->flags & IPK__SPAWN_DIES_ALONG))
		r = ipk__os_lifeline(&s->lifeline, &s->lifeline_other);
	if (r == 0)
		r = ipk__os_fork(&pid);
	if (pid == 0)
		run_child(s);
	ipk__os_close(s->lifeline);
	if (r < 0) {
		ipk__os_close(s->lifeline_other);
		return r;
	}
	s->children[s->n_children++] =
		(struct child){pid, s->fds[0], s->lifeline_other, request->flags};
	return 0;
}

static bool is_kill(const struct server *s)
{
	return s->n_fds == 0 && s->packet_bytes == sizeof(struct ipk__zygote_kill);
}

static void kill_one(const struct server *s)
{
	const struct ipk__zygote_kill *request = (const void *)s->packet;

	for (size_t i = 0; i < s->n_children; i++) {
		if (s->children[i].pid == request->pid)
			ipk__os_kill_child(request->pid);
	}
}

/* One request, if there is one. -EPIPE: the requester has hung up. */
static int take_request(struct server *s)
{
	struct iovec part = {s->packet, sizeof s->packet};
	struct ipk__zygote_note note = {0};
	bool is_kept;
	int r = ipk__os_recv(s->seat.socket, &part, 1, false, &s->packet_bytes, s->fds, &s->n_fds);

	if (r == -EAGAIN || r == -EPIPE)
		return r == -EPIPE ? r : 0;
	if (r < 0) {
		note = (struct ipk__zygote_note){.kind = IPK__ZYGOTE_DROPPED, .error = r};
		(void)ipk__zygote_send_note(s->seat.socket, &note, -1);
		return 0;
	}
	if (is_kill(s)) {
		kill_one(s);
		return 0;
	}
	r = spawn(s);
	is_kept = r == 0;
	if (r < 0 && s->n_fds > 0) {
		note = (struct ipk__zygote_note){
			.kind = IPK__ZYGOTE_FAILED, .error = r, .refused = ipk__refused_last()};
		(void)ipk__zygote_send_note(s->fds[0], &note, -1);
	}
	for (size_t i = is_kept; i < s->n_fds; i++)
		ipk__os_close(s->fds[i]);
	return 0;
}

/* --- ends ------------------------------------------------------------------------------------- */

static void tell_end(struct server *s, pid_t pid, const ipk_process_status *status)
{
	struct ipk__zygote_note note = {.kind = IPK__ZYGOTE_ENDED, .pid = pid, .status = *status};
	size_t i = 0;

	while (i < s->n_children && s->children[i].pid != pid)
		i++;
	if (i == s->n_children)
		return; /* the preload's, say */
	(void)ipk__zygote_send_note(s->children[i].note_fd, &note, -1);
	ipk__os_close(s->children[i].note_fd);
	ipk__os_close(s->children[i].lifeline);
	s->children[i] = s->children[--s->n_children];
}

static void reap_all(struct server *s)
{
	ipk_process_status status;
	pid_t pid;

	while (s->n_children > 0 && ipk__os_reap_any(&pid, &status) == 0)
		tell_end(s, pid, &status);
}

/* Children that end with the zygote are terminated here, while there is a process to reap them. */
static void end_children(struct server *s)
{
	const uint32_t goes = IPK__SPAWN_DIES_ALONG | IPK__SPAWN_IS_STANDBY;
	size_t n_left;

	for (size_t i = 0; i < s->n_children; i++) {
		if (s->children[i].flags & goes)
			ipk__os_kill_child(s->children[i].pid);
	}
	do {
		n_left = 0;
		reap_all(s);
		for (size_t i = 0; i < s->n_children; i++)
			n_left += (s->children[i].flags & goes) != 0;
		if (n_left > 0)
			(void)ipk__os_poll1(s->signal_fd, IPK__OS_IN, ipk_forever(), NULL);
		while (ipk__os_signal_read(s->signal_fd))
			;
	} while (n_left > 0);
}

/* --- its life --------------------------------------------------------------------------------- */

static int preload(struct server *s)
{
	struct ipk__zygote_note note = {.kind = IPK__ZYGOTE_READY, .pid = s->pid};

	if (s->seat.preload) {
		int r = s->seat.preload(s->seat.preload_arg);

		note.error = r > 0 ? -ECANCELED : r;
		(void)ipk__zygote_send_note(s->seat.socket, &note, -1);
	}
	return note.error;
}

static void serve(struct server *s)
{
	for (;;) {
		struct pollfd fds[] = {
			{.fd = s->seat.socket, .events = POLLIN},
			{.fd = s->signal_fd, .events = POLLIN},
			{.fd = s->seat.requester_fd, .events = POLLIN},
		};

		if (ipk__os_poll(fds, IPK__N_OF(fds), ipk_forever()) < 0)
			continue;
		if (fds[2].revents)
			return;
		if (fds[1].revents) {
			(void)ipk__os_signal_read(s->signal_fd);
			reap_all(s);
		}
		if (fds[0].revents && take_request(s) == -EPIPE)
			return;
	}
}

void ipk__zygote_serve(const struct ipk__zygote_seat *seat)
{
	struct server *s = &the_server;

	/* What a standby has of its zygote's is the zygote's. */
	free(s->children);
	s->children = NULL;
	s->n_children = s->n_room = 0;
	s->seat = *seat;
	s->pid = ipk__os_pid();
	ipk__os_thread_name(s->host_name);
	ipk__os_set_thread_name(seat->name);
	if (ipk__os_put_signals_aside(&s->signals, &s->signal_fd) < 0)
		return;
	if (ipk__os_put_stdin_aside(&s->stdin_fd) < 0)
		return;
	if (preload(s) == 0)
		serve(s);
	end_children(s);
}

int ipk__zygote_serve_spawned(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	struct ipk__zygote_seat seat;

	if (arg_bytes != sizeof seat || n_fds != 2)
		return 255;
	memcpy(&seat, arg, sizeof seat);
	seat.socket = fds[0];
	seat.requester_fd = fds[1];
	ipk__zygote_serve(&seat);
	return 0;
}
