/*
 * things.c - managed objects: who holds them, who waits for them, and what becomes of that
 * when a connection ends or the object goes.
 *
 * Invariant: each thing in the store has exactly one struct ipk__thing, found by its serial
 * number; and n_waiters in the store is the length of its list of waits. The store may lose a
 * thing in many ways (DEL, expiry, FLUSHALL, being overwritten, RENAME): all of them are told
 * to ipk__things_changed(), which looks under the name whether the thing is still there.
 *
 * Why "gone" is not the end at once: RENAME tells of the old name first. A thing that is found
 * under another name with the next change has only been renamed; those who wait for it under
 * its old name are told that there is no such key, but who holds it holds it still.
 */
#include "server/held.h"

#include <errno.h>
#include <stdlib.h>

#include "os/os.h"

static struct ipk__slice serial_name(const struct ipk__thing *thing)
{
	return IPK__SLICE((const char *)&thing->serial, sizeof(thing->serial));
}

struct ipk__things *ipk__things_of(struct ipk__server *server)
{
	struct ipk__things *things = server->things;

	if (things)
		return things;
	things = ipk__os_calloc(1, sizeof(*things));
	if (things)
		ipk__links_init(&things->gone);
	server->things = things;
	return things;
}

uint64_t ipk__things_used_bytes(const struct ipk__server *server)
{
	return server->things ? server->things->used_bytes : 0;
}

struct ipk__peer_things *ipk__peer_things_of(struct ipk__peer *peer)
{
	struct ipk__peer_things *has = peer->things;

	if (has)
		return has;
	has = ipk__os_malloc(sizeof(*has));
	if (!has)
		return NULL;
	ipk__links_init(&has->holds);
	ipk__links_init(&has->waits);
	ipk__links_init(&has->takens);
	peer->things = has;
	return has;
}

/* --- things ------------------------------------------------------------------------------- */

struct ipk__thing *ipk__thing_by_serial(struct ipk__server *server, uint64_t serial)
{
	struct ipk__named *node;

	if (!server->things)
		return NULL;
	node = ipk__names_find(&server->things->by_serial,
			       IPK__SLICE((const char *)&serial, sizeof(serial)));
	return (struct ipk__thing *)(void *)node; /* its first member */
}

static struct ipk__thing *by_name(struct ipk__things *things, struct ipk__slice name)
{
	struct ipk__named *node = ipk__names_find(&things->by_name, name);

	return node ? (struct ipk__thing *)(void *)((char *)node -
						    offsetof(struct ipk__thing, by_name))
		    : NULL;
}

/* What lies under @name, if it is a thing. */
static struct ipk__shm_thing *shm_at(struct ipk__server *server, struct ipk__slice name)
{
	struct ipk__entry *key = ipk__key_find(server->store, name);

	if (!key || ipk__key_type(key) != IPK__TYPE_THING)
		return NULL;
	return ipk__key_thing(server->store, key);
}

struct ipk__shm_thing *ipk__thing_shm(struct ipk__server *server, const struct ipk__thing *thing)
{
	struct ipk__shm_thing *shm = thing->is_gone ? NULL : shm_at(server, thing->by_name.name);

	return shm && shm->serial == thing->serial ? shm : NULL;
}

static int set_name(struct ipk__things *things, struct ipk__thing *thing, struct ipk__slice name)
{
	char *copy = ipk__os_malloc(name.n_bytes + 1);

	if (!copy)
		return -ENOMEM;
	if (name.n_bytes > 0)
		memcpy(copy, name.bytes, name.n_bytes);
	free(thing->name);
	thing->name = copy;
	thing->by_name.name = IPK__SLICE(copy, name.n_bytes);
	return ipk__names_add(&things->by_name, &thing->by_name);
}

/* Without a name yet. */
static struct ipk__thing *new_thing(struct ipk__server *server, uint32_t kind)
{
	struct ipk__things *things = ipk__things_of(server);
	struct ipk__thing *thing = things ? ipk__os_calloc(1, sizeof(*thing)) : NULL;

	if (!thing)
		return NULL;
	thing->serial = ++things->last_serial;
	thing->kind = kind;
	thing->by_serial.name = serial_name(thing);
	ipk__links_init(&thing->holds);
	ipk__links_init(&thing->waits);
	ipk__links_init(&thing->takens);
	ipk__links_init(&thing->gone_link);
	if ((kind == IPK__THING_QUEUE && ipk__queue_create(thing) < 0) ||
	    ipk__names_add(&things->by_serial, &thing->by_serial) < 0) {
		free(thing->queue);
		free(thing);
		return NULL;
	}
	return thing;
}

/* Those who wait under the old name are told; they look at nothing but their own record. */
static void lose_waits(struct ipk__server *server, struct ipk__thing *thing)
{
	struct ipk__wait *wait;

	while ((wait = ipk__links_first(&thing->waits))) {
		ipk__link_remove(&wait->of_thing);
		wait->thing = NULL;
	}
	for (uint32_t lane = IPK__LANE_LOCK; lane < IPK__LANE_END; lane++)
		ipk__signal(server, thing->by_name.name, lane);
}

/* For good. */
static void free_thing(struct ipk__server *server, struct ipk__thing *thing)
{
	struct ipk__link *at = thing->holds.next;

	while (at->self) {
		struct ipk__hold *hold = at->self;

		at = at->next;
		ipk__hold_drop(hold);
	}
	if (thing->queue)
		ipk__queue_free(server, thing);
	ipk__link_remove(&thing->gone_link);
	ipk__names_remove(&server->things->by_serial, &thing->by_serial);
	free(thing->name);
	free(thing);
}

/* Not under its name any more. */
static void lose(struct ipk__server *server, struct ipk__thing *thing)
{
	struct ipk__things *things = server->things;

	lose_waits(server, thing);
	ipk__names_remove(&things->by_name, &thing->by_name);
	thing->is_gone = true;
	thing->is_gone_long = false;
	ipk__link_last(&things->gone, &thing->gone_link, thing);
}

/* A thing lies under @name that was known under another one. */
static void adopt(struct ipk__server *server, struct ipk__slice name, struct ipk__shm_thing *shm)
{
	struct ipk__thing *thing = ipk__thing_by_serial(server, shm->serial);

	if (!thing)
		return;
	if (!thing->is_gone) {
		if (ipk__slice_equal(thing->by_name.name, name))
			return;
		lose(server, thing);
	}
	if (set_name(server->things, thing, name) < 0)
		return;
	thing->is_gone = false;
	ipk__link_remove(&thing->gone_link);
	shm->n_waiters = 0;
}

static void free_gone(struct ipk__server *server, bool only_long)
{
	struct ipk__link *at = server->things->gone.next;

	while (at->self) {
		struct ipk__thing *thing = at->self;

		at = at->next;
		if (!only_long || thing->is_gone_long)
			free_thing(server, thing);
		else
			thing->is_gone_long = true;
	}
}

/* Called for every change of a key as a whole, after it. */
static void look_again(struct ipk__server *server, struct ipk__slice name)
{
	struct ipk__shm_thing *shm = shm_at(server, name);
	struct ipk__thing *thing = by_name(server->things, name);

	if (thing && (!shm || shm->serial != thing->serial))
		lose(server, thing);
	if (shm)
		adopt(server, name, shm);
}

void ipk__things_changed(struct ipk__server *server, struct ipk__slice name)
{
	if (!server->things || server->things->by_serial.n == 0)
		return;
	look_again(server, name);
	free_gone(server, true);
}

static void lose_all(struct ipk__server *server)
{
	struct ipk__names *names = &server->things->by_name;

	for (uint64_t i = 0; names->n > 0 && i < names->n_buckets; i++) {
		while (names->buckets[i])
			lose(server, by_name(server->things, names->buckets[i]->name));
	}
	free_gone(server, false);
}

void ipk__things_flushed(struct ipk__server *server)
{
	if (server->things)
		lose_all(server);
}

void ipk__things_close(struct ipk__server *server)
{
	if (!server->things)
		return;
	lose_all(server);
	ipk__names_free(&server->things->by_serial);
	ipk__names_free(&server->things->by_name);
	free(server->things);
	server->things = NULL;
}

void ipk__thing_signal(struct ipk__server *server, const struct ipk__thing *thing, uint32_t lane)
{
	if (!thing->is_gone)
		ipk__signal(server, thing->by_name.name, lane);
}

const char *ipk__thing_type_name(uint32_t kind)
{
	static const char *const names[] = {
		[IPK__THING_LOCK] = "ipk.lock",
		[IPK__THING_RLOCK] = "ipk.rlock",
		[IPK__THING_SEMAPHORE] = "ipk.semaphore",
		[IPK__THING_BOUNDED_SEMAPHORE] = "ipk.boundedsemaphore",
		[IPK__THING_CONDITION] = "ipk.condition",
		[IPK__THING_EVENT] = "ipk.event",
		[IPK__THING_BARRIER] = "ipk.barrier",
		[IPK__THING_QUEUE] = "ipk.queue",
	};

	return kind < sizeof(names) / sizeof(*names) && names[kind] ? names[kind] : "ipk.unknown";
}

/* --- for commands --------------------------------------------------------------------------- */

void ipk__reply_no_key(struct ipk__request *q)
{
	ipk__reply_error(q, "NOKEY no such key");
}

bool ipk__request_has_peer(struct ipk__request *q)
{
	if (!q->peer)
		ipk__reply_error(q, "ERR only a connection can do that");
	return q->peer != NULL;
}

bool ipk__arg_wait_ms(struct ipk__request *q, size_t i, int64_t *ret_ms)
{
	int64_t ms;

	if (!ipk__arg_integer(q, i, &ms))
		return false;
	if (ms < -1) {
		ipk__reply_error(q, "ERR timeout is -1 or more milliseconds");
		return false;
	}
	*ret_ms = ms;
	return true;
}

struct ipk__thing *ipk__thing_find(struct ipk__request *q, struct ipk__slice name, unsigned kinds)
{
	struct ipk__entry *key = ipk__request_key(q, name);
	struct ipk__shm_thing *shm;
	struct ipk__thing *thing;

	if (!key) {
		ipk__reply_no_key(q);
		return NULL;
	}
	shm = ipk__key_type(key) == IPK__TYPE_THING ? ipk__key_thing(q->store, key) : NULL;
	if (!shm || !(kinds & IPK__KIND(shm->kind))) {
		ipk__reply_wrong_type(q);
		return NULL;
	}
	thing = ipk__thing_by_serial(q->server, shm->serial);
	if (!thing || thing->is_gone)
		ipk__reply_failed(q, -ENOMEM); /* it could not be renamed */
	return thing && !thing->is_gone ? thing : NULL;
}

struct ipk__thing *ipk__thing_make(struct ipk__request *q, struct ipk__slice name, uint32_t kind,
				   struct ipk__shm_thing **ret_shm)
{
	struct ipk__thing *thing = new_thing(q->server, kind);
	struct ipk__shm_thing *shm;
	struct ipk__entry *key;
	int r;

	if (!thing) {
		ipk__reply_failed(q, -ENOMEM);
		return NULL;
	}
	r = ipk__key_make(q->store, name, IPK__TYPE_THING, &key);
	if (r == 0) {
		r = set_name(q->server->things, thing, name);
		if (r < 0)
			ipk__key_remove(q->store, name);
	}
	if (r < 0) {
		free_thing(q->server, thing);
		ipk__reply_failed(q, r);
		return NULL;
	}
	shm = ipk__key_thing(q->store, key);
	*shm = (struct ipk__shm_thing){.kind = kind, .serial = thing->serial};
	*ret_shm = shm;
	return thing;
}

/* --- who holds ------------------------------------------------------------------------------ */

struct ipk__hold *ipk__hold_find(const struct ipk__thing *thing, const struct ipk__peer *peer,
				 struct ipk__slice owner)
{
	for (struct ipk__link *at = thing->holds.next; at->self; at = at->next) {
		struct ipk__hold *hold = at->self;

		if (hold->peer == peer && ipk__slice_equal(hold->owner, owner))
			return hold;
	}
	return NULL;
}

int ipk__hold_add(struct ipk__thing *thing, struct ipk__peer *peer, struct ipk__slice owner,
		  uint64_t n)
{
	struct ipk__hold *hold = ipk__hold_find(thing, peer, owner);
	struct ipk__peer_things *has = ipk__peer_things_of(peer);

	if (!hold) {
		hold = has ? ipk__os_malloc(sizeof(*hold) + owner.n_bytes) : NULL;
		if (!hold)
			return -ENOMEM;
		if (owner.n_bytes > 0)
			memcpy(hold->bytes, owner.bytes, owner.n_bytes);
		hold->owner = IPK__SLICE(hold->bytes, owner.n_bytes);
		hold->thing = thing;
		hold->peer = peer;
		hold->n = hold->granted_by = 0;
		ipk__link_last(&thing->holds, &hold->of_thing, hold);
		ipk__link_last(&has->holds, &hold->of_peer, hold);
		peer->n_things++;
	}
	hold->n += n;
	return 0;
}

void ipk__hold_drop(struct ipk__hold *hold)
{
	ipk__link_remove(&hold->of_thing);
	ipk__link_remove(&hold->of_peer);
	hold->peer->n_things--;
	free(hold);
}

uint64_t ipk__owner_tag(struct ipk__slice owner)
{
	uint64_t tag = 14695981039346656037u;
	int64_t n;

	if (ipk__text_to_int64(owner, &n))
		return (uint64_t)n;
	for (size_t i = 0; i < owner.n_bytes; i++)
		tag = (tag ^ (unsigned char)owner.bytes[i]) * 1099511628211u;
	return tag;
}

/* --- who waits ------------------------------------------------------------------------------- */

static void count_waiter(struct ipk__server *server, struct ipk__thing *thing, int by)
{
	struct ipk__shm_thing *shm = thing ? ipk__thing_shm(server, thing) : NULL;

	if (shm)
		shm->n_waiters += (uint32_t)by;
}

struct ipk__wait *ipk__wait_begin(struct ipk__request *q, struct ipk__thing *thing)
{
	struct ipk__peer_things *has = ipk__peer_things_of(q->peer);
	struct ipk__wait *wait = has ? ipk__os_calloc(1, sizeof(*wait)) : NULL;

	if (!wait)
		return NULL;
	wait->thing = thing;
	wait->peer = q->peer;
	ipk__link_last(&thing->waits, &wait->of_thing, wait);
	ipk__link_last(&has->waits, &wait->of_peer, wait);
	count_waiter(q->server, thing, 1);
	q->token = (uint64_t)(uintptr_t)wait;
	return wait;
}

void ipk__wait_move(struct ipk__server *server, struct ipk__wait *wait, struct ipk__thing *thing)
{
	count_waiter(server, wait->thing, -1);
	ipk__link_remove(&wait->of_thing);
	wait->thing = thing;
	ipk__link_last(&thing->waits, &wait->of_thing, wait);
	count_waiter(server, thing, 1);
}

static void free_wait(struct ipk__server *server, struct ipk__wait *wait)
{
	count_waiter(server, wait->thing, -1);
	ipk__link_remove(&wait->of_thing);
	ipk__link_remove(&wait->of_peer);
	free(wait);
}

void ipk__wait_end(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);

	if (wait)
		free_wait(q->server, wait);
	q->token = 0;
}

int ipk__wait_block(struct ipk__request *q, uint32_t lane, struct ipk__slice owner,
		    int64_t timeout_ms)
{
	const struct ipk__thing *thing = ipk__wait_of(q)->thing;
	int r;

	q->owner_tag = owner.bytes ? ipk__owner_tag(owner) : 0;
	r = ipk__block(q, &thing->by_name.name, 1, lane, timeout_ms);
	if (r < 0)
		ipk__wait_end(q);
	return r;
}

void ipk__wait_for(struct ipk__request *q, struct ipk__thing *thing, uint32_t lane,
		   struct ipk__slice owner, int64_t timeout_ms)
{
	int r = ipk__wait_of(q) || ipk__wait_begin(q, thing) ? 0 : -ENOMEM;

	if (r == 0)
		r = ipk__wait_block(q, lane, owner, timeout_ms);
	if (r < 0)
		ipk__reply_failed(q, r);
}

bool ipk__wait_lost(struct ipk__request *q)
{
	if (!q->is_retry || ipk__wait_of(q)->thing)
		return false;
	ipk__wait_end(q);
	ipk__reply_no_key(q);
	return true;
}

bool ipk__things_cancel(struct ipk__request *q)
{
	struct ipk__wait *wait = ipk__wait_of(q);

	if (!(q->command->flags & IPK__CMD_OWN) || !wait)
		return true;
	/* Its lock was given back, or part of it is done: it ends as when its time is over. */
	if (q->phase != 0)
		return false;
	if (wait->thing && wait->thing->kind == IPK__THING_BARRIER)
		ipk__barrier_left(q->server, wait, true);
	free_wait(q->server, wait);
	q->token = 0;
	return true;
}

void ipk__things_peer_gone(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__peer_things *has = peer->things;
	struct ipk__link *at;

	if (!has)
		return;
	at = has->waits.next;
	while (at->self) {
		struct ipk__wait *wait = at->self;

		at = at->next;
		if (wait->thing && wait->thing->kind == IPK__THING_BARRIER)
			ipk__barrier_left(server, wait, false);
		if (wait->condition_serial != 0)
			ipk__condition_left(server, wait);
		free_wait(server, wait);
	}
	at = has->holds.next;
	while (at->self) {
		struct ipk__hold *hold = at->self;

		at = at->next;
		ipk__lock_abandoned(server, hold);
	}
	ipk__queue_abandoned(server, &has->takens);
	free(has);
	peer->things = NULL;
}

/* --- the log --------------------------------------------------------------------------------- */

static void emit_new(ipk__emit_fn *emit, void *arg, const char *kind, struct ipk__slice name,
		     const struct ipk__slice *more, size_t n_more)
{
	struct ipk__slice argv[8] = {IPK__SLICE_OF("IPK.NEW"), ipk__slice_of_string(kind), name};

	for (size_t i = 0; i < n_more; i++)
		argv[3 + i] = more[i];
	emit(arg, 3 + n_more, argv);
}

static const char *const kind_words[] = {
	[IPK__THING_LOCK] = "LOCK",           [IPK__THING_RLOCK] = "RLOCK",
	[IPK__THING_SEMAPHORE] = "SEMAPHORE", [IPK__THING_BOUNDED_SEMAPHORE] = "BOUNDEDSEMAPHORE",
	[IPK__THING_CONDITION] = "CONDITION", [IPK__THING_EVENT] = "EVENT",
	[IPK__THING_BARRIER] = "BARRIER",     [IPK__THING_QUEUE] = "QUEUE",
};

static struct ipk__slice queue_order(uint32_t flags)
{
	if (flags & IPK__THING_LIFO)
		return IPK__SLICE_OF("LIFO");
	return flags & IPK__THING_PRIORITY ? IPK__SLICE_OF("PRIORITY") : IPK__SLICE_OF("FIFO");
}

/* A condition cannot be made before its lock: that comes along, and a second time by itself. */
static void describe_condition(struct ipk__server *server, const struct ipk__thing *thing,
			       ipk__emit_fn *emit, void *arg)
{
	const struct ipk__thing *lock = ipk__thing_by_serial(server, thing->companion_serial);

	if (!lock || lock->is_gone)
		return;
	emit_new(emit, arg, kind_words[lock->kind], lock->by_name.name, NULL, 0);
	emit_new(emit, arg, kind_words[thing->kind], thing->by_name.name, &lock->by_name.name, 1);
}

void ipk__thing_describe(struct ipk__server *server, struct ipk__slice name, struct ipk__entry *key,
			 ipk__emit_fn *emit, void *arg)
{
	const struct ipk__shm_thing *shm = ipk__key_thing(server->store, key);
	const struct ipk__thing *thing = ipk__thing_by_serial(server, shm->serial);
	char limit[24];
	struct ipk__slice more[3] = {
		IPK__SLICE(limit, ipk__int64_to_text((int64_t)shm->limit, limit)),
		queue_order(shm->flags), IPK__SLICE_OF("JOINABLE")};

	if (!thing)
		return;
	switch (shm->kind) {
	case IPK__THING_CONDITION:
		describe_condition(server, thing, emit, arg);
		return;
	case IPK__THING_QUEUE:
		emit_new(emit, arg, kind_words[shm->kind], name, more,
			 shm->flags & IPK__THING_JOINABLE ? 3 : 2);
		ipk__queue_describe(thing, shm, emit, arg);
		return;
	case IPK__THING_LOCK:
	case IPK__THING_RLOCK:
		emit_new(emit, arg, kind_words[shm->kind], name, NULL, 0);
		return;
	case IPK__THING_EVENT:
		emit_new(emit, arg, kind_words[shm->kind], name, NULL, 0);
		if (shm->flags & IPK__THING_SET)
			emit(arg, 2, (struct ipk__slice[]){IPK__SLICE_OF("IPK.ESET"), name});
		return;
	default:
		emit_new(emit, arg, kind_words[shm->kind], name, more, 1);
	}
}
