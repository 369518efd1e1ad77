/*
 * test_view.c - lib/store/view.c, view_dict.c, view_list.c: a reader finds what the writer put
 * there, whatever state it is in, and detects that it is no longer there.
 */
#include <pthread.h>

#include "os/os.h"
#include "store/store_internal.h"
#include "store/view_internal.h"
#include "unit/store/store_model.h"

#define S(text) IPK__SLICE_OF(text)

static struct ipk__view *attach(struct ipk__store *s)
{
	struct ipk__view *v = NULL;
	int fd;

	ck_ok(ipk__store_fd_to_read(s, &fd));
	ck_ok(ipk__view_attach(fd, &v));
	return v;
}

static struct ipk__table *make_hash(struct ipk__store *s, struct ipk__slice name)
{
	struct ipk__entry *e;

	ck_ok(ipk__key_make(s, name, IPK__TYPE_HASH, &e));
	return ipk__key_table(s, e);
}

static struct ipk__store_list *make_list(struct ipk__store *s, struct ipk__slice name)
{
	struct ipk__entry *e;

	ck_ok(ipk__key_make(s, name, IPK__TYPE_LIST, &e));
	return ipk__key_list(s, e);
}

START_TEST(strings)
{
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__spot spot;
	char buf[64];
	size_t n = 77;

	ck_assert(ipk__view_is_live(v));
	ck_err(ipk__view_string_get(v, S("a"), buf, sizeof buf, &n), -ENOENT);
	ck_ok(ipk__key_set(s, S("a"), S("hello"), false, NULL));
	ck_ok(ipk__view_string_get(v, S("a"), buf, sizeof buf, &n));
	ck_slice(IPK__SLICE(buf, n), "hello");
	ck_err(ipk__view_string_get(v, S("a"), buf, 4, &n), -EMSGSIZE);
	ck_assert_uint_eq(n, 5);
	ck_err(ipk__view_string_get(v, S("a"), NULL, 0, &n), -EMSGSIZE);
	ck_err(ipk__view_find(v, S("a"), IPK__TYPE_HASH, &spot), -EPROTOTYPE);
	ck_ok(ipk__key_expire(s, S("a"), ipk__os_unix_ms() + 1000000));
	ck_ok(ipk__view_string_get(v, S("a"), buf, sizeof buf, &n));
	ck_ok(ipk__key_expire(s, S("a"), ipk__os_unix_ms() - 1));
	ck_err(ipk__view_string_get(v, S("a"), buf, sizeof buf, &n), -ENOENT);
	ck_ok(ipk__key_expire(s, S("a"), 0));
	ck_ok(ipk__view_string_get(v, S("a"), buf, sizeof buf, &n));
	make_hash(s, S("h"));
	ck_err(ipk__view_string_get(v, S("h"), buf, sizeof buf, &n), -EPROTOTYPE);
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

START_TEST(spots)
{
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__table *t = make_hash(s, S("h"));
	struct ipk__spot spot, again, none = {0, 0};
	uint64_t len = 77;
	char buf[8];
	size_t n;

	ck_ok(ipk__table_put(s, t, S("f"), S("v"), NULL));
	ck_ok(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot));
	ck_err(ipk__view_find(v, S("h"), IPK__TYPE_LIST, &again), -EPROTOTYPE);
	ck_err(ipk__view_find(v, S("x"), IPK__TYPE_HASH, &again), -ENOENT);
	ck_ok(ipk__view_dict_get(v, &spot, S("f"), buf, sizeof buf, &n));
	ck_slice(IPK__SLICE(buf, n), "v");
	ck_err(ipk__view_dict_get(v, &spot, S("g"), buf, sizeof buf, &n), -ENOENT);
	ck_ok(ipk__view_dict_has(v, &spot, S("f")));
	ck_err(ipk__view_dict_has(v, &spot, S("g")), -ENOENT);
	ck_ok(ipk__view_dict_len(v, &spot, &len));
	ck_assert_uint_eq(len, 1);
	ck_err(ipk__view_list_len(v, &spot, &len), -EPROTOTYPE);
	ck_err(ipk__view_dict_len(v, &none, &len), -ESTALE);
	ck_ok(ipk__key_rename(s, S("h"), S("i")));
	ck_err(ipk__view_dict_len(v, &spot, &len), -ESTALE);
	ck_ok(ipk__view_find(v, S("i"), IPK__TYPE_HASH, &spot));
	ck_ok(ipk__view_dict_len(v, &spot, &len));
	ck_ok(ipk__key_expire(s, S("i"), 5));
	ck_err(ipk__view_dict_len(v, &spot, &len), -ESTALE);
	ck_err(ipk__view_find(v, S("i"), IPK__TYPE_HASH, &again), -ENOENT);
	ck_ok(ipk__key_expire(s, S("i"), 0));
	ck_ok(ipk__view_dict_len(v, &spot, &len));
	ck_assert(ipk__key_remove(s, S("i")));
	ck_err(ipk__view_dict_len(v, &spot, &len), -ESTALE);
	make_hash(s, S("h")); /* in the same slot */
	ck_err(ipk__view_dict_len(v, &spot, &len), -ESTALE);
	ck_ok(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot));
	ipk__keys_clear(s);
	ck_err(ipk__view_dict_len(v, &spot, &len), -ESTALE);
	ck_err(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot), -ENOENT);
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

/* All pairs of a table by its reader, and by its writer: how many there are of each name. */
static void count_pairs(struct ipk__view *v, const struct ipk__spot *spot, unsigned *counts)
{
	static char buf[600];
	uint64_t cursor = 0;
	size_t n;

	do {
		ck_ok(ipk__view_dict_scan(v, spot, &cursor, buf, sizeof buf, &n));
		for (size_t at = 0; at < n;) {
			uint32_t lengths[2];
			unsigned i;

			memcpy(lengths, buf + at, sizeof lengths);
			at += sizeof lengths;
			ck_assert_int_eq(sscanf(buf + at, "name:%u", &i), 1);
			ck_assert_mem_eq(buf + at + lengths[0], "value", 5);
			counts[i]++;
			at += lengths[0] + lengths[1];
		}
	} while (cursor != 0);
}

static void count_entry(void *arg, struct ipk__entry *entry)
{
	unsigned i;

	ck_assert_int_eq(sscanf(ipk__entry_name(entry).bytes, "name:%u", &i), 1);
	((unsigned *)arg)[i]++;
}

/* At every size while it grows and shrinks, so at every stage of its rehashing too. */
START_TEST(dict_of_any_size)
{
	enum { N = 300 };
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__table *t = make_hash(s, S("h"));
	struct ipk__spot spot;
	char buf[64];
	size_t n;

	ck_ok(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot));
	for (unsigned k = 0; k < 2 * N; k++) {
		unsigned from = k < N ? 0 : k - N + 1, to = k < N ? k + 1 : N;
		unsigned seen[N] = {0}, scanned[N] = {0}, walked[N] = {0};
		struct ipk__table_iter it = {0};
		uint64_t cursor = 0;
		struct ipk__entry *e;

		if (k < N)
			ck_ok(ipk__table_put(s, t, name_of(k), S("value"), NULL));
		else
			ck_assert(ipk__table_remove(s, t, name_of(k - N)));
		ck_assert_uint_eq(ipk__table_len(t), to - from);
		count_pairs(v, &spot, seen);
		do
			cursor = ipk__table_scan(s, t, cursor, count_entry, scanned);
		while (cursor != 0);
		while ((e = ipk__table_next(s, t, &it)) != NULL)
			count_entry(walked, e);
		for (unsigned i = 0; i < N; i++) {
			unsigned want = i >= from && i < to;

			ck_assert_uint_eq(seen[i], want);
			ck_assert_uint_eq(scanned[i], want);
			ck_assert_uint_eq(walked[i], want);
			if (i % 50 != k % 50)
				continue;
			ck_err(ipk__view_dict_get(v, &spot, name_of(i), buf, sizeof buf, &n),
			       want ? 0 : -ENOENT);
			ck_assert_int_eq(ipk__table_find(s, t, name_of(i)) != NULL, want);
		}
		ck_assert((ipk__table_random(s, t, k) != NULL) == (to > from));
	}
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

/* What is there from beginning to end of a SCAN is given, though the table grows or shrinks. */
START_TEST(scan_while_it_changes)
{
	enum { STAY = 300, COME = 20000 };
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__table *t = make_hash(s, S("h"));
	static unsigned by_view[STAY + COME], by_writer[STAY + COME];
	uint64_t view_cursor = 0, cursor = 0, random = 3;
	bool view_done = false, done = false;
	struct ipk__spot spot;
	unsigned next = STAY;
	static char buf[4096];
	size_t n;

	for (unsigned i = 0; i < STAY + (_i ? COME : 0); i++)
		ck_ok(ipk__table_put(s, t, name_of(i), S("value"), NULL));
	ck_ok(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot));
	while (!done || !view_done) {
		if (!done) {
			cursor = ipk__table_scan(s, t, cursor, count_entry, by_writer);
			done = cursor == 0;
		}
		if (!view_done) {
			size_t room = next_random(&random) % 300 + 200;

			ck_ok(ipk__view_dict_scan(v, &spot, &view_cursor, buf, room, &n));
			view_done = view_cursor == 0;
			for (size_t at = 0; at < n;) {
				uint32_t lengths[2];
				unsigned i;

				memcpy(lengths, buf + at, sizeof lengths);
				sscanf(buf + at + 8, "name:%u", &i);
				by_view[i]++;
				at += 8 + lengths[0] + lengths[1];
			}
		}
		for (unsigned k = next_random(&random) % 100; k > 0 && next < STAY + COME; k--) {
			if (_i)
				ck_assert(ipk__table_remove(s, t, name_of(next++)));
			else
				ck_ok(ipk__table_put(s, t, name_of(next++), S("value"), NULL));
		}
	}
	for (unsigned i = 0; i < STAY; i++) {
		ck_assert_uint_ge(by_view[i], 1);
		ck_assert_uint_ge(by_writer[i], 1);
	}
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

START_TEST(scan_needs_room)
{
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__table *t = make_hash(s, S("h"));
	static char value[1000], buf[1100];
	uint64_t cursor = 0;
	struct ipk__spot spot;
	size_t n = 0;

	ck_ok(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot));
	ck_ok(ipk__view_dict_scan(v, &spot, &cursor, buf, 0, &n));
	ck_assert_uint_eq(cursor, 0);
	ck_ok(ipk__table_put(s, t, S("f"), IPK__SLICE(value, sizeof value), NULL));
	while (n == 0) {
		int r = ipk__view_dict_scan(v, &spot, &cursor, buf, 500, &n);

		if (r == -EMSGSIZE)
			break;
		ck_ok(r);
		ck_assert_uint_ne(cursor, 0);
	}
	ck_assert_uint_eq(n, 8 + 1 + sizeof value);
	ck_ok(ipk__view_dict_scan(v, &spot, &cursor, buf, sizeof buf, &n));
	ck_assert_uint_eq(n, 8 + 1 + sizeof value);
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

START_TEST(random_is_fair)
{
	enum { N = 40, N_ASKED = 40000 };
	struct ipk__store *s = open_store();
	struct ipk__table *t = make_hash(s, S("h"));
	unsigned counts[N] = {0};
	uint64_t random = 5;

	ck_assert_ptr_null(ipk__table_random(s, t, 1));
	for (unsigned i = 0; i < N; i++)
		ck_ok(ipk__table_put(s, t, name_of(i), S("value"), NULL));
	for (int i = 0; i < N_ASKED; i++)
		count_entry(counts, ipk__table_random(s, t, next_random(&random)));
	for (unsigned i = 0; i < N; i++) {
		ck_assert_uint_gt(counts[i], N_ASKED / N / 2);
		ck_assert_uint_lt(counts[i], N_ASKED / N * 2);
	}
	ipk__store_close(s);
}
END_TEST

START_TEST(lists)
{
	enum { N = 3000, LARGE = 5000 };
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__store_list *l = make_list(s, S("l"));
	static char large[LARGE], buf[3 * LARGE];
	struct ipk__spot spot;
	uint64_t len = 77, n_items;
	size_t n;

	ck_ok(ipk__view_find(v, S("l"), IPK__TYPE_LIST, &spot));
	ck_ok(ipk__view_list_len(v, &spot, &len));
	ck_assert_uint_eq(len, 0);
	ck_err(ipk__view_list_get(v, &spot, 0, buf, sizeof buf, &n), -ERANGE);
	ck_ok(ipk__view_list_range(v, &spot, 0, 10, buf, sizeof buf, &n, &n_items));
	ck_assert_uint_eq(n_items, 0);
	for (unsigned i = 0; i < N; i++)
		ck_ok(ipk__store_list_push(s, l, false,
					   i % 500 == 7 ? IPK__SLICE(large, LARGE) : name_of(i)));
	for (int i = -N; i < N; i++) {
		unsigned k = (unsigned)(i < 0 ? i + N : i);

		ck_ok(ipk__view_list_get(v, &spot, i, buf, sizeof buf, &n));
		if (k % 500 == 7)
			ck_assert_uint_eq(n, LARGE);
		else
			ck_assert(ipk__slice_equal(IPK__SLICE(buf, n), name_of(k)));
	}
	ck_err(ipk__view_list_get(v, &spot, N, buf, sizeof buf, &n), -ERANGE);
	ck_err(ipk__view_list_get(v, &spot, -N - 1, buf, sizeof buf, &n), -ERANGE);
	ck_err(ipk__view_list_get(v, &spot, 7, buf, 10, &n), -EMSGSIZE);
	ck_assert_uint_eq(n, LARGE);
	for (unsigned i = 0; i < N; i += (unsigned)n_items) {
		size_t at = 0;

		ck_ok(ipk__view_list_range(v, &spot, i, 100, buf, sizeof buf, &n, &n_items));
		ck_assert_uint_ge(n_items, i + 100 <= N ? 100 : N - i);
		for (unsigned k = i; k < i + n_items; k++) {
			uint32_t length;

			memcpy(&length, buf + at, sizeof length);
			if (k % 500 != 7)
				ck_assert(ipk__slice_equal(IPK__SLICE(buf + at + 4, length),
							   name_of(k)));
			at += 4 + length;
		}
		ck_assert_uint_eq(at, n);
	}
	ck_err(ipk__view_list_range(v, &spot, 7, 100, buf, LARGE, &n, &n_items), -EMSGSIZE);
	ck_assert_uint_eq(n, LARGE + 4);
	ck_ok(ipk__view_list_range(v, &spot, 6, 100, buf, LARGE, &n, &n_items));
	ck_assert_uint_eq(n_items, 1);
	ck_ok(ipk__view_list_range(v, &spot, N + 5, 100, buf, LARGE, &n, &n_items));
	ck_assert_uint_eq(n_items, 0);
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

/* In the middle of a change a reader gives up soon, and says so. */
START_TEST(odd)
{
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__table *t = make_hash(s, S("h"));
	struct ipk__spot spot;
	char buf[8], *bytes;
	size_t n = 77;

	ck_ok(ipk__table_put(s, t, S("f"), S("v"), NULL));
	ck_ok(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot));
	ipk__slot_begin(ipk__slot_of_table(t));
	ck_err(ipk__view_dict_get(v, &spot, S("f"), buf, sizeof buf, &n), -EAGAIN);
	ipk__slot_end(ipk__slot_of_table(t));
	ck_ok(ipk__view_dict_get(v, &spot, S("f"), buf, sizeof buf, &n));
	ck_ok(ipk__key_resize(s, S("a"), 3, &bytes));
	ck_err(ipk__view_string_get(v, S("a"), buf, sizeof buf, &n), -EAGAIN);
	memcpy(bytes, "abc", 3);
	ipk__store_step(s, 0);
	ck_ok(ipk__view_string_get(v, S("a"), buf, sizeof buf, &n));
	ck_slice(IPK__SLICE(buf, n), "abc");
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

START_TEST(closed)
{
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	struct ipk__view_key keys[4];
	struct ipk__spot spot;
	uint64_t len, cursor = 0;
	char buf[64];
	size_t n = 0;

	make_hash(s, S("h"));
	ck_ok(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot));
	ipk__store_status(s)->server_pid = 4242;
	ipk__store_close(s);
	ck_assert(!ipk__view_is_live(v));
	ck_err(ipk__view_dict_len(v, &spot, &len), -EPIPE);
	ck_err(ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot), -EPIPE);
	ck_err(ipk__view_string_get(v, S("h"), buf, sizeof buf, &n), -EPIPE);
	/* Inspection sees what was there. */
	ck_assert_uint_eq(ipk__view_status(v)->server_pid, 4242);
	ck_ok(ipk__view_keys_scan(v, &cursor, buf, sizeof buf, keys, 4, &n));
	ck_assert_uint_eq(n, 1);
	ck_slice(keys[0].name, "h");
	ipk__view_close(v);
}
END_TEST

static int close_it(void *arg)
{
	ipk__store_close(arg);
	return 0;
}

static void *close_in_thread(void *arg)
{
	ipk__store_close(arg);
	return NULL;
}

/* A fork child's closing does not end its parent's store; another thread's does. */
START_TEST(closed_by_others)
{
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	pthread_t thread;

	reap_ok(spawn(close_it, s));
	ck_assert(ipk__view_is_live(v));
	ck_ok(ipk__key_set(s, S("a"), S("1"), false, NULL));
	ck_assert_int_eq(pthread_create(&thread, NULL, close_in_thread, s), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(!ipk__view_is_live(v));
	ipk__view_close(v);
}
END_TEST

START_TEST(inspection)
{
	enum { N = 1000 };
	struct ipk__store *s = open_store();
	struct ipk__view *v = attach(s);
	static unsigned seen[N];
	struct ipk__view_key keys[50];
	char buf[400];
	uint64_t cursor = 0;
	size_t n;

	for (unsigned i = 0; i < N; i++) {
		struct ipk__entry *e;
		enum ipk__key_type type = (enum ipk__key_type)(i % 4 + 1);

		if (type == IPK__TYPE_STRING) {
			ck_ok(ipk__key_set(s, name_of(i), S("12345"), false, NULL));
			ck_ok(ipk__key_expire(s, name_of(i), 1000 + i));
			continue;
		}
		ck_ok(ipk__key_make(s, name_of(i), type, &e));
		for (unsigned k = 0; k < 3; k++) {
			if (type == IPK__TYPE_HASH)
				ck_ok(ipk__table_put(s, ipk__key_table(s, e), name_of(k), S("v"),
						     NULL));
			else if (type == IPK__TYPE_LIST)
				ck_ok(ipk__store_list_push(s, ipk__key_list(s, e), true, S("v")));
			else
				ipk__key_sync_object(s, e)->n_items = 7;
		}
	}
	do {
		ck_ok(ipk__view_keys_scan(v, &cursor, buf, sizeof buf, keys, 50, &n));
		for (size_t i = 0; i < n; i++) {
			unsigned k = N;
			char name[16] = {0};
			static const unsigned lens[] = {0, 5, 3, 3, 7};

			memcpy(name, keys[i].name.bytes, IPK__MIN(keys[i].name.n_bytes, 15u));
			/* Names that did not fit are cut; those that did are whole. */
			if (sscanf(name, "name:%u", &k) == 1 && k < N && keys[i].type == k % 4 + 1)
				seen[k]++;
			ck_assert_uint_eq(keys[i].len, lens[keys[i].type]);
			ck_assert_uint_gt(keys[i].n_bytes, 16);
			if (keys[i].type == IPK__TYPE_SYNC_OBJECT) {
				struct ipk__shm_sync_object object;

				ck_ok(ipk__view_sync_object(v, &keys[i].spot, &object));
				ck_assert_uint_eq(object.n_items, 7);
			}
		}
	} while (cursor != 0);
	n = 0;
	for (unsigned i = 0; i < N; i++)
		n += seen[i] == 1;
	ck_assert_uint_gt(n, N / 2);
	ipk__view_close(v);
	ipk__store_close(s);
}
END_TEST

START_TEST(not_a_store)
{
	struct ipk__view *v = (void *)1;
	int fd;

	ck_ok(ipk__os_memfd("ipk:manager:bad", &fd));
	ck_err(ipk__view_attach(fd, &v), -EPROTO);
	ck_assert_ptr_eq(v, (void *)1);
}
END_TEST

/*
 * A damaged segment: random words of a copy are overwritten, mostly with what was somewhere
 * else in it, and every call is made. None crashes or takes long, whatever it answers.
 */
static struct ipk__view *copy_of(struct ipk__store *s, char **ret_bytes, size_t *ret_n)
{
	size_t n = s->heap.n_chunks * IPK__STORE_CHUNK_BYTES;
	struct ipk__view *v = NULL;
	void *bytes;
	int fd, again;

	ck_ok(ipk__os_memfd("ipk:manager:copy", &fd));
	ck_ok(ipk__os_set_size(fd, s->segment.mapped_bytes));
	ck_ok(ipk__os_pwrite(fd, s->shared, n, 0));
	ck_ok(ipk__os_map(fd, n, true, &bytes));
	ck_ok(ipk__os_seal(fd, false));
	ck_ok(ipk__os_open_again(fd, false, &again));
	ipk__os_close(fd);
	ck_ok(ipk__view_attach(again, &v));
	*ret_bytes = bytes;
	*ret_n = n;
	return v;
}

static void ask_everything(struct ipk__view *v, struct ipk__spot h, struct ipk__spot l, unsigned i)
{
	static char buf[4096];
	struct ipk__view_key keys[20];
	struct ipk__shm_sync_object object;
	struct ipk__spot spot;
	uint64_t cursor = i, len, n_items;
	size_t n;

	(void)ipk__view_find(v, name_of(i), IPK__TYPE_HASH, &spot);
	(void)ipk__view_find(v, S("h"), IPK__TYPE_HASH, &spot);
	(void)ipk__view_string_get(v, name_of(i), buf, sizeof buf, &n);
	(void)ipk__view_dict_get(v, &h, name_of(i), buf, sizeof buf, &n);
	(void)ipk__view_dict_has(v, &h, name_of(i));
	(void)ipk__view_dict_len(v, &h, &len);
	(void)ipk__view_dict_scan(v, &h, &cursor, buf, sizeof buf, &n);
	(void)ipk__view_list_get(v, &l, (int64_t)i, buf, sizeof buf, &n);
	(void)ipk__view_list_get(v, &l, -(int64_t)i, buf, sizeof buf, &n);
	(void)ipk__view_list_len(v, &l, &len);
	(void)ipk__view_list_range(v, &l, i, 50, buf, sizeof buf, &n, &n_items);
	cursor = i;
	(void)ipk__view_keys_scan(v, &cursor, buf, sizeof buf, keys, 20, &n);
	(void)ipk__view_sync_object(v, &h, &object);
}

START_TEST(damaged)
{
	struct ipk__store *s = open_store();
	struct ipk__view *first = attach(s), *v;
	struct ipk__table *t = make_hash(s, S("h"));
	struct ipk__store_list *l = make_list(s, S("l"));
	struct ipk__spot h_spot, l_spot;
	uint64_t random = 11 + (uint64_t)_i;
	char *bytes, *good;
	size_t n, n_used;

	for (unsigned i = 0; i < 300; i++) {
		ck_ok(ipk__key_set(s, name_of(i), name_of(i), false, NULL));
		ck_ok(ipk__table_put(s, t, name_of(i), name_of(i), NULL));
		ck_ok(ipk__store_list_push(s, l, i % 2, name_of(i)));
	}
	ck_ok(ipk__view_find(first, S("h"), IPK__TYPE_HASH, &h_spot));
	ck_ok(ipk__view_find(first, S("l"), IPK__TYPE_LIST, &l_spot));
	v = copy_of(s, &bytes, &n);
	n_used = n < 700000 ? n : 700000;
	good = malloc(n);
	memcpy(good, bytes, n);
	for (unsigned k = 0; k < repeats(2000); k++) {
		uint32_t n_words = next_random(&random) % 200 + 1;
		/* The header's page, the slots, or anywhere. */
		size_t from = k % 3 == 0   ? offsetof(struct ipk__shm_store, hash_key)
			      : k % 3 == 1 ? (size_t)h_spot.slot * IPK__SLOT_BYTES
					   : s->heap.n_fixed * IPK__STORE_CHUNK_BYTES;
		size_t span = k % 3 == 0   ? 256
			      : k % 3 == 1 ? 256
					   : n_used - s->heap.n_fixed * IPK__STORE_CHUNK_BYTES;

		for (uint32_t i = 0; i < n_words; i++) {
			size_t at = from + next_random(&random) % span / 4 * 4;
			size_t other = next_random(&random) % n_used / 4 * 4;
			uint32_t word = next_random(&random) * 2;

			if (k % 3 != 2 && i == 4)
				break;
			if (i % 4 == 1)
				word = next_random(&random) % 70000;
			if (i % 4 == 2)
				word = 1u << next_random(&random) % 32;
			memcpy(bytes + at, i % 4 == 0 ? good + other : (char *)&word, 4);
		}
		for (unsigned i = 0; i < 4; i++)
			ask_everything(v, h_spot, l_spot, next_random(&random) % 310);
		if (k % 3 != 2)
			memcpy(bytes + from, good + from, span);
		else if (k % 60 == 2)
			memcpy(bytes, good, n_used);
	}
	free(good);
	ipk__os_unmap(bytes, n);
	ipk__view_close(v);
	ipk__view_close(first);
	ipk__store_close(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("view");

	add_test(s, strings);
	add_test(s, spots);
	add_test(s, dict_of_any_size);
	add_loop_test(s, scan_while_it_changes, 0, 2);
	add_test(s, scan_needs_room);
	add_test(s, random_is_fair);
	add_test(s, lists);
	add_test(s, odd);
	add_test(s, closed);
	tcase_add_test(test_case_without_leak_check(s, "closed_by_others"), closed_by_others);
	add_test(s, inspection);
	add_test(s, not_a_store);
	add_loop_test(s, damaged, 0, 3);
	return s;
}

IPK_TEST_MAIN(suite)
