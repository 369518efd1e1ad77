/*
 * pool_fixture.c - finds the processes of a pool.
 *
 * A process is signalled by a pidfd that was compared with the owner word in the pool's segment
 * after it was opened, so a process that reused the pid is never hit.
 */
#include "pool_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/pool_internal.h"
#include "shared/owner.h"

struct look {
	char state;
	int parent;
	int group;
};

/* False: it is gone. */
static bool look_at(const char *pid, struct look *ret_look)
{
	char path[64], line[512];
	const char *after_name;
	FILE *file;
	bool ok;

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fgets(line, sizeof line, file) != NULL;
	fclose(file);
	after_name = ok ? strrchr(line, ')') : NULL;
	return after_name && sscanf(after_name, ") %c %d %d", &ret_look->state, &ret_look->parent,
				    &ret_look->group) == 3;
}

struct crowd crowd_of(pid_t group)
{
	struct crowd crowd = {0, 0};
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	ck_assert_ptr_nonnull(proc);
	while ((entry = readdir(proc))) {
		struct look look;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    atoi(entry->d_name) == getpid() || !look_at(entry->d_name, &look) ||
		    look.group != group)
			continue;
		crowd.n_zombies += look.state == 'Z' && look.parent == getpid();
		crowd.n_alive += look.state != 'Z' && look.state != 'X';
	}
	closedir(proc);
	return crowd;
}

static bool nobody_is_alive(void *group)
{
	return crowd_of(*(const pid_t *)group).n_alive == 0;
}

bool is_deserted(pid_t group, int ms)
{
	return wait_until(nobody_is_alive, &group, ms);
}

static bool signal_by_pidfd(pid_t pid, uint64_t owner, int sig)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool done = false;

	if (fd < 0)
		return false;
	if (owner == 0 || ipk__owner_of(pid) == owner)
		done = syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) == 0;
	close(fd);
	return done;
}

pid_t signal_worker(const ipk_pool *pool, unsigned number, int sig)
{
	uint64_t owner = atomic_load(&pool->shared->workers[number].owner);
	pid_t pid = (pid_t)ipk__owner_id(owner);

	return pid > 1 && signal_by_pidfd(pid, owner, sig) ? pid : 0;
}

pid_t signal_zygote(const ipk_pool *pool, int sig)
{
	pid_t pid = 0, standby = 0;

	ipk__zygote_pids(pool->zygote, &pid, &standby);
	/* Both killed at once is another story: then nobody can start workers any more. */
	return pid > 1 && standby > 1 && signal_by_pidfd(pid, 0, sig) ? pid : 0;
}

uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}
