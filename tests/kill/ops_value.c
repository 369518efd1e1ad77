/*
 * ops_value.c - Value and Array: stores, additions and bulk writes.
 *
 * A value is the old one or the stored one, never parts of both, also while the process that stores
 * is stopped in the middle. An array may be half written, but then the next process to acquire its
 * lock is notified. In the state "dead" another process was killed in the middle of a store, or
 * holding the array's lock.
 */
#include <errno.h>
#include <string.h>

#include "participants.h"
#include "ipk/value.h"
#include "step.h"

/* What is stored: whose it is. */
enum { TORN, OLD, VICTIMS, DEADS, SURVIVORS, MEETINGS };
enum { SUM = 40 }; /* of a number in the beginning */
#define ITEMS_MAX_BYTES ((size_t)64 << 10)
#define SLOW_POINTS_MAX 300 /* where others sleep, or are stepped, for each point */

static unsigned char buf[ITEMS_MAX_BYTES];

/* --- structs ---------------------------------------------------------------------------------- */

static void fill(unsigned char *to, size_t n_bytes, unsigned whose)
{
	for (size_t i = 0; i < n_bytes; i++)
		to[i] = (unsigned char)(whose * 41 + i * 7);
}

static int store_it(struct fixture *s, ipk_deadline deadline)
{
	return ipk_value_store_bytes(s->object, buf, s->op->len_bytes, deadline);
}

static int store(struct fixture *s, unsigned whose, ipk_deadline deadline)
{
	fill(buf, s->op->len_bytes, whose);
	return store_it(s, deadline);
}

/* Whose it is: all of it. */
static unsigned whose_is(struct fixture *s)
{
	static unsigned char expected[ITEMS_MAX_BYTES];
	size_t n_bytes = s->op->len_bytes;

	memset(buf, 0, n_bytes);
	if (!expect(s, "load", ipk_value_load_bytes(s->object, buf, n_bytes), 0))
		return TORN;
	for (unsigned whose = OLD; whose <= MEETINGS; whose++) {
		fill(expected, n_bytes, whose);
		if (memcmp(buf, expected, n_bytes) == 0)
			return whose;
	}
	return TORN;
}

static int make_struct(struct fixture *s)
{
	ipk_value *v = NULL;
	int r;

	fill(buf, s->op->len_bytes, OLD);
	r = ipk_value_create(IPK_VALUE(.item = buf, .item_bytes = s->op->len_bytes), &v);
	s->object = v;
	return r;
}

static int renew_struct(struct fixture *s)
{
	s->object = ipk_value_close(s->object);
	return make_struct(s);
}

static void store_and_die(void *arg)
{
	struct fixture *s = arg;

	fill(buf, s->op->len_bytes, DEADS);
	victim_start_here();
	expect(s, "store", store_it(s, ipk_in_ms(CALL_MS)), 0);
}

static int make_store(struct fixture *s)
{
	int r = make_struct(s);

	if (r == 0 && s->op->state == DEAD)
		r = let_die_midway(s, store_and_die, renew_struct);
	return r;
}

static void ready_store(struct fixture *s)
{
	fill(buf, s->op->len_bytes, VICTIMS);
}

static int act_store(struct fixture *s)
{
	return store_it(s, s->deadline);
}

/* Beside a stopped one it is read whole, at once; storing may have to wait. */
static void meet_store(struct fixture *s)
{
	unsigned whose = whose_is(s);
	int r;

	if (whose != OLD && whose != VICTIMS)
		history_fault(s->history, &s->history->faults.torn, "parts of several stores");
	r = store(s, MEETINGS, ipk_in_ms(MEET_MS));
	if (r != -ETIMEDOUT)
		expect(s, "store beside a stopped one", r, 0);
}

static int load_elsewhere(struct fixture *s)
{
	return whose_is(s) == SURVIVORS ? 0 : -EPROTO;
}

static void check_store(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	unsigned whose = whose_is(s);

	if (is_done)
		expect(s, "store (the victim's)", l->result, 0);
	if (whose != OLD && whose != VICTIMS && !(s->op->is_stop && whose == MEETINGS))
		history_fault(l, &l->faults.torn, "parts of several stores");
	if (is_done && whose == OLD)
		history_fault(l, &l->faults.lost, "what was stored is not there");
	expect(s, "store", store(s, SURVIVORS, ipk_in_ms(CALL_MS)), 0);
	expect_elsewhere(s, "load", load_elsewhere, 0);
}

static void unmake_value(struct fixture *s)
{
	s->object = ipk_value_close(s->object);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static int make_number(struct fixture *s)
{
	long long item = SUM;
	ipk_value *v = NULL;
	int r = ipk_value_create(IPK_VALUE(.typecode = 'q', .item = &item), &v);

	s->object = v;
	return r;
}

static int act_add(struct fixture *s)
{
	return ipk_value_add((ipk_value *)s->object, 1, NULL);
}

static int act_add_checked(struct fixture *s)
{
	return ipk_value_add_checked((ipk_value *)s->object, 1, NULL);
}

static int act_exchange(struct fixture *s)
{
	long long item = SUM + 1, old;

	return ipk_value_exchange((ipk_value *)s->object, &item, &old);
}

static void meet_number(struct fixture *s)
{
	long long n = 0;

	expect(s, "load", ipk_value_load((ipk_value *)s->object, &n), 0);
	if (n != SUM && n != SUM + 1)
		history_fault(s->history, &s->history->faults.torn, "it is %lld", n);
}

static void check_number(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	long long n = 0, now = 0;

	if (is_done)
		expect(s, "the victim's call", l->result, 0);
	expect(s, "load", ipk_value_load((ipk_value *)s->object, &n), 0);
	if (n < SUM || n > SUM + 1)
		history_fault(l, &l->faults.torn, "it is %lld", n);
	if (is_done && n == SUM)
		history_fault(l, &l->faults.lost, "what was added is not there");
	expect(s, "add", ipk_value_add((ipk_value *)s->object, 1, NULL), 0);
	expect(s, "load", ipk_value_load((ipk_value *)s->object, &now), 0);
	if (now != n + 1)
		history_fault(l, &l->faults.lost, "it is %lld, not %lld", now, n + 1);
}

/* --- arrays ----------------------------------------------------------------------------------- */

enum { WRITE, WRITE_SLICE, FILL };

static uint64_t items[ITEMS_MAX_BYTES / sizeof(uint64_t)];

static size_t n_items(const struct fixture *s)
{
	return s->op->len_bytes / sizeof items[0];
}

static void fill_items(const struct fixture *s, uint64_t whose)
{
	for (size_t i = 0; i < n_items(s); i++)
		items[i] = s->op->variant == FILL ? whose : whose | i << 8;
}

static int write_items(struct fixture *s, uint64_t whose, ipk_deadline deadline,
		       bool *ret_recovered)
{
	fill_items(s, whose);
	return ipk_array_write(s->object, 0, n_items(s), items, s->op->len_bytes, deadline,
			       ret_recovered);
}

static int take_lock(struct fixture *s)
{
	return ipk_lock_lock(ipk_array_get_lock(s->object), ipk_in_ms(CALL_MS), NULL);
}

/* The participants: has the lock until the victim sleeps for it. */
static int hold(struct fixture *s, struct participant *me)
{
	int r = take_lock(s);

	if (r < 0)
		return r;
	participant_say(me, READY);
	participants_await_victim_asleep(s);
	return ipk_lock_unlock(ipk_array_get_lock(s->object));
}

static int make_array(struct fixture *s)
{
	ipk_array *a = NULL;
	int r;

	fill_items(s, OLD);
	r = ipk_array_create(IPK_ARRAY(.typecode = 'Q', .n_items = n_items(s), .items = items), &a);
	s->object = a;
	if (r == 0 && s->op->state == TAKEN)
		r = participants_start(s, 1, hold);
	if (r == 0 && s->op->state == DEAD)
		r = let_die(s, take_lock);
	return r;
}

static void unmake_array(struct fixture *s)
{
	participants_end(s);
	s->object = ipk_array_close(s->object);
}

static void ready_write(struct fixture *s)
{
	fill_items(s, VICTIMS);
	/* From the last one on backwards: item i is i all the same. */
	for (size_t i = 0; s->op->variant == WRITE_SLICE && i < n_items(s) / 2; i++) {
		uint64_t item = items[i];

		items[i] = items[n_items(s) - 1 - i];
		items[n_items(s) - 1 - i] = item;
	}
}

static int act_write(struct fixture *s)
{
	bool *told = &s->history->was_told;
	size_t n = n_items(s);

	switch (s->op->variant) {
	case WRITE_SLICE:
		return ipk_array_write_slice(s->object, n - 1, -1, n, items, s->op->len_bytes,
					     s->deadline, told);
	case FILL:
		return ipk_array_fill(s->object, 0, n, items, sizeof items[0], s->deadline, told);
	default:
		return ipk_array_write(s->object, 0, n, items, s->op->len_bytes, s->deadline, told);
	}
}

/* How many items are whose. False: some are nobody's. */
static bool count_items(const struct fixture *s, size_t n_whose[MEETINGS + 1])
{
	for (size_t i = 0; i < n_items(s); i++) {
		uint64_t whose = items[i] & 0xff;
		uint64_t at = s->op->variant == FILL ? 0 : i;

		if (whose < OLD || whose > MEETINGS || items[i] >> 8 != at)
			return false;
		n_whose[whose]++;
	}
	return true;
}

/* Beside a stopped writer the lock is taken, and the array read whole, or it is not. */
static void meet_array(struct fixture *s)
{
	struct history *l = s->history;
	size_t n_whose[MEETINGS + 1] = {0};
	bool was_told = false;
	int r = ipk_array_read(s->object, 0, n_items(s), items, s->op->len_bytes,
			       ipk_in_ms(MEET_MS), &was_told);

	if (r != -ETIMEDOUT)
		expect(s, "read beside a stopped one", r, 0);
	if (r == 0 && (!count_items(s, n_whose) ||
		       (n_whose[OLD] != n_items(s) && n_whose[VICTIMS] != n_items(s))))
		history_fault(l, &l->faults.torn, "half written, and the lock free");
	atomic_fetch_add(&l->n_told, was_told);
}

static void check_contents(struct fixture *s, bool was_told)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	size_t n_whose[MEETINGS + 1] = {0};
	size_t n = n_items(s);
	bool is_whole;

	if (!count_items(s, n_whose) || n_whose[OLD] + n_whose[VICTIMS] != n) {
		history_fault(l, &l->faults.torn, "items that nobody wrote so");
		return;
	}
	is_whole = n_whose[OLD] == n || n_whose[VICTIMS] == n;
	if (!was_told && !is_whole)
		history_fault(l, &l->faults.torn, "half written, and nobody is told");
	if (is_done && n_whose[VICTIMS] != n)
		history_fault(l, &l->faults.lost, "what was written is not there");
}

static void check_array(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	bool is_dead = s->op->state == DEAD;
	bool was_told = false;

	if (is_done)
		expect(s, "write (the victim's)", l->result, 0);
	if (is_done && !s->op->is_stop && l->was_told != is_dead)
		history_fault(l, &l->faults.wrong, "the victim was told %d", l->was_told);
	if (!participants_check_ended(s))
		return;
	expect(s, "read",
	       ipk_array_read(s->object, 0, n_items(s), items, s->op->len_bytes, ipk_in_ms(CALL_MS),
			      &was_told),
	       0);
	check_contents(s, was_told);
	if (is_done && was_told)
		history_fault(l, &l->faults.wrong, "a death was told, and nobody died in it");
	expect(s, "write", write_items(s, SURVIVORS, ipk_in_ms(CALL_MS), &was_told), 0);
	if (was_told)
		history_fault(l, &l->faults.dup, "a death was told twice");
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add_stores(struct op_list *list)
{
	static const size_t sizes[] = {1, 64, 4096, ITEMS_MAX_BYTES};
	struct op op = {.name = "value_store",
			.make = make_store,
			.ready = ready_store,
			.act = act_store,
			.meet = meet_store,
			.check = check_store,
			.unmake = unmake_value};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		op.kind = "struct";
		op.len_bytes = sizes[i];
		op.state = FREE;
		op.max_points = 0;
		op.is_minor = sizes[i] == 1 || sizes[i] == ITEMS_MAX_BYTES;
		op_add(list, &op);
		/* The dead one is stepped to its middle for each point. */
		op.state = DEAD;
		op.max_points = SLOW_POINTS_MAX;
		op.is_minor = sizes[i] != 64;
		if (sizes[i] == 64 || sizes[i] == 4096)
			op_add(list, &op);
	}
}

static void add_numbers(struct op_list *list)
{
	static const char *const names[] = {"value_add", "value_add_checked", "value_exchange"};
	int (*const acts[])(struct fixture * s) = {act_add, act_add_checked, act_exchange};

	for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
		struct op op = {.name = names[i],
				.kind = "number",
				.state = FREE,
				.len_bytes = 8,
				.is_minor = i > 0,
				.make = make_number,
				.act = acts[i],
				.meet = meet_number,
				.check = check_number,
				.unmake = unmake_value};

		op_add(list, &op);
	}
}

static void add_arrays(struct op_list *list)
{
	static const char *const names[] = {"array_write", "array_write_slice", "array_fill"};
	static const size_t sizes[] = {64, ITEMS_MAX_BYTES};

	for (int variant = WRITE; variant <= FILL; variant++) {
		for (int i = 0; i < 6; i++) {
			struct op op = {.name = names[variant],
					.kind = "array",
					.state = (enum state)(FREE + i / 2),
					.len_bytes = sizes[i % 2],
					.variant = variant,
					.max_points = i / 2 == 1 ? SLOW_POINTS_MAX : 0,
					.is_minor = variant != WRITE || i % 2 == 1,
					.make = make_array,
					.ready = ready_write,
					.act = act_write,
					.meet = meet_array,
					.check = check_array,
					.unmake = unmake_array};

			/* Item by item through the lock's rows takes minutes, and shows nothing
			 * new. */
			if (variant != WRITE_SLICE || i < 2 || i % 2 == 0)
				op_add(list, &op);
		}
	}
}

void ops_value(struct op_list *list)
{
	add_stores(list);
	add_numbers(list);
	add_arrays(list);
}
