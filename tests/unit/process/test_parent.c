/*
 * test_parent.c - lib/process/parent.c and start_exec.c: the environment variable by which another
 * program gets its parent. It is read before main(), so this program executes itself again with the
 * value that a test sets, and reports how it was read.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "process/process_internal.h"
#include "shared/owner.h"
#include "support/support.h"

#define ROLE "--what-do-you-know"

/* In the other program: "PARENT DAEMON NAME", and that the variable is gone. */
static int say(void)
{
	printf("%d %d %s %s\n", (int)ipk_parent_pid(), ipk__self_is_daemon(),
	       ipk_process_current_name(), getenv(IPK__SPAWN_INFO_VARIABLE) ? "left" : "taken");
	return fflush(stdout) == 0 ? 0 : 1;
}

/* What this program says with @entry in its environment; NULL: nothing there. */
static const char *said_with(const char *entry)
{
	static char text[512];
	char *env[] = {(char *)entry, NULL};
	char *argv[] = {"test_parent", ROLE, NULL};
	int fds[2];
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(fds[1], 1);
		execve("/proc/self/exe", argv, env);
		_exit(127);
	}
	close(fds[1]);
	n = read(fds[0], text, sizeof text - 1);
	ck_assert_int_gt(n, 1);
	text[n - 1] = 0; /* its end of line */
	close(fds[0]);
	reap_ok(pid);
	return text;
}

static void format(const ipk_process_opts *opts, int fd, char buf[IPK__SPAWN_INFO_BYTES])
{
	memset(buf, 'x', IPK__SPAWN_INFO_BYTES);
	ipk__spawn_info_format(opts, fd, buf);
	ck_assert_ptr_nonnull(memchr(buf, 0, IPK__SPAWN_INFO_BYTES));
}

START_TEST(written_and_read)
{
	char entry[IPK__SPAWN_INFO_BYTES], expected[300], name[IPK__NAME_MAX + 1];

	format(IPK_PROCESS(.name = "worker-1", .flags = IPK_PROCESS_DAEMON), -1, entry);
	snprintf(expected, sizeof expected, "%d 1 worker-1 taken", (int)getpid());
	ck_assert_str_eq(said_with(entry), expected);

	/* The longest name there may be. */
	memset(name, 'n', IPK__NAME_MAX);
	name[IPK__NAME_MAX] = 0;
	format(IPK_PROCESS(.name = name), 1000000, entry);
	snprintf(expected, sizeof expected, "%d 0 %s taken", (int)getpid(), name);
	ck_assert_str_eq(said_with(entry), expected);
}
END_TEST

START_TEST(without_a_name)
{
	char entry[IPK__SPAWN_INFO_BYTES];
	const char *said;
	int parent, daemon, pid;

	format(IPK_PROCESS(.flags = 0), -1, entry);
	said = said_with(entry);
	ck_assert_int_eq(sscanf(said, "%d %d ipk-%d taken", &parent, &daemon, &pid), 3);
	ck_assert_int_eq(parent, getpid());
	ck_assert_int_gt(pid, 0);
	ck_assert_int_ne(pid, parent);
}
END_TEST

START_TEST(nothing_there)
{
	ck_assert_str_eq(said_with(NULL), "0 0 main taken");
	ck_assert_str_eq(said_with("OTHER=1"), "0 0 main taken");
}
END_TEST

/* Each is refused as a whole, and taken out all the same. %d is this process, %s its owner word. */
static const char *const damaged[] = {
	"",
	"1",
	"1,",
	"x",
	"1,%1$d,%2$s,0,-1,1,0,0,name", /* another version */
	",%1$d,%2$s,0,-1,1,0,0,name",
	"2,%1$d",
	"2,%1$d,%2$s",
	"2,%1$d,%2$s,0",
	"2,%1$d,%2$s,0,-1,1,0,",
	"2,%1$d,%2$s,x,-1,1,0,0,name",
	"2,%1$d,%2$s,0,x,1,0,0,name",
	"2,0,0,0,-1,1,0,0,name", /* no process */
	"2,-5,%2$s,0,-1,1,0,0,name",
	"2,1,%2$s,0,-1,1,0,0,name", /* the word is another's */
	"2,%1$d,0,0,-1,1,0,0,name",
	"2,99999999999999999999,%2$s,0,-1,1,0,0,name",
};

START_TEST(a_damaged_one_is_refused)
{
	char entry[600], owner[24], value[400];

	snprintf(owner, sizeof owner, "%llu", (unsigned long long)ipk__self_owner());
	/* Each format uses the same two, or none. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	snprintf(value, sizeof value, damaged[_i], (int)getpid(), owner);
#pragma GCC diagnostic pop
	snprintf(entry, sizeof entry, IPK__SPAWN_INFO_VARIABLE "=%s", value);
	ck_assert_msg(strcmp(said_with(entry), "0 0 main taken") == 0, "%s: %s", entry,
		      said_with(entry));
}
END_TEST

START_TEST(a_name_that_is_none)
{
	char entry[900], longer[IPK__NAME_MAX + 100];
	int parent, daemon, pid;

	snprintf(entry, sizeof entry, IPK__SPAWN_INFO_VARIABLE "=2,%d,%llu,0,-1,1,0,0,a/b",
		 (int)getpid(), (unsigned long long)ipk__self_owner());
	ck_assert_int_eq(sscanf(said_with(entry), "%d %d ipk-%d taken", &parent, &daemon, &pid), 3);
	ck_assert_int_eq(parent, getpid());
	/* Longer than any may be: the value does not fit, so it is none of ours. */
	memset(longer, 'n', sizeof longer);
	longer[sizeof longer - 1] = 0;
	snprintf(entry, sizeof entry, IPK__SPAWN_INFO_VARIABLE "=2,%d,%llu,0,-1,1,0,0,%s",
		 (int)getpid(), (unsigned long long)ipk__self_owner(), longer);
	ck_assert_ptr_null(strstr(said_with(entry), "nnn"));
}
END_TEST

/* A start by exec puts it in front, in place of an older one, and leaves the rest as it is. */
START_TEST(the_environment_of_a_child)
{
	char *env[] = {"FIRST=1",
		       IPK__SPAWN_INFO_VARIABLE "=2,7,7,0,-1,1,0,0,stale",
		       IPK__SPAWN_INFO_VARIABLE "S=mine",
		       IPK__SPAWN_INFO_VARIABLE "=again",
		       "LAST=2",
		       NULL};
	char *argv[] = {"sh", "-c", "tr '\\0' '\\n' </proc/$$/environ | cut -c 1-150", NULL};
	static char text[2048];
	size_t n_bytes = 0;
	ipk_process *p;
	int fds[2];
	ssize_t n;

	ck_assert_int_eq(pipe(fds), 0);
	ck_ok(ipk_process_start(NULL, NULL,
				IPK_PROCESS(.name = "child", .program = "/bin/sh", .argv = argv,
					    .env = env, .start_method = IPK_START_EXEC,
					    .stdout_fd = &fds[1]),
				&p));
	close(fds[1]);
	while ((n = read(fds[0], text + n_bytes, sizeof text - 1 - n_bytes)) > 0)
		n_bytes += (size_t)n;
	close(fds[0]);
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(p);
	ck_assert_int_eq(strncmp(text, IPK__SPAWN_INFO_VARIABLE "=2,", 17), 0);
	ck_assert_ptr_nonnull(strstr(text, ",child\nFIRST=1\n"));
	ck_assert_str_eq(strstr(text, "\nFIRST=1\n"),
			 "\nFIRST=1\n" IPK__SPAWN_INFO_VARIABLE "S=mine\nLAST=2\n");
}
END_TEST

START_TEST(who_has_no_parent)
{
	int fd = -5;

	ck_assert_int_eq(ipk_parent_pid(), 0);
	ck_assert(!ipk_parent_is_alive());
	ck_err(ipk_parent_fd(&fd), -ESRCH);
	ck_err(ipk_parent_fd(NULL), -EINVAL);
	ck_err(ipk_parent_join(ipk_now()), -ESRCH);
	ck_assert_int_eq(fd, -5);
	ck_assert_str_eq(ipk_process_current_name(), "main");
}
END_TEST

static int owner_in_child(void *arg)
{
	uint64_t owner = ipk__self_owner();

	return owner != *(uint64_t *)arg && ipk__owner_id(owner) == (uint32_t)getpid() ? 0 : 1;
}

START_TEST(an_owner_word_of_its_own_after_a_fork)
{
	uint64_t owner = ipk__self_owner();

	ck_assert_uint_eq(ipk__owner_id(owner), getpid());
	ck_assert_uint_eq(ipk__self_owner(), owner);
	reap_ok(spawn(owner_in_child, &owner));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("parent");

	add_test(s, written_and_read);
	add_test(s, without_a_name);
	add_test(s, nothing_there);
	add_loop_test(s, a_damaged_one_is_refused, 0, (int)(sizeof damaged / sizeof damaged[0]));
	add_test(s, a_name_that_is_none);
	add_test(s, the_environment_of_a_child);
	add_test(s, who_has_no_parent);
	add_test(s, an_owner_word_of_its_own_after_a_fork);
	return s;
}

int main(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], ROLE) == 0 ? say() : support_run(suite());
}
