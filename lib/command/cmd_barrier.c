/*
 * cmd_barrier.c - Barrier: all parties continue together, or all of them get an error that it
 * broke.
 *
 * Invariant: count in the store is the number of waiters that were neither released nor told that
 * it broke (state WAITING), and their numbers are 0 .. count - 1. The last party to arrive never
 * waits: it marks the others and gets the last number.
 */
#include "command/sync_object.h"

#include <errno.h>

#define KINDS IPK__KIND(IPK__SYNC_BARRIER)

enum { WAITING = 0, LET_GO = 1, BROKEN = 2 };

/* All who wait are marked, and the barrier is empty. */
static void settle(struct ipk__db *db, struct ipk__sync_object *object,
		   struct ipk__shm_sync_object *shm, uint32_t state)
{
	for (struct ipk__link *at = object->waits.next; at->self; at = at->next) {
		struct ipk__blocked *blocked = at->self;

		if (blocked->state == WAITING)
			blocked->state = state;
	}
	shm->count = 0;
	ipk__sync_object_signal(db, object, IPK__WAIT_CHANNEL_BARRIER);
}

static void break_it(struct ipk__db *db, struct ipk__sync_object *object,
		     struct ipk__shm_sync_object *shm)
{
	shm->flags |= IPK__SYNC_BROKEN;
	settle(db, object, shm, BROKEN);
}

static void waiter_left(struct ipk__db *db, struct ipk__sync_object *object,
			struct ipk__blocked *blocked, bool is_cancelled)
{
	struct ipk__shm_sync_object *shm = ipk__sync_object_shm(db, object);

	if (!shm || blocked->state != WAITING)
		return;
	if (!is_cancelled) {
		break_it(db, object, shm);
		return;
	}
	blocked->state = BROKEN;
	shm->count = 0;
	for (struct ipk__link *at = object->waits.next; at->self; at = at->next) {
		struct ipk__blocked *other = at->self;

		if (other->state == WAITING)
			other->number = shm->count++;
	}
}

static void reply_broken(struct ipk__request *q)
{
	ipk__blocked_end(q);
	ipk__reply_error(q, "BROKEN the barrier is broken");
}

static void arrive(struct ipk__request *q, struct ipk__sync_object *object, int64_t timeout_ms)
{
	struct ipk__shm_sync_object *shm = ipk__sync_object_shm(q->db, object);
	struct ipk__blocked *blocked;

	if (shm->flags & IPK__SYNC_BROKEN) {
		reply_broken(q);
	} else if (shm->count + 1 == shm->limit) {
		ipk__reply_integer(q, (int64_t)shm->count);
		settle(q->db, object, shm, LET_GO);
	} else if (ipk__must_answer(q, timeout_ms)) {
		break_it(q->db, object, shm);
		reply_broken(q);
	} else {
		blocked = ipk__blocked_begin(q, object);
		if (blocked)
			blocked->number = shm->count;
		if (blocked &&
		    ipk__blocked_wait(q, IPK__WAIT_CHANNEL_BARRIER, q->argv[2], timeout_ms) == 0)
			shm->count++;
		else
			ipk__reply_failed(q, -ENOMEM);
	}
}

void ipk__cmd_bwait(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	struct ipk__sync_object *object;
	int64_t timeout_ms, number;

	if (ipk__blocked_lost(q) || !ipk__request_has_peer(q) ||
	    !ipk__arg_wait_ms(q, 3, &timeout_ms))
		return;
	if (!blocked) {
		object = ipk__sync_object_find(q, q->argv[1], KINDS);
		if (object)
			arrive(q, object, timeout_ms);
		return;
	}
	if (blocked->state == WAITING && !q->timed_out) {
		ipk__blocked_enqueue(q, blocked->object, IPK__WAIT_CHANNEL_BARRIER, q->argv[2],
				     timeout_ms);
		return;
	}
	if (blocked->state == LET_GO) {
		number = (int64_t)blocked->number;
		ipk__blocked_end(q);
		ipk__reply_integer(q, number);
		return;
	}
	if (blocked->state == WAITING)
		break_it(q->db, blocked->object, ipk__sync_object_shm(q->db, blocked->object));
	reply_broken(q);
}

void ipk__cmd_babort(struct ipk__request *q)
{
	struct ipk__sync_object *object = ipk__sync_object_find(q, q->argv[1], KINDS);

	if (!object)
		return;
	break_it(q->db, object, ipk__sync_object_shm(q->db, object));
	ipk__reply_ok(q);
}

void ipk__cmd_breset(struct ipk__request *q)
{
	struct ipk__sync_object *object = ipk__sync_object_find(q, q->argv[1], KINDS);
	struct ipk__shm_sync_object *shm;

	if (!object)
		return;
	shm = ipk__sync_object_shm(q->db, object);
	settle(q->db, object, shm, BROKEN);
	shm->flags &= ~(uint32_t)IPK__SYNC_BROKEN;
	ipk__reply_ok(q);
}

void ipk__cmd_binfo(struct ipk__request *q)
{
	struct ipk__sync_object *object = ipk__sync_object_find(q, q->argv[1], KINDS);
	const struct ipk__shm_sync_object *shm;

	if (!object)
		return;
	shm = ipk__sync_object_shm(q->db, object);
	ipk__reply_array(q, 3);
	ipk__reply_integer(q, (int64_t)shm->limit);
	ipk__reply_integer(q, (int64_t)shm->count);
	ipk__reply_integer(q, (shm->flags & IPK__SYNC_BROKEN) != 0);
}

const struct ipk__sync_ops ipk__barrier_ops = {
	.waiter_left = waiter_left,
	.describe = ipk__describe_with_limit,
};
