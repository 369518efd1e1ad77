/*
 * ops_lock.c - Lock and RLock: taking and giving back.
 *
 * Who was killed holding the lock gives it to the next one, who is told, once; whoever
 * was killed not holding it is not noticed. In the state "taken" the victim sleeps for a
 * lock that a living one gives back, or gives back one that others sleep for; in "dead" it
 * is the repairer itself that is killed.
 */
#include <errno.h>
#include <unistd.h>

#include "cast.h"

enum { PLAIN, RECURSIVE, NESTED };
#define SLEEPERS 2

static int create(struct scene *s)
{
	return ipk_lock_create(IPK_LOCK(.is_recursive = s->op->variant != PLAIN), &s->lock);
}

static int take(struct scene *s)
{
	return ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), NULL);
}

static int take_at_once(struct scene *s)
{
	return ipk_lock_lock(s->lock, ipk_now(), NULL);
}

/* The cast: holds it until the victim sleeps for it. */
static int hold(struct scene *s, struct member *me)
{
	int r = take(s);

	if (r < 0)
		return r;
	go_inside(s, false);
	cast_say(me, READY);
	cast_await_victim_asleep(s);
	go_outside(s);
	return ipk_lock_unlock(s->lock);
}

/* The cast: sleeps for what the victim holds. */
static int sleep_for_it(struct scene *s, struct member *me)
{
	bool was_told = false;
	int r;

	cast_say(me, READY);
	cast_await_victim(s);
	cast_say(me, IN_CALL);
	r = ipk_lock_lock(s->lock, ipk_in_ms(2 * CALL_MS), &was_told);
	if (r < 0)
		return r;
	go_inside(s, was_told);
	go_outside(s);
	return ipk_lock_unlock(s->lock);
}

/* --- the scene --- */

static int make(struct scene *s)
{
	int r = create(s);

	if (r == 0 && s->op->state == DEAD)
		r = let_die(s, take);
	return r;
}

static int make_lock(struct scene *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? cast_start(s, 1, hold) : r;
}

static int make_unlock(struct scene *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? cast_start(s, SLEEPERS, sleep_for_it) : r;
}

static void unmake(struct scene *s)
{
	cast_end(s);
	s->lock = ipk_lock_close(s->lock);
}

/* --- the victim --- */

static int act_lock(struct scene *s)
{
	int r = ipk_lock_lock(s->lock, s->deadline, &s->ledger->was_told);

	s->ledger->found_inside = atomic_load(&s->ledger->inside);
	return r;
}

static void after_lock(struct scene *s)
{
	if (s->ledger->result < 0)
		return;
	go_inside(s, s->ledger->was_told);
	go_outside(s);
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
}

static void ready_again(struct scene *s)
{
	expect(s, "lock", take(s), 0);
}

static void ready_unlock(struct scene *s)
{
	expect(s, "lock", take(s), 0);
	if (s->op->variant == NESTED)
		expect(s, "lock", take(s), 0);
	atomic_store(&s->ledger->is_victim_ready, 1);
	cast_await_asleep(s);
}

static int act_unlock(struct scene *s)
{
	return ipk_lock_unlock(s->lock);
}

/* What is left of the levels. */
static void after_unlock(struct scene *s)
{
	if (s->op->variant == NESTED)
		expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
}

/* --- the survivor --- */

/* Beside a stopped victim: what it gets it keeps, to see whether the victim comes in too. */
static void meet_lock(struct scene *s)
{
	bool was_told = false;
	int r = ipk_lock_lock(s->lock, ipk_in_ms(MEET_MS), &was_told);

	if (r == 0)
		go_inside(s, was_told);
	else
		expect(s, "lock beside a stopped one", r, -ETIMEDOUT);
}

static void leave_meeting(struct scene *s)
{
	if (ipk_lock_owner(s->lock) != (uint32_t)getpid())
		return;
	go_outside(s);
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
}

static void check_use(struct scene *s)
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
static void check_told(struct scene *s, uint32_t n_least, uint32_t n_most)
{
	struct ledger *l = s->ledger;
	uint32_t n_told = atomic_load(&l->n_told);
	bool was_told = false;

	if (n_told < n_least || n_told > n_most)
		ledger_fault(l, n_told < n_least ? &l->faults.lost : &l->faults.dup,
			     "a death was told %u times", n_told);
	expect(s, "lock", ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), &was_told), 0);
	if (!was_told)
		ledger_fault(l, &l->faults.lost, "a second death was not told");
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
	expect(s, "lock", ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), &was_told), 0);
	if (was_told)
		ledger_fault(l, &l->faults.dup, "a death was told twice");
	expect(s, "unlock", ipk_lock_unlock(s->lock), 0);
	if (N_LISTED(ipk_lock_waiters, s->lock, NULL, 0) != 0)
		ledger_fault(l, &l->faults.leaked, "somebody still waits");
}

static void check_lock(struct scene *s)
{
	struct ledger *l = s->ledger;
	bool is_done = atomic_load(&l->is_done);
	bool is_dead = s->op->state == DEAD;

	leave_meeting(s);
	if (is_done && !(s->op->is_stop && l->result == -ETIMEDOUT)) {
		expect(s, "lock (the victim's)", l->result, 0);
		if (l->found_inside != 0)
			ledger_fault(l, &l->faults.wrong, "two owners at once");
		if (l->was_told != is_dead && !s->op->is_stop)
			ledger_fault(l, &l->faults.wrong, "the victim was told %d", l->was_told);
	}
	if (!cast_check_ended(s))
		return;
	check_use(s);
	if (s->op->is_stop)
		check_told(s, is_dead, is_dead);
	else
		check_told(s, is_done || is_dead, 1);
}

static void check_unlock(struct scene *s)
{
	bool is_done = atomic_load(&s->ledger->is_done);
	bool is_left = s->op->variant == NESTED && !s->op->is_stop;

	leave_meeting(s);
	if (is_done)
		expect(s, "unlock (the victim's)", s->ledger->result, 0);
	if (!cast_check_ended(s))
		return;
	check_use(s);
	check_told(s, is_left, is_left || !is_done);
}

/* Again by its holder: it holds it, whatever happens. */
static void check_again(struct scene *s)
{
	if (atomic_load(&s->ledger->is_done))
		expect(s, "lock (the victim's)", s->ledger->result, 0);
	check_use(s);
	check_told(s, 1, 1);
}

/* --- the rows --- */

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
