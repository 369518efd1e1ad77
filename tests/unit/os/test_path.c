/* test_path.c - lib/os/path.c: names that stay valid, files that we may remove. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

static char directory[64];

static void enter(void)
{
	strcpy(directory, "/tmp/ipk-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
}

static void make(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void leave(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(absolute)
{
	char buf[128], want[128];

	enter();
	snprintf(want, sizeof want, "%s/b/c", directory);
	ck_ok(ipk__os_absolute("b/c", buf, sizeof buf));
	ck_assert_str_eq(buf, want);
	ck_ok(ipk__os_absolute("/b/c", buf, sizeof buf));
	ck_assert_str_eq(buf, "/b/c");
	ck_err(ipk__os_absolute("b/c", buf, strlen(want)), -ENAMETOOLONG);
	leave();
	ck_ok(ipk__os_absolute("b", buf, sizeof buf));
	ck_assert_str_eq(buf, "/b");
}
END_TEST

START_TEST(no_working_directory)
{
	char buf[128];

	enter();
	ck_assert_int_eq(rmdir(directory), 0);
	ck_err(ipk__os_absolute("b", buf, sizeof buf), -ENOENT);
	ck_ok(ipk__os_absolute("/b", buf, sizeof buf));
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(only_what_was_made_is_removed)
{
	struct ipk__os_stat made = {0};

	enter();
	make("a");
	make("b");
	ck_ok(ipk__os_path_stat("a", &made));
	ck_err(ipk__os_unlink_if("b", &made), -ESTALE);
	ck_err(ipk__os_unlink_if("c", &made), -ENOENT);
	ck_assert_int_eq(symlink("a", "c"), 0);
	ck_err(ipk__os_unlink_if("c", &made), -ESTALE);
	ck_ok(ipk__os_unlink_if("a", &made));
	ck_err(ipk__os_path_stat("a", &made), -ENOENT);
	ck_assert_int_eq(unlink("b") + unlink("c"), 0);
	leave();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("path");

	add_test(s, absolute);
	add_test(s, no_working_directory);
	add_test(s, only_what_was_made_is_removed);
	return s;
}

IPK_TEST_MAIN(suite)
