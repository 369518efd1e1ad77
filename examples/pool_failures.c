/*
 * pool_failures.c - how a task can fail, and what its future then returns.
 *
 * No call hangs and no other task is lost: each failure is a value with its cause, the worker is
 * replaced, and the last task of the program runs normally.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ipk.h>

static int complain(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg, (void)arg_bytes;
	return ipk_task_fail(task, -ENOENT, "there is no %s", "spoon");
}

static int crash(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task, (void)arg, (void)arg_bytes;
	kill(getpid(), SIGKILL);
	return 0;
}

static int leave(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task, (void)arg, (void)arg_bytes;
	exit(3);
}

static int never_end(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task, (void)arg, (void)arg_bytes;
	while (pause() < 0)
		continue;
	return 0;
}

/* Told by its soft time limit, and ends by itself. */
static int be_told(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg, (void)arg_bytes;
	while (!ipk_task_should_stop(task))
		usleep(1000);
	return ipk_task_fail(task, -EINTR, "stopped half way");
}

/* Dies once, then does it. */
static int be_unlucky(ipk_task *task, const void *arg, size_t arg_bytes)
{
	if (ipk_task_attempt(task) == 1)
		return crash(task, arg, arg_bytes);
	return 0;
}

static int large(ipk_task *task, const void *arg, size_t arg_bytes)
{
	static const char data[4096];

	(void)arg, (void)arg_bytes;
	return ipk_task_return(task, data, sizeof data);
}

static const int64_t ms_ns = 1000000;

/* One after the other: what is expected of each, and what came. */
static int see(ipk_pool *pool, const char *what, ipk_task_fn fn, const ipk_task_opts *opts,
	       ipk_failure_cause expected)
{
	IPK_AUTO(future, f);
	ipk_failure failure;
	int r;

	IPK_TRY(ipk_pool_submit(pool, fn, NULL, 0, opts, &f));
	if (expected == IPK_FAILURE_CANCELLED) {
		while (ipk_future_state_of(f) == IPK_FUTURE_PENDING)
			usleep(1000);
		IPK_TRY(ipk_future_cancel(f));
	}
	r = ipk_future_get(f, NULL, 0, ipk_in_ms(20000), NULL);
	IPK_TRY(ipk_future_failure(f, &failure));
	printf("%-28s %s, begun %u times, code %d: %s\n", what, ipk_errname(r), failure.n_attempts,
	       failure.code, failure.text);
	return failure.cause == expected ? 0 : -EBADMSG;
}

int main(void)
{
	IPK_AUTO(pool, pool);

	IPK_CHECK(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	IPK_CHECK(see(pool, "its own error", complain, NULL, IPK_FAILURE_TASK));
	IPK_CHECK(see(pool, "worker killed", crash, NULL, IPK_FAILURE_DIED));
	IPK_CHECK(see(pool, "worker exits", leave, NULL, IPK_FAILURE_DIED));
	IPK_CHECK(see(pool, "hard time limit", never_end, IPK_TASK(.timeout_ns = 50 * ms_ns),
		      IPK_FAILURE_TIMEOUT));
	IPK_CHECK(see(pool, "soft time limit", be_told, IPK_TASK(.soft_timeout_ns = 50 * ms_ns),
		      IPK_FAILURE_TASK));
	IPK_CHECK(see(pool, "cancelled while it runs", never_end, NULL, IPK_FAILURE_CANCELLED));
	IPK_CHECK(see(pool, "result too large", large, IPK_TASK(.max_result_bytes = 1024),
		      IPK_FAILURE_TOO_LARGE));
	IPK_CHECK(see(pool, "killed once, retried", be_unlucky, IPK_TASK(.n_retries = 2),
		      IPK_FAILURE_NONE));
	return see(pool, "keeps killing its workers", crash, IPK_TASK(.n_retries = 100),
		   IPK_FAILURE_QUARANTINED);
}
