/* cmd_list_find.c - the commands that search for a value in a list: LPOS, LREM, LINSERT. */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "command/cmd_common.h"

/* --- LPOS ------------------------------------------------------------------------------------- */

struct search {
	int64_t rank, count, max_len;
	bool backwards, has_count;
};

static bool parse_rank(struct ipk__request *q, size_t i, struct search *s)
{
	/* One more than the range has Redis count on from below: as from the end. */
	if (ipk__slice_equal(q->argv[i], IPK__SLICE_OF("-9223372036854775808"))) {
		s->backwards = true;
		s->rank = 1;
		return true;
	}
	if (!ipk__arg_range(q, i, -INT64_MAX, INT64_MAX, NULL, &s->rank))
		return false;
	if (s->rank == 0) {
		ipk__reply_error(q, "ERR RANK can't be zero: use 1 to start from the first match, "
				    "2 from the second ... or use negative to start from the end "
				    "of the list");
		return false;
	}
	s->backwards = s->rank < 0;
	s->rank = s->backwards ? -s->rank : s->rank;
	return true;
}

static bool parse_search(struct ipk__request *q, struct search *s)
{
	size_t i;

	for (i = 3; i < q->argc; i += 2) {
		bool has_value = i + 1 < q->argc, is_good;

		if (has_value && ipk__arg_is(q, i, "RANK")) {
			is_good = parse_rank(q, i + 1, s);
		} else if (has_value && ipk__arg_is(q, i, "COUNT")) {
			is_good = s->has_count = ipk__arg_range(
				q, i + 1, 0, INT64_MAX, "ERR COUNT can't be negative", &s->count);
		} else if (has_value && ipk__arg_is(q, i, "MAXLEN")) {
			is_good = ipk__arg_range(q, i + 1, 0, INT64_MAX,
						 "ERR MAXLEN can't be negative", &s->max_len);
		} else {
			ipk__reply_syntax(q);
			is_good = false;
		}
		if (!is_good)
			return false;
	}
	return true;
}

/* The indices into @b as replies; how many. Without a count the first one only. */
static uint64_t search(struct ipk__request *q, struct ipk__store_list *list, const struct search *s,
		       struct ipk__buffer *b)
{
	uint64_t len = ipk__store_list_len(list), n_found = 0, i;
	uint64_t n_most = s->has_count && s->count == 0 ? UINT64_MAX : (uint64_t)s->count;
	int64_t n_matches = 0;
	struct ipk__store_list_iter it;
	struct ipk__slice item;

	ipk__store_list_begin(q->store, list, s->backwards ? len - 1 : 0, s->backwards, &it);
	for (i = 0; n_found < n_most && ipk__store_list_next(&it, &item); i++) {
		if (s->max_len > 0 && i >= (uint64_t)s->max_len)
			break;
		if (!ipk__slice_equal(item, q->argv[2]) || ++n_matches < s->rank)
			continue;
		ipk__resp_integer(b, (int64_t)(s->backwards ? len - 1 - i : i));
		n_found++;
	}
	return n_found;
}

void ipk__cmd_lpos(struct ipk__request *q)
{
	struct search s = {.rank = 1, .count = 1};
	struct ipk__buffer b = {0};
	struct ipk__entry *key;
	uint64_t n = 0;

	if (!parse_search(q, &s) || !ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &key))
		return;

	if (key && !s.has_count)
		n = search(q, ipk__key_list(q->store, key), &s, q->out);
	if (!s.has_count) {
		if (n == 0)
			ipk__reply_null(q);
		return;
	}
	if (key)
		n = search(q, ipk__key_list(q->store, key), &s, &b);
	ipk__reply_array(q, n);
	if (b.failed)
		q->out->failed = true;
	ipk__buffer_append(q->out, ipk__buffer_front(&b), ipk__buffer_len(&b));
	ipk__buffer_free(&b);
}

/* --- LREM ------------------------------------------------------------------------------------- */

/* From @from on, in the way that is looked: the next item of argv[3]. UINT64_MAX: none. */
static uint64_t next_match(struct ipk__request *q, struct ipk__store_list *list, uint64_t from,
			   bool backwards)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	uint64_t i;

	if (from >= ipk__store_list_len(list))
		return UINT64_MAX;

	ipk__store_list_begin(q->store, list, from, backwards, &it);
	for (i = from; ipk__store_list_next(&it, &item); i += backwards ? UINT64_MAX : 1)
		if (ipk__slice_equal(item, q->argv[3]))
			return i;
	return UINT64_MAX;
}

/* How many of them lie side by side from @at on, up to @most. */
static uint64_t count_run(struct ipk__request *q, struct ipk__store_list *list, uint64_t at,
			  bool backwards, uint64_t most)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	uint64_t n = 0;

	ipk__store_list_begin(q->store, list, at, backwards, &it);
	while (n < most && ipk__store_list_next(&it, &item) && ipk__slice_equal(item, q->argv[3]))
		n++;
	return n;
}

static uint64_t remove_matches(struct ipk__request *q, struct ipk__store_list *list, uint64_t most,
			       bool backwards)
{
	uint64_t at = backwards ? ipk__store_list_len(list) - 1 : 0, n = 0, n_run;

	while (n < most && (at = next_match(q, list, at, backwards)) != UINT64_MAX) {
		n_run = count_run(q, list, at, backwards, most - n);
		if (backwards)
			at -= n_run - 1;
		ipk__store_list_remove(q->store, list, at, n_run);
		if (backwards)
			at--;
		n += n_run;
	}
	return n;
}

void ipk__cmd_lrem(struct ipk__request *q)
{
	struct ipk__entry *key;
	int64_t count;
	uint64_t n = 0, most;

	if (!ipk__arg_integer(q, 2, &count) ||
	    !ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &key))
		return;

	most = count == 0 ? UINT64_MAX : count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
	if (key)
		n = remove_matches(q, ipk__key_list(q->store, key), most, count < 0);
	if (n > 0) {
		ipk__drop_empty_list(q, q->argv[1]);
		ipk__changed(q, q->argv[1]);
	}
	ipk__reply_integer(q, (int64_t)n);
}

/* --- LINSERT ---------------------------------------------------------------------------------- */

void ipk__cmd_linsert(struct ipk__request *q)
{
	bool after = ipk__arg_is(q, 2, "AFTER");
	struct ipk__entry *key;
	struct ipk__store_list *list;
	uint64_t at;
	int r;

	if (!after && !ipk__arg_is(q, 2, "BEFORE")) {
		ipk__reply_syntax(q);
		return;
	}
	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &key))
		return;
	if (!key) {
		ipk__reply_integer(q, 0);
		return;
	}
	list = ipk__key_list(q->store, key);
	at = next_match(q, list, 0, false);
	if (at == UINT64_MAX) {
		ipk__reply_integer(q, -1);
		return;
	}

	r = ipk__store_list_insert(q->store, list, at + after, q->argv[4]);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, q->argv[1]);
	ipk__reply_integer(q, (int64_t)ipk__store_list_len(list));
}
