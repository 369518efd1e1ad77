/*
 * test_limits.c - under each resource limit, at many values, everything either works or returns a
 * documented error; no signal ends the host, and objects created before the limit still work.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "env/nouns.h"
#include "ipk.h"
#include "os/os.h"
#include "support/support.h"

#define HANGS_SECONDS 60 /* the child is ended by SIGALRM then */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true /* whose shadow needs more than any limit leaves */
#else
#define IS_SANITIZED false
#endif

struct limit {
	const char *name;
	int resource;
	rlim_t values[10]; /* up to the first 0 behind the first one */
	int errors[8];     /* what may be said of it */
	bool needs_user;   /* root is above it */
	bool locks_all;    /* with mlockall(MCL_FUTURE) */
	bool spares_made;  /* what was made before still works */
};

#define KIB ((rlim_t)1 << 10)
#define MIB ((rlim_t)1 << 20)
#define GIB ((rlim_t)1 << 30)

static const struct limit limits[] = {
	{"FSIZE",
	 RLIMIT_FSIZE,
	 {0, 1, 4 * KIB, 32 * KIB, MIB, 8 * MIB, 100 * MIB, GIB, 10 * GIB},
	 {-EFBIG},
	 .spares_made = true},
	{"AS",
	 RLIMIT_AS,
	 {1, 32 * MIB, 64 * MIB, 100 * MIB, 200 * MIB, 500 * MIB, GIB, 8 * GIB, 100 * GIB},
	 /*
	  * A thread says -EAGAIN, a worker that has no memory fails its initializer or its task, and
	  * the kernel ends a program that it has begun to execute.
	  */
	 {-ENOMEM, -EAGAIN, -EREMOTEIO, -EPIPE, -EOWNERDEAD, -ENOSPC, -EIO}},
	{"NOFILE",
	 RLIMIT_NOFILE,
	 {0, 3, 4, 5, 6, 8, 10, 14, 20, 40},
	 {-EMFILE, -EPIPE, -EAGAIN, -EREMOTEIO, -ENFILE, -EACCES, -ENOENT}},
	{"NPROC",
	 RLIMIT_NPROC,
	 {0, 1, 2, 3, 4, 6, 8},
	 {-EAGAIN},
	 .needs_user = true,
	 .spares_made = true},
	{"MEMLOCK",
	 RLIMIT_MEMLOCK,
	 {1, 64 * KIB, MIB, 8 * MIB, 64 * MIB, GIB},
	 {-ENOMEM, -EAGAIN, -EREMOTEIO, -EPIPE, -EOWNERDEAD, -ENOSPC},
	 .needs_user = true,
	 .locks_all = true},
};
enum { N_LIMITS = sizeof limits / sizeof limits[0] };

struct setting {
	const struct limit *limit;
	rlim_t value;
};

/* A user of this process alone, so that nobody else's processes are counted. */
static void become_user(void)
{
	uid_t uid = 100000 + (uid_t)getpid();

	if (geteuid() == 0 && (setgid(uid) < 0 || setuid(uid) < 0))
		_exit(126);
	prctl(PR_SET_DUMPABLE, 1); /* /proc/self is ours again */
}

static int run_limited(void *arg)
{
	const struct noun_run *run = arg;
	const struct setting *s = run->setting;
	struct rlimit limit;
	struct made *made;
	int r;

	alarm(HANGS_SECONDS);
	if (s->limit->needs_user)
		become_user();
	nouns_begin();
	made = run->noun ? NULL : nouns_make();
	getrlimit((unsigned)s->limit->resource, &limit);
	limit.rlim_cur = s->value < limit.rlim_max ? s->value : limit.rlim_max;
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit((unsigned)s->limit->resource, &limit) < 0)
		_exit(125);
	if (s->limit->locks_all)
		(void)!mlockall(MCL_FUTURE);
	r = run->noun ? run->noun->use() : nouns_use_made(made);
	if (nouns_n_ran_unasked() > 0)
		_exit(124);
	_exit(r < 0 && r > -120 ? -r : 0);
}

static bool is_documented(const struct limit *limit, int error)
{
	for (int i = 0; limit->errors[i] != 0; i++) {
		if (limit->errors[i] == error)
			return true;
	}
	return false;
}

static void ck_run(const struct noun_run *run, pid_t pid)
{
	const struct setting *s = run->setting;
	const char *name = run->noun ? run->noun->name : "made before";
	int status, error;

	while (waitpid(pid, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	ck_assert_msg(!WIFSIGNALED(status), "%s under RLIMIT_%s of %llu: %s", name, s->limit->name,
		      (unsigned long long)s->value, strsignal(WTERMSIG(status)));
	error = -WEXITSTATUS(status);
	ck_assert_msg(error == 0 || is_documented(s->limit, error),
		      "%s under RLIMIT_%s of %llu: -%s (%d)", name, s->limit->name,
		      (unsigned long long)s->value, ipk_errname(error), error);
	if (!run->noun && s->limit->spares_made)
		ck_assert_msg(error == 0, "made before RLIMIT_%s of %llu: -%s", s->limit->name,
			      (unsigned long long)s->value, ipk_errname(error));
}

START_TEST(each_noun_under_each_value)
{
	const struct limit *limit = &limits[_i];

	for (int v = 0; v < 10 && (v == 0 || limit->values[v] != 0); v++)
		nouns_run_each(&(struct setting){limit, limit->values[v]}, run_limited, ck_run);
}
END_TEST

/* --- what is smaller or used again, rather than refused --------------------------------------- */

static void set_limit(int resource, rlim_t value)
{
	struct rlimit limit = {value, value};

	ck_assert_int_eq(setrlimit((unsigned)resource, &limit), 0);
}

static int use(const char *name)
{
	nouns_begin();
	for (size_t n = 0; n < n_nouns; n++) {
		if (strcmp(nouns[n].name, name) == 0)
			return nouns[n].use();
	}
	return -ENOENT;
}

static int pools_are_smaller(void *arg)
{
	(void)arg;
	ck_ok(use("pool"));
	ck_ok(use("pool of threads"));
	ck_ok(use("manager"));
	return 0;
}

static int few_addresses(void *arg)
{
	set_limit(RLIMIT_AS, 8000000 * KIB);
	return pools_are_smaller(arg);
}

static int short_files(void *arg)
{
	set_limit(RLIMIT_FSIZE, 100 * MIB);
	return pools_are_smaller(arg);
}

START_TEST(pools_and_servers_take_less)
{
	reap_ok(spawn(few_addresses, NULL));
	reap_ok(spawn(short_files, NULL));
}
END_TEST

static int create_below(void *arg)
{
	ipk_pool *pool = NULL;
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages = 0;
	int r;

	if (!file || fscanf(file, "%zu", &pages) != 1)
		return 0;
	fclose(file);
	set_limit(RLIMIT_AS, (rlim_t)pages * (rlim_t)getpagesize() + *(rlim_t *)arg);
	r = ipk_pool_create(IPK_POOL(.n_workers = 2), &pool);
	ipk_pool_close(pool);
	return -r;
}

/* Whatever is short of memory, the creator or a worker: no function of the user's has failed. */
START_TEST(a_pool_that_lacks_memory_says_so)
{
	for (rlim_t more = MIB; more < GIB; more += more / 4) {
		pid_t pid = spawn(create_below, &more);
		int status;

		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status));
		ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == ENOMEM ||
				      WEXITSTATUS(status) == EAGAIN,
			      "%llu bytes more: -%s", (unsigned long long)more,
			      ipk_errname(WEXITSTATUS(status)));
	}
}
END_TEST

/* Ten times as many bytes as a file may have, in long messages one after another. */
static int long_messages(void *arg)
{
	static char message[1 << 20], buf[1 << 20];
	IPK_AUTO(queue, q);
	size_t n;

	(void)arg;
	set_limit(RLIMIT_FSIZE, 10 * MIB);
	ck_ok(ipk_queue_create(NULL, &q));
	for (int i = 0; i < 100; i++) {
		ck_ok(ipk_queue_put(q, message, sizeof message, ipk_in_ms(WAIT_MS)));
		ck_ok(ipk_queue_get(q, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n));
		ck_assert_uint_eq(n, sizeof message);
	}
	return 0;
}

static int large(ipk_task *task, const void *arg, size_t arg_bytes)
{
	static char result[1 << 20];

	(void)arg;
	(void)arg_bytes;
	return ipk_task_return(task, result, sizeof result);
}

/* One result is never fetched: what lies before and behind its room is used all the same. */
static int long_results(void *arg)
{
	static char buf[1 << 20];
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, kept);

	(void)arg;
	set_limit(RLIMIT_FSIZE, 20 * MIB);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	ck_ok(ipk_pool_submit(pool, large, NULL, 0, NULL, &kept));
	for (int i = 0; i < 100; i++)
		ck_ok(ipk_pool_apply(pool, large, NULL, 0, buf, sizeof buf, ipk_in_ms(WAIT_MS),
				     NULL));
	ck_ok(ipk_future_get(kept, buf, sizeof buf, ipk_in_ms(WAIT_MS), NULL));
	return 0;
}

START_TEST(room_in_files_is_used_again)
{
	reap_ok(spawn(long_messages, NULL));
	reap_ok(spawn(long_results, NULL));
}
END_TEST

/* To a reader that has gone, and to a file that is full. */
static int print_in_vain(void *arg)
{
	char path[] = "/tmp/ipk-print-XXXXXX";
	FILE *out[2];
	const struct rlimit limit = {1, 1};
	int fds[2], fd = mkstemp(path);

	(void)arg;
	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(pipe(fds), 0);
	close(fds[0]);
	out[0] = fdopen(fds[1], "w");
	out[1] = fdopen(fd, "w");
	/* Check's own assertions write to a file. */
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		_exit(1);
	for (int i = 0; i < 2; i++) {
		ipk__os_print(out[i], "a line");
		fclose(out[i]);
	}
	_exit(0); /* what the tests print may go to a file */
}

START_TEST(printing_in_vain_ends_nobody)
{
	reap_ok(spawn(print_in_vain, NULL));
}
END_TEST

static size_t locked_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t kib = 0;
	char line[256];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof line, file) && sscanf(line, "VmLck: %zu", &kib) != 1)
		;
	fclose(file);
	return kib << 10;
}

/* Few addresses, so that the machine bears it should the holes be filled after all. */
static int lock_all(void *arg)
{
	IPK_AUTO(pool, pool);
	size_t before;

	(void)arg;
	set_limit(RLIMIT_AS, 2 * GIB);
	if (mlockall(MCL_FUTURE) < 0)
		return 0; /* not for this user */
	before = locked_bytes();
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	ck_assert_uint_lt(locked_bytes() - before, 300 * MIB);
	pool = ipk_pool_close(pool);
	ck_ok(use("pool"));
	ck_ok(use("manager"));
	return 0;
}

START_TEST(holes_stay_holes_where_all_is_locked)
{
	reap_ok(spawn(lock_all, NULL));
}
END_TEST

/* A lowered limit does not touch what has its size already. */
static int over_and_under(void *arg)
{
	IPK_AUTO(queue, q);
	static char message[1 << 20];

	(void)arg;
	ck_ok(ipk_queue_create(NULL, &q));
	set_limit(RLIMIT_FSIZE, 600 * KIB);
	ck_err(ipk_queue_put(q, message, sizeof message, ipk_now()), -EFBIG);
	ck_assert_ptr_nonnull(strstr(ipk_strerror(-EFBIG), "RLIMIT_FSIZE"));
	ck_ok(ipk_queue_put(q, message, 10, ipk_now()));
	return 0;
}

START_TEST(the_error_names_the_limit)
{
	reap_ok(spawn(over_and_under, NULL));
}
END_TEST

static int end_now(void *arg)
{
	(void)arg;
	return 7;
}

/* Who is gone is seen, too, where not even one fd may be opened. */
static int without_fds(void *arg)
{
	const struct rlimit none = {0, 0};
	ipk_process_status status = {0};
	ipk_pipe *a, *b;
	ipk_process *p;
	char byte = 0;

	(void)arg;
	if (ipk_pipe_create(NULL, &a, &b) != 0 ||
	    ipk_process_start(end_now, NULL, IPK_PROCESS(.start_method = IPK_START_FORK), &p) !=
		    0 ||
	    setrlimit(RLIMIT_NOFILE, &none) != 0)
		return 1;
	if (ipk_pipe_recv(b, &byte, 1, ipk_in_ms(20), NULL) != -ETIMEDOUT)
		return 2;
	if (ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) != 0 || status.exit_code != 7)
		return 3;
	if (ipk_process_is_alive(p))
		return 4;
	ipk_pipe_close(a);
	if (ipk_pipe_recv(b, &byte, 1, ipk_in_ms(WAIT_MS), NULL) != -EPIPE)
		return 5;
	if (ipk_pipe_send(b, &byte, 1, ipk_in_ms(WAIT_MS)) != -EPIPE)
		return 6;
	ipk_pipe_close(b);
	ipk_process_close(p);
	return 0;
}

START_TEST(deaths_are_seen_where_no_fd_may_be_opened)
{
	reap_ok(spawn(without_fds, NULL));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("limits");
	TCase *each = support_case(s, "each_noun_under_each_value", 120, true);

	if (!IS_SANITIZED) {
		tcase_add_loop_test(each, each_noun_under_each_value, 0, N_LIMITS);
		add_test(s, pools_and_servers_take_less);
		add_test(s, a_pool_that_lacks_memory_says_so);
		add_test(s, holes_stay_holes_where_all_is_locked);
	}
	add_test(s, printing_in_vain_ends_nobody);
	add_test(s, room_in_files_is_used_again);
	add_test(s, the_error_names_the_limit);
	add_test(s, deaths_are_seen_where_no_fd_may_be_opened);
	return s;
}
IPK_TEST_MAIN(suite)
