/*
 * test_zygote_kill.c - zygotes, standbys and requesters that die or are stopped: who takes over,
 * how often each spawn runs, and that nothing is leaked.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "zygote_fixture.h"
#include "support/support.h"

static int nothing(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	return 0;
}

static int wait_for_eof(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	char c;

	(void)arg, (void)arg_bytes;
	return n_fds == 1 && read(fds[0], &c, 1) == 0 ? 5 : 1;
}

static struct ipk__zygote_child spawn_waiting(struct ipk__zygote *z, int fd, unsigned flags)
{
	return spawn_child(z, &(struct ipk__spawn_request){
				      .fn = wait_for_eof, .fds = &fd, .n_fds = 1, .flags = flags});
}

/* Orphans come to this process, so that none is overlooked. */
static void adopt_orphans(void)
{
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

/* --- who takes over --------------------------------------------------------------------------- */

START_TEST(standby_takes_over)
{
	struct ipk__zygote *z = open_zygote();
	int n_fds = count_fds() + 1; /* a standby tells on a channel how it ends */
	int n_its = count_fds_of(zygote_pid(z));

	adopt_orphans();
	for (int i = 0; i < 20; i++) {
		pid_t standby = standby_pid(z);

		ck_assert_int_gt(standby, 0);
		ck_assert_int_ne(standby, zygote_pid(z));
		kill_by_pid(zygote_pid(z));
		ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = nothing}), 0);
		ck_assert_int_eq(zygote_pid(z), standby);
		ck_assert(wait_fds_of(standby, n_its));
		ck_assert_int_eq(count_fds(), n_fds);
	}
	ipk__zygote_close(z);
}
END_TEST

START_TEST(standby_is_replaced)
{
	struct ipk__zygote *z = open_zygote();
	pid_t zygote = zygote_pid(z);

	adopt_orphans();
	for (int i = 0; i < 5; i++) {
		pid_t standby = standby_pid(z);

		kill_by_pid(standby);
		ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = nothing}), 0);
		ck_assert_int_gt(standby_pid(z), 0);
		ck_assert_int_ne(standby_pid(z), standby);
		ck_assert_int_eq(zygote_pid(z), zygote);
	}
	ipk__zygote_close(z);
}
END_TEST

START_TEST(both_dead_is_clear)
{
	struct ipk__zygote *z = open_zygote();
	struct ipk__zygote_child child = {-1, -1, -1};

	adopt_orphans();
	kill_by_pid(standby_pid(z));
	kill_by_pid(zygote_pid(z));
	for (int i = 0; i < 2; i++)
		ck_err(ipk__zygote_spawn(z, &(struct ipk__spawn_request){.fn = nothing},
					 ipk_in_ms(WAIT_MS), &child),
		       -EPIPE);
	ck_assert_int_eq(child.pid, -1);
	ck_assert_int_eq(zygote_pid(z), 0);
	ck_assert_int_eq(standby_pid(z), 0);
	ipk__zygote_close(z);
	reap_orphans();
}
END_TEST

/* The kernel tells how they ended where this process is the one that reaps them. */
START_TEST(children_outlive_their_zygote)
{
	struct ipk__zygote *z = open_zygote();
	struct ipk__zygote_child on, along;
	ipk_process_status status;
	int fds[2];

	adopt_orphans();
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	on = spawn_waiting(z, fds[0], 0);
	along = spawn_waiting(z, fds[0], IPK__SPAWN_DIES_ALONG);
	kill_by_pid(zygote_pid(z));
	wait_over(&along);
	ck_assert(!is_over(&on));
	ck_assert_int_eq(end_of(&along).signal, SIGKILL);
	close(fds[1]);
	close(fds[0]);
	ck_ok(ipk__zygote_child_status(&on, ipk_in_ms(WAIT_MS), &status));
	ck_assert_int_eq(status.exit_code, 5);
	ipk__zygote_child_close(&on);
	ipk__zygote_close(z);
}
END_TEST

START_TEST(close_ends_those_that_die_along)
{
	struct ipk__zygote *z = open_zygote();
	struct ipk__zygote_child on, along;
	int fds[2];

	adopt_orphans();
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	on = spawn_waiting(z, fds[0], 0);
	along = spawn_waiting(z, fds[0], IPK__SPAWN_DIES_ALONG);
	ipk__zygote_close(z);
	ck_assert(is_over(&along));
	ck_assert(!is_over(&on));
	ck_assert_int_eq(end_of(&along).signal, SIGKILL);
	close(fds[1]);
	close(fds[0]);
	ck_assert_int_eq(end_of(&on).exit_code, 5);
}
END_TEST

START_TEST(close_of_a_stopped_zygote)
{
	struct ipk__zygote *z = open_zygote();
	struct ipk__zygote_child along;
	pid_t zygote = zygote_pid(z), standby = standby_pid(z);
	int fds[2];

	adopt_orphans();
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	along = spawn_waiting(z, fds[0], IPK__SPAWN_DIES_ALONG);
	kill(zygote, SIGSTOP);
	kill(standby, SIGSTOP);
	ck_assert_ptr_null(ipk__zygote_close(z));
	wait_over(&along);
	ck_assert_int_eq(end_of(&along).signal, SIGKILL);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* --- requesters that go ----------------------------------------------------------------------- */

struct relatives {
	int reports[2]; /* who lives has the other side */
	int kept[2];    /* never closed before its end */
};

static int be_requester(void *arg)
{
	struct relatives *f = arg;
	struct ipk__zygote *z = open_zygote();

	close(f->kept[1]);
	spawn_waiting(z, f->kept[0], IPK__SPAWN_DIES_ALONG);
	spawn_waiting(z, f->kept[0], IPK__SPAWN_DIES_ALONG);
	if (write(f->reports[1], "r", 1) != 1)
		return 1;
	for (;;)
		pause();
}

START_TEST(nothing_outlives_its_requester)
{
	struct relatives f;
	pid_t pid;
	char c;

	adopt_orphans();
	ck_assert_int_eq(pipe2(f.reports, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(f.kept, O_CLOEXEC), 0);
	pid = spawn(be_requester, &f);
	close(f.reports[1]);
	ck_assert_int_eq(read(f.reports[0], &c, 1), 1);
	kill_and_reap(pid);
	/* All of them have the pipe's end from the fork. */
	ck_assert_int_eq(read(f.reports[0], &c, 1), 0);
	reap_orphans();
	close(f.reports[0]);
	close(f.kept[0]);
	close(f.kept[1]);
}
END_TEST

static int spawn_until_killed(void *arg)
{
	struct relatives *f = arg;
	struct ipk__zygote *z;
	bool is_now;

	if (write(f->reports[1], "r", 1) != 1 ||
	    ipk__zygote_open(NULL, IPK_START_DEFAULT, &z, &is_now) != 0)
		return 1;
	for (;;) {
		struct ipk__zygote_child child;

		if (ipk__zygote_spawn(z,
				      &(struct ipk__spawn_request){.fn = nothing,
								   .flags = IPK__SPAWN_DIES_ALONG},
				      ipk_in_ms(WAIT_MS), &child) == 0)
			ipk__zygote_child_close(&child);
	}
}

START_TEST(requester_killed_at_random)
{
	adopt_orphans();
	for (int i = 0; i < repeats(100); i++) {
		struct relatives f;
		pid_t pid;
		char c;

		ck_assert_int_eq(pipe2(f.reports, O_CLOEXEC), 0);
		pid = spawn(spawn_until_killed, &f);
		close(f.reports[1]);
		ck_assert_int_eq(read(f.reports[0], &c, 1), 1);
		usleep((useconds_t)(i * 37 % 2000));
		kill_and_reap(pid);
		ck_assert_int_eq(read(f.reports[0], &c, 1), 0);
		reap_orphans();
		close(f.reports[0]);
	}
}
END_TEST

static int fork_one_that_stays(void *arg)
{
	struct relatives *f = arg;
	struct ipk__zygote *z = open_zygote();
	pid_t pid = fork(); /* it has the requester's side of all sockets */

	if (pid == 0) {
		char c;

		close(f->reports[1]);
		close(f->kept[1]);
		_exit(read(f->kept[0], &c, 1) == 0 ? 0 : 1);
	}
	return write(f->reports[1], "r", 1) == 1 && z ? 0 : 1;
}

START_TEST(forks_of_a_requester_do_not_keep_its_zygote)
{
	struct relatives f;
	pid_t pid;
	char c;

	adopt_orphans();
	ck_assert_int_eq(pipe2(f.reports, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(f.kept, O_CLOEXEC), 0);
	pid = spawn(fork_one_that_stays, &f);
	close(f.reports[1]);
	reap_ok(pid);
	ck_assert_int_eq(read(f.reports[0], &c, 1), 1);
	ck_assert_int_eq(read(f.reports[0], &c, 1), 0);
	close(f.reports[0]);
	close(f.kept[0]);
	close(f.kept[1]);
	reap_orphans();
}
END_TEST

/* --- zygotes that stand still ----------------------------------------------------------------- */

static int write_byte(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)n_fds;
	return write(fds[0], "x", 1) == 1 ? 0 : 1;
}

START_TEST(stopped_zygote_times_out_and_runs_nothing_later)
{
	struct ipk__zygote *z = open_zygote();
	pid_t pid = zygote_pid(z);
	struct ipk__zygote_child child = {-1, -1, -1};
	int fds[2];
	char c;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	kill(pid, SIGSTOP);
	for (int i = 0; i < 300; i++) /* more than the socket has room for */
		ck_err(ipk__zygote_spawn(z,
					 &(struct ipk__spawn_request){
						 .fn = write_byte, .fds = fds + 1, .n_fds = 1},
					 ipk_in_ns(100000), &child),
		       -ETIMEDOUT);
	ck_assert_int_eq(child.pid, -1);
	kill(pid, SIGCONT);
	ck_assert_int_eq(run_spawn(z, &(struct ipk__spawn_request){.fn = nothing}), 0);
	ck_assert_int_eq(zygote_pid(z), pid);
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &c, 1), 0);
	close(fds[0]);
	ipk__zygote_close(z);
}
END_TEST

/* --- kills at random -------------------------------------------------------------------------- */

enum { N_THREADS = 4, N_SLOTS = 1 << 20 };

struct crowd {
	struct ipk__zygote *z;
	_Atomic unsigned char *runs; /* of each spawn; shared with the children */
	_Atomic int next;
	_Atomic int n_failed;
	_Atomic bool is_over;
};

static struct crowd crowd;

static int count_run(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg_bytes, (void)fds, (void)n_fds;
	atomic_fetch_add(&crowd.runs[*(int *)arg], 1);
	return 3;
}

static void *spawn_counted(void *arg)
{
	(void)arg;
	while (!atomic_load(&crowd.is_over)) {
		int i = atomic_fetch_add(&crowd.next, 1);
		const struct ipk__spawn_request request = {
			.fn = count_run, .arg = &i, .arg_bytes = sizeof i};
		ipk_process_status status;
		struct ipk__zygote_child child;
		int r;

		ck_assert_int_lt(i, N_SLOTS);
		r = ipk__zygote_spawn(crowd.z, &request, ipk_in_ms(WAIT_MS), &child);
		if (r < 0) {
			ck_err(r, -EPIPE);
			atomic_fetch_add(&crowd.n_failed, 1);
			ck_assert_int_eq(crowd.runs[i], 0);
			continue;
		}
		wait_over(&child);
		ck_assert_int_eq(crowd.runs[i], 1);
		r = ipk__zygote_child_status(&child, ipk_in_ms(WAIT_MS), &status);
		/* Older kernels: the zygote was killed after it had reaped the child. */
		ck_assert(r == 0 ? status.exit_code == 3 : r == -ECHILD);
		ipk__zygote_child_close(&child);
	}
	return NULL;
}

/* Both as they are at one moment: a standby that has just taken over has none of its own yet. */
static bool has_new_standby(void *arg)
{
	pid_t pid, standby;

	ipk__zygote_pids(crowd.z, &pid, &standby);
	return standby > 0 && pid != *(pid_t *)arg;
}

/* There is a standby at each kill, so every spawn comes about. */
START_TEST(zygote_killed_at_random)
{
	pthread_t threads[N_THREADS];
	unsigned seed = 7;
	pid_t last = 0;
	int n_spawns;

	adopt_orphans();
	crowd.runs = mmap(NULL, N_SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(crowd.runs != MAP_FAILED);
	crowd.z = open_zygote();
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_counted, NULL), 0);
	for (int i = 0; i < repeats(200); i++) {
		ck_assert(wait_until(has_new_standby, &last, WAIT_MS));
		usleep((useconds_t)(rand_r(&seed) % 1500));
		last = zygote_pid(crowd.z);
		kill_by_pid(last);
	}
	atomic_store(&crowd.is_over, true);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	ipk__zygote_close(crowd.z);
	reap_orphans();
	n_spawns = atomic_load(&crowd.next);
	for (int i = 0; i < n_spawns; i++)
		ck_assert_int_eq(crowd.runs[i], 1);
	ck_assert_int_eq(crowd.n_failed, 0);
	munmap(crowd.runs, N_SLOTS);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("zygote_kill");

	add_test(s, standby_takes_over);
	add_test(s, standby_is_replaced);
	add_test(s, both_dead_is_clear);
	add_test(s, children_outlive_their_zygote);
	add_test(s, close_ends_those_that_die_along);
	add_test(s, close_of_a_stopped_zygote);
	add_test(s, nothing_outlives_its_requester);
	add_test(s, requester_killed_at_random);
	add_test(s, forks_of_a_requester_do_not_keep_its_zygote);
	add_test(s, stopped_zygote_times_out_and_runs_nothing_later);
	add_test(s, zygote_killed_at_random);
	return s;
}

IPK_TEST_MAIN(suite)
