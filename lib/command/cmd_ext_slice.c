/*
 * cmd_ext_slice.c - Python's slices of lists: reading, assigning, deleting.
 *
 * Invariant: a slice is resolved once against the length (resolve(), as PySlice_AdjustIndices
 * defines it) into its start, its step and its number of indices, all in range.
 */
#include <errno.h>
#include <stdlib.h>

#include "ipk/base.h"
#include "command/cmd_ext.h"

#define FEW 64 /* removed one by one; more: a new list is made */

struct range {
	int64_t start;
	int64_t stop;
	int64_t step;
	uint64_t n;
};

static bool is_omitted(struct ipk__request *q, size_t i)
{
	return ipk__slice_equal(q->argv[i], IPK__SLICE_OF("-"));
}

/* A start or stop against the length: -1 .. len - 1 going down, 0 .. len going up. */
static bool resolve_end(struct ipk__request *q, size_t i, int64_t len, bool down, int64_t omitted,
			int64_t *ret_at)
{
	int64_t at;

	*ret_at = omitted;
	if (is_omitted(q, i))
		return true;
	if (!ipk__arg_integer(q, i, &at))
		return false;
	if (at < 0) {
		at += len;
		if (at < 0)
			at = down ? -1 : 0;
	} else if (at >= len) {
		at = down ? len - 1 : len;
	}
	*ret_at = at;
	return true;
}

/* argv[2], argv[3], argv[4]. False: the reply says what is wrong. */
static bool resolve(struct ipk__request *q, uint64_t list_len, struct range *r)
{
	int64_t len = (int64_t)list_len;
	bool down;

	r->step = 1;
	if (!is_omitted(q, 4) && !ipk__arg_integer(q, 4, &r->step))
		return false;
	if (r->step == 0) {
		ipk__reply_error(q, "VALUE slice step cannot be zero");
		return false;
	}
	if (r->step == INT64_MIN)
		r->step = -INT64_MAX;
	down = r->step < 0;
	if (!resolve_end(q, 2, len, down, down ? len - 1 : 0, &r->start) ||
	    !resolve_end(q, 3, len, down, down ? -1 : len, &r->stop))
		return false;
	r->n = 0;
	if (down && r->stop < r->start)
		r->n = (uint64_t)(r->start - r->stop - 1) / (uint64_t)-r->step + 1;
	else if (!down && r->start < r->stop)
		r->n = (uint64_t)(r->stop - r->start - 1) / (uint64_t)r->step + 1;
	return true;
}

/* The same indices, going up. */
static void turn_up(struct range *r)
{
	if (r->step > 0)
		return;
	if (r->n > 0)
		r->start += (int64_t)(r->n - 1) * r->step;
	r->step = -r->step;
}

/* --- reading ---------------------------------------------------------------------------------- */

void ipk__ext_lslice(struct ipk__request *q)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	struct ipk__store_list *l;
	struct range r;
	uint64_t len;

	if (!ipk__ext_list(q, &l, &len) || !resolve(q, len, &r))
		return;
	ipk__reply_array(q, r.n);
	if (r.step == 1 || r.step == -1) {
		if (r.n > 0)
			ipk__store_list_begin(q->store, l, (uint64_t)r.start, r.step < 0, &it);
		while (r.n-- > 0 && ipk__store_list_next(&it, &item))
			ipk__reply_bulk(q, item);
		return;
	}
	for (uint64_t i = 0; i < r.n; i++)
		ipk__reply_bulk(q, ipk__store_list_at(q->store, l,
						      (uint64_t)(r.start + (int64_t)i * r.step)));
}

/* --- assigning -------------------------------------------------------------------------------- */

/* A list with these values, where there was none. */
static int assign_new(struct ipk__request *q)
{
	int r = ipk__items_replace(q, q->argv + 5, q->argc - 5);

	if (r < 0)
		return r;
	ipk__changed(q, q->argv[1]);
	ipk__effect_push(q, false, q->argv + 5, q->argc - 5);
	return 0;
}

static void effect_of_assign(struct ipk__request *q, const struct range *r, uint64_t len,
			     const struct ipk__items *pivot)
{
	const struct ipk__slice *values = q->argv + 5;
	uint64_t n = q->argc - 5, start = (uint64_t)r->start;

	if (r->n + n > len / 2 + 2 && r->n > 0) {
		ipk__effect_whole(q);
		return;
	}
	if (n > 0 && !pivot->at) /* behind the last one */
		ipk__effect_push(q, false, values, n);
	else if (n > 0 && start == 0)
		ipk__effect_push(q, true, values, n);
	else if (n > 0)
		ipk__effect_insert(q, start, pivot->at[0], values, n);
	if (r->n > 0)
		ipk__effect_remove(q, start + n, 1, r->n, len + n);
}

/* New ones before the old ones, which then go: nothing can fail half way. */
static int assign_plain(struct ipk__request *q, struct ipk__store_list *l, uint64_t len,
			const struct range *r)
{
	struct ipk__items pivot = {NULL, 0, NULL};
	uint64_t n = q->argc - 5;
	int error;

	if ((uint64_t)r->start < len)
		IPK_TRY(ipk__items_copy(q, l, (uint64_t)r->start, 1, &pivot));
	error = ipk__items_insert(q, l, (uint64_t)r->start, q->argv + 5, n);
	if (error == 0) {
		if (r->n == len && n == 0)
			ipk__key_remove(q->store, q->argv[1]);
		else if (r->n > 0)
			ipk__store_list_remove(q->store, l, (uint64_t)r->start + n, r->n);
		ipk__changed(q, q->argv[1]);
		effect_of_assign(q, r, len, &pivot);
	}
	ipk__items_free(&pivot);
	return error;
}

static int assign_extended(struct ipk__request *q, struct ipk__store_list *l, uint64_t len,
			   const struct range *r)
{
	struct ipk__items items;
	int error;

	IPK_TRY(ipk__items_copy(q, l, 0, len, &items));
	for (uint64_t i = 0; i < r->n; i++)
		items.at[r->start + (int64_t)i * r->step] = q->argv[5 + i];
	error = ipk__items_replace(q, items.at, len);
	ipk__items_free(&items);
	if (error < 0)
		return error;
	ipk__changed(q, q->argv[1]);
	if (r->n > len / 2) {
		ipk__effect_whole(q);
		return 0;
	}
	for (uint64_t i = 0; i < r->n; i++)
		ipk__effect_set(q, (uint64_t)(r->start + (int64_t)i * r->step), q->argv[5 + i]);
	return 0;
}

void ipk__ext_lsetslice(struct ipk__request *q)
{
	uint64_t len, n = q->argc - 5;
	struct ipk__store_list *l;
	struct range r;
	int error = 0;

	if (!ipk__ext_list(q, &l, &len) || !resolve(q, len, &r))
		return;
	if (r.step != 1 && n != r.n) {
		ipk__reply_error(
			q,
			"RANGE attempt to assign sequence of size %llu to extended slice of size "
			"%llu",
			(unsigned long long)n, (unsigned long long)r.n);
		return;
	}
	if (n + r.n > 0) {
		if (!l)
			error = assign_new(q);
		else if (r.step == 1)
			error = assign_plain(q, l, len, &r);
		else
			error = assign_extended(q, l, len, &r);
	}
	if (error < 0) {
		ipk__reply_failed(q, error);
		return;
	}
	if (n > 0)
		ipk__signal(q->db, q->argv[1], 0);
	ipk__reply_integer(q, (int64_t)(r.step == 1 ? len + n - r.n : len));
}

/* --- deleting --------------------------------------------------------------------------------- */

static void remove_one_by_one(struct ipk__request *q, struct ipk__store_list *l,
			      const struct range *r)
{
	for (uint64_t i = r->n; i-- > 0;)
		ipk__store_list_remove(q->store, l, (uint64_t)r->start + i * (uint64_t)r->step, 1);
}

/* Those that stay make a new list. */
static int remove_many(struct ipk__request *q, struct ipk__store_list *l, uint64_t len,
		       const struct range *r)
{
	uint64_t next = (uint64_t)r->start, n_left = r->n, to = 0;
	struct ipk__items items;
	int error;

	IPK_TRY(ipk__items_copy(q, l, 0, len, &items));
	for (uint64_t i = 0; i < len; i++) {
		if (n_left > 0 && i == next) {
			next += (uint64_t)r->step;
			n_left--;
		} else {
			items.at[to++] = items.at[i];
		}
	}
	error = ipk__items_replace(q, items.at, to);
	ipk__items_free(&items);
	return error;
}

void ipk__ext_ldelslice(struct ipk__request *q)
{
	struct ipk__store_list *l;
	struct range r;
	uint64_t len;

	if (!ipk__ext_list(q, &l, &len) || !resolve(q, len, &r))
		return;
	turn_up(&r);
	if (r.n > 0) {
		if (r.n == len)
			ipk__key_remove(q->store, q->argv[1]);
		else if (r.step == 1)
			ipk__store_list_remove(q->store, l, (uint64_t)r.start, r.n);
		else if (r.n <= FEW || remove_many(q, l, len, &r) < 0)
			remove_one_by_one(q, l, &r); /* slower, and needs no room */
		ipk__changed(q, q->argv[1]);
		ipk__effect_remove(q, (uint64_t)r.start, (uint64_t)r.step, r.n, len);
	}
	ipk__reply_integer(q, (int64_t)r.n);
}
