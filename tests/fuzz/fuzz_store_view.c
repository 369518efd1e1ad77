/*
 * fuzz_store_view.c - reading a store whose memory any process may have written.
 *
 * The input is a series of changes to a copy of a valid store, six bytes each: where (three) and
 * what to (a word of 16 bits put there, added, or taken from elsewhere in the store). Every call of
 * a reader is made on it, with positions that were found while it was valid and with those found
 * now. Then the copy is restored.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "store/store_internal.h"
#include "store/shared_objects.h"
#include "store/view.h"

enum { CHANGE_BYTES = 6, CHANGES_MAX = 64, N_FIELDS = 60, N_ITEMS = 300, SCANS = 200 };

static char *good;
static char *bytes; /* the copy that is changed */
static size_t n_bytes;
static struct ipk__store *store; /* never closed: its end would be seen in the copy too */
static struct ipk__view *view;
static struct ipk__spot hash, list;

static void must(int r)
{
	if (r < 0)
		abort();
}

static void fill(struct ipk__store *s)
{
	struct ipk__entry *key;
	char text[24];

	must(ipk__key_set(s, IPK__SLICE_OF("string"), IPK__SLICE_OF("some value"), false, NULL));
	must(ipk__key_expire(s, IPK__SLICE_OF("string"), INT64_MAX));
	must(ipk__key_make(s, IPK__SLICE_OF("hash"), IPK__TYPE_HASH, &key));
	for (int i = 0; i < N_FIELDS; i++) {
		struct ipk__slice field = {text, (size_t)snprintf(text, sizeof text, "%d", i)};

		key = ipk__key_find(s, IPK__SLICE_OF("hash"));
		must(ipk__table_put(s, ipk__key_table(s, key), field, field, NULL));
	}
	must(ipk__key_make(s, IPK__SLICE_OF("list"), IPK__TYPE_LIST, &key));
	for (int i = 0; i < N_ITEMS; i++)
		must(ipk__store_list_push(s, ipk__key_list(s, key), i % 2,
					  IPK__SLICE_OF("an item")));
	must(ipk__key_make(s, IPK__SLICE_OF("object"), IPK__TYPE_SYNC_OBJECT, &key));
}

static void copy(struct ipk__store *s)
{
	void *addr;
	int fd, again;

	n_bytes = s->heap.n_chunks * IPK__STORE_CHUNK_BYTES;
	good = malloc(n_bytes);
	if (!good)
		abort();
	memcpy(good, s->shared, n_bytes);
	must(ipk__os_memfd("ipk:manager:fuzz", &fd));
	must(ipk__os_set_size(fd, s->segment.mapped_bytes));
	must(ipk__os_pwrite(fd, good, n_bytes, 0));
	must(ipk__os_map(fd, n_bytes, true, &addr));
	bytes = addr;
	must(ipk__os_seal(fd, false));
	must(ipk__os_open_again(fd, false, &again));
	ipk__os_close(fd);
	must(ipk__view_attach(again, &view));
}

static void prepare(void)
{
	struct ipk__store_opts opts = {.label = "fuzz"};

	must(ipk__store_create(&opts, &store));
	fill(store);
	copy(store);
	must(ipk__view_find(view, IPK__SLICE_OF("hash"), IPK__TYPE_HASH, &hash));
	must(ipk__view_find(view, IPK__SLICE_OF("list"), IPK__TYPE_LIST, &list));
}

static size_t record_of(const uint8_t *change)
{
	size_t at = change[0] | (size_t)change[1] << 8 | (size_t)change[2] << 16;

	return at % (n_bytes - 2);
}

static void apply(const uint8_t *change)
{
	size_t at = record_of(change);
	uint16_t word = (uint16_t)(change[3] | change[4] << 8);
	uint16_t old;

	memcpy(&old, bytes + at, sizeof old);
	if (change[5] % 3 == 1)
		word = (uint16_t)(old + word);
	else if (change[5] % 3 == 2)
		memcpy(&word, good + (size_t)word * 16 % (n_bytes - 2), sizeof word);
	memcpy(bytes + at, &word, sizeof word);
}

static void ask_hash(const struct ipk__spot *spot)
{
	static char buf[8192];
	uint64_t cursor = 0, len;
	size_t n;

	(void)ipk__view_dict_get(view, spot, IPK__SLICE_OF("7"), buf, sizeof buf, &n);
	(void)ipk__view_dict_has(view, spot, IPK__SLICE_OF("nothing"));
	(void)ipk__view_dict_len(view, spot, &len);
	for (int i = 0; i < SCANS; i++)
		if (ipk__view_dict_scan(view, spot, &cursor, buf, sizeof buf, &n) < 0 ||
		    cursor == 0)
			break;
}

static void ask_list(const struct ipk__spot *spot)
{
	static char buf[8192];
	uint64_t len, n_items;
	size_t n;

	(void)ipk__view_list_get(view, spot, 5, buf, sizeof buf, &n);
	(void)ipk__view_list_get(view, spot, -150, buf, sizeof buf, &n);
	(void)ipk__view_list_len(view, spot, &len);
	(void)ipk__view_list_range(view, spot, 0, N_ITEMS, buf, sizeof buf, &n, &n_items);
}

static void ask_keys(void)
{
	static char buf[8192];
	struct ipk__view_key keys[20];
	struct ipk__shm_sync_object thing;
	struct ipk__spot spot;
	uint64_t cursor = 0;
	size_t n;

	(void)ipk__view_string_get(view, IPK__SLICE_OF("string"), buf, sizeof buf, &n);
	if (ipk__view_find(view, IPK__SLICE_OF("hash"), IPK__TYPE_HASH, &spot) == 0)
		ask_hash(&spot);
	if (ipk__view_find(view, IPK__SLICE_OF("list"), IPK__TYPE_LIST, &spot) == 0)
		ask_list(&spot);
	if (ipk__view_find(view, IPK__SLICE_OF("object"), IPK__TYPE_SYNC_OBJECT, &spot) == 0)
		(void)ipk__view_sync_object(view, &spot, &thing);
	for (int i = 0; i < SCANS; i++)
		if (ipk__view_keys_scan(view, &cursor, buf, sizeof buf, keys, 20, &n) < 0 ||
		    cursor == 0)
			break;
	(void)ipk__view_status(view);
	(void)ipk__view_is_live(view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size / CHANGE_BYTES;

	if (!view)
		prepare();
	if (n > CHANGES_MAX)
		n = CHANGES_MAX;
	for (size_t i = 0; i < n; i++)
		apply(data + i * CHANGE_BYTES);
	ask_keys();
	ask_hash(&hash);
	ask_list(&list);
	for (size_t i = 0; i < n; i++) {
		size_t at = record_of(data + i * CHANGE_BYTES);

		memcpy(bytes + at, good + at, 2);
	}
	return 0;
}
