/*
 * manager_server.h - the server that holds shared dicts, lists, locks and queues.
 *
 * Clients use ipk/manager.h, or anything that speaks to Redis. One process, one thread: start
 * it inside an application (ipk_manager_server_start()), or as the daemon ipc-manager, which
 * is ipk_manager_serve() with a command line.
 *
 * Who may come: over unix: addresses the server's own user, and those that are allowed; over
 * tcp: everybody who has the key. Without a key only this machine's own addresses (loopback)
 * are listened on.
 */
#ifndef IPK_MANAGER_SERVER_H
#define IPK_MANAGER_SERVER_H

#include <sys/types.h>

#include "deadline.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_manager_server ipk_manager_server; /* a server that this process started */

enum {
	IPK_MANAGER_SERVER_STAY = 1u << 0, /* it goes on when its creator has ended */
};

/* When what was written is on the disk, and not only in the file (which survives kill -9). */
enum {
	IPK_MANAGER_FSYNC_EVERYSEC = 0, /* within a second or two */
	IPK_MANAGER_FSYNC_ALWAYS = 1,   /* before each reply */
	IPK_MANAGER_FSYNC_NO = 2,       /* whenever the kernel likes */
};

typedef struct ipk_manager_server_opts {
	size_t struct_size;        /* sizeof(ipk_manager_server_opts) */
	const char *address;       /* "unix:PATH" or "tcp:HOST:PORT" (port 0: any that is free); by
				    * default a socket in a new directory of this user's alone */
	const char *label;         /* what ipc-inspect calls it; [A-Za-z0-9._-]{1,200}; "manager" */
	const char *log_path;      /* the file that what was written survives in; NULL: none */
	int fsync;                 /* IPK_MANAGER_FSYNC_* */
	const void *key;           /* shared with the clients; NULL: none */
	size_t key_bytes;          /* 0: @key is text */
	const char *key_file;      /* or the file it is in, without the newline at its end */
	uint64_t max_memory_bytes; /* writes are refused beyond it; 0: no limit of its own */
	uint32_t max_clients;      /* 10000 */
	const uid_t *allowed_uids; /* unix: users that may come beside the server's own */
	size_t n_allowed_uids;
	const gid_t *allowed_gids; /* the same, by the group that the client runs with */
	size_t n_allowed_gids;
	unsigned flags; /* IPK_MANAGER_SERVER_* */
	/* Called once it listens and the log is loaded; ipk_manager_serve() only. */
	void (*on_ready)(void *arg, const char *address);
	void *arg;
	char *trouble; /* where to say in a line what was wrong with the log; NULL nowhere */
	size_t trouble_bytes;
} ipk_manager_server_opts;

#define IPK_MANAGER_SERVER(...) IPK_OPTS(manager_server, __VA_ARGS__)

/**
 * ipk_manager_server_start() - start a server in a process of its own
 * @opts:       NULL for the defaults: a private Unix socket, no log
 * @deadline:   when to stop waiting for it to listen (a long log takes a while to load)
 * @ret_server: the server
 *
 * The child ignores SIGINT, ends cleanly at SIGTERM, and when its creator has ended, unless
 * it is to stay. It keeps none of the creator's fds but stderr (when it is to stay, not that).
 * Relative paths of the socket and the log are made absolute here.
 *
 * Blocks:  until it listens.
 * Callers: any thread.
 * Crash:   a server whose creator is killed ends by itself.
 * Cost:    a fork; 1 fd here.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: 0; -EINVAL the address or an option; -ENAMETOOLONG a socket's path, absolute, has
 * more than 107 bytes; -EADDRINUSE somebody listens there; -EACCES TCP beyond this machine
 * without a key, or a directory or key file that may not be used; -EBADMSG the log is damaged
 * in its middle, see trouble; -ETIMEDOUT; -EPIPE it died as it began; -ENOMEM; -EMFILE;
 * -EAGAIN.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_server_start(const ipk_manager_server_opts *opts,
						    ipk_deadline deadline,
						    ipk_manager_server **ret_server);

/**
 * ipk_manager_server_address() - where it listens
 * @server: server
 *
 * Blocks:  no.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: for ipk_manager_connect(), valid until close; "" for NULL.
 */
IPK_API const char *ipk_manager_server_address(const ipk_manager_server *server);

/**
 * ipk_manager_server_pid() - its process
 * @server: server
 *
 * Blocks:  no.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: the pid, -1 for NULL.
 */
IPK_API pid_t ipk_manager_server_pid(const ipk_manager_server *server);

/**
 * ipk_manager_server_stop() - end it cleanly and wait for that
 * @server:   server; only its creator may
 * @deadline: when to stop waiting
 *
 * Blocks:  until it has ended.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: 0, also when it had ended already; -ETIMEDOUT; -ECHILD not the caller's child,
 * which then goes on; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_server_stop(ipk_manager_server *server,
						   ipk_deadline deadline);

/**
 * ipk_manager_server_close() - give up the handle
 * @server: NULL is fine
 *
 * In its creator this ends the server too, unless it is to stay: it is asked to, and killed
 * when it takes longer than 5 s. In a fork of its creator only the copy is given up.
 *
 * Blocks:  until it has ended, 5 s at most.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_manager_server *ipk_manager_server_close(ipk_manager_server *server);

static inline void ipk_manager_server_closep(ipk_manager_server **server)
{
	*server = ipk_manager_server_close(*server);
}

/**
 * ipk_manager_serve() - be a server, in the calling thread
 * @opts:    with an address; flags do not matter
 * @stop_fd: ends when it becomes readable (an eventfd, a pipe, a signalfd); -1: only by SHUTDOWN
 *
 * Blocks:  until it is ended.
 * Crash:   what was acknowledged is in the log.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: 0 it was ended; otherwise as ipk_manager_server_start(), nobody was served.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_serve(const ipk_manager_server_opts *opts, int stop_fd);

#ifdef __cplusplus
}
#endif

#endif
