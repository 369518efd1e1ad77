/*
 * zygote.c - the requester's side of a fork server: which zygote is asked, and with what result.
 *
 * Invariant: the standby is asked to repeat a spawn only when it is certain that the zygote's child
 * has not run and never will, see zygote_wire.h; so exactly one runs. Nothing here relies on the
 * end of file of a socket: a process that the host forks at a bad moment may hold a copy of its
 * other side. A zygote is dead when its pidfd says so.
 *
 * Several threads can spawn at the same time; the mutex guards only which process is the zygote and
 * which the standby, each of which is kept until the last spawn asked of it is complete.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "os/os.h"
#include "process/zygote_internal.h"
#include "process/zygote_wire.h"
#include "shared/owner.h"

#define CLOSE_MS 1000   /* for a zygote to end by itself */
#define STANDBY_MS 1000 /* for a standby to be spawned */
#define ORPHAN_MS 100   /* time for another process to reap a child whose zygote is dead */
#define SPAWN_RETRIES 3 /* of a child that something killed before it was spawned */

/* A zygote as its requester sees it. */
struct server {
	_Atomic int n_users;
	int socket;
	struct ipk__zygote_child child; /* status_fd -1: a child of this process */
	uint64_t owner;                 /* of such a child: shared/owner.h */
};

struct ipk__zygote {
	pid_t owner_pid;
	int self_fd; /* this process's pidfd */
	char name[IPK__ZYGOTE_NAME_BYTES];

	pthread_mutex_t mutex; /* guards the rest */
	struct server *now;
	struct server *standby;
	bool is_getting_standby;
};

/* --- zygotes as objects ----------------------------------------------------------------------- */

static struct server *drop(struct server *s)
{
	if (!s || atomic_fetch_sub(&s->n_users, 1) > 1)
		return NULL;
	ipk__os_fds_change();
	ipk__os_close(s->socket);
	ipk__zygote_child_close(&s->child);
	ipk__os_fds_changed();
	free(s);
	return NULL;
}

static bool is_dead(const struct server *s)
{
	return ipk__os_poll1(s->child.pidfd, IPK__OS_IN, ipk_now(), NULL) == 0;
}

/* Where it is this process's child, directly or because this is where orphans go. */
static void reap(const struct server *s)
{
	ipk_process_status status;

	(void)ipk__os_pidfd_reap(s->child.pidfd, &status);
}

bool ipk__zygote_is_own(const struct ipk__zygote *z)
{
	return z->owner_pid == ipk__os_pid();
}

static struct server *take_now(struct ipk__zygote *z)
{
	struct server *s;

	pthread_mutex_lock(&z->mutex);
	s = z->now;
	if (s)
		atomic_fetch_add(&s->n_users, 1);
	pthread_mutex_unlock(&z->mutex);
	return s;
}

/* @dead is: the standby is the zygote now, unless another thread has seen to it. */
static void succeed(struct ipk__zygote *z, struct server *dead)
{
	bool is_first;

	pthread_mutex_lock(&z->mutex);
	is_first = z->now == dead;
	if (is_first) {
		z->now = z->standby;
		z->standby = NULL;
	}
	pthread_mutex_unlock(&z->mutex);
	if (is_first) {
		/* Its socket may have gone a moment before itself; unreaped it would stay a zombie.
		 */
		(void)ipk__os_poll1(dead->child.pidfd, IPK__OS_IN, ipk_in_ms(CLOSE_MS), NULL);
		reap(dead);
		drop(dead);
	}
}

/* --- one spawn -------------------------------------------------------------------------------- */

int ipk__zygote_recv_note(int socket, struct ipk__zygote_note *ret_note, int *ret_pidfd)
{
	struct ipk__zygote_note note = {0};
	struct iovec part = {&note, sizeof note};
	int fds[IPK__OS_FDS_MAX];
	size_t n_bytes, n_fds;
	int r = ipk__os_recv(socket, &part, 1, false, &n_bytes, fds, &n_fds);

	if (r == -EMFILE)
		*ret_note = note;
	if (r < 0)
		return r;
	for (size_t i = ret_pidfd != NULL; i < n_fds; i++)
		ipk__os_close(fds[i]);
	if (n_bytes != sizeof note)
		r = -EPROTO;
	if (ret_pidfd)
		*ret_pidfd = n_fds > 0 ? fds[0] : -1;
	*ret_note = note;
	return r;
}

/* An argument that no packet carries; -1 when one does. */
static int make_arg_file(const struct ipk__spawn_request *b, int *ret_fd)
{
	int fd = -1;
	int r = 0;

	if (b->arg_bytes > IPK__ZYGOTE_PACKET_BYTES - sizeof(struct ipk__zygote_request)) {
		r = ipk__os_memfd("ipk-spawn", &fd);
		if (r == 0)
			r = ipk__os_pwrite(fd, b->arg, b->arg_bytes, 0);
	}
	if (r < 0)
		ipk__os_close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* -EPIPE: the zygote is dead. */
static int send_request(const struct server *s, const struct iovec *parts, size_t n_parts,
			const int *fds, size_t n_fds, ipk_deadline deadline)
{
	int r;

	while ((r = ipk__os_send(s->socket, parts, n_parts, fds, n_fds)) == -EAGAIN) {
		struct pollfd wait[] = {
			{.fd = s->socket, .events = POLLOUT},
			{.fd = s->child.pidfd, .events = POLLIN},
		};

		r = ipk__os_poll(wait, IPK__N_OF(wait), deadline);
		if (r < 0)
			return r;
		if (wait[1].revents)
			return -EPIPE;
	}
	return r;
}

static int send_spawn_request(const struct server *s, const struct ipk__spawn_request *b,
			      int note_fd, ipk_deadline deadline)
{
	struct ipk__zygote_request request = {.fn = b->fn,
					      .arg_bytes = b->arg_bytes,
					      .flags = b->flags,
					      .n_fds = (uint32_t)b->n_fds};
	struct iovec parts[] = {{&request, sizeof request}, {(void *)b->arg, b->arg_bytes}};
	int fds[IPK__OS_FDS_MAX] = {note_fd};
	size_t n_fds = 1;
	int file = -1;
	int r = make_arg_file(b, &file);

	if (r < 0)
		return r;
	if (file >= 0) {
		request.flags |= IPK__SPAWN_ARG_IN_FILE;
		fds[n_fds++] = file;
	}
	for (size_t i = 0; i < b->n_fds; i++)
		fds[n_fds++] = b->fds[i];
	if (b->name)
		snprintf(request.name, sizeof request.name, "%s", b->name);
	r = send_request(s, parts, file < 0 && b->arg_bytes > 0 ? 2 : 1, fds, n_fds, deadline);
	ipk__os_close(file);
	return r;
}

/*
 * The note socket ended without a child's message. Either the zygote is dead or it could not
 * receive the request, which it then reports.
 */
static int why_lost(const struct server *s, ipk_deadline deadline)
{
	struct ipk__zygote_note note;
	int r;

	do {
		struct pollfd wait[] = {
			{.fd = s->child.pidfd, .events = POLLIN},
			{.fd = s->socket, .events = POLLIN},
		};

		r = ipk__os_poll(wait, IPK__N_OF(wait), deadline);
		if (r < 0)
			return r;
		if (wait[0].revents)
			return -EPIPE;
		r = ipk__zygote_recv_note(s->socket, &note, NULL);
	} while (r == -EAGAIN);
	return r < 0 ? r : note.error;
}

/* In words that mean something else here: fork's -EAGAIN; a child whose zygote is dead. */
static int error_of(int said, uint32_t refused)
{
	if (said == -ENOSYS)
		return ipk__refused(refused);
	if (said == -EAGAIN)
		return -EBUSY;
	return said == -ESRCH ? -EPIPE : said;
}

/*
 * Its word could not be received; @note has it if only the pidfd found no place (another
 * thread took the last one, since there was one). If it is spawned it is not to run.
 */
static int undo_spawn(int note_fd, struct ipk__zygote_note *note, int why)
{
	int pidfd = -1;

	ipk__os_stop_receiving(note_fd);
	if (note->kind == 0)
		(void)ipk__zygote_recv_note(note_fd, note, &pidfd);
	if (note->kind == IPK__ZYGOTE_SPAWNED && pidfd >= 0)
		(void)ipk__os_pidfd_signal(pidfd, SIGKILL);
	else if (note->kind == IPK__ZYGOTE_SPAWNED)
		ipk__os_kill_child(note->pid);
	ipk__os_close(pidfd);
	return why;
}

/* The result. -EAGAIN none yet; -EPIPE the note socket ended. */
static int read_spawn_note(int note_fd, struct ipk__zygote_child *ret_child)
{
	struct ipk__zygote_note note = {0};
	int pidfd = -1;
	int r = ipk__zygote_recv_note(note_fd, &note, &pidfd);

	if (r == -EAGAIN || r == -EPIPE)
		return r;
	if (r < 0)
		return undo_spawn(note_fd, &note, r);
	if (note.kind == IPK__ZYGOTE_SPAWNED && pidfd >= 0) {
		*ret_child = (struct ipk__zygote_child){note.pid, pidfd, note_fd};
		return 0;
	}
	ipk__os_close(pidfd);
	if (note.kind == IPK__ZYGOTE_FAILED && note.error < 0)
		return error_of(note.error, note.refused);
	return -ECHILD; /* killed before it was spawned */
}

static int await_spawned(const struct server *s, int note_fd, ipk_deadline deadline,
			 struct ipk__zygote_child *ret_child)
{
	for (;;) {
		struct pollfd wait[] = {
			{.fd = note_fd, .events = POLLIN},
			{.fd = s->child.pidfd, .events = POLLIN},
		};
		int waited = ipk__os_poll(wait, IPK__N_OF(wait), deadline);
		bool is_last = waited < 0 || (!wait[0].revents && wait[1].revents);
		int r;

		if (is_last)
			ipk__os_stop_receiving(note_fd);
		r = read_spawn_note(note_fd, ret_child);
		if (r == -EAGAIN && !is_last)
			continue;
		if (r != -EAGAIN && r != -EPIPE)
			return r;
		if (waited < 0)
			return waited;
		return is_last ? -EPIPE : why_lost(s, deadline);
	}
}

/* -EPIPE: @s is dead and nothing was run. -ECHILD, -EBUSY: see read_spawn_note(). */
static int ask(const struct server *s, const struct ipk__spawn_request *b, ipk_deadline deadline,
	       struct ipk__zygote_child *ret_child)
{
	int note_fds[2];
	int r = ipk__os_socketpair(note_fds);

	if (r < 0)
		return r;
	r = send_spawn_request(s, b, note_fds[1], deadline);
	ipk__os_close(note_fds[1]);
	if (r == 0)
		r = await_spawned(s, note_fds[0], deadline, ret_child);
	if (r < 0)
		ipk__os_close(note_fds[0]);
	return r;
}

/* --- standbys --------------------------------------------------------------------------------- */

static void fill_seat(const struct ipk__zygote *z, struct ipk__zygote_seat *ret_seat)
{
	*ret_seat = (struct ipk__zygote_seat){.socket = -1, .requester_fd = -1};
	ret_seat->requester_pid = z->owner_pid;
	memcpy(ret_seat->name, z->name, sizeof z->name);
}

/* A zygote that is a child of @by's, or of @mother. */
static int spawn_zygote(struct ipk__zygote *by, const struct server *mother,
			const struct ipk__zygote_seat *seat, int self_fd, ipk_deadline deadline,
			struct server **ret_server)
{
	struct server *s = ipk__os_calloc(1, sizeof *s);
	struct ipk__spawn_request request = {.fn = ipk__zygote_serve_spawned,
					     .arg = seat,
					     .arg_bytes = sizeof *seat,
					     .n_fds = 2};
	int sockets[2], fds[2];
	int r = s ? ipk__os_socketpair(sockets) : -ENOMEM;

	if (r < 0) {
		free(s);
		return r;
	}
	fds[0] = sockets[1];
	fds[1] = self_fd;
	request.fds = fds;
	request.flags = IPK__SPAWN_KEEP_STDIN | (by ? 0 : (unsigned)IPK__SPAWN_IS_STANDBY);
	r = by ? ipk__zygote_spawn(by, &request, deadline, &s->child)
	       : ask(mother, &request, deadline, &s->child);
	ipk__os_close(sockets[1]);
	if (r < 0) {
		ipk__os_close(sockets[0]);
		free(s);
		return r;
	}
	s->n_users = 1;
	s->socket = sockets[0];
	*ret_server = s;
	return 0;
}

/* Whether there is none and this thread is to get one; a dead one goes. */
static bool lacks_standby(struct ipk__zygote *z)
{
	struct server *dead = NULL;
	bool lacks;

	pthread_mutex_lock(&z->mutex);
	if (!z->is_getting_standby && z->standby && is_dead(z->standby)) {
		dead = z->standby;
		z->standby = NULL;
	}
	lacks = z->now && !z->standby && !z->is_getting_standby;
	z->is_getting_standby |= lacks;
	pthread_mutex_unlock(&z->mutex);
	if (dead)
		reap(dead);
	drop(dead);
	return lacks;
}

/* What goes wrong here is tried again at the next request. */
static void keep_standby(struct ipk__zygote *z)
{
	struct server *mother, *standby = NULL;
	struct ipk__zygote_seat seat;

	if (!lacks_standby(z))
		return;
	mother = take_now(z);
	fill_seat(z, &seat);
	ipk__os_fds_change();
	if (mother)
		(void)spawn_zygote(NULL, mother, &seat, z->self_fd, ipk_in_ms(STANDBY_MS),
				   &standby);
	pthread_mutex_lock(&z->mutex);
	z->is_getting_standby = false;
	/* If its mother is dead by now it is an orphan, and as good as any. */
	z->standby = standby;
	if (!z->now) {
		z->now = standby;
		z->standby = NULL;
	}
	pthread_mutex_unlock(&z->mutex);
	ipk__os_fds_changed();
	drop(mother);
}

int ipk__zygote_spawn(struct ipk__zygote *z, const struct ipk__spawn_request *request,
		      ipk_deadline deadline, struct ipk__zygote_child *ret_child)
{
	int n_again = SPAWN_RETRIES;
	struct server *s;
	int r;

	if (!request->fn || request->n_fds > IPK__SPAWN_FDS_MAX)
		return ipk__invalid("IPK_PROCESS(.inherit): more fds than a zygote can pass");
	if (!ipk__zygote_is_own(z))
		return -EPIPE;
	do {
		s = take_now(z);
		r = s ? ask(s, request, deadline, ret_child) : -EPIPE;
		if (s && r == -EPIPE)
			succeed(z, s);
		drop(s);
	} while ((s && r == -EPIPE) || (r == -ECHILD && n_again-- > 0));
	/* One that does not answer has no time for a standby either. */
	if (r != -EPIPE && r != -ETIMEDOUT)
		keep_standby(z);
	return r == -ECHILD || r == -EBUSY ? -EAGAIN : r;
}

int ipk__zygote_kill(struct ipk__zygote *z, pid_t pid)
{
	struct ipk__zygote_kill request = {.pid = pid};
	struct iovec part = {&request, sizeof request};
	struct server *s = ipk__zygote_is_own(z) ? take_now(z) : NULL;
	int r = s ? ipk__os_send(s->socket, &part, 1, NULL, 0) : -EPIPE;

	/* One that is stopped does not read it. SIGCONT needs no permission within a session. */
	if (r == 0)
		(void)ipk__os_pidfd_signal(s->child.pidfd, SIGCONT);
	drop(s);
	return r;
}

/* --- a zygote's beginning and end ------------------------------------------------------------- */

/* In the fork: what it has of this side of things is not its. */
static _Noreturn void become(struct ipk__zygote_seat *seat, const int sockets[2], int self_fd)
{
	ipk__os_close(sockets[0]);
	seat->socket = sockets[1];
	seat->requester_fd = self_fd;
	ipk__zygote_serve(seat);
	ipk__os_exit(0);
}

/* Checks for what would only fail in the zygote, which could not report it. */
static int check_calls(int socket)
{
	struct ipk__zygote_note note;
	int signal_fd, copy_fd;
	int r = ipk__zygote_recv_note(socket, &note, NULL); /* nothing has been sent */

	if (r != -EAGAIN)
		return r;
	r = ipk__os_signal_fd(NULL, 0, &signal_fd);

	if (r < 0)
		return r;
	r = ipk__os_dup(signal_fd, &copy_fd); /* as it does with stdin */
	ipk__os_close(signal_fd);
	if (r < 0)
		return r;
	ipk__os_close(copy_fd);
	return ipk__os_pidfd_check();
}

static int fork_zygote(struct ipk__zygote_seat *seat, int self_fd, bool beside_threads,
		       struct server **ret_server)
{
	struct server *s = ipk__os_calloc(1, sizeof *s);
	int sockets[2] = {-1, -1};
	pid_t pid;
	int r = s ? ipk__os_socketpair(sockets) : -ENOMEM;

	if (r == 0)
		r = check_calls(sockets[0]);
	if (r == 0)
		r = beside_threads ? ipk__os_fork(&pid) : ipk__os_fork_alone(&pid);
	if (r == 0 && pid == 0)
		become(seat, sockets, self_fd);
	ipk__os_close(sockets[1]);
	if (r == 0) {
		*s = (struct server){1, sockets[0], {pid, -1, -1}, ipk__owner_of(pid)};
		r = ipk__os_pidfd_open(pid, &s->child.pidfd);
		if (r < 0)
			ipk__os_unfork(pid);
	}
	if (r < 0) {
		ipk__os_close(sockets[0]);
		free(s);
		return r;
	}
	*ret_server = s;
	return 0;
}

/* Asks it to end, and makes it. */
static void end(struct server *s)
{
	ipk_process_status status;

	if (!s)
		return;
	ipk__os_hang_up(s->socket);
	if (ipk__os_poll1(s->child.pidfd, IPK__OS_IN, ipk_in_ms(CLOSE_MS), NULL) < 0) {
		(void)ipk__os_pidfd_signal(s->child.pidfd, SIGKILL);
		(void)ipk__os_poll1(s->child.pidfd, IPK__OS_IN, ipk_in_ms(CLOSE_MS), NULL);
	}
	reap(s);
	/* A child of a process-wide zygote: it is reaped once that one has reported so. */
	if (s->child.status_fd >= 0)
		(void)ipk__zygote_child_status(&s->child, ipk_in_ms(CLOSE_MS), &status);
	drop(s);
}

static int await_preload(const struct server *s)
{
	struct ipk__zygote_note note;
	int r;

	do {
		struct pollfd wait[] = {
			{.fd = s->socket, .events = POLLIN},
			{.fd = s->child.pidfd, .events = POLLIN},
		};

		(void)ipk__os_poll(wait, IPK__N_OF(wait), ipk_forever());
		r = ipk__zygote_recv_note(s->socket, &note, NULL);
		if (r == -EAGAIN && wait[1].revents)
			r = -EPIPE;
	} while (r == -EAGAIN);
	return r < 0 ? r : note.error;
}

static int new_zygote(const char *name, struct ipk__zygote **ret_zygote)
{
	struct ipk__zygote *z = ipk__os_calloc(1, sizeof *z);
	int r;

	if (!z)
		return -ENOMEM;
	z->owner_pid = ipk__os_pid();
	r = ipk__os_pidfd_open(z->owner_pid, &z->self_fd);
	if (r < 0) {
		free(z);
		return r;
	}
	snprintf(z->name, sizeof z->name, "%s", name ? name : "ipk-zygote");
	pthread_mutex_init(&z->mutex, NULL);
	*ret_zygote = z;
	return 0;
}

/* @z, which asks a zygote from now on; with @r, what went wrong, it goes. */
static int opened(struct ipk__zygote *z, int r, struct ipk__zygote **ret_zygote)
{
	if (r < 0) {
		(void)ipk__zygote_close(z);
		return r;
	}
	keep_standby(z);
	*ret_zygote = z;
	return 0;
}

/* @beside_threads: fork even if this process has threads of its own. */
static int make(const char *name, bool beside_threads, int (*preload)(void *arg), void *preload_arg,
		struct ipk__zygote **ret_zygote)
{
	struct ipk__zygote_seat seat;
	struct ipk__zygote *z;
	int r = new_zygote(name, &z);

	if (r < 0)
		return r;
	fill_seat(z, &seat);
	seat.preload = preload;
	seat.preload_arg = preload_arg;
	r = fork_zygote(&seat, z->self_fd, beside_threads, &z->now);
	if (r == 0 && preload)
		r = await_preload(z->now);
	return opened(z, r, ret_zygote);
}

int ipk__zygote_make(const char *name, int (*preload)(void *arg), void *preload_arg,
		     struct ipk__zygote **ret_zygote)
{
	return make(name, false, preload, preload_arg, ret_zygote);
}

int ipk__zygote_make_by(struct ipk__zygote *mother, const char *name, ipk_deadline deadline,
			struct ipk__zygote **ret_zygote)
{
	struct ipk__zygote_seat seat;
	struct ipk__zygote *z;
	int r = new_zygote(name, &z);

	if (r < 0)
		return r;
	fill_seat(z, &seat);
	r = spawn_zygote(mother, NULL, &seat, z->self_fd, deadline, &z->now);
	return opened(z, r, ret_zygote);
}

int ipk__zygote_open(const char *name, ipk_start_method method, struct ipk__zygote **ret_zygote,
		     bool *ret_is_now)
{
	struct ipk__zygote *wide = ipk__zygote_of_process();
	int r = -EDEADLK;

	*ret_is_now = false;
	if (method != IPK_START_ZYGOTE) {
		r = make(name, method == IPK_START_FORK, NULL, NULL, ret_zygote);
		*ret_is_now = r == 0;
	}
	if (method == IPK_START_FORK || !wide || (r != -EDEADLK && r != -ENOSYS))
		return r;
	return ipk__zygote_make_by(wide, name, ipk_in_ns(IPK__ZYGOTE_ANSWER_NS), ret_zygote);
}

struct ipk__zygote *ipk__zygote_close(struct ipk__zygote *z)
{
	if (!z)
		return NULL;
	if (ipk__zygote_is_own(z)) {
		/* The zygote ends its standby and reaps it; an orphan is seen to afterwards. */
		if (z->now) {
			end(z->now);
			end(z->standby);
		}
		pthread_mutex_destroy(&z->mutex);
	} else if (ipk__os_fds_came_along()) {
		/* Otherwise a number may be another file's by now. */
		drop(z->now);
		drop(z->standby);
	}
	ipk__os_close(z->self_fd);
	free(z);
	return NULL;
}

/* A child of this process is there until it is reaped; another's is seen to elsewhere. */
static void await_by_pid(const struct server *s)
{
	pid_t pid = s->child.pid;

	for (int i = 0; i < CLOSE_MS; i++) {
		/* If the host has reaped it the number may be another child's. */
		if (ipk__owner_of(pid) != s->owner || ipk__os_reap_child(pid) != -EAGAIN)
			return;
		ipk__os_nap(1000000);
	}
	ipk__os_unfork(pid);
}

struct ipk__zygote *ipk__zygote_abandon(struct ipk__zygote *z)
{
	if (!z)
		return NULL;
	if (z->now && z->now->owner != 0)
		await_by_pid(z->now);
	pthread_mutex_destroy(&z->mutex);
	free(z->now);
	free(z->standby);
	free(z);
	return NULL;
}

void ipk__zygote_pids(struct ipk__zygote *z, pid_t *ret_pid, pid_t *ret_standby_pid)
{
	pthread_mutex_lock(&z->mutex);
	*ret_pid = z->now ? z->now->child.pid : 0;
	*ret_standby_pid = z->standby ? z->standby->child.pid : 0;
	pthread_mutex_unlock(&z->mutex);
}

/* --- children --------------------------------------------------------------------------------- */

/*
 * The zygote will not tell: perhaps the child is this process's by now, or the kernel knows,
 * once the process that got the child has reaped it. A zygote that was killed closes its fds a
 * moment before it gives up its children, and nothing tells when.
 */
static int status_by_kernel(int pidfd, ipk_deadline deadline, ipk_process_status *ret_status)
{
	int r = ipk__os_poll1(pidfd, IPK__OS_IN, deadline, NULL);

	if (r < 0)
		return r;
	for (int i = 0; i < ORPHAN_MS; i++) {
		r = ipk__os_pidfd_reap(pidfd, ret_status);
		if (r < 0)
			r = ipk__os_pidfd_epitaph(pidfd, ret_status);
		if (r == 0)
			return 0;
		if (ipk_deadline_left_ns(deadline) == 0)
			return -ETIMEDOUT;
		ipk__os_nap(1000000);
	}
	return -ECHILD;
}

int ipk__zygote_child_status(const struct ipk__zygote_child *child, ipk_deadline deadline,
			     ipk_process_status *ret_status)
{
	struct ipk__zygote_note note;
	int r;

	do {
		r = ipk__os_poll1(child->status_fd, IPK__OS_IN, deadline, NULL);
		if (r < 0)
			return r;
		r = ipk__zygote_recv_note(child->status_fd, &note, NULL);
	} while (r == -EAGAIN);
	if (r == -EPIPE)
		return status_by_kernel(child->pidfd, deadline, ret_status);
	if (r == 0)
		*ret_status = note.status;
	return r;
}

void ipk__zygote_child_close(struct ipk__zygote_child *child)
{
	ipk__os_close(child->pidfd);
	ipk__os_close(child->status_fd);
	child->pidfd = child->status_fd = -1;
}
