/*
 * test_lock_threads.c - the locks between the threads of one process, guarding plain memory: the
 * thread sanitizer reports what a lock does not order.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/event.h"
#include "ipk/lock.h"
#include "ipk/once.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
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

/* --- readers and writers ---------------------------------------------------------------------- */

struct page {
	ipk_rwlock *lock;
	int n_turns;
	/* Guarded. */
	uint64_t first, second;
	_Atomic uint32_t n_faults;
};

static void *read_pages(void *arg)
{
	struct page *p = arg;

	for (int i = 0; i < p->n_turns; i++) {
		if (ipk_rwlock_read_lock(p->lock, ipk_in_ms(WAIT_MS), NULL) < 0 ||
		    p->first != p->second)
			atomic_fetch_add(&p->n_faults, 1);
		(void)!ipk_rwlock_read_unlock(p->lock);
	}
	return NULL;
}

static void *write_pages(void *arg)
{
	struct page *p = arg;

	for (int i = 0; i < p->n_turns; i++) {
		if (ipk_rwlock_write_lock(p->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
			atomic_fetch_add(&p->n_faults, 1);
		p->first++;
		p->second++;
		(void)!ipk_rwlock_write_unlock(p->lock);
	}
	return NULL;
}

START_TEST(readers_see_whole_turns)
{
	struct page p = {.n_turns = repeats(N_TURNS / 4)};
	pthread_t readers[N_THREADS], writers[2];

	ck_ok(ipk_rwlock_create(NULL, &p.lock));
	start_threads(readers, N_THREADS, read_pages, &p);
	start_threads(writers, 2, write_pages, &p);
	join_threads(readers, N_THREADS);
	join_threads(writers, 2);
	ck_assert_uint_eq(atomic_load(&p.n_faults), 0);
	ck_assert_uint_eq(p.first, 2 * (uint64_t)p.n_turns);
	p.lock = ipk_rwlock_close(p.lock);
}
END_TEST

/* --- passing something on --------------------------------------------------------------------- */

enum { N_SLOTS = 8 };

/* By two semaphores, or by a lock and a condition. */
struct buffer {
	ipk_semaphore *free, *used;
	ipk_lock *lock;
	ipk_cond *changed;
	int n_items;
	uint64_t slots[N_SLOTS];
	uint64_t n_put, n_got;
	uint32_t n_faults;
};

static void *put_by_semaphore(void *arg)
{
	struct buffer *b = arg;

	for (int i = 0; i < b->n_items; i++) {
		if (ipk_semaphore_acquire(b->free, ipk_in_ms(WAIT_MS)) < 0)
			break;
		b->slots[i % N_SLOTS] = (uint64_t)i;
		(void)!ipk_semaphore_release(b->used);
	}
	return NULL;
}

static void *get_by_semaphore(void *arg)
{
	struct buffer *b = arg;

	for (int i = 0; i < b->n_items; i++) {
		if (ipk_semaphore_acquire(b->used, ipk_in_ms(WAIT_MS)) < 0 ||
		    b->slots[i % N_SLOTS] != (uint64_t)i)
			b->n_faults++;
		(void)!ipk_semaphore_release(b->free);
	}
	return NULL;
}

START_TEST(what_was_written_before_release_is_seen_after_acquire)
{
	struct buffer b = {.n_items = repeats(N_TURNS / 2)};
	pthread_t threads[2];

	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = N_SLOTS), &b.free));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 0), &b.used));
	start_threads(&threads[0], 1, put_by_semaphore, &b);
	start_threads(&threads[1], 1, get_by_semaphore, &b);
	join_threads(threads, 2);
	ck_assert_uint_eq(b.n_faults, 0);
	ck_assert_uint_eq(ipk_semaphore_value(b.free), N_SLOTS);
	b.free = ipk_semaphore_close(b.free);
	b.used = ipk_semaphore_close(b.used);
}
END_TEST

static bool has_room(void *arg)
{
	struct buffer *b = arg;

	return b->n_put - b->n_got < N_SLOTS;
}

static bool has_item(void *arg)
{
	struct buffer *b = arg;

	return b->n_put != b->n_got;
}

/* One step of either side: when @ready, do it and tell the others. */
static bool step(struct buffer *b, bool (*ready)(void *arg), uint64_t *count)
{
	bool ok;

	if (ipk_lock_lock(b->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return false;
	ok = ipk_cond_wait_for(b->changed, b->lock, ready, b, ipk_in_ms(WAIT_MS), NULL) == 0;
	if (ok)
		++*count;
	(void)!ipk_lock_unlock(b->lock);
	(void)!ipk_cond_notify_all(b->changed);
	return ok;
}

static void *put_by_cond(void *arg)
{
	struct buffer *b = arg;

	for (int i = 0; i < b->n_items && step(b, has_room, &b->n_put); i++)
		;
	return NULL;
}

static void *get_by_cond(void *arg)
{
	struct buffer *b = arg;

	for (int i = 0; i < b->n_items && step(b, has_item, &b->n_got); i++)
		;
	return NULL;
}

START_TEST(no_notification_is_lost)
{
	struct buffer b = {.n_items = repeats(N_TURNS / 10)};
	pthread_t putters[2], getters[2];

	ck_ok(ipk_lock_create(NULL, &b.lock));
	ck_ok(ipk_cond_create(NULL, &b.changed));
	start_threads(putters, 2, put_by_cond, &b);
	start_threads(getters, 2, get_by_cond, &b);
	join_threads(putters, 2);
	join_threads(getters, 2);
	ck_assert_uint_eq(b.n_put, 2 * (uint64_t)b.n_items);
	ck_assert_uint_eq(b.n_got, b.n_put);
	b.lock = ipk_lock_close(b.lock);
	b.changed = ipk_cond_close(b.changed);
}
END_TEST

/* --- meeting ---------------------------------------------------------------------------------- */

struct meeting {
	ipk_barrier *barrier;
	ipk_event *event;
	ipk_once *once;
	int n_rounds;
	uint64_t cells[N_THREADS];
	uint64_t table[N_SLOTS];
	uint64_t n_filled;
	atomic_int next;
	_Atomic uint32_t n_faults;
};

/* All cells are written in one half of a round and read in the other. */
static void *meet_again(void *arg)
{
	struct meeting *m = arg;
	int me = atomic_fetch_add(&m->next, 1);

	for (int i = 1; i <= m->n_rounds; i++) {
		m->cells[me] = (uint64_t)i;
		if (ipk_barrier_wait(m->barrier, NULL, NULL, ipk_in_ms(WAIT_MS), NULL) < 0)
			atomic_fetch_add(&m->n_faults, 1);
		for (int j = 0; j < N_THREADS; j++) {
			if (m->cells[j] != (uint64_t)i)
				atomic_fetch_add(&m->n_faults, 1);
		}
		if (ipk_barrier_wait(m->barrier, NULL, NULL, ipk_in_ms(WAIT_MS), NULL) < 0)
			atomic_fetch_add(&m->n_faults, 1);
	}
	(void)!ipk_barrier_unregister(m->barrier);
	return NULL;
}

START_TEST(what_was_written_before_a_barrier_is_seen_behind_it)
{
	struct meeting m = {.n_rounds = repeats(1000)};
	pthread_t threads[N_THREADS];

	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = N_THREADS), &m.barrier));
	start_threads(threads, N_THREADS, meet_again, &m);
	join_threads(threads, N_THREADS);
	ck_assert_uint_eq(atomic_load(&m.n_faults), 0);
	m.barrier = ipk_barrier_close(m.barrier);
}
END_TEST

static int fill_table(void *arg)
{
	struct meeting *m = arg;

	for (uint64_t i = 0; i < N_SLOTS; i++)
		m->table[i] = i + 1;
	m->n_filled++;
	return 0;
}

static void *read_table(void *arg)
{
	struct meeting *m = arg;

	if (ipk_event_wait(m->event, ipk_in_ms(WAIT_MS)) < 0 || m->cells[0] != 1 ||
	    ipk_once_run(m->once, fill_table, m, ipk_in_ms(WAIT_MS), NULL) < 0)
		atomic_fetch_add(&m->n_faults, 1);
	for (uint64_t i = 0; i < N_SLOTS; i++) {
		if (m->table[i] != i + 1)
			atomic_fetch_add(&m->n_faults, 1);
	}
	return NULL;
}

START_TEST(what_was_written_before_set_and_in_once_is_seen)
{
	for (int i = 0; i < repeats(200); i++) {
		struct meeting m = {0};
		pthread_t threads[N_THREADS];

		ck_ok(ipk_event_create(NULL, &m.event));
		ck_ok(ipk_once_create(NULL, &m.once));
		start_threads(threads, N_THREADS, read_table, &m);
		m.cells[0] = 1;
		ck_ok(ipk_event_set(m.event));
		join_threads(threads, N_THREADS);
		ck_assert_uint_eq(atomic_load(&m.n_faults), 0);
		ck_assert_uint_eq(m.n_filled, 1);
		m.event = ipk_event_close(m.event);
		m.once = ipk_once_close(m.once);
	}
}
END_TEST

/* --- many objects ----------------------------------------------------------------------------- */

struct maker {
	int n_objects;
	int n_faults;
};

static void *make_and_close(void *arg)
{
	struct maker *m = arg;

	for (int i = 0; i < m->n_objects; i++) {
		IPK_AUTO(lock, a);
		IPK_AUTO(lock, b);

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
	add_test(s, readers_see_whole_turns);
	add_test(s, what_was_written_before_release_is_seen_after_acquire);
	add_test(s, no_notification_is_lost);
	add_test(s, what_was_written_before_a_barrier_is_seen_behind_it);
	add_test(s, what_was_written_before_set_and_in_once_is_seen);
	add_test(s, locks_are_made_side_by_side);
	return s;
}
IPK_TEST_MAIN(suite)
