/*
 * bench_lock.c - locks: acquire and release, uncontended and contended.
 *
 * Peers are the bare robust process-shared pthread mutex, which is what survives a kill, and
 * Python's. Under contention, each thread also does a little work under the lock and outside it, as
 * programs do, the same for ours and the peers.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <ipk.h>

#include "bench.h"

#define SIDES_MAX 4
#define WORK_INSIDE 16 /* additions under the lock, and as many outside */

struct contest {
	ipk_lock *lock;
	pthread_mutex_t *mutex;
	uint64_t *counter; /* guarded; shared */
	size_t n_sides;
};

static void work(uint64_t *counter)
{
	for (int i = 0; i < WORK_INSIDE; i++)
		*(volatile uint64_t *)counter += 1;
}

static int run_sides(struct contest *contest, int (*side)(void *, size_t), size_t n,
		     struct bench_time *ret_time)
{
	struct bench_side sides[SIDES_MAX];

	for (size_t i = 0; i < contest->n_sides; i++)
		sides[i] = (struct bench_side){side, contest->n_sides == 1 ? 0 : BENCH_ANY_CPU};
	return bench_team(sides, contest->n_sides, contest, n, ret_time);
}

/* --- ours ------------------------------------------------------------------------------------- */

static int ipk_alone(void *arg, size_t n)
{
	const struct contest *contest = arg;

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(ipk_lock_lock(contest->lock, ipk_forever(), NULL));
		IPK_TRY(ipk_lock_unlock(contest->lock));
	}
	return 0;
}

static int ipk_contend(void *arg, size_t n)
{
	const struct contest *contest = arg;
	uint64_t own = 0;

	for (size_t i = 0; i < n / contest->n_sides; i++) {
		IPK_TRY(ipk_lock_lock(contest->lock, ipk_forever(), NULL));
		work(contest->counter);
		IPK_TRY(ipk_lock_unlock(contest->lock));
		work(&own);
	}
	return 0;
}

static int ours(size_t n_sides, int (*side)(void *, size_t), size_t n, struct bench_time *ret_time)
{
	struct contest contest = {.n_sides = n_sides};
	int r = ipk_lock_create(NULL, &contest.lock);

	if (r < 0)
		return r;
	contest.counter = bench_shared(sizeof *contest.counter);
	r = run_sides(&contest, side, n, ret_time);
	bench_unshare(contest.counter, sizeof *contest.counter);
	ipk_lock_close(contest.lock);
	return r;
}

static int ours_alone(size_t n, struct bench_time *ret_time)
{
	return ours(1, ipk_alone, n, ret_time);
}

static int ours_2(size_t n, struct bench_time *ret_time)
{
	return ours(2, ipk_contend, n, ret_time);
}

static int ours_4(size_t n, struct bench_time *ret_time)
{
	return ours(4, ipk_contend, n, ret_time);
}

/* --- a bare robust mutex ---------------------------------------------------------------------- */

static int mutex_alone(void *arg, size_t n)
{
	const struct contest *contest = arg;

	for (size_t i = 0; i < n; i++) {
		if (pthread_mutex_lock(contest->mutex) != 0)
			return -EIO;
		pthread_mutex_unlock(contest->mutex);
	}
	return 0;
}

static int mutex_contend(void *arg, size_t n)
{
	const struct contest *contest = arg;
	uint64_t own = 0;

	for (size_t i = 0; i < n / contest->n_sides; i++) {
		if (pthread_mutex_lock(contest->mutex) != 0)
			return -EIO;
		work(contest->counter);
		pthread_mutex_unlock(contest->mutex);
		work(&own);
	}
	return 0;
}

static int robust_mutex(size_t n_sides, int (*side)(void *, size_t), size_t n,
			struct bench_time *ret_time)
{
	struct contest contest = {.n_sides = n_sides};
	pthread_mutexattr_t attr;
	int r;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	contest.mutex = bench_shared(sizeof *contest.mutex);
	contest.counter = bench_shared(sizeof *contest.counter);
	pthread_mutex_init(contest.mutex, &attr);
	r = run_sides(&contest, side, n, ret_time);
	bench_unshare(contest.counter, sizeof *contest.counter);
	bench_unshare(contest.mutex, sizeof *contest.mutex);
	pthread_mutexattr_destroy(&attr);
	return r;
}

static int mutex_1(size_t n, struct bench_time *ret_time)
{
	return robust_mutex(1, mutex_alone, n, ret_time);
}

static int mutex_2(size_t n, struct bench_time *ret_time)
{
	return robust_mutex(2, mutex_contend, n, ret_time);
}

static int mutex_4(size_t n, struct bench_time *ret_time)
{
	return robust_mutex(4, mutex_contend, n, ret_time);
}

/* --- Python ----------------------------------------------------------------------------------- */

static int python(size_t n, struct bench_time *ret_time)
{
	return bench_python("peer_lock.py", "", n, ret_time);
}

const struct bench_row bench_lock_rows[] = {
	{
		.name = "lock, lock+unlock, alone",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 1,
		.ours = {"ipk_lock", ours_alone},
		.peers = {{"robust pthread mutex", mutex_1, 0.85},
			  {"Python multiprocessing.Lock", python, 3}},
	},
	{
		.name = "lock, 2 processes contending",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 2,
		.ours = {"ipk_lock", ours_2},
		.peers = {{"robust pthread mutex", mutex_2, 0.9}},
	},
	{
		.name = "lock, 4 processes contending",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 2,
		.ours = {"ipk_lock", ours_4},
		.peers = {{"robust pthread mutex", mutex_4, 0.9}},
	},
	{0},
};
