/*
 * inspect.h - what ipk objects exist on this machine, who uses them and who waits.
 *
 * A snapshot of every object (queues, pipes, locks, values, ...) that the caller may look at:
 * anonymous ones too, with no help from the processes that use them. Nothing is ever written to an
 * object, no lock is taken and nobody is held up, so it works on programs that hang, are stopped,
 * or were killed. ipc-inspect(1) is made of these calls.
 *
 * Each object is read at one moment of its own, while others change it: numbers of one
 * object may be apart by what happened within microseconds. An object whose memory is
 * damaged, or was made by something else, is in the snapshot with an error and no numbers.
 * All text is printable ASCII: other bytes are written as \xNN.
 *
 * Not seen: pipes with IPK_PIPE_SOCKET (they are plain sockets), timers (a process's own), raw
 * shared memory (any program's files), and what lies in another mount namespace's /dev/shm.
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
	IPK_INSPECT_OTHER = 0, /* it could not be told */
	IPK_INSPECT_PIPE = 1,
	IPK_INSPECT_QUEUE = 2,
	IPK_INSPECT_ARENA = 3, /* memory of many small objects, of which some cannot be told */
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
	IPK_INSPECT_PROCESSES = 16, /* the children that a process has started */
} ipk_inspect_kind;

/* What a thread waits for, or holds. */
typedef enum ipk_inspect_what {
	IPK_INSPECT_NOTHING = 0,
	IPK_INSPECT_DATA = 1,     /* something to get or to receive */
	IPK_INSPECT_SPACE = 2,    /* room to put or to send */
	IPK_INSPECT_DONE = 3,     /* all items being done: ipk_queue_join() */
	IPK_INSPECT_PUT_LOCK = 4, /* another's put (LIFO, priority: get) to end */
	IPK_INSPECT_GET_LOCK = 5, /* another's get to end */
	/* Since 0.2: */
	IPK_INSPECT_PLAIN_LOCK = 6, /* a lock, also that of a value or an array */
	IPK_INSPECT_READ_LOCK = 7,
	IPK_INSPECT_WRITE_LOCK = 8,
	IPK_INSPECT_TOKEN = 9,    /* of a semaphore */
	IPK_INSPECT_NOTICE = 10,  /* a condition to be notified */
	IPK_INSPECT_SET = 11,     /* an event to be set */
	IPK_INSPECT_PARTIES = 12, /* the other parties of a barrier */
	IPK_INSPECT_RUN = 13,     /* the run of a once, or of a barrier's action, to end */
	/* Since 0.4: */
	IPK_INSPECT_WORK = 14,   /* a worker of a pool: something to do */
	IPK_INSPECT_RESULT = 15, /* a task of a pool to be over */
} ipk_inspect_what;

typedef struct ipk_inspect_opts {
	size_t struct_size; /* sizeof(ipk_inspect_opts) */
	/* Only objects with this name, label or id (in decimal); pools and processes also by the
	 * pid they belong to. NULL: all. */
	const char *match;
} ipk_inspect_opts;

#define IPK_INSPECT(...) IPK_OPTS(inspect, __VA_ARGS__)

/*
 * An object. Numbers beyond n_users are 0 when there is an error, and when its kind does not
 * keep them.
 *
 * The id is the inode of its file. Small anonymous objects (locks to arrays) of a process lie
 * together in few files: theirs is inode << 20 | which of that file it is, from 1 on. They
 * have the users of the whole file: nobody knows which of them have a handle to which object.
 */
typedef struct ipk_inspect_object {
	size_t struct_size; /* of this struct, as the library knows it */
	ipk_inspect_kind kind;
	ipk_queue_kind queue_kind; /* of a queue without error */
	int error;                 /* 0, or why it cannot be read; ipk_strerror() */
	const char *name;          /* of a named one, "mq:/NAME" too; of others the label */
	uint64_t id;               /* another at the same time has another, see below */
	uint32_t uid;              /* of the file's owner */
	bool is_named;
	bool is_unlinked;      /* the name is gone, users go on */
	bool is_foreign;       /* its pids are those of another pid namespace */
	uint64_t memory_bytes; /* its file's, or its share of an arena; mq: IPK_INSPECT_UNKNOWN */
	size_t n_users;        /* processes that have it open */

	size_t n_lanes;             /* ways in: a queue has 1, a duplex pipe 2 */
	size_t n_holders;           /* of locks */
	size_t n_waiters;           /* threads asleep */
	uint64_t max_items;         /* 0: no such limit */
	uint64_t max_bytes;         /* of the messages inside together; 0: no such limit */
	uint64_t max_message_bytes; /* of one message */
	uint64_t n_leased;          /* items out on loan */
	uint64_t n_unfinished;      /* put, not yet done; mq, pipe: IPK_INSPECT_UNKNOWN */
	unsigned shutdown;          /* 0, IPK_DRAIN or IPK_DISCARD */
	bool needs_repair;          /* a user died inside; the next one puts it in order. Of an
				     * rwlock: a writer died having it, none has written since */
	uint32_t creator_pid;       /* 0: not known */
	int64_t age_ns;             /* since it was made, suspend included; -1: not known */
	char creator[64];           /* name of that process; "" when it is gone, too */

	/* Since 0.2: */
	bool is_recursive;   /* of a lock */
	bool is_owned;       /* of a semaphore: its tokens have holders */
	bool is_set;         /* an event; a once that was run */
	bool is_broken;      /* a barrier */
	bool has_lock;       /* a value, an array */
	char typecode;       /* of a value or array; 0: struct, and other kinds */
	uint64_t n_tokens;   /* of a semaphore: to be had now */
	uint64_t max_tokens; /* 0: no limit */
	uint64_t n_parties;  /* of a barrier */
	uint64_t n_arrived;
	uint64_t n_items;    /* of an array; a value has 1 */
	uint64_t item_bytes; /* of each */
	uint64_t size_bytes; /* of named shared memory */
	size_t n_shown;      /* items that ipk_inspect_item_at() tells: the first ones */

	/* Since 0.4: */
	bool is_threads;  /* a pool of threads */
	size_t n_workers; /* places of a pool that have a worker, or a dead one not yet replaced */
	size_t n_alive;   /* of these, or of the children: those that live */
	size_t n_busy;    /* workers that live and run a task */
	uint64_t n_ready; /* tasks that workers can see and have not begun, about */
	uint64_t n_backlog;   /* and those that wait for room there */
	size_t n_children;    /* that ipk_inspect_child_at() tells */
	uint64_t n_started;   /* children, ever */
	uint64_t n_unseen;    /* children that no room was left for */
	size_t n_hints;       /* of a pool, and of processes */
	bool creator_is_gone; /* its name is "" then; it may also have none, or be hidden */
} ipk_inspect_object;

/* One way through an object. A duplex pipe's lane 0 goes from the first end to the second. */
typedef struct ipk_inspect_lane {
	size_t struct_size;
	uint64_t n_items;       /* messages inside; those on loan do not count */
	uint64_t message_bytes; /* theirs; pipe, mq: IPK_INSPECT_UNKNOWN */
	uint64_t used_bytes;    /* of the ring or store: of its heads and padding too */
	uint64_t room_bytes;    /* size of the ring or store; mq: IPK_INSPECT_UNKNOWN both */
	uint64_t n_put;         /* ever; mq: IPK_INSPECT_UNKNOWN */
	uint64_t n_got;         /* ever, dropped ones too; mq: IPK_INSPECT_UNKNOWN */
} ipk_inspect_lane;

/* A process that has an object open. */
typedef struct ipk_inspect_user {
	size_t struct_size;
	uint32_t pid;
	uint32_t n_fds; /* how many times */
	char comm[64];  /* name; "" when it is gone, too */
	/* Since 0.4: */
	bool is_gone; /* it ended while we looked */
} ipk_inspect_user;

/* A thread that waits or holds a lock; a process that has tokens of a semaphore. */
typedef struct ipk_inspect_thread {
	size_t struct_size;
	uint32_t tid;
	uint32_t pid; /* of its process; 0: not known */
	ipk_inspect_what what;
	bool is_gone;     /* it died; other threads will find out */
	int64_t since_ns; /* how long already, suspend included; -1: not known */
	char comm[64];    /* name of the thread; "" when it is gone or is_foreign */
	/* Since 0.2: how often it has a recursive lock, how many tokens its process has; or 1 */
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
	uint32_t pid; /* 0: a thread, or not known yet */
	ipk_inspect_worker_state state;
	bool is_gone;           /* it died; what it says is the last it did */
	bool is_stopped;        /* by a signal or a debugger: it is not dead */
	bool was_asked_to_stop; /* its task */
	int code;               /* IPK_INSPECT_FAILED: what the initializer gave */
	int64_t since_ns;   /* how long it has been in this state, or at this task; -1: not known */
	int64_t age_ns;     /* since it was started; -1: not known */
	uint64_t n_done;    /* tasks and items it did, failed ones too */
	uint32_t n_started; /* how many workers there were in this place, with this one */
	/* Of a busy one: */
	uint32_t attempt;   /* of a task: how often it was begun; otherwise 0 */
	uint64_t item;      /* of a map, the item it is at, about; IPK_INSPECT_UNKNOWN: no map */
	uint64_t n_items;   /* of that map */
	uint64_t arg_bytes; /* of a task's argument */
	char function[96];  /* PROGRAM+0xOFFSET, for addr2line(1); "" when not known */
	char comm[64];      /* name of its process; "" when it is gone */
} ipk_inspect_worker;

/* A child that a process has started. Since 0.4. */
typedef struct ipk_inspect_child {
	size_t struct_size;
	uint32_t pid;
	int start_method; /* IPK_START_FORK, IPK_START_ZYGOTE or IPK_START_EXEC; others not known */
	unsigned flags;   /* IPK_PROCESS_* */
	bool is_running;  /* its parent has not seen it end */
	bool is_zombie;   /* but it has ended */
	bool is_stopped;  /* by a signal or a debugger */
	bool is_known;    /* how it ended is in @status; false for one that runs, too */
	int64_t age_ns;   /* since it was started; -1: not known */
	int64_t ended_ns; /* since its parent saw it end; -1: it has not, or it is not known */
	ipk_process_status status;
	char name[256]; /* printable */
} ipk_inspect_child;

/**
 * ipk_inspect_scan() - take a snapshot
 * @opts:     NULL for everything
 * @ret_snap: the snapshot: objects sorted by name, then id
 *
 * Needs the rights of ptrace(2) over a process to see what it has open: without
 * CAP_SYS_PTRACE those of other users are only counted. Named objects are found anyway.
 *
 * Blocks:  no; nobody can hold it up.
 * Callers: any thread.
 * Crash:   changes nothing.
 * Cost:    a system call for each fd of each process, two dozen for each object.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: 0; -EINVAL option; -ENOENT /proc is not mounted; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_inspect_scan(const ipk_inspect_opts *opts, ipk_inspect **ret_snap);

/**
 * ipk_inspect_close() - free a snapshot and all that it gave
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
 * ipk_inspect_len() - how many objects are in a snapshot
 * @snap: snapshot
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the number, 0 for NULL.
 */
IPK_API size_t ipk_inspect_len(const ipk_inspect *snap);

/**
 * ipk_inspect_n_hidden() - how many processes could not be looked into
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
 * Return: the object, valid until the snapshot is closed; NULL when there is none.
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
 * Return: the user; NULL when there is none.
 */
IPK_API const ipk_inspect_user *ipk_inspect_user_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_lane_at() - one way through an object
 * @object: of a snapshot
 * @i:      0 .. n_lanes - 1
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the lane; NULL when there is none.
 */
IPK_API const ipk_inspect_lane *ipk_inspect_lane_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_holder_at() - one thread that holds a lock, or process that has tokens
 * @object: of a snapshot
 * @i:      0 .. n_holders - 1
 *
 * A queue's lock is held for moments only: one that is held in two snapshots in a row is
 * held by a thread that is stopped, or starved.
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the thread, what is the lock; NULL when there is none.
 */
IPK_API const ipk_inspect_thread *ipk_inspect_holder_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_waiter_at() - one thread that sleeps on an object
 * @object: of a snapshot
 * @i:      0 .. n_waiters - 1
 *
 * At most 64 are seen, and of all objects of a file together 256; further ones sleep unseen.
 * Sleepers in poll() are not seen.
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.1
 *
 * Return: the thread; NULL when there is none.
 */
IPK_API const ipk_inspect_thread *ipk_inspect_waiter_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_item_at() - one of the first items of an array, or what a value is
 * @object: of a snapshot
 * @i:      0 .. n_shown - 1
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.2
 *
 * Return: printable text: a number as C writes it, nan, inf, true, false, the character of a
 * 'c', or the bytes of a struct in hexadecimal, the first 16 and then ".."; NULL when there is
 * none.
 */
IPK_API const char *ipk_inspect_item_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_progress_of() - how far a pool is
 * @object: of a snapshot
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: as ipk_pool_progress(); NULL for other kinds, and a pool that cannot be read.
 */
IPK_API const ipk_progress *ipk_inspect_progress_of(const ipk_inspect_object *object);

/**
 * ipk_inspect_worker_at() - one worker of a pool
 * @object: of a snapshot
 * @i:      0 .. n_workers - 1; by number
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: the worker; NULL when there is none.
 */
IPK_API const ipk_inspect_worker *ipk_inspect_worker_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_child_at() - one child of a process
 * @object: of a snapshot
 * @i:      0 .. n_children - 1; in the order in which they were started
 *
 * Those that have ended are remembered until their room is needed.
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: the child; NULL when there is none.
 */
IPK_API const ipk_inspect_child *ipk_inspect_child_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_hint_at() - what is wrong with an object, and what to do about it
 * @object: of a snapshot
 * @i:      0 .. n_hints - 1; what matters most is first
 *
 * Blocks:  no.
 * Source:  lib/inspect/inspect.c    Since: 0.4
 *
 * Return: a sentence for people, printable; NULL when there is none.
 */
IPK_API const char *ipk_inspect_hint_at(const ipk_inspect_object *object, size_t i);

/**
 * ipk_inspect_worker_state_name() - a word for what a worker does, as in "busy"
 * @state: any
 *
 * Blocks:  no.
 * Source:  lib/inspect/words.c      Since: 0.4
 *
 * Return: a static text: starting, failed, idle or busy; "?" for others.
 */
IPK_API const char *ipk_inspect_worker_state_name(ipk_inspect_worker_state state);

/**
 * ipk_inspect_start_method_name() - a word for how a child came to be, as in "fork"
 * @start_method: any
 *
 * Blocks:  no.
 * Source:  lib/inspect/words.c      Since: 0.4
 *
 * Return: a static text: fork, zygote or exec; "?" for others.
 */
IPK_API const char *ipk_inspect_start_method_name(int start_method);

/**
 * ipk_inspect_kind_name() - a word for what an object is, as in "queue/fifo"
 * @object: of a snapshot
 *
 * Blocks:  no.
 * Source:  lib/inspect/words.c      Since: 0.1
 *
 * Return: a static text: pipe, queue/fifo, queue/lifo, queue/priority, queue/mq, lock, rlock,
 * rwlock, semaphore/signal, semaphore/owned, cond, event, barrier, once, value/T and array/T
 * with a typecode T or struct, shm, manager, pool/processes, pool/threads, processes; arena, and
 * queue, lock, semaphore, value, array, pool without more, for what cannot be read; "?" for NULL
 * and IPK_INSPECT_OTHER.
 */
IPK_API const char *ipk_inspect_kind_name(const ipk_inspect_object *object);

/**
 * ipk_inspect_what_name() - a word for what is waited for or held, as in "data"
 * @what: any
 *
 * Blocks:  no.
 * Source:  lib/inspect/words.c      Since: 0.1
 *
 * Return: a static text: data, space, done, "put lock", "get lock", lock, "read lock", "write
 * lock", token, notice, set, parties, run, work, result; "?" for others.
 */
IPK_API const char *ipk_inspect_what_name(ipk_inspect_what what);

#ifdef __cplusplus
}
#endif

#endif
