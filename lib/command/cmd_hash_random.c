/*
 * cmd_hash_random.c - HRANDFIELD: random fields, distinct or with repetitions.
 *
 * A few distinct ones of many: drawn until enough different ones were found, with a set of those
 * drawn. Otherwise one pass over all, in which each is selected with the probability that the
 * number still wanted requires: every choice is equally likely.
 */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "command/cmd_common.h"

#define FEW 4 /* one in so many */

/* Good enough for chance, and cheap: one seed from the kernel for each request. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t random_seed(const struct ipk__request *q)
{
	uint64_t seed;

	return ipk__os_random(&seed, sizeof(seed)) < 0 ? (uint64_t)q->now_ms : seed;
}

static void reply_one(struct ipk__request *q, const struct ipk__entry *field, bool with_value)
{
	if (with_value && q->resp > 2)
		ipk__reply_array(q, 2);
	ipk__reply_bulk(q, ipk__entry_name(field));
	if (with_value)
		ipk__reply_bulk(q, ipk__entry_value(field));
}

static void reply_head(struct ipk__request *q, uint64_t n, bool with_values)
{
	ipk__reply_array(q, with_values && q->resp == 2 ? 2 * n : n);
}

/* As often as each comes. */
static void reply_any(struct ipk__request *q, struct ipk__table *table, uint64_t n, bool values)
{
	uint64_t state = random_seed(q);

	reply_head(q, n, values);
	while (n-- > 0 && !q->out->failed)
		reply_one(q, ipk__table_random(q->store, table, next_random(&state)), values);
}

/* One pass over all; also for as many as there are. */
static void reply_some(struct ipk__request *q, struct ipk__table *table, uint64_t n, bool values)
{
	uint64_t state = random_seed(q), left = ipk__table_len(table);
	struct ipk__table_iter it = {0};
	const struct ipk__entry *field;

	reply_head(q, n, values);
	for (; n > 0 && (field = ipk__table_next(q->store, table, &it)); left--) {
		if (next_random(&state) % left >= n)
			continue;
		reply_one(q, field, values);
		n--;
	}
}

/* Put @field into the set of @n_slots places, a power of two; false: it was there. */
static bool draw(const struct ipk__entry **set, uint64_t n_slots, const struct ipk__entry *field)
{
	uint64_t at = (((uintptr_t)field >> 3) * UINT64_C(0x9e3779b97f4a7c15)) >> 20;

	while (set[at & (n_slots - 1)]) {
		if (set[at & (n_slots - 1)] == field)
			return false;
		at++;
	}
	set[at & (n_slots - 1)] = field;
	return true;
}

static void reply_few(struct ipk__request *q, struct ipk__table *table, uint64_t n, bool values)
{
	uint64_t state = random_seed(q), n_slots = 16;
	const struct ipk__entry **set, *field;

	while (n_slots < 2 * n)
		n_slots *= 2;
	set = ipk__os_calloc(n_slots, sizeof(struct ipk__entry *));
	if (!set) {
		ipk__reply_failed(q, -ENOMEM);
		return;
	}

	reply_head(q, n, values);
	while (n > 0) {
		field = ipk__table_random(q->store, table, next_random(&state));
		if (!draw(set, n_slots, field))
			continue;
		reply_one(q, field, values);
		n--;
	}
	free(set);
}

static void reply_count(struct ipk__request *q, struct ipk__table *table, int64_t count,
			bool values)
{
	/* A reply that could never be sent is not started: the least that one field takes. */
	int64_t most = (int64_t)(q->db->max_reply_bytes / 6);
	uint64_t len = ipk__table_len(table);

	if (most > 0 && count < -most)
		ipk__reply_error(q, "ERR value is out of range");
	else if (count < 0)
		reply_any(q, table, (uint64_t)-count, values);
	else if ((uint64_t)count < len / FEW)
		reply_few(q, table, (uint64_t)count, values);
	else
		reply_some(q, table, (uint64_t)count < len ? (uint64_t)count : len, values);
}

/* False: the reply says why. */
static bool parse(struct ipk__request *q, int64_t *ret_count, bool *ret_values)
{
	if (!ipk__arg_range(q, 2, -INT64_MAX, INT64_MAX, NULL, ret_count))
		return false;
	*ret_values = q->argc == 4;
	if (q->argc > 4 || (q->argc == 4 && !ipk__arg_is(q, 3, "WITHVALUES"))) {
		ipk__reply_syntax(q);
		return false;
	}
	if (*ret_values && (*ret_count < -INT64_MAX / 2 || *ret_count > INT64_MAX / 2)) {
		ipk__reply_error(q, "ERR value is out of range");
		return false;
	}
	return true;
}

void ipk__cmd_hrandfield(struct ipk__request *q)
{
	struct ipk__table *table;
	struct ipk__entry *key;
	uint64_t state;
	int64_t count = 0;
	bool values = false;

	if (q->argc > 2 && !parse(q, &count, &values))
		return;
	if (!ipk__request_typed(q, q->argv[1], IPK__TYPE_HASH, &key))
		return;

	if (!key && q->argc == 2) {
		ipk__reply_null(q);
	} else if (!key || (q->argc > 2 && count == 0)) {
		ipk__reply_array(q, 0);
	} else if (q->argc > 2) {
		reply_count(q, ipk__key_table(q->store, key), count, values);
	} else {
		table = ipk__key_table(q->store, key);
		state = random_seed(q);
		reply_one(q, ipk__table_random(q->store, table, next_random(&state)), false);
	}
}
