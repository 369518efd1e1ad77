/*
 * test_shm_memory.c - lib/value/shm_memory.c: memory with and without a name: ownership, removal,
 * and replacement.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/lock.h"
#include "ipk/queue.h"
#include "support/support.h"
#include "value/shm_memory.h"

enum { SKIPPED = 77, SIZE = 5000, PAGE = 4096 };

static char name[UNIQUE_NAME_BYTES];
static char path[UNIQUE_NAME_BYTES + 32]; /* of the file that @name leads to */

static void new_name(bool is_raw)
{
	unique_name(name, "shm");
	snprintf(path, sizeof path, "/dev/shm/%s%s", is_raw ? "" : "ipk.", name);
}

static unsigned raw_flag(bool is_raw)
{
	return is_raw ? IPK_SHM_RAW : 0;
}

static ipk_shm *make(bool is_raw, size_t size_bytes)
{
	ipk_shm *s = NULL;

	new_name(is_raw);
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = size_bytes, .is_raw = is_raw),
			     &s));
	return s;
}

static void drop(bool is_raw, ipk_shm *s)
{
	ck_ok(ipk_shm_unlink(name, raw_flag(is_raw)));
	ck_assert_ptr_null(ipk_shm_close(s));
}

static bool exists(void)
{
	return access(path, F_OK) == 0;
}

static ipk_shm *must_open(unsigned flags)
{
	ipk_shm *s = NULL;

	ck_ok(ipk_shm_open(name, flags, ipk_now(), &s));
	return s;
}

static char *data(ipk_shm *s)
{
	return ipk_shm_data(s);
}

/* --- making and opening ----------------------------------------------------------------------- */

START_TEST(both_handles_have_the_same_bytes)
{
	static const size_t sizes[] = {1, 100, PAGE - 1, PAGE, PAGE + 1, 1000000};

	for (size_t i = 0; i < IPK__N_OF(sizes); i++) {
		ipk_shm *a = make(_i, sizes[i]), *b = must_open(raw_flag(_i));

		ck_assert_uint_eq(ipk_shm_size_bytes(a), sizes[i]);
		ck_assert_uint_eq(ipk_shm_size_bytes(b), sizes[i]);
		ck_assert_ptr_ne(ipk_shm_data(a), ipk_shm_data(b));
		ck_assert_uint_eq((uintptr_t)ipk_shm_data(a) % PAGE, 0);
		ck_assert_uint_eq((uintptr_t)ipk_shm_data(b) % PAGE, 0);
		for (size_t k = 0; k < sizes[i]; k++)
			ck_assert_int_eq(data(a)[k], 0);
		memset(data(a), 'x', sizes[i]);
		data(b)[sizes[i] - 1] = 'y';
		ck_assert_int_eq(data(a)[sizes[i] - 1], 'y');
		ck_assert(sizes[i] == 1 || data(b)[0] == 'x');
		ipk_shm_close(a);
		ck_assert_int_eq(data(b)[sizes[i] - 1], 'y');
		drop(_i, b);
	}
}
END_TEST

/* Whoever has it open may give pages back: they are there again before it is used. */
START_TEST(holes_are_filled_when_it_is_opened)
{
	ipk_shm *s = make(_i & 1, 1 << 20);
	ipk_shm *again = NULL;
	struct stat st;

	ck_ok(ipk__os_deallocate(s->fd, 16 * PAGE, 100 * PAGE));
	ck_ok(ipk_shm_open(name, raw_flag(_i & 1) | (_i & 2 ? IPK_SHM_READ_ONLY : 0), ipk_now(),
			   &again));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_ge(st.st_blocks * 512, 1 << 20);
	ipk_shm_close(again);
	drop(_i & 1, s);
}
END_TEST

START_TEST(raw_file_is_exactly_the_bytes)
{
	ipk_shm *s = make(true, SIZE);
	struct stat st;
	char byte;
	int fd;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, SIZE);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_ge(st.st_blocks * 512, SIZE);
	data(s)[SIZE - 1] = 'z';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &byte, 1, SIZE - 1), 1);
	ck_assert_int_eq(byte, 'z');
	close(fd);
	drop(true, s);
}
END_TEST

START_TEST(anonymous_one_has_no_name)
{
	ipk_shm *s = NULL;

	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = SIZE, .label = "some.label"), &s));
	ck_assert_int_eq(count_names(), 0);
	ck_assert_str_eq(((struct ipk__shm_memory *)s->base)->header.label, "some.label");
	ck_assert_int_eq(ipk__os_is_sealed(s->fd), 1);
	ck_assert(ipk_shm_is_current(s));
	memset(data(s), 'x', SIZE);
	ipk_shm_closep(&s);
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(null_and_bad_options_are_told)
{
	struct {
		ipk_shm_opts known;
		int unknown;
	} future = {.known = {.struct_size = sizeof future, .size_bytes = 1}, .unknown = 1};
	ipk_shm *s = NULL, *anonymous = NULL;
	size_t n;

#define REFUSED(...) ck_err(ipk_shm_create(IPK_SHM(__VA_ARGS__), &s), -EINVAL)
	ck_err(ipk_shm_create(NULL, &s), -EINVAL);
	ck_err(ipk_shm_create(&future.known, &s), -EINVAL);
	ck_err(ipk_shm_create(IPK_SHM(.size_bytes = 1), NULL), -EINVAL);
	REFUSED(.name = NULL);
	REFUSED(.size_bytes = 1, .name = "a/b");
	REFUSED(.size_bytes = 1, .name = "");
	REFUSED(.size_bytes = 1, .label = "a b");
	REFUSED(.size_bytes = 1, .is_raw = true);
	REFUSED(.size_bytes = 1, .unlink_last = true);
	REFUSED(.size_bytes = 1, .name = "x", .is_raw = true, .unlink_last = true);
	REFUSED(.size_bytes = 1, .name = "ipk.x", .is_raw = true);
	REFUSED(.size_bytes = 1, .name = ".", .is_raw = true);
	REFUSED(.size_bytes = 1, .name = "..", .is_raw = true);
#undef REFUSED
	ck_err(ipk_shm_open(NULL, 0, ipk_now(), &s), -EINVAL);
	ck_err(ipk_shm_open("x", 4, ipk_now(), &s), -EINVAL);
	ck_err(ipk_shm_open("x", 0, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_shm_open("ipk.x", IPK_SHM_RAW, ipk_now(), &s), -EINVAL);
	ck_err(ipk_shm_unlink("a/b", 0), -EINVAL);
	ck_err(ipk_shm_unlink("x", IPK_SHM_READ_ONLY), -EINVAL);
	ck_assert_ptr_null(ipk_shm_data(NULL));
	ck_assert_uint_eq(ipk_shm_size_bytes(NULL), 0);
	ck_assert(!ipk_shm_is_current(NULL));
	ck_assert_ptr_null(ipk_shm_close(NULL));
	ck_err(ipk_shm_users(NULL, NULL, 0, &n), -EBADF);
	ck_err(ipk_shm_replace(NULL, 1, &s), -EBADF);
	ck_err(ipk_shm_send(NULL, NULL, ipk_now()), -EBADF);
	ck_err(ipk_shm_recv(NULL, ipk_now(), &s), -EBADF);
	ck_err(ipk_shm_recv(NULL, ipk_now(), NULL), -EINVAL);
	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = 1), &anonymous));
	ck_err(ipk_shm_send(anonymous, NULL, ipk_now()), -EBADF);
	ck_err(ipk_shm_users(anonymous, NULL, 1, &n), -EINVAL);
	ck_err(ipk_shm_users(anonymous, NULL, 0, NULL), -EINVAL);
	ck_err(ipk_shm_replace(anonymous, 2, &s), -EOPNOTSUPP);
	ck_err(ipk_shm_replace(anonymous, 2, NULL), -EINVAL);
	ck_assert_ptr_null(s);
	ipk_shm_close(anonymous);
}
END_TEST

START_TEST(name_is_taken_once_and_outlives_handles)
{
	ipk_shm *a, *b = NULL;

	new_name(_i);
	ck_err(ipk_shm_open(name, raw_flag(_i), ipk_now(), &b), -ENOENT);
	ck_err(ipk_shm_unlink(name, raw_flag(_i)), -ENOENT);
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .is_raw = _i), &a));
	ck_err(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .is_raw = _i), &b),
	       -EEXIST);
	data(a)[0] = 'x';
	ck_assert(ipk_shm_is_current(a));
	ipk_shm_close(a);
	a = must_open(raw_flag(_i));
	ck_assert_int_eq(data(a)[0], 'x');
	/* The other sort of name is another name. */
	ck_err(ipk_shm_open(name, raw_flag(!_i), ipk_now(), &b), -ENOENT);
	ck_ok(ipk_shm_unlink(name, raw_flag(_i)));
	ck_assert(!ipk_shm_is_current(a));
	ck_assert_int_eq(data(a)[0], 'x');
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .is_raw = _i), &b));
	ck_assert_int_eq(data(b)[0], 0);
	ck_assert(!ipk_shm_is_current(a) && ipk_shm_is_current(b));
	ipk_shm_close(a);
	drop(_i, b);
}
END_TEST

static int write_to_it(void *arg)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer would make it an exit */
	data(arg)[0] = 'w';
	return 0;
}

START_TEST(read_only_one_is_not_written)
{
	ipk_shm *a = make(_i, SIZE), *b = must_open(raw_flag(_i) | IPK_SHM_READ_ONLY), *c = NULL;

	data(a)[0] = 'x';
	ck_assert_int_eq(data(b)[0], 'x');
	ck_assert_uint_eq(ipk_shm_size_bytes(b), SIZE);
	reap_signal(spawn(write_to_it, b), SIGSEGV);
	ck_assert_int_eq(data(a)[0], 'x');
	ck_err(ipk_shm_replace(b, 2 * SIZE, &c), -EOPNOTSUPP);
	ipk_shm_close(b);
	drop(_i, a);
}
END_TEST

/* What is no file of the kind: one of each is put where the name leads. */
START_TEST(what_it_cannot_be_is_refused)
{
	ipk_shm *s = NULL;
	ipk_lock *lock = NULL;
	ipk_queue *queue = NULL;
	int fd;

	new_name(false);
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name), &lock));
	ck_err(ipk_shm_open(name, 0, ipk_now(), &s), -EPROTOTYPE);
	ck_err(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 1, .unlink_last = true), &s),
	       -EEXIST);
	ck_ok(ipk_lock_unlink(name));
	ipk_lock_close(lock);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &queue));
	ck_err(ipk_shm_open(name, 0, ipk_now(), &s), -EPROTOTYPE);
	ck_ok(ipk_queue_unlink(name));
	ipk_queue_close(queue);
	for (int k = 0; k < 2; k++) {
		new_name(k);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		ck_err(ipk_shm_open(name, raw_flag(k), ipk_now(), &s), k ? -ENODATA : -EPROTO);
		ck_assert_int_eq(ftruncate(fd, 8192), 0);
		if (!k)
			ck_err(ipk_shm_open(name, 0, ipk_now(), &s), -EPROTO);
		for (mode_t bit = 1; bit < 0100; bit <<= 1) {
			int want = !k || (bit & 022) ? -EACCES : 0;

			ck_assert_int_eq(fchmod(fd, 0600 | bit), 0);
			ck_err(ipk_shm_open(name, raw_flag(k), ipk_now(), &s), want);
			if (want == 0)
				s = ipk_shm_close(s);
		}
		close(fd);
		unlink(path);
		ck_assert_int_eq(symlink("/etc/passwd", path), 0);
		ck_err(ipk_shm_open(name, raw_flag(k), ipk_now(), &s), -EPROTO);
		unlink(path);
		ck_assert_int_eq(mkfifo(path, 0600), 0);
		ck_err(ipk_shm_open(name, raw_flag(k), ipk_now(), &s), -EPROTO);
		unlink(path);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		ck_assert_int_lt(ipk_shm_open(name, raw_flag(k), ipk_now(), &s), 0);
		ck_assert_int_lt(ipk_shm_open(name, raw_flag(k) | IPK_SHM_READ_ONLY, ipk_now(), &s),
				 0);
		rmdir(path);
	}
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
	static const uint64_t wrong[] = {0, 2 * PAGE + 1, (uint64_t)1 << 40, UINT64_MAX};
	ipk_shm *a = make(false, SIZE), *b = NULL;
	struct ipk__shm_memory *memory = a->base;
	struct ipk__shm_header *h = &memory->header;

	for (size_t i = 0; i < IPK__N_OF(wrong); i++) {
		memory->size_bytes = wrong[i];
		ck_err(ipk_shm_open(name, 0, ipk_now(), &b), -EBADMSG);
	}
	memory->size_bytes = 2 * PAGE;
	ipk_shm_close(must_open(0));
	/* A header that is signed, but has no room for data. */
	h->fixed_bytes = PAGE;
	h->checksum = ipk__checksum(h, offsetof(struct ipk__shm_header, checksum));
	ck_err(ipk_shm_open(name, 0, ipk_now(), &b), -EBADMSG);
	h->label[0]++;
	ck_err(ipk_shm_open(name, 0, ipk_now(), &b), -EBADMSG);
	/* Who has it open has long taken the numbers over. */
	ck_assert_uint_eq(ipk_shm_size_bytes(a), SIZE);
	drop(false, a);
}
END_TEST

/* --- room ------------------------------------------------------------------------------------- */

START_TEST(more_than_there_is_is_told)
{
	static const size_t sizes[] = {(size_t)1 << 44, (size_t)1 << 46, SIZE_MAX / 2, SIZE_MAX};
	struct leaks before = leaks_now();
	ipk_shm *s = NULL;

	for (size_t i = 0; i < IPK__N_OF(sizes); i++) {
		new_name(false);
		ck_err(ipk_shm_create(IPK_SHM(.size_bytes = sizes[i]), &s), -ENOSPC);
		ck_err(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = sizes[i]), &s), -ENOSPC);
		ck_err(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = sizes[i], .is_raw = true),
				      &s),
		       -ENOSPC);
	}
	ck_no_leaks(&before);
}
END_TEST

/* A /dev/shm of 1 MiB, seen by this child alone. */
static int fill_shm(void *arg)
{
	bool is_raw = *(bool *)arg;
	ipk_shm *s = NULL, *t = NULL;
	struct stat st;
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") < 0)
		return SKIPPED;
	if (ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 1 << 21, .is_raw = is_raw), &s) !=
		    -ENOSPC ||
	    exists())
		return 1;
	if (ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 600 << 10, .is_raw = is_raw), &s) !=
	    0)
		return 2;
	memset(data(s), 'x', 600 << 10);
	if (ipk_shm_replace(s, 700 << 10, &t) != -ENOSPC || !ipk_shm_is_current(s))
		return 3;
	ipk_shm_close(s);
	if (stat(path, &st) < 0 || ipk_shm_unlink(name, raw_flag(is_raw)) != 0)
		return 4;
	/* One whose maker took no pages: that is told now, not by a signal later. */
	fd = open("/dev/shm/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ftruncate(fd, 1 << 21) < 0 ||
	    ipk_shm_open("sparse", IPK_SHM_RAW, ipk_now(), &s) != -ENOSPC ||
	    ipk_shm_open("sparse", IPK_SHM_RAW | IPK_SHM_READ_ONLY, ipk_now(), &s) != -ENOSPC)
		return 5;
	if (ftruncate(fd, 1 << 19) < 0 ||
	    ipk_shm_open("sparse", IPK_SHM_RAW | IPK_SHM_READ_ONLY, ipk_now(), &s) != 0 ||
	    fstat(fd, &st) < 0 || st.st_blocks * 512 < 1 << 19 || st.st_size != 1 << 19)
		return 6;
	return 0;
}

START_TEST(full_memory_is_told_before_it_is_used)
{
	bool is_raw = _i;
	int status;
	pid_t pid;

	new_name(is_raw);
	pid = spawn(fill_shm, &is_raw);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status %x", status);
	ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED, "step %d",
		      WEXITSTATUS(status));
}
END_TEST

START_TEST(without_an_fd_nothing_is_made)
{
	ipk_shm *a = make(_i, SIZE), *b = NULL;
	struct leaks before = leaks_now();
	struct rlimit was, limit;
	int r[4];
	size_t n;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	r[0] = ipk_shm_create(IPK_SHM(.size_bytes = SIZE), &b);
	r[1] = ipk_shm_open(name, raw_flag(_i), ipk_now(), &b);
	r[2] = ipk_shm_replace(a, 2 * SIZE, &b);
	r[3] = ipk_shm_users(a, NULL, 0, &n);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	for (int i = 0; i < 4; i++)
		ck_err(r[i], -EMFILE);
	ck_no_leaks(&before);
	drop(_i, a);
}
END_TEST

/* --- who has it ------------------------------------------------------------------------------- */

struct user {
	struct gate opened, end;
	unsigned flags;
};

static int use(void *arg)
{
	struct user *u = arg;
	ipk_shm *s = NULL;

	if (ipk_shm_open(name, u->flags, ipk_now(), &s) < 0)
		return 1;
	data(s)[1]++;
	gate_open(&u->opened);
	gate_wait(&u->end);
	ipk_shm_close(s);
	return 0;
}

static void init_user(struct user *u, unsigned flags)
{
	gate_init(&u->opened);
	gate_init(&u->end);
	u->flags = flags;
}

static void fini_user(struct user *u)
{
	gate_fini(&u->opened);
	gate_fini(&u->end);
}

static pid_t start_user(struct user *u, unsigned flags)
{
	pid_t pid;

	init_user(u, flags);
	pid = spawn(use, u);
	gate_wait(&u->opened);
	return pid;
}

struct count {
	const ipk_shm *s;
	size_t n;
};

static bool has_users(void *arg)
{
	struct count *c = arg;
	size_t n = 99;

	ck_ok(ipk_shm_users(c->s, NULL, 0, &n));
	return n == c->n;
}

/* An inspector that runs just now has everything open for a moment, and so counts. */
static void ck_users(const ipk_shm *s, size_t n)
{
	ck_assert(wait_until(has_users, &(struct count){s, n}, WAIT_MS));
}

static bool is_user(const ipk_shm *s, pid_t pid)
{
	uint32_t pids[64];
	size_t n = 0;
	bool is = false;

	ck_ok(ipk_shm_users(s, pids, 64, &n));
	for (size_t i = 0; i < n && i < 64; i++)
		is |= pids[i] == (uint32_t)pid;
	return is;
}

START_TEST(users_are_the_kernels_word)
{
	ipk_shm *a = make(_i, SIZE), *twice = must_open(raw_flag(_i)), *other = NULL;
	uint32_t pids[2] = {0, 77};
	struct user u;
	size_t n = 0;
	pid_t pid;

	/* Two handles of one process are one user, and other memory has others. */
	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = 1), &other));
	ck_users(a, 1);
	pid = start_user(&u, raw_flag(_i));
	ck_users(a, 2);
	ck_assert(is_user(a, pid) && is_user(a, getpid()));
	/* No more are written down than there is room for; all are counted. */
	ck_ok(ipk_shm_users(a, pids, 1, &n));
	ck_assert_uint_ge(n, 2);
	ck_assert(pids[0] != 0 && pids[1] == 77);
	/* Fork children have it too: the user inherited ours besides its own, and @other. */
	ck_assert(is_user(other, pid));
	kill_and_reap(pid);
	ck_assert(!is_user(a, pid) && !is_user(other, pid));
	ck_users(a, 1);
	ck_users(other, 1);
	fini_user(&u);
	ipk_shm_close(other);
	ipk_shm_close(twice);
	drop(_i, a);
}
END_TEST

static int make_and_die(void *arg)
{
	ipk_shm *s = NULL;
	bool is_raw = *(bool *)arg;

	if (ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .is_raw = is_raw), &s) < 0)
		return 1;
	data(s)[0] = 'x';
	return raise(SIGKILL);
}

START_TEST(death_of_the_maker_takes_nothing_away)
{
	bool is_raw = _i;
	struct user u;
	ipk_shm *s;

	new_name(is_raw);
	reap_signal(spawn(make_and_die, &is_raw), SIGKILL);
	s = must_open(raw_flag(is_raw));
	ck_assert_int_eq(data(s)[0], 'x');
	/* Nor does that of an opener, or its orderly end. */
	kill_and_reap(start_user(&u, raw_flag(is_raw)));
	fini_user(&u);
	ck_assert(ipk_shm_is_current(s));
	init_user(&u, raw_flag(is_raw));
	gate_open(&u.end);
	reap_ok(spawn(use, &u));
	fini_user(&u);
	ck_assert(ipk_shm_is_current(s));
	ck_assert_int_eq(data(s)[1], 2);
	drop(is_raw, s);
}
END_TEST

/* --- going with the last ---------------------------------------------------------------------- */

static ipk_shm *make_unlink_last(void)
{
	ipk_shm *s = NULL;

	new_name(false);
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .unlink_last = true), &s));
	ck_assert(exists());
	return s;
}

START_TEST(last_one_to_close_removes_the_name)
{
	ipk_shm *a = make_unlink_last(), *b = must_open(0), *c = must_open(IPK_SHM_READ_ONLY);

	ipk_shm_close(a);
	ck_assert(exists());
	ipk_shm_close(b);
	ck_assert(exists());
	ipk_shm_close(must_open(0));
	ck_assert(exists());
	ipk_shm_close(c);
	ck_assert(!exists());
	ck_err(ipk_shm_open(name, 0, ipk_now(), &a), -ENOENT);
	/* With none but the maker it goes as well. */
	ipk_shm_close(make_unlink_last());
	ck_assert(!exists());
}
END_TEST

START_TEST(fork_children_count)
{
	ipk_shm *s = make_unlink_last();
	struct user u;
	pid_t pid = start_user(&u, 0);

	/* The child has ours, which it never closes, besides its own. */
	ipk_shm_close(s);
	ck_assert(exists());
	s = must_open(0);
	gate_open(&u.end);
	reap_ok(pid);
	ck_assert(exists());
	ipk_shm_close(s);
	ck_assert(!exists());
	fini_user(&u);
}
END_TEST

struct heir {
	struct user u;
	ipk_shm *s;
};

static int wait_and_close(void *arg)
{
	struct heir *h = arg;

	gate_open(&h->u.opened);
	gate_wait(&h->u.end);
	if (!exists())
		return 1;
	/* The handle that the parent closed long ago is the last. */
	ipk_shm_close(h->s);
	return exists() ? 2 : 0;
}

START_TEST(fork_child_may_be_the_last)
{
	struct heir h = {.s = make_unlink_last()};
	pid_t pid;

	init_user(&h.u, 0);
	pid = spawn(wait_and_close, &h);
	gate_wait(&h.u.opened);
	ipk_shm_close(h.s);
	ck_assert(exists());
	gate_open(&h.u.end);
	reap_ok(pid);
	ck_assert(!exists());
	fini_user(&h.u);
}
END_TEST

START_TEST(killed_users_do_not_count)
{
	ipk_shm *s = make_unlink_last();
	struct user u;
	pid_t pid = start_user(&u, 0);

	kill_and_reap(pid);
	ck_assert(exists());
	ipk_shm_close(s);
	ck_assert(!exists());
	fini_user(&u);
}
END_TEST

static int make_unlink_last_and_die(void *arg)
{
	ipk_shm *s = NULL;

	(void)arg;
	if (ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .unlink_last = true), &s) < 0)
		return 1;
	data(s)[0] = 'x';
	return raise(SIGKILL);
}

START_TEST(next_one_removes_what_all_left_behind)
{
	ipk_shm *s = NULL;

	/* Whoever opens it, still finds it, and takes it along. */
	new_name(false);
	reap_signal(spawn(make_unlink_last_and_die, NULL), SIGKILL);
	ck_assert(exists());
	s = must_open(0);
	ck_assert_int_eq(data(s)[0], 'x');
	ipk_shm_close(s);
	ck_assert(!exists());
	/* Whoever makes it anew, does not find the name taken. */
	reap_signal(spawn(make_unlink_last_and_die, NULL), SIGKILL);
	ck_assert(exists());
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE), &s));
	ck_assert_int_eq(data(s)[0], 0);
	drop(false, s);
	/* One that somebody has is taken. */
	s = make_unlink_last();
	ck_err(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE), &(ipk_shm *){NULL}),
	       -EEXIST);
	ck_assert(ipk_shm_is_current(s));
	ipk_shm_close(s);
}
END_TEST

START_TEST(other_memory_of_the_name_stays)
{
	ipk_shm *s = make_unlink_last(), *other = NULL;

	ck_ok(ipk_shm_unlink(name, 0));
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE), &other));
	ipk_shm_close(s);
	ck_assert(ipk_shm_is_current(other));
	drop(false, other);
}
END_TEST

START_TEST(while_it_is_being_removed_it_is_gone)
{
	ipk_shm *s = make_unlink_last(), *other = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* As its last user has it, a moment before it removes the name. */
	ck_ok(ipk__os_lock_file(s->fd, IPK__OS_UNLOCKED));
	ck_ok(ipk__os_lock_file(fd, IPK__OS_ALONE));
	ck_err(ipk_shm_open(name, 0, ipk_now(), &other), -ENOENT);
	ck_err(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 1), &other), -EEXIST);
	close(fd);
	ck_ok(ipk__os_lock_file(s->fd, IPK__OS_SHARED));
	ipk_shm_close(s);
	ck_assert(!exists());
}
END_TEST

enum { N_CROWD = 4, N_TURNS = 300 };

/* Everybody makes it when it is not there; at most one memory of the name is current. */
static int come_and_go(void *arg)
{
	(void)arg;
	for (int i = 0; i < repeats(N_TURNS); i++) {
		ipk_shm *s = NULL;
		int r = ipk_shm_open(name, 0, ipk_now(), &s);

		if (r == -ENOENT)
			r = ipk_shm_create(
				IPK_SHM(.name = name, .size_bytes = SIZE, .unlink_last = true), &s);
		if (r < 0 && r != -EEXIST && r != -ENOENT)
			return 1;
		/* While we have it nobody takes the name away. */
		if (r == 0 && !ipk_shm_is_current(s))
			return 2;
		if (r == 0 && i % 3 == 0)
			sched_yield();
		if (r == 0 && !ipk_shm_is_current(s))
			return 3;
		ipk_shm_close(s);
	}
	return 0;
}

START_TEST(crowd_comes_and_goes)
{
	pid_t pids[N_CROWD];

	new_name(false);
	for (int i = 0; i < N_CROWD; i++)
		pids[i] = spawn(come_and_go, NULL);
	for (int i = 0; i < N_CROWD; i++)
		reap_ok(pids[i]);
	ck_assert(!exists());
}
END_TEST

/* --- replacing -------------------------------------------------------------------------------- */

START_TEST(larger_one_takes_its_place)
{
	ipk_shm *old = make(_i, SIZE), *bigger = NULL, *again = NULL;

	memset(data(old), 'x', SIZE);
	ck_ok(ipk_shm_replace(old, 10 * SIZE, &bigger));
	ck_assert(!ipk_shm_is_current(old));
	ck_assert(ipk_shm_is_current(bigger));
	ck_assert_uint_eq(ipk_shm_size_bytes(bigger), 10 * SIZE);
	ck_assert_int_eq(memcmp(data(bigger), data(old), SIZE), 0);
	for (int i = SIZE; i < 10 * SIZE; i++)
		ck_assert_int_eq(data(bigger)[i], 0);
	/* Who has the old one keeps it whole. */
	ck_assert_uint_eq(ipk_shm_size_bytes(old), SIZE);
	data(old)[SIZE - 1] = 'o';
	ck_assert_int_eq(data(bigger)[SIZE - 1], 'x');
	again = must_open(raw_flag(_i));
	ck_assert_uint_eq(ipk_shm_size_bytes(again), 10 * SIZE);
	data(again)[0] = 'a';
	ck_assert_int_eq(data(bigger)[0], 'a');
	/* From the old one there is no way on, and none to less. */
	ck_err(ipk_shm_replace(old, 20 * SIZE, &(ipk_shm *){NULL}), -ESTALE);
	ck_err(ipk_shm_replace(bigger, SIZE, &(ipk_shm *){NULL}), -EINVAL);
	ipk_shm_close(old);
	ck_assert(ipk_shm_is_current(again));
	old = again;
	ck_ok(ipk_shm_replace(old, 10 * SIZE, &again));
	ck_assert(ipk_shm_is_current(again) && !ipk_shm_is_current(bigger));
	ck_assert_int_eq(data(again)[0], 'a');
	ipk_shm_close(old);
	ipk_shm_close(bigger);
	drop(_i, again);
}
END_TEST

START_TEST(replaced_one_goes_with_its_last_user)
{
	ipk_shm *old = make_unlink_last(), *bigger = NULL, *other;

	other = must_open(0);
	ck_ok(ipk_shm_replace(old, 2 * SIZE, &bigger));
	ipk_shm_close(old);
	ipk_shm_close(other);
	ck_assert(ipk_shm_is_current(bigger));
	other = must_open(0);
	ipk_shm_close(bigger);
	ck_assert(ipk_shm_is_current(other));
	ipk_shm_close(other);
	ck_assert(!exists());
}
END_TEST

/* As a replacer that has linked its file and not renamed it yet. */
static int link_next(void *arg)
{
	struct user *u = arg;
	char next[UNIQUE_NAME_BYTES + 32];
	int fd;

	snprintf(next, sizeof next, "%s:next", path + strlen("/dev/shm/"));
	if (ipk__os_shm_temp(&fd) < 0 || ipk__os_lock_file(fd, IPK__OS_SHARED) < 0 ||
	    ipk__os_shm_link(fd, next) < 0)
		return 1;
	gate_open(&u->opened);
	gate_wait(&u->end);
	return 0;
}

START_TEST(one_replaces_at_a_time)
{
	ipk_shm *old = make(_i, SIZE), *bigger = NULL;
	char next[sizeof path + 8];
	struct user u;
	pid_t pid;

	snprintf(next, sizeof next, "%s:next", path);
	init_user(&u, 0);
	pid = spawn(link_next, &u);
	gate_wait(&u.opened);
	ck_err(ipk_shm_replace(old, 2 * SIZE, &bigger), -EBUSY);
	ck_assert(ipk_shm_is_current(old));
	ck_assert_int_eq(access(next, F_OK), 0);
	/* Killed there, it is in nobody's way. */
	kill_and_reap(pid);
	ck_assert_int_eq(access(next, F_OK), 0);
	ck_ok(ipk_shm_replace(old, 2 * SIZE, &bigger));
	ck_assert_int_ne(access(next, F_OK), 0);
	fini_user(&u);
	/* And goes with the name at the latest. */
	init_user(&u, 0);
	pid = spawn(link_next, &u);
	gate_wait(&u.opened);
	kill_and_reap(pid);
	ck_assert_int_eq(access(next, F_OK), 0);
	ipk_shm_close(old);
	drop(_i, bigger);
	ck_assert_int_ne(access(next, F_OK), 0);
	fini_user(&u);
}
END_TEST

/* Grow it by one, several at a time: each growth is by one process, none is lost. */
static int grow(void *arg)
{
	(void)arg;
	for (int i = 0; i < repeats(100);) {
		ipk_shm *s = NULL, *bigger = NULL;
		int r = ipk_shm_open(name, 0, ipk_now(), &s);

		if (r < 0)
			return 1;
		r = ipk_shm_replace(s, ipk_shm_size_bytes(s) + 1, &bigger);
		if (r < 0 && r != -ESTALE && r != -EBUSY)
			return 2;
		i += r == 0;
		ipk_shm_close(bigger);
		ipk_shm_close(s);
	}
	return 0;
}

START_TEST(crowd_replaces)
{
	ipk_shm *s = make(false, SIZE);
	pid_t pids[3];

	for (int i = 0; i < 3; i++)
		pids[i] = spawn(grow, NULL);
	for (int i = 0; i < 3; i++)
		reap_ok(pids[i]);
	ipk_shm_close(s);
	s = must_open(0);
	ck_assert_uint_eq(ipk_shm_size_bytes(s), SIZE + 3 * repeats(100));
	drop(false, s);
	ck_assert_int_eq(count_names(), 0);
}
END_TEST

/* --- passing ---------------------------------------------------------------------------------- */

START_TEST(anonymous_one_is_passed_over_a_pipe)
{
	ipk_shm *s = NULL, *other = NULL;
	ipk_lock *lock = NULL;
	ipk_pipe *a, *b;

	ck_ok(ipk_pipe_create(IPK_PIPE(.flags = _i ? IPK_PIPE_SOCKET : 0), &a, &b));
	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = SIZE), &s));
	data(s)[0] = 'x';
	ck_ok(ipk_shm_send(s, a, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_shm_recv(b, ipk_in_ms(WAIT_MS), &other));
	ck_assert_uint_eq(ipk_shm_size_bytes(other), SIZE);
	data(other)[1] = 'y';
	ck_assert_int_eq(data(s)[1], 'y');
	ipk_shm_close(s);
	ck_assert_int_eq(data(other)[0], 'x');
	/* And is nothing else, nor is anything else it. */
	ck_ok(ipk_shm_send(other, b, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_lock_recv(a, ipk_in_ms(WAIT_MS), &lock), -EPROTOTYPE);
	ipk_shm_close(other);
	other = NULL;
	ck_ok(ipk_lock_create(NULL, &lock));
	ck_ok(ipk_lock_send(lock, a, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_shm_recv(b, ipk_in_ms(WAIT_MS), &other), -EPROTOTYPE);
	ck_err(ipk_shm_recv(b, ipk_now(), &other), -ETIMEDOUT);
	ck_assert_ptr_null(other);
	ipk_lock_close(lock);
	ipk_pipe_close(a);
	ck_err(ipk_shm_recv(b, ipk_in_ms(WAIT_MS), &other), -EPIPE);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(named_one_is_not_passed)
{
	ipk_shm *s = make(_i, SIZE);
	ipk_pipe *a, *b;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_err(ipk_shm_send(s, a, ipk_now()), -EOPNOTSUPP);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	drop(_i, s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("shm_memory");

	add_loop_test(s, both_handles_have_the_same_bytes, 0, 2);
	add_loop_test(s, holes_are_filled_when_it_is_opened, 0, 4);
	add_test(s, raw_file_is_exactly_the_bytes);
	add_test(s, anonymous_one_has_no_name);
	add_test(s, null_and_bad_options_are_told);
	add_loop_test(s, name_is_taken_once_and_outlives_handles, 0, 2);
	add_loop_test(s, read_only_one_is_not_written, 0, 2);
	add_test(s, what_it_cannot_be_is_refused);
	add_test(s, impossible_sizes_are_refused);
	add_test(s, more_than_there_is_is_told);
	add_loop_test(s, full_memory_is_told_before_it_is_used, 0, 2);
	add_loop_test(s, without_an_fd_nothing_is_made, 0, 2);
	add_loop_test(s, users_are_the_kernels_word, 0, 2);
	add_loop_test(s, death_of_the_maker_takes_nothing_away, 0, 2);
	add_test(s, last_one_to_close_removes_the_name);
	add_test(s, fork_children_count);
	add_test(s, fork_child_may_be_the_last);
	add_test(s, killed_users_do_not_count);
	add_test(s, next_one_removes_what_all_left_behind);
	add_test(s, other_memory_of_the_name_stays);
	add_test(s, while_it_is_being_removed_it_is_gone);
	add_test(s, crowd_comes_and_goes);
	add_loop_test(s, larger_one_takes_its_place, 0, 2);
	add_test(s, replaced_one_goes_with_its_last_user);
	add_loop_test(s, one_replaces_at_a_time, 0, 2);
	add_test(s, crowd_replaces);
	add_loop_test(s, anonymous_one_is_passed_over_a_pipe, 0, 2);
	add_loop_test(s, named_one_is_not_passed, 0, 2);
	return s;
}

IPK_TEST_MAIN(suite)
