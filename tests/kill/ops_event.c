/*
 * ops_event.c - Event: set, clear and wait.
 *
 * Waiters continue once it is set, whether or not the process that set it lived to wake them; a
 * killed waiter blocks no other.
 */
#include <errno.h>

#include "participants.h"
#include "ipk/event.h"

#define SLEEPERS 2
#define UNAIDED_MS 300 /* a few slices of a sleeper that nobody woke */

static int set_later(struct fixture *s, struct participant *me)
{
	participant_say(me, READY);
	participants_await_victim_asleep(s);
	return ipk_event_set(s->object);
}

static int sleep_for_it(struct fixture *s, struct participant *me)
{
	participant_say(me, READY);
	participant_say(me, IN_CALL);
	return ipk_event_wait(s->object, ipk_in_ms(3 * CALL_MS));
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make(struct fixture *s, bool is_set)
{
	ipk_event *event = NULL;
	int r = ipk_event_create(IPK_EVENT(.is_set = is_set), &event);

	s->object = event;
	return r;
}

static int make_set(struct fixture *s)
{
	int r = make(s, false);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, SLEEPERS, sleep_for_it) : r;
}

static int make_clear(struct fixture *s)
{
	return make(s, true);
}

/* "free": it is set; "taken": another one sets it; "empty": nobody does. */
static int make_wait(struct fixture *s)
{
	int r = make(s, s->op->state == FREE);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, 1, set_later) : r;
}

static void unmake(struct fixture *s)
{
	participants_end(s);
	s->object = ipk_event_close(s->object);
}

/* --- the victim ------------------------------------------------------------------------------- */

static void ready_set(struct fixture *s)
{
	participants_await_asleep(s);
}

static int act_set(struct fixture *s)
{
	return ipk_event_set(s->object);
}

static int act_clear(struct fixture *s)
{
	return ipk_event_clear(s->object);
}

static int act_wait(struct fixture *s)
{
	return ipk_event_wait(s->object, s->deadline);
}

/* --- the survivor ----------------------------------------------------------------------------- */

static int wait_at_once(struct fixture *s)
{
	return ipk_event_wait(s->object, ipk_now());
}

/* Beside a stopped victim it can be used. */
static void meet_event(struct fixture *s)
{
	bool is_set = ipk_event_is_set(s->object);

	expect(s, "wait beside a stopped one", ipk_event_wait(s->object, ipk_in_ms(MEET_MS)),
	       is_set ? 0 : -ETIMEDOUT);
}

static void check_use(struct fixture *s)
{
	struct history *l = s->history;

	if (N_LISTED(ipk_event_waiters, s->object, NULL, 0) != 0)
		history_fault(l, &l->faults.leaked, "somebody still waits");
	expect(s, "set", ipk_event_set(s->object), 0);
	expect_elsewhere(s, "wait for what is set", wait_at_once, 0);
	expect(s, "clear", ipk_event_clear(s->object), 0);
	expect_elsewhere(s, "wait for what is not set", wait_at_once, -ETIMEDOUT);
}

static void check_result(struct fixture *s, int expected)
{
	if (atomic_load(&s->history->is_done))
		expect(s, "the victim's call", s->history->result, expected);
}

static void check_set(struct fixture *s)
{
	struct history *l = s->history;
	bool is_set = ipk_event_is_set(s->object);

	check_result(s, 0);
	if (atomic_load(&l->is_done) && !is_set)
		history_fault(l, &l->faults.lost, "it is not set");
	if (is_set &&
	    participants_count_ended(s, l->n_participants, UNAIDED_MS) < l->n_participants)
		history_fault(l, &l->faults.hang, "it is set, and one still waits");
	expect(s, "set", ipk_event_set(s->object), 0);
	if (participants_check_ended(s))
		check_use(s);
}

static void check_clear(struct fixture *s)
{
	struct history *l = s->history;

	check_result(s, 0);
	if (atomic_load(&l->is_done) && ipk_event_is_set(s->object))
		history_fault(l, &l->faults.lost, "it is not cleared");
	check_use(s);
}

static void check_wait(struct fixture *s)
{
	check_result(s, s->op->state == EMPTY ? -ETIMEDOUT : 0);
	if (!participants_check_ended(s))
		return;
	if (ipk_event_is_set(s->object) != (s->op->state != EMPTY))
		history_fault(s->history, &s->history->faults.wrong, "a waiter changed it");
	check_use(s);
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add(struct op_list *list, struct op op, enum state state)
{
	op.kind = "event";
	op.state = state;
	op.meet = meet_event;
	op.unmake = unmake;
	op_add(list, &op);
}

void ops_event(struct op_list *list)
{
	struct op set = {.name = "event_set",
			 .make = make_set,
			 .ready = ready_set,
			 .act = act_set,
			 .check = check_set};
	struct op clear = {
		.name = "event_clear", .make = make_clear, .act = act_clear, .check = check_clear};
	struct op wait = {
		.name = "event_wait", .make = make_wait, .act = act_wait, .check = check_wait};

	add(list, set, FREE);
	add(list, set, TAKEN);
	add(list, clear, FREE);
	add(list, wait, FREE);
	add(list, wait, TAKEN);
	wait.may_wait = true;
	add(list, wait, EMPTY);
}
