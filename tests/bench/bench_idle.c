/*
 * bench_idle.c - the cost of an idle queue: wake-ups and processor time of a blocked get, as the
 * kernel counts them, and fds. The peer is a limit that we set ourselves.
 */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipk.h>

#include "bench.h"

#define IDLE_SECONDS 3
#define WAKE_UPS_LIMIT 10 /* a second */
#define CPU_US_LIMIT 1000 /* a second: one thousandth of a processor */
#define FDS_LIMIT 3

struct usage {
	int64_t at_ns;
	uint64_t wake_ups;
	uint64_t cpu_ns;
};

/* --- the kernel's counts ---------------------------------------------------------------------- */

static int read_wake_ups(pid_t pid, uint64_t *ret_n)
{
	char path[64];
	char line[256];
	int r = -EPROTO;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (r < 0 && fgets(line, sizeof line, f))
		if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, ret_n) == 1)
			r = 0;
	fclose(f);
	return r;
}

static int read_cpu_ns(pid_t pid, uint64_t *ret_ns)
{
	char path[64];
	int r;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -ENOSYS;
	r = fscanf(f, "%" SCNu64, ret_ns) == 1 ? 0 : -EPROTO;
	fclose(f);
	return r;
}

static int read_usage(pid_t pid, struct usage *ret_usage)
{
	IPK_TRY(read_wake_ups(pid, &ret_usage->wake_ups));
	IPK_TRY(read_cpu_ns(pid, &ret_usage->cpu_ns));
	ret_usage->at_ns = bench_now_ns();
	return 0;
}

/* --- a blocked get ---------------------------------------------------------------------------- */

static pid_t start_waiter(ipk_queue *queue)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	char item[8];

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		_exit(ipk_queue_get(queue, item, sizeof item, ipk_forever(), NULL) < 0);
	_exit(1);
}

/* What the waiter used from shortly after its start: it has learned that nothing comes. */
static int watch(pid_t pid, struct usage *ret_used)
{
	struct usage before;

	sleep(1);
	IPK_TRY(read_usage(pid, &before));
	sleep(IDLE_SECONDS);
	IPK_TRY(read_usage(pid, ret_used));
	ret_used->at_ns -= before.at_ns;
	ret_used->wake_ups -= before.wake_ups;
	ret_used->cpu_ns -= before.cpu_ns;
	return 0;
}

static int watch_idle_get(struct usage *ret_used)
{
	IPK_AUTO(queue, queue);
	pid_t pid;
	int r;

	IPK_TRY(ipk_queue_create(NULL, &queue));
	pid = start_waiter(queue);
	if (pid < 0)
		return -errno;
	r = watch(pid, ret_used);
	if (r == 0 && waitpid(pid, NULL, WNOHANG) != 0)
		return -ECHILD; /* it did not wait at all */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

static void give(double count, struct bench_time *ret_time)
{
	ret_time->elapsed_ns = count;
	ret_time->measured_ns = count;
}

/* At least one event in the whole time, so that ratios stay finite. */
static int per_second(uint64_t count, const struct usage *used, struct bench_time *ret_time)
{
	give((double)(count > 0 ? count : 1) * 1e9 / (double)used->at_ns, ret_time);
	return 0;
}

static int idle_wake_ups(size_t n, struct bench_time *ret_time)
{
	struct usage used;

	(void)n;
	IPK_TRY(watch_idle_get(&used));
	return per_second(used.wake_ups, &used, ret_time);
}

static int idle_cpu(size_t n, struct bench_time *ret_time)
{
	struct usage used;

	(void)n;
	IPK_TRY(watch_idle_get(&used));
	return per_second(used.cpu_ns / 1000, &used, ret_time);
}

/* --- fds -------------------------------------------------------------------------------------- */

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -errno;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* The most a queue uses, one that is polled too; the first brings what all share. */
static int queue_fds(size_t n, struct bench_time *ret_time)
{
	IPK_AUTO(queue, first);
	IPK_AUTO(queue, second);
	int before;
	int fd;

	(void)n;
	IPK_TRY(ipk_queue_create(NULL, &first));
	IPK_TRY(ipk_queue_fd(first, &fd));
	before = count_fds();
	IPK_TRY(ipk_queue_create(NULL, &second));
	IPK_TRY(ipk_queue_fd(second, &fd));
	give(count_fds() - before, ret_time);
	return 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

static int wake_ups_limit(size_t n, struct bench_time *ret_time)
{
	(void)n;
	give(WAKE_UPS_LIMIT, ret_time);
	return 0;
}

static int cpu_limit(size_t n, struct bench_time *ret_time)
{
	(void)n;
	give(CPU_US_LIMIT, ret_time);
	return 0;
}

static int fds_limit(size_t n, struct bench_time *ret_time)
{
	(void)n;
	give(FDS_LIMIT, ret_time);
	return 0;
}

const struct bench_row bench_idle_rows[] = {
	{
		.name = "idle get, wake-ups",
		.unit = "1/s",
		.scale = 1,
		.is_counted = true,
		.ours = {"ipk queue", idle_wake_ups},
		.peers = {{"limit", wake_ups_limit, 1}},
	},
	{
		.name = "idle get, processor time",
		.unit = "us/s",
		.scale = 1,
		.is_counted = true,
		.ours = {"ipk queue", idle_cpu},
		.peers = {{"limit", cpu_limit, 1}},
	},
	{
		.name = "queue fds",
		.unit = "fds",
		.scale = 1,
		.is_counted = true,
		.ours = {"ipk queue", queue_fds},
		.peers = {{"limit", fds_limit, 1}},
	},
	{0},
};
