/*
 * process.h - child processes (Python: multiprocessing.Process).
 *
 * A process runs a function in a fork of the caller or of a zygote, or another program. What
 * it is given under names it finds with ipk_inherited(), however it came to be:
 *
 *     ipk_inherit given[] = {IPK_INHERIT(queue, "jobs", jobs), IPK_INHERIT_FD("log", fd)};
 *     IPK_TRY(ipk_process_start(NULL, NULL, IPK_PROCESS(.start_method = IPK_START_EXEC,
 *                               .program = "worker", .inherit = given, .n_inherit = 2), &child));
 *     ...
 *     ipk_queue *jobs = ipk_inherited(queue, "jobs");       in the worker
 *
 * A child is named by a pidfd, so no call here can hit another process that got the same
 * pid later.
 *
 * At the end of a process (exit() or return from main(), or from the function of a child)
 * these happen one after the other: calls registered with ipk_at_exit() at priority 0 and
 * above; its daemons are terminated, and killed if they take more than a second; its other
 * children with open handles are waited for, however long that takes, but for detached ones; the
 * remaining calls.
 * _exit() and deadly signals skip all that.
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
	/* SIGKILL when the thread that started it ends; by a zygote: when the process ends,
	 * or only the zygote is killed. (With IPK_START_EXEC it costs a fork.) Also of a child
	 * that has become another user: it keeps an fd open for that, another program too,
	 * which then must not close it. (In a user namespace whose root is not the machine's
	 * only while it stays the user that it was.) */
	IPK_PROCESS_DIE_WITH_PARENT = 1u << 0,
	/* Never outlives its parent: terminated when that exits, SIGKILL when that is killed;
	 * may not start children with ipk_process_start() itself (-EPERM). Another program
	 * (IPK_START_EXEC) is killed when the thread that started it ends, and one that the
	 * main thread started when that ends alone; a zygote's also when only that is killed. */
	IPK_PROCESS_DAEMON = 1u << 1,
	/* Reads the parent's stdin; otherwise it is /dev/null. */
	IPK_PROCESS_KEEP_STDIN = 1u << 2,
	/* exit() does not wait for it: it may outlive its parent. */
	IPK_PROCESS_DETACHED = 1u << 3,
};

/* A handle given to a child under a name: see ipk_inherited(). */
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
	/*
	 * What it finds with ipk_inherited(), IPK_INHERIT_MAX at most. Pipes, which have one
	 * owner, go over to it: a start that succeeds closes the handle here. By zygote and
	 * exec a child opens what was made with a name by that: at its birth, another program
	 * when it first asks. So the name has to stay until then.
	 */
	const ipk_inherit *inherit;
	size_t n_inherit;
	/* Its stdin, stdout and stderr. NULL: /dev/null (see IPK_PROCESS_KEEP_STDIN), and those of
	 * this process. */
	const int *stdin_fd, *stdout_fd, *stderr_fd;
	/* IPK_START_EXEC, with @fn and @arg NULL: */
	const char *program; /* a path, or a name that is looked for in PATH; NULL: this program */
	char *const *argv;   /* with argv[0], NULL at its end; NULL: { program, NULL } */
	char *const *env;    /* "NAME=value"s; NULL: this process's */
	/* How long a zygote may take to answer, which may be stopped; 0: 10 s. INT64_MAX: for ever.
	 */
	int64_t timeout_ns;
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
	uint64_t reserved[8];   /* 0 */
} ipk_process_status;

/**
 * ipk_process_start() - run a function in a child process, or another program
 * @fn:       runs in the child; returning from it ends the child without atexit handlers,
 *            after what ipk_at_exit() says and a flush of stdio
 * @arg:      passed to @fn; see ipk_process_opts for what the child has of it
 * @opts:     NULL for the defaults
 * @ret_proc: the child
 *
 * stdio of the parent is flushed first, so that nothing is printed twice; of a parent with
 * several threads stdout and stderr, and at the child's end too. The child of a
 * fork inherits all fds, signal handlers and the signal mask, and only the calling thread;
 * its stdin is /dev/null unless @opts say otherwise. Another program has stdio and what it
 * was given, in the environment a variable IPK_BORN that the library there takes out again,
 * and the caller's signal mask.
 *
 * Blocks:  only while the flush does: a full pipe on stdout or stderr. A zygote that is
 *          stopped is waited for, as long as timeout_ns says.
 * Callers: any thread; after IPK_START_FORK in a program with several threads @fn may use
 *          only what is async-signal-safe, as after any fork(), and this library.
 * Crash:   a child outlives a parent that is killed, unless its flags say otherwise.
 * Cost:    one fork() and one fd, five cheap system calls besides; a name, one more. The
 *          first start in a process makes 48 KiB of memory and a fd for ipc-inspect.
 * Source:  lib/process/start.c      Since: 0.1
 *
 * Return: 0; -EINVAL; -EDEADLK by default, when this process has threads (a fork of it might
 * hang) and no zygote: start the zygote early, or say which method; by the zygote, when there
 * is none; -EPERM a daemon has no children; -EBADF a handle or fd that is none; -EOPNOTSUPP a
 * handle that cannot be sent: it is lent by a value or array, or leads to another machine;
 * -ESTALE its name was removed or leads elsewhere by now; -EBUSY a message is begun on a pipe that
 * is to go over; -ETIMEDOUT the zygote does not answer, and nothing was or will be run; -ENOSYS the
 * kernel refuses what it takes (pidfds, clone: see ipk_strerror()), and nothing was run; -ENOBUFS
 * too many handles for the socket they travel in; -EAGAIN too many processes; -ENOMEM; -EMFILE and
 * -ENFILE no fd is free, and nothing was run (unless another thread took the last one meanwhile:
 * the child was then killed as it began); -EPIPE the zygote was killed, its standby too; -ENOENT,
 * -EACCES, -ENOEXEC and others of execve(2): the program cannot be run.
 */
IPK_API IPK_MUST_CHECK int ipk_process_start(ipk_process_fn fn, void *arg,
					     const ipk_process_opts *opts, ipk_process **ret_proc);

/**
 * ipk_process_close() - give up the handle
 * @p: NULL is fine
 *
 * A child still running goes on, and stays a zombie from its end to the caller's; a daemon
 * still ends with the caller at the latest. One that has ended is reaped here. In a process
 * that did not start it, only the handle goes.
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
 * somebody else reaped it (who waits for any child, or a kernel told to ignore SIGCHLD, or a
 * zygote that was killed meanwhile); -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_process_join(ipk_process *p, ipk_deadline deadline,
					    ipk_process_status *ret_status);

/**
 * ipk_process_wait_any() - wait until one of several children has ended
 * @procs:     children; NULL entries are skipped
 * @n:         how many
 * @deadline:  when to stop waiting
 * @ret_index: which one, the first in order of several; to be joined (and set to NULL) next
 *
 * Blocks:  while all of them run.
 * Callers: only the process that started them; any thread.
 * Source:  lib/process/process.c    Since: 0.4
 *
 * Return: 0; -ETIMEDOUT all run; -ECHILD there is none, or one is not the caller's; -EINVAL;
 * -ENOMEM.
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
 * Return: true while it runs (a stopped one too), false once it has ended, reaped or not.
 */
IPK_API bool ipk_process_is_alive(ipk_process *p);

/**
 * ipk_process_interrupt() - interrupt the child, like Ctrl-C (SIGINT)
 * @p: child
 *
 * Blocks:  no.
 * Callers: only the process that started it; any thread.
 * Source:  lib/process/process.c    Since: 0.4
 *
 * Return: 0, also when it has ended already; -EBADF; -EPERM this process has not started it (a
 * fork of the one that has, say), or the child is another user's by now.
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
 * Return: 0, also when it has ended already; -EBADF; -EPERM this process has not started it (a
 * fork of the one that has, say), or the child is another user's by now.
 */
IPK_API IPK_MUST_CHECK int ipk_process_terminate(ipk_process *p);

/**
 * ipk_process_kill() - end the child at once (SIGKILL)
 * @p: child
 *
 * Blocks:  no.
 * Callers: only the process that started it; any thread.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0, also when it has ended already; -EBADF; -EPERM this process has not started it (a
 * fork of the one that has, say), or the child is another user's by now.
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
 * @ret_fd: a pidfd, owned by @p: not to be read or closed. (For a child that somebody else
 *          reaped while it was being started it is another fd that is always readable.)
 *
 * Blocks:  no.
 * Source:  lib/process/process.c    Since: 0.1
 *
 * Return: 0; -EBADF.
 */
IPK_API IPK_MUST_CHECK int ipk_process_fd(const ipk_process *p, int *ret_fd);

/* --- what a process knows of its children, itself and its parent --- */

typedef struct ipk_process_info {
	pid_t pid;
	int start_method;   /* IPK_START_*, the one that was used */
	unsigned flags;     /* IPK_PROCESS_* */
	int64_t running_ns; /* since its start */
	char name[208];
	uint64_t reserved[8]; /* 0 */
} ipk_process_info;

/**
 * ipk_active_children() - the children of this process that run
 * @ret_infos: the latest first; may be NULL when @max is 0
 * @max:       for how many there is room
 * @ret_n:     how many there are, which may be more than @max
 *
 * Those whose handles are open, and daemons. Children that have ended are reaped by the way;
 * their handles still tell how.
 *
 * Blocks:  no.
 * Callers: any thread. A fork child has none of its parent's.
 * Source:  lib/process/family.c     Since: 0.4
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
 * Return: the name it was started with, "ipk-PID" when it got none; "main" in a process that
 * ipk_process_start() did not start.
 */
IPK_API const char *ipk_process_current_name(void);

/**
 * ipk_parent_pid() - the process that called ipk_process_start() for this one
 *
 * The same once it has ended, and also when a zygote bore this process for it.
 *
 * Blocks:  no.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: its pid; 0 when there is none.
 */
IPK_API pid_t ipk_parent_pid(void);

/**
 * ipk_parent_fd() - an fd that is readable (POLLIN) when the parent has ended
 * @ret_fd: owned by the library: not to be read or closed
 *
 * Blocks:  no.
 * Callers: any thread.
 * Cost:    an fd from the first call on.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: 0; -ESRCH there is no parent, ipk_process_start() did not start this process;
 * -EMFILE; -ENFILE; -ENOMEM; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_parent_fd(int *ret_fd);

/**
 * ipk_parent_is_alive() - whether the parent still runs
 *
 * Blocks:  no.
 * Source:  lib/process/parent.c     Since: 0.4
 *
 * Return: true while it does; false when it has ended, or there is none.
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
 * ipk_at_exit() - have something called when this process ends in good order
 * @fn:       called once, in whichever thread ends the process; it may register more
 * @arg:      passed to @fn
 * @priority: 0 and above: before children are waited for, higher ones first; below 0: after
 *
 * Of several with the same priority the last one registered is the first. Fork children do
 * not run their parent's. See above for the whole order.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/process/at_exit.c    Since: 0.4
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_at_exit(ipk_exit_fn fn, void *arg, int priority);

/* --- what a child was given under names --- */

enum { IPK_INHERIT_MAX = 64 };

/* ipk_queue *jobs = ipk_inherited(queue, "jobs"); NULL: nothing was given under that name. */
#define ipk_inherited(noun_, name_) ((ipk_##noun_ *)ipk_inherited_handle(#noun_, (name_)))

/**
 * ipk_inherited_handle() - a handle that this process was given by its parent
 * @noun: "queue", "lock", "pipe", ...
 * @name: what the parent called it
 *
 * Each is given out once, to whoever asks first, and closed by them. Easier to use is the
 * macro ipk_inherited().
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/process/inherited.c  Since: 0.4
 *
 * Return: the handle; NULL: there is none of that noun and name, or it was given out.
 */
IPK_API void *ipk_inherited_handle(const char *noun, const char *name);

/**
 * ipk_inherited_fd() - an fd that this process was given by its parent
 * @name:   what the parent called it
 * @ret_fd: to be closed by the caller
 *
 * After a fork it has the number that it has in the parent.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/process/inherited.c  Since: 0.4
 *
 * Return: 0; -ENOENT there is none of that name, or it was given out; -EINVAL.
 */
IPK_API IPK_MUST_CHECK int ipk_inherited_fd(const char *name, int *ret_fd);

/* --- zygotes --- */

typedef struct ipk_zygote_opts {
	size_t struct_size; /* sizeof(ipk_zygote_opts) */
	const char *name;   /* what ps and top show; by default "ipk-zygote" */
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
 * Cost:    two forks; some 150 KiB of memory each, and what this process changes later.
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
IPK_API unsigned ipk_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
