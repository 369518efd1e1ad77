/*
 * bench_pool.c - pools: maps of tiny items, single tasks, arrays in place, programs run.
 *
 * Each side is a new process that creates its pool during the warm-up, so the time excludes
 * starting workers. A tiny task does next to nothing: the rows show the cost of a task.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipk.h>

#include "bench.h"
#include "peer_openmp.h"

#define N_WORKERS 2
#define MANY_WORKERS 64
#define ARRAY_DOUBLES ((size_t)8 << 20) /* 64 MB */
#define PIPELINED 100000
#define MILLION ((size_t)1000000)
#define N_WARM_UP 8
#define PRIVATE_LIMIT_BYTES 1.5e6

static ipk_pool *pool; /* of a side: it ends with it */

static int need_pool(unsigned n_workers)
{
	return pool ? 0 : ipk_pool_create(IPK_POOL(.n_workers = n_workers), &pool);
}

/* --- maps ------------------------------------------------------------------------------------- */

static int square(const void *item, void *result)
{
	const double *x = item;

	*(double *)result = *x * *x;
	return 0;
}

static int map(size_t n, size_t chunk)
{
	double *xs = malloc(n * sizeof *xs);
	double *ys = malloc(n * sizeof *ys);
	int64_t begin_ns;
	int r = xs && ys ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		xs[i] = (double)i;
		ys[i] = -1;
	}
	begin_ns = bench_now_ns();
	if (r == 0)
		r = ipk_pool_map_items(pool, square, xs, sizeof *xs, ys, sizeof *ys, n,
				       IPK_TASK(.chunk = chunk), ipk_forever());
	bench_measured(bench_now_ns() - begin_ns);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = ys[i] == xs[i] * xs[i] ? 0 : -EPROTO;
	free(xs);
	free(ys);
	return r;
}

static int map_one(void *arg, size_t n)
{
	(void)arg;
	IPK_TRY(need_pool(N_WORKERS));
	return map(n, 1);
}

static int map_chunks(void *arg, size_t n)
{
	(void)arg;
	IPK_TRY(need_pool(N_WORKERS));
	return map(n, 0);
}

/*
 * About a million at a time. A pool's first maps are slower, the more the more workers there are:
 * each page of their memory has to come into the tables of each process once.
 */
static int map_million(unsigned n_workers, size_t n)
{
	static bool is_warm;
	size_t n_maps = n / MILLION + 1;

	IPK_TRY(need_pool(n_workers));
	for (int i = 0; i < N_WARM_UP && !is_warm; i++)
		IPK_TRY(map(MILLION, 1));
	is_warm = true;
	bench_forget();
	for (size_t i = 0; i < n_maps; i++)
		IPK_TRY(map(n / n_maps, 1));
	return 0;
}

static int map_many(void *arg, size_t n)
{
	(void)arg;
	return map_million(MANY_WORKERS, n);
}

static int map_few(void *arg, size_t n)
{
	(void)arg;
	return map_million(N_WORKERS, n);
}

/* --- arrays in place -------------------------------------------------------------------------- */

static int scale(const void *items, void *results, size_t first, size_t n_items)
{
	const double *in = items;
	double *out = results;

	(void)first;
	for (size_t i = 0; i < n_items; i++)
		out[i] = in[i] * 1.0000001 + 1;
	return 0;
}

static int map_array(void *arg, size_t n)
{
	static ipk_array *array;

	(void)arg;
	IPK_TRY(need_pool(N_WORKERS));
	if (!array)
		IPK_TRY(ipk_array_create(
			IPK_ARRAY(.typecode = 'd', .n_items = ARRAY_DOUBLES, .is_raw = true),
			&array));
	for (size_t i = 0; i < n; i++)
		IPK_TRY(ipk_pool_map_array(pool, scale, array, array, NULL, ipk_forever()));
	return 0;
}

/* --- single tasks ----------------------------------------------------------------------------- */

static int square_task(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int64_t x;

	memcpy(&x, arg, arg_bytes);
	x *= x;
	return ipk_task_return(task, &x, sizeof x);
}

static int check_result(ipk_future *f, int64_t x)
{
	int64_t y;

	IPK_TRY(ipk_future_get(f, &y, sizeof y, ipk_forever(), NULL));
	return y == x * x ? 0 : -EPROTO;
}

static int one_at_a_time(void *arg, size_t n)
{
	(void)arg;
	IPK_TRY(need_pool(1)); /* one: it stays awake */
	for (int64_t i = 0; i < (int64_t)n; i++) {
		IPK_AUTO(future, f);

		IPK_TRY(ipk_pool_submit(pool, square_task, &i, sizeof i, NULL, &f));
		IPK_TRY(check_result(f, i));
	}
	return 0;
}

static int pipelined(void *arg, size_t n)
{
	static ipk_future *futures[PIPELINED];

	(void)arg;
	IPK_TRY(need_pool(N_WORKERS));
	while (n > 0) {
		size_t part = n < PIPELINED ? n : PIPELINED;

		for (size_t i = 0; i < part; i++) {
			int64_t x = (int64_t)i;

			IPK_TRY(ipk_pool_submit(pool, square_task, &x, sizeof x, NULL,
						&futures[i]));
		}
		for (size_t i = 0; i < part; i++) {
			IPK_TRY(check_result(futures[i], (int64_t)i));
			futures[i] = ipk_future_close(futures[i]);
		}
		n -= part;
	}
	return 0;
}

/* --- programs --------------------------------------------------------------------------------- */

static int run_program(const void *item, void *result)
{
	IPK_AUTO(process, child);
	ipk_process_status status;

	(void)item;
	IPK_TRY(ipk_process_start(
		NULL, NULL, IPK_PROCESS(.start_method = IPK_START_EXEC, .program = BENCH_NOOP),
		&child));
	IPK_TRY(ipk_process_join(child, ipk_forever(), &status));
	*(int *)result = status.exit_code;
	return 0;
}

static int run_programs(void *arg, size_t n)
{
	int *numbers = calloc(n, sizeof *numbers);
	int *codes = calloc(n, sizeof *codes);
	int r = numbers && codes ? need_pool(N_WORKERS) : -ENOMEM;

	(void)arg;
	if (r == 0)
		r = ipk_pool_map(pool, run_program, numbers, codes, n, ipk_forever());
	for (size_t i = 0; r == 0 && i < n; i++)
		r = codes[i] == 0 ? 0 : -ECHILD;
	free(numbers);
	free(codes);
	return r;
}

static int shell(const char *command_format, size_t n, struct bench_time *ret_time)
{
	char command[512];
	int64_t begin_ns;
	int status;

	snprintf(command, sizeof command, command_format, n, BENCH_NOOP);
	begin_ns = bench_now_ns();
	status = system(command); /* NOLINT(cert-env33-c): a peer is a command */
	ret_time->elapsed_ns = ret_time->measured_ns = (double)(bench_now_ns() - begin_ns);
	return status == 0 ? 0 : -ENOSYS;
}

static int xargs(size_t n, struct bench_time *t)
{
	return shell("seq %zu | xargs -P2 -n1 '%s'", n, t);
}

static int parallel(size_t n, struct bench_time *t)
{
	return shell("command -v parallel >/dev/null && seq %zu | "
		     "parallel --will-cite -j2 '%s' >/dev/null 2>&1",
		     n, t);
}

/* --- memory ----------------------------------------------------------------------------------- */

static double private_bytes(pid_t pid)
{
	char path[64], line[256];
	unsigned long kb, sum = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Private_Clean: %lu", &kb) == 1 ||
		    sscanf(line, "Private_Dirty: %lu", &kb) == 1)
			sum += kb;
	if (f)
		fclose(f);
	return (double)sum * 1024;
}

static int tell_pid(const void *item, void *result)
{
	(void)item;
	*(pid_t *)result = getpid();
	return 0;
}

static int idle_memory(size_t n, struct bench_time *ret_time)
{
	IPK_AUTO(pool, idle);
	int item = 0;
	pid_t pid;

	(void)n;
	IPK_TRY(ipk_pool_create(IPK_POOL(.n_workers = 1), &idle));
	IPK_TRY(ipk_pool_map(idle, tell_pid, &item, &pid, 1, ipk_forever()));
	sleep(1);
	ret_time->elapsed_ns = ret_time->measured_ns = private_bytes(pid);
	return ret_time->measured_ns > 0 ? 0 : -ENOSYS;
}

static int idle_limit(size_t n, struct bench_time *ret_time)
{
	(void)n;
	ret_time->elapsed_ns = ret_time->measured_ns = PRIVATE_LIMIT_BYTES;
	return 0;
}

/* --- the contenders --------------------------------------------------------------------------- */

#define SIDE(name, work)                                                                     \
	static int name(size_t n, struct bench_time *t)                                      \
	{                                                                                    \
		return bench_team(&(struct bench_side){work, BENCH_ANY_CPU}, 1, NULL, n, t); \
	}
#define PYTHON(name, what)                                       \
	static int name(size_t n, struct bench_time *t)          \
	{                                                        \
		return bench_python("peer_pool.py", what, n, t); \
	}

SIDE(ours_map_one, map_one)
SIDE(ours_map_chunks, map_chunks)
SIDE(ours_map_many, map_many)
SIDE(ours_map_few, map_few)
SIDE(ours_array, map_array)
SIDE(ours_one, one_at_a_time)
SIDE(ours_pipelined, pipelined)
SIDE(ours_programs, run_programs)
SIDE(openmp_tasks, bench_openmp_tasks)
SIDE(openmp_loop, bench_openmp_loop)
SIDE(openmp_array, bench_openmp_array)
PYTHON(python_map_one, "map_one")
PYTHON(python_map, "map_chunks")
PYTHON(python_apply, "apply")
PYTHON(python_apply_async, "apply_async")
PYTHON(executor_one, "executor_one")
PYTHON(executor_submit, "executor_submit")

#define RATE(text, unit_, scale_, ours_, ...)                                               \
	{                                                                                   \
		.name = text, .unit = unit_, .is_rate = true, .scale = scale_, .n_cpus = 2, \
		.ours = {"ipk_pool", ours_}, .peers = {                                     \
			__VA_ARGS__                                                         \
		}                                                                           \
	}

const struct bench_row bench_pool_rows[] = {
	RATE("pool map, tiny items, chunk 1", "k/s", 1e-3, ours_map_one,
	     {"Python Pool.map chunksize=1", python_map_one, 60},
	     {"OpenMP tasks", openmp_tasks, 0.15}),
	RATE("pool map, tiny items, automatic chunks", "k/s", 1e-3, ours_map_chunks,
	     {"Python Pool.map", python_map, 2}, {"OpenMP dynamic loop", openmp_loop, 0.7}),
	{
		.name = "pool submit and get, one at a time, awake",
		.unit = "us",
		.scale = 1e-3,
		.n_cpus = 2,
		.ours = {"ipk_pool", ours_one},
		.peers = {{"Python apply_async().get()", python_apply, 20},
			  {"Python ProcessPoolExecutor", executor_one, 30}},
	},
	RATE("pool submit, pipelined 100,000", "k/s", 1e-3, ours_pipelined,
	     {"Python apply_async", python_apply_async, 40},
	     {"Python ProcessPoolExecutor", executor_submit, 150}),
	RATE("pool map in place, 64 MB of doubles", "passes/s", 1, ours_array,
	     {"OpenMP parallel for", openmp_array, 0.9}),
	RATE("pool runs programs", "/s", 1, ours_programs, {"GNU parallel -j2", parallel, 5},
	     {"xargs -P2", xargs, 0.9}),
	RATE("pool of 64 workers, tiny items, chunk 1", "k/s", 1e-3, ours_map_many,
	     {"2 workers", ours_map_few, 0.7}),
	{
		.name = "pool, an idle worker's private memory",
		.unit = "KB",
		.scale = 1e-3,
		.n_cpus = 1,
		.is_counted = true,
		.ours = {"ipk_pool", idle_memory},
		.peers = {{"limit", idle_limit, 1}},
	},
	{0},
};
