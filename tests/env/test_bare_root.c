/*
 * test_bare_root.c - a host with an empty root directory, as after chroot() or in a container of
 * one program: no /proc, /dev, /tmp. Calls that need no file work; the others name the missing file
 * in the text of their error.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "env/nouns.h"
#include "ipk.h"
#include "support/support.h"

/* What its absence costs each of them; NULL: nothing, it works. */
static const struct need {
	const char *noun;
	const char *named; /* in the text of -ENOSYS; "": another error says it */
} needs[] = {
	{"named queue", "/dev/shm"},
	{"shm", "/dev/shm"},
	{"inspector", "/proc"},
	{"program", ""}, /* which is not there either */
};

static const char *need_of(const char *noun)
{
	for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
		if (strcmp(needs[i].noun, noun) == 0)
			return needs[i].named;
	}
	return NULL;
}

/* The root directory of the tests, with nothing in it but room for sockets. */
static char root[] = "/tmp/ipk-bare-XXXXXX", room[sizeof root + 8];

static void make_root(void)
{
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(room, sizeof room, "%s/tmp", root);
	ck_assert_int_eq(mkdir(room, 0777), 0);
}

static void drop_root(void)
{
	ck_assert_int_eq(rmdir(room), 0);
	ck_assert_int_eq(rmdir(root), 0);
}

static bool take_root(void)
{
	if (chdir(root) == 0 && chroot(".") == 0)
		return true;
	ck_assert_int_eq(errno, EPERM);
	fprintf(stderr, "skipped: no other root directory may be taken here\n");
	return false;
}

static int use_without_files(void *arg)
{
	const struct noun *noun = arg;
	const char *named = need_of(noun->name);
	int r;

	nouns_begin();
	if (!take_root())
		return 0;
	r = noun->use();
	if (named && named[0])
		return r != -ENOSYS || !strstr(ipk_strerror(r), named);
	return named ? r == 0 : r != 0;
}

START_TEST(each_noun_without_files)
{
	make_root();
	for (size_t i = 0; i < n_nouns; i++) {
		pid_t pid = spawn(use_without_files, (void *)&nouns[i]);
		int status = 0;

		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(status == 0, "%s in a bare root directory: %x", nouns[i].name,
			      (unsigned)status);
	}
	drop_root();
}
END_TEST

/* --- what a child reads from nowhere ---------------------------------------------------------- */

static int read_stdin(void *arg)
{
	char c;

	(void)arg;
	return read(STDIN_FILENO, &c, 1) == 0 ? 0 : 9;
}

static int start_without_null(void *arg)
{
	static const int methods[] = {IPK_START_FORK, IPK_START_ZYGOTE};

	(void)arg;
	if (!take_root())
		return 0;
	ck_ok(ipk_zygote_start(NULL));
	for (size_t i = 0; i < 2; i++) {
		ipk_process_status status;
		ipk_process *p;

		ck_ok(ipk_process_start(read_stdin, NULL, IPK_PROCESS(.start_method = methods[i]),
					&p));
		ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status));
		ck_assert_int_eq(status.exit_code, 0);
		ipk_process_close(p);
	}
	ipk_zygote_stop();
	return 0;
}

START_TEST(stdin_is_at_its_end)
{
	make_root();
	reap_ok(spawn(start_without_null, NULL));
	drop_root();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("bare_root");

	add_test(s, each_noun_without_files);
	add_test(s, stdin_is_at_its_end);
	return s;
}

IPK_TEST_MAIN(suite)
