/*
 * test_pool_fds.c - the host closes all fds, including those of its pool, and opens others: the
 * pool can be closed all the same, within seconds, every future completes, and the files that reuse
 * the numbers are not touched.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipk/pool.h"
#include "support/support.h"

enum { FIRST_FD = 3, N_FDS = 1024, N_OTHERS = 64, THREAD_BUSY_MS = 300, ENDS_MS = 10000 };

/* Each of them. */
struct fixture {
	ipk_pool_kind kind;
	bool is_busy;
	enum { JOIN, CLOSE, WAIT } how; /* WAIT: for the future, before anything else is called */
};

/* A process is killed at it; a thread cannot be. */
static int be_busy(ipk_task *task, const void *arg, size_t arg_bytes)
{
	bool is_thread = *(const int *)arg == IPK_POOL_THREADS;
	struct timespec t = {is_thread ? 0 : 3600, THREAD_BUSY_MS * 1000000L};

	(void)task, (void)arg_bytes;
	nanosleep(&t, NULL);
	return 0;
}

static int only_wait(void *arg)
{
	(void)arg;
	while (pause() < 0)
		continue;
	return 0;
}

/*
 * The numbers are pidfds of a bystander, whom a signal meant for a worker would end. All but those
 * that the pool's own thread opens in between.
 */
static void take_their_numbers(pid_t bystander, int ret_fds[N_OTHERS])
{
	for (int fd = FIRST_FD; fd < N_FDS; fd++)
		close(fd);
	for (int i = 0; i < N_OTHERS; i++) {
		ret_fds[i] = (int)syscall(SYS_pidfd_open, bystander, 0);
		ck_assert_int_ge(ret_fds[i], FIRST_FD);
	}
}

static void ck_left_alone(pid_t bystander, const int fds[N_OTHERS])
{
	for (int i = 0; i < N_OTHERS; i++)
		ck_assert_int_ge(fcntl(fds[i], F_GETFD), 0);
	ck_assert_int_eq(waitpid(bystander, NULL, WNOHANG), 0);
	kill(bystander, SIGKILL);
	ck_assert_int_eq(waitpid(bystander, NULL, 0), bystander);
	/* Nor is a worker or zygote left, not even as a zombie. */
	ck_err(waitpid(-1, NULL, WNOHANG) < 0 ? -errno : 0, -ECHILD);
}

static void ck_over(const struct fixture *fixture, ipk_future *f)
{
	int r = ipk_future_get(f, NULL, 0, ipk_in_ms(ENDS_MS), NULL);

	if (fixture->kind == IPK_POOL_THREADS)
		ck_assert_msg(r == 0 || r == -ECANCELED, "%s", ipk_errname(r));
	else
		ck_assert_msg(r == -EOWNERDEAD || r == -ECANCELED, "%s", ipk_errname(r));
}

static int run(void *arg)
{
	const struct fixture *fixture = arg;
	pid_t bystander = spawn(only_wait, NULL);
	int kind = fixture->kind, others[N_OTHERS];
	ipk_pool *pool;
	ipk_future *f = NULL;

	alarm(2 * ENDS_MS / 1000); /* it hangs */
	ck_ok(ipk_pool_create(IPK_POOL(.kind = fixture->kind, .n_workers = 2), &pool));
	if (fixture->is_busy)
		ck_ok(ipk_pool_submit(pool, be_busy, &kind, sizeof kind, NULL, &f));
	take_their_numbers(bystander, others);
	if (fixture->how == WAIT && f)
		ck_over(fixture, f);
	if (fixture->how == JOIN) {
		ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
		ck_ok(ipk_pool_join(pool, ipk_in_ms(ENDS_MS)));
	}
	ipk_pool_close(pool);
	if (f)
		ck_over(fixture, f);
	ipk_future_close(f);
	ck_left_alone(bystander, others);
	return 0;
}

/* In a process of its own: it closes also what the test's framework has open. */
START_TEST(a_pool_without_fds_can_be_ended)
{
	static const ipk_pool_kind kinds[] = {IPK_POOL_THREADS, IPK_POOL_PROCESSES};
	struct fixture fixture = {kinds[_i % 2], _i / 2 % 2, _i / 4};

	reap_code(spawn(run, &fixture), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool_fds");

	add_loop_test(s, a_pool_without_fds_can_be_ended, 0, 12);
	return s;
}
IPK_TEST_MAIN(suite)
