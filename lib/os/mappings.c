/* mappings.c - which file lies where in another process's memory: /proc/PID/maps. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"
#include "os/os_internal.h"

#define DELETED " (deleted)" /* behind the path of a file that has none any more */

/* A line of it: addresses, and the path, which is "" where no file is. */
struct mapping {
	uint64_t start, end;
	char path[PATH_MAX + 32];
};

static bool read_mapping(FILE *file, struct mapping *m)
{
	char line[PATH_MAX + 128];
	int path_at = 0;

	if (!fgets(line, sizeof line, file))
		return false;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", &m->start, &m->end,
		   &path_at) < 2 ||
	    path_at == 0)
		return false;
	line[strcspn(line, "\n")] = '\0';
	snprintf(m->path, sizeof m->path, "%s", line + path_at);
	return true;
}

static void copy_name(char *path, char *buf, size_t buf_bytes)
{
	size_t n = strlen(path), n_deleted = strlen(DELETED);

	if (n > n_deleted && strcmp(path + n - n_deleted, DELETED) == 0)
		path[n - n_deleted] = '\0';
	snprintf(buf, buf_bytes, "%s", strrchr(path, '/') + 1);
}

static int find(FILE *file, uint64_t address, struct mapping *m, uint64_t *ret_start)
{
	char path[sizeof m->path] = "";
	uint64_t start = 0;

	while (read_mapping(file, m)) {
		if (strcmp(m->path, path) != 0) {
			strcpy(path, m->path);
			start = m->start;
		}
		if (address < m->start)
			break;
		if (address < m->end && m->path[0] == '/') {
			*ret_start = start;
			return 0;
		}
	}
	return -ENOENT;
}

int ipk__os_mapped_file(pid_t pid, uint64_t address, char *buf, size_t buf_bytes,
			uint64_t *ret_start)
{
	struct mapping m;
	char path[32];
	FILE *file;
	int r;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	file = ipk__os_fopen(path);
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	r = find(file, address, &m, ret_start);
	if (r == 0)
		copy_name(m.path, buf, buf_bytes);
	fclose(file);
	return r;
}
