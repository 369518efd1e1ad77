/*
 * ops_barrier.c - Barrier: all parties of a round get the same outcome, whichever of them is
 * killed.
 *
 * The victim arrives first, and sleeps for the others ("free"), or last, and runs the action
 * ("taken"). It is a party from the start. If it had arrived, it counts, and the round is complete
 * for all others; if not, the round is broken for all.
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "participants.h"
#include "ipk/barrier.h"

enum { N_ACTED, INDICES }; /* notes: how often the action ran to its end; a bit for each index */
#define POINTS_MAX 150     /* some of them cost up to a second */

static unsigned n_parties(const struct fixture *s)
{
	return (unsigned)s->op->variant;
}

static int act_for_all(void *arg)
{
	struct fixture *s = arg;

	atomic_fetch_add(&s->history->notes[N_ACTED], 1);
	return 0;
}

static int arrive(struct fixture *s, ipk_deadline deadline)
{
	unsigned index = 0;
	int r = ipk_barrier_wait(s->object, act_for_all, s, deadline, &index);

	if (r == 0 &&
	    (atomic_fetch_or(&s->history->notes[INDICES], 1u << index) & (1u << index)) != 0)
		history_fault(s->history, &s->history->faults.dup, "two have index %u", index);
	return r;
}

static int arrive_with_time(struct fixture *s)
{
	return arrive(s, ipk_in_ms(3 * CALL_MS));
}

/* The participants. The outcome is told apart later: see check_outcome(). */
static int arrive_in_group(struct fixture *s, struct participant *me)
{
	participant_say(me, READY);
	if (s->op->state == FREE)
		participants_await_victim_asleep(s);
	participant_say(me, IN_CALL);
	me->outcome = arrive_with_time(s);
	return ipk_barrier_unregister(s->object);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make(struct fixture *s)
{
	ipk_barrier *barrier = NULL;
	int r = ipk_barrier_create(IPK_BARRIER(.n_parties = n_parties(s)), &barrier);

	s->object = barrier;
	atomic_store(&s->history->notes[N_ACTED], 0);
	atomic_store(&s->history->notes[INDICES], 0);
	return r < 0 ? r : participants_start(s, n_parties(s) - 1, arrive_in_group);
}

static void unmake(struct fixture *s)
{
	participants_end(s);
	s->object = ipk_barrier_close(s->object);
}

/* --- the victim ------------------------------------------------------------------------------- */

static void ready(struct fixture *s)
{
	expect(s, "register", ipk_barrier_register(s->object), 0);
	if (s->op->state == TAKEN)
		participants_await_asleep(s);
}

static int act_wait(struct fixture *s)
{
	return ipk_barrier_wait(s->object, act_for_all, s, ipk_in_ms(3 * CALL_MS), NULL);
}

static void after_wait(struct fixture *s)
{
	expect(s, "unregister", ipk_barrier_unregister(s->object), 0);
}

/* --- the survivor ----------------------------------------------------------------------------- */

/* Beside a stopped party that has not arrived nobody goes on, and nothing is broken. */
static void meet_barrier(struct fixture *s)
{
	(void)participants_count_ended(s, 1, MEET_MS);
	if (ipk_barrier_is_broken(s->object))
		history_fault(s->history, &s->history->faults.wrong, "broken by a stopped one");
}

/* Complete for all or broken for all; by death only, not by a deadline. */
static void check_outcome(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	uint32_t n_through = 0, n_broken = 0;

	for (uint32_t i = 0; i < l->n_participants; i++) {
		n_through += l->participants[i].outcome == 0;
		n_broken += l->participants[i].outcome == -ECANCELED;
	}
	if (is_done)
		expect(s, "wait (the victim's)", l->result, 0);
	if (n_through + n_broken != l->n_participants)
		history_fault(l, &l->faults.hang, "neither complete nor broken");
	if (n_through != 0 && n_broken != 0)
		history_fault(l, &l->faults.torn, "complete for %u, broken for %u", n_through,
			      n_broken);
	if (is_done && n_broken != 0)
		history_fault(l, &l->faults.wrong, "complete for one, broken for others");
	if (atomic_load(&l->notes[N_ACTED]) > 1 || (n_through > 0 && !l->notes[N_ACTED]))
		history_fault(l, &l->faults.dup, "the action ran %u times",
			      (unsigned)l->notes[N_ACTED]);
}

/* One more round, of all new parties. */
static void check_new_round(struct fixture *s)
{
	pid_t pids[PARTICIPANTS_MAX] = {0};

	expect(s, "reset", ipk_barrier_reset(s->object), 0);
	atomic_store(&s->history->notes[INDICES], 0);
	for (unsigned i = 1; i < n_parties(s); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(arrive_with_time(s) != 0);
	}
	expect(s, "wait", arrive_with_time(s), 0);
	for (unsigned i = 1; i < n_parties(s); i++) {
		int status = -1;

		waitpid(pids[i], &status, 0);
		expect(s, "wait of another", status, 0);
	}
}

static void check_barrier(struct fixture *s)
{
	struct history *l = s->history;

	if (participants_count_ended(s, l->n_participants, 2 * CALL_MS) < l->n_participants) {
		history_fault(l, &l->faults.hang, "one that waited is not let go");
		return;
	}
	participants_check_ended(s);
	check_outcome(s);
	check_new_round(s);
	if (N_LISTED(ipk_barrier_waiters, s->object, NULL, 0) != 0)
		history_fault(l, &l->faults.leaked, "somebody still waits");
}

/* --- the rows --------------------------------------------------------------------------------- */

void ops_barrier(struct op_list *list)
{
	static const char *const kinds[] = {"", "1", "2", "3", "4", "5", "6", "7", "8"};

	for (int n = 2; n <= 8; n++) {
		for (int state = FREE; state <= TAKEN; state++) {
			struct op op = {.name = "barrier_wait",
					.kind = kinds[n],
					.state = (enum state)state,
					.variant = n,
					.max_points = n == 2 ? 0 : POINTS_MAX,
					.is_minor = n != 3,
					.make = make,
					.ready = ready,
					.act = act_wait,
					.after = after_wait,
					.meet = meet_barrier,
					.check = check_barrier,
					.unmake = unmake};

			op_add(list, &op);
		}
	}
}
