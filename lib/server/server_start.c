/*
 * server_start.c - starting the server: in the calling thread, or in a child.
 *
 * The child reports its startup to its creator over a socket pair: an error, or its address. It
 * exits when its creator does: it watches a pidfd of the creator made before the fork, so a creator
 * that dies between the fork and the child's first action is detected too.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/base_internal.h"
#include "base/refused.h"
#include "ipk/error.h"
#include "ipk/manager_server.h"
#include "ipk/process.h"
#include "net/auth.h"
#include "os/os.h"
#include "server/server.h"

#define FDS_BESIDE_CLIENTS 100 /* store, log, epoll, two of each local client: some of it */
#define CLOSE_MS 5000
#define ADDRESS_BYTES 192
#define TROUBLE_BYTES 256

_Static_assert((int)IPK_MANAGER_FSYNC_EVERYSEC == (int)IPK__FSYNC_EVERYSEC &&
		       (int)IPK_MANAGER_FSYNC_ALWAYS == (int)IPK__FSYNC_ALWAYS &&
		       (int)IPK_MANAGER_FSYNC_NO == (int)IPK__FSYNC_NO,
	       "the same words");

struct ipk_manager_server {
	pid_t owner_pid; /* in a fork of it this is a copy, and the server not its */
	ipk_process *process;
	bool stays;
	char directory[128]; /* made for it; "": none */
	char address[ADDRESS_BYTES];
};

/* What the child says, once. */
struct news {
	int result;
	unsigned refused;   /* of -ENOSYS: see base/refused.h */
	const char *detail; /* a constant, which the child has at the same place: it is a fork */
	char address[ADDRESS_BYTES];
	char trouble[TROUBLE_BYTES];
};

/* --- in the calling thread -------------------------------------------------------------------- */

static int check_server_opts(const ipk_manager_server_opts *o)
{
	IPK__REQUIRE((unsigned)o->fsync <= IPK_MANAGER_FSYNC_NO,
		     "IPK_MANAGER_SERVER(.fsync): IPK_MANAGER_FSYNC_*");
	IPK__REQUIRE(!(o->flags & ~(unsigned)IPK_MANAGER_SERVER_STAY),
		     "IPK_MANAGER_SERVER(.flags): IPK_MANAGER_SERVER_STAY or 0");
	IPK__REQUIRE(!o->key || !o->key_file, "IPK_MANAGER_SERVER(.key_file): not with .key");
	IPK__REQUIRE(!o->label || ipk__name_check(o->label) == 0,
		     "IPK_MANAGER_SERVER(.label): " IPK__NAME_RULE);
	return 0;
}

static int get_key(const ipk_manager_server_opts *o, unsigned char *buf, size_t *ret_bytes)
{
	size_t n_bytes = o->key_bytes;

	*ret_bytes = 0;
	if (o->key_file)
		return ipk__auth_key_from_file(o->key_file, buf, ret_bytes);
	if (!o->key)
		return 0;
	if (n_bytes == 0)
		n_bytes = strlen(o->key);
	IPK__REQUIRE(n_bytes >= IPK__AUTH_KEY_MIN && n_bytes <= IPK__AUTH_KEY_MAX,
		     "IPK_MANAGER_SERVER(.key_bytes): 16 to 4096");
	memcpy(buf, o->key, n_bytes);
	*ret_bytes = n_bytes;
	return 0;
}

static int serve(const ipk_manager_server_opts *o, const unsigned char *key, size_t key_bytes,
		 int stop_fd)
{
	struct ipk__server_config config = {
		.address = o->address,
		.label = o->label,
		.log_path = o->log_path,
		.fsync = (int)o->fsync,
		.key = key_bytes > 0 ? key : NULL,
		.key_bytes = key_bytes,
		.allowed_uids = o->allowed_uids,
		.n_allowed_uids = o->n_allowed_uids,
		.allowed_gids = o->allowed_gids,
		.n_allowed_gids = o->n_allowed_gids,
		.max_memory_bytes = o->max_memory_bytes,
		.max_clients = o->max_clients,
		.trouble = o->trouble,
		.trouble_bytes = o->trouble_bytes,
	};
	struct ipk__server *server;
	int r = ipk__server_create(&config, &server);

	if (r < 0)
		return r;
	if (o->on_ready)
		o->on_ready(o->arg, ipk__server_address(server));
	r = ipk__server_run(server, stop_fd);
	ipk__server_close(server);
	return r;
}

int ipk_manager_serve(const ipk_manager_server_opts *opts, int stop_fd)
{
	ipk_manager_server_opts o;
	unsigned char *key;
	size_t key_bytes = 0;
	int r;

	ipk__note_detail(0, NULL); /* the kernel's -EINVAL has none */
	r = ipk__opts_copy(&o, sizeof o, opts);
	if (r == 0)
		r = o.address ? check_server_opts(&o)
			      : ipk__invalid("IPK_MANAGER_SERVER(.address): required here");
	if (r < 0)
		return r;
	key = ipk__os_malloc(IPK__AUTH_KEY_MAX);
	r = key ? get_key(&o, key, &key_bytes) : -ENOMEM;
	if (r == 0)
		r = serve(&o, key, key_bytes, stop_fd);
	free(key);
	return r;
}

/* --- in a child ------------------------------------------------------------------------------- */

struct startup {
	ipk_manager_server_opts opts;
	unsigned char key[IPK__AUTH_KEY_MAX];
	size_t key_bytes;
	int creator_fd; /* a pidfd; -1: it stays */
	int news_fd;
	const char *directory; /* made for it: goes with it */
	struct news news;
};

static void tell(struct startup *b, int result, const char *address)
{
	struct iovec part = {&b->news, sizeof b->news};

	b->news.result = result;
	b->news.refused = ipk__refused_last();
	b->news.detail = ipk_error_detail(result);
	snprintf(b->news.address, sizeof b->news.address, "%s", address);
	(void)ipk__os_send(b->news_fd, &part, 1, NULL, 0);
	ipk__os_close(b->news_fd);
	b->news_fd = -1;
}

static void is_ready(void *arg, const char *address)
{
	tell(arg, 0, address);
}

/* Readable when it is to end: SIGTERM came, or the creator is gone. SIGINT is the creator's. */
static int what_ends_it(const struct startup *b, int *ret_fd)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE};
	static const int ends[] = {SIGTERM};
	int signal_fd;
	int fd;
	int r = ipk__os_signal_fd(ignored, IPK__N_OF(ignored), &fd);

	if (r < 0)
		return r;
	ipk__os_close(fd);
	r = ipk__os_signal_fd(ends, IPK__N_OF(ends), &signal_fd);
	if (r == 0)
		r = ipk__os_epoll(&fd);
	if (r == 0)
		r = ipk__os_loop_add(fd, signal_fd, IPK__OS_IN, 0);
	if (r == 0 && b->creator_fd >= 0)
		r = ipk__os_loop_add(fd, b->creator_fd, IPK__OS_IN, 0);
	if (r == 0)
		*ret_fd = fd;
	return r;
}

static int run_child(void *arg)
{
	struct startup *b = arg;
	const int keep[] = {b->creator_fd, b->news_fd};
	int stop_fd = -1;
	int r;

	ipk__os_leave_fds(keep, IPK__N_OF(keep), !(b->opts.flags & IPK_MANAGER_SERVER_STAY));
	ipk__os_want_fds((b->opts.max_clients ? b->opts.max_clients : 10000) + FDS_BESIDE_CLIENTS);
	r = what_ends_it(b, &stop_fd);
	b->opts.on_ready = is_ready;
	b->opts.arg = b;
	b->opts.trouble = b->news.trouble;
	b->opts.trouble_bytes = sizeof b->news.trouble;
	if (r == 0)
		r = serve(&b->opts, b->key, b->key_bytes, stop_fd);
	if (b->directory[0])
		ipk__os_rmdir(b->directory);
	if (b->news_fd >= 0)
		tell(b, r < 0 ? r : -EPIPE, "");
	return r < 0;
}

static int hear(const struct startup *b, int fd, ipk_deadline deadline, struct news *ret_news)
{
	struct iovec part = {ret_news, sizeof *ret_news};
	size_t n_bytes;
	size_t n_fds = 0;
	int r = ipk__os_poll1(fd, IPK__OS_IN, deadline, NULL);

	if (r == 0)
		r = ipk__os_recv(fd, &part, 1, false, &n_bytes, NULL, &n_fds);
	if (r == 0 && n_bytes != sizeof *ret_news)
		r = -EPIPE;
	if (r < 0)
		return r;
	if (b->opts.trouble && b->opts.trouble_bytes > 0)
		snprintf(b->opts.trouble, b->opts.trouble_bytes, "%s", ret_news->trouble);
	if (ret_news->result == -ENOSYS)
		return ipk__refused(ret_news->refused);
	return ret_news->result < 0 ? ipk__detail(ret_news->result, ret_news->detail) : 0;
}

static void end_now(ipk_manager_server *server)
{
	int r = ipk_process_kill(server->process);

	if (r == 0)
		r = ipk_process_join(server->process, ipk_in_ms(CLOSE_MS), NULL);
	/* One that cannot be killed stays behind: no process can be told. */
	(void)r;
}

/* The child is told nothing more: what comes of it is known, or it is ended. */
static int bring_up(ipk_manager_server *server, struct startup *b, ipk_deadline deadline)
{
	struct news news = {.result = -EPIPE};
	int fds[2];
	int r = ipk__os_socketpair(fds);

	if (r < 0)
		return r;
	b->news_fd = fds[1];
	/* It runs nothing but this library, so other threads do not matter; it ends by itself. */
	r = ipk_process_start(run_child, b,
			      IPK_PROCESS(.name = "ipk-manager", .start_method = IPK_START_FORK,
					  .flags = IPK_PROCESS_DETACHED),
			      &server->process);
	ipk__os_close(fds[1]);
	if (r == 0) {
		r = hear(b, fds[0], deadline, &news);
		if (r < 0)
			end_now(server);
	}
	ipk__os_close(fds[0]);
	if (r == 0)
		snprintf(server->address, sizeof server->address, "%s", news.address);
	return r;
}

static int choose_address(ipk_manager_server *server, struct startup *b)
{
	int r;

	if (b->opts.address)
		return 0;
	r = ipk__os_temp_directory(server->directory, sizeof server->directory);
	if (r < 0) {
		server->directory[0] = 0;
		return r;
	}
	snprintf(server->address, sizeof server->address, "unix:%s/manager", server->directory);
	b->opts.address = server->address;
	return 0;
}

static int start(ipk_manager_server *server, struct startup *b, ipk_deadline deadline)
{
	int r = check_server_opts(&b->opts);

	b->creator_fd = -1;
	b->directory = server->directory;
	server->stays = b->opts.flags & IPK_MANAGER_SERVER_STAY;
	if (r == 0)
		r = get_key(&b->opts, b->key, &b->key_bytes);
	if (r == 0 && !server->stays)
		r = ipk__os_pidfd_open(ipk__os_pid(), &b->creator_fd);
	if (r == 0)
		r = choose_address(server, b);
	if (r == 0)
		r = bring_up(server, b, deadline);
	ipk__os_close(b->creator_fd);
	return r;
}

int ipk_manager_server_start(const ipk_manager_server_opts *opts, ipk_deadline deadline,
			     ipk_manager_server **ret_server)
{
	ipk_manager_server *server = ipk__os_calloc(1, sizeof *server);
	struct startup *b = ipk__os_calloc(1, sizeof *b);
	int r = server && b ? 0 : -ENOMEM;

	ipk__note_detail(0, NULL); /* the kernel's -EINVAL has none */
	if (server)
		server->owner_pid = ipk__os_pid();
	if (r == 0)
		r = ret_server ? ipk__opts_copy(&b->opts, sizeof b->opts, opts)
			       : ipk__invalid("ret_server is NULL");
	if (r == 0)
		r = start(server, b, deadline);
	free(b);
	if (r < 0) {
		ipk_manager_server_close(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

const char *ipk_manager_server_address(const ipk_manager_server *server)
{
	return server ? server->address : "";
}

pid_t ipk_manager_server_pid(const ipk_manager_server *server)
{
	return server ? ipk_process_pid(server->process) : -1;
}

int ipk_manager_server_stop(ipk_manager_server *server, ipk_deadline deadline)
{
	int r;

	if (!server)
		return -EBADF;
	if (server->owner_pid != ipk__os_pid())
		return -ECHILD;
	r = ipk_process_terminate(server->process);
	return r < 0 ? r : ipk_process_join(server->process, deadline, NULL);
}

/* What a killed server left behind. */
static void clean_up(const ipk_manager_server *server)
{
	if (!server->directory[0])
		return;
	if (strncmp(server->address, "unix:", 5) == 0)
		ipk__os_unlink(server->address + 5);
	ipk__os_rmdir(server->directory);
}

static void end(ipk_manager_server *server)
{
	bool is_ended = !server->process || !ipk_process_is_alive(server->process);

	if (!server->stays && !is_ended &&
	    ipk_manager_server_stop(server, ipk_in_ms(CLOSE_MS)) == -ETIMEDOUT)
		end_now(server);
	if (!ipk_process_is_alive(server->process))
		clean_up(server);
}

ipk_manager_server *ipk_manager_server_close(ipk_manager_server *server)
{
	if (!server)
		return NULL;
	if (server->owner_pid == ipk__os_pid())
		end(server);
	ipk_process_close(server->process);
	free(server);
	return NULL;
}
