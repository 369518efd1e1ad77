/*
 * test_lock_threads.c - the locks between the threads of one process, guarding plain memory:
 * what a lock does not order, the thread sanitizer tells.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "ipk/lock.h"
#include "support/support.h"

enum { N_THREADS = 4, N_TURNS = 20000 };

struct shared {
	ipk_lock *lock;
	int depth;
	int n_turns;
	/* Guarded. */
	uint64_t first, second;
	_Atomic uint32_t n_recovered;
	_Atomic uint32_t n_faults;
};

static void start_threads(pthread_t *threads, int n, void *(*body)(void *), void *arg)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, body, arg), 0);
}

static void join_threads(const pthread_t *threads, int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static int enter(struct shared *s, bool *ret_recovered)
{
	int r = ipk_lock_lock(s->lock, ipk_in_ms(WAIT_MS), ret_recovered);

	for (int i = 1; i < s->depth && r == 0; i++)
		r = ipk_lock_lock(s->lock, ipk_now(), NULL);
	return r;
}

static int leave(struct shared *s)
{
	int r = 0;

	for (int i = 0; i < s->depth && r == 0; i++)
		r = ipk_lock_unlock(s->lock);
	return r;
}

static void take_turn(struct shared *s, bool recovered)
{
	if (s->first != s->second && !recovered)
		atomic_fetch_add(&s->n_faults, 1);
	atomic_fetch_add(&s->n_recovered, recovered);
	s->first++;
	s->second = s->first;
}

static void *take_turns(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < s->n_turns; i++) {
		bool recovered;

		if (enter(s, &recovered) < 0)
			break;
		take_turn(s, recovered);
		if (leave(s) < 0)
			break;
	}
	return NULL;
}

START_TEST(turns_exclude_each_other)
{
	struct shared s = {.depth = _i + 1, .n_turns = repeats(N_TURNS)};
	pthread_t threads[N_THREADS];

	ck_ok(ipk_lock_create(IPK_LOCK(.is_recursive = _i > 0), &s.lock));
	start_threads(threads, N_THREADS, take_turns, &s);
	join_threads(threads, N_THREADS);
	ck_assert_uint_eq(s.first, (uint64_t)N_THREADS * (uint64_t)s.n_turns);
	ck_assert_uint_eq(s.second, s.first);
	ck_assert_uint_eq(atomic_load(&s.n_recovered), 0);
	ck_assert_uint_eq(atomic_load(&s.n_faults), 0);
	s.lock = ipk_lock_close(s.lock);
}
END_TEST

/*
 * Ends with the lock. It leaves the pair alone: what the kernel orders when it hands the
 * lock on, the thread sanitizer does not see.
 */
static void *end_inside(void *arg)
{
	struct shared *s = arg;
	bool recovered;

	if (enter(s, &recovered) < 0)
		atomic_fetch_add(&s->n_faults, 1);
	else
		atomic_fetch_add(&s->n_recovered, recovered);
	return NULL;
}

/* One after the other, and others take turns meanwhile. */
START_TEST(a_thread_that_ends_inside_is_told_of)
{
	struct shared s = {.depth = _i + 1, .n_turns = repeats(N_TURNS)};
	pthread_t threads[N_THREADS];
	bool recovered;
	uint32_t n_ends = 50;

	ck_ok(ipk_lock_create(IPK_LOCK(.is_recursive = _i > 0), &s.lock));
	start_threads(threads, N_THREADS, take_turns, &s);
	for (uint32_t i = 0; i < n_ends; i++) {
		pthread_t thread;

		start_threads(&thread, 1, end_inside, &s);
		join_threads(&thread, 1);
	}
	join_threads(threads, N_THREADS);
	ck_ok(enter(&s, &recovered));
	ck_ok(leave(&s));
	ck_assert_uint_eq(atomic_load(&s.n_recovered) + recovered, n_ends);
	ck_assert_uint_eq(s.first, (uint64_t)N_THREADS * (uint64_t)s.n_turns);
	ck_assert_uint_eq(atomic_load(&s.n_faults), 0);
	s.lock = ipk_lock_close(s.lock);
}
END_TEST

/* --- many objects --- */

struct maker {
	int n_objects;
	int n_faults;
};

static void *make_and_close(void *arg)
{
	struct maker *m = arg;

	for (int i = 0; i < m->n_objects; i++) {
		IPK_AUTO(lock) *a = NULL;
		IPK_AUTO(lock) *b = NULL;

		if (ipk_lock_create(NULL, &a) < 0 || ipk_lock_create(NULL, &b) < 0 ||
		    ipk_lock_lock(a, ipk_now(), NULL) < 0 || ipk_lock_owner(b) != 0 ||
		    ipk_lock_unlock(a) < 0)
			m->n_faults++;
	}
	return NULL;
}

/* The room of a closed lock is used for the next one, by whatever thread. */
START_TEST(locks_are_made_side_by_side)
{
	struct maker makers[N_THREADS] = {{0}};
	pthread_t threads[N_THREADS];

	for (int i = 0; i < N_THREADS; i++) {
		makers[i].n_objects = repeats(2000);
		start_threads(&threads[i], 1, make_and_close, &makers[i]);
	}
	join_threads(threads, N_THREADS);
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(makers[i].n_faults, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("lock threads");

	add_loop_test(s, turns_exclude_each_other, 0, 2);
	add_loop_test(s, a_thread_that_ends_inside_is_told_of, 0, 2);
	add_test(s, locks_are_made_side_by_side);
	return s;
}
IPK_TEST_MAIN(suite)
