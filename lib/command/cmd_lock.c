/*
 * cmd_lock.c - Lock, RLock, Semaphore, BoundedSemaphore and Condition.
 *
 * Invariant: a lock has at most one hold, and its count in the store is the recursion depth. A
 * semaphore's count is the number of available permits; each hold is what one owner acquired.
 *
 * A permit may be released by another owner (a semaphore used for signalling). When a connection
 * ends, its permits are returned only as far as the semaphore then has no more than it was created
 * with, counting those that others hold: so the permits of a lost holder are returned, and a
 * consumed signal is not sent twice.
 *
 * Waiting for a condition is two waits: for the notification, and then, at the end of the lock's
 * queue, for the lock (phase RETAKE). In between, the request's record moves from the condition to
 * the lock and remembers how deep the lock was held.
 */
#include "command/sync_object.h"

#include <errno.h>

#include "ipk/base.h"

#define KINDS_HELD (IPK__KINDS_LOCK | IPK__KINDS_SEMAPHORE | IPK__KIND(IPK__SYNC_CONDITION))

enum { RETAKE = 1 };                         /* phase of IPK.CWAIT: the lock was given back */
enum { UNTOLD = 0, TOLD = 1, GIVEN_UP = 2 }; /* state of a wait for a condition */

static bool is_lock(const struct ipk__sync_object *object)
{
	return IPK__KINDS_LOCK & IPK__KIND(object->kind);
}

/* The lock or semaphore argv[1], or the lock of the condition that it is. */
static struct ipk__sync_object *find_hold(struct ipk__request *q)
{
	struct ipk__sync_object *object;

	if (!ipk__request_has_peer(q))
		return NULL;
	object = ipk__sync_object_find(q, q->argv[1], KINDS_HELD);
	if (!object || object->kind != IPK__SYNC_CONDITION)
		return object;
	object = ipk__sync_object_by_serial(q->db, object->companion_serial);
	if (!object || object->is_gone) {
		ipk__reply_no_key(q);
		return NULL;
	}
	return object;
}

static void reply_not_owner(struct ipk__request *q)
{
	ipk__reply_error(q, "NOTOWNER this owner does not hold it");
}

/* What inspection sees: the holder, when there is just one. */
static void show_holder(struct ipk__sync_object *object, struct ipk__shm_sync_object *shm,
			int64_t now_ms)
{
	const struct ipk__hold *hold = ipk__links_first(&object->holds);
	bool is_one = hold && hold->of_object.next == &object->holds;

	shm->holder = is_one ? hold->peer->id : 0;
	shm->holder_tag = is_one ? ipk__owner_tag(hold->owner) : 0;
	shm->since_unix_ms = hold ? now_ms : 0;
	if (is_lock(object))
		shm->count = hold ? hold->n : 0;
}

/* --- taking ----------------------------------------------------------------------------------- */

static bool is_free_for(const struct ipk__request *q, const struct ipk__sync_object *object,
			const struct ipk__shm_sync_object *shm)
{
	if (!is_lock(object))
		return shm->count > 0;
	if (ipk__links_empty(&object->holds))
		return true;
	return object->kind == IPK__SYNC_RLOCK && ipk__hold_find(object, q->peer, q->argv[2]);
}

/* @depth times. 1: taken; 0: it is not free; -ENOMEM. */
static int take(struct ipk__request *q, struct ipk__sync_object *object, uint64_t depth)
{
	struct ipk__shm_sync_object *shm = ipk__sync_object_shm(q->db, object);

	if (!is_free_for(q, object, shm))
		return 0;
	IPK_TRY(ipk__hold_add(object, q->peer, q->argv[2], depth));
	if (!is_lock(object))
		shm->count--;
	show_holder(object, shm, q->now_ms);
	return 1;
}

void ipk__cmd_acquire(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	struct ipk__sync_object *object;
	int64_t timeout_ms;
	int r;

	if (ipk__blocked_lost(q) || !ipk__arg_wait_ms(q, 3, &timeout_ms))
		return;
	object = blocked ? blocked->object : find_hold(q);
	if (!object)
		return;
	r = take(q, object, 1);
	if (r > 0)
		ipk__hold_find(object, q->peer, q->argv[2])->granted_by = q->db->host->number(q);
	if (r == 0 && !ipk__must_answer(q, timeout_ms)) {
		ipk__blocked_enqueue(q, object, IPK__WAIT_CHANNEL_LOCK, q->argv[2], timeout_ms);
		return;
	}
	ipk__blocked_end(q);
	if (r < 0)
		ipk__reply_failed(q, r);
	else
		ipk__reply_integer(q, r);
}

/* --- giving back ------------------------------------------------------------------------------ */

static void give_back(struct ipk__db *db, struct ipk__sync_object *object,
		      struct ipk__shm_sync_object *shm, struct ipk__hold *hold, uint64_t n)
{
	hold->n -= n;
	if (hold->n == 0)
		ipk__hold_drop(hold);
	show_holder(object, shm, db->now_ms);
	ipk__sync_object_signal(db, object, IPK__WAIT_CHANNEL_LOCK);
}

static void release_lock(struct ipk__request *q, struct ipk__sync_object *object, uint64_t n)
{
	struct ipk__hold *hold = ipk__hold_find(object, q->peer, q->argv[2]);

	if (!hold || hold->n < n) {
		reply_not_owner(q);
		return;
	}
	give_back(q->db, object, ipk__sync_object_shm(q->db, object), hold, n);
	ipk__reply_ok(q);
}

static void release_permits(struct ipk__request *q, struct ipk__sync_object *object, uint64_t n)
{
	struct ipk__shm_sync_object *shm = ipk__sync_object_shm(q->db, object);
	struct ipk__hold *hold = ipk__hold_find(object, q->peer, q->argv[2]);
	uint64_t most = object->kind == IPK__SYNC_BOUNDED_SEMAPHORE ? shm->limit : INT64_MAX;

	if (n > most || shm->count > most - n) {
		ipk__reply_error(q, "VALUE semaphore released too many times");
		return;
	}
	shm->count += n;
	if (hold)
		give_back(q->db, object, shm, hold, n < hold->n ? n : hold->n);
	else
		ipk__sync_object_signal(q->db, object, IPK__WAIT_CHANNEL_LOCK);
	ipk__reply_ok(q);
}

void ipk__cmd_release(struct ipk__request *q)
{
	struct ipk__sync_object *object;
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
	object = find_hold(q);
	if (object && is_lock(object))
		release_lock(q, object, (uint64_t)n);
	else if (object)
		release_permits(q, object, (uint64_t)n);
}

/* What the peer's request @number got is released. */
static void give_back_granted(struct ipk__db *db, struct ipk__peer *peer, uint64_t number)
{
	const struct ipk__peer_objects *has = peer->objects;

	for (struct ipk__link *at = has ? has->holds.next : NULL; at && at->self; at = at->next) {
		struct ipk__hold *hold = at->self;
		struct ipk__shm_sync_object *shm = ipk__sync_object_shm(db, hold->object);

		if (hold->granted_by != number)
			continue;
		hold->granted_by = 0;
		if (shm && !is_lock(hold->object))
			shm->count++;
		if (shm)
			give_back(db, hold->object, shm, hold, 1);
		return;
	}
}

/* IPK.LEAVE number */
void ipk__cmd_leave(struct ipk__request *q)
{
	int64_t number;

	if (!ipk__request_has_peer(q) || !ipk__arg_integer(q, 1, &number))
		return;
	if (number < 1) {
		ipk__reply_error(q, "ERR requests of a session count from 1");
		return;
	}
	if (q->db->host->leave(q->db, q->peer, (uint64_t)number)) {
		ipk__reply_integer(q, 1);
		return;
	}
	give_back_granted(q->db, q->peer, (uint64_t)number);
	ipk__reply_integer(q, 0);
}

void ipk__cmd_held(struct ipk__request *q)
{
	struct ipk__sync_object *object = find_hold(q);
	const struct ipk__hold *hold;

	if (!object)
		return;
	hold = ipk__hold_find(object, q->peer, q->argv[2]);
	ipk__reply_integer(q, hold ? (int64_t)hold->n : 0);
}

/* Who has the lock: null none, or client, its pid, name, address, the owner, how often. */
void ipk__sync_object_owner(struct ipk__request *q)
{
	struct ipk__sync_object *object = ipk__sync_object_find(q, q->argv[1], IPK__KINDS_LOCK);
	const struct ipk__hold *hold;

	if (!object)
		return;
	hold = ipk__links_first(&object->holds);
	if (!hold) {
		ipk__reply_null(q);
		return;
	}
	ipk__reply_array(q, 6);
	ipk__reply_integer(q, (int64_t)hold->peer->id);
	ipk__reply_integer(q, hold->peer->pid);
	ipk__reply_bulk(q, ipk__slice_of_string(hold->peer->name));
	ipk__reply_bulk(q, ipk__slice_of_string(hold->peer->address));
	ipk__reply_bulk(q, hold->owner);
	ipk__reply_integer(q, (int64_t)hold->n);
}

static uint64_t permits_held(const struct ipk__sync_object *object)
{
	uint64_t n = 0;

	for (const struct ipk__link *at = object->holds.next; at->self; at = at->next)
		n += ((const struct ipk__hold *)at->self)->n;
	return n;
}

static void release_hold(struct ipk__db *db, struct ipk__hold *hold)
{
	struct ipk__sync_object *object = hold->object;
	struct ipk__shm_sync_object *shm = ipk__sync_object_shm(db, object);
	uint64_t n = hold->n, taken;

	if (!shm) {
		ipk__hold_drop(hold);
		return;
	}
	if (!is_lock(object)) {
		taken = shm->count + permits_held(object) - n; /* without these */
		if (taken < shm->limit)
			shm->count += n < shm->limit - taken ? n : shm->limit - taken;
	}
	give_back(db, object, shm, hold, n);
}

/* --- conditions ------------------------------------------------------------------------------- */

/* The condition argv[1] and its lock, which this owner holds. False: the reply says why not. */
static bool find_condition(struct ipk__request *q, struct ipk__sync_object **ret_cond,
			   struct ipk__hold **ret_hold)
{
	struct ipk__sync_object *lock;

	if (!ipk__request_has_peer(q))
		return false;
	*ret_cond = ipk__sync_object_find(q, q->argv[1], IPK__KIND(IPK__SYNC_CONDITION));
	if (!*ret_cond)
		return false;
	lock = ipk__sync_object_by_serial(q->db, (*ret_cond)->companion_serial);
	if (!lock || lock->is_gone) {
		ipk__reply_no_key(q);
		return false;
	}
	*ret_hold = ipk__hold_find(lock, q->peer, q->argv[2]);
	if (!*ret_hold)
		reply_not_owner(q);
	return *ret_hold != NULL;
}

/* Up to @n of the waiters, in the order they came; -1: all. How many there were. */
static int64_t tell(struct ipk__db *db, struct ipk__sync_object *cond, int64_t n)
{
	int64_t n_told = 0;

	for (struct ipk__link *at = cond->waits.next; at->self && n_told != n; at = at->next) {
		struct ipk__blocked *blocked = at->self;

		if (blocked->state == UNTOLD) {
			blocked->state = TOLD;
			n_told++;
		}
	}
	if (n_told > 0)
		ipk__sync_object_signal(db, cond, IPK__WAIT_CHANNEL_NOTIFIED);
	return n_told;
}

/* Its notification or grant passes to another one. */
static void waiter_left(struct ipk__db *db, struct ipk__sync_object *cond,
			struct ipk__blocked *blocked, bool is_cancelled)
{
	(void)is_cancelled;
	if (blocked->state == TOLD)
		(void)tell(db, cond, 1);
}

/* The lock is given back whole, and the request waits: for the condition or for the lock again. */
static void begin_cwait(struct ipk__request *q, int64_t timeout_ms)
{
	struct ipk__sync_object *cond, *lock;
	struct ipk__hold *hold;
	struct ipk__blocked *blocked;

	if (!find_condition(q, &cond, &hold))
		return;
	lock = hold->object;
	/* Nobody can notify in no time; but those who wait for the lock get their turn. */
	if (!q->may_block || (timeout_ms == 0 && ipk__links_empty(&lock->waits))) {
		ipk__reply_integer(q, 0);
		return;
	}
	blocked = ipk__blocked_begin(q, timeout_ms == 0 ? lock : cond);
	if (!blocked) {
		ipk__reply_failed(q, -ENOMEM);
		return;
	}
	blocked->number = hold->n;
	blocked->condition_serial = cond->serial;
	blocked->state = timeout_ms == 0 ? GIVEN_UP : UNTOLD;
	q->phase = RETAKE;
	if (ipk__blocked_wait(q,
			      timeout_ms == 0 ? IPK__WAIT_CHANNEL_LOCK : IPK__WAIT_CHANNEL_NOTIFIED,
			      q->argv[2], timeout_ms == 0 ? -1 : timeout_ms) < 0)
		ipk__reply_failed(q, -ENOMEM);
	else
		give_back(q->db, lock, ipk__sync_object_shm(q->db, lock), hold, hold->n);
}

/*
 * It was told, or its time is over: to the lock, however long that takes. Without memory for
 * that the lock is lost, and another one is told instead.
 */
static void retake(struct ipk__request *q, struct ipk__blocked *blocked)
{
	struct ipk__blocked was = *blocked;
	struct ipk__sync_object *cond;
	int r = take(q, blocked->object, blocked->number);

	if (r == 0) {
		r = ipk__blocked_wait(q, IPK__WAIT_CHANNEL_LOCK, q->argv[2], -1);
		if (r == 0)
			return;
	}
	ipk__blocked_end(q);
	if (r > 0) {
		ipk__reply_integer(q, was.state == TOLD);
		return;
	}
	cond = ipk__sync_object_by_serial(q->db, was.condition_serial);
	if (cond)
		waiter_left(q->db, cond, &was, false);
	ipk__reply_error(q, "OOM no memory; the condition's lock is not held any more");
}

void ipk__cmd_cwait(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);
	struct ipk__sync_object *lock;
	int64_t timeout_ms;

	if (ipk__blocked_lost(q) || !ipk__arg_wait_ms(q, 3, &timeout_ms))
		return;
	if (!blocked) {
		begin_cwait(q, timeout_ms);
		return;
	}
	if (blocked->state == UNTOLD && q->timed_out)
		blocked->state = GIVEN_UP;
	if (blocked->state == UNTOLD) {
		ipk__blocked_enqueue(q, blocked->object, IPK__WAIT_CHANNEL_NOTIFIED, q->argv[2],
				     timeout_ms);
		return;
	}
	if (blocked->object->kind == IPK__SYNC_CONDITION) {
		lock = ipk__sync_object_by_serial(q->db, blocked->object->companion_serial);
		if (!lock || lock->is_gone) {
			ipk__blocked_end(q);
			ipk__reply_no_key(q);
			return;
		}
		ipk__blocked_move(q->db, blocked, lock);
	}
	retake(q, blocked);
}

void ipk__cmd_cnotify(struct ipk__request *q)
{
	struct ipk__sync_object *cond;
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
	ipk__reply_integer(q, tell(q->db, cond, n));
}

/* --- the log ---------------------------------------------------------------------------------- */

/* A condition cannot be made before its lock: that comes along, and a second time by itself. */
static void describe_condition(struct ipk__db *db, const struct ipk__sync_object *object,
			       const struct ipk__shm_sync_object *shm, struct ipk__slice name,
			       ipk__emit_fn *emit, void *arg)
{
	const struct ipk__sync_object *lock =
		ipk__sync_object_by_serial(db, object->companion_serial);

	(void)name;
	if (!lock || lock->is_gone)
		return;
	ipk__emit_new(lock->kind, lock->by_name.name, NULL, 0, emit, arg);
	ipk__emit_new(shm->kind, object->by_name.name, &lock->by_name.name, 1, emit, arg);
}

const struct ipk__sync_ops ipk__lock_ops = {
	.release = release_hold,
	.describe = ipk__describe_plainly,
};

const struct ipk__sync_ops ipk__semaphore_ops = {
	.release = release_hold,
	.describe = ipk__describe_with_limit,
};

const struct ipk__sync_ops ipk__condition_ops = {
	.waiter_left = waiter_left,
	.describe = describe_condition,
};
