/*
 * test_process_methods.c - what holds for a child under every start method: its exit, its resource
 * usage, its name, its argument, stdio, its parent.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process_roles.h"
#include "support/support.h"

/* --- roles ------------------------------------------------------------------------------------ */

static int role_exit(const char *arg)
{
	return atoi(arg);
}

static int role_raise(const char *arg)
{
	int sig = atoi(arg);

	signal(sig, SIG_DFL);
	raise(sig);
	return 0;
}

static int role_sleep(const char *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

/* For as many ms of processor time, with as many MB touched. */
static int role_work(const char *arg)
{
	struct rusage usage;
	size_t n_bytes;
	int ms, mb;
	volatile char *bytes;

	role_check(sscanf(arg, "%d,%d", &ms, &mb) == 2);
	n_bytes = (size_t)mb << 20;
	bytes = malloc(n_bytes);
	role_check(bytes);
	for (size_t i = 0; i < n_bytes; i += 4096)
		bytes[i] = 1;
	do {
		role_check(getrusage(RUSAGE_SELF, &usage) == 0);
	} while (usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
			 usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000 <
		 ms);
	free((void *)bytes);
	return 0;
}

static int role_name(const char *arg)
{
	char comm[16] = "", other[32];

	if (arg[0] == '\0') {
		snprintf(other, sizeof other, "ipk-%d", (int)getpid());
		role_check(strcmp(ipk_process_current_name(), other) == 0);
		return 0;
	}
	role_check(strcmp(ipk_process_current_name(), arg) == 0);
	prctl(PR_GET_NAME, comm);
	/* Another program has the name of its file. */
	role_check(strncmp(comm, arg, 15) == 0 || strncmp(comm, "test_proc", 9) == 0 ||
		   strcmp(comm, "exe") == 0);
	return 0;
}

static bool is_null(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev &&
	       S_ISCHR(st.st_mode);
}

static int role_stdin_is_null(const char *arg)
{
	char c;

	(void)arg;
	role_check(is_null(0));
	role_check(read(0, &c, 1) == 0);
	role_check(getchar() == EOF);
	return 0;
}

static int role_copy_line(const char *arg)
{
	char line[64];

	role_check(fgets(line, sizeof line, stdin));
	role_check(strcmp(line, "line\n") == 0);
	printf("out %s", line);
	fprintf(stderr, "err %s", line);
	(void)arg;
	return 0;
}

static int role_parent(const char *arg)
{
	struct pollfd p = {.events = POLLIN};

	role_check(ipk_parent_pid() == atoi(arg));
	role_check(ipk_parent_fd(&p.fd) == 0);
	role_check(poll(&p, 1, 0) == 0);
	role_check(ipk_parent_is_alive());
	role_check(ipk_parent_join(ipk_now()) == -ETIMEDOUT);
	role_check(getenv("IPK_SPAWN_INFO") == NULL);
	return 0;
}

/* Starts one more, which is to see its end; tells how on the fd. */
static int role_see_parent_die(const char *arg)
{
	int fd = atoi(arg);
	char c = 'd';

	if (ipk_parent_join(ipk_in_ms(WAIT_MS)) != 0)
		c = 't';
	else if (ipk_parent_is_alive())
		c = 'a';
	return write(fd, &c, 1) == 1 ? 0 : 1;
}

static int role_start_one(const char *arg)
{
	ipk_process *p = NULL;

	return try_role(IPK_START_FORK, "exit", "0", NULL, &p) == -EPERM && !p ? atoi(arg) : 1;
}

static int role_env(const char *arg)
{
	role_check(getenv("ROLE_ENV") && strcmp(getenv("ROLE_ENV"), arg) == 0);
	role_check(getenv("HOME") == NULL);
	return 0;
}

/* "N": starts itself as N + 1, and so on; how far it came. */
static int go_deeper(const char *role, const char *arg)
{
	char next[16];
	char *argv[] = {"test", (char *)role, next, NULL};
	ipk_process_status status;
	ipk_process *p = NULL;
	int r;

	if (atoi(arg) == 5)
		return 5;
	snprintf(next, sizeof next, "%d", atoi(arg) + 1);
	r = ipk_process_start(NULL, NULL, IPK_PROCESS(.start_method = IPK_START_EXEC, .argv = argv),
			      &p);
	if (r == -EDEADLK)
		return strstr(ipk_error_detail(r), "main()") ? atoi(arg) : 254;
	role_check(r == 0);
	role_check(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) == 0);
	ipk_process_close(p);
	return status.exit_code;
}

static int role_deeper(const char *arg)
{
	return go_deeper("deeper", arg);
}

static int role_deeper_by_asking(const char *arg)
{
	role_check(ipk_parent_pid() > 0);
	return go_deeper("deeper_by_asking", arg);
}

const struct role roles[] = {
	{"deeper", role_deeper},
	{"deeper_by_asking", role_deeper_by_asking},
	{"exit", role_exit},
	{"raise", role_raise},
	{"sleep", role_sleep},
	{"work", role_work},
	{"name", role_name},
	{"stdin_is_null", role_stdin_is_null},
	{"copy_line", role_copy_line},
	{"parent", role_parent},
	{"see_parent_die", role_see_parent_die},
	{"start_one", role_start_one},
	{"env", role_env},
	{0},
};

/* --- how they end ----------------------------------------------------------------------------- */

START_TEST(exit_codes)
{
	int codes[] = {0, 1, 7, 77, 127, 255, -1, -EINVAL, 256};
	int method = methods[_i];

	begin_method(method);
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		char arg[16];
		ipk_process_status status;

		snprintf(arg, sizeof arg, "%d", codes[i]);
		status = join_role(start_role(method, "exit", arg, NULL));
		ck_assert_int_eq(status.signal, 0);
		ck_assert(!status.core && !status.is_oom);
		/* What main() returns is cut to eight bits by the system. */
		if (method == IPK_START_EXEC)
			ck_assert_int_eq(status.exit_code, codes[i] & 255);
		else
			ck_assert_int_eq(status.exit_code,
					 codes[i] < 0 || codes[i] > 255 ? 255 : codes[i]);
	}
	end_method(method);
}
END_TEST

START_TEST(signals)
{
	int sigs[] = {SIGKILL, SIGTERM, SIGINT, SIGUSR1, SIGRTMAX};
	int method = methods[_i];

	begin_method(method);
	for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
		ipk_process_status status;
		char arg[16];

		snprintf(arg, sizeof arg, "%d", sigs[i]);
		status = join_role(start_role(method, "raise", arg, NULL));
		ck_assert_int_eq(status.signal, sigs[i]);
		ck_assert_int_eq(status.exit_code, -1);
		ck_assert(!status.core && !status.is_oom);
	}
	end_method(method);
}
END_TEST

START_TEST(signals_from_the_parent)
{
	static int (*const calls[])(ipk_process *) = {ipk_process_interrupt, ipk_process_terminate,
						      ipk_process_kill};
	static const int sigs[] = {SIGINT, SIGTERM, SIGKILL};
	int method = methods[_i];

	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	begin_method(method);
	for (int i = 0; i < 3; i++) {
		ipk_process *p = start_role(method, "sleep", NULL, NULL);
		ipk_process_status status;

		ck_assert(ipk_process_is_alive(p));
		ck_err(ipk_process_join(p, ipk_now(), NULL), -ETIMEDOUT);
		ck_ok(calls[i](p));
		status = join_role(p);
		ck_assert_int_eq(status.signal, sigs[i]);
		ck_assert(!status.is_oom);
	}
	ck_err(ipk_process_interrupt(NULL), -EBADF);
	end_method(method);
}
END_TEST

START_TEST(what_they_took)
{
	int method = methods[_i];
	ipk_process_status status;

	begin_method(method);
	status = join_role(start_role(method, "work", "30,24", NULL));
	ck_assert_int_eq(status.exit_code, 0);
	ck_assert_int_ge(status.user_ns + status.system_ns, 25 * 1000000);
	ck_assert_int_lt(status.user_ns + status.system_ns, (int64_t)WAIT_MS * 1000000);
	ck_assert_uint_ge(status.max_rss_bytes, (size_t)24 << 20);
	ck_assert_uint_lt(status.max_rss_bytes, (size_t)1 << 40);
	end_method(method);
}
END_TEST

/* --- what they are given ---------------------------------------------------------------------- */

START_TEST(names)
{
	static const char *const given[] = {"a", "Worker_1.of-12", "more-than-fifteen"};
	int method = methods[_i];
	char longest[201];

	memset(longest, 'n', 200);
	longest[200] = '\0';
	begin_method(method);
	ck_role(method, "name", "", NULL);
	ck_role(method, "name", longest, IPK_PROCESS(.name = longest));
	for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
		ck_role(method, "name", given[i], IPK_PROCESS(.name = given[i]));
	ck_assert_str_eq(ipk_process_current_name(), "main");
	end_method(method);
}
END_TEST

struct bytes {
	size_t n;
	unsigned char bytes[];
};

static int check_bytes(void *arg)
{
	struct bytes *b = arg;

	for (size_t i = 0; i < b->n; i++)
		role_check(b->bytes[i] == (unsigned char)(i * 7));
	/* It is the child's own, to write to. */
	memset(b->bytes, 0, b->n);
	return 42;
}

static int is_null_arg(void *arg)
{
	return arg == NULL ? 42 : 1;
}

static int is_one_byte(void *arg)
{
	return *(char *)arg == 'x' ? 42 : 1;
}

static void ck_arg(int method, ipk_process_fn fn, void *arg, size_t n_bytes)
{
	ipk_process *p = NULL;

	ck_ok(ipk_process_start(fn, arg, IPK_PROCESS(.start_method = method, .arg_bytes = n_bytes),
				&p));
	if (n_bytes > 0)
		memset(arg, 0xee, n_bytes); /* it is copied */
	ck_assert_int_eq(join_role(p).exit_code, 42);
}

START_TEST(args)
{
	size_t sizes[] = {1, 100, 4096, 65536, 1 << 20, 5 << 20};
	int method = methods[_i];
	ipk_process *p = NULL;
	char byte = 'x';

	begin_method(method);
	ck_arg(method, is_null_arg, NULL, 0);
	ck_arg(method, is_one_byte, &byte, 1);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct bytes *b = malloc(sizeof *b + sizes[i]);

		b->n = sizes[i];
		for (size_t k = 0; k < b->n; k++)
			b->bytes[k] = (unsigned char)(k * 7);
		ck_arg(method, check_bytes, b, sizeof *b + b->n);
		free(b);
	}
	ck_err(ipk_process_start(is_null_arg, NULL,
				 IPK_PROCESS(.start_method = method, .arg_bytes = 1), &p),
	       -EINVAL);
	for (size_t less = 0; less <= 4096; less += 512)
		ck_err(ipk_process_start(
			       is_null_arg, &byte,
			       IPK_PROCESS(.start_method = method, .arg_bytes = SIZE_MAX - less),
			       &p),
		       -EINVAL);
	if (method == IPK_START_ZYGOTE)
		ck_err(ipk_process_start(is_null_arg, &byte, IPK_PROCESS(.start_method = method),
					 &p),
		       -EINVAL);
	end_method(method);
}
END_TEST

START_TEST(stdin_is_null_unless_kept)
{
	int method = methods[_i];

	begin_method(method);
	ck_role(method, "stdin_is_null", NULL, NULL);
	end_method(method);
}
END_TEST

static void ck_pipe_has(int fd, const char *text)
{
	char buf[64] = "";
	size_t n = 0;
	ssize_t r;

	while ((r = read(fd, buf + n, sizeof buf - 1 - n)) > 0)
		n += (size_t)r;
	ck_assert_str_eq(buf, text);
	close(fd);
}

/* Pipes that hold a line for stdin, and what comes to stdout and stderr. */
struct stdio {
	int in[2], out[2], err[2];
};

static void open_stdio(struct stdio *s)
{
	ck_assert_int_eq(pipe2(s->in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(s->out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(s->err, O_CLOEXEC), 0);
	ck_assert_int_eq(write(s->in[1], "line\n", 5), 5);
	close(s->in[1]);
}

START_TEST(stdio_is_given)
{
	int method = methods[_i];
	struct stdio s;

	begin_method(method);
	open_stdio(&s);
	ck_role(method, "copy_line", NULL,
		IPK_PROCESS(.stdin_fd = &s.in[0], .stdout_fd = &s.out[1], .stderr_fd = &s.err[1]));
	close(s.in[0]);
	close(s.out[1]);
	close(s.err[1]);
	ck_pipe_has(s.out[0], "out line\n");
	ck_pipe_has(s.err[0], "err line\n");
	end_method(method);
}
END_TEST

/* By the numbers that they have here, in any order: stdout and stderr change places. */
START_TEST(stdio_is_swapped)
{
	int method = methods[_i];
	int saved_out = fcntl(1, F_DUPFD_CLOEXEC, 3), saved_err = fcntl(2, F_DUPFD_CLOEXEC, 3);
	ipk_process *p = NULL;
	struct stdio s;
	int r;

	begin_method(method);
	open_stdio(&s);
	fflush(stdout);
	dup2(s.out[1], 1);
	dup2(s.err[1], 2);
	close(s.out[1]);
	close(s.err[1]);
	r = try_role(
		method, "copy_line", NULL,
		IPK_PROCESS(.stdin_fd = &s.in[0], .stdout_fd = &(int){2}, .stderr_fd = &(int){1}),
		&p);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	ck_ok(r);
	ck_assert_int_eq(join_role(p).exit_code, 0);
	close(s.in[0]);
	end_method(method); /* which has copies */
	ck_pipe_has(s.out[0], "err line\n");
	ck_pipe_has(s.err[0], "out line\n");
}
END_TEST

static void ck_stdin_is_kept(int method, bool by_flag)
{
	int saved = fcntl(0, F_DUPFD_CLOEXEC, 3);
	ipk_process *p = NULL;
	struct stdio s;
	int r;

	open_stdio(&s);
	dup2(s.in[0], 0);
	begin_method(method);
	r = try_role(method, "copy_line", NULL,
		     IPK_PROCESS(.flags = by_flag ? IPK_PROCESS_KEEP_STDIN : 0,
				 .stdin_fd = by_flag ? NULL : &(int){0}, .stdout_fd = &s.out[1],
				 .stderr_fd = &s.err[1]),
		     &p);
	if (saved >= 0)
		dup2(saved, 0);
	else
		close(0);
	close(saved);
	ck_ok(r);
	ck_assert_int_eq(join_role(p).exit_code, 0);
	close(s.in[0]);
	close(s.out[1]);
	close(s.err[1]);
	end_method(method);
	ck_pipe_has(s.out[0], "out line\n");
	ck_pipe_has(s.err[0], "err line\n");
}

/* By the flag, or by its number: 0 is an fd like others. */
START_TEST(stdin_is_kept)
{
	ck_stdin_is_kept(methods[_i], true);
	ck_stdin_is_kept(methods[_i], false);
}
END_TEST

START_TEST(bad_options)
{
	int method = methods[_i];
	ipk_process *p = NULL;
	int closed;

	begin_method(method);
	closed = fcntl(1, F_DUPFD_CLOEXEC, 3);
	close(closed);
	ck_err(try_role(method, "exit", "0", IPK_PROCESS(.stdout_fd = &closed), &p), -EBADF);
	ck_err(try_role(method, "exit", "0", IPK_PROCESS(.stdin_fd = &(int){-2}), &p), -EBADF);
	ck_err(try_role(method, "exit", "0", IPK_PROCESS(.name = "a b"), &p), -EINVAL);
	ck_err(try_role(method, "exit", "0", IPK_PROCESS(.flags = 1u << 20), &p), -EINVAL);
	ck_err(try_role(4, "exit", "0", NULL, &p), -EINVAL);
	ck_err(try_role(-1, "exit", "0", NULL, &p), -EINVAL);
	if (method == IPK_START_EXEC)
		ck_err(ipk_process_start(is_null_arg, NULL, IPK_PROCESS(.start_method = method),
					 &p),
		       -EINVAL);
	else
		ck_err(try_role(method, "exit", "0", IPK_PROCESS(.program = "true"), &p), -EINVAL);
	ck_assert_ptr_null(p);
	end_method(method);
}
END_TEST

/* --- other programs --------------------------------------------------------------------------- */

START_TEST(missing_programs)
{
	static const struct {
		const char *program;
		int error;
	} cases[] = {
		{"/no/such/program", -ENOENT},
		{"no-such-program-in-path", -ENOENT},
		{"/etc/passwd", -EACCES},
		{"/etc/passwd/x", -ENOTDIR},
		{"/", -EACCES},
	};
	unsigned flags = _i ? IPK_PROCESS_DIE_WITH_PARENT : 0;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ipk_process *p = NULL;
		int n_fds = count_fds();

		ck_err(ipk_process_start(NULL, NULL,
					 IPK_PROCESS(.start_method = IPK_START_EXEC,
						     .program = cases[i].program, .flags = flags),
					 &p),
		       cases[i].error);
		ck_assert_ptr_null(p);
		ck_assert_int_eq(count_fds(), n_fds);
		ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	}
}
END_TEST

START_TEST(programs_of_the_path)
{
	unsigned flags = _i ? IPK_PROCESS_DIE_WITH_PARENT : 0;
	char *argv[] = {"sh", "-c", "exit $#", "sh", "a", "b", "c", NULL};
	ipk_process *p = NULL;

	ck_ok(ipk_process_start(NULL, NULL,
				IPK_PROCESS(.start_method = IPK_START_EXEC, .program = "sh",
					    .argv = argv, .flags = flags),
				&p));
	ck_assert_int_eq(join_role(p).exit_code, 3);
	p = NULL;
	ck_ok(ipk_process_start(
		NULL, NULL,
		IPK_PROCESS(.start_method = IPK_START_EXEC, .program = "false", .flags = flags),
		&p));
	ck_assert_int_eq(join_role(p).exit_code, 1);
}
END_TEST

START_TEST(environments)
{
	char *env[] = {"ROLE_ENV=yes", "IPK_SPAWN_INFO=an older one", NULL};

	ck_role(IPK_START_EXEC, "env", "yes", IPK_PROCESS(.env = env));
}
END_TEST

/* A main() that does not see that it is the child would start children for ever. */
START_TEST(programs_that_start_themselves)
{
	ck_assert_int_eq(join_role(start_role(IPK_START_EXEC, "deeper", "0", NULL)).exit_code, 1);
	ck_assert_int_eq(
		join_role(start_role(IPK_START_EXEC, "deeper_by_asking", "0", NULL)).exit_code, 5);
}
END_TEST

/* --- parents ---------------------------------------------------------------------------------- */

START_TEST(parents)
{
	int method = methods[_i];
	char self[16];
	int fd;

	ck_assert_int_eq(ipk_parent_pid(), 0);
	ck_err(ipk_parent_fd(&fd), -ESRCH);
	ck_err(ipk_parent_join(ipk_now()), -ESRCH);
	ck_assert(!ipk_parent_is_alive());
	snprintf(self, sizeof self, "%d", (int)getpid());
	begin_method(method);
	ck_role(method, "parent", self, NULL);
	end_method(method);
}
END_TEST

/* The middle one: starts a child and waits to be killed. */
static int be_killed_parent(void *arg)
{
	int *fds = arg; /* {method, report} */
	char text[16];
	ipk_process *p = NULL;

	if (fds[0] == IPK_START_ZYGOTE && ipk_zygote_start(NULL) != 0)
		return 1;
	snprintf(text, sizeof text, "%d", fds[1]);
	if (try_role(fds[0], "see_parent_die", text, NULL, &p) != 0)
		return 2;
	if (write(fds[1], "r", 1) != 1)
		return 3;
	return ipk_process_join(p, ipk_forever(), NULL);
}

static void ck_byte(int fd, char want)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c = 0;

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	ck_assert_int_eq(c, want);
}

static void reap_all(void)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
}

START_TEST(children_see_their_parent_die)
{
	int fds[2], arg[2];
	ipk_process *p = NULL;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ck_assert_int_eq(pipe(fds), 0);
	arg[0] = methods[_i];
	arg[1] = fds[1];
	ck_ok(ipk_process_start(be_killed_parent, arg, NULL, &p));
	ck_byte(fds[0], 'r');
	ck_ok(ipk_process_kill(p));
	ck_assert_int_eq(join_role(p).signal, SIGKILL);
	ck_byte(fds[0], 'd');
	close(fds[1]);
	close(fds[0]);
	reap_all();
}
END_TEST

START_TEST(daemons_have_no_children)
{
	int method = methods[_i];

	begin_method(method);
	ck_assert_int_eq(join_role(start_role(method, "start_one", "77",
					      IPK_PROCESS(.flags = IPK_PROCESS_DAEMON)))
				 .exit_code,
			 77);
	end_method(method);
}
END_TEST

/* --- signals that interrupt ------------------------------------------------------------------- */

static void on_alarm(int sig)
{
	(void)sig;
}

static void set_storm(bool on)
{
	struct sigaction action = {.sa_handler = on ? on_alarm : SIG_IGN};
	struct itimerval timer = {{0, on ? 1000 : 0}, {0, on ? 1000 : 0}};

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

START_TEST(signals_interrupt_nothing)
{
	int method = methods[_i];

	begin_method(method);
	set_storm(true);
	for (int i = 0; i < repeats(100); i++) {
		ipk_process *procs[2] = {NULL, start_role(method, "exit", "5", NULL)};
		size_t index = 9;

		ck_ok(ipk_process_wait_any(procs, 2, ipk_in_ms(WAIT_MS), &index));
		ck_assert_uint_eq(index, 1);
		ck_assert_int_eq(join_role(procs[1]).exit_code, 5);
	}
	set_storm(false);
	end_method(method);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("process_methods");

	add_loop_test(s, exit_codes, 0, N_METHODS);
	add_loop_test(s, signals, 0, N_METHODS);
	add_loop_test(s, signals_from_the_parent, 0, N_METHODS);
	add_loop_test(s, what_they_took, 0, N_METHODS);
	add_loop_test(s, names, 0, N_METHODS);
	add_loop_test(s, args, 0, 2);
	add_loop_test(s, stdin_is_null_unless_kept, 0, N_METHODS);
	add_loop_test(s, stdio_is_given, 0, N_METHODS);
	add_loop_test(s, stdio_is_swapped, 0, N_METHODS);
	add_loop_test(s, stdin_is_kept, 0, N_METHODS);
	add_loop_test(s, bad_options, 0, N_METHODS);
	add_loop_test(s, missing_programs, 0, 2);
	add_loop_test(s, programs_of_the_path, 0, 2);
	add_test(s, programs_that_start_themselves);
	add_test(s, environments);
	add_loop_test(s, parents, 0, N_METHODS);
	add_loop_test(s, children_see_their_parent_die, 0, N_METHODS);
	add_loop_test(s, daemons_have_no_children, 0, N_METHODS);
	add_loop_test(s, signals_interrupt_nothing, 0, N_METHODS);
	return s;
}

ROLE_MAIN(suite)
