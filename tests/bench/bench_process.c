/*
 * bench_process.c - starting a process that does nothing and waiting for its end, by each method.
 * All runs in a new small process, since a fork costs as much as its parent's memory; the rows "of
 * 512 MB" measure that: there the zygote was created before the memory.
 */
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipk.h>

#include "bench.h"

#define MUCH_BYTES ((size_t)512 << 20)

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int start_and_join(const ipk_process_opts *opts)
{
	const bool is_exec = opts->start_method == IPK_START_EXEC;
	IPK_AUTO(process, child);
	ipk_process_status status;

	IPK_TRY(ipk_process_start(is_exec ? NULL : nothing, NULL, opts, &child));
	IPK_TRY(ipk_process_join(child, ipk_forever(), &status));
	return status.exit_code == 0 ? 0 : -ECHILD;
}

static int wait_for(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -ECHILD;
}

/* Once in a side: at its warm-up. */
static void touch_much(void)
{
	static void *memory;

	if (memory)
		return;
	memory = malloc(MUCH_BYTES);
	if (memory)
		memset(memory, 1, MUCH_BYTES);
}

static int start_zygote(void)
{
	static bool is_there;
	int r = is_there ? 0 : ipk_zygote_start(NULL);

	is_there = r == 0;
	return r;
}

/* --- sides ------------------------------------------------------------------------------------ */

static int by_fork(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		IPK_TRY(start_and_join(IPK_PROCESS(.start_method = IPK_START_DEFAULT)));
	return 0;
}

static int by_zygote(void *arg, size_t n)
{
	(void)arg;
	IPK_TRY(start_zygote());
	for (size_t i = 0; i < n; i++)
		IPK_TRY(start_and_join(IPK_PROCESS(.start_method = IPK_START_ZYGOTE)));
	return 0;
}

static int much_by_zygote(void *arg, size_t n)
{
	IPK_TRY(start_zygote());
	touch_much();
	return by_zygote(arg, n);
}

static int by_exec(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		IPK_TRY(start_and_join(
			IPK_PROCESS(.start_method = IPK_START_EXEC, .program = BENCH_NOOP)));
	return 0;
}

static int bare_fork(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		IPK_TRY(pid < 0 ? -EAGAIN : wait_for(pid));
	}
	return 0;
}

static int much_bare_fork(void *arg, size_t n)
{
	touch_much();
	return bare_fork(arg, n);
}

static int bare_spawn(void *arg, size_t n)
{
	char *argv[] = {BENCH_NOOP, NULL};

	(void)arg;
	for (size_t i = 0; i < n; i++) {
		pid_t pid;

		if (posix_spawn(&pid, BENCH_NOOP, NULL, NULL, argv, environ) != 0)
			return -ENOENT;
		IPK_TRY(wait_for(pid));
	}
	return 0;
}

#define CONTENDER(side)                                                                  \
	static int run_##side(size_t n, struct bench_time *ret_time)                     \
	{                                                                                \
		return bench_team(&(struct bench_side){side, BENCH_ANY_CPU}, 1, NULL, n, \
				  ret_time);                                             \
	}
CONTENDER(by_fork)
CONTENDER(by_zygote)
CONTENDER(much_by_zygote)
CONTENDER(by_exec)
CONTENDER(bare_fork)
CONTENDER(much_bare_fork)
CONTENDER(bare_spawn)

#define ROW(title, our_name, our_run, peer_name, peer_run, target)         \
	{                                                                  \
		.name = (title), .unit = "us", .scale = 1e-3, .n_cpus = 1, \
		.ours = {(our_name), run_##our_run}, .peers = {            \
			{(peer_name), run_##peer_run, (target)}            \
		}                                                          \
	}

const struct bench_row bench_process_rows[] = {
	ROW("process start+join", "ipk_process", by_fork, "fork, _exit, waitpid", bare_fork, 0.85),
	ROW("process by zygote", "ipk_process", by_zygote, "fork, _exit, waitpid", bare_fork, 0.5),
	ROW("process of 512 MB by zygote", "ipk_process", much_by_zygote, "fork, _exit, waitpid",
	    much_bare_fork, 4),
	ROW("process by exec", "ipk_process", by_exec, "posix_spawn, waitpid", bare_spawn, 0.85),
	{0},
};
