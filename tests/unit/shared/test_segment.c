/*
 * test_segment.c - lib/shared/segment.c: anything but a complete segment of this user, this pid
 * namespace and this build is refused, with its own error and without a crash.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "shared/segment.h"
#include "support/support.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { RING_BYTES = 8192, SKIPPED = 77, NOBODY = 65534 };

static struct ipk__segment_plan plan_of(bool is_named)
{
	return (struct ipk__segment_plan){
		.kind = IPK__KIND_PIPE,
		.flags = 3,
		.label = "test",
		.is_named = is_named,
		.fixed_bytes = 1000,
		.ring_bytes = RING_BYTES,
		.n_rings = 2,
	};
}

static void make(struct ipk__segment *s)
{
	struct ipk__segment_plan plan = plan_of(false);

	ck_ok(ipk__segment_create(&plan, s));
	ck_ok(ipk__segment_publish(s, NULL));
}

/* A file with @header in front and the right size, sealed. */
static int make_file(const struct ipk__shm_header *header)
{
	int fd = memfd_create("ipk:test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)(header->fixed_bytes + 2 * RING_BYTES)), 0);
	ck_ok(ipk__os_pwrite(fd, header, sizeof *header, 0));
	ck_ok(ipk__os_seal(fd, false));
	return fd;
}

/* What attaching to a file with @header returns; the file is closed either way. */
static int attach_header(const struct ipk__shm_header *header)
{
	struct ipk__segment s = {.fd = -1};
	int fd = make_file(header), r;

	r = ipk__segment_attach(fd, IPK__KIND_PIPE, false, &s);
	if (r == 0)
		ipk__segment_detach(&s);
	else
		close(fd);
	return r;
}

static struct ipk__shm_header good_header(void)
{
	struct ipk__segment s;
	struct ipk__shm_header header;

	make(&s);
	header = *s.header;
	ipk__segment_detach(&s);
	return header;
}

static void sign(struct ipk__shm_header *header)
{
	header->checksum = ipk__checksum(header, offsetof(struct ipk__shm_header, checksum));
}

/* --- good ones -------------------------------------------------------------------------------- */

START_TEST(made_then_attached)
{
	struct ipk__segment a, b;
	int fd;

	make(&a);
	ck_assert(a.header->kind == IPK__KIND_PIPE && a.header->flags == 3);
	ck_assert(a.header->fixed_bytes % ipk__os_page_bytes() == 0);
	ck_assert_str_eq(a.header->label, "test");
	ck_assert(a.header->creator_pid == (uint32_t)getpid());
	ck_ok(ipk__os_dup(a.fd, &fd));
	ck_ok(ipk__segment_attach(fd, IPK__KIND_PIPE, false, &b));
	ck_assert_int_eq(b.fd, fd);
	for (uint32_t i = 0; i < 2; i++) {
		char *ring = ipk__segment_ring(&a, i);

		ring[RING_BYTES - 1] = 'x';
		ring[RING_BYTES] = 'y';
		ck_assert(ipk__segment_ring(&b, i)[0] == 'y');
		ck_assert(ipk__segment_ring(&b, i)[2 * RING_BYTES - 1] == 'x');
	}
	ipk__segment_detach(&a);
	ipk__segment_detach(&b);
	ipk__segment_detach(&b);
}
END_TEST

START_TEST(file_is_visible_by_kind_and_label)
{
	char path[64], target[256] = "";
	struct ipk__segment s;

	make(&s);
	snprintf(path, sizeof path, "/proc/self/fd/%d", s.fd);
	ck_assert_int_gt(readlink(path, target, sizeof target - 1), 0);
	ck_assert_ptr_nonnull(strstr(target, "/memfd:ipk:pipe:test"));
	ipk__segment_detach(&s);
}
END_TEST

START_TEST(named_one_appears_whole_and_once)
{
	struct ipk__segment_plan plan = plan_of(true);
	struct ipk__segment a, b, c;
	struct ipk__os_stat st;
	char name[UNIQUE_NAME_BYTES], file[UNIQUE_NAME_BYTES + 8];
	int fd;

	unique_name(name, "segment");
	snprintf(file, sizeof file, "ipk.%s", name);
	ck_ok(ipk__segment_create(&plan, &a));
	ck_err(ipk__os_shm_open(file, &fd), -ENOENT);
	ck_ok(ipk__segment_publish(&a, file));
	ck_ok(ipk__os_shm_open(file, &fd));
	ck_ok(ipk__os_stat(fd, &st));
	ck_assert((st.mode & 0777) == 0600);
	ck_ok(ipk__segment_attach(fd, IPK__KIND_PIPE, true, &b));
	ck_ok(ipk__segment_create(&plan, &c));
	ck_err(ipk__segment_publish(&c, file), -EEXIST);
	ipk__segment_detach(&c);
	ck_ok(ipk__os_shm_unlink(file));
	ck_err(ipk__os_shm_unlink(file), -ENOENT);
	ipk__segment_detach(&a);
	ipk__segment_detach(&b);
}
END_TEST

/* --- bad ones --------------------------------------------------------------------------------- */

START_TEST(every_flipped_bit_is_refused)
{
	struct ipk__shm_header good = good_header(), bad;
	size_t bytes = sizeof good;

	for (size_t bit = 0; bit < 8 * bytes; bit++) {
		bad = good;
		((unsigned char *)&bad)[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_assert_msg(ipk__segment_check(&bad, IPK__KIND_PIPE, SIZE_MAX) < 0, "bit %zu",
			      bit);
	}
	ck_ok(ipk__segment_check(&good, IPK__KIND_PIPE, SIZE_MAX));
	ck_ok(attach_header(&good));
}
END_TEST

/* Signed again after the change, so that the checksum is not what refuses it. */
START_TEST(each_cause_has_its_error)
{
	struct ipk__shm_header good = good_header(), h;

#define REFUSED(error, ...)                       \
	do {                                      \
		h = good;                         \
		__VA_ARGS__;                      \
		sign(&h);                         \
		ck_err(attach_header(&h), error); \
	} while (0)

	REFUSED(0, (void)0);
	REFUSED(-EPROTO, h.magic++);
	REFUSED(-EPROTONOSUPPORT, h.version++);
	REFUSED(-ELIBBAD, h.libc++);
	REFUSED(-EPROTONOSUPPORT, h.fingerprint++);
	REFUSED(-EXDEV, h.pid_namespace++);
	REFUSED(-EACCES, h.uid = NOBODY);
	REFUSED(-EPROTOTYPE, h.kind = IPK__KIND_QUEUE);
	REFUSED(-EPROTOTYPE, h.kind = 0);
	REFUSED(-EBADMSG, h.n_rings = 3);
	REFUSED(-EBADMSG, h.n_rings = UINT32_MAX);
	REFUSED(-EBADMSG, h.ring_bytes = 0);
	REFUSED(-EBADMSG, h.ring_bytes = RING_BYTES + 4096);
	REFUSED(-EBADMSG, h.ring_bytes = IPK__SEGMENT_RING_MAX * 2);
	REFUSED(-EBADMSG, h.ring_bytes = (uint64_t)1 << 63);
	REFUSED(-EBADMSG, h.label[sizeof h.label - 1] = 'x');
	REFUSED(-ENODATA, h.ring_bytes *= 2);
#undef REFUSED
	h = good;
	h.checksum++;
	ck_err(attach_header(&h), -EBADMSG);
}
END_TEST

START_TEST(fixed_part_of_an_impossible_size_is_refused)
{
	static const uint64_t sizes[] = {
		0, 1, 288, 4097, (uint64_t)1 << 33, UINT64_MAX, UINT64_MAX - 4095};
	struct ipk__shm_header h = good_header();

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		h.fixed_bytes = sizes[i];
		sign(&h);
		ck_err(ipk__segment_check(&h, IPK__KIND_PIPE, SIZE_MAX), -EBADMSG);
	}
}
END_TEST

/* Memory of a user may be larger than anything of our own. */
START_TEST(shared_memory_may_be_large)
{
	struct ipk__shm_header h = good_header();

	h.n_rings = 0;
	h.kind = IPK__KIND_SHM;
	for (uint64_t n = (uint64_t)1 << 33; n <= IPK__SEGMENT_SHM_MAX * 2; n *= 2) {
		h.fixed_bytes = n;
		sign(&h);
		ck_err(ipk__segment_check(&h, IPK__KIND_SHM, SIZE_MAX),
		       n <= IPK__SEGMENT_SHM_MAX ? 0 : -EBADMSG);
		ck_err(ipk__segment_check(&h, IPK__KIND_SHM, n - 1),
		       n <= IPK__SEGMENT_SHM_MAX ? -ENODATA : -EBADMSG);
	}
}
END_TEST

START_TEST(header_is_read_without_a_mapping)
{
	struct leaks before = leaks_now();
	struct ipk__segment s;
	struct ipk__shm_header h;
	int n_maps;

	make(&s);
	n_maps = count_maps();
	ck_ok(ipk__segment_read(s.fd, IPK__KIND_PIPE, false, &h));
	ck_assert_int_eq(memcmp(&h, s.header, sizeof h), 0);
	ck_assert_int_eq(count_maps(), n_maps);
	ck_err(ipk__segment_read(s.fd, IPK__KIND_QUEUE, false, &h), -EPROTOTYPE);
	ck_err(ipk__segment_read(-1, IPK__KIND_PIPE, false, &h), -EBADF);
	ipk__segment_detach(&s);
	ck_no_leaks(&before);
}
END_TEST

START_TEST(shorter_file_is_refused)
{
	struct ipk__shm_header h = good_header();
	uint64_t whole = h.fixed_bytes + 2 * RING_BYTES;
	struct ipk__segment s = {.fd = -1};

	for (uint64_t n = 0; n <= whole; n += n < 300 ? 1 : n < whole - 1 ? whole - 1 - n : 1) {
		int fd = memfd_create("ipk:test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		int want = n < 8 ? -EPROTO : n < whole ? -ENODATA : 0, r;

		ck_ok(ipk__os_pwrite(fd, &h, sizeof h, 0));
		ck_assert_int_eq(ftruncate(fd, (off_t)n), 0);
		ck_ok(ipk__os_seal(fd, false));
		r = ipk__segment_attach(fd, IPK__KIND_PIPE, false, &s);
		ck_err(r, want);
		if (r == 0)
			ipk__segment_detach(&s);
		else
			close(fd);
	}
}
END_TEST

START_TEST(unsealed_file_is_refused)
{
	struct ipk__segment_plan plan = plan_of(false);
	struct ipk__segment s, t;
	int fd;

	ck_ok(ipk__segment_create(&plan, &s));
	ck_ok(ipk__os_dup(s.fd, &fd));
	ck_err(ipk__segment_attach(fd, IPK__KIND_PIPE, false, &t), -EPROTO);
	ck_ok(ipk__segment_publish(&s, NULL));
	ck_ok(ipk__segment_attach(fd, IPK__KIND_PIPE, false, &t));
	ipk__segment_detach(&s);
	ipk__segment_detach(&t);
}
END_TEST

/* A peer's, which says that it is a segment and cannot be mapped as one. */
START_TEST(file_that_cannot_be_written_is_refused)
{
	struct ipk__segment_plan plan = plan_of(false);
	const int seals[] = {F_SEAL_WRITE, F_SEAL_FUTURE_WRITE};
	static char bytes[1 << 20];
	struct ipk__segment s, t;
	char path[64];
	ssize_t n;
	int fd;

	ck_ok(ipk__segment_create(&plan, &s));
	ck_ok(ipk__segment_publish(&s, NULL));
	snprintf(path, sizeof path, "/proc/self/fd/%d", s.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_err(ipk__segment_attach(fd, IPK__KIND_PIPE, false, &t), -EPROTO);
	close(fd);
	n = pread(s.fd, bytes, sizeof bytes, 0);
	ck_assert(n > 0 && n < (ssize_t)sizeof bytes);
	for (size_t i = 0; i < sizeof seals / sizeof *seals; i++) {
		fd = memfd_create("ipk:pipe:evil", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		ck_assert_int_eq(fchmod(fd, 0600), 0);
		ck_assert_int_eq(pwrite(fd, bytes, (size_t)n, 0), n);
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | seals[i]), 0);
		ck_err(ipk__segment_attach(fd, IPK__KIND_PIPE, false, &t), -EPROTO);
		close(fd);
	}
	ipk__segment_detach(&s);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	struct ipk__segment s;
	int fds[2], fd;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_err(ipk__segment_attach(fds[0], IPK__KIND_PIPE, false, &s), -EPROTO);
	ck_ok(ipk__os_doorbell_open(&fd));
	ck_err(ipk__segment_attach(fd, IPK__KIND_PIPE, false, &s), -EPROTO);
	ck_err(ipk__segment_attach(-1, IPK__KIND_PIPE, false, &s), -EBADF);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(named_file_open_to_others_is_refused)
{
	struct ipk__segment_plan plan = plan_of(true);
	struct ipk__segment s, t;
	int fd;

	ck_ok(ipk__segment_create(&plan, &s));
	ck_ok(ipk__os_dup(s.fd, &fd));
	for (mode_t bit = 1; bit < 0100; bit <<= 1) {
		ck_assert_int_eq(fchmod(fd, 0600 | bit), 0);
		ck_err(ipk__segment_attach(fd, IPK__KIND_PIPE, true, &t), -EACCES);
	}
	ck_assert_int_eq(fchmod(fd, 0600), 0);
	ck_ok(ipk__segment_attach(fd, IPK__KIND_PIPE, true, &t));
	ipk__segment_detach(&s);
	ipk__segment_detach(&t);
}
END_TEST

START_TEST(file_of_another_user_is_refused)
{
	struct ipk__shm_header h = good_header();
	struct ipk__segment s;
	int fd = make_file(&h);

	if (fchown(fd, NOBODY, (gid_t)-1) == 0) /* only root may give files away */
		ck_err(ipk__segment_attach(fd, IPK__KIND_PIPE, false, &s), -EACCES);
	close(fd);
}
END_TEST

static int attach_as_nobody(void *arg)
{
	struct ipk__segment *s = arg, t;

	if (setuid(NOBODY) < 0)
		return SKIPPED;
	return ipk__segment_attach(s->fd, IPK__KIND_PIPE, false, &t) == -EACCES ? 0 : 1;
}

/* In a child of a child: the first of a new pid namespace. */
static int attach_in_namespace(void *arg)
{
	struct ipk__segment *s = arg, t;
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return SKIPPED;
	pid = fork();
	if (pid == 0)
		_exit(ipk__segment_attach(s->fd, IPK__KIND_PIPE, false, &t) == -EXDEV ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 2;
}

/* A /dev/shm of one page too few, seen by this child alone. */
static int create_in_full_shm(void *arg)
{
	struct ipk__segment_plan plan = plan_of(true);
	struct ipk__segment s;
	int n_fds = count_fds();

	(void)arg;
	plan.ring_bytes = 1 << 20;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") < 0)
		return SKIPPED;
	for (int i = 0; i < 3; i++) {
		if (ipk__segment_create(&plan, &s) != -ENOSPC)
			return 1;
	}
	plan.ring_bytes = 65536;
	if (ipk__segment_create(&plan, &s) != 0) /* what was begun was given back */
		return 2;
	ipk__segment_detach(&s);
	return count_fds() == n_fds ? 0 : 3;
}

static int (*const elsewhere[])(void *) = {
	attach_as_nobody,
	attach_in_namespace,
	create_in_full_shm,
};
enum { N_ELSEWHERE = sizeof elsewhere / sizeof elsewhere[0] };

START_TEST(other_users_namespaces_and_full_memory)
{
	struct ipk__segment s;
	int status;
	pid_t pid;

	make(&s);
	pid = spawn(elsewhere[_i], &s);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED);
	ipk__segment_detach(&s);
}
END_TEST

/* No fd is free: nothing is mapped and nothing stays open. */
START_TEST(failed_creation_leaves_nothing)
{
	struct ipk__segment_plan plan = plan_of(_i == 1);
	struct leaks before = leaks_now();
	struct rlimit was, limit;
	struct ipk__segment s;
	int r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	r = ipk__segment_create(&plan, &s);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_err(r, -EMFILE);
	ck_no_leaks(&before);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("segment");

	add_test(s, made_then_attached);
	add_test(s, file_is_visible_by_kind_and_label);
	add_test(s, named_one_appears_whole_and_once);
	add_test(s, every_flipped_bit_is_refused);
	add_test(s, each_cause_has_its_error);
	add_test(s, fixed_part_of_an_impossible_size_is_refused);
	add_test(s, shared_memory_may_be_large);
	add_test(s, header_is_read_without_a_mapping);
	add_test(s, shorter_file_is_refused);
	add_test(s, unsealed_file_is_refused);
	add_test(s, file_that_cannot_be_written_is_refused);
	add_test(s, what_is_no_file_is_refused);
	add_test(s, named_file_open_to_others_is_refused);
	add_test(s, file_of_another_user_is_refused);
	add_loop_test(s, other_users_namespaces_and_full_memory, 0, N_ELSEWHERE);
	add_loop_test(s, failed_creation_leaves_nothing, 0, 2);
	return s;
}

IPK_TEST_MAIN(suite)
