/*
 * bench_sync.c - read locks, semaphores, events and barriers beside pthread's and the kernel's.
 */
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include <ipk.h>

#include "bench.h"

#define N_READERS 4
#define N_PARTIES 4

static const struct bench_side *all_run(int (*side)(void *, size_t))
{
	static struct bench_side sides[N_READERS];

	for (int i = 0; i < N_READERS; i++)
		sides[i] = (struct bench_side){side, BENCH_ANY_CPU};
	return sides;
}

/* --- reading together ------------------------------------------------------------------------- */

static int ipk_sharer(void *arg, size_t n)
{
	for (size_t i = 0; i < n / N_READERS; i++) {
		IPK_TRY(ipk_rwlock_read_lock(arg, ipk_forever(), NULL));
		IPK_TRY(ipk_rwlock_read_unlock(arg));
	}
	return 0;
}

static int ours_readers(size_t n, struct bench_time *ret_time)
{
	IPK_AUTO(rwlock, lock);

	IPK_TRY(ipk_rwlock_create(NULL, &lock));
	return bench_team(all_run(ipk_sharer), N_READERS, lock, n, ret_time);
}

static int pthread_sharer(void *arg, size_t n)
{
	for (size_t i = 0; i < n / N_READERS; i++) {
		if (pthread_rwlock_rdlock(arg) != 0)
			return -EIO;
		pthread_rwlock_unlock(arg);
	}
	return 0;
}

static int peer_rwlock(size_t n, struct bench_time *ret_time)
{
	pthread_rwlock_t *lock = bench_shared(sizeof *lock);
	pthread_rwlockattr_t attr;
	int r;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(lock, &attr);
	r = bench_team(all_run(pthread_sharer), N_READERS, lock, n, ret_time);
	bench_unshare(lock, sizeof *lock);
	return r;
}

/* --- semaphores ------------------------------------------------------------------------------- */

static int ipk_tokens(void *arg, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		IPK_TRY(ipk_semaphore_acquire(arg, ipk_forever()));
		IPK_TRY(ipk_semaphore_release(arg));
	}
	return 0;
}

static int ours_semaphore(ipk_semaphore_kind kind, size_t n, struct bench_time *ret_time)
{
	IPK_AUTO(semaphore, s);

	IPK_TRY(ipk_semaphore_create(IPK_SEMAPHORE(.kind = kind, .value = 4), &s));
	return bench_team(&(struct bench_side){ipk_tokens, 0}, 1, s, n, ret_time);
}

static int ours_signal(size_t n, struct bench_time *ret_time)
{
	return ours_semaphore(IPK_SEMAPHORE_SIGNAL, n, ret_time);
}

static int ours_owned(size_t n, struct bench_time *ret_time)
{
	return ours_semaphore(IPK_SEMAPHORE_OWNED, n, ret_time);
}

static int sem_tokens(void *arg, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sem_wait(arg) != 0)
			return -errno;
		sem_post(arg);
	}
	return 0;
}

static int peer_sem(size_t n, struct bench_time *ret_time)
{
	sem_t *s = bench_shared(sizeof *s);
	int r = sem_init(s, 1, 4) < 0 ? -errno : 0;

	if (r == 0)
		r = bench_team(&(struct bench_side){sem_tokens, 0}, 1, s, n, ret_time);
	bench_unshare(s, sizeof *s);
	return r;
}

/* --- events: set while the other side sleeps on the other core -------------------------------- */

struct events {
	ipk_event *event[2];
	_Atomic int64_t *set_ns;
};

static int set_late(const struct events *e, int which)
{
	bench_work_until_other_sleeps();
	atomic_store(e->set_ns, bench_now_ns());
	return ipk_event_set(e->event[which]);
}

static int wait_late(const struct events *e, int which)
{
	IPK_TRY(ipk_event_wait(e->event[which], ipk_forever()));
	bench_measured(bench_now_ns() - atomic_load(e->set_ns));
	return ipk_event_clear(e->event[which]);
}

static int event_ping(void *arg, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		IPK_TRY(set_late(arg, 0));
		IPK_TRY(wait_late(arg, 1));
	}
	return 0;
}

static int event_pong(void *arg, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		IPK_TRY(wait_late(arg, 0));
		IPK_TRY(set_late(arg, 1));
	}
	return 0;
}

static int ours_event(size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{event_ping, 0}, {event_pong, 1}};
	IPK_AUTO(event, a);
	IPK_AUTO(event, b);
	struct events e;
	int r;

	IPK_TRY(ipk_event_create(NULL, &a));
	IPK_TRY(ipk_event_create(NULL, &b));
	e = (struct events){{a, b}, bench_shared(sizeof *e.set_ns)};
	r = bench_team(sides, 2, &e, n, ret_time);
	bench_unshare((void *)e.set_ns, sizeof *e.set_ns);
	return r;
}

/* --- barriers --------------------------------------------------------------------------------- */

static int ipk_party(void *arg, size_t n)
{
	for (size_t i = 0; i < n; i++)
		IPK_TRY(ipk_barrier_wait(arg, NULL, NULL, ipk_forever(), NULL));
	return 0;
}

static int ours_barrier(size_t n, struct bench_time *ret_time)
{
	IPK_AUTO(barrier, b);

	IPK_TRY(ipk_barrier_create(IPK_BARRIER(.n_parties = N_PARTIES), &b));
	return bench_team(all_run(ipk_party), N_PARTIES, b, n, ret_time);
}

static int pthread_party(void *arg, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = pthread_barrier_wait(arg);

		if (r != 0 && r != PTHREAD_BARRIER_SERIAL_THREAD)
			return -r;
	}
	return 0;
}

static int peer_barrier(size_t n, struct bench_time *ret_time)
{
	pthread_barrier_t *b = bench_shared(sizeof *b);
	pthread_barrierattr_t attr;
	int r;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(b, &attr, N_PARTIES);
	r = bench_team(all_run(pthread_party), N_PARTIES, b, n, ret_time);
	bench_unshare(b, sizeof *b);
	return r;
}

const struct bench_row bench_sync_rows[] = {
	{
		.name = "rwlock, read lock+unlock, 4 readers",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 2,
		.ours = {"ipk_rwlock", ours_readers},
		.peers = {{"pthread_rwlock", peer_rwlock, 1.0}},
	},
	{
		.name = "semaphore/signal, acquire+release, alone",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 1,
		.ours = {"ipk_semaphore", ours_signal},
		.peers = {{"sem_t", peer_sem, 0.7}},
	},
	{
		.name = "semaphore/owned, acquire+release, alone",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 1,
		.ours = {"ipk_semaphore, owned", ours_owned},
		.peers = {{"sem_t", peer_sem, 0.7}},
	},
	{
		.name = "event, set while asleep on the other core",
		.unit = "us",
		.scale = 1e-3,
		.n_cpus = 2,
		.ours = {"ipk_event", ours_event},
		.peers = {{"futex ping-pong, slept too", bench_futex_asleep, 0.9}},
	},
	{
		.name = "barrier, 4 parties on two cores",
		.unit = "us",
		.scale = 1e-3,
		.n_cpus = 2,
		.ours = {"ipk_barrier", ours_barrier},
		.peers = {{"pthread_barrier", peer_barrier, 1.0}},
	},
	{0},
};
