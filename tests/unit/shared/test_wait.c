/* test_wait.c - lib/shared/wait.c: sleepers, wakers, the table of waiters, and dead waiters. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/os.h"
#include "shared/wait.h"
#include "support/support.h"

/* Shared with children. */
struct shared {
	struct ipk__waiters waiters;
	struct ipk__wait_queue event;
	struct ipk__wait_queue other;
	_Atomic uint32_t n_tokens;
	_Atomic uint32_t n_entered;
};

static struct shared *make_shared(void)
{
	void *page = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(page, MAP_FAILED);
	return page;
}

static void drop_shared(struct shared *s)
{
	munmap(s, sizeof *s);
}

static int take_token(void *arg, bool slowly)
{
	struct shared *s = arg;
	uint32_t n = atomic_load(&s->n_tokens);

	(void)slowly;
	while (n > 0) {
		if (atomic_compare_exchange_weak(&s->n_tokens, &n, n - 1))
			return 1;
	}
	return 0;
}

static int never(void *arg, bool slowly)
{
	(void)arg;
	(void)slowly;
	return 0;
}

static int broken(void *arg, bool slowly)
{
	(void)arg;
	return slowly ? -EPIPE : 0;
}

static void add_tokens(struct shared *s, uint32_t n)
{
	atomic_fetch_add(&s->n_tokens, n);
	ipk__os_fence_light();
	if (ipk__wait_queue_has_sleepers(&s->event))
		ipk__wait_queue_wake(&s->event, &s->waiters, n);
}

static int wait_for(struct shared *s, int (*ready)(void *, bool), ipk_deadline deadline)
{
	struct ipk__spin_policy spin;
	struct ipk__wait w = {
		.queue = &s->event,
		.waiters = &s->waiters,
		.what = IPK__WAIT_DATA,
		.spin = &spin,
		.ready = ready,
		.arg = s,
	};

	ipk__spin_policy_init(&spin);
	return ipk__wait(&w, deadline);
}

static int n_taken(const struct shared *s)
{
	int n = 0;

	for (int i = 0; i < IPK__WAITERS_MAX; i++)
		n += atomic_load(&s->waiters.slots[i].tid) != 0;
	return n;
}

/* --- results ---------------------------------------------------------------------------------- */

START_TEST(ready_at_once)
{
	struct shared *s = make_shared();

	s->n_tokens = 2;
	ck_ok(wait_for(s, take_token, ipk_now()));
	ck_ok(wait_for(s, take_token, ipk_forever()));
	ck_err(wait_for(s, take_token, ipk_now()), -ETIMEDOUT);
	drop_shared(s);
}
END_TEST

START_TEST(deadline_passes)
{
	struct shared *s = make_shared();
	ipk_deadline deadline;

	ck_err(wait_for(s, never, (ipk_deadline){-5}), -ETIMEDOUT);
	ck_err(wait_for(s, never, (ipk_deadline){1}), -ETIMEDOUT);
	for (int ms = 1; ms <= 300; ms *= 3) {
		deadline = ipk_in_ms(ms);
		ck_err(wait_for(s, never, deadline), -ETIMEDOUT);
		ck_assert(ipk_deadline_left_ns(deadline) == 0);
	}
	ck_assert_int_eq(n_taken(s), 0);
	ck_assert(!ipk__wait_queue_has_sleepers(&s->event));
	drop_shared(s);
}
END_TEST

START_TEST(error_of_ready_is_passed_on)
{
	struct shared *s = make_shared();

	ck_err(wait_for(s, broken, ipk_now()), -EPIPE);
	ck_err(wait_for(s, broken, ipk_in_ms(WAIT_MS)), -EPIPE);
	ck_assert_int_eq(n_taken(s), 0);
	drop_shared(s);
}
END_TEST

/* --- waking ----------------------------------------------------------------------------------- */

struct waiter {
	struct shared *s;
	pthread_t thread;
	_Atomic pid_t tid;
	int r;
};

static void *run_waiter(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->r = wait_for(w->s, take_token, ipk_in_ms(WAIT_MS));
	return NULL;
}

static bool all_sleep(void *arg)
{
	struct shared *s = arg;
	uint32_t n = s->n_entered;

	return (uint32_t)__builtin_popcountll(atomic_load(&s->event.sleepers)) >= n;
}

enum { N_THREADS = 80 };

/* More waiters than slots, each woken once, by one call or by one call each. */
START_TEST(every_sleeper_gets_its_token)
{
	static struct waiter waiters[N_THREADS];
	int n = _i < 2 ? 20 : N_THREADS;
	struct shared *s = make_shared();

	for (int i = 0; i < n; i++) {
		waiters[i].s = s;
		ck_assert_int_eq(pthread_create(&waiters[i].thread, NULL, run_waiter, &waiters[i]),
				 0);
	}
	s->n_entered = n < IPK__WAITERS_MAX ? (uint32_t)n : IPK__WAITERS_MAX;
	ck_assert(wait_until(all_sleep, s, WAIT_MS));
	if (_i % 2 == 0)
		add_tokens(s, (uint32_t)n);
	for (int i = 0; _i % 2 == 1 && i < n; i++)
		add_tokens(s, 1);
	for (int i = 0; i < n; i++) {
		pthread_join(waiters[i].thread, NULL);
		ck_ok(waiters[i].r);
	}
	ck_assert_uint_eq(s->n_tokens, 0);
	ck_assert_int_eq(n_taken(s), 0);
	drop_shared(s);
}
END_TEST

START_TEST(waiter_is_seen)
{
	struct shared *s = make_shared();
	struct waiter w = {.s = s};
	int n = 0;

	ck_assert_int_eq(pthread_create(&w.thread, NULL, run_waiter, &w), 0);
	s->n_entered = 1;
	ck_assert(wait_until(all_sleep, s, WAIT_MS));
	for (int i = 0; i < IPK__WAITERS_MAX; i++) {
		struct ipk__waiter *slot = &s->waiters.slots[i];

		if (atomic_load(&slot->tid) == 0)
			continue;
		n++;
		ck_assert_uint_eq(slot->tid, (uint32_t)w.tid);
		ck_assert_uint_eq(slot->pid, (uint32_t)getpid());
		ck_assert_uint_eq(slot->what, IPK__WAIT_DATA);
		ck_assert(slot->since_boot_ns > 0 && slot->since_boot_ns <= ipk__os_boot_ns());
	}
	ck_assert_int_eq(n, 1);
	add_tokens(s, 1);
	pthread_join(w.thread, NULL);
	ck_ok(w.r);
	drop_shared(s);
}
END_TEST

/* Wake-ups go on being delivered between two threads that both sleep all the time. */
static void *take_many(void *arg)
{
	intptr_t n = 0;

	while (n < 20000 && wait_for(arg, take_token, ipk_in_ms(WAIT_MS)) == 0)
		n++;
	return (void *)n;
}

START_TEST(no_token_is_lost)
{
	struct shared *s = make_shared();
	pthread_t threads[3];
	intptr_t sum = 0;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, s), 0);
	for (int i = 0; i < 60000; i++)
		add_tokens(s, 1);
	for (int i = 0; i < 3; i++) {
		void *n;

		pthread_join(threads[i], &n);
		sum += (intptr_t)n;
	}
	ck_assert_int_eq(sum, 60000);
	drop_shared(s);
}
END_TEST

/* --- slots and their dead --------------------------------------------------------------------- */

static int sleep_for_ever(void *arg)
{
	struct shared *s = arg;

	return wait_for(s, never, ipk_forever());
}

static int enter_and_hang(void *arg)
{
	struct shared *s = arg;

	if (ipk__waiter_enter(&s->waiters, IPK__WAIT_SPACE, 0) < 0)
		return 1;
	atomic_fetch_add(&s->n_entered, 1);
	for (;;)
		pause();
}

static bool all_entered(void *arg)
{
	return ((struct shared *)arg)->n_entered == IPK__WAITERS_MAX;
}

START_TEST(slots_of_killed_waiters_are_used_again)
{
	struct shared *s = make_shared();
	pid_t pids[IPK__WAITERS_MAX];
	int slots[IPK__WAITERS_MAX];

	for (int i = 0; i < IPK__WAITERS_MAX; i++)
		pids[i] = spawn(enter_and_hang, s);
	ck_assert(wait_until(all_entered, s, WAIT_MS));
	ck_assert_int_eq(ipk__waiter_enter(&s->waiters, 1, 0), -1);
	ipk__waiter_leave(&s->waiters, -1);
	ck_assert_int_eq(n_taken(s), IPK__WAITERS_MAX);
	for (int i = 0; i < IPK__WAITERS_MAX; i++)
		kill_and_reap(pids[i]);
	for (int i = 0; i < IPK__WAITERS_MAX; i++) {
		slots[i] = ipk__waiter_enter(&s->waiters, 1, 0);
		ck_assert_int_ge(slots[i], 0);
	}
	ck_assert_int_eq(ipk__waiter_enter(&s->waiters, 1, 0), -1);
	for (int i = 0; i < IPK__WAITERS_MAX; i++)
		ipk__waiter_leave(&s->waiters, slots[i]);
	ck_assert_int_eq(n_taken(s), 0);
	drop_shared(s);
}
END_TEST

/* A slot that was never used has no time in it: its first user is not taken for a later thread. */
START_TEST(live_users_of_new_slots_are_not_swept)
{
	struct shared *s = make_shared();

	for (int i = 0; i < IPK__WAITERS_MAX; i++)
		atomic_store(&s->waiters.slots[i].tid, (uint32_t)ipk__os_tid());
	ck_assert_int_eq(ipk__waiter_enter(&s->waiters, 1, 0), -1);
	ck_assert_int_eq(n_taken(s), IPK__WAITERS_MAX);
	drop_shared(s);
}
END_TEST

static void *set_all_bits(void *arg)
{
	struct shared *s = arg;

	while (atomic_load(&s->n_tokens) == 0)
		atomic_store(&s->event.sleepers, UINT64_MAX);
	return NULL;
}

START_TEST(a_wake_ends_whoever_sets_bits)
{
	struct shared *s = make_shared();
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, set_all_bits, s), 0);
	for (int i = 0; i < 1000; i++)
		ipk__wait_queue_wake(&s->event, &s->waiters, 1);
	atomic_store(&s->n_tokens, 1);
	pthread_join(thread, NULL);
	drop_shared(s);
}
END_TEST

START_TEST(rounds_end)
{
	ipk_deadline soon = ipk_in_ms(20);
	uint32_t n = 0;

	while (ipk__round_in_vain(&n, ipk_now()) == 0)
		;
	ck_assert_uint_gt(n, 1);
	n = 0;
	while (ipk__round_in_vain(&n, soon) == 0)
		;
	ck_assert_int_eq(ipk_deadline_left_ns(soon), 0);
	n = 0;
	while (ipk__round_of_work(&n, ipk_now()) == 0)
		;
	ck_assert_uint_gt(n, 1000);
	n = 0;
	soon = ipk_in_ms(20);
	while (ipk__round_of_work(&n, soon) == 0)
		;
	ck_assert_int_eq(ipk_deadline_left_ns(soon), 0);
}
END_TEST

/* Killed in their sleep they leave bits behind: those cost vain wake-ups, no lost one. */
START_TEST(dead_sleepers_do_not_swallow_wakeups)
{
	struct shared *s = make_shared();
	struct waiter w = {.s = s};
	pid_t pids[10];

	for (int i = 0; i < 10; i++)
		pids[i] = spawn(sleep_for_ever, s);
	s->n_entered = 10;
	ck_assert(wait_until(all_sleep, s, WAIT_MS));
	for (int i = 0; i < 10; i++)
		kill_and_reap(pids[i]);
	ck_assert_int_eq(pthread_create(&w.thread, NULL, run_waiter, &w), 0);
	s->n_entered = 11;
	ck_assert(wait_until(all_sleep, s, WAIT_MS));
	add_tokens(s, 1);
	pthread_join(w.thread, NULL);
	ck_ok(w.r);
	drop_shared(s);
}
END_TEST

/* --- doorbells -------------------------------------------------------------------------------- */

START_TEST(doorbell_rings_once_for_each_arming)
{
	struct shared *s = make_shared();
	char rings[8];
	int doorbell;

	ck_ok(ipk__os_doorbell_open(&doorbell));
	ck_assert(!ipk__wait_queue_is_armed(&s->event));
	ipk__wait_queue_ring(&s->event, doorbell);
	ck_assert(!ipk__os_doorbell_drain(doorbell));
	for (int i = 0; i < 3; i++) {
		s->event.armed = s->event.rung = i == 2 ? UINT32_MAX : (uint32_t)i;
		ipk__wait_queue_arm(&s->event);
		ipk__wait_queue_arm(&s->event);
		ck_assert(ipk__wait_queue_is_armed(&s->event));
		ipk__wait_queue_ring(&s->event, doorbell);
		ipk__wait_queue_ring(&s->event, doorbell);
		ck_assert(!ipk__wait_queue_is_armed(&s->event));
		ck_assert_int_eq(read(doorbell, rings, sizeof rings), 1);
		ck_assert(!ipk__os_doorbell_drain(doorbell));
	}
	ipk__os_close(doorbell);
	drop_shared(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("wait");

	add_test(s, ready_at_once);
	add_test(s, deadline_passes);
	add_test(s, error_of_ready_is_passed_on);
	add_loop_test(s, every_sleeper_gets_its_token, 0, 4);
	add_test(s, waiter_is_seen);
	add_test(s, no_token_is_lost);
	add_test(s, slots_of_killed_waiters_are_used_again);
	add_test(s, live_users_of_new_slots_are_not_swept);
	add_test(s, a_wake_ends_whoever_sets_bits);
	add_test(s, rounds_end);
	add_test(s, dead_sleepers_do_not_swallow_wakeups);
	add_test(s, doorbell_rings_once_for_each_arming);
	return s;
}

IPK_TEST_MAIN(suite)
