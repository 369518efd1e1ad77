/*
 * bench_team.c - one round: forked processes that warm up, start together and are timed.
 *
 * The time is from the first side's start to the last side's end, read by each side from
 * CLOCK_MONOTONIC, which all processors share. The start barrier yields while it waits,
 * since sides may share a core.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define SIDES_MAX 8
#define WARM_UP_PART 16
#define ROUND_MAX_SECONDS 120
#define SAMPLES_MAX 8192

struct side_result {
	int64_t begin_ns;
	int64_t end_ns;
	int64_t measured_ns;
	int error;
};

struct team_page {
	_Atomic uint32_t n_ready;
	struct side_result results[SIDES_MAX];
};

/* What this side measured since the barrier. */
static int64_t samples[SAMPLES_MAX];
static size_t n_samples;
static size_t n_measured;

void bench_measured(int64_t ns)
{
	n_measured++;
	if (n_samples < SAMPLES_MAX)
		samples[n_samples++] = ns;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void bench_forget(void)
{
	n_samples = n_measured = 0;
}

/* The median as often as there were samples: what others do on the machine does not count. */
static int64_t measured_ns(void)
{
	if (n_samples == 0)
		return 0;
	qsort(samples, n_samples, sizeof *samples, compare);
	return samples[n_samples / 2] * (int64_t)n_measured;
}

void *bench_shared(size_t n_bytes)
{
	void *memory = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("ipk-bench: mmap");
		exit(1);
	}
	return memory;
}

void bench_unshare(void *memory, size_t n_bytes)
{
	munmap(memory, n_bytes);
}

/* --- processors ------------------------------------------------------------------------------- */

int bench_cpu_number(int nth)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && nth-- == 0)
			return cpu;
	return -1;
}

int bench_cpu_count(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);
}

/* "model name : AMD EPYC ..." of /proc/cpuinfo; not every architecture says it. */
static void cpu_name(char *name, size_t n_bytes)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(name, n_bytes, "unnamed processor");
	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		snprintf(name, n_bytes, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

void bench_machine(char *buf, size_t buf_bytes)
{
	struct utsname kernel;
	char name[64];

	cpu_name(name, sizeof name);
	if (uname(&kernel) < 0)
		kernel = (struct utsname){0};
	snprintf(buf, buf_bytes, "%s, %d of %ld processors, %s, Linux %s", name, bench_cpu_count(),
		 sysconf(_SC_NPROCESSORS_ONLN), kernel.machine, kernel.release);
	for (char *c = buf; *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
			*c = '\'';
}

static int pin(int nth)
{
	int cpu = nth == BENCH_ANY_CPU ? -1 : bench_cpu_number(nth);
	cpu_set_t set;

	if (nth == BENCH_ANY_CPU)
		return 0;
	if (cpu < 0)
		return -ENODEV;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

/* --- a side ----------------------------------------------------------------------------------- */

static void meet(struct team_page *page, size_t n_sides)
{
	atomic_fetch_add(&page->n_ready, 1);
	while (atomic_load(&page->n_ready) < n_sides)
		sched_yield();
}

static int run_side(const struct bench_side *side, struct team_page *page, size_t n_sides,
		    void *arg, size_t n, struct side_result *result)
{
	int r = pin(side->cpu);

	if (r == 0)
		r = side->work(arg, (n / WARM_UP_PART + 4) / 4 * 4);
	if (r < 0)
		return r;
	bench_forget();
	meet(page, n_sides);
	result->begin_ns = bench_now_ns();
	r = side->work(arg, n);
	result->end_ns = bench_now_ns();
	result->measured_ns = measured_ns();
	return r;
}

static pid_t start_side(const struct bench_side *side, struct team_page *page, size_t n_sides,
			void *arg, size_t n, struct side_result *result)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	alarm(ROUND_MAX_SECONDS);
	result->error = run_side(side, page, n_sides, arg, n, result);
	_exit(result->error < 0);
}

/* --- the team --------------------------------------------------------------------------------- */

static void kill_all(const pid_t *pids, size_t n_pids)
{
	for (size_t i = 0; i < n_pids; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
}

/* Wait for all; when one fails, the others may wait for it forever: end them. */
static int wait_all(pid_t *pids, size_t n_pids)
{
	size_t n_left = 0;
	int result = 0;
	int status;
	pid_t pid;

	for (size_t i = 0; i < n_pids; i++)
		n_left += pids[i] > 0;
	/* Servers (bench_servers.c) are children too, and stay. */
	while (n_left > 0 && (pid = wait(&status)) > 0) {
		size_t i = 0;

		while (i < n_pids && pids[i] != pid)
			i++;
		if (i == n_pids)
			continue;
		pids[i] = 0;
		n_left--;
		if (status == 0 || result < 0)
			continue;
		result = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? -ETIMEDOUT : -ECHILD;
		kill_all(pids, n_pids);
	}
	return result;
}

static void sum_up(const struct team_page *page, size_t n_sides, struct bench_time *ret_time)
{
	int64_t begin_ns = INT64_MAX;
	int64_t end_ns = 0;
	int64_t sum_ns = 0;

	for (size_t i = 0; i < n_sides; i++) {
		const struct side_result *r = &page->results[i];

		begin_ns = r->begin_ns < begin_ns ? r->begin_ns : begin_ns;
		end_ns = r->end_ns > end_ns ? r->end_ns : end_ns;
		sum_ns += r->measured_ns;
	}
	ret_time->elapsed_ns = (double)(end_ns - begin_ns);
	ret_time->measured_ns = sum_ns > 0 ? (double)sum_ns : ret_time->elapsed_ns;
}

static int first_error(const struct team_page *page, size_t n_sides, int otherwise)
{
	for (size_t i = 0; i < n_sides; i++)
		if (page->results[i].error < 0)
			return page->results[i].error;
	return otherwise;
}

int bench_team(const struct bench_side *sides, size_t n_sides, void *arg, size_t n,
	       struct bench_time *ret_time)
{
	struct team_page *page = bench_shared(sizeof *page);
	pid_t pids[SIDES_MAX] = {0};
	int r = 0;

	fflush(NULL);
	for (size_t i = 0; i < n_sides && r == 0; i++) {
		pids[i] = start_side(&sides[i], page, n_sides, arg, n, &page->results[i]);
		if (pids[i] < 0)
			r = -errno;
	}
	if (r < 0)
		kill_all(pids, n_sides);
	r = wait_all(pids, n_sides) < 0 && r == 0 ? first_error(page, n_sides, -ECHILD) : r;
	if (r == 0)
		sum_up(page, n_sides, ret_time);
	bench_unshare(page, sizeof *page);
	return r;
}
