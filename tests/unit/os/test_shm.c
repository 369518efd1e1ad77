/* test_shm.c - lib/os/shm.c: names in /dev/shm. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

static char file[UNIQUE_NAME_BYTES + 8];

static void new_name(void)
{
	char name[UNIQUE_NAME_BYTES];

	unique_name(name, "shm");
	snprintf(file, sizeof file, "ipk.%s", name);
}

START_TEST(file_appears_when_it_is_linked)
{
	struct ipk__os_stat st;
	int fd, other;

	new_name();
	ck_ok(ipk__os_shm_temp(&fd));
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_ok(ipk__os_stat(fd, &st));
	ck_assert((st.mode & 0777) == 0600 && st.n_links == 0);
	ck_err(ipk__os_shm_open(file, &other), -ENOENT);
	ck_ok(ipk__os_pwrite(fd, "whole", 5, 0));
	ck_ok(ipk__os_shm_link(fd, file));
	ck_err(ipk__os_shm_link(fd, file), -EEXIST);
	ck_ok(ipk__os_shm_open(file, &other));
	ck_assert_int_eq(fcntl(other, F_GETFD), FD_CLOEXEC);
	ck_ok(ipk__os_stat(other, &st));
	ck_assert(st.n_links == 1 && st.size_bytes == 5);
	ck_ok(ipk__os_shm_unlink(file));
	ck_err(ipk__os_shm_unlink(file), -ENOENT);
	ipk__os_close(other);
	ipk__os_close(fd);
}
END_TEST

START_TEST(links_are_not_followed)
{
	struct ipk__os_stat st;
	char path[300];
	int fd;

	new_name();
	snprintf(path, sizeof path, "/dev/shm/%s", file);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_err(ipk__os_shm_open(file, &fd), -EPROTO);
	ck_err(ipk__os_shm_open_to_read(file, &fd), -EPROTO);
	ck_ok(ipk__os_shm_stat(file, &st));
	ck_assert(S_ISLNK(st.mode));
	ck_assert_int_lt(ipk__os_shm_fifo(file, true, &fd), 0);
	ck_ok(ipk__os_shm_unlink(file));
}
END_TEST

START_TEST(fifo_is_made_once_and_opened_often)
{
	struct ipk__os_stat one, two;
	int a, b, temp;

	new_name();
	ck_err(ipk__os_shm_fifo(file, false, &a), -ENOENT);
	ck_ok(ipk__os_shm_fifo(file, true, &a));
	ck_ok(ipk__os_shm_fifo(file, true, &b));
	ck_ok(ipk__os_stat(a, &one));
	ck_ok(ipk__os_stat(b, &two));
	ck_assert(one.inode == two.inode && (one.mode & 0777) == 0600);
	ck_assert(S_ISFIFO(one.mode));
	ipk__os_doorbell_fifo(a);
	ck_ok(ipk__os_poll1(b, IPK__OS_IN, ipk_now(), NULL));
	ipk__os_close(a);
	ipk__os_close(b);
	ck_ok(ipk__os_shm_unlink(file));
	ck_ok(ipk__os_shm_temp(&temp));
	ck_ok(ipk__os_shm_link(temp, file));
	ck_err(ipk__os_shm_fifo(file, true, &a), -EPROTO);
	ck_ok(ipk__os_shm_unlink(file));
	ipk__os_close(temp);
}
END_TEST

/* Who opens it would wait until it is given up, so does not. */
START_TEST(leased_file_is_busy)
{
	int made, leased, fd;

	new_name();
	ck_ok(ipk__os_shm_temp(&made));
	ck_ok(ipk__os_shm_link(made, file));
	ipk__os_close(made);
	ck_ok(ipk__os_shm_open(file, &leased));
	signal(SIGIO, SIG_IGN); /* that it is wanted back */
	ck_assert_int_eq(fcntl(leased, F_SETLEASE, F_WRLCK), 0);
	ck_err(ipk__os_shm_open(file, &fd), -EBUSY);
	ck_err(ipk__os_shm_open_to_read(file, &fd), -EBUSY);
	ipk__os_close(leased);
	ck_ok(ipk__os_shm_open(file, &fd));
	ck_ok(ipk__os_shm_unlink(file));
	ipk__os_close(fd);
}
END_TEST

START_TEST(reader_may_not_write)
{
	struct ipk__os_stat st;
	int fd, reader;

	new_name();
	ck_err(ipk__os_shm_open_to_read(file, &reader), -ENOENT);
	ck_ok(ipk__os_shm_temp(&fd));
	ck_ok(ipk__os_shm_link(fd, file));
	ck_ok(ipk__os_shm_open_to_read(file, &reader));
	ck_assert_int_eq(fcntl(reader, F_GETFD), FD_CLOEXEC);
	ck_err(ipk__os_pwrite(reader, "x", 1, 0), -EBADF);
	ck_ok(ipk__os_pwrite(fd, "whole", 5, 0));
	ck_ok(ipk__os_stat(reader, &st));
	ck_assert_uint_eq(st.size_bytes, 5);
	ck_ok(ipk__os_shm_unlink(file));
	ipk__os_close(reader);
	ipk__os_close(fd);
}
END_TEST

START_TEST(rename_puts_one_in_place_of_another)
{
	struct ipk__os_stat old_st, new_st, st;
	char next[sizeof file + 8];
	int old, new;

	new_name();
	snprintf(next, sizeof next, "%s:next", file);
	ck_err(ipk__os_shm_rename(next, file), -ENOENT);
	ck_err(ipk__os_shm_stat(file, &st), -ENOENT);
	ck_ok(ipk__os_shm_temp(&old));
	ck_ok(ipk__os_shm_temp(&new));
	ck_ok(ipk__os_shm_link(old, file));
	ck_ok(ipk__os_shm_link(new, next));
	ck_ok(ipk__os_stat(old, &old_st));
	ck_ok(ipk__os_stat(new, &new_st));
	ck_ok(ipk__os_shm_stat(file, &st));
	ck_assert(st.inode == old_st.inode && st.device == old_st.device);
	ck_ok(ipk__os_shm_rename(next, file));
	ck_ok(ipk__os_shm_stat(file, &st));
	ck_assert(st.inode == new_st.inode && st.device == new_st.device);
	ck_err(ipk__os_shm_stat(next, &st), -ENOENT);
	ck_ok(ipk__os_stat(old, &old_st));
	ck_assert_uint_eq(old_st.n_links, 0);
	ck_ok(ipk__os_shm_unlink(file));
	ipk__os_close(old);
	ipk__os_close(new);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("shm");

	add_test(s, file_appears_when_it_is_linked);
	add_test(s, links_are_not_followed);
	add_test(s, fifo_is_made_once_and_opened_often);
	add_test(s, leased_file_is_busy);
	add_test(s, reader_may_not_write);
	add_test(s, rename_puts_one_in_place_of_another);
	return s;
}

IPK_TEST_MAIN(suite)
