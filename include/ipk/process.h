/*
 * process.h - child processes (Python: multiprocessing.Process).
 *
 * A child process runs a function in a fork of the caller or of a zygote, or runs another program.
 * It finds the handles that it was given with ipk_inherited(), whatever the start method:
 *
 *     ipk_inherit given[] = {IPK_INHERIT(queue, "jobs", jobs), IPK_INHERIT_FD("log", fd)};
 *     IPK_TRY(ipk_process_start(NULL, NULL, IPK_PROCESS(.start_method = IPK_START_EXEC,
 *                               .program = "worker", .inherit = given, .n_inherit = 2), &child));
 *     ...
 *     ipk_queue *jobs = ipk_inherited(queue, "jobs");       in the worker
 *
 * A child is referred to by a pidfd, so no call can affect another process that got the same pid
 * later.
 *
 * When a process exits (exit(), return from main(), or return from the function of a child), these
 * steps run in order: calls registered with ipk_at_exit() at priority 0 and above; termination of
 * its daemons, which are killed if they take more than 1 s; a wait without time limit for its other
 * children with open handles, except detached ones; the remaining calls. _exit() and fatal signals
 * skip all of them.
 */
#ifndef IPK_PROCESS_H
#define IPK_PROCESS_H

#include <sys/types.h>

#include "deadline.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_process ipk_process;

/* The function that a child runs. 0 .. 255 is its exit code; any other value (an ipk error) becomes
 * 255. */
typedef int (*ipk_process_fn)(void *arg);

/* How a child is created. */
typedef enum ipk_start_method {
	/* A fork of this process if it has one thread, otherwise of the zygote. */
	IPK_START_DEFAULT = 0,
	/* A fork of this process in its present state: all memory and handles exist in the
	 * child. */
	IPK_START_FORK = 1,
	/* A fork of the zygote (ipk_zygote_start()): safe and fast even if this process is large
	 * and has threads; the memory is that of this process when the zygote was started. */
	IPK_START_ZYGOTE = 2,
	/* Another program, or a new instance of this one: posix_spawn(). */
	IPK_START_EXEC = 3,
} ipk_start_method;

typedef enum ipk_process_flags {
	/* SIGKILL when the thread that started it ends; with a zygote: when the process ends, or
	 * the zygote alone is killed. (With IPK_START_EXEC it costs a fork.) It also works if the
	 * child changes its user id: the child keeps an fd open for that, also across exec(), which
	 * the new program must not close. (In a user namespace whose root is not that of the
	 * machine it works only while the child keeps its user id.) */
	IPK_PROCESS_DIE_WITH_PARENT = 1u << 0,
	/* Never outlives its parent: terminated when the parent exits, SIGKILL when the parent is
	 * killed; cannot start children with ipk_process_start() (-EPERM). A program
	 * (IPK_START_EXEC) is killed when the thread that started it ends; one started by the main
	 * thread also when only that thread ends; a child of a zygote also when only the zygote is
	 * killed. */
	IPK_PROCESS_DAEMON = 1u << 1,
	/* Inherits the stdin of the parent; otherwise stdin is /dev/null. */
	IPK_PROCESS_KEEP_STDIN = 1u << 2,
	/* exit() of the parent does not wait for it: it may outlive its parent. */
	IPK_PROCESS_DETACHED = 1u << 3,
} ipk_process_flags;

/* A handle passed to a child under a name: see ipk_inherited(). */
typedef struct ipk_inherit {
	const char *noun; /* "queue", "lock", ...; "fd" */
	const char *name; /* [A-Za-z0-9._-]{1,200} */
	void *handle;
	int fd; /* for "fd" */
} ipk_inherit;

/* IPK_INHERIT(queue, "jobs", jobs): any noun that has ipk_NOUN_send() and ipk_NOUN_recv(). */
#define IPK_INHERIT(noun_, name_, handle_)                                \
	{                                                                 \
		(#noun_), (name_), (1 ? (handle_) : (ipk_##noun_ *)0), -1 \
	}
#define IPK_INHERIT_FD(name_, fd_)         \
	{                                  \
		"fd", (name_), NULL, (fd_) \
	}

typedef struct ipk_process_opts {
	size_t struct_size; /* sizeof(ipk_process_opts) */
	/*
	 * [A-Za-z0-9._-]{1,200}; ps and top show the first 15 bytes. By default "ipk-PID", and ps
	 * and top show the name of the program.
	 */
	const char *name;
	unsigned flags; /* ipk_process_flags, or-ed */
	ipk_start_method start_method;
	/*
	 * The child gets a copy of @arg_bytes bytes at @arg. 0: it gets the pointer itself, which
	 * is valid only in a fork of this process; with a zygote it must be NULL.
	 */
	size_t arg_bytes;
	/*
	 * Handles for ipk_inherited(), at most IPK_INHERIT_MAX. A pipe end has one owner and moves
	 * to the child: a successful start closes the handle here. With zygote and exec, named
	 * objects are opened by name: by a zygote's child when it starts, by a program when it
	 * first asks. The name must exist until then.
	 */
	const ipk_inherit *inherit;
	size_t n_inherit;
	/* stdin, stdout and stderr of the child. NULL: /dev/null (see IPK_PROCESS_KEEP_STDIN), and
	 * those of this process. */
	const int *stdin_fd, *stdout_fd, *stderr_fd;
	/*
	 * IPK_START_EXEC, with @fn and @arg NULL. A program that starts itself looks in main()
	 * whether it is the child: by its argv, ipk_inherited() or ipk_parent_pid().
	 */
	const char *program; /* a path, or a name that is searched in PATH; NULL: this program */
	char *const *argv;   /* with argv[0], NULL-terminated; NULL: { program, NULL } */
	char *const *env;    /* "NAME=value" strings, NULL-terminated; NULL: this environment */
	/* How long to wait for a zygote, which may be stopped; 0: 10 s. INT64_MAX: no limit. */
	int64_t timeout_ns;
} ipk_process_opts;

#define IPK_PROCESS(...) IPK_OPTS(process, __VA_ARGS__)

/* How a process ended, and its resource usage. */
typedef struct ipk_process_status {
	int exit_code;   /* 0 .. 255, or -1 if a signal ended it */
	int signal;      /* the signal that ended it, or 0 */
	bool core;       /* it dumped core */
	bool is_oom;     /* killed by the kernel's OOM killer, as far as can be detected */
	int64_t user_ns; /* CPU time, including its reaped children */
	int64_t system_ns;
	uint64_t max_rss_bytes; /* peak resident memory */
	uint64_t reserved[8];   /* 0 */
} ipk_process_status;

/**
 * ipk_process_start() - run a function in a child process, or another program
 * @fn:       runs in the child; when it returns, the child ends without atexit handlers, after the
 *            ipk_at_exit() calls and a flush of stdio
 * @arg:      passed to @fn; ipk_process_opts says what the child gets
 * @opts:     NULL for the defaults
 * @ret_proc: the child
 *
 * stdio of the parent is flushed first, so that nothing is printed twice; if the parent has several
 * threads, only stdout and stderr are, also at the end of the child. The child of a fork inherits
 * all fds, signal handlers and the signal mask, but only the calling thread; its stdin is /dev/null
 * unless @opts say otherwise. A program gets stdio, the inherited handles, an environment variable
 * IPK_SPAWN_INFO that the library in it removes, and the caller's signal mask.
 *
 * Blocks:  only while the flush blocks: a full pipe on stdout or stderr. For a zygote that is
 *          stopped it waits up to timeout_ns.
 * Callers: any thread; after IPK_START_FORK in a program with several threads @fn may use only
 *          async-signal-safe functions, as after any fork(), and this library.
 * Crash:   a child outlives a parent that is killed, unless its flags say otherwise.
 * Cost:    one fork(), one fd, and five cheap system calls; one more with a name. The first start
 *          in a process allocates 48 KiB and an fd for ipc-inspect.
 * Source:  lib/process/start.c      Since: 0.1
 *
 * Return: 0; -EINVAL; -EDEADLK by default: this process has threads (a fork could deadlock) and no
 * zygote: start the zygote early, or set start_method; IPK_START_ZYGOTE: there is no zygote;
 * IPK_START_EXEC: this program is its own grandchild, and none of the three has asked
 * ipk_inherited() or ipk_parent_pid() who it is: that would never end; -EPERM a daemon cannot have
 * children; -EBADF an invalid handle or fd; -EOPNOTSUPP a handle that cannot be sent: it is borrowed
 * from a value or array, or refers to another machine; -ESTALE its name was removed or now refers to another object; -EBUSY a message is in progress on a pipe end that
 * is to be passed; -ETIMEDOUT the zygote does not answer; nothing runs or will run; -ENOSYS the
 * kernel rejects a required call (pidfds, clone: see ipk_strerror()); nothing runs; -ENOBUFS too
 * many handles for the socket that carries them; -EAGAIN too many processes; -ENOMEM; -EMFILE and
 * -ENFILE no fd is free; nothing runs (if another thread took the last fd during the call, the
 * child was killed as it started); -EPIPE the zygote and its standby were killed; -ENOENT, -EACCES,
 * -ENOEXEC and others of execve(2): the program cannot be executed.
 */
IPK_API IPK_MUST_CHECK int ipk_process_start(ipk_process_fn fn, void *arg,
					     const ipk_process_opts *opts, ipk_process **ret_proc);

/**
 * ipk_process_close() - close the handle
 * @p: NULL is fine
 *
 * A running child continues, and remains a zombie from its end to that of the caller; a daemon
 * still ends at the latest with the caller. A child that has ended is reaped here. In a process
 * that did not start the child, only the handle is freed.
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
 * @ret_status: how it ended; may be NULL; later calls return the same
 *
 * Blocks:  while the child runs.
 * Callers: only the process that started it; any thread, also several at once.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0; -ETIMEDOUT it still runs; -ECHILD not a child of the caller, or it has ended but was
 * reaped elsewhere (by a wait for any child, by the kernel because SIGCHLD is ignored, or because
 * its zygote was killed); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_process_join(ipk_process *p, ipk_deadline deadline,
					    ipk_process_status *ret_status);

/**
 * ipk_process_wait_any() - wait until one of several children has ended
 * @procs:     children; NULL entries are skipped
 * @n:         how many
 * @deadline:  when to stop waiting
 * @ret_index: index of the first one that has ended; join it and set its entry to NULL next
 *
 * Blocks:  while all of them run.
 * Callers: only the process that started them; any thread.
 * Source:  lib/process/process.c    Since: 0.4
 *
 * Return: 0; -ETIMEDOUT all run; -ECHILD there is none, or one is not a child of the caller;
 * -EINVAL; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_process_wait_any(ipk_process *const procs[], size_t n,
						ipk_deadline deadline, size_t *ret_index);

/**
 * ipk_process_is_alive() - whether the child still runs
 * @p: child; NULL counts as ended
 *
 * Blocks:  no.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: true while it runs (also if stopped), false once it has ended, reaped or not.
 */
IPK_API bool ipk_process_is_alive(const ipk_process *p);

/**
 * ipk_process_interrupt() - send the child SIGINT, like Ctrl-C
 * @p: child
 *
 * Blocks:  no.
 * Callers: only the process that started it; any thread.
 * Source:  lib/process/process.c    Since: 0.4
 *
 * Return: 0, also if it has already ended; -EBADF; -EPERM this process did not start it (for
 * example a fork of the process that did), or the child now belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_process_interrupt(ipk_process *p);

/**
 * ipk_process_terminate() - ask the child to end (SIGTERM)
 * @p: child
 *
 * Blocks:  no.
 * Callers: only the process that started it; any thread.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0, also if it has already ended; -EBADF; -EPERM this process did not start it (for
 * example a fork of the process that did), or the child now belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_process_terminate(ipk_process *p);

/**
 * ipk_process_kill() - kill the child (SIGKILL)
 * @p: child
 *
 * Blocks:  no.
 * Callers: only the process that started it; any thread.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0, also if it has already ended; -EBADF; -EPERM this process did not start it (for
 * example a fork of the process that did), or the child now belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_process_kill(ipk_process *p);

/**
 * ipk_process_pid() - the child's pid
 * @p: child
 *
 * Blocks:  no.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: the pid, -1 for NULL.
 */
IPK_API pid_t ipk_process_pid(const ipk_process *p);

/**
 * ipk_process_name() - the child's name
 * @p: child
 *
 * Blocks:  no.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: the name, valid until close; "" for NULL.
 */
IPK_API const char *ipk_process_name(const ipk_process *p);

/**
 * ipk_process_fd() - an fd that is readable (POLLIN) when the child has ended
 * @p:      child
 * @ret_fd: a pidfd, owned by @p: do not read or close it. (If the child was reaped elsewhere while
 *          it was being started, it is another fd that is always readable.)
 *
 * Blocks:  no.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_process_fd(const ipk_process *p, int *ret_fd);

/* --- children, this process, and its parent --------------------------------------------------- */

typedef struct ipk_process_info {
	pid_t pid;
	ipk_start_method start_method; /* the method that was used */
	unsigned flags;                /* ipk_process_flags, or-ed */
	int64_t running_ns;            /* since its start */
	char name[208];
	uint64_t reserved[8]; /* 0 */
} ipk_process_info;

/**
 * ipk_active_children() - the running children of this process
 * @ret_infos: the most recent first; may be NULL when @max is 0
 * @max:       how many entries the array has room for
 * @ret_n:     number of children; may exceed @max
 *
 * Lists children with open handles, and daemons. Children that have ended are reaped; their handles
 * still report the status.
 *
 * Blocks:  no.
 * Callers: any thread. A fork child does not inherit its parent's children.
 * Source:  lib/process/child_table.c     Since: 0.4
 *
 * Return: 0; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_active_children(ipk_process_info *ret_infos, size_t max,
					       size_t *ret_n);

/**
 * ipk_process_current_name() - the name of this process
 *
 * Blocks:  no.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: the name it was started with, "ipk-PID" if it was given none; "main" in a process that
 * ipk_process_start() did not start.
 */
IPK_API const char *ipk_process_current_name(void);

/**
 * ipk_parent_pid() - pid of the process that called ipk_process_start() for this one
 *
 * The value does not change when that process ends. With a zygote it is still the caller's pid, not
 * the zygote's.
 *
 * Blocks:  no.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: its pid; 0 if there is none.
 */
IPK_API pid_t ipk_parent_pid(void);

/**
 * ipk_parent_fd() - an fd that is readable (POLLIN) when the parent has ended
 * @ret_fd: owned by the library: do not read or close it
 *
 * Blocks:  no.
 * Callers: any thread.
 * Cost:    an fd, from the first call on.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: 0; -ESRCH no parent: ipk_process_start() did not start this process;
 * -EMFILE; -ENFILE; -ENOMEM; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_parent_fd(int *ret_fd);

/**
 * ipk_parent_is_alive() - whether the parent still runs
 *
 * Blocks:  no.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: true while it runs; false if it has ended, or there is none.
 */
IPK_API bool ipk_parent_is_alive(void);

/**
 * ipk_parent_join() - wait until the parent has ended
 * @deadline: when to stop waiting
 *
 * Blocks:  while it runs.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: 0; -ETIMEDOUT it still runs; otherwise as ipk_parent_fd().
 */
IPK_API IPK_MUST_CHECK int ipk_parent_join(ipk_deadline deadline);

typedef void (*ipk_exit_fn)(void *arg);

/**
 * ipk_at_exit() - register a function to be called at normal exit of this process
 * @fn:       called once, in the thread that ends the process; it may register more
 * @arg:      passed to @fn
 * @priority: 0 and above: before the wait for children, higher ones first; below 0: after it
 *
 * Functions with the same priority run in reverse order of registration. Fork children do not run
 * those of their parent. The top of this file gives the whole order.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/process/at_exit.c    Since: 0.4
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_at_exit(ipk_exit_fn fn, void *arg, int priority);

/* --- inherited handles ------------------------------------------------------------------------ */

#define IPK_INHERIT_MAX 64

/* ipk_queue *jobs = ipk_inherited(queue, "jobs"); NULL: no handle with that name was passed. */
#define ipk_inherited(noun_, name_) ((ipk_##noun_ *)ipk_inherited_handle(#noun_, (name_)))

/**
 * ipk_inherited_handle() - a handle that the parent passed to this process
 * @noun: "queue", "lock", "pipe", ...
 * @name: the name that the parent gave it
 *
 * Each handle is returned once, to the first caller, who must close it. Prefer the macro
 * ipk_inherited().
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/process/inherited.c  Since: 0.4
 *
 * Return: the handle; NULL: no handle of that noun and name, or it was already returned.
 */
IPK_API void *ipk_inherited_handle(const char *noun, const char *name);

/**
 * ipk_inherited_fd() - an fd that the parent passed to this process
 * @name:   the name that the parent gave it
 * @ret_fd: to be closed by the caller
 *
 * After a fork it has the same number as in the parent.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/process/inherited.c  Since: 0.4
 *
 * Return: 0; -ENOENT no fd of that name, or it was already returned; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_inherited_fd(const char *name, int *ret_fd);

/* --- zygotes ---------------------------------------------------------------------------------- */

typedef struct ipk_zygote_opts {
	size_t struct_size; /* sizeof(ipk_zygote_opts) */
	const char *name;   /* shown by ps and top; by default "ipk-zygote" */
	/*
	 * Runs once in the zygote before it serves requests: what it loads exists in all children.
	 * It must not leave other threads behind. A result other than 0 is an error of the start.
	 */
	int (*preload)(void *arg);
	void *preload_arg;
} ipk_zygote_opts;

#define IPK_ZYGOTE(...) IPK_OPTS(zygote, __VA_ARGS__)

/**
 * ipk_zygote_start() - start the fork server that IPK_START_ZYGOTE uses
 * @opts: NULL for the defaults
 *
 * Call it early, while this process has one thread and little memory. The zygote is a fork of this
 * process and keeps its present state: the fds and handles that exist now, which it keeps open, and
 * the libraries that are loaded now. A second process, its standby, takes over if the zygote is
 * killed. Both block all signals, so that Ctrl-C reaches only this process, and end when this
 * process ends or calls ipk_zygote_stop().
 *
 * Blocks:  until the preload has finished and the standby exists.
 * Callers: one thread, while only the library's own threads exist besides it.
 * Crash:   if this process is killed, zygote and standby end. If the zygote is killed, the standby
 *          becomes the zygote, and gets a new standby at the next start of a process.
 * Cost:    two forks; about 150 KiB of memory each, plus pages that this process changes later.
 * Source:  lib/process/zygote_start.c    Since: 0.4
 *
 * Return: 0; -EALREADY a zygote exists; -EDEADLK this process has other threads; the negative
 * result of the preload, -ECANCELED if it was positive, -EPIPE if it did not return; -EINVAL;
 * -EAGAIN too many processes; -ENOMEM; -EMFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_zygote_start(const ipk_zygote_opts *opts);

/**
 * ipk_zygote_stop() - stop the zygote; no effect without one
 *
 * Its children with IPK_PROCESS_DIE_WITH_PARENT are killed, the others continue.
 *
 * Blocks:  until it has ended, at most 2 s.
 * Callers: one thread, while no other starts a process.
 * Source:  lib/process/zygote_start.c    Since: 0.4
 */
IPK_API void ipk_zygote_stop(void);

/**
 * ipk_cpu_count() - number of CPUs that this process may use
 *
 * The smaller of its CPU affinity and the CPU quota of its cgroup (v2, or v1), rounded up.
 *
 * Blocks:  no; the first call in a process reads a few small files to find the quota.
 * Source:  lib/os/cpu.c             Since: 0.1
 *
 * Return: 1 or more.
 */
IPK_API unsigned ipk_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
