/*
 * cmd_event.c - Event: set, clear, wait.
 *
 * As in Python, who waits when an event is set goes on, also when it is cleared before it gets
 * to run: a waiter compares how often the event was set with what it saw when it came.
 */
#include "server/held.h"

#include <errno.h>

#define KINDS IPK__KIND(IPK__THING_EVENT)

static void set(struct ipk__request *q, bool on)
{
	struct ipk__thing *thing = ipk__thing_find(q, q->argv[1], KINDS);
	struct ipk__shm_thing *shm = thing ? ipk__thing_shm(q->server, thing) : NULL;

	if (!shm)
		return;
	if (on != ((shm->flags & IPK__THING_SET) != 0)) {
		shm->flags ^= IPK__THING_SET;
		shm->count += on;
		shm->since_unix_ms = q->now_ms;
		ipk__changed(q, q->argv[1]);
		if (on)
			ipk__thing_signal(q->server, thing, IPK__LANE_EVENT);
	}
	ipk__reply_ok(q);
}

void ipk__thing_eset(struct ipk__request *q)
{
	set(q, true);
}

void ipk__thing_eclear(struct ipk__request *q)
{
	set(q, false);
}

void ipk__thing_eisset(struct ipk__request *q)
{
	struct ipk__thing *thing = ipk__thing_find(q, q->argv[1], KINDS);

	if (thing)
		ipk__reply_integer(q,
				   (ipk__thing_shm(q->server, thing)->flags & IPK__THING_SET) != 0);
}

void ipk__thing_ewait(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
	int64_t timeout_ms;

	if (ipk__wait_lost(q) || !ipk__arg_wait_ms(q, 2, &timeout_ms))
		return;
	thing = wait ? wait->thing : ipk__thing_find(q, q->argv[1], KINDS);
	if (!thing)
		return;
	shm = ipk__thing_shm(q->server, thing);
	if ((shm->flags & IPK__THING_SET) || (wait && wait->number != shm->count)) {
		ipk__wait_end(q);
		ipk__reply_integer(q, 1);
	} else if (ipk__must_answer(q, timeout_ms)) {
		ipk__wait_end(q);
		ipk__reply_integer(q, 0);
	} else {
		if (!wait)
			wait = ipk__wait_begin(q, thing);
		if (wait && !q->is_retry)
			wait->number = shm->count;
		if (!wait)
			ipk__reply_failed(q, -ENOMEM);
		else
			ipk__wait_for(q, thing, IPK__LANE_EVENT, IPK__SLICE(NULL, 0), timeout_ms);
	}
}
