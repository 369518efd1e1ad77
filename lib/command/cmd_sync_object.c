/*
 * cmd_sync_object.c - the table of the commands on managed objects, and IPK.NEW.
 *
 * Logged are: that an object exists, whether an event is set, and what is in a queue. Holders and
 * waiters belong to connections, which no log restores; those commands write nothing, and so work
 * also while the log's disk is full.
 */
#include "command/sync_object.h"

#define OWN IPK__CMD_OWN
#define FAST IPK__CMD_FAST
#define READ (IPK__CMD_READ | OWN)
#define WRITE (IPK__CMD_WRITE | OWN)
#define GROW (WRITE | IPK__CMD_DENY_OOM)
#define WAIT (OWN | IPK__CMD_BLOCKING)

const struct ipk__command ipk__commands_sync_object[] = {
	{"IPK.NEW", ipk__cmd_new, -3, GROW, 2, 2, 1, "generic", "Make a managed object"},
	{"IPK.ACQUIRE", ipk__cmd_acquire, 4, WAIT | FAST, 1, 1, 1, "generic",
	 "Take a lock or a permit"},
	{"IPK.RELEASE", ipk__cmd_release, -3, OWN | FAST, 1, 1, 1, "generic",
	 "Give a lock or permits back"},
	{"IPK.LEAVE", ipk__cmd_leave, 2, OWN | FAST | IPK__CMD_NO_MULTI, 0, 0, 0, "connection",
	 "Nobody waits for a request any more"},
	{"IPK.HELD", ipk__cmd_held, 3, READ | FAST, 1, 1, 1, "generic",
	 "How often an owner holds it"},
	{"IPK.OWNER", ipk__sync_object_owner, 2, READ | FAST, 1, 1, 1, "generic",
	 "Who holds a lock"},
	{"IPK.CWAIT", ipk__cmd_cwait, 4, WAIT, 1, 1, 1, "generic", "Wait for a condition"},
	{"IPK.CNOTIFY", ipk__cmd_cnotify, 4, OWN, 1, 1, 1, "generic",
	 "Wake those who wait for a condition"},
	{"IPK.ESET", ipk__cmd_eset, 2, WRITE | FAST, 1, 1, 1, "generic", "Set an event"},
	{"IPK.ECLEAR", ipk__cmd_eclear, 2, WRITE | FAST, 1, 1, 1, "generic", "Clear an event"},
	{"IPK.EISSET", ipk__cmd_eisset, 2, READ | FAST, 1, 1, 1, "generic",
	 "Whether an event is set"},
	{"IPK.EWAIT", ipk__cmd_ewait, 3, WAIT, 1, 1, 1, "generic", "Wait until an event is set"},
	{"IPK.BWAIT", ipk__cmd_bwait, 4, WAIT, 1, 1, 1, "generic", "Wait for all parties"},
	{"IPK.BABORT", ipk__cmd_babort, 2, OWN, 1, 1, 1, "generic", "Break a barrier"},
	{"IPK.BRESET", ipk__cmd_breset, 2, OWN, 1, 1, 1, "generic", "Mend a barrier"},
	{"IPK.BINFO", ipk__cmd_binfo, 2, READ | FAST, 1, 1, 1, "generic", "How a barrier stands"},
	{"IPK.QPUT", ipk__cmd_qput, -5, GROW | IPK__CMD_BLOCKING, 1, 1, 1, "generic",
	 "Put into a queue"},
	{"IPK.QGET", ipk__cmd_qget, -3, WRITE | IPK__CMD_BLOCKING, 1, 1, 1, "generic",
	 "Get from a queue"},
	{"IPK.QLEN", ipk__cmd_qlen, 2, READ | FAST, 1, 1, 1, "generic", "How many are in a queue"},
	{"IPK.QINFO", ipk__cmd_qinfo, 2, READ | FAST, 1, 1, 1, "generic", "How a queue stands"},
	{"IPK.QDONE", ipk__cmd_qdone, -2, WRITE | FAST, 1, 1, 1, "generic",
	 "An item that was taken is done"},
	{"IPK.QJOIN", ipk__cmd_qjoin, 3, WAIT, 1, 1, 1, "generic", "Wait until all is done"},
	{"IPK.QSHUTDOWN", ipk__cmd_qshutdown, -2, WRITE, 1, 1, 1, "generic",
	 "Let nothing into a queue any more"},
	/* For the log only. */
	{"IPK.QLOAD", ipk__cmd_qload, 5, WRITE, 1, 1, 1, "generic", "An item, from the log"},
	{"IPK.QDROP", ipk__cmd_qdrop, -3, WRITE, 1, 1, 1, "generic",
	 "Items that were done, from the log"},
	{"IPK.QSTATE", ipk__cmd_qstate, 5, WRITE, 1, 1, 1, "generic",
	 "How a queue stood, from the log"},
	{NULL},
};

/* --- IPK.NEW ---------------------------------------------------------------------------------- */

/* What is asked for. */
struct wanted {
	uint32_t kind;
	const struct ipk__sync_ops *ops;
	uint32_t flags;
	uint64_t limit;
	struct ipk__sync_object *lock;
};

static const struct {
	const char *word;
	uint32_t kind;
	const struct ipk__sync_ops *ops;
	size_t argc_min, argc_max;
	int64_t limit_min;
	const char *complaint;
} kinds[] = {
	{"LOCK", IPK__SYNC_LOCK, &ipk__lock_ops, 3, 3, 0, NULL},
	{"RLOCK", IPK__SYNC_RLOCK, &ipk__lock_ops, 3, 3, 0, NULL},
	{"EVENT", IPK__SYNC_EVENT, &ipk__event_ops, 3, 3, 0, NULL},
	{"CONDITION", IPK__SYNC_CONDITION, &ipk__condition_ops, 4, 4, 0, NULL},
	{"SEMAPHORE", IPK__SYNC_SEMAPHORE, &ipk__semaphore_ops, 4, 4, 0,
	 "VALUE semaphore initial value must be >= 0"},
	{"BOUNDEDSEMAPHORE", IPK__SYNC_BOUNDED_SEMAPHORE, &ipk__semaphore_ops, 4, 4, 0,
	 "VALUE semaphore initial value must be >= 0"},
	{"BARRIER", IPK__SYNC_BARRIER, &ipk__barrier_ops, 4, 4, 1, "VALUE parties must be > 0"},
	{"QUEUE", IPK__SYNC_QUEUE, &ipk__queue_ops, 5, 6, 0, "VALUE maxsize must be >= 0"},
};
#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

/* FIFO|LIFO|PRIORITY [JOINABLE] */
static bool read_queue_flags(struct ipk__request *q, uint32_t *ret_flags)
{
	uint32_t flags;

	if (ipk__slice_is_word(q->argv[4], "FIFO"))
		flags = 0;
	else if (ipk__slice_is_word(q->argv[4], "LIFO"))
		flags = IPK__SYNC_LIFO;
	else if (ipk__slice_is_word(q->argv[4], "PRIORITY"))
		flags = IPK__SYNC_PRIORITY;
	else
		return false;
	if (q->argc == 6) {
		if (!ipk__slice_is_word(q->argv[5], "JOINABLE"))
			return false;
		flags |= IPK__SYNC_JOINABLE;
	}
	*ret_flags = flags;
	return true;
}

/* False: the reply says what is wrong. */
static bool read_limit(struct ipk__request *q, size_t i, struct wanted *w)
{
	int64_t limit;

	if (kinds[i].argc_max == 3)
		return true;
	if (w->kind == IPK__SYNC_CONDITION) {
		w->lock = ipk__sync_object_find(q, q->argv[3], IPK__KINDS_LOCK);
		return w->lock != NULL;
	}
	if (!ipk__arg_integer(q, 3, &limit))
		return false;
	if (limit < kinds[i].limit_min) {
		ipk__reply_error(q, "%s", kinds[i].complaint);
		return false;
	}
	w->limit = (uint64_t)limit;
	return true;
}

static bool read_wanted(struct ipk__request *q, struct wanted *w)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		if (!ipk__slice_is_word(q->argv[1], kinds[i].word))
			continue;
		if (q->argc < kinds[i].argc_min || q->argc > kinds[i].argc_max) {
			ipk__reply_wrong_arity(q);
			return false;
		}
		w->kind = kinds[i].kind;
		w->ops = kinds[i].ops;
		if (w->kind == IPK__SYNC_QUEUE && !read_queue_flags(q, &w->flags)) {
			ipk__reply_syntax(q);
			return false;
		}
		return read_limit(q, i, w);
	}
	ipk__reply_syntax(q);
	return false;
}

static bool is_same(struct ipk__request *q, struct ipk__entry *key, const struct wanted *w)
{
	const uint32_t of_queue = IPK__SYNC_LIFO | IPK__SYNC_PRIORITY | IPK__SYNC_JOINABLE;
	const struct ipk__shm_sync_object *shm;
	const struct ipk__sync_object *object;

	if (ipk__key_type(key) != IPK__TYPE_SYNC_OBJECT)
		return false;
	shm = ipk__key_sync_object(q->store, key);
	if (shm->kind != w->kind || shm->limit != w->limit)
		return false;
	if (w->kind == IPK__SYNC_QUEUE && (shm->flags & of_queue) != w->flags)
		return false;
	object = ipk__sync_object_by_serial(q->db, shm->serial);
	return !w->lock || (object && object->companion_serial == w->lock->serial);
}

static void fill(struct ipk__request *q, const struct wanted *w, struct ipk__sync_object *object,
		 struct ipk__shm_sync_object *shm)
{
	struct ipk__entry *lock_key;
	uint32_t slot;

	shm->flags = w->flags;
	shm->limit = w->limit;
	if (IPK__KINDS_SEMAPHORE & IPK__KIND(w->kind))
		shm->count = w->limit;
	if (!w->lock)
		return;
	object->companion_serial = w->lock->serial;
	lock_key = ipk__key_find(q->store, w->lock->by_name.name);
	if (lock_key)
		shm->companion = ipk__key_object_id(q->store, lock_key, &slot);
}

void ipk__cmd_new(struct ipk__request *q)
{
	struct wanted w = {0};
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;
	struct ipk__entry *key;

	if (!read_wanted(q, &w))
		return;
	key = ipk__request_key(q, q->argv[2]);
	if (key) {
		if (is_same(q, key, &w))
			ipk__reply_integer(q, 0);
		else
			ipk__reply_error(q, "EXISTS something else is there");
		return;
	}
	object = ipk__sync_object_make(q, q->argv[2], w.kind, w.ops, &shm);
	if (!object)
		return;
	fill(q, &w, object, shm);
	ipk__changed(q, q->argv[2]);
	ipk__reply_integer(q, 1);
}
