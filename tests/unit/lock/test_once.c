/* test_once.c - lib/lock/once.c: of all callers, exactly one runs it. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipk/once.h"
#include "support/support.h"

/* Shared with children. */
struct shared {
	atomic_int n_begun;
	atomic_int n_done;
	atomic_int n_told; /* that the one before was killed, before it ran */
	int written;       /* by the one that ran */
	atomic_bool may_go;
};

struct fix {
	ipk_once *once;
	struct shared *shared;
	bool recovered;
};

static struct fix make(void)
{
	struct fix f = {0};

	f.shared = mmap(NULL, sizeof *f.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	ck_assert_ptr_ne(f.shared, MAP_FAILED);
	ck_ok(ipk_once_create(NULL, &f.once));
	return f;
}

static void drop(struct fix *f)
{
	ck_assert_ptr_null(ipk_once_close(f->once));
	munmap(f->shared, sizeof *f->shared);
}

static int count(void *arg)
{
	struct fix *f = arg;

	f->shared->n_begun++;
	f->shared->n_told += f->recovered;
	f->shared->written = 42;
	f->shared->n_done++;
	return 0;
}

static bool may_go(void *arg)
{
	return ((struct fix *)arg)->shared->may_go;
}

static int count_slowly(void *arg)
{
	struct fix *f = arg;

	f->shared->n_begun++;
	if (!wait_until(may_go, f, WAIT_MS))
		return -EIO;
	f->shared->written = 42;
	f->shared->n_done++;
	return 0;
}

static int fail_it(void *arg)
{
	((struct fix *)arg)->shared->n_begun++;
	return -EIO;
}

static int run_count(void *arg)
{
	struct fix *f = arg;

	if (ipk_once_run(f->once, count, f, ipk_in_ms(WAIT_MS), &f->recovered) != 0)
		return 1;
	return f->shared->written == 42 ? 0 : 2;
}

static int run_slowly(void *arg)
{
	struct fix *f = arg;

	return ipk_once_run(f->once, count_slowly, f, ipk_in_ms(WAIT_MS), NULL) == 0 ? 0 : 1;
}

static bool has_begun(void *arg)
{
	return ((struct fix *)arg)->shared->n_begun > 0;
}

static bool one_waits(void *arg)
{
	return N_LISTED(ipk_once_waiters, ((struct fix *)arg)->once, NULL, 0) == 1;
}

START_TEST(runs_once)
{
	struct fix f = make();
	bool recovered = true;

	ck_assert(!ipk_once_is_done(f.once));
	ck_ok(ipk_once_run(f.once, count, &f, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_assert(ipk_once_is_done(f.once));
	recovered = true;
	ck_ok(ipk_once_run(f.once, fail_it, &f, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_ok(ipk_once_run(f.once, fail_it, &f, ipk_forever(), NULL));
	ck_assert_int_eq(f.shared->n_begun, 1);
	drop(&f);
}
END_TEST

START_TEST(wrong_arguments)
{
	ipk_once_opts odd = {.struct_size = 1};
	IPK_AUTO(once, once);

	ck_err(ipk_once_create(NULL, NULL), -EINVAL);
	ck_err(ipk_once_create(&odd, &once), -EINVAL);
	ck_err(ipk_once_open("t-nobody-made-it", ipk_now(), &once), -ENOENT);
	ck_err(ipk_once_open("t-nobody-made-it", ipk_now(), NULL), -EINVAL);
	ck_err(ipk_once_unlink("t-nobody-made-it"), -ENOENT);
	ck_err(ipk_once_run(NULL, count, NULL, ipk_now(), NULL), -EBADF);
	ck_assert(!ipk_once_is_done(NULL));
	ck_err(ipk_once_waiters(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_err(ipk_once_send(NULL, NULL, ipk_now()), -EBADF);
	ck_ok(ipk_once_create(IPK_ONCE(.label = "table"), &once));
	ck_err(ipk_once_run(once, NULL, NULL, ipk_now(), NULL), -EINVAL);
}
END_TEST

START_TEST(named_and_passed_on)
{
	char name[UNIQUE_NAME_BYTES];
	struct fix f = make();
	ipk_once *named = NULL, *other = NULL;
	ipk_pipe *a = NULL, *b = NULL;

	unique_name(name, "once");
	ck_ok(ipk_once_create(IPK_ONCE(.name = name), &named));
	ck_ok(ipk_once_open(name, ipk_now(), &other));
	ck_ok(ipk_once_run(other, count, &f, ipk_now(), NULL));
	ck_assert(ipk_once_is_done(named));
	ck_ok(ipk_once_unlink(name));
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_err(ipk_once_send(named, a, ipk_now()), -EOPNOTSUPP);
	ipk_once_close(named);
	other = ipk_once_close(other);
	ck_ok(ipk_once_send(f.once, a, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_once_recv(b, ipk_in_ms(WAIT_MS), NULL), -EINVAL);
	ck_ok(ipk_once_recv(b, ipk_in_ms(WAIT_MS), &other));
	ck_ok(ipk_once_run(other, count, &f, ipk_now(), NULL));
	ck_assert(ipk_once_is_done(f.once));
	ipk_once_close(other);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	drop(&f);
}
END_TEST

START_TEST(a_failure_leaves_it_to_the_next)
{
	struct fix f = make();

	for (int i = 0; i < 3; i++)
		ck_err(ipk_once_run(f.once, fail_it, &f, ipk_now(), NULL), -EIO);
	ck_assert(!ipk_once_is_done(f.once));
	ck_ok(ipk_once_run(f.once, count, &f, ipk_now(), &f.recovered));
	ck_assert_int_eq(f.shared->n_begun, 4);
	ck_assert_int_eq(f.shared->n_told, 0);
	drop(&f);
}
END_TEST

static int run_again(void *arg)
{
	struct fix *f = arg;
	int r = ipk_once_run(f->once, count, f, ipk_forever(), NULL);

	return r == -EDEADLK ? count(f) : -EPROTO;
}

START_TEST(not_from_inside)
{
	struct fix f = make();

	ck_ok(ipk_once_run(f.once, run_again, &f, ipk_now(), NULL));
	ck_assert_int_eq(f.shared->n_begun, 1);
	drop(&f);
}
END_TEST

START_TEST(many_ask_at_once)
{
	for (int round = 0; round < repeats(40); round++) {
		struct fix f = make();
		pid_t pids[6];

		for (int i = 0; i < 6; i++)
			pids[i] = spawn(run_count, &f);
		for (int i = 0; i < 6; i++)
			reap_ok(pids[i]);
		ck_assert_int_eq(f.shared->n_begun, 1);
		drop(&f);
	}
}
END_TEST

START_TEST(others_wait_for_the_one_that_runs)
{
	struct fix f = make();
	pid_t runner = spawn(run_slowly, &f), other;
	uint32_t tid = 0;

	ck_assert(wait_until(has_begun, &f, WAIT_MS));
	ck_err(ipk_once_run(f.once, count, &f, ipk_now(), NULL), -ETIMEDOUT);
	ck_err(ipk_once_run(f.once, count, &f, ipk_in_ms(5), NULL), -ETIMEDOUT);
	other = spawn(run_count, &f);
	ck_assert(wait_until(one_waits, &f, WAIT_MS));
	ck_assert_uint_eq(N_LISTED(ipk_once_waiters, f.once, &tid, 1), 1);
	ck_assert_uint_eq(tid, other);
	f.shared->may_go = true;
	reap_ok(runner);
	reap_ok(other);
	ck_assert_int_eq(f.shared->n_begun, 1);
	drop(&f);
}
END_TEST

/* The runner is killed in the middle while another waits: that one runs it, and is told. */
START_TEST(a_killed_runner_is_followed)
{
	struct fix f = make();
	pid_t runner = spawn(run_slowly, &f), other;

	ck_assert(wait_until(has_begun, &f, WAIT_MS));
	other = spawn(run_count, &f);
	ck_assert(wait_until(one_waits, &f, WAIT_MS));
	kill_and_reap(runner);
	reap_ok(other);
	ck_assert_int_eq(f.shared->n_begun, 2);
	ck_assert_int_eq(f.shared->n_done, 1);
	ck_assert_int_eq(f.shared->n_told, 1);
	ck_assert(ipk_once_is_done(f.once));
	drop(&f);
}
END_TEST

START_TEST(nobody_waited_when_it_was_killed)
{
	struct fix f = make();
	pid_t runner = spawn(run_slowly, &f);

	ck_assert(wait_until(has_begun, &f, WAIT_MS));
	kill_and_reap(runner);
	ck_assert(!ipk_once_is_done(f.once));
	ck_ok(ipk_once_run(f.once, count, &f, ipk_now(), &f.recovered));
	ck_assert(f.recovered);
	ck_assert_int_eq(f.shared->n_told, 1);
	drop(&f);
}
END_TEST

START_TEST(a_stopped_runner_is_waited_for)
{
	struct fix f = make();
	pid_t runner = spawn(run_slowly, &f);

	ck_assert(wait_until(has_begun, &f, WAIT_MS));
	ck_assert_int_eq(kill(runner, SIGSTOP), 0);
	/* Several slices. */
	ck_err(ipk_once_run(f.once, count, &f, ipk_in_ms(350), NULL), -ETIMEDOUT);
	f.shared->may_go = true;
	ck_assert_int_eq(kill(runner, SIGCONT), 0);
	reap_ok(runner);
	ck_ok(ipk_once_run(f.once, fail_it, &f, ipk_now(), NULL));
	drop(&f);
}
END_TEST

static void *run_in_thread(void *arg)
{
	struct fix *f = arg;

	return ipk_once_run(f->once, count, f, ipk_in_ms(WAIT_MS), NULL) == 0 &&
			       f->shared->written == 42
		       ? NULL
		       : f;
}

START_TEST(threads_see_what_it_wrote)
{
	for (int round = 0; round < repeats(200); round++) {
		struct fix f = make();
		pthread_t threads[4];
		void *r;

		for (int i = 0; i < 4; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, run_in_thread, &f), 0);
		for (int i = 0; i < 4; i++) {
			pthread_join(threads[i], &r);
			ck_assert_ptr_null(r);
		}
		ck_assert_int_eq(f.shared->n_begun, 1);
		drop(&f);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("once");

	add_test(s, runs_once);
	add_test(s, wrong_arguments);
	add_test(s, named_and_passed_on);
	add_test(s, a_failure_leaves_it_to_the_next);
	add_test(s, not_from_inside);
	add_test(s, many_ask_at_once);
	add_test(s, others_wait_for_the_one_that_runs);
	add_test(s, a_killed_runner_is_followed);
	add_test(s, nobody_waited_when_it_was_killed);
	add_test(s, a_stopped_runner_is_waited_for);
	add_test(s, threads_see_what_it_wrote);
	return s;
}
IPK_TEST_MAIN(suite)
