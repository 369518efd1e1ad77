/*
 * cmd_string.c - the commands on strings; those that count are in cmd_number.c.
 *
 * A value from the store is replied before anything changes, since it is valid only until then.
 */
#include "base/base_internal.h"
#include "command/cmd_common.h"

/* --- GET, SET --------------------------------------------------------------------------------- */

/* The value or null. False: the reply says that it is of another type. */
static bool reply_value(struct ipk__request *q, struct ipk__entry **ret_key)
{
	struct ipk__entry *key;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_STRING, &key))
		return false;
	if (key)
		ipk__reply_bulk(q, ipk__entry_value(key));
	else
		ipk__reply_null(q);
	*ret_key = key;
	return true;
}

static void get(struct ipk__request *q)
{
	struct ipk__entry *key;

	reply_value(q, &key);
}

/* False: the reply, which begins at @reply_at, says why. */
static bool put_at(struct ipk__request *q, size_t reply_at, struct ipk__slice name,
		   struct ipk__slice value, bool keep_ttl)
{
	int r = ipk__key_set(q->store, name, value, keep_ttl, NULL);

	if (r < 0) {
		ipk__reply_instead(q, reply_at, r);
		return false;
	}
	ipk__changed(q, name);
	return true;
}

static bool put(struct ipk__request *q, struct ipk__slice name, struct ipk__slice value)
{
	return put_at(q, ipk__buffer_len(q->out), name, value, false);
}

/* With a time to live, or neither. */
static bool put_until(struct ipk__request *q, size_t reply_at, struct ipk__slice value,
		      int64_t at_ms)
{
	int r;

	if (!put_at(q, reply_at, q->argv[1], value, false))
		return false;

	r = ipk__key_expire(q->store, q->argv[1], at_ms);
	if (r < 0) {
		/* Without it the key would stay forever: it goes at once, and that is logged. */
		ipk__key_remove(q->store, q->argv[1]);
		ipk__effectf(q, "sb", "DEL", q->argv[1]);
		ipk__reply_instead(q, reply_at, r);
		return false;
	}
	ipk__effectf(q, "sbbsi", "SET", q->argv[1], value, "PXAT", at_ms);
	return true;
}

struct set_options {
	enum ipk__expire_kind expire;
	size_t expire_i; /* the argument with the time */
	bool nx, xx, get, keep_ttl, persist;
};

static enum ipk__expire_kind expire_word(const struct ipk__request *q, size_t i)
{
	if (ipk__arg_is(q, i, "EX"))
		return IPK__EXPIRE_EX;
	if (ipk__arg_is(q, i, "PX"))
		return IPK__EXPIRE_PX;
	if (ipk__arg_is(q, i, "EXAT"))
		return IPK__EXPIRE_EXAT;
	return ipk__arg_is(q, i, "PXAT") ? IPK__EXPIRE_PXAT : IPK__EXPIRE_NONE;
}

/* One of those that say how long: at most one kind of them. */
static bool parse_expire(const struct ipk__request *q, size_t *i, struct set_options *o)
{
	enum ipk__expire_kind kind = expire_word(q, *i);

	if (kind == IPK__EXPIRE_NONE || *i + 1 >= q->argc || o->keep_ttl || o->persist ||
	    (o->expire != IPK__EXPIRE_NONE && o->expire != kind))
		return false;

	o->expire = kind;
	o->expire_i = ++*i;
	return true;
}

/* What may stand behind SET's value, or behind GETEX's key. False: the reply says so. */
static bool parse_options(struct ipk__request *q, size_t i, bool is_set, struct set_options *o)
{
	for (; i < q->argc; i++) {
		if (is_set && ipk__arg_is(q, i, "NX") && !o->xx) {
			o->nx = true;
		} else if (is_set && ipk__arg_is(q, i, "XX") && !o->nx) {
			o->xx = true;
		} else if (is_set && ipk__arg_is(q, i, "GET")) {
			o->get = true;
		} else if (is_set && ipk__arg_is(q, i, "KEEPTTL") && !o->expire) {
			o->keep_ttl = true;
		} else if (!is_set && ipk__arg_is(q, i, "PERSIST") && !o->expire) {
			o->persist = true;
		} else if (!parse_expire(q, &i, o)) {
			ipk__reply_syntax(q);
			return false;
		}
	}
	return true;
}

static void set_with_options(struct ipk__request *q)
{
	struct set_options o = {0};
	struct ipk__entry *key = NULL;
	size_t reply_at = ipk__buffer_len(q->out);
	int64_t at_ms = 0;

	if (!parse_options(q, 3, true, &o))
		return;
	if (o.expire && !ipk__arg_expire(q, o.expire_i, o.expire, &at_ms))
		return;
	if (o.get && !reply_value(q, &key))
		return;
	if (!o.get && (o.nx || o.xx))
		key = ipk__request_key(q, q->argv[1]);
	if ((o.nx && key) || (o.xx && !key)) {
		if (!o.get)
			ipk__reply_null(q);
		return;
	}

	if (o.expire ? !put_until(q, reply_at, q->argv[2], at_ms)
		     : !put_at(q, reply_at, q->argv[1], q->argv[2], o.keep_ttl))
		return;
	if (!o.get)
		ipk__reply_ok(q);
}

static void set(struct ipk__request *q)
{
	if (q->argc > 3)
		set_with_options(q);
	else if (put(q, q->argv[1], q->argv[2]))
		ipk__reply_ok(q);
}

static void setnx(struct ipk__request *q)
{
	if (ipk__request_key(q, q->argv[1]))
		ipk__reply_integer(q, 0);
	else if (put(q, q->argv[1], q->argv[2]))
		ipk__reply_integer(q, 1);
}

static void set_for(struct ipk__request *q, enum ipk__expire_kind kind)
{
	int64_t at_ms;

	if (ipk__arg_expire(q, 2, kind, &at_ms) &&
	    put_until(q, ipk__buffer_len(q->out), q->argv[3], at_ms))
		ipk__reply_ok(q);
}

static void setex(struct ipk__request *q)
{
	set_for(q, IPK__EXPIRE_EX);
}

static void psetex(struct ipk__request *q)
{
	set_for(q, IPK__EXPIRE_PX);
}

/* --- GET and something more ------------------------------------------------------------------- */

static void getset(struct ipk__request *q)
{
	size_t reply_at = ipk__buffer_len(q->out);
	struct ipk__entry *key;

	if (reply_value(q, &key))
		put_at(q, reply_at, q->argv[1], q->argv[2], false);
}

static void getdel(struct ipk__request *q)
{
	struct ipk__entry *key;

	if (!reply_value(q, &key) || !key)
		return;
	ipk__drop_key(q, q->argv[1]);
	ipk__effectf(q, "sb", "DEL", q->argv[1]);
}

/* A new time to live, or none any more; the value is replied already. */
static void reset_expiry(struct ipk__request *q, size_t reply_at, int64_t at_ms)
{
	int r = ipk__key_expire(q->store, q->argv[1], at_ms);

	if (r < 0) {
		ipk__reply_instead(q, reply_at, r);
		return;
	}
	ipk__changed(q, q->argv[1]);
	if (at_ms != 0)
		ipk__effectf(q, "sbi", "PEXPIREAT", q->argv[1], at_ms);
	else
		ipk__effectf(q, "sb", "PERSIST", q->argv[1]);
}

static void getex(struct ipk__request *q)
{
	struct set_options o = {0};
	size_t reply_at = ipk__buffer_len(q->out);
	struct ipk__entry *key;
	int64_t at_ms = 0;

	if (!parse_options(q, 2, false, &o))
		return;
	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_STRING, &key))
		return;
	if (!key) {
		ipk__reply_null(q);
		return;
	}
	if (o.expire && !ipk__arg_expire(q, o.expire_i, o.expire, &at_ms))
		return;

	ipk__reply_bulk(q, ipk__entry_value(key));
	if (o.expire && at_ms <= q->now_ms && q->peer) {
		ipk__drop_key(q, q->argv[1]);
		ipk__effectf(q, "sb", "DEL", q->argv[1]);
	} else if (o.expire || (o.persist && ipk__key_expires_ms(key) != 0)) {
		reset_expiry(q, reply_at, at_ms);
	}
}

/* --- several ---------------------------------------------------------------------------------- */

static void mget(struct ipk__request *q)
{
	size_t i;

	ipk__reply_array(q, q->argc - 1);
	for (i = 1; i < q->argc; i++) {
		const struct ipk__entry *key = ipk__request_key(q, q->argv[i]);

		if (key && ipk__key_type(key) == IPK__TYPE_STRING)
			ipk__reply_bulk(q, ipk__entry_value(key));
		else
			ipk__reply_null(q);
	}
}

/* Up to the one for which there is no room: then the log gets what was done, as that. */
static bool put_pairs(struct ipk__request *q)
{
	size_t i, k;

	for (i = 1; i < q->argc; i += 2) {
		if (put(q, q->argv[i], q->argv[i + 1]))
			continue;
		for (k = 1; k < i; k += 2)
			ipk__effectf(q, "sbb", "SET", q->argv[k], q->argv[k + 1]);
		return false;
	}
	return true;
}

static void mset(struct ipk__request *q)
{
	if (q->argc % 2 == 0)
		ipk__reply_wrong_arity(q);
	else if (put_pairs(q))
		ipk__reply_ok(q);
}

static void msetnx(struct ipk__request *q)
{
	size_t i;

	if (q->argc % 2 == 0) {
		ipk__reply_wrong_arity(q);
		return;
	}
	for (i = 1; i < q->argc; i += 2) {
		if (ipk__request_key(q, q->argv[i])) {
			ipk__reply_integer(q, 0);
			return;
		}
	}
	if (put_pairs(q))
		ipk__reply_integer(q, 1);
}

/* --- pieces ----------------------------------------------------------------------------------- */

static void strlen_of(struct ipk__request *q)
{
	struct ipk__entry *key;

	if (ipk__request_typed(q, q->argv[1], IPK__TYPE_STRING, &key))
		ipk__reply_integer(q, key ? (int64_t)ipk__entry_value(key).n_bytes : 0);
}

/* argv[@i] from @at on, over the @had_bytes that are there; in between are zeros. */
static void write_piece(struct ipk__request *q, size_t had_bytes, size_t at, size_t i)
{
	struct ipk__slice piece = q->argv[i];
	int r;

	if (at > IPK__STORE_ITEM_MAX || piece.n_bytes > IPK__STORE_ITEM_MAX - at) {
		ipk__reply_error(q, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
		return;
	}

	r = ipk__key_write(q->store, q->argv[1], at, piece);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, q->argv[1]);
	ipk__reply_integer(q, (int64_t)IPK__MAX(had_bytes, at + piece.n_bytes));
}

static void append(struct ipk__request *q)
{
	struct ipk__entry *key;
	size_t had_bytes;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_STRING, &key))
		return;
	had_bytes = key ? ipk__entry_value(key).n_bytes : 0;
	write_piece(q, had_bytes, had_bytes, 2);
}

static void setrange(struct ipk__request *q)
{
	struct ipk__entry *key;
	size_t had_bytes;
	int64_t at;

	if (!ipk__arg_integer(q, 2, &at))
		return;
	if (at < 0) {
		ipk__reply_error(q, "ERR offset is out of range");
		return;
	}
	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_STRING, &key))
		return;

	had_bytes = key ? ipk__entry_value(key).n_bytes : 0;
	if (q->argv[3].n_bytes == 0)
		ipk__reply_integer(q, (int64_t)had_bytes);
	else
		write_piece(q, had_bytes, (size_t)at, 3);
}

static void getrange(struct ipk__request *q)
{
	struct ipk__slice value = {0};
	struct ipk__entry *key;
	int64_t start, end, n_bytes;

	if (!ipk__arg_integer(q, 2, &start) || !ipk__arg_integer(q, 3, &end) ||
	    !ipk__request_typed(q, q->argv[1], IPK__TYPE_STRING, &key))
		return;

	if (key)
		value = ipk__entry_value(key);
	n_bytes = (int64_t)value.n_bytes;
	/* Both before the beginning: the wrong way round is nothing, though clamped it were the
	 * first byte. */
	if (start < 0 && end < 0 && start > end)
		n_bytes = 0;
	if (start < 0)
		start = start + n_bytes > 0 ? start + n_bytes : 0;
	if (end < 0)
		end = end + n_bytes > 0 ? end + n_bytes : 0;
	if (end >= n_bytes)
		end = n_bytes - 1;
	if (start > end)
		ipk__reply_bulk(q, IPK__SLICE("", 0));
	else
		ipk__reply_bulk(q, IPK__SLICE(value.bytes + start, (size_t)(end - start + 1)));
}

#define READ IPK__CMD_READ
#define WRITE IPK__CMD_WRITE
#define FAST IPK__CMD_FAST
#define OOM IPK__CMD_DENY_OOM

const struct ipk__command ipk__commands_string[] = {
	{"GET", get, 2, READ | FAST, 1, 1, 1, "string", "The value of a key."},
	{"SET", set, -3, WRITE | OOM, 1, 1, 1, "string", "A new value."},
	{"SETNX", setnx, 3, WRITE | OOM | FAST, 1, 1, 1, "string",
	 "A value for a key that is not there."},
	{"SETEX", setex, 4, WRITE | OOM, 1, 1, 1, "string", "A new value for some seconds."},
	{"PSETEX", psetex, 4, WRITE | OOM, 1, 1, 1, "string", "A new value for some milliseconds."},
	{"GETSET", getset, 3, WRITE | OOM | FAST, 1, 1, 1, "string",
	 "A new value, and the old one."},
	{"GETDEL", getdel, 2, WRITE | FAST, 1, 1, 1, "string", "The value, taken away."},
	{"GETEX", getex, -2, WRITE | FAST, 1, 1, 1, "string", "The value, and a new time to live."},
	{"MGET", mget, -2, READ | FAST, 1, -1, 1, "string", "The values of keys."},
	{"MSET", mset, -3, WRITE | OOM, 1, -1, 2, "string", "New values."},
	{"MSETNX", msetnx, -3, WRITE | OOM, 1, -1, 2, "string",
	 "New values, when none of the keys is there."},
	{"INCR", ipk__cmd_incr, 2, WRITE | OOM | FAST, 1, 1, 1, "string", "One more."},
	{"INCRBY", ipk__cmd_incrby, 3, WRITE | OOM | FAST, 1, 1, 1, "string", "So many more."},
	{"DECR", ipk__cmd_decr, 2, WRITE | OOM | FAST, 1, 1, 1, "string", "One less."},
	{"DECRBY", ipk__cmd_decrby, 3, WRITE | OOM | FAST, 1, 1, 1, "string", "So many less."},
	{"INCRBYFLOAT", ipk__cmd_incrbyfloat, 3, WRITE | OOM | FAST, 1, 1, 1, "string",
	 "So much more."},
	{"APPEND", append, 3, WRITE | OOM | FAST, 1, 1, 1, "string", "More bytes at the end."},
	{"STRLEN", strlen_of, 2, READ | FAST, 1, 1, 1, "string", "How many bytes."},
	{"GETRANGE", getrange, 4, READ, 1, 1, 1, "string", "A piece."},
	{"SUBSTR", getrange, 4, READ, 1, 1, 1, "string", "A piece."},
	{"SETRANGE", setrange, 4, WRITE | OOM, 1, 1, 1, "string", "A piece written over."},
	{NULL},
};
