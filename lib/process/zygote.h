/*
 * zygote.h - fork servers: processes with one thread that fork children on request.
 *
 * A zygote is a fork of this process as of its creation. It waits on a socket for requests, forks a
 * child for each, returns the child's pidfd, reaps the child and reports its status. It exits when
 * its requester does; so do the children spawned with IPK__SPAWN_DIES_ALONG. It is never alone: a
 * standby, a child spawned like any other, takes over if the first is killed, and spawns the next
 * standby.
 */
#ifndef IPK_PROCESS_ZYGOTE_H
#define IPK_PROCESS_ZYGOTE_H

#include <stddef.h>
#include <sys/types.h>

#include "ipk/process.h"

struct ipk__zygote;

enum {
	IPK__SPAWN_FDS_MAX = 6,
	IPK__SPAWN_DIES_ALONG = 1u << 0, /* SIGKILL when its zygote or requester exits */
	IPK__SPAWN_KEEP_STDIN = 1u << 1, /* otherwise stdin is /dev/null */
};

/* Runs in the child, which owns @arg and @fds until it returns; returns its exit code. */
typedef int (*ipk__spawn_fn)(void *arg, size_t arg_bytes, const int *fds, size_t n_fds);

struct ipk__spawn_request {
	ipk__spawn_fn fn;
	const void *arg;
	size_t arg_bytes; /* any: beyond the size of a packet it is sent in a memfd */
	const int *fds;   /* the child gets copies */
	size_t n_fds;
	const char *name; /* NULL: the zygote's program's */
	unsigned flags;   /* IPK__SPAWN_* */
};

struct ipk__zygote_child {
	pid_t pid;
	int pidfd;     /* readable at its exit */
	int status_fd; /* then holds its status: ipk__zygote_child_status() */
};

/*
 * A zygote forked from this process now. -EDEADLK: this process has threads other than the
 * library's own quiet ones (os/thread.c), so a fork of it might hang, and there is no process-wide
 * zygote (ipk_zygote_start()) to spawn it from. With IPK_START_FORK as @method it is a fork all the
 * same; with IPK_START_ZYGOTE it is spawned from that zygote. -EAGAIN, -ENOMEM, -EMFILE;
 * -ETIMEDOUT that zygote does not answer.
 * *ret_is_now: whether it has this process's memory as it is now, or that of the process-wide
 * zygote.
 */
int ipk__zygote_open(const char *name, ipk_start_method method, struct ipk__zygote **ret_zygote,
		     bool *ret_is_now);
/* A child of the process-wide one, in any thread. -ENODEV: there is none; -ETIMEDOUT. */
int ipk__zygote_open_by_process(const char *name, struct ipk__zygote **ret_zygote);
/*
 * Terminates it, its standby and the children that die along; reaps those of this process. NULL:
 * fine.
 */
struct ipk__zygote *ipk__zygote_close(struct ipk__zygote *z);
/*
 * For one whose fds here are not ours any more, so must not be closed: it exits by itself, or is
 * killed.
 */
struct ipk__zygote *ipk__zygote_abandon(struct ipk__zygote *z);
/*
 * Spawns a child. In any thread, several at once too. If the zygote is found dead its standby is
 * asked; the result is exactly one child, or none and an error: -EAGAIN from fork, or something
 * kills each child as it is spawned; -EPIPE zygote and standby are both dead; -ETIMEDOUT (it is
 * stopped, say); -EMFILE here or in the zygote. After an error nothing runs later either; a child
 * that did start (another thread took the last fd here in between) was killed at once.
 */
int ipk__zygote_spawn(struct ipk__zygote *z, const struct ipk__spawn_request *request,
		      ipk_deadline deadline, struct ipk__zygote_child *ret_child);
/*
 * SIGKILL for a child, by its zygote: for a requester that may no longer signal it, having given up
 * root since. Without blocking. -EPIPE the zygote is dead; -EAGAIN it does not read its requests.
 */
int ipk__zygote_kill(struct ipk__zygote *z, pid_t pid);
/* Its status, once its pidfd is readable. -ECHILD unknown: its zygote was killed too. */
int ipk__zygote_child_status(const struct ipk__zygote_child *child, ipk_deadline deadline,
			     ipk_process_status *ret_status);
void ipk__zygote_child_close(struct ipk__zygote_child *child); /* the fds */
/* For inspection and tests: the pids of the zygote and its standby, 0 when there is none. */
void ipk__zygote_pids(struct ipk__zygote *z, pid_t *ret_pid, pid_t *ret_standby_pid);

#endif
