/*
 * cmd_lock.c - Lock, RLock, Semaphore, BoundedSemaphore and Condition.
 *
 * Invariant: a lock has at most one hold, and its count in the store is how deep. A
 * semaphore's count is how many permits are left; each hold is what one owner took.
 *
 * A permit may be given back by somebody else (a semaphore that signals). When a connection
 * ends, its permits come back only as far as the semaphore then has no more than it was made
 * with, counting those that others hold: so a lost holder is made good, and a signal that was
 * consumed is not sent twice.
 *
 * Waiting for a condition is two waits: for the notification, and then, at the end of the
 * lock's line, for the lock (phase RETAKE). In between, the request's record moves from the
 * condition to the lock and remembers how deep the lock was held.
 */
#include "server/held.h"

#include <errno.h>

#include "ipk/base.h"

#define KINDS_HELD (IPK__KINDS_LOCK | IPK__KINDS_SEMAPHORE | IPK__KIND(IPK__THING_CONDITION))

enum { RETAKE = 1 };                         /* phase of IPK.CWAIT: the lock was given back */
enum { UNTOLD = 0, TOLD = 1, GIVEN_UP = 2 }; /* state of a wait for a condition */

static bool is_lock(const struct ipk__thing *thing)
{
	return IPK__KINDS_LOCK & IPK__KIND(thing->kind);
}

/* The lock or semaphore argv[1], or the lock of the condition that it is. */
static struct ipk__thing *find_held(struct ipk__request *q)
{
	struct ipk__thing *thing;

	if (!ipk__request_has_peer(q))
		return NULL;
	thing = ipk__thing_find(q, q->argv[1], KINDS_HELD);
	if (!thing || thing->kind != IPK__THING_CONDITION)
		return thing;
	thing = ipk__thing_by_serial(q->server, thing->companion_serial);
	if (!thing || thing->is_gone) {
		ipk__reply_no_key(q);
		return NULL;
	}
	return thing;
}

static void reply_not_owner(struct ipk__request *q)
{
	ipk__reply_error(q, "NOTOWNER this owner does not hold it");
}

/* What inspection sees: the holder, when there is just one. */
static void show_holder(struct ipk__thing *thing, struct ipk__shm_thing *shm, int64_t now_ms)
{
	const struct ipk__hold *hold = ipk__links_first(&thing->holds);
	bool is_one = hold && hold->of_thing.next == &thing->holds;

	shm->holder = is_one ? hold->peer->id : 0;
	shm->holder_tag = is_one ? ipk__owner_tag(hold->owner) : 0;
	shm->since_unix_ms = hold ? now_ms : 0;
	if (is_lock(thing))
		shm->count = hold ? hold->n : 0;
}

/* --- taking -------------------------------------------------------------------------------- */

static bool is_free_for(const struct ipk__request *q, const struct ipk__thing *thing,
			const struct ipk__shm_thing *shm)
{
	if (!is_lock(thing))
		return shm->count > 0;
	if (ipk__links_empty(&thing->holds))
		return true;
	return thing->kind == IPK__THING_RLOCK && ipk__hold_find(thing, q->peer, q->argv[2]);
}

/* @depth times. 1: taken; 0: it is not free; -ENOMEM. */
static int take(struct ipk__request *q, struct ipk__thing *thing, uint64_t depth)
{
	struct ipk__shm_thing *shm = ipk__thing_shm(q->server, thing);

	if (!is_free_for(q, thing, shm))
		return 0;
	IPK_TRY(ipk__hold_add(thing, q->peer, q->argv[2], depth));
	if (!is_lock(thing))
		shm->count--;
	show_holder(thing, shm, q->now_ms);
	return 1;
}

/* In its session; 0: there is none. */
static uint64_t number_of(const struct ipk__request *q)
{
	struct ipk__slice id;

	if (q->number != 0 || !q->peer->session)
		return q->number;
	return ipk__session_number(q->peer->session, &id);
}

void ipk__thing_acquire(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);
	struct ipk__thing *thing;
	int64_t timeout_ms;
	int r;

	if (ipk__wait_lost(q) || !ipk__arg_wait_ms(q, 3, &timeout_ms))
		return;
	thing = wait ? wait->thing : find_held(q);
	if (!thing)
		return;
	r = take(q, thing, 1);
	if (r > 0)
		ipk__hold_find(thing, q->peer, q->argv[2])->granted_by = number_of(q);
	if (r == 0 && !ipk__must_answer(q, timeout_ms)) {
		ipk__wait_for(q, thing, IPK__LANE_LOCK, q->argv[2], timeout_ms);
		return;
	}
	ipk__wait_end(q);
	if (r < 0)
		ipk__reply_failed(q, r);
	else
		ipk__reply_integer(q, r);
}

/* --- giving back ---------------------------------------------------------------------------- */

static void give_back(struct ipk__server *server, struct ipk__thing *thing,
		      struct ipk__shm_thing *shm, struct ipk__hold *hold, uint64_t n)
{
	hold->n -= n;
	if (hold->n == 0)
		ipk__hold_drop(hold);
	show_holder(thing, shm, server->now_ms);
	ipk__thing_signal(server, thing, IPK__LANE_LOCK);
}

static void release_lock(struct ipk__request *q, struct ipk__thing *thing, uint64_t n)
{
	struct ipk__hold *hold = ipk__hold_find(thing, q->peer, q->argv[2]);

	if (!hold || hold->n < n) {
		reply_not_owner(q);
		return;
	}
	give_back(q->server, thing, ipk__thing_shm(q->server, thing), hold, n);
	ipk__reply_ok(q);
}

static void release_permits(struct ipk__request *q, struct ipk__thing *thing, uint64_t n)
{
	struct ipk__shm_thing *shm = ipk__thing_shm(q->server, thing);
	struct ipk__hold *hold = ipk__hold_find(thing, q->peer, q->argv[2]);
	uint64_t most = thing->kind == IPK__THING_BOUNDED_SEMAPHORE ? shm->limit : INT64_MAX;

	if (n > most || shm->count > most - n) {
		ipk__reply_error(q, "VALUE semaphore released too many times");
		return;
	}
	shm->count += n;
	if (hold)
		give_back(q->server, thing, shm, hold, n < hold->n ? n : hold->n);
	else
		ipk__thing_signal(q->server, thing, IPK__LANE_LOCK);
	ipk__reply_ok(q);
}

void ipk__thing_release(struct ipk__request *q)
{
	struct ipk__thing *thing;
	int64_t n = 1;

	if (q->argc > 4) {
		ipk__reply_wrong_arity(q);
		return;
	}
	if (q->argc == 4 && !ipk__arg_integer(q, 3, &n))
		return;
	if (n < 1) {
		ipk__reply_error(q, "VALUE n must be one or more");
		return;
	}
	thing = find_held(q);
	if (thing && is_lock(thing))
		release_lock(q, thing, (uint64_t)n);
	else if (thing)
		release_permits(q, thing, (uint64_t)n);
}

/* What the peer's request @number got is nobody's. */
static void give_back_granted(struct ipk__server *server, struct ipk__peer *peer, uint64_t number)
{
	const struct ipk__peer_things *has = peer->things;

	for (struct ipk__link *at = has ? has->holds.next : NULL; at && at->self; at = at->next) {
		struct ipk__hold *hold = at->self;
		struct ipk__shm_thing *shm = ipk__thing_shm(server, hold->thing);

		if (hold->granted_by != number)
			continue;
		hold->granted_by = 0;
		if (shm && !is_lock(hold->thing))
			shm->count++;
		if (shm)
			give_back(server, hold->thing, shm, hold, 1);
		return;
	}
}

/* IPK.LEAVE number */
void ipk__thing_leave(struct ipk__request *q)
{
	int64_t number;

	if (!ipk__request_has_peer(q) || !ipk__arg_integer(q, 1, &number))
		return;
	if (number < 1) {
		ipk__reply_error(q, "ERR requests of a session count from 1");
		return;
	}
	if (ipk__blocks_leave(q->server, q->peer, (uint64_t)number)) {
		ipk__reply_integer(q, 1);
		return;
	}
	give_back_granted(q->server, q->peer, (uint64_t)number);
	ipk__reply_integer(q, 0);
}

void ipk__thing_held(struct ipk__request *q)
{
	struct ipk__thing *thing = find_held(q);
	const struct ipk__hold *hold;

	if (!thing)
		return;
	hold = ipk__hold_find(thing, q->peer, q->argv[2]);
	ipk__reply_integer(q, hold ? (int64_t)hold->n : 0);
}

static uint64_t permits_held(const struct ipk__thing *thing)
{
	uint64_t n = 0;

	for (const struct ipk__link *at = thing->holds.next; at->self; at = at->next)
		n += ((const struct ipk__hold *)at->self)->n;
	return n;
}

void ipk__lock_abandoned(struct ipk__server *server, struct ipk__hold *hold)
{
	struct ipk__thing *thing = hold->thing;
	struct ipk__shm_thing *shm = ipk__thing_shm(server, thing);
	uint64_t n = hold->n, taken;

	if (!shm) {
		ipk__hold_drop(hold);
		return;
	}
	if (!is_lock(thing)) {
		taken = shm->count + permits_held(thing) - n; /* without these */
		if (taken < shm->limit)
			shm->count += n < shm->limit - taken ? n : shm->limit - taken;
	}
	give_back(server, thing, shm, hold, n);
}

/* --- conditions ----------------------------------------------------------------------------- */

/* The condition argv[1] and its lock, which this owner holds. False: the reply says why not. */
static bool find_condition(struct ipk__request *q, struct ipk__thing **ret_cond,
			   struct ipk__hold **ret_hold)
{
	struct ipk__thing *lock;

	if (!ipk__request_has_peer(q))
		return false;
	*ret_cond = ipk__thing_find(q, q->argv[1], IPK__KIND(IPK__THING_CONDITION));
	if (!*ret_cond)
		return false;
	lock = ipk__thing_by_serial(q->server, (*ret_cond)->companion_serial);
	if (!lock || lock->is_gone) {
		ipk__reply_no_key(q);
		return false;
	}
	*ret_hold = ipk__hold_find(lock, q->peer, q->argv[2]);
	if (!*ret_hold)
		reply_not_owner(q);
	return *ret_hold != NULL;
}

/* The lock is given back whole, and the request waits: for the condition or for the lock again. */
static void begin_cwait(struct ipk__request *q, int64_t timeout_ms)
{
	struct ipk__thing *cond, *lock;
	struct ipk__hold *hold;
	struct ipk__wait *wait;

	if (!find_condition(q, &cond, &hold))
		return;
	lock = hold->thing;
	/* Nobody can notify in no time; but those who wait for the lock get their turn. */
	if (!q->may_block || (timeout_ms == 0 && ipk__links_empty(&lock->waits))) {
		ipk__reply_integer(q, 0);
		return;
	}
	wait = ipk__wait_begin(q, timeout_ms == 0 ? lock : cond);
	if (!wait) {
		ipk__reply_failed(q, -ENOMEM);
		return;
	}
	wait->number = hold->n;
	wait->condition_serial = cond->serial;
	wait->state = timeout_ms == 0 ? GIVEN_UP : UNTOLD;
	q->phase = RETAKE;
	if (ipk__wait_block(q, timeout_ms == 0 ? IPK__LANE_LOCK : IPK__LANE_NOTIFIED, q->argv[2],
			    timeout_ms == 0 ? -1 : timeout_ms) < 0)
		ipk__reply_failed(q, -ENOMEM);
	else
		give_back(q->server, lock, ipk__thing_shm(q->server, lock), hold, hold->n);
}

/*
 * It was told, or its time is over: to the lock, however long that takes. Without memory for
 * that the lock is lost, and another one is told instead.
 */
static void retake(struct ipk__request *q, struct ipk__wait *wait)
{
	struct ipk__wait was = *wait;
	int r = take(q, wait->thing, wait->number);

	if (r == 0) {
		r = ipk__wait_block(q, IPK__LANE_LOCK, q->argv[2], -1);
		if (r == 0)
			return;
	}
	ipk__wait_end(q);
	if (r > 0) {
		ipk__reply_integer(q, was.state == TOLD);
		return;
	}
	ipk__condition_left(q->server, &was);
	ipk__reply_error(q, "OOM no memory; the condition's lock is not held any more");
}

void ipk__thing_cwait(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);
	struct ipk__thing *lock;
	int64_t timeout_ms;

	if (ipk__wait_lost(q) || !ipk__arg_wait_ms(q, 3, &timeout_ms))
		return;
	if (!wait) {
		begin_cwait(q, timeout_ms);
		return;
	}
	if (wait->state == UNTOLD && q->timed_out)
		wait->state = GIVEN_UP;
	if (wait->state == UNTOLD) {
		ipk__wait_for(q, wait->thing, IPK__LANE_NOTIFIED, q->argv[2], timeout_ms);
		return;
	}
	if (wait->thing->kind == IPK__THING_CONDITION) {
		lock = ipk__thing_by_serial(q->server, wait->thing->companion_serial);
		if (!lock || lock->is_gone) {
			ipk__wait_end(q);
			ipk__reply_no_key(q);
			return;
		}
		ipk__wait_move(q->server, wait, lock);
	}
	retake(q, wait);
}

/* Up to @n of those who wait, in the order they came; -1: all. How many there were. */
static int64_t tell(struct ipk__server *server, struct ipk__thing *cond, int64_t n)
{
	int64_t n_told = 0;

	for (struct ipk__link *at = cond->waits.next; at->self && n_told != n; at = at->next) {
		struct ipk__wait *wait = at->self;

		if (wait->state == UNTOLD) {
			wait->state = TOLD;
			n_told++;
		}
	}
	if (n_told > 0)
		ipk__thing_signal(server, cond, IPK__LANE_NOTIFIED);
	return n_told;
}

void ipk__condition_left(struct ipk__server *server, struct ipk__wait *wait)
{
	struct ipk__thing *cond = ipk__thing_by_serial(server, wait->condition_serial);

	if (cond && wait->state == TOLD)
		(void)tell(server, cond, 1);
}

void ipk__thing_cnotify(struct ipk__request *q)
{
	struct ipk__thing *cond;
	struct ipk__hold *hold;
	int64_t n;

	if (!ipk__arg_integer(q, 3, &n))
		return;
	if (n < -1) {
		ipk__reply_error(q, "VALUE n is -1 or more");
		return;
	}
	if (!find_condition(q, &cond, &hold))
		return;
	ipk__reply_integer(q, tell(q->server, cond, n));
}
