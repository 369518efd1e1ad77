/* memory_group.c - see memory_group.h: control groups of either version. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/memory_group.h"

static bool write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;
	bool is_ok;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f)
		return false;
	is_ok = fputs(text, f) >= 0;
	return fclose(f) == 0 && is_ok;
}

bool memory_group_make(char ret_dir[MEMORY_GROUP_DIR_BYTES])
{
	static const struct {
		const char *top, *limit;
	} versions[] = {
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	};
	char bytes[32];

	snprintf(bytes, sizeof bytes, "%zu", MEMORY_GROUP_BYTES);
	for (int i = 0; i < 2; i++) {
		snprintf(ret_dir, MEMORY_GROUP_DIR_BYTES, "%s/ipk-test-%d", versions[i].top,
			 (int)getpid());
		if (mkdir(ret_dir, 0755) < 0)
			continue;
		if (write_file(ret_dir, versions[i].limit, bytes))
			return true;
		rmdir(ret_dir);
	}
	fprintf(stderr, "skipped: no memory control group can be made here\n");
	return false;
}

bool memory_group_enter(const char *dir)
{
	return write_file(dir, "cgroup.procs", "0");
}

void memory_eat(size_t n_bytes)
{
	volatile char *bytes = malloc(n_bytes);

	for (size_t i = 0; bytes && i < n_bytes; i += 4096)
		bytes[i] = 1;
}
