/*
 * cpu_quota.h - finding and reading a CPU quota in the kernel's text files.
 *
 * Pure: text in, numbers and paths out. lib/os/cpu.c reads the files.
 */
#ifndef IPK_CPU_QUOTA_H
#define IPK_CPU_QUOTA_H

#include <stdbool.h>

enum { IPK__CGROUP_PATH_MAX = 1024 };

/* Which control group rules over this process. Starts as all zero but @controller. */
struct ipk__cgroup {
	const char *controller;           /* what it rules over; NULL: "cpu" */
	int version;                      /* 1 or 2; 0 none found yet */
	char path[IPK__CGROUP_PATH_MAX];  /* "/" or "/a/b": within @mount, once that is known */
	char mount[IPK__CGROUP_PATH_MAX]; /* where its hierarchy is mounted; "" not found yet */
};

/* Takes a line of /proc/self/cgroup into account. */
void ipk__cgroup_take_path(struct ipk__cgroup *group, const char *line);

/* Takes a line of /proc/self/mountinfo into account, after all those above. */
void ipk__cgroup_take_mount(struct ipk__cgroup *group, const char *line);

/* Goes to the group above; false at the root. */
bool ipk__cgroup_to_parent(struct ipk__cgroup *group);

/* "QUOTA PERIOD" in microseconds as processors, rounded up; INT_MAX when there is no limit. */
int ipk__cpu_quota_parse(const char *text);

#endif
