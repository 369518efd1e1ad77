/*
 * ops_lock.c - Lock and RLock: acquire and release.
 *
 * When a process is killed holding the lock, the next one acquires it and is notified, once; the
 * death of a process that did not hold it has no effect. In the state "taken" the victim sleeps for
 * a lock that a living process releases, or releases one that others sleep for; in "dead" the
 * victim is the process that repairs.
 */
#include <errno.h>
#include <unistd.h>

#include "participants.h"

enum { PLAIN, RECURSIVE, NESTED };
#define SLEEPERS 2

static int create(struct fixture *s)
{
	return ipk_lock_create(IPK_LOCK(.is_recursive = s->op->variant != PLAIN), &s->lock);
}

static int take(struct fixture *s)
{
	return ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), NULL);
}

static int take_at_once(struct fixture *s)
{
	return ipk_lock_lock(s->lock, ipk_now(), NULL);
}

/* The participants: holds it until the victim sleeps for it. */
static int hold(struct fixture *s, struct participant *me)
{
	int r = take(s);

	if (r < 0)
		return r;
	go_inside(s, false);
	participant_say(me, READY);
	participants_await_victim_asleep(s);
	go_outside(s);
	return ipk_lock_unlock(s->lock);
}

/* The participants: sleeps for what the victim holds. */
static int sleep_for_it(struct fixture *s, struct participant *me)
{
	bool was_told = false;
	int r;

	participant_say(me, READY);
	participants_await_victim(s);
	participant_say(me, IN_CALL);
	r = ipk_lock_lock(s->lock, ipk_in_ms(2 * CALL_MS), &was_told);
	if (r < 0)
		return r;
	go_inside(s, was_told);
	go_outside(s);
	return ipk_lock_unlock(s->lock);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make(struct fixture *s)
{
	int r = create(s);

	if (r == 0 && s->op->state == DEAD)
		r = let_die(s, take);
	return r;
}

static int make_lock(struct fixture *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, 1, hold) : r;
}

static int make_unlock(struct fixture *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, SLEEPERS, sleep_for_it) : r;
}

static void unmake(struct fixture *s)
{
	participants_end(s);
	s->lock = ipk_lock_close(s->lock);
}

/* --- the victim ------------------------------------------------------------------------------- */

static int act_lock(struct fixture *s)
{
	int r = ipk_lock_lock(s->lock, s->deadline, &s->history->was_told);

	s->history->found_inside = atomic_load(&s->history->inside);
	return r;
}

static void after_lock(struct fixture *s)
{
	if (s->history->result < 0)
		return;
	go_inside(s, s->history->was_told);
	go_outside(s);
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
}

static void ready_again(struct fixture *s)
{
	expect(s, "lock", take(s), 0);
}

static void ready_unlock(struct fixture *s)
{
	expect(s, "lock", take(s), 0);
	if (s->op->variant == NESTED)
		expect(s, "lock", take(s), 0);
	atomic_store(&s->history->is_victim_ready, 1);
	participants_await_asleep(s);
}

static int act_unlock(struct fixture *s)
{
	return ipk_lock_unlock(s->lock);
}

/* What is left of the levels. */
static void after_unlock(struct fixture *s)
{
	if (s->op->variant == NESTED)
		expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
}

/* --- the survivor ----------------------------------------------------------------------------- */

/* Beside a stopped victim: what it gets it keeps, to see whether the victim comes in too. */
static void meet_lock(struct fixture *s)
{
	bool was_told = false;
	int r = ipk_lock_lock(s->lock, ipk_in_ms(MEET_MS), &was_told);

	if (r == 0)
		go_inside(s, was_told);
	else
		expect(s, "lock beside a stopped one", r, -ETIMEDOUT);
}

static void leave_meeting(struct fixture *s)
{
	if (ipk_lock_owner(s->lock) != (uint32_t)getpid())
		return;
	go_outside(s);
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
}

static void check_use(struct fixture *s)
{
	bool was_told = false;
	int r = ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), &was_told);

	if (!expect(s, "lock", r, 0))
		return;
	go_inside(s, was_told);
	expect_elsewhere(s, "lock of a taken one", take_at_once, -ETIMEDOUT);
	go_outside(s);
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
	expect_elsewhere(s, "lock of a free one", take_at_once, 0);
}

/* The last of check_use()'s died holding it, too. */
static void check_told(struct fixture *s, uint32_t n_least, uint32_t n_most)
{
	struct history *l = s->history;
	uint32_t n_told = atomic_load(&l->n_told);
	bool was_told = false;

	if (n_told < n_least || n_told > n_most)
		history_fault(l, n_told < n_least ? &l->faults.lost : &l->faults.dup,
			      "a death was told %u times", n_told);
	expect(s, "lock", ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), &was_told), 0);
	if (!was_told)
		history_fault(l, &l->faults.lost, "a second death was not told");
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
	expect(s, "lock", ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), &was_told), 0);
	if (was_told)
		history_fault(l, &l->faults.dup, "a death was told twice");
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
	if (N_LISTED(ipk_lock_waiters, s->lock, NULL, 0) != 0)
		history_fault(l, &l->faults.leaked, "somebody still waits");
}

static void check_lock(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	bool is_dead = s->op->state == DEAD;

	leave_meeting(s);
	if (is_done && !(s->op->is_stop && l->result == -ETIMEDOUT)) {
		expect(s, "lock (the victim's)", l->result, 0);
		if (l->found_inside != 0)
			history_fault(l, &l->faults.wrong, "two owners at once");
		if (l->was_told != is_dead && !s->op->is_stop)
			history_fault(l, &l->faults.wrong, "the victim was told %d", l->was_told);
	}
	if (!participants_check_ended(s))
		return;
	check_use(s);
	if (s->op->is_stop)
		check_told(s, is_dead, is_dead);
	else
		check_told(s, is_done || is_dead, 1);
}

static void check_unlock(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);
	bool is_left = s->op->variant == NESTED && !s->op->is_stop;

	leave_meeting(s);
	if (is_done)
		expect(s, "unlock (the victim's)", s->history->result, 0);
	if (!participants_check_ended(s))
		return;
	check_use(s);
	check_told(s, is_left, is_left || !is_done);
}

/* Again by its holder: it holds it, whatever happens. */
static void check_again(struct fixture *s)
{
	if (atomic_load(&s->history->is_done))
		expect(s, "lock (the victim's)", s->history->result, 0);
	check_use(s);
	check_told(s, 1, 1);
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add(struct op_list *list, struct op op, int variant, enum state state)
{
	static const char *const kinds[] = {"lock", "rlock", "rlock-nested"};

	op.variant = variant;
	op.kind = kinds[variant];
	op.state = state;
	op.unmake = unmake;
	op.is_minor = variant != PLAIN && state != TAKEN;
	op_add(list, &op);
}

void ops_lock(struct op_list *list)
{
	struct op lock = {.name = "lock_lock",
			  .meet_keeps = true,
			  .make = make_lock,
			  .act = act_lock,
			  .after = after_lock,
			  .meet = meet_lock,
			  .check = check_lock};
	struct op unlock = {.name = "lock_unlock",
			    .meet_keeps = true,
			    .make = make_unlock,
			    .ready = ready_unlock,
			    .act = act_unlock,
			    .after = after_unlock,
			    .meet = meet_lock,
			    .check = check_unlock};
	struct op again = {.name = "lock_lock",
			   .make = make,
			   .ready = ready_again,
			   .act = act_lock,
			   .check = check_again};

	for (int state = FREE; state <= DEAD; state++) {
		for (int variant = PLAIN; variant <= NESTED; variant++) {
			if (variant != NESTED)
				add(list, lock, variant, (enum state)state);
			add(list, unlock, variant, (enum state)state);
		}
	}
	add(list, again, NESTED, FREE);
	add(list, again, NESTED, DEAD);
}
