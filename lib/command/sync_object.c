/*
 * sync_object.c - managed objects: holders, waiters, and what happens to them when a connection
 * ends or the object is removed.
 *
 * Invariant: each object in the store has exactly one struct ipk__sync_object, found by its serial
 * number; and n_waiters in the store is the length of its list of waits. The store may lose an
 * object in many ways (DEL, expiry, FLUSHALL, being overwritten, RENAME): all of them call
 * ipk__sync_objects_changed(), which looks up whether the name still has the object.
 *
 * Why a missing object is not removed at once: RENAME reports the old name first. An object found
 * under another name with the next change has only been renamed; waiters under its old name get an
 * error that there is no such key, but its holder still holds it.
 */
#include "command/sync_object.h"

#include <errno.h>
#include <stdlib.h>

#include "os/os.h"

static struct ipk__slice serial_name(const struct ipk__sync_object *object)
{
	return IPK__SLICE((const char *)&object->serial, sizeof(object->serial));
}

struct ipk__sync_objects *ipk__sync_objects_of(struct ipk__db *db)
{
	struct ipk__sync_objects *objects = db->objects;

	if (objects)
		return objects;
	objects = ipk__os_calloc(1, sizeof(*objects));
	if (objects)
		ipk__links_init(&objects->gone);
	db->objects = objects;
	return objects;
}

uint64_t ipk__sync_objects_used_bytes(const struct ipk__db *db)
{
	return db->objects ? db->objects->used_bytes : 0;
}

struct ipk__peer_objects *ipk__peer_objects_of(struct ipk__peer *peer)
{
	struct ipk__peer_objects *has = peer->objects;

	if (has)
		return has;
	has = ipk__os_malloc(sizeof(*has));
	if (!has)
		return NULL;
	ipk__links_init(&has->holds);
	ipk__links_init(&has->waits);
	ipk__links_init(&has->takens);
	peer->objects = has;
	return has;
}

/* --- sync objects ----------------------------------------------------------------------------- */

struct ipk__sync_object *ipk__sync_object_by_serial(struct ipk__db *db, uint64_t serial)
{
	struct ipk__named *node;

	if (!db->objects)
		return NULL;
	node = ipk__names_find(&db->objects->by_serial,
			       IPK__SLICE((const char *)&serial, sizeof(serial)));
	return (struct ipk__sync_object *)(void *)node; /* its first member */
}

static struct ipk__sync_object *by_name(struct ipk__sync_objects *objects, struct ipk__slice name)
{
	struct ipk__named *node = ipk__names_find(&objects->by_name, name);

	return node ? (struct ipk__sync_object *)(void *)((char *)node -
							  offsetof(struct ipk__sync_object,
								   by_name))
		    : NULL;
}

/* What lies under @name, if it is an object. */
static struct ipk__shm_sync_object *shm_at(struct ipk__db *db, struct ipk__slice name)
{
	struct ipk__entry *key = ipk__key_find(db->store, name);

	if (!key || ipk__key_type(key) != IPK__TYPE_SYNC_OBJECT)
		return NULL;
	return ipk__key_sync_object(db->store, key);
}

struct ipk__shm_sync_object *ipk__sync_object_shm(struct ipk__db *db,
						  const struct ipk__sync_object *object)
{
	struct ipk__shm_sync_object *shm =
		object->is_gone ? NULL : shm_at(db, object->by_name.name);

	return shm && shm->serial == object->serial ? shm : NULL;
}

static int set_name(struct ipk__sync_objects *objects, struct ipk__sync_object *object,
		    struct ipk__slice name)
{
	char *copy = ipk__os_malloc(name.n_bytes + 1);

	if (!copy)
		return -ENOMEM;
	if (name.n_bytes > 0)
		memcpy(copy, name.bytes, name.n_bytes);
	free(object->name);
	object->name = copy;
	object->by_name.name = IPK__SLICE(copy, name.n_bytes);
	return ipk__names_add(&objects->by_name, &object->by_name);
}

/* Without a name yet. */
static struct ipk__sync_object *new_object(struct ipk__db *db, uint32_t kind,
					   const struct ipk__sync_ops *ops)
{
	struct ipk__sync_objects *objects = ipk__sync_objects_of(db);
	struct ipk__sync_object *object = objects ? ipk__os_calloc(1, sizeof(*object)) : NULL;

	if (!object)
		return NULL;
	object->serial = ++objects->last_serial;
	object->kind = kind;
	object->ops = ops;
	object->by_serial.name = serial_name(object);
	ipk__links_init(&object->holds);
	ipk__links_init(&object->waits);
	ipk__links_init(&object->takens);
	ipk__links_init(&object->gone_link);
	if (ipk__names_add(&objects->by_serial, &object->by_serial) < 0) {
		free(object);
		return NULL;
	}
	if (ops->init && ops->init(object) < 0) {
		ipk__names_remove(&objects->by_serial, &object->by_serial);
		free(object);
		return NULL;
	}
	return object;
}

/* Those who wait under the old name are told; they look at nothing but their own record. */
static void lose_waits(struct ipk__db *db, struct ipk__sync_object *object)
{
	struct ipk__blocked *blocked;

	while ((blocked = ipk__links_first(&object->waits))) {
		ipk__link_remove(&blocked->of_object);
		blocked->object = NULL;
	}
	for (uint32_t channel = IPK__WAIT_CHANNEL_LOCK; channel < IPK__WAIT_CHANNEL_END; channel++)
		ipk__signal(db, object->by_name.name, channel);
}

/* For good. */
static void free_object(struct ipk__db *db, struct ipk__sync_object *object)
{
	struct ipk__link *at = object->holds.next;

	while (at->self) {
		struct ipk__hold *hold = at->self;

		at = at->next;
		ipk__hold_drop(hold);
	}
	if (object->ops->fini)
		object->ops->fini(db, object);
	ipk__link_remove(&object->gone_link);
	ipk__names_remove(&db->objects->by_serial, &object->by_serial);
	free(object->name);
	free(object);
}

/* Not under its name any more. */
static void lose(struct ipk__db *db, struct ipk__sync_object *object)
{
	struct ipk__sync_objects *objects = db->objects;

	lose_waits(db, object);
	ipk__names_remove(&objects->by_name, &object->by_name);
	object->is_gone = true;
	object->is_gone_long = false;
	ipk__link_last(&objects->gone, &object->gone_link, object);
}

/* An object lies under @name that was known under another one. */
static void adopt(struct ipk__db *db, struct ipk__slice name, struct ipk__shm_sync_object *shm)
{
	struct ipk__sync_object *object = ipk__sync_object_by_serial(db, shm->serial);

	if (!object)
		return;
	if (!object->is_gone) {
		if (ipk__slice_equal(object->by_name.name, name))
			return;
		lose(db, object);
	}
	if (set_name(db->objects, object, name) < 0)
		return;
	object->is_gone = false;
	ipk__link_remove(&object->gone_link);
	shm->n_waiters = 0;
}

static void free_gone(struct ipk__db *db, bool only_long)
{
	struct ipk__link *at = db->objects->gone.next;

	while (at->self) {
		struct ipk__sync_object *object = at->self;

		at = at->next;
		if (!only_long || object->is_gone_long)
			free_object(db, object);
		else
			object->is_gone_long = true;
	}
}

/* Called for every change of a key as a whole, after it. */
static void look_again(struct ipk__db *db, struct ipk__slice name)
{
	struct ipk__shm_sync_object *shm = shm_at(db, name);
	struct ipk__sync_object *object = by_name(db->objects, name);

	if (object && (!shm || shm->serial != object->serial))
		lose(db, object);
	if (shm)
		adopt(db, name, shm);
}

void ipk__sync_objects_changed(struct ipk__db *db, struct ipk__slice name)
{
	if (!db->objects || db->objects->by_serial.n == 0)
		return;
	look_again(db, name);
	free_gone(db, true);
}

static void lose_all(struct ipk__db *db)
{
	struct ipk__names *names = &db->objects->by_name;

	for (uint64_t i = 0; names->n > 0 && i < names->n_buckets; i++) {
		while (names->buckets[i])
			lose(db, by_name(db->objects, names->buckets[i]->name));
	}
	free_gone(db, false);
}

void ipk__sync_objects_flushed(struct ipk__db *db)
{
	if (db->objects)
		lose_all(db);
}

void ipk__sync_objects_close(struct ipk__db *db)
{
	if (!db->objects)
		return;
	lose_all(db);
	ipk__names_free(&db->objects->by_serial);
	ipk__names_free(&db->objects->by_name);
	free(db->objects);
	db->objects = NULL;
}

void ipk__sync_object_signal(struct ipk__db *db, const struct ipk__sync_object *object,
			     uint32_t channel)
{
	if (!object->is_gone)
		ipk__signal(db, object->by_name.name, channel);
}

const char *ipk__sync_object_type_name(uint32_t kind)
{
	static const char *const names[] = {
		[IPK__SYNC_LOCK] = "ipk.lock",
		[IPK__SYNC_RLOCK] = "ipk.rlock",
		[IPK__SYNC_SEMAPHORE] = "ipk.semaphore",
		[IPK__SYNC_BOUNDED_SEMAPHORE] = "ipk.boundedsemaphore",
		[IPK__SYNC_CONDITION] = "ipk.condition",
		[IPK__SYNC_EVENT] = "ipk.event",
		[IPK__SYNC_BARRIER] = "ipk.barrier",
		[IPK__SYNC_QUEUE] = "ipk.queue",
	};

	return kind < sizeof(names) / sizeof(*names) && names[kind] ? names[kind] : "ipk.unknown";
}

/* --- for commands ----------------------------------------------------------------------------- */

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

struct ipk__sync_object *ipk__sync_object_find(struct ipk__request *q, struct ipk__slice name,
					       unsigned kinds)
{
	struct ipk__entry *key = ipk__request_key(q, name);
	struct ipk__shm_sync_object *shm;
	struct ipk__sync_object *object;

	if (!key) {
		ipk__reply_no_key(q);
		return NULL;
	}
	shm = ipk__key_type(key) == IPK__TYPE_SYNC_OBJECT ? ipk__key_sync_object(q->store, key)
							  : NULL;
	if (!shm || !(kinds & IPK__KIND(shm->kind))) {
		ipk__reply_wrong_type(q);
		return NULL;
	}
	object = ipk__sync_object_by_serial(q->db, shm->serial);
	if (!object || object->is_gone)
		ipk__reply_failed(q, -ENOMEM); /* it could not be renamed */
	return object && !object->is_gone ? object : NULL;
}

struct ipk__sync_object *ipk__sync_object_make(struct ipk__request *q, struct ipk__slice name,
					       uint32_t kind, const struct ipk__sync_ops *ops,
					       struct ipk__shm_sync_object **ret_shm)
{
	struct ipk__sync_object *object = new_object(q->db, kind, ops);
	struct ipk__shm_sync_object *shm;
	struct ipk__entry *key;
	int r;

	if (!object) {
		ipk__reply_failed(q, -ENOMEM);
		return NULL;
	}
	r = ipk__key_make(q->store, name, IPK__TYPE_SYNC_OBJECT, &key);
	if (r == 0) {
		r = set_name(q->db->objects, object, name);
		if (r < 0)
			ipk__key_remove(q->store, name);
	}
	if (r < 0) {
		free_object(q->db, object);
		ipk__reply_failed(q, r);
		return NULL;
	}
	shm = ipk__key_sync_object(q->store, key);
	*shm = (struct ipk__shm_sync_object){.kind = kind, .serial = object->serial};
	*ret_shm = shm;
	return object;
}

/* --- who holds -------------------------------------------------------------------------------- */

struct ipk__hold *ipk__hold_find(const struct ipk__sync_object *object,
				 const struct ipk__peer *peer, struct ipk__slice owner)
{
	for (struct ipk__link *at = object->holds.next; at->self; at = at->next) {
		struct ipk__hold *hold = at->self;

		if (hold->peer == peer && ipk__slice_equal(hold->owner, owner))
			return hold;
	}
	return NULL;
}

int ipk__hold_add(struct ipk__sync_object *object, struct ipk__peer *peer, struct ipk__slice owner,
		  uint64_t n)
{
	struct ipk__hold *hold = ipk__hold_find(object, peer, owner);
	struct ipk__peer_objects *has = ipk__peer_objects_of(peer);

	if (!hold) {
		hold = has ? ipk__os_malloc(sizeof(*hold) + owner.n_bytes) : NULL;
		if (!hold)
			return -ENOMEM;
		if (owner.n_bytes > 0)
			memcpy(hold->bytes, owner.bytes, owner.n_bytes);
		hold->owner = IPK__SLICE(hold->bytes, owner.n_bytes);
		hold->object = object;
		hold->peer = peer;
		hold->n = hold->granted_by = 0;
		ipk__link_last(&object->holds, &hold->of_object, hold);
		ipk__link_last(&has->holds, &hold->of_peer, hold);
		peer->n_objects++;
	}
	hold->n += n;
	return 0;
}

void ipk__hold_drop(struct ipk__hold *hold)
{
	ipk__link_remove(&hold->of_object);
	ipk__link_remove(&hold->of_peer);
	hold->peer->n_objects--;
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

/* --- who waits -------------------------------------------------------------------------------- */

static void count_waiter(struct ipk__db *db, struct ipk__sync_object *object, int by)
{
	struct ipk__shm_sync_object *shm = object ? ipk__sync_object_shm(db, object) : NULL;

	if (shm)
		shm->n_waiters += (uint32_t)by;
}

struct ipk__blocked *ipk__blocked_begin(struct ipk__request *q, struct ipk__sync_object *object)
{
	struct ipk__peer_objects *has = ipk__peer_objects_of(q->peer);
	struct ipk__blocked *blocked = has ? ipk__os_calloc(1, sizeof(*blocked)) : NULL;

	if (!blocked)
		return NULL;
	blocked->object = object;
	blocked->peer = q->peer;
	ipk__link_last(&object->waits, &blocked->of_object, blocked);
	ipk__link_last(&has->waits, &blocked->of_peer, blocked);
	count_waiter(q->db, object, 1);
	q->token = (uint64_t)(uintptr_t)blocked;
	return blocked;
}

void ipk__blocked_move(struct ipk__db *db, struct ipk__blocked *blocked,
		       struct ipk__sync_object *object)
{
	count_waiter(db, blocked->object, -1);
	ipk__link_remove(&blocked->of_object);
	blocked->object = object;
	ipk__link_last(&object->waits, &blocked->of_object, blocked);
	count_waiter(db, object, 1);
}

static void free_blocked(struct ipk__db *db, struct ipk__blocked *blocked)
{
	count_waiter(db, blocked->object, -1);
	ipk__link_remove(&blocked->of_object);
	ipk__link_remove(&blocked->of_peer);
	free(blocked);
}

void ipk__blocked_end(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);

	if (blocked)
		free_blocked(q->db, blocked);
	q->token = 0;
}

int ipk__blocked_wait(struct ipk__request *q, uint32_t channel, struct ipk__slice owner,
		      int64_t timeout_ms)
{
	const struct ipk__sync_object *object = ipk__blocked_of(q)->object;
	int r;

	q->owner_tag = owner.bytes ? ipk__owner_tag(owner) : 0;
	r = ipk__block(q, &object->by_name.name, 1, channel, timeout_ms);
	if (r < 0)
		ipk__blocked_end(q);
	return r;
}

void ipk__blocked_enqueue(struct ipk__request *q, struct ipk__sync_object *object, uint32_t channel,
			  struct ipk__slice owner, int64_t timeout_ms)
{
	int r = ipk__blocked_of(q) || ipk__blocked_begin(q, object) ? 0 : -ENOMEM;

	if (r == 0)
		r = ipk__blocked_wait(q, channel, owner, timeout_ms);
	if (r < 0)
		ipk__reply_failed(q, r);
}

bool ipk__blocked_lost(struct ipk__request *q)
{
	if (!q->is_retry || ipk__blocked_of(q)->object)
		return false;
	ipk__blocked_end(q);
	ipk__reply_no_key(q);
	return true;
}

static void waiter_left(struct ipk__db *db, struct ipk__blocked *blocked, bool is_cancelled)
{
	struct ipk__sync_object *object =
		blocked->condition_serial != 0
			? ipk__sync_object_by_serial(db, blocked->condition_serial)
			: blocked->object;

	if (object && object->ops->waiter_left)
		object->ops->waiter_left(db, object, blocked, is_cancelled);
}

bool ipk__sync_objects_cancel(struct ipk__request *q)
{
	struct ipk__blocked *blocked = ipk__blocked_of(q);

	if (!(q->command->flags & IPK__CMD_OWN) || !blocked)
		return true;
	/* Its lock was given back, or part of it is done: it ends as when its time is over. */
	if (q->phase != 0)
		return false;
	waiter_left(q->db, blocked, true);
	free_blocked(q->db, blocked);
	q->token = 0;
	return true;
}

void ipk__sync_objects_peer_gone(struct ipk__db *db, struct ipk__peer *peer)
{
	struct ipk__peer_objects *has = peer->objects;
	struct ipk__link *at;

	if (!has)
		return;
	at = has->waits.next;
	while (at->self) {
		struct ipk__blocked *blocked = at->self;

		at = at->next;
		waiter_left(db, blocked, false);
		free_blocked(db, blocked);
	}
	at = has->holds.next;
	while (at->self) {
		struct ipk__hold *hold = at->self;

		at = at->next;
		hold->object->ops->release(db, hold);
	}
	/* The last one first, so that they lie as they lay. */
	while (has->takens.prev->self) {
		struct ipk__taken *taken = has->takens.prev->self;

		taken->object->ops->put_back(db, taken);
	}
	free(has);
	peer->objects = NULL;
}

/* --- the log ---------------------------------------------------------------------------------- */

static const char *const kind_labels[] = {
	[IPK__SYNC_LOCK] = "LOCK",           [IPK__SYNC_RLOCK] = "RLOCK",
	[IPK__SYNC_SEMAPHORE] = "SEMAPHORE", [IPK__SYNC_BOUNDED_SEMAPHORE] = "BOUNDEDSEMAPHORE",
	[IPK__SYNC_CONDITION] = "CONDITION", [IPK__SYNC_EVENT] = "EVENT",
	[IPK__SYNC_BARRIER] = "BARRIER",     [IPK__SYNC_QUEUE] = "QUEUE",
};

void ipk__emit_new(uint32_t kind, struct ipk__slice name, const struct ipk__slice *more,
		   size_t n_more, ipk__emit_fn *emit, void *arg)
{
	struct ipk__slice argv[8] = {IPK__SLICE_OF("IPK.NEW"),
				     ipk__slice_of_string(kind_labels[kind]), name};

	for (size_t i = 0; i < n_more; i++)
		argv[3 + i] = more[i];
	emit(arg, 3 + n_more, argv);
}

void ipk__describe_plainly(struct ipk__db *db, const struct ipk__sync_object *object,
			   const struct ipk__shm_sync_object *shm, struct ipk__slice name,
			   ipk__emit_fn *emit, void *arg)
{
	(void)db;
	(void)object;
	ipk__emit_new(shm->kind, name, NULL, 0, emit, arg);
}

void ipk__describe_with_limit(struct ipk__db *db, const struct ipk__sync_object *object,
			      const struct ipk__shm_sync_object *shm, struct ipk__slice name,
			      ipk__emit_fn *emit, void *arg)
{
	char text[24];
	struct ipk__slice limit = IPK__SLICE(text, ipk__int64_to_text((int64_t)shm->limit, text));

	(void)db;
	(void)object;
	ipk__emit_new(shm->kind, name, &limit, 1, emit, arg);
}

void ipk__sync_object_describe(struct ipk__db *db, struct ipk__slice name, struct ipk__entry *key,
			       ipk__emit_fn *emit, void *arg)
{
	const struct ipk__shm_sync_object *shm = ipk__key_sync_object(db->store, key);
	const struct ipk__sync_object *object = ipk__sync_object_by_serial(db, shm->serial);

	if (object)
		object->ops->describe(db, object, shm, name, emit, arg);
}
