/* test_references.c - which files are recognized as objects, and in which order they come. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "support/support.h"

static size_t count(const struct ipk__references *all, const char *part)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += strstr(all->items[i].name, part) != NULL;
	return n;
}

static size_t n_sighted(const char *part)
{
	struct ipk__references all;
	size_t n;

	ck_ok(ipk__references_collect(&all));
	n = count(&all, part);
	ipk__references_free(&all);
	return n;
}

START_TEST(only_ipk_memory_files_are_sighted)
{
	char label[UNIQUE_NAME_BYTES], name[128];
	static const char *const prefixes[] = {
		"ipk:queue:", "ipk:pipe:", "ipk:arena:", "ipk:shm:", "ipk:", "", "xipk:queue:"};
	static const size_t n_expected[] = {1, 1, 1, 1, 0, 0, 0};

	for (size_t i = 0; i < 7; i++) {
		int fd;

		unique_name(label, "memory");
		snprintf(name, sizeof(name), "%s%s", prefixes[i], label);
		fd = memfd_create(name, MFD_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ck_assert_uint_eq(n_sighted(label), n_expected[i]);
		close(fd);
	}
}
END_TEST

START_TEST(only_regular_files_in_shared_memory_are_sighted)
{
	char name[UNIQUE_NAME_BYTES], path[128];
	int fd;

	unique_name(name, "special");
	snprintf(path, sizeof(path), "/dev/shm/ipk.%s", name);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_uint_eq(n_sighted(name), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(n_sighted(name), 0);
	close(fd);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/dev/shm", path), 0);
	ck_assert_uint_eq(n_sighted(name), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_uint_eq(n_sighted(name), 0);
	ck_assert_int_eq(rmdir(path), 0);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(n_sighted(name), 2);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_uint_eq(n_sighted(name), 1);
	close(fd);
}
END_TEST

/* A file elsewhere may be called like a memory file: the device tells. */
START_TEST(file_that_only_looks_like_memory_is_not_sighted)
{
	char label[UNIQUE_NAME_BYTES], path[128];
	int fd;

	if (geteuid() != 0)
		return;
	unique_name(label, "disguised");
	snprintf(path, sizeof(path), "/memfd:ipk:queue:%s", label);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_uint_eq(n_sighted(label), 0);
	close(fd);
}
END_TEST

START_TEST(references_to_one_file_come_in_a_row)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_queue *a = NULL, *b = NULL, *c = NULL;
	struct ipk__references all;
	size_t first = 0;

	unique_name(name, "row");
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &a));
	ck_ok(ipk_queue_open(name, ipk_now(), &b));
	ck_ok(ipk_queue_open(name, ipk_now(), &c));
	ck_ok(ipk_queue_unlink(name));
	ipk_queue_close(a);
	ck_ok(ipk__references_collect(&all));
	while (first < all.n && !strstr(all.items[first].name, name))
		first++;
	ck_assert_uint_eq(count(&all, name), 2);
	ck_assert(ipk__references_same(&all.items[first], &all.items[first + 1]));
	ck_assert_int_lt(all.items[first].fd, all.items[first + 1].fd);
	ck_assert_uint_eq(all.items[first].n_links, 0);
	ipk__references_free(&all);
	ipk_queue_close(b);
	ipk_queue_close(c);
}
END_TEST

START_TEST(thread_names_are_read)
{
	struct ipk__os_thread t;

	ck_assert_int_eq(prctl(PR_SET_NAME, "a\nTgid:\t1 )"), 0);
	ck_ok(ipk__os_thread(getpid(), &t));
	ck_assert_int_eq(t.pid, getpid());
	ck_assert_str_eq(t.comm, "a\nTgid:\t1 )");
	ck_assert_int_eq(prctl(PR_SET_NAME, ""), 0);
	ck_ok(ipk__os_thread(getpid(), &t));
	ck_assert_str_eq(t.comm, "");
	ck_err(ipk__os_thread(0, &t), -ESRCH);
	ck_err(ipk__os_thread(-1, &t), -ESRCH);
	ck_err(ipk__os_thread(1 << 22, &t), -ESRCH);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("references");

	add_test(s, only_ipk_memory_files_are_sighted);
	add_test(s, only_regular_files_in_shared_memory_are_sighted);
	add_test(s, file_that_only_looks_like_memory_is_not_sighted);
	add_test(s, references_to_one_file_come_in_a_row);
	add_test(s, thread_names_are_read);
	return s;
}

IPK_TEST_MAIN(suite)
