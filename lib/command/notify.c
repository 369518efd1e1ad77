/*
 * notify.c - IPK.WATCH: which peers watch which key or field.
 *
 * Invariant: for each watch at most one push is in its peer's buffer. A change meanwhile needs no
 * other: the push will be read after the change, by a client that then reads the value. So a peer
 * that does not read costs one push for each of its watches, which are bounded.
 *
 * Pushes are written when the turn of the loop ends, never in the middle of a reply.
 */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "command/sync_object.h"
#include "command/named.h"

#define WATCHES_MAX 65536 /* of one peer */

struct watched {
	struct ipk__named named; /* first */
	struct ipk__link watches;
	char name[];
};

struct watch {
	struct ipk__link of_key, of_peer, due;
	struct watched *key;
	struct ipk__peer *peer;
	bool is_whole;
	bool is_due;
	uint64_t pushed_at; /* its last push is out once its peer was sent so many bytes */
	struct ipk__slice field;
	char bytes[];
};

struct peer_watches {
	struct ipk__link watches;
	uint64_t n;
};

struct ipk__notices {
	struct ipk__names keys;
	struct ipk__link due;
};

static struct ipk__notices *notices_of(struct ipk__db *db)
{
	struct ipk__notices *notices = db->notices;

	if (notices)
		return notices;
	notices = ipk__os_calloc(1, sizeof(*notices));
	if (notices)
		ipk__links_init(&notices->due);
	db->notices = notices;
	return notices;
}

/* --- what changed ----------------------------------------------------------------------------- */

static void make_due(struct ipk__notices *notices, struct watch *w)
{
	if (w->is_due)
		return;
	w->is_due = true;
	ipk__link_last(&notices->due, &w->due, w);
}

void ipk__notify_changed(struct ipk__db *db, struct ipk__slice name, struct ipk__slice field)
{
	struct ipk__notices *notices = db->notices;
	struct watched *key;

	if (!field.bytes)
		ipk__sync_objects_changed(db, name);
	if (!notices || notices->keys.n == 0)
		return;
	key = (struct watched *)(void *)ipk__names_find(&notices->keys, name);
	if (!key)
		return;
	for (struct ipk__link *at = key->watches.next; at->self; at = at->next) {
		struct watch *w = at->self;

		if (w->is_whole || !field.bytes || ipk__slice_equal(w->field, field))
			make_due(notices, w);
	}
}

void ipk__notify_flushed(struct ipk__db *db)
{
	struct ipk__notices *notices = db->notices;

	ipk__sync_objects_flushed(db);
	for (uint64_t i = 0; notices && i < notices->keys.n_buckets; i++) {
		struct ipk__named *node = notices->keys.buckets[i];

		for (; node; node = node->next)
			ipk__notify_changed(db, node->name, IPK__SLICE(NULL, 0));
	}
}

static void push(struct watch *w)
{
	struct ipk__peer *peer = w->peer;

	ipk__resp_head(&peer->out, peer->resp == 3 ? IPK__RESP_PUSH : IPK__RESP_ARRAY, 3);
	ipk__resp_bulk(&peer->out, IPK__SLICE_OF("ipk.changed"));
	ipk__resp_bulk(&peer->out, w->key->named.name);
	if (w->is_whole)
		ipk__resp_null(&peer->out, peer->resp);
	else
		ipk__resp_bulk(&peer->out, w->field);
	w->pushed_at = peer->n_sent_bytes + ipk__buffer_len(&peer->out);
}

void ipk__notify_deliver(struct ipk__db *db)
{
	struct ipk__notices *notices = db->notices;
	struct watch *w;

	while (notices && (w = ipk__links_first(&notices->due))) {
		ipk__link_remove(&w->due);
		w->is_due = false;
		if (w->pushed_at > w->peer->n_sent_bytes)
			continue;
		push(w);
		db->host->flush(db, w->peer);
	}
}

/* --- who watches ------------------------------------------------------------------------------ */

static void free_watch(struct ipk__notices *notices, struct watch *w)
{
	struct watched *key = w->key;

	ipk__link_remove(&w->of_key);
	ipk__link_remove(&w->of_peer);
	if (w->is_due)
		ipk__link_remove(&w->due);
	((struct peer_watches *)w->peer->watches)->n--;
	free(w);
	if (ipk__links_empty(&key->watches)) {
		ipk__names_remove(&notices->keys, &key->named);
		free(key);
	}
}

static struct watched *get_watched(struct ipk__notices *notices, struct ipk__slice name)
{
	struct watched *key = (struct watched *)(void *)ipk__names_find(&notices->keys, name);

	if (key)
		return key;
	key = ipk__os_malloc(sizeof(*key) + name.n_bytes);
	if (!key)
		return NULL;
	if (name.n_bytes > 0)
		memcpy(key->name, name.bytes, name.n_bytes);
	key->named.name = IPK__SLICE(key->name, name.n_bytes);
	ipk__links_init(&key->watches);
	if (ipk__names_add(&notices->keys, &key->named) < 0) {
		free(key);
		return NULL;
	}
	return key;
}

static struct peer_watches *get_peer_watches(struct ipk__peer *peer)
{
	struct peer_watches *has = peer->watches;

	if (has)
		return has;
	has = ipk__os_calloc(1, sizeof(*has));
	if (!has)
		return NULL;
	ipk__links_init(&has->watches);
	peer->watches = has;
	return has;
}

static bool is_of(const struct watch *w, const struct ipk__peer *peer,
		  const struct ipk__slice *field)
{
	if (w->peer != peer || w->is_whole != !field)
		return false;
	return !field || ipk__slice_equal(w->field, *field);
}

static struct watch *find_watch(const struct watched *key, const struct ipk__peer *peer,
				const struct ipk__slice *field)
{
	for (struct ipk__link *at = key->watches.next; at->self; at = at->next) {
		if (is_of(at->self, peer, field))
			return at->self;
	}
	return NULL;
}

/* @field NULL: the whole key. -ENOMEM. */
static int add_watch(struct watched *key, struct peer_watches *has, struct ipk__peer *peer,
		     const struct ipk__slice *field)
{
	struct watch *w = ipk__os_calloc(1, sizeof(*w) + (field ? field->n_bytes : 0));

	if (!w)
		return -ENOMEM;
	if (field) {
		if (field->n_bytes > 0)
			memcpy(w->bytes, field->bytes, field->n_bytes);
		w->field = IPK__SLICE(w->bytes, field->n_bytes);
	}
	w->is_whole = !field;
	w->key = key;
	w->peer = peer;
	ipk__link_last(&key->watches, &w->of_key, w);
	ipk__link_last(&has->watches, &w->of_peer, w);
	has->n++;
	return 0;
}

static int watch(struct ipk__notices *notices, struct ipk__peer *peer, struct ipk__slice name,
		 const struct ipk__slice *field)
{
	struct peer_watches *has = get_peer_watches(peer);
	struct watched *key = has ? get_watched(notices, name) : NULL;
	int r = 0;

	if (!key)
		return -ENOMEM;
	if (find_watch(key, peer, field))
		return 0;
	r = has->n < WATCHES_MAX ? add_watch(key, has, peer, field) : -E2BIG;
	if (ipk__links_empty(&key->watches)) {
		ipk__names_remove(&notices->keys, &key->named);
		free(key);
	}
	return r;
}

/* Key and field of the request. False: the reply says what is wrong. */
static bool read_words(struct ipk__request *q, const struct ipk__slice **ret_field)
{
	if (q->argc > 3) {
		ipk__reply_wrong_arity(q);
		return false;
	}
	*ret_field = q->argc == 3 ? &q->argv[2] : NULL;
	return ipk__request_has_peer(q);
}

static void cmd_watch(struct ipk__request *q)
{
	struct ipk__notices *notices = notices_of(q->db);
	const struct ipk__slice *field;
	int r;

	if (!read_words(q, &field))
		return;
	r = notices ? watch(notices, q->peer, q->argv[1], field) : -ENOMEM;
	if (r == -E2BIG) {
		ipk__reply_error(q, "ERR a connection watches %d keys and fields at most",
				 WATCHES_MAX);
	} else if (r < 0) {
		ipk__reply_failed(q, r);
	} else {
		q->peer->flags |= IPK__PEER_WATCHES;
		ipk__reply_ok(q);
	}
}

static void cmd_unwatch(struct ipk__request *q)
{
	struct ipk__notices *notices = q->db->notices;
	const struct ipk__slice *field;
	struct watched *key;
	struct watch *w;

	if (!read_words(q, &field))
		return;
	key = notices ? (struct watched *)(void *)ipk__names_find(&notices->keys, q->argv[1])
		      : NULL;
	w = key ? find_watch(key, q->peer, field) : NULL;
	if (w)
		free_watch(notices, w);
	ipk__reply_ok(q);
}

void ipk__notify_peer_gone(struct ipk__db *db, struct ipk__peer *peer)
{
	struct peer_watches *has = peer->watches;
	struct ipk__link *at;

	if (!has)
		return;
	at = has->watches.next;
	while (at->self) {
		struct watch *w = at->self;

		at = at->next;
		free_watch(db->notices, w);
	}
	free(has);
	peer->watches = NULL;
}

void ipk__notify_close(struct ipk__db *db)
{
	if (!db->notices)
		return;
	ipk__names_free(&db->notices->keys);
	free(db->notices);
	db->notices = NULL;
}

const struct ipk__command ipk__commands_notify[] = {
	{"IPK.WATCH", cmd_watch, -2, IPK__CMD_OWN, 1, 1, 1, "generic", "Hear of changes"},
	{"IPK.UNWATCH", cmd_unwatch, -2, IPK__CMD_OWN, 1, 1, 1, "generic",
	 "Hear of changes no more"},
	{NULL},
};
