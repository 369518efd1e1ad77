/* mappings.c - which file is mapped where in another process: /proc/PID/maps. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define DELETED " (deleted)" /* behind the path of a file that has none any more */

/* A line of it: addresses, and the path, which is "" where no file is. */
struct mapping {
	uint64_t start, end;
	char path[PATH_MAX + 32];
};

/* Too much for a small stack. */
struct reader {
	FILE *file;
	struct mapping m;
	char line[PATH_MAX + 128];
	char path[PATH_MAX + 32]; /* of the mapping before */
};

static bool read_mapping(struct reader *reader)
{
	struct mapping *m = &reader->m;
	char *line = reader->line;
	int path_at = 0;

	if (!fgets(line, sizeof reader->line, reader->file))
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

static int find(struct reader *reader, uint64_t address, uint64_t *ret_start)
{
	const struct mapping *m = &reader->m;
	uint64_t start = 0;

	reader->path[0] = '\0';
	while (read_mapping(reader)) {
		if (strcmp(m->path, reader->path) != 0) {
			strcpy(reader->path, m->path);
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
	IPK__UNCANCELLED();
	struct reader *reader = ipk__os_malloc(sizeof *reader);
	char path[32];
	int r;

	if (!reader)
		return -ENOMEM;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	reader->file = ipk__os_fopen(path);
	if (!reader->file) {
		r = errno == ENOENT ? -ESRCH : -errno;
		free(reader);
		return r;
	}
	r = find(reader, address, ret_start);
	if (r == 0)
		copy_name(reader->m.path, buf, buf_bytes);
	fclose(reader->file);
	free(reader);
	return r;
}
