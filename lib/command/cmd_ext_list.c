/*
 * cmd_ext_list.c - Python's list methods for which Redis has no command: one item at a time, and
 * the whole list.
 *
 * Indices are Python's. A list that becomes empty is removed, as everywhere in Redis.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "os/os.h"
#include "command/cmd_common.h"
#include "command/cmd_ext.h"

#define REPEATED_MAX ((uint64_t)UINT32_MAX) /* items of a list made by one request */

/* As list.insert() takes an index: clamped. */
static uint64_t clamp(int64_t index, uint64_t len)
{
	if (index < 0)
		index = (uint64_t) - (index + 1) >= len ? 0 : index + (int64_t)len;
	return (uint64_t)index > len ? len : (uint64_t)index;
}

/* False: there is no such index. */
static bool find_index(int64_t index, uint64_t len, uint64_t *ret_index)
{
	if (index < 0 ? (uint64_t) - (index + 1) >= len : (uint64_t)index >= len)
		return false;
	*ret_index = (uint64_t)(index < 0 ? index + (int64_t)len : index);
	return true;
}

/* A bound of list.index(), "-" for none. */
static bool arg_bound(struct ipk__request *q, size_t i, uint64_t len, uint64_t omitted,
		      uint64_t *ret_bound)
{
	int64_t n;

	*ret_bound = omitted;
	if (ipk__slice_equal(q->argv[i], IPK__SLICE_OF("-")))
		return true;
	if (!ipk__arg_integer(q, i, &n))
		return false;
	*ret_bound = clamp(n, len);
	return true;
}

/* --- one item --------------------------------------------------------------------------------- */

static void effect_of_insert(struct ipk__request *q, uint64_t index, uint64_t len,
			     const struct ipk__items *pivot)
{
	if (index == len)
		ipk__effect_push(q, false, &q->argv[3], 1);
	else if (index == 0)
		ipk__effect_push(q, true, &q->argv[3], 1);
	else
		ipk__effect_insert(q, index, pivot->at[0], &q->argv[3], 1);
}

static int insert_one(struct ipk__request *q, struct ipk__store_list *l, uint64_t index,
		      uint64_t len)
{
	struct ipk__items pivot = {NULL, 0, NULL};
	int r;

	if (index > 0 && index < len)
		IPK_TRY(ipk__items_copy(q, l, index, 1, &pivot));
	r = l ? ipk__store_list_insert(q->store, l, index, q->argv[3])
	      : ipk__items_replace(q, &q->argv[3], 1);
	if (r == 0) {
		ipk__changed(q, q->argv[1]);
		effect_of_insert(q, index, len, &pivot);
	}
	ipk__items_free(&pivot);
	return r;
}

void ipk__ext_linsert(struct ipk__request *q)
{
	struct ipk__store_list *l;
	uint64_t len;
	int64_t index;
	int r;

	if (!ipk__arg_integer(q, 2, &index) || !ipk__ext_list(q, &l, &len))
		return;
	r = insert_one(q, l, clamp(index, len), len);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	/* Those who wait for items of a list, as after a push. */
	ipk__signal(q->db, q->argv[1], 0);
	ipk__reply_integer(q, (int64_t)len + 1);
}

void ipk__ext_lpopat(struct ipk__request *q)
{
	struct ipk__store_list *l;
	uint64_t len, at;
	int64_t index;

	if (!ipk__arg_integer(q, 2, &index) || !ipk__ext_list(q, &l, &len))
		return;
	if (!find_index(index, len, &at)) {
		ipk__reply_null(q);
		return;
	}
	ipk__reply_bulk(q, ipk__store_list_at(q->store, l, at));
	if (len == 1)
		ipk__key_remove(q->store, q->argv[1]);
	else
		ipk__store_list_remove(q->store, l, at, 1);
	ipk__changed(q, q->argv[1]);
	if (at == 0 || at == len - 1)
		ipk__effectf(q, "sb", at == 0 ? "LPOP" : "RPOP", q->argv[1]);
	else
		ipk__effect_remove(q, at, 1, 1, len);
}

/* --- asking ----------------------------------------------------------------------------------- */

void ipk__ext_lindexof(struct ipk__request *q)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	struct ipk__store_list *l;
	uint64_t len, start, stop;

	if (!ipk__ext_list(q, &l, &len) || !arg_bound(q, 3, len, 0, &start) ||
	    !arg_bound(q, 4, len, len, &stop))
		return;
	if (start < stop)
		ipk__store_list_begin(q->store, l, start, false, &it);
	for (; start < stop && ipk__store_list_next(&it, &item); start++) {
		if (ipk__slice_equal(item, q->argv[2])) {
			ipk__reply_integer(q, (int64_t)start);
			return;
		}
	}
	ipk__reply_null(q);
}

void ipk__ext_lcount(struct ipk__request *q)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	struct ipk__store_list *l;
	int64_t n = 0;
	uint64_t len;

	if (!ipk__ext_list(q, &l, &len))
		return;
	if (l) {
		ipk__store_list_begin(q->store, l, 0, false, &it);
		while (ipk__store_list_next(&it, &item))
			n += ipk__slice_equal(item, q->argv[2]);
	}
	ipk__reply_integer(q, n);
}

/* --- the whole list --------------------------------------------------------------------------- */

void ipk__ext_lreverse(struct ipk__request *q)
{
	struct ipk__items items;
	struct ipk__slice item;
	struct ipk__store_list *l;
	uint64_t len;
	int r;

	if (!ipk__ext_list(q, &l, &len))
		return;
	if (len > 1) {
		r = ipk__items_copy(q, l, 0, len, &items);
		if (r == 0) {
			for (uint64_t i = 0; i < len / 2; i++) {
				item = items.at[i];
				items.at[i] = items.at[len - 1 - i];
				items.at[len - 1 - i] = item;
			}
			r = ipk__items_replace(q, items.at, len);
			ipk__items_free(&items);
		}
		if (r < 0) {
			ipk__reply_failed(q, r);
			return;
		}
		ipk__changed(q, q->argv[1]);
		ipk__effect_whole(q);
	}
	ipk__reply_ok(q);
}

/* @n - 1 times more what is there. */
static int repeat(struct ipk__request *q, struct ipk__store_list *l, uint64_t len, uint64_t n)
{
	struct ipk__items items;
	int r = ipk__items_copy(q, l, 0, len, &items);

	if (r < 0)
		return r;
	for (uint64_t i = 1; i < n && r == 0; i++) {
		r = ipk__items_insert(q, l, len * i, items.at, len);
		if (r < 0 && i > 1)
			ipk__store_list_remove(q->store, l, len, len * (i - 1));
	}
	if (r == 0) {
		ipk__changed(q, q->argv[1]);
		for (uint64_t i = 1; i < n; i++)
			ipk__effect_push(q, false, items.at, len);
	}
	ipk__items_free(&items);
	return r;
}

void ipk__ext_lrepeat(struct ipk__request *q)
{
	struct ipk__store_list *l;
	uint64_t len;
	int64_t n;
	int r = 0;

	if (!ipk__arg_integer(q, 2, &n) || !ipk__ext_list(q, &l, &len))
		return;
	if (n < 0)
		n = 0;
	if (len > 0 && (uint64_t)n > REPEATED_MAX / len) {
		ipk__reply_error(q, "RANGE the list would become too long");
		return;
	}
	if (len > 0 && n == 0) {
		ipk__key_remove(q->store, q->argv[1]);
		ipk__changed(q, q->argv[1]);
		ipk__effectf(q, "sb", "DEL", q->argv[1]);
	} else if (len > 0 && n > 1) {
		r = repeat(q, l, len, (uint64_t)n);
	}
	if (r < 0)
		ipk__reply_failed(q, r);
	else
		ipk__reply_integer(q, (int64_t)len * n);
}

static int make(struct ipk__request *q, uint64_t n)
{
	struct ipk__entry *key;
	struct ipk__store_list *l;

	IPK_TRY(ipk__key_make(q->store, q->argv[1], IPK__TYPE_LIST, &key));
	l = ipk__key_list(q->store, key);
	for (uint64_t i = 0; i < n; i++) {
		int r = ipk__store_list_push(q->store, l, false, q->argv[3]);

		if (r < 0) {
			ipk__key_remove(q->store, q->argv[1]);
			return r;
		}
	}
	ipk__changed(q, q->argv[1]);
	ipk__effect_whole(q);
	return 0;
}

void ipk__ext_lmake(struct ipk__request *q)
{
	struct ipk__store_list *l;
	uint64_t len;
	int64_t n;
	int r = 0;

	if (!ipk__arg_integer(q, 2, &n) || !ipk__ext_list(q, &l, &len))
		return;
	if (n < 0 || (uint64_t)n > REPEATED_MAX) {
		ipk__reply_error(q, "RANGE a list has 0 to %llu items",
				 (unsigned long long)REPEATED_MAX);
		return;
	}
	if (!l && n > 0)
		r = make(q, (uint64_t)n);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	if (!l && n > 0)
		ipk__signal(q->db, q->argv[1], 0);
	ipk__reply_integer(q, !l);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static char *integer_text(int64_t n, size_t *ret_len)
{
	char *text = ipk__os_malloc(24);

	if (text)
		*ret_len = ipk__int64_to_text(n, text);
	return text;
}

/* What stands there plus argv[3], as text to be freed. NULL: the reply is written. */
static char *add(struct ipk__request *q, struct ipk__slice old, size_t *ret_len)
{
	long double a, b;
	char *text;
	int64_t i, j;

	if (ipk__text_to_int64(old, &i) && ipk__text_to_int64(q->argv[3], &j)) {
		if (__builtin_add_overflow(i, j, &i)) {
			ipk__reply_error(q, "ERR increment or decrement would overflow");
			return NULL;
		}
		text = integer_text(i, ret_len);
		if (!text)
			ipk__reply_failed(q, -ENOMEM);
		return text;
	}
	if (!ipk__text_to_float(old, &a)) {
		ipk__reply_error(q, "VALUE the item is not a number");
		return NULL;
	}
	if (!ipk__text_to_float(q->argv[3], &b)) {
		ipk__reply_error(q, "ERR value is not a valid float");
		return NULL;
	}
	if (!isfinite(a + b)) {
		ipk__reply_error(q, "ERR increment would produce NaN or Infinity");
		return NULL;
	}
	text = ipk__float_to_text(a + b, ret_len);
	if (!text)
		ipk__reply_failed(q, -ENOMEM);
	return text;
}

void ipk__ext_lincrby(struct ipk__request *q)
{
	struct ipk__slice sum;
	struct ipk__store_list *l;
	uint64_t len, at;
	int64_t index;
	char *text;
	int r;

	if (!ipk__arg_integer(q, 2, &index) || !ipk__ext_list(q, &l, &len))
		return;
	if (!find_index(index, len, &at)) {
		ipk__reply_error(q, "RANGE index out of range");
		return;
	}
	text = add(q, ipk__store_list_at(q->store, l, at), &sum.n_bytes);
	if (!text)
		return;
	sum.bytes = text;
	r = ipk__store_list_set(q->store, l, at, sum);
	if (r < 0) {
		ipk__reply_failed(q, r);
	} else {
		ipk__changed(q, q->argv[1]);
		ipk__effect_set(q, at, sum);
		ipk__reply_bulk(q, sum);
	}
	free(text);
}
