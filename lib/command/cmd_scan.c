/*
 * cmd_scan.c - iterating over all keys or fields: KEYS, SCAN, HSCAN.
 *
 * The number of matches is known only at the end, but precedes them in the reply: they are
 * collected in a separate buffer first.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "command/cmd_common.h"

#define SMALL_HASH_FIELDS 512 /* of such a hash Redis too gives all at once */

struct found {
	struct ipk__request *q;
	struct ipk__buffer bulks;
	uint64_t n_found;
	uint64_t n_seen;
	struct ipk__slice pattern;
	struct ipk__slice type; /* of keys; NULL bytes: any */
	bool is_any;            /* there is no pattern */
	bool is_hash;
};

static bool is_wanted(const struct found *f, const struct ipk__entry *entry)
{
	if (!f->is_any && !ipk__glob_match(f->pattern, ipk__entry_name(entry)))
		return false;
	if (f->is_hash)
		return true;
	if (ipk__key_expires_ms(entry) != 0 && ipk__key_expires_ms(entry) <= f->q->now_ms)
		return false;
	return !f->type.bytes ||
	       ipk__slice_is_word(f->type, ipk__key_type_name(f->q->store, entry));
}

static void found_one(void *arg, struct ipk__entry *entry)
{
	struct found *f = arg;

	f->n_seen++;
	if (!is_wanted(f, entry))
		return;

	ipk__resp_bulk(&f->bulks, ipk__entry_name(entry));
	if (f->is_hash)
		ipk__resp_bulk(&f->bulks, ipk__entry_value(entry));
	f->n_found += f->is_hash ? 2 : 1;
}

static void reply_found(struct ipk__request *q, struct found *f)
{
	ipk__reply_array(q, f->n_found);
	if (f->bulks.failed)
		q->out->failed = true;
	ipk__buffer_append(q->out, ipk__buffer_front(&f->bulks), ipk__buffer_len(&f->bulks));
	ipk__buffer_free(&f->bulks);
}

void ipk__cmd_keys(struct ipk__request *q)
{
	struct found f = {.q = q, .pattern = q->argv[1]};
	struct ipk__table_iter it = {0};
	struct ipk__entry *entry;

	f.is_any = ipk__slice_equal(f.pattern, IPK__SLICE_OF("*"));
	while ((entry = ipk__table_next(q->store, ipk__store_keys(q->store), &it)))
		found_one(&f, entry);
	reply_found(q, &f);
}

/* --- with a cursor ---------------------------------------------------------------------------- */

#define LAST_CURSOR "18446744073709551615" /* more is out of range */

/* As Redis reads it, by strtoul(): also "", "+5" and "-5". */
static bool parse_cursor(struct ipk__request *q, size_t i, uint64_t *ret_cursor)
{
	struct ipk__slice text = q->argv[i];
	char buf[64], *end = buf;
	uint64_t cursor = 0;

	if (text.n_bytes < sizeof(buf)) {
		memcpy(buf, text.bytes, text.n_bytes);
		buf[text.n_bytes] = 0;
		cursor = strtoul(buf, &end, 10);
	}
	if (text.n_bytes >= sizeof(buf) || strspn(buf, IPK__BLANKS) > 0 || *end ||
	    (cursor == ULONG_MAX && strspn(buf, "0123456789+-") > 0 && !strstr(buf, LAST_CURSOR))) {
		ipk__reply_error(q, "ERR invalid cursor");
		return false;
	}
	*ret_cursor = cursor;
	return true;
}

static bool parse_options(struct ipk__request *q, size_t i, struct found *f, int64_t *ret_count)
{
	for (; i < q->argc; i += 2) {
		bool has_value = i + 1 < q->argc;

		if (has_value && ipk__arg_is(q, i, "COUNT")) {
			if (!ipk__arg_integer(q, i + 1, ret_count))
				return false;
			if (*ret_count < 1) {
				ipk__reply_syntax(q);
				return false;
			}
		} else if (has_value && ipk__arg_is(q, i, "MATCH")) {
			f->pattern = q->argv[i + 1];
			f->is_any = ipk__slice_equal(f->pattern, IPK__SLICE_OF("*"));
		} else if (has_value && !f->is_hash && ipk__arg_is(q, i, "TYPE")) {
			f->type = q->argv[i + 1];
		} else {
			ipk__reply_syntax(q);
			return false;
		}
	}
	return true;
}

static void scan(struct ipk__request *q, struct found *f, struct ipk__table *table, uint64_t cursor,
		 uint64_t count)
{
	char text[24];

	/* No more steps than that: empty buckets would go on for long. */
	uint64_t n_steps = count > UINT64_MAX / 10 ? UINT64_MAX : count * 10;

	do
		cursor = ipk__table_scan(q->store, table, cursor, found_one, f);
	while (cursor != 0 && f->n_seen < count && --n_steps > 0);

	ipk__reply_array(q, 2);
	ipk__reply_bulk(q, IPK__SLICE(text, ipk__uint64_to_text(cursor, text)));
	reply_found(q, f);
}

void ipk__cmd_scan(struct ipk__request *q)
{
	struct found f = {.q = q, .is_any = true};
	uint64_t cursor;
	int64_t count = 10;

	if (parse_cursor(q, 1, &cursor) && parse_options(q, 2, &f, &count))
		scan(q, &f, ipk__store_keys(q->store), cursor, (uint64_t)count);
}

void ipk__cmd_hscan(struct ipk__request *q)
{
	struct found f = {.q = q, .is_any = true, .is_hash = true};
	struct ipk__table *table;
	struct ipk__entry *key;
	uint64_t cursor;
	int64_t count = 10;

	if (!parse_cursor(q, 2, &cursor) ||
	    !ipk__request_typed(q, q->argv[1], IPK__TYPE_HASH, &key))
		return;
	if (!key) {
		ipk__reply_array(q, 2);
		ipk__reply_bulk(q, IPK__SLICE_OF("0"));
		ipk__reply_array(q, 0);
		return;
	}
	if (!parse_options(q, 3, &f, &count))
		return;

	table = ipk__key_table(q->store, key);
	if (ipk__table_len(table) <= SMALL_HASH_FIELDS) {
		cursor = 0;
		count = INT64_MAX;
	}
	scan(q, &f, table, cursor, (uint64_t)count);
}
