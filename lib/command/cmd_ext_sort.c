/*
 * cmd_ext_sort.c - IPK.LSORT: as bytes, as numbers in text, or as typed messages.
 *
 * Invariant: all items are parsed before any is moved, so an item that cannot be ordered is an
 * error that names it and leaves the list unchanged. Equal items keep their order in both
 * directions, as in Python's sort().
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "ipk/pack.h"
#include "os/os.h"
#include "command/cmd_common.h"
#include "command/cmd_ext.h"

struct sorted {
	struct ipk__slice item;
	long double number; /* holds every int64_t, uint64_t and double exactly */
	uint64_t index;     /* where it was */
};

typedef int compare_fn(const struct sorted *a, const struct sorted *b);

struct order {
	compare_fn *compare;
	int sign; /* -1: the largest first */
};

static int compare_sorted(const void *a, const void *b, void *arg)
{
	const struct sorted *x = a, *y = b;
	const struct order *order = arg;
	int c = order->compare(x, y) * order->sign;

	return c != 0 ? c : (x->index > y->index) - (x->index < y->index);
}

static int compare_slices(struct ipk__slice a, struct ipk__slice b)
{
	size_t n = a.n_bytes < b.n_bytes ? a.n_bytes : b.n_bytes;
	int c = n > 0 ? memcmp(a.bytes, b.bytes, n) : 0;

	return c != 0 ? (c > 0) - (c < 0) : (a.n_bytes > b.n_bytes) - (a.n_bytes < b.n_bytes);
}

static int compare_bytes(const struct sorted *a, const struct sorted *b)
{
	return compare_slices(a->item, b->item);
}

static int compare_numbers(const struct sorted *a, const struct sorted *b)
{
	return (a->number > b->number) - (a->number < b->number);
}

/* --- typed messages --------------------------------------------------------------------------- */

/* Which values come before which; 0: has no place in the order. */
static int rank_of(const ipk_token *t)
{
	switch (t->kind) {
	case IPK_TOKEN_BOOL:
	case IPK_TOKEN_INT:
	case IPK_TOKEN_UINT:
		return 1;
	case IPK_TOKEN_DOUBLE:
		return isnan(t->d) ? 0 : 1;
	case IPK_TOKEN_STRING:
	case IPK_TOKEN_BYTES:
		return 2;
	case IPK_TOKEN_ARRAY:
		return 3;
	default:
		return 0;
	}
}

static long double number_of(const ipk_token *t)
{
	switch (t->kind) {
	case IPK_TOKEN_BOOL:
		return t->boolean;
	case IPK_TOKEN_INT:
		return (long double)t->i;
	case IPK_TOKEN_UINT:
		return (long double)t->u;
	default:
		return t->d;
	}
}

/* Of values that were checked. Goes deeper at most as deep as messages may be nested. */
static int compare_values(ipk_reader *a, ipk_reader *b)
{
	ipk_token s, t;
	int c;

	if (ipk_reader_next(a, &s) < 0 || ipk_reader_next(b, &t) < 0)
		return 0;
	c = rank_of(&s) - rank_of(&t);
	if (c != 0)
		return c;
	if (rank_of(&s) == 1)
		return (number_of(&s) > number_of(&t)) - (number_of(&s) < number_of(&t));
	if (rank_of(&s) == 2)
		return compare_slices(IPK__SLICE(s.data, s.len_bytes),
				      IPK__SLICE(t.data, t.len_bytes));
	for (uint32_t i = 0; i < s.n_items && i < t.n_items; i++) {
		c = compare_values(a, b);
		if (c != 0)
			return c;
	}
	return (s.n_items > t.n_items) - (s.n_items < t.n_items);
}

static int compare_typed(const struct sorted *a, const struct sorted *b)
{
	ipk_reader x, y;

	ipk_reader_init(&x, a->item.bytes, a->item.n_bytes);
	ipk_reader_init(&y, b->item.bytes, b->item.n_bytes);
	return compare_values(&x, &y);
}

/* Why it has no place in the order; NULL: it has one. */
static const char *check_typed(struct sorted *s)
{
	ipk_reader reader;
	ipk_token t;

	if (s->item.n_bytes == 0 || (unsigned char)s->item.bytes[0] != IPK_PACK_MARK)
		return "is not typed";
	ipk_reader_init(&reader, s->item.bytes, s->item.n_bytes);
	for (;;) {
		if (ipk_reader_next(&reader, &t) < 0)
			return "cannot be ordered";
		if (t.kind == IPK_TOKEN_END)
			return NULL;
		if (rank_of(&t) == 0)
			return "cannot be ordered";
	}
}

static const char *check_bytes(struct sorted *s)
{
	(void)s;
	return NULL;
}

static const char *check_number(struct sorted *s)
{
	return ipk__text_to_float(s->item, &s->number) ? NULL : "is not a number";
}

/* --- the command ------------------------------------------------------------------------------ */

struct manner {
	const char *word;
	const char *(*check)(struct sorted *s);
	compare_fn *compare;
};
static const struct manner manners[] = {
	{"BYTES", check_bytes, compare_bytes},
	{"NUMBER", check_number, compare_numbers},
	{"TYPED", check_typed, compare_typed},
};
#define N_MANNERS (sizeof(manners) / sizeof(*manners))

/* False: the reply says which item has no place in the order. */
static bool sort(struct ipk__request *q, struct ipk__items *items, struct sorted *sorted,
		 const struct manner *manner, int sign)
{
	struct order order = {manner->compare, sign};
	const char *why;

	for (uint64_t i = 0; i < items->n; i++) {
		sorted[i] = (struct sorted){items->at[i], 0, i};
		why = manner->check(&sorted[i]);
		if (why) {
			ipk__reply_error(q, "VALUE item %llu %s", (unsigned long long)i, why);
			return false;
		}
	}
	qsort_r(sorted, items->n, sizeof(*sorted), compare_sorted, &order);
	for (uint64_t i = 0; i < items->n; i++)
		items->at[i] = sorted[i].item;
	return true;
}

static int sort_list(struct ipk__request *q, struct ipk__store_list *l, uint64_t len,
		     const struct manner *manner, int sign, bool *ret_replied)
{
	struct ipk__items items;
	struct sorted *sorted;
	int r;

	*ret_replied = false;
	IPK_TRY(ipk__items_copy(q, l, 0, len, &items));
	sorted = ipk__os_malloc(len * sizeof(*sorted));
	if (!sorted) {
		r = -ENOMEM;
	} else if (!sort(q, &items, sorted, manner, sign)) {
		*ret_replied = true;
		r = 0;
	} else {
		r = ipk__items_replace(q, items.at, len);
	}
	free(sorted);
	ipk__items_free(&items);
	return r;
}

void ipk__ext_lsort(struct ipk__request *q)
{
	const struct manner *manner = NULL;
	bool down = ipk__slice_is_word(q->argv[3], "DESC"), replied = false;
	struct ipk__store_list *l;
	uint64_t len;
	int r;

	for (size_t i = 0; i < N_MANNERS; i++)
		if (ipk__slice_is_word(q->argv[2], manners[i].word))
			manner = &manners[i];
	if (!manner || (!down && !ipk__slice_is_word(q->argv[3], "ASC"))) {
		ipk__reply_syntax(q);
		return;
	}
	if (!ipk__ext_list(q, &l, &len))
		return;
	if (len > 0) {
		r = sort_list(q, l, len, manner, down ? -1 : 1, &replied);
		if (r < 0) {
			ipk__reply_failed(q, r);
			return;
		}
		if (replied)
			return;
		ipk__changed(q, q->argv[1]);
		ipk__effect_whole(q);
	}
	ipk__reply_ok(q);
}
