/*
 * manager_server.h - the server for shared dicts, lists, locks and queues.
 *
 * Clients use ipk/manager.h, or any Redis client. The server is one process with one thread: start
 * it from an application (ipk_manager_server_start()), or as the daemon ipc-manager, which is
 * ipk_manager_serve() with a command line.
 *
 * Access: over unix: addresses the server's own user and allowed users or groups; over tcp: every
 * client with the key. Without a key, tcp: listens only on loopback addresses.
 */
#ifndef IPK_MANAGER_SERVER_H
#define IPK_MANAGER_SERVER_H

#include <sys/types.h>

#include "deadline.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_manager_server ipk_manager_server; /* a server started by this process */

typedef enum ipk_manager_server_flags {
	IPK_MANAGER_SERVER_STAY = 1u << 0, /* it continues after its creator has ended */
} ipk_manager_server_flags;

/* When the log is flushed to the disk. (The file itself survives kill -9 in any case.) */
typedef enum ipk_manager_fsync {
	IPK_MANAGER_FSYNC_EVERYSEC = 0, /* within a second or two */
	IPK_MANAGER_FSYNC_ALWAYS = 1,   /* before each reply */
	IPK_MANAGER_FSYNC_NO = 2,       /* left to the kernel */
} ipk_manager_fsync;

typedef struct ipk_manager_server_opts {
	size_t struct_size;        /* sizeof(ipk_manager_server_opts) */
	const char *address;       /* "unix:PATH" or "tcp:HOST:PORT" (port 0: any free port); by
				    * default a socket in a new directory private to this user */
	const char *label;         /* shown by ipc-inspect; [A-Za-z0-9._-]{1,200}; "manager" */
	const char *log_path;      /* file that makes writes persistent; NULL: none */
	ipk_manager_fsync fsync;   /* IPK_MANAGER_FSYNC_EVERYSEC */
	const void *key;           /* shared with the clients; NULL: none */
	size_t key_bytes;          /* 0: @key is text */
	const char *key_file;      /* or a file with the key, without the newline at its end */
	uint64_t max_memory_bytes; /* writes beyond it are refused; 0: no limit of its own */
	uint32_t max_clients;      /* 10000 */
	const uid_t *allowed_uids; /* unix: users allowed besides the server's own */
	size_t n_allowed_uids;
	const gid_t *allowed_gids; /* the same, by the effective group of the client */
	size_t n_allowed_gids;
	unsigned flags; /* ipk_manager_server_flags */
	/* Called once it listens and has loaded the log; ipk_manager_serve() only. */
	void (*on_ready)(void *arg, const char *address);
	void *arg;
	char *trouble; /* buffer for one line about errors in the log; NULL: none */
	size_t trouble_bytes;
} ipk_manager_server_opts;

#define IPK_MANAGER_SERVER(...) IPK_OPTS(manager_server, __VA_ARGS__)

/**
 * ipk_manager_server_start() - start a server in a process of its own
 * @opts:       NULL for the defaults: a private Unix socket, no log
 * @deadline:   when to stop waiting for it to listen (loading a long log takes time)
 * @ret_server: the server
 *
 * The child ignores SIGINT. It shuts down at SIGTERM and when its creator has ended, unless
 * IPK_MANAGER_SERVER_STAY is set. It keeps no fds of the creator except stderr (and not that with
 * STAY). Relative paths of the socket and the log are made absolute here.
 *
 * Blocks:  until it listens.
 * Callers: any thread.
 * Crash:   if its creator is killed, the server ends.
 * Cost:    a fork; 1 fd here.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: 0; -EINVAL the address or an option; -ENAMETOOLONG the absolute path of a socket has more
 * than 107 bytes; -EADDRINUSE another listener is active there; -EACCES a non-loopback TCP address
 * without a key, or a directory or key file with wrong permissions; -EBADMSG the log is damaged
 * before its end, see trouble; -ETIMEDOUT; -EPIPE it died at its start; -ENOMEM; -EMFILE; -EAGAIN.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_server_start(const ipk_manager_server_opts *opts,
						    ipk_deadline deadline,
						    ipk_manager_server **ret_server);

/**
 * ipk_manager_server_address() - its address
 * @server: server
 *
 * Blocks:  no.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: for ipk_manager_connect(), valid until close; "" for NULL.
 */
IPK_API const char *ipk_manager_server_address(const ipk_manager_server *server);

/**
 * ipk_manager_server_pid() - its pid
 * @server: server
 *
 * Blocks:  no.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: the pid, -1 for NULL.
 */
IPK_API pid_t ipk_manager_server_pid(const ipk_manager_server *server);

/**
 * ipk_manager_server_stop() - shut it down and wait until it has ended
 * @server:   server; only its creator may stop it
 * @deadline: when to stop waiting
 *
 * Blocks:  until it has ended.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: 0, also if it had already ended; -ETIMEDOUT; -ECHILD not a child of the caller; it
 * continues then; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_server_stop(ipk_manager_server *server,
						   ipk_deadline deadline);

/**
 * ipk_manager_server_close() - close the handle
 * @server: NULL is fine
 *
 * In its creator this also shuts the server down, unless IPK_MANAGER_SERVER_STAY is set: by
 * SIGTERM, and by SIGKILL if it takes longer than 5 s. In a fork of its creator only the copy is
 * freed.
 *
 * Blocks:  until it has ended, at most 5 s.
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
 * ipk_manager_serve() - run a server in the calling thread
 * @opts:    with an address; flags are ignored
 * @stop_fd: the server ends when it becomes readable (an eventfd, a pipe, a signalfd); -1: only by
 *           SHUTDOWN
 *
 * Blocks:  until the server has ended.
 * Crash:   acknowledged writes are in the log.
 * Source:  lib/server/server_start.c     Since: 0.3
 *
 * Return: 0 it was shut down; otherwise as ipk_manager_server_start(), and no client was served.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_serve(const ipk_manager_server_opts *opts, int stop_fd);

#ifdef __cplusplus
}
#endif

#endif
