/*
 * cmd_hash.c - the commands on hashes; those that count are in cmd_number.c, HSCAN in
 * cmd_scan.c, HRANDFIELD in cmd_hash_random.c.
 */
#include "command/cmd_common.h"

/* The hash that the request is about; NULL when there is none. False: another type is there. */
static bool find_table(struct ipk__request *q, struct ipk__table **ret_table)
{
	struct ipk__entry *key;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_HASH, &key))
		return false;

	*ret_table = key ? ipk__key_table(q->store, key) : NULL;
	return true;
}

/* --- setting ---------------------------------------------------------------------------------- */

/* There was no room for more than the pairs before argv[@end]: those are in, and logged. */
static void put_some(struct ipk__request *q, size_t end, bool is_new, int err)
{
	size_t i;

	if (end == 2 && is_new)
		ipk__key_remove(q->store, q->argv[1]);
	for (i = 2; i < end; i += 2)
		ipk__effectf(q, "sbbb", "HSET", q->argv[1], q->argv[i], q->argv[i + 1]);
	ipk__reply_failed(q, err);
}

/* False: the reply says why. */
static bool put_pairs(struct ipk__request *q, int64_t *ret_new)
{
	struct ipk__table *table;
	bool is_new_key, is_new;
	int64_t n_new = 0;
	size_t i;
	int r;

	if (q->argc % 2 == 1) {
		ipk__reply_wrong_arity(q);
		return false;
	}
	if (!ipk__request_table(q, q->argv[1], &table, &is_new_key))
		return false;

	for (i = 2; i < q->argc; i += 2) {
		r = ipk__table_put(q->store, table, q->argv[i], q->argv[i + 1], &is_new);
		if (r < 0) {
			put_some(q, i, is_new_key, r);
			return false;
		}
		n_new += is_new;
		ipk__changed_field(q, q->argv[1], q->argv[i]);
	}
	*ret_new = n_new;
	return true;
}

static void hset(struct ipk__request *q)
{
	int64_t n_new;

	if (put_pairs(q, &n_new))
		ipk__reply_integer(q, n_new);
}

static void hmset(struct ipk__request *q)
{
	int64_t n_new;

	if (put_pairs(q, &n_new))
		ipk__reply_ok(q);
}

static void hsetnx(struct ipk__request *q)
{
	struct ipk__table *table;
	int64_t n_new;

	if (!find_table(q, &table))
		return;
	if (table && ipk__table_find(q->store, table, q->argv[2]))
		ipk__reply_integer(q, 0);
	else if (put_pairs(q, &n_new))
		ipk__reply_integer(q, 1);
}

static void hdel(struct ipk__request *q)
{
	struct ipk__table *table;
	int64_t n = 0;
	size_t i;

	if (!find_table(q, &table))
		return;
	for (i = 2; table && i < q->argc; i++) {
		if (!ipk__table_remove(q->store, table, q->argv[i]))
			continue;
		n++;
		ipk__changed_field(q, q->argv[1], q->argv[i]);
	}
	if (n > 0 && ipk__drop_empty_table(q, q->argv[1]))
		ipk__changed(q, q->argv[1]);
	ipk__reply_integer(q, n);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void reply_field(struct ipk__request *q, struct ipk__table *table, struct ipk__slice name)
{
	const struct ipk__entry *field = table ? ipk__table_find(q->store, table, name) : NULL;

	if (field)
		ipk__reply_bulk(q, ipk__entry_value(field));
	else
		ipk__reply_null(q);
}

static void hget(struct ipk__request *q)
{
	struct ipk__table *table;

	if (find_table(q, &table))
		reply_field(q, table, q->argv[2]);
}

static void hmget(struct ipk__request *q)
{
	struct ipk__table *table;
	size_t i;

	if (!find_table(q, &table))
		return;
	ipk__reply_array(q, q->argc - 2);
	for (i = 2; i < q->argc; i++)
		reply_field(q, table, q->argv[i]);
}

static void hlen(struct ipk__request *q)
{
	struct ipk__table *table;

	if (find_table(q, &table))
		ipk__reply_integer(q, table ? (int64_t)ipk__table_len(table) : 0);
}

static void hstrlen(struct ipk__request *q)
{
	const struct ipk__entry *field = NULL;
	struct ipk__table *table;

	if (!find_table(q, &table))
		return;
	if (table)
		field = ipk__table_find(q->store, table, q->argv[2]);
	ipk__reply_integer(q, field ? (int64_t)ipk__entry_value(field).n_bytes : 0);
}

static void hexists(struct ipk__request *q)
{
	struct ipk__table *table;

	if (find_table(q, &table))
		ipk__reply_integer(q, table && ipk__table_find(q->store, table, q->argv[2]));
}

/* --- all of it -------------------------------------------------------------------------------- */

static void reply_all(struct ipk__request *q, bool names, bool values)
{
	struct ipk__table_iter it = {0};
	const struct ipk__entry *field;
	struct ipk__table *table;
	uint64_t n;

	if (!find_table(q, &table))
		return;
	n = table ? ipk__table_len(table) : 0;
	if (names && values)
		ipk__resp_map(q->out, n, q->resp);
	else
		ipk__reply_array(q, n);

	while (table && (field = ipk__table_next(q->store, table, &it))) {
		if (names)
			ipk__reply_bulk(q, ipk__entry_name(field));
		if (values)
			ipk__reply_bulk(q, ipk__entry_value(field));
	}
}

static void hgetall(struct ipk__request *q)
{
	reply_all(q, true, true);
}

static void hkeys(struct ipk__request *q)
{
	reply_all(q, true, false);
}

static void hvals(struct ipk__request *q)
{
	reply_all(q, false, true);
}

#define READ IPK__CMD_READ
#define WRITE IPK__CMD_WRITE
#define FAST IPK__CMD_FAST
#define OOM IPK__CMD_DENY_OOM

const struct ipk__command ipk__commands_hash[] = {
	{"HSET", hset, -4, WRITE | OOM | FAST, 1, 1, 1, "hash", "New values of fields."},
	{"HSETNX", hsetnx, 4, WRITE | OOM | FAST, 1, 1, 1, "hash",
	 "A value for a field that is not there."},
	{"HMSET", hmset, -4, WRITE | OOM | FAST, 1, 1, 1, "hash", "New values of fields."},
	{"HGET", hget, 3, READ | FAST, 1, 1, 1, "hash", "The value of a field."},
	{"HMGET", hmget, -3, READ | FAST, 1, 1, 1, "hash", "The values of fields."},
	{"HGETALL", hgetall, 2, READ, 1, 1, 1, "hash", "All fields and their values."},
	{"HDEL", hdel, -3, WRITE | FAST, 1, 1, 1, "hash", "Take fields away."},
	{"HLEN", hlen, 2, READ | FAST, 1, 1, 1, "hash", "How many fields."},
	{"HSTRLEN", hstrlen, 3, READ | FAST, 1, 1, 1, "hash",
	 "How many bytes a field's value has."},
	{"HEXISTS", hexists, 3, READ | FAST, 1, 1, 1, "hash", "Whether a field is there."},
	{"HKEYS", hkeys, 2, READ, 1, 1, 1, "hash", "All fields."},
	{"HVALS", hvals, 2, READ, 1, 1, 1, "hash", "All values."},
	{"HINCRBY", ipk__cmd_hincrby, 4, WRITE | OOM | FAST, 1, 1, 1, "hash", "So many more."},
	{"HINCRBYFLOAT", ipk__cmd_hincrbyfloat, 4, WRITE | OOM | FAST, 1, 1, 1, "hash",
	 "So much more."},
	{"HSCAN", ipk__cmd_hscan, -3, READ, 1, 1, 1, "hash", "Fields, some at a time."},
	{"HRANDFIELD", ipk__cmd_hrandfield, -2, READ, 1, 1, 1, "hash", "Fields by chance."},
	{NULL},
};
