/*
 * cmd_number.c - the commands that count.
 *
 * Counters are text, as they were set. What is not an integer depends on the machine, so the log
 * gets the result and not the increment.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "os/os.h"
#include "command/cmd_common.h"

/* --- strings ---------------------------------------------------------------------------------- */

static void count_string(struct ipk__request *q, int64_t delta)
{
	struct ipk__slice name = q->argv[1];
	struct ipk__entry *key;
	int64_t n = 0;
	char text[24];
	int r;

	if (!ipk__request_typed(q, name, IPK__TYPE_STRING, &key))
		return;
	if (key && !ipk__text_to_int64(ipk__entry_value(key), &n)) {
		ipk__reply_not_integer(q);
		return;
	}
	if (__builtin_add_overflow(n, delta, &n)) {
		ipk__reply_error(q, "ERR increment or decrement would overflow");
		return;
	}

	r = ipk__key_set(q->store, name, IPK__SLICE(text, ipk__int64_to_text(n, text)), true, NULL);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, name);
	ipk__reply_integer(q, n);
}

void ipk__cmd_incr(struct ipk__request *q)
{
	count_string(q, 1);
}

void ipk__cmd_decr(struct ipk__request *q)
{
	count_string(q, -1);
}

void ipk__cmd_incrby(struct ipk__request *q)
{
	int64_t delta;

	if (ipk__arg_integer(q, 2, &delta))
		count_string(q, delta);
}

void ipk__cmd_decrby(struct ipk__request *q)
{
	int64_t delta;

	if (!ipk__arg_integer(q, 2, &delta))
		return;
	if (delta == INT64_MIN)
		ipk__reply_error(q, "ERR decrement would overflow");
	else
		count_string(q, -delta);
}

void ipk__cmd_incrbyfloat(struct ipk__request *q)
{
	struct ipk__slice name = q->argv[1], sum;
	struct ipk__entry *key;
	long double d = 0, delta;
	char *text;
	int r;

	if (!ipk__request_typed(q, name, IPK__TYPE_STRING, &key))
		return;
	if ((key && !ipk__text_to_float(ipk__entry_value(key), &d)) ||
	    !ipk__text_to_float(q->argv[2], &delta)) {
		ipk__reply_error(q, "ERR value is not a valid float");
		return;
	}
	d += delta;
	if (isnan(d) || isinf(d)) {
		ipk__reply_error(q, "ERR increment would produce NaN or Infinity");
		return;
	}

	text = ipk__float_to_text(d, &sum.n_bytes);
	sum.bytes = text;
	r = text ? ipk__key_set(q->store, name, sum, true, NULL) : -ENOMEM;
	if (r < 0) {
		ipk__reply_failed(q, r);
	} else {
		ipk__changed(q, name);
		ipk__effectf(q, "sbbs", "SET", name, sum, "KEEPTTL");
		ipk__reply_bulk(q, sum);
	}
	free(text);
}

/* --- fields of hashes ------------------------------------------------------------------------- */

/* A field is what the sum says, and the hash is made when there was none. */
static bool put_sum(struct ipk__request *q, struct ipk__slice sum)
{
	struct ipk__table *table;
	bool is_new;
	int r;

	if (!ipk__request_table(q, q->argv[1], &table, &is_new))
		return false;

	r = ipk__table_put(q->store, table, q->argv[2], sum, NULL);
	if (r < 0) {
		if (is_new)
			ipk__key_remove(q->store, q->argv[1]);
		ipk__reply_failed(q, r);
		return false;
	}
	ipk__changed_field(q, q->argv[1], q->argv[2]);
	return true;
}

/* The field argv[2] as it is; *ret_field NULL: there is none. False: another type is there. */
static bool find_field(struct ipk__request *q, struct ipk__entry **ret_field)
{
	struct ipk__entry *key;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_HASH, &key))
		return false;

	*ret_field =
		key ? ipk__table_find(q->store, ipk__key_table(q->store, key), q->argv[2]) : NULL;
	return true;
}

void ipk__cmd_hincrby(struct ipk__request *q)
{
	struct ipk__entry *field;
	int64_t n = 0, delta;
	char text[24];
	size_t n_bytes;

	if (!ipk__arg_integer(q, 3, &delta) || !find_field(q, &field))
		return;
	if (field && !ipk__text_to_int64(ipk__entry_value(field), &n)) {
		ipk__reply_error(q, "ERR hash value is not an integer");
		return;
	}
	if (__builtin_add_overflow(n, delta, &n)) {
		ipk__reply_error(q, "ERR increment or decrement would overflow");
		return;
	}
	n_bytes = ipk__int64_to_text(n, text);
	if (put_sum(q, IPK__SLICE(text, n_bytes)))
		ipk__reply_integer(q, n);
}

void ipk__cmd_hincrbyfloat(struct ipk__request *q)
{
	struct ipk__entry *field;
	struct ipk__slice sum;
	long double d = 0, delta;
	char *text;

	if (!ipk__text_to_float(q->argv[3], &delta)) {
		ipk__reply_error(q, "ERR value is not a valid float");
		return;
	}
	if (isinf(delta)) {
		ipk__reply_error(q, "ERR value is NaN or Infinity");
		return;
	}
	if (!find_field(q, &field))
		return;
	if (field && !ipk__text_to_float(ipk__entry_value(field), &d)) {
		ipk__reply_error(q, "ERR hash value is not a float");
		return;
	}
	d += delta;
	if (isnan(d) || isinf(d)) {
		ipk__reply_error(q, "ERR increment would produce NaN or Infinity");
		return;
	}

	text = ipk__float_to_text(d, &sum.n_bytes);
	if (!text) {
		ipk__reply_failed(q, -ENOMEM);
		return;
	}
	sum.bytes = text;
	if (put_sum(q, sum)) {
		ipk__effectf(q, "sbbb", "HSET", q->argv[1], q->argv[2], sum);
		ipk__reply_bulk(q, sum);
	}
	free(text);
}
