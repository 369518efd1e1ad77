/*
 * cpu_quota.h - finding and reading a CPU quota in the kernel's text files.
 *
 * Pure: text in, numbers and paths out. lib/os/cpu.c reads the files.
 */
#ifndef IPK_CPU_QUOTA_H
#define IPK_CPU_QUOTA_H

#include <stdbool.h>

enum { IPK__CGROUP_PATH_MAX = 1024 };

/* The control group of this process. Starts as all zero except @controller. */
struct ipk__cgroup {
	const char *controller;          /* whose limits count; NULL: "cpu" */
	int version;                     /* 1 or 2; 0 not found yet */
	char path[IPK__CGROUP_PATH_MAX]; /* "/" or "/a/b": relative to @mount, once that is known */
	char mount[IPK__CGROUP_PATH_MAX]; /* mount point of its hierarchy; "" not found yet */
};

/* Parses a line of /proc/self/cgroup. */
void ipk__cgroup_take_path(struct ipk__cgroup *group, const char *line);

/* Parses a line of /proc/self/mountinfo, after all those above. */
void ipk__cgroup_take_mount(struct ipk__cgroup *group, const char *line);

/* Moves to the parent group; false at the root. */
bool ipk__cgroup_to_parent(struct ipk__cgroup *group);

/* "QUOTA PERIOD" in microseconds as processors, rounded up; INT_MAX when there is no limit. */
int ipk__cpu_quota_parse(const char *text);

#endif
