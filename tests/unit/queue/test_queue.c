/*
 * test_queue.c - lib/queue/queue.c: names, options, opening queues that others created or damaged.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/segment.h"
#include "unit/queue/queue_bodies.h"

enum { NOBODY = 65534 };

static void file_of(const char *name, char path[300])
{
	snprintf(path, 300, "/dev/shm/ipk.%s", name);
}

static ipk_queue *make_named(char name[UNIQUE_NAME_BYTES])
{
	ipk_queue *q = NULL;

	unique_name(name, "queue");
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	return q;
}

static int try_open(const char *name)
{
	ipk_queue *q = NULL;
	int r = ipk_queue_open(name, ipk_now(), &q);

	ck_assert(r == 0 || q == NULL);
	ipk_queue_close(q);
	return r;
}

/* --- names ------------------------------------------------------------------------------------ */

START_TEST(bad_names_are_refused)
{
	char long_name[202];
	const char *const bad[] = {"",     "/",       "a/b",      "/a",     "a b",
				   "a\n",  "a:b",     "\xc3\xa4", "mq:",    "mq:a",
				   "mq:/", "mq:/a/b", "mq://",    long_name};
	ipk_queue *q = NULL;

	memset(long_name, 'x', 201);
	long_name[201] = '\0';
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_err(ipk_queue_create(IPK_QUEUE(.name = bad[i]), &q), -EINVAL);
		ck_err(ipk_queue_open(bad[i], ipk_now(), &q), -EINVAL);
		ck_err(ipk_queue_unlink(bad[i]), -EINVAL);
	}
	ck_err(ipk_queue_open(NULL, ipk_now(), &q), -EINVAL);
	ck_err(ipk_queue_unlink(NULL), -EINVAL);
	ck_assert_ptr_null(q);
}
END_TEST

START_TEST(odd_names_are_fine)
{
	char name[201];
	ipk_queue *q = NULL;

	/* 200 characters, and the dots that are no directories with "ipk." before them. */
	unique_name(name, "..-_Z9");
	memset(name + strlen(name), '.', 200 - strlen(name));
	name[200] = '\0';
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	ck_ok(try_open(name));
	ipk_queue_close(q);
	ck_ok(ipk_queue_unlink(name));
	ck_err(try_open("."), -ENOENT);
	ck_err(try_open(".."), -ENOENT);
}
END_TEST

START_TEST(a_name_is_taken_until_it_is_unlinked)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_queue *q = make_named(name), *other = NULL;

	ck_err(ipk_queue_create(IPK_QUEUE(.name = name), &other), -EEXIST);
	ck_assert_ptr_null(other);
	ck_ok(ipk_queue_unlink(name));
	ck_err(ipk_queue_unlink(name), -ENOENT);
	ck_err(try_open(name), -ENOENT);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &other));
	/* Who had it open keeps the old one. */
	ck_put_number(q, 1);
	ck_empty(other);
	ck_get_number(q, 1);
	ipk_queue_close(q);
	ipk_queue_close(other);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

START_TEST(a_named_queue_stays_without_users)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));

	if (!queue_name[0]) {
		drop_queue(q);
		return;
	}
	ck_put_number(q, 7);
	ipk_queue_close(q);
	ck_ok(ipk_queue_open(queue_name, ipk_now(), &q));
	ck_assert_uint_eq(ipk_queue_len(q), 1);
	ck_get_number(q, 7);
	for (uint32_t i = 0; i < 4; i++)
		ck_put_number(q, i);
	/* It is of the kind, and has the limits, that it was made with. */
	ck_assert_int_eq(ipk_queue_is_full(q), kind_of(_i) != IPK_QUEUE_MQ);
	ck_get_number(q, (uint32_t)nth_out(kind_of(_i), 0, 4));
	drop_queue(q);
}
END_TEST

START_TEST(a_named_queue_is_one_private_file)
{
	char name[UNIQUE_NAME_BYTES], path[300];
	ipk_queue *q = make_named(name);
	struct stat st;

	file_of(name, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(count_names(), 1);
	ipk_queue_close(q);
	ck_ok(ipk_queue_unlink(name));
	ck_assert_int_eq(count_names(), 0);
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

START_TEST(bad_options_are_refused)
{
	const ipk_queue_opts *const bad[] = {
		IPK_QUEUE(.kind = (ipk_queue_kind)4),
		IPK_QUEUE(.kind = (ipk_queue_kind)-1),
		IPK_QUEUE(.kind = IPK_QUEUE_MQ),
		IPK_QUEUE(.kind = IPK_QUEUE_MQ, .name = "not-mq"),
		IPK_QUEUE(.max_items = IPK_QUEUE_ITEMS_MAX + 1),
		IPK_QUEUE(.max_message_bytes = IPK_MESSAGE_MAX_BYTES + 1),
		IPK_QUEUE(.ring_bytes = 4095),
		IPK_QUEUE(.ring_bytes = ((size_t)1 << 30) + 1),
		IPK_QUEUE(.ring_bytes = SIZE_MAX),
		IPK_QUEUE(.label = ""),
		IPK_QUEUE(.label = "a b"),
		&(ipk_queue_opts){.struct_size = 0},
		&(ipk_queue_opts){.struct_size = 1},
	};
	ipk_queue *q = NULL;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_err(ipk_queue_create(bad[i], &q), -EINVAL);
	ck_err(ipk_queue_create(NULL, NULL), -EINVAL);
	ck_err(ipk_queue_open("x", ipk_now(), NULL), -EINVAL);
	ck_assert_ptr_null(q);
}
END_TEST

START_TEST(defaults_make_a_fifo)
{
	ipk_queue *q = NULL;

	ck_ok(ipk_queue_create(NULL, &q));
	for (uint32_t i = 0; i < 100; i++)
		ck_put_number(q, i);
	for (uint32_t i = 0; i < 100; i++)
		ck_get_number(q, i);
	ck_empty(q);
	ipk_queue_close(q);
}
END_TEST

START_TEST(every_ring_size_works)
{
	static const size_t sizes[] = {4096, 4097, 8192, 100000, 1 << 20, 16 << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		ipk_queue *q =
			make_queue(_i, IPK_QUEUE(.ring_bytes = sizes[i], .label = "a.label"));

		ck_ok(put_filled(q, sizes[i], 1, ipk_now()));
		ck_get_filled(q, sizes[i], 1);
		ck_ok(put_filled(q, 9, 2, ipk_now()));
		ck_get_filled(q, 9, 2);
		ck_empty(q);
		drop_queue(q);
	}
}
END_TEST

/* --- handles ---------------------------------------------------------------------------------- */

START_TEST(a_handle_has_three_fds_at_most)
{
	ipk_queue *first = NULL, *q;
	int before, fd;

	/* While any queue is polled the process has one more. */
	ck_ok(ipk_queue_create(NULL, &first));
	ck_ok(ipk_queue_fd(first, &fd));
	before = count_fds();
	q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ck_assert_int_le(count_fds() - before, 2);
	ck_ok(ipk_queue_fd(q, &fd));
	ck_put_number(q, 1);
	ck_get_number(q, 1);
	ck_assert_int_le(count_fds() - before, 3);
	drop_queue(q);
	ck_assert_int_eq(count_fds(), before);
	ipk_queue_close(first);
}
END_TEST

START_TEST(no_free_fd_leaves_nothing)
{
	struct rlimit old, low;
	ipk_queue *q = NULL;
	int before = count_fds();
	int r = -EMFILE;

	getrlimit(RLIMIT_NOFILE, &old);
	for (rlim_t n = 0; r != 0; n++) {
		low = (struct rlimit){n, old.rlim_max};
		setrlimit(RLIMIT_NOFILE, &low);
		r = ipk_queue_create(NULL, &q);
		setrlimit(RLIMIT_NOFILE, &old);
		ck_assert(r == 0 || r == -EMFILE);
		ck_assert_int_eq(count_fds() > before, r == 0);
		ck_assert_int_eq(count_maps() > 0, r == 0);
	}
	ipk_queue_close(q);
}
END_TEST

START_TEST(null_handles_are_told)
{
	ipk_bytes item = {"x", 1};
	ipk_lease *l;
	size_t n;
	void *data;
	char c;
	int fd;

	ck_assert_ptr_null(ipk_queue_close(NULL));
	ck_err(ipk_queue_put(NULL, "x", 1, ipk_now()), -EBADF);
	ck_err(ipk_queue_put_level(NULL, "x", 1, 0, ipk_now()), -EBADF);
	ck_err(ipk_queue_put_many(NULL, &item, 1, ipk_now(), &n), -EBADF);
	ck_err(ipk_queue_putf(NULL, ipk_now(), "i", 1), -EBADF);
	ck_err(ipk_queue_get(NULL, &c, 1, ipk_now(), &n), -EBADF);
	ck_err(ipk_queue_get_alloc(NULL, ipk_now(), &data, &n), -EBADF);
	ck_err(ipk_queue_get_many(NULL, &c, 1, 1, ipk_now(), &item, &n), -EBADF);
	ck_err(ipk_queue_getf(NULL, ipk_now(), "n"), -EBADF);
	ck_err(ipk_queue_peek(NULL, &c, 1, ipk_now(), &n), -EBADF);
	ck_err(ipk_queue_lease(NULL, ipk_now(), &l), -EBADF);
	ck_err(ipk_queue_task_done(NULL), -EBADF);
	ck_err(ipk_queue_join(NULL, ipk_now()), -EBADF);
	ck_err(ipk_queue_shutdown(NULL, IPK_DRAIN), -EBADF);
	ck_err(ipk_queue_fd(NULL, &fd), -EBADF);
	ck_err(ipk_queue_send(NULL, NULL, ipk_now()), -EBADF);
	ck_err(ipk_queue_recv(NULL, ipk_now(), NULL), -EINVAL);
	ck_assert_uint_eq(ipk_queue_len(NULL), 0);
	ck_assert(ipk_queue_is_empty(NULL));
	ck_assert(!ipk_queue_is_full(NULL));
	ck_err(ipk_lease_ack(NULL), -EBADF);
	ck_err(ipk_lease_nack(NULL), -EBADF);
	ck_assert(!ipk_lease_is_redelivered(NULL));
	ck_assert_ptr_null(ipk_lease_data(NULL, &n));
	ck_assert_ptr_null(ipk_lease_close(NULL));
}
END_TEST

START_TEST(bad_arguments_are_told)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	size_t n = 77;
	ipk_bytes item;
	void *data;
	char buf[MQ_MESSAGE_BYTES];

	ck_err(ipk_queue_put(q, NULL, 1, ipk_now()), -EINVAL);
	ck_ok(ipk_queue_put(q, NULL, 0, ipk_now()));
	ck_err(ipk_queue_put_many(q, NULL, 1, ipk_now(), &n), -EINVAL);
	ck_ok(ipk_queue_put_many(q, NULL, 0, ipk_now(), &n));
	ck_assert_uint_eq(n, 0);
	ck_err(ipk_queue_get(q, NULL, 1, ipk_now(), &n), -EINVAL);
	ck_err(ipk_queue_get_alloc(q, ipk_now(), NULL, &n), -EINVAL);
	ck_err(ipk_queue_get_alloc(q, ipk_now(), &data, NULL), -EINVAL);
	ck_err(ipk_queue_get_many(q, buf, sizeof buf, 0, ipk_now(), &item, &n), -EINVAL);
	ck_err(ipk_queue_get_many(q, NULL, 1, 1, ipk_now(), &item, &n), -EINVAL);
	ck_err(ipk_queue_get_many(q, buf, sizeof buf, 1, ipk_now(), NULL, &n), -EINVAL);
	ck_err(ipk_queue_get_many(q, buf, sizeof buf, 1, ipk_now(), &item, NULL), -EINVAL);
	ck_err(ipk_queue_getf(q, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_queue_fd(q, NULL), -EINVAL);
	ck_err(ipk_queue_shutdown(q, (ipk_shutdown)0), -EINVAL);
	ck_err(ipk_queue_shutdown(q, (ipk_shutdown)3), -EINVAL);
	ck_ok(ipk_queue_get(q, buf, sizeof buf, ipk_now(), NULL));
	ck_empty(q);
	drop_queue(q);
}
END_TEST

/* --- what is not, or no longer, a queue ------------------------------------------------------- */

static void put_file(const char *path, const void *data, size_t n_bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n_bytes), (ssize_t)n_bytes);
	close(fd);
}

START_TEST(files_that_are_no_queues_are_refused)
{
	char name[UNIQUE_NAME_BYTES], path[300], bytes[8192];

	unique_name(name, "foreign");
	file_of(name, path);
	memset(bytes, 'x', sizeof bytes);
	put_file(path, bytes, 0);
	ck_err(try_open(name), -EPROTO);
	unlink(path);
	put_file(path, bytes, 7);
	ck_err(try_open(name), -EPROTO);
	unlink(path);
	put_file(path, bytes, sizeof bytes);
	ck_err(try_open(name), -EPROTO);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_err(try_open(name), -EPROTO);
	unlink(path);
	ck_assert_int_eq(symlink("/dev/zero", path), 0);
	ck_err(try_open(name), -EPROTO);
	unlink(path);
}
END_TEST

START_TEST(a_symlink_to_a_queue_is_refused)
{
	char name[UNIQUE_NAME_BYTES], alias[UNIQUE_NAME_BYTES], path[300], alias_path[300];
	ipk_queue *q = make_named(name);

	unique_name(alias, "alias");
	file_of(name, path);
	file_of(alias, alias_path);
	ck_assert_int_eq(symlink(path, alias_path), 0);
	ck_err(try_open(alias), -EPROTO);
	unlink(alias_path);
	ipk_queue_close(q);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

START_TEST(a_pipe_is_no_queue)
{
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_PIPE,
		.label = "pipe",
		.is_named = true,
		.fixed_bytes = 4096,
	};
	char name[UNIQUE_NAME_BYTES], file[300];
	struct ipk__segment segment;

	unique_name(name, "pipe");
	snprintf(file, sizeof file, "ipk.%s", name);
	ck_ok(ipk__segment_create(&plan, &segment));
	ck_ok(ipk__segment_publish(&segment, file));
	ck_err(try_open(name), -EPROTOTYPE);
	ipk__segment_detach(&segment);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

START_TEST(truncated_queues_are_refused)
{
	char name[UNIQUE_NAME_BYTES], path[300];
	struct stat st;

	ipk_queue_close(make_named(name));
	file_of(name, path);
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t size = st.st_size - 1; size > 8; size /= 2) {
		ck_assert_int_eq(truncate(path, size), 0);
		ck_err(try_open(name), -ENODATA);
	}
	ck_assert_int_eq(truncate(path, 3), 0);
	ck_err(try_open(name), -EPROTO);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

START_TEST(every_flipped_bit_of_the_header_is_found)
{
	char name[UNIQUE_NAME_BYTES], path[300];
	unsigned char c;
	int fd;

	ipk_queue_close(make_named(name));
	file_of(name, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	for (int bit = 0; bit < (int)sizeof(struct ipk__shm_header) * 8; bit++) {
		int r;

		ck_assert_int_eq(pread(fd, &c, 1, bit / 8), 1);
		c ^= (unsigned char)(1 << bit % 8);
		ck_assert_int_eq(pwrite(fd, &c, 1, bit / 8), 1);
		r = try_open(name);
		ck_assert_msg(r == -EPROTO || r == -EPROTONOSUPPORT || r == -EBADMSG, "bit %d: %d",
			      bit, r);
		c ^= (unsigned char)(1 << bit % 8);
		ck_assert_int_eq(pwrite(fd, &c, 1, bit / 8), 1);
	}
	close(fd);
	ck_ok(try_open(name));
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

static void write_header(const char *name, struct ipk__shm_header h)
{
	char path[300];
	int fd;

	file_of(name, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	h.checksum = ipk__checksum(&h, offsetof(struct ipk__shm_header, checksum));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, &h, sizeof h, 0), sizeof h);
	close(fd);
}

START_TEST(other_builds_and_places_are_told_apart)
{
	char name[UNIQUE_NAME_BYTES], path[300];
	struct ipk__shm_header good, h;
	int fd;

	ipk_queue_close(make_named(name));
	file_of(name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &good, sizeof good, 0), sizeof good);
	close(fd);
#define CK_OTHER(field, error)                 \
	do {                                   \
		h = good;                      \
		h.field ^= 1;                  \
		write_header(name, h);         \
		ck_err(try_open(name), error); \
	} while (0)
	CK_OTHER(version, -EPROTONOSUPPORT);
	CK_OTHER(fingerprint, -EPROTONOSUPPORT);
	CK_OTHER(libc, -ELIBBAD);
	CK_OTHER(pid_namespace, -EXDEV);
	CK_OTHER(uid, -EACCES);
	CK_OTHER(kind, -EPROTOTYPE);
	/* Sizes that are wrong although the checksum is right. */
	CK_OTHER(fixed_bytes, -EBADMSG);
	CK_OTHER(ring_bytes, -EBADMSG);
	CK_OTHER(n_rings, -EBADMSG);
	h = good;
	h.ring_bytes *= 2;
	write_header(name, h);
	ck_err(try_open(name), -ENODATA);
	h = good;
	h.fixed_bytes = 4096;
	write_header(name, h);
	ck_err(try_open(name), -EBADMSG);
	write_header(name, good);
	ck_ok(try_open(name));
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

/* --- other users ------------------------------------------------------------------------------ */

static int as_nobody(void *arg)
{
	const char *name = arg;

	if (setuid(NOBODY) < 0)
		return 2;
	ck_err(try_open(name), -EACCES);
	ck_err(ipk_queue_unlink(name), -EACCES);
	return 0;
}

START_TEST(another_user_is_kept_out)
{
	char name[UNIQUE_NAME_BYTES], path[300];
	ipk_queue *q;

	if (getuid() != 0)
		return;
	q = make_named(name);
	reap_ok(spawn(as_nobody, name));
	/* Not even when the file's mode lets it in. */
	file_of(name, path);
	ck_assert_int_eq(chmod(path, 0666), 0);
	reap_ok(spawn(as_nobody, name));
	ck_err(try_open(name), -EACCES);
	ck_assert_int_eq(chmod(path, 0600), 0);
	/* root does not walk into another user's either. */
	ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
	ck_err(try_open(name), -EACCES);
	ck_err(ipk_queue_unlink(name), -EACCES);
	ck_assert_int_eq(chown(path, 0, 0), 0);
	ipk_queue_close(q);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue");

	add_test(s, bad_names_are_refused);
	add_test(s, odd_names_are_fine);
	add_test(s, a_name_is_taken_until_it_is_unlinked);
	add_loop_test(s, a_named_queue_stays_without_users, 0, N_MAKES_AND_MQ);
	add_test(s, a_named_queue_is_one_private_file);
	add_test(s, bad_options_are_refused);
	add_test(s, defaults_make_a_fifo);
	add_loop_test(s, every_ring_size_works, 0, N_MAKES);
	add_loop_test(s, a_handle_has_three_fds_at_most, 0, N_MAKES_AND_MQ);
	add_test(s, no_free_fd_leaves_nothing);
	add_test(s, null_handles_are_told);
	add_loop_test(s, bad_arguments_are_told, 0, N_MAKES_AND_MQ);
	add_test(s, files_that_are_no_queues_are_refused);
	add_test(s, a_symlink_to_a_queue_is_refused);
	add_test(s, a_pipe_is_no_queue);
	add_test(s, truncated_queues_are_refused);
	add_test(s, every_flipped_bit_of_the_header_is_found);
	add_test(s, other_builds_and_places_are_told_apart);
	add_test(s, another_user_is_kept_out);
	return s;
}
IPK_TEST_MAIN(suite)
