/*
 * test_process_children.c - what a process knows of its children, and what happens to them when it
 * exits: the order at exit, daemons, which children are waited for.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/zygote_internal.h"
#include "process_roles.h"
#include "support/memory_group.h"
#include "support/support.h"

#define NOBODY 65534

static void say(const char *word)
{
	if (write(STDOUT_FILENO, word, strlen(word)) < 0)
		_exit(252);
}

static void say_it(void *arg)
{
	say(arg);
}

/* --- roles ------------------------------------------------------------------------------------ */

static void on_term(int sig)
{
	(void)sig;
	say("daemon ");
	_exit(0);
}

/* Says when it can be terminated, and then that it is. */
static int be_daemon(void *arg)
{
	int *fds = arg;

	signal(SIGTERM, on_term);
	close(fds[0]);
	if (write(fds[1], "r", 1) != 1)
		return 1;
	for (;;)
		pause();
	return 0;
}

/* Ends when the daemon has, and only then. */
static int be_worker(void *arg)
{
	int *fds = arg;
	char c;

	close(fds[1]);
	if (read(fds[0], &c, 1) != 0)
		return 1;
	say("worker ");
	return 0;
}

static void register_more(void *arg)
{
	say(arg);
	if (ipk_at_exit(say_it, "more ", 1) != 0)
		say("failed ");
}

static int register_all(void)
{
	role_check(ipk_at_exit(say_it, "last ", -5) == 0);
	role_check(ipk_at_exit(say_it, "5a ", 5) == 0);
	role_check(ipk_at_exit(say_it, "-1 ", -1) == 0);
	role_check(ipk_at_exit(say_it, "5b ", 5) == 0);
	role_check(ipk_at_exit(say_it, "0 ", 0) == 0);
	role_check(ipk_at_exit(register_more, "10 ", 10) == 0);
	return 0;
}

static int role_order(const char *arg)
{
	ipk_process *daemon = NULL, *worker = NULL;
	int fds[2];
	pid_t pid;
	char c;

	role_check(register_all() == 0);
	role_check(pipe(fds) == 0);
	role_check(ipk_process_start(be_daemon, fds, IPK_PROCESS(.flags = IPK_PROCESS_DAEMON),
				     &daemon) == 0);
	role_check(read(fds[0], &c, 1) == 1 && c == 'r');
	role_check(ipk_process_start(be_worker, fds, NULL, &worker) == 0);
	close(fds[1]);
	if (strcmp(arg, "closed") == 0)
		ipk_process_close(daemon); /* it is a daemon all the same */
	/* Another's entries and children are not a fork's. */
	pid = fork();
	if (pid == 0)
		exit(0);
	role_check(waitpid(pid, NULL, 0) == pid);
	say("fn ");
	return 0;
}

static const char *const whole_order = "fn 10 5b 5a more 0 daemon worker -1 last ";

/* A daemon in a process that ends, or is killed; it holds the fd. */
static int hold(void *arg)
{
	if (write(*(int *)arg, "r", 1) != 1)
		return 1;
	for (;;)
		pause();
	return 0;
}

static int start_daemon(int method, int *fd)
{
	ipk_process *p = NULL;

	return ipk_process_start(hold, fd,
				 IPK_PROCESS(.flags = IPK_PROCESS_DAEMON, .start_method = method,
					     .arg_bytes = sizeof *fd),
				 &p);
}

struct thread_start {
	int method, fd, r;
};

static void *start_in_thread(void *arg)
{
	struct thread_start *s = arg;

	s->r = start_daemon(s->method, &s->fd);
	return NULL;
}

enum end { IS_KILLED, RETURNS, RETURNS_AS_NOBODY };
static int go_fds[2]; /* a byte: it may return as nobody */

/* "METHOD,FD,IN_THREAD,END": the parent of a daemon. */
static int role_parent_of_daemon(const char *arg)
{
	struct thread_start s = {.r = -1};
	pthread_t thread;
	int in_thread, end;

	signal(SIGTERM, SIG_IGN); /* the daemon's too, from its beginning */
	role_check(sscanf(arg, "%d,%d,%d,%d", &s.method, &s.fd, &in_thread, &end) == 4);
	if (s.method == IPK_START_ZYGOTE)
		role_check(ipk_zygote_start(NULL) == 0);
	if (in_thread) {
		role_check(pthread_create(&thread, NULL, start_in_thread, &s) == 0);
		pthread_join(thread, NULL);
	} else {
		start_in_thread(&s);
	}
	role_check(s.r == 0);
	role_check(end != RETURNS_AS_NOBODY || setuid(NOBODY) == 0);
	role_check(write(s.fd, "s", 1) == 1);
	role_check(end != RETURNS_AS_NOBODY || read(go_fds[0], &(char){0}, 1) == 1);
	while (end == IS_KILLED)
		pause();
	return 0;
}

static int wait_at_gate(void *arg)
{
	gate_wait(arg);
	return 7;
}

/* Its child has ended, and the zygote, which has the status, does not say so. */
static int role_parent_by_stopped_zygote(const char *arg)
{
	ipk_process *p = NULL;
	pid_t zygote, standby;
	struct gate gate;
	size_t n = 9;

	(void)arg;
	gate_init(&gate);
	role_check(ipk_zygote_start(NULL) == 0);
	role_check(ipk_process_start(
			   wait_at_gate, &gate,
			   IPK_PROCESS(.start_method = IPK_START_ZYGOTE, .arg_bytes = sizeof gate),
			   &p) == 0);
	ipk__zygote_pids(ipk__zygote_of_process(), &zygote, &standby);
	role_check(kill(zygote, SIGSTOP) == 0);
	gate_open(&gate);
	while (ipk_process_is_alive(p))
		usleep(1000);
	role_check(ipk_active_children(NULL, 0, &n) == 0 && n == 0);
	return 0;
}

const struct role roles[] = {
	{"parent_by_stopped_zygote", role_parent_by_stopped_zygote},
	{"order", role_order},
	{"parent_of_daemon", role_parent_of_daemon},
	{0},
};

/* --- at exit ---------------------------------------------------------------------------------- */

static void ck_says(int fd, const char *expected)
{
	char text[256] = "";
	size_t n = 0;
	ssize_t r;

	while ((r = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += (size_t)r;
	close(fd);
	ck_assert_str_eq(text, expected);
}

static void ck_order(int method, const char *arg)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_role(method, "order", arg, IPK_PROCESS(.stdout_fd = &fds[1]));
	close(fds[1]);
	ck_says(fds[0], whole_order);
}

START_TEST(order_at_exit)
{
	int method = methods[_i];

	begin_method(method);
	ck_order(method, "open");
	ck_order(method, "closed");
	end_method(method);
}
END_TEST

static int call_exit(void *arg)
{
	(void)arg;
	if (register_all() != 0)
		_exit(1);
	exit(3);
}

START_TEST(exit_in_a_child)
{
	ipk_process *p = NULL;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	/* This process's own; they are not the child's. */
	ck_ok(ipk_at_exit(say_it, "", 7));
	ck_ok(ipk_process_start(call_exit, NULL, IPK_PROCESS(.stdout_fd = &fds[1]), &p));
	ck_assert_int_eq(join_role(p).exit_code, 3);
	close(fds[1]);
	ck_says(fds[0], "10 5b 5a more 0 -1 last ");
	ck_err(ipk_at_exit(NULL, NULL, 0), -EINVAL);
}
END_TEST

/* --- daemons ---------------------------------------------------------------------------------- */

static void ck_eof(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c = 0;

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert_int_eq(read(fd, &c, 1), 0);
	close(fd);
}

/* The parent's start: fork from the main thread, from another one, or the zygote. */
static void ck_daemon_ends(int kind, enum end end)
{
	char arg[64];
	ipk_process *p;
	int fds[2];

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(pipe(go_fds), 0);
	snprintf(arg, sizeof arg, "%d,%d,%d,%d", kind == 2 ? IPK_START_ZYGOTE : IPK_START_FORK,
		 fds[1], kind == 1, (int)end);
	p = start_role(IPK_START_FORK, "parent_of_daemon", arg, NULL);
	close(fds[1]);
	/* Both are there, in any order; the thread has ended, and the daemon has not. */
	for (int i = 0; i < 2; i++) {
		struct pollfd poll_fd = {.fd = fds[0], .events = POLLIN};
		char c = 0;

		ck_assert_int_eq(poll(&poll_fd, 1, WAIT_MS), 1);
		ck_assert_int_eq(read(fds[0], &c, 1), 1);
		ck_assert(c == 'r' || c == 's');
	}
	if (end == IS_KILLED) {
		struct pollfd poll_fd = {.fd = fds[0], .events = POLLIN};

		ck_assert_int_eq(poll(&poll_fd, 1, 20), 0);
		ck_ok(ipk_process_kill(p));
		ck_assert_int_eq(join_role(p).signal, SIGKILL);
	} else {
		ck_assert_int_eq(write(go_fds[1], "g", 1), 1);
		ck_assert_int_eq(join_role(p).exit_code, 0);
	}
	ck_eof(fds[0]);
	close(go_fds[0]);
	close(go_fds[1]);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

START_TEST(daemons_end_with_a_killed_parent)
{
	ck_daemon_ends(_i, IS_KILLED);
}
END_TEST

/* Though it ignores SIGTERM. */
START_TEST(daemons_end_with_their_parent)
{
	ck_daemon_ends(_i, RETURNS);
}
END_TEST

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Which may not signal them any more, and so does not wait 6 s for what its signals do. */
START_TEST(daemons_end_with_a_parent_that_gave_up_root)
{
	int64_t began_ms = now_ms();

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root can give it up\n");
		return;
	}
	ck_daemon_ends(_i, RETURNS_AS_NOBODY);
	ck_assert_int_lt(now_ms() - began_ms, 6000);
}
END_TEST

/* --- who is waited for ------------------------------------------------------------------------ */

static int end_at_once(void *arg)
{
	(void)arg;
	return 8;
}

START_TEST(wait_for_any)
{
	ipk_process *procs[20] = {NULL};
	struct gate gate;
	size_t index = 77;

	ck_err(ipk_process_wait_any(procs, 20, ipk_forever(), &index), -ECHILD);
	ck_err(ipk_process_wait_any(NULL, 0, ipk_forever(), &index), -ECHILD);
	ck_err(ipk_process_wait_any(NULL, 1, ipk_forever(), &index), -EINVAL);
	ck_err(ipk_process_wait_any(procs, 20, ipk_forever(), NULL), -EINVAL);
	gate_init(&gate);
	for (int i = 1; i < 19; i++)
		ck_ok(ipk_process_start(wait_at_gate, &gate, NULL, &procs[i]));
	ck_err(ipk_process_wait_any(procs, 20, ipk_now(), &index), -ETIMEDOUT);
	ck_err(ipk_process_wait_any(procs, 20, ipk_in_ms(10), &index), -ETIMEDOUT);
	ck_assert_uint_eq(index, 77);
	ck_ok(ipk_process_start(end_at_once, NULL, NULL, &procs[19]));
	ck_ok(ipk_process_wait_any(procs, 20, ipk_in_ms(WAIT_MS), &index));
	ck_assert_uint_eq(index, 19);
	ck_assert_int_eq(join_role(procs[19]).exit_code, 8);
	procs[19] = NULL;
	gate_open(&gate);
	for (int i = 1; i < 19; i++) {
		ck_ok(ipk_process_wait_any(procs, 20, ipk_in_ms(WAIT_MS), &index));
		ck_assert_uint_ge(index, 1);
		ck_assert_uint_lt(index, 19);
		ck_assert_int_eq(join_role(procs[index]).exit_code, 7);
		procs[index] = NULL;
	}
	ck_err(ipk_process_wait_any(procs, 20, ipk_forever(), &index), -ECHILD);
	gate_fini(&gate);
}
END_TEST

static int wait_for_sibling(void *arg)
{
	ipk_process *procs[1] = {arg};
	size_t index, n = 9;

	role_check(ipk_process_wait_any(procs, 1, ipk_now(), &index) == -ECHILD);
	role_check(ipk_active_children(NULL, 0, &n) == 0);
	role_check(n == 0);
	return 0;
}

static int leave_one_behind(void *arg)
{
	ipk_process *p = NULL;

	if (ipk_process_start(wait_at_gate, arg, IPK_PROCESS(.flags = IPK_PROCESS_DETACHED), &p))
		return 1;
	return 9; /* with the handle open */
}

START_TEST(a_detached_child_is_not_waited_for)
{
	ipk_process *p = NULL;
	struct gate may_end;

	gate_init(&may_end);
	ck_ok(ipk_process_start(leave_one_behind, &may_end, NULL, &p));
	ck_assert_int_eq(join_role(p).exit_code, 9);
	gate_open(&may_end);
	gate_fini(&may_end);
}
END_TEST

START_TEST(who_has_ended_is_not_waited_for)
{
	ck_role(IPK_START_FORK, "parent_by_stopped_zygote", "", NULL);
}
END_TEST

static void exit_9(int sig)
{
	(void)sig;
	exit(9);
}

/* In the middle of a call more often than not. */
static int look_until_signalled(void *arg)
{
	size_t n;

	signal(SIGUSR1, exit_9);
	gate_open(arg);
	while (ipk_active_children(NULL, 0, &n) == 0)
		;
	return 1;
}

START_TEST(a_signal_handler_may_exit)
{
	for (int i = 0; i < 20; i++) {
		struct gate begun;
		pid_t pid;

		gate_init(&begun);
		pid = spawn(look_until_signalled, &begun);
		gate_wait(&begun);
		ck_assert_int_eq(kill(pid, SIGUSR1), 0);
		reap_code(pid, 9);
		gate_fini(&begun);
	}
}
END_TEST

START_TEST(siblings_are_not_children)
{
	ipk_process *sibling = NULL, *p = NULL;
	struct gate gate;

	gate_init(&gate);
	ck_ok(ipk_process_start(wait_at_gate, &gate, NULL, &sibling));
	ck_ok(ipk_process_start(wait_for_sibling, sibling, NULL, &p));
	ck_assert_int_eq(join_role(p).exit_code, 0);
	gate_open(&gate);
	ck_assert_int_eq(join_role(sibling).exit_code, 7);
	gate_fini(&gate);
}
END_TEST

START_TEST(active_children)
{
	ipk_process_info infos[4];
	ipk_process *a = NULL, *b = NULL, *c = NULL;
	ipk_process_status status;
	struct gate gate;
	size_t n = 9;
	int fd;

	ck_ok(ipk_active_children(NULL, 0, &n));
	ck_assert_uint_eq(n, 0);
	ck_ok(ipk_zygote_start(NULL));
	gate_init(&gate);
	ck_ok(ipk_process_start(wait_at_gate, &gate, IPK_PROCESS(.name = "a"), &a));
	ck_ok(ipk_process_start(end_at_once, NULL, IPK_PROCESS(.name = "b"), &b));
	ck_ok(ipk_process_start(end_at_once, NULL,
				IPK_PROCESS(.name = "c", .start_method = IPK_START_ZYGOTE), &c));
	ck_ok(ipk_process_join(c, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_process_fd(b, &fd));
	ck_assert_int_eq(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WAIT_MS), 1);
	ck_ok(ipk_active_children(infos, 4, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(infos[0].name, "a");
	ck_assert_int_eq(infos[0].pid, ipk_process_pid(a));
	ck_assert_int_eq(infos[0].start_method, IPK_START_FORK);
	ck_assert_int_ge(infos[0].running_ns, 0);
	ck_assert_int_lt(infos[0].running_ns, (int64_t)WAIT_MS * 1000000);
	/* b was reaped by that, and its handle knows how it ended. */
	ck_assert_int_eq(waitpid(ipk_process_pid(b), NULL, WNOHANG), -1);
	ck_ok(ipk_process_join(b, ipk_now(), &status));
	ck_assert_int_eq(status.exit_code, 8);
	ck_ok(ipk_active_children(NULL, 0, &n));
	ck_assert_uint_eq(n, 1);
	ck_err(ipk_active_children(NULL, 1, &n), -EINVAL);
	ck_err(ipk_active_children(infos, 4, NULL), -EINVAL);
	gate_open(&gate);
	ck_assert_int_eq(join_role(a).exit_code, 7);
	ipk_process_close(b);
	ipk_process_close(c);
	gate_fini(&gate);
	ipk_zygote_stop();
}
END_TEST

/* --- memory that ran out ---------------------------------------------------------------------- */

static int eat(void *arg)
{
	memory_eat(*(size_t *)arg);
	return 0;
}

static int run_in_group(void *arg)
{
	const char *dir = arg;
	size_t much = 4 * MEMORY_GROUP_BYTES, little = 4096;
	ipk_process_status status;
	ipk_process *p = NULL;

	role_check(memory_group_enter(dir));
	role_check(ipk_process_start(eat, &little, NULL, &p) == 0);
	role_check(ipk_process_kill(p) == 0);
	role_check(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) == 0 && !status.is_oom);
	ipk_process_close(p);
	role_check(ipk_process_start(eat, &much, NULL, &p) == 0);
	role_check(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) == 0);
	role_check(status.signal == SIGKILL && status.is_oom);
	ipk_process_close(p);
	return 0;
}

START_TEST(out_of_memory)
{
	char dir[MEMORY_GROUP_DIR_BYTES];
	pid_t pid;

	if (!memory_group_make(dir))
		return;
	pid = spawn(run_in_group, dir);
	reap_ok(pid);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("process_children");

	add_loop_test(s, order_at_exit, 0, N_METHODS);
	add_test(s, exit_in_a_child);
	add_loop_test(s, daemons_end_with_a_killed_parent, 0, 3);
	add_loop_test(s, daemons_end_with_their_parent, 0, 3);
	add_loop_test(s, daemons_end_with_a_parent_that_gave_up_root, 0, 3);
	add_test(s, wait_for_any);
	add_test(s, a_detached_child_is_not_waited_for);
	add_test(s, who_has_ended_is_not_waited_for);
	add_test(s, a_signal_handler_may_exit);
	add_test(s, siblings_are_not_children);
	add_test(s, active_children);
	add_test(s, out_of_memory);
	return s;
}

ROLE_MAIN(suite)
