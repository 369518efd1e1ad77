/*
 * worlds.h - processes in odd surroundings: without /proc, with another pid namespace's or one
 * that hides processes, with clocks that are set otherwise, without calls that newer kernels have.
 */
#ifndef IPK_TESTS_WORLDS_H
#define IPK_TESTS_WORLDS_H

#include <stdbool.h>
#include <sys/types.h>

enum {
	WORLD_NO_PROC = 1 << 0,      /* /proc is not mounted */
	WORLD_FOREIGN_PROC = 1 << 1, /* the first of a pid namespace, with /proc of the outer one */
	WORLD_LATE = 1 << 2,         /* its clocks are 1,000,000 s later */
	WORLD_YOUNG = 1 << 3,        /* its clocks began a second ago */
	WORLD_NO_PIDFD = 1 << 4,     /* as on an old kernel, or under a strict seccomp filter */
	WORLD_HIDDEN = 1 << 5,       /* /proc shows a user, who is not root, none but itself */
};

/*
 * Starts @fn in such a world, as a fork; its return value is the exit code, a failed assertion
 * is 1. -1: that world may not be made here (the reason is printed).
 */
pid_t spawn_in_world(int world, int (*fn)(void *arg), void *arg);

/* WORLD_LATE or WORLD_YOUNG for the children of this process alone. -errno: it may not. */
int shift_childrens_clocks(int world);

/* A fork that gets the number @pid; -1: it may not. */
pid_t spawn_as_pid(pid_t pid, int (*fn)(void *arg), void *arg);

#endif
