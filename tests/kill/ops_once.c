/*
 * ops_once.c - Once: one caller runs it to its end, whichever process is killed meanwhile.
 *
 * When a caller was killed in the middle of it, the next one is notified and starts again; after
 * the call has returned "done" to any caller, no caller runs it again.
 */
#include <errno.h>

#include "participants.h"
#include "ipk/once.h"

enum { N_BEGUN, N_ENDED }; /* notes */

static int run_it(void *arg)
{
	struct fixture *s = arg;

	atomic_fetch_add(&s->history->notes[N_BEGUN], 1);
	atomic_fetch_add(&s->history->notes[N_ENDED], 1);
	return 0;
}

static int fail_to_run(void *arg)
{
	(void)arg;
	return -ECANCELED;
}

static int run_until_victim_sleeps(void *arg)
{
	struct fixture *s = arg;

	participant_say(&s->history->participants[0], READY);
	participants_await_victim_asleep(s);
	return run_it(s);
}

static int end_in_it(void *arg)
{
	struct fixture *s = arg;

	atomic_fetch_add(&s->history->notes[N_BEGUN], 1);
	die_here();
	return 0;
}

static int call_later(struct fixture *s, struct participant *me)
{
	(void)me;
	return ipk_once_run(s->object, run_until_victim_sleeps, s, ipk_in_ms(CALL_MS), NULL);
}

static int die_in_it(struct fixture *s)
{
	return ipk_once_run(s->object, end_in_it, s, ipk_in_ms(CALL_MS), NULL);
}

/* --- the fixture ------------------------------------------------------------------------------ */

/* "free": nobody has run it; "taken": another one does; "full": it has been run. */
static int make(struct fixture *s)
{
	ipk_once *once = NULL;
	int r = ipk_once_create(NULL, &once);

	s->object = once;
	atomic_store(&s->history->notes[N_BEGUN], 0);
	atomic_store(&s->history->notes[N_ENDED], 0);
	if (r == 0 && s->op->state == TAKEN)
		r = participants_start(s, 1, call_later);
	if (r == 0 && s->op->state == FULL)
		r = ipk_once_run(once, run_it, s, ipk_now(), NULL);
	if (r == 0 && s->op->state == DEAD)
		r = let_die(s, die_in_it);
	return r;
}

static void unmake(struct fixture *s)
{
	participants_end(s);
	s->object = ipk_once_close(s->object);
}

/* --- the victim ------------------------------------------------------------------------------- */

static int act_run(struct fixture *s)
{
	return ipk_once_run(s->object, run_it, s, s->deadline, &s->history->was_told);
}

static int act_fail(struct fixture *s)
{
	return ipk_once_run(s->object, fail_to_run, s, s->deadline, &s->history->was_told);
}

/* --- the survivor ----------------------------------------------------------------------------- */

static void meet_once(struct fixture *s)
{
	bool was_told = false;
	int r = ipk_once_run(s->object, fail_to_run, s, ipk_in_ms(MEET_MS), &was_told);

	/* It has been run, the victim runs it, or it would be ours. */
	if (r != 0 && r != -ETIMEDOUT)
		expect(s, "run beside a stopped one", r, -ECANCELED);
	atomic_fetch_add(&s->history->n_told, was_told);
}

/* Who runs it now, and what it is told: *begun* and not ended is a death. */
static void check_run(struct fixture *s)
{
	struct history *l = s->history;
	uint64_t n_begun = atomic_load(&l->notes[N_BEGUN]);
	bool was_done = ipk_once_is_done(s->object);
	bool was_told = false;

	if (was_done && atomic_load(&l->notes[N_ENDED]) == 0)
		history_fault(l, &l->faults.lost, "done, and nobody ran it");
	expect(s, "run", ipk_once_run(s->object, run_it, s, ipk_in_ms(CALL_MS), &was_told), 0);
	if (atomic_load(&l->notes[N_BEGUN]) != n_begun + !was_done)
		history_fault(l, &l->faults.dup, "it was run again");
	/* One that was told, and then failed, has done with it. */
	if (!was_done && n_begun > 0 && !was_told && s->op->act != act_fail)
		history_fault(l, &l->faults.lost, "a death in the middle of it was not told");
	if (was_done && was_told)
		history_fault(l, &l->faults.wrong, "a death was told of what is done");
}

static void check_once(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	bool fails = s->op->act == act_fail;

	if (is_done)
		expect(s, "run (the victim's)", l->result, fails ? -ECANCELED : 0);
	if (is_done && !s->op->is_stop && l->was_told != (s->op->state == DEAD))
		history_fault(l, &l->faults.wrong, "the victim was told %d", l->was_told);
	if (!participants_check_ended(s))
		return;
	if (is_done && ipk_once_is_done(s->object) == fails)
		history_fault(l, &l->faults.lost, "it was run, and is not done");
	if (!fails || !is_done)
		check_run(s);
	if (!fails && !ipk_once_is_done(s->object))
		history_fault(l, &l->faults.lost, "it is not done");
	if (N_LISTED(ipk_once_waiters, s->object, NULL, 0) != 0)
		history_fault(l, &l->faults.leaked, "somebody still waits");
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add(struct op_list *list, struct op op, enum state state)
{
	op.state = state;
	op.make = make;
	op.meet = meet_once;
	op.check = check_once;
	op.unmake = unmake;
	op_add(list, &op);
}

void ops_once(struct op_list *list)
{
	struct op run = {.name = "once_run", .kind = "once", .act = act_run};
	struct op fail = {.name = "once_run", .kind = "once-failing", .act = act_fail};

	add(list, run, FREE);
	add(list, run, TAKEN);
	add(list, run, FULL);
	add(list, run, DEAD);
	add(list, fail, FREE);
	add(list, fail, DEAD);
}
