/*
 * cmd_barrier.c - Barrier: all parties go on together, or all of them learn that it broke.
 *
 * Invariant: count in the store is how many wait that were neither let go nor told that it
 * broke (state WAITING), and their numbers are 0 .. count - 1. The last party to come never
 * waits: it marks the others and gets the last number.
 */
#include "server/held.h"

#include <errno.h>

#define KINDS IPK__KIND(IPK__THING_BARRIER)

enum { WAITING = 0, LET_GO = 1, BROKEN = 2 };

/* All who wait are marked, and the barrier is empty. */
static void settle(struct ipk__server *server, struct ipk__thing *thing, struct ipk__shm_thing *shm,
		   uint32_t state)
{
	for (struct ipk__link *at = thing->waits.next; at->self; at = at->next) {
		struct ipk__wait *wait = at->self;

		if (wait->state == WAITING)
			wait->state = state;
	}
	shm->count = 0;
	ipk__thing_signal(server, thing, IPK__LANE_BARRIER);
}

static void break_it(struct ipk__server *server, struct ipk__thing *thing,
		     struct ipk__shm_thing *shm)
{
	shm->flags |= IPK__THING_BROKEN;
	settle(server, thing, shm, BROKEN);
}

void ipk__barrier_left(struct ipk__server *server, struct ipk__wait *wait, bool cancelled)
{
	struct ipk__shm_thing *shm = ipk__thing_shm(server, wait->thing);

	if (!shm || wait->state != WAITING)
		return;
	if (!cancelled) {
		break_it(server, wait->thing, shm);
		return;
	}
	wait->state = BROKEN;
	shm->count = 0;
	for (struct ipk__link *at = wait->thing->waits.next; at->self; at = at->next) {
		struct ipk__wait *other = at->self;

		if (other->state == WAITING)
			other->number = shm->count++;
	}
}

static void reply_broken(struct ipk__request *q)
{
	ipk__wait_end(q);
	ipk__reply_error(q, "BROKEN the barrier is broken");
}

static void arrive(struct ipk__request *q, struct ipk__thing *thing, int64_t timeout_ms)
{
	struct ipk__shm_thing *shm = ipk__thing_shm(q->server, thing);
	struct ipk__wait *wait;

	if (shm->flags & IPK__THING_BROKEN) {
		reply_broken(q);
	} else if (shm->count + 1 == shm->limit) {
		ipk__reply_integer(q, (int64_t)shm->count);
		settle(q->server, thing, shm, LET_GO);
	} else if (ipk__must_answer(q, timeout_ms)) {
		break_it(q->server, thing, shm);
		reply_broken(q);
	} else {
		wait = ipk__wait_begin(q, thing);
		if (wait)
			wait->number = shm->count;
		if (wait && ipk__wait_block(q, IPK__LANE_BARRIER, q->argv[2], timeout_ms) == 0)
			shm->count++;
		else
			ipk__reply_failed(q, -ENOMEM);
	}
}

void ipk__thing_bwait(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);
	struct ipk__thing *thing;
	int64_t timeout_ms, number;

	if (ipk__wait_lost(q) || !ipk__request_has_peer(q) || !ipk__arg_wait_ms(q, 3, &timeout_ms))
		return;
	if (!wait) {
		thing = ipk__thing_find(q, q->argv[1], KINDS);
		if (thing)
			arrive(q, thing, timeout_ms);
		return;
	}
	if (wait->state == WAITING && !q->timed_out) {
		ipk__wait_for(q, wait->thing, IPK__LANE_BARRIER, q->argv[2], timeout_ms);
		return;
	}
	if (wait->state == LET_GO) {
		number = (int64_t)wait->number;
		ipk__wait_end(q);
		ipk__reply_integer(q, number);
		return;
	}
	if (wait->state == WAITING)
		break_it(q->server, wait->thing, ipk__thing_shm(q->server, wait->thing));
	reply_broken(q);
}

void ipk__thing_babort(struct ipk__request *q)
{
	struct ipk__thing *thing = ipk__thing_find(q, q->argv[1], KINDS);

	if (!thing)
		return;
	break_it(q->server, thing, ipk__thing_shm(q->server, thing));
	ipk__reply_ok(q);
}

void ipk__thing_breset(struct ipk__request *q)
{
	struct ipk__thing *thing = ipk__thing_find(q, q->argv[1], KINDS);
	struct ipk__shm_thing *shm;

	if (!thing)
		return;
	shm = ipk__thing_shm(q->server, thing);
	settle(q->server, thing, shm, BROKEN);
	shm->flags &= ~(uint32_t)IPK__THING_BROKEN;
	ipk__reply_ok(q);
}

void ipk__thing_binfo(struct ipk__request *q)
{
	struct ipk__thing *thing = ipk__thing_find(q, q->argv[1], KINDS);
	const struct ipk__shm_thing *shm;

	if (!thing)
		return;
	shm = ipk__thing_shm(q->server, thing);
	ipk__reply_array(q, 3);
	ipk__reply_integer(q, (int64_t)shm->limit);
	ipk__reply_integer(q, (int64_t)shm->count);
	ipk__reply_integer(q, (shm->flags & IPK__THING_BROKEN) != 0);
}
