/*
 * hold_pool.c - for the scripts here: a pool at work. hold_pool PREFIX creates PREFIX-pool with
 * three workers; of its tasks one is done, one failed, one killed its worker, two run, one is
 * stopped (SIGSTOP) and two are queued. PREFIX-threads is a pool of two idle threads, PREFIX-map
 * one of one worker that is at item 17 of 100. It prints "ready PID" with the pid of a fork that
 * has both open too and does nothing, and keeps all that until its standard input ends.
 */
#include <errno.h>
#include <ipk/error.h>
#include <ipk/inspect.h>
#include <ipk/pool.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define WAIT_MS 20000

static int succeed(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	return 0;
}

static int fail(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg;
	(void)arg_bytes;
	return ipk_task_fail(task, 7, "on purpose");
}

static int die(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	return raise(SIGKILL);
}

static int run(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	while (pause() < 0)
		;
	return 0;
}

static int stop(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	return raise(SIGSTOP);
}

static int stay_at_17(const void *item, void *ret_result)
{
	(void)ret_result;
	while (*(const int *)item == 17)
		pause();
	return 0;
}

static int wait_for(ipk_pool *pool, ipk_task_fn fn, int expected)
{
	IPK_AUTO(future, f);
	int r;

	IPK_TRY(ipk_pool_submit(pool, fn, NULL, 0, NULL, &f));
	r = ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL);
	return r == expected ? 0 : r < 0 ? r : -EPROTO;
}

/* Until all three are at their tasks, and one of them is stopped. */
static int wait_for_fixture(const char *label)
{
	ipk_deadline deadline = ipk_in_ms(WAIT_MS);

	while (ipk_deadline_left_ns(deadline) > 0) {
		IPK_AUTO(inspect, snap);
		const ipk_inspect_object *o;
		size_t n_stopped = 0;

		IPK_TRY(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
		o = ipk_inspect_object_at(snap, 0);
		if (!o)
			return -ENOENT;
		for (size_t i = 0; i < o->n_workers; i++)
			n_stopped += ipk_inspect_worker_at(o, i)->is_stopped;
		if (o->n_busy == 3 && n_stopped == 1 && ipk_inspect_progress_of(o)->n_running == 3)
			return 0;
	}
	return -ETIMEDOUT;
}

static int wait_for_item(const char *label)
{
	ipk_deadline deadline = ipk_in_ms(WAIT_MS);

	while (ipk_deadline_left_ns(deadline) > 0) {
		IPK_AUTO(inspect, snap);
		const ipk_inspect_worker *w;

		IPK_TRY(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
		w = ipk_inspect_worker_at(ipk_inspect_object_at(snap, 0), 0);
		if (w && w->item == 17)
			return 0;
	}
	return -ETIMEDOUT;
}

static int begin_map(const char *label, ipk_pool **ret_pool)
{
	IPK_AUTO(future, f);
	int items[100];

	for (int i = 0; i < 100; i++)
		items[i] = i;
	IPK_TRY(ipk_pool_create(IPK_POOL(.label = label, .n_workers = 1), ret_pool));
	IPK_TRY(ipk_pool_map_async(*ret_pool, stay_at_17, items, sizeof(*items), 0, 100, NULL, &f));
	return wait_for_item(label);
}

static int wait_for_end(void)
{
	while (getchar() != EOF)
		;
	return 0;
}

static int hold(const char *prefix)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(pool, threads);
	IPK_AUTO(pool, map);
	char label[200], other[200], third[200];
	pid_t bystander;

	snprintf(label, sizeof(label), "%s-pool", prefix);
	snprintf(other, sizeof(other), "%s-threads", prefix);
	snprintf(third, sizeof(third), "%s-map", prefix);
	IPK_TRY(ipk_pool_create(IPK_POOL(.label = label, .n_workers = 3), &pool));
	IPK_TRY(ipk_pool_create(IPK_POOL(.label = other, .n_workers = 2, .kind = IPK_POOL_THREADS),
				&threads));
	IPK_TRY(wait_for(pool, succeed, 0));
	IPK_TRY(wait_for(pool, fail, -EREMOTEIO));
	IPK_TRY(wait_for(pool, die, -EOWNERDEAD));
	IPK_TRY(ipk_pool_submit(pool, stop, NULL, 0, NULL, NULL));
	for (int i = 0; i < 4; i++)
		IPK_TRY(ipk_pool_submit(pool, run, "argument", 8, NULL, NULL));
	IPK_TRY(wait_for_fixture(label));
	IPK_TRY(begin_map(third, &map));
	bystander = fork();
	if (bystander == 0)
		_exit(wait_for_end());
	printf("ready %d\n", (int)bystander);
	fflush(stdout);
	return wait_for_end();
}

int main(int argc, char **argv)
{
	int r = argc == 2 ? hold(argv[1]) : -EINVAL;

	if (r < 0)
		fprintf(stderr, "hold_pool: %s: %s\n", ipk_errname(r), ipk_strerror(r));
	return r < 0;
}
