/* test_barrier.c - lib/lock/barrier.c: nobody continues before all have arrived. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/barrier.h"
#include "lock/states.h"
#include "support/support.h"

enum { PARTIES_MAX = 8, ROUNDS_MAX = 512 };

/* Shared with children. */
struct shared {
	atomic_uint n_arriving[ROUNDS_MAX];
	atomic_uint indexes[ROUNDS_MAX]; /* a bit for each that was given */
	atomic_uint n_actions;
	atomic_uint n_came;
	atomic_bool may_go;
	atomic_int results[PARTIES_MAX];
};

struct fix {
	ipk_barrier *barrier;
	struct shared *shared;
	uint32_t n;
	uint32_t n_rounds;
	bool with_action;
};

static struct fix make(uint32_t n)
{
	struct fix f = {.n = n};

	f.shared = mmap(NULL, sizeof *f.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	ck_assert_ptr_ne(f.shared, MAP_FAILED);
	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = n), &f.barrier));
	return f;
}

static void drop(struct fix *f)
{
	ck_assert_ptr_null(ipk_barrier_close(f->barrier));
	munmap(f->shared, sizeof *f->shared);
}

static int wait_plainly(struct fix *f, ipk_deadline deadline)
{
	return ipk_barrier_wait(f->barrier, NULL, NULL, deadline, NULL);
}

/* --- facts ------------------------------------------------------------------------------------ */

struct number {
	struct fix *f;
	uint32_t n;
};

static bool so_many_wait(void *arg)
{
	struct number *n = arg;

	return N_LISTED(ipk_barrier_waiters, n->f->barrier, NULL, 0) == n->n;
}

static bool so_many_registered(void *arg)
{
	struct number *n = arg;

	return n->f->shared->n_came >= n->n;
}

static bool is_broken(void *arg)
{
	return ipk_barrier_is_broken(((struct fix *)arg)->barrier);
}

static bool may_go(void *arg)
{
	return ((struct fix *)arg)->shared->may_go;
}

static void ck_so_many(bool (*fact)(void *arg), struct fix *f, uint32_t n)
{
	struct number number = {f, n};

	ck_assert(wait_until(fact, &number, WAIT_MS));
}

/* --- bodies of processes: the exit code is the result, negated -------------------------------- */

static int wait_once(void *arg)
{
	return -wait_plainly(arg, ipk_in_ms(WAIT_MS));
}

static int wait_short(void *arg)
{
	return -wait_plainly(arg, ipk_in_ms(30));
}

static int register_and_sleep(void *arg)
{
	struct fix *f = arg;

	if (ipk_barrier_register(f->barrier) < 0)
		return 1;
	f->shared->n_came++;
	wait_until(may_go, f, WAIT_MS);
	return wait_once(f);
}

static int stay_in_action(void *arg)
{
	struct fix *f = arg;

	f->shared->n_actions++;
	return wait_until(may_go, f, WAIT_MS) ? 0 : -EIO;
}

static int act_and_stay(void *arg)
{
	struct fix *f = arg;

	return -ipk_barrier_wait(f->barrier, stay_in_action, f, ipk_in_ms(WAIT_MS), NULL);
}

static bool has_acted(void *arg)
{
	return ((struct fix *)arg)->shared->n_actions > 0;
}

static void spawn_many(pid_t *pids, uint32_t n, int (*fn)(void *arg), struct fix *f)
{
	for (uint32_t i = 0; i < n; i++)
		pids[i] = spawn(fn, f);
}

static void reap_many(const pid_t *pids, uint32_t n, int result)
{
	for (uint32_t i = 0; i < n; i++)
		reap_code(pids[i], -result);
}

/* --- calls ------------------------------------------------------------------------------------ */

START_TEST(alone)
{
	struct fix f = make(1);
	unsigned index = 7;

	ck_assert_uint_eq(ipk_barrier_n_parties(f.barrier), 1);
	for (int i = 0; i < 100; i++)
		ck_ok(ipk_barrier_wait(f.barrier, NULL, NULL, ipk_now(), &index));
	ck_assert_uint_eq(index, 0);
	ck_assert_uint_eq(ipk_barrier_n_waiting(f.barrier), 0);
	drop(&f);
}
END_TEST

START_TEST(wrong_arguments)
{
	ipk_barrier_opts odd = {.struct_size = 1};
	ipk_barrier *barrier = NULL;

	ck_err(ipk_barrier_create(IPK_BARRIER(.n_parties = 2), NULL), -EINVAL);
	ck_err(ipk_barrier_create(NULL, &barrier), -EINVAL);
	ck_err(ipk_barrier_create(&odd, &barrier), -EINVAL);
	ck_err(ipk_barrier_create(IPK_BARRIER(.n_parties = 1025), &barrier), -EINVAL);
	ck_err(ipk_barrier_open("t-nobody-made-it", ipk_now(), &barrier), -ENOENT);
	ck_err(ipk_barrier_open("t-nobody-made-it", ipk_now(), NULL), -EINVAL);
	ck_err(ipk_barrier_unlink("t-nobody-made-it"), -ENOENT);
	ck_err(ipk_barrier_wait(NULL, NULL, NULL, ipk_now(), NULL), -EBADF);
	ck_err(ipk_barrier_register(NULL), -EBADF);
	ck_err(ipk_barrier_unregister(NULL), -EBADF);
	ck_err(ipk_barrier_abort(NULL), -EBADF);
	ck_err(ipk_barrier_reset(NULL), -EBADF);
	ck_err(ipk_barrier_send(NULL, NULL, ipk_now()), -EBADF);
	ck_assert_uint_eq(ipk_barrier_n_parties(NULL), 0);
	ck_assert_uint_eq(ipk_barrier_n_waiting(NULL), 0);
	ck_err(ipk_barrier_waiters(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_assert(!ipk_barrier_is_broken(NULL));
	ck_assert_ptr_null(ipk_barrier_close(NULL));
	ck_assert_ptr_null(barrier);
}
END_TEST

START_TEST(named_and_passed_on)
{
	char name[UNIQUE_NAME_BYTES];
	struct fix f = make(2), g = f;
	ipk_barrier *named = NULL;
	ipk_pipe *a = NULL, *b = NULL;
	pid_t pid;

	unique_name(name, "barrier");
	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = 2, .name = name), &named));
	ck_ok(ipk_barrier_open(name, ipk_now(), &g.barrier));
	ck_assert_uint_eq(ipk_barrier_n_parties(g.barrier), 2);
	ck_ok(ipk_barrier_unlink(name));
	pid = spawn(wait_once, &g);
	ck_ok(ipk_barrier_wait(named, NULL, NULL, ipk_in_ms(WAIT_MS), NULL));
	reap_ok(pid);
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_err(ipk_barrier_send(named, a, ipk_now()), -EOPNOTSUPP);
	ipk_barrier_close(named);
	ipk_barrier_close(g.barrier);
	ck_ok(ipk_barrier_send(f.barrier, a, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_barrier_recv(b, ipk_in_ms(WAIT_MS), NULL), -EINVAL);
	ck_ok(ipk_barrier_recv(b, ipk_in_ms(WAIT_MS), &g.barrier));
	pid = spawn(wait_once, &g);
	ck_ok(wait_plainly(&f, ipk_in_ms(WAIT_MS)));
	reap_ok(pid);
	ipk_barrier_close(g.barrier);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	drop(&f);
}
END_TEST

START_TEST(a_damaged_one_is_refused)
{
	char name[UNIQUE_NAME_BYTES];
	const uint32_t wrong[] = {0, 1025, 1024, UINT32_MAX};
	struct ipk__shm_barrier *shared;
	ipk_barrier *barrier = NULL, *other = NULL;

	unique_name(name, "barrier");
	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = 2, .name = name), &barrier));
	shared = barrier->shared;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		shared->n_parties = wrong[i];
		ck_err(ipk_barrier_open(name, ipk_now(), &other), -EBADMSG);
	}
	ck_assert_ptr_null(other);
	/* 2047 have arrived, and nobody acts. */
	atomic_store(&shared->state, (uint64_t)2047 << 14 | (uint64_t)2046 << 3);
	ck_err(ipk_barrier_wait(barrier, NULL, NULL, ipk_now(), NULL), -ENOTRECOVERABLE);
	ck_assert_uint_le(ipk_barrier_n_waiting(barrier), 2);
	ck_ok(ipk_barrier_unlink(name));
	ipk_barrier_close(barrier);
}
END_TEST

/* --- rounds ----------------------------------------------------------------------------------- */

static int count_action(void *arg)
{
	((struct fix *)arg)->shared->n_actions++;
	return 0;
}

/* Nobody is through a round before all were on their way into it. */
static int go_round(void *arg)
{
	struct fix *f = arg;

	for (uint32_t i = 0; i < f->n_rounds; i++) {
		unsigned index = UINT32_MAX;

		f->shared->n_arriving[i]++;
		if (ipk_barrier_wait(f->barrier, f->with_action ? count_action : NULL, f,
				     ipk_in_ms(WAIT_MS), &index) != 0)
			return 1;
		if (f->shared->n_arriving[i] != f->n ||
		    (f->with_action && f->shared->n_actions < i + 1))
			return 2;
		if (index >= f->n ||
		    (atomic_fetch_or(&f->shared->indexes[i], 1u << index) & 1u << index) != 0)
			return 3;
	}
	return 0;
}

static void ck_rounds(const struct fix *f)
{
	for (uint32_t i = 0; i < f->n_rounds; i++)
		ck_assert_uint_eq(f->shared->indexes[i], (1u << f->n) - 1);
	ck_assert_uint_eq(f->shared->n_actions, f->with_action ? f->n_rounds : 0);
}

static void set_gen(struct fix *f, uint32_t gen)
{
	uint64_t word = atomic_load(&f->barrier->shared->state);

	atomic_store(&f->barrier->shared->state, (uint64_t)gen << 32 | (uint32_t)word);
}

/* The number of the round wraps on the way. */
START_TEST(processes_go_round)
{
	struct fix f = make((uint32_t)_i);
	pid_t pids[PARTIES_MAX];

	f.n_rounds = repeats(200);
	f.with_action = _i % 2 == 0;
	set_gen(&f, UINT32_MAX - 10);
	spawn_many(pids, f.n, go_round, &f);
	reap_many(pids, f.n, 0);
	ck_rounds(&f);
	ck_assert(!ipk_barrier_is_broken(f.barrier));
	drop(&f);
}
END_TEST

static void *go_round_in_thread(void *arg)
{
	return (void *)(intptr_t)go_round(arg);
}

START_TEST(threads_go_round)
{
	struct fix f = make((uint32_t)_i);
	pthread_t threads[PARTIES_MAX];
	void *r;

	f.n_rounds = repeats(400);
	f.with_action = _i % 2 == 0;
	set_gen(&f, UINT32_MAX - 10);
	for (uint32_t i = 0; i < f.n; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, go_round_in_thread, &f), 0);
	for (uint32_t i = 0; i < f.n; i++) {
		pthread_join(threads[i], &r);
		ck_assert_int_eq((int)(intptr_t)r, 0);
	}
	ck_rounds(&f);
	drop(&f);
}
END_TEST

START_TEST(waiting_is_seen)
{
	struct fix f = make(3);
	uint32_t tids[3];
	pid_t pids[2];

	spawn_many(pids, 2, wait_once, &f);
	ck_so_many(so_many_wait, &f, 2);
	ck_assert_uint_eq(ipk_barrier_n_waiting(f.barrier), 2);
	ck_assert_uint_eq(N_LISTED(ipk_barrier_waiters, f.barrier, tids, 3), 2);
	ck_ok(wait_plainly(&f, ipk_now()));
	reap_many(pids, 2, 0);
	ck_assert_uint_eq(ipk_barrier_n_waiting(f.barrier), 0);
	drop(&f);
}
END_TEST

/* --- breaking --------------------------------------------------------------------------------- */

START_TEST(a_deadline_breaks_it_for_all)
{
	struct fix f = make(4);
	pid_t pids[3];

	spawn_many(pids, 2, wait_once, &f);
	ck_so_many(so_many_wait, &f, 2);
	pids[2] = spawn(wait_short, &f);
	reap_code(pids[2], ETIMEDOUT);
	reap_many(pids, 2, -ECANCELED);
	ck_assert(ipk_barrier_is_broken(f.barrier));
	ck_assert_uint_eq(ipk_barrier_n_waiting(f.barrier), 0);
	ck_err(wait_plainly(&f, ipk_forever()), -ECANCELED);
	ck_ok(ipk_barrier_reset(f.barrier));
	ck_assert(!ipk_barrier_is_broken(f.barrier));
	ck_err(wait_plainly(&f, ipk_now()), -ETIMEDOUT);
	ck_assert(ipk_barrier_is_broken(f.barrier));
	drop(&f);
}
END_TEST

START_TEST(abort_and_reset_end_waits)
{
	struct fix f = make(3);
	pid_t pids[3];

	spawn_many(pids, 2, wait_once, &f);
	ck_so_many(so_many_wait, &f, 2);
	ck_ok(ipk_barrier_abort(f.barrier));
	reap_many(pids, 2, -ECANCELED);
	ck_assert(ipk_barrier_is_broken(f.barrier));
	ck_ok(ipk_barrier_abort(f.barrier));
	ck_ok(ipk_barrier_reset(f.barrier));
	/* Reset alone does too, for a stopped one as well. */
	spawn_many(pids, 2, wait_once, &f);
	ck_so_many(so_many_wait, &f, 2);
	ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
	ck_ok(ipk_barrier_reset(f.barrier));
	ck_assert(!ipk_barrier_is_broken(f.barrier));
	ck_assert_int_eq(kill(pids[0], SIGCONT), 0);
	reap_many(pids, 2, -ECANCELED);
	ck_ok(ipk_barrier_reset(f.barrier));
	spawn_many(pids, 3, wait_once, &f);
	reap_many(pids, 3, 0);
	drop(&f);
}
END_TEST

static int fail_it(void *arg)
{
	(void)arg;
	return -EIO;
}

static int wait_inside(void *arg)
{
	return wait_plainly(arg, ipk_forever()) == -EDEADLK ? 0 : -EIO;
}

START_TEST(actions_fail_and_must_not_wait)
{
	struct fix f = make(2);
	pid_t pid = spawn(wait_once, &f);

	ck_so_many(so_many_wait, &f, 1);
	ck_err(ipk_barrier_wait(f.barrier, fail_it, NULL, ipk_now(), NULL), -EIO);
	reap_code(pid, ECANCELED);
	ck_assert(ipk_barrier_is_broken(f.barrier));
	ck_ok(ipk_barrier_reset(f.barrier));
	pid = spawn(wait_once, &f);
	ck_so_many(so_many_wait, &f, 1);
	ck_ok(ipk_barrier_wait(f.barrier, wait_inside, &f, ipk_now(), NULL));
	reap_ok(pid);
	drop(&f);
}
END_TEST

/* A waiter's deadline passes during the action: who acts is told when it has done. */
START_TEST(it_breaks_while_one_acts)
{
	struct fix f = make(2);
	pid_t actor, waiter;

	ck_ok(ipk_barrier_register(f.barrier));
	ck_ok(ipk_barrier_unregister(f.barrier));
	waiter = spawn(wait_once, &f);
	ck_so_many(so_many_wait, &f, 1);
	actor = spawn(act_and_stay, &f);
	ck_assert(wait_until(has_acted, &f, WAIT_MS));
	ck_assert_uint_eq(ipk_barrier_n_waiting(f.barrier), 2);
	ck_ok(ipk_barrier_abort(f.barrier));
	reap_code(waiter, ECANCELED);
	f.shared->may_go = true;
	reap_code(actor, ECANCELED);
	drop(&f);
}
END_TEST

/* --- one outcome for all, however releasing and breaking race --------------------------------- */

static int wait_in_race(void *arg)
{
	struct fix *f = arg;
	int r = wait_plainly(f, ipk_in_ms(WAIT_MS));

	(void)!ipk_barrier_unregister(f->barrier);
	f->shared->n_came++;
	return -r;
}

static int exit_code(pid_t pid)
{
	siginfo_t info = {0};

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	reap_code(pid, info.si_status);
	return info.si_status;
}

/* Or they all are through. */
static bool so_many_came(void *arg)
{
	struct number *n = arg;

	return ipk_barrier_n_waiting(n->f->barrier) >= n->n || n->f->shared->n_came >= 4;
}

START_TEST(all_get_the_same_outcome)
{
	struct fix f = make(4);

	for (int round = 0; round < repeats(200); round++) {
		pid_t pids[4];
		int first;

		f.shared->n_came = 0;
		spawn_many(pids, 4, wait_in_race, &f);
		if (round % 2 == 0) {
			struct number number = {&f, (uint32_t)round / 2 % 4};

			ck_assert(wait_until(so_many_came, &number, WAIT_MS));
		}
		ck_ok(ipk_barrier_abort(f.barrier));
		first = exit_code(pids[0]);
		ck_assert(first == 0 || first == ECANCELED);
		for (int i = 1; i < 4; i++)
			ck_assert_int_eq(exit_code(pids[i]), first);
		ck_ok(ipk_barrier_reset(f.barrier));
	}
	drop(&f);
}
END_TEST

/* --- deaths ----------------------------------------------------------------------------------- */

START_TEST(a_party_dies_before_it_arrives)
{
	struct fix f = make(4);
	pid_t pids[3];

	pids[2] = spawn(register_and_sleep, &f);
	ck_so_many(so_many_registered, &f, 1);
	spawn_many(pids, 2, wait_once, &f);
	ck_so_many(so_many_wait, &f, 2);
	ck_assert(!ipk_barrier_is_broken(f.barrier));
	kill_and_reap(pids[2]);
	reap_many(pids, 2, -ECANCELED);
	ck_assert(ipk_barrier_is_broken(f.barrier));
	/* The dead are forgotten. */
	ck_ok(ipk_barrier_reset(f.barrier));
	pid_t again[4];
	spawn_many(again, 4, wait_once, &f);
	reap_many(again, 4, 0);
	drop(&f);
}
END_TEST

/* It took part in a round, and dies before the next. */
START_TEST(a_party_dies_between_rounds)
{
	struct fix f = make(3);
	pid_t pids[2];

	f.n_rounds = 1;
	spawn_many(pids, 2, wait_once, &f);
	ck_ok(wait_plainly(&f, ipk_in_ms(WAIT_MS)));
	reap_many(pids, 2, 0);
	ck_err(wait_plainly(&f, ipk_in_ms(WAIT_MS)), -ECANCELED);
	drop(&f);
}
END_TEST

START_TEST(who_arrived_counts_though_dead)
{
	struct fix f = make(4);
	pid_t pids[3];

	for (int round = 0; round < 4; round++) {
		spawn_many(pids, 3, wait_once, &f);
		ck_so_many(so_many_wait, &f, 3);
		/* One that others came after, the last one, or all. */
		for (int i = 0; i < 3; i++) {
			if (round == 3 || i == round)
				kill_and_reap(pids[i]);
		}
		/* Several looks. */
		ck_assert(!wait_until(is_broken, &f, 450));
		ck_assert_uint_eq(ipk_barrier_n_waiting(f.barrier), 3);
		ck_ok(wait_plainly(&f, ipk_now()));
		for (int i = 0; i < 3; i++) {
			if (round != 3 && i != round)
				reap_ok(pids[i]);
		}
		ck_ok(ipk_barrier_reset(f.barrier));
	}
	drop(&f);
}
END_TEST

START_TEST(who_acts_is_killed)
{
	struct fix f = make(3);
	pid_t pids[3];

	spawn_many(pids, 2, wait_once, &f);
	ck_so_many(so_many_wait, &f, 2);
	pids[2] = spawn(act_and_stay, &f);
	ck_assert(wait_until(has_acted, &f, WAIT_MS));
	kill_and_reap(pids[2]);
	reap_many(pids, 2, -ECANCELED);
	ck_assert(ipk_barrier_is_broken(f.barrier));
	drop(&f);
}
END_TEST

START_TEST(a_stopped_party_is_not_dead)
{
	struct fix f = make(3);
	pid_t pids[2];

	pids[0] = spawn(register_and_sleep, &f);
	ck_so_many(so_many_registered, &f, 1);
	ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
	pids[1] = spawn(wait_once, &f);
	ck_so_many(so_many_wait, &f, 1);
	/* Several looks. */
	ck_assert(!wait_until(is_broken, &f, 450));
	ck_assert(is_stopped(pids[0]));
	f.shared->may_go = true;
	ck_assert_int_eq(kill(pids[0], SIGCONT), 0);
	ck_ok(wait_plainly(&f, ipk_in_ms(WAIT_MS)));
	reap_many(pids, 2, 0);
	drop(&f);
}
END_TEST

/* Stopped in a wait whose round ends, it still learns how. */
START_TEST(a_stopped_waiter_learns_how_it_ended)
{
	struct fix f = make(2);
	pid_t pid = spawn(wait_once, &f);

	ck_so_many(so_many_wait, &f, 1);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_ok(wait_plainly(&f, ipk_now()));
	for (int i = 0; i < 3; i++) {
		ck_err(wait_plainly(&f, ipk_now()), -ETIMEDOUT);
		ck_ok(ipk_barrier_reset(f.barrier));
	}
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	reap_ok(pid);
	drop(&f);
}
END_TEST

/* --- parties ---------------------------------------------------------------------------------- */

static int try_to_register(void *arg)
{
	return -ipk_barrier_register(((struct fix *)arg)->barrier);
}

START_TEST(no_more_parties_than_there_are)
{
	struct fix f = make(2);
	pid_t pids[2];

	spawn_many(pids, 2, register_and_sleep, &f);
	ck_so_many(so_many_registered, &f, 2);
	ck_err(ipk_barrier_register(f.barrier), -EUSERS);
	ck_err(wait_plainly(&f, ipk_forever()), -EUSERS);
	/* Others may leave; who dies breaks it, and leaves too. */
	kill_and_reap(pids[0]);
	ck_ok(ipk_barrier_register(f.barrier));
	ck_ok(ipk_barrier_register(f.barrier));
	ck_assert(ipk_barrier_is_broken(f.barrier));
	reap_code(spawn(try_to_register, &f), EUSERS);
	ck_ok(ipk_barrier_unregister(f.barrier));
	ck_ok(ipk_barrier_unregister(f.barrier));
	reap_ok(spawn(try_to_register, &f));
	kill_and_reap(pids[1]);
	drop(&f);
}
END_TEST

static int wait_and_leave(void *arg)
{
	struct fix *f = arg;
	int r = wait_plainly(f, ipk_in_ms(WAIT_MS));

	ipk_barrier_close(f->barrier);
	return -r;
}

/* New processes take the places of those that closed it. */
START_TEST(parties_take_turns)
{
	struct fix f = make(3);
	pid_t pids[3];

	for (int i = 0; i < 10; i++) {
		spawn_many(pids, 3, wait_and_leave, &f);
		reap_many(pids, 3, 0);
	}
	ck_assert(!ipk_barrier_is_broken(f.barrier));
	drop(&f);
}
END_TEST

/* Killed at any instruction, on the way in, inside or out: the barrier breaks or goes on. */
static int go_for_ever(void *arg)
{
	struct fix *f = arg;
	int r = 0;

	while (r == 0)
		r = ipk_barrier_wait(f->barrier, f->with_action ? count_action : NULL, f,
				     ipk_in_ms(WAIT_MS), NULL);
	return -r;
}

START_TEST(killed_anywhere)
{
	for (int round = 0; round < repeats(24); round++) {
		struct fix f = make(4);
		pid_t pids[4];
		uint64_t before = atomic_load(&f.barrier->shared->state) >> 32;

		f.with_action = round % 2 == 0;
		spawn_many(pids, 4, go_for_ever, &f);
		while (atomic_load(&f.barrier->shared->state) >> 32 <
		       before + 20 + (uint64_t)round * 7)
			sched_yield();
		kill_and_reap(pids[3]);
		reap_many(pids, 3, -ECANCELED);
		ck_ok(ipk_barrier_reset(f.barrier));
		f.n_rounds = 5;
		f.shared->n_actions = 0;
		spawn_many(pids, 4, go_round, &f);
		reap_many(pids, 4, 0);
		drop(&f);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("barrier");

	add_test(s, alone);
	add_test(s, wrong_arguments);
	add_test(s, named_and_passed_on);
	add_test(s, a_damaged_one_is_refused);
	add_loop_test(s, processes_go_round, 2, PARTIES_MAX + 1);
	add_loop_test(s, threads_go_round, 2, PARTIES_MAX + 1);
	add_test(s, waiting_is_seen);
	add_test(s, a_deadline_breaks_it_for_all);
	add_test(s, abort_and_reset_end_waits);
	add_test(s, actions_fail_and_must_not_wait);
	add_test(s, it_breaks_while_one_acts);
	add_test(s, all_get_the_same_outcome);
	add_test(s, a_party_dies_before_it_arrives);
	add_test(s, a_party_dies_between_rounds);
	add_test(s, who_arrived_counts_though_dead);
	add_test(s, who_acts_is_killed);
	add_test(s, a_stopped_party_is_not_dead);
	add_test(s, a_stopped_waiter_learns_how_it_ended);
	add_test(s, no_more_parties_than_there_are);
	add_test(s, parties_take_turns);
	add_test(s, killed_anywhere);
	return s;
}
IPK_TEST_MAIN(suite)
