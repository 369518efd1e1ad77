/*
 * test_pool_parent.c - the creator of a pool is killed at random instants: while it starts the
 * workers, while they work, while it shuts down. Within a second no worker and no fork server is
 * left, whatever they were doing.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "pool_fixture.h"

enum { N_ROUNDS = 40, N_ITEMS = 500, LONGEST_US = 40000, LEFT_MS = 1000 };

static int busy(const void *item, void *ret_result)
{
	volatile unsigned n = 0;

	while (n < 5000)
		n++;
	*(int *)ret_result = *(const int *)item;
	return 0;
}

static int never_end(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task, (void)arg, (void)arg_bytes;
	while (pause() < 0)
		continue;
	return 0;
}

/* The creator: begins, works and ends, again and again. */
static int create_and_work(void *arg)
{
	static int items[N_ITEMS], results[N_ITEMS];

	(void)arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	for (;;) {
		IPK_AUTO(pool, pool);
		IPK_AUTO(future, f);

		IPK_TRY(ipk_pool_create(IPK_POOL(.n_workers = 3), &pool));
		IPK_TRY(ipk_pool_submit(pool, never_end, NULL, 0, NULL, &f));
		for (int i = 0; i < 4; i++)
			IPK_TRY(ipk_pool_map(pool, busy, items, results, N_ITEMS, ipk_forever()));
	}
}

static void wait_us(unsigned us)
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000L};

	nanosleep(&t, NULL);
}

START_TEST(killed_at_random)
{
	uint64_t seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;

	for (int round = 0; round < repeats(N_ROUNDS); round++) {
		pid_t creator = spawn(create_and_work, NULL);

		wait_us(next_random(&seed) % LONGEST_US);
		kill_and_reap(creator);
		ck_assert_msg(is_deserted(creator, LEFT_MS), "round %d: %d processes are left",
			      round, crowd_of(creator).n_alive);
	}
}
END_TEST

static bool has_crowd(void *group)
{
	return crowd_of(*(const pid_t *)group).n_alive >= 4; /* fork server, 3 workers */
}

/* Certainly in the middle of work: a worker in a task that never ends, others in a map. */
START_TEST(killed_at_work)
{
	for (int round = 0; round < repeats(10); round++) {
		pid_t creator = spawn(create_and_work, NULL);

		ck_assert(wait_until(has_crowd, &creator, WAIT_MS));
		kill_and_reap(creator);
		ck_assert_msg(is_deserted(creator, LEFT_MS), "round %d: %d processes are left",
			      round, crowd_of(creator).n_alive);
	}
}
END_TEST

static void stop_all(pid_t group)
{
	ck_assert_int_eq(kill(-group, SIGSTOP), 0);
}

/* Stopped workers cannot see that their creator has gone: the kernel tells them. */
START_TEST(killed_while_all_are_stopped)
{
	pid_t creator = spawn(create_and_work, NULL);

	ck_assert(wait_until(has_crowd, &creator, WAIT_MS));
	stop_all(creator);
	kill_and_reap(creator);
	kill(-creator, SIGCONT);
	ck_assert_msg(is_deserted(creator, LEFT_MS), "%d processes are left",
		      crowd_of(creator).n_alive);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pool parent");

	add_test(s, killed_at_random);
	add_test(s, killed_at_work);
	add_test(s, killed_while_all_are_stopped);
	return s;
}
IPK_TEST_MAIN(suite)
