/*
 * test_lock_crowd.c - many processes at one lock, and death among them: whoever is left goes
 * on, what the lock guards is whole or said not to be, and a stopped holder is a living one.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipk/lock.h"
#include "support/support.h"

enum { N_CROWD = 100, N_RIVALS = 6, N_KILLS = 60, TURNS_BETWEEN_KILLS = 20, THREE_SLICES_MS = 310 };

/* What all processes of a test see. */
struct shared {
	ipk_lock *lock;
	const struct kind *kind;
	_Atomic uint32_t n_in_call;
	_Atomic uint32_t must_stop;
	_Atomic uint32_t n_faults;
	_Atomic uint64_t n_turns;
	/* Guarded; equal between turns. */
	volatile uint64_t first, second;
};

/* A way of having something for oneself. */
struct kind {
	int (*create)(struct shared *s);
	int (*enter)(struct shared *s, ipk_deadline deadline, bool *ret_recovered);
	int (*leave)(struct shared *s);
	void (*close)(struct shared *s);
};

/* --- the kinds --- */

static int create_lock(struct shared *s)
{
	return ipk_lock_create(NULL, &s->lock);
}

static int create_rlock(struct shared *s)
{
	return ipk_lock_create(IPK_LOCK(.is_recursive = true), &s->lock);
}

static int enter_lock(struct shared *s, ipk_deadline deadline, bool *ret_recovered)
{
	return ipk_lock_lock(s->lock, deadline, ret_recovered);
}

static int leave_lock(struct shared *s)
{
	return ipk_lock_unlock(s->lock);
}

static int enter_twice(struct shared *s, ipk_deadline deadline, bool *ret_recovered)
{
	int r = ipk_lock_lock(s->lock, deadline, ret_recovered);

	return r < 0 ? r : ipk_lock_lock(s->lock, ipk_now(), NULL);
}

static int leave_twice(struct shared *s)
{
	int r = ipk_lock_unlock(s->lock);

	return r < 0 ? r : ipk_lock_unlock(s->lock);
}

static void close_lock(struct shared *s)
{
	s->lock = ipk_lock_close(s->lock);
}

static const struct kind kinds[] = {
	{create_lock, enter_lock, leave_lock, close_lock},
	{create_rlock, enter_twice, leave_twice, close_lock},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static struct shared *start(int kind)
{
	struct shared *s =
		mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	s->kind = &kinds[kind];
	ck_ok(s->kind->create(s));
	return s;
}

static void finish(struct shared *s)
{
	s->kind->close(s);
	munmap(s, sizeof *s);
}

/* --- a hundred wait, one is left --- */

static int wait_in_crowd(void *arg)
{
	struct shared *s = arg;
	bool recovered;
	int r;

	atomic_fetch_add(&s->n_in_call, 1);
	r = s->kind->enter(s, ipk_in_ms(WAIT_MS), &recovered);
	if (r < 0 || recovered)
		return 1;
	return s->kind->leave(s) < 0;
}

static bool all_in_call(void *arg)
{
	return atomic_load(&((struct shared *)arg)->n_in_call) == N_CROWD;
}

static void gather(struct shared *s, pid_t pids[N_CROWD])
{
	for (int i = 0; i < N_CROWD; i++)
		pids[i] = spawn(wait_in_crowd, s);
	ck_assert(wait_until(all_in_call, s, WAIT_MS));
	for (int i = 0; i < N_CROWD; i++)
		ck_wait_asleep(pids[i]);
}

static void kill_all_but(const pid_t pids[N_CROWD], int last)
{
	for (int i = 0; i < N_CROWD; i++) {
		if (i != last)
			kill_and_reap(pids[i]);
	}
}

START_TEST(last_of_a_crowd_gets_it)
{
	static const int lasts[] = {0, N_CROWD / 2, N_CROWD - 1};
	struct shared *s = start(_i / 3);
	pid_t pids[N_CROWD];
	bool recovered;

	ck_ok(s->kind->enter(s, ipk_now(), &recovered));
	gather(s, pids);
	kill_all_but(pids, lasts[_i % 3]);
	ck_ok(s->kind->leave(s));
	reap_ok(pids[lasts[_i % 3]]);
	finish(s);
}
END_TEST

/* --- rivals, and somebody who kills them --- */

static void take_turn(struct shared *s, bool recovered)
{
	uint64_t n = s->first;

	if (recovered)
		s->second = n;
	else if (s->second != n)
		atomic_fetch_add(&s->n_faults, 1);
	s->first = n + 1;
	if (n % 8 == 0)
		sched_yield();
	s->second = n + 1;
}

static int rival(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->must_stop)) {
		bool recovered;

		if (s->kind->enter(s, ipk_in_ms(WAIT_MS), &recovered) < 0)
			return 1;
		take_turn(s, recovered);
		if (s->kind->leave(s) < 0)
			return 2;
		atomic_fetch_add(&s->n_turns, 1);
	}
	return 0;
}

struct progress {
	struct shared *s;
	uint64_t n_turns;
};

static bool has_progressed(void *arg)
{
	struct progress *p = arg;

	return atomic_load(&p->s->n_turns) >= p->n_turns;
}

static void kill_at_random(struct shared *s, pid_t pids[N_RIVALS], int n_kills)
{
	unsigned seed = 1;

	for (int i = 0; i < n_kills; i++) {
		struct progress p = {s, atomic_load(&s->n_turns) + TURNS_BETWEEN_KILLS};
		int who = rand_r(&seed) % N_RIVALS;

		ck_assert_msg(wait_until(has_progressed, &p, WAIT_MS), "no turn after kill %d", i);
		kill_and_reap(pids[who]);
		pids[who] = spawn(rival, s);
	}
}

START_TEST(rivals_survive_kills)
{
	struct shared *s = start(_i);
	pid_t pids[N_RIVALS];
	int n_kills = repeats(N_KILLS);
	bool recovered;

	for (int i = 0; i < N_RIVALS; i++)
		pids[i] = spawn(rival, s);
	kill_at_random(s, pids, n_kills);
	atomic_store(&s->must_stop, 1);
	for (int i = 0; i < N_RIVALS; i++)
		reap_ok(pids[i]);
	ck_ok(s->kind->enter(s, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_ok(s->kind->leave(s));
	ck_assert_uint_eq(atomic_load(&s->n_faults), 0);
	ck_assert_uint_eq(s->first, s->second);
	/* Each turn is in it; a killed one's may be without having been counted. */
	ck_assert_uint_ge(s->first, s->n_turns);
	ck_assert_uint_le(s->first, s->n_turns + (uint64_t)n_kills);
	finish(s);
}
END_TEST

/* --- stopped is not dead --- */

struct holding {
	struct shared *s;
	struct gate has_it, may_go;
};

static int hold(void *arg)
{
	struct holding *h = arg;
	bool recovered;

	if (h->s->kind->enter(h->s, ipk_now(), &recovered) < 0)
		return 1;
	gate_open(&h->has_it);
	gate_wait(&h->may_go);
	return h->s->kind->leave(h->s) < 0;
}

static bool has_stopped(void *arg)
{
	return is_stopped(*(pid_t *)arg);
}

START_TEST(a_stopped_holder_keeps_it)
{
	struct holding h = {.s = start(_i)};
	bool recovered = true;
	pid_t pid;

	gate_init(&h.has_it);
	gate_init(&h.may_go);
	pid = spawn(hold, &h);
	gate_wait(&h.has_it);
	kill(pid, SIGSTOP);
	ck_assert(wait_until(has_stopped, &pid, WAIT_MS));
	ck_err(h.s->kind->enter(h.s, ipk_in_ms(THREE_SLICES_MS), &recovered), -ETIMEDOUT);
	gate_open(&h.may_go);
	kill(pid, SIGCONT);
	ck_ok(h.s->kind->enter(h.s, ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(!recovered);
	ck_ok(h.s->kind->leave(h.s));
	reap_ok(pid);
	gate_fini(&h.has_it);
	gate_fini(&h.may_go);
	finish(h.s);
}
END_TEST

/* Killed while it is stopped, it is dead. */
START_TEST(a_stopped_holder_can_die)
{
	struct holding h = {.s = start(_i)};
	bool recovered = false;
	pid_t pid;

	gate_init(&h.has_it);
	gate_init(&h.may_go);
	pid = spawn(hold, &h);
	gate_wait(&h.has_it);
	kill(pid, SIGSTOP);
	ck_assert(wait_until(has_stopped, &pid, WAIT_MS));
	kill_and_reap(pid);
	ck_ok(h.s->kind->enter(h.s, ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(recovered);
	ck_ok(h.s->kind->leave(h.s));
	gate_fini(&h.has_it);
	gate_fini(&h.may_go);
	finish(h.s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("lock crowd");

	add_loop_test(s, last_of_a_crowd_gets_it, 0, 3 * N_KINDS);
	add_loop_test(s, rivals_survive_kills, 0, N_KINDS);
	add_loop_test(s, a_stopped_holder_keeps_it, 0, N_KINDS);
	add_loop_test(s, a_stopped_holder_can_die, 0, N_KINDS);
	return s;
}
IPK_TEST_MAIN(suite)
