/*
 * cpu.c - processors: the current one, and how many this process may use.
 *
 * The count is the minimum of the CPU affinity (which includes cpusets) and the CPU quotas of the
 * process's control group and all its ancestors: a container on a large machine is usually limited
 * by its quota alone, and a worker per core of the machine would be throttled. The affinity is
 * queried each time, one cheap call, because programs change it; quotas are set from outside and
 * rarely change, so they are read once per process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/cpu_quota.h"
#include "ipk/process.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

/* The pid in the upper half, the quota in the lower: one word, so that both fit together. */
static _Atomic uint64_t quota_of_pid;

int ipk__os_cpu(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : cpu;
}

void ipk__os_yield(void)
{
	sched_yield();
}

/* How many CPUs a mask of @n_cpus bits says; -EINVAL when the kernel's mask is longer. */
static int count_affinity(int n_cpus)
{
	cpu_set_t *set = CPU_ALLOC(n_cpus);
	size_t n_bytes = CPU_ALLOC_SIZE(n_cpus);
	int n;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(n_bytes, set);
	n = sched_getaffinity(0, n_bytes, set) < 0 ? -errno : CPU_COUNT_S(n_bytes, set);
	CPU_FREE(set);
	return n;
}

static int affinity(void)
{
	int n = -EINVAL;

	for (int n_cpus = CPU_SETSIZE; n == -EINVAL && n_cpus <= 1 << 20; n_cpus *= 4)
		n = count_affinity(n_cpus);
	if (n < 0)
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return IPK__MAX(n, 1);
}

static void each_line(const char *path, void (*take)(struct ipk__cgroup *, const char *),
		      struct ipk__cgroup *group)
{
	FILE *file = ipk__os_fopen(path);
	char *line = NULL;
	size_t n_bytes = 0;

	if (!file)
		return;
	while (getline(&line, &n_bytes, file) >= 0)
		take(group, line);
	free(line);
	fclose(file);
}

/* Appends what a file in the group's directory says to @text; nothing if it is not there. */
static void append_file(const struct ipk__cgroup *group, const char *name, char *text,
			size_t n_bytes)
{
	char path[2 * IPK__CGROUP_PATH_MAX + 32];
	size_t used = strlen(text);
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s%s/%s", group->mount, group->path, name);
	if (ipk__os_take_fd(open(path, O_RDONLY | O_CLOEXEC), &fd) < 0)
		return;
	n = read(fd, text + used, n_bytes - used - 1);
	close(fd);
	text[used + (n > 0 ? (size_t)n : 0)] = '\0';
}

static int quota_here(const struct ipk__cgroup *group)
{
	char text[128] = "";

	if (group->version == 2) {
		append_file(group, "cpu.max", text, sizeof text);
	} else {
		append_file(group, "cpu.cfs_quota_us", text, sizeof text / 2);
		append_file(group, "cpu.cfs_period_us", text, sizeof text);
	}
	return ipk__cpu_quota_parse(text);
}

void ipk__os_find_cgroup(struct ipk__cgroup *group)
{
	IPK__UNCANCELLED();
	each_line("/proc/self/cgroup", ipk__cgroup_take_path, group);
	each_line("/proc/self/mountinfo", ipk__cgroup_take_mount, group);
}

static int read_quota(void)
{
	struct ipk__cgroup group = {0};
	int n_cpus;

	ipk__os_find_cgroup(&group);
	if (group.mount[0] == '\0')
		return INT_MAX;
	n_cpus = quota_here(&group);
	while (ipk__cgroup_to_parent(&group)) {
		int above = quota_here(&group);

		n_cpus = IPK__MIN(n_cpus, above);
	}
	return n_cpus;
}

static int quota(void)
{
	uint64_t pid = (uint64_t)ipk__os_pid();
	uint64_t known = atomic_load_explicit(&quota_of_pid, memory_order_relaxed);

	/* Relaxed: the word is all there is, and two threads that race find the same. */
	if (known >> 32 != pid) {
		known = pid << 32 | (uint64_t)read_quota();
		atomic_store_explicit(&quota_of_pid, known, memory_order_relaxed);
	}
	return (int)(known & UINT32_MAX);
}

unsigned ipk_cpu_count(void)
{
	int n_affinity = affinity();
	int n_quota = quota();

	return (unsigned)IPK__MIN(n_affinity, n_quota);
}

int ipk__os_cpu_online(void)
{
	static _Atomic int cached;
	int n = atomic_load_explicit(&cached, memory_order_relaxed);

	if (n == 0) {
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
		n = n < 1 ? 1 : n;
		atomic_store_explicit(&cached, n, memory_order_relaxed);
	}
	return n;
}
