/*
 * process_internal.h - declarations shared by lib/process.
 *
 * process.c       the handle: join, signals, close
 * start.c         the parent's side of a start, by fork; start_exec.c by posix_spawn();
 *                 zygote_start.c by a zygote
 * child.c         the child's side, for all start methods; parent.c its identity and parent
 * inherited.c     handles that a child finds under names
 * child_table.c   the children of this process; registry.c shows them to others
 * at_exit.c       the order of termination
 */
#ifndef IPK_PROCESS_INTERNAL_H
#define IPK_PROCESS_INTERNAL_H

#include "base/base_internal.h"
#include "ipk/process.h"
#include "process/zygote.h"

struct ipk_process {
	pid_t pid;
	pid_t starter_pid; /* only this process may wait */
	int fd;            /* pidfd, or the stand-in when @is_lost */
	bool is_lost;      /* reaped elsewhere before it had a pidfd; set at start */
	unsigned flags;
	int method;    /* IPK_START_*, never the default */
	int status_fd; /* with a zygote: of its struct ipk__zygote_child; otherwise -1 */
	int64_t started_boot_ns;

	/* Guarded by ipk__child_table_lock(); not so in a fork of the starter, which has a copy. */
	struct ipk_process *next;
	struct ipk__lifeline *lifeline; /* NULL: none; the child may outlive its parent */
	bool is_over;
	bool is_killed;  /* through its handle */
	bool is_closed;  /* by the caller; a daemon's handle is kept until it has exited */
	bool is_foreign; /* a daemon that may not be signalled */
	bool knows_oom;
	int slot;             /* registry.c; -1: none */
	uint64_t n_oom_kills; /* in this process's control group, at its start */
	int result;           /* what join returns, once @is_over */
	ipk_process_status status;

	char name[IPK__NAME_MAX + 1];
};

/* --- the child's side ------------------------------------------------------------------------- */

/* What a process knows of the request that started it. */
struct ipk__child {
	pid_t parent_pid;      /* 0: not started by an ipk process */
	uint64_t parent_owner; /* shared/owner.h; 0: a fork, so getppid() is valid */
	int parent_fd;         /* its pidfd, or -1: not requested yet; owned */
	unsigned flags;        /* IPK_PROCESS_* */
	const char *name;      /* NULL: ipk-PID */
	int stdio_fds[3];      /* -1: as it is, but see IPK_PROCESS_KEEP_STDIN */
	bool stdin_is_nowhere; /* it is /dev/null already */
	bool watches_parent;   /* a daemon: see child.c */
	/* Its handles: in memory after a fork, or received from a socket (owned). */
	const ipk_inherit *inherit;
	size_t n_inherit;
	int inherit_fd;  /* -1: none */
	int lifeline_fd; /* -1: none */
};

/* An option's value; -1 for NULL. */
static inline int ipk__fd_or_none(const int *fd)
{
	return fd ? *fd : -1;
}

#define IPK__NO_CHILD         \
	((struct ipk__child){ \
		.parent_fd = -1, .stdio_fds = {-1, -1, -1}, .inherit_fd = -1, .lifeline_fd = -1})

/*
 * In the child: sets up what @child describes, runs @fn, and returns the exit code for
 * ipk__os_exit(). @child must stay in place meanwhile. A zygote's child has IPK_PROCESS_KEEP_STDIN
 * set here when its stdin is set up already.
 */
int ipk__child_run(const struct ipk__child *child, ipk_process_fn fn, void *arg);
void ipk__self_set(const struct ipk__child *child);
bool ipk__self_is_daemon(void);
/*
 * A program that starts itself has to look in main() whether it is the child, or there is no end to
 * it. 0, or -EDEADLK where neither it nor the two before it did: see ipk__self_looks().
 */
int ipk__self_may_execute(void);
uint64_t ipk__self_owner(void);   /* shared/owner.h; computed once */
const char *ipk__self_name(void); /* under ipk__child_table_lock() */
/* For the environment of another program: parsed by parent.c there into a struct ipk__child. */
enum { IPK__SPAWN_INFO_BYTES = 400 };
#define IPK__SPAWN_INFO_VARIABLE "IPK_SPAWN_INFO"
void ipk__spawn_info_format(const ipk_process_opts *opts, int inherit_fd,
			    char buf[IPK__SPAWN_INFO_BYTES]);

/* --- inherited.c ------------------------------------------------------------------------------ */

void ipk__self_looks(void); /* in every call that tells it what it is */
bool ipk__self_has_looked(void);

int ipk__inherit_check(const ipk_inherit *inherit, size_t n);
/*
 * A socket with all of them, for a child to receive; *ret_fd is -1 when there are none. -EOPNOTSUPP
 * a lock inside another object, or a pipe to another machine; -ESTALE its name leads to it no more.
 */
int ipk__inherit_pack(const ipk_inherit *inherit, size_t n, int *ret_fd);
/* The child has them: pipes, which have one owner, are closed here. */
void ipk__inherit_done(const ipk_inherit *inherit, size_t n);
/* In the child: receives them from @inherit_fd, which is closed. */
int ipk__inherit_take(int inherit_fd);
/* In the child: forgets what the parent had inherited; it owns @inherit now. */
void ipk__inherit_set(const ipk_inherit *inherit, size_t n, int inherit_fd);

/* --- child_table.c ---------------------------------------------------------------------------- */

void ipk__child_table_lock(void);
void ipk__child_table_unlock(void);
bool ipk__child_table_is_held_here(void); /* by this thread */
/* For a child that must die with this process, before it is created: see ipk__os_lifeline(). */
int ipk__child_table_lifeline(struct ipk__lifeline **ret_lifeline, int *ret_childs_fd);
/* the child was not created; NULL is fine */
void ipk__child_table_drop_lifeline(struct ipk__lifeline *lifeline);
/* A child was started, between these times on the clock of ipk__os_boot_ns(). */
void ipk__child_table_add(ipk_process *p, int64_t before_ns, int64_t after_ns);
/* Under the lock: reaps @p if it has exited. -EAGAIN not yet, otherwise the result of join. */
int ipk__child_table_reap(ipk_process *p);
/* Under the lock: the handle is closed; whether it can be freed now. */
bool ipk__child_table_close(ipk_process *p);
bool ipk__child_table_is_empty(void);
void ipk__child_table_end_daemons(void);
void ipk__child_table_join_all(void);

/* at_exit.c */
int ipk__at_exit_hook(void); /* makes exit() run it, from now on */
void ipk__at_exit_run(void);

/* registry.c; all under the lock */
void ipk__registry_add(ipk_process *p, int64_t before_ns, int64_t after_ns);
void ipk__registry_end(const ipk_process *p, bool is_lost);
void ipk__registry_in_fork(void); /* the entries are the parent's */

/* --- methods ---------------------------------------------------------------------------------- */

int ipk__start_by_exec(ipk_process *p, const ipk_process_opts *opts);

/*
 * zygote_start.c: sets @p->pid, ->fd and ->status_fd on success, the caller the rest. @opts are
 * validated. -EDEADLK: there is no process-wide zygote.
 */
int ipk__start_by_zygote(ipk_process *p, ipk_process_fn fn, void *arg,
			 const ipk_process_opts *opts);

#endif
