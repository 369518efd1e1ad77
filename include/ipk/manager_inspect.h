/*
 * manager_inspect.h - contents, clients and waiters of a manager.
 *
 * Takes a snapshot of one manager on this machine by reading its memory: the server is neither
 * asked nor delayed. It works if the server hangs, is stopped or dead, as long as any process has
 * its memory open. Nothing is written to the manager. ipc-inspect(1) manager uses these calls.
 *
 * The server continues during the snapshot: numbers of one object or client may differ by what
 * happened within microseconds. Text is printable ASCII: other bytes are written as \xNN.
 */
#ifndef IPK_MANAGER_INSPECT_H
#define IPK_MANAGER_INSPECT_H

#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_manager_snapshot ipk_manager_snapshot;

typedef struct ipk_manager_snapshot_opts {
	size_t struct_size; /* sizeof(ipk_manager_snapshot_opts) */
	size_t max_objects; /* limit of the list, objects with waiters first; 0: 1000 */
} ipk_manager_snapshot_opts;

#define IPK_MANAGER_SNAPSHOT(...) IPK_OPTS(manager_snapshot, __VA_ARGS__)

/* The manager as a whole. */
typedef struct ipk_manager_summary {
	size_t struct_size;
	char label[64];
	char address[128];
	char log[256]; /* the log file; "" none */
	pid_t server_pid;
	bool is_alive;   /* false: it was killed or has ended */
	bool is_stopped; /* by SIGSTOP or a debugger */
	int64_t age_ms;
	uint64_t n_keys;
	uint64_t n_clients;
	uint64_t n_connections; /* since its start or CONFIG RESETSTAT, as the next three */
	uint64_t n_refused;     /* connections */
	uint64_t n_commands;
	uint64_t n_local; /* of these, over shared memory */
	uint64_t commands_per_second;
	uint64_t used_bytes;
	uint64_t max_bytes; /* 0: no limit */
	uint64_t n_slow;    /* commands, since its start */
} ipk_manager_summary;

typedef struct ipk_manager_client {
	size_t struct_size;
	uint64_t id;
	pid_t pid; /* 0: over TCP */
	char address[64];
	char name[64];
	char command[64]; /* its last command */
	int64_t age_ms;
	uint64_t n_commands;
	uint64_t out_bytes;  /* replies it has not read */
	char waits_for[128]; /* name of the object; "" if it does not wait */
	int64_t waits_ms;    /* duration of the wait */
} ipk_manager_client;

typedef struct ipk_manager_object {
	size_t struct_size;
	char name[128];   /* truncated */
	char type[24];    /* "string", "hash", "list", "lock", "queue", ... */
	uint64_t len;     /* bytes of a string, fields, items */
	uint64_t n_bytes; /* of memory, approximately */
	int64_t ttl_ms;   /* -1: no expiry */
	/* Of objects that can have waiters: */
	uint64_t limit; /* permits, parties, maxsize; 0 none */
	uint64_t count; /* recursion, permits left, arrived */
	uint64_t n_waiters;
	uint64_t n_unfinished;
	uint64_t holder; /* a client's id; 0: none, or several */
	pid_t holder_pid;
	int64_t held_ms;
} ipk_manager_object;

typedef struct ipk_manager_slow {
	size_t struct_size;
	int64_t ago_ms;
	int64_t took_ns;
	uint64_t client;
	char command[96]; /* its beginning */
} ipk_manager_slow;

/**
 * ipk_manager_snapshot_take() - take a snapshot of one manager
 * @which:        its address on this machine ("unix:PATH" or "tcp:HOST:PORT"), the pid of its
 *                server or of any process that has its memory open, or its label; NULL: the only
 *                one there is. A live one is preferred
 * @opts:         NULL for the defaults
 * @ret_snapshot: the snapshot
 *
 * Needs the rights of ptrace(2) over a process that has the memory open; without CAP_SYS_PTRACE
 * these are the processes of the same user.
 *
 * Blocks:  no; it waits for no other process.
 * Callers: any thread.
 * Crash:   changes nothing.
 * Cost:    a system call per fd of each process, then a read of the header of each key.
 * Source:  lib/store/snapshot.c   Since: 0.3
 *
 * Return: 0; -ENOENT no such manager; -ENOTUNIQ ambiguous: specify one; -EINVAL @which or option;
 * -EACCES; -ENOMEM; -EMFILE; the errors of ipk_queue_open() for damaged or foreign memory.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_snapshot_take(const char *which,
						     const ipk_manager_snapshot_opts *opts,
						     ipk_manager_snapshot **ret_snapshot);

/**
 * ipk_manager_snapshot_close() - free a snapshot and all that it returned
 * @snapshot: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/store/snapshot.c   Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_manager_snapshot *ipk_manager_snapshot_close(ipk_manager_snapshot *snapshot);

static inline void ipk_manager_snapshot_closep(ipk_manager_snapshot **snapshot)
{
	*snapshot = ipk_manager_snapshot_close(*snapshot);
}

/**
 * ipk_manager_snapshot_summary() - the summary of the manager
 * @snapshot: snapshot
 *
 * Blocks:  no.
 * Source:  lib/store/snapshot.c   Since: 0.3
 *
 * Return: the summary, valid until the snapshot is closed; NULL for NULL.
 */
IPK_API const ipk_manager_summary *
ipk_manager_snapshot_summary(const ipk_manager_snapshot *snapshot);

/**
 * ipk_manager_snapshot_client() - one connected client, ordered by id
 * @snapshot: snapshot
 * @i:        0, 1, ...
 *
 * Blocks:  no.
 * Source:  lib/store/snapshot.c   Since: 0.3
 *
 * Return: the entry, valid until the snapshot is closed; NULL after the last.
 */
IPK_API const ipk_manager_client *ipk_manager_snapshot_client(const ipk_manager_snapshot *snapshot,
							      size_t i);

/**
 * ipk_manager_snapshot_object() - one object: those that can have waiters first, then by name
 * @snapshot: snapshot
 * @i:        0, 1, ...
 *
 * Blocks:  no.
 * Source:  lib/store/snapshot.c   Since: 0.3
 *
 * Return: the entry, valid until the snapshot is closed; NULL after the last.
 */
IPK_API const ipk_manager_object *ipk_manager_snapshot_object(const ipk_manager_snapshot *snapshot,
							      size_t i);

/**
 * ipk_manager_snapshot_slow() - one of the last slow commands, the most recent first
 * @snapshot: snapshot
 * @i:        0, 1, ...
 *
 * Blocks:  no.
 * Source:  lib/store/snapshot.c   Since: 0.3
 *
 * Return: the entry, valid until the snapshot is closed; NULL after the last.
 */
IPK_API const ipk_manager_slow *ipk_manager_snapshot_slow(const ipk_manager_snapshot *snapshot,
							  size_t i);

#ifdef __cplusplus
}
#endif

#endif
