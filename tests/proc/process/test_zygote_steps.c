/*
 * test_zygote_steps.c - the zygote, its child and its requester killed before and after each system
 * call of a request.
 *
 * What a process does between two system calls is invisible to the others: they share no memory. So
 * these are all the distinct moments. The victim is traced; where that is not allowed, the tests
 * check nothing.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "zygote_fixture.h"
#include "support/support.h"

enum { STEPS_MAX = 2000, CODE = 3 };

static _Atomic int *n_runs; /* shared with the children */

static int count_run(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	atomic_fetch_add(n_runs, 1);
	return CODE;
}

/* --- a spawn in a thread, so that this one can trace ------------------------------------------ */

struct spawn_thread {
	struct ipk__zygote *z;
	pthread_t thread;
	int r;        /* of the spawn */
	int r_status; /* of the question how it ended */
	ipk_process_status status;
	_Atomic bool is_over;
};

static void *spawn_and_wait(void *arg)
{
	struct spawn_thread *b = arg;
	struct ipk__zygote_child child;

	b->r = ipk__zygote_spawn(b->z, &(struct ipk__spawn_request){.fn = count_run},
				 ipk_in_ms(WAIT_MS), &child);
	if (b->r == 0) {
		wait_over(&child);
		b->r_status = ipk__zygote_child_status(&child, ipk_in_ms(WAIT_MS), &b->status);
		ipk__zygote_child_close(&child);
	}
	atomic_store(&b->is_over, true);
	return NULL;
}

static void begin_spawn(struct spawn_thread *b, struct ipk__zygote *z)
{
	*b = (struct spawn_thread){.z = z};
	atomic_store(n_runs, 0);
	ck_assert_int_eq(pthread_create(&b->thread, NULL, spawn_and_wait, b), 0);
}

static void prepare(void)
{
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	n_runs = mmap(NULL, sizeof *n_runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	ck_assert(n_runs != MAP_FAILED);
}

/* --- victims ---------------------------------------------------------------------------------- */

/* It is stopped then; false: tracing is not allowed here. */
static bool catch (pid_t pid, long options)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, options) < 0) {
		ck_assert_int_eq(errno, EPERM);
		return false;
	}
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(pid, &status, __WALL), pid);
	ck_assert(WIFSTOPPED(status));
	return true;
}

/* To the next stop before or after a call; false: it has ended, or @is_over says so. */
static bool step(pid_t pid, const _Atomic bool *is_over)
{
	int status;
	pid_t got;

	if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
		return false;
	while ((got = waitpid(pid, &status, __WALL | WNOHANG)) == 0) {
		if (is_over && atomic_load(is_over))
			return false;
	}
	return got == pid && WIFSTOPPED(status);
}

/* Waits for it as its tracer; a child of this process is reaped by that. */
static void kill_victim(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		;
}

/* --- sweeps ----------------------------------------------------------------------------------- */

/* Takes @n_steps with a spawn under way and kills; false: the spawn was over before. */
static bool kill_zygote_after(struct ipk__zygote *z, int n_steps, bool *ret_may_trace)
{
	bool is_reached = true;
	struct spawn_thread b;
	pid_t pid;

	/* The last one may have been killed after all that anybody waited for. */
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = count_run}), CODE);
	pid = zygote_pid(z);
	*ret_may_trace = catch (pid, PTRACE_O_TRACESYSGOOD);
	if (!*ret_may_trace)
		return false;
	begin_spawn(&b, z);
	for (int i = 0; i < n_steps && is_reached; i++)
		is_reached = step(pid, &b.is_over);
	kill_victim(pid);
	pthread_join(b.thread, NULL);
	ck_ok(b.r);
	ck_assert_int_eq(atomic_load(n_runs), 1);
	/* Older kernels do not tell of who was reaped by a zygote that was killed then. */
	ck_assert(b.r_status == 0 ? b.status.exit_code == CODE : b.r_status == -ECHILD);
	return is_reached;
}

START_TEST(zygote_killed_at_each_call)
{
	struct ipk__zygote *z;
	bool may_trace = true;
	int n = 0;

	prepare();
	z = open_zygote();
	while (n < STEPS_MAX && kill_zygote_after(z, n, &may_trace))
		n++;
	ck_assert_int_lt(n, STEPS_MAX);
	ck_assert(!may_trace || n > 10);
	ipk__zygote_close(z);
	reap_orphans();
	munmap((void *)n_runs, sizeof *n_runs);
}
END_TEST

/* The first child that the zygote forks from now on; the zygote is let go. */
static pid_t catch_child(pid_t zygote)
{
	unsigned long child;
	int status;

	do {
		ck_assert_int_eq(ptrace(PTRACE_CONT, zygote, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(zygote, &status, __WALL), zygote);
		ck_assert(WIFSTOPPED(status));
	} while (status >> 8 != (SIGTRAP | PTRACE_EVENT_FORK << 8) &&
		 status >> 8 != (SIGTRAP | PTRACE_EVENT_CLONE << 8));
	ck_assert_int_eq(ptrace(PTRACE_GETEVENTMSG, zygote, NULL, &child), 0);
	ck_assert_int_eq(waitpid((pid_t)child, &status, __WALL), (pid_t)child);
	ck_assert_int_eq(ptrace(PTRACE_DETACH, zygote, NULL, NULL), 0);
	return (pid_t)child;
}

static bool kill_child_after(struct ipk__zygote *z, int n_steps, bool *ret_may_trace)
{
	bool is_reached = true;
	struct spawn_thread b;
	pid_t child;

	*ret_may_trace = catch (zygote_pid(z),
				PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE);
	if (!*ret_may_trace)
		return false;
	begin_spawn(&b, z);
	child = catch_child(zygote_pid(z));
	for (int i = 0; i < n_steps && is_reached; i++)
		is_reached = step(child, NULL);
	if (is_reached)
		kill_victim(child);
	pthread_join(b.thread, NULL);
	ck_ok(b.r);
	ck_ok(b.r_status);
	if (b.status.signal == SIGKILL)
		ck_assert_int_le(atomic_load(n_runs), 1);
	else
		ck_assert(b.status.exit_code == CODE && atomic_load(n_runs) == 1);
	return is_reached;
}

START_TEST(child_killed_at_each_call)
{
	struct ipk__zygote *z;
	bool may_trace = true;
	int n = 0;

	prepare();
	z = open_zygote();
	while (n < STEPS_MAX && kill_child_after(z, n, &may_trace))
		n++;
	ck_assert_int_lt(n, STEPS_MAX);
	ck_assert(!may_trace || n > 10);
	ipk__zygote_close(z);
	munmap((void *)n_runs, sizeof *n_runs);
}
END_TEST

/* A requester opens a zygote, then stops, then has a child, then closes. */
static int be_requester(void *arg)
{
	const struct ipk__spawn_request request = {.fn = count_run, .flags = IPK__SPAWN_DIES_ALONG};
	struct ipk__zygote *z;
	bool is_now;

	close(*(int *)arg);
	if (ipk__zygote_open(NULL, IPK_START_DEFAULT, &z, &is_now) != 0)
		return 1;
	raise(SIGSTOP);
	run_spawn(z, &request);
	ipk__zygote_close(z);
	return 0;
}

/* Everything that came of it has the pipe's other end: it is gone when that is. */
static bool kill_requester_after(int n_steps, bool *ret_may_trace)
{
	bool is_reached = true;
	int fds[2], status;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	atomic_store(n_runs, 0);
	pid = spawn(be_requester, &fds[0]);
	close(fds[1]);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	*ret_may_trace = catch (pid, PTRACE_O_TRACESYSGOOD);
	kill(pid, SIGCONT);
	for (int i = 0; i < n_steps && is_reached && *ret_may_trace; i++)
		is_reached = step(pid, NULL);
	kill_victim(pid);
	ck_assert_int_eq(read(fds[0], &c, 1), 0);
	close(fds[0]);
	reap_orphans();
	ck_assert_int_le(atomic_load(n_runs), 1);
	return is_reached && *ret_may_trace;
}

START_TEST(requester_killed_at_each_call)
{
	bool may_trace = true;
	int n = 0;

	prepare();
	while (n < STEPS_MAX && kill_requester_after(n, &may_trace))
		n++;
	ck_assert_int_lt(n, STEPS_MAX);
	ck_assert(!may_trace || n > 10);
	munmap((void *)n_runs, sizeof *n_runs);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("zygote_steps");

	add_test(s, zygote_killed_at_each_call);
	add_test(s, child_killed_at_each_call);
	add_test(s, requester_killed_at_each_call);
	return s;
}

IPK_TEST_MAIN(suite)
