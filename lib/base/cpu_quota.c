/*
 * cpu_quota.c - finding and reading a CPU quota in the kernel's text files.
 *
 * Formats: cgroups(7), proc(5) for mountinfo, and the kernel's admin-guide/cgroup-v2.rst for
 * cpu.max. A group's path is relative to the root of its hierarchy, but a container often has only
 * a subtree mounted: the path is made relative to that subtree. A controller belongs to one
 * hierarchy only: if a v1 hierarchy has it, v2 does not list it. Anything unparsable counts as no
 * limit: the result is then the CPU affinity alone, never an error.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu_quota.h"

static const char *controller_of(const struct ipk__cgroup *group)
{
	return group->controller ? group->controller : "cpu";
}

/* Whether the comma-separated list of @n characters has @controller. */
static bool has(const char *list, size_t n, const char *controller)
{
	const char *end = list + n;
	size_t wanted = strlen(controller);

	while (list < end) {
		size_t word = strcspn(list, ",:\n");

		if (word == wanted && memcmp(list, controller, wanted) == 0)
			return true;
		list += word + 1;
	}
	return false;
}

/* 1 or 2 when @line ("ID:controllers:path") is of the hierarchy that is wanted, else 0. */
static int version_of(const char *line, const char *controller, const char **ret_path)
{
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path || path[1] != '/')
		return 0;
	*ret_path = path + 1;
	if (strncmp(line, "0::", 3) == 0)
		return 2;
	return has(controllers + 1, (size_t)(path - controllers - 1), controller) ? 1 : 0;
}

void ipk__cgroup_take_path(struct ipk__cgroup *group, const char *line)
{
	const char *path;
	int version = version_of(line, controller_of(group), &path);
	size_t n;

	if (version == 0 || group->version == 1)
		return;
	n = strcspn(path, "\n");
	if (n >= sizeof group->path)
		return;
	memcpy(group->path, path, n);
	group->path[n] = '\0';
	group->version = version;
}

/* Whether the text after " - " in a mountinfo line ("type source options") fits. */
static bool is_hierarchy(const char *text, int version, const char *controller)
{
	char type[16], options[256];

	if (sscanf(text, "%15s %*s %255s", type, options) != 2)
		return false;
	if (version == 2)
		return strcmp(type, "cgroup2") == 0;
	return strcmp(type, "cgroup") == 0 && has(options, strlen(options), controller);
}

/* @path as seen from @root, both absolute; NULL when it is not inside. */
static const char *path_below(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	/* "/..": the process sits outside its cgroup namespace, where no file can be seen. */
	if (strncmp(path + n, "/..", 3) == 0)
		return NULL;
	return path[n] == '\0' ? "/" : path + n;
}

void ipk__cgroup_take_mount(struct ipk__cgroup *group, const char *line)
{
	char root[IPK__CGROUP_PATH_MAX], mount[IPK__CGROUP_PATH_MAX];
	const char *rest = strstr(line, " - ");
	const char *below;

	if (group->version == 0 || group->mount[0] != '\0' || !rest)
		return;
	if (!is_hierarchy(rest + 3, group->version, controller_of(group)))
		return;
	if (sscanf(line, "%*s %*s %*s %1023s %1023s", root, mount) != 2)
		return;
	below = path_below(group->path, root);
	if (!below)
		return;
	memmove(group->path, below, strlen(below) + 1);
	memcpy(group->mount, mount, strlen(mount) + 1);
}

bool ipk__cgroup_to_parent(struct ipk__cgroup *group)
{
	char *slash = strrchr(group->path, '/');

	if (!slash || strcmp(group->path, "/") == 0)
		return false;
	slash[slash == group->path] = '\0';
	return true;
}

int ipk__cpu_quota_parse(const char *text)
{
	char *end;
	long long quota_us = strtoll(text, &end, 10);
	long long period_us = strtoll(end, NULL, 10);
	long long n_cpus;

	/* "max" (v2) reads as 0 here, and v1 writes -1 for no limit. */
	if (quota_us <= 0 || period_us <= 0)
		return INT_MAX;
	n_cpus = quota_us / period_us + (quota_us % period_us != 0);
	return n_cpus < INT_MAX ? (int)n_cpus : INT_MAX;
}
