/*
 * inspect.h - the ipk objects on this machine, their users and their waiters.
 *
 * Takes a snapshot of every object (queues, pipes, locks, values, ...) that the caller may inspect,
 * anonymous ones too, without help from the processes that use them. It writes to no object, takes
 * no lock and delays no process, so it works on programs that hang, are stopped, or were killed.
 * ipc-inspect(1) uses these calls.
 *
 * Each object is read at a separate moment, while others change it: numbers of one object may
 * differ by what happened within microseconds. An object whose memory is damaged, or is not ipk's,
 * is in the snapshot with an error and without numbers. All text is printable ASCII: other bytes
 * are written as \xNN.
 *
 * Not listed: pipes with IPK_PIPE_SOCKET (they are plain sockets), timers (local to a process), raw
 * shared memory (files of any program), and objects in the /dev/shm of another mount namespace.
 */
#ifndef IPK_INSPECT_H
#define IPK_INSPECT_H

#include "process.h"
#include "progress.h"
#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_INSPECT_UNKNOWN UINT64_MAX /* a number that this kind does not keep */

typedef struct ipk_inspect ipk_inspect; /* a snapshot */

typedef enum ipk_inspect_kind {
	IPK_INSPECT_OTHER = 0, /* unknown */
	IPK_INSPECT_PIPE = 1,
	IPK_INSPECT_QUEUE = 2,
	IPK_INSPECT_ARENA = 3, /* memory of many small objects that cannot all be read */
	IPK_INSPECT_SHM = 4,
	IPK_INSPECT_LOCK = 5,
	IPK_INSPECT_RWLOCK = 6,
	IPK_INSPECT_SEMAPHORE = 7,
	IPK_INSPECT_COND = 8,
	IPK_INSPECT_EVENT = 9,
	IPK_INSPECT_BARRIER = 10,
	IPK_INSPECT_ONCE = 11,
	IPK_INSPECT_VALUE = 12,
	IPK_INSPECT_ARRAY = 13,
	IPK_INSPECT_MANAGER = 14, /* a manager's store; since 0.3: ipk_manager_snapshot_take() */
	/* Since 0.4: */
	IPK_INSPECT_POOL = 15,
	IPK_INSPECT_PROCESSES = 16, /* the children of a process */
} ipk_inspect_kind;

/* What a thread waits for, or holds. */
typedef enum ipk_inspect_what {
	IPK_INSPECT_NOTHING = 0,
	IPK_INSPECT_DATA = 1,     /* an item or message */
	IPK_INSPECT_SPACE = 2,    /* room for an item or message */
	IPK_INSPECT_DONE = 3,     /* processing of all items: ipk_queue_join() */
	IPK_INSPECT_PUT_LOCK = 4, /* the end of another put (LIFO, priority: get) */
	IPK_INSPECT_GET_LOCK = 5, /* the end of another get */
	/* Since 0.2: */
	IPK_INSPECT_PLAIN_LOCK = 6, /* a lock, also that of a value or an array */
	IPK_INSPECT_READ_LOCK = 7,
	IPK_INSPECT_WRITE_LOCK = 8,
	IPK_INSPECT_TOKEN = 9,    /* a token of a semaphore */
	IPK_INSPECT_NOTICE = 10,  /* a notification of a condition */
	IPK_INSPECT_SET = 11,     /* an event to become set */
	IPK_INSPECT_PARTIES = 12, /* the other parties of a barrier */
	IPK_INSPECT_RUN = 13,     /* the end of a once's function, or of a barrier's action */
	/* Since 0.4: */
	IPK_INSPECT_WORK = 14,   /* a worker of a pool: a task */
	IPK_INSPECT_RESULT = 15, /* the end of a task of a pool */
} ipk_inspect_what;

typedef struct ipk_inspect_opts {
	size_t struct_size; /* sizeof(ipk_inspect_opts) */
	/* Only objects with this name, label or id (in decimal); pools and processes also by the
	 * pid they belong to. NULL: all. */
	const char *match;
} ipk_inspect_opts;

#define IPK_INSPECT(...) IPK_OPTS(inspect, __VA_ARGS__)

/*
 * An object. Numbers after n_users are 0 if there is an error, or if its kind does not have them.
 *
 * The id is the inode of its file. Small anonymous objects (locks to arrays) of a process share few
 * files: their id is inode << 20 | their number in that file, from 1. Their users are those of the
 * whole file: it is not recorded which of them has a handle to which object.
 */
typedef struct ipk_inspect_object {
	size_t struct_size; /* size of this struct in the library */
	ipk_inspect_kind kind;
	ipk_queue_kind queue_kind; /* of a queue without error */
	int error;                 /* 0, or why it cannot be read; ipk_strerror() */
	const char *name;          /* of a named one, "mq:/NAME" too; otherwise the label */
	uint64_t id;               /* unique at a time, see above */
	uint32_t uid;              /* of the file's owner */
	bool is_named;
	bool is_unlinked;      /* the name was removed; it is still in use */
	bool is_foreign;       /* its pids are those of another pid namespace */
	uint64_t memory_bytes; /* its file's, or its share of an arena; mq: IPK_INSPECT_UNKNOWN */
	size_t n_users;        /* processes that have it open */

	size_t n_channels;          /* a queue has 1, a duplex pipe 2 */
	size_t n_holders;           /* of locks */
	size_t n_waiters;           /* sleeping threads */
	uint64_t max_items;         /* 0: no limit */
	uint64_t max_bytes;         /* of all queued messages; 0: no limit */
	uint64_t max_message_bytes; /* of one message */
	uint64_t n_leased;          /* leased items */
	uint64_t n_unfinished;      /* put, not yet processed; mq, pipe: IPK_INSPECT_UNKNOWN */
	unsigned shutdown;          /* 0, IPK_DRAIN or IPK_DISCARD */
	bool needs_repair;          /* a user died inside; the next user repairs it. Of an rwlock: a
				     * writer died holding it, and no writer has locked it since */
	uint32_t creator_pid;       /* 0: unknown */
	int64_t age_ns;             /* since its creation, suspend included; -1: unknown */
	char creator[64];           /* name of that process; also "" if it has ended */

	/* Since 0.2: */
	bool is_recursive;   /* of a lock */
	bool is_owned;       /* of a semaphore: its tokens have holders */
	bool is_set;         /* an event; a once that has run */
	bool is_broken;      /* a barrier */
	bool has_lock;       /* a value, an array */
	char typecode;       /* of a value or array; 0: struct, and other kinds */
	uint64_t n_tokens;   /* of a semaphore: available now */
	uint64_t max_tokens; /* 0: no limit */
	uint64_t n_parties;  /* of a barrier */
	uint64_t n_arrived;
	uint64_t n_items;    /* of an array; a value has 1 */
	uint64_t item_bytes; /* of each */
	uint64_t size_bytes; /* of named shared memory */
	size_t n_shown;      /* items that ipk_inspect_item_at() returns: the first ones */

	/* Since 0.4: */
	bool is_threads;      /* a pool of threads */
	size_t n_workers;     /* places of a pool with a worker, or a dead one not yet replaced */
	size_t n_alive;       /* of these, or of the children: those that are alive */
	size_t n_busy;        /* live workers that run a task */
	uint64_t n_ready;     /* tasks visible to workers and not started, approximately */
	uint64_t n_backlog;   /* tasks that wait for room there */
	size_t n_children;    /* that ipk_inspect_child_at() returns */
	uint64_t n_started;   /* children, in total */
	uint64_t n_unseen;    /* children that there was no room for */
	size_t n_hints;       /* of a pool, and of processes */
	bool creator_is_gone; /* it has ended; its name may be "" for other reasons too */
} ipk_inspect_object;

/* One direction of an object. Channel 0 of a duplex pipe leads from the first end to the second. */
typedef struct ipk_inspect_channel {
	size_t struct_size;
	uint64_t n_items;       /* queued messages, without leased ones */
	uint64_t message_bytes; /* their length; pipe, mq: IPK_INSPECT_UNKNOWN */
	uint64_t used_bytes;    /* of the ring or store, with headers and padding */
	uint64_t room_bytes;    /* size of the ring or store; mq: IPK_INSPECT_UNKNOWN both */
	uint64_t n_put;         /* in total; mq: IPK_INSPECT_UNKNOWN */
	uint64_t n_got;         /* in total, with dropped ones; mq: IPK_INSPECT_UNKNOWN */
} ipk_inspect_channel;

/* A process that has an object open. */
typedef struct ipk_inspect_user {
	size_t struct_size;
	uint32_t pid;
	uint32_t n_fds; /* number of its fds */
	char comm[64];  /* name; also "" if it has ended */
	/* Since 0.4: */
	bool is_gone; /* it ended during the scan */
} ipk_inspect_user;

/* A thread that waits or holds a lock; a process that holds tokens of a semaphore. */
typedef struct ipk_inspect_thread {
	size_t struct_size;
	uint32_t tid;
	uint32_t pid; /* of its process; 0: unknown */
	ipk_inspect_what what;
	bool is_gone;     /* it died; other threads have not noticed yet */
	int64_t since_ns; /* duration, suspend included; -1: unknown */
	char comm[64];    /* name of the thread; "" if it has ended or is_foreign */
	/* Since 0.2: depth of a recursive lock, number of tokens of its process; or 1 */
	uint32_t n_times;
} ipk_inspect_thread;

typedef enum ipk_inspect_worker_state {
	IPK_INSPECT_STARTING = 1, /* runs the initializer */
	IPK_INSPECT_FAILED = 2,   /* its initializer failed */
	IPK_INSPECT_IDLE = 3,
	IPK_INSPECT_BUSY = 4,
} ipk_inspect_worker_state;

/* A worker of a pool. Since 0.4. */
typedef struct ipk_inspect_worker {
	size_t struct_size;
	uint32_t number;
	uint32_t pid; /* 0: a thread, or not yet known */
	ipk_inspect_worker_state state;
	bool is_gone;           /* it died; the other fields describe its last state */
	bool is_stopped;        /* by a signal or a debugger: it is not dead */
	bool was_asked_to_stop; /* its task */
	int code;               /* IPK_INSPECT_FAILED: result of the initializer */
	int64_t since_ns;       /* time in this state, or at this task; -1: unknown */
	int64_t age_ns;         /* since its start; -1: unknown */
	uint64_t n_done;        /* tasks and items that it ran, with failed ones */
	uint32_t n_started;     /* number of workers there were in this place, with this one */
	/* Of a busy one: */
	uint32_t attempt;   /* of a task: number of starts; otherwise 0 */
	uint64_t item;      /* of a map, its current item, about; IPK_INSPECT_UNKNOWN: no map */
	uint64_t n_items;   /* of that map */
	uint64_t arg_bytes; /* of a task's argument */
	char function[96];  /* PROGRAM+0xOFFSET, for addr2line(1); "" if unknown */
	char comm[64];      /* name of its process; "" if it has ended */
} ipk_inspect_worker;

/* A child of a process. Since 0.4. */
typedef struct ipk_inspect_child {
	size_t struct_size;
	uint32_t pid;
	ipk_start_method start_method; /* not IPK_START_DEFAULT; other numbers: unknown */
	unsigned flags;                /* ipk_process_flags, or-ed */
	bool is_running;               /* its parent has not seen it end */
	bool is_zombie;                /* it has ended, but its parent has not noticed */
	bool is_stopped;               /* by a signal or a debugger */
	bool is_known;                 /* @status is valid; false while it runs, too */
	int64_t age_ns;                /* since its start; -1: unknown */
	int64_t ended_ns; /* since its parent saw it end; -1: it has not ended, or unknown */
	ipk_process_status status;
	char name[256]; /* printable */
} ipk_inspect_child;

/**
 * ipk_inspect_scan() - take a snapshot
 * @opts:     NULL for everything
 * @ret_snap: the snapshot: objects sorted by name, then id
 *
 * To see the open files of a process it needs the rights of ptrace(2): without CAP_SYS_PTRACE,
 * processes of other users are only counted. Named objects are found anyway.
 *
 * Blocks:  no; it waits for no other process.
 * Callers: any thread.
 * Crash:   changes nothing.
 * Cost:    a system call per fd of each process, two dozen per object.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: 0; -EINVAL option; -ENOENT /proc is not mounted; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_inspect_scan(const ipk_inspect_opts *opts, ipk_inspect **ret_snap);

/**
 * ipk_inspect_close() - free a snapshot and all that it returned
 * @snap: NULL is fine
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: NULL.
 */
IPK_API ipk_inspect *ipk_inspect_close(ipk_inspect *snap);

static inline void ipk_inspect_closep(ipk_inspect **snap)
{
	*snap = ipk_inspect_close(*snap);
}

/**
 * ipk_inspect_len() - number of objects in a snapshot
 * @snap: snapshot
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the number, 0 for NULL.
 */
IPK_API size_t ipk_inspect_len(const ipk_inspect *snap);

/**
 * ipk_inspect_n_hidden() - number of processes that could not be inspected
 * @snap: snapshot
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the number, 0 for NULL.
 */
IPK_API size_t ipk_inspect_n_hidden(const ipk_inspect *snap);

/**
 * ipk_inspect_object_at() - one object of a snapshot
 * @snap: snapshot
 * @i:    0 .. ipk_inspect_len() - 1
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the object, valid until the snapshot is closed; NULL if it does not exist.
 */
IPK_API const ipk_inspect_object *ipk_inspect_object_at(const ipk_inspect *snap, size_t i);

/**
 * ipk_inspect_user_at() - one process that has an object open
 * @object: of a snapshot
 * @i:      0 .. n_users - 1; sorted by pid
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the user; NULL if it does not exist.
 */
IPK_API const ipk_inspect_user *ipk_inspect_user_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_channel_at() - one channel of an object
 * @object: of a snapshot
 * @i:      0 .. n_channels - 1
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the channel; NULL if it does not exist.
 */
IPK_API const ipk_inspect_channel *ipk_inspect_channel_at(const ipk_inspect_object *object,
							  size_t i);

/**
 * ipk_inspect_holder_at() - one thread that holds a lock, or process that holds tokens
 * @object: of a snapshot
 * @i:      0 .. n_holders - 1
 *
 * The lock of a queue is held only briefly: if it is held in two successive snapshots, its holder
 * is stopped or starved.
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the thread, what is the lock; NULL if it does not exist.
 */
IPK_API const ipk_inspect_thread *ipk_inspect_holder_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_waiter_at() - one thread that sleeps on an object
 * @object: of a snapshot
 * @i:      0 .. n_waiters - 1
 *
 * At most 64 waiters of an object are recorded, and at most 256 of all objects in a file; further
 * ones are not listed. Threads that sleep in poll() are not listed.
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the thread; NULL if it does not exist.
 */
IPK_API const ipk_inspect_thread *ipk_inspect_waiter_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_item_at() - one of the first items of an array, or the contents of a value
 * @object: of a snapshot
 * @i:      0 .. n_shown - 1
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.2
 *
 * Return: printable text: a number in C syntax, nan, inf, true, false, the character of a 'c', or
 * the bytes of a struct in hexadecimal, the first 16 followed by ".."; NULL if it does not exist.
 */
IPK_API const char *ipk_inspect_item_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_progress_of() - the progress of a pool
 * @object: of a snapshot
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: as ipk_pool_progress(); NULL for other kinds, and for a pool that cannot be read.
 */
IPK_API const ipk_progress *ipk_inspect_progress_of(const ipk_inspect_object *object);

/**
 * ipk_inspect_worker_at() - one worker of a pool
 * @object: of a snapshot
 * @i:      0 .. n_workers - 1; ordered by number
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: the worker; NULL if it does not exist.
 */
IPK_API const ipk_inspect_worker *ipk_inspect_worker_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_child_at() - one child of a process
 * @object: of a snapshot
 * @i:      0 .. n_children - 1; in the order in which they were started
 *
 * Children that have ended are kept until their room is needed.
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: the child; NULL if it does not exist.
 */
IPK_API const ipk_inspect_child *ipk_inspect_child_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_hint_at() - a problem of an object, with advice
 * @object: of a snapshot
 * @i:      0 .. n_hints - 1; the most important first
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: a printable sentence; NULL if it does not exist.
 */
IPK_API const char *ipk_inspect_hint_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_worker_state_name() - the name of a worker's state, as in "busy"
 * @state: any
 *
 * Blocks:  no.
 * Source:  lib/inspect/labels.c      Since: 0.4
 *
 * Return: a static text: starting, failed, idle or busy; "?" for others.
 */
IPK_API const char *ipk_inspect_worker_state_name(ipk_inspect_worker_state state);

/**
 * ipk_inspect_start_method_name() - the name of a start method, as in "fork"
 * @start_method: any
 *
 * Blocks:  no.
 * Source:  lib/inspect/labels.c      Since: 0.4
 *
 * Return: a static text: fork, zygote or exec; "?" for others.
 */
IPK_API const char *ipk_inspect_start_method_name(ipk_start_method start_method);

/**
 * ipk_inspect_kind_name() - the name of an object's kind, as in "queue/fifo"
 * @object: of a snapshot
 *
 * Blocks:  no.
 * Source:  lib/inspect/labels.c      Since: 0.1
 *
 * Return: a static text: pipe, queue/fifo, queue/lifo, queue/priority, queue/mq, lock, rlock,
 * rwlock, semaphore/signal, semaphore/owned, cond, event, barrier, once, value/T and array/T
 * with a typecode T or struct, shm, manager, pool/processes, pool/threads, processes; arena, and
 * queue, lock, semaphore, value, array, pool without more, for what cannot be read; "?" for NULL
 * and IPK_INSPECT_OTHER.
 */
IPK_API const char *ipk_inspect_kind_name(const ipk_inspect_object *object);

/**
 * ipk_inspect_what_name() - the name of what is waited for or held, as in "data"
 * @what: any
 *
 * Blocks:  no.
 * Source:  lib/inspect/labels.c      Since: 0.1
 *
 * Return: a static text: data, space, done, "put lock", "get lock", lock, "read lock", "write
 * lock", token, notice, set, parties, run, work, result; "?" for others.
 */
IPK_API const char *ipk_inspect_what_name(ipk_inspect_what what);

#ifdef __cplusplus
}
#endif

#endif
