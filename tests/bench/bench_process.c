/*
 * bench_process.c - starting a process that does nothing and waiting for its end. Both are
 * done in a fresh small process, since a fork costs what its parent's memory costs.
 */
#include <sys/wait.h>
#include <unistd.h>

#include <ipk.h>

#include "bench.h"

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int start_and_join(void)
{
	IPK_AUTO(process) *child = NULL;
	ipk_process_status status;

	ipk_try(ipk_process_start(nothing, NULL, NULL, &child));
	ipk_try(ipk_process_join(child, ipk_forever(), &status));
	return status.exit_code == 0 ? 0 : -ECHILD;
}

static int ipk_parent(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		ipk_try(start_and_join());
	return 0;
}

static int fork_parent(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			return -ECHILD;
	}
	return 0;
}

static int ours(size_t n, struct bench_time *ret_time)
{
	return bench_team(&(struct bench_side){ipk_parent, BENCH_ANY_CPU}, 1, NULL, n, ret_time);
}

static int peer_fork(size_t n, struct bench_time *ret_time)
{
	return bench_team(&(struct bench_side){fork_parent, BENCH_ANY_CPU}, 1, NULL, n, ret_time);
}

const struct bench_row bench_process_rows[] = {
	{
		.name = "process start+join",
		.unit = "us",
		.scale = 1e-3,
		.n_cpus = 1,
		.ours = {"ipk_process", ours},
		.peers = {{"fork, _exit, waitpid", peer_fork, 0.85}},
	},
	{0},
};
