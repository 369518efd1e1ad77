/* test_memory.c - lib/os/memory.c: memory files, their pages and mappings. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

static int make_file(uint64_t n_bytes)
{
	int fd;

	ck_ok(ipk__os_memfd("ipk:test", &fd));
	if (n_bytes > 0)
		ck_ok(ipk__os_allocate(fd, 0, n_bytes));
	return fd;
}

START_TEST(nothing_is_still_something_to_free)
{
	void *none = ipk__os_malloc(0);
	char *zeroed = ipk__os_calloc(3, 5);

	ck_assert_ptr_nonnull(none);
	for (int i = 0; i < 15; i++)
		ck_assert(zeroed[i] == 0);
	free(none);
	free(zeroed);
}
END_TEST

START_TEST(sealed_file_does_not_shrink)
{
	int fd = make_file(8192);

	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(ipk__os_is_sealed(fd), 0);
	ck_ok(ipk__os_seal(fd, false));
	ck_assert_int_eq(ipk__os_is_sealed(fd), 1);
	ck_assert_int_eq(ftruncate(fd, 4096), -1);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), -1);
	ck_assert_int_eq(ipk__os_is_sealed(0), 0);
	close(fd);
}
END_TEST

/* Its pages could be given back, and no other be there. */
START_TEST(file_of_huge_pages_is_not_taken)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

	if (fd < 0)
		return; /* this kernel has none */
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	ck_assert_int_eq(ipk__os_is_sealed(fd), 0);
	close(fd);
}
END_TEST

START_TEST(rings_are_mapped_twice_in_a_row)
{
	size_t page = ipk__os_page_bytes();
	int fd = make_file(5 * page);
	char *addr;

	ck_ok(ipk__os_map_mirrored(fd, page, 2 * page, 2, (void **)&addr));
	for (int ring = 0; ring < 2; ring++) {
		char *first = addr + page + (size_t)ring * 4 * page, *second = first + 2 * page;

		for (size_t i = 0; i < 2 * page; i += 64) {
			first[i] = (char)(i + 1);
			ck_assert(second[i] == (char)(i + 1));
			second[i] = (char)(i + 2 + (size_t)ring);
			ck_assert(first[i] == (char)(i + 2 + (size_t)ring));
		}
	}
	addr[page - 1] = 'f';
	ck_assert(addr[page] == 2);
	ipk__os_unmap(addr, 9 * page);
	ipk__os_unmap(NULL, 0);
	close(fd);
}
END_TEST

START_TEST(reading_behind_the_end_is_no_data)
{
	int fd = make_file(0);
	char buf[8] = "";

	ck_ok(ipk__os_pwrite(fd, "0123456789", 10, 0));
	ck_ok(ipk__os_pread(fd, buf, 8, 2));
	ck_assert(memcmp(buf, "23456789", 8) == 0);
	ck_err(ipk__os_pread(fd, buf, 8, 3), -ENODATA);
	ck_err(ipk__os_pread(fd, buf, 8, 100), -ENODATA);
	ck_err(ipk__os_pread(-1, buf, 8, 0), -EBADF);
	ck_err(ipk__os_pwrite(-1, buf, 8, 0), -EBADF);
	close(fd);
}
END_TEST

START_TEST(stat_tells_files_from_others)
{
	struct ipk__os_stat st;
	int fd = make_file(4096);

	ck_ok(ipk__os_stat(fd, &st));
	ck_assert(ipk__os_mode_is_file(st.mode));
	ck_assert(st.size_bytes == 4096);
	ck_assert(st.uid == ipk__os_uid());
	close(fd);
	ck_ok(ipk__os_doorbell_open(&fd));
	ck_ok(ipk__os_stat(fd, &st));
	ck_assert(!ipk__os_mode_is_file(st.mode));
	close(fd);
	ck_err(ipk__os_stat(-1, &st), -EBADF);
}
END_TEST

START_TEST(pages_can_be_given_back)
{
	int fd = make_file(1 << 20);
	struct ipk__os_stat st;
	char byte = 'x';

	ck_ok(ipk__os_pwrite(fd, &byte, 1, 4096));
	ck_ok(ipk__os_deallocate(fd, 0, 1 << 20));
	ck_ok(ipk__os_stat(fd, &st));
	ck_assert(st.size_bytes == 1 << 20);
	ck_ok(ipk__os_pread(fd, &byte, 1, 4096));
	ck_assert(byte == 0);
	close(fd);
}
END_TEST

static void ignore(int sig)
{
	(void)sig;
}

/* The kernel begins an interrupted allocation anew: a timer must not keep it from its end. */
START_TEST(large_allocation_ends_under_a_storm_of_signals)
{
	struct sigaction action = {.sa_handler = ignore};
	struct itimerval storm = {{0, 1000}, {0, 1000}}, calm = {{0, 0}, {0, 0}};
	struct ipk__os_stat st;
	int fd = make_file(0), r;

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &storm, NULL), 0);
	r = ipk__os_allocate(fd, 0, 256 << 20);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &calm, NULL), 0);
	ck_ok(r);
	ck_ok(ipk__os_stat(fd, &st));
	ck_assert(st.size_bytes == 256 << 20);
	close(fd);
}
END_TEST

/* It is refused before any of it is taken from others. */
START_TEST(more_than_the_machine_has_is_not_begun)
{
	struct ipk__os_stat st;
	int fd = make_file(0);

	ck_err(ipk__os_allocate(fd, 0, (uint64_t)1 << 45), -ENOSPC);
	ck_err(ipk__os_allocate(fd, 0, UINT64_MAX), -ENOSPC);
	ck_ok(ipk__os_stat(fd, &st));
	ck_assert_uint_eq(st.size_bytes, 0);
	close(fd);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("memory");

	add_test(s, nothing_is_still_something_to_free);
	add_test(s, sealed_file_does_not_shrink);
	add_test(s, file_of_huge_pages_is_not_taken);
	add_test(s, rings_are_mapped_twice_in_a_row);
	add_test(s, reading_behind_the_end_is_no_data);
	add_test(s, stat_tells_files_from_others);
	add_test(s, pages_can_be_given_back);
	add_test(s, large_allocation_ends_under_a_storm_of_signals);
	add_test(s, more_than_the_machine_has_is_not_begun);
	return s;
}

IPK_TEST_MAIN(suite)
