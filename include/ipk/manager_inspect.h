/*
 * manager_inspect.h - what a manager holds, who is connected and who waits.
 *
 * A snapshot of one manager on this machine, taken from its memory alone: its server is not
 * asked and not held up, so it may hang, be stopped, or be dead, as long as any process
 * still has its memory open. Nothing is ever written to it. ipc-inspect(1) manager is made
 * of these calls.
 *
 * All is read while the server goes on: numbers of one object or client may be apart by what
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
	size_t max_objects; /* that are listed, those one can wait for first; 0: 1000 */
} ipk_manager_snapshot_opts;

#define IPK_MANAGER_SNAPSHOT(...) IPK_OPTS(manager_snapshot, __VA_ARGS__)

/* The manager as a whole. */
typedef struct ipk_manager_summary {
	size_t struct_size;
	char label[64];
	char address[128];
	char log[256]; /* the file; "" none */
	pid_t server_pid;
	bool is_alive;   /* false: killed, or it ended */
	bool is_stopped; /* by SIGSTOP or a debugger */
	int64_t age_ms;
	uint64_t n_keys;
	uint64_t n_clients;
	uint64_t n_connections; /* ever */
	uint64_t n_refused;     /* connections ever */
	uint64_t n_commands;    /* ever */
	uint64_t n_local;       /* of these, over shared memory */
	uint64_t commands_per_second;
	uint64_t used_bytes;
	uint64_t max_bytes; /* 0: no limit */
	uint64_t n_slow;    /* commands ever */
} ipk_manager_summary;

typedef struct ipk_manager_client {
	size_t struct_size;
	uint64_t id;
	pid_t pid; /* 0: over TCP */
	char address[64];
	char name[64];
	char command[64]; /* its last one */
	int64_t age_ms;
	uint64_t n_commands;
	uint64_t out_bytes;  /* replies it has not read */
	char waits_for[128]; /* the object's name; "" it does not wait */
	int64_t waits_ms;    /* since when */
} ipk_manager_client;

typedef struct ipk_manager_object {
	size_t struct_size;
	char name[128];   /* cut to fit */
	char type[24];    /* "string", "hash", "list", "lock", "queue", ... */
	uint64_t len;     /* bytes of a string, fields, items */
	uint64_t n_bytes; /* of memory, about */
	int64_t ttl_ms;   /* -1: it stays */
	/* Of those one can wait for: */
	uint64_t limit; /* permits, parties, maxsize; 0 none */
	uint64_t count; /* recursion, permits left, arrived */
	uint64_t n_waiters;
	uint64_t n_unfinished;
	uint64_t holder; /* a client's id; 0: nobody, or several */
	pid_t holder_pid;
	int64_t held_ms;
} ipk_manager_object;

typedef struct ipk_manager_slow {
	size_t struct_size;
	int64_t ago_ms;
	int64_t took_ns;
	uint64_t client;
	char command[96]; /* how it begins */
} ipk_manager_slow;

/**
 * ipk_manager_snapshot_take() - look at one manager
 * @which:        "unix:PATH" or "tcp:HOST:PORT" where it listens (on this machine), the pid of
 *                its server or of any process that has its memory open, or its label; NULL:
 *                the only one there is. Of several one that lives is meant.
 * @opts:         NULL for the defaults
 * @ret_snapshot: the snapshot
 *
 * Needs the rights of ptrace(2) over a process that has the memory open; without
 * CAP_SYS_PTRACE that is the own user's processes.
 *
 * Blocks:  no; nobody can hold it up.
 * Callers: any thread.
 * Crash:   changes nothing.
 * Cost:    a system call for each fd of each process, then reading each key's head.
 * Source:  lib/manager/snapshot.c   Since: 0.3
 *
 * Return: 0; -ENOENT no such manager; -ENOTUNIQ ambiguous: specify one; -EINVAL @which or option;
 * -EACCES; -ENOMEM; -EMFILE; what ipk_queue_open() gives for memory that is damaged or foreign.
 */
IPK_API IPK_MUST_CHECK int ipk_manager_snapshot_take(const char *which,
						     const ipk_manager_snapshot_opts *opts,
						     ipk_manager_snapshot **ret_snapshot);

/**
 * ipk_manager_snapshot_close() - free a snapshot and all that it gave
 * @snapshot: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/manager/snapshot.c   Since: 0.3
 *
 * Return: NULL.
 */
IPK_API ipk_manager_snapshot *ipk_manager_snapshot_close(ipk_manager_snapshot *snapshot);

static inline void ipk_manager_snapshot_closep(ipk_manager_snapshot **snapshot)
{
	*snapshot = ipk_manager_snapshot_close(*snapshot);
}

/**
 * ipk_manager_snapshot_summary() - the manager as a whole
 * @snapshot: snapshot
 *
 * Blocks:  no.
 * Source:  lib/manager/snapshot.c   Since: 0.3
 *
 * Return: it, good until the snapshot is closed; NULL for NULL.
 */
IPK_API const ipk_manager_summary *
ipk_manager_snapshot_summary(const ipk_manager_snapshot *snapshot);

/**
 * ipk_manager_snapshot_client() - one of those who are connected, by id
 * @snapshot: snapshot
 * @i:        0, 1, ...
 *
 * Blocks:  no.
 * Source:  lib/manager/snapshot.c   Since: 0.3
 *
 * Return: it, good until the snapshot is closed; NULL behind the last.
 */
IPK_API const ipk_manager_client *ipk_manager_snapshot_client(const ipk_manager_snapshot *snapshot,
							      size_t i);

/**
 * ipk_manager_snapshot_object() - one of the objects: those one can wait for first, then by name
 * @snapshot: snapshot
 * @i:        0, 1, ...
 *
 * Blocks:  no.
 * Source:  lib/manager/snapshot.c   Since: 0.3
 *
 * Return: it, good until the snapshot is closed; NULL behind the last.
 */
IPK_API const ipk_manager_object *ipk_manager_snapshot_object(const ipk_manager_snapshot *snapshot,
							      size_t i);

/**
 * ipk_manager_snapshot_slow() - one of the last commands that took long, the last one first
 * @snapshot: snapshot
 * @i:        0, 1, ...
 *
 * Blocks:  no.
 * Source:  lib/manager/snapshot.c   Since: 0.3
 *
 * Return: it, good until the snapshot is closed; NULL behind the last.
 */
IPK_API const ipk_manager_slow *ipk_manager_snapshot_slow(const ipk_manager_snapshot *snapshot,
							  size_t i);

#ifdef __cplusplus
}
#endif

#endif
