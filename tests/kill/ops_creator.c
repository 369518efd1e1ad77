/*
 * ops_creator.c - the creator of a pool, killed while it creates, uses or closes it.
 *
 * Its futures are lost with it. Its workers and zygotes must not survive: within CALL_MS no living
 * process has the pool's memory open any more. The victim has threads and forks, so it is stepped
 * all the way to each point: a breakpoint would hit them too.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipk/pool.h"
#include "fixture.h"
#include "step.h"

enum { N_TASKS = 4, LOOK_NS = 2000000, POINTS = 60 };
enum what { CREATE, SUBMIT, MAP, CLOSE };

static const char *const kinds[] = {"create", "submit-and-get", "map", "close"};

static ipk_pool *pool; /* the victim's */

static int square(const void *item, void *result)
{
	*(int *)result = *(const int *)item * *(const int *)item;
	return 0;
}

static int square_task(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int x = *(const int *)arg * *(const int *)arg;

	(void)arg_bytes;
	return ipk_task_return(task, &x, sizeof x);
}

/* --- the victim ------------------------------------------------------------------------------- */

static int make(struct fixture *s)
{
	(void)s;
	return 0;
}

static int create(struct fixture *s)
{
	return ipk_pool_create(IPK_POOL(.label = s->name, .n_workers = 2), &pool);
}

static void ready(struct fixture *s)
{
	if (s->op->variant != CREATE && create(s) < 0)
		_exit(1);
}

static int submit_and_get(void)
{
	ipk_future *futures[N_TASKS];

	for (int i = 0; i < N_TASKS; i++)
		IPK_TRY(ipk_pool_submit(pool, square_task, &i, sizeof i, NULL, &futures[i]));
	for (int i = 0; i < N_TASKS; i++) {
		int x = -1;

		IPK_TRY(ipk_future_get(futures[i], &x, sizeof x, ipk_forever(), NULL));
		if (x != i * i)
			return -EPROTO;
		ipk_future_close(futures[i]);
	}
	return 0;
}

static int map(void)
{
	int xs[N_TASKS] = {1, 2, 3, 4}, ys[N_TASKS] = {0};

	IPK_TRY(ipk_pool_map(pool, square, xs, ys, N_TASKS, ipk_forever()));
	return ys[N_TASKS - 1] == 16 ? 0 : -EPROTO;
}

static int act(struct fixture *s)
{
	switch ((enum what)s->op->variant) {
	case CREATE:
		return create(s);
	case SUBMIT:
		return submit_and_get();
	case MAP:
		return map();
	case CLOSE:
		pool = ipk_pool_close(pool);
		return 0;
	}
	return -EINVAL;
}

/* --- the survivor ----------------------------------------------------------------------------- */

static bool has_open(pid_t pid, const char *label)
{
	char path[64], link[512];
	bool found = false;
	struct dirent *e;
	DIR *fds;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	while (fds && !found && (e = readdir(fds))) {
		ssize_t n = readlinkat(dirfd(fds), e->d_name, link, sizeof link - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strstr(link, "memfd:ipk:pool:") && strstr(link, label);
	}
	if (fds)
		closedir(fds);
	return found;
}

/* Somebody who still lives with the pool: its pid, or 0. */
static pid_t find_left(const char *label)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	pid_t left = 0;

	while (proc && left == 0 && (e = readdir(proc))) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid > 0 && pid != getpid() && has_open(pid, label))
			left = pid;
	}
	if (proc)
		closedir(proc);
	return left;
}

static void check_creator(struct fixture *s)
{
	ipk_deadline deadline = ipk_in_ms(CALL_MS);
	const struct timespec look = {.tv_nsec = LOOK_NS};
	pid_t left;

	if (atomic_load(&s->history->is_done))
		expect(s, "the victim's call", s->history->result, 0);
	while ((left = find_left(s->name)) != 0 && ipk_deadline_left_ns(deadline) > 0)
		nanosleep(&look, NULL);
	if (left != 0)
		history_fault(s->history, &s->history->faults.leaked, "process %d is left",
			      (int)left);
}

static void unmake(struct fixture *s)
{
	(void)s;
}

void ops_creator(struct op_list *list)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct op op = {.name = "pool_creator",
				.kind = kinds[i],
				.state = ONE,
				.variant = (int)i,
				.max_points = POINTS,
				.has_threads = true,
				.make = make,
				.ready = ready,
				.act = act,
				.check = check_creator,
				.unmake = unmake};

		op_add(list, &op);
	}
}
