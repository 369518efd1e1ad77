/*
 * test_store_readers.c - readers of the store in processes of their own, while its writer changes
 * everything as fast as it can, and is killed: they never see a partial change.
 *
 * All stored data is self-checking: a value is one letter, repeated, whose length and name follow
 * from each other.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "store/store.h"
#include "store/view.h"
#include "support/support.h"

#define S(text) IPK__SLICE_OF(text)
enum { N_READERS = 2, N_NAMES = 2000, N_HOT = 4, RUN_MS = 600, VALUE_MAX = 3000 };

struct fixture {
	_Atomic uint32_t stop;
	_Atomic uint32_t is_ready;
	_Atomic uint64_t n_found; /* by readers */
	_Atomic uint64_t n_changes;
	_Atomic int fd;
};

static struct fixture *make_fixture(void)
{
	void *p = mmap(NULL, sizeof(struct fixture), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* Half the time one that is written, and read, all the time. */
static uint32_t any_name(uint32_t r)
{
	return r % 2 ? r / 2 % N_HOT : r / 2 % N_NAMES;
}

static struct ipk__slice name_of(uint32_t i, char buf[16])
{
	snprintf(buf, 16, "name:%u", i);
	return IPK__SLICE(buf, strlen(buf));
}

/* "<number>:" and then a letter, so often that the length follows from number and letter. */
static struct ipk__slice value_of(uint32_t i, uint32_t r, char buf[VALUE_MAX])
{
	uint32_t letter = r % 26;
	uint32_t n = (i * 7 + letter * 31) % (i % 50 == 0 ? VALUE_MAX - 100 : 90) + 20;

	if (i < N_HOT)
		n = 800 + letter; /* written in place */
	memset(buf, (int)('a' + letter), n);
	buf[snprintf(buf, 16, "%u", i)] = ':';
	return IPK__SLICE(buf, n);
}

static void check_value(uint32_t i, const char *bytes, size_t n)
{
	char want[VALUE_MAX];
	struct ipk__slice value;
	uint32_t letter = n > 0 ? (uint32_t)(bytes[n - 1] - 'a') : 0;

	ck_assert_msg(n > 0 && letter < 26, "%zu bytes of %u end in %d", n, i, bytes[n - 1]);
	value = value_of(i, letter, want);
	ck_assert_msg(value.n_bytes == n && memcmp(want, bytes, n) == 0,
		      "half a value of %u: \"%.*s\"", i, (int)n, bytes);
}

/* --- the writer ------------------------------------------------------------------------------- */

struct writer {
	struct ipk__store *s;
	uint64_t random;
};

static struct ipk__entry *container(struct writer *w, struct ipk__slice name,
				    enum ipk__key_type type)
{
	struct ipk__entry *e = ipk__key_find(w->s, name);

	if (!e)
		ck_ok(ipk__key_make(w->s, name, type, &e));
	return e;
}

/* The list has numbers in a row, so a range that is of one moment has too. */
static void change_list(struct writer *w)
{
	struct ipk__entry *e = container(w, S("list"), IPK__TYPE_LIST);
	struct ipk__store_list *l = ipk__key_list(w->s, e);
	uint64_t len = ipk__store_list_len(l);
	char buf[VALUE_MAX];
	uint32_t r = next_random(&w->random), first = 1000000, n;

	if (len > 0)
		first = (uint32_t)strtoul(ipk__store_list_at(w->s, l, 0).bytes, NULL, 10);
	n = (uint32_t)len;
	if (r % 64 == 0 && len > 10) {
		ipk__store_list_remove(w->s, l, r % 2 ? 0 : len - len / 2, len / 2);
	} else if (r % 16 < 6) {
		ck_ok(ipk__store_list_push(w->s, l, true, value_of(first - 1, r, buf)));
	} else if (r % 16 < 12) {
		ck_ok(ipk__store_list_push(w->s, l, false, value_of(first + n, r, buf)));
	} else if (len > 0 && r % 16 < 14) {
		uint32_t at = r / 16 % n;

		ck_ok(ipk__store_list_set(w->s, l, at, value_of(first + at, r / 7, buf)));
	} else if (len > 0) {
		ipk__store_list_remove(w->s, l, r / 16 % 2 ? 0 : len - 1, 1);
	}
}

static void change_hash(struct writer *w, bool grows)
{
	struct ipk__entry *e = container(w, S("hash"), IPK__TYPE_HASH);
	struct ipk__table *t = ipk__key_table(w->s, e);
	uint32_t r = next_random(&w->random), i = any_name(r);
	char name[16], buf[VALUE_MAX];

	if (r / 65536 % 8 < (grows ? 6 : 1))
		ck_ok(ipk__table_put(w->s, t, name_of(i, name), value_of(i, r / 7, buf), NULL));
	else
		ipk__table_remove(w->s, t, name_of(i, name));
}

static void change_string(struct writer *w)
{
	uint32_t r = next_random(&w->random), i = any_name(r);
	char name[16], buf[VALUE_MAX];

	if (r / 65536 % 4 < 3)
		ck_ok(ipk__key_set(w->s, name_of(i, name), value_of(i, r / 7, buf), false, NULL));
	else
		ipk__key_remove(w->s, name_of(i, name));
}

static void change_anything(struct writer *w, uint32_t k)
{
	switch (k % 4) {
	case 0:
		change_list(w);
		break;
	case 1:
	case 2:
		change_hash(w, k / 20000 % 2 == 0);
		break;
	default:
		change_string(w);
	}
	if (k % 50000 == 49999)
		ipk__keys_clear(w->s);
	else if (k % 7001 == 7000)
		ipk__key_remove(w->s, k % 2 ? S("hash") : S("list"));
	else if (k % 5003 == 5002 && ipk__key_find(w->s, S("hash")))
		ck_ok(ipk__key_rename(w->s, S("hash"), S("other")));
	else if (k % 100 == 0)
		ipk__store_step(w->s, 20000);
}

/* --- readers ---------------------------------------------------------------------------------- */

struct reader {
	struct ipk__view *v;
	uint64_t random;
	uint64_t n_found;
	struct ipk__spot hash, list;
};

/* True: it was there. Any other answer must be one of those that are right at any time. */
static bool found(struct reader *rd, int r, struct ipk__spot *spot)
{
	ck_assert_msg(r == 0 || r == -ENOENT || r == -ESTALE || r == -EAGAIN || r == -ERANGE ||
			      r == -EPIPE,
		      "-%s", ipk_errname(r));
	if (r == -ESTALE && spot)
		spot->id = 0;
	rd->n_found += r == 0;
	return r == 0;
}

static void read_range(struct reader *rd, uint32_t r)
{
	static char buf[20000];
	uint64_t n_items = 0, first = 0;
	size_t n = 0, at = 0;

	if (!found(rd,
		   ipk__view_list_range(rd->v, &rd->list, r % 200, 50, buf, sizeof buf, &n,
					&n_items),
		   &rd->list))
		return;
	for (uint64_t i = 0; i < n_items; i++) {
		uint32_t length, number;

		memcpy(&length, buf + at, sizeof length);
		at += sizeof length;
		number = (uint32_t)strtoul(buf + at, NULL, 10);
		check_value(number, buf + at, length);
		if (i > 0)
			ck_assert_uint_eq(number, first + i);
		else
			first = number;
		at += length;
	}
	ck_assert_uint_eq(at, n);
}

static void read_pairs(struct reader *rd, uint64_t *cursor)
{
	static char buf[20000];
	size_t n;

	if (!found(rd, ipk__view_dict_scan(rd->v, &rd->hash, cursor, buf, sizeof buf, &n),
		   &rd->hash))
		return;
	for (size_t at = 0; at < n;) {
		uint32_t lengths[2], number;
		char name[16];

		memcpy(lengths, buf + at, sizeof lengths);
		at += sizeof lengths;
		number = (uint32_t)strtoul(buf + at + lengths[0], NULL, 10);
		ck_assert(
			ipk__slice_equal(name_of(number, name), IPK__SLICE(buf + at, lengths[0])));
		check_value(number, buf + at + lengths[0], lengths[1]);
		at += lengths[0] + lengths[1];
	}
}

static void read_anything(struct reader *rd, uint64_t *cursor)
{
	uint32_t r = next_random(&rd->random), i = any_name(r / 8);
	char name[16], buf[VALUE_MAX];
	size_t n = 0;

	if (rd->hash.id == 0)
		found(rd, ipk__view_find(rd->v, S("hash"), IPK__TYPE_HASH, &rd->hash), NULL);
	if (rd->list.id == 0)
		found(rd, ipk__view_find(rd->v, S("list"), IPK__TYPE_LIST, &rd->list), NULL);
	switch (r % 8) {
	case 0:
		read_range(rd, r / 8);
		break;
	case 1:
		if (found(rd,
			  ipk__view_list_get(rd->v, &rd->list, r / 8 % 300, buf, sizeof buf, &n),
			  &rd->list))
			check_value((uint32_t)strtoul(buf, NULL, 10), buf, n);
		break;
	case 2:
		read_pairs(rd, cursor);
		break;
	case 3:
	case 4:
		if (found(rd, ipk__view_string_get(rd->v, name_of(i, name), buf, sizeof buf, &n),
			  NULL))
			check_value(i, buf, n);
		break;
	default:
		if (found(rd,
			  ipk__view_dict_get(rd->v, &rd->hash, name_of(i, name), buf, sizeof buf,
					     &n),
			  &rd->hash))
			check_value(i, buf, n);
	}
}

struct role {
	struct fixture *fixture;
	int fd;
	uint64_t seed;
};

static int reader(void *arg)
{
	struct role *role = arg;
	struct reader rd = {.random = role->seed};
	uint64_t cursor = 0;

	ck_ok(ipk__view_attach(role->fd, &rd.v));
	while (!role->fixture->stop)
		read_anything(&rd, &cursor);
	role->fixture->n_found += rd.n_found;
	ipk__view_close(rd.v);
	return 0;
}

/* Readers of a living writer: what they find is whole. */
START_TEST(readers_and_a_writer)
{
	struct fixture *fixture = make_fixture();
	struct ipk__store_opts opts = {.label = "test"};
	struct writer w = {.random = 1};
	pid_t pids[N_READERS];
	int64_t end_ns;

	ck_ok(ipk__store_create(&opts, &w.s));
	for (int i = 0; i < N_READERS; i++) {
		struct role role = {.fixture = fixture, .seed = (uint64_t)i + 9};

		ck_ok(ipk__store_fd_to_read(w.s, &role.fd));
		pids[i] = spawn(reader, &role);
		close(role.fd);
	}
	end_ns = ipk__os_now_ns() + RUN_MS * 1000000ll;
	for (uint32_t k = 0; k < 60000 || ipk__os_now_ns() < end_ns; k++)
		change_anything(&w, k);
	fixture->stop = 1;
	for (int i = 0; i < N_READERS; i++)
		reap_ok(pids[i]);
	ck_assert_uint_gt(fixture->n_found, 1000);
	ipk__store_close(w.s);
	munmap(fixture, sizeof *fixture);
}
END_TEST

/* A writer that is killed, at any moment. */
static int killed_later(void *arg)
{
	struct role *role = arg;
	struct ipk__store_opts opts = {.label = "test"};
	struct writer w = {.random = role->seed};

	ck_ok(ipk__store_create(&opts, &w.s));
	ck_ok(ipk__store_fd_to_read(w.s, &role->fd));
	role->fixture->fd = role->fd;
	role->fixture->is_ready = 1;
	for (uint32_t k = 0;; k++) {
		change_anything(&w, k);
		role->fixture->n_changes++;
	}
}

static bool is_dead(void *arg)
{
	char buf[8];
	size_t n;

	return ipk__view_string_get(arg, S("x"), buf, sizeof buf, &n) == -EPIPE;
}

static bool is_ready(void *arg)
{
	return ((struct fixture *)arg)->is_ready != 0;
}

START_TEST(killed_writer)
{
	struct fixture *fixture = make_fixture();
	struct role role = {.fixture = fixture, .seed = 77};
	uint64_t seen, cursor = 0;

	for (int round = 0; round < 12; round++) {
		struct reader rd = {.random = (uint64_t)round};
		char path[64];
		pid_t pid;
		int fd;

		fixture->is_ready = 0;
		pid = spawn(killed_later, &role);
		ck_assert(wait_until(is_ready, fixture, WAIT_MS));
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fixture->fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ck_ok(ipk__view_attach(fd, &rd.v));
		seen = fixture->n_changes;
		while (fixture->n_changes < seen + 50 * (uint64_t)round + 1)
			read_anything(&rd, &cursor);
		ck_assert(ipk__view_is_live(rd.v));
		kill(pid, SIGKILL);
		while (ipk__view_is_live(rd.v))
			read_anything(&rd, &cursor);
		reap_signal(pid, SIGKILL);
		ck_assert(wait_until(is_dead, rd.v, WAIT_MS));
		for (int i = 0; i < 200; i++)
			read_anything(&rd, &cursor); /* only -EPIPE, but never a crash */
		ck_assert(!ipk__view_is_live(rd.v));
		ipk__view_close(rd.v);
		role.seed++;
	}
	munmap(fixture, sizeof *fixture);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("store_readers");

	add_test(s, readers_and_a_writer);
	add_test(s, killed_writer);
	return s;
}

IPK_TEST_MAIN(suite)
