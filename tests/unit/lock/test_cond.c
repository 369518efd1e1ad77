/* test_cond.c - lib/lock/cond.c: waiting for a change under a lock. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipk/cond.h"
#include "lock/states.h"
#include "support/support.h"

/* Shared with children. */
struct shared {
	int n_items; /* under the lock */
	bool is_open;
	atomic_int n_back; /* from the wait, as they told after it */
	atomic_int n_waits;
	atomic_bool is_over;
};

struct fix {
	ipk_cond *cond;
	ipk_lock *lock;
	struct shared *shared;
};

static struct fix make(bool is_recursive)
{
	struct fix f = {0};

	f.shared = mmap(NULL, sizeof *f.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	ck_assert_ptr_ne(f.shared, MAP_FAILED);
	ck_ok(ipk_cond_create(NULL, &f.cond));
	ck_ok(ipk_lock_create(IPK_LOCK(.is_recursive = is_recursive), &f.lock));
	return f;
}

static void drop(struct fix *f)
{
	ck_assert_ptr_null(ipk_cond_close(f->cond));
	ipk_lock_close(f->lock);
	munmap(f->shared, sizeof *f->shared);
}

static void lock(struct fix *f)
{
	ck_ok(ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL));
}

static void unlock(struct fix *f)
{
	ck_ok(ipk_lock_unlock(f->lock));
}

static bool is_open(void *arg)
{
	return ((struct fix *)arg)->shared->is_open;
}

static bool has_items(void *arg)
{
	return ((struct fix *)arg)->shared->n_items > 0;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* --- who sleeps ------------------------------------------------------------------------------- */

struct crowd {
	struct fix *f;
	size_t n;
};

static bool all_wait(void *arg)
{
	struct crowd *c = arg;

	return N_LISTED(ipk_cond_waiters, c->f->cond, NULL, 0) == c->n;
}

static void ck_all_wait(struct fix *f, size_t n)
{
	struct crowd c = {f, n};

	ck_assert(wait_until(all_wait, &c, WAIT_MS));
}

static void ck_all_asleep(const pid_t *pids, int n)
{
	for (int i = 0; i < n; i++)
		ck_wait_asleep(pids[i]);
}

/* Once, without a predicate. */
static int wait_once(void *arg)
{
	struct fix *f = arg;
	int r;

	if (ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	r = ipk_cond_wait(f->cond, f->lock, ipk_in_ms(WAIT_MS), NULL);
	f->shared->n_back++;
	if (ipk_lock_owner(f->lock) != (uint32_t)gettid())
		return 2;
	(void)!ipk_lock_unlock(f->lock);
	return r == 0 ? 0 : 3;
}

static int wait_until_open(void *arg)
{
	struct fix *f = arg;

	if (ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	if (ipk_cond_wait_for(f->cond, f->lock, is_open, f, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 2;
	f->shared->n_back++;
	return ipk_lock_unlock(f->lock) == 0 ? 0 : 3;
}

/* --- calls ------------------------------------------------------------------------------------ */

START_TEST(deadlines_and_the_lock)
{
	struct fix f = make(false);
	bool recovered = true;

	lock(&f);
	ck_err(ipk_cond_wait(f.cond, f.lock, ipk_now(), &recovered), -ETIMEDOUT);
	ck_assert(!recovered);
	ck_assert_uint_eq(ipk_lock_owner(f.lock), (uint32_t)gettid());
	ck_err(ipk_cond_wait(f.cond, f.lock, ipk_in_ms(3), NULL), -ETIMEDOUT);
	ck_err(ipk_cond_wait_for(f.cond, f.lock, never, NULL, ipk_now(), NULL), -ETIMEDOUT);
	recovered = true;
	ck_err(ipk_cond_wait_for(f.cond, f.lock, never, NULL, ipk_in_ms(250), &recovered),
	       -ETIMEDOUT);
	ck_assert(!recovered);
	ck_assert_uint_eq(ipk_lock_owner(f.lock), (uint32_t)gettid());
	f.shared->is_open = true;
	ck_ok(ipk_cond_wait_for(f.cond, f.lock, is_open, &f, ipk_now(), &recovered));
	unlock(&f);
	ck_ok(ipk_cond_notify(f.cond, 0));
	ck_ok(ipk_cond_notify(f.cond, 1));
	ck_ok(ipk_cond_notify_all(f.cond));
	/* Nothing is kept for later. */
	lock(&f);
	ck_err(ipk_cond_wait(f.cond, f.lock, ipk_in_ms(120), NULL), -ETIMEDOUT);
	unlock(&f);
	drop(&f);
}
END_TEST

START_TEST(wrong_arguments)
{
	struct fix f = make(false);
	ipk_cond_opts odd = {.struct_size = 1};
	ipk_cond *cond = NULL;

	ck_err(ipk_cond_create(NULL, NULL), -EINVAL);
	ck_err(ipk_cond_create(&odd, &cond), -EINVAL);
	ck_err(ipk_cond_open("t-nobody-made-it", ipk_now(), &cond), -ENOENT);
	ck_err(ipk_cond_open("t-nobody-made-it", ipk_now(), NULL), -EINVAL);
	ck_err(ipk_cond_unlink("t-nobody-made-it"), -ENOENT);
	ck_assert_ptr_null(cond);
	ck_err(ipk_cond_wait(NULL, f.lock, ipk_now(), NULL), -EBADF);
	ck_err(ipk_cond_wait(f.cond, NULL, ipk_now(), NULL), -EBADF);
	ck_err(ipk_cond_wait(f.cond, f.lock, ipk_now(), NULL), -EPERM);
	ck_err(ipk_cond_wait_for(f.cond, f.lock, is_open, &f, ipk_now(), NULL), -EPERM);
	ck_err(ipk_cond_wait_for(f.cond, f.lock, NULL, NULL, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_cond_notify(NULL, 1), -EBADF);
	ck_err(ipk_cond_notify_all(NULL), -EBADF);
	ck_err(ipk_cond_waiters(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_err(ipk_cond_send(NULL, NULL, ipk_now()), -EBADF);
	ck_assert_ptr_null(ipk_cond_close(NULL));
	drop(&f);
}
END_TEST

static int not_the_holder(void *arg)
{
	struct fix *f = arg;

	return ipk_cond_wait(f->cond, f->lock, ipk_forever(), NULL) == -EPERM ? 0 : 1;
}

START_TEST(a_fork_child_does_not_hold_it)
{
	struct fix f = make(true);

	lock(&f);
	reap_ok(spawn(not_the_holder, &f));
	unlock(&f);
	drop(&f);
}
END_TEST

START_TEST(named_and_passed_on)
{
	char name[UNIQUE_NAME_BYTES];
	struct fix f = make(false);
	ipk_cond *named = NULL, *mine = f.cond;
	ipk_pipe *a = NULL, *b = NULL;
	pid_t pid;

	unique_name(name, "cond");
	ck_ok(ipk_cond_create(IPK_COND(.name = name), &named));
	ck_ok(ipk_cond_open(name, ipk_now(), &f.cond));
	ck_ok(ipk_cond_unlink(name));
	pid = spawn(wait_once, &f);
	ck_all_wait(&f, 1);
	ck_ok(ipk_cond_notify_all(named));
	reap_ok(pid);
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_err(ipk_cond_send(named, a, ipk_now()), -EOPNOTSUPP);
	ipk_cond_close(named);
	ipk_cond_close(f.cond);
	ck_ok(ipk_cond_send(mine, a, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_cond_recv(b, ipk_in_ms(WAIT_MS), NULL), -EINVAL);
	ck_ok(ipk_cond_recv(b, ipk_in_ms(WAIT_MS), &f.cond));
	pid = spawn(wait_once, &f);
	ck_all_wait(&f, 1);
	ck_ok(ipk_cond_notify(mine, 1));
	reap_ok(pid);
	ipk_cond_close(mine);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	drop(&f);
}
END_TEST

static int wait_deep(void *arg)
{
	struct fix *f = arg;

	for (int i = 0; i < 5; i++) {
		if (ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
			return 1;
	}
	if (ipk_cond_wait_for(f->cond, f->lock, is_open, f, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 2;
	for (int i = 0; i < 5; i++) {
		if (ipk_lock_unlock(f->lock) < 0)
			return 3;
	}
	return ipk_lock_unlock(f->lock) == -EPERM ? 0 : 4;
}

START_TEST(a_recursive_lock_at_any_depth)
{
	struct fix f = make(true);
	pid_t pid = spawn(wait_deep, &f);

	ck_all_wait(&f, 1);
	/* All levels were given up. */
	lock(&f);
	f.shared->is_open = true;
	ck_ok(ipk_cond_notify(f.cond, 1));
	unlock(&f);
	reap_ok(pid);
	ck_assert_uint_eq(ipk_lock_owner(f.lock), 0);
	drop(&f);
}
END_TEST

/* --- how many --------------------------------------------------------------------------------- */

static bool some_are_back(void *arg)
{
	struct crowd *c = arg;

	return (size_t)c->f->shared->n_back >= c->n;
}

/* Exactly as many return as were notified, also when the others slept through slices since. */
START_TEST(as_many_as_asked_for)
{
	struct fix f = make(false);
	struct crowd three = {&f, 3};
	pid_t pids[7];

	for (int i = 0; i < 7; i++)
		pids[i] = spawn(wait_once, &f);
	ck_all_wait(&f, 7);
	ck_all_asleep(pids, 7);
	ck_ok(ipk_cond_notify(f.cond, 3));
	ck_assert(wait_until(some_are_back, &three, WAIT_MS));
	lock(&f);
	ck_err(ipk_cond_wait(f.cond, f.lock, ipk_in_ms(250), NULL), -ETIMEDOUT);
	unlock(&f);
	ck_assert_int_eq(f.shared->n_back, 3);
	ck_ok(ipk_cond_notify(f.cond, 100));
	for (int i = 0; i < 7; i++)
		reap_ok(pids[i]);
	ck_assert_int_eq(f.shared->n_back, 7);
	drop(&f);
}
END_TEST

START_TEST(all_with_the_lock_held_and_without)
{
	for (int round = 0; round < repeats(16); round++) {
		struct fix f = make(false);
		pid_t pids[5];

		for (int i = 0; i < 5; i++)
			pids[i] = spawn(wait_until_open, &f);
		/* Some are asleep, some are on the way. */
		if (round % 4 < 2)
			ck_all_wait(&f, 5);
		lock(&f);
		f.shared->is_open = true;
		if (round % 2 == 0)
			ck_ok(ipk_cond_notify_all(f.cond));
		unlock(&f);
		if (round % 2 == 1)
			ck_ok(ipk_cond_notify_all(f.cond));
		for (int i = 0; i < 5; i++)
			reap_ok(pids[i]);
		ck_assert_uint_eq(N_LISTED(ipk_cond_waiters, f.cond, NULL, 0), 0);
		drop(&f);
	}
}
END_TEST

/* Takes what there is, with plain waits: none of them looks without a notification. */
static int take_items(void *arg)
{
	struct fix *f = arg;
	int r = 0;

	if (ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	while (!f->shared->is_over && r == 0) {
		f->shared->n_waits++;
		while (!has_items(f) && !f->shared->is_over && r == 0)
			r = ipk_cond_wait(f->cond, f->lock, ipk_in_ms(WAIT_MS), NULL);
		if (has_items(f)) {
			f->shared->n_items--;
			f->shared->n_back++;
		}
	}
	(void)!ipk_lock_unlock(f->lock);
	return r == 0 ? 0 : 2;
}

static bool all_taken(void *arg)
{
	struct crowd *c = arg;

	return (size_t)c->f->shared->n_back == c->n;
}

static void put_and_take(bool holds_lock)
{
	struct fix f = make(false);
	size_t n = repeats(4000);
	struct crowd c = {&f, 0};
	pid_t pids[3];

	for (int i = 0; i < 3; i++)
		pids[i] = spawn(take_items, &f);
	for (size_t i = 0; i < n; i++) {
		lock(&f);
		f.shared->n_items++;
		if (holds_lock)
			ck_ok(ipk_cond_notify(f.cond, 1));
		unlock(&f);
		if (!holds_lock)
			ck_ok(ipk_cond_notify(f.cond, 1));
		/* Now and then let them all fall asleep. */
		c.n = i + 1;
		if (i % 16 == 0)
			ck_assert(wait_until(all_taken, &c, WAIT_MS));
	}
	ck_assert(wait_until(all_taken, &c, WAIT_MS));
	lock(&f);
	f.shared->is_over = true;
	ck_ok(ipk_cond_notify_all(f.cond));
	unlock(&f);
	for (int i = 0; i < 3; i++)
		reap_ok(pids[i]);
	drop(&f);
}

START_TEST(no_notification_is_lost)
{
	put_and_take(_i == 0);
}
END_TEST

static void *take_items_in_thread(void *arg)
{
	return take_items(arg) == 0 ? NULL : arg;
}

START_TEST(threads_take_turns)
{
	struct fix f = make(false);
	struct crowd c = {&f, repeats(4000)};
	pthread_t threads[3];
	void *r;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_items_in_thread, &f), 0);
	for (size_t i = 0; i < c.n; i++) {
		lock(&f);
		f.shared->n_items++;
		unlock(&f);
		ck_ok(ipk_cond_notify(f.cond, 1));
	}
	ck_assert(wait_until(all_taken, &c, WAIT_MS));
	lock(&f);
	f.shared->is_over = true;
	unlock(&f);
	ck_ok(ipk_cond_notify_all(f.cond));
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &r);
		ck_assert_ptr_null(r);
	}
	drop(&f);
}
END_TEST

/* --- deaths ----------------------------------------------------------------------------------- */

static bool all_have_come(void *arg)
{
	struct crowd *c = arg;

	return (size_t)c->f->shared->n_waits == c->n;
}

/* Under the lock until it waits: who has said so and does not hold the lock waits. */
static int come_and_wait(void *arg)
{
	struct fix *f = arg;

	if (ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	f->shared->n_waits++;
	if (ipk_cond_wait(f->cond, f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 2;
	f->shared->n_back++;
	return ipk_lock_unlock(f->lock) == 0 ? 0 : 3;
}

/* More than the table of waiters has room for. */
START_TEST(all_but_one_of_a_hundred_are_killed)
{
	enum { N = 100 };
	struct fix f = make(false);
	struct crowd all = {&f, N};
	pid_t pids[N];

	for (int i = 0; i < N; i++)
		pids[i] = spawn(come_and_wait, &f);
	ck_assert(wait_until(all_have_come, &all, WAIT_MS));
	lock(&f);
	unlock(&f);
	ck_all_asleep(pids, N);
	/* The first to sleep would be the first to be woken. */
	for (int i = 0; i < N - 1; i++)
		kill_and_reap(pids[i]);
	ck_assert_int_eq(f.shared->n_back, 0);
	ck_ok(ipk_cond_notify(f.cond, 1));
	reap_ok(pids[N - 1]);
	ck_assert_int_eq(f.shared->n_back, 1);
	drop(&f);
}
END_TEST

static bool waits_for_the_lock(void *arg)
{
	struct fix *f = arg;

	return N_LISTED(ipk_lock_waiters, f->lock, NULL, 0) > 0;
}

/* The one that the kernel chose is killed before it has the lock, so nobody was notified. */
START_TEST(the_chosen_one_is_killed)
{
	struct fix f = make(false);
	pid_t first = spawn(come_and_wait, &f), second;

	ck_all_wait(&f, 1);
	ck_wait_asleep(first);
	second = spawn(come_and_wait, &f);
	ck_all_wait(&f, 2);
	ck_wait_asleep(second);
	lock(&f);
	ck_ok(ipk_cond_notify(f.cond, 1));
	if (_i == 1)
		ck_assert(wait_until(waits_for_the_lock, &f, WAIT_MS));
	kill_and_reap(first);
	unlock(&f);
	reap_ok(second);
	ck_assert_int_eq(f.shared->n_back, 1);
	drop(&f);
}
END_TEST

static int change_and_die(void *arg)
{
	struct fix *f = arg;

	if (ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	f->shared->is_open = true;
	kill(getpid(), SIGKILL);
	return 2;
}

static int wait_and_be_told(void *arg)
{
	struct fix *f = arg;
	bool recovered = false;
	int r;

	if (ipk_lock_lock(f->lock, ipk_in_ms(WAIT_MS), NULL) < 0)
		return 1;
	r = ipk_cond_wait_for(f->cond, f->lock, is_open, f, ipk_in_ms(WAIT_MS), &recovered);
	(void)!ipk_lock_unlock(f->lock);
	return r < 0 ? 2 : recovered ? 0 : 3;
}

/* It changed the state, and was killed before it could notify. */
START_TEST(a_notifier_is_killed)
{
	struct fix f = make(false);
	pid_t waiter = spawn(wait_and_be_told, &f);

	ck_all_wait(&f, 1);
	reap_signal(spawn(change_and_die, &f), SIGKILL);
	reap_ok(waiter);
	drop(&f);
}
END_TEST

/* Plain wait tells too, with -ETIMEDOUT as with 0. */
START_TEST(a_timeout_tells_of_a_dead_holder)
{
	struct fix f = make(false);
	bool recovered = false;
	pid_t pid;

	lock(&f);
	pid = spawn(change_and_die, &f);
	for (int i = 0; i < 1000 && !recovered; i++)
		ck_err(ipk_cond_wait(f.cond, f.lock, ipk_in_ms(10), &recovered), -ETIMEDOUT);
	ck_assert(recovered);
	ck_assert(f.shared->is_open);
	ck_err(ipk_cond_wait(f.cond, f.lock, ipk_now(), &recovered), -ETIMEDOUT);
	ck_assert(!recovered);
	unlock(&f);
	reap_signal(pid, SIGKILL);
	drop(&f);
}
END_TEST

static int notify_for_ever(void *arg)
{
	struct fix *f = arg;

	for (;;)
		(void)!ipk_cond_notify(f->cond, 1);
	return 0;
}

/* Killed anywhere in notify, while others wait: the next notification finds them. */
START_TEST(notifiers_are_killed_anywhere)
{
	struct fix f = make(false);

	for (int round = 0; round < repeats(60); round++) {
		pid_t waiters[2], notifier = spawn(notify_for_ever, &f);

		f.shared->is_open = false;
		for (int i = 0; i < 2; i++)
			waiters[i] = spawn(wait_until_open, &f);
		lock(&f);
		ck_err(ipk_cond_wait_for(f.cond, f.lock, never, NULL, ipk_in_ms(round % 7), NULL),
		       -ETIMEDOUT);
		kill_and_reap(notifier);
		f.shared->is_open = true;
		unlock(&f);
		ck_ok(ipk_cond_notify(f.cond, 2));
		for (int i = 0; i < 2; i++)
			reap_ok(waiters[i]);
	}
	drop(&f);
}
END_TEST

START_TEST(the_word_wraps)
{
	char name[UNIQUE_NAME_BYTES];
	struct fix f = make(false);
	struct ipk__shm_cond *shared;
	struct ipk__ref ref;
	pid_t pid;

	ipk_cond_close(f.cond);
	unique_name(name, "cond");
	ck_ok(ipk_cond_create(IPK_COND(.name = name), &f.cond));
	ck_ok(ipk__object_open(name, IPK__OBJECT_COND, sizeof *shared, &ref));
	shared = (struct ipk__shm_cond *)ref.object;
	atomic_store(&shared->word, UINT32_MAX - 1);
	atomic_store(&shared->n_owed, UINT32_MAX); /* by nobody of us: it comes to an end */
	pid = spawn(wait_once, &f);
	ck_all_wait(&f, 1);
	ck_ok(ipk_cond_notify(f.cond, 2));
	reap_ok(pid);
	ck_assert_uint_eq(atomic_load(&shared->word), 0);
	ck_assert_uint_eq(atomic_load(&shared->n_owed), 0);
	ipk__object_close(&ref);
	ck_ok(ipk_cond_unlink(name));
	drop(&f);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cond");

	add_test(s, deadlines_and_the_lock);
	add_test(s, wrong_arguments);
	add_test(s, a_fork_child_does_not_hold_it);
	add_test(s, named_and_passed_on);
	add_test(s, a_recursive_lock_at_any_depth);
	add_test(s, as_many_as_asked_for);
	add_test(s, all_with_the_lock_held_and_without);
	add_loop_test(s, no_notification_is_lost, 0, 2);
	add_test(s, threads_take_turns);
	add_test(s, all_but_one_of_a_hundred_are_killed);
	add_loop_test(s, the_chosen_one_is_killed, 0, 2);
	add_test(s, a_notifier_is_killed);
	add_test(s, a_timeout_tells_of_a_dead_holder);
	add_test(s, notifiers_are_killed_anywhere);
	add_test(s, the_word_wraps);
	return s;
}
IPK_TEST_MAIN(suite)
