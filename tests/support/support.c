/*
 * support.c - the runner, the leak check and the process helpers behind support.h.
 *
 * Check forks each test; the leak check runs in that child before and after the test (a
 * checked fixture), the sweep of names runs in the runner (an unchecked one), which also
 * outlives a test that is killed. The counter behind unique_name() is in shared memory so
 * that no two children of a run get the same name.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/support.h"

#undef mkdtemp

#define SHM_DIR "/dev/shm"
#define SHM_PREFIX "ipk."

#define DIRECTORIES_MAX 500

struct directory {
	pid_t made_by;
	char path[60];
};

/* Of the runner and all its children. */
struct shared {
	atomic_uint next_name;
	atomic_uint n_directories;
	struct directory directories[DIRECTORIES_MAX];
};

_Thread_local unsigned support_n_marks;
_Thread_local bool support_is_marking;

static pid_t runner_pid;
static struct shared *shared;
static struct leaks before_test;

__attribute__((constructor)) static void start(void)
{
	void *page = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);

	if (page == MAP_FAILED)
		abort();
	shared = page;
	runner_pid = getpid();
}

/* --- names ------------------------------------------------------------------------------------ */

void unique_name(char buf[UNIQUE_NAME_BYTES], const char *tag)
{
	snprintf(buf, UNIQUE_NAME_BYTES, "t-%d-%u-%s", (int)runner_pid,
		 atomic_fetch_add(&shared->next_name, 1), tag);
}

/* Calls @each for the files in /dev/shm whose names this run made; how many there are. */
static int for_each_name(void (*each)(int dir_fd, const char *file))
{
	char prefix[32];
	DIR *dir = opendir(SHM_DIR);
	int n = 0;

	if (dir == NULL)
		return 0;
	snprintf(prefix, sizeof(prefix), "t-%d-", (int)runner_pid);
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		const char *name = e->d_name;

		/* Raw shared memory has none of ours in front. */
		if (strncmp(name, SHM_PREFIX, strlen(SHM_PREFIX)) == 0)
			name += strlen(SHM_PREFIX);
		if (strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		n++;
		each(dirfd(dir), e->d_name);
	}
	closedir(dir);
	return n;
}

static void leave_it(int dir_fd, const char *file)
{
	(void)dir_fd;
	(void)file;
}

static void remove_it(int dir_fd, const char *file)
{
	unlinkat(dir_fd, file, 0);
}

static void print_it(int dir_fd, const char *file)
{
	(void)dir_fd;
	fprintf(stderr, "left behind: " SHM_DIR "/%s\n", file);
}

int count_names(void)
{
	return for_each_name(leave_it);
}

static void sweep_names(void)
{
	for_each_name(remove_it);
}

/* --- directories ------------------------------------------------------------------------------ */

char *support_mkdtemp(char *template)
{
	char *path = mkdtemp(template);
	unsigned i = path ? atomic_fetch_add(&shared->n_directories, 1) : DIRECTORIES_MAX;

	if (i < DIRECTORIES_MAX && strlen(path) < sizeof(shared->directories[i].path)) {
		strcpy(shared->directories[i].path, path);
		shared->directories[i].made_by = getpid();
	}
	return path;
}

/* Those that tests made and that are there yet; not what the runner has for all of them. */
static int for_each_directory(void (*each)(const char *path))
{
	unsigned n = shared->n_directories;
	int n_there = 0;

	for (unsigned i = 0; i < n && i < DIRECTORIES_MAX; i++) {
		const struct directory *d = &shared->directories[i];

		if (d->made_by == 0 || d->made_by == runner_pid || access(d->path, F_OK) != 0)
			continue;
		n_there++;
		each(d->path);
	}
	return n_there;
}

static void leave_directory(const char *path)
{
	(void)path;
}

static void print_directory(const char *path)
{
	fprintf(stderr, "left behind: %s\n", path);
}

static void remove_directory(const char *path)
{
	char command[80];

	snprintf(command, sizeof command, "rm -rf '%s'", path);
	if (system(command) != 0)
		print_directory(path);
}

/* By the runner, after a test that may have been killed. */
static void sweep(void)
{
	sweep_names();
	for_each_directory(remove_directory);
	shared->n_directories = 0;
}

/* --- fds and mappings ------------------------------------------------------------------------- */

/* A process that has started a child keeps this for ipc-inspect, to its own end. */
#define REGISTRY "/memfd:ipk:processes:"

static int for_each_fd(bool print)
{
	char target[256];
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_msg(dir != NULL, "no /proc/self/fd");
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		ssize_t len;

		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(dir))
			continue;
		len = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		if (strncmp(target, REGISTRY, strlen(REGISTRY)) == 0)
			continue;
		n++;
		if (print)
			fprintf(stderr, "open: %s -> %s\n", e->d_name, target);
	}
	closedir(dir);
	return n;
}

static int for_each_map(bool print)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");
	int n = 0;

	ck_assert_msg(f != NULL, "no /proc/self/maps");
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, REGISTRY) != NULL)
			continue;
		if (strstr(line, "/memfd:ipk") == NULL &&
		    strstr(line, SHM_DIR "/" SHM_PREFIX) == NULL &&
		    strstr(line, SHM_DIR "/t-") == NULL)
			continue;
		n++;
		if (print)
			fprintf(stderr, "mapped: %s", line);
	}
	fclose(f);
	return n;
}

int count_fds(void)
{
	return for_each_fd(false);
}

int count_maps(void)
{
	return for_each_map(false);
}

/* --- leaks ------------------------------------------------------------------------------------ */

struct leaks leaks_now(void)
{
	return (struct leaks){count_fds(), count_maps(), count_names(),
			      for_each_directory(leave_directory)};
}

void ck_no_leaks(const struct leaks *before)
{
	struct leaks now = leaks_now();

	ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD,
		      "a child was left behind");
	if (now.n_names > before->n_names)
		for_each_name(print_it);
	if (now.n_fds != before->n_fds)
		for_each_fd(true);
	if (now.n_maps != before->n_maps)
		for_each_map(true);
	ck_assert_msg(now.n_names <= before->n_names, "%d name(s) left behind", now.n_names);
	if (now.n_directories > before->n_directories)
		for_each_directory(print_directory);
	ck_assert_msg(now.n_directories <= before->n_directories, "%d directories left behind",
		      now.n_directories);
	ck_assert_msg(now.n_fds == before->n_fds, "%d fds open, %d before", now.n_fds,
		      before->n_fds);
	ck_assert_msg(now.n_maps == before->n_maps, "%d mappings, %d before", now.n_maps,
		      before->n_maps);
}

static void setup_leak_check(void)
{
	before_test = leaks_now();
}

static void teardown_leak_check(void)
{
	ck_no_leaks(&before_test);
}

/* --- suites ----------------------------------------------------------------------------------- */

TCase *support_case(Suite *suite, const char *name, int seconds, bool check_leaks)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, seconds);
	tcase_add_unchecked_fixture(tc, NULL, sweep);
	if (check_leaks)
		tcase_add_checked_fixture(tc, setup_leak_check, teardown_leak_check);
	suite_add_tcase(suite, tc);
	return tc;
}

int support_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int n_failed;

	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- facts ------------------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool wait_until(bool (*fact)(void *arg), void *arg, int ms)
{
	const struct timespec pause = {.tv_nsec = 200000};
	int64_t end = now_ms() + ms;

	while (!fact(arg)) {
		if (now_ms() >= end)
			return fact(arg);
		nanosleep(&pause, NULL);
	}
	return true;
}

/* The state letter after "pid (comm) " in /proc/TID/stat, 0 when there is none. */
static char state_of(pid_t tid)
{
	char path[64], line[512];
	const char *close_paren;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	line[0] = '\0';
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	close_paren = strrchr(line, ')');
	return close_paren != NULL && close_paren[1] == ' ' ? close_paren[2] : 0;
}

bool is_asleep(pid_t tid)
{
	return state_of(tid) == 'S';
}

bool is_stopped(pid_t pid)
{
	return state_of(pid) == 'T';
}

static bool fact_asleep(void *arg)
{
	return is_asleep(*(pid_t *)arg);
}

void ck_wait_asleep(pid_t tid)
{
	ck_assert_msg(wait_until(fact_asleep, &tid, WAIT_MS), "%d never went to sleep", (int)tid);
}

/* --- processes -------------------------------------------------------------------------------- */

pid_t spawn(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	/* Each check, also one that holds, writes to the file of results, which both have open. */
	if (pid == 0)
		_exit(fn(arg));
	ck_assert_msg(pid >= 0, "fork: %s", strerror(errno));
	return pid;
}

static int reap(pid_t pid)
{
	int status = -1;
	pid_t r;

	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	ck_assert_msg(r == pid, "waitpid(%d): %s", (int)pid, strerror(errno));
	return status;
}

void reap_code(pid_t pid, int code)
{
	int status = reap(pid);

	ck_assert_msg(!WIFSIGNALED(status), "child %d: signal %d (%s)", (int)pid, WTERMSIG(status),
		      strsignal(WTERMSIG(status)));
	ck_assert_msg(WEXITSTATUS(status) == code, "child %d: exit code %d, not %d", (int)pid,
		      WEXITSTATUS(status), code);
}

void reap_ok(pid_t pid)
{
	reap_code(pid, 0);
}

void reap_signal(pid_t pid, int sig)
{
	int status = reap(pid);

	ck_assert_msg(WIFSIGNALED(status), "child %d: exit code %d, not signal %d", (int)pid,
		      WEXITSTATUS(status), sig);
	ck_assert_msg(WTERMSIG(status) == sig, "child %d: signal %d, not %d", (int)pid,
		      WTERMSIG(status), sig);
}

void kill_and_reap(pid_t pid)
{
	ck_assert_msg(kill(pid, SIGKILL) == 0, "kill(%d): %s", (int)pid, strerror(errno));
	reap_signal(pid, SIGKILL);
}

/* --- gates ------------------------------------------------------------------------------------ */

void gate_init(struct gate *g)
{
	ck_assert_msg(pipe2(g->fds, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
}

/* The byte is never read: a pipe that holds it is a gate that stays open. */
void gate_open(struct gate *g)
{
	ck_assert_msg(write(g->fds[1], "x", 1) == 1, "gate: %s", strerror(errno));
}

void gate_wait(struct gate *g)
{
	struct pollfd p = {.fd = g->fds[0], .events = POLLIN};

	ck_assert_msg(poll(&p, 1, WAIT_MS) == 1 && (p.revents & POLLIN), "the gate stayed shut");
}

void gate_fini(struct gate *g)
{
	close(g->fds[0]);
	close(g->fds[1]);
}
