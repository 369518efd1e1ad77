/* pool_tasks.h - pools and tasks for the tests of pools; each test runs for both kinds of workers.
 */
#ifndef IPK_TESTS_POOL_TASKS_H
#define IPK_TESTS_POOL_TASKS_H

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ipk.h"
#include "pool/pool_internal.h"
#include "support/support.h"

#define MAYBE_UNUSED __attribute__((unused))

MAYBE_UNUSED static const ipk_pool_kind kinds[] = {IPK_POOL_THREADS, IPK_POOL_PROCESSES};

/* For each kind of worker: _i. */
#define add_test_of_both(suite, test) add_loop_test(suite, test, 0, 2)

MAYBE_UNUSED static ipk_pool *pool_of(ipk_pool_kind kind, unsigned n_workers)
{
	ipk_pool *pool = NULL;

	ck_ok(ipk_pool_create(IPK_POOL(.kind = kind, .n_workers = n_workers), &pool));
	return pool;
}

MAYBE_UNUSED static int nothing(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	return 0;
}

MAYBE_UNUSED static int square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	uint64_t x;

	if (arg_bytes != sizeof x)
		return -EINVAL;
	memcpy(&x, arg, sizeof x);
	x *= x;
	return ipk_task_return(task, &x, sizeof x);
}

MAYBE_UNUSED static int echo(ipk_task *task, const void *arg, size_t arg_bytes)
{
	return ipk_task_return(task, arg, arg_bytes);
}

/* Kills its worker: for processes only. */
MAYBE_UNUSED static int die(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	raise(SIGKILL);
	return 0;
}

/* Tasks wait at it, in shared memory. */
struct task_gate {
	_Atomic uint32_t n_waiting;
	_Atomic uint32_t n_told; /* to stop */
	_Atomic uint32_t is_open;
};

/* Its argument is a struct task_gate *. */
MAYBE_UNUSED static int wait_at_gate(ipk_task *task, const void *arg, size_t arg_bytes)
{
	struct task_gate *gate;
	pid_t pid = getpid();

	(void)arg_bytes;
	memcpy(&gate, arg, sizeof gate);
	atomic_fetch_add(&gate->n_waiting, 1);
	while (!atomic_load(&gate->is_open)) {
		if (ipk_task_should_stop(task)) {
			atomic_fetch_add(&gate->n_told, 1);
			return -EINTR;
		}
		ipk__os_nap(100000);
	}
	return ipk_task_return(task, &pid, sizeof pid);
}

MAYBE_UNUSED static struct task_gate *task_gate_new(ipk_shm **ret_shm)
{
	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = sizeof(struct task_gate)), ret_shm));
	return ipk_shm_data(*ret_shm);
}

MAYBE_UNUSED static bool somebody_waits(void *arg)
{
	const struct task_gate *gate = arg;

	return atomic_load(&gate->n_waiting) > 0;
}

MAYBE_UNUSED static ipk_future *submit_gate(ipk_pool *pool, struct task_gate *gate,
					    const ipk_task_opts *opts)
{
	ipk_future *f = NULL;

	ck_ok(ipk_pool_submit(pool, wait_at_gate, &gate, sizeof gate, opts, &f));
	return f;
}

MAYBE_UNUSED static ipk_failure failure_of(ipk_future *f)
{
	ipk_failure failure;

	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_failure(f, &failure));
	return failure;
}

#endif
