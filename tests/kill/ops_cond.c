/*
 * ops_cond.c - Condition: wait, notify and notify_all.
 *
 * A killed waiter does not consume another waiter's notification for good; waiters that a killed
 * notifier was about to wake are woken by the next notification; and the lock around the condition
 * reports a death as a lock without a condition does. In the state "dead" the process that notified
 * the victim was killed holding the lock.
 */
#include <errno.h>

#include "participants.h"
#include "ipk/cond.h"

enum { IS_CHANGED }; /* notes: guarded by the lock */
#define SLEEPERS 2
#define UNAIDED_MS 500 /* less than after what time waiters look again by themselves */

static bool is_changed(void *arg)
{
	struct fixture *s = arg;

	return atomic_load(&s->history->notes[IS_CHANGED]) != 0;
}

static int lock(struct fixture *s)
{
	bool was_told = false;
	int r = ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), &was_told);

	if (r == 0)
		go_inside(s, was_told);
	return r;
}

static int unlock(struct fixture *s)
{
	go_outside(s);
	return ipk_lock_unlock(s->lock);
}

static int change(struct fixture *s)
{
	int r = lock(s);

	if (r < 0)
		return r;
	atomic_store(&s->history->notes[IS_CHANGED], 1);
	return 0;
}

/* The participants: waits for the change. */
static int wait_for_change(struct fixture *s, struct participant *me)
{
	int r = ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), NULL);
	bool was_told = false;

	if (r < 0)
		return r;
	participant_say(me, READY);
	participant_say(me, IN_CALL);
	r = ipk_cond_wait_for(s->object, s->lock, is_changed, s, ipk_in_ms(3 * CALL_MS), &was_told);
	if (r < 0)
		return r;
	go_inside(s, was_told);
	return unlock(s);
}

/* The participants: changes it when the victim sleeps; in the state "dead" its last act. */
static int change_later(struct fixture *s, struct participant *me)
{
	int r;

	participant_say(me, READY);
	participants_await_victim_asleep(s);
	r = change(s);
	/* As many as live: a dead one must not be counted among those that are woken. */
	if (r == 0)
		r = ipk_cond_notify(s->object, victim_is_alive(s) ? 2 : 1);
	return r == 0 && s->op->state != DEAD ? unlock(s) : r;
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make(struct fixture *s)
{
	ipk_cond *cond = NULL;
	int r = ipk_cond_create(NULL, &cond);

	s->object = cond;
	atomic_store(&s->history->notes[IS_CHANGED], 0);
	return r < 0 ? r : ipk_lock_create(NULL, &s->lock);
}

/* "taken": beside the victim one more waits. */
static int make_wait(struct fixture *s)
{
	int r = make(s);

	if (r == 0 && s->op->state == TAKEN)
		r = participants_start(s, 1, wait_for_change);
	if (r == 0 && s->op->state != EMPTY)
		r = participants_start(s, 1, change_later);
	return r;
}

static int make_notify(struct fixture *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, SLEEPERS, wait_for_change)
					       : r;
}

static void unmake(struct fixture *s)
{
	participants_end(s);
	s->object = ipk_cond_close(s->object);
	s->lock = ipk_lock_close(s->lock);
}

/* --- the victim ------------------------------------------------------------------------------- */

static void ready_wait(struct fixture *s)
{
	if (s->op->state == TAKEN)
		participant_await_asleep(&s->history->participants[0]);
	expect(s, "lock", ipk_lock_lock(s->lock, ipk_in_ms(CALL_MS), NULL), 0);
}

static int act_wait(struct fixture *s)
{
	return ipk_cond_wait(s->object, s->lock, s->deadline, &s->history->was_told);
}

static void after_wait(struct fixture *s)
{
	go_inside(s, s->history->was_told);
	expect(s, "unlock", unlock(s), 0);
}

static void ready_notify(struct fixture *s)
{
	participants_await_asleep(s);
	expect(s, "change", change(s), 0);
	expect(s, "unlock", unlock(s), 0);
}

static int act_notify(struct fixture *s)
{
	return ipk_cond_notify(s->object, 1);
}

static int act_notify_all(struct fixture *s)
{
	return ipk_cond_notify_all(s->object);
}

/* --- the survivor ----------------------------------------------------------------------------- */

/* Beside a stopped victim, which has the lock or has not. */
static void meet_cond(struct fixture *s)
{
	bool was_told = false;
	int r = ipk_lock_lock(s->lock, ipk_in_ms(MEET_MS), &was_told);

	if (r == 0) {
		go_inside(s, was_told);
		r = unlock(s);
	}
	if (r != -ETIMEDOUT || s->op->act != act_wait)
		expect(s, "lock beside a stopped one", r, 0);
}

static int lock_at_once(struct fixture *s)
{
	return ipk_lock_lock(s->lock, ipk_now(), NULL);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* The rest is as if the condition were new: and waiting gives the lock up, and takes it. */
static void check_use(struct fixture *s)
{
	struct history *l = s->history;

	if (N_LISTED(ipk_cond_waiters, s->object, NULL, 0) != 0)
		history_fault(l, &l->faults.leaked, "somebody still waits");
	expect(s, "lock", lock(s), 0);
	expect(s, "wait_for what is so",
	       ipk_cond_wait_for(s->object, s->lock, is_changed, s, ipk_in_ms(CALL_MS), NULL), 0);
	expect(s, "wait_for what never is",
	       ipk_cond_wait_for(s->object, s->lock, never, NULL, ipk_now(), NULL), -ETIMEDOUT);
	expect_elsewhere(s, "lock of a taken one", lock_at_once, -ETIMEDOUT);
	expect(s, "unlock", unlock(s), 0);
}

static void check_told(struct fixture *s, uint32_t n_least, uint32_t n_most)
{
	struct history *l = s->history;
	uint32_t n_told = atomic_load(&l->n_told);

	if (n_told < n_least || n_told > n_most)
		history_fault(l, n_told < n_least ? &l->faults.lost : &l->faults.dup,
			      "a death was told %u times", n_told);
}

/* The survivor changes and notifies what others did not come to. */
static bool notify_the_rest(struct fixture *s)
{
	expect(s, "change", change(s), 0);
	expect(s, "unlock", unlock(s), 0);
	expect(s, "notify_all", ipk_cond_notify_all(s->object), 0);
	return participants_check_ended(s);
}

static void check_wait(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	bool is_dead = s->op->state == DEAD;

	if (is_done)
		expect(s, "wait (the victim's)", l->result, s->op->state == EMPTY ? -ETIMEDOUT : 0);
	if (is_done && !s->op->is_stop && l->was_told != is_dead)
		history_fault(l, &l->faults.wrong, "the victim was told %d", l->was_told);
	if (participants_count_ended(s, l->n_participants, UNAIDED_MS) < l->n_participants)
		history_fault(l, &l->faults.lost, "notified, but not woken");
	if (!notify_the_rest(s))
		return;
	check_use(s);
	if (s->op->is_stop)
		check_told(s, is_dead, is_dead);
	else
		check_told(s, is_dead || is_done, is_dead && !is_done ? 2 : 1);
}

static void check_notify(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	uint32_t n_due = s->op->act == act_notify_all ? l->n_participants : l->n_participants > 0;

	if (is_done)
		expect(s, "notify (the victim's)", l->result, 0);
	if (is_done && participants_count_ended(s, n_due, UNAIDED_MS) < n_due)
		history_fault(l, &l->faults.lost, "notified, but not woken");
	if (!notify_the_rest(s))
		return;
	check_use(s);
	check_told(s, 0, 0);
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add(struct op_list *list, struct op op, enum state state)
{
	op.kind = "cond";
	op.state = state;
	op.meet = meet_cond;
	op.unmake = unmake;
	op.may_wait = state == EMPTY;
	op_add(list, &op);
}

void ops_cond(struct op_list *list)
{
	struct op wait = {.name = "cond_wait",
			  .make = make_wait,
			  .ready = ready_wait,
			  .act = act_wait,
			  .after = after_wait,
			  .check = check_wait};
	struct op notify = {.name = "cond_notify",
			    .make = make_notify,
			    .ready = ready_notify,
			    .act = act_notify,
			    .check = check_notify};
	struct op notify_all = notify;

	notify_all.name = "cond_notify_all";
	notify_all.act = act_notify_all;
	add(list, wait, EMPTY);
	add(list, wait, TAKEN);
	add(list, wait, DEAD);
	add(list, notify, FREE);
	add(list, notify, TAKEN);
	add(list, notify_all, FREE);
	add(list, notify_all, TAKEN);
}
