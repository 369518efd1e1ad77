/*
 * zygote.h - fork servers: processes with one thread that fork children on request.
 *
 * A zygote is a fork of this process as it was when it was made. It waits on a socket for
 * requests, forks a child for each, hands the child's pidfd back, waits for the child's end
 * and tells how it ended. It ends when its requester has gone; so do the children that were
 * born with IPK__BIRTH_DIES_ALONG. It is never one alone: a standby, which is a child born like
 * any other, takes over when the first is killed, and bears the next standby.
 */
#ifndef IPK_PROCESS_ZYGOTE_H
#define IPK_PROCESS_ZYGOTE_H

#include <stddef.h>
#include <sys/types.h>

#include "ipk/process.h"

struct ipk__zygote;

enum {
	IPK__BIRTH_FDS_MAX = 6,
	IPK__BIRTH_DIES_ALONG = 1u << 0, /* SIGKILL at the end of its zygote or requester */
	IPK__BIRTH_KEEP_STDIN = 1u << 1, /* otherwise stdin is /dev/null */
};

/* Runs in the child: @arg and @fds are its own until it returns; returns its exit code. */
typedef int (*ipk__birth_fn)(void *arg, size_t arg_bytes, const int *fds, size_t n_fds);

struct ipk__birth {
	ipk__birth_fn fn;
	const void *arg;
	size_t arg_bytes; /* any: beyond what a packet carries it goes in a memfd */
	const int *fds;   /* the child gets copies */
	size_t n_fds;
	const char *name; /* NULL: the zygote's program's */
	unsigned flags;   /* IPK__BIRTH_* */
};

struct ipk__born {
	pid_t pid;
	int pidfd;     /* readable at its end */
	int status_fd; /* then has its status: ipk__born_status() */
};

/*
 * A zygote that is a fork of this process now. -EDEADLK: this process has threads that are
 * not the library's own quiet ones (os/thread.c), so that a fork of it might hang, and there is no
 * process-wide zygote (ipk_zygote_start()) to make it from. -EAGAIN, -ENOMEM, -EMFILE.
 * *ret_is_now: whether it has this process's memory as it is now, or that of the process-wide
 * zygote.
 */
int ipk__zygote_open(const char *name, struct ipk__zygote **ret_zygote, bool *ret_is_now);
/* One that is a child of the process-wide one, in any thread. -ENODEV: there is none. */
int ipk__zygote_open_by_process(const char *name, struct ipk__zygote **ret_zygote);
/* Ends it, its standby and the children that die along; reaps what is this process's. NULL: fine.
 */
struct ipk__zygote *ipk__zygote_close(struct ipk__zygote *z);
/* One whose fds here are no longer ours, so not to be closed: it ends by itself, or is killed. */
struct ipk__zygote *ipk__zygote_abandon(struct ipk__zygote *z);
/*
 * A child. Any thread, several at once too. When the zygote is found dead its standby is asked;
 * exactly one child comes of it, or none and an error: -EAGAIN fork said so, or something
 * kills each child as it is born; -EPIPE zygote and standby are both gone; -ETIMEDOUT (it is
 * stopped, say); -EMFILE here or in the zygote. After an error nothing runs later either; what
 * did run (another thread took the last fd here in between) was killed as it began.
 */
int ipk__zygote_bear(struct ipk__zygote *z, const struct ipk__birth *birth, ipk_deadline deadline,
		     struct ipk__born *ret_born);
/* How it ended, once its pidfd is readable. -ECHILD nobody can tell: its zygote was killed too. */
int ipk__born_status(const struct ipk__born *born, ipk_deadline deadline,
		     ipk_process_status *ret_status);
void ipk__born_close(struct ipk__born *born); /* the fds */
/* For inspection and tests: the zygote's and its standby's pids, 0 when there is none. */
void ipk__zygote_pids(struct ipk__zygote *z, pid_t *ret_pid, pid_t *ret_standby_pid);

#endif
