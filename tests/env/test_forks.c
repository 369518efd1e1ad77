/*
 * Forks at the worst moments: in a signal handler that interrupts a call of the library, while
 * other threads open things; and what a child may do with what it has inherited: its copies are its
 * own, the rest belongs to its parent.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_batch.h"
#include "ipk/manager_dict.h"
#include "ipk/manager_server.h"
#include "support/support.h"

/* --- in a signal handler ---------------------------------------------------------------------- */

enum { N_LOCKS = 16 };
static _Atomic int n_handled;
static _Atomic pid_t goes_on; /* this child came back from the handler */

static void fork_and_leave(int sig)
{
	pid_t pid = fork();

	(void)sig;
	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	atomic_fetch_add(&n_handled, 1);
}

/* The child goes on where it was interrupted, and the parent waits for it to be through. */
static void fork_and_go_on(int sig)
{
	int status = 0;
	pid_t pid;

	(void)sig;
	if (atomic_load(&goes_on) != 0)
		return;
	pid = fork();
	if (pid == 0) {
		atomic_store(&goes_on, getpid());
		signal(SIGALRM, SIG_DFL);
		alarm(WAIT_MS / 1000);
		return;
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
	atomic_fetch_add(&n_handled, 1);
}

/* By the time that we run, so that a slow machine gets something done between two. */
static void start_storm(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 1000}, {0, 1000}};

	sigaction(SIGVTALRM, &action, NULL);
	setitimer(ITIMER_VIRTUAL, &often, NULL);
}

static void stop_storm(void)
{
	struct itimerval never = {{0, 0}, {0, 0}};

	setitimer(ITIMER_VIRTUAL, &never, NULL);
}

/* The line that failed, 0 none. Not by Check, whose files a fork finds half written. */
#define must(call)                       \
	do {                             \
		if ((call) != 0)         \
			return __LINE__; \
	} while (0)

static int use_everything(void)
{
	ipk_lock *locks[N_LOCKS];
	ipk_queue *q;
	size_t n;
	int fd;

	for (int i = 0; i < N_LOCKS; i++)
		must(ipk_lock_create(NULL, &locks[i]));
	for (int i = 0; i < N_LOCKS; i++)
		ipk_lock_close(locks[i]);
	must(ipk_queue_create(NULL, &q));
	must(ipk_queue_fd(q, &fd));
	ipk_queue_close(q);
	must(ipk_active_children(NULL, 0, &n));
	return 0;
}

static int storm_and_leave(void *arg)
{
	(void)arg;
	start_storm(fork_and_leave);
	while (atomic_load(&n_handled) < repeats(60))
		ck_assert_int_eq(use_everything(), 0);
	stop_storm();
	return 0;
}

static int storm_and_go_on(void *arg)
{
	(void)arg;
	start_storm(fork_and_go_on);
	while (atomic_load(&n_handled) < repeats(40)) {
		int line = use_everything();

		if (atomic_load(&goes_on) == getpid())
			_exit(line != 0 ? line : use_everything());
		ck_assert_int_eq(line, 0);
	}
	stop_storm();
	return 0;
}

START_TEST(a_handler_that_forks_does_not_hang)
{
	reap_ok(spawn(storm_and_leave, NULL));
}
END_TEST

START_TEST(its_child_can_go_on)
{
	reap_ok(spawn(storm_and_go_on, NULL));
}
END_TEST

/* --- beside threads that open and close ------------------------------------------------------- */

static _Atomic bool is_over;

static void *open_and_close(void *arg)
{
	while (!atomic_load(&is_over)) {
		if (use_everything() != 0)
			return arg;
	}
	return NULL;
}

START_TEST(forks_beside_openers)
{
	pthread_t threads[2];

	for (size_t i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, open_and_close, threads);
	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			signal(SIGALRM, SIG_DFL); /* Check's would end us all */
			alarm(WAIT_MS / 1000);
			_exit(use_everything() != 0);
		}
		reap_ok(pid);
	}
	atomic_store(&is_over, true);
	for (size_t i = 0; i < 2; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
}
END_TEST

/* --- closing in a child is the child's alone -------------------------------------------------- */

static int check_arg(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	return arg_bytes == 1 && *(const char *)arg == 'x' ? 0 : -EINVAL;
}

static int wait_long(void *arg)
{
	(void)arg;
	pause();
	return 0;
}

static void set_flag(void *arg)
{
	atomic_store((_Atomic bool *)arg, true);
}

static int close_server(void *arg)
{
	ck_err(ipk_manager_server_stop(arg, ipk_in_ms(WAIT_MS)), -ECHILD);
	ipk_manager_server_close(arg);
	return 0;
}

struct client {
	ipk_manager *m;
	ipk_dict *dict;
	ipk_watch *watch;
};

static int close_client(void *arg)
{
	struct client *c = arg;

	ipk_watch_close(c->watch);
	ipk_dict_close(c->dict);
	ipk_manager_close(c->m);
	return 0;
}

START_TEST(server_and_client)
{
	ipk_manager_server *server;
	struct client c;
	ipk_bytes field;

	ck_ok(ipk_manager_server_start(NULL, ipk_in_ms(WAIT_MS), &server));
	reap_ok(spawn(close_server, server));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(server), NULL, ipk_in_ms(WAIT_MS),
				  &c.m));
	ck_ok(ipk_dict_open(c.m, "d", &c.dict));
	ck_ok(ipk_watch_open(c.m, "d", (ipk_bytes){0}, ipk_in_ms(WAIT_MS), &c.watch));
	reap_ok(spawn(close_client, &c));
	ck_ok(ipk_dict_set(c.dict, ipk_text("a"), "1", 1, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_watch_next(c.watch, ipk_in_ms(WAIT_MS), &field));
	close_client(&c);
	ipk_manager_server_close(server);
}
END_TEST

static int close_process(void *arg)
{
	ipk_process_close(arg);
	return 0;
}

START_TEST(process_handles)
{
	static const unsigned flags[] = {0, IPK_PROCESS_DIE_WITH_PARENT, IPK_PROCESS_DAEMON};
	ipk_process *p;

	ck_ok(ipk_process_start(wait_long, NULL, IPK_PROCESS(.flags = flags[_i]), &p));
	reap_ok(spawn(close_process, p));
	ck_assert(ipk_process_is_alive(p));
	ck_err(ipk_process_join(p, ipk_in_ms(100), NULL), -ETIMEDOUT);
	ck_ok(ipk_process_kill(p));
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(p);
}
END_TEST

static int stop_zygote(void *arg)
{
	(void)arg;
	ipk_zygote_stop();
	return 0;
}

START_TEST(zygote)
{
	ipk_process *p;

	ck_ok(ipk_zygote_start(NULL));
	reap_ok(spawn(stop_zygote, NULL));
	ck_ok(ipk_process_start(wait_long, NULL, IPK_PROCESS(.start_method = IPK_START_ZYGOTE),
				&p));
	ck_ok(ipk_process_kill(p));
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(p);
	ipk_zygote_stop();
}
END_TEST

static int close_pool(void *arg)
{
	ipk_pool_close(arg);
	return 0;
}

START_TEST(pool)
{
	ipk_pool *p;
	ipk_future *f;

	ck_ok(ipk_pool_create(
		IPK_POOL(.n_workers = 2, .kind = _i ? IPK_POOL_THREADS : IPK_POOL_PROCESSES), &p));
	reap_ok(spawn(close_pool, p));
	for (int i = 0; i < 4; i++) {
		ck_ok(ipk_pool_submit(p, check_arg, "x", 1, NULL, &f));
		ck_ok(ipk_future_wait(f, ipk_in_ms(WAIT_MS)));
		ipk_future_close(f);
	}
	ipk_pool_close(p);
}
END_TEST

static int close_timer(void *arg)
{
	ipk_timer_close(arg);
	return 0;
}

START_TEST(timer)
{
	_Atomic bool flag = false;
	ipk_timer *t;

	ck_ok(ipk_timer_start(300000000, set_flag, (void *)&flag, &t));
	reap_ok(spawn(close_timer, t));
	ck_ok(ipk_timer_wait(t, ipk_in_ms(WAIT_MS)));
	ck_assert(atomic_load(&flag));
	ipk_timer_close(t);
}
END_TEST

static int close_listener(void *arg)
{
	ipk_listener_close(arg);
	return 0;
}

static int connect_to(void *arg)
{
	ipk_pipe *p;

	ck_ok(ipk_pipe_connect(arg, ipk_in_ms(WAIT_MS), &p));
	ck_ok(ipk_pipe_send(p, "x", 1, ipk_in_ms(WAIT_MS)));
	ipk_pipe_close(p);
	return 0;
}

START_TEST(listener)
{
	char directory[] = "/tmp/ipk-XXXXXX", path[64], c;
	ipk_listener *l;
	ipk_pipe *p;
	pid_t pid;
	size_t n;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/s", directory);
	ck_ok(ipk_listener_create(path, NULL, &l));
	reap_ok(spawn(close_listener, l));
	pid = spawn(connect_to, path);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	ck_ok(ipk_pipe_recv(p, &c, 1, ipk_in_ms(WAIT_MS), &n));
	reap_ok(pid);
	ipk_pipe_close(p);
	ipk_listener_close(l);
	rmdir(directory);
}
END_TEST

/* --- the child of a dead parent --------------------------------------------------------------- */

enum { NOBODY = 65534 };

struct ward {
	int method;
	pid_t bystander; /* a plain fork of the parent, which lives on */
	struct gate is_nobody, is_going;
};

static int become_nobody(void *arg)
{
	struct ward *w = *(struct ward **)arg;

	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return 1;
	gate_open(&w->is_nobody);
	pause();
	return 0;
}

static int start_and_wait(void *arg)
{
	static char *const argv[] = {"setpriv",        "--reuid", "65534", "--regid", "65534",
				     "--clear-groups", "sleep",   "1000",  NULL};
	struct ward *w = arg;
	const ipk_process_opts *opts =
		w->method == IPK_START_EXEC
			? IPK_PROCESS(.flags = IPK_PROCESS_DIE_WITH_PARENT,
				      .start_method = w->method, .program = argv[0], .argv = argv)
			: IPK_PROCESS(.flags = IPK_PROCESS_DIE_WITH_PARENT,
				      .start_method = w->method,
				      .arg_bytes = w->method == IPK_START_ZYGOTE ? sizeof w : 0);
	ipk_process *p;

	if (w->method == IPK_START_ZYGOTE)
		ck_ok(ipk_zygote_start(NULL));
	ck_ok(ipk_process_start(opts->start_method == IPK_START_EXEC ? NULL : become_nobody,
				opts->start_method == IPK_START_EXEC ? NULL : (void *)&w, opts,
				&p));
	gate_open(&w->is_going);
	pause();
	return 0;
}

/* All descendants that were left behind come to us, and end. */
static bool all_are_gone(void *arg)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	(void)arg;
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static bool is_sleep(void *arg)
{
	(void)arg;
	return system("pgrep -u 65534 -x sleep >/dev/null") == 0;
}

START_TEST(who_changes_its_uid_dies_all_the_same)
{
	static const int methods[] = {IPK_START_FORK, IPK_START_ZYGOTE, IPK_START_EXEC};
	struct ward w = {.method = methods[_i]};
	pid_t parent;

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root can become another user\n");
		return;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	gate_init(&w.is_nobody);
	gate_init(&w.is_going);
	parent = spawn(start_and_wait, &w);
	gate_wait(&w.is_going);
	if (w.method != IPK_START_EXEC)
		gate_wait(&w.is_nobody);
	else
		ck_assert(wait_until(is_sleep, NULL, WAIT_MS));
	kill(parent, SIGKILL);
	ck_assert(wait_until(all_are_gone, NULL, WAIT_MS));
	gate_fini(&w.is_nobody);
	gate_fini(&w.is_going);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("forks");

	add_test_seconds(s, a_handler_that_forks_does_not_hang, 40);
	add_test_seconds(s, its_child_can_go_on, 40);
#ifndef __SANITIZE_ADDRESS__
	/* Its allocator is not made for forks of a process with threads: a child may hang in it. */
	add_test_seconds(s, forks_beside_openers, 40);
#else
	(void)forks_beside_openers;
#endif
	add_test(s, server_and_client);
	add_loop_test(s, process_handles, 0, 3);
	add_test(s, zygote);
	add_loop_test(s, pool, 0, 2);
	add_test(s, timer);
	add_test(s, listener);
	add_loop_test(s, who_changes_its_uid_dies_all_the_same, 0, 3);
	return s;
}

IPK_TEST_MAIN(suite)
