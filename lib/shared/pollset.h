/*
 * pollset.h - an fd for foreign poll loops, made of a doorbell.
 *
 * An epoll fd of this process alone. The doorbell (a socket or FIFO shared by all) is in it
 * edge-triggered and is never read: every ring is a new edge in every process's set, and draining a
 * set takes nothing away from any other, whoever dies when. A process-wide ticker is in it too, so
 * a ring lost with its dead sender delays no reader for long. A socket whose hang-up means the end
 * of file may be in it, level-triggered.
 */
#ifndef IPK_SHARED_POLLSET_H
#define IPK_SHARED_POLLSET_H

#include <sys/types.h>

#pragma GCC visibility push(default) /* for libipk-manager */

struct ipk__pollset {
	int fd; /* -1: not requested yet */
	pid_t pid;
};

#define IPK__POLLSET_NONE ((struct ipk__pollset){.fd = -1})

/* The fd, created at the first call in each process; @hangup_fd is -1 when there is none. */
int ipk__pollset_fd(struct ipk__pollset *set, int doorbell_fd, int hangup_fd, int *ret_fd);
/* Discards the rings so far. Afterwards arm the queue and check again. */
void ipk__pollset_drain(const struct ipk__pollset *set);
void ipk__pollset_close(struct ipk__pollset *set);

#pragma GCC visibility pop

#endif
