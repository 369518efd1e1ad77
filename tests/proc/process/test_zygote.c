/*
 * test_zygote.c - fork servers: spawns, what children inherit and what they do not.
 *
 * The leak check around each test also fails it for a zombie or a leaked fd.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "zygote_fixture.h"
#include "support/support.h"

#define BIG_BYTES ((size_t)1 << 20)

/* --- ends ------------------------------------------------------------------------------------- */

static int return_byte(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)fds;
	return arg_bytes == 1 && n_fds == 0 ? *(unsigned char *)arg : 255;
}

static int return_big(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	return 256;
}

static int raise_it(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	raise(SIGKILL);
	return 0;
}

START_TEST(children_end_with_their_codes)
{
	struct ipk__zygote *z = open_zygote();

	for (int i = 0; i < 256; i += 51) {
		unsigned char code = (unsigned char)i;
		const struct ipk__spawn_request request = {
			.fn = return_byte, .arg = &code, .arg_bytes = 1};

		ck_assert_int_eq(run_spawn(z, &request), i);
	}
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_big}), 255);
	ck_assert_ptr_null(ipk__zygote_close(z));
	ck_assert_ptr_null(ipk__zygote_close(NULL));
}
END_TEST

START_TEST(children_end_by_signals)
{
	struct ipk__zygote *z = open_zygote();
	struct ipk__zygote_child child =
		spawn_child(z, &(struct ipk__spawn_request){.fn = raise_it});
	ipk_process_status status;

	wait_over(&child);
	status = end_of(&child);
	ck_assert_int_eq(status.signal, SIGKILL);
	ck_assert_int_eq(status.exit_code, -1);
	ck_assert_uint_gt(status.max_rss_bytes, 0);
	ipk__zygote_close(z);
}
END_TEST

static int wait_for_eof(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	char c;

	(void)arg, (void)arg_bytes;
	return n_fds == 1 && read(fds[0], &c, 1) == 0 ? 5 : 1;
}

START_TEST(status_times_out_while_it_runs)
{
	struct ipk__zygote *z = open_zygote();
	ipk_process_status status;
	struct ipk__zygote_child child;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	child = spawn_child(
		z, &(struct ipk__spawn_request){.fn = wait_for_eof, .fds = fds, .n_fds = 1});
	close(fds[0]);
	ck_err(ipk__zygote_child_status(&child, ipk_in_ms(10), &status), -ETIMEDOUT);
	ck_assert(!is_over(&child));
	close(fds[1]);
	ck_assert_int_eq(end_of(&child).exit_code, 5);
	ipk__zygote_close(z);
}
END_TEST

static int stay(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	pause();
	return 0;
}

struct asking {
	struct ipk__zygote *z;
	int fd; /* for the child */
	int r;
	_Atomic pid_t tid;
};

static void *ask_for_one(void *arg)
{
	struct asking *a = arg;
	struct ipk__zygote_child child;

	atomic_store(&a->tid, gettid());
	a->r = ipk__zygote_spawn(
		a->z, &(struct ipk__spawn_request){.fn = stay, .fds = &a->fd, .n_fds = 1},
		ipk_in_ms(WAIT_MS), &child);
	if (a->r == 0)
		ipk__zygote_child_close(&child);
	return NULL;
}

static bool has_tid(void *arg)
{
	struct asking *a = arg;

	return atomic_load(&a->tid) != 0 && is_asleep(atomic_load(&a->tid));
}

START_TEST(no_place_for_its_fd_any_more)
{
	struct asking a = {.z = open_zygote()};
	pid_t zygote = zygote_pid(a.z);
	struct rlimit limit, low;
	pthread_t thread;
	int taken[64], n = 0, gone[2];
	char c;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){64, limit.rlim_max};
	/* The child has the writing end as long as it runs. */
	ck_assert_int_eq(pipe2(gone, O_CLOEXEC), 0);
	a.fd = gone[1];
	ck_assert_int_eq(kill(zygote, SIGSTOP), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_one, &a), 0);
	ck_assert(wait_until(has_tid, &a, WAIT_MS)); /* the request is out */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	while ((taken[n] = fcntl(gone[0], F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	ck_assert_int_eq(kill(zygote, SIGCONT), 0);
	pthread_join(thread, NULL);
	while (n > 0)
		close(taken[--n]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_err(a.r, -EMFILE);
	close(gone[1]);
	ck_assert_int_eq(read(gone[0], &c, 1), 0);
	close(gone[0]);
	ipk__zygote_close(a.z);
}
END_TEST

START_TEST(bad_spawns)
{
	struct ipk__zygote *z = open_zygote();
	struct ipk__zygote_child child;
	int fds[IPK__SPAWN_FDS_MAX + 1] = {0};

	ck_err(ipk__zygote_spawn(z, &(struct ipk__spawn_request){.fn = NULL}, ipk_now(), &child),
	       -EINVAL);
	ck_err(ipk__zygote_spawn(z,
				 &(struct ipk__spawn_request){.fn = return_big,
							      .fds = fds,
							      .n_fds = IPK__SPAWN_FDS_MAX + 1},
				 ipk_now(), &child),
	       -EINVAL);
	fds[0] = 12345;
	ck_err(ipk__zygote_spawn(
		       z, &(struct ipk__spawn_request){.fn = return_big, .fds = fds, .n_fds = 1},
		       ipk_in_ms(WAIT_MS), &child),
	       -EBADF);
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_big}), 255);
	ipk__zygote_close(z);
}
END_TEST

/* --- what they have --------------------------------------------------------------------------- */

static int compare_pattern(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	unsigned char *bytes = arg;

	(void)fds, (void)n_fds;
	if ((uintptr_t)arg % 16 != 0)
		return 3;
	for (size_t i = 0; i < arg_bytes; i++) {
		if (bytes[i] != (unsigned char)(i * 7 % 251))
			return 1;
		bytes[i] = 0; /* its own */
	}
	return count_maps() == 0 || arg_bytes > 10000 ? 0 : 2;
}

START_TEST(arguments_of_any_size)
{
	const size_t sizes[] = {0, 1, 15, 16000, 16300, 16383, 16384, 16385, 65536, BIG_BYTES};
	struct ipk__zygote *z = open_zygote();
	unsigned char *bytes = malloc(BIG_BYTES);

	for (size_t i = 0; i < BIG_BYTES; i++)
		bytes[i] = (unsigned char)(i * 7 % 251);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		const struct ipk__spawn_request request = {
			.fn = compare_pattern, .arg = bytes, .arg_bytes = sizes[i]};

		ck_assert_int_eq(run_spawn(z, &request), 0);
		ck_assert_int_eq(run_spawn(z, &request), 0);
	}
	free(bytes);
	ipk__zygote_close(z);
}
END_TEST

/* How many fds are open, and that the @n_fds are among them and are pipes. */
static int count_own_fds(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	struct stat st;

	(void)arg_bytes;
	for (size_t i = 0; i < n_fds; i++) {
		if (fstat(fds[i], &st) < 0 || !S_ISFIFO(st.st_mode))
			return 1;
		if (write(fds[i], &(char){(char)('a' + i)}, 1) != 1)
			return 2;
	}
	return count_fds() == *(int *)arg + (int)n_fds ? 0 : 3;
}

START_TEST(fds_are_passed_and_none_else_leaks)
{
	int n_before = count_fds();
	struct ipk__zygote *z = open_zygote();
	int reads[IPK__SPAWN_FDS_MAX], writes[IPK__SPAWN_FDS_MAX];
	struct ipk__zygote_child others[3];
	int end[2];

	ck_assert_int_eq(pipe2(end, O_CLOEXEC), 0);
	for (int i = 0; i < 3; i++)
		others[i] = spawn_child(z, &(struct ipk__spawn_request){
						   .fn = wait_for_eof, .fds = end, .n_fds = 1});
	for (int i = 0; i < IPK__SPAWN_FDS_MAX; i++) {
		int fds[2];

		ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
		reads[i] = fds[0];
		writes[i] = fds[1];
	}
	for (size_t n = 0; n <= IPK__SPAWN_FDS_MAX; n++) {
		const struct ipk__spawn_request request = {.fn = count_own_fds,
							   .arg = &n_before,
							   .arg_bytes = sizeof n_before,
							   .fds = writes,
							   .n_fds = n};

		ck_assert_int_eq(run_spawn(z, &request), 0);
	}
	for (int i = 0; i < IPK__SPAWN_FDS_MAX; i++) {
		char c;

		close(writes[i]);
		for (int n = 0; n < IPK__SPAWN_FDS_MAX - i; n++) {
			ck_assert_int_eq(read(reads[i], &c, 1), 1);
			ck_assert_int_eq(c, 'a' + i);
		}
		ck_assert_int_eq(read(reads[i], &c, 1), 0); /* the zygote has none of them */
		close(reads[i]);
	}
	close(end[0]);
	close(end[1]);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(end_of(&others[i]).exit_code, 5);
	ipk__zygote_close(z);
}
END_TEST

static int compare_name(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	char name[16] = "";

	(void)arg_bytes, (void)fds, (void)n_fds;
	prctl(PR_GET_NAME, name);
	return strncmp(name, arg, 15) == 0 && strlen(name) <= 15 ? 0 : 1;
}

START_TEST(names)
{
	char own[16] = "";
	const char *const given[] = {"a", "fifteen-letters", "more-than-fifteen-letters"};
	struct ipk__zygote *z;
	bool is_now;

	prctl(PR_GET_NAME, own);
	ck_ok(ipk__zygote_open("nursery", IPK_START_DEFAULT, &z, &is_now));
	for (int round = 0; round < 2; round++) {
		char path[64], name[17] = "";
		FILE *comm;

		for (size_t i = 0; i < 3; i++) {
			const struct ipk__spawn_request request = {.fn = compare_name,
								   .arg = given[i],
								   .arg_bytes =
									   strlen(given[i]) + 1,
								   .name = given[i]};

			ck_assert_int_eq(run_spawn(z, &request), 0);
		}
		ck_assert_int_eq(
			run_spawn(z, &(struct ipk__spawn_request){.fn = compare_name,
								  .arg = own,
								  .arg_bytes = sizeof own}),
			0);
		snprintf(path, sizeof path, "/proc/%d/comm", (int)zygote_pid(z));
		comm = fopen(path, "r");
		ck_assert_ptr_nonnull(fgets(name, sizeof name, comm));
		fclose(comm);
		ck_assert_str_eq(name, "nursery\n");
		kill_by_pid(zygote_pid(z)); /* the standby's children are the same */
	}
	ipk__zygote_close(z);
}
END_TEST

static int stdin_is_null(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	struct stat null, own;

	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	return stat("/dev/null", &null) == 0 && fstat(0, &own) == 0 && null.st_rdev == own.st_rdev
		       ? 0
		       : 1;
}

static int read_stdin(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	char c = 0;

	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	return read(0, &c, 1) == 1 ? c : 1;
}

START_TEST(stdin_is_kept_on_demand)
{
	const struct ipk__spawn_request with = {.fn = read_stdin, .flags = IPK__SPAWN_KEEP_STDIN};
	const struct ipk__spawn_request without = {.fn = stdin_is_null};
	int saved = dup(0);
	struct ipk__zygote *z;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(fds[0], 0), 0);
	z = open_zygote();
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(write(fds[1], "S", 1), 1);
		ck_assert_int_eq(run_spawn(z, &with), 'S');
		ck_assert_int_eq(run_spawn(z, &without), 0);
		kill_by_pid(zygote_pid(z));
	}
	ck_assert_int_eq(dup2(saved, 0), 0);
	close(saved);
	close(fds[0]);
	close(fds[1]);
	ipk__zygote_close(z);
}
END_TEST

static int value = 1;

static int return_value(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	return value++;
}

START_TEST(memory_is_as_it_was_at_the_start)
{
	struct ipk__zygote *z;

	value = 10;
	z = open_zygote();
	value = 20;
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_value}), 10);
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_value}), 10);
	kill_by_pid(zygote_pid(z));
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_value}), 10);
	ipk__zygote_close(z);
}
END_TEST

static void never(int sig)
{
	(void)sig;
}

static int compare_signals(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	struct sigaction child, user;
	sigset_t mask;

	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigaction(SIGCHLD, NULL, &child);
	sigaction(SIGUSR1, NULL, &user);
	if (child.sa_handler != SIG_IGN || user.sa_handler != never)
		return 1;
	for (int sig = 1; sig < 32; sig++) {
		if (sigismember(&mask, sig) != (sig == SIGUSR2))
			return 2;
	}
	return 0;
}

/* Also that a host that ignores SIGCHLD is told of its zygote's children all the same. */
START_TEST(signals_are_the_hosts)
{
	struct ipk__zygote *z;
	sigset_t mask;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGUSR1, never);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	z = open_zygote();
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = compare_signals}),
				 0);
		kill_by_pid(zygote_pid(z));
	}
	ipk__zygote_close(z);
	signal(SIGCHLD, SIG_DFL);
}
END_TEST

START_TEST(signals_do_not_reach_the_zygote)
{
	struct ipk__zygote *z = open_zygote();
	pid_t pid = zygote_pid(z);

	for (int sig = 1; sig < 32; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP)
			ck_assert_int_eq(kill(pid, sig), 0);
	}
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_big}), 255);
	ck_assert_int_eq(zygote_pid(z), pid);
	ipk__zygote_close(z);
}
END_TEST

/* --- what its system lacks -------------------------------------------------------------------- */

/* As a user who is not above limits; the zygote's is set, and given back. */
static int limit_processes(void *arg)
{
	struct rlimit before, none;
	struct ipk__zygote *z;
	struct ipk__zygote_child child = {-1, -1, -1};
	pid_t pid;

	(void)arg;
	if (geteuid() == 0 && setuid(65534) != 0)
		return 2;
	z = open_zygote();
	pid = zygote_pid(z);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NPROC, NULL, &before), 0);
	none = before;
	none.rlim_cur = 1;
	ck_assert_int_eq(prlimit(pid, RLIMIT_NPROC, &none, NULL), 0);
	ck_err(ipk__zygote_spawn(z, &(struct ipk__spawn_request){.fn = return_big},
				 ipk_in_ms(WAIT_MS), &child),
	       -EAGAIN);
	ck_assert_int_eq(child.pid, -1);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NPROC, &before, NULL), 0);
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_big}), 255);
	ck_assert_int_eq(zygote_pid(z), pid);
	ipk__zygote_close(z);
	return 0;
}

START_TEST(no_room_for_a_process)
{
	reap_ok(spawn(limit_processes, NULL));
}
END_TEST

START_TEST(no_room_for_an_fd)
{
	struct ipk__zygote *z = open_zygote();
	const struct ipk__spawn_request request = {.fn = return_big};
	pid_t pid = zygote_pid(z);
	struct ipk__zygote_child child = {-1, -1, -1};
	struct rlimit before, limit;

	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &before), 0);
	limit = before;
	for (limit.rlim_cur = 3; limit.rlim_cur < 40; limit.rlim_cur++) {
		int r;

		ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
		r = ipk__zygote_spawn(z, &request, ipk_in_ms(WAIT_MS), &child);
		if (r == 0)
			break;
		ck_err(r, -EMFILE);
		ck_assert_int_eq(child.pid, -1);
	}
	ck_assert_uint_gt(limit.rlim_cur, 3);
	ck_assert_int_eq(end_of(&child).exit_code, 255);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &before, NULL), 0);
	ck_assert_int_eq(run_spawn(z, &request), 255);
	ck_assert_int_eq(zygote_pid(z), pid);
	ipk__zygote_close(z);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

START_TEST(fds_stay_constant_over_many_spawns)
{
	const struct ipk__spawn_request request = {.fn = return_big};
	struct ipk__zygote *z = open_zygote();
	int own = count_fds(), its = count_fds_of(zygote_pid(z));

	for (int i = 0; i < repeats(1000); i++)
		ck_assert_int_eq(run_spawn(z, &request), 255);
	ck_assert_int_eq(count_fds(), own);
	ck_assert(wait_fds_of(zygote_pid(z), its));
	ipk__zygote_close(z);
}
END_TEST

static void *spawn_some(void *arg)
{
	for (int i = 0; i < repeats(100); i++) {
		unsigned char code = (unsigned char)i;

		ck_assert_int_eq(run_spawn(arg, &(struct ipk__spawn_request){.fn = return_byte,
									     .arg = &code,
									     .arg_bytes = 1}),
				 i);
	}
	return NULL;
}

START_TEST(several_threads_at_once)
{
	struct ipk__zygote *z = open_zygote();
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_some, z), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ipk__zygote_close(z);
}
END_TEST

static int spawn_in_fork(void *arg)
{
	struct ipk__zygote_child child;
	int r = ipk__zygote_spawn(arg, &(struct ipk__spawn_request){.fn = return_big}, ipk_now(),
				  &child);

	ipk__zygote_close(arg);
	return r == -EPIPE ? 0 : 1;
}

START_TEST(zygote_is_not_a_forks)
{
	struct ipk__zygote *z = open_zygote();

	reap_ok(spawn(spawn_in_fork, z));
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = return_big}), 255);
	ipk__zygote_close(z);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("zygote");

	add_test(s, children_end_with_their_codes);
	add_test(s, children_end_by_signals);
	add_test(s, status_times_out_while_it_runs);
	add_test(s, bad_spawns);
	add_test(s, no_place_for_its_fd_any_more);
	add_test(s, arguments_of_any_size);
	add_test(s, fds_are_passed_and_none_else_leaks);
	add_test(s, names);
	add_test(s, stdin_is_kept_on_demand);
	add_test(s, memory_is_as_it_was_at_the_start);
	add_test(s, signals_are_the_hosts);
	add_test(s, signals_do_not_reach_the_zygote);
	add_test(s, no_room_for_a_process);
	add_test(s, no_room_for_an_fd);
	add_test(s, fds_stay_constant_over_many_spawns);
	add_test(s, several_threads_at_once);
	add_test(s, zygote_is_not_a_forks);
	return s;
}

IPK_TEST_MAIN(suite)
