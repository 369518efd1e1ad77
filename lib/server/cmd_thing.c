/*
 * cmd_thing.c - the table of the commands on managed objects, and IPK.NEW.
 *
 * What is logged: that an object exists, whether an event is set, and what is in a queue. Who
 * holds or waits belongs to connections, which no log brings back; those commands write
 * nothing, and so work also while the log's disk is full.
 */
#include "server/held.h"

#define OWN IPK__CMD_OWN
#define FAST IPK__CMD_FAST
#define READ (IPK__CMD_READ | OWN)
#define WRITE (IPK__CMD_WRITE | OWN)
#define GROW (WRITE | IPK__CMD_DENY_OOM)
#define WAIT (OWN | IPK__CMD_BLOCKING)

const struct ipk__command ipk__commands_thing[] = {
	{"IPK.NEW", ipk__thing_new, -3, GROW, 2, 2, 1, "generic", "Make a managed object"},
	{"IPK.ACQUIRE", ipk__thing_acquire, 4, WAIT | FAST, 1, 1, 1, "generic",
	 "Take a lock or a permit"},
	{"IPK.RELEASE", ipk__thing_release, -3, OWN | FAST, 1, 1, 1, "generic",
	 "Give a lock or permits back"},
	{"IPK.LEAVE", ipk__thing_leave, 2, OWN | FAST | IPK__CMD_NO_MULTI, 0, 0, 0, "connection",
	 "Nobody waits for a request any more"},
	{"IPK.HELD", ipk__thing_held, 3, READ | FAST, 1, 1, 1, "generic",
	 "How often an owner holds it"},
	{"IPK.CWAIT", ipk__thing_cwait, 4, WAIT, 1, 1, 1, "generic", "Wait for a condition"},
	{"IPK.CNOTIFY", ipk__thing_cnotify, 4, OWN, 1, 1, 1, "generic",
	 "Wake those who wait for a condition"},
	{"IPK.ESET", ipk__thing_eset, 2, WRITE | FAST, 1, 1, 1, "generic", "Set an event"},
	{"IPK.ECLEAR", ipk__thing_eclear, 2, WRITE | FAST, 1, 1, 1, "generic", "Clear an event"},
	{"IPK.EISSET", ipk__thing_eisset, 2, READ | FAST, 1, 1, 1, "generic",
	 "Whether an event is set"},
	{"IPK.EWAIT", ipk__thing_ewait, 3, WAIT, 1, 1, 1, "generic", "Wait until an event is set"},
	{"IPK.BWAIT", ipk__thing_bwait, 4, WAIT, 1, 1, 1, "generic", "Wait for all parties"},
	{"IPK.BABORT", ipk__thing_babort, 2, OWN, 1, 1, 1, "generic", "Break a barrier"},
	{"IPK.BRESET", ipk__thing_breset, 2, OWN, 1, 1, 1, "generic", "Mend a barrier"},
	{"IPK.BINFO", ipk__thing_binfo, 2, READ | FAST, 1, 1, 1, "generic", "How a barrier stands"},
	{"IPK.QPUT", ipk__thing_qput, -5, GROW | IPK__CMD_BLOCKING, 1, 1, 1, "generic",
	 "Put into a queue"},
	{"IPK.QGET", ipk__thing_qget, -3, WRITE | IPK__CMD_BLOCKING, 1, 1, 1, "generic",
	 "Get from a queue"},
	{"IPK.QLEN", ipk__thing_qlen, 2, READ | FAST, 1, 1, 1, "generic",
	 "How many are in a queue"},
	{"IPK.QINFO", ipk__thing_qinfo, 2, READ | FAST, 1, 1, 1, "generic", "How a queue stands"},
	{"IPK.QDONE", ipk__thing_qdone, -2, WRITE | FAST, 1, 1, 1, "generic",
	 "An item that was taken is done"},
	{"IPK.QJOIN", ipk__thing_qjoin, 3, WAIT, 1, 1, 1, "generic", "Wait until all is done"},
	{"IPK.QSHUTDOWN", ipk__thing_qshutdown, -2, WRITE, 1, 1, 1, "generic",
	 "Let nothing into a queue any more"},
	/* For the log only. */
	{"IPK.QLOAD", ipk__thing_qload, 5, WRITE, 1, 1, 1, "generic", "An item, from the log"},
	{"IPK.QDROP", ipk__thing_qdrop, -3, WRITE, 1, 1, 1, "generic",
	 "Items that were done, from the log"},
	{"IPK.QSTATE", ipk__thing_qstate, 5, WRITE, 1, 1, 1, "generic",
	 "How a queue stood, from the log"},
	{NULL},
};

/* --- IPK.NEW ------------------------------------------------------------------------------ */

/* What is asked for. */
struct wanted {
	uint32_t kind;
	uint32_t flags;
	uint64_t limit;
	struct ipk__thing *lock;
};

static const struct {
	const char *word;
	uint32_t kind;
	size_t argc_min, argc_max;
	int64_t limit_min;
	const char *complaint;
} kinds[] = {
	{"LOCK", IPK__THING_LOCK, 3, 3, 0, NULL},
	{"RLOCK", IPK__THING_RLOCK, 3, 3, 0, NULL},
	{"EVENT", IPK__THING_EVENT, 3, 3, 0, NULL},
	{"CONDITION", IPK__THING_CONDITION, 4, 4, 0, NULL},
	{"SEMAPHORE", IPK__THING_SEMAPHORE, 4, 4, 0, "VALUE semaphore initial value must be >= 0"},
	{"BOUNDEDSEMAPHORE", IPK__THING_BOUNDED_SEMAPHORE, 4, 4, 0,
	 "VALUE semaphore initial value must be >= 0"},
	{"BARRIER", IPK__THING_BARRIER, 4, 4, 1, "VALUE parties must be > 0"},
	{"QUEUE", IPK__THING_QUEUE, 5, 6, 0, "VALUE maxsize must be >= 0"},
};
#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

/* FIFO|LIFO|PRIORITY [JOINABLE] */
static bool read_queue_flags(struct ipk__request *q, uint32_t *ret_flags)
{
	uint32_t flags;

	if (ipk__slice_is_word(q->argv[4], "FIFO"))
		flags = 0;
	else if (ipk__slice_is_word(q->argv[4], "LIFO"))
		flags = IPK__THING_LIFO;
	else if (ipk__slice_is_word(q->argv[4], "PRIORITY"))
		flags = IPK__THING_PRIORITY;
	else
		return false;
	if (q->argc == 6) {
		if (!ipk__slice_is_word(q->argv[5], "JOINABLE"))
			return false;
		flags |= IPK__THING_JOINABLE;
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
	if (w->kind == IPK__THING_CONDITION) {
		w->lock = ipk__thing_find(q, q->argv[3], IPK__KINDS_LOCK);
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
		if (w->kind == IPK__THING_QUEUE && !read_queue_flags(q, &w->flags)) {
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
	const uint32_t of_queue = IPK__THING_LIFO | IPK__THING_PRIORITY | IPK__THING_JOINABLE;
	const struct ipk__shm_thing *shm;
	const struct ipk__thing *thing;

	if (ipk__key_type(key) != IPK__TYPE_THING)
		return false;
	shm = ipk__key_thing(q->store, key);
	if (shm->kind != w->kind || shm->limit != w->limit)
		return false;
	if (w->kind == IPK__THING_QUEUE && (shm->flags & of_queue) != w->flags)
		return false;
	thing = ipk__thing_by_serial(q->server, shm->serial);
	return !w->lock || (thing && thing->companion_serial == w->lock->serial);
}

static void fill(struct ipk__request *q, const struct wanted *w, struct ipk__thing *thing,
		 struct ipk__shm_thing *shm)
{
	struct ipk__entry *lock_key;
	uint32_t slot;

	shm->flags = w->flags;
	shm->limit = w->limit;
	if (IPK__KINDS_SEMAPHORE & IPK__KIND(w->kind))
		shm->count = w->limit;
	if (!w->lock)
		return;
	thing->companion_serial = w->lock->serial;
	lock_key = ipk__key_find(q->store, w->lock->by_name.name);
	if (lock_key)
		shm->companion = ipk__key_object_id(q->store, lock_key, &slot);
}

void ipk__thing_new(struct ipk__request *q)
{
	struct wanted w = {0};
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;
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
	thing = ipk__thing_make(q, q->argv[2], w.kind, &shm);
	if (!thing)
		return;
	fill(q, &w, thing, shm);
	ipk__changed(q, q->argv[2]);
	ipk__reply_integer(q, 1);
}
