/*
 * test_zygote_process.c - the process-wide zygote, and processes started by it: from programs with
 * threads, preloaded, with handles, and zygotes spawned from it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/process.h"
#include "ipk/queue.h"
#include "os/os.h"
#include "zygote_fixture.h"
#include "support/support.h"

#define BIG_BYTES ((size_t)1 << 20)

/* --- children --------------------------------------------------------------------------------- */

static int return_int(void *arg)
{
	return *(int *)arg;
}

static int has_no_arg(void *arg)
{
	return arg ? 1 : 0;
}

static int wait_for_signal(void *arg)
{
	(void)arg;
	while (pause() < 0 && errno == EINTR)
		;
	return 1;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static void *wait_at_gate(void *arg)
{
	gate_wait(arg);
	return NULL;
}

/* A thread of the host's, for as long as it is not released. */
struct companion {
	pthread_t thread;
	struct gate gate;
};

static void begin_companion(struct companion *c)
{
	gate_init(&c->gate);
	ck_assert_int_eq(pthread_create(&c->thread, NULL, wait_at_gate, &c->gate), 0);
}

static void end_companion(struct companion *c)
{
	gate_open(&c->gate);
	pthread_join(c->thread, NULL);
	gate_fini(&c->gate);
}

static ipk_process_status join(ipk_process *p)
{
	ipk_process_status status = {.exit_code = -2};

	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status));
	return status;
}

static int run(ipk_process_fn fn, void *arg, size_t arg_bytes)
{
	IPK_AUTO(process, p);

	ck_ok(ipk_process_start(
		fn, arg, IPK_PROCESS(.start_method = IPK_START_ZYGOTE, .arg_bytes = arg_bytes),
		&p));
	return join(p).exit_code;
}

/* --- starts ----------------------------------------------------------------------------------- */

START_TEST(a_process_has_one_zygote)
{
	ipk_process *p = NULL;

	ipk_zygote_stop();
	ck_err(ipk_process_start(has_no_arg, NULL, IPK_PROCESS(.start_method = IPK_START_ZYGOTE),
				 &p),
	       -EDEADLK);
	for (int i = 0; i < 2; i++) {
		ck_ok(ipk_zygote_start(NULL));
		ck_err(ipk_zygote_start(NULL), -EALREADY);
		ck_assert_int_eq(run(has_no_arg, NULL, 0), 0);
		ipk_zygote_stop();
	}
	ck_err(ipk_zygote_start(IPK_ZYGOTE(.name = "no good")), -EINVAL);
	ck_err(ipk_zygote_start(&(ipk_zygote_opts){.struct_size = 1}), -EINVAL);
}
END_TEST

START_TEST(arguments_are_copied)
{
	int code = 42;
	ipk_process *p = NULL;

	ck_ok(ipk_zygote_start(NULL));
	ck_assert_int_eq(run(return_int, &code, sizeof code), 42);
	ck_err(ipk_process_start(return_int, &code, IPK_PROCESS(.start_method = IPK_START_ZYGOTE),
				 &p),
	       -EINVAL);
	ipk_zygote_stop();
}
END_TEST

static int sum_is_right(void *arg)
{
	const unsigned char *bytes = arg;
	unsigned sum = 0;

	for (size_t i = 0; i < BIG_BYTES; i++)
		sum += bytes[i];
	return sum == BIG_BYTES * 3 ? 0 : 1;
}

START_TEST(arguments_of_a_megabyte)
{
	char *bytes = malloc(BIG_BYTES);

	memset(bytes, 3, BIG_BYTES);
	ck_ok(ipk_zygote_start(NULL));
	ck_assert_int_eq(run(sum_is_right, bytes, BIG_BYTES), 0);
	free(bytes);
	ipk_zygote_stop();
}
END_TEST

static void *start_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < repeats(30); i++) {
		ipk_process *p = NULL;

		ck_ok(ipk_process_start(return_int, &i, IPK_PROCESS(.arg_bytes = sizeof i), &p));
		ck_assert_int_eq(join(p).exit_code, i);
		ck_assert_int_eq(join(p).exit_code, i);
		ipk_process_close(p);
	}
	return NULL;
}

START_TEST(by_default_where_there_are_threads)
{
	struct companion companion;
	pthread_t threads[3];
	ipk_process *p = NULL;

	ck_ok(ipk_zygote_start(NULL));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, start_some, NULL), 0);
	start_some(NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	ipk_zygote_stop();
	begin_companion(&companion);
	ck_err(ipk_process_start(has_no_arg, NULL, NULL, &p), -EDEADLK);
	ck_err(ipk_zygote_start(NULL), -EDEADLK);
	end_companion(&companion);
	ck_ok(ipk_process_start(has_no_arg, NULL, NULL, &p));
	ck_assert_int_eq(join(p).exit_code, 0);
	ipk_process_close(p);
}
END_TEST

START_TEST(signals_reach_the_child)
{
	ipk_process *p = NULL;
	ipk_process_status status;

	signal(SIGTERM, SIG_DFL); /* Check's ends the test */
	ck_ok(ipk_zygote_start(NULL));
	ck_ok(ipk_process_start(wait_for_signal, NULL,
				IPK_PROCESS(.start_method = IPK_START_ZYGOTE), &p));
	ck_assert(ipk_process_is_alive(p));
	ck_err(ipk_process_join(p, ipk_in_ms(5), &status), -ETIMEDOUT);
	ck_ok(ipk_process_terminate(p));
	status = join(p);
	ck_assert_int_eq(status.signal, SIGTERM);
	ck_assert(!status.is_oom);
	ck_assert(!ipk_process_is_alive(p));
	ipk_process_close(p);
	ipk_zygote_stop();
}
END_TEST

static int put_from_child(void *arg)
{
	IPK_AUTO_INIT(queue, jobs, ipk_inherited(queue, "jobs"));
	int parent = *(int *)arg;

	if (!jobs || ipk_parent_pid() != parent || !ipk_parent_is_alive())
		return 1;
	if (strcmp(ipk_process_current_name(), "child-of-a-zygote") != 0)
		return 2;
	return ipk_queue_put(jobs, "done", 4, ipk_in_ms(WAIT_MS)) == 0 ? 0 : 3;
}

START_TEST(handles_made_after_the_zygote)
{
	IPK_AUTO(queue, jobs);
	int pid = getpid();
	char buf[16];
	size_t n;
	ipk_process *p = NULL;

	ck_ok(ipk_zygote_start(NULL));
	ck_ok(ipk_queue_create(NULL, &jobs));
	ck_ok(ipk_process_start(
		put_from_child, &pid,
		IPK_PROCESS(.start_method = IPK_START_ZYGOTE, .arg_bytes = sizeof pid,
			    .name = "child-of-a-zygote",
			    .inherit = (ipk_inherit[]){IPK_INHERIT(queue, "jobs", jobs)},
			    .n_inherit = 1),
		&p));
	ck_assert_int_eq(join(p).exit_code, 0);
	ck_ok(ipk_queue_get(jobs, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n));
	ck_assert_uint_eq(n, 4);
	ipk_process_close(p);
	ipk_zygote_stop();
}
END_TEST

/* --- preloads --------------------------------------------------------------------------------- */

static int n_loaded;

static int load(void *arg)
{
	n_loaded += *(int *)arg;
	return 0;
}

static int return_loaded(void *arg)
{
	(void)arg;
	return n_loaded;
}

static int return_error(void *arg)
{
	return *(int *)arg;
}

static int end_early(void *arg)
{
	(void)arg;
	_exit(0);
}

START_TEST(preload_is_warm)
{
	int n = 9;

	ck_ok(ipk_zygote_start(IPK_ZYGOTE(.preload = load, .preload_arg = &n)));
	ck_assert_int_eq(n_loaded, 0);
	ck_assert_int_eq(run(return_loaded, NULL, 0), 9);
	ck_assert_int_eq(run(return_loaded, NULL, 0), 9);
	ipk_zygote_stop();
}
END_TEST

START_TEST(preload_fails)
{
	int error = -ENOTUNIQ, other = 5;

	ck_err(ipk_zygote_start(IPK_ZYGOTE(.preload = return_error, .preload_arg = &error)),
	       -ENOTUNIQ);
	ck_err(ipk_zygote_start(IPK_ZYGOTE(.preload = return_error, .preload_arg = &other)),
	       -ECANCELED);
	ck_err(ipk_zygote_start(IPK_ZYGOTE(.preload = end_early)), -EPIPE);
	ck_ok(ipk_zygote_start(NULL));
	ipk_zygote_stop();
}
END_TEST

/* --- zygotes from it -------------------------------------------------------------------------- */

static int value = 1;

static int return_value(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	return value;
}

START_TEST(zygotes_where_there_are_threads)
{
	struct companion companion;
	struct ipk__zygote *z = NULL;
	bool is_now = true;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	value = 1;
	begin_companion(&companion);
	ck_err(ipk__zygote_open(NULL, IPK_START_DEFAULT, &z, &is_now), -EDEADLK);
	end_companion(&companion);
	ck_ok(ipk_zygote_start(NULL));
	begin_companion(&companion);
	value = 2;
	ck_ok(ipk__zygote_open("second", IPK_START_DEFAULT, &z, &is_now));
	ck_assert(!is_now);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_value}), 1);
		kill_by_pid(zygote_pid(z));
	}
	ck_assert_ptr_null(ipk__zygote_close(z));
	end_companion(&companion);
	ck_ok(ipk__zygote_open(NULL, IPK_START_DEFAULT, &z, &is_now));
	ck_assert(is_now);
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_value}), 2);
	ck_assert_ptr_null(ipk__zygote_close(z));
	ipk_zygote_stop();
}
END_TEST

/* A child has no zygote but may make one. */
static int use_own_zygote(void *arg)
{
	ipk_process *p = NULL;
	int code = 6;

	(void)arg;
	if (ipk_process_start(
		    return_int, &code,
		    IPK_PROCESS(.start_method = IPK_START_ZYGOTE, .arg_bytes = sizeof code),
		    &p) != -EDEADLK)
		return 1;
	if (ipk_zygote_start(NULL) != 0)
		return 2;
	code = run(return_int, &code, sizeof code);
	ipk_zygote_stop();
	return code;
}

START_TEST(children_have_their_own)
{
	ipk_process *p = NULL;

	ck_ok(ipk_zygote_start(NULL));
	ck_assert_int_eq(run(use_own_zygote, NULL, 0), 6);
	ck_ok(ipk_process_start(use_own_zygote, NULL, IPK_PROCESS(.start_method = IPK_START_FORK),
				&p));
	ck_assert_int_eq(join(p).exit_code, 6);
	ipk_process_close(p);
	ipk_zygote_stop();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("zygote_process");

	add_test(s, a_process_has_one_zygote);
	add_test(s, arguments_are_copied);
	add_test(s, arguments_of_a_megabyte);
	add_test(s, by_default_where_there_are_threads);
	add_test(s, signals_reach_the_child);
	add_test(s, handles_made_after_the_zygote);
	add_test(s, preload_is_warm);
	add_test(s, preload_fails);
	add_test(s, zygotes_where_there_are_threads);
	add_test(s, children_have_their_own);
	return s;
}

IPK_TEST_MAIN(suite)
