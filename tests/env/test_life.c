/*
 * Which processes are alive, where /proc does not show it: it is missing, belongs to another pid
 * namespace, hides processes, or the clocks are set differently.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/worlds.h"
#include "ipk.h"
#include "support/support.h"

static const int worlds[] = {
	0,
	WORLD_NO_PROC,
	WORLD_FOREIGN_PROC,
	WORLD_LATE,
	WORLD_YOUNG,
	WORLD_HIDDEN,
	WORLD_NO_PIDFD,
	WORLD_HIDDEN | WORLD_NO_PIDFD,
	WORLD_NO_PROC | WORLD_NO_PIDFD,
	WORLD_FOREIGN_PROC | WORLD_NO_PIDFD,
	WORLD_LATE | WORLD_NO_PIDFD,
	WORLD_YOUNG | WORLD_NO_PIDFD,
};
#define N_WORLDS ((int)(sizeof worlds / sizeof *worlds))

/* For which the living are watched: longer than any look for the dead takes to come. */
enum { STILL_MS = 150 };

/* One of each kind of thing that comes back from the dead. */
struct things {
	ipk_queue *q;
	ipk_rwlock *rwlock;
	ipk_semaphore *tokens;
	struct gate held;
};

static void make_things(struct things *t)
{
	ck_ok(ipk_queue_create(NULL, &t->q));
	ck_ok(ipk_rwlock_create(NULL, &t->rwlock));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.kind = IPK_SEMAPHORE_OWNED, .value = 1),
				   &t->tokens));
	ck_ok(ipk_queue_put(t->q, "job", 3, ipk_in_ms(WAIT_MS)));
	gate_init(&t->held);
}

static void drop_things(struct things *t)
{
	ipk_queue_close(t->q);
	ipk_rwlock_close(t->rwlock);
	ipk_semaphore_close(t->tokens);
	gate_fini(&t->held);
}

static int hold_all(void *arg)
{
	struct things *t = arg;
	ipk_lease *lease;

	ck_ok(ipk_queue_lease(t->q, ipk_in_ms(WAIT_MS), &lease));
	ck_ok(ipk_rwlock_read_lock(t->rwlock, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_semaphore_acquire(t->tokens, ipk_in_ms(WAIT_MS)));
	gate_open(&t->held);
	pause();
	return 0;
}

/* Whatever is held stays so while the holder lives, and comes back when it is dead. */
static void ck_all_comes_back(struct things *t, pid_t holder)
{
	char buf[8];
	size_t n;
	bool recovered;

	ck_err(ipk_queue_get(t->q, buf, sizeof buf, ipk_in_ms(STILL_MS), &n), -ETIMEDOUT);
	ck_err(ipk_rwlock_write_lock(t->rwlock, ipk_in_ms(STILL_MS), &recovered), -ETIMEDOUT);
	ck_err(ipk_semaphore_acquire(t->tokens, ipk_in_ms(STILL_MS)), -ETIMEDOUT);
	kill_and_reap(holder);
	ck_ok(ipk_queue_get(t->q, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n));
	ck_ok(ipk_rwlock_write_lock(t->rwlock, ipk_in_ms(WAIT_MS), &recovered));
	ck_ok(ipk_semaphore_acquire(t->tokens, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_rwlock_write_unlock(t->rwlock));
	ck_ok(ipk_semaphore_release(t->tokens));
}

static int see_a_death(void *arg)
{
	struct things t;
	pid_t holder;

	(void)arg;
	make_things(&t);
	holder = spawn(hold_all, &t);
	gate_wait(&t.held);
	ck_all_comes_back(&t, holder);
	drop_things(&t);
	return 0;
}

START_TEST(a_death_is_seen)
{
	pid_t pid = spawn_in_world(worlds[_i], see_a_death, NULL);

	if (pid > 0)
		reap_ok(pid);
}
END_TEST

/* --- a zombie is dead, to whoever can see that it is one -------------------------------------- */

static int see_a_zombie(void *arg)
{
	struct things t;
	siginfo_t info;
	pid_t holder;

	(void)arg;
	make_things(&t);
	holder = spawn(hold_all, &t);
	gate_wait(&t.held);
	kill(holder, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)holder, &info, WEXITED | WNOWAIT), 0);
	ck_ok(ipk_semaphore_acquire(t.tokens, ipk_in_ms(WAIT_MS)));
	reap_signal(holder, SIGKILL);
	ck_ok(ipk_semaphore_release(t.tokens));
	drop_things(&t);
	return 0;
}

START_TEST(a_zombie_holds_nothing)
{
	static const int those[] = {0,          WORLD_NO_PROC,  WORLD_FOREIGN_PROC,
				    WORLD_LATE, WORLD_NO_PIDFD, WORLD_HIDDEN};
	pid_t pid = spawn_in_world(those[_i], see_a_zombie, NULL);

	if (pid > 0)
		reap_ok(pid);
}
END_TEST

/* --- the next one with the number ------------------------------------------------------------- */

static int sleep_on(void *arg)
{
	(void)arg;
	pause();
	return 0;
}

static int see_a_successor(void *arg)
{
	struct things t;
	pid_t holder, other;

	(void)arg;
	make_things(&t);
	holder = spawn(hold_all, &t);
	gate_wait(&t.held);
	kill_and_reap(holder);
	usleep(50000); /* of another start, as start times are told */
	other = spawn_as_pid(holder, sleep_on, NULL);
	if (other < 0) {
		fprintf(stderr, "skipped: no number may be chosen here\n");
	} else {
		ck_assert_int_eq(other, holder);
		ck_ok(ipk_semaphore_acquire(t.tokens, ipk_in_ms(WAIT_MS)));
		ck_ok(ipk_semaphore_release(t.tokens));
		kill_and_reap(other);
	}
	drop_things(&t);
	return 0;
}

START_TEST(who_has_the_number_next_holds_nothing)
{
	static const int those[] = {0,          WORLD_NO_PROC,  WORLD_FOREIGN_PROC,
				    WORLD_LATE, WORLD_NO_PIDFD, WORLD_LATE | WORLD_NO_PIDFD};
	pid_t pid = spawn_in_world(those[_i], see_a_successor, NULL);

	if (pid > 0)
		reap_ok(pid);
}
END_TEST

/* --- across worlds ---------------------------------------------------------------------------- */

/* Without /proc and without pidfds nobody tells in which pid namespace one is. */
static const int apart[] = {
	0,
	WORLD_NO_PROC,
	WORLD_LATE,
	WORLD_YOUNG,
	WORLD_NO_PIDFD,
	WORLD_LATE | WORLD_NO_PIDFD,
	WORLD_YOUNG | WORLD_NO_PIDFD,
};
#define N_APART ((int)(sizeof apart / sizeof *apart))

struct named {
	char queue[UNIQUE_NAME_BYTES];
	char rwlock[UNIQUE_NAME_BYTES];
	char tokens[UNIQUE_NAME_BYTES];
	struct gate held;
	int error; /* what opening gives */
};

static void open_named(struct named *names, struct things *t)
{
	ck_ok(ipk_queue_open(names->queue, ipk_now(), &t->q));
	ck_ok(ipk_rwlock_open(names->rwlock, ipk_now(), &t->rwlock));
	ck_ok(ipk_semaphore_open(names->tokens, ipk_now(), &t->tokens));
}

static int hold_named(void *arg)
{
	struct named *names = arg;
	struct things t;

	if (names->error != 0) {
		ck_err(ipk_queue_open(names->queue, ipk_now(), &t.q), names->error);
		ck_err(ipk_rwlock_open(names->rwlock, ipk_now(), &t.rwlock), names->error);
		ck_err(ipk_semaphore_open(names->tokens, ipk_now(), &t.tokens), names->error);
		return 0;
	}
	open_named(names, &t);
	t.held = names->held;
	return hold_all(&t);
}

static void make_named(struct named *names, struct things *t)
{
	*names = (struct named){.error = 0};
	unique_name(names->queue, "q");
	unique_name(names->rwlock, "rw");
	unique_name(names->tokens, "s");
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = names->queue), &t->q));
	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.name = names->rwlock), &t->rwlock));
	ck_ok(ipk_semaphore_create(
		IPK_SEMAPHORE(.name = names->tokens, .value = 1, .kind = IPK_SEMAPHORE_OWNED),
		&t->tokens));
	ck_ok(ipk_queue_put(t->q, "job", 3, ipk_in_ms(WAIT_MS)));
	gate_init(&names->held);
}

static void drop_named(struct named *names, struct things *t)
{
	t->held = names->held;
	drop_things(t);
	ck_ok(ipk_queue_unlink(names->queue));
	ck_ok(ipk_rwlock_unlink(names->rwlock));
	ck_ok(ipk_semaphore_unlink(names->tokens));
}

/* The holder is in the world, we are not. */
START_TEST(holders_elsewhere_are_alive)
{
	struct named names;
	struct things t;
	pid_t pid;

	make_named(&names, &t);
	pid = spawn_in_world(apart[_i], hold_named, &names);
	if (pid > 0) {
		gate_wait(&names.held);
		ck_all_comes_back(&t, pid);
	}
	drop_named(&names, &t);
}
END_TEST

static int find_all_held(void *arg)
{
	struct things t;
	char buf[8];
	size_t n;
	bool recovered;

	open_named(arg, &t);
	ck_err(ipk_queue_get(t.q, buf, sizeof buf, ipk_in_ms(STILL_MS), &n), -ETIMEDOUT);
	ck_err(ipk_rwlock_write_lock(t.rwlock, ipk_in_ms(STILL_MS), &recovered), -ETIMEDOUT);
	ck_err(ipk_semaphore_acquire(t.tokens, ipk_in_ms(STILL_MS)), -ETIMEDOUT);
	ipk_queue_close(t.q);
	ipk_rwlock_close(t.rwlock);
	ipk_semaphore_close(t.tokens);
	return 0;
}

/* We are the holder, who asks is in the world. */
START_TEST(we_are_alive_for_those_elsewhere)
{
	struct named names;
	struct things t;
	ipk_lease *lease;
	pid_t pid;

	make_named(&names, &t);
	ck_ok(ipk_queue_lease(t.q, ipk_now(), &lease));
	ck_ok(ipk_rwlock_read_lock(t.rwlock, ipk_now(), NULL));
	ck_ok(ipk_semaphore_acquire(t.tokens, ipk_now()));
	pid = spawn_in_world(apart[_i], find_all_held, &names);
	if (pid > 0)
		reap_ok(pid);
	ck_ok(ipk_semaphore_release(t.tokens));
	ck_ok(ipk_rwlock_read_unlock(t.rwlock));
	ck_ok(ipk_lease_ack(lease));
	ipk_lease_close(lease);
	drop_named(&names, &t);
}
END_TEST

/* Numbers of another pid namespace mean nothing here: such an object is not opened. */
START_TEST(other_pid_namespaces_are_refused)
{
	struct named names;
	struct things t;
	pid_t pid;

	make_named(&names, &t);
	names.error = -EXDEV;
	pid = spawn_in_world(WORLD_FOREIGN_PROC, hold_named, &names);
	if (pid > 0)
		reap_ok(pid);
	drop_named(&names, &t);
}
END_TEST

/* --- an inherited handle, in another pid namespace -------------------------------------------- */

static int use_inherited(void *arg)
{
	struct things *t = arg;
	char buf[8];
	ipk_lease *lease;
	size_t n;

	ck_err(ipk_queue_get(t->q, buf, sizeof buf, ipk_now(), &n), -EXDEV);
	ck_err(ipk_queue_lease(t->q, ipk_now(), &lease), -EXDEV);
	ck_err(ipk_queue_put(t->q, "x", 1, ipk_now()), -EXDEV);
	ck_err(ipk_rwlock_read_lock(t->rwlock, ipk_now(), NULL), -EXDEV);
	ck_err(ipk_semaphore_acquire(t->tokens, ipk_now()), -EXDEV);
	return 0;
}

START_TEST(inherited_handles_are_refused_there_too)
{
	struct things t;
	pid_t pid;

	make_things(&t);
	pid = spawn_in_world(WORLD_FOREIGN_PROC, use_inherited, &t);
	if (pid > 0)
		reap_ok(pid);
	drop_things(&t);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("life");

	add_loop_test(s, a_death_is_seen, 0, N_WORLDS);
	add_loop_test(s, a_zombie_holds_nothing, 0, 6);
	add_loop_test(s, who_has_the_number_next_holds_nothing, 0, 6);
	add_loop_test(s, holders_elsewhere_are_alive, 0, N_APART);
	add_loop_test(s, we_are_alive_for_those_elsewhere, 0, N_APART);
	add_test(s, other_pid_namespaces_are_refused);
	add_test(s, inherited_handles_are_refused_there_too);
	return s;
}

IPK_TEST_MAIN(suite)
