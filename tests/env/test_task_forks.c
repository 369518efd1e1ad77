/*
 * test_task_forks.c - a task that forks: neither what its child does, nor the child's return from
 * the task like its parent, touches any result but its own.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk.h"
#include "support/support.h"

enum { N_OTHERS = 5 };

/* Inherited by workers and their forks, which wait until the worker is at another task. */
struct fixture {
	struct gate go;
	int ends[2]; /* what came of the fork's call, as an int each */
};
static struct fixture fixture;

static int forks(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg;
	(void)arg_bytes;
	if (fork() == 0) {
		int r;

		gate_wait(&fixture.go);
		r = ipk_task_return(task, "EVIL", 4);
		(void)!write(fixture.ends[1], &r, sizeof r);
		return 0; /* as its parent does */
	}
	return ipk_task_return(task, "good", 4);
}

static int other(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int r = ipk_task_return(task, arg, arg_bytes);
	int said;

	/* While this one's result lies in the slot the fork writes, if it may. */
	gate_open(&fixture.go);
	if (read(fixture.ends[0], &said, sizeof said) != sizeof said)
		return 1;
	return said == -EPERM ? r : 2;
}

static void ck_result(ipk_pool *pool, ipk_task_fn fn, const char *arg, const char *result)
{
	char buf[8] = "";
	size_t n;

	ck_ok(ipk_pool_apply(pool, fn, arg, strlen(arg), buf, sizeof buf, ipk_in_ms(WAIT_MS), &n));
	ck_assert_str_eq(buf, result);
}

START_TEST(a_fork_delivers_nothing)
{
	IPK_AUTO(pool, pool);
	const ipk_pool_kind kinds[] = {IPK_POOL_PROCESSES, IPK_POOL_THREADS};

	ck_assert_int_eq(pipe(fixture.ends), 0);
	gate_init(&fixture.go);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1, .kind = kinds[_i]), &pool));
	ck_result(pool, forks, "", "good");
	ck_result(pool, other, "mine", "mine");
	/* Nor does it go on as a second worker. */
	for (int i = 0; i < N_OTHERS; i++)
		ck_result(pool, forks, "", "good");
	pool = ipk_pool_close(pool);
	while (kinds[_i] == IPK_POOL_THREADS && waitpid(-1, NULL, 0) > 0)
		;
	gate_fini(&fixture.go);
	close(fixture.ends[0]);
	close(fixture.ends[1]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("task_forks");

	add_loop_test(s, a_fork_delivers_nothing, 0, 2);
	return s;
}
IPK_TEST_MAIN(suite)
