/*
 * cmd_ext_dict.c - Python's dict methods for which Redis has no command.
 *
 * A hash that becomes empty is removed, as everywhere in Redis. Each command is logged as the
 * resulting HSET or HDEL.
 */
#include <errno.h>

#include "os/os.h"
#include "command/cmd_common.h"
#include "command/cmd_ext.h"

/* The hash argv[1]; *ret_table NULL when there is none. False: of another type. */
static bool table_of(struct ipk__request *q, struct ipk__table **ret_table)
{
	struct ipk__entry *key;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_HASH, &key))
		return false;
	*ret_table = key ? ipk__key_table(q->store, key) : NULL;
	return true;
}

static struct ipk__entry *find_field(struct ipk__request *q, struct ipk__table *t,
				     struct ipk__slice field)
{
	return t ? ipk__table_find(q->store, t, field) : NULL;
}

/* Makes the hash when @t is NULL. */
static int put(struct ipk__request *q, struct ipk__table *t, struct ipk__slice field,
	       struct ipk__slice value, bool *ret_is_new)
{
	struct ipk__entry *key;
	int r;

	if (t)
		return ipk__table_put(q->store, t, field, value, ret_is_new);
	IPK_TRY(ipk__key_make(q->store, q->argv[1], IPK__TYPE_HASH, &key));
	r = ipk__table_put(q->store, ipk__key_table(q->store, key), field, value, ret_is_new);
	if (r < 0)
		ipk__key_remove(q->store, q->argv[1]);
	return r;
}

/* False: the reply says why. */
static bool set_field(struct ipk__request *q, struct ipk__table *t, struct ipk__slice field,
		      struct ipk__slice value)
{
	int r = put(q, t, field, value, NULL);

	if (r < 0) {
		ipk__reply_failed(q, r);
		return false;
	}
	ipk__changed_field(q, q->argv[1], field);
	ipk__effectf(q, "sbbb", "HSET", q->argv[1], field, value);
	return true;
}

/* @field may lie in the store: it is told before it goes. */
static void remove_field(struct ipk__request *q, struct ipk__table *t, struct ipk__slice field)
{
	ipk__changed_field(q, q->argv[1], field);
	ipk__effectf(q, "sbb", "HDEL", q->argv[1], field);
	if (ipk__table_len(t) == 1)
		ipk__key_remove(q->store, q->argv[1]);
	else
		ipk__table_remove(q->store, t, field);
}

void ipk__ext_hsetdefault(struct ipk__request *q)
{
	struct ipk__entry *found;
	struct ipk__table *t;

	if (!table_of(q, &t))
		return;
	found = find_field(q, t, q->argv[2]);
	if (found)
		ipk__reply_bulk(q, ipk__entry_value(found));
	else if (set_field(q, t, q->argv[2], q->argv[3]))
		ipk__reply_bulk(q, q->argv[3]);
}

void ipk__ext_hpop(struct ipk__request *q)
{
	struct ipk__entry *found;
	struct ipk__table *t;

	if (!table_of(q, &t))
		return;
	found = find_field(q, t, q->argv[2]);
	if (!found) {
		ipk__reply_null(q);
		return;
	}
	ipk__reply_bulk(q, ipk__entry_value(found));
	remove_field(q, t, q->argv[2]);
}

void ipk__ext_hpopitem(struct ipk__request *q)
{
	struct ipk__entry *found = NULL;
	struct ipk__table *t;
	uint64_t random = 0;

	if (!table_of(q, &t))
		return;
	/* By chance: going from the front would meet ever more empty places. */
	(void)ipk__os_random(&random, sizeof(random));
	if (t)
		found = ipk__table_random(q->store, t, random);
	if (!found) {
		ipk__reply_null(q);
		return;
	}
	ipk__reply_array(q, 2);
	ipk__reply_bulk(q, ipk__entry_name(found));
	ipk__reply_bulk(q, ipk__entry_value(found));
	remove_field(q, t, ipk__entry_name(found));
}

/* IPK.HCAS key field ABSENT|(IS expected) SET value|DEL */
void ipk__ext_hcas(struct ipk__request *q)
{
	bool absent = ipk__slice_is_word(q->argv[3], "ABSENT");
	size_t what = absent ? 4 : 5;
	struct ipk__entry *found;
	struct ipk__table *t;
	bool sets;

	if ((!absent && !ipk__slice_is_word(q->argv[3], "IS")) || q->argc <= what) {
		ipk__reply_syntax(q);
		return;
	}
	sets = ipk__slice_is_word(q->argv[what], "SET");
	if ((!sets && !ipk__slice_is_word(q->argv[what], "DEL")) || q->argc != what + 1 + sets) {
		ipk__reply_syntax(q);
		return;
	}
	if (!table_of(q, &t))
		return;

	found = find_field(q, t, q->argv[2]);
	if (absent ? found != NULL
		   : !found || !ipk__slice_equal(ipk__entry_value(found), q->argv[4])) {
		ipk__reply_integer(q, 0);
		return;
	}
	if (sets && !set_field(q, t, q->argv[2], q->argv[what + 1]))
		return;
	if (!sets && found)
		remove_field(q, t, q->argv[2]);
	ipk__reply_integer(q, 1);
}

/* --- several fields --------------------------------------------------------------------------- */

struct scanned {
	struct ipk__request *q;
	struct ipk__buffer pairs;
	uint64_t n;
};

static void scan_one(void *arg, struct ipk__entry *entry)
{
	struct scanned *s = arg;

	ipk__resp_bulk(&s->pairs, ipk__entry_name(entry));
	ipk__resp_bulk(&s->pairs, ipk__entry_value(entry));
	s->n += 2;
}

/* Cursors are unsigned. False: the reply says that it is none. */
static bool arg_cursor(struct ipk__request *q, uint64_t *ret_cursor)
{
	struct ipk__slice s = q->argv[2];
	uint64_t cursor = 0;

	for (size_t i = 0; i < s.n_bytes; i++) {
		if (s.bytes[i] < '0' || s.bytes[i] > '9' ||
		    __builtin_mul_overflow(cursor, 10, &cursor) ||
		    __builtin_add_overflow(cursor, (uint64_t)(s.bytes[i] - '0'), &cursor)) {
			ipk__reply_error(q, "ERR invalid cursor");
			return false;
		}
	}
	*ret_cursor = cursor;
	return true;
}

static void reply_cursor(struct ipk__request *q, uint64_t cursor)
{
	char text[24];

	ipk__reply_bulk(q, IPK__SLICE(text, ipk__uint64_to_text(cursor, text)));
}

void ipk__ext_hscan(struct ipk__request *q)
{
	struct scanned s = {.q = q};
	struct ipk__table *t;
	uint64_t cursor;
	int64_t count = 10, n_steps;

	if (!arg_cursor(q, &cursor))
		return;
	if (q->argc != 3 && (q->argc != 5 || !ipk__slice_is_word(q->argv[3], "COUNT"))) {
		ipk__reply_syntax(q);
		return;
	}
	if (q->argc == 5 && !ipk__arg_integer(q, 4, &count))
		return;
	if (count < 1) {
		ipk__reply_syntax(q);
		return;
	}
	if (!table_of(q, &t))
		return;

	/* Empty buckets give nothing: as many steps as a sparse table may need, and no more. */
	n_steps = count < INT64_MAX / 10 ? count * 10 : INT64_MAX;
	do {
		cursor = t ? ipk__table_scan(q->store, t, cursor, scan_one, &s) : 0;
	} while (cursor != 0 && s.n < (uint64_t)count * 2 && --n_steps > 0);

	ipk__reply_array(q, 2);
	reply_cursor(q, cursor);
	ipk__reply_array(q, s.n);
	if (s.pairs.failed)
		q->out->failed = true;
	else
		ipk__buffer_append(q->out, ipk__buffer_front(&s.pairs), ipk__buffer_len(&s.pairs));
	ipk__buffer_free(&s.pairs);
}

/* Without memory for all of them: those before stay, as after HSET, and are logged. */
void ipk__ext_hupdate(struct ipk__request *q)
{
	int64_t n_new = 0;
	bool is_new;

	if (q->argc % 2 != 0) {
		ipk__reply_wrong_arity(q);
		return;
	}
	for (size_t i = 2; i < q->argc; i += 2) {
		struct ipk__table *t;
		int r;

		if (!table_of(q, &t))
			return;
		r = put(q, t, q->argv[i], q->argv[i + 1], &is_new);
		if (r < 0) {
			ipk__reply_failed(q, r);
			return;
		}
		n_new += is_new;
		ipk__changed_field(q, q->argv[1], q->argv[i]);
		ipk__effectf(q, "sbbb", "HSET", q->argv[1], q->argv[i], q->argv[i + 1]);
	}
	ipk__reply_integer(q, n_new);
}
