/*
 * test_process_limits.c - starts that run out of something: fds at every point, processes, pids. A
 * start that fails leaks nothing and has run nothing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/queue.h"
#include "process/registry_shared.h"
#include "process_roles.h"
#include "support/support.h"

static int role_exit(const char *arg)
{
	return atoi(arg);
}

/* Leaves a trace that it ran. */
static int role_trace(const char *arg)
{
	return write(atoi(arg), "x", 1) == 1 ? 0 : 1;
}

static int role_sleep(const char *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

const struct role roles[] = {
	{"exit", role_exit},
	{"trace", role_trace},
	{"sleep", role_sleep},
	{0},
};

/* --- fds -------------------------------------------------------------------------------------- */

static void set_fd_limit(rlim_t n)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int lowest_free(void)
{
	int fd = fcntl(1, F_DUPFD, 0);

	close(fd);
	return fd;
}

START_TEST(fds_run_out_at_every_point)
{
	int method = methods[_i], trace[2], n_fds, r, k;
	ipk_queue *q = NULL;
	struct rlimit limit;
	char arg[16];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	begin_method(method);
	ck_role(method, "exit", "0", NULL); /* what a first start makes is there */
	ck_assert_int_eq(pipe(trace), 0);
	snprintf(arg, sizeof arg, "%d", trace[1]);
	ck_ok(ipk_queue_create(NULL, &q));
	n_fds = count_fds();
	for (k = 0, r = -EMFILE; r == -EMFILE && k < 40; k++) {
		ipk_inherit given[] = {IPK_INHERIT(queue, "q", q)};
		ipk_process *p = NULL;

		set_fd_limit((rlim_t)(lowest_free() + k));
		r = try_role(
			method, "exit", "3",
			IPK_PROCESS(.inherit = given, .n_inherit = 1, .flags = IPK_PROCESS_DAEMON),
			&p);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		if (r == 0) {
			/* A child may miss what it needs itself: it says so by its end. */
			int code = join_role(p).exit_code;

			ck_assert(code == 3 || code == 255 || code == 127);
			if (code != 3)
				r = -EMFILE;
		} else {
			ck_assert_ptr_null(p);
			ck_err(r, -EMFILE);
			/* The zygote's are another's to reap. */
			ck_assert_int_le(waitpid(-1, NULL, WNOHANG), 0);
		}
		ck_assert_int_eq(count_fds(), n_fds);
	}
	ck_ok(r);
	ck_assert_int_gt(k, 1);
	ipk_queue_close(q);
	close(trace[0]);
	close(trace[1]);
	end_method(method);
}
END_TEST

/* --- processes -------------------------------------------------------------------------------- */

/* As a user with no more processes to have; the limit does not hold for root. */
static int start_beyond_limit(void *arg)
{
	const struct rlimit none = {0, 0};
	int method = *(int *)arg;
	ipk_process *p = NULL;

	if (method == IPK_START_ZYGOTE)
		return 0; /* its own test has this */
	role_check(setresgid(54321, 54321, 54321) == 0 && setresuid(54321, 54321, 54321) == 0);
	role_check(setrlimit(RLIMIT_NPROC, &none) == 0);
	role_check(try_role(method, "exit", "0", NULL, &p) == -EAGAIN);
	role_check(!p);
	role_check(try_role(method, "exit", "0", IPK_PROCESS(.flags = IPK_PROCESS_DIE_WITH_PARENT),
			    &p) == -EAGAIN);
	role_check(waitpid(-1, NULL, WNOHANG) == -1);
	return 0;
}

START_TEST(processes_run_out)
{
	int method = methods[_i];

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root can become a user without processes\n");
		return;
	}
	reap_ok(spawn(start_beyond_limit, &method));
}
END_TEST

/* --- pids ------------------------------------------------------------------------------------- */

enum { PID_MAX = 400 };

/*
 * As the first process of a pid namespace with few pids: they come round again and again,
 * also those of children whose handles are open yet.
 */
static int recycle_pids(void *arg)
{
	ipk_process *old = NULL;
	pid_t seen = 0;
	int n_same = 0;
	FILE *f;

	(void)arg;
	role_check(mount("proc", "/proc", "proc", 0, NULL) == 0);
	f = fopen("/proc/sys/kernel/pid_max", "we");
	role_check(f && fprintf(f, "%d", PID_MAX) > 0 && fclose(f) == 0);
	/* The first 300 are given out once only. */
	do {
		ipk_process_close(old);
		role_check(try_role(IPK_START_FORK, "exit", "9", NULL, &old) == 0);
		role_check(ipk_process_join(old, ipk_in_ms(WAIT_MS), NULL) == 0);
		seen = ipk_process_pid(old);
	} while (seen <= 310);
	for (int i = 0; i < 3 * PID_MAX && n_same < 2; i++) {
		ipk_process_status status;
		ipk_process *p = NULL;
		bool is_same;

		role_check(try_role(IPK_START_FORK, i % 2 ? "exit" : "sleep", "4", NULL, &p) == 0);
		is_same = ipk_process_pid(p) == seen;
		n_same += is_same;
		if (is_same) {
			/* Signals and waits for the old one do not reach it. */
			role_check(ipk_process_kill(old) == 0);
			role_check(ipk_process_join(old, ipk_now(), &status) == 0);
			role_check(status.exit_code == 9 && !ipk_process_is_alive(old));
		}
		if (i % 2 == 0)
			role_check(ipk_process_terminate(p) == 0);
		role_check(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) == 0);
		role_check(i % 2 ? status.exit_code == 4 : status.signal == SIGTERM);
		ipk_process_close(p);
	}
	role_check(n_same > 0);
	ipk_process_close(old);
	return 0;
}

static int enter_namespace(void *arg)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	signal(SIGTERM, SIG_DFL);
	pid = fork();
	if (pid == 0)
		_exit(recycle_pids(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

/* pid_max is each pid namespace's own since Linux 6.14; before, it is the machine's. */
static bool pid_max_is_ours(void)
{
	FILE *f = fopen("/proc/sys/kernel/osrelease", "re");
	int major = 0, minor = 0;
	int n = f ? fscanf(f, "%d.%d", &major, &minor) : 0;

	if (f)
		fclose(f);
	return n == 2 && (major > 6 || (major == 6 && minor >= 14));
}

START_TEST(pids_come_round_again)
{
	pid_t pid;
	int status;

	if (!pid_max_is_ours()) {
		fprintf(stderr, "skipped: no pid_max of a namespace's own\n");
		return;
	}
	pid = spawn(enter_namespace, NULL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		fprintf(stderr, "skipped: no pid namespace may be made\n");
		return;
	}
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* --- what others see of it -------------------------------------------------------------------- */

static int registry_fd(void)
{
	DIR *dir = opendir("/proc/self/fd");
	char target[256];
	int found = -1;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);

		target[n > 0 ? n : 0] = '\0';
		if (strstr(target, "memfd:ipk:processes:"))
			found = atoi(e->d_name);
	}
	closedir(dir);
	return found;
}

static const struct ipk__shm_child *find_child(const struct ipk__shm_processes *r, pid_t pid)
{
	for (int i = 0; i < IPK__CHILDREN_MAX; i++) {
		if (r->children[i].owner >> 32 == (uint64_t)pid)
			return &r->children[i];
	}
	return NULL;
}

START_TEST(children_are_shown)
{
	static struct ipk__shm_processes r;
	const struct ipk__shm_child *c;
	ipk_process *p, *killed;

	p = start_role(IPK_START_FORK, "exit", "5", IPK_PROCESS(.name = "shown"));
	killed = start_role(IPK_START_EXEC, "sleep", "", NULL);
	ck_assert_int_eq(pread(registry_fd(), &r, sizeof r, 0), sizeof r);
	ck_assert_uint_eq(r.header.creator_pid, (unsigned)getpid());
	ck_assert_uint_eq(r.owner >> 32, (uint64_t)getpid());
	ck_assert_str_eq(r.name, "main");
	c = find_child(&r, ipk_process_pid(p));
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->state, IPK__CHILD_RUNNING);
	ck_assert_str_eq(c->name, "shown");
	ck_assert_uint_eq(c->start_method, IPK_START_FORK);
	ck_assert_uint_eq(c->n_changes % 2, 0);
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_process_kill(killed));
	ck_ok(ipk_process_join(killed, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_int_eq(pread(registry_fd(), &r, sizeof r, 0), sizeof r);
	ck_assert_uint_eq(r.n_started, 2);
	ck_assert_uint_eq(r.n_ended, 2);
	ck_assert_uint_eq(c->state, IPK__CHILD_ENDED);
	ck_assert_int_eq(c->exit_code, 5);
	ck_assert_int_ge(c->ended_boot_ns, c->started_boot_ns);
	c = find_child(&r, ipk_process_pid(killed));
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->signal, SIGKILL);
	ck_assert_uint_eq(c->start_method, IPK_START_EXEC);
	ipk_process_close(p);
	ipk_process_close(killed);
}
END_TEST

START_TEST(more_children_than_slots)
{
	static ipk_process *procs[IPK__CHILDREN_MAX + 5];
	static struct ipk__shm_processes r;

	signal(SIGTERM, SIG_DFL);
	for (int i = 0; i < IPK__CHILDREN_MAX + 5; i++)
		procs[i] = start_role(IPK_START_FORK, "sleep", "", NULL);
	ck_assert_int_eq(pread(registry_fd(), &r, sizeof r, 0), sizeof r);
	ck_assert_uint_eq(r.n_unseen, 5);
	for (int i = 0; i < IPK__CHILDREN_MAX + 5; i++) {
		ck_ok(ipk_process_terminate(procs[i]));
		ck_assert_int_eq(join_role(procs[i]).signal, SIGTERM);
	}
	ck_role(IPK_START_FORK, "exit", "0", NULL);
	ck_assert_int_eq(pread(registry_fd(), &r, sizeof r, 0), sizeof r);
	ck_assert_uint_eq(r.n_unseen, 5);
	ck_assert_uint_eq(r.n_ended, IPK__CHILDREN_MAX + 6);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("process_limits");

	add_loop_test(s, fds_run_out_at_every_point, 0, N_METHODS);
	add_loop_test(s, processes_run_out, 0, N_METHODS);
	add_test(s, pids_come_round_again);
	add_test(s, children_are_shown);
	add_test(s, more_children_than_slots);
	return s;
}

ROLE_MAIN(suite)
