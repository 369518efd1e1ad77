/* test_supervisor.c - what the pool's own thread does, and how a pool ends. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/pool/pool_tasks.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED /* threads that a child lacks, or that an exit cuts short, are leaks to it */
#endif

/* --- callbacks -------------------------------------------------------------------------------- */

struct tally {
	_Atomic unsigned n;
	unsigned want;
	ipk_pool *pool;
};

static bool is_full(void *arg)
{
	const struct tally *tally = arg;

	return atomic_load(&tally->n) >= tally->want;
}

static void add_one(ipk_future *f, void *arg)
{
	(void)f;
	atomic_fetch_add(&((struct tally *)arg)->n, 1);
}

START_TEST(a_flood_of_callbacks)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	struct tally tally = {.want = repeats(20000)};

	for (unsigned i = 0; i < tally.want; i++) {
		IPK_AUTO(future, f);

		ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
		ck_ok(ipk_future_on_done(f, add_one, &tally));
	}
	ck_assert(wait_until(is_full, &tally, WAIT_MS));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_assert_uint_eq(atomic_load(&tally.n), tally.want);
}
END_TEST

static void add_one_and_end_thread(ipk_future *f, void *arg)
{
	add_one(f, arg);
	pthread_exit(NULL);
}

START_TEST(a_callback_may_end_its_thread)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	struct tally tally = {.want = 30};

	for (unsigned i = 0; i < tally.want / 3; i++) {
		IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));

		ck_ok(ipk_future_on_done(f, add_one_and_end_thread, &tally));
		ck_ok(ipk_future_on_done(f, add_one_and_end_thread, &tally));
		ck_ok(ipk_future_on_done(f, add_one, &tally));
	}
	atomic_store(&gate->is_open, 1);
	ck_assert(wait_until(is_full, &tally, WAIT_MS));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_assert_uint_eq(atomic_load(&tally.n), tally.want);
}
END_TEST

#ifndef IS_SANITIZED
static void fork_and_return(ipk_future *f, void *arg)
{
	pid_t child = fork();

	(void)f;
	if (child != 0)
		atomic_store((_Atomic pid_t *)arg, child);
}

static bool has_forked(void *child)
{
	return atomic_load((_Atomic pid_t *)child) != 0;
}

START_TEST(a_child_forked_in_a_callback_is_no_supervisor)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));
	_Atomic pid_t child = 0;

	ck_ok(ipk_future_on_done(f, fork_and_return, &child));
	atomic_store(&gate->is_open, 1);
	ck_assert(wait_until(has_forked, &child, WAIT_MS));
	ck_assert_int_gt(child, 0);
	reap_ok(child);
	ck_ok(ipk_pool_apply(pool, nothing, NULL, 0, NULL, 0, ipk_in_ms(WAIT_MS), NULL));
}
END_TEST
#endif

static void close_pool(ipk_future *f, void *arg)
{
	ipk_pool_close(((struct tally *)arg)->pool);
	add_one(f, arg);
}

static bool has_gone(void *n_fds)
{
	return count_fds() == *(int *)n_fds && waitpid(-1, NULL, WNOHANG) == -1;
}

START_TEST(a_callback_may_close_its_pool)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	int n_fds = count_fds();
	struct tally tally = {.want = 2, .pool = pool_of(kinds[_i], 2)};
	IPK_AUTO_INIT(future, f, submit_gate(tally.pool, gate, NULL));

	ck_ok(ipk_future_on_done(f, close_pool, &tally));
	ck_ok(ipk_future_on_done(f, add_one, &tally));
	atomic_store(&gate->is_open, 1);
	ck_assert(wait_until(is_full, &tally, WAIT_MS));
	ck_ok(ipk_future_get(f, NULL, 0, ipk_now(), NULL));
	ck_assert(wait_until(has_gone, &n_fds, WAIT_MS));
}
END_TEST

#ifndef IS_SANITIZED
static ipk_pool *closed_at_exit;
static ipk_pool_kind gate_kind;

static void close_at_exit(void)
{
	closed_at_exit = ipk_pool_close(closed_at_exit);
}

static void exit_7(ipk_future *f, void *arg)
{
	(void)f;
	(void)arg;
	exit(7);
}

/* As the destructors of a C++ program do. */
static int exit_in_callback(void *arg)
{
	struct task_gate *gate = arg;
	ipk_future *f = NULL;

	atexit(close_at_exit);
	if (ipk_pool_create(IPK_POOL(.kind = gate_kind, .n_workers = 2), &closed_at_exit) != 0 ||
	    ipk_pool_submit(closed_at_exit, wait_at_gate, &gate, sizeof gate, NULL, &f) != 0 ||
	    ipk_future_on_done(f, exit_7, NULL) != 0)
		return 1;
	atomic_store(&gate->is_open, 1);
	for (;;)
		pause();
}

START_TEST(a_callback_may_exit)
{
	IPK_AUTO(shm, shm);

	gate_kind = kinds[_i];
	reap_code(spawn(exit_in_callback, task_gate_new(&shm)), 7);
}
END_TEST
#endif

/* Each callback submits the next task. */
static void go_on(ipk_future *f, void *arg)
{
	struct tally *tally = arg;
	IPK_AUTO(future, next);

	(void)f;
	if (atomic_fetch_add(&tally->n, 1) + 1 >= tally->want)
		return;
	ck_ok(ipk_pool_submit(tally->pool, nothing, NULL, 0, NULL, &next));
	ck_ok(ipk_future_on_done(next, go_on, tally));
}

START_TEST(callbacks_may_submit)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	struct tally tally = {.want = 200, .pool = pool};
	IPK_AUTO(future, f);

	ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
	ck_ok(ipk_future_on_done(f, go_on, &tally));
	ck_assert(wait_until(is_full, &tally, WAIT_MS));
}
END_TEST

struct inner {
	struct tally tally;
	ipk_task_fn fn;
	int result;
};

static void wait_inside(ipk_future *f, void *arg)
{
	struct inner *inner = arg;
	IPK_AUTO(future, next);

	(void)f;
	ck_ok(ipk_pool_submit(inner->tally.pool, inner->fn, NULL, 0, NULL, &next));
	inner->result = ipk_future_get(next, NULL, 0, ipk_in_ms(WAIT_MS), NULL);
	ck_err(ipk_pool_join(inner->tally.pool, ipk_forever()), -EDEADLK);
	atomic_store(&inner->tally.n, 1);
}

static void ck_wait_inside(ipk_pool_kind kind, ipk_task_fn fn, int result)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kind, 1));
	struct inner inner = {.tally = {.want = 1, .pool = pool}, .fn = fn};
	IPK_AUTO_INIT(future, f, submit_gate(pool, gate, NULL));

	/* It is not over yet, so it is the pool's thread that calls. */
	ck_ok(ipk_future_on_done(f, wait_inside, &inner));
	atomic_store(&gate->is_open, 1);
	ck_assert(wait_until(is_full, &inner.tally, WAIT_MS));
	ck_err(inner.result, result);
}

START_TEST(callbacks_may_wait)
{
	ck_wait_inside(kinds[_i], nothing, 0);
}
END_TEST

/* The thread that would see the death is the one that waits. */
START_TEST(callbacks_may_wait_for_what_dies)
{
	ck_wait_inside(IPK_POOL_PROCESSES, die, -EOWNERDEAD);
}
END_TEST

/* --- shutdown --------------------------------------------------------------------------------- */

START_TEST(what_is_shut_takes_no_more)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	ipk_future *f = NULL;

	ck_err(ipk_pool_join(pool, ipk_now()), -EBUSY);
	ck_err(ipk_pool_shutdown(pool, (ipk_shutdown)77), -EINVAL);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_err(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f), -ESHUTDOWN);
	ck_err(ipk_pool_submit(pool, nothing, "", 200, NULL, &f), -ESHUTDOWN);
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pool_join(pool, ipk_now()));
	ck_ok(ipk_pool_terminate(pool));
	ck_ok(ipk_pool_shutdown(pool, IPK_DISCARD));
}
END_TEST

START_TEST(draining_does_what_was_submitted)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	ipk_future *fs[100];

	for (unsigned i = 0; i < IPK__N_OF(fs); i++)
		fs[i] = submit_gate(pool, gate, NULL);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_err(ipk_pool_join(pool, ipk_in_ms(5)), -ETIMEDOUT);
	atomic_store(&gate->is_open, 1);
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		ck_ok(ipk_future_get(fs[i], NULL, 0, ipk_now(), NULL));
		ipk_future_close(fs[i]);
	}
	ck_assert_uint_eq(atomic_load(&gate->n_waiting), IPK__N_OF(fs));
}
END_TEST

START_TEST(shutting_down_now_drops_what_waits)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO_INIT(future, first, submit_gate(pool, gate, NULL));
	ipk_future *fs[2 * IPK__POOL_SLOTS];

	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	for (unsigned i = 0; i < IPK__N_OF(fs); i++)
		ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &fs[i]));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_shutdown(pool, IPK_DISCARD));
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		ck_err(ipk_future_get(fs[i], NULL, 0, ipk_now(), NULL), -ECANCELED);
		ipk_future_close(fs[i]);
	}
	ck_assert_int_eq(ipk_future_state_of(first), IPK_FUTURE_RUNNING);
	atomic_store(&gate->is_open, 1);
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_future_get(first, NULL, 0, ipk_now(), NULL));
}
END_TEST

START_TEST(terminating_stops_everything)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	ipk_future *fs[IPK__POOL_SLOTS + 50];

	for (unsigned i = 0; i < IPK__N_OF(fs); i++)
		fs[i] = submit_gate(pool, gate, NULL);
	ck_assert(wait_until(somebody_waits, gate, WAIT_MS));
	ck_ok(ipk_pool_terminate(pool));
	for (unsigned i = 0; i < IPK__N_OF(fs); i++) {
		ck_err(ipk_future_get(fs[i], NULL, 0, ipk_now(), NULL), -ECANCELED);
		ipk_future_close(fs[i]);
	}
	ck_ok(ipk_pool_terminate(pool));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
}
END_TEST

/* --- others at the same time ------------------------------------------------------------------ */

static void *keep_submitting(void *arg)
{
	struct tally *tally = arg;
	int r = 0;

	while (r == 0) {
		IPK_AUTO(future, f);

		r = ipk_pool_submit(tally->pool, nothing, NULL, 0, NULL, &f);
		if (r == 0)
			ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
		atomic_fetch_add(&tally->n, 1);
	}
	ck_err(r, -ESHUTDOWN);
	return NULL;
}

static void *shut_down(void *arg)
{
	ck_ok(ipk_pool_shutdown(arg, IPK_DRAIN));
	ck_ok(ipk_pool_join(arg, ipk_in_ms(WAIT_MS)));
	return NULL;
}

START_TEST(shut_down_while_others_submit)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	struct tally tally = {.want = 100, .pool = pool};
	pthread_t submitters[3], enders[3];

	for (unsigned i = 0; i < 3; i++)
		pthread_create(&submitters[i], NULL, keep_submitting, &tally);
	ck_assert(wait_until(is_full, &tally, WAIT_MS));
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&enders[i], NULL, shut_down, pool);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(submitters[i], NULL);
		pthread_join(enders[i], NULL);
	}
}
END_TEST

static void terminate_inside(ipk_future *f, void *arg)
{
	struct tally *tally = arg;

	(void)f;
	ck_ok(ipk_pool_terminate(tally->pool));
	atomic_fetch_add(&tally->n, 1);
}

START_TEST(a_callback_may_terminate)
{
	IPK_AUTO(shm, shm);
	struct task_gate *gate = task_gate_new(&shm);
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 2));
	IPK_AUTO_INIT(future, endless, submit_gate(pool, gate, NULL));
	IPK_AUTO(future, f);
	struct tally tally = {.want = 1, .pool = pool};

	ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
	ck_ok(ipk_future_on_done(f, terminate_inside, &tally));
	ck_assert(wait_until(is_full, &tally, WAIT_MS));
	ck_err(ipk_future_get(endless, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -ECANCELED);
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
}
END_TEST

static int use_pool(void *arg)
{
	ipk_pool *pool = arg;
	ipk_progress progress;
	ipk_future *f;

	ck_err(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f), -EPERM);
	ck_err(ipk_pool_shutdown(pool, IPK_DISCARD), -EPERM);
	ck_err(ipk_pool_terminate(pool), -EPERM);
	ck_err(ipk_pool_join(pool, ipk_forever()), -EPERM);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_ptr_null(ipk_pool_close(pool));
	return 0;
}

START_TEST(a_child_may_only_look_and_drop)
{
	IPK_AUTO_INIT(pool, pool, pool_of(kinds[_i], 1));
	IPK_AUTO(future, f);

	reap_ok(spawn(use_pool, pool));
	ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f));
	ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
}
END_TEST

START_TEST(no_pool_is_no_crash)
{
	ipk_pool *pool = (ipk_pool *)1;

	ck_err(ipk_pool_create(NULL, NULL), -EINVAL);
	ck_err(ipk_pool_create(IPK_POOL(.n_workers = IPK_POOL_WORKERS_MAX + 1), &pool), -EINVAL);
	ck_err(ipk_pool_create(IPK_POOL(.label = "a b"), &pool), -EINVAL);
	ck_err(ipk_pool_create(IPK_POOL(.kind = (ipk_pool_kind)2), &pool), -EINVAL);
	ck_err(ipk_pool_create(IPK_POOL(.kind = IPK_POOL_THREADS, .worker_memory_bytes = 1), &pool),
	       -EINVAL);
	ck_assert_ptr_eq(pool, (ipk_pool *)1);
	ck_err(ipk_pool_shutdown(NULL, IPK_DRAIN), -EBADF);
	ck_err(ipk_pool_terminate(NULL), -EBADF);
	ck_err(ipk_pool_join(NULL, ipk_now()), -EBADF);
	ck_assert_ptr_null(ipk_pool_close(NULL));
}
END_TEST

/* --- progress --------------------------------------------------------------------------------- */

static void tell(const ipk_progress *progress, void *arg)
{
	struct tally *tally = arg;

	atomic_store(&tally->n, (unsigned)progress->n_done);
}

START_TEST(progress_is_told_to_the_end)
{
	struct tally tally = {.want = 1000};
	ipk_pool *pool;

	ck_ok(ipk_pool_create(IPK_POOL(.kind = kinds[_i], .n_workers = 2, .on_progress = tell,
				       .on_progress_arg = &tally, .progress_interval_ms = 1),
			      &pool));
	for (unsigned i = 0; i < tally.want; i++)
		ck_ok(ipk_pool_submit(pool, nothing, NULL, 0, NULL, NULL));
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, ipk_in_ms(WAIT_MS)));
	ipk_pool_close(pool);
	ck_assert_uint_eq(atomic_load(&tally.n), tally.want);
}
END_TEST

/* The thread of the one does not keep the other from being forked, nor from being told. */
START_TEST(pools_beside_each_other)
{
	ipk_pool *pools[4] = {NULL};
	ipk_future *fs[IPK__N_OF(pools)];

	for (uint64_t i = 0; i < IPK__N_OF(pools); i++) {
		pools[i] = pool_of(IPK_POOL_PROCESSES, 1);
		ck_ok(ipk_pool_submit(pools[i], square, &i, sizeof i, NULL, &fs[i]));
	}
	for (uint64_t i = 0; i < IPK__N_OF(pools); i++) {
		uint64_t y;

		pools[i ^ 1] = ipk_pool_close(pools[i ^ 1]);
		if (ipk_future_get(fs[i], &y, sizeof y, ipk_in_ms(WAIT_MS), NULL) == 0)
			ck_assert_uint_eq(y, i * i);
		ipk_future_close(fs[i]);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("supervisor");

	add_test_of_both(s, a_flood_of_callbacks);
	add_test_of_both(s, a_callback_may_end_its_thread);
	add_test_of_both(s, a_callback_may_close_its_pool);
#ifndef IS_SANITIZED
	add_test_of_both(s, a_callback_may_exit);
	add_test_of_both(s, a_child_forked_in_a_callback_is_no_supervisor);
#endif
	add_test_of_both(s, callbacks_may_submit);
	add_test_of_both(s, callbacks_may_wait);
	add_test(s, callbacks_may_wait_for_what_dies);
	add_test_of_both(s, what_is_shut_takes_no_more);
	add_test_of_both(s, draining_does_what_was_submitted);
	add_test_of_both(s, shutting_down_now_drops_what_waits);
	add_test_of_both(s, terminating_stops_everything);
	add_test_of_both(s, shut_down_while_others_submit);
	add_test_of_both(s, a_callback_may_terminate);
	add_test_of_both(s, a_child_may_only_look_and_drop);
	add_test(s, no_pool_is_no_crash);
	add_test_of_both(s, progress_is_told_to_the_end);
	add_test(s, pools_beside_each_other);
	return s;
}
IPK_TEST_MAIN(suite)
