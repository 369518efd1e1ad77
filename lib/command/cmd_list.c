/*
 * cmd_list.c - the commands on lists: pushing, reading, changing in place. Removing items at the
 * ends, and moving them to another list, is in cmd_list_pop.c, blocking commands are in
 * cmd_list_wait.c, searches for a value in cmd_list_find.c.
 */
#include "command/cmd_common.h"

/* The list that the request is about; NULL when there is none. False: another type is there. */
static bool find_list(struct ipk__request *q, struct ipk__store_list **ret_list)
{
	struct ipk__entry *key;

	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_LIST, &key))
		return false;

	*ret_list = key ? ipk__key_list(q->store, key) : NULL;
	return true;
}

/* --- pushing ---------------------------------------------------------------------------------- */

/* All of argv[2..], or none of them. */
static void push_all(struct ipk__request *q, struct ipk__store_list *list, bool front, bool is_new)
{
	uint64_t len = ipk__store_list_len(list);
	size_t i;
	int r;

	for (i = 2; i < q->argc; i++) {
		r = ipk__store_list_push(q->store, list, front, q->argv[i]);
		if (r == 0)
			continue;
		if (is_new)
			ipk__key_remove(q->store, q->argv[1]);
		else if (i > 2)
			ipk__store_list_remove(q->store, list, front ? 0 : len, i - 2);
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, q->argv[1]);
	ipk__signal(q->db, q->argv[1], 0);
	ipk__reply_integer(q, (int64_t)ipk__store_list_len(list));
}

static void push(struct ipk__request *q, bool front)
{
	struct ipk__store_list *list;
	bool is_new;

	if (ipk__request_list(q, q->argv[1], &list, &is_new))
		push_all(q, list, front, is_new);
}

static void lpush(struct ipk__request *q)
{
	push(q, true);
}

static void rpush(struct ipk__request *q)
{
	push(q, false);
}

static void push_if_there(struct ipk__request *q, bool front)
{
	struct ipk__store_list *list;

	if (!find_list(q, &list))
		return;
	if (list)
		push_all(q, list, front, false);
	else
		ipk__reply_integer(q, 0);
}

static void lpushx(struct ipk__request *q)
{
	push_if_there(q, true);
}

static void rpushx(struct ipk__request *q)
{
	push_if_there(q, false);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void llen(struct ipk__request *q)
{
	struct ipk__store_list *list;

	if (find_list(q, &list))
		ipk__reply_integer(q, list ? (int64_t)ipk__store_list_len(list) : 0);
}

/* Negative ones count from the end. */
static int64_t from_end(int64_t i, int64_t len)
{
	return i < 0 ? i + len : i;
}

static void lindex(struct ipk__request *q)
{
	struct ipk__store_list *list;
	int64_t i, len;

	if (!find_list(q, &list))
		return;
	if (!list) {
		ipk__reply_null(q);
		return;
	}
	if (!ipk__arg_integer(q, 2, &i))
		return;

	len = (int64_t)ipk__store_list_len(list);
	i = from_end(i, len);
	if (i < 0 || i >= len)
		ipk__reply_null(q);
	else
		ipk__reply_bulk(q, ipk__store_list_at(q->store, list, (uint64_t)i));
}

/* argv[2] and argv[3] as the first index and how many from there. False: the reply says why. */
static bool parse_range(struct ipk__request *q, int64_t *ret_start, int64_t *ret_end)
{
	return ipk__arg_integer(q, 2, ret_start) && ipk__arg_integer(q, 3, ret_end);
}

static uint64_t clamp_range(int64_t len, int64_t *start, int64_t end)
{
	*start = from_end(*start, len);
	if (*start < 0)
		*start = 0;
	end = from_end(end, len);
	if (end >= len)
		end = len - 1;
	return *start > end ? 0 : (uint64_t)(end - *start + 1);
}

static void lrange(struct ipk__request *q)
{
	struct ipk__store_list_iter it;
	struct ipk__store_list *list;
	struct ipk__slice item;
	int64_t start, end;
	uint64_t n = 0;

	if (!parse_range(q, &start, &end) || !find_list(q, &list))
		return;
	if (list)
		n = clamp_range((int64_t)ipk__store_list_len(list), &start, end);
	ipk__reply_array(q, n);
	if (n == 0)
		return;

	ipk__store_list_begin(q->store, list, (uint64_t)start, false, &it);
	while (n-- > 0 && ipk__store_list_next(&it, &item))
		ipk__reply_bulk(q, item);
}

/* --- changing in place ------------------------------------------------------------------------ */

static void lset(struct ipk__request *q)
{
	struct ipk__store_list *list;
	int64_t i, len;
	int r;

	if (!find_list(q, &list))
		return;
	if (!list) {
		ipk__reply_error(q, "ERR no such key");
		return;
	}
	if (!ipk__arg_integer(q, 2, &i))
		return;
	len = (int64_t)ipk__store_list_len(list);
	i = from_end(i, len);
	if (i < 0 || i >= len) {
		ipk__reply_error(q, "ERR index out of range");
		return;
	}

	r = ipk__store_list_set(q->store, list, (uint64_t)i, q->argv[3]);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__changed(q, q->argv[1]);
	ipk__reply_ok(q);
}

static void ltrim(struct ipk__request *q)
{
	struct ipk__store_list *list;
	int64_t start, end;
	uint64_t n, len;

	if (!parse_range(q, &start, &end) || !find_list(q, &list))
		return;
	if (list) {
		len = ipk__store_list_len(list);
		n = clamp_range((int64_t)len, &start, end);
		if (n == 0) {
			ipk__drop_key(q, q->argv[1]);
		} else if (n < len) {
			if ((uint64_t)start + n < len)
				ipk__store_list_remove(q->store, list, (uint64_t)start + n,
						       len - (uint64_t)start - n);
			if (start > 0)
				ipk__store_list_remove(q->store, list, 0, (uint64_t)start);
			ipk__changed(q, q->argv[1]);
		}
	}
	ipk__reply_ok(q);
}

#define READ IPK__CMD_READ
#define WRITE IPK__CMD_WRITE
#define FAST IPK__CMD_FAST
#define OOM IPK__CMD_DENY_OOM
#define BLOCKING IPK__CMD_BLOCKING
#define MOVABLE IPK__CMD_MOVABLE_KEYS

const struct ipk__command ipk__commands_list[] = {
	{"LPUSH", lpush, -3, WRITE | OOM | FAST, 1, 1, 1, "list", "More items in front."},
	{"RPUSH", rpush, -3, WRITE | OOM | FAST, 1, 1, 1, "list", "More items at the end."},
	{"LPUSHX", lpushx, -3, WRITE | OOM | FAST, 1, 1, 1, "list",
	 "More items in front, when there are some."},
	{"RPUSHX", rpushx, -3, WRITE | OOM | FAST, 1, 1, 1, "list",
	 "More items at the end, when there are some."},
	{"LPOP", ipk__cmd_lpop, -2, WRITE | FAST, 1, 1, 1, "list", "Take items from the front."},
	{"RPOP", ipk__cmd_rpop, -2, WRITE | FAST, 1, 1, 1, "list", "Take items from the end."},
	{"LRANGE", lrange, 4, READ, 1, 1, 1, "list", "Items from one index to another."},
	{"LLEN", llen, 2, READ | FAST, 1, 1, 1, "list", "How many items."},
	{"LINDEX", lindex, 3, READ, 1, 1, 1, "list", "The item at an index."},
	{"LSET", lset, 4, WRITE | OOM, 1, 1, 1, "list", "Another item at an index."},
	{"LINSERT", ipk__cmd_linsert, 5, WRITE | OOM, 1, 1, 1, "list",
	 "An item before or behind another."},
	{"LREM", ipk__cmd_lrem, 4, WRITE, 1, 1, 1, "list", "Take items of a value away."},
	{"LTRIM", ltrim, 4, WRITE, 1, 1, 1, "list", "Keep a range only."},
	{"LPOS", ipk__cmd_lpos, -3, READ, 1, 1, 1, "list", "Where a value is."},
	{"RPOPLPUSH", ipk__cmd_rpoplpush, 3, WRITE | OOM, 1, 2, 1, "list",
	 "From the end of one to the front of another."},
	{"LMOVE", ipk__cmd_lmove, 5, WRITE | OOM, 1, 2, 1, "list",
	 "From one end of one to one end of another."},
	{"LMPOP", ipk__cmd_lmpop, -4, WRITE | MOVABLE, 0, 0, 0, "list",
	 "Take items from the first list that has some."},
	{"BLPOP", ipk__cmd_blpop, -3, WRITE | BLOCKING, 1, -2, 1, "list",
	 "Take an item from the front; wait for one."},
	{"BRPOP", ipk__cmd_brpop, -3, WRITE | BLOCKING, 1, -2, 1, "list",
	 "Take an item from the end; wait for one."},
	{"BRPOPLPUSH", ipk__cmd_brpoplpush, 4, WRITE | OOM | BLOCKING, 1, 2, 1, "list",
	 "From the end of one to the front of another; wait for one."},
	{"BLMOVE", ipk__cmd_blmove, 6, WRITE | OOM | BLOCKING, 1, 2, 1, "list",
	 "From one end of one to one end of another; wait for one."},
	{"BLMPOP", ipk__cmd_blmpop, -5, WRITE | BLOCKING | MOVABLE, 0, 0, 0, "list",
	 "Take items from the first list that has some; wait for one."},
	{NULL},
};
