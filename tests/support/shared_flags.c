/* shared_flags.c - tasks for tests of pools; see shared_flags.h. */
#include "support/shared_flags.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/support.h"

struct shared_flags *shared_flags;

void shared_flags_open(void)
{
	shared_flags = mmap(NULL, sizeof *shared_flags, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared_flags, MAP_FAILED);
}

void shared_flags_close(void)
{
	munmap(shared_flags, sizeof *shared_flags);
	shared_flags = NULL;
}

void shared_flags_raise(int flag)
{
	atomic_store(&shared_flags->flags[flag], 1);
}

static bool have_begun(void *arg)
{
	return atomic_load(&shared_flags->n_begun) >= *(int *)arg;
}

void ck_begun(int n)
{
	ck_assert(wait_until(have_begun, &n, WAIT_MS));
}

static void enter(void)
{
	int n_now = atomic_fetch_add(&shared_flags->n_now, 1) + 1;
	int most = atomic_load(&shared_flags->most);

	atomic_fetch_add(&shared_flags->n_begun, 1);
	while (most < n_now && !atomic_compare_exchange_weak(&shared_flags->most, &most, n_now))
		;
}

static void leave(void)
{
	atomic_fetch_sub(&shared_flags->n_now, 1);
	atomic_fetch_add(&shared_flags->n_ended, 1);
}

static int give_square(ipk_task *task, int64_t n)
{
	int64_t square = n * n;

	return ipk_task_return(task, &square, sizeof square);
}

int task_square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int r;

	if (arg_bytes != sizeof(int64_t))
		return -EINVAL;
	enter();
	r = give_square(task, *(const int64_t *)arg);
	leave();
	return r;
}

struct waits_for {
	const ipk_task *task;
	int64_t flag;
};

static bool is_raised_or_stopped(void *arg)
{
	const struct waits_for *w = arg;

	return atomic_load(&shared_flags->flags[w->flag]) || ipk_task_should_stop(w->task);
}

int task_when_raised(ipk_task *task, const void *arg, size_t arg_bytes)
{
	struct waits_for w = {.task = task};
	int r = -ETIMEDOUT;

	if (arg_bytes != sizeof w.flag)
		return -EINVAL;
	w.flag = *(const int64_t *)arg;
	enter();
	if (wait_until(is_raised_or_stopped, &w, WAIT_MS))
		r = give_square(task, w.flag);
	leave();
	return r;
}

int task_positive(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int64_t n;

	if (arg_bytes != sizeof n)
		return -EINVAL;
	n = *(const int64_t *)arg;
	if (n < 0)
		return ipk_task_fail(task, (int)n, "negative: %d", (int)n);
	return task_square(task, arg, arg_bytes);
}

int task_kill_self(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	(void)arg;
	(void)arg_bytes;
	enter();
	kill(getpid(), SIGKILL);
	return 0;
}

ipk_pool *pool_of(ipk_pool_kind kind, unsigned n_workers)
{
	ipk_pool *pool = NULL;

	ck_ok(ipk_pool_create(IPK_POOL(.kind = kind, .n_workers = n_workers), &pool));
	return pool;
}

ipk_future *submit_int(ipk_pool *pool, ipk_task_fn fn, int64_t arg)
{
	ipk_future *f = NULL;

	ck_ok(ipk_pool_submit(pool, fn, &arg, sizeof arg, NULL, &f));
	return f;
}

int64_t get_int(ipk_future *f)
{
	size_t len_bytes = 0;
	int64_t result = 0;

	ck_ok(ipk_future_get(f, &result, sizeof result, ipk_in_ms(WAIT_MS), &len_bytes));
	ck_assert_uint_eq(len_bytes, sizeof result);
	return result;
}

int64_t run_int(ipk_pool *pool, ipk_task_fn fn, int64_t arg)
{
	ipk_future *f = submit_int(pool, fn, arg);
	int64_t result = get_int(f);

	ipk_future_close(f);
	return result;
}
