/*
 * cmd_object.c - the encoding of a value (OBJECT), and copies (COPY).
 *
 * Values have encodings of our own; OBJECT ENCODING reports what Redis would report for a value of
 * that size, for programs that ask.
 */
#include <errno.h>
#include <limits.h>

#include "command/cmd_common.h"

/* As Redis is set up when nothing else is said. */
#define EMBSTR_BYTES 44
#define LISTPACK_FIELDS 512
#define LISTPACK_BYTES 64
#define SHARED_INTEGERS 10000

static bool is_small_hash(struct ipk__store *s, struct ipk__table *table)
{
	struct ipk__table_iter it = {0};
	const struct ipk__entry *field;

	if (ipk__table_len(table) > LISTPACK_FIELDS)
		return false;
	while ((field = ipk__table_next(s, table, &it)))
		if (ipk__entry_name(field).n_bytes > LISTPACK_BYTES ||
		    ipk__entry_value(field).n_bytes > LISTPACK_BYTES)
			return false;
	return true;
}

static const char *string_encoding(struct ipk__slice value)
{
	int64_t n;

	if (ipk__text_to_int64(value, &n))
		return "int";
	return value.n_bytes <= EMBSTR_BYTES ? "embstr" : "raw";
}

static void encoding(struct ipk__request *q, const struct ipk__entry *key)
{
	const char *word = "ipk";

	if (ipk__key_type(key) == IPK__TYPE_STRING)
		word = string_encoding(ipk__entry_value(key));
	else if (ipk__key_type(key) == IPK__TYPE_HASH)
		word = is_small_hash(q->store, ipk__key_table(q->store, key)) ? "listpack"
									      : "hashtable";
	else if (ipk__key_type(key) == IPK__TYPE_LIST)
		word = "quicklist";
	ipk__reply_bulk(q, ipk__slice_of_string(word));
}

/* Redis keeps small numbers once for all, and says so by a count of its own. */
static void refcount(struct ipk__request *q, const struct ipk__entry *key)
{
	bool is_string = ipk__key_type(key) == IPK__TYPE_STRING;
	int64_t n;

	if (is_string && ipk__text_to_int64(ipk__entry_value(key), &n) && n >= 0 &&
	    n < SHARED_INTEGERS)
		ipk__reply_integer(q, INT_MAX);
	else
		ipk__reply_integer(q, 1);
}

static void object_help(struct ipk__request *q)
{
	static const char *const lines[] = {
		"OBJECT <subcommand> <key>. Subcommands are:",
		"ENCODING",
		"    What Redis would call the way in which a value of this size is kept.",
		"REFCOUNT",
		"    How many users Redis would count for the value.",
		"HELP",
		"    This text.",
	};
	size_t i;

	ipk__reply_array(q, sizeof(lines) / sizeof(*lines));
	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ipk__reply_simple(q, lines[i]);
}

static const struct kind {
	const char *word, *name;
	size_t argc;
	void (*reply)(struct ipk__request *q, const struct ipk__entry *key);
} kinds[] = {{"HELP", "help", 2, NULL},
	     {"ENCODING", "encoding", 3, encoding},
	     {"REFCOUNT", "refcount", 3, refcount}};

/* NULL: the reply says why. */
static const struct kind *find_kind(struct ipk__request *q)
{
	const struct kind *kind = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !kind; i++)
		if (ipk__arg_is(q, 1, kinds[i].word))
			kind = &kinds[i];
	if (!kind) {
		ipk__reply_error(q, "ERR unknown subcommand '%.*s'. Try OBJECT HELP.",
				 q->argv[1].n_bytes < 128 ? (int)q->argv[1].n_bytes : 128,
				 q->argv[1].bytes);
		return NULL;
	}
	if (q->argc != kind->argc) {
		ipk__reply_error(q, "ERR wrong number of arguments for 'object|%s' command",
				 kind->name);
		return NULL;
	}
	return kind;
}

bool ipk__object_is_good(struct ipk__request *q)
{
	return find_kind(q) != NULL;
}

void ipk__cmd_object(struct ipk__request *q)
{
	const struct kind *kind = find_kind(q);
	const struct ipk__entry *key;

	if (!kind)
		return;
	if (!kind->reply) {
		object_help(q);
		return;
	}

	key = ipk__request_key(q, q->argv[2]);
	if (key)
		kind->reply(q, key);
	else
		ipk__reply_null(q);
}

/* --- COPY ------------------------------------------------------------------------------------- */

static void save_bulk(struct ipk__buffer *b, struct ipk__slice s)
{
	uint64_t n_bytes = s.n_bytes;

	ipk__buffer_append(b, &n_bytes, sizeof(n_bytes));
	ipk__buffer_append(b, s.bytes, s.n_bytes);
}

static struct ipk__slice next_saved(struct ipk__buffer *b)
{
	const char *at = b->room;
	uint64_t n_bytes;

	if (!at) /* nothing was saved */
		return IPK__SLICE(NULL, 0);
	at += b->from;
	memcpy(&n_bytes, at, sizeof(n_bytes));
	ipk__buffer_take(b, sizeof(n_bytes) + n_bytes);
	return IPK__SLICE(at + sizeof(n_bytes), n_bytes);
}

/* All of a value, outside the store: what is put into it must not lie there. */
static void save_value(struct ipk__store *s, const struct ipk__entry *key, struct ipk__buffer *b)
{
	struct ipk__table_iter fields = {0};
	struct ipk__store_list_iter items;
	const struct ipk__entry *field;
	struct ipk__slice item;

	if (ipk__key_type(key) == IPK__TYPE_STRING) {
		save_bulk(b, ipk__entry_value(key));
	} else if (ipk__key_type(key) == IPK__TYPE_HASH) {
		while ((field = ipk__table_next(s, ipk__key_table(s, key), &fields))) {
			save_bulk(b, ipk__entry_name(field));
			save_bulk(b, ipk__entry_value(field));
		}
	} else {
		ipk__store_list_begin(s, ipk__key_list(s, key), 0, false, &items);
		while (ipk__store_list_next(&items, &item))
			save_bulk(b, item);
	}
}

static int load_value(struct ipk__store *s, struct ipk__slice name, enum ipk__key_type type,
		      struct ipk__buffer *b)
{
	struct ipk__entry *key;
	struct ipk__slice item;
	int r;

	if (type == IPK__TYPE_STRING)
		return ipk__key_set(s, name, next_saved(b), false, NULL);

	r = ipk__key_make(s, name, type, &key);
	while (r == 0 && ipk__buffer_len(b) > 0) {
		item = next_saved(b);
		key = ipk__key_find(s, name);
		if (type == IPK__TYPE_HASH)
			r = ipk__table_put(s, ipk__key_table(s, key), item, next_saved(b), NULL);
		else
			r = ipk__store_list_push(s, ipk__key_list(s, key), false, item);
	}
	return r;
}

/*
 * Under a name that is free, so that nothing is lost when there is no room for it. Such a
 * name is made of the new one; no key of an application is called so.
 */
static int copy_value(struct ipk__request *q, const struct ipk__entry *from)
{
	static const char part[] = "\0ipk copy under way";
	int64_t expires_ms = ipk__key_expires_ms(from);
	enum ipk__key_type type = ipk__key_type(from);
	struct ipk__slice name = IPK__SLICE(part, sizeof(part));
	struct ipk__buffer b = {0};
	int r = 0;

	save_value(q->store, from, &b);
	if (b.failed)
		r = -ENOMEM;
	if (r == 0)
		r = load_value(q->store, name, type, &b);
	if (r == 0 && expires_ms != 0)
		r = ipk__key_expire(q->store, name, expires_ms);
	if (r == 0)
		r = ipk__key_rename(q->store, name, q->argv[2]);
	if (r < 0)
		ipk__key_remove(q->store, name);
	ipk__buffer_free(&b);
	return r;
}

static bool parse_copy(struct ipk__request *q, bool *ret_replace)
{
	int64_t db;
	size_t i;

	*ret_replace = false;
	for (i = 3; i < q->argc; i++) {
		if (ipk__arg_is(q, i, "REPLACE")) {
			*ret_replace = true;
		} else if (ipk__arg_is(q, i, "DB") && i + 1 < q->argc) {
			if (!ipk__arg_range(q, ++i, INT_MIN, INT_MAX, NULL, &db))
				return false;
			if (db != 0) {
				ipk__reply_error(q, "ERR DB index is out of range");
				return false;
			}
		} else {
			ipk__reply_syntax(q);
			return false;
		}
	}
	if (ipk__slice_equal(q->argv[1], q->argv[2])) {
		ipk__reply_error(q, "ERR source and destination objects are the same");
		return false;
	}
	return true;
}

void ipk__cmd_copy(struct ipk__request *q)
{
	const struct ipk__entry *from;
	bool replace, is_list;
	int r;

	if (!parse_copy(q, &replace))
		return;

	if (!ipk__request_key(q, q->argv[1]) || (ipk__request_key(q, q->argv[2]) && !replace)) {
		ipk__reply_integer(q, 0);
		return;
	}
	/* The second look may have taken an old key away: the first is not good any more. */
	from = ipk__key_find(q->store, q->argv[1]);
	if (ipk__key_type(from) == IPK__TYPE_SYNC_OBJECT) {
		ipk__reply_wrong_type(q);
		return;
	}
	is_list = ipk__key_type(from) == IPK__TYPE_LIST;

	r = copy_value(q, from);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, q->argv[2]);
	if (is_list)
		ipk__signal(q->db, q->argv[2], 0);
	ipk__reply_integer(q, 1);
}
