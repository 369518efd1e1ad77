/* test_mappings.c - which file is mapped at an address, in this process and in others. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

static int at(pid_t pid, const void *address, char name[64], uint64_t *ret_start)
{
	return ipk__os_mapped_file(pid, (uint64_t)(uintptr_t)address, name, 64, ret_start);
}

START_TEST(functions_lie_in_the_program)
{
	char name[64] = "", again[64] = "";
	uint64_t start = 0, start_again = 0;

	ck_ok(at(getpid(), (void *)(uintptr_t)at, name, &start));
	ck_assert_str_eq(name, "test_unit_os_mappings");
	ck_assert_uint_lt(start, (uint64_t)(uintptr_t)at);
	/* All of it has one beginning: data too, in another mapping of it. */
	ck_ok(at(getpid(), "constant", again, &start_again));
	ck_assert_str_eq(again, name);
	ck_assert_uint_eq(start_again, start);
	ck_assert_int_eq(memcmp((void *)(uintptr_t)start, "\177ELF", 4), 0);
}
END_TEST

START_TEST(memory_is_no_file)
{
	char name[64] = "as it was";
	int on_stack = 0;
	/* malloc's may come from what is left of a file's last page. */
	void *heap = mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = 77;

	ck_err(at(getpid(), &on_stack, name, &start), -ENOENT);
	ck_err(at(getpid(), heap, name, &start), -ENOENT);
	ck_err(at(getpid(), NULL, name, &start), -ENOENT);
	ck_err(at(getpid(), (void *)UINTPTR_MAX, name, &start), -ENOENT);
	ck_err(at(1 << 22, (void *)(uintptr_t)at, name, &start), -ESRCH);
	ck_assert_str_eq(name, "as it was");
	ck_assert_uint_eq(start, 77);
	munmap(heap, 1);
}
END_TEST

START_TEST(deleted_files_keep_their_name)
{
	char directory[] = "/tmp/mappings-XXXXXX", path[64], name[64];
	uint64_t start;
	void *addr;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/two words", directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	addr = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(addr, MAP_FAILED);
	ck_ok(at(getpid(), addr, name, &start));
	ck_assert_str_eq(name, "two words");
	ck_assert_int_eq(unlink(path), 0);
	ck_ok(at(getpid(), addr, name, &start));
	ck_assert_str_eq(name, "two words");
	ck_assert_uint_eq(start, (uint64_t)(uintptr_t)addr);
	ck_assert_int_eq(munmap(addr, 4096), 0);
	close(fd);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("mappings");

	add_test(s, functions_lie_in_the_program);
	add_test(s, memory_is_no_file);
	add_test(s, deleted_files_keep_their_name);
	return s;
}
IPK_TEST_MAIN(suite)
