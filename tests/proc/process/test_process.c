/*
 * test_process.c - child processes from outside: how they exit, who gets the status, what is left.
 *
 * The leak check around each test also fails it for a zombie.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#include "ipk/process.h"
#include "os/os.h"
#include "support/support.h"

/* --- children --------------------------------------------------------------------------------- */

static int return_int(void *arg)
{
	return *(int *)arg;
}

static int return_0(void *arg)
{
	(void)arg;
	return 0;
}

static int wait_at_gate(void *arg)
{
	gate_wait(arg);
	return 7;
}

static int raise_signal(void *arg)
{
	int sig = *(int *)arg;

	signal(sig, SIG_DFL); /* sanitizers catch some */
	raise(sig);
	return 0;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static ipk_process *start(ipk_process_fn fn, void *arg)
{
	ipk_process *p = NULL;

	ck_ok(ipk_process_start(fn, arg, NULL, &p));
	ck_assert_ptr_nonnull(p);
	return p;
}

static ipk_process_status join(ipk_process *p)
{
	ipk_process_status status = {.exit_code = -2};

	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status));
	return status;
}

static void ck_exit(ipk_process *p, int code)
{
	ipk_process_status status = join(p);

	ck_assert_int_eq(status.exit_code, code);
	ck_assert_int_eq(status.signal, 0);
	ck_assert(!status.core);
}

static void ck_signal(ipk_process *p, int sig)
{
	ipk_process_status status = join(p);

	ck_assert_int_eq(status.exit_code, -1);
	ck_assert_int_eq(status.signal, sig);
}

static void ck_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert(p.revents & POLLIN);
}

/* The child has ended and nobody has waited for it yet. */
static void ck_wait_zombie(ipk_process *p)
{
	int fd;

	ck_ok(ipk_process_fd(p, &fd));
	ck_err(ipk_process_fd(p, NULL), -EINVAL);
	ck_readable(fd);
}

/* Blocks until all ends for writing are closed. */
static void ck_eof(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert_int_eq(read(fd, &c, 1), 0);
}

static void ck_byte(int fd, char want)
{
	char c = 0;

	ck_readable(fd);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	ck_assert_int_eq(c, want);
}

/* --- how children end ------------------------------------------------------------------------- */

START_TEST(exit_codes)
{
	for (int code = 0; code <= 255; code++) {
		ipk_process *p = start(return_int, &code);

		ck_exit(p, code);
		ck_assert_ptr_null(ipk_process_close(p));
	}
}
END_TEST

START_TEST(other_results_are_255)
{
	int results[] = {256, 257, 512, INT_MAX, -1, -EINVAL, -ESHUTDOWN, INT_MIN};

	for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
		IPK_AUTO_INIT(process, p, start(return_int, &results[i]));

		ck_exit(p, 255);
	}
}
END_TEST

START_TEST(signals)
{
	int sigs[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE, SIGALRM, SIGRTMAX};

	for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
		IPK_AUTO_INIT(process, p, start(raise_signal, &sigs[i]));
		ipk_process_status status = join(p);

		ck_assert_int_eq(status.signal, sigs[i]);
		ck_assert_int_eq(status.exit_code, -1);
		ck_assert(!status.core);
	}
}
END_TEST

static int dump_core_in(void *dir)
{
	const struct rlimit small = {1 << 16, 1 << 16};

	if (chdir(dir) < 0 || setrlimit(RLIMIT_CORE, &small) < 0)
		return 1;
	prctl(PR_SET_DUMPABLE, 1);
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void remove_with_files(const char *path)
{
	DIR *dir = opendir(path);

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
	ck_assert_int_eq(rmdir(path), 0);
}

/* Whether a core is dumped is up to the machine: what the kernel says is right. */
START_TEST(core_flag_is_the_kernels)
{
	char dir[] = "/tmp/ipk-test-core-XXXXXX";
	ipk_process_status status;
	ipk_process *p;
	siginfo_t info;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	pid = fork();
	if (pid == 0)
		_exit(dump_core_in(dir));
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
	p = start(dump_core_in, dir);
	status = join(p);
	ipk_process_close(p);
	remove_with_files(dir);
	ck_assert_int_eq(status.signal, SIGABRT);
	ck_assert_int_eq(status.core, info.si_code == CLD_DUMPED);
}
END_TEST

static int atexit_fd = -1;

static void at_exit(void)
{
	if (atexit_fd >= 0 && write(atexit_fd, "x", 1) != 1)
		_exit(99);
}

START_TEST(atexit_handlers_do_not_run)
{
	ipk_process *p;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(atexit(at_exit), 0);
	atexit_fd = fds[1];
	p = start(return_0, NULL);
	atexit_fd = -1;
	ck_exit(p, 0);
	close(fds[1]);
	ck_eof(fds[0]);
	close(fds[0]);
	ipk_process_close(p);
}
END_TEST

static int print_b(void *arg)
{
	fputs("b", arg);
	return 0;
}

START_TEST(stdio_is_printed_once)
{
	char text[8];
	int fds[2];
	ipk_process *p;
	FILE *out;

	ck_assert_int_eq(pipe(fds), 0);
	out = fdopen(fds[1], "w");
	ck_assert_ptr_nonnull(out);
	fputs("a", out);
	p = start(print_b, out);
	ck_exit(p, 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(read(fds[0], text, sizeof text), 2);
	ck_assert_mem_eq(text, "ab", 2);
	ck_eof(fds[0]);
	close(fds[0]);
	ipk_process_close(p);
}
END_TEST

static void *read_stdin(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)getchar();
}

static bool stdin_is_taken(void *arg)
{
	(void)arg;
	if (ftrylockfile(stdin) != 0)
		return true;
	funlockfile(stdin);
	return false;
}

START_TEST(starts_while_a_thread_reads_stdin)
{
	int saved = dup(0);
	pthread_t reader;
	ipk_process *p;
	void *got;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	if (fds[0] != 0) {
		ck_assert_int_eq(dup2(fds[0], 0), 0);
		close(fds[0]);
	}
	setvbuf(stdin, NULL, _IONBF, 0);
	ck_assert_int_eq(pthread_create(&reader, NULL, read_stdin, NULL), 0);
	ck_assert(wait_until(stdin_is_taken, NULL, WAIT_MS));

	ck_ok(ipk_process_start(return_0, NULL, IPK_PROCESS(.start_method = IPK_START_FORK), &p));
	ck_exit(p, 0);
	ipk_process_close(p);

	ck_assert_int_eq(write(fds[1], "q", 1), 1);
	pthread_join(reader, &got);
	ck_assert_int_eq((intptr_t)got, 'q');
	close(fds[1]);
	if (saved < 0) {
		close(0);
		return;
	}
	ck_assert_int_eq(dup2(saved, 0), 0);
	close(saved);
}
END_TEST

/* --- joining ---------------------------------------------------------------------------------- */

START_TEST(join_times_out)
{
	ipk_process_status status = {42, 43, true};
	struct timespec before, after;
	int64_t waited_ns;
	struct gate gate;
	ipk_process *p;

	gate_init(&gate);
	p = start(wait_at_gate, &gate);
	ck_err(ipk_process_join(p, ipk_now(), &status), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &before);
	ck_err(ipk_process_join(p, ipk_in_ms(20), &status), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &after);
	waited_ns = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
	ck_assert_int_ge(waited_ns, 20 * 1000000);
	ck_assert_int_eq(status.exit_code, 42);
	ck_assert_int_eq(status.signal, 43);
	ck_assert(ipk_process_is_alive(p));

	gate_open(&gate);
	ck_exit(p, 7);
	gate_fini(&gate);
	ipk_process_close(p);
}
END_TEST

static volatile sig_atomic_t n_alarms;

static void count_alarm(int sig)
{
	(void)sig;
	n_alarms++;
}

/* A signal every millisecond, which makes system calls return EINTR. */
static void set_storm(bool on)
{
	struct sigaction action = {.sa_handler = on ? count_alarm : SIG_DFL};
	struct itimerval timer = {{0, on ? 1000 : 0}, {0, on ? 1000 : 0}};
	struct itimerval none = {0};

	/* Off first: the default action would end us. */
	ck_assert_int_eq(setitimer(ITIMER_REAL, &none, NULL), 0);
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

START_TEST(signals_interrupt_no_start_and_no_join)
{
	struct gate gate;
	ipk_process *p;

	gate_init(&gate);
	set_storm(true);
	p = start(wait_at_gate, &gate);
	ck_err(ipk_process_join(p, ipk_in_ms(50), NULL), -ETIMEDOUT);
	ck_assert_int_gt(n_alarms, 0);
	gate_open(&gate);
	ck_exit(p, 7);
	ipk_process_close(p);
	for (int i = 0; i < repeats(200); i++) {
		int code = i % 100;

		p = start(return_int, &code);
		ck_exit(p, code);
		ipk_process_close(p);
	}
	set_storm(false);
	gate_fini(&gate);
}
END_TEST

START_TEST(join_tells_the_same_again)
{
	int sig = SIGUSR2;
	ipk_process *p = start(raise_signal, &sig);

	ck_ok(ipk_process_join(p, ipk_forever(), NULL));
	for (int i = 0; i < 3; i++)
		ck_signal(p, SIGUSR2);
	ck_ok(ipk_process_join(p, ipk_now(), NULL));
	ipk_process_close(p);
}
END_TEST

START_TEST(ended_child_needs_no_waiting)
{
	ipk_process *p = start(return_0, NULL);
	ipk_process_status status;

	ck_wait_zombie(p);
	ck_ok(ipk_process_join(p, ipk_now(), &status));
	ck_assert_int_eq(status.exit_code, 0);
	ipk_process_close(p);
}
END_TEST

struct joiner {
	ipk_process *p;
	ipk_process_status status;
	int r;
	_Atomic pid_t tid;
};

static void *join_in_thread(void *arg)
{
	struct joiner *j = arg;

	atomic_store(&j->tid, (pid_t)syscall(SYS_gettid));
	j->r = ipk_process_join(j->p, ipk_in_ms(WAIT_MS), &j->status);
	return NULL;
}

static void ck_joiner(pthread_t thread, const struct joiner *j, int code)
{
	pthread_join(thread, NULL);
	ck_ok(j->r);
	ck_assert_int_eq(j->status.exit_code, code);
	ck_assert_int_eq(j->status.signal, 0);
}

static bool has_tid(void *arg)
{
	return atomic_load(&((struct joiner *)arg)->tid) != 0;
}

START_TEST(two_threads_join)
{
	struct joiner a = {0}, b = {0};
	pthread_t thread_a, thread_b;
	struct gate gate;

	gate_init(&gate);
	a.p = b.p = start(wait_at_gate, &gate);
	ck_assert_int_eq(pthread_create(&thread_a, NULL, join_in_thread, &a), 0);
	ck_assert_int_eq(pthread_create(&thread_b, NULL, join_in_thread, &b), 0);
	ck_assert(wait_until(has_tid, &a, WAIT_MS) && wait_until(has_tid, &b, WAIT_MS));
	ck_wait_asleep(a.tid);
	ck_wait_asleep(b.tid);
	gate_open(&gate);
	ck_joiner(thread_a, &a, 7);
	ck_joiner(thread_b, &b, 7);
	gate_fini(&gate);
	ipk_process_close(a.p);
}
END_TEST

START_TEST(threads_race_to_join)
{
	for (int code = 0; code < 100; code++) {
		struct joiner a = {0}, b = {0};
		pthread_t thread_a, thread_b;

		a.p = b.p = start(return_int, &code);
		ck_assert_int_eq(pthread_create(&thread_a, NULL, join_in_thread, &a), 0);
		ck_assert_int_eq(pthread_create(&thread_b, NULL, join_in_thread, &b), 0);
		ck_joiner(thread_a, &a, code);
		ck_joiner(thread_b, &b, code);
		ipk_process_close(a.p);
	}
}
END_TEST

START_TEST(somebody_else_reaped_it)
{
	ipk_process *p = start(return_0, NULL);
	ipk_process_status status = {.exit_code = 42};

	ck_assert_int_eq(waitpid(-1, NULL, 0), ipk_process_pid(p));
	ck_assert(!ipk_process_is_alive(p));
	ck_err(ipk_process_join(p, ipk_forever(), &status), -ECHILD);
	ck_err(ipk_process_join(p, ipk_now(), &status), -ECHILD);
	ck_assert_int_eq(status.exit_code, 42);
	ck_ok(ipk_process_kill(p));
	ipk_process_close(p);
}
END_TEST

/* Many of these are gone before start() can make a pidfd. */
START_TEST(host_ignores_its_children)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 200; i++) {
		ipk_process *p = start(return_0, NULL);

		ck_err(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL), -ECHILD);
		ck_wait_zombie(p); /* its fd is readable */
		ck_assert(!ipk_process_is_alive(p));
		ck_ok(ipk_process_terminate(p));
		ipk_process_close(p);
	}
	signal(SIGCHLD, SIG_DFL);
}
END_TEST

/* --- alive or not ----------------------------------------------------------------------------- */

START_TEST(fd_is_readable_at_the_end)
{
	struct pollfd poll_fd = {.events = POLLIN};
	struct gate gate;
	ipk_process *p;

	gate_init(&gate);
	p = start(wait_at_gate, &gate);
	ck_ok(ipk_process_fd(p, &poll_fd.fd));
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	gate_open(&gate);
	ck_readable(poll_fd.fd);
	ck_exit(p, 7);
	ck_readable(poll_fd.fd);
	ck_assert_int_eq(fcntl(poll_fd.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	gate_fini(&gate);
	ipk_process_close(p);
}
END_TEST

START_TEST(zombie_is_not_alive)
{
	ipk_process *p = start(return_0, NULL);

	ck_wait_zombie(p);
	ck_assert(!ipk_process_is_alive(p));
	ck_assert(!ipk__os_pid_exists(ipk_process_pid(p)));
	ck_exit(p, 0);
	ck_assert(!ipk_process_is_alive(p));
	ipk_process_close(p);
}
END_TEST

static bool stopped(void *arg)
{
	return is_stopped(*(pid_t *)arg);
}

START_TEST(stopped_is_alive)
{
	pid_t pid;
	struct gate gate;
	ipk_process *p;

	gate_init(&gate);
	p = start(wait_at_gate, &gate);
	pid = ipk_process_pid(p);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert(wait_until(stopped, &pid, WAIT_MS));
	ck_assert(ipk_process_is_alive(p));
	ck_assert(ipk__os_pid_exists(pid));
	ck_err(ipk_process_join(p, ipk_now(), NULL), -ETIMEDOUT);
	ck_ok(ipk_process_kill(p));
	ck_signal(p, SIGKILL);
	gate_fini(&gate);
	ipk_process_close(p);
}
END_TEST

static void *exit_after_gate(void *arg)
{
	gate_wait(arg);
	_exit(9);
}

static int leave_main_thread(void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, exit_after_gate, arg) != 0)
		return 1;
	pthread_exit(NULL);
}

static bool main_thread_left(void *arg)
{
	char path[32], text[512];
	const char *paren = NULL;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)*(pid_t *)arg);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	if (fgets(text, sizeof text, file))
		paren = strrchr(text, ')');
	fclose(file);
	return paren && paren[2] == 'Z';
}

START_TEST(lives_on_without_its_main_thread)
{
	struct gate gate;
	ipk_process *p;
	pid_t pid;

	gate_init(&gate);
	p = start(leave_main_thread, &gate);
	pid = ipk_process_pid(p);
	ck_assert(wait_until(main_thread_left, &pid, WAIT_MS));
	ck_assert(ipk_process_is_alive(p));
	ck_assert(ipk__os_pid_exists(pid));
	ck_err(ipk_process_join(p, ipk_now(), NULL), -ETIMEDOUT);
	gate_open(&gate);
	ck_exit(p, 9);
	ck_assert(!ipk__os_pid_exists(pid));
	gate_fini(&gate);
	ipk_process_close(p);
}
END_TEST

/* --- ending and giving up --------------------------------------------------------------------- */

START_TEST(terminate_and_kill)
{
	struct gate gate;
	ipk_process *p;

	gate_init(&gate);
	signal(SIGTERM, SIG_DFL); /* Check has a handler that ends the whole group */
	p = start(wait_at_gate, &gate);
	ck_ok(ipk_process_terminate(p));
	ck_signal(p, SIGTERM);
	ipk_process_close(p);
	p = start(wait_at_gate, &gate);
	ck_ok(ipk_process_kill(p));
	ck_signal(p, SIGKILL);
	ipk_process_close(p);
	gate_fini(&gate);
}
END_TEST

START_TEST(kill_after_the_end)
{
	ipk_process *p = start(return_0, NULL);

	ck_wait_zombie(p);
	ck_ok(ipk_process_kill(p));
	ck_exit(p, 0);
	ck_ok(ipk_process_kill(p));
	ck_ok(ipk_process_terminate(p));
	ck_exit(p, 0);
	ipk_process_close(p);
}
END_TEST

START_TEST(close_lets_a_running_child_go_on)
{
	struct gate gate;
	ipk_process *p;
	int n_fds;
	pid_t pid;

	gate_init(&gate);
	n_fds = count_fds();
	p = start(wait_at_gate, &gate);
	pid = ipk_process_pid(p);
	ck_assert_int_eq(count_fds(), n_fds + 1);
	ck_assert_ptr_null(ipk_process_close(p));
	ck_assert_int_eq(count_fds(), n_fds);
	gate_open(&gate);
	reap_code(pid, 7);
	gate_fini(&gate);
}
END_TEST

START_TEST(close_reaps_what_has_ended)
{
	ipk_process *p = start(return_0, NULL);
	pid_t pid = ipk_process_pid(p);

	ck_wait_zombie(p);
	ck_assert_ptr_null(ipk_process_close(p));
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* --- handles elsewhere ------------------------------------------------------------------------ */

/* The sibling's handle in a process that did not start it. */
static int use_inherited(void *arg)
{
	ipk_process *sibling = arg;
	int fd;

	if (ipk_process_join(sibling, ipk_forever(), NULL) != -ECHILD)
		return 1;
	if (!ipk_process_is_alive(sibling) || ipk_process_fd(sibling, &fd) != 0)
		return 2;
	if (ipk_process_kill(sibling) != -EPERM || ipk_process_terminate(sibling) != -EPERM ||
	    ipk_process_interrupt(sibling) != -EPERM)
		return 3;
	ipk_process_close(sibling);
	return 0;
}

START_TEST(handle_in_a_fork)
{
	ipk_process *sibling, *p;
	struct gate gate;

	gate_init(&gate);
	sibling = start(wait_at_gate, &gate);
	p = start(use_inherited, sibling);
	ck_exit(p, 0);
	reap_code(spawn(use_inherited, sibling), 0); /* the same in a plain fork */
	ck_assert(ipk_process_is_alive(sibling));
	ck_ok(ipk_process_kill(sibling));
	ck_signal(sibling, SIGKILL);
	gate_fini(&gate);
	ipk_process_close(sibling);
	ipk_process_close(p);
}
END_TEST

/* A child has no fd that its starter had not when it began. */
static int compare_fds(void *arg)
{
	return count_fds() - *(int *)arg;
}

START_TEST(child_has_no_extra_fds)
{
	int n_fds = count_fds();
	ipk_process *p = start(compare_fds, &n_fds);

	ck_exit(p, 0);
	ipk_process_close(p);
}
END_TEST

static int start_one_too(void *arg)
{
	ipk_process *p;
	ipk_process_status status;

	if (ipk_process_start(return_int, arg, NULL, &p) != 0)
		return 1;
	if (ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) != 0)
		return 2;
	ipk_process_close(p);
	return status.exit_code;
}

START_TEST(children_have_children)
{
	int code = 55;
	ipk_process *p = start(start_one_too, &code);

	ck_exit(p, 55);
	ipk_process_close(p);
}
END_TEST

/* --- parents that die ------------------------------------------------------------------------- */

struct relatives {
	unsigned flags; /* of the grandchild */
	int reports[2]; /* held open by the grandchild for as long as it lives */
	int commands[2];
};

static int grandchild(void *arg)
{
	struct relatives *f = arg;
	char c;

	close(f->commands[1]);
	if (write(f->reports[1], "r", 1) != 1)
		return 1;
	while (read(f->commands[0], &c, 1) == 1) {
		if (write(f->reports[1], &c, 1) != 1)
			return 1;
	}
	return 0;
}

static int middle(void *arg)
{
	struct relatives *f = arg;
	ipk_process *p;

	close(f->commands[1]);
	if (ipk_process_start(grandchild, f, IPK_PROCESS(.flags = f->flags), &p) != 0)
		return 1;
	close(f->reports[1]);
	return ipk_process_join(p, ipk_forever(), NULL);
}

/* Starts the family, kills the middle one: the test gets the grandchild as its own. */
static void orphan(struct relatives *f, unsigned flags)
{
	ipk_process *p;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	f->flags = flags;
	ck_assert_int_eq(pipe(f->reports), 0);
	ck_assert_int_eq(pipe(f->commands), 0);
	p = start(middle, f);
	close(f->reports[1]);
	close(f->commands[0]);
	ck_byte(f->reports[0], 'r');
	ck_ok(ipk_process_kill(p));
	ck_signal(p, SIGKILL);
	ipk_process_close(p);
}

/* Its pid, once it has ended; it is still to be reaped. */
static pid_t the_only_child(void)
{
	siginfo_t info = {0};

	ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	return info.si_pid;
}

START_TEST(dies_with_its_parent)
{
	struct relatives f;

	orphan(&f, IPK_PROCESS_DIE_WITH_PARENT);
	ck_eof(f.reports[0]); /* while its commands are still open: it did not end by itself */
	reap_signal(the_only_child(), SIGKILL);
	close(f.reports[0]);
	close(f.commands[1]);
}
END_TEST

START_TEST(outlives_its_parent)
{
	struct relatives f;

	orphan(&f, 0);
	ck_assert_int_eq(write(f.commands[1], "x", 1), 1);
	ck_byte(f.reports[0], 'x');
	close(f.commands[1]);
	ck_eof(f.reports[0]);
	reap_ok(the_only_child());
	close(f.reports[0]);
}
END_TEST

static int look_for_parent(void *arg)
{
	pid_t parent = *(pid_t *)arg;

	if (ipk__os_die_with_parent(parent, -1) != 0)
		return 1;
	return ipk__os_die_with_parent(parent + 1, -1) == -ESRCH ? 0 : 2;
}

START_TEST(parent_gone_already)
{
	pid_t self = getpid();
	ipk_process *p = start(look_for_parent, &self);

	ck_exit(p, 0);
	ipk_process_close(p);
}
END_TEST

/* --- names and arguments ---------------------------------------------------------------------- */

static int compare_comm(void *arg)
{
	char comm[16] = "";

	prctl(PR_GET_NAME, comm);
	return strncmp(comm, arg, 15) == 0 && strlen(comm) <= 15 ? 0 : 1;
}

static void ck_name_works(char *name)
{
	ipk_process *p;

	ck_ok(ipk_process_start(compare_comm, name, IPK_PROCESS(.name = name), &p));
	ck_assert_str_eq(ipk_process_name(p), name);
	ck_exit(p, 0);
	ck_assert_str_eq(ipk_process_name(p), name);
	ipk_process_close(p);
}

START_TEST(names)
{
	char longest[201];

	memset(longest, 'n', 200);
	longest[200] = '\0';
	ck_name_works(longest);
	ck_name_works((char[]){"a"});
	ck_name_works((char[]){"Worker_1.of-12"});
	ck_name_works((char[]){"exactly-fifteen"});
	ck_name_works((char[]){"more-than-fifteen"});
}
END_TEST

START_TEST(bad_arguments)
{
	char too_long[202];
	const char *const bad[] = {"", " ", "a b", "a/b", "a\n", "\xc3\xa4", "a*", too_long};
	struct {
		ipk_process_opts opts;
		int unknown;
	} newer = {.opts.struct_size = sizeof newer, .unknown = 1};
	ipk_process *p = (ipk_process *)&newer;

	memset(too_long, 'n', 201);
	too_long[201] = '\0';
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_err(ipk_process_start(return_0, NULL, IPK_PROCESS(.name = bad[i]), &p), -EINVAL);
	ck_err(ipk_process_start(return_0, NULL, IPK_PROCESS(.flags = 1u << 31), &p), -EINVAL);
	ck_err(ipk_process_start(return_0, NULL, &newer.opts, &p), -EINVAL);
	ck_err(ipk_process_start(return_0, NULL, &(ipk_process_opts){.struct_size = 1}, &p),
	       -EINVAL);
	ck_err(ipk_process_start(NULL, NULL, NULL, &p), -EINVAL);
	ck_err(ipk_process_start(return_0, NULL, NULL, NULL), -EINVAL);
	ck_assert_ptr_eq(p, (ipk_process *)&newer);
}
END_TEST

START_TEST(default_names)
{
	ipk_process *a = start(return_0, NULL), *b = start(return_0, NULL);
	char name[32];

	snprintf(name, sizeof name, "ipk-%d", (int)ipk_process_pid(a));
	ck_assert_str_eq(ipk_process_name(a), name);
	ck_assert_str_ne(ipk_process_name(a), ipk_process_name(b));
	ck_assert_int_ne(ipk_process_pid(a), ipk_process_pid(b));
	ck_exit(a, 0);
	ck_exit(b, 0);
	ipk_process_close(a);
	ipk_process_close(b);
}
END_TEST

START_TEST(null_handle)
{
	int fd = 42;

	ck_err(ipk_process_join(NULL, ipk_now(), NULL), -EBADF);
	ck_err(ipk_process_terminate(NULL), -EBADF);
	ck_err(ipk_process_kill(NULL), -EBADF);
	ck_err(ipk_process_fd(NULL, &fd), -EBADF);
	ck_assert_int_eq(fd, 42);
	ck_assert(!ipk_process_is_alive(NULL));
	ck_assert_int_eq(ipk_process_pid(NULL), -1);
	ck_assert_str_eq(ipk_process_name(NULL), "");
	ck_assert_ptr_null(ipk_process_close(NULL));
}
END_TEST

static int report(void *arg)
{
	return write(*(int *)arg, "x", 1) == 1 ? 0 : 1;
}

static void limit_fds(struct rlimit limit, int n)
{
	limit.rlim_cur = (rlim_t)n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(nothing_runs_without_an_fd)
{
	ipk_process *none = NULL, *p = NULL;
	struct rlimit limit;
	int fds[2];
	int r_none, r_one;
	int lowest_free;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(pipe(fds), 0);
	lowest_free = dup(fds[0]);
	close(lowest_free);
	limit_fds(limit, lowest_free);
	r_none = ipk_process_start(report, &fds[1], NULL, &none);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	limit_fds(limit, lowest_free + 1);
	r_one = ipk_process_start(return_0, NULL, NULL, &p);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

	ck_err(r_none, -EMFILE);
	ck_assert_ptr_null(none);
	ck_ok(r_one);
	ck_exit(p, 0);
	ipk_process_close(p);
	close(fds[1]);
	ck_eof(fds[0]);
	close(fds[0]);
}
END_TEST

/* --- who this is, and who that is ------------------------------------------------------------- */

static bool ids_are_right(void)
{
	return ipk__os_pid() == getpid() && ipk__os_tid() == (pid_t)syscall(SYS_gettid);
}

static int fork_and_compare(void *arg)
{
	pid_t pid = ids_are_right() ? fork() : -1; /* not one of ours */
	int status;

	(void)arg;
	if (pid == 0)
		_exit(ids_are_right() ? 0 : 1);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 2;
	return status == 0 && ids_are_right() ? 0 : 1;
}

static void *fork_in_thread(void *arg)
{
	*(int *)arg = fork_and_compare(NULL);
	return NULL;
}

START_TEST(ids_follow_forks)
{
	pthread_t thread;
	ipk_process *p;
	int r = -1;

	ck_assert(ids_are_right());
	ck_assert_int_eq(fork_and_compare(NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, fork_in_thread, &r), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(r, 0);
	p = start(fork_and_compare, NULL);
	ck_exit(p, 0);
	ipk_process_close(p);
	ck_assert_uint_eq(ipk__os_uid(), geteuid());
}
END_TEST

START_TEST(pid_namespace_is_its_inode)
{
	struct stat st;

	ck_assert_int_eq(stat("/proc/self/ns/pid", &st), 0);
	ck_assert_uint_eq(ipk__os_pid_namespace(), st.st_ino);
}
END_TEST

START_TEST(start_times)
{
	int64_t own_ns = 0, child_ns = 0, now_ns;
	struct timespec now;
	struct gate gate;
	ipk_process *p;

	gate_init(&gate);
	ck_ok(ipk__os_start_time_ns(getpid(), &own_ns));
	p = start(wait_at_gate, &gate);
	ck_ok(ipk__os_start_time_ns(ipk_process_pid(p), &child_ns));
	clock_gettime(CLOCK_BOOTTIME, &now);
	now_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
	ck_assert_int_gt(own_ns, 0);
	ck_assert_int_le(own_ns, child_ns);
	ck_assert_int_le(child_ns, now_ns);
	gate_open(&gate);
	ck_exit(p, 7);
	ck_err(ipk__os_start_time_ns(ipk_process_pid(p), &child_ns), -ESRCH);
	ck_err(ipk__os_start_time_ns(0, &child_ns), -ESRCH);
	ck_err(ipk__os_start_time_ns(-1, &child_ns), -ESRCH);
	gate_fini(&gate);
	ipk_process_close(p);
}
END_TEST

START_TEST(names_do_not_confuse_stat)
{
	int64_t before_ns = 0, after_ns = 0;

	ck_ok(ipk__os_start_time_ns(getpid(), &before_ns));
	ipk__os_set_thread_name("a) Z 1 (b) 2 )");
	ck_ok(ipk__os_start_time_ns(getpid(), &after_ns));
	ck_assert_int_eq(before_ns, after_ns);
	ck_assert_int_eq(ipk__os_pid_exists(getpid()), 1);
}
END_TEST

START_TEST(pids_that_nobody_has)
{
	ipk_process *p = start(return_0, NULL);

	ck_exit(p, 0);
	ck_assert_int_eq(ipk__os_pid_exists(ipk_process_pid(p)), 0);
	ck_assert_int_eq(ipk__os_pid_exists(0), 0);
	ck_assert_int_eq(ipk__os_pid_exists(-1), 0);
	ck_assert_int_eq(ipk__os_pid_exists(1), 1);
	ipk_process_close(p);
}
END_TEST

START_TEST(unfork_leaves_nothing)
{
	pid_t pid;

	ck_ok(ipk__os_fork(&pid));
	if (pid == 0) {
		for (;;)
			pause();
	}
	ipk__os_unfork(pid);
	ck_assert_int_eq(ipk__os_pid_exists(pid), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
}
END_TEST

static void add_ends(Suite *s)
{
	add_test(s, exit_codes);
	add_test(s, other_results_are_255);
	add_test(s, signals);
	add_test(s, core_flag_is_the_kernels);
	add_test(s, atexit_handlers_do_not_run);
	add_test(s, stdio_is_printed_once);
	add_test(s, starts_while_a_thread_reads_stdin);
}

static void add_joins(Suite *s)
{
	add_test(s, join_times_out);
	add_test(s, signals_interrupt_no_start_and_no_join);
	add_test(s, join_tells_the_same_again);
	add_test(s, ended_child_needs_no_waiting);
	add_test(s, two_threads_join);
	add_test(s, threads_race_to_join);
	add_test(s, somebody_else_reaped_it);
	add_test(s, host_ignores_its_children);
}

static void add_lives(Suite *s)
{
	add_test(s, fd_is_readable_at_the_end);
	add_test(s, zombie_is_not_alive);
	add_test(s, stopped_is_alive);
	add_test(s, lives_on_without_its_main_thread);
	add_test(s, terminate_and_kill);
	add_test(s, kill_after_the_end);
	add_test(s, close_lets_a_running_child_go_on);
	add_test(s, close_reaps_what_has_ended);
	add_test(s, handle_in_a_fork);
	add_test(s, child_has_no_extra_fds);
	add_test(s, children_have_children);
	add_test(s, dies_with_its_parent);
	add_test(s, outlives_its_parent);
	add_test(s, parent_gone_already);
}

static void add_ids(Suite *s)
{
	add_test(s, names);
	add_test(s, bad_arguments);
	add_test(s, default_names);
	add_test(s, null_handle);
	add_test(s, nothing_runs_without_an_fd);
	add_test(s, ids_follow_forks);
	add_test(s, pid_namespace_is_its_inode);
	add_test(s, start_times);
	add_test(s, names_do_not_confuse_stat);
	add_test(s, pids_that_nobody_has);
	add_test(s, unfork_leaves_nothing);
}

static Suite *suite(void)
{
	Suite *s = suite_create("process");

	add_ends(s);
	add_joins(s);
	add_lives(s);
	add_ids(s);
	return s;
}

IPK_TEST_MAIN(suite)
