/*
 * test_lock_words.c - locks and other synchronization objects in memory that another process
 * overwrites.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipk/event.h"
#include "lock/lock_internal.h"
#include "lock/rwlock_internal.h"
#include "lock/semaphore_internal.h"
#include "lock/states.h"
#include "os/os.h"
#include "support/support.h"

/* A call ends by its deadline and a tenth of a second, and a loaded machine's slices. */
#define CALL_MS 60
#define LATE_MS 3000
#define ROW_LATE_NS 100000000

static struct ipk__shm_object *object_of(const void *handle)
{
	return ((const struct ipk__ref *)handle)->object;
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state ^ *state >> 29;
}

/* --- locks that are held ---------------------------------------------------------------------- */

START_TEST(entries_of_the_list)
{
	ipk_lock *locks[3] = {NULL};

	for (int i = 0; i < 3; i++) {
		ck_ok(ipk_lock_create(NULL, &locks[i]));
		ck_ok(ipk_lock_lock(locks[i], ipk_now(), NULL));
		memset((char *)&locks[i]->guard->lock + 8, 0x5a,
		       sizeof(struct ipk__robust_lock) - 8);
	}
	/* In an order in which each has other neighbours. */
	ck_ok(ipk_lock_unlock(locks[(_i + 1) % 3]));
	ck_ok(ipk_lock_lock(locks[(_i + 1) % 3], ipk_now(), NULL));
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_lock_unlock(locks[(_i + i) % 3]));
	for (int i = 0; i < 3; i++)
		ipk_lock_close(locks[i]);
}
END_TEST

START_TEST(the_word_of_a_held_one)
{
	static const uint64_t words[] = {0, UINT64_MAX, 0x5a5a5a5a5a5a5a5au, 1, 0x80000000u};
	ipk_lock *lock = NULL;

	ck_ok(ipk_lock_create(NULL, &lock));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	atomic_store(&lock->guard->lock.word, words[_i]);
	ck_err(ipk_lock_unlock(lock), -ENOTRECOVERABLE);
	ck_err(ipk_lock_unlock(lock), -EPERM);
	ck_assert_uint_eq(atomic_load(&lock->guard->lock.word), words[_i]);
	ipk_lock_close(lock);
}
END_TEST

/* Its holder takes it again: it is in the books already, and would be there twice. */
START_TEST(a_held_one_that_looks_free)
{
	char name[64];
	ipk_lock *older = NULL, *lock = NULL;

	snprintf(name, sizeof name, "looks-free-%d", (int)getpid());
	ck_ok(ipk_lock_create(NULL, &older));
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name, .is_recursive = _i != 0), &lock));
	ck_ok(ipk_lock_unlink(name));
	ck_ok(ipk_lock_lock(older, ipk_now(), NULL));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	atomic_store(&lock->guard->lock.word, _i == 2 ? (uint64_t)0x40000000u : 0);
	ck_err(ipk_lock_lock(lock, _i == 3 ? ipk_in_ms(CALL_MS) : ipk_now(), NULL),
	       -ENOTRECOVERABLE);
	ck_ok(ipk_lock_unlock(lock));
	ck_err(ipk_lock_unlock(lock), -EPERM);
	/* Its memory is gone, and nothing leads there. */
	lock = ipk_lock_close(lock);
	ck_ok(ipk_lock_unlock(older));
	ck_ok(ipk_lock_lock(older, ipk_now(), NULL));
	ck_ok(ipk_lock_unlock(older));
	ipk_lock_close(older);
}
END_TEST

struct two {
	ipk_lock *a, *b;
	struct gate gate;
};

static int hold_both(void *arg)
{
	struct two *two = arg;

	if (ipk_lock_lock(two->a, ipk_now(), NULL) < 0 ||
	    ipk_lock_lock(two->b, ipk_now(), NULL) < 0)
		return 1;
	gate_open(&two->gate);
	for (;;)
		pause();
}

/* The kernel comes to the first only by way of the second, which leads nowhere. */
START_TEST(the_other_lock_of_a_killed_holder)
{
	struct two two = {0};
	bool recovered = false;
	int r = -ETIMEDOUT;
	pid_t pid;

	ck_ok(ipk_lock_create(NULL, &two.a));
	ck_ok(ipk_lock_create(NULL, &two.b));
	gate_init(&two.gate);
	pid = spawn(hold_both, &two);
	gate_wait(&two.gate);
	memset(&two.b->guard->lock, 0x5a, sizeof(struct ipk__robust_lock));
	ck_err(ipk_lock_lock(two.a, ipk_in_ms(60), &recovered), -ETIMEDOUT);
	kill_and_reap(pid);
	if (_i == 0)
		r = ipk_lock_lock(two.a, ipk_in_ms(WAIT_MS), &recovered);
	/* Who only tries finds out, too. */
	for (ipk_deadline end = ipk_in_ms(WAIT_MS);
	     r == -ETIMEDOUT && ipk_deadline_left_ns(end) > 0;)
		r = ipk_lock_lock(two.a, ipk_now(), &recovered);
	ck_ok(r);
	ck_assert(recovered);
	ck_ok(ipk_lock_unlock(two.a));
	ck_ok(ipk_lock_lock(two.a, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_ok(ipk_lock_unlock(two.a));
	ck_err(ipk_lock_lock(two.b, ipk_in_ms(WAIT_MS), &recovered), -ENOTRECOVERABLE);
	gate_fini(&two.gate);
	ipk_lock_close(two.a);
	ipk_lock_close(two.b);
}
END_TEST

/* Another's name of another incarnation: nobody of us has it. */
START_TEST(a_number_that_is_used_again)
{
	ipk_lock *lock = NULL;
	bool recovered = false;
	uint64_t word;

	ck_ok(ipk_lock_create(NULL, &lock));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	word = atomic_load(&lock->guard->lock.word);
	ck_ok(ipk_lock_unlock(lock));
	atomic_store(&lock->guard->lock.word, word ^ (uint64_t)0x1000 << 32);
	ck_ok(ipk_lock_lock(lock, ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(recovered);
	ck_ok(ipk_lock_unlock(lock));
	ipk_lock_close(lock);
}
END_TEST

/* Noise over everything that is held, again and again. */
START_TEST(noise_over_held_locks)
{
	uint64_t random = 4711 + (uint64_t)_i;

	for (int round = 0; round < repeats(200); round++) {
		ipk_lock *locks[4] = {NULL}, *intact = NULL;

		ck_ok(ipk_lock_create(NULL, &intact));
		for (int i = 0; i < 4; i++) {
			ck_ok(ipk_lock_create(IPK_LOCK(.is_recursive = i % 2 == 0), &locks[i]));
			ck_ok(ipk_lock_lock(locks[i], ipk_now(), NULL));
			if (i == 1)
				ck_ok(ipk_lock_lock(intact, ipk_now(), NULL));
		}
		for (int i = 0; i < 4; i++) {
			uint64_t *words = (uint64_t *)locks[i]->guard;

			for (size_t k = 0; k < sizeof *locks[i]->guard / 8; k++)
				words[k] = next_random(&random);
		}
		for (int i = 0; i < 4; i++)
			(void)!ipk_lock_unlock(locks[(i + round) % 4]);
		ck_ok(ipk_lock_unlock(intact));
		for (int i = 0; i < 4; i++)
			ipk_lock_close(locks[i]);
		ipk_lock_close(intact);
	}
}
END_TEST

/* --- words that no call of ours leaves -------------------------------------------------------- */

START_TEST(a_lock_wanted_by_nobody)
{
	struct ipk__shm_rwlock *shm;
	ipk_rwlock *lock = NULL;

	ck_ok(ipk_rwlock_create(NULL, &lock));
	shm = (struct ipk__shm_rwlock *)object_of(lock);
	atomic_store(&shm->writers.word, 0x80000000u);
	atomic_store(&shm->is_wanted, 1);
	ck_ok(ipk_rwlock_read_lock(lock, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_rwlock_read_unlock(lock));
	/* A writer that never was. */
	atomic_store(&shm->writers.word, UINT64_MAX);
	atomic_store(&shm->is_wanted, 1);
	ck_err(ipk_rwlock_read_lock(lock, ipk_in_ms(WAIT_MS), NULL), -ENOTRECOVERABLE);
	ck_err(ipk_rwlock_write_lock(lock, ipk_in_ms(WAIT_MS), NULL), -ENOTRECOVERABLE);
	ipk_rwlock_close(lock);
}
END_TEST

START_TEST(bits_of_a_barrier)
{
	static const int bits[] = {26, 30, 31};
	struct ipk__shm_barrier *shm;
	ipk_barrier *barrier = NULL;

	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = 1), &barrier));
	shm = (struct ipk__shm_barrier *)object_of(barrier);
	atomic_fetch_or(&shm->state, (uint64_t)1 << bits[_i]);
	ck_err(ipk_barrier_wait(barrier, NULL, NULL, ipk_in_ms(WAIT_MS), NULL), -ENOTRECOVERABLE);
	ck_ok(ipk_barrier_abort(barrier));
	ck_err(ipk_barrier_wait(barrier, NULL, NULL, ipk_in_ms(WAIT_MS), NULL), -ECANCELED);
	atomic_fetch_or(&shm->state, (uint64_t)1 << bits[_i]);
	ck_ok(ipk_barrier_reset(barrier));
	ck_ok(ipk_barrier_wait(barrier, NULL, NULL, ipk_in_ms(WAIT_MS), NULL));
	ipk_barrier_close(barrier);
}
END_TEST

START_TEST(a_value_beyond_the_maximum)
{
	ipk_semaphore *s = NULL;

	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 1, .max = 1), &s));
	atomic_store(&((struct ipk__shm_semaphore *)object_of(s))->word, 5);
	ck_err(ipk_semaphore_acquire(s, ipk_now()), -ENOTRECOVERABLE);
	ck_err(ipk_semaphore_acquire(s, ipk_in_ms(WAIT_MS)), -ENOTRECOVERABLE);
	ck_err(ipk_semaphore_release(s), -EOVERFLOW);
	ipk_semaphore_close(s);
}
END_TEST

/* --- while calls run -------------------------------------------------------------------------- */

struct storm {
	_Atomic uint64_t *words;
	size_t n_words;
	uint64_t values[4]; /* one of these, or noise */
	_Atomic bool is_over;
};

static void *blow(void *arg)
{
	struct storm *s = arg;
	uint64_t random = 1;

	while (!atomic_load(&s->is_over)) {
		uint64_t x = next_random(&random);

		atomic_store(&s->words[x % s->n_words],
			     x >> 8 & 1 ? s->values[x >> 9 & 3] : next_random(&random));
	}
	return NULL;
}

static ipk_rwlock *rwlock;
static ipk_lock *plain;
static ipk_barrier *barrier;
static ipk_event *event;
static ipk_semaphore *tokens;

static void use_rwlock(ipk_deadline deadline)
{
	if (ipk_rwlock_read_lock(rwlock, deadline, NULL) == 0)
		(void)!ipk_rwlock_read_unlock(rwlock);
	if (ipk_rwlock_write_lock(rwlock, deadline, NULL) == 0)
		(void)!ipk_rwlock_write_unlock(rwlock);
}

static void use_lock(ipk_deadline deadline)
{
	if (ipk_lock_lock(plain, deadline, NULL) == 0)
		(void)!ipk_lock_unlock(plain);
}

static void use_barrier(ipk_deadline deadline)
{
	(void)!ipk_barrier_wait(barrier, NULL, NULL, deadline, NULL);
	(void)!ipk_barrier_reset(barrier);
	(void)!ipk_barrier_abort(barrier);
}

static void use_event(ipk_deadline deadline)
{
	(void)!ipk_event_wait(event, deadline);
	(void)!ipk_event_set(event);
	(void)!ipk_event_clear(event);
}

static void use_tokens(ipk_deadline deadline)
{
	if (ipk_semaphore_acquire(tokens, deadline) == 0)
		(void)!ipk_semaphore_release(tokens);
}

struct kind {
	const void *handle;
	void (*use)(ipk_deadline deadline);
};

static struct kind make(int i)
{
	switch (i) {
	case 0:
		ck_ok(ipk_rwlock_create(NULL, &rwlock));
		return (struct kind){rwlock, use_rwlock};
	case 1:
		ck_ok(ipk_lock_create(NULL, &plain));
		return (struct kind){plain, use_lock};
	case 2:
		ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = 2), &barrier));
		return (struct kind){barrier, use_barrier};
	case 3:
		ck_ok(ipk_event_create(NULL, &event));
		return (struct kind){event, use_event};
	default:
		ck_ok(ipk_semaphore_create(
			IPK_SEMAPHORE(.value = 2, .max = 2, .kind = IPK_SEMAPHORE_OWNED), &tokens));
		return (struct kind){tokens, use_tokens};
	}
}

static void drop_all(void)
{
	rwlock = ipk_rwlock_close(rwlock);
	plain = ipk_lock_close(plain);
	barrier = ipk_barrier_close(barrier);
	event = ipk_event_close(event);
	tokens = ipk_semaphore_close(tokens);
}

START_TEST(every_call_ends)
{
	struct kind kind = make(_i);
	struct ipk__shm_object *object = object_of(kind.handle);
	struct storm storm = {
		.words = (_Atomic uint64_t *)((char *)object + sizeof *object),
		.n_words = 4,
		.values = {0, 0x80000000u, (uint64_t)getpid() << 32, (uint64_t)getpid()},
	};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, blow, &storm), 0);
	for (int round = 0; round < 12; round++) {
		int64_t begin_ns = ipk__os_now_ns();

		kind.use(round % 4 == 0 ? ipk_now() : ipk_in_ms(CALL_MS));
		ck_assert_int_lt(ipk__os_now_ns() - begin_ns, (int64_t)LATE_MS * 1000000);
	}
	atomic_store(&storm.is_over, true);
	pthread_join(thread, NULL);
	/* What is closed while a word says that another thread of ours holds it stays. */
	for (size_t i = 0; i < storm.n_words; i++)
		atomic_store(&storm.words[i], 0);
	drop_all();
}
END_TEST

/* --- how long an object is, which changes after it was checked -------------------------------- */

struct length {
	struct ipk__shm_object *object;
	_Atomic uint32_t *n; /* how many cells, tokens or parties there are */
	uint32_t n_max;
};

static int flip_length(void *arg)
{
	const struct length *l = arg;
	uint64_t good_bytes = l->object->n_bytes;

	atomic_store(l->n, l->n_max);
	for (;;) {
		*(volatile uint64_t *)&l->object->n_bytes = good_bytes;
		for (int i = 0; i < 50; i++)
			ipk__os_pause();
		*(volatile uint64_t *)&l->object->n_bytes = UINT64_MAX;
		for (int i = 0; i < 50; i++)
			ipk__os_pause();
	}
	return 0;
}

/* One with a name, alone in its memory: what lies behind it is nobody's. */
static struct length make_named(int i, const char *name)
{
	struct length l = {NULL};

	switch (i) {
	case 0:
		ck_ok(ipk_rwlock_create(IPK_RWLOCK(.name = name, .max_readers = 4), &rwlock));
		l.object = object_of(rwlock);
		l.n = (_Atomic uint32_t *)&((struct ipk__shm_rwlock *)l.object)->n_cells;
		l.n_max = IPK_RWLOCK_READERS_MAX;
		break;
	case 1:
		ck_ok(ipk_barrier_create(IPK_BARRIER(.name = name, .n_parties = 2), &barrier));
		l.object = object_of(barrier);
		l.n = (_Atomic uint32_t *)&((struct ipk__shm_barrier *)l.object)->n_parties;
		l.n_max = IPK_BARRIER_PARTIES_MAX;
		break;
	default:
		ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.name = name, .value = 2, .max = 2,
							 .kind = IPK_SEMAPHORE_OWNED),
					   &tokens));
		l.object = object_of(tokens);
		l.n = (_Atomic uint32_t *)&((struct ipk__shm_semaphore *)l.object)->max;
		l.n_max = IPK_SEMAPHORE_TOKENS_MAX;
	}
	return l;
}

/* Another view of it, whose calls go to its last cell. */
static void look_at_named(int i, const char *name)
{
	ipk_rwlock *rw = NULL;
	ipk_barrier *b = NULL;
	ipk_semaphore *s = NULL;

	if (i == 0 && ipk_rwlock_open(name, ipk_now(), &rw) == 0)
		(void)N_LISTED(ipk_rwlock_readers, rw, NULL, 0);
	else if (i == 1 && ipk_barrier_open(name, ipk_now(), &b) == 0)
		(void)!ipk_barrier_register(b);
	else if (i == 2 && ipk_semaphore_open(name, ipk_now(), &s) == 0)
		(void)N_LISTED(ipk_semaphore_holders, s, NULL, 0);
	ipk_rwlock_close(rw);
	ipk_barrier_close(b);
	ipk_semaphore_close(s);
}

START_TEST(a_length_that_changes_after_the_check)
{
	char name[UNIQUE_NAME_BYTES];
	struct length l;
	pid_t pid;

	unique_name(name, "length");
	l = make_named(_i, name);
	pid = spawn(flip_length, &l);
	for (int k = 0; k < repeats(20000); k++)
		look_at_named(_i, name);
	kill_and_reap(pid);
	ck_ok(ipk_semaphore_unlink(name)); /* a name is a name */
	drop_all();
}
END_TEST

/* --- very many words, each of which is asked for ---------------------------------------------- */

/*
 * Marked as a kernel without numbers for pids does it, which is the slowest to ask for: a live
 * process, of another incarnation than the one that has this id. Rows of thousands take longer than
 * a call may be late, and here they are never done.
 */
struct row {
	_Atomic uint64_t *words;
	size_t n;
	size_t apart; /* in words */
	_Atomic bool is_over;
};

static void fill(struct row *row)
{
	for (size_t i = 0; i < row->n; i++)
		atomic_store(&row->words[i * row->apart], (uint64_t)getpid() << 32 | 1);
}

static void *fill_again(void *arg)
{
	struct row *row = arg;

	while (!atomic_load(&row->is_over))
		fill(row);
	return NULL;
}

static int64_t late_ns(void (*use)(ipk_deadline deadline), ipk_deadline deadline)
{
	int64_t begin_ns = ipk__os_now_ns();

	use(deadline);
	return ipk__os_now_ns() - IPK__MAX(begin_ns, deadline.at_ns);
}

static void read_it(ipk_deadline deadline)
{
	if (ipk_rwlock_read_lock(rwlock, deadline, NULL) == 0)
		(void)!ipk_rwlock_read_unlock(rwlock);
}

static void write_it(ipk_deadline deadline)
{
	if (ipk_rwlock_write_lock(rwlock, deadline, NULL) == 0)
		(void)!ipk_rwlock_write_unlock(rwlock);
}

static void take_it(ipk_deadline deadline)
{
	(void)!ipk_semaphore_acquire(tokens, deadline);
}

/* One of some: no machine is loaded all the time, and what is never done is late each time. */
static void ck_in_time(struct row *row, void (*use)(ipk_deadline deadline))
{
	pthread_t thread;

	fill(row);
	ck_assert_int_eq(pthread_create(&thread, NULL, fill_again, row), 0);
	for (int now = 0; now < 2; now++) {
		int64_t least_ns = INT64_MAX;

		for (int i = 0; i < 40 && least_ns > ROW_LATE_NS; i++)
			least_ns = IPK__MIN(least_ns,
					    late_ns(use, now ? ipk_now() : ipk_in_ms(CALL_MS)));
		ck_assert_int_le(least_ns, ROW_LATE_NS);
	}
	atomic_store(&row->is_over, true);
	pthread_join(thread, NULL);
}

START_TEST(a_long_row_of_the_dead)
{
	struct row cells = {.n = IPK_RWLOCK_READERS_MAX,
			    .apart = sizeof(struct ipk__shm_cell) / sizeof(uint64_t)};
	struct row owners = {.n = IPK_SEMAPHORE_TOKENS_MAX, .apart = 1};

	if (_i < 2) {
		ck_ok(ipk_rwlock_create(IPK_RWLOCK(.max_readers = IPK_RWLOCK_READERS_MAX),
					&rwlock));
		cells.words = &((struct ipk__shm_rwlock *)object_of(rwlock))->cells[0].word;
		ck_in_time(&cells, _i == 0 ? read_it : write_it);
	} else {
		ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.kind = IPK_SEMAPHORE_OWNED,
							 .value = IPK_SEMAPHORE_TOKENS_MAX),
					   &tokens));
		owners.words = ((struct ipk__shm_semaphore *)object_of(tokens))->tokens;
		ck_in_time(&owners, take_it);
	}
	drop_all();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("lock_words");

	add_loop_test(s, entries_of_the_list, 0, 3);
	add_loop_test(s, the_word_of_a_held_one, 0, 5);
	add_loop_test(s, a_held_one_that_looks_free, 0, 4);
	add_loop_test(s, the_other_lock_of_a_killed_holder, 0, 2);
	add_test(s, a_number_that_is_used_again);
	add_loop_test(s, noise_over_held_locks, 0, 3);
	add_test(s, a_lock_wanted_by_nobody);
	add_loop_test(s, bits_of_a_barrier, 0, 3);
	add_test(s, a_value_beyond_the_maximum);
	add_loop_test(s, every_call_ends, 0, 5);
	add_loop_test(s, a_length_that_changes_after_the_check, 0, 3);
	add_loop_test(s, a_long_row_of_the_dead, 0, 3);
	return s;
}

IPK_TEST_MAIN(suite)
