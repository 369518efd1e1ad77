/*
 * cmd_expire.c - times to live: EXPIRE, TTL, PERSIST and related commands.
 *
 * A time to live is stored, and logged, as the absolute time in ms (wall clock) at which the key
 * expires: a relative time would start anew whenever the log is loaded. Nothing expires during a
 * load: the log itself records the removal of keys.
 */
#include "command/cmd_common.h"

void ipk__reply_bad_expire(struct ipk__request *q)
{
	char name[32];
	size_t i;

	for (i = 0; i + 1 < sizeof(name) && q->command->name[i]; i++)
		name[i] = ipk__lower(q->command->name[i]);
	name[i] = 0;
	ipk__reply_error(q, "ERR invalid expire time in '%s' command", name);
}

bool ipk__arg_expire(struct ipk__request *q, size_t i, enum ipk__expire_kind kind,
		     int64_t *ret_at_ms)
{
	bool is_seconds = kind == IPK__EXPIRE_EX || kind == IPK__EXPIRE_EXAT;
	bool is_relative = kind == IPK__EXPIRE_EX || kind == IPK__EXPIRE_PX;
	int64_t at_ms;

	if (!ipk__arg_integer(q, i, &at_ms))
		return false;

	if (at_ms <= 0 || (is_seconds && __builtin_mul_overflow(at_ms, 1000, &at_ms)) ||
	    (is_relative && __builtin_add_overflow(at_ms, q->now_ms, &at_ms))) {
		ipk__reply_bad_expire(q);
		return false;
	}
	*ret_at_ms = at_ms;
	return true;
}

/* --- setting ---------------------------------------------------------------------------------- */

enum { NX = 1, XX = 2, GT = 4, LT = 8 };

static bool parse_conditions(struct ipk__request *q, unsigned *ret_conditions)
{
	unsigned c = 0;
	size_t i;

	for (i = 3; i < q->argc; i++) {
		if (ipk__arg_is(q, i, "NX")) {
			c |= NX;
		} else if (ipk__arg_is(q, i, "XX")) {
			c |= XX;
		} else if (ipk__arg_is(q, i, "GT")) {
			c |= GT;
		} else if (ipk__arg_is(q, i, "LT")) {
			c |= LT;
		} else {
			ipk__reply_error(q, "ERR Unsupported option %.*s", (int)q->argv[i].n_bytes,
					 q->argv[i].bytes);
			return false;
		}
	}
	if ((c & NX) && (c & (XX | GT | LT))) {
		ipk__reply_error(q, "ERR NX and XX, GT or LT options at the same time are not "
				    "compatible");
		return false;
	}
	if ((c & GT) && (c & LT)) {
		ipk__reply_error(q, "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	*ret_conditions = c;
	return true;
}

/* Without a time to live a key lives forever: longer than any. */
static bool is_allowed(unsigned conditions, int64_t now_ms, int64_t at_ms)
{
	if ((conditions & NX) && now_ms != 0)
		return false;
	if ((conditions & XX) && now_ms == 0)
		return false;
	if ((conditions & GT) && (now_ms == 0 || at_ms <= now_ms))
		return false;
	return !(conditions & LT) || now_ms == 0 || at_ms < now_ms;
}

static void set_expiry(struct ipk__request *q, struct ipk__slice name, int64_t at_ms)
{
	int r;

	if (q->peer && at_ms <= q->now_ms) {
		ipk__drop_key(q, name);
		ipk__effectf(q, "sb", "DEL", name);
		ipk__reply_integer(q, 1);
		return;
	}

	r = ipk__key_expire(q->store, name, at_ms > 0 ? at_ms : 1);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, name);
	ipk__effectf(q, "sbi", "PEXPIREAT", name, at_ms);
	ipk__reply_integer(q, 1);
}

static void expire(struct ipk__request *q, bool is_seconds, bool is_relative)
{
	struct ipk__entry *key;
	unsigned conditions;
	int64_t at_ms;

	if (!parse_conditions(q, &conditions) || !ipk__arg_integer(q, 2, &at_ms))
		return;
	if ((is_seconds && __builtin_mul_overflow(at_ms, 1000, &at_ms)) ||
	    (is_relative && __builtin_add_overflow(at_ms, q->now_ms, &at_ms))) {
		ipk__reply_bad_expire(q);
		return;
	}

	key = ipk__request_key(q, q->argv[1]);
	if (!key || !is_allowed(conditions, ipk__key_expires_ms(key), at_ms))
		ipk__reply_integer(q, 0);
	else
		set_expiry(q, q->argv[1], at_ms);
}

void ipk__cmd_expire(struct ipk__request *q)
{
	expire(q, true, true);
}

void ipk__cmd_pexpire(struct ipk__request *q)
{
	expire(q, false, true);
}

void ipk__cmd_expireat(struct ipk__request *q)
{
	expire(q, true, false);
}

void ipk__cmd_pexpireat(struct ipk__request *q)
{
	expire(q, false, false);
}

void ipk__cmd_persist(struct ipk__request *q)
{
	struct ipk__entry *key = ipk__request_key(q, q->argv[1]);
	int r;

	if (!key || ipk__key_expires_ms(key) == 0) {
		ipk__reply_integer(q, 0);
		return;
	}

	r = ipk__key_expire(q->store, q->argv[1], 0);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, q->argv[1]);
	ipk__reply_integer(q, 1);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void reply_expiry(struct ipk__request *q, bool is_seconds, bool is_relative)
{
	const struct ipk__entry *key = ipk__request_key(q, q->argv[1]);
	int64_t ms = key ? ipk__key_expires_ms(key) : 0;

	if (ms == 0) {
		ipk__reply_integer(q, key ? -1 : -2);
		return;
	}
	if (is_relative)
		ms = ms > q->now_ms ? ms - q->now_ms : 0;
	if (is_seconds)
		ms = ms / 1000 + (ms % 1000 >= 500);
	ipk__reply_integer(q, ms);
}

void ipk__cmd_ttl(struct ipk__request *q)
{
	reply_expiry(q, true, true);
}

void ipk__cmd_pttl(struct ipk__request *q)
{
	reply_expiry(q, false, true);
}

void ipk__cmd_expiretime(struct ipk__request *q)
{
	reply_expiry(q, true, false);
}

void ipk__cmd_pexpiretime(struct ipk__request *q)
{
	reply_expiry(q, false, false);
}
