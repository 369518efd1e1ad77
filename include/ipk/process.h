/*
 * process.h - child processes (Python: multiprocessing.Process).
 *
 * A process runs a function in a fork of the caller; every handle made before is
 * inherited. It is named by a pidfd, so no call here can hit another process that got
 * the same pid later.
 */
#ifndef IPK_PROCESS_H
#define IPK_PROCESS_H

#include <sys/types.h>

#include "deadline.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_process ipk_process;

/* What the child runs. 0 .. 255 is its exit code; anything else (an ipk error) makes it 255. */
typedef int (*ipk_process_fn)(void *arg);

/* How a child comes to be. */
enum {
	/* Fork while this process has one thread, otherwise by the zygote. */
	IPK_START_DEFAULT = 0,
	/* A fork of this process as it is now: all memory and handles are there. */
	IPK_START_FORK = 1,
	/* A fork of the zygote (ipk_zygote_start()): safe and quick however large and threaded
	 * this process is by now; memory is as it was when the zygote was started. */
	IPK_START_ZYGOTE = 2,
	/* Another program, or this one anew: posix_spawn(). */
	IPK_START_EXEC = 3,
};

enum {
	/* SIGKILL when the thread that started it (by a zygote: the process) ends. */
	IPK_PROCESS_DIE_WITH_PARENT = 1u << 0,
	/* Never outlives its parent: terminated when that exits, SIGKILL when that is killed;
	 * may not start children with ipk_process_start() itself (-EPERM). */
	IPK_PROCESS_DAEMON = 1u << 1,
	/* Reads the parent's stdin; otherwise it is /dev/null. */
	IPK_PROCESS_KEEP_STDIN = 1u << 2,
};

/* A handle given to a child under a name: see ipk_inherited(). */
typedef struct ipk_inherit {
	const char *noun; /* "queue", "lock", ...; "fd" */
	const char *name; /* [A-Za-z0-9._-]{1,200} */
	void *handle;
	int fd; /* for "fd" */
} ipk_inherit;

/* IPK_INHERIT(queue, "jobs", jobs): any noun that has ipk_NOUN_send() and ipk_NOUN_recv(). */
#define IPK_INHERIT(noun_, name_, handle_)                                                     \
	{                                                                                      \
		.noun = #noun_, .name = (name_), .handle = (1 ? (handle_) : (ipk_##noun_ *)0), \
		.fd = -1                                                                       \
	}
#define IPK_INHERIT_FD(name_, fd_)                                         \
	{                                                                  \
		.noun = "fd", .name = (name_), .handle = NULL, .fd = (fd_) \
	}

typedef struct ipk_process_opts {
	size_t size; /* sizeof(ipk_process_opts) */
	/*
	 * [A-Za-z0-9._-]{1,200}, the first 15 are what ps and top show. By default "ipk-PID",
	 * and ps and top show the program's own name.
	 */
	const char *name;
	unsigned flags;   /* IPK_PROCESS_* */
	int start_method; /* IPK_START_* */
	/*
	 * The child gets a copy of the @arg_bytes at @arg. 0: it gets the pointer as it is,
	 * which is good after a fork of this process only; by a zygote it must be NULL.
	 */
	size_t arg_bytes;
	/* What it finds with ipk_inherited(); pipes, which have one owner, go over to it. */
	const ipk_inherit *inherit;
	size_t n_inherit;
	/* Its stdin, stdout and stderr; 0: see IPK_PROCESS_KEEP_STDIN, and those of this process.
	 */
	int stdin_fd, stdout_fd, stderr_fd;
	/* IPK_START_EXEC, with @fn and @arg NULL: */
	const char *program; /* a path, or a name that is looked for in PATH; NULL: this program */
	char *const *argv;   /* with argv[0], NULL at its end; NULL: { program, NULL } */
	char *const *env;    /* "NAME=value"s; NULL: this process's */
} ipk_process_opts;

#define IPK_PROCESS(...) IPK_OPTS(process, __VA_ARGS__)

/* How a process ended, and what it took. */
typedef struct ipk_process_status {
	int exit_code;   /* 0 .. 255, or -1 when a signal ended it */
	int signal;      /* the signal that ended it, or 0 */
	bool core;       /* it left a core dump */
	bool is_oom;     /* the kernel ended it because memory ran out, as far as can be told */
	int64_t user_ns; /* processor time, its own and that of its reaped children */
	int64_t system_ns;
	uint64_t max_rss_bytes; /* the most memory it had at a time */
} ipk_process_status;

/**
 * ipk_process_start() - run a function in a child process
 * @fn:       runs in the child; returning from it ends the child without atexit handlers,
 *            after stdio is flushed
 * @arg:      passed to @fn; the child has its own copy of all memory
 * @opts:     NULL for the defaults
 * @ret_proc: the child
 *
 * stdio of the parent is flushed first, so that nothing is printed twice. The child
 * inherits all fds, signal handlers and the signal mask, and only the calling thread.
 *
 * Blocks:  only while the flush does: a full pipe on stdout, or a thread that sits in a
 *          read of a stdio stream other than stdin.
 * Callers: any thread; in a program with several threads @fn may use only what is
 *          async-signal-safe, as after any fork().
 * Crash:   a child outlives a parent that is killed, unless IPK_PROCESS_DIE_WITH_PARENT.
 * Cost:    one fork() and one fd, three cheap system calls besides; a name, one more.
 * Source:  lib/process/start.c      Since: 0.1
 *
 * Return: 0; -EINVAL; -EAGAIN too many processes; -ENOMEM; -EMFILE and -ENFILE no fd is
 * free, and nothing was run (unless another thread took the last one meanwhile: the child
 * was then killed as it began).
 */
IPK_API IPK_MUST_CHECK int ipk_process_start(ipk_process_fn fn, void *arg,
					     const ipk_process_opts *opts, ipk_process **ret_proc);

/**
 * ipk_process_close() - give up the handle
 * @p: NULL is fine
 *
 * A child still running goes on, and stays a zombie from its end to the caller's. One
 * that has ended is reaped here. In a process that did not start it, only the handle goes.
 *
 * Blocks:  no.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: NULL.
 */
IPK_API ipk_process *ipk_process_close(ipk_process *p);

static inline void ipk_process_closep(ipk_process **p)
{
	*p = ipk_process_close(*p);
}

/**
 * ipk_process_join() - wait until the child has ended
 * @p:          child
 * @deadline:   when to stop waiting
 * @ret_status: how it ended; may be NULL; the same at every later call
 *
 * Blocks:  while the child runs.
 * Callers: only the process that started it; any thread, several at once too.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0; -ETIMEDOUT it still runs; -ECHILD not the caller's child, or it has ended but
 * somebody else reaped it (who waits for any child, or a kernel told to ignore SIGCHLD);
 * -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_process_join(ipk_process *p, ipk_deadline deadline,
					    ipk_process_status *ret_status);

/**
 * ipk_process_is_alive() - whether the child still runs
 * @p: child; NULL counts as ended
 *
 * Blocks:  no.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: true while it runs (a stopped one too), false once it has ended, reaped or not.
 */
IPK_API bool ipk_process_is_alive(ipk_process *p);

/**
 * ipk_process_terminate() - ask the child to end (SIGTERM)
 * @p: child
 *
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0, also when it has ended already; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_process_terminate(ipk_process *p);

/**
 * ipk_process_kill() - end the child at once (SIGKILL)
 * @p: child
 *
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0, also when it has ended already; -EBADF; -EPERM.
 */
IPK_API IPK_MUST_CHECK int ipk_process_kill(ipk_process *p);

/**
 * ipk_process_pid() - the child's pid
 * @p: child
 *
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: the pid, -1 for NULL.
 */
IPK_API pid_t ipk_process_pid(const ipk_process *p);

/**
 * ipk_process_name() - the child's name
 * @p: child
 *
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: the name, valid until close; "" for NULL.
 */
IPK_API const char *ipk_process_name(const ipk_process *p);

/**
 * ipk_process_fd() - an fd that is readable (POLLIN) when the child has ended
 * @p:      child
 * @ret_fd: a pidfd, owned by @p: not to be read or closed. (For a child that somebody else
 *          reaped while it was being started it is another fd that is always readable.)
 *
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_process_fd(const ipk_process *p, int *ret_fd);

typedef struct ipk_zygote_opts {
	size_t size;      /* sizeof(ipk_zygote_opts) */
	const char *name; /* what ps and top show; by default "ipk-zygote" */
	/*
	 * Runs in the zygote before it serves, once: what it loads is there in all children.
	 * It has no other threads when it returns. Anything but 0 is an error of the start.
	 */
	int (*preload)(void *arg);
	void *preload_arg;
} ipk_zygote_opts;

#define IPK_ZYGOTE(...) IPK_OPTS(zygote, __VA_ARGS__)

/**
 * ipk_zygote_start() - make the fork server that IPK_START_ZYGOTE uses
 * @opts: NULL for the defaults
 *
 * To be called early, while this process has one thread and little memory. The zygote is a
 * fork of it as it is now, and stays so: with all fds and handles that were made before,
 * which it keeps open, and the functions of libraries that were loaded before. A second
 * process, its standby, takes over when it is killed. Both block all signals, so that
 * Ctrl-C is for this process alone, and end when it does, or at ipk_zygote_stop().
 *
 * Blocks:  until the preload is done and the standby there.
 * Callers: one thread, with no other but the library's own.
 * Crash:   this process killed: zygote and standby end. The zygote killed: the standby is
 *          the zygote, and gets a standby at the next start of a process.
 * Cost:    two forks; about half a megabyte of memory each, and what this process changes later.
 * Source:  lib/process/zygote_start.c    Since: 0.4
 *
 * Return: 0; -EALREADY there is one; -EDEADLK this process has further threads; what the
 * preload returned, -ECANCELED if that is more than 0, -EPIPE if it did not return; -EINVAL;
 * -EAGAIN too many processes; -ENOMEM; -EMFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_zygote_start(const ipk_zygote_opts *opts);

/**
 * ipk_zygote_stop() - end the zygote; without one, nothing happens
 *
 * Its children with IPK_PROCESS_DIE_WITH_PARENT are killed, the others go on.
 *
 * Blocks:  until it has ended, two seconds at most.
 * Callers: one thread, while no other starts a process.
 * Source:  lib/process/zygote_start.c    Since: 0.4
 */
IPK_API void ipk_zygote_stop(void);

/**
 * ipk_cpu_count() - how many processors this process may use
 *
 * The smaller of its CPU affinity and its cgroup's CPU quota (v2, or v1), rounded up.
 *
 * Blocks:  no; reads a few small files the first time in each process, to find the quota.
 * Source:  lib/os/cpu.c             Since: 0.1
 *
 * Return: 1 or more.
 */
IPK_API int ipk_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
