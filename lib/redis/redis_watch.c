/*
 * redis_watch.c - optimistic transactions, and change notification, on Redis.
 *
 * A transaction needs one connection from WATCH to EXEC: it is pinned. Scripts are sent in it as
 * text, since a hash unknown to the server would fail in the middle. If the connection breaks
 * before EXEC was sent, nothing happened (-ECANCELED); after it, a number that the transaction
 * itself stores beside the first key tells whether it committed.
 *
 * Notifications are Redis's keyspace events, which tell that a key changed, and by which command,
 * but not which field: a watch of a field reads the field and reports only a different value.
 * Servers send events only if configured to (notify-keyspace-events); we turn them on if that is
 * allowed. In a cluster the node that has the slot is watched; when that changes, the watch is set
 * up again at the new node, and reports that something may have changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "redis/redis.h"
#include "os/os.h"

#define TRIES 8

static struct ipk__redis *redis_of(struct ipk__backend *b)
{
	return (struct ipk__redis *)b;
}

static int slot_in(struct ipk__redis *r, struct ipk__slice key)
{
	return r->address.is_cluster ? ipk__redis_slot(key) : -1;
}

/* --- transactions ----------------------------------------------------------------------------- */

void ipk__redis_unwatch(struct ipk__backend *b)
{
	static const struct ipk__slice word = IPK__SLICE_OF("UNWATCH");
	struct ipk__redis *r = redis_of(b);
	struct ipk__redis_link *link;
	struct ipk__slice reply = {0};

	if (ipk__redis_here(r) < 0 || !r->pinned)
		return;
	link = r->pinned;
	r->pinned = NULL;
	if (link->stale || ipk__redis_link_call(link, &word, 1, ipk_in_ms(1000), &reply) < 0)
		link->stale = true;
	ipk__redis_give_link(r, r->pinned_node, link);
}

static void unpin(struct ipk__redis *r)
{
	struct ipk__redis_link *link = r->pinned;

	r->pinned = NULL;
	ipk__redis_give_link(r, r->pinned_node, link);
}

static int pin(struct ipk__redis *r, int slot, ipk_deadline deadline)
{
	r->pinned_node = ipk__redis_node_of(r, slot);
	return ipk__redis_take_link(r, r->pinned_node, deadline, &r->pinned);
}

static bool moved(struct ipk__slice reply)
{
	return reply.n_bytes > 6 &&
	       (memcmp(reply.bytes, "-MOVED", 6) == 0 || memcmp(reply.bytes, "-ASK ", 5) == 0 ||
		memcmp(reply.bytes, "-CLUST", 6) == 0 || memcmp(reply.bytes, "-TRYAG", 6) == 0);
}

static int watch_once(struct ipk__redis *r, const struct ipk__slice *words, size_t n,
		      ipk_deadline deadline)
{
	struct ipk__slice reply = {0};
	int e = pin(r, slot_in(r, words[1]), deadline);

	if (e < 0)
		return e == -ECONNREFUSED ? -EAGAIN : e;
	e = ipk__redis_link_call(r->pinned, words, n, deadline, &reply);
	if (e == 0 && reply.bytes[0] != '-')
		return 0;
	if (e == 0)
		e = moved(reply)
			    ? -EAGAIN
			    : ipk__manager_fail(memcmp(reply.bytes, "-CROSS", 6) == 0 ? -EXDEV
										      : -EBADMSG,
						"%.*s", (int)reply.n_bytes - 3, reply.bytes + 1);
	unpin(r);
	return e == -EPIPE ? -EAGAIN : e;
}

int ipk__redis_watch_keys(struct ipk__backend *b, const struct ipk__slice *keys, size_t n_keys,
			  ipk_deadline deadline)
{
	struct ipk__redis *r = redis_of(b);
	struct ipk__slice *words;
	int e = ipk__redis_here(r);

	if (e < 0 || n_keys == 0)
		return e;
	if (r->pinned)
		ipk__redis_unwatch(b);
	words = ipk__os_malloc((n_keys + 1) * sizeof *words);
	if (!words)
		return -ENOMEM;
	words[0] = IPK__SLICE_OF("WATCH");
	memcpy(words + 1, keys, n_keys * sizeof *words);
	e = -EAGAIN;
	for (int i = 0; i < TRIES && e == -EAGAIN; i++) {
		if (i > 0 && ipk__redis_pause(50 * i, deadline) < 0)
			e = -ETIMEDOUT;
		if (i > 0 && e == -EAGAIN)
			ipk__redis_refresh(r, deadline);
		if (e == -EAGAIN)
			e = watch_once(r, words, n_keys + 1, deadline);
	}
	free(words);
	return e == -EAGAIN ? -EPIPE : e;
}

struct transaction {
	struct ipk__redis *r;
	struct ipk__redis_translated *items;
	struct ipk__redis_sequence **sequences;
	size_t n;
	size_t n_made;
	size_t n_sequences;
	struct ipk__slice mark; /* the key beside the first one */
	struct ipk__redis_sequence *sequence;
	char number[24];
};

static int build(struct transaction *t, const struct ipk__call *calls, ipk_deadline deadline)
{
	int e = 0;

	while (t->n_made < t->n && e == 0) {
		if (ipk__redis_is_wait(&calls[t->n_made]))
			return ipk__manager_fail(-EOPNOTSUPP,
						 "that cannot be part of a transaction on Redis");
		e = ipk__redis_take_sequence(t->r, &t->sequences[t->n_sequences]);
		if (e == 0)
			e = ipk__redis_translate(t->r, &calls[t->n_made],
						 t->sequences[t->n_sequences++], deadline,
						 &t->items[t->n_made]);
		if (e == 0)
			t->items[t->n_made++].ask.use_text = true;
	}
	if (e == 0)
		e = ipk__redis_take_sequence(t->r, &t->sequence);
	if (e == 0)
		e = ipk__redis_helper_key(calls[0].argv[1], ":ipk.once", &t->mark);
	return e;
}

static void transaction_fini(struct transaction *t)
{
	for (size_t i = 0; i < t->n_made; i++)
		ipk__redis_translated_fini(&t->items[i]);
	while (t->n_sequences > 0)
		ipk__redis_give_sequence(t->r, t->sequences[--t->n_sequences]);
	if (t->sequence)
		ipk__redis_give_sequence(t->r, t->sequence);
	free((char *)t->mark.bytes);
	free(t->items);
	free(t->sequences);
}

/* MULTI, the requests, a mark that it was done, EXEC. */
static void write_out(struct transaction *t, struct ipk__buffer *out)
{
	/* As scripts leave it, so that they may tidy it up. */
	struct ipk__slice mark[4] = {IPK__SLICE_OF("HSET"), t->mark,
				     ipk__slice_of_string(t->sequence->name)};
	struct ipk__slice expire[3] = {IPK__SLICE_OF("PEXPIRE"), t->mark, IPK__SLICE_OF("120000")};
	char packed[32] = {(char)0x93, (char)0xb0};
	size_t len = ipk__int64_to_text((int64_t)++t->sequence->number, t->number);

	packed[1] = (char)(0xa0 + len); /* [number, 0, false] as MessagePack */
	memcpy(packed + 2, t->number, len);
	packed[2 + len] = 0;
	packed[3 + len] = (char)0xc2;
	mark[3] = IPK__SLICE(packed, len + 4);
	ipk__buffer_append(out, "*1\r\n$5\r\nMULTI\r\n", 15);
	for (size_t i = 0; i < t->n; i++) {
		const struct ipk__redis_ask *ask = &t->items[i].ask;

		if (ask->script)
			ipk__redis_encode(out, ask);
		else
			ipk__resp_request(out, ask->argv, ask->argc);
	}
	ipk__resp_request(out, mark, 4);
	ipk__resp_request(out, expire, 3);
	ipk__buffer_append(out, "*1\r\n$4\r\nEXEC\r\n", 14);
}

static int read_replies(struct transaction *t, struct ipk__slice whole)
{
	struct ipk__resp_value v;
	size_t at = 0;
	int e = ipk__resp_next(whole, &at, &v);

	if (e == 0 && v.type == IPK__RESP_NULL)
		return -ECANCELED;
	if (e == 0 && v.type == IPK__RESP_ERROR)
		return moved(whole) ? -ECANCELED
				    : ipk__manager_fail(-EBADMSG, "%.*s", (int)v.text.n_bytes,
							v.text.bytes);
	for (size_t i = 0; i < t->n && e == 0; i++) {
		size_t from = at;

		e = ipk__resp_next(whole, &at, &v);
		if (e == 0)
			e = ipk__resp_skip(whole, &at, &v);
		if (e == 0)
			e = ipk__redis_keep(&t->items[i].ask,
					    IPK__SLICE(whole.bytes + from, at - from));
	}
	return e;
}

/* The replies "+OK" and "+QUEUED" come first; one that is an error is the reason of -EXECABORT. */
static int converse(struct transaction *t, struct ipk__buffer *out, ipk_deadline deadline)
{
	struct ipk__slice reply = {0};
	bool is_moved = false, is_refused = false;
	int e = ipk__redis_link_write(t->r->pinned, out, deadline);

	for (size_t i = 0; i < t->n + 3 && e == 0; i++) {
		e = ipk__redis_link_read(t->r->pinned, deadline, &reply);
		if (e < 0 || reply.bytes[0] != '-')
			continue;
		is_moved |= moved(reply);
		is_refused = true;
		ipk__manager_fail(0, "%.*s", (int)reply.n_bytes - 3, reply.bytes + 1);
	}
	if (e == 0)
		e = ipk__redis_link_read(t->r->pinned, deadline, &reply);
	if (e < 0)
		return e;
	t->r->pinned->stale = false;
	if (is_moved)
		return -ECANCELED;
	return is_refused ? -EBADMSG : read_replies(t, reply);
}

/* After the connection broke with EXEC on its way. */
static int was_done(struct transaction *t, ipk_deadline deadline)
{
	struct ipk__slice words[3] = {IPK__SLICE_OF("HGET"), t->mark,
				      ipk__slice_of_string(t->sequence->name)};
	struct ipk__response reply;
	struct ipk__call call = {
		.argv = words, .argc = 3, .flags = IPK__CALL_READ, .reply = &reply};
	int e;

	ipk__response_init(&reply);
	e = ipk__redis_call(t->r, &call, deadline);
	if (e == 0)
		e = memmem(reply.whole.bytes, reply.whole.n_bytes, t->number, strlen(t->number))
			    ? -EINPROGRESS
			    : -ECANCELED;
	else
		e = -EINPROGRESS;
	ipk__response_fini(&reply);
	return e;
}

int ipk__redis_exec(struct ipk__backend *b, const struct ipk__call *calls, size_t n,
		    ipk_deadline deadline)
{
	struct ipk__redis *r = redis_of(b);
	struct transaction t = {.r = r, .n = n};
	struct ipk__buffer out = {0};
	int e = ipk__redis_here(r);

	if (e < 0 || n == 0 || calls[0].argc < 2) {
		ipk__redis_unwatch(b);
		return e < 0 ? e : n == 0 ? 0 : ipk__invalid("batch: its first command has no key");
	}
	t.items = ipk__os_calloc(n, sizeof *t.items);
	t.sequences = ipk__os_calloc(n, sizeof(struct ipk__redis_sequence *));
	e = t.items && t.sequences ? build(&t, calls, deadline) : -ENOMEM;
	if (e == 0 && !t.sequence) /* it has one now; the analyser does not see that */
		e = -ENOMEM;
	if (e == 0 && !r->pinned)
		e = pin(r, slot_in(r, calls[0].argv[1]), deadline);
	if (e != 0) {
		transaction_fini(&t);
		ipk__redis_unwatch(b);
		return e;
	}
	write_out(&t, &out);
	e = converse(&t, &out, deadline);
	ipk__buffer_free(&out);
	if (e == -ECANCELED && r->address.is_cluster)
		ipk__redis_refresh(r, deadline);
	unpin(r);
	if (e == -EPIPE)
		e = was_done(&t, deadline);
	transaction_fini(&t);
	return e == -ETIMEDOUT ? -EINPROGRESS : e;
}

/* --- change notification ---------------------------------------------------------------------- */

struct watch {
	const struct ipk__backend_ops *ops;
	struct ipk__redis *r;
	struct ipk__redis_link *link;
	size_t node;
	int epoll_fd; /* stays when the link is made anew */
	char *room;   /* the words */
	struct ipk__slice key;
	struct ipk__slice field; /* bytes NULL: all */
	struct ipk__slice channel;
	struct ipk__response before; /* the field's value */
	pid_t pid;
};

/* Whether "notify-keyspace-events" has what we need; the letters it should have. */
static bool has_events(struct ipk__slice text, char *ret_wanted)
{
	bool has_k = text.n_bytes > 0 && memchr(text.bytes, 'K', text.n_bytes);
	bool has_a = text.n_bytes > 0 && memchr(text.bytes, 'A', text.n_bytes);
	size_t n = 0;

	for (size_t i = 0; i < text.n_bytes && n < 28; i++)
		if (text.bytes[i] != 'K' && text.bytes[i] != 'A')
			ret_wanted[n++] = text.bytes[i];
	memcpy(ret_wanted + n, "KA", 3);
	return has_k && has_a;
}

static int turn_on(struct ipk__redis_link *link, ipk_deadline deadline)
{
	struct ipk__slice words[4] = {IPK__SLICE_OF("CONFIG"), IPK__SLICE_OF("GET"),
				      IPK__SLICE_OF("notify-keyspace-events")};
	struct ipk__resp_value v[3] = {0};
	struct ipk__slice reply = {0};
	char wanted[32];
	size_t at = 0;
	int e = ipk__redis_link_call(link, words, 3, deadline, &reply);

	for (int i = 0; i < 3 && e == 0 && reply.bytes[0] != '-'; i++)
		e = ipk__resp_next(reply, &at, &v[i]);
	if (e == -EPROTO)
		e = 0;
	if (e < 0 || has_events(v[2].text, wanted))
		return e;
	words[1] = IPK__SLICE_OF("SET");
	words[3] = ipk__slice_of_string(wanted);
	e = ipk__redis_link_call(link, words, 4, deadline, &reply);
	if (e == 0 && reply.bytes[0] == '-')
		e = ipk__manager_fail(-EOPNOTSUPP, "UNSUPPORTED this server sends no keyspace "
						   "events, and does not let us turn them on");
	return e;
}

static int subscribe(struct watch *w, ipk_deadline deadline)
{
	struct ipk__slice words[2] = {IPK__SLICE_OF("SUBSCRIBE"), w->channel};
	struct ipk__slice reply = {0};
	int e;

	w->node = ipk__redis_node_of(w->r, slot_in(w->r, w->key));
	e = ipk__redis_take_link(w->r, w->node, deadline, &w->link);
	if (e < 0)
		return e;
	e = turn_on(w->link, deadline);
	if (e == 0)
		e = ipk__redis_link_call(w->link, words, 2, deadline, &reply);
	if (e == 0 && reply.bytes[0] == '-')
		e = -EOPNOTSUPP;
	if (e == 0)
		e = ipk__os_loop_add(w->epoll_fd, w->link->fd, IPK__OS_IN, 0);
	if (e < 0) {
		ipk__redis_link_close(w->link);
		w->link = NULL;
	}
	return e;
}

static int poll_value(struct watch *w, ipk_deadline deadline, struct ipk__response *ret_value)
{
	struct ipk__slice words[3] = {IPK__SLICE_OF("HGET"), w->key, w->field};
	struct ipk__call call = {
		.argv = words, .argc = 3, .flags = IPK__CALL_READ, .reply = ret_value};

	return ipk__redis_call(w->r, &call, deadline);
}

/* "__keyspace@0__:key" */
static int name_objects(struct watch *w, struct ipk__slice key, struct ipk__slice field)
{
	struct ipk__buffer b = {0};
	char db[24];
	size_t n_db = ipk__int64_to_text(w->r->address.db, db);
	size_t n_head = strlen("__keyspace@__:") + n_db;

	ipk__buffer_append(&b, "__keyspace@", strlen("__keyspace@"));
	ipk__buffer_append(&b, db, n_db);
	ipk__buffer_append(&b, "__:", strlen("__:"));
	ipk__buffer_append(&b, key.bytes, key.n_bytes);
	ipk__buffer_append(&b, field.bytes, field.n_bytes);
	if (b.failed) {
		ipk__buffer_free(&b);
		return -ENOMEM;
	}
	w->room = b.room;
	w->channel = IPK__SLICE(b.room, n_head + key.n_bytes);
	w->key = IPK__SLICE(b.room + n_head, key.n_bytes);
	if (field.bytes)
		w->field = IPK__SLICE(b.room + n_head + key.n_bytes, field.n_bytes);
	return 0;
}

int ipk__redis_watch_open(struct ipk__backend *b, struct ipk__slice key, struct ipk__slice field,
			  ipk_deadline deadline, struct ipk__backend_watch **ret_watch)
{
	struct ipk__redis *r = redis_of(b);
	struct watch *w;
	int e = ipk__redis_here(r);

	if (e < 0)
		return e;
	w = ipk__os_calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	w->ops = b->ops;
	w->r = r;
	w->epoll_fd = -1;
	w->pid = ipk__os_pid();
	ipk__response_init(&w->before);
	e = name_objects(w, key, field);
	if (e == 0)
		e = ipk__os_epoll(&w->epoll_fd);
	if (e == 0)
		e = subscribe(w, deadline);
	if (e == 0 && w->field.bytes)
		e = poll_value(w, deadline, &w->before);
	if (e < 0) {
		ipk__redis_watch_close((struct ipk__backend_watch *)w);
		return e;
	}
	*ret_watch = (struct ipk__backend_watch *)w;
	return 0;
}

int ipk__redis_watch_fd(struct ipk__backend_watch *watch)
{
	return ((struct watch *)watch)->epoll_fd;
}

/* Whether there is something to report; *ret_field: the field, or null. */
static int say(struct watch *w, ipk_deadline deadline, struct ipk__response *ret_field)
{
	struct ipk__buffer b = {0};
	struct ipk__response now;
	bool same;
	int e;

	if (!w->field.bytes)
		return ipk__redis_reply_null(ret_field);
	ipk__response_init(&now);
	e = poll_value(w, deadline, &now);
	same = e == 0 && ipk__slice_equal(now.whole, w->before.whole);
	if (e == 0 && !same)
		e = ipk__response_put(&w->before, now.whole);
	ipk__response_fini(&now);
	if (e < 0 || same)
		return e < 0 ? e : -EAGAIN;
	ipk__resp_bulk(&b, w->field);
	e = b.failed ? -ENOMEM
		     : ipk__response_put(ret_field,
					 IPK__SLICE(ipk__buffer_front(&b), ipk__buffer_len(&b)));
	ipk__buffer_free(&b);
	return e;
}

/* One event, and all that are queued after it: reported as one. */
static int gather(struct watch *w, ipk_deadline deadline)
{
	struct ipk__slice reply = {0};
	int e = ipk__redis_link_read(w->link, deadline, &reply);

	if (e < 0)
		return e;
	while (e == 0)
		e = ipk__redis_link_read(w->link, ipk_now(), &reply);
	return e == -ETIMEDOUT ? 0 : e;
}

static int anew(struct watch *w, ipk_deadline deadline)
{
	int64_t pause_ms = 10;
	int e;

	ipk__redis_link_close(w->link);
	w->link = NULL;
	for (;;) {
		ipk__redis_refresh(w->r, deadline);
		e = subscribe(w, deadline);
		if (e == 0 || e == -EOPNOTSUPP || e == -EACCES || e == -ENOMEM)
			return e;
		e = ipk__redis_pause(pause_ms, deadline);
		if (e < 0)
			return e;
		pause_ms = pause_ms < 200 ? pause_ms * 2 : 200;
	}
}

int ipk__redis_watch_next(struct ipk__backend_watch *watch, ipk_deadline deadline,
			  struct ipk__response *ret_field)
{
	struct watch *w = (struct watch *)watch;
	int e = ipk__redis_here(w->r);

	if (e == 0 && w->pid != ipk__os_pid()) /* the parent's connection, and its fd */
		return ipk__invalid("w: the parent process opened it");
	while (e == 0) {
		e = w->link ? gather(w, deadline) : -EPIPE;
		if (e == -ETIMEDOUT || e == -ENOMEM)
			break;
		if (e < 0)
			e = anew(w, deadline);
		if (e == 0)
			e = say(w, deadline, ret_field);
		if (e != -EAGAIN)
			break;
		e = 0;
	}
	return e;
}

void ipk__redis_watch_close(struct ipk__backend_watch *watch)
{
	struct watch *w = (struct watch *)watch;

	if (!w)
		return;
	ipk__redis_link_close(w->link);
	ipk__os_close(w->epoll_fd);
	ipk__response_fini(&w->before);
	free(w->room);
	free(w);
}
