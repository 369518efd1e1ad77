/*
 * cmd_list_wait.c - the commands that block until a list has an item: BLPOP and related ones.
 *
 * Each is called again from the beginning when a list that it waits for was pushed to; so it parses
 * its arguments anew, and keeps no state. The log gets what was taken, not the waiting.
 */
#include "command/cmd_list_ends.h"

static void wait_for(struct ipk__request *q, const struct ipk__slice *names, size_t n_names,
		     int64_t timeout_ms)
{
	int r = ipk__block(q, names, n_names, 0, timeout_ms);

	if (r < 0)
		ipk__reply_failed(q, r);
}

static void pop_or_wait(struct ipk__request *q, const struct ipk__mpop *what, int64_t timeout_ms)
{
	if (q->timed_out) {
		ipk__resp_null_array(q->out, q->resp);
		return;
	}
	if (ipk__mpop(q, what) != IPK__MPOP_NOTHING)
		return;

	if (q->may_block)
		wait_for(q, q->argv + what->keys_i, what->n_keys, timeout_ms);
	else
		ipk__resp_null_array(q->out, q->resp);
}

static void pop_single(struct ipk__request *q, bool front)
{
	struct ipk__mpop what = {
		.keys_i = 1, .n_keys = q->argc - 2, .count = 1, .front = front, .is_single = true};
	int64_t timeout_ms;

	if (ipk__arg_timeout_ms(q, q->argc - 1, &timeout_ms))
		pop_or_wait(q, &what, timeout_ms);
}

void ipk__cmd_blpop(struct ipk__request *q)
{
	pop_single(q, true);
}

void ipk__cmd_brpop(struct ipk__request *q)
{
	pop_single(q, false);
}

void ipk__cmd_blmpop(struct ipk__request *q)
{
	struct ipk__mpop what;
	int64_t timeout_ms;

	if (ipk__parse_mpop(q, 2, &what) && ipk__arg_timeout_ms(q, 1, &timeout_ms))
		pop_or_wait(q, &what, timeout_ms);
}

/* --- moving ----------------------------------------------------------------------------------- */

/* A timeout gives another null than not being allowed to wait: as in Redis. */
static void move_or_wait(struct ipk__request *q, bool from_front, bool to_front, int64_t timeout_ms)
{
	struct ipk__entry *from, *to;

	if (q->timed_out) {
		ipk__resp_null_array(q->out, q->resp);
		return;
	}
	from = ipk__request_key(q, q->argv[1]);
	if (from && ipk__key_type(from) != IPK__TYPE_LIST) {
		if (!q->is_retry) {
			ipk__reply_wrong_type(q);
			return;
		}
		from = NULL;
	}
	if (!from) {
		if (q->may_block)
			wait_for(q, &q->argv[1], 1, timeout_ms);
		else
			ipk__reply_null(q);
		return;
	}
	if (!ipk__request_typed(q, q->argv[2], IPK__TYPE_LIST, &to))
		return;

	/* The second look may have taken an old key away: the first is not good any more. */
	from = ipk__key_find(q->store, q->argv[1]);
	if (ipk__move_item(q, ipk__key_list(q->store, from), from_front, to_front))
		ipk__effectf(q, "sbbss", "LMOVE", q->argv[1], q->argv[2],
			     from_front ? "LEFT" : "RIGHT", to_front ? "LEFT" : "RIGHT");
}

void ipk__cmd_brpoplpush(struct ipk__request *q)
{
	int64_t timeout_ms;

	if (ipk__arg_timeout_ms(q, 3, &timeout_ms))
		move_or_wait(q, false, true, timeout_ms);
}

void ipk__cmd_blmove(struct ipk__request *q)
{
	bool from_front, to_front;
	int64_t timeout_ms;

	if (ipk__arg_end(q, 3, &from_front) && ipk__arg_end(q, 4, &to_front) &&
	    ipk__arg_timeout_ms(q, 5, &timeout_ms))
		move_or_wait(q, from_front, to_front, timeout_ms);
}
