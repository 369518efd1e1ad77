/*
 * process_internal.h - what the files of this room share.
 *
 * process.c       the handle: join, signals, close
 * start.c         the starter's side of a start, by fork; start_exec.c by posix_spawn();
 *                 zygote_start.c by a zygote
 * child.c         the child's side, however it came to be; parent.c what it knows of itself
 * inherited.c     handles that a child finds under names
 * family.c        the children this process has started; registry.c shows them to others
 * at_exit.c       in which order things end
 */
#ifndef IPK_PROCESS_INTERNAL_H
#define IPK_PROCESS_INTERNAL_H

#include "base/base_internal.h"
#include "ipk/process.h"
#include "process/zygote.h"

struct ipk_process {
	pid_t pid;
	pid_t starter_pid; /* only it may wait */
	int fd;            /* pidfd, or the stand-in when @is_lost */
	bool is_lost;      /* reaped by somebody else before it had a pidfd; set at start */
	unsigned flags;
	int method;    /* IPK_START_*, never the default */
	int status_fd; /* by a zygote: of its struct ipk__born; otherwise -1 */
	int64_t started_boot_ns;

	/* Guarded by ipk__family_lock(); not so in a fork of the starter, which has a copy. */
	struct ipk_process *next;
	struct ipk__leash *leash; /* NULL: none; it may live on when its parent has ended */
	bool is_over;
	bool is_killed; /* by its handle */
	bool is_closed; /* by the caller; a daemon's is kept until it has ended */
	bool knows_oom;
	int slot;             /* registry.c; -1: none */
	uint64_t n_oom_kills; /* in this process's control group, when it was started */
	int result;           /* what join returns, once @is_over */
	ipk_process_status status;

	char name[IPK__NAME_MAX + 1];
};

/* --- the child's side ------------------------------------------------------------------ */

/* What a process knows of its birth. */
struct ipk__child {
	pid_t parent_pid;      /* 0: no ipk process started it */
	uint64_t parent_owner; /* shm/owner.h; 0: a fork, so that getppid() tells */
	int parent_fd;         /* its pidfd, or -1: not asked for yet; owned */
	unsigned flags;        /* IPK_PROCESS_* */
	const char *name;      /* NULL: ipk-PID */
	int stdio_fds[3];      /* -1: as it is, but see IPK_PROCESS_KEEP_STDIN */
	bool stdin_is_nowhere; /* it is /dev/null already */
	bool watches_parent;   /* a daemon: see child.c */
	/* Its handles: in memory after a fork, or to come from a socket (owned). */
	const ipk_inherit *inherit;
	size_t n_inherit;
	int channel_fd; /* -1: none */
	int leash_fd;   /* -1: none */
};

/* Of an option that may be NULL: -1 none. */
static inline int ipk__fd_or_none(const int *fd)
{
	return fd ? *fd : -1;
}

#define IPK__NO_CHILD         \
	((struct ipk__child){ \
		.parent_fd = -1, .stdio_fds = {-1, -1, -1}, .channel_fd = -1, .leash_fd = -1})

/*
 * In the child: becomes what @child says, runs @fn, and returns the exit code for
 * ipk__os_exit(). @child stays where it is as long. A zygote's child has
 * IPK_PROCESS_KEEP_STDIN set here when its stdin is seen to already.
 */
int ipk__child_run(const struct ipk__child *child, ipk_process_fn fn, void *arg);
void ipk__self_set(const struct ipk__child *child);
bool ipk__self_is_daemon(void);
uint64_t ipk__self_owner(void);   /* shm/owner.h; asked for once */
const char *ipk__self_name(void); /* under ipk__family_lock() */
/* For the environment of another program: what parent.c there makes a struct ipk__child of. */
enum { IPK__BORN_BYTES = 320 };
#define IPK__BORN_VARIABLE "IPK_BORN"
void ipk__born_format(const ipk_process_opts *opts, int channel_fd, char buf[IPK__BORN_BYTES]);

/* --- inherited.c ----------------------------------------------------------------------- */

int ipk__inherit_check(const ipk_inherit *inherit, size_t n);
/*
 * A socket in which they all are, for a child to take them out of; *ret_fd is -1 when there
 * are none. -EOPNOTSUPP one is a lent lock, or a pipe to another machine; -ESTALE its name
 * leads to it no more.
 */
int ipk__inherit_pack(const ipk_inherit *inherit, size_t n, int *ret_fd);
/* The child has them: pipes, which have one owner, are closed here. */
void ipk__inherit_done(const ipk_inherit *inherit, size_t n);
/* In the child: takes them out of @channel_fd, which is closed. */
int ipk__inherit_take(int channel_fd);
/* In the child: forget what the parent had inherited; @inherit is its own now. */
void ipk__inherit_set(const ipk_inherit *inherit, size_t n, int channel_fd);

/* --- family.c -------------------------------------------------------------------------- */

void ipk__family_lock(void);
void ipk__family_unlock(void);
/* For a child that is to die with this process, before it is made: see ipk__os_leash(). */
int ipk__family_leash(struct ipk__leash **ret_leash, int *ret_childs_fd);
void ipk__family_unleash(struct ipk__leash *leash); /* there is no such child; NULL is fine */
/* A child has begun, between these times on the clock of ipk__os_boot_ns(). */
void ipk__family_add(ipk_process *p, int64_t before_ns, int64_t after_ns);
/* Under the lock: reaps @p if it has ended. -EAGAIN not yet, otherwise what join returns. */
int ipk__family_reap(ipk_process *p);
/* Under the lock: the handle is given up; whether it can be freed now. */
bool ipk__family_close(ipk_process *p);
bool ipk__family_is_empty(void);
void ipk__family_end_daemons(void);
void ipk__family_join_all(void);

/* at_exit.c */
int ipk__at_exit_hook(void); /* have exit() run it, from now on */
void ipk__at_exit_run(void);

/* registry.c; all under the lock */
void ipk__registry_add(ipk_process *p, int64_t before_ns, int64_t after_ns);
void ipk__registry_end(const ipk_process *p, bool is_lost);
void ipk__registry_in_fork(void); /* what there is is the parent's */

/* --- methods --------------------------------------------------------------------------- */

int ipk__start_by_exec(ipk_process *p, const ipk_process_opts *opts);

/*
 * zygote_start.c: @p->pid, ->fd and ->status_fd are set on success, the rest is the
 * caller's. @opts are checked. -EDEADLK: there is no process-wide zygote.
 */
int ipk__start_by_zygote(ipk_process *p, ipk_process_fn fn, void *arg,
			 const ipk_process_opts *opts);

#endif
