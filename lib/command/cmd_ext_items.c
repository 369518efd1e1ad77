/*
 * cmd_ext_items.c - changes of whole lists, and their log records.
 *
 * Invariant: a change is made as a whole or not at all. Inserting is rolled back by removing, which
 * cannot fail; anything else builds a new list beside the old one and replaces it. The log record
 * is written afterwards, from copies.
 *
 * Why markers: Redis's LINSERT and LREM find their position by value. A unique value, inserted
 * temporarily within the same transaction of the log, identifies one position exactly.
 */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "command/cmd_ext.h"

#define ITEMS_A_COMMAND 200 /* of one RPUSH in the log; they lie on the stack */
#define MARKER_BYTES 24

bool ipk__ext_list(struct ipk__request *q, struct ipk__store_list **ret_list, uint64_t *ret_len)
{
	struct ipk__entry *key;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &key))
		return false;
	*ret_list = key ? ipk__key_list(q->store, key) : NULL;
	*ret_len = key ? ipk__store_list_len(*ret_list) : 0;
	return true;
}

static struct ipk__slice marker(char buf[MARKER_BYTES])
{
	memcpy(buf, "ipk.mark", 8);
	/* Without random bytes: still one that no other client has by chance. */
	if (ipk__os_random(buf + 8, MARKER_BYTES - 8) < 0)
		memcpy(buf + 8, "0f1e2d3c4b5a6978", MARKER_BYTES - 8);
	return IPK__SLICE(buf, MARKER_BYTES);
}

/* --- copies ----------------------------------------------------------------------------------- */

static uint64_t sum_bytes(struct ipk__request *q, struct ipk__store_list *l, uint64_t index,
			  uint64_t n)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	uint64_t n_bytes = 0;

	ipk__store_list_begin(q->store, l, index, false, &it);
	while (n-- > 0 && ipk__store_list_next(&it, &item))
		n_bytes += item.n_bytes;
	return n_bytes;
}

int ipk__items_copy(struct ipk__request *q, struct ipk__store_list *l, uint64_t index, uint64_t n,
		    struct ipk__items *ret_items)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	struct ipk__items new = {NULL, 0, NULL};
	char *to;

	if (l && n > 0) {
		new.at = ipk__os_malloc(n * sizeof(*new.at) + sum_bytes(q, l, index, n));
		if (!new.at)
			return -ENOMEM;
		to = new.bytes = (char *)(new.at + n);
		ipk__store_list_begin(q->store, l, index, false, &it);
		while (new.n < n && ipk__store_list_next(&it, &item)) {
			if (item.n_bytes > 0)
				memcpy(to, item.bytes, item.n_bytes);
			new.at[new.n++] = IPK__SLICE(to, item.n_bytes);
			to += item.n_bytes;
		}
	}
	*ret_items = new;
	return 0;
}

void ipk__items_free(struct ipk__items *items)
{
	free(items->at);
	*items = (struct ipk__items){NULL, 0, NULL};
}

/* --- changes ---------------------------------------------------------------------------------- */

static int push_all(struct ipk__request *q, struct ipk__store_list *l,
		    const struct ipk__slice *items, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		IPK_TRY(ipk__store_list_push(q->store, l, false, items[i]));
	return 0;
}

static int make_beside(struct ipk__request *q, struct ipk__slice name, int64_t expires_ms,
		       const struct ipk__slice *items, uint64_t n)
{
	struct ipk__entry *key;
	int r;

	IPK_TRY(ipk__key_make(q->store, name, IPK__TYPE_LIST, &key));
	r = push_all(q, ipk__key_list(q->store, key), items, n);
	if (r == 0 && expires_ms > 0)
		r = ipk__key_expire(q->store, name, expires_ms);
	if (r < 0)
		ipk__key_remove(q->store, name);
	return r;
}

int ipk__items_replace(struct ipk__request *q, const struct ipk__slice *items, uint64_t n)
{
	struct ipk__entry *old = ipk__key_find(q->store, q->argv[1]);
	struct ipk__slice beside;
	char buf[MARKER_BYTES];
	int r;

	if (n == 0) {
		ipk__key_remove(q->store, q->argv[1]);
		return 0;
	}

	beside = marker(buf);
	IPK_TRY(make_beside(q, beside, old ? ipk__key_expires_ms(old) : 0, items, n));
	r = ipk__key_rename(q->store, beside, q->argv[1]);
	if (r < 0)
		ipk__key_remove(q->store, beside);
	return r;
}

int ipk__items_insert(struct ipk__request *q, struct ipk__store_list *l, uint64_t index,
		      const struct ipk__slice *items, uint64_t n)
{
	int r;

	for (uint64_t i = 0; i < n; i++) {
		r = ipk__store_list_insert(q->store, l, index + i, items[i]);
		if (r < 0) {
			if (i > 0)
				ipk__store_list_remove(q->store, l, index, i);
			return r;
		}
	}
	return 0;
}

/* --- the log ---------------------------------------------------------------------------------- */

static void push_some(struct ipk__request *q, const char *command, struct ipk__slice *argv,
		      size_t n)
{
	argv[0] = ipk__slice_of_string(command);
	argv[1] = q->argv[1];
	ipk__effect(q, n + 2, argv);
}

void ipk__effect_push(struct ipk__request *q, bool front, const struct ipk__slice *items,
		      uint64_t n)
{
	struct ipk__slice argv[2 + ITEMS_A_COMMAND];
	size_t n_now = 0;

	for (uint64_t i = 0; i < n; i++) {
		/* LPUSH turns its items around. */
		argv[2 + n_now++] = items[front ? n - 1 - i : i];
		if (n_now == ITEMS_A_COMMAND || i == n - 1) {
			push_some(q, front ? "LPUSH" : "RPUSH", argv, n_now);
			n_now = 0;
		}
	}
}

static void push_list(struct ipk__request *q, struct ipk__store_list *l)
{
	struct ipk__slice argv[2 + ITEMS_A_COMMAND];
	struct ipk__store_list_iter it;
	size_t n_now = 0;

	ipk__store_list_begin(q->store, l, 0, false, &it);
	while (ipk__store_list_next(&it, &argv[2 + n_now])) {
		if (++n_now == ITEMS_A_COMMAND) {
			push_some(q, "RPUSH", argv, n_now);
			n_now = 0;
		}
	}
	if (n_now > 0)
		push_some(q, "RPUSH", argv, n_now);
}

void ipk__effect_whole(struct ipk__request *q)
{
	struct ipk__entry *key = ipk__key_find(q->store, q->argv[1]);

	ipk__effectf(q, "sb", "DEL", q->argv[1]);
	if (!key)
		return;
	push_list(q, ipk__key_list(q->store, key));
	if (ipk__key_expires_ms(key) > 0)
		ipk__effectf(q, "sbi", "PEXPIREAT", q->argv[1], ipk__key_expires_ms(key));
}

void ipk__effect_set(struct ipk__request *q, uint64_t index, struct ipk__slice item)
{
	ipk__effectf(q, "sbib", "LSET", q->argv[1], (int64_t)index, item);
}

void ipk__effect_insert(struct ipk__request *q, uint64_t index, struct ipk__slice pivot,
			const struct ipk__slice *items, uint64_t n)
{
	char buf[MARKER_BYTES];
	struct ipk__slice mark = marker(buf);

	ipk__effect_set(q, index, mark);
	for (uint64_t i = 0; i < n; i++)
		ipk__effectf(q, "sbsbb", "LINSERT", q->argv[1], "BEFORE", mark, items[i]);
	ipk__effect_set(q, index + n, pivot);
}

void ipk__effect_remove(struct ipk__request *q, uint64_t start, uint64_t step, uint64_t n,
			uint64_t len_before)
{
	char buf[MARKER_BYTES];
	struct ipk__slice mark = marker(buf);

	if (n == len_before) {
		ipk__effectf(q, "sb", "DEL", q->argv[1]);
	} else if (start == 0 && (step == 1 || n == 1)) {
		ipk__effectf(q, "sbii", "LTRIM", q->argv[1], (int64_t)n, (int64_t)-1);
	} else if (start + n == len_before) {
		ipk__effectf(q, "sbii", "LTRIM", q->argv[1], (int64_t)0, (int64_t)start - 1);
	} else if (n > len_before / 2) {
		ipk__effect_whole(q);
	} else {
		for (uint64_t i = 0; i < n; i++)
			ipk__effect_set(q, start + i * step, mark);
		ipk__effectf(q, "sbib", "LREM", q->argv[1], (int64_t)0, mark);
	}
}
