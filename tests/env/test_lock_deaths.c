/*
 * test_lock_deaths.c - many processes die at once: the others continue within the promised second.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/rwlock.h"
#include "os/os.h"
#include "support/support.h"

#define N_DEAD 100
#define N_CHOSEN 20
#define PROMISED_NS 1000000000

struct shared {
	ipk_rwlock *rwlock;
	ipk_lock *lock;
	ipk_cond *cond;
	_Atomic int n_ready;
	_Atomic int n_back;
};

static struct shared *make_shared(void)
{
	struct shared *s =
		mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	return s;
}

static bool so_many_ready(void *arg)
{
	return *((_Atomic int **)arg)[0] >= (int)(intptr_t)((void **)arg)[1];
}

static void ck_ready(_Atomic int *n, int wanted)
{
	void *args[] = {n, (void *)(intptr_t)wanted};

	ck_assert(wait_until(so_many_ready, args, WAIT_MS));
}

/* --- readers ---------------------------------------------------------------------------------- */

static int read_and_stay(void *arg)
{
	struct shared *s = arg;

	if (ipk_rwlock_read_lock(s->rwlock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	s->n_ready++;
	for (;;)
		pause();
}

START_TEST(a_writer_behind_dead_readers)
{
	struct shared *s = make_shared();
	pid_t pids[N_DEAD];
	int64_t begin_ns;

	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.max_readers = 128), &s->rwlock));
	for (int i = 0; i < N_DEAD; i++)
		pids[i] = spawn(read_and_stay, s);
	ck_ready(&s->n_ready, N_DEAD);
	for (int i = 0; i < N_DEAD; i++)
		kill_and_reap(pids[i]);
	begin_ns = ipk__os_now_ns();
	ck_ok(ipk_rwlock_write_lock(s->rwlock, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_int_lt(ipk__os_now_ns() - begin_ns, PROMISED_NS);
	ck_ok(ipk_rwlock_write_unlock(s->rwlock));
	ipk_rwlock_close(s->rwlock);
	munmap(s, sizeof *s);
}
END_TEST

/* --- waiters of a condition ------------------------------------------------------------------- */

static int wait_once(void *arg)
{
	struct shared *s = arg;
	int r;

	if (ipk_lock_lock(s->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	s->n_ready++;
	r = ipk_cond_wait(s->cond, s->lock, ipk_in_ms(WAIT_MS), NULL);
	s->n_back++;
	(void)!ipk_lock_unlock(s->lock);
	return r < 0 ? 2 : 0;
}

static void ck_all_sleep(struct shared *s, const pid_t *pids, int n)
{
	ck_ready(&s->n_ready, n);
	for (int i = 0; i < n; i++)
		ck_wait_asleep(pids[i]);
}

/* The kernel chooses those that came first. They are stopped, so that none is back. */
START_TEST(as_many_others_as_were_chosen)
{
	struct shared *s = make_shared();
	pid_t pids[2 * N_CHOSEN];
	int64_t begin_ns;

	ck_ok(ipk_lock_create(NULL, &s->lock));
	ck_ok(ipk_cond_create(NULL, &s->cond));
	for (int i = 0; i < 2 * N_CHOSEN; i++) {
		pids[i] = spawn(wait_once, s);
		if (i == N_CHOSEN - 1) {
			ck_all_sleep(s, pids, N_CHOSEN);
			for (int k = 0; k < N_CHOSEN; k++)
				ck_assert_int_eq(kill(pids[k], SIGSTOP), 0);
		}
	}
	ck_ready(&s->n_ready, 2 * N_CHOSEN);
	for (int i = N_CHOSEN; i < 2 * N_CHOSEN; i++)
		ck_wait_asleep(pids[i]);
	ck_ok(ipk_cond_notify(s->cond, N_CHOSEN));
	for (int i = 0; i < N_CHOSEN; i++)
		kill_and_reap(pids[i]);
	begin_ns = ipk__os_now_ns();
	ck_ready(&s->n_back, N_CHOSEN);
	ck_assert_int_lt(ipk__os_now_ns() - begin_ns, PROMISED_NS);
	for (int i = N_CHOSEN; i < 2 * N_CHOSEN; i++)
		reap_ok(pids[i]);
	ipk_lock_close(s->lock);
	ipk_cond_close(s->cond);
	munmap(s, sizeof *s);
}
END_TEST

/* As long as nobody dies, others do not come back. */
START_TEST(a_slow_one_is_trusted)
{
	struct shared *s = make_shared();
	pid_t slow, other;

	ck_ok(ipk_lock_create(NULL, &s->lock));
	ck_ok(ipk_cond_create(NULL, &s->cond));
	slow = spawn(wait_once, s);
	ck_all_sleep(s, &slow, 1);
	other = spawn(wait_once, s);
	ck_ready(&s->n_ready, 2);
	ck_wait_asleep(other);
	for (int i = 0; i < 3; i++) {
		ck_ok(ipk_lock_lock(s->lock, ipk_in_ms(WAIT_MS), NULL));
		if (i == 0)
			ck_ok(ipk_cond_notify(s->cond, 1));
		ck_ok(ipk_lock_unlock(s->lock));
	}
	ck_ready(&s->n_back, 1);
	reap_ok(slow);
	ck_ok(ipk_cond_notify(s->cond, 1));
	reap_ok(other);
	ck_assert_int_eq(s->n_back, 2);
	ipk_lock_close(s->lock);
	ipk_cond_close(s->cond);
	munmap(s, sizeof *s);
}
END_TEST

/* --- sent away by a reset --------------------------------------------------------------------- */

enum { N_PARTIES = 5 };

struct party {
	ipk_barrier *barrier;
	_Atomic int n_failed;
};

static void *come_again(void *arg)
{
	struct party *p = arg;
	unsigned i = 0;
	int r = ipk_barrier_wait(p->barrier, NULL, NULL, ipk_in_ms(WAIT_MS), &i);

	if (r == 0 && i == N_PARTIES / 2) {
		while (ipk_barrier_n_waiting(p->barrier) < N_PARTIES - 1)
			ipk__os_yield();
		r = ipk_barrier_reset(p->barrier);
	} else if (r == 0) {
		r = ipk_barrier_wait(p->barrier, NULL, NULL, ipk_in_ms(WAIT_MS), NULL);
		r = r == -ECANCELED ? 0 : -EPROTO;
	}
	if (r < 0 || ipk_barrier_wait(p->barrier, NULL, NULL, ipk_in_ms(WAIT_MS), NULL) < 0)
		p->n_failed++;
	(void)!ipk_barrier_unregister(p->barrier);
	return NULL;
}

START_TEST(who_comes_back_after_a_reset)
{
	for (int round = 0; round < repeats(20); round++) {
		struct party p = {0};
		pthread_t threads[N_PARTIES];

		ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = N_PARTIES), &p.barrier));
		for (int i = 0; i < N_PARTIES; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, come_again, &p), 0);
		for (int i = 0; i < N_PARTIES; i++)
			pthread_join(threads[i], NULL);
		ck_assert_int_eq(p.n_failed, 0);
		ipk_barrier_close(p.barrier);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("lock_deaths");

	add_test(s, a_writer_behind_dead_readers);
	add_test(s, as_many_others_as_were_chosen);
	add_test(s, a_slow_one_is_trusted);
	add_test(s, who_comes_back_after_a_reset);
	return s;
}

IPK_TEST_MAIN(suite)
