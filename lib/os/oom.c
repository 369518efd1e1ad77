/*
 * oom.c - the number of OOM kills in this process's control group.
 *
 * cgroups(7): memory.events of v2 and memory.oom_control of v1 each have a line "oom_kill N". The
 * group's directory is looked up once; without one the number is unknown.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu_quota.h"
#include "os/os.h"
#include "os/uncancelled.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char *counter_path; /* NULL: not known */

static void find_counter(void)
{
	struct ipk__cgroup group = {.controller = "memory"};
	const char *file = "memory.oom_control";
	size_t n_bytes;

	ipk__os_find_cgroup(&group);
	if (group.mount[0] == '\0')
		return;
	if (group.version == 2)
		file = "memory.events";
	n_bytes = strlen(group.mount) + strlen(group.path) + strlen(file) + sizeof "/";
	counter_path = ipk__os_malloc(n_bytes);
	if (counter_path)
		snprintf(counter_path, n_bytes, "%s%s/%s", group.mount, group.path, file);
}

int ipk__os_oom_kills(uint64_t *ret_n)
{
	IPK__UNCANCELLED();
	char text[1024];
	const char *line;
	ssize_t n;
	int fd;

	pthread_once(&once, find_counter);
	if (!counter_path || ipk__os_take_fd(open(counter_path, O_RDONLY | O_CLOEXEC), &fd) < 0)
		return -EOPNOTSUPP;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	line = strstr(text, "oom_kill ");
	if (!line)
		return -EOPNOTSUPP;
	*ret_n = strtoull(line + strlen("oom_kill "), NULL, 10);
	return 0;
}
