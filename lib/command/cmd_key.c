/*
 * cmd_key.c - the commands on keys of any type: DEL, TYPE, RENAME, FLUSHALL and related ones.
 *
 * It also has the functions with which other files create and remove keys. An empty hash or list
 * does not exist: the request that removes its last element removes the key.
 */
#include "command/cmd_common.h"
#include "os/os.h"

#define RANDOM_TRIES 100 /* to find a key whose time has not come */

/* --- making and taking away ------------------------------------------------------------------- */

void ipk__drop_key(struct ipk__request *q, struct ipk__slice name)
{
	ipk__key_remove(q->store, name);
	ipk__changed(q, name);
}

bool ipk__drop_empty_table(struct ipk__request *q, struct ipk__slice name)
{
	const struct ipk__entry *key = ipk__key_find(q->store, name);

	return key && ipk__table_len(ipk__key_table(q->store, key)) == 0 &&
	       ipk__key_remove(q->store, name);
}

bool ipk__drop_empty_list(struct ipk__request *q, struct ipk__slice name)
{
	const struct ipk__entry *key = ipk__key_find(q->store, name);

	return key && ipk__store_list_len(ipk__key_list(q->store, key)) == 0 &&
	       ipk__key_remove(q->store, name);
}

static bool request_made(struct ipk__request *q, struct ipk__slice name, enum ipk__key_type type,
			 struct ipk__entry **ret_key, bool *ret_is_new)
{
	struct ipk__entry *key;
	int r;

	if (!ipk__request_typed(q, name, type, &key))
		return false;
	if (!key) {
		r = ipk__key_make(q->store, name, type, ret_key);
		if (r < 0) {
			ipk__reply_failed(q, r);
			return false;
		}
	} else {
		*ret_key = key;
	}
	*ret_is_new = !key;
	return true;
}

bool ipk__request_table(struct ipk__request *q, struct ipk__slice name, struct ipk__table **ret_t,
			bool *ret_is_new)
{
	struct ipk__entry *key;

	if (!request_made(q, name, IPK__TYPE_HASH, &key, ret_is_new))
		return false;

	*ret_t = ipk__key_table(q->store, key);
	return true;
}

bool ipk__request_list(struct ipk__request *q, struct ipk__slice name,
		       struct ipk__store_list **ret_l, bool *ret_is_new)
{
	struct ipk__entry *key;

	if (!request_made(q, name, IPK__TYPE_LIST, &key, ret_is_new))
		return false;

	*ret_l = ipk__key_list(q->store, key);
	return true;
}

/* --- there or not ----------------------------------------------------------------------------- */

static void del(struct ipk__request *q)
{
	int64_t n = 0;
	size_t i;

	for (i = 1; i < q->argc; i++) {
		if (!ipk__request_key(q, q->argv[i]))
			continue;
		ipk__drop_key(q, q->argv[i]);
		n++;
	}
	ipk__reply_integer(q, n);
}

static void exists(struct ipk__request *q)
{
	int64_t n = 0;
	size_t i;

	for (i = 1; i < q->argc; i++)
		n += ipk__request_key(q, q->argv[i]) != NULL;
	ipk__reply_integer(q, n);
}

const char *ipk__key_type_name(struct ipk__store *s, const struct ipk__entry *key)
{
	switch (ipk__key_type(key)) {
	case IPK__TYPE_STRING:
		return "string";
	case IPK__TYPE_HASH:
		return "hash";
	case IPK__TYPE_LIST:
		return "list";
	case IPK__TYPE_SYNC_OBJECT:
		return ipk__sync_object_type_name(ipk__key_sync_object(s, key)->kind);
	default:
		return "none";
	}
}

static void type(struct ipk__request *q)
{
	const struct ipk__entry *key = ipk__request_key(q, q->argv[1]);

	ipk__reply_simple(q, key ? ipk__key_type_name(q->store, key) : "none");
}

/* --- names ------------------------------------------------------------------------------------ */

/* False: the reply says why. */
static bool move_key(struct ipk__request *q, struct ipk__slice from, struct ipk__slice to)
{
	bool is_list = ipk__key_type(ipk__key_find(q->store, from)) == IPK__TYPE_LIST;
	int r = ipk__key_rename(q->store, from, to);

	if (r < 0) {
		ipk__reply_failed(q, r);
		return false;
	}
	ipk__changed(q, from);
	ipk__changed(q, to);
	if (is_list)
		ipk__signal(q->db, to, 0);
	return true;
}

static void rename_key(struct ipk__request *q)
{
	if (!ipk__request_key(q, q->argv[1]))
		ipk__reply_error(q, "ERR no such key");
	else if (ipk__slice_equal(q->argv[1], q->argv[2]) || move_key(q, q->argv[1], q->argv[2]))
		ipk__reply_ok(q);
}

static void renamenx(struct ipk__request *q)
{
	if (!ipk__request_key(q, q->argv[1]))
		ipk__reply_error(q, "ERR no such key");
	else if (ipk__request_key(q, q->argv[2]))
		ipk__reply_integer(q, 0);
	else if (move_key(q, q->argv[1], q->argv[2]))
		ipk__reply_integer(q, 1);
}

/* --- all keys --------------------------------------------------------------------------------- */

static void dbsize(struct ipk__request *q)
{
	ipk__reply_integer(q, (int64_t)ipk__keys_len(q->store));
}

static void flush(struct ipk__request *q)
{
	if (q->argc > 2 ||
	    (q->argc == 2 && !ipk__arg_is(q, 1, "SYNC") && !ipk__arg_is(q, 1, "ASYNC"))) {
		ipk__reply_syntax(q);
		return;
	}

	ipk__keys_clear(q->store);
	ipk__notify_flushed(q->db);
	q->n_changes++;
	ipk__reply_ok(q);
}

static void randomkey(struct ipk__request *q)
{
	struct ipk__entry *key = NULL;
	uint64_t random;
	int i;

	for (i = 0; i < RANDOM_TRIES; i++) {
		if (ipk__os_random(&random, sizeof(random)) < 0)
			break;
		key = ipk__table_random(q->store, ipk__store_keys(q->store), random);
		if (!key || ipk__key_expires_ms(key) == 0 || ipk__key_expires_ms(key) > q->now_ms)
			break;
	}
	if (key)
		ipk__reply_bulk(q, ipk__entry_name(key));
	else
		ipk__reply_null(q);
}

#define READ IPK__CMD_READ
#define WRITE IPK__CMD_WRITE
#define FAST IPK__CMD_FAST
#define OOM IPK__CMD_DENY_OOM

const struct ipk__command ipk__commands_key[] = {
	{"DBSIZE", dbsize, 1, READ | FAST, 0, 0, 0, "server", "How many keys there are."},
	{"FLUSHALL", flush, -1, WRITE, 0, 0, 0, "server", "Take all keys away."},
	{"FLUSHDB", flush, -1, WRITE, 0, 0, 0, "server", "Take all keys away."},
	{"KEYS", ipk__cmd_keys, 2, READ, 0, 0, 0, "generic", "Names that match a pattern."},
	{"SCAN", ipk__cmd_scan, -2, READ, 0, 0, 0, "generic", "Names, some at a time."},
	{"TYPE", type, 2, READ | FAST, 1, 1, 1, "generic", "What lies under a key."},
	{"EXISTS", exists, -2, READ | FAST, 1, -1, 1, "generic", "How many keys are there."},
	{"TOUCH", exists, -2, READ | FAST, 1, -1, 1, "generic", "How many keys are there."},
	{"DEL", del, -2, WRITE, 1, -1, 1, "generic", "Take keys away."},
	{"UNLINK", del, -2, WRITE | FAST, 1, -1, 1, "generic", "Take keys away."},
	{"RENAME", rename_key, 3, WRITE, 1, 2, 1, "generic", "Another name for a key."},
	{"RENAMENX", renamenx, 3, WRITE | FAST, 1, 2, 1, "generic",
	 "Another name for a key, when it is free."},
	{"COPY", ipk__cmd_copy, -3, WRITE | OOM, 1, 2, 1, "generic",
	 "The same under a second key."},
	{"RANDOMKEY", randomkey, 1, READ, 0, 0, 0, "generic", "Any name."},
	{"OBJECT", ipk__cmd_object, -2, READ, 0, 0, 0, "generic", "How a value is kept.",
	 ipk__object_is_good},
	{"EXPIRE", ipk__cmd_expire, -3, WRITE | FAST, 1, 1, 1, "generic",
	 "Take a key away after seconds."},
	{"PEXPIRE", ipk__cmd_pexpire, -3, WRITE | FAST, 1, 1, 1, "generic",
	 "Take a key away after milliseconds."},
	{"EXPIREAT", ipk__cmd_expireat, -3, WRITE | FAST, 1, 1, 1, "generic",
	 "Take a key away at a time in seconds."},
	{"PEXPIREAT", ipk__cmd_pexpireat, -3, WRITE | FAST, 1, 1, 1, "generic",
	 "Take a key away at a time in milliseconds."},
	{"TTL", ipk__cmd_ttl, 2, READ | FAST, 1, 1, 1, "generic", "Seconds a key has left."},
	{"PTTL", ipk__cmd_pttl, 2, READ | FAST, 1, 1, 1, "generic", "Milliseconds a key has left."},
	{"EXPIRETIME", ipk__cmd_expiretime, 2, READ | FAST, 1, 1, 1, "generic",
	 "When a key goes, in seconds."},
	{"PEXPIRETIME", ipk__cmd_pexpiretime, 2, READ | FAST, 1, 1, 1, "generic",
	 "When a key goes, in milliseconds."},
	{"PERSIST", ipk__cmd_persist, 2, WRITE | FAST, 1, 1, 1, "generic", "Keep a key after all."},
	{NULL},
};
