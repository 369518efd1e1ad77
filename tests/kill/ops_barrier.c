/*
 * ops_barrier.c - Barrier: all of a round get the same outcome, whoever is killed in it.
 *
 * The victim arrives first, and sleeps for the others ("free"), or last, and runs the action
 * ("taken"). It is a party from the start. When it had arrived it counts, and the round is
 * complete for all others; when it had not, it is broken for all.
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cast.h"
#include "ipk/barrier.h"

enum { N_ACTED, INDICES }; /* notes: how often the action ran to its end; a bit for each index */
#define POINTS_MAX 150     /* some of them cost up to a second */

static unsigned n_parties(const struct scene *s)
{
	return (unsigned)s->op->variant;
}

static int act_for_all(void *arg)
{
	struct scene *s = arg;

	atomic_fetch_add(&s->ledger->notes[N_ACTED], 1);
	return 0;
}

static int arrive(struct scene *s, ipk_deadline deadline)
{
	unsigned index = 0;
	int r = ipk_barrier_wait(s->object, act_for_all, s, deadline, &index);

	if (r == 0 &&
	    (atomic_fetch_or(&s->ledger->notes[INDICES], 1u << index) & (1u << index)) != 0)
		ledger_fault(s->ledger, &s->ledger->faults.dup, "two have index %u", index);
	return r;
}

static int arrive_with_time(struct scene *s)
{
	return arrive(s, ipk_in_ms(3 * CALL_MS));
}

/* The cast. The outcome is told apart later: see check_outcome(). */
static int arrive_in_crew(struct scene *s, struct member *me)
{
	cast_say(me, READY);
	if (s->op->state == FREE)
		cast_await_victim_asleep(s);
	cast_say(me, IN_CALL);
	me->outcome = arrive_with_time(s);
	return ipk_barrier_unregister(s->object);
}

/* --- the scene --- */

static int make(struct scene *s)
{
	ipk_barrier *barrier = NULL;
	int r = ipk_barrier_create(IPK_BARRIER(.n_parties = n_parties(s)), &barrier);

	s->object = barrier;
	atomic_store(&s->ledger->notes[N_ACTED], 0);
	atomic_store(&s->ledger->notes[INDICES], 0);
	return r < 0 ? r : cast_start(s, n_parties(s) - 1, arrive_in_crew);
}

static void unmake(struct scene *s)
{
	cast_end(s);
	s->object = ipk_barrier_close(s->object);
}

/* --- the victim --- */

static void ready(struct scene *s)
{
	expect(s, "register", ipk_barrier_register(s->object), 0);
	if (s->op->state == TAKEN)
		cast_await_asleep(s);
}

static int act_wait(struct scene *s)
{
	return ipk_barrier_wait(s->object, act_for_all, s, ipk_in_ms(3 * CALL_MS), NULL);
}

static void after_wait(struct scene *s)
{
	expect(s, "unregister", ipk_barrier_unregister(s->object), 0);
}

/* --- the survivor --- */

/* Beside a stopped party that has not arrived nobody goes on, and nothing is broken. */
static void meet_barrier(struct scene *s)
{
	(void)cast_count_ended(s, 1, MEET_MS);
	if (ipk_barrier_is_broken(s->object))
		ledger_fault(s->ledger, &s->ledger->faults.wrong, "broken by a stopped one");
}

/* Complete for all or broken for all; by death only, not by a deadline. */
static void check_outcome(struct scene *s)
{
	struct ledger *l = s->ledger;
	bool is_done = atomic_load(&l->is_done);
	uint32_t n_through = 0, n_broken = 0;

	for (uint32_t i = 0; i < l->n_cast; i++) {
		n_through += l->cast[i].outcome == 0;
		n_broken += l->cast[i].outcome == -ECANCELED;
	}
	if (is_done)
		expect(s, "wait (the victim's)", l->result, 0);
	if (n_through + n_broken != l->n_cast)
		ledger_fault(l, &l->faults.hang, "neither complete nor broken");
	if (n_through != 0 && n_broken != 0)
		ledger_fault(l, &l->faults.torn, "complete for %u, broken for %u", n_through,
			     n_broken);
	if (is_done && n_broken != 0)
		ledger_fault(l, &l->faults.wrong, "complete for one, broken for others");
	if (atomic_load(&l->notes[N_ACTED]) > 1 || (n_through > 0 && !l->notes[N_ACTED]))
		ledger_fault(l, &l->faults.dup, "the action ran %u times",
			     (unsigned)l->notes[N_ACTED]);
}

/* One more round, of all new parties. */
static void check_new_round(struct scene *s)
{
	pid_t pids[CAST_MAX] = {0};

	expect(s, "reset", ipk_barrier_reset(s->object), 0);
	atomic_store(&s->ledger->notes[INDICES], 0);
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

static void check(struct scene *s)
{
	struct ledger *l = s->ledger;

	if (cast_count_ended(s, l->n_cast, 2 * CALL_MS) < l->n_cast) {
		ledger_fault(l, &l->faults.hang, "one that waited is not let go");
		return;
	}
	cast_check_ended(s);
	check_outcome(s);
	check_new_round(s);
	if (N_LISTED(ipk_barrier_waiters, s->object, NULL, 0) != 0)
		ledger_fault(l, &l->faults.leaked, "somebody still waits");
}

/* --- the rows --- */

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
					.check = check,
					.unmake = unmake};

			op_add(list, &op);
		}
	}
}
