/* test_semaphore.c - lib/lock/semaphore.c: values, tokens, and their holders. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/lock.h"
#include "lock/semaphore_internal.h"
#include "os/os.h"
#include "support/support.h"

#define N_SIDES 4

static ipk_semaphore *make(ipk_semaphore_kind kind, uint32_t value, uint32_t max)
{
	ipk_semaphore *s = NULL;

	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.kind = kind, .value = value, .max = max), &s));
	return s;
}

static ipk_semaphore *make_signal(uint32_t value)
{
	return make(IPK_SEMAPHORE_SIGNAL, value, 0);
}

static ipk_semaphore *make_owned(uint32_t n)
{
	return make(IPK_SEMAPHORE_OWNED, n, 0);
}

static struct ipk__shm_semaphore *shm_of(ipk_semaphore *s)
{
	return (struct ipk__shm_semaphore *)((struct ipk__ref *)s)->object;
}

static void ck_value(ipk_semaphore *s, uint32_t value)
{
	ck_assert_uint_eq(ipk_semaphore_value(s), value);
}

/* --- sleepers --------------------------------------------------------------------------------- */

struct sleepers {
	ipk_semaphore *s;
	size_t n;
	_Atomic int n_done;
	_Atomic int r;
	int want;
	pthread_t threads[8];
};

static void *acquire_one(void *arg)
{
	struct sleepers *c = arg;
	int r = ipk_semaphore_acquire(c->s, ipk_in_ms(WAIT_MS));

	if (r < 0)
		c->r = r;
	c->n_done++;
	return NULL;
}

static bool are_asleep(void *arg)
{
	struct sleepers *c = arg;

	return N_LISTED(ipk_semaphore_waiters, c->s, NULL, 0) == c->n;
}

static bool are_done(void *arg)
{
	struct sleepers *c = arg;

	return c->n_done == c->want;
}

static void ck_wait_asleep_on(ipk_semaphore *s, size_t n)
{
	struct sleepers c = {.s = s, .n = n};

	ck_assert(wait_until(are_asleep, &c, WAIT_MS));
}

static void start_sleepers(struct sleepers *c)
{
	for (size_t i = 0; i < c->n; i++)
		ck_assert_int_eq(pthread_create(&c->threads[i], NULL, acquire_one, c), 0);
	ck_wait_asleep_on(c->s, c->n);
}

static void ck_wait_done(struct sleepers *c, int n)
{
	c->want = n;
	ck_assert(wait_until(are_done, c, WAIT_MS));
}

static void end_sleepers(struct sleepers *c)
{
	for (size_t i = 0; i < c->n; i++)
		pthread_join(c->threads[i], NULL);
	ck_ok(c->r);
}

/* --- the value -------------------------------------------------------------------------------- */

START_TEST(a_value_is_counted)
{
	ipk_semaphore *s;

	ck_ok(ipk_semaphore_create(NULL, &s));
	ck_value(s, 1);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_value(s, 0);
	ck_err(ipk_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	ck_err(ipk_semaphore_acquire(s, ipk_in_ms(2)), -ETIMEDOUT);
	ck_ok(ipk_semaphore_release(s));
	ck_ok(ipk_semaphore_release_many(s, 4));
	ck_value(s, 5);
	for (uint32_t i = 5; i-- > 0;) {
		ck_ok(ipk_semaphore_acquire(s, ipk_now()));
		ck_value(s, i);
	}
	ck_err(ipk_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	ck_err(ipk_semaphore_release_many(s, 0), -EINVAL);
	ck_assert_uint_eq(N_LISTED(ipk_semaphore_holders, s, NULL, 0), 0);
	ipk_semaphore_close(s);
}
END_TEST

START_TEST(a_bound_is_not_passed)
{
	ipk_semaphore *s = make(IPK_SEMAPHORE_SIGNAL, 2, 3);

	ck_err(ipk_semaphore_release_many(s, 2), -EOVERFLOW);
	ck_value(s, 2);
	ck_ok(ipk_semaphore_release(s));
	ck_err(ipk_semaphore_release(s), -EOVERFLOW);
	ck_err(ipk_semaphore_release_many(s, UINT32_MAX), -EOVERFLOW);
	ck_value(s, 3);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_ok(ipk_semaphore_release(s));
	ck_value(s, 3);
	ipk_semaphore_close(s);
}
END_TEST

START_TEST(with_a_bound_alone_it_begins_at_0)
{
	ipk_semaphore *s = make(IPK_SEMAPHORE_SIGNAL, 0, 2);

	ck_value(s, 0);
	ck_err(ipk_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_semaphore_release_many(s, 2));
	ck_err(ipk_semaphore_release(s), -EOVERFLOW);
	ck_value(s, 2);
	ipk_semaphore_close(s);
}
END_TEST

START_TEST(the_largest_value)
{
	ipk_semaphore *s = make_signal(IPK_SEMAPHORE_SIGNAL_MAX);
	struct sleepers c = {.n = 1};

	ck_value(s, INT32_MAX);
	ck_err(ipk_semaphore_release(s), -EOVERFLOW);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_value(s, INT32_MAX - 1);
	ck_err(ipk_semaphore_release_many(s, 2), -EOVERFLOW);
	ck_err(ipk_semaphore_release_many(s, UINT32_MAX), -EOVERFLOW);
	ck_err(ipk_semaphore_release_many(s, (uint32_t)INT32_MAX + 1), -EOVERFLOW);
	ck_ok(ipk_semaphore_release(s));
	ck_value(s, INT32_MAX);
	ipk_semaphore_close(s);
	/* From one end to the other in one step, while somebody sleeps. */
	c.s = make_signal(0);
	start_sleepers(&c);
	ck_value(c.s, 0);
	ck_ok(ipk_semaphore_release_many(c.s, INT32_MAX));
	end_sleepers(&c);
	ck_value(c.s, INT32_MAX - 1);
	ipk_semaphore_close(c.s);
}
END_TEST

START_TEST(as_many_go_on_as_were_released)
{
	struct sleepers c = {.s = _i ? make_owned(5) : make_signal(0), .n = 5};

	for (int i = 0; _i && i < 5; i++)
		ck_ok(ipk_semaphore_acquire(c.s, ipk_now()));
	start_sleepers(&c);
	ck_ok(ipk_semaphore_release_many(c.s, 2));
	ck_wait_done(&c, 2);
	ck_wait_asleep_on(c.s, 3);
	ck_value(c.s, 0);
	ck_ok(ipk_semaphore_release(c.s));
	ck_wait_done(&c, 3);
	ck_wait_asleep_on(c.s, 2);
	ck_ok(ipk_semaphore_release_many(c.s, 2));
	end_sleepers(&c);
	ck_value(c.s, 0);
	ipk_semaphore_close(c.s);
}
END_TEST

struct over {
	ipk_semaphore *s;
	int n;
	_Atomic int n_ok;
	_Atomic int n_refused;
};

static void *release_often(void *arg)
{
	struct over *o = arg;

	for (int i = 0; i < o->n; i++) {
		int r = ipk_semaphore_release(o->s);

		if (r == 0)
			o->n_ok++;
		else if (r == -EOVERFLOW)
			o->n_refused++;
	}
	return NULL;
}

START_TEST(releases_beyond_the_bound_are_refused_exactly)
{
	struct over o = {.n = repeats(20000)};
	pthread_t threads[N_SIDES];

	o.s = make(IPK_SEMAPHORE_SIGNAL, 0, (uint32_t)o.n);
	for (int i = 0; i < N_SIDES; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, release_often, &o), 0);
	for (int i = 0; i < N_SIDES; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(o.n_ok, o.n);
	ck_assert_int_eq(o.n_refused, (N_SIDES - 1) * o.n);
	ck_value(o.s, (uint32_t)o.n);
	ipk_semaphore_close(o.s);
}
END_TEST

/* --- many at a time --------------------------------------------------------------------------- */

struct contest {
	ipk_semaphore *s;
	int n;
	int max_inside;
	_Atomic int n_inside;
	_Atomic int n_wrong;
};

static int enter_and_leave(struct contest *c)
{
	for (int i = 0; i < c->n; i++) {
		IPK_TRY(ipk_semaphore_acquire(c->s, ipk_in_ms(WAIT_MS)));
		if (++c->n_inside > c->max_inside)
			c->n_wrong++;
		if (i % 64 == 0)
			sched_yield();
		c->n_inside--;
		IPK_TRY(ipk_semaphore_release(c->s));
	}
	return 0;
}

static void *enter_in_thread(void *arg)
{
	return (void *)(intptr_t)enter_and_leave(arg);
}

static int enter_in_process(void *arg)
{
	return enter_and_leave(arg);
}

static ipk_semaphore *make_for(int i)
{
	return i ? make_owned(2) : make_signal(2);
}

START_TEST(no_more_threads_inside_than_tokens)
{
	struct contest c = {.s = make_for(_i), .n = repeats(20000), .max_inside = 2};
	pthread_t threads[N_SIDES];
	void *r;

	for (int i = 0; i < N_SIDES; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, enter_in_thread, &c), 0);
	for (int i = 0; i < N_SIDES; i++) {
		pthread_join(threads[i], &r);
		ck_ok((int)(intptr_t)r);
	}
	ck_assert_int_eq(c.n_wrong, 0);
	ck_value(c.s, 2);
	ipk_semaphore_close(c.s);
}
END_TEST

static void *shared_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(page != MAP_FAILED);
	return page;
}

START_TEST(no_more_processes_inside_than_tokens)
{
	struct contest *c = shared_page();
	pid_t pids[N_SIDES];

	c->s = make_for(_i);
	c->n = repeats(20000);
	c->max_inside = 2;
	for (int i = 0; i < N_SIDES; i++)
		pids[i] = spawn(enter_in_process, c);
	for (int i = 0; i < N_SIDES; i++)
		reap_ok(pids[i]);
	ck_assert_int_eq(c->n_wrong, 0);
	ck_value(c->s, 2);
	ipk_semaphore_close(c->s);
	munmap(c, 4096);
}
END_TEST

static void *ping(void *arg)
{
	ipk_semaphore **s = arg;
	int r = 0;

	for (int i = 0; r == 0 && i < repeats(5000); i++) {
		r = ipk_semaphore_acquire(s[0], ipk_in_ms(WAIT_MS));
		if (r == 0)
			r = ipk_semaphore_release(s[1]);
	}
	return (void *)(intptr_t)r;
}

/* No wake-up is lost: each waits for the other at every step. */
START_TEST(two_take_turns)
{
	ipk_semaphore *there[2] = {make_signal(1), make_signal(0)}, *back[2];
	pthread_t threads[2];
	void *r;

	back[0] = there[1];
	back[1] = there[0];
	ck_assert_int_eq(pthread_create(&threads[0], NULL, ping, there), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, ping, back), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &r);
		ck_ok((int)(intptr_t)r);
	}
	ck_value(there[0], 1);
	ck_value(there[1], 0);
	ipk_semaphore_close(there[0]);
	ipk_semaphore_close(there[1]);
}
END_TEST

/* --- tokens ----------------------------------------------------------------------------------- */

static void *release_one(void *arg)
{
	return (void *)(intptr_t)ipk_semaphore_release(arg);
}

static int child_has_none(void *arg)
{
	ipk_semaphore *s = arg;

	ck_err(ipk_semaphore_release(s), -EPERM);
	ck_err(ipk_semaphore_release_many(s, 2), -EPERM);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_ok(ipk_semaphore_release(s));
	ck_err(ipk_semaphore_release(s), -EPERM);
	return 0;
}

START_TEST(only_a_holder_gives_back)
{
	ipk_semaphore *s = make_owned(3);
	uint32_t pids[3] = {0};
	pthread_t thread;
	void *r;

	ck_value(s, 3);
	ck_err(ipk_semaphore_release(s), -EPERM);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_value(s, 1);
	ck_assert_uint_eq(N_LISTED(ipk_semaphore_holders, s, pids, 3), 2);
	ck_assert_int_eq((pid_t)pids[0], getpid());
	ck_assert_int_eq((pid_t)pids[1], getpid());
	ck_assert_uint_eq(pids[2], 0);
	reap_ok(spawn(child_has_none, s));
	ck_value(s, 1);
	/* Another thread is the same process. */
	ck_assert_int_eq(pthread_create(&thread, NULL, release_one, s), 0);
	pthread_join(thread, &r);
	ck_ok((int)(intptr_t)r);
	ck_ok(ipk_semaphore_release(s));
	ck_err(ipk_semaphore_release(s), -EPERM);
	ck_value(s, 3);
	ck_assert_uint_eq(N_LISTED(ipk_semaphore_holders, s, pids, 3), 0);
	ipk_semaphore_close(s);
}
END_TEST

START_TEST(several_are_given_back_all_or_none)
{
	ipk_semaphore *s = make_owned(130);

	for (int i = 0; i < 129; i++)
		ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_err(ipk_semaphore_release_many(s, 0), -EINVAL);
	ck_err(ipk_semaphore_release_many(s, 130), -EPERM);
	ck_err(ipk_semaphore_release_many(s, UINT32_MAX), -EPERM);
	ck_value(s, 1);
	ck_assert_uint_eq(N_LISTED(ipk_semaphore_holders, s, NULL, 0), 129);
	ck_ok(ipk_semaphore_release_many(s, 100));
	ck_value(s, 101);
	ck_ok(ipk_semaphore_release_many(s, 29));
	ck_value(s, 130);
	ck_err(ipk_semaphore_release_many(s, 2), -EPERM);
	ck_value(s, 130);
	ipk_semaphore_close(s);
}
END_TEST

struct share {
	ipk_semaphore *s;
	uint32_t n_tokens;
	int n;
};

/* With a token for everybody, no try is in vain and no release is refused. */
static void *take_and_give(void *arg)
{
	struct share *c = arg;
	int r = 0;

	for (int i = 0; r == 0 && i < c->n; i++) {
		uint32_t n_taken = 0;

		while (r == 0 && n_taken < c->n_tokens) {
			r = ipk_semaphore_acquire(c->s, ipk_now());
			n_taken++;
		}
		if (r == 0 && i % 2 == 0)
			r = ipk_semaphore_release_many(c->s, c->n_tokens);
		for (uint32_t k = 0; r == 0 && i % 2 == 1 && k < c->n_tokens; k++)
			r = ipk_semaphore_release(c->s);
	}
	return (void *)(intptr_t)r;
}

START_TEST(tokens_that_move_are_found)
{
	struct share c = {make_owned(2 * N_SIDES), 2, repeats(10000)};
	pthread_t threads[N_SIDES];
	void *r;

	for (int i = 0; i < N_SIDES; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, &c), 0);
	for (int i = 0; i < N_SIDES; i++) {
		pthread_join(threads[i], &r);
		ck_ok((int)(intptr_t)r);
	}
	ck_value(c.s, 2 * N_SIDES);
	ipk_semaphore_close(c.s);
}
END_TEST

START_TEST(as_many_tokens_as_can_be)
{
	ipk_semaphore *s = make_owned(IPK_SEMAPHORE_TOKENS_MAX);

	for (uint32_t i = 0; i < IPK_SEMAPHORE_TOKENS_MAX; i++)
		ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_err(ipk_semaphore_acquire(s, ipk_in_ms(1)), -ETIMEDOUT);
	ck_value(s, 0);
	ck_ok(ipk_semaphore_release_many(s, IPK_SEMAPHORE_TOKENS_MAX));
	ck_value(s, IPK_SEMAPHORE_TOKENS_MAX);
	ipk_semaphore_close(s);
}
END_TEST

/* --- deaths ----------------------------------------------------------------------------------- */

struct holder {
	ipk_semaphore *s;
	struct gate gate;
	int n;
};

static int hold(void *arg)
{
	struct holder *h = arg;

	for (int i = 0; i < h->n; i++)
		IPK_TRY(ipk_semaphore_acquire(h->s, ipk_in_ms(WAIT_MS)));
	gate_open(&h->gate);
	for (;;)
		pause();
}

static pid_t start_holder(ipk_semaphore *s, int n)
{
	struct holder h = {.s = s, .n = n};
	pid_t pid;

	gate_init(&h.gate);
	pid = spawn(hold, &h);
	gate_wait(&h.gate);
	gate_fini(&h.gate);
	return pid;
}

START_TEST(tokens_of_the_dead_are_free_at_once)
{
	ipk_semaphore *s = make_owned(3);
	pid_t pid = start_holder(s, 2);
	uint32_t holder = 0;

	ck_assert_uint_eq(N_LISTED(ipk_semaphore_holders, s, &holder, 1), 2);
	ck_assert_int_eq((pid_t)holder, pid);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_err(ipk_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_assert_uint_eq(N_LISTED(ipk_semaphore_holders, s, NULL, 0), 1);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ck_err(ipk_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_semaphore_release_many(s, 3));
	ck_value(s, 3);
	ipk_semaphore_close(s);
}
END_TEST

START_TEST(who_sleeps_gets_tokens_of_the_dead)
{
	struct sleepers c = {.s = make_owned(2), .n = 2};
	pid_t pid = start_holder(c.s, 2);

	start_sleepers(&c);
	kill_and_reap(pid);
	end_sleepers(&c);
	ck_value(c.s, 0);
	ck_ok(ipk_semaphore_release_many(c.s, 2));
	ipk_semaphore_close(c.s);
}
END_TEST

struct trade {
	ipk_semaphore *s;
	atomic_bool is_over;
};

static void *trade(void *arg)
{
	struct trade *t = arg;
	int r = 0;

	while (r == 0 && !t->is_over) {
		r = ipk_semaphore_acquire(t->s, ipk_in_ms(WAIT_MS));
		if (r == 0)
			r = ipk_semaphore_release(t->s);
	}
	return (void *)(intptr_t)r;
}

static bool has_one_holder(void *arg)
{
	const struct trade *t = arg;
	uint64_t first = shm_of(t->s)->tokens[0], second = shm_of(t->s)->tokens[1];
	uint32_t me = (uint32_t)getpid();

	return (first == 0 || ipk__owner_id(first) == me) &&
	       (second == 0 || ipk__owner_id(second) == me);
}

/* Also while the other token goes from hand to hand, so that nobody sleeps for long. */
START_TEST(tokens_of_the_dead_are_found_in_a_crowd)
{
	struct trade t = {.s = make_owned(2)};
	pid_t pid = start_holder(t.s, 1);
	pthread_t threads[3];
	void *r;

	ck_assert(!has_one_holder(&t));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, trade, &t), 0);
	kill_and_reap(pid);
	ck_assert(wait_until(has_one_holder, &t, WAIT_MS));
	t.is_over = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &r);
		ck_ok((int)(intptr_t)r);
	}
	ck_value(t.s, 2);
	ipk_semaphore_close(t.s);
}
END_TEST

START_TEST(a_zombie_holds_nothing)
{
	ipk_semaphore *s = make_owned(1);
	pid_t pid = start_holder(s, 1);

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_ok(ipk_semaphore_acquire(s, ipk_in_ms(WAIT_MS)));
	ck_assert_uint_eq(N_LISTED(ipk_semaphore_holders, s, NULL, 0), 1);
	reap_signal(pid, SIGKILL);
	ck_ok(ipk_semaphore_release(s));
	ipk_semaphore_close(s);
}
END_TEST

START_TEST(a_stopped_process_keeps_its_token)
{
	ipk_semaphore *s = make_owned(1);
	pid_t pid = start_holder(s, 1);

	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	ck_assert(is_stopped(pid));
	ck_err(ipk_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	ck_err(ipk_semaphore_acquire(s, ipk_in_ms(60)), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	ipk_semaphore_close(s);
}
END_TEST

static int trade_until_killed(void *arg)
{
	struct contest *c = arg;

	for (bool many = false;; many = !many) {
		IPK_TRY(ipk_semaphore_acquire(c->s, ipk_in_ms(WAIT_MS)));
		if (many && ipk_semaphore_acquire(c->s, ipk_now()) == 0)
			IPK_TRY(ipk_semaphore_release_many(c->s, 2));
		else
			IPK_TRY(ipk_semaphore_release(c->s));
		c->n_inside++;
	}
}

struct progress {
	struct contest *c;
	int from;
};

static bool goes_on(void *arg)
{
	const struct progress *p = arg;

	return p->c->n_inside - p->from > 20;
}

/* Killed wherever they are, and all tokens are there in the end. */
START_TEST(no_kill_loses_a_token)
{
	struct contest *c = shared_page();
	pid_t pids[N_SIDES];

	c->s = make_owned(3);
	for (int i = 0; i < N_SIDES; i++)
		pids[i] = spawn(trade_until_killed, c);
	for (int i = 0; i < repeats(40); i++) {
		struct progress p = {c, c->n_inside};

		ck_assert(wait_until(goes_on, &p, WAIT_MS));
		kill_and_reap(pids[i % N_SIDES]);
		pids[i % N_SIDES] = spawn(trade_until_killed, c);
	}
	for (int i = 0; i < N_SIDES; i++)
		kill_and_reap(pids[i]);
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_semaphore_acquire(c->s, ipk_now()));
	ck_err(ipk_semaphore_acquire(c->s, ipk_now()), -ETIMEDOUT);
	ipk_semaphore_close(c->s);
	munmap(c, 4096);
}
END_TEST

static int sleep_for_one(void *arg)
{
	return ipk_semaphore_acquire(arg, ipk_in_ms(WAIT_MS)) == 0;
}

/* A sleeper that was killed is in nobody's way. */
START_TEST(a_dead_sleeper_takes_nothing)
{
	ipk_semaphore *s = make_signal(0);
	struct sleepers c = {.s = s, .n = 1};
	pid_t pid = spawn(sleep_for_one, s);

	ck_wait_asleep_on(s, 1);
	kill_and_reap(pid);
	start_sleepers(&c);
	ck_ok(ipk_semaphore_release(s));
	end_sleepers(&c);
	ck_value(s, 0);
	ipk_semaphore_close(s);
}
END_TEST

/* --- arguments -------------------------------------------------------------------------------- */

START_TEST(wrong_arguments)
{
	ipk_semaphore *s = NULL;

	ck_err(ipk_semaphore_create(NULL, NULL), -EINVAL);
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.name = "a/b"), &s), -EINVAL);
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.label = "a b"), &s), -EINVAL);
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.kind = (ipk_semaphore_kind)2), &s), -EINVAL);
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.value = 3, .max = 2), &s), -EINVAL);
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.value = 1u << 31), &s), -EINVAL);
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.max = 1u << 31), &s), -EINVAL);
	ck_err(ipk_semaphore_create(
		       IPK_SEMAPHORE(.kind = IPK_SEMAPHORE_OWNED, .value = 2, .max = 3), &s),
	       -EINVAL);
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.kind = IPK_SEMAPHORE_OWNED,
						  .max = IPK_SEMAPHORE_TOKENS_MAX + 1),
				    &s),
	       -EINVAL);
	ck_err(ipk_semaphore_open("t-nobody-made-this", ipk_now(), &s), -ENOENT);
	ck_err(ipk_semaphore_open("a/b", ipk_now(), &s), -EINVAL);
	ck_err(ipk_semaphore_open("x", ipk_now(), NULL), -EINVAL);
	ck_err(ipk_semaphore_unlink("t-nobody-made-this"), -ENOENT);
	ck_err(ipk_semaphore_acquire(NULL, ipk_now()), -EBADF);
	ck_err(ipk_semaphore_release(NULL), -EBADF);
	ck_err(ipk_semaphore_release_many(NULL, 1), -EBADF);
	ck_err(ipk_semaphore_send(NULL, NULL, ipk_now()), -EBADF);
	ck_err(ipk_semaphore_recv(NULL, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_semaphore_recv(NULL, ipk_now(), &s), -EBADF);
	ck_assert_uint_eq(ipk_semaphore_value(NULL), 0);
	ck_err(ipk_semaphore_holders(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_err(ipk_semaphore_waiters(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_assert_ptr_null(ipk_semaphore_close(NULL));
	ck_assert_ptr_null(s);
	ipk_semaphore_closep(&s);
}
END_TEST

START_TEST(how_many_tokens_there_are)
{
	static const struct {
		uint32_t value, max, tokens;
	} rows[] = {{0, 0, 1}, {5, 0, 5}, {0, 5, 5}, {5, 5, 5}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ipk_semaphore *s = make(IPK_SEMAPHORE_OWNED, rows[i].value, rows[i].max);

		ck_value(s, rows[i].tokens);
		for (uint32_t k = 0; k < rows[i].tokens; k++)
			ck_ok(ipk_semaphore_acquire(s, ipk_now()));
		ck_err(ipk_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
		ipk_semaphore_close(s);
	}
}
END_TEST

/* --- reaching it from elsewhere --------------------------------------------------------------- */

static int use_by_name(void *arg)
{
	IPK_AUTO(semaphore, s);

	IPK_TRY(ipk_semaphore_open(arg, ipk_now(), &s));
	IPK_TRY(ipk_semaphore_acquire(s, ipk_now()));
	if (ipk_semaphore_acquire(s, ipk_now()) != -ETIMEDOUT)
		return 1;
	return ipk_semaphore_release(s);
}

START_TEST(opened_by_name)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_semaphore *s, *same = NULL;
	ipk_lock *lock = NULL;

	unique_name(name, "semaphore");
	ck_ok(ipk_semaphore_create(
		IPK_SEMAPHORE(.name = name, .value = 1, .kind = (ipk_semaphore_kind)_i), &s));
	ck_err(ipk_semaphore_create(IPK_SEMAPHORE(.name = name), &same), -EEXIST);
	ck_err(ipk_lock_open(name, ipk_now(), &lock), -EPROTOTYPE);
	reap_ok(spawn(use_by_name, name));
	ck_ok(ipk_semaphore_open(name, ipk_now(), &same));
	ck_ok(ipk_semaphore_acquire(same, ipk_now()));
	ck_value(s, 0);
	/* Handles are many, the process is one. */
	ck_ok(ipk_semaphore_release(s));
	ck_ok(ipk_semaphore_unlink(name));
	ck_err(ipk_semaphore_open(name, ipk_now(), &same), -ENOENT);
	ck_value(same, 1);
	ipk_semaphore_close(same);
	ipk_semaphore_close(s);
}
END_TEST

START_TEST(a_damaged_one_is_refused)
{
	static const uint32_t maxima[2][2] = {{0, 1u << 31}, {0, 9}};
	char name[UNIQUE_NAME_BYTES];
	ipk_semaphore *s, *same = NULL;

	unique_name(name, "semaphore");
	/* 128 bytes with 4 tokens: there is room for 4 more. */
	ck_ok(ipk_semaphore_create(
		IPK_SEMAPHORE(.name = name, .value = 4, .max = 4, .kind = (ipk_semaphore_kind)_i),
		&s));
	for (int i = 0; i < 2; i++) {
		shm_of(s)->max = maxima[_i][i];
		ck_err(ipk_semaphore_open(name, ipk_now(), &same), -EBADMSG);
	}
	shm_of(s)->max = 4;
	ck_ok(ipk_semaphore_open(name, ipk_now(), &same));
	ck_ok(ipk_semaphore_acquire(same, ipk_now()));
	ck_ok(ipk_semaphore_release(same));
	/* A value beyond the maximum is nobody's to add to. */
	if (!_i) {
		shm_of(s)->word = 5;
		ck_err(ipk_semaphore_release(s), -EOVERFLOW);
		ck_value(s, 4);
	}
	ipk_semaphore_close(same);
	ipk_semaphore_close(s);
	ck_ok(ipk_semaphore_unlink(name));
}
END_TEST

static int recv_and_release(void *arg)
{
	IPK_AUTO(semaphore, s);

	IPK_TRY(ipk_semaphore_recv(arg, ipk_in_ms(WAIT_MS), &s));
	return ipk_semaphore_release(s);
}

START_TEST(passed_over_a_pipe)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_semaphore *s, *named;
	ipk_pipe *a, *b;
	pid_t pid;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	pid = spawn(recv_and_release, b);
	s = make_signal(0);
	ck_ok(ipk_semaphore_send(s, a, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_semaphore_acquire(s, ipk_in_ms(WAIT_MS)));
	reap_ok(pid);
	unique_name(name, "semaphore");
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.name = name), &named));
	ck_err(ipk_semaphore_send(named, a, ipk_now()), -EOPNOTSUPP);
	ck_ok(ipk_semaphore_unlink(name));
	ipk_semaphore_close(named);
	ipk_semaphore_close(s);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("semaphore");

	add_test(s, a_value_is_counted);
	add_test(s, a_bound_is_not_passed);
	add_test(s, with_a_bound_alone_it_begins_at_0);
	add_test(s, the_largest_value);
	add_loop_test(s, as_many_go_on_as_were_released, 0, 2);
	add_test(s, releases_beyond_the_bound_are_refused_exactly);
	add_loop_test(s, no_more_threads_inside_than_tokens, 0, 2);
	add_loop_test(s, no_more_processes_inside_than_tokens, 0, 2);
	add_test(s, two_take_turns);
	add_test(s, only_a_holder_gives_back);
	add_test(s, several_are_given_back_all_or_none);
	add_test(s, tokens_that_move_are_found);
	add_test(s, as_many_tokens_as_can_be);
	add_test(s, tokens_of_the_dead_are_free_at_once);
	add_test(s, who_sleeps_gets_tokens_of_the_dead);
	add_test(s, tokens_of_the_dead_are_found_in_a_crowd);
	add_test(s, a_zombie_holds_nothing);
	add_test(s, a_stopped_process_keeps_its_token);
	add_test(s, no_kill_loses_a_token);
	add_test(s, a_dead_sleeper_takes_nothing);
	add_test(s, wrong_arguments);
	add_test(s, how_many_tokens_there_are);
	add_loop_test(s, opened_by_name, 0, 2);
	add_loop_test(s, a_damaged_one_is_refused, 0, 2);
	add_test(s, passed_over_a_pipe);
	return s;
}
IPK_TEST_MAIN(suite)
