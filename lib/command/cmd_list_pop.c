/*
 * cmd_list_pop.c - removing items at the ends of lists, and moving them to another.
 *
 * An item is replied first and removed then, for it is in the store only until then. For a move it
 * is taken from the reply. A move inserts there before it removes here: only the first can fail.
 */
#include <errno.h>

#include "command/cmd_list_ends.h"

bool ipk__arg_end(struct ipk__request *q, size_t i, bool *ret_front)
{
	bool is_left = ipk__arg_is(q, i, "LEFT");

	if (!is_left && !ipk__arg_is(q, i, "RIGHT")) {
		ipk__reply_syntax(q);
		return false;
	}
	*ret_front = is_left;
	return true;
}

void ipk__reply_popped(struct ipk__request *q, struct ipk__slice name, struct ipk__store_list *list,
		       bool front, uint64_t n)
{
	uint64_t len = ipk__store_list_len(list), i;
	struct ipk__store_list_iter it;
	struct ipk__slice item;

	if (n == 1) {
		ipk__reply_bulk(q, ipk__store_list_at(q->store, list, front ? 0 : len - 1));
	} else {
		ipk__store_list_begin(q->store, list, front ? 0 : len - 1, !front, &it);
		for (i = 0; i < n && ipk__store_list_next(&it, &item); i++)
			ipk__reply_bulk(q, item);
	}
	if (n == len)
		ipk__key_remove(q->store, name);
	else
		ipk__store_list_remove(q->store, list, front ? 0 : len - n, n);
	ipk__changed(q, name);
}

/* --- LPOP, RPOP ------------------------------------------------------------------------------- */

static void pop_count(struct ipk__request *q, bool front)
{
	struct ipk__store_list *list;
	struct ipk__entry *key;
	int64_t count;
	uint64_t len;

	if (!ipk__arg_range(q, 2, 0, INT64_MAX, "ERR value is out of range, must be positive",
			    &count) ||
	    !ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &key))
		return;
	if (!key) {
		ipk__resp_null_array(q->out, q->resp);
		return;
	}
	if (count == 0) {
		ipk__reply_array(q, 0);
		return;
	}

	list = ipk__key_list(q->store, key);
	len = ipk__store_list_len(list);
	if ((uint64_t)count < len)
		len = (uint64_t)count;
	ipk__reply_array(q, len);
	ipk__reply_popped(q, q->argv[1], list, front, len);
}

static void pop(struct ipk__request *q, bool front)
{
	struct ipk__entry *key;

	if (q->argc > 3) {
		ipk__reply_wrong_arity(q);
	} else if (q->argc == 3) {
		pop_count(q, front);
	} else if (ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &key)) {
		if (key)
			ipk__reply_popped(q, q->argv[1], ipk__key_list(q->store, key), front, 1);
		else
			ipk__reply_null(q);
	}
}

void ipk__cmd_lpop(struct ipk__request *q)
{
	pop(q, true);
}

void ipk__cmd_rpop(struct ipk__request *q)
{
	pop(q, false);
}

/* --- moving ----------------------------------------------------------------------------------- */

/* From one end of a list to the other, or to the same. */
static int rotate(struct ipk__request *q, struct ipk__slice name, struct ipk__slice item,
		  bool from_front, bool to_front)
{
	struct ipk__store_list *list = ipk__key_list(q->store, ipk__key_find(q->store, name));
	uint64_t len = ipk__store_list_len(list);
	int r;

	/* Nothing moves, but to who watches the key it is a change. */
	if (from_front == to_front || len == 1)
		return ipk__store_list_set(q->store, list, from_front ? 0 : len - 1, item);

	r = ipk__store_list_push(q->store, list, to_front, item);
	if (r == 0)
		ipk__store_list_remove(q->store, list, from_front ? 0 : len, 1);
	return r;
}

static int move_to(struct ipk__request *q, struct ipk__slice from, struct ipk__slice to,
		   struct ipk__slice item, bool from_front, bool to_front)
{
	struct ipk__entry *key = ipk__key_find(q->store, to);
	bool is_new = !key;
	struct ipk__store_list *list;
	int r = 0;

	if (is_new)
		r = ipk__key_make(q->store, to, IPK__TYPE_LIST, &key);
	if (r == 0) {
		r = ipk__store_list_push(q->store, ipk__key_list(q->store, key), to_front, item);
		if (r < 0 && is_new)
			ipk__key_remove(q->store, to);
	}
	if (r < 0)
		return r;

	list = ipk__key_list(q->store, ipk__key_find(q->store, from));
	if (ipk__store_list_len(list) == 1)
		ipk__key_remove(q->store, from);
	else
		ipk__store_list_remove(q->store, list,
				       from_front ? 0 : ipk__store_list_len(list) - 1, 1);
	return 0;
}

bool ipk__move_item(struct ipk__request *q, struct ipk__store_list *list, bool from_front,
		    bool to_front)
{
	struct ipk__slice from = q->argv[1], to = q->argv[2], item;
	size_t reply_at = ipk__buffer_len(q->out);
	int r;

	item = ipk__store_list_at(q->store, list, from_front ? 0 : ipk__store_list_len(list) - 1);
	ipk__reply_bulk(q, item);
	if (q->out->failed) {
		ipk__reply_failed(q, -ENOMEM);
		return false;
	}
	item = ipk__replied_bulk(q, item.n_bytes);

	if (ipk__slice_equal(from, to))
		r = rotate(q, from, item, from_front, to_front);
	else
		r = move_to(q, from, to, item, from_front, to_front);
	if (r < 0) {
		ipk__reply_instead(q, reply_at, r);
		return false;
	}
	ipk__changed(q, from);
	ipk__changed(q, to);
	ipk__signal(q->db, to, 0);
	return true;
}

static void move(struct ipk__request *q, bool from_front, bool to_front)
{
	struct ipk__entry *from, *to;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &from))
		return;
	if (!from) {
		ipk__reply_null(q);
		return;
	}
	if (!ipk__request_typed(q, q->argv[2], IPK__TYPE_LIST, &to))
		return;
	/* The second look may have taken an old key away: the first is not good any more. */
	from = ipk__key_find(q->store, q->argv[1]);
	ipk__move_item(q, ipk__key_list(q->store, from), from_front, to_front);
}

void ipk__cmd_rpoplpush(struct ipk__request *q)
{
	move(q, false, true);
}

void ipk__cmd_lmove(struct ipk__request *q)
{
	bool from_front, to_front;

	if (ipk__arg_end(q, 3, &from_front) && ipk__arg_end(q, 4, &to_front))
		move(q, from_front, to_front);
}

/* --- from the first list that has some -------------------------------------------------------- */

bool ipk__parse_mpop(struct ipk__request *q, size_t i, struct ipk__mpop *ret_what)
{
	struct ipk__mpop what = {.keys_i = i + 1, .count = 1};
	bool has_count = false;
	int64_t n_keys;

	if (!ipk__arg_range(q, i, 1, INT64_MAX, "ERR numkeys should be greater than 0", &n_keys))
		return false;
	if ((uint64_t)n_keys >= q->argc - what.keys_i) {
		ipk__reply_syntax(q);
		return false;
	}
	what.n_keys = (size_t)n_keys;
	i = what.keys_i + what.n_keys;
	if (!ipk__arg_end(q, i, &what.front))
		return false;

	for (i++; i < q->argc; i += 2) {
		if (has_count || i + 1 >= q->argc || !ipk__arg_is(q, i, "COUNT")) {
			ipk__reply_syntax(q);
			return false;
		}
		if (!ipk__arg_range(q, i + 1, 1, INT64_MAX, "ERR count should be greater than 0",
				    &what.count))
			return false;
		has_count = true;
	}
	*ret_what = what;
	return true;
}

enum ipk__mpop_outcome ipk__mpop(struct ipk__request *q, const struct ipk__mpop *what)
{
	size_t i;

	for (i = what->keys_i; i < what->keys_i + what->n_keys; i++) {
		struct ipk__slice name = q->argv[i];
		struct ipk__entry *key = ipk__request_key(q, name);
		struct ipk__store_list *list;
		uint64_t n;

		if (!key || (q->is_retry && (ipk__key_type(key) != IPK__TYPE_LIST ||
					     !ipk__slice_equal(name, q->signalled))))
			continue;
		if (ipk__key_type(key) != IPK__TYPE_LIST) {
			ipk__reply_wrong_type(q);
			return IPK__MPOP_REFUSED;
		}

		list = ipk__key_list(q->store, key);
		n = ipk__store_list_len(list);
		if ((uint64_t)what->count < n)
			n = (uint64_t)what->count;
		ipk__reply_array(q, 2);
		ipk__reply_bulk(q, name);
		if (!what->is_single)
			ipk__reply_array(q, n);
		ipk__reply_popped(q, name, list, what->front, n);
		if (what->is_single)
			ipk__effectf(q, "sb", what->front ? "LPOP" : "RPOP", name);
		else
			ipk__effectf(q, "sbi", what->front ? "LPOP" : "RPOP", name, (int64_t)n);
		return IPK__MPOP_DONE;
	}
	return IPK__MPOP_NOTHING;
}

void ipk__cmd_lmpop(struct ipk__request *q)
{
	struct ipk__mpop what;

	if (ipk__parse_mpop(q, 1, &what) && ipk__mpop(q, &what) == IPK__MPOP_NOTHING)
		ipk__resp_null_array(q->out, q->resp);
}
