/*
 * cmd_event.c - Event: set, clear, wait.
 *
 * As in Python, setting an event releases its waiters, even if it is cleared before they run: a
 * waiter compares how often the event was set with the number when it arrived.
 */
#include "command/sync_object.h"

#include <errno.h>

#define KINDS IPK__KIND(IPK__SYNC_EVENT)

static void set(struct ipk__request *q, bool on)
{
	struct ipk__sync_object *object = ipk__sync_object_find(q, q->argv[1], KINDS);
	struct ipk__shm_sync_object *shm = object ? ipk__sync_object_shm(q->db, object) : NULL;

	if (!shm)
		return;
	if (on != ((shm->flags & IPK__SYNC_SET) != 0)) {
		shm->flags ^= IPK__SYNC_SET;
		shm->count += on;
		shm->since_unix_ms = q->now_ms;
		ipk__changed(q, q->argv[1]);
		if (on)
			ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_EVENT);
	}
	ipk__reply_ok(q);
}

void ipk__cmd_eset(struct ipk__request *q)
{
	set(q, true);
}

void ipk__cmd_eclear(struct ipk__request *q)
{
	set(q, false);
}

void ipk__cmd_eisset(struct ipk__request *q)
{
	struct ipk__sync_object *object = ipk__sync_object_find(q, q->argv[1], KINDS);

	if (object)
		ipk__reply_integer(
			q, (ipk__sync_object_shm(q->db, object)->flags & IPK__SYNC_SET) != 0);
}

void ipk__cmd_ewait(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	int64_t timeout_ms;

	if (ipk__blocked_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms))
		return;
	object = blocked ? blocked->object : ipk__sync_object_find(q, q->argv[1], KINDS);
	if (!object)
		return;
	shm = ipk__sync_object_shm(q->db, object);
	if ((shm->flags & IPK__SYNC_SET) || (blocked && blocked->number != shm->count)) {
		ipk__blocked_end(q);
		ipk__reply_integer(q, 1);
	} else if (ipk__must_answer(q, timeout_ms)) {
		ipk__blocked_end(q);
		ipk__reply_integer(q, 0);
	} else {
		if (!blocked)
			blocked = ipk__blocked_begin(q, object);
		if (blocked && !q->is_retry)
			blocked->number = shm->count;
		if (!blocked)
			ipk__reply_failed(q, -ENOMEM);
		else
			ipk__blocked_enqueue(q, object, IPK__WAIT_CHANNEL_EVENT,
					     IPK__SLICE(NULL, 0), timeout_ms);
	}
}

static void describe(struct ipk__db *db, const struct ipk__sync_object *object,
		     const struct ipk__shm_sync_object *shm, struct ipk__slice name,
		     ipk__emit_fn *emit, void *arg)
{
	ipk__describe_plainly(db, object, shm, name, emit, arg);
	if (shm->flags & IPK__SYNC_SET)
		emit(arg, 2, (struct ipk__slice[]){IPK__SLICE_OF("IPK.ESET"), name});
}

const struct ipk__sync_ops ipk__event_ops = {.describe = describe};
