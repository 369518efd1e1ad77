/*
 * ops_semaphore.c - both semaphores: acquire and release.
 *
 * After each death the tokens are counted by acquiring them all. A signal semaphore has one more or
 * less only where the killed call may have come that far; an owned one has all of them again,
 * however many the dead process held.
 */
#include <errno.h>

#include "participants.h"
#include "ipk/semaphore.h"

#define TOKENS 2
#define SLEEPERS 2
#define POINTS_MAX 500 /* where one that sleeps looks into /proc in every slice */
#define UNAIDED_MS 300 /* a few slices of a sleeper that nobody woke */

static bool is_owned(const struct fixture *s)
{
	return s->op->variant == IPK_SEMAPHORE_OWNED;
}

static int acquire_at_once(struct fixture *s)
{
	return ipk_semaphore_acquire(s->object, ipk_now());
}

static int acquire_all(struct fixture *s)
{
	int r = 0;

	for (int i = 0; i < TOKENS && r == 0; i++)
		r = acquire_at_once(s);
	return r;
}

/* The participants: gives one back when the victim sleeps for it, the others by its end. */
static int hold(struct fixture *s, struct participant *me)
{
	int r = acquire_all(s);

	if (r < 0)
		return r;
	participant_say(me, READY);
	participants_await_victim_asleep(s);
	return ipk_semaphore_release(s->object);
}

/* The participants: sleeps for a token, and passes it on. */
static int sleep_for_it(struct fixture *s, struct participant *me)
{
	int r;

	participant_say(me, READY);
	participants_await_victim(s);
	participant_say(me, IN_CALL);
	r = ipk_semaphore_acquire(s->object, ipk_in_ms(2 * CALL_MS));
	return r < 0 ? r : ipk_semaphore_release(s->object);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make(struct fixture *s)
{
	ipk_semaphore *semaphore = NULL;
	int r = ipk_semaphore_create(
		IPK_SEMAPHORE(.kind = (ipk_semaphore_kind)s->op->variant, .value = TOKENS),
		&semaphore);

	s->object = semaphore;
	if (r == 0 && s->op->state == DEAD)
		r = let_die(s, acquire_all);
	return r;
}

static int make_acquire(struct fixture *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, 1, hold) : r;
}

static int make_release(struct fixture *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, SLEEPERS, sleep_for_it) : r;
}

static void unmake(struct fixture *s)
{
	participants_end(s);
	s->object = ipk_semaphore_close(s->object);
}

/* --- the victim ------------------------------------------------------------------------------- */

/* A process's first token makes it find out when it began: one row is enough for that. */
static void ready_acquire(struct fixture *s)
{
	ipk_semaphore *other = NULL;

	if (!is_owned(s) || s->op->state == FREE)
		return;
	expect(s, "create",
	       ipk_semaphore_create(IPK_SEMAPHORE(.kind = IPK_SEMAPHORE_OWNED), &other), 0);
	expect(s, "acquire", ipk_semaphore_acquire(other, ipk_now()), 0);
	expect(s, "release", ipk_semaphore_release(other), 0);
	ipk_semaphore_close(other);
}

static int act_acquire(struct fixture *s)
{
	return ipk_semaphore_acquire(s->object, s->deadline);
}

static void ready_release(struct fixture *s)
{
	expect(s, "acquire", acquire_all(s), 0);
	atomic_store(&s->history->is_victim_ready, 1);
	participants_await_asleep(s);
}

static int act_release(struct fixture *s)
{
	return ipk_semaphore_release(s->object);
}

/* --- the survivor ----------------------------------------------------------------------------- */

/* Beside a stopped victim, which has one token at most, or one on its way. */
static void meet_semaphore(struct fixture *s)
{
	int r = ipk_semaphore_acquire(s->object, ipk_in_ms(MEET_MS));

	if (r == 0)
		r = ipk_semaphore_release(s->object);
	if (r != -ETIMEDOUT || (s->op->act == act_acquire && s->op->state != TAKEN))
		expect(s, "acquire beside a stopped one", r, 0);
}

/* How many there are, by taking them: at least @n_least, each within CALL_MS. */
static uint32_t take_all(struct fixture *s, uint32_t n_least)
{
	uint32_t n = 0;
	int r = 0;

	while (r == 0) {
		r = ipk_semaphore_acquire(s->object, n < n_least ? ipk_in_ms(CALL_MS) : ipk_now());
		atomic_fetch_add(&s->history->progress, 1);
		n += r == 0;
	}
	expect(s, "last acquire", r == -ETIMEDOUT ? 0 : r, 0);
	return n;
}

static void check_all_back(struct fixture *s, uint32_t n)
{
	struct history *l = s->history;

	expect_elsewhere(s, "acquire when all are taken", acquire_at_once, -ETIMEDOUT);
	if (N_LISTED(ipk_semaphore_holders, s->object, NULL, 0) != (is_owned(s) ? n : 0))
		history_fault(l, &l->faults.wrong, "others seem to have tokens");
	expect(s, "release of all", ipk_semaphore_release_many(s->object, n), 0);
	if (is_owned(s))
		expect(s, "release of one more", ipk_semaphore_release(s->object), -EPERM);
	if (ipk_semaphore_value(s->object) != n)
		history_fault(l, &l->faults.wrong, "the value is %u, not %u",
			      ipk_semaphore_value(s->object), n);
	if (N_LISTED(ipk_semaphore_waiters, s->object, NULL, 0) != 0)
		history_fault(l, &l->faults.leaked, "somebody still waits");
}

static void check_tokens(struct fixture *s, uint32_t n_least, uint32_t n_most)
{
	struct history *l = s->history;
	uint32_t n = take_all(s, n_least);

	if (n < n_least)
		history_fault(l, &l->faults.lost, "%u tokens, not %u", n, n_least);
	if (n > n_most)
		history_fault(l, &l->faults.dup, "%u tokens, not %u", n, n_most);
	if (n > 0)
		check_all_back(s, n);
}

static void check_result(struct fixture *s)
{
	if (atomic_load(&s->history->is_done))
		expect(s, "the victim's call", s->history->result, 0);
}

static void check_acquire(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);
	uint32_t n = s->op->state == TAKEN ? 1 : TOKENS;

	check_result(s);
	if (!participants_check_ended(s))
		return;
	if (is_owned(s))
		check_tokens(s, TOKENS, TOKENS);
	else
		check_tokens(s, n - 1, is_done ? n - 1 : n);
}

static void check_release(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);
	uint32_t n_added = 0;

	check_result(s);
	/* What was not given back nobody can get: then another one does it. */
	if (!is_owned(s) && !is_done && s->op->state == TAKEN &&
	    participants_count_ended(s, 1, UNAIDED_MS) == 0) {
		expect(s, "release", ipk_semaphore_release(s->object), 0);
		n_added = 1;
	}
	if (!participants_check_ended(s))
		return;
	if (is_owned(s))
		check_tokens(s, TOKENS, TOKENS);
	else
		check_tokens(s, n_added + is_done, 1 + n_added);
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add(struct op_list *list, struct op op, ipk_semaphore_kind kind, enum state state)
{
	op.variant = (int)kind;
	op.kind = kind == IPK_SEMAPHORE_OWNED ? "owned" : "signal";
	op.state = state;
	op.max_points = kind == IPK_SEMAPHORE_OWNED && state == TAKEN ? POINTS_MAX : 0;
	op.meet = meet_semaphore;
	op.unmake = unmake;
	op_add(list, &op);
}

void ops_semaphore(struct op_list *list)
{
	struct op acquire = {.name = "semaphore_acquire",
			     .make = make_acquire,
			     .ready = ready_acquire,
			     .act = act_acquire,
			     .check = check_acquire};
	struct op release = {.name = "semaphore_release",
			     .make = make_release,
			     .ready = ready_release,
			     .act = act_release,
			     .check = check_release};

	for (int state = FREE; state <= TAKEN; state++) {
		for (int kind = IPK_SEMAPHORE_SIGNAL; kind <= IPK_SEMAPHORE_OWNED; kind++) {
			add(list, acquire, (ipk_semaphore_kind)kind, (enum state)state);
			add(list, release, (ipk_semaphore_kind)kind, (enum state)state);
		}
	}
	add(list, acquire, IPK_SEMAPHORE_OWNED, DEAD);
	add(list, release, IPK_SEMAPHORE_OWNED, DEAD);
}
